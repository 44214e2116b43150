//! What those who decode a stream and the one who reads it share: the parts, and the pieces that were made of them.
//!
//! A part is decoded by one thread, from its start to its end. Its pieces wait at the desk until the reader has come to them; who
//! makes them stops where there is no room. The reader's own part always has some, so that nobody waits for ever.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::Sizes;
use crate::error::{Error, Kind, Result};
use crate::input::Source;
use crate::layer::coded::{Codec, Head, Heads, Offer};
use crate::layer::cx::Memory;
use crate::pool::Crew;

/// Pieces for which the part that is being read always has room.
const FRONT: usize = 4;

/// Bytes of coded buffers that are kept to be used again.
const SPARE: usize = 16 << 20;

/// A stretch of plain bytes, and what its decoder said while it made them.
pub struct Piece {
    pub bytes: Vec<u8>,
    /// How many of `bytes` there are.
    pub len: usize,
    pub heads: Vec<Head>,
    pub offers: Vec<Offer>,
}

/// Coded bytes of a part.
pub enum Coded {
    /// All of them.
    Whole(Arc<Vec<u8>>),
    /// The rest of the stream, as it comes.
    Fed(Feed),
}

/// Coded bytes on their way.
#[derive(Default)]
pub struct Feed {
    pub queue: VecDeque<Result<Arc<Vec<u8>>>>,
    /// Nothing follows.
    pub ended: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hands {
    Nobody,
    Helper,
    Reader,
}

/// A stretch of the stream that one thread decodes.
pub struct Part {
    pub coded: Coded,
    /// Nothing of the stream follows.
    pub last: bool,
    /// How many bytes of the stream it stands for.
    pub used: u64,
    /// How many bytes of its own stand before them.
    pub before: u64,
    /// The bit of the first of them at which it begins.
    pub bit: u64,
    hands: Hands,
    pub pieces: VecDeque<Piece>,
    /// How its decoder ended.
    pub end: Option<Result<()>>,
    /// An error came with its coded bytes: it is not about them.
    pub foreign: bool,
}

impl Part {
    pub fn new(coded: Coded, last: bool) -> Self {
        let used = if let Coded::Whole(bytes) = &coded { bytes.len() as u64 } else { 0 };
        let (hands, pieces) = (Hands::Nobody, VecDeque::new());
        Self { coded, last, used, before: 0, bit: 0, hands, pieces, end: None, foreign: false }
    }

    /// Its coded bytes, if all are there.
    pub fn whole(&self) -> Option<&Arc<Vec<u8>>> {
        match &self.coded {
            Coded::Whole(bytes) => Some(bytes),
            Coded::Fed(_) => None,
        }
    }
}

/// The parts in work.
#[derive(Default)]
pub struct State {
    pub parts: VecDeque<Part>,
    /// Number of the first of them.
    pub first: u64,
    /// Pieces of all parts.
    pub pieces: usize,
    /// To be used again: memory that comes anew from the system costs as much as what is done with it.
    spare: Vec<Vec<u8>>,
    coded: Vec<Vec<u8>>,
    /// Parts that are being decoded.
    active: u64,
    /// The most memory that one of them asked for.
    need: u64,
    /// One of them has made something: what others will ask for is known.
    known: bool,
    /// The reader has gone.
    closed: bool,
}

impl State {
    fn part(&mut self, id: u64) -> Option<&mut Part> {
        let at = usize::try_from(id.checked_sub(self.first)?).ok()?;
        if self.closed { None } else { self.parts.get_mut(at) }
    }

    /// Takes the first part away, or gives up all of them.
    pub fn pop(&mut self) -> Option<Part> {
        let part = self.parts.pop_front()?;
        self.first += 1;
        self.pieces -= part.pieces.len();
        Some(part)
    }

    /// A copy of coded bytes.
    pub fn copy(&mut self, bytes: &[u8]) -> Arc<Vec<u8>> {
        let mut copy = self.coded.pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(bytes);
        Arc::new(copy)
    }

    /// Coded bytes that are done with, if nobody else has them.
    pub fn done(&mut self, bytes: Arc<Vec<u8>>) {
        if let Ok(bytes) = Arc::try_unwrap(bytes)
            && self.coded.iter().map(Vec::capacity).sum::<usize>() + bytes.capacity() <= SPARE
        {
            self.coded.push(bytes);
        }
    }

    /// The coded bytes of the fed part, which is always the last.
    pub fn feed(&mut self) -> Option<&mut Feed> {
        match &mut self.parts.back_mut()?.coded {
            Coded::Fed(feed) => Some(feed),
            Coded::Whole(_) => None,
        }
    }
}

/// Where they meet.
pub struct Desk<'s> {
    pub codec: &'static dyn Codec,
    pub second: bool,
    /// Whether points are wanted.
    pub points: bool,
    pub memory: Memory<'s>,
    pub crew: &'s dyn Crew,
    pub sizes: Sizes,
    /// Bytes for the decoders of parts.
    pub budget: u64,
    pub state: Mutex<State>,
    pub changed: Condvar,
}

