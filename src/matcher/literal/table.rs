//! Values by their bytes without case: one probe a token of the text, whatever the size of the registry.
//!
//! Open addressing over numbers of 32 bits, a value's id with as many bits of its key's hash above it as are free, with a bitmap
//! before it that stays in the first-level cache. It says "may be"; the caller compares bytes. Hash flooding is no concern: keys
//! come from the registry, and a text cannot lengthen a probe. About 8 bytes a key.
//!
//! A caller that has many keys asks in three steps, so that it can have the memory fetched between them: [`Table::hash`],
//! [`Table::may_hold`], [`Table::probe_hashed`].

use super::super::ValueId;
use super::super::column::Column;
use crate::error::{Error, Result};

/// Longest key, bytes; longer values are found by the automaton.
pub(super) const KEY_MAX: usize = 320;
/// Most keys for which the bitmap is worth a look.
const GISTS_MAX: usize = 16 * 1024;
/// 64-bit words of the bitmap: 65,536 bits.
const WORDS: usize = 1024;

/// A multimap from case-folded bytes to values.
#[derive(Clone, Default)]
pub(super) struct Table {
    /// Id + 1 in the lower `id_bits`, a tag above; 0 is an empty slot. At most three quarters are taken.
    pub(super) slots: Column<4>,
    /// Bits of [`gist`] that occur; empty where there are so many keys that nearly all do.
    pub(super) gists: Column<8>,
    /// A blocked Bloom filter: four bits in one word, sixteen bits or more a key.
    /// (Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom Filters, 2007.)
    pub(super) bloom: Column<8>,
    /// Numbers beside the columns.
    pub(super) facts: Facts,
}

/// What a table's columns do not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Facts {
    /// Keys.
    pub keys: u32,
    /// Bits of a slot that number a value.
    pub id_bits: u32,
    /// Length of the shortest key, bytes.
    pub shortest: u32,
    /// Length of the longest key, bytes.
    pub longest: u32,
}

impl Table {
    /// The table of these keys. Error: [`crate::error::Kind::Usage`], more ids than can be numbered.
    pub(super) fn new<K: AsRef<[u8]>>(keys: impl Iterator<Item = (K, ValueId)> + Clone) -> Result<Self> {
        let (mut count, mut most) = (0u32, 0);
        for (_, id) in keys.clone() {
            count += 1;
            most = id.max(most);
        }
        if count == 0 {
            return Ok(Self::default());
        }
        let most = most.checked_add(1).ok_or_else(|| Error::usage("more than 4294967294 identifiers"))?;
        let len = count as usize + count as usize / 3 + 1;
        let words = if count as usize <= GISTS_MAX { WORDS } else { 0 };
        let mut table = Self {
            slots: Column::zeros(len),
            gists: Column::zeros(words),
            bloom: Column::zeros((count as usize).div_ceil(4).next_power_of_two()),
            facts: Facts { keys: count, id_bits: 32 - most.leading_zeros(), shortest: u32::MAX, longest: 0 },
        };
        let (gists, bloom) = (table.gists.items_mut(), table.bloom.items_mut());
        let (slots, facts) = (table.slots.items_mut(), &mut table.facts);
        for (key, id) in keys {
            let key = key.as_ref();
            let bit = gist(key);
            set(gists, bit / 64, 1 << (bit % 64));
            let len = u32::try_from(key.len()).unwrap_or(u32::MAX);
            (facts.shortest, facts.longest) = (facts.shortest.min(len), facts.longest.max(len));
            let hash = folded_hash(key);
            set(bloom, block(hash, bloom.len()), bits(hash));
            let (tag, mut at) = place(hash, facts.id_bits, slots.len());
            while slots.get(at).is_some_and(|slot| *slot != [0; 4]) {
                at = if at + 1 < slots.len() { at + 1 } else { 0 };
            }
            if let Some(slot) = slots.get_mut(at) {
                *slot = (tag | (id + 1)).to_le_bytes();
            }
        }
        Ok(table)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Keys in it, and bytes of memory, mapped ones as well.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.facts.keys as usize, self.slots.0.len() + self.gists.0.len() + self.bloom.0.len())
    }

    /// Bounds of the keys' lengths, bytes.
    pub(super) fn lengths(&self) -> (usize, usize) {
        (self.facts.shortest as usize, self.facts.longest as usize)
    }

    /// Calls `found` with each value whose key may equal `key` without case.
    #[inline]
    pub(super) fn probe(&self, key: &[u8], found: impl FnMut(ValueId)) {
        if let Some(hash) = self.hash(key)
            && self.may_hold(hash)
        {
            self.probe_hashed(hash, found);
        }
    }

    /// The hash of a key that may be there, by its length and a few of its bytes.
    #[inline]
    pub(super) fn hash(&self, key: &[u8]) -> Option<u64> {
        if self.slots.is_empty() || key.len() < self.facts.shortest as usize || key.len() > self.facts.longest as usize
        {
            return None;
        }
        let bit = gist(key);
        if self.gists.get(bit / 64).is_some_and(|word| u64::from_le_bytes(*word) >> (bit % 64) & 1 == 0) {
            return None;
        }
        Some(folded_hash(key))
    }

    /// Whether the filter has the hash: one word of memory.
    #[inline]
    pub(super) fn may_hold(&self, hash: u64) -> bool {
        let words = self.bloom.items();
        let wanted = bits(hash);
        words.get(block(hash, words.len())).is_none_or(|word| u64::from_le_bytes(*word) & wanted == wanted)
    }

    /// Calls `found` with each value whose key may have this hash.
    #[inline]
    pub(super) fn probe_hashed(&self, hash: u64, mut found: impl FnMut(ValueId)) {
        let slots = self.slots.items();
        let (tag, first) = place(hash, self.facts.id_bits, slots.len());
        let (before, after) = slots.split_at_checked(first).unwrap_or_default();
        for slot in after.iter().chain(before) {
            let slot = u32::from_le_bytes(*slot);
            if slot == 0 {
                return;
            }
            if u64::from(slot ^ tag) >> (self.facts.id_bits & 63) == 0 {
                found((slot ^ tag).wrapping_sub(1));
            }
        }
    }
}

