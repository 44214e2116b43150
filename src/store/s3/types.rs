//! Plain types of the S3 store: they are there in every build, also in one without the feature.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use zeroize::Zeroizing;

use crate::blob::TempSpace;
use crate::error::{Error, Result};
use crate::store::{Identity, ObjectId};

/// How every URI of an object begins.
pub const SCHEME: &str = "s3://";

/// Where an object is, or a prefix. Keys are taken as they are: `a//b`, `./` and `../` mean nothing else. `Debug` shows neither part.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The bucket.
    pub bucket: String,
    /// The whole key, UTF-8 of at most 1,024 bytes (S3 user guide "Object key names").
    pub key: String,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

impl Place {
    /// What `given` names, if it begins with `s3://`; a usage error if there is no bucket or the name is not UTF-8.
    pub fn parse(given: &[u8]) -> Option<Result<Self>> {
        let rest = given.strip_prefix(SCHEME.as_bytes())?;
        let Ok(rest) = std::str::from_utf8(rest) else {
            return Some(Err(Error::usage("an s3:// name is not UTF-8")));
        };
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Some(Err(Error::usage("an s3:// name without a bucket")));
        }
        Some(Ok(Self { bucket: bucket.to_owned(), key: key.to_owned() }))
    }

    /// Whether it can be no object's name, but that of many: a bucket, or a key that ends in `/`.
    pub fn is_prefix(&self) -> bool {
        self.key.is_empty() || self.key.ends_with('/')
    }

    /// `s3://bucket/key`, with the key's bytes as they are.
    pub fn shown(&self) -> String {
        format!("{SCHEME}{}/{}", self.bucket, self.key)
    }
}

/// What a listing or a look says of one version of an object. `Debug` shows no key.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub place: Place,
    /// Length, bytes.
    pub size: u64,
    /// Entity tag without quotes.
    pub etag: String,
    /// Version id, if it was told.
    pub version: Option<String>,
    /// `Last-Modified`, nanoseconds since the epoch, cut to the second.
    pub modified: i128,
    /// Storage class, if it is not `STANDARD`.
    pub class: Option<String>,
    /// Its bytes cannot be read before a restore (Glacier classes, archived Intelligent-Tiering) and none has been made.
    pub archived: bool,
    /// It is the current version.
    pub is_latest: bool,
    /// It is a delete marker: no bytes.
    pub is_delete_marker: bool,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("size", &self.size).field("archived", &self.archived).finish_non_exhaustive()
    }
}

impl Entry {
    /// Which version it is.
    pub fn identity(&self) -> Identity {
        Identity::Object(self.id())
    }

    /// Which version it is.
    pub fn id(&self) -> ObjectId {
        ObjectId { etag: self.etag.clone(), version: self.version.clone(), size: self.size, modified: self.modified }
    }
}

/// How a bucket is named in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Addressing {
    /// In the path where an endpoint was given, else in the host's name.
    #[default]
    Auto,
    /// In the path.
    Path,
    /// In the host's name.
    Virtual,
}

/// A key of 32 bytes for SSE-C. `Debug` shows none of it.
#[derive(Clone)]
pub struct SseKey(pub Zeroizing<Vec<u8>>);

impl fmt::Debug for SseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SseKey")
    }
}

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--endpoint-url`; `None`: `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, the profile, else AWS.
    pub endpoint: Option<String>,
    /// `--region`.
    pub region: Option<String>,
    /// `--profile`.
    pub profile: Option<String>,
    /// `--no-sign-request`.
    pub no_sign: bool,
    /// `--request-payer`.
    pub request_payer: bool,
    /// `--s3-addressing`.
    pub addressing: Addressing,
    /// `--sse-c-key`.
    pub sse_c: Option<SseKey>,
    /// `--allow-unconditional-writes`: also where [`Preconditions`] are not `Enforced`.
    pub unconditional: bool,
    /// `--restore-archived DAYS`.
    pub restore_days: Option<NonZeroU32>,
    /// `--s3-concurrency`, requests at one time in the whole run; 0: the module's own.
    pub concurrency: usize,
}

/// What the store is lent by the run. Reads and writes are paid for by `space.pace()`.
#[derive(Debug, Clone)]
pub struct Lent {
    /// Temporary space.
    pub space: Arc<TempSpace>,
    /// Set by a signal: waits end, and retries.
    pub interrupted: Arc<AtomicBool>,
}

/// Whether a bucket does what `If-Match` and `If-None-Match` ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preconditions {
    /// It was seen to refuse.
    Enforced,
    /// It was seen to write all the same.
    Ignored,
    /// It could not be tried.
    Unknown,
}

impl Preconditions {
    /// The manifest's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enforced => "enforced",
            Self::Ignored => "ignored",
            Self::Unknown => "unknown",
        }
    }
}

/// What is there of an object besides its current version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purged {
    /// Versions deleted by this call, and delete markers.
    pub deleted: u64,
    /// Versions (not delete markers) that are still there; `None`: it broke off, and that is not known.
    pub left: Option<u64>,
    /// Why, for the manifest: `locked until 2027-01-01T00:00:00Z`, `legal hold`, `MFA delete`, `access denied`, or what failed.
    pub reason: Option<String>,
}

impl Default for Purged {
    /// There was nothing to be deleted.
    fn default() -> Self {
        Self { deleted: 0, left: Some(0), reason: None }
    }
}

/// What a look for unfinished uploads found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Of killed runs: aborted.
    pub aborted: u64,
    /// Of other programs: left alone. They may hold anything, and are in no listing of objects.
    pub others: u64,
}

/// What lies directly in a folder of keys.
#[derive(Clone, Default)]
pub struct Names {
    /// Names below the folder, and whether each is one (there are keys with it and `/` in front).
    pub names: Vec<(String, bool)>,
    /// These are all.
    pub complete: bool,
}
