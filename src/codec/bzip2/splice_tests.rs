//! Lifts of bzip2 streams, block by block.

use proptest::prelude::*;

use super::blocks::{Bits, Scan, bits};
use super::*;
use crate::codec::testing::splice::{Rng, WAY, Way, agree, hostile, lifted, run};
use crate::codec::testing::{log, noise, tool};
use crate::layer::coded::CodecLayer;

static LAYER: CodecLayer = CodecLayer(&Bzip2);

#[test]
fn splice_tools_agree() {
    let code = |rng: &mut Rng, text: &[u8]| {
        let level = format!("-{}", 1 + rng.below(9));
        let (name, args) = match rng.below(3) {
            0 => ("pbzip2", vec!["-zcq", "-p2", "-b1", &level]),
            _ => ("bzip2", vec!["-zcq", &level]),
        };
        let bytes = tool(name, &args, text).unwrap_or_else(|| panic!("{name} is not installed")).unwrap();
        (format!("{name} {level}"), bytes)
    };
    agree(&LAYER, (40, 1 << 20), &code, &[("bzip2", &["-dcq"]), ("pbzip2", &["-dcq"])]);
}

#[test]
fn splice_keeps_blocks() {
    let text = [log(15_000), noise(200_000), vec![7; 400_000], log(15_000)].concat();
    let one = run(("bzip2", &["-zc1"]), &text);
    let at = 1_200_000;
    for way in [WAY, Way { points: false, ..WAY }, Way { looks: true, ..WAY }] {
        let got = lifted(&LAYER, &one, &vec![(at..at + 70, vec![])], way);
        let share = got.kept() as f64 / one.len() as f64;
        assert!(share > 0.4, "what stands before is kept: {share}");
        // pbzip2's way: a stream for some blocks each.
        let bytes = [&one[..], &one, &one].concat();
        let got = lifted(&LAYER, &bytes, &vec![(text.len() + at..text.len() + at + 70, vec![])], way);
        assert!(got.kept.last().unwrap().len() >= one.len() as u64, "the last stream is kept");
        assert!(got.kept[0].len() > one.len() as u64);
    }
    // All goes: an empty stream stays.
    let got = lifted(&LAYER, &one, &vec![(0..text.len(), vec![])], WAY);
    assert_eq!(got.bytes.len(), 14);
    // Blocks that nothing touches are the same, bit for bit.
    let got = lifted(&LAYER, &one, &vec![(at..at + 70, vec![])], WAY);
    let blocks = |bytes: &[u8]| -> Vec<u32> {
        let (mut scan, mut all) = (Scan::default(), Vec::new());
        for byte in bytes {
            all.extend(scan.next(*byte).map(|(at, _)| bits(bytes, at as usize + 48, 32)));
        }
        all
    };
    let (old, new) = (blocks(&one), blocks(&got.bytes));
    assert_eq!(old.len(), new.len());
    // One block, and the whole's checksum.
    assert_eq!(old.iter().zip(&new).filter(|(old, new)| old != new).count(), 2);
}

#[test]
fn splice_survives_hostile_points() {
    let one = run(("bzip2", &["-zc1"]), &[log(3000), noise(100_000)].concat());
    hostile(&LAYER, &[&one[..], &one].concat());
}

proptest! {
    /// Bits of bytes, appended to bits, come to the bits.
    #[test]
    fn bits_equal_the_model(pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..40), any::<u16>(), any::<u16>()), 1..8)) {
        let (mut got, mut model) = (Bits::default(), Vec::new());
        for (bytes, from, to) in &pieces {
            let to = usize::from(*to) % (bytes.len() * 8 + 1);
            let from = usize::from(*from) % (to + 1);
            got.extend(bytes, from, to);
            model.extend((from..to).map(|at| bytes[at / 8] >> (7 - at % 8) & 1));
            prop_assert_eq!(got.count() as usize, model.len() % 8);
        }
        got.finish();
        for (at, bit) in model.iter().enumerate() {
            prop_assert_eq!(bits(&got.bytes, at, 1), u32::from(*bit));
        }
        prop_assert_eq!(got.bytes.len(), model.len().div_ceil(8));
    }

    #[test]
    fn magics_are_found_at_any_bit(before in prop::collection::vec(any::<u8>(), 0..20), shift in 0usize..8) {
        let mut all = Bits::default();
        all.extend(&before, 0, before.len() * 8);
        all.push(0, shift as u32);
        let at = before.len() * 8 + shift;
        all.push(super::blocks::BLOCK, 48);
        all.finish();
        let mut scan = Scan::default();
        let found: Vec<_> = all.bytes.iter().filter_map(|byte| scan.next(*byte)).collect();
        prop_assert_eq!(found, [(at as u64, super::blocks::BLOCK)]);
    }
}
