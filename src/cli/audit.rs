//! `verify`: the manifest, the artifacts, and with a registry the people.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use super::args::Verify;
use super::build::{self, Config};
use super::{Exit, print, process, say};
use crate::blob::TempSpace;
use crate::config::policy_file;
use crate::detect::TABLES;
use crate::error::{Error, Result};
use crate::judge::Judge;
use crate::layer::{LargeSlot, Search};
use crate::limits::{Limits, VERIFY_WINDOW};
use crate::manifest::writer::{self, Writer};
use crate::manifest::{Run, settle};
use crate::matcher::literal::Literal;
use crate::matcher::mask::Masker;
use crate::matcher::reference::Reference;
use crate::matcher::{Engine, Plan};
use crate::policy::Policy;
use crate::registry::Registry;
use crate::verify::audit::{self, Audit};

/// `unwrite verify`.
pub fn verify(typed: &Verify, config: Config) -> Result<Exit> {
    let limits = Limits { window: VERIFY_WINDOW, ..build::limits(&typed.bounds)? };
    let temp = typed.bounds.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
    let space = TempSpace::new(temp, limits.max_temp);
    drop(config);
    let mut found = Audit::default();
    let index = audit::index(&typed.manifest_file, &space, &mut found)?;
    let mut judges: HashMap<String, Eyes> = HashMap::new();
    let mut new_since: Vec<String> = Vec::new();
    audit::each(&typed.manifest_file, &index, &mut |run, line| {
        if !judges.contains_key(&run.run_id) {
            let eyes = Eyes::new(typed, run)?;
            new_since.clone_from(&eyes.new_since);
            judges.insert(run.run_id.clone(), eyes);
        }
        let Some(eyes) = judges.get(&run.run_id) else { return Ok(()) };
        eyes.with(&limits, &space, &mut |search, mask| audit::judge(run, line, search, mask, &mut found))
    })?;
    settle_open(typed, &found, &space)?;
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

/// What one run of the manifest is judged with.
struct Eyes {
    registry: Option<Registry>,
    policy: Policy,
    engine: Option<Box<dyn Engine>>,
    masker: Option<Masker>,
    new_since: Vec<String>,
}

impl Eyes {
    fn new(typed: &Verify, run: &Run) -> Result<Self> {
        let policy = match &typed.policy {
            Some(path) => policy_file::read(path)?.policy,
            None => policy_file::of_run_line(&run.policy)?,
        };
        let Some(path) = &typed.registry else {
            return Ok(Self { registry: None, policy, engine: None, masker: None, new_since: Vec::new() });
        };
        let mut options = build::registry_options(&typed.read, audit::time(&run.as_of)?)?;
        options.as_of_seq = Some(run.registry.seq);
        // Age is judged as of today, not as of the run.
        options.max_age = None;
        options.allow_empty = true;
        let registry = build::registry(path, &options)?;
        let plan = Plan { needles: Arc::clone(&registry.needles), fields: Arc::new(policy.fields.clone()) };
        let engine: Box<dyn Engine> =
            if typed.fast { Box::new(Literal::new(&plan)?) } else { Box::new(Reference::new(&plan)) };
        let masker = Masker::new(&plan)?;
        let new_since = registry.new_since.clone();
        Ok(Self { registry: Some(registry), policy, engine: Some(engine), masker: Some(masker), new_since })
    }

    fn with(
        &self,
        limits: &Limits,
        space: &Arc<TempSpace>,
        judge: &mut dyn FnMut(Option<&Search<'_>>, &audit::Mask<'_>) -> Result<()>,
    ) -> Result<()> {
        let mask = |name: &[u8]| self.masker.as_ref().map_or_else(|| name.to_vec(), |masker| masker.mask(name));
        let (Some(registry), Some(engine)) = (&self.registry, &self.engine) else {
            return judge(None, &mask);
        };
        let ruling = Judge::new(&registry.needles, &self.policy.fields, None);
        let large = LargeSlot::new(limits.max_memory, 1);
        let stop = process::stop();
        let search = Search {
            engine: &**engine,
            needles: &registry.needles,
            judge: &ruling,
            policy: &self.policy,
            mask: &mask,
            detect: &TABLES,
            limits,
            space,
            large: &large,
            second: true,
            format: None,
            codec: None,
            levels: &[],
            interrupted: &stop,
        };
        judge(Some(&search), &mask)
    }
}

/// Closes the intents that a crash left open, if the manifest can be written.
fn settle_open(typed: &Verify, found: &Audit, space: &Arc<TempSpace>) -> Result<()> {
    let tampered = found.complaints.iter().any(|complaint| complaint.wrong == audit::Wrong::Tampered);
    if found.open.is_empty() || tampered {
        return Ok(());
    }
    let file = match writer::open(&typed.manifest_file) {
        Ok(file) => file,
        Err(error) => {
            say(&format!("unwrite: open intents are not settled: {error}"));
            return Ok(());
        }
    };
    let (prev, end) = &found.end;
    file.set_len(*end).map_err(|e| Error::io("cutting a torn line off the manifest", &e))?;
    let mut writer = Writer::new(Some(file), prev.clone(), false, space);
    for intent in &found.open {
        let plain = |name: &[u8]| name.to_vec();
        let digest = audit::digest_of(&intent.uri, intent.output.as_deref(), intent.identity.as_ref(), &plain);
        writer.artifact(settle::close(intent, digest.as_ref()))?;
    }
    say(&format!("unwrite: {} open intents settled", found.open.len()));
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
