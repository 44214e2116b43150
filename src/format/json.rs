//! A scanner of JSON text (RFC 8259) that knows where everything stands.
//!
//! [`Scanner`] gives events with spans and keeps a stack of its own, so that depth costs no call stack. [`fields`] makes the
//! scalars of one text out of them. It accepts what RFC 8259 does, and besides, in strings, bytes that are no UTF-8 and lone
//! surrogates: logs hold them, and a line that is refused here is searched with less knowledge. Duplicate names are all
//! given. It builds no values, and knows no lines and no records.

#![expect(
    clippy::indexing_slicing,
    reason = "a hot scanner: `at` never passes `text.len()`, and spans are made from positions it had"
)]

use std::borrow::Cow;
use std::ops::Range;

use crate::error::{Error, Result};
use crate::record::{Field, Place};

/// Levels of arrays and objects inside one another; eight times what common parsers allow.
pub const MAX_DEPTH: usize = 1024;

/// What is open around a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inside {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
}

/// One step through the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// `{` or `[`
    Open(Inside),
    /// `}` or `]`
    Close(Inside),
    /// A member's name, without its quotes; its value follows.
    Key(Range<usize>),
    /// A scalar: without its quotes if it is a string.
    Scalar(Range<usize>, Place),
}

/// Why a text is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// The byte at this offset cannot stand there.
    Syntax(usize),
    /// It ends where more must come: what is there may be the start of a JSON text.
    End,
    /// Deeper than [`MAX_DEPTH`].
    Depth,
}

/// What may come next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// A value must come.
    #[default]
    Value,
    /// After `[`: a value or the end.
    FirstValue,
    /// After `{`: a name or the end.
    FirstKey,
    /// After a comma in an object.
    Key,
    /// After a value.
    After,
}

/// Where a scanner stands in a text that comes in windows: what is open, and what may come next.
#[derive(Debug, Clone, Default)]
pub struct Spot {
    stack: Vec<Inside>,
    state: State,
}

impl Spot {
    /// Where a member of an object starts.
    pub fn member() -> Self {
        Self { stack: vec![Inside::Object], state: State::FirstKey }
    }

    /// The innermost thing that is open.
    pub fn inside(&self) -> Option<Inside> {
        self.stack.last().copied()
    }

    /// Number of things that are open.
    pub fn depth(&self) -> usize {
        self.stack.len()
    }

    /// Whether the outermost value is over.
    pub fn complete(&self) -> bool {
        self.state == State::After && self.stack.is_empty()
    }

    /// Whether nothing was read yet.
    pub fn is_start(&self) -> bool {
        self.state == State::Value && self.stack.is_empty()
    }

    /// Steps over the comma that the text goes on with, if one may come here.
    pub fn comma(&mut self, next: u8) -> bool {
        let state = match self.inside() {
            Some(Inside::Object) => State::Key,
            Some(Inside::Array) => State::Value,
            None => return false,
        };
        let comes = next == b',' && self.state == State::After;
        if comes {
            self.state = state;
        }
        comes
    }
}

/// A place between two events.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    at: usize,
    state: State,
}

/// Steps through one JSON text.
#[derive(Debug, Clone)]
pub struct Scanner<'t> {
    text: &'t [u8],
    at: usize,
    stack: Vec<Inside>,
    state: State,
}

impl<'t> Scanner<'t> {
    /// At the start of `text`.
    pub fn new(text: &'t [u8]) -> Self {
        Self { text, at: 0, stack: Vec::new(), state: State::Value }
    }

    /// At offset `at` of `text`, which stands where `spot` says.
    pub fn resume(text: &'t [u8], at: usize, spot: Spot) -> Self {
        Self { text, at, stack: spot.stack, state: spot.state }
    }

    /// Offset of the byte after the last event, and where that is.
    pub fn leave(self) -> (usize, Spot) {
        (self.at, Spot { stack: self.stack, state: self.state })
    }

    /// The innermost thing that is open.
    pub fn inside(&self) -> Option<Inside> {
        self.stack.last().copied()
    }

    /// Number of things that are open.
    pub fn depth(&self) -> usize {
        self.stack.len()
    }

    /// Where it stands now, for [`Scanner::back`].
    pub fn mark(&self) -> Mark {
        Mark { at: self.at, state: self.state }
    }

