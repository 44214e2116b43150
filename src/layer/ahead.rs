//! Decoding ahead: a coded stream is decoded by threads that the run lends, while what was decoded is searched.
//!
//! Where a codec can tell parts that stand for themselves (gzip members, zstd frames), several are decoded at one time, one of them
//! by the reader while it waits; else one helper decodes the stream as it comes. Pieces, heads, offers and errors reach the reader in
//! their order and at their place, so that nothing depends on timing. Where a part ends may be guessed: what its decoder does
//! not take for whole is decoded again with what follows (an artifact's first stream from its start), and what was read of it
//! already is passed over.
//!
//! Memory: a loan ([`Memory::lend`]), 32 MiB by default: 8 MiB of pieces, 8 MiB of parts or 1 MiB on its way, and the rest or the
//! worker's share for as many decoders as fit into it.

#[cfg(test)]
mod codec_tests;
mod desk;
#[cfg(test)]
pub(super) mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};

use self::desk::{Coded, Decoding, Desk, Feed, Part, Piece, State, copy};
use super::Search;
use super::coded::{Codec, Heads, Rest};
use super::cx::Memory;
use crate::error::{Error, Kind, Result};
use crate::input::{BlobSource, Input, Source};
use crate::limits::WINDOW;

/// Cuts a stream into parts that are decoded as streams of their own, though they are none as they stand.
///
/// Only the first stream of an artifact is cut so: what is odd is decoded from the artifact's start.
pub trait Cutter {
    /// Cuts the next part off: some `least` bytes of `coded`, which begins where the last cut ended; `whole`: nothing follows it.
    fn cut(&mut self, coded: &[u8], whole: bool, least: usize) -> Cut;
}

/// What a [`Cutter`] says.
pub enum Cut {
    /// More bytes are needed.
    More,
    /// A part.
    Part {
        /// How many bytes it takes.
        used: usize,
        /// A stream that decodes to what they hold.
        stream: Vec<u8>,
        /// How many bytes of it stand before those of the part.
        before: u64,
        /// The bit of the first byte at which the part begins.
        bit: u64,
    },
    /// All parts were cut, and these bytes end the stream as they should.
    End {
        /// How many there are.
        used: usize,
    },
    /// This is no stream that can be cut.
    Odd,
}

/// Bounds of what is decoded ahead.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Coded bytes below which it is not worth a thread.
    pub least: usize,
    /// Plain bytes that a decoder is asked for at one time, as the reader without helpers asks: libraries tell the place of damage
    /// by what they were asked for. A piece is twice as long, and holds as many such steps as fit.
    pub step: usize,
    /// Pieces that wait, of all parts.
    pub room: usize,
    /// Bytes of heads with which a piece ends.
    pub side: usize,
    /// Coded bytes of a part, about.
    pub part: usize,
    /// Coded bytes of a part, at most: a longer one is decoded as it comes.
    pub longest: usize,
    /// Coded bytes of all parts, but for the last.
    pub ahead: usize,
    /// Coded bytes that are handed on at one time, and how often before they are taken.
    pub chunk: usize,
    /// See `chunk`.
    pub chunks: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            least: WINDOW,
            step: WINDOW,
            room: 16,
            side: WINDOW,
            part: 512 << 10,
            longest: 4 << 20,
            ahead: 8 << 20,
            chunk: 64 << 10,
            chunks: 16,
        }
    }
}

impl Sizes {
    /// Bounds within a loan of so many bytes, half of which is for decoders.
    fn within(self, bytes: u64) -> Self {
        let most = |part: u64| usize::try_from(bytes / part).unwrap_or(usize::MAX);
        Self {
            room: self.room.min(most(4) / (2 * self.step.max(1))),
            ahead: self.ahead.min(most(4)),
            longest: self.longest.min(most(8)),
            ..self
        }
    }
}

/// Decodes what is left of `input` for `below`, by helpers if there are some. Heads and offers go to `heads`; `points`: whether
/// offers are wanted.
pub fn decode<'s, T>(
    codec: &'static dyn Codec,
    input: &mut Input<'_>,
    heads: &Heads,
    search: &'s Search<'s>,
    memory: &Memory<'s>,
    below: impl FnOnce(Box<dyn Source + '_>) -> Result<T>,
) -> Result<T> {
    let sizes = Sizes { step: input.read_size(), ..Sizes::default() };
    by(sizes, codec, input, heads, search, memory, below)
}

