//! An object, opened: read by ranges that are all of one version, ahead of the reader where it goes forward.
//!
//! Every request asks for the version by `If-Match` (and by version id where that is known), so that bytes of two versions never
//! come together. Where reading goes on at the end of a block, blocks grow from [`Tuning::first`] to [`Tuning::block`] and several
//! are fetched ahead; after a jump they are small again. An answer that is cut off is read on from there. Memory of one
//! object: the blocks under way, bounded for all objects together by [`Tuning::ahead`], and `KEPT` blocks besides.
//!
//! [`Tuning::first`]: super::Tuning::first
//! [`Tuning::block`]: super::Tuning::block
//! [`Tuning::ahead`]: super::Tuning::ahead

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::types::ChecksumMode;
use tokio::task::JoinHandle;

use super::client::S3;
use super::core::{Core, bare, quoted};
use super::fault::{Fault, Op, What};
use super::sse;
use super::write::{ObjectDraft, Origin, Target};
use super::{Entry, Place};
use crate::blob::Blob;
use crate::error::{Error, Kind, Result};
use crate::store::{Draft, Identity, Note, Original, To};

/// Blocks that are kept besides those under way: what is read again is mostly just behind.
const KEPT: usize = 3;
/// How long a wait for a block lasts before it looks for a signal.
const LOOK: Duration = Duration::from_millis(100);

/// An object that was opened. `Debug` shows no key.
pub struct Opened {
    pub(super) store: S3,
    pub(super) entry: Entry,
    desk: Arc<Desk>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("entry", &self.entry).finish_non_exhaustive()
    }
}

/// What the reader and the fetching tasks share.
pub(super) struct Desk {
    core: Arc<Core>,
    place: Place,
    etag: String,
    version: Option<String>,
    len: u64,
    state: Mutex<State>,
    came: Condvar,
    /// Not encrypted with the customer's key, though there is one.
    is_plain: AtomicBool,
}

#[derive(Default)]
struct State {
    /// From the one that was used longest ago.
    blocks: VecDeque<Block>,
    /// The first fault of all: what [`Original::check`] tells.
    fault: Option<Fault>,
    /// Counts blocks.
    next: u64,
}

struct Block {
    id: u64,
    start: u64,
    end: u64,
    bytes: Came,
    task: Option<JoinHandle<()>>,
    /// What it has of the bytes that all objects may read ahead.
    share: Option<Share>,
}

enum Came {
    NotYet,
    Here(Vec<u8>),
    Never(Fault),
}

/// Bytes of the common bound on what is read ahead.
struct Share(Arc<Core>, u64);

