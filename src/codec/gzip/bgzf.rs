//! BGZF members (SAM specification §4.1): at most 64 KiB each, with their length in FEXTRA's subfield `BC`.
//!
//! What was one member becomes one or more: each holds at most 65280 plain bytes (as bgzip cuts them), begins with the
//! announced header, and gets its own length there. An empty member stays (the end-of-file marker is one).

use flate2::{Compress, FlushCompress};

use super::{Check, NAME, head, squeeze};
use crate::error::{Error, Result};

/// Most plain bytes of a member: what bgzip writes, so that incompressible data fits as well.
const PLAIN: usize = 0xff00;
/// Most bytes of a member: its length less one is 16 bits wide.
const MEMBER: usize = 1 << 16;

/// An empty last block with fixed codes (RFC 1951 §3.2.6).
const EMPTY: [u8; 2] = [3, 0];

/// The members that one announced member becomes.
pub struct Blocks {
    head: Vec<u8>,
    /// Offset in `head` of the two bytes of the length less one.
    bc_at: usize,
    plain: Vec<u8>,
    /// Whether a member was written.
    any: bool,
}

impl Blocks {
    /// Members that begin with `head`.
    pub fn new(head: Vec<u8>, bc_at: usize) -> Self {
        Self { head, bc_at, plain: Vec::new(), any: false }
    }

    /// Takes plain bytes; whole members go to `out`.
    pub fn write(&mut self, mut plain: &[u8], deflate: &mut Compress, out: &mut Vec<u8>) -> Result<()> {
        while !plain.is_empty() {
            if self.plain.len() == PLAIN {
                self.emit(deflate, out)?;
            }
            let (now, later) = plain.split_at(plain.len().min(PLAIN - self.plain.len()));
            self.plain.extend_from_slice(now);
            plain = later;
        }
        Ok(())
    }

    /// Writes what is left; an empty member if nothing came at all.
    pub fn end(&mut self, deflate: &mut Compress, out: &mut Vec<u8>) -> Result<()> {
        if self.any && self.plain.is_empty() {
            return Ok(());
        }
        self.emit(deflate, out)
    }

    fn emit(&mut self, deflate: &mut Compress, out: &mut Vec<u8>) -> Result<()> {
        let plain = std::mem::take(&mut self.plain);
        self.member(&plain, deflate, out)?;
        self.any = true;
        self.plain = plain;
        self.plain.clear();
        Ok(())
    }

    /// Writes one member, or two where it does not fit (a long header, or data that grows).
    fn member(&self, plain: &[u8], deflate: &mut Compress, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        out.extend_from_slice(&self.head);
        if plain.is_empty() {
            // As the end-of-file marker has it, whatever the level.
            out.extend_from_slice(&EMPTY);
        } else {
            deflate.reset();
            squeeze(deflate, plain, out, FlushCompress::Finish)?;
        }
        let mut check = Check::default();
        check.update(plain);
        out.extend_from_slice(&check.trailer());
        let len = out.len() - start;
        if len > MEMBER {
            out.truncate(start);
            let (first, second) = plain.split_at(plain.len() / 2);
            if first.is_empty() {
                return Err(Error::unsupported("bgzf header of 64 KiB").layer(NAME));
            }
            self.member(first, deflate, out)?;
            return self.member(second, deflate, out);
        }
        let header = out.get_mut(start..start + self.head.len()).unwrap_or_default();
        if let Some(size) = header.get_mut(self.bc_at..).and_then(<[u8]>::first_chunk_mut::<2>) {
            *size = ((len - 1) as u16).to_le_bytes();
        }
        head::seal(header);
        Ok(())
    }
}
