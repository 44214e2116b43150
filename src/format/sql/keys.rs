//! Foreign keys: whose rows went, who referred to them, and what becomes of those.
//!
//! A dump says what refers to what before, after or between the rows. So it is read again until nothing new is found: a reading starts
//! from the keys that are known to go ([`State`]), meets the rows that refer to them, and adds the keys of those that go in
//! turn. The first one learns the schema; of the others each finds at least one more level, and all that have their parents before them.
//! Memory: 100 bytes or so for each row that goes from a table that is referred to, at most [`MOST`] of them.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use super::cells::{Row, Value};
use super::rows::Target;
use super::same::{self, Same};
use super::schema::{ForeignKey, Key, OnDelete, Schema};
use crate::error::{Error, Result};
use crate::matcher::SubjectId;
use crate::policy::{KeyAction, KeyRule};

/// Keys that are kept.
pub const MOST: usize = 1 << 20;
/// Readings of one stream.
pub const READINGS: u32 = 64;

/// What one reading hands to the next.
#[derive(Debug, Default)]
pub struct State {
    /// All that the dump's DDL says.
    pub schema: Schema,
    /// Keys of rows that go, and whose they were.
    pub lost: HashMap<u128, Option<SubjectId>>,
    /// Keys that change, and what they become.
    pub renamed: HashMap<u128, Vec<u8>>,
    /// Readings so far.
    pub readings: u32,
    /// References that this reading has met.
    met: HashSet<Vec<u8>>,
    /// A key was found to go, or to change, when rows that may refer to it had passed: another reading is wanted.
    pub again: bool,
}

/// A foreign key that concerns the rows of a table.
#[derive(Debug, Clone)]
pub struct Link {
    /// What tells its keys from others: the table that is referred to, and the columns.
    seed: Vec<u8>,
    /// Ordinals of the row's columns that hold the key.
    columns: Vec<usize>,
    /// When two values of each of them are the same key.
    same: Vec<Same>,
    /// What becomes of a row that refers to one that goes.
    action: KeyAction,
}

/// The links of a table's rows.
#[derive(Debug, Clone, Default)]
pub struct Links {
    /// Of foreign keys that refer to it.
    pub to: Vec<Link>,
    /// Of its own foreign keys.
    pub from: Vec<Link>,
    /// A foreign key is about columns that the rows do not show.
    pub unclear: bool,
}

/// What a row comes to that refers to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It goes as the row to which it refers.
    Goes(Option<SubjectId>),
    /// These columns are set to that; `None`: to NULL.
    Set(Vec<(usize, Option<Vec<u8>>)>, Option<SubjectId>),
    /// It stays as it is though what it refers to goes: the policy says so.
    Kept,
}

impl Links {
    /// Those of the rows of `target`.
    pub fn of(schema: &Schema, target: &Target<'_>, rules: &[KeyRule]) -> Self {
        let mut links = Self::default();
        for key in &schema.keys {
            let to_columns = referred(schema, key);
            let seed = seed(key, &to_columns);
            let same = same::of(schema, key, &to_columns);
            if schema.is_part(&target.key, &key.to) {
                match ordinals(target, &to_columns) {
                    Some(columns) => {
                        let (seed, same) = (seed.clone(), same.clone());
                        links.to.push(Link { seed, columns, same, action: KeyAction::Keep });
                    }
                    None => links.unclear = true,
                }
            }
            if schema.is_part(&target.key, &key.from) {
                match ordinals(target, &key.columns) {
                    Some(columns) => {
                        let not_null = columns.iter().any(|at| target.columns.get(*at).is_some_and(|c| c.not_null));
                        links.from.push(Link { seed, columns, same, action: action(schema, key, not_null, rules) });
                    }
                    None => links.unclear = true,
                }
            }
        }
        links
    }
}

/// The columns of the table to which `key` refers.
fn referred(schema: &Schema, key: &ForeignKey) -> Vec<Vec<u8>> {
    if key.to_columns.is_empty() {
        return schema.table(&key.to).map(|table| table.primary.clone()).unwrap_or_default();
    }
    key.to_columns.clone()
}

fn seed(key: &ForeignKey, columns: &[Vec<u8>]) -> Vec<u8> {
    [key.to.as_ref(), &columns.join(&0)].join(&1)
}

fn ordinals(target: &Target<'_>, names: &[Vec<u8>]) -> Option<Vec<usize>> {
    let at = |name: &Vec<u8>| target.columns.iter().position(|column| column.name == *name);
    if names.is_empty() { None } else { names.iter().map(at).collect() }
}

