//! Folders of `mysqldump --tab`: `TABLE.txt` has rows, and `TABLE.sql` beside it says of what columns.
//!
//! A `.txt` counts only if a file of that name defines that table, in `MySQL`'s words and without rows; both may be compressed. Those of the whole folder are read, for their foreign keys. Memory: the definitions of one folder, at most
//! `MAX_BYTES` of them in at most `MAX_FILES` files; past that its tables are unknown, and so unsupported.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::Folders;
use crate::codec;
use crate::error::Result;
use crate::format::sql::ddl::{Ddl, Folder};
use crate::layer::coded::strip_suffix_fold;

/// Bytes of one file of definitions.
const MAX_BYTES: u64 = 16 << 20;
/// Files of definitions in one folder.
const MAX_FILES: usize = 1 << 14;

/// The folders of a run: the last one is remembered.
#[derive(Debug, Default)]
pub struct Tabs(Mutex<Option<(PathBuf, Arc<Read>)>>);

/// What a folder's files say.
#[derive(Debug)]
struct Read {
    tables: HashSet<Vec<u8>>,
    ddl: Arc<Ddl>,
}

impl Tabs {
    /// The definitions of the folder of the artifact at `path`, if it has the rows of one of its tables. Fails where that cannot be
    /// told ([`Folders::fault`]).
    pub fn of(&self, folders: &dyn Folders, path: &Path) -> Result<Option<Arc<Ddl>>> {
        let Some(stem) = path.file_name().and_then(|name| stem(name.as_bytes(), b".txt")) else { return Ok(None) };
        let folder = path.parent().unwrap_or(Path::new(""));
        let has = |end: &str| folders.has(folder, OsStr::from_bytes(&[stem, b".sql", end.as_bytes()].concat()), false);
        let is_defined = std::iter::once("").chain(codecs()).any(has);
        if let Some(fault) = folders.fault() {
            return Err(fault);
        }
        if !is_defined {
            return Ok(None);
        }
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let read = match &*last {
            Some((known, read)) if known == folder => Arc::clone(read),
            _ => Arc::new(read(folders, folder)),
        };
        if let Some(fault) = folders.fault() {
            return Err(fault);
        }
        *last = Some((folder.to_owned(), Arc::clone(&read)));
        Ok(read.tables.contains(stem).then(|| Arc::clone(&read.ddl)))
    }
}

/// `users` of `users.txt`, `users.txt.gz`, if `ends` is `.txt`.
fn stem<'n>(name: &'n [u8], ends: &[u8]) -> Option<&'n [u8]> {
    let plain = codecs().find_map(|codec| strip_suffix_fold(name, codec.as_bytes())).unwrap_or(name);
    strip_suffix_fold(plain, ends).filter(|stem| !stem.is_empty())
}

/// Extensions of codecs that a name has besides its own.
fn codecs() -> impl Iterator<Item = &'static str> {
    let all = codec::TABLE.iter().flat_map(|codec| codec.0.extensions());
    all.filter(|(_, becomes)| becomes.is_empty()).map(|(ends, _)| *ends)
}

fn read(folders: &dyn Folders, folder: &Path) -> Read {
    let mut names: Vec<OsString> = Vec::new();
    folders.each(folder, &mut |name| {
        if stem(name.as_bytes(), b".sql").is_some() {
            names.push(name.to_owned());
        }
        names.len() <= MAX_FILES
    });
    // In no order that a file system has.
    names.sort();
    let (mut all, mut tables) = (Folder::default(), HashSet::new());
    if names.len() > MAX_FILES {
        all.tear();
    }
    for name in names {
        let stem = stem(name.as_bytes(), b".sql").unwrap_or_default();
        match text(folders, &folder.join(&name)) {
            Some(text) if all.add(stem, &text) => {}
            Some(_) => continue,
            None => all.tear(),
        }
        tables.insert(stem.to_vec());
    }
    Read { tables, ddl: Arc::new(all.finish()) }
}

/// All of a file; `None` if it cannot be read. A dump is longer than definitions are, and is none of them: its start is enough to tell.
fn text(folders: &dyn Folders, file: &Path) -> Option<Vec<u8>> {
    let blob = folders.open(file).ok()?;
    let most = usize::try_from(MAX_BYTES).ok()?;
    let mut text = vec![0; usize::try_from(blob.len().min(MAX_BYTES)).ok()?];
    let mut at = 0;
    while at < text.len() {
        match blob.read_at(at as u64, text.get_mut(at..)?).ok()? {
            0 => return None,
            n => at += n,
        }
    }
    codec::small::decoded(text, most).ok()
}
