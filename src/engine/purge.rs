//! `--purge-versions`: what a rewriting replaced in a bucket with versions is deleted for good.
//!
//! A step of its own after the artifact's line: the manifest says that it begins (durable), the store deletes, the manifest says
//! what came of it. It can be repeated: what an earlier run left, because it was killed or did not have the option, is found by the
//! lines of `--since` and of the manifest that is continued, and done at the end of this run, for what its SOURCEs (or its DEST) name.
//!
//! Where it is not known whether an object was rewritten the old version may be the only whole one: nothing is deleted before a later
//! line says that what stands there was read to its end and is clean.
//!
//! Memory: the places of one batch; of earlier manifests, one each for every object that is owed a purge.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::{Books, Fleet, Report};
use crate::error::{Error, Kind, Result};
use crate::manifest::reader::Reader;
use crate::manifest::writer;
use crate::manifest::{Artifact, Line, Purge, Status, VERSIONS};
use crate::scrub::{self, Outcome, Task};
use crate::store;
use crate::store::disk::Filter;
use crate::store::s3::{Place, Purged, S3, SCHEME};
use crate::stores::{Dest, Sources};

/// An object whose old versions are to be deleted.
pub(super) struct Owed {
    /// As the manifest names it.
    uri: String,
    /// `None`: its name is masked, and cannot be told.
    place: Option<Place>,
    /// Versions that its line counted as left.
    counted: u64,
    /// Whether it was rewritten is not known, nor what stands there.
    unsure: bool,
}

impl Fleet<'_> {
    /// What the result of `task` is owed: its old versions, if it was rewritten and there are any.
    pub(super) fn owes(&self, task: &Task, outcome: &Outcome) -> Option<Owed> {
        let line = &outcome.line;
        if !self.job.purge_versions || !line.has_versions() || !line.is_rewritten() {
            return None;
        }
        let place = match task.target.as_ref().unwrap_or(&task.object.place) {
            store::Place::S3(place) => place.clone(),
            store::Place::Path(_) => return None,
        };
        let counted = line.left.get(VERSIONS).copied().unwrap_or_default();
        Some(Owed { uri: line.place().to_owned(), place: Some(place), counted, unsure: false })
    }

    /// What the manifests say is owed, by URI, but for what this run has purged, or tried to; and whether it is unsure.
    pub(super) fn owed_purges(&self) -> Result<BTreeMap<String, bool>> {
        let mut owed = BTreeMap::new();
        if !self.job.purge_versions {
            return Ok(owed);
        }
        // A manifest that is not there yet owes nothing; those of `--since` were read before.
        for path in self.job.since.iter().chain(&self.manifest_path()) {
            if self.is_own_and_new(path)? {
                continue;
            }
            let mut reader = Reader::new(BufReader::new(self.stores.text(path, self.space)?));
            let (mut is_this_run, mut open) = (false, BTreeSet::new());
            let bad = |error: Error| error.as_usage(|error| format!("--purge-versions: a manifest: {error}"));
            while let Some(read) = reader.next().map_err(bad)? {
                match read.line {
                    Line::Run(run) => is_this_run = run.run_id == self.given.run_id,
                    Line::Intent(intent) => {
                        open.insert(intent.output.unwrap_or(intent.uri));
                    }
                    Line::Artifact(line) => {
                        open.remove(line.place());
                        follow(&mut owed, &line, is_this_run);
                    }
                    Line::Purge(purge) if purge.done && (is_this_run || purge.left == Some(0)) => {
                        owed.remove(&purge.uri);
                    }
                    Line::Purge(purge) => {
                        owed.entry(purge.uri).or_insert(false);
                    }
                    Line::Summary(_) => {}
                }
            }
            // What a killed run was about to write, and perhaps wrote: nobody has said since what stands there.
            let open = open.into_iter().filter(|uri| uri.starts_with(SCHEME));
            open.for_each(|uri| *owed.entry(uri).or_insert(true) = true);
        }
        Ok(owed)
    }

    /// Purges what the manifests say is owed, after everything else: those of objects that this run names.
    pub(super) fn purge_owed(
        &self,
        sources: &Sources,
        filter: &Filter,
        dest: Option<&Dest>,
        run: &scrub::Run<'_>,
        books: &mut Books,
    ) -> Result<()> {
        if self.is_interrupted() || !self.job.purge_versions {
            return Ok(());
        }
        // What this run has settled is read where it stands.
        run.manifest.lock().unwrap_or_else(PoisonError::into_inner).sync()?;
        let (mut owed, mut outside) = (Vec::new(), 0);
        for (uri, unsure) in self.owed_purges()? {
            // A masked name is judged by what is left of it.
            let place = store::shown_of(&uri).and_then(|shown| Place::parse(&shown)).and_then(Result::ok);
            let is_named = place.as_ref().is_some_and(|place| match dest {
                Some(dest) => dest.holds(place),
                None => {
                    sources.s3.iter().any(|source| source.way_to(place).is_some_and(|way| filter.wants(way.as_ref())))
                }
            });
            if !is_named {
                outside += 1;
                continue;
            }
            let place = place.filter(|_| !uri.contains("%2A"));
            owed.push(Owed { uri, place, counted: 0, unsure });
        }
        if outside > 0 {
            let note =
                format!("old versions of objects that this run does not name were not purged: {outside} objects");
            books.report.notes.push(note);
        }
        self.purge(owed, run, books)
    }

    /// A line that settles an intent tells of old versions: they are this run's matter, since it found them.
    pub(super) fn note_versions(&self, line: &Artifact, report: &mut Report) {
        if line.has_versions() && !self.job.purge_versions {
            report.troubled = true;
            report.notes.push(format!("old versions of {}: left by an interrupted run", line.place()));
        }
    }

    /// Purges one after another. What fails is told, and ends nothing.
    pub(super) fn purge(&self, owed: Vec<Owed>, run: &scrub::Run<'_>, books: &mut Books) -> Result<()> {
        for Owed { uri, place, counted, unsure } in owed {
            if self.given.interrupted.load(Ordering::Relaxed) {
                return Ok(());
            }
            let append = |line: Purge| writer::append_durably(run.manifest, &Line::Purge(line));
            let begun = Purge { uri: uri.clone(), done: false, deleted: None, left: None, reason: None };
            append(begun)?;
            let done = match place {
                Some(place) => self.stores.s3().and_then(|s3| delete(s3, &place, unsure)),
                None => Err(Error::new(Kind::Io, "its name is masked; name its SOURCE and scrub it again")),
            };
            let purged = match done {
                Ok(purged) => purged,
                Err(error) if error.kind() == Kind::Interrupted => return Ok(()),
                Err(error) => Purged { deleted: 0, left: None, reason: Some(error.reason()) },
            };
            books.purged(&uri, &purged, counted);
            let Purged { deleted, left, reason } = purged;
            append(Purge { uri, done: true, deleted: Some(deleted), left, reason })?;
        }
        Ok(())
    }
}

