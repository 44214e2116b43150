//! ONE artifact, start to finish: open → find → lift → draft → verify → commit → its manifest line.
//!
//! Nothing here ends the run: every failure, and every panic of a layer, becomes the status and reason of this artifact, and
//! its original stands. The order of the last steps is promise P3: the result is complete and verified before the manifest's
//! `intent` is durable, the `intent` before the swap, the swap before the `artifact` line.

mod blast;
mod form;
mod hash;
mod replaced;
pub mod sums;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;

use crate::blob::Blob;
use crate::detect::beside::{Beside, Sum};
use crate::detect::told;
use crate::digest::{Sha256Of, sha256};
use crate::edit::Patch;
use crate::error::{Error, Kind, Result};
use crate::job::{Mode, Verify};
use crate::judge::pseudonym::hex;
use crate::layer::cx::NameHits;
use crate::layer::{BlobPass, Cx, Search, Tally};
use crate::manifest::writer::{self, Writer};
use crate::manifest::{
    Artifact, Digest, FileIdentity, Identity, Intent, Line, Member, ObjectIdentity, Records, Status,
};
use crate::progress::Progress;
use crate::since::{Known, Since};
use crate::store::{self, Object, Original, Place, Purpose, To};
use crate::stores::{Definitions, Stores};
use crate::verify;

pub use blast::Blast;
use hash::hash_all;

/// What all artifacts of a run share.
pub struct Run<'r> {
    /// How originals are searched.
    pub search: &'r Search<'r>,
    /// What earlier manifests vouch for (`--since`).
    pub since: Option<&'r Since>,
    /// How originals are searched that are vouched for: only for who is new. `None`: nobody is.
    pub fresh: Option<&'r Search<'r>>,
    /// How results are searched, each in turn; empty for `--verify none`.
    pub second: &'r [&'r Search<'r>],
    /// Where artifacts lie.
    pub stores: &'r Stores,
    /// Definitions of tables that lie beside their rows.
    pub tables: &'r Definitions<'r>,
    /// What happens to artifacts.
    pub mode: &'r Mode,
    /// How results are verified.
    pub verify: Verify,
    /// `--overwrite`.
    pub overwrite: bool,
    /// `--break-hardlinks`.
    pub break_hardlinks: bool,
    /// `--break-checksums`.
    pub break_checksums: bool,
    /// What was done to checksum files.
    pub sums: &'r sums::Ledger,
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
    pub target: Option<Place>,
    /// What stands beside it.
    pub beside: Option<Beside>,
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

/// Scrubs one artifact, or with `Mode::Scan` only reads it. Never panics, never ends the run.
pub fn scrub(task: &Task, run: &Run<'_>) -> Outcome {
    let started = Instant::now();
    let uri = task.object.uri(run.search.mask);
    let result = catch_unwind(AssertUnwindSafe(|| Work::new(task, run, &uri).go_on()))
        .unwrap_or_else(|_| Err(Error::new(Kind::Io, "an internal error; please report it with the line on stderr")));
    let mut outcome = match result {
        Ok(outcome) => outcome,
        Err(error) => failed(uri, &error),
    };
    if outcome.line.identity.is_none() && !outcome.interrupted {
        outcome.line.identity = Some(identity(&task.object.identity, run.search.mask));
    }
    outcome.line.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    outcome
}

/// The outcome of an artifact that came to `error`.
pub fn failed(uri: String, error: &Error) -> Outcome {
    Outcome {
        line: Artifact::new(uri, status(error), Some(error.reason())),
        hit: error.kind() == Kind::Found,
        locked: error.kind() == Kind::Locked,
        interrupted: error.kind() == Kind::Interrupted,
    }
}

fn status(error: &Error) -> Status {
    match error.kind() {
        Kind::Found => Status::WouldRewrite,
        Kind::Unsupported => Status::Unsupported,
        Kind::Skipped | Kind::Locked => Status::Skipped,
        Kind::Pending => Status::Pending,
        _ => Status::Failed,
    }
}

