//! Whose turn it is: a checksum file comes after the files that it is about.
//!
//! With `--break-checksums` a rewritten artifact changes the checksum beside it, so that the checksum file's own line is written
//! last. A sidecar is listed after its file; a list of checksums is kept until the listing has left its folder. Memory: the lists
//! of the folders on one way down, and the checksum files of one batch.

use std::path::Path;

use crate::detect::beside::sums;
use crate::scrub::Task;

/// Checksum files that wait.
#[derive(Default)]
pub struct Turns {
    waiting: Vec<Task>,
}

impl Turns {
    /// Takes a checksum file; gives any other task back.
    pub fn keep(&mut self, task: Task) -> Option<Task> {
        use std::os::unix::ffi::OsStrExt;
        let name = task.object.path.file_name().unwrap_or_default();
        if sums::is_sums(name.as_bytes()) {
            self.waiting.push(task);
            return None;
        }
        Some(task)
    }

    /// Those whose turn has come: `last` was listed last; `None`: everything was.
    pub fn ready(&mut self, last: Option<&Path>) -> Vec<Task> {
        let waits = |task: &Task| {
            let folder = task.object.path.parent().unwrap_or(Path::new(""));
            last.is_some_and(|last| last.starts_with(folder))
        };
        let (waiting, ready) = self.waiting.drain(..).partition(waits);
        self.waiting = waiting;
        ready
    }
}
