//! `scan` and `scrub`.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::args::{Scan, Scrub, Who};
use super::build::{self, Config, Typed};
use super::metrics::Meter;
use super::reading::Reading;
use super::s3::{Deeds, Depth};
use super::{Exit, bar, compiled, filter, print, process, s3, say, summary};
use crate::engine::{self, Given, Report};
use crate::error::{Error, Kind, Result};
use crate::job::{Job, MaxDropped, Mode};
use crate::since::Then;

/// `unwrite scan`.
pub fn scan(typed: &Scan, config: Config, meter: &mut Meter) -> Result<Exit> {
    let job = build::job(&typed.walk, &typed.say, Mode::Scan)?;
    go(job, &typed.who, Some(&typed.walk.depth), None, config, meter)
}

/// `unwrite scrub`.
pub fn scrub(typed: &Scrub, source: &Typed, config: Config, meter: &mut Meter) -> Result<Exit> {
    let mode = source.mode(typed.in_place, typed.output.as_deref())?;
    let mut job = build::job(&typed.walk, &typed.say, mode)?;
    job.overwrite = typed.overwrite;
    job.break_hardlinks = typed.break_hardlinks;
    job.two_pass = typed.two_pass;
    job.verify = build::verify(typed.verify);
    let most = typed.max_dropped.as_deref().map(MaxDropped::parse).transpose();
    job.max_dropped = most.map_err(|error| Error::usage(format!("--max-dropped: {error}")))?;
    job.levels = build::levels(&typed.level)?;
    if typed.zstd_seekable {
        job.levels.push(("zstd-seekable".to_owned(), 1));
    }
    if job.verify == crate::job::Verify::None {
        say("unwrite: WARNING: --verify none: results replace originals without a second look");
    }
    job.purge_versions = typed.deeds.purge_versions;
    go(job, &typed.who, Some(&typed.walk.depth), Some(&typed.deeds), config, meter)
}

/// Runs `job`: reads registry, policy and key, and says what came of it.
pub fn go(
    mut job: Job,
    who: &Who,
    depth: Option<&Depth>,
    deeds: Option<&Deeds>,
    config: Config,
    meter: &mut Meter,
) -> Result<Exit> {
    let (now, stop, run_id) = (Timestamp::now(), process::stop(), ulid::Ulid::new().to_string());
    let path: &Path = who.registry.as_deref().ok_or_else(|| {
        Error::usage("no deletion registry was named")
            .help("give one with --registry, UNWRITE_REGISTRY or in the config file")
    })?;
    let options = build::registry_options(&who.read, now)?;
    let space = engine::space(&job, &stop);
    let s3 = who.read.reach.store(named(&job, who, path), &space, |options| {
        options.restore_days = depth.and_then(|depth| depth.restore_archived);
        options.unconditional = deeds.is_some_and(|deeds| deeds.allow_unconditional_writes);
    })?;
    let (file, own) = build::policy(who.policy.as_deref(), config, s3.as_ref())?;
    s3::on_disk("--key-file", who.key_file.as_deref())?;
    let key = build::key(who.key_file.as_deref(), file.wants_key)?;
    let reading = Reading::from(&job).fetch(path, s3.as_ref(), &space)?;
    let registry = build::registry(path, &options, &reading)?;
    let schema = who.dumps.read()?;
    meter.registry(&registry, now)?;
    tracing::info!(in_force = registry.in_force, held = registry.held, pending = registry.pending, "registry read");
    job.own_files = own;
    job.own_files.extend(
        [
            who.key_file.as_deref(),
            who.read.reach.sse_c_key.as_deref(),
            job.manifest.as_deref(),
            meter.file(),
            who.dumps.schema.as_deref(),
        ]
        .into_iter()
        .flatten()
        .map(PathBuf::from),
    );
    job.own_files.extend(compiled::files(path));
    job.own_files.extend(job.since.iter().cloned());
    let at = |then: Then<'_>| build::registry_at(path, &who.read, then, &reading);
    let bar = bar::Bar::new(job.progress, job.quiet);
    let given = Given {
        registry: &registry,
        registry_path: path,
        registry_at: Some(&at),
        policy: &file.policy,
        key: key.as_ref(),
        schema: schema.as_ref(),
        now,
        interrupted: &stop,
        progress: &bar,
        run_id: &run_id,
        space: &space,
        s3: s3.as_ref(),
    };
    let report = engine::run(&job, &given);
    bar.finish();
    let report = report?;
    meter.report(&report);
    for note in &report.notes {
        say(&format!("unwrite: {note}"));
    }
    if report.interrupted {
        return Err(Error::new(
            Kind::Interrupted,
            match job.mode {
                Mode::Filter => "interrupted; what was written is not the whole result",
                _ => "interrupted; what was committed stands, the rest is as it was",
            },
        ));
    }
    if job.mode == Mode::Filter {
        filter::said(&report, &job);
    } else if !job.json && !job.quiet {
        print(&summary::text(&report, &job))?;
    }
    Ok(exit(&report, &job))
}

/// What was named that may be in a bucket.
fn named<'p>(job: &'p Job, who: &'p Who, registry: &'p Path) -> impl Iterator<Item = &'p Path> {
    let output = match &job.mode {
        Mode::Output(output) => Some(output.as_path()),
        _ => None,
    };
    let sources = job.sources.iter().map(PathBuf::as_path);
    let manifests = job.since.iter().chain(&job.manifest).map(PathBuf::as_path);
    sources.chain(manifests).chain(output).chain(who.policy.as_deref()).chain([registry])
}

fn exit(report: &Report, job: &Job) -> Exit {
    if report.locked {
        Exit::Locked
    } else if report.troubled {
        Exit::Trouble
    } else if job.mode.is_dry() && report.hit {
        Exit::Found
    } else {
        Exit::Ok
    }
}
