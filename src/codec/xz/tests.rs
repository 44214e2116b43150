use proptest::prelude::*;

use super::head::Role;
use super::*;
use crate::codec::testing::contract;
use crate::codec::testing::{decode, edits, lift, log, model, noise, plain, tool, with_cx};
use crate::error::Kind;
use crate::input::{BlobSource, Input};
use crate::layer::Layer;
use crate::layer::coded::{CodecLayer, Head};
use crate::limits::Limits;

static LAYER: CodecLayer = CodecLayer(&Xz);

const CHECKS: [u8; 4] = [0, 1, 4, 10];

/// A stream of these blocks; the sizes in their headers if `sized`.
fn stream(blocks: &[&[u8]], check: u8, sized: bool) -> Vec<u8> {
    let mut encoder = encode::Streams::new(Some(0), Box::new(|_| Ok(())));
    let mut out = Vec::new();
    let head = |bytes, role: Role| Head {
        at: 0,
        plain_at: 0,
        bytes,
        verbatim: false,
        names: Vec::new(),
        traits: role.traits(),
    };
    let crc = crc32fast::hash(&[0, check]).to_le_bytes();
    let header = [&head::MAGIC[..], &[0, check], &crc].concat();
    encoder.begin(&head(header, Role::Stream(check)), &mut out).unwrap();
    for block in blocks {
        let role = Role::Block { dictionary: 4096, compressed: sized.then_some(block.len() as u64) };
        encoder.begin(&head(Vec::new(), role), &mut out).unwrap();
        for piece in block.chunks(777) {
            encoder.write(piece, &mut out).unwrap();
        }
    }
    encoder.finish(&mut out).unwrap();
    out
}

/// Streams of every check, with blocks of both kinds and padding between them, and their plain bytes.
fn mixed() -> (Vec<u8>, Vec<u8>) {
    let (mut bytes, mut all) = (Vec::new(), Vec::new());
    for (n, check) in CHECKS.into_iter().enumerate() {
        let texts = [log(n + 1), noise(n * 11 + 1), b"x".to_vec()];
        let blocks: Vec<&[u8]> = texts.iter().take(n).map(Vec::as_slice).collect();
        bytes.extend(stream(&blocks, check, n % 2 == 1));
        bytes.extend(vec![0; n % 3 * 4]);
        all.extend(blocks.concat());
    }
    (bytes, all)
}

fn roles(heads: &[Head]) -> Vec<Role> {
    heads.iter().filter(|head| !head.verbatim).map(Role::of).collect()
}

/// Whether both tell of the same check, or of a block with or without sizes.
fn alike(one: &Role, other: &Role) -> bool {
    match (one, other) {
        (Role::Stream(one), Role::Stream(other)) => one == other,
        (Role::Block { compressed: one, .. }, Role::Block { compressed: other, .. }) => {
            one.is_some() == other.is_some()
        }
        _ => false,
    }
}

#[test]
fn every_read_size_gives_the_same() {
    let (bytes, all) = mixed();
    let heads = contract::read_sizes(&Xz, &bytes, &all);
    assert_eq!(roles(&heads).len(), 4 + 6);
    assert_eq!(heads.iter().filter(|head| head.verbatim).map(|head| head.bytes.len()).sum::<usize>(), 12);
    contract::layer(&LAYER, &bytes, &all);
}

#[test]
fn truncation_is_damage_with_a_place() {
    let (bytes, _) = mixed();
    let (_, heads) = decode(&Xz, &bytes, 1 << 16, 1 << 16, false).unwrap();
    let starts = |head: &&Head| head.verbatim || matches!(Role::of(head), Role::Stream(_));
    let mut ends: Vec<usize> = heads.iter().filter(starts).map(|head| head.at as usize).collect();
    ends.extend(heads.iter().filter(|head| head.verbatim && head.bytes.len() > 4).map(|head| head.at as usize + 4));
    ends.retain(|end| *end > 0);
    contract::truncated(&Xz, &bytes, &ends);
}

