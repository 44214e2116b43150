//! One row: who is on it, and what becomes of it, written as the dump writes it.
//!
//! The row's view is judged, whatever it is spelled like; the edits of the view are turned into edits of the row, value by value. What a column
//! cannot hold becomes NULL, or a value of its type where there must be one (SPEC "Policy"); what is told apart by a key gets a
//! pseudonym. An edited row is judged again until nothing changes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use super::super::json;
use super::cells::{self, Cell, How, Row, Value};
use super::facts::Whose;
use super::lex::{Dialect, Kind};
use super::same;
use super::schema::{Column, Key};
use super::types::{self, Class, Fold};
use crate::error::{Error, Kind as Fault, Result};
use crate::judge::pseudonym::Pseudonym;
use crate::judge::replace::ERASED;
use crate::judge::{Ruling, Verdict};
use crate::layer::Cx;
use crate::layer::ruling::{self, Edits};
use crate::matcher::{Hit, Unit};
use crate::policy::{Action, Erase, Rule};
use crate::record::{Field, Part, Place};

/// How often an edited row is judged again.
const ROUNDS: usize = 4;
/// Bytes that a field of a row takes, about.
const FIELD_BYTES: usize = 256;

/// The table whose rows come.
pub struct Target<'s> {
    /// Its name in the schema.
    pub key: Key,
    /// Its name, as the report has it.
    pub name: String,
    /// The name by which the matcher knows it: that of the table of users of which it is a part, if so.
    pub known_as: String,
    /// The columns that the rows have, in their order; empty if they are not known.
    pub columns: Vec<Column>,
    /// The rule that fits.
    pub rule: Option<&'s Rule>,
    /// How a row is spelled that is a line; `None`: rows are tuples.
    pub line: Option<How>,
    /// How text is read.
    pub dialect: Dialect,
}

/// What was edited on a row: ordinals of columns.
pub type Touched = Vec<usize>;

