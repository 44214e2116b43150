//! What was typed: the argument types, and nothing else. No file is touched here.
//!
//! Every option can stand in the config file (`[options]`, dashes as underscores) or in an `UNWRITE_*` variable; the command
//! line wins. A new option is one field here: parser, help, variable and config key come of it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::dumps::Dumps;
use super::s3::{Deeds, Depth, Reach};

/// Takes erased people out of data that was already written, and proves it.
///
/// Reads a deletion registry (who), a policy (what happens to a record of theirs) and sources (where); finds their records,
/// rewrites the artifacts in place or into a mirror, and leaves a manifest that an auditor can check.
#[derive(Debug, Parser)]
#[command(name = "unwrite", version, max_term_width = 110, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What each exit code means, separated by ` · `.
pub const EXIT_CODES: &str = "\
Exit codes: 0 nothing to do or all done · 1 found (scan: something to change; verify: tampered, changed, incomplete or a \
survivor) · 2 usage or configuration, nothing touched · 3 finished, but some artifacts failed, are partial, unsupported, \
skipped, pending, leave old versions, or hold something by hold or by name · 4 another run holds an artifact · 130, 143 interrupted, nothing half-written";

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Say what scrub would do; nothing is written.
    ///
    /// Example: unwrite scan /var/log/app --registry erased.jsonl
    #[command(
        after_help = "Exit 1 if something is to be changed, 0 if all is clean, 3 if something could not be read."
    )]
    Scan(Box<Scan>),
    /// Take the records of erased people out of artifacts, in place or into a mirror.
    ///
    /// Example: unwrite scrub /var/log/app --registry erased.jsonl --in-place
    #[command(
        after_help = "Each result is decoded and scanned again before it replaces anything (see --verify). The original \
        stays until the new artifact is complete, verified and durable."
    )]
    Scrub(Box<Scrub>),
    /// Take the records of erased people out of a stream: stdin to stdout.
    ///
    /// Example: zcat app.log.gz | unwrite filter --registry erased.jsonl | psql
    #[command(after_help = super::filter::HELP)]
    Filter(Box<Filter>),
    /// Exit 0 only if everything is clean; stops at the first hit. Nothing is written.
    ///
    /// Example: unwrite gate backup.tar.zst --registry erased.jsonl && restore backup.tar.zst
    #[command(after_help = super::gate::HELP)]
    Gate(Box<Gate>),
    /// Check a manifest: it is intact, artifacts are what it says, and with a registry that none of theirs is left.
    ///
    /// Example: unwrite verify unwrite-01J….manifest.jsonl --registry erased.jsonl
    Verify(Box<Verify>),
    /// Look at a deletion registry, or add to it.
    #[command(subcommand)]
    Registry(Box<Registry>),
    /// Print completions for a shell.
    ///
    /// Example: unwrite completions fish | source
    Completions {
        /// The shell.
        #[arg(value_name = "SHELL", value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write the pages of all verbs.
    ///
    /// Example: unwrite man | man -l -
    Man(Man),
}

