//! Which text format a stream's head is (SPEC "Records", "Detection, first fit").
//!
//! JSON Lines, JSON document, syslog frames, SQL dump, CSV, logfmt, and what is left: a log or other text. Only whole lines of the head count,
//! unless it holds none. What this build does not read is told apart all the same, by name.

use super::known::{UTF_16, UTF_32};
use crate::codec::utf16;
use crate::format::json::{self, Bad, Event, Inside, Scanner};
use crate::format::{self, body, cri, csv, frames, logfmt, look, sql};
use crate::layer::coded::strip_suffix_fold;
use crate::layer::{Hint, binary};

/// What text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// A record format of this name.
    Format(&'static str),
    /// Known and not read.
    Unsupported(&'static str),
}

/// The format of text that starts with `head`.
pub fn choose(head: &[u8], whole: bool, hint: &Hint<'_>) -> Choice {
    let text = body(head);
    let named = |extension: &str| strip_suffix_fold(hint.name, extension.as_bytes()).is_some();
    if text.trim_ascii().is_empty() {
        return Choice::Format("text");
    }
    let says = Says {
        lines: named(".jsonl") || named(".ndjson"),
        document: named(".json"),
        pointer: hint.rule.is_some_and(|rule| rule.records.is_some()),
    };
    if let Some(choice) = json(text, whole, &says) {
        return choice;
    }
    if frames::is_framed(head, whole) {
        return Choice::Format("syslog-frames");
    }
    // Containers write JSON, tables and pairs, too; the line around them is a log's.
    if look::nine_of_ten(text, whole, cri::is_line) {
        return Choice::Format("log");
    }
    if sql::is_dump(text, named(".sql")) {
        return Choice::Format(sql::NAME);
    }
    if named(".tsv") {
        return Choice::Format("tsv");
    }
    if named(".csv") {
        return Choice::Format("csv");
    }
    match csv::shape(text, whole) {
        Some(b'\t') => return Choice::Format("tsv"),
        Some(_) => return Choice::Format("csv"),
        None => {}
    }
    if look::nine_of_ten(text, whole, logfmt::is_logfmt) {
        return Choice::Format("logfmt");
    }
    Choice::Format(if format::is_log(head, whole, hint) { "log" } else { "text" })
}

/// Whether `head` is text: of its bytes besides NUL at most 2 % control characters that text does not have, and at most a
/// quarter NULs, those at its start (a log that was copied and truncated) not counted. High bytes are fine: Latin-1.
///
/// NULs alone are text only if they are the whole stream: what follows them is not known.
pub fn is_text(head: &[u8], whole: bool) -> bool {
    let text = body(head);
    let control = |b: &u8| *b < 0x20 && !matches!(b, 0 | 8..=13 | 0x1b);
    // Runs of NULs are holes that log rotation leaves; single ones are what UTF-16 and binary files have.
    let (all, nuls) = (memchr::memchr_iter(0, text).count(), binary::lone_nuls(text));
    let controls = text.iter().filter(|b| control(b)).count();
    (whole || !text.is_empty()) && nuls * 4 <= text.len() && controls * 50 <= text.len() - all
}

/// UTF-16 or UTF-32, by its byte order mark, or by the NULs that ASCII has in it.
pub fn wide(head: &[u8]) -> Option<&'static str> {
    match head {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => return Some(UTF_32),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Some(UTF_16),
        _ => {}
    }
    pattern(head).or_else(|| pattern(body(head)))
}

/// Whether `head` is UTF-16 that can be decoded: its order of bytes is clear, and what it decodes to is text.
pub fn is_sixteen(head: &[u8], whole: bool) -> bool {
    let Some(order) = utf16::order(head) else { return false };
    let (text, lone) = utf16::text(head, order);
    let units = head.len() / 2;
    // Bytes of another kind behind what looks like a mark: they hold halves of pairs, and no ASCII.
    let ascii = text.iter().filter(|b| b.is_ascii()).count();
    lone * 50 <= units + 200 && ascii * 100 >= units.saturating_sub(8) && is_text(&text, whole)
}

