//! The policy: which fields identify, and what happens to a record that is somebody's.
//!
//! Types and the choice of the rule; `config` reads `unwrite.toml` into them, `judge` applies them. Nothing here can be
//! invalid: a glob is compiled, an action parsed, a pseudonym without a key refused before this exists.

use std::collections::BTreeMap;

use globset::GlobMatcher;
use serde::Serialize;

/// What happens to a record that is theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The record goes, with its separator.
    #[default]
    Drop,
    /// The identifier becomes `ERASED`.
    Redact,
    /// The identifier becomes as many `*` as it has bytes.
    Mask,
    /// The identifier becomes the subject's pseudonym.
    Pseudonymize,
    /// Nothing changes; it is counted as `left: report`.
    Report,
}

/// What happens to a named field of a record that is theirs, whatever it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Erase {
    /// The member goes; a cell or a text value becomes empty.
    Remove,
    /// `null`; an empty cell.
    Null,
    /// `ERASED`.
    Redact,
    /// The subject's pseudonym.
    Pseudonym,
}

/// Whether a CSV file's first row is a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Header {
    /// By its look (SPEC "CSV/TSV").
    #[default]
    Auto,
    /// It is.
    Yes,
    /// It is not.
    No,
}

/// Which lines of a text log continue the record before.
#[derive(Debug, Clone, Default)]
pub enum Continuation {
    /// By the stream's look (SPEC "Text log").
    #[default]
    Auto,
    /// None: each line is a record.
    None,
    /// Lines that this matches anywhere (bytes, no Unicode tables).
    Regex(Box<regex_automata::meta::Regex>),
}

/// A glob over an artifact's path relative to its SOURCE, and over trails joined by `!`; `*` does not cross `/`.
#[derive(Debug, Clone)]
pub struct Glob {
    /// As written in the policy.
    pub text: String,
    /// Compiled with `literal_separator`.
    pub matcher: GlobMatcher,
}

/// One rule of the policy.
#[derive(Debug, Clone, Default)]
pub struct Rule {
    /// Which streams; empty: all.
    pub files: Vec<Glob>,
    /// Which tables; empty: any, and records without one.
    pub tables: Vec<String>,
    /// What happens to a record of theirs; `None`: the rule only sets the options below, the action is `drop`.
    pub action: Option<Action>,
    /// Fields that are cleaned besides, by name as identifying fields are named.
    pub erase_fields: Vec<(FieldName, Erase)>,
    /// See [`Header`].
    pub header: Header,
    /// See [`Continuation`].
    pub continuation: Continuation,
    /// JSON pointer to the records of a document.
    pub records: Option<String>,
    /// Field with the record's time.
    pub time_field: Option<FieldName>,
    /// `shared = "redact"`: a record whose identifying field holds another id too is redacted, not dropped.
    pub shared_redact: bool,
    /// Members of no known format that match one of these are accepted when nothing is found in them.
    pub accept_unsupported: Vec<Glob>,
}

/// The name of an identifying field, as the policy writes it, ready to be compared.
///
/// Names are compared without case, `_` and `-`. An entry without a dot names the last part of a path; one with dots a
/// suffix of the path (SPEC "Identifying fields").
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct FieldName(Vec<Vec<u8>>);

impl FieldName {
    /// Reads an entry such as `user_id` or `customer.id`.
    pub fn parse(text: &str) -> Self {
        Self(text.split('.').map(|part| fold(part.as_bytes())).collect())
    }

