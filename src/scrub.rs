//! ONE artifact, start to finish: open → find → lift → draft → verify → commit → its manifest line.
//!
//! Nothing here ends the run: every failure, and every panic of a layer, becomes the status and reason of this artifact, and
//! its original stands. The order of the last steps is promise P3: the result is complete and verified before the manifest's
//! `intent` is durable, the `intent` before the swap, the swap before the `artifact` line.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::blob::Blob;
use crate::edit::Patch;
use crate::error::{Error, Kind, Result};
use crate::job::{MaxDropped, Mode, Verify};
use crate::judge::pseudonym::hex;
use crate::layer::cx::NameHits;
use crate::layer::{BlobPass, Cx, Search, Tally};
use crate::manifest::writer::Writer;
use crate::manifest::{Artifact, Digest, Identity, Intent, Line, Member, Records, Status};
use crate::progress::Progress;
use crate::store::{self, Object, Original, Purpose, To};
use crate::verify;

/// What all artifacts of a run share.
pub struct Run<'r> {
    /// How originals are searched.
    pub search: &'r Search<'r>,
    /// How results are searched, each in turn; empty for `--verify none`.
    pub second: &'r [&'r Search<'r>],
    /// Where artifacts lie.
    pub disk: &'r store::disk::Disk,
    /// What happens to artifacts.
    pub mode: &'r Mode,
    /// How results are verified.
    pub verify: Verify,
    /// `--overwrite`.
    pub overwrite: bool,
    /// `--break-hardlinks`.
    pub break_hardlinks: bool,
    /// The blast-radius limit.
    pub blast: &'r Blast,
    /// Where intents go.
    pub manifest: &'r Mutex<Writer>,
    /// Told of every byte read.
    pub progress: &'r dyn Progress,
}

/// One artifact of the run.
pub struct Task {
    /// The artifact.
    pub object: Object,
    /// Its place in the mirror, under `--output`.
    pub target: Option<PathBuf>,
}

/// The line of one artifact, and whether something of it is to be changed (a scan's exit 1).
pub struct Outcome {
    /// The manifest's line.
    pub line: Artifact,
    /// Something would be changed, or was.
    pub hit: bool,
    /// Another run holds it: exit 4.
    pub locked: bool,
    /// A signal arrived; the line is not to be written.
    pub interrupted: bool,
}

/// The blast-radius limit of a run (SPEC `--max-dropped`).
#[derive(Debug, Default)]
pub struct Blast {
    limit: Option<MaxDropped>,
    state: Mutex<Counts>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    changed: u64,
    read: u64,
    tripped: bool,
    /// The run's total was judged before.
    decided: bool,
}

impl Blast {
    /// Counts against `limit`; `None`: no limit.
    pub fn new(limit: Option<MaxDropped>) -> Self {
        Self { limit, state: Mutex::default() }
    }

    /// Whether a commit was refused for the run's total: nothing is committed after it.
    pub fn tripped(&self) -> bool {
        self.limit.is_some() && self.state.lock().unwrap_or_else(PoisonError::into_inner).tripped
    }

    /// A first pass has counted the whole run: all commits are refused, or none for the run's total.
    pub fn decide(&self, over: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.tripped, state.decided) = (over, true);
    }

    /// Counts `read` records of an artifact that is not changed.
    pub fn saw(&self, read: u64) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).read += read;
    }

    /// Asks for a commit of `changed` of `read` records; counts them if it is granted.
    pub fn ask(&self, changed: u64, read: u64) -> Result<()> {
        let Some(limit) = self.limit else { return Ok(()) };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.tripped {
            return Err(Error::new(Kind::Skipped, "max-dropped"));
        }
        if matches!(limit, MaxDropped::Percent(_)) && limit.exceeded(changed, read) {
            return Err(over());
        }
        let (all_changed, all_read) = (state.changed + changed, state.read + read);
        if !state.decided && changed > 0 && limit.exceeded(all_changed, all_read) {
            state.tripped = true;
            return Err(over());
        }
        (state.changed, state.read) = (all_changed, all_read);
        Ok(())
    }
}

fn over() -> Error {
    Error::new(Kind::Usage, "max-dropped")
}

/// Scrubs one artifact, or with `Mode::Scan` only reads it. Never panics, never ends the run.
pub fn scrub(task: &Task, run: &Run<'_>) -> Outcome {
    let started = Instant::now();
    let uri = store::uri(&(run.search.mask)(task.object.shown.as_os_str().as_bytes()));
    let work = Work { task, run, uri: &uri };
    let result = catch_unwind(AssertUnwindSafe(|| work.go()))
        .unwrap_or_else(|_| Err(Error::new(Kind::Io, "an internal error; please report it with the line on stderr")));
    let mut outcome = match result {
        Ok(outcome) => outcome,
        Err(error) => failed(uri, &error),
    };
    if outcome.line.identity.is_none() && !outcome.interrupted {
        outcome.line.identity = Some(identity(&task.object.identity));
    }
    outcome.line.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    outcome
}

