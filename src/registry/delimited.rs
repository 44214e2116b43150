//! Tables: `.csv` and `.tsv` with a header that names `type` and `value`, and optionally `subject` and `effective_at`.
//!
//! `csv-core` splits rows; quotes may hold separators and line breaks. Rows of one subject are one event, wherever they
//! stand; a row without a subject is its own. An empty `value` is refused, for nobody can tell it from a missing one: the
//! empty string as an identifier can be written in `.jsonl`.

use std::sync::OnceLock;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::Options;
use super::batch::{Batch, Fault, Head, Place};
use super::event::{Seq, Terms, nearest, time};
use super::lines::{Line, Lines};
use super::value;
use crate::error::{At, Error, Result};
use crate::limits::MAX_REGISTRY_LINE;

const COLUMNS: [&str; 4] = ["type", "value", "subject", "effective_at"];
/// A row may have more cells than the header for the error to say so.
const MAX_CELLS: usize = COLUMNS.len() + 1;

/// Reads every row into `batch`; the first is the header if `columns` are not known. A row that the lines do not end stays in
/// `rows`, to be taken up with the lines that follow. Faults: usage, with the number of the line that the row starts on.
pub(super) fn read(
    mut lines: Lines<'_>,
    rows: &mut Rows,
    columns: &OnceLock<Columns>,
    options: &Options,
    batch: &mut Batch,
) -> Result<(), Box<Fault>> {
    while let Some(line) = lines.next()? {
        if !rows.take(&line)? {
            continue;
        }
        let here = |e: Error| e.at(At::Line(rows.line));
        match columns.get() {
            None => columns.set(Columns::new(rows).map_err(here)?).unwrap_or_default(),
            Some(columns) => columns.row(rows, options, batch).map_err(here)?,
        }
    }
    Ok(())
}

/// Whether `line` is the header of a table of which this is the separator.
pub(super) fn is_header(line: &str, separator: char) -> bool {
    let names: Vec<String> = line.split(separator).map(|cell| cell.trim().to_ascii_lowercase()).collect();
    let has = |name: &str| names.iter().any(|cell| cell == name);
    has("type") && has("value") && names.iter().all(|cell| COLUMNS.contains(&cell.as_str()))
}

/// Which cell holds what.
pub(super) struct Columns {
    count: usize,
    /// Cells of [`COLUMNS`], in that order.
    cells: [Option<usize>; COLUMNS.len()],
}

impl Columns {
    fn new(header: &Rows) -> Result<Self> {
        let mut cells = [None; COLUMNS.len()];
        for cell in 0..header.count {
            let name = header.cell(Some(cell))?.trim();
            let known = COLUMNS.iter().zip(&mut cells);
            match known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
                Some((_, slot @ None)) => *slot = Some(cell),
                Some((known, _)) => {
                    return Err(Error::usage(format!("column `{known}` stands twice")));
                }
                None => {
                    let near = nearest(name, &COLUMNS);
                    return Err(Error::usage(format!(
                        "unknown column in the header (the nearest known one is `{near}`)"
                    )));
                }
            }
        }
        if let [Some(_), Some(_), ..] = cells {
            Ok(Self { count: header.count, cells })
        } else {
            Err(Error::usage("the header must name `type` and `value`"))
        }
    }

    fn row(&self, row: &Rows, options: &Options, batch: &mut Batch) -> Result<()> {
        if row.count != self.count {
            return Err(Error::usage(format!(
                "the header has {} columns, this row has {}",
                self.count,
                if row.count < MAX_CELLS { row.count.to_string() } else { "more".to_owned() },
            )));
        }
        let [kind, value, subject, effective_at] = self.cells;
        let kind = super::kind_of(row.cell(kind)?.trim())?;
        let text = row.cell(value)?;
        if value::trim(kind, text).is_empty() {
            return Err(Error::usage("the value is empty"));
        }
        batch.value(kind, text, Place::Alone, options.allow_short)?;
        let effective_at = moment(row.cell(effective_at)?)?;
        let subject = Some(row.cell(subject)?.trim()).filter(|subject| !subject.is_empty());
        let seq = if subject.is_none() { Seq::Ordinal } else { Seq::OfSubject };
        batch.erase(&Head { line: row.line, seq, at: None, subject, link: None }, Terms { effective_at, before: None });
        Ok(())
    }
}

