//! The old stream, decoded block by block: what a splice decides about.
//!
//! Read ahead of the decisions, and no further than somebody asks: items wait in a queue, their plain bytes and 32 KiB before them in
//! `old`, their coded bytes in the window of the outer pass. Memory: what is asked for, one unit ([`MAX_UNIT`]), and the coded
//! bytes of both.

use std::collections::VecDeque;
use std::rc::Rc;

use crc32fast::Hasher;

use super::super::blocks::{Blocks, Stop};
use super::super::place::{Kind as At, Place};
use super::{CHUNK, Frames, Member};
use crate::error::{Error, Kind, Result};
use crate::layer::coded::points::Point;
use crate::layer::pass::Pass;
use crate::limits::DEFLATE_WINDOW;

/// Longest block that is held until it is known whether it stays, plain bytes; longer ones are encoded again. gzip's blocks have 32 Ki
/// symbols: they are longer where more than 128 bytes come of one, which costs next to nothing to encode.
const MAX_UNIT: usize = 4 << 20;
/// Items that may wait: members without a byte cost about 100 bytes each.
const MAX_ITEMS: usize = 1 << 18;

/// What comes next.
pub enum Item {
    /// A member begins: the offset of its head, and what it says.
    Head(u64, Member),
    /// Some blocks.
    Unit(Unit),
    /// The trailer of a member, at this offset.
    Trailer(u64),
}

/// What is copied or encoded again as a whole: a block, empty blocks one after another, a piece of a long block, or a member.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Offset in the decoded stream.
    pub from: u64,
    /// Plain bytes.
    pub len: usize,
    /// Where it begins in the coded stream, bits.
    pub start: u64,
    /// Where it ends, bits; `None` inside of a block.
    pub end: Option<u64>,
    /// Whether it begins with a block, or with a part of one whose header is known.
    pub begins: bool,
    /// It begins between two symbols of a block: the header of that, which must be repeated before it.
    pub header: Option<Rc<Header>>,
    /// It is to be copied as a block that is not the last, though it is.
    pub unlast: bool,
    /// A stored block: it refers to nothing before it.
    pub stored: bool,
    /// The last of its member.
    pub last: bool,
    /// A member (or a piece of one) with head and trailer.
    pub whole: bool,
    /// CRC-32 of the member's plain bytes before it.
    pub crc: u32,
    /// Offset in the coded stream of the first byte that is not, or not only, this unit's.
    pub free: u64,
}

/// The header of a block that is cut.
#[derive(Debug)]
pub struct Header {
    /// Its bits, lowest first.
    pub bytes: Vec<u8>,
    /// How many bits.
    pub bits: u64,
}

impl Unit {
    /// Offset in the decoded stream behind it.
    pub fn to(&self) -> u64 {
        self.from + self.len as u64
    }
}

/// What the reader stands at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The head of a member, padding, or the end.
    Frame,
    /// A block at which the decoder must be set up first.
    Begin,
    /// A block.
    Body,
    /// A trailer.
    Trailer,
    /// Nothing more that is decoded.
    End,
}

/// Reads the old stream.
pub struct Scan {
    inflate: Blocks,
    state: State,
    /// Coded offset of the next byte that the decoder is given.
    input_at: u64,
    /// Where the next block begins, bits of the coded stream.
    bit: u64,
    /// The last unit ended inside a block.
    cut: bool,
    /// The member is one unit.
    whole: bool,
    /// Where its head stands.
    head_at: u64,
    /// Offset in the decoded stream of its first byte.
    plain_from: u64,
    /// Of its plain bytes.
    crc: Hasher,
    /// Plain bytes that are asked for, and what stood before them.
    old: Vec<u8>,
    /// Offset in the decoded stream of `old`.
    old_at: u64,
    /// What was read and is not decided yet.
    pub queue: VecDeque<Item>,
}

impl Scan {
    /// At the start of a stream.
    pub fn new() -> Self {
        Self {
            inflate: Blocks::new(),
            state: State::Frame,
            input_at: 0,
            bit: 0,
            cut: false,
            whole: false,
            head_at: 0,
            plain_from: 0,
            crc: Hasher::new(),
            old: Vec::new(),
            old_at: 0,
            queue: VecDeque::new(),
        }
    }

