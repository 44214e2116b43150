//! Shapes in long texts, by class words: for each type its anchors first, then what stands around them.
//!
//! The classes of a chunk are words of bits ([`super::super::classes`]); the anchors of a type (an `@`, dashes eight, four, four and
//! four apart, three dots near each other) come of a few shifts, and are listed without a branch ([`super::marks`]). Then one type after
//! the other its extents, hashed and queued, so that each loop does one thing and what memory is waited for is waited for together.
//! Gives what [`Finder::plainly`] gives, in another order.
#![expect(clippy::indexing_slicing, reason = "only in tables that are made when this is compiled")]
#![expect(clippy::inline_always, reason = "what is not inlined into `with_bits` has not its instructions")]

use super::super::ValueId;
use super::super::boundary::in_word;
use super::super::classes::{Around, CHUNK, Classes, STEP, Table as Map, with_bits};
use super::marks::{Marks, Queue};
use super::scan::{Finder, each_dotted};
use super::{Range, ip, phone};

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

/// Of the second table, which only phone numbers need: a digit, or what may stand between two.
const DIAL: usize = 0;

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
        table[byte as usize] = (dial as u8) << DIAL;
        byte += 1;
    }
    table
};

/// Texts from this length on are worth the classes.
pub(super) const LONG: usize = 256;

/// For each bit of `marks`, the one of another mark two to `most` places on (three or more marks follow one another so in a
/// dotted address and in the groups of an IPv6 one).
#[inline(always)]
fn near(marks: Around, most: u32) -> Around {
    let here = (2..=most).fold(0, |sum, n| sum | marks.next(n));
    let after = (2..=most).fold(0, |sum, n| sum | marks.after >> n);
    Around { before: 0, here: marks.here & here, after: marks.after & after }
}

/// The bytes from which on as many in a row are in a class as the keys are long: `lengths` are of the shortest and the longest. Longer
/// rows are seen only where a byte before them is not looked at: together with the bit of the byte before, these are whole rows.
#[inline(always)]
fn starts(class: Around, (shortest, longest): (usize, usize)) -> u64 {
    let rows = class.runs_of(shortest.clamp(1, 64) as u32);
    if longest < 64 && rows != 0 { rows & !class.runs_of(longest as u32 + 1) } else { rows }
}

/// One chunk of a text.
struct Chunk<'t> {
    text: &'t [u8],
    first: &'t Classes,
    second: &'t Classes,
    at: usize,
}

