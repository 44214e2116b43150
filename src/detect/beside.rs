//! What stands beside an artifact decides that it is not to be edited: refused by name (SPEC "What it reads and rewrites").
//!
//! A file of a table format, of a backup repository or of a database that keeps its own checksums is more than its bytes: an
//! edit would leave the whole broken. Which it is cannot be told from the file, but from the names around it: in its folder and
//! the folders above. The same for files whose checksum stands beside them ([`sums`]). Names in, verdict out: a store lends its
//! folders ([`Folders`]), and nothing here opens an artifact.
//!
//! Each folder is looked at once while a listing is below it: the looks of a folder and those above it are kept, and no others.
//! A folder within SOURCE costs one listing and a dozen questions for names, one above it the questions. Memory: the looks of one
//! way down; a list of checksums 16 bytes a name, at most [`sums::MAX_NAMES`] of [`sums::MAX_LISTS`] lists.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::blob::Blob;
use crate::error::{Error, Result};

pub mod disk;
pub mod sums;
pub mod tab;
#[cfg(test)]
mod tests;

use sums::{List, MAX_LISTS, Sidecar};

/// Folders, as a store has them. What cannot be looked at counts as not there: where no listing tells of it, [`Folders::fault`] does.
pub trait Folders {
    /// The folder's one true name: no links, no `..`.
    fn real(&self, folder: &Path) -> PathBuf;
    /// Shows each name in `folder`, in any order, until `see` says `false`.
    fn each(&self, folder: &Path, see: &mut dyn FnMut(&OsStr) -> bool);
    /// Whether `folder` has something of that name; `is_folder`: and it is a folder.
    fn has(&self, folder: &Path, name: &OsStr, is_folder: bool) -> bool;
    /// Opens a small file for reading.
    fn open(&self, file: &Path) -> Result<Box<dyn Blob>>;
    /// Why something could not be looked at since this was last asked, where no listing tells it: what was answered may be wrong.
    fn fault(&self) -> Option<Error> {
        None
    }
}

/// What is to be known of an artifact before it is opened.
#[derive(Debug, Clone)]
pub enum Beside {
    /// Part of something whose files are not edited, by its name.
    Refused(&'static str),
    /// Its checksum stands in these files, at least one; refused unless checksums may be broken.
    Sums(Arc<[Sum]>),
    /// It is signed for elsewhere; refused unless checksums may be broken, which then no longer fit.
    Signed(&'static str),
}

impl Beside {
    /// The manifest's reason after `unsupported`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused(name) | Self::Signed(name) => name,
            Self::Sums(sums) => sums.first().map_or("checksum beside it", |sum| sum.reason),
        }
    }
}

/// A file that holds an artifact's checksum. `Debug` shows no path.
#[derive(Clone)]
pub struct Sum {
    /// Where it is.
    pub path: PathBuf,
    /// How many folders above the artifact's.
    pub above: usize,
    /// The artifact's name as the file lists it, without `./`; `None`: the file is about this one artifact.
    pub listed: Option<Vec<u8>>,
    /// The file has a checksum beside it in yet another file, which its rewriting would break.
    pub summed: bool,
    /// For the manifest.
    reason: &'static str,
}

impl std::fmt::Debug for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sum").field("above", &self.above).field("reason", &self.reason).finish_non_exhaustive()
    }
}

/// Looks at folders as a listing goes through them.
pub struct Watch<'f> {
    folders: &'f dyn Folders,
    /// The last folder asked for, as given, and its real name.
    last: Option<(PathBuf, PathBuf)>,
    /// A look at each folder from the root down to the last one.
    looks: Vec<Look>,
}

/// What a folder's names tell.
struct Look {
    path: PathBuf,
    /// Everything below it is part of that.
    refused: Option<&'static str>,
    /// Digests of AWS trails are here.
    digests: bool,
    /// What a listing tells; `None`: it was asked for names only.
    listed: Option<Listed>,
}

