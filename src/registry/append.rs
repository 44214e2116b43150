//! The end of a `.jsonl` log: events go there as whole lines, under a lock, or not at all.
//!
//! [`Log::open`] takes an exclusive `flock` (it waits) and reads the last line from the end, so that appending costs the
//! same whatever the size of the log: that line has the number before ours and is what our `prev` names. A log follows its last
//! line: chained after `prev`, without a chain after none; a new log starts chained. [`Log::push`] renders a line and has the
//! reader judge it before it counts; [`Log::commit`] makes all of them durable. Whatever fails before is taken back.
//!
//! What a kill leaves is whole lines, or a last one that is cut short: the next open refuses it and says how to take it off.
//! Not checked here: the lines before the last (`registry check`).

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use serde::Serialize;
use zeroize::Zeroizing;

use super::event::{Change, Identifier, Terms};
use super::ledger::Ledger;
use super::{Form, Options, chain, jsonl, load, resolve};
use crate::error::{Error, Kind, Result};
use crate::limits::MAX_REGISTRY_LINE;
use crate::matcher::Value;
use crate::pool::Alone;

/// Lines are written when they come to this many bytes, and at the end.
const BATCH: usize = 256 * 1024;
/// First look from the end, bytes: the usual last line and more.
const GLANCE: u64 = 4096;
/// Time between two attempts at the lock.
const PAUSE: Duration = Duration::from_millis(20);

/// How a log is opened.
#[derive(Debug, Clone, Copy)]
pub struct Open<'o> {
    /// The `at` of its events.
    pub now: Timestamp,
    /// Whether it is made (mode 0600) if it is not there.
    pub create: bool,
    /// How long to wait for the lock.
    pub patience: Duration,
    /// Ends the waiting when set.
    pub stop: &'o AtomicBool,
}

/// What was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// How many events.
    pub events: u64,
    /// The newest event's sequence number.
    pub seq: u64,
}

/// A log, locked until it is dropped. What was pushed and not committed is taken back then.
#[derive(Debug)]
pub struct Log {
    file: File,
    path: PathBuf,
    now: Timestamp,
    /// Made by this open.
    created: bool,
    /// Bytes before ours.
    start: u64,
    /// Bytes so far on disk.
    length: u64,
    /// The newest sequence number.
    seq: u64,
    /// What the next `prev` says; `None` in a log without a chain.
    link: Option<String>,
    /// Lines not yet on disk.
    buffer: Zeroizing<Vec<u8>>,
    events: u64,
    done: bool,
}

/// What stands at the end.
struct Tail {
    seq: Option<u64>,
    /// The last line, from the start of the file or after a line feed; `None`: there is no event.
    last: Option<Last>,
    /// Blank lines after it.
    blank: bool,
    /// The file does not end in a line feed.
    open: bool,
}

struct Last {
    link: String,
    chained: bool,
}

impl Log {
    /// Opens the log at `path` and waits for its lock.
    ///
    /// Errors: [`Kind::Locked`] if somebody holds the lock for longer than the patience; [`Kind::Interrupted`]; else
    /// [`Kind::Usage`]: not a `.jsonl`, no regular file, cannot be written or locked, its last line is no event.
    pub fn open(path: &Path, how: &Open<'_>) -> Result<Self> {
        if Form::of(path)? != Form::Jsonl {
            return Err(Error::usage("only .jsonl registries are written")
                .help("`unwrite registry import` turns any form into one"));
        }
        let deadline = Instant::now() + how.patience;
        let (file, created) = loop {
            let (file, created) = file_at(path, how.create)?;
            wait(&file, deadline, how.stop)?;
            // Replaced while we waited: what is locked is not what the name means any more.
            if same(&file, path)? {
                break (file, created);
            }
        };
        let length = file.metadata().map_err(|e| cannot(&e))?.len();
        let mut log = Self {
            file,
            path: path.to_owned(),
            now: how.now,
            created,
            start: length,
            length,
            seq: 0,
            link: None,
            buffer: Zeroizing::new(Vec::with_capacity(16 * 1024)),
            events: 0,
            done: false,
        };
        log.follow()?;
        Ok(log)
    }

