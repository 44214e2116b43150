//! Texts that grow: whole after each write, whatever a server does, and never two writers of one.

use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::server::Fault;
use super::*;
use crate::blob::Spool;
use crate::error::Kind;
use crate::manifest::journal::Opened as Manifest;

const KEY: &str = "d/m";

fn spool(bytes: &[u8]) -> Spool {
    let mut spool = Spool::new(&lent().space);
    spool.append(bytes).unwrap();
    spool
}

/// Opens the text and reads it; what it holds.
fn open(store: &S3) -> Result<(Text, Vec<u8>)> {
    let mut text = store.text(&place(KEY))?;
    let mut spool = Spool::new(&lent().space);
    text.read(&mut spool)?;
    let held = if spool.is_empty() { Vec::new() } else { all(&spool, 4096) };
    Ok((text, held))
}

fn there(rig: &Rig) -> Vec<u8> {
    rig.memory.get(BUCKET, KEY).unwrap_or_default()
}

#[test]
fn a_text_is_sent_whole_as_long_as_it_is_short_and_then_copied() {
    let rig = rig();
    let (mut text, mut want) = (open(&rig.store).unwrap().0, Vec::new());
    assert!(text.is_empty() && !text.is_busy());
    for round in 0..40 {
        let tail = bytes(100 + round * 61 % 1500);
        rig.server.plan(|_| Fault::None);
        text.append(spool(&tail)).unwrap();
        let sent: usize = rig.server.asked().iter().map(|asked| asked.sent).sum();
        let (was, operations) = (want.len(), rig.server.operations());
        want.extend_from_slice(&tail);
        assert!(there(&rig) == want && text.len() == want.len() as u64, "round {round}");
        assert_eq!(operations.contains(&"UploadPartCopy"), was > 8 << 10, "{was}: {operations:?}");
        assert!(!operations.contains(&"GetObject"), "what was written is not read again");
        assert!(sent < 30_000, "{sent}");
        if round % 7 == 3 {
            // The next run.
            let (next, read) = open(&rig.store).unwrap();
            assert!(read == want);
            text = next;
        }
    }
    assert_eq!(rig.memory.unfinished(BUCKET), 0);
    let head = rig.memory.bucket(BUCKET, |bucket| bucket.current(KEY).unwrap().head.clone());
    assert_eq!(head.content_type.as_deref(), Some("application/x-ndjson"));
}

#[test]
fn what_a_text_has_besides_its_bytes_stays() {
    for len in [10, 20_000] {
        let rig = rig();
        let metadata = [("team".to_owned(), "blue".to_owned())].into();
        let head = memory::Kept { metadata, class: Some("STANDARD_IA".to_owned()), ..memory::Kept::default() };
        rig.memory.put_with(BUCKET, KEY, &bytes(len), head);
        let (mut text, _) = open(&rig.store).unwrap();
        (0..2).for_each(|_| text.append(spool(b"line\n")).unwrap());
        let head = rig.memory.bucket(BUCKET, |bucket| bucket.current(KEY).unwrap().head.clone());
        assert_eq!((head.metadata["team"].as_str(), head.class.as_deref()), ("blue", Some("STANDARD_IA")));
        assert!(there(&rig) == [&bytes(len)[..], b"line\nline\n"].concat());
    }
}

