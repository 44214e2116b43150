//! The log of events, one JSON object a line (SPEC "The deletion registry").
//!
//! A line by hand needs only `subject` and `identifiers`; one that `registry add` wrote has `seq`, `at`, `event` and `prev`
//! too. Nothing is guessed and nothing is skipped: a key that is unknown or belongs to another event, a value of the
//! wrong type, a broken chain end the run before it begins.

use std::io::BufRead;

use super::Options;
use super::chain::Chain;
use super::event::{Change, Erase, Event, Hold, Identifier, Reference, Seq, Terms, nearest, time};
use super::json::{self, Json, Members};
use super::ledger::Ledger;
use super::lines::Lines;
use super::value;
use crate::error::{At, Error, Result};
use crate::matcher::Value;

const KEYS: [&str; 10] =
    ["seq", "at", "event", "subject", "identifiers", "effective_at", "before", "until", "reason", "prev"];
const IDENTIFIER_KEYS: [&str; 3] = ["type", "value", "all_of"];
const PART_KEYS: [&str; 2] = ["type", "value"];
const EVENTS: [&str; 4] = ["erase", "cancel", "hold", "release"];

/// Reads every line into `ledger`. Errors: usage, with the line's number.
pub(super) fn read(lines: &mut Lines<impl BufRead>, options: &Options, ledger: &mut Ledger<'_>) -> Result<()> {
    let mut chain = Chain::default();
    grow(lines, options, ledger);
    while read_line(lines, &mut chain, options, ledger)? {
        grow(lines, options, ledger);
    }
    Ok(())
}

/// Notes whether the lines so far are those that an earlier run saw.
fn grow(lines: &Lines<impl BufRead>, options: &Options, ledger: &mut Ledger<'_>) {
    if let (Some(sha256), Some(seq), false) = (&options.as_of_sha256, options.as_of_seq, ledger.grown) {
        ledger.grown = ledger.seq == seq && lines.are(sha256);
    }
}

fn read_line(
    lines: &mut Lines<impl BufRead>,
    chain: &mut Chain,
    options: &Options,
    ledger: &mut Ledger<'_>,
) -> Result<bool> {
    let Some(line) = lines.next()? else { return Ok(false) };
    if line.text.trim().is_empty() {
        chain.blank(line.number)?;
        return Ok(true);
    }
    let here = |e: Error| e.at(At::Line(line.number));
    let mut members = members(line.text).map_err(here)?;
    let prev = members.text("prev").map_err(here)?;
    chain.follow(line.raw, prev.as_deref(), line.number)?;
    event(line.number, members, options, ledger).map_err(here)?;
    Ok(true)
}

/// What the last line of a log says about the next one.
pub(super) struct Seen {
    /// Its number, if it has one.
    pub seq: Option<u64>,
    /// Whether it is chained.
    pub chained: bool,
}

/// Judges one line (without its end) by itself, as [`read`] would. Errors: usage, without a line number.
pub(super) fn line(text: &str, options: &Options) -> Result<Seen> {
    let mut ledger = Ledger::new(options);
    let mut members = members(text)?;
    let chained = members.text("prev")?.is_some();
    let seq = match members.peek("seq") {
        Some(Json::Number(seq)) => Some(*seq),
        _ => None,
    };
    event(1, members, options, &mut ledger)?;
    Ok(Seen { seq, chained })
}

type Line<'l> = Members<'l, { KEYS.len() }>;

fn members(text: &str) -> Result<Line<'_>> {
    match json::parse(text)? {
        Json::Object(object) => Members::new(&KEYS, object),
        _ => Err(Error::usage("not a JSON object")),
    }
}

fn event(line: u64, mut members: Line<'_>, options: &Options, ledger: &mut Ledger<'_>) -> Result<()> {
    let seq = match members.take("seq") {
        None => Seq::Ordinal,
        Some(Json::Number(seq)) => Seq::Given(seq),
        Some(_) => return Err(Error::usage("`seq` must be a whole number")),
    };
    let at = moment(&mut members, "at")?;
    let subject = members.text("subject")?;
    let subject = subject.as_deref().map(str::trim).filter(|s| !s.is_empty());
    let name = members.text("event")?;
    let name = name.as_deref().unwrap_or("erase");
    let reason = members.text("reason")?;
    let change = match name {
        "erase" => Change::Erase(erase(&mut members, options)?),
        "cancel" => Change::Cancel,
        "hold" => Change::Hold(Hold {
            until: moment(&mut members, "until")?,
            reason: reason.map(|r| r.into_owned().into_boxed_str()),
        }),
        "release" => Change::Release,
        other => {
            let near = nearest(other, &EVENTS);
            return Err(Error::usage(format!("unknown event (the nearest known one is `{near}`)")));
        }
    };
    if let Some(key) = members.left() {
        return Err(Error::usage(format!("`{key}` does not belong to this event")));
    }
    if subject.is_none() && !matches!(change, Change::Erase(_)) {
        return Err(
            Error::usage("this event needs a `subject`").help("the one of the erase, or `L<line>` for one without")
        );
    }
    ledger.push(Event { line, seq, at, subject: subject.map(Reference), change })
}

fn erase(members: &mut Line<'_>, options: &Options) -> Result<Erase> {
    let terms = Terms { effective_at: moment(members, "effective_at")?, before: moment(members, "before")? };
    let list = members.list("identifiers")?.unwrap_or_default();
    if list.is_empty() {
        return Err(Error::usage("an erase needs `identifiers`"));
    }
    let identifiers = list.into_iter().map(|item| identifier(item, options));
    Ok(Erase { identifiers: identifiers.collect::<Result<_>>()?, terms })
}

fn identifier(item: Json<'_>, options: &Options) -> Result<Identifier> {
    let Json::Object(object) = item else {
        return Err(Error::usage("an identifier must be an object"));
    };
    let mut members = Members::new(&IDENTIFIER_KEYS, object)?;
    let Some(parts) = members.list("all_of")? else {
        return plain(members, options).map(Identifier::One);
    };
    if members.left().is_some() {
        return Err(Error::usage("`all_of` stands alone in its identifier"));
    }
    let parts = parts.into_iter().map(|part| match part {
        Json::Object(object) if object.iter().any(|(name, _)| name == "all_of") => {
            Err(Error::usage("`all_of` inside `all_of`"))
        }
        Json::Object(object) => plain(Members::new(&PART_KEYS, object)?, options),
        _ => Err(Error::usage("an identifier must be an object")),
    });
    let parts = parts.collect::<Result<Vec<Value>>>()?;
    let same = |a: &Value, b: &Value| a.kind == b.kind && a.bytes == b.bytes;
    if !parts.iter().skip(1).any(|part| !parts.first().is_some_and(|first| same(first, part))) {
        return Err(Error::usage("`all_of` needs at least two different parts"));
    }
    Ok(Identifier::AllOf(parts))
}

fn plain<const N: usize>(mut members: Members<'_, N>, options: &Options) -> Result<Value> {
    let lacks = |name| Error::usage(format!("an identifier needs `{name}`"));
    let kind = members.text("type")?.ok_or_else(|| lacks("type"))?;
    let text = members.text("value")?.ok_or_else(|| lacks("value"))?;
    value::parse(super::kind_of(&kind)?, &text, options.allow_short)
}

fn moment<const N: usize>(members: &mut Members<'_, N>, name: &str) -> Result<Option<jiff::Timestamp>> {
    members.text(name)?.map(|text| time(name, &text)).transpose()
}
