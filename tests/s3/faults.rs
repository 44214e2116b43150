//! Requests that fail where nobody looks: beside an object, in an archive's tier, in the middle of an audit. And how often bytes come.

use super::server::Server;
use super::{B, dirty, filled, run, scan, scrub};
use crate::support::manifest::sha256;
use crate::support::world::REGISTRY;
use crate::support::{ALICE, World, make};

/// Listings of a folder's names, as the hook is told of them.
fn is_look(operation: &str, key: &str, folder: &str) -> bool {
    operation == "ListObjectsV2" && key.strip_suffix('*') == Some(folder)
}

#[test]
fn what_cannot_be_looked_at_beside_an_object_fails_it() {
    for (status, code) in [(400, "InvalidRequest"), (403, "AccessDenied")] {
        let (world, server) = filled();
        server.put(B, "a/app.log.sha256", "0".repeat(64));
        server.hook(move |operation, key, _| is_look(operation, key, "a/").then_some((status, code)));
        let ran = scrub(&world, &server, "s3://logs/", &[]);
        ran.expect(3);
        assert!(ran.status("a/app.log").starts_with("failed: what stands beside it: "), "{}", ran.status("a/app.log"));
        assert!(ran.status("a/deep/clean.log").starts_with("failed: what stands beside it: "));
        assert_eq!(ran.of("rewritten"), ["s3://logs/b/other.log"]);
        assert_eq!(server.bytes(B, "a/app.log"), dirty());
        // Only for a while.
        server.hook(|_, _, _| None);
        let ran = scrub(&world, &server, "s3://logs/", &[]);
        assert_eq!(ran.status("a/app.log"), "unsupported: checksum beside it (.sha256)");
    }
}

/// A look that fails once is not remembered as one that found nothing.
#[test]
fn the_next_object_is_looked_at_anew() {
    let (world, server) = filled();
    server.put(B, "a/x.log", dirty());
    server.put(B, "a/x.log.sha256", "0".repeat(64));
    let mut looks = 0;
    server.hook(move |operation, key, _| {
        looks += u32::from(is_look(operation, key, "a/"));
        (is_look(operation, key, "a/") && looks == 1).then_some((400, "InvalidRequest"))
    });
    let ran = scrub(&world, &server, "s3://logs/a/", &[]);
    ran.expect(3);
    assert_eq!(ran.of("failed").len(), 1, "{:?}", ran.lines);
    assert_eq!(ran.status("a/x.log"), "unsupported: checksum beside it (.sha256)");
    assert_eq!(server.bytes(B, "a/x.log"), dirty());
}

/// Credentials may be for one prefix: what is above it is looked at as far as they reach. Other failures are failures there, too.
#[test]
fn above_the_source_credentials_need_not_reach() {
    let (world, server) = filled();
    server.hook(|operation, key, _| is_look(operation, key, "").then_some((403, "AccessDenied")));
    scrub(&world, &server, "s3://logs/a/", &[]).expect(0);
    let (world, server) = filled();
    server.hook(|operation, key, _| is_look(operation, key, "").then_some((400, "InvalidRequest")));
    scrub(&world, &server, "s3://logs/a/", &[]).expect(3);
    assert_eq!(server.bytes(B, "a/app.log"), dirty());
}

/// Rows without the definition beside them would be read as some other text.
#[test]
fn rows_whose_definition_cannot_be_looked_for_fail() {
    let definition = "/*!40101 SET NAMES utf8mb4 */;\nCREATE TABLE `users` (`id` int NOT NULL, `name` text);\n";
    for what in ["names", "text"] {
        let (world, server) = (World::new(ALICE), Server::start(&[B]));
        server.put(B, "tab/users.sql", definition.as_bytes().to_vec());
        server.put(B, "tab/users.txt", b"7\tb\n48213\ta\n".to_vec());
        let mut looks = 0;
        server.hook(move |operation, key, _| {
            // The first look is for what is refused by name, before the rows are opened.
            looks += u32::from(is_look(operation, key, "tab/"));
            let names = what == "names" && looks == 2 && is_look(operation, key, "tab/");
            let text = what == "text" && operation == "HeadObject" && key == "tab/users.sql";
            (names || text).then_some((400, "InvalidRequest"))
        });
        let ran = scrub(&world, &server, "s3://logs/tab/", &[]);
        ran.expect(3);
        assert!(ran.status("users.txt").starts_with("failed: what stands beside it: "), "{}", ran.status("users.txt"));
        assert_eq!(server.bytes(B, "tab/users.txt"), b"7\tb\n48213\ta\n");
    }
}