impl Look {
    fn has_lists(&self) -> bool {
        self.listed.as_ref().is_some_and(|listed| !listed.lists.is_empty())
    }
}

#[derive(Default)]
struct Listed {
    /// A database of sorted tables.
    database: bool,
    /// Which kinds of sidecars there are.
    sidecars: Vec<&'static Sidecar>,
    lists: Vec<List>,
}

impl<'f> Watch<'f> {
    /// Looks through a store's `folders`.
    pub fn new(folders: &'f dyn Folders) -> Self {
        Self { folders, last: None, looks: Vec::new() }
    }

    /// What stands beside the artifact at `path`, which lies `depth` names below its SOURCE (1: in the SOURCE itself). Fails where that
    /// cannot be told ([`Folders::fault`]); the next artifact's folders are looked at anew.
    pub fn judge(&mut self, path: &Path, depth: usize) -> Result<Option<Beside>> {
        let beside = self.beside(path, depth);
        match self.folders.fault() {
            None => Ok(beside),
            Some(fault) => {
                self.last = None;
                self.looks.clear();
                Err(fault)
            }
        }
    }

    fn beside(&mut self, path: &Path, depth: usize) -> Option<Beside> {
        let name = path.file_name()?;
        self.go(path.parent().unwrap_or(Path::new("")));
        let within = self.looks.len().saturating_sub(depth.max(1));
        for look in self.looks.iter_mut().skip(within) {
            if look.listed.is_none() {
                look.listed = Some(list(self.folders, &look.path));
            }
        }
        if let Some(refused) = self.looks.iter().find_map(|look| look.refused) {
            return Some(Beside::Refused(refused));
        }
        let own = self.looks.last()?;
        let database = own.listed.as_ref().is_some_and(|listed| listed.database);
        if database || is_cassandra(self.folders, &own.path, name.as_bytes()) {
            return Some(Beside::Refused("sstable"));
        }
        let trail = self.looks.iter().zip(self.looks.iter().skip(1)).any(|(above, below)| {
            above.digests
                && matches!(below.path.file_name().map(OsStr::as_bytes), Some(b"CloudTrail" | b"CloudTrail-Digest"))
        });
        let mut sums = self.sums(name, 0);
        for sum in &mut sums {
            let own = sum.path.file_name().unwrap_or_default();
            // Lists take their turn after what they list; a file beside a checksum file has no such order.
            sum.summed = self.sums(own, sum.above).iter().any(|other| other.listed.is_none());
        }
        match (sums.is_empty(), trail) {
            (false, _) => Some(Beside::Sums(sums.into())),
            (true, true) => Some(Beside::Signed("checksum beside it (CloudTrail digest)")),
            (true, false) => None,
        }
    }

    /// As [`Self::judge`], of a folder on disk that is one artifact. A checksum of it, or of one of its files, is not written along with it, so
    /// that it is refused by the name of that.
    pub fn judge_folder(&mut self, path: &Path, depth: usize) -> Option<Beside> {
        if let Some(beside) = self.beside(path, depth) {
            return Some(Beside::Refused(beside.reason()));
        }
        // A sum of its tar, perhaps: `dump.sha256` is no list, and `dump` no file.
        let (name, above) = (path.file_name()?, path.parent().unwrap_or(Path::new("")));
        let stands = |end: &&str| self.folders.has(above, &[name, OsStr::new(end)].join(OsStr::new("")), false);
        if let Some(sidecar) = sums::SIDECARS.iter().find(|sidecar| sidecar.spellings.iter().any(stands)) {
            return Some(Beside::Refused(sidecar.reason));
        }
        self.go(path);
        let own = self.looks.last_mut()?;
        let own = own.listed.insert(list(self.folders, &own.path));
        if own.sidecars.is_empty() && own.lists.is_empty() && !self.looks.iter().any(Look::has_lists) {
            return None;
        }
        let mut summed = None;
        self.folders.each(path, &mut |name| {
            summed = self.sums(name, 0).first().map(|sum| sum.reason);
            summed.is_none()
        });
        summed.map(Beside::Refused)
    }

