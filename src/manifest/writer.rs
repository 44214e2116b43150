//! Writes a manifest: chains lines and hands them to a journal, which makes intents durable.
//!
//! An existing manifest is continued after its chain was checked. Lines are whole or not there: each is one write of the journal.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::journal::Journal;
use super::root::Root;
use super::{Artifact, Line};
use crate::blob::TempSpace;
use crate::error::{Error, Kind, Result};
use crate::judge::pseudonym::hex;

/// What `prev` is on the first line.
pub const FIRST_PREV: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// A manifest being written, to a journal, to standard output (`--json`), to both or to none.
pub struct Writer {
    journal: Option<Arc<dyn Journal>>,
    echo: bool,
    prev: String,
    root: Root,
    space: Arc<TempSpace>,
    /// A write failed: what came after it would chain to a line that is not there.
    failed: Option<Error>,
}

#[derive(Serialize)]
struct Chained<'l> {
    #[serde(flatten)]
    line: &'l Line,
    prev: &'l str,
}

impl Writer {
    /// Lines go to `journal` (`prev` is the digest of the last one there) and, with `echo`, to stdout.
    pub fn new(journal: Option<Arc<dyn Journal>>, prev: String, echo: bool, space: &Arc<TempSpace>) -> Self {
        Self { journal, echo, prev, root: Root::new(space), space: Arc::clone(space), failed: None }
    }

    /// Appends a line. `durable`: on return it is on the disk, or in the bucket.
    ///
    /// After a failure nothing more is written, and the failure is told again.
    pub fn append(&mut self, line: &Line, durable: bool) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let written = self.write(line).and_then(|()| if durable { self.sync() } else { Ok(()) });
        self.failed = written.as_ref().err().cloned();
        written
    }

    fn write(&mut self, line: &Line) -> Result<()> {
        if let Line::Run(_) = line {
            self.root = Root::new(&self.space);
        }
        if let Line::Artifact(artifact) = line {
            self.root.add(artifact)?;
        }
        let mut text = serde_json::to_string(&Chained { line, prev: &self.prev })
            .map_err(|_| Error::new(Kind::Io, "a manifest line cannot be written as JSON"))?;
        let prev = digest(text.as_bytes());
        text.push('\n');
        if let Some(journal) = &self.journal {
            journal.append(text.as_bytes())?;
        }
        self.prev = prev;
        if self.echo {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes())
                .and_then(|()| out.flush())
                .map_err(|e| Error::io("writing to stdout", &e))?;
        }
        Ok(())
    }

    /// Makes all lines so far durable.
    pub fn sync(&mut self) -> Result<()> {
        self.journal.as_ref().map_or(Ok(()), |journal| journal.sync())
    }

    /// Appends an artifact line.
    pub fn artifact(&mut self, artifact: Artifact) -> Result<()> {
        self.append(&Line::Artifact(Box::new(artifact)), false)
    }

    /// The root of the artifact lines since the last `run` line; they are forgotten.
    pub fn root(&mut self) -> Result<String> {
        std::mem::replace(&mut self.root, Root::new(&self.space)).finish()
    }
}

/// `sha256:` and the hex digest of a line's bytes without its line end.
pub fn digest(line: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(line)))
}

/// Appends a line to a manifest that is shared, and waits until it is durable: not under its lock, so that others can append, and wait
/// for the same write.
pub fn append_durably(manifest: &Mutex<Writer>, line: &Line) -> Result<()> {
    let journal = {
        let mut manifest = manifest.lock().unwrap_or_else(PoisonError::into_inner);
        manifest.append(line, false)?;
        manifest.journal.clone()
    };
    journal.map_or(Ok(()), |journal| journal.sync())
}
