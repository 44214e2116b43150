//! The two ends of a pass: what was read, and what is written.
//!
//! Memory: what is gathered before it is written (64 KiB and one piece). As long as nothing was written, what was read goes to a
//! spool too, in case it must be read twice.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use sha2::{Digest as _, Sha256};

use super::{Echo, Stream};
use crate::blob::Spool;
use crate::error::{Error, Kind, Result};
use crate::input::Source;
use crate::judge::pseudonym::hex;
use crate::layer::cx::Leaf;
use crate::layer::{Cx, Outlet};
use crate::limits::{SNIFF, WINDOW};
use crate::manifest::Digest;
use crate::scrub::Run;
use crate::store::stdio::Sink;

/// What is read, with its digest; from its first byte as long as nothing was written, in case it must be read twice.
pub struct Tape<'t> {
    source: &'t mut dyn Source,
    run: &'t Run<'t>,
    sha: Sha256,
    bytes: u64,
    /// Set once the first byte was written.
    decided: &'t Cell<bool>,
    from_start: Option<Spool>,
}

impl<'t> Tape<'t> {
    pub fn new(source: &'t mut dyn Source, stream: &Stream<'_>, run: &'t Run<'t>, decided: &'t Cell<bool>) -> Self {
        let spool = (!stream.no_spool).then(|| Spool::new(run.search.space));
        Self { source, run, sha: Sha256::new(), bytes: 0, decided, from_start: spool }
    }

    /// The whole stream, for `layer`, which must read it twice.
    pub fn all(&mut self, layer: &'static str) -> Result<Spool> {
        if self.from_start.is_none() {
            return Err(Error::unsupported(format!("{layer} must be read twice, which --no-spool forbids")));
        }
        let mut buf = vec![0; WINDOW];
        while self.read(&mut buf)? > 0 {
            if self.run.search.interrupted.load(Ordering::Relaxed) {
                return Err(Error::new(Kind::Interrupted, "interrupted"));
            }
        }
        self.from_start.take().ok_or_else(|| Error::new(Kind::Verify, "the start of the stream was given up"))
    }

    pub fn digest(&self) -> Digest {
        Digest { bytes: self.bytes, sha256: hex(&self.sha.clone().finalize()) }
    }
}

impl Source for Tape<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        if self.decided.get() {
            self.from_start = None;
        }
        let n = self.source.read(buf)?;
        let bytes = buf.get(..n).unwrap_or_default();
        self.sha.update(bytes);
        self.bytes += n as u64;
        self.run.progress.read(n as u64);
        if let Some(spool) = &mut self.from_start {
            spool.append(bytes)?;
        }
        Ok(n)
    }
}

/// A sink with the digest of what was written.
pub struct Hashed<'h> {
    sink: &'h mut dyn Sink,
    sha: Sha256,
    bytes: u64,
}

impl<'h> Hashed<'h> {
    pub fn new(sink: &'h mut dyn Sink) -> Self {
        Self { sink, sha: Sha256::new(), bytes: 0 }
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.sha.update(bytes);
        self.bytes += bytes.len() as u64;
        self.sink.write(bytes)
    }

    pub fn digest(&self) -> Digest {
        Digest { bytes: self.bytes, sha256: hex(&self.sha.clone().finalize()) }
    }
}

/// The last outlet: gathers small pieces, and writes.
pub struct Spout<'s> {
    out: Hashed<'s>,
    echo: Option<Echo>,
    decided: &'s Cell<bool>,
    /// What a codec writes.
    coded: bool,
    /// Gathered, at most [`SNIFF`] bytes and one piece.
    bytes: Vec<u8>,
    held: Held,
    leaf: Leaf,
    kept: u64,
}

/// What was written.
pub struct Written {
    /// All of it.
    pub digest: Digest,
    /// Bytes of it that are the old ones.
    pub kept: u64,
}

