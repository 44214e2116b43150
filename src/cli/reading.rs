//! How a registry is read: by how many threads, and what is shown of it meanwhile.

use std::fs::File;
use std::io::{self, Read};

use super::args::{Bounds, ProgressWhen, Say};
use super::bar::Bar;
use super::build;
use crate::engine::Threads;
use crate::error::Result;
use crate::job::{Job, Progress};
use crate::progress::Progress as _;

/// Smaller registries are read before a bar could be looked at, bytes.
const SLOW: u64 = 32 << 20;

/// What was typed about it.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    jobs: usize,
    progress: Progress,
    quiet: bool,
}

impl Default for Reading {
    /// By all cores, with a bar on a terminal.
    fn default() -> Self {
        Self { jobs: build::cores(), progress: Progress::Auto, quiet: false }
    }
}

impl From<&Job> for Reading {
    fn from(job: &Job) -> Self {
        Self { jobs: job.jobs, progress: job.progress, quiet: job.quiet }
    }
}

impl Reading {
    /// As typed. Usage error: `--jobs 0`.
    pub fn new(bounds: &Bounds, say: &Say) -> Result<Self> {
        Ok(Self { jobs: build::jobs(bounds)?, progress: progress(say.progress), quiet: say.quiet })
    }

    /// The threads.
    pub fn pool(&self) -> Threads {
        Threads(self.jobs)
    }

    /// `file` of that length, with a bar if that takes long.
    pub fn input(&self, file: File, bytes: u64) -> Told {
        let bar = (bytes >= SLOW).then(|| Bar::of_registry(self.progress, self.quiet, bytes));
        Told { file, bar }
    }
}

/// `--progress`.
pub fn progress(typed: ProgressWhen) -> Progress {
    match typed {
        ProgressWhen::Auto => Progress::Auto,
        ProgressWhen::Always => Progress::Always,
        ProgressWhen::Never => Progress::Never,
    }
}

/// A file, and a bar that is told of what is read and goes with it.
pub struct Told {
    file: File,
    bar: Option<Bar>,
}

impl Read for Told {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        if let Some(bar) = &self.bar {
            bar.read(read as u64);
        }
        Ok(read)
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_for_what_is_slow() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        for (bytes, shown) in [(SLOW - 1, false), (SLOW, true)] {
            let reading = Reading { jobs: 3, progress: Progress::Never, quiet: true };
            let mut told = reading.input(File::open(file.path()).unwrap(), bytes);
            assert_eq!(told.bar.is_some(), shown);
            let mut text = String::new();
            assert_eq!((told.read_to_string(&mut text).unwrap(), text.as_str()), (3, "abc"));
        }
    }
}
