//! Who is searched for, in columns.
//!
//! [`Needles`] are what a registry comes to. Read from a log they hold who is in force or held at the run's "now" and nobody
//! else. Mapped from a compiled registry they hold everybody, with the times at which that changes, and `now`
//! says which of them count: what does not is as if absent, through every method here. A claim is judged when somebody asks
//! for it, so that opening ten million of them is no work.
//!
//! About 40 bytes an identifier: 20 of its value, 4 of the claim, 4 of the way back, and a third of its subject.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::column::{Bytes, Column, read_time, time};
use super::literal::ready::Ready;
use super::values::{ValueRef, Values};
use super::{SubjectId, Type, Value, ValueId};
use crate::error::{Error, Result};

/// In a column of numbers: the rest of it is a place in `lists`.
const LIST: u32 = 1 << 31;
/// In the way back: no claim names the value.
const NOBODY: u32 = u32::MAX;

/// A subject, in force or held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'n> {
    /// The reference as it is shown: the registry's, or `L<line>`.
    pub reference: &'n str,
    /// Under a hold at the run's now.
    pub held: bool,
}

/// One identifier of one subject.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Claim<'n> {
    /// Whose.
    pub subject: SubjectId,
    /// Covers only records before this time.
    pub before: Option<Timestamp>,
    values: List<'n>,
}

impl<'n> Claim<'n> {
    /// All these values must match on one record, ascending; one for a plain identifier, more for `all_of`.
    pub fn values(&self) -> impl ExactSizeIterator<Item = ValueId> + Clone + use<'n> {
        self.values.iter()
    }
}

/// One number or some.
#[derive(Debug, Clone, Copy, PartialEq)]
enum List<'n> {
    One([u8; 4]),
    Some(&'n [[u8; 4]]),
}

impl<'n> List<'n> {
    fn iter(self) -> impl ExactSizeIterator<Item = u32> + Clone + use<'n> {
        let (one, some): (Option<[u8; 4]>, &[[u8; 4]]) = match self {
            Self::One(one) => (Some(one), &[]),
            Self::Some(some) => (None, some),
        };
        let len = some.len() + usize::from(one.is_some());
        let mut all = one.into_iter().chain(some.iter().copied()).map(u32::from_le_bytes);
        (0..len).map(move |_| all.next().unwrap_or_default())
    }
}

/// A hold on a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hold {
    /// None.
    #[default]
    None,
    /// Until it is released.
    Open,
    /// Until that time.
    Until(Timestamp),
}

impl Hold {
    /// Whether it holds at `now`.
    pub fn holds(self, now: Timestamp) -> bool {
        match self {
            Self::None => false,
            Self::Open => true,
            Self::Until(until) => until > now,
        }
    }
}

/// What is known of all values, so that nobody need look at each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traits {
    /// Values of each type, in the order of [`Type::ALL`].
    pub kinds: [u32; Type::ALL.len()],
    /// One of a type that is text holds a line feed.
    pub line_feed: bool,
    /// One holds a `"`.
    pub quote: bool,
    /// A claim covers only records before some time.
    pub before: bool,
}

/// Who is searched for. Values are distinct by (type, canonical bytes). Made by a [`Builder`].
#[derive(Clone, Default, PartialEq)]
pub struct Needles {
    values: Values,
    /// Ends of the subjects' references in `names`.
    name_ends: Column<4>,
    names: Bytes,
    /// For each subject 0: no hold, 1: one without end, 2: one with an end in `untils`.
    holds: Bytes,
    /// Subjects (rising) whose holds end, and when.
    until_of: Column<4>,
    untils: Column<12>,
    /// For each subject since when it is in force, seconds; `i64::MAX`: not told.
    since: Column<8>,
    /// For each subject the end of its claims, which stand one after another.
    claim_ends: Column<4>,
    /// For each claim its value, or its values in `lists`.
    targets: Column<4>,
    /// For each claim its terms in `terms`; empty: none has any.
    term_of: Column<4>,
    /// When it comes in force, and `before`.
    terms: Column<24>,
    /// For each value its claim, or its claims in `lists`, ascending, or [`NOBODY`].
    claims_of: Column<4>,
    /// Lists: their length, then their items.
    lists: Column<4>,
    traits: Traits,
    /// What an engine makes of the values, if it was made already.
    ready: Option<Arc<Ready>>,
    /// The run's now, if what is kept must be judged by it; `None`: all counts.
    now: Option<Timestamp>,
}

impl fmt::Debug for Needles {
    /// Never a value or a reference (P4).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (values, subjects, claims) = (self.values.len(), self.holds.len(), self.targets.len());
        write!(f, "Needles({values} values, {subjects} subjects, {claims} claims)")
    }
}

