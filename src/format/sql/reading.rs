//! The tokens of one statement of DDL, as [`super::schema`] looks at them.

use super::lex::{self, Dialect, Kind, Part, Token};

/// A statement's tokens.
pub struct Reading<'t> {
    /// Without blanks and comments.
    pub parts: &'t [Part<'t>],
    /// How text is read.
    pub dialect: Dialect,
}

impl Reading<'_> {
    /// Whether the token at `at` is the word `word`, which is in upper case.
    pub fn is(&self, at: usize, word: &str) -> bool {
        self.parts.get(at).is_some_and(|part| part.is(word))
    }

    /// Whether it is the sign `byte`.
    pub fn sign(&self, at: usize, byte: u8) -> bool {
        self.parts.get(at).is_some_and(|part| part.sign(byte))
    }

    /// The `)` that closes the `(` at `open`.
    pub fn close(&self, open: usize) -> Option<usize> {
        let mut depth = 0usize;
        for (at, part) in self.parts.iter().enumerate().skip(open) {
            if part.sign(b'(') {
                depth += 1;
            } else if part.sign(b')') {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
        }
        None
    }

    /// The names in `PARTITION BY … (…)`, from `at` on; of `MySQL`'s only where a list of values divides, since the others take any value.
    pub fn divided(&self, at: usize) -> Vec<Vec<u8>> {
        let by = (at..self.parts.len()).find(|at| self.is(*at, "PARTITION") && self.is(at + 1, "BY"));
        let open = by.and_then(|by| (by..self.parts.len()).find(|at| self.sign(*at, b'(')));
        let (Some(by), Some(open)) = (by, open) else { return Vec::new() };
        if self.dialect.kind == Kind::Mysql && !self.is(by + 2, "LIST") {
            return Vec::new();
        }
        let inside = self.parts.get(open..self.close(open).unwrap_or(open)).unwrap_or_default();
        let names = inside.iter().filter(|part| matches!(part.token, Token::Word | Token::Name));
        names.map(|part| lex::name(part.raw, self.dialect)).collect()
    }

    /// What the commas of this level divide.
    pub fn items(&self, from: usize, to: usize) -> Vec<std::ops::Range<usize>> {
        let (mut out, mut start, mut depth) = (Vec::new(), from, 0usize);
        for at in from..to {
            if self.sign(at, b'(') {
                depth += 1;
            } else if self.sign(at, b')') {
                depth = depth.saturating_sub(1);
            } else if depth == 0 && self.sign(at, b',') {
                out.push(start..at);
                start = at + 1;
            }
        }
        out.push(start..to);
        out.retain(|item| !item.is_empty());
        out
    }

    /// Names in the list whose `(` is at `open`; what follows a name there (a length, an order) is passed over.
    pub fn names(&self, open: usize) -> Option<Vec<Vec<u8>>> {
        let items = self.items(open + 1, self.close(open)?);
        items.iter().map(|item| self.parts.get(item.start).map(|part| lex::name(part.raw, self.dialect))).collect()
    }
}

/// What `SET search_path = public, pg_catalog` says: the schema in which names are made, empty if it is none that is known. `None`: the
/// statement is another one.
pub fn search_path(statement: &[u8], dialect: Dialect) -> Option<Vec<u8>> {
    if dialect.kind == Kind::Mysql || !statement.get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"SET ")) {
        return None;
    }
    let parts = lex::parts(statement, dialect, 5);
    let at = if parts.get(1).is_some_and(|part| part.is("LOCAL") || part.is("SESSION")) { 2 } else { 1 };
    if !parts.get(at).is_some_and(|part| part.is("SEARCH_PATH")) {
        return None;
    }
    let first = parts.get(at + 2).filter(|part| matches!(part.token, Token::Word | Token::Name));
    let name = first.map(|part| lex::name(part.raw, dialect));
    Some(name.filter(|name| !name.starts_with(b"$") && name != b"pg_catalog").unwrap_or_default())
}
