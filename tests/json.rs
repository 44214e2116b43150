//! JSON documents as a whole: against a model made of `serde_json` values, in any window, and by `jq` where it is installed.

use std::io::Write;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::support::ALICE;
use crate::support::shelf::Shelf;

/// A document after its scrub, as text; read in several windows and by both engines.
fn scrub(shelf: &Shelf, text: &str) -> String {
    let data = text.as_bytes().to_vec();
    let whole = shelf.scrub("x.json", &data, 256 * 1024, false).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(whole.layers, ["json"], "{text}");
    for (window, by_reference) in [(1, false), (7, true), (1000, false)] {
        let again = shelf.scrub("x.json", &data, window, by_reference).unwrap();
        assert_eq!(again, whole, "windows of {window}: {text}");
    }
    let again = shelf.scrub("x.json", &whole.bytes, 100, false).unwrap();
    assert_eq!((again.records.1, again.records.2), (0, 0), "twice is once: {text}");
    assert_eq!(again.bytes, whole.bytes, "twice is once: {text}");
    String::from_utf8(whole.bytes).unwrap()
}

fn expect(policy: &str, before: &str, after: &str) {
    let got = scrub(&Shelf::new(ALICE, policy), before);
    assert_eq!(got, after, "{before}");
    serde_json::from_str::<serde::de::IgnoredAny>(&got).unwrap();
}

const HER: &str = r#"{"user_id":48213}"#;
const BOB: &str = r#"{"user_id":77001}"#;

#[test]
fn a_comma_goes_with_an_element() {
    for (before, after) in [
        ("[A,B,B]", "[B,B]"),
        ("[B,A,B]", "[B,B]"),
        ("[B,B,A]", "[B,B]"),
        ("[B,A,A]", "[B]"),
        ("[A,A,B]", "[B]"),
        ("[A]", "[]"),
        ("[A,A]", "[]"),
        ("[A,B,A,A,B,A]", "[B,B]"),
        ("[\n  A,\n  B,\n  A,\n  B\n]\n", "[\n  B,\n  B\n]\n"),
        ("[\n  B,\n  A\n]\n", "[\n  B\n]\n"),
        ("[\n  B ,\n  A , A\n]\n", "[\n  B \n]\n"),
        ("[\n  A\n  ,\n  A\n]\n", "[\n  \n]\n"),
        ("{\"x\":[A,B],\"y\":[A],\"z\":[B,A]}", "{\"x\":[B],\"y\":[],\"z\":[B]}"),
        ("[[A,B],[B],[A]]", "[[B],[B],[]]"),
    ] {
        let fill = |text: &str| text.replace('A', HER).replace('B', BOB);
        expect("", &fill(before), &fill(after));
    }
}

#[test]
fn outside_of_records_a_hit_is_edited_in_its_place() {
    expect(
        "",
        r#"{"user_id":48213,"to":["alice@example.com","b"],"alice@example.com":{"n":1},"rows":[{"user_id":48213},{"n":48213}],"note":"for alice\u0040example.com."}"#,
        r#"{"user_id":null,"to":["ERASED","b"],"ERASED":{"n":1},"rows":[{"n":48213}],"note":"for ERASED."}"#,
    );
    expect("", r#""alice@example.com""#, r#""ERASED""#);
    expect("", r#"{"user":{"id":"48213"}}"#, r#"{"user":{"id":"ERASED"}}"#);
}

#[test]
fn names_above_count() {
    expect("", r#"{"user":[{"id":48213},{"id":7}]}"#, r#"{"user":[{"id":7}]}"#);
    expect("", r#"{"users":[{"id":48213},{"id":7}]}"#, r#"{"users":[{"id":48213},{"id":7}]}"#);
    expect(
        "[identifiers.user_id]\nfields = [\"+users.id\"]\n",
        r#"{"users":[{"id":48213},{"id":7}]}"#,
        r#"{"users":[{"id":7}]}"#,
    );
    expect("", r#"{"customer":{"eu":[{"id":48213}],"id":48213}}"#, r#"{"customer":{"eu":[{"id":48213}],"id":null}}"#);
}

#[test]
fn policies() {
    let redact = "[[rule]]\naction = \"redact\"\nerase_fields = { mail = \"remove\", name = \"null\" }\n";
    expect(
        redact,
        r#"{"name":"Alice","rows":[{"mail":"x","user_id":48213,"name":"Al"},{"user_id":48213,"mail":"y"},{"mail":"z"}],"by":"alice@example.com","mail":"w"}"#,
        r#"{"name":"Alice","rows":[{"user_id":null,"name":null},{"user_id":null},{"mail":"z"}],"by":"ERASED","mail":"w"}"#,
    );
    let pointer = "[[rule]]\nrecords = \"/page/items\"\n";
    expect(
        pointer,
        r#"{"page":{"items":["alice@example.com",{"user_id":48213},3]},"rows":[{"user_id":48213}]}"#,
        r#"{"page":{"items":[3]},"rows":[{"user_id":null}]}"#,
    );
    let remove = "[[rule]]\nrecords = \"/user_id\"\naction = \"redact\"\nerase_fields = { user_id = \"remove\" }\n";
    expect(remove, r#"{"user_id":[7, 48213, 8, 48213]}"#, r#"{"user_id":[7, 8]}"#);
    expect("[[rule]]\naction = \"report\"\n", &format!("[{HER}]"), &format!("[{HER}]"));
}

#[test]
fn what_does_not_parse_fails() {
    let shelf = Shelf::new(ALICE, "");
    for text in [
        "[{\"user_id\":48213}",
        "{\"a\":[{\"b\":1}]} x",
        "{\n\"a\":1,\n\"b\":oops}\n",
        "nothing of the kind",
        "[1, 2, 3, 4, 5, 6, 7]\0\0",
    ] {
        for window in [1, 100] {
            let error = shelf.scrub("x.json", &text.as_bytes().to_vec(), window, false).unwrap_err();
            assert_eq!(error.kind(), unwrite::error::Kind::Damaged, "{text}: {error}");
        }
    }
    let deep = "[".repeat(1_000_000).into_bytes();
    assert!(shelf.scrub("x.json", &deep, 1 << 16, false).unwrap_err().reason().starts_with("limit"));
    let blank = format!("[{BOB},{}{HER}]", " ".repeat(3 << 20));
    assert_eq!(scrub(&shelf, &blank).trim_end_matches(']').trim_end(), format!("[{BOB}"));
}

/// A value, and what it is to the model: rows hold her or somebody else, in several ways.
fn row() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({"user_id": 48213, "n": [1, {"x": []}]}),
        json!({"user_id": "48213"}),
        json!({"n": 48213, "id": 48213}),
        json!({"to": "x <alice@example.com>"}),
        json!({"to": "malice@example.com", "list": [{"deep": [[]]}]}),
        json!({"k": {"alice@example.com": null}}),
        json!({}),
        json!({"s": "a,]}\"\\ [{"}),
        json!({"user": {"id": 77001}}),
    ])
}

fn leaf() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(1),
        json!(null),
        json!("x"),
        json!("alice@example.com"),
        json!([]),
        json!({}),
        json!([1, "y"]),
    ])
}

