//! A folder held open, and what is done to the names in it.
//!
//! Everything of a commit goes through one descriptor of the target's folder, so that a rename of a folder above it cannot
//! lead half of the steps elsewhere. Calls that were broken off by a signal are made again.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, Stat};
use rustix::io::{Errno, retry_on_intr};

use crate::error::{Error, Result};
use crate::store::{FileId, io_error, nanos};

/// A folder held open.
pub(super) struct Folder {
    file: File,
}

impl Folder {
    /// Opens the folder at `path`; the empty path is the working directory.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))
            .map_err(|e| io_error("opening the folder", &e.into()))?;
        Ok(Self { file: File::from(fd) })
    }

    /// The identity of what stands under `name` (a link itself, not its target), or `None`.
    pub(super) fn stat(&self, name: &OsStr) -> Result<Option<FileId>> {
        match retry_on_intr(|| rustix::fs::statat(&self.file, name, AtFlags::SYMLINK_NOFOLLOW)) {
            Ok(stat) => Ok(Some(identity(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(errno("looking at a file", error)),
        }
    }

    /// Opens `name` for reading if it is a regular file; a link is not followed.
    pub(super) fn read(&self, name: &OsStr) -> rustix::io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        retry_on_intr(|| rustix::fs::openat(&self.file, name, flags, Mode::empty())).map(File::from)
    }

    /// Renames within the folder. Broken off by a signal, it is the caller who looks what is true now.
    pub(super) fn rename(&self, from: &OsStr, to: &OsStr, flags: RenameFlags) -> rustix::io::Result<()> {
        if flags.is_empty() {
            return rustix::fs::renameat(&self.file, from, &self.file, to);
        }
        rustix::fs::renameat_with(&self.file, from, &self.file, to, flags)
    }

    /// Gives the file `from` a second name.
    pub(super) fn link(&self, from: &OsStr, to: &OsStr) -> rustix::io::Result<()> {
        retry_on_intr(|| rustix::fs::linkat(&self.file, from, &self.file, to, AtFlags::empty()))
    }

    /// Removes `name`; one that is not there is no error.
    pub(super) fn unlink(&self, name: &OsStr) -> rustix::io::Result<()> {
        match retry_on_intr(|| rustix::fs::unlinkat(&self.file, name, AtFlags::empty())) {
            Err(Errno::NOENT) => Ok(()),
            done => done,
        }
    }

    /// Makes the names durable. `false` where the file system has no such call for folders.
    pub(super) fn sync(&self) -> Result<bool> {
        match retry_on_intr(|| rustix::fs::fsync(&self.file)) {
            Ok(()) => Ok(true),
            Err(Errno::INVAL | Errno::NOTSUP) => Ok(false),
            Err(error) => Err(errno("syncing the folder", error)),
        }
    }

    /// Bytes that may still be written here by whoever runs this.
    pub(super) fn free(&self) -> Result<u64> {
        let stat =
            retry_on_intr(|| rustix::fs::fstatvfs(&self.file)).map_err(|e| errno("asking for the free space", e))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The error of a system call.
pub(super) fn errno(doing: &'static str, error: Errno) -> Error {
    io_error(doing, &error.into())
}

/// The identity that `stat` tells.
pub(super) fn identity(stat: &Stat) -> FileId {
    FileId {
        dev: stat.st_dev,
        ino: stat.st_ino,
        size: stat.st_size as u64,
        mtime: nanos(stat.st_mtime, stat.st_mtime_nsec as i64),
        ctime: nanos(stat.st_ctime, stat.st_ctime_nsec as i64),
    }
}
