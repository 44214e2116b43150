//! Lines that decode in one way only: gathered and searched together.
//!
//! Most lines with escapes have escapes of one spelling, and decoding them leaves none. Then there is one level below the line
//! and no chain to try, so that all such lines of a window are decoded into one text, which is searched at the price of any
//! other text. Lines with escapes of two spellings, or with escapes in escapes, take the way of [`super::levels`].

use std::ops::Range;

use super::super::Spelling;
use super::super::spelling::{Map, any_unit, introducer, unit};
use super::levels::Sites;

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
}

impl Decoded {
    /// Adds the lines `span` of `window`, if they decode in one way only; `false` if they do not, or are no whole lines.
    pub(super) fn add(&mut self, window: &[u8], span: Range<usize>) -> bool {
        let starts = span.start == 0 || window.get(span.start - 1) == Some(&b'\n');
        let ends = span.end == window.len() || window.get(span.end - 1) == Some(&b'\n');
        let Some(line) = window.get(span.clone()).filter(|_| starts && ends) else {
            return false;
        };
        let (text_len, map_len) = (self.text.len(), self.map.len());
        self.text.extend_from_slice(BETWEEN);
        self.map.push(self.text.len(), 0, span.start..span.start);
        let whole = self.decode(line, span.start).is_some() && {
            let level = self.text.get(text_len + BETWEEN.len()..).unwrap_or_default();
            Sites::new(level).next().is_none()
        };
        if !whole {
            self.text.truncate(text_len);
            self.map.truncate(map_len);
        }
        whole
    }

    /// Whether it is time to search what was gathered.
    pub(super) fn is_full(&self) -> bool {
        self.text.len() >= GATHERED
    }

    /// Forgets what was gathered.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.map.truncate(0);
    }

    /// Appends `line`, which starts at `at` in its window; `None` if it has escapes of two spellings.
    fn decode(&mut self, line: &[u8], at: usize) -> Option<()> {
        let mut only: Option<Spelling> = None;
        let mut done = 0;
        for site in Sites::new(line) {
            let spelling = Spelling::ALL.into_iter().find(|s| line.get(site.start) == Some(&introducer(*s)))?;
            if *only.get_or_insert(spelling) != spelling {
                return None;
            }
            let unit = unit(spelling, line, site.start)?;
            self.text.extend_from_slice(line.get(done..site.start)?);
            self.map.push(self.text.len(), unit.out().len(), at + site.start..at + site.end);
            self.text.extend_from_slice(unit.out());
            done = site.end;
        }
        debug_assert!(any_unit(line, done).is_none(), "sites are all escapes");
        self.text.extend_from_slice(line.get(done..)?);
        Some(())
    }
}
