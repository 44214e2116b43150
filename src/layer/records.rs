//! Record formats as layers: cut, match, judge, and note the edits.
//!
//! A window is cut into records; the engine is asked once for the whole window where something may be; only records
//! that a candidate touches are parsed for their fields, searched exactly and judged. Records that a quoted-printable
//! soft break joins are searched together (a *unit*); each is judged by itself. What it has in common with formats that are
//! layers of their own is [`super::ruling`].

use std::collections::VecDeque;
use std::ops::Range;

use super::cx::Cx;
use super::ruling::{self, Batch, Candidates, Edits, Parse, Sheet};
use super::stream::{Outlet, Streamed};
use super::{Found, Hint, Layer, Records, binary, lines, raw, scouts};
use crate::error::{Error, Kind, Result};
use crate::input::Input;
use crate::judge::{Ruling, Verdict};
use crate::policy::Rule;
use crate::record::{Cursor, Field, Fragment, More, Part, Step};

/// Records cut ahead at one time: bounds what is kept for each, whatever the window.
const MAX_CUTS: usize = 1 << 16;

/// Makes a layer of a record format.
pub struct RecordLayer(pub &'static dyn Records);

impl Layer for RecordLayer {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn find(&'static self, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<Found> {
        scouts::with(input, cx, |scouts, input, cx| ruling::find_by(self, input, cx, scouts))
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
        Ok(Some(Box::new(Run {
            name: self.0.name(),
            cursor,
            rule,
            sheet,
            cuts: Vec::new(),
            fragments: Vec::new(),
            waiting: VecDeque::new(),
            next: 0,
            base: 0,
            binary: None,
        })))
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

    fn fragment(&self, record: &[u8]) -> Option<Fragment> {
        self.0.fragment(record)
    }

    fn may_hide(&self, record: &[u8]) -> bool {
        self.0.may_hide(record)
    }

    fn mend(&self, record: &[u8], edits: &mut Edits) {
        self.0.mend(record, edits);
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
    /// What each of those holds of a line that may be divided.
    fragments: Vec<Option<Fragment>>,
    /// Windows whose candidates are searched for.
    waiting: VecDeque<Cuts>,
    /// Offset in the stream of the next window's first byte.
    next: u64,
    /// Offset in the stream of the first byte of the window that is judged.
    base: u64,
    /// Offset of the first record that is binary, and whether a value was found in one.
    binary: Option<(u64, bool)>,
}

/// The whole records of a window.
struct Cuts {
    records: Vec<(Range<usize>, Part)>,
    /// Which of them are no fragments of lines.
    whole: Vec<bool>,
    /// Those that hold one line, by their ordinals.
    lines: Vec<Vec<usize>>,
    /// Offset in the stream of the window's first byte.
    base: u64,
}

impl Batch for Run<'_> {
    fn batch(&mut self, window: &[u8], eof: bool, cx: &mut Cx<'_>) -> Result<usize> {
        let Some(cuts) = self.cuts(window, eof, cx.search.limits.max_record)? else { return Ok(0) };
        let done = cuts.records.last().map_or(0, |(last, _)| last.end);
        let text = window.get(..done).unwrap_or_default();
        if let Some(scouts) = self.sheet.scouts.filter(|_| self.cursor.0.settled()) {
            scouts.submit(text);
            self.waiting.push_back(cuts);
            while self.waiting.len() > scouts.depth {
                self.first(cx)?;
            }
        } else {
            self.settle(cx)?;
            self.rule(text, &cuts, Candidates::of(text, cx), cx)?;
        }
        Ok(done)
    }

    fn settle(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        while !self.waiting.is_empty() {
            self.first(cx)?;
        }
        Ok(())
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
    /// Cuts the whole records off `window`; `None` if it is too short.
    fn cuts(&mut self, window: &[u8], eof: bool, most: u64) -> Result<Option<Cuts>> {
        self.cut(window, eof, most)?;
        let full = self.cuts.len() >= MAX_CUTS;
        let ready = if eof && !full { self.cuts.len() } else { self.unjoined(window) };
        let divided = self.divided(eof && !full, most)?;
        let ready = ready.min(divided.hold);
        if ready == 0 && full {
            return Err(Error::limit(format!("records joined by soft line breaks or by one line ({MAX_CUTS})")));
        }
        let Some((last, _)) = ready.checked_sub(1).and_then(|i| self.cuts.get(i)) else { return Ok(None) };
        let done = last.end;
        let records: Vec<_> = self.cuts.drain(..ready).collect();
        let whole: Vec<_> = self.fragments.drain(..ready).map(|fragment| fragment.is_none()).collect();
        for (range, _) in &mut self.cuts {
            *range = range.start - done..range.end - done;
        }
        let base = self.next;
        self.next += done as u64;
        Ok(Some(Cuts { records, whole, lines: divided.lines, base }))
    }

    /// Judges the first window that waits.
    fn first(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let lost = || Error::new(Kind::Verify, "a window was lost");
        let (scouts, cuts) = self.sheet.scouts.zip(self.waiting.pop_front()).ok_or_else(lost)?;
        let (text, found) = scouts.take().ok_or_else(lost)?;
        self.rule(&text, &cuts, Candidates::found(found), cx)?;
        scouts.recycle(text);
        Ok(())
    }

    /// Judges the records of a window, `text`.
    fn rule(&mut self, text: &[u8], cuts: &Cuts, mut candidates: Candidates, cx: &mut Cx<'_>) -> Result<()> {
        self.base = cuts.base;
        let (records, whole) = (cuts.records.as_slice(), cuts.whole.as_slice());
        let mut rulings = self.lines(text, cuts, cx)?;
        cx.tally.read += records.iter().filter(|(_, part)| *part != Part::Structure).count() as u64;
        let suspect = binary::suspect(text);
        let (mut kept, mut at) = (0, 0);
        while let Some((first, _)) = records.get(at) {
            let size = unit_size(records.get(at..).unwrap_or_default(), whole.get(at..).unwrap_or_default(), text);
            let unit = records.get(at..at + size).unwrap_or_default();
            let range = first.start..unit.last().map_or(first.end, |(last, _)| last.end);
            let touched = candidates.touch(&range) || self.abutted(text, &range, cx);
            if suspect && self.is_strange(text, &range, cx)? {
                self.strange(text, &range, cx)?;
            } else if let Some(ruling) = rulings.get_mut(at).and_then(Option::take) {
                cx.tally.count(&ruling);
                self.note(text, &range, range.start, ruling, &mut kept)?;
            } else if touched || self.doubled(text, &range) || self.hides(text, unit, cx)? {
                self.judge(text, &range, unit, &mut kept, cx)?;
            }
            at += size;
        }
        self.sheet.keep(text.get(kept..).unwrap_or_default())
    }

    fn cut(&mut self, window: &[u8], eof: bool, most: u64) -> Result<()> {
        let mut at = self.cuts.last().map_or(0, |(range, _)| range.end);
        while at < window.len() && self.cuts.len() < MAX_CUTS {
            match self.cursor.0.next(window.get(at..).unwrap_or_default(), eof)? {
                Step::Record { len, .. } if len as u64 > most => return Err(ruling::too_long(most)),
                Step::Record { len, kind } => {
                    let end = (at + len).min(window.len());
                    self.cuts.push((at..end, kind));
                    let data = kind == Part::Data;
                    let record = window.get(at..end).filter(|_| data).unwrap_or_default();
                    self.fragments.push(self.cursor.0.fragment(record));
                    at = end;
                }
                Step::More => break,
            }
        }
        Ok(())
    }

    /// Number of cut records before the trailing ones that a soft break joins with what follows the window.
    fn unjoined(&self, window: &[u8]) -> usize {
        let cuts = self.cuts.iter().zip(&self.fragments).rev();
        let joined = cuts.take_while(|((range, _), part)| part.is_none() && soft_break(window, range)).count();
        self.cuts.len() - joined
    }

    /// The lines that stand in several records.
    fn divided(&self, eof: bool, most: u64) -> Result<lines::Divided> {
        if self.fragments.iter().flatten().all(|fragment| fragment.more == More::No) {
            return Ok(lines::Divided { lines: Vec::new(), hold: self.cuts.len() });
        }
        lines::divided(&self.cuts, &self.fragments, eof, most)
    }

    /// The rulings on the records of divided lines that have a hit, by their ordinals; empty without such a line.
    ///
    /// A line's records have no ruling but that: what they hold is searched joined.
    fn lines(&self, text: &[u8], cuts: &Cuts, cx: &Cx<'_>) -> Result<Vec<Option<Ruling>>> {
        let mut out = Vec::new();
        let record =
            |i: &usize| cuts.records.get(*i).and_then(|(range, _)| text.get(range.clone())).unwrap_or_default();
        for line in &cuts.lines {
            out.resize_with(cuts.records.len(), || None);
            let records: Vec<&[u8]> = line.iter().map(record).collect();
            let rulings = lines::rulings(&records, &self.cursor, self.rule, cx)?;
            let mut rulings = rulings.into_iter().flatten();
            for i in line {
                if let Some(slot) = out.get_mut(*i) {
                    *slot = Some(rulings.next().unwrap_or_else(Ruling::keep));
                }
            }
        }
        Ok(out)
    }

    /// Whether a candidate is in the record at `range`, where what stands beside it in the window hides it.
    fn abutted(&self, text: &[u8], range: &Range<usize>, cx: &Cx<'_>) -> bool {
        let record = text.get(range.clone()).filter(|_| self.cursor.0.abuts());
        let whole = 0..record.map_or(0, <[u8]>::len);
        record.is_some_and(|record| Candidates::of(record, cx).touch(&whole))
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

    /// Whether a candidate is in what one of the records stands for and does not show.
    fn hides(&self, text: &[u8], records: &[(Range<usize>, Part)], cx: &Cx<'_>) -> Result<bool> {
        for (range, _) in records {
            if ruling::hides(text.get(range.clone()).unwrap_or_default(), &self.cursor, cx)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a record is no text. Where values may hold any bytes, those that are binary are noted, and the record is judged.
    fn is_strange(&mut self, text: &[u8], range: &Range<usize>, cx: &Cx<'_>) -> Result<bool> {
        let record = text.get(range.clone()).unwrap_or_default();
        if !self.cursor.0.holds_bytes() {
            return Ok(binary::is_binary(record));
        }
        let mut binary = false;
        self.cursor.0.fields(record, &mut |field| binary |= binary::is_binary(&field.text))?;
        if binary {
            let at = self.base + range.start as u64;
            self.binary.get_or_insert((at, false));
            if self.sheet.leaves() {
                cx.refuse(&no_text(self.name, at), false)?;
            }
        }
        Ok(false)
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

/// Number of records at the start of `cuts` that soft breaks join; `whole`: which of them are no fragments of lines.
fn unit_size(cuts: &[(Range<usize>, Part)], whole: &[bool], text: &[u8]) -> usize {
    let goes_on = |i: usize| whole.get(i) == Some(&true) && whole.get(i + 1) != Some(&false);
    let joined = cuts.iter().enumerate().take_while(|(i, (range, _))| goes_on(*i) && soft_break(text, range)).count();
    (joined + 1).min(cuts.len())
}

/// Whether the record ends in a quoted-printable soft break (RFC 2045 §6.7 rule 5).
fn soft_break(text: &[u8], range: &Range<usize>) -> bool {
    let record = text.get(range.clone()).unwrap_or_default();
    record.ends_with(b"=\n") || record.ends_with(b"=\r\n")
}
