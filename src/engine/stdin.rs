//! Stdin as the one artifact of a run: `filter`, and a gate's SOURCE `-`.

use super::Fleet;
use crate::error::Result;
use crate::filter::{self, Stream};
use crate::job::{Mode, Verify};
use crate::layer::{LargeSlot, Search};
use crate::limits::{Limits, VERIFY_WINDOW};
use crate::scrub::{self, Outcome};
use crate::store::stdio::{self, Stdin};
use crate::verify::Blind;

impl Fleet<'_> {
    /// Stdin's place on the run line.
    pub(super) fn stdin_uri(&self) -> impl Iterator<Item = String> {
        self.job.stdin.iter().map(|_| filter::URI.to_owned())
    }

    /// Filters stdin to stdout, or looks at it.
    pub(super) fn stdin(&self, name: &[u8], run: &scrub::Run<'_>) -> Result<Outcome> {
        let (job, stop) = (self.job, self.given.interrupted);
        let mut stream = Stream { name, mtime: None, max_dropped: job.max_dropped, no_spool: job.no_spool };
        if job.mode == Mode::Gate {
            let mut input = Stdin::open(stop)?;
            stream.mtime = input.modified();
            return Ok(filter::gate(&stream, &mut input, run));
        }
        let (mut input, mut output) = stdio::both(stop)?;
        stream.mtime = input.modified();
        if job.verify == Verify::None {
            return Ok(filter::filter(&stream, &mut input, &mut output, None, run));
        }
        // The second decoder has memory of its own, so that neither waits for the other: `share` leaves it that.
        let large = LargeSlot::new(job.limits.max_memory / 3, 1);
        let limits = Limits { window: VERIFY_WINDOW, ..job.limits.clone() };
        let blind = Search { engine: &Blind, large: &large, limits: &limits, second: true, ..super::copy(self.search) };
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
