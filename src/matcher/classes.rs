//! Which bytes of a text are of which class: one bit a byte, eight classes at a time.
//!
//! [`Classes::of`] is the only vectorised step of the search: everything after it is arithmetic on 64-bit words, one bit for each
//! byte of the text. Runs, anchors and extents come of shifts and of counted bits, at a few cycles for 64 bytes.
//! `portable` is the specification; the other ways in `x86` and `neon` give the same bits, which a test shows for every byte and offset.
#![expect(clippy::inline_always, reason = "what is not inlined into `with_bits` has not its instructions")]

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::OnceLock;

/// Bytes of one step: the bits of a word.
pub const STEP: usize = 64;
/// Bytes that are classified at a time: the words of eight classes and the text stay in the first-level cache.
pub const CHUNK: usize = 8 * 1024;
/// Words of a chunk.
pub const WORDS: usize = CHUNK / STEP;

/// For each byte below 0x80 the classes it is in, a bit for each; bytes above are in none.
pub type Table = [u8; 128];

/// The class words of a text's chunk: of each class, word `w` has the bytes from `64 * w` on, the first in the lowest bit.
///
/// One word before the chunk and one after it belong to the text as well, so that runs that cross its ends are whole for 64 bytes;
/// beyond the text's own ends all bits are clear.
pub struct Classes {
    /// Of each 64 bytes the words of all classes, so that they are written in one go.
    words: [[u64; 8]; WORDS + 2],
    /// Words of this chunk.
    len: usize,
}

impl Default for Classes {
    /// Room for a chunk, about 8 KiB.
    fn default() -> Self {
        Self { words: [[0; 8]; WORDS + 2], len: 0 }
    }
}

impl Classes {
    /// Classifies the chunk of `text` that starts at `at` (a multiple of [`CHUNK`]).
    pub fn of(&mut self, text: &[u8], at: usize, table: &Table) {
        let before = usize::from(at > 0);
        let rest = text.get(at - before * STEP..).unwrap_or_default();
        self.len = text.len().saturating_sub(at).min(CHUNK).div_ceil(STEP);
        let wanted = (before + self.len + 1) * STEP;
        super::work::look(wanted);
        let (blocks, tail) = rest.get(..wanted.min(rest.len())).unwrap_or_default().as_chunks::<STEP>();
        let (first, clear) = (1 - before, [[0x80; STEP]]);
        way()(blocks, table, &mut self.words, first);
        // The last bytes of the text, and what is beyond it.
        let mut last = [0x80; STEP];
        for (to, byte) in last.iter_mut().zip(tail) {
            *to = *byte;
        }
        if before == 0 {
            way()(&clear, table, &mut self.words, 0);
        }
        let slot = first + blocks.len();
        way()(&[last], table, &mut self.words, slot);
        way()(&clear, table, &mut self.words, slot + 1);
    }

    /// Words in this chunk.
    pub fn steps(&self) -> usize {
        self.len
    }

    /// Word `w` of `class`, with the word before it and the one after.
    #[inline(always)]
    pub fn around(&self, class: usize, w: usize) -> Around {
        match self.words.get(w..w + 3) {
            Some([before, here, after]) if class < 8 => {
                let word = |of: &[u64; 8]| of.get(class).copied().unwrap_or_default();
                Around { before: word(before), here: word(here), after: word(after) }
            }
            _ => Around::default(),
        }
    }
}

/// Three words of one class, one after another in the text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Around {
    /// The 64 bytes before.
    pub before: u64,
    /// The bytes in question.
    pub here: u64,
    /// The 64 bytes after.
    pub after: u64,
}

impl Around {
    /// The bytes in this class or in `other`.
    #[inline(always)]
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { before: self.before | other.before, here: self.here | other.here, after: self.after | other.after }
    }

    /// For each byte the bit of the one `n` places after it (`n` below 64).
    #[inline(always)]
    pub fn next(self, n: u32) -> u64 {
        if n == 0 { self.here } else { self.here >> n | self.after << (64 - n) }
    }

    /// For each byte the bit of the one before it.
    #[inline(always)]
    pub fn last(self) -> u64 {
        self.here << 1 | self.before >> 63
    }

    /// How many bytes from bit `at` on are in the class, at most 64.
    #[inline(always)]
    pub fn run(self, at: u32) -> u32 {
        self.next(at).trailing_ones()
    }

    /// How many bytes right before bit `at` are in the class, at most 64.
    #[inline(always)]
    pub fn run_before(self, at: u32) -> u32 {
        let bits = if at == 0 { self.before } else { self.here << (64 - at) | self.before >> at };
        bits.leading_ones()
    }

    /// The bytes with which at least `n` in a row (1 to 64) are in the class, by doubling.
    #[inline(always)]
    pub fn runs_of(self, n: u32) -> u64 {
        let (mut here, mut after, mut have) = (self.here, self.after, 1);
        while have < n {
            let by = have.min(n - have);
            here &= here >> by | after << (64 - by);
            after &= after >> by;
            have += by;
        }
        here
    }
}

/// Class words of blocks one after another.
type Words = [[u64; 8]; WORDS + 2];
/// Writes the words of blocks from a slot on; those beyond the last slot are left out.
type Way = fn(&[[u8; STEP]], &Table, &mut Words, usize);

/// The way of this process.
static WAY: OnceLock<Way> = OnceLock::new();

