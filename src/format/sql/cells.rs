//! The values of one row: where each stands, how its text is spelled there, and how text is written in its place.
//!
//! A row is judged in a *view*: the decoded text of its values with a form feed between two. Values whose bytes are spelled as hex digits
//! stand in it twice, as digits and as bytes; of an expression each literal and what is between them is a part of its own.
//! No map is kept of the view: the few offsets of edits are found by decoding once more. Memory: the row and its view.

use std::ops::Range;

use super::lex::{self, Dialect, Kind, Token};
use super::spelled;

/// What stands between two texts of a view: white space, so that nothing goes on behind it, and none that a value or name may
/// have within.
pub const BETWEEN: u8 = 0x0c;

/// How the text of a part is spelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// As it stands.
    Plain,
    /// In a row of `COPY`.
    Copy,
    /// In a row of `SELECT … INTO OUTFILE` (`mysqldump --tab`): a backslash stands before a tab, a line feed and a backslash.
    Tab,
    /// In a string of this quote; whether backslashes escape, and how.
    Quoted(u8, Escape),
    /// As hex digits, two a byte.
    Hex,
    /// Three octal digits behind so many backslashes stand for a byte; quotes like this are doubled.
    Octal(usize, Option<u8>),
    /// In a string of `SQLite` in which each of these marks stands for a byte: `replace('a\nb','\n',char(10))`.
    Marked(Vec<(Vec<u8>, u8)>),
}

/// What backslashes do in a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// Nothing.
    None,
    /// As in `MySQL`.
    Mysql,
    /// As in `E''`.
    Postgres,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// `NULL`, `\N`.
    Null,
    /// A number, a word (`true`, `DEFAULT`).
    Bare,
    /// A string.
    Text,
    /// Hex digits.
    Bytes,
    /// Anything else: a function, a cast.
    Expression,
}

/// A part of a value with a text of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Where its spelled text stands in the row.
    pub raw: Range<usize>,
    /// How.
    pub how: How,
    /// Which value it is a part of.
    pub cell: usize,
    /// Where its decoded text stands in the view.
    pub view: Range<usize>,
    /// Whether text can be written in its place.
    pub literal: bool,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Where all of it stands in the row: quotes and what stands before them included.
    pub raw: Range<usize>,
    /// What it is.
    pub value: Value,
}

/// A row's values, and their texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// The values, in order.
    pub cells: Vec<Cell>,
    /// Their parts, in order.
    pub parts: Vec<Part>,
    /// Their texts, decoded; a form feed behind each.
    pub view: Vec<u8>,
}

impl Row {
    /// The values of a row that is a line, spelled `how`.
    pub fn of_line(raw: &[u8], how: &How) -> Self {
        let line = raw.strip_suffix(b"\n").unwrap_or(raw);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut row = Self::default();
        let (mut start, mut from) = (0, 0);
        loop {
            let tab = memchr::memchr(b'\t', line.get(from..).unwrap_or_default()).map(|n| from + n);
            if let Some(tab) = tab
                && is_escaped(line.get(start..tab).unwrap_or_default())
            {
                from = tab + 1;
                continue;
            }
            let end = tab.unwrap_or(line.len());
            row.line_cell(line, start..end, how);
            let Some(tab) = tab else { return row };
            (start, from) = (tab + 1, tab + 1);
        }
    }

    fn line_cell(&mut self, line: &[u8], range: Range<usize>, how: &How) {
        let text = line.get(range.clone()).unwrap_or_default();
        let cell = self.cells.len();
        if text == b"\\N" {
            self.cells.push(Cell { raw: range, value: Value::Null });
            return;
        }
        // A bytea's text is `\x` and hex digits.
        let digits = text.strip_prefix(b"\\\\x").filter(|digits| *how == How::Copy && is_hex(digits));
        let value = if digits.is_some() { Value::Bytes } else { Value::Text };
        self.cells.push(Cell { raw: range.clone(), value });
        if digits.is_some() {
            self.hex(line, range.start + 3..range.end, cell);
        } else {
            self.text(line, range, how.clone(), cell);
        }
    }

