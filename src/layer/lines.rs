//! Lines that a program divided into records: Docker's json-file driver cuts at 16 KiB, the Kubernetes runtimes likewise.
//!
//! The fragments of one line are searched joined, so that a value across a seam is found, and judged as one: who stands in any of
//! them is on all. Fragments of other streams, and whole lines, may stand between. An edit replaces a value in the fragment in
//! which it starts, and takes out what of it stands in the next ones. Bounds: from the first fragment of a line to its last at
//! most `--max-record`; what may be a fragment and does not say so is joined with one at most `REACH` behind it.

use std::collections::HashMap;
use std::ops::Range;

use super::cx::Cx;
use super::ruling::{self, Edits, Parse, ROUNDS};
use crate::error::Result;
use crate::judge::{Ruling, Verdict};
use crate::limits::WINDOW;
use crate::matcher::spelling::{self, Map};
use crate::matcher::{Chain, Hit, Spelling, Unit};
use crate::policy::Rule;
use crate::record::{Field, Fragment, More, Part};

/// Bytes between two fragments of which the first does not say that it goes on.
const REACH: usize = 1 << 20;

/// The lines of a window that stand in several records.
#[derive(Debug, Default)]
pub struct Divided {
    /// Ordinals of each line's records.
    pub lines: Vec<Vec<usize>>,
    /// Ordinal of the first record of a line that may go on behind the window; the number of records if there is none.
    pub hold: usize,
}

/// A line that has not ended.
struct Open {
    more: More,
    records: Vec<usize>,
}

/// Puts together what belongs together of the records at `cuts`. `eof`: none follows. A limit error if a line takes more than
/// `most` bytes from its first record to its last.
pub fn divided(cuts: &[(Range<usize>, Part)], fragments: &[Option<Fragment>], eof: bool, most: u64) -> Result<Divided> {
    let mut out = Divided { lines: Vec::new(), hold: cuts.len() };
    let at = |i: usize| cuts.get(i).map_or(0..0, |(range, _)| range.clone());
    let ends = |open: &Open, to: usize| open.records.first().map_or(0, |first| to - at(*first).start);
    let near = |open: &Open, to: usize| {
        open.more == More::Yes || open.records.last().is_none_or(|last| to.saturating_sub(at(*last).end) <= REACH)
    };
    let mut open: HashMap<u64, Open> = HashMap::new();
    for (i, fragment) in fragments.iter().enumerate() {
        let Some(fragment) = fragment else { continue };
        let mut line = Open { more: fragment.more, records: Vec::new() };
        if let Some(before) = open.remove(&fragment.stream) {
            if near(&before, at(i).start) {
                line.records = before.records;
            } else {
                out.lines.push(before.records);
            }
        }
        line.records.push(i);
        if line.records.len() > 1 && ends(&line, at(i).end) as u64 > most {
            return Err(ruling::too_long(most));
        }
        if line.more == More::No {
            out.lines.push(line.records);
        } else {
            open.insert(fragment.stream, line);
        }
    }
    let end = cuts.last().map_or(0, |(range, _)| range.end);
    for line in open.into_values() {
        let goes_on = near(&line, end);
        if line.more == More::Yes && ends(&line, end) as u64 > most {
            return Err(ruling::too_long(most));
        }
        if goes_on && !eof {
            out.hold = out.hold.min(line.records.first().copied().unwrap_or(0));
        }
        out.lines.push(line.records);
    }
    out.lines.retain(|line| line.len() > 1);
    // A line that ended waits for one that has not and stands between its records.
    out.lines.sort_unstable();
    for line in out.lines.iter().rev() {
        if let (Some(first), Some(last)) = (line.first(), line.last())
            && *last >= out.hold
        {
            out.hold = out.hold.min(*first);
        }
    }
    let hold = out.hold;
    out.lines.retain(|line| line.last().is_some_and(|last| *last < hold));
    Ok(out)
}

