//! Events in file order, on two tracks a subject.
//!
//! Erase adds identifiers and cancel clears them; hold protects and release ends it; neither track knows of the other.
//! [`Ledger`] keeps what the events so far come to, as small as can be: a registry has millions of subjects, so that all that
//! is kept of them stands in columns. What it comes to at the run's "now" is for [`super::resolve`].
//!
//! Memory, besides the values: a subject takes 9 bytes, its reference and what finds it by that ([`Names`]), 8 bytes more once
//! any event tells a time; an erase 12 bytes, 16 more if it has terms of its own; an identifier 4 bytes.

use std::collections::HashMap;

use jiff::Timestamp;

use super::Options;
use super::batch::{Place, Spelled, Values};
use super::event::{Deed, Event, Hold, Seq, Terms};
use super::intern::Intern;
use super::names::Names;
use super::terms::Times;
use crate::error::{Error, Result};
use crate::matcher::ValueId;

/// All that the events so far come to.
pub(super) struct Ledger<'o> {
    pub options: &'o Options,
    pub values: Intern,
    /// References; subjects without one are found by their line.
    pub names: Names,
    /// The newest sequence number; 0 without events.
    pub seq: u64,
    pub newest_at: Option<Timestamp>,
    /// The lines so far were once all of it: see [`Options::as_of_sha256`].
    pub grown: bool,
    events: u64,
    /// Line of each subject's first event: they are numbered in that order, so that lines ascend.
    lines: Vec<u32>,
    flags: Vec<u8>,
    /// Each subject's last run, [`NONE`] without one; its runs stand in a ring.
    last: Vec<u32>,
    /// For each subject the earliest time at which an identifier of it came or comes in force, seconds since the epoch; may be
    /// shorter than the others, and what is not there is [`UNTOLD`].
    from: Vec<i64>,
    runs: Vec<Run>,
    /// Values of the runs, one run's after another's.
    ids: Vec<ValueId>,
    times: Times,
    holds: HashMap<u32, Hold>,
    /// Where the sequence numbers of subjects do not rise by one: the subject and its number.
    firsts: Vec<(u32, u64)>,
    /// Runs that a cancel cleared, each the last of a ring, with their subjects, if they are to be kept.
    cleared: Option<Vec<(u32, u32)>>,
}

/// No time was told: later than any that can be.
const UNTOLD: i64 = i64::MAX;
/// No run.
const NONE: u32 = u32::MAX;

/// The newest of erase and cancel is a cancel.
const CANCELLED: u8 = 1;
/// The reference holds a value of its own subject.
const TELLS: u8 = 2;
/// Has an erase after `as_of_seq`.
const LATER: u8 = 4;
/// Has an erase at all.
const ERASED: u8 = 8;
/// The newest of hold and release is a hold.
const HELD: u8 = 16;

/// Identifiers that were told together; its values end where the next run's start.
struct Run {
    start: u32,
    /// The subject's next run; of the last one the first.
    next: u32,
    /// Index of the terms, and [`ALL_OF`] if the values are the parts of one identifier.
    terms: u32,
}

const ALL_OF: u32 = 1 << 31;

impl<'o> Ledger<'o> {
    pub(super) fn new(options: &'o Options) -> Self {
        Self {
            options,
            values: Intern::default(),
            names: Names::default(),
            seq: 0,
            newest_at: None,
            grown: false,
            events: 0,
            lines: Vec::new(),
            flags: Vec::new(),
            last: Vec::new(),
            from: Vec::new(),
            runs: Vec::new(),
            ids: Vec::new(),
            times: Times::default(),
            holds: HashMap::new(),
            firsts: Vec::new(),
            cleared: None,
        }
    }

    /// Keeps what cancels clear from now on.
    pub(super) fn keep_cleared(&mut self) {
        self.cleared = Some(Vec::new());
    }

