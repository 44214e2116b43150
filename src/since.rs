//! The second night (`--since M…`): what an earlier manifest vouches for need not be searched again.
//!
//! An artifact that is still the version that a line names (device, inode, change time, size, mtime, and its name), and whose
//! line says `clean`, `rewritten`, `copied` or `unchanged` by the same tool, policy and options, holds nobody who was in force
//! at that line's (`seq`, `as_of`). It is searched only for who is new since ([`crate::registry::fresh`]); if nobody is, it is
//! not read at all. `lines` reads manifests and keeps, for each version of a file, the newest line about it.
//!
//! Fail closed: what does not fit to the last detail is read in full. Not relied on are lines with anything left (`report`, `held`,
//! `name`), results that were not searched again (`--verify none` and `decode`), runs of another tool, policy, `--format`,
//! `--codec`, `--max-record` or `--type`, runs whose registry is not a beginning of today's, and lines of a name whose rule cannot
//! be told. A manifest that is not what was written is a usage error: nothing in it is true.
//!
//! An `unchanged` line, and one of a partial search, is as good as a full search at its own run's point: who was in force before
//! was searched for by the run that it relied on, and who was new by itself. So the newest manifest alone is enough.
//!
//! Memory: at most [`BYTES_EACH`] bytes for each version of a file, of at most [`MAX_KNOWN`]; at most [`MAX_BASES`] runs are relied
//! on, the newest; and once more the registry while it is read as of one of them. Needles of who is new come on top, with an
//! engine of their own.

mod lines;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::manifest::{Identity, Run, SinceLine};
use crate::matcher::Needles;
use crate::registry::Registry;
use crate::registry::fresh::Fresh;
use crate::store::disk::{Filter, Listing, Own, Source};
use crate::store::{Listed, s3};

/// Versions of files that are remembered; past it they are read in full.
pub const MAX_KNOWN: usize = 1 << 22;
/// Bytes that each costs, at most: a map's entry of 52 bytes in a table that is half full.
pub const BYTES_EACH: usize = 120;
/// Runs that are relied on: for each the registry is read once more.
pub const MAX_BASES: usize = 16;

/// Masks the identifiers in a path's bytes.
pub type Mask<'m> = dyn Fn(&[u8]) -> Vec<u8> + 'm;

/// A point of the registry's history, as a run line says it.
#[derive(Debug, Clone, Copy)]
pub struct Then<'t> {
    /// The run's "now".
    pub as_of: Timestamp,
    /// Its newest sequence number.
    pub seq: u64,
    /// Digest of its bytes, hex.
    pub sha256: &'t str,
}

/// Reads the registry again, as it was at a point; what came later is not judged ([`Registry::grown`] says whether the
/// point is one of its history).
pub type At<'a> = dyn Fn(Then<'_>) -> Result<Registry> + Sync + 'a;

/// Opens a manifest for reading.
pub type Open<'o> = dyn Fn(&Path) -> Result<Box<dyn Read>> + 'o;

/// Digest of a file's version and place.
type Key = [u8; 16];

/// A run that may be relied on.
#[derive(Debug)]
struct Base {
    run_id: String,
    as_of: Timestamp,
    seq: u64,
    sha256: String,
    /// Somebody is new since: its artifacts must be read. `None`: not compared, and not relied on.
    fresh: Option<bool>,
}

/// The newest line about one version of a file.
#[derive(Debug, Clone, Copy)]
struct Entry {
    base: u16,
    /// Digest of the file's bytes, if the line has one.
    sha256: Option<[u8; 32]>,
}

/// What earlier manifests vouch for.
#[derive(Debug, Default)]
pub struct Since {
    known: HashMap<Key, Entry>,
    bases: Vec<Base>,
    /// Rules ask for paths: the whole URI counts, not the name alone.
    by_path: bool,
    /// The manifests that were read, for the run line.
    pub said: Vec<SinceLine>,
    /// For people.
    pub notes: Vec<String>,
}

/// What is known of one artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known<'s> {
    /// The run that vouches for it.
    pub run_id: &'s str,
    /// Nobody is new since.
    pub nothing_new: bool,
    /// Digest of its bytes, hex.
    pub sha256: Option<String>,
}

