//! The verification manifest: JSON Lines that an auditor can check with `sha256sum` and `jq`.
//!
//! This file holds the lines as types; [`writer`] chains them, [`journal`] stores them on disk or in a bucket, [`root`] makes the summary's digest, [`reader`] reads
//! and checks a manifest, [`settle`] closes the intents that a crash left open, [`shown`] masks the policy of a run line. Every line carries the SHA-256 of the line before
//! it (`prev`, without the line end; the first: 64 zeros). Nothing here knows a value of the registry: subjects appear by
//! reference and URIs arrive masked. The schema is `docs/manifest.schema.json`.

pub mod journal;
pub mod reader;
pub mod root;
pub mod settle;
pub mod shown;
pub mod writer;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::layer::tables::Table;

/// In `left`: old versions of the object, which were not looked at.
pub const VERSIONS: &str = "versions";
/// In `left`: whether there are old versions could not be told.
pub const VERSIONS_UNKNOWN: &str = "versions_unknown";

/// Version of the line format.
pub const SCHEMA: u32 = 1;

/// One line, without its `prev`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Line {
    /// The start of a run.
    Run(Box<Run>),
    /// What is about to be committed; durable before the swap.
    Intent(Intent),
    /// What became of one artifact.
    Artifact(Box<Artifact>),
    /// Old versions of one object are deleted.
    Purge(Purge),
    /// The end of a run.
    Summary(Summary),
}

/// The start of a run: everything that its results depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// [`SCHEMA`].
    pub schema: u32,
    /// ULID.
    pub run_id: String,
    /// `unwrite 0.1.0`.
    pub tool: String,
    /// RFC 3339.
    pub started_at: String,
    /// The one "now" of the run, RFC 3339.
    pub as_of: String,
    /// `scan`, `in-place` or `output`.
    pub mode: String,
    /// `full`, `paranoid`, `decode` or `none`.
    pub verify: String,
    /// The registry.
    pub registry: RegistryLine,
    /// The policy as it applied.
    pub policy: serde_json::Value,
    /// URIs of the SOURCEs' files and folders: policy globs are relative to them.
    #[serde(default)]
    pub sources: Vec<String>,
    /// Spellings that were searched.
    pub searched: Vec<String>,
    /// `--format`, if it overrode detection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// `--codec`, if it overrode detection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// Digest of the bytes of `--schema`'s file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_sha256: Option<String>,
    /// `--max-record`, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_record: Option<u64>,
    /// Id of the pseudonym key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `--since`: the manifests that were relied on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub since: Vec<SinceLine>,
    /// For each bucket that is written to (masked) whether its server does what a conditional write asks for: `enforced`,
    /// `ignored`, `unknown`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub preconditions: BTreeMap<String, String>,
}

/// A manifest that a run relied on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinceLine {
    /// Where it was read.
    pub uri: String,
    /// Whole lines in it.
    pub lines: u64,
    /// Digest of the last of them, and so of all: what the next line's `prev` says.
    pub last: String,
}

/// The registry of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryLine {
    /// Where it was read.
    pub uri: String,
    /// Digest of its bytes.
    pub sha256: String,
    /// Newest sequence number.
    pub seq: u64,
    /// Subjects in force.
    pub in_force: u64,
    /// Subjects under a hold.
    pub held: u64,
    /// Subjects whose grace period runs.
    pub pending: u64,
    /// `--type`, if it was given.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// Length and SHA-256 (hex) of an artifact's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// Length.
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
}

/// What is about to be committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The artifact, masked and percent-encoded.
    pub uri: String,
    /// Where the result goes under `--output`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Device and inode of the file that is replaced, to find it behind a masked URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// The artifact as it was read.
    pub before: Digest,
    /// The artifact as it will be.
    pub after: Digest,
}