    /// Goes on at `point`, before which `window` stood; nothing waits in the queue. `false`, with nothing done: the point does not fit.
    pub fn jump(&mut self, point: &Point, place: &Place, window: Vec<u8>) -> bool {
        let known = point.plain - place.plain_from;
        let enough = window.len() as u64 >= known.min(DEFLATE_WINDOW as u64);
        let Some(old_at) = point.plain.checked_sub(window.len() as u64) else { return false };
        self.state = match place.kind {
            At::Head => State::Frame,
            At::Trailer => State::Trailer,
            At::Block if enough => State::Begin,
            At::Block => return false,
        };
        (self.input_at, self.bit, self.cut, self.whole) = (point.coded / 8, point.coded, false, false);
        (self.head_at, self.plain_from) = (place.head_at, place.plain_from);
        self.crc = Hasher::new_with_initial_len(place.crc, known);
        (self.old, self.old_at) = (window, old_at);
        true
    }

    /// Where the reader stands in the coded stream, bits: nothing before it is read again.
    pub fn bit(&self) -> u64 {
        match self.state {
            State::Begin | State::Body => self.bit,
            _ => self.input_at * 8,
        }
    }

    /// CRC-32 of the plain bytes of the member that is being read.
    pub fn crc(&self) -> u32 {
        self.crc.clone().finalize()
    }

    /// Offset in the decoded stream behind what was decoded.
    pub fn end(&self) -> u64 {
        self.old_at + self.old.len() as u64
    }

    /// Decoded bytes of a range that was not forgotten.
    pub fn old(&self, from: u64, to: u64) -> &[u8] {
        let (from, to) = (from.saturating_sub(self.old_at) as usize, to.saturating_sub(self.old_at) as usize);
        self.old.get(from..to.min(self.old.len())).unwrap_or_default()
    }

    /// Forgets what stood more than a window before `pos`.
    pub fn forget(&mut self, pos: u64) {
        let dead = (pos.saturating_sub(self.old_at) as usize).saturating_sub(DEFLATE_WINDOW);
        if dead > self.old.len() / 2 && dead > DEFLATE_WINDOW {
            self.old.drain(..dead);
            self.old_at += dead as u64;
        }
    }

    /// Reads on, one or more items; `false` at the end.
    pub fn scan(&mut self, frames: &dyn Frames, outer: &mut dyn Pass) -> Result<bool> {
        if self.queue.len() >= MAX_ITEMS {
            return Err(Error::limit("members without data between them (262144)").layer(frames.name()));
        }
        let end = self.state == State::End;
        match self.state {
            State::Frame => self.frame(frames, outer)?,
            State::Begin => {
                self.begin(frames, outer)?;
                self.body(frames, outer)?;
            }
            State::Body => self.body(frames, outer)?,
            State::Trailer => {
                let at = self.input_at;
                self.trailer(frames, outer)?;
                self.queue.push_back(Item::Trailer(at));
            }
            State::End => {}
        }
        Ok(!end)
    }

    /// Coded bytes from `at` on, at least `n` of them.
    fn ahead(outer: &mut dyn Pass, at: u64, n: usize) -> Result<&[u8]> {
        let skip = at.checked_sub(outer.offset()).and_then(|skip| usize::try_from(skip).ok());
        let skip = skip.ok_or_else(|| Error::new(Kind::Verify, "a splice lies behind the pass"))?;
        Ok(outer.window(skip + n)?.get(skip..).unwrap_or_default())
    }

    fn damaged(&self, frames: &dyn Frames, what: &'static str) -> Error {
        Error::damaged(frames.name(), self.input_at, what)
    }

    fn frame(&mut self, frames: &dyn Frames, outer: &mut dyn Pass) -> Result<()> {
        let at = self.input_at;
        let ahead = Self::ahead(outer, at, frames.longest())?;
        let Some(member) = frames.open(ahead, at)? else {
            self.state = State::End;
            return Ok(());
        };
        self.inflate.reset();
        self.input_at += member.len as u64;
        (self.head_at, self.plain_from) = (at, self.end());
        // A head that is made again is not passed before it is known to stay.
        self.bit = 8 * if member.whole { at } else { self.input_at };
        (self.cut, self.whole) = (false, member.whole);
        (self.crc, self.state) = (Hasher::new(), State::Body);
        self.queue.push_back(Item::Head(at, member));
        Ok(())
    }

