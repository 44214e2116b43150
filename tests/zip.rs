//! Zip archives as people have them: backups, exports, jars; other tools read what comes of them.

use std::process::Command;

use crate::support::{ALICE, Ran, World, make};

/// Runs a tool in the world's folder; `None`, said on stderr, if it is not installed.
fn tool(world: &World, name: &str, arguments: &[&str]) -> Option<Vec<u8>> {
    match Command::new(name).args(arguments).current_dir(world.dir()).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: {name} is not installed");
            None
        }
        Err(error) => panic!("{name}: {error}"),
        Ok(out) => {
            assert!(out.status.success(), "{name} {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
            Some(out.stdout)
        }
    }
}

fn log() -> Vec<u8> {
    let lines: Vec<String> = (0..400).map(|i| format!("user_id={} nobody{i}", i * 37)).collect();
    let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    (lines[3], lines[399]) = ("alice@example.com signed in", "user_id=48213 signed out");
    make::log(&lines)
}

fn cleaned() -> Vec<u8> {
    make::without(&make::without(&log(), "alice@example.com"), "user_id=48213 ")
}

const CLEAN: &[u8] = b"2026-11-20T08:00:00Z INFO one\n2026-11-20T08:00:01Z INFO two\n";

/// Nothing of hers is said anywhere.
fn silent(ran: &Ran) {
    let lines: String = ran.lines.iter().map(ToString::to_string).collect();
    for text in [&ran.out, &ran.err, &lines] {
        assert!(!text.contains("alice@example.com"), "{text}");
    }
}

#[test]
fn archives_of_info_zip_are_rewritten_and_read_by_others() {
    let world = World::new(ALICE);
    world.put("in/logs/app.log", log());
    world.put("in/logs/clean.log", CLEAN);
    world.put("in/logs/empty.log", b"");
    world.put("in/users/alice@example.com", CLEAN);
    world.put("src/beside.log", CLEAN);
    for (name, more) in [("plain", ""), ("stored", "-0"), ("streamed", "-fd"), ("wide", "-fz")] {
        // To a pipe `zip -fz` writes what no tool reads.
        let piped = if name == "wide" { "" } else { more };
        let made = format!(
            "cd in && zip -q -r {piped} - . | cat > ../src/{name}-pipe.zip && zip -q -r {more} ../src/{name}.zip ."
        );
        if tool(&world, "zip", &["-v"]).is_none() {
            return;
        }
        tool(&world, "sh", &["-c", &made]).unwrap();
    }
    let ran = world.scrub(&[]);
    ran.expect(0);
    silent(&ran);
    assert_eq!(ran.of("rewritten").len(), 8);
    assert_eq!(ran.artifact("plain.zip")["layers"], serde_json::json!(["zip"]));
    assert_eq!(ran.artifact("plain.zip")["records"]["dropped"], 2);
    for (name, _) in world.tree("src") {
        let name = name.to_str().unwrap();
        if std::path::Path::new(name).extension().is_none_or(|extension| extension != "zip") {
            continue;
        }
        let path = name;
        tool(&world, "unzip", &["-tqq", path]);
        tool(&world, "7z", &["t", "-bd", path]);
        tool(
            &world,
            "python3",
            &["-c", "import sys,zipfile\nassert zipfile.ZipFile(sys.argv[1]).testzip() is None", path],
        );
        if let Some(bytes) = tool(&world, "unzip", &["-p", path, "logs/app.log"]) {
            assert_eq!(bytes, cleaned(), "{name}");
            assert_eq!(tool(&world, "unzip", &["-p", path, "users/[*]*"]).unwrap(), CLEAN);
            let listed = tool(&world, "unzip", &["-Z1", path]).unwrap();
            let listed = String::from_utf8(listed).unwrap();
            assert!(listed.contains("users/*****************\n") && !listed.contains("alice"), "{listed}");
        }
    }
    world.verify(&[]).expect(0);
    let again = world.scrub(&[]);
    again.expect(0);
    assert_eq!(again.of("clean").len(), 9);
}

#[test]
fn what_is_not_touched_stays_byte_for_byte() {
    let members = [("a.log", CLEAN), ("b.log", &log()), ("c.log", CLEAN)];
    for streamed in [false, true] {
        let old = make::zip(&members, streamed);
        let (new, ran) = World::scrubbed(ALICE, "", "x.zip", &old, 0);
        let first = old.windows(5).position(|w| w == b"b.log").unwrap() - 30;
        assert_eq!(new[..first], old[..first], "what stands before the member");
        let last = |zip: &[u8]| {
            let start = zip.windows(5).position(|w| w == b"c.log").unwrap() - 30;
            let end = zip.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
            zip[start..end].to_vec()
        };
        assert_eq!(last(&new), last(&old), "what stands behind it");
        assert!(ran.artifact("x.zip")["kept_bytes"].as_u64().unwrap() > first as u64);
        let names: Vec<_> = make::unzip(&new).into_iter().map(|(name, data)| (name, data.len())).collect();
        assert_eq!(
            names,
            [("a.log".into(), CLEAN.len()), ("b.log".into(), cleaned().len()), ("c.log".into(), CLEAN.len())]
        );
    }
    // Nothing of anybody: not a byte.
    let clean = make::zip(&[("a.log", CLEAN)], false);
    assert_eq!(World::scrubbed(ALICE, "", "x.zip", &clean, 0).0, clean);
    let empty = make::zip(&[], false);
    assert_eq!(World::scrubbed(ALICE, "", "x.zip", &empty, 0).0, empty);
}

