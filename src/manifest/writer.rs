//! Writes a manifest: appends lines, chains them, makes intents durable.
//!
//! The file is locked while it is written; an existing one is continued after its chain was checked. A torn last line, which only
//! a crash of ours leaves, is cut off before. Lines are whole or not there: each is one write.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::root::Root;
use super::{Artifact, Line};
use crate::blob::TempSpace;
use crate::error::{Error, Kind, Result};
use crate::judge::pseudonym::hex;

/// What `prev` is on the first line.
pub const FIRST_PREV: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// A manifest being written, to a file, to standard output (`--json`), to both or to none.
pub struct Writer {
    file: Option<File>,
    echo: bool,
    prev: String,
    root: Root,
    space: Arc<TempSpace>,
    /// A write failed: what came after it would chain to a line that is not there.
    failed: bool,
}

#[derive(Serialize)]
struct Chained<'l> {
    #[serde(flatten)]
    line: &'l Line,
    prev: &'l str,
}

impl Writer {
    /// Lines go to `file` (opened by [`open`], at its end; `prev` is the digest of its last line) and, with `echo`, to stdout.
    pub fn new(file: Option<File>, prev: String, echo: bool, space: &Arc<TempSpace>) -> Self {
        Self { file, echo, prev, root: Root::new(space), space: Arc::clone(space), failed: false }
    }

    /// Appends a line. `durable`: on return it is on the disk.
    ///
    /// After a failure nothing more is written; a torn line is cut off again where the disk lets us.
    pub fn append(&mut self, line: &Line, durable: bool) -> Result<()> {
        if self.failed {
            return Err(Error::new(Kind::Io, "the manifest could not be written"));
        }
        let written = self.write(line, durable);
        self.failed = written.is_err();
        written
    }

    fn write(&mut self, line: &Line, durable: bool) -> Result<()> {
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
        if let Some(file) = &mut self.file {
            let before = file.metadata().map_err(|e| Error::io("reading the manifest's metadata", &e))?.len();
            if let Err(error) = file.write_all(text.as_bytes()) {
                // If this fails too the next run cuts the torn line off.
                let _torn = file.set_len(before);
                return Err(Error::io("writing the manifest", &error));
            }
            self.prev = prev;
            if durable {
                file.sync_data().map_err(|e| Error::io("syncing the manifest", &e))?;
            }
        } else {
            self.prev = prev;
        }
        if self.echo {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes())
                .and_then(|()| out.flush())
                .map_err(|e| Error::io("writing to stdout", &e))?;
        }
        Ok(())
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

/// Opens the manifest at `path` for appending, creates it 0600 if it is not there, and locks it. The file is not read here.
///
/// The name of a new one is durable on return: a durable intent in a file without a name would be none.
pub fn open(path: &Path) -> Result<File> {
    let mut options = File::options();
    options.read(true).append(true).mode(0o600);
    let (file, new) = match options.clone().create_new(true).open(path) {
        Ok(file) => (Ok(file), true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (options.create(true).open(path), false),
        Err(error) => (Err(error), false),
    };
    let file = file.map_err(|e| Error::new(Kind::Usage, format!("cannot open the manifest: {}", e.kind())))?;
    if new {
        sync_folder(path)?;
    }
    let kind = file.metadata().map_err(|e| Error::io("reading the manifest's metadata", &e))?.file_type();
    if !kind.is_file() {
        return Err(Error::usage("the manifest is not a regular file"));
    }
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::new(Kind::Locked, "another run writes this manifest")),
        Err(error) => Err(Error::io("locking the manifest", &error.into())),
    }
}

/// Makes the name `path` durable. A folder that cannot be opened (search permission only) or synced at all is let be.
fn sync_folder(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    match File::open(folder).map(|folder| folder.sync_all()) {
        Ok(Err(error)) if error.kind() != io::ErrorKind::InvalidInput => {
            Err(Error::io("syncing the manifest's folder", &error))
        }
        _ => Ok(()),
    }
}
