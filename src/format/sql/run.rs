//! One dump being read: piece after piece, each searched, judged and written.

mod tab;
mod touched;

use std::ops::Range;
use std::sync::Arc;

use self::touched::Cut;
use super::bind::{Binder, End, State};
use super::cells::{How, Row};
use super::ddl::{self, Ddl};
use super::facts::MEMORY;
use super::keys::is_keyed;
use super::lex::{self, Dialect, Kind};
use super::marks::Marks;
use super::quiet::{self, Object, decode_literals, is_quiet, literals};
use super::rows::{Target, Touched};
use super::schema::{Column, Key, Schema};
use super::tuples::Tuples;
use super::walk::{self, Piece, Walk, What};
use crate::error::{At, Error, Kind as Fault, Result};
use crate::judge::{self, Ruling, Verdict};
use crate::layer::Cx;
use crate::layer::cx::Leaf;
use crate::layer::ruling::{self, Batch, Sheet};
use crate::layer::tables::{Change, Table, Tables};
use crate::matcher::{Type, Unit};
use crate::policy::{Policy, is_user_table};

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
    cuts: Vec<Cut>,
    /// The text of pieces, where it is not their bytes: a buffer that is used again.
    clear: Vec<u8>,
    /// The table whose rows come.
    target: Option<Target<'r>>,
    /// What was counted of it since.
    table: Table,
    /// Head of the last `INSERT`, for which `target` is right.
    last: Vec<u8>,
    /// What the dump's DDL says.
    schema: Schema,
    /// What foreign keys make of rows.
    binder: Binder<'r>,
    /// Tables of which rows were dropped, or keys changed, and columns that were edited, as they were known then.
    dropped: std::collections::BTreeSet<Key>,
    edited: Vec<(Key, Column)>,
    /// How a row that is a line is spelled.
    line: How,
    /// The rows of other tables are in other files.
    apart: bool,
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
    tables: Tables,
}

impl<'r> Run<'r> {
    /// At the start of the current stream of `cx`, which starts with `head`.
    pub fn new<'s: 'r>(head: &[u8], cx: &Cx<'s>, sheet: Sheet<'r>) -> Self {
        let (given, told) = (given(cx), Dialect::of(head));
        let dialect = given.filter(|_| told.kind == Kind::Unknown).map_or(told, |given| ddl::dialect(given.kind()));
        let earlier = cx.settled::<State>();
        let policy = cx.search.policy;
        let mut schema = match (&earlier, given) {
            (Some(state), _) => state.schema.clone(),
            (None, Some(given)) => Schema::with(given.schema(dialect.kind)),
            (None, None) => Schema::default(),
        };
        schema.restart();
        let tally = &cx.tally;
        Self {
            policy,
            trail: cx.trail().to_vec(),
            walk: Walk::new(dialect),
            dialect,
            sheet,
            tuples: Tuples::default(),
            object: Object::default(),
            marks: Marks::default(),
            cuts: Vec::new(),
            clear: Vec::new(),
            target: None,
            table: Table::default(),
            last: Vec::new(),
            binder: Binder::new(earlier.as_deref(), &policy.foreign_keys, cx.search.space),
            schema,
            dropped: std::collections::BTreeSet::new(),
            edited: Vec::new(),
            line: How::Copy,
            apart: false,
            refused: None,
            plain: Leaf::default(),
            before: Counts {
                dropped: tally.dropped,
                edited: tally.edited,
                report: tally.left_report,
                held: tally.left_held,
                subjects: tally.subjects.clone(),
                tables: tally.tables.clone(),
            },
            hit: false,
            lines: 0,
            base: 0,
        }
    }

