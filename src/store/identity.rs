//! What tells one version of an artifact from another.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// A version of an artifact: equal identities mean "still the version that was read".
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// Of a file.
    File(FileId),
    /// Of an object in a bucket.
    Object(ObjectId),
}

impl Identity {
    /// Length in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::File(id) => id.size,
            Self::Object(id) => id.size,
        }
    }

    /// Last change of the content, nanoseconds since the epoch.
    pub fn mtime(&self) -> i128 {
        match self {
            Self::File(id) => id.mtime,
            Self::Object(id) => id.modified,
        }
    }

    /// Device and inode of a file.
    pub fn inode(&self) -> Option<(u64, u64)> {
        match self {
            Self::File(id) => Some((id.dev, id.ino)),
            Self::Object(_) => None,
        }
    }
}

/// A version of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId {
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Length in bytes.
    pub size: u64,
    /// Last change of the content, nanoseconds since the epoch.
    pub mtime: i128,
    /// Last change of content or metadata (also links and names), nanoseconds since the epoch.
    pub ctime: i128,
}

impl FileId {
    /// The identity that `meta` tells.
    pub fn of(meta: &Metadata) -> Self {
        Self {
            dev: meta.dev(),
            ino: meta.ino(),
            size: meta.size(),
            mtime: nanos(meta.mtime(), meta.mtime_nsec()),
            ctime: nanos(meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// Whether both are the same inode, whatever happened to it.
    pub fn same_inode(&self, other: &Self) -> bool {
        (self.dev, self.ino) == (other.dev, other.ino)
    }

    /// Whether both are the same inode with the same content; a rename or new link between them does not count.
    pub fn same_content(&self, other: &Self) -> bool {
        self.same_inode(other) && (self.size, self.mtime) == (other.size, other.mtime)
    }
}

/// A version of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectId {
    /// Entity tag as the service gives it, less its quotes: opaque, not always an MD5.
    pub etag: String,
    /// Version id, where the bucket has versions and the request told it: a listing of current versions does not.
    pub version: Option<String>,
    /// Length in bytes.
    pub size: u64,
    /// `Last-Modified`, nanoseconds since the epoch, cut to the second: listings are finer than headers.
    pub modified: i128,
}

impl ObjectId {
    /// Whether both are the same version as far as both tell.
    pub fn same(&self, other: &Self) -> bool {
        let versions = self.version.as_ref().zip(other.version.as_ref());
        (&self.etag, self.size) == (&other.etag, other.size) && versions.is_none_or(|(one, two)| one == two)
    }
}

/// Nanoseconds since the epoch.
pub(crate) fn nanos(seconds: i64, nanoseconds: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
}