    /// The values of a tuple, its parentheses included.
    pub fn of_tuple(raw: &[u8], dialect: Dialect) -> Self {
        let mut row = Self::default();
        let inner = 1..raw.len().saturating_sub(1).max(1);
        let text = raw.get(..inner.end).unwrap_or_default();
        let (mut at, mut start, mut depth) = (inner.start, inner.start, 0u32);
        let mut tokens: Vec<(Token, Range<usize>)> = Vec::new();
        while at < text.len() {
            let Ok((token, end)) = lex::token(text, at, true, dialect) else { break };
            match token {
                Token::Sign(b',') if depth == 0 => {
                    row.value(raw, start..at, &tokens, dialect);
                    tokens.clear();
                    start = end;
                    at = end;
                    continue;
                }
                Token::Sign(b'(') => depth += 1,
                Token::Sign(b')') => depth = depth.saturating_sub(1),
                _ => {}
            }
            if !matches!(token, Token::Blank | Token::Comment) {
                tokens.push((token, at..end));
            }
            at = end;
        }
        if !tokens.is_empty() || !row.cells.is_empty() {
            row.value(raw, start..inner.end, &tokens, dialect);
        }
        row
    }

    fn value(&mut self, raw: &[u8], whole: Range<usize>, tokens: &[(Token, Range<usize>)], dialect: Dialect) {
        let cell = self.cells.len();
        let range = match (tokens.first(), tokens.last()) {
            (Some((_, first)), Some((_, last))) => first.start..last.end,
            _ => whole,
        };
        let mut add = |value| self.cells.push(Cell { raw: range.clone(), value });
        let bytes = |range: &Range<usize>| raw.get(range.clone()).unwrap_or_default();
        match tokens {
            [(Token::Text(backslash), text)] => {
                let (inner, how) = spelled(raw, text, *backslash, dialect);
                let digits = bytes(&inner).strip_prefix(b"\\x").filter(|digits| is_hex(digits));
                if digits.is_some() && !*backslash {
                    add(Value::Bytes);
                    self.hex(raw, inner.start + 2..inner.end, cell);
                } else {
                    add(Value::Text);
                    self.text(raw, inner, how, cell);
                }
            }
            // A character set, or that of names.
            [(Token::Word, set), (Token::Text(backslash), text)]
                if bytes(set).starts_with(b"_") || bytes(set).eq_ignore_ascii_case(b"N") =>
            {
                add(Value::Text);
                let (inner, how) = spelled(raw, text, *backslash, dialect);
                self.part(raw, inner, how, cell, true);
            }
            [(Token::Word, set), (Token::Text(_), text)] if bytes(set).eq_ignore_ascii_case(b"X") => {
                add(Value::Bytes);
                self.hex(raw, text.start + 1..text.end.saturating_sub(1), cell);
            }
            [(Token::Word, word)] if bytes(word).eq_ignore_ascii_case(b"NULL") => add(Value::Null),
            // Of an unknown dialect, too: no other has a word like that.
            [.., (Token::Word, word)]
                if tokens.len() < 3 && bytes(word).starts_with(b"0x") && dialect.kind != Kind::Postgres =>
            {
                add(Value::Bytes);
                self.hex(raw, word.start + 2..word.end, cell);
            }
            _ if tokens.iter().all(|(token, _)| matches!(token, Token::Word | Token::Sign(b'-' | b'+' | b'.'))) => {
                add(Value::Bare);
                self.part(raw, range.clone(), How::Plain, cell, true);
            }
            _ => {
                add(Value::Expression);
                self.expression(raw, range.clone(), tokens, dialect, cell);
            }
        }
    }