    /// The folded parts, from the outermost in; at least one.
    pub fn parts(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// Whether it names the field at `path` (a path's last part, or a suffix of it). A single part that itself holds dots is
    /// split at them, as columns are.
    pub fn matches<P: AsRef<[u8]>>(&self, path: &[P]) -> bool {
        let mut parts = path.iter().rev().flat_map(|p| p.as_ref().rsplit(|b| *b == b'.'));
        self.0.iter().rev().all(|want| parts.next().is_some_and(|got| eq_folded(want, got)))
    }
}

/// `name` in lower case, without `_` and `-`.
pub fn fold(name: &[u8]) -> Vec<u8> {
    name.iter().filter(|b| !matches!(b, b'_' | b'-')).map(u8::to_ascii_lowercase).collect()
}

fn eq_folded(folded: &[u8], name: &[u8]) -> bool {
    folded.iter().copied().eq(name.iter().filter(|b| !matches!(b, b'_' | b'-')).map(u8::to_ascii_lowercase))
}

/// Default identifying fields of `user_id` (SPEC "Identifying fields"; the column `id` of user tables is `judge`'s).
pub const USER_ID_FIELDS: &[&str] = &[
    "userid",
    "uid",
    "user",
    "accountid",
    "customerid",
    "memberid",
    "subjectid",
    "ownerid",
    "authorid",
    "createdby",
    "updatedby",
    "user.id",
    "account.id",
    "customer.id",
    "member.id",
    "owner.id",
    "author.id",
    "actor.id",
    "enduser.id",
];
/// Default identifying fields of `username`.
pub const USERNAME_FIELDS: &[&str] = &["username", "login", "user", "handle", "user.name"];
/// Path segments after which a segment is an id.
pub const PATH_WORDS: &[&str] =
    &["users", "user", "u", "accounts", "account", "customers", "members", "profiles", "avatars"];
/// Tables whose column `id` identifies.
pub const USER_TABLES: &[&str] =
    &["user", "users", "account", "accounts", "customer", "customers", "member", "members"];

/// A form of a value that is searched on request only (SPEC "Spellings").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// Base64 (RFC 4648 §4 and §5), at every alignment.
    Base64,
    /// MD5 of the lower-cased value, in hex.
    Md5,
    /// SHA-1 of the lower-cased value, in hex.
    Sha1,
    /// SHA-256 of the lower-cased value, in hex.
    Sha256,
    /// UTF-16, of both byte orders, amid other bytes.
    Utf16,
}

impl Variant {
    /// All, in the order in which they are shown.
    pub const ALL: [Variant; 5] = [Variant::Base64, Variant::Md5, Variant::Sha1, Variant::Sha256, Variant::Utf16];

    /// The word of the policy and of the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Variant::Base64 => "base64",
            Variant::Md5 => "md5",
            Variant::Sha1 => "sha1",
            Variant::Sha256 => "sha256",
            Variant::Utf16 => "utf16",
        }
    }

    /// The variants that a policy may ask for of a type of this name: of what counts anywhere, and digests of e-mails only.
    pub fn known(kind: &str) -> &'static [Variant] {
        match kind {
            "email" => &Self::ALL,
            "uuid" | "ip" | "phone" | "token" | "literal" => &[Variant::Base64, Variant::Utf16],
            _ => &[],
        }
    }
}

/// Which variants are searched, for each type of identifier by its name; in the order of [`Variant::ALL`], each once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Variants(BTreeMap<&'static str, Vec<Variant>>);

impl Variants {
    /// Asks for `list`, and no other variants, of the type `kind`.
    pub fn ask(&mut self, kind: &'static str, list: &[Variant]) {
        self.0.remove(kind);
        let list: Vec<Variant> = Variant::ALL.into_iter().filter(|variant| list.contains(variant)).collect();
        if !list.is_empty() {
            self.0.insert(kind, list);
        }
    }

    /// Whether `variant` is searched of the type `kind`.
    pub fn asks(&self, kind: &str, variant: Variant) -> bool {
        self.0.get(kind).is_some_and(|list| list.contains(&variant))
    }

    /// The types with variants, and theirs.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &[Variant])> {
        self.0.iter().map(|(kind, list)| (*kind, list.as_slice()))
    }

    /// The words of all variants that are searched of any type.
    pub fn names(&self) -> Vec<&'static str> {
        let asked = |variant: &Variant| self.0.values().any(|list| list.contains(variant));
        Variant::ALL.into_iter().filter(asked).map(Variant::name).collect()
    }
}

