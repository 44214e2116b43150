//! A registry's bytes in blocks of whole lines, numbered.
//!
//! A block is what one thread parses at a time. Memory: one block, which is as long as was asked for, or as its first line where
//! that is longer (at most [`MAX_REGISTRY_LINE`] and the size of a block), and the line that the next one begins with.

use std::io::Read;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::limits::MAX_REGISTRY_LINE;

/// Cuts `input` into blocks.
pub(super) struct Blocks<R> {
    input: R,
    /// Bytes that a block should have.
    size: usize,
    /// What stands after the last line end that was read.
    rest: Zeroizing<Vec<u8>>,
    /// Number of the next block's first line.
    line: u64,
    ended: bool,
    /// Comes after the whole lines that were read before it.
    failed: Option<Error>,
}

/// Lines that stand together.
#[derive(Default)]
pub(super) struct Block {
    /// Whole lines, with their ends; the input's last line may have none.
    pub bytes: Zeroizing<Vec<u8>>,
    /// Number of its first line, from 1.
    pub line: u64,
    /// Nothing comes after it, as far as is known.
    pub last: bool,
}

impl<R: Read> Blocks<R> {
    /// Blocks of about `size` bytes.
    pub(super) fn new(input: R, size: usize) -> Self {
        Self { input, size: size.max(1), rest: Zeroizing::default(), line: 1, ended: false, failed: None }
    }

    /// Fills `block` with the next lines; `false` at the end. Error: the input cannot be read.
    ///
    /// A block whose only line is longer than a registry's may be, and has no end, is the last that makes sense.
    pub(super) fn next(&mut self, block: &mut Block) -> Result<bool> {
        let bytes = &mut *block.bytes;
        bytes.clear();
        // Room for all of it at once: a buffer that grows leaves a copy behind that nobody wipes.
        bytes.reserve(self.size + self.rest.len());
        bytes.append(&mut self.rest);
        while !self.ended && bytes.len() <= MAX_REGISTRY_LINE + self.size {
            let start = bytes.len();
            self.read(bytes);
            let found = memchr::memrchr(b'\n', bytes.get(start..).unwrap_or_default());
            if let (Some(end), false) = (found, self.ended) {
                let (_, rest) = bytes.split_at(start + end + 1);
                self.rest.extend_from_slice(rest);
                bytes.truncate(start + end + 1);
                break;
            }
        }
        if self.failed.is_some() {
            // What was read of the last line is not all of it.
            bytes.truncate(memchr::memrchr(b'\n', bytes).map_or(0, |end| end + 1));
        }
        if bytes.is_empty() {
            return self.failed.take().map_or(Ok(false), Err);
        }
        block.line = self.line;
        block.last = self.ended && self.failed.is_none();
        self.line += memchr::memchr_iter(b'\n', bytes).count() as u64;
        Ok(true)
    }

    /// Reads up to a block more.
    fn read(&mut self, bytes: &mut Vec<u8>) {
        let wanted = self.size.checked_sub(bytes.len()).filter(|more| *more > 0).unwrap_or(self.size) as u64;
        match self.input.by_ref().take(wanted).read_to_end(bytes) {
            Ok(read) => self.ended = (read as u64) < wanted,
            Err(error) => {
                self.failed = Some(Error::io("reading the registry", &error));
                self.ended = true;
            }
        }
    }
}
