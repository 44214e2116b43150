//! `registry add`, `import`, `cancel`, `hold`, `release` and what `check` says, through the binary.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::support::world::{REGISTRY, Ran};
use crate::support::{ALICE, World};

const SECRET: &str = "zq77secret@example.com";

/// `registry VERB erased.jsonl …` with this on stdin.
fn verb(world: &World, verb: &str, more: &[&str], stdin: &str) -> Ran {
    let arguments = [&["registry", verb, REGISTRY], more].concat();
    let mut command = world.command(&arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Who refuses early reads nothing.
    let _closed = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let ran = world.ran(&child.wait_with_output().unwrap(), &arguments);
    assert!(!ran.out.contains("zq77") && !ran.err.contains("zq77"), "P4: {}{}", ran.out, ran.err);
    ran
}

fn fresh() -> World {
    let world = World::new("");
    std::fs::remove_file(world.path(REGISTRY)).unwrap();
    world
}

/// A table of so many people, `v.csv`.
fn put_people(world: &World, count: u32) {
    let mut table = "type,value,subject\n".to_owned();
    for n in 0..count {
        table.extend(["user_id,", &n.to_string(), ",s", &n.to_string(), "\n"]);
    }
    world.put("v.csv", table);
}

fn text(world: &World) -> String {
    String::from_utf8(world.get(REGISTRY)).unwrap()
}

fn check(world: &World) -> Ran {
    world.run(&["registry", "check", REGISTRY])
}

fn row(ran: &Ran, name: &str) -> u64 {
    let line = ran.out.lines().find(|line| line.trim_start().starts_with(name));
    line.and_then(|line| line.split_whitespace().last()).map_or(0, |n| n.parse().unwrap())
}

#[test]
fn a_life() {
    let world = fresh();
    let values = format!("# October\n{SECRET}\n\n48213\n");
    verb(&world, "add", &["--subject", "sub_01"], &values).expect(0);
    assert_eq!(std::fs::metadata(world.path(REGISTRY)).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(text(&world).lines().count(), 1, "one event");
    assert!(text(&world).contains("\"seq\":1,\"at\":\"20") && text(&world).contains("\"prev\":\"sha256:0000"));
    verb(&world, "add", &["--subject", "sub_02", "--grace", "7d", "--type", "username"], "bruno\n").expect(0);
    assert!(text(&world).contains("\"effective_at\":"));
    let ran = check(&world);
    ran.expect(0);
    assert_eq!(["in force", "pending", "newest seq"].map(|name| row(&ran, name)), [1, 1, 2]);
    verb(&world, "hold", &["--subject", "sub_01", "--until", "2199-01-01T00:00:00Z"], "").expect(0);
    verb(&world, "cancel", &["--subject", "sub_02"], "").expect(0);
    assert_eq!(["held", "cancelled", "newest seq"].map(|name| row(&check(&world), name)), [1, 1, 4]);
    verb(&world, "release", &["--subject", "sub_01"], "").expect(0);
    assert_eq!(["in force", "held"].map(|name| row(&check(&world), name)), [1, 0]);
    world.put("src/a.log", format!("x {SECRET}\nuser_id=48213\nbruno user=bruno\n"));
    world.scrub(&[]).expect(0);
    assert_eq!(world.get("src/a.log"), b"bruno user=bruno\n");
}

#[test]
fn forms_of_what_comes_in() {
    let world = fresh();
    let csv = "type,value,subject\nuser_id,1001,s1\nemail,a@example.com,s1\nuser_id,1002,s2\n";
    verb(&world, "add", &[], csv).expect(0);
    let json = "{\"subject\":\"s3\",\"identifiers\":[{\"type\":\"email\",\"value\":\"c@example.com\"}],\
                \"effective_at\":\"2199-01-01T00:00:00Z\"}\n";
    verb(&world, "add", &["-"], json).expect(0);
    world.put("v.tsv", "type\tvalue\nuser_id\t1004\n");
    verb(&world, "add", &["v.tsv", "--before", "2026-01-01T00:00:00Z"], "").expect(0);
    world.put("plain", "203.0.113.7\nusr_8f3a9c21\n");
    verb(&world, "add", &["plain", "--all-of", "--subject", "s5"], "").expect(0);
    verb(&world, "add", &["--as", "txt"], "type,value\n").expect(0);
    let ran = check(&world);
    ran.expect(0);
    assert_eq!(row(&ran, "newest seq"), 6);
    let lines = text(&world);
    assert!(lines.contains("\"all_of\":[{\"type\":\"ip\"") && lines.contains("\"before\":\"2026-01-01T00:00:00Z\""));
    let list = world.run(&["registry", "list", REGISTRY]);
    list.expect(0);
    for shown in ["s1\tin force\temail=1\tuser_id=1", "s3\tpending", "L4\tin force\tuser_id=1", "s5\tin force"] {
        assert!(list.out.contains(shown), "{}", list.out);
    }
}

#[test]
fn nothing_is_written_if_anything_is_wrong() {
    let world = World::new(ALICE);
    world.put("bad.csv", "type,value\nuser_id,1\nuser_id\n");
    let cases: [(&str, &[&str], &str, &str); 19] = [
        ("add", &[], "", "no values were given"),
        ("add", &[], "a@example.com\nzq77\n", "line 2: a token of fewer than 6 bytes"),
        ("add", &["--type", "ip"], "zq77secret\n", "line 1: the value is not an IP address"),
        ("add", &["--type", "zq77"], "x", "--type: expected one of"),
        ("add", &["--as", "zq77"], "x", "--as: expected one of"),
        ("add", &["--grace", "zq77"], "abcdefg", "--grace: expected a duration"),
        ("add", &["--grace", "999999999999w"], "abcdefg", "--grace"),
        ("add", &["--before", "zq77"], "abcdefg", "`--before` is not a time"),
        ("add", &["--all-of"], "abcdefg", "at least two different"),
        ("add", &["--subject", " "], "abcdefg", "--subject is empty"),
        ("add", &[SECRET], "", "never from arguments"),
        ("add", &["bad.csv"], "", "line 3: the header has 2 columns"),
        ("add", &["src"], "", "a folder"),
        ("add", &[], "{\"zq77\":1}\n", "line 1: unknown key"),
        ("hold", &["--subject", "sub_01", "--until", "2001-01-01T00:00:00Z"], "", "is over already"),
        ("hold", &["--subject", "sub_01", "--until", "2027-01-01"], "", "`--until` is not a time"),
        ("cancel", &[], "", "missing"),
        ("import", &[REGISTRY], "", "the registry itself"),
        ("import", &["bad.csv"], "", "line 3"),
    ];
    for (name, more, stdin, want) in cases {
        let ran = verb(&world, name, more, stdin);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{name} {more:?}: {}", ran.err);
        assert!(ran.err.contains(want), "{name} {more:?}: {}", ran.err);
        assert_eq!(text(&world), ALICE, "{name} {more:?}");
    }
    verb(&world, "add", &["--allow-short"], "abc\n").expect(0);
    world.run(&["registry", "check", REGISTRY, "--allow-short"]).expect(0);

    let world = fresh();
    for name in ["cancel", "hold", "release"] {
        verb(&world, name, &["--subject", "s"], "").expect(2);
    }
    verb(&world, "add", &[], "abc\n").expect(2);
    assert!(!world.path(REGISTRY).exists(), "no empty log is left");
    world.put("r.csv", "type,value\nuser_id,1\n");
    let ran = world.run(&["registry", "cancel", "r.csv", "--subject", "s"]);
    assert!(ran.code == 2 && ran.err.contains("only .jsonl registries are written"), "{}", ran.err);
}

#[test]
fn grace_from_the_config_file() {
    let world = fresh();
    world.put("unwrite.toml", "[options]\ngrace = \"7d\"\nallow_short = true\n");
    verb(&world, "add", &["--subject", "a"], "abc\n").expect(0);
    verb(&world, "add", &["--subject", "b", "--grace", "0s"], "abcd\n").expect(0);
    let list = world.run(&["registry", "list", REGISTRY]);
    assert!(list.out.contains("a\tpending") && list.out.contains("b\tin force"), "{}{}", list.out, list.err);
    world.put("v.txt", "c@example.com\n");
    verb(&world, "import", &["v.txt"], "").expect(0);
    assert_eq!(row(&check(&world), "in force"), 2, "an import is taken as it stands");
    // What is said of one event is no default.
    world.put("unwrite.toml", "[options]\nreason = \"zq77\"\n");
    let ran = verb(&world, "hold", &["--subject", "a"], "");
    assert!(ran.code == 2 && ran.err.contains("unknown option"), "{}", ran.err);
}

#[test]
fn warnings_that_stop_nothing() {
    let world = World::new(ALICE);
    let ran = verb(&world, "cancel", &["--subject", "sub_O1"], "");
    assert!(ran.code == 0 && ran.err.contains("no line of the registry names this subject"), "{}", ran.err);
    let ran = verb(&world, "hold", &["--subject", "sub_01", "--reason", "litigation 2026-14"], "");
    assert!(ran.code == 0 && ran.err.contains("the reason is stored"), "{}", ran.err);
    assert!(!ran.err.contains("no line"), "{}", ran.err);
    let ran = verb(&world, "release", &["--subject", SECRET], "");
    assert!(ran.code == 0 && ran.err.contains("looks like an identifier"), "{}", ran.err);
    let ran = check(&world);
    ran.expect(0);
    assert!(
        ran.err.contains("warning: 2 (first on line 2): cancelled, held or released, but never erased"),
        "{}",
        ran.err
    );
    let ran = world.run(&["registry", "check", REGISTRY, "-v"]);
    assert!(ran.out.contains("mails") && ran.out.contains("ips"), "{}", ran.out);

    world.put(
        REGISTRY,
        "{\"at\":\"2020-01-01T00:00:00Z\",\"identifiers\":[{\"type\":\"email\",\"value\":\"zq77@localhost\"}]}\n",
    );
    let ran = check(&world);
    assert!(ran.code == 0 && ran.err.contains("days old") && ran.err.contains("domain"), "{}", ran.err);
    assert!(!ran.err.contains("zq77"), "{}", ran.err);
}

#[test]
fn check_says_what_and_where() {
    let world = fresh();
    for value in ["aaaaaa", "bbbbbb", "cccccc"] {
        verb(&world, "add", &[], value).expect(0);
    }
    let good = text(&world);
    let lines: Vec<_> = good.lines().collect();
    let cases = [
        (good.replacen("bbbbbb", "zq77zz", 1), "line 3: the chain is broken", "the line before was changed"),
        (format!("{}\n{}\n", lines[0], lines[2]), "line 2: the chain is broken", "lines between are gone"),
        (format!("{good}{{\"subject\":\"zq77\"}}\n"), "line 4: has no `prev`", "registry add"),
        (good[..good.len() - 20].to_owned(), "line 3: not JSON", "cut short"),
        ("{\"identifiers\":[{\"type\":\"email\",\"value\":\"zq77\"}]}\n".to_owned(), "line 1", "one bare address"),
    ];
    for (bad, what, hint) in cases {
        world.put(REGISTRY, &bad);
        let ran = check(&world);
        assert!(ran.code == 2 && ran.err.contains(what) && ran.err.contains(hint), "{}", ran.err);
        assert!(!ran.err.contains("zq77"), "{}", ran.err);
    }
}

#[test]
fn all_who_append_at_one_time_succeed() {
    let world = World::new("");
    let children: Vec<_> = (0..12)
        .map(|n| {
            world.put(format!("v{n}"), format!("person{n}@example.com\n"));
            let mut command =
                world.command(&["registry", "add", REGISTRY, &format!("v{n}"), "--subject", &format!("s{n}")]);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(["in force", "newest seq"].map(|name| row(&check(&world), name)), [12, 12]);
}

#[test]
fn who_cannot_have_the_lock_writes_nothing() {
    let world = World::new(ALICE);
    let file = File::open(world.path(REGISTRY)).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let child = world.command(&["registry", "cancel", REGISTRY, "--subject", "sub_01"]).stderr(Stdio::piped()).spawn();
    let child = child.unwrap();
    // Who only reads goes on all the same.
    check(&world).expect(0);
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(child.id() as i32).unwrap(),
        rustix::process::Signal::INT,
    )
    .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text(&world), ALICE);
}

#[test]
fn a_kill_leaves_whole_lines_or_a_torn_last_one() {
    let world = World::new("");
    put_people(&world, 6_000);
    for wait in (0..10).map(|n| n * 60) {
        world.put(REGISTRY, "");
        let mut child = world.command(&["registry", "import", REGISTRY, "v.csv", "-q"]).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut ran = verb(&world, "add", &["--subject", "late"], "late@example.com\n");
        if ran.code == 2 {
            assert!(ran.err.contains("cut short"), "{}", ran.err);
            let length = ran.err.split("truncate -s ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
            File::options().write(true).open(world.path(REGISTRY)).unwrap().set_len(length).unwrap();
            ran = verb(&world, "add", &["--subject", "late"], "late@example.com\n");
        }
        ran.expect(0);
        // The chain is whole, and the next import brings what is missing and nothing twice.
        check(&world).expect(0);
        if wait % 240 == 0 {
            verb(&world, "import", &["v.csv"], "").expect(0);
            assert_eq!(row(&check(&world), "in force"), 6_001);
        }
    }
}

/// Imports 5,000 people while no file may be longer than this many KiB; `trap` is what the shell does about the signal.
fn import_bounded(world: &World, trap: &str, kib: u32) -> (Option<i32>, String) {
    put_people(world, 5_000);
    let program = assert_cmd::cargo::cargo_bin!("unwrite");
    let script = format!("{trap} ulimit -f {kib}; exec {} registry import {REGISTRY} v.csv", program.display());
    let output = std::process::Command::new("bash").args(["-c", &script]).current_dir(world.dir()).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_full_disk_leaves_nothing() {
    let world = World::new("");
    verb(&world, "add", &["--subject", "a"], "a@example.com\n").expect(0);
    let before = text(&world);
    // The write that reaches the bound is short, and the next one fails.
    let (code, error) = import_bounded(&world, "trap '' XFSZ;", 701);
    assert!(code == Some(2) && error.contains("cannot append"), "{error}");
    assert_eq!(text(&world), before);
    // On a new file too, which goes again.
    std::fs::remove_file(world.path(REGISTRY)).unwrap();
    assert_eq!(import_bounded(&world, "trap '' XFSZ;", 701).0, Some(2));
    assert!(!world.path(REGISTRY).exists());
}

#[test]
fn a_torn_line_is_refused_until_it_is_taken_off() {
    let world = World::new("");
    verb(&world, "add", &["--subject", "a"], "a@example.com\n").expect(0);
    // Killed by the signal in the middle of a line.
    assert_eq!(import_bounded(&world, "", 701).0, None);
    let torn = text(&world);
    assert!(torn.len() == 701 * 1024 && !torn.ends_with('\n'));
    let ran = verb(&world, "cancel", &["--subject", "a"], "");
    assert!(ran.code == 2 && ran.err.contains("cut short"), "{}", ran.err);
    assert_eq!(text(&world), torn);
    let repair = ran.err.split('`').find(|part| part.starts_with("truncate ")).unwrap().replace("REGISTRY", REGISTRY);
    let status = std::process::Command::new("sh").args(["-c", &repair]).current_dir(world.dir()).status().unwrap();
    assert!(status.success(), "{repair}");
    check(&world).expect(0);
    let ran = verb(&world, "import", &["v.csv"], "");
    ran.expect(0);
    assert!(!ran.out.contains(" 5000 identifiers,"), "what is there is not taken again: {}", ran.out);
    assert_eq!(row(&check(&world), "in force"), 5_001);
}

#[test]
fn imports_are_taken_once_and_cancelled_people_stay() {
    let world = fresh();
    world.put("v.csv", "type,value,subject\nuser_id,1001,s1\nuser_id,1002,s2\n");
    verb(&world, "import", &["v.csv"], "").expect(0);
    let before = text(&world);
    let ran = verb(&world, "import", &["v.csv"], "");
    assert!(
        ran.code == 0 && ran.out.contains("appended 0 events") && ran.out.contains("2 identifiers were there"),
        "{}",
        ran.out
    );
    assert_eq!(text(&world), before);
    verb(&world, "cancel", &["--subject", "s1"], "").expect(0);
    let ran = verb(&world, "import", &["-"], "type,value,subject\nuser_id,1001,s1\nuser_id,1003,s3\n");
    assert!(ran.code == 0 && ran.err.contains("1 cancelled in the registry"), "{}", ran.err);
    assert_eq!(["in force", "cancelled"].map(|name| row(&check(&world), name)), [2, 1]);
}
