//! The two engines against each other where variants are asked for: Base64 of either alphabet, at any alignment, with padding and
//! without, in paths, in other spellings and around them; UTF-16 of both byte orders; digests.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD};
use md5::{Digest, Md5};
use proptest::prelude::*;
use sha1::Sha1;
use sha2::Sha256;
use unwrite::matcher::literal::Literal;
use unwrite::matcher::reference::Reference;
use unwrite::matcher::{Engine, Plan, Unit};
use unwrite::policy::{Fields, Variant};

use crate::differential;
use crate::support::needles;

/// The values in the registry.
const VALUES: &[(&str, &str)] = &[
    ("email", "alice@example.com"),
    ("email", "b.o'k+tag@mail.example.org"),
    ("email", "zo\u{eb}@example.net"),
    ("uuid", "9b2f1c64-7d3e-4a51-8c0f-5e6d7a8b9c0d"),
    ("ip", "203.0.113.7"),
    ("ip", "2001:db8::7"),
    ("phone", "+1 415 555 0132"),
    ("token", "usr_8f3a9c21"),
    ("token", "sess-77.zz/9+a"),
    ("user_id", "48213"),
    ("username", "jsmith"),
    ("literal", "Project Nightjar"),
    ("literal", "\u{738b}\u{5c0f}\u{660e} Wang"),
    ("literal", "\u{4e2d}\u{6587}\u{4e2d}\u{6587}"),
];

fn engines(variants: &[(&'static str, &[Variant])]) -> (Literal, Reference) {
    let mut fields = Fields::default();
    for (kind, list) in variants {
        fields.variants.ask(kind, list);
    }
    let needles = Arc::clone(&needles::registry(&needles::lines(VALUES)).needles);
    let plan = Plan { needles, fields: Arc::new(fields) };
    (Literal::new(&plan).unwrap(), Reference::new(&plan))
}

/// All that can be asked for; e-mails alone in all variants; and each type in some.
static ENGINES: LazyLock<[(Literal, Reference); 3]> = LazyLock::new(|| {
    let both = &[Variant::Base64, Variant::Utf16][..];
    let all = ["uuid", "ip", "phone", "token", "literal"].map(|kind| (kind, both));
    let email = [("email", &Variant::ALL[..])];
    let some = [
        ("email", &[Variant::Base64, Variant::Sha1][..]),
        ("token", &[Variant::Utf16]),
        ("literal", &[Variant::Base64]),
        ("phone", both),
    ];
    [engines(&[&all[..], &email].concat()), engines(&email), engines(&some)]
});

/// A text, and how it is written as a whole.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let plain = differential::texts().prop_map(String::into_bytes);
    let value = prop::sample::select(VALUES).prop_map(|(_, value)| value.as_bytes().to_vec());
    let mail = prop::sample::select(vec![
        "alice@example.com",
        "Alice@Example.COM",
        "alice@example.com.au",
        "b.o'k+tag@mail.example.org",
    ]);
    let digest = (mail, 0..3, any::<bool>()).prop_map(|(mail, which, upper)| {
        let mail = mail.to_ascii_lowercase();
        let digest = match which {
            0 => Md5::digest(mail).to_vec(),
            1 => Sha1::digest(mail).to_vec(),
            _ => Sha256::digest(mail).to_vec(),
        };
        let hex = if upper { data_encoding::HEXUPPER } else { data_encoding::HEXLOWER };
        hex.encode(&digest).into_bytes()
    });
    let bytes = prop::collection::vec(any::<u8>(), 0..5);
    let glue = prop::sample::select(vec![
        "", " ", "/", "/u/", "+", "-", "_", "=", "==", "=\n", ".", "a", ".a/", ".YQ/", "\"", "\\/", "%2F", "%3D", "\0",
        "x\0",
    ])
    .prop_map(|text| text.as_bytes().to_vec());
    prop_oneof![3 => plain, 4 => value, 2 => digest, 1 => bytes, 4 => glue]
}

fn base64(bytes: &[u8], how: u8) -> Vec<u8> {
    let alphabet = match how % 4 {
        0 => BASE64,
        1 => BASE64_NOPAD,
        2 => BASE64URL,
        _ => BASE64URL_NOPAD,
    };
    let text = alphabet.encode(bytes);
    // Spelled in turn, as in a query or in PHP's JSON.
    match how / 4 % 4 {
        1 => text.replace('+', "%2B").replace('/', "%2f").replace('=', "%3D").into_bytes(),
        2 => text.replace('/', "\\/").into_bytes(),
        _ => text.into_bytes(),
    }
}

fn utf16(bytes: &[u8], big: bool) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

fn texts() -> impl Strategy<Value = Vec<u8>> {
    piece().prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 1..6).prop_map(|parts| parts.concat()),
            3 => (inner.clone(), any::<u8>()).prop_map(|(text, how)| base64(&text, how)),
            1 => (inner, any::<bool>()).prop_map(|(text, big)| utf16(&text, big)),
        ]
    })
}