    /// Plays one event. A usage error if its sequence number does not rise.
    pub(super) fn push(&mut self, event: &Event<'_>) -> Result<()> {
        let known = match event.subject {
            Some(name) => self.find(name),
            None => self.find(&format!("L{}", event.line)),
        };
        let seq = match (event.seq, known) {
            (Seq::OfSubject, Some(at)) => self.first_seq(at),
            (seq, _) => self.next_seq(seq)?,
        };
        self.newest_at = self.newest_at.max(event.at);
        let at = match known {
            Some(at) => at,
            None => self.open(event, seq)?,
        };
        let judged = self.options.as_of_seq.is_none_or(|last| seq <= last);
        match event.deed {
            Deed::Erase(values, terms) => {
                if let (Some(from), true) = (terms.effective_at.or(event.at), judged) {
                    self.tell(at, from.as_second());
                }
                // The line of another's reference may be what is named here.
                let tells = event.tells && event.subject == self.names.get(at);
                self.flag(at, if tells { TELLS | ERASED } else { ERASED }, 0);
                self.erase(at, values, terms, judged)
            }
            Deed::Cancel if judged => {
                self.cancel(at);
                Ok(())
            }
            Deed::Hold(hold) if judged => {
                self.holds.insert(at as u32, hold.clone());
                self.flag(at, HELD, 0);
                Ok(())
            }
            Deed::Release if judged => {
                self.flag(at, 0, HELD);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The subject of that reference. `L<line>` is the one that began there without a reference, or whose reference is
    /// shown so because it is an identifier: what an operator reads in a listing can be cancelled and held.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        // Rows of one subject mostly stand together.
        let newest = self.lines.len().checked_sub(1).filter(|at| self.names.get(*at) == Some(name));
        newest.or_else(|| self.names.find(name)).or_else(|| {
            let digits = name.strip_prefix('L')?;
            let line = digits.parse::<u32>().ok()?;
            let at = self.lines.binary_search(&line).ok()?;
            let plain = !digits.starts_with(['0', '+']);
            (plain && (self.names.get(at).is_none() || self.has(at, TELLS))).then_some(at)
        })
    }

    /// All subjects, in the order of their first events.
    pub(super) fn tracks(&self) -> impl Iterator<Item = Track<'_>> {
        (0..self.lines.len()).map(|at| Track { ledger: self, at })
    }

    /// The subject of that number.
    pub(super) fn track(&self, at: usize) -> Option<Track<'_>> {
        (at < self.lines.len()).then_some(Track { ledger: self, at })
    }

    /// Identifiers that a cancel cleared, each with its subject, if they were kept.
    pub(super) fn cleared(&self) -> impl Iterator<Item = (Track<'_>, Draft<'_>)> {
        let rings = self.cleared.iter().flatten();
        rings.flat_map(|(at, last)| {
            let track = Track { ledger: self, at: *at as usize };
            self.drafts(*last).map(move |draft| (track, draft))
        })
    }

    /// A written number must rise. An absent one is the event's ordinal, or the next after a written one that was higher.
    fn next_seq(&mut self, seq: Seq) -> Result<u64> {
        const HELP: &str = "numbers start at 1 and each is above those before; by hand, leave `seq` out";
        self.events += 1;
        let next = match seq {
            Seq::Given(seq) => Some(seq).filter(|seq| *seq > self.seq),
            Seq::Ordinal | Seq::OfSubject => self.seq.checked_add(1).map(|n| n.max(self.events)),
        };
        self.seq = next.ok_or_else(|| Error::usage("`seq` does not rise").help(HELP))?;
        Ok(self.seq)
    }

    /// The sequence number of the first event of a subject that a table names.
    fn first_seq(&self, at: usize) -> u64 {
        let after = self.firsts.partition_point(|(first, _)| *first as usize <= at);
        let before = after.checked_sub(1).and_then(|n| self.firsts.get(n));
        before.map_or(0, |(first, seq)| seq + (at as u64 - u64::from(*first)))
    }

    /// A new subject.
    fn open(&mut self, event: &Event<'_>, seq: u64) -> Result<usize> {
        let at = self.lines.len();
        let line = u32::try_from(event.line).map_err(|_| Error::usage("more than 4294967295 lines"))?;
        let rows = event.seq == Seq::OfSubject || event.subject.is_none();
        if rows && (self.firsts.is_empty() || self.first_seq(at) != seq) {
            self.firsts.push((at as u32, seq));
        }
        self.names.push(event.subject)?;
        self.lines.push(line);
        self.flags.push(0);
        self.last.push(NONE);
        Ok(at)
    }

    /// Adds identifiers to the subject `at`. Of an event that is not judged only the values are kept: no reference may be
    /// one of them.
    fn erase(&mut self, at: usize, values: Values<'_>, terms: Terms, judged: bool) -> Result<()> {
        let terms = self.times.push(terms)?;
        self.flag(at, if judged { 0 } else { LATER }, if judged { CANCELLED } else { 0 });
        let mut joined = None;
        for value in values.iter() {
            let place = value.place;
            if place != Place::Next {
                self.settle(joined.take());
            }
            let id = self.keep(&value)?;
            if !judged {
                continue;
            }
            match place {
                Place::Alone if self.continues(at, terms) => {}
                Place::Alone => self.run(at, terms)?,
                Place::First => {
                    self.run(at, terms | ALL_OF)?;
                    joined = Some(self.ids.len());
                }
                Place::Next => {}
            }
            self.ids.push(id);
        }
        self.settle(joined);
        Ok(())
    }

    fn keep(&mut self, value: &Spelled<'_>) -> Result<ValueId> {
        let half = value.half.unwrap_or_else(|| self.values.half(value.kind, value.bytes));
        self.values.insert(half, value.kind, value.bytes, value.written)
    }

    /// The parts of a composite stand ascending, each once.
    fn settle(&mut self, start: Option<usize>) {
        let Some(parts) = start.and_then(|start| self.ids.get_mut(start..)) else { return };
        parts.sort_unstable();
        let start = start.unwrap_or_default();
        let mut parts = self.ids.split_off(start);
        parts.dedup();
        self.ids.append(&mut parts);
    }

