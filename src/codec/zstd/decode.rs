//! The zstd decoder: frames one after another (RFC 8878 §3.1), each to its own end, so that no read spans two.
//!
//! libzstd checks content size and content checksum itself; ruzstd does not, so for it both are compared here. Its errors and
//! libzstd's are told by constants. ruzstd takes windows of every size that libzstd takes (2 GiB), so that no second look
//! falls back to libzstd. A panic of ruzstd on bad data is caught and counts as damage.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use xxhash_rust::xxh64::Xxh64;
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, ResetDirective};

use super::head::{self, Frame, Role, Start};
use super::{NAME, table};
use crate::error::{Error, Kind, Result};
use crate::input::{Input, Source};
use crate::layer::coded::points::Point;
use crate::layer::coded::{Head, Heads, Need, units};

/// Bytes that one read of the source brings.
const READ: usize = 64 * 1024;
/// Longest piece of a skippable frame that is announced as one head.
const PIECE: u64 = 64 * 1024;
/// Least plain bytes between two points at which a lift may begin.
const POINTS: u64 = 64 * 1024;
/// log2 of the largest window, bytes; what a run has memory for is asked for frame by frame.
const WINDOW_LOG: u32 = 31;

enum State {
    /// At the first byte of a frame, or at the end of the source.
    Start,
    /// In a frame.
    Frame,
    /// At the end of the source.
    End,
}

/// Decodes a whole Zstandard stream.
pub struct Decoder<'a> {
    feed: Feed<'a>,
    heads: Heads,
    need: Need<'a>,
    /// The most memory asked for so far.
    asked: u64,
    library: Library,
    state: State,
    /// Plain bytes returned so far.
    plain: u64,
    /// The plain offset from which on the next point is offered.
    point: u64,
}

impl<'a> Decoder<'a> {
    /// Decodes `source`; by ruzstd if `second`.
    pub fn new(source: Box<dyn Source + 'a>, heads: Heads, second: bool, need: Need<'a>) -> Self {
        Self {
            feed: Feed { input: Input::new(source, READ), failed: None },
            heads,
            need,
            asked: 0,
            library: if second { Library::Second(None) } else { Library::First(None) },
            state: State::Start,
            plain: 0,
            point: 0,
        }
    }

    /// Looks at what stands next, and begins or announces it.
    fn start(&mut self) -> Result<()> {
        let at = self.feed.input.offset();
        let window = self.feed.input.window(head::LONGEST)?;
        if !window.is_empty() && self.plain >= self.point && self.heads.wants_points() {
            self.point = self.plain + POINTS;
            self.heads.offer(Point { coded: at * 8, plain: self.plain, state: [units::FRAME; 4] }, &[]);
        }
        match head::start(window) {
            Start::Cut if window.is_empty() && at > 0 => {
                self.state = State::End;
                Ok(())
            }
            Start::Frame => self.frame(at),
            Start::Skippable(low) => self.skippable(at, low),
            Start::Legacy => Err(Error::unsupported("zstd before v0.8")),
            Start::Cut => Err(Error::damaged(NAME, at + window.len() as u64, "a magic number is cut off")),
            Start::Unknown => Err(Error::damaged(NAME, at, "no frame where one must be")),
        }
    }

    fn frame(&mut self, at: u64) -> Result<()> {
        let bytes = self.feed.input.unread();
        let frame = head::parse(bytes.get(..bytes.len().min(head::LONGEST)).unwrap_or_default(), at)?;
        let bytes = bytes.get(..frame.len).unwrap_or_default().to_vec();
        if frame.memory() > self.asked {
            (self.need)(frame.memory())?;
            self.asked = frame.memory();
        }
        self.announce(at, bytes, false, frame.traits())?;
        self.library.begin(&mut self.feed, &frame)?;
        self.state = State::Frame;
        Ok(())
    }

    fn announce(&self, at: u64, bytes: Vec<u8>, verbatim: bool, traits: [u64; 4]) -> Result<()> {
        self.heads.push(Head { at, plain_at: self.plain, bytes, verbatim, names: Vec::new(), traits })
    }

