//! Which pieces of a dump a candidate touches: in their bytes, or in the text that they spell.

use std::ops::Range;

use super::super::cells::{How, Row, view_of_copy};
use super::super::quiet::decode_literals;
use super::super::walk::{Piece, What};
use super::Run;
use crate::error::Result;
use crate::layer::Cx;
use crate::layer::ruling::Candidates;
use crate::limits::WINDOW;

impl Run<'_> {
    /// Pieces that a candidate touches.
    pub(super) fn touched(&self, text: &[u8], pieces: &[(Range<usize>, Piece)], cx: &Cx<'_>) -> Result<Vec<bool>> {
        let mut candidates = Candidates::of(text, cx);
        let mut out: Vec<bool> = pieces.iter().map(|(range, _)| candidates.touch(range)).collect();
        // Where the bytes are not the text, the text is searched as well.
        let (mut decoded, mut ends) = (Vec::new(), Vec::new());
        for (at, (range, piece)) in pieces.iter().enumerate() {
            let bytes = text.get(range.clone()).unwrap_or_default();
            if bytes.len() > 8 * WINDOW {
                // Its text, once more where it is searched, and what an edit makes of it.
                cx.memory().need(4 * bytes.len() as u64)?;
            }
            if out.get(at) == Some(&true) {
                continue;
            }
            match piece.what {
                What::Row if is_escaped(bytes) && self.line == How::Copy => {
                    view_of_copy(bytes, &mut decoded);
                }
                What::Row if is_escaped(bytes) => decoded.extend(Row::of_line(bytes, &self.line).view),
                What::Tuple if piece.escaped => {
                    decoded.extend(Row::of_tuple(bytes, self.dialect).view);
                }
                What::Statement => decode_literals(bytes, self.dialect, &mut decoded),
                _ => continue,
            }
            ends.push((decoded.len(), at));
        }
        let mut candidates = Candidates::of(&decoded, cx);
        let mut start = 0;
        for (end, at) in ends {
            if let Some(touched) = out.get_mut(at) {
                *touched |= candidates.touch(&(start..end));
            }
            start = end;
        }
        Ok(out)
    }
}

/// Whether a row of `COPY` holds an escape that is not all of a NULL.
fn is_escaped(row: &[u8]) -> bool {
    memchr::memchr_iter(b'\\', row).any(|at| row.get(at + 1) != Some(&b'N'))
}
