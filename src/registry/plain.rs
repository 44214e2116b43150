//! A plain list: one value a line, `#` comments, the type guessed or given by `--type`.
//!
//! Every value is a subject of its own, `L<line>`, in force at once.

use std::io::BufRead;

use super::Options;
use super::event::{Change, Erase, Event, Identifier, Seq, Terms};
use super::ledger::Ledger;
use super::lines::Lines;
use super::value;
use crate::error::{At, Result};

/// Reads every line into `ledger`. Errors: usage, with the line's number.
pub(super) fn read(lines: &mut Lines<impl BufRead>, options: &Options, ledger: &mut Ledger<'_>) -> Result<()> {
    while let Some(line) = lines.next()? {
        let trimmed = line.text.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let kind = options.txt_type.unwrap_or_else(|| value::guess(trimmed));
        let at = At::Line(line.number);
        let value = value::parse(kind, line.text, options.allow_short).map_err(|e| e.at(at))?;
        let event = Event {
            line: line.number,
            seq: Seq::Ordinal,
            at: None,
            subject: None,
            change: Change::Erase(Erase { identifiers: vec![Identifier::One(value)], terms: Terms::default() }),
        };
        ledger.push(event).map_err(|e| e.at(at))?;
    }
    Ok(())
}