impl Needles {
    /// Values without anybody who claims them: for an engine alone. Usage errors: as [`Values::push`]'s.
    pub fn of_values<'v>(values: impl IntoIterator<Item = &'v Value>) -> Result<Self> {
        let mut kept = Values::default();
        for value in values {
            kept.push(value.kind, &value.bytes, &value.written)?;
        }
        Builder::default().finish(kept)
    }

    /// People with their values, each an identifier of its own: for tests and small questions. A value of two people is two.
    /// Usage errors: as [`Self::of_values`].
    pub fn of_people<'p>(people: impl IntoIterator<Item = (&'p str, bool, &'p [Value])>) -> Result<Self> {
        let mut builder = Builder::default();
        let mut values = Values::default();
        for (reference, held, own) in people {
            builder.subject(reference, if held { Hold::Open } else { Hold::None }, None)?;
            for value in own {
                let id = values.push(value.kind, &value.bytes, &value.written)?;
                builder.claim(&[id], None, None)?;
            }
        }
        builder.finish(values)
    }

    /// The value of that id, if it is searched for.
    #[inline]
    pub fn value(&self, id: ValueId) -> Option<ValueRef<'_>> {
        if self.judges() && self.claims_of(id).next().is_none() {
            return None;
        }
        self.values.get(id)
    }

    /// All values that are searched for, by their ids. Looks at each value.
    pub fn values(&self) -> impl Iterator<Item = (ValueId, ValueRef<'_>)> + Clone {
        (0..self.ids()).filter_map(|id| Some((id, self.value(id)?)))
    }

    /// Ids of values are below this.
    pub fn ids(&self) -> u32 {
        self.values.len() as u32
    }

    /// The subject of that id.
    pub fn subject(&self, id: SubjectId) -> Option<Subject<'_>> {
        let reference = self.names.get(self.name_ends.range(id as usize)?)?;
        Some(Subject { reference: std::str::from_utf8(reference).ok()?, held: self.held(id) })
    }

    /// All subjects that are in force or held and have identifiers. Looks at each.
    pub fn subjects(&self) -> impl Iterator<Item = (SubjectId, Subject<'_>)> {
        let counts = |id: &u32| {
            let claims = self.claim_ends.range(*id as usize).unwrap_or_default();
            !self.judges() || claims.into_iter().any(|at| self.counts(at as u32, *id))
        };
        (0..self.holds.len() as u32).filter(counts).filter_map(|id| Some((id, self.subject(id)?)))
    }

    /// Since when the subject has been in force, seconds since the epoch, if its events tell; it may be in the future.
    pub fn since(&self, id: SubjectId) -> Option<i64> {
        let since = i64::from_le_bytes(*self.since.get(id as usize)?);
        (since != i64::MAX).then_some(since)
    }

    /// The claim `at`, if it is in force or held.
    pub fn claim(&self, at: u32) -> Option<Claim<'_>> {
        let subject = self.claim_ends.above(at) as SubjectId;
        if !self.counts(at, subject) {
            return None;
        }
        Some(Claim { subject, before: self.terms(at).1, values: self.list(self.targets.number(at as usize)?) })
    }

    /// All claims in force or held. Looks at each.
    pub fn claims(&self) -> impl Iterator<Item = (u32, Claim<'_>)> {
        (0..self.targets.len() as u32).filter_map(|at| Some((at, self.claim(at)?)))
    }

    /// The claims in force or held that name a value, ascending.
    pub fn claims_of(&self, value: ValueId) -> impl Iterator<Item = u32> {
        let claims = self.claims_of.number(value as usize).filter(|claims| *claims != NOBODY);
        let all = claims.map_or(List::Some(&[]), |claims| self.list(claims));
        all.iter().filter(|at| !self.judges() || self.counts(*at, self.claim_ends.above(*at) as SubjectId))
    }

    /// What is known of all values, whether they count at the moment or not.
    pub fn traits(&self) -> &Traits {
        &self.traits
    }

    /// Bytes that they take, in memory or mapped.
    pub fn bytes(&self) -> usize {
        self.columns().iter().map(|column| column.len()).sum()
    }

    /// Whether what is kept may be out of force.
    #[inline]
    fn judges(&self) -> bool {
        self.now.is_some() && !self.term_of.is_empty()
    }

    fn held(&self, subject: SubjectId) -> bool {
        match self.holds.get(subject as usize) {
            Some(1) => true,
            Some(2) => {
                let place = self.until_of.above(subject).checked_sub(1);
                let until = place.and_then(|at| self.untils.get(at)).and_then(read_time);
                // What cannot be read protects for good.
                self.now.zip(until).is_none_or(|(now, until)| until > now)
            }
            _ => false,
        }
    }

    /// Whether the claim `at` of `subject` is in force or held.
    fn counts(&self, at: u32, subject: SubjectId) -> bool {
        let effective = |now| self.terms(at).0.is_none_or(|effective_at| effective_at <= now);
        !self.judges() || self.now.is_none_or(effective) || self.held(subject)
    }

    /// When the claim `at` comes in force, and its `before`.
    fn terms(&self, at: u32) -> (Option<Timestamp>, Option<Timestamp>) {
        let terms = self.term_of.number(at as usize).and_then(|terms| self.terms.get(terms as usize));
        let Some((effective_at, before)) = terms.and_then(|terms| terms.split_first_chunk()) else {
            return (None, None);
        };
        (read_time(effective_at), before.first_chunk().and_then(read_time))
    }

    #[inline]
    fn list(&self, number: u32) -> List<'_> {
        if number & LIST == 0 {
            return List::One(number.to_le_bytes());
        }
        let all = self.lists.items().get((number & !LIST) as usize..).unwrap_or_default();
        let Some((len, items)) = all.split_first() else {
            return List::Some(&[]);
        };
        List::Some(items.get(..u32::from_le_bytes(*len) as usize).unwrap_or_default())
    }
}

