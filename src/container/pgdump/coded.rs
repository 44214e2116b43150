//! How a block is compressed: not, by zlib, or by a codec of the build.
//!
//! Each is a [`Codec`], so that a block is decoded, and encoded again, as any coded stream is.

use flate2::{Compress, Compression};
use miniz_oxide::inflate::stream::InflateState;
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

use super::CUSTOM;
use super::toc::Packing;
use crate::error::{Error, Kind, Result};
use crate::input::{Input, Source};
use crate::layer::Cx;
use crate::layer::coded::{Codec, Encoder, Heads, Need};
use crate::layer::deflate::{Deflated, Inflate, Stored};

/// Bytes that one read of a block brings.
const READ: usize = 64 * 1024;

/// A way to compress that is read and written.
#[derive(Clone, Copy)]
pub enum Coded {
    /// None.
    Plain,
    /// zlib's format (RFC 1950) at this level.
    Zlib(u32),
    /// A codec of the build.
    Built(&'static dyn Codec),
}

impl Coded {
    /// That of an archive; `None` if this build has no such codec.
    pub fn of(packing: Packing, cx: &Cx<'_>) -> Option<Self> {
        match packing {
            Packing::None => Some(Coded::Plain),
            Packing::Gzip(level) => Some(Coded::Zlib(level.unwrap_or(6))),
            Packing::Lz4 => cx.search.detect.codec("lz4").map(Coded::Built),
            Packing::Zstd => cx.search.detect.codec("zstd").map(Coded::Built),
        }
    }

    /// With the level of which the first bytes of a stream tell (RFC 1950 §2.2, FLEVEL), if nothing else does.
    #[must_use]
    pub fn told(self, packing: Packing, stream: &[u8]) -> Self {
        match (self, packing, stream.get(1)) {
            (Coded::Zlib(_), Packing::Gzip(None), Some(flags)) => Coded::Zlib(match flags >> 6 {
                0 => 1,
                1 => 4,
                2 => 6,
                _ => 9,
            }),
            _ => self,
        }
    }
}

impl Codec for Coded {
    fn name(&self) -> &'static str {
        match self {
            Coded::Plain => "stored",
            // The name by which its level is asked for.
            Coded::Zlib(_) => "gzip",
            Coded::Built(codec) => codec.name(),
        }
    }

    fn sniff(&self, _: &[u8]) -> bool {
        false
    }

    fn extensions(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    fn decoder<'a>(
        &self,
        source: Box<dyn Source + 'a>,
        heads: Heads,
        second: bool,
        need: Need<'a>,
    ) -> Result<Box<dyn Source + 'a>> {
        match self {
            Coded::Plain => Ok(source),
            Coded::Zlib(_) => {
                let state = if second {
                    State::Second(InflateState::new_boxed(DataFormat::Zlib))
                } else {
                    State::First(Zlib::new())
                };
                Ok(Box::new(Inflated { input: Input::new(source, READ), state, ended: false }))
            }
            Coded::Built(codec) => codec.decoder(source, heads, second, need),
        }
    }

    fn encoder<'a>(&self, level: Option<i32>, need: Need<'a>) -> Result<Box<dyn Encoder + 'a>> {
        match self {
            Coded::Plain => Ok(Box::new(Stored)),
            Coded::Zlib(was) => {
                let level = level.map_or(*was, |level| level.clamp(0, 9) as u32);
                Ok(Box::new(Deflated::new(Compress::new(Compression::new(level), true), CUSTOM)))
            }
            Coded::Built(codec) => codec.encoder(level, need),
        }
    }
}

/// Two decoders, which compare the checksum at the end.
enum State {
    /// Our own, the faster one.
    First(Zlib),
    /// For the second look.
    Second(Box<InflateState>),
}

/// Where a stream in zlib's format (RFC 1950) is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Head,
    Body,
    Tail,
}

/// Decodes zlib's format.
struct Zlib {
    body: Inflate,
    place: Place,
    /// Adler-32 of what was made.
    sum: u32,
}

impl Zlib {
    fn new() -> Self {
        Self { body: Inflate::new(false), place: Place::Head, sum: 1 }
    }

    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Step {
        match self.place {
            Place::Head => {
                let Some([method, flags]) = input.first_chunk() else { return Some((0, 0, false)) };
                let whole = u16::from_be_bytes([*method, *flags]).is_multiple_of(31);
                // Deflate, a window that there is, and no dictionary.
                let known = method & 0x0f == 8 && method >> 4 <= 7 && flags & 0x20 == 0;
                self.place = Place::Body;
                (whole && known).then_some((2, 0, false))
            }
            Place::Body => {
                let step = self.body.step(input, out)?;
                self.sum = zlib_rs::adler32::adler32(self.sum, out.get(..step.made)?);
                if step.done {
                    self.place = Place::Tail;
                }
                Some((step.used, step.made, false))
            }
            Place::Tail => match input.first_chunk() {
                None => Some((0, 0, false)),
                Some(sum) => (u32::from_be_bytes(*sum) == self.sum).then_some((4, 0, true)),
            },
        }
    }
}

/// What a step came to: bytes used and made, and whether the stream has ended; `None`: the data is invalid.
type Step = Option<(usize, usize, bool)>;

impl State {
    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Step {
        match self {
            State::First(state) => state.step(input, out),
            State::Second(state) => {
                let step = miniz_oxide::inflate::stream::inflate(state, input, out, MZFlush::None);
                let ended = match step.status {
                    Ok(status) => status == MZStatus::StreamEnd,
                    // Only that it could not go on with what it was given.
                    Err(MZError::Buf) => false,
                    Err(_) => return None,
                };
                Some((step.bytes_consumed, step.bytes_written, ended))
            }
        }
    }
}

fn damaged(what: &'static str) -> Error {
    Error::new(Kind::Damaged, what).layer(CUSTOM)
}

/// Decodes one zlib stream that is all of its source.
struct Inflated<'a> {
    input: Input<'a>,
    state: State,
    ended: bool,
}

impl Source for Inflated<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        while !self.ended && !buf.is_empty() {
            let window = self.input.window(1)?;
            let cut = window.is_empty();
            let Some((used, made, ended)) = self.state.step(window, buf) else {
                return Err(damaged("the compressed data of a block is invalid"));
            };
            self.input.consume(used);
            self.ended = ended;
            if ended && !self.input.window(1)?.is_empty() {
                return Err(damaged("bytes behind the compressed data of a block"));
            }
            if made > 0 {
                return Ok(made);
            }
            if !ended && (cut || (used == 0 && !self.input.more()?)) {
                return Err(damaged("the compressed data of a block is cut off"));
            }
        }
        Ok(0)
    }
}
