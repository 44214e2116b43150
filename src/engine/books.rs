//! What a run comes to, as its artifacts are done: their lines, and the report.

use std::collections::HashSet;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::count::Bytes;
use super::unclean::Unclean;
use crate::error::Result;
use crate::layer::tables::Tables;
use crate::manifest::{Artifact, Status, Summary, SummaryRecords, VERSIONS, Versions};
use crate::scrub;

/// What a run came to.
#[derive(Debug, Default)]
pub struct Report {
    /// ULID of the run.
    pub run_id: String,
    /// Artifacts by status.
    pub artifacts: std::collections::BTreeMap<Status, u64>,
    /// Records dropped and edited.
    pub records: SummaryRecords,
    /// Records read.
    pub read: u64,
    /// Bytes.
    pub bytes: Bytes,
    /// Subjects for whom something changed, or would.
    pub subjects: usize,
    /// Since when the one has been in force who waits longest to be clean; `None` if nobody does.
    pub oldest_unclean: Option<Timestamp>,
    /// Where the manifest is, masked, if one was written.
    pub manifest: Option<String>,
    /// Lines of artifacts that need a look (masked URI, status, reason), the first hundred.
    pub attention: Vec<(String, Status, String)>,
    /// Old versions of objects that were rewritten.
    pub versions: Versions,
    /// Something is to be changed (scan).
    pub hit: bool,
    /// Where a gate stopped: a masked URI.
    pub found: Option<String>,
    /// Rows of tables of dumps that were changed, or would be.
    pub tables: Tables,
    /// Something needs a look: exit 3.
    pub troubled: bool,
    /// Another run holds an artifact: exit 4.
    pub locked: bool,
    /// A signal ended it.
    pub interrupted: bool,
    /// Things said on stderr at the end.
    pub notes: Vec<String>,
}

/// Results on their way to manifest and report.
pub(super) struct Books {
    pub(super) report: Report,
    pub(super) subjects: HashSet<String>,
    pub(super) unclean: Unclean,
    /// Old versions are purged: those of a line are no matter by themselves.
    pub(super) purges: bool,
}

impl Books {
    pub(super) fn enter(&mut self, run: &scrub::Run<'_>, line: Artifact, hit: bool, locked: bool) -> Result<()> {
        let report = &mut self.report;
        self.unclean.see(&line);
        // What a copy replaced is not purged.
        let are_purged = self.purges && line.is_rewritten();
        if !are_purged && line.has_versions() {
            self.unclean.anybody();
        }
        let attention = if are_purged { line.attention_now() } else { line.attention() };
        report.troubled |= attention;
        report.hit |= hit;
        if let (Some(gate), true) = (run.search.gate, hit) {
            gate.store(true, Ordering::Relaxed);
            report.found = Some(line.uri.clone());
        }
        report.locked |= locked;
        if attention && report.attention.len() < 100 {
            let reason = line.reason.clone().unwrap_or_else(|| {
                let left: Vec<_> = line.left.keys().map(|word| format!("left: {word}")).collect();
                left.join(", ")
            });
            report.attention.push((line.uri.clone(), line.status, reason));
        }
        self.enter_quietly(run, line)
    }

    pub(super) fn enter_quietly(&mut self, run: &scrub::Run<'_>, line: Artifact) -> Result<()> {
        let report = &mut self.report;
        *report.artifacts.entry(line.status).or_default() += 1;
        let records = line.records.unwrap_or_default();
        report.read += records.read;
        report.records.add(&line);
        report.bytes.kept += line.kept_bytes.unwrap_or_default();
        report.bytes.encoded += line.encoded_bytes.unwrap_or_default();
        report.versions.left += line.left.get(VERSIONS).copied().unwrap_or_default();
        if matches!(line.status, Status::Rewritten | Status::WouldRewrite | Status::Partial) {
            line.tables.iter().for_each(|(name, table)| report.tables.add(name, table));
            self.subjects.extend(line.subjects.keys().cloned());
        }
        run.manifest.lock().unwrap_or_else(PoisonError::into_inner).artifact(line)
    }
}

/// The manifest's last line.
pub(super) fn summary(report: &Report, root: String) -> Summary {
    let count = |status: Status| report.artifacts.get(&status).copied().unwrap_or_default();
    Summary {
        finished_at: Timestamp::now().to_string(),
        artifacts: Status::ALL.into_iter().map(|status| (status.name().to_owned(), count(status))).collect(),
        records: report.records,
        versions: (report.versions != Versions::default()).then_some(report.versions),
        root,
        signature: None,
    }
}
