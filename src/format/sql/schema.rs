//! What a dump's own DDL says: tables, their columns, keys and foreign keys.
//!
//! Read from the statements as they pass by, with as much of SQL as the dump programs write. What is not understood is not known:
//! a table without columns is one whose rows cannot be named. Memory: the names of tables and columns, at most [`MOST`] bytes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::ddl;
use super::lex::{self, Dialect, Kind, Token};
use super::reading::{Reading, search_path};
use super::types::{self, Class, Fold, Made};
use super::walk::dotted;
use crate::error::{Error, Result};

/// Bytes of names that are kept.
pub const MOST: usize = 16 << 20;

/// A table's name, folded: database, schema and table joined by dots, as far as they are told.
pub type Key = Arc<[u8]>;

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, folded.
    pub name: Vec<u8>,
    /// What it can hold.
    pub class: Class,
    /// Whether it takes no NULL.
    pub not_null: bool,
    /// Whether its values are told apart by a key or an index.
    pub unique: bool,
    /// Whether it is computed, and so may be missing in rows.
    pub generated: bool,
    /// Whether texts are equal that differ in case, or in blanks at their ends; `None`: as in the rest of the table.
    pub folds: Option<Fold>,
    /// The text that it has where a row gives it none; `None`: NULL, or what is computed then.
    pub default: Option<Vec<u8>>,
}

impl Column {
    /// One of which nothing but the name is known.
    pub fn unknown(name: Vec<u8>) -> Self {
        Self {
            name,
            class: Class::Unknown,
            not_null: false,
            unique: false,
            generated: false,
            folds: None,
            default: None,
        }
    }
}

/// One table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Its columns; empty if they are not known.
    pub columns: Vec<Column>,
    /// It is known that it has none.
    pub bare: bool,
    /// The table of which it is a partition.
    pub parent: Option<Key>,
    /// Tables whose columns it inherits, and among whose rows its own are shown.
    pub inherits: Vec<Key>,
    /// Columns of the primary key.
    pub primary: Vec<Vec<u8>>,
    /// Names in what tells to which partition a row belongs, where a row that changes there might belong to none.
    pub divided: Vec<Vec<u8>>,
}

/// What happens to rows that refer to one that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnDelete {
    /// They go.
    Cascade,
    /// Their columns become NULL.
    SetNull,
    /// Some of their columns become NULL, or their default.
    SetSome {
        /// Which; empty: all.
        columns: Vec<Vec<u8>>,
        /// Their default.
        default: bool,
    },
    /// Nothing is said.
    None,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// Table with the reference.
    pub from: Key,
    /// Its columns.
    pub columns: Vec<Vec<u8>>,
    /// Table that is referred to.
    pub to: Key,
    /// Its columns; empty: the primary key.
    pub to_columns: Vec<Vec<u8>>,
    /// See [`OnDelete`].
    pub on_delete: OnDelete,
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    /// Tables by their names.
    pub tables: BTreeMap<Key, Table>,
    /// All foreign keys.
    pub keys: Vec<ForeignKey>,
    /// Types of its own.
    made: HashMap<Vec<u8>, Made>,
    /// Tables by the last part of their names; `None`: several.
    short: HashMap<Vec<u8>, Option<Key>>,
    /// Database that the statements are about.
    database: Vec<u8>,
    /// Schema of `PostgreSQL` in which names without one are made, as old versions' dumps say before each (`SET search_path`); empty: none.
    path: Vec<u8>,
    /// What was told besides the dump.
    given: Option<Arc<Schema>>,
    bytes: usize,
}

impl Schema {
    /// Of a dump of which this is known besides: the dump's own definition of a table is what counts.
    pub fn with(given: Arc<Schema>) -> Self {
        let mut schema = Self { given: Some(given), ..Self::default() };
        schema.adopt();
        schema
    }

