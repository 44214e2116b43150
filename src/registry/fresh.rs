//! Who is new: the identifiers in force now that were not at an earlier point of the same registry.
//!
//! Both points are resolved by the registry's own code ([`super::read`] with `now`, `as_of_seq` and `as_of_sha256`); this file
//! compares what came out. An artifact that was clean then holds no identifier that was in force, and none that was held (a held
//! one is counted as left, and such an artifact is not relied on), whoever's it was. So an identifier counts by its values and
//! its `before`, not by its subject: new is one that is in force now and was not in force then. Held identifiers decide what
//! happens to a record of somebody else, so that all that are held now are searched for along with the new ones; that alone is
//! no reason to read, unless one was neither in force nor held then: nobody has counted it yet.
//!
//! Memory: 17 bytes an identifier for each point that is compared, one at a time.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::error::Result;
use crate::matcher::needles::{Builder, Hold};
use crate::matcher::{Claim, Needles, SubjectId, ValueId, Values};

/// An identifier by its values and `before`: half of a SHA-256, for nobody may be able to make two alike.
type Key = [u8; 16];

/// Which of today's identifiers must be searched for.
#[derive(Debug)]
pub struct Fresh<'n> {
    now: &'n Needles,
    /// For each claim, whether some earlier point asks for it.
    wanted: Vec<bool>,
}

impl<'n> Fresh<'n> {
    /// Nothing is asked for yet of those who are searched for now.
    pub fn new(now: &'n Needles) -> Self {
        Self { now, wanted: Vec::new() }
    }

    /// Asks for what is new since `then`. Says whether an artifact that was clean then must be read.
    pub fn since(&mut self, then: &Needles) -> bool {
        let mut known: HashMap<Key, bool> = HashMap::new();
        for (_, claim) in then.claims() {
            *known.entry(key(then, &claim)).or_default() |= in_force(then, &claim);
        }
        let mut any = false;
        for (at, claim) in self.now.claims() {
            // `Some(true)`: it was in force; `Some(false)`: held.
            let before = known.get(&key(self.now, &claim));
            let new = if in_force(self.now, &claim) { before != Some(&true) } else { before.is_none() };
            any |= new;
            if new {
                self.want(at);
            }
        }
        any
    }

    fn want(&mut self, at: u32) {
        let at = at as usize;
        self.wanted.resize(self.wanted.len().max(at + 1), false);
        self.wanted.get_mut(at).into_iter().for_each(|wanted| *wanted = true);
    }

    /// What is asked for and all that is held, as needles of their own; `None` if nothing is asked for. Errors: as
    /// [`Builder`]'s.
    pub fn needles(mut self) -> Result<Option<Needles>> {
        if !self.wanted.contains(&true) {
            return Ok(None);
        }
        let now = self.now;
        now.claims().filter(|(_, claim)| !in_force(now, claim)).for_each(|(at, _)| self.want(at));
        let mut needles = Builder::default();
        let mut values = Values::default();
        let mut ids: HashMap<ValueId, ValueId> = HashMap::new();
        let mut last: Option<SubjectId> = None;
        for (at, claim) in now.claims() {
            if self.wanted.get(at as usize) != Some(&true) {
                continue;
            }
            // Claims stand by subject.
            if last != Some(claim.subject) {
                last = Some(claim.subject);
                if let Some(subject) = now.subject(claim.subject) {
                    let hold = if subject.held { Hold::Open } else { Hold::None };
                    needles.subject(subject.reference, hold, now.since(claim.subject))?;
                }
            }
            let mut own = Vec::new();
            for old in claim.values() {
                let id = match ids.get(&old) {
                    Some(id) => *id,
                    None => {
                        let Some(value) = now.value(old) else { continue };
                        let id = values.push(value.kind, &value.bytes(), &value.written())?;
                        ids.insert(old, id);
                        id
                    }
                };
                own.push(id);
            }
            own.sort_unstable();
            needles.claim(&own, None, claim.before)?;
        }
        needles.finish(values).map(Some)
    }
}

fn in_force(needles: &Needles, claim: &Claim<'_>) -> bool {
    needles.subject(claim.subject).is_some_and(|subject| !subject.held)
}

fn key(needles: &Needles, claim: &Claim<'_>) -> Key {
    let mut values: Vec<_> = claim.values().filter_map(|id| needles.value(id)).collect();
    values.sort_unstable_by(|a, b| (a.kind, &*a.bytes()).cmp(&(b.kind, &*b.bytes())));
    let mut hash = Sha256::new();
    for value in values {
        hash.update([value.kind as u8]);
        hash.update((value.bytes().len() as u64).to_le_bytes());
        hash.update(&*value.bytes());
    }
    match claim.before {
        None => hash.update([0]),
        Some(before) => {
            hash.update([0xff]);
            hash.update(before.as_nanosecond().to_le_bytes());
        }
    }
    let digest: [u8; 32] = hash.finalize().into();
    digest.first_chunk().copied().unwrap_or_default()
}
