//! The new object as a blob: a patch over the original, readable at any offset before anything of it is sent.
//!
//! Pieces are listed in a spool (16 bytes each: where it begins, and where its bytes are) and found by bisection, new bytes stand in
//! another. Memory: what two spools take.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::parts::Run;
use crate::blob::{Blob, Spool, TempSpace};
use crate::edit::{Patch, Piece};
use crate::error::{Error, Kind, Result};

/// Bytes of an entry of the index.
const ENTRY: u64 = 16;
/// Marks an entry whose bytes are new: offsets of objects are far below.
const NEW: u64 = 1 << 63;

/// What the new object is made of.
pub(crate) struct Layout {
    /// Where each piece begins in the new object, and where it is in the original or, with [`NEW`], among the new bytes.
    index: Spool,
    new: Spool,
    len: u64,
    kept: u64,
    /// The entry that was read last: the next is likely the same or the one behind.
    last: AtomicU64,
}

#[derive(Clone, Copy)]
struct Entry {
    start: u64,
    end: u64,
    from: u64,
    is_new: bool,
}

impl Layout {
    /// The pieces of `patch`.
    pub(crate) fn of(patch: &Patch, space: &Arc<TempSpace>) -> Result<Self> {
        let (mut index, mut new) = (Spool::new(space), Spool::new(space));
        let (mut len, mut kept, mut after_new) = (0, 0, false);
        patch.play(|piece| {
            let (from, bytes) = match &piece {
                Piece::Keep(span) => (span.start, span.len()),
                Piece::Write(bytes) => (new.len() | NEW, bytes.len() as u64),
            };
            let is_new = from & NEW != 0;
            // Long payloads come in pieces: they are one.
            if !(is_new && after_new) {
                let mut entry = [0; ENTRY as usize];
                let (start, source) = entry.split_at_mut(8);
                start.copy_from_slice(&u64::to_le_bytes(len));
                source.copy_from_slice(&from.to_le_bytes());
                index.append(&entry)?;
            }
            after_new = is_new;
            if let Piece::Write(bytes) = &piece {
                new.append(bytes)?;
            } else {
                kept += bytes;
            }
            len += bytes;
            Ok(())
        })?;
        Ok(Self { index, new, len, kept, last: AtomicU64::new(0) })
    }

    /// An original of `base_len` bytes with `tail` behind it.
    pub(crate) fn grown(base_len: u64, tail: Spool, space: &Arc<TempSpace>) -> Result<Self> {
        let mut index = Spool::new(space);
        let kept = (base_len > 0).then_some((0, 0));
        for (start, from) in kept.into_iter().chain([(base_len, NEW)]) {
            index.append(&u64::to_le_bytes(start))?;
            index.append(&u64::to_le_bytes(from))?;
        }
        let len = base_len + tail.len();
        Ok(Self { index, new: tail, len, kept: base_len, last: AtomicU64::new(0) })
    }

    /// Length of the new object, bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Bytes of it that are the original's.
    pub(crate) fn kept(&self) -> u64 {
        self.kept
    }