fn set(words: &mut [[u8; 8]], at: usize, bits: u64) {
    if let Some(word) = words.get_mut(at) {
        *word = (u64::from_le_bytes(*word) | bits).to_le_bytes();
    }
}

/// Sixteen bits from the length and four bytes, without case.
#[inline]
fn gist(key: &[u8]) -> usize {
    let Some(last) = key.len().checked_sub(1) else {
        return 0;
    };
    let byte = |at: usize| u32::from(key.get(at).copied().unwrap_or_default() | 0x20);
    let four = byte(0) | byte(last) << 8 | byte(last / 2) << 16 | byte(last - last / 4) << 24;
    ((four ^ (key.len() as u32) << 5).wrapping_mul(0x9E37_79B1) >> 16) as usize
}

/// The tag of a hash above `id_bits` bits, and the slot of `len` at which a search for it begins. The slot is chosen by the
/// upper half, as a fraction, so that the number of slots need be no power of two.
#[inline]
fn place(hash: u64, id_bits: u32, len: usize) -> (u32, usize) {
    let tag = (hash as u32).checked_shl(id_bits).unwrap_or_default();
    (tag, ((hash >> 32).wrapping_mul(len as u64) >> 32) as usize)
}

/// The filter's word for a key, of a number that is a power of two; by other bits than those that choose the slot.
#[inline]
fn block(hash: u64, words: usize) -> usize {
    (hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 24) as usize & words.saturating_sub(1)
}

/// The four bits of a key in its word.
#[inline]
fn bits(hash: u64) -> u64 {
    1 << (hash >> 40 & 63) | 1 << (hash >> 46 & 63) | 1 << (hash >> 52 & 63) | 1 << (hash >> 58 & 63)
}

/// A hash that is the same for letters of both cases (bit 5 is set in every byte).
#[inline]
fn folded_hash(key: &[u8]) -> u64 {
    const FOLD: u64 = 0x2020_2020_2020_2020;
    const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut hash = key.len() as u64;
    let mut rest = key;
    while let Some((word, after)) = rest.split_first_chunk::<8>().filter(|(_, after)| !after.is_empty()) {
        hash = (hash ^ (u64::from_le_bytes(*word) | FOLD)).wrapping_mul(MIX);
        hash ^= hash >> 29;
        rest = after;
    }
    // The last eight bytes, some of them once more; no copy of a length that is not known.
    let tail = match (key.last_chunk::<8>(), key.first_chunk::<4>(), key.last_chunk::<4>()) {
        (Some(last), ..) => u64::from_le_bytes(*last),
        (_, Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
        }
        _ => key.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)),
    };
    hash = (hash ^ (tail | FOLD)).wrapping_mul(MIX);
    hash ^ hash >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the case and the number of ids: every key finds its values, by one step and by three.
        #[test]
        fn keys_are_found(keys in proptest::collection::vec("[a-cA-C@._-]{0,20}", 0..200), spread in 1u32..1 << 20) {
            let all = keys.iter().map(String::as_bytes).zip((0..).map(|n| n * spread));
            let table = Table::new(all.clone()).unwrap();
            prop_assert_eq!(table.size().0, keys.len());
            for (key, id) in all {
                let key = key.to_ascii_uppercase();
                let (mut one, mut three) = (Vec::new(), Vec::new());
                table.probe(&key, |id| one.push(id));
                let hash = table.hash(&key).unwrap();
                prop_assert!(table.may_hold(hash));
                table.probe_hashed(hash, |id| three.push(id));
                prop_assert!(one.contains(&id));
                prop_assert_eq!(one, three);
            }
        }
    }

    #[test]
    fn few_strangers_pass_the_filter_and_fewer_the_slots() {
        let key = |n: u32| format!("person{n}@example.com");
        let table = Table::new((0..20_000).map(|n| (key(n), n))).unwrap();
        let hashes: Vec<u64> = (20_000..120_000).filter_map(|n| table.hash(key(n).as_bytes())).collect();
        let passed: Vec<u64> = hashes.into_iter().filter(|hash| table.may_hold(*hash)).collect();
        assert!(passed.len() < 2000, "{}", passed.len());
        let mut found = 0;
        passed.iter().for_each(|hash| table.probe_hashed(*hash, |_| found += 1));
        assert!(found < 20, "{found}");
    }

    #[test]
    fn a_table_is_small() {
        let table = Table::new((0..1_000_000u32).map(|n| (n.to_le_bytes(), n))).unwrap();
        let (keys, bytes) = table.size();
        assert!(bytes < keys * 10, "{bytes}");
    }
}
