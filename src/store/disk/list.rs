//! Listing: every artifact below the SOURCEs, one after another, in a stable order.
//!
//! Within a folder names are sorted by their bytes; a folder's files stand where its name stands. Nothing is opened. What a
//! killed run left (drafts) is no artifact and not listed. A folder that is one artifact ([`packed`]) is listed as a file is. Of the names of one inode the first is the object, the others
//! follow as [`Listed::SameInode`]; the same file reached by two SOURCEs likewise. That two names are one inode is true
//! only while the first still has it: a commit frees inode numbers, which new files get, so the first is looked at again.
//!
//! Memory: one folder's names at a time, and the names of inodes of which more are to come ([`MAX_LINKED`] at most: past
//! that a name may be listed as an object of its own, and is read again).

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::{FileType, Metadata, symlink_metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::filter::Filter;
use super::names;
use super::packed::{self, Seen};
use super::source::{Kind, Source};
use crate::error::{self, Error};
use crate::store::{FileId, Identity, Listed, Object, Pass, Place, io_error, retry};

/// Inodes with several names that are remembered at one time.
const MAX_LINKED: usize = 1 << 17;

/// This run's own files, known by device and inode.
#[derive(Debug, Clone, Default)]
pub struct Own(HashSet<(u64, u64)>);

impl Own {
    /// Knows the file at `path` from now on, if it exists (a manifest to be made does not yet: add it again once it does).
    pub fn add(&mut self, path: &Path) {
        if let Ok(meta) = std::fs::metadata(path) {
            self.0.insert((meta.dev(), meta.ino()));
        }
    }

    /// Whether one of them has the name `path`, or lies in the folder of that name.
    pub fn is_at(&self, path: &Path) -> bool {
        let known = |meta: Metadata| self.0.contains(&(meta.dev(), meta.ino()));
        match std::fs::metadata(path) {
            Ok(meta) if meta.is_dir() => std::fs::read_dir(path)
                .is_ok_and(|entries| entries.flatten().any(|entry| std::fs::metadata(entry.path()).is_ok_and(known))),
            Ok(meta) => known(meta),
            Err(_) => false,
        }
    }

    pub(super) fn has(&self, identity: &FileId) -> bool {
        self.0.contains(&(identity.dev, identity.ino))
    }
}

/// The listing of all SOURCEs, as an iterator.
pub struct Listing<'a> {
    sources: &'a [Source],
    filter: &'a Filter,
    own: &'a Own,
    /// The SOURCE that is walked.
    at: usize,
    walk: Option<walkdir::IntoIter>,
    linked: HashMap<(u64, u64), Linked>,
}

/// An inode of which more names may come.
struct Linked {
    first: Object,
    to_come: u64,
}

impl fmt::Debug for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").field("at", &self.at).finish_non_exhaustive()
    }
}

impl<'a> Listing<'a> {
    /// What `filter` wants of `sources`, in their order.
    pub fn new(sources: &'a [Source], filter: &'a Filter, own: &'a Own) -> Self {
        Self { sources, filter, own, at: 0, walk: None, linked: HashMap::new() }
    }

    /// A file SOURCE. Opened where it really lies: the argument may be a link, which must stay one.
    fn file(&mut self, source: &Source) -> Option<Listed> {
        let name = Path::new(source.root.file_name().or_else(|| source.canonical.file_name())?);
        if !self.filter.wants(name) {
            return None;
        }
        let shown = &source.root;
        match retry(|| symlink_metadata(&source.canonical)) {
            Ok(meta) => self.judge(&source.canonical, shown, name, &meta),
            Err(error) => Some(failed(shown, &error)),
        }
    }

    /// An entry of a walk: `None` if it is not to be listed.
    fn entry(&mut self, source: &Source, entry: &DirEntry) -> Option<Listed> {
        let way = entry.path().strip_prefix(&source.root).unwrap_or(entry.path());
        if entry.depth() == 0 {
            return self.folder(source, &source.canonical, Path::new(""), &source.root);
        }
        let left_over = names::stage(entry.file_name()).is_some();
        if entry.file_type().is_dir() && !left_over {
            let is_out = self.filter.excludes(way)
                || matches!(&source.kind, Kind::Glob(pattern) if !pattern.may_match_below(way));
            if is_out {
                self.walk.as_mut()?.skip_current_dir();
                return None;
            }
            return self.folder(source, entry.path(), way, &shown(source, way));
        }
        if left_over {
            if entry.file_type().is_dir() {
                self.walk.as_mut()?.skip_current_dir();
            }
            // A glob asks for names; what was left over is told where a whole folder is read.
            let told = matches!(source.kind, Kind::Folder) && !self.filter.excludes(way);
            return told.then(|| Listed::Skipped { shown: shown(source, way), why: Pass::LeftOver });
        }
        if !self.filter.wants(way) {
            return None;
        }
        if matches!(&source.kind, Kind::Glob(pattern) if !pattern.matches(way)) {
            return None;
        }
        let shown = shown(source, way);
        match retry(|| symlink_metadata(entry.path())) {
            Ok(meta) => self.judge(entry.path(), &shown, way, &meta),
            Err(error) => Some(failed(&shown, &error)),
        }
    }

    /// What to say of a folder: nothing, unless it is one artifact, which is not walked.
    fn folder(&mut self, source: &Source, path: &Path, way: &Path, shown: &Path) -> Option<Listed> {
        let object = match packed::see((self.at, source), path, way, shown, (self.filter, self.own)) {
            Seen::Folder => return None,
            Seen::Unwanted => None,
            Seen::One(object) => Some(*object),
        };
        self.walk.as_mut()?.skip_current_dir();
        let object = object?;
        Some(match self.listed_before(&object, &source.canonical.join(way)) {
            Some(first) => Listed::SameInode { object, first: Box::new(first) },
            None => Listed::Object(object),
        })
    }

