//! SPEC "Identifier types: where a value counts": the types that count anywhere, one function each, in the table's order.
//!
//! All look at one level's text as it stands. "Letter" and "digit" are ASCII. Where the SPEC is silent:
//! - `uuid`: 32 hex digits, with dashes at 8-4-4-4-12 or with none; the span is digits and dashes.
//! - `ip`: IPv4 is four decimal numbers of one to three digits up to 255 (leading zeros are decimal). IPv6 is the longest run of
//!   hex digits and `:`, with a dotted IPv4 as its end if one stands there; if the whole is not the value, that IPv4 still may be.
//! - `phone`: `+` directly before the digits, or `00` and at most 3 separators, belongs to the span; "next to a digit" is judged
//!   before the `00` or the first digit of the number, and after its last digit.

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv6Addr;

use zeroize::Zeroize;

use super::Found;
use super::variants::Wanted;
use crate::matcher::{Needles, Type, ValueId};

/// Longest IPv6 address in text: six groups and an IPv4 address.
const LONGEST_IPV6: usize = 45;
/// Most separators between two digits of a phone number.
const PHONE_GAP: usize = 3;

/// The values of the types that count anywhere.
pub(super) struct Anywhere {
    email: Words,
    uuid: Values,
    ip: Values,
    phone: Values,
    token: Words,
    literal: Words,
}

impl Anywhere {
    pub(super) fn new(needles: &Needles) -> Self {
        let values = |kind| Values::new(needles, kind);
        Self {
            email: Words::new(values(Type::Email), true),
            uuid: values(Type::Uuid),
            ip: values(Type::Ip),
            phone: values(Type::Phone),
            token: Words::new(values(Type::Token), false),
            literal: Words::new(values(Type::Literal), false),
        }
    }

    /// Adds every value that stands in `text` and is of a type that is wanted.
    pub(super) fn find(&self, text: &[u8], wanted: &Wanted, found: &mut Vec<Found>) {
        let wants = |kind| wanted.as_ref().is_none_or(|types| types.contains(&kind));
        if wants(Type::Email) {
            self.email.find(text, email_starts, email_ends, found);
        }
        if wants(Type::Uuid) {
            find_uuids(&self.uuid, text, found);
        }
        if wants(Type::Ip) {
            find_ips(&self.ip, text, found);
        }
        if wants(Type::Phone) {
            find_phones(&self.phone, text, found);
        }
        if wants(Type::Token) {
            self.token.find(text, token_starts, token_ends, found);
        }
        if wants(Type::Literal) {
            self.literal.find(text, |_, _| true, |_, _| true, found);
        }
    }
}

/// Not after one of `A-Z a-z 0-9 . _ % + -`.
fn email_starts(text: &[u8], start: usize) -> bool {
    !before(text, start).is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'%' | b'+' | b'-'))
}

/// Not before a letter, digit, `-` or `_`, or `.` and a letter or digit.
fn email_ends(text: &[u8], end: usize) -> bool {
    match at(text, end) {
        Some(b'.') => !is(text, end + 1, u8::is_ascii_alphanumeric),
        Some(b) => !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')),
        None => true,
    }
}

/// Not after a letter, digit, `_` or `-`.
fn token_starts(text: &[u8], start: usize) -> bool {
    !before(text, start).is_some_and(token_byte)
}

/// Not before a letter, digit, `_` or `-`.
fn token_ends(text: &[u8], end: usize) -> bool {
    !at(text, end).is_some_and(token_byte)
}

fn token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')
}

fn find_uuids(uuids: &Values, text: &[u8], found: &mut Vec<Found>) {
    if uuids.is_empty() {
        return;
    }
    for start in 0..text.len() {
        let hex = is(text, start, u8::is_ascii_hexdigit);
        if !hex || before(text, start).is_some_and(|b| b.is_ascii_alphanumeric()) {
            continue;
        }
        let plain = text.get(start..start + 32).and_then(|word| digits(word, &[]));
        let dashed = text.get(start..start + 36).and_then(|word| digits(word, &[8, 13, 18, 23]));
        for (digits, len) in [(plain, 32), (dashed, 36)] {
            let Some(digits) = digits else { continue };
            if let Some(value) = uuids.get(&digits)
                && !is(text, start + len, u8::is_ascii_alphanumeric)
            {
                found.push((value, start..start + len));
            }
        }
    }
}

/// The hex digits of `word` in lower case, if there is nothing else but dashes at `dashes`.
fn digits(word: &[u8], dashes: &[usize]) -> Option<Vec<u8>> {
    let mut bytes = word.iter().enumerate();
    let right = bytes.all(|(i, b)| {
        let dash = dashes.contains(&i);
        dash == (*b == b'-') && (dash || b.is_ascii_hexdigit())
    });
    let digits = word.iter().filter(|b| **b != b'-');
    right.then(|| digits.map(u8::to_ascii_lowercase).collect())
}

