//! Who runs: as many threads at a time as `--jobs` says, whether they work on many artifacts or on one.
//!
//! Each artifact in work has a turn. When the artifacts that are left are fewer than the turns, an artifact gets helpers; they
//! take the turns that are free, and that of the thread that leads them while it waits for them. A thread that leads comes before
//! helpers, so that what was made is used up before more is made. Helpers live as long as the piece of work.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::pool::Crew;

/// Helpers of one piece of work: past it, the thread that leads them is what they wait for.
const MOST_HELPERS: usize = 7;

/// The turns of a run.
#[derive(Debug)]
pub struct Turnstile {
    jobs: usize,
    state: Mutex<State>,
    changed: Condvar,
    /// Bytes of artifacts that nobody has begun.
    waiting: AtomicU64,
    /// Bytes of artifacts in work.
    begun: AtomicU64,
}

#[derive(Debug)]
struct State {
    free: usize,
    /// Threads that lead, waiting for a turn.
    leads: usize,
}

impl Turnstile {
    /// As many turns as `jobs`.
    pub fn new(jobs: usize) -> Self {
        let state = Mutex::new(State { free: jobs.max(1), leads: 0 });
        Self { jobs, state, changed: Condvar::new(), waiting: AtomicU64::new(0), begun: AtomicU64::new(0) }
    }

    /// Artifacts of so many bytes are to come.
    pub fn expect(&self, bytes: u64) {
        self.waiting.store(bytes, Ordering::Relaxed);
    }

    /// Works on an artifact of so many bytes.
    pub fn lead<T>(&self, bytes: u64, work: impl FnOnce() -> T) -> T {
        let less = |left: u64| Some(left.saturating_sub(bytes));
        // It fails only where `less` gives none, which it never does.
        let _ = self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        self.begun.fetch_add(bytes, Ordering::Relaxed);
        self.enter(true);
        let turn = Turn(self);
        let done = work();
        drop(turn);
        self.begun.fetch_sub(bytes, Ordering::Relaxed);
        done
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, leads: bool) {
        let mut state = self.state();
        state.leads += usize::from(leads);
        while state.free == 0 || (!leads && state.leads > 0) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.free -= 1;
        state.leads -= usize::from(leads);
        let more = state.free > 0;
        drop(state);
        if more && leads {
            // Helpers stood back for this one.
            self.changed.notify_all();
        }
    }

    fn leave(&self) {
        self.state().free += 1;
        self.changed.notify_all();
    }
}

/// A turn, given back in whatever way it ends.
struct Turn<'t>(&'t Turnstile);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// A turn that was given away, taken again in whatever way it ends.
struct Back<'t>(&'t Turnstile);

impl Drop for Back<'_> {
    fn drop(&mut self) {
        self.0.enter(true);
    }
}

impl Crew for Turnstile {
    fn helpers(&self) -> usize {
        // A run of many artifacts keeps all busy by itself.
        let enough = self.waiting.load(Ordering::Relaxed) > self.begun.load(Ordering::Relaxed);
        if enough { 0 } else { self.jobs.saturating_sub(1).min(MOST_HELPERS) }
    }

    fn run(&self, most: usize, work: &(dyn Fn() + Sync), lead: &mut dyn FnMut(usize)) {
        let _back = Back(self);
        std::thread::scope(|scope| {
            // Helpers that are to end may wait for a turn to do so: the one that leads gives its own away while it waits for them.
            let _away = Turn(self);
            let start = |_| std::thread::Builder::new().name("helper".to_owned()).spawn_scoped(scope, work).is_ok();
            let started = (0..most).take_while(|n| start(*n)).count();
            lead(started);
        });
    }

    fn turn(&self, step: &mut dyn FnMut()) {
        self.enter(false);
        let _turn = Turn(self);
        step();
    }

    fn aside(&self, wait: &mut dyn FnMut()) {
        self.leave();
        wait();
        self.enter(true);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Counts who is in a turn, and the most that ever were.
    #[derive(Default)]
    struct Watch(AtomicUsize, AtomicUsize);

    impl Watch {
        fn step(&self) {
            let now = self.0.fetch_add(1, Ordering::SeqCst) + 1;
            self.1.fetch_max(now, Ordering::SeqCst);
            std::thread::yield_now();
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn no_more_run_than_jobs() {
        let (turns, watch) = (Turnstile::new(2), Watch::default());
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    turns.lead(1, || {
                        turns.run(3, &|| (0..200).for_each(|_| turns.turn(&mut || watch.step())), &mut |helpers| {
                            assert_eq!(helpers, 3);
                            for _ in 0..200 {
                                watch.step();
                                turns.aside(&mut || {});
                            }
                        });
                    });
                });
            }
        });
        assert_eq!(watch.1.load(Ordering::SeqCst), 2);
        assert_eq!(turns.state().free, 2, "all turns were given back");
    }

    #[test]
    fn helpers_are_for_what_is_left() {
        let turns = Turnstile::new(4);
        turns.expect(1000);
        turns.lead(100, || assert_eq!(turns.helpers(), 0, "900 bytes are left for others"));
        turns.lead(700, || assert_eq!(turns.helpers(), 3));
        turns.expect(0);
        assert_eq!(Turnstile::new(1).helpers(), 0);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| turns.lead(1, || panic!("planted"))));
        assert!(caught.is_err());
        assert_eq!(turns.state().free, 4, "a panic gives its turn back");
    }
}
