//! One dump being read: piece after piece, each searched, judged and written.

use std::ops::Range;
use std::sync::Arc;

use super::keys::{self, Fate, Links, State};
use super::lex::{self, Dialect, Kind};
use super::marks::Marks;
use super::quiet::{self, Object, decode_literals, is_quiet, literals};
use super::rows::{Target, Touched};
use super::schema::{Column, Key};
use super::tuples::Tuples;
use super::walk::{self, Piece, Walk, What};
use crate::error::{At, Error, Kind as Fault, Result};
use crate::judge::{self, Ruling, Verdict};
use crate::layer::Cx;
use crate::layer::cx::Leaf;
use crate::layer::ruling::{self, Batch, Candidates, Sheet};
use crate::limits::WINDOW;
use crate::matcher::Unit;
use crate::policy::Policy;

/// Pieces cut ahead at one time: bounds what is kept for each, whatever the window.
const MAX_PIECES: usize = 1 << 16;
/// Columns of which it is kept how they were known when a row of theirs was edited.
const MAX_EDITED: usize = 1 << 12;

/// See the module.
pub struct Run<'r> {
    policy: &'r Policy,
    trail: Vec<u8>,
    walk: Walk,
    dialect: Dialect,
    sheet: Sheet<'r>,
    tuples: Tuples,
    object: Object,
    marks: Marks,
    pieces: Vec<Piece>,
    /// The table whose rows come.
    target: Option<Target<'r>>,
    links: Links,
    /// Head of the last `INSERT`, for which `target` and `links` are right.
    last: Vec<u8>,
    state: State,
    /// The schema was complete from the start: this is no first reading.
    settled: bool,
    /// Tables of which rows were dropped, or keys changed, and columns that were edited, as they were known then.
    dropped: std::collections::BTreeSet<Key>,
    edited: Vec<(Key, Column)>,
    /// A row refers to what is not known yet to be there.
    dangles: bool,
    /// Why nothing of the dump may change.
    refused: Option<String>,
    /// The stream as it is, and what was counted before it.
    plain: Leaf,
    before: Counts,
    hit: bool,
    /// Line feeds before the window, and offset of its first byte.
    lines: u64,
    base: u64,
}

/// What is taken back of a tally if nothing may change.
#[derive(Default)]
struct Counts {
    dropped: u64,
    edited: u64,
    report: u64,
    held: u64,
    subjects: std::collections::BTreeMap<crate::matcher::SubjectId, u64>,
}

impl<'r> Run<'r> {
    /// At the start of the current stream of `cx`, which starts with `head`.
    pub fn new<'s: 'r>(head: &[u8], cx: &Cx<'s>, sheet: Sheet<'r>) -> Self {
        let dialect = Dialect::of(head);
        let earlier = cx.settled::<State>();
        let state = earlier.as_ref().map(keys::copy).unwrap_or_default();
        let tally = &cx.tally;
        Self {
            policy: cx.search.policy,
            trail: cx.trail().to_vec(),
            walk: Walk::new(dialect),
            dialect,
            sheet,
            tuples: Tuples::default(),
            object: Object::default(),
            marks: Marks::default(),
            pieces: Vec::new(),
            target: None,
            links: Links::default(),
            last: Vec::new(),
            settled: earlier.is_some(),
            state,
            dropped: std::collections::BTreeSet::new(),
            edited: Vec::new(),
            dangles: false,
            refused: None,
            plain: Leaf::default(),
            before: Counts {
                dropped: tally.dropped,
                edited: tally.edited,
                report: tally.left_report,
                held: tally.left_held,
                subjects: tally.subjects.clone(),
            },
            hit: false,
            lines: 0,
            base: 0,
        }
    }

    /// Nothing of the dump may change: a filter and a second look end here.
    fn refuse(&mut self, reason: String) -> Result<()> {
        if self.sheet.leaves() {
            return Err(Error::unsupported(reason));
        }
        self.refused.get_or_insert(reason);
        Ok(())
    }

