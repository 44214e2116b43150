//! Properties over texts of values, near misses, escapes and nested encodings.

use proptest::prelude::*;

use super::super::super::spelling::Map;
use super::super::super::spelling::{decode, encode, introducer};
use super::super::super::{Chain, Engine, Hit, Spelling, Type, Unit, ValueId, boundary};
use super::super::{Literal, resolve};
use super::{engine_of, field, hits_in};
use crate::record::Place;
use std::ops::Range;

/// Values of every type and shape, with what is nearly theirs.
const PEOPLE: &[(Type, &str)] = &[
    (Type::Email, "alice@x.example"),
    (Type::Email, "a+b'c@x.example"),
    (Type::Uuid, "9f1c2d3e-0000-4000-8000-000000000abc"),
    (Type::Ip, "192.0.2.7"),
    (Type::Ip, "2001:db8::1"),
    (Type::Phone, "+49 170 1234567"),
    (Type::Token, "usr_8f3a9c21"),
    (Type::Token, "t.k/9%"),
    (Type::UserId, "7"),
    (Type::UserId, "48213"),
    (Type::UserId, "A-1.x"),
    (Type::Username, "john.doe"),
    (Type::Username, "alice@x.example"),
    (Type::Username, "Bob"),
    (Type::Username, "bo \"b"),
    (Type::Literal, "lit=eral"),
    (Type::Literal, "x.example u"),
];

const PARTS: &[&str] = &[
    "alice@x.example",
    "ALICE@x.example",
    "alice%40x.example",
    ".au",
    "a+b'c@x.example",
    "9f1c2d3e-0000-4000-8000-000000000abc",
    "9F1C2D3E000040008000000000000ABC",
    "192.0.2.7",
    "::ffff:",
    "c000:207",
    "2001:db8::1",
    "2001:0DB8:0:0::1",
    "+49 170 1234567",
    "0049",
    "491701234567",
    "170-1234567",
    "usr_8f3a9c21",
    "t.k/9%",
    "7",
    "48213",
    "A-1.x",
    "john.doe",
    "john",
    "Bob",
    "bo \"b",
    "lit=eral",
    "x.example u",
    "user_id",
    "user",
    "uid",
    "user id",
    "\"user\"",
    "\"uid\":",
    "user.id",
    "login",
    "=",
    ":",
    ": ",
    " ",
    " #",
    "\"",
    "'",
    "<",
    ">",
    "/",
    "/users/",
    "/u/",
    ".",
    ",",
    ";",
    "&",
    "?",
    "%",
    "%40",
    "%3D",
    "%2F",
    "%22",
    "%25",
    "3D",
    "%0A",
    "\\",
    "\\\"",
    "\\n",
    "\\u0040",
    "u0040",
    "\\/",
    "&amp;",
    "&quot;",
    "&#61;",
    "&#x2f;",
    "amp;",
    "=40",
    "=3D",
    "=\n",
    "=\r\n",
    "=3D\n",
    "\n",
    "\t",
    "0",
    "x",
    "_",
    "-",
    ".json",
    "é",
];

/// What a finder's way over a text gives, in order and once.
fn places_of(way: impl FnOnce(&mut dyn FnMut(ValueId, Range<usize>))) -> Vec<(ValueId, usize, usize)> {
    let mut all = Vec::new();
    way(&mut |value, span| all.push((value, span.start, span.end)));
    all.sort_unstable();
    all.dedup();
    all
}

proptest! {
    /// By class words the same places as by a byte at a time, wherever words and chunks end.
    #[test]
    fn a_sweep_finds_the_shapes(pieces in prop::collection::vec(prop_oneof![
            4 => prop::sample::select(PARTS).prop_map(str::to_owned),
            2 => "[a-z0-9@.:/() _=+-]{0,6}",
            1 => (0usize..130).prop_map(|n| "x".repeat(n)),
            1 => (0usize..130).prop_map(|n| "7".repeat(n)),
        ], 0..120), lead in prop_oneof![0usize..200, 8100usize..8300]) {
        let engine = engine_of(PEOPLE);
        let finder = &engine.0.finder;
        let mut text = vec![b' '; lead];
        text.extend_from_slice(pieces.concat().as_bytes());
        let plain = places_of(|found| finder.plainly(&text, &mut |v, s| found(v, s)));
        let swept = places_of(|found| finder.sweep(&text, &mut |v, s| found(v, s)));
        prop_assert_eq!(swept, plain);
    }
}

fn texts() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop::sample::select(PARTS), 1..16).prop_map(|parts| parts.concat())
}