#[test]
fn foreign_bytes_are_refused() {
    let good = stream(&[b"text"], 4, false);
    contract::followed(
        &Xz,
        &good,
        &[(b"x", 0), (b"\xfd7z", 3), (b"\0\0", 2), (b"\0\0\0\0x", 4), (b"\0\xfd7zXZ\0", 1), (&good[..5], 5)],
    );
    assert!(plain(&Xz, &[&good[..], b"\0\0\0\0", &good].concat()).unwrap() == b"texttext");
    let with = |at: usize, new: &[u8]| [&good[..at], new, &good[at + new.len()..]].concat();
    let flags = |id: u8| [&[0, id][..], &crc32fast::hash(&[0, id]).to_le_bytes()].concat();
    let end = good.len();
    for (bytes, what) in [
        (with(8, b"\0"), "at byte 8: a stream header's checksum"),
        (with(6, &flags(16)), "at byte 6: reserved stream flags"),
        (with(6, &flags(1)), "the check"),
        (with(13, b"\x40"), "at byte 12: a block header's checksum"),
        (with(end - 1, b"X"), "a stream footer does not match"),
        (with(end - 8, b"\x05"), "a stream footer does not match"),
        (with(end - 16, b"\0"), "an index's checksum"),
        (with(end - 19, b"\x02"), "the index does not match"),
    ] {
        for second in [false, true] {
            let error = decode(&Xz, &bytes, 99, 99, second).unwrap_err();
            assert!(error.to_string().contains(what), "{what}: {error}");
            assert_eq!(error.kind(), Kind::Damaged);
        }
    }
    let error = plain(&Xz, &with(6, &flags(2))).unwrap_err();
    assert_eq!(error.reason(), "xz check of an unknown type");
}

/// A stream with this block header in place of its own.
fn headed(fields: &[u8]) -> Vec<u8> {
    let good = stream(&[b"text"], 4, false);
    let len = (1 + fields.len()).next_multiple_of(4);
    let mut header = [&[(len / 4) as u8], fields].concat();
    header.resize(len, 0);
    let crc = crc32fast::hash(&header);
    [&good[..12], &header, &crc.to_le_bytes(), &good[24..]].concat()
}

#[test]
fn block_headers_are_read() {
    for (fields, kind, what) in [
        (&b"\0\x21\x01\x00"[..], None, "the index does not match"),
        (b"\0\x21\x01\x29", Some(Kind::Damaged), "a block header is invalid"),
        (b"\0\x21\x02\0\0", Some(Kind::Damaged), "a block header is invalid"),
        (b"\0\x21\x01\0\x01", Some(Kind::Damaged), "a block header is invalid"),
        (b"\x04\x21\x01\0", Some(Kind::Unsupported), "xz block of a newer version"),
        (b"\0\x03\x01\0", Some(Kind::Unsupported), "xz filter"),
        (b"\x01\x33\0\x21\x01\0", Some(Kind::Unsupported), "xz filter"),
        (b"\x02\x04\0\x04\0\x21\x01\0", Some(Kind::Unsupported), "xz filter"),
        (b"\x40\x05\x21\x01\0", Some(Kind::Damaged), "a block is longer than its header says"),
        (b"\x40\x50\x21\x01\0", Some(Kind::Damaged), "a block is shorter than its header says"),
        (b"\x40\x80\0\x21\x01\0", Some(Kind::Damaged), "a block header is invalid"),
        (b"\x80\x03\x21\x01\0", Some(Kind::Damaged), "a block is longer than its header says"),
        (b"\x80\x05\x21\x01\0", Some(Kind::Damaged), "a block is shorter than its header says"),
    ] {
        for second in [false, true] {
            match (decode(&Xz, &headed(fields), 99, 99, second), kind) {
                (Err(error), Some(kind)) => {
                    assert_eq!(error.kind(), kind, "{error}");
                    assert!(error.to_string().ends_with(what), "{what}: {error}");
                }
                (got, None) => assert_eq!(got.unwrap().0, b"text"),
                (Ok(_), Some(_)) => panic!("{what}"),
            }
        }
    }
}

