//! Old versions that runs owe: after a kill, after a write of which not all is known, of what was copied, and of what a run does not
//! name.

use super::server::Server;
use super::versions::{holds_alice, purges, versioned};
use super::{B, clean, dirty, run, scrub};
use crate::support::World;
use crate::support::world::{REGISTRY, Ran};

const PURGE: &[&str] = &["--purge-versions"];

/// As a kill between a commit and its line leaves the manifest.
fn cut_behind_intent(world: &World) {
    let text = String::from_utf8(world.get("m.jsonl")).unwrap();
    let upto = text.lines().position(|line| line.contains("\"kind\":\"intent\"")).unwrap();
    let cut: Vec<&str> = text.lines().take(upto + 1).collect();
    world.put("m.jsonl", cut.join("\n") + "\n");
}

/// The line in the manifest that has this reason.
fn said(world: &World, reason: &str) -> serde_json::Value {
    let text = String::from_utf8(world.get("m.jsonl")).unwrap();
    let line = text.lines().find(|line| line.contains(reason)).unwrap_or_else(|| panic!("{reason}: {text}"));
    serde_json::from_str(line).unwrap()
}

#[test]
fn what_a_kill_left_is_owed_a_purge() {
    let (world, server) = versioned();
    scrub(&world, &server, "s3://logs/a/", &[]).expect(3);
    cut_behind_intent(&world);
    let ran = scrub(&world, &server, "s3://logs/a/", &[]);
    ran.expect(3);
    assert!(ran.of("rewritten").is_empty() && ran.err.contains("left by an interrupted run"), "{}", ran.err);
    assert_eq!(said(&world, "settled after")["left"]["versions"], 2);
    assert!(holds_alice(&server));
    scrub(&world, &server, "s3://logs/a/", PURGE).expect(0);
    assert!(!holds_alice(&server) && server.bytes(B, "a/app.log") == clean());
    scrub(&world, &server, "s3://logs/a/", &[]).expect(0);
}

#[test]
fn the_run_that_settles_purges() {
    let (world, server) = versioned();
    scrub(&world, &server, "s3://logs/a/", &[]).expect(3);
    cut_behind_intent(&world);
    scrub(&world, &server, "s3://logs/a/", PURGE).expect(0);
    assert!(!holds_alice(&server));
    // By the audit, and where versions may not be listed.
    let (world, server) = versioned();
    scrub(&world, &server, "s3://logs/a/", &[]).expect(3);
    cut_behind_intent(&world);
    server.hook(|operation, _, _| (operation == "ListObjectVersions").then_some((403, "AccessDenied")));
    run(&world, &server, &["verify", "m.jsonl"]);
    assert_eq!(said(&world, "settled after")["left"]["versions_unknown"], 1);
    server.hook(|_, _, _| None);
    scrub(&world, &server, "s3://logs/a/", PURGE).expect(0);
    assert!(!holds_alice(&server));
}

#[test]
fn a_bucket_without_versions_owes_nothing_after_a_kill() {
    let (world, server) = versioned();
    let bucket = |change: &dyn Fn(&mut super::server::Bucket)| change(server.state.lock().unwrap().bucket(B));
    bucket(&|bucket| {
        bucket.versioned = false;
        bucket.keys.values_mut().for_each(|all| drop(all.drain(..all.len() - 1)));
    });
    scrub(&world, &server, "s3://logs/a/", &[]).expect(0);
    cut_behind_intent(&world);
    scrub(&world, &server, "s3://logs/a/", &[]).expect(0);
    assert_eq!(said(&world, "settled after")["left"], serde_json::json!({}));
}

/// The write is refused, or so it is said, and then nobody may look.
fn blind(server: &Server, is_done: bool) {
    let mut sent = false;
    server.hook(move |operation, key, state| match operation {
        "PutObject" if key == "a/app.log" => {
            if is_done && !sent {
                state.bucket(B).put(key, clean(), std::collections::BTreeMap::new());
            }
            sent = true;
            Some((400, "InvalidRequest"))
        }
        "HeadObject" if sent && key == "a/app.log" => Some((403, "AccessDenied")),
        _ => None,
    });
}

