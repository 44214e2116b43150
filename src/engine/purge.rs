//! `--purge-versions`: what a rewriting replaced in a bucket with versions is deleted for good.
//!
//! A step of its own after the artifact's line: the manifest says that it begins (durable), the store deletes, the manifest says
//! what came of it. It can be repeated: what an earlier run left, because it was killed or did not have the option, is found by the
//! lines of `--since` and of the manifest that is continued, and done at the end of this run.
//!
//! Memory: the places of one batch; of earlier manifests, one each for every object that is owed a purge.

use std::collections::BTreeSet;
use std::io::BufReader;
use std::sync::atomic::Ordering;

use super::{Books, Fleet};
use crate::error::{Error, Kind, Result};
use crate::manifest::reader::Reader;
use crate::manifest::writer;
use crate::manifest::{Line, Purge, VERSIONS};
use crate::scrub::{self, Outcome, Task};
use crate::store::s3::{Place, Purged};
use crate::store::{self};

/// An object whose old versions are to be deleted.
pub(super) struct Owed {
    /// As the manifest names it.
    uri: String,
    /// `None`: its name is masked, and cannot be told.
    place: Option<Place>,
    /// Versions that its line counted as left.
    counted: u64,
}

impl Fleet<'_> {
    /// What the result of `task` is owed: its old versions, if there are any and they are to go.
    pub(super) fn owes(&self, task: &Task, outcome: &Outcome) -> Option<Owed> {
        let line = &outcome.line;
        if !self.job.purge_versions || !line.has_versions() {
            return None;
        }
        let place = match task.target.as_ref().unwrap_or(&task.object.place) {
            store::Place::S3(place) => place.clone(),
            store::Place::Path(_) => return None,
        };
        let uri = line.output.as_ref().unwrap_or(&line.uri).clone();
        Some(Owed { uri, place: Some(place), counted: line.left.get(VERSIONS).copied().unwrap_or_default() })
    }

    /// What earlier manifests say is owed.
    pub(super) fn owed_purges(&self) -> Result<Vec<Owed>> {
        let mut owed = BTreeSet::new();
        if !self.job.purge_versions {
            return Ok(Vec::new());
        }
        // A manifest that is not there yet owes nothing.
        for path in self.job.since.iter().chain(&self.job.manifest) {
            if self.is_own_and_new(path)? {
                continue;
            }
            let mut reader = Reader::new(BufReader::new(self.stores.text(path, self.space)?));
            let bad = |error: Error| Error::usage(format!("--purge-versions: a manifest: {error}"));
            while let Some(read) = reader.next().map_err(bad)? {
                match read.line {
                    Line::Artifact(line) if line.has_versions() => {
                        owed.insert(line.output.unwrap_or(line.uri));
                    }
                    Line::Purge(purge) if purge.done && purge.left == Some(0) => {
                        owed.remove(&purge.uri);
                    }
                    Line::Purge(purge) => {
                        owed.insert(purge.uri);
                    }
                    _ => {}
                }
            }
        }
        let place = |uri: &str| Place::parse(&store::shown_of(uri)?).and_then(Result::ok);
        let all = owed.into_iter().map(|uri| {
            let place = place(&uri).filter(|_| !uri.contains("%2A"));
            Owed { uri, place, counted: 0 }
        });
        Ok(all.collect())
    }

    /// Purges one after another. What fails is told, and ends nothing.
    pub(super) fn purge(&self, owed: Vec<Owed>, run: &scrub::Run<'_>, books: &mut Books) -> Result<()> {
        for Owed { uri, place, counted } in owed {
            if self.given.interrupted.load(Ordering::Relaxed) {
                return Ok(());
            }
            let append = |line: Purge| writer::append_durably(run.manifest, &Line::Purge(line));
            let begun = Purge { uri: uri.clone(), done: false, deleted: None, left: None, reason: None };
            append(begun)?;
            let done = match place {
                Some(place) => self.stores.s3().and_then(|s3| s3.purge(&place)),
                None => Err(Error::new(Kind::Io, "its name is masked; name its SOURCE and scrub it again")),
            };
            let (purged, is_known) = match done {
                Ok(purged) => (purged, true),
                Err(error) if error.kind() == Kind::Interrupted => return Ok(()),
                Err(error) => (Purged { deleted: 0, left: 0, reason: Some(error.reason()) }, false),
            };
            books.purged(&uri, &purged, is_known, counted);
            let left = is_known.then_some(purged.left);
            append(Purge { uri, done: true, deleted: Some(purged.deleted), left, reason: purged.reason })?;
        }
        Ok(())
    }
}

impl Books {
    /// What a purge came to; `counted` of the versions are in the sums already.
    fn purged(&mut self, uri: &str, purged: &Purged, is_known: bool, counted: u64) {
        let report = &mut self.report;
        report.versions.purged += purged.deleted;
        if is_known {
            report.versions.left = report.versions.left.saturating_sub(counted) + purged.left;
        }
        if !is_known || purged.left > 0 {
            report.troubled = true;
            self.unclean.anybody();
            let why = purged.reason.as_deref().unwrap_or("cannot be deleted");
            report.notes.push(format!("old versions of {uri}: {why}"));
        }
    }
}