    /// Whether the newest run is this subject's, with these terms.
    fn continues(&self, at: usize, terms: u32) -> bool {
        let newest = self.runs.last().filter(|run| run.terms == terms);
        newest.is_some() && self.last.get(at).is_some_and(|last| *last as usize + 1 == self.runs.len())
    }

    /// Begins a run of the subject `at`.
    fn run(&mut self, at: usize, terms: u32) -> Result<()> {
        let many = |_| Error::usage("more than 4294967295 identifiers");
        let start = u32::try_from(self.ids.len()).map_err(many)?;
        let this = u32::try_from(self.runs.len()).map_err(many)?;
        let Some(last) = self.last.get_mut(at) else { return Ok(()) };
        let first = self.runs.get_mut(*last as usize).map(|run| std::mem::replace(&mut run.next, this));
        *last = this;
        self.runs.push(Run { start, next: first.unwrap_or(this), terms });
        Ok(())
    }

    fn cancel(&mut self, at: usize) {
        if let Some(last) = self.last.get_mut(at).filter(|last| **last != NONE) {
            if let Some(cleared) = &mut self.cleared {
                cleared.push((at as u32, *last));
            }
            *last = NONE;
        }
        if let Some(from) = self.from.get_mut(at) {
            *from = UNTOLD;
        }
        self.flag(at, CANCELLED, 0);
    }

    /// An identifier of the subject comes in force at that time.
    fn tell(&mut self, at: usize, from: i64) {
        if self.from.len() <= at {
            self.from.resize(at + 1, UNTOLD);
        }
        if let Some(earliest) = self.from.get_mut(at) {
            *earliest = from.min(*earliest);
        }
    }

    fn flag(&mut self, at: usize, on: u8, off: u8) {
        if let Some(flags) = self.flags.get_mut(at) {
            *flags = (*flags | on) & !off;
        }
    }

    fn has(&self, at: usize, flag: u8) -> bool {
        self.flags.get(at).is_some_and(|flags| flags & flag != 0)
    }

    /// The identifiers of the ring that ends with the run `last`.
    fn drafts(&self, last: u32) -> impl Iterator<Item = Draft<'_>> + Clone {
        let mut next = self.runs.get(last as usize).map(|run| run.next);
        let runs = std::iter::from_fn(move || {
            let at = next?;
            let run = self.runs.get(at as usize)?;
            next = (at != last).then_some(run.next);
            Some((at, run))
        });
        runs.flat_map(|(at, run)| {
            let end = self.runs.get(at as usize + 1).map_or(self.ids.len(), |next| next.start as usize);
            let ids = self.ids.get(run.start as usize..end).unwrap_or_default();
            let each = if run.terms & ALL_OF == 0 { 1 } else { ids.len().max(1) };
            let terms = self.times.get(run.terms & !ALL_OF);
            ids.chunks(each).map(move |ids| Draft { ids, terms })
        })
    }
}

/// One subject.
#[derive(Clone, Copy)]
pub(super) struct Track<'l> {
    ledger: &'l Ledger<'l>,
    at: usize,
}

/// One identifier.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Draft<'l> {
    /// The values that must match together, ascending, each once.
    pub ids: &'l [ValueId],
    pub terms: Terms,
}

impl<'l> Track<'l> {
    /// The reference as written; `None`: `L<line>`.
    pub(super) fn name(self) -> Option<&'l str> {
        self.ledger.names.get(self.at)
    }

    /// Line of the first event.
    pub(super) fn line(self) -> u64 {
        self.ledger.lines.get(self.at).map_or(0, |line| u64::from(*line))
    }

    /// Identifiers since the last cancel.
    pub(super) fn drafts(self) -> impl Iterator<Item = Draft<'l>> + Clone {
        self.ledger.drafts(self.ledger.last.get(self.at).copied().unwrap_or(NONE))
    }

    /// Whether there are none.
    pub(super) fn is_bare(self) -> bool {
        self.drafts().next().is_none()
    }

    /// The newest of hold and release, if it is a hold.
    pub(super) fn hold(self) -> Option<&'l Hold> {
        self.ledger.holds.get(&(self.at as u32)).filter(|_| self.ledger.has(self.at, HELD))
    }

    /// The newest of erase and cancel is a cancel.
    pub(super) fn cancelled(self) -> bool {
        self.ledger.has(self.at, CANCELLED)
    }

    /// The reference holds a value of its own subject.
    pub(super) fn tells(self) -> bool {
        self.ledger.has(self.at, TELLS)
    }

    /// Has an erase after `as_of_seq`.
    pub(super) fn later(self) -> bool {
        self.ledger.has(self.at, LATER)
    }

    /// Has an erase at all.
    pub(super) fn erased(self) -> bool {
        self.ledger.has(self.at, ERASED)
    }

    /// Since when it has been or will be in force, if that is told: seconds since the epoch.
    pub(super) fn since(self) -> Option<i64> {
        self.ledger.from.get(self.at).copied().filter(|from| *from != UNTOLD)
    }

    /// Whether the subject is under a hold at `now`.
    pub(super) fn held(self, now: Timestamp) -> bool {
        self.hold().is_some_and(|hold| hold.until.is_none_or(|until| until > now))
    }
}