fn find_ips(ips: &Values, text: &[u8], found: &mut Vec<Found>) {
    if ips.is_empty() {
        return;
    }
    let mut look = |address: Ipv6Addr, span| {
        if let Some(value) = ips.get(&address.octets()) {
            found.push((value, span));
        }
    };
    for start in 0..text.len() {
        if !at(text, start).is_some_and(ipv6_byte) {
            continue;
        }
        if let Some((octets, end)) = ipv4(text, start) {
            look(std::net::Ipv4Addr::from(octets).to_ipv6_mapped(), start..end);
        }
        if let Some((address, end)) = ipv6(text, start) {
            look(address, start..end);
        }
    }
}

/// The IPv4 address that starts at `start`, and its end: not after a digit or a digit and `.`; not before a digit or `.` and a
/// digit.
fn ipv4(text: &[u8], start: usize) -> Option<([u8; 4], usize)> {
    let digit = u8::is_ascii_digit;
    let after_digit = match before(text, start) {
        Some(b'.') => before(text, start - 1).is_some_and(|b| digit(&b)),
        Some(b) => digit(&b),
        None => false,
    };
    if after_digit {
        return None;
    }
    let (octets, end) = dotted(text, start)?;
    let before_digit = is(text, end, digit) || at(text, end) == Some(b'.') && is(text, end + 1, digit);
    (!before_digit).then_some((octets, end))
}

/// Four numbers up to 255 of at most three digits, with dots between, and their end.
fn dotted(text: &[u8], start: usize) -> Option<([u8; 4], usize)> {
    let mut octets = [0; 4];
    let mut end = start;
    for (i, octet) in octets.iter_mut().enumerate() {
        if i > 0 {
            (at(text, end)? == b'.').then_some(())?;
            end += 1;
        }
        let digits: Vec<u8> = tail(text, end).iter().copied().take_while(u8::is_ascii_digit).take(3).collect();
        *octet = std::str::from_utf8(&digits).ok()?.parse().ok()?;
        end += digits.len();
    }
    Some((octets, end))
}

/// The IPv6 address that starts at `start`, and its end: not next to a hex digit or `:`.
fn ipv6(text: &[u8], start: usize) -> Option<(Ipv6Addr, usize)> {
    if before(text, start).is_some_and(ipv6_byte) {
        return None;
    }
    let run = tail(text, start);
    let run = run.get(..run.iter().take_while(|b| ipv6_byte(**b)).count()).unwrap_or(run);
    if run.len() > LONGEST_IPV6 {
        return None;
    }
    let colon = run.iter().rposition(|b| *b == b':')?;
    // An IPv4 address as its end is written as two groups more.
    if dotted(text, start + colon + 1).is_some() {
        let ([a, b, c, d], end) = ipv4(text, start + colon + 1)?;
        let head = std::str::from_utf8(run.get(..=colon)?).ok()?;
        let groups = format!("{head}{a:02x}{b:02x}:{c:02x}{d:02x}");
        return (!at(text, end).is_some_and(ipv6_byte)).then_some((groups.parse().ok()?, end));
    }
    Some((std::str::from_utf8(run).ok()?.parse().ok()?, start + run.len()))
}

fn ipv6_byte(b: u8) -> bool {
    b.is_ascii_hexdigit() || b == b':'
}

fn find_phones(phones: &Values, text: &[u8], found: &mut Vec<Found>) {
    for first in 0..text.len() {
        if !phones.is_empty()
            && is(text, first, u8::is_ascii_digit)
            && let Some(start) = phone_starts(text, first)
        {
            find_phone(phones, text, start, first, found);
        }
    }
}

/// Where the span of a number begins whose first digit (after `+` or `00`) is at `first`; `None` next to a digit.
fn phone_starts(text: &[u8], first: usize) -> Option<usize> {
    let head = text.get(..first)?;
    if head.ends_with(b"+") {
        return Some(first - 1);
    }
    let gap = gap(head.iter().rev());
    if let Some(head) = head.get(..first - gap)
        && let Some(head) = head.strip_suffix(b"00")
        && !head.last().is_some_and(u8::is_ascii_digit)
    {
        return Some(head.len());
    }
    (!head.last().is_some_and(u8::is_ascii_digit)).then_some(first)
}

/// Adds each number whose first digit is at `first`.
fn find_phone(phones: &Values, text: &[u8], start: usize, first: usize, found: &mut Vec<Found>) {
    let mut digits = Vec::new();
    let mut next = first;
    while let Some(digit) = at(text, next).filter(u8::is_ascii_digit) {
        digits.push(digit);
        if digits.len() > phones.longest() {
            return;
        }
        let end = next + 1;
        if !is(text, end, u8::is_ascii_digit)
            && let Some(value) = phones.get(&digits)
        {
            found.push((value, start..end));
        }
        next = end + gap(tail(text, end).iter());
    }
}

