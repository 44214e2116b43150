//! Names of drafts: random, hidden, and known again by the next run.
//!
//! Two states, told apart by name, because a left-over of each means something else (see `sweep`): `.part` is being
//! written; `.draft` is complete with its metadata, or, after an exchange, the old file on its way out. Neither tells of
//! which file it is a draft.

use std::ffi::{OsStr, OsString};

use crate::error::{Error, Kind, Result};

/// Start of every name.
const START: &[u8] = b".unwrite-";
/// Random hexadecimal digits after it: 128 bits, so that two never meet.
const DIGITS: usize = 32;
/// Ends of a name.
const PART: &[u8] = b".part";
const DRAFT: &[u8] = b".draft";

/// What a draft's name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Being written.
    Part,
    /// Complete, or an old file that was exchanged.
    Draft,
}

/// A fresh name for `stage`.
pub(super) fn fresh(stage: Stage) -> Result<OsString> {
    let mut random = [0; DIGITS / 2];
    getrandom::fill(&mut random).map_err(|_| Error::new(Kind::Io, "no random numbers"))?;
    let end = if stage == Stage::Part { PART } else { DRAFT };
    let mut name = String::from_utf8_lossy(START).into_owned();
    for byte in random {
        for nibble in [byte >> 4, byte & 15] {
            name.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    name.push_str(&String::from_utf8_lossy(end));
    Ok(OsString::from(name))
}

/// The name of what had the draft's name `of`, and is to be kept.
pub(super) fn kept(of: &OsStr) -> OsString {
    let bytes = of.as_encoded_bytes();
    let mut name = String::from_utf8_lossy(bytes.strip_suffix(DRAFT).unwrap_or(bytes)).into_owned();
    name.push_str(".kept");
    OsString::from(name)
}

/// The stage that a name tells, or `None` for names that are not a draft's.
pub(super) fn stage(name: &OsStr) -> Option<Stage> {
    let rest = name.as_encoded_bytes().strip_prefix(START)?;
    let (digits, end) = rest.split_at_checked(DIGITS)?;
    if !digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    match end {
        PART => Some(Stage::Part),
        DRAFT => Some(Stage::Draft),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_again_and_others_are_not() {
        for kind in [Stage::Part, Stage::Draft] {
            let name = fresh(kind).unwrap();
            assert_eq!(stage(&name), Some(kind));
            assert_ne!(name, fresh(kind).unwrap());
            assert!(name.len() < 60);
            assert_eq!(stage(&kept(&name)), None);
        }
        for other in [
            ".unwrite-",
            ".unwrite-0123.draft",
            "unwrite.toml",
            ".unwrite-zz23456789abcdef0123456789abcdef.draft",
            ".unwrite-0123456789abcdef0123456789abcdef.draft.gz",
            ".unwrite-0123456789ABCDEF0123456789ABCDEF.draft",
        ] {
            assert_eq!(stage(OsStr::new(other)), None, "{other}");
        }
    }
}
