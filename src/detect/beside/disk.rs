//! Folders on disk.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::Folders;
use crate::blob::{Blob, FileBlob};
use crate::error::Result;
use crate::store::disk::Disk;

impl Folders for Disk {
    fn real(&self, folder: &Path) -> PathBuf {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        std::fs::canonicalize(folder).unwrap_or_else(|_| std::path::absolute(folder).unwrap_or_default())
    }

    fn each(&self, folder: &Path, see: &mut dyn FnMut(&OsStr) -> bool) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if !see(&entry.file_name()) {
                return;
            }
        }
    }

    fn has(&self, folder: &Path, name: &OsStr, is_folder: bool) -> bool {
        std::fs::metadata(folder.join(name)).is_ok_and(|meta| meta.is_dir() == is_folder)
    }

    fn open(&self, file: &Path) -> Result<Box<dyn Blob>> {
        Ok(Box::new(FileBlob::open(file)?))
    }
}
