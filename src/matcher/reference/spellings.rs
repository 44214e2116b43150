//! SPEC "Spellings": percent-encoding, JSON escapes, HTML entities, quoted-printable; and the doubled quotes of CSV.
//!
//! A [`Code`] reads one escape; [`decode`] decodes a whole text once; [`lift`] translates spans of the decoded text back.
//! What is not a well-formed escape stands for itself. Nothing here decodes what it has just decoded: that is the next level.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use memchr::memchr;

use super::types::tail;
use crate::matcher::Spelling;

/// One way of spelling bytes.
pub(super) struct Code {
    /// The byte that every escape begins with.
    sign: u8,
    /// Reads the escape at the start of `text`: appends the bytes that it stands for, and returns how many bytes spell
    /// them (never 0), or `None` (nothing appended) if there is no escape.
    read: fn(text: &[u8], bytes: &mut Vec<u8>) -> Option<usize>,
}

impl Code {
    /// `""` for `"`, inside a quoted cell (RFC 4180 §2.7).
    pub(super) const QUOTES: Code = Code { sign: b'"', read: quotes };

    /// The code of `spelling`.
    pub(super) fn of(spelling: Spelling) -> &'static Code {
        match spelling {
            Spelling::Percent => &Code { sign: b'%', read: percent },
            Spelling::Json => &Code { sign: b'\\', read: json },
            Spelling::Html => &Code { sign: b'&', read: html },
            Spelling::Qp => &Code { sign: b'=', read: quoted_printable },
            // No escapes: variants have a file of their own.
            Spelling::Utf16Le | Spelling::Utf16Be => &Code { sign: 0, read: |_, _| None },
        }
    }
}

/// `text` decoded once, or `None` if it holds no escape.
pub(super) fn decode(code: &Code, text: &[u8]) -> Option<Vec<u8>> {
    memchr(code.sign, text)?;
    let mut decoded = Vec::with_capacity(text.len());
    let mut changed = false;
    walk(code, text, |stretch, _, escaped| {
        changed |= escaped.is_some();
        decoded.extend_from_slice(escaped.unwrap_or(stretch));
    });
    changed.then_some(decoded)
}

/// Replaces each of `spans` of the decoded `text` by the bytes of `text` that spell it: from the first that spells its first
/// byte to the last that spells its last one. An empty span stays empty, before the byte that follows it.
pub(super) fn lift(code: &Code, text: &[u8], spans: &mut [Range<usize>]) {
    // (offset of a byte in the decoded text, the end of the span that is wanted there, whether it is its last byte)
    let mut marks: Vec<(usize, &mut usize, bool)> = Vec::with_capacity(spans.len() * 2);
    for span in spans.iter_mut() {
        let empty = span.start == span.end;
        if let (false, Some(last)) = (empty, span.end.checked_sub(1)) {
            marks.push((last, &mut span.end, true));
        } else {
            marks.push((span.end, &mut span.end, false));
        }
        marks.push((span.start, &mut span.start, false));
    }
    marks.sort_by_key(|mark| mark.0);

    let mut marks = marks.into_iter().peekable();
    let mut decoded = 0;
    walk(code, text, |stretch, start, escaped| {
        let len = escaped.map_or(stretch.len(), <[u8]>::len);
        while let Some((at, place, last)) = marks.next_if(|mark| mark.0 < decoded + len) {
            let byte = match escaped {
                Some(_) => start..start + stretch.len(),
                None => start + (at - decoded)..start + (at - decoded) + 1,
            };
            *place = if last { byte.end } else { byte.start };
        }
        decoded += len;
    });
    // An empty span at the very end.
    for (_, place, _) in marks {
        *place = text.len();
    }
}

