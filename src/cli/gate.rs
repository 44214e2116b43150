//! `gate`: a scan that ends at the first hit.

use super::args::Gate;
use super::build::{self, Config};
use super::metrics::Meter;
use super::{Exit, scrub};
use crate::error::{Error, Result};
use crate::job::Mode;

/// What stands below its help.
pub const HELP: &str = "\
SOURCE `-` is stdin. Exit 0: all of it was read and is clean; 1: something would be changed, and what comes after it was not read; \
3: something could not be read, is partial, unsupported, skipped or held (3 outranks 1 where both were seen).";

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
    scrub::go(job, &typed.who, Some(&typed.walk.depth), None, config, meter)
}
