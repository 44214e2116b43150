//! What stands beside an artifact, in either store (see [`crate::detect::beside`]).
//!
//! The folders of a bucket are what its keys say between slashes. One listing answers nearly all questions for names in a folder
//! of at most a page; the last [`KEPT`] folders' pages are kept. Empty parts, `.` and `..`, which mean nothing in a key but much in
//! a path, get a mark in front while they are part of one.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::Stores;
use crate::blob::Blob;
use crate::detect::beside::tab::Tabs;
use crate::detect::beside::{Beside, Folders, Watch};
use crate::error::{Error, Kind, Result};
use crate::format::sql::ddl::Ddl;
use crate::store::s3::{self, Names, S3};
use crate::store::{Object, Original, Place, Purpose};

/// Folders whose names are remembered; each at most a page of 1,000.
const KEPT: usize = 32;
/// Stands before parts of a key that a path cannot have, and before itself.
const MARK: u8 = 1;

/// Looks at folders as a listing goes through them, a disk's and a bucket's.
pub struct Watches<'f> {
    disk: Watch<'f>,
    s3: Option<(&'f Buckets, Watch<'f>)>,
}

impl<'f> Watches<'f> {
    /// Looks through the stores' folders; `buckets` are for this alone.
    pub fn new(stores: &'f Stores, buckets: Option<&'f Buckets>) -> Self {
        Self { disk: Watch::new(stores.disk()), s3: buckets.map(|buckets| (buckets, Watch::new(buckets))) }
    }

    /// What stands beside `object`. Fails where a bucket does not tell.
    pub fn judge(&mut self, object: &Object) -> Result<Option<Beside>> {
        match &object.place {
            Place::Path(path) => {
                let depth = object.relative.components().count();
                let is_folder = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
                if is_folder { Ok(self.disk.judge_folder(path, depth)) } else { self.disk.judge(path, depth) }
            }
            Place::S3(place) => {
                let depth = object.relative.as_os_str().as_bytes().split(|b| *b == b'/').count();
                let (path, Some((buckets, watch))) = (path_of(place), self.s3.as_mut()) else { return Ok(None) };
                buckets.within(path.ancestors().nth(depth).unwrap_or(&path));
                watch.judge(&path, depth)
            }
        }
    }
}

/// Definitions of tables that lie beside their rows, in either store.
pub struct Definitions<'f> {
    stores: &'f Stores,
    buckets: Option<Buckets>,
    on_disk: Tabs,
    in_buckets: Tabs,
}

impl<'f> Definitions<'f> {
    /// Looks through the stores' folders.
    pub fn new(stores: &'f Stores) -> Self {
        Self { stores, buckets: Buckets::of(stores), on_disk: Tabs::default(), in_buckets: Tabs::default() }
    }

    /// Those of the folder of the artifact at `place`, if it has the rows of one of its tables. Fails where a bucket does not tell.
    pub fn of(&self, place: &Place) -> Result<Option<Arc<Ddl>>> {
        match (place, &self.buckets) {
            (Place::Path(path), _) => self.on_disk.of(self.stores.disk(), path),
            // What goes wrong for one artifact is no matter of those that others ask for meanwhile.
            (Place::S3(place), Some(buckets)) => self.in_buckets.of(&buckets.anew(), &path_of(place)),
            (Place::S3(_), None) => Ok(None),
        }
    }
}

/// The folders of buckets.
pub struct Buckets {
    s3: S3,
    kept: Arc<Mutex<Kept>>,
    /// The SOURCE that is looked at. Folders above it are looked at as far as the credentials reach.
    source: Mutex<PathBuf>,
    fault: Arc<Mutex<Option<Error>>>,
}

/// Folders with the first page of their names; `None`: the credentials may not list it.
type Kept = Vec<(PathBuf, Option<Arc<Names>>)>;

impl Buckets {
    /// Of the stores, if any bucket is named.
    pub fn of(stores: &Stores) -> Option<Self> {
        let s3 = stores.buckets()?.clone();
        Some(Self { s3, kept: Arc::default(), source: Mutex::default(), fault: Arc::default() })
    }

    /// The same folders, with faults of their own.
    fn anew(&self) -> Self {
        Self { s3: self.s3.clone(), kept: Arc::clone(&self.kept), source: Mutex::default(), fault: Arc::default() }
    }

