//! What is encoded again: a stretch of a deflate stream between two blocks that are copied.
//!
//! It begins and ends at a bit. Before it, blocks without content bring the writer to a whole byte; the compressor ends it on a whole
//! byte by an empty stored block; then empty blocks bring the writer to where in its byte the next block of the original begins. So
//! every byte behind it can be the original's. That costs at most 28 bytes a region.

use flate2::{Compress, FlushCompress};

use super::super::squeeze;
use crate::error::{Error, Kind, Result};

/// Bits that go into bytes, lowest first (RFC 1951 §3.1.1).
struct Bits<'o> {
    out: &'o mut Vec<u8>,
    held: u64,
    len: u32,
}

impl Bits<'_> {
    fn put(&mut self, value: u64, len: u32) {
        self.held |= value << self.len;
        self.len += len;
        while self.len >= 8 {
            self.out.push(self.held as u8);
            self.held >>= 8;
            self.len -= 8;
        }
    }

    /// Bits `from` to `from + len` of `coded`; behind its end stand zeros.
    fn copy(&mut self, coded: &[u8], from: u64, len: u64) {
        let (mut at, end) = (from, from + len);
        while at < end {
            let byte = coded.get((at / 8) as usize).copied().unwrap_or_default();
            let n = (8 - at % 8).min(end - at) as u32;
            self.put(u64::from(byte) >> (at % 8) & ((1 << n) - 1), n);
            at += u64::from(n);
        }
    }

    /// An empty block with fixed codes: 10 bits (RFC 1951 §3.2.6).
    fn fixed(&mut self) {
        self.put(0b010, 3);
        self.put(0, 7);
    }

    /// An empty stored block, which ends on a whole byte (RFC 1951 §3.2.4).
    fn stored(&mut self) {
        self.put(0, 3);
        self.put(0, (8 - self.len) % 8);
        self.put(0xffff_0000, 32);
    }

    /// An empty block with codes of its own: 92 bits, or 103 if `long` (RFC 1951 §3.2.7). Its codes are complete, two literals and
    /// two distances of one bit each, so that no decoder minds.
    fn dynamic(&mut self, long: bool) {
        /// The order in which lengths of code length codes stand.
        const ORDER: [u8; 18] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1];
        self.put(0b100, 3);
        // 257 literal and length codes, 2 distance codes, 18 code length codes.
        self.put(0, 5);
        self.put(1, 5);
        self.put(14, 4);
        for symbol in ORDER {
            let len = match (symbol, long) {
                (1, _) | (18, false) => 1,
                (0 | 18, true) => 2,
                _ => 0,
            };
            self.put(len, 3);
        }
        // Codes stand with their highest bit first: 18 is `1`, or `11`.
        let zeros = |bits: &mut Self, n: u64| {
            if long {
                bits.put(0b11, 2);
            } else {
                bits.put(1, 1);
            }
            bits.put(n - 11, 7);
        };
        self.put(0, 1);
        for n in if long { &[100, 100, 55][..] } else { &[138, 117] } {
            zeros(self, *n);
        }
        // Lengths of the end of block and of two distances, then the end of block: the second of two codes of one bit.
        self.put(0, 3);
        self.put(1, 1);
    }
}

/// Which empty blocks bring a writer from a whole byte to bit `phase` of one: long and short dynamic ones, fixed ones.
/// All phases come of at most 133 bits.
fn padding(phase: u32) -> (u32, u32, u32) {
    let choices = (0..2).flat_map(|long| (0..2).flat_map(move |short| (0..4).map(move |fixed| (long, short, fixed))));
    let bits = |(long, short, fixed): (u32, u32, u32)| long * 103 + short * 92 + fixed * 10;
    choices.filter(|choice| bits(*choice) % 8 == phase % 8).min_by_key(|choice| bits(*choice)).unwrap_or_default()
}

/// The lowest `bits` bits of `byte`.
fn low(byte: u8, bits: u32) -> u64 {
    u64::from(byte) & ((1 << bits) - 1)
}

/// Begins a region behind bit `phase` of `byte`, which is the next of the original: writes the bits before, the code that ends a block
/// (`code`, its first bit lowest, and its length) where one is cut, and goes to a whole byte.
pub fn begin(phase: u32, byte: u8, code: (u64, u32), out: &mut Vec<u8>) {
    let mut bits = Bits { out, held: 0, len: 0 };
    bits.put(low(byte, phase), phase);
    bits.put(code.0, code.1);
    match bits.len {
        0 => {}
        2 | 4 | 6 => (0..4 - bits.len / 2).for_each(|_| bits.fixed()),
        _ => bits.stored(),
    }
}

/// What is copied behind a region.
pub struct Behind<'h> {
    /// The header that is repeated before it, where a block is cut: bits, lowest first, and how many.
    pub header: (&'h [u8], u64),
    /// Bit of `byte` at which it begins.
    pub phase: u32,
    /// The first byte in which it stands, or less than that.
    pub byte: u8,
    /// `byte` is written even if it is all of what comes.
    pub whole: bool,
}