    /// Bytes that following foreign keys may take.
    fn memory(&self) -> u64 {
        if self.schema.keys.is_empty() { 0 } else { MEMORY }
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
}

impl Batch for Run<'_> {
    fn batch(&mut self, window: &[u8], eof: bool, cx: &mut Cx<'_>) -> Result<usize> {
        let mut done = 0;
        let most = cx.search.limits.max_record;
        let mut cuts = std::mem::take(&mut self.cuts);
        cuts.clear();
        let mut failure = None;
        while let Some(rest) = window.get(done..).filter(|rest| !rest.is_empty() && cuts.len() < MAX_PIECES) {
            match self.walk.next(rest, eof) {
                Ok(Some(piece)) if piece.len as u64 > most => return Err(ruling::too_long(most)),
                Ok(Some(piece)) => {
                    cuts.push(Cut { at: done, piece, end: 0, spelled: false, touched: false });
                    done += piece.len;
                }
                Ok(None) => break,
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        let text = window.get(..done).unwrap_or_default();
        self.touched(text, &mut cuts, cx)?;
        // Where a stretch of rows begins that stay: most do, and are kept together.
        let mut quiet: Option<usize> = None;
        for (i, cut) in cuts.iter().enumerate() {
            let (at, range) = (cut.at, cut.at..cut.at + cut.piece.len);
            let bytes = text.get(range.clone()).unwrap_or_default();
            if self.passes(cut, bytes, cuts.get(i + 1)) {
                if cut.piece.what != What::Comma {
                    cx.tally.read += 1;
                    self.table.count(Change::None);
                }
                quiet.get_or_insert(at);
                continue;
            }
            if let Some(start) = quiet.take() {
                self.sheet.keep(text.get(start..at).unwrap_or_default())?;
            }
            self.piece(text, range, cut.piece, cut.touched, cx).map_err(|error| self.locate(error, text, at, cx))?;
        }
        self.cuts = cuts;
        if let Some(start) = quiet {
            self.sheet.keep(text.get(start..).unwrap_or_default())?;
        }
        if let Some(error) = failure {
            return Err(self.locate(error, window, done, cx));
        }
        self.plain.update(text);
        self.lines += memchr::memchr_iter(b'\n', text).count() as u64;
        self.base += done as u64;
        Ok(done)
    }

    fn informed(&mut self, cx: &Cx<'_>) -> Result<()> {
        cx.memory().need(self.memory())?;
        self.binder.informed(&self.schema, cx.search.space);
        // The block's own statement came before, when its foreign keys were of no use yet.
        if let Some(target) = &self.target {
            self.binder.aim(&self.schema, target);
        }
        self.lines = 0;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.sheet.flush()
    }

    fn finish(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let whole = self.walk.finish().and_then(|()| self.marks.finish());
        whole.map_err(|error| self.locate(error, b"", 0, cx))?;
        self.count_table(cx);
        self.reach_out()?;
        self.settle(cx)?;
        let Some(reason) = self.refused.take() else {
            cx.leaf("", &self.sheet.leaf);
            return Ok(());
        };
        let (tally, before) = (&mut cx.tally, std::mem::take(&mut self.before));
        (tally.dropped, tally.edited) = (before.dropped, before.edited);
        (tally.left_report, tally.left_held, tally.subjects) = (before.report, before.held, before.subjects);
        let read = std::mem::replace(&mut tally.tables, before.tables);
        tally.tables.read(&read);
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
                self.count_table(cx);
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
            What::End => {
                self.count_table(cx);
                self.target = None;
            }
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
        if self.binder.learns() {
            let tells = self.schema.read(bytes, self.dialect)?;
            if tells && self.sheet.leaves() && self.wants_schema() {
                return Err(twice());
            }
        } else {
            self.schema.turn(bytes, self.dialect);
        }
        // Values are looked for as UTF-8 has them.
        let beyond = || {
            let shapes = |kind| matches!(kind, Type::Ip | Type::Uuid | Type::Phone);
            cx.search.needles.values().any(|(_, value)| !shapes(value.kind) && !value.bytes().is_ascii())
        };
        if walk::is_foreign_set(bytes) || quiet::is_other_set(bytes, self.dialect) && beyond() {
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
        let values = self.values(&piece, raw);
        if !target.columns.is_empty() && values != target.columns.len() {
            return Err(Error::new(
                Fault::Damaged,
                format!("a row has {values} values for {} columns", target.columns.len()),
            ));
        }
        let ruled = if touched { target.judge(raw, cx)? } else { None };
        let (ruled, change) = self.binder.row(target, raw, ruled, cx)?;
        self.table.count(change);
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
        if names.any(|name| self.schema.divides(&target.key, name)) {
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
            Verdict::Edit(_) if (self.binder.learns() || self.apart) && self.edited.len() < MAX_EDITED => {
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

    /// Whether what the schema says of rows that changed was not known in time.
    fn wants_schema(&self) -> bool {
        let schema = &self.schema;
        let referred = |key: &Key| schema.keys.iter().any(|foreign| schema.is_part(key, &foreign.to));
        let edits = |key: &Key, column: &Column| {
            let now = schema.table(key).and_then(|table| table.columns.iter().find(|known| known.name == column.name));
            now.is_some_and(|now| now != column)
        };
        self.dropped.iter().any(referred)
            || self.edited.iter().any(|(key, column)| edits(key, column) || is_keyed(schema, key, &column.name))
            || self.edited.len() >= MAX_EDITED
    }

    /// At the stream's end: is this reading the last, and may something change?
    fn settle(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let binder = std::mem::replace(&mut self.binder, Binder::new(None, &[], cx.search.space));
        if self.refused.is_some() {
            return Ok(());
        }
        let known = if binder.learns() {
            if !self.wants_schema() {
                return Ok(());
            }
            if self.sheet.leaves() {
                return Err(twice());
            }
            None
        } else {
            match binder.end(cx)? {
                End::Done => return Ok(()),
                End::Refused(reason) => return self.refuse(reason),
                End::Again(known) => Some(Arc::from(known)),
            }
        };
        cx.settle(Arc::new(State { schema: std::mem::take(&mut self.schema), known }));
        Ok(())
    }

    /// The rows of the table that was aimed at are over, for now.
    fn count_table(&mut self, cx: &mut Cx<'_>) {
        let table = std::mem::take(&mut self.table);
        if table.read > 0 {
            let name = self.shown(cx);
            cx.tally.tables.add(&name, &table);
        }
    }
}

impl Run<'_> {
    /// Takes aim at the table of an `INSERT` or `COPY`.
    fn aim(&mut self, head: &[u8], copy: bool, cx: &mut Cx<'_>) -> Result<()> {
        self.count_table(cx);
        self.marks.rows();
        if !self.binder.learns() {
            cx.memory().need(self.memory())?;
        }
        let schema = &self.schema;
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
                // `.schema` tells of the shell's own tables, and a dump does not.
                let own = if known.is_empty() { super::schema::of_sqlite(&into.table) } else { &[] };
                let own = own.iter().map(|name| Column::unknown(name.as_bytes().to_vec()));
                known.into_iter().filter(|column| !column.generated).chain(own).collect()
            }
            None => known,
        };
        let names: Vec<Vec<u8>> = into.table.iter().map(|raw| lex::name(raw, self.dialect)).collect();
        let name = String::from_utf8_lossy(&names.join(&b'.')).into_owned();
        let plain =
            into.rest.iter().all(|part| part.is("FROM") || part.is("STDIN") || part.sign(b';') || part.is("WITH"));
        let names = names_of(schema, &key, &name);
        let rule = self.policy.rule_of(&self.trail, &names);
        let known_as = names.into_iter().find(|name| is_user_table(name)).unwrap_or_else(|| name.clone());
        if self.dialect.kind == Kind::Sqlite && (name == "sqlite_schema" || name == "sqlite_master") {
            self.refuse("virtual tables".to_owned())?;
        }
        let missing = columns.is_empty() && (into.columns.is_none() || copy && !plain);
        let line = copy.then(|| self.line.clone());
        let target = Target { key, name, known_as, columns, rule, line, dialect: self.dialect };
        self.binder.aim(&self.schema, &target);
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

/// The names of the table `key`, and of those of which it is a part; `own` is how its rows name it.
fn names_of(schema: &Schema, key: &Key, own: &str) -> Vec<String> {
    let above = schema.kin(key).into_iter().skip(1);
    let above = above.map(|key| String::from_utf8_lossy(Schema::named(&key)).into_owned());
    std::iter::once(own.to_owned()).chain(above).collect()
}

/// What was said of rows that left would have to change: their stream cannot be read again.
fn twice() -> Error {
    Error::unsupported("sql must be read twice: its foreign keys or columns are told behind rows that change")
}

/// What was told of the tables besides the dump.
fn given<'s>(cx: &Cx<'s>) -> Option<&'s Ddl> {
    cx.search.detect.told().and_then(|told| told.downcast_ref::<Ddl>())
}

/// Number of tabs that divide values.
fn tabs(row: &[u8], how: &How) -> usize {
    let all = memchr::memchr_iter(b'\t', row).count();
    if memchr::memchr_iter(b'\\', row).all(|at| row.get(at + 1) != Some(&b'\t')) {
        return all;
    }
    Row::of_line(row, how).cells.len().saturating_sub(1)
}