    /// Takes up where the last line ends.
    fn follow(&mut self) -> Result<()> {
        let tail = tail(&self.file, self.length)?;
        self.link = match tail.last {
            // Blank lines may not stand before a chain: nothing would cover them.
            None => (!tail.blank).then(|| chain::FIRST.to_owned()),
            Some(Last { chained: true, .. }) if tail.blank => {
                return Err(Error::usage("a blank line after the last line of a chain").help("take it off"));
            }
            Some(last) => last.chained.then_some(last.link),
        };
        if tail.open {
            self.buffer.push(b'\n');
        }
        let empty = self.link.as_deref() == Some(chain::FIRST);
        self.seq = match tail.seq {
            Some(seq) => seq,
            None if empty => 0,
            // Written by hand: its number is how many events stand there. Once ours follow, this is not needed again.
            None => {
                let options = Self::as_it_is(self.now);
                self.read(&mut Ledger::new(&options))?
            }
        };
        Ok(())
    }

    /// How the log's own lines are read: what is there is there.
    pub(super) fn as_it_is(now: Timestamp) -> Options {
        Options { allow_short: true, allow_empty: true, ..Options::new(now) }
    }

    /// Plays the whole log into `ledger`; gives the newest sequence number. Errors as [`super::read`]'s.
    pub(super) fn read(&mut self, ledger: &mut Ledger<'_>) -> Result<u64> {
        self.file.seek(SeekFrom::Start(0)).map_err(|e| cannot(&e))?;
        load::load(&self.file, Form::Jsonl, ledger, &Alone).map_err(|e| e.layer("registry"))?;
        Ok(ledger.seq)
    }

    /// Adds an event. An erase whose line would be too long becomes several, which come to the same.
    ///
    /// Usage errors, and nothing of the event is kept: what the reader would refuse. `subject` is trimmed.
    pub fn push(&mut self, subject: Option<&str>, change: &Change) -> Result<()> {
        let mut line = Line::new(subject.map(str::trim).filter(|subject| !subject.is_empty()));
        match change {
            Change::Erase(erase) => return self.erase(&line, &erase.identifiers, erase.terms),
            Change::Cancel => line.event = "cancel",
            Change::Release => line.event = "release",
            Change::Hold(hold) => {
                line.event = "hold";
                line.until = hold.until.map(|until| until.to_string());
                line.reason = hold.reason.as_deref();
            }
        }
        let text = self.render(&line)?;
        self.keep(&text)
    }

    fn erase(&mut self, named: &Line<'_>, identifiers: &[Identifier], terms: Terms) -> Result<()> {
        let line = Line {
            identifiers: Some(identifiers.iter().map(Item::new).collect()),
            effective_at: terms.effective_at.map(|at| at.to_string()),
            before: terms.before.map(|at| at.to_string()),
            ..Line::new(named.subject)
        };
        let text = self.render(&line)?;
        if text.len() >= MAX_REGISTRY_LINE && line.subject.is_some() && identifiers.len() > 1 {
            let (some, others) = identifiers.split_at(identifiers.len() / 2);
            self.erase(named, some, terms)?;
            return self.erase(named, others, terms);
        }
        self.keep(&text)
    }

    /// The line without its end.
    fn render(&self, line: &Line<'_>) -> Result<Zeroizing<Vec<u8>>> {
        let seq = self.seq.checked_add(1).ok_or_else(|| Error::usage("no number is left for another event"))?;
        let at = Timestamp::from_second(self.now.as_second()).unwrap_or(self.now).to_string();
        let whole = Whole { seq, at, line, prev: self.link.as_deref() };
        let mut text = Zeroizing::new(Vec::with_capacity(4096));
        serde_json::to_writer(&mut *text, &whole).map_err(|_| Error::usage("the event cannot be written"))?;
        Ok(text)
    }