#[test]
fn archives_in_archives() {
    let gz = make::gz(&log());
    let tgz = make::gz(&make::tar(&[("in/app.log", &log())]));
    let zip = make::zip(&[("app.log", &log()), ("b.log", CLEAN)], true);
    let outer = make::zip(&[("app.log.gz", &gz), ("b.tar.gz", &tgz), ("c.zip", &zip)], true);
    let tar = make::zst(&make::tar(&[("backup.zip", &outer), ("last.log", &log())]));
    let (new, ran) = World::scrubbed(ALICE, "", "all.tar.zst", &tar, 0);
    assert_eq!(ran.artifact("all.tar.zst")["records"]["dropped"], 8);
    let members = make::untar(&make::un_zst(&new));
    assert_eq!(members[1].1, cleaned());
    let inner = make::unzip(&members[0].1);
    assert_eq!(make::un_gz(&inner[0].1), cleaned());
    assert_eq!(make::untar(&make::un_gz(&inner[1].1))[0].1, cleaned());
    assert_eq!(make::unzip(&inner[2].1)[0].1, cleaned());
    // Eight layers are read, nine are not.
    let mut data = log();
    for depth in 1..=9 {
        data = make::zip(&[(if depth == 1 { "a.log" } else { "in.zip" }, &data)], false);
        let code = if depth > 8 { 3 } else { 0 };
        let (_, ran) = World::scrubbed(ALICE, "", "x.zip", &data, code);
        let status = ran.status("x.zip");
        assert!(
            if code == 0 { status == "rewritten" } else { status.starts_with("failed: limit: ") },
            "{depth}: {status}"
        );
    }
}

#[test]
fn rules_name_members() {
    let policy = "[[rule]]\nfiles = [\"backup.zip!logs/*.jsonl\"]\naction = \"mask\"\n";
    let line = b"{\"n\":1,\"email\":\"alice@example.com\"}\n{\"n\":2}\n";
    let old = make::zip(&[("logs/a.jsonl", line), ("logs/deep/a.jsonl", line), ("a.jsonl", line)], true);
    let (new, _) = World::scrubbed(ALICE, policy, "backup.zip", &old, 0);
    let masked = b"{\"n\":1,\"email\":\"*****************\"}\n{\"n\":2}\n".to_vec();
    let data: Vec<_> = make::unzip(&new).into_iter().map(|(_, data)| data).collect();
    assert_eq!(data, [masked, b"{\"n\":2}\n".to_vec(), b"{\"n\":2}\n".to_vec()]);
}

