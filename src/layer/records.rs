//! Record formats as layers: cut, match, judge, and note the edits.
//!
//! A window is cut into records; the engine is asked once for the whole window where something may be; only records
//! that a candidate touches are parsed for their fields, searched exactly and judged. Records that a quoted-printable
//! soft break joins are searched together (a *unit*); each is judged by itself. Memory: the window, which grows up to
//! `--max-record` for a record that long, and what a match needs on one unit.

use std::ops::Range;

use super::cx::{Cx, Leaf};
use super::{Found, Hint, Layer, Records, binary};
use crate::edit::EditList;
use crate::error::{Error, Result};
use crate::input::Input;
use crate::judge::{Ruling, Verdict};
use crate::limits::{SNIFF, WINDOW};
use crate::matcher::Unit;
use crate::policy::Rule;
use crate::record::{Cursor, Field, Part, Step};
use crate::span::Span;

/// Bytes that a field of a record that is being judged takes, about.
const FIELD_BYTES: usize = 256;
/// Records cut ahead at one time: bounds what is kept for each, whatever the window.
const MAX_CUTS: usize = 1 << 16;
/// How often an edited record is judged again.
const ROUNDS: usize = 4;

/// Ranges that give way to bytes: sorted, disjoint.
type Edits = Vec<(Range<usize>, Vec<u8>)>;

/// Makes a layer of a record format.
pub struct RecordLayer(pub &'static dyn Records);

impl Layer for RecordLayer {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn find(&'static self, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<Found> {
        input.window(SNIFF)?;
        let head = input.unread();
        let whole = head.len() < SNIFF;
        let rule = cx.rule();
        let name = cx.hint_name();
        let hint = Hint { name: &name, rule, format: cx.search.format, codec: None };
        let cursor = self.0.open(head.get(..head.len().min(SNIFF)).unwrap_or_default(), whole, &hint)?;
        let mut run = Run {
            cursor,
            rule,
            edits: EditList::new(cx.search.space),
            leaf: Leaf::default(),
            cuts: Vec::new(),
            base: 0,
            binary: None,
        };
        loop {
            cx.check()?;
            let eof = input.at_end();
            let window = input.unread();
            if window.is_empty() && eof {
                break;
            }
            let (have, done) = (window.len(), run.batch(window, eof, cx).map_err(|e| e.layer(self.0.name()))?);
            if done > 0 {
                input.consume(done);
                run.base += done as u64;
                input.mark(run.base);
                if !input.at_end() && input.unread().len() < input.read_size() {
                    input.more()?;
                }
            } else if eof {
                return Err(Error::damaged(self.0.name(), run.base, "a record does not end"));
            } else {
                grow(input, have, cx)?;
            }
        }
        cx.leaf("", &run.leaf);
        if let Some((at, hit)) = run.binary {
            cx.strange(format!("binary bytes in {} at byte {at}", self.0.name()), hit);
        }
        Ok(Found { layer: self, own: run.edits, parts: Vec::new() })
    }
}

/// Doubles a window that holds no whole record, up to `--max-record`.
fn grow(input: &mut Input<'_>, have: usize, cx: &mut Cx<'_>) -> Result<()> {
    let most = cx.search.limits.max_record;
    if have as u64 >= most {
        return Err(too_long(most));
    }
    let want = (have * 2).clamp(1, usize::try_from(most).unwrap_or(usize::MAX));
    if want > 8 * WINDOW {
        // The window, and the copy of a part of it while it grows or is decoded.
        cx.need(want as u64 + want as u64 / 2)?;
    }
    input.window(want)?;
    Ok(())
}

fn too_long(most: u64) -> Error {
    Error::limit(format!("--max-record ({most} bytes)"))
}

/// One stream being read.
struct Run<'c> {
    cursor: Box<dyn Cursor>,
    rule: Option<&'c Rule>,
    edits: EditList,
    leaf: Leaf,
    /// Records that are cut and not yet judged, as ranges of the next window.
    cuts: Vec<(Range<usize>, Part)>,
    /// Offset in the stream of the window's first byte.
    base: u64,
    /// Offset of the first record that is binary, and whether a value was found in one.
    binary: Option<(u64, bool)>,
}

