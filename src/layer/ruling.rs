//! What record formats as layers have in common: the windows in which a stream is read, the rulings on what a candidate
//! touches, and the stream as it will be.
//!
//! A layer that cuts records (`records`, JSON documents) implements [`Batch`] and is run by [`find`] or [`stream`]; it asks [`rulings`] for what
//! becomes of records that a candidate touches, and writes the verdicts into a [`Sheet`]. Memory: the window, which grows up
//! to `--max-record` for a record that long, and what a match needs on one unit. Where records begin and end, and what goes
//! with them, is the layer's own.

mod edits;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

pub use self::edits::{Edits, apply, compose};
use super::cx::{Cx, Leaf, Tally};
use super::scouts::Scouts;
use super::stream::{Guard, Outlet, Streamed};
use super::{Found, Layer, Search};
use crate::edit::EditList;
use crate::error::{Error, Kind, Result};
use crate::input::Input;
use crate::judge::{Ruling, Verdict};
use crate::limits::{SNIFF, WINDOW};
use crate::matcher::{Hit, Unit};
use crate::policy::Rule;
use crate::record::{Field, Fragment, Part, Place};
use crate::span::Span;

/// Bytes that a field of a record that is being judged takes, about.
const FIELD_BYTES: usize = 256;
/// How often an edited record is judged again.
pub(super) const ROUNDS: usize = 4;

/// A stream that is being read in windows.
pub trait Batch {
    /// Deals with what of `window` is whole; returns how many bytes of it are done with: 0 if it is too short. `eof`: nothing
    /// follows the window.
    fn batch(&mut self, window: &[u8], eof: bool, cx: &mut Cx<'_>) -> Result<usize>;

    /// What was dealt with so far is all that the stream says of itself besides its records: what comes is records, in blocks, and this is
    /// the start of one. Called by containers that know what a stream by itself learns at its end.
    fn informed(&mut self, _cx: &Cx<'_>) -> Result<()> {
        Ok(())
    }

    /// A batch is over: what was said of it so far may go on its way.
    fn flush(&mut self) -> Result<()>;

    /// Judges all that was dealt with so far and still waits for it.
    fn settle(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let _ = cx;
        Ok(())
    }

    /// The stream is over: notes it as a leaf, and what in it could not be read.
    fn finish(&mut self, cx: &mut Cx<'_>) -> Result<()>;

    /// Whether nothing of the stream may change, whatever was said of it; asked at its end.
    fn refused(&self) -> bool {
        false
    }
}

/// [`Layer::find`] of the record format `layer`: the edits are kept.
pub fn find(layer: &'static dyn Layer, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<Found> {
    find_by(layer, input, cx, None)
}

/// As [`find`], with scouts for a layer that can use them.
pub fn find_by(
    layer: &'static dyn Layer,
    input: &mut Input<'_>,
    cx: &mut Cx<'_>,
    scouts: Option<&Scouts<'_>>,
) -> Result<Found> {
    let mut own = cx.edits();
    if read(layer, input, cx, Sheet { scouts, ..Sheet::list(&mut own) })? {
        own = cx.edits();
    }
    Ok(Found { layer, own, parts: Vec::new() })
}

/// [`Layer::stream`] of the record format `layer`: the edits are made as they are found, and what comes of them is searched
/// by each of [`Cx::second`] before it goes to `out`.
pub fn stream(
    layer: &'static dyn Layer,
    input: &mut Input<'_>,
    cx: &mut Cx<'_>,
    out: &mut dyn Outlet,
) -> Result<Streamed> {
    guarded(layer, input, cx, cx.second, out)?;
    Ok(Streamed::Whole)
}

fn guarded<'s>(
    layer: &'static dyn Layer,
    input: &mut Input<'_>,
    cx: &mut Cx<'s>,
    second: &[&'s Search<'s>],
    out: &mut dyn Outlet,
) -> Result<()> {
    let Some((search, rest)) = second.split_last() else {
        return read(layer, input, cx, Sheet::out(out)).map(|_| ());
    };
    let mut guard = Guard::new(layer, search, cx, out);
    guarded(layer, input, cx, rest, &mut guard)?;
    guard.finish()
}

fn read<'b, 's: 'b>(
    layer: &'static dyn Layer,
    input: &mut Input<'_>,
    cx: &mut Cx<'s>,
    sheet: Sheet<'b>,
) -> Result<bool> {
    let head = input.window(SNIFF)?;
    let whole = head.len() < SNIFF;
    let mut batch = layer
        .open(head.get(..head.len().min(SNIFF)).unwrap_or_default(), whole, cx, sheet)?
        .ok_or_else(|| Error::unsupported("no record format").layer(layer.name()))?;
    if let Err(error) = windows(input, cx, layer.name(), &mut *batch) {
        // What was found before it comes before it.
        batch.settle(cx).map_err(|error| error.layer(layer.name()))?;
        cx.found()?;
        return Err(error);
    }
    batch.settle(cx).map_err(|error| error.layer(layer.name()))?;
    cx.found()?;
    batch.finish(cx).map_err(|error| error.layer(layer.name()))?;
    batch.flush()?;
    Ok(batch.refused())
}

