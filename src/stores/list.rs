//! The listing of all SOURCEs: files, then objects, one after another.
//!
//! Objects come in the order of the service, a page at a time, so that tens of millions of keys cost no memory. An empty object
//! whose key ends in `/` is a mark that consoles make for a folder, and is passed over. What two SOURCEs list is read once.

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Stores;
use super::source::{Bucketed, Kind, Sources};
use crate::error::Result;
use crate::store::disk::{self, Filter};
use crate::store::s3::{Entry, Place};
use crate::store::{self, Listed, Object, Pass};

/// This run's own files and objects.
#[derive(Debug, Clone, Default)]
pub struct Own {
    disk: disk::Own,
    s3: HashSet<Place>,
}

impl Own {
    /// Knows what is at `path` from now on: a file, if it exists, or an object.
    pub fn add(&mut self, path: &Path) {
        match Place::parse(path.as_os_str().as_bytes()) {
            Some(place) => self.s3.extend(place.ok()),
            None => self.disk.add(path),
        }
    }

    /// Whether one of them is at `place`, or in the folder there.
    pub fn is_at(&self, place: &store::Place) -> bool {
        match place {
            store::Place::S3(place) => self.s3.contains(place),
            store::Place::Path(path) => self.disk.is_at(path),
        }
    }
}

/// The listing, as an iterator.
pub struct Listing<'a> {
    stores: &'a Stores,
    sources: &'a Sources,
    filter: &'a Filter,
    own: &'a Own,
    all_versions: bool,
    files: disk::Listing<'a>,
    /// The SOURCE in a bucket that is listed, and what is left of it.
    at: usize,
    entries: Option<Entries>,
}

/// Entries of a SOURCE as they come.
type Entries = Box<dyn Iterator<Item = Result<Entry>>>;

impl<'a> Listing<'a> {
    /// What `filter` wants of `sources`; with `all_versions` also what was replaced or deleted in buckets that have versions.
    pub fn new(stores: &'a Stores, sources: &'a Sources, filter: &'a Filter, own: &'a Own, all_versions: bool) -> Self {
        let files = disk::Listing::new(&sources.disk, filter, &own.disk);
        Self { stores, sources, filter, own, all_versions, files, at: 0, entries: None }
    }

    /// What to say of an entry: `None` if it is not to be listed.
    fn judge(&self, source: &Bucketed, entry: Entry) -> Option<Listed> {
        if entry.is_delete_marker || (entry.size == 0 && entry.place.key.ends_with('/')) {
            return None;
        }
        let way = PathBuf::from(source.way_to(&entry.place)?);
        if !self.filter.wants(&way) {
            return None;
        }
        let shown = PathBuf::from(entry.place.shown());
        if self.own.s3.contains(&entry.place) {
            return Some(Listed::Skipped { shown, why: Pass::OwnFile });
        }
        if !self.filter.is_old_enough(entry.modified) {
            return None;
        }
        let object = Object {
            source: self.sources.disk.len() + self.at,
            identity: entry.identity(),
            shown,
            relative: way,
            links: 1,
            class: entry.class.filter(|_| entry.archived),
            archived: entry.archived,
            old_version: !entry.is_latest,
            place: store::Place::S3(entry.place),
        };
        Some(match self.listed_before(&object) {
            Some(first) => Listed::SameInode { object, first: Box::new(first) },
            None => Listed::Object(object),
        })
    }

    /// The object as an earlier SOURCE listed it.
    fn listed_before(&self, object: &Object) -> Option<Object> {
        let store::Place::S3(place) = &object.place else { return None };
        self.sources.s3.iter().take(self.at).enumerate().find_map(|(at, earlier)| {
            let relative = PathBuf::from(earlier.way_to(place)?);
            let wanted = self.filter.wants(&relative);
            wanted.then(|| Object { source: self.sources.disk.len() + at, relative, ..object.clone() })
        })
    }

    /// The entries of a SOURCE.
    fn open(&self, source: &Bucketed) -> Result<Entries> {
        let s3 = self.stores.s3()?;
        if let (Kind::Key, false) = (&source.kind, self.all_versions) {
            return Ok(Box::new(s3.look(&source.place)?.into_iter().map(Ok)));
        }
        Ok(Box::new(s3.list(&source.place, self.all_versions)?))
    }
}

impl Iterator for Listing<'_> {
    type Item = Listed;

    fn next(&mut self) -> Option<Listed> {
        if let Some(listed) = self.files.next() {
            return Some(listed);
        }
        loop {
            let sources = self.sources;
            let source = sources.s3.get(self.at)?;
            let failed = |error| Listed::Failed { shown: source.shown(), error };
            let mut entries = match self.entries.take() {
                Some(entries) => entries,
                None => match self.open(source) {
                    Ok(entries) => entries,
                    Err(error) => {
                        self.at += 1;
                        return Some(failed(error));
                    }
                },
            };
            match entries.next() {
                None => self.at += 1,
                Some(Err(error)) => {
                    self.at += 1;
                    return Some(failed(error));
                }
                Some(Ok(entry)) => {
                    self.entries = Some(entries);
                    if let Some(listed) = self.judge(source, entry) {
                        return Some(listed);
                    }
                }
            }
        }
    }
}
