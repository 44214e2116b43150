//! `verify`: the manifest, the artifacts, and with a registry the people.

use std::fmt::Write;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::Verify;
use super::build::{self, Config};
use super::reading::Reading;
use super::{Exit, print, process, say};
use crate::blob::{Played, Spool, TempSpace};
use crate::config::policy_file;
use crate::detect::told::Told;
use crate::engine;
use crate::error::{Error, Kind, Result};
use crate::format::sql::ddl::Ddl;
use crate::judge::Judge;
use crate::layer::{LargeSlot, Search};
use crate::limits::{Limits, VERIFY_WINDOW};
use crate::manifest::journal::Opened;
use crate::manifest::writer::Writer;
use crate::manifest::{Run, shown};
use crate::matcher::literal::Literal;
use crate::matcher::mask::Masker;
use crate::matcher::reference::Reference;
use crate::matcher::{Engine, Plan};
use crate::policy::Policy;
use crate::registry::Registry;
use crate::store::disk::Disk;
use crate::store::s3::{Place, S3, SCHEME};
use crate::stores::Stores;
use crate::verify::audit::{self, Audit};

/// `unwrite verify`.
pub fn verify(typed: &Verify, config: Config) -> Result<Exit> {
    let limits = Limits { window: VERIFY_WINDOW, ..build::limits(&typed.bounds)? };
    let temp = typed.bounds.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
    let pace = engine::pace(build::bwlimit(&typed.bounds.manners)?, &process::stop());
    let space = TempSpace::paced(temp, limits.max_temp, Arc::clone(&pace));
    drop(config);
    let mut found = Audit::default();
    let remote = Remote::new(typed, &space)?;
    let manifest = || remote.text();
    found.stores = Some(Stores::new(Disk::paced(Arc::clone(&pace)), remote.s3.clone()));
    let stores = found.stores.clone().unwrap_or_else(|| Stores::new(Disk::default(), None));
    found.pace = Some(pace);
    let index = audit::index(&manifest, &space, &mut found)?;
    // Lines are grouped by run: one registry and engine at a time.
    let mut current: Option<Eyes> = None;
    let mut new_since: Vec<String> = Vec::new();
    audit::each(&manifest, &index, &mut |run, line| {
        if current.as_ref().is_none_or(|eyes| eyes.run_id != run.run_id) {
            // The old one goes first: two registries at a time would be twice the memory.
            current = None;
            current = Some(Eyes::new(typed, run, &limits, &remote)?);
        }
        let Some(eyes) = &current else { return Ok(()) };
        new_since.clone_from(&eyes.new_since);
        eyes.with(&space, &mut |search, mask| audit::judge(run, line, search, mask, &mut found))
    })?;
    if !found.open.is_empty() && !found.tampered() {
        settle_open(typed, current, &limits, &remote, &stores)?;
    }
    if !typed.say.quiet {
        print(&text(&found, &new_since, typed.registry.is_some()))?;
    }
    // The highest of the SPEC's order wins: 3 before 1.
    let unreadable = found.complaints.iter().any(|complaint| complaint.wrong == audit::Wrong::Unreadable);
    Ok(match (found.attention > 0 || unreadable, found.bad()) {
        (true, _) => Exit::Trouble,
        (false, true) => Exit::Found,
        (false, false) => Exit::Ok,
    })
}

/// What may lie in buckets, and what is read of it once.
struct Remote {
    s3: Option<S3>,
    reading: Reading,
    space: Arc<TempSpace>,
    manifest: Text,
}

/// The manifest, where it is read.
enum Text {
    File(PathBuf),
    /// Of a bucket, as it was fetched.
    Fetched(Arc<Spool>),
}