    /// Announces a skippable frame and passes over it.
    fn skippable(&mut self, at: u64, low: u8) -> Result<()> {
        let cut = |at| Error::damaged(NAME, at, "a skippable frame is cut off");
        let window = self.feed.input.unread();
        let Some(len) = head::skippable_len(window) else {
            return Err(cut(at + window.len() as u64));
        };
        let whole = head::SKIPPABLE as u64 + len;
        if low == table::MAGIC_LOW && len <= table::LONGEST && self.table(at, len)? {
            return Ok(());
        }
        let mut left = whole;
        while left > 0 {
            let want = left.min(PIECE) as usize;
            let here = self.feed.input.offset();
            let window = self.feed.input.window(want)?;
            let Some(piece) = window.get(..want) else {
                return Err(cut(here + window.len() as u64));
            };
            let piece = piece.to_vec();
            left -= want as u64;
            let role = if low == 0 && len == 4 {
                Role::Size
            } else if low == table::MAGIC_LOW && left == 0 && self.is_table_end(want, len)? {
                Role::LongTable
            } else {
                Role::Skippable
            };
            self.feed.input.consume(want);
            let mut traits = role.traits();
            // The encoder counts a frame at its first piece.
            if here == at {
                traits[1] = whole;
            }
            self.announce(here, piece, true, traits)?;
        }
        Ok(())
    }

    /// Whether the next `piece` bytes are the end of a seek table and of the stream.
    fn is_table_end(&mut self, piece: usize, len: u64) -> Result<bool> {
        let window = self.feed.input.window(piece + 1)?;
        Ok(window.len() == piece
            && window.last_chunk::<{ table::FOOTER }>().is_some_and(|f| table::closes(f, len).is_some()))
    }

    /// Announces and passes over a seek table that closes the stream; `false` if this is none.
    fn table(&mut self, at: u64, len: u64) -> Result<bool> {
        let whole = head::SKIPPABLE + len as usize;
        let window = self.feed.input.window(whole + 1)?;
        let footer = window.last_chunk::<{ table::FOOTER }>().filter(|_| window.len() == whole);
        let Some((footer, checksums)) = footer.and_then(|f| Some((f, table::closes(f, len)?))) else {
            return Ok(false);
        };
        let bytes = [window.get(..head::SKIPPABLE).unwrap_or_default(), footer].concat();
        self.announce(at, bytes, true, Role::Table { checksums }.traits())?;
        self.feed.input.consume(whole);
        Ok(true)
    }
}

impl Source for Decoder<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            match self.state {
                State::Start => self.start()?,
                State::Frame => {
                    let (n, done) = self.library.read(&mut self.feed, buf)?;
                    self.plain += n as u64;
                    if done {
                        self.state = State::Start;
                    }
                    if n > 0 {
                        return Ok(n);
                    }
                }
                State::End => return Ok(0),
            }
        }
    }
}

/// The coded bytes, also as ruzstd reads them; keeps the error that [`io::Error`] cannot carry.
struct Feed<'a> {
    input: Input<'a>,
    failed: Option<Error>,
}

impl Feed<'_> {
    fn damaged(&self, what: &'static str) -> Error {
        Error::damaged(NAME, self.input.offset(), what)
    }

    /// What ended a step of ruzstd: an error of the source, its end, or bad data.
    fn why(&mut self) -> Error {
        let cut = self.input.at_end() && self.input.unread().is_empty();
        let what = if cut { CUT } else { INVALID };
        self.failed.take().unwrap_or_else(|| self.damaged(what))
    }
}

const CUT: &str = "a frame is cut off";
const INVALID: &str = "the compressed data is invalid";
const CHECKSUM: &str = "the content checksum does not match";
const LENGTH: &str = "the content size does not match";

impl io::Read for Feed<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.input.window(1) {
            Ok(window) => {
                let n = window.len().min(buf.len());
                if let (Some(to), Some(from)) = (buf.get_mut(..n), window.get(..n)) {
                    to.copy_from_slice(from);
                }
                self.input.consume(n);
                Ok(n)
            }
            Err(error) => {
                self.failed = Some(error);
                Err(io::Error::from(io::ErrorKind::Other))
            }
        }
    }
}

