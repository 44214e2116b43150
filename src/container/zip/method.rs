//! How a payload is coded (APPNOTE 6.3.10 §4.4.5): stored, deflate, zstd; all else has a name.
//!
//! Each is a [`Codec`], so that a payload is decoded, and encoded again, as any coded stream is. Deflate and stored are made here;
//! zstd is the build's own codec, with its frames and its bounds.

use std::sync::{Arc, Mutex, PoisonError};

use flate2::{Compress, Compression};

use super::NAME;
use super::head::{self, Header};
use crate::error::{Error, Kind, Result};
use crate::input::{Input, Source};
use crate::layer::Cx;
use crate::layer::coded::{Codec, Encoder, Head, Heads, Need, Splice};
use crate::layer::deflate::splice::{self, Frames, Member, Recut, Splicer};
use crate::layer::deflate::{Deflated, Inflate, Stored};

/// Bytes that one read of a payload brings.
const READ: usize = 64 * 1024;

/// What can be done with a payload.
pub enum Method {
    /// It is decoded.
    Coded(Coded),
    /// It is kept as it is; why.
    Raw(&'static str),
}

/// A method that is read and written.
#[derive(Clone, Copy)]
pub enum Coded {
    /// 0.
    Stored,
    /// 8, at the level of which the flags tell.
    Deflate(u32),
    /// A codec of the build.
    Built(&'static dyn Codec),
}

/// The method of a member whose entry in the directory, or whose local header, is `header`.
pub fn of(header: &Header, cx: &Cx<'_>) -> Method {
    let flags = header.flags();
    if flags & (head::ENCRYPTED | head::STRONG | head::MASKED) != 0 {
        return Method::Raw("encrypted");
    }
    if flags & head::PATCHED != 0 {
        return Method::Raw("patched data");
    }
    match header.method() {
        0 => Method::Coded(Coded::Stored),
        // §4.4.4: normal, maximum, fast, super fast.
        8 => Method::Coded(Coded::Deflate(match (flags & head::EFFORT) >> 1 {
            1 => 9,
            2 => 3,
            3 => 1,
            _ => 6,
        })),
        93 => cx.search.detect.codec("zstd").map_or(Method::Raw("zstd"), |codec| Method::Coded(Coded::Built(codec))),
        other => Method::Raw(match other {
            1 => "shrink",
            2..=5 => "reduce",
            6 => "implode",
            9 => "deflate64",
            12 => "bzip2",
            14 => "lzma",
            95 => "xz",
            96 => "jpeg",
            97 => "wavpack",
            98 => "ppmd",
            99 => "encrypted",
            _ => "unknown method",
        }),
    }
}

impl Codec for Coded {
    fn name(&self) -> &'static str {
        match self {
            Coded::Stored => "stored",
            // The name by which its level is asked for.
            Coded::Deflate(_) => "gzip",
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
            Coded::Stored => Ok(source),
            Coded::Deflate(_) => {
                let input = Input::new(source, READ);
                Ok(Box::new(Inflated { input, inflate: Inflate::new(second), ended: false }))
            }
            Coded::Built(codec) => codec.decoder(source, heads, second, need),
        }
    }

    fn encoder<'a>(&self, level: Option<i32>, need: Need<'a>) -> Result<Box<dyn Encoder + 'a>> {
        match self {
            Coded::Stored => Ok(Box::new(Stored)),
            Coded::Deflate(was) => {
                let level = level.map_or(*was, |level| level.clamp(0, 9) as u32);
                Ok(Box::new(Deflated::new(Compress::new(Compression::new(level), false), NAME)))
            }
            Coded::Built(codec) => codec.encoder(level, need),
        }
    }
}

/// Decodes one deflate stream that is all of its source.
struct Inflated<'a> {
    input: Input<'a>,
    inflate: Inflate,
    ended: bool,
}

impl Inflated<'_> {
    fn damaged(&self, what: &'static str) -> Error {
        Error::damaged(NAME, self.input.offset(), what)
    }
}

