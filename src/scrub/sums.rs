//! Checksums that stand beside an artifact, rewritten along with it (`--break-checksums`).
//!
//! In place the order of steps is: the artifact's draft is complete and verified, its `intent` durable; the checksum files
//! are exchanged, each by a draft and an `intent` of its own; then the artifact. What a crash leaves in between is an original under
//! a checksum that is not its own: `sha256sum -c` says so, and the next run finds the same artifact to be rewritten, the checksum
//! of its result already there, and finishes. A checksum that is neither that of the original nor that of the result is nobody's
//! that we know: the artifact fails and nothing is touched, whether there is something to rewrite or not. If the artifact's own
//! exchange fails, the checksums are taken back.
//!
//! In a mirror a checksum file is written in its own turn, after the files that it is about, with the digests of their results.
//! A checksum file that is in another list changes that one, in its turn too: lists that are listed come before the others.
//!
//! A checksum file is read as a whole, at most [`MAX_BYTES`]; one at a time is rewritten. A list is rewritten once for each of its
//! files that changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use md5::Md5;
use sha1::Sha1;
use sha2::digest::DynDigest;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::{Outcome, Run, Task, identity};
use crate::blob::{Blob, FileBlob, TempSpace};
use crate::detect::beside::sums::{MAX_BYTES, entries};
use crate::detect::beside::{Beside, Sum};
use crate::edit::{EditList, Patch};
use crate::error::{Error, Kind, Result};
use crate::job::Verify;
use crate::judge::pseudonym::hex;
use crate::layer::{BlobPass, pass};
use crate::manifest::writer;
use crate::manifest::{Artifact, Digest, Identity, Intent, Line, Status};
use crate::span::Span;
use crate::store::{self, Object, Original, Place, Purpose, To};
use crate::verify;

/// Hex digits of every digest that is known.
const LENGTHS: [usize; 6] = [32, 40, 56, 64, 96, 128];

/// Digests of one blob in lower-case hex, by the number of their digits, which tells the algorithm.
type Digests = BTreeMap<usize, String>;

/// What becomes of the digests of one file.
#[derive(Debug, Clone)]
pub struct Change {
    /// The file's name in a list; `None` in a sidecar.
    listed: Option<Vec<u8>>,
    /// The file's own name.
    own: Vec<u8>,
    old: Digests,
    new: Digests,
}

/// What this run did to checksum files, until their own line is written.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<HashMap<PathBuf, Updated>>);

#[derive(Debug, Default)]
struct Updated {
    /// As it is shown.
    uri: String,
    /// In place: before the first rewriting, after the last, and which file it is now.
    now: Option<(Digest, Digest, Identity)>,
    files: u64,
    /// In place: its digests before the first rewriting, for the lists that have it.
    old: Digests,
    /// For a mirror: what is to be changed in it.
    changes: Vec<Change>,
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Updated>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lines of the checksum files that were rewritten in place and had no turn of their own: they lie outside of what was
    /// asked for, or were filtered out.
    pub fn rest(&self) -> Vec<Artifact> {
        let mut rest: Vec<_> = self.lock().drain().filter_map(|(_, updated)| updated.line()).collect();
        rest.sort_by(|a, b| a.uri.cmp(&b.uri));
        rest
    }
}

impl Updated {
    fn line(self) -> Option<Artifact> {
        let (before, after, identity) = self.now?;
        let mut line = Artifact::new(self.uri, Status::Rewritten, None);
        (line.before, line.after, line.identity) = (Some(before), Some(after), Some(identity));
        line.notes = vec![note(self.files)];
        Some(line)
    }
}

fn note(files: u64) -> String {
    format!("checksums rewritten: {files}")
}

/// Fails unless each of `sums` has the digest of `blob`.
pub fn check(sums: &[Sum], own: &OsStr, blob: &dyn Blob, run: &Run<'_>) -> Result<()> {
    let _one = run.sums.lock();
    let texts: Vec<Vec<u8>> = sums.iter().map(|sum| read(sum, run)).collect::<Result<_>>()?;
    let digests = digests(blob, &wanted(sums, &texts, own)?)?;
    for (sum, text) in sums.iter().zip(&texts) {
        let change = Change::new(sum, own, digests.clone(), digests.clone());
        change.places(text)?;
    }
    Ok(())
}

