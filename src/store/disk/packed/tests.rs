//! Folders as one artifact, on real files: the tar that they are shown as, the draft, and each commit rule.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use rustix::fs::{XattrFlags, getxattr, setxattr};

use super::super::{Filter, Listing, Own, Source, Swept, sweep};
use super::*;
use crate::blob::TempSpace;
use crate::edit::{EditList, Patch};
use crate::span::Span;
use crate::store::{Committed, Listed, digest};

const REPLACE: Purpose = Purpose::Replace { break_hardlinks: false };
const TOC: &[u8] = b"PGDMP\x01\x0e\x00\x04\x08\x03 and so on";
const DRAFT: &str = ".unwrite-0123456789abcdef0123456789abcdef.draft";

/// What happens to a folder.
type Step<'s> = &'s dyn Fn(&Path);
type Files = BTreeMap<String, Vec<u8>>;

/// What most tests begin with.
fn files() -> Files {
    let long: Vec<u8> = (0..150_000u32).flat_map(|n| (n % 251).to_le_bytes()).collect();
    let all: [(&str, &[u8]); 6] = [
        ("toc.dat", TOC),
        ("3369.dat", b"1\n2\n3\n"),
        ("3370.dat.gz", &long),
        ("4.dat", b""),
        ("5.dat", &[b'x'; 512]),
        ("a.log", b"y"),
    ];
    all.into_iter().map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).collect()
}

/// A folder `dump` of these files, in a folder of its own.
fn laid_out(files: &Files) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("dump");
    lay_out(&path, files);
    (dir, path)
}

fn lay_out(path: &Path, files: &Files) {
    fs::create_dir(path).unwrap();
    let then = SystemTime::UNIX_EPOCH + Duration::new(1_600_000_000, 123_456_789);
    for (name, bytes) in files {
        fs::write(path.join(name), bytes).unwrap();
        fs::File::open(path.join(name)).unwrap().set_modified(then).unwrap();
    }
    fs::File::open(path).unwrap().set_modified(then).unwrap();
}

