//! The `verify` verb: a manifest is intact, artifacts are what it says, and nobody of a registry is left in them.
//!
//! The manifest is read twice: first its chain, roots and intents are checked and the last run of each URI is noted (32 bytes
//! a URI); then each artifact line of that run is looked up on disk, hashed, and with a registry searched again, as of its
//! run's `as_of` and `seq`. Several artifacts may share a masked URI: each line goes to a file of its own, found by its
//! identity or its digest among those whose names differ from the masked one under `*` only.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use xxhash_rust::xxh3::xxh3_128;

use super::{Seen, read, remote};
use crate::detect::beside::tab::Tabs;
use crate::detect::told;
use crate::error::{Error, Kind, Result};
use crate::judge::pseudonym::hex;
use crate::layer::{Search, Tally};
use crate::manifest::reader::Reader;
use crate::manifest::root::Root;
use crate::manifest::settle::{self, Stands};
use crate::manifest::{Artifact, Digest, Identity, Intent, Line, Run, Status, Summary, SummaryRecords};
use crate::pace::Pace;
use crate::store;
use crate::store::disk::{Disk, Whole};
use crate::store::s3::SCHEME;
use crate::stores::Stores;

/// URI of a stream that went from stdin to stdout.
pub const STREAM: &str = "stdin:";
/// Modes in which nothing was changed.
pub(super) const DRY: [&str; 2] = ["scan", "gate"];

/// Masks the identifiers in a path's bytes.
pub type Mask<'m> = dyn Fn(&[u8]) -> Vec<u8> + 'm;

/// What is wrong with an artifact or the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// The manifest is not what was written.
    Tampered,
    /// The run never ended, or an intent is open.
    Incomplete,
    /// The artifact is not the bytes that the manifest says.
    Changed,
    /// Somebody of the registry is left in it.
    Survivor,
    /// It could not be read again.
    Unreadable,
}

impl Wrong {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Wrong::Tampered => "tampered",
            Wrong::Incomplete => "incomplete",
            Wrong::Changed => "changed",
            Wrong::Survivor => "survivor",
            Wrong::Unreadable => "unreadable",
        }
    }
}

/// One complaint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Kind.
    pub wrong: Wrong,
    /// Masked URI, or empty for the manifest itself.
    pub uri: String,
    /// In words.
    pub what: String,
}

/// What an audit came to.
#[derive(Debug, Default)]
pub struct Audit {
    /// Lines read.
    pub lines: u64,
    /// Artifacts whose digest was compared.
    pub compared: u64,
    /// Artifacts that were searched again.
    pub searched: u64,
    /// Artifacts that a run had left failed, partial, unsupported or skipped.
    pub attention: u64,
    /// Intents that were open.
    pub open: Vec<Intent>,
    /// Digest of the last line, and offset after it: where settling lines go.
    pub end: (String, u64),
    /// The manifest ends in a torn line.
    pub torn: bool,
    /// What is wrong.
    pub complaints: Vec<Complaint>,
    /// Definitions of tables that lie beside their rows.
    tabs: Tabs,
    /// The pace at which files are read.
    pub pace: Option<Arc<dyn Pace>>,
    /// Where objects are read; `None`: what is in a bucket cannot be.
    pub stores: Option<Stores>,
    /// URIs of objects of which old versions may be left: no later line says that they were deleted.
    owed: HashSet<String>,
    /// Files that lines of the current run with masked URIs were found to mean, and that run.
    pub(super) taken: (String, HashSet<PathBuf>),
}

impl Audit {
    pub(super) fn complain(&mut self, wrong: Wrong, uri: &str, what: impl Into<String>) {
        self.complaints.push(Complaint { wrong, uri: uri.to_owned(), what: what.into() });
    }

    /// Whether the manifest is not what was written.
    pub fn tampered(&self) -> bool {
        self.complaints.iter().any(|complaint| complaint.wrong == Wrong::Tampered)
    }

    /// Whether exit 1 follows.
    pub fn bad(&self) -> bool {
        self.complaints.iter().any(|complaint| complaint.wrong != Wrong::Unreadable)
    }
}

