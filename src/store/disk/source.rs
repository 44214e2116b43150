//! What a SOURCE argument means on disk: a file, a folder, or a glob.
//!
//! A name that exists is that file or folder, whatever its characters; one that does not exist and holds `*`, `?`, `[` or
//! `{` is a glob. The argument itself may be a symbolic link and is followed; links below it are not. A glob's folder is
//! its longest part without such characters; a folder that it matches stands for all below it. As in a shell, `*` does not
//! cross `/`, `**` does; unlike in a shell, `*` matches hidden names, which hold data like others.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::packed;
use crate::error::{Error, Result};
use crate::store::{io_error, retry};

/// One SOURCE, looked at once. `Debug` shows no path.
#[derive(Clone)]
pub struct Source {
    /// As given: a file, a folder, or a glob's folder (`.` where it has none).
    pub(super) root: PathBuf,
    /// The same without links, `.` and `..`.
    pub(super) canonical: PathBuf,
    pub(super) kind: Kind,
}

/// What it is.
#[derive(Clone)]
pub(super) enum Kind {
    File,
    Folder,
    Glob(Pattern),
}

/// A glob below its folder.
#[derive(Clone)]
pub(super) struct Pattern {
    matcher: GlobMatcher,
    /// Parts of the pattern, if each matches exactly one part of a path.
    parts: Option<usize>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::File => "File",
            Kind::Folder => "Folder",
            Kind::Glob(_) => "Glob",
        };
        f.debug_struct("Source").field("kind", &kind).finish_non_exhaustive()
    }
}

impl Source {
    /// What `given` means. A usage error if it does not exist, or is neither file nor folder nor a glob.
    pub fn parse(given: &OsStr) -> Result<Self> {
        let root = PathBuf::from(given);
        match retry(|| fs::metadata(&root)) {
            Ok(meta) if meta.is_file() => Self::new(root, Kind::File),
            Ok(meta) if meta.is_dir() => Self::new(root, Kind::Folder),
            Ok(_) => Err(Error::usage("a SOURCE is neither a file nor a folder")),
            Err(_) if given.as_bytes().iter().any(|b| is_meta(*b)) => Self::glob(given),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(missing()),
            Err(error) => Err(Error::usage(format!("a SOURCE cannot be looked at: {}", error.kind()))),
        }
    }

    fn new(root: PathBuf, kind: Kind) -> Result<Self> {
        let canonical = retry(|| fs::canonicalize(&root)).map_err(|e| io_error("looking at a SOURCE", &e))?;
        Ok(Self { root, canonical, kind })
    }

    fn glob(given: &OsStr) -> Result<Self> {
        let bad = || Error::usage("a SOURCE is not a valid glob");
        let (mut root, mut rest) = (PathBuf::new(), PathBuf::new());
        for part in Path::new(given).components() {
            let is_literal = !part.as_os_str().as_bytes().iter().any(|b| is_meta(*b));
            if rest.as_os_str().is_empty() && is_literal {
                root.push(part);
            } else {
                rest.push(part);
            }
        }
        if root.as_os_str().is_empty() {
            root.push(".");
        }
        if !root.is_dir() {
            return Err(missing());
        }
        let text = rest.to_str().ok_or_else(bad)?;
        let glob = GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build().map_err(|_| bad())?;
        let is_fixed = !text.contains("**") && !text.contains('{');
        let parts = is_fixed.then(|| rest.components().count());
        Self::new(root, Kind::Glob(Pattern { matcher: glob.compile_matcher(), parts }))
    }

    /// The folder that is walked, or the folder of a file: for locks and sweeps.
    pub fn folder(&self) -> &Path {
        match self.kind {
            Kind::File => self.canonical.parent().unwrap_or(Path::new("/")),
            Kind::Folder | Kind::Glob(_) => &self.root,
        }
    }

    /// The folder in which it really lies; none for the root of all.
    pub fn above(&self) -> Option<&Path> {
        self.canonical.parent()
    }

    /// The file, or the folder below which the artifacts' ways are counted, as given.
    pub fn place(&self) -> &Path {
        &self.root
    }

    /// Whether it is one file.
    pub fn is_file(&self) -> bool {
        matches!(self.kind, Kind::File)
    }

    /// Whether it is a folder that is one artifact, as it lies now.
    pub fn is_packed(&self) -> bool {
        matches!(self.kind, Kind::Folder) && packed::is_one(&self.canonical)
    }

    /// Its last name, under which it stands in a mirror of several SOURCEs.
    pub fn last_name(&self) -> Option<&OsStr> {
        match self.root.components().next_back() {
            Some(Component::Normal(name)) => Some(name),
            // `.`, `..`: the name that it has in truth.
            _ => self.canonical.file_name(),
        }
    }

    /// The way below this SOURCE to `path` (without links) if it is one that is listed here.
    pub(super) fn way_to<'p>(&self, path: &'p Path) -> Option<&'p Path> {
        let way = path.strip_prefix(&self.canonical).ok()?;
        match &self.kind {
            Kind::File => way.as_os_str().is_empty().then_some(way),
            Kind::Folder => Some(way),
            Kind::Glob(pattern) => pattern.matches(way).then_some(way),
        }
    }
}

impl Pattern {
    /// Whether it matches `way` or a folder above it.
    pub(super) fn matches(&self, way: &Path) -> bool {
        let mut above = way.ancestors().filter(|p| !p.as_os_str().is_empty());
        above.any(|part| self.matcher.is_match(part))
    }

    /// Whether something below the folder `way` may match.
    pub(super) fn may_match_below(&self, way: &Path) -> bool {
        match self.parts {
            Some(parts) if way.components().count() >= parts => self.matches(way),
            _ => true,
        }
    }
}

fn is_meta(byte: u8) -> bool {
    matches!(byte, b'*' | b'?' | b'[' | b'{')
}

fn missing() -> Error {
    Error::usage("a SOURCE does not exist")
}
