//! A dump cut into pieces: statements, the rows of `COPY`, the tuples of `INSERT`, and what stands between them.
//!
//! The walk goes over windows that grow. It knows where a statement ends, and no more of what it says than whether rows follow.
//! A piece is looked at from its start each time the window grows, which doubles. Memory: the window.

use super::lex::{self, Dialect, Kind, Part, Short, Token};
use crate::error::{Error, Kind as Fault, Result};
use crate::format::Preamble;
use crate::record::Step;

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// White space between statements, a byte order mark.
    Blank,
    /// A comment, a command of the client (`\connect`), or a statement.
    Statement,
    /// `COPY … FROM stdin;` and its line's end: rows follow.
    Copy,
    /// A row of `COPY`, its line's end included.
    Row,
    /// `\.`
    End,
    /// `INSERT INTO … VALUES`, up to the first tuple.
    Head,
    /// A tuple.
    Tuple,
    /// The comma between two tuples, with the blanks around it.
    Comma,
    /// The rest of an `INSERT`, and the line's end if nothing else follows.
    Tail,
}

/// One piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Bytes; never 0.
    pub len: usize,
    /// What it is.
    pub what: What,
    /// Number of values of a tuple.
    pub values: u32,
    /// Whether a value's text may differ from its bytes.
    pub escaped: bool,
    /// Whether that is by more than escapes in strings of single quotes.
    pub odd: bool,
    /// Whether a comment stands in a tuple.
    pub comment: bool,
}

impl Piece {
    fn new(len: usize, what: What) -> Self {
        Self { len, what, values: 0, escaped: false, odd: false, comment: false }
    }
}

/// Where the walk stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    Rows,
    /// Nothing but rows of `SELECT … INTO OUTFILE`.
    Tab,
    /// Before the first tuple, or behind a comma.
    Tuple,
    /// Behind a tuple.
    After,
}

/// See the module.
#[derive(Debug)]
pub struct Walk {
    /// How text is read from here on.
    pub dialect: Dialect,
    preamble: Preamble,
    state: State,
    delimiter: Vec<u8>,
}

