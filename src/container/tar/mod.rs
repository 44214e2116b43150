//! tar: ustar, old v7, PAX and GNU archives, walked over 512-byte blocks.
//!
//! The danger in tar is that two readers disagree about where a member starts, and one of them sees a record that the other
//! does not. So the walk is strict: what real readers read differently (a hard link or a directory with a size, two
//! sizes, unaligned sparse regions) is refused by name, and what is malformed is damaged. `find` walks the archive once, goes down into
//! each payload and masks names; `lift` re-makes only the members that change and keeps all else byte for byte. Names are
//! never used as paths.
//!
//! One zero block ends an archive as two do. Without any it may have been cut off between two members, which readers let
//! pass: it is damaged, unless it has no byte at all. After the end only NULs are accepted; their number is kept, not
//! filled up to a record of 10,240 bytes again.

#[cfg(feature = "tar")]
mod entry;
#[cfg(feature = "tar")]
mod find;
pub mod header;
#[cfg(feature = "tar")]
mod lift;
#[cfg(feature = "tar")]
mod names;
#[cfg(feature = "tar")]
mod pax;
#[cfg(feature = "tar")]
mod sparse;
#[cfg(all(test, feature = "tar"))]
mod tests;

#[cfg(feature = "tar")]
use crate::error::Result;
#[cfg(feature = "tar")]
use crate::input::Input;
#[cfg(feature = "tar")]
use crate::layer::{Cx, Found, Layer, Pass};

/// The layer of tar archives.
#[cfg(feature = "tar")]
pub static TAR: Tar = Tar;

/// See [`TAR`].
#[cfg(feature = "tar")]
#[derive(Debug)]
pub struct Tar;

#[cfg(feature = "tar")]
impl Layer for Tar {
    fn name(&self) -> &'static str {
        "tar"
    }

    fn find(&'static self, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<Found> {
        find::find(self, input, cx)
    }

    fn lift(&self, found: &Found, pass: &mut dyn Pass, cx: &mut Cx<'_>) -> Result<()> {
        lift::lift(found, pass, cx)
    }
}

/// Whether a stream with these first bytes is a tar archive: it starts with a header that says `ustar` (even one whose
/// checksum is wrong: a damaged archive, and not something else), or with a header of old tars whose checksum holds.
pub fn sniff(head: &[u8], _whole: bool) -> bool {
    head.get(..header::BLOCK).is_some_and(header::looks_like)
}

/// Whether a stream named `.tar` may be one: also an archive without members, which is NULs or nothing.
pub fn named(head: &[u8], whole: bool) -> bool {
    let empty = head.iter().all(|b| *b == 0) && (head.len() >= header::BLOCK || whole && head.is_empty());
    empty || sniff(head, whole)
}
