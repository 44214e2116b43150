//! `registry add`, `import`, `cancel`, `hold`, `release`: events at the end of the log.
//!
//! Everything is read and judged before the log is opened, and a log is locked only to be written. Whatever goes wrong,
//! nothing is written: exit 2 (4 while somebody else holds the lock). No value is shown, nor a reference, which may be one.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{Exit, build, input, print, process, say};
use crate::cli::args::{Incoming as Typed, RegistryAdd, RegistryHold, RegistryImport, RegistryLog, RegistryMark};
use crate::cli::reading::Reading;
use crate::config::units::duration;
use crate::error::{Error, Kind, Result};
use crate::limits::MAX_REGISTRY_LINE;
use crate::matcher::Type;
use crate::registry::append::{Log, Open, Written};
use crate::registry::event::{self, Change, Hold, Terms};
use crate::registry::intake::{Adding, Incoming};
use crate::registry::{Form, Options, value};

/// How long another process may hold the log.
const PATIENCE: Duration = Duration::from_secs(10);

/// `registry add`.
pub(super) fn add(typed: &RegistryAdd) -> Result<Exit> {
    let now = Timestamp::now();
    let subject = typed.subject.as_deref().map(reference).transpose()?;
    let before = typed.before.as_deref().map(|text| event::time("--before", text)).transpose()?;
    let terms = Terms { effective_at: grace(typed.grace.as_deref(), now)?, before };
    let options = options(&typed.incoming, now)?;
    if before.is_some_and(|before| before > now) {
        say("warning: --before is in the future: records until then are covered");
    }
    let incoming = read(typed.file.as_deref(), &typed.incoming, &options)?;
    let requests = incoming.requests(&Adding { subject, terms, all_of: typed.all_of })?;
    let mut log = open(&typed.log, true, now)?;
    let mut identifiers = 0;
    for (subject, erase) in requests {
        identifiers += erase.identifiers.len();
        log.push(subject.as_deref(), &Change::Erase(erase)).map_err(layer)?;
    }
    let written = log.commit().map_err(layer)?;
    let noun = if identifiers == 1 { "identifier" } else { "identifiers" };
    let from =
        terms.effective_at.map_or_else(String::new, |at| format!(", in force from {at} unless the input says when"));
    tell(&typed.log, &written, &format!("; {identifiers} {noun}{from}"))
}

/// `registry import`.
pub(super) fn import(typed: &RegistryImport) -> Result<Exit> {
    let now = Timestamp::now();
    let options = options(&typed.incoming, now)?;
    if let (Ok(from), Ok(to)) = (std::fs::metadata(&typed.file), std::fs::metadata(&typed.log.registry))
        && (from.dev(), from.ino()) == (to.dev(), to.ino())
    {
        return Err(Error::usage("FILE is the registry itself"));
    }
    let incoming = read(Some(&typed.file), &typed.incoming, &options)?;
    let mut log = open(&typed.log, true, now)?;
    let done = incoming.import(&mut log, now)?;
    let written = log.commit().map_err(layer)?;
    if done.cancelled > 0 {
        say(&format!(
            "warning: {} cancelled in the registry were left so; `registry add` takes them again",
            done.cancelled
        ));
    }
    if done.withdrawn > 0 {
        say(&format!("warning: {} cancelled in FILE: nobody was cancelled for it", done.withdrawn));
    }
    let what = format!(
        "; {} subjects, {} identifiers, {} holds; {} identifiers were there already",
        done.subjects, done.identifiers, done.holds, done.known
    );
    tell(&typed.log, &written, &what)
}

/// `registry cancel`.
pub(super) fn cancel(typed: &RegistryMark) -> Result<Exit> {
    mark(typed, &Change::Cancel)
}

/// `registry release`.
pub(super) fn release(typed: &RegistryMark) -> Result<Exit> {
    mark(typed, &Change::Release)
}

/// `registry hold`.
pub(super) fn hold(typed: &RegistryHold) -> Result<Exit> {
    let until = typed.until.as_deref().map(|text| event::time("--until", text)).transpose()?;
    if until.is_some_and(|until| until <= Timestamp::now()) {
        return Err(Error::usage("--until is over already: the hold would protect nobody"));
    }
    let reason = typed.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
    if reason.is_some() {
        say(
            "warning: the reason is stored in the registry as it stands, and was seen on the command line; name nobody in it",
        );
    }
    mark(&typed.mark, &Change::Hold(Hold { until, reason: reason.map(Box::from) }))
}

