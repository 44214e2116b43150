//! Tokens of SQL as dump programs write it: where strings, names, comments and words end.
//!
//! Own code, since no SQL parser keeps byte ranges over windows that end anywhere. It knows what differs between `PostgreSQL`
//! (dollar quotes, `E''`, nested comments), `MySQL` and `MariaDB` (backslashes, backticks, code in comments, `DELIMITER`) and `SQLite` (brackets).
//! A token that may go on behind the window is [`Short`]. It builds no tree and knows no statements.

#![expect(clippy::indexing_slicing, reason = "a hot scanner: every index was compared with the length before")]

/// Whose dump it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `pg_dump`, `pg_dumpall`.
    Postgres,
    /// `mysqldump`, `mariadb-dump`.
    Mysql,
    /// `.dump` of `SQLite`'s shell.
    Sqlite,
    /// Nothing tells: standard SQL is taken.
    Unknown,
}

/// How text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Whose.
    pub kind: Kind,
    /// Whether a backslash escapes in `'…'`.
    pub backslash: bool,
}

impl Dialect {
    /// Whose dump `head` starts: the first line decides that only one of them writes, up to the first rows. What stands in rows says nothing.
    pub fn of(head: &[u8]) -> Self {
        let lines = crate::format::lines(crate::format::body(head));
        let kind = lines.map(crate::format::content).find_map(line_of).unwrap_or(Kind::Unknown);
        Self { kind, backslash: kind == Kind::Mysql }
    }
}

/// Whose this line of a dump is; `None`: nobody's own.
fn line_of(line: &[u8]) -> Option<Kind> {
    const OWN: [(&[u8], Kind); 13] = [
        (b"-- MySQL dump", Kind::Mysql),
        (b"-- MariaDB dump", Kind::Mysql),
        (b"/*!", Kind::Mysql),
        (b"/*M!", Kind::Mysql),
        (b"LOCK TABLES ", Kind::Mysql),
        (b"-- PostgreSQL database", Kind::Postgres),
        (b"SELECT pg_catalog.", Kind::Postgres),
        (b"SET standard_conforming_strings", Kind::Postgres),
        (b"SET client_encoding", Kind::Postgres),
        (b"\\", Kind::Postgres),
        (b"COPY ", Kind::Postgres),
        (b"ALTER TABLE ONLY ", Kind::Postgres),
        (b"PRAGMA ", Kind::Sqlite),
    ];
    if let Some((_, kind)) = OWN.iter().find(|(start, _)| line.starts_with(start)) {
        return Some(*kind);
    }
    let starts = |word: &[u8]| line.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    let rows = starts(b"INSERT ") || starts(b"REPLACE ");
    let begin = line.get(..line.len().min(40)).unwrap_or_default();
    let quoted = [&b"INTO `"[..], b"TABLE `", b"EXISTS `", b"USE `"];
    let of_names = rows || starts(b"CREATE ") || starts(b"DROP ") || starts(b"USE ");
    if of_names && quoted.iter().any(|name| memchr::memmem::find(begin, name).is_some()) {
        return Some(Kind::Mysql);
    }
    if starts(b")") && memchr::memmem::find(line, b"ENGINE=").is_some() {
        return Some(Kind::Mysql);
    }
    rows.then_some(Kind::Unknown)
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// White space.
    Blank,
    /// A comment, its line feed not included.
    Comment,
    /// Where a comment of `MySQL` begins or ends whose inside is code: `/*!40101`, `*/`.
    Code,
    /// A string, its quotes included; `true`: backslashes escape in it.
    Text(bool),
    /// A name in quotes.
    Name,
    /// A string in dollar quotes.
    Dollar,
    /// A word or a number.
    Word,
    /// Any other byte.
    Sign(u8),
}

/// The window ends inside a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Short;

/// Bytes in which [`either`] looks by itself.
const NEAR: usize = 32;

/// A byte of a word or number.
pub fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'@' | 0x80..)
}