/// `man`.
#[derive(Debug, Args)]
pub struct Man {
    /// Write a page for each verb into this folder.
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// `filter`.
#[derive(Debug, Args)]
pub struct Filter {
    /// Who and by which rules.
    #[command(flatten)]
    pub who: Who,
    /// The stream's name, such as app.log.gz: for the policy's globs and for detection [default: stdin].
    #[arg(long, value_name = "NAME", env = "UNWRITE_NAME")]
    pub name: Option<OsString>,
    /// Record format instead of the detected one: log, text, jsonl, json, csv, tsv, logfmt, sql, sql-tab, syslog-frames or journal.
    #[arg(long, value_name = "F", env = "UNWRITE_FORMAT")]
    pub format: Option<String>,
    /// Outermost codec to take instead of what is detected; `none` for none.
    #[arg(long, value_name = "C", env = "UNWRITE_CODEC")]
    pub codec: Option<String>,
    /// Refuse what must be read twice (an archive, a dump with keys behind its rows) instead of keeping it in a temporary file on its way.
    #[arg(long, env = "UNWRITE_NO_SPOOL")]
    pub no_spool: bool,
    /// Stop when more dropped plus edited records than this: a number, or a percentage of all (judged at the end, and from 65536 on).
    #[arg(long, value_name = "N|P%", env = "UNWRITE_MAX_DROPPED")]
    pub max_dropped: Option<String>,
    /// How the result is verified before it is written.
    #[arg(long, value_enum, default_value = "full", env = "UNWRITE_VERIFY")]
    pub verify: VerifyLevel,
    /// Compression level of what is encoded again, such as gzip=6 or zstd=3.
    #[arg(long, value_name = "CODEC=N", env = "UNWRITE_LEVEL", value_delimiter = ',')]
    pub level: Vec<String>,
    /// Bounds.
    #[command(flatten)]
    pub bounds: Bounds,
    /// What is told to a monitoring system.
    #[command(flatten)]
    pub monitoring: Monitoring,
    /// What is said.
    #[command(flatten)]
    pub say: Say,
}

/// `gate`.
#[derive(Debug, Args)]
pub struct Gate {
    /// Who and by which rules.
    #[command(flatten)]
    pub who: Who,
    /// Where.
    #[command(flatten)]
    pub walk: Walk,
    /// Name of stdin (SOURCE `-`), for the policy's globs and for detection [default: stdin].
    #[arg(long, value_name = "NAME", env = "UNWRITE_NAME")]
    pub name: Option<OsString>,
    /// What is told to a monitoring system.
    #[command(flatten)]
    pub monitoring: Monitoring,
    /// What is said.
    #[command(flatten)]
    pub say: Say,
}

/// `scan`.
#[derive(Debug, Args)]
pub struct Scan {
    /// Who and by which rules.
    #[command(flatten)]
    pub who: Who,
    /// Where.
    #[command(flatten)]
    pub walk: Walk,
    /// What is told to a monitoring system.
    #[command(flatten)]
    pub monitoring: Monitoring,
    /// What is said.
    #[command(flatten)]
    pub say: Say,
}

/// `scrub`.
#[derive(Debug, Args)]
pub struct Scrub {
    /// Who and by which rules.
    #[command(flatten)]
    pub who: Who,
    /// Where.
    #[command(flatten)]
    pub walk: Walk,
    /// Rewrite artifacts where they lie.
    #[arg(long, env = "UNWRITE_IN_PLACE")]
    pub in_place: bool,
    /// Write a mirror: a folder if it ends in `/` or is one, else a file where SOURCE is one file; or `s3://bucket/prefix/`.
    #[arg(long, value_name = "DEST", env = "UNWRITE_OUTPUT")]
    pub output: Option<PathBuf>,
    /// Replace targets in the mirror that have other bytes.
    #[arg(long, env = "UNWRITE_OVERWRITE")]
    pub overwrite: bool,
    /// Also rewrite files with several names; the other names keep the old bytes until their turn.
    #[arg(long, env = "UNWRITE_BREAK_HARDLINKS")]
    pub break_hardlinks: bool,
    /// Most dropped plus edited records: a number, or a percentage of an artifact's and the run's records.
    #[arg(long, value_name = "N|P%", env = "UNWRITE_MAX_DROPPED")]
    pub max_dropped: Option<String>,
    /// Find everything before anything is committed.
    #[arg(long, env = "UNWRITE_TWO_PASS")]
    pub two_pass: bool,
    /// How results are verified before they replace anything.
    #[arg(long, value_enum, default_value = "full", env = "UNWRITE_VERIFY")]
    pub verify: VerifyLevel,
    /// Compression level of what is re-encoded, such as gzip=6 or zstd=3.
    #[arg(long, value_name = "CODEC=N", env = "UNWRITE_LEVEL", value_delimiter = ',')]
    pub level: Vec<String>,
    /// Give a rewritten zstd file a seek table if it has none.
    #[arg(long, env = "UNWRITE_ZSTD_SEEKABLE")]
    pub zstd_seekable: bool,
    /// What is done to buckets.
    #[command(flatten)]
    pub deeds: Deeds,
    /// What is told to a monitoring system.
    #[command(flatten)]
    pub monitoring: Monitoring,
    /// What is said.
    #[command(flatten)]
    pub say: Say,
}

/// `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// The manifest: a file or `s3://bucket/key`.
    #[arg(value_name = "MANIFEST")]
    pub manifest_file: PathBuf,
    /// The registry: search the artifacts again for everybody who was in force at the run's time.
    #[arg(short, long, value_name = "R", env = "UNWRITE_REGISTRY")]
    pub registry: Option<PathBuf>,
    /// Judge by this policy instead of the one on the manifest's run line.
    #[arg(short, long, value_name = "P", env = "UNWRITE_POLICY")]
    pub policy: Option<PathBuf>,
    /// Search with the fast engine instead of the reference engine.
    #[arg(long, env = "UNWRITE_FAST")]
    pub fast: bool,
    /// How the registry is read.
    #[command(flatten)]
    pub read: ReadRegistry,
    /// What is told of dumps.
    #[command(flatten)]
    pub dumps: Dumps,
    /// Bounds.
    #[command(flatten)]
    pub bounds: Bounds,
    /// What is said.
    #[command(flatten)]
    pub say: Say,
}

