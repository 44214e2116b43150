//! Writes of which not all is known: they are looked at, not aborted, and what is said of them is true.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::server::{Asked, Fault};
use super::*;
use crate::error::Kind;

const LAST: [(usize, &str); 2] = [(3_000, "PutObject"), (40_000, "CompleteMultipartUpload")];

fn is_last(asked: &Asked, operation: &str) -> bool {
    asked.operation() == operation && !asked.target.contains("probe")
}

fn filled(len: usize) -> Rig {
    let rig = rig();
    rig.memory.put(BUCKET, "d/k", &bytes(len));
    rig
}

fn aborts(rig: &Rig) -> usize {
    rig.server.asked().iter().filter(|asked| is_last(asked, "AbortMultipartUpload")).count()
}

/// The answer to the first attempt is lost, the second is refused, in whatever way.
#[test]
fn a_refusal_after_a_lost_answer_is_looked_into() {
    for (len, operation) in LAST {
        for status in [400, 403, 404, 409, 412] {
            let rig = filled(len);
            let attempts = AtomicUsize::new(0);
            rig.server.plan(move |asked| match is_last(asked, operation) {
                true if attempts.fetch_add(1, Ordering::Relaxed) == 0 => Fault::Lost,
                true => Fault::Status(status),
                false => Fault::None,
            });
            rig.scrub("d/k", &[(5, 6, b"")]).unwrap_or_else(|error| panic!("{operation} {status}: {error}"));
            assert_eq!(rig.memory.get(BUCKET, "d/k").unwrap().len(), len - 1);
            assert_eq!(aborts(&rig), 0, "it is completed");
        }
    }
}

/// A refusal that was one, and the old version is there.
#[test]
fn a_refusal_is_told_as_it_was() {
    for (len, operation) in LAST {
        let rig = filled(len);
        rig.server.plan(move |asked| if is_last(asked, operation) { Fault::Status(403) } else { Fault::None });
        let error = rig.scrub("d/k", &[(5, 6, b"")]).unwrap_err();
        assert!(!error.is_unsure() && error.to_string().starts_with(&format!("{operation}: HTTP 403")), "{error}");
        assert_eq!(rig.memory.unfinished(BUCKET), 0, "what is known not to be done is aborted");
    }
}

#[test]
fn what_cannot_be_looked_at_is_not_aborted_and_said_to_be_unsure() {
    for (len, operation) in LAST {
        for refused in [Fault::Lost, Fault::Status(403)] {
            let rig = filled(len);
            let sent = AtomicBool::new(false);
            rig.server.plan(move |asked| {
                sent.fetch_or(is_last(asked, operation), Ordering::Relaxed);
                match asked.operation() {
                    _ if is_last(asked, operation) => refused,
                    "HeadObject" if sent.load(Ordering::Relaxed) => Fault::Status(403),
                    _ => Fault::None,
                }
            });
            let error = rig.scrub("d/k", &[(5, 6, b"")]).unwrap_err();
            assert!(error.is_unsure() && error.kind() == Kind::Io, "{error}");
            assert!(error.to_string().ends_with("whether it was written is not known"), "{error}");
            assert_eq!(aborts(&rig), 0);
        }
    }
}

/// Answered, and then replaced, deleted or not to be seen: it was written all the same.
#[test]
fn what_was_written_and_is_gone_is_unsure() {
    for after in ["theirs", "nothing", "refused"] {
        let rig = filled(100);
        let memory = rig.memory.clone();
        rig.server.plan(move |asked| {
            let written = memory.bucket(BUCKET, |bucket| bucket.current("d/k").is_none_or(|v| v.body.len() == 99));
            match after {
                _ if asked.operation() != "HeadObject" || !written => {}
                "theirs" => drop(memory.put(BUCKET, "d/k", b"theirs")),
                "nothing" => memory.bucket(BUCKET, |bucket| bucket.keys.clear()),
                _ => return Fault::Status(403),
            }
            Fault::None
        });
        assert!(rig.scrub("d/k", &[(1, 2, b"")]).unwrap_err().is_unsure(), "{after}");
    }
}

/// Without preconditions the last look is just before the object is put in its place.
#[test]
fn who_writes_while_parts_are_sent_is_not_overwritten() {
    let rig = rig_with(|options| options.unconditional = true);
    rig.memory.put(BUCKET, "d/k", &bytes(100_000));
    rig.memory.bucket(BUCKET, |bucket| bucket.ignores = true);
    let memory = rig.memory.clone();
    rig.server.plan(move |asked| {
        if is_last(asked, "UploadPart") {
            memory.put(BUCKET, "d/k", b"theirs");
        }
        Fault::None
    });
    let error = rig.scrub("d/k", &[(50_000, 50_009, b"new")]).unwrap_err();
    assert_eq!((error.kind(), error.reason().as_str()), (Kind::Skipped, "changed"));
    assert_eq!(rig.memory.get(BUCKET, "d/k").unwrap(), b"theirs");
    assert_eq!(rig.memory.unfinished(BUCKET), 0);
}

/// Only an upload that may have been begun twice has a twin to look for.
#[test]
fn a_refused_upload_has_no_twin() {
    for (fault, looks) in [(Fault::Status(403), 0), (Fault::Internal, 1)] {
        let rig = filled(40_000);
        rig.server.plan(move |asked| if is_last(asked, "CreateMultipartUpload") { fault } else { Fault::None });
        rig.scrub("d/k", &[(5, 6, b"")]).unwrap_err();
        let asked = rig.server.asked();
        assert_eq!(asked.iter().filter(|asked| asked.operation() == "ListMultipartUploads").count(), looks);
    }
}
