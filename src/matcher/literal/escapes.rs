//! Where escapes stand, of any of the four spellings.
//!
//! In a long text by class words: 64 bytes at a time, with a look at the bytes only where the words say that an escape may start. In a
//! short one by `memchr`. Both give the same places, which a test shows.
#![expect(clippy::indexing_slicing, reason = "only in a table that is made when this is compiled")]

use std::ops::Range;

use memchr::{memchr, memchr3};

use super::super::classes::{CHUNK, Classes, STEP, Table as Map};
use super::super::spelling::any_unit;

/// `%` or `=`.
const LEAD: usize = 0;
const HEX: usize = 1;
/// CR or LF.
const LINE_END: usize = 2;
const BACKSLASH: usize = 3;
const AMPERSAND: usize = 4;
const HASH: usize = 5;
const ALNUM: usize = 6;
const SEMICOLON: usize = 7;

static CLASS: Map = {
    let mut table = [0; 128];
    let mut byte = 0u8;
    while byte < 128 {
        let alnum = byte.is_ascii_alphanumeric() as u8;
        let set = alnum << ALNUM | (byte.is_ascii_hexdigit() as u8) << HEX;
        table[byte as usize] = set
            | match byte {
                b'%' | b'=' => 1 << LEAD,
                b'\r' | b'\n' => 1 << LINE_END,
                b'\\' => 1 << BACKSLASH,
                b'&' => 1 << AMPERSAND,
                b'#' => 1 << HASH,
                b';' => 1 << SEMICOLON,
                _ => 0,
            };
        byte += 1;
    }
    table
};

/// Texts from this length on are worth the class words.
const LONG: usize = 2048;

/// The escapes of any spelling, in order; they do not overlap. Memory: about 8 KiB for a long text.
pub(super) struct Sites<'t> {
    text: &'t [u8],
    /// No escape starts before.
    at: usize,
    way: Way,
}

enum Way {
    /// Next `%`, `\` or `&`, and next `=`, at or after some earlier `at`; the length if none.
    Short {
        rare: usize,
        equals: usize,
    },
    Long(Box<Words>),
}

/// How far the class words were looked at.
struct Words {
    classes: Classes,
    /// Start of the chunk.
    chunk: usize,
    /// Word of the chunk, and which of its bytes may start an escape and were not looked at.
    word: usize,
    left: u64,
}

impl<'t> Sites<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        let way = if text.len() < LONG {
            Way::Short { rare: find_rare(text, 0), equals: find_equals(text, 0) }
        } else {
            Way::Long(Box::new(Words::new(text)))
        };
        Self { text, at: 0, way }
    }
}

impl Iterator for Sites<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        loop {
            let start = match &mut self.way {
                Way::Short { rare, equals } => {
                    if *rare < self.at {
                        *rare = find_rare(self.text, self.at);
                    }
                    if *equals < self.at {
                        *equals = find_equals(self.text, self.at);
                    }
                    Some((*rare).min(*equals)).filter(|start| *start < self.text.len())
                }
                Way::Long(words) => words.next(self.text, self.at),
            }?;
            if let Some(len) = any_unit(self.text, start) {
                self.at = start + len;
                return Some(start..self.at);
            }
            self.at = start + 1;
        }
    }
}

fn find_rare(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    memchr3(b'%', b'\\', b'&', rest).map_or(text.len(), |i| at + i)
}

fn find_equals(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    memchr(b'=', rest).map_or(text.len(), |i| at + i)
}

impl Words {
    fn new(text: &[u8]) -> Self {
        let mut words = Self { classes: Classes::default(), chunk: 0, word: 0, left: 0 };
        words.classes.of(text, 0, &CLASS);
        words.left = words.may_start(0);
        words
    }

    /// The next byte from `at` on that may start an escape.
    #[inline]
    fn next(&mut self, text: &[u8], at: usize) -> Option<usize> {
        loop {
            while self.left != 0 {
                let start = self.chunk + self.word * STEP + self.left.trailing_zeros() as usize;
                self.left &= self.left - 1;
                if start >= at {
                    return Some(start);
                }
            }
            self.word += 1;
            if self.word >= self.classes.steps() {
                let next = self.chunk + CHUNK;
                if next >= text.len() {
                    return None;
                }
                (self.chunk, self.word) = (next, 0);
                self.classes.of(text, next, &CLASS);
            }
            self.left = self.may_start(self.word);
        }
    }

    /// The bytes of word `w` that may start an escape: all that do, and few others.
    #[inline]
    fn may_start(&self, w: usize) -> u64 {
        let around = |class| self.classes.around(class, w);
        let lead = around(LEAD).here;
        let mut starts = around(BACKSLASH).here;
        if lead != 0 {
            let hex = around(HEX);
            starts |= lead & (hex.next(1) & hex.next(2) | around(LINE_END).next(1));
        }
        let ampersands = around(AMPERSAND).here;
        if ampersands != 0 {
            starts |= ampersands & around(HASH).next(1);
            let semicolons = around(SEMICOLON);
            if semicolons.here | semicolons.after != 0 {
                // A `;` at most 34 bytes on (a name has 32): by doubling 1, 2, 4, 8, 16, then 3 more.
                let (mut here, mut after) = (semicolons.here, semicolons.after);
                for by in [1, 2, 4, 8, 16, 3] {
                    here |= here >> by | after << (64 - by);
                    after |= after >> by;
                }
                starts |= ampersands & around(ALNUM).next(1) & here;
            }
        }
        starts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn long(text: &[u8]) -> Sites<'_> {
        Sites { text, at: 0, way: Way::Long(Box::new(Words::new(text))) }
    }

    /// By looking at every byte.
    fn plainly(text: &[u8]) -> Vec<Range<usize>> {
        let (mut at, mut out) = (0, Vec::new());
        while at < text.len() {
            let len = any_unit(text, at);
            out.extend(len.map(|len| at..at + len));
            at += len.unwrap_or(1);
        }
        out
    }

    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => prop::sample::select(vec![
                "%40", "%4", "%", "=40", "=", "=\n", "=\r\n", "=\r", "\\", "\\u0040", "\\ud83d\\ude00", "\\n", "\\\"", "&amp;",
                "&", "&a=b;", "&#64;", "&#0000000000000000000000000000000000000000064;", "&#x40;",
                "&CounterClockwiseContourIntegral;", "&CounterClockwiseContourIntegralx;", ";", "a", "4", "\n",
            ]).prop_map(|text| text.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..4),
            1 => (0usize..200).prop_map(|n| vec![b'x'; n]),
            1 => Just(vec![b'y'; CHUNK - 70]),
        ];
        prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn all_ways_give_the_same(text in pieces()) {
            let sites = plainly(&text);
            prop_assert_eq!(Sites::new(&text).collect::<Vec<_>>(), sites.clone());
            prop_assert_eq!(long(&text).collect::<Vec<_>>(), sites);
        }
    }
}
