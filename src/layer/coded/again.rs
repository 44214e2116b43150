//! A codec in one pass: decoded, judged below, and encoded again as it comes.
//!
//! As in lift, frames keep their heads and their order: a frame begins where its head stood. Names in heads are searched and
//! masked before the head is written; side data that holds a value ends the pass. Nothing is written before the layer below has
//! its first byte to send, so that a layer that cannot stream is known in time. Memory: what decoder and encoder need at one
//! time, and the window of the layer below.

use std::cell::Cell;

use super::{CodecLayer, Encoder, Head, Heads, Need, Rest};
use crate::error::{Error, Kind, Result};
use crate::input::{Input, Source};
use crate::layer::cx::{Budget, NameHits};
use crate::layer::{Cx, Outlet, Search, Streamed};

/// [`crate::layer::Layer::stream`] of a codec.
pub(super) fn stream(
    layer: &'static CodecLayer,
    input: &mut Input<'_>,
    cx: &mut Cx<'_>,
    out: &mut dyn Outlet,
) -> Result<Streamed> {
    let (codec, size, heads) = (layer.0, input.read_size(), Heads::default());
    let (decoding, encoding) = (cx.memory(), cx.memory());
    let need: Need<'_> = Box::new(move |bytes| decoding.need(bytes));
    let taken = Cell::new(0);
    let source = Box::new(Taken { inner: Rest(input), taken: &taken });
    let decoder = codec.decoder(source, heads.clone(), cx.search.second, need)?;
    let encoder = codec.encoder(cx.search.level(codec.name()), Box::new(move |bytes| encoding.need(bytes)))?;
    out.coded();
    let mut again = Coded {
        layer,
        search: cx.search,
        heads,
        encoder,
        open: false,
        at: 0,
        names: NameHits::default(),
        bytes: Vec::new(),
        taken: &taken,
        out,
    };
    let mut below = Input::new(Counted { inner: decoder, budget: cx.budget() }, size);
    let name = layer.inner_name(&cx.hint_name());
    let streamed = cx.below_codec(codec, name, |cx| cx.stream(&mut below, &mut again))?;
    if streamed == Streamed::Whole {
        if !below.window(1)?.is_empty() || below.offset() != again.at {
            return Err(Error::new(Kind::Verify, "bytes of a stream were passed over").layer(codec.name()));
        }
        let names = again.end()?;
        cx.name_hits(names);
        cx.found()?;
    }
    Ok(streamed)
}

/// Counts what a decoder takes.
struct Taken<'t, 'i, 'a> {
    inner: Rest<'i, 'a>,
    taken: &'t Cell<u64>,
}

impl Source for Taken<'_, '_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let n = self.inner.read(buf)?;
        self.taken.set(self.taken.get() + n as u64);
        Ok(n)
    }
}

/// Counts what a decoder gives.
struct Counted<'a> {
    inner: Box<dyn Source + 'a>,
    budget: Budget,
}

impl Source for Counted<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let n = self.inner.read(buf)?;
        self.budget.take(n as u64)?;
        Ok(n)
    }
}

/// Encodes what comes into the outlet around it.
struct Coded<'c> {
    layer: &'static CodecLayer,
    search: &'c Search<'c>,
    heads: Heads,
    encoder: Box<dyn Encoder + 'c>,
    /// Whether the last head that was begun is a frame's.
    open: bool,
    /// Offset in the decoded stream up to which everything came.
    at: u64,
    names: NameHits,
    bytes: Vec<u8>,
    /// Coded bytes that were read since the last ones were written: they gave way to what is written next.
    taken: &'c Cell<u64>,
    out: &'c mut dyn Outlet,
}

impl Coded<'_> {
    /// Begins the next frame whose head stands at or before `self.at`; `false` if there is none.
    fn begin(&mut self) -> Result<bool> {
        let Some(mut head) = self.heads.pop_until(self.at) else { return Ok(false) };
        self.mask(&mut head)?;
        self.encoder.begin(&head, &mut self.bytes)?;
        self.open = !head.verbatim;
        self.send()?;
        Ok(true)
    }

    fn mask(&mut self, head: &mut Head) -> Result<()> {
        if head.side_holds(self.search) {
            let reason = format!("side data of {} at byte {}: holds matches", self.layer.0.name(), head.at);
            return Err(Error::unsupported(reason));
        }
        let mut changed = false;
        for range in head.names.clone() {
            let Some(name) = head.bytes.get_mut(range) else { continue };
            if let Some(new) = self.search.mask_name(name, &mut self.names) {
                name.copy_from_slice(&new);
                changed = true;
            }
        }
        if changed {
            self.layer.0.seal(&mut head.bytes);
        }
        Ok(())
    }

    fn send(&mut self) -> Result<()> {
        if !self.bytes.is_empty() {
            self.out.replace(self.taken.take(), &self.bytes)?;
            self.bytes.clear();
        }
        Ok(())
    }

    /// Goes `n` decoded bytes on, frame by frame; `kept`, if there are as many, are encoded.
    fn advance(&mut self, mut n: u64, mut kept: &[u8]) -> Result<()> {
        while n > 0 {
            while self.begin()? {}
            // Not past the next head: a frame's bytes stay in their frame.
            let until = self.heads.next_at().map_or(u64::MAX, |at| at.saturating_sub(self.at)).max(1);
            let take = n.min(until);
            if let Some((piece, rest)) = kept.split_at_checked(take as usize) {
                self.encoder.write(piece, &mut self.bytes)?;
                kept = rest;
            }
            self.at += take;
            n -= take;
            self.send()?;
        }
        Ok(())
    }

    /// Ends the stream.
    fn end(mut self) -> Result<NameHits> {
        while self.begin()? {}
        self.encoder.finish(&mut self.bytes)?;
        self.send()?;
        self.out.replace(self.taken.take(), b"")?;
        self.out.flush()?;
        Ok(self.names)
    }
}

impl Outlet for Coded<'_> {
    fn keep(&mut self, bytes: &[u8]) -> Result<()> {
        self.advance(bytes.len() as u64, bytes)
    }

    fn replace(&mut self, n: u64, bytes: &[u8]) -> Result<()> {
        if !bytes.is_empty() {
            // The head of the frame in which the old bytes stand comes first. Where there are none, at the stream's end perhaps, new
            // ones belong to the frame before.
            while n > 0 && self.begin()? {}
            while !self.open && self.begin()? {}
            self.encoder.write(bytes, &mut self.bytes)?;
            self.send()?;
        }
        self.advance(n, &[])
    }

    fn flush(&mut self) -> Result<()> {
        self.out.flush()
    }
}
