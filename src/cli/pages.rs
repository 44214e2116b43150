//! `completions` and `man`: made from the argument types, so that they know every option.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use clap::{Command, CommandFactory};

use super::args::{Cli, EXIT_CODES, Man};
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
    let mut command = Cli::command().disable_help_subcommand(true);
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
    let page = clap_mangen::Man::new(command.clone());
    let mut out = Vec::new();
    sections(command, name, &page, &mut out).map_err(|_| Error::new(Kind::Io, "a page cannot be made"))?;
    // An empty line between two breaks: one that man-db and mandoc agree on.
    let text = String::from_utf8_lossy(&out).replace(".br\n\n.br\n", ".sp\n");
    Ok(text.into_bytes())
}

fn sections(command: &Command, name: &str, page: &clap_mangen::Man, out: &mut Vec<u8>) -> std::io::Result<()> {
    let title = name.to_uppercase();
    writeln!(out, ".TH {} 1 {DATE} \"unwrite {}\" \"User Commands\"", roff(&title), env!("CARGO_PKG_VERSION"))?;
    writeln!(out, ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '")?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    page.render_options_section(out)?;
    if command.has_subcommands() {
        page.render_subcommands_section(out)?;
    }
    let notes = command.get_after_help().map(ToString::to_string).filter(|_| command.get_name() != "unwrite");
    if let Some(notes) = notes {
        writeln!(out, ".SH NOTES\n{}", roff(&notes))?;
    }
    if !ASIDE.contains(&command.get_name()) {
        writeln!(out, ".SH EXIT STATUS\nThe highest in the order 130 or 143, 2, 4, 3, 1, 0 wins.")?;
        let codes = EXIT_CODES.strip_prefix("Exit codes: ").unwrap_or(EXIT_CODES);
        for code in codes.split(" · ") {
            let tag = code.find(|c: char| c.is_ascii_alphabetic()).unwrap_or_default();
            let (tag, text) = code.split_at_checked(tag).unwrap_or_default();
            writeln!(out, ".TP\n{}\n{}", roff(tag.trim()), roff(text))?;
        }
        writeln!(out, ".SH FILES\n.TP\n\\&./unwrite.toml\n{}", roff(CONFIG))?;
    }
    let above =
        if name == "unwrite" { "unwrite\\-scan(1), unwrite\\-scrub(1), unwrite\\-verify(1)" } else { "unwrite(1)" };
    writeln!(out, ".SH SEE ALSO\n{above}")
}

/// Of this version's words: constant, so that its pages are the same wherever they are made.
const DATE: &str = "2026-11-22";
/// Pages of these say nothing of a run.
const ASIDE: [&str; 2] = ["completions", "man"];
const CONFIG: &str = "Config file, read if it is there and --config names no other: the policy, and under [options] every long option with \
    underscores for dashes. A variable UNWRITE_... wins over it, the command line over both.";

/// Text of one paragraph as roff.
fn roff(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace(['\r', '\n'], " ")
}

fn put(text: &[u8]) -> Result<Exit> {
    print(&String::from_utf8_lossy(text))?;
    Ok(Exit::Ok)
}
