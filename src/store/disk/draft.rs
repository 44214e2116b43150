//! The successor of an artifact on disk, from the empty file to its commit.
//!
//! A draft has no name while it is written (`O_TMPFILE`), so that a kill leaves nothing; file systems that cannot do that
//! get a hidden random name ending in `.part`. It lies in the target's folder, mode 0600, under a shared lock that keeps
//! the sweep of another run away. It gets a name ending in `.draft` only when it is complete with its metadata. Kept
//! ranges go by `copy_file_range` where they are long (a reflink where the file system can), and the digest is taken of
//! what then *is in the draft*. `swap` and `mirror` do the commit.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::{Errno, retry_on_intr};

use super::base::Base;
use super::folder::{Folder, errno};
use super::mirror;
use super::names::{self, Stage};
use super::open::{changed, elsewhere, vanished};
use crate::blob::Blob;
use crate::digest::{Sha256Of, sha256};
use crate::edit::{Patch, Piece};
use crate::error::{Error, Kind, Result};
use crate::limits::WINDOW;
use crate::span::Span;
use crate::store::{Applied, Committed, Draft, Note, To, io_error, retry};

/// Kept ranges from this length on are copied by the kernel; shorter ones are cheaper read and written together.
const COPY_MIN: u64 = WINDOW as u64;
/// Bytes copied at a time, so that what is hashed after is still in the page cache; a multiple of every block size.
const COPY_STEP: u64 = 8 << 20;

/// A draft on disk.
pub(super) struct DiskDraft<'o> {
    pub(super) base: Base<'o>,
    pub(super) folder: Folder,
    pub(super) sheet: Sheet,
    /// Name that it gets at commit.
    pub(super) target: OsString,
    pub(super) place: Place,
    pub(super) notes: Vec<Note>,
    pub(super) applied: Option<Applied>,
    /// Length that was foretold.
    len: u64,
}

/// Where it goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    InPlace,
    Mirror { overwrite: bool },
}

impl<'o> DiskDraft<'o> {
    /// An empty draft for `to`. Checks the free space, and in a mirror whether the target may be written.
    pub(super) fn create(base: Base<'o>, to: To<'_>, len: u64) -> Result<Self> {
        let (path, place) = match to {
            To::InPlace => (base.file()?.path.as_path(), Place::InPlace),
            To::Mirror { target, overwrite } => (target, Place::Mirror { overwrite }),
            To::Object { .. } => return Err(elsewhere()),
        };
        let target = path.file_name().ok_or_else(|| Error::new(Kind::Io, "the target has no name"))?;
        let parent = path.parent().unwrap_or(Path::new(""));
        if place != Place::InPlace {
            match base {
                Base::File(file) => mirror::make_folders(parent, &file.path, &file.relative)?,
                Base::Other(..) => mirror::make_folders(parent, Path::new(""), Path::new(""))?,
            }
        }
        let folder = Folder::open(parent)?;
        if let Place::Mirror { overwrite: false } = place {
            mirror::refuse_other_length(&folder, target, len)?;
        }
        let free = folder.free()?;
        if free < len {
            return Err(Error::new(Kind::Io, format!("no space: {len} bytes wanted, {free} free")));
        }
        let sheet = Sheet::create(&folder, base.means().tmpfile)?;
        let target = target.to_owned();
        Ok(Self { base, folder, sheet, target, place, notes: Vec::new(), applied: None, len })
    }
}

impl Draft for DiskDraft<'_> {
    fn apply(&mut self, patch: &Patch) -> Result<Applied> {
        if self.applied.is_some() || patch.base_len != self.base.blob().len() || patch.len() != self.len {
            return Err(Error::new(Kind::Verify, "the patch is not for this draft"));
        }
        let (base, file) = (self.base, &self.sheet.file);
        let (played, sha256) = sha256(&**base.crew(), self.len, |sha| {
            let mut pen = Pen::new(base, file, sha);
            patch.play(|piece| match piece {
                Piece::Keep(span) => pen.keep(span),
                Piece::Write(bytes) => pen.write(&bytes),
            })?;
            pen.finish()
        });
        let (bytes, kept) = played?;
        let applied = Applied { bytes, sha256: Some(sha256), kept };
        let on_disk = self.sheet.len()?;
        if applied.bytes != self.len || on_disk != self.len {
            return Err(Error::new(Kind::Verify, "the draft has not the length that was foretold"));
        }
        self.applied = Some(applied);
        Ok(applied)
    }

    fn blob(&self) -> &dyn Blob {
        self
    }

    fn sha256(&self) -> Result<[u8; 32]> {
        let applied = self.applied.and_then(|applied| applied.sha256);
        applied.ok_or_else(|| Error::new(Kind::Verify, "a digest before apply"))
    }

    fn commit(mut self: Box<Self>) -> Result<Committed> {
        if self.applied.is_none() {
            return Err(Error::new(Kind::Verify, "commit before apply"));
        }
        match self.place {
            Place::InPlace => self.swap(),
            Place::Mirror { overwrite } => self.put(overwrite),
        }
    }
}

