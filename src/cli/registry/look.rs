//! `registry check` and `registry list`.

use std::fmt::Write;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Exit, build, compiled, print, say};
use crate::blob::TempSpace;
use crate::cli::args::{RegistryFile, RegistryList};
use crate::cli::build::Config;
use crate::cli::reading::Reading;
use crate::error::Result;
use crate::limits::MAX_TEMP;
use crate::matcher::literal::Literal;
use crate::matcher::{Plan, Type};
use crate::registry::compiled::Compiled;
use crate::registry::{Entry, Listing, Options, Registry};

/// A registry whose newest event is older than this is worth a word.
const OLD: SignedDuration = SignedDuration::from_hours(30 * 24);

/// `registry check`: exit 0 if it is sound, 2 with line, reason and a hint if not. What looks like a slip is a warning.
pub(super) fn check(typed: &RegistryFile, config: Config) -> Result<Exit> {
    let mut options = build::registry_options(&typed.read, Timestamp::now())?;
    options.findings = true;
    let registry = build::registry(&typed.file, &options, &reading(typed)?)?;
    let mut out = String::new();
    let mut row = |what: &str, n: u64| {
        let _infallible = writeln!(out, "{what:>14} {n:>12}");
    };
    row("in force", registry.in_force);
    row("held", registry.held);
    row("pending", registry.pending);
    row("cancelled", registry.cancelled);
    let mut kinds = [0u64; Type::ALL.len()];
    for (_, value) in registry.needles.values() {
        kinds.get_mut(value.kind as usize).into_iter().for_each(|n| *n += 1);
    }
    row("values", kinds.iter().sum());
    for (kind, n) in Type::ALL.iter().zip(kinds).filter(|(_, n)| *n > 0) {
        row(kind.name(), n);
    }
    row("newest seq", registry.seq);
    let at = registry.newest_at.map_or_else(|| "none".to_owned(), |at| at.to_string());
    let _infallible = writeln!(out, "{:>14} {at}\n{:>14} {}", "newest at", "sha256", registry.sha256);
    if typed.verbose > 0 {
        engine(&mut out, typed, &registry, config)?;
    }
    print(&out)?;
    warn(&registry, options.now);
    Ok(Exit::Ok)
}

/// How it is read: out of a bucket, it is fetched first.
fn reading(typed: &RegistryFile) -> Result<Reading> {
    let space = TempSpace::new(std::env::temp_dir(), MAX_TEMP);
    let s3 = typed.read.reach.store([typed.file.as_path()], &space, |_| {})?;
    Reading::default().fetch(&typed.file, s3.as_ref(), &space)
}

/// The engines that a run over this registry uses: identifiers in each, and bytes.
fn engine(out: &mut String, typed: &RegistryFile, registry: &Registry, config: Config) -> Result<()> {
    // Of a compiled one what it holds itself, everybody whom it may ever search for.
    let opened = Compiled::is(&typed.file)
        .then(|| compiled::registry(&typed.file, &runs(typed, registry)?, &Reading::default()))
        .transpose()?;
    let needles = &opened.as_ref().unwrap_or(registry).needles;
    let plan = Plan { needles: Arc::clone(needles), fields: Arc::new(config.file.policy.fields) };
    let kept = if opened.is_some() { "mapped" } else { "bytes" };
    let _infallible = writeln!(out, "\n{:>14} {:>12} {kept:>12}", "engine", "values");
    let mut total = 0;
    let mut row = |name: &str, count: usize, bytes: usize| {
        total += bytes;
        let _infallible = writeln!(out, "{name:>14} {count:>12} {bytes:>12}");
    };
    row("values", needles.ids() as usize, needles.bytes());
    for (name, count, bytes) in Literal::new(&plan)?.sizes() {
        row(name, count, bytes);
    }
    let _infallible = writeln!(out, "{:>14} {:>12} {total:>12}", "together", "");
    Ok(())
}

/// The options with which a run opens it.
fn runs(typed: &RegistryFile, registry: &Registry) -> Result<Options> {
    build::registry_options(&typed.read, registry.now)
}

fn warn(registry: &Registry, now: Timestamp) {
    for finding in &registry.findings {
        say(&format!("warning: {} (first on line {}): {}", finding.count, finding.line, finding.slip.text()));
    }
    if let Some(age) = registry.newest_at.map(|at| now.duration_since(at)).filter(|age| *age > OLD) {
        let days = age.as_hours() / 24;
        say(&format!("warning: the newest event is {days} days old; is this the newest copy? see --max-registry-age"));
    }
}

/// `registry list`: references, states and counts; values only with `--reveal`.
pub(super) fn list(typed: &RegistryList) -> Result<Exit> {
    let mut options = build::registry_options(&typed.file.read, Timestamp::now())?;
    options.listing = if typed.reveal { Listing::Reveal } else { Listing::Counts };
    let registry = build::registry(&typed.file.file, &options, &reading(&typed.file)?)?;
    let mut out = String::new();
    for entry in &registry.listing {
        entry_line(&mut out, entry);
        if out.len() > 1 << 16 {
            print(&std::mem::take(&mut out))?;
        }
    }
    print(&out)?;
    Ok(Exit::Ok)
}

fn entry_line(out: &mut String, entry: &Entry) {
    let revealed = entry.revealed.as_ref();
    let reference = revealed.map_or(entry.reference.as_str(), |revealed| revealed.reference.as_str());
    let mut line = format!("{reference}\t{}", entry.state.name());
    for (kind, n) in Type::ALL.iter().zip(entry.values).filter(|(_, n)| *n > 0) {
        let _infallible = write!(line, "\t{}={n}", kind.name());
    }
    if let Some(at) = entry.effective_at {
        let _infallible = write!(line, "\teffective_at={at}");
    }
    if let Some(until) = entry.held_until {
        let _infallible = write!(line, "\theld_until={until}");
    }
    let _infallible = writeln!(out, "{line}");
    for identifier in revealed.into_iter().flat_map(|revealed| &revealed.identifiers) {
        let parts: Vec<_> =
            identifier.parts.iter().map(|(kind, text)| format!("{} {}", kind.name(), &**text)).collect();
        let _infallible = writeln!(out, "\t{}", parts.join(" + "));
    }
}
