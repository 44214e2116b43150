//! Which pieces of a dump a candidate touches, in the text that they spell; and which rows pass without a closer look.
//!
//! Most pieces are their text, and are searched where they lie. As soon as one is not, all are searched in a copy in which it is decoded:
//! nothing is searched twice.

use super::super::cells::{How, Row};
use super::super::quiet::decode_literals;
use super::super::views;
use super::super::walk::{Piece, What};
use super::{Run, tabs};
use crate::error::Result;
use crate::layer::Cx;
use crate::layer::ruling::Candidates;
use crate::limits::WINDOW;

/// The buffer that is kept from window to window.
const KEPT: usize = 4 * WINDOW;

/// A piece of a window.
pub(super) struct Cut {
    /// Where it begins.
    pub at: usize,
    /// What it is.
    pub piece: Piece,
    /// Where its text ends in what is searched.
    pub end: usize,
    /// Its text may be another than its bytes.
    pub spelled: bool,
    /// A candidate touches it.
    pub touched: bool,
}

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
            cut.spelled = is_spelled(&cut.piece, bytes);
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

    /// Whether a piece is a row without a candidate that stays for all that is known of its table, or stands between two such tuples.
    pub(super) fn passes(&self, cut: &Cut, bytes: &[u8], next: Option<&Cut>) -> bool {
        let stays = |cut: &Cut, bytes: &[u8]| {
            let Some(target) = self.target.as_ref().filter(|_| !cut.touched && self.binder.is_idle()) else {
                return false;
            };
            let values = match cut.piece.what {
                // Escapes may stand before tabs, and nothing else is one.
                What::Row if !cut.spelled => memchr::memchr_iter(b'\t', bytes).count() + 1,
                _ => self.values(&cut.piece, bytes),
            };
            target.columns.is_empty() || values == target.columns.len()
        };
        match cut.piece.what {
            What::Row => stays(cut, bytes),
            What::Tuple => self.tuples.are_kept() && stays(cut, bytes),
            What::Comma if !cut.touched && self.tuples.are_kept() => {
                next.is_some_and(|next| next.piece.what == What::Tuple && stays(next, b""))
            }
            _ => false,
        }
    }

    /// Number of values of the row `raw`.
    pub(super) fn values(&self, piece: &Piece, raw: &[u8]) -> usize {
        if piece.what == What::Tuple { piece.values as usize } else { tabs(raw, &self.line) + 1 }
    }

    /// Adds the text of a piece, and its bytes if they count as well.
    fn spell(&self, piece: &Piece, bytes: &[u8], out: &mut Vec<u8>) {
        // Nothing of one piece goes on in another.
        out.push(b'\n');
        match piece.what {
            What::Row if self.line == How::Copy => views::of_copy(bytes, out),
            What::Row => out.extend(Row::of_line(bytes, &self.line).view),
            What::Tuple if piece.comment => {
                out.extend_from_slice(bytes);
                out.push(b'\n');
                out.extend(Row::of_tuple(bytes, self.dialect).view);
            }
            What::Tuple if piece.odd => out.extend(Row::of_tuple(bytes, self.dialect).view),
            What::Tuple => views::of_tuple(bytes, self.dialect, out),
            _ => {
                out.extend_from_slice(bytes);
                out.push(b'\n');
                decode_literals(bytes, self.dialect, out);
            }
        }
        out.push(b'\n');
    }
}

/// Whether the text of a piece may be another than its bytes.
fn is_spelled(piece: &Piece, bytes: &[u8]) -> bool {
    match piece.what {
        What::Row => is_escaped(bytes),
        What::Tuple => piece.escaped,
        What::Statement => memchr::memchr(b'\'', bytes).is_some(),
        _ => false,
    }
}

/// Whether a row of `COPY` holds an escape that is not all of a NULL.
fn is_escaped(row: &[u8]) -> bool {
    memchr::memchr_iter(b'\\', row).any(|at| row.get(at + 1) != Some(&b'N'))
}