    /// The files that hold a checksum of `name`, which lies `up` folders above the last one; `above` counts from there, too.
    fn sums(&self, name: &OsStr, up: usize) -> Vec<Sum> {
        let mut found = Vec::new();
        // The artifact's way from the folder whose lists are asked.
        let mut way = name.as_bytes().to_vec();
        for (above, look) in self.looks.iter().rev().skip(up).enumerate() {
            let Some(listed) = &look.listed else { break };
            for sidecar in listed.sidecars.iter().filter(|_| above == 0) {
                let mut other = name.as_bytes().to_vec();
                for extension in sidecar.spellings {
                    other.extend_from_slice(extension.as_bytes());
                    if self.folders.has(&look.path, OsStr::from_bytes(&other), false) {
                        let path = look.path.join(OsStr::from_bytes(&other));
                        found.push(Sum { path, above, listed: None, summed: false, reason: sidecar.reason });
                    }
                    other.truncate(name.len());
                }
            }
            for list in &listed.lists {
                let Some(name) = spellings(&look.path, &way).find(|name| list.has(name)) else { continue };
                let path = look.path.join(&list.name);
                found.push(Sum { path, above, listed: Some(name), summed: false, reason: list.reason });
            }
            let Some(folder) = look.path.file_name() else { break };
            way = [folder.as_bytes(), b"/", &way].concat();
        }
        found
    }

    /// Makes `folder` the last folder: keeps the looks of those above both.
    fn go(&mut self, folder: &Path) {
        let real = match &self.last {
            Some((given, real)) if given == folder => real.clone(),
            _ => self.folders.real(folder),
        };
        self.looks.retain(|look| real.starts_with(&look.path));
        let known = self.looks.len();
        let way: Vec<&Path> = real.ancestors().collect();
        for path in way.into_iter().rev().skip(known) {
            self.looks.push(look(self.folders, path));
        }
        self.last = Some((folder.to_owned(), real));
    }
}

/// How a list in `folder` may name what lies at `way` below it: so, or as seen from a folder above (`sha256sum dist/* >
/// dist/SHA256SUMS`), or from the root.
fn spellings<'a>(folder: &'a Path, way: &'a [u8]) -> impl Iterator<Item = Vec<u8>> + 'a {
    let path = folder.as_os_str().as_bytes();
    let above = (0..path.len()).rev().filter(|at| path.get(*at) == Some(&b'/'));
    let tails = above.filter_map(|at| path.get(at + 1..)).chain(std::iter::once(path));
    std::iter::once(way.to_vec()).chain(tails.map(|tail| [tail, b"/", way].concat()))
}

fn look(folders: &dyn Folders, path: &Path) -> Look {
    let has = |name: &str, is_folder| folders.has(path, OsStr::new(name), is_folder);
    let all = |names: &[&str]| names.iter().all(|name| has(name, true));
    let refused = if has("_delta_log", true) {
        Some("delta table")
    } else if has(".hoodie", true) {
        Some("hudi table")
    } else if has("metadata", true) && is_iceberg(folders, &path.join("metadata")) {
        Some("iceberg table")
    } else if has("kopia.repository", false) || has("kopia.repository.f", false) {
        Some("kopia repository")
    } else if has("toc.dat", false) && starts_with(folders, &path.join("toc.dat"), b"PGDMP") {
        Some("pg_dump directory")
    } else if has("config", false) && has("data", true) {
        if all(&["index", "keys", "snapshots"]) {
            Some("restic repository")
        } else {
            starts_with(folders, &path.join("config"), b"[repository]").then_some("borg repository")
        }
    } else {
        None
    };
    Look { path: path.to_owned(), refused, digests: has("CloudTrail-Digest", true), listed: None }
}

