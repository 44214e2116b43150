//! The engines against each other on records with fields, as the formats give them; and the fast engine's candidates over windows
//! of many records against what the reference engine finds in each record alone.

use std::borrow::Cow;
use std::ops::Range;

use proptest::prelude::*;
use unwrite::format;
use unwrite::layer::Hint;
use unwrite::matcher::{Engine, Unit};
use unwrite::record::{Cursor, Field, Step};

use crate::differential::{ENGINES, agree, texts};

const HINT: Hint<'static> = Hint { name: b"", rule: None, format: None, codec: None };

/// A cursor of that format.
fn cursor(format: &str, data: &[u8]) -> Box<dyn Cursor> {
    let found = format::TABLE.iter().find(|row| row.records().name() == format).unwrap();
    found.records().open(&data[..data.len().min(64 << 10)], true, &HINT).unwrap()
}

/// Every record of `data`, with its fields (spans in the record).
fn each(
    format: &str,
    data: &[u8],
    mut visit: impl FnMut(&[u8], &[Field<'_>]) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let mut cursor = cursor(format, data);
    let mut at = 0;
    while at < data.len() {
        let Step::Record { len, .. } = cursor.next(&data[at..], true).unwrap() else { panic!("the end was told") };
        let record = &data[at..at + len];
        let mut fields: Vec<Field<'_>> = Vec::new();
        cursor.fields(record, &mut |field| fields.push(field)).unwrap();
        for field in &fields {
            prop_assert!(
                field.whole.start <= field.span.start && field.span.end <= field.whole.end && field.whole.end <= len
            );
            prop_assert!(!matches!(field.text, Cow::Borrowed(text) if text.len() != field.span.len()));
        }
        visit(record, &fields)?;
        at += len;
    }
    Ok(())
}

fn json_string(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// Members of user-ish names, nested, with values of all kinds.
fn json() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        4 => prop::sample::select(vec!["user_id", "UserId", "uid", "user", "id", "name", "login", "note", "last_user_id", "customer", "a.user-id"])
            .prop_map(str::to_owned),
        1 => texts(),
    ];
    let scalar = prop_oneof![
        3 => prop::sample::select(vec!["48213", "0", "77", "48213.0", "true", "false", "null", "-1", "148213", "1e5"]).prop_map(str::to_owned),
        2 => prop::sample::select(vec!["48213", "0", "", "jsmith", "John.Doe", "Ann Lee", "abc-7.x", "7", "077"]).prop_map(json_string),
        3 => texts().prop_map(|text| json_string(&text)),
    ];
    let value = scalar.prop_recursive(3, 12, 4, move |inner| {
        prop_oneof![
            prop::collection::vec((name.clone(), inner.clone()), 0..4).prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(name, value)| format!("{}:{value}", json_string(name))).collect();
                format!("{{{}}}", members.join(","))
            }),
            prop::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(", "))),
            inner.prop_map(|text| json_string(&text)),
        ]
    });
    value.prop_map(|value| format!("{{\"user\":{value}}}"))
}