fn found(path: &Path) -> Files {
    let one = |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
    fs::read_dir(path).unwrap().map(|entry| one(entry.unwrap())).collect()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn list(paths: &[&Path], filter: &Filter, own: &Own) -> Vec<Listed> {
    let sources: Vec<Source> = paths.iter().map(|path| Source::parse(path.as_os_str()).unwrap()).collect();
    Listing::new(&sources, filter, own).collect()
}

fn object(path: &Path) -> Object {
    match list(&[path], &Filter::default(), &Own::default()).pop() {
        Some(Listed::Object(object)) => object,
        other => panic!("{other:?}"),
    }
}

/// The tar of these files, in the order in which a folder is shown.
fn tar_of(files: &Files) -> Vec<u8> {
    let mut out = Vec::new();
    let first = files.iter().filter(|(name, _)| *name == "toc.dat");
    for (name, bytes) in first.chain(files.iter().filter(|(name, _)| *name != "toc.dat")) {
        out.extend(tar::header(name.as_bytes(), bytes.len() as u64));
        out.extend(bytes);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

fn bytes_of(blob: &dyn Blob, step: usize) -> Vec<u8> {
    let (mut out, mut buf) = (Vec::new(), vec![0; step]);
    while (out.len() as u64) < blob.len() {
        let n = blob.read_at(out.len() as u64, &mut buf).unwrap();
        assert!(n > 0);
        out.extend(&buf[..n]);
    }
    assert_eq!(blob.read_at(out.len() as u64, &mut buf).unwrap(), 0);
    out
}

/// A patch from one tar to the other that keeps the blocks that both have, and of others the first half.
fn patch(old: &[u8], new: &[u8]) -> Patch {
    let mut list = EditList::new(&TempSpace::new(std::env::temp_dir(), 1 << 30));
    let same = old.iter().zip(new).take_while(|(one, two)| one == two).count();
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(one, two)| one == two).count();
    let tail = tail.min(old.len() - same).min(new.len() - same);
    list.push(Span::new(same as u64, (old.len() - tail) as u64), &new[same..new.len() - tail]).unwrap();
    Patch { base_len: old.len() as u64, edits: list }
}

/// Opens, drafts what `new` is, calls `between`, commits.
fn scrub(disk: &Disk, path: &Path, to: To<'_>, new: &Files, between: impl FnOnce()) -> Result<Committed> {
    let purpose = if to == To::InPlace { REPLACE } else { Purpose::Read };
    let opened = disk.open_packed(&object(path), purpose)?.unwrap();
    let plan = patch(&bytes_of(&opened, 65_536), &tar_of(new));
    let mut draft = opened.draft(to, plan.len())?;
    let applied = draft.apply(&plan)?;
    assert_eq!(applied.sha256, Some(digest(&tar_of(new)).unwrap()));
    assert_eq!(bytes_of(draft.blob(), 4096), tar_of(new));
    between();
    draft.commit()
}

/// `files` with one table that is shorter and one that is longer.
fn changed_files() -> Files {
    let mut new = files();
    new.insert("3369.dat".to_owned(), b"1\n3\n".to_vec());
    new.get_mut("5.dat").unwrap().extend(b"more");
    new
}

fn ways() -> Vec<Disk> {
    let all = Means::default();
    [all, Means { copy_range: false, ..all }, Means { lease: false, ..all }]
        .map(|means| Disk { means, ..Disk::default() })
        .to_vec()
}

#[test]
fn it_is_shown_as_gnu_tar_shows_it() {
    let mut files = files();
    files.insert("x".repeat(99), b"long".to_vec());
    files.insert("blob_16401.dat".to_owned(), b"z".repeat(1024));
    let (_dir, path) = laid_out(&files);
    fs::set_permissions(path.join("a.log"), PermissionsExt::from_mode(0o4711)).unwrap();
    let opened = Disk::default().open_packed(&object(&path), Purpose::Read).unwrap().unwrap();
    let want = tar_of(&files);
    for step in [511, 512, 513, 70_000, 4 << 20] {
        assert!(bytes_of(&opened, step) == want, "{step}");
    }
    // As docs/dumps.md has it.
    let command = "{ echo toc.dat; LC_ALL=C ls -A | grep -vx toc.dat; } | tar -b 1 --format=gnu --owner=0 --group=0 \
                   --numeric-owner --mode=0600 --mtime=@0 --hard-dereference -cf - -T -";
    let made = Command::new("sh").args(["-c", command]).current_dir(&path).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert!(made.stdout == want);
    let whole = Whole::open(&path, None).unwrap();
    assert!(bytes_of(&whole, 1000) == want);
    assert_eq!(whole.modified().unwrap().as_second(), 1_600_000_000);
}

#[test]
fn the_name_has_the_new_files_and_everything_else_is_as_it_was() {
    for disk in ways() {
        let (dir, path) = laid_out(&files());
        setxattr(path.join("4.dat"), "user.note", b"a\0b", XattrFlags::empty()).unwrap();
        setxattr(&path, "user.note", b"c", XattrFlags::empty()).unwrap();
        fs::set_permissions(path.join("3369.dat"), PermissionsExt::from_mode(0o2741)).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o2751)).unwrap();
        let told = |name: &str| {
            let meta = fs::metadata(path.join(name)).unwrap();
            (meta.mode(), meta.uid(), meta.gid(), meta.mtime(), meta.mtime_nsec())
        };
        let all = ["", "toc.dat", "3369.dat", "3370.dat.gz", "4.dat", "5.dat"];
        let before = all.map(told);
        let ino = fs::metadata(&path).unwrap().ino();
        let committed = scrub(&disk, &path, To::InPlace, &changed_files(), || {}).unwrap();
        assert_eq!(found(&path), changed_files());
        assert_eq!(all.map(told), before);
        assert_ne!(fs::metadata(&path).unwrap().ino(), ino);
        let mut value = [0; 8];
        assert_eq!(getxattr(path.join("4.dat"), "user.note", &mut value).unwrap(), 3);
        assert_eq!(getxattr(&path, "user.note", &mut value).unwrap(), 1);
        assert_eq!(Some(committed.identity), disk.look(&object(&path)));
        assert_eq!(names(dir.path()), ["dump"]);
    }
}

