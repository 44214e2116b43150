//! Buckets with versions: what is left, what is purged, and what cannot be.

use serde_json::Value;

use super::server::Server;
use super::{B, clean, dirty, scan, scrub};
use crate::support::world::Ran;
use crate::support::{ALICE, World};

pub fn versioned() -> (World, Server) {
    let (world, server) = (World::new(ALICE), Server::start(&[B]));
    server.state.lock().unwrap().bucket(B).versioned = true;
    server.put(B, "a/app.log", dirty());
    server.put(B, "a/app.log", dirty());
    server.put(B, "a/app.log.1", clean());
    server.put(B, "a/clean.log", clean());
    server.put(B, "a/clean.log", clean());
    (world, server)
}

pub fn purges(ran: &Ran) -> Vec<&Value> {
    ran.lines.iter().filter(|line| line["kind"] == "purge").collect()
}

pub fn holds_alice(server: &Server) -> bool {
    let keys = ["a/app.log", "a/app.log.1", "a/clean.log"];
    let mut all = keys.iter().flat_map(|key| server.versions(B, key));
    all.any(|version| version.data.windows(5).any(|five| five == b"alice"))
}

#[test]
fn old_versions_are_counted_and_then_purged() {
    let (world, server) = versioned();
    let ran = scrub(&world, &server, "s3://logs/a/", &[]);
    ran.expect(3);
    assert_eq!(ran.artifact("app.log")["left"]["versions"], 2);
    assert_eq!(ran.lines.last().unwrap()["versions"]["left"], 2);
    assert!(ran.out.contains("2 old versions of rewritten objects"), "{}", ran.out);
    assert!(holds_alice(&server) && server.bytes(B, "a/app.log") == clean());
    // Nothing is rewritten any more; what the manifest names is purged.
    let ran = scrub(&world, &server, "s3://logs/a/", &["--purge-versions"]);
    ran.expect(0);
    let lines = purges(&ran);
    assert_eq!((lines.len(), &lines[0]["done"], &lines[1]["deleted"]), (2, &Value::Bool(false), &Value::from(2)));
    assert_eq!(ran.lines.last().unwrap()["versions"]["purged"], 2);
    assert!(!holds_alice(&server));
    assert_eq!((server.versions(B, "a/app.log").len(), server.versions(B, "a/clean.log").len()), (1, 2));
    assert_eq!(server.bytes(B, "a/app.log"), clean());
    let ran = scrub(&world, &server, "s3://logs/a/", &["--purge-versions"]);
    ran.expect(0);
    assert!(purges(&ran).is_empty(), "once is enough");
    super::run(&world, &server, &["verify", "m.jsonl", "--registry", "erased.jsonl"]).expect(0);
}

#[test]
fn what_is_rewritten_is_purged_in_the_same_run() {
    let (world, server) = versioned();
    scrub(&world, &server, "s3://logs/a/", &["--purge-versions"]).expect(0);
    assert!(!holds_alice(&server));
    assert_eq!(server.versions(B, "a/app.log").len(), 1);
}

#[test]
fn a_locked_version_stays_and_is_told() {
    let (world, server) = versioned();
    let until = "2031-01-01T00:00:00Z";
    server.state.lock().unwrap().bucket(B).keys.get_mut("a/app.log").unwrap()[0].locked = Some(until.to_owned());
    let ran = scrub(&world, &server, "s3://logs/a/", &["--purge-versions"]);
    ran.expect(3);
    let done = purges(&ran)[1];
    assert_eq!((&done["deleted"], &done["left"]), (&Value::from(1), &Value::from(1)));
    assert_eq!(done["reason"], format!("locked until {until}"));
    assert!(ran.err.contains("locked until"), "{}", ran.err);
    assert_eq!(server.bytes(B, "a/app.log"), clean());
    // Its time is over.
    server.state.lock().unwrap().bucket(B).keys.get_mut("a/app.log").unwrap()[0].locked = None;
    scrub(&world, &server, "s3://logs/a/", &["--purge-versions"]).expect(0);
    assert!(!holds_alice(&server));
}

/// A purge that broke off is done again by whoever has the manifest.
#[test]
fn a_purge_can_be_repeated() {
    let (world, server) = versioned();
    let mut deletions = 0;
    server.hook(move |operation, key, _| {
        deletions += u32::from(operation == "DeleteObject" && key == "a/app.log");
        (operation == "DeleteObject" && key == "a/app.log" && deletions > 1).then_some((400, "InvalidRequest"))
    });
    let ran = scrub(&world, &server, "s3://logs/a/", &["--purge-versions"]);
    ran.expect(3);
    assert!(holds_alice(&server) && purges(&ran)[1]["left"].is_null());
    assert_eq!(purges(&ran)[1]["deleted"], 1, "what was deleted before");
    server.hook(|_, _, _| None);
    // Killed in the middle: the line that ends it is lost as well.
    let text = String::from_utf8(world.get("m.jsonl")).unwrap();
    let upto = text.lines().position(|line| line.contains("\"done\":false")).unwrap();
    let cut: Vec<&str> = text.lines().take(upto + 1).collect();
    world.put("m.jsonl", cut.join("\n") + "\n");
    let ran = super::run(&world, &server, &["verify", "m.jsonl"]);
    ran.expect(3);
    assert!(ran.out.contains("a purge of old versions was begun"), "{}", ran.out);
    scrub(&world, &server, "s3://logs/a/", &["--purge-versions"]).expect(0);
    assert!(!holds_alice(&server));
}

#[test]
fn who_may_not_look_at_versions_is_told() {
    let (world, server) = versioned();
    server.hook(|operation, _, _| (operation == "ListObjectVersions").then_some((403, "AccessDenied")));
    let ran = scrub(&world, &server, "s3://logs/a/", &[]);
    ran.expect(3);
    assert_eq!(ran.artifact("app.log")["left"]["versions_unknown"], 1);
    assert_eq!(server.bytes(B, "a/app.log"), clean());
}

#[test]
fn all_versions_are_scanned_on_request() {
    let (world, server) = versioned();
    server.state.lock().unwrap().bucket(B).delete("a/app.log");
    let ran = scan(&world, &server, &["s3://logs/a/"], &[]);
    ran.expect(0);
    let ran = scan(&world, &server, &["s3://logs/a/"], &["--all-versions"]);
    ran.expect(1);
    let hits = ran.of("would_rewrite");
    assert_eq!(hits.len(), 2);
    assert!(hits.iter().all(|uri| uri.starts_with("s3://logs/a/app.log?versionId=v")), "{hits:?}");
    scrub(&world, &server, "s3://logs/a/", &["--all-versions"]).expect(2);
}
