//! The only file that names threads: list, fan out, collect.
//!
//! Artifacts are listed in batches of at most [`LIST_BATCH`], worked on largest first by `--jobs` workers, and their lines appended
//! to the manifest as they are done. Names of one inode wait until its first name is done. A signal stops workers between
//! windows; what was not committed stays as it was, and the run has no summary.

mod books;
mod bucket;
mod count;
mod crew;
mod ground;
mod names;
mod night;
mod purge;

mod stdin;
mod threads;
mod turns;
mod unclean;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::BufReader;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::blob::TempSpace;
use crate::detect::told::Told;
use crate::error::{Error, Kind, Result};
use crate::format::sql::ddl::Ddl;
use crate::job::{Job, MaxDropped, Mode, Verify};
use crate::judge::Judge;
use crate::judge::pseudonym::Key;
use crate::layer::{LargeSlot, Search};
use crate::limits::{LIST_BATCH, Limits, VERIFY_WINDOW};
use crate::manifest::journal::Opened;
use crate::manifest::writer::{self, Writer};
use crate::manifest::{Artifact, Line, RegistryLine, Run as RunLine, SCHEMA, Status, settle, shown};
use crate::matcher::literal::Literal;
use crate::matcher::mask::Masker;
use crate::matcher::reference::Reference;
use crate::matcher::{Engine, Plan};
use crate::policy::Policy;
use crate::progress::Progress;
use crate::registry::Registry;
use crate::scrub::{self, Blast, Outcome, Task};
use crate::since::At;
use crate::store::disk::{Disk, Filter, RootLock};
use crate::store::s3::S3;
use crate::store::{self, Listed, Object};
use crate::stores::{Buckets, Definitions, Dest, Listing, Own, Sources, Stores, Watches};
use crate::verify::{self, Blind};
pub use books::Report;
use books::{Books, summary};
pub use bucket::pace;
pub use count::Bytes;
use count::Counted;
use crew::Turnstile;
use names::Others;
pub use threads::Threads;
use turns::Turns;
use unclean::Unclean;

/// Inodes with several names whose line is remembered for the other names; past it they are read again.
const MAX_LINKED: usize = 1 << 16;
/// Small objects of buckets that are fetched before their turn: a request takes longer than a search.
const SOON: usize = 33;
/// What is always searched, as the run line names it; the policy's variants come after.
const SPELLINGS: [&str; 5] = ["raw", "percent", "json", "html", "qp"];

/// What a run is given besides its options.
pub struct Given<'g> {
    /// Who.
    pub registry: &'g Registry,
    /// Where that was read, as typed.
    pub registry_path: &'g Path,
    /// Reads it again as of an earlier point, for `--since`; `None` where it has no history.
    pub registry_at: Option<&'g At<'g>>,
    /// By which rules.
    pub policy: &'g Policy,
    /// For pseudonyms.
    pub key: Option<&'g Key>,
    /// Tables that dumps may not define themselves.
    pub schema: Option<&'g Ddl>,
    /// The one "now".
    pub now: Timestamp,
    /// Set by a signal.
    pub interrupted: &'g Arc<AtomicBool>,
    /// Told of what is done.
    pub progress: &'g dyn Progress,
    /// ULID of the run.
    pub run_id: &'g str,
    /// Temporary space, with the run's pace ([`space`]).
    pub space: &'g Arc<TempSpace>,
    /// Buckets, if any is named.
    pub s3: Option<&'g S3>,
}

/// The temporary space of a run over `job`, with its pace.
pub fn space(job: &Job, interrupted: &Arc<AtomicBool>) -> Arc<TempSpace> {
    TempSpace::paced(job.temp_dir.clone(), job.limits.max_temp, pace(job.bwlimit, interrupted))
}