/// `metadata/v3.metadata.json`, `metadata/00003-….metadata.json`, and compressed: `….gz.metadata.json`, `….metadata.json.gz`.
fn is_iceberg(folders: &dyn Folders, metadata: &Path) -> bool {
    let mut found = false;
    folders.each(metadata, &mut |name| {
        let name = name.as_bytes();
        found = name.ends_with(b".metadata.json") || name.ends_with(b".metadata.json.gz");
        !found
    });
    found
}

fn starts_with(folders: &dyn Folders, file: &Path, start: &[u8]) -> bool {
    let mut head = vec![0; start.len()];
    let read = folders.open(file).ok().and_then(|blob| blob.read_at(0, &mut head).ok());
    read == Some(start.len()) && head == start
}

/// One listing of a folder: databases, sidecars and lists of checksums.
fn list(folders: &dyn Folders, path: &Path) -> Listed {
    let mut listed = Listed::default();
    let (mut current, mut manifest, mut tables) = (false, false, false);
    let mut lists: Vec<(std::ffi::OsString, &'static str)> = Vec::new();
    folders.each(path, &mut |name| {
        let bytes = name.as_bytes();
        let digits = |rest: &[u8]| !rest.is_empty() && rest.iter().all(u8::is_ascii_digit);
        let numbered = |end: &[u8]| bytes.strip_suffix(end).is_some_and(digits);
        current |= bytes == b"CURRENT";
        manifest |= bytes.strip_prefix(b"MANIFEST-").is_some_and(digits);
        tables |= numbered(b".sst") || numbered(b".ldb") || numbered(b".log");
        if let Some(reason) = sums::list_named(bytes) {
            lists.push((name.to_owned(), reason));
        } else if let Some((sidecar, stem)) = sums::sidecar(bytes) {
            if folders.has(path, OsStr::from_bytes(stem), false) {
                if !listed.sidecars.iter().any(|known| std::ptr::eq(*known, sidecar)) {
                    listed.sidecars.push(sidecar);
                }
            } else if lists.len() <= MAX_LISTS {
                lists.push((name.to_owned(), sidecar.reason));
            }
        }
        true
    });
    listed.database = current && manifest && tables;
    let one = |(at, (name, reason)): (usize, (std::ffi::OsString, _))| {
        if at < MAX_LISTS { List::read(folders, path, name, reason) } else { List::any(name, reason) }
    };
    listed.lists = lists.into_iter().take(MAX_LISTS + 1).enumerate().map(one).collect();
    listed
}

/// Whether `name` is a component of one of Cassandra's tables: `nb-1-big-Data.db`, and whatever its data file and its table of
/// contents stand beside (`ks-cf-jb-1-Index.db`).
fn is_cassandra(folders: &dyn Folders, folder: &Path, name: &[u8]) -> bool {
    let Some(at) = name.iter().rposition(|b| *b == b'-') else { return false };
    let (table, component) = (name.get(..at).unwrap_or_default(), name.get(at + 1..).unwrap_or_default());
    let ends = [&b".db"[..], b".txt", b".crc32", b".sha1", b".adler32"];
    if !component.first().is_some_and(u8::is_ascii_uppercase) || !ends.iter().any(|end| component.ends_with(end)) {
        return false;
    }
    // Version, generation, format: since 3.0 the name tells by itself.
    let mut parts = table.split(|b| *b == b'-');
    let version = parts.next().is_some_and(|part| part.len() == 2 && part.iter().all(u8::is_ascii_lowercase));
    let generation = parts.next().is_some_and(|part| !part.is_empty());
    let format = matches!(parts.next(), Some(b"big" | b"bti"));
    if version && generation && format && parts.next().is_none() {
        return true;
    }
    let has = |end: &[u8]| folders.has(folder, OsStr::from_bytes(&[table, end].concat()), false);
    has(b"-Data.db") && has(b"-TOC.txt")
}
