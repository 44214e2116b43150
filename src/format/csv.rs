//! CSV and TSV: a row is a record, a cell a field under its column's name.
//!
//! Reads as RFC 4180 says, and as `csv-core` does where that is silent: LF, CR and CRLF end a row, a quote inside an
//! unquoted cell is that byte, what follows a closing quote belongs to the cell. Blank lines, the header row and a first line
//! `sep=;` are structure. A quoted cell that never ends is damage. The separator is the one that gives the rows of the head one
//! column count; the header is judged by the SPEC's rule when its row is cut, however long it is.

use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::Range;

use super::{Preamble, body, look};
use crate::error::{At, Error, Kind, Result};
use crate::judge::stamp;
use crate::layer::coded::strip_suffix_fold;
use crate::layer::{Hint, Records};
use crate::policy::Header;
use crate::record::{Cursor, Field, Part, Place, Step};

/// Separators that are looked for, the likeliest first.
const SEPARATORS: &[u8] = b",;\t";
/// Fewest columns of a file that is CSV by its content (SPEC "Detection").
const COLUMNS: usize = 3;

/// Rows with comma, semicolon or tab, whichever fits.
pub struct Csv;

/// Rows with tabs.
pub struct Tsv;

impl Records for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn open(&self, head: &[u8], whole: bool, hint: &Hint<'_>) -> Result<Box<dyn Cursor>> {
        let tabs = strip_suffix_fold(hint.name, b".tsv").is_some();
        let separator = if tabs { b'\t' } else { separator(body(head), whole) };
        Ok(Box::new(Rows::new(separator, hint)))
    }
}

impl Records for Tsv {
    fn name(&self) -> &'static str {
        "tsv"
    }

    fn open(&self, _head: &[u8], _whole: bool, hint: &Hint<'_>) -> Result<Box<dyn Cursor>> {
        Ok(Box::new(Rows::new(b'\t', hint)))
    }
}

/// The separator of rows that are CSV by their content: at least two rows of one column count, three or more, that do not
/// read as lines of a log.
pub(crate) fn shape(text: &[u8], whole: bool) -> Option<u8> {
    let (_, separator) = SEPARATORS
        .iter()
        .filter_map(|separator| Some((columns(text, whole, *separator)?, *separator)))
        .rev()
        .max_by_key(|(columns, _)| *columns)?;
    let (mut rows, mut logs) = (0usize, 0usize);
    for row in whole_rows(text, whole, separator).flatten() {
        rows += 1;
        logs += usize::from(is_log_line(row, separator));
    }
    (logs * 2 < rows).then_some(separator)
}

fn separator(text: &[u8], whole: bool) -> u8 {
    if let Some(named) = text.strip_prefix(b"sep=").and_then(|rest| rest.first()) {
        return *named;
    }
    if let Some(separator) = shape(text, whole) {
        return separator;
    }
    let first = |separator: &u8| {
        let row = whole_rows(text, true, *separator).flatten().next().unwrap_or_default();
        Cells::new(row, *separator).count()
    };
    SEPARATORS.iter().copied().rev().max_by_key(first).unwrap_or(b',')
}

/// The column count that all whole rows of `text` have, if it is one, three or more, and there are two rows.
fn columns(text: &[u8], whole: bool, separator: u8) -> Option<usize> {
    let (mut rows, mut columns) = (0usize, None);
    for row in whole_rows(text, whole, separator) {
        let count = Cells::new(row?, separator).count();
        if *columns.get_or_insert(count) != count || count < COLUMNS {
            return None;
        }
        rows += 1;
    }
    columns.filter(|_| rows > 1)
}

/// Rows of `text` that are no blank lines and end in it (`whole`: its end is one too); `None` for a quote that never closes.
fn whole_rows(text: &[u8], whole: bool, separator: u8) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = text;
    let mut cut = Cut { separator, ..Cut::default() };
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            let len = match cut.end(rest, whole) {
                Ok(Some(len)) => len,
                Ok(None) => return None,
                Err(_) => {
                    rest = &[];
                    return Some(None);
                }
            };
            let (row, after) = rest.split_at_checked(len)?;
            rest = after;
            if !is_blank(row) {
                return Some(Some(row));
            }
        }
    })
}

