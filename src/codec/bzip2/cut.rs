//! Blocks of a bzip2 stream, as streams of their own.
//!
//! Nothing tells how long a block is: its end is where the magic number of the next stands, at any bit (one in 10^14 bits says so
//! by chance). A part is some blocks between a header and an end with the checksum of them alone; that of the whole stream is
//! compared here. What is odd in any way is left to the decoder, which reads the stream from its start.

use super::{HEADER, level_of};
use crate::layer::ahead::{Cut, Cutter};

/// Magic number of a block, and of the end of a stream.
const BLOCK: u64 = 0x3141_5926_5359;
const END: u64 = 0x1772_4538_5090;
/// Bits of a magic number, and of a checksum.
const MAGIC: usize = 48;
const CRC: usize = 32;

/// Cuts streams at their blocks.
#[derive(Default)]
pub struct Blocks {
    /// Inside a stream: its level.
    level: Option<u32>,
    /// Bit of the first byte at which the next block begins.
    bit: usize,
    /// Checksum of the stream's blocks so far.
    crc: u32,
    /// Something was cut.
    begun: bool,
}

impl Cutter for Blocks {
    fn cut(&mut self, coded: &[u8], whole: bool, least: usize) -> Cut {
        let short = || if whole { Cut::Odd } else { Cut::More };
        let (level, start) = match self.level {
            Some(level) => (level, self.bit),
            None if self.begun && whole && coded.iter().all(|b| *b == 0) => return Cut::End { used: coded.len() },
            None if coded.len() < HEADER => return short(),
            None => match level_of(coded) {
                Some(level) => (level, HEADER * 8),
                None => return Cut::Odd,
            },
        };
        let (before, bit) = if self.level.is_some() { (HEADER as u64, start as u64) } else { (0, 0) };
        let (mut stream, mut crc) = (self.crc, 0);
        let mut at = start;
        loop {
            match number(coded, at, MAGIC) {
                Some(BLOCK) => {}
                Some(END) => {
                    let Some(want) = number(coded, at + MAGIC, CRC) else { return short() };
                    if want != u64::from(stream) {
                        return Cut::Odd;
                    }
                    let used = (at + MAGIC + CRC).div_ceil(8);
                    *self = Self { begun: true, ..Self::default() };
                    return Cut::Part { used, stream: framed(coded, start, at, level, crc), before, bit };
                }
                Some(_) => return Cut::Odd,
                None => return short(),
            }
            if at / 8 >= least && at > start {
                (self.level, self.bit, self.crc, self.begun) = (Some(level), at % 8, stream, true);
                return Cut::Part { used: at / 8, stream: framed(coded, start, at, level, crc), before, bit };
            }
            let Some(is) = number(coded, at + MAGIC, CRC) else { return short() };
            crc = crc.rotate_left(1) ^ is as u32;
            stream = stream.rotate_left(1) ^ is as u32;
            match next_magic(coded, at + MAGIC) {
                Some(next) => at = next,
                None => return short(),
            }
        }
    }
}

/// The number of `len` bits (at most 56) at bit `at`.
fn number(bytes: &[u8], at: usize, len: usize) -> Option<u64> {
    let end = at + len;
    let window = bytes.get(at / 8..end.div_ceil(8))?;
    let all = window.iter().fold(0u64, |all, byte| all << 8 | u64::from(*byte));
    Some(all >> (window.len() * 8 - at % 8 - len) & ((1 << len) - 1))
}

/// The bit of the first magic number at or after bit `from`.
fn next_magic(bytes: &[u8], from: usize) -> Option<usize> {
    const MASK: u64 = (1 << MAGIC) - 1;
    let (mut last, first) = (0u64, from / 8);
    for (n, byte) in bytes.get(first..)?.iter().enumerate() {
        last = last << 8 | u64::from(*byte);
        if n < 5 {
            continue;
        }
        for shift in (0..8).rev() {
            let end = (first + n + 1) * 8 - shift;
            if matches!(last >> shift & MASK, BLOCK | END) && end >= from + MAGIC {
                return Some(end - MAGIC);
            }
        }
    }
    None
}

/// The blocks at these bits as a stream of its own.
fn framed(bytes: &[u8], start: usize, end: usize, level: u32, crc: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity((end - start) / 8 + 16);
    out.extend_from_slice(b"BZh");
    out.push(b'0' + level as u8);
    let mut at = start;
    while let Some(byte) = (at + 8 <= end).then(|| number(bytes, at, 8)).flatten() {
        out.push(byte as u8);
        at += 8;
    }
    let rest = end - at;
    let mut tail = u128::from(number(bytes, at, rest).unwrap_or_default());
    tail = (tail << MAGIC | u128::from(END)) << CRC | u128::from(crc);
    let bits = rest + MAGIC + CRC;
    let tail = (tail << (128 - bits)).to_be_bytes();
    out.extend_from_slice(tail.get(..bits.div_ceil(8)).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_magics_stand_at_any_bit() {
        for shift in 0..8 {
            let all = (u128::from(BLOCK) << 40 | 0x1234) << (8 - shift);
            let bytes = all.to_be_bytes();
            let at = next_magic(&bytes, 0).unwrap();
            assert_eq!(number(&bytes, at, MAGIC), Some(BLOCK));
            assert_eq!(next_magic(&bytes, at), Some(at));
            assert_eq!(next_magic(&bytes, at + 1), None);
            assert_eq!(at % 8, shift % 8);
        }
    }
}
