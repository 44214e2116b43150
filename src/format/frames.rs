//! Syslog in octet-counted frames (RFC 6587 §3.4.1): a frame is a record, whatever its message holds.
//!
//! `83 <34>1 2003-10-11T22:14:15.003Z …`: the length of the message in bytes, a blank, the message, which may hold line feeds. A
//! line end behind a frame, which some senders write and do not count, belongs to it. Both framings may stand in one stream
//! (§3.4): what starts with `<` instead of a length runs to its line feed. Where a message changes, its length is written anew.
//! What is neither, or ends early, is damaged. Frames have no fields.

use std::ops::Range;

use super::{Preamble, body};
use crate::error::{Error, Result};
use crate::judge::stamp;
use crate::layer::{Hint, Records};
use crate::record::{Cursor, Field, Part, Step};

/// The format's name.
const NAME: &str = "syslog-frames";
/// Digits of a length: less than a gigabyte. `--max-record` bounds the frame.
const DIGITS: usize = 9;
/// Frames that are looked at to tell the format.
const LOOK: usize = 16;

/// The format.
pub struct Frames;

impl Records for Frames {
    fn name(&self) -> &'static str {
        NAME
    }

    fn open(&self, _head: &[u8], _whole: bool, _hint: &Hint<'_>) -> Result<Box<dyn Cursor>> {
        Ok(Box::new(Counted::default()))
    }
}

/// Whether the text that starts with `head` is framed: it starts with a frame of syslog, and so does what follows it. Messages that
/// are not counted may come first.
pub(crate) fn is_framed(head: &[u8], whole: bool) -> bool {
    let mut rest = body(head);
    let bare = stamp::is_prioritised(rest);
    while stamp::is_prioritised(rest) {
        let Some(feed) = memchr::memchr(b'\n', rest) else { return false };
        rest = rest.get(feed + 1..).unwrap_or_default();
    }
    for i in 0..LOOK {
        let Some(message) = message(rest) else {
            // Two frames are no accident: what follows them is damage, or a message that is not counted.
            return i > 1 || i > 0 && (rest.is_empty() || stamp::is_prioritised(rest));
        };
        let start = rest.get(message.start..).unwrap_or_default();
        // Cut off by the head's end: what came before it decides.
        if start.len() < 5 && !whole {
            return !bare || i > 0;
        }
        if !stamp::is_prioritised(start) {
            return i > 1;
        }
        let Some(after) = rest.get(message.end..) else { return !whole || i > 0 };
        rest = after.strip_prefix(b"\r\n").or_else(|| after.strip_prefix(b"\n")).unwrap_or(after);
        if rest.is_empty() || rest.len() <= DIGITS && !whole {
            return true;
        }
    }
    true
}

/// Where the message of the frame at the start of `text` stands, as its length says; `None` if no length and blank stand there.
fn message(text: &[u8]) -> Option<Range<usize>> {
    let digits = text.iter().take(DIGITS + 1).take_while(|b| b.is_ascii_digit()).count();
    let fits = (1..=DIGITS).contains(&digits) && text.first() != Some(&b'0') && text.get(digits) == Some(&b' ');
    let number = text.get(..digits).filter(|_| fits)?;
    let len = number.iter().fold(0, |sum, b| sum * 10 + usize::from(b - b'0'));
    Some(digits + 1..digits + 1 + len)
}

#[derive(Default)]
struct Counted {
    preamble: Preamble,
    /// Offset in the stream of the window's first byte, for errors.
    at: u64,
    /// Bytes of the window in which there is no line feed.
    searched: usize,
}

impl Counted {
    fn damaged(&self, what: &'static str) -> Error {
        Error::damaged(NAME, self.at, what)
    }

    fn record(&mut self, len: usize, kind: Part) -> Step {
        self.at += len as u64;
        self.searched = 0;
        Step::Record { len, kind }
    }