/// Hits as (value, start, end).
fn hits(engine: &dyn Engine, text: &[u8]) -> BTreeSet<(u32, usize, usize)> {
    let mut found = Vec::new();
    engine.hits(&Unit { text, fields: &[], table: None }, &mut found);
    let places: BTreeSet<_> = found.iter().map(|hit| (hit.value, hit.span.start, hit.span.end)).collect();
    assert_eq!(places.len(), found.len(), "a hit is told twice");
    places
}

/// The lines of `text`, those that quoted-printable soft breaks join as one.
fn units(text: &[u8]) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive(|b| *b == b'\n') {
        let before = &text[..start];
        let joined = before.ends_with(b"=\n") || before.ends_with(b"=\r\n");
        match out.last_mut() {
            Some(last) if joined => last.end = start + line.len(),
            _ => out.push(start..start + line.len()),
        }
        start += line.len();
    }
    out
}

fn agree(text: &[u8]) -> Result<(), TestCaseError> {
    for (fast, slow) in &*ENGINES {
        let (fast_hits, slow_hits) = (hits(fast, text), hits(slow, text));
        let only = |a: &BTreeSet<_>, b: &BTreeSet<_>| {
            a.difference(b)
                .map(|(id, start, end): &(u32, usize, usize)| (VALUES[*id as usize], *start..*end))
                .collect::<Vec<_>>()
        };
        prop_assert!(
            fast_hits == slow_hits,
            "in \"{}\"\nonly fast: {:?}\nonly reference: {:?}",
            text.escape_ascii(),
            only(&fast_hits, &slow_hits),
            only(&slow_hits, &fast_hits)
        );
        // Each line is a record; those that a soft break joins are one.
        let mut candidates = Vec::new();
        fast.candidates(text, &mut candidates);
        for unit in units(text) {
            let touched = candidates.iter().any(|range| range.start < unit.end && unit.start < range.end);
            let missed = !touched && !hits(slow, &text[unit.clone()]).is_empty();
            prop_assert!(!missed, "no candidate in {unit:?} of \"{}\"", text.escape_ascii());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::support::cases(700), max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn engines_agree_on_variants(text in texts()) {
        agree(&text)?;
    }

    /// A value in Base64 is found at every alignment, in every alphabet, whatever stands around the token.
    #[test]
    fn base64_is_found_wherever_it_begins(
        lead in prop::collection::vec(any::<u8>(), 0..7),
        tail in prop::collection::vec(any::<u8>(), 0..7),
        how in 0u8..4,
        around in prop::sample::select(vec![("", ""), ("data=", "&x"), ("\"", "\""), ("id:", "\n"), ("/reset/", "/now"), ("(", ")")]),
        upper in any::<bool>(),
    ) {
        let mail = if upper { "Alice@Example.COM" } else { "alice@example.com" };
        // What does not keep it from counting.
        let inner = [lead.as_slice(), b" ", mail.as_bytes(), b" ", &tail].concat();
        let token = base64(&inner, how);
        let text = [around.0.as_bytes(), &token, around.1.as_bytes()].concat();
        for (fast, slow) in &*ENGINES {
            for engine in [fast as &dyn Engine, slow] {
                let all: Vec<_> = hits(engine, &text).into_iter().filter(|hit| hit.0 == 0).collect();
                prop_assert!(all.len() == 1, "{} finds {all:?} in {}", engine.name(), text.escape_ascii());
            }
        }
        // A token that begins with `/` may be a path.
        if !around.0.starts_with('/') && !token.starts_with(b"/") {
            let span = around.0.len()..around.0.len() + token.len();
            prop_assert_eq!(hits(&ENGINES[0].0, &text).into_iter().find(|hit| hit.0 == 0), Some((0, span.start, span.end)), "{}", text.escape_ascii());
        }
        agree(&text)?;
    }
}

/// Texts of several windows, in which escapes, Base64 and NULs are rare or everywhere: the fast engine reads them in pieces.
#[test]
fn engines_agree_on_long_texts() {
    let wide: String = utf16(b"of words ", false).iter().map(|b| char::from(*b)).collect();
    for filler in ["of words ", "%41b words of text ", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo= ", &wide] {
        let mut text = filler.repeat(270_000 / filler.len()).into_bytes();
        let mut want = 0;
        for at in [0, text.len() / 3, text.len() / 2, text.len() - 1] {
            let hidden: [&[u8]; 3] = [
                b" IGFsaWNl%51GV4YW1wbGUuY29t ",
                b" eyJlIjoiYWxpY2VcdTAwNDBleGFtcGxlLmNvbSJ9 ",
                &[b"  <", &utf16(b"alice%40example.com", true)[..], b"> "].concat(),
            ];
            for hidden in hidden {
                let at = at / filler.len() * filler.len();
                text.splice(at..at, hidden.iter().copied());
                want += 1;
            }
        }
        let (fast, slow) = &ENGINES[1];
        let (fast, slow) = (hits(fast, &text), hits(slow, &text));
        assert!(fast == slow, "{filler}: {:?} {:?}", fast.difference(&slow), slow.difference(&fast));
        assert_eq!(fast.len(), want, "{filler}");
    }
}