/// Whether a row reads as a line of a log: its stamp is only part of a cell, its first cell speaks of a level, or its cells are
/// `key=value`.
fn is_log_line(row: &[u8], separator: u8) -> bool {
    let ends = |byte: Option<&u8>| byte.is_none_or(|b| *b == separator || b"\r\n".contains(b));
    if let Some(len) = stamp::leading(row) {
        return !ends(row.get(len));
    }
    if let Some(clf) = stamp::clf(row) {
        let starts = clf.start == 0 || row.get(clf.start - 1) == Some(&separator);
        let alone = starts && ends(row.get(clf.end));
        return !alone && !row.starts_with(b"\"");
    }
    let first = Cells::new(row, separator).next().unwrap_or_default();
    let first = row.get(first.whole).unwrap_or_default();
    if first.contains(&b' ') && look::has_level(first) {
        return true;
    }
    let (mut cells, mut pairs) = (0usize, 0usize);
    for cell in Cells::new(row, separator) {
        cells += 1;
        pairs += usize::from(look::pairs(row.get(cell.whole).unwrap_or_default().trim_ascii_start()).next() == Some(0));
    }
    pairs * 2 >= cells
}

fn is_blank(row: &[u8]) -> bool {
    row.iter().all(|b| matches!(b, b'\r' | b'\n'))
}

/// A row without its end.
fn content(row: &[u8]) -> &[u8] {
    let row = row.strip_suffix(b"\n").unwrap_or(row);
    row.strip_suffix(b"\r").unwrap_or(row)
}

/// Where a row ends, over windows that grow.
#[derive(Debug, Default)]
struct Cut {
    separator: u8,
    /// Bytes of the window that are read.
    at: usize,
    /// Whether the byte at `at` stands inside quotes.
    quoted: bool,
}

/// A quoted cell that the stream's end cuts off.
#[derive(Debug)]
struct Unclosed;

impl Cut {
    /// Length of the row that `window` starts with, its end included; `None`: more bytes are needed.
    fn end(&mut self, window: &[u8], eof: bool) -> Result<Option<usize>, Unclosed> {
        let found = self.find(window, eof)?;
        if found.is_some() {
            (self.at, self.quoted) = (0, false);
        }
        Ok(found)
    }

    fn find(&mut self, window: &[u8], eof: bool) -> Result<Option<usize>, Unclosed> {
        loop {
            let rest = window.get(self.at..).unwrap_or_default();
            if self.quoted {
                let Some(n) = memchr::memchr(b'"', rest) else {
                    self.at = window.len();
                    return if eof { Err(Unclosed) } else { Ok(None) };
                };
                let quote = self.at + n;
                match window.get(quote + 1) {
                    Some(b'"') => self.at = quote + 2,
                    None if !eof => {
                        self.at = quote;
                        return Ok(None);
                    }
                    _ => (self.at, self.quoted) = (quote + 1, false),
                }
                continue;
            }
            let Some(n) = memchr::memchr3(b'"', b'\n', b'\r', rest) else {
                self.at = window.len();
                return Ok((eof && !window.is_empty()).then_some(window.len()));
            };
            let place = self.at + n;
            let next = window.get(place + 1);
            match rest.get(n) {
                Some(b'"') => {
                    // Only at a cell's start is it more than a byte.
                    self.quoted = place == 0 || window.get(place - 1) == Some(&self.separator);
                    self.at = place + 1;
                }
                Some(b'\r') if next == Some(&b'\n') => return Ok(Some(place + 2)),
                Some(b'\r') if next.is_none() && !eof => {
                    self.at = place;
                    return Ok(None);
                }
                _ => return Ok(Some(place + 1)),
            }
        }
    }
}

