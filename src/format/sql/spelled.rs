//! Bytes that are spelled in digits within a value's text: what `bytea` looks like in arrays, composite types, JSON and functions.
//!
//! `\x616c…` counts wherever it stands, and `\141` where backslashes come as `bytea_output = escape` writes them. Whatever levels of
//! escapes stand around them, digits are digits: only the backslashes before them come in greater number. So the ranges are found
//! in the raw text.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::cells::{Escape, How};

/// Hex digits behind `\x` of less bytes are not looked at: shorter than any identifier.
const LEAST: usize = 4;
/// What stands before hex digits.
static MARK: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\\x"));

/// Runs of hex digits that stand for bytes in `text`, which begins at `from`.
pub fn hex(text: &[u8], from: usize) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    for at in MARK.find_iter(text) {
        let start = at + 2;
        let digits = text.get(start..).unwrap_or_default().iter().take_while(|b| b.is_ascii_hexdigit()).count();
        if digits / 2 >= LEAST {
            out.push(from + start..from + start + digits / 2 * 2);
        }
    }
    out
}

/// How `text`, which is spelled as `how`, is spelled if it is bytes as `bytea_output = escape` writes them.
pub fn octal(text: &[u8], how: &How) -> Option<How> {
    let (slashes, quote) = match how {
        How::Copy => (2, None),
        How::Quoted(quote, Escape::None) => (1, Some(*quote)),
        How::Quoted(quote, Escape::Postgres) => (2, Some(*quote)),
        _ => return None,
    };
    let any = memchr::memchr_iter(b'\\', text).any(|at| byte(text.get(at..).unwrap_or_default(), slashes).is_some());
    any.then_some(How::Octal(slashes, quote))
}

/// The byte that three digits behind so many backslashes stand for, at the start of `text`.
fn byte(text: &[u8], slashes: usize) -> Option<u8> {
    let (marks, rest) = text.split_at_checked(slashes)?;
    let digits = std::str::from_utf8(rest.get(..3)?).ok()?;
    let octal = digits.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    if octal && marks.iter().all(|mark| *mark == b'\\') { u8::from_str_radix(digits, 8).ok() } else { None }
}

/// The byte that `text` starts with, and the length of its spelling.
pub fn step(text: &[u8], slashes: usize, quote: Option<u8>) -> (usize, u8) {
    if let Some(byte) = byte(text, slashes) {
        return (slashes + 3, byte);
    }
    let first = text.first().copied().unwrap_or_default();
    let doubled = |byte: u8, times: usize| {
        text.get(..times).is_some_and(|marks| marks.iter().all(|mark| *mark == byte)).then_some(times)
    };
    let len = match first {
        b'\\' => doubled(first, 2 * slashes),
        _ if Some(first) == quote => doubled(first, 2),
        _ => None,
    };
    (len.unwrap_or(1), first)
}

/// Writes one byte so.
pub fn encode(byte: u8, slashes: usize, quote: Option<u8>, out: &mut Vec<u8>) {
    match byte {
        b'\\' => out.resize(out.len() + 2 * slashes, b'\\'),
        b' '..=b'~' => {
            if Some(byte) == quote {
                out.push(byte);
            }
            out.push(byte);
        }
        _ => {
            out.resize(out.len() + slashes, b'\\');
            out.extend(format!("{byte:03o}").bytes());
        }
    }
}
