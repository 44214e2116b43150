//! Splices of codecs with frames, blocks and chunks: streams of many units of all kinds, with edits anywhere.

use super::pipeline::artifact;
use super::{choice, expand};
use crate::codec;
use crate::error::Result;
use crate::layer::coded::{Encoder, Head};

/// Most plain bytes of a case: more than one block of any kind but zstd's shortest front.
const MOST: usize = 160 << 10;
/// Most pieces of a case: each may be a frame, or some, with what their coders need.
const PIECES: usize = 32;

/// Text in pieces; between them the unit ends, or the frame does, or something stands that is no data. As an artifact: the result
/// is what was foretold and holds nothing that would still change.
pub fn splice_units(data: &[u8]) {
    let (first, rest) = choice(data);
    let (kind, rest) = choice(rest);
    let names = ["zstd", "lz4", "snappy", "xz", "bzip2"];
    let name = names[usize::from(first) % names.len()];
    let Some(layer) = codec::TABLE.iter().find(|layer| layer.0.name() == name) else { return };
    let made = layer.0.encoder(None, Box::new(|_| Ok(()))).and_then(|mut encoder| {
        let mut out = Vec::new();
        stream(name, kind, rest, &mut *encoder, &mut out)?;
        Ok(out)
    });
    let bytes = made.unwrap_or_else(|error| panic!("a case could not be made: {error}"));
    let extension = ["zst", "lz4", "sz", "xz", "bz2"][usize::from(first) % names.len()];
    artifact(format!("x.log.{extension}").as_bytes(), &bytes, kind);
}

fn stream(name: &str, kind: u8, rest: &[u8], encoder: &mut dyn Encoder, out: &mut Vec<u8>) -> Result<()> {
    let mut plain = 0;
    for head in frame(name, kind) {
        encoder.begin(&head, out)?;
    }
    for piece in rest.chunks(24).take(PIECES) {
        let (kind, words) = choice(piece);
        let mut text = expand(words);
        text.push(b'\n');
        if kind % 8 == 7 {
            let line = text.clone();
            // Now and then more than one block.
            let times = if kind >= 0xf8 { MOST / line.len() } else { usize::from(kind) * 4 };
            for n in 0..times {
                text.extend_from_slice(&line);
                text.extend_from_slice(format!("{n}\n").as_bytes());
            }
        }
        text.truncate(MOST.saturating_sub(plain));
        plain += text.len();
        encoder.write(&text, out)?;
        let heads = match kind / 8 % 4 {
            0 => frame(name, kind),
            1 => aside(name),
            2 if name == "xz" => vec![head(b"", [1, 1 << 16, 0, 0], false)],
            _ => Vec::new(),
        };
        // Behind what is no data a frame begins.
        let heads = if kind / 8 % 4 == 1 && name != "snappy" { [heads, frame(name, kind)].concat() } else { heads };
        for head in heads {
            encoder.begin(&head, out)?;
        }
    }
    encoder.finish(out)
}

fn head(bytes: &[u8], traits: [u64; 4], verbatim: bool) -> Head {
    Head { at: 0, plain_at: 0, bytes: bytes.to_vec(), verbatim, names: Vec::new(), traits }
}

/// What begins a frame, in the codecs' own numbers.
fn frame(name: &str, kind: u8) -> Vec<Head> {
    let bit = |n: u8| u64::from(kind >> n & 1);
    match name {
        "zstd" => vec![head(b"", [bit(0) << 8, 1 << 17, 0, 0], false)],
        "lz4" => vec![head(b"", [bit(0) | bit(1) << 1 | bit(2) << 2, 1 << 16, 0, 0], false)],
        "snappy" => vec![head(b"\xff\x06\0\0sNaPpY", [0; 4], false)],
        "xz" => vec![
            head(b"\xfd7zXZ\0\0\x01\x69\x22\xde\x36", [0, 1, 0, 0], false),
            head(b"", [1 + bit(0), 1 << 16, 1 << 12, 0], false),
        ],
        _ => vec![head(b"", [1, 0, 0, 0], false)],
    }
}

/// What stands between frames.
fn aside(name: &str) -> Vec<Head> {
    match name {
        "zstd" => vec![head(b"\x50\x2a\x4d\x18\x04\0\0\0size", [2, 12, 0, 0], true)],
        "lz4" => vec![head(b"\x50\x2a\x4d\x18\x04\0\0\0side", [0; 4], true)],
        "snappy" => vec![head(b"\xfe\x03\0\0abc", [0; 4], true)],
        "xz" => vec![head(&[0; 4], [0; 4], true)],
        _ => Vec::new(),
    }
}
