//! Find and lift in one pass: where a stream goes as it is judged, and the second look before it leaves.
//!
//! `filter` cannot go back: what a layer says of its bytes goes to an [`Outlet`] at once. Between a record format and whatever
//! is outside of it stands a [`Guard`] for each second search: it takes the new bytes as a stream of its own, tells what it is,
//! cuts and searches it, and lets go only what it has judged whole. So nothing leaves that a scan would still change. Memory: the
//! first 64 KiB, then a window, or the record that does not end in it (`--max-record`), for each guard.

use std::collections::VecDeque;

use super::ruling::{self, Batch, Sheet};
use super::{Cx, Fit, Hint, Layer, Search};
use crate::error::{Error, Kind, Result};
use crate::limits::{SNIFF, WINDOW};

/// Where a stream goes in one pass: its old bytes, in order, each kept or replaced.
pub trait Outlet {
    /// What comes is encoded by a codec: there are places at which it must not end.
    fn coded(&mut self) {}
    /// The next bytes of the old stream stay.
    fn keep(&mut self, bytes: &[u8]) -> Result<()>;
    /// The next `n` bytes of the old stream give way to `bytes`.
    fn replace(&mut self, n: u64, bytes: &[u8]) -> Result<()>;
    /// Nothing more may come for a while: what can go on goes on.
    fn flush(&mut self) -> Result<()>;
}

/// What became of a stream in one pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streamed {
    /// All of it was sent.
    Whole,
    /// Nothing was sent: the layer of this name must read its stream before it writes its first byte.
    Twice(&'static str),
}

/// The second look at a stream that leaves.
pub struct Guard<'g> {
    /// What the old stream was: for a result that is too little to tell.
    layer: &'static dyn Layer,
    cx: Cx<'g>,
    out: &'g mut dyn Outlet,
    /// New bytes that wait to be judged.
    waiting: Vec<u8>,
    /// How they came about, in order; lengths are of what waits.
    ops: VecDeque<Op>,
    /// Bytes of `waiting` that were there at the last look.
    seen: usize,
    /// Searches; none before the first 64 KiB are there.
    batch: Option<Box<dyn Batch + 'g>>,
}

/// Where waiting bytes come from.
enum Op {
    /// So many stay.
    Keep(usize),
    /// So many old ones gave way to so many new ones.
    Replace(u64, usize),
}

impl<'g> Guard<'g> {
    /// Looks by `search` at what the record format `layer` makes of the current stream of `cx`, before it goes to `out`.
    pub fn new<'s: 'g>(
        layer: &'static dyn Layer,
        search: &'s Search<'s>,
        cx: &Cx<'s>,
        out: &'g mut dyn Outlet,
    ) -> Self {
        let (waiting, ops) = (Vec::new(), VecDeque::new());
        Self { layer, cx: cx.beside(search), out, waiting, ops, seen: 0, batch: None }
    }

    /// The stream is over.
    pub fn finish(mut self) -> Result<()> {
        self.look(true)?;
        if let Some(batch) = &mut self.batch {
            batch.finish(&mut self.cx).map_err(unreadable)?;
        }
        self.out.flush()
    }

    /// Judges what waits, and sends on what is done with.
    fn look(&mut self, eof: bool) -> Result<()> {
        if self.batch.is_none() {
            if !eof && self.waiting.len() < SNIFF {
                return Ok(());
            }
            self.batch = Some(self.open()?);
        }
        if self.waiting.len() > 8 * WINDOW {
            // The record is in the first reader's window too.
            self.cx.need(3 * self.waiting.len() as u64)?;
        }
        let mut at = 0;
        while let (Some(batch), Some(window)) = (&mut self.batch, self.waiting.get(at..)) {
            if window.is_empty() || (!eof && at == 0 && window.len() == self.seen) {
                break;
            }
            match batch.batch(window, eof, &mut self.cx).map_err(unreadable)? {
                0 if eof => return Err(Error::new(Kind::Verify, "a record of the result does not end")),
                0 => break,
                done => at += done,
            }
        }
        self.send(at, eof)?;
        let most = self.cx.search.limits.max_record;
        self.seen = self.waiting.len();
        if self.seen as u64 > most.saturating_add(2 * WINDOW as u64) { Err(ruling::too_long(most)) } else { Ok(()) }
    }

    /// What searches the new bytes: as they would be taken for by a scan, else as the old ones were.
    fn open(&mut self) -> Result<Box<dyn Batch + 'g>> {
        let cx = &self.cx;
        let (head, whole) =
            (self.waiting.get(..self.waiting.len().min(SNIFF)).unwrap_or_default(), self.waiting.len() < SNIFF);
        let name = cx.hint_name();
        let hint = Hint { name: &name, rule: cx.rule(), format: cx.search.format, codec: Some("none") };
        if let Fit::Layer(layer) = cx.search.detect.detect(head, whole, &hint)
            && let Some(batch) = layer.open(head, whole, cx, Sheet::refuse())?
        {
            return Ok(batch);
        }
        let batch = self.layer.open(head, whole, cx, Sheet::refuse())?;
        batch.ok_or_else(|| Error::new(Kind::Verify, "the result is no record format"))
    }

    /// Sends the first `n` waiting bytes on, and what was dropped behind them.
    fn send(&mut self, mut n: usize, eof: bool) -> Result<()> {
        let mut at = 0;
        while let Some(op) = self.ops.front_mut() {
            let (old, len) = match op {
                Op::Keep(len) => (None, len),
                Op::Replace(old, len) => (Some(old), len),
            };
            let piece = self.waiting.get(at..at + (*len).min(n)).unwrap_or_default();
            match old {
                _ if *len > 0 && n == 0 => break,
                None => self.out.keep(piece)?,
                Some(old) => self.out.replace(std::mem::take(old), piece)?,
            }
            at += piece.len();
            n -= piece.len();
            *len -= piece.len();
            if *len > 0 {
                break;
            }
            self.ops.pop_front();
        }
        self.waiting.drain(..at);
        debug_assert!(!eof || self.waiting.is_empty(), "all of it was judged");
        Ok(())
    }

    fn take(&mut self, op: Op, bytes: &[u8]) -> Result<()> {
        self.waiting.extend_from_slice(bytes);
        match (self.ops.back_mut(), op) {
            (Some(Op::Keep(len)), Op::Keep(more)) => *len += more,
            (Some(Op::Replace(old, 0)), Op::Replace(more, 0)) => *old += more,
            (_, op) => self.ops.push_back(op),
        }
        if self.waiting.len() - self.seen > 2 * WINDOW { self.look(false) } else { Ok(()) }
    }
}

impl Outlet for Guard<'_> {
    fn keep(&mut self, bytes: &[u8]) -> Result<()> {
        self.take(Op::Keep(bytes.len()), bytes)
    }

    fn replace(&mut self, n: u64, bytes: &[u8]) -> Result<()> {
        self.take(Op::Replace(n, bytes.len()), bytes)
    }

    fn flush(&mut self) -> Result<()> {
        self.look(false)?;
        self.out.flush()
    }
}

fn unreadable(error: Error) -> Error {
    match error.kind() {
        Kind::Interrupted | Kind::Io | Kind::Limit | Kind::Verify => error,
        _ => Error::new(Kind::Verify, format!("the result cannot be read: {error}")),
    }
}