/// The token at `at`, which is inside of `text`, and where it ends. `eof`: nothing follows the text.
pub fn token(text: &[u8], at: usize, eof: bool, dialect: Dialect) -> Result<(Token, usize), Short> {
    let byte = text[at];
    let next = text.get(at + 1).copied();
    if next.is_none() && !eof && matches!(byte, b'-' | b'/' | b'*' | b'e' | b'E' | b'$') {
        return Err(Short);
    }
    let mysql = dialect.kind == Kind::Mysql;
    match byte {
        _ if byte.is_ascii_whitespace() || byte == 0x0b => {
            let len = text[at..].iter().take_while(|b| b.is_ascii_whitespace() || **b == 0x0b).count();
            Ok((Token::Blank, at + len))
        }
        b'-' if next == Some(b'-') => Ok((Token::Comment, line_end(text, at, eof)?)),
        b'#' if mysql => Ok((Token::Comment, line_end(text, at, eof)?)),
        b'/' if next == Some(b'*') => comment(text, at, eof, dialect),
        b'*' if mysql && next == Some(b'/') => Ok((Token::Code, at + 2)),
        b'\'' => Ok((Token::Text(dialect.backslash), quoted(text, at + 1, b'\'', dialect.backslash, eof)?)),
        b'"' if mysql => Ok((Token::Text(true), quoted(text, at + 1, b'"', true, eof)?)),
        b'"' | b'`' => Ok((Token::Name, quoted(text, at + 1, byte, false, eof)?)),
        b'[' if dialect.kind == Kind::Sqlite => match memchr::memchr(b']', &text[at..]) {
            Some(n) => Ok((Token::Name, at + n + 1)),
            None => Err(Short),
        },
        b'e' | b'E' if next == Some(b'\'') && !mysql => {
            Ok((Token::Text(true), quoted(text, at + 2, b'\'', true, eof)?))
        }
        b'$' if dialect.kind != Kind::Mysql => dollar(text, at, eof),
        _ if in_word(byte) => {
            let len = text[at..].iter().take_while(|b| in_word(**b)).count();
            if at + len == text.len() && !eof { Err(Short) } else { Ok((Token::Word, at + len)) }
        }
        _ => Ok((Token::Sign(byte), at + 1)),
    }
}

fn line_end(text: &[u8], at: usize, eof: bool) -> Result<usize, Short> {
    match memchr::memchr(b'\n', &text[at..]) {
        Some(n) => Ok(at + n),
        None if eof => Ok(text.len()),
        None => Err(Short),
    }
}

/// `/* … */`; those of `PostgreSQL` nest, and the inside of `MySQL`'s `/*!40101 … */` is code.
fn comment(text: &[u8], at: usize, eof: bool, dialect: Dialect) -> Result<(Token, usize), Short> {
    let rest = &text[at..];
    if dialect.kind == Kind::Mysql {
        if rest.len() < 12 && !eof {
            return Err(Short);
        }
        let mark = if rest.starts_with(b"/*!") { 3 } else { 4 };
        let sandbox = rest.get(mark..).is_some_and(|rest| rest.starts_with(b"999999"));
        if (rest.starts_with(b"/*!") || rest.starts_with(b"/*M!")) && !sandbox {
            let digits = rest[mark..].iter().take_while(|b| b.is_ascii_digit()).count();
            return Ok((Token::Code, at + mark + digits));
        }
    }
    let mut depth = 1usize;
    let mut from = at + 2;
    loop {
        let n = memchr::memchr2(b'*', b'/', text.get(from..).unwrap_or_default()).ok_or(Short)?;
        let place = from + n;
        match (text[place], text.get(place + 1)) {
            (b'*', Some(b'/')) => {
                depth -= 1;
                from = place + 2;
                if depth == 0 {
                    return Ok((Token::Comment, from));
                }
            }
            (b'/', Some(b'*')) if dialect.kind == Kind::Postgres => {
                depth += 1;
                from = place + 2;
            }
            (_, None) => return Err(Short),
            _ => from = place + 1,
        }
    }
}

