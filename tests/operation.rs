//! Operation: metrics, limits of what a run takes from others, completions and manual pages.
#![expect(clippy::float_cmp, reason = "metrics that are compared are whole numbers")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::{Timestamp, ToSpan};

use crate::support::{ALICE, World, make, world::REGISTRY};

type Metrics = BTreeMap<String, f64>;

/// Metrics by name with labels; panics if a line is not in the text format, or a metric lacks its HELP and TYPE before it.
fn metrics(world: &World, name: &str) -> Metrics {
    let text = String::from_utf8(world.get(name)).unwrap();
    let (mut found, mut head) = (Metrics::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (metric, help) = rest.split_once(' ').unwrap();
            assert!(!help.is_empty());
            metric.clone_into(&mut head);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert_eq!(rest, format!("{head} gauge"));
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert_eq!(series.split('{').next().unwrap(), head, "{line}");
            assert!(found.insert(series.to_owned(), value.parse().unwrap()).is_none(), "{line} stands twice");
        }
    }
    promtool(&text);
    found
}

/// Prometheus' own judgement.
fn promtool(text: &str) {
    use std::io::Write as _;
    let spawned = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = spawned else {
        eprintln!("promtool is not installed: not asked");
        return;
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.is_empty(), "promtool: {said}\n{text}");
}

/// A text log of `lines` lines, every tenth of them alice's.
fn log(lines: usize) -> String {
    let who = |n: usize| if n % 10 == 3 { "alice" } else { "bruno" };
    (0..lines).fold(String::new(), |mut text, n| {
        writeln!(text, "2026-11-20T09:00:00Z INFO request {n} of {}@example.com", who(n)).unwrap();
        text
    })
}

fn days_ago(days: i64) -> Timestamp {
    Timestamp::now() - (24 * days).hours()
}

#[test]
fn metrics_say_what_the_manifest_says() {
    let world = World::new(ALICE);
    world.put("src/app.log", log(200));
    world.put("src/app.log.1.gz", make::gz(log(300).as_bytes()));
    world.put("src/clean.log", log(3));
    world.put("src/torn.gz", &make::gz(log(300).as_bytes())[..200]);
    let before = Timestamp::now().as_second();
    let ran = world.scrub(&["--metrics", "m.prom"]);
    ran.expect(3);
    let metrics = metrics(&world, "m.prom");
    let get = |name: &str| metrics[&format!("unwrite_{name}")];
    let artifacts: Vec<_> = ran.lines.iter().filter(|line| line["kind"] == "artifact").collect();
    let summary = ran.lines.last().unwrap();
    for (status, n) in summary["artifacts"].as_object().unwrap() {
        assert_eq!(get(&format!("run_artifacts{{status=\"{status}\"}}")), n.as_f64().unwrap(), "{status}");
    }
    assert_eq!(get("run_artifacts{status=\"rewritten\"}"), 2.0);
    let sum = |of: &dyn Fn(&serde_json::Value) -> f64| artifacts.iter().map(|line| of(line)).sum::<f64>();
    for what in ["read", "dropped", "edited"] {
        let said = sum(&|line| line["records"][what].as_f64().unwrap_or(0.0));
        assert_eq!(get(&format!("run_records_{what}")), said, "{what}");
    }
    assert_eq!(get("run_kept_bytes"), sum(&|line| line["kept_bytes"].as_f64().unwrap_or(0.0)));
    assert_eq!(get("run_encoded_bytes"), sum(&|line| line["encoded_bytes"].as_f64().unwrap_or(0.0)));
    // The torn one was read to where it ends.
    assert_eq!(get("run_read_bytes"), sum(&|line| line["before"]["bytes"].as_f64().unwrap_or(0.0)) + 200.0);
    assert_eq!(get("run_subjects"), 1.0);
    assert_eq!(get("run_exit_code"), 3.0);
    assert_eq!(get("last_success_timestamp_seconds"), 0.0, "there was none");
    assert!(get("last_run_timestamp_seconds") >= before as f64);
    assert!((0.0..60.0).contains(&get("run_duration_seconds")));
    let registry = &ran.lines[0]["registry"];
    assert_eq!(get("registry_seq"), registry["seq"].as_f64().unwrap());
    for state in ["in_force", "held", "pending"] {
        assert_eq!(get(&format!("registry_subjects{{state=\"{state}\"}}")), registry[state].as_f64().unwrap());
    }
    assert!((0.0..60.0).contains(&get("registry_age_seconds")));
    assert_eq!(get("run_info{verb=\"scrub\",version=\"0.1.0\"}"), 1.0);
}