/// First reading: chain, roots, intents; which run listed each URI last, and which runs there were.
pub struct Index {
    /// By the hash of a URI, the number of a run, from 1. Lines that settle belong to the run before them.
    last: HashMap<u128, usize>,
    runs: Vec<Began>,
    /// The last run.
    pub run: Option<Box<Run>>,
}

/// A run of the manifest.
struct Began {
    id: String,
    sources: Vec<String>,
    ended: bool,
}

impl Index {
    /// Whether a later run went through the same SOURCEs to its end: what it did not list is there no more (rotated away, or a
    /// folder that could not be read and now can), and is no longer vouched for by the line of an earlier run.
    fn superseded(&self, run: &Run) -> bool {
        let later = self.runs.iter().rev().take_while(|began| began.id != run.run_id);
        later.filter(|began| began.ended).any(|began| began.sources == run.sources)
    }
}

/// Opens the manifest, from its start.
pub type Text<'t> = dyn Fn() -> Result<Box<dyn Read>> + 't;

/// The text of the manifest in a file.
pub fn text(path: &Path) -> Result<Box<dyn Read>> {
    let file = File::open(path).map_err(|e| Error::usage(format!("cannot open the manifest: {}", e.kind())))?;
    Ok(Box::new(file))
}

/// Whether a line of the manifest names an object in a bucket. A manifest that cannot be read has none.
pub fn is_remote(text: &Text<'_>) -> bool {
    use std::io::BufRead;
    let Ok(text) = text() else { return false };
    let mut input = BufReader::with_capacity(1 << 16, text);
    let mut line = Vec::new();
    while matches!(input.by_ref().take(1 << 20).read_until(b'\n', &mut line), Ok(n) if n > 0) {
        let has = |key: &str| memchr::memmem::find(&line, format!("\"{key}\":\"{SCHEME}").as_bytes()).is_some();
        if has("uri") || has("output") {
            return true;
        }
        line.clear();
    }
    false
}

/// Checks the manifest by itself. Tampering ends the reading; what was read before stands.
pub fn index(text: &Text<'_>, space: &Arc<crate::blob::TempSpace>, audit: &mut Audit) -> Result<Index> {
    let mut reader = Reader::new(BufReader::new(text()?));
    let mut found = Index { last: HashMap::new(), runs: Vec::new(), run: None };
    let (mut root, mut intents, mut sums) = (Root::new(space), settle::Open::default(), Sums::default());
    loop {
        let read = match reader.next() {
            Ok(Some(read)) => read,
            Ok(None) => break,
            Err(error) if error.kind() == Kind::Verify => {
                audit.complain(Wrong::Tampered, "", error.to_string());
                break;
            }
            Err(error) => return Err(error),
        };
        intents.follow(&read.line);
        match read.line {
            Line::Run(run) => {
                (root, sums) = (Root::new(space), Sums::default());
                found.runs.push(Began { id: run.run_id.clone(), sources: run.sources.clone(), ended: false });
                found.run = Some(run);
            }
            Line::Intent(_) => {}
            Line::Artifact(artifact) => {
                if artifact.has_versions() {
                    audit.owed.insert(artifact.place().to_owned());
                } else if artifact.is_rewritten() {
                    audit.owed.remove(artifact.place());
                }
                sums.add(&artifact);
                root.add_value(&read.json)?;
                found.last.insert(xxh3_128(artifact.uri.as_bytes()), found.runs.len());
            }
            Line::Purge(purge) => {
                if purge.done && purge.left == Some(0) {
                    audit.owed.remove(&purge.uri);
                } else {
                    audit.owed.insert(purge.uri);
                }
            }
            Line::Summary(summary) => {
                if let Some(run) = found.runs.last_mut() {
                    run.ended = true;
                }
                if std::mem::replace(&mut root, Root::new(space)).finish()? != summary.root {
                    let what = format!("line {}: the root is not that of the artifact lines", reader.number);
                    audit.complain(Wrong::Tampered, "", what);
                }
                if !sums.agree(&summary) {
                    let what = format!("line {}: the counts are not those of the artifact lines", reader.number);
                    audit.complain(Wrong::Tampered, "", what);
                }
            }
        }
    }
    audit.lines = reader.number;
    if audit.lines == 0 {
        audit.complain(Wrong::Incomplete, "", "the manifest is empty");
    }
    if reader.torn || intents.running {
        audit.complain(Wrong::Incomplete, "", "the last run has no summary");
    }
    audit.torn = reader.torn;
    audit.open = intents.intents().cloned().collect();
    for intent in audit.open.clone() {
        audit.complain(Wrong::Incomplete, &intent.uri, "an intent was open");
    }
    for uri in intents.purges() {
        audit.complain(Wrong::Incomplete, uri, "a purge of old versions was begun");
    }
    audit.attention = audit.owed.len() as u64;
    audit.end = (reader.prev().to_owned(), reader.end);
    Ok(found)
}

