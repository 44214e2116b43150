//! The pace of a run: how fast it may read and write (`--bwlimit`).
//!
//! Stores and spools ask before each read or write of a file; layers know nothing of it. The trait has a version that lets
//! everything through; the one that waits is the engine's.

use std::fmt::Debug;

/// Holds back those who read and write; asked by all workers at the same time.
pub trait Pace: Debug + Send + Sync {
    /// Waits until its turn has come; returns how many of `most` bytes may be read or written now: at least 1, unless `most` is 0.
    /// Who wants more asks again: no wait is long, so that a lease that somebody waits for is let go soon.
    fn take(&self, most: usize) -> usize;

    /// Waits for all of `bytes`: for those who cannot know beforehand how many there will be, such as readers of a pipe.
    fn pay(&self, bytes: usize) {
        let mut rest = bytes;
        while rest > 0 {
            rest -= self.take(rest).clamp(1, rest);
        }
    }
}

/// Lets everything through.
#[derive(Debug, Clone, Copy, Default)]
pub struct Free;

impl Pace for Free {
    fn take(&self, most: usize) -> usize {
        most
    }
}