/// Calls `visit` for each stretch of `text`, in order and without gaps: its bytes, its offset, and, if it is an escape, the
/// bytes that it stands for.
fn walk(code: &Code, text: &[u8], mut visit: impl FnMut(&[u8], usize, Option<&[u8]>)) {
    let mut bytes = Vec::new();
    // `text[..done]` was visited, and no escape begins in `text[done..at]`.
    let (mut done, mut at) = (0, 0);
    while let Some(ahead) = memchr(code.sign, tail(text, at)) {
        at += ahead;
        bytes.clear();
        let Some(len) = (code.read)(tail(text, at), &mut bytes) else {
            at += 1;
            continue;
        };
        if done < at {
            visit(text.get(done..at).unwrap_or_default(), done, None);
        }
        visit(text.get(at..at + len).unwrap_or_default(), at, Some(&bytes));
        at += len;
        done = at;
    }
    if done < text.len() {
        visit(tail(text, done), done, None);
    }
}

/// `%40` (RFC 3986 §2.1), any hex case.
fn percent(text: &[u8], bytes: &mut Vec<u8>) -> Option<usize> {
    bytes.push(hex(text.get(1..3)?)? as u8);
    Some(3)
}

/// `\u0040`, a surrogate pair as one character, `\n` and its like (RFC 8259 §7). A lone surrogate is none.
fn json(text: &[u8], bytes: &mut Vec<u8>) -> Option<usize> {
    let byte = match text.get(1)? {
        same @ (b'"' | b'\\' | b'/') => *same,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => {
            let unit = hex(text.get(2..6)?)?;
            if let Some(c) = char::from_u32(unit) {
                push_char(c, bytes);
                return Some(6);
            }
            let low = text.get(6..12)?.strip_prefix(b"\\u").and_then(hex)?;
            if !(0xd800..0xdc00).contains(&unit) || !(0xdc00..0xe000).contains(&low) {
                return None;
            }
            push_char(char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00))?, bytes);
            return Some(12);
        }
        _ => return None,
    };
    bytes.push(byte);
    Some(2)
}

/// `&commat;`, `&#64;`, `&#x40;` (HTML §13.5), always with the semicolon. A number that is no Unicode scalar value is none.
fn html(text: &[u8], bytes: &mut Vec<u8>) -> Option<usize> {
    static NAMED: LazyLock<HashMap<&[u8], &str>> = LazyLock::new(|| {
        let with_semicolon = entities::ENTITIES.iter().filter(|e| e.entity.ends_with(';'));
        with_semicolon.map(|e| (e.entity.as_bytes(), e.characters)).collect()
    });
    let (digits, radix, head) = match text {
        [b'&', b'#', b'x' | b'X', digits @ ..] => (digits, 16, 3),
        [b'&', b'#', digits @ ..] => (digits, 10, 2),
        _ => {
            let name = tail(text, 1).iter().take_while(|b| b.is_ascii_alphanumeric()).take(64).count();
            let entity = text.get(..name + 2)?;
            bytes.extend_from_slice(NAMED.get(entity)?.as_bytes());
            return Some(entity.len());
        }
    };
    let mut number = 0_u32;
    let mut len = 0;
    while let Some(digit) = digits.get(len).and_then(|b| char::from(*b).to_digit(radix)) {
        number = number.saturating_mul(radix).saturating_add(digit);
        len += 1;
    }
    if len == 0 || digits.get(len) != Some(&b';') {
        return None;
    }
    push_char(char::from_u32(number)?, bytes);
    Some(head + len + 1)
}

/// `=40`, any hex case; a soft line break stands for nothing (RFC 2045 §6.7).
fn quoted_printable(text: &[u8], bytes: &mut Vec<u8>) -> Option<usize> {
    match text {
        [b'=', b'\n', ..] => Some(2),
        [b'=', b'\r', b'\n', ..] => Some(3),
        _ => {
            bytes.push(hex(text.get(1..3)?)? as u8);
            Some(3)
        }
    }
}

fn quotes(text: &[u8], bytes: &mut Vec<u8>) -> Option<usize> {
    text.starts_with(b"\"\"").then(|| {
        bytes.push(b'"');
        2
    })
}

/// The number that `digits` (at most eight, all of them hex) spell.
fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
}

fn push_char(c: char, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}