fn failed(uri: String, error: &Error) -> Outcome {
    let status = match error.kind() {
        Kind::Unsupported => Status::Unsupported,
        Kind::Skipped | Kind::Locked => Status::Skipped,
        _ => Status::Failed,
    };
    Outcome {
        line: Artifact::new(uri, status, Some(error.reason())),
        hit: false,
        locked: error.kind() == Kind::Locked,
        interrupted: error.kind() == Kind::Interrupted,
    }
}

/// The manifest's identity of a version.
pub fn identity(of: &store::Identity) -> Identity {
    Identity { dev: of.dev, inode: of.ino, ctime: time(of.ctime).map_or_else(String::new, |t| t.to_string()) }
}

fn time(nanos: i128) -> Option<Timestamp> {
    Timestamp::from_nanosecond(nanos).ok()
}

/// One artifact being worked on.
struct Work<'w> {
    task: &'w Task,
    run: &'w Run<'w>,
    uri: &'w str,
}

impl Work<'_> {
    fn go(&self) -> Result<Outcome> {
        let run = self.run;
        if *run.mode != Mode::Scan && run.blast.tripped() {
            return Err(Error::new(Kind::Skipped, "max-dropped"));
        }
        let purpose = match run.mode {
            Mode::InPlace => Purpose::Replace { break_hardlinks: run.break_hardlinks },
            _ => Purpose::Read,
        };
        let original = self.run.disk.open(&self.task.object, purpose)?;
        let outcome = self.read(&original);
        // A layer's complaint may be about a writer: then that is the reason.
        match &outcome {
            Err(error) if !matches!(error.kind(), Kind::Interrupted | Kind::Skipped) => {
                original.check()?;
            }
            _ => {}
        }
        outcome
    }

    fn read(&self, original: &dyn Original) -> Result<Outcome> {
        let (run, object) = (self.run, &self.task.object);
        let relative = object.relative.as_os_str().as_bytes();
        let mtime = time(original.identity().mtime);
        let hashed = *run.mode != Mode::Scan;
        let mut sha = Sha256::new();
        let seen = verify::read(original, run.search, relative, mtime, &mut |bytes| {
            if hashed {
                sha.update(bytes);
            }
            run.progress.read(bytes.len() as u64);
        })?;
        original.check()?;
        #[cfg(debug_assertions)]
        test_panic(original);
        let mut line = Artifact::new(self.uri.to_owned(), Status::Clean, None);
        self.describe(&seen.tally, &mut line);
        line.notes = original.notes().iter().map(|note| note.text().to_owned()).collect();
        line.notes.extend(masked(&seen.tally));
        let hit = !seen.found.is_empty();
        if let Some((reason, holds)) = &seen.tally.unsupported {
            line.status = Status::Unsupported;
            line.reason = Some(if *holds { format!("{reason}: holds matches") } else { reason.clone() });
            return Ok(Outcome { line, hit: *holds, locked: false, interrupted: false });
        }
        if hit && !hashed {
            sha = Sha256::new();
            hash_all(original, &mut sha)?;
        }
        if hit || hashed {
            line.before = Some(Digest { bytes: original.len(), sha256: hex(&sha.finalize()) });
        }
        line.identity = Some(identity(&original.identity()));
        match run.mode {
            Mode::Scan => {
                if hit {
                    line.status = Status::WouldRewrite;
                }
            }
            Mode::InPlace if !hit => run.blast.saw(seen.tally.read),
            Mode::InPlace | Mode::Output(_) => self.commit(original, &seen, mtime, &mut line)?,
        }
        partial(&seen.tally, &mut line);
        Ok(Outcome { line, hit, locked: false, interrupted: false })
    }

    /// Copies the tally to the manifest's line.
    fn describe(&self, tally: &Tally, line: &mut Artifact) {
        let search = self.run.search;
        line.layers = tally.layers.iter().map(|name| (*name).to_owned()).collect();
        line.records = Some(Records { read: tally.read, dropped: tally.dropped, edited: tally.edited });
        for (subject, n) in &tally.subjects {
            if let Some(subject) = search.needles.subjects.get(*subject as usize) {
                *line.subjects.entry(subject.reference.clone()).or_default() += n;
            }
        }
        let mut own_name = NameHits::default();
        let path = self.task.object.shown.as_os_str().as_bytes();
        let named = search.mask_name(path, &mut own_name).is_some() || own_name.held;
        line.left = [("report", tally.left_report), ("held", tally.left_held), ("name", u64::from(named))]
            .into_iter()
            .filter(|(_, n)| *n > 0)
            .map(|(word, n)| (word.to_owned(), n))
            .collect::<BTreeMap<_, _>>();
        line.members = members(tally);
    }

    /// Lift, draft, verify, intent, swap.
    fn commit(
        &self,
        original: &dyn Original,
        seen: &verify::Seen,
        mtime: Option<Timestamp>,
        line: &mut Artifact,
    ) -> Result<()> {
        let (run, tally) = (self.run, &seen.tally);
        let changes = !seen.found.is_empty();
        if let Err(error) = run.blast.ask(tally.dropped + tally.edited, tally.read) {
            line.status = if error.kind() == Kind::Skipped { Status::Skipped } else { Status::Failed };
            line.reason = Some("max-dropped".to_owned());
            return Ok(());
        }
        let relative = self.task.object.relative.as_os_str().as_bytes();
        let patch = self.lift(original, seen, relative, mtime)?;
        let to = match &self.task.target {
            Some(target) => To::Mirror { target, overwrite: run.overwrite },
            None => To::InPlace,
        };
        let mut draft = original.draft(to, patch.len())?;
        let applied = draft.apply(&patch)?;
        if applied.bytes != patch.len() {
            return Err(Error::new(Kind::Verify, "the draft has not the length that was foretold"));
        }
        if changes {
            for search in run.second {
                verify::look(draft.blob(), search, relative, mtime, &seen.foretold)?;
            }
            line.verified = Some(run.verify.name().to_owned());
        }
        let after = Digest { bytes: applied.bytes, sha256: hex(&applied.sha256) };
        line.output = self.task.target.as_deref().map(|target| self.shown(target));
        let Some(before) = line.before.clone() else {
            return Err(Error::new(Kind::Verify, "the original was not hashed"));
        };
        if !changes && before != after {
            return Err(Error::new(Kind::Verify, "the copy is not the original"));
        }
        let intent = Intent {
            uri: self.uri.to_owned(),
            output: line.output.clone(),
            identity: Some(identity(&original.identity())),
            before,
            after: after.clone(),
        };
        if changes {
            let mut manifest = run.manifest.lock().unwrap_or_else(PoisonError::into_inner);
            manifest.append(&Line::Intent(intent), true)?;
        }
        let committed = draft.commit()?;
        line.status = if changes { Status::Rewritten } else { Status::Copied };
        line.after = Some(after);
        line.kept_bytes = Some(applied.kept);
        line.encoded_bytes = Some(applied.bytes - applied.kept);
        line.identity = Some(identity(&committed.identity));
        let notes = original.notes().into_iter().chain(committed.notes);
        line.notes = notes.map(|note| note.text().to_owned()).chain(masked(tally)).collect();
        Ok(())
    }

    fn lift(&self, blob: &dyn Blob, seen: &verify::Seen, relative: &[u8], mtime: Option<Timestamp>) -> Result<Patch> {
        let search = self.run.search;
        let mut pass = BlobPass::new(blob, search.space);
        if !seen.found.is_empty() {
            let mut cx = Cx::new(search, relative, mtime);
            seen.found.layer.lift(&seen.found, &mut pass, &mut cx)?;
        }
        Ok(pass.finish())
    }

    fn shown(&self, path: &Path) -> String {
        store::uri(&(self.run.search.mask)(path.as_os_str().as_bytes()))
    }
}

