//! How a document is cut. What becomes of it as a whole is in `tests/json.rs`.

use proptest::prelude::*;

use super::walk::{Pointer, Walk, What};
use crate::error::{Kind, Result};

/// The pieces as (first letter of what, names above, text), read in windows that grow by `size`.
fn pieces(text: &[u8], pointer: Option<&str>, size: usize) -> Result<Vec<(What, String, String)>> {
    let mut walk = Walk::new(pointer.map(Pointer::parse));
    let (mut start, mut end, mut out) = (0, 0, Vec::new());
    while start < text.len() {
        let eof = end == text.len();
        let window = &text[start..end];
        let piece = if window.is_empty() { None } else { walk.next(window, eof)? };
        let Some(piece) = piece else {
            assert!(!eof, "more at the end");
            end = (end + size).min(text.len());
            continue;
        };
        let above = piece.above.iter().map(|n| String::from_utf8_lossy(n)).collect::<Vec<_>>().join("/");
        assert!(piece.len > 0 && piece.len <= window.len());
        out.push((piece.what, above, String::from_utf8_lossy(&window[..piece.len]).into_owned()));
        start += piece.len;
    }
    walk.finish()?;
    Ok(out)
}

/// What has data, in order.
fn data(text: &str, pointer: Option<&str>) -> Vec<(What, String, String)> {
    let whole = pieces(text.as_bytes(), pointer, usize::MAX >> 1).unwrap();
    for size in [1, 2, 7] {
        let again = pieces(text.as_bytes(), pointer, size).unwrap();
        let merged = |all: &[(What, String, String)]| {
            // Blanks are cut where a window ends.
            let solid = all.iter().filter(|p| !matches!(p.0, What::Blank | What::Plain));
            (solid.cloned().collect::<Vec<_>>(), all.iter().map(|p| p.2.as_str()).collect::<String>())
        };
        assert_eq!(merged(&again), merged(&whole), "windows of {size}");
    }
    whole.into_iter().filter(|p| matches!(p.0, What::Element | What::Member | What::Scalar)).collect()
}

fn expect(text: &str, pointer: Option<&str>, want: &[(What, &str, &str)]) {
    let want: Vec<_> =
        want.iter().map(|(what, above, text)| (*what, (*above).to_owned(), (*text).to_owned())).collect();
    assert_eq!(data(text, pointer), want, "{text}");
}

#[test]
fn a_top_level_array() {
    expect(
        "\u{feff} [ {\"a\":1} ,\n {\"b\":[{\"c\":2}]},3, \"x\"\n]\n",
        None,
        &[
            (What::Element, "", "{\"a\":1}"),
            (What::Element, "", "{\"b\":[{\"c\":2}]}"),
            (What::Element, "", "3"),
            (What::Element, "", "\"x\""),
        ],
    );
}

#[test]
fn tables_and_what_is_beside_them() {
    expect(
        r#"{"v" : 1.5, "users":[{"id":42}], "by":{"name":"x","roles":["a","b"],"log":[ {"t":1}, {"t":2} ]}, "n":null}"#,
        None,
        &[
            (What::Member, "", "\"v\" : 1.5"),
            (What::Member, "", "\"users\":"),
            (What::Element, "users", "{\"id\":42}"),
            (What::Member, "", "\"by\":"),
            (What::Member, "by", "\"name\":\"x\""),
            (What::Member, "by", "\"roles\":"),
            (What::Scalar, "by/roles", "\"a\""),
            (What::Scalar, "by/roles", "\"b\""),
            (What::Member, "by", "\"log\":"),
            (What::Element, "by/log", "{\"t\":1}"),
            (What::Element, "by/log", "{\"t\":2}"),
            (What::Member, "", "\"n\":null"),
        ],
    );
}

