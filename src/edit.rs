//! THE rewriter: edit lists, patches, and how they are applied.
//!
//! Find makes an [`EditList`] for each stream that changes: sorted, disjoint ranges that are replaced (an empty payload
//! drops). Lift turns it, layer by layer, into the edit list of the artifact's own bytes; with the artifact's length that is
//! a [`Patch`]. Nothing here knows a format. Memory: a list keeps [`crate::limits::SPOOL_MEMORY`] bytes and spools the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::blob::{Blob, Spool, TempSpace};
use crate::error::{Error, Kind, Result};
use crate::span::Span;

/// Longest payload of one stored entry; longer payloads become several entries at the same place.
const PIECE: usize = 64 * 1024;

/// One replacement: the bytes of `span` give way to `payload`. An empty span inserts, an empty payload drops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Range of the stream that the list is about.
    pub span: Span,
    /// What stands there afterwards; at most 64 KiB (longer ones are split).
    pub payload: Vec<u8>,
}

/// Tells whoever reads above that something will change about where the reader is: counts up. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Marks(Arc<AtomicU64>);

impl Marks {
    /// Counts one more.
    pub fn mark(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were so far.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Edits of ONE stream, sorted and disjoint (asserted in [`EditList::push`]); read forward only.
#[derive(Debug)]
pub struct EditList {
    /// Entries: varint gap since the last end, varint dropped length, varint payload length, payload.
    spool: Spool,
    /// End of the last span; the next may not start before it.
    end: u64,
    removed: u64,
    added: u64,
    marks: Option<Marks>,
}

impl EditList {
    /// An empty list whose overflow goes to `space`.
    pub fn new(space: &Arc<TempSpace>) -> Self {
        Self { spool: Spool::new(space), end: 0, removed: 0, added: 0, marks: None }
    }

    /// Marks whenever an edit is pushed.
    #[must_use]
    pub fn marking(self, marks: Marks) -> Self {
        Self { marks: Some(marks), ..self }
    }

    /// Appends an edit. An overlap with what was pushed before is an error, not a merge.
    pub fn push(&mut self, span: Span, payload: &[u8]) -> Result<()> {
        if span.start < self.end {
            return Err(Error::new(Kind::Verify, "edits overlap or are out of order"));
        }
        if span.is_empty() && payload.is_empty() {
            return Ok(());
        }
        let mut pieces = payload.chunks(PIECE);
        let mut entry = Vec::with_capacity(24 + payload.len().min(PIECE));
        let first = pieces.next().unwrap_or_default();
        put_entry(&mut entry, span.start - self.end, span.len(), first);
        self.spool.append(&entry)?;
        for piece in pieces {
            entry.clear();
            put_entry(&mut entry, 0, 0, piece);
            self.spool.append(&entry)?;
        }
        if let Some(marks) = &self.marks {
            marks.mark();
        }
        self.end = span.end;
        self.removed += span.len();
        self.added += payload.len() as u64;
        Ok(())
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.spool.is_empty()
    }

    /// Bytes of the stream that go.
    pub fn removed(&self) -> u64 {
        self.removed
    }

    /// Bytes that come in their place.
    pub fn added(&self) -> u64 {
        self.added
    }

    /// End of the last edited range, an offset of the stream.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Length of the stream after the edits, where it was `len` before.
    pub fn new_len(&self, len: u64) -> u64 {
        len - self.removed + self.added
    }

    /// The edits from the first on. Takes a read of the spool for each 64 KiB, no memory beyond that.
    pub fn read(&self) -> EditReader<'_> {
        EditReader { list: self, at: 0, end: 0, buf: Vec::new(), head: 0 }
    }

    /// All edits in memory: for tests and lists known to be short.
    pub fn to_vec(&self) -> Result<Vec<Edit>> {
        let mut edits = Vec::new();
        let mut reader = self.read();
        while let Some(edit) = reader.next()? {
            edits.push(edit);
        }
        Ok(edits)
    }
}

fn put_entry(out: &mut Vec<u8>, gap: u64, dropped: u64, payload: &[u8]) {
    for mut n in [gap, dropped, payload.len() as u64] {
        while n >= 0x80 {
            out.push(n as u8 | 0x80);
            n >>= 7;
        }
        out.push(n as u8);
    }
    out.extend_from_slice(payload);
}

/// Reads an [`EditList`] forward; a clone reads on from the same place.
#[derive(Debug, Clone)]
pub struct EditReader<'l> {
    list: &'l EditList,
    at: u64,
    end: u64,
    buf: Vec<u8>,
    head: usize,
}

impl EditReader<'_> {
    /// The next edit, or `None` after the last.
    #[expect(clippy::should_implement_trait, reason = "it is fallible, and lends nothing to iterate over")]
    pub fn next(&mut self) -> Result<Option<Edit>> {
        if self.head == self.buf.len() && self.at >= self.list.spool.len() {
            return Ok(None);
        }
        let gap = self.varint()?;
        let dropped = self.varint()?;
        let mut payload = vec![0; self.varint()? as usize];
        for byte in &mut payload {
            *byte = self.byte()?;
        }
        let start = self.end + gap;
        self.end = start + dropped;
        Ok(Some(Edit { span: Span::new(start, self.end), payload }))
    }

    fn varint(&mut self) -> Result<u64> {
        let (mut n, mut shift) = (0u64, 0);
        loop {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(n);
            }
            shift += 7;
        }
    }

    fn byte(&mut self) -> Result<u8> {
        if self.head == self.buf.len() {
            self.buf.resize(PIECE, 0);
            let n = self
                .list
                .spool
                .read_at(self.at, &mut self.buf)
                .map_err(|e| Error::io("reading a temporary file", &e))?;
            self.buf.truncate(n);
            self.at += n as u64;
            self.head = 0;
        }
        let byte = self.buf.get(self.head).copied();
        self.head += 1;
        byte.ok_or_else(|| Error::new(Kind::Io, "a temporary file ended early"))
    }
}