fn moment(text: &str) -> Result<Option<Timestamp>> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    time("effective_at", text).map(Some)
}

/// The current row, and where the parser stands in it.
pub(super) struct Rows {
    reader: Reader,
    /// The cells' text, one after another.
    text: Zeroizing<Vec<u8>>,
    /// Ends of the cells in `text`.
    ends: [usize; MAX_CELLS],
    /// How much of `text` and of `ends` the row has so far.
    length: usize,
    count: usize,
    /// The line that the row starts on.
    line: u64,
    /// The row has not ended.
    open: bool,
}

impl Rows {
    pub(super) fn new(delimiter: u8) -> Self {
        // Lines are cut before this sees them, so that a blank one never looks like a row within quotes.
        let reader = ReaderBuilder::new().delimiter(delimiter).terminator(Terminator::Any(b'\n')).build();
        let text = Zeroizing::new(vec![0; 4096]);
        Self { reader, text, ends: [0; MAX_CELLS], length: 0, count: 0, line: 0, open: false }
    }

    /// Whether a row has begun and not ended.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Nothing follows. Usage error: a quoted cell does not end.
    pub(super) fn end(&self) -> Result<()> {
        if self.open { Err(self.bad("a quoted cell does not end")) } else { Ok(()) }
    }

    /// Takes the next line; `true` if a row ended with it. Usage errors name the line that the row starts on.
    fn take(&mut self, line: &Line<'_>) -> Result<bool> {
        if !self.open {
            if line.text.trim().is_empty() {
                return Ok(false);
            }
            (self.line, self.open, self.length, self.count) = (line.number, true, 0, 0);
        }
        let end: &[u8] = if line.crlf { b"\r\n" } else { b"\n" };
        for input in [line.text.as_bytes(), end] {
            if self.feed(input)? {
                self.finish(line.crlf);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Feeds `input` to the parser; `true` if the row ended with it.
    fn feed(&mut self, mut input: &[u8]) -> Result<bool> {
        loop {
            let output = self.text.get_mut(self.length..).unwrap_or_default();
            let ends = self.ends.get_mut(self.count..).unwrap_or_default();
            let (result, taken, written, cells) = self.reader.read_record(input, output, ends);
            input = input.get(taken..).unwrap_or_default();
            self.length += written;
            self.count += cells;
            match result {
                ReadRecordResult::Record => return Ok(true),
                ReadRecordResult::InputEmpty | ReadRecordResult::End => return Ok(false),
                ReadRecordResult::OutputEndsFull => {
                    return Err(self.bad("more columns than a registry has"));
                }
                ReadRecordResult::OutputFull if self.text.len() < MAX_REGISTRY_LINE => {
                    let longer = (self.text.len() * 2).min(MAX_REGISTRY_LINE);
                    let mut text = Zeroizing::new(vec![0; longer]);
                    if let Some(head) = text.get_mut(..self.length) {
                        head.copy_from_slice(self.text.get(..self.length).unwrap_or_default());
                    }
                    self.text = text;
                }
                ReadRecordResult::OutputFull => {
                    return Err(self.bad("a row is longer than 1 MiB; is a quote not closed?"));
                }
            }
        }
    }

    /// Settles the row; the parser takes the `\r` of the row's own end for text.
    fn finish(&mut self, crlf: bool) {
        self.open = false;
        if crlf && let Some(end) = self.ends.get_mut(self.count.saturating_sub(1)) {
            *end = end.saturating_sub(1);
        }
    }

    /// The text of `cell`; of a column that is not there the empty string.
    fn cell(&self, cell: Option<usize>) -> Result<&str> {
        let Some(cell) = cell else { return Ok("") };
        let start = cell.checked_sub(1).and_then(|c| self.ends.get(c));
        let end = self.ends.get(cell).copied().unwrap_or_default();
        let bytes = self.text.get(start.copied().unwrap_or_default()..end);
        std::str::from_utf8(bytes.unwrap_or_default()).map_err(|_| Error::usage("not UTF-8"))
    }

    fn bad(&self, what: &'static str) -> Error {
        Error::usage(what).at(At::Line(self.line))
    }
}
