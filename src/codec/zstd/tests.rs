use proptest::prelude::*;

use super::*;
use crate::codec::testing::{Edits, decode, edits, lift, log, model, noise, plain, tool, with_cx};
use crate::error::Kind;
use crate::input::{BlobSource, Input};
use crate::layer::Layer;
use crate::layer::coded::CodecLayer;
use crate::limits::Limits;

static LAYER: CodecLayer = CodecLayer(&Zstd);

/// A frame by libzstd itself.
pub(super) fn frame(plain: &[u8], level: i32, checksum: bool, size: bool, log: u32) -> Vec<u8> {
    let mut context = zstd_safe::CCtx::create();
    for parameter in [
        zstd_safe::CParameter::CompressionLevel(level),
        zstd_safe::CParameter::ChecksumFlag(checksum),
        zstd_safe::CParameter::WindowLog(log),
        zstd_safe::CParameter::ContentSizeFlag(size),
    ] {
        context.set_parameter(parameter).unwrap();
    }
    let mut out = Vec::with_capacity(zstd_safe::compress_bound(plain.len()) + 64);
    if size {
        context.compress2(&mut out, plain).unwrap();
        return out;
    }
    let mut to = zstd_safe::OutBuffer::around(&mut out);
    context.compress_stream(&mut to, &mut zstd_safe::InBuffer::around(plain)).unwrap();
    while context.end_stream(&mut to).unwrap() > 0 {}
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
        bytes.extend(frame(&text, n as i32 + 1, n % 2 == 0, n % 3 == 0, 10 + n as u32));
        if n % 3 == 1 {
            bytes.extend(skippable(n as u8, &noise(n * 5)));
        }
        all.extend(text);
    }
    bytes.extend(skippable(0, b"more"));
    (bytes, all)
}

/// The frames of a seekable file with its table.
pub(super) fn seekable(parts: &[Vec<u8>], checksums: bool) -> Vec<u8> {
    let (mut out, mut table) = (Vec::new(), table::Table::default());
    for part in parts {
        let frame = frame(part, 3, false, true, 17);
        table.note(frame.len() as u64, part.len() as u64, xxhash_rust::xxh64::xxh64(part, 0));
        out.extend(frame);
    }
    table.write(checksums, &mut out).unwrap();
    out
}

/// Checks a seek table against the frames before it, by hand; gives the number of entries.
pub(super) fn check_table(bytes: &[u8]) -> usize {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let end = bytes.len();
    assert_eq!(word(end - 4), 0x8F92_EAB1);
    let (count, checksums) = (word(end - 9), bytes[end - 5] == 0x80);
    let entry = if checksums { 12 } else { 8 };
    let start = end - 9 - count * entry;
    assert_eq!((word(start - 8), word(start - 4)), (0x184D_2A5E, end - start));
    let mut at = 0;
    for n in 0..count {
        let (coded, len) = (word(start + n * entry), word(start + n * entry + 4));
        let text = plain(&Zstd, &bytes[at..at + coded]).unwrap();
        assert_eq!(text.len(), len);
        if checksums {
            assert_eq!(word(start + n * entry + 8), xxhash_rust::xxh64::xxh64(&text, 0) as u32 as usize);
        }
        at += coded;
    }
    assert_eq!(at, start - 8, "the table covers every frame");
    count
}

fn run(bytes: &[u8], edits: &Edits) -> Vec<u8> {
    lift(&LAYER, bytes, edits, &vec![], &Limits::default(), None).unwrap()
}

#[test]
fn every_read_size_gives_the_same() {
    let (bytes, all) = mixed();
    let (want, heads) = decode(&Zstd, &bytes, 1 << 20, 1 << 20, false).unwrap();
    assert_eq!(want, all);
    assert_eq!(heads.iter().filter(|head| !head.verbatim).count(), 8);
    assert_eq!(heads.iter().filter(|head| head.verbatim).count(), 5);
    for second in [false, true] {
        for size in [1, 2, 3, 5, 8, 13, 34, 127, 1000, 4096] {
            assert_eq!(decode(&Zstd, &bytes, size, 1 << 16, second).unwrap(), (want.clone(), heads.clone()));
            assert_eq!(decode(&Zstd, &bytes, 1 << 16, size, second).unwrap(), (want.clone(), heads.clone()));
            assert_eq!(decode(&Zstd, &bytes, size, size, second).unwrap().0, want);
        }
    }
}

