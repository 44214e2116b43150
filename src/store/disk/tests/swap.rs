//! The commit in place.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::time::{Duration, SystemTime};

use rustix::fs::{IFlags, XattrFlags, getxattr, ioctl_setflags, setxattr};

use super::*;
use crate::error::Kind;
use crate::store::{FileId, Identity, Note};

#[test]
fn the_name_has_the_new_bytes_and_everything_else_is_as_it_was() {
    for disk in ways() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, b"keep erase keep").unwrap();
        setxattr(&path, "user.note", b"a\0b", XattrFlags::empty()).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o2741)).unwrap();
        let then = SystemTime::UNIX_EPOCH + Duration::new(1_600_000_000, 123_456_789);
        fs::File::open(&path).unwrap().set_modified(then).unwrap();
        let before = fs::metadata(&path).unwrap();
        let (applied, committed) = scrub(&disk, &path, To::InPlace, &[(5, 11, b"")], || {}).unwrap();
        let after = fs::metadata(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"keep keep");
        assert_eq!(applied.sha256, Some(sha256(b"keep keep")));
        assert_ne!(before.ino(), after.ino());
        assert_eq!((before.mode(), before.uid(), before.gid()), (after.mode(), after.uid(), after.gid()));
        assert_eq!(after.modified().unwrap(), then);
        assert_eq!(before.accessed().unwrap(), after.accessed().unwrap());
        let mut value = [0; 16];
        let len = getxattr(&path, "user.note", &mut value).unwrap();
        assert_eq!(&value[..len], b"a\0b");
        assert_eq!(committed.identity, Identity::File(FileId::of(&after)));
        assert_eq!(committed.notes.contains(&Note::NoExchange), !disk.means.exchange);
        assert_eq!(names(dir.path()), ["f"]);
    }
}

/// An ACL in the kernel's form (`linux/posix_acl_xattr.h`): version, then tag, permissions, id.
fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut out = 2u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        out.extend_from_slice(&tag.to_le_bytes());
        out.extend_from_slice(&permissions.to_le_bytes());
        out.extend_from_slice(&id.to_le_bytes());
    }
    out
}

const NONE: u32 = u32::MAX;

#[test]
fn acls_are_kept_and_a_folders_default_acl_is_not_inherited() {
    let dir = tempfile::tempdir().unwrap();
    let named = acl(&[(1, 6, NONE), (2, 4, 12345), (4, 0, NONE), (16, 4, NONE), (32, 0, NONE)]);
    let (plain, with) = (dir.path().join("plain"), dir.path().join("with"));
    fs::write(&plain, b"xx").unwrap();
    fs::write(&with, b"xx").unwrap();
    if setxattr(&with, "system.posix_acl_access", &named, XattrFlags::empty()).is_err() {
        return; // No ACLs on this file system.
    }
    let default = acl(&[(1, 7, NONE), (2, 7, 23456), (4, 5, NONE), (16, 7, NONE), (32, 5, NONE)]);
    setxattr(dir.path(), "system.posix_acl_default", &default, XattrFlags::empty()).unwrap();
    let read = |path: &Path| {
        let mut value = vec![0; 1024];
        let len = getxattr(path, "system.posix_acl_access", &mut value[..]).unwrap_or(0);
        value.truncate(len);
        (value, fs::metadata(path).unwrap().mode())
    };
    for disk in ways() {
        for path in [&plain, &with] {
            let before = read(path);
            scrub(&disk, path, To::InPlace, &[(0, 0, b"x")], || {}).unwrap();
            assert_eq!(read(path), before);
        }
    }
}

#[test]
fn the_owner_is_kept_where_that_is_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    fs::write(&path, b"xx").unwrap();
    if chown(&path, Some(12345), Some(23456)).is_err() {
        return; // Not root.
    }
    fs::set_permissions(&path, PermissionsExt::from_mode(0o6711)).unwrap();
    scrub(Disk::default(), &path, To::InPlace, &[(0, 1, b"")], || {}).unwrap();
    let meta = fs::metadata(&path).unwrap();
    assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (12345, 23456, 0o6711));
}

#[test]
fn odd_names_work() {
    let dir = tempfile::tempdir().unwrap();
    let long = [b"l".repeat(250), b"\n\xff.gz".to_vec()].concat();
    assert_eq!(long.len(), 255);
    for bytes in [b"new\nline".as_slice(), b"\xff\xfe", b"-rf *", &long] {
        for disk in ways() {
            let path = dir.path().join(name(bytes));
            fs::write(&path, b"abc").unwrap();
            scrub(&disk, &path, To::InPlace, &[(1, 2, b"")], || {}).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"ac");
        }
    }
    assert_eq!(names(dir.path()).len(), 4);
}

