//! Find and lift on archives of GNU tar, bsdtar, Python and the `tar` crate, and on hand-made ones; damage of every kind.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panics; clippy does not see that these files are tests"
)]

mod archives;
mod damage;
mod rig;
