//! Record formats: how a stream falls into records.
//!
//! One file or folder a format, and [`TABLE`], from which detection, `--format` help and the README's table are made. A format is a
//! [`Records`]: it opens a [`crate::record::Cursor`] on a stream's head, and `layer::records::RecordLayer` runs that; where records
//! do not own their separators it is a [`Layer`] itself. What is
//! common to all of them stands here: the byte order mark and the run of NUL bytes that log rotation by copy and truncate
//! leaves at the start of a file. Formats do not search, decide or write.

pub(crate) mod cri;
pub mod csv;
pub(crate) mod docker;
pub mod document;
pub mod frames;
pub mod journal;
pub mod json;
pub mod jsonl;
pub mod logfmt;
pub(crate) mod look;
pub mod sql;
pub mod text;

pub use look::is_log;

use crate::layer::records::RecordLayer;
use crate::layer::{Layer, Records};
use crate::record::{Part, Step};

/// A record format, for detection and for help.
#[derive(Clone, Copy)]
pub struct Format {
    /// The format as a layer.
    pub layer: &'static dyn Layer,
    /// The format as one of records, if its records own their separators.
    pub records: Option<&'static dyn Records>,
    /// Extensions that its files have, for help; what counts is the content.
    pub extensions: &'static [&'static str],
    /// One line that describes it.
    pub what: &'static str,
}

impl Format {
    const fn of(layer: &'static RecordLayer, extensions: &'static [&'static str], what: &'static str) -> Self {
        Self { layer, records: Some(layer.0), extensions, what }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.layer.name()
    }
}

static LOG: RecordLayer = RecordLayer(&text::Log);
static TEXT: RecordLayer = RecordLayer(&text::Text);
static JSONL: RecordLayer = RecordLayer(&jsonl::JsonLines);
static CSV: RecordLayer = RecordLayer(&csv::Csv);
static TSV: RecordLayer = RecordLayer(&csv::Tsv);
static FRAMES: RecordLayer = RecordLayer(&frames::Frames);
static JOURNAL: RecordLayer = RecordLayer(&journal::Journal);
static LOGFMT: RecordLayer = RecordLayer(&logfmt::Logfmt);

/// Every record format that is read.
pub static TABLE: &[Format] = &[
    Format::of(&LOG, &[".log"], "text log; a record is a line with the lines that continue it"),
    Format::of(&TEXT, &[".txt"], "other text; no records, a hit is edited in place"),
    Format::of(&JSONL, &[".jsonl", ".ndjson"], "JSON Lines; a record is a line"),
    Format {
        layer: &document::DOCUMENT,
        records: None,
        extensions: &[".json"],
        what: "JSON document; a record is an element of an outermost array of objects",
    },
    Format::of(&CSV, &[".csv"], "rows with comma, semicolon or tab; a record is a row"),
    Format::of(&TSV, &[".tsv"], "rows with tabs; a record is a row"),
    Format::of(&LOGFMT, &[], "`key=value` pairs; a record is a line"),
    Format {
        layer: &sql::SQL,
        records: None,
        extensions: &[".sql"],
        what: "SQL dumps of pg_dump, mysqldump, mariadb-dump and SQLite; a record is a row",
    },
    Format {
        layer: &sql::ROWS,
        records: None,
        extensions: &[],
        what: "`TABLE.txt` of `mysqldump --tab`, with `TABLE.sql` beside it; a record is a row",
    },
    Format::of(&FRAMES, &[], "syslog in octet-counted frames (RFC 6587); a record is a frame"),
    Format::of(&JOURNAL, &[], "export format of systemd's journal; a record is an entry"),
];

/// UTF-8's byte order mark.
pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";
/// Bytes of NUL that are cut as one piece, so that a long run needs no long window.
const NULS: usize = 64 * 1024;

/// `head` without the byte order mark or run of NULs at its start.
pub(crate) fn body(head: &[u8]) -> &[u8] {
    let head = head.strip_prefix(BOM).unwrap_or(head);
    let nuls = head.iter().take_while(|b| **b == 0).count();
    head.get(nuls..).unwrap_or_default()
}

/// Cuts what stands before a stream's first record: a byte order mark, then a run of NULs in pieces of [`NULS`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Preamble {
    #[default]
    Mark,
    Nuls,
    Over,
}

impl Preamble {
    /// The next piece of it; `None` when it is over.
    pub(crate) fn step(&mut self, window: &[u8], eof: bool) -> Option<Step> {
        if let Preamble::Mark = self {
            if window.starts_with(BOM) {
                *self = Preamble::Nuls;
                return Some(Step::Record { len: BOM.len(), kind: Part::Structure });
            }
            if BOM.starts_with(window) && !eof {
                return Some(Step::More);
            }
            *self = Preamble::Nuls;
        }
        if let Preamble::Nuls = self {
            let nuls = window.iter().take(NULS).take_while(|b| **b == 0).count();
            if nuls == window.len() && nuls < NULS && !eof {
                return Some(Step::More);
            }
            if nuls > 0 {
                return Some(Step::Record { len: nuls, kind: Part::Structure });
            }
            *self = Preamble::Over;
        }
        None
    }
}

