//! A naive matcher, written from the specification alone: std only, and not a line of it is shared with the library.
//!
//! It decodes the whole text in every order to depth 3, looks at every byte of every level, and compares. It is slow and has
//! no cleverness in which a miss could hide; [`crate::exactness`] holds the library's engines to it.

mod fields;
mod spellings;
mod types;

use std::collections::{BTreeMap, HashMap};

use spellings::Entities;

/// The decodings that are searched, in the order in which the chains are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Escape {
    Percent,
    Json,
    Html,
    Quoted,
}

impl Escape {
    pub const ALL: [Escape; 4] = [Escape::Percent, Escape::Json, Escape::Html, Escape::Quoted];
}

/// Type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Email,
    Uuid,
    Ip,
    Phone,
    Token,
    UserId,
    Username,
    Literal,
}

impl Kind {
    pub const ALL: [Kind; 8] =
        [Kind::Email, Kind::Uuid, Kind::Ip, Kind::Phone, Kind::Token, Kind::UserId, Kind::Username, Kind::Literal];

    /// The name in a registry.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Email => "email",
            Kind::Uuid => "uuid",
            Kind::Ip => "ip",
            Kind::Phone => "phone",
            Kind::Token => "token",
            Kind::UserId => "user_id",
            Kind::Username => "username",
            Kind::Literal => "literal",
        }
    }
}

/// An occurrence: value (its place in the list of [`Naive::new`]), raw range, number of decodings.
pub type Found = (usize, usize, usize, usize);

/// The values, by what is compared.
#[derive(Default)]
pub struct Naive {
    /// E-mails, tokens and literals by their first two bytes in lower case.
    words: Vec<Vec<(usize, Kind, Vec<u8>)>>,
    uuids: HashMap<Vec<u8>, usize>,
    addresses: HashMap<u128, usize>,
    phones: HashMap<Vec<u8>, usize>,
    /// Digits of the longest phone number.
    longest_phone: usize,
    ids: HashMap<Vec<u8>, usize>,
    users: HashMap<Vec<u8>, usize>,
    /// Bytes of the longest user id or user name.
    longest_name: usize,
    entities: Entities,
}

impl Naive {
    /// The values as a registry writes them; distinct, and valid.
    pub fn new(values: &[(Kind, String)]) -> Self {
        let mut naive = Naive::default();
        for (i, (kind, text)) in values.iter().enumerate() {
            let key = canonical(*kind, text);
            match kind {
                Kind::Email | Kind::Token | Kind::Literal => {
                    if naive.words.is_empty() {
                        naive.words.resize(1 << 16, Vec::new());
                    }
                    naive.words[types::first_two(key[0], key[1])].push((i, *kind, key));
                }
                Kind::Uuid => drop(naive.uuids.insert(key, i)),
                Kind::Ip => drop(naive.addresses.insert(u128::from_be_bytes(key.try_into().unwrap()), i)),
                Kind::Phone => {
                    naive.longest_phone = naive.longest_phone.max(key.len());
                    naive.phones.insert(key, i);
                }
                Kind::UserId => {
                    naive.longest_name = naive.longest_name.max(key.len());
                    naive.ids.insert(key, i);
                }
                Kind::Username => {
                    naive.longest_name = naive.longest_name.max(key.len());
                    naive.users.insert(key, i);
                }
            }
        }
        naive
    }

    /// All occurrences in `text` as one unit, by value and place.
    pub fn hits(&self, text: &[u8]) -> Vec<Found> {
        // The fewest decodings for each value and place.
        let mut all: BTreeMap<(usize, usize, usize), usize> = BTreeMap::new();
        spellings::each_level(text, &self.entities, &mut |level, depth| {
            let mut add = |value: usize, start: usize, end: usize| {
                let raw = (value, level.spans[start].0 as usize, level.spans[end - 1].1 as usize);
                let least = all.entry(raw).or_insert(depth);
                *least = depth.min(*least);
            };
            types::find(self, &level.bytes, &mut add);
            fields::find(self, &level.bytes, &mut add);
        });
        longest(all)
    }
}

/// What of a value is compared.
pub fn canonical(kind: Kind, text: &str) -> Vec<u8> {
    match kind {
        Kind::Email | Kind::Username => text.to_ascii_lowercase().into_bytes(),
        Kind::Uuid => {
            let digits = text.trim_start_matches("urn:uuid:").bytes().filter(u8::is_ascii_hexdigit);
            digits.map(|b| b.to_ascii_lowercase()).collect()
        }
        Kind::Ip => types::address(text.as_bytes()).unwrap().to_be_bytes().to_vec(),
        Kind::Phone => {
            let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).collect();
            if !text.starts_with('+') && digits.starts_with(b"00") { digits[2..].to_vec() } else { digits }
        }
        Kind::Token | Kind::UserId | Kind::Literal => text.as_bytes().to_vec(),
    }
}

/// Of hits of one value whose spans overlap the longest, then the leftmost.
fn longest(all: BTreeMap<(usize, usize, usize), usize>) -> Vec<Found> {
    let mut order: Vec<Found> =
        all.into_iter().map(|((value, start, end), depth)| (value, start, end, depth)).collect();
    order.sort_by_key(|&(value, start, end, depth)| (value, std::cmp::Reverse(end - start), start, depth));
    let mut kept: Vec<Found> = Vec::new();
    // Of the value at hand: start → end.
    let (mut of, mut taken) = (usize::MAX, BTreeMap::new());
    for hit in order {
        if hit.0 != of {
            of = hit.0;
            taken.clear();
        }
        let before = taken.range(..hit.2).next_back();
        if before.is_none_or(|(_, end)| *end <= hit.1) {
            taken.insert(hit.1, hit.2);
            kept.push(hit);
        }
    }
    kept.sort_unstable();
    kept
}
