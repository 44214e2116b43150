//! Removing what a killed run left: drafts, known by their names. Those that are folders are [`packed`]'s.
//!
//! A left-over is removed if it is a regular file with a draft's name, owned by whoever runs this (or by anybody, for root), and
//! nobody holds a lock on it: a live draft is locked. It is then one of: an unfinished draft (`.part`), a whole new file
//! whose commit never came, or *the old file* of a commit that was killed between exchange and unlink. The last holds what was
//! to be erased, and its successor is under its name: removing it is what the killed run would have done.
//!
//! One case is kept, and told: a writer was waiting for the old file at the instant of the kill, and wrote to it since. Then
//! its mtime is not before its ctime, which the exchange set (an untouched draft or old file has the original's mtime), or it
//! is still open for writing. Its last bytes are in no other file. The guarantee is: a sweep never removes bytes that
//! were written to a left-over after its exchange; where there are no leases, a writer that has it open but has not written
//! yet is looked for in `/proc`.

use std::fs::symlink_metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::lease::{self, Taken};
use super::names::{self, Stage};
use super::open::{lock, open_regular};
use super::packed;
use super::writers::{self, Look};
use crate::store::{FileId, retry};

/// What a sweep did. Paths are for a report that masks them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Left-overs removed.
    pub removed: u64,
    /// Left-overs kept since somebody wrote to them: a person must look.
    pub written: Vec<PathBuf>,
    /// Left-overs that could not be removed (not ours, no permission).
    pub failed: Vec<PathBuf>,
}

/// What was done with one.
pub(super) enum Fate {
    Removed,
    /// Held by a live run, or gone.
    Alive,
    Written,
    Failed,
}

/// Removes left-overs in `folder`; with `deep`, also in all folders below it. Folders that cannot be read are the
/// listing's to report.
pub fn sweep(folder: &Path, deep: bool) -> Swept {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut swept = Swept::default();
    let walk = WalkDir::new(folder).min_depth(1).max_depth(if deep { usize::MAX } else { 1 });
    let mut walk = walk.into_iter();
    while let Some(entry) = walk.next() {
        let Ok(entry) = entry else { continue };
        let Some(stage) = names::stage(entry.file_name()) else {
            continue;
        };
        let kind = entry.file_type();
        if kind.is_dir() && deep {
            walk.skip_current_dir();
        }
        match entry.path() {
            path if kind.is_dir() => packed::remove_left(path, stage),
            path if kind.is_file() => remove(path, stage),
            _ => continue,
        }
        .enter(entry.path(), &mut swept);
    }
    swept
}

impl Fate {
    fn enter(self, path: &Path, swept: &mut Swept) {
        match self {
            Fate::Removed => swept.removed += 1,
            Fate::Alive => {}
            Fate::Written => swept.written.push(path.to_owned()),
            Fate::Failed => swept.failed.push(path.to_owned()),
        }
    }
}

fn remove(path: &Path, stage: Stage) -> Fate {
    let file = match open_regular(path) {
        Ok(file) => file,
        Err(_) if retry(|| symlink_metadata(path)).is_err() => return Fate::Alive,
        Err(_) => return Fate::Failed,
    };
    match lock(&file, true) {
        Ok(true) => {}
        // No locks here: it cannot be told from a live draft.
        Ok(false) => return Fate::Failed,
        Err(_) => return Fate::Alive,
    }
    let Ok(meta) = retry(|| file.metadata()) else {
        return Fate::Failed;
    };
    let user = rustix::process::geteuid();
    if !user.is_root() && user.as_raw() != meta.uid() {
        return Fate::Failed;
    }
    let identity = FileId::of(&meta);
    if stage == Stage::Draft {
        let is_open = match lease::take(&file) {
            Taken::Held => false,
            Taken::Writer => true,
            Taken::Unsupported => writers::look(identity.dev, identity.ino) == Look::Some,
        };
        if is_open || identity.mtime >= identity.ctime {
            return Fate::Written;
        }
    }
    match retry(|| symlink_metadata(path)) {
        Ok(named) if FileId::of(&named) == identity => {}
        _ => return Fate::Alive,
    }
    match std::fs::remove_file(path) {
        Ok(()) => Fate::Removed,
        Err(_) => Fate::Failed,
    }
}