    /// Sets the decoder up at a block inside of a member.
    fn begin(&mut self, frames: &dyn Frames, outer: &mut dyn Pass) -> Result<()> {
        let phase = (self.bit % 8) as u32;
        let byte = Self::ahead(outer, self.input_at, 1)?.first().copied();
        let byte = byte.ok_or_else(|| self.damaged(frames, "the compressed data is cut off"))?;
        self.inflate.begin(&self.old, (8 - phase) % 8, byte.checked_shr(phase).unwrap_or_default());
        self.input_at += u64::from(phase > 0);
        self.state = State::Body;
        Ok(())
    }

    /// Whether a stored block begins here (RFC 1951 §3.2.3: two bits behind the first).
    fn stored(&self, outer: &mut dyn Pass) -> Result<bool> {
        let ahead = Self::ahead(outer, self.bit / 8, 2)?;
        let byte = |n: usize| ahead.get(n).map_or(0xff, |byte| u32::from(*byte));
        Ok((byte(0) | byte(1) << 8) >> (self.bit % 8) & 0b110 == 0)
    }

    /// Decodes a block, or the member.
    fn body(&mut self, frames: &dyn Frames, outer: &mut dyn Pass) -> Result<()> {
        let start = self.bit;
        let (from, crc, begins) = (self.end(), self.crc(), !self.cut);
        let stored = begins && !self.whole && self.stored(outer)?;
        let mut unit = Unit {
            from,
            len: 0,
            start,
            end: None,
            begins,
            header: None,
            unlast: false,
            stored,
            last: false,
            whole: self.whole,
            crc,
            free: self.input_at,
        };
        self.cut = self.decode(&mut unit, frames, outer)?;
        self.crc.update(self.old.get(self.old.len() - unit.len..).unwrap_or_default());
        match unit.end {
            // The last byte taken may hold the end of this block and the start of the next.
            None => unit.free = self.input_at.saturating_sub(1).max(outer.offset()),
            Some(end) => (self.bit, unit.free) = (end, end / 8),
        }
        if unit.last {
            (self.input_at, self.state) = (self.bit.div_ceil(8), State::Trailer);
            unit.free = self.input_at;
            if self.whole {
                self.trailer(frames, outer)?;
                (unit.end, unit.free) = (Some(self.input_at * 8), self.input_at);
            }
        }
        self.push(unit);
        Ok(())
    }

    /// Decodes into `unit` up to its end; whether that is inside of a block.
    fn decode(&mut self, unit: &mut Unit, frames: &dyn Frames, outer: &mut dyn Pass) -> Result<bool> {
        let mut want = 1;
        while unit.len < MAX_UNIT {
            let input = Self::ahead(outer, self.input_at, want)?;
            let have = input.len();
            let step = self.inflate.extend(input, &mut self.old, CHUNK);
            let Some(step) = step else { return Err(self.damaged(frames, "the compressed data is invalid")) };
            self.input_at += step.used as u64;
            unit.len += step.made;
            match step.stop {
                Stop::Block { last: false, .. } if self.whole => {}
                Stop::Block { unused, last } => {
                    let end = (self.input_at * 8).saturating_sub(unused);
                    (unit.end, unit.last) = (Some(end), last);
                    return Ok(false);
                }
                Stop::Inside if step.used + step.made > 0 => want = 1,
                // A code, or a block's head, that is longer than what is there.
                Stop::Inside if have >= want => want = have + 1,
                Stop::Inside | Stop::End => return Err(self.damaged(frames, "the compressed data is cut off")),
            }
        }
        Ok(true)
    }

    /// Queues a unit; empty blocks one after another become one.
    fn push(&mut self, unit: Unit) {
        let waits = self.queue.len() > 1;
        if let Some(Item::Unit(before)) = self.queue.back_mut()
            && waits
            && (before.len, unit.len, unit.last, unit.whole) == (0, 0, false, false)
            && before.end == Some(unit.start)
        {
            (before.end, before.free) = (unit.end, unit.free);
            return;
        }
        self.queue.push_back(Item::Unit(unit));
    }

    /// Checks a trailer and goes past it (RFC 1952 §2.3.1).
    fn trailer(&mut self, frames: &dyn Frames, outer: &mut dyn Pass) -> Result<()> {
        let len = frames.trailer();
        let trailer = Self::ahead(outer, self.input_at, len)?.get(..len);
        let trailer = trailer.ok_or_else(|| self.damaged(frames, "the trailer is cut off"))?;
        let want = super::trailer(self.crc(), self.end() - self.plain_from);
        if trailer != want.get(..len).unwrap_or_default() {
            return Err(self.damaged(frames, "the checksum does not match"));
        }
        self.input_at += len as u64;
        self.state = State::Frame;
        Ok(())
    }
}
