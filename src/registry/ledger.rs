//! Events in file order, on two tracks a subject.
//!
//! Erase adds identifiers and cancel clears them; hold protects and release ends it; neither track knows of the other.
//! [`Ledger`] keeps what the events so far come to, as small as can be: a registry has millions of subjects. What it
//! comes to at the run's "now" is for [`super::resolve`].

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::Options;
use super::event::{Change, Erase, Event, Hold, Identifier, Seq, Terms};
use super::intern::Intern;
use crate::error::{Error, Result};
use crate::matcher::reference::Reference;
use crate::matcher::{Engine, Needles, Plan, Unit, Value, ValueId};

/// All that the events so far come to.
pub(super) struct Ledger<'o> {
    pub options: &'o Options,
    pub values: Intern,
    /// In the order of their first events, so ascending by `line`.
    pub tracks: Vec<Track>,
    /// Subjects that were given a reference; the others are found by their line.
    pub by_name: HashMap<Arc<str>, usize>,
    /// Terms of events, runs of equal ones once; the first are those of a plain erase.
    pub terms: Vec<Terms>,
    /// The newest sequence number; 0 without events.
    pub seq: u64,
    pub newest_at: Option<Timestamp>,
    /// Identifiers that a cancel cleared, each with its subject, if they are to be kept.
    pub cleared: Option<Vec<(usize, Draft)>>,
    /// The lines so far were once all of it: see [`Options::as_of_sha256`].
    pub grown: bool,
    events: u64,
}

/// No time was told: later than any that can be.
const UNTOLD: i64 = i64::MAX;

/// One subject.
pub(super) struct Track {
    /// The reference as written; `None`: `L<line>`.
    pub name: Option<Arc<str>>,
    /// Line of the first event.
    pub line: u64,
    /// Sequence number of the first event.
    pub seq: u64,
    /// Identifiers since the last cancel.
    pub drafts: Vec<Draft>,
    /// The earliest time at which one of them came or comes in force, seconds since the epoch; [`UNTOLD`] if none is told.
    from: i64,
    /// The newest of hold and release, if it is a hold.
    pub hold: Option<Box<Hold>>,
    /// The newest of erase and cancel is a cancel.
    pub cancelled: bool,
    /// The reference holds a value of its own subject.
    pub tells: bool,
    /// Has an erase after `as_of_seq`.
    pub later: bool,
    /// Has an erase at all.
    pub erased: bool,
}

/// One identifier and the index of its terms.
pub(super) struct Draft {
    pub values: Values,
    pub terms: u32,
}

/// Values that must match together, ascending, each once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Values {
    One(ValueId),
    AllOf(Box<[ValueId]>),
}

impl<'o> Ledger<'o> {
    pub(super) fn new(options: &'o Options) -> Self {
        Self {
            options,
            values: Intern::default(),
            tracks: Vec::new(),
            by_name: HashMap::new(),
            terms: vec![Terms::default()],
            seq: 0,
            newest_at: None,
            cleared: None,
            grown: false,
            events: 0,
        }
    }

    /// Plays one event. A usage error if its sequence number does not rise.
    pub(super) fn push(&mut self, event: Event<'_>) -> Result<()> {
        let known = match event.subject {
            Some(reference) => self.find(reference.0),
            None => self.find(&format!("L{}", event.line)),
        };
        let seq = match (event.seq, known.and_then(|at| self.tracks.get(at))) {
            (Seq::OfSubject, Some(track)) => track.seq,
            (seq, _) => self.next_seq(seq)?,
        };
        self.newest_at = self.newest_at.max(event.at);
        let at = known.unwrap_or_else(|| {
            let name = event.subject.map(|reference| Arc::from(reference.0));
            self.open(name, event.line, seq)
        });
        let judged = self.options.as_of_seq.is_none_or(|last| seq <= last);
        match event.change {
            Change::Erase(erase) => {
                let from = erase.terms.effective_at.or(event.at);
                if let (Some(from), Some(track), true) = (from, self.tracks.get_mut(at), judged) {
                    track.from = track.from.min(from.as_second());
                }
                self.erase(at, erase, judged)
            }
            change => {
                if let Some(track) = self.tracks.get_mut(at).filter(|_| judged) {
                    if let (Change::Cancel, Some(cleared)) = (&change, &mut self.cleared) {
                        cleared.extend(track.drafts.drain(..).map(|draft| (at, draft)));
                    }
                    track.play(change);
                }
                Ok(())
            }
        }
    }

    /// The subject of that reference. `L<line>` is the one that began there without a reference, or whose reference is
    /// shown so because it is an identifier: what an operator reads in a listing can be cancelled and held.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied().or_else(|| {
            let digits = name.strip_prefix('L')?;
            let line = digits.parse::<u64>().ok()?;
            let at = self.tracks.binary_search_by_key(&line, |t| t.line).ok()?;
            let track = self.tracks.get(at)?;
            let plain = !digits.starts_with(['0', '+']);
            (plain && (track.name.is_none() || track.tells)).then_some(at)
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

