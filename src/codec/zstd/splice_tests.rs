//! Lifts of zstd streams: what stays is copied, and what comes of it is what the tools read.

use super::tests::{check_table, frame, seekable, skippable};
use super::*;
use crate::codec::testing::splice::{Rng, WAY, Way, agree, hostile, lift_at, lifted, run};
use crate::codec::testing::{decode, log, model, noise};
use crate::layer::coded::CodecLayer;
use crate::span::Span;

static LAYER: CodecLayer = CodecLayer(&Zstd);

/// The frames' heads and content sizes.
fn heads(bytes: &[u8]) -> Vec<(bool, Option<u64>)> {
    let (_, heads) = decode(&Zstd, bytes, 1 << 16, 1 << 16, true).unwrap();
    heads
        .iter()
        .filter(|head| !head.verbatim)
        .map(head::Frame::of)
        .map(|frame| (frame.checksum, frame.content))
        .collect()
}

#[test]
fn splice_tools_agree() {
    let code = |rng: &mut Rng, text: &[u8]| {
        let level = format!("-{}", 1 + rng.below(19));
        let size = format!("--stream-size={}", text.len());
        let args: Vec<&str> = match rng.below(8) {
            0 => return ("pzstd".to_owned(), run(("pzstd", &["-qc", "-p2", "-1"]), text)),
            1 => {
                let parts: Vec<Vec<u8>> =
                    text.chunks(20_000 + rng.below(300_000)).chain([&b""[..]]).map(<[u8]>::to_vec).collect();
                return ("seekable".to_owned(), seekable(&parts, rng.below(2) == 0));
            }
            2 => {
                let parts = text.chunks(1000 + rng.below(300_000)).chain([&b""[..]]);
                let bytes = parts.flat_map(|part| frame(part, 3, rng.below(2) == 0, rng.below(2) == 0, 17));
                return ("frames".to_owned(), bytes.collect());
            }
            3 => vec!["-qc", "--long=27", "-3"],
            4 => vec!["-qc", "--no-check", &level, &size],
            5 => vec!["-qc", "-T2", "-B1MiB", "--fast=2"],
            6 => vec!["-qc", &level, &size],
            _ => vec!["-qc", &level],
        };
        let got = crate::codec::testing::tool("zstd", &args, text).expect("zstd is not installed").unwrap();
        (format!("{args:?}"), got)
    };
    agree(&LAYER, (40, 2 << 20), &code, &[("zstd", &["-dcq"]), ("pzstd", &["-dcq"]), ("zstd", &["-dcq", "--long=27"])]);
}

#[test]
fn splice_keeps_frames_byte_for_byte() {
    let parts: Vec<Vec<u8>> = (0..40).map(|n| [log(3000), noise(n)].concat()).collect();
    let frames: Vec<Vec<u8>> = parts.iter().map(|part| frame(part, 3, true, part.len() % 2 == 0, 17)).collect();
    let ends: Vec<usize> = frames
        .iter()
        .scan(0, |at, frame| {
            *at += frame.len();
            Some(*at)
        })
        .collect();
    let (bytes, len) = (frames.concat(), parts[0].len());
    let mid = parts[..7].concat().len() + len / 2;
    for points in [false, true] {
        for looks in [false, true] {
            let got = lifted(&LAYER, &bytes, &vec![(mid..mid + 90, vec![])], Way { points, looks, ..WAY });
            let kept = [Span::new(0, ends[6] as u64), Span::new(ends[7] as u64, bytes.len() as u64)];
            assert_eq!(got.kept, kept, "all but the eighth frame, {points}");
        }
    }
    // A drop of several whole frames and some of their neighbours.
    let got = lifted(&LAYER, &bytes, &vec![(len - 9..len * 4 + 50, vec![])], WAY);
    assert_eq!(got.kept.last().unwrap().start, ends[4] as u64);
    assert_eq!(heads(&got.bytes).len(), 40, "emptied frames stay as empty ones");
}

#[test]
fn splice_keeps_the_front_of_a_frame() {
    let text = [log(60_000), noise(30_000)].concat();
    let at = (3 << 20) + 1000;
    let edits = vec![(at..at + 77, vec![]), (at + 400..at + 500, b"new".to_vec())];
    let tool = |args: &'static [&'static str]| run(("zstd", args), &text);
    let size: &'static str = Box::leak(format!("--stream-size={}", text.len()).into_boxed_str());
    let sized: &'static [&'static str] = Box::leak(Box::new(["-qc", size]));
    for (bytes, content, checksum) in [
        (tool(&["-qc"]), false, true),
        (tool(&["-qc", "--no-check", "-1"]), false, false),
        (tool(sized), true, true),
        (tool(&["-qc", "--long=24"]), false, true),
        // A single segment: its window is its content.
        (frame(&text, 3, true, true, 23), true, true),
    ] {
        let got = lifted(&LAYER, &bytes, &edits, WAY);
        let share = got.kept() as f64 / bytes.len() as f64;
        assert!(share > 0.9 * at as f64 / text.len() as f64, "{share}");
        let frames = heads(&got.bytes);
        assert_eq!(frames.len(), 2);
        assert!(frames.iter().all(|frame| frame.0 == checksum && frame.1.is_some() == content), "{frames:?}");
        assert!(frames.iter().all(|frame| frame.1 != Some(0)));
        // The next lift leaves the first frame alone.
        let again = lifted(&LAYER, &got.bytes, &vec![(at + 9..at + 10, vec![])], WAY);
        assert!(again.kept[0].len() >= got.kept[0].len());
        // All that came behind goes: one frame, and no empty one.
        let cut = lifted(&LAYER, &bytes, &vec![(at..text.len(), vec![])], WAY);
        assert_eq!(heads(&cut.bytes).len(), 2);
    }
}

