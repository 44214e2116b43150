//! What comes in, in any form, on its way into the log.
//!
//! [`Incoming`] is a registry read from a file or a pipe: who stands there and with what, as its own events come to.
//! [`Incoming::requests`] makes new requests of it, with a subject and terms from the command line (`registry add`).
//! [`Incoming::import`] takes it over as it stands, less what the log has already (`registry import`): it never cancels or
//! releases, and never brings back what was cancelled in the log, so that the same list can be imported every night.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, Cursor, Read};

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::append::Log;
use super::event::{Change, Erase, Hold, Identifier, Terms};
use super::ledger::{Draft, Ledger, Track};
use super::{Form, Options, delimited, load};
use crate::error::{At, Error, Result};
use crate::limits::MAX_REGISTRY_LINE;
use crate::matcher::{Value, ValueId};
use crate::pool::Pool;

/// The form of what can be read, by its first line that is neither blank nor a `#` comment, and all of it: a JSON object, a
/// table's header, else plain values. Error: [`crate::error::Kind::Io`].
pub fn sniff<R: BufRead>(mut input: R) -> Result<(Form, impl BufRead + use<R>)> {
    let mut head = Zeroizing::new(Vec::with_capacity(4096));
    let form = loop {
        let start = head.len();
        let mut bounded = input.by_ref().take(MAX_REGISTRY_LINE as u64);
        let read = bounded.read_until(b'\n', &mut head).map_err(|e| Error::io("reading the values", &e))?;
        let line = String::from_utf8_lossy(head.get(start..).unwrap_or_default());
        let line = Zeroizing::new(line.trim_start_matches('\u{feff}').trim().to_owned());
        if read == 0 || head.len() > MAX_REGISTRY_LINE || !(line.is_empty() || line.starts_with('#')) {
            break form_of(&line);
        }
    };
    Ok((form, Cursor::new(head).chain(input)))
}

fn form_of(line: &str) -> Form {
    // A UUID may stand in braces too.
    let object = line.strip_prefix('{').is_some_and(|rest| rest.trim_start().starts_with(['"', '}']));
    if object {
        Form::Jsonl
    } else if delimited::is_header(line, ',') {
        Form::Csv
    } else if delimited::is_header(line, '\t') {
        Form::Tsv
    } else {
        Form::Txt
    }
}

/// New requests' subject and terms.
#[derive(Debug, Clone, Copy, Default)]
pub struct Adding<'a> {
    /// Whose all values are; without it each row says, and a bare value is a subject of its own.
    pub subject: Option<&'a str>,
    /// For identifiers that do not say it themselves.
    pub terms: Terms,
    /// All values together make one composite identifier.
    pub all_of: bool,
}

/// What an import came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Subjects of whom something was appended.
    pub subjects: u64,
    /// Identifiers appended.
    pub identifiers: u64,
    /// Holds appended.
    pub holds: u64,
    /// Identifiers that their subject had in the log already.
    pub known: u64,
    /// Subjects left alone because their erasure was cancelled in the log.
    pub cancelled: u64,
    /// Subjects left alone because their erasure was cancelled in what was imported.
    pub withdrawn: u64,
}

/// A registry on its way in.
pub struct Incoming<'o>(Ledger<'o>);

impl<'o> Incoming<'o> {
    /// Reads all of `input`. Usage errors as [`super::read`]'s, and if nobody is in it.
    pub fn read(input: impl Read, form: Form, options: &'o Options, pool: &dyn Pool) -> Result<Self> {
        let mut ledger = Ledger::new(options);
        load::load(input, form, &mut ledger, pool)?;
        if ledger.seq == 0 { Err(Error::usage("no values were given")) } else { Ok(Self(ledger)) }
    }