#[test]
fn dictionaries_are_asked_for() {
    for (property, size) in [(0, 4096), (1, 6144), (22, 8 << 20), (39, 3 << 30), (40, u64::from(u32::MAX))] {
        assert_eq!(head::dictionary(property), size);
        assert_eq!((head::property(size), head::property(size - 1)), (property, property));
        assert_eq!(head::property(size + 1), (property + 1).min(40));
    }
    contract::needs(&LAYER, &headed(b"\0\x21\x01\x16"), (8 << 20) + (256 << 10));
    // 4 GiB, claimed by a hundred bytes: refused by its option's name, and nothing was allocated.
    let huge = headed(b"\0\x21\x01\x28");
    let error = with_cx(&Limits::default(), None, false, |cx| {
        LAYER.find(&mut Input::new(BlobSource::new(&huge), 4096), cx).map(drop).unwrap_err()
    });
    assert_eq!(error.kind(), Kind::Limit);
    assert!(error.reason().starts_with("limit: --max-memory"), "{error}");
    // The encoder takes a smaller dictionary where the run has no memory for the preset's, unless a level is asked for.
    let text = log(10_000);
    let large = stream_of(&text, &["-6c"]);
    let Some(large) = large else { return };
    let edit = vec![(0..1, vec![])];
    let limits = Limits { max_memory: 14 << 20, ..Limits::default() };
    let lifted = lift(&LAYER, &large, &edit, &vec![], &limits, None).unwrap();
    let (_, heads) = decode(&Xz, &lifted, 1 << 16, 1 << 16, true).unwrap();
    let dictionary = head::dictionary(head::property((text.len() as u64 - 1) / 2 / 2));
    assert_eq!(roles(&heads)[1], Role::Block { dictionary, compressed: None });
    let error = lift(&LAYER, &large, &edit, &vec![], &limits, Some(("xz", 6))).unwrap_err();
    assert_eq!(error.kind(), Kind::Limit);
}

/// What the outside tool makes of `text`.
fn stream_of(text: &[u8], args: &[&str]) -> Option<Vec<u8>> {
    tool("xz", args, text).and_then(std::result::Result::ok)
}

#[test]
fn an_emptied_stream_stays_a_stream() {
    for check in CHECKS {
        let bytes = stream(&[b"one", b"two"], check, true);
        let (lifted, heads) = contract::lifted(&LAYER, &bytes, &vec![(0..6, vec![])], 4096, None);
        assert_eq!(roles(&heads), [Role::Stream(check)]);
        assert_eq!(lifted, stream(&[], check, false));
        // What comes in at the end has a block of its own.
        let (_, heads) = contract::lifted(&LAYER, &lifted, &vec![(0..0, b"new".to_vec())], 4096, None);
        assert_eq!(heads.len(), 2);
    }
}

