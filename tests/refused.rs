//! Refused by name: what is part of a table, a repository or a database, and what has its checksum beside it.

use std::path::Path;
use std::process::Command;

use crate::support::world::{REGISTRY, Ran};
use crate::support::{World, make, manifest};

const ALICE: &str = "{\"subject\":\"a\",\"identifiers\":[{\"type\":\"email\",\"value\":\"alice@example.com\"}]}\n";

fn log() -> Vec<u8> {
    make::log(&["alice@example.com", "x"])
}

/// Runs a tool in a folder; `None` and a word on stderr if it is not there.
fn tool(folder: &Path, name: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(name);
    command.current_dir(folder).args(arguments);
    command.env("RESTIC_PASSWORD", "x").env("BORG_BASE_DIR", folder.join("borg-home")).env("HOME", folder);
    match command.output() {
        Ok(output) if output.status.success() => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => panic!("{name} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => {
            eprintln!("{name} is not there: not shown with it");
            None
        }
    }
}

/// `sha256sum -c` and its like in `folder`.
fn fits(world: &World, folder: &str, tool: &str, list: &str) -> bool {
    let output = Command::new(tool).current_dir(world.path(folder)).args(["--check", "--strict", list]).output();
    output.unwrap().status.success()
}

/// Every artifact line's status is `unsupported: want`, in all ways to run, and nothing is touched.
fn refused(world: &World, want: &str) {
    let before = world.tree("src");
    let runs = [world.scan(&[]), world.scrub(&[]), world.mirror("out/", &[])];
    for ran in &runs {
        ran.expect(3);
        let lines: Vec<_> = ran.lines.iter().filter(|line| line["kind"] == "artifact").collect();
        assert_eq!(lines.len(), before.len());
        for line in lines {
            assert_eq!((&line["status"], &line["reason"]), (&"unsupported".into(), &want.into()), "{line}");
        }
    }
    assert_eq!(world.tree("src"), before);
    assert!(!world.path("out").exists() || world.tree("out").is_empty(), "refused artifacts are not mirrored");
}

#[test]
fn tables_and_databases() {
    for (files, want) in [
        (&["t/_delta_log/00.json", "t/day=1/x.log"][..], "delta table"),
        (&["t/metadata/v1.metadata.json", "t/data/x.log"], "iceberg table"),
        (&["t/.hoodie/hoodie.properties", "t/x.log"], "hudi table"),
        (&["t/kopia.repository.f", "t/p1/x.log"], "kopia repository"),
        (&["t/CURRENT", "t/MANIFEST-000001", "t/000002.log", "t/000003.sst"], "sstable"),
        (&["t/nb-1-big-Data.db", "t/nb-1-big-TOC.txt"], "sstable"),
    ] {
        let world = World::new(ALICE);
        for file in files {
            world.put(format!("src/{file}"), log());
        }
        refused(&world, want);
        // From within, too: what is above SOURCE counts.
        let last = format!("src/{}", files[1]);
        let ran = world.run(&["scan", &last, "--registry", REGISTRY, "--json"]);
        assert_eq!(ran.expect(3).lines[1]["reason"], want);
        // No flag breaks them.
        world.scrub(&["--break-checksums"]).expect(3);
        assert_eq!(world.get(&last), log());
    }
}

#[test]
fn repositories_of_restic_and_borg() {
    let world = World::new(ALICE);
    world.put("data/x.log", log());
    if tool(world.dir(), "restic", &["init", "-q", "-r", "src/r"]).is_some() {
        tool(world.dir(), "restic", &["backup", "-q", "-r", "src/r", "data"]);
        refused(&world, "restic repository");
        tool(world.dir(), "restic", &["check", "-q", "-r", "src/r"]);
    }
    let world = World::new(ALICE);
    world.put("data/x.log", log());
    if tool(world.dir(), "borg", &["init", "-e", "none", "src/b"]).is_some() {
        tool(world.dir(), "borg", &["create", "-C", "none", "src/b::one", "data"]);
        refused(&world, "borg repository");
        tool(world.dir(), "borg", &["check", "src/b"]);
    }
}