    fn open(&mut self, name: Option<Arc<str>>, line: u64, seq: u64) -> usize {
        let at = self.tracks.len();
        if let Some(name) = &name {
            self.by_name.insert(Arc::clone(name), at);
        }
        self.tracks.push(Track {
            name,
            line,
            seq,
            drafts: Vec::new(),
            from: UNTOLD,
            hold: None,
            cancelled: false,
            tells: false,
            later: false,
            erased: false,
        });
        at
    }

    /// Adds identifiers to the subject `at`. Of an event that is not judged only the values are kept: no reference may be
    /// one of them.
    fn erase(&mut self, at: usize, erase: Erase, judged: bool) -> Result<()> {
        let terms = self.terms_of(erase.terms)?;
        let Some(track) = self.tracks.get_mut(at) else {
            return Ok(());
        };
        let reference = track.name.as_deref().map(str::to_lowercase);
        track.erased = true;
        if judged {
            track.cancelled = false;
            if track.drafts.is_empty() {
                track.drafts.reserve_exact(erase.identifiers.len());
            }
        } else {
            track.later = true;
        }
        for identifier in erase.identifiers {
            let mut keep = |value: Value| {
                track.tells |= reference.as_deref().is_some_and(|r| tells(r, &value));
                self.values.insert(&value)
            };
            let values = match identifier {
                Identifier::One(value) => Values::One(keep(value)?),
                Identifier::AllOf(values) => {
                    let mut ids = values.into_iter().map(keep).collect::<Result<Vec<_>>>()?;
                    ids.sort_unstable();
                    ids.dedup();
                    Values::AllOf(ids.into())
                }
            };
            if judged {
                track.drafts.push(Draft { values, terms });
            }
        }
        Ok(())
    }

    /// The index of `terms`.
    fn terms_of(&mut self, terms: Terms) -> Result<u32> {
        if terms == Terms::default() {
            return Ok(0);
        }
        if self.terms.last() != Some(&terms) {
            self.terms.push(terms);
        }
        u32::try_from(self.terms.len() - 1).map_err(|_| Error::usage("more than 4294967295 events"))
    }
}

impl Track {
    fn play(&mut self, change: Change) {
        match change {
            Change::Cancel => {
                self.drafts = Vec::new();
                self.from = UNTOLD;
                self.cancelled = true;
            }
            Change::Hold(hold) => self.hold = Some(Box::new(hold)),
            Change::Release => self.hold = None,
            // Ledger::erase: it needs the values.
            Change::Erase(_) => {}
        }
    }

    /// Since when it has been or will be in force, if that is told: seconds since the epoch.
    pub(super) fn since(&self) -> Option<i64> {
        (self.from != UNTOLD).then_some(self.from)
    }

    /// Whether the subject is under a hold at `now`.
    pub(super) fn held(&self, now: Timestamp) -> bool {
        let hold = self.hold.as_deref();
        hold.is_some_and(|hold| hold.until.is_none_or(|until| until > now))
    }
}

impl Draft {
    /// The values that must match together.
    pub(super) fn ids(&self) -> &[ValueId] {
        match &self.values {
            Values::One(id) => std::slice::from_ref(id),
            Values::AllOf(ids) => ids,
        }
    }
}

/// Whether `value` stands in a reference in another spelling or form: `alice%40example.com`, an address written out. Plain
/// references (letters, digits, `_` and `-`) have no other spelling, and cost nothing.
fn is_spelled(reference: &str, value: &Value) -> bool {
    if reference.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)) {
        return false;
    }
    // One value can be numbered; else it is hidden.
    let Ok(needles) = Needles::of_values([value]) else {
        return true;
    };
    let engine = Reference::new(&Plan { needles: Arc::new(needles), fields: Arc::default() });
    let mut hits = Vec::new();
    engine.hits(&Unit { text: reference.as_bytes(), fields: &[], table: None }, &mut hits);
    !hits.is_empty()
}

/// Whether a reference (in lower case) that is shown would show `value`: an anywhere-type's text stands in it, one of
/// fewer than 6 bytes between non-alphanumerics. Ids that only count in identifying fields often are part of a
/// reference by design (`user-1207`), and hidden only if they are all of it.
fn tells(reference: &str, value: &Value) -> bool {
    const ALONE: usize = 6;
    let stands = |text: &[u8]| {
        let Ok(text) = std::str::from_utf8(text) else {
            return false;
        };
        if text.is_empty() || text.len() > reference.len() {
            return false;
        }
        let text = text.to_lowercase();
        let edge = |c: Option<char>| text.len() >= ALONE || !c.is_some_and(char::is_alphanumeric);
        reference.match_indices(&text).any(|(at, text)| {
            let before = reference.get(..at).unwrap_or_default();
            let after = reference.get(at + text.len()..).unwrap_or_default();
            edge(before.chars().next_back()) && edge(after.chars().next())
        })
    };
    if value.kind.anywhere() {
        stands(&value.written) || stands(&value.bytes) || is_spelled(reference, value)
    } else {
        std::str::from_utf8(&value.bytes).is_ok_and(|text| text.to_lowercase() == reference)
    }
}