/// Who, and by which rules.
#[derive(Debug, Args)]
pub struct Who {
    /// The deletion registry (.jsonl, .csv, .tsv, .txt).
    #[arg(short, long, value_name = "R", env = "UNWRITE_REGISTRY")]
    pub registry: Option<PathBuf>,
    /// Identifiers, rules and foreign keys from this file instead of the config file.
    #[arg(short, long, value_name = "P", env = "UNWRITE_POLICY")]
    pub policy: Option<PathBuf>,
    /// Key for pseudonyms: a file of at least 16 bytes.
    #[arg(long, value_name = "FILE", env = "UNWRITE_KEY_FILE")]
    pub key_file: Option<PathBuf>,
    /// How the registry is read.
    #[command(flatten)]
    pub read: ReadRegistry,
    /// What is told of dumps.
    #[command(flatten)]
    pub dumps: Dumps,
}

/// How a registry is read.
#[derive(Debug, Args)]
pub struct ReadRegistry {
    /// Config file (default: ./unwrite.toml if it is there).
    #[arg(long, value_name = "FILE", env = "UNWRITE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Type of the values of a .txt registry, instead of by their look.
    #[arg(long = "type", value_name = "T", env = "UNWRITE_TYPE")]
    pub kind: Option<String>,
    /// Accept values that are too short to be safe.
    #[arg(long, env = "UNWRITE_ALLOW_SHORT")]
    pub allow_short: bool,
    /// Accept a registry without anybody in it.
    #[arg(long, env = "UNWRITE_ALLOW_EMPTY_REGISTRY")]
    pub allow_empty_registry: bool,
    /// Refuse a registry whose newest event (else whose mtime) is older, such as 36h or 7d.
    #[arg(long, value_name = "DURATION", env = "UNWRITE_MAX_REGISTRY_AGE")]
    pub max_registry_age: Option<String>,
    /// Refuse a registry whose newest event has a lower number.
    #[arg(long, value_name = "N", env = "UNWRITE_MIN_REGISTRY_SEQ")]
    pub min_registry_seq: Option<u64>,
    /// How buckets are reached.
    #[command(flatten)]
    pub reach: Reach,
}

