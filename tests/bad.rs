//! Bad input: what is damaged, too large or hostile is said so, the original stays, and the run goes on.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use crate::support::{ALICE, Ran, World, make};

/// Scrubs `data` beside a good file; the good one is done, `data` is left as it is with this status.
fn refused(name: &str, data: &[u8], status: &str, more: &[&str]) -> String {
    let world = World::new(ALICE);
    let good = make::log(&["alice@example.com", "x"]);
    world.put("src/good.log", &good);
    world.put(format!("src/{name}"), data);
    let ran = world.scrub(more);
    ran.expect(3);
    assert_eq!(world.get(format!("src/{name}")), data, "{name}: the original is untouched");
    assert_eq!(world.get("src/good.log"), make::without(&good, "alice"));
    let said = ran.status(name);
    assert!(said.starts_with(status), "{name}: {said}");
    assert_eq!(world.tree("src").len(), 2, "nothing is left behind");
    said
}

fn text() -> Vec<u8> {
    let lines: Vec<String> = (0..3000).map(|i| format!("user_id={} alice{}@example.com", i * 37, i % 91)).collect();
    let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    lines[7] = "alice@example.com";
    make::log(&lines)
}

#[test]
fn damaged_codecs() {
    for (name, data, layer) in
        [("a.log.gz", make::multi_gz(&[&text(), &text()]), "gzip"), ("a.log.zst", make::zst(&text()), "zstd")]
    {
        for cut in [data.len() - 1, data.len() - 5, data.len() / 2 + 9, 11] {
            let said = refused(name, &data[..cut], "failed: ", &[]);
            assert!(said.contains(layer) && said.contains("byte"), "{name} cut at {cut}: {said}");
        }
        let mut wrong = data.clone();
        let at = wrong.len() - 3;
        wrong[at] ^= 0x40;
        refused(name, &wrong, "failed: ", &[]);
        let mut wrong = data.clone();
        wrong[data.len() / 3] ^= 0x10;
        refused(name, &wrong, "failed: ", &[]);
        let said = refused(name, &[data.as_slice(), b"trailing bytes"].concat(), "failed: ", &[]);
        assert!(said.contains(layer), "{said}");
    }
}

#[test]
fn padding_after_gzip_is_kept() {
    let data = [make::gz(&text()), vec![0; 700]].concat();
    let (new, _) = World::scrubbed(ALICE, "", "a.log.gz", &data, 0);
    assert!(new.ends_with(&[0; 700]) && !new.ends_with(&[0; 720]));
    let plain = &new[..new.len() - 700];
    assert_eq!(make::un_gz(plain), make::without(&text(), "alice@"));
}

#[test]
fn damaged_archives() {
    let tar = make::tar(&[("a.log", &text()), ("b.log.gz", &make::gz(&text()))]);
    let mut sum = tar.clone();
    sum[150] ^= 1;
    refused("a.tar", &sum, "failed: ", &[]);
    let second = 512 + text().len().next_multiple_of(512);
    let mut sum = tar.clone();
    sum[second + 130] ^= 1;
    let said = refused("a.tar", &sum, "failed: ", &[]);
    assert!(said.contains("tar") && said.contains(&format!("byte {second}")), "{said}");
    for cut in [tar.len() - 1024 - 1, second + 100, second + 600, 700] {
        refused("a.tar", &tar[..cut], "failed: ", &[]);
    }
    refused("a.tar", &[tar.as_slice(), b"trailing"].concat(), "failed: ", &[]);
    // A damaged member fails the whole, at any depth.
    let mut inner = make::gz(&text());
    let at = inner.len() - 6;
    inner[at] ^= 1;
    let outer = make::zst(&make::tar(&[("good.log", &text()), ("x/bad.log.gz", &inner)]));
    let said = refused("a.tar.zst", &outer, "failed: ", &[]);
    assert!(said.contains("gzip"), "{said}");
}

