//! Read leases: the kernel's word that nobody has a file open for writing (fcntl(2), "Leases").
//!
//! A read lease is given only while no descriptor is open for writing. While it is held, an `open` for writing or a
//! truncation waits for us (up to `/proc/sys/fs/lease-break-time`, 45 s), and `F_GETLEASE` tells that it waits. Such an
//! `open` has found its inode already: when we let go, it writes to that inode, under whatever name this is then. So a
//! waiting writer must be seen, and a swap backed out, *before* the lease is released (see `swap`).
//!
//! The only `unsafe` of the store: rustix has no leases.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Once};

/// What came of asking for a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// Held until released or until the file is closed.
    Held,
    /// Somebody has the file open for writing.
    Writer,
    /// No leases on this file system, or not for us (neither owner nor `CAP_LEASE`).
    Unsupported,
}

/// Makes the signal of a lease break (SIGIO, whose default ends the process) harmless. Done by itself before the
/// first lease; may be called earlier, more than once, from any thread.
pub fn ignore_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // A flag that nobody reads: pending breaks are asked for with F_GETLEASE, at the places where it matters.
        // Should it fail, no lease is safe to take, but its only cause is a signal number that is not allowed.
        let _ = signal_hook::flag::register(libc::SIGIO, Arc::new(AtomicBool::new(false)));
    });
}

/// Asks for a read lease on `file` (opened read-only). Asking again for a held one tells anew whether a writer is there.
pub(super) fn take(file: &File) -> Taken {
    ignore_signals();
    match control(file, libc::F_SETLEASE, libc::F_RDLCK) {
        Ok(_) => Taken::Held,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Taken::Writer,
        Err(_) => Taken::Unsupported,
    }
}

/// Whether somebody waits for the lease on `file` to be released, or it was taken from us. An error counts as yes.
pub(super) fn is_wanted(file: &File) -> bool {
    // While a break is pending, F_GETLEASE gives the type that the lease will get: F_UNLCK.
    !matches!(control(file, libc::F_GETLEASE, 0), Ok(libc::F_RDLCK))
}

/// Lets waiting writers go on.
pub(super) fn release(file: &File) {
    // An error means that there is no lease any more, which is what is wanted.
    let _ = control(file, libc::F_SETLEASE, libc::F_UNLCK);
}

fn control(file: &File, command: libc::c_int, argument: libc::c_int) -> io::Result<libc::c_int> {
    loop {
        // SAFETY: `file` is borrowed for the call, so its descriptor is open and stays so. F_SETLEASE and F_GETLEASE
        // take an int (or nothing) by value and touch no memory of ours.
        let got = unsafe { libc::fcntl(file.as_raw_fd(), command, argument) };
        if got >= 0 {
            return Ok(got);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;

    #[test]
    fn a_writer_is_seen_before_and_during() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, b"x").unwrap();
        let file = File::open(&path).unwrap();
        let writer = OpenOptions::new().append(true).open(&path).unwrap();
        assert_eq!(take(&file), Taken::Writer);
        drop(writer);
        assert_eq!(take(&file), Taken::Held);
        assert!(!is_wanted(&file));
        let waiting = std::thread::spawn(move || OpenOptions::new().append(true).open(path).unwrap());
        while !is_wanted(&file) {
            std::thread::yield_now();
        }
        assert!(!waiting.is_finished(), "the open waits for us");
        release(&file);
        waiting.join().unwrap();
    }
}
