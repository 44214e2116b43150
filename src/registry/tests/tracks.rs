//! Erase and cancel, hold and release, grace periods: every order of them.

use super::*;
use proptest::prelude::*;

const PAST: &str = "2026-11-01T00:00:00Z";
const FUTURE: &str = "2026-12-01T00:00:00Z";

/// One line of a short notation: `E1` erase of id 1 at once, `F1` with an end of grace in the future, `P1` in the past,
/// `N1` now; `C` cancel; `H` hold, `U` hold until the future, `X` until the past, `M` until now; `R` release.
fn line(word: &str) -> String {
    let until =
        |time: &str| format!("{{\"event\":\"hold\",\"subject\":\"s\",\"until\":\"{time}\",\"reason\":\"r\"}}\n");
    let grace = |time: &str| erase("s", &word[1..], &format!(",\"effective_at\":\"{time}\""));
    match &word[..1] {
        "E" => erase("s", &word[1..], ""),
        "F" => grace(FUTURE),
        "P" => grace(PAST),
        "N" => grace(NOW),
        "C" => "{\"event\":\"cancel\",\"subject\":\"s\"}\n".to_owned(),
        "H" => "{\"event\":\"hold\",\"subject\":\"s\"}\n".to_owned(),
        "U" => until(FUTURE),
        "X" => until(PAST),
        "M" => until(NOW),
        "R" => "{\"event\":\"release\",\"subject\":\"s\"}\n".to_owned(),
        other => panic!("{other}"),
    }
}

fn play(words: &str) -> Registry {
    let text: String = words.split(' ').map(line).collect();
    let registry = jsonl(&text);
    consistent(&registry.needles);
    registry
}