/// Every (value, span) that some level's text holds by plain comparison of bytes; IP addresses and phones left out.
fn plain_search(engine: &Literal, text: &[u8]) -> Vec<(ValueId, Range<usize>)> {
    fn levels(text: Vec<u8>, map: Map, depth: usize, out: &mut Vec<(Vec<u8>, Map)>) {
        if depth < 3 {
            for (next, local) in Spelling::ALL.into_iter().filter_map(|s| decode(s, &text)) {
                levels(next, map.then(&local), depth + 1, out);
            }
        }
        out.push((text, map));
    }
    let mut all = Vec::new();
    levels(text.to_vec(), Map::default(), 0, &mut all);
    let mut hits = Vec::new();
    for (level, map) in all {
        for (id, value) in engine.needles().values() {
            let value = value.to_owned();
            let forms = match value.kind {
                Type::Ip | Type::Phone => vec![],
                Type::Uuid => vec![value.bytes.to_vec(), value.written.to_ascii_lowercase()],
                _ => vec![value.bytes.to_vec()],
            };
            let exact = matches!(value.kind, Type::Token | Type::UserId | Type::Literal);
            for form in forms {
                for start in 0..(level.len() + 1).saturating_sub(form.len()) {
                    let end = start + form.len();
                    let bytes = &level[start..end];
                    let same = if exact { *bytes == *form } else { bytes.eq_ignore_ascii_case(&form) };
                    let counts = if value.kind.anywhere() {
                        boundary::holds(value.kind, &level, start, end)
                    } else {
                        engine.0.names.identify(value.kind, &level, start, end, false)
                    };
                    if same && counts {
                        hits.push((id, map.range(start, end)));
                    }
                }
            }
        }
    }
    let hits = hits.into_iter().map(|(value, span)| Hit { value, span, chain: Chain::default() }).collect();
    resolve(hits).into_iter().map(|hit| (hit.value, hit.span)).collect()
}

