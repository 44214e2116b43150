//! What the listing makes of a folder: one artifact, or a folder like others.
//!
//! The filters see its files, since who asks for `*.gz` means those in it as well: it is wanted if one of its files is, and taken as a folder
//! like others (whose files are then refused by name) if one is excluded or the run's own.

use std::path::{Path, PathBuf};

use super::view::View;
use super::{IS_READ, free, open_folder};
use crate::store::disk::Filter;
use crate::store::disk::list::Own;
use crate::store::disk::source::{Kind, Source};
use crate::store::{Identity, Object, Place};

/// What a folder is.
pub(in crate::store::disk) enum Seen {
    /// Like others: to be walked.
    Folder,
    /// One artifact, which nobody asked for.
    Unwanted,
    /// One artifact.
    One(Box<Object>),
}

/// Looks at the folder at `path`, that lies the `way` below SOURCE number `at` (none, if it is the SOURCE).
pub(in crate::store::disk) fn see(
    (at, source): (usize, &Source),
    path: &Path,
    way: &Path,
    shown: &Path,
    (filter, own): (&Filter, &Own),
) -> Seen {
    let is_source = way.as_os_str().is_empty();
    let is_meant = match &source.kind {
        Kind::Folder => true,
        // A glob may mean some of its files.
        Kind::Glob(pattern) => !is_source && pattern.matches(way),
        Kind::File => false,
    };
    if !is_meant || !IS_READ {
        return Seen::Folder;
    }
    let name = if is_source { source.last_name() } else { way.file_name() };
    let view = open_folder(path).and_then(|folder| View::of(folder, &free()));
    let (Some(name), Ok(Some(view))) = (name, view) else { return Seen::Folder };
    let ways = || view.members.iter().map(|member| way.join(&member.name));
    let excluded = ways().any(|way| filter.excludes(&way));
    if excluded || view.members.iter().any(|member| own.has(&member.id)) {
        return Seen::Folder;
    }
    let identity = view.identity();
    if !ways().any(|way| filter.wants(&way)) || !filter.is_old_enough(identity.mtime) {
        return Seen::Unwanted;
    }
    Seen::One(Box::new(Object {
        source: at,
        place: Place::Path(path.to_owned()),
        shown: shown.components().collect(),
        relative: if is_source { PathBuf::from(name) } else { way.to_owned() },
        identity: Identity::File(identity),
        links: 1,
        archived: false,
        class: None,
        old_version: false,
    }))
}
