//! What steps over bytes: records, JSON, spellings, and the edit list.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use super::{choice, expand};
use crate::blob::TempSpace;
use crate::edit::{EditList, Patch};
use crate::error::Result;
use crate::format;
use crate::format::json::{Event, Scanner, fields, is_json};
use crate::layer::{Hint, Records};
use crate::limits::SNIFF;
use crate::matcher::literal::Literal;
use crate::matcher::reference::Reference;
use crate::matcher::spelling::decode;
use crate::matcher::{Engine, Hit, Needles, Plan, Spelling, Unit};
use crate::policy::Fields;
use crate::record::{Cursor, Part, Place, Step};
use crate::registry::{self, Form, Options};
use crate::span::Span;

/// The rows of a table: where they are cut, and their cells.
pub fn csv(data: &[u8]) {
    let (first, rest) = choice(data);
    let names: &[&str] = if first % 4 == 3 { &["tsv"] } else { &["csv"] };
    records(names, first, rest);
}

/// Lines of logs, of JSON, and of other text.
pub fn text(data: &[u8]) {
    let (first, rest) = choice(data);
    records(&["log", "text", "jsonl", "logfmt"], first, rest);
}

pub(super) fn records(names: &[&str], first: u8, data: &[u8]) {
    let text = expand(data);
    for records in format::TABLE.iter().filter_map(|format| format.records) {
        if names.contains(&records.name()) {
            cursor(records, &text, usize::from(first % 7) + 1);
        }
    }
}

/// Cuts `text` in one window and in windows of `size`: the same records, without a gap; fields lie in their records, in order.
fn cursor(records: &dyn Records, text: &[u8], size: usize) {
    let hint = Hint { name: b"x", rule: None, format: None, codec: None };
    let open = || records.open(&text[..text.len().min(SNIFF)], text.len() < SNIFF, &hint);
    let (Ok(mut one), Ok(mut other)) = (open(), open()) else { return };
    let whole = cut(&mut *one, text, usize::MAX >> 1, true);
    let again = cut(&mut *other, text, size, false);
    match (whole, again) {
        (Ok(one), Ok(other)) => {
            assert_eq!(one, other, "windows matter");
            assert_eq!(one.last().map_or(0, |(range, _)| range.end), text.len());
        }
        (Err(one), Err(other)) => assert_eq!(one.to_string(), other.to_string()),
        _ => panic!("windows decide whether a stream is sound"),
    }
}

fn cut(cursor: &mut dyn Cursor, text: &[u8], size: usize, look: bool) -> Result<Vec<(Range<usize>, Part)>> {
    let (mut start, mut end, mut cuts) = (0, 0, Vec::new());
    while start < text.len() {
        match cursor.next(&text[start..end], end == text.len())? {
            Step::Record { len, kind } => {
                assert!(len > 0 && start + len <= end, "a record outside its window");
                if look {
                    fields_of(cursor, &text[start..start + len])?;
                }
                cuts.push((start..start + len, kind));
                start += len;
            }
            Step::More => {
                assert!(end < text.len(), "more is wanted at the end");
                end = end.saturating_add(size).min(text.len());
            }
        }
    }
    Ok(cuts)
}

fn fields_of(cursor: &dyn Cursor, record: &[u8]) -> Result<()> {
    let mut last = 0;
    cursor.fields(record, &mut |field| {
        let (span, whole) = (field.span, field.whole);
        assert!(
            whole.start <= span.start && span.start <= span.end && span.end <= whole.end && whole.end <= record.len()
        );
        assert!(last <= span.start, "fields out of order");
        // The elements of an array of byte values follow, as fields of their own.
        last = if field.place == Place::JsonBytes { last } else { span.end };
        if matches!(field.place, Place::JsonBare | Place::JsonNull) {
            assert_eq!(&*field.text, &record[span]);
        }
    })
}

/// The scanner of JSON against `serde_json`, which is stricter about UTF-8 and surrogates and has a lower depth.
pub fn json(data: &[u8]) {
    let (first, rest) = choice(data);
    let text = if first % 2 == 0 { rest.to_vec() } else { expand(rest) };
    let Ok(sound) = is_json(&text) else { return };
    let serde: std::result::Result<&serde_json::value::RawValue, _> = serde_json::from_slice(&text);
    let mut scanner = Scanner::new(&text);
    let (mut deepest, mut at) = (0, 0);
    while let Ok(Some(event)) = scanner.step() {
        deepest = deepest.max(scanner.depth());
        assert!(scanner.offset() > at, "no step forward");
        at = scanner.offset();
        if let Event::Key(span) | Event::Scalar(span, _) = event {
            assert!(span.end <= text.len());
        }
    }
    if deepest < 100 {
        assert!(sound || serde.is_err(), "serde_json reads what the scanner refuses");
        let stricter = std::str::from_utf8(&text).is_err() || memchr::memmem::find(&text, b"\\").is_some();
        assert!(!sound || stricter || serde.is_ok(), "the scanner reads what serde_json refuses");
    }
    let mut last = 0;
    let read = fields(&text, &[], &mut |field| {
        if field.place == Place::JsonBytes {
            // Its elements follow, as fields of their own.
            assert!(!field.text.is_empty() && field.span.end <= text.len());
            return;
        }
        assert!(sound && last <= field.span.start && field.whole.end <= text.len());
        assert!(field.whole.start <= field.span.start && field.span.end <= field.whole.end);
        last = field.span.end;
    });
    assert!(read.is_ok());
}