    fn expression(
        &mut self,
        raw: &[u8],
        whole: Range<usize>,
        tokens: &[(Token, Range<usize>)],
        dialect: Dialect,
        cell: usize,
    ) {
        let marks = marks(raw, tokens);
        let mut at = whole.start;
        let mut first = true;
        for (token, range) in tokens {
            let Token::Text(backslash) = token else { continue };
            self.part(raw, at..range.start, How::Plain, cell, false);
            let (inner, mut how) = spelled(raw, range, *backslash, dialect);
            if first && !marks.is_empty() {
                how = How::Marked(marks.clone());
            }
            first = false;
            self.text(raw, inner.clone(), how, cell);
            // What a function takes for digits: `unhex('…')`, `decode('…', 'hex')`, `X'…'`.
            if inner.len() > 6 && raw.get(inner.clone()).is_some_and(is_hex) {
                self.part(raw, inner, How::Hex, cell, true);
            }
            at = range.end;
        }
        self.part(raw, at..whole.end, How::Plain, cell, false);
        let numbers = tokens.iter().filter(|(token, _)| *token == Token::Word && dialect.kind != Kind::Postgres);
        for (_, range) in numbers {
            let digits = range.start + 2..range.end;
            let bytes = |range: &Range<usize>| raw.get(range.clone()).unwrap_or_default();
            if bytes(range).starts_with(b"0x") && is_hex(bytes(&digits)) {
                self.part(raw, digits, How::Hex, cell, true);
            }
        }
    }

    /// A text, and the bytes that are spelled in digits in it.
    fn text(&mut self, raw: &[u8], range: Range<usize>, how: How, cell: usize) {
        let text = raw.get(range.clone()).unwrap_or_default();
        let bytes = spelled::octal(text, &how);
        self.part(raw, range.clone(), how, cell, true);
        if let Some(how) = bytes {
            self.part(raw, range.clone(), how, cell, true);
        }
        for digits in spelled::hex(text, range.start) {
            self.part(raw, digits, How::Hex, cell, true);
        }
    }

    fn hex(&mut self, raw: &[u8], range: Range<usize>, cell: usize) {
        self.part(raw, range.clone(), How::Plain, cell, true);
        self.part(raw, range, How::Hex, cell, true);
    }

    fn part(&mut self, raw: &[u8], range: Range<usize>, how: How, cell: usize, literal: bool) {
        let start = self.view.len();
        let text = raw.get(range.clone()).unwrap_or_default();
        decode(text, &how, &mut self.view);
        let view = start..self.view.len();
        self.view.push(BETWEEN);
        self.parts.push(Part { raw: range, how, cell, view, literal });
    }
}

/// Adds a decoded text to `out`.
pub fn decode(text: &[u8], how: &How, out: &mut Vec<u8>) {
    for (_, piece) in (Decode { text, at: 0, how }) {
        piece.write(out);
    }
}

/// Whether a byte that follows `text` is escaped by a backslash.
fn is_escaped(text: &[u8]) -> bool {
    text.iter().rev().take_while(|b| **b == b'\\').count() % 2 == 1
}

/// Whether these are hex digits, two a byte.
pub fn is_hex(digits: &[u8]) -> bool {
    digits.len().is_multiple_of(2) && digits.iter().all(u8::is_ascii_hexdigit)
}

/// The inside of the string token at `range`, and how it is spelled.
fn spelled(raw: &[u8], range: &Range<usize>, backslash: bool, dialect: Dialect) -> (Range<usize>, How) {
    let quote = raw.get(range.end.saturating_sub(1)).copied().unwrap_or(b'\'');
    let prefix = usize::from(matches!(raw.get(range.start), Some(b'e' | b'E')));
    let start = range.start + prefix + 1;
    (start..range.end.saturating_sub(1).max(start), How::Quoted(quote, escape(backslash, dialect)))
}

/// What backslashes do in a string in which they escape or not.
pub fn escape(backslash: bool, dialect: Dialect) -> Escape {
    match (backslash, dialect.kind) {
        (false, _) => Escape::None,
        (true, Kind::Mysql) => Escape::Mysql,
        (true, _) => Escape::Postgres,
    }
}