impl Drop for Share {
    fn drop(&mut self) {
        self.0.ahead.fetch_add(self.1, Ordering::Relaxed);
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// Objects that are fetched before they are opened, in that order.
#[derive(Default)]
pub(super) struct Soon(Mutex<VecDeque<Arc<Desk>>>);

/// How many.
const SOON: usize = 64;

/// Begins to fetch a small object that is opened soon, if the bound on what is read ahead has room for it.
pub(super) fn soon(store: &S3, entry: &Entry) {
    if entry.size == 0 || entry.size > store.core.tuning.whole || entry.archived {
        return;
    }
    let mut soon = store.soon.0.lock().unwrap_or_else(PoisonError::into_inner);
    if soon.iter().any(|desk| desk.is_of(entry)) {
        return;
    }
    if soon.len() >= SOON
        && let Some(stale) = soon.pop_front()
    {
        // Nobody wanted it.
        stale.state().blocks.clear();
    }
    let Some(share) = take(&store.core, entry.size) else { return };
    let desk = Arc::new(Desk::new(store, entry));
    desk.fetch(store, &mut desk.state(), (0, entry.size), Some(share));
    soon.push_back(desk);
}

impl Soon {
    fn take(&self, entry: &Entry) -> Option<Arc<Desk>> {
        let mut soon = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = soon.iter().position(|desk| desk.is_of(entry))?;
        soon.remove(at)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        // What is under way is for nobody; its tasks hold the desk.
        self.desk.state().blocks.clear();
    }
}

impl Opened {
    pub(super) fn new(store: &S3, entry: &Entry) -> Self {
        let desk = store.soon.take(entry).unwrap_or_else(|| Arc::new(Desk::new(store, entry)));
        Self { store: store.clone(), entry: entry.clone(), desk }
    }

    /// Asks for `[start, end)`.
    fn fetch(&self, state: &mut State, start: u64, end: u64, share: Option<Share>) {
        self.desk.fetch(&self.store, state, (start, end), share);
    }

    /// The block in which `at` stands, asked for if there is none.
    fn demand(&self, state: &mut State, at: u64) {
        let tuning = &self.store.core.tuning;
        let size = if self.desk.len <= tuning.whole {
            self.desk.len
        } else if at == 0 {
            tuning.first.saturating_mul(4).min(tuning.block)
        } else {
            let before = state.blocks.iter().find(|block| block.end == at);
            before.map_or(tuning.first, |block| grown(block, tuning.block))
        };
        let start = if self.desk.len <= tuning.whole { 0 } else { at };
        let mut end = self.desk.len.min(start.saturating_add(size.max(1)));
        for block in &state.blocks {
            if block.start > at {
                end = end.min(block.start);
            }
        }
        self.fetch(state, start, end, None);
    }

    /// Asks for what comes after the block that ends at `end`, as far as the bounds let it.
    fn ahead(&self, state: &mut State, at: usize) {
        let tuning = &self.store.core.tuning;
        let Some(mut last) = state.blocks.get(at).map(|block| (block.end, grown(block, tuning.block))) else { return };
        for _ in 0..tuning.depth.saturating_sub(1) {
            let (start, size) = last;
            if start >= self.desk.len {
                return;
            }
            if let Some(block) = state.blocks.iter().find(|block| block.start <= start && start < block.end) {
                last = (block.end, grown(block, tuning.block));
                continue;
            }
            let end = self.desk.len.min(start.saturating_add(size));
            let Some(share) = take(&self.store.core, end - start) else { return };
            self.fetch(state, start, end, Some(share));
            last = (end, size.saturating_mul(2).min(tuning.block));
        }
    }
}

/// Lets go of blocks that were used long ago.
fn trim(state: &mut State) {
    let is_used = |block: &Block| block.share.is_none() && matches!(block.bytes, Came::Here(_));
    let mut used = state.blocks.iter().filter(|block| is_used(block)).count();
    state.blocks.retain(|block| {
        let goes = used > KEPT && is_used(block);
        used -= usize::from(goes);
        !goes
    });
}

/// Length of the block after one.
fn grown(block: &Block, most: u64) -> u64 {
    (block.end - block.start).saturating_mul(2).clamp(1, most)
}

/// A share of what may be read ahead.
fn take(core: &Arc<Core>, bytes: u64) -> Option<Share> {
    let taken = core.ahead.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
    taken.is_ok().then(|| Share(Arc::clone(core), bytes))
}

impl Blob for Opened {
    fn len(&self) -> u64 {
        self.desk.len
    }

    /// Errors: [`Original::check`] tells the reason.
    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        if at >= self.desk.len || buf.is_empty() {
            return Ok(0);
        }
        let most = self.store.lent.space.pace().take(buf.len());
        let buf = buf.get_mut(..most).unwrap_or_default();
        let mut state = self.desk.state();
        loop {
            let Some(index) = state.blocks.iter().position(|block| block.start <= at && at < block.end) else {
                self.demand(&mut state, at);
                continue;
            };
            let Some(block) = state.blocks.get(index) else { continue };
            match &block.bytes {
                Came::NotYet => {
                    if self.store.is_interrupted() {
                        return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
                    }
                    let waited = self.desk.came.wait_timeout(state, LOOK);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                Came::Never(fault) => {
                    let fault = *fault;
                    state.blocks.remove(index);
                    state.fault.get_or_insert(fault);
                    return Err(io::Error::from(io::ErrorKind::Other));
                }
                Came::Here(bytes) => {
                    let n = bytes.as_slice().read_at(at - block.start, buf)?;
                    // Past its middle what follows is wanted, unless only a little was looked at.
                    let wanted = block.end - block.start > self.store.core.tuning.first
                        && at + n as u64 - block.start > (block.end - block.start) / 4;
                    if wanted {
                        self.ahead(&mut state, index);
                    }
                    // The one that was used last is the last to go.
                    if let Some(index) = state.blocks.iter().position(|block| block.start <= at && at < block.end)
                        && let Some(mut block) = state.blocks.remove(index)
                    {
                        // It was read ahead, and is wanted now.
                        block.share = None;
                        state.blocks.push_back(block);
                    }
                    trim(&mut state);
                    return Ok(n);
                }
            }
        }
    }
}

impl Original for Opened {
    fn identity(&self) -> Identity {
        self.entry.identity()
    }

    /// Makes no request: what was read is of one version, or a fault is known. Whether that is still the current one is asked
    /// at commit, by a precondition.
    fn check(&self) -> Result<()> {
        if self.store.is_interrupted() {
            return Err(Error::new(Kind::Interrupted, "interrupted"));
        }
        match self.desk.state().fault {
            Some(fault) => Err(Error::from(fault)),
            None => Ok(()),
        }
    }

    fn notes(&self) -> Vec<Note> {
        Vec::new()
    }

    fn draft<'o>(&'o self, to: To<'_>, len: u64) -> Result<Box<dyn Draft + 'o>> {
        let target = match to {
            To::InPlace => Target::InPlace,
            To::Object { target, overwrite } => Target::Mirror { place: target.clone(), overwrite },
            To::Mirror { .. } => return Err(Error::new(Kind::Io, "not in a bucket")),
        };
        Ok(Box::new(ObjectDraft::create(&self.store, Origin::Object(self), target, len)?))
    }
}

/// A block on its way: whatever becomes of its task, nobody waits for it for ever.
struct Landing {
    desk: Arc<Desk>,
    id: u64,
    got: Option<std::result::Result<Vec<u8>, Fault>>,
}

impl Landing {
    fn land(mut self, got: std::result::Result<Vec<u8>, Fault>) {
        self.got = Some(got);
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let got = self.got.take().unwrap_or(Err(Fault::odd(Op::Get, "a request that broke off")));
        self.desk.put(self.id, got);
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new(store: &S3, entry: &Entry) -> Self {
        Self {
            core: Arc::clone(&store.core),
            place: entry.place.clone(),
            etag: entry.etag.clone(),
            version: entry.version.clone(),
            len: entry.size,
            state: Mutex::default(),
            came: Condvar::new(),
            is_plain: AtomicBool::new(false),
        }
    }

    /// Whether it is for this version.
    fn is_of(&self, entry: &Entry) -> bool {
        (&self.place, &self.etag, &self.version, self.len) == (&entry.place, &entry.etag, &entry.version, entry.size)
    }

    /// Asks for `[start, end)`.
    fn fetch(self: &Arc<Self>, store: &S3, state: &mut State, (start, end): (u64, u64), share: Option<Share>) {
        let id = state.next;
        state.next += 1;
        let landing = Landing { desk: Arc::clone(self), id, got: None };
        let task = store.spawn(async move {
            let got = landing.desk.get(start, end).await;
            landing.land(got);
        });
        state.blocks.push_back(Block { id, start, end, bytes: Came::NotYet, task: Some(task), share });
        while state.blocks.len() > KEPT + self.core.tuning.depth {
            state.blocks.pop_front();
        }
    }

    /// Hands over what came.
    fn put(&self, id: u64, got: std::result::Result<Vec<u8>, Fault>) {
        let mut state = self.state();
        if let Some(block) = state.blocks.iter_mut().find(|block| block.id == id) {
            block.bytes = match got {
                Ok(bytes) => Came::Here(bytes),
                Err(fault) => Came::Never(fault),
            };
            block.task = None;
        }
        drop(state);
        self.came.notify_all();
    }

    /// All of `[start, end)`; an answer that is cut off is asked for again from there.
    async fn get(&self, start: u64, end: u64) -> std::result::Result<Vec<u8>, Fault> {
        let wanted = (end - start) as usize;
        let mut got = Vec::with_capacity(wanted);
        let (mut cuts, mut before) = (0, 0);
        loop {
            let whole = got.is_empty() && start == 0 && end == self.len;
            match self.pour(start + got.len() as u64, end, whole, &mut got).await {
                Ok(()) if got.len() == wanted => return Ok(got),
                Ok(()) => {}
                Err(fault) if matches!(fault.what, What::NoAnswer(_)) => {}
                Err(fault) => return Err(fault),
            }
            if got.len() >= wanted {
                // All of it came, but its checksum does not hold.
                got.clear();
            }
            cuts = if got.len() > before { 0 } else { cuts + 1 };
            before = got.len();
            if cuts > self.core.tuning.resumes {
                return Err(Fault { op: Op::Get, what: What::NoAnswer("its answers are cut off") });
            }
            tokio::time::sleep(self.core.tuning.backoff.saturating_mul(cuts)).await;
        }
    }

    /// One request; what comes of `[start, end)` is appended.
    async fn pour(&self, start: u64, end: u64, whole: bool, got: &mut Vec<u8>) -> std::result::Result<(), Fault> {
        let core = &self.core;
        let client = core.client(&self.place.bucket).await;
        let key = core.key(!self.is_plain.load(Ordering::Relaxed));
        let mut request = client
            .get_object()
            .bucket(&self.place.bucket)
            .key(&self.place.key)
            .if_match(quoted(&self.etag))
            .set_version_id(self.version.clone())
            .set_request_payer(core.payer.clone())
            .set_sse_customer_algorithm(key.map(|_| sse::ALGORITHM.to_owned()))
            .set_sse_customer_key(key.map(sse::CustomerKey::base64))
            .set_sse_customer_key_md5(key.map(sse::CustomerKey::md5));
        if whole {
            // The service's checksum is that of the whole.
            request = request.checksum_mode(ChecksumMode::Enabled);
        } else {
            request = request.range(format!("bytes={start}-{}", end - 1));
        }
        let _turn = core.turn().await;
        let answer = Box::pin(request.send()).await.map_err(|error| Fault::of(Op::Get, &error));
        let mut answer = match answer {
            // A service refuses the customer's key for what is not encrypted with it: the next request goes without.
            Err(fault) if fault.status() == 400 && key.is_some() => {
                self.is_plain.store(true, Ordering::Relaxed);
                return Ok(());
            }
            answer => answer?,
        };
        self.is_asked_for(&answer, start, end, whole)?;
        let most = got.len() + (end - start) as usize;
        loop {
            match answer.body.next().await {
                None => return Ok(()),
                Some(Ok(piece)) if got.len() + piece.len() <= most => got.extend_from_slice(&piece),
                Some(Ok(_)) => return Err(Fault::odd(Op::Get, "more bytes than were asked for")),
                Some(Err(_)) => return Err(Fault { op: Op::Get, what: What::NoAnswer("its answer was cut off") }),
            }
        }
    }

    /// Whether the answer is of the version and the range that were asked for.
    fn is_asked_for(
        &self,
        answer: &GetObjectOutput,
        start: u64,
        end: u64,
        whole: bool,
    ) -> std::result::Result<(), Fault> {
        if answer.e_tag().is_none_or(|etag| bare(etag) != self.etag) {
            return Err(Fault { op: Op::Get, what: What::Refused(412, "PreconditionFailed") });
        }
        let range = format!("bytes {start}-{}/{}", end - 1, self.len);
        let ranged = answer.content_range().map_or(whole || (start, end) == (0, self.len), |got| got == range);
        let length = answer.content_length().and_then(|len| u64::try_from(len).ok());
        if !ranged || length.is_some_and(|len| len != end - start) {
            return Err(Fault::odd(Op::Get, "other bytes than were asked for"));
        }
        Ok(())
    }
}