/// Searches and scrubs everything that `job` names.
pub fn run(job: &Job, given: &Given<'_>) -> Result<Report> {
    let space = given.space;
    let plan = Plan { needles: Arc::clone(&given.registry.needles), fields: Arc::new(given.policy.fields.clone()) };
    let literal = Literal::new(&plan)?;
    let masker = Masker::of(&literal);
    let mask = |name: &[u8]| masker.mask(name);
    let judge = Judge::new(&given.registry.needles, &given.policy.fields, given.key);
    let large = LargeSlot::new(stdin::share(&job.mode, job.limits.max_memory), job.jobs);
    let told = Told { given: given.schema, rows: false };
    let (gate, crew) = (AtomicBool::new(false), Arc::new(Turnstile::new(job.jobs)));
    let search = Search {
        engine: &literal,
        needles: &given.registry.needles,
        judge: &judge,
        policy: given.policy,
        mask: &mask,
        detect: &told,
        limits: &job.limits,
        space,
        large: &large,
        crew: &*crew,
        second: false,
        format: job.format.as_deref(),
        codec: job.codec.as_deref(),
        levels: &job.levels,
        interrupted: given.interrupted,
        gate: (job.mode == Mode::Gate).then_some(&gate),
    };
    // The reference engine is built only where it is asked for.
    let reference = (job.verify == Verify::Paranoid).then(|| Reference::new(&plan));
    let limits = Limits { window: VERIFY_WINDOW, ..job.limits.clone() };
    let blind = Blind;
    let engines: Vec<&dyn Engine> = match job.verify {
        Verify::None => Vec::new(),
        Verify::Decode => vec![&blind],
        Verify::Full => vec![&literal],
        Verify::Paranoid => {
            vec![&literal as &dyn Engine].into_iter().chain(reference.as_ref().map(|r| r as _)).collect()
        }
    };
    let second: Vec<Search<'_>> =
        engines.into_iter().map(|engine| Search { engine, second: true, limits: &limits, ..copy(&search) }).collect();
    let second: Vec<&Search<'_>> = second.iter().collect();
    let stores = Stores::new(Disk::paced(Arc::clone(space.pace())), given.s3.cloned());
    let stores = stores.helped(Arc::<Turnstile>::clone(&crew));
    Fleet {
        job,
        given,
        search: &search,
        second: &second,
        space,
        stores: &stores,
        uri: &|path| masked(&search, path),
        plan: &plan,
        crew: &crew,
    }
    .go()
}

/// A search like another one: all its parts are references.
fn copy<'s>(search: &Search<'s>) -> Search<'s> {
    Search { ..*search }
}

fn masked(search: &Search<'_>, path: &Path) -> String {
    store::masked_uri(path.as_os_str().as_bytes(), search.mask)
}

/// A run on its way.
struct Fleet<'f> {
    job: &'f Job,
    given: &'f Given<'f>,
    search: &'f Search<'f>,
    second: &'f [&'f Search<'f>],
    space: &'f Arc<TempSpace>,
    stores: &'f Stores,
    uri: &'f (dyn Fn(&Path) -> String + Sync),
    plan: &'f Plan,
    crew: &'f Arc<Turnstile>,
}

