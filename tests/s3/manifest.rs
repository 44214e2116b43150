//! The manifest in a bucket: what is in it when, who else writes it, and what a kill leaves.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::server::{DO_AND_HANG_UP, HANG_UP, Server, State};
use super::{B, clean, dirty, run, scan};
use crate::s3_docs::{documented, granted_on_manifests};
use crate::support::world::{REGISTRY, Ran};
use crate::support::{ALICE, World, make, manifest};

const KEY: &str = "audit/m.jsonl";
const M: &str = "s3://logs/audit/m.jsonl";

/// Two objects with hits, one without.
fn filled() -> (World, Server) {
    let (world, server) = (World::new(ALICE), Server::start(&[B]));
    server.put(B, "a/app.log", dirty());
    server.put(B, "a/app.log.gz", make::gz(&dirty()));
    server.put(B, "a/deep/clean.log", clean());
    (world, server)
}

fn scrub(world: &World, server: &Server, more: &[&str]) -> Ran {
    let usual = ["scrub", "s3://logs/a/", "--registry", REGISTRY, "--in-place", "--manifest", M, "--jobs", "1"];
    run(world, server, &[&usual, more].concat())
}

/// The lines in the bucket, checked; none if there is no manifest.
fn lines(server: &Server) -> Vec<Value> {
    server.get(B, KEY).map_or_else(Vec::new, |found| manifest::check(&found.data))
}

fn kinds(lines: &[Value]) -> String {
    let kinds: Vec<&str> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    kinds.join(" ")
}

#[test]
fn a_run_writes_its_manifest_into_a_bucket_and_others_read_it_there() {
    let (world, server) = filled();
    let ran = scrub(&world, &server, &[]);
    ran.expect(0);
    assert!(ran.out.contains(&format!("manifest: {M}")), "{}", ran.out);
    let written = lines(&server);
    assert_eq!(kinds(&written), "run intent artifact intent artifact artifact summary");
    assert_eq!(written[0]["preconditions"]["logs"], "enforced");
    assert_eq!(server.get(B, KEY).unwrap().headers["content-type"], "application/x-ndjson");
    assert_eq!(server.bytes(B, "a/app.log"), clean());
    assert_eq!(server.keys(B).len(), 4, "and no probe: {:?}", server.keys(B));
    let log = server.state.lock().unwrap().log.clone();
    assert_eq!(log.iter().filter(|line| **line == format!("PutObject {KEY}")).count(), 4, "run, two intents, summary");
    run(&world, &server, &["verify", M, "--registry", REGISTRY]).expect(0);
    run(&world, &server, &["verify", M]).expect(0);
    // It is continued, and is its own `--since`.
    let night = scrub(&world, &server, &["--since", M]);
    night.expect(0);
    let all = lines(&server);
    assert_eq!(kinds(&all[written.len()..]), "run artifact artifact artifact summary");
    assert!(all[written.len() + 1..][..3].iter().all(|line| line["status"] == "unchanged"));
    run(&world, &server, &["verify", M, "--registry", REGISTRY]).expect(0);
    // A change by somebody else is found.
    server.put(B, "a/app.log", dirty());
    run(&world, &server, &["verify", M]).expect(1);
    let mut text = server.bytes(B, KEY);
    text[300] ^= 1;
    server.put(B, KEY, text);
    let ran = run(&world, &server, &["verify", M]);
    assert!(ran.code == 1 && ran.out.contains("tampered"), "{} {}", ran.out, ran.err);
    scrub(&world, &server, &[]).expect(2);
}

#[test]
fn the_first_night_has_no_manifest_yet() {
    let (world, server) = filled();
    scrub(&world, &server, &["--since", M, "--purge-versions"]).expect(0);
    assert_eq!(kinds(&lines(&server)), "run intent artifact intent artifact artifact summary");
    run(&world, &server, &["verify", "s3://logs/none.jsonl"]).expect(2);
    for bad in ["s3://logs", "s3://logs/a/", "s3://nobody/m.jsonl"] {
        let ran = scan(&world, &server, &["s3://logs/a/"], &["--manifest", bad]);
        assert_eq!(ran.code, 2, "{bad}: {}", ran.err);
    }
}