/// Counts of a run's artifact lines, as its summary must have them.
#[derive(Default)]
struct Sums {
    artifacts: std::collections::BTreeMap<&'static str, u64>,
    records: SummaryRecords,
}

impl Sums {
    fn add(&mut self, artifact: &Artifact) {
        *self.artifacts.entry(artifact.status.name()).or_default() += 1;
        self.records.add(artifact);
    }

    fn agree(&self, summary: &Summary) -> bool {
        let count = |status: Status| self.artifacts.get(status.name()).copied().unwrap_or_default();
        let said = |status: Status| summary.artifacts.get(status.name()).copied().unwrap_or_default();
        Status::ALL.into_iter().all(|status| count(status) == said(status)) && self.records == summary.records
    }
}

/// Second reading: calls `judge` with each line of the last run that listed its URI, unless superseded, and that run. Lines are
/// grouped by run. It ends at tampering, as the first reading did.
pub fn each(text: &Text<'_>, index: &Index, judge: &mut dyn FnMut(&Run, &Artifact) -> Result<()>) -> Result<()> {
    let mut reader = Reader::new(BufReader::new(text()?));
    let (mut run, mut number) = (None, 0);
    loop {
        let read = match reader.next() {
            Ok(Some(read)) => read,
            Ok(None) => return Ok(()),
            Err(error) if error.kind() == Kind::Verify => return Ok(()),
            Err(error) => return Err(error),
        };
        match read.line {
            Line::Run(line) => {
                number += 1;
                run = Some(line).filter(|run| !index.superseded(run));
            }
            Line::Artifact(artifact) => {
                let last = index.last.get(&xxh3_128(artifact.uri.as_bytes())) == Some(&number);
                if let Some(run) = run.as_deref().filter(|_| last) {
                    judge(run, &artifact)?;
                }
            }
            _ => {}
        }
    }
}

/// Compares one artifact with its line; with a search, reads it again.
pub fn judge(
    run: &Run,
    line: &Artifact,
    search: Option<&Search<'_>>,
    mask: &Mask<'_>,
    audit: &mut Audit,
) -> Result<()> {
    // Those that are owed a purge are counted already, whatever a later line says of them.
    audit.attention += u64::from(line.attention_now() && !audit.owed.contains(line.place()));
    if line.uri == STREAM {
        // It went by: nothing is there to be compared.
        return Ok(());
    }
    let said = match line.status {
        Status::Rewritten | Status::Copied => line.after.as_ref(),
        Status::Partial => line.after.as_ref().or(line.before.as_ref()),
        Status::Clean | Status::WouldRewrite | Status::Unchanged => line.before.as_ref(),
        _ => return Ok(()),
    };
    let uri = line.output.as_deref().unwrap_or(&line.uri);
    if uri.starts_with(SCHEME) {
        return remote::judge(run, line, said, search, mask, audit);
    }
    let Some((path, real)) = mine(run, line, said, mask, audit) else {
        audit.complain(Wrong::Changed, uri, "there is no such file");
        return Ok(());
    };
    if let Some(said) = said {
        audit.compared += 1;
        match digest(&real, audit.pace.as_ref()) {
            Ok(found) if found == *said => {}
            Ok(_) => {
                audit.complain(Wrong::Changed, uri, "its bytes are not what the manifest says");
                return Ok(());
            }
            Err(error) => {
                audit.complain(Wrong::Unreadable, uri, error.to_string());
                return Ok(());
            }
        }
    }
    // A dry run changed nothing: what it found is still there, and no survivor.
    let (Some(search), true) = (search, line.status != Status::WouldRewrite && !DRY.contains(&run.mode.as_str()))
    else {
        return Ok(());
    };
    audit.searched += 1;
    again(&relative(run, &line.uri, &path), uri, &real, search, audit)
}