/// The rulings on the records of one line, as ranges of each record; `None` without a hit.
pub fn rulings(records: &[&[u8]], parse: &dyn Parse, rule: Option<&Rule>, cx: &Cx<'_>) -> Result<Option<Vec<Ruling>>> {
    let len: usize = records.iter().map(|record| record.len()).sum();
    if len > 8 * WINDOW {
        // The joined text, and the records while they are edited.
        cx.memory().need(4 * len as u64)?;
    }
    let Some(mut rulings) = once(records, parse, rule, cx)? else { return Ok(None) };
    let mut texts: Vec<Vec<u8>> = records.iter().map(|record| record.to_vec()).collect();
    let mut edits: Vec<Edits> = vec![Vec::new(); records.len()];
    let mut latest: Vec<Verdict> = rulings.iter().map(|ruling| ruling.verdict.clone()).collect();
    for _ in 0..ROUNDS {
        if !latest.iter().any(|verdict| matches!(verdict, Verdict::Edit(_))) {
            break;
        }
        for (((text, edits), verdict), record) in texts.iter_mut().zip(&mut edits).zip(latest).zip(records) {
            let Verdict::Edit(mut more) = verdict else { continue };
            parse.mend(text, &mut more);
            *edits = ruling::compose(edits, &more, record.len());
            *text = ruling::apply(text, &more);
        }
        let views: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
        let Some(again) = once(&views, parse, rule, cx)? else { break };
        // An edit may bring a hit about in a record that had none.
        latest = Vec::with_capacity(again.len());
        for (ruling, more) in rulings.iter_mut().zip(again) {
            ruling.subjects.extend(more.subjects);
            if more.verdict == Verdict::Drop {
                ruling.verdict = Verdict::Drop;
            }
            latest.push(more.verdict);
        }
    }
    for (ruling, edits) in rulings.iter_mut().zip(edits) {
        if ruling.verdict != Verdict::Drop && !edits.is_empty() {
            ruling.verdict = Verdict::Edit(edits);
        }
    }
    Ok(Some(rulings))
}

/// A record, and what it holds of the line.
struct Piece<'p> {
    text: &'p [u8],
    fields: Vec<Field<'p>>,
    hits: Vec<Hit>,
    fragment: Fragment,
    /// The fragment's text as it is joined, and the way back into `fragment.span`.
    joined: Vec<u8>,
    map: Option<Map>,
    /// Whether a value goes on in it that starts in the one before.
    goes_on: bool,
}

impl<'p> Piece<'p> {
    fn new(text: &'p [u8], parse: &'p dyn Parse) -> Option<Self> {
        let fragment = parse.fragment(text)?;
        let raw = text.get(fragment.span.clone())?;
        let decoded = if fragment.json { spelling::decode(Spelling::Json, raw) } else { None };
        let (joined, map) = decoded.map_or_else(|| (raw.to_vec(), None), |(text, map)| (text, Some(map)));
        Some(Self { text, fields: Vec::new(), hits: Vec::new(), fragment, joined, map, goes_on: false })
    }

    /// Whether a candidate stands in the record outside of the line's text.
    fn touched(&self, parse: &dyn Parse, cx: &Cx<'_>) -> Result<bool> {
        let mut found = Vec::new();
        cx.search.engine.candidates(self.text, &mut found);
        let line = &self.fragment.span;
        Ok(found.iter().any(|range| range.start < line.start || line.end < range.end)
            || ruling::hides(self.text, parse, cx)?)
    }

    /// Finds what stands outside of the line's text: what stands in it is found where the fragments are joined.
    fn look(&mut self, parse: &'p dyn Parse, cx: &Cx<'_>) -> Result<()> {
        self.fields = ruling::fields(self.text, &[(0..self.text.len(), Part::Data)], parse, cx)?;
        let unit = Unit { text: self.text, fields: &self.fields, table: parse.table() };
        cx.search.engine.hits(&unit, &mut self.hits);
        ruling::hidden(&unit, cx, &mut self.hits);
        let line = &self.fragment.span;
        self.hits.retain(|hit| hit.span.end <= line.start || line.end <= hit.span.start);
        Ok(())
    }

