//! The symbols of one deflate block (RFC 1951 §3.2): where each of them stands, not what it means.
//!
//! A block can be cut between two symbols if it is known where they are, and no library tells. So this walks a block that zlib has decoded
//! before, by its codes and lengths alone, and is believed only if it comes out at the same bit with the same number of bytes; else
//! the block is encoded again as a whole. Tests hold it to zlib. Memory: 4 KiB.

use super::inflate::tables::{LENGTHS, ORDER};

/// Bits of the longest code (RFC 1951 §3.2.2).
const LONGEST: usize = 15;
/// Distance codes that mean something; code `n` has `n / 2 - 1` extra bits.
const DISTANCES: u16 = 30;

/// A place between two symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Bits from the block's first.
    pub bit: u64,
    /// Plain bytes from the block's first.
    pub plain: usize,
}

/// What a walk over a block found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walked {
    /// Bits of the header: what stands before the first symbol.
    pub header: u64,
    /// The code that ends the block, its first bit lowest, and its length in bits.
    pub end: (u64, u32),
    /// The last place at or before what was asked for.
    pub before: Cut,
    /// The first place at or behind it, if there is one before the end.
    pub behind: Option<Cut>,
}

/// Bits of the table that is asked first: most codes are no longer, and it is made for each block.
const FAST: u32 = 9;

/// Codes that no code is a prefix of.
struct Codes {
    /// By the next bits: symbol and length, or 0 where the code is longer.
    table: [u16; 1 << FAST],
    /// Codes of each length.
    counts: [u16; LONGEST + 1],
    /// Symbols in order of their codes.
    symbols: Vec<u16>,
    /// The code of symbol 256, its first bit lowest, and its length.
    end: Option<(u64, u32)>,
}

impl Codes {
    /// Codes of these lengths (RFC 1951 §3.2.2); `None` if they are none.
    fn new(lengths: &[u8]) -> Option<Self> {
        let mut counts = [0_u16; LONGEST + 1];
        for len in lengths.iter().filter(|len| **len > 0) {
            *counts.get_mut(usize::from(*len))? += 1;
        }
        let (mut next, mut place) = ([0_u32; LONGEST + 2], [0_u16; LONGEST + 2]);
        for (len, count) in counts.iter().enumerate().skip(1) {
            let behind = next.get(len)? + u32::from(*count);
            if behind > 1 << len {
                return None;
            }
            *next.get_mut(len + 1)? = behind << 1;
            *place.get_mut(len + 1)? = place.get(len)? + count;
        }
        let mut codes = Self { table: [0; 1 << FAST], counts, symbols: vec![0; lengths.len()], end: None };
        for (symbol, len) in lengths.iter().enumerate().filter(|(_, len)| **len > 0) {
            let (code, at) = (next.get_mut(usize::from(*len))?, place.get_mut(usize::from(*len))?);
            let (bits, len) = (code.reverse_bits() >> (32 - u32::from(*len)), u32::from(*len));
            *codes.symbols.get_mut(usize::from(*at))? = symbol as u16;
            (*code, *at) = (*code + 1, *at + 1);
            if symbol == 256 {
                codes.end = Some((u64::from(bits), len));
            }
            if len <= FAST {
                for slot in codes.table.iter_mut().skip(bits as usize).step_by(1 << len) {
                    *slot = (symbol as u16) << 4 | len as u16;
                }
            }
        }
        Some(codes)
    }

    /// The symbol whose code stands in the lowest bits of `word`, and the code's length.
    fn symbol(&self, word: u64) -> Option<(u16, usize)> {
        let entry = *self.table.get(word as usize & ((1 << FAST) - 1))?;
        if entry > 0 {
            return Some((entry >> 4, usize::from(entry & 15)));
        }
        // Length by length: a code stands with its highest bit first.
        let (mut code, mut first, mut at) = (0_u32, 0_u32, 0_u32);
        for (len, count) in self.counts.iter().enumerate().skip(1) {
            code |= (word >> (len - 1)) as u32 & 1;
            let count = u32::from(*count);
            if code < first + count {
                return Some((*self.symbols.get((at + code - first) as usize)?, len));
            }
            (at, first, code) = (at + count, (first + count) << 1, code << 1);
        }
        None
    }
}

/// Reads bits, lowest first; behind the end stand zeros.
struct Bits<'c> {
    coded: &'c [u8],
    at: usize,
}