/// The two libraries; each begins at a frame's magic number.
enum Library {
    First(Option<DCtx<'static>>),
    Second(Option<Box<Second>>),
}

impl Library {
    fn begin(&mut self, feed: &mut Feed<'_>, frame: &Frame) -> Result<()> {
        match self {
            Library::First(slot) => {
                let out_of_memory = || Error::new(Kind::Io, "no memory for a zstd decoder");
                let mut context = match slot.take() {
                    Some(context) => context,
                    None => DCtx::try_create().ok_or_else(out_of_memory)?,
                };
                context.reset(ResetDirective::SessionOnly).map_err(|_| out_of_memory())?;
                context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG)).map_err(|_| out_of_memory())?;
                *slot = Some(context);
                Ok(())
            }
            Library::Second(slot) => slot.get_or_insert_default().begin(feed, frame),
        }
    }

    /// Decodes into `buf`; the flag tells that the frame ended.
    fn read(&mut self, feed: &mut Feed<'_>, buf: &mut [u8]) -> Result<(usize, bool)> {
        match self {
            Library::First(Some(context)) => first(context, feed, buf),
            Library::Second(Some(second)) => second.read(feed, buf),
            _ => Err(feed.damaged(INVALID)),
        }
    }
}

/// libzstd's step.
fn first(context: &mut DCtx<'static>, feed: &mut Feed<'_>, buf: &mut [u8]) -> Result<(usize, bool)> {
    loop {
        let window = feed.input.window(1)?;
        let (mut from, mut to) = (InBuffer::around(window), OutBuffer::around(&mut *buf));
        let hint = context.decompress_stream(&mut to, &mut from);
        let (used, made) = (from.pos(), to.pos());
        let cut = window.is_empty();
        match hint {
            Ok(hint) => {
                feed.input.consume(used);
                if hint == 0 || made > 0 {
                    return Ok((made, hint == 0));
                }
                if cut {
                    return Err(feed.damaged(CUT));
                }
                if used == 0 {
                    // Never so: libzstd takes what it is given.
                    return Err(feed.damaged(INVALID));
                }
            }
            Err(code) => {
                return Err(match zstd_safe::get_error_name(code) {
                    "Restored data doesn't match checksum" => feed.damaged(CHECKSUM),
                    "Allocation error : not enough memory" => Error::new(Kind::Io, "no memory for a zstd window"),
                    "Frame requires too much memory for decoding" => Error::limit("a zstd window (2 GiB)"),
                    _ if cut => feed.damaged(CUT),
                    _ => feed.damaged(INVALID),
                });
            }
        }
    }
}

/// ruzstd with what it does not check.
#[derive(Default)]
struct Second {
    decoder: FrameDecoder,
    hash: Xxh64,
    made: u64,
    content: Option<u64>,
    checksum: bool,
    /// The largest window so far.
    window: u64,
}

impl Second {
    fn begin(&mut self, feed: &mut Feed<'_>, frame: &Frame) -> Result<()> {
        self.hash.reset(0);
        (self.made, self.content, self.checksum) = (0, frame.content, frame.checksum);
        if frame.window > self.window {
            // Its buffer would hold the old window and the new one while it grows.
            (self.decoder, self.window) = (FrameDecoder::new(), frame.window);
        }
        self.decoder.set_max_window_size(1 << WINDOW_LOG);
        let decoder = &mut self.decoder;
        match catch_unwind(AssertUnwindSafe(|| decoder.reset(&mut *feed))) {
            Ok(Ok(())) => Ok(()),
            _ => Err(self.fail(feed)),
        }
    }

    /// A decoder that failed or panicked is not used again.
    fn fail(&mut self, feed: &mut Feed<'_>) -> Error {
        self.decoder = FrameDecoder::new();
        feed.why()
    }

    fn read(&mut self, feed: &mut Feed<'_>, buf: &mut [u8]) -> Result<(usize, bool)> {
        loop {
            let decoder = &mut self.decoder;
            if decoder.can_collect() > 0 {
                let n = io::Read::read(decoder, buf).map_err(|_| feed.damaged(INVALID))?;
                self.hash.update(buf.get(..n).unwrap_or_default());
                self.made += n as u64;
                return Ok((n, false));
            }
            if decoder.is_finished() {
                self.check(feed)?;
                return Ok((0, true));
            }
            let step = AssertUnwindSafe(|| decoder.decode_blocks(&mut *feed, BlockDecodingStrategy::UptoBlocks(1)));
            if !matches!(catch_unwind(step), Ok(Ok(_))) {
                return Err(self.fail(feed));
            }
        }
    }

    fn check(&self, feed: &Feed<'_>) -> Result<()> {
        if self.content.is_some_and(|content| content != self.made) {
            return Err(feed.damaged(LENGTH));
        }
        if self.checksum && self.decoder.get_checksum_from_data() != Some(self.hash.digest() as u32) {
            return Err(feed.damaged(CHECKSUM));
        }
        Ok(())
    }
}
