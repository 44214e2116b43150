//! Whether a reference that is shown would show a value of its own subject.
//!
//! Every value of a registry is asked about, so that what can be told by lengths and counts is told by them; the engine is asked
//! only about what is left: references with escapes in them, short values, addresses.

use std::sync::Arc;

use crate::matcher::reference::Reference;
use crate::matcher::{Engine, Needles, Plan, Type, Unit, Value};

/// Shorter texts count only between non-alphanumerics, bytes.
const ALONE: usize = 6;

/// A reference, looked at once for all values of its event.
pub(super) struct Look<'r> {
    /// In lower case.
    text: &'r str,
    ascii: bool,
    /// Nothing but letters, digits, `_` and `-`: it has no other spelling.
    plain: bool,
    /// Something in it may decode to something else.
    escapes: bool,
    digits: usize,
    hex: usize,
    dots: usize,
    colons: usize,
}

impl<'r> Look<'r> {
    /// Looks at `reference`; `lower` is room for it in lower case.
    pub(super) fn new(reference: &str, lower: &'r mut String) -> Self {
        lower.clear();
        let ascii = reference.is_ascii();
        if ascii {
            lower.push_str(reference);
            lower.make_ascii_lowercase();
        } else {
            lower.push_str(&reference.to_lowercase());
        }
        let text = &**lower;
        let count = |is: fn(&u8) -> bool| text.as_bytes().iter().filter(|b| is(b)).count();
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
        let mut look = Self { text, ascii, plain, escapes: false, digits: 0, hex: 0, dots: 0, colons: 0 };
        if !plain {
            look.escapes = escapes(text.as_bytes());
            look.digits = count(u8::is_ascii_digit);
            look.hex = count(u8::is_ascii_hexdigit);
            look.dots = count(|b| *b == b'.');
            look.colons = count(|b| *b == b':');
        }
        look
    }

    /// Whether the reference would show the value with these canonical bytes, `written` so (empty: as they are): an
    /// anywhere-type's text stands in it, one of fewer than 6 bytes between non-alphanumerics. Ids that only count in identifying
    /// fields often are part of a reference by design (`user-1207`), and hidden only if they are all of it.
    pub(super) fn tells(&self, kind: Type, bytes: &[u8], written: &[u8]) -> bool {
        if kind.anywhere() {
            self.stands(written) || self.stands(bytes) || self.is_spelled(kind, bytes)
        } else if bytes.is_ascii() && self.ascii {
            bytes.eq_ignore_ascii_case(self.text.as_bytes())
        } else {
            std::str::from_utf8(bytes).is_ok_and(|text| text.to_lowercase() == self.text)
        }
    }

    fn stands(&self, text: &[u8]) -> bool {
        if text.is_empty() || text.len() > self.text.len() {
            return false;
        }
        let Ok(text) = std::str::from_utf8(text) else {
            return false;
        };
        let text = text.to_lowercase();
        let edge = |c: Option<char>| text.len() >= ALONE || !c.is_some_and(char::is_alphanumeric);
        self.text.match_indices(&text).any(|(at, text)| {
            let before = self.text.get(..at).unwrap_or_default();
            let after = self.text.get(at + text.len()..).unwrap_or_default();
            edge(before.chars().next_back()) && edge(after.chars().next())
        })
    }

    /// Whether the value stands in it in another spelling or form: `alice%40example.com`, an address written out.
    fn is_spelled(&self, kind: Type, bytes: &[u8]) -> bool {
        self.may_spell(kind, bytes) && self.spells(kind, bytes)
    }

    /// What can be told without the engine: `false` only where it finds nothing.
    ///
    /// An escape of an ASCII character is longer than it, and one of a digit holds a digit, so that decoding never makes more of
    /// them. Where nothing decodes, a text of some length was found as it stands.
    fn may_spell(&self, kind: Type, bytes: &[u8]) -> bool {
        match kind {
            _ if self.plain => false,
            Type::Uuid => self.hex >= 32,
            Type::Phone => self.digits >= bytes.len(),
            Type::Ip => self.escapes || self.dots >= 3 || self.colons >= 2,
            _ if !self.escapes => bytes.len() < ALONE,
            _ => !bytes.is_ascii() || bytes.len() <= self.text.len(),
        }
    }

    /// Asks the engine.
    fn spells(&self, kind: Type, bytes: &[u8]) -> bool {
        let value = Value { kind, bytes: bytes.into(), written: Box::default() };
        // One value can be numbered; else it is hidden.
        let Ok(needles) = Needles::of_values([&value]) else {
            return true;
        };
        let engine = Reference::new(&Plan { needles: Arc::new(needles), fields: Arc::default() });
        let mut hits = Vec::new();
        engine.hits(&Unit { text: self.text.as_bytes(), fields: &[], table: None }, &mut hits);
        !hits.is_empty()
    }
}