/// Ends the compressor's blocks on a whole byte, and goes on to the bit of a byte on which `behind` begins; writes that byte, unless it
/// begins with it.
pub fn end(deflate: &mut Compress, behind: &Behind<'_>, out: &mut Vec<u8>) -> Result<()> {
    if deflate.total_in() > 0 {
        sync(deflate, out)?;
    }
    let (header, len) = behind.header;
    let (long, short, fixed) = padding((behind.phase + 8 - (len % 8) as u32) % 8);
    let mut bits = Bits { out, held: 0, len: 0 };
    (0..long).for_each(|_| bits.dynamic(true));
    (0..short).for_each(|_| bits.dynamic(false));
    (0..fixed).for_each(|_| bits.fixed());
    bits.copy(header, 0, len);
    if behind.phase > 0 || behind.whole {
        bits.put(u64::from(behind.byte) >> behind.phase, 8 - behind.phase);
    }
    Ok(())
}

/// Bits `from` to `from + len` of `coded`, as bytes, and their number.
pub fn take(coded: &[u8], from: u64, len: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(len as usize / 8 + 2);
    let mut bits = Bits { out: &mut out, held: 0, len: 0 };
    bits.copy(coded, from, len);
    let rest = (8 - bits.len) % 8;
    bits.put(0, rest);
    out
}

/// A block of which only the end is left: its header (`header`), and behind that the bits of `coded` from bit `phase` on. What comes of it begins
/// at the bit that is given as well.
pub fn rejoin(header: (&[u8], u64), coded: &[u8], phase: u32) -> (Vec<u8>, u32) {
    let skip = (phase + 8 - (header.1 % 8) as u32) % 8;
    let mut out = Vec::with_capacity(coded.len() + header.0.len() + 2);
    let mut bits = Bits { out: &mut out, held: 0, len: 0 };
    bits.put(0, skip);
    bits.copy(header.0, 0, header.1);
    let (first, rest) = coded.split_first().map_or((0, coded), |(first, rest)| (*first, rest));
    bits.put(u64::from(first) >> phase, 8 - phase);
    out.extend_from_slice(rest);
    (out, skip)
}

/// Ends the compressor's stream.
pub fn finish(deflate: &mut Compress, out: &mut Vec<u8>) -> Result<()> {
    squeeze(deflate, &[], out, FlushCompress::Finish)
}

/// Writes all that the compressor holds, to a whole byte.
fn sync(deflate: &mut Compress, out: &mut Vec<u8>) -> Result<()> {
    loop {
        out.reserve(super::CHUNK);
        let room = out.capacity();
        deflate.compress_vec(&[], out, FlushCompress::Sync).map_err(|_| failed())?;
        // Room that is left means that nothing waits (zlib.h, deflate()).
        if out.len() < room {
            return Ok(());
        }
    }
}

fn failed() -> Error {
    Error::new(Kind::Verify, "the compressor failed")
}

#[cfg(test)]
mod tests {
    use super::super::super::blocks::{Blocks, Stop};
    use super::*;
    use flate2::Compression;

    /// A decoder takes a region between any two phases: a stream that begins with `n` bits of fixed blocks, a region, and the rest of the
    /// original from the phase that it has there.
    #[test]
    fn every_phase_leads_to_every_other() {
        for (from, to) in (0..64).map(|n| (n / 8, n % 8)) {
            for text in [&b""[..], b"hello hello hello"] {
                let mut out = Vec::new();
                // Before it: a block that ends at `from`: literals of 8 bits, and as many of 9 bits as it takes.
                let mut bits = Bits { out: &mut out, held: 0, len: 0 };
                bits.put(0b010, 3);
                let wide = (from + 8 - 2) % 8;
                (0..wide).for_each(|_| bits.put(0b0_0010_0111, 9));
                bits.put(0, 7);
                let (byte, phase) = (bits.held as u8, bits.len);
                assert_eq!(phase, from);
                begin(phase, byte | (0xff << phase), (0, 0), &mut out);
                let mut deflate = Compress::new(Compression::new(6), false);
                squeeze(&mut deflate, text, &mut out, FlushCompress::None).unwrap();
                // Behind it: the last block, empty.
                let tail = (0b011_u32 << to).to_le_bytes();
                let byte = tail[0] | ((1 << to) - 1) as u8;
                let behind = Behind { header: (&[], 0), phase: to, byte, whole: false };
                end(&mut deflate, &behind, &mut out).unwrap();
                out.extend_from_slice(&tail[usize::from(to > 0)..]);
                let mut blocks = Blocks::new();
                let (mut plain, mut at, mut made, mut buf) = (Vec::new(), 0, 0, [0; 100]);
                loop {
                    let step = blocks.step(&out[at..], &mut buf).unwrap();
                    at += step.used;
                    made += step.made;
                    plain.extend_from_slice(&buf[..step.made]);
                    if step.stop == Stop::End {
                        break;
                    }
                }
                let want = [vec![200; wide as usize], text.to_vec()].concat();
                assert_eq!((&plain[..], made), (&want[..], want.len()), "{from} {to}");
            }
        }
    }

    #[test]
    fn padding_is_short() {
        for phase in 0..8 {
            let (long, short, fixed) = padding(phase);
            let bits = long * 103 + short * 92 + fixed * 10;
            assert!(bits % 8 == phase && bits <= 133);
        }
    }
}