/// Exchanges the checksums of `original` in place for those of `result`; returns what takes it back.
pub fn update(
    sums: &[Sum],
    object: &Object,
    original: &dyn Blob,
    result: &dyn Blob,
    run: &Run<'_>,
) -> Result<Vec<(Sum, Change)>> {
    let own = object.relative.file_name().unwrap_or_default();
    let mut ledger = run.sums.lock();
    let texts: Vec<Vec<u8>> = sums.iter().map(|sum| read(sum, run)).collect::<Result<_>>()?;
    let wanted = wanted(sums, &texts, own)?;
    let (old, new) = (digests(original, &wanted)?, digests(result, &wanted)?);
    let changes: Vec<_> =
        sums.iter().map(|sum| (sum.clone(), Change::new(sum, own, old.clone(), new.clone()))).collect();
    // All are looked at before one is touched.
    for ((_, change), text) in changes.iter().zip(&texts) {
        change.places(text)?;
    }
    let mut done = Vec::new();
    for (sum, change) in changes {
        match rewrite(&sum, &change, object, run, &mut ledger) {
            Ok(()) => done.push((sum, change)),
            Err(error) => {
                take_back(done, object, run, &mut ledger)?;
                return Err(error);
            }
        }
    }
    Ok(done)
}

/// Gives the checksums of the original back, after its exchange failed.
pub fn undo(done: Vec<(Sum, Change)>, object: &Object, run: &Run<'_>) -> Result<()> {
    take_back(done, object, run, &mut run.sums.lock())
}

/// In a mirror: notes what the checksum files must say, for their own turn.
pub fn remember(sums: &[Sum], object: &Object, original: &dyn Blob, result: &dyn Blob, run: &Run<'_>) -> Result<()> {
    let own = object.relative.file_name().unwrap_or_default();
    let mut ledger = run.sums.lock();
    let texts: Vec<Vec<u8>> = sums.iter().map(|sum| read(sum, run)).collect::<Result<_>>()?;
    let wanted = wanted(sums, &texts, own)?;
    let (old, new) = (digests(original, &wanted)?, digests(result, &wanted)?);
    for (sum, text) in sums.iter().zip(&texts) {
        let change = Change::new(sum, own, old.clone(), new.clone());
        change.places(text)?;
        ledger.entry(sum.path.clone()).or_default().changes.push(change);
    }
    Ok(())
}

fn take_back(
    done: Vec<(Sum, Change)>,
    object: &Object,
    run: &Run<'_>,
    ledger: &mut HashMap<PathBuf, Updated>,
) -> Result<()> {
    for (sum, Change { listed, own, old, new }) in done {
        let back = Change { listed, own, old: new, new: old };
        rewrite(&sum, &back, object, run, ledger)
            .map_err(|_| Error::new(Kind::Io, "not rewritten, and its checksum beside it could not be taken back"))?;
    }
    Ok(())
}

impl Change {
    fn new(sum: &Sum, own: &OsStr, old: Digests, new: Digests) -> Self {
        Self { listed: sum.listed.clone(), own: own.as_bytes().to_vec(), old, new }
    }

    /// What must be written over which places of a checksum file. Fails where neither the old nor the new digest stands.
    fn places(&self, text: &[u8]) -> Result<Vec<(Span, String)>> {
        let mut edits = Vec::new();
        for place in entries(text, self.listed.as_deref(), &self.own)? {
            let there = String::from_utf8_lossy(text.get(place.clone()).unwrap_or_default()).into_owned();
            let digest = |digests: &Digests| digests.get(&there.len()).cloned().unwrap_or_default();
            let (old, new) = (digest(&self.old), digest(&self.new));
            let lower = there.to_ascii_lowercase();
            if lower == old && old != new {
                let upper = there.bytes().any(|b| b.is_ascii_uppercase());
                let new = if upper { new.to_ascii_uppercase() } else { new };
                edits.push((Span { start: place.start as u64, end: place.end as u64 }, new));
            } else if lower != new {
                return Err(Error::new(Kind::Damaged, "the checksum beside it is not that of the file")
                    .help("make it anew, if the file is as it should be"));
            }
        }
        Ok(edits)
    }
}

/// Rewrites one checksum file in place.
fn rewrite(
    sum: &Sum,
    change: &Change,
    object: &Object,
    run: &Run<'_>,
    ledger: &mut HashMap<PathBuf, Updated>,
) -> Result<()> {
    let found = self::object(sum, object)?;
    let original = run.stores.open(&found, Purpose::Replace { break_hardlinks: run.break_hardlinks })?;
    let text = text(&original)?;
    let edits = change.places(&text)?;
    if edits.is_empty() {
        return Ok(());
    }
    let patch = patch(&original, &edits, run.search.space)?;
    let mut draft = original.draft(To::InPlace, patch.len())?;
    let applied = draft.apply(&patch)?;
    prove(&text, &edits, draft.blob())?;
    let uri = found.uri(run.search.mask);
    let before = Digest { bytes: original.len(), sha256: hex(&store::digest(&original)?) };
    let after = Digest { bytes: applied.bytes, sha256: hex(&draft.sha256()?) };
    let intent = Intent {
        uri: uri.clone(),
        output: None,
        identity: Some(identity(&original.identity(), run.search.mask)),
        before: before.clone(),
        after: after.clone(),
    };
    writer::append_durably(run.manifest, &Line::Intent(intent))?;
    let committed = draft.commit()?;
    let entry = ledger.entry(sum.path.clone()).or_default();
    if entry.now.is_none() {
        entry.old = digests(&text, &LENGTHS.into())?;
    }
    let first = entry.now.take().map_or(before, |(first, ..)| first);
    entry.now = Some((first, after, identity(&committed.identity, run.search.mask)));
    (entry.uri, entry.files) = (uri, entry.files + 1);
    Ok(())
}

