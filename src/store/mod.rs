//! Stores: where artifacts are found, opened, drafted and committed.
//!
//! A store lists [`Object`]s, opens one as an [`Original`] (a [`Blob`] that knows whether it is still the version that
//! was read) and makes a [`Draft`] of its successor. The way is always `open → draft → apply → (verify) → commit`;
//! nothing but `commit` changes what a reader of the artifact sees. A store knows nothing of formats, subjects or the
//! manifest: the caller writes its `intent` line before `commit` and its `artifact` line after.
//!
//! P4: paths may hold identifiers, so no error, note or `Debug` of this module shows one.

use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::blob::Blob;
use crate::edit::Patch;
use crate::error::{Error, Kind, Result};

pub mod disk;
mod identity;
pub mod s3;
pub mod stdio;

pub(crate) use identity::nanos;
pub use identity::{FileId, Identity, ObjectId};

/// Where an artifact lies, or is to lie. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// On disk; its last part is no symbolic link.
    Path(PathBuf),
    /// In a bucket.
    S3(s3::Place),
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.path().is_some() { "Path" } else { "S3" })
    }
}

impl Place {
    /// The path of a place on disk.
    pub fn path(&self) -> Option<&std::path::Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::S3(_) => None,
        }
    }

    /// What its URI is made of: a path, or `s3://bucket/key` as it stands.
    pub fn shown(&self) -> Vec<u8> {
        match self {
            Self::Path(path) => path.as_os_str().as_bytes().to_vec(),
            Self::S3(place) => place.shown().into_bytes(),
        }
    }
}

/// One artifact as the listing found it. `Debug` shows no path.
#[derive(Clone)]
pub struct Object {
    /// Ordinal of its SOURCE, from 0.
    pub source: usize,
    /// Where to open it.
    pub place: Place,
    /// SOURCE as given, and the way below it: what the manifest's URI is made of (see [`uri`]).
    pub shown: PathBuf,
    /// Below SOURCE (a file's own name where SOURCE is a file; of a key what follows the prefix's last `/`): for the mirror, policy
    /// globs, `--include`. A key's bytes are as they are, and need not be a way that a disk can have.
    pub relative: PathBuf,
    /// What it was when listed; what counts at commit is what it was when opened.
    pub identity: Identity,
    /// Names of its inode; 1 in a bucket.
    pub links: u64,
    /// It must be restored before it can be read: [`Kind::Pending`] as it is opened, unless that was done.
    pub archived: bool,
    /// Storage class of what is archived: a restore wants to know.
    pub class: Option<String>,
    /// It is not the current version of its object: to be read, and never to be replaced.
    pub old_version: bool,
}

impl Object {
    /// Its path on disk, if it has one.
    pub fn path(&self) -> Option<&std::path::Path> {
        self.place.path()
    }

    /// Its URI, masked.
    pub fn uri(&self, mask: &dyn Fn(&[u8]) -> Vec<u8>) -> String {
        let uri = masked_uri(self.shown.as_os_str().as_bytes(), mask);
        match &self.identity {
            Identity::Object(ObjectId { version: Some(version), .. }) if self.old_version => {
                let version = escaped(&mask(version.as_bytes()));
                format!("{uri}?versionId={version}")
            }
            _ => uri,
        }
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object")
            .field("source", &self.source)
            .field("identity", &self.identity)
            .field("links", &self.links)
            .finish_non_exhaustive()
    }
}

/// Why something below a SOURCE was passed over by the listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// This run's own registry, policy, key or manifest.
    OwnFile,
    /// A symbolic link: what it points to is listed where it lies.
    Symlink,
    /// A draft of a run that was killed, or has its name: perhaps the old file, whole. A scrub in place removes it.
    LeftOver,
    /// A socket, FIFO or device, by its kind; never opened.
    Special(&'static str),
    /// It was gone before it could be looked at.
    Vanished,
}

impl Pass {
    /// The manifest's `reason` after `skipped: `.
    pub fn reason(self) -> &'static str {
        match self {
            Self::OwnFile => "own file",
            Self::Symlink => "symlink",
            Self::LeftOver => "left-over draft",
            Self::Special(kind) => kind,
            Self::Vanished => "vanished",
        }
    }

    /// Whether it has no effect on the exit code: own files (SPEC "Commands"), and links, since a link is no artifact.
    pub fn is_quiet(self) -> bool {
        matches!(self, Self::OwnFile | Self::Symlink)
    }
}

/// What a listing yields. `Debug` shows no path.
pub enum Listed {
    /// To be read.
    Object(Object),
    /// Another name of an inode that was listed before: its own line, but not read again.
    ///
    /// With `--break-hardlinks` a commit gives each name an inode of its own, so there every name must be handled like
    /// an object, one after the other (they share one lock).
    SameInode {
        /// This name.
        object: Object,
        /// The name under which it is read.
        first: Box<Object>,
    },
    /// Passed over.
    Skipped {
        /// SOURCE as given, and the way below it.
        shown: PathBuf,
        /// Why.
        why: Pass,
    },
    /// A folder or file that could not be looked at.
    Failed {
        /// SOURCE as given, and the way below it.
        shown: PathBuf,
        /// What happened.
        error: Error,
    },
}

impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(object) => object.fmt(f),
            Self::SameInode { object, .. } => f.debug_tuple("SameInode").field(object).finish(),
            Self::Skipped { why, .. } => f.debug_tuple("Skipped").field(why).finish(),
            Self::Failed { error, .. } => f.debug_tuple("Failed").field(error).finish(),
        }
    }
}

/// What an artifact is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Only to be read, or copied to a mirror: a shared lock.
    Read,
    /// To be replaced under its name: an exclusive lock, and nobody may have it open for writing.
    Replace {
        /// `--break-hardlinks`: also where the inode has other names, which keep the old bytes.
        break_hardlinks: bool,
    },
}

/// Something that went less well than it should, without harm: for the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Note {
    /// The file system cannot lock: another run would not be noticed.
    NoLock,
    /// No read lease here; `/proc` was searched for writers instead.
    NoLease,
    /// No read lease here, and not every process could be looked at.
    WritersUnknown,
    /// The file system cannot exchange two names: the new file was renamed over the old one.
    NoExchange,
    /// The file system cannot make a folder's changes durable on request.
    FolderNotSynced,
    /// The mirrored file belongs to whoever ran this (set-id bits were dropped).
    OwnerNotKept,
    /// The bucket's service copies the object elsewhere: whether the copy follows is its matter.
    Replicated,
    /// The mirrored file lacks an extended attribute or ACL (group and other bits were dropped with an ACL).
    AttributesNotKept,
    /// The bucket ignores preconditions, and the run was told to write all the same.
    Unconditional,
}

impl Note {
    /// The manifest's words.
    pub fn text(self) -> &'static str {
        match self {
            Self::NoLock => "no file locks here",
            Self::NoLease => "no read lease here, writers looked for in /proc",
            Self::WritersUnknown => "no read lease here, writers unknown",
            Self::NoExchange => "renamed, no exchange here",
            Self::FolderNotSynced => "folder not synced",
            Self::OwnerNotKept => "owner not kept",
            Self::Replicated => "replicated; its copies elsewhere were not looked at",
            Self::AttributesNotKept => "extended attributes not kept",
            Self::Unconditional => "written without a precondition, the bucket ignores them",
        }
    }
}

/// Where a draft goes at commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To<'p> {
    /// In the original's place.
    InPlace,
    /// Into a mirror on disk.
    Mirror {
        /// The new file's full path; folders that lack are made, with the modes of those of the SOURCE.
        target: &'p std::path::Path,
        /// `--overwrite`: replace a target that has other bytes.
        overwrite: bool,
    },
    /// Into a mirror in a bucket.
    Object {
        /// The new object.
        target: &'p s3::Place,
        /// `--overwrite`.
        overwrite: bool,
    },
}

/// An opened artifact: bytes that do not change while they are read, or [`Original::check`] tells.
///
/// A failure of a layer or of `read_at` may be due to a writer: ask `check` first, its error is the true reason.
pub trait Original: Blob {
    /// The version that is read.
    fn identity(&self) -> Identity;
    /// What it is, where its bytes are the tar of something that is no tar.
    fn form(&self) -> Option<&'static str> {
        None
    }
    /// Fails with [`Kind::Skipped`] (`changed`, `vanished`, `open for writing`) if it is no longer the version that was
    /// opened, or somebody waits to write it.
    fn check(&self) -> Result<()>;
    /// What went less well.
    fn notes(&self) -> Vec<Note>;
    /// A draft of `len` bytes (the patch's); fails if the space for it is not there.
    fn draft<'o>(&'o self, to: To<'_>, len: u64) -> Result<Box<dyn Draft + 'o>>;
}

/// A successor in the making. Dropped without commit, it leaves nothing behind.
pub trait Draft {
    /// Plays the whole patch over the original into the draft, once.
    fn apply(&mut self, patch: &Patch) -> Result<Applied>;
    /// The new bytes, for verification.
    fn blob(&self) -> &dyn Blob;
    /// Digest of the new bytes. Where [`Applied`] does not have it, what was read of `blob` from its start is in it already: ask after
    /// verification, so that nothing is read for it again.
    fn sha256(&self) -> Result<[u8; 32]>;
    /// Makes it durable and puts it under its name, only if the original is still the version that was read
    /// ([`Kind::Skipped`] if not: nothing changed).
    fn commit(self: Box<Self>) -> Result<Committed>;
}

/// What `apply` made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// Length of the new artifact, bytes.
    pub bytes: u64,
    /// Its digest, if it was written here; else ask [`Draft::sha256`].
    pub sha256: Option<[u8; 32]>,
    /// Bytes kept from the original.
    pub kept: u64,
}

