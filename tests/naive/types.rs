//! The types that count anywhere (SPEC "Identifier types"), in the text of one level.

use std::net::Ipv6Addr;

use super::{Kind, Naive};

/// Tells each occurrence in `text` as (value, start, end).
pub fn find(naive: &Naive, text: &[u8], add: &mut dyn FnMut(usize, usize, usize)) {
    for at in 0..text.len() {
        words(naive, text, at, add);
        if !naive.uuids.is_empty()
            && text[at].is_ascii_hexdigit()
            && !at.checked_sub(1).is_some_and(|b| text[b].is_ascii_alphanumeric())
        {
            uuid(naive, text, at, add);
        }
        if !naive.addresses.is_empty() {
            addresses(naive, text, at, add);
        }
        if naive.longest_phone > 0 && digit(text, at) && !before(text, at, |b| b.is_ascii_digit()) {
            phone(naive, text, at, add);
        }
    }
}

fn digit(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(u8::is_ascii_digit)
}

fn before(text: &[u8], at: usize, is: impl Fn(u8) -> bool) -> bool {
    at.checked_sub(1).is_some_and(|b| is(text[b]))
}

fn after(text: &[u8], at: usize, is: impl Fn(u8) -> bool) -> bool {
    text.get(at).is_some_and(|b| is(*b))
}

/// Where [`Naive`] has the words that begin with these two bytes.
pub fn first_two(a: u8, b: u8) -> usize {
    usize::from(a.to_ascii_lowercase()) << 8 | usize::from(b.to_ascii_lowercase())
}

