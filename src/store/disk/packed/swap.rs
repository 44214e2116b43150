//! The commit of a folder in place: old and new exchange their names, and no instant shows anything but the one or the other, whole.
//!
//! The steps are those of a file's ([`crate::store::disk`]'s `swap`), with these differences:
//! 1. Each new file *must* be durable with its metadata, and so must the new folder, before it can get the name.
//! 2. Nothing may be under a lease for long, since a folder may have more files than a process may open. Right before the exchange no
//!    old file may be open for writing, and all must be what was read; the same is asked again right after it, and once more after
//!    [`GRACE`], when the exchange is durable. Whoever opened one between keeps it under its name: the folders are exchanged back. If
//!    somebody wrote to the new folder as well, both are kept, the one beside under a name that no sweep removes.
//! 3. From the first old file that is removed there is no way back; the old folder's other files *must* go, and the folder itself,
//!    before the commit is reported. Only files that were read are removed: one that came later stays, with the folder, and is told.
//!
//! Killed before the exchange: a left-over draft, whole or not. After it: the left-over is the old folder, or what is left of it.
//! `left` removes either. Two renames in place of an exchange would leave nothing under the name between them: where the file system
//! has no `EXCHANGE`, the folder is refused by name.

use std::ffi::OsStr;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::{Errno, retry_on_intr};

use super::draft::FolderDraft;
use super::view::View;
use super::{NAME, left, refuse_writers};
use crate::error::{Error, Kind, Result};
use crate::store::disk::draft::gone_or;
use crate::store::disk::folder::{Folder, errno};
use crate::store::disk::names;
use crate::store::disk::open::{changed, vanished};
use crate::store::{Committed, Identity, Note, Original};

/// How long the old files stay after the exchange, at least, as in a file's swap.
const GRACE: Duration = Duration::from_millis(5);

impl FolderDraft<'_> {
    /// Commits in place.
    pub(super) fn swap(&mut self) -> Result<Committed> {
        let old = self.base;
        old.check()?;
        let aside = self.complete()?;
        self.fresh()?;
        old.check()?;
        match self.parent.stat(&self.target)? {
            Some(named) if named.same_inode(&old.view.id) => {}
            Some(_) => return Err(changed()),
            None => return Err(vanished()),
        }
        self.exchange(&aside)?;
        if let Some(error) = self.trouble(&aside) {
            return Err(self.back_out(&aside, error));
        }
        let since = Instant::now();
        if let Err(error) = self.sync() {
            return Err(self.back_out(&aside, error));
        }
        std::thread::sleep(GRACE.saturating_sub(since.elapsed()));
        if let Some(error) = self.trouble(&aside) {
            return Err(self.back_out(&aside, error));
        }
        // Before the old files go: what fails from there on cannot be taken back.
        let identity = match self.fresh() {
            Ok(view) => view.identity(),
            Err(error) => return Err(self.back_out(&aside, error)),
        };
        if let Err((is_whole, error)) = discard(&old.view, &self.parent, &aside) {
            return Err(if is_whole { self.back_out(&aside, error) } else { remains() });
        }
        // From here on there is no way back: a failure to make it durable is noted.
        if self.sync().is_err() {
            self.notes.push(Note::FolderNotSynced);
        }
        let notes = std::mem::take(&mut self.notes);
        Ok(Committed { identity: Identity::File(identity), already: false, notes })
    }

    /// Gives the draft the target's name, and what had that the name `aside`.
    pub(super) fn exchange(&mut self, aside: &OsStr) -> Result<()> {
        if !self.base.means.exchange {
            return Err(no_exchange());
        }
        // From now on the name may be the other folder's, which nobody may remove by mistake.
        let name = self.name.take();
        loop {
            match self.parent.rename(aside, &self.target, RenameFlags::EXCHANGE) {
                Ok(()) => return Ok(()),
                // Made or not? A second exchange would undo the first.
                Err(Errno::INTR) if self.is_named(&self.target)? => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => {
                    self.name = name;
                    let cannot = matches!(error, Errno::INVAL | Errno::NOSYS | Errno::NOTSUP);
                    return Err(if cannot { no_exchange() } else { gone_or("exchanging the names", error) });
                }
            }
        }
    }

    /// Why the swap must be taken back, if it must.
    fn trouble(&self, aside: &OsStr) -> Option<Error> {
        let old = self.base;
        if let Err(error) = refuse_writers(&old.view, old.means) {
            return Some(error);
        }
        match old.view.is_same() {
            Ok(true) => {}
            Ok(false) => return Some(changed()),
            Err(error) => return Some(error),
        }
        // Somebody may have renamed another folder to the target's name just before the exchange.
        match self.parent.stat(aside) {
            Ok(Some(named)) if named.same_content(&old.view.id) => None,
            Ok(_) => Some(changed()),
            Err(error) => Some(error),
        }
    }

    /// Whether somebody wrote to the new folder, or is about to.
    fn is_fresh_wanted(&self) -> bool {
        let Some(fresh) = &self.view else { return true };
        refuse_writers(fresh, self.base.means).is_err() || !fresh.is_same().unwrap_or(false)
    }

    /// Gives the old folder its name again, because of `error`; returns what the commit ends with.
    fn back_out(&mut self, aside: &OsStr, error: Error) -> Error {
        if self.is_fresh_wanted() || !self.is_named(&self.target).unwrap_or(false) {
            return self.keep_both(aside);
        }
        loop {
            match self.parent.rename(aside, &self.target, RenameFlags::EXCHANGE) {
                Ok(()) => break,
                Err(Errno::INTR) => match self.is_named(&self.target) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(_) => return self.keep_both(aside),
                },
                Err(_) => return self.keep_both(aside),
            }
        }
        if self.is_fresh_wanted() {
            return self.keep_both(aside);
        }
        // The name is the draft's again, which goes when this is dropped.
        self.name = Some(aside.to_owned());
        match self.parent.sync() {
            Ok(_) => error,
            Err(unsynced) => unsynced,
        }
    }

    /// Nothing may be removed without a loss. What was written may be older than the name that its folder has now, so that a sweep would
    /// not see it: the folder gets a name that none takes for a draft's.
    fn keep_both(&self, aside: &OsStr) -> Error {
        // Where either fails, the sweep looks at times, as after a kill; what is told is why both are there.
        let _ = self.parent.rename(aside, &names::kept(aside), RenameFlags::NOREPLACE);
        let _ = self.parent.sync();
        Error::new(Kind::Io, "written to by others during the commit; both versions were kept")
            .help("look for .unwrite-* beside it")
    }
}

/// Removes the files of `view`, and then their folder, which has the name `name`. An error says whether all files are still there.
pub(super) fn discard(view: &View, parent: &Folder, name: &OsStr) -> std::result::Result<(), (bool, Error)> {
    for (number, member) in view.members.iter().enumerate() {
        match retry_on_intr(|| rustix::fs::unlinkat(&view.folder, &member.name, AtFlags::empty())) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err((number == 0, errno("removing the old files", error))),
        }
    }
    left::rmdir(parent, name).map_err(|error| (false, error))
}

/// The commit stands, but not all of the old folder could be removed.
pub(super) fn remains() -> Error {
    let what = "the new folder stands, but the old one cannot be removed and holds what was to be erased";
    Error::new(Kind::Io, what).help("look for .unwrite-*.draft beside it")
}

fn no_exchange() -> Error {
    Error::unsupported(format!("{NAME}: two names cannot be exchanged here"))
        .help("scrub it into a mirror with --output")
}
