//! LZ4 frames (`lz4_Frame_format.md` of the project, v1.6): any number of frames and skippable frames.
//!
//! Frames, their checksums and their blocks are read here (`head`, `decode`); what is in a compressed block by `lz4_flex`,
//! and for the second look by a decoder of our own (`second`). The encoder (`encode`) writes each frame as a frame of its
//! own with the same block size, linking and checksums and, where the length is known, the content size; a lift encodes only touched blocks (`splice`). Skippable frames stay
//! as they are. Levels are not recorded in a frame, and there is one way to compress: `lz4_flex` has no other. The legacy
//! format and dictionaries are refused by name.

mod decode;
mod encode;
mod head;
mod second;
mod splice;
#[cfg(test)]
mod splice_tests;
#[cfg(test)]
mod tests;

use crate::error::Result;
use crate::input::Source;
use crate::layer::Cx;
use crate::layer::coded::{Codec, Encoder, Heads, Need, Splice, units};

/// The codec's name.
const NAME: &str = "lz4";
/// How far back a match reaches, bytes: what linked blocks keep of those before.
const WINDOW: usize = 64 * 1024;

/// The LZ4 codec.
pub struct Lz4;

impl Codec for Lz4 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sniff(&self, head: &[u8]) -> bool {
        head::sniff(head)
    }

    fn extensions(&self) -> &'static [(&'static str, &'static str)] {
        &[(".lz4", ""), (".tlz4", ".tar")]
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

    fn encoder<'a>(&self, _level: Option<i32>, need: Need<'a>) -> Result<Box<dyn Encoder + 'a>> {
        Ok(Box::new(encode::Frames::new(need)))
    }

    fn splice(&self, work: &mut Splice<'_>, cx: &mut Cx<'_>) -> Result<bool> {
        let Some(job) = units::prepare(self, work, cx)? else { return Ok(false) };
        let memory = cx.memory();
        splice::splice(job, Box::new(move |bytes| memory.need(bytes)))
    }
}
