//! The four spellings that are always searched: how text is decoded, where each decoded byte came from, and how a replacement
//! is spelled.
//!
//! One decoding step goes over a whole text from left to right and is not recursive (`%2540` becomes `%40`). What it
//! changed is kept as a sparse [`Map`], with entries at escapes only, so that a place in the decoded text can be told in
//! the raw one. [`encode`] is the way back, for replacements. This module knows no values and decides nothing; which
//! chains of decodings are tried, and over what stretch, is the engine's (`literal::levels`).

use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

use memchr::{memchr, memchr_iter};

use super::{Chain, Spelling};

/// One escape: `out_len` bytes of decoded text from `src_len` bytes of spelled text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Bytes of the escape.
    pub src_len: usize,
    /// What it stands for; two code points at most (HTML's table), so eight bytes.
    out: [u8; 8],
    out_len: u8,
}

impl Unit {
    /// The decoded bytes; empty for a soft line break.
    pub fn out(&self) -> &[u8] {
        self.out.get(..usize::from(self.out_len)).unwrap_or_default()
    }

    fn new(src_len: usize, bytes: &[u8]) -> Option<Self> {
        let mut out = [0; 8];
        out.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self { src_len, out, out_len: bytes.len() as u8 })
    }

    fn char(src_len: usize, c: char) -> Option<Self> {
        Self::new(src_len, c.encode_utf8(&mut [0; 4]).as_bytes())
    }
}

/// The byte with which every escape of this spelling starts; of UTF-16, which has no escapes, NUL.
pub fn introducer(spelling: Spelling) -> u8 {
    match spelling {
        Spelling::Utf16Le | Spelling::Utf16Be => 0,
        Spelling::Percent => b'%',
        Spelling::Json => b'\\',
        Spelling::Html => b'&',
        Spelling::Qp => b'=',
    }
}

/// The escape of `spelling` that starts at `at`, if one does.
pub fn unit(spelling: Spelling, text: &[u8], at: usize) -> Option<Unit> {
    let rest = text.get(at..)?;
    match spelling {
        Spelling::Percent => hex_pair(rest, b'%'),
        Spelling::Json => json(rest),
        Spelling::Html => html(rest),
        Spelling::Qp => qp(rest),
        Spelling::Utf16Le | Spelling::Utf16Be => None,
    }
}

/// Whether any escape of any spelling starts at `at`; its length in bytes.
pub fn any_unit(text: &[u8], at: usize) -> Option<usize> {
    let spelling = match text.get(at)? {
        b'%' => Spelling::Percent,
        b'\\' => Spelling::Json,
        b'&' => Spelling::Html,
        b'=' => Spelling::Qp,
        _ => return None,
    };
    unit(spelling, text, at).map(|unit| unit.src_len)
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

fn hex_pair(rest: &[u8], lead: u8) -> Option<Unit> {
    match *rest {
        [first, high, low, ..] if first == lead => Unit::new(3, &[hex(high)? << 4 | hex(low)?]),
        _ => None,
    }
}

/// RFC 2045 §6.7: `=XX`, and the soft line break `=` before a line end (which may have lost its CR).
fn qp(rest: &[u8]) -> Option<Unit> {
    match rest {
        [b'=', b'\n', ..] => Unit::new(2, &[]),
        [b'=', b'\r', b'\n', ..] => Unit::new(3, &[]),
        _ => hex_pair(rest, b'='),
    }
}

/// RFC 8259 §7.
fn json(rest: &[u8]) -> Option<Unit> {
    let [b'\\', kind, tail @ ..] = rest else {
        return None;
    };
    let plain = match kind {
        b'"' | b'\\' | b'/' => *kind,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => return json_u(tail),
        _ => return None,
    };
    Unit::new(2, &[plain])
}

/// What follows `\u`: four hex digits, or a surrogate pair; a lone surrogate is no escape.
fn json_u(tail: &[u8]) -> Option<Unit> {
    let first = four_hex(tail)?;
    if !(0xD800..0xE000).contains(&first) {
        return Unit::char(6, char::from_u32(first)?);
    }
    let [_, _, _, _, b'\\', b'u', low @ ..] = tail else {
        return None;
    };
    let low = four_hex(low)?;
    if first >= 0xDC00 || !(0xDC00..0xE000).contains(&low) {
        return None;
    }
    Unit::char(12, char::from_u32(0x10000 + ((first - 0xD800) << 10) + (low - 0xDC00))?)
}

fn four_hex(text: &[u8]) -> Option<u32> {
    text.get(..4)?.iter().try_fold(0, |sum, byte| Some(sum << 4 | u32::from(hex(*byte)?)))
}

/// HTML §13.5 names (with a semicolon only) and numeric references; an invalid number is no escape.
fn html(rest: &[u8]) -> Option<Unit> {
    let body = rest.strip_prefix(b"&")?;
    if let Some(number) = body.strip_prefix(b"#") {
        return html_number(number);
    }
    let len = body.iter().take(NAME_MAX).position(|b| !b.is_ascii_alphanumeric())?;
    if body.get(len) != Some(&b';') {
        return None;
    }
    Unit::new(len + 2, entities().get(body.get(..len)?)?)
}

fn html_number(number: &[u8]) -> Option<Unit> {
    let (radix, lead) = if matches!(number.first(), Some(b'x' | b'X')) { (16, 1) } else { (10, 0) };
    let digits = number.get(lead..)?;
    let mut code = 0u32;
    let mut len = 0;
    for byte in digits {
        let Some(digit) = char::from(*byte).to_digit(radix) else {
            break;
        };
        code = code.saturating_mul(radix).saturating_add(digit);
        len += 1;
    }
    if len == 0 || digits.get(len) != Some(&b';') {
        return None;
    }
    Unit::char(lead + len + 3, char::from_u32(code)?)
}

/// Longest entity name with its semicolon (`CounterClockwiseContourIntegral;`).
const NAME_MAX: usize = 33;

fn entities() -> &'static HashMap<&'static [u8], &'static [u8]> {
    static TABLE: OnceLock<HashMap<&'static [u8], &'static [u8]>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let named = entities::ENTITIES.iter();
        named
            .filter_map(|e| {
                let name = e.entity.strip_prefix('&')?.strip_suffix(';')?;
                Some((name.as_bytes(), e.characters.as_bytes()))
            })
            .collect()
    })
}

