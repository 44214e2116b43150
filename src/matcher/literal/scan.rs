//! The finder: where in one text (raw or decoded) values may stand.
//!
//! Values with a shape (words, dotted names, addresses, UUIDs, numbers) are found by the shape: their extent in any text is
//! fixed by their type's boundaries, so that one table probe a token serves any number of values. What has no shape goes
//! into an Aho-Corasick automaton. The finder knows bytes; whether a place counts (boundary, field) is judged by its caller.
#![expect(
    clippy::indexing_slicing,
    reason = "the hot loop: every index is compared with the text's length just before, or comes from a found range"
)]

use std::collections::HashMap;
use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind, packed};
use memchr::memchr_iter;

use super::super::boundary::{in_local, in_word};
use super::super::names::name_byte;
use super::super::work;
use super::super::{Needles, Type, ValueId};
use super::ready::Ready;
use super::sweep::LONG;
use super::table::{KEY_MAX, Table};
use super::{ip, phone};
use crate::error::{Error, Kind, Result};

const WORD: u8 = 1;
const MAIL: u8 = 2;
const COLON: u8 = 4;

const CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        if b.is_ascii_alphanumeric() || b == b'-' || b == b'_' {
            table[byte] = WORD;
        }
        byte += 1;
    }
    table[b'@' as usize] = MAIL;
    table[b':' as usize] = COLON;
    table
};

/// How a value is found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// A maximal run of letters, digits, `-` and `_` that is nothing but digits.
    Number,
    /// Such a run with something else in it.
    Word,
    /// A run with dots as well, which starts where a name would.
    Dotted,
    /// A local part, `@` and a domain.
    Mail,
    Uuid,
    Ip,
    Phone,
    /// No shape: by the automaton.
    Bytes,
    /// Never in text.
    Nothing,
}

fn shape(kind: Type, bytes: &[u8]) -> Shape {
    let word = !bytes.is_empty() && bytes.len() <= KEY_MAX && bytes.iter().all(|b| in_word(*b));
    match kind {
        _ if bytes.is_empty() => Shape::Nothing,
        Type::Uuid if bytes.len() == 32 && word => Shape::Uuid,
        Type::Ip if bytes.len() == 16 => Shape::Ip,
        Type::Phone if bytes.iter().all(u8::is_ascii_digit) => Shape::Phone,
        Type::Token | Type::UserId | Type::Username if word => {
            if bytes.iter().all(u8::is_ascii_digit) {
                Shape::Number
            } else {
                Shape::Word
            }
        }
        Type::Email | Type::UserId | Type::Username if is_mail(bytes) => Shape::Mail,
        Type::UserId | Type::Username
            if bytes.len() <= KEY_MAX && in_word(bytes[0]) && bytes.iter().all(|b| name_byte(*b)) =>
        {
            Shape::Dotted
        }
        _ => Shape::Bytes,
    }
}

/// Whether the extent that [`Finder::mail`] takes around the `@` of `bytes` is always all of it.
fn is_mail(bytes: &[u8]) -> bool {
    let Some(at) = bytes.iter().position(|b| *b == b'@') else {
        return false;
    };
    let local = &bytes[..at];
    bytes.len() <= KEY_MAX
        && !local.is_empty()
        && at + 1 < bytes.len()
        && local.iter().all(|b| in_local(*b))
        && domain_end(bytes, at + 1) == bytes.len()
}

/// Where a domain that starts at `at` ends: a dot belongs to it if a letter or digit follows.
fn domain_end(text: &[u8], mut at: usize) -> usize {
    while at < text.len()
        && (in_word(text[at]) || text[at] == b'.' && text.get(at + 1).is_some_and(u8::is_ascii_alphanumeric))
    {
        at += 1;
    }
    at
}

