//! Foreign keys as they concern the rows of one table: which of a row's values are keys, and what refers to what.
//!
//! A key is known by a digest of its text, the table and the columns that it tells apart. What becomes of a row that refers to one that goes is
//! the [`KeyAction`] of the policy's rule, else what the DDL says. This file reads rows; `facts` says what their keys come to.

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_128;

use super::cells::{How, Part, Row, Value};
use super::lex::Dialect;
use super::rows::Target;
use super::same::{self, Same};
use super::schema::{ForeignKey, Key, OnDelete, Schema};
use super::types::Fold;
use super::values;
use crate::policy::{KeyAction, KeyRule};

/// A foreign key that concerns the rows of a table.
#[derive(Debug, Clone)]
pub struct Link {
    /// What tells its keys from others: the table that is referred to, and the columns.
    pub seed: u128,
    /// Ordinals of the row's columns that hold the key.
    pub columns: Vec<usize>,
    /// When two values of each of them are the same key.
    pub same: Vec<Same>,
    /// What becomes of a row that refers to one that goes.
    pub action: KeyAction,
    /// One of the columns takes no NULL.
    pub not_null: bool,
    /// What becomes of columns whose reference is set to NULL, or to a default.
    pub sets: Vec<(usize, Option<Vec<u8>>)>,
    /// The key that they refer to then.
    pub default: Digest,
    /// The column that refers, as `table.column`.
    pub name: Vec<u8>,
}

/// The links of a table's rows.
#[derive(Debug, Clone, Default)]
pub struct Links {
    /// Keys of its rows that others refer to: each once.
    pub to: Vec<Link>,
    /// Of its own foreign keys.
    pub from: Vec<Link>,
    /// A foreign key is about columns that the rows do not show.
    pub unclear: bool,
    /// A row of it may have to stay for those that refer to it ([`KeyAction::Anonymize`]).
    pub shielded: bool,
}

/// The digest of a key; `None` if a part of it is NULL (it refers to nothing then).
pub type Digest = Option<u128>;

impl Links {
    /// Those of the rows of `target`.
    pub fn of(schema: &Schema, target: &Target<'_>, rules: &[KeyRule]) -> Self {
        let mut links = Self::default();
        for key in &schema.keys {
            let to_columns = referred(schema, key);
            let same = same::of(schema, key, &to_columns);
            let seed = seed(key, &to_columns, &same);
            let not_null = |columns: &[usize]| {
                columns.iter().any(|at| target.columns.get(*at).is_some_and(|column| column.not_null))
            };
            if schema.is_part(&target.key, &key.to) {
                let action = said(schema, key, rules);
                links.shielded |= action == KeyAction::Anonymize;
                match ordinals(target, &to_columns) {
                    Some(_) if links.to.iter().any(|link| link.seed == seed) => {}
                    Some(columns) => {
                        let not_null = not_null(&columns);
                        let same = same.clone();
                        let (sets, default, name) = (Vec::new(), None, Vec::new());
                        links.to.push(Link { seed, columns, same, action, not_null, sets, default, name });
                    }
                    None => links.unclear = true,
                }
            }
            if schema.is_part(&target.key, &key.from) {
                match ordinals(target, &key.columns) {
                    Some(columns) => {
                        let not_null = not_null(&columns);
                        let by_ddl = ruled(schema, key, rules).is_none();
                        let sets = sets(target, key, &columns, by_ddl);
                        let default = self::default(seed, &same, &columns, &sets);
                        let mut action = said(schema, key, rules);
                        // What takes no NULL cannot be set to it.
                        let nulls = sets.iter().filter(|(_, text)| text.is_none()).map(|(column, _)| *column);
                        let is_not_null = |at: usize| target.columns.get(at).is_some_and(|column| column.not_null);
                        if action == KeyAction::SetNull && nulls.into_iter().any(is_not_null) {
                            action = KeyAction::Cascade;
                        }
                        let column = key.columns.first().map(Vec::as_slice).unwrap_or_default();
                        let name = [Schema::named(&key.from), b".", column].concat();
                        links.from.push(Link { seed, columns, same, action, not_null, sets, default, name });
                    }
                    None => links.unclear = true,
                }
            }
        }
        links
    }