fn document() -> impl Strategy<Value = Value> {
    let rows = prop::collection::vec(row(), 1..6).prop_map(Value::from).boxed();
    let node = prop_oneof![2 => leaf(), 3 => rows.clone()];
    let names = prop::sample::select(vec!["a", "rows", "user_id", "Records", "x y", "\"", "é"]);
    let object = |inner: BoxedStrategy<Value>| {
        prop::collection::vec((names.clone(), inner), 0..5)
            .prop_map(|all| Value::from(all.into_iter().map(|(n, v)| (n.to_owned(), v)).collect::<Map<_, _>>()))
            .boxed()
    };
    let one = object(node.boxed());
    let two = object(prop_oneof![one.clone(), leaf().boxed()].boxed());
    prop_oneof![rows, one, two]
}

/// The model of a row that is hers.
fn hers(row: &Value) -> bool {
    let text = row.to_string();
    text.contains("\"user_id\":48213")
        || text.contains("\"user_id\":\"48213\"")
        || text.contains("<alice@")
        || text.contains("\"alice@")
}

fn model(value: &Value) -> Value {
    match value {
        Value::Array(all) if all.first().is_some_and(Value::is_object) => {
            all.iter().filter(|row| !hers(row)).cloned().collect()
        }
        Value::Array(all) => all.iter().map(model).collect(),
        Value::Object(all) => {
            all.iter().map(|(name, value)| (name.clone(), model(value))).collect::<Map<_, _>>().into()
        }
        Value::String(text) => Value::from(text.replace("alice@example.com", "ERASED")),
        other => other.clone(),
    }
}

/// `value` written with the given blanks, by turns.
fn write(value: &Value, blanks: &[&str], at: &mut usize, out: &mut String) {
    let mut blank = |out: &mut String| {
        *at += 1;
        out.push_str(blanks[*at % blanks.len()]);
    };
    blank(out);
    match value {
        Value::Array(all) => {
            out.push('[');
            for (i, value) in all.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(value, blanks, at, out);
            }
            out.push(']');
        }
        Value::Object(all) => {
            out.push('{');
            for (i, (name, value)) in all.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write(value, blanks, at, out);
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
    *at += 1;
    out.push_str(blanks[*at % blanks.len()]);
}

/// Whether `less` is `more` with some bytes left out or `ERASED`/null in place of others.
fn is_part(less: &str, more: &str) -> bool {
    let mut rest = more.bytes();
    less.replace("ERASED", "").bytes().all(|b| rest.any(|other| other == b))
}

fn jq(text: &str) -> Option<Value> {
    let mut child = Command::new("jq").arg("-c").arg(".").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "jq refuses {text}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::support::cases(150)))]

    /// What is left is what the model leaves; every other byte stands as it did.
    #[test]
    fn documents_equal_the_model(document in document(), blanks in prop::collection::vec(prop::sample::select(vec!["", "", " ", "\n  ", "\t", "\r\n"]), 1..5)) {
        let mut text = String::new();
        write(&document, &blanks, &mut 0, &mut text);
        let got = scrub(&Shelf::new(ALICE, ""), &text);
        let value: Value = serde_json::from_str(&got).unwrap();
        prop_assert_eq!(&value, &model(&document), "{} -> {}", text, got);
        prop_assert!(is_part(&got, &text), "{} -> {}", text, got);
        if value == document {
            prop_assert_eq!(&got, &text);
        }
    }
}

#[test]
fn jq_reads_what_is_left() {
    let text = format!("{{\"rows\": [\n {HER},\n {BOB},\n {HER}\n], \"user_id\": 48213, \"all\":[{HER}, {HER}]}}");
    let got = scrub(&Shelf::new(ALICE, ""), &text);
    if let Some(value) = jq(&got) {
        assert_eq!(value, json!({"rows": [{"user_id": 77001}], "user_id": null, "all": []}));
    }
}
