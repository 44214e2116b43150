//! Lifts what changes in deflate streams (RFC 1951) and copies all other blocks as they are.
//!
//! A [`Splicer`] is a pass over the decoded stream. What is kept is not decoded where a point of find tells where to go on; a block
//! that is kept whole is copied as it is coded; a block with an edit, and those that refer to it, are decoded and encoded again.
//!
//! *Copy rule.* Let `c` be the length of the common end of the old and the new text before a block, at most 32 KiB. A block
//! that is not edited may be copied if it reaches back no further than `c`. Its codes are its own, so a decoder's state at its start
//! is the bit and the history only, and each of its references finds the same byte in both. So nothing that was dropped is
//! referred to either. A stored block reaches back 0, every other is taken to reach 32 KiB.
//!
//! *Cut.* A block with an edit, or of which only the beginning must be encoded again, is cut between two symbols (`cut`): the symbols
//! before the edit stay, closed by the block's own code for its end; those that lie 32 KiB or more behind it stay as well, behind
//! a copy of the block's header.
//!
//! *Aligned.* A region that is encoded again ends on the same bit of a byte on which the block behind it began (`region`), so that
//! what is copied is the original's bytes, not only its bits: the outer pass keeps them without reading them.
//!
//! What stands around the streams (members of gzip, nothing in a zip) is [`Frames`]. Memory: see `scan`, and 128 KiB of new text.

mod cut;
mod region;
mod scan;
mod write;

use crc32fast::Hasher;

use self::scan::{Item, Scan, Unit};
use self::write::Writer;
use super::place::{Kind as At, Place};
use crate::edit::EditList;
use crate::error::{Error, Kind, Result};
use crate::layer::Cx;
use crate::layer::coded::points::Points;
use crate::layer::pass::{Pass, Playing};
use crate::limits::DEFLATE_WINDOW;

/// Room that is made for decoded or encoded bytes at a time.
const CHUNK: usize = 64 * 1024;

/// What a head says of its member.
#[derive(Debug, Clone, Copy, Default)]
pub struct Member {
    /// Length of the head, bytes.
    pub len: usize,
    /// Level at which it is encoded again.
    pub level: u32,
    /// It is copied or made again as a whole, head and trailer with it.
    pub whole: bool,
    /// Why it cannot change.
    pub refused: Option<&'static str>,
}

/// What stands around deflate streams.
pub trait Frames {
    /// The layer's name, for errors.
    fn name(&self) -> &'static str;
    /// Coded bytes that [`Frames::open`] may want to see.
    fn longest(&self) -> usize;
    /// The member whose head stands at the coded offset `at`, where `ahead` are the next bytes; `None`: no more members.
    fn open(&self, ahead: &[u8], at: u64) -> Result<Option<Member>>;
    /// The member of whose head a point's note tells.
    fn told(&self, note: u64) -> Member;
    /// Length of a trailer with CRC-32 and length: 8, or 0 for none.
    fn trailer(&self) -> usize;
    /// What makes a whole member again, whose head `head` was.
    fn recut(&self, head: &[u8]) -> Result<Box<dyn Recut>>;
}

/// Makes a member again.
pub trait Recut {
    /// Takes plain bytes.
    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<()>;
    /// Ends the member.
    fn end(&mut self, out: &mut Vec<u8>) -> Result<()>;
}

/// CRC-32 and length modulo 2^32, as they stand behind a member (RFC 1952 §2.3.1).
fn trailer(crc: u32, len: u64) -> [u8; 8] {
    (u64::from(len as u32) << 32 | u64::from(crc)).to_le_bytes()
}

/// CRC-32 of two texts one behind the other, the second of `len` bytes.
fn join(first: u32, second: u32, len: u64) -> u32 {
    let mut crc = Hasher::new_with_initial_len(first, 0);
    crc.combine(&Hasher::new_with_initial_len(second, len));
    crc.finalize()
}

/// The member at which the pass stands.
#[derive(Clone, Copy)]
struct Open {
    head_at: u64,
    /// Offset in the decoded stream of its first byte.
    plain_from: u64,
    member: Member,
}

/// What becomes of the unit at which the pass stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It was not looked at.
    Unknown,
    /// It was kept so far.
    Kept,
    /// It is encoded again.
    Dirty,
}

/// A coded stream to be lifted.
pub struct Coded<'s> {
    /// Length of the decoded stream, bytes.
    pub len: u64,
    /// Where a decoder can begin.
    pub points: Option<&'s Points>,
    /// Heads that change.
    pub masked: &'s EditList,
    /// The level that was asked for.
    pub level: Option<u32>,
}

