//! SPEC "Spellings", last sentence: Base64 at its alignments, digests of e-mails, UTF-16; only what the policy asks for.
//!
//! Where the SPEC is silent:
//! - Base64 is the longest run of characters of either alphabet. Its characters are six bits each; bytes may begin at bit 0, 2, 4 or
//!   6, and what bytes so read give is a text of its own (a level), which ends where the run does.
//! - UTF-16 is the longest run of characters other than U+0000 from any byte on, in either byte order; it is a level, in which a value
//!   counts if a NUL is among the bytes that spell it.
//! - Each is one of the three decodings of a chain. In its text those types count that were asked for on every such step.
//! - What stands in Base64 is hidden by a token, and that is the hit's span: the run and its padding; or, if it is a path (it starts with
//!   `/` or behind a `.`, or its bytes do not begin where the run does), the segment whose bytes do. `=` is in no token but as padding, nor is a
//!   line's end, though quoted-printable may hide them.
//! - A digest is a whole run of letters and digits. It is a token too.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use md5::Md5;
use memchr::memchr;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::Found;
use super::types::{tail, upto};
use crate::matcher::{Needles, Type, ValueId};
use crate::policy::{Variant, Variants};

/// Bits of Base64's bytes at which the first may begin.
const BITS: [usize; 4] = [0, 2, 4, 6];

/// What is asked for.
pub(super) struct Asked {
    base64: Vec<Type>,
    utf16: Vec<Type>,
    digests: HashMap<Vec<u8>, Vec<ValueId>>,
    /// No text of fewer bytes spells a value that is asked for.
    shortest: usize,
}

/// The types that count in a text; `None`: all.
pub(super) type Wanted = Option<Vec<Type>>;

impl Asked {
    pub(super) fn new(needles: &Needles, variants: &Variants) -> Self {
        let of = |variant| Type::ALL.into_iter().filter(|kind| variants.asks(kind.name(), variant)).collect();
        let (base64, utf16): (Vec<Type>, Vec<Type>) = (of(Variant::Base64), of(Variant::Utf16));
        let mut digests: HashMap<Vec<u8>, Vec<ValueId>> = HashMap::new();
        for (id, value) in needles.values().filter(|(_, value)| value.kind == Type::Email) {
            let bytes = value.bytes();
            let mut note = |variant, digest: Vec<u8>| {
                if variants.asks("email", variant) {
                    digests.entry(digest).or_default().push(id);
                }
            };
            note(Variant::Md5, Md5::digest(&*bytes).to_vec());
            note(Variant::Sha1, Sha1::digest(&*bytes).to_vec());
            note(Variant::Sha256, Sha256::digest(&*bytes).to_vec());
        }
        let mut shortest = if digests.is_empty() { usize::MAX } else { 32 };
        for (_, value) in needles.values() {
            if value.kind == Type::Ip {
                shortest = shortest.min(2);
            } else if base64.contains(&value.kind) || utf16.contains(&value.kind) {
                // Three decodings can lengthen what is no ASCII, and nothing else.
                let bytes = value.bytes();
                let ascii = bytes.iter().filter(|b| b.is_ascii()).count();
                shortest = shortest.min(ascii + (bytes.len() - ascii) / 4);
            }
        }
        Self { base64, utf16, digests, shortest }
    }

    /// Adds the digests of e-mails in `text`.
    pub(super) fn find_digests(&self, text: &[u8], wanted: &Wanted, found: &mut Vec<Found>) {
        if self.digests.is_empty() || wanted.as_ref().is_some_and(|types| !types.contains(&Type::Email)) {
            return;
        }
        let mut start = 0;
        for word in text.split(|b| !b.is_ascii_alphanumeric()) {
            if [32, 40, 64].contains(&word.len()) {
                for id in digest(word).and_then(|digest| self.digests.get(&digest)).into_iter().flatten() {
                    found.push((*id, start..start + word.len()));
                }
            }
            start += word.len() + 1;
        }
    }

    /// Calls `visit` with each text that Base64 in `text` may stand for, with where it stands and what counts in it.
    pub(super) fn base64(&self, text: &[u8], wanted: &Wanted, visit: &mut dyn FnMut(&[u8], &Run, &Wanted)) {
        let Some(wanted) = both(wanted, &self.base64) else { return };
        let mut start = 0;
        for chars in text.split(|b| sextet(*b).is_none()) {
            let range = start..start + chars.len();
            start += chars.len() + 1;
            for bit in BITS {
                if chars.len() * 6 < self.shortest.saturating_mul(8).max(8).saturating_add(bit) {
                    continue;
                }
                let sextets: Vec<u16> = chars.iter().filter_map(|b| sextet(*b)).collect();
                let bytes: Vec<u8> = (bit..=sextets.len() * 6 - 8).step_by(8).map(|at| byte(&sextets, at)).collect();
                visit(&bytes, &Run { range: range.clone(), bit }, &wanted);
            }
        }
    }