/// One cell of a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Cell {
    /// All of it.
    whole: Range<usize>,
    /// Without its quotes, if it is a quoted cell and nothing else.
    inner: Option<Range<usize>>,
    /// Where its opening quote closes, if text follows.
    closed: Option<usize>,
}

impl Cell {
    fn text<'r>(&self, row: &'r [u8]) -> Cow<'r, [u8]> {
        let part = |range: Range<usize>| row.get(range).unwrap_or_default();
        match (&self.inner, self.closed) {
            (Some(inner), _) => halve(part(inner.clone())),
            (None, Some(close)) => {
                let head = halve(part(self.whole.start + 1..close));
                Cow::Owned([&head, part(close + 1..self.whole.end)].concat())
            }
            (None, None) => Cow::Borrowed(part(self.whole.clone())),
        }
    }
}

/// `""` becomes `"`.
fn halve(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'"', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut half = false;
    for byte in raw {
        half = *byte == b'"' && !half;
        if !half {
            out.push(*byte);
        }
    }
    Cow::Owned(out)
}

/// The cells of one row.
struct Cells<'r> {
    row: &'r [u8],
    separator: u8,
    /// Where the next cell starts; `None` after the last.
    at: Option<usize>,
}

impl<'r> Cells<'r> {
    fn new(row: &'r [u8], separator: u8) -> Self {
        Self { row: content(row), separator, at: Some(0) }
    }

    /// The closing quote of the cell whose opening quote is before `from`.
    fn closing(&self, mut from: usize) -> Option<usize> {
        loop {
            let quote = from + memchr::memchr(b'"', self.row.get(from..)?)?;
            if self.row.get(quote + 1) != Some(&b'"') {
                return Some(quote);
            }
            from = quote + 2;
        }
    }
}

impl Iterator for Cells<'_> {
    type Item = Cell;

    fn next(&mut self) -> Option<Cell> {
        let start = self.at?;
        let close = if self.row.get(start) == Some(&b'"') { self.closing(start + 1) } else { None };
        let from = close.map_or(start, |close| close + 1);
        let separator = memchr::memchr(self.separator, self.row.get(from..).unwrap_or_default());
        let end = separator.map_or(self.row.len(), |n| from + n);
        self.at = separator.map(|_| end + 1);
        let alone = close.filter(|_| end == from);
        Some(Cell { whole: start..end, inner: alone.map(|close| start + 1..close), closed: close })
    }
}

/// Cuts rows.
struct Rows {
    preamble: Preamble,
    cut: Cut,
    header: Header,
    /// No row was cut yet.
    first: bool,
    /// Names of the columns; empty without a header.
    names: Vec<Vec<u8>>,
    /// Offset in the stream of the window's first byte.
    base: u64,
}

impl Rows {
    fn new(separator: u8, hint: &Hint<'_>) -> Self {
        Self {
            preamble: Preamble::default(),
            cut: Cut { separator, ..Cut::default() },
            header: hint.rule.map(|rule| rule.header).unwrap_or_default(),
            first: true,
            names: Vec::new(),
            base: 0,
        }
    }

    /// What a row is to the judge; takes the columns' names from the header.
    fn kind(&mut self, row: &[u8]) -> Part {
        let separator = self.cut.separator;
        if is_blank(row) || (self.first && content(row) == [b's', b'e', b'p', b'=', separator]) {
            return Part::Structure;
        }
        if !std::mem::take(&mut self.first) {
            return Part::Data;
        }
        let texts: Vec<_> =
            Cells::new(row, separator).map(|cell| cell.text(content(row)).trim_ascii().to_vec()).collect();
        let is_header = match self.header {
            Header::Yes => true,
            Header::No => false,
            Header::Auto => texts.iter().all(|text| is_name(text)),
        };
        if !is_header {
            return Part::Data;
        }
        self.names = texts;
        Part::Structure
    }

