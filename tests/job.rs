//! The main job, end to end: scan, scrub in place, again, verify; and what verify tells apart.

use std::os::unix::fs::MetadataExt;

use crate::support::world::REGISTRY;
use crate::support::{ALICE, World, make, manifest};

/// Lines of several kinds; those of Alice hold `ALICE` beside her identifier, so that a test can tell them without a matcher.
fn lines(seed: usize) -> Vec<u8> {
    let mut texts = Vec::new();
    for i in 0..400 {
        texts.push(match (i + seed) % 40 {
            3 => "ALICE user_id=48213 signed in".to_owned(),
            9 => "ALICE mail to <Alice@Example.com> sent".to_owned(),
            17 => "ALICE GET /users/48213/orders?x=1".to_owned(),
            23 => "ALICE from 203.0.113.7:443".to_owned(),
            31 => "ALICE q=alice%40example.com".to_owned(),
            5 => "bytes=48213 malice@example.com 203.0.113.70".to_owned(),
            n => format!("user_id={} did {n} things", 1000 + i * 7),
        });
    }
    make::log(&texts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Decodes a file of the tree by its name, down to its texts.
fn texts(name: &str, data: &[u8]) -> Vec<Vec<u8>> {
    if let Some(inner) = name.strip_suffix(".gz") {
        return texts(inner, &make::un_gz(data));
    }
    if let Some(inner) = name.strip_suffix(".zst") {
        return texts(inner, &make::un_zst(data));
    }
    if name.strip_suffix(".tar").is_some() {
        return make::untar(data).into_iter().flat_map(|(name, data)| texts(&name, &data)).collect();
    }
    vec![data.to_vec()]
}

fn fill(world: &World) {
    let (a, b) = (lines(0), lines(11));
    world.put("src/plain.log", &a);
    world.put("src/one.log.gz", make::gz(&a));
    world.put("src/sub/many.log.gz", make::multi_gz(&[&a, &b, &a[..7000], &a[7000..]]));
    world.put("src/sub/x.log.zst", make::zst(&b));
    let tar = make::tar(&[
        ("logs/y.log.zst", &make::zst(&a)),
        ("logs/z.log", &b),
        ("logs/clean.log.gz", &make::gz(&make::log(&["a", "b"]))),
    ]);
    world.put("src/backup.tar.gz", make::gz(&tar));
    world.put("src/clean.log", make::log(&["nobody", "bytes=48213"]));
    world.put("src/clean.log.gz", make::gz(&make::log(&["nobody", "bytes=48213"])));
}

const FILES: [&str; 5] = ["plain.log", "one.log.gz", "sub/many.log.gz", "sub/x.log.zst", "backup.tar.gz"];

#[test]
fn scan_scrub_again_verify() {
    let world = World::new(ALICE);
    fill(&world);
    let before = world.tree("src");

    let scan = world.scan(&[]);
    scan.expect(1);
    assert_eq!(world.tree("src"), before, "a scan changes nothing");
    assert_eq!(scan.of("would_rewrite").len(), FILES.len());
    assert_eq!(scan.of("clean").len(), 2);
    assert!(scan.artifact("/clean.log")["before"].is_null(), "scan hashes nothing of a clean artifact");

    let scrub = world.scrub(&[]);
    scrub.expect(0);
    assert_eq!(scrub.of("rewritten").len(), FILES.len());
    for (path, old) in &before {
        let name = path.to_str().unwrap().split_once("/src/").unwrap().1;
        let new = world.get(path);
        if !FILES.contains(&name) {
            assert_eq!(&new, old, "{name} is clean");
            continue;
        }
        let want: Vec<_> = texts(name, old).iter().map(|text| make::without(text, "ALICE")).collect();
        assert_eq!(texts(name, &new), want, "{name}");
        let line = scrub.artifact(name);
        assert_eq!(format!("sha256:{}", line["after"]["sha256"].as_str().unwrap()), manifest::sha256(&new));
        assert_eq!(format!("sha256:{}", line["before"]["sha256"].as_str().unwrap()), manifest::sha256(old));
        assert_eq!(line["after"]["bytes"], new.len());
        let gone: usize =
            texts(name, old).iter().map(|text| String::from_utf8_lossy(text).matches("ALICE").count()).sum();
        assert_eq!(line["records"]["dropped"], gone);
        assert_eq!(line["subjects"]["sub_01"], gone);
        assert_eq!(line["verified"], "full");
        assert_eq!(line["kept_bytes"].as_u64().unwrap() + line["encoded_bytes"].as_u64().unwrap(), new.len() as u64);
        // What scan foretold.
        let foretold = scan.artifact(name);
        for key in ["records", "subjects", "layers"] {
            assert_eq!(foretold[key], line[key], "{name}: {key}");
        }
        // An intent stands before it.
        assert!(
            scrub.lines.iter().any(|l| l["kind"] == "intent" && l["uri"] == line["uri"] && l["after"] == line["after"])
        );
    }
    assert_eq!(scrub.artifact("backup.tar.gz")["layers"], serde_json::json!(["gzip", "tar"]));
    assert_eq!(scrub.artifact("one.log.gz")["layers"], serde_json::json!(["gzip", "log"]));

    let again = world.scrub(&[]);
    again.expect(0);
    assert_eq!((again.of("rewritten").len(), again.of("clean").len()), (0, 7), "twice is once");
    world.verify(&[]).expect(0);
    world.verify(&["--fast"]).expect(0);
    world.run(&["verify", "m.jsonl"]).expect(0);
    world.scan(&["--quiet"]).expect(0);
}

#[test]
fn what_a_rewritten_file_keeps() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new(ALICE);
    let path = world.put("src/a.log.gz", make::gz(&lines(0)));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    filetime::set_file_mtime(&path, filetime::FileTime::from_unix_time(1_600_000_000, 123_456_789)).unwrap();
    world.scrub(&[]).expect(0);
    let meta = std::fs::metadata(&path).unwrap();
    assert_eq!(meta.permissions().mode() & 0o7777, 0o640);
    assert_eq!((meta.mtime(), meta.mtime_nsec()), (1_600_000_000, 123_456_789));
    let new = world.get("src/a.log.gz");
    let decoder = flate2::read::GzDecoder::new(new.as_slice());
    let header = decoder.header().unwrap();
    assert_eq!((header.filename(), header.mtime()), (Some(b"kept.log".as_slice()), 1_700_000_000));
    let names: Vec<_> = std::fs::read_dir(world.path("src")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["a.log.gz"], "nothing else is left in the folder");
}

#[test]
fn untouched_members_of_a_tar_are_the_same_bytes() {
    let world = World::new(ALICE);
    let png = [b"\x89PNG\r\n\x1a\n".as_slice(), &[7; 900]].concat();
    let clean = make::log(&["x", "y", "z"]);
    let old =
        make::tar(&[("a.log", &lines(0)), ("clean.log", &clean), ("p.png", &png), ("b.log.gz", &make::gz(&lines(3)))]);
    world.put("src/b.tar", &old);
    let ran = world.scrub(&[]);
    ran.expect(3);
    assert_eq!(ran.status("b.tar"), "partial: unsupported members");
    let new = world.get("src/b.tar");
    let members = make::untar(&new);
    assert_eq!(members[0].1, make::without(&lines(0), "ALICE"));
    assert_eq!((&members[1].1, &members[2].1), (&clean, &png));
    assert_eq!(make::un_gz(&members[3].1), make::without(&lines(3), "ALICE"));
    // Headers and padding of what did not change stand as they were.
    let from = |tar: &[u8]| tar.windows(9).position(|w| w == b"clean.log").unwrap();
    let (a, b) = (from(&old), from(&new));
    let len = 512 + clean.len().next_multiple_of(512) + 512 + png.len().next_multiple_of(512);
    assert_eq!(old[a..a + len], new[b..b + len]);
    assert_eq!(ran.artifact("b.tar")["members"][0]["name"], "p.png");
}

#[test]
fn verify_tells_what_is_wrong() {
    let world = World::new(ALICE);
    fill(&world);
    world.scrub(&[]).expect(0);
    let good = world.get("m.jsonl");

    // A changed line: the chain breaks.
    let text = String::from_utf8(good.clone()).unwrap();
    world.put("m.jsonl", text.replacen("\"dropped\":", "\"dropped\":1", 1));
    let ran = world.verify(&[]);
    ran.expect(1);
    assert!(ran.out.contains("tampered"), "{}", ran.out);

    // A line taken out.
    let mut less: Vec<&str> = text.split_inclusive('\n').collect();
    less.remove(2);
    world.put("m.jsonl", less.concat());
    let ran = world.verify(&[]);
    ran.expect(1);
    assert!(ran.out.contains("tampered"), "{}", ran.out);

    // A root that is not that of the lines, in an intact chain.
    let at = text.find("\"root\":\"sha256:").unwrap() + 15;
    let other = if text.as_bytes()[at] == b'0' { "1" } else { "0" };
    world.put("m.jsonl", format!("{}{other}{}", &text[..at], &text[at + 1..]));
    let ran = world.verify(&[]);
    ran.expect(1);
    assert!(ran.out.contains("tampered"), "{}", ran.out);

    // No summary; and a torn line.
    let last = text.trim_end().rfind('\n').unwrap();
    for cut in [last + 1, last + 30] {
        world.put("m.jsonl", &text[..cut]);
        let ran = world.verify(&[]);
        ran.expect(1);
        assert!(ran.out.contains("incomplete"), "{}", ran.out);
    }

    // A changed artifact, clean or rewritten; one that is gone.
    world.put("m.jsonl", &good);
    for name in ["src/plain.log", "src/clean.log"] {
        let old = world.get(name);
        world.put(name, [old.as_slice(), b"2026-11-20T09:00:00Z INFO more\n"].concat());
        let ran = world.verify(&[]);
        ran.expect(1);
        assert!(ran.out.contains("changed") && ran.out.contains(name), "{}", ran.out);
        std::fs::remove_file(world.path(name)).unwrap();
        world.verify(&[]).expect(1);
        world.put(name, old);
    }
    world.verify(&[]).expect(0);
}

#[test]
fn verify_finds_a_survivor() {
    // Scrubbed with a policy that leaves a field alone, then judged by one that does not.
    let world = World::new(ALICE);
    world.put("src/a.log", make::log(&["clientno=48213 x", "y", "user_id=48213"]));
    world.scrub(&[]).expect(0);
    world.verify(&[]).expect(0);
    world.put("stricter.toml", "[identifiers.user_id]\nfields = [\"+clientno\"]\n");
    for more in [&["--policy", "stricter.toml"][..], &["--policy", "stricter.toml", "--fast"]] {
        let ran = world.verify(more);
        ran.expect(1);
        assert!(ran.out.contains("survivor"), "{}", ran.out);
    }
    // A registry with one more value of the same event (its text was changed, not continued).
    world.put(
        "other.jsonl",
        ALICE.replace(r#"{"type":"user_id""#, r#"{"type":"literal","value":"INFO y"},{"type":"user_id""#),
    );
    let ran = world.run(&["verify", "m.jsonl", "--registry", "other.jsonl"]);
    ran.expect(1);
    assert!(ran.out.contains("survivor"), "{}", ran.out);
}

#[test]
fn later_subjects_are_new_and_no_failure() {
    let world = World::new(ALICE);
    world.put("src/a.log", make::log(&["mail bob@example.org", "alice@example.com"]));
    world.scrub(&[]).expect(0);
    let bob = r#"{"subject":"sub_02","identifiers":[{"type":"email","value":"bob@example.org"}]}"#;
    world.put(REGISTRY, format!("{ALICE}{bob}\n"));
    let ran = world.verify(&[]);
    ran.expect(0);
    assert!(ran.out.lines().any(|line| line.contains("new since") && line.contains('1')), "{}", ran.out);
    world.scan(&[]).expect(1);
}

#[test]
fn the_manifest_is_continued() {
    let world = World::new(ALICE);
    world.put("src/a.log", make::log(&["alice@example.com", "x"]));
    world.scrub(&[]).expect(0);
    world.put("src/b.log", make::log(&["alice@example.com", "x"]));
    let ran = world.scrub(&[]);
    ran.expect(0);
    assert_eq!(ran.lines.len(), 5, "run, intent, two artifacts, summary");
    let all = manifest::check(&world.get("m.jsonl"));
    assert_eq!(all.iter().filter(|line| line["kind"] == "run").count(), 2);
    assert_eq!((all.len(), ran.of("clean").len(), ran.of("rewritten").len()), (9, 1, 1));
    world.verify(&[]).expect(0);
    // One that is broken is not continued: usage, nothing touched.
    let text = String::from_utf8(world.get("m.jsonl")).unwrap();
    world.put("m.jsonl", text.replacen("\"read\":", "\"read\":1", 1));
    world.put("src/c.log", make::log(&["alice@example.com", "x"]));
    let before = world.tree("src");
    let out = world
        .command(&["scrub", "src", "--registry", REGISTRY, "--in-place", "--manifest", "m.jsonl"])
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(2));
    assert_eq!(world.tree("src"), before);
}

#[test]
fn jq_and_sha256sum_make_the_same_root() {
    let world = World::new(ALICE);
    fill(&world);
    let ran = world.scrub(&[]);
    let script = "jq -cS 'select(.kind==\"artifact\")|del(.prev,.duration_ms,.identity)' m.jsonl | \
        jq -cs 'sort_by(.uri)[]' | jq -cS . | sha256sum | cut -d' ' -f1";
    let out = std::process::Command::new("sh").args(["-c", script]).current_dir(world.dir()).output().unwrap();
    let said = String::from_utf8(out.stdout).unwrap();
    if std::process::Command::new("jq").arg("--version").output().is_err() {
        return;
    }
    assert_eq!(ran.lines.last().unwrap()["root"], format!("sha256:{}", said.trim()));
}

#[test]
fn default_manifest_has_the_run_in_its_name() {
    let world = World::new(ALICE);
    world.put("src/a.log", make::log(&["alice@example.com", "x"]));
    world.run(&["scrub", "src", "--registry", REGISTRY, "--in-place"]).expect(0);
    let name = std::fs::read_dir(world.dir())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .find(|name| name.starts_with("unwrite-") && name.ends_with(".manifest.jsonl"))
        .expect("a manifest");
    let lines = manifest::check(&world.get(&name));
    assert!(name.contains(lines[0]["run_id"].as_str().unwrap()));
}

/// Two artifacts whose names are masked alike, one to be changed and one clean.
fn siblings() -> World {
    let world = World::new(ALICE);
    world.put("src/alice@example.com.log", make::log(&["alice@example.com", "x"]));
    world.put("src/ALICE@example.com.log", make::log(&["x", "nobody"]));
    world
}

#[test]
fn artifacts_that_share_a_masked_uri_are_each_verified() {
    let names = ["src/alice@example.com.log", "src/ALICE@example.com.log"];
    let check = |world: &World, code: i32| {
        for registry in [true, false] {
            let ran = if registry { world.verify(&[]) } else { world.run(&["verify", "m.jsonl"]) };
            assert!(ran.out.lines().any(|line| line.contains("compared") && line.contains('2')), "{}", ran.out);
            ran.expect(code);
            assert_eq!(ran.out.contains("changed"), code == 1, "{}", ran.out);
        }
    };
    let world = siblings();
    world.scrub(&[]).expect(0);
    check(&world, 0);
    for name in names {
        let old = world.get(name);
        world.put(name, [old.as_slice(), b"2026-11-20T09:00:00Z INFO more\n"].concat());
        check(&world, 1);
        world.put(name, old);
    }
    // Restored from a backup: other inodes, the same bytes.
    for name in names {
        let old = world.get(name);
        std::fs::rename(world.path(name), world.path("kept")).unwrap();
        world.put(name, old);
        std::fs::remove_file(world.path("kept")).unwrap();
    }
    check(&world, 0);
    // Twins: two lines of one digest need two files.
    let world = siblings();
    world.put(names[1], make::log(&["alice@example.com", "x"]));
    world.scrub(&[]).expect(0);
    check(&world, 0);
    std::fs::remove_file(world.path(names[1])).unwrap();
    let ran = world.verify(&[]);
    assert!(ran.out.contains("no such file"), "{}", ran.out);
}

#[test]
fn a_link_has_no_effect_below_a_source_and_is_followed_as_one() {
    let world = World::new(ALICE);
    world.put("src/a.log", make::log(&["alice@example.com", "x"]));
    std::os::unix::fs::symlink("a.log", world.path("src/link.log")).unwrap();
    let ran = world.scrub(&[]);
    ran.expect(0);
    assert_eq!(ran.status("link.log"), "skipped: symlink");
    world.verify(&[]).expect(0);

    world.put("src/a.log", make::log(&["alice@example.com", "x"]));
    for (mode, code) in [("scan", 1), ("scrub", 0)] {
        std::fs::remove_file(world.path("m.jsonl")).unwrap();
        let mut arguments = vec![mode, "src/link.log", "--registry", REGISTRY, "--manifest", "m.jsonl"];
        if mode == "scrub" {
            arguments.push("--in-place");
        }
        world.run(&arguments).expect(code);
        world.verify(&[]).expect(0);
    }
    world.put("src/a.log", make::log(&["other"]));
    world.verify(&[]).expect(1);
}

#[test]
fn verify_reads_as_the_run_did() {
    // As text a line is a record of its own; the run line says that it was.
    let world = World::new(ALICE);
    world.put("src/a.log", make::log(&["alice@example.com", "x"]));
    let ran = world.scrub(&["--format", "text", "--max-record", "64KiB"]);
    ran.expect(0);
    assert_eq!((&ran.lines[0]["format"], &ran.lines[0]["max_record"]), (&"text".into(), &(64 << 10).into()));
    world.verify(&[]).expect(0);
    // Longer than the bound of the run allows: what it then could not read verify cannot either, unless told.
    let world = World::new(ALICE);
    world.put("src/a.log", make::log(&["alice@example.com", &"y".repeat(100_000)]));
    world.scrub(&[]).expect(0);
    world.verify(&[]).expect(0);
    world.verify(&["--max-record", "64KiB"]).expect(3);
}

#[test]
fn a_policy_with_somebody_in_it_is_masked_and_asked_for() {
    let world = World::new(ALICE);
    world.put("src/a.log", make::log(&["alice@example.com", "x"]));
    world.put("policy.toml", "[[rule]]\nfiles = [\"**/alice@example.com/**\"]\naction = \"redact\"\n");
    let ran = world.scrub(&["--policy", "policy.toml"]);
    ran.expect(0);
    let policy = &ran.lines[0]["policy"];
    assert_eq!((&policy["masked"], &policy["rules"][0]["action"]), (&true.into(), &"redact".into()));
    assert_eq!(policy["rules"][0]["files"][0], "**/*****************/**");
    assert_eq!(format!("sha256:{}", policy["sha256"].as_str().unwrap()), manifest::sha256(&world.get("policy.toml")));
    let ran = world.verify(&[]);
    ran.expect(2);
    assert!(ran.err.contains("--policy"), "{}", ran.err);
    world.verify(&["--policy", "policy.toml"]).expect(0);
    world.run(&["verify", "m.jsonl"]).expect(0);
}

#[test]
fn a_user_called_as_a_word_of_the_policy_masks_none_of_it() {
    let world = World::new(
        "{\"subject\":\"s1\",\"identifiers\":[{\"type\":\"username\",\"value\":\"redact\"},\
         {\"type\":\"username\",\"value\":\"userid\"},{\"type\":\"user_id\",\"value\":\"members\"},\
         {\"type\":\"literal\",\"value\":\"rules\"}]}\n",
    );
    world.put("src/a.log", make::log(&["user=redact", "x"]));
    world.put("policy.toml", "[[rule]]\nfiles = [\"*.log\"]\naction = \"redact\"\n");
    let ran = world.scrub(&["--policy", "policy.toml"]);
    ran.expect(0);
    assert!(ran.lines[0]["policy"]["masked"].is_null(), "{}", ran.lines[0]);
    world.verify(&[]).expect(0);
}

#[test]
fn verify_of_a_mirror() {
    let world = World::new(ALICE);
    fill(&world);
    world.put("src/alice@example.com/x.log", make::log(&["alice@example.com", "x"]));
    world.mirror("dest", &[]).expect(3);
    for registry in [true, false] {
        let ran = if registry { world.verify(&[]) } else { world.run(&["verify", "m.jsonl"]) };
        assert!(!ran.out.contains("changed") && !ran.out.contains("survivor"), "{}", ran.out);
        assert!(ran.out.lines().any(|line| line.contains("compared") && line.contains('8')), "{}", ran.out);
    }
    // It is the mirror that is looked at.
    world.put("src/plain.log", "other");
    assert!(!world.verify(&[]).out.contains("changed"));
    world.put("dest/clean.log", "other");
    let out = world.verify(&[]).out;
    assert!(out.contains("changed: file:dest/clean.log"), "{out}");
}

#[test]
fn verify_of_a_manifest_of_several_runs_and_of_partial_artifacts() {
    let world = World::new(ALICE);
    let png = [b"\x89PNG\r\n\x1a\n".as_slice(), &[7; 900]].concat();
    world.put("src/b.tar", make::tar(&[("a.log", &make::log(&["alice@example.com", "x"])), ("p.png", &png)]));
    world.put("one.log", make::log(&["alice@example.com", "y"]));
    world.scrub(&[]).expect(3);
    world.run(&["scrub", "one.log", "--registry", REGISTRY, "--in-place", "--manifest", "m.jsonl"]).expect(0);
    let ran = world.verify(&[]);
    ran.expect(3);
    assert!(ran.out.lines().any(|line| line.contains("compared") && line.contains('2')), "{}", ran.out);
    for (name, said) in [("src/b.tar", "changed: file:src/b.tar"), ("one.log", "changed: file:one.log")] {
        let old = world.get(name);
        world.put(name, [old.as_slice(), b"x"].concat());
        let out = world.verify(&[]).out;
        assert!(out.contains(said), "{out}");
        world.put(name, old);
    }
    // What the later run made of it counts, not what the earlier one said.
    world.put("one.log", make::log(&["alice@example.com", "y", "z"]));
    world.run(&["scrub", "one.log", "--registry", REGISTRY, "--in-place", "--manifest", "m.jsonl"]).expect(0);
    world.verify(&[]).expect(3);
}