impl Bits<'_> {
    /// At least the next 32 bits.
    fn peek(&self) -> u64 {
        let from = self.coded.get(self.at / 8..).unwrap_or_default();
        let word = from.first_chunk::<8>().map_or_else(
            || from.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
            |bytes| u64::from_le_bytes(*bytes),
        );
        word >> (self.at % 8)
    }

    fn take(&mut self, bits: usize) -> usize {
        let value = self.peek() & ((1 << bits) - 1);
        self.at += bits;
        value as usize
    }

    fn symbol(&mut self, codes: &Codes) -> Option<u16> {
        let (symbol, len) = codes.symbol(self.peek())?;
        self.at += len;
        Some(symbol)
    }
}

/// The codes of a block with dynamic ones (RFC 1951 §3.2.7), behind its first three bits.
fn dynamic(bits: &mut Bits<'_>) -> Option<(Codes, Codes)> {
    let (literals, distances, lengths) = (bits.take(5) + 257, bits.take(5) + 1, bits.take(4) + 4);
    let mut short = [0; 19];
    for at in ORDER.iter().take(lengths) {
        *short.get_mut(*at)? = bits.take(3) as u8;
    }
    let codes = Codes::new(&short)?;
    let mut all = Vec::with_capacity(literals + distances);
    while all.len() < literals + distances {
        let (len, times) = match bits.symbol(&codes)? {
            16 => (*all.last()?, 3 + bits.take(2)),
            17 => (0, 3 + bits.take(3)),
            18 => (0, 11 + bits.take(7)),
            len => (len as u8, 1),
        };
        all.extend(std::iter::repeat_n(len, times));
    }
    let (literals, distances) = all.split_at_checked(literals)?;
    Some((Codes::new(literals)?, Codes::new(distances)?))
}

/// The fixed codes (RFC 1951 §3.2.6).
fn fixed() -> Option<(Codes, Codes)> {
    let mut lengths = [8; 288];
    lengths.get_mut(144..256)?.fill(9);
    lengths.get_mut(256..280)?.fill(7);
    Some((Codes::new(&lengths)?, Codes::new(&[5; 32])?))
}

