//! What the codecs share whose frames are read here: the coded bytes, the place in them, and the heads.
//!
//! A codec asks for a fixed part, looks at it where it stands, announces it and consumes it. What is cut off is told with the
//! offset at which the bytes end; what is wrong with the offset at which it stands. Nothing here knows a format.

use crate::error::{Error, Result};
use crate::input::{Input, Source};
use crate::layer::coded::points::Point;
use crate::layer::coded::{Head, Heads};

/// Bytes that one read of the source brings.
const READ: usize = 64 * 1024;
/// Longest stretch of bytes that is announced as one head.
#[cfg(any(feature = "bzip2", feature = "lz4", feature = "snappy"))]
const PIECE: u64 = 64 * 1024;

/// The coded bytes of one stream.
pub struct Feed<'a> {
    /// The bytes.
    pub input: Input<'a>,
    /// Plain bytes that were returned for them.
    pub plain: u64,
    heads: Heads,
    name: &'static str,
    /// The plain offset from which on the next point is offered.
    point: u64,
}

/// Least plain bytes between two points at which a lift may begin.
const POINTS: u64 = 64 * 1024;

impl<'a> Feed<'a> {
    /// The bytes of `source`, for the codec `name`.
    pub fn new(name: &'static str, source: Box<dyn Source + 'a>, heads: Heads) -> Self {
        Self { input: Input::new(source, READ), plain: 0, heads, name, point: 0 }
    }

    /// Offers the first unread byte as a place of this kind (`Point::state[0]`) at which a lift may begin.
    pub fn offer(&mut self, kind: u64) {
        self.offer_bits(self.input.offset() * 8, [kind, 0, 0, 0]);
    }

    /// As [`Self::offer`], for a place inside a byte; all of `plain` is before it.
    pub fn offer_bits(&mut self, coded: u64, state: [u64; 4]) {
        if self.plain >= self.point && self.heads.wants_points() {
            self.point = self.plain + POINTS;
            self.heads.offer(Point { coded, plain: self.plain, state }, &[]);
        }
    }

    /// Damage at the first unread byte.
    pub fn damaged(&self, what: &'static str) -> Error {
        self.damaged_at(0, what)
    }

    /// Damage `ahead` bytes behind the first unread one.
    pub fn damaged_at(&self, ahead: usize, what: &'static str) -> Error {
        Error::damaged(self.name, self.input.offset() + ahead as u64, what)
    }

    /// Damage where the bytes that are there end.
    pub fn cut(&self, what: &'static str) -> Error {
        self.damaged_at(self.input.unread().len(), what)
    }

    /// The next `n` bytes; fewer are damage of the kind `cut`.
    pub fn exact(&mut self, n: usize, cut: &'static str) -> Result<&[u8]> {
        if self.input.window(n)?.len() < n {
            return Err(self.cut(cut));
        }
        Ok(self.input.unread().get(..n).unwrap_or_default())
    }

    /// The next four bytes, little endian.
    #[cfg(any(feature = "xz", feature = "lz4", feature = "snappy"))]
    pub fn word(&mut self, cut: &'static str) -> Result<u32> {
        Ok(self.exact(4, cut)?.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes)))
    }

    /// Whether no byte is left.
    #[cfg(any(feature = "xz", feature = "lz4", feature = "snappy"))]
    pub fn is_end(&mut self) -> Result<bool> {
        Ok(self.input.window(1)?.is_empty())
    }

    /// Announces the next `n` bytes, which are in the window, as a head, and consumes them.
    pub fn announce(&mut self, n: usize, verbatim: bool, traits: [u64; 4]) -> Result<()> {
        let bytes = self.input.unread().get(..n).unwrap_or_default().to_vec();
        let at = self.input.offset();
        self.heads.push(Head { at, plain_at: self.plain, bytes, verbatim, names: Vec::new(), traits })?;
        self.input.consume(n);
        Ok(())
    }

    /// Announces the next `n` bytes as they are, in pieces, and passes over them.
    #[cfg(any(feature = "lz4", feature = "snappy"))]
    pub fn keep(&mut self, n: u64, cut: &'static str) -> Result<()> {
        let mut left = n;
        while left > 0 {
            let piece = left.min(PIECE);
            self.exact(piece as usize, cut)?;
            self.announce(piece as usize, true, [0; 4])?;
            left -= piece;
        }
        Ok(())
    }

    /// Announces NULs up to the end of the source, and passes over them; anything else is damage.
    #[cfg(feature = "bzip2")]
    pub fn padding(&mut self, what: &'static str) -> Result<()> {
        loop {
            let window = self.input.window(PIECE as usize)?;
            let n = window.len().min(PIECE as usize);
            if n == 0 {
                return Ok(());
            }
            if let Some(ahead) = window.iter().take(n).position(|b| *b != 0) {
                return Err(self.damaged_at(ahead, what));
            }
            self.announce(n, true, [0; 4])?;
        }
    }
}
