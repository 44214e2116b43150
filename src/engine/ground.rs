//! What a run asks and clears before it touches anything: what killed runs left, and what buckets promise.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Fleet, Report};
use crate::error::{Error, Kind, Result};
use crate::job::Mode;
use crate::manifest::Run as RunLine;
use crate::store::disk::sweep;
use crate::store::s3::{Place, Preconditions};
use crate::stores::{Dest, Sources};

impl Fleet<'_> {
    /// Removes what a killed run left, in every SOURCE that is written to.
    pub(super) fn sweep(&self, sources: &Sources, dest: Option<&Dest>, report: &mut Report) {
        let mut folders: Vec<(PathBuf, bool)> = Vec::new();
        match (&self.job.mode, dest) {
            (Mode::InPlace, _) => {
                folders.extend(sources.disk.iter().map(|source| (source.folder().to_owned(), !source.is_file())));
                folders.extend(sources.beside_packed());
            }
            (Mode::Output(_), Some(dest)) => {
                folders.extend(dest.folder().map(|(folder, deep)| (folder.to_owned(), deep)));
                let above = dest.folder().and_then(|(folder, _)| folder.parent()).filter(|_| sources.is_one_packed());
                folders.extend(above.map(|above| (above.to_owned(), false)));
            }
            _ => {}
        }
        self.abort_uploads(sources, dest, report);
        for (folder, deep) in folders {
            let swept = sweep(&folder, deep);
            if swept.removed > 0 {
                report.notes.push(format!("removed {} left-over drafts of an earlier run", swept.removed));
            }
            for path in swept.written.iter().chain(&swept.failed) {
                report.troubled = true;
                report.notes.push(format!("a left-over of an earlier run needs a look: {}", (self.uri)(path)));
            }
        }
    }

    /// A path as people are told it: masked, and what is in a bucket by its URI.
    pub(super) fn shown(&self, path: &Path) -> String {
        match Place::parse(path.as_os_str().as_bytes()) {
            Some(_) => (self.uri)(path),
            None => crate::judge::shown(&(self.search.mask)(path.as_os_str().as_bytes())),
        }
    }

    /// Places in buckets below which this run writes: no two of them one below the other.
    fn written(&self, sources: &Sources, dest: Option<&Dest>) -> Vec<Place> {
        let mut places: Vec<Place> = match self.job.mode {
            Mode::InPlace => sources.s3.iter().map(|source| source.place().clone()).collect(),
            Mode::Output(_) => dest.and_then(Dest::place).into_iter().cloned().collect(),
            _ => Vec::new(),
        };
        let manifest = self.job.manifest.as_ref().and_then(|path| Place::parse(path.as_os_str().as_bytes())?.ok());
        places.extend(manifest);
        places.sort_unstable();
        places.dedup_by(|next, one| next.bucket == one.bucket && next.key.starts_with(&one.key));
        places
    }

    /// Notes on the run line whether the servers of the buckets that are written to refuse a write whose condition does not hold.
    /// A usage error if one does not, unless that was accepted: another writer's object could be lost.
    pub(super) fn probe(
        &self,
        sources: &Sources,
        dest: Option<&Dest>,
        line: &mut RunLine,
        notes: &mut Vec<String>,
    ) -> Result<()> {
        let mut places = self.written(sources, dest);
        places.dedup_by(|one, two| one.bucket == two.bucket);
        for place in places {
            let s3 = self.stores.s3()?;
            let found = s3.probe(&place).map_err(|error| match error.kind() {
                Kind::Interrupted => error,
                _ => Error::usage(format!("a bucket that is to be written to: {error}")),
            })?;
            if found == Preconditions::Ignored && !s3.takes_unconditional() {
                let what =
                    "a bucket's server ignores the condition of a write (If-Match): what others write could be lost";
                let help = match self.job.mode {
                    Mode::InPlace | Mode::Output(_) => {
                        "where nobody else writes, --allow-unconditional-writes accepts it"
                    }
                    _ => "write the manifest on a disk",
                };
                return Err(Error::usage(what).help(help));
            }
            if found == Preconditions::Unknown {
                notes.push("whether a bucket's server heeds the condition of a write could not be tried".to_owned());
            }
            let shown = crate::judge::shown(&(self.search.mask)(place.bucket.as_bytes()));
            line.preconditions.insert(shown, found.name().to_owned());
        }
        Ok(())
    }

    /// Aborts uploads that a killed run left unfinished, where this one writes.
    fn abort_uploads(&self, sources: &Sources, dest: Option<&Dest>, report: &mut Report) {
        let (mut aborted, mut others, mut failed) = (0, 0, None);
        for place in self.written(sources, dest) {
            match self.stores.s3().and_then(|s3| s3.abort_left_uploads(&place)) {
                Ok(swept) => {
                    aborted += swept.aborted;
                    others += swept.others;
                }
                Err(error) => failed = Some(error),
            }
        }
        if aborted > 0 {
            report.notes.push(format!("aborted {aborted} unfinished uploads of an earlier run"));
        }
        if others > 0 {
            report.notes.push(format!("unfinished uploads of others were not looked at: {others}"));
        }
        if let Some(error) = failed {
            report
                .notes
                .push(format!("whether an earlier run left unfinished uploads could not be looked at: {error}"));
        }
    }
}