/// The ways that this processor has, the fastest first.
fn ways() -> Vec<(&'static str, Way)> {
    #[cfg(target_arch = "x86_64")]
    let mut ways = x86::ways();
    #[cfg(target_arch = "aarch64")]
    let mut ways = neon::ways();
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let mut ways = Vec::<(&'static str, Way)>::new();
    ways.push(("portable", portable));
    ways
}

fn way() -> Way {
    *WAY.get_or_init(|| ways().first().map_or(portable, |(_, way)| *way))
}

/// Takes the way of that name (`avx512`, `avx2`, `ssse3`, `neon`, `portable`) from now on, and says whether it could: the processor
/// has it, and no text was searched before. For tests, which hold every way to the same results; nothing else depends on it.
#[doc(hidden)]
pub fn choose(name: &str) -> bool {
    let chosen = ways().into_iter().find(|(of, _)| *of == name);
    chosen.is_some_and(|(_, way)| WAY.set(way).is_ok())
}

/// Calls `work` as code that may use the instructions for bits and counts which nearly all processors of today have, and which a program
/// for all of them may not; only what is inlined into `work` gains by it.
#[inline]
pub fn with_bits<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    return x86::with_bits(work);
    #[cfg(not(target_arch = "x86_64"))]
    work()
}

/// Writes the words of one block.
#[inline]
fn put(words: &mut Words, slot: usize, block: [u64; 8]) {
    if let Some(to) = words.get_mut(slot) {
        *to = block;
    }
}

/// A byte at a time.
fn portable(blocks: &[[u8; STEP]], table: &Table, words: &mut Words, first: usize) {
    for (block, slot) in blocks.iter().zip(first..) {
        let mut out = [0; 8];
        for (at, byte) in block.iter().enumerate() {
            let classes = table.get(usize::from(*byte)).copied().unwrap_or(0);
            for (bit, word) in out.iter_mut().enumerate() {
                *word |= u64::from(classes >> bit & 1) << at;
            }
        }
        put(words, slot, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A table in which every byte has its own mixture.
    fn table(seed: u8) -> Table {
        std::array::from_fn(|byte| (byte as u8).wrapping_mul(167).wrapping_add(seed).rotate_left(u32::from(seed) % 8))
    }

    #[test]
    fn every_way_gives_the_bits_of_every_byte() {
        for seed in [0, 1, 77, 255] {
            let table = table(seed);
            for shift in 0..64 {
                let bytes: Vec<u8> = (0..512usize).map(|i| (i + shift) as u8).collect();
                let (blocks, _) = bytes.as_chunks::<STEP>();
                let mut expected = [[0; 8]; WORDS + 2];
                portable(blocks, &table, &mut expected, 1);
                for (at, byte) in bytes.iter().enumerate() {
                    let classes = if *byte < 128 { table[usize::from(*byte)] } else { 0 };
                    for (bit, word) in expected[1 + at / 64].iter().enumerate() {
                        assert_eq!(word >> (at % 64) & 1, u64::from(classes >> bit & 1));
                    }
                }
                for (name, way) in ways() {
                    let mut words = [[0; 8]; WORDS + 2];
                    way(blocks, &table, &mut words, 1);
                    assert!(words == expected, "{name}, seed {seed}, shift {shift}");
                }
            }
        }
    }

    proptest! {
        /// Chunks with their neighbours are the text, whatever its length.
        #[test]
        fn chunks_are_the_text(len in 0..3 * CHUNK, step in 1usize..200, at in 0..3usize) {
            let table: Table = std::array::from_fn(|byte| byte as u8);
            let text: Vec<u8> = (0..len).map(|i| ((i * step) % 251) as u8).collect();
            let mut classes = Classes::default();
            let start = at * CHUNK;
            if start > len {
                return Ok(());
            }
            classes.of(&text, start, &table);
            prop_assert_eq!(classes.steps(), (len - start).min(CHUNK).div_ceil(STEP));
            for w in 0..classes.steps() {
                for class in 0..8 {
                    let around = classes.around(class, w);
                    let bit = |i: isize| {
                        let byte = usize::try_from(start as isize + (w * STEP) as isize + i).ok().and_then(|i| text.get(i));
                        byte.is_some_and(|byte| *byte < 128 && byte >> class & 1 == 1)
                    };
                    for i in 0..64 {
                        prop_assert_eq!(around.before >> i & 1 == 1, bit(i - 64));
                        prop_assert_eq!(around.here >> i & 1 == 1, bit(i));
                        prop_assert_eq!(around.after >> i & 1 == 1, bit(i + 64));
                    }
                }
            }
        }

        #[test]
        fn arithmetic_is_that_of_bits(before: u64, here: u64, after: u64, at in 0u32..64, n in 1u32..65) {
            let around = Around { before, here: here | here << 1, after: after | after >> 3 };
            let bit = |i: i64| match i {
                ..0 => around.before >> (i + 64) & 1,
                0..64 => around.here >> i & 1,
                _ => around.after >> (i - 64) & 1,
            };
            let run = (0..64).take_while(|i| bit(i64::from(at) + i) == 1).count() as u32;
            prop_assert_eq!(around.run(at), run);
            let back = (1..65).take_while(|i| bit(i64::from(at) - i) == 1).count() as u32;
            prop_assert_eq!(around.run_before(at), back);
            prop_assert_eq!(around.next(at) & 1, bit(i64::from(at)));
            prop_assert_eq!(around.last() >> at & 1, bit(i64::from(at) - 1));
            let all = (0..i64::from(n)).all(|i| bit(i64::from(at) + i) == 1);
            prop_assert_eq!(around.runs_of(n) >> at & 1 == 1, all);
        }
    }
}
