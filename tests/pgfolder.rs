//! Folders of `pg_dump -Fd` as they lie: one artifact, in place and in a mirror.
//!
//! They are made by `support::pgdump`; `scripts/restore-test` takes those of a real `pg_dump` back with `pg_restore`.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::pgarchive::{files, shop, shop_after};
use crate::support::world::{REGISTRY, Ran};
use crate::support::{ALICE, World, make, manifest, pgdump};

type Files = BTreeMap<String, Vec<u8>>;
/// What happens to a world.
type Step<'s> = &'s dyn Fn(&World);

/// The shop with a large object in which Alice is named, and what it must become.
fn before_and_after(codec: Option<&str>) -> (Files, Files) {
    let objects = |text: &[u8]| vec![pgdump::Entry::objects(40, &[(5, text)])];
    let before = [shop(), objects(b"ask alice@example.com\n")].concat();
    let mut after: Files = files(&[shop_after(), objects(b"ask ERASED\n")].concat(), codec).into_iter().collect();
    let before: Files = files(&before, codec).into_iter().collect();
    // The table of contents stays.
    after.insert("toc.dat".to_owned(), before["toc.dat"].clone());
    (before, after)
}

fn lay_out(world: &World, folder: &str, files: &Files) {
    for (name, bytes) in files {
        world.put(format!("{folder}/{name}"), bytes);
    }
}

/// The files of a folder, decoded.
fn found(world: &World, folder: &str) -> Files {
    let files = world.tree(folder).into_iter().map(|(path, bytes)| {
        let name = Path::new(&path).strip_prefix(world.path(folder)).unwrap().to_str().unwrap().to_owned();
        (name, bytes)
    });
    decoded(files.collect())
}

fn decoded(files: Files) -> Files {
    let one = |(name, bytes): (String, Vec<u8>)| match name.rsplit_once('.') {
        Some((stem, "gz")) => (stem.to_owned(), make::un_gz(&bytes)),
        Some((stem, "zst")) => (stem.to_owned(), make::un_zst(&bytes)),
        _ => (name, bytes),
    };
    files.into_iter().map(one).collect()
}

