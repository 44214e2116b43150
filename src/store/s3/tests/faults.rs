//! Each kind of fault at the n-th request, for every n of a scrub: the object is the old one or the new one, whole, and what is said
//! of it is true.

use super::memory::Unfinished;
use super::server::Fault;
use super::*;
use crate::error::Kind;

const KINDS: &[Fault] = &[
    Fault::SlowDown,
    Fault::Internal,
    Fault::Reset,
    Fault::Lost,
    Fault::Cut(3),
    Fault::Precondition,
    Fault::Conflict,
    Fault::Status(403),
    Fault::Status(404),
];

/// One scrub with faults; what came of it.
fn run(len: usize, plan: impl Fn(usize) -> Fault + Send + Sync + 'static) -> usize {
    let rig = rig();
    let body = bytes(len);
    rig.memory.put(BUCKET, "d/k", &body);
    rig.memory.put(BUCKET, "d/other", b"x");
    let edits: &[(u64, u64, &[u8])] = &[(len as u64 / 2, len as u64 / 2 + 3, b"new")];
    let new = patch(len, edits).to_bytes(&body).unwrap();
    rig.server.plan(move |asked| plan(asked.n));
    let done = rig.scrub("d/k", edits);
    let requests = rig.server.asked().len();
    let there = rig.memory.get(BUCKET, "d/k").unwrap();
    assert!(there == new || there == body, "old or new, and whole");
    match &done {
        Ok(_) => assert!(there == new, "it is said to be written"),
        // After an answer that never came nobody knows, and that is what is said.
        Err(error) if there == new => {
            let text = error.to_string();
            // Or somebody deleted it just after, as far as can be seen.
            let unsure = ["not known", "it was written", "vanished"];
            assert!(unsure.iter().any(|word| text.contains(word)), "{text}");
        }
        Err(error) => assert_ne!(error.kind(), Kind::Verify, "{error}"),
    }
    // The next run completes it, and nothing is left.
    rig.server.plan(|_| Fault::None);
    // Marks of a process that is no more: this one lives.
    rig.memory.bucket(BUCKET, |bucket| {
        let marks = bucket.uploads.values_mut().filter_map(|upload| upload.parts.get_mut(&10_000));
        marks.for_each(|mark| mark.fill(7));
    });
    let next = S3::tuned(&options(&rig.server), lent(), small()).unwrap();
    next.abort_left_uploads(&place("d/")).unwrap();
    rig.scrub("d/k", edits).unwrap();
    assert!(rig.memory.get(BUCKET, "d/k").unwrap() == patch(len, edits).to_bytes(&there).unwrap());
    rig.memory.bucket(BUCKET, |bucket| {
        // An empty upload whose beginning was never answered shows nothing of who began it; one with a part is found.
        bucket.uploads.retain(|_, upload| !upload.parts.is_empty());
        assert!(bucket.uploads.is_empty(), "unfinished uploads");
        assert_eq!(bucket.keys.len(), 2, "and no probe");
    });
    requests
}

#[test]
fn one_fault_at_any_request() {
    for len in [3_000, 40_000] {
        let requests = run(len, |_| Fault::None);
        for kind in KINDS {
            for n in 0..requests {
                run(len, move |at| if at == n { *kind } else { Fault::None });
            }
        }
    }
}

#[test]
fn faults_from_a_request_on() {
    for len in [3_000, 40_000] {
        let requests = run(len, |_| Fault::None);
        for kind in [Fault::Internal, Fault::Reset, Fault::Lost, Fault::Status(403)] {
            for n in 0..requests {
                run(len, move |at| if at >= n { kind } else { Fault::None });
            }
        }
    }
}

#[test]
fn storms_are_weathered() {
    for len in [3_000, 40_000] {
        let rig = rig();
        rig.memory.put(BUCKET, "k", &bytes(len));
        rig.server.plan(|asked| if asked.n % 7 < 2 { Fault::SlowDown } else { Fault::None });
        rig.scrub("k", &[(5, 6, b"")]).unwrap();
        assert_eq!(rig.memory.get(BUCKET, "k").unwrap().len(), len - 1);
    }
}

