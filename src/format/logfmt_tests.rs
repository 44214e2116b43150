//! Pairs and where they stand.

use std::fmt::Write;

use proptest::prelude::*;

use super::super::tests::{cut, named, shown};
use super::*;

/// (path, text, place, raw span, whole) of every value and name.
fn fields(line: &str) -> Vec<(String, String, Place, String, String)> {
    let cursor = Logfmt.open(b"", true, &named("")).unwrap();
    let mut out = Vec::new();
    cursor
        .fields(line.as_bytes(), &mut |field| {
            let path = field.path.iter().map(|p| String::from_utf8_lossy(p).into_owned()).collect::<Vec<_>>().join("/");
            let text = String::from_utf8_lossy(&field.text).into_owned();
            out.push((path, text, field.place, line[field.span].to_owned(), line[field.whole].to_owned()));
        })
        .unwrap();
    out
}

fn values(line: &str) -> Vec<(String, String, Place)> {
    let all = fields(line).into_iter();
    all.filter(|field| field.2 != Place::PairName).map(|field| (field.0, field.1, field.2)).collect()
}

#[test]
fn pairs_of_a_line() {
    let got = values("level=info msg=\"a \\\"b\\\" \\u0040\\n\" up user_id=42 empty= url=/x?a=b q=\"\"\r\n");
    let want = [
        ("level", "info", Place::Pair),
        ("msg", "a \"b\" @\n", Place::QuotedPair),
        ("user_id", "42", Place::Pair),
        ("empty", "", Place::Pair),
        ("url", "/x?a=b", Place::Pair),
        ("q", "", Place::QuotedPair),
    ];
    assert_eq!(got, want.map(|(path, text, place)| (path.to_owned(), text.to_owned(), place)));
}

#[test]
fn names_are_fields_without_a_path() {
    let names: Vec<_> = fields("a=1 up b=\"2\"").into_iter().filter(|f| f.2 == Place::PairName).map(|f| f.1).collect();
    assert_eq!(names, ["a", "up", "b"]);
}

#[test]
fn what_goes_with_a_pair() {
    let wholes = |line: &str| -> Vec<String> {
        fields(line).into_iter().filter(|field| field.2 != Place::PairName).map(|field| field.4).collect()
    };
    assert_eq!(wholes("a=1  b=\"2 3\" c=4\n"), ["a=1  ", "b=\"2 3\" ", " c=4"]);
    assert_eq!(wholes("a=1"), ["a=1"]);
}

#[test]
fn lines_that_are_no_logfmt_have_no_fields() {
    for line in ["", "  \n", "started a=1 b=2", "a=\"open b=1", "a=\"b\"c d=1", "a=1 =2", "a=1 \"b\"=2", "a=1 \"b c\""]
    {
        assert!(fields(line).is_empty(), "{line}");
    }
}

#[test]
fn a_line_a_record() {
    let text = b"\xef\xbb\xbfa=1 b=\"x y\"\r\n\nc=2";
    let cuts = cut(&Logfmt, text, &named("x"), &[1]).unwrap();
    let want = [('S', "\u{feff}"), ('D', "a=1 b=\"x y\"\r\n"), ('S', "\n"), ('D', "c=2")];
    assert_eq!(shown(&cuts, text), want.map(|(c, s)| (c, s.to_owned())));
}

#[test]
fn logfmt_lines() {
    assert!(is_logfmt(b"level=info msg=\"a b\" user_id=42"));
    assert!(!is_logfmt(b"level=info msg=\"a b\""));
    assert!(!is_logfmt(b"2025-03-11T08:00:00Z level=info msg=x user_id=42"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// What is written as pairs is read as pairs, and fields lie in order inside their wholes.
    #[test]
    fn pairs_are_read_as_written(pairs in prop::collection::vec(("[a-z_.]{1,6}", "[a-z0-9@=/]{0,8}", "[a-z \\\\\"=\n]{0,8}", any::<bool>()), 1..6)) {
        let mut line = String::new();
        for (name, bare, quoted, quote) in &pairs {
            let value = if *quote { serde_json::to_string(quoted).unwrap() } else { bare.clone() };
            write!(line, "{name}={value} ").unwrap();
        }
        let want: Vec<_> = pairs.iter().map(|(name, bare, quoted, quote)| if *quote {
            (name.clone(), quoted.clone(), Place::QuotedPair)
        } else {
            (name.clone(), bare.clone(), Place::Pair)
        }).collect();
        prop_assert_eq!(values(&line), want);
    }

    #[test]
    fn any_line_is_read(line in prop::collection::vec(prop::sample::select(b"a=\"\\ \t\r.\x00b1".to_vec()), 0..30)) {
        let cursor = Logfmt.open(b"", true, &named("")).unwrap();
        let mut end = 0;
        cursor.fields(&line, &mut |field| {
            assert!(field.span.start >= end && field.span.end <= line.len(), "in order, inside");
            assert!(field.whole.start <= field.span.start && field.span.end <= field.whole.end);
            end = field.span.end;
        }).unwrap();
    }
}