/// What becomes of an artifact: kept ranges of the original, and bytes written between them.
#[derive(Debug)]
pub struct Patch {
    /// Length of the original in bytes.
    pub base_len: u64,
    /// The edits of the artifact's own bytes; none ends after `base_len`.
    pub edits: EditList,
}

/// A piece of the new artifact, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// These bytes of the original.
    Keep(Span),
    /// These bytes, new.
    Write(Vec<u8>),
}

impl Patch {
    /// Length of the new artifact in bytes.
    pub fn len(&self) -> u64 {
        self.edits.new_len(self.base_len)
    }

    /// Whether the new artifact holds no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `play` for each piece in order. Pieces are never empty; kept ranges are as long as they can be.
    pub fn play(&self, mut play: impl FnMut(Piece) -> Result<()>) -> Result<()> {
        let (mut keep, mut reader) = (Span::default(), self.edits.read());
        while let Some(edit) = reader.next()? {
            keep.end = edit.span.start;
            if edit.span.end > self.base_len {
                return Err(Error::new(Kind::Verify, "an edit ends after its stream"));
            }
            if !edit.span.is_empty() || !edit.payload.is_empty() {
                if !keep.is_empty() {
                    play(Piece::Keep(keep))?;
                }
                keep.start = edit.span.end;
            }
            keep.end = keep.start;
            if !edit.payload.is_empty() {
                play(Piece::Write(edit.payload))?;
            }
        }
        keep.end = self.base_len;
        if keep.is_empty() { Ok(()) } else { play(Piece::Keep(keep)) }
    }

    /// The new artifact's bytes, in memory: for tests.
    pub fn to_bytes(&self, base: &dyn Blob) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        self.play(|piece| {
            match piece {
                Piece::Write(bytes) => out.extend_from_slice(&bytes),
                Piece::Keep(span) => {
                    let from = out.len();
                    out.resize(from + span.len() as usize, 0);
                    let (mut at, mut rest) = (span.start, out.get_mut(from..).unwrap_or_default());
                    while !rest.is_empty() {
                        let n = base.read_at(at, rest).map_err(|e| Error::io("reading the original", &e))?;
                        if n == 0 {
                            return Err(Error::new(Kind::Io, "the original ended early"));
                        }
                        at += n as u64;
                        rest = rest.get_mut(n..).unwrap_or_default();
                    }
                }
            }
            Ok(())
        })?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn space() -> Arc<TempSpace> {
        TempSpace::new(std::env::temp_dir(), 1 << 30)
    }

    #[test]
    fn overlap_is_an_error() {
        let mut list = EditList::new(&space());
        list.push(Span::new(5, 9), b"x").unwrap();
        assert!(list.push(Span::new(8, 10), b"").is_err());
        list.push(Span::new(9, 9), b"y").unwrap();
        assert_eq!(list.to_vec().unwrap().len(), 2);
    }

    #[test]
    fn long_payloads_are_split_and_whole() {
        let mut list = EditList::new(&space());
        let long: Vec<u8> = (0..PIECE * 10 + 3).map(|i| (i * 7 % 256) as u8).collect();
        list.push(Span::new(2, 4), &long).unwrap();
        let patch = Patch { base_len: 6, edits: list };
        let got = patch.to_bytes(&b"abCDef".to_vec()).unwrap();
        assert_eq!(got, [b"ab", long.as_slice(), b"ef"].concat());
        assert_eq!(patch.len(), got.len() as u64);
    }

    proptest! {
        /// The model: a splice of a plain vector, from the last edit to the first.
        #[test]
        fn patch_equals_splice(base in prop::collection::vec(any::<u8>(), 0..300),
                               cuts in prop::collection::vec((0usize..40, 0usize..40, prop::collection::vec(any::<u8>(), 0..20)), 0..12)) {
            let mut list = EditList::new(&space());
            let (mut at, mut model, mut edits) = (0, base.clone(), Vec::new());
            for (gap, len, payload) in cuts {
                let start = (at + gap).min(base.len());
                let end = (start + len).min(base.len());
                list.push(Span::new(start as u64, end as u64), &payload).unwrap();
                edits.push((start, end, payload));
                at = end;
            }
            for (start, end, payload) in edits.iter().rev() {
                model.splice(*start..*end, payload.iter().copied());
            }
            let patch = Patch { base_len: base.len() as u64, edits: list };
            prop_assert_eq!(patch.len(), model.len() as u64);
            prop_assert_eq!(patch.to_bytes(&base).unwrap(), model);
            let mut kept_to = None;
            patch.play(|p| {
                if let Piece::Keep(span) = p {
                    assert!(!span.is_empty() && kept_to != Some(span.start), "kept ranges are maximal");
                    kept_to = Some(span.end);
                } else {
                    kept_to = None;
                }
                Ok(())
            }).unwrap();
        }
    }
}
