//! Runs that a crash cut short: the manifest is continued, open intents are settled from what stands on disk.

use crate::support::world::REGISTRY;
use crate::support::{ALICE, World, make, manifest};

/// A world whose manifest ends after the intent for `a.log`; the file is the new one, or with `old` the old one.
fn crashed(old: bool, torn: bool) -> (World, Vec<u8>) {
    let world = World::new(ALICE);
    let log = make::log(&["alice@example.com", "x"]);
    world.put("src/a.log", &log);
    world.scrub(&[]).expect(0);
    let text = String::from_utf8(world.get("m.jsonl")).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    assert!(lines[1].contains("\"kind\":\"intent\""));
    let cut = lines[0].len() + lines[1].len() + if torn { 40 } else { 0 };
    world.put("m.jsonl", &text[..cut]);
    if old {
        world.put("src/a.log", &log);
    }
    (world, log)
}

#[test]
fn the_next_run_settles_and_finishes() {
    for (old, torn) in [(false, false), (true, false), (false, true), (true, true)] {
        let (world, log) = crashed(old, torn);
        let ran = world.scrub(&[]);
        ran.expect(0);
        assert_eq!(world.get("src/a.log"), make::without(&log, "alice"));
        let lines = manifest::check(&world.get("m.jsonl"));
        let settled = &lines[2];
        assert_eq!(settled["kind"], "artifact");
        assert_eq!(settled["status"], if old { "failed" } else { "rewritten" }, "{settled}");
        assert_eq!(lines[3]["kind"], "run");
        assert_eq!(ran.of("rewritten").len(), usize::from(old));
        world.verify(&[]).expect(0);
    }
}

#[test]
fn verify_settles_too() {
    for old in [false, true] {
        let (world, _) = crashed(old, false);
        let ran = world.verify(&[]);
        ran.expect(1);
        assert!(ran.out.contains("incomplete"), "{}", ran.out);
        let lines = manifest::check(&world.get("m.jsonl"));
        assert_eq!((lines.len(), lines[2]["kind"].as_str()), (3, Some("artifact")), "the intent is settled");
        // Still incomplete: the run has no summary.
        world.verify(&[]);
        assert_eq!(manifest::check(&world.get("m.jsonl")).len(), 3, "settled once");
    }
}

#[test]
fn a_changed_or_missing_artifact_is_told() {
    for gone in [false, true] {
        let (world, _) = crashed(false, false);
        if gone {
            std::fs::remove_file(world.path("src/a.log")).unwrap();
            world.put("src/b.log", make::log(&["x", "y"]));
        } else {
            world.put("src/a.log", make::log(&["other", "bytes"]));
        }
        world.scrub(&[]).expect(0);
        let lines = manifest::check(&world.get("m.jsonl"));
        assert_eq!(lines[2]["status"], "failed");
        let reason = lines[2]["reason"].as_str().unwrap();
        assert!(reason.contains(if gone { "gone" } else { "changed" }), "{reason}");
    }
}

#[test]
fn killed_at_any_instant() {
    // A few kills; scripts/crash-test does hundreds.
    let text: Vec<u8> = make::log(&[&["alice@example.com"; 40][..], &vec!["nobody of them"; 4000]].concat());
    for wait in [0, 15, 40, 90, 160] {
        let world = World::new(ALICE);
        for i in 0..6 {
            world.put(format!("src/{i}.log.gz"), make::gz(&text));
        }
        let arguments = ["scrub", "src", "--registry", REGISTRY, "--in-place", "--manifest", "m.jsonl", "--jobs", "2"];
        let mut child = world.command(&arguments).stdout(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        let want = make::without(&text, "alice");
        for i in 0..6 {
            let now = make::un_gz(&world.get(format!("src/{i}.log.gz")));
            assert!(now == text || now == want, "{i} is whole");
        }
        world.scrub(&[]).expect(0);
        let files = world.tree("src");
        assert_eq!(files.len(), 6, "no stray file");
        assert!(files.iter().all(|(_, data)| make::un_gz(data) == want));
        world.verify(&[]).expect(0);
    }
}