/// Reads all of `input`, a part of the stream of `batch`, which goes on. `false`: it ends inside of a record, which is left unread.
pub fn feed(input: &mut Input<'_>, cx: &mut Cx<'_>, name: &'static str, batch: &mut dyn Batch) -> Result<bool> {
    loop {
        cx.check()?;
        let window = input.unread();
        let have = window.len();
        let done = if have == 0 { 0 } else { batch.batch(window, false, cx).map_err(|e| e.layer(name))? };
        if done > 0 {
            cx.found()?;
            batch.flush()?;
            input.consume(done);
            if !input.at_end() && input.unread().len() < input.read_size() {
                input.more()?;
            }
        } else if input.at_end() {
            return Ok(have == 0);
        } else {
            grow(input, have, cx)?;
        }
    }
}

/// Reads all of `input` through `batch`; errors name the layer `name`.
fn windows(input: &mut Input<'_>, cx: &mut Cx<'_>, name: &'static str, batch: &mut dyn Batch) -> Result<()> {
    loop {
        cx.check()?;
        let eof = input.at_end();
        let window = input.unread();
        if window.is_empty() && eof {
            return Ok(());
        }
        let (have, done) = (window.len(), batch.batch(window, eof, cx).map_err(|e| e.layer(name))?);
        if done > 0 {
            cx.found()?;
            batch.flush()?;
            input.consume(done);
            if !input.at_end() && input.unread().len() < input.read_size() {
                input.more()?;
            }
        } else if eof {
            return Err(Error::damaged(name, input.offset(), "a record does not end"));
        } else {
            grow(input, have, cx)?;
        }
    }
}

/// A read that took longer than this waited for who writes: then what came is looked at, however little it is.
const WAITED: Duration = Duration::from_millis(10);

/// Doubles a window that holds no whole record, up to `--max-record`; less if the source makes us wait. (A look at each short
/// read would cost the square of a long record.)
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
    while !input.at_end() && input.unread().len() < want {
        let begun = Instant::now();
        input.more()?;
        if begun.elapsed() >= WAITED {
            break;
        }
    }
    Ok(())
}

/// A record is longer than `--max-record`, which is `most` bytes.
pub fn too_long(most: u64) -> Error {
    Error::limit(format!("--max-record ({most} bytes)"))
}

/// How the fields of records are found.
pub trait Parse {
    /// As [`crate::record::Cursor::fields`].
    fn fields<'r>(&'r self, record: &'r [u8], visit: &mut dyn FnMut(Field<'r>)) -> Result<()>;

    /// As [`crate::record::Cursor::table`].
    fn table(&self) -> Option<&str> {
        None
    }

    /// As [`crate::record::Cursor::fragment`].
    fn fragment(&self, record: &[u8]) -> Option<Fragment> {
        let _ = record;
        None
    }

    /// As [`crate::record::Cursor::may_hide`].
    fn may_hide(&self, record: &[u8]) -> bool {
        let _ = record;
        false
    }

    /// As [`crate::record::Cursor::mend`].
    fn mend(&self, record: &[u8], edits: &mut Edits) {
        let _ = (record, edits);
    }
}

