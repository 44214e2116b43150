//! `unwrite.toml`: identifiers, rules, foreign keys, options. What was typed → what cannot be invalid.
//!
//! Errors name the line and the nearest known key, and never show what stands there: somebody may have pasted a person into it.

use std::fmt::Write;
use std::path::Path;

use globset::GlobBuilder;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::units::nearest;
use crate::error::{At, Error, Result};
use crate::judge::pseudonym::hex;
use crate::policy::{
    Action, Continuation, Erase, FieldName, Fields, Glob, Header, KeyAction, KeyRule, Policy, Rule, Variant,
};

/// Largest file read, bytes.
pub const MAX_BYTES: u64 = 4 << 20;

/// One option of `[options]`: its name with underscores, and its values as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOption {
    /// With underscores.
    pub name: String,
    /// One value, or those of an array.
    pub values: Vec<String>,
    /// Line in the file.
    pub line: u64,
}

/// A file read.
#[derive(Debug, Default)]
pub struct File {
    /// The policy in it.
    pub policy: Policy,
    /// Whether a rule or field asks for pseudonyms.
    pub wants_key: bool,
    /// `[options]`.
    pub options: Vec<FileOption>,
}

type Table<'t> = DeTable<'t>;
type Value<'t> = Spanned<DeValue<'t>>;

/// Reads `path`.
pub fn read(path: &Path) -> Result<File> {
    let cannot = |e: &std::io::Error| Error::usage(format!("cannot read the policy file: {}", e.kind()));
    let meta = std::fs::metadata(path).map_err(|e| cannot(&e))?;
    if meta.len() > MAX_BYTES {
        return Err(Error::usage("the policy file is larger than 4 MiB"));
    }
    let bytes = std::fs::read(path).map_err(|e| cannot(&e))?;
    parse(&bytes)
}

/// Reads the bytes of a policy file.
pub fn parse(bytes: &[u8]) -> Result<File> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::usage("the policy file is not UTF-8"))?;
    let lines = Lines(text);
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        lines.error(at, "not valid TOML")
    })?;
    let mut reader = Reader { lines, file: File::default() };
    reader.top(table.get_ref())?;
    let mut file = reader.file;
    file.policy.sha256 = hex(&Sha256::digest(bytes));
    file.policy.shown = shown(&file.policy, file.policy.shown.clone());
    Ok(file)
}