/// The turn of a checksum file: what this run wrote into it belongs to its line, and what it must say is written into the mirror.
pub fn turn(task: &Task, run: &Run<'_>) -> Outcome {
    let updated = run.stores.disk().real_path(&task.object).and_then(|path| run.sums.lock().remove(&path));
    let Some(updated) = updated else { return super::scrub(task, run) };
    if let (Some(target), false) = (task.target.as_ref(), updated.changes.is_empty()) {
        let uri = task.object.uri(run.search.mask);
        return write(task, target, &uri, &updated.changes, run).unwrap_or_else(|error| super::failed(uri, &error));
    }
    if let Err(error) = above(task, &updated, run) {
        let uri = task.object.uri(run.search.mask);
        return super::failed(uri, &error);
    }
    let mut outcome = super::scrub(task, run);
    let line = &mut outcome.line;
    if let Some((before, after, _)) = updated.now {
        if line.status == Status::Clean {
            line.status = Status::Rewritten;
            line.after = Some(after);
            // Compared with what was meant before the exchange, and searched just now.
            line.verified = Some(Verify::Full.name().to_owned());
        }
        line.before = Some(before);
        line.notes.push(note(updated.files));
    }
    outcome
}

/// The checksum files that have the one of `task` (a bag's tag manifest), but for itself.
fn lists_of(task: &Task, run: &Run<'_>) -> Vec<Sum> {
    let Some(Beside::Sums(own)) = &task.beside else { return Vec::new() };
    let itself = run.stores.disk().real_path(&task.object);
    own.iter().filter(|sum| Some(&sum.path) != itself.as_ref()).cloned().collect()
}

/// In place: what was rewritten has a checksum itself, which is exchanged now.
fn above(task: &Task, updated: &Updated, run: &Run<'_>) -> Result<()> {
    let own = lists_of(task, run);
    if own.is_empty() || updated.now.is_none() {
        return Ok(());
    }
    let path = run
        .stores
        .disk()
        .real_path(&task.object)
        .or_else(|| task.object.path().map(Path::to_owned))
        .unwrap_or_default();
    let new = digests(&open(&path, run)?, &LENGTHS.into())?;
    let (name, mut ledger) = (task.object.relative.file_name().unwrap_or_default(), run.sums.lock());
    own.iter().try_for_each(|sum| {
        let change = Change::new(sum, name, updated.old.clone(), new.clone());
        rewrite(sum, &change, &task.object, run, &mut ledger)
    })
}

fn write(task: &Task, target: &Place, uri: &str, changes: &[Change], run: &Run<'_>) -> Result<Outcome> {
    let object = &task.object;
    let original = run.stores.open(object, Purpose::Read)?;
    let relative = object.relative.as_os_str().as_bytes();
    let seen = verify::read(&original, run.search, relative, None, &mut |_| {})?;
    if !seen.found.is_empty() || seen.tally.unsupported.is_some() {
        return Err(Error::new(Kind::Damaged, "somebody is named in it, and checksums in it change"));
    }
    let text = text(&original)?;
    let mut edits: Vec<(Span, String)> = Vec::new();
    for change in changes {
        edits.extend(change.places(&text)?);
    }
    edits.sort_by_key(|(span, _)| span.start);
    edits.dedup();
    let patch = patch(&original, &edits, run.search.space)?;
    let mut draft = original.draft(super::to(target, run.overwrite), patch.len())?;
    let applied = draft.apply(&patch)?;
    prove(&text, &edits, draft.blob())?;
    remember(&lists_of(task, run), object, &original, draft.blob(), run)?;
    let mut line = Artifact::new(uri.to_owned(), Status::Rewritten, None);
    line.output = Some(store::masked_uri(&target.shown(), run.search.mask));
    let before = Digest { bytes: original.len(), sha256: hex(&store::digest(&original)?) };
    let after = Digest { bytes: applied.bytes, sha256: hex(&draft.sha256()?) };
    let intent = Intent {
        uri: uri.to_owned(),
        output: line.output.clone(),
        identity: Some(identity(&original.identity(), run.search.mask)),
        before: before.clone(),
        after: after.clone(),
    };
    writer::append_durably(run.manifest, &Line::Intent(intent))?;
    let committed = draft.commit()?;
    (line.before, line.after) = (Some(before), Some(after));
    line.identity = Some(identity(&committed.identity, run.search.mask));
    line.notes = vec![note(changes.len() as u64)];
    Ok(Outcome { line, hit: false, locked: false, interrupted: false })
}

