//! What the codecs share that copy units as they are coded: frames, blocks, chunks.
//!
//! A splice has two steps. First the lift below is played into a pass that only *notes* what changes in the plain stream
//! ([`prepare`]): bytes that the lift keeps are not decoded, and bytes that it looks at are decoded from the nearest point. Then
//! the codec walks its units, knowing all that will change: what nothing touches is kept by range, and what is touched is
//! decoded, woven with the changes ([`super::weave::Weave`]) and encoded. Both steps read the coded stream at any offset ([`Coded`]), so the
//! splice needs an outer pass over a blob; inside another codec all is encoded again.
//! Memory: one read (64 KiB, or as much as a codec looks at together), and the edit list's bound; what a codec holds besides stands in its own module.

use std::cell::RefCell;
use std::rc::Rc;

use super::points::{Point, Points};
use super::{Codec, Heads, Need, Splice};
use crate::edit::EditList;
use crate::error::{Error, Kind, Result};
use crate::input::{Input, Source};
use crate::layer::Cx;
use crate::layer::pass::Pass;
use crate::span::Span;

/// Bytes that one read of the coded stream brings.
const READ: usize = 64 * 1024;

/// What a point is good for: a decoder of whole streams can begin there, as at a first byte. (`Point::state[0]`)
pub const FRAME: u64 = 0;
/// What a point is good for: a unit inside a frame begins there. (`Point::state[0]`)
pub const UNIT: u64 = 1;

/// What a codec is given to splice.
pub struct Job<'s> {
    /// The coded stream.
    pub coded: Coded<'s>,
    /// All that changes in the plain stream, and its length, bytes.
    pub edits: EditList,
    /// The plain stream's length, bytes.
    pub len: u64,
    /// Where units begin.
    pub points: Option<&'s Points>,
}

/// Notes what changes in the plain stream of `work`. `None`, with nothing read or written: the outer pass is over no blob, or
/// heads change as well.
pub fn prepare<'s>(codec: &dyn Codec, work: &'s mut Splice<'_>, cx: &mut Cx<'_>) -> Result<Option<Job<'s>>> {
    let Splice { part, masked, pass } = work;
    let Some(span) = pass.old().map(|(_, span)| span) else { return Ok(None) };
    if !masked.is_empty() || part.len == 0 || pass.offset() != 0 {
        return Ok(None);
    }
    let (window, memory) = (cx.search.limits.window, cx.memory());
    let stream = Coded { pass: Rc::new(RefCell::new(&mut **pass)), len: span.len(), buf: Vec::new(), at: 0 };
    let points = part.points.as_ref();
    let open = |point: Option<Point>| -> Result<Plain<'_>> {
        let point = point.unwrap_or(Point { coded: 0, plain: 0, state: [FRAME; 4] });
        let (heads, memory) = (Heads::names_only(), memory.clone());
        let source = Box::new(stream.source(point.coded / 8));
        let need: Need<'_> = Box::new(move |bytes| memory.need(bytes));
        let decoder = codec.decoder(source, heads.clone(), false, need)?;
        Ok(Plain { input: Input::new(Forgetful { inner: decoder, heads }, window), base: point.plain })
    };
    let edits = EditList::new(cx.search.space);
    let mut noting = Noting { open: &open, points, plain: None, at: 0, len: part.len, edits };
    part.found.layer.lift(&part.found, &mut noting, cx)?;
    if noting.at != part.len {
        return Err(Error::new(Kind::Verify, "a lift left bytes of its stream"));
    }
    let Noting { edits, .. } = noting;
    Ok(Some(Job { coded: stream, edits, len: part.len, points }))
}

/// Points that are looked at for a good one.
const LOOKED_AT: usize = 256;

/// The last point of which `good` says so and that stands before the plain offset `before`, or at 0. Only the last 256 are
/// looked at.
pub fn last_before(points: Option<&Points>, before: u64, good: impl Fn(&Point) -> bool) -> Option<Point> {
    let points = points?;
    let n = points.until(before.saturating_sub(1));
    (0..n).rev().take(LOOKED_AT).filter_map(|n| points.get(n)).find(good)
}

/// The coded stream: read at any offset, played once in order. Offsets count from its first byte. Clones play together.
#[derive(Clone)]
pub struct Coded<'s> {
    pass: Rc<RefCell<&'s mut dyn Pass>>,
    len: u64,
    /// Bytes that were read, from offset `at`.
    buf: Vec<u8>,
    at: u64,
}

impl<'s> Coded<'s> {
    /// Its length, bytes.
    pub fn end(&self) -> u64 {
        self.len
    }

    /// The bytes from offset `at`: at least `min`, fewer only at the end.
    pub fn window(&mut self, at: u64, min: usize) -> Result<&[u8]> {
        let from = at.checked_sub(self.at).and_then(|from| usize::try_from(from).ok());
        let have = from.and_then(|from| self.buf.get(from..)).map_or(0, <[u8]>::len);
        if have < min {
            // What is there stays: units may be looked at twice, a little further each time.
            match from.filter(|_| have > 0) {
                Some(from) => drop(self.buf.drain(..from)),
                None => self.buf.clear(),
            }
            self.at = at;
            while self.buf.len() < min {
                let from = self.buf.len();
                self.buf.resize(min.max(READ), 0);
                let n = self.read_at(at + from as u64, from)?;
                self.buf.truncate(from + n);
                if n == 0 {
                    break;
                }
            }
        }
        let from = (at - self.at) as usize;
        Ok(self.buf.get(from..).unwrap_or_default())
    }

