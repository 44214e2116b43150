//! The second look: is the result what find foretold, and is nothing left in it?
//!
//! [`read`] is one forward pass over a blob: find uses it on the original, verification on the draft, by other decoders, in windows
//! cut elsewhere. [`look`] compares. The `verify` verb, which judges a whole manifest, is in [`audit`].

pub mod audit;
mod remote;

use jiff::Timestamp;

use crate::blob::Blob;
use crate::error::{Error, Kind, Result};
use crate::input::{BlobSource, Input, Source};
use crate::layer::settle::Settled;
use crate::layer::{Cx, Foretold, Found, Search, Tally};
use crate::matcher::{Engine, Hit, Unit};

/// What one forward pass over an artifact's bytes says.
#[derive(Debug)]
pub struct Seen {
    /// What must change.
    pub found: Found,
    /// What was counted.
    pub tally: Tally,
    /// What the leaf streams must be afterwards.
    pub foretold: Foretold,
}

/// Reads all of `blob` as the artifact known as `relative`. `watch` sees the bytes of the blob as they are read, in order,
/// each once.
pub fn read(
    blob: &dyn Blob,
    search: &Search<'_>,
    relative: &[u8],
    mtime: Option<Timestamp>,
    watch: &mut dyn FnMut(&[u8]),
) -> Result<Seen> {
    let mut earlier = Settled::new();
    let source = Watched { inner: BlobSource::new(blob), watch };
    let mut read = all(Input::new(source, search.limits.window).with_blob(blob), search, relative, mtime, &earlier)?;
    // What a layer learnt at the end of its stream may change what it says of the start. Each layer bounds its readings.
    while !read.1.is_empty() {
        earlier.append(&mut read.1);
        let input = Input::new(BlobSource::new(blob), search.limits.window).with_blob(blob);
        read = all(input, search, relative, mtime, &earlier)?;
    }
    Ok(read.0)
}

/// As [`read`], of bytes that come once.
pub fn pass(source: impl Source, search: &Search<'_>, relative: &[u8], mtime: Option<Timestamp>) -> Result<Seen> {
    let (seen, learnt) = all(Input::new(source, search.limits.window), search, relative, mtime, &Settled::new())?;
    if learnt.is_empty() { Ok(seen) } else { Err(Error::new(Kind::Verify, "the stream would have to be read again")) }
}

fn all(
    mut input: Input<'_>,
    search: &Search<'_>,
    relative: &[u8],
    mtime: Option<Timestamp>,
    earlier: &Settled,
) -> Result<(Seen, Settled)> {
    let mut cx = Cx::new(search, relative, mtime);
    cx.readings.earlier.clone_from(earlier);
    let found = cx.descend(&mut input)?;
    if !input.window(1)?.is_empty() {
        return Err(Error::new(Kind::Damaged, "bytes were left unread"));
    }
    let (tally, foretold) = (std::mem::take(&mut cx.tally), std::mem::take(&mut cx.foretold));
    let learnt = std::mem::take(&mut cx.readings.learnt);
    Ok((Seen { found, tally, foretold }, learnt))
}

/// Reads a result and fails, with kind `Verify`, unless its leaf streams are what was foretold and nothing is left in it that
/// would still change. Any error of a layer means that the result is not readable, and is a failure to verify too.
pub fn look(
    blob: &dyn Blob,
    search: &Search<'_>,
    relative: &[u8],
    mtime: Option<Timestamp>,
    foretold: &Foretold,
) -> Result<()> {
    let seen = read(blob, search, relative, mtime, &mut |_| {}).map_err(|error| match error.kind() {
        Kind::Interrupted | Kind::Io => error,
        _ => Error::new(Kind::Verify, format!("the result cannot be read: {error}")),
    })?;
    if seen.foretold != *foretold {
        return Err(Error::new(Kind::Verify, "the decoded result is not what was foretold"));
    }
    if !seen.found.is_empty() {
        return Err(Error::new(Kind::Verify, "something is left in the result"));
    }
    Ok(())
}

/// A source that shows what it reads.
struct Watched<'w, S> {
    inner: S,
    watch: &'w mut dyn FnMut(&[u8]),
}

impl<S: Source> Source for Watched<'_, S> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let n = self.inner.read(buf)?;
        (self.watch)(buf.get(..n).unwrap_or_default());
        Ok(n)
    }
}

/// Finds nothing: for `--verify decode`.
pub struct Blind;

impl Engine for Blind {
    fn candidates(&self, _: &[u8], _: &mut Vec<std::ops::Range<usize>>) {}
    fn hits(&self, _: &Unit<'_>, _: &mut Vec<Hit>) {}
    fn name(&self) -> &'static str {
        "none"
    }
}
