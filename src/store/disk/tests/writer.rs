//! Writers beside a commit: they are seen, let in, and lose nothing.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};

use super::*;
use crate::blob::Blob;

fn append(path: &Path) -> File {
    OpenOptions::new().append(true).open(path).unwrap()
}

#[test]
fn a_file_that_is_open_for_writing_is_skipped() {
    for disk in ways() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, b"abc").unwrap();
        let writer = append(&path);
        assert_eq!(disk.open(&object(&path), REPLACE).unwrap_err().reason(), "open for writing");
        disk.open(&object(&path), Purpose::Read).unwrap();
        drop(writer);
        disk.open(&object(&path), REPLACE).unwrap();
    }
}

#[test]
fn a_writer_does_not_wait_for_a_scrub_to_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    fs::write(&path, b"abc").unwrap();
    let opened = Disk::default().open(&object(&path), REPLACE).unwrap();
    let begun = Instant::now();
    let at = path.clone();
    let writer = std::thread::spawn(move || append(&at).write_all(b"def").unwrap());
    while opened.read_at(0, &mut [0]).is_ok() {
        std::thread::sleep(Duration::from_millis(1));
    }
    writer.join().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20), "the lease was let go, not broken by the kernel");
    assert_eq!(opened.check().unwrap_err().reason(), "open for writing");
    assert_eq!(fs::read(&path).unwrap(), b"abcdef");
}

/// A writer that waits for the old file when the names have been exchanged already: its bytes end up under the name.
#[test]
fn a_writer_that_waits_during_the_commit_writes_to_the_file_under_the_name() {
    for disk in ways().into_iter().filter(|disk| disk.means.lease) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, b"abc").unwrap();
        let opened = disk.open(&object(&path), REPLACE).unwrap();
        let plan = patch(3, &[(0, 1, b"")]);
        let mut draft = opened.draft(To::InPlace, 2).unwrap();
        draft.apply(&plan).unwrap();
        let at = path.clone();
        let writer = std::thread::spawn(move || append(&at).write_all(b"def").unwrap());
        while !opened.has_writer() {
            std::thread::yield_now();
        }
        assert_eq!(draft.commit().unwrap_err().reason(), "open for writing");
        drop(opened);
        writer.join().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"abcdef");
        assert_eq!(names(dir.path()), ["f"]);
    }
}

/// Hundreds of commits while a writer opens, appends a line and closes, with and without `O_CREAT` (which takes the folder's
/// lock, as the exchange does): every line is there, in order, and commits do go through.
#[test]
fn no_line_is_lost_beside_commits() {
    for create in [false, true] {
        for disk in ways().into_iter().filter(|disk| disk.means.lease) {
            race(&disk, create);
        }
    }
}

fn race(disk: &Disk, create: bool) {
    const COMMITS: usize = 25;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    fs::write(&path, b"header 0000\n").unwrap();
    let (stop, start) = (Arc::new(AtomicBool::new(false)), Arc::new(Barrier::new(2)));
    let writer = {
        let (path, stop, start) = (path.clone(), Arc::clone(&stop), Arc::clone(&start));
        std::thread::spawn(move || {
            start.wait();
            let mut lines = 0usize;
            while !stop.load(Ordering::Relaxed) {
                let mut file = OpenOptions::new().append(true).create(create).open(&path).unwrap();
                writeln!(file, "line {lines}").unwrap();
                lines += 1;
                drop(file);
                // Of different length, so that the opens fall on every step of a commit.
                std::thread::sleep(Duration::from_micros(lines as u64 * 131 % 12_000));
            }
            lines
        })
    };
    start.wait();
    let (mut done, mut round, deadline) = (0, 0, Instant::now() + Duration::from_secs(20));
    while done < COMMITS && Instant::now() < deadline {
        round += 1;
        let header = format!("header {:04}\n", round % 10_000);
        match scrub(disk, &path, To::InPlace, &[(0, 12, header.as_bytes())], || {}) {
            Ok(_) => done += 1,
            Err(error) => {
                let reason = error.reason();
                assert!(["open for writing", "changed"].contains(&reason.as_str()), "{reason}");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    let lines = writer.join().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let wanted: Vec<String> = (0..lines).map(|n| format!("line {n}")).collect();
    assert_eq!(text.lines().skip(1).collect::<Vec<_>>(), wanted);
    assert!(done > 0 && lines > 0, "{done} commits, {round} rounds, {lines} lines");
    eprintln!("{done} commits, {round} rounds, {lines} lines");
    assert_eq!(names(dir.path()), ["f"]);
}

/// Starts a commit of `abc` → `bc` and, at the instant when the name has the new file, opens the old inode for appending (as a
/// writer does that had found it before) and, with `both`, the new one too. Returns what the commit said.
fn slow_writer(disk: &Disk, dir: &Path, both: bool) -> Result<Committed> {
    let path = dir.join("f");
    fs::write(&path, b"abc").unwrap();
    let old = rustix::fs::open(&path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let number = fs::metadata(&path).unwrap().ino();
    let over = AtomicBool::new(false);
    let is_swapped = || loop {
        if fs::metadata(&path).unwrap().ino() != number {
            return true;
        }
        if over.load(Ordering::Relaxed) {
            return false;
        }
    };
    let slow = || {
        if is_swapped() {
            let held = format!("/proc/self/fd/{}", old.as_raw_fd());
            append(Path::new(&held)).write_all(b"OLD").unwrap();
        }
    };
    let quick = || {
        if both && is_swapped() {
            append(&path).write_all(b"NEW").unwrap();
        }
    };
    std::thread::scope(|scope| {
        let opened = disk.open(&object(&path), REPLACE).unwrap();
        let mut draft = opened.draft(To::InPlace, 2).unwrap();
        draft.apply(&patch(3, &[(0, 1, b"")])).unwrap();
        scope.spawn(slow);
        scope.spawn(quick);
        let done = draft.commit();
        over.store(true, Ordering::Relaxed);
        done
    })
}

/// A writer that found the old inode before the exchange and asks for it after: the exchange is taken back.
#[test]
fn a_slow_writer_takes_the_commit_back() {
    let seen = (0..40).any(|_| {
        let dir = tempfile::tempdir().unwrap();
        let done = slow_writer(&Disk::default(), dir.path(), false);
        if done.is_err() {
            assert_eq!(fs::read(dir.path().join("f")).unwrap(), b"abcOLD");
            assert_eq!(names(dir.path()), ["f"]);
        }
        done.is_err_and(|error| error.reason() == "open for writing")
    });
    assert!(seen);
}

/// Writers of both versions at one time: both are kept, the commit fails, and no sweep removes what was written.
#[test]
fn writers_of_both_versions_lose_nothing() {
    let seen = (0..200).any(|_| {
        let dir = tempfile::tempdir().unwrap();
        let Err(error) = slow_writer(&Disk::default(), dir.path(), true) else {
            return false;
        };
        if !error.to_string().contains("both versions") {
            return false;
        }
        let mut files: Vec<_> = names(dir.path()).iter().map(|n| fs::read(dir.path().join(n)).unwrap()).collect();
        files.sort();
        assert!(files.contains(&b"abcOLD".to_vec()) && files.contains(&b"bcNEW".to_vec()), "{files:?}");
        assert_eq!(super::super::sweep(dir.path(), true).removed, 0);
        true
    });
    assert!(seen);
}