/// One past the quote that closes the string whose inside starts at `at`; doubled quotes are a part of it.
pub fn quoted(text: &[u8], at: usize, quote: u8, backslash: bool, eof: bool) -> Result<usize, Short> {
    closed(text, at, quote, backslash, eof).map(|(end, _)| end)
}

/// As [`quoted`], and whether an escape stands in the string.
fn closed(text: &[u8], mut at: usize, quote: u8, backslash: bool, eof: bool) -> Result<(usize, bool), Short> {
    let mut escaped = false;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let found = if backslash { either(quote, b'\\', rest) } else { memchr::memchr(quote, rest) };
        let place = at + found.ok_or(Short)?;
        let next = text.get(place + 1);
        at = match next {
            _ if text[place] != quote => place + 2,
            Some(byte) if *byte == quote => place + 2,
            None if !eof => return Err(Short),
            _ => return Ok((place + 1, escaped)),
        };
        escaped = true;
    }
}

/// Where `a` or `b` stands first in `text`. Own code before `memchr`'s, whose call costs more than the few bytes between two escapes.
#[inline]
pub fn either(a: u8, b: u8, text: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // The lowest bit that is set is that of a byte that is 0; others may be wrong.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & (ONES << 7);
    let (words, _) = text.get(..text.len().min(NEAR)).unwrap_or_default().as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = zeros(word ^ (ONES * u64::from(a))) | zeros(word ^ (ONES * u64::from(b)));
        if found != 0 {
            return Some(8 * i + found.trailing_zeros() as usize / 8);
        }
    }
    let near = 8 * words.len();
    memchr::memchr2(a, b, &text[near..]).map(|n| near + n)
}

/// `$tag$ … $tag$`, or the sign alone.
fn dollar(text: &[u8], at: usize, eof: bool) -> Result<(Token, usize), Short> {
    let rest = &text[at + 1..];
    let tag = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(**b, b'_' | 0x80..)).count();
    match rest.get(tag) {
        None if !eof => Err(Short),
        Some(b'$') if !rest[0].is_ascii_digit() => {
            let mark = &text[at..at + tag + 2];
            let body = at + mark.len();
            let end = memchr::memmem::find(text.get(body..).unwrap_or_default(), mark).ok_or(Short)?;
            Ok((Token::Dollar, body + end + mark.len()))
        }
        _ => Ok((Token::Sign(b'$'), at + 1)),
    }
}

/// What a tuple comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuple {
    /// One past its `)`.
    pub end: usize,
    /// Number of values.
    pub values: u32,
    /// Whether a value's text may differ from its bytes: an escape, a doubled quote, hex digits, a function.
    pub escaped: bool,
    /// `escaped`, and not by escapes in strings of single quotes alone.
    pub odd: bool,
    /// A comment stands in it.
    pub comment: bool,
    /// A value as no dump writes it, whose text is not read: of strings one behind another, or with escapes of its own (`U&''`).
    pub joined: bool,
}

