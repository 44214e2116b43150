//! What columns can hold, and what stands in for a value that they cannot.

use std::collections::HashMap;

use super::super::json;
use super::lex::{Dialect, Kind, Part, Token};
use crate::judge::pseudonym::Pseudonym;

/// What a column can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// Text, of at most so many characters.
    Text(Option<usize>),
    /// JSON.
    Json,
    /// UUIDs.
    Uuid,
    /// Addresses.
    Inet,
    /// Integers of so many bits.
    Integer {
        /// 8 to 64.
        bits: u32,
        /// No negative ones.
        unsigned: bool,
    },
    /// Other numbers.
    Number,
    /// True and false.
    Bool,
    /// Days, with a time or without.
    Date,
    /// Times of a day.
    Time,
    /// One of some labels; the first, as it is written.
    Label(Option<Vec<u8>>),
    /// Bytes.
    Bytes,
    /// Arrays of what the class holds.
    Array(Box<Class>),
    /// A type of a form that is not known.
    Other,
    /// Nothing is known of it.
    Unknown,
}

/// A type that the dump makes: an enum, or a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// What it can hold.
    pub class: Class,
    /// It takes no NULL.
    pub not_null: bool,
    /// As [`folds`] says of its own type.
    pub folds: Option<Fold>,
}

impl Made {
    /// An enum whose first label is written so.
    pub fn label(raw: &[u8]) -> Self {
        Self { class: Class::Label(Some(raw.to_vec())), not_null: false, folds: None }
    }

    /// A domain; `rest` is its definition behind the name, from its type on. Conditions are not evaluated: what one with a condition can hold is not known, but for arrays.
    pub fn domain(rest: &[Part<'_>], dialect: Dialect, made: &HashMap<Vec<u8>, Made>) -> Self {
        let base = self::made(rest, dialect, made);
        let class = class(rest, dialect, made);
        let checked = rest.iter().any(|part| part.is("CHECK")) && !matches!(class, Class::Array(_));
        let says = rest.windows(2).any(|pair| matches!(pair, [a, b] if a.is("NOT") && b.is("NULL")));
        Self {
            class: if checked { Class::Other } else { class },
            not_null: says || base.is_some_and(|base| base.not_null),
            folds: base.and_then(|base| base.folds).or_else(|| folds(rest, dialect)),
        }
    }
}

/// The type of the dump's own that `rest`, a column's definition behind its name, starts with.
pub fn made<'m>(rest: &[Part<'_>], dialect: Dialect, made: &'m HashMap<Vec<u8>, Made>) -> Option<&'m Made> {
    if dialect.kind == Kind::Sqlite || is_array(rest, dialect) { None } else { made.get(&name(rest, dialect)) }
}

