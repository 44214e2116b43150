//! Listings and reads.

use proptest::prelude::*;

use super::server::Fault;
use super::*;
use crate::error::Kind;

/// Keys that services have mangled.
const KEYS: &[&str] = &[
    "a+b",
    "a b",
    "a%2Bb",
    "a//b",
    "./a",
    "../a",
    "/a",
    "a/",
    "ä/日本",
    "a\u{1}b",
    "a&<>\"'b",
    "a?b=c#d",
    "z/1",
    "z/2",
];

#[test]
fn listings_have_every_key_as_it_is() {
    let rig = rig();
    for key in KEYS {
        rig.memory.put(BUCKET, key, key.as_bytes());
    }
    let mut want: Vec<&str> = KEYS.to_vec();
    want.sort_unstable();
    let list = |prefix: &str, all| -> Vec<Entry> {
        rig.store.list(&place(prefix), all).unwrap().map(|entry| entry.unwrap()).collect()
    };
    let got = list("", false);
    assert_eq!(got.iter().map(|entry| entry.place.key.as_str()).collect::<Vec<_>>(), want);
    assert!(got.iter().all(|entry| entry.size == entry.place.key.len() as u64 && entry.is_latest));
    assert_eq!(list("z/", false).len(), 2);
    for entry in &got {
        let opened = rig.store.open(entry, Purpose::Read).unwrap();
        assert_eq!(all(&opened, 7), entry.place.key.as_bytes());
        assert_eq!(rig.store.look(&entry.place).unwrap().unwrap().id(), entry.id(), "a look tells what a listing does");
    }
    rig.memory.bucket(BUCKET, |bucket| bucket.versioned = true);
    rig.memory.put(BUCKET, "z/1", b"newer");
    let versions = list("z/1", true);
    assert_eq!(versions.iter().map(|entry| (entry.is_latest, entry.size)).collect::<Vec<_>>(), [(true, 5), (false, 3)]);
    assert_eq!(list("", true).len(), KEYS.len() + 1);
}

#[test]
fn names_of_a_folder_come_page_by_page() {
    let rig = rig();
    for key in ["d/a", "d/b/1", "d/b/2", "d/b0", "d/c/x", "d/e", "d/f", "d/g", "d/h/y", "e"] {
        rig.memory.put(BUCKET, key, b"x");
    }
    let first = rig.store.names(&place("d/"), None).unwrap().unwrap();
    assert!(!first.complete);
    let mut names = first.names;
    names.sort();
    let last = names.last().cloned().unwrap();
    let next = rig.store.names(&place("d/"), Some((&last.0, last.1))).unwrap().unwrap();
    assert!(next.complete);
    names.extend(next.names);
    let got: Vec<String> =
        names.iter().map(|(name, folder)| format!("{name}{}", if *folder { "/" } else { "" })).collect();
    assert_eq!(got, ["a", "b/", "b0", "c/", "e", "f", "g", "h/"]);
}

#[test]
fn a_small_object_is_one_request() {
    let rig = rig();
    let body = bytes(4000);
    rig.memory.put(BUCKET, "k", &body);
    rig.memory.put(BUCKET, "empty", b"");
    let entries: Vec<Entry> = rig.store.list(&place(""), false).unwrap().map(|entry| entry.unwrap()).collect();
    rig.server.plan(|_| Fault::None);
    for entry in &entries {
        let opened = rig.store.open(entry, Purpose::Read).unwrap();
        let read = all(&opened, 100);
        assert_eq!(read.len() as u64, entry.size);
        opened.check().unwrap();
        // What was read once is there.
        assert_eq!(all(&opened, 999), read);
    }
    assert_eq!(rig.server.operations(), ["GetObject"], "none for the empty one");
}

