//! From what the events come to, to who is searched for at the run's "now".
//!
//! Every subject is judged once. Into the needles go the identifiers in force, and all identifiers of held subjects,
//! pending ones too, for a hold protects whatever the subject will be known by. What is neither is as if absent. A
//! reference that would show an identifier is shown as `L<line>`.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::event::Terms;
use super::intern::Intern;
use super::ledger::{Draft, Ledger, Track};
use super::names::{Alike, Names};
use super::{Entry, Identifier, Listing, Registry, Revealed, State, value};
use crate::error::Result;
use crate::limits::SPELLING_DEPTH;
use crate::matcher::needles::{Builder, Hold};
use crate::matcher::spelling::decode;
use crate::matcher::{Spelling, Type, Value, ValueId, ValueRef, Values};

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
        now,
        in_force: 0,
        held: 0,
        pending: 0,
        cancelled: 0,
        new_since: Vec::new(),
        listing: Vec::new(),
        findings: Vec::new(),
    };
    let shown = Shown::new(&ledger.values, &ledger.names);
    let ids = Renumbered::new(&ledger, |track, draft| {
        let judge = Judge { track, now };
        judge.state() == State::Held || judge.effective(draft)
    });
    let mut needles = Builder::default();
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
        let claims = judge.claims();
        if !claims.is_empty() {
            let hold = if state == State::Held { Hold::Open } else { Hold::None };
            needles.subject(&shown.reference(track), hold, track.since())?;
            for (values, before) in claims {
                needles.claim(&ids.of(values), None, before)?;
            }
        }
    }
    drop(shown);
    registry.needles = Arc::new(needles.finish(ids.kept(ledger.values.into_values())?)?);
    Ok(registry)
}

/// Values that no claim names are left out: the others have new ids, in the same order, so that those of a composite stay
/// ascending.
pub(super) struct Renumbered {
    /// For each value its new id, or `u32::MAX`; empty if all are kept as they are.
    ids: Vec<ValueId>,
}

impl Renumbered {
    /// For the identifiers that `wants` asks for.
    pub(super) fn new(ledger: &Ledger<'_>, wants: impl Fn(Track<'_>, &Draft<'_>) -> bool) -> Self {
        let mut used = vec![false; ledger.values.values().len()];
        for track in ledger.tracks() {
            for draft in track.drafts().filter(|draft| wants(track, draft)) {
                for id in draft.ids {
                    used.get_mut(*id as usize).into_iter().for_each(|used| *used = true);
                }
            }
        }
        if !used.contains(&false) {
            return Self { ids: Vec::new() };
        }
        let mut next = 0;
        let number = |used: bool| {
            let id = if used { next } else { ValueId::MAX };
            next += u32::from(used);
            id
        };
        Self { ids: used.into_iter().map(number).collect() }
    }

    /// The new ids of `values`.
    pub(super) fn of<'v>(&self, values: &'v [ValueId]) -> Cow<'v, [ValueId]> {
        if self.ids.is_empty() {
            return Cow::Borrowed(values);
        }
        values.iter().map(|id| self.ids.get(*id as usize).copied().unwrap_or(*id)).collect()
    }

    /// The values that are kept.
    pub(super) fn kept(&self, values: Values) -> Result<Values> {
        if self.ids.is_empty() {
            return Ok(values);
        }
        let mut kept = Values::default();
        for (value, _) in values.iter().zip(&self.ids).filter(|(_, id)| **id != ValueId::MAX) {
            kept.push(value.kind, &value.bytes(), &value.written())?;
        }
        Ok(kept)
    }
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

    /// The identifiers that are in force or held, each once, by the registry's ids.
    fn claims(&self) -> Vec<(&[ValueId], Option<Timestamp>)> {
        let held = self.track.held(self.now);
        let drafts = self.track.drafts().filter(|draft| held || self.effective(draft));
        let mut claims: Vec<_> = drafts.map(|draft| (draft.ids, draft.terms.before)).collect();
        claims.sort_unstable();
        claims.dedup();
        claims
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
            Identifier { parts: parts.map(|value| (value.kind, text(&value))).collect(), effective_at, before }
        });
        Revealed {
            reference: Zeroizing::new(reference),
            reason: reason.map(|reason| Zeroizing::new(reason.to_owned())),
            identifiers: identifiers.collect(),
        }
    }
}

/// The value as the registry wrote it.
fn text(value: &ValueRef<'_>) -> Zeroizing<String> {
    Zeroizing::new(String::from_utf8_lossy(&value.text()).into_owned())
}

/// The value's text as the registry wrote it, trimmed.
pub(super) fn written(value: &Value) -> &[u8] {
    if value.written.is_empty() { &value.bytes } else { &value.written }
}

/// How references are shown.
pub(super) struct Shown<'a> {
    values: &'a Intern,
    names: &'a Names,
    /// References that are some value's text, case aside.
    hidden: Alike<'a>,
}

impl<'a> Shown<'a> {
    pub(super) fn new(values: &'a Intern, names: &'a Names) -> Self {
        // Of these any form is found by what it canonically is: see `is_value`. Others are written as their bytes, case aside.
        let other = |value: &ValueRef<'_>| !matches!(value.kind, Type::Uuid | Type::Ip);
        let hidden = names.like(values.values().iter().filter(other).map(|value| value.bytes()));
        Self { values, names, hidden }
    }

    /// The reference of `track`, or `L<line>` if it would show an identifier.
    pub(super) fn reference(&self, track: Track<'_>) -> String {
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
        self.hidden.has(name)
            || [Type::Uuid, Type::Ip, Type::Phone].map(form).contains(&true)
            || self.is_spelled(name.as_bytes(), SPELLING_DEPTH)
    }

    /// Whether `name` decodes to an identifier of anybody: `alice%40example.com`.
    fn is_spelled(&self, name: &[u8], depth: usize) -> bool {
        depth > 0
            && Spelling::ALL.into_iter().filter_map(|spelling| decode(spelling, name)).any(|(decoded, _)| {
                let text = String::from_utf8_lossy(&decoded);
                let is = |kind| {
                    let bytes = value::canonical(kind, value::trim(kind, &text));
                    bytes.is_some_and(|bytes| self.values.find(kind, &bytes).is_some())
                };
                Type::ALL.into_iter().any(is) || self.is_spelled(&decoded, depth - 1)
            })
    }
}
