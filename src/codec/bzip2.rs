//! bzip2: any number of streams, NUL padding after the last.
//!
//! Streams are decoded by libbz2 (its Rust port) and for the second look by a decoder of our own (`second`); both check the
//! CRC of each block and of each stream. A stream is a frame: it is written again as one, with the block size that its header
//! tells of, unless the option says another. There is nothing else in a header, and no name. Blocks stand at bit offsets;
//! a lift encodes only touched ones (`splice`). Blocks that bzip2 before 0.9.5 randomised are read, but not by the second decoder.

mod blocks;
mod cut;
mod second;
mod splice;
#[cfg(test)]
mod splice_tests;
#[cfg(test)]
mod tests;

use bzip2::{Action, Compress, Compression, Decompress, Status};

use self::blocks::Bounds;
use crate::error::{Error, Kind, Result};
use crate::input::Source;
use crate::layer::Cx;
use crate::layer::ahead::Cutter;
use crate::layer::coded::{Codec, Encoder, Head, Heads, Need, Splice, units};
use crate::layer::feed::Feed;

/// The codec's name.
const NAME: &str = "bzip2";
/// Length of `BZh` and the digit.
const HEADER: usize = 4;
/// Magic number of a block, and of the end of a stream.
const MAGICS: [[u8; 6]; 2] = [[0x31, 0x41, 0x59, 0x26, 0x53, 0x59], [0x17, 0x72, 0x45, 0x38, 0x50, 0x90]];
/// Bytes of a block for each step of the level, uncompressed.
const STEP: u64 = 100_000;
/// Room that the encoder makes in its output before each step, bytes.
const ROOM: usize = 32 * 1024;

const INVALID: &str = "the compressed data is invalid";
const CUT: &str = "the compressed data is cut off";

/// The bzip2 codec.
pub struct Bzip2;

impl Codec for Bzip2 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sniff(&self, head: &[u8]) -> bool {
        level_of(head).is_some() && MAGICS.iter().any(|magic| head.get(HEADER..).is_some_and(|b| b.starts_with(magic)))
    }

    fn extensions(&self) -> &'static [(&'static str, &'static str)] {
        &[(".bz2", ""), (".tbz2", ".tar"), (".tbz", ".tar")]
    }

    fn decoder<'a>(
        &self,
        source: Box<dyn Source + 'a>,
        heads: Heads,
        second: bool,
        need: Need<'a>,
    ) -> Result<Box<dyn Source + 'a>> {
        let library = if second { Library::Second(Box::default()) } else { Library::First(None) };
        let bounds = (heads.wants_points() && !second).then(Bounds::default);
        let feed = Feed::new(NAME, source, heads);
        Ok(Box::new(Decoder { feed, library, bounds, need, asked: 0, state: State::Start }))
    }

    fn cutter(&self) -> Option<Box<dyn Cutter>> {
        Some(Box::<cut::Blocks>::default())
    }

    fn encoder<'a>(&self, level: Option<i32>, need: Need<'a>) -> Result<Box<dyn Encoder + 'a>> {
        let level = level.map(|level| level.clamp(1, 9) as u32);
        Ok(Box::new(Streams { level, need, asked: 0, open: None }))
    }

    fn splice(&self, work: &mut Splice<'_>, cx: &mut Cx<'_>) -> Result<bool> {
        let Some(job) = units::prepare(self, work, cx)? else { return Ok(false) };
        let (memory, level) = (cx.memory(), cx.search.level(NAME).map(|level| level.clamp(1, 9) as u32));
        splice::splice(job, level, Box::new(move |bytes| memory.need(bytes)))
    }
}

/// The level in a stream's header.
fn level_of(head: &[u8]) -> Option<u32> {
    match head {
        [b'B', b'Z', b'h', digit @ b'1'..=b'9', ..] => Some(u32::from(digit - b'0')),
        _ => None,
    }
}

/// Bytes that a decoder keeps (bzip2's manual: 100 k + 4 × block size).
fn decoding(level: u32) -> u64 {
    STEP * (1 + 4 * u64::from(level))
}

/// Bytes that an encoder keeps (bzip2's manual: 400 k + 8 × block size).
fn encoding(level: u32) -> u64 {
    STEP * (4 + 8 * u64::from(level))
}

enum State {
    /// At the first byte of a stream, or at the end of the source.
    Start,
    /// Inside a stream.
    Body,
    /// At the end of the source.
    End,
}

struct Decoder<'a> {
    feed: Feed<'a>,
    library: Library,
    /// Where blocks begin, if somebody wants to know.
    bounds: Option<Bounds>,
    need: Need<'a>,
    /// The most memory asked for so far.
    asked: u64,
    state: State,
}

enum Library {
    First(Option<Decompress>),
    Second(Box<second::Second>),
}

