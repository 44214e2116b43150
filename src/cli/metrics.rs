//! `--metrics FILE`: what a run came to, in the text format of Prometheus, for `node_exporter`'s textfile collector.
//!
//! Written when the run ends, however it ends, in one step: a temporary file beside FILE, then a rename. A run that cannot say
//! something (its registry was not readable) leaves that metric out. Format: Prometheus "Exposition formats", text 0.0.4; every
//! metric is a gauge of the last run. Labels hold words of this program and the operator's `--metrics-name`, nothing of the data (P4).

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;

use super::args::Monitoring;
use super::{Exit, exit_of, say};
use crate::engine::Report;
use crate::error::{Error, Result};
use crate::manifest::Status;
use crate::matcher::Needles;
use crate::registry::Registry;

/// Kept from the file of the run before where this one did not succeed.
const LAST_SUCCESS: &str = "unwrite_last_success_timestamp_seconds";
/// More of an older file is not looked at, bytes: ours has about 5,000.
const OLD_FILE: u64 = 1 << 20;

/// Collects what there is to tell of one run.
#[derive(Debug)]
pub struct Meter {
    file: Option<PathBuf>,
    verb: &'static str,
    name: Option<String>,
    started: Instant,
    told: Told,
}

/// What is known so far.
#[derive(Debug, Default)]
struct Told {
    registry: Option<Who>,
    run: Option<Did>,
    /// Since when the longest waiting person has been in force.
    oldest: Option<Timestamp>,
    now: Option<Timestamp>,
}

#[derive(Debug)]
struct Who {
    seq: u64,
    in_force: u64,
    held: u64,
    pending: u64,
    written: Timestamp,
}

#[derive(Debug)]
struct Did {
    artifacts: [u64; Status::ALL.len()],
    /// Read, dropped, edited.
    records: [u64; 3],
    /// Read, kept, encoded.
    bytes: [u64; 3],
    subjects: usize,
}

