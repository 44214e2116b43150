//! Half-open byte ranges of one stream.
//!
//! Every offset in the project belongs to exactly one stream: the artifact's own bytes, the decoded bytes of a codec, or
//! the payload of a member. A [`Span`] says nothing about any other layer's offsets; only `Layer::lift` translates.

/// Half-open byte range `[start, end)` in ONE stream. Units: bytes from that stream's first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// First byte of the range.
    pub start: u64,
    /// One past the last byte; never below `start`.
    pub end: u64,
}

impl Span {
    /// The range `[start, end)`; an `end` below `start` is taken as empty at `start`.
    pub fn new(start: u64, end: u64) -> Self {
        Self { start, end: end.max(start) }
    }

    /// Number of bytes covered.
    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Whether no byte is covered.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }
}
