//! `registry …`: what reads a registry, and what appends to one.

mod input;
mod look;
mod write;

use super::args::Registry;
use super::build::Config;
use super::{Exit, build, compiled, print, process, say};
use crate::error::Result;

/// What stands below the help of `registry add`.
pub const ADD_HELP: &str = "\
FILE or stdin has one value a line (# comments; the type by its look, or --type), or is a .csv or .tsv with a header (type,value,\
subject,effective_at), or JSON Lines: {\"subject\":\"sub_01\",\"identifiers\":[{\"type\":\"email\",\"value\":\"…\"}]}. Without \
--subject each bare value is a person of its own, called L<line>. Nothing is written if anything is wrong.";

/// Runs the verb.
pub fn run(verb: &Registry, config: Config) -> Result<Exit> {
    process::logging(match verb {
        Registry::Check(file) => file.verbose,
        Registry::List(list) => list.file.verbose,
        Registry::Compile(typed) => typed.file.verbose,
        _ => 0,
    });
    match verb {
        Registry::Check(file) => look::check(file, config),
        Registry::List(list) => look::list(list),
        Registry::Compile(typed) => compiled::compile(typed),
        Registry::Add(add) => write::add(add),
        Registry::Import(import) => write::import(import),
        Registry::Cancel(mark) => write::cancel(mark),
        Registry::Hold(hold) => write::hold(hold),
        Registry::Release(mark) => write::release(mark),
    }
}
