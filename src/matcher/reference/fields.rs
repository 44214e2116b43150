//! SPEC "Identifying fields": where a `user_id` or a `username` counts, as the whole value of a field named for it.
//!
//! [`Identifying::find_fields`] takes the fields that a format gave, [`Identifying::find`] the forms in text. Where the SPEC is
//! silent:
//! - After `=`, `:`, `: ` or the one space a value may stand in `"…"` or `'…'`, whatever the form; blanks may stand around the
//!   colon after a quoted name. A bare value is never empty.
//! - Two runs with a space between are one name, spelled without the space: `user id` is `userid`.
//! - `<name>value<`: everything up to the next `<` is the value.
//! - A path's name may also stand at the text's start, and is compared without case. `/users/john.doe` is both `john.doe` and
//!   `john`, as "whole and also without" says; the span is what was compared. Nothing is quoted in a path.
//! - Characters are counted as UTF-8 has them. Values of text are compared as they stand, in the text of their level.
//! - JSON `null`, `true` and `false` as fields have no text; bare words after a name in running text do.

use std::ops::Range;
use std::sync::Arc;

use super::Found;
use super::types::{Values, at, before, tail, upto};
use crate::matcher::{Chain, Hit, Needles, Type, Unit, ValueId};
use crate::policy::{FieldName, Fields, USER_TABLES};
use crate::record::{Field, Place};

/// Fewest characters of a value after a mere space.
const LOOSE: usize = 4;

/// The values that count in identifying fields, and which fields those are.
pub(super) struct Identifying {
    user_id: Values,
    username: Values,
    fields: Arc<Fields>,
    /// The column of user tables.
    id: FieldName,
    /// Bytes of the longest value: no value is read further, so that work stays linear.
    longest: usize,
    /// Bytes of the longest path word.
    longest_word: usize,
}

impl Identifying {
    pub(super) fn new(needles: &Needles, fields: &Arc<Fields>) -> Self {
        let user_id = Values::new(needles, Type::UserId);
        let username = Values::new(needles, Type::Username);
        Self {
            longest: user_id.longest().max(username.longest()),
            longest_word: fields.paths.iter().map(Vec::len).max().unwrap_or(0),
            user_id,
            username,
            fields: Arc::clone(fields),
            id: FieldName::parse("id"),
        }
    }

    fn is_empty(&self) -> bool {
        self.user_id.is_empty() && self.username.is_empty()
    }

    /// Adds a hit for each field of `unit` that is named as identifying and whose whole decoded text is a value.
    pub(super) fn find_fields(&self, unit: &Unit<'_>, hits: &mut Vec<Hit>) {
        if self.is_empty() {
            return;
        }
        let user_table = unit.table.is_some_and(|table| {
            let last = table.rsplit('.').next().unwrap_or(table);
            USER_TABLES.iter().any(|name| name.eq_ignore_ascii_case(last))
        });
        for field in unit.fields.iter().filter(|field| is_value(field)) {
            let named = |names: &[FieldName]| names.iter().any(|name| name.matches(&field.path));
            let user_id = self.user_id.get(&field.text).filter(|_| {
                named(&self.fields.user_id) || user_table && field.path.len() == 1 && self.id.matches(&field.path)
            });
            let username = self.username.get(&field.text.to_ascii_lowercase()).filter(|_| named(&self.fields.username));
            hits.extend(user_id.into_iter().chain(username).map(|value| Hit {
                value,
                span: field.span.clone(),
                chain: Chain::default(),
            }));
        }
    }

    /// Adds each value that stands in `text` in one of the forms of a field.
    pub(super) fn find(&self, text: &[u8], found: &mut Vec<Found>) {
        if self.is_empty() {
            return;
        }
        for (sign, byte) in text.iter().enumerate() {
            match byte {
                b'=' => self.assigned(text, sign, found),
                b':' => self.after_colon(text, sign, found),
                b' ' => self.after_space(text, sign, found),
                b'>' => self.tagged(text, sign, found),
                b'/' => self.segment(text, sign, found),
                _ => {}
            }
        }
    }

    /// `name=value`, `name="value"`, `name='value'`; so also a query parameter.
    fn assigned(&self, text: &[u8], sign: usize, found: &mut Vec<Found>) {
        if let Some(value) = self.value(text, sign + 1) {
            self.look(text, || names(text, sign), value, found);
        }
    }

    /// `name:value`, `name: value`, `"name":"value"`, `"name":value`.
    fn after_colon(&self, text: &[u8], sign: usize, found: &mut Vec<Found>) {
        let blank = |b: &&u8| matches!(b, b' ' | b'\t');
        let quote = sign - upto(text, sign).iter().rev().take_while(blank).count();
        if before(text, quote) == Some(b'"') {
            let blanks = tail(text, sign + 1).iter().take_while(blank).count();
            if let Some(value) = self.value(text, sign + 1 + blanks) {
                self.look(text, || names_after(b'"', text, quote - 1), value, found);
            }
        } else {
            let space = usize::from(at(text, sign + 1) == Some(b' '));
            if let Some(value) = self.value(text, sign + 1 + space) {
                self.look(text, || names(text, sign), value, found);
            }
        }
    }

    /// `name value`, `name #value`.
    fn after_space(&self, text: &[u8], sign: usize, found: &mut Vec<Found>) {
        let number = usize::from(at(text, sign + 1) == Some(b'#'));
        let Some(value) = self.value(text, sign + 1 + number) else {
            return;
        };
        let characters = tail(text, value.start).iter().take(value.len()).filter(|b| !matches!(b, 0x80..0xc0)).count();
        if characters >= LOOSE {
            self.look(text, || names(text, sign), value, found);
        }
    }

