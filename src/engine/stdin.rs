//! Stdin as the one artifact of a run: `filter`, and a gate's SOURCE `-`.

use super::Fleet;
use crate::error::Result;
use crate::filter::{self, Stream};
use crate::input::Source;
use crate::job::{Mode, Verify};
use crate::layer::{LargeSlot, Search};
use crate::limits::{Limits, VERIFY_WINDOW};
use crate::pace::Pace;
use crate::pool::Alone;
use crate::scrub::{self, Outcome};
use crate::store::stdio::{self, Sink, Stdin};
use crate::verify::Blind;

/// An end of a pipe, at the run's pace.
struct Paced<'p, E> {
    end: E,
    pace: &'p dyn Pace,
}

impl<E: Source> Source for Paced<'_, E> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let n = self.end.read(buf)?;
        self.pace.pay(n);
        Ok(n)
    }
}

impl<E: Sink> Sink for Paced<'_, E> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.pace.pay(bytes.len());
        self.end.write(bytes)
    }

    fn last(&mut self, bytes: &[u8]) {
        self.end.last(bytes);
    }
}

impl Fleet<'_> {
    /// Stdin's place on the run line.
    pub(super) fn stdin_uri(&self) -> impl Iterator<Item = String> {
        self.job.stdin.iter().map(|_| filter::URI.to_owned())
    }

    /// Filters stdin to stdout, or looks at it.
    pub(super) fn stdin(&self, name: &[u8], run: &scrub::Run<'_>) -> Result<Outcome> {
        self.crew.lead(0, || self.in_turn(name, run))
    }

    fn in_turn(&self, name: &[u8], run: &scrub::Run<'_>) -> Result<Outcome> {
        // What a pipe brings is looked at as it comes, by the thread that reads it.
        let search = Search { crew: &Alone, ..super::copy(self.search) };
        let run = &scrub::Run { search: &search, ..super::copy_run(run) };
        let (job, stop, pace) = (self.job, self.given.interrupted, &**self.space.pace());
        let mut stream = Stream { name, mtime: None, max_dropped: job.max_dropped, no_spool: job.no_spool };
        if job.mode == Mode::Gate {
            let input = Stdin::open(stop)?;
            stream.mtime = input.modified();
            return Ok(filter::gate(&stream, &mut Paced { end: input, pace }, run));
        }
        let (input, output) = stdio::both(stop)?;
        stream.mtime = input.modified();
        let (mut input, mut output) = (Paced { end: input, pace }, Paced { end: output, pace });
        if job.verify == Verify::None {
            return Ok(filter::filter(&stream, &mut input, &mut output, None, run));
        }
        // The second decoder has memory of its own, so that neither waits for the other: `share` leaves it that.
        let large = LargeSlot::new(job.limits.max_memory / 3, 1);
        let limits = Limits { window: VERIFY_WINDOW, ..job.limits.clone() };
        let blind = Search { engine: &Blind, large: &large, limits: &limits, second: true, ..super::copy(&search) };
        let (echo, ear) = filter::echo();
        Ok(std::thread::scope(|scope| {
            scope.spawn(|| filter::listen(ear, &blind, &stream));
            filter::filter(&stream, &mut input, &mut output, Some(echo), run)
        }))
    }
}

/// Bytes of `max` that the pass itself has: under `filter` the second decoder beside it has a third.
pub(super) fn share(mode: &Mode, max: u64) -> u64 {
    if *mode == Mode::Filter { max - max / 3 } else { max }
}