/// `text[span]` without a final dot and letters.
fn without_extension(text: &[u8], span: Range<usize>) -> Option<Range<usize>> {
    let run = &text[span.clone()];
    let letters = run.iter().rev().take_while(|b| b.is_ascii_alphabetic()).count();
    let dot = run.len().checked_sub(letters + 1)?;
    (letters > 0 && run[dot] == b'.').then(|| span.start..span.start + dot)
}

/// Calls `visit` with what a dotted run may name: the whole, without a final dot, and each without an extension.
#[inline]
pub(super) fn each_dotted(text: &[u8], whole: Range<usize>, mut visit: impl FnMut(Range<usize>)) {
    let undotted = text[whole.clone()].ends_with(b".").then(|| whole.start..whole.end - 1);
    for span in [Some(whole), undotted].into_iter().flatten() {
        for span in [without_extension(text, span.clone()), Some(span)].into_iter().flatten() {
            visit(span);
        }
    }
}

/// All values of a registry, by shape.
pub(super) struct Finder {
    pub(super) numbers: Table,
    pub(super) words: Table,
    pub(super) dotted: Table,
    pub(super) mails: Table,
    pub(super) uuids: Table,
    pub(super) ips: Table,
    pub(super) phones: Table,
    bytes: Option<AhoCorasick>,
    /// Tells sooner where none of them is.
    quick: Option<Quick>,
    /// The values of each of the automaton's patterns.
    patterns: Vec<Vec<ValueId>>,
    /// A value of an identifying field has the shape of an address.
    pub(super) mail_names: bool,
    /// Longest match in any text, bytes.
    longest: usize,
}

impl Finder {
    /// Of all values. Errors: [`Kind::Limit`] if the automaton would be too large for its 31-bit state numbers.
    pub(super) fn new(needles: &Needles) -> Result<Self> {
        Self::of(needles, &|_| true)
    }

    /// Of the values of some types. Errors: as [`Self::new`].
    pub(super) fn of(needles: &Needles, types: &dyn Fn(Type) -> bool) -> Result<Self> {
        // Each value is looked at once; four bytes an identifier until the tables stand.
        let mut shaped: [Vec<ValueId>; Shape::Nothing as usize + 1] = Default::default();
        let (mut longest, mut mail_names) = (48, false);
        for (id, value) in needles.values().filter(|(_, value)| types(value.kind)) {
            let bytes = value.bytes();
            let shape = shape(value.kind, &bytes);
            let spread = if shape == Shape::Phone { 4 } else { 1 };
            longest = longest.max(bytes.len() * spread + 8);
            mail_names |= !value.kind.anywhere() && shape == Shape::Mail;
            shaped[shape as usize].push(id);
        }
        let table = |want: Shape| {
            let ids = shaped[want as usize].iter();
            Table::new(ids.filter_map(|id| Some((needles.value(*id)?.bytes(), *id))))
        };
        let shapeless = shaped[Shape::Bytes as usize].iter().copied();
        let (bytes, patterns) = automaton(needles, shapeless)?;
        Ok(Self {
            numbers: table(Shape::Number)?,
            words: table(Shape::Word)?,
            dotted: table(Shape::Dotted)?,
            mails: table(Shape::Mail)?,
            uuids: table(Shape::Uuid)?,
            ips: table(Shape::Ip)?,
            phones: table(Shape::Phone)?,
            quick: bytes.as_ref().and_then(|_| Quick::new(needles, &patterns)),
            bytes,
            patterns,
            mail_names,
            longest,
        })
    }

    /// Of tables that were made already. Errors: as [`Self::new`].
    pub(super) fn ready(needles: &Needles, ready: &Ready) -> Result<Self> {
        let [numbers, words, dotted, mails, uuids, ips, phones, ..] = ready.tables.clone();
        let shapeless = ready.shapeless.items().iter().map(|id| ValueId::from_le_bytes(*id));
        let (bytes, patterns) = automaton(needles, shapeless)?;
        let (longest, mail_names) = (ready.notes.longest as usize, ready.notes.mail_names);
        let quick = bytes.as_ref().and_then(|_| Quick::new(needles, &patterns));
        Ok(Self { numbers, words, dotted, mails, uuids, ips, phones, bytes, quick, patterns, mail_names, longest })
    }

