//! `gate`: a scan that ends at the first hit.

use super::args::Gate;
use super::build::{self, Config};
use super::metrics::Meter;
use super::{Exit, scrub};
use crate::error::{Error, Result};
use crate::job::Mode;

/// `unwrite gate`.
pub fn gate(typed: &Gate, config: Config, meter: &mut Meter) -> Result<Exit> {
    let mut job = build::job(&typed.walk, &typed.say, Mode::Gate)?;
    let named = job.sources.len();
    job.sources.retain(|source| source.as_os_str() != "-");
    match named - job.sources.len() {
        0 if typed.name.is_some() => return Err(Error::usage("--name is for stdin, and no SOURCE is `-`")),
        0 => {}
        1 => job.stdin = Some(build::stdin_name(typed.name.as_deref())?),
        _ => return Err(Error::usage("stdin is there once: one SOURCE can be `-`")),
    }
    scrub::go(job, &typed.who, config, meter)
}
