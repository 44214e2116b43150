//! Shapes in long texts, by class words: for each type its anchors first, then what stands around them.
//!
//! The classes of a chunk are words of bits ([`super::super::classes`]); the anchors of a type (an `@`, dashes eight, four, four and
//! four apart, three dots near each other) come of a few shifts. Only at anchors are bytes looked at, one type after
//! the other, so that each loop does one thing. Gives what [`Finder::shapes`] gives for short texts, in another order.
#![expect(clippy::indexing_slicing, reason = "only in tables that are made when this is compiled")]

use super::super::ValueId;
use super::super::boundary::in_word;
use super::super::classes::{Around, CHUNK, Classes, STEP, Table as Map};
use super::scan::Finder;
use super::{Range, phone};

const AT: usize = 0;
const DASH: usize = 1;
const DIGIT: usize = 2;
const DOT: usize = 3;
const COLON: usize = 4;
const WORD: usize = 5;
/// A byte of an e-mail's local part.
const LOCAL: usize = 6;
/// A letter or digit.
const ALNUM: usize = 7;

// Of the second table, which only some types need.
const HEX: usize = 0;
/// A digit, or what may stand between two of a phone number.
const DIAL: usize = 1;

static FIRST: Map = {
    let mut table = [0; 128];
    let mut byte = 0u8;
    while byte < 128 {
        let word = byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let mut set = (word as u8) << WORD
            | (byte.is_ascii_digit() as u8) << DIGIT
            | (byte.is_ascii_alphanumeric() as u8) << ALNUM
            | ((word || matches!(byte, b'.' | b'%' | b'+')) as u8) << LOCAL;
        set |= match byte {
            b'@' => 1 << AT,
            b'-' => 1 << DASH,
            b'.' => 1 << DOT,
            b':' => 1 << COLON,
            _ => 0,
        };
        table[byte as usize] = set;
        byte += 1;
    }
    table
};

static SECOND: Map = {
    let mut table = [0; 128];
    let mut byte = 0u8;
    while byte < 128 {
        let dial = byte.is_ascii_digit() || matches!(byte, b' ' | b'-' | b'.' | b'(' | b')' | b'/');
        table[byte as usize] = (byte.is_ascii_hexdigit() as u8) << HEX | (dial as u8) << DIAL;
        byte += 1;
    }
    table
};

/// Texts from this length on are worth the classes.
pub(super) const LONG: usize = 256;

/// For each bit of `marks`, the one of another mark two to `most` places on (three or more marks follow one another so in a
/// dotted address and in the groups of an IPv6 one).
fn near(marks: Around, most: u32) -> Around {
    let here = (2..=most).fold(0, |sum, n| sum | marks.next(n));
    let after = (2..=most).fold(0, |sum, n| sum | marks.after >> n);
    Around { before: 0, here: marks.here & here, after: marks.after & after }
}

/// The bits of a word, as places in the text.
fn places(mut word: u64, start: usize) -> impl Iterator<Item = (u32, usize)> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros())?;
        word &= word - 1;
        Some((bit, start + bit as usize))
    })
}

/// One chunk of a text.
struct Chunk<'t> {
    text: &'t [u8],
    first: &'t Classes,
    second: &'t Classes,
    at: usize,
}

impl Chunk<'_> {
    /// Calls `visit` for each word with the place in the text of its first byte.
    #[inline]
    fn words(&self, mut visit: impl FnMut(usize, usize)) {
        for w in 0..self.first.steps() {
            visit(w, self.at + w * STEP);
        }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.get(at).copied()
    }

    fn before(&self, at: usize) -> Option<u8> {
        self.byte(at.checked_sub(1)?)
    }

    /// The end of the bytes from `at` on (its bit in `around` is `bit`) that are in a class; `within` says so of a byte.
    #[inline]
    fn end(&self, around: Around, bit: u32, at: usize, within: impl Fn(u8) -> bool) -> usize {
        match around.run(bit) {
            64 => at + self.text.get(at..).map_or(0, |rest| rest.iter().take_while(|b| seen(within(**b))).count()),
            run => at + run as usize,
        }
    }

    /// The start of the bytes right before `at` that are in a class.
    #[inline]
    fn start(&self, around: Around, bit: u32, at: usize, within: impl Fn(u8) -> bool) -> usize {
        match around.run_before(bit) {
            64 => {
                at - self.text.get(..at).map_or(0, |rest| rest.iter().rev().take_while(|b| seen(within(**b))).count())
            }
            run => at - run as usize,
        }
    }
}

