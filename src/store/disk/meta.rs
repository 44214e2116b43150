//! Carrying a file's metadata over to its successor: owner, mode, ACLs, extended attributes, times.
//!
//! In place, what cannot be set is a failure and not a silent change. In a mirror (another file system, another user) the
//! owner and attributes are carried where that is allowed, and noted where not; what is left is never wider than the
//! original: no set-id bits for another owner, no group or other bits where an ACL is lacking.
//!
//! Order: `user.*`, owner, other attributes, mode, times. A change of owner drops capabilities and set-id bits; an ACL
//! changes the group bits; every change but the times themselves touches ctime only, so mtime is set last.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;

use rustix::fs::{Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::{Errno, retry_on_intr};

use super::folder::errno;
use crate::error::{Error, Kind, Result};
use crate::store::{Note, io_error, retry};

/// Attributes of a file by name.
type Attributes = BTreeMap<CString, Vec<u8>>;

/// Longest value of an attribute and longest list of names, bytes (Linux: `XATTR_SIZE_MAX`, `XATTR_LIST_MAX`).
const XATTR_MAX: usize = 64 * 1024;
/// Set-user-id, set-group-id.
const SET_ID: u32 = 0o6000;
/// Group, other.
const GROUP_OTHER: u32 = 0o077;

/// Sets everything of `from` (with `meta`, as it was opened) on `to`. In place all of it, or an error.
pub(super) fn carry(from: &File, meta: &Metadata, to: &File, in_place: bool) -> Result<Vec<Note>> {
    let mut notes = Vec::new();
    let mut mode = meta.mode() & 0o7777;
    let wanted = attributes(from)?;
    refuse_integrity_labels(&wanted)?;
    let present = attributes(to)?;
    let mut kept = true;
    for name in present.keys().filter(|name| !wanted.contains_key(*name)) {
        // What the folder gave the draft (a default ACL) and the original has not. A label that the system gives by
        // itself cannot be removed, and need not be.
        if let Err(error) = retry_on_intr(|| rustix::fs::fremovexattr(to, name.as_c_str()))
            && !name.as_bytes().starts_with(b"security.")
        {
            return Err(errno("removing an inherited attribute", error));
        }
    }
    let early = |name: &CString| name.as_bytes().starts_with(b"user.");
    kept &= set(to, wanted.iter().filter(|(name, _)| early(name)), &present, in_place)?;
    if !own(to, meta, in_place)? {
        notes.push(Note::OwnerNotKept);
        mode &= !SET_ID;
    }
    // After the change of owner, which drops some of them.
    let present = attributes(to)?;
    let late_kept = set(to, wanted.iter().filter(|(name, _)| !early(name)), &present, in_place)?;
    if !late_kept && wanted.keys().any(|name| name.as_bytes().starts_with(b"system.posix_acl")) {
        mode &= !GROUP_OTHER;
    }
    if !(kept && late_kept) {
        notes.push(Note::AttributesNotKept);
    }
    retry_on_intr(|| rustix::fs::fchmod(to, Mode::from_raw_mode(mode))).map_err(|e| errno("setting the mode", e))?;
    retry_on_intr(|| rustix::fs::futimens(to, &times(meta))).map_err(|e| errno("setting the times", e))?;
    Ok(notes)
}

fn times(meta: &Metadata) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: meta.atime(), tv_nsec: meta.atime_nsec() },
        last_modification: Timespec { tv_sec: meta.mtime(), tv_nsec: meta.mtime_nsec() },
    }
}

/// Sets the owner if it differs. `false`: not allowed, in a mirror.
fn own(to: &File, meta: &Metadata, in_place: bool) -> Result<bool> {
    let now = retry(|| to.metadata()).map_err(|e| io_error("looking at the draft", &e))?;
    if (now.uid(), now.gid()) == (meta.uid(), meta.gid()) {
        return Ok(true);
    }
    let owner = (Some(Uid::from_raw(meta.uid())), Some(Gid::from_raw(meta.gid())));
    match retry_on_intr(|| rustix::fs::fchown(to, owner.0, owner.1)) {
        Ok(()) => Ok(true),
        Err(Errno::PERM | Errno::INVAL | Errno::NOTSUP) if !in_place => Ok(false),
        Err(error) => Err(errno("setting the owner", error)),
    }
}

/// Sets those attributes that are not `present` with the same value. `false`: not all, in a mirror.
fn set<'a>(
    to: &File,
    wanted: impl Iterator<Item = (&'a CString, &'a Vec<u8>)>,
    present: &Attributes,
    in_place: bool,
) -> Result<bool> {
    let mut all = true;
    for (name, value) in wanted {
        if present.get(name) == Some(value) {
            continue;
        }
        match retry_on_intr(|| rustix::fs::fsetxattr(to, name.as_c_str(), value, XattrFlags::empty())) {
            Ok(()) => {}
            Err(_) if !in_place => all = false,
            Err(error) => return Err(errno("setting an extended attribute or ACL", error)),
        }
    }
    Ok(all)
}

/// All attributes that may be seen; none where the file system has none.
fn attributes(file: &File) -> Result<Attributes> {
    let mut names = vec![0; XATTR_MAX];
    let len = match retry_on_intr(|| rustix::fs::flistxattr(file, &mut names[..])) {
        Ok(len) => len,
        Err(Errno::NOTSUP | Errno::NOSYS) => return Ok(Attributes::new()),
        Err(error) => return Err(errno("listing the extended attributes", error)),
    };
    let mut all = Attributes::new();
    let mut value = vec![0; XATTR_MAX];
    for name in names.get(..len).unwrap_or_default().split(|b| *b == 0).filter(|n| !n.is_empty()) {
        let Ok(name) = CString::new(name) else {
            continue;
        };
        match retry_on_intr(|| rustix::fs::fgetxattr(file, name.as_c_str(), &mut value[..])) {
            Ok(len) => all.insert(name, value.get(..len).unwrap_or_default().to_vec()),
            // Listed and gone.
            Err(Errno::NODATA) => continue,
            Err(error) => return Err(errno("reading an extended attribute", error)),
        };
    }
    Ok(all)
}

/// IMA and EVM labels are digests of the old content: to carry them over would be a lie, to leave them out a change.
fn refuse_integrity_labels(attributes: &Attributes) -> Result<()> {
    let label = |name: &CString| matches!(name.as_bytes(), b"security.ima" | b"security.evm");
    if attributes.keys().any(label) {
        return Err(Error::new(Kind::Io, "it has an integrity label (security.ima, security.evm)"));
    }
    Ok(())
}
