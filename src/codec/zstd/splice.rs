//! Lift of a zstd stream that copies what stays: frames, and of a longer frame the blocks before the first touched one.
//!
//! Frames that nothing touches are kept by range. A touched one is decoded block by block. What stands before its first
//! touched block stays as it is coded and becomes a frame of its own: the same window, content size and checksum of what is left, an
//! empty last block behind it. Its blocks after that may refer to what went (offsets, repeated offsets, tables), so that they
//! are encoded again, in frames of a bounded size, that the next lift is short. pzstd's sizes and the seek table follow.
//! Memory: the frame's window, [`SHORT`] plain bytes, and one new frame where its size stands before it.

use xxhash_rust::xxh64::Xxh64;
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use super::NAME;
use super::encode::Frames;
use super::head::{self, Frame, Start};
use super::seek::Old;
use crate::error::{Error, Kind, Result};
use crate::layer::coded::points::Points;
use crate::layer::coded::units::{Coded, Job, last_before};
use crate::layer::coded::weave::Weave;
use crate::layer::coded::{Encoder, Need};

/// Plain bytes of a new frame, unless its window is larger: what the next lift encodes again for one record.
const PIECE: u64 = 8 << 20;
/// A frame of which fewer plain bytes stay in front is encoded again as a whole, so that frames do not get smaller each time.
const SHORT: usize = 1 << 20;
/// Largest content of a block (RFC 8878 §3.1.1.2.4).
const BLOCK: usize = 128 << 10;
/// Length of a block's header.
const BLOCK_HEADER: u64 = 3;
/// Length of a content checksum.
const CHECKSUM: u64 = 4;
/// An empty raw block, the last of its frame.
const LAST: [u8; 3] = [1, 0, 0];
/// log2 of the largest window.
const WINDOW_LOG: u32 = 31;

fn damaged(at: u64) -> Error {
    Error::damaged(NAME, at, "the compressed data is invalid")
}

/// Lifts `job`, encoding by `frames`. `false`, with nothing written: a seek table does not tell the truth.
/// `seekable`: a seek table is written though there was none.
pub fn splice(job: Job<'_>, frames: Frames<'_>, seekable: bool, need: Need<'_>) -> Result<bool> {
    let Job { mut coded, edits, points, .. } = job;
    let Some(old) = Old::read(&mut coded, seekable)? else { return Ok(false) };
    let weave = Weave::new(&edits)?;
    let splicer = Splicer {
        coded,
        weave,
        points,
        frames,
        need,
        old,
        context: None,
        at: 0,
        plain: 0,
        size: None,
        out: Vec::new(),
    };
    splicer.run()?;
    Ok(true)
}

struct Splicer<'s, 'w, 'n> {
    coded: Coded<'s>,
    weave: Weave<'w>,
    points: Option<&'s Points>,
    frames: Frames<'n>,
    need: Need<'n>,
    /// The seek table as it was.
    old: Old,
    context: Option<DCtx<'static>>,
    /// The next frame, and the plain offset at which it stands.
    at: u64,
    plain: u64,
    /// Where pzstd's size of that frame stands.
    size: Option<u64>,
    out: Vec<u8>,
}