/// What a line says of what is owed. What this run has looked at and not found good may be worse than what it replaced.
fn follow(owed: &mut BTreeMap<String, bool>, line: &Artifact, is_this_run: bool) {
    if line.has_versions() && line.is_rewritten() {
        owed.insert(line.place().to_owned(), false);
    } else if line.has_versions() && matches!(line.status, Status::Failed | Status::Skipped) {
        owed.insert(line.place().to_owned(), true);
    } else if matches!(line.status, Status::Clean | Status::Copied | Status::Rewritten | Status::Unchanged)
        && let Some(unsure) = owed.get_mut(line.place())
    {
        *unsure = false;
    } else if is_this_run && let Some(unsure) = owed.get_mut(line.place()) {
        *unsure = true;
    }
}

/// Deletes the old versions of what is known to be whole and clean; of what is not, it looks whether there are any.
fn delete(s3: &S3, place: &Place, unsure: bool) -> Result<Purged> {
    if unsure && s3.old_versions(place)? > 0 {
        return Err(Error::new(Kind::Io, "kept until what stands there was read to its end and is clean"));
    }
    s3.purge(place)
}

impl Books {
    /// What a purge came to; `counted` of the versions are in the sums already.
    fn purged(&mut self, uri: &str, purged: &Purged, counted: u64) {
        let report = &mut self.report;
        report.versions.purged += purged.deleted;
        if let Some(left) = purged.left {
            report.versions.left = report.versions.left.saturating_sub(counted) + left;
        }
        if purged.left != Some(0) {
            report.troubled = true;
            self.unclean.anybody();
            let why = purged.reason.as_deref().unwrap_or("cannot be deleted");
            report.notes.push(format!("old versions of {uri}: {why}"));
        }
    }
}
