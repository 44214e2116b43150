//! Where blocks begin: they have a magic number at any bit and no length.
//!
//! Forty-eight bits can be there by chance. While the first decoder reads, a place counts only if the decoder, given all bytes
//! up to it and no more, has plain bytes for them ([`Bounds`]); where all blocks of a stream are listed, their checksums must
//! come to the stream's (`splice`).

use std::collections::VecDeque;

use crate::error::Result;
use crate::layer::coded::units;
use crate::layer::feed::Feed;

/// Magic number of a block.
pub const BLOCK: u64 = 0x3141_5926_5359;
/// Magic number of the end of a stream.
pub const END: u64 = 0x1772_4538_5090;
/// Length of a magic number, bits.
pub const MAGIC_BITS: u64 = 48;
/// Bytes that are looked ahead for a magic number.
const AHEAD: usize = 64;

/// Looks for magic numbers at any bit.
#[derive(Debug, Default)]
pub struct Scan {
    word: u64,
    /// Bits seen.
    seen: u64,
}

/// Which bytes can stand three before a magic number's last one, at any of the eight shifts: nearly none.
#[expect(clippy::indexing_slicing, reason = "of constants, by the compiler")]
static SHIFTS: [bool; 256] = {
    let mut shifts = [false; 256];
    let mut shift = 0;
    while shift < 8 {
        shifts[(BLOCK << shift >> 24 & 0xff) as usize] = true;
        shifts[(END << shift >> 24 & 0xff) as usize] = true;
        shift += 1;
    }
    shifts
};

impl Scan {
    /// Takes the next byte; gives where a magic number begins that ends in it, in bits from the first byte taken, and which.
    pub fn next(&mut self, byte: u8) -> Option<(u64, u64)> {
        self.word = self.word << 8 | u64::from(byte);
        self.seen += 8;
        let [.., third, _, _, _] = self.word.to_be_bytes();
        if SHIFTS.get(usize::from(third)).is_none_or(|shifts| !shifts) {
            return None;
        }
        for shift in 0..8 {
            let magic = self.word >> shift & ((1 << MAGIC_BITS) - 1);
            if magic == BLOCK || magic == END {
                return Some((self.seen.checked_sub(shift + MAGIC_BITS)?, magic));
            }
        }
        None
    }
}

/// The places at which blocks begin, while a decoder reads.
#[derive(Debug, Default)]
pub struct Bounds {
    scan: Scan,
    /// Offset of the first byte that was looked at, and of the next one.
    from: u64,
    to: u64,
    /// Bits at which a block may begin, ahead of the decoder.
    ahead: VecDeque<u64>,
    /// Plain bytes at the last block's begin.
    plain: u64,
}

impl Bounds {
    /// From the offset `at` on, with `plain` bytes before it.
    pub fn new(at: u64, plain: u64) -> Self {
        Self { from: at, to: at, plain, ..Self::default() }
    }

    /// How many bytes the decoder may have now: none beyond the byte in which the next block begins.
    pub fn allow(&mut self, feed: &mut Feed<'_>) -> Result<usize> {
        let at = feed.input.offset();
        let window = feed.input.window(AHEAD)?;
        let new = window.get(self.to.saturating_sub(at) as usize..).unwrap_or_default();
        for byte in new {
            if let Some((bit, BLOCK)) = self.scan.next(*byte) {
                self.ahead.push_back(self.from * 8 + bit);
            }
        }
        self.to = at + window.len() as u64;
        let len = window.len();
        // A magic number may begin in what is there and end in what is not.
        let sure = if len < AHEAD { len } else { len - (MAGIC_BITS / 8) as usize - 1 };
        Ok(self.ahead.front().map_or(sure, |bit| (bit.div_ceil(8).saturating_sub(at) as usize).min(sure)))
    }

    /// The decoder has all bytes up to the next place, and has given all that it has; `false` if there is no such place.
    pub fn reached(&mut self, feed: &mut Feed<'_>) -> bool {
        let Some(bit) = self.ahead.pop_front() else { return false };
        if feed.plain > self.plain {
            self.plain = feed.plain;
            feed.offer_bits(bit, [units::UNIT, 0, 0, 0]);
        }
        true
    }
}

/// Bits, most significant first, as bytes.
#[derive(Debug, Default)]
pub struct Bits {
    /// Whole bytes.
    pub bytes: Vec<u8>,
    /// The bits behind them, from the highest down, and how many.
    last: u8,
    count: u32,
}

impl Bits {
    /// Behind these bytes.
    pub fn of(bytes: Vec<u8>) -> Self {
        Self { bytes, last: 0, count: 0 }
    }

    /// How many bits there are behind the whole bytes.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Appends the low `n` bits of `value`.
    pub fn push(&mut self, value: u64, n: u32) {
        for bit in (0..n).rev() {
            self.last |= ((value >> bit & 1) as u8) << (7 - self.count);
            self.count += 1;
            if self.count == 8 {
                self.bytes.push(self.last);
                (self.last, self.count) = (0, 0);
            }
        }
    }

    /// Appends whole bytes.
    fn push_bytes(&mut self, bytes: &[u8]) {
        if self.count == 0 {
            self.bytes.extend_from_slice(bytes);
            return;
        }
        self.bytes.reserve(bytes.len());
        for byte in bytes {
            self.bytes.push(self.last | byte >> self.count);
            self.last = byte << (8 - self.count);
        }
    }

    /// Appends the bits from `from` to `to` of `bytes`, which has them.
    pub fn extend(&mut self, bytes: &[u8], from: usize, to: usize) {
        let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| u64::from(byte >> (7 - at % 8) & 1));
        let whole = (from.div_ceil(8), to / 8);
        if whole.0 >= whole.1 {
            (from..to).for_each(|at| self.push(bit(at), 1));
            return;
        }
        (from..whole.0 * 8).for_each(|at| self.push(bit(at), 1));
        self.push_bytes(bytes.get(whole.0..whole.1).unwrap_or_default());
        (whole.1 * 8..to).for_each(|at| self.push(bit(at), 1));
    }

    /// All of it, with zeros up to a whole byte.
    pub fn finish(&mut self) {
        while self.count > 0 {
            self.push(0, 1);
        }
    }
}

/// The `n` bits, at most 32, of `bytes` from bit `at` on; zeros where it ends.
pub fn bits(bytes: &[u8], at: usize, n: usize) -> u32 {
    (at..at + n).fold(0, |sum, at| sum << 1 | bytes.get(at / 8).map_or(0, |byte| u32::from(byte >> (7 - at % 8) & 1)))
}

/// A stream's checksum after a block with `checksum`.
pub fn fold(all: u32, checksum: u32) -> u32 {
    all.rotate_left(1) ^ checksum
}
