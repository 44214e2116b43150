//! Places in a coded stream at which a lift can begin to decode: so that it decodes what changes, and not what stays.
//!
//! While find decodes, the decoder *offers* a [`Point`] now and then (at a block or frame, some 128 KiB apart), with the plain
//! bytes that a decoder must know there. Whoever finds something to change below *marks* ([`Marks`]); offers near a mark are
//! kept, the others forgotten. A mark lags the decoder by what the layers below hold: offers wait for [`MARK_LAG`] bytes, and
//! one more behind them. Points make a lift cheap, never right: where there is none, it decodes from the one before.
//! Memory: the windows that wait, `MAX_POINTS` points of 80 bytes; kept windows go to a spool.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::blob::{Blob, Spool, TempSpace};
use crate::edit::Marks;
use crate::error::{Error, Result};
use crate::limits::MARK_LAG;

/// Points that are kept of one stream; past it every second one goes.
const MAX_POINTS: usize = 1 << 14;

/// A place at which a decoder can begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Offset in the coded stream, in bits: a deflate or bzip2 block can begin inside a byte.
    pub coded: u64,
    /// Offset in the decoded stream, bytes.
    pub plain: u64,
    /// What the codec must know besides: its own numbers (a running checksum, what kind of place it is).
    pub state: [u64; 4],
}

#[derive(Debug, Clone, Copy)]
struct Kept {
    point: Point,
    /// It ends what a lift must mend: thinned last.
    end: bool,
    /// Where its window lies in the spool, and how long it is.
    window: u64,
    len: usize,
}

/// The points of one stream, in order of place.
#[derive(Debug)]
pub struct Points {
    kept: Vec<Kept>,
    windows: Spool,
}

impl Points {
    /// None.
    pub fn none(space: &Arc<TempSpace>) -> Self {
        Self { kept: Vec::new(), windows: Spool::new(space) }
    }

    /// These, with their windows: for tests.
    ///
    /// # Panics
    /// If a spool cannot be written.
    #[cfg(test)]
    pub fn of(points: &[(Point, Vec<u8>)], space: &Arc<TempSpace>) -> Self {
        let mut made = Self::none(space);
        for (point, bytes) in points {
            let window = made.windows.len();
            made.windows.append(bytes).unwrap();
            made.kept.push(Kept { point: *point, end: false, window, len: bytes.len() });
        }
        made
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The `n`-th point.
    pub fn get(&self, n: usize) -> Option<Point> {
        self.kept.get(n).map(|kept| kept.point)
    }

    /// How many stand before or at the decoded offset `plain`: the last of them is at one less. O(log n).
    pub fn until(&self, plain: u64) -> usize {
        self.kept.partition_point(|kept| kept.point.plain <= plain)
    }

    /// The plain bytes before the `n`-th point, as many as were offered with it.
    pub fn window(&self, n: usize) -> Result<Vec<u8>> {
        let Some(kept) = self.kept.get(n) else { return Ok(Vec::new()) };
        let mut window = vec![0; kept.len];
        let mut done = 0;
        while let Some(rest) = window.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let got = self.windows.read_at(kept.window + done as u64, rest);
            match got.map_err(|e| Error::io("reading a temporary file", &e))? {
                0 => return Err(Error::new(crate::error::Kind::Io, "a temporary file ended early")),
                n => done += n,
            }
        }
        Ok(window)
    }
}

/// Gathers the points of one stream while it is decoded.
#[derive(Debug)]
pub(super) struct Gather {
    points: Points,
    marks: Marks,
    /// Marks that were seen.
    seen: u64,
    /// Offers before this decoded offset are kept.
    near: u64,
    /// Offers that no mark came near so far, oldest first, and whether each ends something.
    waiting: VecDeque<(Point, bool, Vec<u8>)>,
    /// Points kept so far, and how many of them at the last end.
    taken: (u64, u64),
    /// Windows to be used again.
    spare: Vec<Vec<u8>>,
    /// Least distance of kept points, bytes.
    stride: u64,
    /// There is no room for more windows.
    full: bool,
}

impl Gather {
    pub(super) fn new(marks: Marks, space: &Arc<TempSpace>) -> Self {
        Self {
            points: Points::none(space),
            seen: marks.count(),
            marks,
            near: 0,
            waiting: VecDeque::new(),
            taken: (0, 0),
            spare: Vec::new(),
            stride: 0,
            full: false,
        }
    }

    /// Takes an offer; with `end`, of a place by which a lift comes that changes something since the last one.
    pub(super) fn offer(&mut self, point: Point, end: bool, window: &[u8]) {
        self.settle(point.plain);
        let mut copy = self.spare.pop().unwrap_or_default();
        copy.extend_from_slice(window);
        self.waiting.push_back((point, end, copy));
        let (all, before) = self.taken;
        if point.plain < self.near || (end && all > before) {
            self.keep_waiting();
        }
        if end {
            self.taken.1 = self.taken.0;
        }
        // One that is older than the lag stays: what changes may begin just behind it.
        while self.waiting.get(1).is_some_and(|(next, ..)| next.plain + MARK_LAG as u64 <= point.plain) {
            if let Some((.., mut window)) = self.waiting.pop_front() {
                window.clear();
                self.spare.push(window);
            }
        }
    }

