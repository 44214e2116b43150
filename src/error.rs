//! Errors: what went wrong, where, and what to do about it.
//!
//! Rules (they hold promise P4): a message is a lower-case fragment made of constants and numbers only. It never holds
//! a byte of the data, of a name, of a registry line or of a policy value; texts of other libraries are mapped to kinds and
//! never passed on. The artifact is named by whoever reports the error, by its masked URI. An error of a layer names
//! the layer and the byte or line, what was expected, and where useful the option that helps.

use std::borrow::Cow;
use std::fmt;
use std::io;

/// Result with this project's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is; decides the artifact's status and the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Bad command line, configuration, policy or registry: exit 2, nothing touched.
    Usage,
    /// The bytes are not what their format demands: artifact `failed`.
    Damaged,
    /// A bound of the job was reached: artifact `failed: limit`.
    Limit,
    /// A format or feature that is known by name but not handled: `unsupported: <name>`.
    Unsupported,
    /// The artifact was left alone on purpose: `skipped: <why>`.
    Skipped,
    /// It cannot be done yet: `pending: <why>`.
    Pending,
    /// Another run holds the artifact: `skipped: locked`, exit 4.
    Locked,
    /// The operating system refused: artifact `failed`.
    Io,
    /// The result was not what find foretold: artifact `failed: verify`.
    Verify,
    /// SIGINT or SIGTERM arrived.
    Interrupted,
    /// Something is to be changed, and that is all a gate asks: exit 1.
    Found,
}

/// Where in the layer's stream (or in a text file) it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Byte offset from the first byte of the layer's own stream.
    Byte(u64),
    /// Line number, from 1.
    Line(u64),
}

/// One failure. `Display` is a lower-case fragment that ends a sentence such as "failed to read the registry: {error}".
#[derive(Debug, Clone)]
pub struct Error {
    kind: Kind,
    layer: Option<&'static str>,
    at: Option<At>,
    what: Cow<'static, str>,
    help: Option<&'static str>,
    unsure: bool,
}

impl Error {
    /// A failure of `kind`; `what` holds constants and numbers only (see the module's rules).
    pub fn new(kind: Kind, what: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, layer: None, at: None, what: what.into(), help: None, unsure: false }
    }

    /// Bad bytes in `layer` at offset `at` of its stream.
    pub fn damaged(layer: &'static str, at: u64, what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Damaged, what).layer(layer).at(At::Byte(at))
    }

    /// A bound was reached; `what` names the option that sets it, as in `--max-record (128 MiB)`.
    pub fn limit(what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Limit, what)
    }

    /// A known thing that is not handled, by its name.
    pub fn unsupported(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Unsupported, name)
    }

    /// A usage or configuration error.
    pub fn usage(what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Usage, what)
    }

    /// An error of the operating system while `doing` something; only its kind is kept, not its text. A system call that was
    /// broken off is one like others: what ends a run is a signal's flag, not `EINTR`.
    pub fn io(doing: &'static str, error: &io::Error) -> Self {
        Self::new(Kind::Io, format!("{doing}: {}", error.kind()))
    }

    /// Names the layer in whose stream it happened.
    #[must_use]
    pub fn layer(mut self, layer: &'static str) -> Self {
        self.layer = Some(layer);
        self
    }

    /// Names the place.
    #[must_use]
    pub fn at(mut self, at: At) -> Self {
        self.at = Some(at);
        self
    }

    /// The same failure, told of a stream in which that of `layer` begins `by` bytes later.
    #[must_use]
    pub fn moved(mut self, layer: &str, by: u64) -> Self {
        if let (true, Some(At::Byte(at))) = (self.layer == Some(layer), &mut self.at) {
            *at += by;
        }
        self
    }

    /// Says what the user can do.
    #[must_use]
    pub fn help(mut self, help: &'static str) -> Self {
        self.help = Some(help);
        self
    }

    /// Says that what failed may have been done all the same: a write whose answer was lost, or that was replaced just after.
    #[must_use]
    pub fn unsure(mut self) -> Self {
        self.unsure = true;
        self
    }

    /// Whether it may have been done all the same.
    pub fn is_unsure(&self) -> bool {
        self.unsure
    }

    /// As a usage error with the text that `what` makes of it; a signal stays one.
    #[must_use]
    pub fn as_usage(self, what: impl FnOnce(&Self) -> String) -> Self {
        match self.kind {
            Kind::Interrupted => self,
            _ => Self::usage(what(&self)),
        }
    }

    /// The kind, for the status and the exit code.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The manifest's `reason`: starts with the word that the SPEC gives (`limit`, the unsupported name, `verify`).
    pub fn reason(&self) -> String {
        match self.kind {
            Kind::Limit => format!("limit: {self}"),
            Kind::Verify => format!("verify: {self}"),
            Kind::Locked => "locked".to_owned(),
            Kind::Skipped | Kind::Unsupported | Kind::Pending => self.what.to_string(),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(layer) = self.layer {
            write!(f, "{layer}: ")?;
        }
        match self.at {
            Some(At::Byte(n)) => write!(f, "at byte {n}: ")?,
            Some(At::Line(n)) => write!(f, "line {n}: ")?,
            None => {}
        }
        f.write_str(&self.what)?;
        if let Some(help) = self.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