impl Target<'_> {
    /// The values of a row.
    pub fn row(&self, raw: &[u8]) -> Row {
        match &self.line {
            Some(how) => Row::of_line(raw, how),
            None => Row::of_tuple(raw, self.dialect),
        }
    }

    /// The ruling on the row `raw`, its edits as ranges of `raw`; `None` without a hit. With it the columns that are edited.
    pub fn judge(&self, raw: &[u8], cx: &Cx<'_>) -> Result<Option<(Ruling, Touched)>> {
        self.judged(raw, cx, self.rule, None)
    }

    /// The ruling on a row that would go for `whose` and must stay: its identifiers are replaced, and the columns of the rule's
    /// `erase_fields` cleaned. `None`: no rule says which.
    pub fn anonymize(&self, raw: &[u8], cx: &Cx<'_>, whose: Whose) -> Result<Option<(Ruling, Touched)>> {
        let Some(rule) = self.rule.filter(|rule| !rule.erase_fields.is_empty()) else { return Ok(None) };
        let edits = |action: &Action| matches!(action, Action::Redact | Action::Mask | Action::Pseudonymize);
        let action = rule.action.filter(edits).unwrap_or(Action::Pseudonymize);
        let rule = Rule { action: Some(action), ..rule.clone() };
        self.judged(raw, cx, Some(&rule), Some(whose))
    }

    fn judged(
        &self,
        raw: &[u8],
        cx: &Cx<'_>,
        rule: Option<&Rule>,
        stays: Option<Whose>,
    ) -> Result<Option<(Ruling, Touched)>> {
        let Some((mut ruling, mut touched)) = self.once(raw, cx, rule, stays)? else { return Ok(None) };
        let Verdict::Edit(edits) = &mut ruling.verdict else { return Ok(Some((ruling, touched))) };
        let mut text = ruling::apply(raw, edits);
        for _ in 0..ROUNDS {
            match self.once(&text, cx, rule, None)? {
                Some((Ruling { verdict: Verdict::Edit(more), .. }, also)) => {
                    *edits = ruling::compose(edits, &more, raw.len());
                    text = ruling::apply(&text, &more);
                    touched.extend(also);
                }
                Some((Ruling { verdict: Verdict::Drop, .. }, _)) => {
                    ruling.verdict = Verdict::Drop;
                    return Ok(Some((ruling, touched)));
                }
                _ => break,
            }
        }
        Ok(Some((ruling, touched)))
    }

    /// `stays`: whoever is on the row or not, its fields are cleaned, for that subject.
    fn once(
        &self,
        raw: &[u8],
        cx: &Cx<'_>,
        rule: Option<&Rule>,
        stays: Option<Whose>,
    ) -> Result<Option<(Ruling, Touched)>> {
        let row = self.row(raw);
        let fields = self.fields(&row, cx)?;
        let unit = Unit { text: &row.view, fields: &fields, table: Some(&self.known_as) };
        let mut hits: Vec<Hit> = Vec::new();
        cx.search.engine.hits(&unit, &mut hits);
        if hits.is_empty() && stays.is_none() {
            return Ok(None);
        }
        let whole = [(0..row.view.len(), Part::Data)];
        let judged = |rule: Option<&Rule>| {
            let ruling = cx.search.judge.unit(&unit, &whole, &hits, rule, cx.mtime).into_iter().next();
            ruling.unwrap_or_else(Ruling::keep)
        };
        // Fields are erased here, as their columns want it.
        let plain = rule.map(|rule| Rule { erase_fields: Vec::new(), ..rule.clone() });
        let mut ruling = judged(plain.as_ref());
        let edits = match (&ruling.verdict, stays) {
            (Verdict::Edit(edits), _) => edits.clone(),
            (_, None) => return Ok(Some((ruling, Vec::new()))),
            (_, Some(_)) => Vec::new(),
        };
        ruling.subjects.extend(stays.flatten());
        let alias = ruling.subjects.first().and_then(|subject| cx.search.judge.pseudonym(*subject));
        let action = rule.and_then(|rule| rule.action).unwrap_or_default();
        let named = action == Action::Pseudonymize;
        let mut changes = Changes { target: self, raw, row: &row, alias, named, cells: BTreeMap::new() };
        changes.add(&edits, |_| true)?;
        let keyed: Vec<usize> = changes.cells.keys().copied().filter(|cell| self.is_unique(*cell)).collect();
        if !named && !keyed.is_empty() {
            needs_key(alias)?;
            let plain = plain.unwrap_or_default();
            if let Verdict::Edit(edits) = judged(Some(&Rule { action: Some(Action::Pseudonymize), ..plain })).verdict {
                changes.cells.retain(|cell, _| !keyed.contains(cell));
                changes.add(&edits, |cell| keyed.contains(&cell))?;
            }
        }
        let erased = if ruling.held { Vec::new() } else { self.erased(&row) };
        let (edits, touched) = changes.write(&erased)?;
        ruling.verdict = if edits.is_empty() { Verdict::Keep } else { Verdict::Edit(edits) };
        if ruling.verdict == Verdict::Keep {
            ruling.subjects.clear();
        }
        Ok(Some((ruling, touched)))
    }

    fn is_unique(&self, cell: usize) -> bool {
        self.columns.get(cell).is_some_and(|column| column.unique)
    }

    /// The values that the rule cleans whatever they hold.
    fn erased(&self, row: &Row) -> Vec<(usize, Erase)> {
        let Some(rule) = self.rule else { return Vec::new() };
        let named = |cell: usize| {
            let column = self.columns.get(cell)?;
            rule.erase_fields.iter().find(|(name, _)| name.matches(&[&column.name])).map(|(_, erase)| (cell, *erase))
        };
        let filled = |(cell, _): &(usize, Erase)| row.cells.get(*cell).is_some_and(|cell| cell.value != Value::Null);
        (0..row.cells.len()).filter_map(named).filter(filled).collect()
    }

    /// The fields of a row's view.
    fn fields<'r>(&'r self, row: &'r Row, cx: &Cx<'_>) -> Result<Vec<Field<'r>>> {
        let most = usize::try_from(cx.search.limits.max_memory / 2).unwrap_or(usize::MAX) / FIELD_BYTES;
        let (mut out, mut count) = (Vec::new(), 0usize);
        for part in &row.parts {
            let text = row.view.get(part.view.clone()).unwrap_or_default();
            // With an option of `--tab` values stand in quotes; what is in them counts.
            let quotes = usize::from(self.line == Some(How::Tab) && in_quotes(text));
            let text = text.get(quotes..text.len() - quotes).unwrap_or_default();
            let (from, column) = (part.view.start + quotes, self.columns.get(part.cell));
            let value = row.cells.get(part.cell).map(|cell| cell.value);
            let mut add = |mut field: Field<'r>| {
                // Arrays of bytes are what journals write, and no column's.
                if field.place == Place::JsonBytes {
                    return;
                }
                count += 1;
                if count <= most {
                    field.span = field.span.start + from..field.span.end + from;
                    field.whole = field.whole.start + from..field.whole.end + from;
                    out.push(field);
                }
            };
            let above = column.map_or(&[][..], |column| std::slice::from_ref(&column.name));
            if part.literal && matches!(text.trim_ascii_start().first(), Some(b'{' | b'[')) && json::is_json(text)? {
                json::fields(text, above, &mut add)?;
                continue;
            }
            let path: Vec<Cow<'r, [u8]>> = if part.literal {
                above.iter().map(|name| Cow::Borrowed(name.as_slice())).collect()
            } else {
                Vec::new()
            };
            let place = if value == Some(Value::Bare) { Place::JsonBare } else { Place::Cell };
            // Where nothing tells the types an array is known by its look.
            let postgres = self.dialect.kind == Kind::Postgres;
            let may_be_array = |class: &Class| matches!(class, Class::Array(_)) || postgres && *class == Class::Unknown;
            let elements =
                if column.is_some_and(|column| may_be_array(&column.class)) { elements(text) } else { Vec::new() };
            let filled = column.is_some_and(|column| column.folds == Some(Fold::Blanks));
            let end = if filled { same::unfilled(text).len() } else { text.len() };
            let whole = elements.is_empty().then_some(0..end);
            for span in whole.into_iter().chain(elements) {
                let text = Cow::Borrowed(text.get(span.clone()).unwrap_or_default());
                add(Field { path: path.clone(), span: span.clone(), whole: span, text, place });
            }
        }
        if count > most {
            return Err(Error::limit(format!("--max-memory: a row has more than {most} fields")));
        }
        Ok(out)
    }

    /// The edit that makes the value `text`, or NULL.
    pub fn set(&self, raw: &[u8], row: &Row, cell: usize, text: Option<&[u8]>) -> Option<(Range<usize>, Vec<u8>)> {
        let Cell { raw: whole, value } = row.cells.get(cell)?.clone();
        let Some(text) = text else {
            let null: &[u8] = if self.line.is_some() { b"\\N" } else { b"NULL" };
            return Some((whole, null.to_vec()));
        };
        let part = row.parts.iter().find(|part| part.cell == cell);
        if let Some(how) = &self.line {
            return Some((whole, cells::encode(text, how)));
        }
        match (value, part) {
            (Value::Text, Some(part)) => Some((part.raw.clone(), cells::encode(text, &part.how))),
            // A number that comes where none was: a key that another table's has become.
            (Value::Bare | Value::Null, _) if is_bare(text) => Some((whole, text.to_vec())),
            _ => {
                let escape = if self.dialect.backslash { cells::Escape::Mysql } else { cells::Escape::None };
                let inner = cells::encode(text, &How::Quoted(b'\'', escape));
                Some((whole, [b"'", inner.as_slice(), b"'"].concat()))
            }
        }
        .filter(|(range, new)| raw.get(range.clone()) != Some(new.as_slice()))
    }
}