fn mark(typed: &RegistryMark, change: &Change) -> Result<Exit> {
    let now = Timestamp::now();
    let subject = reference(&typed.subject)?;
    // Before the lock: all of the log is gone through.
    let named = names(&typed.log.registry, subject);
    let mut log = open(&typed.log, false, now)?;
    if !named {
        say("warning: no line of the registry names this subject; is the reference right? `registry list` shows all");
    }
    log.push(Some(subject), change).map_err(layer)?;
    let written = log.commit().map_err(layer)?;
    tell(&typed.log, &written, "")
}

/// A reference that was typed.
fn reference(typed: &str) -> Result<&str> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Err(Error::usage("--subject is empty"));
    }
    if matches!(value::guess(typed), Type::Email | Type::Ip | Type::Phone) {
        say(
            "warning: the reference looks like an identifier, and was seen on the command line; `L<line>` does as well",
        );
    }
    Ok(typed)
}

/// `--grace`: the time from which a request is in force.
fn grace(typed: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>> {
    let Some(typed) = typed else { return Ok(None) };
    let length = duration(typed).map_err(|error| Error::usage(format!("--grace: {error}")))?;
    if length.is_zero() {
        return Ok(None);
    }
    let far = || Error::usage("--grace ends too far in the future");
    // Whole seconds, and never sooner than was said.
    let second = i64::try_from(length.as_secs()).ok().and_then(|length| length.checked_add(now.as_second() + 1));
    Timestamp::from_second(second.ok_or_else(far)?).map(Some).map_err(|_| far())
}

fn options(typed: &Typed, now: Timestamp) -> Result<Options> {
    let mut options = Options::new(now);
    options.allow_short = typed.allow_short;
    options.txt_type = build::value_type(typed.kind.as_deref())?;
    Ok(options)
}

fn read<'o>(path: Option<&Path>, typed: &Typed, options: &'o Options) -> Result<Incoming<'o>> {
    let bare = options.txt_type.map(|_| Form::Txt);
    let (form, input) = input::open(path, input::form_of(typed.form.as_deref())?, bare).map_err(input::refused)?;
    Incoming::read(input, form, options, &Reading::default().pool())
        .map_err(|error| input::refused(error.layer("values")))
}

fn open(typed: &RegistryLog, create: bool, now: Timestamp) -> Result<Log> {
    let stop = process::stop();
    let how = Open { now, create, patience: PATIENCE, stop: &stop };
    Log::open(&typed.registry, &how).map_err(layer)
}

fn layer(error: Error) -> Error {
    // Of a pushed event or the file: nothing was written in any case, which is exit 2.
    match error.kind() {
        Kind::Usage => error.layer("registry"),
        _ => error,
    }
}

fn tell(log: &RegistryLog, written: &Written, what: &str) -> Result<Exit> {
    if !log.quiet {
        let events = if written.events == 1 { "event" } else { "events" };
        print(&format!("appended {} {events}, newest seq {}{what}\n", written.events, written.seq))?;
    }
    Ok(Exit::Ok)
}

/// Whether a line of the log holds the reference as a string of JSON: a hint, so that escapes by hand are not looked through.
fn names(path: &Path, subject: &str) -> bool {
    let line = subject.strip_prefix('L').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    let quoted = serde_json::to_string(subject).unwrap_or_default();
    let finder = memchr::memmem::Finder::new(&quoted);
    let Ok(file) = File::open(path) else { return true };
    let mut input = BufReader::with_capacity(1 << 16, file);
    let mut text = Zeroizing::new(Vec::with_capacity(16 * 1024));
    loop {
        text.clear();
        match input.by_ref().take(MAX_REGISTRY_LINE as u64).read_until(b'\n', &mut text) {
            Ok(0) => return line,
            Ok(_) if finder.find(&text).is_some() => return true,
            Ok(_) => {}
            Err(_) => return true,
        }
    }
}
