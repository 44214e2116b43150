//! Other names of what was read: of one inode, or of an object that two SOURCEs list.

use std::collections::HashMap;

use super::{Books, Fleet};
use crate::error::{Error, Kind, Result};
use crate::job::Mode;
use crate::manifest::{Artifact, Status};
use crate::scrub::{self, Outcome};
use crate::store::disk::link;
use crate::store::{self, Object};
use crate::stores::{Dest, Watches};

/// What other names are told from.
pub(super) struct Others<'o> {
    pub(super) dest: Option<&'o Dest>,
    /// Lines of inodes with several names, and whether something is to be changed.
    pub(super) linked: &'o HashMap<(u64, u64), (Artifact, bool)>,
}

impl Fleet<'_> {
    /// The other names, each with the name under which it was read: their own lines.
    pub(super) fn others(
        &self,
        later: Vec<(Object, Box<Object>)>,
        others: &Others<'_>,
        watch: &mut Watches<'_>,
        run: &scrub::Run<'_>,
        books: &mut Books,
    ) -> Result<()> {
        let mut owed = Vec::new();
        for (object, first) in later {
            if self.halted() {
                return Ok(());
            }
            let outcome = match self.other_name(&object, &first, others) {
                Some(outcome) => outcome,
                None => match self.task(object, others.dest, watch) {
                    Ok(task) => {
                        let outcome = self.crew.lead(task.object.identity.size(), || scrub::scrub(&task, run));
                        owed.extend(self.owes(&task, &outcome));
                        outcome
                    }
                    Err(line) => Outcome { line: *line, hit: false, locked: false, interrupted: self.is_interrupted() },
                },
            };
            if !outcome.interrupted {
                books.enter(run, outcome.line, outcome.hit, outcome.locked)?;
            }
        }
        self.purge(owed, run, books)
    }

    /// Another name of an inode that was read: its own line, and in a mirror its own name for the same new inode. `None`: it must be
    /// read by itself.
    fn other_name(&self, object: &Object, first: &Object, others: &Others<'_>) -> Option<Outcome> {
        let Others { dest, linked } = *others;
        let known = first.identity.inode().and_then(|key| linked.get(&key)).cloned();
        // A second name for one inode is a disk's.
        let on_disk = self.job.mode != Mode::InPlace && dest.is_none_or(|dest| dest.folder().is_some());
        let (mut line, hit) = known.filter(|_| on_disk)?;
        line.same_file = Some(std::mem::replace(&mut line.uri, (self.uri)(&object.shown)));
        line.duration_ms = 0;
        let through = matches!(line.status, Status::Copied | Status::Rewritten | Status::Partial);
        if let (Some(dest), true) = (dest, through) {
            let made = dest.target(first).and_then(|one| {
                let other = dest.target(object)?;
                line.output = Some(store::masked_uri(&other.shown(), self.search.mask));
                let (Some(one), Some(other), Some(path)) = (one.path(), other.path(), object.path()) else {
                    return Err(Error::new(Kind::Io, "not on this disk"));
                };
                link(one, other, path, &object.relative, self.job.overwrite)
            });
            if let Err(error) = made {
                (line.status, line.reason) = (Status::Failed, Some(error.reason()));
            }
        }
        Some(Outcome { line, hit, locked: false, interrupted: false })
    }
}
