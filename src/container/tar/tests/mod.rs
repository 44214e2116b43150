//! Find and lift on archives of GNU tar, bsdtar, Python and the `tar` crate, and on hand-made ones; damage of every kind.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests fail by panics, and clippy does not see that these files are tests"
)]

mod archives;
mod blocks;
mod damage;
mod made;
mod rig;
