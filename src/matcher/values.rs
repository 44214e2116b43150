//! Distinct values, one after another in an arena: 5 bytes each and what they say.
//!
//! A UUID stands as its 16 bytes. How the registry wrote a value is kept apart only where it cannot be told from the value:
//! e-mails in lower case, UUIDs with dashes, addresses and phone numbers with a `+` cost nothing.

use std::borrow::Cow;
use std::fmt;
use std::io::Write;
use std::net::Ipv6Addr;
use std::ops::Deref;

use super::column::{Bytes, Column};
use super::{Type, Value, ValueId};
use crate::error::{Error, Result};

/// Most values: the highest bit of an id tells other things apart.
pub const VALUES_MAX: u32 = 1 << 31;

/// Values by their ids.
#[derive(Clone, Default, PartialEq)]
pub struct Values {
    /// Type (3 bits), how it is written (2 bits), whether it is packed (1 bit).
    pub(super) heads: Bytes,
    /// Ends in `arena`.
    pub(super) ends: Column<4>,
    /// Canonical bytes; before them, where the written ones follow them, their number (u32).
    pub(super) arena: Bytes,
}

/// How a value is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// As its canonical bytes.
    Same,
    /// As [`usual`] says.
    Usual,
    /// So, but with capital letters.
    Capital,
    /// As stands after it.
    Other,
}

impl How {
    const ALL: [How; 4] = [How::Same, How::Usual, How::Capital, How::Other];
}

const PACKED: u8 = 1 << 5;

impl Values {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Adds a value; `written` is empty where it is the same as `bytes`. Usage errors: more values than can be numbered, or of
    /// more than 4 GiB together.
    pub fn push(&mut self, kind: Type, bytes: &[u8], written: &[u8]) -> Result<ValueId> {
        let id = ValueId::try_from(self.len()).ok().filter(|id| *id < VALUES_MAX);
        let id = id.ok_or_else(|| Error::usage("more than 2147483648 identifiers"))?;
        let how = how(kind, bytes, written);
        let packed = if kind == Type::Uuid { pack(bytes) } else { None };
        let stored = packed.as_ref().map_or(bytes, |packed| &packed[..]);
        let other = if how == How::Other { 4 + written.len() } else { 0 };
        let end = u32::try_from(self.arena.len() + stored.len() + other).map_err(|_| {
            Error::usage("the identifiers are of more than 4 GiB").help("a registry can be split in several")
        })?;
        if how == How::Other {
            self.arena.extend(&(stored.len() as u32).to_le_bytes());
        }
        self.arena.extend(stored);
        if how == How::Other {
            self.arena.extend(written);
        }
        self.ends.add(end);
        self.heads.extend(&[kind as u8 | (how as u8) << 3 | if packed.is_some() { PACKED } else { 0 }]);
        Ok(id)
    }

    /// The value of that id.
    #[inline]
    pub fn get(&self, id: ValueId) -> Option<ValueRef<'_>> {
        let head = *self.heads.get(id as usize)?;
        let mut canonical = self.arena.get(self.ends.range(id as usize)?)?;
        let mut written: &[u8] = &[];
        let how = How::ALL.get(usize::from(head >> 3 & 3)).copied()?;
        if how == How::Other {
            let (len, rest) = canonical.split_first_chunk()?;
            (canonical, written) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        }
        let kind = Type::ALL.get(usize::from(head & 7)).copied()?;
        Some(ValueRef { kind, how, packed: head & PACKED != 0, canonical, written })
    }

    /// All values, by their ids.
    pub fn iter(&self) -> impl Iterator<Item = ValueRef<'_>> + Clone {
        (0..self.len()).filter_map(|id| self.get(id as ValueId))
    }

    /// Bytes of memory.
    pub fn heap(&self) -> usize {
        self.heads.heap() + self.ends.0.heap() + self.arena.heap()
    }
}

impl fmt::Debug for Values {
    /// Never a value (P4).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Values({})", self.len())
    }
}

/// A value where it is kept: see [`Value`].
#[derive(Clone, Copy)]
pub struct ValueRef<'v> {
    /// Its type.
    pub kind: Type,
    how: How,
    packed: bool,
    canonical: &'v [u8],
    written: &'v [u8],
}

