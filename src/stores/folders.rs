//! What stands beside an artifact, in either store (see [`crate::detect::beside`]).
//!
//! The folders of a bucket are what its keys say between slashes. One listing answers nearly all questions for names in a folder
//! of at most a page; the last [`KEPT`] folders' pages are kept. Empty parts, `.` and `..`, which mean nothing in a key but much in
//! a path, get a mark in front while they are part of one.

use std::ffi::OsStr;
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
use crate::store::{Object, Place, Purpose};

/// Folders whose names are remembered; each at most a page of 1,000.
const KEPT: usize = 32;
/// Stands before parts of a key that a path cannot have, and before itself.
const MARK: u8 = 1;

/// Looks at folders as a listing goes through them, a disk's and a bucket's.
pub struct Watches<'f> {
    disk: Watch<'f>,
    s3: Option<Watch<'f>>,
}

impl<'f> Watches<'f> {
    /// Looks through the stores' folders.
    pub fn new(stores: &'f Stores, buckets: Option<&'f Buckets>) -> Self {
        Self { disk: Watch::new(stores.disk()), s3: buckets.map(|buckets| Watch::new(buckets)) }
    }

    /// What stands beside `object`.
    pub fn judge(&mut self, object: &Object) -> Option<Beside> {
        match &object.place {
            Place::Path(path) => {
                let depth = object.relative.components().count();
                let is_folder = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
                if is_folder { self.disk.judge_folder(path, depth) } else { self.disk.judge(path, depth) }
            }
            Place::S3(place) => {
                let depth = object.relative.as_os_str().as_bytes().split(|b| *b == b'/').count();
                self.s3.as_mut()?.judge(&path_of(place), depth)
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

    /// Those of the folder of the artifact at `place`, if it has the rows of one of its tables.
    pub fn of(&self, place: &Place) -> Option<Arc<Ddl>> {
        match place {
            Place::Path(path) => self.on_disk.of(self.stores.disk(), path),
            Place::S3(place) => self.in_buckets.of(self.buckets.as_ref()?, &path_of(place)),
        }
    }
}

/// The folders of buckets.
pub struct Buckets {
    s3: S3,
    kept: Mutex<Vec<(PathBuf, Arc<Names>)>>,
}

impl Buckets {
    /// Of the stores, if any bucket is named.
    pub fn of(stores: &Stores) -> Option<Self> {
        Some(Self { s3: stores.buckets()?.clone(), kept: Mutex::default() })
    }

    fn names(&self, folder: &Path) -> Arc<Names> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, names)) = kept.iter().find(|(path, _)| path == folder) {
            return Arc::clone(names);
        }
        let names = folder_of(folder).and_then(|place| self.s3.names(&place, None).ok());
        // What cannot be looked at counts as not there.
        let names = Arc::new(names.unwrap_or(Names { names: Vec::new(), complete: true }));
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push((folder.to_owned(), Arc::clone(&names)));
        names
    }
}

impl Folders for Buckets {
    fn real(&self, folder: &Path) -> PathBuf {
        folder.to_owned()
    }

    fn each(&self, folder: &Path, see: &mut dyn FnMut(&OsStr) -> bool) {
        let mut page = self.names(folder);
        loop {
            for (name, _) in &page.names {
                if !see(OsStr::from_bytes(&marked(name))) {
                    return;
                }
            }
            let (Some(place), Some((last, is_folder)), false) = (folder_of(folder), page.names.last(), page.complete)
            else {
                return;
            };
            let Ok(next) = self.s3.names(&place, Some((last, *is_folder))) else { return };
            page = Arc::new(next);
        }
    }

    fn has(&self, folder: &Path, name: &OsStr, is_folder: bool) -> bool {
        let Some(name) = unmarked(name.as_bytes()) else { return false };
        let names = self.names(folder);
        if names.names.iter().any(|known| *known == (name.clone(), is_folder)) || names.complete {
            return names.names.iter().any(|known| *known == (name.clone(), is_folder));
        }
        let Some(mut place) = folder_of(folder) else { return false };
        place.key.push_str(&name);
        if is_folder {
            place.key.push('/');
            return self.s3.list(&place, false).is_ok_and(|mut keys| matches!(keys.next(), Some(Ok(_))));
        }
        self.s3.look(&place).is_ok_and(|found| found.is_some())
    }

    fn open(&self, file: &Path) -> Result<Box<dyn Blob>> {
        let gone = || Error::new(Kind::Skipped, "vanished");
        let place = place_of(file).ok_or_else(gone)?;
        let entry = self.s3.look(&place)?.ok_or_else(gone)?;
        Ok(Box::new(self.s3.open(&entry, Purpose::Read)?))
    }
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
