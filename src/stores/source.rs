//! What the SOURCE arguments mean, on disk and in buckets.
//!
//! In a bucket: `s3://bucket/key` is the object of that very key, if there is one, whatever its characters; else, as on disk, the
//! keys below it, or, with `*`, `?`, `[` or `{`, a glob. `s3://bucket/prefix/` is all keys that begin so. A glob's prefix are its
//! parts without such characters; `*` does not cross `/`, `**` does, and a part that it matches stands for all below.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::Stores;
use crate::error::{Error, Result};
use crate::store::disk;
use crate::store::s3::{Place, SCHEME};

/// The SOURCEs of a run: those on disk, then those in buckets, each in the order in which they were given.
#[derive(Debug, Default)]
pub struct Sources {
    /// On disk.
    pub disk: Vec<disk::Source>,
    /// In buckets.
    pub s3: Vec<Bucketed>,
    /// `--all-versions`: what was deleted is there, too.
    pub all_versions: bool,
}

impl Sources {
    /// Adds what `given` means; `false` if nothing is there. A usage error if it is nothing that can be a SOURCE.
    pub fn add(&mut self, given: &OsStr, stores: &Stores) -> Result<bool> {
        if let Some(place) = Place::parse(given.as_bytes()) {
            let found = Bucketed::find(place?, stores, self.all_versions)?;
            let is_there = found.is_some();
            self.s3.extend(found);
            return Ok(is_there);
        }
        match disk::Source::parse(given) {
            Ok(source) => self.disk.push(source),
            Err(_) if !Path::new(given).exists() => return Ok(false),
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.disk.len() + self.s3.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The folders beside SOURCEs that are folders and one artifact, each not to be swept deep: their drafts lie there.
    pub fn beside_packed(&self) -> impl Iterator<Item = (PathBuf, bool)> {
        let packed = self.disk.iter().filter(|source| source.is_packed());
        packed.filter_map(|source| Some((source.above()?.to_owned(), false)))
    }

    /// Whether there is one SOURCE, and it is a folder that is one artifact: its mirror is DEST itself, and its draft beside that.
    pub fn is_one_packed(&self) -> bool {
        self.len() == 1 && self.disk.iter().all(disk::Source::is_packed)
    }

    /// Files and folders, as they are shown.
    pub fn places(&self) -> impl Iterator<Item = PathBuf> {
        let disk = self.disk.iter().map(|source| source.place().to_owned());
        disk.chain(self.s3.iter().map(Bucketed::shown))
    }
}

/// A SOURCE in a bucket. `Debug` shows no key.
#[derive(Clone)]
pub struct Bucketed {
    /// What is listed: a key, or the start of keys.
    pub(super) place: Place,
    /// Bytes of `place.key` that are not part of the artifacts' ways: up to a `/`, and all of it where it is a prefix.
    root: usize,
    pub(super) kind: Kind,
}

/// What it is.
#[derive(Clone)]
pub(super) enum Kind {
    /// One object.
    Key,
    /// All below.
    Prefix,
    /// All below whose way matches.
    Glob(GlobMatcher),
}

impl fmt::Debug for Bucketed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Key => "Key",
            Kind::Prefix => "Prefix",
            Kind::Glob(_) => "Glob",
        };
        f.debug_struct("Bucketed").field("kind", &kind).finish_non_exhaustive()
    }
}

impl Bucketed {
    /// What `place` means; `None` if there is nothing.
    fn find(place: Place, stores: &Stores, all_versions: bool) -> Result<Option<Self>> {
        let s3 = stores.s3()?;
        let usage = |error: Error| error.as_usage(ToString::to_string);
        let is_folder = place.is_prefix();
        let (bucket, key) = (place.bucket.clone(), place.key.clone());
        let is_key = !is_folder && s3.look(&place).map_err(usage)?.is_some();
        if is_key {
            return Ok(Some(Self { root: folder_of(&key), place, kind: Kind::Key }));
        }
        if !is_folder && key.bytes().any(is_meta) {
            return Self::glob(bucket, &key).map(Some);
        }
        let key = if is_folder { key } else { format!("{key}/") };
        let place = Place { bucket, key };
        match s3.list(&place, all_versions).map_err(usage)?.next() {
            Some(Ok(_)) => Ok(Some(Self { root: place.key.len(), place, kind: Kind::Prefix })),
            Some(Err(error)) => Err(usage(error)),
            None => Ok(None),
        }
    }

