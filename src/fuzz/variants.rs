//! Base64, UTF-16 and digests: what the engines make of them.

use std::sync::{Arc, LazyLock};

use super::pipeline::through;
use super::scanners::{agree, plan};
use super::{choice, expand};
use crate::matcher::Plan;
use crate::matcher::literal::Literal;
use crate::matcher::reference::Reference;
use crate::policy::{Fields, Variant};

/// Engines that are asked for everything.
static ENGINES: LazyLock<(Literal, Reference)> = LazyLock::new(|| {
    let mut fields = Fields::default();
    for kind in ["email", "uuid", "ip", "phone", "token", "literal"] {
        fields.variants.ask(kind, Variant::known(kind));
    }
    let plan = Plan { fields: Arc::new(fields), ..plan() };
    (Literal::new(&plan).unwrap_or_else(|error| panic!("{error}")), Reference::new(&plan))
});

/// Bytes that are made to text, of which each piece may be encoded: against both engines, and as an artifact.
pub fn variants(data: &[u8]) {
    let (first, rest) = choice(data);
    // Each level of a stretch is a text; a long one takes long.
    let rest = rest.get(..512).unwrap_or(rest);
    let mut text = Vec::new();
    for (i, piece) in rest.split(|b| *b == 0xfe).enumerate() {
        let (how, piece) = choice(piece);
        let raw = if first & 1 == 0 || i % 2 == 0 { expand(piece) } else { piece.to_vec() };
        text.extend(encoded(raw, how));
    }
    let text = encoded(text, first >> 1);
    agree(&ENGINES.0, &ENGINES.1, &text);
    let name: &[u8] = if first & 1 == 0 { b"x.log" } else { b"x.txt" };
    through(name, &text, first, &ENGINES.0, &ENGINES.1);
}

/// `text` after up to two encodings, two bits each.
fn encoded(mut text: Vec<u8>, how: u8) -> Vec<u8> {
    for step in [how & 3, how >> 2 & 3] {
        text = match step {
            1 => base64(&text, *b"+/", true),
            2 => base64(&text, *b"-_", false),
            3 => String::from_utf8_lossy(&text)
                .encode_utf16()
                .flat_map(if how & 16 == 0 { u16::to_le_bytes } else { u16::to_be_bytes })
                .collect(),
            _ => text,
        };
    }
    text
}

/// RFC 4648 §4, with these last two characters.
fn base64(bytes: &[u8], last: [u8; 2], pad: bool) -> Vec<u8> {
    let letter = |six: u8| match six {
        0..26 => b'A' + six,
        26..52 => b'a' + six - 26,
        52..62 => b'0' + six - 52,
        _ => last[usize::from(six - 62)],
    };
    let mut out = Vec::with_capacity(bytes.len() * 2);
    for three in bytes.chunks(3) {
        let byte = |i: usize| u32::from(three.get(i).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let chars = [18, 12, 6, 0].map(|shift| letter((bits >> shift & 63) as u8));
        out.extend_from_slice(&chars[..=three.len()]);
        if pad {
            out.resize(out.len() + 3 - three.len(), b'=');
        }
    }
    out
}