    /// Calls `visit` with each text that stands in `text` in UTF-16, whether in big-endian order, and what counts in it.
    pub(super) fn utf16(&self, text: &[u8], wanted: &Wanted, visit: &mut dyn FnMut(&Wide, bool, &Wanted)) {
        let Some(wanted) = both(wanted, &self.utf16).filter(|_| memchr(0, text).is_some()) else { return };
        for first in [0, 1] {
            for (big, unit) in [(false, u16::from_le_bytes as fn([u8; 2]) -> u16), (true, u16::from_be_bytes)] {
                let units: Vec<u16> = tail(text, first).as_chunks().0.iter().map(|pair| unit(*pair)).collect();
                let mut wide = Wide { text: String::new(), start: first };
                let mut at = first;
                // A last U+0000 ends the last run.
                for char in char::decode_utf16(units.into_iter().chain([0])) {
                    if let Some(char) = char.ok().filter(|char| *char != '\0') {
                        wide.text.push(char);
                        at += char.len_utf16() * 2;
                        continue;
                    }
                    if wide.text.len() >= self.shortest
                        && memchr(0, upto(tail(text, wide.start), at - wide.start)).is_some()
                    {
                        visit(&wide, big, &wanted);
                    }
                    at += 2;
                    wide = Wide { text: String::new(), start: at };
                }
            }
        }
    }
}

/// The types of `asked` that are wanted, if there are any.
fn both(wanted: &Wanted, asked: &[Type]) -> Option<Wanted> {
    let counts = |kind: &&Type| wanted.as_ref().is_none_or(|types| types.contains(kind));
    let both: Vec<Type> = asked.iter().filter(counts).copied().collect();
    (!both.is_empty()).then_some(Some(both))
}

/// The bytes that `word` spells in hex, if it does.
fn digest(word: &[u8]) -> Option<Vec<u8>> {
    let word = std::str::from_utf8(word).ok()?;
    let bytes = (0..word.len()).step_by(2).map(|at| u8::from_str_radix(word.get(at..at + 2)?, 16).ok());
    bytes.collect()
}

/// RFC 4648 §4 and §5.
fn sextet(byte: u8) -> Option<u16> {
    Some(u16::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    }))
}

/// The byte that begins at bit `at`, which is even: it has bits of two sextets.
fn byte(sextets: &[u16], at: usize) -> u8 {
    let sextet = |i: usize| sextets.get(i).copied().unwrap_or_default();
    let twelve = sextet(at / 6) << 6 | sextet(at / 6 + 1);
    (twelve >> (4 - at % 6)) as u8
}

/// A run of Base64, and the bit at which its bytes begin.
pub(super) struct Run {
    range: Range<usize>,
    bit: usize,
}

impl Run {
    /// The characters in `text` that spell the decoded bytes `at`.
    pub(super) fn chars(&self, at: &Range<usize>) -> Range<usize> {
        let first_bit = self.bit + at.start * 8;
        let last_bit = (self.bit + at.end * 8).saturating_sub(1);
        self.range.start + first_bit / 6..self.range.start + last_bit / 6 + 1
    }

    /// The token around `chars`.
    pub(super) fn token(&self, text: &[u8], chars: &Range<usize>) -> Range<usize> {
        let mut token = self.range.clone();
        if self.bit > 0 || text.get(token.start) == Some(&b'/') || upto(text, token.start).ends_with(b".") {
            let mut segment = chars.clone();
            while segment.start > self.range.start && text.get(segment.start - 1) != Some(&b'/') {
                segment.start -= 1;
            }
            while segment.end < self.range.end && text.get(segment.end) != Some(&b'/') {
                segment.end += 1;
            }
            if (segment.start - self.range.start) * 6 % 8 == self.bit {
                token = segment;
            }
        }
        let missing = match token.len() % 4 {
            2 => 2,
            3 => 1,
            _ => 0,
        };
        for _ in 0..missing {
            if text.get(token.end) == Some(&b'=') {
                token.end += 1;
            }
        }
        token
    }
}

/// Text that stands in UTF-16 from `start` on.
pub(super) struct Wide {
    pub(super) text: String,
    start: usize,
}

impl Wide {
    /// Replaces each of `spans`, none of them empty, by the bytes of the characters that it touches.
    pub(super) fn lift(&self, spans: &mut [Range<usize>]) {
        let ends = spans.iter().flat_map(|span| [span.start, span.end - 1]);
        let mut places: BTreeMap<usize, Range<usize>> = ends.map(|at| (at, 0..0)).collect();
        let mut wanted = places.iter_mut().peekable();
        let mut raw = self.start;
        for (at, char) in self.text.char_indices() {
            let end = raw + char.len_utf16() * 2;
            while let Some((_, place)) = wanted.next_if(|(wanted, _)| **wanted < at + char.len_utf8()) {
                *place = raw..end;
            }
            raw = end;
        }
        for span in spans {
            let place = |at| places.get(&at).cloned().unwrap_or_default();
            *span = place(span.start).start..place(span.end - 1).end;
        }
    }
}

/// `token` without what a soft break or an escape of quoted-printable adds to it: it begins after any line feed or `=` that is before
/// `at`, which lies in it, and ends at one that is after it, with as much of its padding as it has.
pub(super) fn without_quoted(text: &[u8], at: &Range<usize>, token: Range<usize>) -> Range<usize> {
    let sign = |i: &usize| matches!(text.get(*i), Some(b'\n' | b'='));
    let start = (token.start..at.start).rev().find(sign).map_or(token.start, |i| i + 1);
    let mut end = (at.end..token.end).find(sign).unwrap_or(token.end);
    let mut pads = 0;
    while pads < 2 && end < token.end && text.get(end) == Some(&b'=') {
        let quoted = tail(text, end).get(..3).is_some_and(|escape| escape.eq_ignore_ascii_case(b"=3d"));
        end += if quoted && end + 3 <= token.end { 3 } else { 1 };
        pads += 1;
    }
    start..end
}