impl Remote {
    fn new(typed: &Verify, space: &Arc<TempSpace>) -> Result<Self> {
        let manifest = typed.manifest_file.as_path();
        let named = [&typed.registry, &typed.policy].into_iter().flatten().map(PathBuf::as_path);
        // Of the artifacts only the manifest knows where they lie.
        let place = Place::parse(manifest.as_os_str().as_bytes());
        if let Some(Ok(place)) = &place
            && place.is_prefix()
        {
            return Err(Error::usage("a manifest is an object, and no prefix"));
        }
        let listed = (place.is_some() || audit::is_remote(&|| audit::text(manifest))).then_some(Path::new(SCHEME));
        let s3 = typed.read.reach.store(named.chain(listed), space, |_| {})?;
        let manifest = match (place.transpose()?, &s3) {
            (Some(place), Some(s3)) => {
                let mut spool = Spool::new(space);
                s3.download(&place, &mut spool).map_err(|error| match error.kind() {
                    Kind::Interrupted => error,
                    _ => Error::usage(format!("cannot open the manifest: {error}")),
                })?;
                Text::Fetched(Arc::new(spool))
            }
            _ => Text::File(manifest.to_owned()),
        };
        let mut reading = Reading::new(&typed.bounds, &typed.say)?;
        if let Some(registry) = &typed.registry {
            reading = reading.fetch(registry, s3.as_ref(), space)?;
        }
        Ok(Self { s3, reading, space: Arc::clone(space), manifest })
    }

    /// The manifest, from its start.
    fn text(&self) -> Result<Box<dyn Read>> {
        match &self.manifest {
            Text::File(path) => audit::text(path),
            Text::Fetched(spool) => Ok(Box::new(Played::new(Arc::clone(spool)))),
        }
    }
}

/// What one run of the manifest is judged with.
struct Eyes {
    run_id: String,
    /// As typed, else as the run had them.
    limits: Limits,
    format: Option<String>,
    codec: Option<String>,
    registry: Option<Registry>,
    policy: Policy,
    engine: Option<Box<dyn Engine>>,
    schema: Option<Ddl>,
    masker: Option<Masker>,
    new_since: Vec<String>,
}

impl Eyes {
    fn new(typed: &Verify, run: &Run, limits: &Limits, remote: &Remote) -> Result<Self> {
        let mut limits = limits.clone();
        if typed.bounds.max_record.is_none() {
            limits.max_record = run.max_record.unwrap_or(limits.max_record);
        }
        let mut eyes = Self {
            run_id: run.run_id.clone(),
            limits,
            format: run.format.clone(),
            codec: run.codec.clone(),
            registry: None,
            policy: Policy::default(),
            engine: None,
            schema: None,
            masker: None,
            new_since: Vec::new(),
        };
        let Some(path) = &typed.registry else { return Ok(eyes) };
        eyes.policy = match &typed.policy {
            Some(path) => build::policy_at(path, remote.s3.as_ref())?.policy,
            None if shown::is_masked(&run.policy) => {
                return Err(Error::usage("the policy on the manifest's run line has masked parts")
                    .help("name the policy that was used with --policy"));
            }
            None => policy_file::of_run_line(&run.policy)?,
        };
        eyes.schema = schema(typed, run)?;
        let mut options = build::registry_options(&typed.read, audit::time(&run.as_of)?)?;
        options.as_of_seq = Some(run.registry.seq);
        // Age is judged as of today, not as of the run.
        options.max_age = None;
        options.allow_empty = true;
        let registry = build::registry(path, &options, &remote.reading)?;
        let plan = Plan { needles: Arc::clone(&registry.needles), fields: Arc::new(eyes.policy.fields.clone()) };
        let engine: Box<dyn Engine> =
            if typed.fast { Box::new(Literal::new(&plan)?) } else { Box::new(Reference::new(&plan)) };
        eyes.masker = Some(Masker::new(&plan)?);
        eyes.new_since.clone_from(&registry.new_since);
        (eyes.registry, eyes.engine) = (Some(registry), Some(engine));
        Ok(eyes)
    }

    fn mask(&self, name: &[u8]) -> Vec<u8> {
        self.masker.as_ref().map_or_else(|| name.to_vec(), |masker| masker.mask(name))
    }