/// Status of an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Edited, verified, committed.
    Rewritten,
    /// A scan found what scrub would change.
    WouldRewrite,
    /// Read to its last byte; nothing to change.
    Clean,
    /// Clean, and copied to the mirror.
    Copied,
    /// Some members could not be read.
    Partial,
    /// Damaged, over a limit, or the system refused; the original stands.
    Failed,
    /// Of no known format.
    Unsupported,
    /// Left alone on purpose.
    Skipped,
    /// To be done later.
    Pending,
    /// Known from an earlier manifest; not read.
    Unchanged,
}

impl Status {
    /// All statuses, in the summary's order.
    pub const ALL: [Status; 10] = [
        Status::Rewritten,
        Status::WouldRewrite,
        Status::Clean,
        Status::Copied,
        Status::Partial,
        Status::Failed,
        Status::Unsupported,
        Status::Skipped,
        Status::Pending,
        Status::Unchanged,
    ];

    /// The name in the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Status::Rewritten => "rewritten",
            Status::WouldRewrite => "would_rewrite",
            Status::Clean => "clean",
            Status::Copied => "copied",
            Status::Partial => "partial",
            Status::Failed => "failed",
            Status::Unsupported => "unsupported",
            Status::Skipped => "skipped",
            Status::Pending => "pending",
            Status::Unchanged => "unchanged",
        }
    }
}

/// Which version of an artifact it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Identity {
    /// Of a file.
    File(FileIdentity),
    /// Of an object in a bucket.
    Object(ObjectIdentity),
}

impl Identity {
    /// Whether both are the same file, whatever happened to it, or the same version of an object.
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(a), Self::File(b)) => (a.dev, a.inode) == (b.dev, b.inode),
            (Self::Object(a), Self::Object(b)) => {
                let versions = a.version.as_ref().zip(b.version.as_ref());
                (&a.etag, a.size) == (&b.etag, b.size) && versions.is_none_or(|(one, two)| one == two)
            }
            _ => false,
        }
    }
}

/// Which version of an object it is. What an identifier occurs in is masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectIdentity {
    /// Entity tag, without quotes.
    pub etag: String,
    /// Version id, if the service told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Length, bytes.
    pub size: u64,
    /// Time of the last change, RFC 3339, whole seconds.
    pub mtime: String,
}

/// Which file it is, on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileIdentity {
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub inode: u64,
    /// Time of the last change of the inode, RFC 3339 with nanoseconds.
    pub ctime: String,
    /// Length, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Time of the last change of the content, RFC 3339 with nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtime: Option<String>,
}

/// Records of an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Records {
    /// Read.
    #[serde(default)]
    pub read: u64,
    /// Gone.
    pub dropped: u64,
    /// Edited.
    pub edited: u64,
}

/// A member that was not read or not edited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its trail, masked; empty on the last entry, which counts those that are not listed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Members beyond those listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<u64>,
}

/// What became of one artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The artifact, masked and percent-encoded.
    pub uri: String,
    /// Where the result went under `--output`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Its status.
    pub status: Status,
    /// Id of the run whose line was relied on (`--since`): only who came in force after that was searched for; with the
    /// status `unchanged` nobody had, and nothing was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// URI of the name under which this same file was read in this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_file: Option<String>,
    /// Why it did not go through, or what is to be known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Layers from the outermost in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<String>,
    /// Taken after the commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// As it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Digest>,
    /// As it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Digest>,
    /// Records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<Records>,
    /// Rows of the tables of dumps, by the tables' names (masked).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, Table>,
    /// Records changed for each subject, by reference.
    #[serde(default)]
    pub subjects: BTreeMap<String, u64>,
    /// What is left on purpose: `report`, `held` (records), `name` (1), [`VERSIONS`], [`VERSIONS_UNKNOWN`] (1).
    #[serde(default)]
    pub left: BTreeMap<String, u64>,
    /// Members that were not read or not edited.
    #[serde(default)]
    pub members: Vec<Member>,
    /// Bytes of the new artifact that are kept ranges of the old one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_bytes: Option<u64>,
    /// Bytes of the new artifact that were written anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoded_bytes: Option<u64>,
    /// How the result was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<String>,
    /// What a user should know of how it went (a rename that was no exchange).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Wall time.
    #[serde(default)]
    pub duration_ms: u64,
}

