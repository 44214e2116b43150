//! Who has a file open for writing, from `/proc`: for file systems without leases, and files of others.
//!
//! Slower than a lease and only a snapshot: a writer that opens the file right after is not seen. So a commit that rests
//! on it says so in its notes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What a look through `/proc` told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Every process was looked at: no writer.
    None,
    /// At least one writer.
    Some,
    /// No writer among those that may be looked at.
    Unknown,
}

/// Looks for a descriptor of any process that is open for writing on this inode.
pub(super) fn look(dev: u64, ino: u64) -> Look {
    any(&|d, i| (d, i) == (dev, ino))
}

/// As [`look`], on any inode of which `is_one` (device, inode) says so.
pub(super) fn any(is_one: &dyn Fn(u64, u64) -> bool) -> Look {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Look::Unknown;
    };
    let mut all = Look::None;
    for process in processes.flatten() {
        if !process.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        let process = process.path();
        match fs::read_dir(process.join("fd")) {
            Ok(fds) => {
                for fd in fds.flatten() {
                    let same = fs::metadata(fd.path()).is_ok_and(|m| is_one(m.dev(), m.ino()));
                    if same && is_writer(&process.join("fdinfo").join(fd.file_name())) {
                        return Look::Some;
                    }
                }
            }
            // A process that ended meanwhile holds nothing.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(_) => all = Look::Unknown,
        }
    }
    all
}

/// Whether the `flags:` line (octal, proc(5)) of a descriptor has a writing access mode.
fn is_writer(fdinfo: &Path) -> bool {
    let Ok(text) = fs::read_to_string(fdinfo) else {
        return false;
    };
    text.lines()
        .find_map(|line| line.strip_prefix("flags:"))
        .and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok())
        .is_some_and(|flags| flags & libc::O_ACCMODE != libc::O_RDONLY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_writers_and_not_readers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, b"x").unwrap();
        let meta = fs::metadata(&path).unwrap();
        let reader = fs::File::open(&path).unwrap();
        assert_ne!(look(meta.dev(), meta.ino()), Look::Some);
        let writer = fs::OpenOptions::new().append(true).open(&path).unwrap();
        assert_eq!(look(meta.dev(), meta.ino()), Look::Some);
        drop((reader, writer));
    }
}
