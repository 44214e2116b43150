//! Random registries: values of each type, many of them parts, continuations and neighbours of others.

use std::collections::HashSet;
use std::fmt::Write;

use super::draw::Draw;
use crate::naive::{Kind, canonical};

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const ALNUM: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const HEX: &str = "0123456789abcdef";
const DIGITS: &str = "0123456789";

/// Which types a registry holds, and how many values at most: all, one alone, some.
pub fn registry(draw: &mut Draw) -> Vec<(Kind, String)> {
    let kinds: Vec<Kind> = match draw.below(4) {
        0 => vec![*draw.pick(&Kind::ALL)],
        1 => Kind::ALL.into_iter().filter(|_| draw.one_in(2)).collect(),
        _ => Kind::ALL.to_vec(),
    };
    let kinds = if kinds.is_empty() { vec![Kind::Email] } else { kinds };
    let count = *draw.pick(&[1, 3, 20, 20, 60, 300, 2000]);
    let (mut seen, mut values) = (HashSet::new(), Vec::<(Kind, String)>::new());
    for _ in 0..count {
        let kind = *draw.pick(&kinds);
        // Half of them grow out of another.
        let text = match values.iter().rev().find(|(of, _)| *of == kind) {
            Some((_, before)) if draw.one_in(2) => neighbour(draw, kind, &before.clone()),
            _ => fresh(draw, kind),
        };
        if valid(kind, &text) && seen.insert((kind, canonical(kind, &text))) {
            values.push((kind, text));
        }
    }
    if values.is_empty() { vec![(Kind::Email, "a.b@example.com".to_owned())] } else { values }
}

/// A value like `text`, a little longer, shorter or otherwise.
fn neighbour(draw: &mut Draw, kind: Kind, text: &str) -> String {
    let from = match kind {
        Kind::Uuid => HEX,
        Kind::Ip | Kind::Phone => DIGITS,
        _ => ALNUM,
    };
    let mut chars: Vec<char> = text.chars().collect();
    let at = draw.below(chars.len());
    let new = draw.string(from, 1).pop().unwrap();
    match draw.below(5) {
        0 => chars.insert(0, new),
        1 => chars.push(new),
        2 if chars.len() > 1 => drop(chars.remove(at)),
        3 => chars.insert(at, new),
        _ => chars[at] = new,
    }
    chars.into_iter().collect()
}

/// What a registry takes, and what the naive matcher can do: white space only inside, two bytes at least where a value counts anywhere.
fn valid(kind: Kind, text: &str) -> bool {
    let trimmed = text.trim() == text && !text.is_empty();
    match kind {
        Kind::Email => {
            let bad = |c: char| c.is_whitespace() || c.is_control() || "@<>()[]{},;:\"\\|".contains(c);
            text.split_once('@').is_some_and(|(local, domain)| {
                !local.is_empty()
                    && !domain.is_empty()
                    && !domain.starts_with('.')
                    && !domain.ends_with('.')
                    && !local.contains(bad)
                    && !domain.contains(bad)
            })
        }
        Kind::Uuid => {
            let dash = |at: usize| [8, 13, 18, 23].contains(&at);
            text.len() == 36
                && text.bytes().enumerate().all(|(at, b)| if dash(at) { b == b'-' } else { b.is_ascii_hexdigit() })
        }
        Kind::Ip => text.parse::<std::net::IpAddr>().is_ok(),
        Kind::Phone => {
            let digits = canonical(kind, text);
            digits.len() >= 7 && !digits.starts_with(b"00") && !text[1..].contains('+')
        }
        Kind::Token => trimmed && text.len() >= 6,
        Kind::Literal => text.len() >= 4,
        // A bare value never ends in what ends bare values.
        Kind::UserId | Kind::Username => trimmed,
    }
}

fn fresh(draw: &mut Draw, kind: Kind) -> String {
    match kind {
        Kind::Email => email(draw),
        Kind::Uuid => [8, 4, 4, 4, 12].map(|n| draw.string(HEX, n)).join("-"),
        Kind::Ip if draw.one_in(2) => (0..4).map(|_| octet(draw)).collect::<Vec<_>>().join("."),
        Kind::Ip => sixteen(draw),
        Kind::Phone => phone(draw),
        Kind::Token => {
            let head = *draw.pick(&["usr_", "sess-", "ses.", "u+", "=t", "T", "é", "\\", "%4", "&t;", "_", "-"]);
            let len = 5 + draw.below(20);
            let tail = *draw.pick(&["", "", "", "=", "==", "_", "-", ".", "/", "'", "é", "%"]);
            format!("{head}{}{tail}", draw.string(ALNUM, len))
        }
        Kind::UserId => match draw.below(6) {
            0 => draw.below(100).to_string(),
            1 | 2 => draw.below(10_000_000).to_string(),
            3 => format!("{:016x}", draw.next()),
            4 => format!("u-{}.{}", draw.below(9999), draw.string(LOWER, 2)),
            _ => format!("{}-7.x", draw.string(LOWER, 3)),
        },
        Kind::Username => {
            let first = draw.below(7) + 1;
            let name = draw.string(LOWER, first);
            match draw.below(5) {
                0 => format!("{name}.{}", draw.string(LOWER, 3)),
                1 => format!("{name} {}", draw.string(LOWER, 3)),
                2 => format!("{name}é"),
                3 => format!("{name}{}", draw.below(99)),
                _ => name,
            }
        }
        Kind::Literal => {
            const SIGNS: &str = "abcXYZ019 =&%\\\"'<>;:/.-_@+#";
            let len = 4 + draw.below(24);
            if draw.one_in(3) { "Project Nightjar".to_owned() } else { draw.string(SIGNS, len) }
        }
    }
}

fn email(draw: &mut Draw) -> String {
    let len = 1 + draw.below(9);
    let mut local = draw.string(LOWER, len);
    if draw.one_in(3) {
        let sign = *draw.pick(&[".", "+", "_", "-", "%", "'", "=", "&", "/", "!", "é", "#"]);
        write!(local, "{sign}{}", draw.string(ALNUM, 3)).unwrap();
    }
    let domain = *draw.pick(&[
        "example.com",
        "example.org",
        "mail.example.net",
        "localhost",
        "a.b",
        "xn--e.example",
        "exämple.example",
    ]);
    format!("{local}@{domain}")
}

fn octet(draw: &mut Draw) -> String {
    draw.pick(&[0, 1, 7, 9, 10, 25, 77, 99, 100, 127, 192, 198, 203, 255]).to_string()
}

fn sixteen(draw: &mut Draw) -> String {
    let mut groups = [0u16; 8];
    for group in &mut groups {
        *group = match draw.below(4) {
            0 => 0,
            1 => draw.below(16) as u16,
            2 => 0x2001,
            _ => draw.next() as u16,
        };
    }
    let zeros = draw.below(8);
    for group in groups.iter_mut().skip(draw.below(8)).take(zeros) {
        *group = 0;
    }
    std::net::Ipv6Addr::from(groups).to_string()
}

fn phone(draw: &mut Draw) -> String {
    let len = 7 + draw.below(9);
    let digits = draw.string(DIGITS, len);
    match draw.below(3) {
        0 => format!("+{digits}"),
        1 => format!("+{} {}-{}", &digits[..2], &digits[2..5], &digits[5..]),
        _ => digits,
    }
}
