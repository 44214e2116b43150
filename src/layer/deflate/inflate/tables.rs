//! Huffman codes of a deflate block as tables (RFC 1951 §3.2.2): one look for most symbols, two for the rare long ones.
//!
//! An entry is a number of 32 bits, so that a symbol costs one load. Its low byte is what the symbol takes of the stream, extra bits
//! and all; bits 8 to 13 the length of the code alone; bits 16 to 30 what the symbol stands for. The flags are below.

#![expect(
    clippy::indexing_slicing,
    reason = "indices are code lengths (at most 15), or are masked by the length of their array, which is a power of two"
)]

/// Longest code, bits.
const LONGEST: usize = 15;
/// Symbols of the literal/length code.
pub const LITERALS: usize = 288;
/// Symbols of the distance code.
pub const DISTANCES: usize = 32;

/// The entry is of a literal: bits 16 to 23.
pub const LITERAL: u32 = 1 << 31;
/// Not a literal and no length or distance: one of those below, or, with neither, no code.
pub const SPECIAL: u32 = 1 << 15;
/// The end of the block.
pub const END: u32 = 1 << 14;
/// A second look: at bits 16 to 30, by as many bits of the stream as bits 8 to 13 say.
pub const SECOND: u32 = 1 << 6;

/// Of the literal/length code: bits of the first look, and entries (zlib's `enough 288 11 15` has 2342).
pub type Lengths = Table<11, 4096>;
/// Of the distance code (`enough 32 9 15` has 594).
pub type Distances = Table<9, 1024>;
/// Of the code of code lengths, 7 bits at most.
pub type Codes = Table<7, 128>;

/// The entries of one code. `N` is a power of two, and at least what the worst code takes.
pub struct Table<const BITS: usize, const N: usize>(Box<[u32; N]>);

impl<const BITS: usize, const N: usize> Default for Table<BITS, N> {
    fn default() -> Self {
        Self(Box::new([SPECIAL; N]))
    }
}

/// What stands for one symbol, without the length of its code.
type Meaning = fn(usize) -> u32;

/// Base and extra bits of the length symbols 257 to 285 (RFC 1951 §3.2.5).
pub const LENGTHS: [(u16, u8); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];

/// Order in which the lengths of the code of code lengths stand (RFC 1951 §3.2.7).
pub const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Base and extra bits of the distance symbols 0 to 29 (RFC 1951 §3.2.5).
const DISTANCE: [(u16, u8); 30] = [
    (1, 0),
    (2, 0),
    (3, 0),
    (4, 0),
    (5, 1),
    (7, 1),
    (9, 2),
    (13, 2),
    (17, 3),
    (25, 3),
    (33, 4),
    (49, 4),
    (65, 5),
    (97, 5),
    (129, 6),
    (193, 6),
    (257, 7),
    (385, 7),
    (513, 8),
    (769, 8),
    (1025, 9),
    (1537, 9),
    (2049, 10),
    (3073, 10),
    (4097, 11),
    (6145, 11),
    (8193, 12),
    (12289, 12),
    (16385, 13),
    (24577, 13),
];

/// Of a literal/length symbol.
pub fn literal(symbol: usize) -> u32 {
    match symbol {
        0..256 => LITERAL | (symbol as u32) << 16,
        256 => SPECIAL | END,
        _ => LENGTHS.get(symbol - 257).map_or(SPECIAL, |(base, extra)| u32::from(*base) << 16 | u32::from(*extra)),
    }
}

/// Of a distance symbol.
pub fn distance(symbol: usize) -> u32 {
    DISTANCE.get(symbol).map_or(SPECIAL, |(base, extra)| u32::from(*base) << 16 | u32::from(*extra))
}

/// Of a symbol of the code of code lengths.
pub fn code(symbol: usize) -> u32 {
    (symbol as u32) << 16
}

impl<const BITS: usize, const N: usize> Table<BITS, N> {
    /// Makes the entries of the code whose symbols have these lengths (0: no code). `false` if it is over-subscribed, or
    /// incomplete where zlib takes no incomplete one: `lone` allows one code of one bit, or none at all.
    pub fn make(&mut self, lengths: &[u8], meaning: Meaning, lone: bool) -> bool {
        let mut counts = [0u16; LONGEST + 1];
        for length in lengths {
            counts[usize::from(*length) & LONGEST] += 1;
        }
        counts[0] = 0;
        let longest = (1..=LONGEST).rev().find(|length| counts[*length] > 0).unwrap_or(0);
        let mut left = 1i32;
        for count in &counts[1..] {
            left = (left << 1) - i32::from(*count);
            if left < 0 {
                return false;
            }
        }
        if left > 0 {
            if !lone || longest > 1 {
                return false;
            }
            self.0[..1 << BITS].fill(SPECIAL | 1);
        }
        self.fill(lengths, meaning, &counts, longest)
    }

