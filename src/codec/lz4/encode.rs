//! The LZ4 encoder: each announced frame becomes a frame with the same block size, linking and checksums.
//!
//! A content size is written where the original had one and the new one is known in time: for a frame whose new content is at
//! most 1 MiB (held back until its end), and for the one frame of a stream whose new length find foretold. Longer ones among
//! several go without.

use lz4_flex::block::{compress_into, compress_into_with_dict, get_maximum_output_size};
use xxhash_rust::xxh32::{Xxh32, xxh32};

use super::decode::memory;
use super::head::Frame;
use super::{NAME, WINDOW};
use crate::error::{Error, Kind, Result};
use crate::layer::coded::{Encoder, Head, Need};

/// Longest content that is held back to learn its size, bytes.
const HOLD: usize = 1 << 20;

/// The encoder.
pub struct Frames<'a> {
    need: Need<'a>,
    /// The most memory asked for so far.
    asked: u64,
    open: Option<Open>,
    /// Lengths of the stream as it was and as it will be.
    foretold: Option<(u64, u64)>,
}

/// The frame that is being written.
pub struct Open {
    frame: Frame,
    hash: Xxh32,
    /// Plain bytes so far.
    made: u64,
    /// How many the header tells of.
    pub told: Option<u64>,
    /// Content that waits for its size to be known.
    held: Option<Vec<u8>>,
    /// Up to [`WINDOW`] bytes before the block, then the block as far as it is known.
    plain: Vec<u8>,
    /// Where in `plain` the block begins.
    start: usize,
}

fn failed(what: &'static str) -> Error {
    Error::new(Kind::Verify, what).layer(NAME)
}

impl<'a> Frames<'a> {
    /// An encoder.
    pub fn new(need: Need<'a>) -> Self {
        Self { need, asked: 0, open: None, foretold: None }
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        open.release(true, out)?;
        open.block(out)?;
        open.tail(out)
    }
}

impl Open {
    /// A frame like `frame`, at its first block.
    pub fn new(frame: Frame) -> Self {
        Self { frame, hash: Xxh32::new(0), made: 0, told: None, held: None, plain: Vec::new(), start: 0 }
    }

    /// Writes what stands behind the last block.
    pub fn tail(&self, out: &mut Vec<u8>) -> Result<()> {
        if self.told.is_some_and(|told| told != self.made) {
            return Err(failed("a frame has not the length that was foretold"));
        }
        out.extend_from_slice(&0_u32.to_le_bytes());
        if self.frame.content_checksum {
            out.extend_from_slice(&self.hash.digest().to_le_bytes());
        }
        Ok(())
    }

    /// Whether a block that stood behind `old` may follow as it is coded: it reaches only what is the same.
    pub fn follows(&self, old: &[u8]) -> bool {
        let tail = |bytes: &[u8]| bytes.len().saturating_sub(WINDOW);
        self.frame.independent || self.plain.get(tail(&self.plain)..) == old.get(tail(old)..)
    }

    /// A block of these plain bytes stays as it is coded. All before it was written.
    pub fn keep(&mut self, plain: &[u8]) {
        self.made += plain.len() as u64;
        if self.frame.content_checksum {
            self.hash.update(plain);
        }
        if !self.frame.independent {
            self.plain.extend_from_slice(plain);
            self.plain.drain(..self.plain.len().saturating_sub(WINDOW));
            self.start = self.plain.len();
        }
    }

    /// Writes the header, and what was held back; `whole` if that is all there is.
    fn release(&mut self, whole: bool, out: &mut Vec<u8>) -> Result<()> {
        let Some(held) = self.held.take() else { return Ok(()) };
        self.told = whole.then_some(held.len() as u64);
        self.frame.write(self.told, out);
        self.take(&held, out)
    }

    /// Takes content; whole blocks go to `out`.
    pub fn take(&mut self, mut plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.made += plain.len() as u64;
        if self.frame.content_checksum {
            self.hash.update(plain);
        }
        while !plain.is_empty() {
            let room = self.frame.block - (self.plain.len() - self.start);
            let (now, later) = plain.split_at(plain.len().min(room));
            self.plain.extend_from_slice(now);
            plain = later;
            if now.len() == room {
                self.block(out)?;
            }
        }
        Ok(())
    }

    /// Writes what has come in as one block.
    pub fn block(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let (history, new) = self.plain.split_at(self.start);
        if new.is_empty() {
            return Ok(());
        }
        let start = out.len();
        out.resize(start + 4 + get_maximum_output_size(new.len()), 0);
        let room = out.get_mut(start + 4..).unwrap_or_default();
        let len = match history {
            [] => compress_into(new, room),
            _ => compress_into_with_dict(new, room, history),
        };
        let mut len = len.map_err(|_| failed("the compressor failed"))?;
        let raw = len >= new.len();
        out.truncate(start + 4 + if raw { 0 } else { len });
        if raw {
            out.extend_from_slice(new);
            len = new.len();
        }
        if self.frame.block_checksums {
            let checksum = xxh32(out.get(start + 4..).unwrap_or_default(), 0);
            out.extend_from_slice(&checksum.to_le_bytes());
        }
        let word = len as u32 | u32::from(raw) << 31;
        if let Some(to) = out.get_mut(start..start + 4) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        let keep = if self.frame.independent { 0 } else { self.plain.len().min(WINDOW) };
        self.plain.drain(..self.plain.len() - keep);
        self.start = keep;
        Ok(())
    }
}

impl Encoder for Frames<'_> {
    fn foretell(&mut self, old: u64, new: u64) {
        self.foretold = Some((old, new));
    }

    fn begin(&mut self, head: &Head, out: &mut Vec<u8>) -> Result<()> {
        self.end(out)?;
        if head.verbatim {
            out.extend_from_slice(&head.bytes);
            return Ok(());
        }
        let frame = Frame::of(head);
        // The decoder's, and as much again with what is held back and compressed.
        let all = 3 * memory(&frame) + HOLD as u64;
        if all > self.asked {
            (self.need)(all)?;
            self.asked = all;
        }
        let mut open = Open::new(frame);
        match (frame.content, self.foretold) {
            (None, _) => frame.write(None, out),
            (Some(old), Some((before, after))) if old == before && old > 0 => {
                open.told = Some(after);
                frame.write(open.told, out);
            }
            (Some(_), _) => open.held = Some(Vec::new()),
        }
        self.open = Some(open);
        Ok(())
    }

    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let open = self.open.as_mut().ok_or_else(|| failed("bytes outside a frame"))?;
        if let Some(held) = &mut open.held {
            if held.len() + plain.len() <= HOLD {
                held.extend_from_slice(plain);
                return Ok(());
            }
            open.release(false, out)?;
        }
        open.take(plain, out)
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.end(out)
    }
}