    /// What to say of a file that the globs want.
    fn judge(&mut self, path: &Path, shown: &Path, way: &Path, meta: &Metadata) -> Option<Listed> {
        if let Some(why) = pass(meta.file_type()) {
            return Some(Listed::Skipped { shown: shown.to_owned(), why });
        }
        let identity = FileId::of(meta);
        if self.own.has(&identity) {
            return Some(Listed::Skipped { shown: shown.to_owned(), why: Pass::OwnFile });
        }
        if !self.filter.is_old_enough(identity.mtime) {
            return None;
        }
        let object = Object {
            source: self.at,
            place: Place::Path(path.to_owned()),
            shown: shown.to_owned(),
            relative: way.to_owned(),
            identity: Identity::File(identity),
            links: meta.nlink(),
            archived: false,
            class: None,
            old_version: false,
        };
        let source = self.sources.get(self.at)?;
        let path = if source.is_file() { source.canonical.clone() } else { source.canonical.join(way) };
        if let Some(first) = self.listed_before(&object, &path) {
            return Some(Listed::SameInode { object, first: Box::new(first) });
        }
        Some(match self.first_of(&object) {
            Some(first) => Listed::SameInode { object, first: Box::new(first) },
            None => Listed::Object(object),
        })
    }

    /// The object by which an earlier SOURCE listed this same name: `path`, without links.
    fn listed_before(&self, object: &Object, path: &Path) -> Option<Object> {
        self.sources.iter().take(self.at).enumerate().find_map(|(at, earlier)| {
            let way = earlier.way_to(path)?;
            let relative = if earlier.is_file() { Path::new(earlier.root.file_name()?) } else { way };
            if !self.filter.wants(relative) {
                return None;
            }
            let (path, shown) = if earlier.is_file() {
                (path.to_owned(), earlier.root.clone())
            } else {
                (earlier.root.join(way), shown(earlier, way))
            };
            let place = Place::Path(path);
            Some(Object { source: at, place, shown, relative: relative.to_owned(), ..object.clone() })
        })
    }

    /// The object by which another name of this inode was listed. Remembers it if it is the first.
    fn first_of(&mut self, object: &Object) -> Option<Object> {
        if object.links < 2 {
            return None;
        }
        let key = object.identity.inode()?;
        if let Some(linked) = self.linked.get_mut(&key) {
            let still = still_named(&linked.first, key);
            linked.to_come = linked.to_come.saturating_sub(1);
            let first = linked.first.clone();
            if linked.to_come == 0 || !still {
                self.linked.remove(&key);
            }
            if still {
                return Some(first);
            }
        }
        if self.linked.len() < MAX_LINKED {
            self.linked.insert(key, Linked { first: object.clone(), to_come: object.links - 1 });
        }
        None
    }
}

impl Iterator for Listing<'_> {
    type Item = Listed;

    fn next(&mut self) -> Option<Listed> {
        loop {
            let sources = self.sources;
            let source = sources.get(self.at)?;
            if source.is_file() {
                let listed = self.file(source);
                self.at += 1;
                match listed {
                    None => continue,
                    listed => return listed,
                }
            }
            let walk = self.walk.get_or_insert_with(|| WalkDir::new(&source.root).sort_by_file_name().into_iter());
            match walk.next() {
                None => {
                    self.walk = None;
                    self.at += 1;
                }
                Some(Ok(entry)) => {
                    if let Some(listed) = self.entry(source, &entry) {
                        return Some(listed);
                    }
                }
                Some(Err(error)) => {
                    let path = error.path().unwrap_or(&source.root);
                    let way = path.strip_prefix(&source.root).unwrap_or(path);
                    let unknown = io::Error::from(io::ErrorKind::Other);
                    return Some(failed(&shown(source, way), error.io_error().unwrap_or(&unknown)));
                }
            }
        }
    }
}

/// Whether `object` still has that inode.
fn still_named(object: &Object, key: (u64, u64)) -> bool {
    let meta = object.path().map(|path| retry(|| symlink_metadata(path)));
    matches!(meta, Some(Ok(meta)) if (meta.dev(), meta.ino()) == key)
}

/// SOURCE as given and the way below it; a glob without a folder has none to show.
fn shown(source: &Source, way: &Path) -> PathBuf {
    let is_bare = matches!(source.kind, Kind::Glob(_)) && source.root.as_os_str() == ".";
    if is_bare { way.to_owned() } else { source.root.join(way) }
}

fn failed(shown: &Path, error: &io::Error) -> Listed {
    if error.kind() == io::ErrorKind::NotFound {
        return Listed::Skipped { shown: shown.to_owned(), why: Pass::Vanished };
    }
    let error = match error.kind() {
        io::ErrorKind::Other => Error::new(error::Kind::Io, "listing the folder"),
        _ => io_error("listing the folder", error),
    };
    Listed::Failed { shown: shown.to_owned(), error }
}

fn pass(kind: FileType) -> Option<Pass> {
    match kind {
        _ if kind.is_file() => None,
        _ if kind.is_symlink() => Some(Pass::Symlink),
        _ if kind.is_fifo() => Some(Pass::Special("special file (fifo)")),
        _ if kind.is_socket() => Some(Pass::Special("special file (socket)")),
        _ => Some(Pass::Special("special file (device)")),
    }
}