/// A part that is being decoded.
pub struct Decoding<'d> {
    pub id: u64,
    decoder: Box<dyn Source + 'd>,
    heads: Heads,
    last: bool,
    /// Bits before the part in what is decoded, and in its first byte.
    before: (u64, u64),
    sizes: Sizes,
}

impl Decoding<'_> {
    /// Fills `piece`; tells how the part ended, if it did. A decoder may panic on what is no part at all.
    pub fn step(&mut self, piece: &mut Piece) -> Option<Result<()>> {
        catch_unwind(AssertUnwindSafe(|| self.fill(piece))).unwrap_or_else(|_| Some(Err(panicked())))
    }

    fn fill(&mut self, piece: &mut Piece) -> Option<Result<()>> {
        let mut weight = 0;
        while weight < self.sizes.side {
            let Some(room) = piece.bytes.get_mut(piece.len..piece.len + self.sizes.step) else { break };
            let n = match self.decoder.read(room) {
                Ok(n) => n,
                Err(error) => return Some(Err(error)),
            };
            piece.len += n;
            while let Some(head) = self.heads.pop_until(u64::MAX) {
                weight += head.weight();
                piece.heads.push(head);
            }
            for mut offer in self.heads.take_offers() {
                // A lift cannot begin at what only this decoder was given.
                if let Some(bits) = offer.0.coded.checked_sub(self.before.0) {
                    offer.0.coded = bits + self.before.1;
                    piece.offers.push(offer);
                }
            }
            if n == 0 {
                // What follows padding must not be taken for a stream that begins anew.
                let cut = !self.last && self.heads.ends_verbatim();
                let wrong = || Err(Error::new(Kind::Damaged, "a part ends in padding"));
                return Some(if cut { wrong() } else { Ok(()) });
            }
        }
        None
    }
}

impl Desk<'_> {
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn wait<'g>(&self, state: MutexGuard<'g, State>) -> MutexGuard<'g, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// The reader goes.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// What a helper does until the reader goes.
    pub fn work(&self) {
        while let Some(id) = self.next() {
            if catch_unwind(AssertUnwindSafe(|| self.decode(id))).is_err() {
                self.end(id, Err(panicked()));
            }
            self.leave();
        }
    }

    /// Waits for a part that nobody has.
    fn next(&self) -> Option<u64> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(id) = Self::claim(&mut state, Hands::Helper, self.budget) {
                return Some(id);
            }
            state = self.wait(state);
        }
    }

    fn claim(state: &mut State, hands: Hands, budget: u64) -> Option<u64> {
        let free = |part: &Part| part.hands == Hands::Nobody && (hands == Hands::Helper || part.whole().is_some());
        let most = if state.known { budget / state.need.max(1) } else { 1 };
        if state.active >= most.max(1) {
            return None;
        }
        let at = state.parts.iter().position(free)?;
        state.parts.get_mut(at)?.hands = hands;
        state.active += 1;
        Some(state.first + at as u64)
    }

    /// A part for the reader that nobody has.
    pub fn own(&self) -> Option<u64> {
        Self::claim(&mut self.lock(), Hands::Reader, self.budget)
    }

    /// A decoder at the start of a part; `None` if it is no more there, or ended with an error.
    pub fn begin(&self, id: u64) -> Option<Decoding<'_>> {
        let mut state = self.lock();
        let part = state.part(id)?;
        let (last, whole) = (part.last, part.whole().map(Arc::clone));
        let before = (part.before * 8, part.bit);
        drop(state);
        let heads = Heads::relay(self.points);
        let begun = if let Some(bytes) = whole {
            let need = move |bytes: u64| self.need(bytes);
            let source = Box::new(Slice { bytes, at: 0 });
            self.codec.decoder(source, heads.clone(), self.second, Box::new(need))
        } else {
            let memory = self.memory.clone();
            let source = Box::new(Fed { desk: self, id, chunk: Arc::default(), at: 0, failed: None });
            let need = move |bytes: u64| memory.need(bytes);
            self.codec.decoder(source, heads.clone(), self.second, Box::new(need))
        };
        match begun {
            Ok(decoder) => Some(Decoding { id, decoder, heads, last, before, sizes: self.sizes }),
            Err(error) => {
                self.end(id, Err(error));
                None
            }
        }
    }

    /// The decoder of a part asks for memory. What does not fit as often as there are parts in work is left to one that decodes the
    /// stream as it comes.
    fn need(&self, bytes: u64) -> Result<()> {
        let mut state = self.lock();
        state.need = state.need.max(bytes);
        let all = state.need.saturating_mul(state.active);
        if all <= self.budget { Ok(()) } else { Err(Error::limit("memory of parts")) }
    }

    /// A part is no more decoded.
    pub fn leave(&self) {
        self.lock().active -= 1;
        self.changed.notify_all();
    }

    /// Decodes a part to its end, as far as there is room.
    fn decode(&self, id: u64) {
        let Some(mut decoding) = self.begin(id) else { return };
        while let Some(mut piece) = self.room(id) {
            let mut end = None;
            self.crew.turn(&mut || end = decoding.step(&mut piece));
            let over = end.is_some();
            self.deliver(id, piece, end);
            if over {
                return;
            }
        }
    }

    /// Waits for room for a piece; `None` if the part is no more there.
    fn room(&self, id: u64) -> Option<Piece> {
        let mut state = self.lock();
        loop {
            state.part(id)?;
            if let Some(piece) = self.blank(&mut state, id) {
                return Some(piece);
            }
            state = self.wait(state);
        }
    }

    /// A piece for the part, if there is room for one.
    pub fn blank(&self, state: &mut State, id: u64) -> Option<Piece> {
        let (front, all) = (id == state.first, state.pieces);
        let part = state.part(id)?;
        // What is read next should still be in a cache: further ahead is only who has a part of his own to end.
        let ahead = part.whole().is_some() && all < self.sizes.room;
        if !(ahead || front && part.pieces.len() < FRONT) {
            return None;
        }
        let bytes = state.spare.pop().unwrap_or_else(|| vec![0; 2 * self.sizes.step]);
        Some(Piece { bytes, len: 0, heads: Vec::new(), offers: Vec::new() })
    }

    /// Gives a piece back.
    pub fn recycle(&self, piece: Piece) {
        let mut state = self.lock();
        if state.spare.len() < self.sizes.room {
            state.spare.push(piece.bytes);
        }
    }

    pub fn deliver(&self, id: u64, piece: Piece, end: Option<Result<()>>) {
        let mut state = self.lock();
        let Some(part) = state.part(id) else { return };
        part.pieces.push_back(piece);
        part.end = end;
        state.pieces += 1;
        state.known = true;
        drop(state);
        self.changed.notify_all();
    }

    fn end(&self, id: u64, end: Result<()>) {
        if let Some(part) = self.lock().part(id) {
            part.end = Some(end);
        }
        self.changed.notify_all();
    }
}

