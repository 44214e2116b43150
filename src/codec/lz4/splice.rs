//! Lift of an LZ4 stream, block by block.
//!
//! Frames that nothing touches are kept by range. In a touched one every block is decoded, since its content checksum is made
//! anew; blocks that nothing touches stay as they are coded, linked ones only if the 64 KiB before them, as far as they can
//! reach, are what they were. The content size is known: all that will change is. Memory: as the decoder and the encoder.

use super::decode::{self, RAW, WORD, memory};
use super::encode::Open;
use super::head::{self, Frame};
use super::{NAME, WINDOW};
use crate::error::{Error, Result};
use crate::layer::coded::Need;
use crate::layer::coded::points::Points;
use crate::layer::coded::units::{Coded, Job, last_before};
use crate::layer::coded::weave::Weave;

fn damaged(at: u64) -> Error {
    Error::damaged(NAME, at, "the compressed data is invalid")
}

/// Lifts `job`.
pub fn splice(job: Job<'_>, need: Need<'_>) -> Result<bool> {
    let Job { coded, edits, points, .. } = job;
    let weave = Weave::new(&edits)?;
    Splicer { coded, weave, points, need, at: 0, plain: 0, out: Vec::new() }.run()
}

struct Splicer<'s, 'w, 'n> {
    coded: Coded<'s>,
    weave: Weave<'w>,
    points: Option<&'s Points>,
    need: Need<'n>,
    /// The next frame, or block of the open one, and the plain offset at which it stands.
    at: u64,
    plain: u64,
    out: Vec<u8>,
}

impl Splicer<'_, '_, '_> {
    fn run(mut self) -> Result<bool> {
        while let Some(change) = self.weave.next_at() {
            let point = last_before(self.points, change, |_| true);
            if let Some(point) = point.filter(|point| point.plain > self.plain && point.coded / 8 > self.at) {
                (self.at, self.plain) = (point.coded / 8, point.plain);
            }
            match u32::from_le_bytes(self.coded.array(self.at)?) {
                head::MAGIC => self.frame()?,
                magic if head::is_skippable(magic) => {
                    let len = u32::from_le_bytes(self.coded.array(self.at + WORD as u64)?);
                    self.at += head::SKIPPABLE_HEADER as u64 + u64::from(len);
                }
                _ => return Err(damaged(self.at)),
            }
        }
        self.coded.keep_rest()?;
        Ok(true)
    }

    fn frame(&mut self) -> Result<()> {
        let window = self.coded.window(self.at, head::LONGEST)?;
        let (frame, len) = head::parse(window.get(..window.len().min(head::LONGEST)).unwrap_or_default(), self.at)?;
        let start = self.at;
        self.at += len as u64;
        if let Some(content) = frame.content.filter(|content| !self.weave.touches(self.plain + content)) {
            while let Some(block) = self.block(&frame)? {
                self.at = block.end;
            }
            self.plain += content;
            self.at += frame.tail();
            return Ok(());
        }
        (self.need)(3 * memory(&frame))?;
        let (first, mut old, mut open, mut dirty) = (self.plain, Vec::new(), Open::new(frame), false);
        while let Some(block) = self.block(&frame)? {
            let keep = self.decode(&frame, &block, &mut old)?;
            let (before, plain) = old.split_at(keep);
            let touched = self.weave.touches(self.plain + plain.len() as u64);
            if touched && !dirty {
                dirty = true;
                open.told = self.header(&frame, start, first)?;
            }
            let Self { coded, weave, out, .. } = self;
            if touched || dirty && !open.follows(before) {
                coded.keep_to(self.at)?;
                if touched {
                    weave.weave(self.plain, plain, &mut |new| open.take(new, out))?;
                } else {
                    open.take(plain, out)?;
                }
                coded.send(out)?;
                coded.drop_to(block.end)?;
            } else {
                open.block(out)?;
                coded.send(out)?;
                open.keep(plain);
            }
            (self.at, self.plain) = (block.end, self.plain + plain.len() as u64);
        }
        let end = self.at + frame.tail();
        if dirty {
            open.block(&mut self.out)?;
            self.coded.send(&mut self.out)?;
            self.coded.keep_to(self.at)?;
            open.tail(&mut self.out)?;
            self.coded.send(&mut self.out)?;
            self.coded.drop_to(end)?;
        }
        self.at = end;
        Ok(())
    }

    /// Writes the header of the touched frame that stands at `start` and at the plain offset `first`, if it tells of the content's
    /// size; gives that size.
    fn header(&mut self, frame: &Frame, start: u64, first: u64) -> Result<Option<u64>> {
        let Some(content) = frame.content else { return Ok(None) };
        let (_, len) = head::parse(self.coded.exact(start, head::SIZED)?, start)?;
        let size = self.plain - first + self.weave.len_after(self.plain, first + content)?;
        self.coded.keep_to(start)?;
        frame.write(Some(size), &mut self.out);
        self.coded.send(&mut self.out)?;
        self.coded.drop_to(start + len as u64)?;
        Ok(Some(size))
    }

    /// The next block of a frame; `None` at its end.
    fn block(&mut self, frame: &Frame) -> Result<Option<Block>> {
        let word = u32::from_le_bytes(self.coded.array(self.at)?);
        let (raw, len) = (word & RAW != 0, (word & !RAW) as usize);
        if len > frame.block {
            return Err(damaged(self.at));
        }
        let end = self.at + (WORD + len + if frame.block_checksums { WORD } else { 0 }) as u64;
        Ok((word != 0).then_some(Block { raw, len, end }))
    }

    /// Decodes a block behind what it may refer to; gives how long that is.
    fn decode(&mut self, frame: &Frame, block: &Block, old: &mut Vec<u8>) -> Result<usize> {
        let keep = if frame.independent { 0 } else { old.len().min(WINDOW) };
        old.drain(..old.len() - keep);
        let coded = self.coded.exact(self.at + WORD as u64, block.len)?;
        if block.raw {
            old.extend_from_slice(coded);
        } else {
            decode::first(coded, frame.block, old).ok_or_else(|| damaged(self.at))?;
        }
        Ok(keep)
    }
}

/// One block: whether it is not compressed, the length of its data, and where it ends.
struct Block {
    raw: bool,
    len: usize,
    end: u64,
}