fn by<'s, T>(
    sizes: Sizes,
    codec: &'static dyn Codec,
    input: &mut Input<'_>,
    heads: &Heads,
    search: &'s Search<'s>,
    memory: &Memory<'s>,
    below: impl FnOnce(Box<dyn Source + '_>) -> Result<T>,
) -> Result<T> {
    let helpers = search.crew.helpers();
    let worth = helpers > 0 && input.window(sizes.least)?.len() >= sizes.least;
    let Some(loan) = worth.then(|| memory.lend()).flatten() else {
        return below(alone(codec, input, heads, search, memory)?);
    };
    let sizes = sizes.within(loan.bytes());
    let first = input.blob().is_some() && input.offset() == 0;
    let cutter = codec.cutter().filter(|_| first);
    let desk = Desk {
        codec,
        second: search.second,
        points: heads.wants_points(),
        memory: memory.clone(),
        crew: search.crew,
        sizes,
        budget: memory.share().max(loan.bytes() / 2),
        state: Mutex::new(State::default()),
        changed: Condvar::new(),
    };
    let (mut below, mut done, mut cutter) = (Some(below), None, cutter);
    search.crew.run(helpers, &|| desk.work(), &mut |started| {
        done = Some(match (started, below.take()) {
            (_, None) => Err(broken()),
            (0, Some(below)) => alone(codec, &mut *input, heads, search, memory).and_then(below),
            (_, Some(below)) => {
                let mut ahead = Ahead::new(&desk, &mut *input, heads.clone(), started);
                (ahead.first, ahead.cutter) = (first, cutter.take());
                below(Box::new(ahead))
            }
        });
    });
    done.unwrap_or_else(|| Err(broken()))
}

/// A decoder without helpers.
fn alone<'i, 's: 'i>(
    codec: &'static dyn Codec,
    input: &'i mut Input<'_>,
    heads: &Heads,
    search: &'s Search<'s>,
    memory: &Memory<'s>,
) -> Result<Box<dyn Source + 'i>> {
    let memory = memory.clone();
    let need = Box::new(move |bytes| memory.need(bytes));
    codec.decoder(Box::new(Rest(input)), heads.clone(), search.second, need)
}

fn broken() -> Error {
    Error::new(Kind::Io, "threads cannot be started")
}

/// What of a part was given to the reader.
#[derive(Default, Clone, Copy)]
struct Given {
    bytes: u64,
    heads: usize,
    offers: usize,
}

/// The plain bytes, in order.
struct Ahead<'d, 's, 'a> {
    desk: &'d Desk<'s>,
    input: &'d mut Input<'a>,
    heads: Heads,
    helpers: usize,
    /// The stream is the whole artifact, which can be read anew.
    first: bool,
    cutter: Option<Box<dyn Cutter>>,
    /// What is being read, and up to where.
    piece: Option<Piece>,
    at: usize,
    /// The part that the reader decodes.
    mine: Option<Decoding<'d>>,
    /// Offsets of the part that is being read.
    coded: u64,
    plain: u64,
    given: Given,
    /// Heads of the parts before it.
    heads_given: usize,
    /// What of it was given before it was decoded anew.
    skip: Given,
    /// The rest is decoded as it comes.
    fed: bool,
    /// Coded bytes before those of the input, and an error behind those that it has.
    backlog: VecDeque<Arc<Vec<u8>>>,
    failed: Option<Error>,
    /// The artifact, read once more from its start.
    anew: Option<Input<'a>>,
    /// All of the input was handed on.
    ended: bool,
}

impl Drop for Ahead<'_, '_, '_> {
    fn drop(&mut self) {
        self.desk.close();
    }
}

impl<'d, 's, 'a> Ahead<'d, 's, 'a> {
    fn new(desk: &'d Desk<'s>, input: &'d mut Input<'a>, heads: Heads, helpers: usize) -> Self {
        Self {
            desk,
            input,
            heads,
            helpers,
            first: false,
            cutter: None,
            piece: None,
            at: 0,
            mine: None,
            coded: 0,
            plain: 0,
            given: Given::default(),
            heads_given: 0,
            skip: Given::default(),
            fed: false,
            backlog: VecDeque::new(),
            failed: None,
            anew: None,
            ended: false,
        }
    }

    /// Goes to the next piece; `false` at the end.
    fn next(&mut self) -> Result<bool> {
        loop {
            self.hand_on();
            let mut state = self.desk.lock();
            let Some(front) = state.parts.front_mut() else { return Ok(false) };
            let before = front.before;
            if let Some(piece) = front.pieces.pop_front() {
                state.pieces -= 1;
                drop(state);
                self.desk.changed.notify_all();
                self.open(piece, before);
                return Ok(true);
            }
            let Some(end) = front.end.take() else {
                drop(state);
                self.help();
                continue;
            };
            let part = state.pop();
            drop(state);
            self.desk.changed.notify_all();
            let Some(part) = part else { return Ok(false) };
            match (end, part.whole()) {
                (Ok(()), Some(_)) => {
                    self.coded += part.used;
                    if let Coded::Whole(bytes) = part.coded {
                        self.desk.lock().done(bytes);
                    }
                    self.plain += self.given.bytes;
                    self.heads_given += self.given.heads;
                    self.given = Given::default();
                }
                (Ok(()), None) => return Ok(false),
                (Err(_), Some(_)) if self.first => self.anew(),
                (Err(_), Some(bytes)) => self.again(Arc::clone(bytes)),
                (Err(error), None) if part.foreign => return Err(error),
                (Err(error), None) => return Err(error.moved(self.desk.codec.name(), self.coded)),
            }
        }
    }

