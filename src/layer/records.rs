//! Record formats as layers: cut, match, judge, and note the edits.
//!
//! A window is cut into records; the engine is asked once for the whole window where something may be; only records
//! that a candidate touches are parsed for their fields, searched exactly and judged. Records that a quoted-printable
//! soft break joins are searched together (a *unit*); each is judged by itself. What it has in common with formats that are
//! layers of their own is [`super::ruling`].

use std::ops::Range;

use super::cx::Cx;
use super::ruling::{self, Batch, Candidates, Parse, Sheet};
use super::stream::{Outlet, Streamed};
use super::{Found, Hint, Layer, Records, binary, raw};
use crate::error::{Error, Result};
use crate::input::Input;
use crate::judge::{Ruling, Verdict};
use crate::policy::Rule;
use crate::record::{Cursor, Field, Part, Step};

/// Records cut ahead at one time: bounds what is kept for each, whatever the window.
const MAX_CUTS: usize = 1 << 16;

/// Makes a layer of a record format.
pub struct RecordLayer(pub &'static dyn Records);

impl Layer for RecordLayer {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn find(&'static self, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<Found> {
        ruling::find(self, input, cx)
    }

    fn stream(&'static self, input: &mut Input<'_>, cx: &mut Cx<'_>, out: &mut dyn Outlet) -> Result<Streamed> {
        ruling::stream(self, input, cx, out)
    }

    fn open<'b, 's: 'b>(
        &'static self,
        head: &[u8],
        whole: bool,
        cx: &Cx<'s>,
        sheet: Sheet<'b>,
    ) -> Result<Option<Box<dyn Batch + 'b>>> {
        let rule = cx.rule();
        let name = cx.hint_name();
        let hint = Hint { name: &name, rule, format: cx.search.format, codec: None };
        let cursor = Fields(self.0.open(head, whole, &hint)?);
        Ok(Some(Box::new(Run { name: self.0.name(), cursor, rule, sheet, cuts: Vec::new(), base: 0, binary: None })))
    }
}

/// A cursor, for its fields.
struct Fields(Box<dyn Cursor>);

impl Parse for Fields {
    fn fields<'r>(&'r self, record: &'r [u8], visit: &mut dyn FnMut(Field<'r>)) -> Result<()> {
        self.0.fields(record, visit)
    }

    fn table(&self) -> Option<&str> {
        self.0.table()
    }
}

/// One stream being read.
struct Run<'c> {
    /// The format's.
    name: &'static str,
    cursor: Fields,
    rule: Option<&'c Rule>,
    sheet: Sheet<'c>,
    /// Records that are cut and not yet judged, as ranges of the next window.
    cuts: Vec<(Range<usize>, Part)>,
    /// Offset in the stream of the window's first byte.
    base: u64,
    /// Offset of the first record that is binary, and whether a value was found in one.
    binary: Option<(u64, bool)>,
}

impl Batch for Run<'_> {
    fn batch(&mut self, window: &[u8], eof: bool, cx: &mut Cx<'_>) -> Result<usize> {
        self.cut(window, eof, cx.search.limits.max_record)?;
        let all = eof && self.cuts.len() < MAX_CUTS;
        let ready = if all { self.cuts.len() } else { self.unjoined(window) };
        if ready == 0 && self.cuts.len() >= MAX_CUTS {
            return Err(Error::limit(format!("records joined by soft line breaks ({MAX_CUTS})")));
        }
        let Some((last, _)) = ready.checked_sub(1).and_then(|i| self.cuts.get(i)) else { return Ok(0) };
        let done = last.end;
        let text = window.get(..done).unwrap_or_default();
        let mut candidates = Candidates::of(text, cx);
        let cuts: Vec<_> = self.cuts.drain(..ready).collect();
        cx.tally.read += cuts.iter().filter(|(_, part)| *part != Part::Structure).count() as u64;
        let suspect = binary::suspect(text);
        let (mut kept, mut at) = (0, 0);
        while let Some((first, _)) = cuts.get(at) {
            let size = unit_size(cuts.get(at..).unwrap_or_default(), text);
            let unit = cuts.get(at..at + size).unwrap_or_default();
            let range = first.start..unit.last().map_or(first.end, |(last, _)| last.end);
            at += size;
            let touched = candidates.touch(&range);
            if suspect && binary::is_binary(text.get(range.clone()).unwrap_or_default()) {
                self.strange(text, &range, cx)?;
            } else if touched || self.doubled(text, &range) {
                self.judge(text, &range, unit, &mut kept, cx)?;
            }
        }
        self.sheet.keep(text.get(kept..).unwrap_or_default())?;
        for (range, _) in &mut self.cuts {
            *range = range.start - done..range.end - done;
        }
        self.base += done as u64;
        Ok(done)
    }

    fn flush(&mut self) -> Result<()> {
        self.sheet.flush()
    }

    fn finish(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        cx.leaf("", &self.sheet.leaf);
        if let Some((at, hit)) = self.binary {
            cx.strange(no_text(self.name, at), hit);
        }
        Ok(())
    }
}

