//! One value of a row without a parse of all of it: keys of rows are looked up far more often than rows are edited.
//!
//! What is not plain (escapes, functions, hex digits) is [`Quick::Unclear`], and the row is parsed; the text is what `cells` would give.

use super::lex::{self, Token};
use super::rows::Target;

/// What a glance says of a value.
#[derive(Debug, PartialEq, Eq)]
pub enum Quick<'r> {
    /// NULL.
    Null,
    /// Its text stands as it is.
    Text(&'r [u8]),
    /// The row must be parsed.
    Unclear,
}

/// The value `column` of the row `raw`.
pub fn quick<'r>(target: &Target<'_>, raw: &'r [u8], column: usize) -> Quick<'r> {
    if target.line.is_some() { of_copy(raw, column) } else { of_tuple(target, raw, column) }
}

fn of_copy(raw: &[u8], column: usize) -> Quick<'_> {
    let line = raw.strip_suffix(b"\n").unwrap_or(raw);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut start = 0;
    for tab in memchr::memchr_iter(b'\t', line).take(column) {
        // The tab itself may be escaped.
        if tab > start && line.get(tab - 1) == Some(&b'\\') {
            return Quick::Unclear;
        }
        start = tab + 1;
    }
    let rest = line.get(start..).unwrap_or_default();
    let text = rest.get(..memchr::memchr(b'\t', rest).unwrap_or(rest.len())).unwrap_or_default();
    match text {
        b"\\N" => Quick::Null,
        _ if memchr::memchr(b'\\', text).is_some() => Quick::Unclear,
        _ => Quick::Text(text),
    }
}

fn of_tuple<'r>(target: &Target<'_>, raw: &'r [u8], column: usize) -> Quick<'r> {
    let inner = raw.len().saturating_sub(1);
    let Some(text) = raw.get(..inner) else { return Quick::Unclear };
    let (mut at, mut ordinal, mut found) = (1, 0, None);
    while at < text.len() {
        let Ok((token, end)) = lex::token(text, at, true, target.dialect) else { return Quick::Unclear };
        match token {
            Token::Sign(b',') if ordinal == column => break,
            Token::Sign(b',') => ordinal += 1,
            // What stands in parentheses has commas of its own.
            Token::Sign(b'(' | b')') => return Quick::Unclear,
            Token::Blank => {}
            _ if ordinal < column => {}
            _ if found.is_some() => return Quick::Unclear,
            _ => found = Some((token, at..end)),
        }
        at = end;
    }
    let Some((token, range)) = found else { return Quick::Unclear };
    let bytes = raw.get(range).unwrap_or_default();
    match (token, bytes) {
        (Token::Word, word) if word.iter().all(u8::is_ascii_digit) => Quick::Text(word),
        (Token::Word, word) if word.eq_ignore_ascii_case(b"NULL") => Quick::Null,
        (Token::Text(_), [b'\'', text @ .., b'\'']) if memchr::memchr2(b'\'', b'\\', text).is_none() => {
            Quick::Text(text)
        }
        _ => Quick::Unclear,
    }
}
