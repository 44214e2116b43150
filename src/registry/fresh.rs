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

use crate::matcher::{Claim, Needles, Subject, SubjectId, ValueId};

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
        Self { now, wanted: vec![false; now.claims.len()] }
    }

    /// Asks for what is new since `then`. Says whether an artifact that was clean then must be read.
    pub fn since(&mut self, then: &Needles) -> bool {
        let mut known: HashMap<Key, bool> = HashMap::with_capacity(then.claims.len());
        for claim in &then.claims {
            *known.entry(key(then, claim)).or_default() |= in_force(then, claim);
        }
        let mut any = false;
        for (claim, wanted) in self.now.claims.iter().zip(&mut self.wanted) {
            // `Some(true)`: it was in force; `Some(false)`: held.
            let before = known.get(&key(self.now, claim));
            let new = if in_force(self.now, claim) { before != Some(&true) } else { before.is_none() };
            *wanted |= new;
            any |= new;
        }
        any
    }

    /// What is asked for and all that is held, as needles of their own; `None` if nothing is asked for.
    pub fn needles(mut self) -> Option<Needles> {
        if !self.wanted.contains(&true) {
            return None;
        }
        for (claim, wanted) in self.now.claims.iter().zip(&mut self.wanted) {
            *wanted |= !in_force(self.now, claim);
        }
        let mut needles = Needles::default();
        let mut values: HashMap<ValueId, ValueId> = HashMap::new();
        let mut last: Option<SubjectId> = None;
        for (claim, _) in self.now.claims.iter().zip(&self.wanted).filter(|(_, wanted)| **wanted) {
            // Claims stand by subject.
            if last != Some(claim.subject) {
                last = Some(claim.subject);
                needles.subjects.extend(self.now.subjects.get(claim.subject as usize).cloned());
            }
            let at = needles.claims.len() as u32;
            let mut number = |old: &ValueId| {
                let new = *values.entry(*old).or_insert_with(|| {
                    needles.values.extend(self.now.values.get(*old as usize).cloned());
                    needles.claims_of.push(Vec::new());
                    (needles.values.len() - 1) as ValueId
                });
                if let Some(claims) = needles.claims_of.get_mut(new as usize) {
                    claims.push(at);
                }
                new
            };
            let mut ids: Vec<ValueId> = claim.values.iter().map(&mut number).collect();
            ids.sort_unstable();
            let subject = needles.subjects.len().saturating_sub(1) as SubjectId;
            needles.claims.push(Claim { subject, values: ids.into(), before: claim.before });
        }
        Some(needles)
    }
}

fn in_force(needles: &Needles, claim: &Claim) -> bool {
    needles.subjects.get(claim.subject as usize).is_some_and(|Subject { held, .. }| !held)
}

fn key(needles: &Needles, claim: &Claim) -> Key {
    let mut values: Vec<_> = claim.values.iter().filter_map(|id| needles.values.get(*id as usize)).collect();
    values.sort_unstable_by(|a, b| (a.kind, &a.bytes).cmp(&(b.kind, &b.bytes)));
    let mut hash = Sha256::new();
    for value in values {
        hash.update([value.kind as u8]);
        hash.update((value.bytes.len() as u64).to_le_bytes());
        hash.update(&value.bytes);
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
