//! The forms that are searched on request (SPEC "Spellings", last sentence): Base64, UTF-16 and digests.
//!
//! Base64 and UTF-16 are decodings like the spellings, of stretches instead of the whole text: a stretch of either becomes a text
//! of its own, in which only the types count that were asked for. A run of Base64 is read as a string of bits, from each of
//! the four places at which a byte may begin, so that no case or alignment needs a needle of its own. Digests are a form of the
//! value: runs of hex digits as long as one are looked up. Nothing here runs unless the policy asks for it.

use std::ops::Range;

use md5::Md5;
use memchr::{memchr, memchr_iter, memchr2, memrchr, memrchr2};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::super::{Chain, Needles, Spelling, Type, ValueId};
use super::levels::CONTEXT;
use super::scan::Finder;
use crate::error::Result;
use crate::policy::{self, Variant};

/// A set of types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Types(u8);

impl Types {
    pub(super) const ALL: Self = Self(u8::MAX);

    fn asked(variants: &policy::Variants, variant: Variant) -> Self {
        let asked = Type::ALL.into_iter().filter(|kind| variants.asks(kind.name(), variant));
        Self(asked.fold(0, |set, kind| set | 1 << kind as u8))
    }

    pub(super) fn has(self, kind: Type) -> bool {
        self.0 >> kind as u8 & 1 == 1
    }

    /// Those of both; `None` if there are none.
    fn and(self, other: Self) -> Option<Self> {
        Some(Self(self.0 & other.0)).filter(|both| both.0 != 0)
    }
}

/// How a text came about, and what counts in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ground {
    /// Decodings on the way that matter for a replacement.
    pub(super) chain: Chain,
    /// All decodings on the way.
    pub(super) depth: usize,
    /// What counts.
    pub(super) types: Types,
    /// A variant is among the decodings.
    pub(super) inside: bool,
}

impl Ground {
    /// The text as it stands.
    pub(super) const TOP: Self = Self { chain: Chain::NONE, depth: 0, types: Types::ALL, inside: false };

    /// After the decodings of `chain` as well.
    pub(super) fn below(self, chain: Chain) -> Self {
        let joined = chain.iter().fold(self.chain, |all, step| all.then(step).unwrap_or(all));
        Self { chain: joined, depth: self.depth + chain.depth(), ..self }
    }

    fn variant(self, types: Types, chain: Chain) -> Self {
        Self { chain, depth: self.depth + 1, types, inside: true }
    }
}

/// Where a value stands.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    /// The bytes that spell it.
    pub(super) at: Range<usize>,
    /// What a hit covers: those, or the token around them.
    pub(super) span: Range<usize>,
    /// Whether it may be judged here.
    pub(super) counts: bool,
}

impl Spot {
    pub(super) fn of(at: Range<usize>) -> Self {
        Self { span: at.clone(), at, counts: true }
    }

    /// The hit's span in `text`. Read as quoted-printable a token may seem to go on before a `=` (`id=2BYW…`) or on the next line;
    /// neither is of Base64, so that it begins after one, and ends at one but for its padding.
    pub(super) fn clipped(&self, text: &[u8]) -> Range<usize> {
        let Range { start, end } = self.at;
        let before = text.get(self.span.start..start).unwrap_or_default();
        let after = text.get(end..self.span.end).unwrap_or_default();
        let start = self.span.start + memrchr2(b'\n', b'=', before).map_or(0, |sign| sign + 1);
        let mut end = memchr2(b'\n', b'=', after).map_or(self.span.end, |sign| end + sign);
        for _ in 0..2 {
            end += match text.get(end..self.span.end).unwrap_or_default() {
                [b'=', b'3', b'D' | b'd', ..] => 3,
                [b'=', ..] => 1,
                _ => 0,
            };
        }
        start..end
    }
}

/// From a range in a text to its place in another one, from which that text was decoded.
pub(super) type Up<'u> = &'u dyn Fn(Range<usize>) -> Spot;

/// What a policy asks for.
pub(super) struct Variants {
    /// The values that are asked for in Base64 or UTF-16.
    pub(super) finder: Finder,
    pub(super) digests: Digests,
    base64: Types,
    utf16: Types,
    /// Fewest bytes that can spell a value, at any level.
    least: usize,
    /// Bytes around a NUL in which UTF-16 is looked for.
    around: usize,
}