/// Walks the block that begins at bit `phase` of `coded`'s first byte, takes `bits` bits and makes `len` bytes, and looks for the places
/// about its plain byte `wanted`. `None` if the block is stored, or not so.
pub fn walk(coded: &[u8], phase: u32, bits: u64, len: usize, wanted: usize) -> Option<Walked> {
    let start = phase as usize;
    let end = start.checked_add(usize::try_from(bits).ok()?)?;
    if end.div_ceil(8) > coded.len() {
        return None;
    }
    let mut reader = Bits { coded, at: start + 1 };
    let (literals, distances) = match reader.take(2) {
        1 => fixed()?,
        2 => dynamic(&mut reader)?,
        _ => return None,
    };
    let header = (reader.at - start) as u64;
    let (mut before, mut behind, mut plain) = (Cut { bit: header, plain: 0 }, None, 0);
    while reader.at < end {
        let here = Cut { bit: (reader.at - start) as u64, plain };
        if plain <= wanted {
            before = here;
        }
        if plain >= wanted && behind.is_none() {
            behind = Some(here);
        }
        match reader.symbol(&literals)? {
            0..256 => plain += 1,
            256 => {
                let fits = reader.at == end && plain == len;
                return Some(Walked { header, end: literals.end?, before, behind }).filter(|_| fits);
            }
            symbol => {
                let (base, extra) = LENGTHS.get(usize::from(symbol - 257))?;
                plain += usize::from(*base) + reader.take(usize::from(*extra));
                let distance = reader.symbol(&distances).filter(|distance| *distance < DISTANCES)?;
                reader.at += usize::from((distance / 2).saturating_sub(1));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::blocks::{Blocks, Stop};
    use super::*;
    use flate2::{Compress, Compression, FlushCompress};
    use proptest::prelude::*;

    /// First bit, bits, plain bytes before, plain bytes.
    type Block = (u64, u64, usize, usize);

    /// The blocks of a stream as zlib tells.
    fn blocks(coded: &[u8]) -> (Vec<Block>, Vec<u8>) {
        let (mut inflate, mut out, mut plain) = (Blocks::new(), vec![0; 1 << 16], Vec::new());
        let (mut at, mut bit, mut from, mut found) = (0, 0, 0, Vec::new());
        loop {
            let step = inflate.step(&coded[at..], &mut out).unwrap();
            at += step.used;
            plain.extend_from_slice(&out[..step.made]);
            if let Stop::Block { unused, last } = step.stop {
                let end = at as u64 * 8 - unused;
                found.push((bit, end - bit, from, plain.len() - from));
                (bit, from) = (end, plain.len());
                if last {
                    return (found, plain);
                }
            }
        }
    }

    /// A block that is cut where the walk says so and closed by its own code is what zlib decodes before the cut; its header and what
    /// stands behind the cut are the rest.
    fn cuts(coded: &[u8], wanted: usize) {
        let (found, plain) = blocks(coded);
        for (bit, bits, from, len) in found {
            let (byte, phase) = ((bit / 8) as usize, (bit % 8) as u32);
            let wanted = wanted % (len + 2);
            let word = coded[byte..].iter().take(2).rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
            let stored = (word >> phase >> 1).is_multiple_of(4);
            let walked = walk(&coded[byte..], phase, bits, len, wanted);
            assert_eq!(walked.is_none(), stored);
            assert_eq!(walk(&coded[byte..], phase, bits, len + 1, wanted), None);
            assert_eq!(walk(&coded[byte..], phase, bits - 1, len, wanted), None);
            let Some(walked) = walked else { continue };
            assert!(walked.before.plain <= wanted && walked.behind.is_none_or(|cut| cut.plain >= wanted));
            assert!(walked.behind.is_some() || wanted > len);
            let window = &plain[from.saturating_sub(32_768)..from];
            let get = |at: u64| u64::from(coded[(at / 8) as usize] >> (at % 8) & 1);
            let decode = |bits: &[u64], window: &[u8], len: usize| {
                let bytes: Vec<u8> = bits
                    .chunks(8)
                    .map(|byte| byte.iter().rev().fold(0, |all, bit| all << 1 | *bit as u8))
                    .chain([0; 8])
                    .collect();
                let (mut inflate, mut out, mut at, mut made) = (Blocks::new(), vec![0; len + 1], 0, 0);
                inflate.begin(window, 0, 0);
                loop {
                    let step = inflate.step(&bytes[at..], &mut out[made..]).unwrap();
                    (at, made) = (at + step.used, made + step.made);
                    if let Stop::Block { .. } = step.stop {
                        break;
                    }
                    assert!(step.used + step.made > 0, "{step:?}");
                }
                out.truncate(made);
                out
            };
            let mut head: Vec<u64> = (0..walked.before.bit).map(|n| get(bit + n)).collect();
            head.extend((0..walked.end.1).map(|n| walked.end.0 >> n & 1));
            assert!(decode(&head, window, len) == plain[from..from + walked.before.plain]);
            if let Some(cut) = walked.behind {
                let mut tail: Vec<u64> = (0..walked.header).map(|n| get(bit + n)).collect();
                tail.extend((cut.bit..bits).map(|n| get(bit + n)));
                let middle = from + cut.plain;
                let window = &plain[middle.saturating_sub(32_768)..middle];
                assert!(decode(&tail, window, len) == plain[middle..from + len]);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn cuts_are_what_zlib_decodes(pieces in prop::collection::vec((0usize..5, 0usize..3000, 0u8..4), 1..8), level in 0u32..10, wanted in any::<usize>()) {
            let (mut deflate, mut out) = (Compress::new(Compression::new(level), false), Vec::with_capacity(1 << 20));
            for (kind, len, flush) in pieces {
                let text: Vec<u8> = match kind {
                    0 => vec![b'a'; len * 9],
                    1 => (0..len as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect(),
                    _ => (0..len).flat_map(|n| format!("{} user {}\n", n % 17, n * n % 101).into_bytes()).collect(),
                };
                let flush = [FlushCompress::None, FlushCompress::Partial, FlushCompress::Sync, FlushCompress::Full][usize::from(flush)];
                deflate.compress_vec(&text, &mut out, flush).unwrap();
            }
            deflate.compress_vec(b"", &mut out, FlushCompress::Finish).unwrap();
            cuts(&out, wanted);
        }

        #[test]
        fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), phase in 0u32..8, bits in any::<u16>(), wanted in any::<usize>()) {
            let _walked = walk(&bytes, phase, u64::from(bits), 100, wanted);
            let _walked = walk(&bytes, phase, u64::MAX, usize::MAX, wanted);
        }
    }

    #[test]
    fn codes_that_are_none_are_refused() {
        assert!(Codes::new(&[1, 1, 1]).is_none());
        assert!(Codes::new(&[]).is_some());
        let codes = Codes::new(&[2, 1, 3, 3]).unwrap();
        // RFC 1951 §3.2.2: 10, 0, 110, 111, here with the first bit lowest.
        let all = [0b01, 0, 0b011, 0b111].map(|word| codes.symbol(word).unwrap());
        assert_eq!(all, [(0, 2), (1, 1), (2, 3), (3, 3)]);
        let long: Vec<u8> = (1..=15).chain([15]).collect();
        let codes = Codes::new(&long).unwrap();
        assert_eq!(codes.symbol(0x7fff), Some((15, 15)));
        assert_eq!(codes.symbol(0x3fff), Some((14, 15)));
        assert_eq!(codes.symbol(0x0fff), Some((12, 13)));
        assert_eq!(Codes::new(&long[..15]).unwrap().symbol(0x7fff), None);
    }
}
