//! Tests of decoding, of maps and of the way back.

use super::*;
use proptest::prelude::*;

fn plain(spelling: Spelling, text: &str) -> Option<Vec<u8>> {
    decode(spelling, text.as_bytes()).map(|(text, _)| text)
}

#[test]
fn each_spelling_decodes_one_step() {
    assert_eq!(plain(Spelling::Percent, "a%2540%4G%c3"), Some(b"a%40%4G\xc3".to_vec()));
    assert_eq!(
        plain(Spelling::Json, r"\u0040\/\n\q\\n\uD83D\uDE00\ud83dx"),
        Some("@/\n\\q\\n\u{1F600}\\ud83dx".as_bytes().to_vec())
    );
    assert_eq!(
        plain(Spelling::Html, "&#64;&#x40;&#X40;&commat;&amp;amp;&amp &#xD800;&nosuch;&fjlig;"),
        Some(b"@@@@&amp;&amp &#xD800;&nosuch;fj".to_vec())
    );
    assert_eq!(plain(Spelling::Qp, "a=40=\nb=\r\nc=4"), Some(b"a@bc=4".to_vec()));
    for spelling in Spelling::ALL {
        assert_eq!(plain(spelling, "plain % \\ & = text"), None);
    }
}

#[test]
fn longest_entity_name_fits() {
    let longest = entities().keys().map(|k| k.len()).max();
    assert!(longest.is_some_and(|len| len < NAME_MAX));
    assert_eq!(plain(Spelling::Html, "&CounterClockwiseContourIntegral;"), Some("∳".as_bytes().to_vec()));
    assert!(entities().values().all(|v| v.len() <= 8));
}

#[test]
fn maps_point_at_what_spells_a_byte() {
    let (text, map) = decode(Spelling::Qp, b"al=\nice=40x").unwrap();
    assert_eq!(text, b"alice@x");
    assert_eq!(map.range(0, 7), 0..11);
    assert_eq!(map.range(0, 2), 0..2);
    assert_eq!(map.range(2, 6), 4..10);
    assert_eq!(map.range(5, 6), 7..10);
}

#[test]
fn quotes_are_halved_with_their_places() {
    let (text, map) = halve_quotes(br#"a""b""""c"#).unwrap();
    assert_eq!(text, br#"a"b""c"#);
    assert_eq!(map.range(1, 2), 1..3);
    assert_eq!(map.range(2, 6), 3..9);
    assert!(halve_quotes(b"none \" here").is_none());
}

fn any_chain() -> impl Strategy<Value = Chain> {
    proptest::collection::vec(0..4usize, 0..4)
        .prop_map(|steps| steps.into_iter().fold(Chain::default(), |chain, i| chain.then(Spelling::ALL[i]).unwrap()))
}

fn spelled() -> impl Strategy<Value = Vec<u8>> {
    let fragments = prop::sample::select(vec![
        "a", "%40", "%25", "%2", "&amp;", "&#", "fj;", "&fjlig;", "64;", "\\u0040", "\\", "\\n", "u00e9", "=40", "=\n",
        "=3D", "=", "%5C", "é", "&eacute;", "41", "\"",
    ]);
    proptest::collection::vec(fragments, 0..14).prop_map(|parts| parts.concat().into_bytes())
}

proptest! {
    #[test]
    fn encode_is_undone_by_its_chain(chain in any_chain(), text in proptest::collection::vec(any::<u8>(), 0..40)) {
        let mut now = encode(&chain, &text);
        for spelling in chain.iter() {
            now = decode(spelling, &now).map_or(now, |(text, _)| text);
        }
        prop_assert_eq!(now, text);
    }

    #[test]
    fn composed_maps_agree_with_steps(text in spelled(), a in 0..4usize, b in 0..4usize, c in 0..4usize) {
        let mut now = text.clone();
        let mut maps: Vec<Map> = Vec::new();
        let mut composed = Map::default();
        for i in [a, b, c] {
            if let Some((next, map)) = decode(Spelling::ALL[i], &now) {
                composed = composed.then(&map);
                maps.push(map);
                now = next;
            }
        }
        for start in 0..now.len() {
            for end in start + 1..=now.len() {
                let stepped = maps.iter().rev().fold(start..end, |r, map| map.range(r.start, r.end));
                prop_assert_eq!(composed.range(start, end), stepped.clone());
                prop_assert!(stepped.end <= text.len());
            }
        }
    }
}
