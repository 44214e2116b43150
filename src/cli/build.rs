//! What was typed → what is built: the config file's options become defaults, strings become a job.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use jiff::Timestamp;

use super::args::{Bounds, Manners, ReadRegistry, Say, VerifyLevel, Walk};
use super::compiled;
use super::reading::{self, Reading};
use super::s3;
use crate::config::policy_file::{self, File};
use crate::config::units::{duration, nearest, size};
use crate::detect;
use crate::error::{At, Error, Result};
use crate::job::{Job, Mode, Verify};
use crate::judge::pseudonym::Key;
use crate::limits::{BW_MIN, Limits};
use crate::matcher::Type;
use crate::registry::compiled::Compiled;
use crate::registry::{self, Form, Options, Registry};
use crate::since::{self, Then};
use crate::store::s3::{Place, S3};

/// The config file of a run.
#[derive(Debug, Default)]
pub struct Config {
    /// Where it was read, if there is one.
    pub path: Option<PathBuf>,
    /// What stands in it.
    pub file: File,
}

/// Reads the config file: `--config`, `UNWRITE_CONFIG`, else `./unwrite.toml` if it is there.
pub fn config(arguments: &[OsString]) -> Result<Config> {
    let path = match config_of(arguments) {
        Some(path) => Some(path),
        None => Some(PathBuf::from("unwrite.toml")).filter(|path| path.exists()),
    };
    let file = path.as_deref().map_or_else(|| Ok(policy_file::none()), policy_file::read)?;
    Ok(Config { path, file })
}

/// The config file that was typed, before anything else is parsed: its options are defaults of the rest.
fn config_of(arguments: &[OsString]) -> Option<PathBuf> {
    let mut rest = arguments.iter().skip(1);
    while let Some(argument) = rest.next() {
        if argument == "--" {
            break;
        }
        if argument == "--config" {
            return rest.next().map(PathBuf::from);
        }
        if let Some(value) = argument.to_str().and_then(|text| text.strip_prefix("--config=")) {
            return Some(PathBuf::from(value));
        }
    }
    std::env::var_os("UNWRITE_CONFIG").map(PathBuf::from)
}

/// What is said of one event or one look, never by default.
const NEVER: [&str; 10] =
    ["help", "version", "config", "reveal", "subject", "before", "until", "reason", "all_of", "as"];

/// Makes the options of the config file the defaults of every verb that has them.
pub fn with_defaults(mut command: Command, file: &File) -> Result<Command> {
    command.build();
    let mut known: Vec<String> = Vec::new();
    options(&command, &mut known);
    known.retain(|name| !NEVER.contains(&name.as_str()));
    for option in &file.options {
        if !known.contains(&option.name) {
            let near = nearest(&option.name, known.iter().map(String::as_str));
            let what =
                near.map_or("unknown option".to_owned(), |near| format!("unknown option; did you mean `{near}`?"));
            return Err(Error::usage(what).layer("config").at(At::Line(option.line)));
        }
    }
    Ok(defaults(flags(command), file))
}

/// The options of a verb and of the verbs below it, with underscores.
fn options(command: &Command, known: &mut Vec<String>) {
    known.extend(command.get_arguments().filter_map(named));
    for sub in command.get_subcommands() {
        options(sub, known);
    }
}

fn named(arg: &clap::Arg) -> Option<String> {
    arg.get_long().map(|long| long.replace('-', "_"))
}

/// Verbs about the program itself, whose options are none of a run.
const ASIDE: [&str; 3] = ["completions", "man", "help"];

/// Gives the options of a verb, and of the verbs below it, the file's values as defaults.
fn defaults(command: Command, file: &File) -> Command {
    if ASIDE.contains(&command.get_name()) {
        return command;
    }
    let command = command.mut_args(|arg| {
        let option = file.options.iter().find(|option| Some(&option.name) == named(&arg).as_ref());
        option.map_or(arg.clone(), |option| arg.default_values(option.values.clone()))
    });
    let verbs: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    verbs.into_iter().fold(command, |command, verb| command.mut_subcommand(verb, |sub| defaults(sub, file)))
}

/// Lets a flag's variable say `1`, `yes` or `on` as well as `true`.
fn flags(command: Command) -> Command {
    let command = command.mut_args(|arg| {
        if matches!(arg.get_action(), clap::ArgAction::SetTrue) {
            arg.value_parser(clap::builder::FalseyValueParser::new())
        } else {
            arg
        }
    });
    let verbs: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    verbs.into_iter().fold(command, |command, verb| command.mut_subcommand(verb, flags))
}

