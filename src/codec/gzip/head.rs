//! Headers of gzip members (RFC 1952 §2.3): where they end, their names, and what they tell the encoder.
//!
//! A header is read whole, kept as its bytes, and checked: method, reserved flags, FHCRC. Its names (FNAME, FCOMMENT) are
//! given as ranges without their NUL, so that they can be searched and masked; [`seal`] makes FHCRC right again after that.

use std::ops::Range;

use super::NAME;
use crate::error::{Error, Result};
use crate::input::Input;

/// ID1, ID2, CM = deflate (RFC 1952 §2.3.1).
pub const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
/// Length of the fixed part.
const FIXED: usize = 10;
/// Longest header, bytes: the longest FEXTRA (64 KiB) and about a KiB of names.
pub const LONGEST: usize = 65 * 1024;

const FHCRC: u8 = 2;
const FEXTRA: u8 = 4;
const FNAME: u8 = 8;
const FCOMMENT: u8 = 16;
const RESERVED: u8 = 0xe0;

/// What a subfield of FEXTRA makes of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// Nothing.
    None,
    /// BGZF (SAM specification §4.1): subfield `BC` holds the member's length less one.
    Bgzf,
    /// dictzip: subfield `RA` holds the lengths of the member's chunks.
    Dictzip,
}

impl Special {
    /// As a head carries it.
    pub fn to_trait(self) -> u64 {
        match self {
            Special::None => 0,
            Special::Bgzf => 1,
            Special::Dictzip => 2,
        }
    }

    /// As a head carries it.
    pub fn from_trait(number: u64) -> Self {
        match number {
            1 => Special::Bgzf,
            2 => Special::Dictzip,
            _ => Special::None,
        }
    }
}

/// One header.
#[derive(Debug)]
pub struct Parsed {
    /// Its length in bytes, FHCRC included.
    pub len: usize,
    /// FNAME and FCOMMENT, without their NUL.
    pub names: Vec<Range<usize>>,
    /// XFL.
    pub xfl: u8,
    /// What FEXTRA makes of the member.
    pub special: Special,
    /// Where BGZF's block size stands.
    pub bc_at: usize,
}

/// Reads the header at the input's offset, which is not consumed.
pub fn parse(input: &mut Input<'_>) -> Result<Parsed> {
    let start = input.offset();
    let damaged = |at: usize, what| Err(Error::damaged(NAME, start + at as u64, what));
    if !input.window(2)?.starts_with(&[0x1f, 0x8b]) {
        let seen = input.window(2)?.len();
        return match seen {
            1 if input.window(1)? == [0x1f] => cut(input),
            _ => damaged(0, "no gzip header where one must be"),
        };
    }
    let fixed = ask(input, FIXED)?;
    let &[_, _, method, flags, _, _, _, _, xfl, _] = fixed.first_chunk::<FIXED>().unwrap_or(&[0; FIXED]);
    if method != 8 {
        return damaged(2, "unknown compression method");
    }
    if flags & RESERVED != 0 {
        return damaged(3, "reserved flags are set");
    }
    let mut parsed = Parsed { len: FIXED, names: Vec::new(), xfl, special: Special::None, bc_at: 0 };
    if flags & FEXTRA != 0 {
        let window = ask(input, FIXED + 2)?;
        let len = window.get(FIXED..).and_then(<[u8]>::first_chunk).map_or(0, |b| usize::from(u16::from_le_bytes(*b)));
        parsed.len = FIXED + 2 + len;
        let extra = ask(input, parsed.len)?.get(FIXED + 2..parsed.len).unwrap_or_default();
        (parsed.special, parsed.bc_at) = special(extra);
        parsed.bc_at += FIXED + 2;
    }
    for flag in [FNAME, FCOMMENT] {
        if flags & flag != 0 {
            let end = nul(input, parsed.len)?;
            if end > parsed.len {
                parsed.names.push(parsed.len..end);
            }
            parsed.len = end + 1;
        }
    }
    if flags & FHCRC != 0 {
        let window = ask(input, parsed.len + 2)?;
        let (head, rest) = window.split_at_checked(parsed.len).unwrap_or_default();
        if rest.first_chunk() != Some(&crc16(head)) {
            return damaged(parsed.len, "the header's checksum does not match");
        }
        parsed.len += 2;
    }
    if parsed.len > LONGEST {
        return Err(too_long());
    }
    Ok(parsed)
}

/// Makes the checksum of a whole header right (RFC 1952 §2.3.1, FHCRC), if it has one.
pub fn seal(head: &mut [u8]) {
    let flags = head.get(3).copied().unwrap_or_default();
    if flags & FHCRC == 0 || head.len() < FIXED + 2 {
        return;
    }
    if let Some((covered, crc)) = head.split_last_chunk_mut::<2>() {
        *crc = crc16(covered);
    }
}

/// The two least significant bytes of the CRC-32.
fn crc16(head: &[u8]) -> [u8; 2] {
    let [a, b, ..] = crc32fast::hash(head).to_le_bytes();
    [a, b]
}

/// Looks for the subfields that bind a member to its compressed length. The offset is that of BGZF's block size in `extra`.
fn special(mut extra: &[u8]) -> (Special, usize) {
    let mut at = 0;
    while let Some((&[si1, si2, a, b], rest)) = extra.split_first_chunk::<4>() {
        let len = usize::from(u16::from_le_bytes([a, b]));
        match (si1, si2) {
            (b'B', b'C') if len == 2 && rest.len() >= 2 => return (Special::Bgzf, at + 4),
            (b'R', b'A') => return (Special::Dictzip, 0),
            _ => {}
        }
        at += 4 + len;
        extra = rest.get(len..).unwrap_or_default();
    }
    (Special::None, 0)
}

/// The window of at least `n` bytes, or an error that it is cut off.
fn ask<'i>(input: &'i mut Input<'_>, n: usize) -> Result<&'i [u8]> {
    if input.window(n)?.len() < n {
        return cut(input);
    }
    Ok(input.unread())
}

/// Offset in the window of the first NUL from `from` on.
fn nul(input: &mut Input<'_>, mut from: usize) -> Result<usize> {
    loop {
        let window = ask(input, from + 1)?;
        if let Some(n) = memchr::memchr(0, window.get(from..).unwrap_or_default()) {
            return Ok(from + n);
        }
        from = window.len();
        if from > LONGEST {
            return Err(too_long());
        }
    }
}

fn cut<T>(input: &Input<'_>) -> Result<T> {
    let end = input.offset() + input.unread().len() as u64;
    Err(Error::damaged(NAME, end, "the header is cut off"))
}

fn too_long() -> Error {
    Error::limit("a gzip header (65 KiB)")
}