/// Three writes with faults: what stands there is always what some number of them made, and no error is taken for a success.
fn writes(len: usize, plan: impl Fn(usize) -> Fault + Send + Sync + 'static) -> usize {
    let rig = rig();
    if len > 0 {
        rig.memory.put(BUCKET, KEY, &bytes(len));
    }
    rig.server.plan(move |asked| plan(asked.n));
    let mut states = vec![bytes(len)];
    let mut sure = 0;
    if let Ok((mut text, read)) = open(&rig.store) {
        assert!(read == states[0]);
        for n in 0..3u8 {
            let tail = [bytes(700), vec![n]].concat();
            states.push([states.last().unwrap().clone(), tail.clone()].concat());
            match text.append(spool(&tail)) {
                Ok(()) => sure = states.len() - 1,
                Err(error) => {
                    assert!(!matches!(error.kind(), Kind::Verify | Kind::Usage), "{error}");
                    break;
                }
            }
        }
    }
    let requests = rig.server.asked().len();
    let stands = there(&rig);
    let at = states.iter().position(|state| *state == stands).expect("whole");
    assert!(at >= sure, "what was said to be durable is there");
    // The next run goes on from what stands there.
    rig.server.plan(|_| Fault::None);
    let (mut text, read) = open(&rig.store).unwrap();
    assert!(read == stands);
    text.append(spool(b"next")).unwrap();
    assert!(there(&rig) == [&stands[..], b"next"].concat());
    requests
}

#[test]
fn a_text_is_whole_after_any_fault() {
    let kinds = [
        Fault::SlowDown,
        Fault::Internal,
        Fault::Reset,
        Fault::Lost,
        Fault::Cut(3),
        Fault::Precondition,
        Fault::Status(403),
    ];
    for len in [0, 20_000] {
        let requests = writes(len, |_| Fault::None);
        assert!(requests > 6);
        for kind in kinds {
            for n in 0..requests {
                writes(len, move |at| if at == n { kind } else { Fault::None });
            }
        }
    }
    for len in [3_000, 20_000] {
        let requests = writes(len, |_| Fault::None);
        for kind in [Fault::Lost, Fault::Internal, Fault::Status(403)] {
            for n in (0..requests).step_by(3) {
                writes(len, move |at| if at >= n { kind } else { Fault::None });
            }
        }
    }
}

#[test]
fn a_lost_answer_is_known_as_ours() {
    for (len, operation) in [(0, "PutObject"), (3_000, "PutObject"), (20_000, "CompleteMultipartUpload")] {
        let rig = rig();
        rig.memory.bucket(BUCKET, |bucket| bucket.versioned = true);
        if len > 0 {
            rig.memory.put(BUCKET, KEY, &bytes(len));
        }
        let (mut text, _) = open(&rig.store).unwrap();
        let lost = AtomicBool::new(false);
        rig.server.plan(move |asked| {
            let this = asked.operation() == operation && !asked.target.contains("probe");
            if this && !lost.swap(true, Ordering::Relaxed) { Fault::Lost } else { Fault::None }
        });
        text.append(spool(b"one")).unwrap();
        text.append(spool(b"two")).unwrap();
        assert!(there(&rig) == [&bytes(len)[..], b"onetwo"].concat());
        let versions = rig.memory.bucket(BUCKET, |bucket| bucket.keys[KEY].len());
        assert_eq!(versions, 2 + usize::from(len > 0), "each is written once");
    }
}

#[test]
fn of_two_writers_the_second_is_refused_and_nothing_is_lost() {
    for len in [0, 3_000, 20_000] {
        let rig = rig();
        if len > 0 {
            rig.memory.put(BUCKET, KEY, &bytes(len));
        }
        let (mut one, _) = open(&rig.store).unwrap();
        let (mut two, _) = open(&rig.store).unwrap();
        one.append(spool(b"one")).unwrap();
        assert_eq!(two.append(spool(b"two")).unwrap_err().kind(), Kind::Locked);
        one.append(spool(b"more")).unwrap();
        assert!(there(&rig) == [&bytes(len)[..], b"onemore"].concat());
        rig.memory.bucket(BUCKET, |bucket| bucket.keys.remove(KEY));
        let error = one.append(spool(b"!")).unwrap_err();
        assert!(error.kind() == Kind::Io && error.to_string().contains("deleted"), "{error}");
        assert!(rig.memory.get(BUCKET, KEY).is_none(), "what somebody deleted does not come back");
    }
}