#[test]
fn members_that_are_not_read_are_named() {
    let world = World::new(ALICE);
    world.put("app.log", log());
    world.put("logo.png", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0".as_slice(), &[200; 300]].concat());
    let made: [(&str, &str, &[&str]); 4] = [
        ("encrypted.zip", "zip", &["-q", "-P", "secret", "src/encrypted.zip", "app.log"]),
        ("bzip2.zip", "zip", &["-q", "-Z", "bzip2", "src/bzip2.zip", "app.log"]),
        ("deflate64.zip", "7z", &["a", "-bd", "-mm=Deflate64", "src/deflate64.zip", "app.log"]),
        ("aes.zip", "7z", &["a", "-bd", "-mem=AES256", "-psecret", "src/aes.zip", "app.log"]),
    ];
    world.put("src/beside.log", log());
    let mut expected = Vec::new();
    for (name, by, arguments) in made {
        if tool(&world, by, arguments).is_some() {
            let reason = name.trim_end_matches(".zip");
            expected.push((name, if reason == "aes" { "encrypted" } else { reason }));
        }
    }
    let before = world.tree("src");
    let ran = world.scrub(&[]);
    ran.expect(3);
    for (name, reason) in &expected {
        assert_eq!(ran.status(name), "partial: unsupported members");
        let member = serde_json::json!([{"name": "app.log", "status": "unsupported", "reason": reason}]);
        assert_eq!(ran.artifact(name)["members"], member);
    }
    for ((name, old), (_, new)) in before.iter().zip(world.tree("src")) {
        assert_eq!(*old == new, !name.to_str().unwrap().ends_with("beside.log"), "{name:?}");
    }
    // One that holds a value in its raw bytes, by a name that is hers; and one that is accepted.
    let png = world.get("logo.png");
    let hers = [png.clone(), b"\0alice@example.com\0".to_vec()].concat();
    let (new, ran) =
        World::scrubbed(ALICE, "", "x.zip", &make::zip(&[("alice@example.com", &hers), ("b", &log())], false), 3);
    assert_eq!(ran.status("x.zip"), "partial: holds matches");
    silent(&ran);
    assert_eq!(make::unzip(&new), [("*****************".to_owned(), hers), ("b".to_owned(), cleaned())]);
    let policy = "[[rule]]\naccept_unsupported = [\"**/*.png\"]\n";
    World::scrubbed(ALICE, policy, "x.zip", &make::zip(&[("i/logo.png", &png), ("b", &log())], false), 0);
}

#[test]
fn programs_before_the_archive_and_bytes_behind_it() {
    let zip = make::zip(&[("a.log", &log()), ("b.log", CLEAN)], false);
    let stub = b"#!/bin/sh\nexec unzip -qq \"$0\"\n";
    let (new, ran) = World::scrubbed(ALICE, "", "setup.zip", &[stub.as_slice(), &zip].concat(), 3);
    assert_eq!(ran.status("setup.zip"), "partial: unsupported members");
    assert!(new.starts_with(stub));
    assert_eq!(make::unzip(&new[stub.len()..])[0].1, cleaned());
    let (new, _) = World::scrubbed(ALICE, "", "x.zip", &[zip.as_slice(), &[0; 999]].concat(), 0);
    assert!(new.ends_with(&[0; 999]));
    for (name, data, reason) in [
        ("x.zip", [zip.as_slice(), b"more"].concat(), "bytes after the end of the archive"),
        ("x.zip", zip[..zip.len() - 1].to_vec(), "the end record is cut off"),
        ("x.zip", zip[..zip.len() - 30].to_vec(), "no end record: the archive may be cut off"),
        ("x.zip", zip[..40].to_vec(), "no end record: the archive may be cut off"),
        ("x.jar", [zip.as_slice(), b"more"].concat(), "bytes after the end of the archive"),
        ("x.zip", log(), "name says zip"),
    ] {
        let (kept, ran) = World::scrubbed(ALICE, "", name, &data, 3);
        let status = ran.status(name);
        assert!(status.starts_with("failed: ") && status.ends_with(reason), "{status}");
        assert_eq!(kept, data);
    }
}

#[test]
fn any_cut_and_any_flipped_bit_is_told_or_harmless() {
    let world = World::new(ALICE);
    let zip = make::zip(&[("a.log", &make::log(&["alice@example.com", "b"])), ("b.log", CLEAN)], true);
    for at in 0..zip.len() {
        world.put(format!("src/cut-{at:04}.zip"), &zip[..at]);
        let mut wrong = zip.clone();
        wrong[at] ^= 1 << (at % 8);
        world.put(format!("src/flip-{at:04}.zip"), wrong);
    }
    let ran = world.scrub(&[]);
    ran.expect(3);
    assert!(ran.of("clean").is_empty(), "{:?}", ran.of("clean"));
    for uri in ran.of("rewritten") {
        let name = uri.rsplit('/').next().unwrap();
        assert!(name.starts_with("flip-"), "{name}");
        let bytes = world.get(format!("src/{name}"));
        assert!(!bytes.windows(5).any(|w| w == b"alice"));
        if std::panic::catch_unwind(|| make::unzip(&bytes)).is_ok() {
            assert_eq!(make::unzip(&bytes)[1].1, CLEAN, "{name}");
        }
    }
    assert!(ran.of("failed").len() > zip.len() + 100);
}

#[test]
fn spools_and_bombs_have_bounds() {
    // An archive in another one is spooled.
    let noise: Vec<u8> = (0..3_000_000u32).map(|i| b' ' + (i.wrapping_mul(2_654_435_761) >> 25) as u8 % 90).collect();
    let inner = make::zip(&[("a", CLEAN), ("b", &noise)], true);
    let world = World::new(ALICE);
    world.put("src/x.tar", make::tar(&[("in.zip", &inner)]));
    let ran = world.scrub(&["--max-temp", "1K"]);
    ran.expect(3);
    assert!(ran.status("x.tar").starts_with("failed: limit: --max-temp"), "{}", ran.status("x.tar"));
    world.scrub(&[]).expect(0);
    // Zeros without end, and an archive that lists one member again and again.
    let world = World::new(ALICE);
    world.put("src/zeros.zip", make::zip(&[("a", &vec![b'\n'; 9 << 20])], false));
    let mut twice = make::zip(&[("a.log", &log()), ("b.log", &log())], false);
    let second = twice.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    twice[second + 42..second + 46].fill(0);
    world.put("src/twice.zip", &twice);
    let ran = world.scrub(&["--max-decoded", "8M"]);
    ran.expect(3);
    assert!(ran.status("zeros.zip").starts_with("failed: limit: --max-decoded"), "{}", ran.status("zeros.zip"));
    assert!(ran.status("twice.zip").ends_with("members overlap"), "{}", ran.status("twice.zip"));
}