#[test]
fn outside_tools_agree() {
    let text = [log(2500), noise(30_000)].concat();
    let edits = vec![
        (0..100, vec![]),
        (1000..1100, b"ERASED".to_vec()),
        (130_000..130_200, vec![]),
        (text.len() - 9..text.len(), vec![]),
    ];
    for (args, blocks) in [
        (vec!["-0c", "-C", "none"], 1),
        (vec!["-1c", "-C", "crc32"], 1),
        (vec!["-T2", "-c", "--block-size=40000"], text.len().div_ceil(40_000)),
        (vec!["-0c", "-C", "sha256", "--block-size=70000"], text.len().div_ceil(70_000)),
        (vec!["-c", "--delta=dist=4", "--lzma2=dict=64KiB"], 1),
        (vec!["-c", "--x86", "--lzma2=preset=0"], 1),
        (vec!["-c", "--arm64=start=4096", "--lzma2=preset=0"], 1),
    ] {
        let Some(bytes) = stream_of(&text, &args) else { continue };
        let twice = [&bytes[..], &[0; 8], &bytes].concat();
        let before = contract::read_sizes_few(&Xz, &twice, &[&text[..], &text].concat());
        assert_eq!(roles(&before).len(), 2 + 2 * blocks, "{args:?}");
        let (lifted, heads) = contract::lifted(&LAYER, &twice, &edits, 65_536, None);
        assert!(roles(&heads).iter().zip(&roles(&before)).all(|(new, old)| alike(new, old)), "{args:?}");
        assert_eq!(heads.len(), before.len());
        let want = model(&[&text[..], &text].concat(), &edits);
        for threads in ["-T1", "-T2"] {
            assert!(tool("xz", &["-dcq", threads], &lifted).unwrap().unwrap() == want, "{args:?}");
        }
        tool("xz", &["-tq"], &lifted).unwrap().unwrap();
        let python = "import sys,lzma;sys.stdout.buffer.write(lzma.decompress(sys.stdin.buffer.read()))";
        // Python knows no stream padding.
        let padding = heads.iter().find(|head| head.verbatim).map_or(0, |head| head.at as usize);
        let unpadded = [&lifted[..padding], &lifted[padding + 8..]].concat();
        if let Some(got) = tool("python3", &["-c", python], &unpadded) {
            assert!(got.unwrap() == want);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn lifts_equal_the_model(parts in prop::collection::vec((prop::collection::vec((1usize..60, 0usize..300), 0..4), 0usize..4, any::<bool>(), 0usize..3), 1..4),
                             seeds in prop::collection::vec((0usize..4000, 0usize..900, prop::collection::vec(any::<u8>(), 0..20)), 0..8),
                             level in prop::option::of(-1..3), window in prop::sample::select(vec![1usize, 7, 300, 65_536])) {
        let (mut bytes, mut all) = (Vec::new(), Vec::new());
        for (blocks, check, sized, padding) in &parts {
            let texts: Vec<Vec<u8>> = blocks.iter().map(|(lines, extra)| [log(*lines), noise(*extra)].concat()).collect();
            bytes.extend(stream(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>(), CHECKS[*check], *sized));
            bytes.extend(vec![0; padding * 4]);
            all.extend(texts.concat());
        }
        let (_, before) = decode(&Xz, &bytes, 1 << 16, 1 << 16, false).unwrap();
        let (_, heads) = contract::lifted(&LAYER, &bytes, &edits(all.len(), &seeds), window, level.map(|n| ("xz", n)));
        let checks = |heads: &[Head]| roles(heads).into_iter().filter(|role| matches!(role, Role::Stream(_))).collect::<Vec<_>>();
        prop_assert_eq!(checks(&heads), checks(&before));
        let padding = |heads: &[Head]| heads.iter().filter(|head| head.verbatim).map(|head| head.bytes.len()).collect::<Vec<_>>();
        prop_assert_eq!(padding(&heads), padding(&before));
    }

    #[test]
    fn flipped_bits_never_pass(at in any::<prop::sample::Index>(), bit in 0u8..8, give in 1usize..300) {
        // With checks: a block without one may change unseen.
        let text = [log(5), noise(50)].concat();
        let bytes = [stream(&[&text, &text], 4, true), vec![0; 4], stream(&[&text], 10, false)].concat();
        let at = at.index(bytes.len());
        contract::flipped(&Xz, bytes, &text.repeat(3), at, bit, give);
    }

    #[test]
    fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), depth in 0usize..3) {
        let good = stream(&[b"text"], 1, false);
        let bytes = [&good[..[0, 12, 24][depth]], &bytes].concat();
        contract::any(&Xz, &bytes);
    }
}