/// The rulings on `records` of the unit `text`, in their order; `None` without a hit.
///
/// An edit can bring a hit about: `192.0.2.1a@x.example` holds an address and no e-mail until the address is masked. So an edited
/// record is judged again until nothing changes; what still does after `ROUNDS` is left to verification to refuse.
pub fn rulings(
    text: &[u8],
    records: &[(Range<usize>, Part)],
    parse: &dyn Parse,
    rule: Option<&Rule>,
    cx: &Cx<'_>,
) -> Result<Option<Vec<Ruling>>> {
    let Some(mut rulings) = once(text, records, parse, rule, cx)? else { return Ok(None) };
    for ((record, part), ruling) in records.iter().zip(&mut rulings) {
        if let Verdict::Edit(edits) = &ruling.verdict {
            let judged = |text: &[u8], records: &[_]| once(text, records, parse, rule, cx);
            ruling.verdict = again(text, record, *part, edits, parse, &judged)?;
        }
    }
    Ok(Some(rulings))
}

fn once(
    text: &[u8],
    records: &[(Range<usize>, Part)],
    parse: &dyn Parse,
    rule: Option<&Rule>,
    cx: &Cx<'_>,
) -> Result<Option<Vec<Ruling>>> {
    let fields = fields(text, records, parse, cx)?;
    let unit = Unit { text, fields: &fields, table: parse.table() };
    let mut hits: Vec<Hit> = Vec::new();
    cx.search.engine.hits(&unit, &mut hits);
    hidden(&unit, cx, &mut hits);
    if hits.is_empty() {
        return Ok(None);
    }
    Ok(Some(cx.search.judge.unit(&unit, records, &hits, rule, cx.mtime)))
}