/// The marks of `replace(replace('…','\n',char(10)),'\r',char(13))`.
fn marks(raw: &[u8], tokens: &[(Token, Range<usize>)]) -> Vec<(Vec<u8>, u8)> {
    let bytes = |range: &Range<usize>| raw.get(range.clone()).unwrap_or_default();
    if !tokens.first().is_some_and(|(_, word)| bytes(word).eq_ignore_ascii_case(b"replace")) {
        return Vec::new();
    }
    let found = tokens.windows(6).filter_map(|window| match window {
        [
            (Token::Text(_), mark),
            (Token::Sign(b','), _),
            (_, char),
            (Token::Sign(b'('), _),
            (_, code),
            (Token::Sign(b')'), _),
        ] if bytes(char).eq_ignore_ascii_case(b"char") => {
            let mark = raw.get(mark.start + 1..mark.end.saturating_sub(1))?;
            let code = std::str::from_utf8(bytes(code)).ok()?.parse::<u8>().ok()?;
            (!mark.is_empty()).then(|| (mark.to_vec(), code))
        }
        _ => None,
    });
    found.collect()
}

/// What a step of decoding gives.
pub enum Out<'t> {
    /// Bytes as they stand.
    Run(&'t [u8]),
    /// One byte.
    Byte(u8),
    /// One character.
    Char(char),
}

impl Out<'_> {
    /// Adds it to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Out::Run(run) => out.extend_from_slice(run),
            Out::Byte(byte) => out.push(*byte),
            Out::Char(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Decodes a part's text step by step; with each, how many raw bytes it took.
pub struct Decode<'t> {
    /// The raw text.
    pub text: &'t [u8],
    /// How far it is.
    pub at: usize,
    /// How it is spelled.
    pub how: &'t How,
}

impl<'t> Iterator for Decode<'t> {
    type Item = (usize, Out<'t>);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let run = match self.how {
            How::Plain => rest.len(),
            How::Copy | How::Tab | How::Octal(_, None) => memchr::memchr(b'\\', rest).unwrap_or(rest.len()),
            How::Quoted(quote, Escape::None) => memchr::memchr(*quote, rest).unwrap_or(rest.len()),
            How::Quoted(quote, _) | How::Octal(_, Some(quote)) => {
                lex::either(*quote, b'\\', rest).unwrap_or(rest.len())
            }
            How::Hex => 0,
            How::Marked(marks) => {
                let stops = |at: &usize| {
                    let rest = rest.get(*at..).unwrap_or_default();
                    rest.starts_with(b"'") || marks.iter().any(|(mark, _)| rest.starts_with(mark))
                };
                (0..rest.len()).find(stops).unwrap_or(rest.len())
            }
        };
        let (len, out) = match rest.get(..run).filter(|run| !run.is_empty()) {
            Some(piece) => (run, Out::Run(piece)),
            None => step(rest, self.how),
        };
        self.at += len;
        Some((len, out))
    }
}

/// What the escape is that `rest` starts with, and its length.
fn step<'t>(rest: &'t [u8], how: &How) -> (usize, Out<'t>) {
    let one = || (1, Out::Byte(rest.first().copied().unwrap_or(0)));
    match how {
        How::Hex => match digits(rest, 2, 16) {
            Some((2, byte)) => (2, Out::Byte(byte.to_le_bytes()[0])),
            _ => one(),
        },
        How::Octal(slashes, quote) => {
            let (len, byte) = spelled::step(rest, *slashes, *quote);
            (len, Out::Byte(byte))
        }
        How::Marked(marks) => match marks.iter().find(|(mark, _)| rest.starts_with(mark)) {
            Some((mark, byte)) => (mark.len(), Out::Byte(*byte)),
            None if rest.starts_with(b"''") => (2, Out::Byte(b'\'')),
            None => one(),
        },
        How::Quoted(quote, _) if rest.first() == Some(quote) => (2.min(rest.len()), Out::Byte(*quote)),
        How::Quoted(_, escape) => escaped(rest, *escape),
        How::Copy => escaped(rest, Escape::Postgres),
        How::Tab => match rest.get(1) {
            Some(byte @ (b'%' | b'_')) => (2, Out::Byte(*byte)),
            _ => escaped(rest, Escape::Mysql),
        },
        How::Plain => one(),
    }
}