#[test]
fn a_lost_answer_to_a_committed_write_is_known_as_ours() {
    for (len, operation) in [(3_000, "PutObject"), (40_000, "CompleteMultipartUpload")] {
        for versioned in [false, true] {
            let rig = rig();
            rig.memory.bucket(BUCKET, |bucket| bucket.versioned = versioned);
            rig.memory.put(BUCKET, "d/k", &bytes(len));
            let lost = std::sync::atomic::AtomicBool::new(false);
            rig.server.plan(move |asked| {
                let this = asked.operation() == operation && !asked.target.contains("probe");
                let first = this && !lost.swap(true, std::sync::atomic::Ordering::Relaxed);
                if first { Fault::Lost } else { Fault::None }
            });
            rig.scrub("d/k", &[(5, 6, b"")]).unwrap();
            let written = rig.memory.bucket(BUCKET, |bucket| bucket.keys["d/k"].len());
            assert_eq!(written, if versioned { 2 } else { 1 }, "it is written once");
        }
    }
}

#[test]
fn a_conflict_is_tried_again() {
    let rig = rig();
    rig.memory.put(BUCKET, "d/k", &bytes(40_000));
    let count = std::sync::atomic::AtomicUsize::new(0);
    rig.server.plan(move |asked| {
        let this = asked.operation() == "CompleteMultipartUpload" && !asked.target.contains("probe");
        let n = if this { count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) } else { 9 };
        if n < 2 { Fault::Conflict } else { Fault::None }
    });
    rig.scrub("d/k", &[(5, 6, b"")]).unwrap();
    assert_eq!(rig.memory.unfinished(BUCKET), 0);
}

#[test]
fn a_draft_that_goes_leaves_nothing() {
    let rig = rig();
    rig.memory.put(BUCKET, "d/k", &bytes(40_000));
    rig.server.plan(|asked| {
        let this = asked.operation() == "UploadPart" && !asked.target.contains("probe");
        if this && !asked.target.contains("partNumber=10000") { Fault::Status(403) } else { Fault::None }
    });
    let error = rig.scrub("d/k", &[(20_000, 20_001, b"new")]).unwrap_err();
    assert!(error.to_string().starts_with("UploadPart: HTTP 403"), "{error}");
    assert_eq!(rig.memory.unfinished(BUCKET), 0);
}

#[test]
fn uploads_of_killed_runs_are_aborted_and_no_others() {
    let rig = rig();
    let upload = |parts: &[(i32, Vec<u8>)], hours: u64| Unfinished {
        key: "d/k".to_owned(),
        parts: parts.iter().cloned().collect(),
        begun: Some(std::time::SystemTime::now() - Duration::from_secs(hours * 3600)),
        ..Unfinished::default()
    };
    let dead = vec![7; mark::own().len()];
    let elsewhere = vec![7; mark::own().len() - 1];
    rig.memory.bucket(BUCKET, |bucket| {
        bucket.uploads.insert("dead".to_owned(), upload(&[(1, vec![1]), (10_000, dead.clone())], 0));
        bucket.uploads.insert("alive".to_owned(), upload(&[(10_000, mark::own())], 0));
        bucket.uploads.insert("another machine's".to_owned(), upload(&[(10_000, elsewhere.clone())], 1));
        bucket.uploads.insert("another machine's, old".to_owned(), upload(&[(10_000, elsewhere.clone())], 9));
        bucket.uploads.insert("of others".to_owned(), upload(&[(1, vec![1]), (2, vec![2])], 9));
        bucket.uploads.insert("of others, empty".to_owned(), upload(&[], 9));
        let mut outside = upload(&[(10_000, dead.clone())], 9);
        outside.key = "e/k".to_owned();
        bucket.uploads.insert("outside".to_owned(), outside);
    });
    assert_eq!(rig.store.abort_left_uploads(&place("d/")).unwrap(), Swept { aborted: 2, others: 2 });
    let left = rig.memory.bucket(BUCKET, |bucket| bucket.uploads.keys().cloned().collect::<Vec<_>>());
    assert_eq!(left, ["alive", "another machine's", "of others", "of others, empty", "outside"]);
}

#[test]
fn a_signal_ends_the_waiting() {
    let rig = rig();
    rig.memory.put(BUCKET, "k", &bytes(40_000));
    let opened = rig.open("k");
    rig.store.lent.interrupted.store(true, std::sync::atomic::Ordering::Relaxed);
    rig.server.plan(|_| {
        std::thread::sleep(Duration::from_secs(3));
        Fault::None
    });
    let begun = std::time::Instant::now();
    opened.read_at(0, &mut [0; 10]).unwrap_err();
    assert_eq!(rig.store.look(&place("k")).unwrap_err().kind(), Kind::Interrupted);
    assert!(begun.elapsed() < Duration::from_secs(2));
}
