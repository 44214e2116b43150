//! Find and lift on archives of GNU tar, bsdtar, Python and the `tar` crate, and on hand-made ones; damage of every kind.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::ptr_arg,
    reason = "tests fail by panics, and clippy does not see that these files are tests; only sized bytes are a blob"
)]

mod archives;
mod blocks;
mod damage;
mod made;
mod rig;
