//! Whether text looks like a log (SPEC "Other text").
//!
//! A log: the time-stamp rule holds, or at least half of the head's lines that continue no other line have a level, a client
//! address or `key=value`. Lines of other text are never dropped, so that a configuration or a page keeps its shape; what the
//! SPEC names as such needs two reservations: a tag's attributes are no `key=value`, and a file of sections and assignments
//! is INI, not a log.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::text::{Joins, is_stamped};
use super::{body, content, lines, whole_lines};
use crate::judge::stamp;
use crate::layer::Hint;

/// Bytes of a line in which level, address and `key=value` are looked for.
const REACH: usize = 1024;

/// Levels of common loggers and of syslog.
const LEVELS: [&[u8]; 15] = [
    b"TRACE",
    b"DEBUG",
    b"INFO",
    b"NOTICE",
    b"WARN",
    b"WARNING",
    b"ERROR",
    b"ERR",
    b"CRIT",
    b"CRITICAL",
    b"ALERT",
    b"EMERG",
    b"FATAL",
    b"SEVERE",
    b"PANIC",
];
/// What `PostgreSQL` writes besides, each with a colon.
const POSTGRES: [&[u8]; 4] = [b"LOG", b"STATEMENT", b"DETAIL", b"HINT"];

/// Whether the text that starts with `head` is a log; else it is other text.
pub fn is_log(head: &[u8], whole: bool, hint: &Hint<'_>) -> bool {
    if is_stamped(head) {
        return true;
    }
    let text = body(head);
    // A line longer than the head is all there is to judge by.
    let whole = whole || !text.contains(&b'\n');
    if is_ini(text, whole) {
        return false;
    }
    let joins = Joins::choose(head, hint);
    let (mut count, mut neither) = (0usize, 0usize);
    for (i, line) in whole_lines(text, whole).map(content).enumerate() {
        if line.trim_ascii().is_empty() || (i > 0 && joins.continues(line)) {
            continue;
        }
        count += 1;
        neither += usize::from(!has_look(line));
    }
    count > 0 && neither * 2 <= count
}

fn has_look(line: &[u8]) -> bool {
    let line = line.get(..line.len().min(REACH)).unwrap_or_default();
    !is_tag(line) && (has_level(line) || has_address(line) || has_pair(line))
}

/// Whether the line starts as a line of XML or HTML does.
fn is_tag(line: &[u8]) -> bool {
    let mut bytes = line.trim_ascii_start().iter();
    bytes.next() == Some(&b'<') && bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b"/?!".contains(b))
}

/// Whether a log level stands in `line`: in capitals as a word, in any case in brackets or before a colon at its start, or as the
/// Go and C++ loggers' first letter (`I0311 08:00:00`).
pub(crate) fn has_level(line: &[u8]) -> bool {
    let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let mut at = 0;
    while at < line.len() {
        let rest = line.get(at..).unwrap_or_default();
        let len = rest.iter().take_while(|b| word(b)).count();
        let Some((token, after)) = rest.split_at_checked(len).filter(|_| len > 0) else {
            at += 1;
            continue;
        };
        let before = at.checked_sub(1).and_then(|i| line.get(i)).copied();
        let next = after.first().copied();
        let loose = (before == Some(b'[') && next == Some(b']')) || (at == 0 && next == Some(b':'));
        let level = LEVELS.iter().any(|level| token.eq_ignore_ascii_case(level));
        let capitals = token.iter().all(u8::is_ascii_uppercase);
        if (level && (capitals || loose)) || (next == Some(b':') && POSTGRES.contains(&token)) {
            return true;
        }
        at += len;
    }
    is_glog(line)
}

/// `I0311 08:00:00`
fn is_glog(line: &[u8]) -> bool {
    let shape = b"L0000 00:00:00";
    line.len() >= shape.len()
        && line.iter().zip(shape).all(|(b, s)| match s {
            b'L' => b"IWEFD".contains(b),
            b'0' => b.is_ascii_digit(),
            _ => b == s,
        })
}

/// Whether an IPv4 or IPv6 address stands in `line` as a word of its own.
fn has_address(line: &[u8]) -> bool {
    let of_address = |b: &u8| b.is_ascii_hexdigit() || matches!(b, b'.' | b':');
    let of_word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let mut at = 0;
    while at < line.len() {
        let rest = line.get(at..).unwrap_or_default();
        let len = rest.iter().take_while(|b| of_address(b)).count();
        let Some((token, after)) = rest.split_at_checked(len).filter(|_| len > 0) else {
            at += 1;
            continue;
        };
        let before = at.checked_sub(1).and_then(|i| line.get(i));
        if !before.is_some_and(of_word) && !after.first().is_some_and(of_word) && is_address(token) {
            return true;
        }
        at += len;
    }
    false
}

/// An address, or one with a port, colon or full stop behind it.
fn is_address(token: &[u8]) -> bool {
    if token.len() < 4 || token.len() > 60 {
        return false;
    }
    let Ok(text) = std::str::from_utf8(token) else {
        return false;
    };
    let v4 = text.split(':').next().unwrap_or_default().trim_end_matches('.');
    let v6 = text.trim_end_matches('.');
    let v6 = v6.strip_suffix(':').filter(|t| !t.ends_with(':')).unwrap_or(v6);
    v4.parse::<Ipv4Addr>().is_ok() || (v6.len() > 3 && v6.parse::<Ipv6Addr>().is_ok())
}

