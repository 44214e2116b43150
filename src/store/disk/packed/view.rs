//! The files of a folder as they were at one time, shown as one tar.
//!
//! `toc.dat` comes first, since who knows it needs to read the others but once; the others follow, sorted by their bytes. Each file is
//! known by its identity (inode, size, times): one that is another when it is opened is an error. At most [`OPEN`] files are open at
//! a time. Memory: about 150 bytes a file, of [`MAX_FILES`] at most: 20 MB.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::tar;
use crate::blob::Blob;
use crate::error::Result;
use crate::pace::Pace;
use crate::store::disk::folder::{errno, identity};
use crate::store::disk::names;
use crate::store::disk::open::changed;
use crate::store::{FileId, io_error, retry};

/// The table of contents, without which no folder is one.
pub(super) const CONTENTS: &str = "toc.dat";
/// Files of one folder; with more it is refused by name, as folders are that hold something else than files.
const MAX_FILES: usize = 1 << 17;
/// Files that are kept open: a reader comes back to the last one or two.
const OPEN: usize = 4;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: OsString,
    pub(super) id: FileId,
    /// It has more names than this one.
    pub(super) is_linked: bool,
    /// Offset of its header in the tar.
    at: u64,
}

/// See the module.
pub(super) struct View {
    pub(super) folder: File,
    /// The folder itself.
    pub(super) id: FileId,
    pub(super) members: Vec<Member>,
    len: u64,
    pace: Arc<dyn Pace>,
    open: Mutex<VecDeque<(usize, Arc<File>)>>,
}

impl View {
    /// The files of `folder` as they are now; `None` if it holds anything but files with plain names, or no table of contents of an
    /// archive in files.
    pub(super) fn of(folder: File, pace: &Arc<dyn Pace>) -> Result<Option<Self>> {
        let id = folder_id(&folder)?;
        if !is_contents(&folder) {
            return Ok(None);
        }
        let Some(members) = members(&folder)? else { return Ok(None) };
        let len = members.last().map_or(0, Member::end) + tar::END;
        let open = Mutex::new(VecDeque::with_capacity(OPEN));
        Ok(Some(Self { folder, id, members, len, pace: Arc::clone(pace), open }))
    }

    /// The version that it is, as one file's: the folder's inode, the tar's length, the last change of content of any file, and the last
    /// change of anything of them and of the folder, which any other set of names has later.
    pub(super) fn identity(&self) -> FileId {
        let ids = || self.members.iter().map(|member| member.id);
        FileId {
            size: self.len,
            mtime: ids().map(|id| id.mtime).max().unwrap_or(self.id.mtime),
            ctime: ids().map(|id| id.ctime).max().unwrap_or(self.id.ctime).max(self.id.ctime),
            ..self.id
        }
    }

    /// Whether the files are still these, and the folder the same but for its own name.
    pub(super) fn is_same(&self) -> Result<bool> {
        let same = |now: Vec<Member>| now == self.members;
        Ok(folder_id(&self.folder)?.same_content(&self.id) && members(&self.folder)?.is_some_and(same))
    }

    /// The way of a new file, opened: one that is still what it was.
    pub(super) fn open(&self, member: &Member) -> io::Result<File> {
        let file = open(&self.folder, &member.name)?;
        if FileId::of(&retry(|| file.metadata())?) == member.id {
            return Ok(file);
        }
        Err(io::Error::from(io::ErrorKind::ResourceBusy))
    }

    /// The file that bytes from `at` on belong to: its number, where in it they begin, and how many of it are left.
    pub(super) fn locate(&self, at: u64) -> Option<(usize, u64, u64)> {
        let number = self.number(at)?;
        let member = self.members.get(number)?;
        let from = at.checked_sub(member.at + tar::BLOCK)?;
        let left = member.id.size.checked_sub(from).filter(|left| *left > 0)?;
        Some((number, from, left))
    }

    /// The file with this number, from those that are kept open.
    pub(super) fn file(&self, number: usize) -> io::Result<Arc<File>> {
        let kept = || self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, file)) = kept().iter().find(|(known, _)| *known == number) {
            return Ok(Arc::clone(file));
        }
        let member = self.members.get(number).ok_or(io::ErrorKind::NotFound)?;
        let file = Arc::new(self.open(member)?);
        let mut kept = kept();
        if kept.len() >= OPEN {
            kept.pop_front();
        }
        kept.push_back((number, Arc::clone(&file)));
        Ok(file)
    }

    /// The last file whose header begins at or before `at`; `None` behind the last one's padding.
    fn number(&self, at: u64) -> Option<usize> {
        let number = self.members.partition_point(|member| member.at <= at).checked_sub(1)?;
        (at < self.members.get(number)?.end()).then_some(number)
    }
}