/// What a run has done before a signal came is still told.
#[test]
fn a_signal_does_not_end_a_write() {
    for len in [0, 3_000, 20_000] {
        let rig = rig();
        if len > 0 {
            rig.memory.put(BUCKET, KEY, &bytes(len));
        }
        let (mut text, _) = open(&rig.store).unwrap();
        rig.store.lent.interrupted.store(true, Ordering::Relaxed);
        rig.server.plan(|_| {
            std::thread::sleep(Duration::from_millis(120));
            Fault::None
        });
        text.append(spool(b"last")).unwrap();
        assert!(there(&rig) == [&bytes(len)[..], b"last"].concat());
        assert_eq!(open(&rig.store).unwrap_err().kind(), Kind::Interrupted);
    }
}

/// Who wrote an unfinished text may still write it: this process lives, another may, and one that is silent for long does not.
#[test]
fn a_text_that_is_being_written_is_told() {
    let rig = rig();
    open(&rig.store).unwrap().0.append(spool(b"x")).unwrap();
    assert!(open(&rig.store).unwrap().0.is_busy());
    let of = |writer: &str, minutes: u64| {
        rig.memory.bucket(BUCKET, |bucket| {
            let version = bucket.keys.get_mut(KEY).unwrap().last_mut().unwrap();
            version.head.metadata.insert("unwrite-writer".to_owned(), writer.to_owned());
            version.modified = Some(std::time::SystemTime::now() - Duration::from_secs(60 * minutes));
        });
        open(&rig.store).unwrap().0.is_busy()
    };
    let own = mark::process();
    let dead = format!("{}-{}", own.split_once('-').unwrap().0, "0".repeat(32));
    assert!(of(&own, 90) && !of(&dead, 0));
    assert!(of("1-abc", 1) && !of("1-abc", 20));
}

/// Lines of many threads are written together; each is there when its thread goes on.
#[test]
fn who_waits_for_a_write_shares_the_next() {
    const THREADS: usize = 16;
    let rig = rig();
    rig.server.plan(|asked| {
        if asked.operation() == "PutObject" {
            std::thread::sleep(Duration::from_millis(150));
        }
        Fault::None
    });
    let path = format!("s3://{BUCKET}/{KEY}");
    let journal = Manifest::open(Path::new(&path), Some(&rig.store), &lent().space).unwrap().journal(&lent().space);
    let (begin, checked) = (Barrier::new(THREADS), AtomicUsize::default());
    std::thread::scope(|scope| {
        for n in 0..THREADS {
            let (rig, journal, begin, checked) = (&rig, &journal, &begin, &checked);
            scope.spawn(move || {
                let line = format!("line {n:02}\n");
                begin.wait();
                journal.append(line.as_bytes()).unwrap();
                journal.sync().unwrap();
                assert!(String::from_utf8(there(rig)).unwrap().contains(&line), "durable");
                checked.fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    let asked = rig.server.asked();
    let of_text = asked.iter().filter(|asked| asked.operation() == "PutObject" && !asked.target.contains("probe"));
    assert!(of_text.count() <= 4, "sixteen lines in a few writes");
    assert_eq!((checked.into_inner(), there(&rig).len()), (THREADS, THREADS * 8));
    // What was not waited for goes with the journal, and a journal that failed stays so.
    journal.append(b"last\n").unwrap();
    drop(journal);
    assert!(there(&rig).ends_with(b"last\n"));
    let journal = Manifest::open(Path::new(&path), Some(&rig.store), &lent().space).unwrap().journal(&lent().space);
    journal.append(b"mine\n").unwrap();
    rig.memory.put(BUCKET, KEY, b"theirs\n");
    assert_eq!(journal.sync().unwrap_err().kind(), Kind::Locked);
    assert_eq!(journal.append(b"more\n").unwrap_err().kind(), Kind::Locked);
    assert_eq!(journal.sync().unwrap_err().kind(), Kind::Locked);
    drop(journal);
    assert_eq!(there(&rig), b"theirs\n");
}