impl<'v> ValueRef<'v> {
    /// Canonical bytes.
    #[inline]
    pub fn bytes(&self) -> Text<'v> {
        match <&[u8; 16]>::try_from(self.canonical) {
            Ok(packed) if self.packed => Text(Holding::Digits(unpack(*packed))),
            _ => Text(Holding::Kept(self.canonical)),
        }
    }

    /// As the registry wrote it (trimmed); empty if equal to its canonical bytes.
    pub fn written(&self) -> Cow<'v, [u8]> {
        match self.how {
            How::Same => Cow::Borrowed(&[]),
            How::Usual => Cow::Owned(usual(self.kind, &self.bytes())),
            How::Capital => Cow::Owned(usual(self.kind, &self.bytes()).to_ascii_uppercase()),
            How::Other => Cow::Borrowed(self.written),
        }
    }

    /// Its text as the registry wrote it (trimmed).
    pub fn text(&self) -> Cow<'v, [u8]> {
        match (self.how, self.packed) {
            (How::Same, false) => Cow::Borrowed(self.canonical),
            (How::Same, true) => Cow::Owned(self.bytes().to_vec()),
            _ => self.written(),
        }
    }

    /// The value by itself.
    pub fn to_owned(&self) -> Value {
        Value { kind: self.kind, bytes: (*self.bytes()).into(), written: (*self.written()).into() }
    }
}

impl fmt::Debug for ValueRef<'_> {
    /// Never the value (P4).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ValueRef({}, {} bytes)", self.kind.name(), self.bytes().len())
    }
}

/// Bytes of a value, where they are kept or unpacked.
#[derive(Clone, Copy)]
pub struct Text<'v>(Holding<'v>);

#[derive(Clone, Copy)]
enum Holding<'v> {
    Kept(&'v [u8]),
    Digits([u8; 32]),
}

impl AsRef<[u8]> for Text<'_> {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Deref for Text<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Holding::Kept(kept) => kept,
            Holding::Digits(digits) => digits,
        }
    }
}

fn how(kind: Type, bytes: &[u8], written: &[u8]) -> How {
    if written.is_empty() {
        return How::Same;
    }
    let usual = usual(kind, bytes);
    if *usual == *written {
        How::Usual
    } else if *usual.to_ascii_uppercase() == *written {
        How::Capital
    } else {
        How::Other
    }
}

/// How a value of that type is usually written.
fn usual(kind: Type, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 4);
    match kind {
        Type::Uuid => {
            for (at, digit) in bytes.iter().enumerate() {
                if matches!(at, 8 | 12 | 16 | 20) {
                    out.push(b'-');
                }
                out.push(*digit);
            }
        }
        Type::Ip => {
            if let Ok(octets) = <[u8; 16]>::try_from(bytes) {
                let v6 = Ipv6Addr::from(octets);
                let _infallible = match v6.to_ipv4_mapped() {
                    Some(v4) => write!(out, "{v4}"),
                    None => write!(out, "{v6}"),
                };
            }
        }
        Type::Phone => {
            out.push(b'+');
            out.extend_from_slice(bytes);
        }
        _ => out.extend_from_slice(bytes),
    }
    out
}

/// The bytes that 32 lower-case hex digits stand for.
fn pack(digits: &[u8]) -> Option<[u8; 16]> {
    let (pairs, rest) = digits.as_chunks::<2>();
    let mut out = [0; 16];
    if pairs.len() != out.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(out)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

fn unpack(bytes: [u8; 16]) -> [u8; 32] {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    let mut out = [0; 32];
    for (pair, byte) in out.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::value;
    use proptest::prelude::*;

    #[test]
    fn what_is_usual_costs_nothing() {
        let mut values = Values::default();
        for (kind, text, bytes) in [
            (Type::Email, "alice@example.com", 17),
            (Type::Email, "Alice@Example.com", 17 + 4 + 17),
            (Type::Email, "ALICE@EXAMPLE.COM", 17),
            (Type::Uuid, "6f9619ff-8b86-d011-b42d-00cf4fc964ff", 16),
            (Type::Uuid, "6F9619FF-8B86-D011-B42D-00CF4FC964FF", 16),
            (Type::Uuid, "6f9619ff8b86d011b42d00cf4fc964ff", 16),
            (Type::Ip, "192.0.2.7", 16),
            (Type::Phone, "+491701234567", 12),
            (Type::UserId, "48213", 5),
        ] {
            let value = value::parse(kind, text, true).unwrap();
            let before = values.arena.len();
            let id = values.push(kind, &value.bytes, &value.written).unwrap();
            assert_eq!(values.arena.len() - before, bytes, "{text}");
            assert_eq!(*values.get(id).unwrap().text(), *text.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(
            all in proptest::collection::vec((0usize..8, "[0-9a-fA-F]{32}|[ -~]{0,24}|\\+?[0-9 ]{1,12}|[0-9a-f:.]{3,16}"), 0..30),
        ) {
            let all: Vec<Value> = all.iter().filter_map(|(kind, text)| value::parse(Type::ALL[*kind], text, true).ok()).collect();
            let mut values = Values::default();
            for (value, at) in all.iter().zip(0..) {
                prop_assert_eq!(values.push(value.kind, &value.bytes, &value.written).unwrap(), at);
            }
            let got: Vec<Value> = values.iter().map(|value| value.to_owned()).collect();
            prop_assert!(got == all);
            prop_assert_eq!(values.len(), all.len());
            prop_assert!(values.get(all.len() as u32).is_none());
        }
    }
}
