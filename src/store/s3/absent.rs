//! The S3 store of a build without the feature: there is none.

use std::convert::Infallible;

use crate::blob::{Blob, Spool};
use crate::error::{Error, Result};
use crate::store::{Draft, Identity, Note, Original, Purpose, To};

use super::{Entry, Lent, Names, Options, Place, Preconditions, Purged, Swept};

/// There is no such store.
#[derive(Debug, Clone)]
pub struct S3(Infallible);

/// An object that was opened: none.
#[derive(Debug)]
pub struct Opened(Infallible);

/// A text in a bucket: none.
#[derive(Debug)]
pub struct Text(Infallible);

impl Text {
    /// Reads all of it, as it was looked at, to the end of `into`.
    pub fn read(&mut self, _: &mut Spool) -> Result<()> {
        match self.0 {}
    }

    /// Whether somebody else may be about to write more.
    pub fn is_busy(&self) -> bool {
        match self.0 {}
    }

    /// Writes `tail` behind it; on return it is durable.
    pub fn append(&mut self, _: Spool) -> Result<()> {
        match self.0 {}
    }
}

/// A listing: none.
pub type Entries = std::iter::Empty<Result<Entry>>;

impl S3 {
    /// A store with these options. No request is made yet. Usage errors: no region, a profile that is not there.
    pub fn connect(_: &Options, _: Lent) -> Result<Self> {
        Err(Error::usage("this build cannot read s3:// (it was made without the feature s3)"))
    }

    /// `--allow-unconditional-writes`.
    pub fn takes_unconditional(&self) -> bool {
        match self.0 {}
    }

    /// What is listed below `prefix` (its `key` is a prefix of keys, not a folder), in the order of the service, page by page;
    /// `all_versions`: also noncurrent versions and delete markers. Ends after the first error. Memory: a page or two.
    pub fn list(&self, _: &Place, _: bool) -> Result<Entries> {
        match self.0 {}
    }

    /// The names directly in `folder` (its `key` is empty or ends in `/`): one page of a listing with the delimiter `/`, the
    /// first, or the one behind the last name of the page before (`after`: it, and whether it is a folder). `None`: the credentials
    /// may not list it.
    pub fn names(&self, _: &Place, _: Option<(&str, bool)>) -> Result<Option<Names>> {
        match self.0 {}
    }

    /// What the current version of an object is; `None`: there is none.
    pub fn look(&self, _: &Place) -> Result<Option<Entry>> {
        match self.0 {}
    }

    /// Opens one version of an object: the one of `entry.version`, else the current one if its ETag is still `entry.etag`.
    /// Errors: skipped (`vanished`, `changed`), pending (`archived`).
    pub fn open(&self, _: &Entry, _: Purpose) -> Result<Opened> {
        match self.0 {}
    }

    /// `entry` will be opened soon: if it is small it is fetched already, while others are worked on.
    pub fn soon(&self, _: &Entry) {
        match self.0 {}
    }

    /// A draft of `len` bytes at `target`, over an original of another store: `modified` nanoseconds since the epoch and no
    /// other metadata. `overwrite`: also over an object with other bytes.
    pub fn draft<'o>(&self, _: &'o dyn Original, _: &Place, _: bool, _: u64) -> Result<Box<dyn Draft + 'o>> {
        match self.0 {}
    }

    /// A small object, whole. Errors: a limit where it has more than `max` bytes; `Usage` where there is none.
    pub fn get_small(&self, _: &Place, _: u64) -> Result<(Vec<u8>, Entry)> {
        match self.0 {}
    }

    /// An object of any size.
    pub fn download(&self, _: &Place, _: &mut Spool) -> Result<Entry> {
        match self.0 {}
    }

    /// A text to be continued at `place`, or begun.
    pub fn text(&self, _: &Place) -> Result<Text> {
        match self.0 {}
    }

    /// Whether the bucket of `place`, where this run writes, enforces preconditions; asked once a run. Leaves nothing there.
    pub fn probe(&self, _: &Place) -> Result<Preconditions> {
        match self.0 {}
    }

    /// Noncurrent versions of this very key (delete markers not counted); 0 where the bucket has no versions.
    pub fn old_versions(&self, _: &Place) -> Result<u64> {
        match self.0 {}
    }

    /// Deletes noncurrent versions and delete markers of this very key, but never its current version. Can be repeated. What broke off
    /// says what was deleted before, and why; an error only if that is nothing.
    pub fn purge(&self, _: &Place) -> Result<Purged> {
        match self.0 {}
    }

    /// Asks for the restore of an archived object, if [`Options::restore_days`] says so; `false`: it was not asked for.
    pub fn restore(&self, _: &Entry) -> Result<bool> {
        match self.0 {}
    }

    /// Aborts unfinished uploads of earlier runs of ours below `prefix`, and counts those of others.
    pub fn abort_left_uploads(&self, _: &Place) -> Result<Swept> {
        match self.0 {}
    }
}

impl Blob for Opened {
    fn len(&self) -> u64 {
        match self.0 {}
    }
    fn read_at(&self, _: u64, _: &mut [u8]) -> std::io::Result<usize> {
        match self.0 {}
    }
}

impl Original for Opened {
    fn identity(&self) -> Identity {
        match self.0 {}
    }
    fn check(&self) -> Result<()> {
        match self.0 {}
    }
    fn notes(&self) -> Vec<Note> {
        match self.0 {}
    }
    fn draft<'o>(&'o self, _: To<'_>, _: u64) -> Result<Box<dyn Draft + 'o>> {
        match self.0 {}
    }
}