    /// Reads what stands at `at` to the end of the buffer, from `from` on.
    fn read_at(&mut self, at: u64, from: usize) -> Result<usize> {
        read(&**self.pass.borrow(), at, self.buf.get_mut(from..).unwrap_or_default())
    }

    /// The `n` bytes from offset `at`.
    pub fn exact(&mut self, at: u64, n: usize) -> Result<&[u8]> {
        self.window(at, n)?.get(..n).ok_or_else(changed)
    }

    /// The `N` bytes from offset `at`.
    pub fn array<const N: usize>(&mut self, at: u64) -> Result<[u8; N]> {
        self.window(at, N)?.first_chunk().copied().ok_or_else(changed)
    }

    /// All bytes from offset `at`, for a decoder.
    pub fn source(&self, at: u64) -> CodedSource<'s> {
        CodedSource { pass: Rc::clone(&self.pass), at }
    }

    /// What is left up to offset `at` stays.
    pub fn keep_to(&mut self, at: u64) -> Result<()> {
        let mut pass = self.pass.borrow_mut();
        let n = at.checked_sub(pass.offset()).ok_or_else(behind)?;
        pass.keep(n)
    }

    /// What is left up to offset `at` goes.
    pub fn drop_to(&mut self, at: u64) -> Result<()> {
        let mut pass = self.pass.borrow_mut();
        let n = at.checked_sub(pass.offset()).ok_or_else(behind)?;
        pass.drop(n)
    }

    /// These bytes come here; `bytes` is empty afterwards.
    pub fn send(&mut self, bytes: &mut Vec<u8>) -> Result<()> {
        if !bytes.is_empty() {
            self.pass.borrow_mut().write(bytes)?;
            bytes.clear();
        }
        Ok(())
    }

    /// All that is left stays.
    pub fn keep_rest(&mut self) -> Result<()> {
        self.pass.borrow_mut().keep_rest()
    }
}

fn changed() -> Error {
    Error::new(Kind::Damaged, "the stream is not what was read before")
}

fn behind() -> Error {
    Error::new(Kind::Verify, "a unit lies behind the pass")
}

/// Reads the old stream of `pass` at `at`.
fn read(pass: &dyn Pass, at: u64, buf: &mut [u8]) -> Result<usize> {
    let Some((blob, span)) = pass.old() else { return Err(behind()) };
    let left = span.len().saturating_sub(at);
    let most = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
    let buf = buf.get_mut(..most).unwrap_or_default();
    loop {
        match blob.read_at(span.start + at, buf) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            got => return got.map_err(|error| Error::io("reading", &error)),
        }
    }
}

/// The coded stream from some offset on.
pub struct CodedSource<'s> {
    pass: Rc<RefCell<&'s mut dyn Pass>>,
    at: u64,
}

impl Source for CodedSource<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let n = read(&**self.pass.borrow(), self.at, buf)?;
        self.at += n as u64;
        Ok(n)
    }
}

/// A decoder whose heads nobody wants.
struct Forgetful<'d> {
    inner: Box<dyn Source + 'd>,
    heads: Heads,
}

impl Source for Forgetful<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let n = self.inner.read(buf)?;
        while self.heads.pop_until(u64::MAX).is_some() {}
        Ok(n)
    }
}

/// The plain stream from `base` on.
struct Plain<'p> {
    input: Input<'p>,
    base: u64,
}

/// A pass over the plain stream that only notes what changes.
struct Noting<'n, 'p> {
    open: &'n dyn Fn(Option<Point>) -> Result<Plain<'p>>,
    points: Option<&'n Points>,
    plain: Option<Plain<'p>>,
    at: u64,
    len: u64,
    edits: EditList,
}

impl Noting<'_, '_> {
    fn step(&mut self, n: u64) -> Result<Span> {
        let start = self.at;
        if n > self.len - start {
            return Err(Error::new(Kind::Damaged, "the stream ended before its edits did"));
        }
        self.at += n;
        Ok(Span::new(start, self.at))
    }

    /// Brings the decoder to the reader's offset.
    fn reach(&mut self) -> Result<()> {
        let point = last_before(self.points, self.at + 1, |point| point.state.first() == Some(&FRAME));
        let here = self.plain.as_ref().map(|plain| plain.base + plain.input.offset());
        let near = here.is_some_and(|here| here <= self.at && point.is_none_or(|point| point.plain <= here));
        if !near {
            self.plain = None;
            self.plain = Some((self.open)(point)?);
        }
        let Some(plain) = &mut self.plain else { return Err(behind()) };
        while plain.base + plain.input.offset() < self.at {
            let left = self.at - plain.base - plain.input.offset();
            let have = plain.input.window(1)?.len();
            if have == 0 {
                return Err(Error::new(Kind::Damaged, "the stream ended before its edits did"));
            }
            plain.input.consume(usize::try_from(left).unwrap_or(usize::MAX).min(have));
        }
        Ok(())
    }
}

impl Pass for Noting<'_, '_> {
    fn offset(&self) -> u64 {
        self.at
    }

    fn window(&mut self, min: usize) -> Result<&[u8]> {
        self.reach()?;
        match &mut self.plain {
            Some(plain) => plain.input.window(min),
            None => Err(behind()),
        }
    }

    fn keep(&mut self, n: u64) -> Result<()> {
        self.step(n).map(drop)
    }

    fn drop(&mut self, n: u64) -> Result<()> {
        let span = self.step(n)?;
        self.edits.push(span, b"")
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.edits.push(Span::new(self.at, self.at), bytes)
    }

    fn keep_rest(&mut self) -> Result<()> {
        self.step(self.len - self.at).map(drop)
    }
}