    /// Its runs, from the first.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Result<Run>> + '_ {
        (0..self.entries()).map(|n| {
            let entry = self.entry(n).map_err(|e| Error::io("reading a temporary file", &e))?;
            Ok(Run { len: entry.end - entry.start, kept: (!entry.is_new).then_some(entry.from) })
        })
    }

    /// Reads the new object at `at`, kept bytes from `base`.
    pub(crate) fn read_at(&self, base: &dyn Blob, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        if at >= self.len || buf.is_empty() {
            return Ok(0);
        }
        let entry = self.find(at)?;
        let most = usize::try_from(entry.end - at).unwrap_or(usize::MAX).min(buf.len());
        let buf = buf.get_mut(..most).unwrap_or_default();
        let from = entry.from + (at - entry.start);
        let n = if entry.is_new { self.new.read_at(from, buf) } else { base.read_at(from, buf) }?;
        if n == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(n) }
    }

    /// All of `[at, at + buf.len())`.
    pub(crate) fn fill(&self, base: &dyn Blob, at: u64, buf: &mut [u8]) -> Result<()> {
        let (mut at, mut rest) = (at, buf);
        while !rest.is_empty() {
            let n = self.read_at(base, at, rest).map_err(|e| Error::io("reading the original", &e))?;
            if n == 0 {
                return Err(Error::new(Kind::Io, "the new object ended early"));
            }
            at += n as u64;
            rest = rest.get_mut(n..).unwrap_or_default();
        }
        Ok(())
    }

    fn entries(&self) -> u64 {
        self.index.len() / ENTRY
    }

    /// The entry in which `at` stands.
    fn find(&self, at: u64) -> io::Result<Entry> {
        let last = self.last.load(Ordering::Relaxed);
        for near in [last, last + 1] {
            if near < self.entries() {
                let entry = self.entry(near)?;
                if (entry.start..entry.end).contains(&at) {
                    self.last.store(near, Ordering::Relaxed);
                    return Ok(entry);
                }
            }
        }
        let (mut low, mut high) = (0, self.entries());
        while high - low > 1 {
            let middle = u64::midpoint(low, high);
            if self.entry(middle)?.start <= at { low = middle } else { high = middle }
        }
        self.last.store(low, Ordering::Relaxed);
        self.entry(low)
    }

    fn entry(&self, n: u64) -> io::Result<Entry> {
        let mut bytes = [0; 2 * ENTRY as usize];
        let mut got = 0;
        let wanted = if n + 1 < self.entries() { bytes.len() } else { ENTRY as usize };
        while got < wanted {
            match self.index.read_at(n * ENTRY + got as u64, bytes.get_mut(got..wanted).unwrap_or_default())? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => got += more,
            }
        }
        let word = |at: usize| {
            let word = bytes.get(at..at + 8).and_then(|word| word.try_into().ok());
            u64::from_le_bytes(word.unwrap_or_default())
        };
        let from = word(8);
        let end = if wanted > ENTRY as usize { word(16) } else { self.len };
        Ok(Entry { start: word(0), end, from: from & !NEW, is_new: from & NEW != 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::EditList;
    use crate::span::Span;
    use proptest::prelude::*;

    proptest! {
        /// The virtual object is the model's, wherever reads begin and end.
        #[test]
        fn the_new_object_is_the_patched_one(
            base in prop::collection::vec(any::<u8>(), 0..300),
            cuts in prop::collection::vec((0usize..40, 0usize..40, prop::collection::vec(any::<u8>(), 0..20)), 0..12),
            reads in prop::collection::vec((0usize..400, 1usize..60), 1..20),
        ) {
            let space = TempSpace::new(std::env::temp_dir(), 1 << 20);
            let mut edits = EditList::new(&space);
            let mut at = 0;
            for (gap, len, payload) in cuts {
                let start = (at + gap).min(base.len());
                let end = (start + len).min(base.len());
                edits.push(Span::new(start as u64, end as u64), &payload).unwrap();
                at = end;
            }
            let patch = Patch { base_len: base.len() as u64, edits };
            let want = patch.to_bytes(&base).unwrap();
            let layout = Layout::of(&patch, &space).unwrap();
            prop_assert_eq!(layout.len(), want.len() as u64);
            let mut all = vec![0; want.len()];
            layout.fill(&base, 0, &mut all).unwrap();
            prop_assert_eq!(&all, &want);
            for (at, len) in reads {
                let mut buf = vec![0; len];
                let n = layout.read_at(&base, at as u64, &mut buf).unwrap();
                prop_assert_eq!(&buf[..n], want.get(at..).unwrap_or_default().get(..n).unwrap_or_default());
                prop_assert_eq!(n == 0, at >= want.len());
            }
            let (mut at, mut kept) = (0u64, 0);
            for run in layout.runs() {
                let run = run.unwrap();
                let new = &want[at as usize..(at + run.len) as usize];
                if let Some(from) = run.kept {
                    prop_assert_eq!(new, &base[from as usize..(from + run.len) as usize]);
                    kept += run.len;
                }
                at += run.len;
            }
            prop_assert_eq!((at, kept), (want.len() as u64, layout.kept()));
        }
    }
}