#[test]
fn truncation_is_damage_with_a_place() {
    let (bytes, _) = mixed();
    let (_, heads) = decode(&Zstd, &bytes, 1 << 16, 1 << 16, false).unwrap();
    let starts: Vec<usize> = heads.iter().map(|head| head.at as usize).collect();
    for len in 0..bytes.len() {
        for second in [false, true] {
            let got = decode(&Zstd, &bytes[..len], 4096, 1000, second);
            if len > 0 && starts.contains(&len) {
                got.unwrap();
                continue;
            }
            let error = got.unwrap_err();
            assert_eq!(error.kind(), Kind::Damaged);
            let shown = error.to_string();
            assert!(
                shown.starts_with(&format!("zstd: at byte {len}: ")) && shown.ends_with("is cut off"),
                "{second} {len} {shown}"
            );
        }
    }
}

#[test]
fn foreign_bytes_are_refused() {
    let good = frame(b"text", 3, true, true, 17);
    for (tail, place) in [
        (&b"xxxx"[..], 0),
        (b"\0\0\0\0\0\0\0\0", 0),
        (b"\x28\xb5\x2f", 3),
        (b"x", 1),
        (&good[..good.len() - 1], good.len() - 1),
    ] {
        for second in [false, true] {
            let error = decode(&Zstd, &[&good[..], tail].concat(), 99, 99, second).unwrap_err();
            assert!(error.to_string().starts_with(&format!("zstd: at byte {}: ", good.len() + place)), "{error}");
        }
    }
    for magic in [0x1EB5_2FFD_u32, 0xFD2F_B522, 0xFD2F_B527] {
        let bytes = [&magic.to_le_bytes()[..], &good[4..]].concat();
        assert!(Zstd.sniff(&bytes));
        assert_eq!(plain(&Zstd, &bytes).unwrap_err().reason(), "zstd before v0.8");
    }
    // The dictionary id of one byte: descriptor 0x21, id 7, one byte of content size.
    let bytes = [&head::MAGIC[..], &[0x21, 7, 1, 9, 0, 0, b'x']].concat();
    assert_eq!(plain(&Zstd, &bytes).unwrap_err().reason(), "zstd dictionary");
    let bytes = [&head::MAGIC[..], &[0x28, 1, 9, 0, 0, b'x']].concat();
    assert!(plain(&Zstd, &bytes).unwrap_err().to_string().contains("reserved bit"));
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for second in [false, true] {
        let error = decode(&Zstd, &flipped, 99, 99, second).unwrap_err();
        assert!(error.to_string().ends_with("the content checksum does not match"), "{error}");
    }
}

#[test]
fn sniffing_looks_behind_skippable_frames() {
    let (bytes, _) = mixed();
    assert!(Zstd.sniff(&bytes) && !Zstd.sniff(&bytes[..3]));
    assert!(Zstd.sniff(&skippable(0, &noise(40))), "skippable frames alone are a stream");
    assert!(Zstd.sniff(&skippable(0, &noise(40))[..20]));
    let lz4 = [&skippable(1, b"x")[..], &[4, 0x22, 0x4d, 0x18, 0x60, 0x40]].concat();
    assert!(!Zstd.sniff(&lz4) && !Zstd.sniff(b"text") && !Zstd.sniff(b""));
}

#[test]
fn windows_are_asked_for() {
    let (mut bytes, text) = (frame(b"small", 3, false, true, 17), log(100));
    bytes.extend(frame(&text, 3, true, false, 27));
    let find = |max_memory| {
        with_cx(&Limits { max_memory, ..Limits::default() }, None, false, |cx| {
            LAYER.find(&mut Input::new(BlobSource::new(&bytes), 4096), cx).map(|_| ())
        })
    };
    find(128 << 20).unwrap();
    let error = find((128 << 20) - 1).unwrap_err();
    assert!(error.reason().starts_with("limit: --max-memory"), "{error}");
    // The encoder takes a smaller window where the run has no memory for two large ones.
    for (max_memory, log) in [(128 << 20, 23), (300 << 20, 27)] {
        let limits = Limits { max_memory, ..Limits::default() };
        let lifted = lift(&LAYER, &bytes, &vec![(4..6, vec![])], &vec![], &limits, None).unwrap();
        assert_eq!(plain(&Zstd, &lifted).unwrap(), [&b"smal"[..], &text[1..]].concat());
        let (_, heads) = decode(&Zstd, &lifted, 1 << 16, 1 << 16, true).unwrap();
        assert_eq!(head::Frame::of(&heads[1]).window, 1 << log);
    }
    // 4 GiB: more than the libraries take.
    let huge = [&head::MAGIC[..], &[0, 22 << 3, 1, 0, 0]].concat();
    assert_eq!(plain(&Zstd, &huge).unwrap_err().kind(), Kind::Limit);
}