/// New frames have a bounded size.
#[test]
fn splice_cuts_what_it_encodes() {
    let text = [log(200_000), noise(3000)].concat();
    let bytes = frame(&text, 3, true, true, 21);
    let got = lifted(&LAYER, &bytes, &vec![(0..61, vec![])], WAY);
    let sizes: Vec<u64> = heads(&got.bytes).iter().map(|head| head.1.unwrap()).collect();
    assert!(sizes.len() >= 2 && sizes.iter().all(|size| *size <= 10 << 20), "{sizes:?}");
    assert!(got.bytes.len() as f64 <= bytes.len() as f64 * 1.03);
    let got = lifted(&LAYER, &frame(&text, 1, true, false, 20), &vec![(0..61, vec![])], WAY);
    assert!(heads(&got.bytes).len() >= 2);
}

#[test]
fn splice_follows_seek_tables() {
    let parts: Vec<Vec<u8>> = (0..50).map(|n| log(1000 + n * 3)).collect();
    let text = parts.concat();
    for checksums in [false, true] {
        let bytes = seekable(&parts, checksums);
        let at = text.len() / 2;
        for points in [false, true] {
            let got = lifted(&LAYER, &bytes, &vec![(at..at + 40, b"x".to_vec())], Way { points, ..WAY });
            assert_eq!(check_table(&got.bytes), 50);
            assert!(got.kept() * 10 > bytes.len() as u64 * 9);
        }
        // A table that lies is made anew, as all is.
        let mut wrong = bytes.clone();
        let entry = wrong.len() - 9 - 50 * if checksums { 12 } else { 8 };
        wrong[entry + 4] ^= 1;
        let got = lifted(&LAYER, &wrong, &vec![(at..at + 40, vec![])], WAY);
        assert_eq!(check_table(&got.bytes), 50);
    }
    // No table, but bytes that look like its end.
    let bytes = [frame(&text, 3, false, true, 20), skippable(5, &[&seekable(&parts[..2], true)[..]].concat())].concat();
    let got = lifted(&LAYER, &bytes, &vec![(5..9, vec![])], WAY);
    assert!(got.bytes.ends_with(&bytes[bytes.len() - 100..]));
}

#[test]
fn splice_makes_seek_tables_that_are_wanted() {
    let parts: Vec<Vec<u8>> = (0..30).map(|n| log(700 + n * 3)).collect();
    let frames = parts.iter().flat_map(|part| frame(part, 3, true, part.len() % 2 == 0, 17));
    let bytes = [skippable(3, b"first"), frames.collect()].concat();
    let text = parts.concat();
    for edits in
        [vec![(text.len() / 2..text.len() / 2 + 9, vec![])], vec![(0..4, vec![]), (text.len() - 9..text.len(), vec![])]]
    {
        let got = lift_at(&LAYER, &bytes, &edits, WAY, Some((SEEKABLE, 1)), |points| points).unwrap();
        assert_eq!(check_table(&got.bytes), 31);
        assert!(run(("zstd", &["-dcq"]), &got.bytes) == model(&text, &edits));
    }
}

#[test]
fn splice_follows_sizes() {
    let text = log(100_000);
    let bytes = run(("pzstd", &["-qc", "-p4", "-1"]), &text);
    let at = text.len() / 2;
    let got = lifted(&LAYER, &bytes, &vec![(at..at + 40, vec![])], WAY);
    assert!(got.kept() > 0);
    let (mut at, mut frames) = (0, 0);
    while at < got.bytes.len() {
        let size = u32::from_le_bytes(got.bytes[at + 8..at + 12].try_into().unwrap()) as usize;
        assert_eq!(heads(&got.bytes[at + 12..at + 12 + size]).len(), 1, "a size and its frame");
        (at, frames) = (at + 12 + size, frames + 1);
    }
    assert!(frames > 1);
}

#[test]
fn splice_survives_hostile_points() {
    let parts: Vec<Vec<u8>> = (0..9).map(|n| log(200 + n)).collect();
    let bytes: Vec<u8> = parts.iter().flat_map(|part| frame(part, 3, true, false, 17)).collect();
    hostile(&LAYER, &bytes);
}