/// The ids that are searched for, `h` before them if held.
fn ids(registry: &Registry) -> String {
    let of = |claim: &str| {
        let held = if claim.starts_with("held ") { "h" } else { "" };
        format!("{held}{}", &claim[claim.find('=').unwrap() + 1..])
    };
    claims(registry).iter().map(|c| of(c)).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_order() {
    // [in force, held, pending, cancelled]
    let table: &[(&str, &str, [u64; 4])] = &[
        ("E1", "1", [1, 0, 0, 0]),
        ("P1", "1", [1, 0, 0, 0]),
        ("N1", "1", [1, 0, 0, 0]),
        ("F1", "", [0, 0, 1, 0]),
        ("E1 F2", "1", [1, 0, 0, 0]),
        ("F1 E2", "2", [1, 0, 0, 0]),
        ("F1 E1", "1", [1, 0, 0, 0]),
        ("E1 F1", "1", [1, 0, 0, 0]),
        ("E1 E1", "1", [1, 0, 0, 0]),
        ("E1 E2", "1 2", [1, 0, 0, 0]),
        ("C", "", [0, 0, 0, 1]),
        ("E1 C", "", [0, 0, 0, 1]),
        ("F1 C", "", [0, 0, 0, 1]),
        ("C E1", "1", [1, 0, 0, 0]),
        ("E1 C E2", "2", [1, 0, 0, 0]),
        ("E1 E2 C", "", [0, 0, 0, 1]),
        ("E1 C F2", "", [0, 0, 1, 0]),
        ("E1 C C E3 E4", "3 4", [1, 0, 0, 0]),
        ("H", "", [0, 1, 0, 0]),
        ("U", "", [0, 1, 0, 0]),
        ("X", "", [0, 0, 0, 0]),
        ("R", "", [0, 0, 0, 0]),
        ("E1 H", "h1", [0, 1, 0, 0]),
        ("H E1", "h1", [0, 1, 0, 0]),
        ("E1 U", "h1", [0, 1, 0, 0]),
        ("E1 X", "1", [1, 0, 0, 0]),
        ("E1 M", "1", [1, 0, 0, 0]),
        ("E1 H R", "1", [1, 0, 0, 0]),
        ("E1 R H", "h1", [0, 1, 0, 0]),
        ("H R E1", "1", [1, 0, 0, 0]),
        ("E1 H X", "1", [1, 0, 0, 0]),
        ("E1 X H", "h1", [0, 1, 0, 0]),
        ("E1 U R", "1", [1, 0, 0, 0]),
        ("F1 H", "h1", [0, 1, 0, 0]),
        ("E1 F2 H", "h1 h2", [0, 1, 0, 0]),
        ("F1 H R", "", [0, 0, 1, 0]),
        ("E1 H C", "", [0, 1, 0, 0]),
        ("E1 C H", "", [0, 1, 0, 0]),
        ("E1 H C R", "", [0, 0, 0, 1]),
        ("E1 H C E2", "h2", [0, 1, 0, 0]),
        ("H E1 C E2 R", "2", [1, 0, 0, 0]),
    ];
    for (words, want, numbers) in table {
        let registry = play(words);
        assert_eq!(ids(&registry), *want, "{words}");
        assert_eq!(counts(&registry), *numbers, "{words}");
        assert_eq!(registry.seq, words.split(' ').count() as u64, "{words}");
    }
}

#[test]
fn terms_belong_to_their_event() {
    let text = [
        erase("s", "1", ",\"before\":\"2026-11-01T00:00:00Z\""),
        erase("s", "1", ""),
        erase("s", "1", ",\"before\":\"2026-11-01T00:00:00Z\""),
        erase("s", "2", ",\"before\":\"2026-11-02T00:00:00Z\",\"effective_at\":\"2026-12-01T00:00:00Z\""),
        erase("t", "1", ",\"before\":\"2026-11-01T01:00:00+01:00\""),
    ]
    .concat();
    let registry = jsonl(&text);
    consistent(&registry.needles);
    assert_eq!(
        claims(&registry),
        ["s: user_id=1", "s: user_id=1 <2026-11-01T00:00:00Z", "t: user_id=1 <2026-11-01T00:00:00Z"]
    );
    assert_eq!(registry.needles.values().count(), 1);
    let held = format!("{text}{{\"event\":\"hold\",\"subject\":\"s\"}}\n");
    assert!(claims(&jsonl(&held)).contains(&"held s: user_id=2 <2026-11-02T00:00:00Z".to_owned()));
}

#[test]
fn only_the_event_order_counts() {
    let text = "{\"at\":\"2026-11-09T00:00:00Z\",\"event\":\"cancel\",\"subject\":\"s\"}\n".to_owned()
        + &erase("s", "1", ",\"at\":\"2026-11-01T00:00:00Z\"");
    let registry = jsonl(&text);
    assert_eq!(ids(&registry), "1");
    assert_eq!(registry.newest_at, Some(at("2026-11-09T00:00:00Z")));
}

#[test]
fn composite_and_shared_values() {
    let text = r#"{"subject":"a","identifiers":[{"all_of":[{"type":"username","value":"Ann"},{"type":"user_id","value":"7"},{"type":"username","value":"ann"}]},{"type":"user_id","value":"7"}]}
{"subject":"b","identifiers":[{"all_of":[{"type":"user_id","value":"7"},{"type":"username","value":"ANN"}]},{"type":"email","value":"B@example.com"},{"type":"email","value":"b@EXAMPLE.com"}]}
"#;
    let registry = jsonl(text);
    consistent(&registry.needles);
    assert_eq!(
        claims(&registry),
        ["a: user_id=7", "a: username=ann+user_id=7", "b: email=b@example.com", "b: username=ann+user_id=7"]
    );
    assert_eq!(registry.needles.values().count(), 3);
}

#[test]
fn as_of_an_earlier_seq() {
    let text = [
        erase("a", "1", ""),
        erase("b", "2", ""),
        "{\"event\":\"cancel\",\"subject\":\"a\"}\n".to_owned(),
        erase("b", "3", ""),
        erase("c", "4", ""),
        "{\"event\":\"hold\",\"subject\":\"b\"}\n".to_owned(),
    ]
    .concat();
    let then = Options { as_of_seq: Some(2), ..options() };
    let registry = load(Form::Jsonl, &text, &then).unwrap();
    consistent(&registry.needles);
    assert_eq!(claims(&registry), ["a: user_id=1", "b: user_id=2"]);
    assert_eq!(registry.new_since, ["b", "c"]);
    assert_eq!(registry.seq, 6);
    assert_eq!(counts(&registry), [2, 0, 0, 0]);
    let all = jsonl(&text);
    assert_eq!(counts(&all), [1, 1, 0, 1]);
    assert!(all.new_since.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any events of three subjects against the SPEC's words, computed the slow way.
    #[test]
    fn tracks_as_the_spec_says(events in proptest::collection::vec((0usize..3, 0usize..9, 0u8..3), 1..24)) {
        let words = ["E", "F", "P", "N", "C", "H", "U", "X", "R"];
        let mut text = String::new();
        for (subject, word, id) in &events {
            let line = line(&format!("{}{id}", words[*word]));
            text += &line.replace("\"subject\":\"s\"", &format!("\"subject\":\"s{subject}\""));
        }
        let registry = jsonl(&text);
        consistent(&registry.needles);
        let mut want = std::collections::BTreeSet::new();
        for who in 0..3 {
            let own = |wanted: &str| {
                events.iter().enumerate().filter(|(_, (s, w, _))| *s == who && wanted.contains(words[*w]))
                    .map(|(at, (_, w, id))| (at, words[*w], *id)).collect::<Vec<_>>()
            };
            let cancelled = own("C").last().map(|(at, ..)| *at);
            let held = own("HUXR").last().is_some_and(|(_, word, _)| matches!(*word, "H" | "U"));
            for (at, word, id) in own("EFPN") {
                if cancelled.is_none_or(|c| at > c) && (held || word != "F") {
                    want.insert(format!("{}s{who}: user_id={id}", if held { "held " } else { "" }));
                }
            }
        }
        prop_assert_eq!(claims(&registry), want.into_iter().collect::<Vec<_>>());
    }
}
