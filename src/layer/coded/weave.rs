//! Old plain bytes and what changes in them, woven to new ones, unit by unit.
//!
//! A change belongs to the unit in which it begins, and what it drops beyond it to those behind. An insertion between two units
//! belongs to the one before, so that the stream's end needs no rule of its own.

use crate::edit::{Edit, EditList, EditReader};
use crate::error::{Error, Kind, Result};

/// Weaves the changes of an edit list, in order, into the plain bytes of the units that they touch.
pub struct Weave<'l> {
    reader: EditReader<'l>,
    /// The next change; of one that is under way, what is left to drop.
    next: Option<Edit>,
}

impl<'l> Weave<'l> {
    /// From the first change on.
    pub fn new(edits: &'l EditList) -> Result<Self> {
        let mut reader = edits.read();
        let next = reader.next()?;
        Ok(Self { reader, next })
    }

    /// The plain offset of the next change.
    pub fn next_at(&self) -> Option<u64> {
        self.next.as_ref().map(|edit| edit.span.start)
    }

    /// Whether something changes in the unit that ends at `end`; all before it is woven or untouched.
    pub fn touches(&self, end: u64) -> bool {
        self.next.as_ref().is_some_and(|edit| belongs(edit, end))
    }

    /// Gives to `out` what becomes of `old`, which stands at `at`.
    pub fn weave(&mut self, at: u64, old: &[u8], out: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let (mut from, end) = (at, at + old.len() as u64);
        let piece = |from: u64, to: u64| old.get((from - at) as usize..(to - at) as usize).unwrap_or_default();
        while let Some(edit) = self.next.as_mut().filter(|edit| belongs(edit, end)) {
            if edit.span.start < from {
                return Err(Error::new(Kind::Verify, "an edit lies behind its unit"));
            }
            let untouched = piece(from, edit.span.start);
            if !untouched.is_empty() {
                out(untouched)?;
            }
            if !edit.payload.is_empty() {
                out(&edit.payload)?;
                edit.payload.clear();
            }
            from = edit.span.end.min(end);
            edit.span.start = from;
            if edit.span.end > end {
                break;
            }
            self.next = self.reader.next()?;
        }
        let rest = piece(from, end);
        if rest.is_empty() { Ok(()) } else { out(rest) }
    }

    /// How long the bytes from `from` to `to` will be, all of which will be woven.
    pub fn len_after(&self, from: u64, to: u64) -> Result<u64> {
        let (mut reader, mut next, mut len) = (self.reader.clone(), self.next.clone(), to - from);
        while let Some(edit) = next.filter(|edit| belongs(edit, to)) {
            len += edit.payload.len() as u64;
            len -= edit.span.end.min(to) - edit.span.start;
            if edit.span.end > to {
                break;
            }
            next = reader.next()?;
        }
        Ok(len)
    }
}

/// Whether an edit touches the unit that ends at `end` and behind which nothing was woven so far.
fn belongs(edit: &Edit, end: u64) -> bool {
    edit.span.start < end || edit.span.start == end && edit.span.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::TempSpace;
    use crate::span::Span;
    use proptest::prelude::*;

    proptest! {
        /// Units of any size, of which only those are woven that are touched, come to the splice of a plain vector.
        #[test]
        fn units_do_not_matter(base in prop::collection::vec(any::<u8>(), 1..300),
                               cuts in prop::collection::vec((0usize..40, 0usize..40, prop::collection::vec(any::<u8>(), 0..20)), 0..12),
                               sizes in prop::collection::vec(0usize..30, 1..40)) {
            let mut list = EditList::new(&TempSpace::new(std::env::temp_dir(), 1 << 30));
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
            let mut weave = Weave::new(&list).unwrap();
            prop_assert_eq!(weave.len_after(0, base.len() as u64).unwrap(), model.len() as u64);
            let (mut at, mut got) = (0_usize, Vec::new());
            for size in sizes.iter().copied().chain([usize::MAX]) {
                let end = at.saturating_add(size).min(base.len());
                let old = &base[at.min(end)..end];
                if weave.touches(end as u64) {
                    let (before, want) = (got.len(), weave.len_after(at as u64, end as u64).unwrap());
                    weave.weave(at as u64, old, &mut |new| { got.extend_from_slice(new); Ok(()) }).unwrap();
                    prop_assert_eq!((got.len() - before) as u64, want);
                } else {
                    got.extend_from_slice(old);
                }
                at = end;
            }
            prop_assert!(weave.next_at().is_none());
            prop_assert_eq!(got, model);
        }
    }
}
