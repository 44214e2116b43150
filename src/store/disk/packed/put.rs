//! The commit of a folder into a mirror: a new folder under a name of its own.
//!
//! The name appears only when the folder is whole and durable. A rename cannot replace a folder that holds anything, nor a file; an empty
//! folder is as good as none. A target with the same bytes is left as it is (P6). `--overwrite` takes the place of such a folder only, by
//! an exchange, since to remove anything else would be to remove what was never looked at.

use std::ffi::OsStr;
use std::fs::File;

use rustix::fs::{Mode, OFlags, RenameFlags};
use rustix::io::{Errno, retry_on_intr};

use super::draft::FolderDraft;
use super::view::View;
use super::{Packed, left, swap};
use crate::blob::Blob;
use crate::error::{Error, Kind, Result};
use crate::store::disk::folder::{Folder, errno};
use crate::store::disk::mirror::refused;
use crate::store::disk::open::lock;
use crate::store::{Committed, Identity, Note, Original, digest};

/// What stands under the target's name.
enum There {
    /// Nothing, or an empty folder.
    Nothing,
    /// A folder of the same kind.
    Folder(View),
    Other,
}

impl There {
    fn look(parent: &Folder, target: &OsStr, like: &Packed) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = match retry_on_intr(|| rustix::fs::openat(parent, target, flags, Mode::empty())) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Ok(Self::Nothing),
            Err(Errno::NOTDIR | Errno::LOOP) => return Ok(Self::Other),
            Err(error) => return Err(errno("opening the target", error)),
        };
        if left::is_empty(&folder)? {
            return Ok(Self::Nothing);
        }
        Ok(View::of(folder, &like.pace)?.map_or(Self::Other, Self::Folder))
    }
}

/// Refuses at once, before anything is written, a target that cannot have the bytes that are to come.
pub(super) fn refuse_other_length(parent: &Folder, target: &OsStr, len: u64, like: &Packed) -> Result<()> {
    match There::look(parent, target, like)? {
        There::Nothing => Ok(()),
        There::Folder(view) if view.len() == len => Ok(()),
        There::Folder(_) | There::Other => Err(refused()),
    }
}

impl FolderDraft<'_> {
    /// Commits into a mirror.
    pub(super) fn put(&mut self, overwrite: bool) -> Result<Committed> {
        self.base.check()?;
        let old = match There::look(&self.parent, &self.target, self.base)? {
            There::Nothing => None,
            There::Folder(view) if overwrite => Some(view),
            There::Folder(view) => return self.already(&view),
            There::Other if overwrite => {
                let error = Error::new(Kind::Io, "the target exists and is not a folder of the same kind");
                return Err(error.help("remove it first"));
            }
            There::Other => return Err(refused()),
        };
        let name = self.complete()?;
        self.fresh()?;
        // A copy of something that changed while it was read is a copy of nothing.
        self.base.check()?;
        match &old {
            Some(old) => self.replace(old, &name)?,
            None => self.place(&name)?,
        }
        if self.sync().is_err() {
            self.notes.push(Note::FolderNotSynced);
        }
        let identity = self.fresh()?.identity();
        let notes = std::mem::take(&mut self.notes);
        Ok(Committed { identity: Identity::File(identity), already: false, notes })
    }

    fn already(&self, there: &View) -> Result<Committed> {
        let same = self.applied.is_some_and(|applied| applied.bytes == there.len());
        if !same || Some(digest(there)?) != self.applied.and_then(|applied| applied.sha256) {
            return Err(refused());
        }
        Ok(Committed { identity: Identity::File(there.identity()), already: true, notes: Vec::new() })
    }

    fn place(&mut self, name: &OsStr) -> Result<()> {
        let done = match self.parent.rename(name, &self.target, RenameFlags::empty()) {
            // Made or not: if so, the draft's name is gone.
            Err(Errno::INTR) if self.parent.stat(name)?.is_none() => Ok(()),
            Err(Errno::INTR) => self.parent.rename(name, &self.target, RenameFlags::empty()),
            done => done,
        };
        match done {
            Ok(()) => {
                self.name = None;
                Ok(())
            }
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => Err(refused()),
            Err(error) => Err(errno("naming the new folder", error)),
        }
    }

    /// Takes the place of `old`, which goes.
    fn replace(&mut self, old: &View, aside: &OsStr) -> Result<()> {
        lock(&old.folder, true)?;
        self.exchange(aside)?;
        let is_old = self.parent.stat(aside)?.is_some_and(|named| named.same_inode(&old.id));
        self.sync()?;
        if !is_old {
            return Err(swap::remains());
        }
        swap::discard(old, &self.parent, aside).map_err(|_| swap::remains())
    }
}
