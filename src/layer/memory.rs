//! Memory of a run: shares, the large slot, and loans for helpers.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::error::{Error, Kind, Result};

/// The run's memory: an even share for each worker, and one slot for what needs more (ARCHITECTURE.md "Memory").
#[derive(Debug)]
pub struct LargeSlot {
    total: u64,
    share: u64,
    /// Loans that are out.
    loans: AtomicUsize,
    taken: Mutex<bool>,
    free: Condvar,
}

impl LargeSlot {
    /// `total` bytes for `jobs` workers; half of it is theirs in even shares, the other half is the slot.
    pub fn new(total: u64, jobs: usize) -> Self {
        Self {
            total,
            share: total / 2 / jobs.max(1) as u64,
            loans: AtomicUsize::new(0),
            taken: Mutex::new(false),
            free: Condvar::new(),
        }
    }

    /// Waits for the slot; a signal ends the waiting.
    fn enter(&self, stop: &AtomicBool) -> Result<()> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::new(Kind::Interrupted, "interrupted"));
            }
            let waited = self.free.wait_timeout(taken, std::time::Duration::from_millis(100));
            taken = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *taken = true;
        Ok(())
    }

    fn leave(&self) {
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.free.notify_one();
    }
}

/// Loans at one time: artifacts that are decoded ahead.
const LOANS: usize = 2;

/// Memory for the helpers of one piece of work, until it is dropped.
pub struct Loan<'s>(&'s LargeSlot);

impl Loan<'_> {
    /// How much it is, bytes.
    pub fn bytes(&self) -> u64 {
        self.0.total / 4 / LOANS as u64
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        self.0.loans.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The memory of one artifact's worker; clones speak for the same artifact.
#[derive(Debug, Clone)]
pub struct Memory<'s> {
    slot: &'s LargeSlot,
    stop: &'s AtomicBool,
    /// Whether this artifact holds the large slot.
    large: Arc<AtomicBool>,
}

impl<'s> Memory<'s> {
    /// Of an artifact's worker; `stop` ends its waiting.
    pub fn new(slot: &'s LargeSlot, stop: &'s AtomicBool) -> Self {
        Self { slot, stop, large: Arc::default() }
    }

    /// Gives the large slot back, if this artifact holds it.
    pub fn leave(&self) {
        if self.large.swap(false, Ordering::Relaxed) {
            self.slot.leave();
        }
    }

    /// Memory for helpers, while there is some: one of `LOANS`, which together are a quarter of the run's.
    pub fn lend(&self) -> Option<Loan<'s>> {
        let more = |out: usize| (out < LOANS).then_some(out + 1);
        self.slot.loans.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Loan(self.slot))
    }

    /// The worker's share, bytes.
    pub fn share(&self) -> u64 {
        self.slot.share
    }

    /// As [`super::Cx::need`].
    pub fn need(&self, bytes: u64) -> Result<()> {
        let large = self.large.load(Ordering::Relaxed);
        if bytes <= self.slot.share || large && bytes <= self.slot.total {
            return Ok(());
        }
        if bytes > self.slot.total {
            return Err(Error::limit(format!(
                "--max-memory ({} bytes); {bytes} bytes are needed at once",
                self.slot.total
            )));
        }
        self.slot.enter(self.stop)?;
        self.large.store(true, Ordering::Relaxed);
        Ok(())
    }
}