/// Where.
#[derive(Debug, Args)]
pub struct Walk {
    /// Files, folders (symlinks in them are not followed), quoted globs, `s3://bucket/key` or `s3://bucket/prefix/`.
    #[arg(value_name = "SOURCE", required = true)]
    pub sources: Vec<PathBuf>,
    /// Only artifacts whose path below SOURCE, or name, matches.
    #[arg(long, value_name = "GLOB", env = "UNWRITE_INCLUDE", value_delimiter = ',')]
    pub include: Vec<String>,
    /// Not those whose path below SOURCE, or name, matches.
    #[arg(long, value_name = "GLOB", env = "UNWRITE_EXCLUDE", value_delimiter = ',')]
    pub exclude: Vec<String>,
    /// Only artifacts last modified this long ago or longer, such as 1h or 2d.
    #[arg(long, value_name = "DURATION", env = "UNWRITE_MIN_AGE")]
    pub min_age: Option<String>,
    /// Accept a SOURCE that is not there, and filters that leave nothing.
    #[arg(long, env = "UNWRITE_ALLOW_NO_SOURCE")]
    pub allow_no_source: bool,
    /// Record format instead of the detected one: log, text, jsonl, json, csv, tsv, logfmt, sql, sql-tab, syslog-frames or journal.
    #[arg(long, value_name = "F", env = "UNWRITE_FORMAT")]
    pub format: Option<String>,
    /// Outermost codec to take instead of what is detected; `none` for none.
    #[arg(long, value_name = "C", env = "UNWRITE_CODEC")]
    pub codec: Option<String>,
    /// Also files whose checksum stands beside them (.sha256, SHA256SUMS and the like), which is rewritten along; the
    /// signed digests of AWS trails then fit no more.
    #[arg(long, env = "UNWRITE_BREAK_CHECKSUMS")]
    pub break_checksums: bool,
    /// Manifests of earlier runs, or quoted globs of them: what they say is clean and did not change since is searched only
    /// for who came in force after that, and not read if nobody did.
    #[arg(long, value_name = "M", env = "UNWRITE_SINCE", value_delimiter = ',')]
    pub since: Vec<PathBuf>,
    /// What is read of buckets.
    #[command(flatten)]
    pub depth: Depth,
    /// Bounds.
    #[command(flatten)]
    pub bounds: Bounds,
}

/// Bounds.
#[derive(Debug, Args)]
pub struct Bounds {
    /// Artifacts worked on at one time (default: the number of cores).
    #[arg(short, long, value_name = "N", env = "UNWRITE_JOBS")]
    pub jobs: Option<usize>,
    /// Memory for the run besides the registry [default: 256MiB].
    #[arg(long, value_name = "SIZE", env = "UNWRITE_MAX_MEMORY")]
    pub max_memory: Option<String>,
    /// Folder for temporary files (they have no name and vanish with the run) [default: the system's].
    #[arg(long, value_name = "DIR", env = "UNWRITE_TEMP_DIR")]
    pub temp_dir: Option<PathBuf>,
    /// Bytes of temporary files at one time [default: 64GiB].
    #[arg(long, value_name = "SIZE", env = "UNWRITE_MAX_TEMP")]
    pub max_temp: Option<String>,
    /// Decoded bytes of one artifact over all its layers [default: 16TiB].
    #[arg(long, value_name = "SIZE", env = "UNWRITE_MAX_DECODED")]
    pub max_decoded: Option<String>,
    /// Longest record [default: 128MiB].
    #[arg(long, value_name = "SIZE", env = "UNWRITE_MAX_RECORD")]
    pub max_record: Option<String>,
    /// What others get.
    #[command(flatten)]
    pub manners: Manners,
}

