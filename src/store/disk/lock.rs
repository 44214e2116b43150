//! Locks on the root folders of a run: no lock file in the tree, nothing left by a kill.
//!
//! `flock` on the folder's descriptor, shared by runs that read, exclusive for one that replaces in place. Never waits:
//! held by another run is [`Kind::Locked`](crate::error::Kind::Locked), exit 4. Runs whose roots lie inside one another are kept
//! apart by the lock on each artifact.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{Mode, OFlags};
use rustix::io::retry_on_intr;

use super::folder::errno;
use super::open::lock;
use super::source::Source;
use crate::error::Result;
use crate::store::{Note, io_error, retry};

/// Locks held until dropped.
#[derive(Debug)]
pub struct RootLock {
    _held: Vec<File>,
    /// [`Note::NoLock`] if a file system cannot lock.
    pub notes: Vec<Note>,
}

impl RootLock {
    /// Locks the folders of `sources`, each once. A SOURCE that is one artifact has none: the lock on that does.
    pub fn take(sources: &[Source], exclusive: bool) -> Result<Self> {
        let (mut held, mut notes, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for source in sources.iter().filter(|source| !source.is_file() && !source.is_packed()) {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let fd = retry_on_intr(|| rustix::fs::open(source.folder(), flags, Mode::empty()))
                .map_err(|e| errno("opening a SOURCE", e))?;
            let file = File::from(fd);
            let meta = retry(|| file.metadata()).map_err(|e| io_error("looking at a SOURCE", &e))?;
            if !seen.insert((meta.dev(), meta.ino())) {
                continue;
            }
            if !lock(&file, exclusive)? && notes.is_empty() {
                notes.push(Note::NoLock);
            }
            held.push(file);
        }
        Ok(Self { _held: held, notes })
    }
}