/// A world with checksums of every kind, made by coreutils.
fn summed() -> World {
    let world = World::new(ALICE);
    for name in ["side.log", "listed.log", "both.log", "sub/deep.log", "side.log.gz", "free.log"] {
        world.put(format!("src/{name}"), if name.ends_with("gz") { make::gz(&log()) } else { log() });
    }
    world.put("src/clean.log", make::log(&["x", "y"]));
    let script = "sha256sum side.log > side.log.sha256; md5sum side.log.gz > side.log.gz.md5;
        sha1sum both.log > both.log.sha1; sha512sum --tag both.log > both.log.sha512;
        sha256sum clean.log | cut -d' ' -f1 > clean.log.sha256;
        sha256sum listed.log both.log ./sub/deep.log > SHA256SUMS";
    tool(&world.path("src"), "sh", &["-ec", script]).unwrap();
    world
}

fn by_name(ran: &Ran) -> Vec<(String, String)> {
    let mut all: Vec<_> = ran
        .lines
        .iter()
        .filter(|line| line["kind"] == "artifact")
        .map(|line| {
            let name = line["uri"].as_str().unwrap().trim_start_matches("file:src/").to_owned();
            (name.clone(), ran.status(&format!("/{name}")))
        })
        .collect();
    all.sort();
    all
}

fn status<'r>(ran: &'r [(String, String)], name: &str) -> &'r str {
    &ran.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("{name}")).1
}

#[test]
fn files_with_a_checksum_beside_them() {
    let world = summed();
    let before = world.tree("src");
    for ran in [world.scan(&[]), world.mirror("out/", &[])] {
        ran.expect(3);
        let all = by_name(&ran);
        for (name, want) in [
            ("side.log", ".sha256"),
            ("side.log.gz", ".md5"),
            ("listed.log", "SHA256SUMS"),
            ("sub/deep.log", "SHA256SUMS"),
            ("clean.log", ".sha256"),
        ] {
            assert_eq!(status(&all, name), format!("unsupported: checksum beside it ({want})"), "{name}");
        }
        // The checksum files themselves are text like any other.
        assert!(matches!(status(&all, "side.log.sha256"), "clean" | "copied"));
        assert!(matches!(status(&all, "free.log"), "rewritten" | "would_rewrite"));
    }
    assert_eq!(world.tree("src"), before);
    world.scrub(&[]).expect(3);
    let changed: Vec<_> = before.iter().zip(world.tree("src")).filter(|(a, b)| **a != *b).collect();
    assert_eq!(changed.len(), 1, "free.log alone");
    assert!(fits(&world, "src", "sha256sum", "SHA256SUMS"));
}

/// All checksum files of [`summed`] fit what lies in `folder`.
fn all_fit(world: &World, folder: &str) {
    for (tool, list) in [
        ("sha256sum", "side.log.sha256"),
        ("md5sum", "side.log.gz.md5"),
        ("sha1sum", "both.log.sha1"),
        ("sha512sum", "both.log.sha512"),
        ("sha256sum", "SHA256SUMS"),
    ] {
        assert!(fits(world, folder, tool, list), "{folder}: {list}");
    }
}

#[test]
fn checksums_are_rewritten_along() {
    let world = summed();
    world.scan(&["--break-checksums"]).expect(1);
    let ran = world.scrub(&["--break-checksums"]);
    ran.expect(0);
    all_fit(&world, "src");
    let all = by_name(&ran);
    for name in ["side.log", "side.log.sha256", "side.log.gz.md5", "both.log.sha1", "both.log.sha512", "SHA256SUMS"] {
        assert_eq!(status(&all, name), "rewritten", "{name}");
    }
    assert_eq!(status(&all, "clean.log"), "clean");
    assert_eq!(status(&all, "clean.log.sha256"), "clean");
    let notes = |name: &str| ran.artifact(name)["notes"].to_string();
    assert!(notes("/both.log").contains("its checksum changes in files beside it: 3"), "{}", notes("/both.log"));
    assert!(notes("/SHA256SUMS").contains("checksums rewritten: 3"), "{}", notes("/SHA256SUMS"));
    for name in ["side.log", "sub/deep.log", "both.log"] {
        assert!(!String::from_utf8_lossy(&world.get(format!("src/{name}"))).contains("alice"));
    }
    world.verify(&[]).expect(0);
    // P6: twice is once.
    let before = world.tree("src");
    let again = world.scrub(&["--break-checksums"]);
    again.expect(0);
    assert!(again.of("rewritten").is_empty());
    assert_eq!(world.tree("src"), before);
    // And the second night reads nothing.
    let since = world.scrub(&["--break-checksums", "--since", "m.jsonl"]);
    assert_eq!(since.of("unchanged").len(), before.len());
}

