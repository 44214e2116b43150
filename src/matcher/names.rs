//! Identifying fields in running text: whether a value stands under a name (SPEC "Identifying fields").
//!
//! The way is backwards: an engine has found the bytes of a `user_id` or `username`; from them one goes back over the form
//! (`=`, `:`, quotes, `<name>`, one space, a path) to the name, and forward to where a value of that form must end. Structured
//! fields are compared by name by the engine itself. Every step is bounded by the length of the name's run.

use std::collections::HashSet;

use super::Type;
use super::boundary::in_word;
use crate::policy::{FieldName, Fields, fold};

/// Shortest value, in characters, that counts behind a name and nothing but a space.
const SPACED_MIN: usize = 4;

/// The identifying names, ready for text.
#[derive(Debug)]
pub struct Names {
    user_id: Vec<FieldName>,
    username: Vec<FieldName>,
    paths: Vec<Vec<u8>>,
    /// Folded last parts of all names of both types, and `id`: what a name must end with to be one.
    last: HashSet<Vec<u8>>,
}

impl Names {
    /// The names of a policy.
    pub fn new(fields: &Fields) -> Self {
        let all = fields.user_id.iter().chain(&fields.username);
        let mut last: HashSet<Vec<u8>> = all.filter_map(|name| name.parts().last().cloned()).collect();
        last.insert(b"id".to_vec());
        Self { user_id: fields.user_id.clone(), username: fields.username.clone(), paths: fields.paths.clone(), last }
    }

    /// Whether `path` names a field that identifies by `kind`.
    pub fn matches<P: AsRef<[u8]>>(&self, kind: Type, path: &[P]) -> bool {
        let list = match kind {
            Type::UserId => &self.user_id,
            Type::Username => &self.username,
            _ => return false,
        };
        list.iter().any(|name| name.matches(path))
    }

    /// Whether the bytes `[start, end)` of `text` are the whole value of a field that identifies by `kind`.
    ///
    /// With `open`, `text` is a piece of a longer one and a name that runs to its start is taken for a match.
    pub fn identify(&self, kind: Type, text: &[u8], start: usize, end: usize, open: bool) -> bool {
        let Some((lead, before)) = text.get(..start).and_then(<[u8]>::split_last) else {
            return false;
        };
        let named = |before: &[u8]| self.bare_name(kind, before, open);
        let quoted = |before: &[u8]| self.quoted_name(kind, before);
        match *lead {
            b'=' => named(before) && ends_bare(text, start, end),
            b':' => (named(before) || quoted(trim_blanks(before))) && ends_bare(text, start, end),
            quote @ (b'"' | b'\'') => {
                let loose = || before.strip_suffix(b"#").unwrap_or(before).strip_suffix(b" ").is_some_and(named);
                closes(text, start, end, quote)
                    && (before.strip_suffix(b"=").is_some_and(named)
                        || before.strip_suffix(b" ").unwrap_or(before).strip_suffix(b":").is_some_and(named)
                        || after_colon(before).is_some_and(quoted)
                        || (long_enough(text, start, end) && loose()))
            }
            b' ' | b'\t' => {
                let spaced = *lead == b' '
                    && (before.strip_suffix(b":").is_some_and(named)
                        || (long_enough(text, start, end) && named(before)));
                (spaced || after_colon(before).is_some_and(quoted)) && ends_bare(text, start, end)
            }
            b'#' => {
                long_enough(text, start, end)
                    && before.strip_suffix(b" ").is_some_and(named)
                    && ends_bare(text, start, end)
            }
            b'>' => {
                closes(text, start, end, b'<')
                    && (self.name_after(kind, b'<', before)
                        || (open && runs(before).is_some_and(|(_, rest)| rest.is_empty())))
            }
            b'/' => self.path_word(before) && path_value(text, start, end),
            _ => false,
        }
    }

    /// A name without quotes that ends `before`: its longest run, or two runs with one space between.
    fn bare_name(&self, kind: Type, before: &[u8], open: bool) -> bool {
        let Some((name, rest)) = runs(before) else {
            return false;
        };
        if self.matches(kind, &[name]) || (open && rest.is_empty()) {
            return true;
        }
        let Some((first, rest)) = rest.strip_suffix(b" ").and_then(runs) else {
            return false;
        };
        (open && rest.is_empty()) || self.matches(kind, &[joined(first, name)])
    }

