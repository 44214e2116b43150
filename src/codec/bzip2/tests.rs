use proptest::prelude::*;

use super::*;
use crate::codec::testing::contract;
use crate::codec::testing::{decode, edits, log, model, noise, plain, tool};
use crate::layer::coded::CodecLayer;

static LAYER: CodecLayer = CodecLayer(&Bzip2);

fn stream(plain: &[u8], level: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut open = Compress::new(Compression::new(level), 0);
    squeeze(&mut open, plain, &mut out, Action::Run).unwrap();
    squeeze(&mut open, &[], &mut out, Action::Finish).unwrap();
    out
}

/// Streams of every level, some empty, with padding behind them, and their plain bytes.
fn mixed() -> (Vec<u8>, Vec<u8>) {
    let (mut bytes, mut all) = (Vec::new(), Vec::new());
    for n in 1..6 {
        let text = if n % 3 == 0 { Vec::new() } else { [log(n), noise(n * 11), vec![b'x'; n * 100]].concat() };
        bytes.extend(stream(&text, n as u32 * 2 - 1));
        all.extend(text);
    }
    bytes.extend([0; 100]);
    (bytes, all)
}

#[test]
fn every_read_size_gives_the_same() {
    let (bytes, all) = mixed();
    let heads = contract::read_sizes(&Bzip2, &bytes, &all);
    let levels: Vec<u64> = heads.iter().filter(|head| !head.verbatim).map(|head| head.traits[0]).collect();
    assert_eq!(levels, [1, 3, 5, 7, 9]);
    assert_eq!(heads.last().unwrap().bytes, [0; 100]);
    contract::layer(&LAYER, &bytes, &all);
}

#[test]
fn truncation_is_damage_with_a_place() {
    let (bytes, _) = mixed();
    let (_, heads) = decode(&Bzip2, &bytes, 1 << 16, 1 << 16, false).unwrap();
    let ends: Vec<usize> = heads.iter().map(|head| head.at as usize).filter(|at| *at > 0).collect();
    contract::truncated(&Bzip2, &bytes[..bytes.len() - 100], &ends);
}

#[test]
fn bytes_behind_the_last_stream_are_damage() {
    let good = stream(b"text", 9);
    contract::followed(
        &Bzip2,
        &good,
        &[(b"x", 0), (b"BZ", 2), (b"BZh0", 0), (b"BZx", 0), (b"\0\0\0x", 3), (b"\0BZh9", 1), (b"BZh9", 4)],
    );
}

#[test]
fn checksums_are_checked() {
    let good = stream(&log(3), 9);
    // The CRC of the first block is behind its magic number.
    let mut block = good.clone();
    block[11] ^= 1;
    for second in [false, true] {
        assert!(decode(&Bzip2, &block, 99, 99, second).is_err());
    }
    // An empty stream is its end's magic number and the CRC of no blocks, zero.
    let empty = stream(b"", 9);
    assert_eq!(empty[10..], [0; 4]);
    let wrong = [&empty[..13], &[1]].concat();
    for second in [false, true] {
        assert!(decode(&Bzip2, &wrong, 99, 99, second).is_err());
    }
}

/// Blocks that are full, many, and hard: runs of every length, and repetitions.
#[test]
fn the_libraries_agree_on_large_blocks() {
    let runs: Vec<u8> = (0..3000_usize).flat_map(|n| vec![(n % 7) as u8; n % 520]).collect();
    for text in [log(15_000), noise(150_000), runs, vec![7; 2_000_000], b"ab".repeat(300_000)] {
        for level in [1, 9] {
            let bytes = stream(&text, level);
            assert!(decode(&Bzip2, &bytes, 1 << 16, 1 << 16, true).unwrap().0 == text);
            assert!(plain(&Bzip2, &bytes).unwrap() == text);
        }
    }
}

#[test]
fn memory_is_asked_for() {
    contract::needs(&LAYER, &[stream(b"a", 1), stream(b"b", 9)].concat(), 3_700_000);
}

