//! Archives of real tools: the walk agrees with them, and they accept what lift makes.

use std::fs;
use std::path::Path;

use super::rig::{self, ALICE, BOBBY, LONGER};

fn log(lines: usize, who: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    for n in 0..lines {
        all.extend_from_slice(format!("2026-11-01T10:00:{:02}Z GET /{n} ", n % 60).as_bytes());
        if n % 3 == 1 {
            all.extend_from_slice(who);
        }
        all.push(b'\n');
    }
    all
}

/// What the lines layer makes of it.
fn scrubbed(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        if memchr::memmem::find(line, ALICE).is_some() {
            continue;
        }
        match memchr::memmem::find(line, BOBBY) {
            Some(at) => {
                out.extend_from_slice(&[&line[..at], LONGER, &line[at + BOBBY.len()..]].concat());
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}

/// A tree of files; `long`: with names that no old header holds.
fn tree(dir: &Path, long: bool) {
    let deep = if long { format!("logs/{}/{}", "d".repeat(90), "e".repeat(150)) } else { "logs/deep".to_owned() };
    fs::create_dir_all(dir.join(&deep)).unwrap();
    fs::write(dir.join("logs/clean.log"), log(40, b"carol@example.org")).unwrap();
    fs::write(dir.join("logs/empty.log"), b"").unwrap();
    fs::write(dir.join("logs/shrinks.log"), log(100, ALICE)).unwrap();
    fs::write(dir.join("logs/grows.log"), log(100, BOBBY)).unwrap();
    fs::write(dir.join("logs/all goes.log"), [ALICE, b"\n"].concat()).unwrap();
    fs::write(dir.join("logs/block.log"), [&[b'x'; 511][..], b"\n"].concat()).unwrap();
    fs::write(dir.join("logs/caf\u{e9}.log"), log(5, ALICE)).unwrap();
    fs::write(dir.join(&deep).join("last.log"), log(7, BOBBY)).unwrap();
    std::os::unix::fs::symlink("clean.log", dir.join("logs/symbolic")).unwrap();
    fs::hard_link(dir.join("logs/shrinks.log"), dir.join("logs/shrinks-too.log")).unwrap();
}

/// Walk, lift, and what others make of the result.
fn judge(archive: &Vec<u8>, python_before: Option<Vec<(String, Vec<u8>)>>) {
    let (outcome, new) = rig::scrub(archive);
    let trimmed = |files: Vec<(String, Vec<u8>)>| -> Vec<(String, Vec<u8>)> {
        files.into_iter().map(|(name, bytes)| (name.trim_start_matches("./").to_owned(), bytes)).collect()
    };
    let seen = trimmed(outcome.seen);
    assert!(seen.len() >= 7, "{}", seen.len());
    assert_eq!(trimmed(rig::files_by_crate(archive)), seen, "the tar crate and the walk see the same");
    let want: Vec<(String, Vec<u8>)> = seen.iter().map(|(name, bytes)| (name.clone(), scrubbed(bytes))).collect();
    assert_eq!(trimmed(rig::files_by_crate(&new)), want, "the tar crate sees what was to be made");
    assert!(want.iter().any(|(_, bytes)| bytes.is_empty()) && memchr::memmem::find(&new, LONGER).is_some());
    if let Some(before) = python_before {
        assert_eq!(trimmed(before), seen, "Python and the walk see the same");
        assert_eq!(trimmed(rig::accepted(&new).unwrap()), want, "Python sees what was to be made");
    }
    untouched(archive, &new);
}

/// Entries that do not change are the same bytes, headers and padding included.
fn untouched(old: &[u8], new: &[u8]) {
    let entries = |archive: &[u8]| -> Vec<Vec<u8>> {
        let mut at = Vec::new();
        for entry in ::tar::Archive::new(archive).entries().unwrap().raw(true) {
            at.push(entry.unwrap().raw_header_position() as usize);
        }
        at.push(archive.len());
        at.windows(2).map(|pair| archive[pair[0]..pair[1]].to_vec()).collect()
    };
    let (old, new) = (entries(old), entries(new));
    assert_eq!(old.len(), new.len());
    let last = old.len() - 1;
    let mut same = 0;
    for (n, (old, new)) in old.iter().zip(&new).enumerate() {
        let changes = scrubbed(&old[512..]) != old[512..];
        assert!(changes || old == new, "entry {n}");
        same += usize::from(n != last && !changes);
    }
    assert!(same >= 3);
}

fn made(tool: &str, args: &[&str], long: bool) {
    let dir = tempfile::tempdir().unwrap();
    tree(dir.path(), long);
    let Some(_) = rig::run(dir.path(), tool, &[args, &["-cf", "a.tar", "logs"]].concat()) else {
        return;
    };
    let archive = fs::read(dir.path().join("a.tar")).unwrap();
    judge(&archive, rig::files_by_python(dir.path()));
}

#[test]
fn gnu_tar_gnu() {
    made("tar", &["--format=gnu", "--sort=name"], true);
}

#[test]
fn gnu_tar_pax() {
    made("tar", &["--format=pax", "--sort=name"], true);
    made("tar", &["--format=pax", "--pax-option=comment=hello there,exthdr.name=%d/PaxHeaders/%f"], true);
}

#[test]
fn gnu_tar_ustar_and_v7() {
    made("tar", &["--format=ustar"], false);
    made("tar", &["--format=v7"], false);
    made("tar", &["--format=oldgnu"], false);
}

#[test]
fn bsdtar() {
    made("bsdtar", &["--format=pax"], true);
    made("bsdtar", &["--format=gnutar"], true);
    made("bsdtar", &["--format=ustar"], false);
    made("bsdtar", &["--format=v7tar"], false);
}

#[test]
fn python() {
    for format in ["PAX_FORMAT", "GNU_FORMAT", "USTAR_FORMAT"] {
        let dir = tempfile::tempdir().unwrap();
        tree(dir.path(), format != "USTAR_FORMAT");
        let make =
            format!("import tarfile\nwith tarfile.open('a.tar','w',format=tarfile.{format}) as t: t.add('logs')");
        let Some(_) = rig::run(dir.path(), "python3", &["-c", &make]) else {
            return;
        };
        judge(&fs::read(dir.path().join("a.tar")).unwrap(), rig::files_by_python(dir.path()));
    }
}

#[test]
fn the_tar_crate() {
    let dir = tempfile::tempdir().unwrap();
    tree(dir.path(), true);
    let mut builder = ::tar::Builder::new(Vec::new());
    builder.append_dir_all("logs", dir.path().join("logs")).unwrap();
    judge(&builder.into_inner().unwrap(), None);
}

/// Sparse members are searched as the files that they stand for, and refused if they would change.
#[test]
fn sparse() {
    for args in [
        &["--format=gnu"][..],
        &["--format=pax", "--sparse-version=0.0"],
        &["--format=pax", "--sparse-version=0.1"],
        &["--format=pax", "--sparse-version=1.0"],
    ] {
        for (who, regions) in [(&b"carol"[..], 3u64), (b"carol", 24), (ALICE, 9)] {
            let dir = tempfile::tempdir().unwrap();
            let file = fs::File::create(dir.path().join("holes.log")).unwrap();
            file.set_len(regions * 24_576 + 12_345).unwrap();
            for n in 0..regions {
                std::os::unix::fs::FileExt::write_all_at(&file, &log(3, who), n * 24_576 + 8192).unwrap();
            }
            fs::write(dir.path().join("next.log"), log(5, b"")).unwrap();
            let all = [args, &["--sparse", "-cf", "a.tar", "holes.log", "next.log"]].concat();
            let Some(_) = rig::run(dir.path(), "tar", &all) else {
                return;
            };
            let archive = fs::read(dir.path().join("a.tar")).unwrap();
            assert!((archive.len() as u64) < regions * 6_000 + 20_000, "it has holes");
            if who == ALICE {
                let error = rig::find(&archive).err().unwrap();
                assert_eq!(error.reason(), "sparse tar member that must change");
                continue;
            }
            let (outcome, new) = rig::scrub(&archive);
            assert_eq!(new, archive);
            let want =
                ["holes.log", "next.log"].map(|name| (name.to_owned(), fs::read(dir.path().join(name)).unwrap()));
            assert!(outcome.seen == want, "{args:?} {regions}");
        }
    }
}

#[test]
fn sparse_by_bsdtar() {
    let dir = tempfile::tempdir().unwrap();
    let file = fs::File::create(dir.path().join("holes.log")).unwrap();
    file.set_len(1_000_001).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &log(3, b"carol"), 500_000).unwrap();
    let Some(_) = rig::run(dir.path(), "bsdtar", &["--format=pax", "-cf", "a.tar", "holes.log"]) else {
        return;
    };
    let (outcome, _) = rig::scrub(&fs::read(dir.path().join("a.tar")).unwrap());
    assert!(outcome.seen == [("holes.log".to_owned(), fs::read(dir.path().join("holes.log")).unwrap())]);
}

/// A tar in a tar: the inner one is made again in a spool.
#[test]
fn nested() {
    let inner = build(&[("one.log", &log(30, ALICE)), ("two.log", &log(30, b""))]);
    let outer = build(&[("first.log", &log(3, b"")), ("inner.tar", &inner), ("last.log", &log(9, BOBBY))]);
    let (_, new) = rig::scrub(&outer);
    let files = rig::files_by_crate(&new);
    assert_eq!(rig::files_by_crate(&files[1].1)[0].1, scrubbed(&log(30, ALICE)));
    assert_eq!(rig::files_by_crate(&files[1].1)[1].1, log(30, b""));
    assert_eq!(files[2].1, scrubbed(&log(9, BOBBY)));
    rig::accepted(&new);
}

/// Names are masked wherever they stand; those that become equal are told apart, links follow their targets.
#[test]
fn names() {
    for args in [
        &["tar", "--format=gnu"][..],
        &["tar", "--format=pax"],
        &["tar", "--format=ustar"],
        &["bsdtar", "--format=pax"],
    ] {
        let dir = tempfile::tempdir().unwrap();
        let name = |who: &[u8]| format!("logs/{}.log", String::from_utf8_lossy(who));
        let long = format!("logs/{}{}", "x".repeat(85), String::from_utf8_lossy(ALICE));
        fs::create_dir(dir.path().join("logs")).unwrap();
        fs::write(dir.path().join(name(ALICE)), log(9, ALICE)).unwrap();
        fs::write(dir.path().join(name(BOBBY)), log(9, BOBBY)).unwrap();
        fs::write(dir.path().join("logs/alice\u{e9}@example.com"), log(4, b"")).unwrap();
        fs::hard_link(dir.path().join(name(BOBBY)), dir.path().join("logs/link")).unwrap();
        std::os::unix::fs::symlink(name(ALICE), dir.path().join("logs/symbolic")).unwrap();
        let mut files = vec!["logs".to_owned(), name(ALICE), name(BOBBY), "logs/link".into(), "logs/symbolic".into()];
        if args[1] != "--format=ustar" {
            fs::write(dir.path().join(&long), log(4, b"")).unwrap();
            files.push(long);
        }
        let mut all = args[1..].to_vec();
        all.extend(["-n", "-cf", "a.tar"]);
        all.extend(files.iter().map(String::as_str));
        if args[0] == "tar" {
            all[args.len() - 1] = "--no-recursion";
        }
        let Some(_) = rig::run(dir.path(), args[0], &all) else {
            continue;
        };
        let archive = fs::read(dir.path().join("a.tar")).unwrap();
        let (outcome, new) = rig::scrub(&archive);
        assert_eq!(outcome.tally.names, files.len() as u64 - 1, "{args:?}");
        for who in [ALICE, BOBBY] {
            assert!(memchr::memmem::find(&new, who).is_none(), "{args:?}");
        }
        assert!(
            memchr::memmem::find(&new, b"alice@exampl").is_none(),
            "a name cut short in the header follows: {args:?}"
        );
        let names: Vec<String> = rig::accepted(&new).unwrap_or_default().into_iter().map(|(name, _)| name).collect();
        let want = ["logs/*****************.log", "logs/*****************.l~1"];
        assert_eq!(names[..2], want, "{args:?}");
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.tar"), &new).unwrap();
        rig::run(dir.path(), "tar", &["-xf", "a.tar"]);
        assert_eq!(
            fs::read(dir.path().join("logs/link")).unwrap(),
            scrubbed(&log(9, BOBBY)),
            "the link finds its target"
        );
    }
}

/// A plain ustar archive.
pub fn build(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = ::tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}
