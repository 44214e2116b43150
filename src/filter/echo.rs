//! Coded output, decoded again beside the pass: the two ends of the way there and back.
//!
//! The engine gives [`listen`] a thread of its own. The way is bounded: a slow second decoder slows the pass down.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::Stream;
use crate::error::{Error, Kind, Result};
use crate::input::Source;
use crate::layer::{Foretold, Search};
use crate::verify;

/// Pieces of coded output on their way.
const AHEAD: usize = 4;

/// The way of coded output to the second decoder, and of its verdict back.
pub struct Echo {
    to: SyncSender<Vec<u8>>,
    verdict: Receiver<Result<Foretold>>,
}

impl Echo {
    /// Sends the next bytes of coded output. An error is that of the second decoder, which stopped.
    pub fn send(&self, bytes: &[u8]) -> Result<()> {
        if self.to.send(bytes.to_vec()).is_ok() {
            return Ok(());
        }
        let said = self.verdict.recv().unwrap_or_else(|_| Err(broke()));
        Err(said.err().unwrap_or_else(broke))
    }

    /// What the whole output came to.
    pub fn end(self) -> Result<Foretold> {
        // The end of what it reads.
        drop(self.to);
        self.verdict.recv().unwrap_or_else(|_| Err(broke()))
    }
}

fn broke() -> Error {
    Error::new(Kind::Verify, "the second decoder stopped")
}

/// The other side of an [`Echo`].
pub struct Ear {
    from: Receiver<Vec<u8>>,
    verdict: SyncSender<Result<Foretold>>,
}

/// An echo for a thread of its own.
pub fn echo() -> (Echo, Ear) {
    let ((to, from), (say, verdict)) = (sync_channel(AHEAD), sync_channel(1));
    (Echo { to, verdict }, Ear { from, verdict: say })
}

/// Decodes what comes by `search`, which is a second one, to its end, and says what it came to.
pub fn listen(ear: Ear, search: &Search<'_>, stream: &Stream<'_>) {
    let Ear { from, verdict } = ear;
    let pieces = Pieces { from, piece: Vec::new(), at: 0 };
    let decoded = catch_unwind(AssertUnwindSafe(|| verify::pass(pieces, search, stream.name, stream.mtime)));
    let decoded = decoded.unwrap_or_else(|_| Err(Error::new(Kind::Verify, "an internal error; please report it")));
    let said = decoded.map(|seen| seen.foretold).map_err(|error| match error.kind() {
        Kind::Interrupted | Kind::Io | Kind::Limit => error,
        _ => Error::new(Kind::Verify, format!("the result cannot be read: {error}")),
    });
    // Nobody waits for it after an error on the other side.
    let _gone = verdict.send(said);
}

/// What comes through a channel, as a source.
struct Pieces {
    from: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
}

impl Source for Pieces {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        while self.at == self.piece.len() {
            let Ok(piece) = self.from.recv() else { return Ok(0) };
            (self.piece, self.at) = (piece, 0);
        }
        let rest = self.piece.get(self.at..).unwrap_or_default();
        let n = rest.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..n), rest.get(..n)) {
            to.copy_from_slice(from);
        }
        self.at += n;
        Ok(n)
    }
}
