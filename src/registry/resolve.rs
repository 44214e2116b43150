//! From what the events come to, to who is searched for at the run's "now".
//!
//! Every subject is judged once. Into the needles go the identifiers in force, and all identifiers of held subjects,
//! pending ones too, for a hold protects whatever the subject will be known by. What is neither is as if absent. A
//! reference that would show an identifier is shown as `L<line>`.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, RandomState};
use std::sync::Arc;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::event::Terms;
use super::intern::{Hashed, Intern};
use super::ledger::{Draft, Ledger, Track};
use super::names::Names;
use super::{Entry, Identifier, Listing, Registry, Revealed, State, value};
use crate::error::{Error, Result};
use crate::matcher::{Claim, Needles, Subject, SubjectId, Type, Value, ValueId};

/// Judges every subject. Usage errors: more identifiers than can be numbered.
pub(super) fn resolve(ledger: Ledger<'_>, sha256: String, mtime: Timestamp) -> Result<Registry> {
    let now = ledger.options.now;
    let mut registry = Registry {
        needles: Arc::default(),
        sha256,
        txt_type: ledger.options.txt_type,
        grown: false,
        seq: ledger.seq,
        newest_at: ledger.newest_at,
        written: ledger.newest_at.unwrap_or(mtime),
        since: Vec::new(),
        in_force: 0,
        held: 0,
        pending: 0,
        cancelled: 0,
        new_since: Vec::new(),
        listing: Vec::new(),
        findings: Vec::new(),
    };
    let shown = Shown::new(&ledger.values, &ledger.names);
    let mut needles = Needles::default();
    for track in ledger.tracks() {
        let judge = Judge { track, now };
        let state = judge.state();
        match state {
            State::Held => registry.held += 1,
            State::InForce => registry.in_force += 1,
            State::Pending => registry.pending += 1,
            State::Cancelled => registry.cancelled += 1,
            State::Idle => {}
        }
        if track.later() {
            registry.new_since.push(shown.reference(track));
        }
        if ledger.options.listing != Listing::None {
            let reveal = ledger.options.listing == Listing::Reveal;
            let entry = judge.entry(state, shown.reference(track), &ledger.values, reveal);
            registry.listing.push(entry);
        }
        if matches!(state, State::Held | State::InForce) {
            let before = needles.claims.len();
            judge.claim(state == State::Held, &mut needles)?;
            if needles.claims.len() > before {
                needles.subjects.push(Subject { reference: shown.reference(track), held: state == State::Held });
                registry.since.push(track.since(now).unwrap_or(registry.written));
            }
        }
    }
    drop(shown);
    settle(&mut needles, ledger.values.into_values());
    registry.needles = Arc::new(needles);
    Ok(registry)
}

/// One subject at the run's "now".
struct Judge<'a> {
    track: Track<'a>,
    now: Timestamp,
}

impl Judge<'_> {
    /// Whether the grace period of `draft` is over.
    fn effective(&self, draft: &Draft<'_>) -> bool {
        let effective_at = draft.terms.effective_at;
        effective_at.is_none_or(|at| at <= self.now)
    }

    fn state(&self) -> State {
        if self.track.held(self.now) {
            State::Held
        } else if self.track.drafts().any(|draft| self.effective(&draft)) {
            State::InForce
        } else if !self.track.is_bare() {
            State::Pending
        } else if self.track.cancelled() {
            State::Cancelled
        } else {
            State::Idle
        }
    }

    /// Adds the subject's claims, each once, under the next subject's id. Value ids are still those of the registry.
    fn claim(&self, held: bool, needles: &mut Needles) -> Result<()> {
        let many = |_| Error::usage("more than 4294967295 subjects");
        let subject = SubjectId::try_from(needles.subjects.len()).map_err(many)?;
        let drafts = self.track.drafts();
        let mut claims: Vec<(&[ValueId], Option<Timestamp>)> =
            drafts.filter(|draft| held || self.effective(draft)).map(|draft| (draft.ids, draft.terms.before)).collect();
        claims.sort_unstable();
        claims.dedup();
        needles.claims.extend(claims.into_iter().map(|(values, before)| Claim {
            subject,
            values: values.into(),
            before,
        }));
        u32::try_from(needles.claims.len()).map_err(|_| Error::usage("more than 4294967295 identifiers"))?;
        Ok(())
    }

    fn entry(&self, state: State, reference: String, values: &Intern, reveal: bool) -> Entry {
        let mut counts = [0; Type::ALL.len()];
        let mut composites = 0;
        for draft in self.track.drafts() {
            composites += u32::from(draft.ids.len() > 1);
            for value in draft.ids.iter().filter_map(|id| values.get(*id)) {
                let kinds = Type::ALL.iter().zip(&mut counts);
                kinds.filter(|(kind, _)| **kind == value.kind).for_each(|(_, n)| *n += 1);
            }
        }
        let ends = self.track.drafts();
        let ends = ends.filter_map(|draft| draft.terms.effective_at);
        let hold = self.track.hold().filter(|_| state == State::Held);
        Entry {
            reference,
            line: self.track.line(),
            state,
            values: counts,
            composites,
            effective_at: ends.filter(|at| *at > self.now).min(),
            held_until: hold.and_then(|hold| hold.until),
            revealed: reveal.then(|| self.reveal(values)),
        }
    }

    fn reveal(&self, values: &Intern) -> Revealed {
        let reference = match self.track.name() {
            Some(name) => name.to_string(),
            None => format!("L{}", self.track.line()),
        };
        let hold = self.track.hold();
        let reason = hold.and_then(|hold| hold.reason.as_deref());
        let identifiers = self.track.drafts().map(|draft| {
            let parts = draft.ids.iter().filter_map(|id| values.get(*id));
            let Terms { effective_at, before } = draft.terms;
            Identifier { parts: parts.map(|value| (value.kind, text(value))).collect(), effective_at, before }
        });
        Revealed {
            reference: Zeroizing::new(reference),
            reason: reason.map(|reason| Zeroizing::new(reason.to_owned())),
            identifiers: identifiers.collect(),
        }
    }
}

