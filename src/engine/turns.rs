//! Whose turn it is: a checksum file comes after the files that it is about.
//!
//! With `--break-checksums` a rewritten artifact changes the checksum beside it, so that the checksum file's own line is written
//! last. A sidecar is listed after its file and comes at the end of the batch; a list is kept until the listing has left its folder.
//! Memory: the sidecars of one batch, and the lists of the folders on one way down.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::{Books, Fleet};
use crate::detect::beside::{Beside, sums};
use crate::error::Result;
use crate::scrub::{self, Task};
use crate::store::Listed;

/// Checksum files that wait.
#[derive(Default)]
pub struct Turns {
    sidecars: Vec<Task>,
    lists: Vec<Task>,
    /// What was listed last.
    last: PathBuf,
}

impl Turns {
    /// Takes a checksum file; gives any other task back.
    pub fn keep(&mut self, task: Task) -> Option<Task> {
        // Checksum files in a bucket are not rewritten.
        let Some(path) = task.object.path() else { return Some(task) };
        let name = path.file_name().unwrap_or_default().as_bytes();
        let is_list = sums::list_named(name).is_some();
        match sums::sidecar(name) {
            // The file that it is named after was listed before.
            Some((_, stem)) if !is_list && path.with_file_name(OsStr::from_bytes(stem)).exists() => {
                self.sidecars.push(task);
            }
            None if !is_list => return Some(task),
            _ => self.lists.push(task),
        }
        None
    }

    /// Notes how far the listing got.
    pub fn reach(&mut self, batch: &[Listed]) {
        let object = |listed: &Listed| match listed {
            Listed::Object(object) | Listed::SameInode { object, .. } => object.path().map(Path::to_owned),
            _ => None,
        };
        self.last = batch.iter().rev().find_map(object).unwrap_or_else(|| std::mem::take(&mut self.last));
    }

    /// Those whose turn has come: sidecars, and lists whose folder the listing has left, or all at its `end`.
    pub fn ready(&mut self, end: bool) -> Vec<Task> {
        let waits = |task: &Task| {
            let folder = task.object.path().and_then(Path::parent).unwrap_or(Path::new(""));
            !end && self.last.starts_with(folder)
        };
        let (waiting, ready): (Vec<_>, Vec<_>) = std::mem::take(&mut self.lists).into_iter().partition(waits);
        self.lists = waiting;
        // A list that changes is a change in the list that has it.
        let mut ready: Vec<Task> = ready;
        ready.sort_by_key(|task| !matches!(task.beside, Some(Beside::Sums(_))));
        self.sidecars.drain(..).chain(ready).collect()
    }
}

impl Fleet<'_> {
    /// The turn of checksum files whose own files are done.
    pub(super) fn sums(&self, tasks: &[Task], run: &scrub::Run<'_>, books: &mut Books) -> Result<()> {
        for task in tasks.iter().take_while(|_| !self.given.interrupted.load(Ordering::Relaxed)) {
            let outcome = self.crew.lead(task.object.identity.size(), || scrub::sums::turn(task, run));
            if !outcome.interrupted {
                books.enter(run, outcome.line, outcome.hit, outcome.locked)?;
            }
        }
        Ok(())
    }

    /// The turn of all that still wait, and the lines of rewritten checksum files that were not listed.
    pub(super) fn last_turns(&self, turns: &mut Turns, run: &scrub::Run<'_>, books: &mut Books) -> Result<()> {
        self.sums(&turns.ready(true), run, books)?;
        run.sums.rest().into_iter().try_for_each(|line| books.enter(run, line, false, false))
    }
}