/// What is left to others on the machine.
#[derive(Debug, Args)]
pub struct Manners {
    /// Bytes a second, read and written together by all workers, such as 50MiB; at least 64KiB [default: no limit].
    #[arg(long, value_name = "RATE", env = "UNWRITE_BWLIMIT")]
    pub bwlimit: Option<String>,
    /// Lower the CPU priority by N, 0 to 19.
    #[arg(long, value_name = "N", env = "UNWRITE_NICE", value_parser = clap::value_parser!(u8).range(0..=19))]
    pub nice: Option<u8>,
    /// Read and write only when nobody else does (the idle I/O class; schedulers without classes ignore it).
    #[arg(long, env = "UNWRITE_IDLE")]
    pub idle: bool,
}

/// What is told to a monitoring system.
#[derive(Debug, Args)]
pub struct Monitoring {
    /// Write metrics for Prometheus here when the run ends, however it ends (for the textfile collector: a name in *.prom).
    #[arg(long, value_name = "FILE", env = "UNWRITE_METRICS")]
    pub metrics: Option<PathBuf>,
    /// Give each metric the label `name`: for several jobs whose files lie in one folder.
    #[arg(long, value_name = "NAME", env = "UNWRITE_METRICS_NAME")]
    pub metrics_name: Option<String>,
}

/// What is said, and where.
#[derive(Debug, Args)]
pub struct Say {
    /// Write the manifest here, or continue it: a file or `s3://bucket/key` (scrub's default: `./unwrite-<run_id>.manifest.jsonl`).
    #[arg(short, long, value_name = "M", env = "UNWRITE_MANIFEST")]
    pub manifest: Option<PathBuf>,
    /// Print the manifest's lines on stdout instead of a table.
    #[arg(long, env = "UNWRITE_JSON")]
    pub json: bool,
    /// Print nothing but errors.
    #[arg(short, long, env = "UNWRITE_QUIET")]
    pub quiet: bool,
    /// Say more on stderr; twice for more still.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// When a progress bar is shown.
    #[arg(long, value_enum, default_value = "auto", env = "UNWRITE_PROGRESS")]
    pub progress: ProgressWhen,
}

/// `registry …`.
#[derive(Debug, Subcommand)]
pub enum Registry {
    /// Read a registry and say whether it is sound: chain, types, lengths, who is in force.
    Check(RegistryFile),
    /// List its subjects by reference, with state and counts.
    List(RegistryList),
    /// Write a registry in a form that opens at once, however large it is: wherever a registry is taken.
    ///
    /// Example: unwrite registry compile erased.jsonl -o erased.unwr
    #[command(
        after_help = "It holds the registry's values: keep it where the registry is, and delete it with it. Whenever the registry \
        changes it is refused (exit 2) until it is compiled again."
    )]
    Compile(RegistryCompile),
    /// Append erases: values from FILE or stdin, never from arguments.
    ///
    /// Example: unwrite registry add erased.jsonl --subject s-01 --grace 7d < values.txt
    #[command(after_help = super::registry::ADD_HELP)]
    Add(RegistryAdd),
    /// Take over another registry (.jsonl, .csv, .tsv, .txt) as it stands, less what is there already.
    ///
    /// Example: unwrite registry import erased.jsonl requests.csv
    #[command(
        after_help = "Takes over who is to be erased and who is held. It cancels and releases nobody, and does not bring \
        back what was cancelled in REGISTRY: the same list can be imported every night."
    )]
    Import(RegistryImport),
    /// Append a cancel: clears all identifiers of a subject so far.
    Cancel(RegistryMark),
    /// Append a hold: nothing of a subject's is erased until it ends.
    ///
    /// Example: unwrite registry hold erased.jsonl --subject s-02 --until 2027-01-01T00:00:00Z
    Hold(RegistryHold),
    /// Append a release: ends a subject's hold.
    Release(RegistryMark),
}

/// The log that is written, and how.
#[derive(Debug, Args)]
pub struct RegistryLog {
    /// The registry, a .jsonl.
    #[arg(value_name = "REGISTRY")]
    pub registry: PathBuf,
    /// Config file (default: ./unwrite.toml if it is there).
    #[arg(long, value_name = "FILE", env = "UNWRITE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Print nothing but errors.
    #[arg(short, long, env = "UNWRITE_QUIET")]
    pub quiet: bool,
}

