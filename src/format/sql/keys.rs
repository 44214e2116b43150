//! Foreign keys as they concern the rows of one table: which of a row's values are keys, and what refers to what.
//!
//! A key is known by a digest of its text, the table and the columns that it tells apart. What becomes of a row that refers to one that goes is
//! the [`KeyAction`] of the policy's rule, else what the DDL says. This file reads rows; `facts` says what their keys come to.

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_128;

use super::cells::{How, Part, Row, Value};
use super::rows::Target;
use super::same::{self, Same};
use super::schema::{ForeignKey, Key, OnDelete, Schema};
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
            let seed = seed(key, &to_columns);
            let same = same::of(schema, key, &to_columns);
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
                        links.to.push(Link { seed, columns, same, action, not_null, name: Vec::new() });
                    }
                    None => links.unclear = true,
                }
            }
            if schema.is_part(&target.key, &key.from) {
                match ordinals(target, &key.columns) {
                    Some(columns) => {
                        let not_null = not_null(&columns);
                        let mut action = said(schema, key, rules);
                        // What takes no NULL cannot be set to it.
                        if action == KeyAction::SetNull && not_null {
                            action = KeyAction::Cascade;
                        }
                        let column = key.columns.first().map(Vec::as_slice).unwrap_or_default();
                        let name = [Schema::named(&key.from), b".", column].concat();
                        links.from.push(Link { seed, columns, same, action, not_null, name });
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

fn seed(key: &ForeignKey, columns: &[Vec<u8>]) -> u128 {
    xxh3_128(&[key.to.as_ref(), &columns.join(&0)].join(&1))
}

fn ordinals(target: &Target<'_>, names: &[Vec<u8>]) -> Option<Vec<usize>> {
    let at = |name: &Vec<u8>| target.columns.iter().position(|column| column.name == *name);
    if names.is_empty() { None } else { names.iter().map(at).collect() }
}

/// What the policy says of a foreign key, else its DDL (SPEC "Policy").
fn said(schema: &Schema, key: &ForeignKey, rules: &[KeyRule]) -> KeyAction {
    let says = |side: &str, table: &Key, columns: &[Vec<u8>]| {
        let Some((named, column)) = side.rsplit_once('.') else { return false };
        let full = Schema::named(table);
        let last = full.rsplit(|b| *b == b'.').next().unwrap_or_default();
        let table = full.eq_ignore_ascii_case(named.as_bytes()) || last.eq_ignore_ascii_case(named.as_bytes());
        table && columns.iter().any(|name| name.eq_ignore_ascii_case(column.as_bytes()))
    };
    let to_columns = referred(schema, key);
    let rule =
        rules.iter().find(|rule| says(&rule.from, &key.from, &key.columns) && says(&rule.to, &key.to, &to_columns));
    rule.map_or(
        match key.on_delete {
            OnDelete::Cascade => KeyAction::Cascade,
            // What takes no NULL goes all the same.
            OnDelete::SetNull | OnDelete::None => KeyAction::SetNull,
        },
        |rule| rule.action,
    )
}

impl Link {
    /// The digest of the key that the row `raw` of `target` holds; `buf` is lent. `row` is its parsed form, once somebody needs it.
    pub fn digest(&self, target: &Target<'_>, raw: &[u8], row: &mut Option<Row>, buf: &mut Vec<u8>) -> Digest {
        buf.clear();
        buf.extend_from_slice(&self.seed.to_le_bytes());
        for (column, same) in self.columns.iter().zip(&self.same) {
            let mut add = |text: &[u8]| {
                let text = same.one(text);
                buf.extend_from_slice(&(text.len() as u64).to_le_bytes());
                buf.extend_from_slice(&text);
            };
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