impl Walk {
    /// At the start of a stream.
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, preamble: Preamble::default(), state: State::Free, delimiter: b";".to_vec() }
    }

    /// At the start of a stream of nothing but rows of `SELECT … INTO OUTFILE`.
    pub fn of_rows(dialect: Dialect) -> Self {
        Self { preamble: Preamble::Over, state: State::Tab, ..Self::new(dialect) }
    }

    /// The piece that `window` starts with; `None` if it is too short to tell. The window is not empty.
    pub fn next(&mut self, window: &[u8], eof: bool) -> Result<Option<Piece>> {
        match self.preamble.step(window, eof) {
            Some(Step::Record { len, .. }) => return Ok(Some(Piece::new(len, What::Blank))),
            Some(Step::More) => return Ok(None),
            None => {}
        }
        let piece = match self.state {
            State::Free => self.free(window, eof),
            State::Rows => return self.row(window, eof),
            State::Tab => return row_of_tab(window, eof),
            State::Tuple => return self.tuple(window, eof),
            State::After => return self.after(window, eof),
        };
        match piece {
            Ok(piece) => Ok(Some(piece)),
            Err(Short) if eof => Err(damaged("the dump ends inside of a statement")),
            Err(Short) => Ok(None),
        }
    }

    /// At the end of the stream: no statement may be open.
    pub fn finish(&self) -> Result<()> {
        match self.state {
            State::Free | State::Tab => Ok(()),
            State::Rows => Err(damaged("the dump ends inside of the rows of a COPY")),
            State::Tuple | State::After => Err(damaged("the dump ends inside of an INSERT")),
        }
    }

    fn free(&mut self, window: &[u8], eof: bool) -> Result<Piece, Short> {
        if window.first() == Some(&b'\\') {
            return line(window, eof).map(|len| Piece::new(len, What::Statement));
        }
        let (token, end) = lex::token(window, 0, eof, self.dialect)?;
        match token {
            Token::Blank => return Ok(Piece::new(end, What::Blank)),
            Token::Comment => return Ok(Piece::new(end, What::Statement)),
            Token::Word => {
                let word = window.get(..end).unwrap_or_default();
                let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
                if is(b"DELIMITER") && self.dialect.kind != Kind::Postgres {
                    let len = line(window, eof)?;
                    let mark = window.get(end..len).unwrap_or_default().trim_ascii();
                    if !mark.is_empty() {
                        self.delimiter = mark.to_vec();
                    }
                    return Ok(Piece::new(len, What::Statement));
                }
                if (is(b"INSERT") || is(b"REPLACE"))
                    && let Some(len) = head(window, eof, self.dialect)?
                {
                    self.state = State::Tuple;
                    return Ok(Piece::new(len, What::Head));
                }
            }
            _ => {}
        }
        let end = self.statement(window, 0, eof)?;
        let statement = window.get(..end).unwrap_or_default();
        self.dialect = turned(statement, self.dialect);
        if is_copy(statement, self.dialect) {
            let rest = line(window.get(end..).unwrap_or_default(), eof)?;
            if window.get(end..end + rest).is_some_and(|rest| rest.trim_ascii().is_empty() && rest.ends_with(b"\n")) {
                self.state = State::Rows;
                return Ok(Piece::new(end + rest, What::Copy));
            }
        }
        Ok(Piece::new(end, What::Statement))
    }

    /// One past the end of the statement that `text` is in at `at`.
    fn statement(&self, text: &[u8], mut at: usize, eof: bool) -> Result<usize, Short> {
        let plain = self.delimiter == b";";
        let (mut parens, mut blocks, mut words, mut created, mut routine) = (0u32, 0u32, 0u32, false, false);
        let mut begun = false;
        while at < text.len() {
            let rest = text.get(at..).unwrap_or_default();
            if !plain && rest.starts_with(&self.delimiter) {
                return Ok(at + self.delimiter.len());
            }
            if !plain && !eof && self.delimiter.starts_with(rest) {
                return Err(Short);
            }
            let (token, end) = lex::token(text, at, eof, self.dialect)?;
            match token {
                Token::Word => {
                    let word = text.get(at..end).unwrap_or_default();
                    let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
                    words += 1;
                    created |= words == 1 && is(b"CREATE");
                    let kind = is(b"FUNCTION") || is(b"PROCEDURE") || is(b"TRIGGER") || is(b"EVENT");
                    routine |= created && words < 8 && kind;
                    // `PostgreSQL` takes both words for names as well, of parameters and columns.
                    let opens = match self.dialect.kind {
                        Kind::Postgres => begun && is(b"ATOMIC"),
                        _ => parens == 0 && is(b"BEGIN"),
                    };
                    begun = parens == 0 && is(b"BEGIN");
                    if routine && (opens || blocks > 0 && is(b"CASE")) {
                        blocks += 1;
                    } else if routine && is(b"END") {
                        blocks = blocks.saturating_sub(1);
                    }
                }
                Token::Sign(b'(') => parens += 1,
                Token::Sign(b')') => parens = parens.saturating_sub(1),
                Token::Sign(b';') if plain && parens == 0 && blocks == 0 => return Ok(end),
                _ => {}
            }
            at = end;
        }
        Err(Short)
    }

    fn row(&mut self, window: &[u8], eof: bool) -> Result<Option<Piece>> {
        let len = match memchr::memchr(b'\n', window) {
            Some(at) => at + 1,
            None if eof && window.trim_ascii_end() == b"\\." => window.len(),
            None if eof => return Err(damaged("the dump ends inside of the rows of a COPY")),
            None => return Ok(None),
        };
        let row = window.get(..len).unwrap_or_default();
        if row.starts_with(b"\\.") && matches!(row, b"\\.\n" | b"\\.\r\n" | b"\\.") {
            self.state = State::Free;
            return Ok(Some(Piece::new(len, What::End)));
        }
        Ok(Some(Piece::new(len, What::Row)))
    }

    fn tuple(&mut self, window: &[u8], eof: bool) -> Result<Option<Piece>> {
        match lex::tuple(window, 0, eof, self.dialect) {
            Ok(Some(tuple)) => {
                self.state = State::After;
                let lex::Tuple { end, values, escaped, odd, comment, joined } = tuple;
                if joined {
                    return Err(damaged("a value of several strings, or with U&"));
                }
                Ok(Some(Piece { len: end, what: What::Tuple, values, escaped, odd, comment }))
            }
            Ok(None) => Err(damaged("an INSERT ends inside of a tuple")),
            Err(Short) if eof => Err(damaged("the dump ends inside of a tuple")),
            Err(Short) => Ok(None),
        }
    }

    /// What comes behind a tuple: a comma and the blanks before the next one, or the statement's rest.
    fn after(&mut self, window: &[u8], eof: bool) -> Result<Option<Piece>> {
        let (mut at, mut comma) = (0, false);
        // As `mysqldump` writes it.
        if window.starts_with(b",(") {
            self.state = State::Tuple;
            return Ok(Some(Piece::new(1, What::Comma)));
        }
        while at < window.len() {
            let (token, end) = match lex::token(window, at, eof, self.dialect) {
                Ok(token) => token,
                Err(Short) if eof => return Err(damaged("the dump ends inside of an INSERT")),
                Err(Short) => return Ok(None),
            };
            match token {
                Token::Sign(b',') if !comma => comma = true,
                Token::Sign(b'(') if comma => {
                    self.state = State::Tuple;
                    return Ok(Some(Piece::new(at, What::Comma)));
                }
                Token::Blank | Token::Comment => {}
                _ if comma => return Err(damaged("something else than a tuple follows a comma")),
                _ => return self.tail(window, at, eof),
            }
            at = end;
        }
        if eof { Err(damaged("the dump ends inside of an INSERT")) } else { Ok(None) }
    }

    fn tail(&mut self, window: &[u8], at: usize, eof: bool) -> Result<Option<Piece>> {
        let end = match self.statement(window, at, eof) {
            Ok(end) => end,
            Err(Short) if eof => return Err(damaged("the dump ends inside of an INSERT")),
            Err(Short) => return Ok(None),
        };
        let feed = match window.get(end..).unwrap_or_default() {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            [] | [b'\r'] if !eof => return Ok(None),
            _ => 0,
        };
        self.state = State::Free;
        Ok(Some(Piece::new(end + feed, What::Tail)))
    }
}