impl Artifact {
    /// A line for `uri` with nothing but a status and its reason.
    pub fn new(uri: String, status: Status, reason: Option<String>) -> Self {
        Self {
            uri,
            output: None,
            status,
            since: None,
            same_file: None,
            reason,
            layers: Vec::new(),
            identity: None,
            before: None,
            after: None,
            records: None,
            tables: BTreeMap::new(),
            subjects: BTreeMap::new(),
            left: BTreeMap::new(),
            members: Vec::new(),
            kept_bytes: None,
            encoded_bytes: None,
            verified: None,
            notes: Vec::new(),
            duration_ms: 0,
        }
    }

    /// Whether exit code 3 follows from it (SPEC "Exit codes"). Own files and links have no effect on it: a link is no artifact.
    pub fn attention(&self) -> bool {
        self.attention_now() || self.has_versions()
    }

    /// Whether old versions are, or may be, there.
    pub fn has_versions(&self) -> bool {
        [VERSIONS, VERSIONS_UNKNOWN].into_iter().any(|word| self.left.contains_key(word))
    }

    /// Says how many old versions there are, as they were counted; an error: there may be some.
    pub fn versions(&mut self, counted: Result<u64>) {
        let (word, n) = counted.map_or((VERSIONS_UNKNOWN, 1), |n| (VERSIONS, n));
        if n > 0 {
            self.left.insert(word.to_owned(), n);
        }
    }

    /// Whether what stands at its place is an edited successor: only then its old versions are this tool's to delete.
    pub fn is_rewritten(&self) -> bool {
        self.status == Status::Rewritten || (self.status == Status::Partial && self.verified.is_some())
    }

    /// URI of where the result is: the output's, else its own.
    pub fn place(&self) -> &str {
        self.output.as_deref().unwrap_or(&self.uri)
    }

    /// The same, if old versions of it are taken care of.
    pub fn attention_now(&self) -> bool {
        let left = |word| self.left.get(word).is_some_and(|n| *n > 0);
        let skipped = self.status == Status::Skipped && !matches!(self.reason.as_deref(), Some("own file" | "symlink"));
        skipped
            || matches!(self.status, Status::Partial | Status::Failed | Status::Unsupported | Status::Pending)
            || left("held")
            || left("name")
    }
}

/// Old versions of an object that was rewritten are deleted for good (`--purge-versions`): one line before, durable, and one after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purge {
    /// The object, masked and percent-encoded.
    pub uri: String,
    /// It came to an end, whether or not all could be deleted.
    pub done: bool,
    /// Versions and delete markers that were deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<u64>,
    /// Versions that are still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<u64>,
    /// Why: `locked until DATE`, `legal hold`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Old versions, counted over a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Versions {
    /// Deleted for good, delete markers included.
    pub purged: u64,
    /// Still there, of objects that were rewritten.
    pub left: u64,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// RFC 3339.
    pub finished_at: String,
    /// Artifacts by status; every status that can occur is there.
    pub artifacts: BTreeMap<String, u64>,
    /// Records dropped and edited in all.
    pub records: SummaryRecords,
    /// Old versions of objects that were rewritten, if there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<Versions>,
    /// SHA-256 over the artifact lines since the `run` line (see [`root`]).
    pub root: String,
    /// Ed25519 signature of the root.
    pub signature: Option<String>,
}

/// Records of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SummaryRecords {
    /// Gone.
    pub dropped: u64,
    /// Edited.
    pub edited: u64,
}

impl SummaryRecords {
    /// Counts the records of an artifact that were changed, or would be.
    pub fn add(&mut self, artifact: &Artifact) {
        let records = artifact.records.unwrap_or_default();
        if matches!(artifact.status, Status::Rewritten | Status::WouldRewrite | Status::Partial) {
            self.dropped += records.dropped;
            self.edited += records.edited;
        }
    }
}
