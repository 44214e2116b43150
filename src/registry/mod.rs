//! The deletion registry: events in, who is in force out.
//!
//! [`read`] takes a source's bytes and its [`Form`] and gives a [`Registry`]: the [`Needles`] at the run's "now", counts,
//! digest and age. A reader for each form turns lines into events; `resolve` plays them in file order on two
//! independent tracks (erase and cancel, hold and release). A source is read once, a block of lines at a time: in memory is what
//! is kept, never the file. Every fault of a registry is a usage error (exit 2) that names the line and none of its content.
//!
//! [`append`] and [`intake`] write events at the end of a `.jsonl` log. Nothing else here opens files; nothing decrypts or
//! masks names.

pub mod append;
mod batch;
mod blocks;
pub mod chain;
pub mod compiled;
mod delimited;
pub mod event;
pub mod findings;
pub mod fresh;
pub mod intake;
mod intern;
mod json;
mod jsonl;
mod ledger;
mod lines;
mod listing;
mod load;
mod names;
mod plain;
mod resolve;
mod tells;
mod terms;
pub mod value;

#[cfg(test)]
mod tests;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::limits::REGISTRY_BLOCK;
use crate::matcher::{Needles, SubjectId, Type};
use crate::pool::{Alone, Pool};

pub use listing::{Entry, Identifier, Listing, Revealed, State};

/// How a registry is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `.jsonl`: the log of events.
    Jsonl,
    /// `.csv`: a table with commas.
    Csv,
    /// `.tsv`: a table with tabs.
    Tsv,
    /// `.txt`: one value a line.
    Txt,
}

impl Form {
    /// The forms and their extensions.
    pub const ALL: [(Form, &'static str); 4] =
        [(Form::Jsonl, "jsonl"), (Form::Csv, "csv"), (Form::Tsv, "tsv"), (Form::Txt, "txt")];

    /// The form that the name's extension tells. Any other is a usage error that lists the known ones.
    pub fn of(path: &Path) -> Result<Self> {
        let found = path.extension().unwrap_or_default();
        let mut known = Self::ALL.iter();
        match known.find(|(_, extension)| found.eq_ignore_ascii_case(extension)) {
            Some((form, _)) => Ok(*form),
            None if compiled::Compiled::is(path) => {
                Err(Error::usage("a compiled registry is only read; name the registry itself"))
            }
            None => Err(Error::usage("not a known form of registry: .jsonl, .csv, .tsv or .txt")),
        }
    }
}

/// How a registry is read and judged.
#[derive(Debug, Clone)]
pub struct Options {
    /// The run's one "now".
    pub now: Timestamp,
    /// `--allow-short`: takes values that are too short to be safe.
    pub allow_short: bool,
    /// `--allow-empty-registry`: takes a registry without events.
    pub allow_empty: bool,
    /// `--type`: the type of all values of a `.txt`; a usage error with other forms.
    pub txt_type: Option<Type>,
    /// `--max-registry-age`: from the newest `at` (else the file's mtime) to now.
    pub max_age: Option<Duration>,
    /// `--min-registry-seq`: the newest sequence number must reach it.
    pub min_seq: Option<u64>,
    /// Judges events up to this sequence number only, as a manifest's run did; later ones make [`Registry::new_since`].
    pub as_of_seq: Option<u64>,
    /// SHA-256 (hex) of the registry as it was when [`Options::as_of_seq`] was its newest number: says
    /// [`Registry::grown`].
    pub as_of_sha256: Option<String>,
    /// What [`Registry::listing`] holds.
    pub listing: Listing,
    /// Whether [`Registry::findings`] is filled.
    pub findings: bool,
}

impl Options {
    /// The defaults, at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self {
            now,
            allow_short: false,
            allow_empty: false,
            txt_type: None,
            max_age: None,
            min_seq: None,
            as_of_seq: None,
            as_of_sha256: None,
            listing: Listing::None,
            findings: false,
        }
    }
}

