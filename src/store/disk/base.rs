//! What a draft on disk is made of: a file that was opened here, or an artifact of another store, for a mirror.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::open::{Opened, elsewhere};
use super::{Disk, Means, meta};
use crate::blob::Blob;
use crate::error::Result;
use crate::pace::Pace;
use crate::pool::Crew;
use crate::store::{Note, Original, io_error};

/// The original of a draft.
#[derive(Clone, Copy)]
pub(super) enum Base<'o> {
    /// A file.
    File(&'o Opened),
    /// Bytes from elsewhere, which are paid for there as they are read.
    Other(&'o dyn Original, &'o Disk),
}

impl<'o> Base<'o> {
    pub(super) fn original(&self) -> &'o dyn Original {
        match self {
            Self::File(file) => *file,
            Self::Other(other, _) => *other,
        }
    }

    /// The file: what is replaced in place is one.
    pub(super) fn file(&self) -> Result<&'o Opened> {
        match self {
            Self::File(file) => Ok(file),
            Self::Other(..) => Err(elsewhere()),
        }
    }

    pub(super) fn blob(&self) -> &'o dyn Blob {
        match self {
            Self::File(file) => *file,
            Self::Other(other, _) => *other,
        }
    }

    pub(super) fn means(&self) -> Means {
        match self {
            Self::File(file) => file.means,
            Self::Other(_, disk) => Means { copy_range: false, ..disk.means },
        }
    }

    pub(super) fn pace(&self) -> &'o Arc<dyn Pace> {
        match self {
            Self::File(file) => &file.pace,
            Self::Other(_, disk) => &disk.pace,
        }
    }

    pub(super) fn crew(&self) -> &'o Arc<dyn Crew> {
        match self {
            Self::File(file) => &file.crew,
            Self::Other(_, disk) => &disk.crew,
        }
    }

    /// Lets a writer of the file go on, see [`Opened::tick`].
    pub(super) fn tick(&self) -> io::Result<()> {
        match self {
            Self::File(file) => file.tick(),
            Self::Other(..) => Ok(()),
        }
    }

    /// Gives a file of the mirror its metadata: those of the file, or of anything else the time of its last change, by which
    /// retention goes; who may read it is left to whoever ran this (mode 0600).
    pub(super) fn carry(&self, to: &File) -> Result<Vec<Note>> {
        let other = match self {
            Self::File(file) => return meta::carry(&file.file, &file.meta, to, false),
            Self::Other(other, _) => other,
        };
        let since = Duration::from_nanos(u64::try_from(other.identity().mtime()).unwrap_or_default());
        to.set_modified(SystemTime::UNIX_EPOCH + since).map_err(|e| io_error("setting times", &e))?;
        Ok(Vec::new())
    }
}
