//! What stays between the elements of an array of records when some of them go.
//!
//! Elements that go take what stands between them and the next one that stays; if none does, the comma before them goes
//! instead, and what follows the last of them stays. So whether the comma after an element that stays goes or stays is not
//! known before the next one that stays, or the array's end: such bytes wait here, in memory, until it is.

use crate::error::{Error, Result};
use crate::layer::Cx;
use crate::layer::ruling::Sheet;
use crate::limits::WINDOW;
use crate::span::Span;

/// The state between two elements of one array.
#[derive(Debug, Default)]
pub struct Commas {
    /// The comma after the last element that stays and the blanks behind it; empty if there is no such comma.
    before: Vec<u8>,
    /// Offset in the stream of that comma.
    comma: u64,
    /// From the first to the last of the elements that go, since the last one that stays.
    run: Option<Span>,
    /// Blanks since the last element that goes or the comma behind it.
    after: Vec<u8>,
}

impl Commas {
    /// A comma at `at`.
    pub fn comma(&mut self, at: u64) {
        if self.run.is_some() {
            self.after.clear();
        } else {
            self.comma = at;
            self.before.push(b',');
        }
    }

    /// Blanks between elements, and before the first.
    pub fn blank(&mut self, bytes: &[u8], sheet: &mut Sheet<'_>, cx: &mut Cx<'_>) -> Result<()> {
        let waiting = match self.run {
            Some(_) => &mut self.after,
            None if !self.before.is_empty() => &mut self.before,
            None => {
                return sheet.keep(bytes);
            }
        };
        let (len, most) = (waiting.len() + bytes.len(), cx.search.limits.max_record);
        if len as u64 > most {
            return Err(Error::limit(format!("--max-record ({most} bytes), blanks after an element")).layer("json"));
        }
        if len > 8 * WINDOW {
            cx.need(2 * len as u64)?;
        }
        waiting.extend_from_slice(bytes);
        Ok(())
    }

    /// An element of `len` bytes at `at` that goes.
    pub fn dropped(&mut self, at: u64, len: u64) {
        let start = self.run.map_or(at, |run| run.start);
        self.run = Some(Span::new(start, at + len));
        self.after.clear();
    }

    /// An element at `at` that stays: so does the comma before it.
    pub fn kept(&mut self, at: u64, sheet: &mut Sheet<'_>) -> Result<()> {
        sheet.keep(&self.before)?;
        if let Some(run) = self.run.take() {
            sheet.replace(Span::new(run.start, at), b"")?;
        }
        self.clear();
        Ok(())
    }

    /// The array's end.
    pub fn close(&mut self, sheet: &mut Sheet<'_>) -> Result<()> {
        if let Some(run) = self.run.take() {
            let start = if self.before.is_empty() { run.start } else { self.comma };
            sheet.replace(Span::new(start, run.end), b"")?;
            sheet.keep(&self.after)?;
        }
        self.clear();
        Ok(())
    }

    /// Long blanks are not held on to.
    fn clear(&mut self) {
        for waiting in [&mut self.before, &mut self.after] {
            waiting.clear();
            waiting.shrink_to(WINDOW);
        }
    }
}
