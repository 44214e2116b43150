//! The disk store: files, folders and globs; commit by an exchange of names.
//!
//! `source` and `list` find what a command line means, `filter` what of it is wanted, `open` reads and locks, `draft`
//! writes, `swap` and `mirror` commit (their module texts hold the order of steps and what a crash leaves), `dest` knows where
//! a mirrored file goes, `sweep` removes what a killed run left, `lock` keeps two runs off one folder; `packed` does all of that for
//! folders that are one artifact. Linux only.
//!
//! It reads no content but to copy and hash it, and starts no thread.

mod base;
mod dest;
mod draft;
mod filter;
mod folder;
mod lease;
mod list;
mod lock;
mod meta;
mod mirror;
mod names;
mod open;
mod packed;
mod source;
mod swap;
mod sweep;
#[cfg(test)]
mod tests;
mod writers;

pub use dest::Dest;
pub use filter::Filter;
pub use lease::ignore_signals;
pub use list::{Listing, Own};
pub use lock::RootLock;
pub use mirror::link;
pub use open::Opened;
pub use packed::{NAME as PACKED, Packed, Whole};
pub use source::Source;
pub use sweep::{Swept, sweep};

use std::sync::Arc;

use super::{Draft, FileId, Identity, Object, Original, Purpose, To};
use crate::error::Result;
use crate::pace::{Free, Pace};
use crate::pool::{Alone, Crew};
use base::Base;
use draft::DiskDraft;

/// The disk store.
#[derive(Debug, Clone)]
pub struct Disk {
    means: Means,
    pace: Arc<dyn Pace>,
    crew: Arc<dyn Crew>,
}

/// What the kernel and file system are asked for first; each has a way without it, which tests take by force.
#[derive(Debug, Clone, Copy)]
struct Means {
    exchange: bool,
    copy_range: bool,
    tmpfile: bool,
    lease: bool,
}

impl Default for Means {
    fn default() -> Self {
        Self { exchange: true, copy_range: true, tmpfile: true, lease: true }
    }
}

impl Default for Disk {
    fn default() -> Self {
        Self::paced(Arc::new(Free))
    }
}

impl Disk {
    /// A disk that is read and written at that pace.
    pub fn paced(pace: Arc<dyn Pace>) -> Self {
        Self { means: Means::default(), pace, crew: Arc::new(Alone) }
    }

    /// With threads that help.
    #[must_use]
    pub fn helped(self, crew: Arc<dyn Crew>) -> Self {
        Self { crew, ..self }
    }

    /// What `object` is now, without opening it; `None` if it is gone or nothing to be read.
    pub fn look(&self, object: &Object) -> Option<Identity> {
        let meta = std::fs::symlink_metadata(object.path()?).ok()?;
        if meta.is_dir() {
            return packed::look(object.path()?);
        }
        let meta = Some(meta).filter(std::fs::Metadata::is_file)?;
        Some(Identity::File(FileId::of(&meta)))
    }

    /// The path of `object` with its folder's links followed.
    pub fn real_path(&self, object: &Object) -> Option<std::path::PathBuf> {
        let folder = object.path()?.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = std::fs::canonicalize(folder.unwrap_or(std::path::Path::new("."))).ok()?;
        Some(folder.join(object.path()?.file_name()?))
    }

    /// The pace at which it is read and written.
    pub fn pace(&self) -> &Arc<dyn Pace> {
        &self.pace
    }

    /// A draft of `len` bytes in a mirror on this disk, of an artifact of another store.
    pub fn draft<'o>(&'o self, base: &'o dyn Original, to: To<'_>, len: u64) -> Result<Box<dyn Draft + 'o>> {
        Ok(Box::new(DiskDraft::create(Base::Other(base, self), to, len)?))
    }

    /// Opens `object` for `purpose`. Errors: skipped (`vanished`, `changed`, `special file`, `hard links`, `open for
    /// writing`), locked, or the operating system's.
    pub fn open(&self, object: &Object, purpose: Purpose) -> Result<Opened> {
        Opened::open(object, purpose, self)
    }

    /// As [`Self::open`], of a folder that is one artifact; `None` if a folder is not what lies there.
    pub fn open_packed(&self, object: &Object, purpose: Purpose) -> Result<Option<Packed>> {
        let is_folder =
            object.path().is_some_and(|path| std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir()));
        is_folder.then(|| Packed::open(object, purpose, self)).transpose()
    }
}
