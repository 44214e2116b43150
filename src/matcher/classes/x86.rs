//! The class words by the vector units of x86-64.
//!
//! Why `unsafe` pays: by these instructions a class word takes a small part of what table lookups take (`benches/`
//! has the figures). It is bounded to loads from arrays of their full length, and to calls of functions for which the processor
//! has said that it has the instructions.

use std::arch::x86_64::{
    _mm_add_epi8, _mm_adds_epu8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8, _mm_setzero_si128,
    _mm_shuffle_epi8, _mm_xor_si128, _mm256_add_epi8, _mm256_adds_epu8, _mm256_broadcastsi128_si256,
    _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_setzero_si256,
    _mm256_shuffle_epi8, _mm256_xor_si256, _mm512_loadu_si512, _mm512_maskz_permutex2var_epi8, _mm512_movepi8_mask,
    _mm512_set1_epi8, _mm512_test_epi8_mask,
};

use std::sync::OnceLock;

use super::{STEP, Table, Way, Words, put};

/// What this processor can do, best first.
pub fn ways() -> Vec<(&'static str, Way)> {
    let mut ways: Vec<(&'static str, Way)> = Vec::new();
    if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vbmi") {
        // SAFETY: the processor has just said that it has these instructions.
        ways.push(("avx512", |blocks, table, words, first| unsafe { avx512(blocks, table, words, first) }));
    }
    if is_x86_feature_detected!("avx2") {
        // SAFETY: as above.
        ways.push(("avx2", |blocks, table, words, first| unsafe { avx2(blocks, table, words, first) }));
    }
    if is_x86_feature_detected!("ssse3") {
        // SAFETY: as above.
        ways.push(("ssse3", |blocks, table, words, first| unsafe { ssse3(blocks, table, words, first) }));
    }
    ways
}

/// See [`super::with_bits`]. Pays: shapes are found 1.5 times as fast.
#[inline]
pub fn with_bits<R>(work: impl FnOnce() -> R) -> R {
    #[target_feature(enable = "bmi1,bmi2,popcnt,lzcnt")]
    fn bits<R>(work: impl FnOnce() -> R) -> R {
        work()
    }
    static HAS: OnceLock<bool> = OnceLock::new();
    let has = || {
        is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("lzcnt")
    };
    if *HAS.get_or_init(has) {
        // SAFETY: the processor has just said that it has these instructions.
        return unsafe { bits(work) };
    }
    work()
}

/// One lookup in both halves of the table for 64 bytes; then a test of each bit.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn avx512(blocks: &[[u8; STEP]], table: &Table, words: &mut Words, first: usize) {
    let (halves, _) = table.as_chunks::<STEP>();
    let [low, high] = halves else { return };
    // SAFETY: each array has the 64 bytes that are loaded; the load needs no alignment.
    let (low, high) = unsafe { (_mm512_loadu_si512(low.as_ptr().cast()), _mm512_loadu_si512(high.as_ptr().cast())) };
    for (block, slot) in blocks.iter().zip(first..) {
        // SAFETY: as above.
        let bytes = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
        let ascii = !_mm512_movepi8_mask(bytes);
        let classes = _mm512_maskz_permutex2var_epi8(ascii, low, bytes, high);
        let mut out = [0; 8];
        for (word, bit) in out.iter_mut().zip(0..) {
            *word = _mm512_test_epi8_mask(classes, _mm512_set1_epi8((1u8 << bit) as i8));
        }
        put(words, slot, out);
    }
}

/// The sixteen entries of each high nibble are looked up by the low one; an index of another nibble gives 0.
#[target_feature(enable = "avx2")]
fn avx2(blocks: &[[u8; STEP]], table: &Table, words: &mut Words, first: usize) {
    let (rows, _) = table.as_chunks::<16>();
    let mut wide = [_mm256_setzero_si256(); 8];
    for (to, row) in wide.iter_mut().zip(rows) {
        // SAFETY: the row has the 16 bytes that are loaded; the load needs no alignment.
        *to = _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(row.as_ptr().cast()) });
    }
    let beyond = _mm256_set1_epi8(0x70);
    for (block, slot) in blocks.iter().zip(first..) {
        let mut out = [0u64; 8];
        let (halves, _) = block.as_chunks::<32>();
        for (half, shift) in halves.iter().zip([0, 32]) {
            // SAFETY: the half has the 32 bytes that are loaded; the load needs no alignment.
            let bytes = unsafe { _mm256_loadu_si256(half.as_ptr().cast()) };
            let mut classes = _mm256_setzero_si256();
            for (row, nibble) in wide.iter().zip(0i8..) {
                // Of this nibble: 0x70 to 0x7f, by whose low bits the shuffle looks up; of others 0x80 and above, for
                // which it gives 0.
                let index = _mm256_adds_epu8(_mm256_xor_si256(bytes, _mm256_set1_epi8(nibble << 4)), beyond);
                classes = _mm256_or_si256(classes, _mm256_shuffle_epi8(*row, index));
            }
            for word in out.iter_mut().rev() {
                *word |= u64::from(_mm256_movemask_epi8(classes) as u32) << shift;
                classes = _mm256_add_epi8(classes, classes);
            }
        }
        put(words, slot, out);
    }
}

/// As [`avx2`], sixteen bytes at a time.
#[target_feature(enable = "ssse3")]
fn ssse3(blocks: &[[u8; STEP]], table: &Table, words: &mut Words, first: usize) {
    let (rows, _) = table.as_chunks::<16>();
    let mut wide = [_mm_setzero_si128(); 8];
    for (to, row) in wide.iter_mut().zip(rows) {
        // SAFETY: the row has the 16 bytes that are loaded; the load needs no alignment.
        *to = unsafe { _mm_loadu_si128(row.as_ptr().cast()) };
    }
    let beyond = _mm_set1_epi8(0x70);
    for (block, slot) in blocks.iter().zip(first..) {
        let mut out = [0u64; 8];
        let (quarters, _) = block.as_chunks::<16>();
        for (quarter, shift) in quarters.iter().zip([0, 16, 32, 48]) {
            // SAFETY: the quarter has the 16 bytes that are loaded; the load needs no alignment.
            let bytes = unsafe { _mm_loadu_si128(quarter.as_ptr().cast()) };
            let mut classes = _mm_setzero_si128();
            for (row, nibble) in wide.iter().zip(0i8..) {
                let index = _mm_adds_epu8(_mm_xor_si128(bytes, _mm_set1_epi8(nibble << 4)), beyond);
                classes = _mm_or_si128(classes, _mm_shuffle_epi8(*row, index));
            }
            for word in out.iter_mut().rev() {
                *word |= u64::from(_mm_movemask_epi8(classes) as u32 & 0xffff) << shift;
                classes = _mm_add_epi8(classes, classes);
            }
        }
        put(words, slot, out);
    }
}