impl<'s> Spout<'s> {
    pub fn new(sink: &'s mut dyn Sink, echo: Option<Echo>, decided: &'s Cell<bool>) -> Self {
        let (out, held, leaf) = (Hashed::new(sink), Held::default(), Leaf::default());
        Self { out, echo, decided, coded: false, bytes: Vec::new(), held, leaf, kept: 0 }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.decided.set(true);
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() >= SNIFF { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> Result<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        if !self.coded {
            self.leaf.update(&self.bytes);
            self.out.write(&self.bytes)?;
            self.bytes.clear();
            return Ok(());
        }
        if let Some(echo) = &self.echo {
            echo.send(&self.bytes)?;
        }
        let (held, out) = (&mut self.held, &mut self.out);
        held.push(&self.bytes, &mut |bytes| out.write(bytes))?;
        self.bytes.clear();
        Ok(())
    }

    /// The pass is over: writes what was held back if the result is what `cx` foretold.
    pub fn end(mut self, cx: &Cx<'_>) -> Result<Written> {
        self.send()?;
        let seen = match (self.coded, self.echo.take()) {
            (true, echo) => echo.map(Echo::end).transpose()?,
            (false, _) => Some(cx.as_leaf(&self.leaf)),
        };
        if seen.is_some_and(|seen| seen != cx.foretold) {
            return Err(Error::new(Kind::Verify, "the decoded result is not what was foretold"));
        }
        let (held, out) = (self.held, &mut self.out);
        held.end(&mut |bytes| out.write(bytes))?;
        Ok(Written { digest: self.out.digest(), kept: self.kept })
    }
}

impl Outlet for Spout<'_> {
    fn coded(&mut self) {
        self.coded = true;
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<()> {
        self.kept += bytes.len() as u64;
        self.take(bytes)
    }

    fn replace(&mut self, _: u64, bytes: &[u8]) -> Result<()> {
        self.take(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        self.send()
    }
}

/// Takes everything, for a gate.
pub struct Void<'v>(pub &'v Cell<bool>);

impl Outlet for Void<'_> {
    fn keep(&mut self, _: &[u8]) -> Result<()> {
        self.0.set(true);
        Ok(())
    }

    fn replace(&mut self, _: u64, _: &[u8]) -> Result<()> {
        self.0.set(true);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Holds back the last byte that is not NUL, and the NULs behind it.
///
/// So what was written of a coded stream never ends where a decoder would take it to be whole: at the end of a frame (more
/// could follow), or in the padding behind one.
#[derive(Debug, Default)]
struct Held {
    last: Option<u8>,
    nuls: u64,
}

impl Held {
    fn push(&mut self, bytes: &[u8], write: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let Some(at) = bytes.iter().rposition(|b| *b != 0) else {
            self.nuls += bytes.len() as u64;
            return Ok(());
        };
        std::mem::take(self).end(write)?;
        let (before, rest) = bytes.split_at_checked(at).unwrap_or_default();
        write(before)?;
        *self = Self { last: rest.first().copied(), nuls: rest.len().saturating_sub(1) as u64 };
        Ok(())
    }

    fn end(self, write: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        write(self.last.as_slice())?;
        let (mut left, nuls) = (self.nuls, [0; 4096]);
        while left > 0 {
            let n = left.min(nuls.len() as u64);
            write(nuls.get(..n as usize).unwrap_or_default())?;
            left -= n;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What was written before the end is all but the last byte that is not NUL and what is behind it.
        #[test]
        fn what_is_held_back(pieces in prop::collection::vec(prop::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..9), 0..12)) {
            let (mut held, mut out) = (Held::default(), Vec::new());
            let all = pieces.concat();
            for piece in &pieces {
                held.push(piece, &mut |bytes| { out.extend_from_slice(bytes); Ok(()) }).unwrap();
            }
            let end = all.iter().rposition(|b| *b != 0).unwrap_or(0);
            prop_assert_eq!(&out[..], &all[..end]);
            held.end(&mut |bytes| { out.extend_from_slice(bytes); Ok(()) }).unwrap();
            prop_assert_eq!(out, all);
        }
    }
}
