//! When two values of a key are the same to the server: what stands in a dump may be spelled in two ways.

use std::borrow::Cow;

use super::schema::{Column, ForeignKey, Key, Schema};
use super::types::{Class, Fold};

/// When two values of a key are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Same {
    /// If their texts are.
    Text,
    /// Zeros at the ends do not count: `1.00` is `1`, and so is `00001`.
    Number,
    /// As the column's collation says.
    Folded(Fold),
}

/// How the keys are compared: as the table compares its own that is referred to. Where a column on either side is filled with blanks,
/// these count on neither.
pub fn of(schema: &Schema, key: &ForeignKey, columns: &[Vec<u8>]) -> Vec<Same> {
    let find = |table: &Key, name: &Vec<u8>| schema.table(table)?.columns.iter().find(|column| column.name == *name);
    let fills = |name: Option<&Vec<u8>>| {
        name.and_then(|name| find(&key.from, name)).is_some_and(|column| column.folds == Some(Fold::Blanks))
    };
    let way = |column: &Column| match column.class {
        Class::Integer { .. } | Class::Number => Same::Number,
        Class::Text(_) | Class::Unknown | Class::Label(_) => match column.folds {
            None | Some(Fold::Exact) => Same::Text,
            Some(fold) => Same::Folded(fold),
        },
        _ => Same::Text,
    };
    let both = |(at, name): (usize, &Vec<u8>)| match find(&key.to, name).map_or(Same::Text, way) {
        Same::Text if fills(key.columns.get(at)) => Same::Folded(Fold::Blanks),
        way => way,
    };
    columns.iter().enumerate().map(both).collect()
}

impl Same {
    /// A spelling that all values have which are the same.
    pub fn one(self, text: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Same::Text | Same::Folded(Fold::Exact) => Cow::Borrowed(text),
            Same::Number => number(text),
            Same::Folded(Fold::Ascii) => Cow::Owned(text.to_ascii_lowercase()),
            Same::Folded(Fold::Blanks) => Cow::Borrowed(unfilled(text)),
            Same::Folded(Fold::Cases { pads: true }) => lower(text.trim_ascii_end()),
            Same::Folded(Fold::Cases { pads: false } | Fold::Lower) => lower(text),
        }
    }
}

/// `text` without blanks at its end.
pub fn unfilled(text: &[u8]) -> &[u8] {
    let blanks = text.iter().rev().take_while(|byte| **byte == b' ').count();
    text.get(..text.len() - blanks).unwrap_or_default()
}

fn lower(text: &[u8]) -> Cow<'_, [u8]> {
    Cow::Owned(String::from_utf8_lossy(text).to_lowercase().into_bytes())
}

/// A decimal number without zeros that say nothing; anything else as it is.
fn number(text: &[u8]) -> Cow<'_, [u8]> {
    let (minus, digits) = text.strip_prefix(b"-").map_or((false, text), |digits| (true, digits));
    let (whole, part) = digits.split_at(memchr::memchr(b'.', digits).unwrap_or(digits.len()));
    let part = part.strip_prefix(b".").unwrap_or(part);
    if digits.is_empty() || !whole.iter().chain(part).all(u8::is_ascii_digit) {
        return Cow::Borrowed(text);
    }
    let zeros = |digits: &mut dyn Iterator<Item = &u8>| digits.take_while(|digit| **digit == b'0').count();
    let whole = whole.get(zeros(&mut whole.iter())..).unwrap_or_default();
    let part = part.get(..part.len() - zeros(&mut part.iter().rev())).unwrap_or_default();
    let sign: &[u8] = if minus && !(whole.is_empty() && part.is_empty()) { b"-" } else { b"" };
    Cow::Owned([sign, whole, b".", part].concat())
}

#[cfg(test)]
mod tests {
    use super::Fold;
    use super::Same::{self, Folded, Number, Text};

    const MYSQL: Same = Folded(Fold::Cases { pads: true });
    const UNICODE_9: Same = Folded(Fold::Cases { pads: false });
    const NOCASE: Same = Folded(Fold::Ascii);
    const FILLED: Same = Folded(Fold::Blanks);
    const CITEXT: Same = Folded(Fold::Lower);

    #[test]
    fn spellings_of_a_value_are_one() {
        for (way, a, b) in [
            (Number, "00001", "1"),
            (Number, "1.00", "1"),
            (Number, "-0.0", "0"),
            (Number, "-30.50", "-030.5"),
            (Number, ".5", "0.5"),
            (MYSQL, "BOB ", "bob"),
            (UNICODE_9, "BOB", "bob"),
            (NOCASE, "BOB", "bob"),
            (CITEXT, "\u{c9}A", "\u{e9}a"),
            (FILLED, "bob  ", "bob"),
            (MYSQL, "\u{c9}A", "\u{e9}a"),
        ] {
            assert_eq!(way.one(a.as_bytes()), way.one(b.as_bytes()), "{a} {b}");
        }
        for (way, a, b) in [
            (Number, "1", "-1"),
            (Number, "10", "1"),
            (Number, "0.1", "1"),
            (Number, "1e3", "13"),
            (Number, "", "0"),
            (Number, "-", "0"),
            (MYSQL, " bob", "bob"),
            (UNICODE_9, "bob ", "bob"),
            (NOCASE, "bob ", "bob"),
            (NOCASE, "\u{c9}", "\u{e9}"),
            (CITEXT, "bob ", "bob"),
            (FILLED, "bob\t", "bob"),
            (FILLED, "BOB", "bob"),
            (Text, "BOB", "bob"),
            (Text, "1.0", "1"),
        ] {
            assert_ne!(way.one(a.as_bytes()), way.one(b.as_bytes()), "{a} {b}");
        }
    }
}