#[test]
fn seek_tables_are_made_anew() {
    let parts: Vec<Vec<u8>> = (0..40).map(|n| log(n * 3)).collect();
    let text = parts.concat();
    let edits = vec![(5..30, vec![]), (2000..9000, b"less".to_vec()), (text.len() - 3..text.len(), noise(5000))];
    for checksums in [false, true] {
        let bytes = seekable(&parts, checksums);
        assert_eq!(check_table(&bytes), 40);
        let lifted = run(&bytes, &edits);
        assert_eq!(plain(&Zstd, &lifted).unwrap(), model(&text, &edits));
        assert_eq!(check_table(&lifted), 40);
        // Anything behind the table, and it is no table.
        let twice = [&bytes[..], &bytes].concat();
        let lifted = run(&twice, &vec![]);
        assert_eq!(check_table(&lifted), 81);
    }
    assert_eq!(check_table(&run(&seekable(&[], true), &vec![])), 0);
}

#[test]
fn pzstd_sizes_are_right() {
    let texts = [log(3000), log(10), noise(9 << 20), Vec::new()];
    let mut bytes = Vec::new();
    for text in &texts {
        let frame = frame(text, 3, true, text.len() < 1000, 20);
        bytes.extend(skippable(0, &(frame.len() as u32).to_le_bytes()));
        bytes.extend(frame);
    }
    bytes.extend(skippable(0, b"last"));
    let all = texts.concat();
    let edits = vec![(0..700, vec![]), (all.len()..all.len(), b"tail".to_vec())];
    let lifted = run(&bytes, &edits);
    assert!(plain(&Zstd, &lifted).unwrap() == model(&all, &edits));
    let (mut at, mut frames) = (0, 0);
    while lifted.len() - at > 12 {
        let size = u32::from_le_bytes(lifted[at + 8..at + 12].try_into().unwrap()) as usize;
        plain(&Zstd, &lifted[at + 12..at + 12 + size]).unwrap();
        (at, frames) = (at + 12 + size, frames + 1);
    }
    assert_eq!(lifted[at..], skippable(0, b"last"));
    assert_eq!(frames, 5, "the frame of 9 MiB was cut once");
    if let Some(got) = tool("pzstd", &["-dcq"], &lifted[..at]) {
        assert!(got.unwrap() == model(&all, &edits));
    }
}

#[test]
fn content_sizes_stay_where_they_can() {
    let size = |bytes: &[u8]| -> Vec<Option<u64>> {
        let (_, heads) = decode(&Zstd, bytes, 1 << 16, 1 << 16, true).unwrap();
        heads.iter().filter(|h| !h.verbatim).map(|h| head::Frame::of(h).content).collect()
    };
    let (long, short) = (log(60_000), log(10));
    let edit = vec![(0..61, vec![])];
    let one = frame(&long, 1, true, true, 20);
    assert_eq!(size(&run(&one, &edit)), [Some(long.len() as u64 - 61)], "foretold");
    let two = [one.clone(), frame(&short, 1, true, true, 20)].concat();
    assert_eq!(size(&run(&two, &edit)), [Some(long.len() as u64 - 61), Some(short.len() as u64)], "foretold, and kept");
    let without = frame(&short, 1, true, false, 20);
    assert_eq!(size(&run(&without, &edit)), [None]);
}

