//! The commit in place: the draft gets the original's name, and no instant shows anything but old or new, whole.
//!
//! The steps, and why each must stand where it stands:
//! 1. Metadata *must* be complete before the draft has the `.draft` name, so that a left-over of that name is either a whole
//!    new file or a whole old one (`sweep` relies on it).
//! 2. The draft's content *must* be durable (fsync) before it can get the name, else a power loss could leave the name on an
//!    empty file.
//! 3. The draft *must* be under a read lease of its own, and nobody hold it open for writing, before it gets the name: then
//!    whoever opens it for writing while the swap may still be backed out waits, and is seen.
//! 4. The source *must* be the version that was read (identity of descriptor and of name, lease not wanted) right before
//!    `renameat2(EXCHANGE)`. Any instant before: the name has the old file. After: the new one. Both are whole.
//! 5. The old inode *must* be looked at again, under the draft's name now: a writer that had found it before the exchange
//!    waits for the lease. The names are then exchanged back *before* the lease is released, so that the writer's bytes go to
//!    the file under the name. At once after the exchange, so that the time in which both versions have been seen is
//!    short; and once more after the folder is durable and [`GRACE`] has passed, for one that was slow between finding the inode and
//!    asking for it.
//! 6. The folder *must* be durable before the old file is unlinked: else a power loss could take both names.
//! 7. The old file *must* be unlinked, durably, before the commit is reported: it holds what was to be erased.
//!
//! Killed before 4: at most a left-over draft, removed by the next sweep. Between 4 and 7: the left-over *is the old file*, already
//! replaced, and removing it is right, unless a writer was waiting for it at that instant: `sweep` sees that and keeps it.
//! Should a writer wait for the old file and another for the new one at the same time, no order of names serves both: both
//! files are kept, and the commit fails saying so.
//!
//! Without `EXCHANGE` (NFS, FAT) the old file gets a second name first and the draft is renamed over the original's: the
//! same states, but not one step for who renames files into the folder meanwhile; noted.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, RenameFlags};
use rustix::io::{Errno, retry_on_intr};

use super::draft::{DiskDraft, gone_or};
use super::folder::errno;
use super::lease::{self, Taken};
use super::meta;
use super::names::{self, Stage};
use super::open::{Opened, changed, vanished, writer};
use super::writers::{self, Look};
use crate::error::{Error, Kind, Result};
use crate::store::{Committed, FileId, Identity, Note, Original, io_error, retry};

/// How long the old inode stays under the lease after the exchange, at least. A writer that had found it before needs
/// microseconds to ask for it; this is for one that lost its processor just between. An fsync on a real disk takes as long.
const GRACE: Duration = Duration::from_millis(5);

/// The swap under way: what stands where.
struct Swap<'a, 'o> {
    old: &'o Opened,
    draft: &'a mut DiskDraft<'o>,
    /// The new file, opened read-only (a lease wants that).
    fresh: File,
    fresh_identity: FileId,
    fresh_leased: bool,
    /// Name of the old file while both exist.
    aside: OsString,
    exchanged: bool,
}

impl DiskDraft<'_> {
    /// Commits in place.
    pub(super) fn swap(&mut self) -> Result<Committed> {
        let original = self.base.file()?;
        original.check()?;
        meta::carry(&original.file, &original.meta, &self.sheet.file, true)?;
        let name = self.sheet.complete(&self.folder)?;
        retry_on_intr(|| rustix::fs::fsync(&self.sheet.file)).map_err(|e| errno("syncing the draft", e))?;
        let fresh = self.reopen(&name)?;
        let fresh_leased = original.is_leased() && lease::take(&fresh) == Taken::Held;
        let fresh_identity = look(&fresh)?;
        Swap { old: original, draft: self, fresh, fresh_identity, fresh_leased, aside: name, exchanged: true }.run()
    }

    /// Opens the draft read-only under a lock of its own, and closes the descriptor for writing.
    pub(super) fn reopen(&mut self, name: &OsStr) -> Result<File> {
        let file = self.folder.read(name).map_err(|e| errno("opening the draft", e))?;
        let written = look(&self.sheet.file)?;
        if look(&file)? != written {
            return Err(Error::new(Kind::Io, "the draft was replaced by somebody"));
        }
        let _ = retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared));
        let copy = retry(|| file.try_clone()).map_err(|e| io_error("opening the draft", &e))?;
        // Closes what was open for writing.
        self.sheet.file = copy;
        Ok(file)
    }
}

impl Swap<'_, '_> {
    fn run(mut self) -> Result<Committed> {
        let old = self.old;
        old.check()?;
        match self.draft.folder.stat(&self.draft.target)? {
            Some(named) if named == old.id() => {}
            Some(_) => return Err(changed()),
            None => return Err(vanished()),
        }
        self.exchange()?;
        if let Some(error) = self.trouble(false) {
            return Err(self.back_out(error));
        }
        let since = Instant::now();
        let synced = match self.draft.folder.sync() {
            Ok(synced) => synced,
            Err(error) => return Err(self.back_out(error)),
        };
        std::thread::sleep(GRACE.saturating_sub(since.elapsed()));
        if let Some(error) = self.trouble(true) {
            return Err(self.back_out(error));
        }
        // Before the old file goes: what fails from there on cannot be taken back.
        let identity = match look(&self.fresh) {
            Ok(identity) => identity,
            Err(error) => return Err(self.back_out(error)),
        };
        if let Err(error) = self.draft.folder.unlink(&self.aside) {
            return Err(self.back_out(errno("removing the old file", error)));
        }
        self.draft.sheet.name = None;
        // From here on there is no way back: a failure to make it durable is noted.
        let synced = synced && self.draft.folder.sync().unwrap_or(false);
        if !synced {
            self.draft.notes.push(Note::FolderNotSynced);
        }
        let notes = std::mem::take(&mut self.draft.notes);
        Ok(Committed { identity: Identity::File(identity), already: false, notes })
    }