/// The digest that an auditor takes of a folder, as docs/dumps.md says.
fn digest(folder: &Path) -> String {
    let docs = std::fs::read_to_string(format!("{}/docs/dumps.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (_, told) = docs.split_once("<!-- digest of a folder -->\n```sh\n").unwrap();
    let (command, _) = told.split_once("\n```").unwrap();
    let output = Command::new("bash").args(["-c", &command.replace("DIR", folder.to_str().unwrap())]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

fn names(world: &World, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(world.path(folder)).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn one_artifact_in_place() {
    for codec in [None, Some("gz"), Some("zst")] {
        let (before, after) = before_and_after(codec);
        let world = World::new(ALICE);
        lay_out(&world, "src/dump", &before);
        world.put("src/a.log", make::log(&["bob@example.net"]));
        let tree = world.tree("src");
        let was = digest(&world.path("src/dump"));
        let scanned = world.scan(&[]);
        scanned.expect(1);
        assert_eq!(scanned.status("file:src/dump"), "would_rewrite");
        assert_eq!(scanned.artifact("file:src/dump")["before"]["sha256"], was.as_str());
        assert_eq!(world.tree("src"), tree);
        world.run(&["gate", "src", "--registry", REGISTRY]).expect(1);
        let ino = std::fs::metadata(world.path("src/dump")).unwrap().ino();

        let ran = world.scrub(&[]);
        ran.expect(0);
        let line = ran.artifact("file:src/dump");
        assert_eq!(ran.lines.iter().filter(|line| line["kind"] == "artifact").count(), 2);
        assert_eq!(
            (&line["status"], &line["layers"]),
            (&"rewritten".into(), &serde_json::json!(["pg_dump directory"]))
        );
        assert_eq!((&line["before"]["sha256"], &line["members"]), (&was.into(), &serde_json::json!([])));
        assert_eq!(line["after"]["sha256"], digest(&world.path("src/dump")).as_str());
        assert_eq!(found(&world, "src/dump"), decoded(after));
        // What names nobody has the same bytes.
        for (name, bytes) in before.iter().filter(|(name, _)| name.starts_with("toc") || name.starts_with("blobs")) {
            assert_eq!(world.get(format!("src/dump/{name}")), *bytes);
        }
        assert_ne!(std::fs::metadata(world.path("src/dump")).unwrap().ino(), ino);
        assert_eq!(names(&world, "src"), ["a.log", "dump"]);
        world.run(&["gate", "src", "--registry", REGISTRY]).expect(0);
        let verified = world.verify(&[]);
        verified.expect(0);

        let tree = world.tree("src");
        let since = world.scrub(&["--since", "m.jsonl"]);
        assert_eq!(since.expect(0).of("unchanged").len(), 2);
        let again = world.scrub(&[]);
        assert_eq!(again.expect(0).of("clean").len(), 2);
        // Every file counts for the version.
        std::thread::sleep(std::time::Duration::from_millis(30));
        world.put("src/dump/blobs.toc", &before["blobs.toc"]);
        let since = world.scrub(&["--since", "m.jsonl"]);
        assert_eq!(since.expect(0).of("unchanged"), ["file:src/a.log"]);
        assert_eq!(world.tree("src"), tree);
        world.put("src/dump/blobs.toc", [&before["blobs.toc"][..], b"\n"].concat());
        assert!(world.verify(&[]).expect(1).out.contains("its bytes are not what the manifest says"));
    }
}

#[test]
fn a_source_of_its_own() {
    for (given, shown) in
        [("shop.dir", "file:shop.dir"), ("shop.dir/", "file:shop.dir"), ("link/", "file:link"), ("link", "file:link")]
    {
        let (before, after) = before_and_after(Some("gz"));
        let world = World::new(ALICE);
        lay_out(&world, "shop.dir", &before);
        symlink("shop.dir", world.path("link")).unwrap();
        let run = |more: &[&str]| {
            world.run(&[&["scrub", given, "--registry", REGISTRY, "--manifest", "m.jsonl"], more].concat())
        };
        // Its left-overs lie beside it.
        let left = "x/.unwrite-0123456789abcdef0123456789abcdef.part/toc.dat";
        world.put(left.replace("x/", ""), "");
        let ran = run(&["--in-place"]);
        ran.expect(0);
        let uris: Vec<&str> = ran.of("rewritten");
        assert_eq!(uris, [shown]);
        assert_eq!(found(&world, "shop.dir"), decoded(after));
        assert!(std::fs::symlink_metadata(world.path("link")).unwrap().is_symlink());
        world.verify(&[]).expect(0);
        assert_eq!(run(&["--in-place", "--since", "m.jsonl"]).expect(0).of("unchanged"), [shown]);
        world.put(left, "");
        std::fs::create_dir(world.path("x/empty")).unwrap();
        run(&["--output", "x/new"]).expect(0);
        assert_eq!(
            (names(&world, "x"), found(&world, "x/new").len()),
            (vec!["empty".to_owned(), "new".to_owned()], before.len())
        );
        std::fs::remove_dir_all(world.path("x")).unwrap();
        assert_eq!(names(&world, "."), ["erased.jsonl", "link", "m.jsonl", "shop.dir", "src"]);
    }
}

#[test]
fn mirrors() {
    let (before, after) = before_and_after(Some("gz"));
    let world = World::new(ALICE);
    lay_out(&world, "src/nightly/dump", &before);
    lay_out(&world, "src/clean", &after);
    let ran = world.mirror("dest/", &[]);
    ran.expect(0);
    assert_eq!((ran.status("nightly/dump"), ran.status("src/clean")), ("rewritten".to_owned(), "copied".to_owned()));
    assert_eq!(ran.artifact("nightly/dump")["output"], "file:dest/nightly/dump");
    assert_eq!(found(&world, "dest/nightly/dump"), decoded(after.clone()));
    assert_eq!(world.tree("dest/clean").len(), after.len());
    assert_eq!(found(&world, "src/nightly/dump"), decoded(before.clone()));
    assert_eq!(digest(&world.path("dest/clean")), digest(&world.path("src/clean")));
    world.verify(&[]).expect(0);
    // P6; and a target with other bytes is refused.
    let inode = || std::fs::metadata(world.path("dest/nightly/dump")).unwrap().ino();
    let first = inode();
    world.mirror("dest/", &[]).expect(0);
    assert_eq!(inode(), first);
    world.put("dest/nightly/dump/blobs.toc", b"");
    let refused = world.mirror("dest/", &[]);
    assert_eq!(refused.expect(3).status("nightly/dump"), "failed: the target exists with other bytes; see --overwrite");
    world.mirror("dest/", &["--overwrite"]).expect(0);
    assert_eq!(found(&world, "dest/nightly/dump"), decoded(after.clone()));

    // A folder that is SOURCE: DEST is what it becomes.
    std::fs::create_dir(world.path("empty")).unwrap();
    for dest in ["new", "new2/", "a/b/new", "empty"] {
        let arguments =
            ["scrub", "src/nightly/dump", "--registry", REGISTRY, "--output", dest, "--manifest", "n.jsonl"];
        world.run(&arguments).expect(0);
        assert_eq!(found(&world, dest), decoded(after.clone()), "{dest}");
    }
    world.run(&["verify", "n.jsonl", "--registry", REGISTRY]).expect(0);
    // Several SOURCEs: each under its last name.
    let arguments =
        ["scrub", "src/nightly/dump", "src/clean/", "--registry", REGISTRY, "--output", "two", "--manifest", "o.jsonl"];
    world.run(&arguments).expect(0);
    assert_eq!(
        (names(&world, "two"), found(&world, "two/dump")),
        (vec!["clean".to_owned(), "dump".to_owned()], decoded(after))
    );
    let arguments =
        ["scrub", "src/nightly", "src/nightly/dump", "--registry", REGISTRY, "--in-place", "--manifest", "p.jsonl"];
    world.run(&arguments).expect(0);
}

/// What a real `pg_dump -Fd` wrote, against what `pg_restore` makes of it.
#[test]
fn a_folder_of_the_real_program() {
    let fixtures = format!("{}/fixtures/archives", env!("CARGO_MANIFEST_DIR"));
    let world = World::new(ALICE);
    let packed = std::fs::read(format!("{fixtures}/packed15-directory.tar")).unwrap();
    for (name, bytes) in make::untar(&packed).into_iter().filter(|(name, _)| !name.ends_with('/')) {
        world.put(format!("src/{name}"), bytes);
    }
    let ran = world.scrub(&[]);
    ran.expect(0);
    assert_eq!(ran.artifact("src/files")["records"], serde_json::json!({"read": 24, "dropped": 3, "edited": 2}));
    let restored = Command::new("pg_restore").args(["-f", "-"]).arg(world.path("src/files")).output();
    let Ok(restored) = restored else {
        eprintln!("skipped: pg_restore is not installed");
        return;
    };
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    let told = |text: &str| {
        let own = |line: &&str| !line.starts_with("-- Dumped") && !line.contains("restrict");
        text.lines().filter(own).map(str::to_owned).collect::<Vec<_>>()
    };
    let want = std::fs::read_to_string(format!("{fixtures}/expected.sql")).unwrap();
    assert_eq!(told(&String::from_utf8_lossy(&restored.stdout)), told(&want));
}

/// Runs over `src` with `files` as its only folder, which must stay as it is.
fn left_alone(files: &Files) -> Ran {
    let world = World::new(ALICE);
    lay_out(&world, "src/dump", files);
    let tree = world.tree("src");
    let ran = world.scrub(&[]);
    ran.expect(3);
    assert_eq!(world.tree("src"), tree);
    assert_eq!(names(&world, "src"), ["dump"]);
    assert_eq!(world.mirror("dest/", &[]).code, 3);
    assert!(!world.path("dest").exists() || world.tree("dest").is_empty(), "a failed artifact is in the mirror");
    ran
}

#[test]
fn a_folder_whose_files_do_not_belong_together() {
    let (before, _) = before_and_after(Some("gz"));
    for name in before.keys().filter(|name| name.ends_with(".dat.gz")) {
        let mut files = before.clone();
        files.remove(name);
        let ran = left_alone(&files);
        assert_eq!(ran.status("src/dump"), "failed: pg_dump custom: a file of the archive is missing");
        let mut files = before.clone();
        let bytes = files.get_mut(name).unwrap();
        bytes.truncate(bytes.len() - 5);
        let ran = left_alone(&files);
        assert!(ran.status("src/dump").starts_with("failed: "), "{name}: {}", ran.status("src/dump"));
    }
    let mut files = before.clone();
    let contents = files.get_mut("toc.dat").unwrap();
    contents.truncate(contents.len() / 2);
    assert!(left_alone(&files).status("src/dump").starts_with("failed: "));
    let mut files = before;
    files.insert("alice@example.com".to_owned(), make::log(&["x"]));
    let ran = left_alone(&files);
    let reason = ran.status("src/dump");
    assert_eq!(reason, "unsupported: pg_dump directory: the name of a file would change");
}

#[test]
fn other_files_in_it_are_members() {
    let (mut before, _) = before_and_after(None);
    let log = make::log(&["alice@example.com", "x"]);
    before.insert("notes.log".to_owned(), log.clone());
    before.insert("pic.png".to_owned(), b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec());
    let world = World::new(ALICE);
    lay_out(&world, "src/dump", &before);
    let ran = world.scrub(&[]);
    ran.expect(3);
    assert_eq!(ran.status("src/dump"), "partial: unsupported members");
    assert_eq!(ran.artifact("src/dump")["members"][0]["name"], "pic.png");
    assert_eq!(world.get("src/dump/notes.log"), make::without(&log, "alice"));
    world.verify(&[]).expect(3);
    world.put("policy.toml", "[[rule]]\naccept_unsupported = [\"dump!*.png\"]\n");
    world.scrub(&["--policy", "policy.toml"]).expect(0);
}

#[test]
fn folders_that_hold_something_else_are_refused_by_name() {
    let (before, _) = before_and_after(Some("gz"));
    let odd: [(&str, Step<'_>); 4] = [
        ("a subfolder", &|world| drop(world.put("src/dump/sub/x.log", "x"))),
        ("a link", &|world| symlink("toc.dat", world.path("src/dump/x")).unwrap()),
        ("a name with a blank", &|world| drop(world.put("src/dump/a b", ""))),
        ("a custom archive's table of contents", &|world| {
            drop(world.put("src/dump/toc.dat", pgdump::write(&shop(), &pgdump::How::default()).0));
        }),
    ];
    for (what, step) in odd {
        let world = World::new(ALICE);
        lay_out(&world, "src/dump", &before);
        step(&world);
        let tree = world.tree("src");
        let ran = world.scrub(&[]);
        ran.expect(3);
        for name in ["toc.dat", "blobs.toc"] {
            assert_eq!(ran.status(name), "unsupported: pg_dump directory", "{what}");
        }
        assert_eq!(world.tree("src"), tree);
    }
    // Files in it that are named one by one, and by a glob.
    let world = World::new(ALICE);
    lay_out(&world, "src/dump", &before);
    for source in ["src/dump/toc.dat", "src/dump/*.gz"] {
        let ran = world.run(&["scan", source, "--registry", REGISTRY, "--json"]);
        assert!(ran.expect(3).of("unsupported").len() == ran.lines.len() - 2);
    }
    let ran = world.run(&["scan", "src/d*", "--registry", REGISTRY, "--json"]);
    assert_eq!(ran.expect(1).of("would_rewrite"), ["file:src/dump"]);
}

#[test]
fn checksums_of_its_files_are_not_broken() {
    let (before, _) = before_and_after(Some("gz"));
    let sum = |name: &str| format!("{}  {name}\n", "0".repeat(64));
    for (file, text, reason) in [
        ("src/dump/SHA256SUMS", sum("toc.dat"), "checksum beside it"),
        ("src/SHA256SUMS", sum("dump/20.dat.gz"), "checksum beside it"),
        ("src/dump/toc.dat.sha256", sum("toc.dat"), "checksum beside it"),
        ("src/dump.sha256", sum("-"), "checksum beside it"),
    ] {
        for more in [&[][..], &["--break-checksums"]] {
            let world = World::new(ALICE);
            lay_out(&world, "src/dump", &before);
            world.put(file, text.clone());
            let tree = world.tree("src");
            let ran = world.scrub(more);
            ran.expect(3);
            assert!(
                ran.status("src/dump").starts_with(&format!("unsupported: {reason}")),
                "{}",
                ran.status("src/dump")
            );
            assert_eq!(world.tree("src"), tree);
        }
    }
}

#[test]
fn a_name_that_names_somebody_stays() {
    let (before, after) = before_and_after(None);
    let world = World::new(ALICE);
    lay_out(&world, "src/alice@example.com", &before);
    let ran = world.scrub(&[]);
    ran.expect(3);
    let line = &ran.lines[2];
    assert_eq!((&line["uri"], &line["left"]["name"]), (&format!("file:src/{}", "%2A".repeat(17)).into(), &1.into()));
    assert_eq!(found(&world, "src/alice@example.com"), decoded(after));
    world.verify(&[]).expect(3);
}

#[test]
fn a_crash_is_settled() {
    for old in [false, true] {
        let (before, after) = before_and_after(Some("gz"));
        let world = World::new(ALICE);
        lay_out(&world, "src/dump", &before);
        world.scrub(&[]).expect(0);
        let text = String::from_utf8(world.get("m.jsonl")).unwrap();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        assert!(lines[1].contains("\"kind\":\"intent\""));
        world.put("m.jsonl", lines[..2].concat());
        // What a kill leaves beside it: the old folder, or some of it; or the new one that never got its name.
        let left = "src/.unwrite-0123456789abcdef0123456789abcdef.draft";
        let new: Files = world
            .tree("src/dump")
            .into_iter()
            .map(|(path, bytes)| (Path::new(&path).file_name().unwrap().to_str().unwrap().to_owned(), bytes))
            .collect();
        let mut rest = if old { new } else { before.clone() };
        if !old {
            rest.remove("toc.dat");
        }
        lay_out(&world, "x", &rest);
        if old {
            lay_out(&world, "src/dump", &before);
        }
        std::thread::sleep(std::time::Duration::from_millis(30));
        std::fs::rename(world.path("x"), world.path(left)).unwrap();
        let told = world.run(&["scan", "src", "--registry", REGISTRY, "--json"]);
        assert_eq!(told.status(".draft"), "skipped: left-over draft");
        let ran = world.scrub(&[]);
        ran.expect(0);
        let lines = manifest::check(&world.get("m.jsonl"));
        assert_eq!(lines[2]["status"], if old { "failed" } else { "rewritten" }, "{}", lines[2]);
        assert_eq!(ran.of("rewritten").len(), usize::from(old));
        assert_eq!((found(&world, "src/dump"), names(&world, "src")), (decoded(after), vec!["dump".to_owned()]));
        world.verify(&[]).expect(0);
    }
}

#[test]
fn this_runs_own_files_in_it() {
    let (before, _) = before_and_after(None);
    let world = World::new(ALICE);
    lay_out(&world, "src/dump", &before);
    world.put("src/dump/erased.jsonl", ALICE);
    let ran =
        world.run(&["scrub", "src", "--registry", "src/dump/erased.jsonl", "--in-place", "--manifest", "m.jsonl"]);
    ran.expect(3);
    assert_eq!(ran.status("erased.jsonl"), "skipped: own file");
    assert_eq!(ran.status("toc.dat"), "unsupported: pg_dump directory");
}