impl Meter {
    /// For a run of `verb`. A usage error if FILE cannot be written or the name is none.
    pub fn start(verb: &'static str, typed: &Monitoring) -> Result<Self> {
        if let Some(file) = &typed.metrics {
            refuse_file(file)?;
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        if typed.metrics_name.as_ref().is_some_and(|name| !(1..=64).contains(&name.len()) || !name.bytes().all(plain)) {
            return Err(Error::usage("--metrics-name: expected 1 to 64 letters, digits, `_`, `.` or `-`"));
        }
        let (file, name) = (typed.metrics.clone(), typed.metrics_name.clone());
        Ok(Self { file, verb, name, started: Instant::now(), told: Told::default() })
    }

    /// Where it writes: a file of this run's own.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The registry that is searched for at `now`. Until a report comes, everybody in it waits.
    ///
    /// A usage error if the name in `--metrics-name` is one of its values; then nothing is written at all (P4).
    pub fn registry(&mut self, registry: &Registry, now: Timestamp) -> Result<()> {
        if self.name.as_ref().is_some_and(|name| holds_value(name, &registry.needles)) {
            self.file = None;
            return Err(Error::usage("--metrics-name holds an identifier of the registry"));
        }
        let people = registry.needles.subjects().filter(|(_, subject)| !subject.held);
        self.told.oldest = people.map(|(id, _)| registry.since(id)).min();
        self.told.now = Some(now);
        self.told.registry = Some(Who {
            seq: registry.seq,
            in_force: registry.in_force,
            held: registry.held,
            pending: registry.pending,
            written: registry.written,
        });
        Ok(())
    }

    /// What the run came to.
    pub fn report(&mut self, report: &Report) {
        let count = |status| report.artifacts.get(&status).copied().unwrap_or_default();
        self.told.oldest = report.oldest_unclean;
        self.told.run = Some(Did {
            artifacts: Status::ALL.map(count),
            records: [report.read, report.records.dropped, report.records.edited],
            bytes: [report.bytes.read, report.bytes.kept, report.bytes.encoded],
            subjects: report.subjects,
        });
    }

    /// Writes FILE. If that fails it is said, and a run that went well otherwise exits 3: its monitoring knows nothing of it.
    pub fn finish(self, result: Result<Exit>) -> Result<Exit> {
        let Some(file) = &self.file else { return result };
        let exit = result.as_ref().map_or_else(exit_of, |exit| *exit);
        let now = Timestamp::now();
        let success = if exit == Exit::Ok { Some(now.as_second()) } else { last_success(file) };
        match write(file, &self.text(exit, now, success.unwrap_or(0))) {
            Ok(()) => result,
            Err(error) => {
                say(&format!("unwrite: --metrics: not written: {}", error.kind()));
                result.map(|exit| if matches!(exit, Exit::Ok | Exit::Found) { Exit::Trouble } else { exit })
            }
        }
    }

    fn text(&self, exit: Exit, now: Timestamp, success: i64) -> String {
        let mut sheet = Sheet { out: String::new(), name: self.name.as_deref() };
        let version = env!("CARGO_PKG_VERSION");
        sheet.row(
            "unwrite_run_info",
            "Verb and version of the last run.",
            &[("verb", self.verb), ("version", version)],
            1,
        );
        sheet.one(LAST_SUCCESS, "End of the last run that exited 0, as Unix time; 0: none known.", success);
        sheet.one("unwrite_last_run_timestamp_seconds", "End of the last run, as Unix time.", now.as_second());
        sheet.one("unwrite_run_exit_code", "Exit code of the last run.", exit as u8);
        let took = self.started.elapsed().as_secs_f64();
        sheet.one("unwrite_run_duration_seconds", "Time that the last run took.", format_args!("{took:.3}"));
        if let Some(did) = &self.told.run {
            did.tell(&mut sheet);
        }
        if let (Some(who), Some(as_of)) = (&self.told.registry, self.told.now) {
            who.tell(&mut sheet, as_of);
            let waits = self.told.oldest.map_or(0, |since| as_of.duration_since(since).as_secs().max(0));
            let help = "How long the longest waiting person has been in force who was found and not taken out, or who may stand \
                        in what was not read; 0: nobody waits.";
            sheet.one("unwrite_oldest_unclean_age_seconds", help, waits);
        }
        sheet.out
    }
}

impl Did {
    fn tell(&self, sheet: &mut Sheet<'_>) {
        sheet.head("unwrite_run_artifacts", "Artifacts of the last run by status.");
        for (status, n) in Status::ALL.into_iter().zip(self.artifacts) {
            sheet.value("unwrite_run_artifacts", &[("status", status.name())], n);
        }
        let [read, dropped, edited] = self.records;
        sheet.one("unwrite_run_records_read", "Records read by the last run.", read);
        sheet.one("unwrite_run_records_dropped", "Records dropped by the last run, or to drop (scan).", dropped);
        sheet.one("unwrite_run_records_edited", "Records edited by the last run, or to edit (scan).", edited);
        let [read, kept, encoded] = self.bytes;
        sheet.one("unwrite_run_read_bytes", "Bytes of artifacts searched by the last run.", read);
        sheet.one("unwrite_run_kept_bytes", "Bytes that the last run's new artifacts keep of the old ones.", kept);
        sheet.one("unwrite_run_encoded_bytes", "Bytes that the last run's new artifacts have anew.", encoded);
        sheet.one("unwrite_run_subjects", "Subjects for whom the last run changed something, or would.", self.subjects);
    }
}

impl Who {
    fn tell(&self, sheet: &mut Sheet<'_>, now: Timestamp) {
        sheet.one("unwrite_registry_seq", "Number of the registry's newest event.", self.seq);
        let name = "unwrite_registry_subjects";
        sheet.head(name, "Subjects of the registry by state.");
        for (state, n) in [("in_force", self.in_force), ("held", self.held), ("pending", self.pending)] {
            sheet.value(name, &[("state", state)], n);
        }
        let age = now.duration_since(self.written).as_secs().max(0);
        sheet.one("unwrite_registry_age_seconds", "Age of the registry's newest event, else of its file.", age);
    }
}

/// The text so far, and the label that every line has.
struct Sheet<'s> {
    out: String,
    name: Option<&'s str>,
}

impl Sheet<'_> {
    fn head(&mut self, metric: &str, help: &str) {
        let _infallible = writeln!(self.out, "# HELP {metric} {help}\n# TYPE {metric} gauge");
    }

    fn value(&mut self, metric: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let all = self.name.map(|name| ("name", name)).into_iter().chain(labels.iter().copied());
        let all: Vec<String> = all.map(|(label, text)| format!("{label}=\"{text}\"")).collect();
        let labels = if all.is_empty() { String::new() } else { format!("{{{}}}", all.join(",")) };
        let _infallible = writeln!(self.out, "{metric}{labels} {value}");
    }

    fn row(&mut self, metric: &str, help: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.head(metric, help);
        self.value(metric, labels, value);
    }

    fn one(&mut self, metric: &str, help: &str, value: impl std::fmt::Display) {
        self.row(metric, help, &[], value);
    }
}

/// Refuses what a rename would not replace by a file, and a folder that is not there, before anything is touched.
fn refuse_file(file: &Path) -> Result<()> {
    let bad = |what| Err(Error::usage(format!("--metrics: {what}")));
    if file.file_name().is_none() || fs::symlink_metadata(file).is_ok_and(|meta| !meta.is_file()) {
        return bad("not the name of a regular file");
    }
    if !folder(file).is_dir() {
        return bad("its folder is not there");
    }
    Ok(())
}

fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether a value stands in `name`: one of fewer than 6 bytes between non-alphanumerics (SPEC P4).
fn holds_value(name: &str, needles: &Needles) -> bool {
    const ALONE: usize = 6;
    let name = name.to_ascii_lowercase();
    let stands = |text: &[u8]| {
        let Ok(text) = std::str::from_utf8(text) else { return false };
        let text = text.to_ascii_lowercase();
        let edge = |byte: Option<&u8>| text.len() >= ALONE || !byte.is_some_and(u8::is_ascii_alphanumeric);
        !text.is_empty()
            && name.match_indices(&text).any(|(at, _)| {
                let (before, after) = (name.as_bytes().get(..at), name.as_bytes().get(at + text.len()..));
                edge(before.unwrap_or_default().last()) && edge(after.unwrap_or_default().first())
            })
    };
    needles.values().any(|(_, value)| stands(&value.bytes()) || stands(&value.written()))
}

/// The last success that an older file tells.
fn last_success(file: &Path) -> Option<i64> {
    let mut text = String::new();
    File::open(file).ok()?.take(OLD_FILE).read_to_string(&mut text).ok()?;
    let line =
        text.lines().find_map(|line| line.strip_prefix(LAST_SUCCESS).filter(|rest| rest.starts_with(['{', ' '])))?;
    let (_, value) = line.rsplit_once(' ')?;
    value.parse().ok().filter(|seconds| *seconds >= 0)
}

/// Puts `text` in the place of `file` in one step, mode 0644 less the umask.
fn write(file: &Path, text: &str) -> io::Result<()> {
    // No name of ours ends in .prom: the exporter would read it.
    let draft = folder(file).join(format!(".unwrite-metrics-{}.tmp", ulid::Ulid::new()));
    let written = File::options().write(true).create_new(true).mode(0o644).open(&draft).and_then(|mut out| {
        out.write_all(text.as_bytes())?;
        out.sync_data()?;
        fs::rename(&draft, file)
    });
    if written.is_err() {
        // The first error is the one to tell.
        let _gone = fs::remove_file(&draft);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(file: &Path) -> Meter {
        let typed = Monitoring { metrics: Some(file.to_owned()), metrics_name: None };
        Meter::start("scrub", &typed).unwrap()
    }

    #[test]
    fn the_last_success_is_kept_by_runs_that_fail() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("unwrite.prom");
        let success = || last_success(&file).unwrap();
        meter(&file).finish(Err(Error::usage("no"))).unwrap_err();
        assert_eq!(success(), 0, "none is known");
        meter(&file).finish(Ok(Exit::Ok)).unwrap();
        let then = success();
        assert!(then > 1_600_000_000);
        let old = fs::read_to_string(&file).unwrap().replace(&then.to_string(), "1700000000");
        fs::write(&file, old).unwrap();
        assert_eq!(meter(&file).finish(Ok(Exit::Trouble)).unwrap(), Exit::Trouble);
        assert_eq!(success(), 1_700_000_000);
        meter(&file).finish(Err(Error::new(crate::error::Kind::Interrupted, "interrupted"))).unwrap_err();
        assert_eq!(success(), 1_700_000_000);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn what_cannot_be_written_is_no_success() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("gone");
        fs::create_dir(&folder).unwrap();
        let made = [(); 3].map(|()| meter(&folder.join("m.prom")));
        fs::remove_dir(&folder).unwrap();
        let [ok, found, locked] = made;
        assert_eq!(ok.finish(Ok(Exit::Ok)).unwrap(), Exit::Trouble);
        assert_eq!(found.finish(Ok(Exit::Found)).unwrap(), Exit::Trouble);
        assert_eq!(locked.finish(Ok(Exit::Locked)).unwrap(), Exit::Locked);
    }

    #[test]
    fn files_that_are_none_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for bad in [dir.path().to_owned(), dir.path().join("no/m.prom"), PathBuf::from("/dev/null"), PathBuf::from("/")]
        {
            let typed = Monitoring { metrics: Some(bad), metrics_name: None };
            assert!(Meter::start("scan", &typed).is_err());
        }
        for bad in ["", "a b", "a\"b", "é", &"a".repeat(65)] {
            let typed = Monitoring { metrics: None, metrics_name: Some(bad.to_owned()) };
            assert!(Meter::start("scan", &typed).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_that_is_somebodys_is_refused() {
        let value = |text: &str| crate::matcher::Value {
            kind: crate::matcher::Type::Username,
            bytes: text.as_bytes().into(),
            written: Box::default(),
        };
        let needles = Needles::of_values(&[value("alice_m"), value("42")]).unwrap();
        for (name, holds) in [
            ("app", false),
            ("x-alice_m.y", true),
            ("xALICE_My", true),
            ("app-42", true),
            ("app42", false),
            ("", false),
        ] {
            assert_eq!(holds_value(name, &needles), holds, "{name}");
        }
    }
}