    /// A message that is not counted and ends with its line.
    fn line(&mut self, window: &[u8], eof: bool) -> Step {
        match memchr::memchr(b'\n', window.get(self.searched..).unwrap_or_default()) {
            Some(feed) => self.record(self.searched + feed + 1, Part::Data),
            None if eof => self.record(window.len(), Part::Data),
            None => {
                self.searched = window.len();
                Step::More
            }
        }
    }
}

impl Cursor for Counted {
    fn next(&mut self, window: &[u8], eof: bool) -> Result<Step> {
        if let Some(step) = self.preamble.step(window, eof) {
            if let Step::Record { len, .. } = step {
                self.at += len as u64;
            }
            return Ok(step);
        }
        match window {
            [] => return Ok(Step::More),
            [b'<', ..] => return Ok(self.line(window, eof)),
            [b'\n', ..] => return Ok(self.record(1, Part::Structure)),
            [b'\r', b'\n', ..] => return Ok(self.record(2, Part::Structure)),
            _ => {}
        }
        let Some(message) = message(window) else {
            let begun = window == b"\r"
                || window.len() <= DIGITS && window.first() != Some(&b'0') && window.iter().all(u8::is_ascii_digit);
            return if begun && !eof { Ok(Step::More) } else { Err(self.damaged("a frame's length is invalid")) };
        };
        let Some(after) = window.get(message.end..) else {
            return if eof { Err(self.damaged("a frame is cut off")) } else { Ok(Step::More) };
        };
        let len = match after {
            [b'\r', b'\n', ..] => message.end + 2,
            [b'\n', ..] => message.end + 1,
            [] | [b'\r'] if !eof => return Ok(Step::More),
            _ => message.end,
        };
        Ok(self.record(len, Part::Data))
    }

    fn fields<'r>(&self, _record: &'r [u8], _visit: &mut dyn FnMut(Field<'r>)) -> Result<()> {
        Ok(())
    }

    fn abuts(&self) -> bool {
        true
    }