    /// A name in double quotes that ends `before`, its closing quote included.
    fn quoted_name(&self, kind: Type, before: &[u8]) -> bool {
        before.strip_suffix(b"\"").is_some_and(|name| self.name_after(kind, b'"', name))
    }

    /// A name, of one run or two, right after `sign`, that ends `before`.
    fn name_after(&self, kind: Type, sign: u8, before: &[u8]) -> bool {
        let Some((name, rest)) = runs(before) else {
            return false;
        };
        if rest.last() == Some(&sign) {
            return self.matches(kind, &[name]);
        }
        rest.strip_suffix(b" ")
            .and_then(runs)
            .is_some_and(|(first, rest)| rest.last() == Some(&sign) && self.matches(kind, &[joined(first, name)]))
    }

    /// Whether `before` ends with a whole path segment that is one of the words.
    fn path_word(&self, before: &[u8]) -> bool {
        self.paths.iter().any(|word| {
            let Some(at) = before.len().checked_sub(word.len()) else {
                return false;
            };
            let (rest, segment) = before.split_at(at);
            segment.eq_ignore_ascii_case(word)
                && rest.last().is_none_or(|b| matches!(b, b'/' | b'"' | b'\'') || is_space(*b))
        })
    }

    /// Whether a value of letters, digits, `.`, `_` and `-` at `start` might be a whole field of a structured record, or stands
    /// behind a name in text. Says no only where it is sure: behind a name that ends as no identifying name does, or behind
    /// a space that follows neither name nor delimiter. For choosing candidates; not a judgement.
    pub fn plausible(&self, text: &[u8], start: usize) -> bool {
        let before = text.get(..start).unwrap_or_default();
        let unquoted = before.strip_suffix(b"\"").unwrap_or(before);
        let trimmed = unquoted.trim_ascii_end();
        let named = match trimmed.last() {
            Some(b':') => {
                trimmed.strip_suffix(b":").and_then(|t| trim_blanks(t).strip_suffix(b"\"")).filter(|t| !t.is_empty())
            }
            Some(b'=') if trimmed.len() == before.len() => trimmed.strip_suffix(b"="),
            _ => None,
        };
        if let Some((name, rest)) = named.and_then(runs) {
            // A run that an escape or another byte cuts short is not the whole name.
            let whole = trimmed.ends_with(b"=") || rest.ends_with(b"\"");
            return !whole || rest.is_empty() || self.ends_as_name(name);
        }
        match before.last() {
            Some(b' ') => match trimmed.last() {
                Some(byte) => !name_byte(*byte) && !matches!(byte, b'"' | b')' | b']' | b'-'),
                None => true,
            },
            _ => true,
        }
    }

    fn ends_as_name(&self, name: &[u8]) -> bool {
        let last = name.rsplit(|b| *b == b'.').next().unwrap_or(name);
        self.last.contains(&fold(last))
    }
}

/// `first second` as one name: a space in a name counts as `_` does.
fn joined(first: &[u8], second: &[u8]) -> Vec<u8> {
    [first, second].concat()
}

/// A byte of a name: `[A-Za-z0-9_.-]`.
pub fn name_byte(byte: u8) -> bool {
    in_word(byte) || byte == b'.'
}

/// The longest run of name bytes at the end of `before`, and what stands before it; `None` if it is empty.
fn runs(before: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = before.iter().rposition(|b| !name_byte(*b)).map_or(0, |i| i + 1);
    let (rest, name) = before.split_at(at);
    super::work::look(name.len() + 1);
    (!name.is_empty()).then_some((name, rest))
}

/// `before` without a final `:` and the blanks around it.
fn after_colon(before: &[u8]) -> Option<&[u8]> {
    trim_blanks(before).strip_suffix(b":").map(trim_blanks)
}

fn trim_blanks(text: &[u8]) -> &[u8] {
    let len = text.iter().rposition(|b| !matches!(b, b' ' | b'\t')).map_or(0, |i| i + 1);
    text.get(..len).unwrap_or_default()
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0B
}

/// Whether `[start, end)` is followed by `quote` and holds none.
fn closes(text: &[u8], start: usize, end: usize, quote: u8) -> bool {
    super::work::look(end - start);
    text.get(end) == Some(&quote) && !text.get(start..end).is_some_and(|value| value.contains(&quote))
}

fn long_enough(text: &[u8], start: usize, end: usize) -> bool {
    let value = text.get(start..end).unwrap_or_default();
    value.iter().filter(|b| **b & 0xC0 != 0x80).count() >= SPACED_MIN
}

