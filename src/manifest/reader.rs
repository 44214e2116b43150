//! Reads a manifest and checks its chain, a line at a time.
//!
//! Memory: one line, at most [`MAX_LINE`] bytes; a longer one is a limit error. What does not parse or does not chain is
//! tampering; a last line without its line feed is torn, which is what a crash leaves, and told apart: a write can end
//! anywhere, also right before the line feed.

use std::io::BufRead;

use super::Line;
use super::writer::{FIRST_PREV, digest};
use crate::error::{At, Error, Kind, Result};

/// Longest line read, bytes: an artifact line with its members stays far below.
pub const MAX_LINE: u64 = 64 << 20;

/// Reads lines.
pub struct Reader<R> {
    input: R,
    max: u64,
    prev: String,
    /// Number of the line that was read last, from 1.
    pub number: u64,
    /// Offset in the file after the last whole line.
    pub end: u64,
    /// Whether the file ends in a torn line.
    pub torn: bool,
}

/// One line as it was read.
pub struct Read {
    /// What it says.
    pub line: Line,
    /// The same as JSON, for the root.
    pub json: serde_json::Value,
}

impl<R: BufRead> Reader<R> {
    /// Reads from the start of a manifest.
    pub fn new(input: R) -> Self {
        Self { input, max: MAX_LINE, prev: FIRST_PREV.to_owned(), number: 0, end: 0, torn: false }
    }

    /// The next line; `None` at the end, and before a torn line. An error of kind `Verify` means tampering, and names the line.
    #[expect(clippy::should_implement_trait, reason = "it is fallible")]
    pub fn next(&mut self) -> Result<Option<Read>> {
        let mut text = Vec::new();
        let n = std::io::Read::take(&mut self.input, self.max)
            .read_until(b'\n', &mut text)
            .map_err(|e| Error::io("reading the manifest", &e))?;
        if n == 0 {
            return Ok(None);
        }
        self.number += 1;
        let bad = |what: &'static str, number| Error::new(Kind::Verify, what).at(At::Line(number));
        if text.pop_if(|last| *last == b'\n').is_none() {
            if n as u64 == self.max {
                // More may follow: nothing that is cut off after a crash.
                let what = format!("a manifest line of more than {} bytes", self.max);
                return Err(Error::limit(what).at(At::Line(self.number)));
            }
            self.number -= 1;
            self.torn = true;
            return Ok(None);
        }
        let json = serde_json::from_slice::<serde_json::Value>(&text).map_err(|_| bad("not JSON", self.number))?;
        if json.get("prev").and_then(serde_json::Value::as_str) != Some(self.prev.as_str()) {
            return Err(bad("`prev` is not the digest of the line before", self.number));
        }
        let line = Line::deserialize_from(&json).ok_or_else(|| bad("not a line of this schema", self.number))?;
        self.prev = digest(&text);
        self.end += n as u64;
        Ok(Some(Read { line, json }))
    }

    /// Digest of the last line read, for the next line's `prev`.
    pub fn prev(&self) -> &str {
        &self.prev
    }
}

impl Line {
    /// The line that `json` holds, if it is one.
    fn deserialize_from(json: &serde_json::Value) -> Option<Self> {
        serde::Deserialize::deserialize(json).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Vec<u8> {
        let text = format!(r#"{{"kind":"artifact","uri":"file:a","status":"clean","prev":"{FIRST_PREV}"}}"#);
        format!("{text}\n").into_bytes()
    }

    #[test]
    fn a_last_line_without_its_line_feed_is_torn_wherever_it_ends() {
        let text = manifest();
        for cut in 1..text.len() {
            let mut reader = Reader::new(&text[..cut]);
            assert!(reader.next().unwrap().is_none(), "cut at {cut}");
            assert!(reader.torn);
            assert_eq!((reader.end, reader.number), (0, 0));
        }
        let mut reader = Reader::new(&text[..]);
        assert!(reader.next().unwrap().is_some() && reader.next().unwrap().is_none() && !reader.torn);
        assert_eq!(reader.end, text.len() as u64);
    }

    #[test]
    fn a_line_that_is_too_long_is_not_torn() {
        let text = manifest();
        let mut reader = Reader { max: text.len() as u64 - 1, ..Reader::new(&text[..]) };
        assert_eq!(reader.next().err().map(|error| error.kind()), Some(Kind::Limit));
        assert!(!reader.torn);
        let mut reader = Reader { max: text.len() as u64, ..Reader::new(&text[..]) };
        assert!(reader.next().unwrap().is_some());
    }
}