    /// Makes a piece the one that is read; `before` as that of its part.
    fn open(&mut self, mut piece: Piece, before: u64) {
        for mut head in piece.heads.drain(..) {
            self.given.heads += 1;
            if self.given.heads > self.skip.heads {
                (head.at, head.plain_at) = ((head.at + self.coded).saturating_sub(before), head.plain_at + self.plain);
                self.heads.relayed(head);
            }
        }
        for (mut point, end, window) in piece.offers.drain(..) {
            self.given.offers += 1;
            (point.coded, point.plain) = (point.coded + 8 * self.coded, point.plain + self.plain);
            let known = if self.anew.is_some() {
                // Offers are so far apart from where a decoder began: what was offered is told by the place.
                point.plain < self.skip.bytes
            } else {
                self.given.offers <= self.skip.offers
            };
            if !known {
                self.heads.offered(point, end, &window);
            }
        }
        let known = self.skip.bytes.saturating_sub(self.given.bytes).min(piece.len as u64);
        self.given.bytes += piece.len as u64;
        self.at = known as usize;
        self.piece = Some(piece);
    }

    /// The part that begins with `first` is not what it was taken for: it is decoded anew, with all that follows, as it comes.
    fn again(&mut self, first: Arc<Vec<u8>>) {
        self.put_down();
        self.backlog.push_back(first);
        let mut state = self.desk.lock();
        while let Some(part) = state.pop() {
            self.backlog.extend(part.whole().map(Arc::clone));
        }
        drop(state);
        (self.skip, self.given) = (self.given, Given::default());
        self.feed();
    }

    /// What was cut is odd: the artifact is decoded anew from its start, as it comes. So an error has the place and the words that it
    /// has without helpers.
    fn anew(&mut self) {
        self.put_down();
        let mut state = self.desk.lock();
        while state.pop().is_some() {}
        drop(state);
        let heads = self.heads_given + self.given.heads;
        self.skip = Given { bytes: self.plain + self.given.bytes, heads, offers: 0 };
        (self.coded, self.plain, self.given) = (0, 0, Given::default());
        self.anew = self.input.blob().map(|blob| Input::new(BlobSource::new(blob), self.input.read_size()));
        self.cutter = None;
        self.feed();
    }

    /// What follows is decoded as it comes.
    fn feed(&mut self) {
        self.fed = true;
        self.desk.lock().parts.push_back(Part::new(Coded::Fed(Feed::default()), true));
        self.desk.changed.notify_all();
    }

    /// Hands coded bytes on, as far as there is room for them.
    fn hand_on(&mut self) {
        while !self.fed && !self.ended {
            let state = self.desk.lock();
            let ahead: usize = state.parts.iter().filter_map(Part::whole).map(|bytes| bytes.len()).sum();
            if state.parts.len() > self.helpers + 1 || ahead > self.desk.sizes.ahead {
                return;
            }
            drop(state);
            self.cut();
        }
        // A reader that has something to read keeps those busy who make more; it does not wait for all of it.
        let mut most = 2;
        while self.fed {
            let mut state = self.desk.lock();
            let busy = state.parts.front().is_some_and(|part| !part.pieces.is_empty() || part.end.is_some());
            let Some(feed) = state.feed() else { return };
            if feed.ended || feed.queue.len() >= self.desk.sizes.chunks || (busy && most == 0) {
                return;
            }
            drop(state);
            most = usize::saturating_sub(most, 1);
            let chunk = self.chunk();
            let mut state = self.desk.lock();
            if let Some(feed) = state.feed() {
                feed.ended = chunk.is_none();
                feed.queue.extend(chunk);
            }
            drop(state);
            self.desk.changed.notify_all();
        }
    }

