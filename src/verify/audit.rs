//! The `verify` verb: a manifest is intact, artifacts are what it says, and nobody of a registry is left in them.
//!
//! The manifest is read twice: first its chain, roots and intents are checked and the last line of each URI is noted (32 bytes
//! a line); then each artifact whose line is the last is looked up on disk, hashed, and with a registry searched again, as of
//! its run's `as_of` and `seq`. An artifact behind a masked URI is found by its identity among its siblings.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;
use xxhash_rust::xxh3::xxh3_128;

use super::read;
use crate::blob::FileBlob;
use crate::error::{Error, Kind, Result};
use crate::judge::pseudonym::hex;
use crate::layer::Search;
use crate::manifest::reader::Reader;
use crate::manifest::root::Root;
use crate::manifest::{Artifact, Digest, Identity, Line, Run, Status, Summary, SummaryRecords, settle};
use crate::store;

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
    pub open: Vec<crate::manifest::Intent>,
    /// Digest of the last line, and offset after it: where settling lines go.
    pub end: (String, u64),
    /// What is wrong.
    pub complaints: Vec<Complaint>,
}

impl Audit {
    fn complain(&mut self, wrong: Wrong, uri: &str, what: impl Into<String>) {
        self.complaints.push(Complaint { wrong, uri: uri.to_owned(), what: what.into() });
    }

    /// Whether exit 1 follows.
    pub fn bad(&self) -> bool {
        self.complaints.iter().any(|complaint| complaint.wrong != Wrong::Unreadable)
    }
}