impl Chunk<'_> {
    /// Lists the bytes whose bits `of` gives for each word.
    #[inline(always)]
    fn list<'m>(&self, marks: &'m mut Marks, of: impl Fn(usize) -> u64) -> &'m [u16] {
        marks.clear();
        for w in 0..self.first.steps() {
            marks.push(w, of(w));
        }
        marks.list()
    }

    /// As [`Self::list`], of bytes that are so rare that most words have none.
    #[inline(always)]
    fn list_rare<'m>(&self, marks: &'m mut Marks, of: impl Fn(usize) -> u64) -> &'m [u16] {
        marks.clear();
        for w in 0..self.first.steps() {
            let bits = of(w);
            if bits != 0 {
                marks.push(w, bits);
            }
        }
        marks.list()
    }

    /// Of a byte that was listed: its word, its bit in it, and its place in the text.
    #[inline(always)]
    fn place(&self, mark: u16) -> (usize, u32, usize) {
        let mark = usize::from(mark);
        (mark / STEP, (mark % STEP) as u32, self.at + mark)
    }

    /// The IPv4 address whose first part ends at the dot at `at`, as [`ip::v4`] reads it.
    #[inline(always)]
    fn v4(&self, w: usize, bit: u32, at: usize) -> Option<([u8; 16], Range<usize>)> {
        let (dots, digits) = (self.first.around(DOT, w), self.first.around(DIGIT, w));
        let first = digits.run_before(bit);
        let start = at - first as usize;
        if start + V4_MOST > self.text.len() {
            return ip::v4(self.text, start);
        }
        // From behind the first dot on.
        let (mut dots, mut digits) = (dots.next(bit) >> 1, digits.next(bit) >> 1);
        let mut lens = [first, 0, 0, 0];
        let mut is_sound = first <= 3;
        let mut end = at + 1;
        // Whether a dot and a digit follow the part that was read last: after the fourth they must not.
        let mut goes_on = true;
        for len in lens.iter_mut().skip(1) {
            *len = digits.trailing_ones();
            is_sound &= goes_on && (1..=3).contains(len);
            let by = *len & 3;
            goes_on = dots >> by & digits >> by >> 1 & 1 == 1;
            (dots, digits) = (dots >> by >> 1, digits >> by >> 1);
            end += *len as usize + 1;
        }
        let is_inside = self.before(start) == Some(b'.') && self.before(start - 1).is_some_and(|b| b.is_ascii_digit());
        if !is_sound || goes_on || is_inside {
            return None;
        }
        super::super::work::look(end - start);
        Some((ip::parts(self.text.get(start..)?, lens)?, start..end - 1))
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.get(at).copied()
    }

    fn before(&self, at: usize) -> Option<u8> {
        self.byte(at.checked_sub(1)?)
    }

    /// The end of the bytes from `at` on (its bit in `around` is `bit`) that are in a class; `within` says so of a byte.
    #[inline(always)]
    fn end(&self, around: Around, bit: u32, at: usize, within: impl Fn(u8) -> bool) -> usize {
        match around.run(bit) {
            64 => at + self.text.get(at..).map_or(0, |rest| rest.iter().take_while(|b| seen(within(**b))).count()),
            run => at + run as usize,
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

/// The 32 digits of a UUID, from its 36 or 32 bytes.
#[inline]
fn compact(text: &[u8]) -> Option<[u8; 32]> {
    if text.len() == 32 {
        return text.first_chunk().copied();
    }
    let mut key = [0; 32];
    for (to, from) in [(0..8, 0..8), (8..12, 9..13), (12..16, 14..18), (16..20, 19..23), (20..32, 24..36)] {
        key.get_mut(to)?.copy_from_slice(text.get(from)?);
    }
    Some(key)
}

/// The bytes of the longest IPv4 address, and what is looked at behind it.
const V4_MOST: usize = 15 + 3;

/// The dashes of a UUID, as bits from its first byte on.
const DASHES: u64 = 1 << 8 | 1 << 13 | 1 << 18 | 1 << 23;
/// The bytes of a UUID with dashes.
const DASHED: u64 = (1 << 36) - 1;

impl Finder {
    /// As [`Finder::shapes`], for texts of any length; one of [`LONG`] bytes or more gains by it. Memory: some 50 KiB.
    pub(super) fn sweep(&self, text: &[u8], found: &mut impl FnMut(ValueId, Range<usize>)) {
        with_bits(
            #[inline(always)]
            || self.all(text, found),
        );
    }

    #[inline(always)]
    fn all(&self, text: &[u8], found: &mut impl FnMut(ValueId, Range<usize>)) {
        let (mut first, mut second) = (Classes::default(), Classes::default());
        let mut marks = Marks::new(text.len());
        let (mut v6_done, mut row) = (0, phone::Row::default());
        for at in (0..text.len()).step_by(CHUNK) {
            first.of(text, at, &FIRST);
            let chunk = Chunk { text, first: &first, second: &second, at };
            if !self.mails.is_empty() {
                self.all_mails(&chunk, &mut marks, found);
            }
            if !self.uuids.is_empty() {
                self.all_uuids(&chunk, &mut marks, found);
            }
            if !self.ips.is_empty() {
                self.all_ips(&chunk, &mut marks, &mut v6_done, found);
            }
            if !self.numbers.is_empty() {
                self.all_numbers(&chunk, &mut marks, found);
            }
            if !self.words.is_empty() {
                self.all_words(&chunk, &mut marks, found);
            }
            if !self.dotted.is_empty() {
                self.all_dotted(&chunk, &mut marks, found);
            }
            if !self.phones.is_empty() {
                second.of(text, at, &SECOND);
                let chunk = Chunk { text, first: &first, second: &second, at };
                self.all_phones(&chunk, &mut marks, &mut row, found);
            }
        }
    }

    #[inline(always)]
    fn all_mails(&self, chunk: &Chunk<'_>, marks: &mut Marks, found: &mut impl FnMut(ValueId, Range<usize>)) {
        let mut queue = Queue::new(&self.mails);
        for mark in chunk.list(marks, |w| chunk.first.around(AT, w).here) {
            let (w, bit, at) = chunk.place(*mark);
            let (local, word) = (chunk.first.around(LOCAL, w), chunk.first.around(WORD, w));
            let (dot, alnum) = (chunk.first.around(DOT, w), chunk.first.around(ALNUM, w));
            // A dot belongs to a domain if a letter or digit follows.
            let (here, after) = (word.here | dot.here & alnum.next(1), word.after | dot.after & alnum.after >> 1);
            let domain = Around { before: 0, here, after };
            let back = local.run_before(bit);
            // Whether a dot at the end of the word after belongs to it is not known: 63 is as good as more.
            let ahead = if bit == 63 { domain.after.trailing_ones() } else { domain.run(bit + 1) };
            if back == 64 || ahead >= 63 || self.mail_names {
                self.mail(chunk.text, at, found);
            } else if back > 0 && ahead > 0 {
                queue.push(chunk.text, at - back as usize..at + 1 + ahead as usize, found);
            }
        }
        queue.finish(found);
    }

    #[inline(always)]
    fn all_uuids(&self, chunk: &Chunk<'_>, marks: &mut Marks, found: &mut impl FnMut(ValueId, Range<usize>)) {
        let mut queue = Queue::new(&self.uuids);
        let mut push = |span: Range<usize>, found: &mut _| {
            if let Some(key) = chunk.text.get(span.clone()).and_then(compact) {
                queue.push_key(&key, span, found);
            }
        };
        let alnum = |w| chunk.first.around(ALNUM, w);
        let hyphens = |w| chunk.first.around(DASH, w);
        let starts = |w| {
            let dash = hyphens(w);
            // Where a UUID starts, its first dash is eight bytes on.
            dash.next(8) & dash.next(13) & dash.next(18) & dash.next(23) & alnum(w).here & !alnum(w).last()
        };
        for mark in chunk.list_rare(marks, starts) {
            let (w, bit, at) = chunk.place(*mark);
            let (dashes, digits) = (hyphens(w).next(bit), alnum(w).next(bit));
            if dashes & DASHED == DASHES && digits & DASHED == DASHED & !DASHES && digits >> 36 & 1 == 0 {
                push(at..at + 36, found);
            }
        }
        for mark in chunk.list_rare(marks, |w| alnum(w).runs_of(32) & !alnum(w).last()) {
            let (w, bit, at) = chunk.place(*mark);
            if alnum(w).next(bit) >> 32 & 1 == 0 {
                push(at..at + 32, found);
            }
        }
        queue.finish(found);
    }

    #[inline(always)]
    fn all_ips(
        &self,
        chunk: &Chunk<'_>,
        marks: &mut Marks,
        v6_done: &mut usize,
        found: &mut impl FnMut(ValueId, Range<usize>),
    ) {
        let mut queue = Queue::new(&self.ips);
        let first_dots = |w| {
            let (dots, digits) = (chunk.first.around(DOT, w), chunk.first.around(DIGIT, w));
            let first = dots.here & digits.last() & digits.next(1);
            if first == 0 { 0 } else { first & near(dots, 4).here }
        };
        for mark in chunk.list(marks, first_dots) {
            let (w, bit, at) = chunk.place(*mark);
            if let Some((address, span)) = chunk.v4(w, bit, at) {
                queue.push_key(&address, span, found);
            }
        }
        // Written out, as for words: a closure of this length would not be inlined.
        marks.clear();
        for w in 0..chunk.first.steps() {
            let colons = chunk.first.around(COLON, w);
            if colons.here == 0 {
                continue;
            }
            // `::`, or the first of six between letters or digits: each address without `::` has as many.
            let alnum = chunk.first.around(ALNUM, w);
            let here = colons.here & alnum.last() & alnum.next(1);
            let mut starts = colons.here & colons.next(1);
            if here != 0 {
                let after = colons.after & (alnum.after << 1 | alnum.here >> 63) & (alnum.after >> 1 | 1 << 63);
                if here.count_ones() + after.count_ones() >= 6 {
                    starts |= (0..5).fold(Around { before: 0, here, after }, |colons, _| near(colons, 5)).here;
                }
            }
            if starts != 0 {
                marks.push(w, starts);
            }
        }
        for mark in marks.list() {
            let (_, _, at) = chunk.place(*mark);
            if at >= *v6_done {
                let (run, address) = ip::v6(chunk.text, at);
                *v6_done = run.end;
                if let Some((address, span)) = address {
                    queue.push_key(&address, span, found);
                }
            }
        }
        queue.finish(found);
    }

    #[inline(always)]
    fn all_numbers(&self, chunk: &Chunk<'_>, marks: &mut Marks, found: &mut impl FnMut(ValueId, Range<usize>)) {
        let mut queue = Queue::new(&self.numbers);
        // Written out, as for words: a closure of this length would not be inlined.
        marks.clear();
        for w in 0..chunk.first.steps() {
            let rows = starts(chunk.first.around(DIGIT, w), self.numbers.lengths());
            marks.push(w, rows & !chunk.first.around(WORD, w).last());
        }
        for mark in marks.list() {
            let (w, bit, at) = chunk.place(*mark);
            let end = chunk.end(chunk.first.around(DIGIT, w), bit, at, |b| b.is_ascii_digit());
            if !chunk.byte(end).is_some_and(in_word) {
                queue.push(chunk.text, at..end, found);
            }
        }
        queue.finish(found);
    }

    #[inline(always)]
    fn all_words(&self, chunk: &Chunk<'_>, marks: &mut Marks, found: &mut impl FnMut(ValueId, Range<usize>)) {
        let mut queue = Queue::new(&self.words);
        marks.clear();
        for w in 0..chunk.first.steps() {
            let words = chunk.first.around(WORD, w);
            marks.push(w, starts(words, self.words.lengths()) & !words.last());
        }
        for mark in marks.list() {
            let (w, bit, at) = chunk.place(*mark);
            queue.push(chunk.text, at..chunk.end(chunk.first.around(WORD, w), bit, at, in_word), found);
        }
        queue.finish(found);
    }

    #[inline(always)]
    fn all_dotted(&self, chunk: &Chunk<'_>, marks: &mut Marks, found: &mut impl FnMut(ValueId, Range<usize>)) {
        let mut queue = Queue::new(&self.dotted);
        let (shortest, longest) = self.dotted.lengths();
        let words = |w| chunk.first.around(WORD, w);
        let names = |w| words(w).or(chunk.first.around(DOT, w));
        // A run that starts with a dot is none, and one that is too short has no key.
        marks.clear();
        for w in 0..chunk.first.steps() {
            let names = names(w);
            let starts = words(w).here & !names.last();
            marks.push(w, if starts == 0 { 0 } else { starts & names.runs_of(shortest.clamp(1, 64) as u32) });
        }
        for mark in marks.list() {
            let (w, bit, at) = chunk.place(*mark);
            let run = names(w).run(bit);
            let dots = chunk.first.around(DOT, w).next(bit) & !(u64::MAX.checked_shl(run).unwrap_or_default());
            if run == 64 {
                self.dotted(chunk.text, at, found);
                continue;
            }
            // A key has a dot inside; where the only one is the last byte, what stands before it is no key either.
            let Some(last) = 63u32.checked_sub(dots.leading_zeros()) else { continue };
            let (run, last) = (run as usize, last as usize);
            if last + 1 == run {
                each_dotted(chunk.text, at..at + run, |span| queue.push(chunk.text, span, found));
                continue;
            }
            super::super::work::look(run);
            if (shortest..=longest).contains(&run) {
                queue.push(chunk.text, at..at + run, found);
            }
            // Without an extension: nothing but letters behind the last dot.
            if (shortest..=longest).contains(&last) {
                let letters = chunk.first.around(ALNUM, w).next(bit) & !chunk.first.around(DIGIT, w).next(bit);
                if (letters >> last >> 1).trailing_ones() as usize + last + 1 >= run {
                    queue.push(chunk.text, at..at + last, found);
                }
            }
        }
        queue.finish(found);
    }

    #[inline(always)]
    fn all_phones(
        &self,
        chunk: &Chunk<'_>,
        marks: &mut Marks,
        row: &mut phone::Row,
        found: &mut impl FnMut(ValueId, Range<usize>),
    ) {
        let (min, max) = self.phones.lengths();
        let least = min.clamp(1, 64) as u32;
        let dial = |w| chunk.second.around(DIAL, w);
        for mark in chunk.list(marks, |w| dial(w).runs_of(least) & !dial(w).last()) {
            let (w, bit, at) = chunk.place(*mark);
            let run = dial(w).run(bit);
            let digits = chunk.first.around(DIGIT, w).next(bit) & !(u64::MAX.checked_shl(run).unwrap_or_default());
            if run < 64 && (digits.count_ones() as usize) < min {
                continue;
            }
            let end = chunk.end(dial(w), bit, at, in_dial);
            let from = at - usize::from(chunk.before(at) == Some(b'+'));
            phone::each_of(row, chunk.text.get(from..end).unwrap_or_default(), min, max, |digits, span| {
                self.phones.probe(digits, |value| found(value, from + span.start..from + span.end));
            });
        }
    }
}