impl Splicer<'_, '_, '_> {
    fn run(mut self) -> Result<()> {
        while let Some(change) = self.weave.next_at() {
            let point = last_before(self.points, change, |_| true);
            if let Some(point) = point.filter(|point| point.plain > self.plain && point.coded / 8 > self.at) {
                (self.at, self.plain, self.size) = (point.coded / 8, point.plain, None);
            }
            self.item()?;
        }
        let len = self.coded.end();
        let (start, checksums) = self.old.place().unwrap_or((len, false));
        self.keep(start)?;
        if self.old.place().is_some() || self.old.wanted() && !self.frames.table.is_broken() {
            self.coded.keep_to(start)?;
            self.frames.table.write(checksums, &mut self.out)?;
            self.coded.send(&mut self.out)?;
            self.coded.drop_to(len)?;
        }
        self.coded.keep_rest()
    }

    /// Notes for a seek table that the frames up to `to` stay.
    fn keep(&mut self, to: u64) -> Result<()> {
        let Self { coded, old, frames, context, need, .. } = self;
        old.keep(coded, to, &mut frames.table, &mut |coded, at, frame| {
            need(frame.memory())?;
            let mut blocks = Blocks::new(context.take(), coded, at, frame)?;
            let mut len = 0;
            while blocks.next(coded)? {
                len += blocks.plain.len() as u64;
            }
            *context = Some(blocks.context);
            Ok(len)
        })
    }

    /// Goes over one frame or skippable frame.
    fn item(&mut self) -> Result<()> {
        let at = self.at;
        let window = self.coded.window(at, head::LONGEST)?;
        match head::start(window) {
            Start::Frame => {
                let frame = head::parse(window.get(..window.len().min(head::LONGEST)).unwrap_or_default(), at)?;
                self.frame(&frame)
            }
            Start::Skippable(low) => {
                let len = head::skippable_len(window).ok_or_else(|| damaged(at))?;
                self.size = (low == 0 && len == 4).then_some(at);
                self.at = at + head::SKIPPABLE as u64 + len;
                Ok(())
            }
            _ => Err(damaged(at)),
        }
    }

    fn frame(&mut self, frame: &Frame) -> Result<()> {
        let start = self.at + frame.len as u64;
        if let Some(content) = frame.content.filter(|content| !self.weave.touches(self.plain + content)) {
            // Find has read it: it is as long as it says.
            self.at = frame_end(&mut self.coded, start, frame.checksum)?;
            (self.plain, self.size) = (self.plain + content, None);
            return Ok(());
        }
        (self.need)(frame.memory())?;
        let mut blocks = Blocks::new(self.context.take(), &mut self.coded, self.at, frame)?;
        let (mut hash, mut held, mut plain) = (Xxh64::new(0), Vec::new(), self.plain);
        // Where the first touched block stands.
        let touched = loop {
            let at = blocks.at;
            if !blocks.next(&mut self.coded)? {
                break None;
            }
            if self.weave.touches(plain + blocks.plain.len() as u64) {
                break Some(at);
            }
            hash.update(&blocks.plain);
            plain += blocks.plain.len() as u64;
            if held.len() <= SHORT {
                held.extend_from_slice(&blocks.plain);
            }
        };
        if let Some(touched) = touched {
            let kept = plain - self.plain;
            if kept > SHORT as u64 {
                held.clear();
                self.front(frame, touched, kept, &hash)?;
            } else {
                plain = self.plain;
                self.coded.keep_to(self.size.unwrap_or(self.at))?;
                self.keep(self.size.unwrap_or(self.at))?;
            }
            plain = self.rest(frame, &mut blocks, plain, &held)?;
            self.coded.drop_to(blocks.at)?;
            self.old.pass(blocks.at)?;
        }
        (self.at, self.plain, self.size) = (blocks.at, plain, None);
        self.context = Some(blocks.context);
        Ok(())
    }

    /// Makes a frame of the blocks before `touched`, which hold `kept` plain bytes of `hash`.
    fn front(&mut self, frame: &Frame, touched: u64, kept: u64, hash: &Xxh64) -> Result<()> {
        let old = self.coded.exact(self.at, frame.len)?;
        // It was longer before, so that there is room.
        let mut header = frame.with_content(old, kept).ok_or_else(|| damaged(self.at))?;
        let same = header == old;
        let mut tail = LAST.to_vec();
        if frame.checksum {
            tail.extend_from_slice(&(hash.digest() as u32).to_le_bytes());
        }
        let (at, start) = (self.at, self.at + frame.len as u64);
        let len = header.len() as u64 + (touched - start) + tail.len() as u64;
        let first = self.size.unwrap_or(at);
        self.coded.keep_to(first)?;
        self.keep(first)?;
        if self.size.is_some() {
            self.frames.sized(len, &mut self.out)?;
            self.coded.send(&mut self.out)?;
            self.coded.drop_to(at)?;
        }
        if !same {
            self.coded.send(&mut header)?;
            self.coded.drop_to(start)?;
        }
        self.coded.keep_to(touched)?;
        self.coded.send(&mut tail)?;
        self.frames.table.note(len, kept, hash.digest());
        Ok(())
    }

    /// Encodes `held`, the block that `blocks` stands at and all behind it, from the plain offset `plain` on; gives where they end.
    fn rest(&mut self, frame: &Frame, blocks: &mut Blocks, plain: u64, held: &[u8]) -> Result<u64> {
        let Self { coded, weave, frames, out, .. } = self;
        let whole = plain == self.plain;
        let left = frame.content.map(|content| weave.len_after(plain, self.plain + content)).transpose()?;
        let mut pieces = Pieces { frames, frame, left, room: 0, sized: self.size.is_some(), open: false };
        let mut at = plain;
        if !held.is_empty() {
            pieces.write(held, out)?;
            at += held.len() as u64;
        }
        loop {
            weave.weave(at, &blocks.plain, &mut |new| pieces.write(new, out))?;
            coded.send(out)?;
            at += blocks.plain.len() as u64;
            if !blocks.next(coded)? {
                break;
            }
        }
        // A frame that lost all its bytes stays as an empty one.
        if whole && !pieces.open {
            pieces.begin()?;
        }
        pieces.frames.finish(out)?;
        coded.send(out)?;
        Ok(at)
    }
}

