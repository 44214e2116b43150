//! The commit into a mirror: a new file under a name of its own.
//!
//! The name appears only when the file is whole and durable, and never over another file without `--overwrite`: the draft is
//! renamed with `NOREPLACE` (where the file system cannot: a second link, which cannot replace either). A target that
//! has the same bytes already is left as it is (P6). Folders that lack are made with the modes of those of the SOURCE.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use rustix::fs::RenameFlags;
use rustix::io::{Errno, retry_on_intr};

use super::draft::DiskDraft;
use super::folder::{Folder, errno};
use crate::blob::Blob;
use crate::error::{Error, Kind, Result};
use crate::store::{Applied, Committed, FileId, Identity, Note, digest, io_error, retry};

impl DiskDraft<'_> {
    /// Commits into a mirror.
    pub(super) fn put(&mut self, overwrite: bool) -> Result<Committed> {
        self.base.original().check()?;
        if let (false, Some(applied)) = (overwrite, self.applied)
            && let Some(identity) = same(&self.folder, &self.target, &applied)?
        {
            return Ok(Committed { identity: Identity::File(identity), already: true, notes: Vec::new() });
        }
        self.notes.extend(self.base.carry(&self.sheet.file)?);
        let name = self.sheet.complete(&self.folder)?;
        retry_on_intr(|| rustix::fs::fsync(&self.sheet.file)).map_err(|e| errno("syncing the draft", e))?;
        let fresh = self.reopen(&name)?;
        // A copy of something that changed while it was read is a copy of nothing.
        self.base.original().check()?;
        self.place(&name, overwrite)?;
        self.sheet.name = None;
        if !self.folder.sync()? {
            self.notes.push(Note::FolderNotSynced);
        }
        let meta = retry(|| fresh.metadata()).map_err(|e| io_error("looking at the new file", &e))?;
        Ok(Committed {
            identity: Identity::File(FileId::of(&meta)),
            already: false,
            notes: std::mem::take(&mut self.notes),
        })
    }

    fn place(&self, name: &OsStr, overwrite: bool) -> Result<()> {
        let flags = if overwrite { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        let done = match self.folder.rename(name, &self.target, flags) {
            // Made or not: if so, the draft's name is gone.
            Err(Errno::INTR) if self.folder.stat(name)?.is_none() => Ok(()),
            Err(Errno::INTR) => self.folder.rename(name, &self.target, flags),
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if !overwrite => {
                self.folder.link(name, &self.target).and_then(|()| self.folder.unlink(name))
            }
            done => done,
        };
        match done {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => Err(refused()),
            Err(error) => Err(errno("naming the new file", error)),
        }
    }
}

/// Gives `target` the inode of `first`, an earlier target of the same mirror, for a source that has hard links. An existing
/// target that is not that inode, or another with its bytes, is refused unless `overwrite`.
pub fn link(first: &Path, target: &Path, source: &Path, relative: &Path, overwrite: bool) -> Result<()> {
    let name = target.file_name().ok_or_else(|| Error::new(Kind::Io, "the target has no name"))?;
    let parent = target.parent().unwrap_or(Path::new(""));
    make_folders(parent, source, relative)?;
    let folder = Folder::open(parent)?;
    let first_meta = retry(|| fs::symlink_metadata(first)).map_err(|e| io_error("looking at the first link", &e))?;
    if let Some(there) = folder.stat(name)? {
        if there.same_inode(&FileId::of(&first_meta)) {
            return Ok(());
        }
        if !overwrite {
            let blob = FileBlob::open(&folder, OsStr::new(first.as_os_str()))?;
            let applied = Applied { bytes: blob.len(), sha256: Some(digest(&blob)?), kept: 0 };
            return same(&folder, name, &applied).map(|_| ());
        }
    }
    let draft = super::names::fresh(super::names::Stage::Draft)?;
    retry_on_intr(|| rustix::fs::linkat(rustix::fs::CWD, first, &folder, &draft, rustix::fs::AtFlags::empty()))
        .map_err(|e| errno("linking", e))?;
    let flags = if overwrite { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
    let done = retry_on_intr(|| folder.rename(&draft, name, flags));
    if done.is_err() {
        folder.unlink(&draft).map_err(|e| errno("removing a link", e))?;
    }
    done.map_err(|e| if e == Errno::EXIST { refused() } else { errno("linking", e) })?;
    folder.sync().map(|_| ())
}

/// Refuses at once, before anything is written, a target that cannot have the bytes that are to come.
pub(super) fn refuse_other_length(folder: &Folder, name: &OsStr, len: u64) -> Result<()> {
    match folder.stat(name)? {
        Some(there) if there.size != len => Err(refused()),
        _ => Ok(()),
    }
}

/// The target's identity if it is there with these bytes; refused if it has others; `None` if it is not there.
fn same(folder: &Folder, name: &OsStr, wanted: &Applied) -> Result<Option<FileId>> {
    let Some(there) = folder.stat(name)? else {
        return Ok(None);
    };
    let blob = match FileBlob::open(folder, name) {
        Ok(blob) if blob.len() == wanted.bytes => blob,
        _ => return Err(refused()),
    };
    if Some(digest(&blob)?) == wanted.sha256 { Ok(Some(there)) } else { Err(refused()) }
}

/// A target with other bytes.
pub(super) fn refused() -> Error {
    Error::new(Kind::Io, "the target exists with other bytes").help("see --overwrite")
}

/// A plain file as a blob.
struct FileBlob(File, u64);

impl FileBlob {
    fn open(folder: &Folder, name: &OsStr) -> Result<Self> {
        let file = folder.read(name).map_err(|e| errno("opening the target", e))?;
        let meta = retry(|| file.metadata()).map_err(|e| io_error("looking at the target", &e))?;
        if !meta.is_file() {
            return Err(refused());
        }
        Ok(Self(file, meta.len()))
    }
}

impl Blob for FileBlob {
    fn len(&self) -> u64 {
        self.1
    }
    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        Ok(retry_on_intr(|| rustix::io::pread(&self.0, &mut *buf, at))?)
    }
}

/// Makes `folder` and what lacks above it. As many of its last folders as `relative` has, and the one above them, are the
/// counterparts of those of `source`, and get their modes (and owners, where that is allowed).
pub(super) fn make_folders(folder: &Path, source: &Path, relative: &Path) -> Result<()> {
    make(folder, source.parent(), relative.components().count())
}

fn make(folder: &Path, like: Option<&Path>, levels: usize) -> Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let like = like.filter(|_| levels > 0);
    if let Some(parent) = folder.parent() {
        make(parent, like.and_then(Path::parent), levels.saturating_sub(1))?;
    }
    let meta = like.and_then(|like| fs::metadata(like).ok());
    let mut builder = DirBuilder::new();
    if meta.is_some() {
        builder.mode(0o700);
    }
    match builder.create(folder) {
        // Another job made it.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {
            return Ok(());
        }
        other => other.map_err(|e| io_error("making a folder of the mirror", &e))?,
    }
    if let Some(meta) = meta {
        let file = File::open(folder).map_err(|e| io_error("opening a folder of the mirror", &e))?;
        // Not allowed to most: then it belongs to whoever ran this.
        let owned = fchown(&file, Some(meta.uid()), Some(meta.gid())).is_ok();
        let mode = meta.mode() & if owned { 0o7777 } else { 0o1777 } | 0o700;
        file.set_permissions(Permissions::from_mode(mode)).map_err(|e| io_error("setting a folder's mode", &e))?;
    }
    Folder::open(folder.parent().unwrap_or(Path::new("")))?.sync().map(|_| ())
}