/// A line of `SELECT … INTO OUTFILE`: a line feed behind a backslash is a value's own.
fn row_of_tab(window: &[u8], eof: bool) -> Result<Option<Piece>> {
    let escaped = |at: &usize| {
        let before = window.get(..*at).unwrap_or_default();
        before.iter().rev().take_while(|b| **b == b'\\').count() % 2 == 1
    };
    match memchr::memchr_iter(b'\n', window).find(|at| !escaped(at)) {
        Some(at) => Ok(Some(Piece::new(at + 1, What::Row))),
        None if eof => Err(damaged("the rows end inside of one")),
        None => Ok(None),
    }
}

fn damaged(what: &'static str) -> Error {
    Error::new(Fault::Damaged, what)
}

/// How text is read behind `statement`.
pub fn turned(statement: &[u8], dialect: Dialect) -> Dialect {
    if dialect.kind == Kind::Mysql {
        return Dialect { backslash: modes(statement, dialect).unwrap_or(dialect.backslash), ..dialect };
    }
    let set = statement.get(..3).is_some_and(|word| word.eq_ignore_ascii_case(b"SET"));
    if !set || memchr::memmem::find(statement, b"standard_conforming_strings").is_none() {
        return dialect;
    }
    Dialect { backslash: memchr::memmem::find(statement, b"off").is_some(), ..dialect }
}

/// Whether backslashes escape in the mode that a statement chooses for `MySQL`; `None`: it chooses none.
fn modes(statement: &[u8], dialect: Dialect) -> Option<bool> {
    // They stand near its start, and rows come in no statement.
    let lower = statement.get(..statement.len().min(1000)).unwrap_or_default().to_ascii_lowercase();
    memchr::memmem::find(&lower, b"sql_mode")?;
    lex::parts(&lower, dialect, 1).first().filter(|first| first.is("SET"))?;
    Some(memchr::memmem::find(&lower, b"no_backslash_escapes").is_none())
}

/// Whether a statement chooses a character set in which a backslash may be half of a character.
pub fn is_foreign_set(statement: &[u8]) -> bool {
    const SETS: [&[u8]; 9] =
        [b"sjis", b"cp932", b"gbk", b"gb2312", b"gb18030", b"big5", b"uhc", b"johab", b"shift_jis_2004"];
    let lower = statement.get(..statement.len().min(200)).unwrap_or_default().to_ascii_lowercase();
    let has = |word: &[u8]| memchr::memmem::find(&lower, word).is_some();
    (has(b"set names") || has(b"client_encoding")) && SETS.iter().any(|set| has(set))
}

