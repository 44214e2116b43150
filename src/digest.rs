//! SHA-256 of what goes by, on a thread of its own where one is lent.
//!
//! Bytes are copied into blocks that a helper hashes in their order. Where too many wait, whoever brings them hashes the first
//! himself, so that nobody waits. Memory: `WAITING` blocks and the two in hand.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::pool::Crew;

/// Bytes of a block: hashed in about 0.1 ms.
const BLOCK: usize = 128 * 1024;
/// Blocks that wait.
const WAITING: usize = 16;
/// Bytes below which it is not worth a thread.
const LEAST: u64 = 1 << 20;

/// Takes the bytes.
pub struct Sha256Of<'d> {
    way: Way<'d>,
}

enum Way<'d> {
    Here(Box<Sha256>),
    There(&'d Desk, Vec<u8>),
}

#[derive(Default)]
struct Desk {
    /// Held while a block is taken from the queue and hashed: so they are in order.
    hash: Mutex<Sha256>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    blocks: VecDeque<Vec<u8>>,
    spare: Vec<Vec<u8>>,
    closed: bool,
}

/// Lets the helper go, in whatever way the work ends.
struct Close<'d>(&'d Desk);

impl Drop for Close<'_> {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.changed.notify_all();
    }
}

/// What `work`, which is done once, gives, and the digest of the bytes that it brings: about `len`.
pub fn sha256<T>(crew: &dyn Crew, len: u64, mut work: impl FnMut(&mut Sha256Of<'_>) -> T) -> (T, [u8; 32]) {
    let mut done = None;
    if len >= LEAST && crew.helpers() > 0 {
        let desk = Desk::default();
        crew.run(1, &|| desk.work(crew), &mut |started| {
            let _close = Close(&desk);
            if started > 0 {
                let mut sha = Sha256Of { way: Way::There(&desk, Vec::with_capacity(BLOCK)) };
                let given = work(&mut sha);
                done = Some((given, sha.finish()));
            }
        });
    }
    done.unwrap_or_else(|| {
        let mut sha = Sha256Of { way: Way::Here(Box::default()) };
        let given = work(&mut sha);
        (given, sha.finish())
    })
}

impl Sha256Of<'_> {
    /// The next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        match &mut self.way {
            Way::Here(hash) => hash.update(bytes),
            Way::There(desk, block) => {
                while !bytes.is_empty() {
                    let (now, later) = bytes.split_at(bytes.len().min(BLOCK - block.len()));
                    block.extend_from_slice(now);
                    bytes = later;
                    if block.len() == BLOCK {
                        *block = desk.put(std::mem::take(block));
                    }
                }
            }
        }
    }

    fn finish(self) -> [u8; 32] {
        match self.way {
            Way::Here(hash) => hash.finalize().into(),
            Way::There(desk, block) => {
                desk.put(block);
                while desk.step() {}
                // Held until the last block of the helper's is hashed.
                let hash = desk.hash.lock().unwrap_or_else(PoisonError::into_inner);
                hash.clone().finalize().into()
            }
        }
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a block, and gives an empty one.
    fn put(&self, block: Vec<u8>) -> Vec<u8> {
        while self.state().blocks.len() >= WAITING {
            self.step();
        }
        let mut state = self.state();
        state.blocks.push_back(block);
        let mut spare = state.spare.pop().unwrap_or_else(|| Vec::with_capacity(BLOCK));
        drop(state);
        self.changed.notify_one();
        spare.clear();
        spare
    }

    /// Hashes the first block; `false` if there is none.
    fn step(&self) -> bool {
        let mut hash = self.hash.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(block) = self.state().blocks.pop_front() else { return false };
        hash.update(&block);
        drop(hash);
        self.state().spare.push(block);
        true
    }

    /// What the helper does until the work ends.
    fn work(&self, crew: &dyn Crew) {
        loop {
            let mut state = self.state();
            while state.blocks.is_empty() {
                if state.closed {
                    return;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            drop(state);
            crew.turn(&mut || {
                self.step();
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Alone;

    /// One helper without turns.
    #[derive(Debug)]
    struct One;

    impl Crew for One {
        fn helpers(&self) -> usize {
            1
        }
        fn run(&self, most: usize, work: &(dyn Fn() + Sync), lead: &mut dyn FnMut(usize)) {
            std::thread::scope(|scope| {
                (0..most).for_each(|_| drop(scope.spawn(work)));
                lead(most);
            });
        }
        fn turn(&self, step: &mut dyn FnMut()) {
            step();
        }
        fn aside(&self, wait: &mut dyn FnMut()) {
            wait();
        }
    }

    #[test]
    fn a_thread_comes_to_the_same() {
        let bytes: Vec<u8> = (0..5_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for piece in [1009, 128 * 1024, 700_001, 5_000_000] {
            let all = |sha: &mut Sha256Of<'_>| bytes.chunks(piece).for_each(|piece| sha.update(piece));
            let want: [u8; 32] = Sha256::digest(&bytes).into();
            assert_eq!(sha256(&One, u64::MAX, all).1, want);
            assert_eq!(sha256(&Alone, u64::MAX, all).1, want);
        }
        assert_eq!(sha256(&One, u64::MAX, |_| 7), (7, Sha256::digest(b"").into()));
    }

    #[test]
    fn a_panic_lets_the_helper_go() {
        let panics = || {
            sha256(&One, u64::MAX, |sha| {
                sha.update(&vec![1; 300_000]);
                panic!("planted")
            })
        };
        assert!(std::panic::catch_unwind(panics).is_err());
    }
}
