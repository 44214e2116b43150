//! Where the lines of a manifest go, and when they are durable there: a file, or an object of a bucket.
//!
//! A file takes each line as it comes, and is synced where a line must be durable. An object cannot be appended to: lines are held
//! back in temporary space (`--max-temp`) and sent together, in one write, where one of them must be durable, at the latest with the
//! first line that comes five minutes after the last write. Who waits for a write of which others are the first does not write again:
//! lines that came meanwhile go with the next, all together. What a crash takes with it are lines that were not durable, as on a disk.
//!
//! Two runs cannot write one manifest: a file is locked; of an object each write asks that nobody else has written since, and the
//! run that is refused can write no more, and so commit no more.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::blob::{Blob, Played, Spool, TempSpace};
use crate::error::{Error, Kind, Result};
use crate::store::s3::{Place, S3, Text};

/// How long a line of a run whose artifacts are all clean is held back from an object.
const LATEST: Duration = Duration::from_mins(5);

/// Takes the lines of a manifest. After a failure it takes nothing more, and says the same again: what came after would chain to
/// a line that is not there.
pub trait Journal: Send + Sync {
    /// Takes whole lines.
    fn append(&self, lines: &[u8]) -> Result<()>;
    /// All lines that were taken so far are durable on return. May be called by several at one time.
    fn sync(&self) -> Result<()>;
}

/// A manifest that was opened to be written.
#[derive(Debug)]
pub enum Opened {
    /// On disk, locked, at its end.
    File(File),
    /// In a bucket, and its lines so far.
    Object(Box<Text>, Arc<Spool>),
}

impl Opened {
    /// Opens the manifest at `path` for appending. A file is created 0600 if it is not there, and locked, and is not read here; an
    /// object is read, and comes to be with the first lines. Usage errors: it cannot be opened.
    pub fn open(path: &Path, s3: Option<&S3>, space: &Arc<TempSpace>) -> Result<Self> {
        let Some(place) = Place::parse(path.as_os_str().as_bytes()) else { return file(path).map(Self::File) };
        let s3 = s3.ok_or_else(|| Error::new(Kind::Io, "no bucket was named before"))?;
        let place = place?;
        if place.is_prefix() {
            return Err(Error::usage("the manifest is a bucket or a folder").help("name an object: s3://bucket/key"));
        }
        let mut spool = Spool::new(space);
        let text = s3.text(&place).and_then(|mut text| text.read(&mut spool).map(|()| text));
        match text {
            Ok(text) => Ok(Self::Object(Box::new(text), Arc::new(spool))),
            Err(error) if error.kind() == Kind::Interrupted => Err(error),
            // Between the look and the reading.
            Err(error) if error.kind() == Kind::Skipped => Err(another()),
            Err(error) => Err(Error::usage(format!("cannot open the manifest: {error}"))),
        }
    }

    /// What it holds, from its start; to be read by one at a time.
    pub fn text(&self) -> Result<Box<dyn Read>> {
        match self {
            Self::File(file) => {
                let mut copy = file.try_clone().map_err(|e| Error::io("opening the manifest", &e))?;
                copy.rewind().map_err(|e| Error::io("opening the manifest", &e))?;
                Ok(Box::new(copy))
            }
            Self::Object(_, spool) => Ok(Box::new(Played::new(Arc::clone(spool)))),
        }
    }

    /// Whether it may be continued; `running`: its last run has not come to its end. An error of kind `Locked`: another run may still be
    /// writing it. (Who writes a file has its lock.)
    pub fn claim(&self, running: bool) -> Result<()> {
        match self {
            Self::Object(text, _) if running && text.is_busy() => {
                Err(another().help("a run on another machine counts as alive for 15 minutes after its last write"))
            }
            _ => Ok(()),
        }
    }

    /// Cuts off what stands behind `end`: a torn line, as a crash leaves it in a file. No write of ours leaves one in an object.
    pub fn cut(&self, end: u64) -> Result<()> {
        match self {
            Self::File(file) => file.set_len(end).map_err(|e| Error::io("cutting a torn line off the manifest", &e)),
            Self::Object(..) => Err(Error::usage("the manifest does not end with a whole line")
                .help("it is not as it was written; name another one with --manifest")),
        }
    }

    /// Its journal.
    pub fn journal(self, space: &Arc<TempSpace>) -> Arc<dyn Journal> {
        match self {
            Self::File(file) => Arc::new(OnDisk { file, failed: Mutex::default() }),
            Self::Object(text, _) => Arc::new(InBucket {
                pending: Mutex::new(Pending::new(space)),
                text: Mutex::new(*text),
                space: Arc::clone(space),
            }),
        }
    }
}