impl Variants {
    /// What `asked` says of `needles`; `None` if nothing. Errors: as [`Finder::of`].
    pub(super) fn new(needles: &Needles, asked: &policy::Variants) -> Result<Option<Self>> {
        if asked.names().is_empty() {
            return Ok(None);
        }
        let (base64, utf16) = (Types::asked(asked, Variant::Base64), Types::asked(asked, Variant::Utf16));
        let within = |kind| base64.has(kind) || utf16.has(kind);
        let finder = Finder::of(needles, &within)?;
        let digests = Digests::new(needles, asked);
        let wanted = needles.values().filter(|(_, value)| within(value.kind));
        let least = wanted.map(|(_, value)| match value.kind {
            Type::Ip => 2,
            _ => least(&value.bytes()),
        });
        let digest = (!digests.is_empty()).then_some(DIGITS_MIN);
        let least = least.chain(digest).min().unwrap_or(usize::MAX);
        let around = 2 * (finder.longest() + CONTEXT);
        Ok(Some(Self { finder, digests, base64, utf16, least, around }))
    }

    /// Longest match in any text, spelled in two variants, bytes: each doubles it at most.
    pub(super) fn longest(&self) -> usize {
        self.finder.longest().max(64) * 4
    }

    /// Calls `visit` with each text that is Base64 or UTF-16 in `text`, and what tells places in `text`.
    pub(super) fn each(&self, text: &[u8], ground: Ground, visit: &mut dyn FnMut(&[u8], Ground, Lift<'_>)) {
        if let Some(types) = ground.types.and(self.base64) {
            let ground = ground.variant(types, ground.chain.inside_token());
            let mut bytes = Vec::new();
            runs(text, self.least, &mut |run| {
                for shift in [0, 2, 4, 6] {
                    read_bits(text.get(run.clone()).unwrap_or_default(), shift, &mut bytes);
                    visit(&bytes, ground, &|spot: &Spot| {
                        let at = run.start + (shift + 8 * spot.at.start) / 6
                            ..run.start + (shift + 8 * spot.at.end.max(1) - 1) / 6 + 1;
                        Spot { span: token(text, &run, shift, &at), at, counts: spot.counts }
                    });
                }
            });
        }
        if let Some(types) = ground.types.and(self.utf16) {
            let mut visit = |stretch: &Stretch, big: bool| {
                let step = if big { Spelling::Utf16Be } else { Spelling::Utf16Le };
                let ground = ground.variant(types, ground.chain.then(step).unwrap_or(ground.chain));
                visit(stretch.text.as_bytes(), ground, &|spot: &Spot| {
                    let at = stretch.range(&spot.at);
                    let zero = text.get(at.clone()).is_some_and(|bytes| bytes.contains(&0));
                    Spot { span: stretch.range(&spot.span), at, counts: spot.counts && zero }
                });
            };
            each_nul(text, self.around, &mut |region| {
                let piece = text.get(region.clone()).unwrap_or_default();
                for (parity, big) in [(0, false), (0, true), (1, false), (1, true)] {
                    stretches(piece, region.start, parity, big, self.least, &mut |stretch| visit(stretch, big));
                }
            });
        }
    }

    /// Its tables: name, values, bytes of memory.
    pub(super) fn sizes(&self) -> impl Iterator<Item = (&'static str, usize, usize)> {
        let digests = self.digests.size();
        let inside = self.finder.sizes().into_iter().map(|(_, keys, bytes)| ("variants", keys, bytes));
        inside.chain((digests.0 > 0).then_some(("digests", digests.0, digests.1)))
    }
}

/// From a place in a decoded text to the one in the text that it stands in.
pub(super) type Lift<'l> = &'l dyn Fn(&Spot) -> Spot;

/// Fewest bytes that spell `value`: a byte each for ASCII; what is not may grow, in HTML by a fifth, in UTF-16 by half, thrice.
fn least(value: &[u8]) -> usize {
    let ascii = value.iter().filter(|b| b.is_ascii()).count();
    ascii + (value.len() - ascii) / 4
}

/// What a character of either alphabet of Base64 stands for (RFC 4648 §4, §5); 64: none.
#[expect(clippy::indexing_slicing, reason = "evaluated when it is compiled")]
const SEXTET: [u8; 256] = {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [64; 256];
    let mut i = 0;
    while i < 64 {
        table[letters[i] as usize] = i as u8;
        i += 1;
    }
    table[b'-' as usize] = 62;
    table[b'_' as usize] = 63;
    table
};

fn sextet(byte: u8) -> u8 {
    SEXTET.get(usize::from(byte)).copied().unwrap_or(64)
}

/// Calls `visit` with the runs of characters of Base64, of either alphabet, that hold `least` bytes or more.
fn runs(text: &[u8], least: usize, visit: &mut dyn FnMut(Range<usize>)) {
    let chars = least.saturating_mul(8).div_ceil(6).max(2);
    let mut start = 0usize;
    // As in a search for a word: no run of so many characters holds a byte that is none.
    while let Some(ahead) = text.get(start..start.saturating_add(chars)) {
        if let Some(gap) = ahead.iter().rposition(|b| sextet(*b) == 64) {
            start += gap + 1;
            continue;
        }
        let rest = text.get(start..).unwrap_or_default();
        let len = rest.iter().position(|b| sextet(*b) == 64).unwrap_or(rest.len());
        visit(start..start + len);
        start += len + 1;
    }
}

/// The bytes of a run whose first byte begins at bit `shift` (below 8).
fn read_bits(run: &[u8], shift: usize, out: &mut Vec<u8>) {
    out.clear();
    let (mut bits, mut have) = (0u32, 0usize);
    let mut skip = shift;
    for char in run {
        bits = bits << 6 | u32::from(sextet(*char));
        have += 6;
        let drop = skip.min(have);
        (have, skip) = (have - drop, skip - drop);
        if have >= 8 {
            have -= 8;
            out.push((bits >> have) as u8);
        }
    }
}

/// The token that hides the characters `at` of `run`, with its padding.
///
/// `/` is of the alphabet and divides paths as well. So a run whose bytes do not begin where the value's do, or which starts with
/// `/` or behind a dot (`https://www.example/a/b`), is a path if its segment's bytes do; then the segment is the token.
fn token(text: &[u8], run: &Range<usize>, shift: usize, at: &Range<usize>) -> Range<usize> {
    let mut token = run.clone();
    let dot = run.start.checked_sub(1).and_then(|at| text.get(at)) == Some(&b'.');
    if shift != 0 || dot || text.get(run.start) == Some(&b'/') {
        let before = text.get(run.start..at.start).unwrap_or_default();
        let after = text.get(at.end..run.end).unwrap_or_default();
        let start = memrchr(b'/', before).map_or(0, |slash| slash + 1);
        if start * 6 % 8 == shift {
            token = run.start + start..memchr(b'/', after).map_or(run.end, |slash| at.end + slash);
        }
    }
    let pads = match token.len() % 4 {
        2 => 2,
        3 => 1,
        _ => 0,
    };
    let rest = text.get(token.end..).unwrap_or_default();
    token.end += rest.iter().take(pads).take_while(|b| **b == b'=').count();
    token
}

/// Calls `visit` with the stretches of `text` that lie `around` bytes or less from a NUL, neighbours joined.
fn each_nul(text: &[u8], around: usize, visit: &mut dyn FnMut(Range<usize>)) {
    let mut open: Option<Range<usize>> = None;
    for nul in memchr_iter(0, text) {
        let near = nul.saturating_sub(around)..(nul + around).min(text.len());
        match &mut open {
            Some(region) if near.start <= region.end => region.end = near.end,
            _ => open.replace(near).into_iter().for_each(&mut *visit),
        }
    }
    open.into_iter().for_each(visit);
}

/// Text in UTF-16.
struct Stretch {
    /// Decoded.
    text: String,
    /// Offset of a character in `text` and of its first byte, about every [`MARK`] bytes.
    marks: Vec<(usize, usize)>,
    /// It holds a NUL byte.
    zero: bool,
}

/// Bytes of decoded text between two marks.
const MARK: usize = 512;

impl Stretch {
    fn range(&self, at: &Range<usize>) -> Range<usize> {
        let start = self.char(at.start).start;
        start..self.char(at.end.saturating_sub(1)).end.max(start)
    }

