//! Members as a splice sees them: their heads, their trailers, and BGZF's, which are made again as a whole.

use flate2::{Compress, Compression};

use super::{NAME, bgzf, head};
use crate::error::Result;
use crate::input::{Input, Source};
use crate::layer::deflate::splice::{Frames, Member, Recut};

/// Bytes that are asked for to see a head.
const LONGEST: usize = head::LONGEST + 2;
/// Bytes of one read of a head.
const READ: usize = 1024;

/// gzip's members.
pub struct Members {
    /// The level that was asked for.
    pub level: Option<u32>,
}

/// What a point notes of a head.
pub fn note(special: head::Special, xfl: u8) -> u64 {
    special.to_trait() | u64::from(xfl) << 8
}

/// The level of which XFL tells (RFC 1952 §2.3.1: 2 slowest, 4 fastest).
pub fn level(xfl: u64) -> u32 {
    match xfl {
        2 => 9,
        4 => 1,
        _ => 6,
    }
}

impl Members {
    fn member(len: usize, special: head::Special, xfl: u8) -> Member {
        Member {
            len,
            level: level(xfl.into()),
            whole: special == head::Special::Bgzf,
            refused: (special == head::Special::Dictzip).then_some("dictzip"),
        }
    }
}

impl Frames for Members {
    fn name(&self) -> &'static str {
        NAME
    }

    fn longest(&self) -> usize {
        LONGEST
    }

    fn open(&self, ahead: &[u8], at: u64) -> Result<Option<Member>> {
        // Behind the last member stand NULs, or nothing.
        if at > 0 && ahead.first().is_none_or(|byte| *byte == 0) {
            return Ok(None);
        }
        let parsed = head::parse(&mut Input::new(Bytes(ahead), READ))?;
        Ok(Some(Self::member(parsed.len, parsed.special, parsed.xfl)))
    }

    fn told(&self, note: u64) -> Member {
        Self::member(0, head::Special::from_trait(note & 0xff), (note >> 8) as u8)
    }

    fn trailer(&self) -> usize {
        8
    }

    fn recut(&self, bytes: &[u8]) -> Result<Box<dyn Recut>> {
        let parsed = head::parse(&mut Input::new(Bytes(bytes), READ))?;
        let level = self.level.unwrap_or(level(parsed.xfl.into()));
        let blocks = bgzf::Blocks::new(bytes.to_vec(), parsed.bc_at);
        Ok(Box::new(Again { blocks, deflate: Compress::new(Compression::new(level), false) }))
    }
}

/// Bytes, as a source.
struct Bytes<'b>(&'b [u8]);

impl Source for Bytes<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let n = buf.len().min(self.0.len());
        let (now, later) = self.0.split_at(n);
        buf.get_mut(..n).unwrap_or_default().copy_from_slice(now);
        self.0 = later;
        Ok(n)
    }
}

/// A BGZF member that is cut anew.
struct Again {
    blocks: bgzf::Blocks,
    deflate: Compress,
}

impl Recut for Again {
    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.blocks.write(plain, &mut self.deflate, out)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.blocks.end(&mut self.deflate, out)
    }
}