/// Where `user_id` and `username` values count, and in which variants the values of other types do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fields {
    /// Names for `user_id`.
    pub user_id: Vec<FieldName>,
    /// Names for `username`.
    pub username: Vec<FieldName>,
    /// Path words for `user_id` and `username`, lower case.
    pub paths: Vec<Vec<u8>>,
    /// Variants that are searched besides.
    pub variants: Variants,
}

impl Default for Fields {
    fn default() -> Self {
        let names = |list: &[&str]| list.iter().map(|name| FieldName::parse(name)).collect();
        Self {
            user_id: names(USER_ID_FIELDS),
            username: names(USERNAME_FIELDS),
            paths: PATH_WORDS.iter().map(|word| word.as_bytes().to_vec()).collect(),
            variants: Variants::default(),
        }
    }
}

/// What becomes of a row that refers to one that goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyAction {
    /// It goes, too.
    Cascade,
    /// Its reference becomes NULL.
    SetNull,
    /// Nothing: the dump would not restore, and is left alone.
    Keep,
    /// The row that it refers to stays, without its personal columns.
    Anonymize,
}

/// One foreign key of a dump, as `table.column`, and what is to become of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyRule {
    /// The column that refers.
    pub from: String,
    /// The column that is referred to.
    pub to: String,
    /// What becomes of rows.
    pub action: KeyAction,
}

/// A whole policy.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Identifying fields, path words and variants.
    pub fields: Fields,
    /// Rules in order; the first that fits decides.
    pub rules: Vec<Rule>,
    /// What becomes of rows of a dump that refer to one that goes; the first that fits decides.
    pub foreign_keys: Vec<KeyRule>,
    /// The identifiers, rules and foreign keys as the manifest's run line shows them (JSON, no identifier values).
    pub shown: serde_json::Value,
    /// SHA-256 of the policy file's bytes, hex; of the empty string without one.
    pub sha256: String,
}

impl Policy {
    /// The first rule that fits a stream of this `trail` (path relative to SOURCE, members joined by `!`) and `table`.
    pub fn rule(&self, trail: &[u8], table: Option<&str>) -> Option<&Rule> {
        self.rule_of(trail, table.as_slice())
    }

    /// As [`Self::rule`], of a table of several names: its own, and those of tables of which it is a part.
    pub fn rule_of<T: AsRef<str>>(&self, trail: &[u8], tables: &[T]) -> Option<&Rule> {
        use std::os::unix::ffi::OsStrExt;
        let path = std::path::Path::new(std::ffi::OsStr::from_bytes(trail));
        self.rules.iter().find(|rule| {
            (rule.files.is_empty() || rule.files.iter().any(|glob| glob.matcher.is_match(path)))
                && (rule.tables.is_empty()
                    || tables.iter().any(|table| rule.tables.iter().any(|want| is_table(want, table.as_ref()))))
        })
    }
}

/// Whether `table`, with its schema or without, is one of users, whose `id` is an identifying column.
pub fn is_user_table(table: &str) -> bool {
    let last = table.rsplit('.').next().unwrap_or(table);
    USER_TABLES.iter().any(|name| name.eq_ignore_ascii_case(last))
}

/// Whether a rule's `want` names `table`: with its schema or without; case does not count, as it does not in most dumps.
pub fn is_table(want: &str, table: &str) -> bool {
    let last = table.rsplit('.').next().unwrap_or(table);
    want.eq_ignore_ascii_case(table) || want.eq_ignore_ascii_case(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fold_and_match_suffixes() {
        let id = FieldName::parse("user_id");
        assert!(id.matches(&["a", "User-ID"]));
        assert!(!id.matches(&["last_user_id"]));
        let dotted = FieldName::parse("user.id");
        assert!(dotted.matches(&["x", "user", "id"]));
        assert!(dotted.matches(&["x.USER.id"]));
        assert!(!dotted.matches(&["id"]));
    }
}