/// Whether something in `text` looks like an escape of any spelling.
fn escapes(text: &[u8]) -> bool {
    let mut signs = memchr::memchr3_iter(b'%', b'&', b'=', text);
    let after = |at: usize| text.get(at + 1).copied().unwrap_or_default();
    memchr::memchr(b'\\', text).is_some()
        || signs.any(|at| match text.get(at) {
            Some(b'&') => after(at) == b'#' || after(at).is_ascii_alphabetic(),
            // A soft line break may have white space before its end.
            Some(b'=') => after(at).is_ascii_hexdigit() || after(at).is_ascii_whitespace(),
            _ => after(at).is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::value;
    use proptest::prelude::*;

    /// The rule without its short cuts.
    fn slowly(reference: &str, value: &Value) -> bool {
        let mut lower = String::new();
        let look = Look::new(reference, &mut lower);
        if value.kind.anywhere() {
            look.stands(&value.written)
                || look.stands(&value.bytes)
                || (!look.plain && look.spells(value.kind, &value.bytes))
        } else {
            std::str::from_utf8(&value.bytes).unwrap().to_lowercase() == reference.to_lowercase()
        }
    }

    #[test]
    fn spellings() {
        let table = [
            ("alice%40example.com", Type::Email, "alice@example.com", true),
            ("alice=40example.com", Type::Email, "alice@example.com", true),
            ("alice&#64;example.com", Type::Email, "alice@example.com", true),
            ("alice\\u0040example.com", Type::Email, "alice@example.com", true),
            ("alice.example.com", Type::Email, "alice@example.com", false),
            ("u/6f9619ff-8b86-d011-b42d-00cf4fc964ff", Type::Uuid, "{6F9619FF-8B86-D011-B42D-00CF4FC964FF}", true),
            ("host 2001:db8:0::1", Type::Ip, "2001:db8::1", true),
            ("host 192.0.2.007", Type::Ip, "192.0.2.7", true),
            ("tel:+49 (151) 234-5678", Type::Phone, "+491512345678", true),
            ("tel:+49 151 234", Type::Phone, "+491512345678", false),
            ("team:48213", Type::UserId, "48213", false),
            ("48213", Type::UserId, "48213", true),
            ("\u{e9}abcd\u{e9}", Type::Token, "abcd", true),
        ];
        for (reference, kind, text, want) in table {
            let value = value::parse(kind, text, true).unwrap();
            let mut lower = String::new();
            let look = Look::new(reference, &mut lower);
            assert_eq!(look.tells(kind, &value.bytes, &value.written), want, "{reference} {text}");
            assert_eq!(slowly(reference, &value), want, "{reference} {text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]

        /// The short cuts never take a reference for harmless that the engine does not.
        #[test]
        fn short_cuts(
            (kind, text) in prop_oneof![
                (Just(Type::Email), "[a-b\u{e9}\u{c9}]{1,3}@[a-b]{1,2}"),
                (Just(Type::Phone), "\\+?[1-3]{1,4}"),
                (Just(Type::Ip), "[0-2]\\.[0-2]\\.0\\.1|::[0-1a]|[a-b]::1"),
                (Just(Type::Token), "[aA1\u{c9}]{1,7}"),
                (Just(Type::Literal), "[aA1 =%\u{3a3}]{1,7}"),
                (Just(Type::UserId), "[aA1\u{c9}]{1,3}"),
                (Just(Type::Username), "[aA1\u{c9}]{1,3}"),
            ],
            around in ("[-a1%&=:. \u{e9}\\\\]{0,3}", "[-a1%&=:. \u{e9}]{0,3}"),
            spelled in 0usize..7,
            at in any::<prop::sample::Index>(),
        ) {
            let Ok(value) = value::parse(kind, &text, true) else { return Ok(()) };
            let chars: Vec<char> = text.chars().collect();
            let place = at.index(chars.len());
            let spell = |c: char| match spelled {
                0 => c.to_string(),
                1 => c.to_string().bytes().map(|b| format!("%{b:02x}")).collect::<Vec<_>>().concat(),
                2 => c.to_string().bytes().map(|b| format!("={b:02X}")).collect::<Vec<_>>().concat(),
                3 => format!("&#{};", u32::from(c)),
                4 => format!("\\u{:04x}", u32::from(c)),
                5 => format!("=\n{c}"),
                _ => format!(" {c}"),
            };
            let middle: String = chars.iter().enumerate()
                .map(|(i, c)| if i == place { spell(*c) } else { c.to_string() }).collect();
            let reference = format!("{}{middle}{}", around.0, around.1);
            let mut lower = String::new();
            let look = Look::new(&reference, &mut lower);
            prop_assert_eq!(look.tells(kind, &value.bytes, &value.written), slowly(&reference, &value), "{:?}", reference);
        }
    }
}
