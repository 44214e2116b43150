//! What the tests share.

pub mod needles;

/// Cases of a property test: `PROPTEST_CASES` if it is set, else `usual`.
pub fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}
