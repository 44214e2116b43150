//! Distinct values: each (type, canonical bytes) is kept once.
//!
//! A hash map from a keyed 64-bit hash to the first value with it, and a list of those that share it: the bytes stand in
//! memory once, and a registry made to collide cannot slow the reading down.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use crate::error::{Error, Result};
use crate::matcher::{Type, Value, ValueId};

/// The values of a registry so far.
#[derive(Default)]
pub(super) struct Intern {
    values: Vec<Value>,
    /// For each value the one before it with the same hash.
    older: Vec<Option<ValueId>>,
    /// The newest value of a hash.
    newest: HashMap<u64, ValueId, BuildHasherDefault<Hashed>>,
    keys: RandomState,
}

impl Intern {
    /// The id of `value`; the first way in which it was written is kept.
    pub(super) fn insert(&mut self, value: Value) -> Result<ValueId> {
        let hash = self.hash(value.kind, &value.bytes);
        let newest = self.newest.get(&hash).copied();
        if let Some(id) = self.among(newest, value.kind, &value.bytes) {
            return Ok(id);
        }
        let id = ValueId::try_from(self.values.len()).map_err(|_| Error::usage("more than 4294967295 identifiers"))?;
        self.newest.insert(hash, id);
        self.older.push(newest);
        self.values.push(value);
        Ok(id)
    }

    /// The id of the value of that type with these canonical bytes.
    pub(super) fn find(&self, kind: Type, bytes: &[u8]) -> Option<ValueId> {
        let newest = self.newest.get(&self.hash(kind, bytes)).copied();
        self.among(newest, kind, bytes)
    }

    /// Of the values that share a hash, from the newest on, the one that is it.
    fn among(&self, mut next: Option<ValueId>, kind: Type, bytes: &[u8]) -> Option<ValueId> {
        while let Some(id) = next {
            let value = self.get(id)?;
            if value.kind == kind && *value.bytes == *bytes {
                return Some(id);
            }
            next = self.older.get(id as usize).copied().flatten();
        }
        None
    }

    /// The value with that id.
    pub(super) fn get(&self, id: ValueId) -> Option<&Value> {
        self.values.get(id as usize)
    }

    /// All values in the order of their first appearance, which is the order of their ids.
    pub(super) fn values(&self) -> &[Value] {
        &self.values
    }

    /// All values, without the means to find them.
    pub(super) fn into_values(self) -> Vec<Value> {
        self.values
    }

    fn hash(&self, kind: Type, bytes: &[u8]) -> u64 {
        self.keys.hash_one((kind, bytes))
    }
}

/// For keys that are hashes already: gives the key itself.
#[derive(Default)]
pub(super) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
}