/// A pass over the decoded stream.
pub struct Splicer<'s> {
    frames: &'s dyn Frames,
    outer: &'s mut dyn Pass,
    masks: Playing<'s>,
    points: Option<&'s Points>,
    level: Option<u32>,
    len: u64,
    scan: Scan,
    /// Offset in the decoded stream: what lies between `pos` and this stays.
    at: u64,
    /// What lies before it is decided, or stays so far with its unit.
    pos: u64,
    fate: Fate,
    open: Option<Open>,
    writer: Writer,
    /// CRC-32 and length of the last member that changed.
    sum: Option<(u32, u64)>,
}

impl<'s> Splicer<'s> {
    /// A pass over what `outer` decodes to; `outer` stands at its first byte.
    pub fn new(frames: &'s dyn Frames, coded: &Coded<'s>, outer: &'s mut dyn Pass) -> Result<Self> {
        Ok(Self {
            frames,
            outer,
            masks: Playing::new(coded.masked)?,
            points: coded.points.filter(|points| !points.is_empty()),
            level: coded.level,
            len: coded.len,
            scan: Scan::new(),
            at: 0,
            pos: 0,
            fate: Fate::Unknown,
            open: None,
            writer: Writer::default(),
            sum: None,
        })
    }

    /// Ends the pass: makes the open member right, and keeps all that is left of the coded stream. CRC-32 and length of the last member
    /// that changed, if any did.
    pub fn finish(mut self, cx: &mut Cx<'_>) -> Result<Option<(u32, u64)>> {
        if self.at != self.len {
            return Err(Error::new(Kind::Verify, "a lift left bytes of its stream"));
        }
        // Behind the last member that changed nothing is looked at, nor read: in a bucket reading is downloading.
        while self.fate == Fate::Dirty || self.writer.changed() {
            cx.check()?;
            self.stay(u64::MAX)?;
        }
        self.masks.rest(self.outer)?;
        Ok(self.sum)
    }

    /// The unit at which the pass stands.
    fn unit(&self) -> Option<Unit> {
        match self.scan.queue.front() {
            Some(Item::Unit(unit)) if self.fate != Fate::Unknown => Some(unit.clone()),
            _ => None,
        }
    }

    /// What lies before `at` stays.
    fn settle(&mut self) -> Result<()> {
        while self.pos < self.at {
            self.stay(self.at)?;
        }
        Ok(())
    }

    /// Goes on, at most to `until`: what it passes stays.
    fn stay(&mut self, until: u64) -> Result<()> {
        match self.unit().filter(|unit| self.pos < unit.to()) {
            Some(unit) => {
                let to = unit.to().min(until);
                if self.fate == Fate::Dirty {
                    self.writer.feed(self.scan.old(self.pos, to))?;
                    self.writer.send(self.outer)?;
                }
                self.pos = to;
                Ok(())
            }
            None => self.step(until),
        }
    }

    /// Goes past one item, all of which is decided, or looks at the next one, or reads on. Up to `until` everything stays.
    fn step(&mut self, until: u64) -> Result<()> {
        let Some(item) = self.scan.queue.front() else {
            return if self.jump(until)? || self.scan_on()? { Ok(()) } else { Err(ended()) };
        };
        match item {
            Item::Unit(unit) => {
                let unit = unit.clone();
                if self.fate == Fate::Unknown { self.look(&unit) } else { self.decide(&unit) }
            }
            Item::Head(at, member) => {
                let level = self.level.unwrap_or(member.level);
                let member = Member { level, ..*member };
                self.open = Some(Open { head_at: *at, plain_from: self.pos, member });
                self.scan.queue.pop_front();
                Ok(())
            }
            Item::Trailer(at) => {
                let at = *at;
                self.scan.queue.pop_front();
                self.close(at)
            }
        }
    }

    /// Reads on; `false` at the end.
    fn scan_on(&mut self) -> Result<bool> {
        if self.scan.queue.is_empty() && !self.writer.in_region() {
            let at = self.scan.bit() / 8;
            self.keep_coded(at)?;
        }
        self.scan.scan(self.frames, self.outer)
    }

    /// All coded bytes before `at` stay, but for what of heads is masked.
    fn keep_coded(&mut self, at: u64) -> Result<()> {
        self.masks.until(at, self.outer)
    }

    /// All coded bytes before `at` go.
    fn drop_coded(&mut self, at: u64) -> Result<()> {
        let n = at.checked_sub(self.outer.offset()).ok_or_else(behind)?;
        self.outer.drop(n)
    }