/// First reading: chain, roots, intents; where each URI's last line is, and which runs there were.
pub struct Index {
    last: HashMap<u128, u64>,
    runs: Vec<Began>,
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

/// Checks the manifest by itself. Tampering ends the reading; what was read before stands.
pub fn index(path: &Path, space: &std::sync::Arc<crate::blob::TempSpace>, audit: &mut Audit) -> Result<Index> {
    let mut reader = open(path)?;
    let mut last = HashMap::new();
    let mut runs: Vec<Began> = Vec::new();
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
        match &read.line {
            Line::Run(run) => {
                (root, sums) = (Root::new(space), Sums::default());
                runs.push(Began { id: run.run_id.clone(), sources: run.sources.clone(), ended: false });
            }
            Line::Intent(_) => {}
            Line::Artifact(artifact) => {
                sums.add(artifact);
                root.add_value(&read.json)?;
                last.insert(xxh3_128(artifact.uri.as_bytes()), reader.number);
            }
            Line::Summary(summary) => {
                if let Some(run) = runs.last_mut() {
                    run.ended = true;
                }
                if std::mem::replace(&mut root, Root::new(space)).finish()? != summary.root {
                    let what = format!("line {}: the root is not that of the artifact lines", reader.number);
                    audit.complain(Wrong::Tampered, "", what);
                }
                if !sums.agree(summary) {
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
    audit.open = intents.intents().to_vec();
    for intent in audit.open.clone() {
        audit.complain(Wrong::Incomplete, &intent.uri, "an intent was open");
    }
    audit.end = (reader.prev().to_owned(), reader.end);
    Ok(Index { last, runs })
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

fn open(path: &Path) -> Result<Reader<BufReader<File>>> {
    let file = File::open(path).map_err(|e| Error::usage(format!("cannot open the manifest: {}", e.kind())))?;
    Ok(Reader::new(BufReader::new(file)))
}

/// Second reading: calls `judge` with each line that is the last of its URI and not superseded, and its run.
pub fn each(path: &Path, index: &Index, judge: &mut dyn FnMut(&Run, &Artifact) -> Result<()>) -> Result<()> {
    let mut reader = open(path)?;
    let mut run = None;
    while let Ok(Some(read)) = reader.next() {
        match read.line {
            Line::Run(line) => run = Some(line),
            Line::Artifact(artifact) => {
                let last = index.last.get(&xxh3_128(artifact.uri.as_bytes())) == Some(&reader.number);
                if let Some(run) = run.as_deref().filter(|run| last && !index.superseded(run)) {
                    judge(run, &artifact)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Compares one artifact with its line; with a search, reads it again.
pub fn judge(
    run: &Run,
    line: &Artifact,
    search: Option<&Search<'_>>,
    mask: &Mask<'_>,
    audit: &mut Audit,
) -> Result<()> {
    audit.attention += u64::from(line.attention());
    let said = match line.status {
        Status::Rewritten | Status::Copied => line.after.as_ref(),
        Status::Partial => line.after.as_ref().or(line.before.as_ref()),
        Status::Clean | Status::WouldRewrite | Status::Unchanged => line.before.as_ref(),
        _ => return Ok(()),
    };
    let uri = line.output.as_deref().unwrap_or(&line.uri);
    let found = paths(uri, mask);
    let mine = pick(&found, line.identity.as_ref(), said);
    let Some(path) = mine else {
        audit.complain(Wrong::Changed, uri, "there is no such file");
        return Ok(());
    };
    if let Some(said) = said {
        audit.compared += 1;
        match digest(&path) {
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
    let (Some(search), true) = (search, line.status != Status::WouldRewrite && run.mode != "scan") else {
        return Ok(());
    };
    audit.searched += 1;
    again(run, line, &path, search, audit)
}

fn again(run: &Run, line: &Artifact, path: &Path, search: &Search<'_>, audit: &mut Audit) -> Result<()> {
    let uri = line.output.as_deref().unwrap_or(&line.uri);
    let seen = FileBlob::open(path).and_then(|blob| {
        let relative = relative(run, &line.uri, path);
        read(&blob, search, &relative, blob.modified(), &mut |_| {})
    });
    match seen {
        Ok(seen) if !seen.found.is_empty() => {
            let records = seen.tally.dropped + seen.tally.edited + seen.tally.names;
            audit.complain(Wrong::Survivor, uri, format!("somebody of the registry is left ({records} places)"));
        }
        Ok(_) => {}
        Err(error) if error.kind() == Kind::Interrupted => return Err(error),
        Err(error) => audit.complain(Wrong::Unreadable, uri, error.to_string()),
    }
    Ok(())
}

/// The way below the SOURCE that the run line names; the file's name if none fits.
fn relative(run: &Run, uri: &str, path: &Path) -> Vec<u8> {
    let below = run.sources.iter().filter_map(|source| uri.strip_prefix(source.as_str())?.strip_prefix('/'));
    let shortest = below.min_by_key(|way| way.len());
    match shortest {
        Some(way) => {
            // The real name's bytes, not the masked ones.
            let parts = way.split('/').count();
            let all: Vec<_> = path.components().collect();
            let tail: PathBuf = all.get(all.len().saturating_sub(parts)..).unwrap_or_default().iter().collect();
            tail.into_os_string().into_vec()
        }
        None => path.file_name().unwrap_or_default().as_bytes().to_vec(),
    }
}

/// The digest of what stands where an intent said it would, for settling. `None`: no such file.
pub fn digest_of(uri: &str, output: Option<&str>, identity: Option<&Identity>, mask: &Mask<'_>) -> Option<Digest> {
    let found = paths(output.unwrap_or(uri), mask);
    digest(&pick(&found, identity, None)?).ok()
}

/// SHA-256 and length of the file at `path`.
fn digest(path: &Path) -> Result<Digest> {
    let blob = FileBlob::open(path)?;
    Ok(Digest { bytes: crate::blob::Blob::len(&blob), sha256: hex(&store::digest(&blob)?) })
}

/// Of several files that a masked URI may mean: the one with the identity, else the one with the digest, else the only one.
fn pick(found: &[PathBuf], identity: Option<&Identity>, said: Option<&Digest>) -> Option<PathBuf> {
    if found.len() < 2 {
        return found.first().cloned();
    }
    let same = |path: &&PathBuf| {
        let meta = std::fs::symlink_metadata(path).ok();
        meta.zip(identity).is_some_and(|(meta, id)| meta.dev() == id.dev && meta.ino() == id.inode)
    };
    let fits = |path: &&PathBuf| digest(path).ok().as_ref() == said;
    found.iter().find(same).or_else(|| found.iter().find(fits)).cloned()
}

/// The files that `uri` may mean: one, or where parts of it are masked all whose masked name is that.
fn paths(uri: &str, mask: &Mask<'_>) -> Vec<PathBuf> {
    let Some(path) = store::path_of(uri) else { return Vec::new() };
    let path = PathBuf::from(std::ffi::OsString::from_vec(path));
    if std::fs::symlink_metadata(&path).is_ok() {
        return vec![path];
    }
    let mut found = vec![PathBuf::new()];
    for part in path.components() {
        let Component::Normal(name) = part else {
            for path in &mut found {
                path.push(part);
            }
            continue;
        };
        found = found.into_iter().flat_map(|folder| children(&folder, name.as_bytes(), mask)).collect();
    }
    found.sort();
    found
}

fn children(folder: &Path, name: &[u8], mask: &Mask<'_>) -> Vec<PathBuf> {
    let plain = folder.join(std::ffi::OsStr::from_bytes(name));
    if !name.contains(&b'*') {
        return if std::fs::symlink_metadata(&plain).is_ok() { vec![plain] } else { Vec::new() };
    }
    let listed = std::fs::read_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let entries = listed.into_iter().flatten().flatten();
    entries
        .filter(|entry| mask(entry.file_name().as_bytes()) == name)
        .map(|entry| folder.join(entry.file_name()))
        .collect()
}

/// Whether a file's name may be the masked `name`: masking gives it, or (without a registry) it differs only under `*`.
fn fits(file: &[u8], name: &[u8], mask: &Mask<'_>) -> bool {
    let under = || file.len() == name.len() && file.iter().zip(name).all(|(a, b)| a == b || *b == b'*');
    mask(file) == name || under()
}

/// Reads a time of the manifest.
pub fn time(text: &str) -> Result<Timestamp> {
    text.parse().map_err(|_| Error::new(Kind::Verify, "the run's time cannot be read"))
}