    /// Whether foreign keys have nothing to do with the rows.
    pub fn is_empty(&self) -> bool {
        self.to.is_empty() && self.from.is_empty() && !self.unclear
    }

    /// Whether something depends on a row of the table staying or going: it is referred to, or keeps another one.
    pub fn bears(&self) -> bool {
        !self.to.is_empty() || self.from.iter().any(|link| link.action == KeyAction::Anonymize)
    }
}

/// Whether a rule of the policy keeps rows for those that refer to them by a key of `schema`.
pub fn shields(schema: &Schema, rules: &[KeyRule]) -> bool {
    let any = rules.iter().any(|rule| rule.action == KeyAction::Anonymize);
    any && schema.keys.iter().any(|key| said(schema, key, rules) == KeyAction::Anonymize)
}

/// Whether `column` of the table `of` is a part of a key that refers to another, or is referred to.
pub fn is_keyed(schema: &Schema, of: &Key, column: &[u8]) -> bool {
    let has = |columns: &[Vec<u8>]| columns.iter().any(|name| name == column);
    schema.keys.iter().any(|key| {
        has(&key.columns) && schema.is_part(of, &key.from) || schema.is_part(of, &key.to) && has(&referred(schema, key))
    })
}

/// The columns of the table to which `key` refers.
fn referred(schema: &Schema, key: &ForeignKey) -> Vec<Vec<u8>> {
    if key.to_columns.is_empty() {
        return schema.table(&key.to).map(|table| table.primary.clone()).unwrap_or_default();
    }
    key.to_columns.clone()
}

/// Keys that are compared in two ways are two.
fn seed(key: &ForeignKey, columns: &[Vec<u8>], same: &[Same]) -> u128 {
    let filled: Vec<u8> = same.iter().map(|same| u8::from(*same == Same::Folded(Fold::Blanks))).collect();
    xxh3_128(&[key.to.as_ref(), &columns.join(&0), &filled].join(&1))
}

/// What the columns of a reference to a row that goes become, if it does not take its own row along: NULL, or what the DDL says.
fn sets(target: &Target<'_>, key: &ForeignKey, columns: &[usize], by_ddl: bool) -> Vec<(usize, Option<Vec<u8>>)> {
    let all = columns.iter().map(|column| (*column, None));
    let OnDelete::SetSome { columns: some, default } = (if by_ddl { &key.on_delete } else { &OnDelete::SetNull })
    else {
        return all.collect();
    };
    let wanted = |name: &Vec<u8>| some.is_empty() || some.contains(name);
    let named = key.columns.iter().zip(columns).filter(|(name, _)| wanted(name)).map(|(_, column)| *column);
    let text = |at: usize| target.columns.get(at).filter(|_| *default).and_then(|column| column.default.clone());
    let sets: Vec<_> = named.map(|column| (column, text(column))).collect();
    // A part of a key that stays, and another by default: nobody knows whether such a row is there.
    let mixed = sets.len() < columns.len() && sets.iter().all(|(_, text)| text.is_some());
    if sets.is_empty() || mixed { all.collect() } else { sets }
}

/// The key to which a reference leads after `sets`; `None`: to none.
fn default(seed: u128, same: &[Same], columns: &[usize], sets: &[(usize, Option<Vec<u8>>)]) -> Digest {
    let mut buf = seed.to_le_bytes().to_vec();
    for (column, same) in columns.iter().zip(same) {
        let (_, text) = sets.iter().find(|(set, _)| set == column)?;
        add(&mut buf, *same, text.as_deref()?);
    }
    Some(xxh3_128(&buf))
}

