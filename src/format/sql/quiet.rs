//! Statements without rows: which of them hold no data, and the texts of their strings.

use std::borrow::Cow;

use super::cells::Row;
use super::lex::{self, Dialect, Token};
use crate::policy::FieldName;
use crate::record::{Field, Place};

/// Adds the texts of a statement's strings whose bytes are not their text.
pub fn decode_literals(statement: &[u8], dialect: Dialect, out: &mut Vec<u8>) {
    if memchr::memchr(b'\'', statement).is_none() {
        return;
    }
    for part in lex::parts(statement, dialect, usize::MAX) {
        let escaped = memchr::memchr(b'\\', part.raw).is_some() || memchr::memmem::find(part.raw, b"''").is_some();
        if matches!(part.token, Token::Text(_)) && (escaped || part.raw.starts_with(b"'\\x")) {
            out.extend(Row::of_tuple(&[b"(", part.raw, b")"].concat(), dialect).view);
        }
    }
}

/// Whether a statement may write rows that do not come as tuples: searched in any case, since a candidate is one by the text around it.
pub fn writes(statement: &[u8], dialect: Dialect) -> bool {
    let first = lex::parts(statement, dialect, 1);
    first.first().is_some_and(|first| ["INSERT", "REPLACE", "WITH", "MERGE"].iter().any(|word| first.is(word)))
}

/// Whether a statement says that text is neither in UTF-8 nor in no character set at all: `SET NAMES latin1`, `SET client_encoding = 'LATIN1'`.
pub fn is_other_set(statement: &[u8], dialect: Dialect) -> bool {
    const PLAIN: [&[u8]; 8] =
        [b"utf8", b"utf-8", b"utf8mb3", b"utf8mb4", b"unicode", b"sql_ascii", b"ascii", b"binary"];
    let parts = lex::parts(statement, dialect, 4);
    let name = match parts.as_slice() {
        [set, names, name, ..] if set.is("SET") && names.is("NAMES") => name,
        [set, encoding, _, name] if set.is("SET") && encoding.is("CLIENT_ENCODING") => name,
        _ => return false,
    };
    let name = lex::name(name.raw, dialect).to_ascii_lowercase();
    !PLAIN.contains(&name.as_slice()) && name != b"default"
}

/// Literals of one statement that are looked at as fields.
const LITERALS: usize = 1 << 16;

/// The literals of a statement that writes rows whose columns are not told, such as `INSERT … SELECT`, as fields of that name: each may come to
/// stand in such a column. None, if it writes no rows.
pub fn literals<'t>(statement: &'t [u8], dialect: Dialect, name: &'t FieldName) -> Vec<Field<'t>> {
    if !writes(statement, dialect) {
        return Vec::new();
    }
    let field = |part: lex::Part<'t>| {
        let quotes = usize::from(matches!(part.token, Token::Text(_)));
        let within = quotes..part.raw.len().saturating_sub(quotes).max(quotes);
        let span = part.at + within.start..part.at + within.end;
        let path = name.parts().iter().map(|name| Cow::Borrowed(name.as_slice())).collect();
        let text = Cow::Borrowed(part.raw.get(within).unwrap_or_default());
        Field { path, whole: span.clone(), span, text, place: Place::Cell }
    };
    let parts = lex::parts(statement, dialect, usize::MAX).into_iter();
    let values = parts.filter(|part| {
        matches!(part.token, Token::Text(_)) || part.token == Token::Word && part.raw.iter().all(u8::is_ascii_digit)
    });
    values.take(LITERALS).map(field).collect()
}

/// A large object, as it comes in pieces: `SELECT pg_catalog.lowrite(0, '\x…');`.
#[derive(Debug, Default)]
pub struct Object {
    /// The end of the last piece.
    tail: Vec<u8>,
}

impl Object {
    /// Bytes that are kept of a piece: as many as `pg_dump` puts into one.
    const REACH: usize = 16 << 10;

    /// Text around the seam between this piece and the one before it; `None`: there is no seam.
    pub fn seam(&mut self, statement: &[u8]) -> Option<Vec<u8>> {
        let mut text = std::mem::take(&mut self.tail);
        memchr::memmem::find(statement, b"lowrite")?;
        let from = memchr::memmem::find(statement, b"\\x")? + 2;
        let digits = statement.get(from..)?;
        let digits = digits.get(..digits.iter().take_while(|b| b.is_ascii_hexdigit()).count())?;
        let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).unwrap_or(0);
        let bytes: Vec<u8> = digits
            .chunks_exact(2)
            .map(|pair| pair.iter().fold(0, |byte: u8, digit| byte << 4 | nibble(*digit)))
            .collect();
        let seam = !text.is_empty();
        text.extend_from_slice(bytes.get(..Self::REACH.min(bytes.len())).unwrap_or_default());
        // A short piece may have seams on both sides.
        let kept = if bytes.len() < Self::REACH { &text } else { &bytes };
        self.tail.extend_from_slice(kept.get(kept.len().saturating_sub(Self::REACH)..).unwrap_or_default());
        seam.then_some(text)
    }
}

/// Whether a statement holds no data: DDL, settings, comments, commands of the client.
pub fn is_quiet(statement: &[u8], dialect: Dialect) -> bool {
    const QUIET: [&str; 37] = [
        "CREATE",
        "ALTER",
        "DROP",
        "SET",
        "COMMENT",
        "GRANT",
        "REVOKE",
        "SELECT",
        "BEGIN",
        "START",
        "COMMIT",
        "ROLLBACK",
        "END",
        "LOCK",
        "UNLOCK",
        "USE",
        "DELIMITER",
        "PRAGMA",
        "ANALYZE",
        "VACUUM",
        "REINDEX",
        "REFRESH",
        "CLUSTER",
        "SECURITY",
        "DO",
        "TRUNCATE",
        "RESET",
        "CHECKPOINT",
        "NOTIFY",
        "FLUSH",
        "OPTIMIZE",
        "DECLARE",
        "SAVEPOINT",
        "RELEASE",
        "ABORT",
        "IMPORT",
        "COPY",
    ];
    if statement.starts_with(b"\\") {
        return true;
    }
    let parts = lex::parts(statement, dialect, 1);
    match parts.first() {
        None => true,
        Some(first) if first.sign(b';') => true,
        Some(first) if first.is("SELECT") => {
            // Large objects are written so.
            let writes = |word: &[u8]| memchr::memmem::find(statement, word).is_some();
            !writes(b"lowrite") && !writes(b"lo_put") && !writes(b"lo_from_bytea")
        }
        Some(first) => QUIET.iter().any(|word| first.is(word)),
    }
}
