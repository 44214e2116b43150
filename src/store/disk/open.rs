//! An artifact on disk, opened: read with `pread`, locked, and leased where it is to be replaced.
//!
//! From `open` to the end of the commit the file is locked (`flock`: shared to read, exclusive to replace) and, to be
//! replaced, held under a read lease, so that "nobody wrote to it" is the kernel's word and not a guess from time stamps.
//! Each `read_at` looks whether a writer waits for the lease; if so it is released at once (the writer must not wait for
//! a whole scrub), reading ends with an error, and [`Original::check`] tells `skipped: open for writing`.

use std::fmt;
use std::fs::{File, Metadata, symlink_metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Advice, AtFlags, FlockOperation, Mode, OFlags, StatxAttributes, StatxFlags};
use rustix::io::{Errno, retry_on_intr};

use super::base::Base;
use super::draft::DiskDraft;
use super::folder::errno;
use super::lease::{self, Taken};
use super::writers::{self, Look};
use super::{Disk, Means};
use crate::blob::Blob;
use crate::error::{Error, Kind, Result};
use crate::pace::Pace;
use crate::pool::Crew;
use crate::store::{Draft, FileId, Identity, Note, Object, Original, Purpose, To, io_error, retry};

/// Times that a file is opened anew because its name was given to another between open and lock.
pub(super) const ATTEMPTS: usize = 3;

/// An artifact on disk, opened. `Debug` shows no path.
pub struct Opened {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) relative: PathBuf,
    pub(super) meta: Metadata,
    pub(super) means: Means,
    pub(super) pace: Arc<dyn Pace>,
    pub(super) crew: Arc<dyn Crew>,
    identity: FileId,
    purpose: Purpose,
    notes: Vec<Note>,
    leased: AtomicBool,
    /// A writer came and was let in.
    broken: AtomicBool,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("identity", &self.identity)
            .field("purpose", &self.purpose)
            .field("notes", &self.notes)
            .finish_non_exhaustive()
    }
}

impl Opened {
    /// Opens `object`. Errors: [`Kind::Skipped`] (`vanished`, `changed`, `special file`, `hard links`, `open for
    /// writing`), [`Kind::Locked`], [`Kind::Io`].
    pub(super) fn open(object: &Object, purpose: Purpose, disk: &Disk) -> Result<Self> {
        let path = object.path().ok_or_else(elsewhere)?;
        let means = disk.means;
        let (file, meta, mut notes) = open_locked(path, purpose)?;
        let mut leased = false;
        if let Purpose::Replace { break_hardlinks } = purpose {
            if meta.nlink() > 1 && !break_hardlinks {
                return Err(Error::new(Kind::Skipped, "hard links"));
            }
            refuse_fixed(&file)?;
            match if means.lease { lease::take(&file) } else { Taken::Unsupported } {
                Taken::Held => leased = true,
                Taken::Writer => return Err(writer()),
                Taken::Unsupported => notes.push(search(&FileId::of(&meta))?),
            }
        }
        // What was true before the lease need not be: this is the version that is read.
        let meta = retry(|| file.metadata()).map_err(|e| io_error("looking at the file", &e))?;
        // Only advice: that it may fail is no concern.
        let _ = rustix::fs::fadvise(&file, 0, None, Advice::Sequential);
        Ok(Self {
            identity: FileId::of(&meta),
            file,
            path: path.to_owned(),
            relative: object.relative.clone(),
            meta,
            means,
            pace: Arc::clone(&disk.pace),
            crew: Arc::clone(&disk.crew),
            purpose,
            notes,
            leased: AtomicBool::new(leased),
            broken: AtomicBool::new(false),
        })
    }

    /// Whether the lease is held.
    pub(super) fn is_leased(&self) -> bool {
        self.leased.load(Ordering::Acquire)
    }

    /// Whether somebody writes, or waits to: by the lease where there is one, else by a look through `/proc`.
    pub(super) fn has_writer(&self) -> bool {
        if self.broken.load(Ordering::Acquire) {
            return true;
        }
        match self.purpose {
            Purpose::Read => false,
            Purpose::Replace { .. } if self.is_leased() => lease::is_wanted(&self.file),
            Purpose::Replace { .. } => writers::look(self.identity.dev, self.identity.ino) == Look::Some,
        }
    }

    /// As [`Self::has_writer`], and whether the kernel would give the lease anew: it would not if a writer came past it.
    pub(super) fn has_writer_still(&self) -> bool {
        self.has_writer() || self.is_leased() && lease::take(&self.file) != Taken::Held
    }

    /// The version that is read.
    pub(super) fn id(&self) -> FileId {
        self.identity
    }

    /// The identity that the descriptor has now.
    pub(super) fn now(&self) -> Result<FileId> {
        let meta = retry(|| self.file.metadata()).map_err(|e| io_error("looking at the file", &e))?;
        Ok(FileId::of(&meta))
    }

    /// Lets a waiting writer go on at once, and ends the reading.
    pub(super) fn tick(&self) -> io::Result<()> {
        if self.is_leased() && lease::is_wanted(&self.file) {
            self.broken.store(true, Ordering::Release);
            self.leased.store(false, Ordering::Release);
            lease::release(&self.file);
        }
        if self.broken.load(Ordering::Acquire) {
            return Err(io::Error::from(io::ErrorKind::ResourceBusy));
        }
        Ok(())
    }
}

impl Blob for Opened {
    fn len(&self) -> u64 {
        self.identity.size
    }

