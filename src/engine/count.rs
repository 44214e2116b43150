//! Bytes of a run, counted on their way.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::progress::Progress;

/// Bytes of a run's artifacts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bytes {
    /// Of artifacts as they lie there, each time that they were searched (twice with `--two-pass`).
    pub read: u64,
    /// Kept as they were, in what was committed.
    pub kept: u64,
    /// Written anew, in what was committed.
    pub encoded: u64,
}

/// Passes progress on and counts the bytes.
pub struct Counted<'c> {
    inner: &'c dyn Progress,
    read: AtomicU64,
}

impl<'c> Counted<'c> {
    /// Tells `inner`, too.
    pub fn new(inner: &'c dyn Progress) -> Self {
        Self { inner, read: AtomicU64::new(0) }
    }

    /// So far.
    pub fn bytes(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

impl Progress for Counted<'_> {
    fn read(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
        self.inner.read(bytes);
    }
    fn done(&self) {
        self.inner.done();
    }
    fn expect(&self, artifacts: u64, bytes: u64) {
        self.inner.expect(artifacts, bytes);
    }
}
