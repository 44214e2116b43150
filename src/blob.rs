//! Bytes that can be read at any offset, and spools: bounded memory first, an unlinked temporary file beyond it.
//!
//! A [`Blob`] is an artifact as its store gives it. A [`Spool`] holds what a pass makes and cannot send on yet: a re-made
//! member whose header needs its length, or the payload of a patch. Spool files are anonymous (`O_TMPFILE`, else
//! created 0600 under a random name and unlinked at once), so that a kill leaves nothing and no name tells anything.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zeroize::Zeroize;

use crate::error::{Error, Result};
use crate::limits::{SPOOL_MEMORY, SPOOL_POOL};
use crate::pace::{Free, Pace};

/// Bytes that do not change while they are read; whoever opens them checks that at commit.
pub trait Blob: Send + Sync {
    /// Length in bytes at the time of opening.
    fn len(&self) -> u64;
    /// Whether it holds no byte.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Reads up to `buf.len()` bytes from offset `at`; 0 only at or after the end. Short reads are allowed.
    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize>;
}

impl Blob for [u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }
    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(at).ok().and_then(|at| self.get(at..)).unwrap_or_default();
        let n = rest.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..n), rest.get(..n)) {
            to.copy_from_slice(from);
        }
        Ok(n)
    }
}

impl Blob for Vec<u8> {
    fn len(&self) -> u64 {
        Blob::len(self.as_slice())
    }
    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.as_slice().read_at(at, buf)
    }
}

/// A file opened to be read; its length is taken once. For what is not guarded against writers: the `verify` verb.
#[derive(Debug)]
pub struct FileBlob {
    file: File,
    meta: std::fs::Metadata,
    pace: Option<Arc<dyn Pace>>,
}

impl FileBlob {
    /// Opens the regular file at `path`; a link, FIFO or device is refused without waiting on it.
    pub fn open(path: &Path) -> Result<Self> {
        use rustix::fs::{Mode, OFlags, open};
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(open(path, flags, Mode::empty()).map_err(|e| Error::io("opening", &e.into()))?);
        let meta = file.metadata().map_err(|e| Error::io("looking at a file", &e))?;
        if !meta.is_file() {
            return Err(Error::new(crate::error::Kind::Skipped, "special file"));
        }
        Ok(Self { file, meta, pace: None })
    }

    /// Read at that pace.
    #[must_use]
    pub fn paced(self, pace: Option<&Arc<dyn Pace>>) -> Self {
        Self { pace: pace.cloned(), ..self }
    }

    /// Time of its last change.
    pub fn modified(&self) -> Option<jiff::Timestamp> {
        jiff::Timestamp::try_from(self.meta.modified().ok()?).ok()
    }
}

impl Blob for FileBlob {
    fn len(&self) -> u64 {
        self.meta.len()
    }
    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(self.meta.len().saturating_sub(at)).unwrap_or(usize::MAX);
        let most = self.pace.as_ref().map_or(buf.len(), |pace| pace.take(buf.len().min(rest)));
        self.file.read_at(buf.get_mut(..most).unwrap_or_default(), at)
    }
}

/// The temporary space of a run: a folder, a bound, and what is in use of it.
#[derive(Debug)]
pub struct TempSpace {
    dir: PathBuf,
    max: u64,
    used: AtomicU64,
    /// Bytes that spools hold in memory, all together.
    memory: AtomicU64,
    pace: Arc<dyn Pace>,
}

impl TempSpace {
    /// Temporary files go to `dir` (`--temp-dir`), at most `max` bytes at one time (`--max-temp`).
    pub fn new(dir: PathBuf, max: u64) -> Arc<Self> {
        Self::paced(dir, max, Arc::new(Free))
    }

    /// As [`Self::new`], in a run of that pace.
    pub fn paced(dir: PathBuf, max: u64, pace: Arc<dyn Pace>) -> Arc<Self> {
        Arc::new(Self { dir, max, used: AtomicU64::new(0), memory: AtomicU64::new(0), pace })
    }

    /// The pace of the run: for all who read or write files in it.
    pub fn pace(&self) -> &Arc<dyn Pace> {
        &self.pace
    }

    fn take(&self, bytes: u64) -> Result<()> {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.max {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
            return Err(Error::limit(format!("--max-temp ({} bytes)", self.max)));
        }
        Ok(())
    }