    /// Back to where it stood: nothing was opened or closed since.
    pub fn back(&mut self, mark: Mark) {
        (self.at, self.state) = (mark.at, mark.state);
    }

    /// As [`Scanner::step`] over the start of a longer text: an event that may go on behind its end (a number), and one that is not
    /// whole, are [`Bad::End`], and the scanner stands where it stood.
    pub fn step_in(&mut self) -> Result<Option<Event>, Bad> {
        let mark = self.mark();
        let mut event = self.step();
        if let Ok(Some(Event::Scalar(span, Place::JsonBare | Place::JsonNull))) = &event
            && span.end == self.text.len()
        {
            event = Err(Bad::End);
        }
        if event == Err(Bad::End) {
            self.back(mark);
        }
        event
    }

    /// Offset of the byte after the last event.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Whether the outermost value is over.
    pub fn complete(&self) -> bool {
        self.state == State::After && self.stack.is_empty()
    }

    /// The next event; `None` at the end of a whole text. After an error no further call is useful.
    pub fn step(&mut self) -> Result<Option<Event>, Bad> {
        loop {
            self.blanks();
            let Some(&byte) = self.text.get(self.at) else {
                return if self.complete() { Ok(None) } else { Err(Bad::End) };
            };
            match (self.state, byte) {
                (State::Value | State::FirstValue, b'{') => {
                    return self.open(Inside::Object, State::FirstKey);
                }
                (State::Value | State::FirstValue, b'[') => {
                    return self.open(Inside::Array, State::FirstValue);
                }
                (State::FirstValue | State::After, b']') => return self.close(Inside::Array),
                (State::FirstKey | State::After, b'}') => return self.close(Inside::Object),
                (State::Value | State::FirstValue, _) => return self.scalar(byte).map(Some),
                (State::FirstKey | State::Key, b'"') => return self.key().map(Some),
                (State::After, b',') => match self.inside() {
                    Some(Inside::Object) => self.go(State::Key),
                    Some(Inside::Array) => self.go(State::Value),
                    None => return Err(Bad::Syntax(self.at)),
                },
                _ => return Err(Bad::Syntax(self.at)),
            }
        }
    }

    fn go(&mut self, state: State) {
        self.at += 1;
        self.state = state;
    }

    fn blanks(&mut self) {
        self.at = skip_blanks(self.text, self.at);
    }