/// The policy that a manifest's run line holds, as [`Policy::shown`] wrote it.
pub fn of_run_line(shown: &serde_json::Value) -> Result<Policy> {
    let bad = || Error::usage("the policy on the manifest's run line cannot be read").help("name one with --policy");
    let list = |value: &serde_json::Value| -> Option<Vec<String>> {
        value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let mut text = String::new();
    for name in ["user_id", "username"] {
        let fields = shown.get("fields").and_then(|fields| list(fields.get(name)?)).ok_or_else(bad)?;
        let _infallible = writeln!(text, "[identifiers.{name}]\nfields = {}", inline(&json!(fields)));
        if name == "user_id" {
            let _infallible = writeln!(text, "paths = {}", inline(shown.get("paths").ok_or_else(bad)?));
        }
    }
    for (name, variants) in shown.get("variants").and_then(serde_json::Value::as_object).into_iter().flatten() {
        let _infallible = writeln!(text, "[identifiers.{}]\nvariants = {}", inline(&json!(name)), inline(variants));
    }
    for rule in shown.get("rules").and_then(serde_json::Value::as_array).ok_or_else(bad)? {
        text += "[[rule]]\n";
        for (key, value) in rule.as_object().ok_or_else(bad)? {
            let _infallible = writeln!(text, "{} = {}", inline(&json!(key)), inline(value));
        }
    }
    parse(text.as_bytes()).map(|file| file.policy).map_err(|_| bad())
}

/// JSON as an inline TOML value: both write strings and lists alike, tables differ.
fn inline(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        serde_json::Value::Object(map) => {
            let pairs = map.iter().map(|(key, value)| format!("{} = {}", inline(&json!(key)), inline(value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string().replace('\u{7f}', "\\u007f"),
    }
}

/// The policy without a file: the defaults.
pub fn none() -> File {
    let mut file = File::default();
    file.policy.sha256 = hex(&Sha256::digest(b""));
    file.policy.shown = shown(&file.policy, json!([]));
    file
}

/// What the manifest's run line shows, `rules` as they were typed.
fn shown(policy: &Policy, rules: serde_json::Value) -> serde_json::Value {
    let names = |list: &[FieldName]| -> Vec<String> {
        let join = |name: &FieldName| {
            let parts: Vec<_> = name.parts().iter().map(|p| String::from_utf8_lossy(p).into_owned()).collect();
            parts.join(".")
        };
        list.iter().map(join).collect()
    };
    let paths: Vec<_> = policy.fields.paths.iter().map(|p| String::from_utf8_lossy(p).into_owned()).collect();
    let variants: serde_json::Map<_, _> =
        policy.fields.variants.iter().map(|(kind, list)| (kind.to_owned(), json!(list))).collect();
    let rules = if rules.is_null() { json!([]) } else { rules };
    json!({
        "sha256": policy.sha256,
        "fields": { "user_id": names(&policy.fields.user_id), "username": names(&policy.fields.username) },
        "paths": paths,
        "variants": variants,
        "rules": rules,
    })
}

#[derive(Clone, Copy)]
struct Lines<'t>(&'t str);

impl Lines<'_> {
    fn line(&self, at: usize) -> u64 {
        let before = self.0.as_bytes().get(..at).unwrap_or_default();
        1 + memchr::memchr_iter(b'\n', before).count() as u64
    }

    fn error(&self, at: usize, what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
        Error::usage(what).layer("policy").at(At::Line(self.line(at)))
    }
}

const TOP: &[&str] = &["identifiers", "rule", "foreign_key", "options"];
const RULE: &[&str] = &[
    "files",
    "tables",
    "action",
    "erase_fields",
    "header",
    "continuation",
    "records",
    "time_field",
    "shared",
    "accept_unsupported",
];
const FOREIGN_KEY: &[&str] = &["from", "to", "action"];

struct Reader<'t> {
    lines: Lines<'t>,
    file: File,
}

impl Reader<'_> {
    fn unknown(&self, key: &Spanned<std::borrow::Cow<'_, str>>, known: &[&'static str]) -> Error {
        let what = match nearest(key.get_ref(), known.iter().copied()) {
            Some(near) => format!("unknown key; did you mean `{near}`?"),
            None => format!("unknown key; known here: {}", known.join(", ")),
        };
        self.lines.error(key.span().start, what)
    }

    fn top(&mut self, table: &Table<'_>) -> Result<()> {
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "identifiers" => self.identifiers(self.table(value)?)?,
                "rule" => {
                    let mut shown = Vec::new();
                    for item in self.array(value)? {
                        let rule = self.rule(self.table(item)?)?;
                        self.file.policy.rules.push(rule);
                        shown.push(as_json(item.get_ref()));
                    }
                    self.file.policy.shown = serde_json::Value::Array(shown);
                }
                "foreign_key" => {
                    for item in self.array(value)? {
                        let key = self.foreign_key(self.table(item)?)?;
                        self.file.policy.foreign_keys.push(key);
                    }
                }
                "options" => self.options(self.table(value)?)?,
                _ => return Err(self.unknown(key, TOP)),
            }
        }
        Ok(())
    }

    fn identifiers(&mut self, table: &Table<'_>) -> Result<()> {
        const TYPES: &[&str] = &["user_id", "username", "email", "uuid", "ip", "phone", "token", "literal"];
        for (key, value) in table {
            let Some(name) = TYPES.iter().copied().find(|name| *name == key.get_ref()) else {
                return Err(self.unknown(key, TYPES));
            };
            let fields = matches!(name, "user_id" | "username");
            for (option, value) in self.table(value)? {
                match option.get_ref().as_ref() {
                    "fields" if fields => {
                        let list = self.strings(value)?;
                        let Fields { user_id, username, .. } = &mut self.file.policy.fields;
                        let into = if name == "user_id" { user_id } else { username };
                        extend(into, &list, FieldName::parse);
                    }
                    "paths" if fields => {
                        let list = self.strings(value)?;
                        let lower = |word: &str| word.to_ascii_lowercase().into_bytes();
                        extend(&mut self.file.policy.fields.paths, &list, lower);
                    }
                    "variants" if !fields => {
                        let list = self.variants(value, Variant::known(name))?;
                        self.file.policy.fields.variants.ask(name, &list);
                    }
                    _ if fields => return Err(self.unknown(option, &["fields", "paths"])),
                    _ => return Err(self.unknown(option, &["variants"])),
                }
            }
        }
        Ok(())
    }

    /// Words out of `known`.
    fn variants(&self, value: &Value<'_>, known: &[Variant]) -> Result<Vec<Variant>> {
        let words = || known.iter().map(|variant| variant.name());
        let mut list = Vec::new();
        for item in self.array(value)? {
            let word = self.string(item)?;
            let Some(variant) = known.iter().find(|variant| variant.name() == word) else {
                let of = match nearest(&word, words()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known for this type: {}", words().collect::<Vec<_>>().join(", ")),
                };
                return Err(self.lines.error(item.span().start, format!("unknown variant; {of}")));
            };
            list.push(*variant);
        }
        Ok(list)
    }

    fn rule(&mut self, table: &Table<'_>) -> Result<Rule> {
        let mut rule = Rule::default();
        let mut erase_at = None;
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "files" => rule.files = self.globs(value)?,
                "tables" => rule.tables = self.strings(value)?,
                "action" => rule.action = Some(self.action(value)?),
                "erase_fields" => {
                    erase_at = Some(key.span().start);
                    rule.erase_fields = self.erase_fields(value)?;
                }
                "header" => {
                    rule.header =
                        self.word(value, &[("auto", Header::Auto), ("yes", Header::Yes), ("no", Header::No)])?;
                }
                "continuation" => rule.continuation = self.continuation(value)?,
                "records" => {
                    let pointer = self.string(value)?;
                    if !pointer.starts_with('/') {
                        return Err(self
                            .lines
                            .error(value.span().start, "expected a JSON pointer such as \"/Records\""));
                    }
                    rule.records = Some(pointer);
                }
                "time_field" => rule.time_field = Some(FieldName::parse(&self.string(value)?)),
                "shared" => rule.shared_redact = self.word(value, &[("redact", true), ("drop", false)])?,
                "accept_unsupported" => rule.accept_unsupported = self.globs(value)?,
                _ => return Err(self.unknown(key, RULE)),
            }
        }
        if let (Some(at), None | Some(Action::Drop | Action::Report)) = (erase_at, rule.action) {
            return Err(self.lines.error(at, "erase_fields needs an action that edits: redact, mask or pseudonymize"));
        }
        Ok(rule)
    }

    fn action(&mut self, value: &Value<'_>) -> Result<Action> {
        let action = self.word(
            value,
            &[
                ("drop", Action::Drop),
                ("redact", Action::Redact),
                ("mask", Action::Mask),
                ("pseudonymize", Action::Pseudonymize),
                ("report", Action::Report),
            ],
        )?;
        self.file.wants_key |= action == Action::Pseudonymize;
        Ok(action)
    }

    fn erase_fields(&mut self, value: &Value<'_>) -> Result<Vec<(FieldName, Erase)>> {
        let words = [
            ("remove", Erase::Remove),
            ("null", Erase::Null),
            ("redact", Erase::Redact),
            ("pseudonym", Erase::Pseudonym),
        ];
        let mut fields = Vec::new();
        for (name, how) in self.table(value)? {
            let erase = self.word(how, &words)?;
            self.file.wants_key |= erase == Erase::Pseudonym;
            fields.push((FieldName::parse(name.get_ref()), erase));
        }
        Ok(fields)
    }

    fn continuation(&self, value: &Value<'_>) -> Result<Continuation> {
        Ok(match self.string(value)?.as_str() {
            "auto" => Continuation::Auto,
            "none" => Continuation::None,
            pattern => {
                let regex = Regex::builder()
                    .syntax(syntax::Config::new().unicode(false).utf8(false))
                    .build(pattern)
                    .map_err(|_| {
                        let what =
                            "expected \"auto\", \"none\" or a regular expression (ASCII classes, no look-around)";
                        self.lines.error(value.span().start, what)
                    })?;
                Continuation::Regex(Box::new(regex))
            }
        })
    }

    /// A foreign key; it applies to SQL dumps only. Without an action it keeps.
    fn foreign_key(&mut self, table: &Table<'_>) -> Result<KeyRule> {
        let mut rule = KeyRule { from: String::new(), to: String::new(), action: KeyAction::Keep };
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "from" => rule.from = self.string(value)?,
                "to" => rule.to = self.string(value)?,
                "action" => {
                    rule.action = self.word(
                        value,
                        &[
                            ("cascade", KeyAction::Cascade),
                            ("set_null", KeyAction::SetNull),
                            ("keep", KeyAction::Keep),
                            ("anonymize", KeyAction::Anonymize),
                        ],
                    )?;
                }
                _ => return Err(self.unknown(key, FOREIGN_KEY)),
            }
        }
        Ok(rule)
    }

    fn options(&mut self, table: &Table<'_>) -> Result<()> {
        for (key, value) in table {
            let one = |value: &DeValue<'_>| match value {
                DeValue::String(text) => Some(text.to_string()),
                DeValue::Integer(number) => Some(number.to_string()),
                DeValue::Float(number) => Some(number.to_string()),
                DeValue::Boolean(flag) => Some(flag.to_string()),
                _ => None,
            };
            let values = match value.get_ref() {
                DeValue::Array(items) => items.iter().map(|item| one(item.get_ref())).collect(),
                other => one(other).map(|value| vec![value]),
            };
            let Some(values) = values else {
                return Err(self
                    .lines
                    .error(value.span().start, "expected a string, number, boolean or a list of them"));
            };
            let line = self.lines.line(key.span().start);
            self.file.options.push(FileOption { name: key.get_ref().to_string(), values, line });
        }
        Ok(())
    }

    fn globs(&self, value: &Value<'_>) -> Result<Vec<Glob>> {
        let mut globs = Vec::new();
        for text in self.strings(value)? {
            let glob = GlobBuilder::new(&text).literal_separator(true).build();
            let glob = glob.map_err(|_| self.lines.error(value.span().start, "not a valid glob"))?;
            globs.push(Glob { matcher: glob.compile_matcher(), text });
        }
        Ok(globs)
    }

    fn word<T: Clone>(&self, value: &Value<'_>, words: &[(&'static str, T)]) -> Result<T> {
        let text = self.string(value)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| meaning.clone());
        found.ok_or_else(|| {
            let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.lines.error(value.span().start, format!("expected one of: {}", known.join(", ")))
        })
    }

    fn string(&self, value: &Value<'_>) -> Result<String> {
        match value.get_ref() {
            DeValue::String(text) => Ok(text.to_string()),
            _ => Err(self.lines.error(value.span().start, "expected a string")),
        }
    }

    fn strings(&self, value: &Value<'_>) -> Result<Vec<String>> {
        self.array(value)?.iter().map(|item| self.string(item)).collect()
    }

    fn array<'v, 't>(&self, value: &'v Value<'t>) -> Result<&'v [Value<'t>]> {
        match value.get_ref() {
            DeValue::Array(items) => Ok(items),
            _ => Err(self.lines.error(value.span().start, "expected a list")),
        }
    }

    fn table<'v, 't>(&self, value: &'v Value<'t>) -> Result<&'v Table<'t>> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => Err(self.lines.error(value.span().start, "expected a table")),
        }
    }
}