impl Blob for DiskDraft<'_> {
    fn len(&self) -> u64 {
        self.applied.map_or(0, |applied| applied.bytes)
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(self.len().saturating_sub(at)).unwrap_or(usize::MAX);
        let most = self.base.pace().take(buf.len().min(rest));
        // A long verification must not make a writer of the original wait.
        self.base.tick()?;
        let buf = buf.get_mut(..most).unwrap_or_default();
        Ok(retry_on_intr(|| rustix::io::pread(&self.sheet.file, &mut *buf, at))?)
    }
}

impl Drop for DiskDraft<'_> {
    fn drop(&mut self) {
        if let Some(name) = self.sheet.name.take() {
            // Nothing can be done about a failure here; the next run's sweep will.
            let _ = self.folder.unlink(&name);
        }
    }
}

/// The draft's file and the name that it has at this time.
pub(super) struct Sheet {
    pub(super) file: File,
    pub(super) name: Option<OsString>,
}

impl Sheet {
    fn create(folder: &Folder, tmpfile: bool) -> Result<Self> {
        let mode = Mode::RUSR | Mode::WUSR;
        if tmpfile {
            let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
            if let Ok(fd) = retry_on_intr(|| rustix::fs::openat(folder, ".", flags, mode)) {
                let sheet = Self { file: File::from(fd), name: None };
                sheet.lock();
                return Ok(sheet);
            }
            // Any error: the way with a name tells the same one again, if it is not about O_TMPFILE.
        }
        let name = names::fresh(Stage::Part)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = retry_on_intr(|| rustix::fs::openat(folder, &name, flags, mode))
            .map_err(|e| errno("creating the draft", e))?;
        let sheet = Self { file: File::from(fd), name: Some(name) };
        sheet.lock();
        Ok(sheet)
    }

    /// A shared lock: the sweep wants an exclusive one. Where there are no locks, sweeps remove nothing.
    fn lock(&self) {
        let _ = retry_on_intr(|| rustix::fs::flock(&self.file, FlockOperation::NonBlockingLockShared));
    }

    fn len(&self) -> Result<u64> {
        retry(|| retry(|| self.file.metadata())).map(|m| m.len()).map_err(|e| io_error("looking at the draft", &e))
    }

    /// Gives it the name of a complete draft.
    pub(super) fn complete(&mut self, folder: &Folder) -> Result<OsString> {
        let name = names::fresh(Stage::Draft)?;
        match &self.name {
            Some(part) => match folder.rename(part, &name, RenameFlags::empty()) {
                // The call may have been made or not.
                Err(Errno::INTR) if folder.stat(&name)?.is_none() => folder.rename(part, &name, RenameFlags::empty()),
                Err(Errno::INTR) => Ok(()),
                done => done,
            },
            None => link_nameless(&self.file, folder, &name),
        }
        .map_err(|e| errno("naming the draft", e))?;
        self.name = Some(name.clone());
        Ok(name)
    }
}

/// Links an `O_TMPFILE` file into the tree, by `/proc` (open(2)) or, without it, by its descriptor.
fn link_nameless(file: &File, folder: &Folder, name: &OsStr) -> rustix::io::Result<()> {
    use std::os::fd::AsRawFd;
    let proc = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    match retry_on_intr(|| rustix::fs::linkat(CWD, &proc, folder, name, AtFlags::SYMLINK_FOLLOW)) {
        Err(Errno::NOENT) => retry_on_intr(|| rustix::fs::linkat(file, "", folder, name, AtFlags::EMPTY_PATH)),
        done => done,
    }
}

/// Writes the pieces of a patch one after another, and the digest of what then stands there.
struct Pen<'a, 's> {
    from: Base<'a>,
    to: &'a File,
    /// Bytes of the draft that are written or in `ready`.
    at: u64,
    /// Short pieces, written together.
    ready: Vec<u8>,
    hash: &'a mut Sha256Of<'s>,
    kept: u64,
    by_kernel: bool,
}

impl<'a, 's> Pen<'a, 's> {
    fn new(from: Base<'a>, to: &'a File, hash: &'a mut Sha256Of<'s>) -> Self {
        let by_kernel = from.means().copy_range;
        Self { from, to, at: 0, ready: Vec::with_capacity(WINDOW), hash, kept: 0, by_kernel }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        for chunk in bytes.chunks(WINDOW) {
            if self.ready.len() + chunk.len() > WINDOW {
                self.flush()?;
            }
            self.ready.extend_from_slice(chunk);
            self.at += chunk.len() as u64;
        }
        Ok(())
    }

