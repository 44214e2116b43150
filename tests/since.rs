//! The second night: what an earlier manifest vouches for is searched for who is new only, and not read if nobody is.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use crate::support::world::{REGISTRY, Ran};
use crate::support::{World, make, manifest};

const ALICE: &str = "{\"subject\":\"a\",\"identifiers\":[{\"type\":\"email\",\"value\":\"alice@example.com\"}]}\n";
const BRUNO: &str = "{\"subject\":\"b\",\"identifiers\":[{\"type\":\"email\",\"value\":\"bruno@example.org\"}]}\n";

/// A world of three files: one of Alice, one of Bruno, one of nobody.
fn world(registry: &str) -> World {
    let world = World::new(registry);
    world.put("src/alice.log", make::log(&["alice@example.com", "x"]));
    world.put("src/bruno.log.gz", make::gz(&make::log(&["bruno@example.org", "x"])));
    world.put("src/nobody.log", make::log(&["x", "y"]));
    world
}

/// More lines for the registry.
fn add(world: &World, lines: &str) {
    let mut text = world.get(REGISTRY);
    text.extend_from_slice(lines.as_bytes());
    world.put(REGISTRY, text);
}

/// A night: continues the manifest and relies on it.
fn night(world: &World, more: &[&str]) -> Ran {
    world.scrub(&[&["--since", "m.jsonl"], more].concat())
}

/// URIs and statuses of the artifacts, `+` behind the status where an earlier run was relied on; sorted.
fn statuses(ran: &Ran) -> String {
    let mut all: Vec<String> = ran
        .lines
        .iter()
        .filter(|line| line["kind"] == "artifact")
        .map(|line| {
            let name = line["uri"].as_str().unwrap().rsplit('/').next().unwrap();
            let relied = if line["since"].is_string() { "+" } else { "" };
            format!("{name} {}{relied}", line["status"].as_str().unwrap())
        })
        .collect();
    all.sort();
    all.join(", ")
}