#[test]
fn hard_links_are_skipped_unless_they_may_be_broken() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    fs::write(&a, b"abc").unwrap();
    fs::hard_link(&a, &b).unwrap();
    let error = Disk::default().open(&object(&a), REPLACE).unwrap_err();
    assert_eq!((error.kind(), error.reason().as_str()), (Kind::Skipped, "hard links"));
    for disk in ways() {
        fs::remove_file(&a).unwrap();
        fs::hard_link(&b, &a).unwrap();
        let opened = disk.open(&object(&a), Purpose::Replace { break_hardlinks: true }).unwrap();
        let plan = patch(3, &[(0, 1, b"")]);
        let mut draft = opened.draft(To::InPlace, 2).unwrap();
        draft.apply(&plan).unwrap();
        draft.commit().unwrap();
        assert_eq!((fs::read(&a).unwrap(), fs::read(&b).unwrap()), (b"bc".to_vec(), b"abc".to_vec()));
    }
}

/// Everything that another can do to the file between find and commit: nothing of theirs is touched.
#[test]
fn whatever_changed_between_is_skipped() {
    type Change = (&'static str, fn(&Path), &'static str, &'static [u8]);
    let changes: [Change; 5] = [
        (
            "replaced",
            |p| {
                fs::write(p.with_extension("new"), b"other").unwrap();
                fs::rename(p.with_extension("new"), p).unwrap();
            },
            "changed",
            b"other",
        ),
        ("moved", |p| fs::rename(p, p.with_extension("1")).unwrap(), "vanished", b""),
        ("removed", |p| fs::remove_file(p).unwrap(), "vanished", b""),
        ("mode", |p| fs::set_permissions(p, PermissionsExt::from_mode(0o600)).unwrap(), "changed", b"abcdef"),
        ("linked", |p| fs::hard_link(p, p.with_extension("l")).unwrap(), "changed", b"abcdef"),
    ];
    for disk in ways() {
        for (what, change, reason, left) in &changes {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("f.log");
            fs::write(&path, b"abcdef").unwrap();
            let error = scrub(&disk, &path, To::InPlace, &[(0, 1, b"")], || change(&path)).unwrap_err();
            assert_eq!((error.kind(), error.reason().as_str()), (Kind::Skipped, *reason), "{what}");
            assert_eq!(fs::read(&path).unwrap_or_default(), *left, "{what}");
            assert!(names(dir.path()).iter().all(|n| !n.starts_with(".unwrite")), "{what}");
        }
    }
}

#[test]
fn two_runs_do_not_hold_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    fs::write(&path, b"abc").unwrap();
    let disk = Disk::default();
    let held = disk.open(&object(&path), REPLACE).unwrap();
    assert_eq!(disk.open(&object(&path), REPLACE).unwrap_err().kind(), Kind::Locked);
    assert_eq!(disk.open(&object(&path), Purpose::Read).unwrap_err().kind(), Kind::Locked);
    drop(held);
    let one = disk.open(&object(&path), Purpose::Read).unwrap();
    disk.open(&object(&path), Purpose::Read).unwrap();
    assert_eq!(disk.open(&object(&path), REPLACE).unwrap_err().kind(), Kind::Locked);
    drop(one);
}

#[test]
fn folders_and_files_that_may_not_be_changed_fail_and_stay() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    fs::write(&path, b"abc").unwrap();
    // Not by chattr(1): a fork holds the descriptors of all other tests for a moment, those for writing too.
    let fix = |path: &Path, flags| ioctl_setflags(fs::File::open(path).unwrap(), flags).is_ok();
    if !fix(&path, IFlags::IMMUTABLE) {
        return; // Not root, or no such flags here.
    }
    let file = Disk::default().open(&object(&path), REPLACE).map(|_| ());
    assert!(fix(&path, IFlags::empty()) && fix(dir.path(), IFlags::IMMUTABLE));
    let folder = scrub(Disk::default(), &path, To::InPlace, &[(0, 1, b"")], || {});
    assert!(fix(dir.path(), IFlags::empty()));
    assert_eq!(file.unwrap_err().kind(), Kind::Io);
    assert_eq!(folder.unwrap_err().kind(), Kind::Io);
    assert_eq!((fs::read(&path).unwrap(), names(dir.path())), (b"abc".to_vec(), vec!["f".to_owned()]));
}

#[test]
fn errors_and_debug_hold_no_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("alice@example.com.log");
    fs::write(&path, b"abc").unwrap();
    let object = object(&path);
    let opened = Disk::default().open(&object, REPLACE).unwrap();
    let source = &sources(&[&path])[0];
    let said = format!("{object:?} {opened:?} {source:?}");
    assert!(!said.contains("alice"), "{said}");
    fs::remove_file(&path).unwrap();
    let errors: BTreeMap<_, _> = [
        ("check", opened.check().unwrap_err()),
        ("open", Disk::default().open(&object, Purpose::Read).unwrap_err()),
        ("parse", Source::parse(path.as_os_str()).unwrap_err()),
    ]
    .into();
    assert!(!format!("{errors:?}").contains("alice"));
}
