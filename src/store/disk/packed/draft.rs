//! The successor of a folder, from the empty folder to its commit.
//!
//! It is a hidden folder beside the target, which only its owner may look into while it is written, under a shared lock that keeps
//! the sweep of another run away. Its name ends in `.part` until it is whole and has its metadata, and then in `.draft`. The digest
//! is that of the new folder's own tar, read from what then *is in the draft*.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, RenameFlags};
use rustix::io::{Errno, retry_on_intr};

use super::split::Split;
use super::view::{View, folder_id};
use super::{NAME, Packed, left, open_folder, put};
use crate::blob::Blob;
use crate::digest::sha256;
use crate::edit::Patch;
use crate::error::{Error, Kind, Result};
use crate::limits::WINDOW;
use crate::store::disk::folder::{Folder, errno};
use crate::store::disk::names::{self, Stage};
use crate::store::disk::{meta, mirror};
use crate::store::{Applied, Committed, Draft, Note, To, io_error, retry};

/// Files from which on all are written out together first, which is one step of the file system's journal and not one a file.
const FEW: usize = 16;

/// A draft of a folder.
pub(super) struct FolderDraft<'o> {
    pub(super) base: &'o Packed,
    /// The folder in which the target lies.
    pub(super) parent: Folder,
    /// Name that it gets at commit.
    pub(super) target: OsString,
    /// `None`: in place. `Some`: in a mirror, with `--overwrite` or without.
    pub(super) overwrite: Option<bool>,
    /// Name that it has at this time; what has it is removed when this is dropped.
    pub(super) name: Option<OsString>,
    pub(super) folder: File,
    /// The new files, once they are all there.
    pub(super) view: Option<View>,
    pub(super) applied: Option<Applied>,
    pub(super) notes: Vec<Note>,
    len: u64,
}

impl<'o> FolderDraft<'o> {
    /// An empty draft for `to`. Checks the free space, and in a mirror whether the target may be written.
    pub(super) fn create(base: &'o Packed, to: To<'_>, len: u64) -> Result<Self> {
        let (path, overwrite) = match to {
            To::InPlace => (base.path.as_path(), None),
            To::Mirror { target, overwrite } => (target, Some(overwrite)),
            To::Object { .. } => return Err(Error::unsupported(format!("{NAME} in a bucket"))),
        };
        let target = path.file_name().ok_or_else(|| Error::new(Kind::Io, "the target has no name"))?.to_owned();
        let above = path.parent().unwrap_or(Path::new(""));
        if overwrite.is_some() {
            mirror::make_folders(above, &base.path, &base.relative)?;
        }
        let parent = Folder::open(above)?;
        if overwrite == Some(false) {
            put::refuse_other_length(&parent, &target, len, base)?;
        }
        let free = parent.free()?;
        if free < len {
            return Err(Error::new(Kind::Io, format!("no space: {len} bytes wanted, {free} free")));
        }
        let name = names::fresh(Stage::Part)?;
        retry_on_intr(|| rustix::fs::mkdirat(&parent, &name, Mode::RWXU))
            .map_err(|e| errno("creating the draft", e))?;
        let folder = match open_folder(&above.join(&name)) {
            Ok(folder) => folder,
            Err(error) => {
                // It is empty; a failure is the sweep's.
                let _ = left::rmdir(&parent, &name);
                return Err(error);
            }
        };
        // The sweep wants an exclusive lock. Where there are no locks, sweeps remove nothing.
        let _ = retry_on_intr(|| rustix::fs::flock(&folder, FlockOperation::NonBlockingLockShared));
        let (name, view, applied, notes) = (Some(name), None, None, Vec::new());
        Ok(Self { base, parent, target, overwrite, name, folder, view, applied, notes, len })
    }