    fn open(&mut self, what: Inside, state: State) -> Result<Option<Event>, Bad> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(Bad::Depth);
        }
        self.stack.push(what);
        self.go(state);
        Ok(Some(Event::Open(what)))
    }

    fn close(&mut self, what: Inside) -> Result<Option<Event>, Bad> {
        if self.inside() != Some(what) {
            return Err(Bad::Syntax(self.at));
        }
        self.stack.pop();
        self.go(State::After);
        Ok(Some(Event::Close(what)))
    }

    fn key(&mut self) -> Result<Event, Bad> {
        let span = self.string()?;
        self.blanks();
        match self.text.get(self.at) {
            Some(b':') => self.go(State::Value),
            Some(_) => return Err(Bad::Syntax(self.at)),
            None => return Err(Bad::End),
        }
        Ok(Event::Key(span))
    }

    fn scalar(&mut self, first: u8) -> Result<Event, Bad> {
        let event = match first {
            b'"' => Event::Scalar(self.string()?, Place::JsonString),
            b't' => Event::Scalar(self.word(b"true")?, Place::JsonBare),
            b'f' => Event::Scalar(self.word(b"false")?, Place::JsonBare),
            b'n' => Event::Scalar(self.word(b"null")?, Place::JsonNull),
            b'-' | b'0'..=b'9' => Event::Scalar(self.number()?, Place::JsonBare),
            _ => return Err(Bad::Syntax(self.at)),
        };
        self.state = State::After;
        Ok(event)
    }

    /// Steps over a string; its span without quotes.
    fn string(&mut self) -> Result<Range<usize>, Bad> {
        let start = self.at + 1;
        let mut at = start;
        loop {
            match self.text.get(at) {
                None => return Err(Bad::End),
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(start..at);
                }
                Some(b'\\') => at = self.escape(at)?,
                Some(..0x20) => return Err(Bad::Syntax(at)),
                Some(_) => at += 1,
            }
        }
    }

    /// The end of the escape that starts at `at`.
    fn escape(&self, at: usize) -> Result<usize, Bad> {
        match self.text.get(at + 1) {
            None => Err(Bad::End),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
            Some(b'u') => {
                for i in at + 2..at + 6 {
                    match self.text.get(i) {
                        None => return Err(Bad::End),
                        Some(byte) if byte.is_ascii_hexdigit() => {}
                        Some(_) => return Err(Bad::Syntax(i)),
                    }
                }
                Ok(at + 6)
            }
            Some(_) => Err(Bad::Syntax(at + 1)),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<Range<usize>, Bad> {
        let start = self.at;
        for want in word {
            match self.text.get(self.at) {
                None => return Err(Bad::End),
                Some(byte) if byte == want => self.at += 1,
                Some(_) => return Err(Bad::Syntax(self.at)),
            }
        }
        Ok(start..self.at)
    }

    /// RFC 8259 §6.
    fn number(&mut self) -> Result<Range<usize>, Bad> {
        let start = self.at;
        self.at += usize::from(self.text[start] == b'-');
        if self.text.get(self.at) == Some(&b'0') {
            self.at += 1;
            if let Some(b'0'..=b'9') = self.text.get(self.at) {
                return Err(Bad::Syntax(self.at));
            }
        } else {
            self.digits()?;
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.text.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(start..self.at)
    }

    fn digits(&mut self) -> Result<(), Bad> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.text.get(self.at) {
            self.at += 1;
        }
        match self.text.get(self.at) {
            _ if self.at > start => Ok(()),
            None => Err(Bad::End),
            Some(_) => Err(Bad::Syntax(self.at)),
        }
    }
}

/// Offset of the first byte from `at` on that is no blank.
pub(crate) fn skip_blanks(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = text.get(at) {
        at += 1;
    }
    at
}

/// What [`Bad::Depth`] comes to.
pub(crate) fn too_deep() -> Error {
    Error::limit(format!("JSON levels inside one another ({MAX_DEPTH})"))
}

/// Whether `text` is one whole JSON text; `Err` only for depth, which nothing can tell.
pub fn is_json(text: &[u8]) -> Result<bool> {
    let mut scanner = Scanner::new(text);
    loop {
        match scanner.step() {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(true),
            Err(Bad::Syntax(_) | Bad::End) => return Ok(false),
            Err(Bad::Depth) => {
                return Err(too_deep());
            }
        }
    }
}

/// Calls `visit` for each name and each scalar of `text`, in order of place; never for a text that is no JSON. Paths start with
/// `above`.
///
/// `whole` of a member's scalar runs from the quote before its name to the comma after it, if one is there; of an array's
/// element, from its first byte to the comma after it; of a name, from quote to quote.
pub fn fields<'r>(text: &'r [u8], above: &'r [Vec<u8>], visit: &mut dyn FnMut(Field<'r>)) -> Result<()> {
    // Twice over the text instead of a list of everything in it: a record may be 128 MiB.
    if is_json(text)? {
        walk(text, Scanner::new(text), above, visit);
    }
    Ok(())
}

/// As [`fields`] for a text that is one member of an object: its name, and its value if that is a scalar.
pub fn member<'r>(text: &'r [u8], above: &'r [Vec<u8>], visit: &mut dyn FnMut(Field<'r>)) {
    walk(text, Scanner::resume(text, 0, Spot::member()), above, visit);
}

