//! Drafts and commits.

use super::server::Fault;
use super::*;
use crate::error::Kind;
use crate::store::Note;

fn rich() -> memory::Kept {
    let text = |value: &str| Some(value.to_owned());
    memory::Kept {
        metadata: [("owner".to_owned(), "team-a".to_owned())].into(),
        content_type: text("application/x-ndjson"),
        content_encoding: text("gzip"),
        content_disposition: text("attachment"),
        content_language: text("de"),
        cache_control: text("no-store"),
        redirect: text("/elsewhere"),
        class: text("STANDARD_IA"),
        encryption: text("aws:kms"),
        kms_key: text("key-1"),
        tagging: text("team=a%26b&k%3D=%C3%A4"),
        read_for: text("id=\"friend\""),
        customer: None,
    }
}

fn kept(rig: &Rig, key: &str) -> memory::Kept {
    let mut kept = rig.memory.bucket(BUCKET, |bucket| bucket.current(key).unwrap().head.clone());
    let mark = kept.metadata.remove("unwrite-run").unwrap();
    assert_eq!(mark.len(), 26);
    kept
}

#[test]
fn small_and_long_objects_are_replaced_with_all_they_had() {
    for len in [3_000, 100_000] {
        let rig = rig();
        let body = bytes(len);
        rig.memory.put_with(BUCKET, "k", &body, rich());
        let edits: &[(u64, u64, &[u8])] = &[(10, 20, b""), (len as u64 / 2, len as u64 / 2 + 5, b"new bytes")];
        let committed = rig.scrub("k", edits).unwrap();
        let want = patch(len, edits).to_bytes(&body).unwrap();
        assert!(rig.memory.get(BUCKET, "k").unwrap() == want);
        let mut had = rich();
        // What a service makes of it is the same set.
        had.tagging = kept(&rig, "k").tagging;
        assert_eq!(kept(&rig, "k"), had);
        let tags = rig.memory.bucket(BUCKET, |bucket| bucket.current("k").unwrap().tags.clone());
        assert_eq!(tags, [("team".to_owned(), "a&b".to_owned()), ("k=".to_owned(), "ä".to_owned())]);
        assert_eq!(committed.identity, rig.store.look(&place("k")).unwrap().unwrap().identity());
        assert_eq!(rig.memory.unfinished(BUCKET), 0);
        assert!(!committed.already && committed.notes.is_empty());
    }
}

#[test]
fn the_customers_key_goes_with_what_is_encrypted_with_it_and_no_other() {
    let rig = rig_with(|options| options.sse_c = Some(SseKey(vec![7; 32].into())));
    let md5 = rig.store.core.customer_key.as_ref().unwrap().md5();
    for len in [3_000, 100_000] {
        for customer in [None, Some(md5.clone())] {
            let head = memory::Kept { customer: customer.clone(), ..memory::Kept::default() };
            rig.memory.put_with(BUCKET, "k", &bytes(len), head);
            rig.scrub("k", &[(5, 6, b"xy")]).unwrap();
            assert_eq!(kept(&rig, "k").customer, customer);
            assert_eq!(rig.memory.get(BUCKET, "k").unwrap().len(), len + 1);
        }
    }
}

#[test]
fn kept_ranges_are_copied_and_little_is_sent() {
    let rig = rig();
    let len = 1 << 20;
    rig.memory.put(BUCKET, "k", &bytes(len));
    rig.server.plan(|_| Fault::None);
    rig.scrub("k", &[(600_000, 600_100, b"x")]).unwrap();
    let asked = rig.server.asked();
    let of = |name: &str| asked.iter().filter(|asked| asked.operation() == name).count();
    let sent: usize = asked.iter().map(|asked| asked.sent).sum();
    assert!(of("UploadPartCopy") >= 4, "the longest copy is 200 KiB");
    // One part of 5 KiB, and two marks of at most 12 KiB each.
    assert!(sent < 32 << 10, "{sent}");
    // Find, and the verification that the digest is taken of.
    assert!(rig.server.answered() < 2 * len + len / 10, "{}", rig.server.answered());
    assert_eq!(of("CompleteMultipartUpload"), 2, "one of them is the probe");
}