    /// Values without shape.
    pub(super) fn shapeless(&self) -> impl Iterator<Item = ValueId> {
        self.patterns.iter().flatten().copied()
    }

    /// Whether a value of an identifying field has the shape of an address.
    pub(super) fn has_mail_names(&self) -> bool {
        self.mail_names
    }

    /// Its tables that hold anything: name, keys, bytes of memory.
    pub(super) fn sizes(&self) -> Vec<(&'static str, usize, usize)> {
        let tables = [
            ("numbers", &self.numbers),
            ("words", &self.words),
            ("dotted", &self.dotted),
            ("mails", &self.mails),
            ("uuids", &self.uuids),
            ("ips", &self.ips),
            ("phones", &self.phones),
        ];
        let tables = tables.into_iter().map(|(name, table)| (name, table.size()));
        let bytes = self.bytes.iter().map(|all| ("automaton", (all.patterns_len(), all.memory_usage())));
        tables.chain(bytes).filter(|(_, size)| size.0 > 0).map(|(name, size)| (name, size.0, size.1)).collect()
    }

    /// Longest match in any text, bytes.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Calls `found` with every place where a value with a shape may stand.
    pub(super) fn shapes(&self, text: &[u8], found: &mut impl FnMut(ValueId, Range<usize>)) {
        if text.len() >= LONG {
            return self.sweep(text, found);
        }
        self.plainly(text, found);
    }

    /// A byte at a time: for short texts, and what [`Finder::sweep`] is compared with.
    pub(super) fn plainly(&self, text: &[u8], found: &mut impl FnMut(ValueId, Range<usize>)) {
        if [&self.numbers, &self.words, &self.dotted, &self.uuids, &self.ips].iter().any(|table| !table.is_empty()) {
            self.runs(text, found);
        } else if !self.mails.is_empty() {
            for at in memchr_iter(b'@', text) {
                self.mail(text, at, found);
            }
        }
        if !self.phones.is_empty() {
            let (min, max) = self.phones.lengths();
            phone::each(text, min, max, |digits, span| {
                self.phones.probe(digits, |value| found(value, span.clone()));
            });
        }
    }

    /// Calls `found` with every occurrence of a value without shape, letters of both cases alike.
    pub(super) fn bytes(&self, text: &[u8], found: &mut impl FnMut(ValueId, Range<usize>)) {
        let Some(automaton) = &self.bytes else {
            return;
        };
        work::look(text.len());
        for hit in automaton.find_overlapping_iter(text) {
            work::look(1);
            for value in &self.patterns[hit.pattern().as_usize()] {
                found(*value, hit.range());
            }
        }
    }

    /// Calls `found` with ranges of which every occurrence of a value without shape overlaps one.
    ///
    /// Matches do not overlap. Each of the automaton's is the one that ends first, each of the packed search the one that starts
    /// first; so an occurrence that is passed over starts before a match's end, and not before its start or its end not before the
    /// match's. Unlike [`Self::bytes`] this goes by vectors where it can.
    pub(super) fn any_bytes(&self, text: &[u8], found: &mut impl FnMut(Range<usize>)) {
        let folded = match &self.quick {
            Some(quick) => {
                work::look(text.len());
                quick.exact.find_iter(text).for_each(|hit| found(hit.start()..hit.end()));
                &quick.folded
            }
            None => &self.bytes,
        };
        if let Some(automaton) = folded {
            work::look(text.len());
            automaton.find_iter(text).for_each(|hit| found(hit.range()));
        }
    }