/// The value as the registry wrote it.
fn text(value: &Value) -> Zeroizing<String> {
    Zeroizing::new(String::from_utf8_lossy(written(value)).into_owned())
}

/// The value's text as the registry wrote it, trimmed.
pub(super) fn written(value: &Value) -> &[u8] {
    if value.written.is_empty() { &value.bytes } else { &value.written }
}

/// Keeps the values that claims name, numbers them anew, and makes the way back from values to claims.
fn settle(needles: &mut Needles, mut values: Vec<Value>) {
    let mut used = vec![false; values.len()];
    for id in needles.claims.iter().flat_map(|claim| &claim.values) {
        if let Some(used) = used.get_mut(*id as usize) {
            *used = true;
        }
    }
    let mut keep = used.iter();
    values.retain(|_| keep.next().is_some_and(|used| *used));
    values.shrink_to_fit();
    // Ids keep their order, so that the values of a composite stay ascending.
    let mut next = 0;
    let number = |used: bool| {
        let id = next;
        next += u32::from(used);
        id
    };
    let ids: Vec<ValueId> = used.into_iter().map(number).collect();
    let mut claims_of = vec![Vec::new(); values.len()];
    for (claim, at) in needles.claims.iter_mut().zip(0u32..) {
        for value in &mut claim.values {
            *value = ids.get(*value as usize).copied().unwrap_or_default();
            if let Some(claims) = claims_of.get_mut(*value as usize) {
                claims.push(at);
            }
        }
    }
    needles.values = values;
    needles.claims_of = claims_of;
}

/// How references are shown.
struct Shown<'a> {
    values: &'a Intern,
    names: &'a Names,
    /// Hashes of the references that are some value's text, case aside. One that is there by chance is hidden, which does
    /// no harm.
    hidden: Hashes,
    keys: RandomState,
}

type Hashes = HashSet<u64, BuildHasherDefault<Hashed>>;

impl<'a> Shown<'a> {
    fn new(values: &'a Intern, all: &'a Names) -> Self {
        let keys = RandomState::new();
        let names: Hashes = all.iter().map(|name| fold(&keys, name)).collect();
        let mut hidden = Hashes::default();
        if !names.is_empty() {
            for value in values.values() {
                for text in [&value.bytes, &value.written] {
                    let text = std::str::from_utf8(text).unwrap_or_default();
                    hidden.extend(Some(fold(&keys, text)).filter(|hash| names.contains(hash)));
                }
            }
        }
        Self { values, names: all, hidden, keys }
    }

    /// The reference of `track`, or `L<line>` if it would show an identifier.
    fn reference(&self, track: Track<'_>) -> String {
        match track.name() {
            Some(name) if !track.tells() && !self.is_value(name) => name.to_owned(),
            name => {
                let line = format!("L{}", track.line());
                if name.is_none() || self.names.find(&line).is_none() {
                    return line;
                }
                // Somebody else is called that: two people must not be counted as one.
                let others = (2u64..).map(|n| format!("{line}-{n}"));
                let mut free = others.filter(|other| self.names.find(other).is_none());
                free.next().unwrap_or(line)
            }
        }
    }

    /// Whether a reference is an identifier of anybody, in any case and any form of its type.
    fn is_value(&self, name: &str) -> bool {
        let form = |kind| {
            let bytes = value::canonical(kind, name);
            bytes.is_some_and(|bytes| self.values.find(kind, &bytes).is_some())
        };
        self.hidden.contains(&fold(&self.keys, name)) || [Type::Uuid, Type::Ip, Type::Phone].map(form).contains(&true)
    }
}

/// A hash of `text`, case and white space around it aside.
fn fold(keys: &RandomState, text: &str) -> u64 {
    let text = text.trim();
    let plain = |b: u8| b.is_ascii() && !b.is_ascii_uppercase();
    if text.bytes().all(plain) { keys.hash_one(text) } else { keys.hash_one(text.to_lowercase().as_str()) }
}
