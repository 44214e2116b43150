//! Shapes in long texts, by class words: for each type its anchors first, then what stands around them.
//!
//! The classes of a chunk are words of bits ([`super::super::classes`]); the anchors of a type (an `@`, dashes eight, four, four and
//! four apart, three dots near each other) come of a few shifts. Only at anchors are bytes looked at, one type after
//! the other, so that each loop does one thing. Gives what [`Finder::shapes`] gives for short texts, in another order.

use super::super::boundary::in_word;
use super::super::classes::{Around, CHUNK, Classes, STEP, Table as Map};
use super::super::ValueId;
use super::scan::{Finder, compact, is_dashed};
use super::{Range, phone};

const AT: usize = 0;
const DASH: usize = 1;
const DIGIT: usize = 2;
const HEX: usize = 3;
const DOT: usize = 4;
const COLON: usize = 5;
const WORD: usize = 6;
/// A digit, or what may stand between two of a phone number.
const DIAL: usize = 7;

static CLASSES: Map = {
    let mut table = [0; 128];
    let mut byte = 0u8;
    while byte < 128 {
        let mut set = 0;
        if byte.is_ascii_digit() {
            set |= 1 << DIGIT;
        }
        if byte.is_ascii_hexdigit() {
            set |= 1 << HEX;
        }
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            set |= 1 << WORD;
        }
        if byte.is_ascii_digit() || matches!(byte, b' ' | b'-' | b'.' | b'(' | b')' | b'/') {
            set |= 1 << DIAL;
        }
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
    classes: &'t Classes,
    at: usize,
}

impl Chunk<'_> {
    /// Calls `visit` for each word with the place in the text of its first byte.
    fn words(&self, mut visit: impl FnMut(usize, usize)) {
        for w in 0..self.classes.len() {
            visit(w, self.at + w * STEP);
        }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.get(at).copied()
    }

    fn before(&self, at: usize) -> Option<u8> {
        self.byte(at.checked_sub(1)?)
    }

    /// Where the run of `class` ends that holds the byte at bit `bit` of `around`, whose place is `at`.
    fn end(&self, around: Around, class: usize, bit: u32, at: usize) -> usize {
        match around.run(bit) {
            64 => {
                let within = |byte: &u8| CLASSES.get(usize::from(*byte)).is_some_and(|set| set >> class & 1 == 1);
                at + self.text.get(at..).map_or(0, |rest| rest.iter().take_while(|b| within(b)).count())
            }
            run => at + run as usize,
        }
    }
}

impl Finder {
    /// As [`Finder::shapes`], for texts of any length; one of [`LONG`] bytes or more gains by it.
    pub(super) fn sweep(&self, text: &[u8], found: &mut impl FnMut(ValueId, Range<usize>)) {
        let mut classes = Classes::new();
        let mut v6_done = 0;
        for at in (0..text.len()).step_by(CHUNK) {
            classes.of(text, at, &CLASSES);
            let chunk = Chunk { text, classes: &classes, at };
            if !self.mails.is_empty() {
                chunk.words(|w, start| {
                    places(classes.around(AT, w).here, start).for_each(|(_, at)| self.mail(text, at, found));
                });
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

    fn all_uuids(&self, chunk: &Chunk<'_>, found: &mut impl FnMut(ValueId, Range<usize>)) {
        let text = chunk.text;
        let alone = |at: usize| !chunk.before(at).is_some_and(|b| b.is_ascii_alphanumeric());
        let mut probe = |span: Range<usize>| {
            if let Some(key) = text.get(span.clone()).and_then(compact) {
                self.uuids.probe(&key, |value| found(value, span.clone()));
            }
        };
        chunk.words(|w, start| {
            let dash = chunk.classes.around(DASH, w);
            if dash.here != 0 {
                let dashed = dash.here & dash.next(5) & dash.next(10) & dash.next(15);
                for (_, at) in places(dashed, start) {
                    let Some(first) = at.checked_sub(8) else { continue };
                    if alone(first) && text.get(first..first + 36).is_some() && is_dashed(text.get(first..).unwrap_or_default()) {
                        probe(first..first + 36);
                    }
                }
            }
            let hex = chunk.classes.around(HEX, w);
            for (bit, at) in places(hex.runs_of(32) & !hex.last(), start) {
                let next = chunk.byte(at + 32);
                if alone(at) && hex.run(bit) == 32 && !next.is_some_and(|b| b.is_ascii_alphanumeric()) {
                    probe(at..at + 32);
                }
            }
        });
    }

    fn all_ips(&self, chunk: &Chunk<'_>, v6_done: &mut usize, found: &mut impl FnMut(ValueId, Range<usize>)) {
        chunk.words(|w, start| {
            let dots = chunk.classes.around(DOT, w);
            if dots.here != 0 {
                let digits = chunk.classes.around(DIGIT, w);
                let first = near(near(dots, 4), 4).here & digits.last() & digits.next(1);
                for (bit, at) in places(first, start) {
                    let word = at - digits.run_before(bit) as usize;
                    self.v4(chunk.text, word, at, found);
                }
            }
            let colons = chunk.classes.around(COLON, w);
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
            let digits = chunk.classes.around(DIGIT, w);
            let words = chunk.classes.around(WORD, w);
            for (bit, at) in places(digits.runs_of(least) & !words.last(), start) {
                let end = chunk.end(digits, DIGIT, bit, at);
                let alone = !chunk.byte(end).is_some_and(in_word);
                if alone && let Some(key) = chunk.text.get(at..end) {
                    self.numbers.probe(key, |value| found(value, at..end));
                }
            }
        });
    }

    fn all_words(&self, chunk: &Chunk<'_>, found: &mut impl FnMut(ValueId, Range<usize>)) {
        chunk.words(|w, start| {
            let words = chunk.classes.around(WORD, w);
            for (bit, at) in places(words.here & !words.last(), start) {
                let end = chunk.end(words, WORD, bit, at);
                if let Some(key) = chunk.text.get(at..end) {
                    self.words.probe(key, |value| found(value, at..end));
                }
            }
        });
    }

    fn all_dotted(&self, chunk: &Chunk<'_>, found: &mut impl FnMut(ValueId, Range<usize>)) {
        chunk.words(|w, start| {
            let (dots, words) = (chunk.classes.around(DOT, w), chunk.classes.around(WORD, w));
            for (bit, at) in places(dots.here & words.last(), start) {
                let mut first = at - words.run_before(bit) as usize;
                if at - first == 64 {
                    let run = chunk.text.get(..at).map_or(0, |t| t.iter().rev().take_while(|b| in_word(**b)).count());
                    first = at - run;
                }
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
            let dial = chunk.classes.around(DIAL, w);
            for (bit, at) in places(dial.runs_of(least) & !dial.last(), start) {
                let end = chunk.end(dial, DIAL, bit, at);
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