    /// Takes memory for a spool; `false` once all spools together hold [`SPOOL_POOL`].
    fn take_memory(&self, bytes: u64) -> bool {
        let before = self.memory.fetch_add(bytes, Ordering::Relaxed);
        let fits = before + bytes <= SPOOL_POOL;
        if !fits {
            self.memory.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }

    fn give(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Bytes written once, then read at any offset. Holds [`SPOOL_MEMORY`] bytes in memory (all spools of a run together
/// [`SPOOL_POOL`]), the rest in an unlinked file.
#[derive(Debug)]
pub struct Spool {
    space: Arc<TempSpace>,
    head: Vec<u8>,
    file: Option<File>,
    in_file: u64,
}

impl Spool {
    /// An empty spool; touches no disk before it outgrows its memory.
    pub fn new(space: &Arc<TempSpace>) -> Self {
        Self { space: Arc::clone(space), head: Vec::new(), file: None, in_file: 0 }
    }

    /// Appends all of `bytes`.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let small = self.file.is_none() && self.head.len() + bytes.len() <= SPOOL_MEMORY;
        if small && self.space.take_memory(bytes.len() as u64) {
            self.head.extend_from_slice(bytes);
            return Ok(());
        }
        self.space.take(bytes.len() as u64)?;
        if self.file.is_none() {
            match anonymous(&self.space.dir) {
                Ok(file) => self.file = Some(file),
                Err(error) => {
                    self.space.give(bytes.len() as u64);
                    return Err(Error::io("creating a temporary file", &error).help("see --temp-dir"));
                }
            }
        }
        let Some(file) = &self.file else { return Ok(()) };
        match write_paced(file, bytes, self.in_file, &*self.space.pace) {
            Ok(()) => {
                self.in_file += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.space.give(bytes.len() as u64);
                Err(Error::io("writing a temporary file", &error).help("see --temp-dir"))
            }
        }
    }
}

/// A spool from its first byte to its last.
#[derive(Debug)]
pub struct Played<S> {
    of: S,
    at: u64,
}

impl<S: std::ops::Deref<Target = Spool>> Played<S> {
    /// Reads `of` from its start.
    pub fn new(of: S) -> Self {
        Self { of, at: 0 }
    }
}

impl<S: std::ops::Deref<Target = Spool>> io::Read for Played<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = if self.at < self.of.len() { self.of.read_at(self.at, into)? } else { 0 };
        self.at += read as u64;
        Ok(read)
    }
}

impl Blob for Spool {
    fn len(&self) -> u64 {
        self.head.len() as u64 + self.in_file
    }
    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let head = self.head.len() as u64;
        match &self.file {
            Some(file) if at >= head => {
                let rest = usize::try_from(self.len().saturating_sub(at)).unwrap_or(usize::MAX);
                let most = self.space.pace.take(buf.len().min(rest));
                file.read_at(buf.get_mut(..most).unwrap_or_default(), at - head)
            }
            _ => self.head.read_at(at, buf),
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.space.give(self.in_file);
        self.space.memory.fetch_sub(self.head.len() as u64, Ordering::Relaxed);
        // What was spooled may be personal data.
        self.head.zeroize();
    }
}

/// Writes all of `bytes` at `at`, turn by turn.
fn write_paced(file: &File, bytes: &[u8], at: u64, pace: &dyn Pace) -> io::Result<()> {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        let turn = pace.take(rest.len()).max(1);
        file.write_all_at(rest.get(..turn).unwrap_or(rest), at + done as u64)?;
        done += turn;
    }
    Ok(())
}

/// An anonymous file in `dir`, mode 0600.
fn anonymous(dir: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, open};
    let mode = Mode::RUSR | Mode::WUSR;
    if let Ok(fd) = open(dir, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode) {
        return Ok(File::from(fd));
    }
    // File systems without O_TMPFILE (NFS, some overlays).
    let path = dir.join(format!(".unwrite-spool-{}", ulid::Ulid::new()));
    let fd = open(&path, OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC, mode)?;
    rustix::fs::unlink(&path)?;
    Ok(File::from(fd))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spool_reads_back_across_the_memory_bound() {
        let space = TempSpace::new(std::env::temp_dir(), 1 << 30);
        let mut spool = Spool::new(&space);
        let all: Vec<u8> = (0..SPOOL_MEMORY * 2 + 7).map(|i| (i % 251) as u8).collect();
        for piece in all.chunks(70_001) {
            spool.append(piece).unwrap();
        }
        assert_eq!(spool.len(), all.len() as u64);
        let (mut at, mut buf) = (0u64, [0u8; 4099]);
        while at < spool.len() {
            let n = spool.read_at(at, &mut buf).unwrap();
            assert_eq!(&buf[..n], &all[at as usize..at as usize + n]);
            at += n as u64;
        }
        drop(spool);
        assert_eq!(space.used.load(Ordering::Relaxed), 0, "dropped spools give their space back");
    }

    #[test]
    fn temp_space_is_bounded() {
        let space = TempSpace::new(std::env::temp_dir(), 10);
        let mut spool = Spool::new(&space);
        let error = spool.append(&vec![0; SPOOL_MEMORY + 1]).unwrap_err();
        assert!(error.reason().starts_with("limit: --max-temp"), "{error}");
    }
}
