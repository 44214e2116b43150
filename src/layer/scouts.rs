//! Candidates found ahead: windows are cut in order, searched by threads that the run lends, and judged in order.
//!
//! The search for candidates is a function of a window alone, and most of what a record format costs. The reader cuts, hands the
//! window over, and judges the one before. What it finds unsearched it searches itself. Memory: `DEPTH` windows and one more.

use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::Cx;
use crate::error::{Error, Kind, Result};
use crate::input::Input;
use crate::limits::WINDOW;
use crate::matcher::Engine;
use crate::pool::Crew;

/// Windows on their way: with the one that is being cut they are what a mark may lag.
const DEPTH: usize = 3;
/// Bytes of a stream below which it is not worth a thread.
const LEAST: usize = 2 * WINDOW;

/// Windows that wait for their candidates, or to be judged.
pub struct Scouts<'s> {
    engine: &'s dyn Engine,
    crew: &'s dyn Crew,
    /// How many windows may wait before the first is judged.
    pub depth: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    windows: VecDeque<Window>,
    /// Number of the first of them.
    first: u64,
    spare: Vec<Vec<u8>>,
    closed: bool,
}

struct Window {
    text: Arc<Vec<u8>>,
    taken: bool,
    /// A helper's search panicked: it is the reader's.
    left: bool,
    found: Option<Vec<Range<usize>>>,
}

/// A window and its candidates.
type Searched = (Arc<Vec<u8>>, Vec<Range<usize>>);

/// Lets helpers go, in whatever way the reader ends.
struct Close<'c, 's>(&'c Scouts<'s>);

impl Drop for Close<'_, '_> {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.changed.notify_all();
    }
}

/// Reads `input` by `read`, with scouts if there are helpers and it is worth it.
pub fn with<'s, T>(
    input: &mut Input<'_>,
    cx: &mut Cx<'s>,
    read: impl FnOnce(Option<&Scouts<'s>>, &mut Input<'_>, &mut Cx<'s>) -> Result<T>,
) -> Result<T> {
    by(LEAST, input, cx, read)
}

fn by<'s, T>(
    least: usize,
    input: &mut Input<'_>,
    cx: &mut Cx<'s>,
    read: impl FnOnce(Option<&Scouts<'s>>, &mut Input<'_>, &mut Cx<'s>) -> Result<T>,
) -> Result<T> {
    let (engine, crew) = (cx.search.engine, cx.search.crew);
    let helpers = crew.helpers().min(DEPTH);
    if helpers == 0 || input.window(least)?.len() < least {
        return read(None, input, cx);
    }
    let depth = (helpers + 1).min(DEPTH);
    let scouts = Scouts { engine, crew, depth, state: Mutex::default(), changed: Condvar::new() };
    let (mut read, mut done) = (Some(read), None);
    crew.run(helpers, &|| scouts.work(), &mut |started| {
        let _close = Close(&scouts);
        done = read.take().map(|read| read((started > 0).then_some(&scouts), &mut *input, &mut *cx));
    });
    done.unwrap_or_else(|| Err(Error::new(Kind::Io, "threads cannot be started")))
}

impl Scouts<'_> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a window over.
    pub fn submit(&self, text: &[u8]) {
        let mut copy = self.state().spare.pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(text);
        self.state().windows.push_back(Window { text: Arc::new(copy), taken: false, left: false, found: None });
        self.changed.notify_all();
    }

    /// Takes the first window back, with its candidates.
    pub fn take(&self) -> Option<Searched> {
        loop {
            let mut state = self.state();
            let first = state.windows.front()?;
            if first.found.is_some() {
                let window = state.windows.pop_front()?;
                state.first += 1;
                drop(state);
                return Some((window.text, window.found.unwrap_or_default()));
            }
            if let Some((id, text)) = claim(&mut state, true) {
                drop(state);
                let found = self.search(&text);
                self.put(id, Some(found));
                continue;
            }
            drop(state);
            self.crew.aside(&mut || {
                let mut state = self.state();
                while state.windows.front().is_some_and(|first| first.found.is_none() && first.taken) {
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            });
        }
    }

    /// Gives a window's memory back.
    pub fn recycle(&self, text: Arc<Vec<u8>>) {
        if let Ok(text) = Arc::try_unwrap(text) {
            let mut state = self.state();
            if state.spare.len() < DEPTH {
                state.spare.push(text);
            }
        }
    }

    fn search(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        self.engine.candidates(text, &mut found);
        found
    }

    fn put(&self, id: u64, found: Option<Vec<Range<usize>>>) {
        let mut state = self.state();
        let at = id.checked_sub(state.first).and_then(|at| usize::try_from(at).ok());
        if let Some(window) = at.and_then(|at| state.windows.get_mut(at)) {
            (window.taken, window.left) = (found.is_some(), found.is_none());
            window.found = found;
        }
        drop(state);
        self.changed.notify_all();
    }

    /// What a helper does until the reader goes.
    fn work(&self) {
        loop {
            let mut state = self.state();
            let (id, text) = loop {
                if state.closed {
                    return;
                }
                match claim(&mut state, false) {
                    Some(claimed) => break claimed,
                    None => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                }
            };
            drop(state);
            let mut found = None;
            // The reader searches it again, and its panic is the artifact's.
            self.crew.turn(&mut || found = catch_unwind(AssertUnwindSafe(|| self.search(&text))).ok());
            drop(text);
            self.put(id, found);
        }
    }
}

