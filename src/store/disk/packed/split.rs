//! A patch of the tar, played into a folder: each file as its header says, in the order of the originals.
//!
//! The tar's names and their order must be those of the original, since the new folder is shown in the same order: a patch that would rename
//! a file (its name holds an identifier) is refused. Long kept ranges of a file are copied by the kernel. Each file gets the metadata of
//! its original. Memory: a window.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::tar::{self, BLOCK, Block};
use super::view::View;
use super::{NAME, Packed, gone};
use crate::blob::Blob;
use crate::edit::Piece;
use crate::error::{Error, Kind, Result};
use crate::limits::WINDOW;
use crate::span::Span;
use crate::store::disk::folder::errno;
use crate::store::disk::meta;
use crate::store::{Note, Original, io_error, retry};

/// Kept ranges from this length on are copied by the kernel; shorter ones are cheaper read and written together.
const COPY_MIN: u64 = WINDOW as u64;
/// Bytes copied at a time, so that a signal need not wait long.
const COPY_STEP: u64 = 64 << 20;

/// Takes the tar piece by piece.
pub(super) struct Split<'a> {
    from: &'a Packed,
    to: &'a File,
    in_place: bool,
    state: State,
    header: Vec<u8>,
    /// Files that are done.
    done: usize,
    kept: u64,
    by_kernel: bool,
    notes: Vec<Note>,
}

/// What comes next.
enum State {
    Header,
    /// So many bytes of a file.
    Body(Sheet, u64),
    /// So many zeros, and then a header.
    Padding(u64),
    /// Zeros only.
    End,
}

/// A file that is being written.
struct Sheet {
    file: File,
    /// Bytes that are written.
    at: u64,
    /// Bytes that are to be.
    ready: Vec<u8>,
    size: u64,
}

impl<'a> Split<'a> {
    /// Into the empty folder `to`.
    pub(super) fn new(from: &'a Packed, to: &'a File, in_place: bool) -> Self {
        let by_kernel = from.means.copy_range;
        Self {
            from,
            to,
            in_place,
            state: State::Header,
            header: Vec::new(),
            done: 0,
            kept: 0,
            by_kernel,
            notes: Vec::new(),
        }
    }

    /// The next piece.
    pub(super) fn take(&mut self, piece: Piece) -> Result<()> {
        match piece {
            Piece::Write(bytes) => self.write(&bytes),
            Piece::Keep(span) => self.keep(span),
        }
    }

    /// All pieces were taken: bytes that were kept, and what went less well.
    pub(super) fn finish(self) -> Result<(u64, Vec<Note>)> {
        if matches!(self.state, State::End) && self.done == self.view().members.len() {
            return Ok((self.kept, self.notes));
        }
        Err(odd("the tar of the new folder lacks files"))
    }