impl Source for Inflated<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        while !self.ended && !buf.is_empty() {
            let window = self.input.window(1)?;
            let cut = window.is_empty();
            let Some(step) = self.inflate.step(window, buf) else {
                return Err(self.damaged("the compressed data is invalid"));
            };
            self.input.consume(step.used);
            self.ended = step.done;
            if step.done && !self.input.window(1)?.is_empty() {
                return Err(self.damaged("bytes behind the compressed data"));
            }
            if step.made > 0 {
                return Ok(step.made);
            }
            if !step.done && (cut || (step.used == 0 && !self.input.more()?)) {
                let end = self.input.offset() + self.input.unread().len() as u64;
                return Err(Error::damaged(NAME, end, "the compressed data is cut off"));
            }
        }
        Ok(0)
    }
}

/// A method that adds up what it encodes, for the headers.
#[derive(Clone)]
pub struct Summed {
    coded: Coded,
    sum: Arc<Mutex<(crc32fast::Hasher, u64)>>,
}

impl Summed {
    /// Nothing is encoded yet.
    pub fn new(coded: Coded) -> Self {
        Self { coded, sum: Arc::default() }
    }

    /// CRC-32 and length of the plain bytes.
    pub fn sum(&self) -> (u32, u64) {
        let (crc, len) = &*self.sum.lock().unwrap_or_else(PoisonError::into_inner);
        (crc.clone().finalize(), *len)
    }
}

impl Codec for Summed {
    fn name(&self) -> &'static str {
        self.coded.name()
    }
    fn sniff(&self, head: &[u8]) -> bool {
        self.coded.sniff(head)
    }
    fn extensions(&self) -> &'static [(&'static str, &'static str)] {
        self.coded.extensions()
    }
    fn decoder<'a>(
        &self,
        source: Box<dyn Source + 'a>,
        heads: Heads,
        second: bool,
        need: Need<'a>,
    ) -> Result<Box<dyn Source + 'a>> {
        self.coded.decoder(source, heads, second, need)
    }
    fn encoder<'a>(&self, level: Option<i32>, need: Need<'a>) -> Result<Box<dyn Encoder + 'a>> {
        Ok(Box::new(Summing { encoder: self.coded.encoder(level, need)?, sum: Arc::clone(&self.sum) }))
    }

    /// Of a deflate stream only what changes is encoded again.
    fn splice(&self, work: &mut Splice<'_>, cx: &mut Cx<'_>) -> Result<bool> {
        let Coded::Deflate(was) = self.coded else { return Ok(false) };
        let level = cx.search.level(self.name()).map(|level| level.clamp(0, 9) as u32);
        let frames = Bare(was);
        let coded = splice::Coded { len: work.part.len, points: work.part.points.as_ref(), masked: work.masked, level };
        let mut splicer = Splicer::new(&frames, &coded, &mut *work.pass)?;
        work.part.found.layer.lift(&work.part.found, &mut splicer, cx)?;
        let Some((crc, len)) = splicer.finish(cx)? else {
            return Err(Error::new(Kind::Verify, "a member that was to change did not").layer(NAME));
        };
        let mut sum = self.sum.lock().unwrap_or_else(PoisonError::into_inner);
        *sum = (crc32fast::Hasher::new_with_initial_len(crc, len), len);
        Ok(true)
    }
}

/// One deflate stream at this level, and nothing around it.
struct Bare(u32);

impl Frames for Bare {
    fn name(&self) -> &'static str {
        NAME
    }
    fn longest(&self) -> usize {
        1
    }
    fn open(&self, _: &[u8], at: u64) -> Result<Option<Member>> {
        Ok((at == 0).then(|| self.told(0)))
    }
    fn told(&self, _: u64) -> Member {
        Member { level: self.0, ..Member::default() }
    }
    fn trailer(&self) -> usize {
        0
    }
    fn recut(&self, _: &[u8]) -> Result<Box<dyn Recut>> {
        Err(Error::new(Kind::Verify, "a payload is no member").layer(NAME))
    }
}

struct Summing<'a> {
    encoder: Box<dyn Encoder + 'a>,
    sum: Arc<Mutex<(crc32fast::Hasher, u64)>>,
}

impl Encoder for Summing<'_> {
    fn foretell(&mut self, old: u64, new: u64) {
        self.encoder.foretell(old, new);
    }
    fn begin(&mut self, head: &Head, out: &mut Vec<u8>) -> Result<()> {
        self.encoder.begin(head, out)
    }
    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let mut sum = self.sum.lock().unwrap_or_else(PoisonError::into_inner);
        sum.0.update(plain);
        sum.1 += plain.len() as u64;
        drop(sum);
        self.encoder.write(plain, out)
    }
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.encoder.finish(out)
    }
}