#[test]
fn bombs_and_nesting() {
    let bomb = make::gz(&vec![b'x'; 30 << 20]);
    let said = refused("a.gz", &bomb, "failed: limit", &["--max-decoded", "1M"]);
    assert!(said.contains("--max-decoded"), "{said}");
    // A high ratio alone is no reason.
    let world = World::new(ALICE);
    let line = make::log(&vec!["x"; 60_000]);
    world.put("src/a.log.gz", make::gz(&line));
    world.scrub(&[]).expect(0);
    // Two layers count together.
    let twice = make::gz(&make::gz(&vec![b'\n'; 3 << 20]));
    refused("a.gz.gz", &twice, "failed: limit", &["--max-decoded", "2M"]);

    let nest = |depth: usize| {
        let name = format!("a.log{}", ".gz".repeat(depth));
        (name, (0..depth).fold(make::log(&["alice@example.com", "x"]), |data, _| make::gz(&data)))
    };
    let (name, data) = nest(8);
    World::scrubbed(ALICE, "", &name, &data, 0);
    let (name, data) = nest(9);
    let said = refused(&name, &data, "failed: limit", &[]);
    assert!(said.contains('8'), "{said}");
}

#[test]
fn names_in_archives_are_never_paths() {
    let world = World::new(ALICE);
    let data = make::log(&["alice@example.com", "x"]);
    let outside = world.path("planted.log");
    let absolute = outside.to_str().unwrap().as_bytes();
    let tar = make::raw_tar(&[
        make::raw_entry(b"../planted.log", b'0', b"", &data),
        make::raw_entry(&absolute[..absolute.len().min(100)], b'0', b"", &data),
        make::raw_entry(b"link", b'2', b"/etc/passwd", b""),
        make::raw_entry(b"hard", b'1', b"../planted.log", b""),
        make::raw_entry(b"same.log", b'0', b"", &data),
        make::raw_entry(b"same.log", b'0', b"", &data),
        make::raw_entry(b"dir/", b'5', b"", b""),
    ]);
    world.put("src/a.tar", &tar);
    world.scrub(&[]).expect(0);
    assert!(!outside.exists());
    let members = make::untar(&world.get("src/a.tar"));
    assert_eq!(members.len(), 7);
    assert_eq!(members.iter().filter(|(_, data)| String::from_utf8_lossy(data).contains("alice")).count(), 0);
    assert_eq!(members[0].0, "../planted.log");
    assert_eq!(members.iter().filter(|(name, data)| name == "same.log" && !data.is_empty()).count(), 2);
}

#[test]
fn unknown_members_make_it_partial() {
    let world = World::new(ALICE);
    let log = make::log(&["alice@example.com", "x"]);
    let png = [b"\x89PNG\r\n\x1a\n".as_slice(), &[9; 400]].concat();
    let holds = [png.as_slice(), b"alice@example.com"].concat();
    world.put("src/a.tar", make::tar(&[("a.log", &log), ("p.png", &png)]));
    world.put("src/b.tar", make::tar(&[("a.log", &log), ("p.png", &holds)]));
    world.put("src/c.tar", make::tar(&[("a.log", &make::log(&["x", "y"])), ("p.png", &png)]));
    let ran = world.scrub(&[]);
    ran.expect(3);
    assert!(ran.status("a.tar").starts_with("partial"));
    assert_eq!(ran.status("b.tar"), "partial: holds matches");
    assert!(ran.status("c.tar").starts_with("partial"));
    assert_eq!(make::untar(&world.get("src/a.tar"))[0].1, make::without(&log, "alice"));
    assert_eq!(make::untar(&world.get("src/b.tar"))[1].1, holds, "kept byte for byte");
    world.put("policy.toml", "[[rule]]\naccept_unsupported = [\"*.png\"]\n");
    let ran = world.scrub(&["--policy", "policy.toml"]);
    ran.expect(3);
    assert_eq!((ran.status("a.tar"), ran.status("c.tar")), ("clean".to_owned(), "clean".to_owned()));
    assert_eq!(ran.status("b.tar"), "partial: holds matches", "a hit is never accepted");
    assert_eq!(ran.artifact("a.tar")["members"][0]["name"], "p.png", "listed all the same");
}