#[test]
fn without_an_exchange_it_is_refused() {
    let disk = Disk { means: Means { exchange: false, ..Means::default() }, ..Disk::default() };
    let (dir, path) = laid_out(&files());
    let error = scrub(&disk, &path, To::InPlace, &changed_files(), || {}).unwrap_err();
    assert_eq!(error.reason(), "pg_dump directory: two names cannot be exchanged here");
    assert_eq!((found(&path), names(dir.path())), (files(), vec!["dump".to_owned()]));
    let to = dir.path().join("new");
    scrub(&disk, &path, To::Mirror { target: &to, overwrite: false }, &changed_files(), || {}).unwrap();
    assert_eq!(found(&to), changed_files());
}

#[test]
fn an_identity_changes_with_every_file_and_name() {
    let (_dir, path) = laid_out(&files());
    let disk = Disk::default();
    let look = || disk.look(&object(&path)).unwrap();
    let steps: [&dyn Fn(); 5] = [
        &|| fs::File::open(path.join("4.dat")).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap(),
        &|| fs::rename(path.join("4.dat"), path.join("6.dat")).unwrap(),
        &|| fs::write(path.join("7.dat"), b"").unwrap(),
        &|| fs::remove_file(path.join("7.dat")).unwrap(),
        &|| fs::write(path.join("3369.dat"), b"3\n2\n1\n").unwrap(),
    ];
    for step in steps {
        let before = look();
        std::thread::sleep(Duration::from_millis(20));
        step();
        assert_ne!(look(), before);
    }
    assert_eq!(look(), look());
}

