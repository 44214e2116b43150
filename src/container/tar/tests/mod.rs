//! Find and lift on archives of GNU tar, bsdtar, Python and the `tar` crate, and on hand-made ones; damage of every kind.

mod archives;
mod damage;
mod rig;
