//! What stays of an `INSERT` when some of its tuples go.
//!
//! A tuple that goes takes the comma after it; if none that stays follows, the comma before it goes instead. An `INSERT` that loses all
//! of them goes whole. Whether the head stays is known at the first tuple that stays, and a comma's fate at the next: such bytes wait here.

use crate::error::Result;
use crate::layer::ruling::Sheet;
use crate::span::Span;

/// The state of one `INSERT`.
#[derive(Debug, Default)]
pub struct Tuples {
    /// The statement up to its first tuple, as long as none stays; it starts at `start`.
    head: Vec<u8>,
    start: u64,
    /// The comma behind the last tuple that stays; it starts at `comma_at`.
    comma: Vec<u8>,
    comma_at: u64,
    /// From the first to the last of the tuples that go, since the last one that stays.
    run: Option<Span>,
}

impl Tuples {
    /// The statement's head, at `at`.
    pub fn head(&mut self, at: u64, bytes: &[u8]) {
        self.head.clear();
        self.head.extend_from_slice(bytes);
        self.comma.clear();
        (self.start, self.run) = (at, None);
    }

    /// A comma.
    pub fn comma(&mut self, at: u64, bytes: &[u8]) {
        if self.run.is_none() {
            self.comma.extend_from_slice(bytes);
            self.comma_at = at;
        }
    }

    /// Whether all before this place stays: nothing waits.
    pub fn are_kept(&self) -> bool {
        self.head.is_empty() && self.comma.is_empty() && self.run.is_none()
    }

    /// A tuple that goes.
    pub fn dropped(&mut self, at: u64, len: u64) {
        let start = self.run.map_or(at, |run| run.start);
        self.run = Some(Span::new(start, at + len));
    }

    /// A tuple that stays: so do the head and the comma before it.
    pub fn kept(&mut self, at: u64, sheet: &mut Sheet<'_>) -> Result<()> {
        sheet.keep(&self.head)?;
        sheet.keep(&self.comma)?;
        self.head.clear();
        self.comma.clear();
        match self.run.take() {
            Some(run) => sheet.replace(Span::new(run.start, at), b""),
            None => Ok(()),
        }
    }

    /// The rest of the statement.
    pub fn tail(&mut self, at: u64, bytes: &[u8], sheet: &mut Sheet<'_>) -> Result<()> {
        let run = self.run.take();
        if let (Some(_), false) = (run, self.head.is_empty()) {
            self.head.clear();
            return sheet.replace(Span::new(self.start, at + bytes.len() as u64), b"");
        }
        if let Some(run) = run {
            let start = if self.comma.is_empty() { run.start } else { self.comma_at };
            sheet.replace(Span::new(start, run.end), b"")?;
        }
        self.comma.clear();
        sheet.keep(bytes)
    }
}
