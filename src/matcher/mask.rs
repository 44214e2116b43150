//! Masking of names: paths, object keys, URIs and member names in whatever the program prints (promise P4).
//!
//! Stricter than the search: a value is masked wherever its bytes occur in a name, in any case and spelling, whether or not it
//! would count as a hit there; besides, whatever the engine finds. Only a value of fewer than six bytes must stand between
//! non-alphanumerics, or every digit of every path would go. Names are short, so that a sorted list of the values' forms
//! (eight bytes each, sharing the registry's memory) and a binary search for each byte serve; no automaton is built.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::literal::Literal;
use super::{Needles, Plan, Type, Value};
use crate::error::Result;

/// A value of fewer bytes is masked only between non-alphanumerics (SPEC P4).
const SHORT: usize = 6;

/// Replaces identifiers in names by `*`. Cheap to clone.
#[derive(Clone)]
pub struct Masker(Arc<Inner>);

struct Inner {
    engine: Literal,
    /// Sorted by bytes without case; distinct.
    forms: Vec<Form>,
    /// For each form the longest other form that is a prefix of it, or [`NONE`].
    parents: Vec<u32>,
    /// Whether a form starts with these two bytes (in lower case): 65,536 bits.
    starts: Vec<u64>,
    /// IP addresses as text.
    rendered: Zeroizing<Vec<u8>>,
    /// Longest form, bytes.
    longest: usize,
}

const NONE: u32 = u32::MAX;

/// One way to write a value. The bytes are the registry's, but for a few.
#[derive(Clone, Copy)]
struct Form {
    value: u32,
    how: How,
}

#[derive(Clone, Copy)]
enum How {
    Canonical,
    Written,
    /// A UUID with dashes.
    Dashed,
    /// A range of `rendered`: start (its length is found by the line feed after it).
    Rendered(u32),
}

impl Inner {
    fn bytes(&self, form: Form) -> Cow<'_, [u8]> {
        bytes(self.engine.needles(), &self.rendered, form)
    }
}

fn bytes<'a>(needles: &'a Needles, rendered: &'a [u8], form: Form) -> Cow<'a, [u8]> {
    let Some(value) = needles.value(form.value) else {
        return Cow::Borrowed(b"");
    };
    match form.how {
        How::Canonical => Cow::Owned(value.bytes().to_vec()),
        How::Written => value.written(),
        How::Dashed => {
            let bytes = value.bytes();
            let mut digits = bytes.iter();
            let byte =
                |i| if matches!(i, 8 | 13 | 18 | 23) { b'-' } else { digits.next().copied().unwrap_or_default() };
            Cow::Owned((0..36).map(byte).collect())
        }
        How::Rendered(start) => {
            let rest = rendered.get(start as usize..).unwrap_or_default();
            Cow::Borrowed(rest.split(|b| *b == b'\n').next().unwrap_or_default())
        }
    }
}

/// Compares without case.
fn order(a: &[u8], b: &[u8]) -> Ordering {
    a.iter().map(u8::to_ascii_lowercase).cmp(b.iter().map(u8::to_ascii_lowercase))
}

fn starts_with(text: &[u8], prefix: &[u8]) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

impl Masker {
    /// The masker of the engine's values; shares the engine and the registry's memory.
    pub fn of(engine: &Literal) -> Self {
        let needles = Arc::clone(engine.needles());
        let mut rendered = Zeroizing::new(Vec::new());
        let mut forms = Vec::new();
        for (id, value) in needles.values() {
            collect(id, &value.to_owned(), &mut rendered, &mut forms);
        }
        forms.sort_unstable_by(|a, b| order(&bytes(&needles, &rendered, *a), &bytes(&needles, &rendered, *b)));
        forms.dedup_by(|a, b| order(&bytes(&needles, &rendered, *a), &bytes(&needles, &rendered, *b)).is_eq());
        let mut inner = Inner {
            engine: engine.clone(),
            parents: Vec::with_capacity(forms.len()),
            starts: vec![0; 1024],
            rendered,
            longest: 0,
            forms,
        };
        inner.index();
        Self(Arc::new(inner))
    }

