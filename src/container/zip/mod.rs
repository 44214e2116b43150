//! zip (APPNOTE.TXT 6.3.10): stored, deflate and zstd members read and made again; others kept and named.
//!
//! The danger in zip is that everything is said twice: in a member's local header, and in the directory at the end, which counts. One
//! reader believes the one, the other the other. So the two must agree, or the archive is damaged; and what neither tells of
//! (bytes between members, before the first, members that were deleted) is searched raw and named. `find` walks the archive
//! in order of place, in step with its directory; `lift` makes only the members again that change, in the style in which they were
//! written (data descriptors, zip64), and moves the directory's offsets. Names are never used as paths.
//!
//! An archive that is not the artifact itself is spooled, because its end must be known before its start. NULs after the
//! archive's comment are kept; other bytes there are damage.

#[cfg(feature = "zip")]
mod descriptor;
#[cfg(feature = "zip")]
mod directory;
#[cfg(feature = "zip")]
mod end;
#[cfg(feature = "zip")]
mod find;
#[cfg(feature = "zip")]
mod head;
#[cfg(feature = "zip")]
mod lift;
#[cfg(feature = "zip")]
mod method;
#[cfg(feature = "zip")]
mod names;
#[cfg(all(test, feature = "zip"))]
mod tests;

#[cfg(feature = "zip")]
use crate::error::Result;
#[cfg(feature = "zip")]
use crate::input::Input;
#[cfg(feature = "zip")]
use crate::layer::{Cx, Found, Layer, Pass};

/// The container's name.
#[cfg(feature = "zip")]
const NAME: &str = "zip";

/// The layer of zip archives.
#[cfg(feature = "zip")]
pub static ZIP: Zip = Zip;

/// See [`ZIP`].
#[cfg(feature = "zip")]
#[derive(Debug)]
pub struct Zip;

#[cfg(feature = "zip")]
impl Layer for Zip {
    fn name(&self) -> &'static str {
        NAME
    }

    fn find(&'static self, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<Found> {
        find::find(self, input, cx)
    }

    fn lift(&self, found: &Found, pass: &mut dyn Pass, cx: &mut Cx<'_>) -> Result<()> {
        lift::lift(found, pass, cx)
    }
}

/// Whether a stream with these first bytes is a zip archive: it starts with a member, or is empty, or one part of several.
pub fn sniff(head: &[u8], _whole: bool) -> bool {
    [b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"].iter().any(|magic| head.starts_with(*magic))
}

/// Whether a stream named `.zip` may be one: also an archive behind something else, such as the program that unpacks it. What
/// turns out to have no end record is none.
pub fn named(head: &[u8], whole: bool) -> bool {
    let member = |magic: &[u8]| memchr::memmem::find(head, magic).is_some();
    !whole || member(b"PK\x03\x04") || member(b"PK\x05\x06")
}