/// Which of two options that exclude each other was typed nearer to the user.
#[derive(Debug, Default)]
pub struct Typed {
    in_place: u8,
    output: u8,
}

impl Typed {
    /// Reads it off the matches: command line over variable over file.
    pub fn of(matches: &ArgMatches) -> Self {
        let rank = |id| match matches.value_source(id) {
            Some(ValueSource::CommandLine) => 3,
            Some(ValueSource::EnvVariable) => 2,
            Some(_) => 1,
            None => 0,
        };
        Self { in_place: rank("in_place"), output: rank("output") }
    }

    /// The mode of a scrub.
    pub fn mode(&self, in_place: bool, output: Option<&Path>) -> Result<Mode> {
        match (in_place, output) {
            (true, Some(_)) if self.in_place == self.output => {
                Err(Error::usage("--in-place and --output exclude each other"))
            }
            (true, Some(output)) if self.output > self.in_place => Ok(Mode::Output(output.to_owned())),
            (true, _) => Ok(Mode::InPlace),
            (false, Some(output)) => Ok(Mode::Output(output.to_owned())),
            (false, None) => Err(Error::usage("say where the result goes: --in-place, or --output DEST")),
        }
    }
}

/// Bounds of a run.
pub fn limits(bounds: &Bounds) -> Result<Limits> {
    let mut limits = Limits::default();
    let named = |option: &'static str, text: &Option<String>, into: &mut u64| -> Result<()> {
        if let Some(text) = text {
            *into = size(text).map_err(|error| Error::usage(format!("{option}: {error}")))?;
        }
        Ok(())
    };
    named("--max-memory", &bounds.max_memory, &mut limits.max_memory)?;
    named("--max-temp", &bounds.max_temp, &mut limits.max_temp)?;
    named("--max-decoded", &bounds.max_decoded, &mut limits.max_decoded)?;
    named("--max-record", &bounds.max_record, &mut limits.max_record)?;
    Ok(limits)
}

/// Workers: as typed, else the cores.
pub fn jobs(bounds: &Bounds) -> Result<usize> {
    match bounds.jobs {
        Some(0) => Err(Error::usage("--jobs must be at least 1")),
        Some(jobs) => Ok(jobs.min(1024)),
        None => Ok(cores()),
    }
}

/// The cores that there are, as far as is known.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A job with what `scan` and `scrub` share.
pub fn job(walk: &Walk, say: &Say, mode: Mode) -> Result<Job> {
    check_names(walk.format.as_deref(), walk.codec.as_deref())?;
    if walk.depth.all_versions && !mode.is_dry() {
        return Err(Error::usage("--all-versions is for scan and gate: what was replaced cannot be rewritten")
            .help("see --purge-versions"));
    }
    let min_age = walk.min_age.as_deref().map(duration).transpose();
    Ok(Job {
        mode,
        sources: walk.sources.clone(),
        stdin: None,
        no_spool: false,
        include: walk.include.clone(),
        exclude: walk.exclude.clone(),
        min_age: min_age.map_err(|error| Error::usage(format!("--min-age: {error}")))?,
        allow_no_source: walk.allow_no_source,
        all_versions: walk.depth.all_versions,
        purge_versions: false,
        overwrite: false,
        break_hardlinks: false,
        break_checksums: walk.break_checksums,
        verify: Verify::Full,
        max_dropped: None,
        two_pass: false,
        jobs: jobs(&walk.bounds)?,
        limits: limits(&walk.bounds)?,
        bwlimit: bwlimit(&walk.bounds.manners)?,
        temp_dir: walk.bounds.temp_dir.clone().unwrap_or_else(std::env::temp_dir),
        format: walk.format.clone(),
        codec: walk.codec.clone(),
        levels: Vec::new(),
        since: since::files(&walk.since, say.manifest.as_deref())?,
        manifest: say.manifest.clone(),
        json: say.json,
        quiet: say.quiet,
        progress: reading::progress(say.progress),
        own_files: Vec::new(),
    })
}

