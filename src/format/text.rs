//! Text: a log, whose records are lines with the lines that continue them, and other text, which has no records.
//!
//! Which lines continue the one before (SPEC "Text log") is decided once, on the stream's head: by time stamps if at least two
//! of its first 50 lines start with one, else by look; a policy's rule may say otherwise. Lines end with LF: a CR before it
//! belongs to the line, a lone CR is no line end. The first line starts a record even if it looks like a continuation. Text has
//! no fields; which of the two a stream is, [`super::is_log`] tells.

use regex_automata::meta::Regex;

use super::{Preamble, body, content, cri, lines};
use crate::error::{Error, Result};
use crate::judge::stamp;
use crate::layer::{Hint, Records};
use crate::limits::{MAX_CONTINUATION_BYTES, MAX_CONTINUATION_LINES};
use crate::policy::Continuation;
use crate::record::{Cursor, Field, Fragment, Part, Step};

/// Lines among which time stamps are looked for, and how many it takes (SPEC "Text log").
const STAMP_LINES: usize = 50;
const STAMPS: usize = 2;
/// Bytes of a line that decide whether it continues by look; a longer run of name characters is no exception's name.
const LOOK: usize = 4096;

/// A text log.
pub struct Log;

/// Other text.
pub struct Text;

impl Records for Log {
    fn name(&self) -> &'static str {
        "log"
    }

    fn open(&self, head: &[u8], _whole: bool, hint: &Hint<'_>) -> Result<Box<dyn Cursor>> {
        Ok(Box::new(Lines::new(Joins::choose(head, hint), Part::Data)))
    }
}

impl Records for Text {
    fn name(&self) -> &'static str {
        "text"
    }

    fn open(&self, _head: &[u8], _whole: bool, _hint: &Hint<'_>) -> Result<Box<dyn Cursor>> {
        Ok(Box::new(Lines::new(Joins::None, Part::Prose)))
    }
}

/// Which lines continue the record before.
#[derive(Debug, Clone)]
pub(crate) enum Joins {
    /// Those without a time stamp at their start.
    Unstamped,
    /// Those that look like it: indented, causes, exceptions.
    ByLook,
    /// None.
    None,
    /// Those that the policy's expression matches.
    Regex(Box<Regex>),
}

impl Joins {
    /// The rule for a stream that starts with `head`.
    pub(crate) fn choose(head: &[u8], hint: &Hint<'_>) -> Self {
        match hint.rule.map(|rule| &rule.continuation) {
            Some(Continuation::None) => Joins::None,
            Some(Continuation::Regex(regex)) => Joins::Regex(regex.clone()),
            _ if is_stamped(head) => Joins::Unstamped,
            _ => Joins::ByLook,
        }
    }

    /// Bytes of a line that it needs to see, if the line is longer.
    fn reach(&self) -> usize {
        match self {
            Joins::None => 0,
            Joins::Unstamped => stamp::REACH,
            Joins::ByLook => LOOK,
            Joins::Regex(_) => usize::MAX,
        }
    }

    /// Whether `line` (without its end, at least [`Joins::reach`] bytes of it) continues the one before.
    pub(crate) fn continues(&self, line: &[u8]) -> bool {
        match self {
            Joins::None => false,
            Joins::Unstamped => stamp::leading(line).is_none(),
            Joins::ByLook => looks_continued(line.get(..LOOK).unwrap_or(line)),
            Joins::Regex(regex) => regex.is_match(line),
        }
    }
}

/// Whether at least two of the first 50 lines start with a time stamp (SPEC "Text log").
pub(crate) fn is_stamped(head: &[u8]) -> bool {
    let stamped = lines(body(head)).take(STAMP_LINES).filter(|line| stamp::leading(content(line)).is_some());
    stamped.take(STAMPS).count() == STAMPS
}

fn looks_continued(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t' | 0x0b | 0x0c))
        || line.starts_with(b"Caused by:")
        || line.starts_with(b"Traceback")
        || is_more(line)
        || is_exception(line)
}

