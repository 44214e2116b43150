//! Values by their bytes without case: one probe a token of the text, whatever the size of the registry.
//!
//! Open addressing over (tag, value) pairs, with a bitmap before it that stays in the first-level cache. It says "may be";
//! the caller compares bytes. Hash flooding is no concern: keys come from the registry, and a text cannot lengthen a probe.
#![expect(
    clippy::indexing_slicing,
    reason = "slots and the filter's words are masked by a power of two that is their length"
)]

use super::super::ValueId;

/// Longest key, bytes; longer values are found by the automaton.
pub(super) const KEY_MAX: usize = 320;
/// Most keys for which the bitmap is worth a look.
const GISTS_MAX: usize = 16 * 1024;
/// 64-bit words of the bitmap: 65,536 bits.
const WORDS: usize = 1024;

/// A multimap from case-folded bytes to values.
#[derive(Default)]
pub(super) struct Table {
    /// (tag, value + 1); 0 in the second is an empty slot. Its length is a power of two, at least twice the entries.
    slots: Vec<(u32, u32)>,
    /// Bits of [`gist`] that occur; empty where there are so many keys that nearly all do.
    gists: Vec<u64>,
    /// A blocked Bloom filter: four bits in one word, sixteen bits or more a key.
    /// (Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom Filters, 2007.)
    bloom: Vec<u64>,
    /// Bounds of the keys' lengths, bytes.
    lengths: (usize, usize),
}

impl Table {
    /// The table of these keys.
    pub(super) fn new<'k>(keys: impl Iterator<Item = (&'k [u8], ValueId)> + Clone) -> Self {
        let count = keys.clone().count();
        if count == 0 {
            return Self::default();
        }
        let mut table = Self {
            slots: vec![(0, 0); (count * 2).next_power_of_two()],
            gists: vec![0; if count <= GISTS_MAX { WORDS } else { 0 }],
            bloom: vec![0; count.div_ceil(4).next_power_of_two()],
            lengths: (usize::MAX, 0),
        };
        let mask = table.slots.len() - 1;
        for (key, value) in keys {
            let bit = gist(key);
            if let Some(word) = table.gists.get_mut(bit / 64) {
                *word |= 1 << (bit % 64);
            }
            table.lengths = (table.lengths.0.min(key.len()), table.lengths.1.max(key.len()));
            let hash = folded_hash(key);
            let words = table.bloom.len() - 1;
            table.bloom[block(hash, words)] |= bits(hash);
            let (tag, mut at) = place(hash, mask);
            while table.slots[at].1 != 0 {
                at = (at + 1) & mask;
            }
            table.slots[at] = (tag, value + 1);
        }
        table
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Keys in it, and bytes of memory.
    pub(super) fn size(&self) -> (usize, usize) {
        let keys = self.slots.iter().filter(|slot| slot.1 != 0).count();
        let words = self.gists.len() + self.bloom.len();
        (keys, self.slots.len() * size_of::<(u32, u32)>() + words * size_of::<u64>())
    }

    /// Bounds of the keys' lengths, bytes.
    pub(super) fn lengths(&self) -> (usize, usize) {
        self.lengths
    }

    /// Calls `found` with each value whose key may equal `key` without case.
    #[inline]
    pub(super) fn probe(&self, key: &[u8], mut found: impl FnMut(ValueId)) {
        if self.slots.is_empty() || key.len() < self.lengths.0 || key.len() > self.lengths.1 {
            return;
        }
        super::super::work::look(key.len());
        let bit = gist(key);
        if self.gists.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 0) {
            return;
        }
        let hash = folded_hash(key);
        let wanted = bits(hash);
        if self.bloom[block(hash, self.bloom.len() - 1)] & wanted != wanted {
            return;
        }
        let mask = self.slots.len() - 1;
        let (tag, mut at) = place(hash, mask);
        while self.slots[at].1 != 0 {
            if self.slots[at].0 == tag {
                found(self.slots[at].1 - 1);
            }
            at = (at + 1) & mask;
        }
    }
}

/// Sixteen bits from the length and four bytes, without case.
#[inline]
fn gist(key: &[u8]) -> usize {
    let Some(last) = key.len().checked_sub(1) else {
        return 0;
    };
    let byte = |at: usize| u32::from(key[at] | 0x20);
    let four = byte(0) | byte(last) << 8 | byte(last / 2) << 16 | byte(last - last / 4) << 24;
    ((four ^ (key.len() as u32) << 5).wrapping_mul(0x9E37_79B1) >> 16) as usize
}

#[inline]
fn place(hash: u64, mask: usize) -> (u32, usize) {
    ((hash >> 32) as u32, hash as usize & mask)
}

/// The filter's word for a key; by other bits than those that choose the slot.
#[inline]
fn block(hash: u64, mask: usize) -> usize {
    (hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 24) as usize & mask
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
    let (words, rest) = key.as_chunks::<8>();
    for word in words {
        hash = (hash ^ (u64::from_le_bytes(*word) | FOLD)).wrapping_mul(MIX);
        hash ^= hash >> 29;
    }
    let mut tail = [0; 8];
    tail[..rest.len()].copy_from_slice(rest);
    hash = (hash ^ (u64::from_le_bytes(tail) | FOLD)).wrapping_mul(MIX);
    hash ^ hash >> 32
}
