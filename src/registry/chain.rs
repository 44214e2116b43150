//! The chain over a registry's lines: each names the digest of the one before.
//!
//! `prev` is `sha256:` and the SHA-256 of the previous line's bytes without its line end; the first line has 64 zeros. A
//! file has it on every line or on none. The chain shows an edit or a cut in the middle; a cut at the end shows in
//! `seq` only (`--min-registry-seq`).

use sha2::{Digest, Sha256};

use super::batch::Link;
use crate::error::{At, Error, Result};

/// The `prev` of a chain's first line.
pub const FIRST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// The `prev` that follows a line with these bytes (line end excluded).
pub fn link(line: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(line)))
}

/// Whether a file's lines are chained, and what the next one must say.
#[derive(Debug, Default)]
pub(super) struct Chain {
    state: State,
    blank: Option<u64>,
}

#[derive(Debug, Default)]
enum State {
    /// No event yet.
    #[default]
    Unknown,
    /// The first event had no `prev`.
    Without,
    /// The digest of the last line.
    Last([u8; 32]),
}

impl Chain {
    /// Takes the event on `line` with its link. Usage errors name the line.
    pub(super) fn follow(&mut self, said: Option<&Link>, line: u64) -> Result<()> {
        let bad = |what| Error::usage(what).at(At::Line(line));
        let (fits, own) = match (&self.state, said) {
            (State::Unknown | State::Without, None) => {
                self.state = State::Without;
                return Ok(());
            }
            (State::Without, Some(_)) => {
                return Err(bad("has `prev`, but lines before it have none")
                    .help("take `prev` off this line, or `registry import` the file into a new log"));
            }
            (State::Last(_), None) => {
                return Err(bad("has no `prev`, but lines before it have one")
                    .help("it was not written by `unwrite registry`; take it off and say it with `registry add`"));
            }
            (State::Unknown, Some(said)) => (said.prev == Some([0; 32]), said.own),
            (State::Last(digest), Some(said)) => (said.prev == Some(*digest), said.own),
        };
        if !fits {
            return Err(bad("the chain is broken: `prev` is not the SHA-256 of the line before")
                .help("the line before was changed, or lines between are gone; compare with a copy of the registry"));
        }
        if let Some(blank) = self.blank {
            return Err(blank_line(blank));
        }
        self.state = State::Last(own);
        Ok(())
    }

    /// Takes a blank line: allowed only where there is no chain, which would not cover it.
    pub(super) fn blank(&mut self, line: u64) -> Result<()> {
        if matches!(self.state, State::Last(_)) {
            return Err(blank_line(line));
        }
        self.blank.get_or_insert(line);
        Ok(())
    }
}

fn blank_line(line: u64) -> Error {
    Error::usage("a blank line in a registry whose lines are chained").help("take it off").at(At::Line(line))
}

/// The digest that `prev` names: `sha256:` and 64 lower-case hex digits.
pub(super) fn parse(prev: &str) -> Option<[u8; 32]> {
    let digits = prev.strip_prefix("sha256:").filter(|digits| digits.len() == 64)?;
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = (digit(*high)? << 4) | digit(*low)?;
    }
    Some(digest)
}

/// Lower-case hex digits of `bytes`.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}
