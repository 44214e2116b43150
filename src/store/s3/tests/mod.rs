//! Tests of the store against a server in this process, that can be told to fail at any request.

mod faults;
mod memory;
mod model;
mod reading;
mod server;
mod text;
mod unsure;
mod versions;
mod writing;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use memory::Memory;
use server::Server;

use super::*;
use crate::blob::{Blob, TempSpace};
use crate::edit::{EditList, Patch};
use crate::error::Result;
use crate::span::Span;
use crate::store::{Committed, Draft, Original, Purpose, To};

/// A server, what is behind it, and a store that speaks with it.
struct Rig {
    memory: Memory,
    server: Server,
    store: S3,
}

const BUCKET: &str = "bucket";

/// Sizes a thousand times smaller than they are.
fn small() -> Tuning {
    let parts = parts::Bounds { least: 5 << 10, sent: 8 << 10, most_sent: 1 << 20, copied: 200 << 10, parts: 9_999 };
    Tuning {
        requests: 8,
        whole: 4 << 10,
        first: 1 << 10,
        block: 16 << 10,
        depth: 4,
        ahead: 1 << 20,
        put: 8 << 10,
        parts,
        sending: 3,
        resumes: 5,
        attempts: 3,
        backoff: Duration::from_millis(1),
    }
}

fn lent() -> Lent {
    Lent { space: TempSpace::new(std::env::temp_dir(), 1 << 30), interrupted: Arc::new(AtomicBool::new(false)) }
}

fn options(server: &Server) -> Options {
    Options {
        endpoint: Some(server.endpoint()),
        region: Some("us-east-1".to_owned()),
        no_sign: true,
        ..Options::default()
    }
}

fn rig() -> Rig {
    rig_with(|_| {})
}

fn rig_with(change: impl FnOnce(&mut Options)) -> Rig {
    let memory = Memory::with_buckets(&[BUCKET, "other"]);
    memory.least_part(5 << 10);
    let server = Server::start(memory.clone());
    let mut options = options(&server);
    change(&mut options);
    let store = S3::tuned(&options, lent(), small()).unwrap();
    Rig { memory, server, store }
}

fn place(key: &str) -> Place {
    Place { bucket: BUCKET.to_owned(), key: key.to_owned() }
}

/// Bytes that are told apart wherever they stand.
fn bytes(len: usize) -> Vec<u8> {
    (0..len as u64).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn patch(len: usize, edits: &[(u64, u64, &[u8])]) -> Patch {
    let space = TempSpace::new(std::env::temp_dir(), 1 << 30);
    let mut list = EditList::new(&space);
    for (start, end, payload) in edits {
        list.push(Span::new(*start, *end), payload).unwrap();
    }
    Patch { base_len: len as u64, edits: list }
}

impl Rig {
    fn open(&self, key: &str) -> Opened {
        let entry = self.store.look(&place(key)).unwrap().unwrap();
        self.store.open(&entry, Purpose::Read).unwrap()
    }

    /// As a scrub does: reads it, drafts, reads the draft, commits.
    fn scrub(&self, key: &str, edits: &[(u64, u64, &[u8])]) -> Result<Committed> {
        let entry = self.store.look(&place(key))?.ok_or_else(|| crate::error::Error::usage("not there"))?;
        let opened = self.store.open(&entry, Purpose::Read)?;
        let read = |blob: &dyn Blob| crate::store::digest(blob);
        let failed = |error| opened.check().err().unwrap_or(error);
        read(&opened).map_err(failed)?;
        let patch = patch(entry.size as usize, edits);
        let mut draft = opened.draft(To::InPlace, patch.len())?;
        draft.apply(&patch)?;
        let seen = read(draft.blob()).map_err(failed)?;
        assert_eq!(draft.sha256()?, seen, "the digest is that of the draft");
        draft.commit()
    }
}

/// Reads all of a blob in pieces.
fn all(blob: &dyn Blob, piece: usize) -> Vec<u8> {
    let (mut out, mut buf) = (Vec::new(), vec![0; piece]);
    while (out.len() as u64) < blob.len() {
        let n = blob.read_at(out.len() as u64, &mut buf).unwrap();
        assert!(n > 0);
        out.extend_from_slice(&buf[..n]);
    }
    out
}