    /// The erases to append, in order, each with its subject.
    ///
    /// Usage errors, with the line: an event that is no erase, a row that names another subject than `adding` does, values
    /// that cannot be parts of one composite.
    pub fn requests(&self, adding: &Adding<'_>) -> Result<Vec<(Option<String>, Erase)>> {
        let mut out: Vec<(Option<String>, Erase)> = Vec::new();
        let mut seen = HashSet::new();
        for track in self.0.tracks() {
            let bad = |what| Error::usage(what).at(At::Line(track.line()));
            if track.is_bare() || track.hold().is_some() {
                return Err(bad("not an erase; `registry import` takes other events"));
            }
            let named = track.name();
            if adding.subject.is_some() && named.is_some() && named != adding.subject {
                return Err(bad("another subject than --subject stands here"));
            }
            let subject = adding.subject.or(named);
            let mut fresh = !adding.all_of && adding.subject.is_none();
            for draft in track.drafts() {
                let own = draft.terms;
                let terms = Terms {
                    effective_at: own.effective_at.or(adding.terms.effective_at),
                    before: own.before.or(adding.terms.before),
                };
                // What stands twice is said once; subjects without a name are people of their own all the same.
                let of = if subject.is_some() || adding.all_of { 0 } else { track.line() };
                if !seen.insert((subject, of, draft.ids, terms)) {
                    continue;
                }
                let identifier = self.identifier(&draft);
                match out.last_mut().filter(|_| !fresh) {
                    Some((last, erase)) if last.as_deref() == subject && erase.terms == terms => {
                        erase.identifiers.push(identifier);
                    }
                    Some(_) if adding.all_of => return Err(bad("parts of one composite must share subject and terms")),
                    _ => out.push((subject.map(str::to_owned), Erase { identifiers: vec![identifier], terms })),
                }
                fresh = false;
            }
        }
        if adding.all_of {
            out.iter_mut().try_for_each(|(_, erase)| join(erase))?;
        }
        Ok(out)
    }

    /// Pushes onto `log` what it does not have. Reads all of it: memory as for a run with both registries.
    ///
    /// Usage errors: the log's own faults; what the log cannot say.
    pub fn import(&self, log: &mut Log, now: Timestamp) -> Result<Imported> {
        let options = Log::as_it_is(now);
        let mut there = Ledger::new(&options);
        there.keep_cleared();
        log.read(&mut there)?;
        let mut there = There::new(&there, now);
        let mut done = Imported::default();
        for track in self.0.tracks() {
            self.take(track, &mut there, log, &mut done)?;
        }
        Ok(done)
    }

    /// Takes over one subject.
    fn take<'i>(
        &'i self,
        track: Track<'i>,
        there: &mut There<'_, 'i>,
        log: &mut Log,
        done: &mut Imported,
    ) -> Result<()> {
        let bad = |what| Error::usage(what).at(At::Line(track.line()));
        let name = track.name();
        let known = name.and_then(|name| there.ledger.find(name)).and_then(|at| there.ledger.track(at));
        if known.is_some_and(|known| known.name() != name) {
            return Err(bad("the subject's reference is what the registry calls one of its lines"));
        }
        let mut erases: Vec<Erase> = Vec::new();
        done.withdrawn += u64::from(track.cancelled());
        let cancelled = known.is_some_and(Track::cancelled);
        done.cancelled += u64::from(cancelled && !track.is_bare());
        for draft in track.drafts().filter(|_| !cancelled) {
            let terms = draft.terms;
            let mapped = there.values(&self.0, &draft);
            match there.verdict(name.is_some(), known, mapped.as_deref(), terms) {
                Verdict::Known => done.known += 1,
                Verdict::Cancelled => done.cancelled += 1,
                Verdict::New if !there.first(track, &draft) => done.known += 1,
                Verdict::New => {
                    done.identifiers += 1;
                    match erases.last_mut().filter(|erase| erase.terms == terms) {
                        Some(erase) => erase.identifiers.push(self.identifier(&draft)),
                        None => erases.push(Erase { identifiers: vec![self.identifier(&draft)], terms }),
                    }
                }
            }
        }
        let hold = track.hold().filter(|_| track.held(there.now));
        let hold = hold.filter(|hold| !known.is_some_and(|known| holds(known, hold, there.now)));
        done.subjects += u64::from(hold.is_some() || !erases.is_empty());
        for erase in erases {
            log.push(name, &Change::Erase(erase)).map_err(|e| e.at(At::Line(track.line())))?;
        }
        if let Some(hold) = hold {
            if name.is_none() {
                return Err(bad("a hold of a subject without a reference cannot be imported; name the subject"));
            }
            done.holds += 1;
            log.push(name, &Change::Hold(hold.clone())).map_err(|e| e.at(At::Line(track.line())))?;
        }
        Ok(())
    }

    fn identifier(&self, draft: &Draft<'_>) -> Identifier {
        let values: Vec<Value> =
            draft.ids.iter().filter_map(|id| self.0.values.get(*id)).map(|value| value.to_owned()).collect();
        match values.as_slice() {
            [value] => Identifier::One(value.clone()),
            _ => Identifier::AllOf(values),
        }
    }
}

