//! Lines that decode in one way only: gathered and searched together.
//!
//! Most lines with escapes have escapes of one spelling, and decoding them leaves none. Then there is one level below the line
//! and no chain to try, so that all such lines of a window are decoded into one text, which is searched at the price of any
//! other text. Lines with escapes of two spellings, or with escapes in escapes, take the way of [`super::levels`].

use std::ops::Range;

use super::super::Spelling;
use super::super::spelling::{Map, introducer, unit};
use super::escapes::Sites;

/// Bytes of decoded lines that are gathered before they are searched: bounds what is held, whatever the window. A line is added
/// whole, and the way back takes 16 bytes an escape.
const GATHERED: usize = 64 * 1024;
/// What parts a line from the one that was gathered before it, which may stand elsewhere: no name, no blank, and no line's end alone,
/// so that nothing of it is taken for what stands before a value.
const BETWEEN: &[u8] = b"\0\n";

/// The decoded lines of a window, and where they stood in it.
#[derive(Default)]
pub(super) struct Decoded {
    /// Line after line, with [`BETWEEN`] before each.
    pub(super) text: Vec<u8>,
    /// From `text` to the window.
    pub(super) map: Map,
    /// Of each line its start in `text`, and where it stands in the window.
    lines: Vec<(usize, Range<usize>)>,
}

impl Decoded {
    /// Adds the line `span` of `window`, whose escapes are `sites`, if they are of one spelling only; `false` if they are not.
    pub(super) fn add(&mut self, window: &[u8], span: Range<usize>, sites: &[Range<usize>]) -> bool {
        let Some(line) = window.get(span.clone()) else {
            return false;
        };
        let (text_len, map_len) = (self.text.len(), self.map.len());
        self.text.extend_from_slice(BETWEEN);
        let start = self.text.len();
        self.map.push(start, 0, span.start..span.start);
        let one = self.decode(line, span.start, sites).is_some();
        if one {
            self.lines.push((start, span));
        } else {
            self.text.truncate(text_len);
            self.map.truncate(map_len);
        }
        one
    }

    /// Calls `visit` with the place in the window of each line whose decoded text has escapes again.
    pub(super) fn nested(&self, visit: &mut dyn FnMut(Range<usize>)) {
        let mut last = None;
        for site in Sites::new(&self.text) {
            let line = self.lines.partition_point(|(start, _)| *start <= site.start);
            if last != Some(line)
                && let Some((_, span)) = line.checked_sub(1).and_then(|line| self.lines.get(line))
            {
                visit(span.clone());
            }
            last = Some(line);
        }
    }

    /// Whether it is time to search what was gathered.
    pub(super) fn is_full(&self) -> bool {
        self.text.len() >= GATHERED
    }

    /// Forgets what was gathered.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.map.truncate(0);
        self.lines.clear();
    }

    /// Appends `line`, which starts at `at` in its window; `None` if it has escapes of two spellings.
    fn decode(&mut self, line: &[u8], at: usize, sites: &[Range<usize>]) -> Option<()> {
        let first = line.get(sites.first()?.start.checked_sub(at)?)?;
        let only = Spelling::ALL.into_iter().find(|s| *first == introducer(*s))?;
        let mut done = 0;
        for site in sites {
            let (start, end) = (site.start.checked_sub(at)?, site.end.checked_sub(at)?);
            // `unit` gives none if another spelling's escape stands here.
            let unit = unit(only, line, start)?;
            self.text.extend_from_slice(line.get(done..start)?);
            self.map.push(self.text.len(), unit.out().len(), site.clone());
            self.text.extend_from_slice(unit.out());
            done = end;
        }
        self.text.extend_from_slice(line.get(done..)?);
        Some(())
    }
}