/// The fields of all records, spans relative to `text`.
pub(super) fn fields<'r>(
    text: &'r [u8],
    records: &[(Range<usize>, Part)],
    parse: &'r dyn Parse,
    cx: &Cx<'_>,
) -> Result<Vec<Field<'r>>> {
    let most = usize::try_from(cx.search.limits.max_memory / 2).unwrap_or(usize::MAX) / FIELD_BYTES;
    let (mut fields, mut count) = (Vec::new(), 0);
    for (record, _) in records {
        let shift = record.start;
        parse.fields(text.get(record.clone()).unwrap_or_default(), &mut |mut field| {
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
    Ok(fields)
}

/// Whether a candidate is in what `record` stands for and its bytes do not show.
pub fn hides(record: &[u8], parse: &dyn Parse, cx: &Cx<'_>) -> Result<bool> {
    let mut found = Vec::new();
    if parse.may_hide(record) {
        parse.fields(record, &mut |field| {
            if field.place == Place::JsonBytes && found.is_empty() {
                cx.search.engine.candidates(&field.text, &mut found);
            }
        })?;
    }
    Ok(!found.is_empty())
}

/// Adds the hits in arrays of byte values: each covers the values that spell it.
pub(super) fn hidden(unit: &Unit<'_>, cx: &Cx<'_>, hits: &mut Vec<Hit>) {
    let before = hits.len();
    for field in unit.fields.iter().filter(|field| field.place == Place::JsonBytes) {
        let mut inside = Vec::new();
        cx.search.engine.hits(&Unit { text: &field.text, fields: &[], table: None }, &mut inside);
        if inside.is_empty() {
            continue;
        }
        let raw = unit.text.get(field.span.clone()).unwrap_or_default();
        let numbers = Numbers::of(raw, &inside);
        hits.extend(inside.into_iter().filter_map(|hit| {
            let values = numbers.range(&hit.span)?;
            Some(Hit { span: values.start + field.span.start..values.end + field.span.start, ..hit })
        }));
    }
    if hits.len() > before {
        hits.sort_by_key(|hit| (hit.span.start, hit.span.end, hit.value));
        hits.dedup_by_key(|hit| (hit.span.start, hit.span.end, hit.value));
    }
}

/// Where some of an array's numbers stand, told in one pass for all hits.
struct Numbers(Vec<(usize, Range<usize>)>);

impl Numbers {
    /// Those in `raw` at which one of `hits`, spans of ordinals, begins or ends.
    fn of(raw: &[u8], hits: &[Hit]) -> Self {
        let ends = hits.iter().filter(|hit| !hit.span.is_empty()).flat_map(|hit| [hit.span.start, hit.span.end - 1]);
        let wanted: BTreeSet<usize> = ends.collect();
        let (mut wanted, mut found) = (wanted.into_iter().peekable(), Vec::new());
        let (mut at, mut count) = (0, 0);
        for run in raw.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()) {
            if run.first().is_some_and(u8::is_ascii_digit) {
                if wanted.next_if_eq(&count).is_some() {
                    found.push((count, at..at + run.len()));
                }
                count += 1;
            }
            at += run.len();
        }
        Self(found)
    }

    /// From the first to the last of the numbers whose ordinals are in `which`.
    fn range(&self, which: &Range<usize>) -> Option<Range<usize>> {
        let place = |ordinal: usize| {
            let at = self.0.binary_search_by_key(&ordinal, |(number, _)| *number).ok()?;
            self.0.get(at).map(|(_, place)| place.clone())
        };
        Some(place(which.start)?.start..place(which.end.checked_sub(1)?)?.end)
    }
}

type Judged<'j> = &'j dyn Fn(&[u8], &[(Range<usize>, Part)]) -> Result<Option<Vec<Ruling>>>;

fn again(
    unit: &[u8],
    record: &Range<usize>,
    part: Part,
    edits: &Edits,
    parse: &dyn Parse,
    judged: Judged<'_>,
) -> Result<Verdict> {
    let old = unit.get(record.clone()).unwrap_or_default();
    let shift = |edits: Edits, to: &dyn Fn(usize) -> usize| -> Edits {
        edits.into_iter().map(|(range, new)| (to(range.start)..to(range.end), new)).collect()
    };
    let mut edits = shift(edits.clone(), &|at| at - record.start);
    parse.mend(old, &mut edits);
    let mut text = apply(old, &edits);
    for _ in 0..ROUNDS {
        let ruling = judged(&text, &[(0..text.len(), part)])?.and_then(|rulings| rulings.into_iter().next());
        match ruling.map(|ruling| ruling.verdict) {
            None | Some(Verdict::Keep) => break,
            Some(Verdict::Drop) => return Ok(Verdict::Drop),
            Some(Verdict::Edit(mut more)) => {
                parse.mend(&text, &mut more);
                edits = compose(&edits, &more, old.len());
                text = apply(&text, &more);
            }
        }
    }
    Ok(Verdict::Edit(shift(edits, &|at| at + record.start)))
}

impl Tally {
    /// Counts what a ruling says of one record.
    pub fn count(&mut self, ruling: &Ruling) {
        self.left_report += u64::from(ruling.report);
        self.left_held += u64::from(ruling.held);
        self.add(&ruling.subjects);
        match ruling.verdict {
            Verdict::Keep => {}
            Verdict::Drop => self.dropped += 1,
            Verdict::Edit(_) => self.edited += 1,
        }
    }

    fn add(&mut self, subjects: &BTreeSet<crate::matcher::SubjectId>) {
        for subject in subjects {
            *self.subjects.entry(*subject).or_default() += 1;
        }
    }
}

/// Candidates of a window, asked for range after range.
pub struct Candidates {
    sorted: Vec<Range<usize>>,
    next: usize,
    /// Furthest end of those before `next`.
    reach: usize,
}

impl Candidates {
    /// Those that the engine finds in `text`.
    pub fn of(text: &[u8], cx: &Cx<'_>) -> Self {
        let mut sorted = Vec::new();
        cx.search.engine.candidates(text, &mut sorted);
        Self::found(sorted)
    }

    /// Those that the engine found.
    pub fn found(mut sorted: Vec<Range<usize>>) -> Self {
        sorted.sort_unstable_by_key(|range| range.start);
        Self { sorted, next: 0, reach: 0 }
    }

    /// Whether one touches `range`; ranges come in order and are disjoint.
    pub fn touch(&mut self, range: &Range<usize>) -> bool {
        while let Some(candidate) = self.sorted.get(self.next).filter(|candidate| candidate.start < range.end) {
            self.reach = self.reach.max(candidate.end);
            self.next += 1;
        }
        self.reach > range.start
    }
}

/// The stream as it will be: what stays and what gives way, in order, and the digest that is foretold.
pub struct Sheet<'o> {
    to: To<'o>,
    /// Digest of the stream as it will be, up to what was given last.
    pub leaf: Leaf,
    /// Offset in the old stream up to which everything was said.
    at: u64,
    /// Who finds candidates ahead.
    pub scouts: Option<&'o Scouts<'o>>,
}