/// Counts the look at a byte.
#[inline]
fn seen(within: bool) -> bool {
    super::super::work::look(1);
    within
}

fn in_dial(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b' ' | b'-' | b'.' | b'(' | b')' | b'/')
}

/// The 32 hex digits of a UUID in lower case, from its 36 or 32 bytes.
#[inline]
fn folded(text: &[u8]) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    match *text.first_chunk::<32>()? {
        all if text.len() == 32 => key = all,
        _ => {
            for (to, from) in [(0..8, 0..8), (8..12, 9..13), (12..16, 14..18), (16..20, 19..23), (20..32, 24..36)] {
                key.get_mut(to)?.copy_from_slice(text.get(from)?);
            }
        }
    }
    for byte in &mut key {
        *byte |= 0x20;
    }
    Some(key)
}

/// The dashes of a UUID, as bits from its first byte on.
const DASHES: u64 = 1 << 8 | 1 << 13 | 1 << 18 | 1 << 23;
/// The bytes of a UUID with dashes.
const DASHED: u64 = (1 << 36) - 1;

impl Finder {
    /// As [`Finder::shapes`], for texts of any length; one of [`LONG`] bytes or more gains by it.
    pub(super) fn sweep(&self, text: &[u8], found: &mut impl FnMut(ValueId, Range<usize>)) {
        let (mut first, mut second) = (Classes::default(), Classes::default());
        let mut v6_done = 0;
        for at in (0..text.len()).step_by(CHUNK) {
            first.of(text, at, &FIRST);
            if !self.uuids.is_empty() || !self.phones.is_empty() {
                second.of(text, at, &SECOND);
            }
            let chunk = Chunk { text, first: &first, second: &second, at };
            if !self.mails.is_empty() {
                self.all_mails(&chunk, found);
            }
            if !self.uuids.is_empty() {
                self.all_uuids(&chunk, found);
            }
            if !self.ips.is_empty() {
                self.all_ips(&chunk, &mut v6_done, found);
            }
            if !self.numbers.is_empty() {
                self.all_numbers(&chunk, found);
            }
            if !self.words.is_empty() {
                self.all_words(&chunk, found);
            }
            if !self.dotted.is_empty() {
                self.all_dotted(&chunk, found);
            }
            if !self.phones.is_empty() {
                self.all_phones(&chunk, found);
            }
        }
    }

    fn all_mails(&self, chunk: &Chunk<'_>, found: &mut impl FnMut(ValueId, Range<usize>)) {
        let none = Around::default();
        chunk.words(|w, start| {
            let ats = chunk.first.around(AT, w).here;
            if ats == 0 {
                return;
            }
            let (local, word) = (chunk.first.around(LOCAL, w), chunk.first.around(WORD, w));
            let (dot, alnum) = (chunk.first.around(DOT, w), chunk.first.around(ALNUM, w));
            // A dot belongs to a domain if a letter or digit follows.
            let after = alnum.after >> 1;
            let domain =
                Around { here: word.here | dot.here & alnum.next(1), after: word.after | dot.after & after, ..none };
            for (bit, at) in places(ats, start) {
                let back = local.run_before(bit);
                // Whether a dot at the end of the word after belongs to it is not known: 63 is as good as more.
                let ahead = if bit == 63 { domain.after.trailing_ones() } else { domain.run(bit + 1) };
                if back == 64 || ahead >= 63 {
                    self.mail(chunk.text, at, found);
                } else if back > 0 && ahead > 0 {
                    self.mail_at(chunk.text, at - back as usize..at + 1 + ahead as usize, found);
                }
            }
        });
    }

