//! Where a mirrored artifact goes: the rules of `--output DEST`, on disk or in a bucket.
//!
//! A DEST in a bucket is a prefix if it ends in `/` or is a whole bucket, else a key where SOURCE is one artifact. Keys are put
//! together as they stand. A key that comes to disk must be a way that a disk can have: no empty part, no `.`, no `..`, no NUL, none
//! longer than 255 bytes; any other is refused by name, since it would leave DEST or fall on another's place. Two keys that would
//! (`a`, and `a/b`) cannot both be written: the second fails.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::list::Own;
use super::source::{Bucketed, Sources};
use crate::error::{Error, Kind, Result};
use crate::store::disk;
use crate::store::s3;
use crate::store::{Object, Place};

/// Longest part of a path, bytes (Linux `NAME_MAX`).
const NAME_MAX: usize = 255;
/// Longest key, bytes (S3 user guide "Object key names").
const KEY_MAX: usize = 1024;

/// A DEST that fits its SOURCEs. `Debug` shows no name.
#[derive(Debug)]
pub struct Dest {
    to: Root,
    /// For each SOURCE the name below DEST under which it stands; empty: none.
    under: Vec<Vec<u8>>,
    buckets: Vec<Bucketed>,
    /// Files that no result may replace.
    own: Own,
}

#[derive(Debug)]
enum Root {
    Disk(disk::Dest),
    /// Keys begin so.
    Prefix(s3::Place),
    /// One artifact.
    Key(s3::Place),
}

impl Dest {
    /// What `dest` means for `sources`. Everything that is against the rules is a usage error; nothing is made yet.
    pub fn plan(dest: &OsStr, sources: &Sources) -> Result<Self> {
        let under = places(sources)?;
        let to = match s3::Place::parse(dest.as_bytes()) {
            None => {
                let others: Vec<bool> = sources.s3.iter().map(Bucketed::is_key).collect();
                Root::Disk(disk::Dest::plan(dest, &sources.disk, &others)?)
            }
            Some(place) => Self::bucket(place?, sources)?,
        };
        Ok(Self { to, under, buckets: sources.s3.clone(), own: Own::default() })
    }

    fn bucket(place: s3::Place, sources: &Sources) -> Result<Root> {
        let one = sources.len() == 1
            && (sources.disk.iter().all(disk::Source::is_file) && sources.s3.iter().all(Bucketed::is_key));
        let inside = |place: &s3::Place| sources.s3.iter().any(|source| source.way_to(place).is_some());
        if place.is_prefix() {
            if sources.s3.iter().any(|source| source.holds(&place)) {
                return Err(Error::usage("DEST is, or lies in, a SOURCE"));
            }
            return Ok(Root::Prefix(place));
        }
        match one {
            true if inside(&place) => Err(Error::usage("DEST is, or lies in, a SOURCE")),
            true => Ok(Root::Key(place)),
            false => Err(Error::usage("DEST in a bucket must end in /").help("it is a prefix of keys")),
        }
    }

    /// On disk: the folder of the mirror, or of the one file, and whether it is the mirror's alone: for a sweep.
    pub fn folder(&self) -> Option<(&Path, bool)> {
        match &self.to {
            Root::Disk(dest) => Some((dest.folder(), !dest.is_file())),
            _ => None,
        }
    }

    /// In a bucket: the prefix, or the key.
    pub fn place(&self) -> Option<&s3::Place> {
        match &self.to {
            Root::Disk(_) => None,
            Root::Prefix(place) | Root::Key(place) => Some(place),
        }
    }

    /// Whether targets lie there.
    pub fn holds(&self, place: &s3::Place) -> bool {
        match &self.to {
            Root::Disk(_) => false,
            Root::Prefix(prefix) => prefix.bucket == place.bucket && place.key.starts_with(&prefix.key),
            Root::Key(key) => key == place,
        }
    }

