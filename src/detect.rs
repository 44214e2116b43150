//! What a stream is: the tables of codecs, containers and record formats, joined.
//!
//! First fit (SPEC "Detection"): an outermost codec that the command line names; binary layers by their magic; a name that says
//! a codec, container or store that the content is not is a mismatch; UTF-16 by mark or pattern; the record format that the
//! command line names (rows of `mysqldump --tab` before UTF-16); the journal's export, whose values may be no text; what is no text is unknown; then the text formats in the SPEC's order ([`text`]). What is known but
//! not read is `unsupported` by its name ([`known`]), and never taken for text. Nothing here reads beyond the head.

pub mod beside;
pub mod known;
pub mod text;
pub mod told;

use crate::codec::utf16;
use crate::container;
use crate::format::{self, Format, journal};
use crate::layer::bundle::Bundler;
use crate::layer::coded::{Codec, CodecLayer, strip_suffix_fold};
use crate::layer::{Detect, Fit, Hint, Layer};
use known::{KNOWN, Known, LATER};
use text::Choice;

/// What can be told apart.
pub struct Tables {
    /// Codecs, in the order in which they are tried.
    pub codecs: &'static [&'static CodecLayer],
    /// Containers, built in or known.
    pub containers: &'static [container::Known],
    /// Record formats.
    pub formats: &'static [Format],
}

/// What this build can tell apart.
pub static TABLES: Tables =
    Tables { codecs: crate::codec::TABLE, containers: container::KNOWN, formats: format::TABLE };

impl Detect for Tables {
    fn detect(&self, head: &[u8], whole: bool, hint: &Hint<'_>) -> Fit {
        match hint.codec {
            None | Some("none") => {}
            Some(name) => return self.codec_named(name),
        }
        let plain = hint.codec.is_some();
        let looks = self.binary(head, whole, plain);
        if let Some(says) = says(hint.name).filter(|says| !(plain && says.kind == "codec"))
            && looks.map(|(name, _)| name) != Some(says.name)
        {
            return self.only_named(says, head, whole);
        }
        if let Some((_, fit)) = looks {
            return fit;
        }
        // Rows may hold any bytes.
        if hint.format == Some(format::sql::TAB) {
            return self.format_named(format::sql::TAB);
        }
        if let Some(name) = text::wide(head) {
            return if text::is_sixteen(head, whole) { Fit::Layer(&utf16::LAYER) } else { Fit::Unsupported(name) };
        }
        if known::is_opaque(head) {
            return Fit::Unknown;
        }
        if let Some(name) = hint.format {
            return self.format_named(name);
        }
        if journal::is_export(head) {
            return self.format_named("journal");
        }
        // Rows may hold any bytes.
        if format::sql::is_marked(head) {
            return self.format_named(format::sql::NAME);
        }
        if format::sql::is_xml(head) {
            return Fit::Unsupported(known::MYSQL_XML);
        }
        if !text::is_text(head, whole) {
            return if known::names_encrypted(hint.name) { Fit::Unsupported(known::ENCRYPTED) } else { Fit::Unknown };
        }
        match text::choose(head, whole, hint) {
            Choice::Format(name) => self.format_named(name),
            Choice::Unsupported(name) => Fit::Unsupported(name),
        }
    }

    fn format(&self, name: &str) -> Option<&'static dyn Layer> {
        self.formats.iter().find(|format| format.name() == name).map(|format| format.layer)
    }

    fn bundler(&self) -> Option<&'static dyn Bundler> {
        container::BUNDLER
    }

    fn codec_layer(&self, name: &str) -> Option<&'static dyn Layer> {
        self.codecs.iter().find(|codec| codec.0.name() == name).map(|codec| *codec as &'static dyn Layer)
    }

    fn codec(&self, name: &str) -> Option<&'static dyn Codec> {
        self.codecs.iter().find(|codec| codec.0.name() == name).map(|codec| codec.0)
    }
}

