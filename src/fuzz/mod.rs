//! Bodies of the fuzz targets: bytes in, properties asserted.
//!
//! Each body takes any bytes, makes a case of them and panics if a promise does not hold; none is slow on 4 KiB. `fuzz/` wraps each
//! as a libFuzzer target, `scripts/fuzz` runs them, and `cargo test` runs every body on the fixtures and on a few hundred
//! inputs made of them. Not built into the program: feature `fuzz`, or tests.
#![expect(clippy::panic, clippy::indexing_slicing, reason = "a body says what is wrong by a panic")]

mod compiled;
#[cfg(feature = "gzip")]
mod inflate;
mod inputs;
#[cfg(feature = "s3")]
mod object;
#[cfg(feature = "pgdump")]
mod pgarchive;
mod pipeline;
mod place;
mod scanners;
#[cfg(feature = "gzip")]
mod splice;
mod stream;
#[cfg(test)]
mod tests;
mod units;
mod variants;

pub use compiled::compiled;
#[cfg(feature = "gzip")]
pub use inflate::inflate;
pub use inputs::{checksums, policy, registry_csv, registry_jsonl};
#[cfg(feature = "s3")]
pub use object::object;
#[cfg(feature = "pgdump")]
pub use pgarchive::pgarchive;
pub use pipeline::{
    bzip2, divided, frames, gzip, journal, lz4, snappy, sql, sql_tab, tar, utf16, whole, xz, zip, zstd,
};
pub use place::place;
pub use scanners::{csv, edit_list, json, spelling, text};
#[cfg(feature = "gzip")]
pub use splice::splice_gzip;
pub use stream::filter;
pub use units::splice_units;
pub use variants::variants;

/// One body.
pub type Body = fn(&[u8]);

/// Every body by the name of its target in `fuzz/fuzz_targets`.
pub static BODIES: &[(&str, Body)] = &[
    ("registry_jsonl", registry_jsonl),
    ("registry_csv", registry_csv),
    ("policy", policy),
    ("gzip", gzip),
    ("zstd", zstd),
    ("bzip2", bzip2),
    ("xz", xz),
    ("lz4", lz4),
    ("snappy", snappy),
    ("tar", tar),
    ("zip", zip),
    ("utf16", utf16),
    ("frames", frames),
    ("journal", journal),
    ("divided", divided),
    ("sql", sql),
    ("sql_tab", sql_tab),
    ("json", json),
    ("csv", csv),
    ("text", text),
    ("spelling", spelling),
    ("variants", variants),
    ("edit_list", edit_list),
    #[cfg(feature = "s3")]
    ("object", object),
    ("place", place),
    ("whole", whole),
    ("filter", filter),
    ("checksums", checksums),
    ("compiled", compiled),
    #[cfg(feature = "gzip")]
    ("splice_gzip", splice_gzip),
    #[cfg(feature = "gzip")]
    ("inflate", inflate),
    ("splice_units", splice_units),
    #[cfg(feature = "pgdump")]
    ("pgarchive", pgarchive),
];

/// What bytes above 0x7f stand for in [`expand`]: what scanners and matchers stumble over.
const WORDS: &[&str] = &[
    "alice@example.com",
    "ALICE@Example.COM",
    "alice",
    "@",
    "example.com",
    "123e4567-e89b-42d3-a456-426614174000",
    "123e4567e89b42d3a456426614174000",
    "urn:uuid:",
    "{",
    "}",
    "192.0.2.1",
    "::ffff:192.0.2.1",
    "::ffff:c000:201",
    "2001:db8::1",
    "2001:0DB8:0:0:0:0:0:1",
    ":",
    "+",
    "00",
    "49 151 1234567",
    "+49 (151) 123-4567",
    "49",
    "usr_8f3a9c21",
    "user_id",
    "user",
    "User-ID",
    "uid",
    "id",
    "login",
    "=",
    "48213",
    "42",
    "bob",
    "\"",
    "'",
    "<",
    ">",
    "/users/",
    "/u/",
    "/",
    "#",
    ".json",
    "%40",
    "%2540",
    "%25",
    "%3D",
    "%",
    "\\u0040",
    "\\u",
    "\\",
    "\\\"",
    "\\n",
    "\\/",
    "\\ud83d\\ude00",
    "&#64;",
    "&#x40;",
    "&commat;",
    "&amp;",
    "&fjlig;",
    "&lt;",
    ";",
    "&",
    "=40",
    "=3D",
    "=\n",
    "=\r\n",
    "\r\n",
    "\"\"",
    "a\"b%",
    "{\"user_id\":",
    "{\"user\":{\"id\":\"",
    "\",\"email\":\"",
    "[",
    "]",
    ",",
    "\t",
    "\"}",
    "null",
    "true",
    "-0.5e3",
    "2026-11-01T10:00:00Z ",
    "Nov  1 10:00:00 ",
    "1795219200 ",
    "\tat com.example.Main(Main.java:1)\n",
    "Caused by: ",
    "Traceback (most recent call last):\n",
    "INFO ",
    "127.0.0.1 - - [10/Oct/2000:13:55:36 +0000] \"GET /users/48213 HTTP/1.1\" 200 5\n",
    "id,user_id,email\n",
    "1,48213,alice@example.com\n",
    "\u{feff}",
    "\0",
    "\u{e9}",
    "\u{1f600}",
    "é",
];

/// Text of a case: bytes below 0x80 stand for themselves, others for a word of [`WORDS`] (0xff: for the byte 0xff).
fn expand(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() * 2);
    for byte in data {
        match byte {
            0..0x80 => out.push(*byte),
            0xff => out.push(0xff),
            _ => out.extend_from_slice(WORDS[usize::from(byte - 0x80) % WORDS.len()].as_bytes()),
        }
    }
    out
}

/// Takes the first byte off as a choice.
fn choice(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (*first, rest))
}
