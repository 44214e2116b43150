//! `completions` and `man`: made from the argument types, so that they know every option.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use clap::{Command, CommandFactory};

use super::args::{Cli, Man};
use super::{Exit, print};
use crate::error::{Error, Kind, Result};

/// `unwrite completions SHELL`.
pub fn completions(shell: clap_complete::Shell) -> Result<Exit> {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "unwrite", &mut out);
    put(&out)
}

/// `unwrite man`: the main page on stdout, or every page into a folder.
pub fn man(typed: &Man) -> Result<Exit> {
    let mut command = Cli::command();
    command.build();
    let Some(folder) = &typed.output else {
        return put(&page(&command, "unwrite")?);
    };
    std::fs::create_dir_all(folder).map_err(|e| Error::io("making the folder", &e))?;
    each(&command, "unwrite", folder)?;
    Ok(Exit::Ok)
}

/// Writes the page of `command`, called `name`, and those of the verbs below it.
fn each(command: &Command, name: &str, folder: &Path) -> Result<()> {
    let path = folder.join(format!("{name}.1"));
    let text = page(command, name)?;
    File::create(path).and_then(|mut file| file.write_all(&text)).map_err(|e| Error::io("writing a page", &e))?;
    command
        .get_subcommands()
        .filter(|verb| verb.get_name() != "help")
        .try_for_each(|verb| each(verb, &format!("{name}-{}", verb.get_name()), folder))
}

/// One page in roff.
fn page(command: &Command, name: &str) -> Result<Vec<u8>> {
    let page = clap_mangen::Man::new(command.clone().disable_help_subcommand(true))
        .title(name.to_uppercase())
        .source(concat!("unwrite ", env!("CARGO_PKG_VERSION")))
        .manual("User Commands");
    let mut out = Vec::new();
    page.render(&mut out).map_err(|_| Error::new(Kind::Io, "a page cannot be made"))?;
    Ok(out)
}

fn put(text: &[u8]) -> Result<Exit> {
    print(&String::from_utf8_lossy(text))?;
    Ok(Exit::Ok)
}