    /// Takes over what was told of the database that statements are about now: of the one of that name, else of the only one that was told
    /// of. What is known already stays.
    fn adopt(&mut self) {
        let Some(given) = self.given.clone().filter(|_| self.bytes <= MOST) else { return };
        let of = |schema: &Self, database: &[u8]| schema.tables.keys().any(|key| Self::database(key) == database);
        let mut databases: Vec<&[u8]> = given.tables.keys().map(Self::database).collect();
        databases.dedup();
        let from = match databases.as_slice() {
            _ if of(self, &self.database) => return,
            _ if of(&given, &self.database) => self.database.clone(),
            [only] => only.to_vec(),
            _ => return,
        };
        let own = self.database.clone();
        let moved = |key: &Key| -> Key { [&own, key.get(from.len()..).unwrap_or_default()].concat().into() };
        for (key, table) in given.tables.iter().filter(|(key, _)| Self::database(key) == from) {
            let (parent, inherits) = (table.parent.as_ref().map(moved), table.inherits.iter().map(moved).collect());
            self.add(moved(key), Table { parent, inherits, ..table.clone() });
        }
        for key in given.keys.iter().filter(|key| Self::database(&key.from) == from) {
            self.keys.push(ForeignKey { from: moved(&key.from), to: moved(&key.to), ..key.clone() });
        }
        self.made.extend(given.made.clone());
        self.bytes += given.bytes;
    }

    fn database(key: &Key) -> &[u8] {
        memchr::memchr(0, key).and_then(|at| key.get(..at)).unwrap_or_default()
    }

    /// The key of the table of the plain name `name`, in no database and as `MySQL` folds it.
    pub fn plain(&self, name: &[u8]) -> Key {
        self.full(&[name.to_ascii_lowercase()], ddl::dialect(Kind::Mysql)).into()
    }

    /// The table, if there is but one.
    pub fn only(&self) -> Option<Key> {
        let mut keys = self.tables.keys();
        keys.next().filter(|_| keys.next().is_none()).cloned()
    }

    /// Adds the tables and foreign keys of another one.
    pub fn merge(&mut self, other: Self) {
        other.tables.into_iter().for_each(|(key, table)| self.add(key, table));
        self.keys.extend(other.keys);
        self.bytes += other.bytes;
    }

    /// The key of the table of these name parts: the one that is known, else what it would be.
    pub fn key(&self, parts: &[&[u8]], dialect: Dialect) -> Key {
        let names: Vec<Vec<u8>> = parts.iter().map(|part| lex::name(part, dialect)).collect();
        let full: Key = self.full(&names, dialect).into();
        if self.tables.contains_key(&full) {
            return full;
        }
        let last = [self.database.as_slice(), names.last().map(Vec::as_slice).unwrap_or_default()].join(&0);
        match self.short.get(&last) {
            // One of the two was written without its schema.
            Some(Some(key)) if names.len() == 1 || !Self::named(key).contains(&b'.') => Arc::clone(key),
            _ => full,
        }
    }

    fn full(&self, names: &[Vec<u8>], dialect: Dialect) -> Vec<u8> {
        match names {
            // What stands before a dot is a database there.
            [database, table] if dialect.kind == Kind::Mysql => [database.as_slice(), table].join(&0),
            [table] if dialect.kind != Kind::Mysql && !self.path.is_empty() => {
                [self.database.as_slice(), &[self.path.as_slice(), table].join(&b'.')].join(&0)
            }
            _ => [self.database.as_slice(), &names.join(&b'.')].join(&0),
        }
    }

    /// To be at the dump's start again, in another reading of it.
    pub fn restart(&mut self) {
        self.database.clear();
        self.path.clear();
    }

    /// A key's name, without the database that a statement chose.
    pub fn named(key: &Key) -> &[u8] {
        memchr::memchr(0, key).and_then(|at| key.get(at + 1..)).unwrap_or(key)
    }

    /// The table of that key.
    pub fn table(&self, key: &Key) -> Option<&Table> {
        self.tables.get(key)
    }