    fn all_uuids(&self, chunk: &Chunk<'_>, found: &mut impl FnMut(ValueId, Range<usize>)) {
        let text = chunk.text;
        let mut probe = |span: Range<usize>| {
            if let Some(key) = text.get(span.clone()).and_then(folded) {
                self.uuids.probe(&key, |value| found(value, span.clone()));
            }
        };
        chunk.words(|w, start| {
            let (hex, alnum) = (chunk.second.around(HEX, w), chunk.first.around(ALNUM, w));
            let dash = chunk.first.around(DASH, w);
            // Where a UUID starts, its first dash is eight bytes on.
            if dash.here | dash.after != 0 {
                let starts = dash.next(8) & dash.next(13) & dash.next(18) & dash.next(23) & hex.here & !alnum.last();
                for (bit, at) in places(starts, start) {
                    let (dashes, digits) = (dash.next(bit) & DASHED, hex.next(bit) & DASHED);
                    let ends = alnum.next(bit) >> 36 & 1 == 0;
                    if dashes == DASHES && digits == DASHED & !DASHES && ends {
                        probe(at..at + 36);
                    }
                }
            }
            for (bit, at) in places(hex.runs_of(32) & !alnum.last(), start) {
                if alnum.next(bit) >> 32 & 1 == 0 {
                    probe(at..at + 32);
                }
            }
        });
    }

    fn all_ips(&self, chunk: &Chunk<'_>, v6_done: &mut usize, found: &mut impl FnMut(ValueId, Range<usize>)) {
        chunk.words(|w, start| {
            let dots = chunk.first.around(DOT, w);
            if dots.here != 0 {
                let digits = chunk.first.around(DIGIT, w);
                let first = near(near(dots, 4), 4).here & digits.last() & digits.next(1);
                for (bit, at) in places(first, start) {
                    let word = at - digits.run_before(bit) as usize;
                    self.v4(chunk.text, word, at, found);
                }
            }
            let colons = chunk.first.around(COLON, w);
            if colons.here != 0 {
                let groups = near(near(colons, 5), 5).here | colons.here & colons.next(1);
                for (_, at) in places(groups, start) {
                    if at >= *v6_done {
                        *v6_done = self.v6(chunk.text, at, found);
                    }
                }
            }
        });
    }

    fn all_numbers(&self, chunk: &Chunk<'_>, found: &mut impl FnMut(ValueId, Range<usize>)) {
        let least = self.numbers.lengths().0.clamp(1, 64) as u32;
        chunk.words(|w, start| {
            let digits = chunk.first.around(DIGIT, w);
            let words = chunk.first.around(WORD, w);
            for (bit, at) in places(digits.runs_of(least) & !words.last(), start) {
                let end = chunk.end(digits, bit, at, |b| b.is_ascii_digit());
                let alone = !chunk.byte(end).is_some_and(in_word);
                if alone && let Some(key) = chunk.text.get(at..end) {
                    self.numbers.probe(key, |value| found(value, at..end));
                }
            }
        });
    }

    fn all_words(&self, chunk: &Chunk<'_>, found: &mut impl FnMut(ValueId, Range<usize>)) {
        chunk.words(|w, start| {
            let words = chunk.first.around(WORD, w);
            for (bit, at) in places(words.here & !words.last(), start) {
                let end = chunk.end(words, bit, at, in_word);
                if let Some(key) = chunk.text.get(at..end) {
                    self.words.probe(key, |value| found(value, at..end));
                }
            }
        });
    }

    fn all_dotted(&self, chunk: &Chunk<'_>, found: &mut impl FnMut(ValueId, Range<usize>)) {
        chunk.words(|w, start| {
            let (dots, words) = (chunk.first.around(DOT, w), chunk.first.around(WORD, w));
            for (bit, at) in places(dots.here & words.last(), start) {
                let first = chunk.start(words, bit, at, in_word);
                if chunk.before(first) != Some(b'.') {
                    self.dotted(chunk.text, first, found);
                }
            }
        });
    }

    fn all_phones(&self, chunk: &Chunk<'_>, found: &mut impl FnMut(ValueId, Range<usize>)) {
        let (min, max) = self.phones.lengths();
        let least = min.clamp(1, 64) as u32;
        chunk.words(|w, start| {
            let dial = chunk.second.around(DIAL, w);
            for (bit, at) in places(dial.runs_of(least) & !dial.last(), start) {
                let end = chunk.end(dial, bit, at, in_dial);
                let digits = chunk.text.get(at..end).unwrap_or_default();
                let enough = digits.iter().filter(|b| b.is_ascii_digit()).take(min).count() == min;
                if !enough {
                    continue;
                }
                let from = at - usize::from(chunk.before(at) == Some(b'+'));
                phone::each(chunk.text.get(from..end).unwrap_or_default(), min, max, |digits, span| {
                    self.phones.probe(digits, |value| found(value, from + span.start..from + span.end));
                });
            }
        });
    }
}