    /// Keeps a rendered line, if the reader takes it.
    fn keep(&mut self, text: &[u8]) -> Result<()> {
        if text.len() >= MAX_REGISTRY_LINE {
            return Err(Error::usage("the event's line is longer than 1 MiB"));
        }
        let read = std::str::from_utf8(text).map_err(|_| Error::usage("not UTF-8"))?;
        jsonl::line(read, &Self::as_it_is(self.now))?;
        if let Some(link) = &mut self.link {
            *link = chain::link(text);
        }
        self.buffer.extend_from_slice(text);
        self.buffer.push(b'\n');
        self.seq += 1;
        self.events += 1;
        if self.buffer.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let there = self.file.metadata().map_err(|e| cannot(&e))?.len();
        if there != self.length {
            // Theirs stand there now: what is cut off could be theirs.
            self.done = true;
            return Err(Error::usage("somebody writes to the registry without its lock").help("see `registry check`"));
        }
        // One call where the system takes it whole, so that a kill leaves whole lines.
        self.length += self.buffer.len() as u64;
        self.file.write_all(&self.buffer).map_err(|e| cannot(&e))?;
        self.buffer.clear();
        if self.file.metadata().map_err(|e| cannot(&e))?.len() != self.length {
            self.done = true;
            return Err(Error::usage("somebody writes to the registry without its lock").help("see `registry check`"));
        }
        Ok(())
    }

    /// Makes what was pushed durable. Without an event nothing is touched.
    pub fn commit(mut self) -> Result<Written> {
        if self.events > 0 {
            self.flush()?;
            self.file.sync_all().map_err(|e| cannot(&e))?;
            if self.start == 0 {
                sync_folder(&self.path)?;
            }
        }
        // An empty log that was made for nothing goes again.
        self.done = self.events > 0;
        Ok(Written { events: self.events, seq: self.seq })
    }
}

impl Drop for Log {
    /// Takes back what was not committed. We hold the lock: nobody who keeps to it can stand after it.
    fn drop(&mut self) {
        if self.done {
            return;
        }
        if self.length > self.start {
            // If this fails too, the next open finds a torn last line, or whole ones.
            let _left = self.file.set_len(self.start).and_then(|()| self.file.sync_all());
        }
        if self.created && self.start == 0 {
            let _left = std::fs::remove_file(&self.path);
        }
    }
}

/// A line, in the order of the SPEC's example.
#[derive(Serialize)]
struct Whole<'l> {
    seq: u64,
    at: String,
    #[serde(flatten)]
    line: &'l Line<'l>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prev: Option<&'l str>,
}

#[derive(Serialize)]
struct Line<'l> {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identifiers: Option<Vec<Item<'l>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'l str>,
}

