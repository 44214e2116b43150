//! `registry check` and `registry list`.

use std::fmt::Write;

use jiff::Timestamp;

use super::args::{RegistryFile, RegistryList};
use super::{Exit, build, print};
use crate::error::Result;
use crate::matcher::Type;
use crate::registry::{Entry, Listing, Registry};

fn read(typed: &RegistryFile, listing: Listing) -> Result<Registry> {
    let mut options = build::registry_options(&typed.read, Timestamp::now())?;
    options.listing = listing;
    build::registry(&typed.file, &options)
}

/// `registry check`: exit 0 if it is sound, 2 with line and reason if not.
pub fn check(typed: &RegistryFile) -> Result<Exit> {
    let registry = read(typed, Listing::None)?;
    let mut out = String::new();
    let mut row = |what: &str, n: u64| {
        let _infallible = writeln!(out, "{what:>14} {n:>12}");
    };
    row("in force", registry.in_force);
    row("held", registry.held);
    row("pending", registry.pending);
    row("cancelled", registry.cancelled);
    row("values", registry.needles.values.len() as u64);
    for kind in Type::ALL {
        let n = registry.needles.values.iter().filter(|value| value.kind == kind).count();
        if n > 0 {
            row(kind.name(), n as u64);
        }
    }
    row("newest seq", registry.seq);
    let at = registry.newest_at.map_or_else(|| "none".to_owned(), |at| at.to_string());
    let _infallible = writeln!(out, "{:>14} {at}\n{:>14} {}", "newest at", "sha256", registry.sha256);
    print(&out)?;
    Ok(Exit::Ok)
}

/// `registry list`: references, states and counts; values only with `--reveal`.
pub fn list(typed: &RegistryList) -> Result<Exit> {
    let listing = if typed.reveal { Listing::Reveal } else { Listing::Counts };
    let registry = read(&typed.file, listing)?;
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
