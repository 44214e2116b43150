//! Distinct values: each (type, canonical bytes) is kept once.
//!
//! The bytes stand in memory once, in the columns that the search will use; a table of ids and keyed hashes finds them, so that
//! a registry made to collide cannot slow the reading down. About 12 bytes a value besides its own.

use std::hash::{BuildHasher, Hasher, RandomState};

use hashbrown::HashTable;

use crate::error::Result;
use crate::matcher::{Type, ValueId, ValueRef, Values};

/// The values of a registry so far.
#[derive(Default)]
pub(super) struct Intern {
    values: Values,
    /// Each value's id and half of its hash.
    ids: HashTable<(ValueId, u32)>,
    keys: RandomState,
}

impl Intern {
    /// The id of a value with that [`Self::half`]; the first way in which it was written is kept. Usage errors: as
    /// [`Values::push`]'s.
    pub(super) fn insert(&mut self, half: u32, kind: Type, bytes: &[u8], written: &[u8]) -> Result<ValueId> {
        if let Some(id) = self.among(half, kind, bytes) {
            return Ok(id);
        }
        let id = self.values.push(kind, bytes, written)?;
        self.ids.insert_unique(spread(half), (id, half), |(_, half)| spread(*half));
        Ok(id)
    }

    /// The id of the value of that type with these canonical bytes.
    pub(super) fn find(&self, kind: Type, bytes: &[u8]) -> Option<ValueId> {
        self.among(self.half(kind, bytes), kind, bytes)
    }

    fn among(&self, half: u32, kind: Type, bytes: &[u8]) -> Option<ValueId> {
        let same = |id: ValueId| self.get(id).is_some_and(|value| value.kind == kind && *value.bytes() == *bytes);
        self.ids.find(spread(half), |(id, other)| *other == half && same(*id)).map(|(id, _)| *id)
    }

    /// The value with that id.
    pub(super) fn get(&self, id: ValueId) -> Option<ValueRef<'_>> {
        self.values.get(id)
    }

    /// All values in the order of their first appearance, which is the order of their ids.
    pub(super) fn values(&self) -> &Values {
        &self.values
    }

    /// All values, without the means to find them.
    pub(super) fn into_values(self) -> Values {
        self.values
    }

    /// Has the place where a value is looked up come into the cache.
    pub(super) fn touch(&self, half: u32) {
        std::hint::black_box(self.ids.find(spread(half), |(_, other)| *other == half));
    }

    /// Half of a value's hash, by which it is found.
    pub(super) fn half(&self, kind: Type, bytes: &[u8]) -> u32 {
        let mut hasher = self.keys.build_hasher();
        hasher.write_u8(kind as u8);
        hasher.write(bytes);
        hasher.finish() as u32
    }
}

/// All bits of a hash from half of them: the table takes both ends.
fn spread(half: u32) -> u64 {
    u64::from(half).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
