//! What a killed run left.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use super::super::{Swept, sweep};
use super::*;

const DRAFT: &str = ".unwrite-0123456789abcdef0123456789abcdef.draft";
const PART: &str = ".unwrite-0123456789abcdef0123456789abcdef.part";

fn old_file(path: &Path) {
    fs::write(path, b"erased").unwrap();
    let then = SystemTime::now() - Duration::from_mins(1);
    fs::File::open(path).unwrap().set_modified(then).unwrap();
}

#[test]
fn left_overs_go_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("a/b");
    fs::create_dir_all(&deep).unwrap();
    old_file(&dir.path().join(DRAFT));
    old_file(&deep.join(DRAFT));
    fs::write(deep.join(PART), b"half").unwrap();
    fs::write(dir.path().join(".unwrite-notes.draft"), b"mine").unwrap();
    fs::create_dir(deep.join(DRAFT.replace("0123", "aaaa"))).unwrap();
    symlink("f", deep.join(DRAFT.replace("0123", "bbbb"))).unwrap();
    assert_eq!(sweep(dir.path(), false).removed, 1);
    assert_eq!(sweep(dir.path(), true), Swept { removed: 3, ..Swept::default() }, "an empty folder is a draft, too");
    assert_eq!(sweep(dir.path(), true), Swept::default());
    assert_eq!((names(dir.path()).len(), names(&deep).len()), (2, 1));
}

#[test]
fn live_drafts_stay() {
    for disk in ways() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, b"abc").unwrap();
        let opened = disk.open(&object(&path), REPLACE).unwrap();
        let mut draft = opened.draft(To::InPlace, 2).unwrap();
        draft.apply(&patch(3, &[(0, 1, b"")])).unwrap();
        let before = names(dir.path());
        assert_eq!(sweep(dir.path(), true), Swept::default());
        assert_eq!(names(dir.path()), before);
        draft.commit().unwrap();
        assert_eq!(names(dir.path()), ["f"]);
    }
}

#[test]
fn bytes_that_a_writer_added_after_the_kill_are_kept_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(DRAFT);
    old_file(&path);
    let mut writer = fs::OpenOptions::new().append(true).open(&path).unwrap();
    assert_eq!(sweep(dir.path(), true).written, std::slice::from_ref(&path), "still open for writing");
    writer.write_all(b"late line").unwrap();
    drop(writer);
    assert_eq!(sweep(dir.path(), true), Swept { written: vec![path.clone()], ..Swept::default() });
    assert!(path.exists());
}
