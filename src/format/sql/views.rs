//! The texts of a row without its values: a row is searched far more often than edited.
//!
//! They are those of a row's view (`cells`); what stands as it is may stand among its bytes.

use super::cells::{BETWEEN, Decode, How, Row, decode, escape, is_hex};
use super::lex::{self, Dialect};
use super::spelled;

/// Adds the view of a row of `COPY` to `out`, as [`Row::of_line`] makes it.
pub fn of_copy(raw: &[u8], out: &mut Vec<u8>) {
    let line = raw.strip_suffix(b"\n").unwrap_or(raw);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if memchr::memchr_iter(b'\t', line).any(|tab| tab > 0 && line.get(tab - 1) == Some(&b'\\')) {
        // A tab that may be escaped.
        return out.extend(Row::of_line(raw, &How::Copy).view);
    }
    for text in line.split(|b| *b == b'\t').filter(|text| *text != b"\\N") {
        match text.strip_prefix(b"\\\\x").filter(|digits| is_hex(digits)) {
            None => texts(text, &How::Copy, out),
            Some(digits) => bytes(digits, out),
        }
    }
}

/// Adds what a tuple says to `out`, if nothing of it is spelled but by escapes in strings of single quotes ([`lex::Tuple::odd`]): its
/// bytes, and in the place of a string with escapes the texts that [`Row::of_tuple`] has for it.
pub fn of_tuple(raw: &[u8], dialect: Dialect, out: &mut Vec<u8>) {
    let how = How::Quoted(b'\'', escape(dialect.backslash, dialect));
    let (mut at, mut kept) = (0, 0);
    let rest = |at: usize| raw.get(at..).unwrap_or_default();
    while let Some(open) = memchr::memchr(b'\'', rest(at)).map(|n| at + n) {
        let first = lex::either(b'\'', b'\\', rest(open + 1)).map_or(raw.len(), |n| open + 1 + n);
        at = first + 1;
        if raw.get(first) != Some(&b'\\') && raw.get(at) != Some(&b'\'') {
            continue;
        }
        out.extend_from_slice(raw.get(kept..open).unwrap_or_default());
        out.push(BETWEEN);
        let from = out.len();
        let end = open + 1 + decode_string(rest(open + 1), &how, out);
        let text = raw.get(open + 1..end).unwrap_or_default();
        match text.strip_prefix(b"\\x").filter(|digits| !dialect.backslash && is_hex(digits)) {
            None => {
                out.push(BETWEEN);
                of_bytes(text, &how, out);
            }
            Some(digits) => {
                out.truncate(from);
                bytes(digits, out);
            }
        }
        let end = (end + 1).min(raw.len());
        (at, kept) = (end, end);
    }
    out.extend_from_slice(rest(kept));
}

/// Adds what `cells` makes of a text.
fn texts(text: &[u8], how: &How, out: &mut Vec<u8>) {
    decode(text, how, out);
    out.push(BETWEEN);
    of_bytes(text, how, out);
}

/// Adds the bytes that are spelled in digits in a text.
fn of_bytes(text: &[u8], how: &How, out: &mut Vec<u8>) {
    if let Some(how) = spelled::octal(text, how) {
        decode(text, &how, out);
        out.push(BETWEEN);
    }
    for digits in spelled::hex(text, 0) {
        decode(text.get(digits).unwrap_or_default(), &How::Hex, out);
        out.push(BETWEEN);
    }
}

/// Adds what `cells` makes of hex digits that stand for bytes.
fn bytes(digits: &[u8], out: &mut Vec<u8>) {
    for how in [How::Plain, How::Hex] {
        decode(digits, &how, out);
        out.push(BETWEEN);
    }
}

/// As [`decode`], up to the single quote that closes the string; returns where that stands.
fn decode_string(text: &[u8], how: &How, out: &mut Vec<u8>) -> usize {
    let mut steps = Decode { text, at: 0, how };
    loop {
        let rest = text.get(steps.at..).unwrap_or_default();
        if rest.first() == Some(&b'\'') && rest.get(1) != Some(&b'\'') {
            return steps.at;
        }
        let Some((_, piece)) = steps.next() else { return text.len() };
        piece.write(out);
    }
}