/// What a registry comes to. The counts are of subjects; each subject counts once, the first that fits of held, in
/// force, pending, cancelled.
#[derive(Debug)]
pub struct Registry {
    /// Who is searched for: in force or held.
    pub needles: Arc<Needles>,
    /// SHA-256 of the source's bytes, 64 hex digits.
    pub sha256: String,
    /// `--type`, if the registry was read with it.
    pub txt_type: Option<Type>,
    /// Whether it is the registry of [`Options::as_of_sha256`], or with `.jsonl` that one with more lines after it.
    pub grown: bool,
    /// The newest event's sequence number, whatever [`Options::as_of_seq`] says; 0 without events.
    pub seq: u64,
    /// The newest `at` of any event.
    pub newest_at: Option<Timestamp>,
    /// When it was last written to, as far as is known: [`Self::newest_at`], else the file's mtime.
    pub written: Timestamp,
    /// The run's "now", by which it was judged.
    pub now: Timestamp,
    /// Subjects with an identifier in force, and not held.
    pub in_force: u64,
    /// Subjects under a hold, with identifiers or without.
    pub held: u64,
    /// Subjects whose identifiers all await the end of their grace period.
    pub pending: u64,
    /// Subjects whose erasure was cancelled.
    pub cancelled: u64,
    /// References (as shown) of subjects with an erase after [`Options::as_of_seq`], in file order; empty without it.
    pub new_since: Vec<String>,
    /// Every subject in file order, as [`Options::listing`] asks.
    pub listing: Vec<Entry>,
    /// What looks like a slip, if [`Options::findings`] asks.
    pub findings: Vec<findings::Finding>,
}

impl Registry {
    /// Since when a subject of [`Self::needles`] has been in force: the earliest `effective_at` (else `at`) of its erases since the
    /// last cancel; where none is told, [`Self::written`]. Whole seconds.
    pub fn since(&self, subject: SubjectId) -> Timestamp {
        let since = self.needles.since(subject).and_then(|seconds| Timestamp::from_second(seconds).ok());
        since.filter(|since| *since <= self.now).unwrap_or(self.written)
    }
}

/// Reads a registry of that `form`; `mtime` is its age where no event has an `at`.
///
/// Errors: [`crate::error::Kind::Usage`] for every fault of the registry, with its line where it has one;
/// [`crate::error::Kind::Io`] if `input` cannot be read.
pub fn read(input: impl Read, form: Form, mtime: Timestamp, options: &Options) -> Result<Registry> {
    read_by(&Alone, input, form, mtime, options)
}

/// [`read`] with threads, which make no difference but in time.
pub fn read_by(pool: &dyn Pool, input: impl Read, form: Form, mtime: Timestamp, options: &Options) -> Result<Registry> {
    read_in(REGISTRY_BLOCK, pool, input, form, mtime, options)
}

/// [`read_by`] in blocks of about `block` bytes, which make no difference either.
#[doc(hidden)]
pub fn read_in(
    block: usize,
    pool: &dyn Pool,
    input: impl Read,
    form: Form,
    mtime: Timestamp,
    options: &Options,
) -> Result<Registry> {
    let mut ledger = ledger::Ledger::new(options);
    let sha256 = load::load_by(block, input, form, &mut ledger, pool)?;
    let findings = if options.findings { findings::of(&ledger) } else { Vec::new() };
    let grown = ledger.grown;
    let mut registry = resolve::resolve(ledger, sha256, mtime)?;
    registry.findings = findings;
    registry.grown = grown || options.as_of_sha256.as_ref() == Some(&registry.sha256);
    judge(&registry, options)?;
    Ok(registry)
}

fn empty() -> Error {
    Error::usage("the registry is empty").help("--allow-empty-registry takes it all the same")
}

/// Whether a registry may be used: usage errors if it is empty, too old or rolled back.
fn judge(registry: &Registry, options: &Options) -> Result<()> {
    if registry.seq == 0 && !options.allow_empty {
        return Err(empty());
    }
    if options.min_seq.is_some_and(|least| registry.seq < least) {
        return Err(Error::usage(format!("the newest event has seq {}, below --min-registry-seq", registry.seq)));
    }
    // An age below zero (a clock ahead of ours) is no great age.
    let age = Duration::try_from(options.now.duration_since(registry.written)).unwrap_or_default();
    if options.max_age.is_some_and(|most| age > most) {
        return Err(Error::usage("the registry is older than --max-registry-age"));
    }
    Ok(())
}

/// The type of that name, or a usage error that names the nearest.
fn kind_of(name: &str) -> Result<Type> {
    Type::from_name(name).ok_or_else(|| {
        let known = Type::ALL.map(Type::name);
        let near = event::nearest(name, &known);
        Error::usage(format!("unknown identifier type (the nearest known one is `{near}`)"))
    })
}