    /// The bytes of the character that holds the decoded byte `at`.
    fn char(&self, at: usize) -> Range<usize> {
        let mark = self.marks.partition_point(|mark| mark.0 <= at).checked_sub(1).and_then(|i| self.marks.get(i));
        let (mut decoded, mut raw) = mark.copied().unwrap_or_default();
        for char in self.text.get(decoded..).unwrap_or_default().chars() {
            let end = raw + 2 * char.len_utf16();
            decoded += char.len_utf8();
            if decoded > at {
                return raw..end;
            }
            raw = end;
        }
        raw..raw
    }
}

/// Calls `visit` with the stretches of UTF-16 without U+0000 and lone surrogates in `text`, from `parity` on, that hold a NUL byte
/// and `least` bytes or more. `base`: the offset of `text`.
fn stretches(text: &[u8], base: usize, parity: usize, big: bool, least: usize, visit: &mut dyn FnMut(&Stretch)) {
    let mut stretch = Stretch { text: String::new(), marks: Vec::new(), zero: false };
    let (pairs, _) = text.get(parity..).unwrap_or_default().as_chunks::<2>();
    let units = pairs.iter().map(|pair| if big { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) });
    let mut at = base + parity;
    for unit in char::decode_utf16(units) {
        match unit {
            Ok(char) if char != '\0' => {
                let decoded = stretch.text.len();
                if stretch.marks.last().is_none_or(|mark| decoded >= mark.0 + MARK) {
                    stretch.marks.push((decoded, at));
                }
                stretch.text.push(char);
                let mut units = [0; 2];
                stretch.zero |= char.encode_utf16(&mut units).iter().any(|unit| unit.to_be_bytes().contains(&0));
                at += 2 * char.len_utf16();
            }
            _ => {
                if stretch.zero && stretch.text.len() >= least {
                    visit(&stretch);
                }
                stretch.text.clear();
                stretch.marks.clear();
                stretch.zero = false;
                at += 2;
            }
        }
    }
    if stretch.zero && stretch.text.len() >= least {
        visit(&stretch);
    }
}