#[test]
fn a_write_that_may_be_done_is_owed_a_purge_once_it_was_read() {
    for is_done in [true, false] {
        let (world, server) = versioned();
        blind(&server, is_done);
        let ran = scrub(&world, &server, "s3://logs/a/", PURGE);
        ran.expect(3);
        let line = ran.artifact("app.log");
        assert_eq!(line["status"], "failed");
        assert!(line["reason"].as_str().unwrap().ends_with("whether it was written is not known"), "{line}");
        assert_eq!(line["left"]["versions_unknown"], 1);
        assert!(purges(&ran).iter().all(|line| line["deleted"] != 1) && server.count("DeleteObject") == 0);
        // It cannot be read: perhaps what was written is not what was to be, and the old version all that there is.
        server.hook(|operation, key, _| {
            (operation == "GetObject" && key == "a/app.log").then_some((400, "InvalidRequest"))
        });
        let ran = scrub(&world, &server, "s3://logs/a/", PURGE);
        ran.expect(3);
        assert!(ran.err.contains("kept until what stands there was read"), "{}", ran.err);
        assert_eq!(server.count("DeleteObject"), 0);
        server.hook(|_, _, _| None);
        scrub(&world, &server, "s3://logs/a/", PURGE).expect(0);
        assert!(!holds_alice(&server) && server.bytes(B, "a/app.log") == clean(), "{is_done}");
        assert_eq!(server.versions(B, "a/app.log").len(), 1);
    }
}

/// Two SOURCEs name it, and only the second time it is rewritten.
#[test]
fn an_object_that_is_listed_twice_is_purged() {
    let (world, server) = versioned();
    let mut puts = 0;
    server.hook(move |operation, key, _| {
        puts += u32::from(operation == "PutObject" && key == "a/app.log");
        (operation == "PutObject" && key == "a/app.log" && puts == 1).then_some((400, "InvalidRequest"))
    });
    let usual = ["scrub", "s3://logs/a/", "s3://logs/a/app.log", "--registry", REGISTRY, "--in-place"];
    let ran = run(&world, &server, &[&usual[..], &["--manifest", "m.jsonl"], PURGE].concat());
    ran.expect(3);
    assert_eq!((ran.of("failed").len(), ran.of("rewritten").len(), purges(&ran).len()), (1, 1, 2));
    assert!(!holds_alice(&server));
}

fn mirror(world: &World, server: &Server, more: &[&str]) -> Ran {
    let usual = ["scrub", "src", "--registry", REGISTRY, "--output", "s3://logs/a/", "--manifest", "m.jsonl"];
    run(world, server, &[&usual[..], &["--overwrite"], more].concat())
}

/// What a copy replaces was never looked at, and is not this tool's to delete.
#[test]
fn copies_owe_no_purge() {
    let (world, server) = versioned();
    world.put("src/clean.log", clean());
    world.put("src/app.log", dirty());
    for _ in 0..2 {
        let ran = mirror(&world, &server, PURGE);
        ran.expect(3);
        assert_eq!((ran.status("clean.log").as_str(), ran.status("app.log").as_str()), ("copied", "rewritten"));
        assert!(ran.artifact("clean.log")["left"]["versions"].as_u64().unwrap() >= 2);
        assert!(purges(&ran).iter().all(|line| line["uri"] == "s3://logs/a/app.log"), "{:?}", purges(&ran));
    }
    assert_eq!((server.versions(B, "a/clean.log").len(), server.versions(B, "a/app.log").len()), (4, 1));
}