/// What the policy says of a foreign key, else its DDL (SPEC "Policy").
fn action(schema: &Schema, key: &ForeignKey, not_null: bool, rules: &[KeyRule]) -> KeyAction {
    let says = |side: &str, table: &Key, columns: &[Vec<u8>]| {
        let Some((named, column)) = side.rsplit_once('.') else { return false };
        let full = Schema::named(table);
        let last = full.rsplit(|b| *b == b'.').next().unwrap_or_default();
        let table = full.eq_ignore_ascii_case(named.as_bytes()) || last.eq_ignore_ascii_case(named.as_bytes());
        table && columns.iter().any(|name| name.eq_ignore_ascii_case(column.as_bytes()))
    };
    let to_columns = referred(schema, key);
    let rule =
        rules.iter().find(|rule| says(&rule.from, &key.from, &key.columns) && says(&rule.to, &key.to, &to_columns));
    let said = rule.map_or(
        match key.on_delete {
            OnDelete::Cascade => KeyAction::Cascade,
            // What takes no NULL goes all the same.
            OnDelete::SetNull | OnDelete::None => KeyAction::SetNull,
        },
        |rule| rule.action,
    );
    // What takes no NULL cannot be set to it.
    if said == KeyAction::SetNull && not_null { KeyAction::Cascade } else { said }
}

impl Link {
    /// The key that `row` holds; `None` if a part of it is NULL (it refers to nothing then).
    fn hash(&self, row: &Row) -> Option<u128> {
        let mut hash = Xxh3::new();
        hash.update(&self.seed);
        for (column, same) in self.columns.iter().zip(&self.same) {
            let cell = row.cells.get(*column)?;
            if cell.value == Value::Null {
                return None;
            }
            let part = row.parts.iter().find(|part| part.cell == *column)?;
            let text = same.one(row.view.get(part.view.clone())?);
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(&text);
        }
        Some(hash.digest128())
    }
}

impl State {
    /// Rows with these references come.
    pub fn meet(&mut self, links: &Links) {
        for link in &links.from {
            if !self.met.contains(&link.seed) {
                self.met.insert(link.seed.clone());
            }
        }
    }

    /// A reading is over, and another one comes.
    pub fn begin(&mut self) {
        self.readings += 1;
        self.met.clear();
        self.again = false;
    }

    /// Notes a row that goes.
    pub fn lose(&mut self, links: &Links, row: &Row, subject: Option<SubjectId>) -> Result<()> {
        for link in &links.to {
            if let Some(hash) = link.hash(row)
                && let Entry::Vacant(free) = self.lost.entry(hash)
            {
                free.insert(subject);
                self.again |= self.met.contains(&link.seed);
            }
        }
        if self.lost.len() > MOST {
            return Err(Error::limit(format!("rows that go from tables that are referred to ({MOST})")));
        }
        Ok(())
    }

    /// Notes a row whose key changes. A key of several columns, or one that is gone, cannot be followed: `false`.
    pub fn rename(&mut self, links: &Links, old: &Row, new: &Row) -> Result<bool> {
        for link in &links.to {
            let (before, after) = (link.hash(old), link.hash(new));
            if before == after {
                continue;
            }
            let [column] = link.columns.as_slice() else { return Ok(false) };
            let part = new.parts.iter().find(|part| part.cell == *column);
            let text = part.and_then(|part| new.view.get(part.view.clone()));
            let (Some(hash), Some(text)) = (before, text) else { return Ok(before.is_none()) };
            let known = self.renamed.insert(hash, text.to_vec()).is_some_and(|known| known == text);
            self.again |= !known && self.met.contains(&link.seed);
        }
        if self.renamed.len() > MOST {
            return Err(Error::limit(format!("keys that change ({MOST})")));
        }
        Ok(true)
    }

    /// Whether an edit makes a row refer to something else than what the row that it refers to has become.
    pub fn dangles(&self, links: &Links, old: &Row, new: &Row) -> bool {
        links.from.iter().any(|link| {
            let (before, after) = (link.hash(old), link.hash(new));
            let becomes = before.and_then(|hash| self.renamed.get(&hash));
            let text = || {
                let part = new.parts.iter().find(|part| link.columns.as_slice() == [part.cell])?;
                new.view.get(part.view.clone())
            };
            after.is_some() && after != before && becomes.map(Vec::as_slice) != text()
        })
    }

    /// What becomes of a row for what it refers to; `None`: nothing.
    pub fn fate(&self, links: &Links, row: &Row) -> Option<Fate> {
        if self.lost.is_empty() && self.renamed.is_empty() {
            return None;
        }
        let (mut sets, mut whose, mut kept) = (Vec::new(), None, false);
        for link in &links.from {
            let Some(hash) = link.hash(row) else { continue };
            if let Some(subject) = self.lost.get(&hash) {
                match link.action {
                    KeyAction::Cascade => return Some(Fate::Goes(*subject)),
                    KeyAction::SetNull => {
                        whose = whose.or(*subject);
                        sets.extend(link.columns.iter().map(|column| (*column, None)));
                    }
                    KeyAction::Keep | KeyAction::Anonymize => kept = true,
                }
            } else if let (Some(new), [column]) = (self.renamed.get(&hash), link.columns.as_slice()) {
                sets.push((*column, Some(new.clone())));
            }
        }
        if kept {
            return Some(Fate::Kept);
        }
        sets.sort_by_key(|(column, _)| *column);
        sets.dedup_by_key(|(column, _)| *column);
        (!sets.is_empty()).then_some(Fate::Set(sets, whose))
    }
}

/// A state that a reading can go on from.
pub fn copy(state: &Arc<State>) -> State {
    State {
        schema: state.schema.clone(),
        lost: state.lost.clone(),
        renamed: state.renamed.clone(),
        readings: state.readings,
        ..State::default()
    }
}