/// The alerts of the manual speak of metrics that there are, and Prometheus can read them.
#[test]
fn alerts_are_rules() {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples/unwrite.rules.yml");
    let world = World::new(ALICE);
    world.put("src/app.log", log(20));
    world.scan(&["--metrics", "m.prom"]).expect(1);
    let known = metrics(&world, "m.prom");
    let text = std::fs::read_to_string(&rules).unwrap();
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let named: Vec<&str> = words.filter(|word| word.starts_with("unwrite_")).collect();
    assert!(named.len() > 3 && named.iter().all(|word| known.contains_key(*word)), "{named:?}");
    match Command::new("promtool").args(["check", "rules"]).arg(&rules).output() {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(_) => eprintln!("promtool is not installed: the rules were not checked"),
    }
}

#[test]
fn a_run_that_fails_keeps_the_last_success() {
    let world = World::new(ALICE);
    world.put("src/app.log", log(20));
    world.scrub(&["--metrics", "m.prom"]).expect(0);
    let get = |name: &str| metrics(&world, "m.prom").get(name).copied();
    let success = get("unwrite_last_success_timestamp_seconds").unwrap();
    assert!(success > 1.6e9);
    let old = String::from_utf8(world.get("m.prom")).unwrap().replace(&format!("{success}"), "1600000000");
    world.put("m.prom", old);
    // Usage: the registry is not there; nothing is known of it.
    let ran = world.run(&["scan", "src", "--registry", "none.jsonl", "--metrics", "m.prom"]);
    ran.expect(2);
    assert_eq!(get("unwrite_run_exit_code"), Some(2.0));
    assert_eq!(get("unwrite_last_success_timestamp_seconds"), Some(1.6e9));
    assert_eq!((get("unwrite_registry_seq"), get("unwrite_run_subjects")), (None, None));
    // A SOURCE that is not there: nothing was read, so everybody waits.
    world.put(REGISTRY, ALICE.replacen('{', &format!("{{\"effective_at\":\"{}\",", days_ago(5)), 1));
    world.run(&["scan", "nowhere", "--registry", REGISTRY, "--metrics", "m.prom"]).expect(2);
    let waits = get("unwrite_oldest_unclean_age_seconds").unwrap();
    assert!((5.0 * 86_400.0..5.1 * 86_400.0).contains(&waits), "{waits}");
    world.scan(&["--metrics", "m.prom"]).expect(0);
    assert!(get("unwrite_last_success_timestamp_seconds").unwrap() > 1.6e9);
    assert_eq!(get("unwrite_oldest_unclean_age_seconds"), Some(0.0));
    // What cannot be read as metrics of ours tells nothing, and harms nothing.
    world.put("m.prom", b"\xff\xfe unwrite_last_success_timestamp_seconds x\n");
    world.run(&["scan", "nowhere", "--registry", REGISTRY, "--metrics", "m.prom"]).expect(2);
    assert_eq!(get("unwrite_last_success_timestamp_seconds"), Some(0.0));
}

