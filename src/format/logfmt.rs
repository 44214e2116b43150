//! logfmt: a line is a record, a `key=value` pair a field.
//!
//! Reads as go-logfmt writes: pairs with blanks between, a value bare or in double quotes with the escapes of JSON, a key alone
//! for what is true. A line that does not start with a pair, or whose quotes do not close before a blank, has no fields and is
//! searched as text. Lines end with LF; a CR before it belongs to the line. Blank lines, a byte order mark and leading NULs
//! are structure. Escapes that JSON does not have (Go's `\x7f`) stand for themselves, as in the search of text.

use std::borrow::Cow;
use std::ops::Range;

use super::{Lines, content, look};
use crate::error::Result;
use crate::layer::{Hint, Records};
use crate::matcher::{Spelling, spelling};
use crate::record::{Cursor, Field, Place, Step};

/// The format.
pub struct Logfmt;

impl Records for Logfmt {
    fn name(&self) -> &'static str {
        "logfmt"
    }

    fn open(&self, _head: &[u8], _whole: bool, _hint: &Hint<'_>) -> Result<Box<dyn Cursor>> {
        Ok(Box::new(Pairs::default()))
    }
}

/// Whether `line` is logfmt (SPEC "Detection"): it starts with `key=value` and has at least three.
pub(crate) fn is_logfmt(line: &[u8]) -> bool {
    let mut found = look::pairs(line);
    found.next() == Some(0) && found.take(2).count() == 2
}

#[derive(Default)]
struct Pairs(Lines);

impl Cursor for Pairs {
    fn next(&mut self, window: &[u8], eof: bool) -> Result<Step> {
        Ok(self.0.next(window, eof))
    }

    fn fields<'r>(&self, record: &'r [u8], visit: &mut dyn FnMut(Field<'r>)) -> Result<()> {
        let line = content(record);
        // Twice over the line instead of a list of everything in it, as for JSON.
        let whole = tokens(line).try_fold(0, |count, token| token.map(|_| count + 1)).is_some();
        if !whole || tokens(line).next().flatten().is_none_or(|first| first.value.is_none()) {
            return Ok(());
        }
        let mut before = 0;
        for token in tokens(line).flatten() {
            emit(line, before, &token, visit);
            before = token.end;
        }
        Ok(())
    }

    fn settled(&self) -> bool {
        true
    }
}

/// Gives the name and the value of `token`; `before` is where the token before it ends.
fn emit<'r>(line: &'r [u8], before: usize, token: &Token, visit: &mut dyn FnMut(Field<'r>)) {
    let name = line.get(token.name.clone()).unwrap_or_default();
    let text = Cow::Borrowed(name);
    visit(Field {
        path: Vec::new(),
        span: token.name.clone(),
        whole: token.name.clone(),
        text,
        place: Place::PairName,
    });
    let Some((span, quoted)) = token.value.clone() else { return };
    let raw = line.get(span.clone()).unwrap_or_default();
    let decoded = if quoted { spelling::decode(Spelling::Json, raw).map(|(text, _)| text) } else { None };
    // A pair that goes takes the blanks after it; the last one those before it.
    let next = token.end + blanks(line, token.end);
    let whole = if next < line.len() { token.name.start..next } else { before..token.end };
    visit(Field {
        path: vec![Cow::Borrowed(name)],
        span,
        whole,
        text: decoded.map_or(Cow::Borrowed(raw), Cow::Owned),
        place: if quoted { Place::QuotedPair } else { Place::Pair },
    });
}

/// A pair, or a name alone.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    name: Range<usize>,
    /// Without its quotes; whether it has them.
    value: Option<(Range<usize>, bool)>,
    /// After the value, its quote included.
    end: usize,
}

/// The tokens of one line; a `None` where it is no logfmt, and nothing useful after that.
struct Tokens<'l> {
    line: &'l [u8],
    at: usize,
}

fn tokens(line: &[u8]) -> Tokens<'_> {
    Tokens { line, at: 0 }
}

impl Iterator for Tokens<'_> {
    type Item = Option<Token>;

    fn next(&mut self) -> Option<Option<Token>> {
        let start = self.at + blanks(self.line, self.at);
        let rest = self.line.get(start..).filter(|rest| !rest.is_empty())?;
        let token = token(rest, start);
        self.at = token.as_ref().map_or(self.line.len(), |token| token.end);
        Some(token)
    }
}

/// The token that `rest`, which starts at `start` of its line, starts with.
fn token(rest: &[u8], start: usize) -> Option<Token> {
    let len = rest.iter().position(|b| blank(*b) || matches!(b, b'=' | b'"')).unwrap_or(rest.len());
    let name = start..start + len;
    if len == 0 || rest.get(len) == Some(&b'"') {
        return None;
    }
    if rest.get(len) != Some(&b'=') {
        return Some(Token { end: name.end, name, value: None });
    }
    let value = rest.get(len + 1..).unwrap_or_default();
    let from = name.end + 1;
    if let Some(inner) = value.strip_prefix(b"\"") {
        let close = closing(inner)?;
        let ends = inner.get(close + 1).is_none_or(|b| blank(*b));
        let end = from + close + 2;
        return ends.then_some(Token { name, value: Some((from + 1..end - 1, true)), end });
    }
    let end = from + value.iter().position(|b| blank(*b)).unwrap_or(value.len());
    Some(Token { name, value: Some((from..end, false)), end })
}

/// Offset of the quote that closes a value which starts at `inner`.
fn closing(inner: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', inner.get(at..)?)?;
        match inner.get(at) {
            Some(b'\\') => at += 2,
            _ => return Some(at),
        }
    }
}

fn blank(byte: u8) -> bool {
    byte <= b' '
}

/// Number of blanks at `at`.
fn blanks(line: &[u8], at: usize) -> usize {
    line.get(at..).unwrap_or_default().iter().take_while(|b| blank(**b)).count()
}

#[cfg(test)]
#[path = "logfmt_tests.rs"]
mod tests;
