//! The scanner against `serde_json`: same verdict on a text, same scalars under the same names.

use std::ops::Range;

use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::*;

fn all(text: &[u8]) -> Vec<Field<'_>> {
    let mut out = Vec::new();
    fields(text, &[], &mut |field| out.push(field)).unwrap();
    out
}

/// Members in order, twice where the text has them twice.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut out = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    out.push(entry);
                }
                Ok(Members(out))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// (path, decoded text) of each scalar, as `serde_json` reads it.
fn oracle(raw: &str, path: &mut Vec<String>, out: &mut Vec<(Vec<String>, String)>) {
    match raw.trim().as_bytes()[0] {
        b'{' => {
            for (name, value) in serde_json::from_str::<Members>(raw).unwrap().0 {
                path.push(name);
                oracle(value.get(), path, out);
                path.pop();
            }
        }
        b'[' => {
            for value in serde_json::from_str::<Vec<Box<RawValue>>>(raw).unwrap() {
                oracle(value.get(), path, out);
            }
        }
        b'"' => out.push((path.clone(), serde_json::from_str(raw).unwrap())),
        _ => out.push((path.clone(), raw.trim().to_owned())),
    }
}

fn accepted(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// A JSON text with odd spacing, escapes and duplicate names.
fn json() -> impl Strategy<Value = String> {
    let blank = prop::sample::select(vec!["", "", "", " ", "\t", "\r\n"]);
    let string = prop::collection::vec(
        prop::sample::select(vec![
            "a",
            "b",
            "id",
            "user_id",
            "\\n",
            "\\\"",
            "\\\\",
            "\\/",
            "\\u0040",
            "\\ud83d\\ude00",
            "\\u00e9",
            "é",
            "😀",
            ",",
            "{",
            "]",
            ":",
            "\\b\\f\\r\\t",
            "\\\\u0040",
        ]),
        0..4,
    )
    .prop_map(|parts| format!("\"{}\"", parts.concat()))
    .boxed();
    let number =
        prop::sample::select(vec!["0", "-0", "42", "42.0", "-1.5e+10", "1E9", "90071992547409931", "0.1", "1e999"]);
    let leaf = prop_oneof![
        4 => string.clone(),
        3 => number.prop_map(str::to_owned),
        1 => prop::sample::select(vec!["true", "false", "null", "{}", "[]", "[ ]", "{ }"]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        let element = (blank.clone(), inner.clone(), blank.clone()).prop_map(|(a, v, b)| format!("{a}{v}{b}"));
        let member = (blank.clone(), string.clone(), blank.clone(), element.clone())
            .prop_map(|(a, name, b, value)| format!("{a}{name}{b}:{value}"));
        prop_oneof![
            prop::collection::vec(element, 1..5).prop_map(|all| format!("[{}]", all.join(","))),
            prop::collection::vec(member, 1..5).prop_map(|all| format!("{{{}}}", all.join(","))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Same scalars, same names, in the same order; spans and wholes are where they say.
    #[test]
    fn same_scalars_as_serde(text in json()) {
        let mut want = Vec::new();
        oracle(&text, &mut Vec::new(), &mut want);
        // An array of bytes is read as a text as well, which serde knows nothing of.
        let quoted = |at: usize| at > 0 && text.as_bytes()[at - 1] == b'"';
        let bytes = |span: &Range<usize>| !quoted(span.start) && text.as_bytes()[span.clone()].contains(&b',');
        let got: Vec<_> = all(text.as_bytes()).into_iter().filter(|f| !bytes(&f.span)).collect();
        let scalars: Vec<_> = got.iter().filter(|f| f.place != Place::JsonKey).map(|f| {
            let path: Vec<String> = f.path.iter().map(|p| String::from_utf8(p.to_vec()).unwrap()).collect();
            (path, String::from_utf8(f.text.to_vec()).unwrap())
        }).collect();
        prop_assert_eq!(scalars, want);
        for pair in got.windows(2) {
            prop_assert!(pair[0].span.end <= pair[1].span.start);
        }
        for field in &got {
            prop_assert!(field.whole.start <= field.span.start && field.span.end <= field.whole.end);
            if matches!(field.place, Place::JsonString | Place::JsonKey) {
                prop_assert_eq!(text.as_bytes()[field.span.start - 1], b'"');
                prop_assert_eq!(text.as_bytes()[field.span.end], b'"');
                prop_assert_eq!(&*decode(&text.as_bytes()[field.span.clone()]), &*field.text);
            } else {
                prop_assert_eq!(&text.as_bytes()[field.span.clone()], &*field.text);
            }
        }
    }

    /// Without a field's whole (and, of a last one, the comma before it) the text is JSON still.
    #[test]
    fn wholes_can_go(text in json(), pick in any::<prop::sample::Index>()) {
        let scalars: Vec<_> = all(text.as_bytes()).into_iter()
            .filter(|f| f.place != Place::JsonKey && f.whole.len() < text.trim().len()).collect();
        prop_assume!(!scalars.is_empty());
        let whole = pick.get(&scalars).whole.clone();
        let mut head = text[..whole.start].to_owned();
        let last = text[whole.end..].trim_start().starts_with(['}', ']']);
        if last && head.trim_end().ends_with(',') {
            head.truncate(head.trim_end().len() - 1);
        }
        prop_assert!(accepted(format!("{head}{}", &text[whole.end..]).as_bytes()), "{}", text);
    }

    /// Same verdict on mutated JSON.
    #[test]
    fn same_verdict_on_mutations(text in json(), cuts in prop::collection::vec(
        (any::<prop::sample::Index>(), prop::sample::select(b"{}[],:\"\\u0d8 \n\t1-.eE+ntf\x01\x7f\xff".to_vec()), 0u8..3), 0..4)) {
        let mut bytes = text.into_bytes();
        for (at, byte, how) in cuts {
            if bytes.is_empty() { break; }
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        prop_assert_eq!(is_json(&bytes).unwrap(), accepted(&bytes), "{}", bytes.escape_ascii());
    }

    /// A prefix of JSON is the start of JSON: never a syntax error.
    #[test]
    fn prefixes_only_end(text in json(), at in any::<prop::sample::Index>()) {
        let mut scanner = Scanner::new(&text.as_bytes()[..at.index(text.len() + 1)]);
        let end = loop {
            match scanner.step() {
                Ok(Some(_)) => {}
                other => break other,
            }
        };
        prop_assert!(matches!(end, Ok(None) | Err(Bad::End)));
    }

    #[test]
    fn no_panic_on_noise(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        prop_assert_eq!(is_json(&bytes).unwrap(), accepted(&bytes));
        // No panic, whatever it says.
        let _ = decode(&bytes);
    }
}

#[test]
fn a_record_by_hand() {
    let text = br#" {"a" : "x\u0041" , "user":{"id":42,"tags":["p", null ,{"k":true}]},"a":""}"#;
    let got: Vec<_> = all(text)
        .into_iter()
        .map(|f| {
            let path: Vec<_> = f.path.iter().map(|p| String::from_utf8_lossy(p).into_owned()).collect();
            let own = String::from_utf8_lossy(&f.text).into_owned();
            (path.join("."), own, &text[f.span], &text[f.whole], f.place)
        })
        .collect();
    let row = |path: &str, own: &str, span: &'static str, whole: &'static str, place| {
        (path.to_owned(), own.to_owned(), span.as_bytes(), whole.as_bytes(), place)
    };
    let want = vec![
        row("", "a", "a", r#""a""#, Place::JsonKey),
        row("a", "xA", r"x\u0041", r#""a" : "x\u0041" ,"#, Place::JsonString),
        row("", "user", "user", r#""user""#, Place::JsonKey),
        row("user", "id", "id", r#""id""#, Place::JsonKey),
        row("user.id", "42", "42", r#""id":42,"#, Place::JsonBare),
        row("user", "tags", "tags", r#""tags""#, Place::JsonKey),
        row("user.tags", "p", "p", r#""p","#, Place::JsonString),
        row("user.tags", "null", "null", "null ,", Place::JsonNull),
        row("user.tags", "k", "k", r#""k""#, Place::JsonKey),
        row("user.tags.k", "true", "true", r#""k":true"#, Place::JsonBare),
        row("", "a", "a", r#""a""#, Place::JsonKey),
        row("a", "", "", r#""a":"""#, Place::JsonString),
    ];
    assert_eq!(got, want);
}

#[test]
fn surrogates_and_other_bytes() {
    assert_eq!(&*decode(br"\ud83d\ude00"), "😀".as_bytes());
    assert_eq!(&*decode(br"\ud83dx"), "\u{fffd}x".as_bytes());
    assert_eq!(&*decode(br"\ud83d\u0041"), "\u{fffd}A".as_bytes());
    assert_eq!(&*decode(br"\ude00"), "\u{fffd}".as_bytes());
    assert!(is_json(b"{\"caf\xe9\":\"\xff\"}").unwrap());
    assert_eq!(&*all(b"{\"caf\xe9\":1}")[1].path[0], b"caf\xe9");
}

#[test]
fn depth_is_bounded_and_costs_no_stack() {
    let deep = |n: usize| [b"[".repeat(n), b"]".repeat(n)].concat();
    assert!(is_json(&deep(MAX_DEPTH)).unwrap());
    let error = is_json(&deep(1_000_000)).unwrap_err();
    assert_eq!(error.kind(), crate::error::Kind::Limit);
    assert_eq!(fields(&deep(MAX_DEPTH + 1), &[], &mut |_| {}).unwrap_err().kind(), crate::error::Kind::Limit);
}