/// Hex digits of the shortest digest.
const DIGITS_MIN: usize = 32;

type Hash = fn(&[u8]) -> Vec<u8>;

/// One algorithm, and the digests of all values.
struct Algorithm {
    digits: usize,
    hash: Hash,
    /// First eight bytes of a digest, and whose it is; sorted. As evenly spread as they are, a search is as good as a hash table
    /// and half as large: 16 bytes a value.
    heads: Vec<(u64, ValueId)>,
}

/// E-mails by their digests.
pub(super) struct Digests(Vec<Algorithm>);

impl Digests {
    fn new(needles: &Needles, asked: &policy::Variants) -> Self {
        let all: [(Variant, usize, Hash); 3] = [
            (Variant::Md5, 32, |bytes| Md5::digest(bytes).to_vec()),
            (Variant::Sha1, 40, |bytes| Sha1::digest(bytes).to_vec()),
            (Variant::Sha256, 64, |bytes| Sha256::digest(bytes).to_vec()),
        ];
        let email = Type::Email.name();
        let all = all.into_iter().filter(|(variant, ..)| asked.asks(email, *variant)).map(|(_, digits, hash)| {
            let emails = needles.values().filter(|(_, value)| value.kind == Type::Email);
            let mut heads: Vec<(u64, ValueId)> = emails.map(|(id, value)| (head(&hash(&value.bytes())), id)).collect();
            heads.sort_unstable();
            Algorithm { digits, hash, heads }
        });
        Self(all.collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn size(&self) -> (usize, usize) {
        let count = self.0.iter().map(|algorithm| algorithm.heads.len()).sum();
        (count, count * size_of::<(u64, ValueId)>())
    }

    /// Calls `found` with each digest of a value in `text`: a run of letters and digits that is all of it.
    pub(super) fn each(&self, text: &[u8], needles: &Needles, found: &mut dyn FnMut(ValueId, Range<usize>)) {
        if self.is_empty() {
            return;
        }
        let mut start = 0;
        while let Some(ahead) = text.get(start..start + DIGITS_MIN) {
            if let Some(gap) = ahead.iter().rposition(|b| !b.is_ascii_alphanumeric()) {
                start += gap + 1;
                continue;
            }
            let rest = text.get(start..).unwrap_or_default();
            let len = rest.iter().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(rest.len());
            for algorithm in self.0.iter().filter(|algorithm| algorithm.digits == len) {
                let Some(digest) = rest.get(..len).and_then(unhex) else { continue };
                let first = algorithm.heads.partition_point(|(known, _)| *known < head(&digest));
                let same = algorithm.heads.iter().skip(first).take_while(|(known, _)| *known == head(&digest));
                for (_, id) in same {
                    let value = needles.value(*id);
                    if value.is_some_and(|value| (algorithm.hash)(&value.bytes()) == digest) {
                        found(*id, start..start + len);
                    }
                }
            }
            start += len + 1;
        }
    }
}

fn head(digest: &[u8]) -> u64 {
    digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, _) = digits.as_chunks::<2>();
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}
