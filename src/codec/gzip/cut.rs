//! Where a gzip stream can be cut: where a member seems to begin.
//!
//! Nothing before a member tells how long it is (only BGZF does), so that this is a guess by what compressors write into a header
//! (RFC 1952 §2.3.1): in random bytes one in 10^11. Whoever decodes a part finds whether it ends there.

use memchr::memmem;

use super::head::MAGIC;

/// Length of a header's fixed part.
const FIXED: usize = 10;
/// Flags that are reserved.
const RESERVED: u8 = 0xe0;

/// The first place at or after `least` where a member seems to begin.
pub fn cut(coded: &[u8], least: usize) -> Option<usize> {
    let places = memmem::find_iter(coded.get(least..)?, &MAGIC);
    places.map(|at| least + at).find(|at| coded.get(*at..).is_some_and(begins))
}

fn begins(bytes: &[u8]) -> bool {
    bytes.first_chunk::<FIXED>().is_some_and(|&[_, _, _, flags, _, _, _, _, xfl, os]| {
        flags & RESERVED == 0 && matches!(xfl, 0 | 2 | 4) && matches!(os, 0..=13 | 255)
    })
}