    /// Gives the draft the original's metadata and the name of a complete draft, and makes it durable.
    pub(super) fn complete(&mut self) -> Result<OsString> {
        self.sync_files()?;
        let in_place = self.overwrite.is_none();
        let notes = meta::carry(&self.base.view.folder, &self.base.meta, &self.folder, in_place)?;
        for note in notes {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        let part = self.name.clone().ok_or_else(|| Error::new(Kind::Verify, "a draft without a name"))?;
        let name = names::fresh(Stage::Draft)?;
        match self.parent.rename(&part, &name, RenameFlags::empty()) {
            // The call may have been made or not.
            Err(Errno::INTR) if self.parent.stat(&name)?.is_none() => {
                self.parent.rename(&part, &name, RenameFlags::empty())
            }
            Err(Errno::INTR) => Ok(()),
            done => done,
        }
        .map_err(|e| errno("naming the draft", e))?;
        self.name = Some(name.clone());
        retry_on_intr(|| rustix::fs::fsync(&self.folder)).map_err(|e| errno("syncing the draft", e))?;
        Ok(name)
    }

    /// Makes every file durable.
    fn sync_files(&self) -> Result<()> {
        let Some(view) = &self.view else { return Ok(()) };
        if view.members.len() > FEW {
            // Nothing depends on it but how long the others take.
            let _ = retry_on_intr(|| rustix::fs::syncfs(&self.folder));
        }
        for member in &view.members {
            let file = view.open(member).map_err(|e| io_error("opening the draft", &e))?;
            retry_on_intr(|| rustix::fs::fsync(&file)).map_err(|e| errno("syncing the draft", e))?;
        }
        Ok(())
    }

    /// The new files, with the folder's own identity as it is now.
    pub(super) fn fresh(&mut self) -> Result<&View> {
        let folder = copy(&self.folder)?;
        let view = View::of(folder, &self.base.pace)?
            .filter(|now| self.view.as_ref().is_some_and(|then| then.members == now.members));
        let view = view.ok_or_else(|| Error::new(Kind::Io, "the draft was changed by somebody"))?;
        Ok(self.view.insert(view))
    }

    /// Whether `name` is the new folder.
    pub(super) fn is_named(&self, name: &OsStr) -> Result<bool> {
        let named = self.parent.stat(name)?;
        Ok(self.view.as_ref().is_some_and(|view| named.is_some_and(|named| named.same_inode(&view.id))))
    }

    /// Durable names; a file system that cannot do that is noted.
    pub(super) fn sync(&mut self) -> Result<()> {
        if !self.parent.sync()? && !self.notes.contains(&Note::FolderNotSynced) {
            self.notes.push(Note::FolderNotSynced);
        }
        Ok(())
    }
}

impl Draft for FolderDraft<'_> {
    fn apply(&mut self, patch: &Patch) -> Result<Applied> {
        if self.applied.is_some() || patch.base_len != self.base.len() || patch.len() != self.len {
            return Err(Error::new(Kind::Verify, "the patch is not for this draft"));
        }
        let mut split = Split::new(self.base, &self.folder, self.overwrite.is_none());
        patch.play(|piece| split.take(piece))?;
        let (kept, notes) = split.finish()?;
        let wrong = || Error::new(Kind::Verify, "the draft has not the length that was foretold");
        let view =
            View::of(copy(&self.folder)?, &self.base.pace)?.filter(|view| view.len() == self.len).ok_or_else(wrong)?;
        let (read, sha256): (Result<()>, _) = sha256(&*self.base.crew, self.len, |sha| {
            let (mut at, mut buf) = (0, vec![0; WINDOW]);
            while at < view.len() {
                let n = view.read_at(at, &mut buf).map_err(|e| io_error("reading the draft", &e))?;
                sha.update(buf.get(..n).unwrap_or_default());
                at += n as u64;
            }
            Ok(())
        });
        read?;
        self.notes = notes;
        self.view = Some(view);
        let applied = Applied { bytes: self.len, sha256: Some(sha256), kept };
        self.applied = Some(applied);
        Ok(applied)
    }

    fn blob(&self) -> &dyn Blob {
        self
    }

    fn sha256(&self) -> Result<[u8; 32]> {
        let applied = self.applied.and_then(|applied| applied.sha256);
        applied.ok_or_else(|| Error::new(Kind::Verify, "a digest before apply"))
    }

    fn commit(mut self: Box<Self>) -> Result<Committed> {
        if self.applied.is_none() {
            return Err(Error::new(Kind::Verify, "commit before apply"));
        }
        match self.overwrite {
            None => self.swap(),
            Some(overwrite) => self.put(overwrite),
        }
    }
}

impl Blob for FolderDraft<'_> {
    fn len(&self) -> u64 {
        self.view.as_ref().map_or(0, Blob::len)
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.view.as_ref().map_or(Ok(0), |view| view.read_at(at, buf))
    }
}

impl Drop for FolderDraft<'_> {
    fn drop(&mut self) {
        let is_named = |name: &OsString| {
            let named = self.parent.stat(name).ok().flatten();
            named.zip(folder_id(&self.folder).ok()).is_some_and(|(named, own)| named.same_inode(&own))
        };
        if let Some(name) = self.name.take().filter(is_named) {
            // Nothing can be done about a failure here; the next run's sweep will.
            let _ = left::clear(&self.folder).and_then(|()| left::rmdir(&self.parent, &name));
        }
    }
}

fn copy(folder: &File) -> Result<File> {
    retry(|| folder.try_clone()).map_err(|e| io_error("opening the draft", &e))
}
