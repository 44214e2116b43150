//! Removing a folder that a killed run left: a draft, or an old folder whose successor has its name.
//!
//! As with files (see `sweep`) it must be nobody's in work, ours, and, once it had the name of a complete draft, not written to since:
//! no file open for writing, and none that was changed after the folder got the name that it has. Only files go: a folder that holds
//! anything else is nobody's draft.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode};
use rustix::io::{Errno, retry_on_intr};

use super::open_folder;
use super::view::{folder_id, open};
use crate::error::Result;
use crate::store::disk::folder::{Folder, errno, identity};
use crate::store::disk::lease::{self, Taken};
use crate::store::disk::names::Stage;
use crate::store::disk::open::lock;
use crate::store::disk::sweep::Fate;
use crate::store::disk::writers::{self, Look};
use crate::store::retry;

/// Removes the left-over folder at `path`, if it may be removed.
pub(in crate::store::disk) fn remove(path: &Path, stage: Stage) -> Fate {
    let Ok(folder) = open_folder(path) else {
        return if path.exists() { Fate::Failed } else { Fate::Alive };
    };
    match lock(&folder, true) {
        Ok(true) => {}
        // No locks here: it cannot be told from a live draft.
        Ok(false) => return Fate::Failed,
        Err(_) => return Fate::Alive,
    }
    let Ok(meta) = retry(|| folder.metadata()) else { return Fate::Failed };
    let user = rustix::process::geteuid();
    if !user.is_root() && user.as_raw() != meta.uid() {
        return Fate::Failed;
    }
    match is_written(&folder) {
        Ok(false) => {}
        Ok(true) if stage == Stage::Part => {}
        Ok(true) => return Fate::Written,
        Err(_) => return Fate::Failed,
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Fate::Failed };
    let Ok(parent) = Folder::open(parent) else { return Fate::Failed };
    match parent.stat(name) {
        Ok(Some(named)) if (named.dev, named.ino) == (meta.dev(), meta.ino()) => {}
        _ => return Fate::Alive,
    }
    match clear(&folder).and_then(|()| rmdir(&parent, name)) {
        Ok(()) => Fate::Removed,
        Err(_) => Fate::Failed,
    }
}

/// Whether a file was written after the folder got its name, or may be yet. An error for a folder that holds anything but files.
fn is_written(folder: &File) -> Result<bool> {
    let named = folder_id(folder)?.ctime;
    let mut written = false;
    each(folder, &mut |name| {
        let stat = retry_on_intr(|| rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW))?;
        if !FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(Errno::ISDIR);
        }
        let id = identity(&stat);
        let is_open = || {
            Ok::<_, Errno>(match lease::take(&open(folder, name)?) {
                Taken::Held => false,
                Taken::Writer => true,
                Taken::Unsupported => writers::look(id.dev, id.ino) == Look::Some,
            })
        };
        written = written || id.mtime >= named || id.ctime > named || is_open()?;
        Ok(())
    })?;
    Ok(written)
}

/// Removes all files in `folder`.
pub(super) fn clear(folder: &File) -> Result<()> {
    // Who may not write in it by its mode may be its owner; anybody else is told by what follows.
    let _ = retry_on_intr(|| rustix::fs::fchmod(folder, Mode::RWXU));
    each(folder, &mut |name| match retry_on_intr(|| rustix::fs::unlinkat(folder, name, AtFlags::empty())) {
        Err(Errno::NOENT) => Ok(()),
        done => done,
    })
}

/// Removes the empty folder `name`; one that is not there is no error.
pub(super) fn rmdir(parent: &Folder, name: &OsStr) -> Result<()> {
    match retry_on_intr(|| rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(errno("removing a folder", error)),
    }
}

/// Whether nothing is in `folder`.
pub(super) fn is_empty(folder: &File) -> Result<bool> {
    let mut found = false;
    each(folder, &mut |_| {
        found = true;
        Ok(())
    })?;
    Ok(!found)
}

/// Each name in `folder`.
fn each(folder: &File, see: &mut dyn FnMut(&OsStr) -> rustix::io::Result<()>) -> Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let mut entries = Dir::read_from(folder).map_err(|e| errno("listing a folder", e))?;
    while let Some(entry) = entries.read() {
        let entry = entry.map_err(|e| errno("listing a folder", e))?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            see(name).map_err(|e| errno("removing a file", e))?;
        }
    }
    Ok(())
}