#[test]
fn another_writer_is_not_overwritten() {
    for (len, operation) in [(3_000, "PutObject"), (100_000, "CompleteMultipartUpload")] {
        let rig = rig();
        rig.memory.put(BUCKET, "d/k", &bytes(len));
        let memory = rig.memory.clone();
        rig.server.plan(move |asked| {
            if asked.operation() == operation && asked.target.contains("/d/k") {
                memory.put(BUCKET, "d/k", b"theirs");
            }
            Fault::None
        });
        let error = rig.scrub("d/k", &[(1, 2, b"")]).unwrap_err();
        assert_eq!((error.kind(), error.reason().as_str()), (Kind::Skipped, "changed"), "{len}");
        assert_eq!(rig.memory.get(BUCKET, "d/k").unwrap(), b"theirs");
        assert_eq!(rig.memory.unfinished(BUCKET), 0);
    }
}

#[test]
fn a_writer_just_after_is_told() {
    let rig = rig();
    rig.memory.put(BUCKET, "d/k", &bytes(100));
    let memory = rig.memory.clone();
    rig.server.plan(move |asked| {
        let written = memory.bucket(BUCKET, |bucket| bucket.current("d/k").is_some_and(|v| v.body.len() == 99));
        if asked.operation() == "HeadObject" && written {
            memory.put(BUCKET, "d/k", b"theirs");
        }
        Fault::None
    });
    assert_eq!(rig.scrub("d/k", &[(1, 2, b"")]).unwrap_err().reason(), "changed");
    assert_eq!(rig.memory.get(BUCKET, "d/k").unwrap(), b"theirs");
}

#[test]
fn a_bucket_that_ignores_preconditions_is_not_written() {
    let rig = rig();
    rig.memory.put(BUCKET, "k", &bytes(100));
    rig.memory.bucket(BUCKET, |bucket| bucket.ignores = true);
    assert_eq!(rig.store.probe(&place("k")).unwrap(), Preconditions::Ignored);
    let error = rig.scrub("k", &[(1, 2, b"")]).unwrap_err();
    assert!(error.to_string().contains("--allow-unconditional-writes"), "{error}");
    assert!(rig.memory.get(BUCKET, "k").unwrap() == bytes(100));
    assert_eq!(rig.memory.bucket(BUCKET, |bucket| bucket.keys.len()), 1, "the probe leaves nothing");

    let rig = rig_with(|options| options.unconditional = true);
    rig.memory.put(BUCKET, "k", &bytes(100_000));
    rig.memory.bucket(BUCKET, |bucket| bucket.ignores = true);
    let committed = rig.scrub("k", &[(1, 2, b"")]).unwrap();
    assert_eq!(committed.notes, [Note::Unconditional]);
    assert_eq!(rig.memory.get(BUCKET, "k").unwrap().len(), 99_999);
    assert_eq!((rig.memory.unfinished(BUCKET), rig.memory.bucket(BUCKET, |bucket| bucket.keys.len())), (0, 1));
}

#[test]
fn the_probe_is_made_once_and_leaves_nothing() {
    let rig = rig();
    rig.memory.put(BUCKET, "d/k", &bytes(100));
    rig.server.plan(|_| Fault::None);
    rig.scrub("d/k", &[(1, 2, b"")]).unwrap();
    rig.scrub("d/k", &[(1, 2, b"")]).unwrap();
    assert_eq!(rig.store.probe(&place("d/k")).unwrap(), Preconditions::Enforced);
    let probes = rig.server.asked().iter().filter(|asked| asked.target.contains("/d/.unwrite-probe-")).count();
    assert_eq!(probes, 5, "put, create, part, complete, abort");
    assert_eq!((rig.memory.unfinished(BUCKET), rig.memory.bucket(BUCKET, |bucket| bucket.keys.len())), (0, 1));
    assert!(Op::all().count() >= rig.server.operations().iter().collect::<std::collections::BTreeSet<_>>().len());
    assert!(rig.server.operations().iter().all(|name| Op::all().any(|known| known == *name)));
}

