//! What refers to what, and what comes of it: facts that one reading of a dump collects, and their closure.
//!
//! A reading that knows the schema notes for each row of a table with foreign keys which keys it has and to which it refers
//! ([`Facts`]). At its end [`Facts::settle`] follows the rows that go to all that go with them, over chains, cycles and any depth, without the
//! dump: the next reading knows what becomes of every row ([`Known`]). A row *goes* if it is somebody's, or refers through a
//! key that cascades to one that goes, unless a row that stays refers to it through a key that anonymizes: that is the least set with
//! this property, so the order of rows does not matter. Memory: [`Pairs`] and queues, which go to temporary space (`--max-temp`).

use std::sync::Arc;

use super::keys::{Digest, Links};
use super::pairs::{FRESH_BYTES, Pairs, Queue, Texts};
use crate::blob::TempSpace;
use crate::error::Result;
use crate::matcher::SubjectId;
use crate::policy::KeyAction;

/// Bytes of memory that all of it takes, as long as nothing outgrows it: eight sets of pairs.
pub const MEMORY: u64 = 8 * FRESH_BYTES;
/// A key that changes, and cannot be followed: one of several columns.
const TORN: u128 = 0;
/// Steps between two looks at whether the run is to stop.
const TURN: u64 = 1 << 12;

/// Whose a row is; `None`: nobody knows.
pub type Whose = Option<SubjectId>;

/// Whose a row is, as a number of a pair.
fn number(whose: Whose) -> u128 {
    whose.map_or(0, |subject| u128::from(subject) + 1)
}

/// The reverse of [`number`].
fn subject(number: u128) -> Whose {
    number.checked_sub(1).and_then(|subject| SubjectId::try_from(subject).ok())
}

/// What is known of keys of rows.
#[derive(Debug)]
pub struct Known {
    /// Keys of rows that go, and whose the rows are; rows without a key by their node.
    lost: Pairs,
    /// Keys that change, and places of what they become.
    renamed: Pairs,
    /// Nodes of rows that would go and stay without their personal columns.
    kept: Pairs,
    texts: Texts,
    /// A key changes that rows refer to, and cannot be followed.
    pub torn: bool,
}

impl Known {
    /// Nothing yet.
    pub fn new(space: &Arc<TempSpace>) -> Self {
        Self {
            lost: Pairs::new(space),
            renamed: Pairs::new(space),
            kept: Pairs::new(space),
            texts: Texts::new(space),
            torn: false,
        }
    }

    /// Whether nothing goes and no key changes.
    pub fn is_empty(&self) -> bool {
        self.lost.is_empty() && self.renamed.is_empty()
    }

    /// Whether the row with this key goes; whose it is.
    pub fn lost(&self, key: u128) -> Result<Option<Whose>> {
        Ok(self.lost.get(key)?.map(subject))
    }

    /// What a key becomes; `None`: it stays.
    pub fn renamed(&self, key: u128) -> Result<Option<Vec<u8>>> {
        self.renamed.get(key)?.map(|place| self.texts.get(place)).transpose()
    }

    /// Whether the row of this node would go, and stays; for whom.
    pub fn kept(&self, node: u128) -> Result<Option<Whose>> {
        Ok(self.kept.get(node)?.map(subject))
    }
}

/// What becomes of a row for what it refers to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Fate {
    /// It goes; whose the row is to which it refers.
    pub goes: Option<Whose>,
    /// Columns that get a text, or NULL.
    pub sets: Vec<(usize, Option<Vec<u8>>)>,
    /// Some of them are NULL, or a default, since what they referred to goes; whose it was.
    pub nulls: Option<Whose>,
    /// Columns of the references through which it goes: NULL, should it stay; `None` if one takes no NULL.
    pub through: Option<Vec<usize>>,
    /// Ordinal of a link whose rule keeps the row though what it refers to goes.
    pub keeps: Option<usize>,
    /// Ordinal of a link whose default refers to what goes as well.
    pub stuck: Option<usize>,
}

