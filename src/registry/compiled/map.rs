//! The one place that maps a file of ours into memory.

use std::fs::File;
use std::sync::Arc;

use memmap2::Mmap;

use crate::error::{Error, Result};

/// Maps all of `file` to be read. Usage error: the system will not.
#[expect(unsafe_code, reason = "see SAFETY")]
pub(super) fn map(file: &File) -> Result<Arc<Mmap>> {
    // SAFETY: `Mmap` gives out `&[u8]`, which nobody may change as long as it lives. The mapping is private and of a file that this
    // program has made (its magic and digests are checked next), mode 0600, and never writes to again: a new one takes its name by
    // rename, so that the inode that is mapped stays as it is. Another program of the same user could still write to it. Against that
    // nothing is built on the bytes but by checked reads of plain numbers (`matcher::column`): no reference, length or `str` is made
    // without asking for it anew each time, so that a change gives other numbers, which lead to other values or none, and never out of
    // bounds. Who cuts the file short while it is mapped ends the process by SIGBUS: a kill, at any instant of which nothing is lost
    // (P3). Both are said in docs/registry.md.
    let map = unsafe { Mmap::map(file) };
    map.map(Arc::new).map_err(|error| Error::usage(format!("cannot map the registry: {}", error.kind())))
}
