//! Threads, as those who can use some see them: a trait with a version that has none.

/// Lends threads to one piece of work at a time.
pub trait Pool: Sync {
    /// How many threads there are besides the caller's.
    fn helpers(&self) -> usize;

    /// Runs `work` on each of the helpers and `lead` on the caller's own thread; returns when all of them have. `work` must
    /// end when `lead` has ended, in whatever way. A helper that cannot be started is left out: `lead` must do without.
    fn run(&self, work: &(dyn Fn() + Sync), lead: &mut dyn FnMut());
}

/// The caller's thread and no other.
#[derive(Debug, Clone, Copy)]
pub struct Alone;

impl Pool for Alone {
    fn helpers(&self) -> usize {
        0
    }

    fn run(&self, _: &(dyn Fn() + Sync), lead: &mut dyn FnMut()) {
        lead();
    }
}

/// Lends threads to several pieces of work at the same time, within one bound for all of them (`--jobs`).
///
/// Whoever leads a piece of work has a turn; helpers wait for one at each step, so that no more threads run than the bound says,
/// however many there are. Who has a turn gives it away while it waits for another thread of its own.
pub trait Crew: std::fmt::Debug + Send + Sync {
    /// How many helpers a piece of work that begins now may have; 0: it does without.
    fn helpers(&self) -> usize;

    /// Runs `work` on at most `most` helpers and `lead` on the caller's own thread; returns when all of them have. `lead` is told
    /// how many helpers there are: some may not have been started. `work` must end when `lead` has ended, in whatever way.
    fn run(&self, most: usize, work: &(dyn Fn() + Sync), lead: &mut dyn FnMut(usize));

    /// On a helper: waits for a turn, and takes one step in it.
    fn turn(&self, step: &mut dyn FnMut());

    /// In a turn: gives it away while `wait` waits, and takes one again.
    fn aside(&self, wait: &mut dyn FnMut());
}

impl Crew for Alone {
    fn helpers(&self) -> usize {
        0
    }

    fn run(&self, _: usize, _: &(dyn Fn() + Sync), lead: &mut dyn FnMut(usize)) {
        lead(0);
    }

    fn turn(&self, step: &mut dyn FnMut()) {
        step();
    }

    fn aside(&self, wait: &mut dyn FnMut()) {
        wait();
    }
}
