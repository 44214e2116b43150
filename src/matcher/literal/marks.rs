//! Between the class words and the tables: lists of anchors, and keys that wait for each other.
//!
//! A branch for each bit of a word is mispredicted about once a word, which costs more than all the arithmetic; so anchors are listed
//! four at a time, whether there are so many or not (Langdale and Lemire: Parsing Gigabytes of JSON per Second, 2019, 3.2). A table of
//! millions of keys is not in cache; so a few dozen keys are hashed first, and then all are looked up with nothing that depends
//! on an answer in between, and the memory answers them together.

#![expect(clippy::inline_always, reason = "what is not inlined into `with_bits` has not its instructions")]

use super::super::ValueId;
use super::super::classes::{CHUNK, STEP};
use super::Range;
use super::table::Table;

/// Bits that are listed without a look at how many there are.
const BLIND: usize = 4;

/// Bytes of a chunk, ascending. Memory: 16 KiB.
pub(super) struct Marks {
    list: Vec<u16>,
    len: usize,
}

impl Marks {
    /// For a text of that length.
    pub(super) fn new(len: usize) -> Self {
        Self { list: vec![0; len.min(CHUNK) + BLIND], len: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Adds the bytes of word `w` whose bits are set. Words come in order, each once.
    #[inline(always)]
    pub(super) fn push(&mut self, w: usize, mut bits: u64) {
        let count = bits.count_ones() as usize;
        let Some(slots) = self.list.get_mut(self.len..) else { return };
        let (blind, more) = slots.split_at_mut(BLIND.min(slots.len()));
        for slot in blind {
            *slot = (w * STEP) as u16 + bits.trailing_zeros() as u16;
            bits &= bits.wrapping_sub(1);
        }
        if count > BLIND {
            for slot in more.iter_mut().take(count - BLIND) {
                *slot = (w * STEP) as u16 + bits.trailing_zeros() as u16;
                bits &= bits.wrapping_sub(1);
            }
        }
        self.len += count;
    }

    pub(super) fn list(&self) -> &[u16] {
        self.list.get(..self.len).unwrap_or_default()
    }
}

/// Keys that are looked up together.
const TOGETHER: usize = 32;

/// Keys on their way into one table.
pub(super) struct Queue<'t> {
    table: &'t Table,
    /// Hash, and the place in the text.
    keys: [(u64, usize, usize); TOGETHER],
    len: usize,
}

impl<'t> Queue<'t> {
    pub(super) fn new(table: &'t Table) -> Self {
        Self { table, keys: [(0, 0, 0); TOGETHER], len: 0 }
    }

    /// Adds the key that stands at `span` of `text`.
    #[inline(always)]
    pub(super) fn push(&mut self, text: &[u8], span: Range<usize>, found: &mut impl FnMut(ValueId, Range<usize>)) {
        if let Some(key) = text.get(span.clone()) {
            self.push_key(key, span, found);
        }
    }

    /// Adds a key that `span` spells.
    #[inline(always)]
    pub(super) fn push_key(&mut self, key: &[u8], span: Range<usize>, found: &mut impl FnMut(ValueId, Range<usize>)) {
        let Some(hash) = self.table.hash(key) else { return };
        if let Some(slot) = self.keys.get_mut(self.len) {
            *slot = (hash, span.start, span.end);
            self.len += 1;
        }
        if self.len == TOGETHER {
            self.look_up(found);
        }
    }

    /// Looks up what is left.
    pub(super) fn finish(mut self, found: &mut impl FnMut(ValueId, Range<usize>)) {
        self.look_up(found);
    }

    fn look_up(&mut self, found: &mut impl FnMut(ValueId, Range<usize>)) {
        let keys = self.keys.get(..self.len).unwrap_or_default();
        let mut there = 0u64;
        for (i, (hash, ..)) in keys.iter().enumerate() {
            there |= u64::from(self.table.may_hold(*hash)) << i;
        }
        while there != 0 {
            if let Some((hash, start, end)) = keys.get(there.trailing_zeros() as usize) {
                self.table.probe_hashed(*hash, |value| found(value, *start..*end));
            }
            there &= there - 1;
        }
        self.len = 0;
    }
}
