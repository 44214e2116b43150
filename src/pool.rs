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
pub struct Alone;

impl Pool for Alone {
    fn helpers(&self) -> usize {
        0
    }

    fn run(&self, _: &(dyn Fn() + Sync), lead: &mut dyn FnMut()) {
        lead();
    }
}
