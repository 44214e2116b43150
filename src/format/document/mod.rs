//! JSON documents: the elements of the outermost arrays of objects are records.
//!
//! A [`Layer`] of its own, because an element does not own its separator: one that goes takes a comma with it, and which one is
//! not known before the next element is. [`walk`] cuts the document into pieces, this file judges them, and `Commas` says
//! what stays between elements. A hit outside of records is edited in its place: a name or a scalar by itself, so that no
//! structure changes. A document is read to its end however it goes on; one that is no JSON is damaged. Memory: the window
//! (`--max-record` bounds one element, and one scalar), and the blanks around elements that go.

mod commas;
pub mod walk;

use std::ops::Range;

use super::json;
use crate::error::Result;
use crate::input::Input;
use crate::judge::{Ruling, Verdict};
use crate::layer::ruling::{self, Batch, Candidates, Parse, Sheet};
use crate::layer::stream::{Outlet, Streamed};
use crate::layer::{Cx, Found, Layer};
use crate::policy::Rule;
use crate::record::{Field, Part};
use commas::Commas;
use walk::{Piece, Pointer, Walk, What};

/// Pieces cut ahead at one time: bounds what is kept for each, whatever the window.
const MAX_PIECES: usize = 1 << 16;

/// The layer.
pub static DOCUMENT: Document = Document;

/// See [`DOCUMENT`].
pub struct Document;

impl Layer for Document {
    fn name(&self) -> &'static str {
        "json"
    }

    fn find(&'static self, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<Found> {
        ruling::find(self, input, cx)
    }

    fn stream(&'static self, input: &mut Input<'_>, cx: &mut Cx<'_>, out: &mut dyn Outlet) -> Result<Streamed> {
        ruling::stream(self, input, cx, out)
    }

    fn open<'b, 's: 'b>(
        &'static self,
        _head: &[u8],
        _whole: bool,
        cx: &Cx<'s>,
        sheet: Sheet<'b>,
    ) -> Result<Option<Box<dyn Batch + 'b>>> {
        let rule = cx.rule();
        let pointer = rule.and_then(|rule| rule.records.as_deref()).map(Pointer::parse);
        let walk = Walk::new(pointer);
        Ok(Some(Box::new(Run { walk, rule, sheet, commas: Commas::default(), pieces: Vec::new(), base: 0 })))
    }
}

/// One stream being read.
struct Run<'r> {
    walk: Walk,
    rule: Option<&'r Rule>,
    sheet: Sheet<'r>,
    commas: Commas,
    /// Pieces of one window; kept for its memory.
    pieces: Vec<Piece>,
    /// Offset in the stream of the window's first byte.
    base: u64,
}

impl Batch for Run<'_> {
    fn batch(&mut self, window: &[u8], eof: bool, cx: &mut Cx<'_>) -> Result<usize> {
        let mut pieces = std::mem::take(&mut self.pieces);
        let mut done = 0;
        let most = cx.search.limits.max_record;
        while let Some(rest) = window.get(done..).filter(|rest| !rest.is_empty() && pieces.len() < MAX_PIECES) {
            let Some(piece) = self.walk.next(rest, eof)? else { break };
            if piece.len as u64 > most && piece.what.is_data() {
                return Err(ruling::too_long(most));
            }
            done += piece.len;
            pieces.push(piece);
        }
        let text = window.get(..done).unwrap_or_default();
        let mut candidates = Candidates::of(text, cx);
        let mut at = 0;
        for piece in pieces.drain(..) {
            let range = at..at + piece.len;
            at = range.end;
            let ruling = self.ruling(text, &range, &piece, &mut candidates, cx)?;
            self.write(text, range, piece.what, ruling, cx)?;
        }
        self.pieces = pieces;
        self.base += done as u64;
        Ok(done)
    }

    fn flush(&mut self) -> Result<()> {
        self.sheet.flush()
    }

    fn finish(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.walk.finish()?;
        cx.leaf("", &self.sheet.leaf);
        Ok(())
    }
}

impl Run<'_> {
    /// What becomes of a piece; `None` if nothing does.
    fn ruling(
        &self,
        text: &[u8],
        range: &Range<usize>,
        piece: &Piece,
        candidates: &mut Candidates,
        cx: &mut Cx<'_>,
    ) -> Result<Option<Ruling>> {
        let part = match piece.what {
            What::Element => Part::Data,
            What::Member | What::Scalar => Part::Structure,
            _ => return Ok(None),
        };
        cx.tally.read += u64::from(part == Part::Data);
        let unit = text.get(range.clone()).unwrap_or_default();
        if !candidates.touch(range) && !ruling::hides(unit, piece, cx)? {
            return Ok(None);
        }
        let rulings = ruling::rulings(unit, &[(0..unit.len(), part)], piece, self.rule, cx)?;
        let Some(mut ruling) = rulings.and_then(|rulings| rulings.into_iter().next()) else { return Ok(None) };
        if let Verdict::Edit(edits) = &ruling.verdict
            && part == Part::Data
            && matches!(edits.as_slice(), [(all, payload)] if payload.is_empty() && *all == (0..unit.len()))
        {
            // A scalar as an element, and its field is to be removed.
            ruling.verdict = Verdict::Drop;
        }
        cx.tally.count(&ruling);
        Ok(Some(ruling))
    }

    fn write(
        &mut self,
        text: &[u8],
        range: Range<usize>,
        what: What,
        ruling: Option<Ruling>,
        cx: &mut Cx<'_>,
    ) -> Result<()> {
        let bytes = text.get(range.clone()).unwrap_or_default();
        let (sheet, base) = (&mut self.sheet, self.base);
        let at = base + range.start as u64;
        let verdict = ruling.map_or(Verdict::Keep, |ruling| ruling.verdict);
        match (what, &verdict) {
            (What::Blank, _) => return self.commas.blank(bytes, sheet, cx),
            (What::Comma, _) => {
                self.commas.comma(at);
                return Ok(());
            }
            (What::Element, Verdict::Drop) => {
                self.commas.dropped(at, bytes.len() as u64);
                return Ok(());
            }
            (What::Element, _) => self.commas.kept(at, sheet)?,
            (What::Close, _) => self.commas.close(sheet)?,
            (What::Plain | What::Member | What::Scalar, _) => {}
        }
        let mut kept = range.start;
        if let Verdict::Edit(edits) = verdict {
            for (within, payload) in edits {
                let within = range.start + within.start..range.start + within.end;
                kept = sheet.edit(text, kept, within, &payload, base)?;
            }
        }
        sheet.keep(text.get(kept..range.end).unwrap_or_default())
    }
}

impl Parse for Piece {
    fn fields<'r>(&'r self, record: &'r [u8], visit: &mut dyn FnMut(Field<'r>)) -> Result<()> {
        if self.what == What::Member {
            json::member(record, &self.above, visit);
            return Ok(());
        }
        json::fields(record, &self.above, visit)
    }

    fn may_hide(&self, record: &[u8]) -> bool {
        json::may_hold_bytes(record)
    }
}

#[cfg(test)]
mod tests;