#[test]
fn a_mirror_has_checksums_that_fit() {
    let world = summed();
    let before = world.tree("src");
    let ran = world.mirror("out/", &["--break-checksums"]);
    ran.expect(0);
    assert_eq!(world.tree("src"), before);
    assert_eq!(world.tree("out").len(), before.len());
    all_fit(&world, "out");
    assert_eq!(ran.status("/SHA256SUMS"), "rewritten");
    assert_eq!(ran.status("/clean.log.sha256"), "copied");
    world.verify(&[]).expect(0);
}

/// Lists are made from other folders, by full paths, and with NULs (`-z`).
#[test]
fn lists_name_files_as_their_maker_saw_them() {
    let world = World::new(ALICE);
    let lists = [
        "cd src; sha256sum -z z.log > SHA256SUMS",
        "md5sum src/above.log > src/md5sums.txt",
        "sha1sum $PWD/src/full.log > src/SHA1SUMS",
    ];
    for name in ["z.log", "above.log", "full.log"] {
        world.put(format!("src/{name}"), log());
    }
    for script in lists {
        tool(&world.path(""), "sh", &["-ec", script]).unwrap();
    }
    let ran = world.scan(&[]);
    for name in ["/z.log", "/above.log", "/full.log"] {
        assert!(ran.status(name).starts_with("unsupported: checksum beside it"), "{name}: {}", ran.status(name));
    }
    world.scrub(&["--break-checksums"]).expect(0);
    // `-c` takes no `-z`: the digest is looked for.
    let digest = tool(&world.path("src"), "sha256sum", &["z.log"]).unwrap();
    let list = String::from_utf8(world.get("src/SHA256SUMS")).unwrap();
    assert_eq!(list.split(' ').next(), digest.split(' ').next());
    assert!(fits(&world, "", "md5sum", "src/md5sums.txt"));
    assert!(fits(&world, "", "sha1sum", "src/SHA1SUMS"));
}

/// A checksum of a checksum file would be broken by the rewriting of the latter.
#[test]
fn a_checksum_of_a_checksum_file() {
    let world = World::new(ALICE);
    for name in ["one.log", "sub/two.log", "free.log"] {
        world.put(format!("src/{name}"), log());
    }
    world.put("src/clean.log", make::log(&["x", "y"]));
    let script = "for f in one free clean; do sha256sum $f.log > $f.log.sha256; done
        for f in one clean; do sha512sum $f.log.sha256 > $f.log.sha256.sha512; done
        (cd sub; sha256sum two.log > SHA256SUMS); md5sum sub/SHA256SUMS > md5sums.txt";
    tool(&world.path("src"), "sh", &["-ec", script]).unwrap();
    let before = world.tree("src");
    for ran in [world.scan(&["--break-checksums"]), world.mirror("out/", &["--break-checksums"])] {
        ran.expect(3);
        assert_eq!(ran.status("/one.log"), "unsupported: checksum of its checksum file");
        assert!(matches!(&*ran.status("/clean.log"), "clean" | "copied"));
    }
    assert_eq!(world.tree("src"), before);
    let ran = world.scrub(&["--break-checksums"]);
    ran.expect(3);
    for name in ["/free.log", "/free.log.sha256", "/sub/two.log", "/sub/SHA256SUMS", "/md5sums.txt"] {
        assert_eq!(ran.status(name), "rewritten");
    }
    for folder in ["src", "out"] {
        assert!(fits(&world, folder, "sha512sum", "one.log.sha256.sha512"), "{folder}");
        assert!(fits(&world, folder, "md5sum", "md5sums.txt"), "{folder}");
        assert!(fits(&world, folder, "sha256sum", "free.log.sha256"), "{folder}");
    }
    assert!(fits(&world, "src", "sha256sum", "one.log.sha256"));
}

#[test]
fn checksum_files_that_were_not_asked_for() {
    let world = summed();
    let ran = world.scrub(&["--break-checksums", "--include", "*.log"]);
    ran.expect(0);
    for (tool, list) in [("sha256sum", "side.log.sha256"), ("sha1sum", "both.log.sha1"), ("sha256sum", "SHA256SUMS")] {
        assert!(fits(&world, "src", tool, list), "{list}");
    }
    // They have their lines all the same.
    assert_eq!(ran.status("/SHA256SUMS"), "rewritten");
    assert_eq!(ran.status("/side.log.sha256"), "rewritten");
    world.verify(&[]).expect(0);
    // A file by itself.
    let world = summed();
    let one = ["scrub", "src/side.log", "--registry", REGISTRY, "--in-place", "--manifest", "m.jsonl"];
    world.run(&one).expect(3);
    let ran = world.run(&[&one[..], &["--break-checksums"]].concat());
    assert_eq!(ran.expect(0).lines.len(), 6, "run, two intents, two artifacts, summary");
    assert!(fits(&world, "src", "sha256sum", "side.log.sha256"));
}