/// How values come in.
#[derive(Debug, Args)]
pub struct Incoming {
    /// Form of what is read, instead of by its name or look.
    #[arg(long = "as", value_name = "FORM")]
    pub form: Option<String>,
    /// Type of bare values, instead of by their look.
    #[arg(long = "type", value_name = "T", env = "UNWRITE_TYPE")]
    pub kind: Option<String>,
    /// Accept values that are too short to be safe; whoever reads the registry then needs this too.
    #[arg(long, env = "UNWRITE_ALLOW_SHORT")]
    pub allow_short: bool,
}

/// `registry add`.
#[derive(Debug, Args)]
pub struct RegistryAdd {
    /// The log.
    #[command(flatten)]
    pub log: RegistryLog,
    /// Where the values are; `-` or nothing is stdin.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// How they come in.
    #[command(flatten)]
    pub incoming: Incoming,
    /// Whose they are: the reference that reports show. No identifier: what is typed here, others see.
    #[arg(long, value_name = "REF")]
    pub subject: Option<String>,
    /// Grace period until they are in force, such as 7d; 0s for none.
    #[arg(long, value_name = "DURATION", env = "UNWRITE_GRACE")]
    pub grace: Option<String>,
    /// Cover only records before this time (RFC 3339): for people who sign up again.
    #[arg(long, value_name = "TIME")]
    pub before: Option<String>,
    /// All values together are one identifier: a record is theirs if every one of them matches.
    #[arg(long)]
    pub all_of: bool,
}

/// `registry import`.
#[derive(Debug, Args)]
pub struct RegistryImport {
    /// The log.
    #[command(flatten)]
    pub log: RegistryLog,
    /// What is taken over; `-` is stdin.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How it comes in.
    #[command(flatten)]
    pub incoming: Incoming,
}

/// `registry cancel` and `registry release`.
#[derive(Debug, Args)]
pub struct RegistryMark {
    /// The log.
    #[command(flatten)]
    pub log: RegistryLog,
    /// The subject's reference, as `registry list` shows it.
    #[arg(long, value_name = "REF")]
    pub subject: String,
}

/// `registry hold`.
#[derive(Debug, Args)]
pub struct RegistryHold {
    /// Which log and subject.
    #[command(flatten)]
    pub mark: RegistryMark,
    /// Its end (RFC 3339) [default: until it is released].
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Why: free text, which is stored in the registry and shown by `list --reveal` only.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `registry check`.
#[derive(Debug, Args)]
pub struct RegistryFile {
    /// The registry.
    #[arg(value_name = "REGISTRY")]
    pub file: PathBuf,
    /// How it is read.
    #[command(flatten)]
    pub read: ReadRegistry,
    /// Say more.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// `registry compile`.
#[derive(Debug, Args)]
pub struct RegistryCompile {
    /// Which one, and how it is read.
    #[command(flatten)]
    pub file: RegistryFile,
    /// What is written, mode 0600; ends in .unwr. One that is there is replaced in one step.
    #[arg(short, long, value_name = "R.unwr")]
    pub output: PathBuf,
}

/// `registry list`.
#[derive(Debug, Args)]
pub struct RegistryList {
    /// The registry.
    #[command(flatten)]
    pub file: RegistryFile,
    /// Show the identifiers' values: personal data on your screen.
    #[arg(long)]
    pub reveal: bool,
}

/// `--verify`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VerifyLevel {
    /// As full, and scanned by the slow reference engine too.
    Paranoid,
    /// Decoded by another library, compared with what was foretold, scanned again.
    Full,
    /// Decoded by another library and compared with what was foretold.
    Decode,
    /// Not at all (noted in the manifest).
    None,
}

/// `--progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProgressWhen {
    /// Where stderr is a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}
