//! The references of a registry: each once, one after another in one text, found by a table of 32-bit numbers.
//!
//! Memory: the references' bytes and 9 to 18 bytes for each. A registry made to collide cannot slow the reading down: the
//! table's hashes are keyed.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher, RandomState};

use hashbrown::HashTable;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::matcher::values::Text;

/// References by the number of their subject.
pub(super) struct Names {
    /// All of them; they may be identifiers themselves.
    text: Zeroizing<String>,
    /// Where each subject's ends in `text`; of one without a reference, where the one before does.
    ends: Vec<u32>,
    /// Subjects with a reference.
    table: HashTable<u32>,
    keys: RandomState,
    /// Whether there is one with so many bytes in lower case; the last stands for all that are longer.
    lengths: [bool; 256],
    /// Whether there is one that is not in lower case.
    capitals: bool,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            text: Zeroizing::default(),
            ends: Vec::new(),
            table: HashTable::new(),
            keys: RandomState::new(),
            lengths: [false; 256],
            capitals: false,
        }
    }
}

impl Names {
    /// The next subject's reference, which is new, or that it has none. Usage error: more than can be kept.
    pub(super) fn push(&mut self, name: Option<&str>) -> Result<()> {
        self.text.push_str(name.unwrap_or_default());
        let end = u32::try_from(self.text.len());
        self.ends.push(end.map_err(|_| Error::usage("references of more than 4 GiB in all"))?);
        if let Some(name) = name {
            let at = (self.ends.len() - 1) as u32;
            let folded = fold(name);
            if let Some(length) = self.lengths.get_mut(folded.len().min(255)) {
                *length = true;
            }
            self.capitals |= folded != name;
            if self.table.len() == self.table.capacity() {
                self.widen();
            }
            let Self { text, ends, table, keys, .. } = self;
            table.insert_unique(hash(keys, name), at, |at| hash(keys, get(text, ends, *at as usize)));
        }
        Ok(())
    }

    /// Doubles the table. In the order of the references, so that they are read one after another; the table by itself would go
    /// through them in its own.
    fn widen(&mut self) {
        let mut wider = HashTable::with_capacity((self.table.len() * 2).max(16));
        for at in (0..self.ends.len().saturating_sub(1)).filter(|at| self.get(*at).is_some()) {
            wider.insert_unique(self.hash_of(at as u32), at as u32, |at| self.hash_of(*at));
        }
        self.table = wider;
    }

    fn hash_of(&self, at: u32) -> u64 {
        hash(&self.keys, get(&self.text, &self.ends, at as usize))
    }

    /// The subject of that reference.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.found(hash(&self.keys, name), name)
    }

    /// Has the place where a reference is looked up come into the cache.
    pub(super) fn touch(&self, name: &str) {
        std::hint::black_box(self.table.find(hash(&self.keys, name), |_| true));
    }

    fn found(&self, hash: u64, name: &str) -> Option<usize> {
        self.table.find(hash, |at| self.get(*at as usize) == Some(name)).map(|at| *at as usize)
    }

    /// What tells the references that are one of `texts`, case and white space around it aside.
    pub(super) fn like<'t>(&self, texts: impl Iterator<Item = Text<'t>>) -> Alike<'_> {
        let mut alike = HashSet::new();
        if self.table.is_empty() {
            return Alike { names: self, alike };
        }
        let all = (0..self.ends.len()).filter_map(|at| self.get(at)).filter(|_| self.capitals);
        let capitals: HashSet<u64> =
            all.map(fold).filter(|name| matches!(name, Cow::Owned(_))).map(|name| hash(&self.keys, &name)).collect();
        for text in texts {
            let folded = fold(std::str::from_utf8(&text).unwrap_or_default());
            // Most texts are as long as no reference.
            if self.lengths.get(folded.len().min(255)) == Some(&true) {
                let hash = hash(&self.keys, &folded);
                if self.found(hash, &folded).is_some() || capitals.contains(&hash) {
                    alike.insert(hash);
                }
            }
        }
        Alike { names: self, alike }
    }

    /// The reference of the subject `at`, if it has one.
    pub(super) fn get(&self, at: usize) -> Option<&str> {
        Some(get(&self.text, &self.ends, at)).filter(|name| !name.is_empty())
    }
}

/// References that are like some text.
pub(super) struct Alike<'n> {
    names: &'n Names,
    /// Hashes of the texts. A reference that has one by chance is taken to be alike, which does no harm.
    alike: HashSet<u64>,
}

impl Alike<'_> {
    /// Whether the reference is one of them.
    pub(super) fn has(&self, name: &str) -> bool {
        !self.alike.is_empty() && self.alike.contains(&hash(&self.names.keys, &fold(name)))
    }
}

fn get<'n>(text: &'n str, ends: &[u32], at: usize) -> &'n str {
    let start = at.checked_sub(1).and_then(|at| ends.get(at)).copied().unwrap_or_default();
    let end = ends.get(at).copied().unwrap_or_default();
    text.get(start as usize..end as usize).unwrap_or_default()
}

/// `text` in lower case, without white space around it.
fn fold(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    let plain = |b: u8| b.is_ascii() && !b.is_ascii_uppercase();
    if text.bytes().all(plain) { Cow::Borrowed(text) } else { Cow::Owned(text.to_lowercase()) }
}

fn hash(keys: &RandomState, name: &str) -> u64 {
    let mut hasher = keys.build_hasher();
    hasher.write(name.as_bytes());
    hasher.finish()
}
