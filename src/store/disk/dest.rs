//! Where a mirrored artifact goes: the rules of `--output DEST`.
//!
//! DEST is a folder if it ends in `/`, is one, or SOURCE is more than one file; else a file. One SOURCE is mirrored by the
//! way below it; several each under its last name, which must differ. DEST may not be, nor lie in, a SOURCE, and no
//! target may be a place that a SOURCE lists.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::source::{Kind, Source};
use crate::error::{Error, Kind as Failure, Result};
use crate::store::{Object, io_error, retry};

/// A DEST on disk that fits its SOURCEs. `Debug` shows no path.
#[derive(Clone)]
pub struct Dest {
    root: PathBuf,
    /// The same without links, `.` and `..`, also where it does not exist yet.
    canonical: PathBuf,
    is_file: bool,
    /// For each SOURCE the name below `root` under which it stands.
    under: Vec<PathBuf>,
    sources: Vec<Source>,
}

impl fmt::Debug for Dest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dest").field("is_file", &self.is_file).finish_non_exhaustive()
    }
}

impl Dest {
    /// What `dest` means for `sources`, and for `others` in other stores, each of which is one artifact or not. Everything that is
    /// against the rules is a usage error; nothing is made yet.
    pub fn plan(dest: &OsStr, sources: &[Source], others: &[bool]) -> Result<Self> {
        let root = PathBuf::from(dest);
        if root.as_os_str().is_empty() {
            return Err(Error::usage("DEST is empty"));
        }
        let canonical = canonical(&root)?;
        let is_folder = dest.as_bytes().ends_with(b"/") || canonical.is_dir();
        let one = match (sources, others) {
            ([source], []) => source.is_file(),
            ([], [one]) => *one,
            _ => false,
        };
        let is_file = !is_folder && one;
        if !is_file && canonical.exists() && !canonical.is_dir() {
            return Err(Error::usage("DEST is a file, but a folder is wanted for what SOURCE is"));
        }
        let under = places(sources, others)?;
        let planned = Self { root, canonical, is_file, under, sources: sources.to_vec() };
        for at in 0..sources.len() {
            planned.check(at)?;
        }
        Ok(planned)
    }

    /// The folder of the mirror, or of the one file: for a sweep. It need not exist yet.
    pub fn folder(&self) -> &Path {
        if self.is_file { self.root.parent().unwrap_or(Path::new("")) } else { &self.root }
    }

    /// Whether it is one file: then its folder is not the mirror's alone.
    pub fn is_file(&self) -> bool {
        self.is_file
    }

    /// Where `object` goes. Fails if a SOURCE lists that place.
    pub fn target(&self, object: &Object) -> Result<PathBuf> {
        if self.is_file {
            return Ok(self.root.clone());
        }
        let source = self.sources.get(object.source);
        if source.is_some_and(|source| !source.is_file() && object.path() == Some(&source.canonical)) {
            // A folder that is one artifact, and SOURCE itself: it is what a folder's files would be, at DEST.
            let target = self.below(&self.way(object.source, Path::new("")))?;
            return Ok(target.components().collect());
        }
        self.below(&self.way(object.source, &object.relative))
    }

    /// Where what goes the way `way` below DEST goes; `way` has only plain parts. Fails if a SOURCE lists that place.
    pub fn below(&self, way: &Path) -> Result<PathBuf> {
        if self.is_file {
            return Ok(self.root.clone());
        }
        let place = canonical(&self.canonical.join(way))?;
        if self.sources.iter().any(|source| source.way_to(&place).is_some()) {
            return Err(Error::new(Failure::Io, "the target lies in a SOURCE"));
        }
        Ok(self.root.join(way))
    }

    fn way(&self, source: usize, relative: &Path) -> PathBuf {
        match self.under.get(source) {
            // An empty part would add a slash.
            Some(under) if !under.as_os_str().is_empty() => under.join(relative),
            _ => relative.to_owned(),
        }
    }

    /// DEST must not be, nor lie in, a SOURCE.
    fn check(&self, at: usize) -> Result<()> {
        let Some(source) = self.sources.get(at) else {
            return Ok(());
        };
        let inside = match &source.kind {
            Kind::File if self.is_file => self.canonical == source.canonical,
            Kind::File => source.last_name().is_some_and(|name| {
                canonical(&self.canonical.join(name)).is_ok_and(|target| target == source.canonical)
            }),
            Kind::Folder => self.canonical.starts_with(&source.canonical),
            Kind::Glob(pattern) => match self.canonical.strip_prefix(&source.canonical) {
                Ok(way) => pattern.may_match_below(way),
                Err(_) => false,
            },
        };
        if inside { Err(Error::usage("DEST is, or lies in, a SOURCE")) } else { Ok(()) }
    }
}

/// Under which name each SOURCE stands. One SOURCE, and file SOURCEs (whose way is their name): under none.
fn places(sources: &[Source], others: &[bool]) -> Result<Vec<PathBuf>> {
    if sources.len() + others.len() < 2 {
        return Ok(vec![PathBuf::new(); sources.len()]);
    }
    let mut seen = HashSet::new();
    let place = |source: &Source| {
        let name = source.last_name().ok_or_else(|| Error::usage("a SOURCE has no name to stand under in DEST"))?;
        if !seen.insert(name.to_owned()) {
            return Err(Error::usage("two SOURCEs have the same last name and would meet in DEST"));
        }
        Ok(if source.is_file() { PathBuf::new() } else { PathBuf::from(name) })
    };
    sources.iter().map(place).collect()
}

/// `path` without links, `.` and `..`; what does not exist yet is taken as it stands.
fn canonical(path: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path).map_err(|e| io_error("looking at DEST", &e))?;
    for above in absolute.ancestors() {
        let Ok(real) = retry(|| fs::canonicalize(above)) else {
            continue;
        };
        let rest = absolute.strip_prefix(above).unwrap_or(Path::new(""));
        if rest.components().any(|part| !matches!(part, Component::Normal(_))) {
            return Err(Error::usage("DEST leads through a folder that does not exist"));
        }
        // An empty part would add a slash.
        return Ok(if rest.as_os_str().is_empty() { real } else { real.join(rest) });
    }
    Ok(absolute)
}