impl Decoder<'_> {
    fn start(&mut self) -> Result<()> {
        let after = self.feed.input.offset() > 0;
        let window = self.feed.input.window(HEADER)?;
        let cut = window.len() < HEADER && b"BZh".starts_with(window.get(..window.len().min(3)).unwrap_or_default());
        if after && matches!(window, [] | [0, ..]) {
            self.feed.padding("bytes after the padding of the last stream")?;
            self.state = State::End;
            return Ok(());
        }
        let level = match level_of(window) {
            Some(level) => level,
            None if cut => return Err(self.feed.cut("a header is cut off")),
            None => return Err(self.feed.damaged("no stream where one must be")),
        };
        if decoding(level) > self.asked {
            (self.need)(decoding(level))?;
            self.asked = decoding(level);
        }
        self.feed.offer(units::FRAME);
        match &mut self.library {
            Library::First(slot) => {
                // libbz2 reads the header itself.
                let mut decoder = Decompress::new(false);
                let header = self.feed.exact(HEADER, CUT)?.to_vec();
                if decoder.decompress(&header, &mut []).is_err() || decoder.total_in() != HEADER as u64 {
                    return Err(self.feed.damaged(INVALID));
                }
                *slot = Some(decoder);
            }
            Library::Second(second) => second.begin(level),
        }
        self.feed.announce(HEADER, false, [u64::from(level), 0, 0, 0])?;
        if let Some(bounds) = &mut self.bounds {
            *bounds = Bounds::new(self.feed.input.offset(), self.feed.plain);
        }
        self.state = State::Body;
        Ok(())
    }

    /// Decodes into `buf`; 0 at the stream's end.
    fn body(&mut self, buf: &mut [u8]) -> Result<usize> {
        let (n, done) = match &mut self.library {
            Library::First(Some(decoder)) => first(decoder, &mut self.feed, buf, self.bounds.as_mut())?,
            Library::Second(second) => second.read(&mut self.feed, buf)?,
            Library::First(None) => return Err(self.feed.damaged(INVALID)),
        };
        self.feed.plain += n as u64;
        if done {
            self.state = State::Start;
        }
        Ok(n)
    }
}

/// libbz2's step; the flag tells that the stream ended.
fn first(
    decoder: &mut Decompress,
    feed: &mut Feed<'_>,
    buf: &mut [u8],
    mut bounds: Option<&mut Bounds>,
) -> Result<(usize, bool)> {
    loop {
        let most = bounds.as_mut().map_or(Ok(usize::MAX), |bounds| bounds.allow(feed))?;
        let window = feed.input.window(1)?;
        let cut = window.is_empty();
        let window = window.get(..most.min(window.len())).unwrap_or_default();
        let (taken, made) = (decoder.total_in(), decoder.total_out());
        let status = decoder.decompress(window, buf);
        let (used, made) = ((decoder.total_in() - taken) as usize, (decoder.total_out() - made) as usize);
        feed.input.consume(used);
        match status {
            Ok(Status::StreamEnd) => return Ok((made, true)),
            Ok(Status::MemNeeded) => return Err(Error::new(Kind::Io, "no memory for a bzip2 decoder")),
            Ok(_) if made > 0 => return Ok((made, false)),
            Ok(_) if cut => return Err(feed.damaged(CUT)),
            Ok(_) if used > 0 => {}
            Ok(_) if most == 0 && bounds.as_mut().is_some_and(|bounds| bounds.reached(feed)) => {}
            // Never so: libbz2 takes what it is given until its output is full.
            _ => return Err(feed.damaged(INVALID)),
        }
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
                State::Body => {
                    let n = self.body(buf)?;
                    if n > 0 {
                        return Ok(n);
                    }
                }
                State::End => return Ok(0),
            }
        }
    }
}

/// The encoder.
struct Streams<'a> {
    level: Option<u32>,
    need: Need<'a>,
    /// The most memory asked for so far.
    asked: u64,
    open: Option<Compress>,
}

impl Streams<'_> {
    fn end(&mut self, out: &mut Vec<u8>) -> Result<()> {
        match self.open.take() {
            Some(mut open) => squeeze(&mut open, &[], out, Action::Finish),
            None => Ok(()),
        }
    }
}

impl Encoder for Streams<'_> {
    fn begin(&mut self, head: &Head, out: &mut Vec<u8>) -> Result<()> {
        self.end(out)?;
        if head.verbatim {
            out.extend_from_slice(&head.bytes);
            return Ok(());
        }
        let old = head.traits[0].clamp(1, 9) as u32;
        let level = self.level.unwrap_or(old);
        let all = decoding(old) + encoding(level);
        if all > self.asked {
            (self.need)(all)?;
            self.asked = all;
        }
        self.open = Some(Compress::new(Compression::new(level), 0));
        Ok(())
    }

    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        match &mut self.open {
            Some(open) => squeeze(open, plain, out, Action::Run),
            None => Err(Error::new(Kind::Verify, "bytes outside a stream").layer(NAME)),
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.end(out)
    }
}

/// Compresses all of `plain`; with `Finish`, ends the stream.
fn squeeze(open: &mut Compress, mut plain: &[u8], out: &mut Vec<u8>, action: Action) -> Result<()> {
    let finish = action == Action::Finish;
    while finish || !plain.is_empty() {
        out.reserve(ROOM);
        let (taken, made) = (open.total_in(), out.len());
        let status = open
            .compress_vec(plain, out, action)
            .map_err(|_| Error::new(Kind::Verify, "the compressor failed").layer(NAME))?;
        let used = (open.total_in() - taken) as usize;
        plain = plain.get(used..).unwrap_or_default();
        if status == Status::StreamEnd {
            break;
        }
        if used == 0 && out.len() == made {
            return Err(Error::new(Kind::Verify, "the compressor stands still").layer(NAME));
        }
    }
    Ok(())
}