/// The manifest's identity of a version. What a bucket tells may hold an identifier, and is masked as names are.
pub fn identity(of: &store::Identity, mask: &dyn Fn(&[u8]) -> Vec<u8>) -> Identity {
    let text = |nanos| time(nanos).map_or_else(String::new, |t| t.to_string());
    let masked = |text: &String| String::from_utf8_lossy(&mask(text.as_bytes())).into_owned();
    match of {
        store::Identity::File(id) => Identity::File(FileIdentity {
            dev: id.dev,
            inode: id.ino,
            ctime: text(id.ctime),
            size: Some(id.size),
            mtime: time(id.mtime).map(|t| t.to_string()),
        }),
        store::Identity::Object(id) => Identity::Object(ObjectIdentity {
            etag: masked(&id.etag),
            version: id.version.as_ref().map(masked),
            size: id.size,
            mtime: text(id.modified),
        }),
    }
}

fn time(nanos: i128) -> Option<Timestamp> {
    Timestamp::from_nanosecond(nanos).ok()
}

/// One artifact being worked on.
struct Work<'w> {
    task: &'w Task,
    run: &'w Run<'w>,
    uri: &'w str,
    /// Its successor was begun.
    drafted: Cell<bool>,
}

impl<'w> Work<'w> {
    fn new(task: &'w Task, run: &'w Run<'w>, uri: &'w str) -> Self {
        Self { task, run, uri, drafted: Cell::new(false) }
    }

    /// A listing of a bucket may be old when its objects are read: what changed meanwhile, before anything was made of it, is read
    /// as it is now, once. And a request that a signal broke off is no failure of the artifact.
    fn go_on(&self) -> Result<Outcome> {
        let (run, object) = (self.run, &self.task.object);
        let outcome = self.go();
        match &outcome {
            Err(error) if object.path().is_none() && !self.drafted.get() => match error.kind() {
                // Listings do not tell of the archive tiers of Intelligent-Tiering.
                Kind::Pending if !object.archived && run.stores.restore(object)? => {
                    Err(Error::new(Kind::Pending, "archived: its restore was asked for"))
                }
                Kind::Io if run.search.interrupted.load(Ordering::Relaxed) => {
                    Err(Error::new(Kind::Interrupted, "interrupted"))
                }
                Kind::Skipped if error.reason() == "changed" && !object.old_version => {
                    let Some(object) = run.stores.anew(object)? else { return outcome };
                    let Task { target, beside, .. } = self.task;
                    let task = Task { object, target: target.clone(), beside: beside.clone() };
                    Work::new(&task, run, self.uri).go()
                }
                _ => outcome,
            },
            _ => outcome,
        }
    }

    fn go(&self) -> Result<Outcome> {
        let run = self.run;
        if !run.mode.is_dry() && run.blast.tripped() {
            return Err(Error::new(Kind::Skipped, "max-dropped"));
        }
        match &self.task.beside {
            // Checksum files in a bucket are not rewritten along.
            Some(Beside::Sums(_)) if run.break_checksums && self.task.object.path().is_some() => {}
            Some(Beside::Signed(_)) if run.break_checksums => {}
            Some(beside) => return Err(Error::unsupported(beside.reason())),
            None => {}
        }
        if let Some(line) = self.unchanged() {
            return Ok(Outcome { line, hit: false, locked: false, interrupted: false });
        }
        let purpose = match run.mode {
            Mode::InPlace => Purpose::Replace { break_hardlinks: run.break_hardlinks },
            _ => Purpose::Read,
        };
        let original = self.run.stores.open(&self.task.object, purpose)?;
        if let store::Identity::File(id) = original.identity() {
            settle_clock(id.ctime);
        }
        let outcome = self.read(&original);
        // A layer's complaint may be about a writer: then that is the reason.
        match &outcome {
            Err(error) if !matches!(error.kind(), Kind::Interrupted | Kind::Skipped | Kind::Found) => {
                original.check()?;
            }
            _ => {}
        }
        outcome
    }