/// Every verb that has the option, and what lies on disk as well.
#[test]
fn scans_gates_filters_and_runs_on_disk_write_there_too() {
    let (world, server) = filled();
    world.put("src/app.log", dirty());
    scan(&world, &server, &["src", "s3://logs/a/"], &["--manifest", M]).expect(1);
    assert_eq!(kinds(&lines(&server)), "run artifact artifact artifact artifact summary");
    run(&world, &server, &["gate", "src", "--registry", REGISTRY, "--manifest", M]).expect(1);
    let ran = run(&world, &server, &["scrub", "src", "--in-place", "--registry", REGISTRY, "--manifest", M]);
    ran.expect(0);
    assert_eq!(world.get("src/app.log"), clean());
    run(&world, &server, &["filter", "--registry", REGISTRY, "--manifest", M]).expect(0);
    let runs = lines(&server).iter().filter(|line| line["kind"] == "run").count();
    assert_eq!(runs, 4);
    run(&world, &server, &["verify", M, "--registry", REGISTRY]).expect(0);
}

#[test]
fn it_is_the_runs_own_file() {
    let (world, server) = filled();
    let usual = ["scrub", "s3://logs/", "--registry", REGISTRY, "--in-place", "--manifest", M];
    run(&world, &server, &usual).expect(0);
    // The first time it was begun after, or before, the listing came to it.
    run(&world, &server, &usual).expect(0);
    let found = lines(&server);
    let own = found.iter().rfind(|line| line["uri"] == M).unwrap();
    assert_eq!((own["status"].as_str(), own["reason"].as_str()), (Some("skipped"), Some("own file")));
    // A name in its key is masked wherever it is told.
    let masked = "s3://logs/of-alice@example.com/m.jsonl";
    let ran = run(&world, &server, &["scan", "s3://logs/a/", "--registry", REGISTRY, "--manifest", masked, "-vv"]);
    ran.expect(0);
    let text = String::from_utf8(server.bytes(B, "of-alice@example.com/m.jsonl")).unwrap();
    assert!(!format!("{}{}{text}", ran.out, ran.err).contains("alice"), "{} {} {text}", ran.out, ran.err);
}

#[test]
fn a_text_that_is_no_manifest_is_not_continued() {
    for text in ["hello", "{}\n", "{\"kind\":\"run\""] {
        let (world, server) = filled();
        server.put(B, KEY, text);
        let ran = scrub(&world, &server, &[]);
        ran.expect(2);
        assert_eq!((server.bytes(B, KEY), server.bytes(B, "a/app.log")), (text.into(), dirty()));
    }
}

#[test]
fn a_server_that_ignores_conditions_is_refused_for_a_manifest_as_well() {
    let (world, server) = filled();
    server.state.lock().unwrap().bucket(B).heedless = true;
    world.put("src/app.log", dirty());
    let usual = ["scrub", "src", "--in-place", "--registry", REGISTRY, "--manifest", M];
    let ran = run(&world, &server, &usual);
    assert!(ran.code == 2 && ran.err.contains("--allow-unconditional-writes"), "{}", ran.err);
    assert!(server.get(B, KEY).is_none() && world.get("src/app.log") == dirty());
    run(&world, &server, &[&usual[..], &["--allow-unconditional-writes"]].concat()).expect(0);
    assert_eq!(lines(&server)[0]["preconditions"]["logs"], "ignored");
}

fn has_intents(lines: &[Value]) -> bool {
    lines.iter().any(|line| line["kind"] == "intent")
}

/// What was seen of a run from the server's side.
#[derive(Default)]
struct Seen {
    /// Requests about the manifest.
    about: AtomicUsize,
    /// An object was written before its intent was there.
    early: AtomicBool,
}

/// Whether the manifest in the bucket has an intent for `key` that no line closes.
fn has_intent(state: &mut State, key: &str) -> bool {
    let Some(found) = state.bucket(B).current(KEY) else { return false };
    let (mut open, uri) = (false, format!("s3://{B}/{key}"));
    for line in manifest::check(&found.data) {
        if line["uri"] == uri {
            open = line["kind"] == "intent";
        }
    }
    open
}