/// One escape in a [`Map`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Entry {
    /// First decoded byte.
    dec: u32,
    /// Decoded bytes; 0 for a soft line break.
    dec_len: u32,
    /// First source byte.
    src: u32,
    /// One past the last source byte.
    src_end: u32,
}

/// Where the bytes of a decoded text stood in its source; entries only where the two differ.
///
/// Offsets are from the start of the decoded stretch, which is below 4 GiB (a record's bound is far below that).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Map {
    /// Ascending by `dec` and by `src`; between entries both run in step.
    entries: Vec<Entry>,
}

impl Map {
    /// Source range of the decoded range `[start, end)`: from the first byte that spells its first byte to the last one
    /// that spells its last byte. An empty range maps to an empty one.
    pub fn range(&self, start: usize, end: usize) -> Range<usize> {
        let from = self.byte(start).start;
        if end <= start {
            return from..from;
        }
        from..self.byte(end - 1).end
    }

    /// The source bytes that spell the decoded byte at `at`.
    fn byte(&self, at: usize) -> Range<usize> {
        let index = self.entries.partition_point(|e| e.dec as usize <= at);
        let Some(e) = index.checked_sub(1).and_then(|i| self.entries.get(i)) else {
            return at..at + 1;
        };
        let after = e.dec as usize + e.dec_len as usize;
        if at < after {
            return e.src as usize..e.src_end as usize;
        }
        let src = e.src_end as usize + (at - after);
        src..src + 1
    }

    /// Notes that `dec_len` decoded bytes at `dec` came from `src`; calls come in ascending order.
    pub fn push(&mut self, dec: usize, dec_len: usize, src: Range<usize>) {
        self.entries.push(Entry {
            dec: dec as u32,
            dec_len: dec_len as u32,
            src: src.start as u32,
            src_end: src.end as u32,
        });
    }

    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes back all entries but the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        self.entries.truncate(len);
    }

    /// Whether both texts are the same.
    pub fn is_identity(&self) -> bool {
        self.entries.is_empty()
    }

    /// Gives the map's bytes to a hash.
    pub(super) fn feed(&self, hash: &mut dyn FnMut(&[u8])) {
        for e in &self.entries {
            for number in [e.dec, e.dec_len, e.src, e.src_end] {
                hash(&number.to_le_bytes());
            }
        }
    }

    /// The map from what `inner` decodes to the source of `self`; `inner` maps to the decoded text of `self`.
    #[must_use]
    pub fn then(&self, inner: &Map) -> Map {
        if self.is_identity() {
            return inner.clone();
        }
        let mut out = Map { entries: Vec::with_capacity(self.entries.len() + inner.entries.len()) };
        let mut outer = self.entries.iter().peekable();
        // `at` and `shift`: place in the middle text behind the last inner escape, and what to add for the innermost text.
        let (mut at, mut dec) = (0usize, 0usize);
        for e in &inner.entries {
            self.gap(&mut out, &mut outer, at..e.src as usize, dec);
            out.push(e.dec as usize, e.dec_len as usize, self.range(e.src as usize, e.src_end as usize));
            (at, dec) = (e.src_end as usize, (e.dec + e.dec_len) as usize);
        }
        self.gap(&mut out, &mut outer, at..usize::MAX, dec);
        out
    }

    /// Copies the entries of `self` that lie in `middle` of its decoded text, whose start is at `dec` of the innermost text.
    fn gap<'e>(
        &self,
        out: &mut Map,
        outer: &mut std::iter::Peekable<impl Iterator<Item = &'e Entry>>,
        middle: Range<usize>,
        dec: usize,
    ) {
        // Behind an outer escape that the inner one swallowed, places do not resume in step: an empty entry says where.
        let src = self.byte(middle.start).start;
        if middle.start < middle.end && out.entries.last().map_or(0, |e| e.src_end as usize) != src {
            out.push(dec, 0, src..src);
        }
        while let Some(e) = outer.peek() {
            let (start, end) = (e.dec as usize, (e.dec + e.dec_len) as usize);
            if start >= middle.end {
                break;
            }
            let kept = start.max(middle.start)..end.min(middle.end);
            if kept.start < kept.end || (start == end && start > middle.start) {
                out.push(dec + (kept.start - middle.start), kept.len(), e.src as usize..e.src_end as usize);
            }
            if end > middle.end {
                break;
            }
            outer.next();
        }
    }
}