    /// Never reads past the length at opening: what is appended meanwhile belongs to another version.
    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = self.identity.size.saturating_sub(at);
        // The wait comes first: who came meanwhile is let in.
        let most = self.pace.take(buf.len().min(usize::try_from(rest).unwrap_or(usize::MAX)));
        self.tick()?;
        let Some(buf) = buf.get_mut(..most).filter(|b| !b.is_empty()) else {
            return Ok(0);
        };
        match retry_on_intr(|| rustix::io::pread(&self.file, &mut *buf, at))? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            n => Ok(n),
        }
    }
}

impl Original for Opened {
    fn identity(&self) -> Identity {
        Identity::File(self.identity)
    }

    fn check(&self) -> Result<()> {
        // The answer does not depend on what this returns: `broken` does.
        let _ = self.tick();
        if self.has_writer() {
            return Err(writer());
        }
        // The name first: a rename changes the descriptor's ctime too, and `vanished` says more than `changed`.
        match retry(|| symlink_metadata(&self.path)) {
            Ok(named) if FileId::of(&named) == self.identity => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(vanished()),
            Ok(_) => return Err(changed()),
            Err(error) => return Err(io_error("looking at the file", &error)),
        }
        if self.now()? == self.identity { Ok(()) } else { Err(changed()) }
    }

    fn notes(&self) -> Vec<Note> {
        self.notes.clone()
    }

    fn draft<'o>(&'o self, to: To<'_>, len: u64) -> Result<Box<dyn Draft + 'o>> {
        Ok(Box::new(DiskDraft::create(Base::File(self), to, len)?))
    }
}

/// A place in another store was asked for.
pub(super) fn elsewhere() -> Error {
    Error::new(Kind::Io, "not on this disk")
}

/// `skipped: open for writing`.
pub(super) fn writer() -> Error {
    Error::new(Kind::Skipped, "open for writing")
}

/// `skipped: changed`.
pub(super) fn changed() -> Error {
    Error::new(Kind::Skipped, "changed")
}

/// `skipped: vanished`.
pub(super) fn vanished() -> Error {
    Error::new(Kind::Skipped, "vanished")
}

/// Opens and locks; again where the name went to another file between the two (a run that just committed).
fn open_locked(path: &Path, purpose: Purpose) -> Result<(File, Metadata, Vec<Note>)> {
    for _ in 0..ATTEMPTS {
        let file = open_regular(path)?;
        let exclusive = purpose != Purpose::Read;
        let notes = if lock(&file, exclusive)? { Vec::new() } else { vec![Note::NoLock] };
        let meta = retry(|| file.metadata()).map_err(|e| io_error("looking at the file", &e))?;
        match retry(|| symlink_metadata(path)) {
            Ok(named) if (named.dev(), named.ino()) == (meta.dev(), meta.ino()) => {
                return Ok((file, meta, notes));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(vanished()),
            Err(error) => return Err(io_error("looking at the file", &error)),
        }
    }
    Err(changed())
}

/// Opens a regular file for reading without following a link, waiting for anybody, or touching its access time.
pub(super) fn open_regular(path: &Path) -> Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let open = |flags| retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()));
    let fd = match open(flags | OFlags::NOATIME) {
        // Only a file's owner may leave its access time alone.
        Err(Errno::PERM) => open(flags),
        other => other,
    };
    let file = match fd {
        Ok(fd) => File::from(fd),
        Err(Errno::NOENT | Errno::NOTDIR) => return Err(vanished()),
        Err(Errno::LOOP) => return Err(changed()),
        // Somebody holds a write lease: a file server, which has it open for a client.
        Err(Errno::AGAIN) => return Err(writer()),
        Err(Errno::NXIO) => return Err(Error::new(Kind::Skipped, "special file")),
        Err(error) => return Err(errno("opening", error)),
    };
    let meta = retry(|| file.metadata()).map_err(|e| io_error("looking at the file", &e))?;
    if !meta.is_file() {
        return Err(Error::new(Kind::Skipped, "special file"));
    }
    Ok(file)
}

/// Locks without waiting. `false`: no locks here. Held by another: [`Kind::Locked`].
pub(super) fn lock(file: &File, exclusive: bool) -> Result<bool> {
    let how = if exclusive { FlockOperation::NonBlockingLockExclusive } else { FlockOperation::NonBlockingLockShared };
    match retry_on_intr(|| rustix::fs::flock(file, how)) {
        Ok(()) => Ok(true),
        Err(Errno::AGAIN) => Err(Error::new(Kind::Locked, "another run holds it")),
        // NFS wants a descriptor for writing for an exclusive lock (EBADF); others have none at all.
        Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS | Errno::BADF) => Ok(false),
        Err(error) => Err(errno("locking", error)),
    }
}

/// A file that may not be replaced fails before any work is done on it.
pub(super) fn refuse_fixed(file: &File) -> Result<()> {
    let fixed = StatxAttributes::IMMUTABLE | StatxAttributes::APPEND;
    match retry_on_intr(|| rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::empty())) {
        Ok(stat) if stat.stx_attributes.intersects(fixed) => {
            Err(Error::new(Kind::Io, "immutable or append-only file").help("see chattr(1)"))
        }
        // Without statx the rename itself will be refused.
        _ => Ok(()),
    }
}

/// Looks for writers without a lease.
fn search(identity: &FileId) -> Result<Note> {
    match writers::look(identity.dev, identity.ino) {
        Look::Some => Err(writer()),
        Look::None => Ok(Note::NoLease),
        Look::Unknown => Ok(Note::WritersUnknown),
    }
}