impl Known {
    /// The fate of a row that refers to the keys `refs`, one for each of `links.from`.
    pub fn fate(&self, links: &Links, refs: &[Digest]) -> Result<Fate> {
        let mut fate = Fate { through: Some(Vec::new()), ..Fate::default() };
        if self.is_empty() {
            return Ok(fate);
        }
        for (at, (link, key)) in links.from.iter().zip(refs).enumerate() {
            let Some(key) = key else { continue };
            if let Some(whose) = self.lost(*key)? {
                match link.action {
                    KeyAction::Cascade => {
                        fate.goes = fate.goes.or(Some(whose));
                        match &mut fate.through {
                            Some(_) if link.not_null => fate.through = None,
                            Some(through) => through.extend(&link.columns),
                            None => {}
                        }
                    }
                    KeyAction::SetNull => {
                        fate.nulls = fate.nulls.or(Some(whose));
                        fate.sets.extend(link.sets.iter().cloned());
                        if let Some(default) = link.default {
                            if self.lost(default)?.is_some() {
                                fate.stuck = fate.stuck.or(Some(at));
                            }
                            if let ([column], Some(new)) = (link.columns.as_slice(), self.renamed(default)?) {
                                fate.sets.retain(|(set, _)| set != column);
                                fate.sets.push((*column, Some(new)));
                            }
                        }
                    }
                    // One that anonymizes has kept the row, unless this one goes as well.
                    KeyAction::Keep | KeyAction::Anonymize => fate.keeps = fate.keeps.or(Some(at)),
                }
            } else if let ([column], Some(new)) = (link.columns.as_slice(), self.renamed(*key)?) {
                fate.sets.push((*column, Some(new)));
            }
        }
        fate.sets.sort_by_key(|(column, new)| (*column, new.is_some()));
        fate.sets.dedup_by_key(|(column, _)| *column);
        Ok(fate)
    }
}

/// What one reading notes.
#[derive(Debug)]
pub struct Facts {
    space: Arc<TempSpace>,
    /// What is known already: of rows that came before those that refer to them.
    pub known: Known,
    /// Nodes of rows that go for themselves, and whose they are.
    wants: Queue,
    /// From a key to the nodes of rows that go with its row.
    cascade: Pairs,
    /// From a key to the nodes of rows that keep its row.
    shield: Pairs,
    /// From a node to the other keys of its row.
    others: Pairs,
    /// From a key to keys that have its text; [`TORN`]: one of several columns.
    follows: Pairs,
    /// What a key becomes if its row would go and stays.
    would: Pairs,
    /// Keys that change of themselves.
    renames: Queue,
}

impl Facts {
    /// Nothing noted yet.
    pub fn new(space: &Arc<TempSpace>) -> Self {
        let pairs = || Pairs::new(space);
        Self {
            space: Arc::clone(space),
            known: Known::new(space),
            wants: Queue::new(space),
            cascade: pairs(),
            shield: pairs(),
            others: pairs(),
            follows: pairs(),
            would: pairs(),
            renames: Queue::new(space),
        }
    }

    /// Notes a row: its node, its keys (one for each of `links.to`), those to which it refers, and whose it is if it goes for itself.
    pub fn row(
        &mut self,
        links: &Links,
        node: u128,
        own: &[Digest],
        refs: &[Digest],
        goes: Option<Whose>,
    ) -> Result<()> {
        if links.bears() {
            if let Some(whose) = goes {
                self.wants.push(node, number(whose))?;
            }
            for key in own.iter().flatten().filter(|key| **key != node) {
                self.others.put(node, *key)?;
            }
        }
        for (link, key) in links.from.iter().zip(refs) {
            let Some(key) = *key else { continue };
            match link.action {
                KeyAction::Cascade if links.bears() && goes.is_none() => self.cascade.put(key, node)?,
                KeyAction::Anonymize => self.shield.put(key, node)?,
                _ => {}
            }
            for (mine, own) in links.to.iter().zip(own) {
                let Some(own) = *own else { continue };
                if mine.columns == link.columns && mine.columns.len() == 1 {
                    self.follows.put(key, own)?;
                } else if mine.columns.iter().any(|column| link.columns.contains(column)) {
                    self.follows.put(key, TORN)?;
                }
            }
        }
        Ok(())
    }