/// Whether `text` may stand without quotes: a number, `true`, `false`.
fn is_bare(text: &[u8]) -> bool {
    let number = std::str::from_utf8(text).is_ok_and(|text| text.parse::<i128>().is_ok());
    number || text == b"true" || text == b"false"
}

fn in_quotes(text: &[u8]) -> bool {
    text.len() > 1 && matches!((text.first(), text.last()), (Some(b'"'), Some(b'"')) | (Some(b'\''), Some(b'\'')))
}

/// The elements of an array as `PostgreSQL` writes it, without their quotes; none if it is no such array.
fn elements(text: &[u8]) -> Vec<Range<usize>> {
    let (mut out, mut at) = (Vec::new(), 1);
    if !text.starts_with(b"{") || !text.ends_with(b"}") {
        return out;
    }
    let mut start = at;
    let mut quoted = false;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 1,
            b'"' => quoted = !quoted,
            b',' | b'{' | b'}' if !quoted => {
                let element = text.get(start..at).unwrap_or_default();
                let marks = usize::from(element.len() > 1 && element.starts_with(b"\"") && element.ends_with(b"\""));
                if !element.is_empty() && element != b"NULL" {
                    out.push(start + marks..at - marks);
                }
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    out
}

fn needs_key(alias: Option<Pseudonym>) -> Result<Pseudonym> {
    alias.ok_or_else(|| Error::new(Fault::Usage, "needs --key-file"))
}

/// An edit of a part's text: its ordinal, the range in it, what comes there.
type Change = (usize, Range<usize>, Vec<u8>);

/// What becomes of a row's values.
struct Changes<'c> {
    target: &'c Target<'c>,
    raw: &'c [u8],
    row: &'c Row,
    alias: Option<Pseudonym>,
    /// What is replaced becomes the pseudonym.
    named: bool,
    cells: BTreeMap<usize, Vec<Change>>,
}

