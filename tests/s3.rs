//! Buckets: sources, scrubs in place, mirrors, versions, and what another writer or a server that breaks its word does.

mod faults;
mod manifest;
mod mirrors;
mod owed;
#[expect(clippy::format_collect, reason = "short answers, and it reads well")]
mod server;
mod versions;

use server::Server;

use crate::support::world::{REGISTRY, Ran};
use crate::support::{ALICE, World, make};

/// The bucket that most tests use.
const B: &str = "logs";

/// Runs the binary against `server`; the manifest is `m.jsonl`.
fn run(world: &World, server: &Server, arguments: &[&str]) -> Ran {
    let variables = server.variables();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    world.run_with(&variables, arguments)
}

fn scrub(world: &World, server: &Server, source: &str, more: &[&str]) -> Ran {
    let usual = ["scrub", source, "--registry", REGISTRY, "--in-place", "--manifest", "m.jsonl"];
    run(world, server, &[&usual, more].concat())
}

fn scan(world: &World, server: &Server, sources: &[&str], more: &[&str]) -> Ran {
    run(world, server, &[&["scan", "--registry", REGISTRY, "--json"], sources, more].concat())
}

fn dirty() -> Vec<u8> {
    make::log(&["x", "of alice@example.com", "y"])
}

fn clean() -> Vec<u8> {
    make::without(&dirty(), "alice")
}

fn filled() -> (World, Server) {
    let (world, server) = (World::new(ALICE), Server::start(&[B]));
    server.put(B, "a/app.log", dirty());
    server.put(B, "a/app.log.gz", make::gz(&dirty()));
    server.put(B, "a/deep/clean.log", clean());
    server.put(B, "b/other.log", dirty());
    (world, server)
}

#[test]
fn a_prefix_is_scanned_and_scrubbed_where_it_lies() {
    let (world, server) = filled();
    let found = scan(&world, &server, &["s3://logs/a/"], &[]);
    found.expect(1);
    let mut hits = found.of("would_rewrite");
    hits.sort_unstable();
    assert_eq!(hits, ["s3://logs/a/app.log", "s3://logs/a/app.log.gz"]);
    let ran = scrub(&world, &server, "s3://logs/a/", &[]);
    ran.expect(0);
    assert_eq!(ran.of("clean"), ["s3://logs/a/deep/clean.log"]);
    assert_eq!(server.bytes(B, "a/app.log"), clean());
    assert_eq!(make::un_gz(&server.bytes(B, "a/app.log.gz")), clean());
    assert_eq!(server.bytes(B, "b/other.log"), dirty(), "not below the prefix");
    let line = ran.artifact("app.log");
    assert_eq!(line["identity"]["etag"], server.get(B, "a/app.log").unwrap().etag);
    assert_eq!(ran.lines[0]["preconditions"]["logs"], "enforced");
    assert_eq!(ran.lines[0]["sources"][0], "s3://logs/a/");
    assert_eq!(server.keys(B).len(), 4, "the probe left nothing: {:?}", server.keys(B));
    let again = scrub(&world, &server, "s3://logs/a/", &[]);
    again.expect(0);
    assert!(again.of("rewritten").is_empty(), "twice is once");
    run(&world, &server, &["verify", "m.jsonl", "--registry", REGISTRY]).expect(0);
}

/// A large object is written by patch; what its service knows of it stays.
#[test]
fn metadata_is_kept_and_long_kept_ranges_are_copied_there() {
    let (world, server) = (World::new(ALICE), Server::start(&[B]));
    let mut text = make::log(&["x"]).repeat(500_000);
    let at = text.len() / 2;
    let at = at + text[at..].iter().position(|b| *b == b'\n').unwrap() + 1;
    let line = make::log(&["of alice@example.com"]);
    text.splice(at..at, line.clone());
    let headers = [("content-type", "text/x-log"), ("x-amz-meta-team", "blue"), ("cache-control", "no-store")];
    server.put_with(B, "big.log", text.clone(), &headers);
    scrub(&world, &server, "s3://logs/big.log", &[]).expect(0);
    let now = server.get(B, "big.log").unwrap();
    assert_eq!(*now.data, make::without(&text, "alice"));
    for (name, value) in headers {
        assert_eq!(now.headers[name], value);
    }
    assert!(server.count("UploadPartCopy") > 0, "{:?}", server.state.lock().unwrap().log);
    assert!(server.state.lock().unwrap().bucket(B).uploads.is_empty());
}

