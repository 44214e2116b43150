//! How a registry is read: by how many threads, and what is shown of it meanwhile.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::args::{Bounds, ProgressWhen, Say};
use super::bar::Bar;
use super::build;
use crate::blob::{Blob, Played, Spool, TempSpace};
use crate::engine::Threads;
use crate::error::{Error, Kind, Result};
use crate::job::{Job, Progress};
use crate::progress::Progress as _;
use crate::store::s3::{Place, S3};

/// Smaller registries are read before a bar could be looked at, bytes.
const SLOW: u64 = 32 << 20;

/// What was typed about it.
#[derive(Debug, Clone)]
pub struct Reading {
    jobs: usize,
    progress: Progress,
    quiet: bool,
    /// A registry that was read from a bucket, once a run, and when it was written last, nanoseconds since the epoch. It is in
    /// temporary files without a name as far as it is long.
    fetched: Option<(Arc<Spool>, i128)>,
}

impl Default for Reading {
    /// By all cores, with a bar on a terminal.
    fn default() -> Self {
        Self { jobs: build::cores(), progress: Progress::Auto, quiet: false, fetched: None }
    }
}

impl From<&Job> for Reading {
    fn from(job: &Job) -> Self {
        Self { jobs: job.jobs, progress: job.progress, quiet: job.quiet, fetched: None }
    }
}

impl Reading {
    /// As typed. Usage error: `--jobs 0`.
    pub fn new(bounds: &Bounds, say: &Say) -> Result<Self> {
        Ok(Self { jobs: build::jobs(bounds)?, progress: progress(say.progress), quiet: say.quiet, fetched: None })
    }

    /// The same, with the registry at `path` if that is in a bucket. A usage error if it cannot be read.
    pub fn fetch(mut self, path: &Path, s3: Option<&S3>, space: &Arc<TempSpace>) -> Result<Self> {
        let (Some(place), Some(s3)) = (Place::parse(path.as_os_str().as_bytes()), s3) else { return Ok(self) };
        let mut spool = Spool::new(space);
        let entry = s3.download(&place?, &mut spool).map_err(|error| match error.kind() {
            Kind::Interrupted => error,
            _ => Error::usage(format!("cannot read the registry: {error}")),
        })?;
        self.fetched = Some((Arc::new(spool), entry.modified));
        Ok(self)
    }

    /// The registry that was fetched, from its start, and when it was written last.
    pub fn fetched(&self, now: Timestamp) -> Option<(Told, Timestamp)> {
        let (spool, modified) = self.fetched.as_ref()?;
        let modified = Timestamp::from_nanosecond(*modified).unwrap_or(now);
        Some((self.told(Box::new(Played::new(Arc::clone(spool))), spool.len()), modified))
    }

    /// The threads.
    pub fn pool(&self) -> Threads {
        Threads(self.jobs)
    }

    /// `file` of that length, with a bar if that takes long.
    pub fn input(&self, file: File, bytes: u64) -> Told {
        self.told(Box::new(file), bytes)
    }

    fn told(&self, file: Box<dyn Read + Send>, bytes: u64) -> Told {
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
    file: Box<dyn Read + Send>,
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
            let reading = Reading { jobs: 3, progress: Progress::Never, quiet: true, fetched: None };
            let mut told = reading.input(File::open(file.path()).unwrap(), bytes);
            assert_eq!(told.bar.is_some(), shown);
            let mut text = String::new();
            assert_eq!((told.read_to_string(&mut text).unwrap(), text.as_str()), (3, "abc"));
        }
    }
}