fn another() -> Error {
    Error::new(Kind::Locked, "another run writes this manifest")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file.
struct OnDisk {
    file: File,
    failed: Mutex<Option<Error>>,
}

impl OnDisk {
    fn fail(&self, error: Error) -> Error {
        *lock(&self.failed) = Some(error.clone());
        error
    }

    fn whole(&self) -> Result<()> {
        lock(&self.failed).clone().map_or(Ok(()), Err)
    }
}

impl Journal for OnDisk {
    fn append(&self, lines: &[u8]) -> Result<()> {
        self.whole()?;
        let meta = self.file.metadata().map_err(|e| self.fail(Error::io("reading the manifest's metadata", &e)))?;
        (&self.file).write_all(lines).map_err(|error| {
            // If this fails too the next run cuts the torn line off.
            let _torn = self.file.set_len(meta.len());
            self.fail(Error::io("writing the manifest", &error))
        })
    }

    fn sync(&self) -> Result<()> {
        self.whole()?;
        self.file.sync_data().map_err(|e| self.fail(Error::io("syncing the manifest", &e)))
    }
}

/// An object. What was not sent is sent as it goes, if it can be.
struct InBucket {
    pending: Mutex<Pending>,
    /// Held by who writes.
    text: Mutex<Text>,
    space: Arc<TempSpace>,
}

/// Lines that no write has taken yet.
struct Pending {
    lines: Spool,
    /// Bytes that were taken in all, and those of them that are in the bucket.
    taken: u64,
    sent: u64,
    /// When the last write ended.
    written: Instant,
    failed: Option<Error>,
}

impl Pending {
    fn new(space: &Arc<TempSpace>) -> Self {
        Self { lines: Spool::new(space), taken: 0, sent: 0, written: Instant::now(), failed: None }
    }
}

impl Journal for InBucket {
    fn append(&self, lines: &[u8]) -> Result<()> {
        let mut pending = lock(&self.pending);
        if let Some(error) = &pending.failed {
            return Err(error.clone());
        }
        if let Err(error) = pending.lines.append(lines) {
            pending.failed = Some(error.clone());
            return Err(error);
        }
        pending.taken += lines.len() as u64;
        let late = pending.written.elapsed() >= LATEST;
        drop(pending);
        if late { self.sync() } else { Ok(()) }
    }

    fn sync(&self) -> Result<()> {
        let wanted = lock(&self.pending).taken;
        let mut text = lock(&self.text);
        let (lines, upto, first) = {
            let mut pending = lock(&self.pending);
            if let Some(error) = &pending.failed {
                return Err(error.clone());
            }
            if pending.sent >= wanted {
                return Ok(());
            }
            (std::mem::replace(&mut pending.lines, Spool::new(&self.space)), pending.taken, pending.sent == 0)
        };
        let done = text.append(lines).map_err(|error| match error.kind() {
            Kind::Locked => another(),
            Kind::Interrupted => error,
            // The run line: nothing has been touched.
            _ if first => Error::usage(format!("cannot write the manifest: {error}")),
            kind => Error::new(kind, format!("writing the manifest: {error}")),
        });
        let mut pending = lock(&self.pending);
        match done {
            Ok(()) => (pending.sent, pending.written) = (upto, Instant::now()),
            Err(error) => {
                pending.failed = Some(error.clone());
                return Err(error);
            }
        }
        Ok(())
    }
}

impl Drop for InBucket {
    fn drop(&mut self) {
        let is_left = {
            let pending = lock(&self.pending);
            pending.failed.is_none() && !pending.lines.is_empty()
        };
        if is_left {
            // A run that ends by an error: its last lines are no worse off than in a crash.
            let _ = self.sync();
        }
    }
}

/// Opens the file at `path` for appending, creates it 0600 if it is not there, and locks it.
///
/// The name of a new one is durable on return: a durable intent in a file without a name would be none.
fn file(path: &Path) -> Result<File> {
    let mut options = File::options();
    options.read(true).append(true).mode(0o600);
    let (file, new) = match options.clone().create_new(true).open(path) {
        Ok(file) => (Ok(file), true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (options.create(true).open(path), false),
        Err(error) => (Err(error), false),
    };
    let file = file.map_err(|e| Error::new(Kind::Usage, format!("cannot open the manifest: {}", e.kind())))?;
    if new {
        sync_folder(path)?;
    }
    let kind = file.metadata().map_err(|e| Error::io("reading the manifest's metadata", &e))?.file_type();
    if !kind.is_file() {
        return Err(Error::usage("the manifest is not a regular file"));
    }
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(another()),
        Err(error) => Err(Error::io("locking the manifest", &error.into())),
    }
}

/// Makes the name `path` durable. A folder that cannot be opened (search permission only) or synced at all is let be.
fn sync_folder(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    match File::open(folder).map(|folder| folder.sync_all()) {
        Ok(Err(error)) if error.kind() != io::ErrorKind::InvalidInput => {
            Err(Error::io("syncing the manifest's folder", &error))
        }
        _ => Ok(()),
    }
}
