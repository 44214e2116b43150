//! Find and lift on archives of Info-ZIP, Python, bsdtar, Java and 7-Zip, and on hand-made ones of every style; damage of every kind.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests fail by panics, and clippy does not see that these files are tests"
)]

mod damage;
mod directory;
mod made;
mod make;
mod tools;

use super::ZIP;
use crate::container::tests::{self, How, Outcome};
use crate::error::Result;
use crate::limits::Limits;

/// Find, with reads of `size` bytes.
fn find_by(archive: &Vec<u8>, size: usize) -> Result<Outcome> {
    tests::find(&ZIP, archive, How { size, random: size.is_multiple_of(2), second: false, limits: &Limits::default() })
}

/// Find and lift; see [`tests::scrub`].
fn scrub(archive: &Vec<u8>) -> (Outcome, Vec<u8>) {
    tests::scrub(&ZIP, archive)
}