#[test]
fn what_changed_since_it_was_opened_is_not_replaced() {
    let append = |path: PathBuf| fs::OpenOptions::new().append(true).open(path).unwrap();
    let steps: [(&str, Step<'_>); 8] = [
        ("changed", &|path| append(path.join("3369.dat")).write_all(b"4\n").unwrap()),
        ("changed", &|path| fs::write(path.join("9.dat"), b"").unwrap()),
        ("changed", &|path| fs::remove_file(path.join("4.dat")).unwrap()),
        ("changed", &|path| fs::rename(path.join("a.log"), path.join("4.dat")).unwrap()),
        ("changed", &|path| fs::set_permissions(path, PermissionsExt::from_mode(0o700)).unwrap()),
        ("changed", &|path| fs::create_dir(path.join("sub")).unwrap()),
        ("vanished", &|path| fs::rename(path, path.with_extension("x")).unwrap()),
        ("open for writing", &|path| std::mem::forget(append(path.join("4.dat")))),
    ];
    for disk in ways() {
        for (reason, step) in &steps {
            let (dir, path) = laid_out(&files());
            // Times tell changes by the tick.
            std::thread::sleep(Duration::from_millis(20));
            let error = scrub(&disk, &path, To::InPlace, &changed_files(), || step(&path)).unwrap_err();
            assert_eq!((error.kind(), error.reason().as_str()), (Kind::Skipped, *reason));
            assert!(names(dir.path()).iter().all(|name| name.starts_with("dump")), "no draft is left");
            if *reason != "vanished" {
                assert_eq!(fs::read(path.join("5.dat")).unwrap(), files()["5.dat"]);
            }
        }
    }
}

#[test]
fn writers_links_and_fixed_folders_are_seen_at_the_opening() {
    for disk in ways() {
        let (dir, path) = laid_out(&files());
        let writer = fs::OpenOptions::new().append(true).open(path.join("5.dat")).unwrap();
        let open = |purpose| disk.open_packed(&object(&path), purpose);
        assert_eq!(open(REPLACE).unwrap_err().reason(), "open for writing");
        open(Purpose::Read).unwrap();
        drop(writer);
        let held = open(REPLACE).unwrap();
        let noted = held.as_ref().unwrap().notes();
        assert_eq!(noted.iter().any(|note| matches!(note, Note::NoLease | Note::WritersUnknown)), !disk.means.lease);
        assert_eq!(open(REPLACE).unwrap_err().kind(), Kind::Locked);
        let target = crate::store::s3::Place { bucket: "b".to_owned(), key: "k".to_owned() };
        let to = To::Object { target: &target, overwrite: true };
        let error = held.as_ref().unwrap().draft(to, 1024).err().unwrap();
        assert_eq!((error.kind(), error.reason().as_str()), (Kind::Unsupported, "pg_dump directory in a bucket"));
        drop(held);
        fs::hard_link(path.join("5.dat"), dir.path().join("other")).unwrap();
        assert_eq!(open(REPLACE).unwrap_err().reason(), "hard links");
        open(Purpose::Replace { break_hardlinks: true }).unwrap().unwrap();
    }
}

#[test]
fn hard_links_may_be_broken() {
    let (dir, path) = laid_out(&files());
    let other = dir.path().join("other");
    fs::hard_link(path.join("3369.dat"), &other).unwrap();
    let disk = Disk::default();
    let opened = disk.open_packed(&object(&path), Purpose::Replace { break_hardlinks: true }).unwrap().unwrap();
    let plan = patch(&bytes_of(&opened, 65_536), &tar_of(&changed_files()));
    let mut draft = opened.draft(To::InPlace, plan.len()).unwrap();
    draft.apply(&plan).unwrap();
    draft.commit().unwrap();
    assert_eq!((found(&path), fs::read(other).unwrap()), (changed_files(), files()["3369.dat"].clone()));
}

#[test]
fn a_patch_that_renames_or_breaks_the_tar_is_refused() {
    let (dir, path) = laid_out(&files());
    let opened = Disk::default().open_packed(&object(&path), REPLACE).unwrap().unwrap();
    let old = tar_of(&files());
    let rename = |from: &str, to: &str| {
        let mut new = files();
        let bytes = new.remove(from).unwrap();
        new.insert(to.to_owned(), bytes);
        tar_of(&new)
    };
    let mut odd = old.clone();
    odd[512 + TOC.len()] = 1;
    for (new, reason) in [
        (rename("5.dat", "6.dat"), "unsupported: pg_dump directory: the name of a file would change"),
        (rename("a.log", "z.log"), "unsupported: pg_dump directory: the name of a file would change"),
        (
            {
                let mut new = files();
                new.remove("a.log");
                tar_of(&new)
            },
            "verify: the tar of the new folder lacks files",
        ),
        (odd, "verify: padding that is not zero"),
        (vec![b'x'; 2048], "verify: a header of the new folder's tar"),
        (old[..old.len() - 1024].to_vec(), "verify: the tar of the new folder lacks files"),
    ] {
        let plan = patch(&old, &new);
        let mut draft = opened.draft(To::InPlace, plan.len()).unwrap();
        let error = draft.apply(&plan).unwrap_err();
        assert!(reason.ends_with(&error.reason()) || error.reason() == reason, "{reason}: {}", error.reason());
        drop(draft);
        assert_eq!((names(dir.path()), found(&path)), (vec!["dump".to_owned()], files()));
    }
}

/// Writers that found an old file before the exchange and open it after: the exchange is taken back, or nothing is removed.
#[test]
fn slow_writers_lose_nothing() {
    let (mut taken_back, mut both_kept) = (false, false);
    for round in 0..120 {
        let both = round % 2 == 1;
        let (dir, path) = laid_out(&files());
        let old = fs::File::open(path.join("3369.dat")).unwrap();
        let number = fs::metadata(&path).unwrap().ino();
        let over = AtomicBool::new(false);
        let swapped = || loop {
            if fs::metadata(&path).unwrap().ino() != number {
                return true;
            }
            if over.load(Ordering::Relaxed) {
                return false;
            }
        };
        let write = |to: PathBuf, bytes: &[u8]| {
            fs::OpenOptions::new().append(true).open(to).is_ok_and(|mut file| file.write_all(bytes).is_ok())
        };
        let (slow, quick) = (AtomicBool::new(false), AtomicBool::new(false));
        let done = std::thread::scope(|scope| {
            let opened = Disk::default().open_packed(&object(&path), REPLACE).unwrap().unwrap();
            let plan = patch(&tar_of(&files()), &tar_of(&changed_files()));
            let mut draft = opened.draft(To::InPlace, plan.len()).unwrap();
            draft.apply(&plan).unwrap();
            scope.spawn(|| {
                if swapped() {
                    slow.store(write(format!("/proc/self/fd/{}", old.as_raw_fd()).into(), b"OLD"), Ordering::Relaxed);
                }
            });
            scope.spawn(|| {
                if both && swapped() {
                    quick.store(write(path.join("5.dat"), b"NEW"), Ordering::Relaxed);
                }
            });
            let done = draft.commit();
            over.store(true, Ordering::Relaxed);
            done
        });
        let texts: Vec<Vec<u8>> =
            names(dir.path()).iter().flat_map(|name| found(&dir.path().join(name)).into_values()).collect();
        let has = |end: &[u8]| texts.iter().any(|text| text.ends_with(end));
        assert!(
            has(b"OLD") || !slow.load(Ordering::Relaxed) || done.is_ok(),
            "what was written to an old file is lost"
        );
        assert!(has(b"NEW") || !quick.load(Ordering::Relaxed), "what was written to a new file is lost");
        match done {
            Ok(_) => assert!(!has(b"OLD")),
            Err(error) if error.to_string().contains("both versions") => {
                both_kept = true;
                assert_eq!((names(dir.path()).len(), sweep(dir.path(), true).removed), (2, 0));
                let written = [(&slow, "OLD"), (&quick, "NEW")];
                for (_, end) in written.iter().filter(|(wrote, _)| wrote.load(Ordering::Relaxed)) {
                    let is_there = |name: &String| {
                        found(&dir.path().join(name)).into_values().any(|text| text.ends_with(end.as_bytes()))
                    };
                    assert!(names(dir.path()).iter().any(is_there), "{end} is lost");
                }
            }
            Err(_) => {
                taken_back = true;
                assert_eq!(names(dir.path()), ["dump"]);
            }
        }
        if taken_back && both_kept {
            return;
        }
    }
    assert!(taken_back, "no writer was slow enough: the test proves nothing");
}

#[test]
fn mirrors() {
    let (dir, path) = laid_out(&files());
    let disk = Disk::default();
    let at = |name: &str| dir.path().join(name);
    let put = |name: &str, overwrite, new: &Files| {
        scrub(&disk, &path, To::Mirror { target: &at(name), overwrite }, new, || {})
    };
    assert!(!put("new", false, &changed_files()).unwrap().already);
    assert_eq!((found(&at("new")), found(&path)), (changed_files(), files()));
    assert!(put("new", false, &changed_files()).unwrap().already);
    assert!(put("new", false, &files()).unwrap_err().reason().contains("the target exists with other bytes"));
    put("new", true, &files()).unwrap();
    assert_eq!(found(&at("new")), files());
    // An empty folder is as good as none, below folders that lack.
    fs::create_dir(at("empty")).unwrap();
    put("empty", false, &files()).unwrap();
    put("a/b/c", false, &files()).unwrap();
    assert_eq!((found(&at("empty")), found(&at("a/b/c"))), (files(), files()));
    // What is no such folder is never removed.
    fs::write(at("file"), b"mine").unwrap();
    fs::create_dir(at("folder")).unwrap();
    fs::write(at("folder/mine"), b"mine").unwrap();
    symlink("folder", at("link")).unwrap();
    for name in ["file", "folder", "link"] {
        for overwrite in [false, true] {
            assert_eq!(put(name, overwrite, &files()).unwrap_err().kind(), Kind::Io, "{name}");
        }
    }
    assert_eq!((fs::read(at("file")).unwrap(), found(&at("folder")).len()), (b"mine".to_vec(), 1));
    assert_eq!(names(dir.path()), ["a", "dump", "empty", "file", "folder", "link", "new"]);
}

#[test]
fn left_over_folders_go_and_what_was_written_to_them_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (draft, part) = (dir.path().join(DRAFT), dir.path().join(DRAFT.replace(".draft", ".part")));
    let again = || {
        lay_out(&dir.path().join("x"), &files());
        fs::rename(dir.path().join("x"), &draft).unwrap();
    };
    // Whole, closed to its owner, half removed, empty.
    again();
    fs::set_permissions(&draft, PermissionsExt::from_mode(0o500)).unwrap();
    lay_out(&part, &files());
    assert_eq!(sweep(dir.path(), true), Swept { removed: 2, ..Swept::default() });
    again();
    fs::remove_file(draft.join("toc.dat")).unwrap();
    assert_eq!(sweep(dir.path(), false).removed, 1);
    fs::create_dir(&draft).unwrap();
    assert_eq!(sweep(dir.path(), true).removed, 1);
    // Written to, or about to be.
    again();
    let mut writer = fs::OpenOptions::new().append(true).open(draft.join("4.dat")).unwrap();
    assert_eq!(sweep(dir.path(), true).written, std::slice::from_ref(&draft));
    std::thread::sleep(Duration::from_millis(20));
    writer.write_all(b"late").unwrap();
    drop(writer);
    assert_eq!(sweep(dir.path(), true), Swept { written: vec![draft.clone()], ..Swept::default() });
    fs::remove_dir_all(&draft).unwrap();
    // Nobody's draft.
    again();
    fs::create_dir(draft.join("sub")).unwrap();
    assert_eq!(sweep(dir.path(), true).failed, std::slice::from_ref(&draft));
    assert!(found_len(&draft) == files().len() + 1);
    fs::remove_dir_all(&draft).unwrap();
    // In work.
    let path = dir.path().join("dump");
    lay_out(&path, &files());
    let opened = Disk::default().open_packed(&object(&path), REPLACE).unwrap().unwrap();
    let plan = patch(&tar_of(&files()), &tar_of(&changed_files()));
    let mut live = opened.draft(To::InPlace, plan.len()).unwrap();
    live.apply(&plan).unwrap();
    assert_eq!(sweep(dir.path(), true), Swept::default());
    live.commit().unwrap();
    assert_eq!((found(&path), names(dir.path())), (changed_files(), vec!["dump".to_owned()]));
}

