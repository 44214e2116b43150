use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

#[test]
fn long_hostile_text_is_no_trouble() {
    let engine =
        engine(&[(Email, ALICE), (Ip, "::1"), (Phone, "1234567"), (UserId, "42"), (Username, "al"), (Literal, "%%%%")]);
    for unit in
        ["%25", "\\u005c", "&amp;", "=3D", "=\n", "a=", ":", "\" :", "/users", "1 ", "a.", "users/4.", "&#0", "<a>"]
    {
        text_hits(&engine, unit.repeat(5_000).as_bytes());
    }
}

/// What the texts below may hold.
const SET: &[(Type, &str)] = &[
    (Email, ALICE),
    (Uuid, "123e4567-e89b-42d3-a456-426614174000"),
    (Ip, "192.0.2.1"),
    (Ip, "2001:db8::1"),
    (Phone, "+49 151 1234567"),
    (Token, "usr_8f"),
    (UserId, "42"),
    (UserId, "48213"),
    (Username, "bob"),
    (Literal, "a\"b%"),
];

static ENGINE: LazyLock<Reference> = LazyLock::new(|| engine(SET));

/// Texts made of what scanners stumble over.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop::sample::select(vec![
        "alice@example.com",
        "ALICE",
        "@",
        "example.com",
        ".",
        "123e4567-e89b-42d3-a456-426614174000",
        "192.0.2.1",
        "::ffff:",
        "2001:db8::1",
        ":",
        "+",
        "00",
        "49 151 1234567",
        "49",
        " ",
        "-",
        "(",
        "usr_8f",
        "user_id",
        "user",
        "id",
        "=",
        "42",
        "48213",
        "bob",
        "\"",
        "'",
        "<",
        ">",
        "/users/",
        "/",
        "#",
        ".json",
        "%40",
        "%25",
        "%",
        "\\u0040",
        "\\u",
        "\\",
        "\\\"",
        "\\n",
        "\\ud83d",
        "\\ude00",
        "&#64;",
        "&commat;",
        "&amp;",
        "&fjlig;",
        "&nGt;",
        "&#x",
        ";",
        "&",
        "=40",
        "=3D",
        "=\n",
        "=\r\n",
        "\n",
        "\"\"",
        "a\"b%",
        "3D",
        "5c",
        "40",
        "é",
        "\u{1f600}",
    ]);
    let piece = prop_oneof![
        8 => fragment.prop_map(|f| f.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Every span is in the text, its bytes decode by its chain to a text that holds the value, and hits are sorted,
    /// single, and disjoint for each value.
    #[test]
    fn hits_map_back_to_bytes_that_spell_the_value(text in fragments()) {
        let hits = text_hits(&ENGINE, &text);
        for (i, hit) in hits.iter().enumerate() {
            let mut bytes = text[hit.span.clone()].to_vec();
            for spelling in hit.chain.iter() {
                bytes = decode(Code::of(spelling), &bytes).unwrap_or(bytes);
            }
            let (kind, written) = SET[hit.value as usize];
            let value = canonical(kind, written);
            let holds = match kind {
                Email | Username => bytes.to_ascii_lowercase() == value,
                Token | Literal | UserId => bytes == value,
                Uuid => canonical(kind, std::str::from_utf8(&bytes).unwrap()) == value,
                Phone => bytes.iter().copied().filter(u8::is_ascii_digit).collect::<Vec<_>>().ends_with(&value),
                Ip => std::str::from_utf8(&bytes).unwrap().parse::<std::net::IpAddr>().is_ok(),
            };
            // A span may widen by what else its first and last escapes spell.
            let two_letters = text.windows(5).any(|name| name == b"fjlig");
            prop_assert!(holds || two_letters, "{hit:?}");
            prop_assert!(hits[i + 1..].iter().all(|other| other.value != hit.value || other.span.start >= hit.span.end));
        }
        let order: Vec<_> = hits.iter().map(|hit| (hit.span.start, hit.span.end, hit.value)).collect();
        let set: BTreeSet<_> = order.iter().copied().collect();
        prop_assert_eq!(order, set.into_iter().collect::<Vec<_>>());
    }

    /// A decoded byte's span is never before that of the byte before it, and lies in the text.
    #[test]
    fn lifted_spans_are_monotone(text in fragments(), which in 0..5_usize) {
        let codes = Spelling::ALL.map(Code::of);
        let code = codes.get(which).copied().unwrap_or(&Code::QUOTES);
        if let Some(decoded) = decode(code, &text) {
            let mut spans: Vec<_> = (0..decoded.len()).map(|i| i..i + 1).collect();
            lift(code, &text, &mut spans);
            prop_assert!(spans.iter().all(|span| span.start < span.end && span.end <= text.len()));
            prop_assert!(spans.is_sorted_by_key(|span| span.start) && spans.is_sorted_by_key(|span| span.end));
            for (byte, span) in decoded.iter().zip(&spans) {
                let alone = decode(code, &text[span.clone()]).unwrap_or(text[span.clone()].to_vec());
                prop_assert!(alone.contains(byte));
            }
        }
    }

    /// What is spelled by any chain is found, at that place.
    #[test]
    fn planted_values_are_found(
        before in "[a-z ]{0,8}", after in "[a-z ]{0,8}", chain in prop::collection::vec(0..4_usize, 0..4),
        which in 0..SET.len(),
    ) {
        let (kind, written) = SET[which];
        let name = if kind.anywhere() { "" } else { "user_id=" };
        let name = if kind == Username { "login=" } else { name };
        let chain: Vec<_> = chain.into_iter().map(|i| Spelling::ALL[i]).collect();
        let mut text = format!("{name}{written}");
        for spelling in chain.iter().rev() {
            text = spell(*spelling, &text);
        }
        let text = format!("{before} {text} {after}");
        let hits = text_hits(&ENGINE, text.as_bytes());
        prop_assert!(hits.iter().any(|hit| hit.value as usize == which && hit.span.end <= text.len() - after.len()), "{text}");
    }

    #[test]
    fn no_bytes_make_it_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
        text_hits(&ENGINE, &text);
    }
}
