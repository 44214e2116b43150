//! The client. (Stubs until the parts are there.)

use crate::blob::{Blob, Spool};
use crate::error::{Error, Kind, Result};
use crate::store::{Draft, Identity, Note, Original, Purpose, To};

use super::{Entry, Lent, Names, Options, Place, Preconditions, Purged};

/// The store: a handle that is cheap to clone, and blocks. `Send + Sync`.
#[derive(Debug, Clone)]
pub struct S3 {}

/// An object that was opened.
#[derive(Debug)]
pub struct Opened {}

/// A listing, page by page.
pub type Entries = Box<dyn Iterator<Item = Result<Entry>> + Send>;

fn stub<T>() -> Result<T> {
    Err(Error::new(Kind::Unsupported, "s3"))
}

impl S3 {
    /// A store with these options. No request is made yet. Usage errors: no region, a profile that is not there.
    pub fn connect(_: &Options, _: Lent) -> Result<Self> {
        stub()
    }

    /// `--allow-unconditional-writes`.
    pub fn takes_unconditional(&self) -> bool {
        false
    }

    /// What is listed below `prefix` (its `key` is a prefix of keys, not a folder), in the order of the service, page by page;
    /// `all_versions`: also noncurrent versions and delete markers. Ends after the first error. Memory: a page or two.
    pub fn list(&self, _: &Place, _: bool) -> Result<Entries> {
        stub()
    }

    /// The names directly in `folder` (its `key` is empty or ends in `/`): one page of a listing with the delimiter `/`, the
    /// first, or the one behind the last name of the page before (`after`: it, and whether it is a folder).
    pub fn names(&self, _: &Place, _: Option<(&str, bool)>) -> Result<Names> {
        stub()
    }

    /// What the current version of an object is; `None`: there is none.
    pub fn look(&self, _: &Place) -> Result<Option<Entry>> {
        stub()
    }

    /// Opens one version of an object: the one of `entry.version`, else the current one if its ETag is still `entry.etag`.
    /// Errors: skipped (`vanished`, `changed`), pending (`archived`).
    pub fn open(&self, _: &Entry, _: Purpose) -> Result<Opened> {
        stub()
    }

    /// A draft of `len` bytes at `target`, over an original of another store: `modified` nanoseconds since the epoch and no
    /// other metadata. `overwrite`: also over an object with other bytes.
    pub fn draft<'o>(&self, _: &'o dyn Original, _: &Place, _: bool, _: u64) -> Result<Box<dyn Draft + 'o>> {
        stub()
    }

    /// A small object, whole. Errors: a limit where it has more than `max` bytes; `Usage` where there is none.
    pub fn get_small(&self, _: &Place, _: u64) -> Result<(Vec<u8>, Entry)> {
        stub()
    }

    /// An object of any size.
    pub fn download(&self, _: &Place, _: &mut Spool) -> Result<Entry> {
        stub()
    }

    /// Writes a small object in one request; `if_match`: only over the version with this ETag, `Some("")`: only if there is none.
    pub fn put_small(&self, _: &Place, _: &[u8], _: Option<&str>) -> Result<Entry> {
        stub()
    }

    /// Whether the bucket enforces preconditions; asked once a run. Leaves nothing in the bucket.
    pub fn probe(&self, _: &str) -> Result<Preconditions> {
        stub()
    }

    /// Noncurrent versions of this very key (delete markers not counted); 0 where the bucket has no versions.
    pub fn old_versions(&self, _: &Place) -> Result<u64> {
        stub()
    }

    /// Deletes noncurrent versions and delete markers of this very key, but never its current version. Can be repeated.
    pub fn purge(&self, _: &Place) -> Result<Purged> {
        stub()
    }

    /// Asks for the restore of an archived object, if [`Options::restore_days`] says so; `false`: it was not asked for.
    pub fn restore(&self, _: &Entry) -> Result<bool> {
        stub()
    }

    /// Aborts unfinished uploads of earlier runs of ours below `prefix`; says how many.
    pub fn abort_left_uploads(&self, _: &Place) -> Result<u64> {
        stub()
    }
}

impl Blob for Opened {
    fn len(&self) -> u64 {
        0
    }
    fn read_at(&self, _: u64, _: &mut [u8]) -> std::io::Result<usize> {
        Ok(0)
    }
}

impl Original for Opened {
    fn identity(&self) -> Identity {
        Identity::Object(crate::store::ObjectId { etag: String::new(), version: None, size: 0, modified: 0 })
    }
    fn check(&self) -> Result<()> {
        stub()
    }
    fn notes(&self) -> Vec<Note> {
        Vec::new()
    }
    fn draft<'o>(&'o self, _: To<'_>, _: u64) -> Result<Box<dyn Draft + 'o>> {
        stub()
    }
}
