//! The two engines against each other: same values at same places, on random texts of values, near misses, fields and escapes.
//!
//! They were written independently from the specification, so a difference is a mistake in one of them. The texts
//! are made of what scanners stumble over, and whole stretches are spelled again, up to one level more than is searched.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;
use unwrite::matcher::literal::Literal;
use unwrite::matcher::reference::Reference;
use unwrite::matcher::{Engine, Spelling, Unit};

use crate::support::needles;

/// The values in the registry.
const VALUES: &[(&str, &str)] = &[
    ("email", "alice@example.com"),
    ("email", "b.o'k+tag@mail.example.org"),
    ("uuid", "9b2f1c64-7d3e-4a51-8c0f-5e6d7a8b9c0d"),
    ("ip", "203.0.113.7"),
    ("ip", "2001:db8::7"),
    ("ip", "::ffff:198.51.100.9"),
    ("phone", "+1 415 555 0132"),
    ("phone", "4930901820"),
    ("token", "usr_8f3a9c21"),
    ("token", "sess-77.zz/9+a"),
    ("user_id", "48213"),
    ("user_id", "0"),
    ("user_id", "77"),
    ("user_id", "abc-7.x"),
    ("username", "jsmith"),
    ("username", "john.doe"),
    ("username", "Ann Lee"),
    ("literal", "Project Nightjar"),
    ("literal", "a=b&c%d\"e"),
];

pub static ENGINES: LazyLock<(Literal, Reference)> = LazyLock::new(|| {
    let (_, literal, reference) = needles::engines(&needles::lines(VALUES));
    (literal, reference)
});

/// Values in the ways that they are written.
const WRITTEN: &[&str] = &[
    "alice@example.com",
    "ALICE@Example.Com",
    "b.o'k+tag@mail.example.org",
    "9b2f1c64-7d3e-4a51-8c0f-5e6d7a8b9c0d",
    "9B2F1C647D3E4A518C0F5E6D7A8B9C0D",
    "{9b2f1c64-7d3e-4a51-8c0f-5e6d7a8b9c0d}",
    "urn:uuid:9b2f1c64-7d3e-4a51-8c0f-5e6d7a8b9c0d",
    "203.0.113.7",
    "::ffff:203.0.113.7",
    "::ffff:cb00:7107",
    "203.000.113.007",
    "2001:db8::7",
    "2001:0DB8:0:0:0:0:0:7",
    "[2001:db8::7]:443",
    "2001:db8::0.0.0.7",
    "198.51.100.9",
    "::FFFF:c633:6409",
    "+1 415 555 0132",
    "0014155550132",
    "(+1) 415.555-0132",
    "1-415-555-0132",
    "4930901820",
    "+49 30/901820",
    "usr_8f3a9c21",
    "sess-77.zz/9+a",
    "48213",
    "0",
    "77",
    "abc-7.x",
    "jsmith",
    "JSmith",
    "john.doe",
    "Ann Lee",
    "ann lee",
    "Project Nightjar",
    "a=b&c%d\"e",
];

/// Near misses and parts of values.
const NEAR: &[&str] = &[
    "alice@example.comx",
    "malice@example.com",
    "alice@example.com.au",
    "alice@example.com.",
    "alice@",
    "@example.com",
    "9b2f1c64-7d3e-4a51-8c0f-5e6d7a8b9c0",
    "9b2f1c647d3e-4a51-8c0f-5e6d7a8b9c0d",
    "203.0.113.70",
    "1203.0.113.7",
    "4.203.0.113.7",
    "203.0.113.7.1",
    "2001:db8::70",
    "2001:db8::",
    "::7",
    "2001:db8:::7",
    "1:2001:db8::7",
    "::ffff:",
    "415 555 0132",
    "141555501321",
    "1    4155550132",
    "usr_8f3a9c21x",
    "USR_8F3A9C21",
    "48213.0",
    "048213",
    "482",
    "13",
    "project nightjar",
    "jsmith2",
    "john",
    "doe",
    "\u{e9}",
    "\u{1f600}",
    "\u{0}",
];

/// What stands before a value, and around it.
const GLUE: &[&str] = &[
    " ", "  ", "\t", "\r", "=", ":", ": ", " : ", ",", ";", ", ", "&", "?", "/", "//", "#", " #", "\"", "'", "<", ">",
    "(", ")", "[", "]", "{", "}", "|", ".", ". ", "..", ".json", ".j2", "-", "_", "+", "00", "%", "%4", "\\", "\\n",
    "\\u00", "\\\"", "&#", "&#x4", ";", "&amp", "=4", "=", "x", "9", "@", "\"\"",
];

/// Names, and whole starts of fields.
const NAMES: &[&str] = &[
    "user_id=",
    "user_id: ",
    "userId:",
    "\"user_id\":\"",
    "\"user-id\": ",
    "\"uid\" : \"",
    "uid=\"",
    "uid='",
    "<uid>",
    "<user>",
    "user #",
    "user ",
    "user id: ",
    "last_user_id=",
    "the user id: ",
    "customer.id=",
    "x.customer.id=",
    "id=",
    "/users/",
    "users/",
    "/USERS/",
    "/xusers/",
    " u/",
    "?user=",
    "&uid=",
    "login=",
    "login: ",
    "\"user\":{\"name\":\"",
    "user.name=",
    "handle='",
    "username",
    "user",
    "uid",
    "created-by=",
    "ownerid: ",
    "/members/",
    "\"/avatars/",
];