fn add(buf: &mut Vec<u8>, same: Same, text: &[u8]) {
    let text = same.one(text);
    buf.extend_from_slice(&(text.len() as u64).to_le_bytes());
    buf.extend_from_slice(&text);
}

/// The text of a string as it is written in a statement.
pub fn literal(raw: &[u8], dialect: Dialect) -> Option<Vec<u8>> {
    text(&Row::of_tuple(&[b"(", raw, b")"].concat(), dialect), 0).map(Cow::into_owned)
}

fn ordinals(target: &Target<'_>, names: &[Vec<u8>]) -> Option<Vec<usize>> {
    let at = |name: &Vec<u8>| target.columns.iter().position(|column| column.name == *name);
    if names.is_empty() { None } else { names.iter().map(at).collect() }
}

/// What the policy says of a foreign key, else its DDL (SPEC "Policy").
fn said(schema: &Schema, key: &ForeignKey, rules: &[KeyRule]) -> KeyAction {
    ruled(schema, key, rules).unwrap_or(match key.on_delete {
        OnDelete::Cascade => KeyAction::Cascade,
        // What takes no NULL goes all the same.
        OnDelete::SetNull | OnDelete::SetSome { .. } | OnDelete::None => KeyAction::SetNull,
    })
}

/// What the policy says of a foreign key.
fn ruled(schema: &Schema, key: &ForeignKey, rules: &[KeyRule]) -> Option<KeyAction> {
    let says = |side: &str, table: &Key, columns: &[Vec<u8>]| {
        let Some((named, column)) = side.rsplit_once('.') else { return false };
        let full = Schema::named(table);
        let last = full.rsplit(|b| *b == b'.').next().unwrap_or_default();
        let table = full.eq_ignore_ascii_case(named.as_bytes()) || last.eq_ignore_ascii_case(named.as_bytes());
        table && columns.iter().any(|name| name.eq_ignore_ascii_case(column.as_bytes()))
    };
    let to_columns = referred(schema, key);
    let fits = |rule: &&KeyRule| says(&rule.from, &key.from, &key.columns) && says(&rule.to, &key.to, &to_columns);
    rules.iter().find(fits).map(|rule| rule.action)
}

impl Link {
    /// The digest of the key that the row `raw` of `target` holds; `buf` is lent. `row` is its parsed form, once somebody needs it.
    pub fn digest(&self, target: &Target<'_>, raw: &[u8], row: &mut Option<Row>, buf: &mut Vec<u8>) -> Digest {
        buf.clear();
        buf.extend_from_slice(&self.seed.to_le_bytes());
        for (column, same) in self.columns.iter().zip(&self.same) {
            let mut add = |text: &[u8]| add(buf, *same, text);
            match values::quick(target, raw, *column) {
                values::Quick::Null => return None,
                values::Quick::Text(text) => add(text),
                values::Quick::Unclear => add(&text(row.get_or_insert_with(|| target.row(raw)), *column)?),
            }
        }
        Some(xxh3_128(buf))
    }

    /// The text of its only column in a parsed row; `None` if there are several, or it is NULL.
    pub fn text<'r>(&self, row: &'r Row) -> Option<Cow<'r, [u8]>> {
        let [column] = self.columns.as_slice() else { return None };
        text(row, *column)
    }
}

/// The text of a value; `None`: NULL. Of an expression that is not known to be a text it is what is written.
fn text(row: &Row, column: usize) -> Option<Cow<'_, [u8]>> {
    let value = row.cells.get(column)?.value;
    let of = |part: &Part| row.view.get(part.view.clone()).unwrap_or_default();
    let mut parts = row.parts.iter().filter(|part| part.cell == column);
    match value {
        Value::Null => None,
        Value::Expression => match parts.clone().find(|part| matches!(part.how, How::Marked(_))) {
            Some(marked) => Some(Cow::Borrowed(of(marked))),
            None => Some(Cow::Owned(parts.map(of).collect::<Vec<_>>().join(&0))),
        },
        _ => parts.next().map(|part| Cow::Borrowed(of(part))),
    }
}