    fn keep(&mut self, span: Span) -> Result<()> {
        self.kept += span.len();
        let mut rest = span;
        while !rest.is_empty() {
            let done = if rest.len() >= COPY_MIN && self.by_kernel { self.copy(rest)? } else { 0 };
            rest.start += if done == 0 { self.read(rest)? } else { done };
        }
        Ok(())
    }

    /// Reads the start of `span` and writes it as new bytes; returns how many.
    fn read(&mut self, span: Span) -> Result<u64> {
        if self.ready.len() == WINDOW {
            self.flush()?;
        }
        let before = self.ready.len();
        let most = span.len().min((WINDOW - before) as u64) as usize;
        self.ready.resize(before + most, 0);
        let buf = self.ready.get_mut(before..).unwrap_or_default();
        let got = self.from.blob().read_at(span.start, buf);
        self.ready.truncate(before + *got.as_ref().unwrap_or(&0));
        match got {
            Ok(0) => Err(changed()),
            Ok(n) => {
                self.at += n as u64;
                Ok(n as u64)
            }
            // A writer, or somebody who made it shorter: `check` knows; else it is what it is.
            Err(error) => {
                Err(self.from.original().check().err().unwrap_or_else(|| io_error("reading the original", &error)))
            }
        }
    }

    /// Lets the kernel copy the start of `span`; returns how many bytes, 0 where it cannot.
    fn copy(&mut self, span: Span) -> Result<u64> {
        let Ok(file) = self.from.file() else { return Ok(0) };
        self.flush()?;
        if self.from.tick().is_err() {
            self.from.original().check()?;
        }
        let (mut from, mut to, start) = (span.start, self.at, self.at);
        let end = start + span.len().min(COPY_STEP);
        while to < end {
            // Read and written: two turns.
            let most = self.from.pace().take((end - to) as usize);
            let _paid = self.from.pace().take(most);
            match retry_on_intr(|| {
                rustix::fs::copy_file_range(&file.file, Some(&mut from), self.to, Some(&mut to), most)
            }) {
                // Some file systems say so for what they cannot do: reading tells.
                Ok(0) => break,
                Ok(_) => {}
                Err(
                    Errno::XDEV
                    | Errno::OPNOTSUPP
                    | Errno::INVAL
                    | Errno::NOSYS
                    | Errno::PERM
                    | Errno::BADF
                    | Errno::TXTBSY
                    | Errno::ACCESS,
                ) => {
                    self.by_kernel = false;
                    break;
                }
                Err(error) => return Err(errno("copying into the draft", error)),
            }
        }
        self.at = to;
        self.hash_draft(Span::new(start, to))?;
        if to == start {
            self.by_kernel = false;
        }
        Ok(to - start)
    }

    /// Hashes what the kernel put there.
    fn hash_draft(&mut self, span: Span) -> Result<()> {
        let mut rest = span;
        self.ready.resize(WINDOW, 0);
        while !rest.is_empty() {
            let most = self.from.pace().take(rest.len().min(WINDOW as u64) as usize);
            let buf = self.ready.get_mut(..most).unwrap_or_default();
            let n = retry_on_intr(|| rustix::io::pread(self.to, &mut *buf, rest.start))
                .map_err(|e| errno("reading the draft", e))?;
            if n == 0 {
                return Err(Error::new(Kind::Io, "the draft ended early"));
            }
            self.hash.update(self.ready.get(..n).unwrap_or_default());
            rest.start += n as u64;
        }
        self.ready.clear();
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let mut rest = self.ready.as_slice();
        let mut at = self.at - rest.len() as u64;
        while !rest.is_empty() {
            let turn = rest.get(..self.from.pace().take(rest.len())).unwrap_or(rest);
            let n =
                retry_on_intr(|| rustix::io::pwrite(self.to, turn, at)).map_err(|e| errno("writing the draft", e))?;
            if n == 0 {
                return Err(Error::new(Kind::Io, "the draft takes no more"));
            }
            self.hash.update(rest.get(..n).unwrap_or_default());
            at += n as u64;
            rest = rest.get(n..).unwrap_or_default();
        }
        self.ready.clear();
        Ok(())
    }

    /// The draft is whole: its length, and how much of it was kept.
    fn finish(mut self) -> Result<(u64, u64)> {
        self.flush()?;
        Ok((self.at, self.kept))
    }
}

/// `skipped: vanished` for a file that is not there, else the error.
pub(super) fn gone_or(doing: &'static str, error: Errno) -> Error {
    if error == Errno::NOENT { vanished() } else { errno(doing, error) }
}