/// The escape behind a backslash.
fn escaped(rest: &[u8], escape: Escape) -> (usize, Out<'_>) {
    let Some(byte) = rest.get(1).copied() else { return (1, Out::Byte(b'\\')) };
    let tail = rest.get(2..).unwrap_or_default();
    let out = match (byte, escape) {
        (b'b', _) => 0x08,
        (b'n', _) => b'\n',
        (b'r', _) => b'\r',
        (b't', _) => b'\t',
        (b'0', Escape::Mysql) => 0,
        (b'Z', Escape::Mysql) => 0x1a,
        (b'%' | b'_', Escape::Mysql) => return (2, Out::Run(rest.get(..2).unwrap_or_default())),
        (b'f', Escape::Postgres) => 0x0c,
        (b'v', Escape::Postgres) => 0x0b,
        (b'0'..=b'7', Escape::Postgres) => {
            let (len, code) = digits(rest.get(1..).unwrap_or_default(), 3, 8).unwrap_or((1, 0));
            return (1 + len, Out::Byte(code.to_le_bytes()[0]));
        }
        (b'x', Escape::Postgres) => match digits(tail, 2, 16) {
            Some((len, code)) => return (2 + len, Out::Byte(code.to_le_bytes()[0])),
            None => b'x',
        },
        (b'u' | b'U', Escape::Postgres) => {
            let want = if byte == b'u' { 4 } else { 8 };
            match digits(tail, want, 16).filter(|(len, _)| *len == want).and_then(|(_, code)| char::from_u32(code)) {
                Some(c) => return (2 + want, Out::Char(c)),
                None => byte,
            }
        }
        (_, _) => byte,
    };
    (2, Out::Byte(out))
}

/// At most `most` digits of that radix at the start of `text`: how many, and their number.
fn digits(text: &[u8], most: usize, radix: u32) -> Option<(usize, u32)> {
    let mut code = 0u32;
    let mut len = 0;
    for digit in text.iter().take(most).map_while(|b| char::from(*b).to_digit(radix)) {
        code = code.wrapping_mul(radix).wrapping_add(digit);
        len += 1;
    }
    (len > 0).then_some((len, code))
}

/// The raw range of `range`, which lies in the decoded text of `part`; both count from the part's start.
pub fn raw_range(raw: &[u8], part: &Part, range: &Range<usize>) -> Range<usize> {
    let text = raw.get(part.raw.clone()).unwrap_or_default();
    let (mut at, mut out) = (0usize, 0usize);
    let (mut start, mut end) = (None, None);
    for (len, piece) in (Decode { text, at: 0, how: &part.how }) {
        let (grown, run) = match piece {
            Out::Run(run) => (run.len(), run.len() == len),
            Out::Byte(_) => (1, false),
            Out::Char(c) => (c.len_utf8(), false),
        };
        if start.is_none() && range.start < out + grown {
            start = Some(if run { at + range.start - out } else { at });
        }
        if range.end <= out {
            break;
        }
        if range.end <= out + grown {
            end = Some(if run { at + range.end - out } else { at + len });
        }
        at += len;
        out += grown;
        if end.is_some() && start.is_some() {
            break;
        }
    }
    let start = start.unwrap_or(text.len());
    let end = end.unwrap_or(if range.is_empty() { start } else { at }).max(start);
    part.raw.start + start..part.raw.start + end
}

/// `text` as it is written in a part that is spelled so.
pub fn encode(text: &[u8], how: &How) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match how {
            How::Plain => out.push(*byte),
            How::Octal(slashes, quote) => spelled::encode(*byte, *slashes, *quote, &mut out),
            How::Hex => out.extend(crate::judge::pseudonym::hex(&[*byte]).bytes()),
            How::Copy => match byte {
                b'\\' => out.extend(b"\\\\"),
                b'\n' => out.extend(b"\\n"),
                b'\r' => out.extend(b"\\r"),
                b'\t' => out.extend(b"\\t"),
                _ => out.push(*byte),
            },
            How::Tab => match byte {
                b'\\' | b'\n' | b'\t' => out.extend([b'\\', *byte]),
                0 => out.extend(b"\\0"),
                _ => out.push(*byte),
            },
            How::Quoted(quote, escape) => {
                if byte == quote || (*byte == b'\\' && *escape != Escape::None) {
                    out.push(*byte);
                }
                out.push(*byte);
            }
            How::Marked(_) => {
                if *byte == b'\'' {
                    out.push(b'\'');
                }
                out.push(*byte);
            }
        }
    }
    out
}