    /// Whether `key` is `of`, or a partition below it.
    pub fn is_part(&self, key: &Key, of: &Key) -> bool {
        let mut at = Some(key);
        for _ in 0..64 {
            match at {
                Some(key) if key == of => return true,
                Some(key) => at = self.tables.get(key).and_then(|table| table.parent.as_ref()),
                None => return false,
            }
        }
        false
    }

    /// The table, and those of which it is a part or an heir: whoever reads these reads its rows. At most 64.
    pub fn kin(&self, key: &Key) -> Vec<Key> {
        let (mut out, mut at) = (vec![Arc::clone(key)], 0);
        while let Some(table) = out.get(at).filter(|_| at < 64).and_then(|key| self.tables.get(key)) {
            let above = table.parent.iter().chain(&table.inherits).cloned();
            out.extend(above.collect::<Vec<_>>());
            at += 1;
        }
        out.truncate(64);
        out
    }

    /// Whether the partition to which rows of `key` belong hangs on that column.
    pub fn divides(&self, key: &Key, column: &[u8]) -> bool {
        let mut at = self.tables.get(key);
        for _ in 0..64 {
            let Some(table) = at else { return false };
            if table.divided.iter().any(|name| name == column) {
                return true;
            }
            at = table.parent.as_ref().and_then(|parent| self.tables.get(parent));
        }
        false
    }