    /// As [`Self::of`], with an engine of its own. Errors: as [`Literal::new`].
    pub fn new(plan: &Plan) -> Result<Self> {
        Ok(Self::of(&Literal::new(plan)?))
    }

    /// `name` with `*` for every byte that spells a value; the same length.
    pub fn mask(&self, name: &[u8]) -> Vec<u8> {
        let mut out = name.to_vec();
        if !self.0.forms.is_empty() {
            let mut cover = |span: Range<usize>| {
                if let Some(bytes) = out.get_mut(span) {
                    bytes.fill(b'*');
                }
            };
            self.0.engine.each_place(name, &mut cover);
            self.0.engine.each_level(name, &mut |level, place| {
                self.0.occurrences(level, &mut |span| cover(place(span)));
            });
        }
        out
    }

    /// Whether [`Self::mask`] would change anything.
    pub fn touches(&self, name: &[u8]) -> bool {
        self.mask(name) != name
    }
}

/// Adds the forms of a value. An empty one would mask nothing.
fn collect(id: u32, value: &Value, rendered: &mut Vec<u8>, forms: &mut Vec<Form>) {
    let mut add = |how| forms.push(Form { value: id, how });
    if !value.written.is_empty() {
        add(How::Written);
    }
    match (value.kind, <[u8; 16]>::try_from(&*value.bytes)) {
        (Type::Ip, Ok(address)) => {
            add(How::Rendered(rendered.len() as u32));
            let v6 = Ipv6Addr::from(address);
            let text = v6.to_ipv4_mapped().map_or_else(|| v6.to_string(), |v4: Ipv4Addr| v4.to_string());
            rendered.extend_from_slice(text.as_bytes());
            rendered.push(b'\n');
        }
        (Type::Uuid, _) if value.bytes.len() == 32 => {
            add(How::Canonical);
            add(How::Dashed);
        }
        _ if !value.bytes.is_empty() => add(How::Canonical),
        _ => {}
    }
}

impl Inner {
    /// Fills `parents`, `starts` and `longest` from the sorted forms.
    fn index(&mut self) {
        let mut open: Vec<u32> = Vec::new();
        for at in 0..self.forms.len() {
            let Some(form) = self.forms.get(at).copied() else {
                break;
            };
            let text = bytes(self.engine.needles(), &self.rendered, form);
            self.longest = self.longest.max(text.len());
            let first = text.first().map_or(0, u8::to_ascii_lowercase);
            let seconds = match text.get(1) {
                Some(second) => usize::from(second.to_ascii_lowercase())..usize::from(second.to_ascii_lowercase()) + 1,
                None => 0..256,
            };
            for second in seconds {
                let bit = usize::from(first) << 8 | second;
                if let Some(word) = self.starts.get_mut(bit / 64) {
                    *word |= 1 << (bit % 64);
                }
            }
            while let Some(top) = open.last().and_then(|top| self.forms.get(*top as usize)) {
                if starts_with(&text, &bytes(self.engine.needles(), &self.rendered, *top)) {
                    break;
                }
                open.pop();
            }
            self.parents.push(open.last().copied().unwrap_or(NONE));
            open.push(at as u32);
        }
    }

    /// Calls `found` with every occurrence of a form in `text`; a short one only between non-alphanumerics.
    fn occurrences(&self, text: &[u8], found: &mut dyn FnMut(Range<usize>)) {
        for start in 0..text.len() {
            let rest = text.get(start..).unwrap_or_default();
            if !self.may_start(rest) {
                continue;
            }
            self.prefixes(rest, &mut |len| {
                let alphanumeric =
                    |at: Option<usize>| at.and_then(|i| text.get(i)).is_some_and(u8::is_ascii_alphanumeric);
                if len >= SHORT || !(alphanumeric(start.checked_sub(1)) || alphanumeric(Some(start + len))) {
                    found(start..start + len);
                }
            });
        }
    }