/// A manifest may name more than this run does.
#[test]
fn only_what_a_run_names_is_purged() {
    let (world, server) = versioned();
    server.put(B, "b/other.log", dirty());
    scrub(&world, &server, "s3://logs", &[]).expect(3);
    assert_eq!(server.versions(B, "b/other.log").len(), 2);
    let ran =
        scrub(&world, &server, "s3://logs/a/", &["--purge-versions", "--since", "m.jsonl", "--exclude", "app.log"]);
    ran.expect(0);
    assert!(ran.err.contains("not purged: 2 objects"), "{}", ran.err);
    assert!(purges(&ran).is_empty() && holds_alice(&server));
    let ran = scrub(&world, &server, "s3://logs/a/", PURGE);
    ran.expect(0);
    assert!(!holds_alice(&server) && ran.err.contains("not purged: 1 objects"), "{}", ran.err);
    assert_eq!(server.versions(B, "b/other.log").len(), 2);
    scrub(&world, &server, "s3://logs/*/other.log", PURGE).expect(0);
    assert_eq!(server.versions(B, "b/other.log").len(), 1);
}

/// What stands there today is worse than what it was made of.
#[test]
fn nothing_is_purged_behind_what_this_run_cannot_read() {
    let (world, server) = versioned();
    scrub(&world, &server, "s3://logs/a/", &[]).expect(3);
    let put = |bytes: &[u8]| {
        server.state.lock().unwrap().bucket(B).put("a/app.log", bytes.to_vec(), std::collections::BTreeMap::new());
    };
    put(b"\x1f\x8b\x08\0\0\0\0\0\0\x03cut");
    let ran = scrub(&world, &server, "s3://logs/a/", PURGE);
    assert_eq!(ran.expect(3).artifact("app.log")["status"], "failed");
    assert!(ran.err.contains("kept until what stands there was read"), "{}", ran.err);
    assert_eq!(server.count("DeleteObject"), 0);
    put(&clean());
    scrub(&world, &server, "s3://logs/a/", PURGE).expect(0);
    assert!(!holds_alice(&server) && server.bytes(B, "a/app.log") == clean());
}

/// The manifest of the killed run is not continued: the next one relies on it.
#[test]
fn an_intent_of_another_night_is_owed_a_purge() {
    let (world, server) = versioned();
    scrub(&world, &server, "s3://logs/a/", &[]).expect(3);
    cut_behind_intent(&world);
    let usual = ["scrub", "s3://logs/a/", "--registry", REGISTRY, "--in-place", "--since", "m.jsonl"];
    run(&world, &server, &[&usual[..], &["--manifest", "m2.jsonl"], PURGE].concat()).expect(0);
    assert!(!holds_alice(&server) && server.bytes(B, "a/app.log") == clean());
}

#[test]
fn an_audit_tells_of_versions_that_could_not_be_purged() {
    let (world, server) = versioned();
    scrub(&world, &server, "s3://logs/a/", &[]).expect(3);
    assert_eq!(run(&world, &server, &["verify", "m.jsonl"]).code, 3);
    server.hook(|operation, _, _| (operation == "DeleteObject").then_some((403, "AccessDenied")));
    scrub(&world, &server, "s3://logs/a/", PURGE).expect(3);
    let ran = run(&world, &server, &["verify", "m.jsonl"]);
    assert_eq!(ran.code, 3, "{}", ran.out);
    server.hook(|_, _, _| None);
    scrub(&world, &server, "s3://logs/a/", PURGE).expect(0);
    let ran = run(&world, &server, &["verify", "m.jsonl"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
}

#[test]
fn a_prefix_is_no_manifest() {
    let (world, server) = versioned();
    for arguments in [
        &["verify", "s3://logs/a/"][..],
        &["verify", "s3://logs"],
        &["scan", "s3://logs/a/", "--registry", REGISTRY, "--since", "s3://logs/m/"],
    ] {
        let ran = run(&world, &server, arguments);
        assert!(ran.code == 2 && ran.err.contains("is an object, and no prefix"), "{}", ran.err);
    }
}