#[test]
fn an_array_is_one_of_records_by_its_first_element() {
    expect(
        "[1,{\"a\":[{\"b\":2}]}]",
        None,
        &[(What::Scalar, "", "1"), (What::Member, "", "\"a\":"), (What::Element, "a", "{\"b\":2}")],
    );
    expect("[[{\"a\":1}],[[]],[]]", None, &[(What::Element, "", "{\"a\":1}")]);
    expect("\"alone\"", None, &[(What::Scalar, "", "\"alone\"")]);
    expect("[]", None, &[]);
    expect(" \n", None, &[]);
}

#[test]
fn a_pointer_says_which() {
    let text = r#"{"a/b":{"~":[[1],["x",{"y":2}]]},"other":[{"z":3}]}"#;
    expect(
        text,
        Some("/a~1b/~0/1"),
        &[
            (What::Member, "", "\"a/b\":"),
            (What::Member, "a/b", "\"~\":"),
            (What::Scalar, "a/b/~", "1"),
            (What::Element, "a/b/~", "\"x\""),
            (What::Element, "a/b/~", "{\"y\":2}"),
            (What::Member, "", "\"other\":"),
            (What::Member, "other", "\"z\":3"),
        ],
    );
    expect("[1,2]", Some(""), &[(What::Element, "", "1"), (What::Element, "", "2")]);
    expect("[[1],2]", Some("/"), &[(What::Scalar, "", "1"), (What::Scalar, "", "2")]);
}

#[test]
fn what_does_not_parse_is_damaged() {
    for text in [
        "[",
        "{",
        "[{\"a\":1}",
        "[{\"a\":1},",
        "[{\"a\":1},]",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1,}",
        "[1] 2",
        "[1]]",
        "nul",
        "[01]",
        "{\"a\":1}{\"b\":2}",
        "[{\"a\":1}{\"b\":2}]",
        "[,1]",
        "\"open",
        "{1:2}",
        "[{\"a\":\"\n\"}]",
        "-",
        "[1.]",
    ] {
        for size in [1, 3, 1000] {
            let error = pieces(text.as_bytes(), None, size).unwrap_err();
            assert_eq!(error.kind(), Kind::Damaged, "{text}");
        }
    }
}

#[test]
fn depth_is_bounded() {
    for (open, at) in [("[", 0), ("{\"a\":", 0), ("[", 1)] {
        let text = ["[{\"a\":"; 1][..at].concat() + &open.repeat(1_000_000);
        let error = pieces(text.as_bytes(), None, 1 << 16).unwrap_err();
        assert_eq!(error.kind(), Kind::Limit);
    }
    let deep = "[".repeat(1000) + &"]".repeat(1000);
    assert!(pieces(deep.as_bytes(), None, 64).is_ok());
}

#[test]
fn names_above_a_place_are_bounded() {
    let text = format!("{{\"{}\":", "n".repeat(600_000)).repeat(2) + "[";
    assert_eq!(pieces(text.as_bytes(), None, 1 << 20).unwrap_err().kind(), Kind::Limit);
    let text = format!("{{{}\"x\":1}}", format!("\"{}\":{{}},", "n".repeat(600_000)).repeat(3));
    assert!(pieces(text.as_bytes(), None, 1 << 20).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// What is accepted is what `serde_json` accepts (but for depth), however it comes.
    #[test]
    fn same_verdict_as_serde(text in "[\\[\\]{}\",:1ab \\\\.-]{0,24}", size in 1usize..6) {
        let accepted = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() || text.trim_matches(' ').is_empty();
        let (whole, cut) = (pieces(text.as_bytes(), None, 1 << 20), pieces(text.as_bytes(), None, size));
        prop_assert_eq!(whole.is_ok(), accepted);
        prop_assert_eq!(cut.is_ok(), accepted);
        if let (Ok(whole), Ok(cut)) = (whole, cut) {
            let joined = |all: Vec<(What, String, String)>| all.into_iter().map(|p| p.2).collect::<String>();
            prop_assert_eq!(joined(whole), text.clone());
            prop_assert_eq!(joined(cut), text);
        }
    }
}
