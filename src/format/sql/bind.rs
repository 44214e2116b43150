//! What foreign keys make of rows, reading by reading.
//!
//! A dump says what refers to what before, after or between the rows. The first reading learns the schema, if that matters; the second
//! collects facts, and is the last one if all rows came before those that refer to them; else what the facts come to
//! (`facts`) decides in a third. Never more: however deep references go, the dump is read three times. A reading's rows may come in
//! several streams. Memory: that of `facts`, and the columns of one row's keys.

use std::collections::HashSet;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::cells::{Row, Value};
use super::facts::{Facts, Fate, Known, Whose};
use super::keys::{self, Digest, Link, Links};
use super::rows::{Target, Touched};
use super::schema::Schema;
use crate::blob::TempSpace;
use crate::error::Result;
use crate::judge::{self, Ruling, Verdict};
use crate::layer::Cx;
use crate::layer::ruling::{self, Edits};
use crate::layer::tables::Change;
use crate::policy::KeyRule;

/// What one reading hands to the next.
#[derive(Debug, Default)]
pub struct State {
    /// All that the dump's DDL says.
    pub schema: Schema,
    /// What becomes of keys; `None`: facts are yet to be collected.
    pub known: Option<Arc<Known>>,
}

/// How much is known.
enum Phase {
    /// Not the schema.
    Learn,
    /// The schema.
    Gather(Box<Facts>),
    /// What becomes of each row.
    Apply(Arc<Known>),
}

/// See the module.
pub struct Binder<'r> {
    rules: &'r [KeyRule],
    phase: Phase,
    links: Links,
    /// Keys to which rows refer that came so far: their seeds.
    met: HashSet<u128>,
    /// Rows of tables with foreign keys so far: the node of one without a key.
    rows: u64,
    /// Rows may have to stay for others: nothing is sure before all facts are there.
    shields: bool,
    again: bool,
    dangles: bool,
    refusal: Option<String>,
    scratch: Scratch,
}

/// Kept from row to row.
#[derive(Default)]
struct Scratch {
    key: Vec<u8>,
    own: Vec<Digest>,
    refs: Vec<Digest>,
}

/// A row's ruling, the columns that are edited, and what kind of change that is.
pub type Bound = (Option<(Ruling, Touched)>, Change);

impl<'r> Binder<'r> {
    /// For a reading that starts with `state`; `None`: for the first.
    pub fn new(state: Option<&State>, rules: &'r [KeyRule], space: &Arc<TempSpace>) -> Self {
        let phase = match state.map(|state| &state.known) {
            None => Phase::Learn,
            Some(None) => Phase::Gather(Box::new(Facts::new(space))),
            Some(Some(known)) => Phase::Apply(Arc::clone(known)),
        };
        let torn = matches!(&phase, Phase::Apply(known) if known.torn);
        Self {
            rules,
            phase,
            links: Links::default(),
            met: HashSet::new(),
            rows: 0,
            shields: state.is_some_and(|state| keys::shields(&state.schema, rules)),
            again: false,
            dangles: false,
            refusal: torn.then(|| TORN.to_owned()),
            scratch: Scratch::default(),
        }
    }

    /// Whether the schema is not known yet.
    pub fn learns(&self) -> bool {
        matches!(self.phase, Phase::Learn)
    }

    /// All of `schema` is known before the first row: facts are collected at once.
    pub fn informed(&mut self, schema: &Schema, space: &Arc<TempSpace>) {
        if self.learns() {
            self.phase = Phase::Gather(Box::new(Facts::new(space)));
            self.shields = keys::shields(schema, self.rules);
        }
    }

    /// Whether foreign keys have nothing to say of the rows that come.
    pub fn is_idle(&self) -> bool {
        self.learns() || self.links.is_empty()
    }

    /// Rows of `target` come.
    pub fn aim(&mut self, schema: &Schema, target: &Target<'_>) {
        if self.learns() {
            return;
        }
        self.links = Links::of(schema, target, self.rules);
        self.met.extend(self.links.from.iter().map(|link| link.seed));
    }

