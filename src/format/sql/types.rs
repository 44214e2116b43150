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

/// The class of the type that `rest`, a column's definition behind its name, starts with.
pub fn class(rest: &[Part<'_>], dialect: Dialect, enums: &HashMap<Vec<u8>, Vec<u8>>) -> Class {
    let word = |at: usize| {
        rest.get(at)
            .filter(|part| matches!(part.token, Token::Word | Token::Name))
            .map(|part| super::lex::name(part.raw, dialect))
    };
    let length = || {
        let open = rest.iter().take(4).position(|part| part.sign(b'('))?;
        std::str::from_utf8(rest.get(open + 1)?.raw).ok()?.parse::<usize>().ok()
    };
    let first = word(0).unwrap_or_default();
    let unsigned = rest.iter().any(|part| part.is("UNSIGNED"));
    if dialect.kind == Kind::Sqlite {
        // Types are wishes there, but for the key that is the row's number.
        let key = rest.windows(2).any(|pair| matches!(pair, [a, b] if a.is("PRIMARY") && b.is("KEY")));
        return if key && first == b"integer" { Class::Integer { bits: 64, unsigned: false } } else { Class::Unknown };
    }
    let stops =
        |part: &Part<'_>| ["NOT", "DEFAULT", "CONSTRAINT", "NULL", "COLLATE", "GENERATED"].iter().any(|w| part.is(w));
    // A type with a schema: `public.mood`, `pg_catalog.int4`.
    let name = if rest.get(1).is_some_and(|part| part.sign(b'.')) { word(2).unwrap_or_default() } else { first };
    let class = named(&name, unsigned, length(), rest, enums);
    if dialect.kind != Kind::Mysql
        && rest.iter().take_while(|part| !stops(part)).any(|part| part.sign(b'[') || part.is("ARRAY"))
    {
        return Class::Array(Box::new(class));
    }
    class
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
        _ => Some(Fold::Exact),
    }
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
    enums: &HashMap<Vec<u8>, Vec<u8>>,
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
        other => match enums.get(other) {
            Some(label) => Class::Label(Some(label.clone())),
            None => Class::Other,
        },
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
            Class::Text(Some(most)) => return Some(new.get(..(*most).min(new.len())).unwrap_or_default().to_vec()),
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