    fn glob(bucket: String, text: &str) -> Result<Self> {
        let bad = || Error::usage("a SOURCE is not a valid glob");
        let plain = text.bytes().position(is_meta).unwrap_or(text.len());
        let root = text.get(..plain).and_then(|plain| plain.rfind('/')).map_or(0, |at| at + 1);
        let (prefix, pattern) = (text.get(..plain).ok_or_else(bad)?, text.get(root..).ok_or_else(bad)?);
        let glob =
            GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build().map_err(|_| bad())?;
        let place = Place { bucket, key: prefix.to_owned() };
        Ok(Self { place, root, kind: Kind::Glob(glob.compile_matcher()) })
    }

    /// What is listed: a key, or the start of keys.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Whether it is one object.
    pub fn is_key(&self) -> bool {
        matches!(self.kind, Kind::Key)
    }

    /// The key, or the prefix below which ways are counted, with its bucket.
    pub(super) fn shown(&self) -> PathBuf {
        let root = if self.is_key() { self.place.key.as_str() } else { self.place.key.get(..self.root).unwrap_or("") };
        PathBuf::from(format!("{SCHEME}{}/{root}", self.place.bucket))
    }

    /// The way below this SOURCE to `place`, if it is one that is listed here.
    pub fn way_to<'p>(&self, place: &'p Place) -> Option<&'p str> {
        if place.bucket != self.place.bucket {
            return None;
        }
        let key = place.key.as_str();
        let way = key.get(self.root..).filter(|_| key.starts_with(&self.place.key))?;
        match &self.kind {
            Kind::Key => (key == self.place.key).then_some(way),
            Kind::Prefix => Some(way),
            Kind::Glob(glob) => parts(way).any(|part| glob.is_match(part)).then_some(way),
        }
    }

    /// Whether `prefix` is, or lies in, what is listed here as a whole.
    pub(super) fn holds(&self, prefix: &Place) -> bool {
        matches!(self.kind, Kind::Prefix)
            && prefix.bucket == self.place.bucket
            && prefix.key.starts_with(&self.place.key)
    }

    /// Its last name, under which it stands in a mirror of several SOURCEs: of its key, or of its prefix, or the bucket.
    pub(super) fn last_name(&self) -> &str {
        let key = if self.is_key() { self.place.key.as_str() } else { self.place.key.get(..self.root).unwrap_or("") };
        let name = key.trim_end_matches('/').rsplit('/').next().unwrap_or("");
        if name.is_empty() { &self.place.bucket } else { name }
    }
}

/// Where the last name of `key` begins; one that ends in `/` has the `/` in its name.
fn folder_of(key: &str) -> usize {
    let last = key.strip_suffix('/').unwrap_or(key);
    last.rfind('/').map_or(0, |at| at + 1)
}

/// A way and the ways of what is above it.
fn parts(way: &str) -> impl Iterator<Item = &str> {
    let above = way.match_indices('/').filter_map(|(at, _)| way.get(..at));
    above.chain(std::iter::once(way))
}

fn is_meta(byte: u8) -> bool {
    matches!(byte, b'*' | b'?' | b'[' | b'{')
}

#[cfg(test)]
mod source_tests {
    use super::*;

    fn place(key: &str) -> Place {
        Place { bucket: "b".to_owned(), key: key.to_owned() }
    }

    #[test]
    fn globs_match_ways_below_their_last_plain_part() {
        let glob = |text: &str| Bucketed::glob("b".to_owned(), text).unwrap();
        let logs = glob("a/app-*.log");
        assert_eq!((logs.place.key.as_str(), logs.shown().to_str().unwrap()), ("a/app-", "s3://b/a/"));
        assert_eq!(logs.way_to(&place("a/app-1.log")), Some("app-1.log"));
        assert_eq!(logs.way_to(&place("a/app-1.log/x")), Some("app-1.log/x"), "all below");
        assert_eq!(logs.way_to(&place("a/app-x/1.log")), None);
        assert_eq!(glob("**/*.gz").way_to(&place("x//y.gz")), Some("x//y.gz"));
        assert!(Bucketed::glob("b".to_owned(), "a/[").is_err());
    }

    #[test]
    fn ways_keep_every_byte() {
        let all = Bucketed { place: place("a/"), root: 2, kind: Kind::Prefix };
        for (key, way) in [("a/b", Some("b")), ("a//b", Some("/b")), ("a/../b", Some("../b")), ("ab", None)] {
            assert_eq!(all.way_to(&place(key)), way);
        }
        assert_eq!((all.last_name(), folder_of("a/b"), folder_of("a/b/"), folder_of("x")), ("a", 2, 2, 0));
        assert!(all.holds(&place("a/mirror/")) && !all.holds(&place("b/")));
    }
}
