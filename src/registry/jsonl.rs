//! The log of events, one JSON object a line (SPEC "The deletion registry").
//!
//! A line by hand needs only `subject` and `identifiers`; one that `registry add` wrote has `seq`, `at`, `event` and `prev`
//! too. Nothing is guessed and nothing is skipped: a key that is unknown or belongs to another event, a value of the
//! wrong type, a broken chain end the run before it begins.

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer};

use super::Options;
use super::batch::{Batch, Fault, Head, Link, Place};
use super::event::{Hold, Seq, Terms, nearest, time};
use super::json::{self, Json, Members};
use super::ledger::Ledger;
use super::lines::{Line, Lines};
use crate::error::{At, Error, Result};
use crate::matcher::Type;

const KEYS: [&str; 10] =
    ["seq", "at", "event", "subject", "identifiers", "effective_at", "before", "until", "reason", "prev"];
const IDENTIFIER_KEYS: [&str; 3] = ["type", "value", "all_of"];
const PART_KEYS: [&str; 2] = ["type", "value"];
const EVENTS: [&str; 4] = ["erase", "cancel", "hold", "release"];

/// Reads every line into `batch`. Faults: usage, with the line's number.
pub(super) fn read(mut lines: Lines<'_>, options: &Options, batch: &mut Batch) -> Result<(), Box<Fault>> {
    while let Some(line) = lines.next()? {
        if !line.text.starts_with('{') && line.text.trim().is_empty() {
            batch.blank(line.number);
        } else if plain(&line, options, batch).is_none() {
            batch.forget();
            odd(&line, options, batch)?;
        }
    }
    Ok(())
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
    let mut batch = Batch::default();
    let mut members = members(text)?;
    let prev = members.text("prev")?;
    let seq = match members.peek("seq") {
        Some(Json::Number(seq)) => Some(*seq),
        _ => None,
    };
    event(1, members, None, options, &mut batch)?;
    let mut ledger = Ledger::new(options);
    batch.warm(&ledger.values, &ledger.names);
    batch.play(&mut |event| ledger.push(&event))?;
    Ok(Seen { seq, chained: prev.is_some() })
}

/// An erase of values that are told one by one: nearly all lines. Taken from the text without a tree.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Erasing<'l> {
    #[serde(default, deserialize_with = "given")]
    seq: Option<u64>,
    #[serde(borrow, default, deserialize_with = "given")]
    at: Option<&'l str>,
    #[serde(borrow, default, deserialize_with = "given")]
    event: Option<&'l str>,
    #[serde(borrow, default, deserialize_with = "given")]
    subject: Option<&'l str>,
    #[serde(borrow)]
    identifiers: Vec<Pair<'l>>,
    #[serde(borrow, default, deserialize_with = "given")]
    effective_at: Option<&'l str>,
    #[serde(borrow, default, deserialize_with = "given")]
    before: Option<&'l str>,
    #[serde(borrow, default, deserialize_with = "given")]
    prev: Option<&'l str>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair<'l> {
    #[serde(rename = "type", borrow)]
    kind: &'l str,
    #[serde(borrow)]
    value: &'l str,
}

/// A member that is there: `null` is a value of the wrong type.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads a line without escapes that is an [`Erasing`] and has no fault. Any other is left to [`odd`], which says what is wrong
/// with it, if anything: `None`, and `batch` may hold values of it.
fn plain(line: &Line<'_>, options: &Options, batch: &mut Batch) -> Option<()> {
    let erasing: Erasing<'_> = serde_json::from_str(line.text).ok()?;
    if !matches!(erasing.event, None | Some("erase")) || erasing.identifiers.is_empty() {
        return None;
    }
    let moment = |text: Option<&str>| text.map(|text| time("", text)).transpose().ok();
    let at = moment(erasing.at)?;
    let terms = Terms { effective_at: moment(erasing.effective_at)?, before: moment(erasing.before)? };
    for Pair { kind, value } in &erasing.identifiers {
        batch.value(Type::from_name(kind)?, value, Place::Alone, options.allow_short).ok()?;
    }
    let subject = erasing.subject.map(str::trim).filter(|subject| !subject.is_empty());
    let said = erasing.prev.map(|prev| Link::new(line.raw, prev));
    let seq = erasing.seq.map_or(Seq::Ordinal, Seq::Given);
    batch.erase(&Head { line: line.number, seq, at, subject, link: said }, terms);
    Some(())
}

