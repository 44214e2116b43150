//! Which pieces of a dump a candidate touches: in the text that they spell.
//!
//! Most pieces are their text, and are searched where they lie. As soon as one is not, all are searched in a copy in which it is decoded:
//! nothing is searched twice.

use super::super::cells::{How, Row, view_of_copy, view_of_tuple};
use super::super::quiet::decode_literals;
use super::super::walk::{Piece, What};
use super::{Cut, Run};
use crate::error::Result;
use crate::layer::Cx;
use crate::layer::ruling::Candidates;
use crate::limits::WINDOW;

/// The buffer that is kept from window to window.
const KEPT: usize = 4 * WINDOW;

impl Run<'_> {
    /// Notes which pieces of `text` a candidate touches.
    pub(super) fn touched(&mut self, text: &[u8], cuts: &mut [Cut], cx: &Cx<'_>) -> Result<()> {
        let mut clear = std::mem::take(&mut self.clear);
        clear.clear();
        // Up to where the text was copied.
        let mut copied = 0;
        for cut in cuts.iter_mut() {
            let range = cut.at..cut.at + cut.piece.len;
            let bytes = text.get(range.clone()).unwrap_or_default();
            if bytes.len() > 8 * WINDOW {
                // Its text, once more where it is searched, and what an edit makes of it.
                cx.memory().need(4 * bytes.len() as u64)?;
            }
            cut.spelled = self.is_spelled(&cut.piece, bytes);
            if cut.spelled {
                clear.extend_from_slice(text.get(copied..range.start).unwrap_or_default());
                self.spell(&cut.piece, bytes, &mut clear);
                copied = range.end;
            }
            cut.end = clear.len() + range.end - copied;
        }
        let mut candidates = if copied == 0 {
            Candidates::of(text, cx)
        } else {
            clear.extend_from_slice(text.get(copied..).unwrap_or_default());
            Candidates::of(&clear, cx)
        };
        let mut start = 0;
        for cut in cuts {
            cut.touched = candidates.touch(&(start..cut.end));
            start = cut.end;
        }
        if clear.capacity() <= KEPT {
            self.clear = clear;
        }
        Ok(())
    }

    /// Whether the text of a piece may be another than its bytes.
    fn is_spelled(&self, piece: &Piece, bytes: &[u8]) -> bool {
        match piece.what {
            What::Row => is_escaped(bytes),
            What::Tuple => piece.escaped,
            What::Statement => memchr::memchr(b'\'', bytes).is_some(),
            _ => false,
        }
    }

    /// Adds the text of a piece, and its bytes if they count as well.
    fn spell(&self, piece: &Piece, bytes: &[u8], out: &mut Vec<u8>) {
        // Nothing of one piece goes on in another.
        out.push(b'\n');
        match piece.what {
            What::Row if self.line == How::Copy => view_of_copy(bytes, out),
            What::Row => out.extend(Row::of_line(bytes, &self.line).view),
            What::Tuple if piece.comment => {
                out.extend_from_slice(bytes);
                out.push(b'\n');
                out.extend(Row::of_tuple(bytes, self.dialect).view);
            }
            What::Tuple if piece.odd => out.extend(Row::of_tuple(bytes, self.dialect).view),
            What::Tuple => view_of_tuple(bytes, self.dialect, out),
            _ => {
                out.extend_from_slice(bytes);
                out.push(b'\n');
                decode_literals(bytes, self.dialect, out);
            }
        }
        out.push(b'\n');
    }
}

/// Whether a row of `COPY` holds an escape that is not all of a NULL.
fn is_escaped(row: &[u8]) -> bool {
    memchr::memchr_iter(b'\\', row).any(|at| row.get(at + 1) != Some(&b'N'))
}
