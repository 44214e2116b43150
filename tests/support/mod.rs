//! What the tests share: a world to run the binary in, makers of files, the check of manifests, engines.

pub mod make;
pub mod manifest;
pub mod needles;
pub mod pgdump;
pub mod shelf;
pub mod world;

pub use world::{Ran, World};

/// A registry with one person who has an identifier of each kind that logs hold.
pub const ALICE: &str = concat!(
    r#"{"subject":"sub_01","identifiers":[{"type":"user_id","value":"48213"},{"type":"email","value":"alice@example.com"},"#,
    r#"{"type":"uuid","value":"9b2f1c64-7d3e-4a51-8c0f-5e6d7a8b9c0d"},{"type":"ip","value":"203.0.113.7"},"#,
    r#"{"type":"token","value":"usr_8f3a9c21"},{"type":"username","value":"alice_m"}]}"#,
    "\n"
);

/// Cases of a property test: `PROPTEST_CASES` if it is set, else `usual`.
pub fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}