/// A hook that answers the `n`-th request about the manifest so, and watches the order of writes.
fn watch(server: &Server, n: usize, answer: (u16, &'static str)) -> Arc<Seen> {
    let seen = Arc::new(Seen::default());
    let told = Arc::clone(&seen);
    server.hook(move |operation, key, state| {
        if operation == "PutObject" && key.starts_with("a/") && !key.contains("probe") && !has_intent(state, key) {
            told.early.store(true, Ordering::Relaxed);
        }
        let this = key == KEY && told.about.fetch_add(1, Ordering::Relaxed) == n;
        this.then_some(answer)
    });
    seen
}

/// Each kind of failure of each request about the manifest: what is there afterwards is whole, an intent before its commit, and what is
/// said of it is true.
#[test]
fn any_failure_of_a_write_is_survived_or_told() {
    let answers = [(503, "SlowDown"), (403, "AccessDenied"), (412, "PreconditionFailed"), HANG_UP, DO_AND_HANG_UP];
    let (world, server) = filled();
    let seen = watch(&server, usize::MAX, (0, ""));
    scrub(&world, &server, &[]).expect(0);
    let requests = seen.about.load(Ordering::Relaxed);
    assert!(requests >= 9, "{requests}");
    for answer in answers {
        // What the client makes again by itself takes the same way wherever it happens.
        let step = if answer.0 == 503 || answer == HANG_UP { 4 } else { 1 };
        for n in (0..requests).step_by(step) {
            let (world, server) = filled();
            let seen = watch(&server, n, answer);
            let ran = scrub(&world, &server, &[]);
            let said = format!("{answer:?} at {n}: {} {}", ran.code, ran.err);
            assert!(!seen.early.load(Ordering::Relaxed), "{said}: committed before its intent");
            let written = lines(&server);
            let whole = written.last().is_some_and(|line| line["kind"] == "summary");
            match ran.code {
                0 => assert!(whole, "{said}"),
                2 => assert!(server.bytes(B, "a/app.log") == dirty() && !has_intents(&written), "{said}"),
                3 | 4 => assert!(ran.err.contains("manifest") || ran.err.contains("left"), "{said}"),
                _ => panic!("{said}"),
            }
            if matches!(answer.0, 503) || answer == HANG_UP || answer == DO_AND_HANG_UP {
                assert_eq!(ran.code, 0, "{said}: it can be made again");
            }
            server.hook(|_, _, _| None);
            scrub(&world, &server, &[]).expect(0);
            assert_eq!(server.bytes(B, "a/app.log"), clean(), "{said}");
            if ran.code != 0 {
                run(&world, &server, &["verify", M, "--registry", REGISTRY]).expect(0);
            }
        }
    }
}

/// kill -9 as an object is written, before or after: the next run says how it went, from what stands there.
#[test]
fn what_a_kill_leaves_is_settled() {
    for done in [true, false] {
        let (world, server) = filled();
        let child = Arc::new(Mutex::new(None::<std::process::Child>));
        let victim = Arc::clone(&child);
        server.hook(move |operation, key, _| {
            let this = operation == "PutObject" && key == "a/app.log";
            let mut victim = victim.lock().unwrap();
            let child = victim.as_mut().filter(|_| this)?;
            child.kill().unwrap();
            Some(if done { DO_AND_HANG_UP } else { HANG_UP })
        });
        let usual = ["scrub", "s3://logs/a/app.log", "--registry", REGISTRY, "--in-place", "--manifest", M];
        let mut command = world.command(&usual);
        command.envs(server.variables()).stdout(Stdio::null()).stderr(Stdio::null());
        {
            let mut child = child.lock().unwrap();
            *child = Some(command.spawn().unwrap());
        }
        // The hook wants the lock while it runs.
        let ended = loop {
            let ended = child.lock().unwrap().as_mut().unwrap().try_wait().unwrap();
            if let Some(ended) = ended {
                break ended;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        };
        assert!(!ended.success());
        assert_eq!(kinds(&lines(&server)), "run intent", "durable before the commit");
        assert_eq!(server.bytes(B, "a/app.log") == clean(), done);
        server.hook(|_, _, _| None);
        let ran = run(&world, &server, &["verify", M]);
        assert!(ran.code == 1 && ran.err.contains("1 open intents settled"), "{} {}", ran.out, ran.err);
        let settled = lines(&server);
        let wanted = if done { "settled after an interrupted run" } else { "interrupted: the original stands" };
        assert_eq!(settled[2]["reason"], wanted);
        run(&world, &server, &usual).expect(0);
        assert_eq!(server.bytes(B, "a/app.log"), clean());
        assert_eq!(
            kinds(&lines(&server)[3..]),
            if done { "run artifact summary" } else { "run intent artifact summary" }
        );
        run(&world, &server, &["verify", M, "--registry", REGISTRY]).expect(0);
    }
}

/// A run that continues the manifest meanwhile: the first one writes no more, commits no more, and says so.
#[test]
fn of_two_runs_with_one_manifest_one_ends() {
    let (world, server) = filled();
    let mut theirs = false;
    server.hook(move |operation, key, state| {
        // Between the first intent and what follows.
        if operation == "PutObject" && key == "a/app.log" && !std::mem::replace(&mut theirs, true) {
            let bucket = state.bucket(B);
            let mut text = bucket.current(KEY).unwrap().data.to_vec();
            let last = text.split_inclusive(|b| *b == b'\n').next_back().unwrap();
            let prev = manifest::sha256(last.strip_suffix(b"\n").unwrap());
            let line = format!(
                r#"{{"kind":"purge","uri":"s3://logs/theirs","done":true,"deleted":0,"left":0,"prev":"{prev}"}}"#
            );
            text.extend_from_slice(line.as_bytes());
            text.push(b'\n');
            bucket.put(KEY, text, std::collections::BTreeMap::new());
        }
        None
    });
    let ran = scrub(&world, &server, &[]);
    ran.expect(4);
    assert!(ran.err.contains("another run writes this manifest"), "{}", ran.err);
    assert_eq!(kinds(&lines(&server)), "run intent purge", "nothing of theirs is lost");
    let rewritten = [server.bytes(B, "a/app.log") == clean(), make::un_gz(&server.bytes(B, "a/app.log.gz")) == clean()];
    assert_eq!(rewritten.iter().filter(|done| **done).count(), 1, "what has no intent there is not committed");
    server.hook(|_, _, _| None);
    scrub(&world, &server, &[]).expect(0);
    run(&world, &server, &["verify", M, "--registry", REGISTRY]).expect(0);
}

/// The example policy of docs/s3.md grants on manifests what is asked for of them, short ones and long ones.
#[test]
fn its_rights_are_those_of_the_example() {
    let (world, server) = filled();
    server.state.lock().unwrap().bucket(B).versioned = true;
    scrub(&world, &server, &[]).expect(3);
    let (mut prev, mut text) = (format!("sha256:{}", "0".repeat(64)), String::new());
    let name = "long".repeat(16 << 10);
    while text.len() < 9 << 20 {
        let line =
            format!(r#"{{"kind":"purge","uri":"s3://x/{name}","done":true,"deleted":0,"left":0,"prev":"{prev}"}}"#);
        prev = manifest::sha256(line.as_bytes());
        text = text + &line + "\n";
    }
    server.put(B, KEY, text);
    server.put(B, "a/app.log", dirty());
    scrub(&world, &server, &["--purge-versions"]).expect(0);
    // Its first lines are too long for a schema that is checked by patterns.
    let text = String::from_utf8(server.bytes(B, KEY)).unwrap();
    let from = text.find("{\"kind\":\"run\"").unwrap();
    let added: Vec<Value> = text[from..].lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let added = kinds(&added);
    assert!(
        added.starts_with("run ") && added.contains(" intent ") && added.ends_with(" purge purge summary"),
        "{added}"
    );
    let log = server.state.lock().unwrap().log.clone();
    let about = log.iter().filter_map(|line| line.split_once(' ')).filter(|(_, key)| key.starts_with("audit/"));
    let asked: BTreeSet<String> = about.map(|(operation, _)| operation.to_owned()).collect();
    assert!(asked.contains("UploadPartCopy") && asked.contains("PutObject"), "{asked:?}");
    assert!(server.state.lock().unwrap().bucket(B).uploads.is_empty());
    let granted = granted_on_manifests();
    for (operation, actions) in documented() {
        if asked.contains(operation.strip_suffix("Version").unwrap_or(&operation)) {
            assert!(actions.is_subset(&granted), "{operation}: {actions:?}");
        }
    }
    assert!(!granted.contains("s3:DeleteObjectVersion") && !granted.contains("s3:RestoreObject"));
}

/// A run that lives is told from one that a crash ended.
#[test]
fn a_manifest_that_another_run_is_writing_is_let_be() {
    let (world, server) = filled();
    let waiting = Arc::new(AtomicBool::new(true));
    let held = Arc::clone(&waiting);
    server.hook(move |operation, key, _| {
        (operation == "GetObject" && key == "a/app.log" && held.load(Ordering::Relaxed)).then_some((503, "SlowDown"))
    });
    let usual = ["scrub", "s3://logs/a/", "--registry", REGISTRY, "--in-place", "--manifest", M];
    let mut command = world.command(&usual);
    command.envs(server.variables()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut first = command.spawn().unwrap();
    while server.get(B, KEY).is_none() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let ran = scrub(&world, &server, &[]);
    ran.expect(4);
    assert!(ran.err.contains("another run writes this manifest"), "{}", ran.err);
    waiting.store(false, Ordering::Relaxed);
    assert!(first.wait().unwrap().success());
    assert_eq!(lines(&server).iter().filter(|line| line["kind"] == "run").count(), 1);
    scrub(&world, &server, &[]).expect(0);
}
