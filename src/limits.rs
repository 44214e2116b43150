//! Every bound of the project, with its unit and its reason, in one place.
//!
//! A bound that a user can set has its option named in the doc; the rest are constants of the design. What reaches a
//! bound ends as `failed: limit` with the bound's name, never as a shortened or skipped search.

/// Longest line of a registry, and longest row of a delimited one, bytes: far above any subject's identifiers.
pub const MAX_REGISTRY_LINE: usize = 1 << 20;
/// Bytes of a registry that one thread parses at a time: large beside what it takes to hand them on.
pub const REGISTRY_BLOCK: usize = 256 * 1024;
/// Bytes of a find window: stays in a core's L2 cache (ARCHITECTURE.md "Read with pread into windows").
pub const WINDOW: usize = 256 * 1024;
/// Bytes of a verify window: odd and prime, so that no cut of the second look falls where one of find's fell.
pub const VERIFY_WINDOW: usize = 196_613;
/// Bytes looked at to tell what a stream is (SPEC "Detection").
pub const SNIFF: usize = 64 * 1024;
/// Layers of codecs and containers inside one another (SPEC "What it reads").
pub const DEPTH: usize = 8;
/// Longest record, bytes: `--max-record`.
pub const MAX_RECORD: u64 = 128 << 20;
/// Most continuation lines of one text record (SPEC "Records").
pub const MAX_CONTINUATION_LINES: usize = 10_000;
/// Most bytes of continuation in one text record (SPEC "Records").
pub const MAX_CONTINUATION_BYTES: usize = 16 << 20;
/// Decoded bytes of one artifact over all its layers: `--max-decoded` (16 TiB).
pub const MAX_DECODED: u64 = 16 << 40;
/// Memory for the whole run besides the registry: `--max-memory`.
pub const MAX_MEMORY: u64 = 256 << 20;
/// Bytes of temporary files at one time: `--max-temp` (default: 64 GiB, and never more than the free space).
pub const MAX_TEMP: u64 = 64 << 30;
/// Bytes that a spool or an edit list keeps in memory before it goes to a temporary file.
pub const SPOOL_MEMORY: usize = 512 * 1024;
/// Bytes that all spools and edit lists of a run keep in memory together; past it each goes to its file at once.
pub const SPOOL_POOL: u64 = 64 << 20;
/// Members with edits below one container; each costs about 200 bytes of plan.
pub const MAX_PARTS: usize = 1 << 18;
/// Members that one artifact line names; more are counted in a last entry `{"more":n}`.
pub const MAX_MEMBERS: usize = 10_000;
/// Levels of spelling searched below the raw text (SPEC "Spellings").
pub const SPELLING_DEPTH: usize = 3;
/// Length of history that a deflate match can reach, bytes (RFC 1951 §2).
pub const DEFLATE_WINDOW: usize = 32 * 1024;
/// How far a mark may lag the reader, bytes: two windows and their records.
pub const MARK_LAG: usize = 4 * WINDOW;
/// Largest zstd window decoded without the large slot, log2 bytes (`zstd --long` writes 27).
pub const ZSTD_WINDOW_LOG: u32 = 27;
/// Artifacts listed ahead and sorted largest first: bounds the listing's memory to about 30 MB.
pub const LIST_BATCH: usize = 65_536;

/// Least `--bwlimit`, bytes a second: slower, a run would hold locks and leases for hours.
pub const BW_MIN: u64 = 64 << 10;
/// Time in which `--bwlimit` may be caught up with, and the length of one turn: short, so that a writer who waits for a lease
/// waits no longer than a turn of each worker.
pub const BW_BURST: std::time::Duration = std::time::Duration::from_millis(100);

/// The bounds that one run can set by option.
#[derive(Debug, Clone)]
pub struct Limits {
    /// `--max-record`, bytes.
    pub max_record: u64,
    /// `--max-decoded`, bytes an artifact.
    pub max_decoded: u64,
    /// `--max-memory`, bytes for the run besides the registry.
    pub max_memory: u64,
    /// `--max-temp`, bytes of temporary files.
    pub max_temp: u64,
    /// Read size of an input, bytes; tests set it down to 1.
    pub window: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_record: MAX_RECORD,
            max_decoded: MAX_DECODED,
            max_memory: MAX_MEMORY,
            max_temp: MAX_TEMP,
            window: WINDOW,
        }
    }
}