/// Reads any line. The chain is judged before what an event says, but after its keys.
fn odd(line: &Line<'_>, options: &Options, batch: &mut Batch) -> Result<(), Box<Fault>> {
    let here = |e: Error| e.at(At::Line(line.number));
    let mut members = members(line.text).map_err(here)?;
    let prev = members.text("prev").map_err(here)?;
    let said = prev.map(|prev| Link::new(line.raw, &prev));
    event(line.number, members, said, options, batch)
        .map_err(|error| Box::new(Fault { error: here(error), after: Some((line.number, said)) }))
}

type Keys<'l> = Members<'l, { KEYS.len() }>;

fn members(text: &str) -> Result<Keys<'_>> {
    match json::parse(text)? {
        Json::Object(object) => Members::new(&KEYS, object),
        _ => Err(Error::usage("not a JSON object")),
    }
}

/// What the event is to do, as far as it is told by the word.
enum Word {
    Erase(Terms),
    Cancel,
    Hold(Hold),
    Release,
}

fn event(line: u64, mut members: Keys<'_>, said: Option<Link>, options: &Options, batch: &mut Batch) -> Result<()> {
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
    let word = match name {
        "erase" => Word::Erase(erase(&mut members, options, batch)?),
        "cancel" => Word::Cancel,
        "hold" => Word::Hold(Hold {
            until: moment(&mut members, "until")?,
            reason: reason.map(|r| r.into_owned().into_boxed_str()),
        }),
        "release" => Word::Release,
        other => {
            let near = nearest(other, &EVENTS);
            return Err(Error::usage(format!("unknown event (the nearest known one is `{near}`)")));
        }
    };
    if let Some(key) = members.left() {
        return Err(Error::usage(format!("`{key}` does not belong to this event")));
    }
    if subject.is_none() && !matches!(word, Word::Erase(_)) {
        return Err(
            Error::usage("this event needs a `subject`").help("the one of the erase, or `L<line>` for one without")
        );
    }
    let head = Head { line, seq, at, subject, link: said };
    match word {
        Word::Erase(terms) => batch.erase(&head, terms),
        Word::Cancel => batch.cancel(&head),
        Word::Hold(hold) => batch.hold(&head, hold),
        Word::Release => batch.release(&head),
    }
    Ok(())
}

/// Adds the values of an erase; gives their terms.
fn erase(members: &mut Keys<'_>, options: &Options, batch: &mut Batch) -> Result<Terms> {
    let terms = Terms { effective_at: moment(members, "effective_at")?, before: moment(members, "before")? };
    let list = members.list("identifiers")?.unwrap_or_default();
    if list.is_empty() {
        return Err(Error::usage("an erase needs `identifiers`"));
    }
    list.into_iter().try_for_each(|item| identifier(item, options, batch))?;
    Ok(terms)
}

fn identifier(item: Json<'_>, options: &Options, batch: &mut Batch) -> Result<()> {
    let Json::Object(object) = item else {
        return Err(Error::usage("an identifier must be an object"));
    };
    let mut members = Members::new(&IDENTIFIER_KEYS, object)?;
    let Some(parts) = members.list("all_of")? else {
        return pair(members, Place::Alone, options, batch);
    };
    if members.left().is_some() {
        return Err(Error::usage("`all_of` stands alone in its identifier"));
    }
    let parted = parts.len() > 1;
    let mut place = Place::First;
    for part in parts {
        match part {
            Json::Object(object) if object.iter().any(|(name, _)| name == "all_of") => {
                return Err(Error::usage("`all_of` inside `all_of`"));
            }
            Json::Object(object) => pair(Members::new(&PART_KEYS, object)?, place, options, batch)?,
            _ => return Err(Error::usage("an identifier must be an object")),
        }
        place = Place::Next;
    }
    if !(parted && batch.differ()) {
        return Err(Error::usage("`all_of` needs at least two different parts"));
    }
    Ok(())
}

fn pair<const N: usize>(mut members: Members<'_, N>, place: Place, options: &Options, batch: &mut Batch) -> Result<()> {
    let lacks = |name| Error::usage(format!("an identifier needs `{name}`"));
    let kind = members.text("type")?.ok_or_else(|| lacks("type"))?;
    let text = members.text("value")?.ok_or_else(|| lacks("value"))?;
    batch.value(super::kind_of(&kind)?, &text, place, options.allow_short)
}

fn moment<const N: usize>(members: &mut Members<'_, N>, name: &str) -> Result<Option<Timestamp>> {
    members.text(name)?.map(|text| time(name, &text)).transpose()
}