/// How many columns there are.
pub const COLUMNS: usize = 15;

/// For a compiled registry: columns out, and in again.
impl Needles {
    /// The columns, in the order of a compiled registry.
    pub fn columns(&self) -> [&Bytes; COLUMNS] {
        [
            &self.values.heads,
            &self.values.ends.0,
            &self.values.arena,
            &self.name_ends.0,
            &self.names,
            &self.holds,
            &self.until_of.0,
            &self.untils.0,
            &self.since.0,
            &self.claim_ends.0,
            &self.targets.0,
            &self.term_of.0,
            &self.terms.0,
            &self.claims_of.0,
            &self.lists.0,
        ]
    }

    /// Needles of columns as [`Self::columns`] gives them, judged at `now`. `None` if their lengths do not fit each other; what
    /// stands in them is looked at when it is asked for, and a number that leads nowhere leads to nobody.
    pub fn of_columns(columns: [Bytes; COLUMNS], traits: Traits, ready: Ready, now: Timestamp) -> Option<Self> {
        let [heads, ends, arena, name_ends, names, holds, rest @ ..] = columns;
        let [until_of, untils, since, claim_ends, targets, term_of, terms, claims_of, lists] = rest;
        let needles = Self {
            values: Values { heads, ends: Column(ends), arena },
            name_ends: Column(name_ends),
            names,
            holds,
            until_of: Column(until_of),
            untils: Column(untils),
            since: Column(since),
            claim_ends: Column(claim_ends),
            targets: Column(targets),
            term_of: Column(term_of),
            terms: Column(terms),
            claims_of: Column(claims_of),
            lists: Column(lists),
            traits,
            ready: Some(Arc::new(ready)),
            now: Some(now),
        };
        needles.fits().then_some(needles)
    }

    fn fits(&self) -> bool {
        let (values, subjects, claims) = (self.values.len(), self.holds.len(), self.targets.len());
        let last = |ends: &Column<4>, len: usize| {
            ends.items().last().map_or(0, |end| u32::from_le_bytes(*end)) as usize == len
        };
        let whole = self.columns().into_iter().zip([1, 4, 1, 4, 1, 1, 4, 12, 8, 4, 4, 4, 24, 4, 4]);
        whole.map(|(column, item)| column.len() % item).all(|rest| rest == 0)
            && [self.values.ends.len(), self.claims_of.len()] == [values; 2]
            && [self.name_ends.len(), self.since.len(), self.claim_ends.len()] == [subjects; 3]
            && self.until_of.len() == self.untils.len()
            && (self.term_of.is_empty() || self.term_of.len() == claims)
            && last(&self.values.ends, self.values.arena.len())
            && last(&self.name_ends, self.names.len())
            && last(&self.claim_ends, claims)
            && u32::try_from(values.max(subjects).max(claims)).is_ok()
    }

    /// What an engine makes of the values, if it was made already.
    pub fn ready(&self) -> Option<&Ready> {
        self.ready.as_deref()
    }
}

/// Makes [`Needles`]: each subject and after it its claims, by the ids of values that come at last.
#[derive(Default)]
pub struct Builder {
    needles: Needles,
}

impl Builder {
    /// Number of claims so far.
    pub fn claims(&self) -> usize {
        self.needles.targets.len()
    }