impl Fleet<'_> {
    fn go(&self) -> Result<Report> {
        let (job, given) = (self.job, self.given);
        let mut report = Report { run_id: given.run_id.to_owned(), ..Report::default() };
        let sources = self.sources(&mut report.notes)?;
        let filter = Filter::new(&job.include, &job.exclude, job.min_age, std::time::SystemTime::now())?;
        let dest = match &job.mode {
            Mode::Output(dest) => Some(Dest::plan(dest.as_os_str(), &sources)?),
            _ => None,
        };
        let mut own = Own::default();
        job.own_files.iter().for_each(|path| own.add(path));
        let in_place = job.mode == Mode::InPlace;
        let locks = RootLock::take(&sources.disk, in_place)?;
        report.notes.extend(locks.notes.iter().map(|note| note.text().to_owned()));
        self.refuse_nothing(&sources, &filter, &own)?;
        let mut line = self.run_line(&report.run_id, &sources);
        self.probe(&sources, dest.as_ref(), &mut line, &mut report.notes)?;
        drop(self.owed_purges()?);
        let (since, fresh) = self.since(&mut line, &mut report.notes)?;
        let fresh = fresh.map(|needles| Plan { needles: Arc::new(needles), ..self.plan.clone() });
        let engine = fresh.as_ref().map(Literal::new).transpose()?;
        let judge = fresh.as_ref().map(|plan| Judge::new(&plan.needles, &given.policy.fields, given.key));
        let parts = fresh.as_ref().zip(engine.as_ref()).zip(judge.as_ref());
        let fresh =
            parts.map(|((plan, engine), judge)| Search { engine, needles: &plan.needles, judge, ..copy(self.search) });
        let manifest = self.open_manifest(line, &mut report, &mut own)?;
        let dest = dest.map(|dest| dest.beside(own.clone()));
        let manifest = Mutex::new(manifest);
        self.sweep(&sources, dest.as_ref(), &mut report);
        let left_over = report.troubled;
        let (blast, sums) = (Blast::new(job.max_dropped), scrub::sums::Ledger::default());
        let tables = Definitions::new(self.stores);
        let progress = Counted::new(given.progress);
        let run = scrub::Run {
            search: self.search,
            since: since.as_ref(),
            fresh: fresh.as_ref(),
            second: self.second,
            tables: &tables,
            stores: self.stores,
            mode: &job.mode,
            verify: job.verify,
            overwrite: job.overwrite,
            break_hardlinks: job.break_hardlinks,
            break_checksums: job.break_checksums,
            sums: &sums,
            blast: &blast,
            manifest: &manifest,
            progress: &progress,
        };
        if job.two_pass && !job.mode.is_dry() {
            self.first_pass(&sources, &filter, &own, &run)?;
        }
        let purges = job.purge_versions;
        let mut books = Books { report, subjects: HashSet::new(), unclean: Unclean::default(), purges };
        if let Some(name) = &job.stdin {
            let outcome = self.stdin(name, &run)?;
            if !outcome.interrupted {
                books.enter(&run, outcome.line, outcome.hit, false)?;
            }
        }
        self.batches(&sources, &filter, &own, dest.as_ref(), &run, &mut books)?;
        self.purge_owed(&sources, &filter, dest.as_ref(), &run, &mut books)?;
        let Books { mut report, subjects, mut unclean, .. } = books;
        report.subjects = subjects.len();
        report.bytes.read = progress.bytes();
        report.interrupted = given.interrupted.load(Ordering::Relaxed);
        // A gate that found something has not looked at the rest.
        if report.interrupted || left_over || report.found.is_some() {
            unclean.anybody();
        }
        report.oldest_unclean = unclean.oldest(given.registry);
        if !report.interrupted {
            let mut manifest = manifest.lock().unwrap_or_else(PoisonError::into_inner);
            let root = manifest.root()?;
            manifest.append(&Line::Summary(summary(&report, root)), true)?;
        } else if let Err(error) = manifest.lock().unwrap_or_else(PoisonError::into_inner).sync() {
            report.notes.push(format!("the manifest lacks its last lines: {error}"));
        }
        drop(locks);
        Ok(report)
    }

    fn sources(&self, notes: &mut Vec<String>) -> Result<Sources> {
        let mut sources = Sources { all_versions: self.job.all_versions, ..Sources::default() };
        for given in &self.job.sources {
            let named = |what: &dyn std::fmt::Display| Error::usage(format!("{}: {what}", (self.uri)(given)));
            match sources.add(given.as_os_str(), self.stores) {
                Ok(true) => {}
                Ok(false) if self.job.allow_no_source => notes.push(format!("no such SOURCE: {}", (self.uri)(given))),
                Ok(false) => return Err(named(&"a SOURCE does not exist")),
                Err(error) => return Err(error.as_usage(|error| named(error).to_string())),
            }
        }
        Ok(sources)
    }

    fn listing<'l>(&'l self, sources: &'l Sources, filter: &'l Filter, own: &'l Own) -> Listing<'l> {
        Listing::new(self.stores, sources, filter, own, self.job.all_versions)
    }

    /// A filter that leaves nothing is a slip (SPEC "Commands"): found before anything is touched.
    fn refuse_nothing(&self, sources: &Sources, filter: &Filter, own: &Own) -> Result<()> {
        // Links and own files are listed, but nothing of them is read.
        let quiet = |listed: &Listed| matches!(listed, Listed::Skipped { why, .. } if why.is_quiet());
        let stdin_alone = sources.is_empty() && self.job.stdin.is_some();
        if self.job.allow_no_source || stdin_alone || self.listing(sources, filter, own).any(|listed| !quiet(&listed)) {
            return Ok(());
        }
        Err(Error::usage("nothing is left to be read")
            .help("check SOURCE and the filters; --allow-no-source accepts it"))
    }

    /// Opens or continues the manifest, settles what a crash left open, and writes the run line.
    fn open_manifest(&self, line: RunLine, report: &mut Report, own: &mut Own) -> Result<Writer> {
        let job = self.job;
        let path = self.manifest_path();
        let mut writer = match &path {
            None => Writer::new(None, writer::FIRST_PREV.to_owned(), job.json, self.space),
            Some(path) => {
                let opened = Opened::open(path, self.stores.buckets(), self.space)?;
                own.add(path);
                self.continue_manifest(opened, report)?
            }
        };
        report.manifest = path.map(|path| self.shown(&path));
        writer.append(&Line::Run(Box::new(line)), true)?;
        Ok(writer)
    }

    /// Where the manifest is written.
    fn manifest_path(&self) -> Option<PathBuf> {
        match (&self.job.manifest, &self.job.mode) {
            (Some(path), _) => Some(path.clone()),
            (None, Mode::Scan | Mode::Gate | Mode::Filter) => None,
            (None, _) => Some(PathBuf::from(format!("unwrite-{}.manifest.jsonl", self.given.run_id))),
        }
    }

    fn continue_manifest(&self, opened: Opened, report: &mut Report) -> Result<Writer> {
        let mut reader = crate::manifest::reader::Reader::new(BufReader::new(opened.text()?));
        let mut open = settle::Open::default();
        let tampered = |error: Error| {
            Error::usage(format!("the manifest cannot be continued: {error}")).help("name another file with --manifest")
        };
        while let Some(read) = reader.next().map_err(tampered)? {
            open.follow(&read.line);
        }
        opened.claim(open.running)?;
        if reader.torn {
            opened.cut(reader.end)?;
        }
        let prev = reader.prev().to_owned();
        let mut writer = Writer::new(Some(opened.journal(self.space)), prev, self.job.json, self.space);
        for intent in open.intents() {
            let names = |name: &[u8]| (self.search.mask)(name);
            if let Some(line) = verify::audit::settled(intent, &names, self.stores) {
                self.note_versions(&line, report);
                writer.artifact(line)?;
            }
        }
        Ok(writer)
    }

    fn run_line(&self, run_id: &str, sources: &Sources) -> RunLine {
        let (job, given) = (self.job, self.given);
        let registry = given.registry;
        RunLine {
            schema: SCHEMA,
            run_id: run_id.to_owned(),
            tool: concat!("unwrite ", env!("CARGO_PKG_VERSION")).to_owned(),
            started_at: Timestamp::now().to_string(),
            as_of: given.now.to_string(),
            mode: job.mode.name().to_owned(),
            verify: job.verify.name().to_owned(),
            registry: RegistryLine {
                uri: (self.uri)(given.registry_path),
                sha256: registry.sha256.clone(),
                seq: registry.seq,
                in_force: registry.in_force,
                held: registry.held,
                pending: registry.pending,
                kind: registry.txt_type.map(|kind| kind.name().to_owned()),
            },
            policy: shown::masked(&given.policy.shown, &|text| (self.search.mask)(text)),
            sources: self.stdin_uri().chain(sources.places().map(|place| (self.uri)(&place))).collect(),
            searched: SPELLINGS
                .iter()
                .copied()
                .chain(given.policy.fields.variants.names())
                .map(str::to_owned)
                .collect(),
            format: job.format.clone(),
            codec: job.codec.clone(),
            schema_sha256: given.schema.map(|schema| schema.sha256().to_owned()),
            max_record: Some(job.limits.max_record),
            key: given.key.map(Key::id),
            since: Vec::new(),
            preconditions: BTreeMap::new(),
        }
    }

    /// `--two-pass`: finds everything first; if the run as a whole is over the blast radius nothing is committed.
    fn first_pass(&self, sources: &Sources, filter: &Filter, own: &Own, run: &scrub::Run<'_>) -> Result<()> {
        let Some(limit) = self.job.max_dropped else { return Ok(()) };
        let dry = scrub::Run { mode: &Mode::Scan, ..copy_run(run) };
        let (mut changed, mut read) = (0, 0);
        let mut listing = self.listing(sources, filter, own);
        let buckets = Buckets::of(self.stores);
        let mut watch = Watches::new(self.stores, buckets.as_ref());
        loop {
            let batch: Vec<Listed> = listing.by_ref().take(LIST_BATCH).collect();
            if batch.is_empty() {
                break;
            }
            let tasks = batch.into_iter().filter_map(|listed| match listed {
                Listed::Object(object) => self.task(object, None, &mut watch).ok(),
                _ => None,
            });
            self.fan_out(&largest_first(tasks.collect()), &dry, &mut |_, outcome| {
                let records = outcome.line.records.unwrap_or_default();
                let over = matches!(limit, MaxDropped::Percent(_))
                    && limit.exceeded(records.dropped + records.edited, records.read);
                if !over {
                    changed += records.dropped + records.edited;
                    read += records.read;
                }
                Ok(())
            })?;
        }
        run.blast.decide(limit.exceeded(changed, read));
        Ok(())
    }

    fn batches(
        &self,
        sources: &Sources,
        filter: &Filter,
        own: &Own,
        dest: Option<&Dest>,
        run: &scrub::Run<'_>,
        books: &mut Books,
    ) -> Result<()> {
        let mut listing = self.listing(sources, filter, own);
        let buckets = Buckets::of(self.stores);
        let (mut watch, mut turns) = (Watches::new(self.stores, buckets.as_ref()), Turns::default());
        let mut linked: HashMap<(u64, u64), (Artifact, bool)> = HashMap::new();
        loop {
            let batch: Vec<Listed> = listing.by_ref().take(LIST_BATCH).collect();
            if batch.is_empty() || self.halted() {
                return self.last_turns(&mut turns, run, books);
            }
            let (mut tasks, mut later, mut owed) = (Vec::new(), Vec::new(), Vec::new());
            turns.reach(&batch);
            for listed in batch {
                match listed {
                    Listed::Object(object) => match self.task(object, dest, &mut watch) {
                        Ok(task) => tasks.extend(if run.break_checksums { turns.keep(task) } else { Some(task) }),
                        // A request that a signal broke off is no failure of the artifact.
                        Err(_) if self.is_interrupted() => {}
                        Err(line) => books.enter(run, *line, false, false)?,
                    },
                    Listed::SameInode { object, first } => later.push((object, first)),
                    Listed::Skipped { shown, why } => {
                        let line = Artifact::new((self.uri)(&shown), Status::Skipped, Some(why.reason().to_owned()));
                        if why.is_quiet() {
                            books.enter_quietly(run, line)?;
                        } else {
                            books.enter(run, line, false, false)?;
                        }
                    }
                    Listed::Failed { .. } if self.is_interrupted() => {}
                    Listed::Failed { shown, error } => {
                        let line = Artifact::new((self.uri)(&shown), Status::Failed, Some(error.reason()));
                        books.enter(run, line, false, false)?;
                    }
                }
            }
            let bytes = tasks.iter().map(|task| task.object.identity.size()).sum();
            self.given.progress.expect(tasks.len() as u64, bytes);
            self.fan_out(&largest_first(tasks), run, &mut |task, outcome| {
                if outcome.interrupted {
                    return Ok(());
                }
                if task.object.links > 1 && self.job.mode != Mode::InPlace && linked.len() < MAX_LINKED {
                    let key = task.object.identity.inode();
                    linked.extend(key.map(|key| (key, (outcome.line.clone(), outcome.hit))));
                }
                owed.extend(self.owes(task, &outcome));
                books.enter(run, outcome.line, outcome.hit, outcome.locked)
            })?;
            self.purge(owed, run, books)?;
            let others = Others { dest, linked: &linked };
            self.others(later, &others, &mut watch, run, books)?;
            self.sums(&turns.ready(false), run, books)?;
        }
    }

    /// Whether nothing more is to be begun: a signal came, or a gate found something.
    fn halted(&self) -> bool {
        let found = self.search.gate.is_some_and(|gate| gate.load(Ordering::Relaxed));
        found || self.is_interrupted()
    }

    fn is_interrupted(&self) -> bool {
        self.given.interrupted.load(Ordering::Relaxed)
    }

    fn task(
        &self,
        object: Object,
        dest: Option<&Dest>,
        watch: &mut Watches<'_>,
    ) -> std::result::Result<Task, Box<Artifact>> {
        let target = dest.map(|dest| dest.target(&object)).transpose();
        match watch.judge(&object).and_then(|beside| Ok((beside, target?))) {
            Ok((beside, target)) => Ok(Task { object, target, beside }),
            Err(error) => {
                Err(Box::new(Artifact::new(object.uri(self.search.mask), Status::Failed, Some(error.reason()))))
            }
        }
    }

    /// Works on `tasks` by `--jobs` workers, in order; `take` gets each outcome, one at a time.
    fn fan_out(
        &self,
        tasks: &[Task],
        run: &scrub::Run<'_>,
        take: &mut (dyn FnMut(&Task, Outcome) -> Result<()> + Send),
    ) -> Result<()> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(self.job.jobs)
            .build()
            .map_err(|_| Error::new(Kind::Io, "threads cannot be started"))?;
        self.crew.expect(tasks.iter().map(|task| task.object.identity.size()).sum());
        let next = AtomicUsize::new(0);
        let taker = Mutex::new((take, None::<Error>));
        let stop = AtomicBool::new(false);
        let work = || {
            while !stop.load(Ordering::Relaxed) && !self.halted() {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(task) = tasks.get(at) else { return };
                // The one a step further than others were before; at the start all up to it.
                let soon = if at == 0 { 1..SOON } else { at + SOON - 1..at + SOON };
                // With `--since` most are not read at all.
                let soon = tasks.get(soon.start..soon.end.min(tasks.len())).filter(|_| run.since.is_none());
                let soon = soon.into_iter().flatten().filter(|task| task.beside.is_none());
                soon.for_each(|task| run.stores.soon(&task.object));
                let outcome = self.crew.lead(task.object.identity.size(), || scrub::scrub(task, run));
                run.progress.done();
                let mut taker = taker.lock().unwrap_or_else(PoisonError::into_inner);
                let (take, failed) = &mut *taker;
                if let Err(error) = take(task, outcome) {
                    *failed = Some(error);
                    stop.store(true, Ordering::Relaxed);
                }
            }
        };
        pool.scope(|scope| {
            for _ in 0..self.job.jobs.min(tasks.len()) {
                scope.spawn(|_| work());
            }
        });
        let (_, failed) = taker.into_inner().unwrap_or_else(PoisonError::into_inner);
        failed.map_or(Ok(()), Err)
    }
}

fn largest_first(mut tasks: Vec<Task>) -> Vec<Task> {
    tasks.sort_by_key(|task| std::cmp::Reverse(task.object.identity.size()));
    tasks
}

fn copy_run<'r>(run: &scrub::Run<'r>) -> scrub::Run<'r> {
    scrub::Run { ..*run }
}
