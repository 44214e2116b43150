//! A record → a verdict: who matches, what the policy says, and which bytes that changes.
//!
//! [`Judge`] is pure: hits, fields and the rule go in, a [`Ruling`] comes out. It knows subjects, holds, `before` and `all_of`;
//! how a replacement is written in its place is [`replace`], pseudonyms are [`pseudonym`]. It reads no stream and counts nothing.

pub mod pseudonym;
pub mod replace;
pub mod stamp;
mod text;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::ops::Range;

use jiff::Timestamp;

use crate::matcher::{Claim, Hit, Needles, SubjectId, Unit, ValueId};
use crate::policy::{Action, Fields, Rule};
use crate::record::{Field, Part};
use pseudonym::Key;

/// What becomes of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing changes.
    Keep,
    /// It goes, with its separator.
    Drop,
    /// These ranges of the unit give way to these bytes: sorted, disjoint.
    Edit(Vec<(Range<usize>, Vec<u8>)>),
}

/// A verdict and what is to be counted for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// What becomes of the record.
    pub verdict: Verdict,
    /// Subjects for whom it changes; empty if nothing does.
    pub subjects: BTreeSet<SubjectId>,
    /// Left for the action `report`.
    pub report: bool,
    /// Left, wholly or in part, for a hold.
    pub held: bool,
}

impl Ruling {
    /// Nothing changes.
    pub fn keep() -> Self {
        Self { verdict: Verdict::Keep, subjects: BTreeSet::new(), report: false, held: false }
    }
}

/// What a name's hits come to.
#[derive(Debug, Default)]
pub struct NameRuling {
    /// Values that are masked.
    values: BTreeSet<ValueId>,
    /// Whose.
    pub subjects: BTreeSet<SubjectId>,
    /// A held subject's value stands in it and is left.
    pub held: bool,
}

impl NameRuling {
    /// Whether occurrences of `value` are masked.
    pub fn masks(&self, value: ValueId) -> bool {
        self.values.contains(&value)
    }
}

/// Decides; one value a run.
#[derive(Debug)]
pub struct Judge<'n> {
    needles: &'n Needles,
    fields: &'n Fields,
    key: Option<&'n Key>,
}

/// Who is on a record.
struct Who<'w> {
    /// Values that stand on it, or on the line that it is a part of.
    values: &'w BTreeSet<ValueId>,
    /// Its time; `None` if it is not known or not asked for.
    time: Option<Timestamp>,
    /// Whether somebody else is known to be named on the line that it is a part of.
    another: bool,
}

/// The claims that hold on one record.
struct Holding<'n> {
    in_force: Vec<Claim<'n>>,
    held: Vec<Claim<'n>>,
}

impl<'n> Judge<'n> {
    /// Judges for `needles`; `key` for pseudonyms.
    pub fn new(needles: &'n Needles, fields: &'n Fields, key: Option<&'n Key>) -> Self {
        Self { needles, fields, key }
    }

    /// Whether any claim asks for the record's time.
    pub fn wants_time(&self) -> bool {
        self.needles.traits().before
    }

    /// The pseudonym of a subject; `None` without a key.
    pub fn pseudonym(&self, subject: SubjectId) -> Option<pseudonym::Pseudonym> {
        Some(self.key?.pseudonym(self.needles.subject(subject)?.reference))
    }

    /// What the hits in a name come to: in-force values are masked, unless a held subject shares them.
    pub fn name(&self, hits: &[Hit]) -> NameRuling {
        let values: BTreeSet<ValueId> = hits.iter().map(|hit| hit.value).collect();
        let holding = self.holding(&values, None);
        let kept: BTreeSet<ValueId> = Self::shared(&holding);
        let mut ruling = NameRuling { held: !holding.held.is_empty(), ..NameRuling::default() };
        for claim in holding.in_force {
            let mut any = false;
            for value in claim.values().filter(|value| !kept.contains(value)) {
                any = true;
                ruling.values.insert(value);
            }
            if any {
                ruling.subjects.insert(claim.subject);
            }
        }
        ruling
    }

