//! Records: how a stream falls into them, and the fields that a record has.
//!
//! A record format is a [`Cursor`]: it cuts a window into records, and gives a record's fields when a candidate was found in
//! it. It never matches and never decides; `layer::RecordLayer` runs it. A record owns the separator after it.

use std::borrow::Cow;
use std::ops::Range;

use crate::error::Result;

/// What the window starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The next `len` bytes (separator included) are one record. `len` is never 0.
    Record {
        /// Bytes, separator included.
        len: usize,
        /// Whether it is somebody's data.
        kind: Part,
    },
    /// The window is too short to tell: at least one byte more is needed. Never returned at the end of the stream
    /// unless the window is empty.
    More,
}

/// What a record is to the judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A record: counted, matched, and dropped or edited as the policy says.
    Data,
    /// A header row, a byte order mark, a blank line between records: never dropped; a hit in it is redacted.
    Structure,
    /// A line of running text that is no record (SPEC "Other text"): counted, never dropped; a hit in it is edited in place.
    Prose,
}

/// The kind of place in which a value stands; decides how a replacement is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// Free text: a log line, the raw bytes of a row between its fields.
    Text,
    /// The inside of a JSON string, quotes excluded.
    JsonString,
    /// A JSON member's name, quotes excluded.
    JsonKey,
    /// A bare JSON number, `true` or `false`: cannot hold text, takes `null`.
    JsonBare,
    /// JSON `null`.
    JsonNull,
    /// The inside of a JSON array of numbers from 0 to 255, which stand for bytes (journald's MESSAGE that is no UTF-8). Its elements
    /// come as fields of their own, too.
    JsonBytes,
    /// A CSV cell without quotes.
    Cell,
    /// The inside of a quoted CSV cell, where `""` stands for `"`.
    QuotedCell,
    /// A bare value of a logfmt pair: no blanks.
    Pair,
    /// The inside of a quoted value of a logfmt pair, with JSON's escapes.
    QuotedPair,
    /// The name of a logfmt pair, or a name alone.
    PairName,
}

impl Place {
    /// Whether a field's name stands there, and not its value.
    pub fn is_name(self) -> bool {
        matches!(self, Place::JsonKey | Place::PairName)
    }
}

/// One scalar of a record, and the name under which it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<'r> {
    /// Member names or the column's name, from the outermost in (decoded); array indices do not appear. Empty for a bare
    /// scalar. A column `#3` has no name of its own.
    pub path: Vec<Cow<'r, [u8]>>,
    /// Where the scalar's text stands in the record: without its quotes.
    pub span: Range<usize>,
    /// The whole thing that goes if the field is removed: a JSON member with its name, or an array's element, and the comma after
    /// it if there is one; else the scalar with its quotes.
    pub whole: Range<usize>,
    /// The scalar's text, decoded (escapes resolved, `""` halved); a JSON number as written; the bytes that an array stands for.
    pub text: Cow<'r, [u8]>,
    /// The kind of place.
    pub place: Place,
}

/// What a record holds of a line that may be divided: Docker cuts lines at 16 KiB, the Kubernetes runtimes theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// Tells the streams apart that are mixed here (`stdout`, `stderr`): fragments of one line have the same.
    pub stream: u64,
    /// Whether the line goes on in the stream's next record.
    pub more: More,
    /// Where the line's text stands in the record.
    pub span: Range<usize>,
    /// Whether it stands there as a JSON string; else as it is.
    pub json: bool,
}

/// Whether a line goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum More {
    /// It ends here.
    No,
    /// It does not say that it ends: what a stream ends with, or the first of two fragments that are near.
    Maybe,
    /// It goes on.
    Yes,
}

/// A stream's records one after another, with the state that CSV headers and multi-line records need.
///
/// Pure: the same bytes give the same records, however they come in windows.
pub trait Cursor: Send {
    /// What `window` starts with. `eof`: nothing follows the window. Called with the unread bytes each time; after
    /// `Record { len, .. }` the next call's window starts `len` bytes later. After [`Step::More`] the next window is longer.
    /// Errors: [`crate::error::Kind::Limit`] for continuation bounds, `Damaged` for what the format forbids. The bound on a record's
    /// bytes is the caller's.
    fn next(&mut self, window: &[u8], eof: bool) -> Result<Step>;

    /// Calls `visit` for each field of `record` (as cut by `next`, separator included), in order of place, keys included as
    /// [`Place::JsonKey`] or [`Place::PairName`] with their own parent path. Text has no fields. A record that does not parse (a line
    /// of JSON Lines that is not JSON) has none either: it is searched as text.
    fn fields<'r>(&self, record: &'r [u8], visit: &mut dyn FnMut(Field<'r>)) -> Result<()>;

    /// The table that the current record belongs to (SQL), if any.
    fn table(&self) -> Option<&str> {
        None
    }

    /// Makes right what `record` says of its own bytes (a length) once `edits` are applied to it: sorted, disjoint ranges of the
    /// record and what comes there. Edits of such places themselves are taken back.
    fn mend(&self, record: &[u8], edits: &mut Vec<(Range<usize>, Vec<u8>)>) {
        let _ = (record, edits);
    }

    /// What `record` holds of a line that a program had to divide into records, if it is one that may.
    fn fragment(&self, record: &[u8]) -> Option<Fragment> {
        let _ = record;
        None
    }

    /// Whether `record` may have a field of [`Place::JsonBytes`], whose text no search of the record's own bytes finds. Quick; false
    /// alarms cost time.
    fn may_hide(&self, record: &[u8]) -> bool {
        let _ = record;
        false
    }

    /// Whether what this says of a record depends on nothing that is cut later: then records may be judged while the next are cut.
    fn settled(&self) -> bool {
        false
    }

    /// Whether records may follow each other without a separator, so that what stands beside a value may be another record's.
    fn abuts(&self) -> bool {
        false
    }

    /// Whether a value may hold any bytes, so that binary ones are no sign of something else in the stream.
    fn holds_bytes(&self) -> bool {
        false
    }

    /// Whether a cell may hold its text with doubled quotes, so that it must be searched decoded as well.
    fn doubles_quotes(&self) -> bool {
        false
    }
}