#[test]
fn outside_tools_agree() {
    let text = [log(20_000), noise(70_000)].concat();
    let edits = vec![
        (0..100, vec![]),
        (1000..1100, b"ERASED".to_vec()),
        (900_000..900_200, vec![]),
        (text.len() - 9..text.len(), vec![]),
    ];
    for args in [vec!["-1"], vec!["-19", "--no-check"], vec!["--long=24"], vec!["-T2", "--fast=3"]] {
        let Some(Ok(bytes)) = tool("zstd", &args, &text) else {
            continue;
        };
        let twice = [&bytes[..], &skippable(5, b"between"), &bytes].concat();
        let all = [&text[..], &text].concat();
        for second in [false, true] {
            assert!(decode(&Zstd, &twice, 1000, 5000, second).unwrap().0 == all);
        }
        let lifted = run(&twice, &edits);
        let got = tool("zstd", &["-dcq"], &lifted).unwrap();
        assert!(got.unwrap() == model(&all, &edits));
    }
    if let Some(Ok(bytes)) = tool("pzstd", &["-qc", "-p2", "-1"], &text) {
        let lifted = run(&bytes, &edits);
        for name in ["zstd", "pzstd"] {
            assert!(tool(name, &["-dcq"], &lifted).unwrap().unwrap() == model(&text, &edits), "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn lifts_equal_the_model(parts in prop::collection::vec((0usize..60, 0usize..300, 1i32..8, any::<bool>(), any::<bool>(), prop::option::of(0usize..300)), 1..6),
                             seeds in prop::collection::vec((0usize..4000, 0usize..900, prop::collection::vec(any::<u8>(), 0..20)), 0..8),
                             level in prop::option::of(-9..14), window in prop::sample::select(vec![1usize, 7, 300, 65_536]),
                             table in any::<bool>()) {
        let (mut bytes, mut all) = (Vec::new(), Vec::new());
        for (lines, extra, level, checksum, size, skip) in &parts {
            let text = [log(*lines), noise(*extra)].concat();
            bytes.extend(skip.map(|n| skippable((n % 16) as u8, &noise(n % 7))).unwrap_or_default());
            bytes.extend(frame(&text, *level, *checksum, *size, 12));
            all.extend(text);
        }
        if table {
            bytes.extend(seekable(&[log(3)], true));
            all.extend(log(3));
        }
        let edits = edits(all.len(), &seeds);
        let limits = Limits { window, ..Limits::default() };
        let lifted = lift(&LAYER, &bytes, &edits, &vec![], &limits, level.map(|n| ("zstd", n))).unwrap();
        let (_, before) = decode(&Zstd, &bytes, 1 << 16, 1 << 16, false).unwrap();
        for second in [false, true] {
            let (got, heads) = decode(&Zstd, &lifted, 1 << 16, 1 << 16, second).unwrap();
            prop_assert!(got == model(&all, &edits));
            prop_assert_eq!(heads.len(), before.len());
            for (new, old) in heads.iter().zip(&before) {
                prop_assert_eq!(new.verbatim, old.verbatim);
                let (new, old) = (head::Frame::of(new), head::Frame::of(old));
                prop_assert_eq!((new.checksum, new.content.is_some()), (old.checksum, old.content.is_some()));
            }
        }
        if table {
            check_table(&lifted);
        }
    }

    #[test]
    fn flipped_bits_never_pass(at in any::<prop::sample::Index>(), bit in 0u8..8, give in 1usize..300) {
        // With checksums everywhere: a frame without one may change unseen.
        let text = [log(40), noise(200)].concat();
        let mut bytes = [frame(&text, 3, true, true, 17), skippable(2, b"abc"), frame(&text, 5, true, false, 17)].concat();
        let all = [&text[..], &text].concat();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let first = decode(&Zstd, &bytes, give, 4096, false);
        let second = decode(&Zstd, &bytes, 4096, give, true);
        if let Ok((plain, _)) = &first {
            // A flag or a magic number may become another valid one; then the rest of the stream tells.
            prop_assert!(*plain == all);
        }
        if let Ok((plain, _)) = &second {
            prop_assert!(*plain == all);
        }
    }

    #[test]
    fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), magic in any::<bool>(), descriptor in 0u8..4) {
        let bytes = if magic { [&head::MAGIC[..], &[descriptor << 6 | 0x20], &bytes].concat() } else { bytes };
        if head::start(&bytes) == head::Start::Frame && head::parse(&bytes, 0).is_ok_and(|f| f.memory() > 1 << 24) {
            return Ok(());
        }
        let first = decode(&Zstd, &bytes, 100, 50, false);
        let second = decode(&Zstd, &bytes, 3, 500, true);
        if let (Ok(first), Ok(second)) = (first, second) {
            prop_assert_eq!(first, second);
        }
    }
}