/// New frames, one after another, each of a bounded size.
struct Pieces<'p, 's> {
    frames: &'p mut Frames<'s>,
    frame: &'p Frame,
    /// Plain bytes that are to come, if that is known.
    left: Option<u64>,
    /// Plain bytes that the open frame takes.
    room: u64,
    sized: bool,
    /// Whether a frame was begun.
    open: bool,
}

impl Pieces<'_, '_> {
    fn begin(&mut self) -> Result<()> {
        let piece = PIECE.max(self.frame.window.min(1 << 27));
        let pledge = self.left.map(|left| if left <= piece + piece / 4 { left } else { piece });
        self.room = pledge.unwrap_or(piece);
        self.left = self.left.map(|left| left - self.room);
        self.open = true;
        self.frames.begin_piece(self.frame, pledge, self.sized)
    }

    fn write(&mut self, mut plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        while !plain.is_empty() {
            if self.room == 0 {
                self.frames.finish(out)?;
                self.begin()?;
            }
            let n = usize::try_from(self.room).unwrap_or(usize::MAX).clamp(1, plain.len());
            let (now, later) = plain.split_at(n);
            self.frames.write(now, out)?;
            self.room = self.room.saturating_sub(n as u64);
            plain = later;
        }
        Ok(())
    }
}

/// A block's header at `at`: whether it is the last, and how many bytes stand behind it.
fn block(coded: &mut Coded<'_>, at: u64) -> Result<(bool, u64)> {
    let [a, b, c] = coded.array(at)?;
    let word = u64::from(a) | u64::from(b) << 8 | u64::from(c) << 16;
    // An RLE block is one byte (RFC 8878 §3.1.1.2.2).
    let len = if word >> 1 & 3 == 1 { 1 } else { word >> 3 };
    Ok((word & 1 == 1, len))
}

/// Where the frame ends whose first block is at `at`.
pub fn frame_end(coded: &mut Coded<'_>, mut at: u64, checksum: bool) -> Result<u64> {
    loop {
        let (last, len) = block(coded, at)?;
        at += BLOCK_HEADER + len;
        if last {
            return Ok(at + if checksum { CHECKSUM } else { 0 });
        }
    }
}

/// A frame, decoded block by block.
struct Blocks {
    context: DCtx<'static>,
    /// The next block; at the end, what stands behind the frame.
    at: u64,
    last: bool,
    checksum: bool,
    /// What the last block decoded to.
    plain: Vec<u8>,
}

impl Blocks {
    /// Begins at the header of `frame`, which stands at `at`.
    fn new(context: Option<DCtx<'static>>, coded: &mut Coded<'_>, at: u64, frame: &Frame) -> Result<Self> {
        let out_of_memory = || Error::new(Kind::Io, "no memory for a zstd decoder");
        let mut context = match context {
            Some(context) => context,
            None => DCtx::try_create().ok_or_else(out_of_memory)?,
        };
        context.reset(zstd_safe::ResetDirective::SessionOnly).map_err(|_| out_of_memory())?;
        context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG)).map_err(|_| out_of_memory())?;
        let (checksum, plain) = (frame.checksum, Vec::with_capacity(BLOCK));
        let mut blocks = Self { context, at, last: false, checksum, plain };
        blocks.feed(coded, frame.len)?;
        Ok(blocks)
    }

    /// Decodes the next block; `false` behind the last.
    fn next(&mut self, coded: &mut Coded<'_>) -> Result<bool> {
        self.plain.clear();
        if self.last {
            return Ok(false);
        }
        let (last, len) = block(coded, self.at)?;
        if len > BLOCK as u64 {
            return Err(damaged(self.at));
        }
        self.feed(coded, (BLOCK_HEADER + len) as usize)?;
        self.last = last;
        if last && self.checksum {
            self.feed(coded, CHECKSUM as usize)?;
        }
        Ok(true)
    }

    /// Gives the decoder the next `n` bytes, and takes all that they decode to.
    fn feed(&mut self, coded: &mut Coded<'_>, n: usize) -> Result<()> {
        let mut from = InBuffer::around(coded.exact(self.at, n)?);
        loop {
            let (before, used) = (self.plain.len(), from.pos());
            self.plain.reserve(BLOCK);
            let mut to = OutBuffer::around_pos(&mut self.plain, before);
            self.context.decompress_stream(&mut to, &mut from).map_err(|_| damaged(self.at))?;
            let full = to.pos() == to.capacity();
            if from.pos() == n && !full {
                break;
            }
            // Find has read it: the decoder takes what it is given.
            if self.plain.len() > 2 * BLOCK || from.pos() == used && self.plain.len() == before {
                return Err(damaged(self.at));
            }
        }
        self.at += n as u64;
        Ok(())
    }
}