/// Whether a bare value ends at `at`.
fn stops(text: &[u8], at: usize) -> bool {
    let Some(byte) = text.get(at) else {
        return true;
    };
    match byte {
        b',' | b';' | b'&' | b'?' | b'/' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'(' | b')' | b'[' | b']' | b'{'
        | b'}' | b'|' => true,
        b'.' | b':' => text.get(at + 1).is_none_or(|next| is_space(*next)),
        byte => is_space(*byte),
    }
}

/// Whether a bare value that starts at `start` ends at `end`; looks no further than that.
fn ends_bare(text: &[u8], start: usize, end: usize) -> bool {
    stops(text, end) && !(start..end).any(|at| stops(text, at))
}

/// Whether the path segment at `start` is `[start, end)`, or that with a final `.` and letters.
fn path_value(text: &[u8], start: usize, end: usize) -> bool {
    if (start..end).any(|at| stops(text, at)) {
        return false;
    }
    // A segment ends at the next `/` at the latest, so that this is linear over all segments of a text.
    let whole = (end..=text.len()).find(|at| stops(text, *at)).unwrap_or(end);
    match text.get(end..whole) {
        Some([]) => true,
        Some([b'.', letters @ ..]) => !letters.is_empty() && letters.iter().all(u8::is_ascii_alphabetic),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether `value`, marked by `[..]` in `text` as `«value»`, is identified.
    fn is(kind: Type, text: &str) -> bool {
        let (before, rest) = text.split_once('«').unwrap();
        let (value, after) = rest.split_once('»').unwrap();
        let text = format!("{before}{value}{after}");
        let names = Names::new(&Fields::default());
        names.identify(kind, text.as_bytes(), before.len(), before.len() + value.len(), false)
    }

    #[test]
    fn forms_of_the_spec() {
        for text in [
            "user_id=«48213»",
            "x UserId: «48213» y",
            "uid:«7»,",
            r#"{"user_id":"«48213»"}"#,
            r#""user_id" : «0»}"#,
            r#""user-id":«42»,"#,
            r#"uid="«4 2»""#,
            "uid='«42»'",
            "<uid>«42»<",
            "uid «4821» x",
            "user #«4821»",
            "?a=1&user_id=«42»&b",
            "/users/«42»/x",
            "\"/users/«42»?x",
            " users/«42»",
            "/USERS/«42».json HTTP/1.1",
            "/u/«4.2».",
            "customer.id=«42»",
            "x.customer.id=«42»",
            "user id: «42»",
            "the user id: «42».",
            "uid=«42».",
            "uid=«4.2»",
            "uid=«42»: x",
            "uid=«»",
            r#""user id":«42»"#,
            "last user=«42»",
            "users/«42»",
        ] {
            assert!(is(Type::UserId, text), "{text}");
        }
        for text in [
            "last_user_id=«42»",
            "uid=«42»0",
            "uid=4«2»",
            "uid «42» x",
            "uid  «4821» x",
            "user #«482»",
            "uid=«42».x",
            "uid = «4821»",
            "/xusers/«42»",
            "=users/«42»",
            "/users/«42».j2",
            "/users/«42».x.y",
            "/users//«42»",
            "«42»",
            "<uid>«42» <",
            "<x uid>«42»<",
            "uid='«42»\"",
            r#""uid":"«42»,"#,
            "id=«42»",
            "uid: «4 2»",
            r#""the uid":«42»"#,
            r#"\"uid\":«42»"#,
            "uid #«4821»0",
        ] {
            assert!(!is(Type::UserId, text), "{text}");
        }
        assert!(is(Type::Username, "/users/«john.doe» HTTP"));
        assert!(is(Type::Username, "user.name=«bob» "));
        assert!(is(Type::Username, "login: «bob»."));
        assert!(!is(Type::Username, "uid=«bob»"));
        assert!(!is(Type::UserId, "login=«bob»"));
    }

    #[test]
    fn plausible_rejects_only_what_is_sure() {
        let names = Names::new(&Fields::default());
        let plausible = |text: &str| names.plausible(text.as_bytes(), text.len());
        for text in
            ["", "a,", "\t", r#""user_id":"#, r#""user_id": ""#, r#"{"id": "#, "[", ", ", r#""a\"#, "uid=", "a:"]
        {
            assert!(plausible(text), "{text}");
        }
        for text in [" 200 ", "\" ", r#""bytes":"#, r#""bytes" : ""#, " bytes=", r#""user_idx":"#] {
            assert!(!plausible(text), "{text}");
        }
    }
}
