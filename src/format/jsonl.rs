//! JSON Lines: a line is a record, whatever it holds.
//!
//! Lines of Docker's json-file driver may hold fragments of a container's line (`format::docker`).
//! A line that is JSON has fields; one that is not is searched as text (SPEC "JSON Lines"). Lines end with LF; a CR before it
//! belongs to the line. Blank lines, a byte order mark and leading NULs are structure.

use super::docker::Docker;
use super::{Lines, json};
use crate::error::Result;
use crate::layer::{Hint, Records};
use crate::record::{Cursor, Field, Fragment, Step};

/// The format.
pub struct JsonLines;

impl Records for JsonLines {
    fn name(&self) -> &'static str {
        "jsonl"
    }

    fn open(&self, head: &[u8], _whole: bool, _hint: &Hint<'_>) -> Result<Box<dyn Cursor>> {
        Ok(Box::new(Texts(Lines::default(), Docker::of(head))))
    }
}

struct Texts(Lines, Docker);

impl Cursor for Texts {
    fn next(&mut self, window: &[u8], eof: bool) -> Result<Step> {
        Ok(self.0.next(window, eof))
    }

    fn fields<'r>(&self, record: &'r [u8], visit: &mut dyn FnMut(Field<'r>)) -> Result<()> {
        json::fields(record, &[], visit)
    }

    fn fragment(&self, record: &[u8]) -> Option<Fragment> {
        self.1.fragment(record)
    }

    fn may_hide(&self, record: &[u8]) -> bool {
        json::may_hold_bytes(record)
    }

    fn settled(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{cut, named, shown};
    use super::*;
    use crate::record::Part;

    #[test]
    fn a_line_a_record() {
        let text = b"\xef\xbb\xbf{\"a\":1}\r\n\r\n \t\nno json\n[1]\n{\"last\":\"\r\"";
        let cuts = cut(&JsonLines, text, &named("a.jsonl"), &[1]).unwrap();
        let want = [
            ('S', "\u{feff}"),
            ('D', "{\"a\":1}\r\n"),
            ('S', "\r\n"),
            ('S', " \t\n"),
            ('D', "no json\n"),
            ('D', "[1]\n"),
            ('D', "{\"last\":\"\r\""),
        ];
        assert_eq!(shown(&cuts, text), want.map(|(c, s)| (c, s.to_owned())));
    }

    #[test]
    fn fields_of_a_line() {
        let cursor = JsonLines.open(b"", true, &named("")).unwrap();
        let count = |line: &[u8]| {
            let mut n = 0;
            cursor.fields(line, &mut |_| n += 1).unwrap();
            n
        };
        assert_eq!(count(b"{\"a\":1,\"b\":[2,3]}\r\n"), 5);
        assert_eq!(count(b"{\"a\":1,\"b\":[2,3}\r\n"), 0);
        assert_eq!(count(b"\n"), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn windows_do_not_matter(text in prop::collection::vec(prop::sample::select(b"{}\"a1,:\n\r \x00\xef\xbb\xbf".to_vec()), 0..80),
                                 sizes in prop::collection::vec(1usize..9, 1..5)) {
            let cuts = cut(&JsonLines, &text, &named("x"), &sizes).unwrap();
            for (range, part) in cuts {
                if part == Part::Data {
                    prop_assert!(!text[range.start..range.end - 1].contains(&b'\n'));
                }
            }
        }
    }
}
