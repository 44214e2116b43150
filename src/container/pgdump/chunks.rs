//! Blocks lie in chunks: a number of bytes and as many bytes, up to a chunk of none (`_CustomReadFunc`, `_CustomWriteFunc`).

use super::CUSTOM;
use super::toc::{Bytes, Head, cut};
use crate::error::{Error, Kind, Result};
use crate::input::{Input, Source};
use crate::layer::Pass;

/// Bytes of a chunk that is written: zlib's buffer in `pg_dump`.
const CHUNK: usize = 4096;
/// Most bytes of a number.
const LENGTH: usize = 9;

/// Reads the length of the next chunk.
fn chunk(bytes: &mut dyn Bytes, head: &Head) -> Result<u64> {
    let at = bytes.offset();
    let len = head.int(bytes)?;
    // More is no number to who reads it.
    let len = u64::try_from(len).ok().filter(|len| i32::try_from(*len).is_ok());
    len.ok_or_else(|| Error::damaged(CUSTOM, at, "the length of a chunk is none"))
}

/// The bytes in the chunks that come next, up to the last one.
pub struct Chunks<'i, 'a> {
    input: &'i mut Input<'a>,
    head: &'i Head,
    left: u64,
    ended: bool,
}

impl<'i, 'a> Chunks<'i, 'a> {
    /// From the first chunk on, which is looked at.
    pub fn new(input: &'i mut Input<'a>, head: &'i Head) -> Result<Self> {
        let left = chunk(input, head)?;
        Ok(Self { input, head, left, ended: left == 0 })
    }

    /// Whether there is no byte in them.
    pub fn is_empty(&self) -> bool {
        self.ended
    }
}

impl Source for Chunks<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        while !self.ended && done < buf.len() {
            if self.left == 0 {
                self.left = chunk(self.input, self.head)?;
                self.ended = self.left == 0;
                continue;
            }
            let at = self.input.offset();
            let window = self.input.window(1)?;
            let to = buf.get_mut(done..).unwrap_or_default();
            let n = window.len().min(to.len()).min(usize::try_from(self.left).unwrap_or(usize::MAX));
            if n == 0 {
                return Err(cut(at));
            }
            if let (Some(to), Some(from)) = (to.get_mut(..n), window.get(..n)) {
                to.copy_from_slice(from);
            }
            self.input.consume(n);
            self.left -= n as u64;
            done += n;
        }
        Ok(done)
    }
}

/// A window of a pass.
struct Window<'w> {
    offset: u64,
    bytes: &'w [u8],
    at: usize,
}

impl Bytes for Window<'_> {
    fn offset(&self) -> u64 {
        self.offset + self.at as u64
    }
    fn window(&mut self, _: usize) -> Result<&[u8]> {
        Ok(self.bytes.get(self.at..).unwrap_or_default())
    }
    fn step(&mut self, n: usize) -> Result<()> {
        self.at += n;
        Ok(())
    }
}

/// A pass over the bytes in the chunks that an outer one comes to; what is written goes into chunks again.
pub struct ChunkPass<'p> {
    outer: &'p mut dyn Pass,
    head: &'p Head,
    /// Bytes that were read and not dealt with.
    ahead: Vec<u8>,
    at: u64,
    left: u64,
    ended: bool,
    out: Vec<u8>,
    written: u64,
}

impl<'p> ChunkPass<'p> {
    /// `outer` is at the first chunk.
    pub fn new(outer: &'p mut dyn Pass, head: &'p Head) -> Self {
        Self { outer, head, ahead: Vec::new(), at: 0, left: 0, ended: false, out: Vec::new(), written: 0 }
    }

    /// All was dealt with: writes what is left, and the last chunk. Returns how many bytes were written to the outer pass.
    pub fn finish(mut self) -> Result<u64> {
        if !self.window(1)?.is_empty() {
            return Err(Error::new(Kind::Verify, "a lift left bytes of its stream").layer(CUSTOM));
        }
        self.send(self.out.len())?;
        let mut last = Vec::new();
        self.head.put(0, &mut last);
        self.outer.write(&last)?;
        Ok(self.written + last.len() as u64)
    }

    /// Writes the first `n` bytes as one chunk.
    fn send(&mut self, n: usize) -> Result<()> {
        if n > 0 {
            let mut chunk = Vec::with_capacity(16 + n);
            self.head.put(u32::try_from(n).unwrap_or(u32::MAX), &mut chunk);
            chunk.extend(self.out.drain(..n));
            self.outer.write(&chunk)?;
            self.written += chunk.len() as u64;
        }
        Ok(())
    }

    /// Reads chunks, as many as are in the outer window: rows that are not compressed have one each.
    fn fill(&mut self) -> Result<()> {
        let offset = self.outer.offset();
        let window = self.outer.window(LENGTH)?;
        let mut here = Window { offset, bytes: window, at: 0 };
        while !self.ended && here.at < window.len() {
            if self.left == 0 {
                if here.at > 0 && window.len() - here.at < LENGTH {
                    break;
                }
                self.left = chunk(&mut here, self.head)?;
                self.ended = self.left == 0;
                continue;
            }
            let rest = window.get(here.at..).unwrap_or_default();
            let n = rest.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.ahead.extend_from_slice(rest.get(..n).unwrap_or_default());
            here.at += n;
            self.left -= n as u64;
        }
        let used = here.at;
        if used == 0 {
            return Err(cut(offset));
        }
        self.outer.drop(used as u64)
    }

    fn take(&mut self, n: u64, keep: bool) -> Result<()> {
        let mut left = n;
        while left > 0 {
            let have = self.window(1)?.len();
            let step = have.min(usize::try_from(left).unwrap_or(usize::MAX));
            if step == 0 {
                return Err(Error::new(Kind::Damaged, "the stream ended before its edits did").layer(CUSTOM));
            }
            if keep {
                let bytes = self.ahead.get(..step).unwrap_or_default().to_vec();
                self.write(&bytes)?;
            }
            self.ahead.drain(..step);
            self.at += step as u64;
            left -= step as u64;
        }
        Ok(())
    }
}

impl Pass for ChunkPass<'_> {
    fn offset(&self) -> u64 {
        self.at
    }

    fn window(&mut self, min: usize) -> Result<&[u8]> {
        while !self.ended && self.ahead.len() < min {
            self.fill()?;
        }
        Ok(&self.ahead)
    }

    fn keep(&mut self, n: u64) -> Result<()> {
        self.take(n, true)
    }

    fn drop(&mut self, n: u64) -> Result<()> {
        self.take(n, false)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        for piece in bytes.chunks(CHUNK) {
            self.out.extend_from_slice(piece);
            if self.out.len() >= CHUNK {
                self.send(CHUNK)?;
            }
        }
        Ok(())
    }

    fn keep_rest(&mut self) -> Result<()> {
        loop {
            let have = self.window(1)?.len() as u64;
            if have == 0 {
                return Ok(());
            }
            self.take(have, true)?;
        }
    }
}
