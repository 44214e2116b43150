//! Table definitions that a dump does not bring along: those of `--schema FILE`, and of the files beside `mysqldump --tab`'s rows.
//!
//! Read as a dump is read, with its rows passed over. Where the file does not say whose it is (`SQLite`'s `.schema`) it is read as the dump
//! that it is for. Memory: the file, and what `Schema` keeps of it, once for each way to read it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use sha2::{Digest as _, Sha256};

use super::lex::{Dialect, Kind};
use super::schema::{Key, MOST, Schema};
use super::walk::{Walk, What, is_foreign_set};
use crate::error::{Error, Result};
use crate::judge::pseudonym::hex;

/// Bytes of a file of definitions; it may hold more than definitions.
pub const MAX_BYTES: u64 = 64 << 20;

/// See the module. `Debug` shows nothing of the file.
pub struct Ddl {
    text: Vec<u8>,
    sha256: String,
    kind: Kind,
    /// Tables by the names of their files, where these were read.
    files: HashMap<Vec<u8>, Key>,
    /// As each [`Kind`] reads it.
    read: [OnceLock<Arc<Schema>>; 4],
}

impl std::fmt::Debug for Ddl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ddl").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Ddl {
    /// Definitions in `text`. Usage errors: no table is defined in it; it cannot be read to its end.
    pub fn new(text: Vec<u8>) -> Result<Self> {
        let kind = Dialect::of(&text).kind;
        let told = if kind == Kind::Unknown && says_sqlite(&text) { Kind::Sqlite } else { kind };
        let ways: &[Kind] = match told {
            Kind::Unknown => &[Kind::Unknown, Kind::Sqlite, Kind::Postgres, Kind::Mysql],
            Kind::Postgres => &[Kind::Postgres],
            Kind::Mysql => &[Kind::Mysql],
            Kind::Sqlite => &[Kind::Sqlite],
        };
        let mut first = None;
        for way in ways {
            let error = match read(&text, *way) {
                Ok(schema) if schema.tables.values().any(|table| !table.columns.is_empty()) => {
                    let sha256 = hex(&Sha256::digest(&text));
                    return Ok(Self { text, sha256, kind: told, files: HashMap::new(), read: Default::default() });
                }
                Ok(_) => Error::usage("it has no CREATE TABLE that can be read"),
                Err(error) => Error::usage(error.to_string()),
            };
            first = first.or(Some(error));
        }
        Err(first.unwrap_or_else(|| Error::usage("it cannot be read")))
    }

    /// The table whose rows are in the file of the name `stem`; `schema`: what this defines.
    pub fn table(&self, stem: &[u8], schema: &Schema) -> Option<Key> {
        if let Some(key) = self.files.get(stem) {
            return Some(Arc::clone(key));
        }
        let mut named = schema.tables.keys().filter(|key| is_named(stem, key));
        let one = named.next().filter(|_| named.next().is_none());
        one.cloned().or_else(|| schema.only())
    }

    /// Digest of the file's bytes, hex; of nothing but a file.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Whose the file is, as far as it tells.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The tables, for a dump that is `of` somebody. What cannot be read so defines nothing.
    pub fn schema(&self, of: Kind) -> Arc<Schema> {
        let way = if self.kind == Kind::Unknown { of } else { self.kind };
        let [unknown, postgres, mysql, sqlite] = &self.read;
        let slot = match way {
            Kind::Unknown => unknown,
            Kind::Postgres => postgres,
            Kind::Mysql => mysql,
            Kind::Sqlite => sqlite,
        };
        Arc::clone(slot.get_or_init(|| Arc::new(read(&self.text, way).unwrap_or_default())))
    }
}

/// How text of that kind is read.
pub fn dialect(kind: Kind) -> Dialect {
    Dialect { kind, backslash: kind == Kind::Mysql }
}

/// Words that stand in nobody else's definitions.
fn says_sqlite(text: &[u8]) -> bool {
    let has = |word: &[u8]| memchr::memmem::find(text, word).is_some();
    has(b"AUTOINCREMENT") || has(b"WITHOUT ROWID") || has(b"sqlite_sequence")
}

/// The definitions in `text`.
fn read(text: &[u8], kind: Kind) -> Result<Schema> {
    let mut schema = Schema::default();
    pieces(text, kind, &mut |what, piece| {
        if what == What::Statement {
            schema.read(piece, dialect(kind))?;
        }
        Ok(true)
    })?;
    Ok(schema)
}