/// Who is searched for in every case.
pub(super) const PEOPLE: &str = r#"{"subject":"a","identifiers":[{"type":"email","value":"alice@example.com"},{"type":"uuid","value":"123e4567-e89b-42d3-a456-426614174000"},{"type":"ip","value":"192.0.2.1"},{"type":"phone","value":"+49 151 1234567"},{"type":"user_id","value":"48213"}]}
{"subject":"b","identifiers":[{"type":"ip","value":"2001:db8::1"},{"type":"token","value":"usr_8f3a9c21"},{"type":"user_id","value":"42"},{"type":"username","value":"bob"},{"type":"literal","value":"a\"b%"}]}
"#;

pub(super) static NEEDLES: LazyLock<Arc<Needles>> = LazyLock::new(|| {
    let now = jiff::Timestamp::from_second(1_795_219_200).unwrap_or_default();
    let read = registry::read(PEOPLE.as_bytes(), Form::Jsonl, now, &Options::new(now));
    read.unwrap_or_else(|error| panic!("{error}")).needles
});

pub(super) fn plan() -> Plan {
    Plan { needles: Arc::clone(&NEEDLES), fields: Arc::new(Fields::default()) }
}

pub(super) static LITERAL: LazyLock<Literal> =
    LazyLock::new(|| Literal::new(&plan()).unwrap_or_else(|error| panic!("{error}")));
pub(super) static REFERENCE: LazyLock<Reference> = LazyLock::new(|| Reference::new(&plan()));

/// Decoding steps and their way back; both engines find the same; candidates miss no record.
pub fn spelling(data: &[u8]) {
    let text = expand(data);
    for spelling in Spelling::ALL {
        let Some((decoded, map)) = decode(spelling, &text) else { continue };
        let mut last = 0..0;
        for at in 0..decoded.len() {
            let range = map.range(at, at + 1);
            assert!(
                range.start < range.end
                    && range.end <= text.len()
                    && range.start >= last.start
                    && range.end >= last.end
            );
            last = range;
        }
    }
    agree(&LITERAL, &REFERENCE, &text);
}

/// Both engines find the same in `text`; the candidates of the fast one miss no record.
pub(super) fn agree(fast: &Literal, slow: &Reference, text: &[u8]) {
    let unit = Unit { text, fields: &[], table: None };
    let hits = |engine: &dyn Engine, unit: &Unit<'_>| {
        let mut found = Vec::new();
        engine.hits(unit, &mut found);
        found.into_iter().map(|Hit { value, span, .. }| (value, span)).collect::<Vec<_>>()
    };
    assert_eq!(hits(fast, &unit), hits(slow, &unit), "the engines differ");
    let mut candidates = Vec::new();
    fast.candidates(text, &mut candidates);
    for range in lines(text) {
        let line = Unit { text: &text[range.clone()], ..unit };
        let covered = candidates.iter().any(|c| c.start < range.end && range.start < c.end);
        assert!(covered || hits(fast, &line).is_empty(), "a record with a hit is no candidate");
    }
}

/// The lines of `text`, those that quoted-printable soft breaks join as one.
fn lines(text: &[u8]) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    let mut joined = false;
    for line in text.split_inclusive(|b| *b == b'\n') {
        let start = out.last().map_or(0, |range| range.end);
        match out.last_mut() {
            Some(last) if joined => last.end = start + line.len(),
            _ => out.push(start..start + line.len()),
        }
        joined = line.ends_with(b"=\n") || line.ends_with(b"=\r\n");
    }
    out
}

/// Edit lists against the splice of a plain vector.
pub fn edit_list(data: &[u8]) {
    let (first, rest) = choice(data);
    let base: Vec<u8> = (0..u16::from(first) * 3).map(|i| (i % 251) as u8).collect();
    let space = TempSpace::new(std::env::temp_dir(), 1 << 30);
    let (mut list, mut model, mut at, mut copied) = (EditList::new(&space), Vec::new(), 0, 0);
    for op in rest.chunks_exact(3) {
        let [gap, len, fill] = [op[0], op[1], op[2]].map(usize::from);
        let start = at + gap % 40;
        // Some steps go back or too far: these must be refused, and leave the list as it was.
        let start = if fill == 0xfe { start.saturating_sub(50) } else { start };
        let end = (start + len % 40).min(base.len());
        if start > base.len() {
            continue;
        }
        let payload = vec![fill as u8; fill % 9 * if fill > 250 { 9000 } else { 1 }];
        let pushed = list.push(Span::new(start as u64, end as u64), &payload);
        assert_eq!(pushed.is_ok(), start >= at, "only what overlaps is refused");
        if pushed.is_ok() && (start < end || !payload.is_empty()) {
            model.extend_from_slice(&base[copied..start]);
            model.extend_from_slice(&payload);
            (at, copied) = (end.max(start), end.max(start));
        }
    }
    model.extend_from_slice(&base[copied..]);
    assert_eq!(list.new_len(base.len() as u64), model.len() as u64);
    let patch = Patch { base_len: base.len() as u64, edits: list };
    let got = patch.to_bytes(&base).unwrap_or_else(|error| panic!("{error}"));
    assert!(got == model, "a patch is not the splice");
}