    /// The ruling on each record of a unit. `records` are ranges of `unit.text`, in order; `hits` as the engine gives them;
    /// `time` the time of a record that has none of its own.
    pub fn unit(
        &self,
        unit: &Unit<'_>,
        records: &[(Range<usize>, Part)],
        hits: &[Hit],
        rule: Option<&Rule>,
        mtime: Option<Timestamp>,
    ) -> Vec<Ruling> {
        // Records are sorted and disjoint: each hit is handed to the few that it touches.
        let mut own: Vec<Vec<&Hit>> = vec![Vec::new(); records.len()];
        for hit in hits {
            let first = records.partition_point(|(range, _)| range.end <= hit.span.start);
            let touched =
                records.iter().zip(&mut own).skip(first).take_while(|((range, _), _)| range.start < hit.span.end);
            touched.for_each(|(_, own)| own.push(hit));
        }
        let judge = |((range, part), own): (&(Range<usize>, Part), Vec<&Hit>)| {
            if own.is_empty() {
                return Ruling::keep();
            }
            let values: BTreeSet<ValueId> = own.iter().map(|hit| hit.value).collect();
            let who = Who { values: &values, time: self.time(unit, range, rule, mtime), another: false };
            self.record(unit, range, *part, &own, &who, rule)
        };
        records.iter().zip(own).map(judge).collect()
    }