    /// The line of an artifact that need not be read: it is vouched for, and nobody is new. A mirror needs its bytes.
    fn unchanged(&self) -> Option<Artifact> {
        let run = self.run;
        if run.since.is_none() || matches!(run.mode, Mode::Output(_)) {
            return None;
        }
        let found = run.stores.look(&self.task.object)?;
        let known = self.known(&found).filter(|known| known.nothing_new)?;
        // A checksum that was written to since may be what a crash left.
        if !self.sums().iter().all(|sum| self.is_known(sum)) {
            return None;
        }
        let mut line = Artifact::new(self.uri.to_owned(), Status::Unchanged, None);
        line.since = Some(known.run_id.to_owned());
        line.before = known.sha256.map(|sha256| Digest { bytes: found.size(), sha256 });
        line.identity = Some(identity(&found, run.search.mask));
        line.left = self.named().map(|n| ("name".to_owned(), n)).into_iter().collect();
        Some(line)
    }

    /// What an earlier manifest says of this version of the artifact.
    fn known(&self, found: &store::Identity) -> Option<Known<'_>> {
        // Of rows by themselves it does not say by which tables they were read.
        let since = self.run.since.filter(|_| matches!(self.run.tables.of(&self.task.object.place), Ok(None)))?;
        since.known(&identity(found, self.run.search.mask), self.uri, &self.run.search.mask)
    }

    /// Whether an earlier manifest vouches for this version of a checksum file, too.
    fn is_known(&self, sum: &Sum) -> bool {
        let run = self.run;
        let Ok(object) = sums::object(sum, &self.task.object) else { return false };
        let uri = object.uri(run.search.mask);
        run.since.is_some_and(|since| {
            since.known(&identity(&object.identity, run.search.mask), &uri, &run.search.mask).is_some()
        })
    }

    fn read(&self, original: &dyn Original) -> Result<Outcome> {
        let (run, object) = (self.run, &self.task.object);
        let known = self.known(&original.identity());
        let (search, since) = match known.zip(run.fresh) {
            Some((known, fresh)) => (fresh, Some(known.run_id.to_owned())),
            None => (run.search, None),
        };
        let tables = run.tables.of(&object.place)?;
        told::with(search, tables.as_deref(), |search| self.judged(original, search, since))
    }

    /// As [`Self::read`], with the search that is right for it; `since`: the run that vouches for it.
    fn judged(&self, original: &dyn Original, search: &Search<'_>, since: Option<String>) -> Result<Outcome> {
        let (run, object) = (self.run, &self.task.object);
        let relative = object.relative.as_os_str().as_bytes();
        let mtime = time(original.identity().mtime());
        // An object is not received once more for the digest of a hit.
        let hashed = !run.mode.is_dry() || (*run.mode == Mode::Scan && object.path().is_none());
        let read = |sha: Option<&mut Sha256Of<'_>>| {
            let mut sha = sha;
            verify::read(original, search, relative, mtime, &mut |bytes| {
                if let Some(sha) = &mut sha {
                    sha.update(bytes);
                }
                run.progress.read(bytes.len() as u64);
            })
        };
        let (seen, sha) =
            if hashed { sha256(search.crew, original.len(), |sha| read(Some(sha))) } else { (read(None), [0; 32]) };
        let (seen, mut sha) = (seen?, sha);
        original.check()?;
        #[cfg(debug_assertions)]
        test_panic(original);
        let mut line = Artifact::new(self.uri.to_owned(), Status::Clean, None);
        self.describe(&seen.tally, search, &mut line);
        form::tell(original.form(), &mut line);
        line.since = since;
        line.notes = original.notes().iter().map(|note| note.text().to_owned()).collect();
        line.notes.extend(masked(&seen.tally));
        let hit = !seen.found.is_empty();
        if let Some((reason, holds)) = &seen.tally.unsupported {
            line.status = Status::Unsupported;
            line.reason = Some(if *holds { format!("{reason}: holds matches") } else { reason.clone() });
            return Ok(Outcome { line, hit: *holds, locked: false, interrupted: false });
        }
        if hit && !hashed {
            sha = hash_all(original, search.crew)?;
        }
        if hit || !run.mode.is_dry() {
            line.before = Some(Digest { bytes: original.len(), sha256: hex(&sha) });
        }
        line.identity = Some(identity(&original.identity(), run.search.mask));
        if hit && self.sums().iter().any(|sum| sum.summed) {
            return Err(Error::unsupported("checksum of its checksum file"));
        }
        if !hit && !self.sums().is_empty() {
            sums::check(self.sums(), self.own_name(), original, run)?;
        }
        match run.mode {
            Mode::Scan | Mode::Gate | Mode::Filter => {
                if hit {
                    line.status = Status::WouldRewrite;
                }
            }
            Mode::InPlace if !hit => run.blast.saw(seen.tally.read),
            Mode::InPlace | Mode::Output(_) => {
                let done = self.commit(original, &seen, search, mtime, &mut line);
                done.or_else(|error| self.unsure(error, &mut line))?;
            }
        }
        partial(&seen.tally, &mut line);
        Ok(Outcome { line, hit, locked: false, interrupted: false })
    }

    /// Copies the tally to the manifest's line.
    fn describe(&self, tally: &Tally, search: &Search<'_>, line: &mut Artifact) {
        tell(tally, search, line);
        if let Some(n) = self.named() {
            *line.left.entry("name".to_owned()).or_default() += n;
        }
    }

    /// 1 if somebody is named in the artifact's own path.
    fn named(&self) -> Option<u64> {
        let mut own_name = NameHits::default();
        let path = self.task.object.shown.as_os_str().as_bytes();
        let named = self.run.search.mask_name(path, &mut own_name).is_some() || own_name.held;
        named.then_some(1)
    }

    /// Lift, draft, verify, intent, swap. `search` is the one that `seen` was seen with.
    fn commit(
        &self,
        original: &dyn Original,
        seen: &verify::Seen,
        search: &Search<'_>,
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
        let patch = self.lift(original, seen, search, mtime)?;
        let to = match &self.task.target {
            Some(target) => to(target, run.overwrite),
            None => To::InPlace,
        };
        self.drafted.set(true);
        let mut draft = original.draft(to, patch.len())?;
        let applied = draft.apply(&patch)?;
        if applied.bytes != patch.len() {
            return Err(Error::new(Kind::Verify, "the draft has not the length that was foretold"));
        }
        if changes {
            // For everybody, also where only who is new was looked for: what was relied on is proved again.
            for second in run.second {
                let second = Search { detect: search.detect, ..**second };
                verify::look(draft.blob(), &second, relative, mtime, &seen.foretold)?;
            }
            line.verified = Some(run.verify.name().to_owned());
        }
        line.output = self.task.target.as_ref().map(|target| store::masked_uri(&target.shown(), run.search.mask));
        let Some(before) = line.before.clone() else {
            return Err(Error::new(Kind::Verify, "the original was not hashed"));
        };
        let sha256 = match applied.sha256 {
            Some(sha256) => hex(&sha256),
            // Bytes that are copied where they lie are not read here again.
            None if !changes => before.sha256.clone(),
            None => hex(&draft.sha256()?),
        };
        let after = Digest { bytes: applied.bytes, sha256 };
        if !changes && before != after {
            return Err(Error::new(Kind::Verify, "the copy is not the original"));
        }
        let intent = Intent {
            uri: self.uri.to_owned(),
            output: line.output.clone(),
            identity: Some(identity(&original.identity(), run.search.mask)),
            before,
            after: after.clone(),
        };
        if changes {
            writer::append_durably(run.manifest, &Line::Intent(intent))?;
        }
        let committed = if changes { self.with_sums(original, draft, line)? } else { draft.commit()? };
        line.status = if changes { Status::Rewritten } else { Status::Copied };
        if !committed.already {
            self.count_versions(line);
        }
        line.after = Some(after);
        line.kept_bytes = Some(applied.kept);
        line.encoded_bytes = Some(applied.bytes - applied.kept);
        line.identity = Some(identity(&committed.identity, run.search.mask));
        let broken = std::mem::take(&mut line.notes);
        let notes = original.notes().into_iter().chain(committed.notes);
        line.notes = notes.map(|note| note.text().to_owned()).chain(masked(tally)).collect();
        line.notes.extend(broken);
        Ok(())
    }

    /// Checksum files of the artifact.
    fn sums(&self) -> &[Sum] {
        match &self.task.beside {
            Some(Beside::Sums(sums)) => sums,
            _ => &[],
        }
    }

    fn own_name(&self) -> &std::ffi::OsStr {
        self.task.object.path().and_then(Path::file_name).unwrap_or_default()
    }

    /// Commits the draft, and what holds its checksum; `line` gets notes of these only.
    fn with_sums(
        &self,
        original: &dyn Original,
        draft: Box<dyn store::Draft + '_>,
        line: &mut Artifact,
    ) -> Result<store::Committed> {
        let (run, object, own) = (self.run, &self.task.object, self.sums());
        line.notes = Vec::new();
        if let Some(Beside::Signed(_)) = self.task.beside {
            line.notes.push("CloudTrail's digest of it is signed and fits no more".to_owned());
        }
        if own.is_empty() {
            return draft.commit();
        }
        line.notes.push(format!("its checksum changes in files beside it: {}", own.len()));
        if self.task.target.is_some() {
            sums::remember(own, object, original, draft.blob(), run)?;
            return draft.commit();
        }
        let done = sums::update(own, object, original, draft.blob(), run)?;
        draft.commit().or_else(|error| sums::undo(done, object, run).and(Err(error)))
    }

    fn lift(
        &self,
        blob: &dyn Blob,
        seen: &verify::Seen,
        search: &Search<'_>,
        mtime: Option<Timestamp>,
    ) -> Result<Patch> {
        let relative = self.task.object.relative.as_os_str().as_bytes();
        let mut pass = BlobPass::new(blob, search.space);
        if !seen.found.is_empty() {
            let mut cx = Cx::new(search, relative, mtime);
            seen.found.layer.lift(&seen.found, &mut pass, &mut cx)?;
        }
        Ok(pass.finish())
    }
}

