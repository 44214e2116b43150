//! Named values in running text, for `erase_fields` and `shared`: the forms of the SPEC's identifying fields, read forward.
//!
//! The matcher knows a value and looks back for its name; here a name is known and its value wanted, whatever it is. Forms:
//! `name=value`, `name: value`, `name:value`, quoted names and values; a name is the longest run of `[A-Za-z0-9_.-]`.

use std::ops::Range;

use crate::matcher::Spelling;
use crate::matcher::spelling;
use crate::policy::{Erase, FieldName, Fields};
use crate::record::{Field, Place};

/// Whether an identifying field of the record, or one in the text of a field, holds an id that is none of the subjects': one that
/// no range of `own` covers. `own` and the fields are ranges of the unit, in which the record starts at `at`.
pub fn names_another(own: &[Range<usize>], names: &Fields, record: &[u8], at: usize, fields: &[Field<'_>]) -> bool {
    let identifies = |path: &[&[u8]]| names.user_id.iter().chain(&names.username).any(|name| name.matches(path));
    let other =
        |value: Range<usize>| !value.is_empty() && !own.iter().any(|o| o.start <= value.start && value.end <= o.end);
    // `back`: from a range of the text to one of the unit.
    let in_text = |text: &[u8], back: &dyn Fn(Range<usize>) -> Range<usize>| {
        let mut found = false;
        named(text, &mut |name, value| found |= identifies(&[name]) && other(back(value)));
        found
    };
    if fields.is_empty() {
        return in_text(record, &|value| value.start + at..value.end + at);
    }
    fields.iter().filter(|field| !field.place.is_name() && field.place != Place::JsonNull).any(|field| {
        let path: Vec<&[u8]> = field.path.iter().map(AsRef::as_ref).collect();
        if identifies(&path) {
            return other(field.span.clone());
        }
        let (start, raw) = (field.span.start, field.span.start.checked_sub(at).map(|from| from..field.span.end - at));
        let raw = raw.and_then(|span| record.get(span)).unwrap_or_default();
        let escaped = matches!(field.place, Place::JsonString | Place::QuotedPair);
        match spelling::decode(Spelling::Json, raw).filter(|_| escaped) {
            Some((text, map)) => in_text(&text, &|value| {
                let raw = map.range(value.start, value.end);
                raw.start + start..raw.end + start
            }),
            None => in_text(raw, &|value| value.start + start..value.end + start),
        }
    })
}

/// The values in `record` that stand under one of the names, with what is to be done; sorted by place.
pub fn named_values(record: &[u8], names: &[(FieldName, Erase)]) -> Vec<(Range<usize>, Erase)> {
    let mut out = Vec::new();
    named(record, &mut |name, value| {
        if let Some((_, erase)) = names.iter().find(|(want, _)| want.matches(&[name])) {
            out.push((value, *erase));
        }
    });
    out
}

fn of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

/// Calls `visit` with each name and the range of its value.
fn named(record: &[u8], visit: &mut dyn FnMut(&[u8], Range<usize>)) {
    let at = |i: usize| record.get(i).copied();
    let mut i = 0;
    while i < record.len() {
        if !at(i).is_some_and(of_name) {
            i += 1;
            continue;
        }
        let start = i;
        while at(i).is_some_and(of_name) {
            i += 1;
        }
        let name = record.get(start..i).unwrap_or_default();
        let mut v = i;
        if at(v) == Some(b'"') && start > 0 && at(start - 1) == Some(b'"') {
            v += 1;
            while matches!(at(v), Some(b' ' | b'\t')) {
                v += 1;
            }
        }
        match at(v) {
            Some(b'=') => v += 1,
            Some(b':') => {
                v += 1;
                while matches!(at(v), Some(b' ' | b'\t')) {
                    v += 1;
                }
            }
            _ => continue,
        }
        let end = value_end(record, v);
        let value = if matches!(at(v), Some(b'"' | b'\'')) { v + 1..end } else { v..end };
        if !value.is_empty() {
            visit(name, value);
            i = i.max(end);
        }
    }
}

/// End of the value that starts at `start`: before the closing quote, or where a bare value ends (SPEC).
fn value_end(record: &[u8], start: usize) -> usize {
    let rest = record.get(start..).unwrap_or_default();
    if let Some(quote @ (b'"' | b'\'')) = rest.first() {
        let inner = rest.get(1..).unwrap_or_default();
        return start + 1 + memchr::memchr(*quote, inner).unwrap_or(inner.len());
    }
    let stops = |b: &u8| b.is_ascii_whitespace() || b",;&?/#\"'<>()[]{}|".contains(b);
    let mut end = rest.iter().position(stops).unwrap_or(rest.len());
    if end > 0 && matches!(rest.get(end - 1), Some(b'.' | b':')) && rest.get(end).is_none_or(u8::is_ascii_whitespace) {
        end -= 1;
    }
    start + end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_by_name() {
        let line = b"ts=1 name=\"Ann Example\" email: a@example.com, \"note\" : 7 x.name=B. last_name=Q\n";
        let names = [(FieldName::parse("name"), Erase::Redact), (FieldName::parse("note"), Erase::Null)];
        let got: Vec<_> = named_values(line, &names).into_iter().map(|(r, e)| (&line[r], e)).collect();
        let want: [(&[u8], Erase); 3] = [(b"Ann Example", Erase::Redact), (b"7", Erase::Null), (b"B", Erase::Redact)];
        assert_eq!(got, want);
    }

    #[test]
    fn another_id_on_the_line() {
        let fields = Fields::default();
        let own = std::slice::from_ref(&(18..20));
        assert!(!names_another(own, &fields, b"user_id=42 bytes=7", 10, &[]));
        assert!(names_another(own, &fields, b"user_id=42 owner_id=7", 10, &[]));
    }
}