/// Number of separators that `bytes` begin with; no more are counted than may stand between two digits.
fn gap<'b>(bytes: impl Iterator<Item = &'b u8>) -> usize {
    let separators = bytes.take_while(|b| b" -.()/".contains(b));
    separators.take(PHONE_GAP).count()
}

/// The values of one type by their canonical bytes.
pub(super) struct Values {
    ids: HashMap<Box<[u8]>, ValueId>,
    lengths: BTreeSet<usize>,
}

impl Values {
    pub(super) fn new(needles: &Needles, kind: Type) -> Self {
        let of_kind = || needles.values().filter(move |(_, value)| value.kind == kind);
        Self {
            ids: of_kind().map(|(id, value)| (Box::from(&*value.bytes()), id)).collect(),
            lengths: of_kind().map(|(_, value)| value.bytes().len()).collect(),
        }
    }

    /// The value with these canonical bytes.
    pub(super) fn get(&self, bytes: &[u8]) -> Option<ValueId> {
        if !self.lengths.contains(&bytes.len()) {
            return None;
        }
        self.ids.get(bytes).copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Bytes of the longest value.
    pub(super) fn longest(&self) -> usize {
        self.lengths.last().copied().unwrap_or(0)
    }
}

impl Drop for Values {
    fn drop(&mut self) {
        for (mut bytes, _) in self.ids.drain() {
            bytes.zeroize();
        }
    }
}

/// Values that are found byte for byte; e-mails without case, as their canonical bytes are in lower case.
struct Words {
    values: Values,
    /// Whether text is put in lower case before it is compared.
    caseless: bool,
    /// For each first two bytes (canonical; the first is the high one) the lengths of the values that begin so, ascending.
    /// A value of one byte is under all second bytes. Empty if there are no values.
    lengths: Vec<Vec<usize>>,
}

impl Words {
    fn new(values: Values, caseless: bool) -> Self {
        let mut lengths = Vec::new();
        if !values.is_empty() {
            lengths.resize(1 << 16, Vec::new());
        }
        let mut words: Vec<&[u8]> = values.ids.keys().map(|word| &**word).collect();
        words.sort_unstable_by_key(|word| word.len());
        for word in words {
            let heads = match word {
                [] => 0..0,
                [only] => head(*only, 0)..head(*only, u8::MAX) + 1,
                [first, second, ..] => head(*first, *second)..head(*first, *second) + 1,
            };
            for known in lengths.get_mut(heads).into_iter().flatten() {
                if known.last() != Some(&word.len()) {
                    known.push(word.len());
                }
            }
        }
        Self { values, caseless, lengths }
    }

    /// Adds each value that stands in `text` where `starts` holds at its first byte and `ends` one past its last.
    fn find(
        &self,
        text: &[u8],
        starts: fn(&[u8], usize) -> bool,
        ends: fn(&[u8], usize) -> bool,
        found: &mut Vec<Found>,
    ) {
        if self.values.is_empty() {
            return;
        }
        let fold = |b: u8| {
            if self.caseless { b.to_ascii_lowercase() } else { b }
        };
        for (start, first) in text.iter().enumerate() {
            let second = at(text, start + 1).unwrap_or(0);
            let lengths = self.lengths.get(head(fold(*first), fold(second)));
            for len in lengths.into_iter().flatten() {
                let end = start + len;
                if let Some(word) = text.get(start..end)
                    && starts(text, start)
                    && ends(text, end)
                    && let Some(value) = self.values.get(&word.iter().map(|b| fold(*b)).collect::<Vec<u8>>())
                {
                    found.push((value, start..end));
                }
            }
        }
    }
}

/// Index of the words that begin with these two bytes.
fn head(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

/// The byte at `i`, if there is one.
pub(super) fn at(text: &[u8], i: usize) -> Option<u8> {
    text.get(i).copied()
}

/// The byte before `i`, if there is one.
pub(super) fn before(text: &[u8], i: usize) -> Option<u8> {
    at(text, i.checked_sub(1)?)
}

/// Whether there is a byte at `i` and it is of that class.
pub(super) fn is(text: &[u8], i: usize, class: fn(&u8) -> bool) -> bool {
    text.get(i).is_some_and(class)
}

/// The bytes before `i`.
pub(super) fn upto(text: &[u8], i: usize) -> &[u8] {
    text.get(..i).unwrap_or(text)
}

/// The bytes from `i` on.
pub(super) fn tail(text: &[u8], i: usize) -> &[u8] {
    text.get(i..).unwrap_or_default()
}