/// Length of the line that `window` starts with, its line feed included.
fn line(window: &[u8], eof: bool) -> Result<usize, Short> {
    match memchr::memchr(b'\n', window) {
        Some(at) => Ok(at + 1),
        None if eof => Ok(window.len()),
        None => Err(Short),
    }
}

/// Where the first tuple of the `INSERT` starts that `window` starts with; `None` if its rows do not come as tuples.
fn head(window: &[u8], eof: bool, dialect: Dialect) -> Result<Option<usize>, Short> {
    let (mut at, mut depth, mut values) = (0, 0u32, false);
    while at < window.len() {
        let (token, end) = lex::token(window, at, eof, dialect)?;
        let word = window.get(at..end).unwrap_or_default();
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        match token {
            Token::Sign(b'(') if values => return Ok(Some(at)),
            Token::Sign(b'(') => depth += 1,
            Token::Sign(b')') => depth = depth.saturating_sub(1),
            Token::Sign(b';') => return Ok(None),
            Token::Word if depth == 0 && (is(b"VALUES") || is(b"VALUE")) => values = true,
            Token::Word if depth == 0 && (is(b"SELECT") || is(b"SET") || is(b"DEFAULT") || is(b"WITH")) => {
                return Ok(None);
            }
            Token::Word if values => return Ok(None),
            _ => {}
        }
        at = end;
    }
    Err(Short)
}

/// Whether the statement is a `COPY … FROM stdin`.
fn is_copy(statement: &[u8], dialect: Dialect) -> bool {
    if !statement.get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"COPY")) {
        return false;
    }
    let parts = lex::parts(statement, dialect, usize::MAX);
    parts.first().is_some_and(|part| part.is("COPY"))
        && parts.windows(2).any(|pair| matches!(pair, [a, b] if a.is("FROM") && b.is("STDIN")))
}

/// The name of the table of an `INSERT` or `COPY`, as parts from the outermost in, and its list of columns.
pub struct Into<'t> {
    /// Database, schema and table, as far as they are there.
    pub table: Vec<&'t [u8]>,
    /// Names of the columns, if they are listed.
    pub columns: Option<Vec<&'t [u8]>>,
    /// What follows.
    pub rest: Vec<Part<'t>>,
}

/// Reads the head of an `INSERT`, a `REPLACE` or a `COPY`.
pub fn into(head: &[u8], dialect: Dialect) -> Option<Into<'_>> {
    let parts = lex::parts(head, dialect, usize::MAX);
    let mut at = 1;
    if !parts.first()?.is("COPY") {
        at = parts.iter().position(|part| part.is("INTO")).map_or(1, |into| into + 1);
        // `MySQL` takes `INSERT t` as well.
        while parts
            .get(at)
            .is_some_and(|part| ["IGNORE", "DELAYED", "LOW_PRIORITY", "HIGH_PRIORITY"].iter().any(|w| part.is(w)))
        {
            at += 1;
        }
    }
    let (table, mut at) = dotted(&parts, at)?;
    let mut columns = None;
    if parts.get(at)?.sign(b'(') {
        let mut names = Vec::new();
        loop {
            at += 1;
            let part = parts.get(at)?;
            match part.token {
                Token::Word | Token::Name | Token::Text(_) => names.push(part.raw),
                Token::Sign(b',') => {}
                Token::Sign(b')') => break,
                _ => return None,
            }
        }
        at += 1;
        columns = Some(names);
    }
    Some(Into { table, columns, rest: parts.get(at..)?.to_vec() })
}

/// The parts of the dotted name that stands at `at`, and the index of what follows.
pub fn dotted<'t>(parts: &[Part<'t>], mut at: usize) -> Option<(Vec<&'t [u8]>, usize)> {
    let mut names = Vec::new();
    loop {
        let part = parts.get(at)?;
        if !matches!(part.token, Token::Word | Token::Name | Token::Text(_)) {
            return None;
        }
        names.push(part.raw);
        at += 1;
        if !parts.get(at).is_some_and(|part| part.sign(b'.')) {
            return Some((names, at));
        }
        at += 1;
    }
}