/// Sets or clears the immutable flag, which holds for root too; false if this file system has none.
fn immutable(path: &Path, on: bool) -> bool {
    let flag = if on { "+i" } else { "-i" };
    Command::new("chattr").arg(flag).arg(path).output().is_ok_and(|out| out.status.success())
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
fn folders_and_files_that_the_system_guards() {
    let world = World::new(ALICE);
    let log = make::log(&["alice@example.com", "x"]);
    let file = world.put("src/ro/a.log", &log);
    world.put("src/good.log", &log);
    let folder = world.path("src/ro");
    if is_root() {
        if !immutable(&folder, true) {
            return;
        }
    } else {
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o500)).unwrap();
    }
    let ran = world.scrub(&[]);
    if is_root() {
        assert!(immutable(&folder, false));
    } else {
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    }
    ran.expect(3);
    assert!(ran.status("ro/a.log").starts_with("failed: "), "{}", ran.status("ro/a.log"));
    assert_eq!((std::fs::read(&file).unwrap(), world.get("src/good.log")), (log.clone(), make::without(&log, "alice")));
    if !is_root() {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o000)).unwrap();
        let ran = world.scrub(&[]);
        ran.expect(3);
        assert!(ran.status("ro/a.log").contains("permission"), "{}", ran.status("ro/a.log"));
    }
}

fn skipped(world: &World, name: &str) -> (Ran, String) {
    let ran = world.scrub(&[]);
    let status = ran.status(name);
    (ran, status)
}

#[test]
fn files_that_are_left_alone() {
    let world = World::new(ALICE);
    let log = make::log(&["alice@example.com", "x"]);
    // Open for writing elsewhere.
    let path = world.put("src/open.log", &log);
    let writer = std::fs::File::options().append(true).open(&path).unwrap();
    let (ran, status) = skipped(&world, "open.log");
    ran.expect(3);
    assert_eq!(status, "skipped: open for writing");
    drop(writer);
    world.scrub(&[]).expect(0);
    // Hard links.
    world.put("src/one.log", &log);
    std::fs::hard_link(world.path("src/one.log"), world.path("src/two.log")).unwrap();
    let (ran, status) = skipped(&world, "one.log");
    ran.expect(3);
    assert_eq!((status.as_str(), ran.status("two.log").as_str()), ("skipped: hard links", "skipped: hard links"));
    world.scrub(&["--break-hardlinks"]).expect(0);
    assert_eq!(world.get("src/one.log"), make::without(&log, "alice"));
    assert_eq!(world.get("src/two.log"), make::without(&log, "alice"));
    // A scan reads both.
    let world = World::new(ALICE);
    world.put("src/one.log", &log);
    std::fs::hard_link(world.path("src/one.log"), world.path("src/two.log")).unwrap();
    assert_eq!(world.scan(&[]).expect(1).of("would_rewrite").len(), 2);
}

#[test]
fn own_files_links_and_special_files() {
    let world = World::new(ALICE);
    let log = make::log(&["alice@example.com", "x"]);
    world.put("src/a.log", &log);
    world.put("src/registry.jsonl", ALICE);
    world.put("src/policy.toml", "[[rule]]\naction = \"drop\"\nfiles = [\"alice@example.com\"]\n");
    world.put("outside.log", &log);
    std::os::unix::fs::symlink(world.path("outside.log"), world.path("src/link.log")).unwrap();
    let run = |fifo: bool| {
        let manifest = "src/m.jsonl";
        let arguments = [
            "scrub",
            "src",
            "--registry",
            "src/registry.jsonl",
            "--policy",
            "src/policy.toml",
            "--in-place",
            "--manifest",
            manifest,
        ];
        let out = world.command(&arguments).output().unwrap();
        assert_eq!(out.status.code(), Some(if fifo { 3 } else { 0 }), "{}", String::from_utf8_lossy(&out.stderr));
        let mut lines = crate::support::manifest::check(&world.get(manifest));
        let newest = lines.iter().rposition(|line| line["kind"] == "run").unwrap();
        Ran { code: 0, out: String::new(), err: String::new(), lines: lines.split_off(newest) }
    };
    let ran = run(false);
    for name in ["registry.jsonl", "policy.toml", "m.jsonl"] {
        assert_eq!(ran.status(name), "skipped: own file", "{name}");
    }
    assert_eq!(ran.status("link.log"), "skipped: symlink");
    assert_eq!(world.get("src/registry.jsonl"), ALICE.as_bytes());
    assert_eq!(world.get("outside.log"), log, "links are not followed");
    assert!(world.path("src/link.log").is_symlink());
    assert_eq!(world.get("src/a.log"), make::without(&log, "alice"));
    assert!(Command::new("mkfifo").arg(world.path("src/pipe.log")).status().unwrap().success());
    let ran = run(true);
    assert!(ran.status("pipe.log").starts_with("skipped: "), "{}", ran.status("pipe.log"));
}