impl Run<'_> {
    /// Cuts and judges what of `window` is whole; returns how many bytes are done with.
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
        let mut candidates = Vec::new();
        cx.search.engine.candidates(text, &mut candidates);
        candidates.sort_unstable_by_key(|range| range.start);
        let cuts: Vec<_> = self.cuts.drain(..ready).collect();
        cx.tally.read += cuts.iter().filter(|(_, part)| *part != Part::Structure).count() as u64;
        let suspect = binary::suspect(text);
        let mut kept = 0;
        let (mut next, mut reach) = (0, 0);
        let mut at = 0;
        while let Some((first, _)) = cuts.get(at) {
            let size = unit_size(cuts.get(at..).unwrap_or_default(), text);
            let unit = cuts.get(at..at + size).unwrap_or_default();
            let range = first.start..unit.last().map_or(first.end, |(last, _)| last.end);
            at += size;
            while candidates.get(next).is_some_and(|c| c.start < range.end) {
                reach = reach.max(candidates.get(next).map_or(0, |c| c.end));
                next += 1;
            }
            let strange = suspect && binary::is_binary(text.get(range.clone()).unwrap_or_default());
            if strange {
                self.strange(text, &range, cx);
            } else if reach > range.start || self.doubled(text, &range) {
                self.judge(text, &range, unit, &mut kept, cx)?;
            }
        }
        self.leaf.update(text.get(kept..).unwrap_or_default());
        for (range, _) in &mut self.cuts {
            *range = range.start - done..range.end - done;
        }
        Ok(done)
    }

    fn cut(&mut self, window: &[u8], eof: bool, most: u64) -> Result<()> {
        let mut at = self.cuts.last().map_or(0, |(range, _)| range.end);
        while at < window.len() && self.cuts.len() < MAX_CUTS {
            match self.cursor.next(window.get(at..).unwrap_or_default(), eof)? {
                Step::Record { len, .. } if len as u64 > most => return Err(too_long(most)),
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
        if !self.cursor.doubles_quotes() {
            return false;
        }
        let record = text.get(range.clone()).unwrap_or_default();
        let inside = |byte: Option<&u8>| byte.is_some_and(|b| !matches!(b, b',' | b';' | b'\t' | b'\r' | b'\n'));
        memchr::memchr_iter(b'"', record)
            .any(|at| inside(record.get(at + 1)) && inside(at.checked_sub(1).and_then(|at| record.get(at))))
    }

    /// A record that is no text: searched as it stands, kept, and named at the end.
    fn strange(&mut self, text: &[u8], range: &Range<usize>, cx: &Cx<'_>) {
        let hit = super::raw::holds(text.get(range.clone()).unwrap_or_default(), cx.search);
        let (_, hits) = self.binary.get_or_insert((self.base + range.start as u64, false));
        *hits |= hit;
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
        let Some(rulings) = self.rule_on(unit, &relative, cx)? else { return Ok(()) };
        for (((record, part), (within, _)), mut ruling) in records.iter().zip(&relative).zip(rulings) {
            if let Verdict::Edit(edits) = &ruling.verdict {
                ruling.verdict = self.again(unit, within, *part, edits, cx)?;
            }
            self.note(text, record, range.start, ruling, kept, cx)?;
        }
        Ok(())
    }

    /// The rulings on the records of `unit`, or `None` without a hit.
    fn rule_on(&self, unit: &[u8], records: &[(Range<usize>, Part)], cx: &Cx<'_>) -> Result<Option<Vec<Ruling>>> {
        let most = usize::try_from(cx.search.limits.max_memory / 2).unwrap_or(usize::MAX) / FIELD_BYTES;
        let mut fields: Vec<Field<'_>> = Vec::new();
        let mut count = 0;
        for (record, _) in records {
            let shift = record.start;
            self.cursor.fields(unit.get(record.clone()).unwrap_or_default(), &mut |mut field| {
                count += 1;
                if count <= most {
                    field.span = field.span.start + shift..field.span.end + shift;
                    field.whole = field.whole.start + shift..field.whole.end + shift;
                    fields.push(field);
                }
            })?;
        }
        if count > most {
            return Err(Error::limit(format!("--max-memory: a record has more than {most} fields")));
        }
        let unit = Unit { text: unit, fields: &fields, table: self.cursor.table() };
        let mut hits = Vec::new();
        cx.search.engine.hits(&unit, &mut hits);
        if hits.is_empty() {
            return Ok(None);
        }
        Ok(Some(cx.search.judge.unit(&unit, records, &hits, self.rule, cx.mtime)))
    }

    /// An edit can bring a hit about: `192.0.2.1a@x.example` holds an address and no e-mail until the address is masked. So an
    /// edited record is judged again until nothing changes; what still does after [`ROUNDS`] is left to verification to refuse.
    fn again(&self, unit: &[u8], record: &Range<usize>, part: Part, edits: &Edits, cx: &Cx<'_>) -> Result<Verdict> {
        let mut text = apply(unit, record, edits);
        for round in 0..ROUNDS {
            let whole = 0..text.len();
            let ruling =
                self.rule_on(&text, &[(whole.clone(), part)], cx)?.and_then(|rulings| rulings.into_iter().next());
            match ruling.map(|ruling| ruling.verdict) {
                None | Some(Verdict::Keep) if round == 0 => return Ok(Verdict::Edit(edits.clone())),
                None | Some(Verdict::Keep) => break,
                Some(Verdict::Drop) => return Ok(Verdict::Drop),
                Some(Verdict::Edit(more)) => text = apply(&text, &whole, &more),
            }
        }
        Ok(Verdict::Edit(vec![(record.clone(), text)]))
    }

    fn note(
        &mut self,
        text: &[u8],
        record: &Range<usize>,
        unit: usize,
        ruling: Ruling,
        kept: &mut usize,
        cx: &mut Cx<'_>,
    ) -> Result<()> {
        let tally = &mut cx.tally;
        tally.left_report += u64::from(ruling.report);
        tally.left_held += u64::from(ruling.held);
        for subject in &ruling.subjects {
            *tally.subjects.entry(*subject).or_default() += 1;
        }
        match ruling.verdict {
            Verdict::Keep => {}
            Verdict::Drop => {
                tally.dropped += 1;
                self.edit(text, record, b"", kept)?;
            }
            Verdict::Edit(edits) => {
                tally.edited += 1;
                for (range, payload) in edits {
                    self.edit(text, &(range.start + unit..range.end + unit), &payload, kept)?;
                }
            }
        }
        Ok(())
    }

    fn edit(&mut self, text: &[u8], range: &Range<usize>, payload: &[u8], kept: &mut usize) -> Result<()> {
        self.leaf.update(text.get(*kept..range.start).unwrap_or_default());
        self.leaf.update(payload);
        *kept = range.end;
        self.edits.push(Span::new(self.base + range.start as u64, self.base + range.end as u64), payload)
    }
}

/// The bytes of `record` in `unit` after `edits`, which lie in it.
fn apply(unit: &[u8], record: &Range<usize>, edits: &Edits) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(record.len()), record.start);
    for (range, payload) in edits {
        out.extend_from_slice(unit.get(at..range.start).unwrap_or_default());
        out.extend_from_slice(payload);
        at = range.end;
    }
    out.extend_from_slice(unit.get(at..record.end).unwrap_or_default());
    out
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