/// Copies to another bucket, and from elsewhere.
#[test]
fn mirrors_do_not_replace_what_is_there() {
    let rig = rig();
    let body = bytes(100_000);
    rig.memory.put_with(BUCKET, "k", &body, rich());
    let target = Place { bucket: "other".to_owned(), key: "m/k".to_owned() };
    let opened = rig.open("k");
    let mirror = |overwrite: bool, cut: u64| -> Result<Committed> {
        let patch = patch(100_000, &[(cut, cut + 1, b"")]);
        let mut draft = opened.draft(To::Object { target: &target, overwrite }, patch.len())?;
        draft.apply(&patch)?;
        draft.commit()
    };
    assert!(!mirror(false, 7).unwrap().already);
    let copy = rig.memory.bucket("other", |bucket| bucket.current("m/k").unwrap().clone());
    assert_eq!(copy.body.len(), 99_999);
    assert_eq!((copy.head.content_type, copy.head.class), (rich().content_type, rich().class));
    assert!(copy.head.kms_key.is_none() && copy.head.read_for.is_none(), "keys and ACLs are those of the other bucket");
    assert!(mirror(false, 7).unwrap().already);
    assert!(mirror(false, 8).unwrap_err().to_string().contains("--overwrite"));
    assert!(!mirror(true, 8).unwrap().already);
    assert_eq!((rig.memory.unfinished(BUCKET), rig.memory.unfinished("other")), (0, 0));
}

#[test]
fn what_lies_on_disk_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let body = bytes(60_000);
    std::fs::write(&path, &body).unwrap();
    for len in [60_000, 100] {
        let rig = rig();
        let blob = crate::blob::FileBlob::open(&path).unwrap();
        let original = Elsewhere(blob);
        let new = patch(60_000, &[(len, 60_000, b"")]);
        let mut draft = rig.store.draft(&original, &place("k"), false, new.len()).unwrap();
        draft.apply(&new).unwrap();
        draft.commit().unwrap();
        assert!(rig.memory.get(BUCKET, "k").unwrap() == body[..len as usize]);
        assert_eq!(rig.memory.unfinished(BUCKET), 0);
    }
}

/// An artifact of another store.
struct Elsewhere(crate::blob::FileBlob);

impl Blob for Elsewhere {
    fn len(&self) -> u64 {
        self.0.len()
    }
    fn read_at(&self, at: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0.read_at(at, buf)
    }
}

impl Original for Elsewhere {
    fn identity(&self) -> crate::store::Identity {
        unreachable!("a draft does not ask")
    }
    fn check(&self) -> Result<()> {
        Ok(())
    }
    fn notes(&self) -> Vec<Note> {
        Vec::new()
    }
    fn draft<'o>(&'o self, _: To<'_>, _: u64) -> Result<Box<dyn Draft + 'o>> {
        unreachable!("it has no drafts of its own")
    }
}

#[test]
fn s3s_fs_is_written_too() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join(BUCKET)).unwrap();
    let server = Server::start(s3s_fs::FileSystem::new(dir.path()).unwrap());
    let store = S3::tuned(&options(&server), lent(), Tuning::default()).unwrap();
    let body = bytes(12 << 20);
    std::fs::write(dir.path().join(BUCKET).join("k"), &body).unwrap();
    let entry = store.list(&place(""), false).unwrap().next().unwrap().unwrap();
    let opened = store.open(&entry, Purpose::Read).unwrap();
    let read = crate::store::digest(&opened);
    opened.check().unwrap();
    assert_eq!(read.unwrap(), crate::store::digest(&body).unwrap());
    let edits: &[(u64, u64, &[u8])] = &[(6 << 20, (6 << 20) + 9, b"erased")];
    let patch = patch(12 << 20, edits);
    let mut draft = opened.draft(To::InPlace, patch.len()).unwrap();
    draft.apply(&patch).unwrap();
    draft.commit().unwrap();
    assert!(std::fs::read(dir.path().join(BUCKET).join("k")).unwrap() == patch.to_bytes(&body).unwrap());
}
