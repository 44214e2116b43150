//! The terms of events, as small as can be: most events have none, and those that have any mostly end a grace period.

use jiff::Timestamp;

use super::event::Terms;
use crate::error::{Error, Result};

/// Terms by number; 0 are those of a plain erase. Runs of equal ones are kept once. Memory: 16 bytes each.
#[derive(Default)]
pub(super) struct Times {
    all: Vec<Packed>,
    /// Runs of equal ones once.
    befores: Vec<Timestamp>,
    newest: Terms,
}

struct Packed {
    /// `effective_at`: seconds since the epoch and nanoseconds, [`NONE`] without one.
    seconds: i64,
    nanos: i32,
    /// Its number in `befores`, from 1; 0 without one.
    before: u32,
}

const NONE: i32 = i32::MIN;

impl Times {
    /// The number of `terms`, below 2^31. Usage error: more than can be numbered.
    pub(super) fn push(&mut self, terms: Terms) -> Result<u32> {
        if terms == Terms::default() {
            return Ok(0);
        }
        if self.all.is_empty() || self.newest != terms {
            if let Some(before) = terms.before
                && self.befores.last() != Some(&before)
            {
                self.befores.push(before);
            }
            let at = terms.effective_at;
            self.all.push(Packed {
                seconds: at.map_or(0, Timestamp::as_second),
                nanos: at.map_or(NONE, Timestamp::subsec_nanosecond),
                before: if terms.before.is_some() { self.befores.len() as u32 } else { 0 },
            });
            self.newest = terms;
        }
        let number = u32::try_from(self.all.len()).ok().filter(|number| *number < 1 << 31);
        number.ok_or_else(|| Error::usage("more than 2147483647 events with terms of their own"))
    }

    /// The terms of that number.
    pub(super) fn get(&self, number: u32) -> Terms {
        let packed = number.checked_sub(1).and_then(|at| self.all.get(at as usize));
        packed.map_or_else(Terms::default, |packed| Terms {
            effective_at: Timestamp::new(packed.seconds, packed.nanos).ok().filter(|_| packed.nanos != NONE),
            before: packed.before.checked_sub(1).and_then(|at| self.befores.get(at as usize)).copied(),
        })
    }
}
