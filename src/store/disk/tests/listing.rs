//! What is listed, in which order, under which name.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::time::{Duration, SystemTime};

use super::super::RootLock;
use super::*;
use crate::error::Kind;
use crate::store::uri;

/// How a draft in the tree is told: a scrub that is killed may leave the old file under such a name.
const LEFT_OVER: &str = ".unwrite-0123456789abcdef0123456789abcdef.draft (left-over draft)";

/// One word a listed thing: its way below `dir`, and what it is if no object.
fn told(dir: &Path, listed: impl IntoIterator<Item = Listed>) -> Vec<String> {
    let short = |path: &Path| {
        path.strip_prefix(dir).map_or_else(|_| "?".into(), |p| uri(p.as_os_str().as_bytes()).replace("file:", ""))
    };
    let one = |listed| match listed {
        Listed::Object(o) => short(&o.shown),
        Listed::SameInode { object, first } => {
            format!("{}={}", short(&object.shown), short(&first.shown))
        }
        Listed::Skipped { shown, why } => format!("{} ({})", short(&shown), why.reason()),
        Listed::Failed { shown, error } => format!("{} !{}", short(&shown), error),
    };
    listed.into_iter().map(one).collect()
}

fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir_all(at("b/deep")).unwrap();
    for file in ["a.log", "b/x.gz", "b/deep/y.log", "c.log", ".hidden", "a-1"] {
        fs::write(at(file), file).unwrap();
    }
    fs::write(at(".unwrite-0123456789abcdef0123456789abcdef.draft"), b"").unwrap();
    dir
}

#[test]
fn order_links_and_special_files() {
    let dir = tree();
    let at = |name: &str| dir.path().join(name);
    fs::hard_link(at("a.log"), at("b/also")).unwrap();
    fs::write(dir.path().join(name(b"\xff\n")), b"").unwrap();
    symlink("a.log", at("link")).unwrap();
    symlink(".", at("loop")).unwrap();
    let _socket = UnixListener::bind(at("sock")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), rustix::fs::Mode::RUSR).unwrap();
    let wanted = [
        ".hidden",
        LEFT_OVER,
        "a-1",
        "a.log",
        "b/also=a.log",
        "b/deep/y.log",
        "b/x.gz",
        "c.log",
        "link (symlink)",
        "loop (symlink)",
        "pipe (special file (fifo))",
        "sock (special file (socket))",
        "%FF%0A",
    ];
    assert_eq!(told(dir.path(), list(&[dir.path()])), wanted);
}

#[test]
fn an_inode_is_the_same_only_while_its_first_name_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    fs::write(&a, b"x").unwrap();
    fs::hard_link(&a, &b).unwrap();
    let sources = sources(&[dir.path()]);
    let (filter, own) = (Filter::default(), Own::default());
    let mut listing = Listing::new(&sources, &filter, &own);
    assert!(matches!(listing.next(), Some(Listed::Object(_))));
    // What a commit with --break-hardlinks does.
    fs::remove_file(&a).unwrap();
    fs::write(&a, b"clean").unwrap();
    assert!(matches!(listing.next(), Some(Listed::Object(_))), "b holds bytes that were not scrubbed");
}

#[test]
fn overlapping_sources_give_each_file_once() {
    let dir = tree();
    let at = |name: &str| dir.path().join(name);
    let got = told(dir.path(), list(&[&at("b"), &at("b/deep"), &at("a.log"), &at("a.log"), &at("b/x.gz")]));
    assert_eq!(got, ["b/deep/y.log", "b/x.gz", "b/deep/y.log=b/deep/y.log", "a.log", "a.log=a.log", "b/x.gz=b/x.gz"]);
}

#[test]
fn globs() {
    let dir = tree();
    for (glob, wanted) in [
        ("*.log", &["a.log", "c.log"][..]),
        ("**/*.log", &["a.log", "b/deep/y.log", "c.log"]),
        ("b/*", &["b/deep/y.log", "b/x.gz"]),
        ("?/x.[gh]z", &["b/x.gz"]),
        ("{a,c}.log", &["a.log", "c.log"]),
        ("{b/deep/y,c}.log", &["b/deep/y.log", "c.log"]),
        ("nothing*", &[]),
    ] {
        assert_eq!(told(dir.path(), list(&[&dir.path().join(glob)])), wanted, "{glob}");
    }
    // A name that exists is no glob.
    fs::write(dir.path().join("[a].log"), b"").unwrap();
    assert_eq!(told(dir.path(), list(&[&dir.path().join("[a].log")])), ["%5Ba%5D.log"]);
    for bad in ["none", "none/*.log", "a[.log"] {
        assert_eq!(Source::parse(dir.path().join(bad).as_os_str()).unwrap_err().kind(), Kind::Usage, "{bad}");
    }
}

#[test]
fn filters_and_own_files() {
    let dir = tree();
    let old = SystemTime::now() - Duration::from_hours(2);
    fs::File::open(dir.path().join("c.log")).unwrap().set_modified(old).unwrap();
    let run = |include: &[&str], exclude: &[&str], age: u64| {
        let own_list = |l: &[&str]| l.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let age = (age > 0).then(|| Duration::from_secs(age));
        let filter = Filter::new(&own_list(include), &own_list(exclude), age, SystemTime::now()).unwrap();
        let mut own = Own::default();
        own.add(&dir.path().join("a.log"));
        told(dir.path(), Listing::new(&sources(&[dir.path()]), &filter, &own))
    };
    assert_eq!(run(&["*.log"], &[], 0), [LEFT_OVER, "a.log (own file)", "b/deep/y.log", "c.log"]);
    assert_eq!(run(&["*.log"], &["b"], 3600), [LEFT_OVER, "a.log (own file)", "c.log"]);
    assert_eq!(run(&["b/"], &["deep"], 0), [LEFT_OVER, "b/x.gz"]);
    assert_eq!(run(&[], &["*"], 0), Vec::<String>::new());
}

/// The SOURCE argument may be a link: what is replaced is the file, not the link.
#[test]
fn a_source_that_is_a_link_is_followed() {
    let dir = tree();
    let link = dir.path().join("current");
    symlink("c.log", &link).unwrap();
    let found = object(&link);
    assert_eq!((&found.shown, found.relative.as_path()), (&link, Path::new("current")));
    scrub(Disk::default(), &link, To::InPlace, &[(0, 1, b"")], || {}).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read(dir.path().join("c.log")).unwrap(), b".log");
    symlink("b", dir.path().join("folder")).unwrap();
    assert_eq!(told(dir.path(), list(&[&dir.path().join("folder")])), ["folder/deep/y.log", "folder/x.gz"]);
}

#[test]
fn roots_are_locked_once_a_run() {
    let dir = tree();
    let both = sources(&[dir.path(), &dir.path().join("*.log")]);
    let held = RootLock::take(&both, true).unwrap();
    assert_eq!(RootLock::take(&both, false).unwrap_err().kind(), Kind::Locked);
    drop(held);
    let _one = RootLock::take(&both, false).unwrap();
    let _two = RootLock::take(&both, false).unwrap();
    assert_eq!(RootLock::take(&both, true).unwrap_err().kind(), Kind::Locked);
}