    /// `<name>value<`.
    fn tagged(&self, text: &[u8], sign: usize, found: &mut Vec<Found>) {
        if let Some(value) = self.until(text, sign + 1, b'<') {
            self.look(text, || names_after(b'<', text, sign), value, found);
        }
    }

    /// A path segment after the slash at `sign`, if the segment before it is a path word.
    fn segment(&self, text: &[u8], sign: usize, found: &mut Vec<Found>) {
        let border = |b: u8| b == b'/' || b == b'"' || b == b'\'' || white(b);
        let word = upto(text, sign).iter().rev().take(self.longest_word + 1);
        let word = sign - word.take_while(|b| !border(**b)).count();
        let bounded = before(text, word).is_none_or(border);
        let name = text.get(word..sign).unwrap_or_default();
        let mut words = self.fields.paths.iter();
        if !bounded || !words.any(|path| path.eq_ignore_ascii_case(name)) {
            return;
        }
        // A slash ends a bare value, so each is read once however long it is.
        let Some(whole) = bare(text, sign + 1, usize::MAX) else {
            return;
        };
        let without = text
            .get(whole.clone())
            .and_then(|segment| segment.iter().rposition(|b| *b == b'.'))
            .map(|dot| whole.start + dot)
            .filter(|dot| {
                let letters = text.get(dot + 1..whole.end).unwrap_or_default();
                *dot > whole.start && !letters.is_empty() && letters.iter().all(u8::is_ascii_alphabetic)
            });
        for end in [Some(whole.end), without].into_iter().flatten() {
            let value = whole.start..end;
            let (user_id, username) = self.known(text, &value);
            add(user_id, username, &value, found);
        }
    }

    /// Adds what stands at `value` if one of `names` identifies. Values are looked up first: they are the rarer ones.
    fn look(
        &self,
        text: &[u8],
        names: impl FnOnce() -> Vec<Range<usize>>,
        value: Range<usize>,
        found: &mut Vec<Found>,
    ) {
        let (user_id, username) = self.known(text, &value);
        if user_id.is_none() && username.is_none() {
            return;
        }
        let names: Vec<Vec<u8>> = names()
            .into_iter()
            .map(|name| text.get(name).unwrap_or_default())
            .map(|name| name.iter().copied().filter(|b| *b != b' ').collect())
            .collect();
        let listed = |list: &[FieldName]| list.iter().any(|entry| names.iter().any(|name| entry.matches(&[name])));
        let user_id = user_id.filter(|_| listed(&self.fields.user_id));
        let username = username.filter(|_| listed(&self.fields.username));
        add(user_id, username, &value, found);
    }

    /// The user id and the username that `value` is.
    fn known(&self, text: &[u8], value: &Range<usize>) -> (Option<ValueId>, Option<ValueId>) {
        let bytes = text.get(value.clone()).unwrap_or_default();
        if bytes.len() > self.longest {
            return (None, None);
        }
        let username = self.username.get(&bytes.to_ascii_lowercase());
        (self.user_id.get(bytes), username)
    }

    /// The value that begins at `start`: quoted, or bare.
    fn value(&self, text: &[u8], start: usize) -> Option<Range<usize>> {
        match at(text, start)? {
            quote @ (b'"' | b'\'') => self.until(text, start + 1, quote),
            _ => bare(text, start, self.longest),
        }
    }

    /// What stands from `start` to the next `end`, if that is no longer than the longest value.
    fn until(&self, text: &[u8], start: usize, end: u8) -> Option<Range<usize>> {
        let near = tail(text, start).iter().take(self.longest + 1);
        let len = near.into_iter().position(|b| *b == end)?;
        Some(start..start + len)
    }
}

/// Whether the field is a value: a string or a number.
fn is_value(field: &Field<'_>) -> bool {
    match field.place {
        Place::JsonKey | Place::PairName | Place::JsonNull => false,
        Place::JsonBare => !matches!(&*field.text, b"true" | b"false"),
        _ => true,
    }
}

/// The names that end at `end`: the longest run of `[A-Za-z0-9_.-]`, and two such runs with one space between.
fn names(text: &[u8], end: usize) -> Vec<Range<usize>> {
    let run = |end: usize| {
        let part = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        end - upto(text, end).iter().rev().take_while(part).count()
    };
    let one = run(end);
    if one == end {
        return Vec::new();
    }
    let two = match before(text, one) {
        Some(b' ') => run(one - 1),
        _ => one,
    };
    let two = (two + 1 < one).then_some(two..end);
    two.into_iter().chain(std::iter::once(one..end)).collect()
}

/// Those of the names that end at `end` which stand after `sign`.
fn names_after(sign: u8, text: &[u8], end: usize) -> Vec<Range<usize>> {
    let mut names = names(text, end);
    names.retain(|name| before(text, name.start) == Some(sign));
    names
}

/// The bare value that begins at `start`; `None` if it is empty, or surely longer than `longest`.
fn bare(text: &[u8], start: usize, longest: usize) -> Option<Range<usize>> {
    let near = tail(text, start).iter().take(longest.saturating_add(2));
    let mut end = start + near.take_while(|b| !white(**b) && !b",;&?/#\"'<>()[]{}|".contains(b)).count();
    let closes = at(text, end).is_none_or(white);
    if closes && end > start && matches!(before(text, end), Some(b'.' | b':')) {
        end -= 1;
    }
    (end > start).then_some(start..end)
}

fn add(user_id: Option<ValueId>, username: Option<ValueId>, value: &Range<usize>, found: &mut Vec<Found>) {
    let both = user_id.into_iter().chain(username);
    found.extend(both.map(|id| (id, value.clone())));
}

/// ASCII white space, the vertical tab included.
fn white(b: u8) -> bool {
    b.is_ascii_whitespace() || b == 0x0b
}