/// Cuts lines, each a record; blank ones are structure.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    preamble: Preamble,
    /// Bytes of the window in which there is no line feed.
    searched: usize,
}

impl Lines {
    /// As [`crate::record::Cursor::next`].
    pub(crate) fn next(&mut self, window: &[u8], eof: bool) -> Step {
        if let Some(step) = self.preamble.step(window, eof) {
            return step;
        }
        let len = match memchr::memchr(b'\n', window.get(self.searched..).unwrap_or_default()) {
            Some(at) => self.searched + at + 1,
            None if eof && !window.is_empty() => window.len(),
            None => {
                self.searched = window.len();
                return Step::More;
            }
        };
        self.searched = 0;
        let line = content(window.get(..len).unwrap_or_default());
        let kind = if line.trim_ascii().is_empty() { Part::Structure } else { Part::Data };
        Step::Record { len, kind }
    }
}

/// The lines of `text`, each with its LF; the last one without, if it has none.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|b| *b == b'\n')
}

/// The lines of a head that are whole: all of them if the head is the stream.
pub(crate) fn whole_lines(head: &[u8], whole: bool) -> impl Iterator<Item = &[u8]> {
    let end = if whole { head.len() } else { memchr::memrchr(b'\n', head).map_or(0, |at| at + 1) };
    lines(head.get(..end).unwrap_or_default())
}

/// A line without its line end.
pub(crate) fn content(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::ops::Range;

    use super::*;
    use crate::error::Result;
    use crate::layer::Hint;
    use crate::record::Cursor;

    /// A hint that knows the name only.
    pub(crate) fn named(name: &str) -> Hint<'_> {
        Hint { name: name.as_bytes(), rule: None, format: None, codec: None }
    }

    /// Cuts all of `bytes` with windows that grow by `sizes`, over and over; checks what every cursor promises.
    pub(crate) fn cut_all(cursor: &mut dyn Cursor, bytes: &[u8], sizes: &[usize]) -> Result<Vec<(Range<usize>, Part)>> {
        let mut sizes = sizes.iter().copied().cycle();
        let (mut start, mut end, mut out) = (0, 0, Vec::new());
        loop {
            let eof = end == bytes.len();
            if start == end && eof {
                return Ok(out);
            }
            match cursor.next(&bytes[start..end], eof)? {
                Step::Record { len, kind } => {
                    assert!(len > 0 && start + len <= end, "a record of {len} bytes in a window of {}", end - start);
                    out.push((start..start + len, kind));
                    start += len;
                }
                Step::More => {
                    assert!(!eof, "more at the end");
                    end = (end + sizes.next().unwrap().max(1)).min(bytes.len());
                }
            }
        }
    }

    /// Opens `records` on `bytes` and cuts them at once, and once more in windows of `sizes`, which must be the same.
    pub(crate) fn cut(
        records: &dyn Records,
        bytes: &[u8],
        hint: &Hint<'_>,
        sizes: &[usize],
    ) -> Result<Vec<(Range<usize>, Part)>> {
        let whole = bytes.len() < crate::limits::SNIFF;
        let head = &bytes[..bytes.len().min(crate::limits::SNIFF)];
        let once = cut_all(&mut *records.open(head, whole, hint)?, bytes, &[usize::MAX >> 1]);
        let again = cut_all(&mut *records.open(head, whole, hint)?, bytes, sizes);
        match (&once, &again) {
            (Ok(a), Ok(b)) => {
                assert_eq!(a, b);
                assert_eq!(a.iter().map(|(r, _)| r.len()).sum::<usize>(), bytes.len());
            }
            (Err(a), Err(b)) => assert_eq!(a.to_string(), b.to_string()),
            _ => panic!("windows matter: {once:?} {again:?}"),
        }
        once
    }

    /// The records as text with their part's first letter.
    pub(crate) fn shown(cuts: &[(Range<usize>, Part)], bytes: &[u8]) -> Vec<(char, String)> {
        let letter = |part: &Part| format!("{part:?}").chars().next().unwrap();
        cuts.iter().map(|(r, part)| (letter(part), String::from_utf8_lossy(&bytes[r.clone()]).into_owned())).collect()
    }

    #[test]
    fn preambles() {
        for records in TABLE.iter().filter_map(|format| format.records) {
            let name = records.name();
            // What is no frame and no field is damaged there.
            if matches!(name, "syslog-frames" | "journal") {
                continue;
            }
            let cuts = cut(records, b"\xef\xbb\xbfa,b,c\n1,2,3\n", &named("x"), &[1]).unwrap();
            assert_eq!((cuts[0].clone(), cuts.len()), ((0..3, Part::Structure), 3), "{name}");
            let long = [vec![0; NULS + 5], b"x\n".to_vec()].concat();
            let cuts = cut(records, &long, &named("x"), &[4099]).unwrap();
            let want = [0..NULS, NULS..NULS + 5, NULS + 5..NULS + 7];
            assert_eq!(cuts.iter().map(|(r, _)| r.clone()).collect::<Vec<_>>(), want, "{name}");
            assert!(cut(records, b"", &named("x"), &[1]).unwrap().is_empty());
            assert_eq!(cut(records, b"\xef\xbb", &named("x"), &[1]).unwrap().len(), 1, "{name}");
        }
    }
}