fn again(relative: &[u8], uri: &str, path: &Path, search: &Search<'_>, audit: &mut Audit) -> Result<()> {
    let tables = audit.tabs.of(&Disk::default(), path)?;
    let blob = Whole::open(path, audit.pace.as_ref());
    let seen = told::with(search, tables.as_deref(), |search| {
        blob.and_then(|blob| read(&blob, search, relative, blob.modified(), &mut |_| {}))
    });
    survivors(seen, uri, audit)
}

/// Complains of whoever a search of a result has found, or of a result that could not be searched.
pub(super) fn survivors(seen: Result<Seen>, uri: &str, audit: &mut Audit) -> Result<()> {
    match seen {
        Ok(seen) if !seen.found.is_empty() => {
            let records = (seen.tally.dropped + seen.tally.edited + seen.tally.names).max(1);
            audit.complain(Wrong::Survivor, uri, format!("somebody of the registry is left ({records} places)"));
        }
        Ok(Seen { tally: Tally { unsupported: Some((reason, _)), .. }, .. }) => {
            audit.complain(Wrong::Unreadable, uri, format!("unsupported: {reason}"));
        }
        Ok(_) => {}
        Err(error) if error.kind() == Kind::Interrupted => return Err(error),
        Err(error) => audit.complain(Wrong::Unreadable, uri, error.to_string()),
    }
    Ok(())
}

/// The way below the SOURCE that the run line names, as policy globs see it; the file's name if none fits.
pub(super) fn relative(run: &Run, uri: &str, path: &Path) -> Vec<u8> {
    let below = |source: &String| uri.strip_prefix(source.strip_suffix('/').unwrap_or(source))?.strip_prefix('/');
    let shortest = run.sources.iter().filter_map(below).min_by_key(|way| way.len());
    let way = shortest.or_else(|| uri.rsplit(['/', ':']).next()).unwrap_or_default();
    let plain = store::path_of(&format!("file:{way}")).unwrap_or_default();
    if !plain.contains(&b'*') {
        return plain;
    }
    // The real name's bytes, not the masked ones.
    let parts = way.split('/').count();
    let all: Vec<_> = path.components().collect();
    let tail: PathBuf = all.get(all.len().saturating_sub(parts)..).unwrap_or_default().iter().collect();
    tail.into_os_string().into_vec()
}

/// The line that closes `intent`, from what stands where its result was to be; `None`: it stays open.
pub fn settled(intent: &Intent, mask: &Mask<'_>, stores: &Stores) -> Option<Artifact> {
    let uri = intent.output.as_ref().unwrap_or(&intent.uri);
    if uri.starts_with(SCHEME) {
        return remote::settled(intent, uri, mask, stores);
    }
    settle::close(intent, stands(intent, uri, mask))
}

/// What stands on disk where `intent` said that its result would be.
fn stands(intent: &Intent, uri: &str, mask: &Mask<'_>) -> Stands {
    let place = Place::of(uri, mask);
    // An artifact that is a link was named as SOURCE itself, or it would not have been read.
    let found: Vec<(&PathBuf, Digest)> =
        place.files.iter().filter_map(|path| Some((path, digest(&real(path), None).ok()?))).collect();
    let is = |said: &Digest| found.iter().any(|(_, digest)| digest == said);
    // The swap takes the old inode away: if it still has the name and the bytes, a twin's result is not this one's.
    let untouched = |(path, digest): &(&PathBuf, Digest)| {
        *digest == intent.before && is_file(&real(path), intent.identity.as_ref())
    };
    match intent.output {
        None if place.masked && found.iter().any(untouched) => Stands::Old,
        _ if is(&intent.after) => Stands::New,
        None if is(&intent.before) => Stands::Old,
        Some(_) if place.files.is_empty() => Stands::Nothing,
        _ if place.masked => Stands::Unclear,
        _ if place.files.is_empty() => Stands::Nothing,
        _ => Stands::Other,
    }
}

/// SHA-256 and length of what is at `path`.
fn digest(path: &Path, pace: Option<&Arc<dyn Pace>>) -> Result<Digest> {
    let blob = Whole::open(path, pace)?;
    Ok(Digest { bytes: crate::blob::Blob::len(&blob), sha256: hex(&store::digest(&blob)?) })
}