/// The text of the plain value (a number, a string, with a cast or without) that `rest`, what stands behind `DEFAULT`, starts with.
pub fn default(rest: &[Part<'_>], dialect: Dialect) -> Option<Vec<u8>> {
    let opens = rest.iter().take_while(|part| part.sign(b'(')).count();
    let rest = rest.get(opens..)?;
    let minus = usize::from(rest.first()?.sign(b'-'));
    let value = rest.get(minus)?;
    let sign: &[u8] = if minus == 1 { b"-" } else { b"" };
    let text = match value.token {
        Token::Word if value.raw.iter().all(u8::is_ascii_digit) => [sign, value.raw].concat(),
        Token::Text(_) if minus == 0 => super::keys::literal(value.raw, dialect)?,
        _ => return None,
    };
    // What has an operator behind it is computed.
    let ends = ["NOT", "NULL", "CONSTRAINT", "CHECK", "COLLATE", "REFERENCES", "PRIMARY", "UNIQUE", "GENERATED", "ON"];
    let behind = rest.iter().skip(minus + 1).take_while(|part| !ends.iter().any(|word| part.is(word)));
    let plain = |sign: u8| [b':', b'.', b',', b';', b'(', b')', b'[', b']'].contains(&sign);
    let computed = behind.into_iter().any(|part| matches!(part.token, Token::Sign(sign) if !plain(sign)));
    (!computed).then_some(text)
}

/// The class of the type that `rest`, a column's definition behind its name, starts with.
pub fn class(rest: &[Part<'_>], dialect: Dialect, made: &HashMap<Vec<u8>, Made>) -> Class {
    let length = || {
        let open = rest.iter().take(4).position(|part| part.sign(b'('))?;
        std::str::from_utf8(rest.get(open + 1)?.raw).ok()?.parse::<usize>().ok()
    };
    let name = name(rest, dialect);
    let unsigned = rest.iter().any(|part| part.is("UNSIGNED"));
    if dialect.kind == Kind::Sqlite {
        // Types are wishes there, but for the key that is the row's number.
        let key = rest.windows(2).any(|pair| matches!(pair, [a, b] if a.is("PRIMARY") && b.is("KEY")));
        return if key && name == b"integer" { Class::Integer { bits: 64, unsigned: false } } else { Class::Unknown };
    }
    let class = named(&name, unsigned, length(), rest, made);
    if is_array(rest, dialect) { Class::Array(Box::new(class)) } else { class }
}

/// The name of the type that `rest` starts with, without its schema: `public.mood`, `pg_catalog.int4`.
fn name(rest: &[Part<'_>], dialect: Dialect) -> Vec<u8> {
    let at = if rest.get(1).is_some_and(|part| part.sign(b'.')) { 2 } else { 0 };
    let part = rest.get(at).filter(|part| matches!(part.token, Token::Word | Token::Name));
    part.map(|part| super::lex::name(part.raw, dialect)).unwrap_or_default()
}

fn is_array(rest: &[Part<'_>], dialect: Dialect) -> bool {
    let stops = |part: &Part<'_>| {
        ["NOT", "DEFAULT", "CONSTRAINT", "CHECK", "NULL", "COLLATE", "GENERATED"].iter().any(|w| part.is(w))
    };
    dialect.kind != Kind::Mysql
        && rest.iter().take_while(|part| !stops(part)).any(|part| part.sign(b'[') || part.is("ARRAY"))
}

/// When two texts of a column are the same to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    /// If their bytes are.
    Exact,
    /// `MySQL`: case does not count, nor, where the collation `pads`, do blanks at the end. (Nor do accents, in most: that is not followed.)
    Cases {
        /// All but those of Unicode 9 (`_0900_`), and `MariaDB`'s `_nopad_`.
        pads: bool,
    },
    /// `NOCASE` of `SQLite`: letters of ASCII in both cases.
    Ascii,
    /// `citext`: case does not count.
    Lower,
    /// `character(n)` of `PostgreSQL`: blanks at the end do not count, and it has as many as fill it.
    Blanks,
}

impl Fold {
    /// Of a collation of `MySQL`.
    fn of(collation: &[u8]) -> Self {
        if is_exact(collation) { Self::Exact } else { Self::Cases { pads: !is_unpadded(collation) } }
    }

    /// Of `MySQL`'s words behind a table's columns, for those that say nothing of it.
    pub fn of_table(told: &[Part<'_>], dialect: Dialect) -> Self {
        if dialect.kind != Kind::Mysql || told.iter().any(|part| is_exact(part.raw)) {
            return Self::Exact;
        }
        Self::Cases { pads: !told.iter().any(|part| is_unpadded(part.raw)) }
    }
}

/// How texts of a column are compared; `rest` is its definition behind the name. `None`: it does not say.
pub fn folds(rest: &[Part<'_>], dialect: Dialect) -> Option<Fold> {
    let collation = rest.windows(2).find_map(|pair| match pair {
        [a, b] if a.is("COLLATE") => Some(b),
        _ => None,
    });
    match dialect.kind {
        Kind::Mysql => collation.map(|name| Fold::of(name.raw)),
        Kind::Sqlite if collation.is_some_and(|name| name.is("NOCASE")) => Some(Fold::Ascii),
        Kind::Sqlite => Some(Fold::Exact),
        // The type `citext`, with its schema or without.
        _ if rest.iter().take(3).any(|part| part.is("CITEXT")) => Some(Fold::Lower),
        _ if is_padded(rest) => Some(Fold::Blanks),
        _ => Some(Fold::Exact),
    }
}

/// Whether the type is `character(n)`, by any of its names.
fn is_padded(rest: &[Part<'_>]) -> bool {
    let at = if rest.get(1).is_some_and(|part| part.sign(b'.')) { 2 } else { 0 };
    let is = |at: usize, words: &[&str]| rest.get(at).is_some_and(|part| words.iter().any(|word| part.is(word)));
    is(at, &["CHARACTER", "CHAR", "BPCHAR", "NCHAR"]) && !is(at + 1, &["VARYING"])
}

fn is_unpadded(collation: &[u8]) -> bool {
    let name = collation.to_ascii_lowercase();
    [&b"_0900_"[..], b"_nopad_"].iter().any(|part| memchr::memmem::find(&name, part).is_some())
}

/// Whether a word is the name of a collation of `MySQL` for which case counts.
pub fn is_exact(word: &[u8]) -> bool {
    let ends = |end: &[u8]| {
        word.len().checked_sub(end.len()).and_then(|at| word.get(at..)).is_some_and(|got| got.eq_ignore_ascii_case(end))
    };
    ends(b"_bin") || ends(b"_cs") || word.eq_ignore_ascii_case(b"binary") || word.eq_ignore_ascii_case(b"varbinary")
}

fn named(
    name: &[u8],
    unsigned: bool,
    length: Option<usize>,
    rest: &[Part<'_>],
    made: &HashMap<Vec<u8>, Made>,
) -> Class {
    let integer = |bits| Class::Integer { bits, unsigned };
    match name {
        b"text" | b"tinytext" | b"mediumtext" | b"longtext" | b"citext" | b"clob" => Class::Text(None),
        b"character" | b"char" | b"varchar" | b"nvarchar" | b"bpchar" => Class::Text(length),
        b"json" | b"jsonb" => Class::Json,
        b"uuid" => Class::Uuid,
        b"inet" | b"cidr" | b"inet4" | b"inet6" => Class::Inet,
        b"tinyint" if length == Some(1) => Class::Bool,
        b"tinyint" => integer(8),
        b"smallint" | b"int2" | b"smallserial" => integer(16),
        b"mediumint" => integer(24),
        b"integer" | b"int" | b"int4" | b"serial" => integer(32),
        b"bigint" | b"int8" | b"bigserial" => integer(64),
        b"numeric" | b"decimal" | b"real" | b"double" | b"float" | b"float4" | b"float8" => Class::Number,
        b"boolean" | b"bool" => Class::Bool,
        b"date" | b"timestamp" | b"timestamptz" | b"datetime" => Class::Date,
        b"time" | b"timetz" => Class::Time,
        b"enum" => Class::Label(rest.get(2).map(|part| part.raw.to_vec())),
        b"bytea" | b"blob" | b"tinyblob" | b"mediumblob" | b"longblob" | b"binary" | b"varbinary" => Class::Bytes,
        other => made.get(other).map_or(Class::Other, |made| made.class.clone()),
    }
}

/// What a column of which nothing is known seems to hold, by one of its values.
pub fn guess(value: &[u8]) -> Class {
    match () {
        () if number(value).is_some() => Class::Integer { bits: 64, unsigned: false },
        () if is_uuid(value) => Class::Uuid,
        () if is_address(value) => Class::Inet,
        () => Class::Unknown,
    }
}

impl Class {
    /// Whether a column of the class can hold `text`, which an edit made.
    pub fn holds(&self, text: &[u8]) -> bool {
        match self {
            Class::Text(None) | Class::Array(_) | Class::Bytes | Class::Unknown => true,
            Class::Text(Some(most)) => text.iter().filter(|b| !matches!(**b, 0x80..0xc0)).count() <= *most,
            Class::Json => json::is_json(text).unwrap_or(false),
            Class::Uuid => is_uuid(text),
            Class::Inet => is_address(text),
            Class::Integer { bits, unsigned } => number(text).is_some_and(|n| {
                let most = 1i128 << (bits - u32::from(!unsigned));
                n < most && n >= if *unsigned { 0 } else { -most }
            }),
            Class::Number => std::str::from_utf8(text).is_ok_and(|text| text.parse::<f64>().is_ok()),
            Class::Bool | Class::Date | Class::Time | Class::Label(_) | Class::Other => false,
        }
    }

    /// A value that the class holds, for a column that must have one; `None` if none is known.
    pub fn stand_in(&self, alias: Option<&Pseudonym>, new: &[u8]) -> Option<Vec<u8>> {
        let text = match self {
            Class::Text(Some(most)) => {
                let cut = new.get(..(*most).min(new.len())).unwrap_or_default();
                // Without its digits it would be everybody's.
                let hex = alias.map(Pseudonym::hex).filter(|hex| memchr::memmem::find(cut, hex.as_bytes()).is_none());
                let hex = hex.filter(|_| cut.len() < new.len());
                return Some(
                    hex.map_or_else(|| cut.to_vec(), |hex| hex.into_bytes().into_iter().take(*most).collect()),
                );
            }
            Class::Uuid => alias.map_or_else(|| "00000000-0000-0000-0000-000000000000".to_owned(), Pseudonym::uuid),
            Class::Inet => "0.0.0.0".to_owned(),
            Class::Integer { bits, unsigned } => match alias {
                None => "0".to_owned(),
                // The upper half of what an unsigned column holds stands for what is below zero.
                Some(alias) => {
                    let half = 1i128 << (bits - 1);
                    let n = i128::from(alias.integer()) % half;
                    (if *unsigned { 2 * half + n - 1 } else { n }).to_string()
                }
            },
            Class::Number => "0".to_owned(),
            Class::Bool => "false".to_owned(),
            Class::Date => "1970-01-01".to_owned(),
            Class::Time => "00:00:00".to_owned(),
            Class::Json | Class::Array(_) => "{}".to_owned(),
            Class::Text(None) | Class::Bytes | Class::Unknown => return Some(new.to_vec()),
            Class::Label(Some(label)) => {
                return Some(label.strip_prefix(b"'").and_then(|l| l.strip_suffix(b"'")).unwrap_or(label).to_vec());
            }
            Class::Label(None) | Class::Other => return None,
        };
        Some(text.into_bytes())
    }
}

fn number(text: &[u8]) -> Option<i128> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn is_uuid(text: &[u8]) -> bool {
    let dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    text.len() == 36 && text.iter().enumerate().all(|(at, b)| if dash(at) { *b == b'-' } else { b.is_ascii_hexdigit() })
}

fn is_address(text: &[u8]) -> bool {
    let bare = text.split(|b| *b == b'/').next().unwrap_or_default();
    std::str::from_utf8(bare).is_ok_and(|text| text.parse::<std::net::IpAddr>().is_ok())
}
