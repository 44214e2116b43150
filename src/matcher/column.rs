//! Columns: plain bytes in which items of one size stand, our own or those of a mapped file.
//!
//! A registry of ten million identifiers is some twenty columns and not forty million boxes; the same bytes are what a compiled
//! registry holds on disk, so that opening one is no reading. Numbers are little-endian. Items are read as bytes, wherever
//! they stand: no alignment is asked for, and none is cast. Every index is checked. What we own is overwritten when it goes.

use std::ops::{Deref, Range};
use std::sync::Arc;

use jiff::Timestamp;
use memmap2::Mmap;
use zeroize::Zeroize;

/// Bytes that are read in place: our own, or a part of a mapped file.
#[derive(Clone, Default)]
pub struct Bytes {
    own: Vec<u8>,
    mapped: Option<(Arc<Mmap>, Range<usize>)>,
}

impl Bytes {
    /// Those of `range` in a file.
    pub fn mapped(map: &Arc<Mmap>, range: Range<usize>) -> Self {
        Self { own: Vec::new(), mapped: Some((Arc::clone(map), range)) }
    }

    /// Adds `more` at the end; a growth leaves no copy behind. Mapped bytes become our own.
    pub fn extend(&mut self, more: &[u8]) {
        let own = self.own();
        let len = own.len() + more.len();
        if len > own.capacity() {
            let mut wider = Vec::with_capacity(len.max(own.capacity() * 2).max(64));
            wider.extend_from_slice(own);
            // Not what is spare: pages that were never written need no memory.
            own.as_mut_slice().zeroize();
            *own = wider;
        }
        own.extend_from_slice(more);
    }

    /// Bytes of memory of our own.
    pub fn heap(&self) -> usize {
        self.own.len()
    }

    fn own(&mut self) -> &mut Vec<u8> {
        if self.mapped.is_some() {
            self.own = self.to_vec();
            self.mapped = None;
        }
        &mut self.own
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(own: Vec<u8>) -> Self {
        Self { own, mapped: None }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.mapped {
            None => &self.own,
            Some((map, range)) => map.get(range.clone()).unwrap_or_default(),
        }
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        self.own.as_mut_slice().zeroize();
    }
}

/// Items of `W` bytes each.
#[derive(Clone, Default, PartialEq)]
pub struct Column<const W: usize>(pub Bytes);

impl<const W: usize> Column<W> {
    /// That many items, all zeros.
    pub fn zeros(len: usize) -> Self {
        Self(vec![0; len * W].into())
    }

    /// Number of items.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len() / W
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All items.
    #[inline]
    pub fn items(&self) -> &[[u8; W]] {
        self.0.as_chunks().0
    }

    /// The item at `at`.
    #[inline]
    pub fn get(&self, at: usize) -> Option<&[u8; W]> {
        self.items().get(at)
    }

    /// Items to be written. Mapped ones become our own.
    pub fn items_mut(&mut self) -> &mut [[u8; W]] {
        self.0.own().as_chunks_mut().0
    }

    /// Adds an item.
    pub fn push(&mut self, item: [u8; W]) {
        self.0.extend(&item);
    }
}

impl Column<4> {
    /// The number at `at`.
    #[inline]
    pub fn number(&self, at: usize) -> Option<u32> {
        self.get(at).map(|item| u32::from_le_bytes(*item))
    }

    /// Adds a number.
    pub fn add(&mut self, number: u32) {
        self.push(number.to_le_bytes());
    }

    /// Where in a rising column the numbers above `number` begin.
    pub fn above(&self, number: u32) -> usize {
        self.items().partition_point(|item| u32::from_le_bytes(*item) <= number)
    }

    /// The range of bytes that the item `at` of a column of ends stands for.
    #[inline]
    pub fn range(&self, at: usize) -> Option<Range<usize>> {
        let end = self.number(at)? as usize;
        let start = at.checked_sub(1).map_or(Some(0), |before| self.number(before))? as usize;
        Some(start..end)
    }
}

/// A time or none, in 12 bytes: seconds since the epoch (i64) and nanoseconds (i32); `i32::MAX` of them: none.
pub fn time(at: Option<Timestamp>) -> [u8; 12] {
    let (seconds, nanos) = at.map_or((0, i32::MAX), |at| (at.as_second(), at.subsec_nanosecond()));
    let mut out = [0; 12];
    let (first, last) = out.split_at_mut(8);
    first.copy_from_slice(&seconds.to_le_bytes());
    last.copy_from_slice(&nanos.to_le_bytes());
    out
}

/// The time that [`time`] wrote; `None` as well for bytes that are no time.
pub fn read_time(bytes: &[u8; 12]) -> Option<Timestamp> {
    let (seconds, nanos) = (bytes.first_chunk()?, bytes.last_chunk()?);
    Timestamp::new(i64::from_le_bytes(*seconds), i32::from_le_bytes(*nanos)).ok()
}
