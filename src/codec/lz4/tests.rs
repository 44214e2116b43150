use proptest::prelude::*;

use super::head::Frame;
use super::*;
use crate::codec::testing::contract;
use crate::codec::testing::{decode, edits, log, model, noise, plain, tool};
use crate::error::Kind;
use crate::layer::coded::{CodecLayer, Head};

static LAYER: CodecLayer = CodecLayer(&Lz4);

/// A frame with these traits; a content size if `sized`.
fn frame(plain: &[u8], flags: u64, id: u32, sized: bool) -> Vec<u8> {
    let traits = [flags & 7 | u64::from(sized) << 3, 1 << (8 + 2 * id), plain.len() as u64, 0];
    let head = Head { at: 0, plain_at: 0, bytes: Vec::new(), verbatim: false, names: Vec::new(), traits };
    let mut encoder = encode::Frames::new(Box::new(|_| Ok(())));
    let mut out = Vec::new();
    encoder.begin(&head, &mut out).unwrap();
    for piece in plain.chunks(777) {
        encoder.write(piece, &mut out).unwrap();
    }
    encoder.finish(&mut out).unwrap();
    out
}

pub(super) fn skippable(low: u8, payload: &[u8]) -> Vec<u8> {
    [&[0x50 | low, 0x2a, 0x4d, 0x18], &(payload.len() as u32).to_le_bytes()[..], payload].concat()
}

/// Frames of every sort with skippable ones between, and their plain bytes.
fn mixed() -> (Vec<u8>, Vec<u8>) {
    let (mut bytes, mut all) = (skippable(3, b"first"), Vec::new());
    for n in 0..8 {
        let text = if n % 4 == 3 { Vec::new() } else { [log(n), noise(n * 11)].concat() };
        bytes.extend(frame(&text, n as u64, 4 + n as u32 % 4, n % 3 == 0));
        if n % 3 == 1 {
            bytes.extend(skippable(n as u8, &noise(n * 5)));
        }
        all.extend(text);
    }
    (bytes, all)
}

#[test]
fn every_read_size_gives_the_same() {
    let (bytes, all) = mixed();
    let heads = contract::read_sizes(&Lz4, &bytes, &all);
    assert_eq!(heads.iter().filter(|head| !head.verbatim).count(), 8);
    assert_eq!(heads.iter().filter(|head| head.verbatim).count(), 4);
    contract::layer(&LAYER, &bytes, &all);
    // Several blocks, linked and not.
    let text = [log(1200), noise(70_000), log(1200)].concat();
    for flags in [4, 5, 7] {
        let bytes = frame(&text, flags, 4, false);
        for second in [false, true] {
            assert!(decode(&Lz4, &bytes, 10_000, 3000, second).unwrap().0 == text);
        }
    }
}

#[test]
fn truncation_is_damage_with_a_place() {
    let (bytes, _) = mixed();
    let (_, heads) = decode(&Lz4, &bytes, 1 << 16, 1 << 16, false).unwrap();
    let ends: Vec<usize> = heads.iter().map(|head| head.at as usize).filter(|at| *at > 0).collect();
    contract::truncated(&Lz4, &bytes, &ends);
}

#[test]
fn foreign_bytes_are_refused() {
    let good = frame(b"text", 6, 4, true);
    contract::followed(&Lz4, &good, &[(b"xxxx", 0), (b"\0\0\0\0\0", 0), (b"x", 1), (&good[..9], 9)]);
    let wrong = |at: usize, byte: u8| [&good[..at], &[byte], &good[at + 1..]].concat();
    for (bytes, what) in [
        (wrong(4, 0x80), "at byte 4: unknown frame version"),
        (wrong(4, good[4] | 2), "at byte 4: reserved bits"),
        (wrong(5, 0x41), "at byte 4: reserved bits"),
        (wrong(5, 0x30), "at byte 5: unknown block size"),
        (wrong(6, 0), "at byte 14: a frame header's checksum"),
        (wrong(18, 0x7f), "at byte 15: a block's size"),
        (wrong(20, b'T'), "at byte 15: a block's checksum"),
        (wrong(good.len() - 1, 0), "the content checksum does not match"),
    ] {
        for second in [false, true] {
            let error = decode(&Lz4, &bytes, 99, 99, second).unwrap_err();
            assert!(error.to_string().contains(what), "{what}: {error}");
        }
    }
    let legacy = [&head::LEGACY.to_le_bytes()[..], b"\x03\0\0\0\x20ab"].concat();
    assert!(Lz4.sniff(&legacy));
    let error = plain(&Lz4, &legacy).unwrap_err();
    assert_eq!((error.kind(), error.reason().as_str()), (Kind::Unsupported, "lz4 legacy"));
    let error = plain(&Lz4, &wrong(4, good[4] | 1)).unwrap_err();
    assert_eq!((error.kind(), error.reason().as_str()), (Kind::Unsupported, "lz4 dictionary"));
}