/// Makes the identifiers of `erase` the parts of one.
fn join(erase: &mut Erase) -> Result<()> {
    let parts = erase.identifiers.drain(..).map(|identifier| match identifier {
        Identifier::One(value) => Ok(value),
        Identifier::AllOf(_) => Err(Error::usage("a composite cannot be part of one")),
    });
    let parts = parts.collect::<Result<Vec<Value>>>()?;
    if parts.len() < 2 {
        return Err(Error::usage("--all-of needs at least two different values"));
    }
    erase.identifiers.push(Identifier::AllOf(parts));
    Ok(())
}

/// Whether `known` is held for as long as `hold` would hold it.
fn holds(known: Track<'_>, hold: &Hold, now: Timestamp) -> bool {
    let until = known.hold().filter(|_| known.held(now)).map(|held| held.until);
    until.is_some_and(|until| until.is_none_or(|until| hold.until.is_some_and(|wanted| wanted <= until)))
}

/// What the log says of an identifier.
enum Verdict {
    Known,
    /// Of a subject without a reference: it was cancelled.
    Cancelled,
    New,
}

/// The log, ready to be asked; `'i` is of what comes in.
struct There<'t, 'i> {
    ledger: &'t Ledger<'t>,
    now: Timestamp,
    /// Identifiers of subjects without a reference, and their terms.
    nameless: HashMap<&'t [ValueId], Vec<Terms>>,
    /// Identifiers of such subjects that were cancelled.
    cleared: HashSet<&'t [ValueId]>,
    /// What of the incoming ones was new: the line of a subject with a reference, values by the incoming ledger's ids.
    taken: HashSet<(u64, &'i [ValueId], Terms)>,
}

impl<'t, 'i> There<'t, 'i> {
    fn new(ledger: &'t Ledger<'t>, now: Timestamp) -> Self {
        let mut nameless: HashMap<&[ValueId], Vec<Terms>> = HashMap::new();
        for draft in ledger.tracks().filter(|track| track.name().is_none()).flat_map(Track::drafts) {
            nameless.entry(draft.ids).or_default().push(draft.terms);
        }
        let cleared = ledger.cleared().filter(|(track, _)| track.name().is_none()).map(|(_, draft)| draft.ids);
        Self { ledger, now, nameless, cleared: cleared.collect(), taken: HashSet::new() }
    }

    /// The incoming identifier in the log's values; `None` if the log has never heard of it.
    fn values(&self, incoming: &Ledger<'_>, draft: &Draft<'_>) -> Option<Vec<ValueId>> {
        let id = |id: &ValueId| {
            let value = incoming.values.get(*id)?;
            self.ledger.values.find(value.kind, &value.bytes())
        };
        let mut all = draft.ids.iter().map(id).collect::<Option<Vec<_>>>()?;
        all.sort_unstable();
        Some(all)
    }

    fn verdict(&self, named: bool, known: Option<Track<'_>>, values: Option<&[ValueId]>, wanted: Terms) -> Verdict {
        let Some(values) = values else { return Verdict::New };
        let covered = if named {
            let mut drafts = known.into_iter().flat_map(Track::drafts).filter(|draft| draft.ids == values);
            drafts.any(|draft| self.covers(draft.terms, wanted))
        } else {
            self.nameless.get(values).is_some_and(|all| all.iter().any(|terms| self.covers(*terms, wanted)))
        };
        if covered {
            Verdict::Known
        } else if !named && self.cleared.contains(values) && !self.nameless.contains_key(values) {
            Verdict::Cancelled
        } else {
            Verdict::New
        }
    }

    /// Whether what has these terms is erased as soon and as far as what is `wanted`.
    fn covers(&self, terms: Terms, wanted: Terms) -> bool {
        let waits = |at: Option<Timestamp>| at.filter(|at| *at > self.now);
        let soon =
            waits(terms.effective_at).is_none_or(|at| waits(wanted.effective_at).is_some_and(|wanted| wanted >= at));
        soon && terms.before.is_none_or(|before| wanted.before.is_some_and(|wanted| wanted <= before))
    }

    /// Whether this is the first time that it comes in.
    fn first(&mut self, track: Track<'i>, draft: &Draft<'i>) -> bool {
        let of = if track.name().is_some() { track.line() } else { 0 };
        self.taken.insert((of, draft.ids, draft.terms))
    }
}