    /// From now on what is looked at is beside artifacts of the SOURCE `folder`.
    fn within(&self, folder: &Path) {
        folder.clone_into(&mut self.source.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn note(&self, fault: Error) {
        note(&self.fault, fault);
    }

    /// The first page of a folder's names; `None` with a note if they cannot be had. Nothing for a folder above the SOURCE that the
    /// credentials may not list: they may be for its prefix alone.
    fn names(&self, folder: &Path) -> Option<Arc<Names>> {
        let nothing = || Arc::new(Names { names: Vec::new(), complete: true });
        let Some(place) = folder_of(folder) else { return Some(nothing()) };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.iter().find(|(path, _)| path == folder).map(|(_, names)| names.clone());
        let names = match known {
            Some(names) => names,
            None => match self.s3.names(&place, None) {
                Ok(names) => {
                    let names = names.map(Arc::new);
                    if kept.len() >= KEPT {
                        kept.remove(0);
                    }
                    kept.push((folder.to_owned(), names.clone()));
                    names
                }
                Err(fault) => {
                    self.note(fault);
                    return None;
                }
            },
        };
        let is_above = || !folder.starts_with(&*self.source.lock().unwrap_or_else(PoisonError::into_inner));
        if names.is_none() && is_above() {
            return Some(nothing());
        }
        if names.is_none() {
            self.note(may_not());
        }
        names
    }

    /// The page of names behind the last one of `page`.
    fn behind(&self, folder: &Path, page: &Names) -> Option<Names> {
        let ((last, is_folder), place) = (page.names.last()?, folder_of(folder)?);
        match self.s3.names(&place, Some((last, *is_folder))) {
            Ok(Some(next)) => return Some(next),
            Ok(None) => self.note(may_not()),
            Err(fault) => self.note(fault),
        }
        None
    }
}

impl Folders for Buckets {
    fn real(&self, folder: &Path) -> PathBuf {
        folder.to_owned()
    }

    fn each(&self, folder: &Path, see: &mut dyn FnMut(&OsStr) -> bool) {
        let mut page = self.names(folder);
        while let Some(names) = page {
            for (name, _) in &names.names {
                if !see(OsStr::from_bytes(&marked(name))) {
                    return;
                }
            }
            page = if names.complete { None } else { self.behind(folder, &names).map(Arc::new) };
        }
    }

    fn has(&self, folder: &Path, name: &OsStr, is_folder: bool) -> bool {
        let (Some(name), Some(names)) = (unmarked(name.as_bytes()), self.names(folder)) else { return false };
        if names.names.iter().any(|known| *known == (name.clone(), is_folder)) || names.complete {
            return names.names.iter().any(|known| *known == (name.clone(), is_folder));
        }
        let Some(mut place) = folder_of(folder) else { return false };
        place.key.push_str(&name);
        let found = if is_folder {
            place.key.push('/');
            self.s3.list(&place, false).and_then(|mut keys| keys.next().transpose()).map(|found| found.is_some())
        } else {
            self.s3.look(&place).map(|found| found.is_some())
        };
        found.unwrap_or_else(|fault| {
            self.note(fault);
            false
        })
    }

    fn open(&self, file: &Path) -> Result<Box<dyn Blob>> {
        let gone = || Error::new(Kind::Skipped, "vanished");
        let place = place_of(file).ok_or_else(gone)?;
        let opened = self.s3.look(&place).and_then(|entry| self.s3.open(&entry.ok_or_else(gone)?, Purpose::Read));
        match opened {
            Ok(opened) => Ok(Box::new(Beheld { opened, fault: Arc::clone(&self.fault) })),
            Err(error) => {
                if error.kind() != Kind::Skipped {
                    self.note(error.clone());
                }
                Err(error)
            }
        }
    }

    fn fault(&self) -> Option<Error> {
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(match fault.kind() {
            Kind::Interrupted => fault,
            _ => Error::new(Kind::Io, format!("what stands beside it: {fault}")),
        })
    }
}

/// An object beside an artifact; that it cannot be read is noted.
struct Beheld {
    opened: s3::Opened,
    fault: Arc<Mutex<Option<Error>>>,
}

impl Blob for Beheld {
    fn len(&self) -> u64 {
        self.opened.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.opened.read_at(at, buf);
        if let Err(error) = &read {
            let reason = self.opened.check().err();
            note(&self.fault, reason.unwrap_or_else(|| Error::io("reading an object", error)));
        }
        read
    }
}

/// The first fault is the one that is told.
fn note(noted: &Mutex<Option<Error>>, fault: Error) {
    noted.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
}

fn may_not() -> Error {
    Error::new(Kind::Io, "its folder may not be listed").help("the credentials need s3:ListBucket")
}

/// An object as a path: `/bucket/part/…`.
fn path_of(place: &s3::Place) -> PathBuf {
    let mut path = PathBuf::from("/");
    path.push(&place.bucket);
    for part in place.key.split('/') {
        path.push(OsStr::from_bytes(&marked(part)));
    }
    path
}

/// What a path means; `None`: no bucket.
fn place_of(path: &Path) -> Option<s3::Place> {
    let mut parts = path.as_os_str().as_bytes().strip_prefix(b"/")?.split(|b| *b == b'/');
    let bucket = String::from_utf8(parts.next()?.to_vec()).ok().filter(|bucket| !bucket.is_empty())?;
    let parts: Vec<String> = parts.map(unmarked).collect::<Option<_>>()?;
    Some(s3::Place { bucket, key: parts.join("/") })
}

/// The prefix of a folder's keys.
fn folder_of(folder: &Path) -> Option<s3::Place> {
    let mut place = place_of(folder)?;
    if folder.components().count() > 2 {
        place.key.push('/');
    }
    Some(place)
}

fn marked(part: &str) -> Vec<u8> {
    let mark = matches!(part, "" | "." | "..") || part.as_bytes().first() == Some(&MARK);
    let mut bytes = if mark { vec![MARK] } else { Vec::new() };
    bytes.extend_from_slice(part.as_bytes());
    bytes
}

fn unmarked(part: &[u8]) -> Option<String> {
    let part = part.strip_prefix(&[MARK]).unwrap_or(part);
    String::from_utf8(part.to_vec()).ok()
}

#[cfg(test)]
mod folder_tests {
    use super::*;

    #[test]
    fn every_key_is_a_path_of_its_own() {
        let place = |key: &str| s3::Place { bucket: "b".to_owned(), key: key.to_owned() };
        for key in ["a", "a//b", "/a", "./a", "a/../b", "a/", "\u{1}.", "a/\u{1}", "\u{e9} +"] {
            let path = path_of(&place(key));
            assert!(place_of(&path) == Some(place(key)), "{key:?}");
            assert_eq!(path.components().count(), 2 + key.split('/').count(), "{key:?}");
        }
        assert!(folder_of(Path::new("/b")) == Some(place("")) && folder_of(Path::new("/b/x")) == Some(place("x/")));
        assert!(folder_of(Path::new("/")).is_none());
    }
}
