//! A block's lines, one at a time: bounded and numbered.
//!
//! What no registry may hold, NUL bytes and invalid UTF-8, is refused here.

use super::blocks::Block;
use crate::error::{At, Error, Result};
use crate::limits::MAX_REGISTRY_LINE;

/// The lines of a block.
pub(super) struct Lines<'b> {
    bytes: &'b [u8],
    /// All of it, if nothing in it is to be refused but for its length.
    text: Option<&'b str>,
    /// Where the next line starts.
    at: usize,
    /// Its number.
    number: u64,
}

/// One line.
pub(super) struct Line<'l> {
    /// From 1.
    pub number: u64,
    /// Its bytes without the line end (`\n` or `\r\n`); a byte order mark included.
    pub raw: &'l [u8],
    /// Its text, without the line end and a byte order mark.
    pub text: &'l str,
    /// Whether it ended in `\r\n`.
    pub crlf: bool,
}

impl<'b> Lines<'b> {
    pub(super) fn new(block: &'b Block) -> Self {
        let bytes = block.bytes.as_slice();
        // One look at all of it is cheaper than one at each line.
        let text = std::str::from_utf8(bytes).ok().filter(|_| memchr::memchr(0, bytes).is_none());
        Self { bytes, text, at: 0, number: block.line }
    }

    /// The next line, or `None` at the end. Usage errors name the line: too long, NUL bytes, not UTF-8.
    pub(super) fn next(&mut self) -> Result<Option<Line<'b>>> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let number = self.number;
        let bad = |what| Error::usage(what).at(At::Line(number));
        let end = memchr::memchr(b'\n', rest);
        let whole = end.map_or(rest.len(), |end| end + 1);
        if whole > MAX_REGISTRY_LINE {
            return Err(bad("longer than 1 MiB"));
        }
        let ended = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        let (raw, crlf) = match ended.strip_suffix(b"\r").filter(|_| end.is_some()) {
            Some(line) => (line, true),
            None => (ended, false),
        };
        let text = if let Some(text) = self.text {
            text.get(self.at..self.at + raw.len()).unwrap_or_default()
        } else {
            if memchr::memchr(0, raw).is_some() {
                return Err(bad("holds a NUL byte"));
            }
            std::str::from_utf8(raw).map_err(|_| bad("not UTF-8"))?
        };
        self.at += whole;
        self.number += 1;
        let text = if number == 1 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
        Ok(Some(Line { number, raw, text, crlf }))
    }
}