    /// The table's name as output shows it.
    fn shown(&self, cx: &Cx<'_>) -> String {
        let name = self.target.as_ref().map_or(&b""[..], |target| target.name.as_bytes());
        judge::shown(&(cx.search.mask)(name))
    }

    /// An error at `at` of the window, with its line and, inside of rows, the table.
    fn locate(&self, error: Error, text: &[u8], at: usize, cx: &Cx<'_>) -> Error {
        let within = text.get(..at).unwrap_or_default();
        let line = self.lines + memchr::memchr_iter(b'\n', within).count() as u64 + 1;
        match error.kind() {
            Fault::Damaged if self.target.is_some() => {
                Error::new(Fault::Damaged, format!("table {}: {error}", self.shown(cx))).at(At::Line(line))
            }
            Fault::Damaged => error.at(At::Line(line)),
            _ => error,
        }
    }

    /// Pieces that a candidate touches.
    fn touched(&self, text: &[u8], pieces: &[(Range<usize>, Piece)], cx: &Cx<'_>) -> Result<Vec<bool>> {
        let mut candidates = Candidates::of(text, cx);
        let mut out: Vec<bool> = pieces.iter().map(|(range, _)| candidates.touch(range)).collect();
        // Where the bytes are not the text, the text is searched as well.
        let (mut decoded, mut ends) = (Vec::new(), Vec::new());
        for (at, (range, piece)) in pieces.iter().enumerate() {
            let bytes = text.get(range.clone()).unwrap_or_default();
            if bytes.len() > 8 * WINDOW {
                // Its text, once more where it is searched, and what an edit makes of it.
                cx.memory().need(4 * bytes.len() as u64)?;
            }
            if out.get(at) == Some(&true) {
                continue;
            }
            match piece.what {
                What::Row if is_escaped(bytes) => decoded.extend(super::cells::Row::of_copy(bytes).view),
                What::Tuple if piece.escaped => {
                    decoded.extend(super::cells::Row::of_tuple(bytes, self.dialect).view);
                }
                What::Statement => decode_literals(bytes, self.dialect, &mut decoded),
                _ => continue,
            }
            ends.push((decoded.len(), at));
        }
        let mut candidates = Candidates::of(&decoded, cx);
        let mut start = 0;
        for (end, at) in ends {
            if let Some(touched) = out.get_mut(at) {
                *touched |= candidates.touch(&(start..end));
            }
            start = end;
        }
        Ok(out)
    }
}