/// `text` after one step of `spelling`, with the way back; `None` if the step changes nothing.
pub fn decode(spelling: Spelling, text: &[u8]) -> Option<(Vec<u8>, Map)> {
    super::work::look(text.len());
    let mut out = Vec::new();
    let mut map = Map::default();
    let mut done = 0;
    for at in memchr_iter(introducer(spelling), text) {
        if at < done {
            continue;
        }
        let Some(unit) = unit(spelling, text, at) else {
            continue;
        };
        if map.is_identity() {
            out.reserve(text.len());
        }
        out.extend_from_slice(text.get(done..at)?);
        map.push(out.len(), unit.out().len(), at..at + unit.src_len);
        out.extend_from_slice(unit.out());
        done = at + unit.src_len;
    }
    if map.is_identity() {
        return None;
    }
    out.extend_from_slice(text.get(done..)?);
    Some((out, map))
}

/// `raw` with each `""` halved, as a quoted CSV cell is read (RFC 4180 §2.7); `None` if there is none.
pub fn halve_quotes(raw: &[u8]) -> Option<(Vec<u8>, Map)> {
    let mut out = Vec::new();
    let mut map = Map::default();
    let mut done = 0;
    while let Some(found) = memchr(b'"', raw.get(done..)?) {
        let at = done + found;
        out.extend_from_slice(raw.get(done..=at)?);
        done = at + 1;
        if raw.get(done) == Some(&b'"') {
            map.push(out.len() - 1, 1, at..at + 2);
            done += 1;
        }
    }
    if map.is_identity() {
        return None;
    }
    out.extend_from_slice(raw.get(done..)?);
    Some((out, map))
}

/// Spells `text` so that decoding along `chain` gives it back.
///
/// Percent: all but RFC 3986's unreserved bytes; JSON: quotes, backslashes and control bytes; HTML: `& < > " '`;
/// quoted-printable: `=` and what RFC 2045 does not print; UTF-16: all of it.
pub fn encode(chain: &Chain, text: &[u8]) -> Vec<u8> {
    chain.iter().rev().fold(text.to_vec(), |text, spelling| step(spelling, &text))
}

fn step(spelling: Spelling, text: &[u8]) -> Vec<u8> {
    if matches!(spelling, Spelling::Utf16Le | Spelling::Utf16Be) {
        let units = String::from_utf8_lossy(text).encode_utf16().collect::<Vec<u16>>().into_iter();
        let bytes = |unit: u16| if spelling == Spelling::Utf16Le { unit.to_le_bytes() } else { unit.to_be_bytes() };
        return units.flat_map(bytes).collect();
    }
    let mut out = Vec::with_capacity(text.len() + text.len() / 2);
    for &byte in text {
        match spelling {
            Spelling::Percent if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                out.push(byte);
            }
            Spelling::Percent => push_hex(&mut out, b"%", byte),
            Spelling::Json => match byte {
                b'"' | b'\\' => out.extend([b'\\', byte]),
                b'\n' => out.extend(b"\\n"),
                b'\r' => out.extend(b"\\r"),
                b'\t' => out.extend(b"\\t"),
                0..=0x1F => push_hex(&mut out, b"\\u00", byte),
                _ => out.push(byte),
            },
            Spelling::Html => match byte {
                b'&' => out.extend(b"&amp;"),
                b'<' => out.extend(b"&lt;"),
                b'>' => out.extend(b"&gt;"),
                b'"' => out.extend(b"&quot;"),
                b'\'' => out.extend(b"&#39;"),
                _ => out.push(byte),
            },
            Spelling::Qp if byte == b'=' || !(b' '..=b'~').contains(&byte) => {
                push_hex(&mut out, b"=", byte);
            }
            Spelling::Qp | Spelling::Utf16Le | Spelling::Utf16Be => out.push(byte),
        }
    }
    out
}

fn push_hex(out: &mut Vec<u8>, lead: &[u8], byte: u8) {
    let digit = |nibble: u8| {
        if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 }
    };
    out.extend_from_slice(lead);
    out.extend([digit(byte >> 4), digit(byte & 15)]);
}

#[cfg(test)]
mod tests;
