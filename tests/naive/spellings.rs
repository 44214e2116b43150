//! Levels: the raw text, and what every chain of one to three decodings makes of the whole text.

use std::collections::{HashMap, HashSet};

use super::Escape;

/// A text in which each byte knows the raw bytes that spell it.
#[derive(Clone)]
pub struct Level {
    pub bytes: Vec<u8>,
    pub spans: Vec<(u32, u32)>,
}

/// Named entities: what Python's `html.entities.html5` lists, of those that end in `;`.
pub struct Entities(HashMap<&'static [u8], Vec<u8>>);

impl Default for Entities {
    fn default() -> Self {
        let entry = |line: &'static str| {
            let (name, codes) = line.split_once(' ').unwrap();
            let text: String =
                codes.split(' ').map(|code| char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap()).collect();
            (name.as_bytes(), text.into_bytes())
        };
        Self(include_str!("entities.txt").lines().map(entry).collect())
    }
}

/// Calls `see` for the raw text and for what each chain of one to three decodings makes of it, the short chains first.
///
/// Levels that are equal to one before in every byte and its place are told once: two decodings give the same in either
/// order, unless one decodes what another wrote. They are known by 128 bits of hash.
pub fn each_level(text: &[u8], entities: &Entities, see: &mut dyn FnMut(&Level, usize)) {
    let spans = (0..text.len() as u32).map(|at| (at, at + 1)).collect();
    let mut levels = vec![Level { bytes: text.to_vec(), spans }];
    let mut known = HashSet::new();
    for depth in 0..=3 {
        let mut next = Vec::new();
        for level in levels {
            see(&level, depth);
            if depth < 3 {
                let deeper = Escape::ALL.into_iter().filter_map(|escape| decoded(&level, escape, entities));
                next.extend(deeper.filter(|inner| known.insert(fingerprint(inner))));
            }
        }
        levels = next;
    }
}

/// FNV-1a of 128 bits, a byte with its place at a time.
fn fingerprint(level: &Level) -> u128 {
    let places = level.bytes.iter().zip(&level.spans);
    places.fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash: u128, (byte, (start, end))| {
        let here = u128::from(*byte) << 64 | u128::from(*start) << 32 | u128::from(*end);
        (hash ^ here ^ hash >> 61).wrapping_mul(0x0100_0000_0000_0000_013b)
    })
}

/// The text that `escape` decodes `level` to, or `None` if that is the same.
fn decoded(level: &Level, escape: Escape, entities: &Entities) -> Option<Level> {
    let text = &level.bytes;
    let mark = match escape {
        Escape::Percent => b'%',
        Escape::Json => b'\\',
        Escape::Html => b'&',
        Escape::Quoted => b'=',
    };
    if !text.contains(&mark) {
        return None;
    }
    let mut out = Level { bytes: Vec::with_capacity(text.len()), spans: Vec::with_capacity(text.len()) };
    let (mut at, mut changed) = (0, false);
    while at < text.len() {
        let unit = if text[at] == mark { decode(escape, &text[at..], entities) } else { None };
        if let Some((len, bytes)) = unit {
            let span = (level.spans[at].0, level.spans[at + len - 1].1);
            out.spans.extend(bytes.iter().map(|_| span));
            out.bytes.extend(bytes);
            at += len;
            changed = true;
        } else {
            out.bytes.push(text[at]);
            out.spans.push(level.spans[at]);
            at += 1;
        }
    }
    changed.then_some(out)
}

/// The escape with which `text` begins: its length, and the bytes that it stands for.
pub fn decode(escape: Escape, text: &[u8], entities: &Entities) -> Option<(usize, Vec<u8>)> {
    match escape {
        Escape::Percent => (text.first() == Some(&b'%')).then_some(())?,
        Escape::Json => return json(text),
        Escape::Html => return html(text, entities),
        Escape::Quoted => {
            (text.first() == Some(&b'=')).then_some(())?;
            // A soft break (RFC 2045 §6.7); blanks before the line's end are the work of transports, and not in what is searched.
            if text[1..].starts_with(b"\n") {
                return Some((2, Vec::new()));
            }
            if text[1..].starts_with(b"\r\n") {
                return Some((3, Vec::new()));
            }
        }
    }
    Some((3, vec![number(text.get(1..3)?, 16)? as u8]))
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    digits.iter().try_fold(0u32, |all, b| Some(all.saturating_mul(radix).saturating_add((*b as char).to_digit(radix)?)))
}

fn json(text: &[u8]) -> Option<(usize, Vec<u8>)> {
    let short = match text.get(1)? {
        b @ (b'"' | b'\\' | b'/') => *b,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => {
            let unit = |at: usize| {
                let unit = text.get(at..at + 6)?;
                if unit.starts_with(b"\\u") { number(&unit[2..], 16) } else { None }
            };
            let first = unit(0)?;
            if let Some(c) = char::from_u32(first) {
                return Some((6, c.to_string().into_bytes()));
            }
            let second = unit(6)?;
            if first >= 0xdc00 || !(0xdc00..0xe000).contains(&second) {
                return None;
            }
            let c = char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))?;
            return Some((12, c.to_string().into_bytes()));
        }
        _ => return None,
    };
    Some((2, vec![short]))
}

fn html(text: &[u8], entities: &Entities) -> Option<(usize, Vec<u8>)> {
    // The longest name has 31 letters; numbers may have zeros in front, and a bound is needed that a scanner can keep.
    let len = 1 + text.iter().take(41).position(|b| *b == b';')?;
    let body = &text[1..len - 1];
    let Some(digits) = body.strip_prefix(b"#") else {
        return Some((len, entities.0.get(body)?.clone()));
    };
    let code = match digits.strip_prefix(b"x").or(digits.strip_prefix(b"X")) {
        Some(hex) if !hex.is_empty() => number(hex, 16)?,
        None if !digits.is_empty() => number(digits, 10)?,
        _ => return None,
    };
    Some((len, char::from_u32(code)?.to_string().into_bytes()))
}