fn patch(original: &dyn Blob, edits: &[(Span, String)], space: &std::sync::Arc<TempSpace>) -> Result<Patch> {
    let mut list = EditList::new(space);
    for (span, hex) in edits {
        list.push(*span, hex.as_bytes())?;
    }
    let mut made = BlobPass::new(original, space);
    pass::apply(&list, &mut made)?;
    Ok(made.finish())
}

/// The second look: the draft is the text with these digits and nothing else.
fn prove(text: &[u8], edits: &[(Span, String)], draft: &dyn Blob) -> Result<()> {
    let mut want = text.to_vec();
    for (span, hex) in edits {
        let place = want.get_mut(span.start as usize..span.end as usize).filter(|place| place.len() == hex.len());
        place.ok_or_else(|| Error::new(Kind::Verify, "a checksum has another length"))?.copy_from_slice(hex.as_bytes());
    }
    if self::text(draft)? == want {
        Ok(())
    } else {
        Err(Error::new(Kind::Verify, "the checksum file is not what was meant"))
    }
}

fn read(sum: &Sum, run: &Run<'_>) -> Result<Vec<u8>> {
    text(&open(&sum.path, run)?)
}

fn open(path: &Path, run: &Run<'_>) -> Result<FileBlob> {
    Ok(FileBlob::open(path)?.paced(Some(run.search.space.pace())))
}

/// All bytes of a checksum file.
fn text(blob: &dyn Blob) -> Result<Vec<u8>> {
    if blob.len() > MAX_BYTES {
        return Err(Error::limit(format!("a checksum file of more than {MAX_BYTES} bytes")));
    }
    let mut text = vec![0; blob.len() as usize];
    let mut at = 0;
    while let Some(rest) = text.get_mut(at..).filter(|rest| !rest.is_empty()) {
        match blob.read_at(at as u64, rest).map_err(|e| Error::io("reading checksums", &e))? {
            0 => return Err(Error::new(Kind::Io, "a checksum file ended early")),
            n => at += n,
        }
    }
    Ok(text)
}

/// Lengths of the digests that the checksum files have of one file.
fn wanted(sums: &[Sum], texts: &[Vec<u8>], own: &OsStr) -> Result<BTreeSet<usize>> {
    let mut wanted = BTreeSet::new();
    for (sum, text) in sums.iter().zip(texts) {
        wanted.extend(entries(text, sum.listed.as_deref(), own.as_bytes())?.into_iter().map(|place| place.len()));
    }
    Ok(wanted)
}

/// Digests of all bytes of `blob`, in one reading.
fn digests(blob: &dyn Blob, wanted: &BTreeSet<usize>) -> Result<Digests> {
    let mut all: Vec<(usize, Box<dyn DynDigest>)> = Vec::new();
    for digits in wanted {
        let digest: Box<dyn DynDigest> = match digits {
            32 => Box::new(Md5::default()),
            40 => Box::new(Sha1::default()),
            56 => Box::new(Sha224::default()),
            64 => Box::new(Sha256::default()),
            96 => Box::new(Sha384::default()),
            _ => Box::new(Sha512::default()),
        };
        all.push((*digits, digest));
    }
    let (mut at, mut buf) = (0, vec![0; crate::limits::WINDOW]);
    while at < blob.len() {
        let n = blob.read_at(at, &mut buf).map_err(|e| Error::io("reading", &e))?;
        if n == 0 {
            return Err(Error::new(Kind::Io, "the file ended early"));
        }
        for (_, digest) in &mut all {
            digest.update(buf.get(..n).unwrap_or_default());
        }
        at += n as u64;
    }
    Ok(all.into_iter().map(|(digits, digest)| (digits, hex(&digest.finalize()))).collect())
}

/// The checksum file, shown as the artifact that it stands beside is.
pub fn object(sum: &Sum, artifact: &Object) -> Result<Object> {
    let name = sum.path.file_name().unwrap_or_default();
    let folder = artifact.shown.ancestors().nth(sum.above + 1).unwrap_or(Path::new(""));
    let meta = std::fs::symlink_metadata(&sum.path).map_err(|e| Error::io("looking at a checksum file", &e))?;
    if !meta.is_file() {
        return Err(Error::new(Kind::Io, "the checksum beside it is no regular file"));
    }
    Ok(Object {
        source: artifact.source,
        place: Place::Path(sum.path.clone()),
        shown: folder.join(name),
        relative: PathBuf::from(name),
        identity: store::Identity::File(store::FileId::of(&meta)),
        links: std::os::unix::fs::MetadataExt::nlink(&meta),
        archived: false,
        class: None,
        old_version: false,
    })
}
