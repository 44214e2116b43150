//! Reads a manifest and checks its chain, a line at a time.
//!
//! Memory: one line, at most [`MAX_LINE`] bytes. What does not parse, does not chain, or stands at a place where it cannot is
//! tampering; a torn last line (no line feed, not JSON) is what a crash leaves, and told apart.

use std::io::BufRead;

use super::writer::{FIRST_PREV, digest};
use super::{Line, root::Root};
use crate::error::{At, Error, Kind, Result};

/// Longest line read, bytes: an artifact line with its members stays far below.
pub const MAX_LINE: u64 = 64 << 20;

/// Reads lines.
pub struct Reader<R> {
    input: R,
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
        Self { input, prev: FIRST_PREV.to_owned(), number: 0, end: 0, torn: false }
    }

    /// The next line; `None` at the end. An error of kind `Verify` means tampering, and names the line.
    #[expect(clippy::should_implement_trait, reason = "it is fallible")]
    pub fn next(&mut self) -> Result<Option<Read>> {
        let mut text = Vec::new();
        let n = std::io::Read::take(&mut self.input, MAX_LINE)
            .read_until(b'\n', &mut text)
            .map_err(|e| Error::io("reading the manifest", &e))?;
        if n == 0 {
            return Ok(None);
        }
        self.number += 1;
        let bad = |what: &'static str, number| Error::new(Kind::Verify, what).at(At::Line(number));
        let whole = text.last() == Some(&b'\n');
        if whole {
            text.pop();
        }
        let Ok(json) = serde_json::from_slice::<serde_json::Value>(&text) else {
            if whole {
                return Err(bad("not JSON", self.number));
            }
            self.torn = true;
            return Ok(None);
        };
        if !whole {
            return Err(bad("the last line has no line feed", self.number));
        }
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

/// Checks that a summary's root is that of the artifact lines that were added to `root`.
pub fn root_holds(root: Root, said: &str) -> Result<bool> {
    Ok(root.finish()? == said)
}