/// The tuple whose `(` stands at `at`. `Ok(None)`: a statement's end inside of it.
pub fn tuple(text: &[u8], mut at: usize, eof: bool, dialect: Dialect) -> Result<Option<Tuple>, Short> {
    let mut out = Tuple { end: 0, values: 0, escaped: false, odd: false, comment: false, joined: false };
    let (mut depth, mut any, mut after_string) = (0u32, false, false);
    while at < text.len() {
        let byte = text[at];
        let behind = after_string;
        after_string &= byte == b' ';
        match byte {
            b'\'' => {
                let (end, escaped) = closed(text, at + 1, b'\'', dialect.backslash, eof)?;
                // Where a backslash does not escape, it may stand before digits.
                let digits = || !dialect.backslash && memchr::memchr(b'\\', &text[at + 1..end - 1]).is_some();
                out.escaped = out.escaped || escaped || digits();
                out.joined |= behind;
                (at, any, after_string) = (end, true, true);
            }
            b' ' => at += 1,
            b'0'..=b'9' | b'.' | b'+' => {
                let number = text[at..].iter().take_while(|b| matches!(b, b'0'..=b'9' | b'.'));
                (at, any) = (at + number.count().max(1), true);
            }
            b'N' if text[at..].starts_with(b"NULL") && text.get(at + 4).is_some_and(|b| matches!(b, b',' | b')')) => {
                (at, any) = (at + 4, true);
            }
            b',' => {
                out.values += u32::from(depth == 1);
                at += 1;
            }
            b'(' => {
                depth += 1;
                out.odd |= depth > 1;
                at += 1;
            }
            b')' => {
                depth = depth.saturating_sub(1);
                at += 1;
                if depth == 0 {
                    out.end = at;
                    out.values += u32::from(any);
                    out.escaped |= out.odd;
                    return Ok(Some(out));
                }
            }
            b';' => return Ok(None),
            _ => {
                let (token, end) = token(text, at, eof, dialect)?;
                out.comment |= token == Token::Comment;
                out.joined |= behind && matches!(token, Token::Text(_));
                after_string = match token {
                    Token::Blank | Token::Comment => behind,
                    token => matches!(token, Token::Text(_)),
                };
                let plain = match token {
                    Token::Word => {
                        let word = &text[at..end];
                        let hex = matches!(text.get(end), Some(b'\'')) || word.contains(&b'x');
                        if word.eq_ignore_ascii_case(b"U") && text.get(end) == Some(&b'&') {
                            if end + 1 == text.len() && !eof {
                                return Err(Short);
                            }
                            // Another spelling of text, which no dump writes.
                            out.joined |= text.get(end + 1) == Some(&b'\'') && dialect.kind != Kind::Mysql;
                        }
                        !hex
                    }
                    Token::Blank | Token::Sign(_) => true,
                    _ => false,
                };
                out.odd |= !plain;
                any |= !matches!(token, Token::Blank | Token::Comment);
                at = end;
            }
        }
    }
    Err(Short)
}

/// The name that stands in `raw`: without its quotes, doubled ones halved; lower case where case does not count.
pub fn name(raw: &[u8], dialect: Dialect) -> Vec<u8> {
    let (inner, quote) = match (raw.first(), raw.last()) {
        (Some(open @ (b'"' | b'`' | b'\'')), Some(close)) if raw.len() > 1 && open == close => {
            (&raw[1..raw.len() - 1], *open)
        }
        (Some(b'['), Some(b']')) if raw.len() > 1 => (&raw[1..raw.len() - 1], b']'),
        _ => return raw.to_ascii_lowercase(),
    };
    let mut out = Vec::with_capacity(inner.len());
    let mut half = false;
    for byte in inner {
        half = *byte == quote && !half;
        if !half {
            out.push(*byte);
        }
    }
    if dialect.kind == Kind::Postgres { out } else { out.to_ascii_lowercase() }
}

/// A token without blanks and comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'t> {
    /// What it is.
    pub token: Token,
    /// Its bytes.
    pub raw: &'t [u8],
    /// Where it starts.
    pub at: usize,
}

impl Part<'_> {
    /// Whether it is the word `word`, which is in upper case.
    pub fn is(&self, word: &str) -> bool {
        self.token == Token::Word && self.raw.eq_ignore_ascii_case(word.as_bytes())
    }

    /// Whether it is the sign `byte`.
    pub fn sign(&self, byte: u8) -> bool {
        self.token == Token::Sign(byte)
    }
}

/// At most `most` tokens of a whole statement, without blanks, comments and the marks of code in comments.
pub fn parts(text: &[u8], dialect: Dialect, most: usize) -> Vec<Part<'_>> {
    let (mut at, mut out) = (0, Vec::new());
    while at < text.len() && out.len() < most {
        let Ok((token, end)) = token(text, at, true, dialect) else { break };
        if !matches!(token, Token::Blank | Token::Comment | Token::Code) {
            out.push(Part { token, raw: &text[at..end], at });
        }
        at = end;
    }
    out
}
