//! From what the events come to, to what is kept of it: everybody with an identifier, and when that changes who counts.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::head::CHANGE;
use crate::error::Result;
use crate::matcher::column::{Column, time};
use crate::matcher::needles::{Builder, Hold};
use crate::matcher::{Needles, ValueId};
use crate::registry::ledger::{Ledger, Track};
use crate::registry::resolve::{Renumbered, Shown};

/// The needles of everybody, and how many are in force, held, pending and cancelled from when on.
pub(super) fn all(ledger: Ledger<'_>) -> Result<(Needles, Column<CHANGE>)> {
    let mut tally = Tally::default();
    let mut needles = Builder::default();
    let shown = Shown::new(&ledger.values, &ledger.names);
    let ids = Renumbered::new(&ledger, |_, _| true);
    for track in ledger.tracks() {
        let hold = match track.hold() {
            None => Hold::None,
            Some(hold) => hold.until.map_or(Hold::Open, Hold::Until),
        };
        let mut claims: Vec<(&[ValueId], Option<Timestamp>, Option<Timestamp>)> =
            track.drafts().map(|draft| (draft.ids, draft.terms.before, draft.terms.effective_at)).collect();
        claims.sort_unstable();
        // The earliest stands; at once is earlier than any time.
        claims.dedup_by_key(|claim| (claim.0, claim.1));
        let first = claims.iter().map(|claim| claim.2).min();
        tally.add(hold, first.map_or_else(|| Own::none(track), Own::from));
        if !claims.is_empty() {
            needles.subject(&shown.reference(track), hold, track.since())?;
            for (values, before, effective_at) in claims {
                needles.claim(&ids.of(values), effective_at, before)?;
            }
        }
    }
    drop(shown);
    Ok((needles.finish(ids.kept(ledger.values.into_values())?)?, tally.changes()))
}

/// Places in a change's numbers.
const IN_FORCE: usize = 0;
const HELD: usize = 1;
const PENDING: usize = 2;
const CANCELLED: usize = 3;

/// What a subject is without a hold, and from when on it is in force instead.
struct Own(Option<usize>, Option<Timestamp>);

impl Own {
    /// Without identifiers.
    fn none(track: Track<'_>) -> Self {
        Self(track.cancelled().then_some(CANCELLED), None)
    }

    /// With a first identifier that comes in force at that time, or at once.
    fn from(first: Option<Timestamp>) -> Self {
        Self(Some(if first.is_some() { PENDING } else { IN_FORCE }), first)
    }
}

/// Changes of the four numbers by their time; those of no time are the beginning.
#[derive(Default)]
struct Tally(BTreeMap<Option<Timestamp>, [i64; 4]>);

impl Tally {
    fn add(&mut self, hold: Hold, Own(before, change): Own) {
        match hold {
            Hold::Open => self.step(None, None, Some(HELD)),
            Hold::None => {
                self.step(None, None, before);
                if let Some(at) = change {
                    self.step(Some(at), before, Some(IN_FORCE));
                }
            }
            Hold::Until(until) => {
                self.step(None, None, Some(HELD));
                match change.filter(|at| *at > until) {
                    Some(at) => {
                        self.step(Some(until), Some(HELD), before);
                        self.step(Some(at), before, Some(IN_FORCE));
                    }
                    None => self.step(Some(until), Some(HELD), change.map_or(before, |_| Some(IN_FORCE))),
                }
            }
        }
    }

    fn step(&mut self, at: Option<Timestamp>, from: Option<usize>, to: Option<usize>) {
        let numbers = self.0.entry(at).or_default();
        for (place, by) in [(from, -1), (to, 1)] {
            if let Some(number) = place.and_then(|place| numbers.get_mut(place)) {
                *number += by;
            }
        }
    }

    /// The numbers from each time on.
    fn changes(mut self) -> Column<CHANGE> {
        self.0.entry(None).or_default();
        let (mut now, mut out) = ([0; 4], Column::default());
        for (at, by) in self.0 {
            let mut change = [0; CHANGE];
            let (when, numbers) = change.split_at_mut(12);
            when.copy_from_slice(&time(at));
            for ((number, by), into) in now.iter_mut().zip(by).zip(numbers.as_chunks_mut::<4>().0) {
                *number += by;
                *into = u32::try_from(*number).unwrap_or(u32::MAX).to_le_bytes();
            }
            out.push(change);
        }
        out
    }
}
