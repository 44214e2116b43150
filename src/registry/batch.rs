//! What a block of lines comes to: its events one after another, and the first fault.
//!
//! A thread fills a batch without a look at any other block; [`super::load`] has the batches played in the order of their blocks.
//! Nothing is allocated for a value of its own: their bytes stand in one buffer, references in another. Memory: about the block's
//! bytes and 150 bytes an event.

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::event::{Deed, Event, Hold, Seq, Terms};
use super::intern::Intern;
use super::names::Names;
use super::tells::Look;
use super::{chain, value};
use crate::error::{Error, Result};
use crate::matcher::Type;

/// Events and the values that they hold.
#[derive(Default)]
pub(super) struct Batch {
    steps: Vec<Step>,
    /// References.
    names: Zeroizing<String>,
    /// Values: for each its canonical bytes and then, if they differ, those that were written.
    bytes: Zeroizing<Vec<u8>>,
    parts: Vec<Part>,
    holds: Vec<Hold>,
    /// What ended the block before its end.
    pub fault: Option<Box<Fault>>,
    /// Room for a reference in lower case.
    lower: Zeroizing<String>,
    /// How much of `parts` and of `bytes` belongs to events.
    kept: (usize, usize),
}

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is an identifier.
    Alone,
    /// It is the first part of a composite.
    First,
    /// It is another part of the composite before it.
    Next,
}

/// A value in the buffer.
struct Part {
    kind: Type,
    place: Place,
    start: u32,
    bytes: u32,
    written: u32,
    /// What finds it among all values, once that is known.
    half: Option<u32>,
}

/// What a line names as the line before, and its own digest.
#[derive(Clone, Copy)]
pub(super) struct Link {
    /// `None`: not a digest.
    pub prev: Option<[u8; 32]>,
    pub own: [u8; 32],
}

impl Link {
    /// Of a line with these bytes (line end excluded) and this `prev`.
    pub(super) fn new(raw: &[u8], prev: &str) -> Self {
        Self { prev: chain::parse(prev), own: Sha256::digest(raw).into() }
    }
}

/// One line or row.
pub(super) enum Step {
    /// A blank line of a log.
    Blank(u64),
    Event(Deal),
}

/// An event without its texts.
pub(super) struct Deal {
    pub line: u64,
    seq: Seq,
    at: Option<Timestamp>,
    /// Where its reference stands in the batch's; `None`: it has none.
    name: Option<(u32, u32)>,
    tells: bool,
    what: What,
    pub link: Option<Link>,
}

enum What {
    /// Its parts.
    Erase(u32, u32, Terms),
    Cancel,
    /// Its index.
    Hold(u32),
    Release,
}

/// A fault, and what is to be judged before it.
pub(super) struct Fault {
    pub error: Error,
    /// The line's number and link, if it is an event of a log as far as the chain goes.
    pub after: Option<(u64, Option<Link>)>,
}

impl From<Error> for Box<Fault> {
    fn from(error: Error) -> Self {
        Self::new(Fault { error, after: None })
    }
}

/// What all events have.
pub(super) struct Head<'e> {
    pub line: u64,
    pub seq: Seq,
    pub at: Option<Timestamp>,
    /// Trimmed, not empty.
    pub subject: Option<&'e str>,
    pub link: Option<Link>,
}

impl Batch {
    /// As new, with room for what stands in a block of that many bytes: a buffer that grows leaves a copy behind that nobody
    /// wipes.
    pub(super) fn clear(&mut self, block: usize) {
        self.steps.clear();
        self.names.clear();
        self.bytes.clear();
        self.parts.clear();
        self.holds.clear();
        (self.fault, self.kept) = (None, (0, 0));
        self.names.reserve(block);
        self.bytes.reserve(block);
    }

    /// Notes a blank line.
    pub(super) fn blank(&mut self, line: u64) {
        self.steps.push(Step::Blank(line));
    }

    /// Adds a value to the next erase. Usage errors: see [`value::parse`].
    pub(super) fn value(&mut self, kind: Type, text: &str, place: Place, allow_short: bool) -> Result<()> {
        let start = self.bytes.len();
        let written = value::write(kind, text, allow_short, &mut self.bytes)?;
        let bytes = self.bytes.len() - start;
        self.bytes.extend_from_slice(written.as_bytes());
        // Both fit: a block has 1.3 MiB at the most, and values are no longer than their text.
        let part =
            Part { kind, place, start: start as u32, bytes: bytes as u32, written: written.len() as u32, half: None };
        self.parts.push(part);
        Ok(())
    }

    /// Whether the values since the last [`Place::First`] are not all one.
    pub(super) fn differ(&self) -> bool {
        let from = self.parts.iter().rposition(|part| part.place == Place::First).unwrap_or_default();
        let parts = self.parts.get(from..).unwrap_or_default();
        let text = |part: &Part| self.bytes.get(part.start as usize..(part.start + part.bytes) as usize);
        let same = |a: &Part, b: &Part| a.kind == b.kind && text(a) == text(b);
        parts.windows(2).any(|pair| !matches!(pair, [a, b] if same(a, b)))
    }