impl Changes<'_> {
    /// Takes over edits of the view that are in one of the values `wanted`.
    fn add(&mut self, edits: &Edits, wanted: impl Fn(usize) -> bool) -> Result<()> {
        for (range, payload) in edits {
            let at = self.row.parts.partition_point(|part| part.view.start <= range.start).saturating_sub(1);
            let part = self.row.parts.get(at).filter(|part| part.literal && range.end <= part.view.end);
            let Some(part) = part else {
                return Err(Error::new(Fault::Damaged, "an identifier stands outside of a value's text"));
            };
            if wanted(part.cell) {
                let from = part.view.start;
                let change = (at, range.start - from..range.end - from, payload.clone());
                self.cells.entry(part.cell).or_default().push(change);
            }
        }
        Ok(())
    }

    /// The edits of the row, and the columns that they touch.
    fn write(&self, erased: &[(usize, Erase)]) -> Result<(Edits, Touched)> {
        let (mut edits, mut touched): (Edits, Touched) = (Vec::new(), Vec::new());
        let all: std::collections::BTreeSet<usize> =
            self.cells.keys().copied().chain(erased.iter().map(|(cell, _)| *cell)).collect();
        for cell in all {
            let erase = erased.iter().find(|(at, _)| *at == cell).map(|(_, erase)| *erase);
            let before = edits.len();
            match (erase, self.cells.get(&cell)) {
                (Some(erase), _) => edits.extend(self.erase(cell, erase)?),
                (None, Some(changes)) => self.edit(cell, changes, &mut edits)?,
                (None, None) => {}
            }
            if edits.len() > before {
                touched.push(cell);
            }
        }
        Ok((edits, touched))
    }

    /// A column's class, and whether it takes no NULL and is unique.
    fn column(&self, cell: usize) -> (Class, bool, bool) {
        let column = self.target.columns.get(cell);
        let known = |column: &Column| (column.class.clone(), column.not_null, column.unique);
        let (mut class, not_null, unique) = column.map_or((Class::Unknown, false, false), known);
        let bare = self.row.cells.get(cell).is_some_and(|cell| cell.value == Value::Bare);
        if class == Class::Unknown && (bare || self.target.dialect.kind != Kind::Sqlite) {
            let old = self.old(cell);
            class = match elements(old).first() {
                Some(first) if self.target.dialect.kind == Kind::Postgres => {
                    Class::Array(Box::new(types::guess(old.get(first.clone()).unwrap_or_default())))
                }
                _ => types::guess(old),
            };
        }
        (class, not_null, unique)
    }

    /// The text of a value's first part.
    fn old(&self, cell: usize) -> &[u8] {
        let part = self.row.parts.iter().find(|part| part.cell == cell);
        part.and_then(|part| self.row.view.get(part.view.clone())).unwrap_or_default()
    }

    /// Cleans a whole value.
    fn erase(&self, cell: usize, erase: Erase) -> Result<Option<(Range<usize>, Vec<u8>)>> {
        let (class, not_null, unique) = self.column(cell);
        let old = self.old(cell);
        let bare = self.row.cells.get(cell).is_some_and(|cell| cell.value == Value::Bare);
        let named = |alias: Pseudonym| match &class {
            Class::Uuid => alias.uuid(),
            Class::Integer { .. } => alias.integer().to_string(),
            _ if bare => alias.integer().to_string(),
            _ if old.contains(&b'@') => alias.email(),
            _ => alias.text(),
        };
        let text = match erase {
            Erase::Pseudonym => Some(named(needs_key(self.alias)?).into_bytes()),
            _ if unique => Some(named(needs_key(self.alias)?).into_bytes()),
            // A bare number takes no word.
            Erase::Redact if !bare => Some(ERASED.to_vec()),
            Erase::Remove | Erase::Null | Erase::Redact => None,
        };
        let text = match text {
            None if not_null && class == Class::Text(None) => Some(Vec::new()),
            text => self.fitting(&class, not_null, unique || erase == Erase::Pseudonym, text)?,
        };
        Ok(self.target.set(self.raw, self.row, cell, text.as_deref()))
    }

    /// `text` if the class holds it; else NULL, or a value of the type where there must be one: that of the pseudonym, if it is `named`.
    fn fitting(&self, class: &Class, not_null: bool, named: bool, text: Option<Vec<u8>>) -> Result<Option<Vec<u8>>> {
        match text {
            Some(text) if class.holds(&text) => Ok(Some(text)),
            _ if !not_null => Ok(None),
            text => {
                let new = text.unwrap_or_default();
                let stand_in = class.stand_in(self.alias.as_ref().filter(|_| named), &new);
                stand_in.map(Some).ok_or_else(|| Error::unsupported("no stand-in for the type of a column"))
            }
        }
    }

    /// Edits a value in its place.
    fn edit(&self, cell: usize, changes: &[Change], out: &mut Edits) -> Result<()> {
        let value = self.row.cells.get(cell).map_or(Value::Null, |cell| cell.value);
        let (class, not_null, unique) = self.column(cell);
        let named = self.named || unique;
        match value {
            Value::Null => {}
            Value::Bare => {
                let text = changes.first().map(|(_, _, new)| new.clone()).filter(|new| new != b"null");
                let text = self.fitting(&class, not_null, named, text.filter(|text| is_bare(text)))?;
                out.extend(self.target.set(self.raw, self.row, cell, text.as_deref()));
            }
            Value::Bytes => self.bytes(changes, out),
            Value::Expression => {
                let edits = changes.iter().filter_map(|(part, range, new)| self.spell(*part, range, new)).collect();
                out.append(&mut disjoint(edits));
            }
            Value::Text => {
                // The text is a value's first part; behind it stand bytes that are spelled in digits within.
                let Some(part) = self.row.parts.iter().position(|part| part.cell == cell) else { return Ok(()) };
                let view = self.row.parts.get(part).map(|part| part.view.clone()).unwrap_or_default();
                let old = self.row.view.get(view).unwrap_or_default();
                let (own, deep): (Vec<&Change>, Vec<&Change>) = changes.iter().partition(|(at, ..)| *at == part);
                let mut edits: Edits = own.into_iter().map(|(_, range, new)| (range.clone(), new.clone())).collect();
                if let Class::Array(of) = &class {
                    of_elements(&mut edits, old, of);
                }
                let new = ruling::apply(old, &edits);
                // Blanks that fill a column are cut off where they are too many.
                let filled = self.target.columns.get(cell).is_some_and(|column| column.folds == Some(Fold::Blanks));
                let shown = if filled { same::unfilled(&new) } else { &new };
                if edits.is_empty() || class.holds(shown) {
                    let own = edits.iter().filter_map(|(range, new)| self.spell(part, range, new));
                    let deep = deep.into_iter().filter_map(|(at, range, new)| self.spell(*at, range, new));
                    out.append(&mut disjoint(own.chain(deep).collect()));
                } else {
                    let text = self.fitting(&class, not_null, named, Some(new))?;
                    out.extend(self.target.set(self.raw, self.row, cell, text.as_deref()));
                }
            }
        }
        Ok(())
    }

    /// One edit of a part's text as an edit of the row.
    fn spell(&self, part: usize, range: &Range<usize>, new: &[u8]) -> Option<(Range<usize>, Vec<u8>)> {
        let part = self.row.parts.get(part)?;
        let place = cells::raw_range(self.raw, part, range);
        let new = cells::encode(new, &part.how);
        (self.raw.get(place.clone()) != Some(new.as_slice())).then_some((place, new))
    }

    /// Edits hex digits: the value is in them as digits, or in the bytes that they stand for.
    fn bytes(&self, changes: &[Change], out: &mut Edits) {
        let mut edits: Edits = Vec::new();
        for (at, range, new) in changes {
            let Some(part) = self.row.parts.get(*at) else { continue };
            let place = cells::raw_range(self.raw, part, range);
            let digits: Vec<u8> = new.iter().copied().filter(|b| *b != b'-').collect();
            let payload = match part.how {
                How::Hex => cells::encode(new, &How::Hex),
                _ if digits.len() == place.len() && digits.iter().all(u8::is_ascii_hexdigit) => digits,
                _ => vec![b'0'; place.len()],
            };
            edits.push((place, payload));
        }
        let mut edits = disjoint(edits);
        edits.retain(|(range, new)| self.raw.get(range.clone()) != Some(new.as_slice()));
        out.append(&mut edits);
    }
}