fn piece() -> impl Strategy<Value = String> {
    let pick = |from: &'static [&'static str]| prop::sample::select(from).prop_map(str::to_owned);
    let field = (prop::sample::select(NAMES), prop::sample::select(WRITTEN), prop::sample::select(GLUE))
        .prop_map(|(name, value, end)| format!("{name}{value}{end}"));
    prop_oneof![5 => field, 4 => pick(WRITTEN), 2 => pick(NEAR), 5 => pick(GLUE), 2 => pick(NAMES)]
}

/// Which characters are spelled otherwise.
#[derive(Debug, Clone, Copy)]
enum Which {
    All,
    Special,
    Some(u64),
}

/// A text with the characters that `which` says spelled by `spelling`.
fn spell(text: &str, spelling: Spelling, which: Which) -> String {
    let mut out = String::new();
    for (i, c) in text.chars().enumerate() {
        // What the escapes are made of must be escaped itself, now and then.
        let chosen = match which {
            Which::All => true,
            Which::Special => !c.is_ascii_alphanumeric() && c != ' ',
            Which::Some(bits) => bits >> (i % 64) & 1 == 1,
        };
        if chosen { escape(c, spelling, i, &mut out) } else { out.push(c) }
    }
    out
}

fn escape(c: char, spelling: Spelling, i: usize, out: &mut String) {
    use std::fmt::Write;
    let mut bytes = [0; 4];
    let bytes = c.encode_utf8(&mut bytes).bytes();
    let upper = i.is_multiple_of(2);
    match spelling {
        Spelling::Percent if upper => bytes.for_each(|b| write!(out, "%{b:02X}").unwrap()),
        Spelling::Percent => bytes.for_each(|b| write!(out, "%{b:02x}").unwrap()),
        Spelling::Qp => {
            if i % 7 == 3 {
                out.push_str(if upper { "=\n" } else { "=\r\n" });
            }
            bytes.for_each(|b| write!(out, "={b:02X}").unwrap());
        }
        Spelling::Html => match c {
            '@' if upper => out.push_str("&commat;"),
            '&' if upper => out.push_str("&amp;"),
            '"' if upper => out.push_str("&quot;"),
            '<' => out.push_str("&lt;"),
            c if upper => write!(out, "&#{};", c as u32).unwrap(),
            c => write!(out, "&#X{:x};", c as u32).unwrap(),
        },
        Spelling::Json => match c {
            '"' | '\\' | '/' if upper => write!(out, "\\{c}").unwrap(),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| write!(out, "\\u{unit:04x}").unwrap()),
        },
        Spelling::Utf16Le | Spelling::Utf16Be => unreachable!("no escapes"),
    }
}

pub fn texts() -> impl Strategy<Value = String> {
    let which = prop_oneof![1 => Just(Which::All), 3 => Just(Which::Special), 2 => any::<u64>().prop_map(Which::Some)];
    piece().prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            2 => prop::collection::vec(inner.clone(), 1..7).prop_map(|parts| parts.concat()),
            1 => (inner, prop::sample::select(&Spelling::ALL[..]), which.clone())
                .prop_map(|(text, spelling, which)| spell(&text, spelling, which)),
        ]
    })
}

/// Hits as (value, start, end).
fn hits(engine: &dyn Engine, unit: &Unit<'_>) -> BTreeSet<(u32, usize, usize)> {
    let mut found = Vec::new();
    engine.hits(unit, &mut found);
    let places: BTreeSet<_> = found.iter().map(|hit| (hit.value, hit.span.start, hit.span.end)).collect();
    assert_eq!(places.len(), found.len(), "a hit is told twice");
    places
}

/// Both engines find the same in `unit`, and the fast one's candidates lead to each record that has a hit.
pub fn agree(unit: &Unit<'_>) -> Result<(), TestCaseError> {
    let (literal, reference) = &*ENGINES;
    let (fast, slow) = (hits(literal, unit), hits(reference, unit));
    let told = |set: BTreeSet<&(u32, usize, usize)>| {
        let text = |(value, start, end): &(u32, usize, usize)| {
            (VALUES[*value as usize], *start..*end, String::from_utf8_lossy(&unit.text[*start..*end]).into_owned())
        };
        set.into_iter().map(text).collect::<Vec<_>>()
    };
    prop_assert!(
        fast == slow,
        "in {:?}\nonly fast: {:?}\nonly reference: {:?}",
        String::from_utf8_lossy(unit.text),
        told(fast.difference(&slow).collect()),
        told(slow.difference(&fast).collect())
    );
    let mut candidates = Vec::new();
    literal.candidates(unit.text, &mut candidates);
    // The whole unit is one record here.
    prop_assert!(slow.is_empty() || !candidates.is_empty(), "no candidate in {:?}", String::from_utf8_lossy(unit.text));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::support::cases(1500), max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn engines_agree_on_text(text in texts()) {
        agree(&Unit { text: text.as_bytes(), fields: &[], table: None })?;
    }

    /// Bytes that are no UTF-8 in between.
    #[test]
    fn engines_agree_on_bytes(parts in prop::collection::vec((texts(), prop::collection::vec(any::<u8>(), 0..3)), 1..4)) {
        let mut text = Vec::new();
        for (part, bytes) in parts {
            text.extend_from_slice(part.as_bytes());
            text.extend_from_slice(&bytes);
        }
        agree(&Unit { text: &text, fields: &[], table: None })?;
    }
}