    /// Forgets the values that were added for an event that did not come to be.
    pub(super) fn forget(&mut self) {
        self.parts.truncate(self.kept.0);
        self.bytes.truncate(self.kept.1);
    }

    /// An erase of the values that were added since the last event.
    pub(super) fn erase(&mut self, head: &Head<'_>, terms: Terms) {
        let from = self.kept.0;
        let tells = head.subject.is_some_and(|name| {
            let look = Look::new(name, &mut self.lower);
            let mut parts = self.parts.get(from..).unwrap_or_default().iter();
            parts.any(|part| {
                let (bytes, written) = part.texts(&self.bytes);
                look.tells(part.kind, bytes, written)
            })
        });
        let what = What::Erase(from as u32, self.parts.len() as u32, terms);
        self.push(head, tells, what);
    }

    /// A cancel.
    pub(super) fn cancel(&mut self, head: &Head<'_>) {
        self.push(head, false, What::Cancel);
    }

    /// A hold.
    pub(super) fn hold(&mut self, head: &Head<'_>, hold: Hold) {
        let at = self.holds.len() as u32;
        self.holds.push(hold);
        self.push(head, false, What::Hold(at));
    }

    /// A release.
    pub(super) fn release(&mut self, head: &Head<'_>) {
        self.push(head, false, What::Release);
    }

    fn push(&mut self, head: &Head<'_>, tells: bool, what: What) {
        self.kept = (self.parts.len(), self.bytes.len());
        let &Head { line, seq, at, subject, link } = head;
        let name = subject.map(|name| {
            let start = self.names.len() as u32;
            self.names.push_str(name);
            (start, self.names.len() as u32)
        });
        self.steps.push(Step::Event(Deal { line, seq, at, name, tells, what, link }));
    }

    /// Before the batch is played: looks where all that is in it will be looked up. One after another, without anything between, these
    /// looks wait for memory together; with events between them each would wait by itself.
    pub(super) fn warm(&mut self, values: &Intern, names: &Names) {
        for part in &mut self.parts {
            let (bytes, _) = part.texts(&self.bytes);
            part.half = Some(values.half(part.kind, bytes));
        }
        self.parts.iter().filter_map(|part| part.half).for_each(|half| values.touch(half));
        for step in &self.steps {
            if let Step::Event(Deal { name: Some((start, end)), .. }) = step {
                let name = self.names.get(*start as usize..*end as usize);
                names.touch(name.unwrap_or_default());
            }
        }
    }

    /// What to play, in order.
    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Gives each event to `take`, whatever stands between them.
    pub(super) fn play(&self, take: &mut dyn FnMut(Event<'_>) -> Result<()>) -> Result<()> {
        self.steps.iter().try_for_each(|step| match step {
            Step::Blank(_) => Ok(()),
            Step::Event(deal) => take(self.event(deal)),
        })
    }

    /// The event with its texts.
    pub(super) fn event(&self, deal: &Deal) -> Event<'_> {
        let name = deal.name.map(|(start, end)| self.names.get(start as usize..end as usize).unwrap_or_default());
        let deed = match deal.what {
            What::Erase(start, end, terms) => {
                let parts = self.parts.get(start as usize..end as usize).unwrap_or_default();
                Deed::Erase(Values { parts, bytes: &self.bytes }, terms)
            }
            What::Cancel => Deed::Cancel,
            What::Hold(at) => self.holds.get(at as usize).map_or(Deed::Release, Deed::Hold),
            What::Release => Deed::Release,
        };
        Event { line: deal.line, seq: deal.seq, at: deal.at, subject: name, tells: deal.tells, deed }
    }
}

impl Part {
    /// Canonical bytes, and those that were written if they differ.
    fn texts<'b>(&self, bytes: &'b [u8]) -> (&'b [u8], &'b [u8]) {
        let canonical = self.start as usize + self.bytes as usize;
        let text = |from: usize, to: usize| bytes.get(from..to).unwrap_or_default();
        (text(self.start as usize, canonical), text(canonical, canonical + self.written as usize))
    }
}

/// The values of an erase.
#[derive(Clone, Copy)]
pub(super) struct Values<'e> {
    parts: &'e [Part],
    bytes: &'e [u8],
}

/// One value of an erase.
pub(super) struct Spelled<'e> {
    pub kind: Type,
    pub place: Place,
    /// Canonical bytes.
    pub bytes: &'e [u8],
    /// Those that were written; empty if they are the same.
    pub written: &'e [u8],
    /// Half of its hash, if [`Batch::warm`] told it.
    pub half: Option<u32>,
}

impl<'e> Values<'e> {
    /// Each value; the parts of a composite stand together.
    pub(super) fn iter(&self) -> impl Iterator<Item = Spelled<'e>> + use<'e> {
        let bytes = self.bytes;
        self.parts.iter().map(move |part| {
            let (canonical, written) = part.texts(bytes);
            Spelled { kind: part.kind, place: part.place, bytes: canonical, written, half: part.half }
        })
    }
}