impl Since {
    /// Reads the manifests at `paths`. `today` is this run's line: runs that searched otherwise are passed over; `by_path`:
    /// whether what is searched for depends on more of an artifact's path than its name. Usage errors: a manifest that cannot
    /// be read to its end, or is not what was written.
    pub fn read(paths: &[PathBuf], today: &Run, by_path: bool, mask: &Mask<'_>, open: &Open<'_>) -> Result<Self> {
        let mut since = Self { by_path, ..Self::default() };
        for path in paths {
            let said = open(path)
                .and_then(|text| lines::read(path, text, today, &mut since, mask))
                .map_err(|error| error.as_usage(|error| format!("--since: {error}")))?;
            since.said.push(said);
        }
        since.settle();
        Ok(since)
    }

    /// Keeps the newest runs that something relies on.
    fn settle(&mut self) {
        let mut used: BTreeMap<u16, usize> = BTreeMap::new();
        for entry in self.known.values() {
            *used.entry(entry.base).or_default() += 1;
        }
        let mut newest: Vec<(Timestamp, u16)> =
            used.keys().filter_map(|at| Some((self.bases.get(usize::from(*at))?.as_of, *at))).collect();
        newest.sort_unstable();
        let keep: Vec<u16> = newest.iter().rev().take(MAX_BASES).map(|(_, at)| *at).collect();
        self.known.retain(|_, entry| keep.contains(&entry.base));
        for (base, at) in self.bases.iter_mut().zip(0u16..) {
            base.fresh = keep.contains(&at).then_some(true);
        }
    }

    /// Compares today's needles with those of each run that is relied on; gives who is new, `None` if nobody is. Runs whose
    /// registry is no beginning of today's are relied on no more.
    pub fn compare(&mut self, now: &Needles, at: &At<'_>) -> Result<Option<Needles>> {
        let mut fresh = Fresh::new(now);
        for base in self.bases.iter_mut().filter(|base| base.fresh.is_some()) {
            let then = at(Then { as_of: base.as_of, seq: base.seq, sha256: &base.sha256 })?;
            base.fresh = then.grown.then(|| fresh.since(&then.needles));
        }
        let bases = &self.bases;
        self.known.retain(|_, entry| bases.get(usize::from(entry.base)).is_some_and(|base| base.fresh.is_some()));
        if self.known.is_empty() && !self.said.is_empty() {
            let why =
                "no artifact of a run with this tool, policy, options and registry (or its beginning) is listed there";
            self.notes.push(format!("--since: everything is read: {why}"));
        }
        fresh.needles()
    }

    /// What is known of the artifact with this identity and masked URI.
    pub fn known(&self, identity: &Identity, uri: &str, mask: &Mask<'_>) -> Option<Known<'_>> {
        let entry = self.known.get(&lines::key(identity, uri, self.by_path, mask)?)?;
        let base = self.bases.get(usize::from(entry.base))?;
        let sha256 = entry.sha256.map(|digest| crate::judge::pseudonym::hex(&digest));
        Some(Known { run_id: &base.run_id, nothing_new: !base.fresh?, sha256 })
    }
}

/// The manifests that `typed` means: files, and globs. A glob that matches none means none (the first night), and so does
/// `manifest`, the one that this run writes, if it does not exist yet; any other that does not exist is a usage error.
pub fn files(typed: &[PathBuf], manifest: Option<&Path>) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for path in typed {
        if let Some(place) = s3::Place::parse(path.as_os_str().as_bytes()) {
            if place?.is_prefix() {
                return Err(Error::usage("--since: a manifest is an object, and no prefix"));
            }
            files.push(path.clone());
            continue;
        }
        if !path.exists() && manifest == Some(path) {
            continue;
        }
        let bad = |error: Error| Error::usage(format!("--since: {error}"));
        let missing = || Error::usage("--since: there is no such manifest");
        let source = match Source::parse(path.as_os_str()) {
            Ok(source) => source,
            Err(_) if !path.exists() => return Err(missing()),
            Err(error) => return Err(bad(error)),
        };
        if source.is_file() {
            files.push(path.clone());
            continue;
        }
        if path.is_dir() {
            return Err(Error::usage("--since: a manifest is a file, or a quoted glob"));
        }
        let (filter, own) = (Filter::default(), Own::default());
        for listed in Listing::new(std::slice::from_ref(&source), &filter, &own) {
            match listed {
                Listed::Object(object) => files.extend(object.path().map(Path::to_owned)),
                Listed::Failed { error, .. } => return Err(bad(error)),
                _ => {}
            }
        }
    }
    files.dedup();
    Ok(files)
}