    /// Takes over what of `hit` stands at `range` of the joined text.
    fn take(&mut self, hit: &Hit, range: Range<usize>) {
        let raw = self.map.as_ref().map_or(range.clone(), |map| map.range(range.start, range.end));
        let inner = |chain: Chain| hit.chain.iter().try_fold(chain, Chain::then);
        let json = if self.fragment.json { Chain::default().then(Spelling::Json).and_then(inner) } else { None };
        let from = self.fragment.span.start;
        let span = raw.start + from..raw.end + from;
        self.hits.push(Hit { value: hit.value, span, chain: json.unwrap_or(hit.chain) });
    }
}

fn once(records: &[&[u8]], parse: &dyn Parse, rule: Option<&Rule>, cx: &Cx<'_>) -> Result<Option<Vec<Ruling>>> {
    let pieces: Option<Vec<_>> = records.iter().map(|record| Piece::new(record, parse)).collect();
    // An edit that takes what makes a record a fragment is left to verification to refuse.
    let Some(mut pieces) = pieces else { return Ok(None) };
    let joined: Vec<u8> = pieces.iter().flat_map(|piece| piece.joined.iter().copied()).collect();
    let mut found = Vec::new();
    cx.search.engine.candidates(&joined, &mut found);
    let mut touched = !found.is_empty();
    for piece in &pieces {
        touched = touched || piece.touched(parse, cx)?;
    }
    if !touched {
        return Ok(None);
    }
    let mut hits = Vec::new();
    cx.search.engine.hits(&Unit { text: &joined, fields: &[], table: parse.table() }, &mut hits);
    hits.sort_by_key(|hit| (hit.span.start, hit.span.end, hit.value));
    let (mut from, mut next) = (0, 0);
    for piece in &mut pieces {
        piece.look(parse, cx)?;
        let to = from + piece.joined.len();
        let rest = hits.get(next..).unwrap_or_default();
        next += rest.iter().take_while(|hit| hit.span.end <= from).count();
        let near = hits.get(next..).unwrap_or_default().iter().take_while(|hit| hit.span.start < to);
        for hit in near.filter(|hit| from < hit.span.end) {
            piece.goes_on |= hit.span.start < from;
            piece.take(hit, hit.span.start.max(from) - from..hit.span.end.min(to) - from);
        }
        piece.hits.sort_by_key(|hit| (hit.span.start, hit.span.end, hit.value));
        piece.hits.dedup_by_key(|hit| (hit.span.start, hit.span.end, hit.value));
        from = to;
    }
    if pieces.iter().all(|piece| piece.hits.is_empty()) {
        return Ok(None);
    }
    let starts: Vec<Option<usize>> =
        pieces.iter().map(|piece| piece.goes_on.then_some(piece.fragment.span.start)).collect();
    let parts: Vec<_> = pieces
        .iter_mut()
        .map(|piece| {
            let hits = std::mem::take(&mut piece.hits);
            (Unit { text: piece.text, fields: &piece.fields, table: parse.table() }, Part::Data, hits)
        })
        .collect();
    let mut rulings = cx.search.judge.line(&parts, (&joined, &hits), rule, cx.mtime);
    for (ruling, start) in rulings.iter_mut().zip(starts) {
        if let (Verdict::Edit(edits), Some(start)) = (&mut ruling.verdict, start) {
            // Its replacement stands where the value starts; what masks it stays.
            let rest = edits.iter_mut().find(|(range, new)| range.start == start && new.iter().any(|b| *b != b'*'));
            if let Some((_, new)) = rest {
                new.clear();
            }
        }
    }
    Ok(Some(rulings))
}
