//! The policy on the run line, with identifiers masked in what its author typed freely.
//!
//! Globs, tables, own names of fields and path words, pointers and regular expressions may hold an identifier (promise P4); the
//! structure, digests, the words of enumerations and the default names cannot, and are shown as they are: `user` is a word of
//! the SPEC even where somebody of the registry is called so. Where anything was masked the policy says `"masked": true`, and
//! can no longer be judged by.

use serde_json::{Map, Value};

use crate::policy::{FieldName, PATH_WORDS, USER_ID_FIELDS, USER_TABLES, USERNAME_FIELDS};

/// Replaces identifiers in a text's bytes by `*`, one for each byte.
pub type Mask<'m> = dyn Fn(&[u8]) -> Vec<u8> + 'm;

/// The key that says that something was masked.
const MASKED: &str = "masked";

/// `policy` (as [`crate::policy::Policy::shown`]) for the run line.
pub fn masked(policy: &Value, mask: &Mask<'_>) -> Value {
    let Value::Object(policy) = policy else { return policy.clone() };
    let shown = policy.iter().map(|(key, value)| {
        let shown = match key.as_str() {
            "sha256" | "variants" => value.clone(),
            "rules" | "foreign_keys" => list(value, &|item| object(item, &|key, value| rule(key, value, mask))),
            "fields" => object(value, &|_, names| free(names, mask)),
            _ => free(value, mask),
        };
        (key.clone(), shown)
    });
    let mut shown: Map<String, Value> = shown.collect();
    if shown != *policy {
        shown.insert(MASKED.to_owned(), Value::Bool(true));
    }
    Value::Object(shown)
}

/// Whether the policy of a run line holds masked parts, so that it is not the one that was applied.
pub fn is_masked(policy: &Value) -> bool {
    policy.get(MASKED).and_then(Value::as_bool).unwrap_or_default()
}

fn rule(key: &str, value: &Value, mask: &Mask<'_>) -> Value {
    match (key, value) {
        ("action" | "header" | "shared", _) => value.clone(),
        ("continuation", Value::String(word)) if matches!(word.as_str(), "auto" | "none") => value.clone(),
        // Names of fields as keys, words as values.
        ("erase_fields", Value::Object(fields)) => {
            fields.iter().map(|(name, how)| (text(name, mask), how.clone())).collect()
        }
        _ => free(value, mask),
    }
}

/// Masks every string in `value`.
fn free(value: &Value, mask: &Mask<'_>) -> Value {
    match value {
        Value::String(string) => Value::String(text(string, mask)),
        Value::Array(_) => list(value, &|item| free(item, mask)),
        Value::Object(_) => object(value, &|_, value| free(value, mask)),
        other => other.clone(),
    }
}

fn text(text: &str, mask: &Mask<'_>) -> String {
    let default = FieldName::parse(text);
    let is = |known: &[&str]| known.iter().any(|name| FieldName::parse(name) == default);
    if [USER_ID_FIELDS, USERNAME_FIELDS, PATH_WORDS, USER_TABLES].into_iter().any(is) {
        return text.to_owned();
    }
    String::from_utf8_lossy(&mask(text.as_bytes())).into_owned()
}

fn list(value: &Value, each: &dyn Fn(&Value) -> Value) -> Value {
    value.as_array().map_or_else(|| value.clone(), |items| items.iter().map(each).collect())
}

fn object(value: &Value, each: &dyn Fn(&str, &Value) -> Value) -> Value {
    let pairs = |map: &Map<String, Value>| map.iter().map(|(key, value)| (key.clone(), each(key, value))).collect();
    value.as_object().map_or_else(|| value.clone(), pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::policy_file;

    const FILE: &str = r#"
[identifiers.user_id]
fields = ["+clientno", "+alice_w.id"]
paths = ["+alice_w"]
[[rule]]
files = ["**/alice_w/*.log"]
tables = ["users", "alice_w"]
action = "redact"
header = "auto"
continuation = "^alice_w"
records = "/alice_w"
time_field = "alice_w"
shared = "drop"
accept_unsupported = ["alice_w.png"]
erase_fields = { alice_w = "remove", email = "null" }
"#;

    /// Masks whole words only: `hidden` by `*`.
    fn masking(hidden: &'static [&'static str]) -> impl Fn(&[u8]) -> Vec<u8> {
        move |name| {
            let mut text = String::from_utf8(name.to_vec()).unwrap();
            for word in hidden {
                text = text.replace(word, &"*".repeat(word.len()));
            }
            text.into_bytes()
        }
    }

    #[test]
    fn what_was_typed_freely_is_masked() {
        let shown = policy_file::parse(FILE.as_bytes()).unwrap().policy.shown;
        let line = masked(&shown, &masking(&["alice_w", "alicew"]));
        assert!(is_masked(&line));
        let text = line.to_string();
        assert!(!text.contains("alice"), "{text}");
        assert!(text.contains("clientno") && text.contains(r#"["users","*******"]"#), "{text}");
        assert_eq!(line["sha256"], shown["sha256"]);
    }

    #[test]
    fn structure_words_and_defaults_are_not() {
        // Words of the structure that somebody is called or has as an id: nothing of it is theirs.
        let words = [
            "sha256",
            "fields",
            "paths",
            "rules",
            "files",
            "action",
            "redact",
            "erase_fields",
            "remove",
            "null",
            "header",
            "auto",
            "shared",
            "drop",
            "userid",
            "username",
            "user",
            "login",
            "users",
            "u",
            "members",
            "id",
        ];
        let words: &'static [&'static str] = Box::leak(Box::new(words));
        let shown = policy_file::none().policy.shown;
        let line = masked(&shown, &masking(words));
        assert_eq!(line, shown);
        assert!(!is_masked(&line));
        let rule = "[[rule]]\naction = \"redact\"\nheader = \"auto\"\nshared = \"drop\"\ncontinuation = \"auto\"\n\
            tables = [\"users\"]\nerase_fields = { login = \"remove\" }\n";
        let shown = policy_file::parse(rule.as_bytes()).unwrap().policy.shown;
        assert_eq!(masked(&shown, &masking(words)), shown);
        let digest = shown["sha256"].as_str().unwrap().to_owned();
        let digits: &'static str = Box::leak(digest[..6].to_owned().into_boxed_str());
        assert_eq!(masked(&shown, &masking(Box::leak(Box::new([digits])))), shown, "a digest that holds an id");
    }
}