#[test]
fn the_longest_waiting_person_is_told() {
    let erase = |subject: &str, days: i64, name: &str| {
        let at = days_ago(days);
        format!(
            "{{\"subject\":\"{subject}\",\"effective_at\":\"{at}\",\"identifiers\":[{{\"type\":\"email\",\"value\":\"{name}@example.com\"}}]}}\n"
        )
    };
    let mut registry = erase("young", 10, "alice") + &erase("old", 100, "carol") + &erase("held", 300, "dora");
    registry += "{\"event\":\"hold\",\"subject\":\"held\"}\n";
    registry += &erase("cancelled", 400, "emil");
    registry += "{\"event\":\"cancel\",\"subject\":\"cancelled\"}\n";
    let world = World::new(&registry);
    let days = || metrics(&world, "m.prom")["unwrite_oldest_unclean_age_seconds"] / 86_400.0;
    world.put("src/app.log", log(20));
    world.scan(&["--metrics", "m.prom"]).expect(1);
    assert!((10.0..10.1).contains(&days()), "the one who was found: {}", days());
    // Of a damaged file nobody knows who is in it.
    world.put("src/torn.gz", &make::gz(b"2026-11-20T09:00:00Z INFO nobody\n")[..20]);
    world.scrub(&["--metrics", "m.prom"]).expect(3);
    assert!((100.0..100.1).contains(&days()), "anybody in force: {}", days());
    std::fs::remove_file(world.path("src/torn.gz")).unwrap();
    world.put("src/held.log", "2026-11-20T09:00:00Z INFO dora@example.com\n2026-11-20T09:00:00Z INFO x\n");
    world.scrub(&["--metrics", "m.prom"]).expect(3);
    assert_eq!(days(), 0.0, "who is held is not in force");
    std::fs::remove_file(world.path("src/held.log")).unwrap();
    world.scrub(&["--metrics", "m.prom"]).expect(0);
    assert_eq!(days(), 0.0);
    // Without a time of its own: since the registry was last written to, at least.
    world.put(REGISTRY, ALICE);
    let old = filetime::FileTime::from_unix_time(days_ago(7).as_second(), 0);
    filetime::set_file_mtime(world.path(REGISTRY), old).unwrap();
    world.put("src/app.log", log(20));
    world.scan(&["--metrics", "m.prom"]).expect(1);
    assert!((7.0..7.1).contains(&days()), "{}", days());
}

#[test]
fn metrics_are_an_own_file_and_hold_nobody() {
    let world = World::new(ALICE);
    world.put("src/app.log", log(20));
    world.scan(&["--metrics", "src/m.prom"]).expect(1);
    let ran = world.scan(&["--metrics", "src/m.prom"]);
    assert_eq!(ran.expect(1).status("m.prom"), "skipped: own file");
    assert_eq!(std::fs::read_dir(world.path("src")).unwrap().count(), 2, "no draft is left");
    // One folder, several jobs.
    world.scan(&["--metrics", "m.prom", "--metrics-name", "app-1"]).expect(1);
    assert_eq!(metrics(&world, "m.prom")["unwrite_run_exit_code{name=\"app-1\"}"], 1.0);
    let told = world.get("m.prom");
    for bad in ["usr_8f3a9c21", "x.alice_m", "a b", ""] {
        let ran = world.scan(&["--metrics", "m.prom", "--metrics-name", bad]);
        ran.expect(2);
        assert!(bad.is_empty() || !ran.err.contains(bad), "{}", ran.err);
        assert_eq!(world.get("m.prom"), told, "nothing is written under somebody's name");
    }
    for bad in ["src", "nowhere/m.prom", "/dev/null"] {
        world.scan(&["--metrics", bad]).expect(2);
    }
    // By variable and config file, as every option; the umask holds.
    world.put("unwrite.toml", "[options]\nmetrics = \"c.prom\"\nmetrics_name = \"c\"\n");
    world.scan(&[]).expect(1);
    assert_eq!(metrics(&world, "c.prom")["unwrite_run_exit_code{name=\"c\"}"], 1.0);
    world.run_with(&[("UNWRITE_METRICS", "v.prom")], &["scan", "src", "--registry", REGISTRY]).expect(1);
    metrics(&world, "v.prom");
    let mode = |name: &str| std::os::unix::fs::MetadataExt::mode(&world.path(name).metadata().unwrap()) & 0o7777;
    assert_eq!(mode("v.prom") & !0o044, 0o600, "0644 less the umask");
}