    /// A row goes, as far as is known.
    pub fn lose(&mut self, key: u128, whose: Whose) -> Result<()> {
        self.known.lost.put(key, number(whose))
    }

    /// A key changes. `false`: that was known.
    pub fn rename(&mut self, key: u128, text: &[u8]) -> Result<bool> {
        if self.known.renamed(key)?.is_some_and(|known| known == text) {
            return Ok(false);
        }
        let place = self.known.texts.put(text)?;
        self.known.renamed.put(key, place)?;
        self.renames.push(key, place)?;
        Ok(true)
    }

    /// A key would change if its row would go and stays; `None`: and could not be followed.
    pub fn rename_kept(&mut self, key: u128, text: Option<&[u8]>) -> Result<()> {
        let place = text.map_or(Ok(TORN), |text| self.known.texts.put(text))?;
        self.would.put(key, place)
    }

    /// The closure. `check` fails if the run is to stop.
    pub fn settle(mut self, check: &dyn Fn() -> Result<()>) -> Result<Known> {
        let Known { texts, .. } = self.known;
        let mut known = Known { texts, ..Known::new(&self.space) };
        let mut steps = 0u64;
        let mut step = || {
            steps += 1;
            if steps.is_multiple_of(TURN) { check() } else { Ok(()) }
        };
        let (mut todo, mut blocked) = (self.wants, Queue::new(&self.space));
        loop {
            while let Some((node, whose)) = todo.pop()? {
                step()?;
                if known.lost.has(node)? {
                    continue;
                }
                let keys = keys(node, &self.others)?;
                if shielded(node, &keys, &self.shield, &known)? {
                    blocked.push(node, whose)?;
                    continue;
                }
                for key in keys {
                    known.lost.put(key, whose)?;
                    self.cascade.each(key, &mut |child| todo.push(child, whose).map(|()| true))?;
                }
            }
            // Those that kept them may have gone since.
            let mut still = Queue::new(&self.space);
            let mut freed = false;
            while let Some((node, whose)) = blocked.pop()? {
                step()?;
                let keys = keys(node, &self.others)?;
                if shielded(node, &keys, &self.shield, &known)? {
                    still.push(node, whose)?;
                } else {
                    todo.push(node, whose)?;
                    freed = true;
                }
            }
            blocked = still;
            if !freed {
                break;
            }
        }
        while let Some((node, whose)) = blocked.pop()? {
            step()?;
            known.kept.put(node, whose)?;
            for key in keys(node, &self.others)? {
                match self.would.get(key)? {
                    None => {}
                    Some(TORN) => known.torn = true,
                    Some(place) => self.renames.push(key, place)?,
                }
            }
        }
        while let Some((key, place)) = self.renames.pop()? {
            step()?;
            if known.renamed.has(key)? {
                continue;
            }
            known.renamed.put(key, place)?;
            let (renames, torn) = (&mut self.renames, &mut known.torn);
            self.follows.each(key, &mut |own| {
                if own == TORN {
                    *torn = true;
                    return Ok(true);
                }
                renames.push(own, place).map(|()| true)
            })?;
        }
        Ok(known)
    }
}

/// The node of a row, and its other keys: as many as there are foreign keys to its table, at most.
fn keys(node: u128, others: &Pairs) -> Result<Vec<u128>> {
    let mut keys = vec![node];
    others.each(node, &mut |key| {
        keys.push(key);
        Ok(true)
    })?;
    Ok(keys)
}

/// Whether a row that stays, as far as is known, keeps the one of `node`.
fn shielded(node: u128, keys: &[u128], shield: &Pairs, known: &Known) -> Result<bool> {
    if shield.is_empty() {
        return Ok(false);
    }
    for key in keys {
        let all_gone = shield.each(*key, &mut |child| Ok(child == node || known.lost.has(child)?))?;
        if !all_gone {
            return Ok(true);
        }
    }
    Ok(false)
}
