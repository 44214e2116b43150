//! Tests of the disk store on real files: each commit rule through every way that `Means` has.

mod apply;
mod listing;
mod mirror;
mod swap;
mod sweep;
mod writer;

use std::borrow::Borrow;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use super::{Disk, Filter, Listing, Means, Own, Source};
use crate::blob::TempSpace;
use crate::edit::{EditList, Patch};
use crate::error::Result;
use crate::span::Span;
use crate::store::{Applied, Committed, Listed, Object, Original, Purpose, To};

const REPLACE: Purpose = Purpose::Replace { break_hardlinks: false };

/// Every way: all that the system has, and each thing lacking.
fn ways() -> Vec<Disk> {
    let all = Means::default();
    [
        all,
        Means { exchange: false, ..all },
        Means { copy_range: false, ..all },
        Means { tmpfile: false, ..all },
        Means { lease: false, ..all },
        Means { exchange: false, copy_range: false, tmpfile: false, lease: false },
    ]
    .map(|means| Disk { means, ..Disk::default() })
    .to_vec()
}

fn patch(base_len: u64, edits: &[(u64, u64, &[u8])]) -> Patch {
    let mut list = EditList::new(&TempSpace::new(std::env::temp_dir(), 1 << 30));
    for (start, end, payload) in edits {
        list.push(Span::new(*start, *end), payload).unwrap();
    }
    Patch { base_len, edits: list }
}

/// The file at `path` as the listing gives it.
fn object(path: &Path) -> Object {
    match list(&[path]).pop().unwrap() {
        Listed::Object(object) => object,
        other => panic!("{other:?}"),
    }
}

fn sources(paths: &[&Path]) -> Vec<Source> {
    paths.iter().map(|path| Source::parse(path.as_os_str()).unwrap()).collect()
}

fn list(paths: &[&Path]) -> Vec<Listed> {
    Listing::new(&sources(paths), &Filter::default(), &Own::default()).collect()
}

/// Applies `edits`, calls `between`, commits.
fn scrub(
    disk: impl Borrow<Disk>,
    path: &Path,
    to: To<'_>,
    edits: &[(u64, u64, &[u8])],
    between: impl FnOnce(),
) -> Result<(Applied, Committed)> {
    let purpose = if to == To::InPlace { REPLACE } else { Purpose::Read };
    let opened = disk.borrow().open(&object(path), purpose)?;
    let plan = patch(crate::blob::Blob::len(&opened), edits);
    let mut draft = opened.draft(to, plan.len())?;
    let applied = draft.apply(&plan)?;
    between();
    Ok((applied, draft.commit()?))
}

/// Names in `dir`, sorted.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    crate::store::digest(&bytes.to_vec()).unwrap()
}

fn name(bytes: &[u8]) -> &OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(bytes)
}
