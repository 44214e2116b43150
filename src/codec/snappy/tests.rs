use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::codec::testing::contract;
use crate::codec::testing::{decode, edits, lift, log, model, noise, plain, tool};
use crate::layer::coded::CodecLayer;
use crate::limits::Limits;

static LAYER: CodecLayer = CodecLayer(&Snappy);

/// A stream by snap's own framing.
fn stream(plain: &[u8]) -> Vec<u8> {
    if plain.is_empty() {
        return IDENTIFIER.to_vec();
    }
    let mut encoder = snap::write::FrameEncoder::new(Vec::new());
    encoder.write_all(plain).unwrap();
    encoder.into_inner().unwrap()
}

fn chunk(kind: u8, payload: &[u8]) -> Vec<u8> {
    [&(((payload.len() as u32) << 8) | u32::from(kind)).to_le_bytes()[..], payload].concat()
}

/// Streams with padding and skippable chunks in and between them, and their plain bytes.
fn mixed() -> (Vec<u8>, Vec<u8>) {
    let (mut bytes, mut all) = (Vec::new(), Vec::new());
    for n in 0..6 {
        let text = if n % 3 == 2 { Vec::new() } else { [log(n), noise(n * 11)].concat() };
        bytes.extend(stream(&text));
        if n % 2 == 0 {
            bytes.extend(chunk(0xfe, &vec![0; n]));
            bytes.extend(chunk(0x80 + n as u8, &noise(n * 7)));
            bytes.extend(&stream(&log(2))[10..]);
        }
        all.extend(text);
        all.extend(if n % 2 == 0 { log(2) } else { Vec::new() });
    }
    (bytes, all)
}

/// Offsets behind each chunk.
fn ends(bytes: &[u8]) -> Vec<usize> {
    let (mut at, mut ends) = (0, Vec::new());
    while at < bytes.len() {
        at += HEADER + (u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) >> 8) as usize;
        ends.push(at);
    }
    ends
}

#[test]
fn every_read_size_gives_the_same() {
    let (bytes, all) = mixed();
    let heads = contract::read_sizes(&Snappy, &bytes, &all);
    assert_eq!(heads.iter().filter(|head| !head.verbatim).count(), 6);
    assert_eq!(heads.iter().filter(|head| head.verbatim).count(), 6);
    contract::layer(&LAYER, &bytes, &all);
}

#[test]
fn truncation_is_damage_with_a_place() {
    let (bytes, _) = mixed();
    contract::truncated(&Snappy, &bytes, &ends(&bytes));
}

#[test]
fn foreign_bytes_are_refused() {
    let good = stream(b"text");
    contract::followed(
        &Snappy,
        &good,
        &[
            (b"x", 1),
            (b"\0\0\0\0", 0),
            (b"\x02\0\0\0", 0),
            (b"\x7f\x01\0\0x", 0),
            (b"\xff\x06\0\0sNaPpy", 0),
            (b"\xff\x05\0\0sNaPp", 0),
            (b"\xff\x07\0\0sNaPpYx", 0),
            (b"\x01\x03\0\0abc", 0),
            (&chunk(1, &vec![0; 65_541]), 0),
            (&chunk(0, &vec![0; 80_000]), 0),
            (&chunk(1, b"\0\0\0\0text"), 0),
        ],
    );
    assert!(plain(&Snappy, b"").is_err() && plain(&Snappy, &good[10..]).is_err());
    let largest = chunk(1, &[&masked(&noise(65_536)).to_le_bytes()[..], &noise(65_536)].concat());
    assert!(plain(&Snappy, &[&IDENTIFIER[..], &largest].concat()).unwrap() == noise(65_536));
    // A compressed chunk that tells of more than 64 KiB: invalid, and nothing is allocated for it.
    let coded = [&[0; 4][..], b"\xff\xff\xff\xff\x0f", b"\0a"].concat();
    let bomb = [&IDENTIFIER[..], &chunk(0, &coded)].concat();
    for second in [false, true] {
        assert!(decode(&Snappy, &bomb, 99, 99, second).unwrap_err().to_string().ends_with(INVALID));
    }
}