/// A list replaces the default; entries with `+` in front add to it.
fn extend<T: PartialEq>(into: &mut Vec<T>, list: &[String], parse: impl Fn(&str) -> T) {
    let plain: Vec<T> = list.iter().filter(|entry| !entry.starts_with('+')).map(|entry| parse(entry)).collect();
    if !plain.is_empty() || list.is_empty() {
        *into = plain;
    }
    for entry in list.iter().filter_map(|entry| entry.strip_prefix('+')) {
        let entry = parse(entry);
        if !into.contains(&entry) {
            into.push(entry);
        }
    }
}

fn as_json(value: &DeValue<'_>) -> serde_json::Value {
    match value {
        DeValue::String(text) => json!(text),
        DeValue::Boolean(flag) => json!(flag),
        DeValue::Array(items) => items.iter().map(|item| as_json(item.get_ref())).collect(),
        DeValue::Table(table) => {
            let entries = table.iter().map(|(key, value)| (key.get_ref().to_string(), as_json(value.get_ref())));
            serde_json::Value::Object(entries.collect())
        }
        DeValue::Integer(number) => json!(number.to_string()),
        DeValue::Float(number) => json!(number.to_string()),
        DeValue::Datetime(_) => serde_json::Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specs_example() {
        let file = parse(
            br#"
[identifiers.user_id]
fields = ["user_id", "uid", "customer.id"]
paths  = ["+clients"]
[identifiers.email]
variants = ["sha256", "base64", "sha256"]
[[rule]]
files  = ["**/invoices/**", "backup.tar!logs/*.jsonl"]
tables = ["invoices"]
action = "pseudonymize"
erase_fields = { name = "pseudonym", email = "remove", ip = "null" }
[[foreign_key]]
from = "orders.user_id"
to = "users.id"
action = "anonymize"
[options]
max_dropped = "1%"
jobs = 2
include = ["*.log", "*.gz"]
"#,
        )
        .unwrap();
        assert!(file.wants_key);
        assert_eq!(file.policy.fields.user_id.len(), 3);
        assert!(file.policy.fields.paths.contains(&b"clients".to_vec()) && file.policy.fields.paths.len() > 5);
        assert_eq!(file.policy.rules[0].erase_fields.len(), 3);
        assert_eq!(file.options.len(), 3);
        assert!(file.policy.rule(b"backup.tar!logs/a.jsonl", Some("invoices")).is_some());
        assert!(file.policy.rule(b"backup.tar!logs/x/a.jsonl", Some("invoices")).is_none());
        assert!(file.policy.rule(b"a/invoices/b.csv", None).is_none());
        let again = of_run_line(&file.policy.shown).unwrap();
        assert_eq!(again.fields, file.policy.fields);
        assert_eq!(again.fields.variants.names(), ["base64", "sha256"]);
        assert_eq!(again.shown["rules"], file.policy.shown["rules"]);
        assert_eq!(of_run_line(&none().policy.shown).unwrap().fields, Fields::default());
    }

    #[test]
    fn errors_name_line_and_nearest_key_and_show_nothing() {
        let cases: [(&str, &str); 11] = [
            ("[[rule]]\nacton = \"alice@example.com\"\n", "line 2: unknown key; did you mean `action`"),
            ("\n[rules]\n", "line 2: unknown key; did you mean `rule`"),
            ("[[rule]]\naction = \"alice@example.com\"\n", "line 2: expected one of: drop"),
            ("[[rule]]\nalice@example.com = 1\n", "line 2: not valid TOML"),
            ("[[rule]]\n\"alice@example.com\" = 1\n", "line 2: unknown key"),
            ("[[rule]]\nerase_fields = { x = \"remove\" }\n", "erase_fields needs an action"),
            (
                "[identifiers.email]\nvariants = [\"base64\",\n\"sha-1\"]\n",
                "line 3: unknown variant; did you mean `sha1`",
            ),
            (
                "[identifiers.email]\nvariants = [\"alice@example.com\"]\n",
                "line 2: unknown variant; known for this type: base64",
            ),
            ("[identifiers.token]\nvariants = [\"md5\"]\n", "line 2: unknown variant; "),
            ("[identifiers.user_id]\nvariants = [\"base64\"]\n", "line 2: unknown key; "),
            ("[[rule]]\ncontinuation = \"alice@example.com(\"\n", "line 2: expected \"auto\""),
        ];
        for (text, want) in cases {
            let error = parse(text.as_bytes()).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(said.contains(want), "{said}");
            assert!(!said.contains("alice"), "{said}");
        }
    }
}
