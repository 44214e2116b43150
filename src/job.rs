//! What a run is to do: the options, built and checked, in which nothing can be invalid.
//!
//! `config` makes a [`Job`] of the command line, the environment and the config file; everything below reads it. It holds plain
//! values only: files are opened and needles built by those who use them.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::limits::Limits;

/// What happens to artifacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// A dry run.
    Scan,
    /// A dry run that ends at the first hit.
    Gate,
    /// Stdin to stdout.
    Filter,
    /// Rewritten where they lie.
    InPlace,
    /// Mirrored below a destination, as it was typed.
    Output(PathBuf),
}

impl Mode {
    /// Whether nothing is written.
    pub fn is_dry(&self) -> bool {
        matches!(self, Mode::Scan | Mode::Gate)
    }

    /// The name on the manifest's run line.
    pub fn name(&self) -> &'static str {
        match self {
            Mode::Scan => "scan",
            Mode::Gate => "gate",
            Mode::Filter => "filter",
            Mode::InPlace => "in-place",
            Mode::Output(_) => "output",
        }
    }
}

/// How a result is verified before it is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Verify {
    /// Not at all.
    None,
    /// Decoded by another library; the decoded bytes must be what was foretold.
    Decode,
    /// And scanned again.
    #[default]
    Full,
    /// And scanned by the reference engine as well.
    Paranoid,
}

impl Verify {
    /// The name in options and in the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Verify::None => "none",
            Verify::Decode => "decode",
            Verify::Full => "full",
            Verify::Paranoid => "paranoid",
        }
    }
}

/// The blast-radius limit: dropped plus edited records.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxDropped {
    /// So many records.
    Count(u64),
    /// This share of the records read, in percent; judged from 100 records up.
    Percent(f64),
}

impl MaxDropped {
    /// Reads `N` or `P%`.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = || Error::usage("expected a number of records or a percentage such as 1%");
        match text.strip_suffix('%') {
            Some(percent) => {
                let percent: f64 = percent.trim().parse().map_err(|_| bad())?;
                if (0.0..=100.0).contains(&percent) { Ok(Self::Percent(percent)) } else { Err(bad()) }
            }
            None => text.trim().parse().map(Self::Count).map_err(|_| bad()),
        }
    }

    /// Whether `changed` of `read` records are over it.
    pub fn exceeded(self, changed: u64, read: u64) -> bool {
        match self {
            Self::Count(most) => changed > most,
            Self::Percent(most) => read >= 100 && changed as f64 * 100.0 > most * read as f64,
        }
    }
}

/// When a progress bar is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Progress {
    /// Where stderr is a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The options of a run over artifacts.
#[derive(Debug, Clone)]
pub struct Job {
    /// What happens to artifacts.
    pub mode: Mode,
    /// SOURCEs as typed.
    pub sources: Vec<PathBuf>,
    /// Stdin is one of them (`-`), and the name that it has for policy globs and detection.
    pub stdin: Option<Vec<u8>>,
    /// `--no-spool`.
    pub no_spool: bool,
    /// `--include` globs.
    pub include: Vec<String>,
    /// `--exclude` globs.
    pub exclude: Vec<String>,
    /// `--min-age`.
    pub min_age: Option<Duration>,
    /// `--allow-no-source`.
    pub allow_no_source: bool,
    /// `--all-versions`: also what was replaced or deleted in buckets with versions.
    pub all_versions: bool,
    /// `--purge-versions`: what was replaced is deleted for good.
    pub purge_versions: bool,
    /// `--overwrite`.
    pub overwrite: bool,
    /// `--break-hardlinks`.
    pub break_hardlinks: bool,
    /// `--break-checksums`.
    pub break_checksums: bool,
    /// `--verify`.
    pub verify: Verify,
    /// `--max-dropped`.
    pub max_dropped: Option<MaxDropped>,
    /// `--two-pass`.
    pub two_pass: bool,
    /// `--jobs`, at least 1.
    pub jobs: usize,
    /// Bounds.
    pub limits: Limits,
    /// `--bwlimit`, bytes a second read and written by all workers; `None`: no limit.
    pub bwlimit: Option<u64>,
    /// `--temp-dir`.
    pub temp_dir: PathBuf,
    /// `--format`.
    pub format: Option<String>,
    /// `--codec`.
    pub codec: Option<String>,
    /// `--level CODEC=N`; with `--zstd-seekable` also `zstd-seekable`.
    pub levels: Vec<(String, i32)>,
    /// `--since`: manifests that are relied on, as files.
    pub since: Vec<PathBuf>,
    /// `--manifest`.
    pub manifest: Option<PathBuf>,
    /// `--json`.
    pub json: bool,
    /// `--quiet`.
    pub quiet: bool,
    /// `--progress`.
    pub progress: Progress,
    /// This run's own files, never scrubbed: registry, policy, key, manifest, config.
    pub own_files: Vec<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blast_radius() {
        assert!(MaxDropped::parse("10").unwrap().exceeded(11, 5));
        assert!(!MaxDropped::parse("10").unwrap().exceeded(10, 5));
        assert!(MaxDropped::parse("1%").unwrap().exceeded(2, 100));
        assert!(!MaxDropped::parse("1%").unwrap().exceeded(99, 99), "judged from 100 records up");
        assert!(MaxDropped::parse("0").unwrap().exceeded(1, 1));
        assert!(
            MaxDropped::parse("x").is_err() && MaxDropped::parse("101%").is_err() && MaxDropped::parse("-1").is_err()
        );
    }
}