/// Shows each piece of `text` until `see` says `false`.
fn pieces(text: &[u8], kind: Kind, see: &mut dyn FnMut(What, &[u8]) -> Result<bool>) -> Result<()> {
    let (mut walk, mut at) = (Walk::new(dialect(kind)), 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(piece) = walk.next(rest, true)? else { break };
        if !see(piece.what, rest.get(..piece.len).unwrap_or_default())? {
            return Ok(());
        }
        at += piece.len;
    }
    walk.finish()
}

/// What `mysqldump --tab` writes beside the rows of its tables.
#[derive(Default)]
pub struct Folder {
    bytes: usize,
    whole: Schema,
    files: HashMap<Vec<u8>, Key>,
    /// Something of the folder could not be read: nothing is said of any table.
    torn: bool,
}

impl Folder {
    /// Takes in the file whose name is `stem` and `.sql`; whether it is one of `mysqldump --tab`: `MySQL`'s definition of the table
    /// `stem`, and no rows. One that is cut is taken for one.
    pub fn add(&mut self, stem: &[u8], text: &[u8]) -> bool {
        if Dialect::of(text).kind != Kind::Mysql {
            return false;
        }
        let (mut own, mut rows) = (Schema::default(), false);
        let whole = pieces(text, Kind::Mysql, &mut |what, piece| {
            rows |= !matches!(what, What::Statement | What::Blank);
            self.torn |= is_foreign_set(piece);
            if !rows && what == What::Statement {
                own.read(piece, dialect(Kind::Mysql))?;
            }
            Ok(!rows)
        });
        let key = own.tables.keys().find(|key| is_named(stem, key)).cloned();
        if rows || whole.is_ok() && key.is_none() {
            return false;
        }
        self.bytes += text.len();
        self.torn |= whole.is_err() || self.bytes > MOST;
        self.files.extend(key.map(|key| (stem.to_vec(), key)));
        self.whole.merge(own);
        true
    }

    /// More files than are looked at, or one that cannot be read: nothing is known for sure.
    pub fn tear(&mut self) {
        self.torn = true;
    }

    /// The definitions.
    pub fn finish(self) -> Ddl {
        let schema = if self.torn { Schema::default() } else { self.whole };
        let (text, sha256) = (Vec::new(), String::new());
        let ddl = Ddl { text, sha256, kind: Kind::Mysql, files: self.files, read: Default::default() };
        let [_, _, mysql, _] = &ddl.read;
        let _first = mysql.set(Arc::new(schema));
        ddl
    }
}

/// Whether a file of the name `stem` is that of the table `key`. `MariaDB` writes what is neither letter, digit nor `_` of ASCII as `@` and
/// four hex digits, or as `@` and two characters of a table of its own, which are taken for any other letter.
fn is_named(stem: &[u8], key: &Key) -> bool {
    let mut ends = BTreeSet::from([0]);
    for c in String::from_utf8_lossy(Schema::named(key)).chars() {
        let (mut next, mut utf8) = (BTreeSet::new(), [0; 4]);
        let plain = c.encode_utf8(&mut utf8).as_bytes();
        for at in ends {
            let rest = stem.get(at..).unwrap_or_default();
            if rest.get(..plain.len()).is_some_and(|start| start.eq_ignore_ascii_case(plain)) {
                next.insert(at + plain.len());
            }
            let Some(code) = rest.strip_prefix(b"@") else { continue };
            let hex = code.get(..4).and_then(|digits| std::str::from_utf8(digits).ok());
            if hex.and_then(|digits| u32::from_str_radix(digits, 16).ok()) == Some(u32::from(c)) {
                next.insert(at + 5);
            }
            if !c.is_ascii() && code.get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_alphanumeric)) {
                next.insert(at + 3);
            }
        }
        ends = next;
    }
    ends.contains(&stem.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_for_their_tables() {
        let named = |stem: &str, table: &str| is_named(stem.as_bytes(), &format!("\0{table}").into_bytes().into());
        for (stem, table) in [
            ("users", "users"),
            ("Users", "users"),
            ("The@0020Audit@0027s@0020Log", "the audit's log"),
            ("@0p@002dx", "é-x"),
            ("a@b", "a@b"),
            ("caf\u{e9}", "café"),
        ] {
            assert!(named(stem, table), "{stem} {table}");
        }
        for (stem, table) in
            [("users2", "users"), ("user", "users"), ("@0020", "-"), ("", "a"), ("@0", "é"), ("@0p", "e")]
        {
            assert!(!named(stem, table), "{stem} {table}");
        }
    }
}
