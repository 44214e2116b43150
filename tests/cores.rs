//! All cores on one file: threads change the time that a run takes, and nothing else.

use std::fmt::Write;

use crate::support::world::REGISTRY;
use crate::support::{ALICE, Ran, World, make};

const JOBS: [&str; 3] = ["1", "2", "8"];

/// Lines that do not compress well, some of alice's.
fn lines(n: usize, seed: u64) -> String {
    let mut state = seed;
    (0..n).fold(String::new(), |mut text, at| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let who = if at % 997 == 5 { "alice" } else { "bruno" };
        writeln!(
            text,
            "2026-11-20T09:00:00Z INFO {state:016x}{:016x} by {who}@example.com",
            state.rotate_left(29) ^ 0x4d
        )
        .unwrap();
        text
    })
}

/// `text` in pieces of about `size` bytes, each encoded by itself.
fn pieces(text: &str, size: usize, encode: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    text.as_bytes().chunks(size).flat_map(encode).collect()
}

/// Files of every way to use threads: a stream that is decoded ahead, parts beside each other, windows searched ahead.
fn world() -> World {
    let world = World::new(ALICE);
    let text = lines(16_000, 1);
    let json = text.lines().fold(String::new(), |mut all, line| {
        writeln!(all, r#"{{"message":"{line}"}}"#).unwrap();
        all
    });
    let csv = text.lines().fold("when,text\n".to_owned(), |mut all, line| {
        writeln!(all, "1,\"{line}\"").unwrap();
        all
    });
    let inner = make::gz(lines(9000, 2).as_bytes());
    world.put("src/one.log.gz", make::gz(text.as_bytes()));
    world.put("src/members.log.gz", pieces(&text, 100_000, make::gz));
    world.put("src/frames.log.zst", pieces(&text, 70_000, make::zst));
    world.put("src/streams.log.bz2", pieces(&text, 150_000, make::bz2));
    world.put("src/blocks.log.bz2", make::bz2(text.as_bytes()));
    world.put("src/nested.tar.gz", make::gz(&make::tar(&[("a.log.gz", &inner), ("b.log", text.as_bytes())])));
    world.put("src/lines.log", &text);
    world.put("src/lines.jsonl", json);
    world.put("src/rows.csv", csv);
    world
}

/// The lines of a run, as far as they may not depend on threads.
fn said(ran: &Ran) -> Vec<String> {
    let mut lines: Vec<String> = ran
        .lines
        .iter()
        .filter(|line| line["kind"] == "artifact")
        .map(|line| {
            let mut line = line.clone();
            for key in ["prev", "duration_ms", "identity"] {
                line.as_object_mut().unwrap().remove(key);
            }
            line.to_string()
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn results_are_the_same_with_any_number_of_threads() {
    let world = world();
    let mut first = None;
    for jobs in JOBS {
        let ran = world.mirror("out/", &["--jobs", jobs]);
        ran.expect(0);
        assert_eq!(ran.of("rewritten").len(), 9, "{}", ran.err);
        let now = (said(&ran), world.tree("out"));
        for (name, bytes) in &now.1 {
            let plain = if name.to_string_lossy().ends_with("members.log.gz") { make::un_gz(bytes) } else { continue };
            assert_eq!(plain, make::without(lines(16_000, 1).as_bytes(), "alice"));
        }
        assert_eq!(first.get_or_insert_with(|| now.clone()), &now, "--jobs {jobs}");
        std::fs::remove_dir_all(world.path("out")).unwrap();
        std::fs::remove_file(world.path("m.jsonl")).unwrap();
    }
}

/// One artifact at a time has all threads for itself.
#[test]
fn damage_is_told_the_same_way_with_any_number_of_threads() {
    let text = lines(16_000, 3);
    let break_it = |mut bytes: Vec<u8>| {
        let at = bytes.len() * 3 / 5;
        bytes.splice(at..at + 4, *b"!!!!");
        bytes
    };
    let members = break_it(pieces(&text, 90_000, make::gz));
    let one = break_it(make::gz(text.as_bytes()));
    let blocks = break_it(make::bz2(text.as_bytes()));
    let mut frames = pieces(&text, 90_000, make::zst);
    frames.truncate(frames.len() - 7);
    let mut padded = pieces(&text, 90_000, make::gz);
    padded.extend_from_slice(&[0; 20]);
    padded.extend(make::gz(b"behind the padding\n"));
    let files = [
        ("blocks.bz2", blocks),
        ("frames.zst", frames),
        ("members.gz", members),
        ("one.gz", one),
        ("padded.gz", padded),
    ];
    for (name, bytes) in files {
        let world = World::new(ALICE);
        world.put(format!("src/{name}"), bytes);
        let mut first = None;
        for jobs in JOBS {
            let ran = world.scan(&["--jobs", jobs]);
            ran.expect(3);
            assert!(ran.status(name).starts_with("failed: "), "{}", ran.status(name));
            let now = said(&ran);
            assert_eq!(first.get_or_insert_with(|| now.clone()), &now, "{name} --jobs {jobs}");
        }
    }
}

#[test]
fn a_gate_stops_helpers_too() {
    let world = world();
    for jobs in JOBS {
        world.run(&["gate", "src", "--registry", REGISTRY, "--jobs", jobs]).expect(1);
    }
}

/// A signal while threads help: nothing is left behind, and the run ends.
#[test]
fn a_signal_stops_helpers_too() {
    use rustix::process::{Pid, Signal, kill_process};
    let world = World::new(ALICE);
    world.put("src/one.log.gz", make::gz(lines(60_000, 4).as_bytes()));
    let before = world.tree("src");
    let arguments = ["scrub", "src", "--registry", REGISTRY, "--in-place", "--manifest", "m.jsonl", "--jobs", "4"];
    for wait in [5, 40, 150] {
        let mut child = world.command(&arguments).stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait));
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let status = child.wait().unwrap();
        let code = status.code().unwrap_or(130);
        assert!(code == 130 || code == 0, "{status:?}");
        if code == 0 {
            return;
        }
        assert_eq!(world.tree("src"), before);
    }
}
