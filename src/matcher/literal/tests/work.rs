//! No text is worth more work than its length: what the engine looks at is counted in texts of nothing but anchors.

use super::super::super::work;
use super::*;

/// Bytes of the shorter text: more than a chunk of class words, and than what is gathered or cut at a time.
const SHORT: usize = 40_000;
/// How many times longer the longer one is.
const TIMES: usize = 4;
/// Most looks at a byte. At the worst a line is decoded 84 times, and a handful of types look at each level.
const MOST: u64 = 1000;

/// One registry with all types, values with and without a shape.
fn everything() -> Literal {
    engine_of(&[
        (Type::Email, "alice@example.com"),
        (Type::Email, "a@a.a"),
        (Type::Uuid, "9b2f1c64-7d3e-4a51-8c0f-5e6d7a8b9c0d"),
        (Type::Ip, "203.0.113.7"),
        (Type::Ip, "2001:db8::7"),
        (Type::Phone, "+1 415 555 0132"),
        (Type::Token, "usr_8f3a9c21"),
        (Type::Token, "sess-77.zz/9+a"),
        (Type::UserId, "48213"),
        (Type::UserId, "abc-7.x"),
        (Type::Username, "john.doe"),
        (Type::Username, "al@x.example"),
        (Type::Literal, "Project Nightjar"),
        (Type::Literal, "aaaaaaaa"),
    ])
}

/// Each holds one anchor again and again; some all of a type's own shape, or a value itself.
const ANCHORS: &[&str] = &[
    "@",
    "a@",
    "a@b.c ",
    "alice@example.com\n",
    "malice@example.com ",
    "4821390517",
    "48213 ",
    "48213.",
    "48213:",
    "user 48213 ",
    "user=48213&",
    "/users/48213",
    "-",
    "a-",
    "_",
    "%",
    "%2",
    "%25",
    "%40",
    "\\",
    "\\u005c",
    "\\\\",
    "\\n",
    "=",
    "=3D",
    "=\n",
    "=\r\n",
    "&",
    "&amp;",
    "&#38;",
    "&a",
    "a=b&",
    ":",
    "::",
    "f:",
    "1:",
    ".",
    "1.",
    "1.1.1.",
    "a.",
    "..",
    "203.0.113.7 ",
    "203.0.113.7.",
    "2001:db8::7 ",
    "2001:db8::7:",
    "9b2f1c64-7d3e-4a51-8c0f-5e6d7a8b9c0d ",
    "9b2f1c64-7d3e-4a51-8c0f-5e6d7a8b9c0d-",
    "9b2f1c64",
    "+",
    "+1",
    "0 ",
    "00",
    "1-(/",
    "+1 415 555 0132 ",
    "usr_8f3a9c21 ",
    "\"",
    "'",
    "\"\"",
    "<",
    "<uid>",
    "user ",
    "user=",
    "user: ",
    "\"user\":\"",
    "/",
    "/u/",
    "a",
    " ",
    "\n",
    "\u{0}",
    "\u{e9}",
    "Project Nightja",
    "abc-7.x.",
    "john.doe/",
];

#[test]
fn candidates_are_linear() {
    let engine = everything();
    for anchor in ANCHORS {
        let count = |len: usize| {
            let text: Vec<u8> = anchor.bytes().cycle().take(len).collect();
            let mut found = Vec::new();
            let all = work::of(|| engine.candidates(&text, &mut found));
            // What is told is work as well.
            all + found.iter().map(|place| place.len() as u64).sum::<u64>()
        };
        holds("candidates", anchor, SHORT, count(SHORT), count(TIMES * SHORT));
    }
}

#[test]
fn hits_are_linear() {
    let engine = everything();
    for anchor in ANCHORS {
        let count = |len: usize| {
            let text: Vec<u8> = anchor.bytes().cycle().take(len).collect();
            let mut found = Vec::new();
            work::of(|| engine.hits(&Unit { text: &text, fields: &[], table: None }, &mut found))
        };
        // A unit is a record, and shorter as a rule.
        holds("hits", anchor, SHORT / 10, count(SHORT / 10), count(TIMES * SHORT / 10));
    }
}

fn holds(what: &str, anchor: &str, len: usize, short: u64, long: u64) {
    let len = len as u64;
    assert!(short <= MOST * len, "{what}, {anchor:?}: {} looks at a byte", short / len);
    let most = short * TIMES as u64 * 5 / 4 + 50_000;
    assert!(long <= most, "{what}, {anchor:?}: {short} looks at {len} bytes, {long} at {TIMES} times as many");
}

/// The counter counts: work that grows with the square is seen.
#[test]
fn a_square_is_seen() {
    let square = |len: usize| work::of(|| (0..len / 1000).for_each(|_| work::look(len)));
    let seen = std::panic::catch_unwind(|| holds("square", "x", SHORT, square(SHORT), square(TIMES * SHORT)));
    assert!(seen.is_err());
}