#[test]
fn every_key_is_taken_as_it_is() {
    let keys = ["a//b.log", "/c.log", "./d.log", "a/../e.log", "f +%41?&=.log", "g\u{e9}\u{1F600}.log", "h\n\u{1}.log"];
    let (world, server) = (World::new(ALICE), Server::start(&[B]));
    for key in keys {
        server.put(B, key, dirty());
    }
    server.put(B, "folder/", "");
    let ran = scrub(&world, &server, "s3://logs", &[]);
    ran.expect(0);
    assert_eq!(ran.of("rewritten").len(), keys.len());
    for key in keys {
        assert_eq!(server.bytes(B, key), clean(), "{key:?}");
    }
    assert!(ran.of("rewritten").contains(&"s3://logs/f%20%2B%2541%3F%26%3D.log"));
    run(&world, &server, &["verify", "m.jsonl", "--registry", REGISTRY]).expect(0);
}

#[test]
fn sources_are_keys_prefixes_and_globs() {
    let (world, server) = filled();
    world.put("src/disk.log", dirty());
    let hits = |sources: &[&str], more: &[&str]| {
        let mut of: Vec<String> =
            scan(&world, &server, sources, more).of("would_rewrite").into_iter().map(str::to_owned).collect();
        of.sort();
        of.join(" ")
    };
    assert_eq!(hits(&["s3://logs/b/other.log"], &[]), "s3://logs/b/other.log");
    assert_eq!(hits(&["s3://logs/b"], &[]), "s3://logs/b/other.log", "as a folder without its slash");
    assert_eq!(hits(&["s3://logs/*/*.gz"], &[]), "s3://logs/a/app.log.gz");
    assert_eq!(hits(&["s3://logs/a/app*"], &["--exclude", "*.gz"]), "s3://logs/a/app.log");
    assert_eq!(hits(&["src", "s3://logs/b/"], &[]), "file:src/disk.log s3://logs/b/other.log");
    assert_eq!(hits(&["s3://logs/b/", "s3://logs/b/other.log"], &[]), "s3://logs/b/other.log s3://logs/b/other.log");
    for missing in ["s3://logs/none.log", "s3://logs/none/", "s3://nobody/", "s3://", "s3://logs/a/app.log/"] {
        scan(&world, &server, &[missing], &[]).expect(2);
    }
    scan(&world, &server, &["s3://logs/none/"], &["--allow-no-source"]).expect(0);
    scan(&world, &server, &["s3://logs/a/"], &["--min-age", "1h"]).expect(2);
    server.put(B, "[x].log", dirty());
    assert_eq!(hits(&["s3://logs/[x].log"], &[]), "s3://logs/%5Bx%5D.log", "a key that exists is no glob");
}

#[test]
fn what_is_coded_by_its_header_is_decoded() {
    let (world, server) = (World::new(ALICE), Server::start(&[B]));
    server.put_with(B, "app.log", make::gz(&dirty()), &[("content-encoding", "gzip")]);
    let ran = scrub(&world, &server, "s3://logs/app.log", &[]);
    ran.expect(0);
    let now = server.get(B, "app.log").unwrap();
    assert_eq!(make::un_gz(&now.data), clean());
    assert_eq!(now.headers["content-encoding"], "gzip");
}

/// What lies elsewhere is named.
#[test]
fn a_replicated_object_is_told() {
    let (world, server) = (World::new(ALICE), Server::start(&[B]));
    server.put_with(B, "app.log", dirty(), &[("x-amz-replication-status", "COMPLETED")]);
    let ran = scrub(&world, &server, "s3://logs/app.log", &[]);
    ran.expect(0);
    assert!(ran.artifact("app.log")["notes"][0].as_str().unwrap().starts_with("replicated"));
}