    fn runs(&self, text: &[u8], found: &mut impl FnMut(ValueId, Range<usize>)) {
        let (uuids, ips, dotted) = (!self.uuids.is_empty(), !self.ips.is_empty(), !self.dotted.is_empty());
        work::look(text.len());
        let mut at = 0;
        // End of the last run of `[0-9A-Fa-f:.]` that was read as an IPv6 address.
        let mut v6_done = 0;
        while at < text.len() {
            let class = CLASS[text[at] as usize];
            if class & WORD == 0 {
                if class & MAIL != 0 {
                    self.mail(text, at, found);
                } else if class & COLON != 0 && ips && at >= v6_done {
                    v6_done = self.v6(text, at, found);
                }
                at += 1;
                continue;
            }
            let start = at;
            while at < text.len() && CLASS[text[at] as usize] & WORD != 0 {
                at += 1;
            }
            self.numbers.probe(&text[start..at], |value| found(value, start..at));
            self.words.probe(&text[start..at], |value| found(value, start..at));
            if uuids && at - start >= 32 {
                self.uuid(text, start..at, found);
            }
            if at < text.len() && text[at] == b'.' {
                if ips && text[at - 1].is_ascii_digit() {
                    self.v4(text, start, at, found);
                }
                if dotted && (start == 0 || text[start - 1] != b'.') {
                    self.dotted(text, start, found);
                }
            }
        }
    }

    /// The address around the `@` at `at`: also without an extension, for names in paths.
    pub(super) fn mail(&self, text: &[u8], at: usize, found: &mut impl FnMut(ValueId, Range<usize>)) {
        if self.mails.is_empty() {
            return;
        }
        let local = text[..at].iter().rev().take(KEY_MAX + 1).take_while(|b| in_local(**b)).count();
        if local == 0 || local > KEY_MAX {
            return;
        }
        let span = at - local..domain_end(text, at + 1);
        work::look(span.len());
        if span.end == at + 1 {
            return;
        }
        self.mail_at(text, span, found);
    }

    /// The address `span`; without an extension only if some name looks like an address.
    #[inline]
    pub(super) fn mail_at(&self, text: &[u8], span: Range<usize>, found: &mut impl FnMut(ValueId, Range<usize>)) {
        if self.mail_names
            && let Some(short) = without_extension(text, span.clone())
        {
            self.mails.probe(&text[short.clone()], |value| found(value, short.clone()));
        }
        self.mails.probe(&text[span.clone()], |value| found(value, span.clone()));
    }

    /// The dotted run at `start`.
    pub(super) fn dotted(&self, text: &[u8], start: usize, found: &mut impl FnMut(ValueId, Range<usize>)) {
        let run = text[start..].iter().take_while(|b| name_byte(**b)).count();
        work::look(run);
        each_dotted(text, start..start + run, |span| {
            self.dotted.probe(&text[span.clone()], |value| found(value, span.clone()));
        });
    }

    /// The IPv4 address whose first part ends at the dot at `dot`; its word starts at `word`.
    pub(super) fn v4(&self, text: &[u8], word: usize, dot: usize, found: &mut impl FnMut(ValueId, Range<usize>)) {
        if !text.get(dot + 1).is_some_and(u8::is_ascii_digit) {
            return;
        }
        let digits = text[word..dot].iter().rev().take(4).take_while(|b| b.is_ascii_digit()).count();
        if let Some((address, span)) = ip::v4(text, dot - digits) {
            self.ips.probe(&address, |value| found(value, span.clone()));
        }
    }

    pub(super) fn v6(&self, text: &[u8], colon: usize, found: &mut impl FnMut(ValueId, Range<usize>)) -> usize {
        let (run, address) = ip::v6(text, colon);
        if let Some((address, span)) = address {
            self.ips.probe(&address, |value| found(value, span.clone()));
        }
        run.end
    }