fn pattern(text: &[u8]) -> Option<&'static str> {
    let mut nuls = [0usize; 4];
    let quads = text.chunks_exact(4).take(4096);
    let count = quads.len();
    for quad in quads {
        for (nul, byte) in nuls.iter_mut().zip(quad) {
            *nul += usize::from(*byte == 0);
        }
    }
    let most = |n: usize| n * 10 >= count * 6;
    let few = |n: usize| n * 10 <= count;
    let [a, b, c, d] = nuls;
    if count == 0 {
        None
    } else if (few(a) && most(b) && most(c) && most(d)) || (most(a) && most(b) && most(c) && few(d)) {
        Some(UTF_32)
    } else if (few(a) && few(c) && most(b) && most(d)) || (most(a) && most(c) && few(b) && few(d)) {
        Some(UTF_16)
    } else {
        None
    }
}

/// What name and rule say of JSON.
struct Says {
    /// The name says JSON Lines.
    lines: bool,
    /// The name says a document.
    document: bool,
    /// The rule says where a document's records are: a single object is one.
    pointer: bool,
}

/// JSON Lines or a document, if it is either.
fn json(text: &[u8], whole: bool, says: &Says) -> Option<Choice> {
    let is_document = Some(Choice::Format("json"));
    let is_lines = Some(Choice::Format("jsonl"));
    if look::nine_of_ten(text, whole, is_object) {
        let first = look::first_line(text);
        let single = whole && text.trim_ascii().len() == first.trim_ascii().len();
        let one = says.document || says.pointer || holds_objects(first);
        return if single && !says.lines && one { is_document } else { is_lines };
    }
    let starts = text.trim_ascii_start().first().copied();
    if !whole && !text.contains(&b'\n') && matches!(starts, Some(b'{' | b'[')) && scan(text).bad != Some(Fault::Syntax)
    {
        // A line longer than the head: an object is taken for one of many, unless it shows that it holds the records.
        let object = starts == Some(b'{');
        let one_of_many = says.lines || !(says.document || says.pointer || holds_objects(text));
        return if object && one_of_many { is_lines } else { is_document };
    }
    if (says.document && !says.lines) || starts_document(text, whole) { is_document } else { None }
}

fn is_object(line: &[u8]) -> bool {
    // Deeper than the scanner goes: left to the format, which fails by name.
    line.trim_ascii_start().starts_with(b"{") && json::is_json(line).unwrap_or(true)
}

/// Whether an array of objects is in `text`, as far as it is JSON.
fn holds_objects(text: &[u8]) -> bool {
    let mut scanner = Scanner::new(text);
    loop {
        let before = scanner.inside();
        match scanner.step() {
            Ok(Some(Event::Open(Inside::Object))) if before == Some(Inside::Array) => return true,
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Syntax,
    End,
}

/// How far a text is JSON.
struct Scanned {
    bad: Option<Fault>,
    /// Tokens read.
    events: usize,
    /// Whether the outermost value is whole, and where it or what could be read of it ends.
    complete: bool,
    end: usize,
}

fn scan(text: &[u8]) -> Scanned {
    let mut scanner = Scanner::new(text);
    let mut events = 0;
    let bad = loop {
        match scanner.step() {
            Ok(Some(_)) => events += 1,
            Ok(None) => break None,
            Err(Bad::Syntax(_)) => break Some(Fault::Syntax),
            Err(Bad::End | Bad::Depth) => break Some(Fault::End),
        }
    };
    Scanned { bad, events, complete: scanner.complete(), end: scanner.offset().min(text.len()) }
}

/// Whether `text` is a JSON array or object, or starts as one that spans lines and does not go on as one.
fn starts_document(text: &[u8], whole: bool) -> bool {
    let text = text.trim_ascii_start();
    if !matches!(text.first(), Some(b'{' | b'[')) {
        return false;
    }
    let scanned = scan(text);
    match scanned.bad {
        None => true,
        Some(Fault::End) => !whole || scanned.events > 1,
        Some(Fault::Syntax) => {
            let read = text.get(..scanned.end).unwrap_or_default();
            // After a whole value the scanner has stepped over blanks to the byte that does not fit.
            let read = if scanned.complete { read.trim_ascii_end() } else { read };
            scanned.events > 1 && read.contains(&b'\n')
        }
    }
}