/// The way to a mirror's `target`.
pub fn to(target: &Place, overwrite: bool) -> To<'_> {
    match target {
        Place::Path(target) => To::Mirror { target, overwrite },
        Place::S3(target) => To::Object { target, overwrite },
    }
}

/// Waits until a change of a file would get another time than its last one, `ctime` in nanoseconds since the epoch. File systems
/// tell time by the tick (at most 10 ms), some by the second or two: without the wait a file that was made just now could be
/// changed while it is read, or right after, and look the same to this run and to `--since`.
fn settle_clock(ctime: i128) {
    const TICK: Duration = Duration::from_millis(20);
    const SECONDS: Duration = Duration::from_millis(2020);
    let tick = if ctime % 1_000_000_000 == 0 { SECONDS } else { TICK };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let age = u64::try_from(now.as_nanos() as i128 - ctime).map(Duration::from_nanos);
    if let Ok(age) = age
        && age < tick
    {
        std::thread::sleep(tick.saturating_sub(age));
    }
}

/// Copies what was counted to the manifest's line.
pub fn tell(tally: &Tally, search: &Search<'_>, line: &mut Artifact) {
    line.layers = tally.layers.iter().map(|name| (*name).to_owned()).collect();
    line.records = Some(Records { read: tally.read, dropped: tally.dropped, edited: tally.edited });
    line.tables.clone_from(&tally.tables.0);
    for (subject, n) in &tally.subjects {
        if let Some(subject) = search.needles.subject(*subject) {
            *line.subjects.entry(subject.reference.to_owned()).or_default() += n;
        }
    }
    line.left = [("report", tally.left_report), ("held", tally.left_held), ("name", tally.left_name)]
        .into_iter()
        .filter(|(_, n)| *n > 0)
        .map(|(word, n)| (word.to_owned(), n))
        .collect::<BTreeMap<_, _>>();
    line.members = members(tally);
}

/// `partial`, if a member could not be read and was not accepted; it stands over `rewritten`, `copied` and `clean`.
pub fn partial(tally: &Tally, line: &mut Artifact) {
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
pub fn masked(tally: &Tally) -> Option<String> {
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