/// Edits in their order, less those that begin within another: of the same bytes, spelled twice.
fn disjoint(mut edits: Edits) -> Edits {
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let mut end = 0;
    edits.retain(|(range, _)| {
        let free = range.start >= end;
        end = end.max(range.end);
        free
    });
    edits
}

/// Makes NULL of the elements of an array that their type would not hold once they are edited.
fn of_elements(edits: &mut Edits, old: &[u8], of: &Class) {
    let mut whole: Edits = Vec::new();
    for element in elements(old) {
        let from = edits.partition_point(|(range, _)| range.start < element.start);
        let near = edits.get(from..).unwrap_or_default().iter();
        let own: Edits = near
            .take_while(|(range, _)| range.end <= element.end)
            .map(|(range, new)| (range.start - element.start..range.end - element.start, new.clone()))
            .collect();
        let text = ruling::apply(old.get(element.clone()).unwrap_or_default(), &own);
        if !own.is_empty() && !of.holds(&text) {
            let quotes = usize::from(old.get(element.start.wrapping_sub(1)) == Some(&b'"'));
            whole.push((element.start - quotes..element.end + quotes, b"NULL".to_vec()));
        }
    }
    let within = |range: &Range<usize>| {
        let outer = whole.get(whole.partition_point(|(w, _)| w.end < range.end));
        outer.is_some_and(|(w, _)| w.start <= range.start)
    };
    edits.retain(|(range, _)| !within(range));
    edits.append(&mut whole);
    edits.sort_by_key(|(range, _)| range.start);
}