    /// Looks at a unit for the first time.
    fn look(&mut self, unit: &Unit) -> Result<()> {
        self.fate = Fate::Kept;
        let whole_block = unit.begins && unit.end.is_some();
        if whole_block && self.writer.may_copy(unit) {
            return Ok(());
        }
        // Only so much of it as what is behind may refer to.
        self.cut_behind(unit.from + self.writer.lacks() as u64)?;
        self.encode((0, 0))
    }

    /// The unit at which the pass stands changes here: what of it lies before may stay, and what is far behind.
    fn dirty(&mut self) -> Result<()> {
        if self.fate == Fate::Dirty {
            return Ok(());
        }
        let code = self.cut_before()?;
        self.cut_behind(self.pos + DEFLATE_WINDOW as u64)?;
        self.encode(code)
    }

    /// The unit at which the pass stands is encoded again: what of it was kept so far is the first of it. `code` ends the block before,
    /// where that was cut.
    fn encode(&mut self, code: (u64, u32)) -> Result<()> {
        let (Some(unit), Some(open)) = (self.unit(), self.open) else { return Err(behind()) };
        if let Some(why) = open.member.refused {
            return Err(Error::unsupported(why).layer(self.frames.name()));
        }
        self.fate = Fate::Dirty;
        if unit.whole {
            if !self.writer.in_region() {
                let head = self.take_head(&unit, open.member.len)?;
                self.writer.recut(self.frames.recut(&head)?);
            }
        } else {
            self.writer.change(&unit);
            if !self.writer.in_region() {
                let byte = self.first_byte(unit.start / 8)?;
                let from = unit.from.saturating_sub(DEFLATE_WINDOW as u64).max(open.plain_from);
                let place = ((unit.start % 8) as u32, byte);
                self.writer.begin(place, code, self.scan.old(from, unit.from), open.member.level)?;
            }
        }
        self.writer.feed(self.scan.old(unit.from, self.pos))
    }

    /// The head of a member that is made again, as it will be.
    fn take_head(&mut self, unit: &Unit, len: usize) -> Result<Vec<u8>> {
        let at = unit.start / 8;
        self.keep_coded(at)?;
        let mask = self.masks.before(at + 1)?;
        let head = self.outer.window(len)?.get(..len).ok_or_else(ended)?;
        Ok(mask.map_or_else(|| head.to_vec(), |mask| mask.payload))
    }

    /// Goes past a unit: it is copied, or all of it was encoded again.
    fn decide(&mut self, unit: &Unit) -> Result<()> {
        let (dirty, plain_from) = (self.fate == Fate::Dirty, self.open.map_or(unit.from, |open| open.plain_from));
        if dirty {
            if unit.last {
                self.writer.finish()?;
            }
            self.writer.send(self.outer)?;
            self.drop_coded(unit.free)?;
        } else if self.writer.in_region() || unit.unlast {
            self.join(unit)?;
        }
        if !unit.whole {
            let from = unit.to().saturating_sub(DEFLATE_WINDOW as u64).max(plain_from);
            let history = (self.scan.old(from, unit.to()), from == plain_from);
            self.writer.past(unit, dirty, self.scan.old(unit.from, unit.to()), history);
        } else if unit.last {
            self.open = None;
        }
        self.fate = Fate::Unknown;
        self.scan.queue.pop_front();
        self.scan.forget(unit.to());
        Ok(())
    }

    /// Ends the region before a unit that is copied, and writes what of it is not copied as it is: its first byte, and the header of its
    /// block.
    fn join(&mut self, unit: &Unit) -> Result<()> {
        let (phase, at) = ((unit.start % 8) as u32, unit.start / 8);
        let mut byte = [self.first_byte(at)?];
        let mut header = unit.header.as_ref().map_or_else(Vec::new, |header| header.bytes.clone());
        if unit.unlast {
            // The first bit of a block says whether it is the last (RFC 1951 §3.2.3).
            let (first, bit) = if header.is_empty() { (byte.first_mut(), phase) } else { (header.first_mut(), 0) };
            if let Some(first) = first {
                *first &= !(1 << bit);
            }
        }
        let whole = unit.unlast && header.is_empty();
        if self.writer.in_region() {
            let bits = unit.header.as_ref().map_or(0, |header| header.bits);
            let [byte] = byte;
            self.writer.end(&region::Behind { header: (&header, bits), phase, byte, whole })?;
            self.writer.send(self.outer)?;
        } else {
            self.outer.write(&byte)?;
        }
        self.outer.drop(u64::from(phase > 0 || whole))
    }

