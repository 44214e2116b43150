//! A folder of `pg_dump -Fd` as one artifact: what is in one of its files is right only together with the others.
//!
//! Such a folder holds `toc.dat`, which says that the data lies in other files, and nothing but files. It is shown to the rest of the
//! program as one tar (`view`, `tar`), which no file is: so it is found, lifted and verified as a packed one is. Its draft is a hidden
//! folder beside it, into which the patch of that tar is played file by file (`draft`, `split`); the commit exchanges the two
//! folders' names (`swap`), or gives the draft its name in a mirror (`put`). `left` removes what a killed run left, `list` is its part of
//! the listing. All else (subfolders, links, odd names, files of the run's own) is refused file by file, as
//! [`crate::detect::beside`] says.
//!
//! Of the steps and what a crash leaves after each, see `swap`. Files are not under a lease while they are read, since a folder may
//! have more of them than a process may open: who has one open for writing is looked for at the opening and around the
//! exchange, and what was written between is known by its times.

mod draft;
mod left;
mod list;
mod put;
mod split;
mod swap;
mod tar;
#[cfg(test)]
mod tests;
mod view;

use std::collections::HashSet;
use std::fmt;
use std::fs::{File, Metadata, symlink_metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustix::fs::{Access, AtFlags, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::folder::errno;
use super::lease::{self, Taken};
use super::open::{ATTEMPTS, changed, elsewhere, lock, refuse_fixed, vanished, writer};
use super::writers::{self, Look};
use super::{Disk, Means};
use crate::blob::{Blob, FileBlob};
use crate::error::{Error, Kind, Result};
use crate::pace::{Free, Pace};
use crate::pool::Crew;
use crate::store::{Draft, Identity, Note, Object, Original, Purpose, To, io_error, retry};
use draft::FolderDraft;
pub(super) use left::remove as remove_left;
pub(super) use list::{Seen, see};
use view::View;

/// What it is called, in `layers` and in reasons.
pub const NAME: &str = "pg_dump directory";
/// Whether this build can read one; else it is refused by name.
const IS_READ: bool = cfg!(all(feature = "tar", feature = "pgdump"));

/// A folder, opened. `Debug` shows no path.
pub struct Packed {
    view: View,
    path: PathBuf,
    relative: PathBuf,
    meta: Metadata,
    means: Means,
    pace: Arc<dyn Pace>,
    crew: Arc<dyn Crew>,
    purpose: Purpose,
    notes: Vec<Note>,
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packed").field("purpose", &self.purpose).field("notes", &self.notes).finish_non_exhaustive()
    }
}

impl Packed {
    /// Opens the folder `object`. Errors as those of a file: skipped (`vanished`, `changed`, `hard links`, `open for writing`), locked,
    /// or the operating system's.
    pub(super) fn open(object: &Object, purpose: Purpose, disk: &Disk) -> Result<Self> {
        let path = object.path().ok_or_else(elsewhere)?;
        let (folder, mut notes) = open_locked(path, purpose)?;
        let meta = retry(|| folder.metadata()).map_err(|e| io_error("looking at the folder", &e))?;
        let view = View::of(folder, &disk.pace)?.ok_or_else(changed)?;
        if let Purpose::Replace { break_hardlinks } = purpose {
            if view.members.iter().any(|member| member.is_linked) && !break_hardlinks {
                return Err(Error::new(Kind::Skipped, "hard links"));
            }
            refuse_fixed(&view.folder)?;
            refuse_closed(&view.folder)?;
            for member in &view.members {
                refuse_fixed(&view.open(member).map_err(|e| gone("opening", &e))?)?;
            }
            notes.extend(refuse_writers(&view, disk.means)?);
        }
        Ok(Self {
            view,
            path: path.to_owned(),
            relative: object.relative.clone(),
            meta,
            means: disk.means,
            pace: Arc::clone(&disk.pace),
            crew: Arc::clone(&disk.crew),
            purpose,
            notes,
        })
    }
}

impl Blob for Packed {
    fn len(&self) -> u64 {
        self.view.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.view.read_at(at, buf)
    }
}

impl Original for Packed {
    fn identity(&self) -> Identity {
        Identity::File(self.view.identity())
    }

    fn form(&self) -> Option<&'static str> {
        Some(NAME)
    }

    fn check(&self) -> Result<()> {
        match retry(|| symlink_metadata(&self.path)) {
            Ok(named) if (named.dev(), named.ino()) == (self.view.id.dev, self.view.id.ino) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(vanished()),
            Ok(_) => return Err(changed()),
            Err(error) => return Err(io_error("looking at the folder", &error)),
        }
        if self.purpose != Purpose::Read {
            refuse_writers(&self.view, self.means)?;
        }
        // Its mode and owner are the new folder's, too.
        let is_same = view::folder_id(&self.view.folder)? == self.view.id && self.view.is_same()?;
        if is_same { Ok(()) } else { Err(changed()) }
    }

    fn notes(&self) -> Vec<Note> {
        self.notes.clone()
    }

    fn draft<'o>(&'o self, to: To<'_>, len: u64) -> Result<Box<dyn Draft + 'o>> {
        Ok(Box::new(FolderDraft::create(self, to, len)?))
    }
}

