//! Zstandard (RFC 8878): any number of frames and skippable frames.
//!
//! Frame headers are read here (`head`), so that frame boundaries, windows and checksums are known; the blocks by libzstd, and
//! for the second look by ruzstd, whose content checksum and length are compared here (`decode`). Memory is asked for before
//! a frame is decoded. The encoder (`encode`) writes each frame as a frame of its own with the same window, checksum and, where
//! the length is known, content size; a lift encodes only what it must (`splice`). Skippable frames stay as they are, but for the two that tell of their neighbours: the
//! seek table at the end and pzstd's sizes, which are made anew. Dictionaries and the formats before v0.8 are refused by name.

mod cut;
mod decode;
mod encode;
mod head;
mod seek;
mod splice;
#[cfg(test)]
mod splice_tests;
mod table;
#[cfg(test)]
mod tests;

use crate::error::Result;
use crate::input::Source;
use crate::layer::Cx;
use crate::layer::coded::{Codec, Encoder, Heads, Need, Splice, units};

/// The codec's name.
const NAME: &str = "zstd";

/// Among the levels: `--zstd-seekable`.
pub const SEEKABLE: &str = "zstd-seekable";

/// The Zstandard codec.
pub struct Zstd;

impl Codec for Zstd {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sniff(&self, head: &[u8]) -> bool {
        head::sniff(head)
    }

    fn extensions(&self) -> &'static [(&'static str, &'static str)] {
        &[(".zst", ""), (".zstd", ""), (".tzst", ".tar")]
    }

    fn decoder<'a>(
        &self,
        source: Box<dyn Source + 'a>,
        heads: Heads,
        second: bool,
        need: Need<'a>,
    ) -> Result<Box<dyn Source + 'a>> {
        Ok(Box::new(decode::Decoder::new(source, heads, second, need)))
    }

    fn cut(&self, coded: &[u8], least: usize) -> Option<usize> {
        cut::cut(coded, least)
    }

    fn encoder<'a>(&self, level: Option<i32>, need: Need<'a>) -> Result<Box<dyn Encoder + 'a>> {
        Ok(Box::new(encode::Frames::new(level, need)))
    }

    fn splice(&self, work: &mut Splice<'_>, cx: &mut Cx<'_>) -> Result<bool> {
        let Some(job) = units::prepare(self, work, cx)? else { return Ok(false) };
        let (decoding, encoding) = (cx.memory(), cx.memory());
        let frames = encode::Frames::new(cx.search.level(NAME), Box::new(move |bytes| encoding.need(bytes)));
        splice::splice(job, frames, cx.search.level(SEEKABLE).is_some(), Box::new(move |bytes| decoding.need(bytes)))
    }
}