    fn view(&self) -> &'a View {
        &self.from.view
    }

    fn keep(&mut self, span: Span) -> Result<()> {
        self.kept += span.len();
        let mut rest = span;
        let mut buf = Vec::new();
        while !rest.is_empty() {
            let copied = self.copy(rest)?;
            rest.start += copied;
            if copied > 0 {
                continue;
            }
            buf.resize(rest.len().min(WINDOW as u64) as usize, 0);
            let read = self.from.read_at(rest.start, &mut buf);
            let n = match read {
                Ok(0) => return Err(changed_or(self.from, odd("the original ended early"))),
                Ok(n) => n,
                Err(error) => return Err(changed_or(self.from, gone("reading the original", &error))),
            };
            self.write(buf.get(..n).unwrap_or_default())?;
            rest.start += n as u64;
        }
        Ok(())
    }

    /// Lets the kernel copy what stands at the start of `span`; returns how many bytes, 0 where it cannot or it is not worth it.
    fn copy(&mut self, span: Span) -> Result<u64> {
        let view = self.view();
        let State::Body(sheet, left) = &mut self.state else { return Ok(0) };
        let Some((number, mut from, there)) = view.locate(span.start).filter(|_| self.by_kernel) else { return Ok(0) };
        let most = span.len().min(there).min(*left);
        if most < COPY_MIN {
            return Ok(0);
        }
        sheet.flush(self.from)?;
        let source = view.file(number).map_err(|e| gone("reading the original", &e))?;
        let start = sheet.at;
        let end = start + most.min(COPY_STEP);
        while sheet.at < end {
            // Read and written: two turns.
            let turn = self.from.pace.take((end - sheet.at) as usize);
            let _paid = self.from.pace.take(turn);
            let copied = retry_on_intr(|| {
                rustix::fs::copy_file_range(&*source, Some(&mut from), &sheet.file, Some(&mut sheet.at), turn)
            });
            match copied {
                Ok(n) if n > 0 => {}
                // Whatever it is: reading and writing will do, or tell.
                Ok(_) | Err(_) => {
                    self.by_kernel = false;
                    break;
                }
            }
        }
        let copied = sheet.at - start;
        *left -= copied;
        if *left == 0 {
            self.close()?;
        }
        Ok(copied)
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let n = match &mut self.state {
                State::Header => {
                    let n = bytes.len().min(BLOCK as usize - self.header.len());
                    self.header.extend_from_slice(bytes.get(..n).unwrap_or_default());
                    n
                }
                State::Body(sheet, left) => {
                    let n = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX)).min(WINDOW);
                    sheet.push(bytes.get(..n).unwrap_or_default(), self.from)?;
                    *left -= n as u64;
                    n
                }
                State::Padding(left) => {
                    let n = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= n as u64;
                    zeros(bytes.get(..n).unwrap_or_default())?;
                    n
                }
                State::End => {
                    zeros(bytes)?;
                    bytes.len()
                }
            };
            bytes = bytes.get(n..).unwrap_or_default();
            match &self.state {
                State::Header if self.header.len() == BLOCK as usize => self.open()?,
                State::Body(_, 0) => self.close()?,
                State::Padding(0) => self.state = State::Header,
                _ => {}
            }
        }
        Ok(())
    }

    /// Begins the file that the header tells.
    fn open(&mut self) -> Result<()> {
        let header = std::mem::take(&mut self.header);
        let block: &Block = header.as_slice().try_into().map_err(|_| odd("a header of another length"))?;
        if block.iter().all(|byte| *byte == 0) {
            self.state = State::End;
            return Ok(());
        }
        let (name, size) = tar::parse(block).ok_or_else(|| odd("a header of the new folder's tar"))?;
        let name = OsStr::from_bytes(name);
        if self.view().members.get(self.done).is_none_or(|member| member.name != name) {
            return Err(Error::unsupported(format!("{NAME}: the name of a file would change")));
        }
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = retry_on_intr(|| rustix::fs::openat(self.to, name, flags, Mode::RUSR | Mode::WUSR))
            .map_err(|e| errno("creating the draft", e))?;
        self.state = State::Body(Sheet { file: File::from(fd), at: 0, ready: Vec::new(), size }, size);
        if size == 0 { self.close() } else { Ok(()) }
    }

    /// Ends the file that is being written, with its original's metadata.
    fn close(&mut self) -> Result<()> {
        let State::Body(mut sheet, 0) = std::mem::replace(&mut self.state, State::Header) else {
            return Err(odd("a file that was not begun"));
        };
        sheet.flush(self.from)?;
        let source = self.view().file(self.done).map_err(|e| changed_or(self.from, gone("opening", &e)))?;
        let meta = retry(|| source.metadata()).map_err(|e| io_error("looking at the original", &e))?;
        for note in meta::carry(&source, &meta, &sheet.file, self.in_place)? {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        self.done += 1;
        let padding = tar::padding(sheet.size);
        self.state = if padding == 0 { State::Header } else { State::Padding(padding) };
        Ok(())
    }
}

impl Sheet {
    fn push(&mut self, bytes: &[u8], from: &Packed) -> Result<()> {
        if self.ready.len() + bytes.len() > WINDOW {
            self.flush(from)?;
        }
        self.ready.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self, from: &Packed) -> Result<()> {
        let mut rest = self.ready.as_slice();
        while !rest.is_empty() {
            let turn = rest.get(..from.pace.take(rest.len())).unwrap_or(rest);
            match retry_on_intr(|| rustix::io::pwrite(&self.file, turn, self.at)) {
                Ok(0) => return Err(Error::new(Kind::Io, "the draft takes no more")),
                Ok(n) => {
                    self.at += n as u64;
                    rest = rest.get(n..).unwrap_or_default();
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(errno("writing the draft", error)),
            }
        }
        self.ready.clear();
        Ok(())
    }
}

fn zeros(bytes: &[u8]) -> Result<()> {
    if bytes.iter().all(|byte| *byte == 0) { Ok(()) } else { Err(odd("padding that is not zero")) }
}

/// The true reason may be that the folder changed.
fn changed_or(from: &Packed, error: Error) -> Error {
    from.check().err().unwrap_or(error)
}

fn odd(what: &'static str) -> Error {
    Error::new(Kind::Verify, what)
}
