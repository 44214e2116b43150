//! Heads of frames on their way from a decoder to who writes or searches them, and offers of points.
//!
//! Memory: heads that wait, 16 MiB at most.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::points::{Gather, Point, Points};
use crate::blob::TempSpace;
use crate::edit::Marks;
use crate::error::{Error, Result};

/// What stands at the start of a frame, or between frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Offset of its first byte in the coded stream.
    pub at: u64,
    /// Offset in the decoded stream at which it stands.
    pub plain_at: u64,
    /// Its bytes as they are. At most 64 KiB + 1 KiB: longer verbatim stretches come as several heads.
    pub bytes: Vec<u8>,
    /// Whether it is written back as it is and begins no frame.
    pub verbatim: bool,
    /// Parts of `bytes` that are names or comments, to be searched and masked (gzip FNAME, FCOMMENT).
    pub names: Vec<Range<usize>>,
    /// How the frame was encoded, as far as its bytes tell, for the encoder (a codec's own numbers).
    pub traits: [u64; 4],
}

/// Bytes of heads that wait for the reader: empty frames, padding and skippable frames bring heads without a decoded byte.
const HEADS_WAITING: usize = 16 << 20;

/// Where a decoder announces heads, in order of place.
#[derive(Debug, Clone, Default)]
pub struct Heads {
    queue: Arc<Mutex<Queue>>,
    /// Only heads with names are wanted: nothing will be written back.
    names_only: bool,
    /// Where a lift could begin, if one may follow.
    gather: Option<Arc<Mutex<Gather>>>,
    /// Of a decoder that works ahead of its reader.
    relay: Option<Arc<Relay>>,
}

/// An offer of a point, whether it ends something, and its window.
pub(in super::super) type Offer = (Point, bool, Vec<u8>);

/// What a decoder says before its reader is there.
#[derive(Debug, Default)]
struct Relay {
    /// Whether points are wanted, and those that were offered.
    points: bool,
    offers: Mutex<Vec<Offer>>,
    /// Whether the last head began no frame.
    verbatim: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    heads: VecDeque<Head>,
    bytes: usize,
}

impl Head {
    /// What it takes in the queue, bytes.
    pub(in super::super) fn weight(&self) -> usize {
        size_of::<Self>() + self.bytes.len()
    }
}

/// Longest head that has no room for side data, bytes: a zstd frame's (RFC 8878 §3.1.1.1), or BGZF's with its size.
const BARE_HEAD: usize = 18;

impl Head {
    /// Whether there may be data besides names: an extra field, a skippable frame. Padding is none.
    fn has_side(&self) -> bool {
        if self.verbatim { self.bytes.iter().any(|b| *b != 0) } else { self.bytes.len() > BARE_HEAD }
    }

    /// Whether a value stands in the bytes besides names.
    pub fn side_holds(&self, search: &crate::layer::Search<'_>) -> bool {
        let mut rest = self.bytes.clone();
        for name in &self.names {
            rest.get_mut(name.clone()).unwrap_or_default().fill(0);
        }
        self.has_side() && crate::layer::raw::holds(&rest, search)
    }
}

impl Heads {
    /// Keeps only heads with names or side data, for who searches them and writes nothing.
    pub fn names_only() -> Self {
        Self { names_only: true, ..Self::default() }
    }

    /// As [`Self::names_only`], for a decoder that works ahead of its reader: what it offers waits to be taken.
    pub(in super::super) fn relay(points: bool) -> Self {
        Self { relay: Some(Arc::new(Relay { points, ..Relay::default() })), ..Self::names_only() }
    }

    /// What was offered since the last call.
    pub(in super::super) fn take_offers(&self) -> Vec<Offer> {
        let offers = self.relay.as_ref().map(|relay| relay.offers.lock().unwrap_or_else(PoisonError::into_inner));
        offers.map(|mut offers| std::mem::take(&mut *offers)).unwrap_or_default()
    }

    /// Whether the last head that was announced to a relay began no frame.
    pub(in super::super) fn ends_verbatim(&self) -> bool {
        self.relay.as_ref().is_some_and(|relay| relay.verbatim.load(Ordering::Relaxed))
    }

    /// Announces a head that was announced to a relay: its bound was held there.
    pub(in super::super) fn relayed(&self, head: Head) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.bytes += head.weight();
        queue.heads.push_back(head);
    }

    /// Points are wanted as well: a lift may follow.
    pub(super) fn with_points(mut self, marks: &Marks, space: &Arc<TempSpace>) -> Self {
        self.gather = Some(Arc::new(Mutex::new(Gather::new(marks.clone(), space))));
        self
    }

    /// Whether points are wanted: offers are worth their while.
    pub fn wants_points(&self) -> bool {
        self.gather.is_some() || self.relay.as_ref().is_some_and(|relay| relay.points)
    }

    /// Offers a place at which a lift could begin to decode, with the plain bytes that a decoder must know there; offers come in
    /// order of place, a window's length or more apart.
    pub fn offer(&self, point: Point, window: &[u8]) {
        self.offered(point, false, window);
    }

    /// Offers a place by which a lift comes that changes anything since the last such place, however far it is (a trailer).
    pub fn offer_end(&self, point: Point) {
        self.offered(point, true, &[]);
    }

    /// As [`Self::offer`], or with `end` as [`Self::offer_end`].
    pub(in super::super) fn offered(&self, point: Point, end: bool, window: &[u8]) {
        if let Some(gather) = &self.gather {
            gather.lock().unwrap_or_else(PoisonError::into_inner).offer(point, end, window);
        }
        if let Some(relay) = self.relay.as_ref().filter(|relay| relay.points) {
            relay.offers.lock().unwrap_or_else(PoisonError::into_inner).push((point, end, window.to_vec()));
        }
    }

    /// The points that are worth keeping.
    pub(super) fn points(&self, space: &Arc<TempSpace>) -> Points {
        match &self.gather {
            Some(gather) => gather.lock().unwrap_or_else(PoisonError::into_inner).finish(space),
            None => Points::none(space),
        }
    }

    /// Announces a head; called before the first decoded byte after it is returned. A limit error if more than 16 MiB of them
    /// wait.
    pub fn push(&self, head: Head) -> Result<()> {
        if let Some(relay) = &self.relay {
            relay.verbatim.store(head.verbatim, Ordering::Relaxed);
        }
        if self.names_only && head.names.is_empty() && !head.has_side() {
            return Ok(());
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.bytes += head.weight();
        if queue.bytes > HEADS_WAITING {
            return Err(Error::limit("frame heads without data between them (16 MiB)"));
        }
        queue.heads.push_back(head);
        Ok(())
    }

    /// The next head that stands at or before `plain_at`.
    pub fn pop_until(&self, plain_at: u64) -> Option<Head> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.heads.front()?.plain_at > plain_at {
            return None;
        }
        let head = queue.heads.pop_front()?;
        queue.bytes -= head.weight();
        Some(head)
    }

    pub(super) fn next_at(&self) -> Option<u64> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.heads.front().map(|head| head.plain_at)
    }
}