    fn may_start(&self, rest: &[u8]) -> bool {
        let lower = |at: usize| rest.get(at).map_or(0, u8::to_ascii_lowercase);
        let bit = usize::from(lower(0)) << 8 | usize::from(lower(1));
        self.starts.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    /// Calls `found` with the length of every form that `rest` starts with, longest first.
    ///
    /// The longest is the last form not after `rest`, or one of its prefixes; all others are prefixes of that one.
    fn prefixes(&self, rest: &[u8], found: &mut dyn FnMut(usize)) {
        let rest = rest.get(..self.longest).unwrap_or(rest);
        let after = self.forms.partition_point(|form| order(&self.bytes(*form), rest).is_le());
        let mut at = after.checked_sub(1).map_or(NONE, |i| i as u32);
        while let Some(form) = self.forms.get(at as usize) {
            let text = self.bytes(*form);
            if starts_with(rest, &text) {
                found(text.len());
            }
            at = self.parents.get(at as usize).copied().unwrap_or(NONE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Fields;
    use proptest::prelude::*;

    fn masker(values: &[(Type, &[u8], &str)]) -> Masker {
        let values = values.iter().map(|(kind, bytes, written)| Value {
            kind: *kind,
            bytes: (*bytes).into(),
            written: written.as_bytes().into(),
        });
        let values: Vec<Value> = values.collect();
        let needles = Needles::of_values(&values).unwrap();
        Masker::new(&Plan { needles: Arc::new(needles), fields: Arc::new(Fields::default()) }).unwrap()
    }

    fn people() -> Masker {
        let ip = "192.0.2.7".parse::<Ipv4Addr>().unwrap().to_ipv6_mapped().octets();
        masker(&[
            (Type::Email, b"alice@example.com", "Alice@Example.com"),
            (Type::UserId, b"48213", ""),
            (Type::UserId, b"482", ""),
            (Type::Username, b"alice_w", ""),
            (Type::Uuid, b"9f1c2d3e000040008000000000000abc", ""),
            (Type::Ip, &ip, ""),
            (Type::Phone, b"491701234567", "+49 170 1234567"),
            (Type::Token, b"Tok", ""),
        ])
    }

    #[test]
    fn values_are_masked_wherever_they_occur() {
        let masker = people();
        for (name, shown) in [
            ("logs/alice@example.com.gz", "logs/*****************.gz"),
            ("xALICE@example.COMx", "x*****************x"),
            ("a%6Cice%40example.com/x", "*********************/x"),
            ("s3://b/%2561lice_w1/48213/482130", "s3://b/***********1/*****/482130"),
            ("a-482.log a482 482", "a-***.log a482 ***"),
            ("9f1c2d3e-0000-4000-8000-000000000ABCx", "************************************x"),
            ("x9f1c2d3e000040008000000000000abc", "x********************************"),
            ("in/192.000.002.7/1192.0.2.71", "in/*************/1*********1"),
            ("::ffff:c000:207", "***************"),
            ("t+49-170-1234567 x491701234567x", "t*************** x************x"),
            ("tok/atok", "***/atok"),
            ("nothing here", "nothing here"),
            ("", ""),
        ] {
            let shown_name = String::from_utf8(masker.mask(name.as_bytes())).unwrap();
            assert_eq!(shown_name, shown, "{name}");
            assert_eq!(masker.touches(name.as_bytes()), name != shown);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_plain_search(values in proptest::collection::vec("[abAB1]{1,8}", 0..12), name in "[abAB1/]{0,24}") {
            let list: Vec<(Type, &[u8], &str)> = values.iter().map(|v| (Type::Literal, v.as_bytes(), "")).collect();
            let mut want = name.clone().into_bytes();
            let lower = name.to_lowercase();
            let bytes = name.as_bytes();
            for value in values.iter().map(|v| v.to_lowercase()) {
                for at in 0..name.len() {
                    let end = at + value.len();
                    let free = !(at > 0 && bytes[at - 1].is_ascii_alphanumeric()
                        || bytes.get(end).is_some_and(u8::is_ascii_alphanumeric));
                    if lower[at..].starts_with(&value) && (value.len() >= SHORT || free) {
                        want[at..end].fill(b'*');
                    }
                }
            }
            // What the engine finds (these bytes in this case, anywhere) is masked as well.
            for value in &values {
                for (at, _) in name.char_indices().filter(|(at, _)| name[*at..].starts_with(value.as_str())) {
                    want[at..at + value.len()].fill(b'*');
                }
            }
            prop_assert_eq!(masker(&list).mask(name.as_bytes()), want);
        }
    }
}
