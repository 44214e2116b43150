//! `--output`: the mirror rules, exit codes, locks and signals.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::world::REGISTRY;
use crate::support::{ALICE, World, make};

fn alice() -> Vec<u8> {
    make::log(&["alice@example.com", "x", "y"])
}

fn gone() -> Vec<u8> {
    make::without(&alice(), "alice")
}

#[test]
fn a_folder_is_mirrored() {
    let world = World::new(ALICE);
    let clean = make::gz(&make::log(&["x", "y"]));
    let bad = make::gz(&alice())[..40].to_vec();
    let png = [b"\x89PNG\r\n\x1a\n".as_slice(), &[9; 300]].concat();
    world.put("src/a.log", alice());
    world.put("src/sub/deep/b.log.gz", make::gz(&alice()));
    world.put("src/sub/clean.log.gz", &clean);
    world.put("src/bad.log.gz", &bad);
    world.put("src/pic.png", &png);
    world.put("src/part.tar", make::tar(&[("a.log", &alice()), ("p.png", &png)]));
    let before = world.tree("src");
    let ran = world.mirror("out/", &[]);
    ran.expect(3);
    assert_eq!(world.tree("src"), before, "SOURCE is not touched");
    assert_eq!(world.get("out/a.log"), gone());
    assert_eq!(make::un_gz(&world.get("out/sub/deep/b.log.gz")), gone());
    assert_eq!(world.get("out/sub/clean.log.gz"), clean, "byte for byte");
    assert!(!world.path("out/bad.log.gz").exists() && !world.path("out/pic.png").exists());
    assert_eq!(make::untar(&world.get("out/part.tar"))[0].1, gone(), "a partial one is put there");
    assert_eq!(world.tree("out").len(), 4);
    assert_eq!(ran.artifact("/a.log")["output"], "file:out/a.log");
    assert_eq!(ran.artifact("clean.log.gz")["status"], "copied");
    assert!(ran.artifact("bad.log.gz")["output"].is_null());
    world.verify(&[]).expect(3);
    world.put("out/a.log", "x\n");
    assert!(world.verify(&[]).out.contains("changed"), "verify looks at the mirror");
}

#[test]
fn destinations() {
    let world = World::new(ALICE);
    world.put("src/a.log", alice());
    // One file: to a file, to a folder that is there, to a folder to be made.
    let to = |dest: &str| {
        world.run(&["scrub", "src/a.log", "--registry", REGISTRY, "--output", dest, "--manifest", "m.jsonl"])
    };
    to("new.log").expect(0);
    assert_eq!(world.get("new.log"), gone());
    std::fs::create_dir(world.path("there")).unwrap();
    to("there").expect(0);
    assert_eq!(world.get("there/a.log"), gone());
    to("made/").expect(0);
    assert_eq!(world.get("made/a.log"), gone());
    // Several: each under its last name.
    world.put("other/b.log", alice());
    let many = |dest: &str| {
        world.run(&["scrub", "src", "other/b.log", "--registry", REGISTRY, "--output", dest, "--manifest", "m.jsonl"])
    };
    many("all/").expect(0);
    assert_eq!((world.get("all/src/a.log"), world.get("all/b.log")), (gone(), gone()));
    many("new.log").expect(2);
    assert_eq!(world.get("new.log"), gone(), "a file cannot hold several");
    // A folder to a file: usage.
    world.mirror("new.log", &[]).expect(2);
    // Two that would have one name.
    world.put("third/src/c.log", alice());
    let ran = world.run(&["scrub", "src", "third/src", "--registry", REGISTRY, "--output", "clash/"]);
    ran.expect(2);
}