impl Batch for Run<'_> {
    fn batch(&mut self, window: &[u8], eof: bool, cx: &mut Cx<'_>) -> Result<usize> {
        let mut done = 0;
        let most = cx.search.limits.max_record;
        let mut pieces: Vec<(Range<usize>, Piece)> = Vec::new();
        let mut cut = std::mem::take(&mut self.pieces);
        let mut failure = None;
        while let Some(rest) = window.get(done..).filter(|rest| !rest.is_empty() && cut.len() < MAX_PIECES) {
            match self.walk.next(rest, eof) {
                Ok(Some(piece)) if piece.len as u64 > most => return Err(ruling::too_long(most)),
                Ok(Some(piece)) => {
                    pieces.push((done..done + piece.len, piece));
                    cut.push(piece);
                    done += piece.len;
                }
                Ok(None) => break,
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        cut.clear();
        self.pieces = cut;
        let text = window.get(..done).unwrap_or_default();
        let touched = self.touched(text, &pieces, cx)?;
        for ((range, piece), touched) in pieces.into_iter().zip(touched) {
            let at = range.start;
            self.piece(text, range, piece, touched, cx).map_err(|error| self.locate(error, text, at, cx))?;
        }
        if let Some(error) = failure {
            return Err(self.locate(error, window, done, cx));
        }
        self.plain.update(text);
        self.lines += memchr::memchr_iter(b'\n', text).count() as u64;
        self.base += done as u64;
        Ok(done)
    }

    fn flush(&mut self) -> Result<()> {
        self.sheet.flush()
    }

    fn finish(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let whole = self.walk.finish().and_then(|()| self.marks.finish());
        whole.map_err(|error| self.locate(error, b"", 0, cx))?;
        if self.dangles && !self.state.again {
            self.refuse("foreign keys: a reference changes to what is not there".to_owned())?;
        }
        if self.refused.is_none() && self.wants_another() {
            if self.sheet.leaves() {
                return Err(Error::unsupported("foreign keys in one pass"));
            }
            let mut state = std::mem::take(&mut self.state);
            state.begin();
            if state.readings > keys::READINGS {
                return Err(Error::limit(format!("foreign keys one behind another ({})", keys::READINGS)));
            }
            cx.settle(Arc::new(state));
        }
        let Some(reason) = self.refused.take() else {
            cx.leaf("", &self.sheet.leaf);
            return Ok(());
        };
        let (tally, before) = (&mut cx.tally, std::mem::take(&mut self.before));
        (tally.dropped, tally.edited) = (before.dropped, before.edited);
        (tally.left_report, tally.left_held, tally.subjects) = (before.report, before.held, before.subjects);
        cx.leaf("", &self.plain);
        cx.unsupported(&reason, self.hit);
        self.refused = Some(reason);
        Ok(())
    }

    fn refused(&self) -> bool {
        self.refused.is_some()
    }
}

impl Run<'_> {
    fn piece(&mut self, text: &[u8], range: Range<usize>, piece: Piece, touched: bool, cx: &mut Cx<'_>) -> Result<()> {
        let bytes = text.get(range.clone()).unwrap_or_default();
        let at = self.base + range.start as u64;
        match piece.what {
            What::Blank => {}
            What::Statement => {
                self.target = None;
                self.statement(bytes, touched, cx)?;
            }
            What::Copy | What::Head => {
                if bytes != self.last || self.target.is_none() {
                    self.aim(bytes, piece.what == What::Copy, cx)?;
                }
                self.name(bytes, touched, true, cx)?;
                if piece.what == What::Head {
                    self.tuples.head(at, bytes);
                    return Ok(());
                }
            }
            What::Row | What::Tuple => return self.row(text, range, piece, touched, cx),
            What::End => self.target = None,
            What::Comma => {
                // A comment may stand there.
                self.name(bytes, touched, true, cx)?;
                self.tuples.comma(at, bytes);
                return Ok(());
            }
            What::Tail => {
                self.name(bytes, touched, false, cx)?;
                return self.tuples.tail(at, bytes, &mut self.sheet);
            }
        }
        self.sheet.keep(bytes)
    }

    /// A statement without rows.
    fn statement(&mut self, bytes: &[u8], touched: bool, cx: &mut Cx<'_>) -> Result<()> {
        self.dialect = walk::turned(bytes, self.dialect);
        self.marks.see(bytes, self.dialect);
        if self.settled {
            self.state.schema.turn(bytes, self.dialect);
        } else {
            self.state.schema.read(bytes, self.dialect)?;
        }
        if walk::is_foreign_set(bytes) {
            self.refuse("character set of the dump".to_owned())?;
        }
        if let Some(seam) = self.object.seam(bytes) {
            self.name(&seam, true, false, cx)?;
        }
        let touched = touched || quiet::writes(bytes, self.dialect);
        self.name(bytes, touched, is_quiet(bytes, self.dialect), cx)
    }

    /// Searches what holds no rows: `quiet`, it may name somebody (SPEC `left: name`); else that is not understood.
    fn name(&mut self, bytes: &[u8], touched: bool, quiet: bool, cx: &mut Cx<'_>) -> Result<()> {
        if !touched {
            return Ok(());
        }
        let mut hits = Vec::new();
        let mut decoded = Vec::new();
        decode_literals(bytes, self.dialect, &mut decoded);
        for text in [bytes, &decoded] {
            cx.search.engine.hits(&Unit { text, fields: &[], table: None }, &mut hits);
        }
        let names = &cx.search.policy.fields;
        for name in names.user_id.first().into_iter().chain(names.username.first()).filter(|_| !quiet) {
            let fields = literals(bytes, self.dialect, name);
            cx.search.engine.hits(&Unit { text: bytes, fields: &fields, table: None }, &mut hits);
        }
        if quiet {
            hits.retain(|hit| cx.search.needles.value(hit.value).is_some_and(|value| value.kind.anywhere()));
        }
        let ruling = cx.search.judge.name(&hits);
        cx.tally.left_held += u64::from(ruling.held);
        if ruling.subjects.is_empty() {
            return Ok(());
        }
        if !quiet {
            return Err(Error::new(Fault::Damaged, "a statement that is not understood names somebody"));
        }
        cx.tally.left_name += 1;
        Ok(())
    }

    fn row(&mut self, text: &[u8], range: Range<usize>, piece: Piece, touched: bool, cx: &mut Cx<'_>) -> Result<()> {
        let raw = text.get(range.clone()).unwrap_or_default();
        cx.tally.read += 1;
        let tuple = piece.what == What::Tuple;
        let Some(target) = &self.target else {
            return Err(Error::new(Fault::Damaged, "rows of no table"));
        };
        let values = if tuple { piece.values as usize } else { tabs(raw) + 1 };
        if !target.columns.is_empty() && values != target.columns.len() {
            return Err(Error::new(
                Fault::Damaged,
                format!("a row has {values} values for {} columns", target.columns.len()),
            ));
        }
        let mut ruled = if touched { target.judge(raw, cx)? } else { None };
        // Before the schema is whole no reference is sure.
        if self.refused.is_none() && self.settled {
            ruled = self.bind(raw, ruled)?;
        }
        let stays = !matches!(&ruled, Some((Ruling { verdict: Verdict::Drop, .. }, _)));
        if piece.comment && stays {
            // No value has what a comment says.
            self.name(raw, touched, true, cx)?;
        }
        let at = self.base + range.start as u64;
        let Some((ruling, columns)) = ruled else { return self.keep(raw, at, tuple) };
        self.hit |= !ruling.subjects.is_empty();
        cx.tally.count(&ruling);
        self.note(&ruling, &columns);
        self.divided(&ruling, &columns, cx)?;
        match ruling.verdict {
            Verdict::Keep => self.keep(raw, at, tuple),
            Verdict::Drop if tuple => {
                self.tuples.dropped(at, raw.len() as u64);
                Ok(())
            }
            Verdict::Drop => self.sheet.edit(text, range.start, range, b"", self.base).map(|_| ()),
            Verdict::Edit(edits) => {
                if tuple {
                    self.tuples.kept(at, &mut self.sheet)?;
                }
                let mut kept = range.start;
                for (within, payload) in edits {
                    let within = range.start + within.start..range.start + within.end;
                    kept = self.sheet.edit(text, kept, within, &payload, self.base)?;
                }
                self.sheet.keep(text.get(kept..range.end).unwrap_or_default())
            }
        }
    }

    fn keep(&mut self, raw: &[u8], at: u64, tuple: bool) -> Result<()> {
        if tuple {
            self.tuples.kept(at, &mut self.sheet)?;
        }
        self.sheet.keep(raw)
    }

    /// A row that changes may belong to no partition, or to another one than that in which the dump puts it.
    fn divided(&mut self, ruling: &Ruling, columns: &Touched, cx: &Cx<'_>) -> Result<()> {
        let Some(target) = self.target.as_ref().filter(|_| matches!(ruling.verdict, Verdict::Edit(_))) else {
            return Ok(());
        };
        let mut names = columns.iter().filter_map(|at| target.columns.get(*at)).map(|column| &column.name);
        if names.any(|name| self.state.schema.divides(&target.key, name)) {
            let reason = format!("partitions: the key of {} changes", self.shown(cx));
            self.refuse(reason)?;
        }
        Ok(())
    }

    /// Notes what a row's ruling means to the rest of the dump.
    fn note(&mut self, ruling: &Ruling, columns: &Touched) {
        let Some(target) = &self.target else { return };
        match &ruling.verdict {
            Verdict::Drop => {
                self.dropped.insert(Arc::clone(&target.key));
            }
            Verdict::Edit(_) if !self.settled && self.edited.len() < MAX_EDITED => {
                for column in columns.iter().filter_map(|at| target.columns.get(*at)) {
                    let known = self.edited.iter().any(|(key, held)| *key == target.key && held == column);
                    if !known {
                        self.edited.push((Arc::clone(&target.key), column.clone()));
                    }
                }
            }
            _ => {}
        }
    }

    /// What foreign keys make of a row.
    fn bind(&mut self, raw: &[u8], ruled: Option<(Ruling, Touched)>) -> Result<Option<(Ruling, Touched)>> {
        let Some(target) = &self.target else { return Ok(ruled) };
        let (links, state) = (&self.links, &mut self.state);
        let drops = matches!(ruled, Some((Ruling { verdict: Verdict::Drop, .. }, _)));
        let fate = if drops || links.from.is_empty() { None } else { state.fate(links, &target.row(raw)) };
        let mut refusal = None;
        let ruled = match fate {
            None => ruled,
            Some(Fate::Kept) => {
                refusal = Some("foreign keys: a rule keeps rows that refer to others that go");
                ruled
            }
            Some(Fate::Goes(subject)) => {
                let (mut ruling, touched) = ruled.unwrap_or_else(|| (Ruling::keep(), Vec::new()));
                if ruling.held {
                    refusal = Some("foreign keys: a held record refers to one that goes");
                }
                ruling.verdict = Verdict::Drop;
                ruling.subjects.extend(subject);
                Some((ruling, touched))
            }
            Some(Fate::Set(sets, subject)) => {
                let (mut ruling, mut touched) = ruled.unwrap_or_else(|| (Ruling::keep(), Vec::new()));
                let first = match &ruling.verdict {
                    Verdict::Edit(edits) => edits.clone(),
                    _ => Vec::new(),
                };
                let text = ruling::apply(raw, &first);
                let row = target.row(&text);
                let more: Vec<_> =
                    sets.iter().filter_map(|(at, new)| target.set(&text, &row, *at, new.as_deref())).collect();
                let edits = ruling::compose(&first, &more, raw.len());
                touched.extend(sets.iter().map(|(at, _)| *at));
                ruling.subjects.extend(subject);
                if !edits.is_empty() {
                    ruling.verdict = Verdict::Edit(edits);
                }
                Some((ruling, touched))
            }
        };
        match &ruled {
            Some((Ruling { verdict: Verdict::Drop, subjects, .. }, _)) if !links.to.is_empty() => {
                state.lose(links, &target.row(raw), subjects.first().copied())?;
            }
            Some((Ruling { verdict: Verdict::Edit(edits), .. }, _))
                if !(links.to.is_empty() && links.from.is_empty()) =>
            {
                let (old, new) = (target.row(raw), target.row(&ruling::apply(raw, edits)));
                self.dangles |= state.dangles(links, &old, &new);
                if !state.rename(links, &old, &new)? {
                    refusal = Some("foreign keys: a key of several columns changes");
                }
            }
            _ => {}
        }
        let changes = matches!(&ruled, Some((Ruling { verdict: Verdict::Drop | Verdict::Edit(_), .. }, _)));
        if links.unclear && changes {
            refusal = Some("foreign keys: their columns are not known");
        }
        if let Some(reason) = refusal {
            self.refuse(reason.to_owned())?;
        }
        Ok(ruled)
    }

    /// Whether the stream must be read again: something about its tables, or about rows that go, was not known in time.
    fn wants_another(&self) -> bool {
        if self.settled {
            return self.state.again;
        }
        let schema = &self.state.schema;
        let referred = |key: &Key| schema.keys.iter().any(|foreign| schema.is_part(key, &foreign.to));
        let edits = |key: &Key, column: &Column| {
            let now = schema.table(key).and_then(|table| table.columns.iter().find(|known| known.name == column.name));
            now.is_some_and(|now| now != column)
        };
        self.dropped.iter().any(referred)
            || self.edited.iter().any(|(key, column)| edits(key, column) || referred(key))
            || self.edited.len() >= MAX_EDITED
    }
}

