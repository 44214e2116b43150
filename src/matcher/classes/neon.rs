//! The class words by the vector unit of 64-bit ARM.
//!
//! Why `unsafe` pays: as in `x86`, one lookup for sixteen bytes in place of sixteen. It is bounded to loads from arrays of their
//! full length, and to a call of a function for which the processor has said that it has the instructions.

use std::arch::aarch64::{
    uint8x16_t, uint8x16x4_t, vandq_u8, vdupq_n_u8, vgetq_lane_u64, vld1q_u8, vld1q_u8_x4, vorrq_u8, vpaddq_u8,
    vqtbl4q_u8, vreinterpretq_u64_u8, vsubq_u8, vtstq_u8,
};
use std::arch::is_aarch64_feature_detected;

use super::{STEP, Table, Way, Words, put};

/// What this processor can do.
pub fn ways() -> Vec<(&'static str, Way)> {
    let mut ways: Vec<(&'static str, Way)> = Vec::new();
    if is_aarch64_feature_detected!("neon") {
        // SAFETY: the processor has just said that it has these instructions.
        ways.push(("neon", |blocks, table, words, first| unsafe { neon(blocks, table, words, first) }));
    }
    ways
}

/// One lookup in each half of the table, which gives 0 for an index beyond it; then a test of each bit, and the bytes of the
/// answer added up in pairs, each with a bit of its own (Langdale and Lemire: Parsing Gigabytes of JSON per Second, 2019, 3.1.1).
#[target_feature(enable = "neon")]
fn neon(blocks: &[[u8; STEP]], table: &Table, words: &mut Words, first: usize) {
    const PLACES: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
    let (halves, _) = table.as_chunks::<STEP>();
    let [low, high] = halves else { return };
    // SAFETY: each array has the 64 or 16 bytes that are loaded; the loads need no alignment.
    let (low, high, places) =
        unsafe { (vld1q_u8_x4(low.as_ptr()), vld1q_u8_x4(high.as_ptr()), vld1q_u8(PLACES.as_ptr())) };
    for (block, slot) in blocks.iter().zip(first..) {
        // SAFETY: as above.
        let uint8x16x4_t(a, b, c, d) = unsafe { vld1q_u8_x4(block.as_ptr()) };
        let class =
            |bytes: uint8x16_t| vorrq_u8(vqtbl4q_u8(low, bytes), vqtbl4q_u8(high, vsubq_u8(bytes, vdupq_n_u8(64))));
        let classes = [class(a), class(b), class(c), class(d)];
        let mut out = [0; 8];
        for (word, bit) in out.iter_mut().zip(0..) {
            let [a, b, c, d] = classes.map(|of| vandq_u8(vtstq_u8(of, vdupq_n_u8(1 << bit)), places));
            let all = vpaddq_u8(vpaddq_u8(a, b), vpaddq_u8(c, d));
            *word = vgetq_lane_u64::<0>(vreinterpretq_u64_u8(vpaddq_u8(all, all)));
        }
        put(words, slot, out);
    }
}