    /// Writes the length anew; no edit takes a byte of it, or of the line end.
    fn mend(&self, record: &[u8], edits: &mut Vec<(Range<usize>, Vec<u8>)>) {
        let Some(message) = message(record).filter(|_| record.first() != Some(&b'<')) else { return };
        for (range, _) in edits.iter_mut() {
            *range = range.start.clamp(message.start, message.end)..range.end.clamp(message.start, message.end);
        }
        edits.retain(|(range, _)| !range.is_empty());
        let (gone, come) = edits.iter().fold((0, 0), |(gone, come), (r, new)| (gone + r.len(), come + new.len()));
        let len = message.len() - gone + come;
        if len != message.len() {
            edits.insert(0, (0..message.start - 1, len.to_string().into_bytes()));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{cut, named, shown};
    use super::*;

    #[test]
    fn a_frame_a_record() {
        let text = b"9 <34>1 a\nb10 <34>1 long\r\n7 <1>1 x\n\n\n<13>bare\n5 <2>cc";
        let want = [
            ('D', "9 <34>1 a\nb"),
            ('D', "10 <34>1 long\r\n"),
            ('D', "7 <1>1 x\n\n"),
            ('S', "\n"),
            ('D', "<13>bare\n"),
            ('D', "5 <2>cc"),
        ];
        let cuts = cut(&Frames, text, &named("x"), &[1]).unwrap();
        assert_eq!(shown(&cuts, text), want.map(|(c, s)| (c, s.to_owned())));
    }

    #[test]
    fn what_is_no_frame_is_damaged() {
        for text in
            ["10 <34>1 a", "0 <34>1", "07 <34>1 x", "x", "5<34>1", "1234567890 <1>", "6 <1>1 xy", "5 <34>1\r", "12"]
        {
            let error = cut(&Frames, text.as_bytes(), &named("x"), &[1]).unwrap_err();
            assert_eq!(error.kind(), crate::error::Kind::Damaged, "{text}");
        }
    }

    #[test]
    fn detection() {
        let one = b"21 <34>Oct 11 22:14:15 h";
        assert!(is_framed(b"21 <34>Oct 11 22:14:15 h21 <34>Oct 11 22:14:15 h", true));
        assert!(is_framed(b"21 <34>Oct 11 22:14:15 h\n21 <34>Oct 11 22:14:15 h\n", true));
        assert!(is_framed(one, true) && is_framed(&one[..20], false));
        assert!(is_framed(b"<34>Oct 11 22:14:15 h\n<1>1 x\n21 <34>Oct 11 22:14:15 h7 <1>1 x\n", true));
        assert!(!is_framed(b"<34>Oct 11 22:14:15 h\n12 a", false), "a line that goes on");
        for text in [
            "<34>Oct 11 22:14:15 h\n<34>Oct 11 22:14:15 h\n",
            "<34>Oct 11 22:14:15 h\n20 bottles of beer on the wall\n",
            "21 <34>Oct 11 22:14:15 h x",
            "20 <34>Oct 11 22:14:15 h",
            "20 bottles of beer on the wall",
            "<34>Oct 11 22:14:15 h",
            "",
            "20",
        ] {
            assert!(!is_framed(text.as_bytes(), true), "{text}");
        }
    }

    fn edited(record: &[u8], mut edits: Vec<(Range<usize>, Vec<u8>)>) -> Vec<u8> {
        Counted::default().mend(record, &mut edits);
        let (mut out, mut at) = (Vec::new(), 0);
        for (range, new) in edits {
            out.extend_from_slice(&record[at..range.start]);
            out.extend_from_slice(&new);
            at = range.end;
        }
        out.extend_from_slice(&record[at..]);
        out
    }

    #[test]
    fn lengths_are_made_anew() {
        assert_eq!(edited(b"9 <34>1 a b\n", vec![(8..9, b"ERASED".to_vec())]), b"14 <34>1 ERASED b\n");
        assert_eq!(edited(b"9 <34>1 a b\n", vec![(8..9, b"*".to_vec())]), b"9 <34>1 * b\n");
        assert_eq!(edited(b"<34>1 a b\n", vec![(6..7, b"ERASED".to_vec())]), b"<34>1 ERASED b\n");
        // No edit takes a length or what is behind the message.
        assert_eq!(edited(b"9 <34>1 a b\n", vec![(0..12, b"".to_vec())]), b"0 \n");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn windows_do_not_matter(texts in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..30), 0usize..4), 0..8),
                                 noise in prop::collection::vec(prop::sample::select(b"<>1 90\n\rx".to_vec()), 0..12),
                                 sizes in prop::collection::vec(1usize..9, 1..5)) {
            let mut stream = Vec::new();
            for (text, end) in &texts {
                stream.extend_from_slice(format!("{} ", text.len()).as_bytes());
                stream.extend_from_slice(text);
                stream.extend_from_slice([&b""[..], b"\n", b"\r\n", b""][*end]);
            }
            let cuts = cut(&Frames, &stream, &named("x"), &sizes).unwrap();
            prop_assert!(cuts.iter().filter(|(_, part)| *part == Part::Data).count() == texts.len());
            stream.extend_from_slice(&noise);
            let _any_answer = cut(&Frames, &stream, &named("x"), &sizes);
        }

        #[test]
        fn what_is_mended_is_one_frame(text in prop::collection::vec(any::<u8>(), 1..40),
                                       seeds in prop::collection::vec((0usize..20, 0usize..20, prop::collection::vec(any::<u8>(), 0..12)), 0..4)) {
            let record = [format!("{} ", text.len()).as_bytes(), &text].concat();
            let (mut at, mut edits) = (0, Vec::new());
            for (gap, len, new) in seeds {
                let start = (at + gap).min(record.len());
                let end = (start + len).min(record.len());
                edits.push((start..end, new));
                at = end;
            }
            let new = edited(&record, edits);
            let message = message(&new);
            prop_assert!(message.is_none_or(|m| m.end == new.len()) || new.starts_with(b"0 "));
        }
    }
}