    fn with(
        &self,
        space: &Arc<TempSpace>,
        judge: &mut dyn FnMut(Option<&Search<'_>>, &audit::Mask<'_>) -> Result<()>,
    ) -> Result<()> {
        let mask = |name: &[u8]| self.mask(name);
        let (Some(registry), Some(engine)) = (&self.registry, &self.engine) else {
            return judge(None, &mask);
        };
        let ruling = Judge::new(&registry.needles, &self.policy.fields, None);
        let large = LargeSlot::new(self.limits.max_memory, 1);
        let stop = process::stop();
        let told = Told { given: self.schema.as_ref(), rows: false };
        let search = Search {
            engine: &**engine,
            needles: &registry.needles,
            judge: &ruling,
            policy: &self.policy,
            mask: &mask,
            detect: &told,
            limits: &self.limits,
            space,
            large: &large,
            crew: &crate::pool::Alone,
            second: true,
            format: self.format.as_deref(),
            codec: self.codec.as_deref(),
            levels: &[],
            interrupted: &stop,
            gate: None,
        };
        judge(Some(&search), &mask)
    }
}

/// The tables that the run was told of. By those of another file its artifacts are not judged: a manifest may have runs of many
/// nights, and the tables that one of them had may be gone.
fn schema(typed: &Verify, run: &Run) -> Result<Option<Ddl>> {
    let Some(sha256) = &run.schema_sha256 else { return Ok(None) };
    let given = typed.dumps.read()?.filter(|given| given.sha256() == sha256);
    if given.is_none() {
        let what =
            format!("unwrite: run {}: its --schema had the SHA-256 {sha256}; without it, dumps that", run.run_id);
        say(&format!("{what} need it cannot be read"));
    }
    Ok(given)
}

/// Closes the intents that a crash left open, if the manifest can be written. `current`: what the last lines were judged with.
fn settle_open(typed: &Verify, current: Option<Eyes>, limits: &Limits, remote: &Remote, stores: &Stores) -> Result<()> {
    let space = &remote.space;
    let opened = Opened::open(&typed.manifest_file, remote.s3.as_ref(), space);
    let opened = match opened.and_then(|opened| opened.claim(true).map(|()| opened)) {
        Ok(opened) => opened,
        Err(error) => {
            say(&format!("unwrite: open intents are not settled: {error}"));
            return Ok(());
        }
    };
    // Another run may have settled them and gone on since: what counts is what stands there under the lock.
    let mut now = Audit::default();
    let index = audit::index(&|| opened.text(), space, &mut now)?;
    let (Some(run), false) = (index.run.as_deref(), now.tampered()) else { return Ok(()) };
    let eyes = match current.filter(|eyes| eyes.run_id == run.run_id) {
        Some(eyes) => eyes,
        None => Eyes::new(typed, run, limits, remote)?,
    };
    let closed: Vec<_> =
        now.open.iter().filter_map(|intent| audit::settled(intent, &|name| eyes.mask(name), stores)).collect();
    if closed.is_empty() {
        return Ok(());
    }
    let (prev, end) = now.end;
    if now.torn {
        opened.cut(end)?;
    }
    let mut writer = Writer::new(Some(opened.journal(space)), prev, false, space);
    let count = closed.len();
    for line in closed {
        writer.artifact(line)?;
    }
    if let Err(error) = writer.sync() {
        say(&format!("unwrite: open intents are not settled: {error}"));
        return Ok(());
    }
    say(&format!("unwrite: {count} open intents settled"));
    Ok(())
}

fn text(found: &Audit, new_since: &[String], searched: bool) -> String {
    let mut out = String::new();
    for complaint in &found.complaints {
        let colon = if complaint.uri.is_empty() { "" } else { ": " };
        let _infallible = writeln!(out, "{}: {}{colon}{}", complaint.wrong.name(), complaint.uri, complaint.what);
    }
    let mut row = |what: &str, n: u64, unit: &str| {
        let _infallible = writeln!(out, "{what:>14} {n:>12} {unit}");
    };
    row("read", found.lines, "lines");
    row("compared", found.compared, "artifacts");
    if searched {
        row("searched", found.searched, "artifacts");
        row("new since", new_since.len() as u64, "subjects");
    }
    if found.attention > 0 {
        row("attention", found.attention, "artifacts were failed, partial, unsupported, skipped or held");
    }
    out
}
