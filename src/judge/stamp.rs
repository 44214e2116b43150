//! Time stamps at the start of log lines, and in fields.
//!
//! Forms (SPEC "Text log"): ISO 8601, `Mon DD HH:MM:SS`, `[…]` around one, epoch seconds or milliseconds.

use jiff::Timestamp;

/// Length of the time stamp that `line` starts with, if it does.
pub fn leading(line: &[u8]) -> Option<usize> {
    let _ = line;
    None
}

/// The time of a line by its stamp; `mtime` lends the year where the form has none.
pub fn of_line(line: &[u8], mtime: Option<Timestamp>) -> Option<Timestamp> {
    let _ = (line, mtime);
    None
}

/// The time that a whole field value says.
pub fn value(text: &[u8]) -> Option<Timestamp> {
    let _ = text;
    None
}