/// `--format` and `--codec`.
fn check_names(format: Option<&str>, codec: Option<&str>) -> Result<()> {
    let is_read = |row: &detect::Row| row.state == detect::State::Read;
    let known = |kind: &str| {
        let rows = detect::names().into_iter().filter(is_read);
        rows.filter(|row| row.kind == kind).map(|row| row.name).collect::<Vec<_>>()
    };
    check_name("--format", format, &known("records"))?;
    let mut codecs = known("codec");
    codecs.push("none");
    check_name("--codec", codec, &codecs)
}

/// `--bwlimit`, bytes a second.
pub fn bwlimit(manners: &Manners) -> Result<Option<u64>> {
    let rate = manners.bwlimit.as_deref().map(|text| size(text.trim_end_matches("/s"))).transpose();
    let rate = rate.map_err(|error| Error::usage(format!("--bwlimit: {error}")))?;
    match rate {
        Some(rate) if rate < BW_MIN => Err(Error::usage("--bwlimit must be at least 64KiB")),
        rate => Ok(rate),
    }
}

/// Words of an option are checked against what there is; the value itself is not echoed.
fn check_name(option: &str, value: Option<&str>, known: &[&str]) -> Result<()> {
    match value {
        Some(value) if !known.contains(&value) => {
            Err(Error::usage(format!("{option}: expected one of: {}", known.join(", "))))
        }
        _ => Ok(()),
    }
}

/// `--level CODEC=N`.
pub fn levels(typed: &[String]) -> Result<Vec<(String, i32)>> {
    let bad = || Error::usage("--level: expected CODEC=N such as gzip=6, zstd=3, bzip2=9 or xz=6");
    typed
        .iter()
        .map(|text| {
            let (codec, level) = text.split_once('=').ok_or_else(bad)?;
            let range = match codec {
                "gzip" | "bzip2" => 1..=9,
                "zstd" => -7..=22,
                "xz" => 0..=9,
                "lz4" | "snappy" => return Err(Error::usage("--level: lz4 and snappy have no levels")),
                _ => return Err(bad()),
            };
            let level = level.parse().ok().filter(|level| range.contains(level)).ok_or_else(bad)?;
            Ok((codec.to_owned(), level))
        })
        .collect()
}

/// `--verify`.
pub fn verify(level: VerifyLevel) -> Verify {
    match level {
        VerifyLevel::Paranoid => Verify::Paranoid,
        VerifyLevel::Full => Verify::Full,
        VerifyLevel::Decode => Verify::Decode,
        VerifyLevel::None => Verify::None,
    }
}

/// The options with which a registry is read.
pub fn registry_options(typed: &ReadRegistry, now: Timestamp) -> Result<Options> {
    let mut options = Options::new(now);
    options.allow_short = typed.allow_short;
    options.allow_empty = typed.allow_empty_registry;
    options.txt_type = value_type(typed.kind.as_deref())?;
    let age = typed.max_registry_age.as_deref().map(duration).transpose();
    options.max_age = age.map_err(|error| Error::usage(format!("--max-registry-age: {error}")))?;
    options.min_seq = typed.min_registry_seq;
    Ok(options)
}

/// `--type`.
pub fn value_type(typed: Option<&str>) -> Result<Option<Type>> {
    let names = Type::ALL.map(Type::name).join(", ");
    let unknown = || Error::usage(format!("--type: expected one of: {names}"));
    typed.map(|kind| Type::from_name(kind).ok_or_else(unknown)).transpose()
}

/// Reads the registry at `path`, or opens it if it is a compiled one.
pub fn registry(path: &Path, options: &Options, reading: &Reading) -> Result<Registry> {
    if Compiled::is(path) {
        s3::on_disk("a compiled registry", Some(path))?;
        return compiled::registry(path, options, reading).map_err(|error| error.layer("registry"));
    }
    plain(path, options, reading)
}

/// Reads the registry at `path`.
pub fn plain(path: &Path, options: &Options, reading: &Reading) -> Result<Registry> {
    let form = Form::of(path)?;
    if let Some((input, mtime)) = reading.fetched(options.now) {
        return registry::read_by(&reading.pool(), input, form, mtime, options)
            .map_err(|error| error.layer("registry"));
    }
    s3::on_disk("the registry", Some(path))?;
    let (file, mtime) = open(path, form, options.now)?;
    let bytes = file.metadata().map_or(0, |meta| meta.len());
    let input = reading.input(file, bytes);
    registry::read_by(&reading.pool(), input, form, mtime, options).map_err(|error| error.layer("registry"))
}