/// `path` with links followed, if it leads anywhere.
fn real(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn is_file(path: &Path, identity: Option<&Identity>) -> bool {
    let meta = std::fs::symlink_metadata(path).ok();
    matches!((meta, identity), (Some(meta), Some(Identity::File(id))) if (meta.dev(), meta.ino()) == (id.dev, id.inode))
}

/// The file that `line` is about, by its name and with links followed. Of several that a masked URI may mean: the one with its
/// identity and digest, else with its digest, else with its identity; and each for one line of a run only.
fn mine(
    run: &Run,
    line: &Artifact,
    said: Option<&Digest>,
    mask: &Mask<'_>,
    audit: &mut Audit,
) -> Option<(PathBuf, PathBuf)> {
    // A link below a SOURCE is no artifact; one that was itself named as SOURCE is followed.
    let follow = line.output.is_none() && run.sources.iter().any(|source| source.trim_end_matches('/') == line.uri);
    let followed = |path: &Path| if follow { real(path) } else { path.to_owned() };
    let mut place = Place::of(line.output.as_ref().unwrap_or(&line.uri), mask);
    if !place.masked {
        let path = place.files.pop()?;
        return Some((path.clone(), followed(&path)));
    }
    if audit.taken.0 != run.run_id {
        audit.taken = (run.run_id.clone(), HashSet::new());
    }
    place.files.retain(|path| !audit.taken.1.contains(path));
    let same = place.files.iter().find(|path| is_file(&followed(path), line.identity.as_ref()));
    let how_fast = audit.pace.clone();
    let digest = |path: &Path| digest(path, how_fast.as_ref());
    let fits = |path: &&PathBuf| said.is_some_and(|said| digest(&followed(path)).is_ok_and(|found| found == *said));
    let found = match said {
        None => same.or(place.files.first()),
        Some(_) => same.filter(fits).or_else(|| place.files.iter().find(fits)).or(same),
    };
    let found = found?.clone();
    audit.taken.1.insert(found.clone());
    Some((found.clone(), followed(&found)))
}

/// What a URI may mean.
struct Place {
    /// Parts of it may be masked.
    masked: bool,
    /// The one file, or all whose names fit; those that masking gives this name come first.
    files: Vec<PathBuf>,
}

impl Place {
    fn of(uri: &str, mask: &Mask<'_>) -> Self {
        let path = store::path_of(uri).unwrap_or_default();
        let masked = path.contains(&b'*');
        let path = PathBuf::from(std::ffi::OsString::from_vec(path));
        if !masked {
            let there = std::fs::symlink_metadata(&path).is_ok();
            return Self { masked, files: there.then_some(path).into_iter().collect() };
        }
        let mut files = vec![PathBuf::new()];
        for part in path.components() {
            let Component::Normal(name) = part else {
                for path in &mut files {
                    path.push(part);
                }
                continue;
            };
            files = files.into_iter().flat_map(|folder| children(&folder, name.as_bytes(), mask)).collect();
        }
        Self { masked, files }
    }
}

fn children(folder: &Path, name: &[u8], mask: &Mask<'_>) -> Vec<PathBuf> {
    let plain = folder.join(std::ffi::OsStr::from_bytes(name));
    if !name.contains(&b'*') {
        return if std::fs::symlink_metadata(&plain).is_ok() { vec![plain] } else { Vec::new() };
    }
    let listed = std::fs::read_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let entries = listed.into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut names: Vec<_> = entries
        .filter(|entry| fits(entry.as_bytes(), name))
        .map(|entry| (mask(entry.as_bytes()) != name, entry))
        .collect();
    names.sort();
    names.into_iter().map(|(_, entry)| folder.join(entry)).collect()
}

/// Whether a file's name may be the masked `name`: masking keeps the length, so it differs under `*` only.
pub(super) fn fits(file: &[u8], name: &[u8]) -> bool {
    file.len() == name.len() && file.iter().zip(name).all(|(a, b)| a == b || *b == b'*')
}

/// Reads a time of the manifest.
pub fn time(text: &str) -> Result<Timestamp> {
    text.parse().map_err(|_| Error::new(Kind::Verify, "the run's time cannot be read"))
}
