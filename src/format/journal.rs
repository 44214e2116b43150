//! The export format of systemd's journal (`journalctl -o export`, systemd-journal-remote): an entry is a record.
//!
//! An entry is fields up to an empty line (systemd's "Journal Export Formats"): `NAME=value` and a line feed; or, for a value that
//! is no text or holds line feeds, the name, a line feed, the value's length in eight bytes (the lowest first), the value and a line
//! feed. Where a value of that kind changes, its length is written anew. What is no field, or ends early, is damaged; an entry
//! without its empty line at the stream's end is whole. Values that are binary are named, as in text.

use std::borrow::Cow;
use std::ops::Range;

use crate::error::{Error, Result};
use crate::layer::{Hint, Records};
use crate::record::{Cursor, Field, Part, Place, Step};

/// The format's name.
const NAME: &str = "journal";
/// Longest name of a field; journald's own bound is 64.
const LONGEST: usize = 256;
/// Bytes of a value's length.
const LENGTH: usize = 8;

/// The format.
pub struct Journal;

impl Records for Journal {
    fn name(&self) -> &'static str {
        NAME
    }

    fn open(&self, _head: &[u8], _whole: bool, _hint: &Hint<'_>) -> Result<Box<dyn Cursor>> {
        Ok(Box::new(Entries::default()))
    }
}

/// Whether a stream that starts with `head` is one: its first entry has the time that every entry has.
pub(crate) fn is_export(head: &[u8]) -> bool {
    let digits = |value: &[u8]| !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let mut at = 0;
    while let Ok(Next::Field { name, value, next }) = next(head, at) {
        if head.get(name) == Some(b"__REALTIME_TIMESTAMP") {
            return head.get(value).is_some_and(digits);
        }
        at = next;
    }
    false
}

/// What stands at a place of an entry.
enum Next {
    Field {
        name: Range<usize>,
        value: Range<usize>,
        /// Where what follows the field starts.
        next: usize,
    },
    /// The empty line.
    End,
    /// What is there is not whole.
    Cut,
}

/// What stands at `at`; the error says what is wrong.
fn next(text: &[u8], at: usize) -> Result<Next, &'static str> {
    let rest = text.get(at..).unwrap_or_default();
    if rest.first() == Some(&b'\n') {
        return Ok(Next::End);
    }
    let Some(len) = rest.iter().take(LONGEST + 1).position(|b| matches!(b, b'=' | b'\n')) else {
        return if rest.len() > LONGEST { Err("a field's name is too long") } else { Ok(Next::Cut) };
    };
    let name = at..at + len;
    if len == 0 || !text.get(name.clone()).is_some_and(|name| name.iter().all(u8::is_ascii_graphic)) {
        return Err("a field's name is invalid");
    }
    let start = name.end + 1;
    if rest.get(len) == Some(&b'=') {
        let Some(len) = memchr::memchr(b'\n', text.get(start..).unwrap_or_default()) else { return Ok(Next::Cut) };
        return Ok(Next::Field { name, value: start..start + len, next: start + len + 1 });
    }
    let Some(length) = text.get(start..).and_then(|rest| rest.first_chunk()) else { return Ok(Next::Cut) };
    let start = start + LENGTH;
    let end = usize::try_from(u64::from_le_bytes(*length)).ok().and_then(|len| start.checked_add(len));
    let end = end.ok_or("a value's length is out of bounds")?;
    match text.get(end) {
        None => Ok(Next::Cut),
        Some(b'\n') => Ok(Next::Field { name, value: start..end, next: end + 1 }),
        Some(_) => Err("a value's length does not fit"),
    }
}

#[derive(Default)]
struct Entries {
    /// Bytes of the window that are whole fields of the entry.
    at: usize,
    /// Offset in the stream of the window's first byte, for errors.
    from: u64,
}

impl Entries {
    fn record(&mut self, len: usize, kind: Part) -> Step {
        self.at = 0;
        self.from += len as u64;
        Step::Record { len, kind }
    }
}

impl Cursor for Entries {
    fn next(&mut self, window: &[u8], eof: bool) -> Result<Step> {
        loop {
            let what = if self.at == window.len() { Ok(Next::Cut) } else { next(window, self.at) };
            let damaged = |what| Error::damaged(NAME, self.from + self.at as u64, what);
            match what.map_err(damaged)? {
                Next::Field { next, .. } => self.at = next,
                Next::End => {
                    let kind = if self.at == 0 { Part::Structure } else { Part::Data };
                    return Ok(self.record(self.at + 1, kind));
                }
                Next::Cut if !eof || window.is_empty() => return Ok(Step::More),
                Next::Cut => {
                    // A text value may lack its line feed.
                    let rest = window.get(self.at..).unwrap_or_default();
                    let name = memchr::memchr2(b'=', b'\n', rest);
                    if !rest.is_empty() && name.and_then(|at| rest.get(at)) != Some(&b'=') {
                        return Err(damaged("a field is cut off"));
                    }
                    return Ok(self.record(window.len(), Part::Data));
                }
            }
        }
    }

    fn fields<'r>(&self, record: &'r [u8], visit: &mut dyn FnMut(Field<'r>)) -> Result<()> {
        each(record, &mut |name, value, _| {
            let part = |range: &Range<usize>| record.get(range.clone()).unwrap_or_default();
            visit(Field {
                path: vec![Cow::Borrowed(part(&name))],
                span: value.clone(),
                whole: value.clone(),
                text: Cow::Borrowed(part(&value)),
                place: Place::Text,
            });
        });
        Ok(())
    }

    /// Writes lengths anew; an edit of a length, or of what ends a value or a name, is taken back.
    fn mend(&self, record: &[u8], edits: &mut Vec<(Range<usize>, Vec<u8>)>) {
        let mut lengths = Vec::new();
        each(record, &mut |name, value, counted| {
            let frame = |range: &Range<usize>| {
                let touches = |frame: Range<usize>| range.start < frame.end && frame.start < range.end;
                touches(name.end..value.start) || touches(value.end..value.end + 1)
            };
            edits.retain(|(range, _)| !frame(range));
            if !counted {
                return;
            }
            let inside = edits.iter().filter(|(range, _)| value.start <= range.start && range.end <= value.end);
            let (gone, come) = inside.fold((0, 0), |(gone, come), (r, new)| (gone + r.len(), come + new.len()));
            if gone != come {
                let len = (value.len() - gone + come) as u64;
                lengths.push((value.start - LENGTH..value.start, len.to_le_bytes().to_vec()));
            }
        });
        edits.append(&mut lengths);
        edits.sort_by_key(|(range, _)| (range.start, range.end));
    }

    fn holds_bytes(&self) -> bool {
        true
    }
}

/// Calls `visit` with the places of each field's name and value, and whether the value's length is written before it.
fn each(record: &[u8], visit: &mut dyn FnMut(Range<usize>, Range<usize>, bool)) {
    let mut at = 0;
    while at < record.len() {
        match next(record, at) {
            Ok(Next::Field { name, value, next }) => {
                let counted = value.start > name.end + 1;
                visit(name, value, counted);
                at = next;
            }
            Ok(Next::Cut) => {
                // The last one of a stream, without its line feed.
                let rest = record.get(at..).unwrap_or_default();
                if let Some(len) = memchr::memchr(b'=', rest) {
                    visit(at..at + len, at + len + 1..record.len(), false);
                }
                return;
            }
            Ok(Next::End) | Err(_) => return,
        }
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