/// No lost update: who wrote meanwhile keeps what was written.
#[test]
fn another_writer_wins() {
    let (world, server) = filled();
    let theirs = make::log(&["theirs"]);
    let bytes = theirs.clone();
    let mut written = false;
    server.hook(move |operation, key, state| {
        if operation == "PutObject" && key == "a/app.log" && !std::mem::replace(&mut written, true) {
            state.bucket(B).put(key, bytes.clone(), std::collections::BTreeMap::new());
        }
        None
    });
    let ran = scrub(&world, &server, "s3://logs/a/", &[]);
    ran.expect(3);
    assert_eq!(ran.status("/app.log"), "skipped: changed");
    assert_eq!(server.bytes(B, "a/app.log"), theirs);
    assert_eq!(make::un_gz(&server.bytes(B, "a/app.log.gz")), clean());
    scrub(&world, &server, "s3://logs/a/", &[]).expect(0);
}

/// What was replaced after the listing is read as it is now.
#[test]
fn an_old_listing_is_no_reason_to_skip() {
    let (world, server) = filled();
    let mut written = false;
    server.hook(move |operation, key, state| {
        if operation == "GetObject" && key == "a/app.log" && !std::mem::replace(&mut written, true) {
            state.bucket(B).put(key, [dirty(), dirty()].concat(), std::collections::BTreeMap::new());
        }
        None
    });
    scrub(&world, &server, "s3://logs/a/", &[]).expect(0);
    assert_eq!(server.bytes(B, "a/app.log"), [clean(), clean()].concat());
    let (world, server) = filled();
    let sources = ["s3://logs/b/", "s3://logs/b/other.log"];
    let usual = ["scrub", "--registry", REGISTRY, "--in-place", "--manifest", "m.jsonl"];
    let ran = run(&world, &server, &[&usual[..], &sources].concat());
    ran.expect(0);
    assert_eq!((ran.of("rewritten").len(), ran.of("clean").len()), (1, 1), "listed twice, rewritten once");
}

#[test]
fn a_server_that_ignores_conditions_is_refused() {
    let (world, server) = filled();
    server.state.lock().unwrap().bucket(B).heedless = true;
    let ran = scrub(&world, &server, "s3://logs/a/", &[]);
    ran.expect(2);
    assert!(ran.err.contains("--allow-unconditional-writes"), "{}", ran.err);
    assert_eq!(server.bytes(B, "a/app.log"), dirty());
    assert!(!world.path("m.jsonl").exists(), "nothing was touched");
    let ran = scrub(&world, &server, "s3://logs/a/", &["--allow-unconditional-writes"]);
    ran.expect(0);
    assert_eq!(ran.lines[0]["preconditions"]["logs"], "ignored");
    assert_eq!(server.bytes(B, "a/app.log"), clean());
    assert_eq!(server.keys(B).len(), 4);
}

#[test]
fn registry_and_policy_may_lie_in_a_bucket_and_are_not_scrubbed() {
    let (world, server) = filled();
    server.put(B, "a/who/erased.jsonl", ALICE);
    server.put(B, "a/who/policy.toml", "[[rule]]\naction = \"redact\"\n");
    let (registry, policy) = ("s3://logs/a/who/erased.jsonl", "s3://logs/a/who/policy.toml");
    let ran = run(
        &world,
        &server,
        &["scrub", "s3://logs/a/", "--registry", registry, "--policy", policy, "--in-place", "--manifest", "m.jsonl"],
    );
    ran.expect(0);
    assert_eq!(
        server.bytes(B, "a/app.log"),
        String::from_utf8(dirty()).unwrap().replace("alice@example.com", "ERASED").into_bytes()
    );
    assert_eq!(ran.status("erased.jsonl"), "skipped: own file");
    assert_eq!(ran.status("policy.toml"), "skipped: own file");
    assert_eq!(ran.lines[0]["registry"]["uri"], registry);
    run(&world, &server, &["verify", "m.jsonl", "--registry", registry]).expect(0);
    run(&world, &server, &["registry", "check", registry]).expect(0);
    scan(&world, &server, &["s3://logs/a/"], &["--since", "s3://logs/none.jsonl"]).expect(2);
}