    fn name(&self, column: usize) -> Vec<u8> {
        match self.names.get(column) {
            Some(name) if !name.is_empty() => name.clone(),
            _ => format!("#{}", column + 1).into_bytes(),
        }
    }
}

impl Cursor for Rows {
    fn next(&mut self, window: &[u8], eof: bool) -> Result<Step> {
        let step = if let Some(step) = self.preamble.step(window, eof) {
            step
        } else {
            match self.cut.end(window, eof) {
                Ok(None) => Step::More,
                Ok(Some(len)) => Step::Record { len, kind: self.kind(window.get(..len).unwrap_or_default()) },
                Err(Unclosed) => {
                    let error = Error::new(Kind::Damaged, "a quoted cell of this row does not end");
                    return Err(error.at(At::Byte(self.base)));
                }
            }
        };
        if let Step::Record { len, .. } = step {
            self.base += len as u64;
        }
        Ok(step)
    }

    fn fields<'r>(&self, record: &'r [u8], visit: &mut dyn FnMut(Field<'r>)) -> Result<()> {
        if is_blank(record) {
            return Ok(());
        }
        let row = content(record);
        for (column, cell) in Cells::new(record, self.cut.separator).enumerate() {
            let text = cell.text(row);
            // Text behind a closing quote: its raw bytes hold quotes, so that it is one with them.
            let quoted = cell.closed.is_some();
            let span = cell.inner.unwrap_or_else(|| cell.whole.clone());
            let place = if quoted { Place::QuotedCell } else { Place::Cell };
            visit(Field { path: vec![Cow::Owned(self.name(column))], span, whole: cell.whole, text, place });
        }
        Ok(())
    }

    fn doubles_quotes(&self) -> bool {
        true
    }

    /// Once the columns have their names.
    fn settled(&self) -> bool {
        !self.first
    }
}

/// Whether a trimmed cell of the first row may be a column's name (SPEC "CSV/TSV"): it is not empty, a number, or of the shape of
/// an e-mail, UUID, IP or phone. A time is no name either: it says as surely as a number that the row is data.
fn is_name(text: &[u8]) -> bool {
    !(text.is_empty() || is_number(text) || is_email(text) || is_uuid(text) || is_ip(text) || is_phone(text))
        && stamp::value(text).is_none()
}

fn is_number(text: &[u8]) -> bool {
    let grouped = text.iter().all(|b| b.is_ascii_digit() || b".,+-' ".contains(b));
    let digit = text.iter().any(u8::is_ascii_digit);
    let parsed = std::str::from_utf8(text).is_ok_and(|text| text.parse::<f64>().is_ok());
    digit && (grouped || parsed)
}

fn is_email(text: &[u8]) -> bool {
    let Some(at) = memchr::memrchr(b'@', text) else {
        return false;
    };
    let (local, domain) = (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default());
    let dotted = memchr::memchr(b'.', domain).is_some_and(|dot| dot > 0 && dot + 1 < domain.len());
    !local.is_empty() && dotted && !text.iter().any(u8::is_ascii_whitespace)
}

fn is_uuid(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"urn:uuid:").unwrap_or(text);
    let text = text.strip_prefix(b"{").and_then(|text| text.strip_suffix(b"}")).unwrap_or(text);
    let dashes = memchr::memchr_iter(b'-', text).count();
    text.iter().all(|b| b.is_ascii_hexdigit() || *b == b'-')
        && text.len() - dashes == 32
        && (dashes == 0 || dashes == 4)
}

fn is_ip(text: &[u8]) -> bool {
    let text = text.split(|b| b"/%".contains(b)).next().unwrap_or_default();
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<IpAddr>().is_ok())
}

fn is_phone(text: &[u8]) -> bool {
    let digits = text.iter().filter(|b| b.is_ascii_digit()).count();
    digits >= 7 && text.iter().all(|b| b.is_ascii_digit() || b"+ -.()/".contains(b))
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
