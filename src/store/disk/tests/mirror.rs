//! Mirrors: where files go, and what is refused.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::super::{Dest, link};
use super::*;
use crate::error::Kind;

fn mirror(target: &Path, overwrite: bool) -> To<'_> {
    To::Mirror { target, overwrite }
}

#[test]
fn a_mirror_has_the_bytes_metadata_and_folders() {
    for disk in ways() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("src/a/b/f");
        fs::create_dir_all(from.parent().unwrap()).unwrap();
        fs::write(&from, b"abc").unwrap();
        fs::set_permissions(&from, PermissionsExt::from_mode(0o604)).unwrap();
        fs::set_permissions(dir.path().join("src/a"), PermissionsExt::from_mode(0o711)).unwrap();
        let root = dir.path().join("src");
        let Some(Listed::Object(object)) = list(&[&root]).pop() else { panic!() };
        let out = dir.path().join("out/");
        let dest = Dest::plan(out.as_os_str(), &sources(&[&root]), &[]).unwrap();
        let target = dest.target(&object).unwrap();
        assert_eq!(target, dir.path().join("out/a/b/f"));
        let opened = disk.open(&object, Purpose::Read).unwrap();
        let mut draft = opened.draft(mirror(&target, false), 3).unwrap();
        draft.apply(&patch(3, &[])).unwrap();
        assert!(!draft.commit().unwrap().already);
        let (a, b) = (fs::metadata(&from).unwrap(), fs::metadata(&target).unwrap());
        assert_eq!((a.mode(), a.uid(), a.modified().unwrap()), (b.mode(), b.uid(), b.modified().unwrap()));
        assert_eq!(fs::metadata(dir.path().join("out/a")).unwrap().mode() & 0o777, 0o711);
        assert_eq!(names(target.parent().unwrap()), ["f"]);
    }
}

#[test]
fn an_existing_target_is_refused_unless_it_has_these_bytes() {
    for disk in ways() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("f"), dir.path().join("t"));
        fs::write(&from, b"abc").unwrap();
        let run =
            |overwrite| scrub(&disk, &from, mirror(&to, overwrite), &[(0, 1, b"X")], || {}).map(|(_, c)| c.already);
        assert!(!run(false).unwrap());
        let inode = fs::metadata(&to).unwrap().ino();
        assert!(run(false).unwrap());
        assert_eq!(fs::metadata(&to).unwrap().ino(), inode, "not written again");
        for other in [b"XbX".as_slice(), b"longer"] {
            fs::write(&to, other).unwrap();
            assert!(run(false).unwrap_err().to_string().contains("--overwrite"));
            assert_eq!(fs::read(&to).unwrap(), other);
        }
        assert!(!run(true).unwrap());
        assert_eq!(fs::read(&to).unwrap(), b"Xbc");
        // Also what comes between check and commit.
        fs::remove_file(&to).unwrap();
        let late = scrub(&disk, &from, mirror(&to, false), &[], || {
            fs::write(&to, b"zzz").unwrap();
        });
        assert_eq!(late.unwrap_err().kind(), Kind::Io);
        assert_eq!(fs::read(&to).unwrap(), b"zzz");
        // A link is not written through.
        fs::remove_file(&to).unwrap();
        symlink("f", &to).unwrap();
        assert!(run(false).is_err());
        assert_eq!(fs::read(&from).unwrap(), b"abc");
        assert_eq!(names(dir.path()), ["f", "t"]);
    }
}

#[test]
fn a_source_that_changed_is_not_put_into_a_mirror() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("f"), dir.path().join("t"));
    fs::write(&from, b"abc").unwrap();
    let changed = scrub(Disk::default(), &from, mirror(&to, false), &[], || {
        fs::write(&from, b"abcd").unwrap();
    });
    assert_eq!(changed.unwrap_err().reason(), "changed");
    assert_eq!(names(dir.path()), ["f"]);
}

#[test]
fn hard_links_become_hard_links() {
    let dir = tempfile::tempdir().unwrap();
    let (source, first, target) = (dir.path().join("s"), dir.path().join("first"), dir.path().join("t"));
    fs::write(&source, b"abc").unwrap();
    fs::write(&first, b"ac").unwrap();
    let run = |overwrite| link(&first, &target, &source, Path::new("s"), overwrite);
    run(false).unwrap();
    run(false).unwrap();
    assert_eq!(fs::metadata(&first).unwrap().ino(), fs::metadata(&target).unwrap().ino());
    fs::remove_file(&target).unwrap();
    fs::write(&target, b"ac").unwrap();
    run(false).unwrap();
    fs::write(&target, b"other").unwrap();
    assert!(run(false).is_err());
    run(true).unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"ac");
    assert_eq!(names(dir.path()), ["first", "s", "t"]);
}

#[test]
fn dest_rules() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for folder in ["logs/sub", "other/logs", "out"] {
        fs::create_dir_all(at(folder)).unwrap();
    }
    fs::write(at("logs/a.log"), b"a").unwrap();
    fs::write(at("other/a.log"), b"a").unwrap();
    fs::write(at("plain"), b"p").unwrap();
    symlink(at("logs"), at("alias")).unwrap();
    let plan = |dest: &str, paths: &[&str]| {
        let paths: Vec<_> = paths.iter().map(|p| at(p)).collect();
        let paths: Vec<_> = paths.iter().map(std::path::PathBuf::as_path).collect();
        let sources = sources(&paths);
        let dest = Dest::plan(at(dest).as_os_str(), &sources, &[])?;
        let (filter, own) = (Filter::default(), Own::default());
        let listed = Listing::new(&sources, &filter, &own);
        let objects = listed.filter_map(|l| if let Listed::Object(o) = l { Some(o) } else { None });
        objects.map(|o| dest.target(&o)).collect::<Result<Vec<_>>>()
    };
    assert_eq!(plan("new.log", &["plain"]).unwrap(), [at("new.log")]);
    assert_eq!(plan("out", &["plain"]).unwrap(), [at("out/plain")]);
    assert_eq!(plan("fresh/", &["plain"]).unwrap(), [at("fresh/plain")]);
    assert_eq!(plan("out", &["logs"]).unwrap(), [at("out/a.log")]);
    assert_eq!(plan("new", &["logs"]).unwrap(), [at("new/a.log")]);
    assert_eq!(plan("out", &["logs", "plain"]).unwrap(), [at("out/logs/a.log"), at("out/plain")]);
    assert_eq!(plan("out", &["logs/*.log"]).unwrap(), [at("out/a.log")]);
    for (dest, paths) in [
        ("plain", &["logs"][..]),
        ("plain", &["plain"]),
        (".", &["plain"]),
        ("logs", &["logs"]),
        ("logs/sub/", &["logs"]),
        ("logs/new/deep", &["logs"]),
        ("alias/x", &["logs"]),
        ("logs", &["logs/*.log"]),
        ("out", &["logs", "other/logs"]),
        ("out", &["logs/a.log", "other/a.log"]),
        ("gone/../out", &["logs"]),
    ] {
        assert_eq!(plan(dest, paths).unwrap_err().kind(), Kind::Usage, "{dest} {paths:?}");
    }
    // DEST holds the SOURCEs: a target would be one of them.
    assert!(plan(".", &["logs", "plain"]).is_err());
    assert!(plan(".", &["logs", "other/logs/../a.log"]).is_err());
}
