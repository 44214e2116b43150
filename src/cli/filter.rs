//! `filter`: stdin to stdout. Everything that is said goes to stderr.

use super::args::{Filter, Walk};
use super::build::{self, Config};
use super::metrics::Meter;
use super::s3::Depth;
use super::{Exit, say, scrub};
use crate::engine::Report;
use crate::error::{Error, Result};
use crate::filter::NAME;
use crate::job::{Job, MaxDropped, Mode, Verify};
use crate::manifest::Status;

/// What stands below its help.
pub const HELP: &str = "\
Nothing is read or written before the registry is loaded and in date. Exit 0 only if all of the stream was read, and all of the \
result searched again, written and taken; 3 if not, and a codec's stream is then left without its end; 130, 143 interrupted. \
Put `set -o pipefail` before a pipe.";

/// `unwrite filter`; `json`: that was typed, and does not merely stand in the config file for other verbs.
pub fn filter(mut typed: Filter, json: bool, config: Config, meter: &mut Meter) -> Result<Exit> {
    if json {
        return Err(Error::usage("--json would mix the manifest with the result").help("use --manifest"));
    }
    typed.say.json = false;
    let Filter { format, codec, bounds, .. } = typed;
    let walk = Walk {
        sources: Vec::new(),
        include: Vec::new(),
        exclude: Vec::new(),
        min_age: None,
        allow_no_source: false,
        since: Vec::new(),
        break_checksums: false,
        depth: Depth::default(),
        format,
        codec,
        bounds,
    };
    let mut job = build::job(&walk, &typed.say, Mode::Filter)?;
    job.stdin = Some(build::stdin_name(typed.name.as_deref())?);
    job.no_spool = typed.no_spool;
    job.verify = build::verify(typed.verify);
    let most = typed.max_dropped.as_deref().map(MaxDropped::parse).transpose();
    job.max_dropped = most.map_err(|error| Error::usage(format!("--max-dropped: {error}")))?;
    job.levels = build::levels(&typed.level)?;
    if job.verify == Verify::None {
        say("unwrite: WARNING: --verify none: the result is written without a second look");
    }
    scrub::go(job, &typed.who, None, None, config, meter)
}

/// What there is to say after a run: failures always, counts unless it is to be quiet or nothing was changed.
pub fn said(report: &Report, job: &Job) {
    for (_, status, reason) in &report.attention {
        say(&format!("unwrite: {}: {}: {reason}", NAME, status.name()));
    }
    let done = report.artifacts.contains_key(&Status::Rewritten);
    if done && !job.quiet {
        let (dropped, edited) = (report.records.dropped, report.records.edited);
        say(&format!("unwrite: {} records read, {dropped} dropped, {edited} edited", report.read));
    }
}
