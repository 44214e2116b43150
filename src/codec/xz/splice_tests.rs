//! Lifts of xz streams, block by block.

use super::*;
use crate::codec::testing::splice::{Rng, WAY, Way, agree, hostile, lifted, run};
use crate::codec::testing::{log, noise, tool};
use crate::layer::coded::CodecLayer;

static LAYER: CodecLayer = CodecLayer(&Xz);

#[test]
fn splice_tools_agree() {
    let code = |rng: &mut Rng, text: &[u8]| {
        let check = *rng.pick(&["-Ccrc32", "-Ccrc64", "-Csha256", "-Cnone"]);
        let size = format!("--block-size={}", *rng.pick(&[4096, 30_000, 100_000, 400_000]));
        let level = *rng.pick(&["-0", "-1", "-6", "-9"]);
        let args = match rng.below(5) {
            0 => vec!["-zcq", check, level],
            1 => vec!["-zcq", check, level, "-T2", &size],
            2 => vec!["-zcq", check, "--block-list=10000,30000,20000,0", level],
            3 => vec!["-zcq", check, "--x86", "--lzma2=preset=1", &size],
            _ => vec!["-zcq", check, "-T1", level, &size],
        };
        let mut bytes = tool("xz", &args, text).expect("xz is not installed").unwrap();
        bytes.resize(bytes.len() + 4 * rng.below(3), 0);
        (format!("{args:?}"), bytes)
    };
    agree(&LAYER, (40, 1 << 20), &code, &[("xz", &["-dcq"])]);
}

#[test]
fn splice_keeps_blocks_byte_for_byte() {
    let text = [log(20_000), noise(200_000), log(20_000)].concat();
    for args in [&["-zc0", "--block-size=100000"][..], &["-zc0", "-T2", "--block-size=100000", "-Csha256"]] {
        let args: &'static [&'static str] = Box::leak(args.to_vec().into_boxed_slice());
        let one = run(("xz", args), &text);
        let bytes = [&one[..], &[0; 8], &one].concat();
        let at = text.len() + 1_250_000;
        for way in [WAY, Way { points: false, ..WAY }, Way { looks: true, ..WAY }] {
            let got = lifted(&LAYER, &bytes, &vec![(at..at + 70, vec![])], way);
            // All but one block, and the index of the second stream with its footer.
            assert_eq!(got.kept.len(), 2);
            assert!(got.kept[0].start == 0 && got.kept[0].end > one.len() as u64 + 8, "{:?}", got.kept);
            assert!(bytes.len() as u64 - got.kept[1].end < 300);
            assert!(got.kept[1].start - got.kept[0].end < 100_000);
        }
    }
    let bytes = run(("xz", &["-zc0", "--block-size=100000"]), &text);
    let got = lifted(&LAYER, &bytes, &vec![(0..text.len(), vec![])], WAY);
    assert_eq!(got.bytes.len(), 12 + 8 + 12, "a stream without blocks");
}

#[test]
fn splice_survives_hostile_points() {
    hostile(&LAYER, &run(("xz", &["-zc0", "--block-size=20000"]), &log(2000)));
}
