//! The references of a registry: each once, one after another in one text, found by a table of 32-bit numbers.
//!
//! Memory: the references' bytes and 9 to 18 bytes for each. A registry made to collide cannot slow the reading down: the
//! table's hashes are keyed.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// References by the number of their subject.
#[derive(Default)]
pub(super) struct Names {
    /// All of them; they may be identifiers themselves.
    text: Zeroizing<String>,
    /// Where each subject's ends in `text`; of one without a reference, where the one before does.
    ends: Vec<u32>,
    /// Subjects with a reference.
    table: HashTable<u32>,
    keys: RandomState,
}

impl Names {
    /// The next subject's reference, which is new, or that it has none. Usage error: more than can be kept.
    pub(super) fn push(&mut self, name: Option<&str>) -> Result<()> {
        self.text.push_str(name.unwrap_or_default());
        let end = u32::try_from(self.text.len());
        self.ends.push(end.map_err(|_| Error::usage("references of more than 4 GiB in all"))?);
        if let Some(name) = name {
            let at = (self.ends.len() - 1) as u32;
            let Self { text, ends, table, keys } = self;
            let rehash = |at: &u32| keys.hash_one(get(text, ends, *at as usize));
            table.insert_unique(keys.hash_one(name), at, rehash);
        }
        Ok(())
    }

    /// The subject of that reference.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let hash = self.keys.hash_one(name);
        self.table.find(hash, |at| self.get(*at as usize) == Some(name)).map(|at| *at as usize)
    }

    /// The reference of the subject `at`, if it has one.
    pub(super) fn get(&self, at: usize) -> Option<&str> {
        Some(get(&self.text, &self.ends, at)).filter(|name| !name.is_empty())
    }

    /// All references, in the order of their subjects.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).filter_map(|at| self.get(at))
    }
}

fn get<'n>(text: &'n str, ends: &[u32], at: usize) -> &'n str {
    let start = at.checked_sub(1).and_then(|at| ends.get(at)).copied().unwrap_or_default();
    let end = ends.get(at).copied().unwrap_or_default();
    text.get(start as usize..end as usize).unwrap_or_default()
}