/// Cuts `text` into units: lines, joined where `joins` says so.
fn units(text: &[u8], joins: &[bool]) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    for (i, line) in text.split_inclusive(|b| *b == b'\n').enumerate() {
        let end = start + line.len();
        match out.last_mut() {
            Some(last) if *joins.get(i).unwrap_or(&false) => last.end = end,
            _ => out.push(start..end),
        }
        start = end;
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn finds_what_plain_search_finds(text in texts()) {
        let engine = engine_of(PEOPLE);
        let hits = hits_in(&engine, text.as_bytes(), &[], None);
        let shaped = |id: ValueId| matches!(engine.needles().value(id).unwrap().kind, Type::Ip | Type::Phone);
        let got: Vec<_> = hits.into_iter().map(|h| (h.value, h.span)).filter(|(id, _)| !shaped(*id)).collect();
        prop_assert_eq!(got, plain_search(&engine, text.as_bytes()));
    }

    #[test]
    fn candidates_cover_hits_however_units_are_cut(lines in proptest::collection::vec(texts(), 1..5), join in any::<bool>()) {
        let engine = engine_of(PEOPLE);
        let text = lines.join("\n").into_bytes();
        let mut places = Vec::new();
        engine.candidates(&text, &mut places);
        let joins = vec![join; text.len()];
        for unit in units(&text, &joins) {
            let mut hits = Vec::new();
            engine.hits(&Unit { text: &text[unit.clone()], fields: &[], table: None }, &mut hits);
            let covered = places.iter().any(|p| p.start < unit.end && p.end > unit.start);
            prop_assert!(hits.is_empty() || covered, "{:?}: {:?}", String::from_utf8_lossy(&text), hits);
            for hit in hits {
                prop_assert!(hit.span.end <= unit.len());
            }
        }
    }

    #[test]
    fn candidates_cover_named_fields(
        name in prop::sample::select(vec!["user_id", "uid", "bytes", "id", "user.id", "x", "login", "a_b"]),
        which in 0..PEOPLE.len(),
        dice in proptest::collection::vec(any::<u8>(), 24),
        lead in prop::sample::select(vec!["{", "{\"user\":{", "{\"n\":1, ", "[\"x\",\n  {"]),
        colon in prop::sample::select(vec![":", ": ", " : ", ":\n  "]),
        style in 0..6usize,
    ) {
        let written = PEOPLE[which].1;
        // A bare member's or element's value can only be a number.
        let style = if written.bytes().all(|b| b.is_ascii_digit()) { style } else { style % 4 };
        let spelled = spell(Spelling::Json, written.as_bytes(), &dice);
        // A member, an array's element, a cell and a quoted cell; a bare member and a bare element.
        let (before, inner, after, place) = match style {
            0 => (format!("{lead}\"{name}\"{colon}\""), spelled, "\"}", Place::JsonString),
            1 => (format!("{lead}\"{name}\"{colon}[\"\", \""), spelled, "\"]}", Place::JsonString),
            2 => (format!("x{}", [",", ";", "\t"][usize::from(dice[0] % 3)]), written.as_bytes().to_vec(), "\n", Place::Cell),
            4 => (format!("{lead}\"{name}\"{colon}"), written.as_bytes().to_vec(), "}", Place::JsonBare),
            5 => (format!("{lead}\"{name}\"{colon}[1, "), written.as_bytes().to_vec(), " ]}", Place::JsonBare),
            _ => ("x,\"".to_owned(), written.replace('"', "\"\"").into_bytes(), "\"\n", Place::QuotedCell),
        };
        let text = [before.as_bytes(), &inner, after.as_bytes()].concat();
        let span = before.len()..before.len() + inner.len();
        let engine = engine_of(PEOPLE);
        let fields = [field(&name.split('.').collect::<Vec<_>>(), span.clone(), written.as_bytes(), place)];
        let hits = hits_in(&engine, &text, &fields, Some("users"));
        let named = match PEOPLE[which].0 {
            Type::UserId => !matches!(name, "bytes" | "x" | "login" | "a_b"),
            Type::Username => name == "login",
            _ => false,
        };
        prop_assert!(!named || hits.iter().any(|h| h.value == which as u32 && h.span == span));
    }

    #[test]
    fn any_bytes_do_no_harm(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        hits_in(&engine_of(PEOPLE), &text, &[], None);
    }

    #[test]
    fn a_value_spelled_at_random_is_found(
        which in 0..PEOPLE.len(),
        steps in proptest::collection::vec((0..4usize, proptest::collection::vec(any::<u8>(), 24)), 0..4),
    ) {
        let (kind, written) = PEOPLE[which];
        let mut text = match kind {
            Type::UserId => format!("user_id=\"{written}\"").into_bytes(),
            Type::Username => format!("<user>{written}</user>").into_bytes(),
            _ => written.as_bytes().to_vec(),
        };
        let plain = text.clone();
        for (spelling, dice) in &steps {
            text = spell(Spelling::ALL[*spelling], &text, dice);
        }
        let engine = engine_of(PEOPLE);
        let line = [b"GET ".as_slice(), &text, b" 200\n"].concat();
        let hits = hits_in(&engine, &line, &[], None);
        prop_assert!(
            hits.iter().any(|h| h.value == which as u32),
            "{} is not found as {}", String::from_utf8_lossy(&plain), String::from_utf8_lossy(&line)
        );
    }

    #[test]
    fn an_encoded_value_is_found_by_its_chain(which in 0..PEOPLE.len(), steps in proptest::collection::vec(0..4usize, 0..4)) {
        let (kind, written) = PEOPLE[which];
        let chain = steps.iter().fold(Chain::default(), |chain, i| chain.then(Spelling::ALL[*i]).unwrap());
        let plain = if kind.anywhere() { format!("({written})") } else { format!("uid={written};login='{written}'") };
        let text = encode(&chain, plain.as_bytes());
        let hits = hits_in(&engine_of(PEOPLE), &text, &[], None);
        prop_assert!(hits.iter().any(|h| h.value == which as u32), "{}", String::from_utf8_lossy(&text));
    }
}

/// Spells `text` by `spelling`: what must be spelled always, the rest as the dice fall.
fn spell(spelling: Spelling, text: &[u8], dice: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (i, byte) in text.iter().enumerate() {
        let roll = dice[i % dice.len()].wrapping_add(i as u8);
        let introducer = introducer(spelling);
        if !roll.is_multiple_of(3) && *byte != introducer && (spelling != Spelling::Json || *byte != b'"') {
            out.push(*byte);
            continue;
        }
        let spelled = match (spelling, roll % 2) {
            (Spelling::Percent, 0) => format!("%{byte:02x}"),
            (Spelling::Percent, _) => format!("%{byte:02X}"),
            (Spelling::Json, _) => format!("\\u{byte:04x}"),
            (Spelling::Html, 0) => format!("&#{byte};"),
            (Spelling::Html, _) => format!("&#x{byte:02X};"),
            (Spelling::Qp, 0) => format!("=\n={byte:02X}"),
            (Spelling::Qp, _) => format!("={byte:02x}"),
            (Spelling::Utf16Le | Spelling::Utf16Be, _) => unreachable!("no escapes"),
        };
        // Above ASCII the escapes of characters and of bytes differ; the values here are ASCII.
        out.extend(spelled.bytes());
    }
    out
}