/// No path of `src` is opened while `arguments` run; needs strace.
fn opens_nothing(world: &World, arguments: &[&str]) {
    let mut command = std::process::Command::new("strace");
    command.current_dir(world.dir()).args(["-f", "-e", "trace=open,openat,openat2", "-o", "trace"]);
    command.arg(assert_cmd::cargo::cargo_bin!("unwrite")).args(arguments);
    let Ok(output) = command.output() else {
        eprintln!("strace is not there: not shown that nothing is opened");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let trace = String::from_utf8(world.get("trace")).unwrap();
    assert!(trace.contains("m.jsonl"), "strace saw nothing");
    let opened: Vec<_> = trace.lines().filter(|line| line.contains("src/")).collect();
    assert!(opened.is_empty(), "{opened:?}");
}

#[test]
fn nobody_is_new_and_nothing_is_read() {
    let world = world(ALICE);
    let first = night(&world, &[]);
    first.expect(0);
    assert_eq!(statuses(&first), "alice.log rewritten, bruno.log.gz clean, nobody.log clean");
    assert!(first.lines[0].get("since").is_none(), "there was nothing to rely on");
    let digests = |ran: &Ran, key: &str| ran.artifact("alice.log")[key].clone();
    let after = digests(&first, "after");
    let second = night(&world, &[]);
    second.expect(0);
    assert_eq!(statuses(&second), "alice.log unchanged+, bruno.log.gz unchanged+, nobody.log unchanged+");
    assert_eq!(digests(&second, "before"), after, "the digest goes on");
    assert_eq!(second.artifact("nobody.log")["since"], first.lines[0]["run_id"]);
    let since = &second.lines[0]["since"][0];
    assert_eq!(since["uri"], "file:m.jsonl");
    assert_eq!(since["lines"], 6);
    assert_eq!(since["last"], second.lines[0]["prev"], "the same manifest is continued");
    world.verify(&[]).expect(0);
    opens_nothing(
        &world,
        &["scrub", "src", "--registry", REGISTRY, "--in-place", "--manifest", "m.jsonl", "--since", "m.jsonl"],
    );
    opens_nothing(&world, &["scan", "src", "--registry", REGISTRY, "--since", "m.jsonl"]);
    // By the variable, and by the config file.
    let by_variable = world.run_with(
        &[("UNWRITE_SINCE", "m.jsonl")],
        &["scrub", "src", "--registry", REGISTRY, "--in-place", "--manifest", "m.jsonl"],
    );
    assert_eq!(by_variable.of("unchanged").len(), 3);
}

#[test]
fn only_who_is_new_is_searched_for() {
    let world = world(ALICE);
    night(&world, &[]).expect(0);
    add(&world, BRUNO);
    let ran = world.scan(&["--since", "m.jsonl"]);
    ran.expect(1);
    assert_eq!(statuses(&ran), "alice.log clean+, bruno.log.gz would_rewrite+, nobody.log clean+");
    let ran = night(&world, &[]);
    ran.expect(0);
    assert_eq!(statuses(&ran), "alice.log clean+, bruno.log.gz rewritten+, nobody.log clean+");
    assert_eq!(ran.artifact("bruno.log.gz")["subjects"], serde_json::json!({"b": 1}));
    assert_eq!(make::un_gz(&world.get("src/bruno.log.gz")), make::log(&["", "x"]).split_off(make::log(&[""]).len()));
    let second = ran.lines[0]["run_id"].clone();
    // The third night relies on the second.
    let ran = night(&world, &[]);
    assert_eq!(statuses(&ran), "alice.log unchanged+, bruno.log.gz unchanged+, nobody.log unchanged+");
    assert_eq!(ran.artifact("nobody.log")["since"], second);
    world.verify(&[]).expect(0);
}

#[test]
fn the_newest_manifest_alone_is_enough() {
    let world = world(ALICE);
    let scrub = |manifest: &str, more: &[&str]| {
        let plain = ["scrub", "src", "--registry", REGISTRY, "--in-place", "--json", "--manifest", manifest];
        let ran = world.run(&[&plain, more].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        manifest::check(&world.get(manifest))
    };
    let statuses = |lines: &[serde_json::Value]| {
        let mut all: Vec<_> = lines.iter().filter_map(|line| Some(line["status"].as_str()?.to_owned())).collect();
        all.sort();
        all.join(" ")
    };
    assert_eq!(statuses(&scrub("1.jsonl", &[])), "clean clean rewritten");
    assert_eq!(statuses(&scrub("2.jsonl", &["--since", "1.jsonl"])), "unchanged unchanged unchanged");
    add(&world, BRUNO);
    assert_eq!(statuses(&scrub("3.jsonl", &["--since", "2.jsonl"])), "clean clean rewritten");
    assert_eq!(statuses(&scrub("4.jsonl", &["--since", "3.jsonl"])), "unchanged unchanged unchanged");
    // Several, by a glob, by commas and by repeating.
    assert_eq!(statuses(&scrub("5.jsonl", &["--since", "[1-4].jsonl"])), "unchanged unchanged unchanged");
    assert_eq!(statuses(&scrub("6.jsonl", &["--since", "1.jsonl,4.jsonl"])), "unchanged unchanged unchanged");
    let ran = scrub("7.jsonl", &["--since", "4.jsonl", "--since", "1.jsonl"]);
    assert_eq!(statuses(&ran), "unchanged unchanged unchanged");
    assert_eq!(ran[0]["since"].as_array().unwrap().len(), 2);
    world.run(&["verify", "7.jsonl", "--registry", REGISTRY]).expect(0);
    // A digest that does not fit any more is told by the unchanged line's manifest.
    world.put("src/nobody.log", make::log(&["x", "z"]));
    world.run(&["verify", "7.jsonl"]).expect(1);
}

#[test]
fn a_changed_file_is_read_again() {
    let world = world(ALICE);
    night(&world, &[]).expect(0);
    let path = world.path("src/nobody.log");
    let before = std::fs::metadata(&path).unwrap();
    // The same mtime: ctime and length tell.
    std::fs::write(&path, make::log(&["alice@example.com"])).unwrap();
    filetime::set_file_mtime(&path, filetime::FileTime::from_last_modification_time(&before)).unwrap();
    // A new file of an old name; its mtime is the old one too.
    world.put("src/fresh", make::log(&["alice@example.com"]));
    let old = std::fs::metadata(world.path("src/alice.log")).unwrap();
    std::fs::rename(world.path("src/fresh"), world.path("src/alice.log")).unwrap();
    filetime::set_file_mtime(world.path("src/alice.log"), filetime::FileTime::from_last_modification_time(&old))
        .unwrap();
    let ran = night(&world, &[]);
    ran.expect(0);
    assert_eq!(statuses(&ran), "alice.log rewritten, bruno.log.gz unchanged+, nobody.log rewritten");
    for name in ["src/alice.log", "src/nobody.log"] {
        assert!(!String::from_utf8_lossy(&world.get(name)).contains("alice"), "{name}");
    }
}

#[test]
fn a_file_that_is_made_right_before_the_run_and_changed_right_after() {
    for i in 0..20 {
        let world = World::new(ALICE);
        world.put("src/a.log", make::log(&["x".repeat(17).as_str(), "y"]));
        let mtime = std::fs::metadata(world.path("src/a.log")).unwrap().modified().unwrap();
        night(&world, &[]).expect(0);
        // As soon as can be, with the same length and mtime.
        world.put("src/a.log", make::log(&["alice@example.com", "y"]));
        std::fs::File::options().write(true).open(world.path("src/a.log")).unwrap().set_modified(mtime).unwrap();
        let ran = night(&world, &[]);
        assert_eq!(statuses(&ran), "a.log rewritten", "round {i}");
    }
}

/// A time that many seconds from now.
fn later(seconds: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as i64;
    jiff::Timestamp::from_millisecond(now + seconds * 1000).unwrap().to_string()
}

#[test]
fn an_ended_grace_period_is_new() {
    let soon = BRUNO.replace("\"identifiers\"", &format!("\"effective_at\":\"{}\",\"identifiers\"", later(4)));
    let world = world(&format!("{ALICE}{soon}"));
    let first = night(&world, &[]);
    assert_eq!(statuses(&first), "alice.log rewritten, bruno.log.gz clean, nobody.log clean");
    assert_eq!(statuses(&night(&world, &[])), "alice.log unchanged+, bruno.log.gz unchanged+, nobody.log unchanged+");
    std::thread::sleep(Duration::from_secs(5));
    let ran = night(&world, &[]);
    ran.expect(0);
    assert_eq!(statuses(&ran), "alice.log clean+, bruno.log.gz rewritten+, nobody.log clean+");
}

#[test]
fn holds_that_begin_end_and_are_released() {
    let hold = |more: &str| format!("{{\"event\":\"hold\",\"subject\":\"b\"{more}}}\n");
    let until = hold(&format!(",\"until\":\"{}\"", later(4)));
    for (held, end) in [(hold(""), "{\"event\":\"release\",\"subject\":\"b\"}\n"), (until, "")] {
        let world = world(&format!("{ALICE}{BRUNO}{held}"));
        let first = night(&world, &[]);
        first.expect(3);
        assert_eq!(first.artifact("bruno.log.gz")["left"], serde_json::json!({"held": 1}));
        // What was left is never relied on.
        let second = night(&world, &[]);
        second.expect(3);
        assert_eq!(statuses(&second), "alice.log unchanged+, bruno.log.gz clean, nobody.log unchanged+");
        assert_eq!(second.artifact("bruno.log.gz")["left"], serde_json::json!({"held": 1}));
        add(&world, end);
        if end.is_empty() {
            std::thread::sleep(Duration::from_secs(5));
        }
        let third = night(&world, &[]);
        third.expect(0);
        assert_eq!(statuses(&third), "alice.log clean+, bruno.log.gz rewritten, nobody.log clean+");
        assert!(!make::un_gz(&world.get("src/bruno.log.gz")).windows(5).any(|w| w == b"bruno"));
    }
    // Held from his first event on: nobody has looked for him yet, and what is left must be counted.
    let world = world(ALICE);
    night(&world, &[]).expect(0);
    add(&world, &(BRUNO.to_owned() + &hold("")));
    let ran = night(&world, &[]);
    ran.expect(3);
    assert_eq!(statuses(&ran), "alice.log clean+, bruno.log.gz clean+, nobody.log clean+");
    assert_eq!(ran.artifact("bruno.log.gz")["left"], serde_json::json!({"held": 1}));
}

#[test]
fn a_hold_protects_the_record_that_somebody_new_is_on() {
    let world = World::new(ALICE);
    add(&world, BRUNO);
    world.put("src/both.log", make::log(&["alice@example.org bruno@example.org", "x"]));
    world.put(REGISTRY, ALICE);
    night(&world, &[]).expect(0);
    // Both are new, and one of them is held at once: the record stays, her address goes.
    add(&world, &BRUNO.replace("\"b\"", "\"c\"").replace("bruno@example.org", "alice@example.org"));
    add(&world, &(BRUNO.to_owned() + "{\"event\":\"hold\",\"subject\":\"b\"}\n"));
    let ran = night(&world, &[]);
    ran.expect(3);
    assert_eq!(statuses(&ran), "both.log rewritten+");
    let text = String::from_utf8(world.get("src/both.log")).unwrap();
    assert!(text.contains("ERASED bruno@example.org"), "{text}");
}

#[test]
fn a_cancelled_erasure_is_nobody_new() {
    let world = world(&format!("{ALICE}{BRUNO}"));
    night(&world, &[]).expect(0);
    add(&world, "{\"event\":\"cancel\",\"subject\":\"b\"}\n");
    let ran = night(&world, &[]);
    assert_eq!(statuses(&ran), "alice.log unchanged+, bruno.log.gz unchanged+, nobody.log unchanged+");
    add(&world, BRUNO);
    // In force again, and not at the last point: searched for again.
    let ran = night(&world, &[]);
    assert_eq!(statuses(&ran), "alice.log clean+, bruno.log.gz clean+, nobody.log clean+");
}

#[test]
fn another_policy_or_option_means_everything() {
    let world = world(ALICE);
    world.put("p.toml", "[[rule]]\naction = \"redact\"\n");
    night(&world, &[]).expect(0);
    for more in [&["--policy", "p.toml"][..], &["--format", "text"], &["--codec", "none"], &["--max-record", "1MiB"]] {
        let ran = world.scan(&[&["--since", "m.jsonl"], more].concat());
        assert!(ran.lines.iter().all(|line| line.get("since").is_none() || line["kind"] == "run"), "{more:?}");
        assert!(ran.of("unchanged").is_empty() && ran.err.contains("everything is read"), "{more:?} {}", ran.err);
    }
    assert_eq!(world.scan(&["--since", "m.jsonl"]).of("unchanged").len(), 3);
}

#[test]
fn rules_by_path_ask_for_the_same_sources() {
    let world = World::new(ALICE);
    world.put("p.toml", "[[rule]]\nfiles = [\"a/**\"]\naction = \"report\"\n");
    world.put("src/a/x.log", make::log(&["x", "y"]));
    let scrub = |source: &str, more: &[&str]| {
        let plain = ["scrub", source, "--registry", REGISTRY, "--in-place", "--manifest", "m.jsonl"];
        world.run(&[&plain, more].concat())
    };
    scrub("src", &["--policy", "p.toml"]).expect(0);
    assert_eq!(statuses(&scrub("src", &["--policy", "p.toml", "--since", "m.jsonl"])), "x.log unchanged+");
    // Below another SOURCE another rule fits.
    assert_eq!(statuses(&scrub("src/a", &["--policy", "p.toml", "--since", "m.jsonl"])), "x.log clean");
    // Without such rules the SOURCE is nothing to the search.
    scrub("src", &[]).expect(0);
    assert_eq!(statuses(&scrub("src/a", &["--since", "m.jsonl"])), "x.log unchanged+");
    // But the name is: by it the format may be chosen.
    std::fs::hard_link(world.path("src/a/x.log"), world.path("src/a/y.csv")).unwrap();
    let both = world.run(&["scan", "src", "--registry", REGISTRY, "--manifest", "m.jsonl"]);
    assert_eq!(both.artifact("y.csv")["same_file"], "file:src/a/x.log");
    let only = |name: &str| statuses(&world.scan(&["--include", name, "--since", "m.jsonl"]));
    assert_eq!((only("x.log").as_str(), only("y.csv").as_str()), ("x.log unchanged+", "y.csv clean"));
}

/// The manifest, as if it were written by another tool; the chain is made anew.
fn rewrite(world: &World, change: &dyn Fn(&mut serde_json::Value)) {
    let mut prev = format!("sha256:{}", "0".repeat(64));
    let mut out = String::new();
    for line in String::from_utf8(world.get("m.jsonl")).unwrap().lines() {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        change(&mut line);
        line["prev"] = prev.into();
        let text = line.to_string();
        prev = manifest::sha256(text.as_bytes());
        out += &(text + "\n");
    }
    world.put("other.jsonl", out);
}

#[test]
fn another_tool_means_everything() {
    let world = world(ALICE);
    night(&world, &[]).expect(0);
    let unchanged = || world.scan(&["--since", "other.jsonl"]).of("unchanged").len();
    rewrite(&world, &|_| {});
    assert_eq!(unchanged(), 3);
    rewrite(&world, &|line| {
        if line["kind"] == "run" {
            line["tool"] = "unwrite 9.9.9".into();
        }
    });
    assert_eq!(unchanged(), 0);
}

#[test]
fn what_went_not_through_is_read_again() {
    let world = world(ALICE);
    world.put("src/bad.gz", &make::gz(b"alice@example.com\n")[..20]);
    world.put("src/picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
    night(&world, &[]).expect(3);
    let ran = night(&world, &[]);
    ran.expect(3);
    assert_eq!(
        statuses(&ran),
        "alice.log unchanged+, bad.gz failed, bruno.log.gz unchanged+, nobody.log unchanged+, picture.png unsupported"
    );
    // A result that nobody looked at again.
    for level in ["none", "decode"] {
        let world = self::world(ALICE);
        night(&world, &["--verify", level]).expect(0);
        let ran = night(&world, &[]);
        assert_eq!(statuses(&ran), "alice.log clean, bruno.log.gz unchanged+, nobody.log unchanged+", "{level}");
    }
}

#[test]
fn a_registry_that_is_not_the_same_one_grown() {
    let world = world(&format!("{ALICE}{BRUNO}"));
    night(&world, &[]).expect(0);
    let everything = |registry: &str| {
        world.put(REGISTRY, registry);
        let ran = world.scan(&["--since", "m.jsonl"]);
        assert!(ran.err.contains("everything is read"), "{}", ran.err);
        assert!(ran.of("unchanged").is_empty());
    };
    everything(ALICE); // rolled back
    everything(&format!("{BRUNO}{ALICE}"));
    everything(&format!("{ALICE}{}", BRUNO.replace("bruno@", "bruna@")));
    world.put(REGISTRY, format!("{ALICE}{BRUNO}"));
    assert_eq!(world.scan(&["--since", "m.jsonl"]).of("unchanged").len(), 3);
}

#[test]
fn lists_have_no_history() {
    let world = world(ALICE);
    world.put("list.txt", "alice@example.com\n");
    let scan = |more: &[&str]| {
        let plain = ["scan", "src", "--registry", "list.txt", "--json", "--since", "m.jsonl"];
        world.run(&[&plain, more].concat())
    };
    let first = ["scrub", "src", "--registry", "list.txt", "--in-place", "--manifest", "m.jsonl"];
    world.run(&first).expect(0);
    assert_eq!(scan(&[]).of("unchanged").len(), 3);
    // The same bytes, read otherwise.
    assert_eq!(scan(&["--type", "literal"]).of("unchanged").len(), 0);
    world.put("list.txt", "alice@example.com\nbruno@example.org\n");
    let ran = scan(&[]);
    assert_eq!(statuses(&ran), "alice.log clean, bruno.log.gz would_rewrite, nobody.log clean");
}

#[test]
fn a_manifest_that_is_not_what_was_written_is_refused() {
    let world = world(ALICE);
    night(&world, &[]).expect(0);
    let good = String::from_utf8(world.get("m.jsonl")).unwrap();
    let nobody = world.get("src/nobody.log");
    world.put("src/nobody.log", make::log(&["alice@example.com"]));
    let refused = |text: &str| {
        world.put("t.jsonl", text);
        let plain = ["scrub", "src", "--registry", REGISTRY, "--in-place", "--json", "--since", "t.jsonl"];
        let ran = world.run(&plain);
        assert_eq!(ran.code, 2, "{}", ran.err);
        assert!(ran.err.contains("--since"), "{}", ran.err);
        assert!(!ran.err.contains("alice@"), "{}", ran.err);
    };
    refused(&good.replace("\"clean\"", "\"Clean\""));
    refused(&good.replacen("\"inode\":", "\"inode\":1", 1));
    let lines: Vec<&str> = good.split_inclusive('\n').collect();
    refused(&[&lines[..2], &lines[3..]].concat().concat());
    refused(&lines[1..].concat());
    refused("alice@example.com\n");
    assert_eq!(world.get("src/nobody.log"), make::log(&["alice@example.com"]), "nothing was touched");
    assert!(
        !std::fs::read_dir(world.dir())
            .unwrap()
            .any(|entry| { entry.unwrap().file_name().to_string_lossy().starts_with("unwrite-") })
    );
    world.put("src/nobody.log", nobody);
    // A torn last line is what a crash leaves: what stands before it is true.
    world.put("t.jsonl", &good[..good.len() - 9]);
    assert_eq!(world.scan(&["--since", "t.jsonl"]).of("unchanged").len(), 2, "one file was written to again");
    for missing in ["no.jsonl", "src"] {
        assert_eq!(world.scan(&["--since", missing]).code, 2, "{missing}");
    }
    world.scan(&["--since", "no*.jsonl"]).expect(0);
}

#[test]
fn masked_names_and_their_twins() {
    let world = World::new(&(ALICE.to_owned() + &ALICE.replace("\"a\"", "\"c\"").replace("alice@", "carol@")));
    // Masked, though they name nobody: a hyphen before an address makes it another one.
    world.put("src/to-alice@example.com.log", make::log(&["x", "y"]));
    world.put("src/to-carol@example.com.log", make::log(&["z", "y"]));
    world.put("src/alice@example.com,1.log", make::log(&["x", "y"]));
    world.put("src/bruno@example.org,1.log", make::log(&["x", "y"]));
    let first = night(&world, &[]);
    first.expect(3);
    let left = |ran: &Ran| ran.lines.iter().filter(|line| line["left"]["name"] == 1).count();
    assert_eq!(left(&first), 1);
    // Named in its own path: told every night, by a reading. The others are unchanged.
    let second = night(&world, &[]);
    second.expect(3);
    assert_eq!((left(&second), second.of("unchanged").len()), (1, 3));
    // His address is in a name that was no reason for anything yesterday.
    add(&world, BRUNO);
    let third = night(&world, &[]);
    third.expect(3);
    assert_eq!((left(&third), third.of("clean").len()), (2, 4));
    let relied = third.lines.iter().filter(|line| line["kind"] == "artifact" && line["since"].is_string()).count();
    assert_eq!(relied, 3);
    assert!(!String::from_utf8_lossy(&world.get("m.jsonl")).contains("carol@"));
    // Where rules ask for paths, what a masked one is cannot be told.
    world.put("p.toml", "[[rule]]\nfiles = [\"no/**\"]\naction = \"report\"\n");
    let scan =
        |more: &[&str]| world.run(&[&["scan", "src", "--registry", REGISTRY, "--policy", "p.toml"], more].concat());
    world.put("src/plain.log", make::log(&["x", "y"]));
    scan(&["--manifest", "p.jsonl"]).expect(3);
    let ran = scan(&["--json", "--since", "p.jsonl"]);
    assert_eq!(ran.of("unchanged"), ["file:src/plain.log"]);
}

#[test]
fn hard_links_are_told_as_ever() {
    let world = World::new(ALICE);
    world.put("src/a.log", make::log(&["x", "y"]));
    std::fs::hard_link(world.path("src/a.log"), world.path("src/b.log")).unwrap();
    let scan = |more: &[&str]| {
        world.run(
            &[&["scan", "src", "--registry", REGISTRY, "--manifest", "m.jsonl", "--since", "m.jsonl"], more].concat(),
        )
    };
    assert_eq!(statuses(&scan(&[])), "a.log clean, b.log clean");
    assert_eq!(statuses(&scan(&[])), "a.log unchanged+, b.log unchanged+");
    add(&world, &BRUNO.replace("bruno@example.org", "nobody@example.org"));
    assert_eq!(statuses(&scan(&[])), "a.log clean+, b.log clean+");
    // A new name changes the inode's ctime.
    std::fs::hard_link(world.path("src/a.log"), world.path("src/c.log")).unwrap();
    assert_eq!(statuses(&scan(&[])), "a.log clean, b.log clean, c.log clean");
    assert_eq!(std::fs::metadata(world.path("src/a.log")).unwrap().nlink(), 3);
}

#[test]
fn a_mirror_is_made_whole_and_vouched_for() {
    let world = world(ALICE);
    world.run(&["scan", "src", "--registry", REGISTRY, "--manifest", "m.jsonl"]).expect(1);
    let ran = world.mirror("out/", &["--since", "m.jsonl"]);
    ran.expect(0);
    assert_eq!(statuses(&ran), "alice.log rewritten, bruno.log.gz copied, nobody.log copied");
    add(&world, BRUNO);
    // The sources are known by the scan, the mirror's files by the mirror's lines.
    let ran = world.mirror("out2/", &["--since", "m.jsonl"]);
    ran.expect(0);
    assert_eq!(statuses(&ran), "alice.log rewritten, bruno.log.gz rewritten+, nobody.log copied+");
    assert_eq!(world.tree("out2").len(), 3);
    let ran = world.run(&["scan", "out2", "--registry", REGISTRY, "--since", "m.jsonl", "--json"]);
    assert_eq!(statuses(&ran), "alice.log unchanged+, bruno.log.gz unchanged+, nobody.log unchanged+");
}