#[test]
fn checksums_are_those_of_the_format() {
    // Of the document's own example of a mask, and RFC 3720 §B.4's 32 zeros.
    assert_eq!(CRC.checksum(&[0; 32]), 0x8a91_36aa);
    assert_eq!(masked(&[0; 32]), 0x8a91_36aa_u32.rotate_right(15).wrapping_add(0xa282_ead8));
}

#[test]
fn results_are_read_by_snaps_own_framing() {
    let text = [log(5000), noise(200_000)].concat();
    let edits = vec![(0..100, vec![]), (70_000..70_100, b"ERASED".to_vec()), (text.len() - 9..text.len(), vec![])];
    let (lifted, heads) = contract::lifted(&LAYER, &stream(&text), &edits, 4096, None);
    assert_eq!(heads.len(), 1);
    let mut got = Vec::new();
    std::io::Read::read_to_end(&mut snap::read::FrameDecoder::new(&lifted[..]), &mut got).unwrap();
    assert!(got == model(&text, &edits));
    let python =
        "import sys,snappy;sys.stdout.buffer.write(snappy.StreamDecompressor().decompress(sys.stdin.buffer.read()))";
    if let Some(Ok(got)) = tool("python3", &["-c", python], &lifted) {
        assert!(got == model(&text, &edits));
    }
    let none = lift(&LAYER, &stream(b"gone"), &vec![(0..4, vec![])], &vec![], &Limits::default(), None).unwrap();
    assert_eq!(none, IDENTIFIER);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn lifts_equal_the_model(parts in prop::collection::vec((0usize..60, 0usize..300, prop::option::of(0usize..300)), 1..6),
                             seeds in prop::collection::vec((0usize..4000, 0usize..900, prop::collection::vec(any::<u8>(), 0..20)), 0..8),
                             window in prop::sample::select(vec![1usize, 7, 300, 65_536])) {
        let (mut bytes, mut all) = (Vec::new(), Vec::new());
        for (lines, extra, skip) in &parts {
            let text = [log(*lines), noise(*extra)].concat();
            bytes.extend(stream(&text));
            bytes.extend(skip.map(|n| chunk(0x80 + (n % 127) as u8, &noise(n))).unwrap_or_default());
            all.extend(text);
        }
        let (_, before) = decode(&Snappy, &bytes, 1 << 16, 1 << 16, false).unwrap();
        let (_, heads) = contract::lifted(&LAYER, &bytes, &edits(all.len(), &seeds), window, None);
        prop_assert_eq!(heads.iter().map(|h| &h.bytes).collect::<Vec<_>>(), before.iter().map(|h| &h.bytes).collect::<Vec<_>>());
    }

    #[test]
    fn flipped_bits_never_pass(at in any::<prop::sample::Index>(), bit in 0u8..8, give in 1usize..300) {
        let (bytes, all) = mixed();
        let at = at.index(bytes.len());
        // The highest bit of a chunk's type makes of data what may be skipped: no checksum covers it.
        if bit == 7 && (at == 0 || ends(&bytes).contains(&at)) {
            return Ok(());
        }
        contract::flipped(&Snappy, bytes, &all, at, bit, give);
    }

    #[test]
    fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), data in any::<bool>()) {
        let rest = if data { chunk(0, &bytes) } else { bytes };
        contract::any(&Snappy, &[&IDENTIFIER[..], &rest].concat());
    }

    #[test]
    fn the_libraries_agree(coded in prop::collection::vec(any::<u8>(), 0..60), len in 0u8..100) {
        let coded = [&[len][..], &coded].concat();
        let (mut one, mut other) = (Vec::new(), Vec::new());
        let first = first(&mut snap::raw::Decoder::new(), &coded, &mut one);
        prop_assert_eq!(first, second::decode(&coded, PLAIN, &mut other));
        prop_assert!(first.is_none() || one == other);
    }
}