    /// The rulings on records that hold one line between them: who stands in any of them is on all. Each is a unit of its own,
    /// with the hits that are its own, sorted as an engine gives them; `joined` is the line's text and the hits in it.
    pub fn line(
        &self,
        parts: &[(Unit<'_>, Part, Vec<Hit>)],
        joined: (&[u8], &[Hit]),
        rule: Option<&Rule>,
        mtime: Option<Timestamp>,
    ) -> Vec<Ruling> {
        let values: BTreeSet<ValueId> = parts.iter().flat_map(|(_, _, hits)| hits).map(|hit| hit.value).collect();
        // Its time is the first one's.
        let time = parts.first().and_then(|(unit, ..)| self.time(unit, &(0..unit.text.len()), rule, mtime));
        // One that is dropped and one that stays would leave half a line.
        let another = rule.is_some_and(|rule| rule.shared_redact) && {
            let holding = self.holding(&values, time);
            let names = |text: &[u8], hits: &[Hit], fields: &[Field<'_>]| {
                let hits: Vec<&Hit> = hits.iter().collect();
                text::names_another(&Self::own_spans(&holding, &hits), self.fields, text, 0, fields)
            };
            names(joined.0, joined.1, &[]) || parts.iter().any(|(unit, _, hits)| names(unit.text, hits, unit.fields))
        };
        let who = Who { values: &values, time, another };
        let judge = |(unit, part, hits): &(Unit<'_>, Part, Vec<Hit>)| {
            let own: Vec<&Hit> = hits.iter().collect();
            self.record(unit, &(0..unit.text.len()), *part, &own, &who, rule)
        };
        parts.iter().map(judge).collect()
    }

    /// The ruling on the record at `range` of `unit`; `hits` are where in it the values of `who` stand.
    fn record(
        &self,
        unit: &Unit<'_>,
        range: &Range<usize>,
        part: Part,
        hits: &[&Hit],
        who: &Who<'_>,
        rule: Option<&Rule>,
    ) -> Ruling {
        let fields = within(unit.fields, range);
        let record = unit.text.get(range.clone()).unwrap_or_default();
        let holding = self.holding(who.values, who.time);
        let mut ruling = Ruling::keep();
        ruling.held = !holding.held.is_empty();
        if holding.in_force.is_empty() {
            return ruling;
        }
        let action = rule.and_then(|rule| rule.action).unwrap_or_default();
        if action == Action::Report && !ruling.held {
            ruling.report = true;
            return ruling;
        }
        let kept = Self::shared(&holding);
        let action = match action {
            Action::Drop if part == Part::Data && !ruling.held => {
                let shared = rule.is_some_and(|rule| rule.shared_redact)
                    && (who.another
                        || text::names_another(
                            &Self::own_spans(&holding, hits),
                            self.fields,
                            record,
                            range.start,
                            fields,
                        ));
                if shared { Action::Redact } else { Action::Drop }
            }
            Action::Drop => Action::Redact,
            // Of a held record only the values of others are taken out, and nothing is reported as done.
            Action::Report => return ruling,
            action => action,
        };
        if action == Action::Drop {
            ruling.verdict = Verdict::Drop;
            ruling.subjects = holding.in_force.iter().map(|claim| claim.subject).collect();
            return ruling;
        }
        let (mut whose, mut seen): (Vec<(ValueId, SubjectId)>, _) = (Vec::new(), BTreeSet::new());
        for claim in &holding.in_force {
            for value in claim.values().filter(|value| !kept.contains(value)) {
                if seen.insert(value) {
                    whose.push((value, claim.subject));
                }
                ruling.subjects.insert(claim.subject);
            }
        }
        // What is no record has no fields of theirs: a table's header, a document's outside.
        let erase = if ruling.held || part == Part::Structure {
            &[]
        } else {
            rule.map_or(&[][..], |rule| rule.erase_fields.as_slice())
        };
        let edits = replace::edits(&replace::Job {
            judge: self,
            unit,
            range,
            fields,
            hits,
            whose: &whose,
            kept: &kept,
            action,
            erase,
        });
        if edits.is_empty() {
            ruling.subjects.clear();
        } else {
            ruling.verdict = Verdict::Edit(edits);
        }
        ruling
    }

    /// The time of the record at `range` of `unit`; `None` if it is not known or no claim asks for it.
    fn time(
        &self,
        unit: &Unit<'_>,
        range: &Range<usize>,
        rule: Option<&Rule>,
        mtime: Option<Timestamp>,
    ) -> Option<Timestamp> {
        if !self.wants_time() {
            return None;
        }
        // A time field that the policy names decides alone: absent or unreadable is unknown, and so covered.
        if let Some(name) = rule.and_then(|rule| rule.time_field.as_ref()) {
            let fields = within(unit.fields, range);
            let field = fields.iter().find(|field| !field.place.is_name() && name.matches(&field.path))?;
            return stamp::value(&field.text);
        }
        stamp::of_line(unit.text.get(range.clone()).unwrap_or_default(), mtime).or(mtime)
    }

    /// The claims that `values` satisfy, for a record of `time` (`None`: not known or not asked for, and so covered).
    fn holding(&self, values: &BTreeSet<ValueId>, time: Option<Timestamp>) -> Holding<'n> {
        let mut holding = Holding { in_force: Vec::new(), held: Vec::new() };
        let claims: BTreeSet<u32> = values.iter().flat_map(|value| self.needles.claims_of(*value)).collect();
        for claim in claims.iter().filter_map(|at| self.needles.claim(*at)) {
            let covered = match (claim.before, time) {
                (Some(before), Some(time)) => time < before,
                _ => true,
            };
            if covered && claim.values().all(|value| values.contains(&value)) {
                let held = self.needles.subject(claim.subject).is_some_and(|subject| subject.held);
                if held { holding.held.push(claim) } else { holding.in_force.push(claim) }
            }
        }
        holding
    }

    /// Values that must stay because a held subject on the record shares them.
    fn shared(holding: &Holding<'_>) -> BTreeSet<ValueId> {
        holding.held.iter().flat_map(Claim::values).collect()
    }

    /// Where the values of the claims that hold stand, as ranges of the unit.
    fn own_spans(holding: &Holding<'_>, hits: &[&Hit]) -> Vec<Range<usize>> {
        let values: BTreeSet<ValueId> = holding.in_force.iter().flat_map(Claim::values).collect();
        hits.iter().filter(|hit| values.contains(&hit.value)).map(|hit| hit.span.clone()).collect()
    }
}

/// The fields whose text lies in `range`.
fn within<'f, 'r>(fields: &'f [Field<'r>], range: &Range<usize>) -> &'f [Field<'r>] {
    let from = fields.partition_point(|field| field.span.start < range.start);
    let to = fields.partition_point(|field| field.span.start < range.end);
    fields.get(from..to).unwrap_or_default()
}

/// A name as output shows it: UTF-8 as it is, control characters and other bytes as `%XX`.
pub fn shown(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() || c == '%' {
                let mut buf = [0; 4];
                for byte in c.encode_utf8(&mut buf).bytes() {
                    let _infallible = write!(out, "%{byte:02X}");
                }
            } else {
                out.push(c);
            }
        }
        for byte in chunk.invalid() {
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
    out
}