/// `... 12 more`
fn is_more(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"... ") else {
        return false;
    };
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    digits > 0 && rest.get(digits..).unwrap_or_default().starts_with(b" more")
}

/// `^[\w.$]+(Error|Exception|Warning)\b`
fn is_exception(line: &[u8]) -> bool {
    let named = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'$');
    let name = line.get(..line.iter().take_while(|b| named(b)).count()).unwrap_or_default();
    // Most lines start with no such name: three searches are saved.
    if !name.iter().skip(1).any(|b| matches!(b, b'E' | b'W')) {
        return false;
    }
    [&b"Error"[..], b"Exception", b"Warning"].into_iter().any(|word| {
        memchr::memmem::find_iter(name, word)
            .any(|at| at > 0 && matches!(name.get(at + word.len()), None | Some(b'.' | b'$')))
    })
}

/// Cuts lines, and joins those that continue.
struct Lines {
    preamble: Preamble,
    joins: Joins,
    kind: Part,
    /// Bytes of the window that are the record's whole lines so far.
    at: usize,
    /// Bytes of the window after `at` in which there is no line feed.
    searched: usize,
    /// Whether the line at `at` is known to belong to the record.
    belongs: bool,
    /// Length of the record's first line; 0 while that is not known.
    first: usize,
    /// Continuation lines so far, the one at `at` included if it belongs.
    more: usize,
}

impl Lines {
    fn new(joins: Joins, kind: Part) -> Self {
        let preamble = Preamble::default();
        Self { preamble, joins, kind, at: 0, searched: 0, belongs: true, first: 0, more: 0 }
    }

    /// The record is the first `len` bytes of the window.
    fn record(&mut self, len: usize) -> Step {
        (self.at, self.searched, self.belongs, self.first, self.more) = (0, 0, true, 0, 0);
        Step::Record { len, kind: self.kind }
    }

    /// Fails if the record's continuation, which reaches to `end` at least, is too long.
    fn bound(&self, end: usize) -> Result<()> {
        if self.more > MAX_CONTINUATION_LINES {
            return Err(Error::limit(format!("continuation lines of one record ({MAX_CONTINUATION_LINES})")).help(HELP));
        }
        if self.first > 0 && end - self.first > MAX_CONTINUATION_BYTES {
            let what = format!("continuation of one record ({MAX_CONTINUATION_BYTES} bytes)");
            return Err(Error::limit(what).help(HELP));
        }
        Ok(())
    }
}

const HELP: &str = "a policy rule's `continuation` says which lines belong together";

impl Cursor for Lines {
    fn next(&mut self, window: &[u8], eof: bool) -> Result<Step> {
        if let Some(step) = self.preamble.step(window, eof) {
            return Ok(step);
        }
        loop {
            let rest = window.get(self.at..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(if eof && self.at > 0 { self.record(self.at) } else { Step::More });
            }
            let feed = memchr::memchr(b'\n', rest.get(self.searched..).unwrap_or_default());
            let end = feed.map(|n| self.searched + n + 1);
            self.searched = end.map_or(rest.len(), |end| end - 1);
            if !self.belongs {
                let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
                if end.is_none() && !eof && line.len() < self.joins.reach() {
                    return Ok(Step::More);
                }
                if !self.joins.continues(content(line)) {
                    return Ok(self.record(self.at));
                }
                self.belongs = true;
                self.more += 1;
            }
            let whole = end.or_else(|| eof.then_some(rest.len()));
            self.bound(self.at + whole.unwrap_or(rest.len()))?;
            let Some(len) = whole else {
                return Ok(Step::More);
            };
            self.at += len;
            (self.searched, self.belongs) = (0, false);
            if self.first == 0 {
                self.first = self.at;
            }
            if matches!(self.joins, Joins::None) {
                return Ok(self.record(self.at));
            }
        }
    }

    fn fields<'r>(&self, _record: &'r [u8], _visit: &mut dyn FnMut(Field<'r>)) -> Result<()> {
        Ok(())
    }

    fn fragment(&self, record: &[u8]) -> Option<Fragment> {
        cri::fragment(record)
    }

    fn settled(&self) -> bool {
        true
    }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