    /// Places the symbols in order of their codes: by length, then by number.
    fn fill(&mut self, lengths: &[u8], meaning: Meaning, counts: &[u16; LONGEST + 1], longest: usize) -> bool {
        let mut next = [0u16; LONGEST + 2];
        for length in 1..=LONGEST {
            next[length + 1] = next[length] + counts[length];
        }
        let mut sorted = [0u16; LITERALS];
        for (symbol, length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let at = &mut next[usize::from(*length) & LONGEST];
            sorted[usize::from(*at)] = symbol as u16;
            *at += 1;
        }
        // Codes are counted with their first bit highest, and read with it lowest: `code` is kept reversed.
        let (mut code, mut at, mut free) = (0usize, 0, 1 << BITS);
        let (mut second, mut second_bits) = (usize::MAX, 0);
        for length in 1..=longest {
            for left in (1..=counts[length]).rev() {
                let entry = entry(meaning(usize::from(sorted[at])), length);
                at += 1;
                if length <= BITS {
                    for slot in (code..1 << BITS).step_by(1 << length) {
                        self.0[slot & (N - 1)] = entry;
                    }
                } else {
                    let first = code & ((1 << BITS) - 1);
                    if second != first {
                        second = first;
                        second_bits = second_look(length, left, counts, BITS);
                        if free + (1 << second_bits) > N {
                            return false;
                        }
                        self.0[first] =
                            SPECIAL | SECOND | (free as u32) << 16 | (second_bits as u32) << 8 | BITS as u32;
                        free += 1 << second_bits;
                    }
                    let from = free - (1 << second_bits);
                    for slot in (code >> BITS..1 << second_bits).step_by(1 << (length - BITS)) {
                        self.0[(from + slot) & (N - 1)] = entry;
                    }
                }
                code = following(code, length);
            }
        }
        true
    }

    /// The entry for the next bits of the stream: of the first look.
    #[inline(always)]
    pub fn first(&self, bits: u64) -> u32 {
        self.0[bits as usize & ((1 << BITS) - 1) & (N - 1)]
    }

    /// The entry for the next bits: after the second look, where it takes one. The code's length counts from the first bit.
    #[inline(always)]
    pub fn look(&self, bits: u64) -> u32 {
        let entry = self.first(bits);
        if entry & (SPECIAL | SECOND) == SPECIAL | SECOND { self.second(entry, bits) } else { entry }
    }

    /// The second look that `entry` asks for.
    #[inline(always)]
    pub fn second(&self, entry: u32, bits: u64) -> u32 {
        let index = (bits >> BITS) as usize & ((1 << (entry >> 8 & 0xf)) - 1);
        self.0[((entry >> 16) as usize + index) & (N - 1)]
    }
}

/// The entry of a symbol whose code has `length` bits. The low byte of its meaning has its extra bits.
fn entry(meaning: u32, length: usize) -> u32 {
    let length = length as u32;
    if meaning & LITERAL != 0 || meaning & SPECIAL != 0 { meaning | length } else { meaning + (length << 8 | length) }
}

/// Bits of the second table in which a code of `length` bits is the first; `left` codes of this length are still to come, this one
/// included. As long as the codes that begin alike do not fill it, it must hold longer ones.
fn second_look(length: usize, left: u16, counts: &[u16; LONGEST + 1], bits: usize) -> usize {
    let mut size = length - bits;
    let mut room = (1i32 << size) - i32::from(left);
    while room > 0 && size + bits < LONGEST {
        size += 1;
        room = (room << 1) - i32::from(counts[size + bits]);
    }
    size
}

/// The code after `code`, both of `length` bits and reversed.
fn following(code: usize, length: usize) -> usize {
    let mut bit = 1 << (length - 1);
    while bit > 0 && code & bit != 0 {
        bit >>= 1;
    }
    if bit == 0 { 0 } else { code & (bit - 1) | bit }
}