#[test]
fn what_is_sniffed() {
    assert!(Bzip2.sniff(&stream(b"", 1)) && Bzip2.sniff(&stream(b"a", 9)));
    assert!(
        !Bzip2.sniff(b"BZh91AY&SX") && !Bzip2.sniff(b"BZh0\x31\x41\x59\x26\x53\x59") && !Bzip2.sniff(b"BZh9 is text")
    );
}

#[test]
fn outside_tools_agree() {
    let text = [log(8000), noise(70_000)].concat();
    let edits = vec![
        (0..100, vec![]),
        (1000..1100, b"ERASED".to_vec()),
        (400_000..400_200, vec![]),
        (text.len() - 9..text.len(), vec![]),
    ];
    for args in [["-1c"], ["-9c"]] {
        let Some(Ok(bytes)) = tool("bzip2", &args, &text) else { continue };
        let twice = [&bytes[..], &bytes].concat();
        let (lifted, heads) = contract::lifted(&LAYER, &twice, &edits, 65_536, None);
        assert_eq!(heads.len(), 2);
        let want = model(&[&text[..], &text].concat(), &edits);
        assert!(tool("bzip2", &["-dc"], &lifted).unwrap().unwrap() == want);
        tool("bzip2", &["-tq"], &lifted).unwrap().unwrap();
        let python = "import sys,bz2;sys.stdout.buffer.write(bz2.decompress(sys.stdin.buffer.read()))";
        if let Some(got) = tool("python3", &["-c", python], &lifted) {
            assert!(got.unwrap() == want);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn lifts_equal_the_model(parts in prop::collection::vec((0usize..60, 0usize..300, 1u32..10), 1..4),
                             seeds in prop::collection::vec((0usize..4000, 0usize..900, prop::collection::vec(any::<u8>(), 0..20)), 0..8),
                             level in prop::option::of(-3..12), window in prop::sample::select(vec![1usize, 7, 300, 65_536]),
                             padding in 0usize..2) {
        let (mut bytes, mut all) = (Vec::new(), Vec::new());
        for (lines, extra, level) in &parts {
            let text = [log(*lines), noise(*extra)].concat();
            bytes.extend(stream(&text, *level));
            all.extend(text);
        }
        bytes.extend(vec![0; padding * 70_000]);
        let edits = edits(all.len(), &seeds);
        let (_, heads) = contract::lifted(&LAYER, &bytes, &edits, window, level.map(|n| ("bzip2", n)));
        let levels: Vec<u64> = heads.iter().filter(|head| !head.verbatim).map(|head| head.traits[0]).collect();
        // A stream's header stays, so that blocks get no larger than it says; an empty stream is encoded again as a whole.
        let level = level.filter(|_| all.is_empty());
        let want: Vec<u64> = parts.iter().map(|part| level.map_or(u64::from(part.2), |n| n.clamp(1, 9) as u64)).collect();
        prop_assert_eq!(levels, want);
        prop_assert_eq!(heads.iter().filter(|head| head.verbatim).map(|head| head.bytes.len()).sum::<usize>(), padding * 70_000);
    }

    #[test]
    fn flipped_bits_never_pass(at in any::<prop::sample::Index>(), bit in 0u8..8, give in 1usize..300) {
        let (bytes, all) = mixed();
        let at = at.index(bytes.len());
        contract::flipped(&Bzip2, bytes, &all, at, bit, give);
    }

    #[test]
    fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), depth in 0usize..4) {
        let head = [&b"BZh1"[..], &MAGICS[0], b"\0\0\0\0", b"\0\0\0\0"];
        contract::any(&Bzip2, &[&head[..depth].concat()[..], &bytes].concat());
    }

    #[test]
    fn the_libraries_agree(pieces in prop::collection::vec((any::<u8>(), 1usize..600), 0..60), level in 1u32..10) {
        let text: Vec<u8> = pieces.into_iter().flat_map(|(byte, n)| vec![byte; n]).collect();
        let bytes = stream(&text, level);
        prop_assert!(decode(&Bzip2, &bytes, 700, 300, true).unwrap().0 == text);
    }
}
