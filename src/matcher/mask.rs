//! Masking of names: paths, object keys, URIs and member names in whatever the program prints (promise P4).
//!
//! Stricter than the search: a value is masked wherever its bytes occur in a name, in any case and spelling, whether or not it
//! would count as a hit there; besides, whatever the engine finds. Only a value of fewer than six bytes must stand between
//! non-alphanumerics, or every digit of every path would go. It has nothing of its own: the engine's tables serve.

use std::ops::Range;

use super::Plan;
use super::literal::Literal;
use crate::error::Result;

/// A value of fewer bytes is masked only between non-alphanumerics (SPEC P4).
const SHORT: usize = 6;

/// Replaces identifiers in names by `*`. Cheap to clone.
#[derive(Clone)]
pub struct Masker(Literal);

impl Masker {
    /// The masker of the engine's values; shares the engine and the registry's memory.
    pub fn of(engine: &Literal) -> Self {
        Self(engine.clone())
    }

    /// As [`Self::of`], with an engine of its own. Errors: as [`Literal::new`].
    pub fn new(plan: &Plan) -> Result<Self> {
        Ok(Self(Literal::new(plan)?))
    }

    /// `name` with `*` for every byte that spells a value; the same length.
    pub fn mask(&self, name: &[u8]) -> Vec<u8> {
        let mut out = name.to_vec();
        if self.0.needles().ids() == 0 {
            return out;
        }
        let mut cover = |span: Range<usize>| {
            if let Some(bytes) = out.get_mut(span) {
                bytes.fill(b'*');
            }
        };
        self.0.each_place(name, &mut cover);
        self.0.each_level(name, &mut |level, place| {
            self.0.each_form(level, &mut |span| {
                if span.len() >= SHORT || stands_alone(level, &span) {
                    cover(place(span));
                }
            });
        });
        out
    }

    /// Whether [`Self::mask`] would change anything.
    pub fn touches(&self, name: &[u8]) -> bool {
        self.mask(name) != name
    }
}

fn stands_alone(text: &[u8], span: &Range<usize>) -> bool {
    let alphanumeric = |at: Option<usize>| at.and_then(|i| text.get(i)).is_some_and(u8::is_ascii_alphanumeric);
    !(alphanumeric(span.start.checked_sub(1)) || alphanumeric(Some(span.end)))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use super::*;
    use crate::matcher::{Needles, Type, Value};
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
        /// Values of any type and look, in the middle of anything: their bytes never show.
        #[test]
        fn no_value_shows(
            values in proptest::collection::vec((0usize..8, "[abAB1@._ -]{6,12}|[0-9]{7,12}|[a-c0-9]{6,9}@[a-c]{1,5}\\.[a-c]{2}|[0-9a-fA-F]{32}|[0-9]{1,3}\\.2\\.3\\.4|1:2:[0-9a-f]{1,4}::7|\\+[0-9 ]{9,14}"), 1..6),
            around in proptest::collection::vec("[ab1@._/:-]{0,4}", 8),
        ) {
            let values: Vec<Value> =
                values.iter().filter_map(|(kind, text)| crate::registry::value::parse(Type::ALL[*kind], text, true).ok()).collect();
            let needles = Needles::of_values(&values).unwrap();
            let masker = Masker::new(&Plan { needles: Arc::new(needles), fields: Arc::new(Fields::default()) }).unwrap();
            for value in &values {
                let written = if value.written.is_empty() { &value.bytes } else { &value.written };
                let written = std::str::from_utf8(written).unwrap();
                if written.len() < SHORT {
                    continue;
                }
                for pair in around.windows(2) {
                    let name = format!("{}{}{}", pair[0], written, pair[1]);
                    let masked = masker.mask(name.as_bytes());
                    prop_assert_eq!(masked.len(), name.len());
                    let shown = String::from_utf8_lossy(&masked).to_lowercase();
                    prop_assert!(!shown.contains(&written.to_lowercase()), "{} {}", name, shown);
                }
            }
        }

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