#[test]
fn a_checksum_that_does_not_fit_is_told_and_not_mended() {
    for text in [format!("{}  side.log\n", "0".repeat(64)), "no checksum\n".to_owned()] {
        for clean in [false, true] {
            let world = World::new(ALICE);
            let log = if clean { make::log(&["x", "y"]) } else { log() };
            world.put("src/side.log", &log);
            world.put("src/side.log.sha256", &text);
            let ran = world.scrub(&["--break-checksums"]);
            ran.expect(3);
            assert!(
                ran.status("/side.log").starts_with("failed: the checksum beside it"),
                "{}",
                ran.status("/side.log")
            );
            assert_eq!((world.get("src/side.log"), world.get("src/side.log.sha256")), (log, text.clone().into_bytes()));
        }
    }
}

#[test]
fn what_a_crash_between_the_two_leaves_is_finished() {
    let world = summed();
    let old = world.get("src/side.log");
    world.scrub(&["--break-checksums"]).expect(0);
    // The instant after the checksum was exchanged and before its file was.
    world.put("src/side.log", &old);
    assert!(!fits(&world, "src", "sha256sum", "side.log.sha256"), "it shows");
    let ran = world.scrub(&["--break-checksums"]);
    ran.expect(0);
    assert_eq!(ran.status("/side.log"), "rewritten");
    assert_eq!(ran.status("/side.log.sha256"), "clean");
    all_fit(&world, "src");
    // The second night sees it too, though nobody is new: the checksum file is not the one that was vouched for.
    let sums = world.get("src/clean.log.sha256");
    world.scrub(&["--break-checksums"]).expect(0);
    world.put("src/clean.log.sha256", "0".repeat(64));
    let ran = world.scrub(&["--break-checksums", "--since", "m.jsonl"]);
    ran.expect(3);
    assert!(ran.status("/clean.log").starts_with("failed: the checksum beside it"), "{}", ran.status("/clean.log"));
    assert_eq!(ran.status("/side.log"), "unchanged");
    world.put("src/clean.log.sha256", sums);
    // Somebody else is erased by now: the digest is that of a result that never was.
    world.put("src/side.log", &old);
    world.put(REGISTRY, "{\"subject\":\"z\",\"identifiers\":[{\"type\":\"email\",\"value\":\"zoe@example.org\"}]}\n");
    let ran = world.scrub(&["--break-checksums"]);
    ran.expect(3);
    assert!(ran.status("/side.log").starts_with("failed: the checksum beside it is not that of the file"));
}

#[test]
fn killed_at_any_instant() {
    // The file and its checksum fit, or the next run makes them.
    for wait in [0, 5, 10, 15, 20, 25, 30, 40, 50, 70, 100] {
        let world = World::new(ALICE);
        for i in 0..12 {
            world.put(format!("src/{i}.log"), log());
        }
        tool(
            &world.path("src"),
            "sh",
            &["-ec", "sha256sum *.log > SHA256SUMS; for f in *.log; do md5sum $f > $f.md5; done"],
        );
        let arguments = [
            "scrub",
            "src",
            "--registry",
            REGISTRY,
            "--in-place",
            "--manifest",
            "m.jsonl",
            "--break-checksums",
            "--jobs",
            "2",
        ];
        let mut child = world.command(&arguments).stdout(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait));
        let _ = child.kill();
        child.wait().unwrap();
        world.scrub(&["--break-checksums"]).expect(0);
        assert!(fits(&world, "src", "sha256sum", "SHA256SUMS"), "after {wait} ms");
        for i in 0..12 {
            assert!(fits(&world, "src", "md5sum", &format!("{i}.log.md5")), "after {wait} ms");
            assert!(!String::from_utf8_lossy(&world.get(format!("src/{i}.log"))).contains("alice"));
        }
        manifest::check(&world.get("m.jsonl"));
        world.verify(&[]).expect(0);
    }
}

