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

/// Cuts the manifest after its last intent, as a crash at that swap leaves it.
fn cut_after_intent(world: &World) {
    let text = String::from_utf8(world.get("m.jsonl")).unwrap();
    let at = text.rfind("{\"kind\":\"intent\"").unwrap();
    world.put("m.jsonl", &text[..=at + text[at..].find('\n').unwrap()]);
}

#[test]
fn masked_names_are_settled_by_digest() {
    for (with_registry, old) in [(true, false), (false, false), (true, true), (false, true)] {
        let world = World::new(ALICE);
        let log = make::log(&["alice@example.com", "x"]);
        world.put("src/alice@example.com.log", &log);
        world.put("src/bobby@example.com.log", make::log(&["x", "y"]));
        world.scrub(&["--exclude", "bobby*"]).expect(0);
        cut_after_intent(&world);
        if old {
            world.put("src/alice@example.com.log", &log);
        }
        let ran = if with_registry { world.verify(&[]) } else { world.run(&["verify", "m.jsonl"]) };
        assert!(ran.err.contains("1 open intents settled"), "{}", ran.err);
        let lines = manifest::check(&world.get("m.jsonl"));
        assert_eq!(lines[2]["status"], if old { "failed" } else { "rewritten" }, "{}", lines[2]);
    }
}

#[test]
fn a_masked_name_that_nothing_fits_stays_open_until_it_is_met_again() {
    let world = World::new(ALICE);
    world.put("src/alice@example.com.log", make::log(&["alice@example.com", "x"]));
    world.scrub(&[]).expect(0);
    cut_after_intent(&world);
    let done = world.get("src/alice@example.com.log");
    world.put("src/alice@example.com.log", [&done, &b"2026-11-20T09:00:00Z INFO more\n"[..]].concat());
    let text = world.get("m.jsonl");
    world.verify(&[]).expect(1);
    assert_eq!(world.get("m.jsonl"), text, "not closed as gone");
    // A later run that finds the result clean closes it.
    world.put("src/alice@example.com.log", done);
    world.scrub(&[]).expect(0);
    let ran = world.verify(&[]);
    assert!(!ran.out.contains("incomplete"), "{}", ran.out);
}

#[test]
fn under_output_what_is_not_there_was_never_placed() {
    for placed in [false, true] {
        let world = World::new(ALICE);
        world.put("src/a.log", make::log(&["alice@example.com", "x"]));
        world.mirror("dest", &[]).expect(0);
        cut_after_intent(&world);
        if !placed {
            std::fs::remove_file(world.path("dest/a.log")).unwrap();
        }
        world.verify(&[]).expect(1);
        let lines = manifest::check(&world.get("m.jsonl"));
        let reason = lines[2]["reason"].as_str().unwrap();
        assert_eq!(lines[2]["status"], if placed { "rewritten" } else { "failed" });
        assert_eq!(reason.contains("never placed"), !placed, "{reason}");
        assert!(!reason.contains("gone"), "{reason}");
    }
}

#[test]
fn verify_cuts_nothing_off_that_another_run_wrote() {
    // An intent is open and the line after it is whole: nothing is torn, nothing is cut.
    let (world, _) = crashed(false, false);
    let before = world.get("m.jsonl");
    world.verify(&[]);
    assert!(world.get("m.jsonl").starts_with(&before));
    // A manifest that somebody else holds is not settled.
    let (world, _) = crashed(false, true);
    let before = world.get("m.jsonl");
    let file = std::fs::File::open(world.path("m.jsonl")).unwrap();
    file.lock().unwrap();
    let ran = world.verify(&[]);
    ran.expect(1);
    assert!(ran.err.contains("not settled"), "{}", ran.err);
    assert_eq!(world.get("m.jsonl"), before);
}

#[test]
fn a_torn_line_that_is_whole_json_is_torn() {
    let world = World::new(ALICE);
    world.put("src/a.log", make::log(&["alice@example.com", "x"]));
    world.scrub(&[]).expect(0);
    let text = world.get("m.jsonl");
    world.put("m.jsonl", &text[..text.len() - 1]);
    let ran = world.verify(&[]);
    ran.expect(1);
    assert!(ran.out.contains("incomplete") && !ran.out.contains("tampered"), "{}", ran.out);
    world.scrub(&[]).expect(0);
    world.verify(&[]).expect(0);
}