impl Run<'_> {
    /// Takes aim at the table of an `INSERT` or `COPY`.
    fn aim(&mut self, head: &[u8], copy: bool, cx: &Cx<'_>) -> Result<()> {
        let schema = &self.state.schema;
        let read = walk::into(head, self.dialect);
        let Some(into) = read else {
            return Err(Error::new(Fault::Damaged, "the head of rows is not understood"));
        };
        let key = schema.key(&into.table, self.dialect);
        let known = schema.table(&key).map(|table| table.columns.clone()).unwrap_or_default();
        let bare = schema.table(&key).is_some_and(|table| table.bare);
        let columns = match &into.columns {
            Some(names) => {
                let names = names.iter().map(|raw| lex::name(raw, self.dialect));
                let column = |name: Vec<u8>| {
                    known.iter().find(|column| column.name == name).cloned().unwrap_or_else(|| Column::unknown(name))
                };
                names.map(column).collect()
            }
            // Computed columns are in no row of `SQLite`'s, and in all of others'.
            None if self.dialect.kind == Kind::Sqlite => {
                let own =
                    super::schema::of_sqlite(&into.table).iter().map(|name| Column::unknown(name.as_bytes().to_vec()));
                known.into_iter().filter(|column| !column.generated).chain(own).collect()
            }
            None => known,
        };
        let names: Vec<Vec<u8>> = into.table.iter().map(|raw| lex::name(raw, self.dialect)).collect();
        let name = String::from_utf8_lossy(&names.join(&b'.')).into_owned();
        let plain =
            into.rest.iter().all(|part| part.is("FROM") || part.is("STDIN") || part.sign(b';') || part.is("WITH"));
        let rule = self.policy.rule(&self.trail, Some(&name));
        if self.dialect.kind == Kind::Sqlite && (name == "sqlite_schema" || name == "sqlite_master") {
            self.refuse("virtual tables".to_owned())?;
        }
        let missing = columns.is_empty() && (into.columns.is_none() || copy && !plain);
        let target = Target { key, name, columns, rule, copy, dialect: self.dialect };
        self.links = Links::of(&self.state.schema, &target, &self.policy.foreign_keys);
        self.state.meet(&self.links);
        self.target = Some(target);
        self.last = head.to_vec();
        if copy && !plain {
            self.refuse("options of COPY".to_owned())?;
        } else if missing && !bare {
            let reason = format!("no schema for {}", self.shown(cx));
            self.refuse(reason)?;
        }
        Ok(())
    }
}

/// Whether a row of `COPY` holds an escape that is not all of a NULL.
fn is_escaped(row: &[u8]) -> bool {
    memchr::memchr_iter(b'\\', row).any(|at| row.get(at + 1) != Some(&b'N'))
}

/// Number of tabs that divide values.
fn tabs(row: &[u8]) -> usize {
    let all = memchr::memchr_iter(b'\t', row).count();
    if memchr::memmem::find(row, b"\\\t").is_none() {
        return all;
    }
    super::cells::Row::of_copy(row).cells.len().saturating_sub(1)
}
