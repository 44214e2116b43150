//! Members of a container that are one thing: the files of a `pg_dump` archive in a tar.
//!
//! A container asks its bundle of each member before it goes down into it by itself. What belongs together may be told by a member that
//! comes last; then the bundle asks for another reading ([`super::settle`]). A member that lies in a codec is decoded as any is, and
//! then read by who claimed it ([`Cx::claim`]).

use super::{Cx, Found};
use crate::error::Result;
use crate::input::Input;

/// Who reads the next stream that is gone down into, whatever it looks like.
pub type Claim<'s> = Box<dyn FnOnce(&mut Input<'_>, &mut Cx<'s>) -> Result<Found> + 's>;

/// The bundles of one container.
pub trait Bundle<'s> {
    /// Reads the member `name` to its end, if it belongs to a bundle; `None`: it does not, and nothing was read.
    fn member(&mut self, name: &[u8], input: &mut Input<'_>, cx: &mut Cx<'s>) -> Result<Option<Found>>;

    /// All members were read. `true`: nothing may change of those that belong to a bundle.
    fn finish(&mut self, cx: &mut Cx<'s>) -> Result<bool>;
}

/// Makes bundles.
pub trait Bundler: Sync {
    /// For a container that is about to be read.
    fn open<'s>(&self, cx: &mut Cx<'s>) -> Result<Box<dyn Bundle<'s> + 's>>;
}