#[test]
fn a_signal_ends_a_slow_run_and_metrics_tell() {
    let world = World::new(ALICE);
    world.put("src/app.log", log(80_000));
    let whole = world.get("src/app.log");
    let arguments =
        ["scrub", "src", "--registry", REGISTRY, "--in-place", "--metrics", "m.prom", "--bwlimit", "64KiB/s"];
    let mut command = world.command(&[&arguments[..], &["--nice", "7", "--idle"]].concat());
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let stat = format!("/proc/{}/stat", child.id());
    let nice = || {
        let stat = std::fs::read_to_string(&stat).unwrap();
        // proc(5): `nice` is the 19th field, the 17th after the name.
        stat.rsplit_once(") ").unwrap().1.split(' ').nth(16).unwrap().parse::<i32>().unwrap()
    };
    let ours = std::fs::read_to_string("/proc/self/stat").unwrap();
    let ours: i32 = ours.rsplit_once(") ").unwrap().1.split(' ').nth(16).unwrap().parse().unwrap();
    let begun = Instant::now();
    while nice() != (ours + 7).min(19) {
        assert!(begun.elapsed() < Duration::from_secs(20), "not nice: {}", nice());
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(500));
    match Command::new("ionice").args(["-p", &child.id().to_string()]).output() {
        Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "idle"),
        Err(_) => eprintln!("ionice is not installed: not asked"),
    }
    let then = Instant::now();
    terminate(child.id());
    let output = child.wait_with_output().unwrap();
    assert!(then.elapsed() < Duration::from_secs(5), "a run that waits is to be stopped at once: {:?}", then.elapsed());
    assert_eq!(output.status.code(), Some(143));
    assert_eq!(world.get("src/app.log"), whole);
    let metrics = metrics(&world, "m.prom");
    assert_eq!(metrics["unwrite_run_exit_code"], 143.0);
    assert_eq!(metrics["unwrite_run_artifacts{status=\"rewritten\"}"], 0.0);
}

/// SIGTERM.
fn terminate(pid: u32) {
    let done = Command::new("kill").args(["-TERM", &pid.to_string()]).status().unwrap();
    assert!(done.success());
}

#[test]
fn bytes_a_second_are_bounded() {
    let world = World::new(ALICE);
    let mut text = log(80_000);
    text.truncate(4 << 20);
    world.put("src/app.log", text);
    let start = Instant::now();
    world.scan(&["--bwlimit", "1MiB", "--exclude", "x"]).expect(1);
    // 4 MiB are read to search them, and again for the digest of what would be rewritten.
    assert!(start.elapsed() >= Duration::from_millis(7500), "{:?}", start.elapsed());
    for bad in ["0", "1K", "fast", "-5M"] {
        let ran = world.scan(&[&format!("--bwlimit={bad}")]);
        ran.expect(2);
        assert!(ran.err.contains("--bwlimit"), "{}", ran.err);
    }
    // Rewriting is reading and writing; the verify verb reads.
    let timed = |run: &dyn Fn()| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    let scrub = timed(&|| {
        world.scrub(&["--bwlimit", "16MiB"]).expect(0);
    });
    assert!(scrub >= Duration::from_millis(700), "found, copied, written, hashed, verified: {scrub:?}");
    let verify = timed(&|| {
        world.verify(&["--bwlimit", "8MiB", "--fast"]).expect(0);
    });
    assert!(verify >= Duration::from_millis(700), "{verify:?}");
}

#[test]
fn niceness_is_checked() {
    let world = World::new(ALICE);
    world.put("src/app.log", log(2));
    for bad in ["20", "-1", "x"] {
        world.scan(&[&format!("--nice={bad}")]).expect(2);
    }
    world
        .run_with(&[("UNWRITE_NICE", "3"), ("UNWRITE_IDLE", "yes")], &["scan", "src", "--registry", REGISTRY])
        .expect(0);
}

/// Verbs as a user types them, and the long options of each, as `--help` lists them.
fn verbs(world: &World) -> Vec<(Vec<String>, Vec<String>)> {
    let (mut found, mut next) = (Vec::new(), vec![Vec::<String>::new()]);
    while let Some(path) = next.pop() {
        let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
        arguments.push("--help");
        let help = world.run(&arguments).expect(0).out.clone();
        if let Some((_, below)) = help.split_once("Commands:\n") {
            let listed = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
            let lines = below.split("Options:").next().unwrap().lines().filter(listed);
            let names = lines.map(|line| line.split_whitespace().next().unwrap()).filter(|name| *name != "help");
            next.extend(names.map(|name| [&path[..], &[name.to_owned()]].concat()));
        }
        let words = help.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        let mut options: Vec<String> =
            words.filter(|word| word.starts_with("--") && word.len() > 2).map(str::to_owned).collect();
        options.sort();
        options.dedup();
        if !path.is_empty() {
            found.push((path, options));
        }
    }
    assert!(["scrub", "registry add", "man"].iter().all(|name| found.iter().any(|(path, _)| path.join(" ") == **name)));
    found
}

