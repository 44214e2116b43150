//! The command line: what was typed becomes a job, the job's report becomes words and an exit code.
//!
//! [`main`] is the whole program: it makes the process safe (no core dumps, a panic hook that prints the place only, signals that
//! set a flag), parses, runs a verb, and returns the exit code. Each verb is a file.

pub mod args;
mod audit;
mod bar;
mod build;
mod compiled;
mod filter;
mod gate;
mod metrics;
mod pages;
mod process;
mod reading;
mod registry;
mod s3;
mod scrub;
mod summary;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use crate::error::{Error, Kind, Result};
use args::{Cli, Verb};
use metrics::Meter;

/// Exit codes, the highest in this order wins (SPEC "Exit codes").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Nothing to do, or all done.
    Ok = 0,
    /// Found.
    Found = 1,
    /// Usage or configuration; nothing touched.
    Usage = 2,
    /// Something needs a look.
    Trouble = 3,
    /// Another run holds an artifact.
    Locked = 4,
    /// SIGINT.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// The program.
pub fn main() -> ExitCode {
    process::harden();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match run(&arguments) {
        Ok(exit) => exit.into(),
        Err(error) => {
            say(&format!("unwrite: {error}"));
            exit_of(&error).into()
        }
    }
}

/// The exit code of a run that ended with `error`.
fn exit_of(error: &Error) -> Exit {
    match error.kind() {
        Kind::Locked => Exit::Locked,
        Kind::Interrupted => process::interrupted(),
        Kind::Usage => Exit::Usage,
        _ => Exit::Trouble,
    }
}

/// Writes a line to stderr; a closed stderr is no reason to stop.
fn say(line: &str) {
    use std::io::Write;
    let _closed = writeln!(std::io::stderr().lock(), "{line}");
}

/// Writes to stdout; a reader that went away (`| head`) is the end of output, not a failure.
fn print(text: &str) -> Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::io("writing to stdout", &error)),
        _ => Ok(()),
    }
}

fn run(arguments: &[OsString]) -> Result<Exit> {
    let config = build::config(arguments)?;
    let command = build::with_defaults(Cli::command(), &config.file)?;
    let matches = match command.try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => {
            let _closed = error.print();
            return Ok(Exit::Ok);
        }
        Err(error) => return Err(refusal(&error)),
    };
    let cli = Cli::from_arg_matches(&matches).map_err(|_| Error::usage("the arguments cannot be read"))?;
    let sub = matches.subcommand().map(|(_, sub)| sub);
    match cli.verb {
        Verb::Scan(scan) => {
            process::logging(scan.say.verbose);
            process::step_back(&scan.walk.bounds.manners);
            let mut meter = Meter::start("scan", &scan.monitoring)?;
            let result = scrub::scan(&scan, config, &mut meter);
            meter.finish(result)
        }
        Verb::Scrub(scrub) => {
            process::logging(scrub.say.verbose);
            let typed = sub.map(build::Typed::of).unwrap_or_default();
            process::step_back(&scrub.walk.bounds.manners);
            let mut meter = Meter::start("scrub", &scrub.monitoring)?;
            let result = scrub::scrub(&scrub, &typed, config, &mut meter);
            meter.finish(result)
        }
        Verb::Filter(filter) => {
            process::logging(filter.say.verbose);
            let asked = sub.and_then(|sub| sub.value_source("json"));
            process::step_back(&filter.bounds.manners);
            let mut meter = Meter::start("filter", &filter.monitoring)?;
            let json = asked == Some(clap::parser::ValueSource::CommandLine);
            let result = filter::filter(*filter, json, config, &mut meter);
            meter.finish(result)
        }
        Verb::Gate(gate) => {
            process::logging(gate.say.verbose);
            process::step_back(&gate.walk.bounds.manners);
            let mut meter = Meter::start("gate", &gate.monitoring)?;
            let result = gate::gate(&gate, config, &mut meter);
            meter.finish(result)
        }
        Verb::Verify(verify) => {
            process::logging(verify.say.verbose);
            process::step_back(&verify.bounds.manners);
            audit::verify(&verify, config)
        }
        Verb::Registry(verb) => registry::run(&verb, config),
        Verb::Completions { shell } => pages::completions(shell),
        Verb::Man(man) => pages::man(&man),
    }
}

/// What the parser refuses, without the value that stood there: it may be somebody's, pasted into an option or the config file.
fn refusal(error: &clap::Error) -> Error {
    use clap::error::{ContextKind, ErrorKind};
    let context = |kind| error.get(kind).map(ToString::to_string);
    let plain = |text: &String| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let near = |kind| context(kind).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    let argument = context(ContextKind::InvalidArg);
    let what = match error.kind() {
        ErrorKind::UnknownArgument => {
            let named = argument.filter(plain).map_or_else(String::new, |argument| format!(" `{argument}`"));
            format!("unknown argument{named}{}", near(ContextKind::SuggestedArg))
        }
        ErrorKind::InvalidSubcommand => format!("unknown verb{}", near(ContextKind::SuggestedSubcommand)),
        ErrorKind::MissingRequiredArgument => format!("missing: {}", argument.unwrap_or_default()),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "no verb".to_owned(),
        _ => {
            let valid = context(ContextKind::ValidValue).filter(|valid| !valid.is_empty());
            let valid = valid.map_or_else(String::new, |valid| format!("; expected one of: {valid}"));
            format!("invalid value for {}{valid}", argument.unwrap_or_else(|| "an option".to_owned()))
        }
    };
    Error::usage(what).help("see `unwrite --help`")
}