#[test]
fn the_second_night_reads_nothing() {
    let (world, server) = filled();
    scrub(&world, &server, "s3://logs/a/", &[]).expect(0);
    server.forget();
    let night = scrub(&world, &server, "s3://logs/a/", &["--since", "m.jsonl"]);
    night.expect(0);
    assert_eq!(night.of("unchanged").len(), 3);
    assert_eq!(
        (server.count("GetObject"), server.count("HeadObject")),
        (0, 0),
        "{:?}",
        server.state.lock().unwrap().log
    );
    server.put(B, "audit/m.jsonl", world.get("m.jsonl"));
    let night = scrub(&world, &server, "s3://logs/a/", &["--since", "s3://logs/audit/m.jsonl"]);
    night.expect(0);
    assert_eq!(night.of("unchanged").len(), 3);
    assert_eq!(night.lines[0]["since"][0]["uri"], "s3://logs/audit/m.jsonl");
    server.put(B, "a/deep/clean.log", make::log(&["other"]));
    let night = scrub(&world, &server, "s3://logs/a/", &["--since", "m.jsonl"]);
    night.expect(0);
    assert_eq!((night.of("unchanged").len(), night.of("clean").len()), (2, 1));
}

#[test]
fn clean_objects_cost_one_request_each() {
    let (world, server) = (World::new(ALICE), Server::start(&[B]));
    (0..40).for_each(|n| server.put(B, &format!("x/{n:03}.log"), clean()));
    scan(&world, &server, &["s3://logs/x/"], &[]).expect(0);
    let log = server.state.lock().unwrap().log.clone();
    let of_objects = log.iter().filter(|line| line.starts_with("GetObject ") || line.starts_with("HeadObject "));
    assert!(of_objects.count() <= 44, "{log:?}");
}

#[test]
fn verify_tells_what_was_changed_and_who_came_back() {
    let (world, server) = filled();
    scrub(&world, &server, "s3://logs/a/", &[]).expect(0);
    server.put(B, "a/app.log", dirty());
    let ran = run(&world, &server, &["verify", "m.jsonl", "--registry", REGISTRY]);
    ran.expect(1);
    assert!(ran.out.contains("changed: s3://logs/a/app.log"), "{}", ran.out);
    server.state.lock().unwrap().bucket(B).delete("a/app.log");
    let ran = run(&world, &server, &["verify", "m.jsonl"]);
    assert!(ran.code == 1 && ran.out.contains("no such object"), "{}", ran.out);
    // A manifest that says what is not so: somebody is left.
    let (world, server) = filled();
    world.put(
        "nobody.jsonl",
        ALICE.replace("alice@", "nobody@").replace("48213", "99999").replace("alice_m", "nobody_m"),
    );
    let none = ["scrub", "s3://logs/b/", "--registry", "nobody.jsonl", "--in-place", "--manifest", "m.jsonl"];
    run(&world, &server, &none).expect(0);
    let ran = run(&world, &server, &["verify", "m.jsonl", "--registry", REGISTRY]);
    ran.expect(1);
    assert!(ran.out.contains("survivor: s3://logs/b/other.log"), "{}", ran.out);
}