/// Where it goes.
enum To<'o> {
    /// Find: what gives way is noted.
    List(&'o mut EditList),
    /// Find: as `List`, and others take from it as the stream goes on.
    Shared(Rc<RefCell<EditList>>),
    /// Filter: all of it goes on at once.
    Out(&'o mut dyn Outlet),
    /// A second look: nothing may give way.
    Refuse,
}

impl<'o> Sheet<'o> {
    /// Notes edits in `edits`.
    pub fn list(edits: &'o mut EditList) -> Self {
        Self { to: To::List(edits), leaf: Leaf::default(), at: 0, scouts: None }
    }

    /// Notes edits in `edits`, from which others take as the stream goes on.
    pub fn shared(edits: Rc<RefCell<EditList>>) -> Self {
        Self { to: To::Shared(edits), leaf: Leaf::default(), at: 0, scouts: None }
    }

    /// Sends the stream as it will be to `out`.
    pub fn out(out: &'o mut dyn Outlet) -> Self {
        Self { to: To::Out(out), leaf: Leaf::default(), at: 0, scouts: None }
    }

    /// For a second look: an edit is an error of kind `Verify`.
    pub fn refuse() -> Self {
        Self { to: To::Refuse, leaf: Leaf::default(), at: 0, scouts: None }
    }

    /// Whether what is said leaves at once: then what cannot be read must stop it here.
    pub fn leaves(&self) -> bool {
        !matches!(self.to, To::List(_) | To::Shared(_))
    }

    /// The next bytes of the old stream stay.
    pub fn keep(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.leaf.update(bytes);
        self.at += bytes.len() as u64;
        match &mut self.to {
            To::List(_) | To::Shared(_) | To::Refuse => Ok(()),
            To::Out(out) => out.keep(bytes),
        }
    }

    /// The next bytes of the old stream, `span`, give way to `payload`.
    pub fn replace(&mut self, span: Span, payload: &[u8]) -> Result<()> {
        if span.start != self.at {
            return Err(Error::new(Kind::Verify, "bytes of a stream were passed over"));
        }
        self.leaf.update(payload);
        self.at = span.end;
        match &mut self.to {
            To::List(edits) => edits.push(span, payload),
            To::Shared(edits) => edits.borrow_mut().push(span, payload),
            To::Out(out) => out.replace(span.len(), payload),
            To::Refuse => Err(Error::new(Kind::Verify, "something is left in the result")),
        }
    }

    /// Gives up `range` of `text` for `payload`; what stands from `kept` to there stays. `base` is the offset in the stream of
    /// the first byte of `text`. Returns where the edit ends, from where the next one keeps.
    pub fn edit(&mut self, text: &[u8], kept: usize, range: Range<usize>, payload: &[u8], base: u64) -> Result<usize> {
        self.keep(text.get(kept..range.start).unwrap_or_default())?;
        self.replace(Span::new(base + range.start as u64, base + range.end as u64), payload)?;
        Ok(range.end)
    }

    /// What was said so far may go on its way.
    pub fn flush(&mut self) -> Result<()> {
        match &mut self.to {
            To::List(_) | To::Shared(_) | To::Refuse => Ok(()),
            To::Out(out) => out.flush(),
        }
    }
}