fn found_len(path: &Path) -> usize {
    fs::read_dir(path).unwrap().count()
}

/// What is listed below `dir`: ways, and `-` for what is no object.
fn listed(dir: &Path, paths: &[&Path], filter: &Filter, own: &Own) -> Vec<String> {
    let one = |listed| match listed {
        Listed::Object(object) => object.shown.strip_prefix(dir).unwrap().to_str().unwrap().to_owned(),
        _ => "-".to_owned(),
    };
    list(paths, filter, own).into_iter().map(one).collect()
}

#[test]
fn folders_that_are_one_and_others() {
    let dir = tempfile::tempdir().unwrap();
    lay_out(&dir.path().join("a"), &files());
    fs::create_dir(dir.path().join("b")).unwrap();
    lay_out(&dir.path().join("b/c"), &files());
    let path = dir.path().join("b/c");
    let list = |globs: (&[&str], &[&str]), own: &Own| {
        let texts = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect::<Vec<_>>();
        let filter = Filter::new(&texts(globs.0), &texts(globs.1), None, SystemTime::now()).unwrap();
        listed(dir.path(), &[dir.path()], &filter, own)
    };
    let all = |globs| list(globs, &Own::default());
    assert_eq!(all((&[], &[])), ["a", "b/c"]);
    assert_eq!(all((&["*.gz"], &[])), ["a", "b/c"], "files in it are asked for");
    assert_eq!(all((&["b"], &[])), ["b/c"]);
    assert_eq!(all((&["*.txt"], &[])), Vec::<String>::new());
    assert_eq!(all((&[], &["c"])), ["a"]);
    assert_eq!(all((&["*.gz"], &["*.log"])), ["a/3370.dat.gz", "b/c/3370.dat.gz"], "refused by name later");
    let filter = Filter::new(&[], &[], Some(Duration::from_secs(1 << 40)), SystemTime::now()).unwrap();
    assert_eq!(listed(dir.path(), &[dir.path()], &filter, &Own::default()).len(), 0, "too young as a whole");
    let mut own = Own::default();
    own.add(&dir.path().join("a/a.log"));
    assert_eq!(list((&[], &[]), &own).len(), 6 + 1);
    // SOURCE itself, by way of a link, and twice.
    let link = dir.path().join("link");
    symlink("b/c", &link).unwrap();
    for source in [&path, &link, &path.join("")] {
        let object = object(source);
        assert_eq!(object.path().unwrap(), fs::canonicalize(&path).unwrap());
        assert_eq!(
            (object.shown.to_str(), object.relative.file_name()),
            (source.to_str().map(|s| s.trim_end_matches('/')), source.file_name())
        );
    }
    assert_eq!(
        listed(dir.path(), &[&path, &dir.path().join("b"), &path], &Filter::default(), &Own::default()),
        ["b/c", "-", "-"]
    );
    // Globs: of folders, and of files in them.
    assert_eq!(listed(dir.path(), &[&dir.path().join("b/*")], &Filter::default(), &Own::default()), ["b/c"]);
    assert_eq!(
        listed(dir.path(), &[&dir.path().join("b/c/*.gz")], &Filter::default(), &Own::default()),
        ["b/c/3370.dat.gz"]
    );
    // A draft is told, and not walked.
    fs::rename(dir.path().join("a"), dir.path().join(DRAFT)).unwrap();
    assert_eq!(all((&[], &[])), ["-", "b/c", "-"]);
}