#[test]
fn completions_know_every_verb_and_option() {
    let world = World::new(ALICE);
    let verbs = verbs(&world);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = world.run(&["completions", shell]);
        let text = &ran.expect(0).out;
        for (path, options) in &verbs {
            assert!(path.iter().all(|verb| text.contains(verb.as_str())), "{shell}: {path:?}");
            for option in options {
                // fish has them without dashes: `-l metrics`.
                let there = text.contains(option) || text.contains(&format!("-l {}", &option[2..]));
                assert!(there, "{shell}: {path:?} {option}");
            }
        }
        let file = world.put(format!("completion.{shell}"), text);
        load(shell, &file);
    }
    world.run(&["completions", "tcsh"]).expect(2);
    // A word that is half typed, as a shell asks for it.
    let asked = r#". ./completion.bash; COMP_WORDS=(unwrite scrub --bw); COMP_CWORD=2; _unwrite unwrite --bw scrub; echo "${COMPREPLY[*]}""#;
    let output = Command::new("bash").args(["-c", asked]).current_dir(world.dir()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "--bwlimit", "{output:?}");
}

/// Lets the shell itself read its completions.
fn load(shell: &str, file: &Path) {
    let file = file.to_str().unwrap();
    let script = match shell {
        "bash" => format!("set -eu; . {file}; complete -p unwrite"),
        "zsh" => format!("autoload -Uz compinit; compinit -D -u; . {file}; [[ ${{_comps[unwrite]}} == _unwrite ]]"),
        "fish" => {
            format!("source {file}; complete -C 'unwrite scrub --metrics-n' | string match -q -- '--metrics-name*'")
        }
        _ => return,
    };
    let quiet = match shell {
        "bash" => "--norc",
        "zsh" => "-f",
        _ => "--no-config",
    };
    match Command::new(shell).args([quiet, "-c", &script]).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && said.is_empty(), "{shell}: {said}");
        }
        Err(_) => eprintln!("{shell} is not installed: its completions were not loaded"),
    }
}

#[test]
fn pages_know_every_verb_and_option() {
    let world = World::new(ALICE);
    world.run(&["man", "--output", "pages"]).expect(0);
    for (path, options) in verbs(&world) {
        let name = format!("pages/unwrite-{}.1", path.join("-"));
        let page = String::from_utf8(world.get(&name)).unwrap().replace("\\-", "-");
        for option in &options {
            assert!(page.contains(option.as_str()), "{name}: {option}");
        }
    }
    let main = world.run(&["man"]);
    assert_eq!(main.out.as_bytes(), world.get("pages/unwrite.1"), "the main page is the same on stdout");
    assert!(main.out.contains(".SH EXIT STATUS") && main.out.contains("unwrite\\-scrub(1)"));
    for entry in std::fs::read_dir(world.path("pages")).unwrap() {
        let page = entry.unwrap().path();
        judged("man", &["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"], &page);
        judged("mandoc", &["-Tlint", "-Wwarning"], &page);
    }
    // The options of a run are none of the manual's: a mirror in the config file is no folder for pages.
    world.put("unwrite.toml", "[options]\noutput = \"mirror/\"\n");
    assert_eq!(world.run(&["man"]).expect(0).out, main.out);
    assert!(!world.path("mirror").exists());
}

/// A tool that reads a page and has nothing to say about it.
fn judged(tool: &str, arguments: &[&str], page: &Path) {
    let output = Command::new(tool).args(arguments).arg(page).env("LC_ALL", "C.UTF-8").output();
    let Ok(output) = output else {
        eprintln!("{tool} is not installed: {} was not judged", page.display());
        return;
    };
    let said = if tool == "man" { output.stderr } else { [output.stdout, output.stderr].concat() };
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success() && said.is_empty(), "{tool}: {}: {said}", page.display());
}