impl<'l> Line<'l> {
    fn new(subject: Option<&'l str>) -> Self {
        Self { event: "erase", subject, identifiers: None, effective_at: None, before: None, until: None, reason: None }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Item<'l> {
    One(Part<'l>),
    AllOf { all_of: Vec<Part<'l>> },
}

#[derive(Serialize)]
struct Part<'l> {
    #[serde(rename = "type")]
    kind: &'static str,
    value: &'l str,
}

impl<'l> Item<'l> {
    fn new(identifier: &'l Identifier) -> Self {
        match identifier {
            Identifier::One(value) => Item::One(Part::new(value)),
            Identifier::AllOf(values) => Item::AllOf { all_of: values.iter().map(Part::new).collect() },
        }
    }
}

impl<'l> Part<'l> {
    /// As it was written. Registry text is UTF-8; what is not would be refused when the line is read back.
    fn new(value: &'l Value) -> Self {
        Self { kind: value.kind.name(), value: std::str::from_utf8(resolve::written(value)).unwrap_or_default() }
    }
}

/// Opens the file to append; `true` if this made it.
fn file_at(path: &Path, create: bool) -> Result<(File, bool)> {
    loop {
        let mut how = OpenOptions::new();
        match how.read(true).append(true).open(path) {
            Ok(file) => {
                let meta = file.metadata().map_err(|e| cannot(&e))?;
                return if meta.is_file() {
                    Ok((file, false))
                } else {
                    Err(Error::usage("the registry is not a regular file"))
                };
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && create => {}
            Err(error) => return Err(cannot(&error)),
        }
        match how.create_new(true).mode(0o600).open(path) {
            Ok(file) => return Ok((file, true)),
            // Somebody was quicker. A link to nowhere is there as well, and no file: it is refused.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && path.exists() => {}
            Err(error) => return Err(cannot(&error)),
        }
    }
}

/// Waits for the exclusive lock.
fn wait(file: &File, deadline: Instant, stop: &AtomicBool) -> Result<()> {
    loop {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => return Err(Error::usage("the registry's file system has no locks: nothing is appended")),
        }
        if stop.load(Ordering::Relaxed) {
            return Err(Error::new(Kind::Interrupted, "interrupted; nothing was appended"));
        }
        if Instant::now() >= deadline {
            return Err(Error::new(Kind::Locked, "another process holds the registry; nothing was appended"));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Whether `path` still names `file`.
fn same(file: &File, path: &Path) -> Result<bool> {
    let ours = file.metadata().map_err(|e| cannot(&e))?;
    match std::fs::metadata(path) {
        Ok(meta) => Ok((meta.dev(), meta.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(cannot(&error)),
    }
}

/// Reads back from the end until the last line that is not blank is whole.
fn tail(file: &File, length: u64) -> Result<Tail> {
    /// The longest line that a reader takes, and blank lines after it.
    const FURTHEST: u64 = 2 * MAX_REGISTRY_LINE as u64;
    let mut reach = GLANCE;
    loop {
        let from = length.saturating_sub(reach);
        let mut bytes = Zeroizing::new(vec![0; (length - from) as usize]);
        file.read_exact_at(&mut bytes, from).map_err(|e| cannot(&e))?;
        if let Some(tail) = tail_in(&bytes, from)? {
            return Ok(tail);
        }
        if reach > FURTHEST {
            return Err(too_long());
        }
        reach *= 16;
    }
}

/// What stands at the end of `bytes`, which start at `from`; `None` if they do not reach far enough back.
fn tail_in(bytes: &[u8], from: u64) -> Result<Option<Tail>> {
    let open = bytes.last().is_some_and(|byte| *byte != b'\n');
    let (mut rest, mut blank, mut ended) = (bytes, false, false);
    loop {
        if let Some(line) = rest.strip_suffix(b"\n") {
            (rest, ended) = (line, true);
        } else if rest.is_empty() && from == 0 {
            return Ok(Some(Tail { seq: None, last: None, blank, open }));
        }
        let cut = memchr::memrchr(b'\n', rest);
        if cut.is_none() && from > 0 {
            return Ok(None);
        }
        let (before, line) = rest.split_at(cut.map_or(0, |cut| cut + 1));
        let first = from == 0 && cut.is_none();
        if is_blank(line, first) {
            blank = true;
            rest = before;
            if first {
                return Ok(Some(Tail { seq: None, last: None, blank, open }));
            }
            continue;
        }
        let place = from + before.len() as u64;
        return last_of(line, first, ended, place).map(|(seq, last)| Some(Tail { seq, last: Some(last), blank, open }));
    }
}

/// Judges the last line that is not blank; `place` is where it starts.
fn last_of(line: &[u8], first: bool, ended: bool, place: u64) -> Result<(Option<u64>, Last)> {
    // The line feed that we put after an open one makes its `\r` part of the line's end.
    let raw = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(raw).ok();
    let text = text.map(|text| if first { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text });
    let options = Log::as_it_is(Timestamp::UNIX_EPOCH);
    match text.filter(|text| !text.contains('\0')).map(|text| jsonl::line(text, &options)) {
        Some(Ok(seen)) => Ok((seen.seq, Last { link: chain::link(raw), chained: seen.chained })),
        _ if line.len() >= MAX_REGISTRY_LINE => Err(too_long()),
        _ if ended => Err(Error::usage("the registry's last line is no event").help("see `registry check`")),
        _ => Err(Error::usage(format!(
            "the registry's last line is cut short: somebody was stopped while writing it; take it off \
             (`truncate -s {place} REGISTRY`) and say again what it was to say"
        ))),
    }
}

fn too_long() -> Error {
    Error::usage("the registry's last line is longer than 1 MiB").help("see `registry check`")
}

fn is_blank(line: &[u8], first: bool) -> bool {
    let text = std::str::from_utf8(line);
    text.is_ok_and(|text| if first { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text }.trim().is_empty())
}

fn sync_folder(path: &Path) -> Result<()> {
    let real = std::fs::canonicalize(path).map_err(|e| cannot(&e))?;
    let folder = real.parent().unwrap_or(Path::new("/"));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|e| cannot(&e))
}

fn cannot(error: &std::io::Error) -> Error {
    Error::usage(format!("cannot append to the registry: {}", error.kind()))
}