impl Tables {
    /// The layer whose magic `head` has, with its name; `plain`: no codec is asked for.
    fn binary(&self, head: &[u8], whole: bool, plain: bool) -> Option<(&'static str, Fit)> {
        if let Some(codec) = self.codecs.iter().find(|codec| !plain && codec.0.sniff(head)) {
            return Some((codec.0.name(), Fit::Layer(*codec)));
        }
        if let Some(known) = self.containers.iter().find(|known| (known.sniff)(head, whole)) {
            return Some((known.name, container(known)));
        }
        let known = KNOWN.iter().find(|known| (known.sniff)(head) && !(plain && known.kind == "codec"))?;
        Some((known.name, Fit::Unsupported(known.name)))
    }

    /// A stream that has the name of `says` and not its magic: an empty archive, or something else.
    fn only_named(&self, says: &Known, head: &[u8], whole: bool) -> Fit {
        match self.containers.iter().find(|known| known.name == says.name) {
            Some(known) if (known.named)(head, whole) => container(known),
            _ if known::may_be(says, head) => Fit::Unsupported(says.name),
            _ => Fit::Mismatch(says.says),
        }
    }

    fn codec_named(&self, name: &str) -> Fit {
        if let Some(codec) = self.codecs.iter().find(|codec| codec.0.name() == name) {
            return Fit::Layer(*codec);
        }
        let known = KNOWN.iter().find(|known| known.kind == "codec" && known.name == name);
        known.map_or(Fit::Unknown, |known| Fit::Unsupported(known.name))
    }

    fn format_named(&self, name: &str) -> Fit {
        if let Some(format) = self.formats.iter().find(|format| format.name() == name) {
            return Fit::Layer(format.layer);
        }
        let later = LATER.iter().find(|later| later.name == name);
        later.map_or(Fit::Unknown, |later| Fit::Unsupported(later.name))
    }

    /// A row for everything that is known by name, codecs first.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = KNOWN.iter().map(|known| self.row(known)).collect();
        rows.extend(self.formats.iter().map(|format| Row {
            name: format.name(),
            kind: "records",
            extensions: format.extensions,
            state: State::Read,
            what: format.what,
        }));
        rows.push(Row {
            name: utf16::NAME,
            kind: "text",
            extensions: &[],
            state: State::Read,
            what: "text in units of two bytes, around any of the records; either order of bytes, with a mark or without",
        });
        rows.extend(LATER.iter().map(|later| Row {
            name: later.name,
            kind: later.kind,
            extensions: later.extensions,
            state: State::Unsupported,
            what: later.what,
        }));
        rows
    }

    fn row(&self, known: &Known) -> Row {
        let read = self.codecs.iter().any(|codec| codec.0.name() == known.name)
            || self.containers.iter().any(|container| container.name == known.name && container.layer.is_some());
        Row {
            name: known.name,
            kind: known.kind,
            extensions: known.extensions,
            state: if read { State::Read } else { State::Unsupported },
            what: known.what,
        }
    }
}

fn container(known: &container::Known) -> Fit {
    known.layer.map_or(Fit::Unsupported(known.name), Fit::Layer)
}

/// The codec, container or store that `name` says by its extension.
fn says(name: &[u8]) -> Option<&'static Known> {
    let ends = |extension: &&str| strip_suffix_fold(name, extension.as_bytes()).is_some();
    KNOWN.iter().find(|known| known.extensions.iter().any(ends))
}

/// Whether this build reads something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Read, and written back as it was.
    Read,
    /// Recognised, and reported as `unsupported: <name>`.
    Unsupported,
}

/// One codec, container, record format or store, for help and the README's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The name in `--format`, `--codec`, `layers` and `unsupported: <name>`.
    pub name: &'static str,
    /// `codec`, `container`, `records`, `text`, `store` or `encrypted`.
    pub kind: &'static str,
    /// Extensions that its files have, lower case, with their dot.
    pub extensions: &'static [&'static str],
    /// Whether it is read.
    pub state: State,
    /// One line that describes it.
    pub what: &'static str,
}

/// Everything that is known by name, as this build has it: codecs, containers, stores, then record formats.
pub fn names() -> Vec<Row> {
    TABLES.rows()
}

#[cfg(test)]
mod tests;