    /// The UUIDs in a word: runs of letters and digits between `-` and `_`.
    fn uuid(&self, text: &[u8], word: Range<usize>, found: &mut impl FnMut(ValueId, Range<usize>)) {
        let mut at = word.start;
        while at < word.end {
            let run = text[at..word.end].iter().take_while(|b| b.is_ascii_alphanumeric()).count();
            let key = match run {
                32 => compact(&text[at..at + 32]).map(|key| (key, at..at + 32)),
                8 if at + 36 <= word.end && is_dashed(&text[at..word.end]) => {
                    compact(&text[at..at + 36]).map(|key| (key, at..at + 36))
                }
                _ => None,
            };
            if let Some((key, span)) = key {
                self.uuids.probe(&key, |value| found(value, span.clone()));
            }
            at += run + 1;
        }
    }
}

/// Whether `text` (at least 36 bytes) starts with runs of 8, 4, 4, 4 and 12 letters and digits with dashes between.
fn is_dashed(text: &[u8]) -> bool {
    let dash = |i: usize| matches!(i, 8 | 13 | 18 | 23);
    text[..36].iter().enumerate().all(|(i, b)| if dash(i) { *b == b'-' } else { b.is_ascii_alphanumeric() })
        && !text.get(36).is_some_and(u8::is_ascii_alphanumeric)
}

/// The 32 hex digits of a UUID in lower case; `None` if something else than a hex digit or `-` is there.
fn compact(text: &[u8]) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    let mut digits = text.iter().filter(|b| **b != b'-');
    for slot in &mut key {
        *slot = digits.next().filter(|b| b.is_ascii_hexdigit())?.to_ascii_lowercase();
    }
    digits.next().is_none().then_some(key)
}

/// A search for a few values without shape whose case counts: by vectors (Teddy, of the crate aho-corasick), which an automaton that
/// takes all letters in both cases must do without. The others keep an automaton of their own.
struct Quick {
    exact: packed::Searcher,
    folded: Option<AhoCorasick>,
}

impl Quick {
    /// `None` if no value's case counts, or they are too many (128), or this machine has not the vectors.
    fn new(needles: &Needles, patterns: &[Vec<ValueId>]) -> Option<Self> {
        let values = patterns.iter().flatten().filter_map(|id| Some((*id, needles.value(*id)?)));
        let mut exact = packed::Config::new().match_kind(packed::MatchKind::LeftmostFirst).builder();
        let (mut count, mut others) = (0, Vec::new());
        for (id, value) in values {
            if matches!(value.kind, Type::Token | Type::UserId | Type::Literal) {
                count += 1;
                exact.add(value.bytes());
            } else {
                others.push(id);
            }
            if count > PACKED_MOST {
                return None;
            }
        }
        let (folded, _) = automaton(needles, others.into_iter()).ok()?;
        Some(Self { exact: exact.build()?, folded })
    }
}

/// Most values of a packed search: with more, several share each of its eight buckets' fingerprints and it looks too often.
const PACKED_MOST: usize = 128;

/// The automaton of these values, letters of both cases alike, and the values of each of its patterns.
fn automaton(
    needles: &Needles,
    ids: impl Iterator<Item = ValueId>,
) -> Result<(Option<AhoCorasick>, Vec<Vec<ValueId>>)> {
    let mut order: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut patterns: Vec<Vec<ValueId>> = Vec::new();
    for id in ids {
        let Some(value) = needles.value(id) else { continue };
        let next = patterns.len();
        let at = *order.entry(value.bytes().to_ascii_lowercase()).or_insert(next);
        if at == next {
            patterns.push(Vec::new());
        }
        patterns[at].push(id);
    }
    if patterns.is_empty() {
        return Ok((None, patterns));
    }
    let mut list: Vec<(usize, Vec<u8>)> = order.into_iter().map(|(bytes, at)| (at, bytes)).collect();
    list.sort_unstable_by_key(|(at, _)| *at);
    let automaton = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        .build(list.iter().map(|(_, bytes)| bytes))
        .map_err(|_| Error::new(Kind::Limit, "the registry's values are too many for the automaton"))?;
    Ok((Some(automaton), patterns))
}