fn walk<'r>(text: &'r [u8], mut scanner: Scanner<'r>, above: &'r [Vec<u8>], visit: &mut dyn FnMut(Field<'r>)) {
    let mut path: Vec<Cow<'r, [u8]>> = above.iter().map(|name| Cow::Borrowed(name.as_slice())).collect();
    let mut name = 0;
    while let Ok(Some(event)) = scanner.step() {
        match event {
            Event::Key(span) => {
                let decoded = decode(&text[span.clone()]);
                name = span.start - 1;
                let (path_of, whole) = (path.clone(), name..span.end + 1);
                visit(Field { path: path_of, span, whole, text: decoded.clone(), place: Place::JsonKey });
                path.push(decoded);
            }
            Event::Scalar(span, place) => {
                let quotes = usize::from(place == Place::JsonString);
                let member = scanner.inside() == Some(Inside::Object);
                let start = if member { name } else { span.start - quotes };
                let comma = skip_blanks(text, scanner.offset());
                let end = if text.get(comma) == Some(&b',') { comma + 1 } else { span.end + quotes };
                let decoded =
                    if quotes == 1 { decode(&text[span.clone()]) } else { Cow::Borrowed(&text[span.clone()]) };
                visit(Field { path: path.clone(), span, whole: start..end, text: decoded, place });
                if member {
                    path.pop();
                }
            }
            Event::Close(_) if scanner.inside() == Some(Inside::Object) => {
                path.pop();
            }
            Event::Open(Inside::Array) => {
                let start = scanner.offset();
                if let Some((len, bytes)) = bytes_of(&text[start..]) {
                    let span = start..start + len;
                    let (path, text) = (path.clone(), Cow::Owned(bytes));
                    visit(Field { path, span: span.clone(), whole: span, text, place: Place::JsonBytes });
                }
            }
            Event::Open(_) | Event::Close(_) => {}
        }
    }
}

/// Fewest numbers of an array that is taken for bytes.
const BYTES: usize = 3;

/// Whether `text` may hold an array of byte values.
pub(crate) fn may_hold_bytes(text: &[u8]) -> bool {
    memchr::memchr_iter(b'[', text).any(|at| {
        let rest = &text[skip_blanks(text, at + 1)..];
        rest.first().is_some_and(u8::is_ascii_digit) && bytes_of(&text[at + 1..]).is_some()
    })
}

/// The bytes for which the array stands whose inside `text` starts with, and the length of that inside; `None` if it holds
/// anything but numbers from 0 to 255, or fewer than [`BYTES`] of them.
fn bytes_of(text: &[u8]) -> Option<(usize, Vec<u8>)> {
    let (mut at, mut bytes) = (0, Vec::new());
    loop {
        at = skip_blanks(text, at);
        let digits = text[at..].iter().take(4).take_while(|b| b.is_ascii_digit()).count();
        let number = text[at..at + digits].iter().fold(0u32, |sum, b| sum * 10 + u32::from(b - b'0'));
        if digits == 0 || digits > 3 {
            return None;
        }
        bytes.push(u8::try_from(number).ok()?);
        at += digits;
        let end = at;
        at = skip_blanks(text, at);
        match text.get(at) {
            Some(b',') => at += 1,
            Some(b']') if bytes.len() >= BYTES => return Some((end, bytes)),
            _ => return None,
        }
    }
}

/// The text of a string that the scanner accepted. A lone surrogate becomes U+FFFD; other bytes stay as they are.
pub fn decode(raw: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'\\', raw) else {
        return Cow::Borrowed(raw);
    };
    let mut out = raw[..first].to_vec();
    let mut at = first;
    while at < raw.len() {
        if raw[at] != b'\\' {
            let end = memchr::memchr(b'\\', &raw[at..]).map_or(raw.len(), |n| at + n);
            out.extend_from_slice(&raw[at..end]);
            at = end;
            continue;
        }
        let byte = raw.get(at + 1).copied().unwrap_or(b'\\');
        at += 2;
        out.push(match byte {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                at += 4;
                let unit = hex(raw, at - 4);
                let low = if raw.get(at..at + 2) == Some(b"\\u") { hex(raw, at + 2) } else { 0 };
                let (c, used) = join(unit, low);
                at += if used { 6 } else { 0 };
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            other => other,
        });
    }
    Cow::Owned(out)
}

fn hex(raw: &[u8], at: usize) -> u32 {
    let digits = raw.get(at..at + 4).unwrap_or_default();
    digits.iter().fold(0, |sum, b| sum * 16 + char::from(*b).to_digit(16).unwrap_or(0))
}

/// The character of one UTF-16 unit, or of two; whether the second was used (RFC 8259 §7).
fn join(unit: u32, low: u32) -> (char, bool) {
    if (0xd800..0xdc00).contains(&unit) && (0xdc00..0xe000).contains(&low) {
        let c = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        return (char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER), true);
    }
    (char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), false)
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
