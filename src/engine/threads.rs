//! Threads for what is no artifact: the reading of a registry.

use crate::pool::Pool;

/// So many threads in all, the caller's among them; each lives as long as the piece of work.
pub struct Threads(pub usize);

impl Pool for Threads {
    fn helpers(&self) -> usize {
        self.0.saturating_sub(1)
    }

    fn run(&self, work: &(dyn Fn() + Sync), lead: &mut dyn FnMut()) {
        std::thread::scope(|scope| {
            for _ in 0..self.helpers() {
                let started = std::thread::Builder::new().name("registry".to_owned()).spawn_scoped(scope, work);
                if started.is_err() {
                    break;
                }
            }
            lead();
        });
    }
}
