//! Standard input and output as the two ends of a filter.
//!
//! Both wait by `poll`, at most a quarter of a second at one time, so that a signal ends a wait on a pipe on whose other side
//! nothing happens. Short reads are passed on as they come. Nothing is buffered here: what was written is with the kernel, and
//! a reader that went away is an error, not an end.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::{Error, Kind, Result};
use crate::input::Source;

/// Bytes that a pipe which is ready takes without a wait (POSIX `PIPE_BUF` on Linux, pipe(7)).
const PIPE_BUF: usize = 4096;
/// Longest wait before a signal's flag is looked at.
const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };

/// Longest wait for a reader after a failure: a client that makes an index reads nothing meanwhile.
const LAST: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

/// Where a filter writes.
pub trait Sink {
    /// Writes all of `bytes`; on return none of them is held here.
    fn write(&mut self, bytes: &[u8]) -> Result<()>;

    /// Writes `bytes` after a failure, if that is possible: at most `PIPE_BUF` of them, signal or not, within a minute.
    fn last(&mut self, bytes: &[u8]) {
        let _late = self.write(bytes);
    }
}

/// Standard input.
pub struct Stdin<'s> {
    file: File,
    stop: &'s AtomicBool,
}

/// Standard output.
pub struct Stdout<'s> {
    file: File,
    /// A regular file: its writes do not wait on anybody.
    plain: bool,
    stop: &'s AtomicBool,
}

/// A copy of a standard stream's descriptor.
fn copy(of: impl AsFd) -> Result<File> {
    of.as_fd().try_clone_to_owned().map(File::from).map_err(|e| Error::io("opening a standard stream", &e))
}

/// Both ends; `stop` is set by a signal. Refuses to write to the file that is read.
pub fn both(stop: &AtomicBool) -> Result<(Stdin<'_>, Stdout<'_>)> {
    let (input, output) = (Stdin::open(stop)?, copy(io::stdout())?);
    let meta = |file: &File| file.metadata().map_err(|e| Error::io("looking at a standard stream", &e));
    let (from, to) = (meta(&input.file)?, meta(&output)?);
    if from.is_file() && to.is_file() && (from.dev(), from.ino()) == (to.dev(), to.ino()) {
        return Err(Error::usage("stdin and stdout are the same file"));
    }
    Ok((input, Stdout { plain: to.is_file(), file: output, stop }))
}

impl<'s> Stdin<'s> {
    /// Standard input; `stop` is set by a signal.
    pub fn open(stop: &'s AtomicBool) -> Result<Self> {
        Ok(Self { file: copy(io::stdin())?, stop })
    }

    /// Time of the last change, if it is a file.
    pub fn modified(&self) -> Option<Timestamp> {
        let meta = self.file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Timestamp::try_from(meta.modified().ok()?).ok()
    }
}

impl Source for Stdin<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        loop {
            wait(&self.file, PollFlags::IN, self.stop)?;
            match self.file.read(buf) {
                Ok(n) => return Ok(n),
                Err(error) if again(&error) => {}
                Err(error) => return Err(Error::io("reading stdin", &error)),
            }
        }
    }
}

impl Sink for Stdout<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let mut piece = rest;
            if !self.plain {
                wait(&self.file, PollFlags::OUT, self.stop)?;
                piece = rest.get(..PIPE_BUF).unwrap_or(rest);
            }
            match self.file.write(piece) {
                Ok(0) => return Err(Error::new(Kind::Io, "writing to stdout: nothing is taken")),
                Ok(n) => rest = rest.get(n..).unwrap_or_default(),
                Err(error) if again(&error) => {}
                Err(error) => return Err(Error::io("writing to stdout", &error)),
            }
        }
        Ok(())
    }

    fn last(&mut self, bytes: &[u8]) {
        let ready = poll(&mut [PollFd::new(&self.file, PollFlags::OUT)], Some(&LAST));
        if matches!(ready, Ok(n) if n > 0) {
            // Nobody is left to be told of an error.
            let _late = self.file.write(bytes);
        }
    }
}

/// What a descriptor says that others made non-blocking, or a signal.
fn again(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}

/// Waits until `file` is ready, its other side is gone, or a signal came.
fn wait(file: &File, what: PollFlags, stop: &AtomicBool) -> Result<()> {
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::new(Kind::Interrupted, "interrupted"));
        }
        match poll(&mut [PollFd::new(file, what)], Some(&WAIT)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(Error::io("waiting for a standard stream", &error.into())),
        }
    }
}