/// A cell; with `torn`, text follows its closing quote.
fn cell(text: &str, quoted: bool, torn: bool) -> String {
    if torn {
        format!("\"{}\" {}", text.replace('"', "\"\""), text.replace(['"', ',', '\n', '\r'], "\"\""))
    } else if quoted || text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::support::cases(300), max_shrink_iters: 5_000, ..ProptestConfig::default() })]

    #[test]
    fn engines_agree_on_json_lines(lines in prop::collection::vec(json(), 1..4)) {
        let data = lines.join("\n") + "\n";
        each("jsonl", data.as_bytes(), |record, fields| agree(&Unit { text: record, fields, table: None }))?;
    }

    #[test]
    fn engines_agree_on_tables(rows in prop::collection::vec(prop::collection::vec((texts(), any::<bool>(), 0..9u8), 3..4), 1..4), named in any::<bool>()) {
        let mut data = if named { "user_id,user.name,\"note\"\n".to_owned() } else { "uid,login,x\n".to_owned() };
        for row in rows {
            let cells: Vec<String> = row.iter().map(|(text, quoted, torn)| cell(text, *quoted, *torn == 0)).collect();
            data += &(cells.join(",") + "\n");
        }
        each("csv", data.as_bytes(), |record, fields| agree(&Unit { text: record, fields, table: None }))?;
    }

    /// A window of many lines: whatever the reference finds in a line, or in lines that soft breaks join, has a candidate there.
    #[test]
    fn candidates_lead_to_every_record(lines in prop::collection::vec((texts(), 0..8u8), 1..12)) {
        let mut window = Vec::new();
        for (text, end) in lines {
            window.extend_from_slice(text.as_bytes());
            window.extend_from_slice(match end { 0 => b"=\n".as_slice(), 1 => b"\r\n", 2 => b"=\r\n", _ => b"\n" });
        }
        let (literal, reference) = &*ENGINES;
        let mut candidates: Vec<Range<usize>> = Vec::new();
        literal.candidates(&window, &mut candidates);
        for unit in units(&window) {
            let mut hits = Vec::new();
            reference.hits(&Unit { text: &window[unit.clone()], fields: &[], table: None }, &mut hits);
            let led = candidates.iter().any(|c| c.start < unit.end && unit.start < c.end);
            prop_assert!(hits.is_empty() || led, "no candidate for {:?} in {:?}", &window[unit].escape_ascii().to_string(), window.escape_ascii().to_string());
        }
    }

    /// The same over records of JSON and tables, whose fields count as well.
    #[test]
    fn candidates_lead_to_every_field(lines in prop::collection::vec(json(), 1..6), values in prop::collection::vec(prop::sample::select(vec!["48213", "0", "77", "jsmith", "john.doe", "Ann Lee", "abc-7.x", "\"0\"", "\"Ann Lee\"", "x"]), 3..18)) {
        let json = lines.join("\n") + "\n";
        let rows: Vec<String> = values.chunks(3).filter(|row| row.len() == 3).map(|row| row.join(",")).collect();
        let table = format!("uid,login,user\n{}\n", rows.join("\n"));
        let (literal, reference) = &*ENGINES;
        for (format, data) in [("jsonl", json), ("csv", table)] {
            let mut candidates: Vec<Range<usize>> = Vec::new();
            literal.candidates(data.as_bytes(), &mut candidates);
            let mut at = 0;
            each(format, data.as_bytes(), |record, fields| {
                let mut hits = Vec::new();
                reference.hits(&Unit { text: record, fields, table: None }, &mut hits);
                let led = candidates.iter().any(|c| c.start < at + record.len() && at < c.end);
                at += record.len();
                prop_assert!(hits.is_empty() || led, "no candidate for {:?}", record.escape_ascii().to_string());
                Ok(())
            })?;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::support::cases(24), max_shrink_iters: 200, ..ProptestConfig::default() })]

    /// Lines so long that they are searched in stretches: what is in them has a candidate, wherever the stretches are cut.
    #[test]
    fn candidates_in_long_lines(parts in prop::collection::vec((texts(), 0..6000usize, 0..4usize), 4..14)) {
        let line = spread(&parts);
        let (literal, reference) = &*ENGINES;
        let mut candidates: Vec<Range<usize>> = Vec::new();
        literal.candidates(&line, &mut candidates);
        let mut hits = Vec::new();
        reference.hits(&Unit { text: &line, fields: &[], table: None }, &mut hits);
        for hit in hits {
            let near = candidates.iter().any(|c| c.start < hit.span.end + 64 && hit.span.start < c.end + 64);
            prop_assert!(near, "no candidate near {:?} {:?}", hit, line[hit.span.clone()].escape_ascii().to_string());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::support::cases(1), max_shrink_iters: 30, ..ProptestConfig::default() })]

    /// Texts so long that they are decoded in regions.
    #[test]
    fn engines_agree_on_long_texts(parts in prop::collection::vec((texts(), 0..20_000usize, 0..4usize), 6..10)) {
        let mut text = spread(&parts);
        while text.len() < 270_000 {
            text.extend_from_slice(b" filler without meaning");
        }
        text.extend(spread(&parts));
        agree(&Unit { text: &text, fields: &[], table: None })?;
    }
}

/// The texts with so many bytes of filler after each: of words, of one long word, of escapes.
fn spread(parts: &[(String, usize, usize)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (text, n, kind) in parts {
        out.extend_from_slice(text.replace(['\n', '\r'], " ").as_bytes());
        let filler = ["word other 1234 ", "x", "%41%42 ", "&amp;=41\\u0041"][*kind];
        out.extend(filler.bytes().cycle().take(*n));
    }
    out
}

/// Lines, and as one those that soft breaks join.
fn units(window: &[u8]) -> Vec<Range<usize>> {
    let mut units: Vec<Range<usize>> = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in window.split_inclusive(|b| *b == b'\n') {
        at += line.len();
        if !(line.ends_with(b"=\n") || line.ends_with(b"=\r\n")) || at == window.len() {
            units.push(start..at);
            start = at;
        }
    }
    units
}
