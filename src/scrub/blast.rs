//! `--max-dropped`: how much of an artifact, and of a run, may go.

use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Kind, Result};
use crate::job::MaxDropped;

/// The blast-radius limit of a run (SPEC `--max-dropped`).
#[derive(Debug, Default)]
pub struct Blast {
    limit: Option<MaxDropped>,
    state: Mutex<Counts>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    changed: u64,
    read: u64,
    tripped: bool,
    /// The run's total was judged before.
    decided: bool,
}

impl Blast {
    /// Counts against `limit`; `None`: no limit.
    pub fn new(limit: Option<MaxDropped>) -> Self {
        Self { limit, state: Mutex::default() }
    }

    /// Whether a commit was refused for the run's total: nothing is committed after it.
    pub fn tripped(&self) -> bool {
        self.limit.is_some() && self.state.lock().unwrap_or_else(PoisonError::into_inner).tripped
    }

    /// A first pass has counted the whole run: all commits are refused, or none for the run's total.
    pub fn decide(&self, over: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.tripped, state.decided) = (over, true);
    }

    /// Counts `read` records of an artifact that is not changed.
    pub fn saw(&self, read: u64) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).read += read;
    }

    /// Asks for a commit of `changed` of `read` records; counts them if it is granted.
    pub fn ask(&self, changed: u64, read: u64) -> Result<()> {
        let Some(limit) = self.limit else { return Ok(()) };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.tripped {
            return Err(Error::new(Kind::Skipped, "max-dropped"));
        }
        if matches!(limit, MaxDropped::Percent(_)) && limit.exceeded(changed, read) {
            return Err(over());
        }
        let (all_changed, all_read) = (state.changed + changed, state.read + read);
        if !state.decided && changed > 0 && limit.exceeded(all_changed, all_read) {
            state.tripped = true;
            return Err(over());
        }
        (state.changed, state.read) = (all_changed, all_read);
        Ok(())
    }
}

fn over() -> Error {
    Error::new(Kind::Usage, "max-dropped")
}
