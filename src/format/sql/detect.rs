//! Whether text is an SQL dump: by what the dump programs write at its start, or because it starts with statements.

use super::lex::Dialect;
use super::walk::{Walk, What};
use crate::format;

const MARKERS: [&[u8]; 7] = [
    b"-- PostgreSQL database dump",
    b"-- PostgreSQL database cluster dump",
    b"-- MySQL dump",
    b"-- MariaDB dump",
    b"/*!40101 SET ",
    b"/*M!999999",
    b"PRAGMA foreign_keys=OFF;",
];
/// Words that begin statements; the first four tell a dump by themselves, and those behind `LOCK TABLES` only with the name.
const OPENINGS: [&[u8]; 17] = [
    b"INSERT INTO ",
    b"INSERT IGNORE INTO ",
    b"REPLACE INTO ",
    b"CREATE TABLE ",
    b"DROP TABLE ",
    b"CREATE DATABASE ",
    b"START TRANSACTION",
    b"BEGIN",
    b"SET ",
    b"USE ",
    b"LOCK TABLES ",
    b"SELECT ",
    b"ALTER TABLE ",
    b"COPY ",
    b"COMMENT ON ",
    b"PRAGMA ",
    b"\\connect ",
];

/// Whether the dump that starts with `head` holds rows alone: the first come before any table is declared, as no program
/// writes it that writes declarations.
pub fn is_data_only(head: &[u8]) -> bool {
    let mut walk = Walk::new(Dialect::of(head));
    let mut at = 0;
    while let Some(rest) = head.get(at..).filter(|rest| !rest.is_empty()) {
        let Ok(Some(piece)) = walk.next(rest, false) else { return false };
        let bytes = rest.get(..piece.len).unwrap_or_default();
        match piece.what {
            What::Copy | What::Head => return true,
            What::Statement if bytes.get(..6).is_some_and(|word| word.eq_ignore_ascii_case(b"CREATE")) => return false,
            _ => at += piece.len,
        }
    }
    false
}

/// Whether `head` has the mark of a dump program in its first lines, however binary its rows are.
pub fn is_marked(head: &[u8]) -> bool {
    let mut lines = format::lines(format::body(head)).take(20).map(format::content);
    lines.any(|line| MARKERS.iter().any(|marker| line.starts_with(marker)))
}

/// Whether `head` starts as `mysqldump --xml` and `mysql --xml` write rows: as text no column would be known by its name.
pub fn is_xml(head: &[u8]) -> bool {
    let mut lines = format::lines(format::body(head)).take(4).map(format::content);
    lines.any(|line| {
        [&b"<mysqldump xmlns"[..], b"<mysqldump>", b"<resultset statement="].iter().any(|tag| line.starts_with(tag))
    })
}

/// Whether `text`, the start of a stream, is a dump; `named`: its name ends in `.sql`.
pub fn is_dump(text: &[u8], named: bool) -> bool {
    let starts =
        |line: &[u8], word: &[u8]| line.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    let mut opened = None;
    for line in format::lines(text).map(format::content) {
        if MARKERS.iter().any(|marker| line.starts_with(marker))
            || line.starts_with(b"COPY ")
                && line.ends_with(b";")
                && memchr::memmem::find(line, b" FROM stdin").is_some()
        {
            return true;
        }
        let bare = line.trim_ascii();
        // So do other programs' dumps and people's, with lines of their own before.
        if named && ["INSERT ", "REPLACE INTO ", "CREATE TABLE "].iter().any(|word| starts(bare, word.as_bytes())) {
            return true;
        }
        if bare.is_empty() || bare.starts_with(b"--") || bare.starts_with(b"/*") {
            continue;
        }
        let (first, any) = if named { (OPENINGS.len(), OPENINGS.len()) } else { (11, 4) };
        let opens = *opened.get_or_insert_with(|| OPENINGS.iter().take(first).any(|word| starts(bare, word)));
        if opens && OPENINGS.iter().take(any).any(|word| starts(bare, word)) {
            return true;
        }
    }
    false
}
