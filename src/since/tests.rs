//! Which lines are relied on, and for which version of a file.

use super::*;
use crate::manifest::{Artifact, Digest, FileIdentity, Status};

const SHA: &str = "00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff";

fn identity(inode: u64) -> Identity {
    let time = "2026-11-01T00:00:00.5Z".to_owned();
    Identity::File(FileIdentity { dev: 1, inode, ctime: time.clone(), size: Some(7), mtime: Some(time) })
}

fn file(identity: &mut Identity) -> &mut FileIdentity {
    match identity {
        Identity::File(file) => file,
        Identity::Object(_) => panic!("a file was meant"),
    }
}

fn line(uri: &str, status: Status) -> Artifact {
    let mut line = Artifact::new(uri.to_owned(), status, None);
    line.identity = Some(identity(1));
    line
}

fn base(run_id: &str, day: u8) -> Base {
    let as_of = format!("2026-11-{day:02}T00:00:00Z").parse().unwrap();
    Base { run_id: run_id.to_owned(), as_of, seq: 1, sha256: String::new(), fresh: Some(false) }
}

fn plain(name: &[u8]) -> Vec<u8> {
    name.to_vec()
}

/// What is known of `file:a/x.log` after these lines, each of the run of that number.
fn known(lines: &[(u16, Artifact)]) -> Option<(String, Option<String>)> {
    let mut since = Since { bases: vec![base("first", 1), base("second", 2)], ..Since::default() };
    for (base, line) in lines {
        lines::take(line, *base, &mut since, &plain);
    }
    let known = since.known(&identity(1), "file:a/x.log", &plain)?;
    Some((known.run_id.to_owned(), known.sha256))
}

#[test]
fn only_what_was_searched_whole_and_left_nothing() {
    let uri = "file:a/x.log";
    for (status, good) in [
        (Status::Clean, true),
        (Status::Copied, true),
        (Status::Unchanged, true),
        (Status::Rewritten, false),
        (Status::WouldRewrite, false),
        (Status::Partial, false),
        (Status::Failed, false),
        (Status::Unsupported, false),
        (Status::Skipped, false),
        (Status::Pending, false),
    ] {
        assert_eq!(known(&[(0, line(uri, status))]).is_some(), good, "{status:?}");
    }
    for (level, good) in [("full", true), ("paranoid", true), ("decode", false), ("none", false)] {
        let mut rewritten = line(uri, Status::Rewritten);
        rewritten.verified = Some(level.to_owned());
        assert_eq!(known(&[(0, rewritten)]).is_some(), good, "{level}");
    }
    let change: [fn(&mut Artifact); 6] = [
        |line| line.left = [("held".to_owned(), 1)].into(),
        |line| line.left = [("report".to_owned(), 1)].into(),
        |line| line.reason = Some("settled after an interrupted run".to_owned()),
        |line| line.same_file = Some("file:a/y.log".to_owned()),
        |line| line.identity = None,
        |line| file(line.identity.as_mut().unwrap()).mtime = None,
    ];
    for (i, change) in change.iter().enumerate() {
        let mut bad = line(uri, Status::Clean);
        change(&mut bad);
        assert_eq!(known(&[(0, bad)]), None, "{i}");
    }
}

#[test]
fn the_newest_line_decides_whatever_the_order() {
    let uri = "file:a/x.log";
    let clean = || line(uri, Status::Clean);
    let mut digested = clean();
    digested.before = Some(Digest { bytes: 7, sha256: SHA.to_owned() });
    let run = |found: Option<(String, Option<String>)>| found.unwrap().0;
    assert_eq!(run(known(&[(0, clean()), (1, clean())])), "second");
    assert_eq!(run(known(&[(1, clean()), (0, clean())])), "second");
    assert_eq!(known(&[(0, clean()), (1, line(uri, Status::Failed))]), None);
    assert_eq!(run(known(&[(1, clean()), (0, line(uri, Status::Failed))])), "second");
    assert_eq!(known(&[(1, digested)]), Some(("second".to_owned(), Some(SHA.to_owned()))));
}

#[test]
fn the_version_and_the_name_must_be_the_same() {
    let key = |identity: &Identity, uri: &str, by_path| lines::key(identity, uri, by_path, &plain);
    let uri = "file:a/x.log";
    let one = key(&identity(1), uri, false).unwrap();
    assert_eq!(key(&identity(1), "file:b/x.log", false), Some(one), "no rule asks for the folder");
    assert_ne!(key(&identity(1), "file:a/x.csv", false), Some(one));
    assert_ne!(key(&identity(1), "file:b/x.log", true), key(&identity(1), uri, true));
    let change: [fn(&mut FileIdentity); 5] = [
        |i| i.dev = 2,
        |i| i.inode = 2,
        |i| i.size = Some(8),
        |i| i.ctime = "2026-11-01T00:00:00.6Z".to_owned(),
        |i| i.mtime = Some("2026-11-01T00:00:00.6Z".to_owned()),
    ];
    for change in change {
        let mut other = identity(1);
        change(file(&mut other));
        assert_ne!(key(&other, uri, false), Some(one));
    }
}

#[test]
fn a_mask_that_grew_is_no_other_name() {
    let mask = |name: &[u8]| String::from_utf8_lossy(name).replace("alice", "*****").into_bytes();
    let key = |uri: &str, by_path| lines::key(&identity(1), uri, by_path, &mask);
    assert_eq!(key("file:a/alice.log", false), key("file:a/%2A%2A%2A%2A%2A.log", false));
    assert_eq!(key("file:a/alice.log", true), None, "which rule fits cannot be told");
}
