//! Lifts of Snappy streams, chunk by chunk.

use super::*;
use crate::codec::testing::splice::{Rng, WAY, Way, agree, hostile, lifted};
use crate::codec::testing::{log, noise};
use crate::layer::coded::CodecLayer;
use crate::span::Span;

static LAYER: CodecLayer = CodecLayer(&Snappy);

/// A stream in chunks of these plain bytes, by the library's own framing for each.
fn chunks<'c>(parts: impl IntoIterator<Item = &'c [u8]>) -> Vec<Vec<u8>> {
    let chunk = |part: &[u8]| {
        let mut writer = snap::write::FrameEncoder::new(Vec::new());
        std::io::Write::write_all(&mut writer, part).unwrap();
        writer.into_inner().unwrap().split_off(IDENTIFIER.len())
    };
    std::iter::once(IDENTIFIER.to_vec()).chain(parts.into_iter().map(chunk)).collect()
}

/// What the format's own library in another language makes of it; Python has it in `cramjam`, where that is installed.
fn other(code: &str, input: &[u8]) -> Option<Vec<u8>> {
    let program =
        format!("import sys, cramjam; sys.stdout.buffer.write(bytes(cramjam.snappy.{code}(sys.stdin.buffer.read())))");
    crate::codec::testing::tool("python3", &["-c", &program], input)?.ok()
}

#[test]
fn splice_tools_agree() {
    let code = |rng: &mut Rng, text: &[u8]| {
        if let Some(bytes) = (rng.below(4) == 0 && !text.is_empty()).then(|| other("compress", text)).flatten() {
            return ("cramjam".to_owned(), bytes);
        }
        let size = *rng.pick(&[65_536, 65_536, 30_000, 1000]);
        let mut all = chunks(text.chunks(size));
        for _ in 0..rng.below(3) {
            let at = rng.below(all.len()) + 1;
            let padding = [&[0xfe, 5, 0, 0][..], &[0; 5]].concat();
            all.insert(at, rng.pick(&[padding, IDENTIFIER.to_vec(), b"\x80\x03\0\0abc".to_vec()]).clone());
        }
        (format!("chunks of {size}"), all.concat())
    };
    let judges: &[_] = if other("compress", b"x").is_some() {
        &[("python3", JUDGE)]
    } else {
        eprintln!("snappy: judged by our decoders alone: Python's cramjam is not installed");
        &[]
    };
    agree(&LAYER, (60, 2 << 20), &code, judges);
}

/// A decompressor of its own.
const JUDGE: &[&str] =
    &["-c", "import sys, cramjam; sys.stdout.buffer.write(bytes(cramjam.snappy.decompress(sys.stdin.buffer.read())))"];

#[test]
fn splice_keeps_chunks_byte_for_byte() {
    let text = [log(20_000), noise(200_000), log(20_000)].concat();
    let all = chunks(text.chunks(PLAIN));
    let bytes = all.concat();
    let end = |n: usize| all[..n].iter().map(Vec::len).sum::<usize>() as u64;
    let at = 10 * PLAIN + 500;
    for way in [WAY, Way { points: false, ..WAY }, Way { looks: true, ..WAY }] {
        let got = lifted(&LAYER, &bytes, &vec![(at..at + 70, vec![])], way);
        assert_eq!(got.kept, [Span::new(0, end(11)), Span::new(end(12), bytes.len() as u64)]);
        let got = lifted(&LAYER, &bytes, &vec![(at..at + 3 * PLAIN, b"new".to_vec())], way);
        assert_eq!(got.kept, [Span::new(0, end(11)), Span::new(end(15), bytes.len() as u64)]);
    }
    let got = lifted(&LAYER, &bytes, &vec![(0..text.len(), vec![])], WAY);
    assert_eq!(got.bytes, IDENTIFIER);
}

#[test]
fn splice_survives_hostile_points() {
    hostile(&LAYER, &chunks(log(3000).chunks(20_000)).concat());
}