/// `partial`, if a member could not be read and was not accepted; it stands over `rewritten`, `copied` and `clean`.
fn partial(tally: &Tally, line: &mut Artifact) {
    let bad = || tally.members.iter().filter(|member| !member.accepted);
    let through = matches!(line.status, Status::Rewritten | Status::WouldRewrite | Status::Copied | Status::Clean);
    if !through || (bad().next().is_none() && !tally.more_bad) {
        return;
    }
    line.status = Status::Partial;
    line.reason = Some(
        if tally.more_hit || bad().any(|member| member.hit) { "holds matches" } else { "unsupported members" }
            .to_owned(),
    );
}

/// Names inside the artifact are no records: a note counts them.
fn masked(tally: &Tally) -> Option<String> {
    (tally.names > 0).then(|| format!("names masked: {}", tally.names))
}

fn members(tally: &Tally) -> Vec<Member> {
    let listed = tally.members.iter().map(|member| Member {
        name: member.name.clone(),
        status: Some(Status::Unsupported),
        reason: Some(match (member.hit, member.accepted) {
            (true, _) => format!("{}: holds matches", member.reason),
            (_, true) => format!("{}: accepted", member.reason),
            _ => member.reason.clone(),
        }),
        more: None,
    });
    let more = (tally.more_members > 0).then(|| Member {
        name: String::new(),
        status: None,
        reason: None,
        more: Some(tally.more_members),
    });
    listed.chain(more).collect()
}

fn hash_all(blob: &dyn Blob, sha: &mut Sha256) -> Result<()> {
    let (mut at, mut buf) = (0, vec![0; crate::limits::WINDOW]);
    while at < blob.len() {
        let n = blob.read_at(at, &mut buf).map_err(|e| Error::io("reading", &e))?;
        if n == 0 {
            return Err(Error::new(Kind::Io, "the file ended early"));
        }
        sha.update(buf.get(..n).unwrap_or_default());
        at += n as u64;
    }
    Ok(())
}

/// A panic with data in its message, for the test that nothing of it gets out (debug builds only).
#[cfg(debug_assertions)]
#[expect(clippy::panic, reason = "that is what it is for")]
fn test_panic(blob: &dyn Blob) {
    if std::env::var_os("UNWRITE_TEST_PANIC").is_some_and(|value| value == "artifact") {
        let mut head = [0; 4096];
        let n = blob.read_at(0, &mut head).unwrap_or(0);
        panic!("planted: {}", String::from_utf8_lossy(head.get(..n).unwrap_or_default()));
    }
}