/// The first window that nobody has searched, for the reader or a helper.
fn claim(state: &mut State, reader: bool) -> Option<(u64, Arc<Vec<u8>>)> {
    let at = state.windows.iter().position(|window| !window.taken && (reader || !window.left))?;
    let window = state.windows.get_mut(at)?;
    window.taken = true;
    Some((state.first + at as u64, Arc::clone(&window.text)))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::codec::testing::with_cx;
    use crate::input::BlobSource;
    use crate::layer::Search;
    use crate::layer::ahead::tests::Free;
    use crate::limits::Limits;
    use crate::matcher::{Hit, Unit};

    /// Finds each `x`; on any thread but the reader's it panics, each third time.
    struct Moody(std::thread::ThreadId, AtomicUsize);

    impl Engine for Moody {
        fn candidates(&self, window: &[u8], found: &mut Vec<Range<usize>>) {
            let n = self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            assert!(!n.is_multiple_of(3) || std::thread::current().id() == self.0, "planted");
            found.extend(memchr::memchr_iter(b'x', window).map(|at| at..at + 1));
        }
        fn hits(&self, _: &Unit<'_>, _: &mut Vec<Hit>) {}
        fn name(&self) -> &'static str {
            "moody"
        }
    }

    #[test]
    fn windows_come_back_in_order_with_their_candidates() {
        let windows: Vec<Vec<u8>> =
            (0..200).map(|n| [vec![b'a'; n], b"x".to_vec(), vec![b'b'; n % 7]].concat()).collect();
        with_cx(&Limits::default(), None, false, |cx| {
            for helpers in [0, 1, 4] {
                let engine = Moody(std::thread::current().id(), AtomicUsize::new(0));
                let crew = Free(helpers, AtomicUsize::new(0));
                let search = Search { engine: &engine, crew: &crew, ..*cx.search };
                let mut cx = Cx::new(&search, b"app.log", None);
                let bytes = vec![0; 10];
                let mut input = Input::new(BlobSource::new(&bytes), 10);
                let mut next = 0;
                let mut back = |scouts: &Scouts<'_>| {
                    let (text, found) = scouts.take().unwrap();
                    assert_eq!((&text[..], found.len(), &found[0]), (&windows[next][..], 1, &(next..next + 1)));
                    next += 1;
                    scouts.recycle(text);
                };
                by(1, &mut input, &mut cx, |scouts, _, _| {
                    assert_eq!(scouts.is_none(), helpers == 0);
                    let Some(scouts) = scouts else { return Ok(()) };
                    for (n, window) in windows.iter().enumerate() {
                        scouts.submit(window);
                        if n >= scouts.depth {
                            back(scouts);
                        }
                    }
                    (0..scouts.depth).for_each(|_| back(scouts));
                    assert!(scouts.take().is_none());
                    Ok(())
                })
                .unwrap();
            }
        });
    }

    #[test]
    fn a_reader_that_fails_lets_scouts_go() {
        with_cx(&Limits::default(), None, false, |cx| {
            let crew = Free(2, AtomicUsize::new(0));
            let search = Search { crew: &crew, ..*cx.search };
            let mut cx = Cx::new(&search, b"app.log", None);
            let bytes = vec![0; 10];
            let mut input = Input::new(BlobSource::new(&bytes), 10);
            let failed = by(1, &mut input, &mut cx, |scouts, _, _| {
                scouts.unwrap().submit(b"window");
                Err::<(), _>(Error::new(Kind::Found, "enough"))
            });
            assert_eq!(failed.unwrap_err().kind(), Kind::Found);
        });
    }
}