    /// What foreign keys make of a row of `target`, which is ruled `ruled` for itself.
    pub fn row(
        &mut self,
        target: &Target<'_>,
        raw: &[u8],
        ruled: Option<(Ruling, Touched)>,
        cx: &Cx<'_>,
    ) -> Result<Bound> {
        let own = own_change(ruled.as_ref());
        if self.is_idle() {
            return Ok((ruled, own));
        }
        self.rows += 1;
        let mut scratch = std::mem::take(&mut self.scratch);
        let bound = self.bound(target, raw, ruled, &mut scratch, cx);
        self.scratch = scratch;
        bound
    }

    /// All rows were there: what the next reading starts with (the schema is the caller's), if one is wanted; else why nothing
    /// may change, if so.
    pub fn end(self, cx: &Cx<'_>) -> Result<End> {
        match self.phase {
            Phase::Gather(facts) if self.again => Ok(End::Again(Box::new(facts.settle(&|| cx.check())?))),
            _ if self.refusal.is_some() => Ok(End::Refused(self.refusal.unwrap_or_default())),
            _ if self.dangles => Ok(End::Refused("foreign keys: a reference changes to what is not there".to_owned())),
            _ => Ok(End::Done),
        }
    }
}

/// What a reading came to.
pub enum End {
    /// It was the last.
    Done,
    /// Nothing of the dump may change.
    Refused(String),
    /// Another one is wanted, which knows this.
    Again(Box<Known>),
}

const TORN: &str = "foreign keys: a key of several columns changes";

/// What a row's own ruling makes of it.
fn own_change(ruled: Option<&(Ruling, Touched)>) -> Change {
    match ruled.map(|(ruling, _)| &ruling.verdict) {
        None | Some(Verdict::Keep) => Change::None,
        Some(Verdict::Drop) => Change::Dropped,
        Some(Verdict::Edit(_)) => Change::Edited,
    }
}

fn digests(links: &[Link], target: &Target<'_>, raw: &[u8], key: &mut Vec<u8>, out: &mut Vec<Digest>) {
    let mut row: Option<Row> = None;
    out.clear();
    out.extend(links.iter().map(|link| link.digest(target, raw, &mut row, key)));
}

/// `edits` of a row, and then these of its values.
fn and_sets(target: &Target<'_>, raw: &[u8], edits: &Edits, sets: &[(usize, Option<Vec<u8>>)]) -> Edits {
    let text = ruling::apply(raw, edits);
    let row = target.row(&text);
    // What an edit has made NULL refers to nothing, whatever its key becomes.
    let is_null = |at: usize| row.cells.get(at).is_some_and(|cell| cell.value == Value::Null);
    let sets = sets.iter().filter(|(at, _)| !is_null(*at));
    let more: Vec<_> = sets.filter_map(|(at, new)| target.set(&text, &row, *at, new.as_deref())).collect();
    ruling::compose(edits, &more, raw.len())
}