/// A log of so many bytes with one hit in its middle.
fn long(len: usize) -> Vec<u8> {
    let line = make::log(&["nothing of interest"]);
    let mut text = line.repeat(len / line.len() / 2);
    let rest = text.clone();
    text.extend(make::log(&["of alice@example.com"]));
    text.extend(rest);
    text
}

#[test]
fn an_object_that_is_replaced_while_it_is_verified_is_told() {
    let (world, server) = (World::new(ALICE), Server::start(&[B]));
    server.put(B, "long.log", long(12 << 20));
    scrub(&world, &server, "s3://logs/long.log", &[]).expect(0);
    for more in [&["--registry", REGISTRY][..], &[]] {
        let mut gets = 0;
        server.hook(move |operation, key, state| {
            gets += u32::from(operation == "GetObject");
            if operation == "GetObject" && gets == 2 {
                let now = state.bucket(B).keys[key].last().unwrap().data.to_vec();
                state.bucket(B).put(key, [&now[..], b"\n"].concat(), std::collections::BTreeMap::new());
            }
            None
        });
        let ran = run(&world, &server, &[&["verify", "m.jsonl"], more].concat());
        ran.expect(1);
        assert!(ran.out.contains("changed: s3://logs/long.log: changed while it was verified"), "{}", ran.out);
        server.hook(|_, _, _| None);
        server.put(B, "long.log", make::without(&long(12 << 20), "alice"));
    }
}

/// A listing does not tell of the archive tiers of Intelligent-Tiering.
#[test]
fn a_restore_is_asked_for_where_only_reading_tells() {
    for (days, reason, restores) in
        [(&[][..], "archived", 0), (&["--restore-archived", "3"], "archived: its restore was asked for", 1)]
    {
        let (world, server) = filled();
        server.hook(|operation, key, _| {
            (operation == "GetObject" && key == "a/app.log").then_some((403, "InvalidObjectState"))
        });
        let ran = scan(&world, &server, &["s3://logs/a/"], days);
        ran.expect(3);
        assert_eq!(ran.status("a/app.log"), format!("pending: {reason}"));
        assert_eq!(server.count("RestoreObject"), restores);
    }
}

/// Also one with a hit, and its digest is on its line.
#[test]
fn a_scan_receives_an_object_once() {
    let (world, server) = (World::new(ALICE), Server::start(&[B]));
    let text = long(20 << 20);
    server.put(B, "long.log", text.clone());
    let ran = scan(&world, &server, &["s3://logs/long.log"], &[]);
    ran.expect(1);
    let sent = server.state.lock().unwrap().sent;
    assert!(sent < text.len() + text.len() / 10, "{sent} of {}", text.len());
    let told = ran.artifact("long.log")["before"]["sha256"].as_str().unwrap().to_owned();
    assert_eq!(format!("sha256:{told}"), sha256(&text));
    server.put(B, "long.log", make::without(&text, "alice"));
    let ran = scan(&world, &server, &["s3://logs/long.log"], &[]);
    assert!(ran.artifact("long.log")["before"].is_null(), "of clean artifacts a scan tells no digest");
}

/// A signal while the command line is read is no slip in it.
#[test]
fn a_signal_at_the_start_is_told_as_one() {
    use rustix::process::{Pid, Signal, kill_process};
    let policy = ["scan", "s3://logs/a/", "--registry", REGISTRY, "--policy", "s3://logs/who/policy.toml"];
    let registry = ["scan", "s3://logs/a/", "--registry", "s3://logs/who/erased.jsonl"];
    let since = ["scan", "s3://logs/a/", "--registry", REGISTRY, "--since", "s3://logs/who/m.jsonl"];
    let source = ["scan", "s3://logs/a/app.log", "--registry", REGISTRY];
    for (arguments, waits) in [
        (&policy[..], "who/policy.toml"),
        (&registry, "who/erased.jsonl"),
        (&since, "who/m.jsonl"),
        (&source, "a/app.log"),
    ] {
        let (world, server) = filled();
        let (told, asked) = std::sync::mpsc::channel();
        server.hook(move |_, key, _| {
            if key == waits {
                told.send(()).unwrap();
                std::thread::sleep(std::time::Duration::from_secs(3));
            }
            None
        });
        let variables = server.variables();
        let mut child = world.command(arguments).envs(variables).stderr(std::process::Stdio::piped()).spawn().unwrap();
        asked.recv_timeout(std::time::Duration::from_mins(1)).unwrap();
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{arguments:?}");
    }
}