impl Member {
    /// Where its padding ends in the tar.
    fn end(&self) -> u64 {
        self.at + tar::BLOCK + self.id.size + tar::padding(self.id.size)
    }
}

impl Blob for View {
    fn len(&self) -> u64 {
        self.len
    }

    /// Reads over as many small files as `buf` holds: who reads has one window for them all.
    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.piece(at + done as u64, rest) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(error) if done == 0 => return Err(error),
                // The next reading begins with it.
                Err(_) => break,
            }
        }
        Ok(done)
    }
}

impl View {
    /// The start of what stands at `at`: of a header, a file, or padding.
    fn piece(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let up_to = |end: u64, buf: usize| buf.min(usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX));
        if let Some((number, from, left)) = self.locate(at) {
            let most = self.pace.take(up_to(at + left, buf.len()));
            let Some(buf) = buf.get_mut(..most).filter(|buf| !buf.is_empty()) else { return Ok(0) };
            let file = self.file(number)?;
            return match retry_on_intr(|| rustix::io::pread(&*file, &mut *buf, from))? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                n => Ok(n),
            };
        }
        if let Some(member) = self.number(at).and_then(|number| self.members.get(number))
            && let Some(rest) = tar::header(member.name.as_bytes(), member.id.size).get((at - member.at) as usize..)
            && !rest.is_empty()
        {
            return rest.read_at(0, buf);
        }
        // Padding, or the end.
        let end = self.number(at).and_then(|number| self.members.get(number)).map_or(self.len, Member::end);
        let zeros = up_to(end, buf.len());
        buf.get_mut(..zeros).unwrap_or_default().fill(0);
        Ok(zeros)
    }
}

/// Opens a file of a folder to be read; a link is not followed, nobody waited for, and its access time left alone where that may be.
pub(super) fn open(folder: &File, name: &OsStr) -> rustix::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let open = |flags| retry_on_intr(|| rustix::fs::openat(folder, name, flags, Mode::empty()));
    match open(flags | OFlags::NOATIME) {
        Err(Errno::PERM) => open(flags),
        done => done,
    }
    .map(File::from)
}

/// The identity of a folder held open.
pub(super) fn folder_id(folder: &File) -> Result<FileId> {
    let meta = retry(|| folder.metadata()).map_err(|e| io_error("looking at the folder", &e))?;
    Ok(FileId::of(&meta))
}

/// Whether the folder has a table of contents that says its data is in other files.
fn is_contents(folder: &File) -> bool {
    // `PGDMP`, the version, sizes of numbers, and what the archive is: 3 (a tar, which in a folder is what it says) or 5.
    let mut head = [0; 11];
    let read = open(folder, OsStr::new(CONTENTS)).and_then(|file| {
        let is_file = file.metadata().is_ok_and(|meta| meta.is_file());
        if is_file { retry_on_intr(|| rustix::io::pread(&file, &mut head, 0)) } else { Ok(0) }
    });
    read == Ok(head.len()) && head.starts_with(b"PGDMP") && matches!(head.last(), Some(3 | 5))
}

/// The files of a folder in the tar's order; `None` if something else is there.
fn members(folder: &File) -> Result<Option<Vec<Member>>> {
    let mut found = Vec::new();
    let mut entries = Dir::read_from(folder).map_err(|e| errno("listing the folder", e))?;
    while let Some(entry) = entries.read() {
        let entry = entry.map_err(|e| errno("listing the folder", e))?;
        let name = OsString::from_vec(entry.file_name().to_bytes().to_vec());
        if name == "." || name == ".." {
            continue;
        }
        if found.len() >= MAX_FILES || !tar::can_be_named(name.as_bytes()) || names::stage(&name).is_some() {
            return Ok(None);
        }
        let stat = match retry_on_intr(|| rustix::fs::statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW)) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Err(changed()),
            Err(error) => return Err(errno("looking at a file", error)),
        };
        if !FileType::from_raw_mode(stat.st_mode).is_file() {
            return Ok(None);
        }
        found.push(Member { name, id: identity(&stat), is_linked: stat.st_nlink > 1, at: 0 });
    }
    found.sort_unstable_by(|one, two| (one.name != CONTENTS, &one.name).cmp(&(two.name != CONTENTS, &two.name)));
    let mut at = 0;
    for member in &mut found {
        member.at = at;
        at = member.end();
    }
    Ok(found.first().is_some_and(|first| first.name == CONTENTS).then_some(found))
}