/// What `commit` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Identity of the new artifact, after everything was done to it.
    pub identity: Identity,
    /// The mirror's target was there before, with these bytes: nothing was written.
    pub already: bool,
    /// What went less well.
    pub notes: Vec<Note>,
}

/// The URI of what is shown as `shown`: `s3://…` for what begins so, else `file:…`; bytes are percent-encoded but for `/` and
/// the unreserved ones of RFC 3986 §2.3. No path on disk is shown with `s3://` in front: whoever types that means a bucket.
///
/// Takes bytes, so that names that are not UTF-8, and masked ones, have a URI too.
pub fn uri(shown: &[u8]) -> String {
    match shown.strip_prefix(s3::SCHEME.as_bytes()) {
        Some(rest) => format!("{}{}", s3::SCHEME, escaped(rest)),
        None => format!("file:{}", escaped(shown)),
    }
}

/// [`uri`] with the identifiers in it masked; the scheme stays.
pub fn masked_uri(shown: &[u8], mask: &dyn Fn(&[u8]) -> Vec<u8>) -> String {
    match shown.strip_prefix(s3::SCHEME.as_bytes()) {
        Some(rest) => format!("{}{}", s3::SCHEME, escaped(&mask(rest))),
        None => uri(&mask(shown)),
    }
}

fn escaped(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 8);
    for &byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(byte as char);
            }
            _ => {
                out.push('%');
                for nibble in [byte >> 4, byte & 15] {
                    out.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase());
                }
            }
        }
    }
    out
}

/// The path's bytes of a `file:` URI, percent-decoded; `None` if it is none.
pub fn path_of(uri: &str) -> Option<Vec<u8>> {
    unescaped(uri.strip_prefix("file:")?)
}

/// What a URI of either scheme shows (the argument of [`uri`]); `None` if it has none, or names an old version.
pub fn shown_of(uri: &str) -> Option<Vec<u8>> {
    match uri.strip_prefix(s3::SCHEME) {
        Some(rest) if rest.contains('?') => None,
        Some(rest) => Some([s3::SCHEME.as_bytes(), &unescaped(rest)?].concat()),
        None => path_of(uri),
    }
}

fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            out.push((digit()? * 16 + digit()?) as u8);
        } else {
            out.push(byte);
        }
    }
    Some(out)
}

/// SHA-256 of all bytes of `blob`, read in windows.
pub fn digest(blob: &dyn Blob) -> Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut buf = vec![0; crate::limits::WINDOW];
    let mut at = 0;
    while at < blob.len() {
        let n = blob.read_at(at, &mut buf).map_err(|e| io_error("reading", &e))?;
        if n == 0 {
            return Err(Error::new(Kind::Io, "a file ended early"));
        }
        hash.update(buf.get(..n).unwrap_or_default());
        at += n as u64;
    }
    Ok(hash.finalize().into())
}

/// Makes a call of the standard library again that a signal broke off.
pub(crate) fn retry<T>(call: impl Fn() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// [`Error::io`], except that a system call broken off is a failure of this artifact and not the end of the run.
pub(crate) fn io_error(doing: &'static str, error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::Interrupted {
        return Error::new(Kind::Io, format!("{doing}: interrupted system call"));
    }
    Error::io(doing, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_escape_every_byte_that_is_not_unreserved() {
        assert_eq!(uri(b"/var/log/app.log-1_~"), "file:/var/log/app.log-1_~");
        assert_eq!(uri(b"a b\n%\xff\xc3\xa9?#:@"), "file:a%20b%0A%25%FF%C3%A9%3F%23%3A%40");
    }

    #[test]
    fn uris_decode_to_their_paths() {
        let every: Vec<u8> = (1..=255).collect();
        assert_eq!(path_of(&uri(&every)).unwrap(), every);
        assert!(path_of("file:a%2").is_none() && path_of("s3://x").is_none());
    }

    #[test]
    fn uris_of_objects_keep_their_scheme_and_every_byte() {
        let shown = b"s3://bucket/a//b/../\xc3\xa9 +%?";
        let uri = uri(shown);
        assert_eq!(uri, "s3://bucket/a//b/../%C3%A9%20%2B%25%3F");
        assert_eq!(shown_of(&uri).unwrap(), shown);
        assert!(shown_of("s3://b/k?versionId=3").is_none());
        let hide = |bytes: &[u8]| vec![b'*'; bytes.len()];
        assert_eq!(masked_uri(b"s3://b/k", &hide), "s3://%2A%2A%2A");
        assert_eq!(masked_uri(b"a/k", &hide), "file:%2A%2A%2A");
    }

    #[test]
    fn digest_is_sha256() {
        // FIPS 180-2, appendix B.1.
        let digest = digest(&b"abc".to_vec()).unwrap();
        assert_eq!(digest[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(digest[28..], [0xf2, 0x00, 0x15, 0xad]);
    }
}