/// Whether the folder at `path` is one artifact. A link is not followed.
pub(super) fn is_one(path: &Path) -> bool {
    look(path).is_some()
}

/// What the folder at `path` is now, if it is one artifact that can be looked at.
pub(super) fn look(path: &Path) -> Option<Identity> {
    Some(Identity::File(view(path, &free())?.identity()))
}

/// The files of the folder at `path`, if it is one artifact that can be looked at.
fn view(path: &Path, pace: &Arc<dyn Pace>) -> Option<View> {
    View::of(open_folder(path).ok().filter(|_| IS_READ)?, pace).ok()?
}

fn free() -> Arc<dyn Pace> {
    Arc::new(Free)
}

/// A file, or a folder that is one artifact, opened to be read, and not guarded against writers: for the `verify` verb.
pub struct Whole(Inner);

enum Inner {
    File(FileBlob),
    Folder(View),
}

impl Whole {
    /// Opens what is at `path`, to be read at that pace; anything but a regular file or such a folder is refused.
    pub fn open(path: &Path, pace: Option<&Arc<dyn Pace>>) -> Result<Self> {
        if symlink_metadata(path).is_ok_and(|meta| meta.is_dir()) {
            let found = view(path, pace.unwrap_or(&free()));
            return found.map(|view| Self(Inner::Folder(view))).ok_or_else(|| Error::new(Kind::Skipped, "a folder"));
        }
        Ok(Self(Inner::File(FileBlob::open(path)?.paced(pace))))
    }

    /// Time of its last change.
    pub fn modified(&self) -> Option<Timestamp> {
        match &self.0 {
            Inner::File(file) => file.modified(),
            Inner::Folder(view) => Timestamp::from_nanosecond(view.identity().mtime).ok(),
        }
    }
}

impl Blob for Whole {
    fn len(&self) -> u64 {
        match &self.0 {
            Inner::File(file) => file.len(),
            Inner::Folder(view) => view.len(),
        }
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Inner::File(file) => file.read_at(at, buf),
            Inner::Folder(view) => view.read_at(at, buf),
        }
    }
}

/// Opens a folder for reading; a link is not followed.
fn open_folder(path: &Path) -> Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty())) {
        Ok(fd) => Ok(File::from(fd)),
        Err(Errno::NOENT) => Err(vanished()),
        Err(Errno::NOTDIR | Errno::LOOP) => Err(changed()),
        Err(error) => Err(errno("opening the folder", error)),
    }
}

/// Opens and locks the folder; again where the name went to another between the two (a run that just committed).
fn open_locked(path: &Path, purpose: Purpose) -> Result<(File, Vec<Note>)> {
    for _ in 0..ATTEMPTS {
        let folder = open_folder(path)?;
        let notes = if lock(&folder, purpose != Purpose::Read)? { Vec::new() } else { vec![Note::NoLock] };
        let id = view::folder_id(&folder)?;
        match retry(|| symlink_metadata(path)) {
            Ok(named) if (named.dev(), named.ino()) == (id.dev, id.ino) => return Ok((folder, notes)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(vanished()),
            Err(error) => return Err(io_error("looking at the folder", &error)),
        }
    }
    Err(changed())
}

/// A folder out of which nothing may be removed fails before any work is done on it: its old files could not go.
fn refuse_closed(folder: &File) -> Result<()> {
    let access = Access::WRITE_OK | Access::EXEC_OK;
    match retry_on_intr(|| rustix::fs::accessat(folder, ".", access, AtFlags::EACCESS)) {
        Ok(()) => Ok(()),
        Err(error) => Err(errno("asking whether the folder may be changed", error)),
    }
}

/// Fails if somebody has a file open for writing, by a lease on each, or else by a look through `/proc`.
fn refuse_writers(view: &View, means: Means) -> Result<Option<Note>> {
    let mut unknown = HashSet::new();
    for member in &view.members {
        let file = view.open(member).map_err(|e| gone("opening", &e))?;
        match if means.lease { lease::take(&file) } else { Taken::Unsupported } {
            Taken::Held => lease::release(&file),
            Taken::Writer => return Err(writer()),
            Taken::Unsupported => {
                unknown.insert((member.id.dev, member.id.ino));
            }
        }
    }
    if unknown.is_empty() {
        return Ok(None);
    }
    match writers::any(&|dev, ino| unknown.contains(&(dev, ino))) {
        Look::Some => Err(writer()),
        Look::None => Ok(Some(Note::NoLease)),
        Look::Unknown => Ok(Some(Note::WritersUnknown)),
    }
}

/// Why a file of a folder could not be opened or read: mostly since it is no more what it was.
fn gone(doing: &'static str, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ResourceBusy | io::ErrorKind::UnexpectedEof => changed(),
        // Somebody holds a write lease: a file server, which has it open for a client.
        io::ErrorKind::WouldBlock => writer(),
        _ => io_error(doing, error),
    }
}