#[test]
fn an_existing_target_is_refused() {
    let world = World::new(ALICE);
    world.put("src/a.log", alice());
    world.put("src/c.log", make::log(&["x", "y"]));
    world.put("out/a.log", "other bytes\n");
    let ran = world.mirror("out/", &[]);
    ran.expect(3);
    assert!(
        ran.status("/a.log").starts_with("failed") || ran.status("/a.log").starts_with("skipped"),
        "{}",
        ran.status("/a.log")
    );
    assert_eq!(world.get("out/a.log"), b"other bytes\n");
    assert_eq!(world.get("out/c.log"), make::log(&["x", "y"]));
    world.mirror("out/", &["--overwrite"]).expect(0);
    assert_eq!(world.get("out/a.log"), gone());
    // The bytes that would be written are no other bytes: twice is once.
    world.mirror("out/", &[]).expect(0);
    assert_eq!(world.get("out/a.log"), gone());
}

#[test]
fn filters() {
    let world = World::new(ALICE);
    for name in ["a.log", "b.txt", "sub/c.log", "sub/d.log.gz"] {
        world.put(format!("src/{name}"), make::log(&["x", "y"]));
    }
    world.put("src/sub/d.log.gz", make::gz(&alice()));
    let names = |more: &[&str]| {
        let ran = world.scan(more);
        let mut names: Vec<String> = ran
            .lines
            .iter()
            .filter_map(|l| l["uri"].as_str())
            .map(|uri| uri.trim_start_matches("file:src/").to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(&["--include", "*.log"]), ["a.log", "sub/c.log"]);
    assert_eq!(names(&["--exclude", "sub/**"]), ["a.log", "b.txt"]);
    assert_eq!(names(&["--include", "*.log,*.gz", "--exclude", "a.*"]), ["sub/c.log", "sub/d.log.gz"]);
    filetime::set_file_mtime(world.path("src/a.log"), filetime::FileTime::from_unix_time(1_600_000_000, 0)).unwrap();
    assert_eq!(names(&["--min-age", "2d"]), ["a.log"]);
    // A quoted glob.
    let ran = world.run(&["scan", "src/*.log", "--registry", REGISTRY, "--json"]);
    assert_eq!(ran.lines.len(), 3);
}

#[test]
fn another_run_holds_an_artifact() {
    let world = World::new(ALICE);
    let path = world.put("src/a.log", alice());
    world.put("src/b.log", alice());
    let held = std::fs::File::open(&path).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let ran = world.scrub(&[]);
    ran.expect(4);
    assert_eq!(ran.status("a.log"), "skipped: locked");
    assert_eq!((world.get("src/a.log"), world.get("src/b.log")), (alice(), gone()));
    drop(held);
    world.scrub(&[]).expect(0);
    // The folder as a whole.
    let root = std::fs::File::open(world.path("src")).unwrap();
    rustix::fs::flock(&root, rustix::fs::FlockOperation::LockExclusive).unwrap();
    world.scrub(&[]).expect(4);
    drop(root);
    // The manifest.
    let manifest = std::fs::File::open(world.path("m.jsonl")).unwrap();
    rustix::fs::flock(&manifest, rustix::fs::FlockOperation::LockExclusive).unwrap();
    world.scrub(&[]).expect(4);
}

/// Starts a scrub that takes a while, and waits until it is at work.
fn started(world: &World) -> Child {
    let line = "2026-11-20T08:00:00Z INFO mail=alice@example.com and other words of no meaning\n".repeat(60_000);
    for i in 0..8 {
        world.put(format!("src/{i}.log.gz"), make::gz(line.as_bytes()));
    }
    let child = world
        .command(&["scrub", "src", "--registry", REGISTRY, "--in-place", "--manifest", "m.jsonl", "--jobs", "2"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let since = Instant::now();
    while !world.path("m.jsonl").exists() && since.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(150));
    child
}

#[test]
fn signals_leave_nothing_half_written() {
    for (signal, code) in [(libc::SIGINT, 130), (libc::SIGTERM, 143)] {
        let world = World::new(ALICE);
        let child = started(&world);
        let before =
            std::process::Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status().unwrap();
        assert!(before.success(), "it was still at work");
        let arguments = ["scrub", "--manifest"];
        let ran = world.ran(&child.wait_with_output().unwrap(), &arguments);
        ran.expect(code);
        assert_ne!(ran.lines.last().unwrap()["kind"], "summary");
        assert!(ran.err.contains("interrupted"), "{}", ran.err);
        let names = world.tree("src");
        assert_eq!(names.len(), 8, "nothing is left behind: {:?}", names.iter().map(|(n, _)| n).collect::<Vec<_>>());
        for (name, data) in names {
            let text = make::un_gz(&data);
            assert!(text.is_empty() || text.len() == 79 * 60_000, "{} is whole, old or new", name.display());
        }
        // The next run finishes the work.
        world.scrub(&[]).expect(0);
        assert!(world.tree("src").iter().all(|(_, data)| make::un_gz(data).is_empty()));
        world.verify(&[]).expect(0);
    }
}

#[test]
fn max_dropped() {
    let world = World::new(ALICE);
    let many = make::log(&[&["alice@example.com"; 30][..], &["x"; 170][..]].concat());
    let few = make::log(&[&["alice@example.com"; 2][..], &["x"; 498][..]].concat());
    world.put("src/many.log", &many);
    world.put("src/few.log", &few);
    let ran = world.scrub(&["--max-dropped", "5%", "--jobs", "1"]);
    ran.expect(3);
    assert_eq!(ran.status("many.log"), "failed: max-dropped");
    assert_eq!((world.get("src/many.log"), world.get("src/few.log")), (many.clone(), make::without(&few, "alice")));
    // A number, over the run: what would go over it is not made, and none follows.
    world.put("src/few.log", &few);
    let ran = world.scrub(&["--max-dropped", "10", "--jobs", "1"]);
    ran.expect(3);
    assert_eq!(world.get("src/many.log"), many);
    let statuses = [ran.status("many.log"), ran.status("few.log")];
    assert!(statuses.contains(&"failed: max-dropped".to_owned()), "{statuses:?}");
    // Two passes: nothing at all is committed.
    world.put("src/few.log", &few);
    let ran = world.scrub(&["--max-dropped", "31", "--two-pass", "--jobs", "1"]);
    ran.expect(3);
    assert_eq!((world.get("src/many.log"), world.get("src/few.log")), (many, few));
    world.scrub(&["--max-dropped", "32", "--two-pass"]).expect(0);
    world.run(&["scrub", "src", "--registry", REGISTRY, "--in-place", "--max-dropped", "lots"]).expect(2);
}

#[test]
fn help_and_version_go_to_stdout() {
    let world = World::new(ALICE);
    for arguments in [&["--help"][..], &["--version"], &["scrub", "--help"], &["registry", "check", "--help"]] {
        let ran = world.run(arguments);
        ran.expect(0);
        assert!(!ran.out.is_empty() && ran.err.is_empty());
    }
    for arguments in
        [&[][..], &["nonsense"], &["scan", "src", "--nonsense"], &["scrub", "src", "--jobs", "0", "--in-place"]]
    {
        let ran = world.run(arguments);
        ran.expect(2);
        assert!(ran.out.is_empty() && !ran.err.is_empty());
    }
}

#[test]
fn no_result_takes_the_place_of_a_file_of_the_run() {
    let world = World::new(ALICE);
    for name in ["m.jsonl", "erased.jsonl", "p.toml", "x.log"] {
        world.put(format!("src/{name}"), alice());
    }
    world.put("out/erased.jsonl", world.get(REGISTRY));
    world.put("out/p.toml", "");
    let arguments =
        ["scrub", "src", "--output", "out/", "--overwrite", "--registry", "out/erased.jsonl", "--policy", "out/p.toml"];
    let ran = world.run(&[&arguments[..], &["--manifest", "out/m.jsonl"]].concat());
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert_eq!(world.get("out/erased.jsonl"), world.get(REGISTRY));
    assert_eq!(world.get("out/p.toml"), b"");
    assert_eq!(world.get("out/x.log"), gone());
    let manifest = String::from_utf8(world.get("out/m.jsonl")).unwrap();
    assert_eq!(manifest.matches("this run's own file stands where the result would go").count(), 3, "{manifest}");
}