#[test]
fn what_makes_a_folder_one_like_others() {
    let tests: [(&str, Step<'_>); 8] = [
        ("a subfolder", &|path| fs::create_dir(path.join("sub")).unwrap()),
        ("a link", &|path| symlink("4.dat", path.join("6.dat")).unwrap()),
        ("a name that tar writes otherwise", &|path| fs::write(path.join("x".repeat(100)), b"").unwrap()),
        ("a blank", &|path| fs::write(path.join("a b"), b"").unwrap()),
        ("a draft", &|path| fs::write(path.join(DRAFT), b"").unwrap()),
        ("no contents", &|path| fs::remove_file(path.join("toc.dat")).unwrap()),
        ("contents of a custom archive", &|path| {
            fs::write(path.join("toc.dat"), b"PGDMP\x01\x0e\x00\x04\x08\x01").unwrap();
        }),
        ("contents that are none", &|path| fs::write(path.join("toc.dat"), b"PGDMP\x01").unwrap()),
    ];
    for (what, step) in tests {
        let (_dir, path) = laid_out(&files());
        assert!(is_one(&path));
        step(&path);
        assert!(!is_one(&path), "{what}");
        assert!(list(&[&path], &Filter::default(), &Own::default()).len() > 1, "{what}");
        assert!(Whole::open(&path, None).is_err());
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 64, ..Default::default() })]

    /// Whatever pieces a patch comes in, kept or written, the folder is the same.
    #[test]
    fn pieces_make_no_difference(cuts in proptest::collection::vec((0usize..620_000, proptest::bool::ANY), 0..40)) {
        let (dir, path) = laid_out(&files());
        let opened = Disk::default().open_packed(&object(&path), Purpose::Read).unwrap().unwrap();
        let tar = tar_of(&files());
        let mut cuts = cuts;
        cuts.sort_unstable();
        let to = dir.path().join("new");
        fs::create_dir(&to).unwrap();
        let folder = fs::File::open(&to).unwrap();
        let mut split = split::Split::new(&opened, &folder, false);
        let (mut at, mut keep) = (0, true);
        for (cut, next) in cuts.into_iter().chain([(tar.len(), true)]) {
            let cut = cut.clamp(at, tar.len());
            if cut > at {
                let span = Span::new(at as u64, cut as u64);
                split.take(if keep { crate::edit::Piece::Keep(span) } else { crate::edit::Piece::Write(tar[at..cut].to_vec()) }).unwrap();
            }
            (at, keep) = (cut, next);
        }
        split.finish().unwrap();
        proptest::prop_assert!(found(&to) == files());
    }
}