/// The content size that a frame tells of must be its own.
#[test]
fn content_sizes_are_checked_and_made_anew() {
    let frame_of = |bytes: &[u8]| {
        let (_, heads) = decode(&Lz4, bytes, 1 << 16, 1 << 16, true).unwrap();
        heads.iter().filter(|h| !h.verbatim).map(|h| Frame::of(h).content).collect::<Vec<_>>()
    };
    let (long, short) = (log(60_000), log(10));
    let one = frame(&short, 0, 4, true);
    for size in [0_u64, 1, short.len() as u64 + 1, u64::MAX] {
        let mut header = Vec::new();
        let (parsed, len) = head::parse(&one, 0).unwrap();
        parsed.write(Some(size), &mut header);
        let error = plain(&Lz4, &[&header[..], &one[len..]].concat()).unwrap_err();
        assert!(error.to_string().ends_with("the content size does not match"), "{error}");
    }
    let edit = vec![(0..61, vec![])];
    let run = |bytes: &[u8]| contract::lifted(&LAYER, bytes, &edit, 65_536, None).0;
    let large = [frame(&long, 4, 6, true)].concat();
    let mut sized = Vec::new();
    let (parsed, len) = head::parse(&large, 0).unwrap();
    parsed.write(Some(long.len() as u64), &mut sized);
    sized.extend_from_slice(&large[len..]);
    assert_eq!(frame_of(&run(&sized)), [Some(long.len() as u64 - 61)], "foretold");
    let two = [&sized[..], &one].concat();
    assert_eq!(frame_of(&run(&two)), [Some(long.len() as u64 - 61), Some(short.len() as u64)], "foretold, and kept");
    assert_eq!(frame_of(&run(&frame(&short, 0, 4, false))), [None]);
}

#[test]
fn sniffing_looks_behind_skippable_frames() {
    let (bytes, _) = mixed();
    assert!(Lz4.sniff(&bytes) && Lz4.sniff(&bytes[..40]) && !Lz4.sniff(&bytes[..3]));
    assert!(!Lz4.sniff(&skippable(0, &noise(40))), "skippable frames alone are Zstandard's");
    assert!(!Lz4.sniff(b"text") && !Lz4.sniff(b""));
    let error = plain(&Lz4, &skippable(0, &noise(40)));
    assert!(error.unwrap().is_empty());
}

#[test]
fn memory_is_asked_for() {
    let bytes = [frame(b"a", 1, 4, false), frame(b"b", 0, 7, false)].concat();
    contract::needs(&LAYER, &bytes, (8 << 20) + (128 << 10));
}

#[test]
fn outside_tools_agree() {
    let text = [log(8000), noise(170_000)].concat();
    let edits = vec![
        (0..100, vec![]),
        (1000..1100, b"ERASED".to_vec()),
        (400_000..400_200, vec![]),
        (text.len() - 9..text.len(), vec![]),
    ];
    for args in [
        vec!["-1c"],
        vec!["-9c", "-B4", "-BD", "--content-size"],
        vec!["-c", "-B5", "-BX", "--no-frame-crc"],
        vec!["-12c", "-B7D", "-BX"],
    ] {
        let Some(Ok(bytes)) = tool("lz4", &args, &text) else { continue };
        let twice = [&bytes[..], &skippable(5, b"between"), &bytes].concat();
        let (lifted, heads) = contract::lifted(&LAYER, &twice, &edits, 65_536, None);
        let (_, before) = decode(&Lz4, &twice, 1 << 16, 1 << 16, false).unwrap();
        for (new, old) in heads.iter().zip(&before) {
            assert_eq!(new.traits[..2], old.traits[..2], "{args:?}");
        }
        let want = model(&[&text[..], &text].concat(), &edits);
        assert!(tool("lz4", &["-dc"], &lifted).unwrap().unwrap() == want, "{args:?}");
    }
    let legacy = tool("lz4", &["-lc"], b"some text that is long enough");
    if let Some(Ok(bytes)) = legacy {
        assert_eq!(plain(&Lz4, &bytes).unwrap_err().reason(), "lz4 legacy");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn lifts_equal_the_model(parts in prop::collection::vec((0usize..60, 0usize..300, 0u64..8, 4u32..8, any::<bool>(), prop::option::of(0usize..300)), 1..6),
                             seeds in prop::collection::vec((0usize..4000, 0usize..900, prop::collection::vec(any::<u8>(), 0..20)), 0..8),
                             window in prop::sample::select(vec![1usize, 7, 300, 65_536]), large in any::<bool>()) {
        let (mut bytes, mut all) = (Vec::new(), Vec::new());
        for (lines, extra, flags, id, size, skip) in &parts {
            let text = [log(*lines), noise(if large { *extra * 200 } else { *extra }), log(*lines)].concat();
            bytes.extend(skip.map(|n| skippable((n % 16) as u8, &noise(n))).unwrap_or_default());
            bytes.extend(frame(&text, *flags, *id, *size));
            all.extend(text);
        }
        let window = if large { window.max(300) } else { window };
        let (_, before) = decode(&Lz4, &bytes, 1 << 16, 1 << 16, false).unwrap();
        let (_, heads) = contract::lifted(&LAYER, &bytes, &edits(all.len(), &seeds), window, None);
        prop_assert_eq!(heads.len(), before.len());
        for (new, old) in heads.iter().zip(&before) {
            prop_assert_eq!(new.verbatim, old.verbatim);
            prop_assert_eq!(&new.traits[..2], &old.traits[..2]);
        }
    }

    #[test]
    fn flipped_bits_never_pass(at in any::<prop::sample::Index>(), bit in 0u8..8, give in 1usize..300) {
        // With checksums: a frame without one may change unseen.
        let text = [log(40), noise(200)].concat();
        let bytes = [frame(&text, 5, 4, true), skippable(2, b"abc"), frame(&text, 6, 5, false)].concat();
        let at = at.index(bytes.len());
        contract::flipped(&Lz4, bytes, &[&text[..], &text].concat(), at, bit, give);
    }

    #[test]
    fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), block in any::<bool>()) {
        let empty = frame(b"", 0, 4, false);
        let len = (bytes.len() as u32).to_le_bytes();
        let bytes = if block { [&empty[..empty.len() - 4], &len, &bytes, &[0; 4]].concat() } else { bytes };
        contract::any(&Lz4, &bytes);
    }
}