/// Opens the registry at `path`; with its mtime.
pub fn open(path: &Path, form: Form, now: Timestamp) -> Result<(std::fs::File, Timestamp)> {
    let (file, meta) = regular(path)?;
    let mtime = meta.modified().ok().and_then(|time| Timestamp::try_from(time).ok()).unwrap_or(now);
    if form == Form::Jsonl {
        settle(&file);
    }
    Ok((file, mtime))
}

/// Opens a registry's file. One that is no regular file is not opened: a pipe would wait for its writer.
pub fn regular(path: &Path) -> Result<(std::fs::File, std::fs::Metadata)> {
    let cannot = |e: &std::io::Error| Error::usage(format!("cannot read the registry: {}", e.kind()));
    let there = std::fs::metadata(path).map_err(|e| cannot(&e))?;
    if !there.is_file() {
        return Err(Error::usage("the registry is not a regular file"));
    }
    let file = std::fs::File::open(path).map_err(|e| cannot(&e))?;
    let meta = file.metadata().map_err(|e| cannot(&e))?;
    Ok((file, meta))
}

/// Reads the registry at `path` again, as an earlier run saw it. Age and emptiness are judged as of today.
pub fn registry_at(path: &Path, typed: &ReadRegistry, then: Then<'_>, reading: &Reading) -> Result<Registry> {
    let mut options = registry_options(typed, then.as_of)?;
    options.as_of_seq = Some(then.seq);
    options.as_of_sha256 = Some(then.sha256.to_owned());
    (options.max_age, options.min_seq, options.allow_empty) = (None, None, true);
    registry(path, &options, reading)
}

/// Waits a moment for whoever appends to the log, with a shared lock until `file` is closed. Without the lock (another
/// program has it, the file system has none) a line may be half there, which is refused as it is read.
fn settle(file: &std::fs::File) {
    const PAUSES: u32 = 100;
    for _ in 0..PAUSES {
        match rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockShared) {
            Err(rustix::io::Errno::AGAIN) => std::thread::sleep(std::time::Duration::from_millis(20)),
            _ => return,
        }
    }
}

/// Reads the policy file at `path`, on disk or in a bucket.
pub fn policy_at(path: &Path, s3: Option<&S3>) -> Result<File> {
    use std::os::unix::ffi::OsStrExt;
    let (Some(place), Some(s3)) = (Place::parse(path.as_os_str().as_bytes()), s3) else {
        return policy_file::read(path);
    };
    let (bytes, _) = s3
        .get_small(&place?, policy_file::MAX_BYTES)
        .map_err(|error| error.as_usage(|error| format!("cannot read the policy file: {error}")))?;
    policy_file::parse(&bytes)
}

/// The policy that applies: `--policy` replaces identifiers, rules and foreign keys of the config file.
pub fn policy(typed: Option<&Path>, config: Config, s3: Option<&S3>) -> Result<(File, Vec<PathBuf>)> {
    let mut own: Vec<PathBuf> = config.path.into_iter().collect();
    match typed {
        Some(path) => {
            own.push(path.to_owned());
            Ok((policy_at(path, s3)?, own))
        }
        None => Ok((config.file, own)),
    }
}

/// The key of `--key-file`, which a policy with pseudonyms must have.
pub fn key(path: Option<&Path>, wanted: bool) -> Result<Option<Key>> {
    match path {
        Some(path) => {
            let meta = std::fs::metadata(path);
            if meta.is_ok_and(|meta| meta.len() > 1 << 20) {
                return Err(Error::usage("the key file is larger than 1 MiB"));
            }
            let bytes =
                std::fs::read(path).map_err(|e| Error::usage(format!("cannot read the key file: {}", e.kind())))?;
            Key::new(bytes).map(Some)
        }
        None if wanted => Err(Error::usage("the policy asks for pseudonyms").help("give a key with --key-file")),
        None => Ok(None),
    }
}

/// `--name`.
pub fn stdin_name(typed: Option<&std::ffi::OsStr>) -> Result<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt;
    match typed.map(OsStrExt::as_bytes) {
        None => Ok(crate::filter::NAME.as_bytes().to_vec()),
        Some(name) if name.is_empty() || name.starts_with(b"/") => {
            Err(Error::usage("--name: expected a name, or a path below a SOURCE"))
        }
        Some(name) => Ok(name.to_vec()),
    }
}
