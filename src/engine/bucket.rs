//! `--bwlimit`: a bucket of bytes that all workers draw from.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::{BW_BURST, BW_MIN};
use crate::pace::{Free, Pace};

/// Lets through so many bytes a second over all who ask, in the order in which they come. What was not used in the last
/// [`BW_BURST`] may be caught up with; nothing older.
#[derive(Debug)]
pub struct Bucket {
    /// Bytes a second.
    rate: u64,
    /// When the bytes that were let through so far are paid for.
    paid: Mutex<Instant>,
    /// Set by a signal: nobody waits any more.
    interrupted: Arc<AtomicBool>,
}

impl Bucket {
    /// `rate` bytes a second, at least [`BW_MIN`].
    pub fn new(rate: u64, interrupted: Arc<AtomicBool>) -> Self {
        Self { rate: rate.max(BW_MIN), paid: Mutex::new(Instant::now()), interrupted }
    }

    /// Bytes of one turn: what goes through in a burst.
    fn turn(&self) -> usize {
        let bytes = u128::from(self.rate) * BW_BURST.as_millis() / 1000;
        usize::try_from(bytes).unwrap_or(usize::MAX).max(1)
    }

    /// Books `bytes` at `now`; returns how long to wait before they may go.
    fn book(&self, bytes: usize, now: Instant) -> Duration {
        let cost = Duration::from_secs_f64(bytes as f64 / self.rate as f64);
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        let from = now.checked_sub(BW_BURST).map_or(*paid, |earliest| earliest.max(*paid));
        *paid = from + cost;
        paid.saturating_duration_since(now)
    }
}

/// The pace of a run: `rate` bytes a second, or none.
pub fn pace(rate: Option<u64>, interrupted: &Arc<AtomicBool>) -> Arc<dyn Pace> {
    match rate {
        Some(rate) => Arc::new(Bucket::new(rate, Arc::clone(interrupted))),
        None => Arc::new(Free),
    }
}

impl Pace for Bucket {
    fn take(&self, most: usize) -> usize {
        /// A signal waits no longer than this.
        const NAP: Duration = Duration::from_millis(100);
        let bytes = most.min(self.turn());
        if bytes == 0 {
            return 0;
        }
        let mut wait = self.book(bytes, Instant::now());
        while !wait.is_zero() && !self.interrupted.load(Ordering::Relaxed) {
            let nap = wait.min(NAP);
            std::thread::sleep(nap);
            wait -= nap;
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(rate: u64) -> Bucket {
        Bucket::new(rate, Arc::default())
    }

    #[test]
    fn bytes_cost_their_time() {
        let bucket = bucket(1 << 20);
        let start = Instant::now();
        let mut last = Duration::ZERO;
        for _ in 0..64 {
            last = bucket.book(64 << 10, start);
        }
        // 4 MiB at 1 MiB/s, less the burst.
        let all = Duration::from_secs(4).saturating_sub(BW_BURST);
        assert!(last + Duration::from_millis(1) >= all && last <= Duration::from_secs(4), "{last:?}");
    }

    #[test]
    fn what_was_not_used_long_ago_is_lost() {
        let bucket = bucket(1 << 20);
        let later = Instant::now() + Duration::from_hours(1);
        assert_eq!(bucket.book(1 << 10, later), Duration::ZERO, "a burst goes at once");
        assert!(bucket.book(1 << 20, later) >= Duration::from_millis(800), "and no more than a burst");
    }

    #[test]
    fn turns_are_short_and_nobody_gets_nothing() {
        let bucket = bucket(BW_MIN);
        assert_eq!(bucket.take(0), 0);
        assert_eq!(bucket.take(1), 1);
        assert!(bucket.take(usize::MAX) <= (BW_MIN / 10) as usize);
    }

    #[test]
    fn a_signal_ends_the_waiting() {
        let bucket = Bucket::new(BW_MIN, Arc::new(AtomicBool::new(true)));
        let start = Instant::now();
        (0..10_000).for_each(|_| assert!(bucket.take(1 << 20) > 0));
        assert!(start.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn workers_share_it() {
        let bucket = bucket(1 << 20);
        let start = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    bucket.pay(128 << 10);
                });
            }
        });
        assert!(start.elapsed() >= Duration::from_millis(390), "{:?}", start.elapsed());
    }
}
