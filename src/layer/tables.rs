//! What was counted for each table of a dump.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Tables that an artifact's line names; the rows of more are counted together, as [`MORE`].
const MOST: usize = 10_000;
/// The name under which rows of further tables are counted.
const MORE: &str = "(more)";

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// It goes: it is somebody's.
    Dropped,
    /// It goes with a row to which it refers.
    Cascade,
    /// What it refers to goes: its reference becomes NULL.
    SetNull,
    /// It would go, and stays for those that refer to it, without its personal columns.
    Anonymized,
    /// It is edited: for somebody, or since a key changed to which it refers.
    Edited,
}

/// Rows of one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Table {
    /// Read.
    pub read: u64,
    /// See [`Change::Dropped`].
    #[serde(skip_serializing_if = "is_zero")]
    pub dropped: u64,
    /// See [`Change::Cascade`].
    #[serde(skip_serializing_if = "is_zero")]
    pub cascade: u64,
    /// See [`Change::SetNull`].
    #[serde(skip_serializing_if = "is_zero")]
    pub set_null: u64,
    /// See [`Change::Anonymized`].
    #[serde(skip_serializing_if = "is_zero")]
    pub anonymized: u64,
    /// See [`Change::Edited`].
    #[serde(skip_serializing_if = "is_zero")]
    pub edited: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Table {
    /// Counts a row.
    pub fn count(&mut self, change: Change) {
        self.read += 1;
        match change {
            Change::None => {}
            Change::Dropped => self.dropped += 1,
            Change::Cascade => self.cascade += 1,
            Change::SetNull => self.set_null += 1,
            Change::Anonymized => self.anonymized += 1,
            Change::Edited => self.edited += 1,
        }
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Table) {
        let Table { read, dropped, cascade, set_null, anonymized, edited } = self;
        *read += other.read;
        *dropped += other.dropped;
        *cascade += other.cascade;
        *set_null += other.set_null;
        *anonymized += other.anonymized;
        *edited += other.edited;
    }

    /// Whether something of it changes.
    pub fn is_changed(&self) -> bool {
        *self != Self { read: self.read, ..Self::default() }
    }
}

/// The tables of an artifact, by their names as output shows them. Memory: 10,000 names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables(pub BTreeMap<String, Table>);

impl Tables {
    /// Adds what was counted in the table `name`.
    pub fn add(&mut self, name: &str, table: &Table) {
        if table.read == 0 {
            return;
        }
        let name = if self.0.len() >= MOST && !self.0.contains_key(name) { MORE } else { name };
        self.0.entry(name.to_owned()).or_default().add(table);
    }

    /// Adds of `all` what was read and not counted before, and nothing of what would change.
    pub fn read(&mut self, all: &Tables) {
        for (name, table) in &all.0 {
            let before = self.0.get(name).map_or(0, |before| before.read);
            self.add(name, &Table { read: table.read.saturating_sub(before), ..Table::default() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_rows_are_not() {
        let mut tables = Tables::default();
        let mut one = Table::default();
        one.count(Change::Cascade);
        for n in 0..MOST + 5 {
            tables.add(&n.to_string(), &one);
            tables.add("0", &one);
        }
        assert_eq!(tables.0.len(), MOST + 1);
        assert_eq!((tables.0[MORE].read, tables.0[MORE].cascade), (5, 5));
        assert_eq!(tables.0["0"].read, MOST as u64 + 6);
        let mut read = Tables::default();
        read.read(&tables);
        assert!(tables.0["0"].is_changed() && !read.0["0"].is_changed());
        assert_eq!(read.0["0"].read, MOST as u64 + 6);
    }
}