    /// Adds a subject. Usage errors: more than can be numbered, or references of more than 4 GiB.
    pub fn subject(&mut self, reference: &str, hold: Hold, since: Option<i64>) -> Result<()> {
        let needles = &mut self.needles;
        let id = SubjectId::try_from(needles.holds.len()).map_err(|_| Error::usage("more than 4294967295 subjects"))?;
        let end = needles.names.len() + reference.len();
        let end = u32::try_from(end).map_err(|_| Error::usage("the references are of more than 4 GiB"))?;
        needles.names.extend(reference.as_bytes());
        needles.name_ends.add(end);
        needles.holds.extend(&[match hold {
            Hold::None => 0,
            Hold::Open => 1,
            Hold::Until(until) => {
                needles.until_of.add(id);
                needles.untils.push(time(Some(until)));
                2
            }
        }]);
        needles.since.push(since.unwrap_or(i64::MAX).to_le_bytes());
        needles.claim_ends.add(needles.targets.len() as u32);
        Ok(())
    }

    /// Adds a claim of the newest subject: in force from `effective_at` on. `values` are ascending and distinct. Usage error:
    /// more than can be numbered.
    pub fn claim(
        &mut self,
        values: &[ValueId],
        effective_at: Option<Timestamp>,
        before: Option<Timestamp>,
    ) -> Result<()> {
        let many = || Error::usage("more than 2147483648 identifiers");
        let target = match values {
            [one] => *one,
            some => self.list(some.iter().copied())?,
        };
        let needles = &mut self.needles;
        let at = u32::try_from(needles.targets.len()).ok().filter(|at| at + 1 < LIST).ok_or_else(many)?;
        needles.targets.add(target);
        if let Some(end) = needles.claim_ends.items_mut().last_mut() {
            *end = (at + 1).to_le_bytes();
        }
        let mut terms = [0; 24];
        let (first, last) = terms.split_at_mut(12);
        first.copy_from_slice(&time(effective_at));
        last.copy_from_slice(&time(before));
        needles.traits.before |= before.is_some();
        if needles.terms.is_empty() {
            if effective_at.is_none() && before.is_none() {
                return Ok(());
            }
            // The first that are any: those before it have none.
            let mut none = [0; 24];
            none.as_chunks_mut::<12>().0.fill(time(None));
            needles.terms.push(none);
            needles.term_of = Column::zeros(at as usize);
        }
        let place = if effective_at.is_none() && before.is_none() {
            0
        } else {
            if needles.terms.items().last() != Some(&terms) {
                needles.terms.push(terms);
            }
            needles.terms.len() - 1
        };
        needles.term_of.add(u32::try_from(place).map_err(|_| many())?);
        Ok(())
    }

    fn list(&mut self, items: impl ExactSizeIterator<Item = u32>) -> Result<u32> {
        let lists = &mut self.needles.lists;
        let place = u32::try_from(lists.len()).ok().filter(|place| *place < LIST - 1);
        let place = place.ok_or_else(|| Error::usage("too many identifiers share their values"))?;
        lists.add(items.len() as u32);
        items.for_each(|item| lists.add(item));
        Ok(place | LIST)
    }

    /// All of it, over the values that the claims name. Usage error: too many values that several claim.
    pub fn finish(mut self, values: Values) -> Result<Needles> {
        self.needles.values = values;
        let mut back = Column::<4>(vec![0xff; self.needles.values.len() * 4].into());
        let mut shared: BTreeMap<ValueId, Vec<u32>> = BTreeMap::new();
        for (at, target) in (0u32..).zip(self.needles.targets.items()) {
            for value in self.needles.list(u32::from_le_bytes(*target)).iter() {
                let Some(slot) = back.items_mut().get_mut(value as usize) else { continue };
                match u32::from_le_bytes(*slot) {
                    NOBODY => *slot = at.to_le_bytes(),
                    LIST => shared.entry(value).or_default().push(at),
                    first => {
                        shared.insert(value, vec![first, at]);
                        *slot = LIST.to_le_bytes();
                    }
                }
            }
        }
        for (value, claims) in shared {
            let list = self.list(claims.into_iter())?;
            if let Some(slot) = back.items_mut().get_mut(value as usize) {
                *slot = list.to_le_bytes();
            }
        }
        self.needles.claims_of = back;
        let traits = &mut self.needles.traits;
        for value in self.needles.values.iter() {
            if let Some(count) = traits.kinds.get_mut(value.kind as usize) {
                *count += 1;
            }
            if value.kind != Type::Ip {
                let bytes = value.bytes();
                traits.line_feed |= bytes.contains(&b'\n');
                traits.quote |= bytes.contains(&b'"');
            }
        }
        Ok(self.needles)
    }
}