    /// Never in the place of one of this run's `own` files.
    #[must_use]
    pub fn beside(self, own: Own) -> Self {
        Self { own, ..self }
    }

    /// Where `object` goes. Fails if a SOURCE lists that place, one of this run's own files is there, or there can be none such.
    pub fn target(&self, object: &Object) -> Result<Place> {
        let place = self.way(object)?;
        if self.own.is_at(&place) {
            return Err(Error::new(Kind::Io, "this run's own file stands where the result would go"));
        }
        Ok(place)
    }

    fn way(&self, object: &Object) -> Result<Place> {
        let relative = object.relative.as_os_str().as_bytes();
        let under = self.under.get(object.source).map_or(&[][..], Vec::as_slice);
        let way = if under.is_empty() { relative.to_vec() } else { [under, b"/", relative].concat() };
        match (&self.to, &object.place) {
            (Root::Disk(dest), Place::Path(_)) => dest.target(object).map(Place::Path),
            (Root::Disk(dest), Place::S3(_)) => {
                if !can_be_path(&way) {
                    let error = Error::new(Kind::Io, "its key cannot be a path below DEST");
                    return Err(error.help("mirror it to a bucket"));
                }
                dest.below(&PathBuf::from(OsStr::from_bytes(&way))).map(Place::Path)
            }
            (Root::Key(place), _) => Ok(Place::S3(place.clone())),
            (Root::Prefix(prefix), _) => {
                let way = String::from_utf8(way)
                    .map_err(|_| Error::new(Kind::Io, "its name is not UTF-8, and cannot be a key"))?;
                let place = s3::Place { bucket: prefix.bucket.clone(), key: format!("{}{way}", prefix.key) };
                if place.key.len() > KEY_MAX {
                    return Err(Error::new(Kind::Io, "its key would be longer than 1024 bytes"));
                }
                if self.buckets.iter().any(|source| source.way_to(&place).is_some()) {
                    return Err(Error::new(Kind::Io, "the target lies in a SOURCE"));
                }
                Ok(Place::S3(place))
            }
        }
    }
}

/// Under which name each SOURCE stands. One SOURCE, and those that are one artifact (whose way is their name): under none.
fn places(sources: &Sources) -> Result<Vec<Vec<u8>>> {
    if sources.len() < 2 {
        return Ok(vec![Vec::new(); sources.len()]);
    }
    let mut seen = HashSet::new();
    let mut place = |name: &[u8], is_one: bool| {
        if !seen.insert(name.to_owned()) {
            return Err(Error::usage("two SOURCEs have the same last name and would meet in DEST"));
        }
        Ok(if is_one { Vec::new() } else { name.to_owned() })
    };
    let mut under = Vec::new();
    for source in &sources.disk {
        let name = source.last_name().ok_or_else(|| Error::usage("a SOURCE has no name to stand under in DEST"))?;
        under.push(place(name.as_bytes(), source.is_file())?);
    }
    for source in &sources.s3 {
        under.push(place(source.last_name().as_bytes(), source.is_key())?);
    }
    Ok(under)
}

/// Whether a way is one that a disk can have, and stays below where it begins.
fn can_be_path(way: &[u8]) -> bool {
    let can =
        |part: &[u8]| !part.is_empty() && part != b"." && part != b".." && part.len() <= NAME_MAX && !part.contains(&0);
    way.split(|b| *b == b'/').all(can)
}

#[cfg(test)]
mod dest_tests {
    use super::*;

    #[test]
    fn keys_that_would_leave_or_collide_are_no_paths() {
        for good in ["a", "a/b.c", "..a/ .b", "\u{e9}"] {
            assert!(can_be_path(good.as_bytes()), "{good}");
        }
        for bad in ["", "/a", "a//b", "a/", "./a", "a/./b", "../a", "a/..", "a\0b"] {
            assert!(!can_be_path(bad.as_bytes()), "{bad:?}");
        }
        assert!(!can_be_path(&[b'x'; 256]));
    }
}
