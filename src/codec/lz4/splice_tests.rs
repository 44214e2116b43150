//! Lifts of LZ4 streams, block by block.

use super::tests::skippable;
use super::*;
use crate::codec::testing::splice::{Rng, WAY, Way, agree, hostile, lifted, run};
use crate::codec::testing::{log, noise, tool};
use crate::layer::coded::CodecLayer;

static LAYER: CodecLayer = CodecLayer(&Lz4);

#[test]
fn splice_tools_agree() {
    let code = |rng: &mut Rng, text: &[u8]| {
        let level = *rng.pick(&["-1", "-3", "-9", "-12"]);
        let block = *rng.pick(&["-B4", "-B5", "-B6", "-B7"]);
        let mut args = vec!["-cq", level, block];
        // Of block checksums without one of the frame the tool (1.9.4) loses the frames behind, its own ones too.
        let kinds =
            [&["-BD"][..], &["-BI"], &["-BX"], &["-BD", "-BX"], &["-BD", "--no-frame-crc"], &["--no-frame-crc"]];
        args.extend(*rng.pick(&kinds));
        let mut bytes = tool("lz4", &args, text).expect("lz4 is not installed").unwrap();
        if rng.below(4) == 0 {
            bytes.extend(skippable(3, b"between"));
        }
        (format!("{args:?}"), bytes)
    };
    agree(&LAYER, (60, 3 << 20), &code, &[("lz4", &["-dcq"])]);
}

#[test]
fn splice_keeps_blocks_byte_for_byte() {
    let text = [log(40_000), noise(200_000), log(40_000)].concat();
    for (args, again) in [
        // Of 64 KiB: one independent block; of linked ones also the one behind it.
        (&["-cq", "-B4", "-BI"][..], 1),
        (&["-cq", "-B4", "-BI", "-BX", "--no-frame-crc"], 1),
        (&["-cq", "-B4", "-BD"], 2),
        (&["-cq9", "-B4", "-BD", "-BX"], 2),
    ] {
        let args: &'static [&'static str] = Box::leak(args.to_vec().into_boxed_slice());
        let one = run(("lz4", args), &text);
        let bytes = [&one[..], &skippable(1, b"x"), &one].concat();
        let at = text.len() + 1_250_000;
        for way in [WAY, Way { points: false, ..WAY }, Way { looks: true, ..WAY }] {
            let got = lifted(&LAYER, &bytes, &vec![(at..at + 70, vec![])], way);
            assert_eq!(got.kept[0].start, 0);
            assert!(got.kept[0].end > one.len() as u64);
            let gone = got.kept[1].start - got.kept[0].end;
            assert!(gone < again * 66_000, "{args:?}: {gone} bytes are encoded again");
            assert!(bytes.len() as u64 - got.kept[1].end <= 8, "all but the end mark and a checksum");
        }
    }
}

/// A content size is known in time, whatever its frame's length.
#[test]
fn splice_tells_content_sizes() {
    let text = log(60_000);
    let path = std::env::temp_dir().join(format!("unwrite-lz4-{}", std::process::id()));
    std::fs::write(&path, &text).unwrap();
    let output = std::process::Command::new("lz4").args(["-cq", "--content-size"]).arg(&path).output().unwrap();
    std::fs::remove_file(&path).unwrap();
    let bytes = [&output.stdout[..], &output.stdout].concat();
    let (_, at) = head::parse(&bytes, 0).unwrap();
    assert_eq!(at, head::SIZED, "the tool wrote a content size");
    for edits in [
        vec![(70..90, b"other".to_vec())],
        vec![(text.len() + 9..text.len() + 99, vec![])],
        vec![(text.len()..text.len(), b"x".to_vec())],
    ] {
        let got = lifted(&LAYER, &bytes, &edits, WAY);
        assert!(run(("lz4", &["-dcq"]), &got.bytes).len() > text.len());
    }
}

#[test]
fn splice_survives_hostile_points() {
    let frame = run(("lz4", &["-cq", "-B4", "-BD"]), &log(2000));
    hostile(&LAYER, &[&frame[..], &frame].concat());
}