/// Whether `key=value` stands in `line`: no blanks around `=`, the name after a blank or an opening sign.
pub(crate) fn has_pair(line: &[u8]) -> bool {
    pairs(line).next().is_some()
}

/// Offsets of the names of `key=value` in `line`.
pub(crate) fn pairs(line: &[u8]) -> impl Iterator<Item = usize> + '_ {
    memchr::memchr_iter(b'=', line).filter_map(|equals| {
        let value = *line.get(equals + 1)?;
        if value.is_ascii_whitespace() || matches!(value, b'=' | b'>' | b'~') {
            return None;
        }
        let before = line.get(..equals)?;
        let of_name = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'/');
        let start = equals - before.iter().rev().take_while(of_name).count();
        let first = *line.get(start)?;
        let opens = start == 0 || line.get(start - 1).is_some_and(|b| b" \t,;([{\"'|".contains(b));
        (start < equals && opens && (first.is_ascii_alphabetic() || first == b'_')).then_some(start)
    })
}

/// Whether `text` is sections, assignments and comments only, with at least one section.
fn is_ini(text: &[u8], whole: bool) -> bool {
    let mut sections = 0;
    for line in whole_lines(text, whole).map(content) {
        let bare = line.trim_ascii();
        let indented = line.first().is_some_and(u8::is_ascii_whitespace);
        match bare.first() {
            None | Some(b'#' | b';') => {}
            Some(b'[') if bare.ends_with(b"]") && stamp::leading(bare).is_none() => sections += 1,
            Some(_) if indented || is_assignment(bare) => {}
            Some(_) => return false,
        }
    }
    sections > 0
}

/// `name=…`, `name = …`, `name: …`, or a name alone.
fn is_assignment(line: &[u8]) -> bool {
    let name = line.iter().take_while(|b| b.is_ascii_alphanumeric() || b"_.-*/\\\"[]".contains(b)).count();
    let rest = line.get(name..).unwrap_or_default().trim_ascii_start();
    name > 0 && matches!(rest.first(), None | Some(b'=' | b':'))
}

/// Whether at least nine of ten of the whole lines satisfy `fits`; blank lines do not count, and one must be there.
pub(crate) fn nine_of_ten(text: &[u8], whole: bool, fits: impl Fn(&[u8]) -> bool) -> bool {
    let (mut count, mut good) = (0usize, 0usize);
    for line in whole_lines(text, whole).map(content).filter(|line| !line.trim_ascii().is_empty()) {
        count += 1;
        good += usize::from(fits(line));
    }
    count > 0 && good * 10 >= count * 9
}

/// The first line that is not blank, without its end.
pub(crate) fn first_line(text: &[u8]) -> &[u8] {
    lines(text).map(content).find(|line| !line.trim_ascii().is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::tests::named;
    use super::*;

    fn log(text: &str) -> bool {
        is_log(text.as_bytes(), true, &named("x"))
    }

    #[test]
    fn logs() {
        for text in [
            "2025-03-11T08:00:00Z a\n2025-03-11T08:00:01Z b\n",
            "Mar 11 08:00:00 host a\nMar 11 08:00:01 host b\nx\ny\nz\n",
            "192.0.2.1 - - [10/Oct/2000:13:55:36 +0000] \"GET / HTTP/1.1\" 200 5\n",
            "2001:db8::1 - - \"GET / HTTP/1.1\" 200 5\n",
            "[2001:db8::1]:443 connected\n",
            "INFO start\nERROR failed\nTraceback (most recent call last):\n  File x\nValueError: y\n",
            "info: ready\nerror: not ready\n",
            "request [warn] slow\n",
            "login user_id=42\nlogout user_id=42\n",
            "user_id=42 logged in\n",
            "I0311 08:00:00.123456 7 main.go:1] x\n",
            "LOG:  statement: SELECT 1\n",
            "npm ERR! code\n",
            "INFO a\nwhatever\n",
            "connect from 198.51.100.7:8080\n",
        ] {
            assert!(log(text), "{text}");
        }
    }

    #[test]
    fn other_text() {
        for text in [
            "",
            "\n\n",
            "Dear Ann,\nthank you for your letter.\nYours\n",
            "<users>\n  <user id=\"1\"/>\n</users>\n",
            "<user id=\"1\" name=\"a\"/>\n<user id=\"2\" name=\"b\"/>\n",
            "users:\n  - id: 1\n    mail: a@example.com\nlevel: info\n",
            "[db]\nhost=192.0.2.1\nname = x\n; note\n\n[web]\nurl=http://example.com/?a=b\n",
            "key = value\nother = thing\n",
            "INFO a\nb\nc\n",
            "std::io and Foo::Bar at 08:00:00 with 1.2.3\nx\n",
            "see https://example.com/?a=b\nif a==b then x=>y\n",
            "2025-03-11T08:00:00Z once\nand no more\nat all\n",
        ] {
            assert!(!log(text), "{text}");
        }
    }
}