    /// The next coded bytes; `None` at their end.
    fn chunk(&mut self) -> Option<Result<Arc<Vec<u8>>>> {
        if let Some(bytes) = self.backlog.pop_front() {
            return Some(Ok(bytes));
        }
        if let Some(anew) = &mut self.anew {
            return match anew.window(1) {
                Ok([]) => self.rest().err().map(Err),
                Ok(window) => {
                    let bytes = window.get(..window.len().min(self.desk.sizes.chunk)).unwrap_or_default().to_vec();
                    anew.consume(bytes.len());
                    Some(Ok(Arc::new(bytes)))
                }
                Err(error) => Some(Err(error)),
            };
        }
        if self.input.unread().is_empty()
            && let Some(error) = self.failed.take()
        {
            return Some(Err(error));
        }
        match self.input.window(1) {
            Ok([]) => None,
            Ok(window) => {
                let window = window.get(..window.len().min(self.desk.sizes.chunk)).unwrap_or_default();
                let bytes = self.desk.lock().copy(window);
                self.input.consume(bytes.len());
                Some(Ok(bytes))
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// Passes over what of the input is left: it was read anew.
    fn rest(&mut self) -> Result<()> {
        while !self.input.window(1)?.is_empty() {
            self.input.consume(usize::MAX);
        }
        Ok(())
    }

    /// Cuts the next part off.
    fn cut(&mut self) {
        let Sizes { part, longest, .. } = self.desk.sizes;
        let mut size = part;
        loop {
            if self.cutter.is_some() {
                match self.reframe(size) {
                    Cut::More if size < longest => size = (size * 4).min(longest),
                    Cut::More | Cut::Odd => return self.anew(),
                    Cut::Part { .. } => return,
                    Cut::End { used } => {
                        self.input.consume(used);
                        self.ended = true;
                        return;
                    }
                }
                continue;
            }
            let window = match self.input.window(size + 1) {
                Ok(window) => window,
                Err(error) => {
                    self.failed = Some(error);
                    return self.feed();
                }
            };
            let (all, cut) = (window.len() <= size, self.desk.codec.cut(window, part / 2));
            let len = if all { Some(window.len()) } else { cut.filter(|n| (1..window.len()).contains(n)) };
            if let Some(len) = len {
                let mut state = self.desk.lock();
                let bytes = state.copy(window.get(..len).unwrap_or_default());
                state.parts.push_back(Part::new(Coded::Whole(bytes), all));
                drop(state);
                self.input.consume(len);
                self.ended = all;
                return self.desk.changed.notify_all();
            }
            if size >= longest {
                return self.feed();
            }
            size = (size * 4).min(longest);
        }
    }

    /// The reader's own part is over, or given up.
    fn put_down(&mut self) {
        if self.mine.take().is_some() {
            self.desk.leave();
        }
    }

    /// Asks the cutter for a part of `size` bytes at most.
    fn reframe(&mut self, size: usize) -> Cut {
        let Some(cutter) = &mut self.cutter else { return Cut::Odd };
        // An error comes again when the artifact is read anew.
        let Ok(window) = self.input.window(size + 1) else { return Cut::Odd };
        let cut = cutter.cut(window, window.len() <= size, self.desk.sizes.part / 2);
        if let Cut::Part { used, stream, before, bit } = cut {
            self.input.consume(used);
            let mut part = Part::new(Coded::Whole(Arc::new(stream)), false);
            (part.used, part.before, part.bit) = (used as u64, before, bit);
            self.desk.lock().parts.push_back(part);
            self.desk.changed.notify_all();
            return Cut::Part { used, stream: Vec::new(), before, bit };
        }
        cut
    }

    /// There is nothing to be read: decodes a part that nobody has, or waits.
    fn help(&mut self) {
        if self.mine.is_none()
            && let Some(id) = self.desk.own()
        {
            self.mine = self.desk.begin(id);
            if self.mine.is_none() {
                self.desk.leave();
            }
        }
        if let Some(mine) = &mut self.mine {
            let mut state = self.desk.lock();
            let blank = self.desk.blank(&mut state, mine.id);
            drop(state);
            if let Some(mut piece) = blank {
                let (id, end) = (mine.id, mine.step(&mut piece));
                let over = end.is_some();
                self.desk.deliver(id, piece, end);
                if over {
                    self.put_down();
                }
                return;
            }
        }
        let (desk, least) = (self.desk, self.desk.sizes.chunks / 2);
        desk.crew.aside(&mut || {
            let mut state = desk.lock();
            loop {
                let ready = state.parts.front().is_none_or(|part| !part.pieces.is_empty() || part.end.is_some());
                if ready || state.feed().is_some_and(|feed| !feed.ended && feed.queue.len() <= least) {
                    return;
                }
                state = desk.wait(state);
            }
        });
    }
}

impl Source for Ahead<'_, '_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(piece) = &self.piece {
                let n = copy(piece.bytes.get(self.at..piece.len).unwrap_or_default(), buf);
                if n > 0 {
                    self.at += n;
                    return Ok(n);
                }
            }
            if let Some(piece) = self.piece.take() {
                self.desk.recycle(piece);
            }
            if !self.next()? {
                return Ok(0);
            }
        }
    }
}