#[test]
fn a_commit_that_fails_gives_the_checksum_back() {
    // The file is open for writing: it is skipped, and its checksum stays.
    let world = summed();
    let before = world.tree("src");
    let open = std::fs::File::options().append(true).open(world.path("src/SHA256SUMS")).unwrap();
    let ran = world.scrub(&["--break-checksums", "--include", "listed.log"]);
    ran.expect(3);
    assert_eq!(ran.status("/listed.log"), "skipped: open for writing");
    drop(open);
    assert_eq!(world.tree("src"), before);
    // Two checksum files, of which the second cannot be rewritten: the first is taken back.
    let open = std::fs::File::options().append(true).open(world.path("src/SHA256SUMS")).unwrap();
    let ran = world.scrub(&["--break-checksums", "--include", "both.log"]);
    ran.expect(3);
    drop(open);
    assert_eq!(world.tree("src"), before);
    all_fit(&world, "src");
}

#[test]
fn cloudtrail() {
    let world = World::new(ALICE);
    let event =
        br#"{"Records":[{"userIdentity":{"principalId":"alice@example.com"}},{"userIdentity":{"principalId":"b"}}]}"#;
    world.put("src/AWSLogs/1/CloudTrail/eu/2026/x.json.gz", make::gz(event));
    world.put("src/AWSLogs/1/CloudTrail-Digest/eu/2026/d.json.gz", make::gz(b"{\"digestS3Object\":\"x\"}"));
    refused(&world, "checksum beside it (CloudTrail digest)");
    let ran = world.scrub(&["--break-checksums"]);
    ran.expect(0);
    let line = ran.artifact("x.json.gz");
    assert_eq!(line["status"], "rewritten");
    assert!(line["notes"].to_string().contains("signed and fits no more"), "{line}");
    assert_eq!(ran.status("d.json.gz"), "clean");
}

/// The manifest of a bag is itself in the tag manifest (RFC 8493): both change, in place and in a mirror.
#[test]
fn a_list_that_is_listed() {
    for in_place in [true, false] {
        let world = World::new(ALICE);
        let hex = |data: &[u8]| crate::support::manifest::sha256(data).trim_start_matches("sha256:").to_owned();
        let sum = |data: &[u8], name: &str| format!("{}  {name}\n", hex(data));
        let log = crate::support::make::log(&["alice@example.com", "x"]);
        world.put("src/data/a.log", &log);
        let list = sum(&log, "data/a.log");
        world.put("src/manifest-sha256.txt", &list);
        world.put("src/bagit.txt", "BagIt-Version: 0.97\n");
        let tags = sum(b"BagIt-Version: 0.97\n", "bagit.txt") + &sum(list.as_bytes(), "manifest-sha256.txt");
        world.put("src/tagmanifest-sha256.txt", &tags);
        let ran =
            if in_place { world.scrub(&["--break-checksums"]) } else { world.mirror("out/", &["--break-checksums"]) };
        ran.expect(0);
        let top = if in_place { "src" } else { "out" };
        for list in ["manifest-sha256.txt", "tagmanifest-sha256.txt"] {
            let text = String::from_utf8(world.get(format!("{top}/{list}"))).unwrap();
            for line in text.lines() {
                let (digest, name) = line.split_once("  ").unwrap();
                assert_eq!(digest, hex(&world.get(format!("{top}/{name}"))), "{top} {name}");
            }
            assert_eq!(ran.status(list), "rewritten");
        }
        world.verify(&[]).expect(0);
    }
}

/// BLAKE's digests are known by name; with `--break-checksums` their files fail, and nothing is touched.
#[test]
fn checksums_that_are_not_made_anew() {
    let world = World::new(ALICE);
    for name in ["one.log", "two.log"] {
        world.put(format!("src/{name}"), log());
    }
    tool(&world.path("src"), "sh", &["-ec", "b2sum one.log > one.log.b2; b2sum two.log > B2SUMS"]).unwrap();
    let before = world.tree("src");
    let ran = world.scan(&[]);
    assert_eq!(ran.status("/one.log"), "unsupported: checksum beside it (.b2)");
    assert_eq!(ran.status("/two.log"), "unsupported: checksum beside it (B2SUMS)");
    let ran = world.scrub(&["--break-checksums"]);
    ran.expect(3);
    assert!(ran.status("/one.log").starts_with("failed") && ran.status("/two.log").starts_with("failed"));
    assert_eq!(world.tree("src"), before);
}