#[test]
fn strange_names_work() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let world = World::new(ALICE);
    let log = make::log(&["alice@example.com", "x"]);
    let longest = [b"n".repeat(251), b".log".to_vec()].concat();
    let strange: [&[u8]; 5] =
        [b"new\nline.log", b"\xff\xfe.log", b"tab\t;$(x)'\".log", "caf\u{e9}.log".as_bytes(), &longest];
    for name in strange {
        world.put(OsStr::from_bytes(&[b"src/", name].concat()), &log);
    }
    let ran = world.scrub(&["-vv"]);
    ran.expect(0);
    assert_eq!(ran.of("rewritten").len(), 5);
    for name in strange {
        assert_eq!(world.get(OsStr::from_bytes(&[b"src/", name].concat())), make::without(&log, "alice"));
    }
    assert!(ran.of("rewritten").iter().any(|uri| uri.contains("new%0Aline")));
    assert!(ran.of("rewritten").iter().any(|uri| uri.contains("%FF%FE")));
    assert!(!ran.err.contains("new\nline") && !ran.out.contains("new\nline"));
    world.verify(&[]).expect(0);
}

#[test]
fn a_source_that_is_not_there_is_no_clean_run() {
    let world = World::new(ALICE);
    world.put("src/a.log", make::log(&["x", "y"]));
    for more in
        [&["gone"][..], &["src", "gone/*.log"], &["src", "--include", "*.nothing"], &["src", "--min-age", "900d"]]
    {
        world.run(&[&["scan", "--registry", "erased.jsonl"], more].concat()).expect(2);
    }
    world.run(&["scan", "src", "gone", "--registry", "erased.jsonl", "--allow-no-source", "--json"]).expect(0);
    world.run(&["scan", "src"]).expect(2);
    world.run(&["scrub", "src", "--registry", "erased.jsonl"]).expect(2);
    world.run(&["scrub", "src", "--registry", "erased.jsonl", "--in-place", "--output", "x/"]).expect(2);
}

/// Who sends a record of many megabytes that names somebody in every word costs time by its length, not by its square.
#[test]
fn a_record_with_hits_by_the_ten_thousand() {
    const IP: &str =
        r#"{"subject":"s","identifiers":[{"type":"ip","value":"192.0.2.1"},{"type":"email","value":"a@x.example"}]}"#;
    // The mask of the address frees the e-mail: each is judged twice.
    let line = format!("{{\"t\":\"{}\"}}\n", vec!["192.0.2.1a@x.example"; 20_000].join(" "));
    let entry = |body: &str| format!("__CURSOR=s=1\n__REALTIME_TIMESTAMP=1700000000000000\n{body}\n\n");
    let many: Vec<String> = (0..20_000).map(|n| format!("F{n}=192.0.2.1 x")).collect();
    let journal = entry(&many.join("\n")) + &entry("MESSAGE=x");
    for (name, data) in [("a.jsonl", line), ("a.export", journal)] {
        let start = std::time::Instant::now();
        let policy = "[[rule]]\naction = \"mask\"\n";
        let (new, _) = World::scrubbed(IP, policy, name, data.as_bytes(), 0);
        assert!(start.elapsed() < std::time::Duration::from_mins(1), "{name}: {:?}", start.elapsed());
        let new = String::from_utf8(new).unwrap();
        assert!(new.len() == data.len() && !new.contains("192.0") && !new.contains("a@x"), "{name}");
    }
}