    /// Keeps what waits, if there are new marks. The reader is at `plain`.
    fn settle(&mut self, plain: u64) {
        let count = self.marks.count();
        if count != self.seen {
            self.seen = count;
            self.near = plain + MARK_LAG as u64;
            self.keep_waiting();
        }
    }

    fn keep_waiting(&mut self) {
        for (point, end, mut window) in self.waiting.drain(..) {
            let after = self.points.kept.last().map_or(0, |last| last.point.plain + self.stride);
            if !self.full && (end || self.points.kept.is_empty() || point.plain >= after) {
                let at = self.points.windows.len();
                // Without room for windows a lift decodes more: no reason to fail.
                match self.points.windows.append(&window) {
                    Ok(()) => {
                        self.points.kept.push(Kept { point, end, window: at, len: window.len() });
                        self.taken.0 += 1;
                    }
                    Err(_) => self.full = true,
                }
            }
            window.clear();
            self.spare.push(window);
        }
        if self.points.kept.len() > MAX_POINTS {
            // Ends as well, where they are most of it.
            let ends = self.points.kept.iter().filter(|kept| kept.end).count() <= MAX_POINTS / 2;
            let mut n = 0;
            self.points.kept.retain(|kept| {
                n += 1;
                n % 2 == 1 || (ends && kept.end)
            });
            let first = self.points.kept.first().map_or(0, |kept| kept.point.plain);
            let last = self.points.kept.last().map_or(0, |kept| kept.point.plain);
            self.stride = (self.stride * 2).max((last - first) / self.points.kept.len().max(1) as u64);
        }
    }

    pub(super) fn finish(&mut self, space: &Arc<TempSpace>) -> Points {
        self.settle(u64::MAX / 2);
        std::mem::replace(&mut self.points, Points::none(space))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> Arc<TempSpace> {
        TempSpace::new(std::env::temp_dir(), 1 << 30)
    }

    fn point(plain: u64) -> Point {
        Point { coded: plain * 3, plain, state: [plain, 0, 0, 0] }
    }

    #[test]
    fn points_are_kept_around_marks_with_their_windows() {
        const STEP: u64 = 128 << 10;
        let (space, marks) = (space(), Marks::default());
        let mut gather = Gather::new(marks.clone(), &space);
        for n in 0..1000 {
            if n == 500 {
                marks.mark();
            }
            gather.offer(point(n * STEP), false, format!("window {n}").as_bytes());
        }
        let points = gather.finish(&space);
        let places: Vec<u64> = (0..points.len()).map(|n| points.get(n).unwrap().plain / STEP).collect();
        let lag = MARK_LAG as u64 / STEP;
        // The reader may have been anywhere behind the offer before the mark.
        assert_eq!(places, (499 - lag..500 + lag).collect::<Vec<_>>());
        let at = points.until(495 * STEP + 1);
        assert_eq!(points.get(at - 1), Some(point(495 * STEP)));
        assert_eq!(points.window(at - 1).unwrap(), b"window 495");
    }

    #[test]
    fn a_mark_behind_a_long_stretch_without_offers_has_the_offer_before() {
        let (space, marks) = (space(), Marks::default());
        let mut gather = Gather::new(marks.clone(), &space);
        gather.offer(point(0), false, b"");
        gather.offer(point(50 << 20), false, b"");
        marks.mark();
        let points = gather.finish(&space);
        assert_eq!(points.len(), 2);
    }

    #[test]
    fn the_end_of_what_changes_is_kept_however_far_it_is() {
        let (space, marks) = (space(), Marks::default());
        let mut gather = Gather::new(marks.clone(), &space);
        for n in 0..400 {
            if n == 150 {
                marks.mark();
            }
            gather.offer(point(n << 17), n % 100 == 99, b"");
        }
        let points = gather.finish(&space);
        let places: Vec<u64> = (0..points.len()).map(|n| points.get(n).unwrap().plain >> 17).collect();
        assert!(places.contains(&150) && places.contains(&199), "{places:?}");
        assert!(!places.contains(&99) && !places.contains(&299) && places.last() < Some(&200), "{places:?}");
    }

    #[test]
    fn many_points_are_thinned() {
        let (space, marks) = (space(), Marks::default());
        let mut gather = Gather::new(marks.clone(), &space);
        for n in 0..5 * MAX_POINTS as u64 {
            marks.mark();
            gather.offer(point(n * 1000), false, b"w");
        }
        let points = gather.finish(&space);
        assert!(points.len() > MAX_POINTS / 4 && points.len() <= MAX_POINTS + 1, "{}", points.len());
        assert_eq!(points.get(0), Some(point(0)));
    }
}