impl Binder<'_> {
    fn known(&self) -> Option<&Known> {
        match &self.phase {
            Phase::Learn => None,
            Phase::Gather(facts) => Some(&facts.known),
            Phase::Apply(known) => Some(known),
        }
    }

    fn refuse(&mut self, reason: impl Into<String>) {
        self.refusal.get_or_insert_with(|| reason.into());
    }

    /// The node of the current row, whose keys are `own`.
    fn node(&self, own: &[Digest]) -> u128 {
        own.iter().flatten().next().copied().unwrap_or_else(|| xxh3_128_with_seed(b"row", self.rows))
    }

    fn bound(
        &mut self,
        target: &Target<'_>,
        raw: &[u8],
        ruled: Option<(Ruling, Touched)>,
        scratch: &mut Scratch,
        cx: &Cx<'_>,
    ) -> Result<Bound> {
        let Scratch { key, own, refs } = scratch;
        let gathers = matches!(self.phase, Phase::Gather(_));
        let drops = own_change(ruled.as_ref()) == Change::Dropped;
        digests(&self.links.from, target, raw, key, refs);
        let fate = match self.known() {
            Some(known) if !drops || self.links.shielded => known.fate(&self.links, refs)?,
            _ => Fate::default(),
        };
        let mut change = own_change(ruled.as_ref());
        let touched = change != Change::None || fate.goes.is_some() || !fate.sets.is_empty() || fate.keeps.is_some();
        if !gathers && !touched {
            return Ok((ruled, change));
        }
        digests(&self.links.to, target, raw, key, own);
        let node = self.node(own);
        let whose = ruled.as_ref().and_then(|(ruling, _)| ruling.subjects.first().copied());
        if let Phase::Gather(facts) = &mut self.phase {
            facts.row(&self.links, node, own, refs, drops.then_some(whose))?;
            if drops && self.links.shielded {
                self.would(target, raw, own, whose, cx)?;
            }
        }
        let goes = if drops { Some(whose) } else { fate.goes };
        let mut ruled = ruled;
        let kept = match (&self.phase, goes) {
            (Phase::Apply(known), Some(_)) if self.links.shielded => known.kept(node)?,
            _ => None,
        };
        if let Some(whose) = kept {
            ruled = self.anonymized(target, raw, ruled, whose, &fate, cx)?;
            change = Change::Anonymized;
        } else if let Some(whose) = goes {
            if !drops {
                ruled = Some(self.gone(ruled, whose));
                change = Change::Cascade;
            }
            self.lose(own, whose)?;
        } else if !fate.sets.is_empty() {
            ruled = Some(set(target, raw, ruled, &fate));
            change = if fate.nulls.is_some() { Change::SetNull } else { Change::Edited };
        }
        if let (Some(link), None) = (fate.keeps.and_then(|at| self.links.from.get(at)), goes.filter(|_| kept.is_none()))
        {
            let name = judge::shown(&(cx.search.mask)(&link.name));
            self.refuse(format!("foreign keys: {name} keeps what refers to rows that go"));
        }
        if let (Some(link), None) = (fate.stuck.and_then(|at| self.links.from.get(at)), goes) {
            let name = judge::shown(&(cx.search.mask)(&link.name));
            self.refuse(format!("foreign keys: the default of {name} refers to a row that goes"));
        }
        if let Some((Ruling { verdict: Verdict::Edit(edits), .. }, _)) = &ruled {
            let text = ruling::apply(raw, edits);
            self.follow(target, &text, own, refs, key)?;
        }
        if self.links.unclear && change != Change::None {
            self.refuse("foreign keys: their columns are not known");
        }
        Ok((ruled, change))
    }

    /// The row goes with the one to which it refers.
    fn gone(&mut self, ruled: Option<(Ruling, Touched)>, whose: Whose) -> (Ruling, Touched) {
        let (mut ruling, touched) = ruled.unwrap_or_else(|| (Ruling::keep(), Vec::new()));
        if ruling.held {
            self.refuse("foreign keys: a held record refers to one that goes");
        }
        ruling.verdict = Verdict::Drop;
        ruling.subjects.extend(whose);
        (ruling, touched)
    }

    /// Notes that a row with these keys goes.
    fn lose(&mut self, own: &[Digest], whose: Whose) -> Result<()> {
        let Phase::Gather(facts) = &mut self.phase else { return Ok(()) };
        self.again |= self.shields && self.links.bears();
        for (link, key) in self.links.to.iter().zip(own) {
            let Some(key) = *key else { continue };
            if facts.known.lost(key)?.is_none() {
                facts.lose(key, whose)?;
                self.again |= self.met.contains(&link.seed);
            }
        }
        Ok(())
    }

    /// The row would go, and stays without its personal columns, and without its references to what goes.
    fn anonymized(
        &mut self,
        target: &Target<'_>,
        raw: &[u8],
        ruled: Option<(Ruling, Touched)>,
        whose: Whose,
        fate: &Fate,
        cx: &Cx<'_>,
    ) -> Result<Option<(Ruling, Touched)>> {
        if ruled.as_ref().is_some_and(|(ruling, _)| ruling.held) {
            self.refuse("foreign keys: a held record refers to one that goes");
        }
        let Some((mut ruling, mut touched)) = target.anonymize(raw, cx, whose)? else {
            let name = judge::shown(&(cx.search.mask)(target.name.as_bytes()));
            self.refuse(format!("foreign keys: anonymize: no rule with erase_fields for {name}"));
            return Ok(ruled);
        };
        let Some(through) = &fate.through else {
            self.refuse("foreign keys: anonymize: a row that stays refers to one that goes, and takes no NULL");
            return Ok(ruled);
        };
        let nulls = through.iter().map(|column| (*column, None));
        let mut sets: Vec<(usize, Option<Vec<u8>>)> = nulls.chain(fate.sets.iter().cloned()).collect();
        sets.sort_by_key(|(column, new)| (*column, new.is_some()));
        sets.dedup_by_key(|(column, _)| *column);
        let first = edits_of(&ruling);
        let edits = and_sets(target, raw, &first, &sets);
        ruling.subjects.extend(whose);
        ruling.verdict = if edits.is_empty() { Verdict::Keep } else { Verdict::Edit(edits) };
        touched.extend(sets.iter().map(|(column, _)| *column));
        Ok(Some((ruling, touched)))
    }

    /// Notes what becomes of the keys of a row that goes for itself, should it have to stay.
    fn would(&mut self, target: &Target<'_>, raw: &[u8], own: &[Digest], whose: Whose, cx: &Cx<'_>) -> Result<()> {
        let Phase::Gather(facts) = &mut self.phase else { return Ok(()) };
        // Without a rule for it, it is refused if it comes to that.
        let Some((ruling, _)) = target.anonymize(raw, cx, whose)? else { return Ok(()) };
        let text = ruling::apply(raw, &edits_of(&ruling));
        let (mut row, mut buf) = (None, Vec::new());
        for (link, before) in self.links.to.iter().zip(own) {
            let after = link.digest(target, &text, &mut row, &mut buf);
            if let Some(key) = before.filter(|_| *before != after) {
                let row = row.get_or_insert_with(|| target.row(&text));
                facts.rename_kept(key, link.text(row).as_deref())?;
            }
        }
        Ok(())
    }

    /// A row is edited: its keys may change, and what it refers to.
    fn follow(
        &mut self,
        target: &Target<'_>,
        text: &[u8],
        own: &[Digest],
        refs: &[Digest],
        buf: &mut Vec<u8>,
    ) -> Result<()> {
        let mut row = None;
        let (mut refusal, mut dangles) = (None, false);
        for (link, before) in self.links.to.iter().zip(own) {
            let after = link.digest(target, text, &mut row, buf);
            let Some(key) = before.filter(|_| *before != after) else { continue };
            let Some(new) = link.text(row.get_or_insert_with(|| target.row(text))) else {
                refusal = Some(TORN);
                continue;
            };
            match &mut self.phase {
                Phase::Learn => {}
                Phase::Gather(facts) => self.again |= facts.rename(key, &new)? && self.met.contains(&link.seed),
                Phase::Apply(known) => {
                    if known.renamed(key)?.is_none_or(|known| known != *new) {
                        refusal = Some("foreign keys: a key changes to what was not foreseen");
                    }
                }
            }
        }
        for (link, before) in self.links.from.iter().zip(refs) {
            let after = link.digest(target, text, &mut row, buf);
            if after.is_none() || after == *before || after == link.default {
                continue;
            }
            let new = link.text(row.get_or_insert_with(|| target.row(text)));
            let becomes = match (self.known(), before) {
                (Some(known), Some(key)) => known.renamed(*key)?,
                _ => None,
            };
            dangles |= becomes.as_deref() != new.as_deref();
        }
        self.dangles |= dangles;
        if let Some(reason) = refusal {
            self.refuse(reason);
        }
        Ok(())
    }
}

fn edits_of(ruling: &Ruling) -> Edits {
    match &ruling.verdict {
        Verdict::Edit(edits) => edits.clone(),
        _ => Vec::new(),
    }
}

/// Values of a row are set for what it refers to.
fn set(target: &Target<'_>, raw: &[u8], ruled: Option<(Ruling, Touched)>, fate: &Fate) -> (Ruling, Touched) {
    let (mut ruling, mut touched) = ruled.unwrap_or_else(|| (Ruling::keep(), Vec::new()));
    let edits = and_sets(target, raw, &edits_of(&ruling), &fate.sets);
    touched.extend(fate.sets.iter().map(|(at, _)| *at));
    ruling.subjects.extend(fate.nulls.flatten());
    if !edits.is_empty() {
        ruling.verdict = Verdict::Edit(edits);
    }
    (ruling, touched)
}
