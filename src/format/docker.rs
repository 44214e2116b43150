//! Lines of Docker's json-file driver: `{"log":"…\n","stream":"stdout","time":"…"}`.
//!
//! The driver divides lines of more than 16 KiB (`daemon/logger/copier.go` of moby): a record whose `log` does not end in a line
//! feed is followed by the rest of the line. One that is shorter is what a stream ended with, or a line without its end that
//! another program stripped: where none of the head's lines has an end, nothing is joined but what is as long as Docker's pieces.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::json::{self, Event, Scanner};
use super::{body, lines};
use crate::record::{Fragment, More, Place};

/// Bytes at which Docker divides a line.
const PIECE: usize = 16 * 1024;

/// What the head says of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Docker {
    /// Whether lines come with their ends, so that one without goes on.
    ended: bool,
}

impl Docker {
    /// For a stream that starts with `head`.
    pub(crate) fn of(head: &[u8]) -> Self {
        let (mut count, mut ended) = (0, 0);
        for line in lines(body(head)) {
            if let Some((log, _)) = parts(line) {
                count += 1;
                ended += usize::from(ends(line.get(log).unwrap_or_default()));
            }
        }
        Self { ended: ended * 4 >= count && count > 0 }
    }

    /// What `record` holds of a container's line, if it is one of the driver's.
    pub(crate) fn fragment(self, record: &[u8]) -> Option<Fragment> {
        let (span, stream) = parts(record)?;
        let raw = record.get(span.clone())?;
        let more = if ends(raw) {
            More::No
        } else if raw.len() >= PIECE && json::decode(raw).len() >= PIECE {
            More::Yes
        } else if self.ended {
            More::Maybe
        } else {
            More::No
        };
        Some(Fragment { stream: xxhash_rust::xxh3::xxh3_64(record.get(stream)?), more, span, json: true })
    }
}

// Made once: most lines of JSON come to the first, and to make it takes as long as the search.
static LOG: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br#""log""#));
static STREAM: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br#""stream""#));

/// Where the text of `log` and the stream's name stand.
fn parts(record: &[u8]) -> Option<(Range<usize>, Range<usize>)> {
    // As the driver writes it; what another program wrote again may have another order and blanks.
    let whole = record.trim_ascii_end().ends_with(b"}");
    if let Some(rest) = record.strip_prefix(br#"{"log":""#).filter(|_| whole) {
        let end = 8 + end_of_string(rest)?;
        if let Some(rest) = record.get(end..)?.strip_prefix(br#"","stream":""#) {
            let from = end + 12;
            return Some((8..end, from..from + memchr::memchr(b'"', rest)?));
        }
    }
    LOG.find(record)?;
    STREAM.find(record)?;
    members(record)
}

/// Length of the string whose inside `text` starts with.
fn end_of_string(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text.get(at) == Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

/// The same from the members of an object in any order.
fn members(record: &[u8]) -> Option<(Range<usize>, Range<usize>)> {
    let (mut scanner, mut key) = (Scanner::new(record), 0..0);
    let (mut log, mut stream) = (None, None);
    while let Ok(Some(event)) = scanner.step() {
        match event {
            Event::Key(span) if scanner.depth() == 1 => key = span,
            Event::Scalar(span, Place::JsonString) if scanner.depth() == 1 => match record.get(key.clone())? {
                b"log" => log = Some(span),
                b"stream" => stream = Some(span),
                _ => {}
            },
            _ => {}
        }
    }
    scanner.complete().then_some((log?, stream?))
}

/// Whether the text of a JSON string ends in a line feed.
fn ends(raw: &[u8]) -> bool {
    let escape = [&b"\\n"[..], b"\\u000a", b"\\u000A"].into_iter().find_map(|end| raw.strip_suffix(end));
    // The backslash may be escaped itself.
    escape.is_some_and(|before| before.iter().rev().take_while(|b| **b == b'\\').count().is_multiple_of(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_the_driver() {
        let docker = Docker::of(b"{\"log\":\"a\\n\",\"stream\":\"stdout\",\"time\":\"x\"}\n");
        for (line, want) in [
            (r#"{"log":"a\n","stream":"stdout","time":"x"}"#, Some((More::No, r"a\n", "stdout"))),
            (r#"{"log":"a\\n","stream":"stdout","time":"x"}"#, Some((More::Maybe, r"a\\n", "stdout"))),
            (r#"{"log":"a\\\n","stream":"stderr"}"#, Some((More::No, r"a\\\n", "stderr"))),
            (r#"{"log":"a\u000a","stream":"stderr"}"#, Some((More::No, r"a\u000a", "stderr"))),
            (r#"{"log":"","stream":"s"}"#, Some((More::Maybe, "", "s"))),
            (r#"{ "time":"x", "stream" : "s", "k":{"log":"no"}, "log" : "\"a" }"#, Some((More::Maybe, r#"\"a"#, "s"))),
            (r#"{"log":1,"stream":"s"}"#, None),
            (r#"{"log":"a"}"#, None),
            (r#"{"log":"a","stream":"s""#, None),
            ("", None),
        ] {
            let got = docker.fragment(line.as_bytes());
            let got = got.map(|f| (f.more, &line[f.span], f.stream));
            let want = want.map(|(more, text, stream)| (more, text, xxhash_rust::xxh3::xxh3_64(stream.as_bytes())));
            assert_eq!(got, want, "{line}");
        }
    }

    #[test]
    fn what_other_programs_stripped_is_not_joined() {
        let line = |log: &str| format!("{{\"log\":\"{log}\",\"stream\":\"s\"}}\n");
        let docker = Docker::of(line("a").repeat(9).as_bytes());
        assert_eq!(docker.fragment(line("a").as_bytes()).unwrap().more, More::No);
        assert_eq!(docker.fragment(line(&"a".repeat(PIECE)).as_bytes()).unwrap().more, More::Yes);
        assert_eq!(docker.fragment(line(&"\\t".repeat(PIECE / 2)).as_bytes()).unwrap().more, More::No);
    }
}