    /// The first coded byte of what comes, which stands at `at`.
    fn first_byte(&mut self, at: u64) -> Result<u8> {
        if !self.writer.in_region() {
            self.keep_coded(at)?;
        }
        if self.outer.offset() != at {
            return Err(behind());
        }
        self.outer.window(1)?.first().copied().ok_or_else(ended)
    }

    /// Goes past the trailer at `at`, which is written anew if the member changed.
    fn close(&mut self, at: u64) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        if let Some((crc, grown)) = self.writer.close() {
            let len = (self.pos - open.plain_from).wrapping_add(grown);
            self.sum = Some((crc, len));
            self.keep_coded(at)?;
            let n = self.frames.trailer();
            self.outer.write(trailer(crc, len).get(..n).unwrap_or_default())?;
            self.outer.drop(n as u64)?;
        }
        Ok(())
    }

    /// Goes to a point before `until`, over blocks that stay and are not read; `false` if there is none ahead.
    fn jump(&mut self, until: u64) -> Result<bool> {
        let Some(points) = self.points.filter(|_| !self.writer.bound()) else { return Ok(false) };
        // A place at `until` itself may be that of another member than the bytes that come there belong to.
        let last = points.until(until.saturating_sub(1));
        let target = if self.writer.changed() { self.ahead_in_member(points, last) } else { last.checked_sub(1) };
        let Some((n, point)) = target.and_then(|n| Some((n, points.get(n)?))) else { return Ok(false) };
        let Some(place) = Place::of(&point) else { return Ok(false) };
        if point.plain <= self.pos || point.coded <= self.scan.bit() {
            return Ok(false);
        }
        let crc = self.scan.crc();
        let window = if place.kind == At::Block { points.window(n)? } else { Vec::new() };
        if !self.scan.jump(&point, &place, window) {
            return Ok(false);
        }
        self.writer.over(crc, place.crc, point.plain - self.pos);
        let member = self.frames.told(place.note);
        let member = Member { level: self.level.unwrap_or(member.level), ..member };
        let open = Open { head_at: place.head_at, plain_from: place.plain_from, member };
        self.open = Some(open).filter(|_| place.kind != At::Head);
        self.pos = point.plain;
        Ok(true)
    }

    /// The last point ahead of the pass in its own member and among the first `last` points: its trailer, if that is there.
    fn ahead_in_member(&self, points: &Points, last: usize) -> Option<usize> {
        let open = self.open?;
        let mut best = None;
        for n in points.until(self.pos)..last {
            let place = Place::of(&points.get(n)?)?;
            if place.head_at != open.head_at || place.kind == At::Head {
                break;
            }
            best = Some(n);
            if place.kind == At::Trailer {
                break;
            }
        }
        best
    }

    /// The offset behind the next `n` bytes.
    fn behind(&self, n: u64) -> Result<u64> {
        self.at.checked_add(n).filter(|to| *to <= self.len).ok_or_else(ended)
    }
}

fn ended() -> Error {
    Error::new(Kind::Damaged, "the stream ended before its edits did")
}

fn behind() -> Error {
    Error::new(Kind::Verify, "a splice lies behind the pass")
}

impl Pass for Splicer<'_> {
    fn offset(&self) -> u64 {
        self.at
    }

    fn window(&mut self, min: usize) -> Result<&[u8]> {
        self.settle()?;
        while self.scan.end().saturating_sub(self.pos) < min as u64 && self.scan_on()? {}
        Ok(self.scan.old(self.pos, self.scan.end()))
    }

    fn keep(&mut self, n: u64) -> Result<()> {
        self.at = self.behind(n)?;
        Ok(())
    }

    fn drop(&mut self, n: u64) -> Result<()> {
        let to = self.behind(n)?;
        self.settle()?;
        while self.pos < to {
            if self.unit().is_none_or(|unit| self.pos >= unit.to()) {
                self.step(self.pos)?;
                continue;
            }
            self.dirty()?;
            // As far as it reaches now: it may have been cut.
            self.pos = self.unit().map_or(self.pos, |unit| unit.to()).min(to);
        }
        self.at = to;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.settle()?;
        // At the end of a member they are its last: what comes behind it may have no member to go to.
        while !self.unit().is_some_and(|unit| self.pos < unit.to() || self.fate == Fate::Dirty || unit.last) {
            self.step(self.pos)?;
        }
        self.dirty()?;
        self.writer.feed(bytes)?;
        self.writer.send(self.outer)
    }

    fn keep_rest(&mut self) -> Result<()> {
        self.at = self.len;
        Ok(())
    }
}
