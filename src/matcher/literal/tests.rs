//! Tests of the engine: the SPEC's table and examples.

mod properties;

use std::borrow::Cow;

use super::super::Value;
use super::*;
use crate::policy::{FieldName, Fields};

fn value(kind: Type, written: &str) -> Value {
    let bytes = match kind {
        Type::Email | Type::Username => written.to_ascii_lowercase().into_bytes(),
        Type::Uuid => written.replace('-', "").to_ascii_lowercase().into_bytes(),
        Type::Ip => ip::read(written.as_bytes()).unwrap().to_vec(),
        Type::Phone => written.bytes().filter(u8::is_ascii_digit).collect(),
        _ => written.as_bytes().to_vec(),
    };
    Value { kind, bytes: bytes.into(), written: written.as_bytes().into() }
}

fn engine_of(values: &[(Type, &str)]) -> Literal {
    let values: Vec<Value> = values.iter().map(|(kind, written)| value(*kind, written)).collect();
    let needles = Needles::of_values(&values).unwrap();
    Literal::new(&Plan { needles: Arc::new(needles), fields: Arc::new(Fields::default()) }).unwrap()
}

fn hits_in(engine: &Literal, text: &[u8], fields: &[Field<'_>], table: Option<&str>) -> Vec<Hit> {
    let mut found = Vec::new();
    engine.hits(&Unit { text, fields, table }, &mut found);
    let mut places = Vec::new();
    engine.candidates(text, &mut places);
    for hit in &found {
        let covered = places.iter().any(|place| overlaps(place, &hit.span, text));
        assert!(covered, "hit {:?} in {:?} has no candidate", hit, String::from_utf8_lossy(text));
    }
    found
}

/// Whether a candidate and a hit are in the same line (the smallest record), or overlap.
fn overlaps(place: &Range<usize>, hit: &Range<usize>, text: &[u8]) -> bool {
    let line_start = text[..hit.start].iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    let line_end = text[hit.end..].iter().position(|b| *b == b'\n').map_or(text.len(), |i| hit.end + i + 1);
    place.start < line_end && place.end > line_start || *place == (0..text.len())
}

/// The hit texts of one value.
fn found(kind: Type, written: &str, text: &str) -> Vec<String> {
    let hits = hits_in(&engine_of(&[(kind, written)]), text.as_bytes(), &[], None);
    hits.into_iter().map(|hit| text[hit.span].to_owned()).collect()
}

#[test]
fn email_rows_of_the_table() {
    let all = |text| found(Type::Email, "Alice@X.example", text);
    for text in
        ["alice@x.example", "<ALICE@x.EXAMPLE>", "alice@x.example.", "to:alice@x.example. Bye", "é alice@x.example,"]
    {
        assert_eq!(all(text).len(), 1, "{text}");
    }
    for text in ["alice@x.example.au", "malice@x.example", "a.alice@x.example", "alice@x.example-y", "+alice@x.example"]
    {
        assert!(all(text).is_empty(), "{text}");
    }
    for (text, hit) in [
        (r"\nalice@x.example", "alice@x.example"),
        (r"\u003calice@x.example\u003e", "alice@x.example"),
        ("email%3Dalice%40x.example&y", "alice%40x.example"),
        ("=3Dalice@x.example", "alice@x.example"),
        ("alice%2540x.example", "alice%2540x.example"),
        ("alice&commat;x.ex=\nample", "alice&commat;x.ex=\nample"),
        (r#"\"{\\\"to\\\":\\\"alice\\u0040x.example\\\"}\""#, r"alice\\u0040x.example"),
    ] {
        assert_eq!(all(text), [hit], "{text}");
    }
    assert!(all("alice%252540x.examp&le").is_empty());
    assert!(all("alice%25252540x.example").is_empty());
}

#[test]
fn mail_values_without_the_usual_shape() {
    assert_eq!(found(Type::Email, "o'brien@x.example", "(O'Brien@x.example)").len(), 1);
    assert!(found(Type::Email, "o'brien@x.example", "xo'brien@x.example").is_empty());
    assert_eq!(found(Type::Email, "bø@x.example", "bø@x.example bø@x.example.uk").len(), 1);
}

#[test]
fn uuid_rows_of_the_table() {
    let all = |text| found(Type::Uuid, "9f1c2d3e-0000-4000-8000-000000000abc", text);
    for text in [
        "9F1C2D3E-0000-4000-8000-000000000ABC",
        "{9f1c2d3e-0000-4000-8000-000000000abc}",
        "urn:uuid:9f1c2d3e-0000-4000-8000-000000000abc",
        "9f1c2d3e000040008000000000000abc",
        "_9f1c2d3e-0000-4000-8000-000000000abc-x",
        "a-9f1c2d3e000040008000000000000abc_x",
        "12345678-9f1c2d3e-0000-4000-8000-000000000abc",
    ] {
        assert_eq!(all(text).len(), 1, "{text}");
    }
    for text in [
        "x9f1c2d3e-0000-4000-8000-000000000abc",
        "9f1c2d3e-0000-4000-8000-000000000abcd",
        "9f1c2d3e0000-4000-8000-000000000abc",
        "9f1c2d3e000040008000000000000abcf",
    ] {
        assert!(all(text).is_empty(), "{text}");
    }
    assert_eq!(all("urn:uuid:9f1c2d3e-0000-4000-8000-000000000abc}"), ["9f1c2d3e-0000-4000-8000-000000000abc"]);
}

#[test]
fn ip_rows_of_the_table() {
    let v4 = |text| found(Type::Ip, "192.0.2.7", text);
    for (text, hit) in [
        ("192.0.2.7:80", "192.0.2.7"),
        ("x192.000.002.007/24", "192.000.002.007"),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.7"),
        ("[::FFFF:C000:207]:443", "::FFFF:C000:207"),
        ("ip 192.0.2.7.", "192.0.2.7"),
        ("ab:192.0.2.7", "192.0.2.7"),
        ("64:ff9b::192.0.2.7", "192.0.2.7"),
    ] {
        assert_eq!(v4(text), [hit], "{text}");
    }
    for text in ["1192.0.2.7", "1.192.0.2.7", "192.0.2.70", "192.0.2.7.1", "192.0.2"] {
        assert!(v4(text).is_empty(), "{text}");
    }
    let v6 = |text| found(Type::Ip, "2001:db8::1", text);
    for text in [
        "2001:DB8::1",
        "2001:0db8:0:0:0:0:0:1",
        "[2001:db8::1]:80",
        "2001:db8::0.0.0.1",
        "2001:db8::1%eth0",
        "2001:db8:0::1/64",
    ] {
        assert_eq!(v6(text).len(), 1, "{text}");
    }
    for text in ["a2001:db8::1", "2001:db8::1f", "2001:db8::1:", ":2001:db8::1"] {
        assert!(v6(text).is_empty(), "{text}");
    }
    assert_eq!(v6("x=2001%3Adb8%3a%3A1;"), ["2001%3Adb8%3a%3A1"]);
}

#[test]
fn phone_rows_of_the_table() {
    let all = |text| found(Type::Phone, "+49 170 1234567", text);
    for (text, hit) in [
        ("+49 (170) 123-4567", "+49 (170) 123-4567"),
        ("0049 170 1234567.", "0049 170 1234567"),
        ("00 49 170 1234567", "00 49 170 1234567"),
        ("%2B49170%201234567", "%2B49170%201234567"),
        ("x491701234567", "491701234567"),
    ] {
        assert_eq!(all(text), [hit], "{text}");
    }
    for text in ["1491701234567", "4917012345678", "49 170 123  -  4567"] {
        assert!(all(text).is_empty(), "{text}");
    }
}

#[test]
fn tokens_and_literals() {
    assert_eq!(found(Type::Token, "usr_8f3a9c21", "a/usr_8f3a9c21.usr_8f3a9c21").len(), 2);
    for text in ["USR_8f3a9c21", "usr_8f3a9c21x", "x-usr_8f3a9c21", "usr_8f3a9c21_"] {
        assert!(found(Type::Token, "usr_8f3a9c21", text).is_empty(), "{text}");
    }
    assert_eq!(found(Type::Token, "s.1+x=9", "(s.1+x=9) xs.1+x=9").len(), 1);
    assert_eq!(found(Type::Literal, "ab", "xabab aB"), ["ab", "ab"]);
    assert_eq!(found(Type::Literal, "aa", "aaa"), ["aa"]);
    assert_eq!(found(Type::Literal, "a\nb", "xa\nb a=0Ab").len(), 2);
}

#[test]
fn names_in_text_at_every_level() {
    let id = |text| found(Type::UserId, "48213", text);
    for (text, count) in [
        ("user_id=48213", 1),
        ("user_id%3D48213", 1),
        (r#"{\"user_id\":\"48213\"}"#, 1),
        ("GET /users/48213.json HTTP/1.1", 1),
        ("/users/48213/x?uid=48213", 2),
        ("bytes=48213 48213", 0),
        ("&lt;uid&gt;48213&lt;/uid&gt;", 1),
        ("user_id=3D48213", 1),
        ("user id: 48213.", 1),
        ("last_user_id=48213", 0),
        ("user 48213", 1),
        ("user_id=482130", 0),
    ] {
        assert_eq!(id(text).len(), count, "{text}");
    }
    assert_eq!(found(Type::UserId, "7", "uid=7 uid 7 7 uid:7").len(), 2);
    let name = |text| found(Type::Username, "John.Doe", text);
    assert_eq!(name("/users/john.doe user=JOHN.DOE. user=john.doe.x /u/john.doe.json ").len(), 3);
    assert_eq!(found(Type::Username, "alice@x.example", "user=alice@x.example, /u/alice@x.example.html").len(), 2);
    assert_eq!(found(Type::Username, "john smith", r#"user="John Smith" user=john smith"#).len(), 1);
}

fn field<'r>(path: &[&'r str], span: Range<usize>, text: &'r [u8], place: Place) -> Field<'r> {
    let path = path.iter().map(|part| Cow::Borrowed(part.as_bytes())).collect();
    Field { path, whole: span.clone(), span, text: Cow::Borrowed(text), place }
}

#[test]
fn named_fields_are_compared_whole() {
    let engine = engine_of(&[(Type::UserId, "42"), (Type::Username, "Bob"), (Type::UserId, "")]);
    let text = br#"{"uid":"4\u0032"}"#;
    let one = [field(&["uid"], 8..15, b"42", Place::JsonString)];
    let hits = hits_in(&engine, text, &one, None);
    assert_eq!(hits, [Hit { value: 0, span: 8..15, chain: Chain::default() }]);
    let row = b"42,42,BOB,,42.0\n";
    let columns = |first| {
        [
            field(&[first], 0..2, b"42", Place::Cell),
            field(&["bytes"], 3..5, b"42", Place::Cell),
            field(&["user", "name"], 6..9, b"BOB", Place::Cell),
            field(&["owner.id"], 10..10, b"", Place::Cell),
            field(&["uid"], 11..15, b"42.0", Place::Cell),
        ]
    };
    let spans = |fields: &[Field<'_>], table| {
        let hits = hits_in(&engine, row, fields, table);
        hits.into_iter().map(|hit| (hit.value, hit.span)).collect::<Vec<_>>()
    };
    assert_eq!(spans(&columns("ID"), Some("public.Users")), [(0, 0..2), (1, 6..9), (2, 10..10)]);
    assert_eq!(spans(&columns("id"), Some("orders")), [(1, 6..9), (2, 10..10)]);
    assert_eq!(spans(&columns("id"), None), [(1, 6..9), (2, 10..10)]);
    let key = [field(&["uid"], 0..2, b"42", Place::JsonKey)];
    assert!(spans(&key, None).is_empty());
}

#[test]
fn quoted_cells_are_searched_with_their_quotes_halved() {
    let engine = engine_of(&[(Type::UserId, "4821"), (Type::Literal, "say \"hi\""), (Type::Username, "b\"b")]);
    let text = br#"1,"{""user_id"": ""4821"", ""t"":""say \""hi\"" x%22""}","b""b""#;
    let cell = br#"{"user_id": "4821", "t":"say \"hi\" x%22"}"#;
    let raw = 3..text.len() - 8;
    let fields = [
        field(&["a"], raw.clone(), cell, Place::QuotedCell),
        field(&["login"], text.len() - 5..text.len() - 1, b"b\"b", Place::QuotedCell),
    ];
    let hits = hits_in(&engine, text, &fields, None);
    let shown: Vec<_> = hits.iter().map(|h| (h.value, std::str::from_utf8(&text[h.span.clone()]).unwrap())).collect();
    assert_eq!(shown, [(0, "4821"), (1, r#"say \""hi\"""#), (2, r#"b""b"#)]);
}

#[test]
fn longest_of_one_value_stands_and_values_overlap_freely() {
    let engine =
        engine_of(&[(Type::Email, "bob@x.example"), (Type::Literal, "<bob@x.example>"), (Type::Ip, "192.0.2.7")]);
    let hits = hits_in(&engine, b"<bob@x.example> ::ffff:192.0.2.7", &[], None);
    let spans: Vec<_> = hits.into_iter().map(|h| (h.value, h.span)).collect();
    assert_eq!(spans, [(1, 0..15), (0, 1..14), (2, 16..32)]);
}

#[test]
fn policy_names_and_path_words() {
    let needles = Needles::of_values(&[value(Type::UserId, "42")]).unwrap();
    let fields = Fields {
        user_id: vec![FieldName::parse("kunde.nr")],
        username: Vec::new(),
        paths: vec![b"clients".to_vec()],
        ..Fields::default()
    };
    let engine = Literal::new(&Plan { needles: Arc::new(needles), fields: Arc::new(fields) }).unwrap();
    let count = |text: &str| hits_in(&engine, text.as_bytes(), &[], None).len();
    assert_eq!(count("Kunde.Nr=42 uid=42 /clients/42 /users/42"), 2);
}

#[test]
fn repetitions_are_thinned_out() {
    let engine = engine_of(&[(Type::Literal, "ab"), (Type::Literal, "b")]);
    let text = "ab%25\\\\".repeat(20_000);
    let mut hits = Vec::new();
    engine.hits(&Unit { text: text.as_bytes(), fields: &[], table: None }, &mut hits);
    assert_eq!(hits.len(), 40_000);
    assert!(hits.iter().all(|hit| hit.chain == Chain::default()));
}

#[test]
fn a_long_line_is_searched_to_its_end() {
    let engine = engine_of(&[(Type::Email, "alice@x.example"), (Type::UserId, "7")]);
    for filler in ["%41%42", "x\\\\y", "plain text ", "&amp;lt;"] {
        let mut text = filler.repeat(1_200_000 / filler.len());
        let mut want = Vec::new();
        for at in [0, 262_144, 700_000, text.len() - 1] {
            let at = at / filler.len() * filler.len();
            let hidden = " a%6Cice%2540x.example uid%3d7 ";
            text.replace_range(at..at, hidden);
            want.push(at);
        }
        want.sort_unstable();
        let hits = hits_in(&engine, text.as_bytes(), &[], None);
        assert_eq!(hits.len(), 8, "{filler}");
        let texts: Vec<_> = hits.iter().map(|h| &text[h.span.clone()]).collect();
        assert_eq!(texts.iter().filter(|t| **t == "a%6Cice%2540x.example").count(), 4);
    }
}

/// Lines that are decoded together have nothing to do with each other: the end of one is not what stands before the next.
#[test]
fn gathered_lines_are_strangers() {
    let engine = engine_of(&[(Type::UserId, "48213")]);
    let text = b"\"\\u0066oo\":\nplain\n\\u00348213,x\n";
    let mut places = Vec::new();
    engine.candidates(text, &mut places);
    let line = text.len() - 14..text.len();
    assert!(places.iter().any(|place| place.start < line.end && line.start < place.end), "{places:?}");
}

/// More lines than are gathered at a time, the values first, last and in between.
#[test]
fn all_gathered_lines_are_searched() {
    let engine = engine_of(&[(Type::Email, "alice@x.example")]);
    let text: Vec<String> = (0..9000)
        .map(|n| format!("%2F{} x%20y\n", if n % 2999 == 0 { "alice%40x.example" } else { "nobody" }))
        .collect();
    let mut places = Vec::new();
    engine.candidates(text.concat().as_bytes(), &mut places);
    assert_eq!(places.len(), 4, "{places:?}");
}