    /// Gives the draft the original's name, and the original the name `aside`.
    fn exchange(&mut self) -> Result<()> {
        let folder = &self.draft.folder;
        if self.old.means.exchange {
            loop {
                match folder.rename(&self.aside, &self.draft.target, RenameFlags::EXCHANGE) {
                    Ok(()) => return Ok(()),
                    // Made or not? A second exchange would undo the first.
                    Err(Errno::INTR) if self.is_fresh_named()? => return Ok(()),
                    Err(Errno::INTR) => {}
                    Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => break,
                    Err(error) => return Err(gone_or("exchanging the names", error)),
                }
            }
        }
        self.exchanged = false;
        self.draft.notes.push(Note::NoExchange);
        let aside = names::fresh(Stage::Draft)?;
        folder.link(&self.draft.target, &aside).map_err(|e| gone_or("keeping the old file", e))?;
        match folder.rename(&self.aside, &self.draft.target, RenameFlags::empty()) {
            Err(Errno::INTR) if self.is_fresh_named()? => {}
            Ok(()) => {}
            Err(error) => {
                // The original still has its name; the second one must not stay. A failure is the sweep's.
                let _ = folder.unlink(&aside);
                return Err(errno("renaming the draft", error));
            }
        }
        self.aside.clone_from(&aside);
        self.draft.sheet.name = Some(aside);
        Ok(())
    }

    /// Whether the target's name is the new file.
    fn is_fresh_named(&self) -> Result<bool> {
        let named = self.draft.folder.stat(&self.draft.target)?;
        Ok(named.is_some_and(|named| named.same_inode(&self.fresh_identity)))
    }

    /// Why the swap must be taken back, if it must. `last`: also asks for the lease anew.
    fn trouble(&self, last: bool) -> Option<Error> {
        let old = self.old;
        if if last { old.has_writer_still() } else { old.has_writer() } {
            return Some(writer());
        }
        match old.now() {
            Ok(now) if now.same_content(&old.id()) => {}
            Ok(_) => return Some(changed()),
            Err(error) => return Some(error),
        }
        // Somebody may have renamed another file to the target's name just before the exchange.
        match self.draft.folder.stat(&self.aside) {
            Ok(Some(aside)) if aside.same_content(&old.id()) => None,
            Ok(_) => Some(changed()),
            Err(error) => Some(error),
        }
    }

    /// Whether a writer came to the new file: it is, or will be, more than what the draft was.
    fn is_fresh_wanted(&self) -> bool {
        let wanted = if self.fresh_leased {
            lease::is_wanted(&self.fresh)
        } else {
            writers::look(self.fresh_identity.dev, self.fresh_identity.ino) == Look::Some
        };
        wanted || !look(&self.fresh).is_ok_and(|now| now.same_content(&self.fresh_identity))
    }

    /// Gives the old file its name again, because of `error`; returns what the commit ends with.
    fn back_out(mut self, error: Error) -> Error {
        if self.is_fresh_wanted() || !self.is_fresh_named().unwrap_or(false) {
            return self.keep_both();
        }
        if !self.restore() {
            return self.keep_both();
        }
        if self.exchanged && self.is_fresh_wanted() {
            return self.keep_both();
        }
        if self.exchanged && self.draft.folder.unlink(&self.aside).is_err() {
            return Error::new(Kind::Io, "the draft cannot be removed");
        }
        self.draft.sheet.name = None;
        match self.draft.folder.sync() {
            Ok(_) => error,
            Err(unsynced) => unsynced,
        }
    }

    /// Puts the old file back under its name; says whether that worked.
    fn restore(&mut self) -> bool {
        let flags = if self.exchanged { RenameFlags::EXCHANGE } else { RenameFlags::empty() };
        loop {
            match self.draft.folder.rename(&self.aside, &self.draft.target, flags) {
                Ok(()) => return true,
                Err(Errno::INTR) => match self.is_fresh_named() {
                    Ok(true) => {}
                    Ok(false) => return true,
                    Err(_) => return false,
                },
                Err(_) => return false,
            }
        }
    }

    /// Nothing may be removed without a loss.
    fn keep_both(&mut self) -> Error {
        self.draft.sheet.name = None;
        Error::new(Kind::Io, "written to by others during the commit; both versions were kept")
            .help("look for .unwrite-*.draft beside it")
    }
}

fn look(file: &File) -> Result<FileId> {
    let meta = retry(|| file.metadata()).map_err(|e| io_error("looking at the draft", &e))?;
    Ok(FileId::of(&meta))
}