impl Run<'_> {
    fn cut(&mut self, window: &[u8], eof: bool, most: u64) -> Result<()> {
        let mut at = self.cuts.last().map_or(0, |(range, _)| range.end);
        while at < window.len() && self.cuts.len() < MAX_CUTS {
            match self.cursor.0.next(window.get(at..).unwrap_or_default(), eof)? {
                Step::Record { len, .. } if len as u64 > most => return Err(ruling::too_long(most)),
                Step::Record { len, kind } => {
                    let end = (at + len).min(window.len());
                    self.cuts.push((at..end, kind));
                    at = end;
                }
                Step::More => break,
            }
        }
        Ok(())
    }

    /// Number of cut records before the trailing ones that a soft break joins with what follows the window.
    fn unjoined(&self, window: &[u8]) -> usize {
        let joined = self.cuts.iter().rev().take_while(|(range, _)| soft_break(window, range)).count();
        self.cuts.len() - joined
    }

    /// Whether a cell's text may differ from its bytes in a way that no spelling tells: a doubled quote, or one amid other text
    /// (`"ab"c`, which readers take for `abc`).
    fn doubled(&self, text: &[u8], range: &Range<usize>) -> bool {
        if !self.cursor.0.doubles_quotes() {
            return false;
        }
        let record = text.get(range.clone()).unwrap_or_default();
        let inside = |byte: Option<&u8>| byte.is_some_and(|b| !matches!(b, b',' | b';' | b'\t' | b'\r' | b'\n'));
        memchr::memchr_iter(b'"', record)
            .any(|at| inside(record.get(at + 1)) && inside(at.checked_sub(1).and_then(|at| record.get(at))))
    }

    /// A record that is no text: searched as it stands, kept, and named at the end; of what leaves at once it is the end, unless
    /// it was accepted.
    fn strange(&mut self, text: &[u8], range: &Range<usize>, cx: &Cx<'_>) -> Result<()> {
        let hit = raw::holds(text.get(range.clone()).unwrap_or_default(), cx.search);
        let at = self.base + range.start as u64;
        let (_, hits) = self.binary.get_or_insert((at, false));
        *hits |= hit;
        if self.sheet.leaves() { cx.refuse(&no_text(self.name, at), hit) } else { Ok(()) }
    }

    /// Searches one unit exactly and notes what becomes of its records; `kept` is where the last edit ended.
    fn judge(
        &mut self,
        text: &[u8],
        range: &Range<usize>,
        records: &[(Range<usize>, Part)],
        kept: &mut usize,
        cx: &mut Cx<'_>,
    ) -> Result<()> {
        let unit = text.get(range.clone()).unwrap_or_default();
        let relative: Vec<_> =
            records.iter().map(|(r, part)| (r.start - range.start..r.end - range.start, *part)).collect();
        let Some(rulings) = ruling::rulings(unit, &relative, &self.cursor, self.rule, cx)? else { return Ok(()) };
        for ((record, _), ruling) in records.iter().zip(rulings) {
            cx.tally.count(&ruling);
            self.note(text, record, range.start, ruling, kept)?;
        }
        Ok(())
    }

    fn note(
        &mut self,
        text: &[u8],
        record: &Range<usize>,
        unit: usize,
        ruling: Ruling,
        kept: &mut usize,
    ) -> Result<()> {
        match ruling.verdict {
            Verdict::Keep => {}
            Verdict::Drop => *kept = self.sheet.edit(text, *kept, record.clone(), b"", self.base)?,
            Verdict::Edit(edits) => {
                for (range, payload) in edits {
                    let range = range.start + unit..range.end + unit;
                    *kept = self.sheet.edit(text, *kept, range, &payload, self.base)?;
                }
            }
        }
        Ok(())
    }
}

fn no_text(format: &str, at: u64) -> String {
    format!("binary bytes in {format} at byte {at}")
}

/// Number of records at the start of `cuts` that soft breaks join.
fn unit_size(cuts: &[(Range<usize>, Part)], text: &[u8]) -> usize {
    let joined = cuts.iter().take_while(|(range, _)| soft_break(text, range)).count();
    (joined + 1).min(cuts.len())
}

/// Whether the record ends in a quoted-printable soft break (RFC 2045 §6.7 rule 5).
fn soft_break(text: &[u8], range: &Range<usize>) -> bool {
    let record = text.get(range.clone()).unwrap_or_default();
    record.ends_with(b"=\n") || record.ends_with(b"=\r\n")
}
