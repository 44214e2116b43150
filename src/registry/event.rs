//! One event of the registry, as every reader hands it on.
//!
//! A reader turns a line or a row into an `Event` that lies in a batch; the ledger plays events in file
//! order. Values are canonical already, so that nothing after this point can find fault with an identifier. What is to be
//! written ([`Change`]) owns what it holds.

use std::fmt;

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::matcher::Value;

use super::batch::Values;

/// What a line says.
pub(super) struct Event<'e> {
    /// Line that it starts on, from 1.
    pub line: u64,
    /// Where it stands in the sequence.
    pub seq: Seq,
    /// When it was written.
    pub at: Option<Timestamp>,
    /// Whose: the reference as written, trimmed, never empty. `None`: `L<line>`.
    pub subject: Option<&'e str>,
    /// The reference holds one of the event's own values.
    pub tells: bool,
    /// What happens to the subject.
    pub deed: Deed<'e>,
}

/// What an event does to its subject.
pub(super) enum Deed<'e> {
    /// Adds identifiers, at least one.
    Erase(Values<'e>, Terms),
    /// Clears all identifiers so far.
    Cancel,
    /// Protects the subject.
    Hold(&'e Hold),
    /// Ends the hold.
    Release,
}

/// An event's sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seq {
    /// As written; must rise.
    Given(u64),
    /// The event's ordinal.
    Ordinal,
    /// A row: part of its subject's event, which has its ordinal from its first row.
    OfSubject,
}

/// An event to be written, on one of the two tracks: erase and cancel, hold and release.
#[derive(Debug)]
pub enum Change {
    /// Adds identifiers.
    Erase(Erase),
    /// Clears all identifiers so far.
    Cancel,
    /// Protects the subject.
    Hold(Hold),
    /// Ends the hold.
    Release,
}

/// Identifiers and the terms that they share.
#[derive(Debug)]
pub struct Erase {
    /// At least one.
    pub identifiers: Vec<Identifier>,
    /// When they come in force and what they cover.
    pub terms: Terms,
}

/// When identifiers come in force and what they cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Terms {
    /// End of the grace period; `None`: at once.
    pub effective_at: Option<Timestamp>,
    /// Only records before this time.
    pub before: Option<Timestamp>,
}

/// A hold's end and reason.
#[derive(Clone, PartialEq, Eq)]
pub struct Hold {
    /// `None`: until it is released.
    pub until: Option<Timestamp>,
    /// Free text.
    pub reason: Option<Box<str>>,
}

impl fmt::Debug for Hold {
    /// Never the reason: free text may name people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").field("until", &self.until).finish_non_exhaustive()
    }
}

/// What a record must hold to be the subject's.
#[derive(Debug)]
pub enum Identifier {
    /// This value.
    One(Value),
    /// All of these.
    AllOf(Vec<Value>),
}

/// Reads an RFC 3339 time; `key` names it in the error (usage).
pub fn time(key: &str, text: &str) -> Result<Timestamp> {
    text.trim().parse().map_err(|_| Error::usage(format!("`{key}` is not a time of RFC 3339")))
}

/// The one of `known` that is most like `word`. It, and never the word, is what an error says.
pub(super) fn nearest(word: &str, known: &[&'static str]) -> &'static str {
    /// Longer words are cut: the distance takes time by the product of the lengths.
    const LONGEST: usize = 32;
    let word: Vec<u8> = word.bytes().take(LONGEST).map(|b| b.to_ascii_lowercase()).collect();
    known.iter().copied().min_by_key(|name| distance(&word, name.as_bytes())).unwrap_or_default()
}

/// Levenshtein's distance.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut corner = i;
        let mut left = i + 1;
        for (above, y) in row.iter_mut().skip(1).zip(b) {
            let cost = (corner + usize::from(x != y)).min(*above + 1).min(left + 1);
            corner = std::mem::replace(above, cost);
            left = cost;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_by_edits() {
        let known = ["seq", "subject", "identifiers", "effective_at", "before"];
        for (word, want) in
            [("subjekt", "subject"), ("identifier", "identifiers"), ("Effective-At", "effective_at"), ("sq", "seq")]
        {
            assert_eq!(nearest(word, &known), want);
        }
        assert_eq!(distance(b"kitten", b"sitting"), 3);
        assert_eq!(distance(b"", b"abc"), 3);
        assert_eq!(distance(b"abc", b""), 3);
    }

    #[test]
    fn times() {
        assert!(time("at", "2026-11-01T10:00:00Z").is_ok());
        assert!(time("at", "2026-11-01T10:00:00.5+01:00").is_ok());
        for bad in ["", "2026-11-01", "2026-11-01T10:00:00", "tomorrow", "1793527200"] {
            assert!(time("at", bad).is_err(), "{bad}");
        }
    }
}
