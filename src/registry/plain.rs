//! A plain list: one value a line, `#` comments, the type guessed or given by `--type`.
//!
//! Every value is a subject of its own, `L<line>`, in force at once.

use super::Options;
use super::batch::{Batch, Fault, Head, Place};
use super::event::{Seq, Terms};
use super::lines::Lines;
use super::value;
use crate::error::At;

/// Reads every line into `batch`. Faults: usage, with the line's number.
pub(super) fn read(mut lines: Lines<'_>, options: &Options, batch: &mut Batch) -> Result<(), Box<Fault>> {
    while let Some(line) = lines.next()? {
        let trimmed = line.text.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let kind = options.txt_type.unwrap_or_else(|| value::guess(trimmed));
        let kept = batch.value(kind, line.text, Place::Alone, options.allow_short);
        kept.map_err(|error| error.at(At::Line(line.number)))?;
        let head = Head { line: line.number, seq: Seq::Ordinal, at: None, subject: None, link: None };
        batch.erase(&head, Terms::default());
    }
    Ok(())
}