    /// Turns to another database, if the statement says so.
    pub fn turn(&mut self, statement: &[u8], dialect: Dialect) -> bool {
        if let Some(rest) = statement.strip_prefix(b"\\connect") {
            self.path.clear();
            self.database = rest.trim_ascii().to_vec();
            self.adopt();
            return true;
        }
        if let Some(path) = search_path(statement, dialect) {
            self.path = path;
            return true;
        }
        let uses = statement.get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"USE "));
        if uses {
            let name = lex::parts(statement, dialect, 2).last().map(|part| lex::name(part.raw, dialect));
            self.database = name.unwrap_or_default();
            self.adopt();
        }
        uses
    }

    /// Takes in one statement; `true`: it says something of a table.
    pub fn read(&mut self, statement: &[u8], dialect: Dialect) -> Result<bool> {
        if self.turn(statement, dialect) {
            return Ok(false);
        }
        let first = lex::parts(statement, dialect, 8);
        let is = |at: usize, word: &str| first.get(at).is_some_and(|part| part.is(word));
        if !is(0, "CREATE") && !is(0, "ALTER") {
            return Ok(false);
        }
        let table = (1..5).find(|at| is(*at, "TABLE"));
        let typed = is(0, "CREATE") && ["TYPE", "DOMAIN", "UNIQUE"].iter().any(|word| is(1, word));
        if table.is_none() && !typed {
            return Ok(false);
        }
        self.bytes += statement.len();
        if self.bytes > MOST {
            return Err(Error::limit(format!("bytes of a dump's table definitions ({MOST})")));
        }
        let parts = lex::parts(statement, dialect, usize::MAX);
        let read = Reading { parts: &parts, dialect };
        match table {
            Some(at) if is(0, "CREATE") => self.create(&read, at + 1),
            Some(at) => self.alter(&read, at + 1),
            None if is(1, "TYPE") => self.create_type(&read),
            None if is(1, "DOMAIN") => self.create_domain(&read),
            None => self.create_index(&read),
        };
        Ok(true)
    }

    fn add(&mut self, key: Key, table: Table) {
        let last = Self::named(&key).rsplit(|b| *b == b'.').next().unwrap_or_default().to_vec();
        let database = memchr::memchr(0, &key).and_then(|at| key.get(..at)).unwrap_or_default();
        let short = [database, &last].join(&0);
        let known = self.tables.insert(Arc::clone(&key), table).is_some();
        self.short.entry(short).and_modify(|held| *held = if known { held.clone() } else { None }).or_insert(Some(key));
    }

    /// `CREATE TABLE`, from its name on.
    fn create(&mut self, read: &Reading<'_>, mut at: usize) -> Option<()> {
        while ["IF", "NOT", "EXISTS"].iter().any(|word| read.is(at, word)) {
            at += 1;
        }
        let (names, at) = dotted(read.parts, at)?;
        let names: Vec<Vec<u8>> = names.iter().map(|part| lex::name(part, read.dialect)).collect();
        let key: Key = self.full(&names, read.dialect).into();
        if self.given.is_some() {
            // The dump's own definition replaces what was told.
            self.keys.retain(|foreign| foreign.from != key);
        }
        let mut table = Table::default();
        if read.is(at, "PARTITION") && read.is(at + 1, "OF") {
            let (parent, _) = dotted(read.parts, at + 2)?;
            let parent = self.key(&parent, read.dialect);
            table = self.tables.get(&parent).cloned().unwrap_or_default();
            table.parent = Some(parent);
        } else {
            if !read.sign(at, b'(') {
                self.add(key, table);
                return Some(());
            }
            let close = read.close(at)?;
            for item in read.items(at + 1, close) {
                self.item(&key, &mut table, read, item);
            }
            let told = read.parts.get(close..).unwrap_or_default();
            let folds = Fold::of_table(told, read.dialect);
            for column in &mut table.columns {
                column.folds.get_or_insert(folds);
            }
            table.divided = read.divided(close);
            if read.is(close + 1, "INHERITS") {
                let mut inherited = Vec::new();
                for item in read.items(close + 3, read.close(close + 2)?) {
                    let (parent, _) = dotted(read.parts, item.start)?;
                    let key = self.key(&parent, read.dialect);
                    let parent = self.tables.get(&key)?;
                    table.inherits.push(key);
                    inherited.extend(parent.columns.iter().cloned());
                }
                inherited.append(&mut table.columns);
                table.columns = inherited;
            }
            table.bare = at + 1 == close && table.columns.is_empty();
        }
        self.add(key, table);
        Some(())
    }

    /// One column or constraint of a table.
    fn item(&mut self, key: &Key, table: &mut Table, read: &Reading<'_>, item: std::ops::Range<usize>) -> Option<()> {
        if self.constraint(key, table, read, item.clone()).is_some() {
            return Some(());
        }
        let first = read.parts.get(item.start)?;
        if !matches!(first.token, Token::Word | Token::Name | Token::Text(_)) {
            return None;
        }
        let name = lex::name(first.raw, read.dialect);
        let rest = read.parts.get(item.start + 1..item.end)?;
        let made = types::made(rest, read.dialect, &self.made);
        let mut column = Column {
            class: types::class(rest, read.dialect, &self.made),
            name: name.clone(),
            not_null: made.is_some_and(|made| made.not_null),
            unique: false,
            generated: false,
            folds: made.and_then(|made| made.folds).or_else(|| types::folds(rest, read.dialect)),
            default: None,
        };
        let mut depth = 0u32;
        for (i, part) in rest.iter().enumerate() {
            // What stands in parentheses is a condition, or a value.
            depth = (depth + u32::from(part.sign(b'('))).saturating_sub(u32::from(part.sign(b')')));
            if depth > 0 {
                continue;
            }
            let next = |word: &str| rest.get(i + 1).is_some_and(|part| part.is(word));
            column.not_null |= part.is("NOT") && next("NULL");
            if part.is("PRIMARY") && next("KEY") {
                (column.not_null, column.unique) = (true, true);
                table.primary = vec![name.clone()];
            }
            column.unique |= part.is("UNIQUE");
            // `ON DELETE SET DEFAULT` gives none.
            let set = i.checked_sub(1).and_then(|before| rest.get(before)).is_some_and(|before| before.is("SET"));
            if part.is("DEFAULT") && !set {
                column.default = types::default(rest.get(i + 1..).unwrap_or_default(), read.dialect);
            }
            // An identity column has values of its own.
            column.generated |= part.is("AS") && rest.get(i + 1).is_some_and(|part| part.sign(b'('));
            if part.is("REFERENCES") {
                self.reference(key, vec![name.clone()], read, item.start + 1 + i + 1);
            }
        }
        table.columns.push(column);
        Some(())
    }

    /// A constraint of a table, if `item` is one.
    fn constraint(
        &mut self,
        key: &Key,
        table: &mut Table,
        read: &Reading<'_>,
        item: std::ops::Range<usize>,
    ) -> Option<()> {
        let mut at = item.start;
        if read.is(at, "CONSTRAINT") {
            at +=
                if ["PRIMARY", "UNIQUE", "FOREIGN", "CHECK"].iter().any(|word| read.is(at + 1, word)) { 1 } else { 2 };
        }
        let find = |from: usize| (from..item.end).find(|at| read.sign(*at, b'('));
        if read.is(at, "PRIMARY") && read.is(at + 1, "KEY") {
            let names = read.names(find(at)?)?;
            mark(table, &names, true);
            table.primary = names;
        } else if read.is(at, "UNIQUE") {
            mark(table, &read.names(find(at)?)?, false);
        } else if read.is(at, "FOREIGN") && read.is(at + 1, "KEY") {
            let open = find(at)?;
            let names = read.names(open)?;
            let close = read.close(open)?;
            if read.is(close + 1, "REFERENCES") {
                self.reference(key, names, read, close + 2);
            }
        } else {
            let own = ["KEY", "INDEX", "FULLTEXT", "SPATIAL", "PERIOD"].iter().any(|word| read.is(at, word));
            // `exclude` is a name as well.
            let excludes = read.is(at, "EXCLUDE") && (read.is(at + 1, "USING") || read.sign(at + 1, b'('));
            let other = excludes || ["CHECK", "LIKE"].iter().any(|word| read.is(at, word));
            let named = at > item.start;
            if !(named || other || own && read.dialect.kind == Kind::Mysql) {
                return None;
            }
        }
        Some(())
    }

    /// What follows `REFERENCES`.
    fn reference(&mut self, from: &Key, columns: Vec<Vec<u8>>, read: &Reading<'_>, at: usize) -> Option<()> {
        let (to, mut at) = dotted(read.parts, at)?;
        let to = match to.as_slice() {
            // `MySQL` names the database only of a table in another one, whose dump may be another one, too.
            [database, table] if read.dialect.kind == Kind::Mysql => {
                [database, table].map(|name| lex::name(name, read.dialect)).join(&0).into()
            }
            to => self.key(to, read.dialect),
        };
        let mut to_columns = Vec::new();
        if read.sign(at, b'(') {
            to_columns = read.names(at)?;
            at = read.close(at)?;
        }
        let mut on_delete = OnDelete::None;
        // As far as the item goes: a comma on its level ends it.
        let mut depth = 0u32;
        for i in at..read.parts.len() {
            depth += u32::from(read.sign(i, b'('));
            if depth == 0 && (read.sign(i, b',') || i > at && read.sign(i, b')')) {
                break;
            }
            depth = depth.saturating_sub(u32::from(read.sign(i, b')')));
            if read.is(i, "ON") && read.is(i + 1, "DELETE") {
                on_delete = match () {
                    () if read.is(i + 2, "CASCADE") => OnDelete::Cascade,
                    () if read.is(i + 2, "SET") => {
                        let default = read.is(i + 3, "DEFAULT");
                        let columns = read.sign(i + 4, b'(').then(|| read.names(i + 4)).flatten().unwrap_or_default();
                        if default || !columns.is_empty() {
                            OnDelete::SetSome { columns, default }
                        } else {
                            OnDelete::SetNull
                        }
                    }
                    () => OnDelete::None,
                };
            }
        }
        self.keys.push(ForeignKey { from: Arc::clone(from), columns, to, to_columns, on_delete });
        Some(())
    }

    /// `ALTER TABLE`, from its name on.
    fn alter(&mut self, read: &Reading<'_>, mut at: usize) -> Option<()> {
        while ["IF", "EXISTS", "ONLY"].iter().any(|word| read.is(at, word)) {
            at += 1;
        }
        let (names, at) = dotted(read.parts, at)?;
        let key = self.key(&names, read.dialect);
        if read.is(at, "ATTACH") && read.is(at + 1, "PARTITION") {
            let (child, _) = dotted(read.parts, at + 2)?;
            let child = self.key(&child, read.dialect);
            self.tables.entry(child).or_default().parent = Some(key);
            return Some(());
        }
        let mut table = self.tables.get(&key).cloned().unwrap_or_default();
        for item in read.items(at, read.parts.len()) {
            if read.is(item.start, "ADD") {
                let start = item.start + 1 + usize::from(read.is(item.start + 1, "COLUMN"));
                let end = item.end - usize::from(read.sign(item.end - 1, b';'));
                // One that is no constraint adds a column.
                self.item(&key, &mut table, read, start..end);
            } else if read.is(item.start, "ALTER") {
                let name = item.start + 1 + usize::from(read.is(item.start + 1, "COLUMN"));
                let column = read.parts.get(name).map(|part| lex::name(part.raw, read.dialect));
                let found = table.columns.iter_mut().find(|known| Some(&known.name) == column.as_ref());
                if let Some(found) = found.filter(|_| read.is(name + 1, "SET") && read.is(name + 2, "NOT")) {
                    found.not_null = true;
                }
            }
        }
        if self.tables.contains_key(&key) {
            self.tables.insert(key, table);
        }
        Some(())
    }

    /// `CREATE UNIQUE INDEX … ON table (columns)`: of an index on expressions, all columns that it speaks of.
    fn create_index(&mut self, read: &Reading<'_>) -> Option<()> {
        let on = (0..read.parts.len()).find(|at| read.is(*at, "ON"))?;
        let at = on + 1 + usize::from(read.is(on + 1, "ONLY"));
        let (names, at) = dotted(read.parts, at)?;
        let key = self.key(&names, read.dialect);
        let open = (at..read.parts.len()).find(|at| read.sign(*at, b'('))?;
        let close = read.close(open)?;
        let spoken = read.parts.get(open..close)?;
        let names: Vec<_> = spoken.iter().map(|part| lex::name(part.raw, read.dialect)).collect();
        mark(self.tables.get_mut(&key)?, &names, false);
        Some(())
    }

    /// `CREATE TYPE … AS ENUM ('a', …)`.
    fn create_type(&mut self, read: &Reading<'_>) -> Option<()> {
        let (names, at) = dotted(read.parts, 2)?;
        if read.is(at, "AS") && read.is(at + 1, "ENUM") {
            let label = read.parts.get(at + 3).filter(|part| matches!(part.token, Token::Text(_)))?;
            let name = lex::name(names.last()?, read.dialect);
            self.made.insert(name, Made::label(label.raw));
        }
        Some(())
    }

    /// `CREATE DOMAIN … AS type …`.
    fn create_domain(&mut self, read: &Reading<'_>) -> Option<()> {
        let (names, at) = dotted(read.parts, 2)?;
        let rest = read.parts.get(at + usize::from(read.is(at, "AS"))..)?;
        let made = Made::domain(rest, read.dialect, &self.made);
        self.made.insert(lex::name(names.last()?, read.dialect), made);
        Some(())
    }
}

/// Columns of a table that `SQLite` makes itself, and of which a dump has the rows alone.
pub fn of_sqlite(table: &[&[u8]]) -> &'static [&'static str] {
    match table {
        [b"sqlite_sequence"] => &["name", "seq"],
        [b"sqlite_stat1"] => &["tbl", "idx", "stat"],
        _ => &[],
    }
}

fn mark(table: &mut Table, names: &[Vec<u8>], primary: bool) {
    for column in table.columns.iter_mut().filter(|column| names.contains(&column.name)) {
        column.unique = true;
        column.not_null |= primary;
    }
}
