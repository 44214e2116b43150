//! Statements without rows: which of them hold no data, and the texts of their strings.

use super::cells::Row;
use super::lex::{self, Dialect, Token};

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