#[test]
fn a_long_object_is_read_once_in_few_requests() {
    let rig = rig();
    let body = bytes(1 << 20);
    rig.memory.put(BUCKET, "k", &body);
    let opened = rig.open("k");
    rig.server.plan(|_| Fault::None);
    assert!(all(&opened, 700) == body);
    let requests = rig.server.operations().len();
    assert!(requests <= (1 << 20) / (16 << 10) + 5, "{requests}");
    let read = rig.server.answered();
    assert_eq!(read, 1 << 20, "no byte twice");
}

#[test]
fn after_a_jump_little_is_read() {
    let rig = rig();
    rig.memory.put(BUCKET, "k", &bytes(1 << 20));
    let opened = rig.open("k");
    rig.server.plan(|_| Fault::None);
    for at in [900_000, 300_000, 600_000] {
        let mut buf = [0; 100];
        assert!(opened.read_at(at, &mut buf).unwrap() > 0);
    }
    assert_eq!(rig.server.answered(), 3 << 10);
}

#[test]
fn a_cut_answer_is_read_on() {
    let rig = rig();
    let body = bytes(300_000);
    rig.memory.put(BUCKET, "k", &body);
    let opened = rig.open("k");
    rig.server.plan(|asked| if asked.n % 2 == 0 { Fault::Cut(5_000) } else { Fault::None });
    assert!(all(&opened, 700) == body);
    // Each of them, also the second half.
    rig.server.plan(|_| Fault::Cut(1_500));
    assert!(all(&rig.open("k"), 100_000) == body);
}

#[test]
fn an_answer_that_never_comes_is_an_error() {
    let rig = rig();
    rig.memory.put(BUCKET, "k", &bytes(3_000));
    let opened = rig.open("k");
    rig.server.plan(|_| Fault::Cut(0));
    opened.read_at(0, &mut [0; 10]).unwrap_err();
    let error = opened.check().unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    assert!(error.to_string().starts_with("GetObject: its answers are cut off"), "{error}");
}

#[test]
fn another_version_is_not_read() {
    let rig = rig();
    rig.memory.put(BUCKET, "k", &bytes(100_000));
    let opened = rig.open("k");
    let mut buf = [0; 10];
    opened.read_at(0, &mut buf).unwrap();
    rig.memory.put(BUCKET, "k", &bytes(100_001));
    // What is under way may still come.
    opened.read_at(90_000, &mut buf).unwrap_err();
    let error = opened.check().unwrap_err();
    assert_eq!((error.kind(), error.reason().as_str()), (Kind::Skipped, "changed"));

    let opened = rig.open("k");
    rig.memory.bucket(BUCKET, |bucket| bucket.keys.clear());
    opened.read_at(0, &mut buf).unwrap_err();
    assert_eq!(opened.check().unwrap_err().reason(), "vanished");
    assert!(rig.store.look(&place("k")).unwrap().is_none());
}

#[test]
fn what_is_archived_is_pending() {
    let rig = rig_with(|options| options.restore_days = std::num::NonZeroU32::new(3));
    let head = memory::Kept { class: Some("GLACIER".to_owned()), ..memory::Kept::default() };
    rig.memory.put_with(BUCKET, "k", b"cold", head);
    let opened = rig.open("k");
    opened.read_at(0, &mut [0; 4]).unwrap_err();
    let error = opened.check().unwrap_err();
    assert_eq!((error.kind(), error.reason().as_str()), (Kind::Pending, "archived"));
    rig.server.plan(|_| Fault::None);
    assert!(rig.store.restore(&opened.entry).unwrap());
    assert_eq!(rig.server.operations(), ["HeadObject", "RestoreObject"], "the listing need not have told its class");
}