fn words(naive: &Naive, text: &[u8], at: usize, add: &mut dyn FnMut(usize, usize, usize)) {
    let Some(&[a, b]) = text.get(at..at + 2) else { return };
    for (value, kind, bytes) in naive.words.get(first_two(a, b)).into_iter().flatten() {
        let end = at + bytes.len();
        let Some(here) = text.get(at..end) else { continue };
        let good = match kind {
            Kind::Email => {
                let dotted = after(text, end, |b| b == b'.') && after(text, end + 1, |b| b.is_ascii_alphanumeric());
                here.eq_ignore_ascii_case(bytes)
                    && !before(text, at, |b| b.is_ascii_alphanumeric() || b"._%+-".contains(&b))
                    && !after(text, end, |b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
                    && !dotted
            }
            Kind::Token => {
                let part = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
                here == bytes && !before(text, at, part) && !after(text, end, part)
            }
            _ => here == bytes,
        };
        if good {
            add(*value, at, end);
        }
    }
}

/// 32 hex digits from `at`, with dashes at 8-4-4-4-12 or none.
fn uuid(naive: &Naive, text: &[u8], at: usize, add: &mut dyn FnMut(usize, usize, usize)) {
    for dashed in [true, false] {
        let len = if dashed { 36 } else { 32 };
        let Some(here) = text.get(at..at + len) else { continue };
        let dash = |i: usize| dashed && [8, 13, 18, 23].contains(&i);
        if !here.iter().enumerate().all(|(i, b)| if dash(i) { *b == b'-' } else { b.is_ascii_hexdigit() }) {
            continue;
        }
        let digits: Vec<u8> = here.iter().filter(|b| **b != b'-').map(u8::to_ascii_lowercase).collect();
        let alone = !after(text, at + len, |b| b.is_ascii_alphanumeric());
        if let Some(value) = naive.uuids.get(&digits).filter(|_| alone) {
            add(*value, at, at + len);
        }
    }
}

fn addresses(naive: &Naive, text: &[u8], at: usize, add: &mut dyn FnMut(usize, usize, usize)) {
    if digit(text, at) && !before(text, at, |b| b.is_ascii_digit()) {
        let behind_dot = before(text, at, |b| b == b'.') && at >= 2 && digit(text, at - 2);
        if let Some((address, end)) = dotted(text, at)
            && !behind_dot
            && !goes_on(text, end)
            && let Some(value) = naive.addresses.get(&mapped(address))
        {
            add(*value, at, end);
        }
    }
    let part = |b: u8| b.is_ascii_hexdigit() || b == b':';
    if part(text[at]) && !before(text, at, part) {
        let end = at + text[at..].iter().take_while(|b| part(**b)).count();
        if end - at > 45 || !text[at..end].contains(&b':') {
            return;
        }
        // The last group may be the first part of a dotted address, which is part of this one then.
        let last = at + text[at..end].iter().rposition(|b| *b == b':').unwrap() + 1;
        let end = dotted(text, last).map_or(end, |(_, end)| end);
        let cut = end > last && text[last..end].contains(&b'.') && goes_on(text, end);
        if !after(text, end, part)
            && !cut
            && let Some(value) = address(&text[at..end]).and_then(|address| naive.addresses.get(&address))
        {
            add(*value, at, end);
        }
    }
}

fn mapped(v4: u32) -> u128 {
    0xffff_0000_0000 | u128::from(v4)
}

/// The dotted address at `at`, whose last part is followed by no digit, and its end.
fn dotted(text: &[u8], at: usize) -> Option<(u32, usize)> {
    let (mut address, mut end) = (0u32, at);
    for part in 0..4 {
        if part > 0 {
            (text.get(end) == Some(&b'.')).then_some(())?;
            end += 1;
        }
        // Leading zeros are zeros, up to the three digits that a part has.
        let digits = text[end..].iter().take(4).take_while(|b| b.is_ascii_digit()).count();
        let number = text[end..end + digits].iter().fold(0, |n, b| n * 10 + u32::from(b - b'0'));
        ((1..=3).contains(&digits) && number < 256).then_some(())?;
        address = address << 8 | number;
        end += digits;
    }
    (!digit(text, end)).then_some((address, end))
}

/// Whether a dotted address that ends at `end` has one part more.
fn goes_on(text: &[u8], end: usize) -> bool {
    after(text, end, |b| b == b'.') && digit(text, end + 1)
}

/// The address that all of `text` spells, IPv4 as mapped IPv6.
pub fn address(text: &[u8]) -> Option<u128> {
    if let Some((v4, end)) = dotted(text, 0) {
        return (end == text.len()).then(|| mapped(v4));
    }
    let head = text.iter().rposition(|b| *b == b':')? + 1;
    let mut plain = text.to_vec();
    if let Some((v4, end)) = dotted(text, head) {
        (end == text.len()).then_some(())?;
        plain.truncate(head);
        plain.extend(format!("{:x}:{:x}", v4 >> 16, v4 & 0xffff).bytes());
    }
    Some(u128::from(std::str::from_utf8(&plain).ok()?.parse::<Ipv6Addr>().ok()?))
}

/// Numbers whose first digit is at `at`, or which `00` there leads.
fn phone(naive: &Naive, text: &[u8], at: usize, add: &mut dyn FnMut(usize, usize, usize)) {
    let start = at - usize::from(before(text, at, |b| b == b'+'));
    digits(naive, text, at, &mut |value, end| add(value, start, end));
    if text[at..].starts_with(b"00") {
        let blanks = separators(&text[at + 2..]);
        if blanks <= 3 {
            digits(naive, text, at + 2 + blanks, &mut |value, end| add(value, at, end));
        }
    }
}

/// How many separators `text` begins with; four stand for more.
fn separators(text: &[u8]) -> usize {
    text.iter().take(4).take_while(|b| b" -.()/".contains(b)).count()
}

fn digits(naive: &Naive, text: &[u8], mut at: usize, found: &mut dyn FnMut(usize, usize)) {
    let mut number = Vec::new();
    while number.len() < naive.longest_phone && digit(text, at) {
        number.push(text[at]);
        at += 1;
        if !digit(text, at) {
            if let Some(value) = naive.phones.get(&number) {
                found(*value, at);
            }
            match separators(&text[at..]) {
                4 => return,
                blanks => at += blanks,
            }
        }
    }
}