fn panicked() -> Error {
    Error::new(Kind::Io, "an internal error; please report it with the line on stderr")
}

/// The coded bytes of a whole part.
struct Slice {
    bytes: Arc<Vec<u8>>,
    at: usize,
}

impl Source for Slice {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let n = copy(self.bytes.get(self.at..).unwrap_or_default(), buf);
        self.at += n;
        Ok(n)
    }
}

/// Coded bytes as they come; read by a helper, in its turn.
struct Fed<'d, 's> {
    desk: &'d Desk<'s>,
    id: u64,
    chunk: Arc<Vec<u8>>,
    at: usize,
    failed: Option<Error>,
}

impl Fed<'_, '_> {
    /// The next chunk; `None` at the end.
    fn next(&mut self) -> Result<Option<Arc<Vec<u8>>>> {
        let last = std::mem::take(&mut self.chunk);
        self.desk.lock().done(last);
        self.at = 0;
        let gone = || Error::new(Kind::Interrupted, "interrupted");
        loop {
            let mut state = self.desk.lock();
            let Some(part) = state.part(self.id) else { return Err(gone()) };
            let Coded::Fed(feed) = &mut part.coded else { return Ok(None) };
            match feed.queue.pop_front() {
                Some(Err(error)) => {
                    part.foreign = true;
                    return Err(error);
                }
                Some(chunk) => {
                    drop(state);
                    self.desk.changed.notify_all();
                    return chunk.map(Some);
                }
                None if feed.ended => return Ok(None),
                None => {}
            }
            drop(state);
            self.desk.crew.aside(&mut || {
                let mut state = self.desk.lock();
                while state.feed().is_some_and(|feed| feed.queue.is_empty() && !feed.ended) && !state.closed {
                    state = self.desk.wait(state);
                }
            });
        }
    }
}

impl Source for Fed<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if self.at == self.chunk.len() {
            match self.next() {
                Ok(Some(chunk)) => (self.chunk, self.at) = (chunk, 0),
                Ok(None) => return Ok(0),
                Err(error) => {
                    self.failed = Some(error.clone());
                    return Err(error);
                }
            }
        }
        let n = copy(self.chunk.get(self.at..).unwrap_or_default(), buf);
        self.at += n;
        Ok(n)
    }
}

/// Copies as much as there is room for.
pub fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let n = from.len().min(to.len());
    if let (Some(to), Some(from)) = (to.get_mut(..n), from.get(..n)) {
        to.copy_from_slice(from);
    }
    n
}
