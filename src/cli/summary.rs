//! The table at the end of a run.

use std::fmt::Write;

use crate::engine::Report;
use crate::job::Job;
use crate::manifest::Status;

/// Tables that are listed.
const TABLES: usize = 40;

/// What a run came to, for people.
pub fn text(report: &Report, job: &Job) -> String {
    let mut out = String::new();
    for status in Status::ALL {
        if let Some(n) = report.artifacts.get(&status).filter(|n| **n > 0) {
            row(&mut out, &status.name().replace('_', " "), *n, if *n == 1 { "artifact" } else { "artifacts" });
        }
    }
    let verb = if job.mode.is_dry() { "to drop" } else { "dropped" };
    let edit = if job.mode.is_dry() { "to edit" } else { "edited" };
    row(&mut out, "read", report.read, "records");
    row(&mut out, verb, report.records.dropped, "records");
    row(&mut out, edit, report.records.edited, "records");
    row(&mut out, "of", report.subjects as u64, if report.subjects == 1 { "subject" } else { "subjects" });
    if report.bytes.kept + report.bytes.encoded > 0 {
        row(&mut out, "kept", report.bytes.kept, "bytes");
        row(&mut out, "encoded", report.bytes.encoded, "bytes");
    }
    if report.versions.purged > 0 {
        row(&mut out, "purged", report.versions.purged, "old versions");
    }
    if report.versions.left > 0 {
        row(
            &mut out,
            "left",
            report.versions.left,
            if job.purge_versions {
                "old versions of rewritten objects, which could not go"
            } else {
                "old versions of rewritten objects, not looked at (see --purge-versions)"
            },
        );
    }
    for line in tables(report) {
        let _infallible = writeln!(out, "{line}");
    }
    for (uri, status, reason) in &report.attention {
        let _infallible = writeln!(out, "{}: {uri}: {reason}", status.name());
    }
    if let Some(uri) = &report.found {
        let _infallible = writeln!(out, "found: {uri} (something is to be changed; what comes after it was not read)");
    }
    if let Some(manifest) = &report.manifest {
        let _infallible = writeln!(out, "manifest: {manifest}");
    }
    out
}

/// Tables of dumps in which something changes, at most 40 of them.
pub fn tables(report: &Report) -> Vec<String> {
    let changed: Vec<_> = report.tables.0.iter().filter(|(_, table)| table.is_changed()).collect();
    let mut lines: Vec<String> = changed
        .iter()
        .take(TABLES)
        .map(|(name, table)| {
            let counts = [
                (table.dropped, "dropped"),
                (table.cascade, "by cascade"),
                (table.set_null, "set null"),
                (table.anonymized, "anonymized"),
                (table.edited, "edited"),
            ];
            let counts = counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!(", {n} {word}"));
            format!("table {name}: {} read{}", table.read, counts.collect::<String>())
        })
        .collect();
    if changed.len() > TABLES {
        lines.push(format!("and {} more tables: see the manifest", changed.len() - TABLES));
    }
    lines
}

fn row(out: &mut String, what: &str, n: u64, unit: &str) {
    let _infallible = writeln!(out, "{what:>14} {n:>12} {unit}");
}