/// `TABLE.txt` is read by the columns of `TABLE.sql` beside it, as on disk: by the scrub, and by the audit.
#[test]
fn rows_find_their_definition_in_a_bucket() {
    let (world, server) = filled();
    let definition = "/*!40101 SET NAMES utf8mb4 */;\nCREATE TABLE `users` (`id` int NOT NULL, `name` text);\n";
    let (before, after) = ("7\tb\n48213\ta\n", "7\tb\n");
    server.put(B, "tab/users.sql", definition.as_bytes().to_vec());
    server.put(B, "tab/users.txt", before.as_bytes().to_vec());
    scrub(&world, &server, "s3://logs/tab/", &[]).expect(0);
    assert_eq!(server.bytes(B, "tab/users.txt"), after.as_bytes());
    run(&world, &server, &["verify", "m.jsonl", "--registry", REGISTRY]).expect(0);
    // The same rows, let through for somebody else.
    server.put(B, "tab/users.txt", before.as_bytes().to_vec());
    world.put("nobody.jsonl", ALICE.replace("alice", "nobody").replace("48213", "99999"));
    let none = ["scrub", "s3://logs/tab/", "--registry", "nobody.jsonl", "--in-place", "--manifest", "n.jsonl"];
    run(&world, &server, &none).expect(0);
    let ran = run(&world, &server, &["verify", "n.jsonl", "--registry", REGISTRY]);
    ran.expect(1);
    assert!(ran.out.contains("survivor: s3://logs/tab/users.txt"), "{}", ran.out);
}

/// What a kill between intent and line leaves is settled from what stands in the bucket.
#[test]
fn open_intents_are_settled() {
    for done in [true, false] {
        let (world, server) = filled();
        scrub(&world, &server, "s3://logs/b/", &[]).expect(0);
        let text = String::from_utf8(world.get("m.jsonl")).unwrap();
        let upto = text.lines().position(|line| line.contains("\"kind\":\"intent\"")).unwrap();
        let cut: Vec<&str> = text.lines().take(upto + 1).collect();
        world.put("m.jsonl", cut.join("\n") + "\n");
        if !done {
            server.put(B, "b/other.log", dirty());
        }
        scrub(&world, &server, "s3://logs/b/", &[]).expect(0);
        let text = String::from_utf8(world.get("m.jsonl")).unwrap();
        let wanted = if done { "settled after an interrupted run" } else { "interrupted: the original stands" };
        assert!(text.contains(wanted), "{text}");
        assert_eq!(server.bytes(B, "b/other.log"), clean());
    }
}

#[test]
fn nothing_of_keys_credentials_or_people_is_said() {
    let (world, server) = filled();
    server.put(B, "a/alice@example.com/app.log", dirty());
    let ran = scrub(&world, &server, "s3://logs/a/", &["-vv"]);
    ran.expect(3);
    assert!(ran.of("rewritten").iter().any(|uri| uri.contains("%2A%2A")), "its name is masked");
    let said = format!("{}{}{}", ran.out, ran.err, String::from_utf8(world.get("m.jsonl")).unwrap());
    for word in ["secret-of-the-tests", "AKIAEXAMPLE", "alice"] {
        assert!(!said.contains(word), "{word}: {said}");
    }
    let ran = scrub(&world, &server, "s3://logs/a/alice@example.com/none", &["-vv"]);
    ran.expect(2);
    assert!(!ran.err.contains("alice"), "{}", ran.err);
    server.hook(|_, _, _| Some((403, "alice@example.com")));
    let ran = scrub(&world, &server, "s3://logs/a/", &["-vv"]);
    assert!(ran.code == 2 && !ran.err.contains("alice"), "{}", ran.err);
}

#[test]
fn what_stands_beside_an_object_counts_as_on_disk() {
    let (world, server) = filled();
    server.put(B, "a/app.log.sha256", "0".repeat(64));
    server.put(B, "t/_delta_log/0.json", "{}\n");
    server.put(B, "t/part.log", dirty());
    let ran = scrub(&world, &server, "s3://logs/", &[]);
    ran.expect(3);
    assert_eq!(ran.status("a/app.log"), "unsupported: checksum beside it (.sha256)");
    assert_eq!(ran.status("t/part.log"), "unsupported: delta table");
    assert_eq!((server.bytes(B, "a/app.log"), server.bytes(B, "t/part.log")), (dirty(), dirty()));
    assert_eq!(server.bytes(B, "b/other.log"), clean());
}