#[test]
fn nothing_of_what_a_service_says_is_passed_on() {
    let rig = rig();
    rig.memory.put(BUCKET, "alice@example.com", b"x");
    for status in [400, 401, 403, 404, 405, 409, 412, 416, 500, 501, 503] {
        rig.server.plan(move |_| Fault::Status(status));
        let errors = [
            rig.store.get_small(&place("alice@example.com"), 10).err(),
            rig.store.list(&place("alice"), false).unwrap().next().and_then(std::result::Result::err),
            rig.store.list(&place("alice"), true).unwrap().next().and_then(std::result::Result::err),
            rig.store.purge(&place("alice@example.com")).err(),
            rig.store.abort_left_uploads(&place("alice@example.com")).err(),
        ];
        for error in errors.into_iter().flatten() {
            assert!(!format!("{error} {error:?} {}", error.reason()).contains("alice"), "{error}");
        }
    }
    assert_eq!(format!("{:?}", place("alice")), "Place { .. }");
}

#[test]
fn small_objects_come_whole_or_not() {
    let rig = rig();
    rig.memory.put(BUCKET, "k", b"some bytes");
    assert_eq!(rig.store.get_small(&place("k"), 10).unwrap().0, b"some bytes");
    assert!(rig.store.get_small(&place("k"), 9).unwrap_err().reason().starts_with("limit: "));
    assert_eq!(rig.store.get_small(&place("none"), 9).unwrap_err().kind(), Kind::Usage);
    let space = TempSpace::new(std::env::temp_dir(), 1 << 30);
    let mut spool = crate::blob::Spool::new(&space);
    rig.store.download(&place("k"), &mut spool).unwrap();
    assert_eq!(all(&spool, 3), b"some bytes");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Wherever reads begin and however long they are, bytes are those of the object; cuts make no difference.
    #[test]
    fn reads_are_the_object(
        len in 1usize..120_000,
        reads in prop::collection::vec((0usize..120_000, 1usize..20_000), 1..20),
        cut in 1usize..9_000,
    ) {
        let rig = rig();
        let body = bytes(len);
        rig.memory.put(BUCKET, "k", &body);
        let opened = rig.open("k");
        rig.server.plan(move |asked| if asked.n % 3 == 1 { Fault::Cut(cut) } else { Fault::None });
        for (at, want) in reads {
            let mut buf = vec![0; want];
            let mut got = 0;
            while got < want {
                match opened.read_at((at + got) as u64, &mut buf[got..]).unwrap() {
                    0 => break,
                    n => got += n,
                }
            }
            prop_assert_eq!(&buf[..got], body.get(at..(at + want).min(len)).unwrap_or_default());
        }
        opened.check().unwrap();
    }
}

/// A listing that breaks off is no shorter listing.
#[test]
fn the_end_of_a_listing_is_said() {
    let rig = rig();
    for n in 0..12 {
        rig.memory.put(BUCKET, &format!("k{n:02}"), b"x");
    }
    let list = || rig.store.list(&place(""), false).unwrap().collect::<Result<Vec<Entry>>>().map(|all| all.len());
    let edit = |fault| {
        rig.server.plan(move |asked| if asked.operation() == "ListObjectsV2" { fault } else { Fault::None });
        list()
    };
    assert_eq!(edit(Fault::Edit("<IsTruncated>true</IsTruncated>", "")).unwrap(), 12);
    assert!(edit(Fault::Edit("NextContinuationToken", "Nothing")).unwrap_err().to_string().contains("how it goes on"));
    assert!(edit(Fault::Edit("<KeyCount>", "<KeyCount>0")).is_ok());
    // A panic in the task that lists.
    let mut broken = super::super::list::fetched(&rig.store, |send| async move {
        send.send(Ok(Some(Vec::new()))).await.unwrap();
        panic!("planted")
    });
    assert!(broken.next().unwrap().unwrap_err().to_string().contains("broke off"));
    assert!(broken.next().is_none());
}

#[test]
fn a_folder_that_may_not_be_listed_is_told_apart() {
    let rig = rig();
    rig.memory.put(BUCKET, "d/a", b"x");
    rig.server.plan(|_| Fault::Status(403));
    assert!(rig.store.names(&place("d/"), None).unwrap().is_none());
    rig.server.plan(|_| Fault::Status(400));
    assert!(rig.store.names(&place("d/"), None).is_err());
}
