//! gzip (RFC 1952): any number of members, NUL padding after the last.
//!
//! Headers and trailers are read here (`head`, `decode`); the deflate stream by flate2 (zlib-rs), and for the second look
//! by `miniz_oxide`. The encoder writes a member's header back as it was, name, time and all; the compressed part and the
//! trailer are new. BGZF members carry their own size, so they are cut anew at 65280 plain bytes and get the right one
//! (`bgzf`); an index beside the file (`.gzi`, `.bai`) goes stale. dictzip files are read, but not rewritten: their
//! table of chunks would point to the wrong places. A lift encodes only what changes again (`splice`); the encoder is for what comes
//! in one pass.

mod bgzf;
mod cut;
mod decode;
mod head;
mod offers;
mod splice;
#[cfg(test)]
mod splice_tests;
#[cfg(test)]
mod tests;

use flate2::{Compress, Compression, FlushCompress};

use crate::error::{Error, Kind, Result};
use crate::input::Source;
use crate::layer::Cx;
use crate::layer::coded::{Codec, Encoder, Head, Heads, Need, Splice};
use crate::layer::deflate::splice::{Coded, Splicer};
use crate::layer::deflate::squeeze;

/// The codec's name.
const NAME: &str = "gzip";

/// Index in [`Head::traits`] of the XFL byte (RFC 1952 §2.3.1).
const XFL: usize = 0;
/// Index of a member's [`Kind`](head::Special).
const SPECIAL: usize = 1;
/// Index of the offset in the header of BGZF's block size.
const BC_AT: usize = 2;

/// The gzip codec.
pub struct Gzip;

impl Codec for Gzip {
    fn name(&self) -> &'static str {
        NAME
    }

    /// ID1, ID2 and the one compression method that there is (RFC 1952 §2.3.1).
    fn sniff(&self, head: &[u8]) -> bool {
        head.starts_with(&head::MAGIC)
    }

    fn extensions(&self) -> &'static [(&'static str, &'static str)] {
        &[(".gz", ""), (".tgz", ".tar"), (".taz", ".tar")]
    }

    fn decoder<'a>(
        &self,
        source: Box<dyn Source + 'a>,
        heads: Heads,
        second: bool,
        _need: Need<'a>,
    ) -> Result<Box<dyn Source + 'a>> {
        Ok(Box::new(decode::Decoder::new(source, heads, second)))
    }

    fn cut(&self, coded: &[u8], least: usize) -> Option<usize> {
        cut::cut(coded, least)
    }

    fn encoder<'a>(&self, level: Option<i32>, _need: Need<'a>) -> Result<Box<dyn Encoder + 'a>> {
        let level = level.map(|level| level.clamp(0, 9) as u32);
        Ok(Box::new(Members { level, deflate: None, open: Open::None }))
    }

    fn splice(&self, work: &mut Splice<'_>, cx: &mut Cx<'_>) -> Result<bool> {
        let level = cx.search.level(NAME).map(|level| level.clamp(0, 9) as u32);
        let frames = splice::Members { level };
        let coded = Coded { len: work.part.len, points: work.part.points.as_ref(), masked: work.masked, level };
        let mut splicer = Splicer::new(&frames, &coded, &mut *work.pass)?;
        work.part.found.layer.lift(&work.part.found, &mut splicer, cx)?;
        splicer.finish(cx)?;
        Ok(true)
    }

    fn seal(&self, head: &mut [u8]) {
        head::seal(head);
    }
}

/// The member that is being written.
enum Open {
    None,
    Plain(Check),
    Bgzf(bgzf::Blocks),
}

/// CRC-32 and length of a member's plain bytes (RFC 1952 §2.3.1, CRC32 and ISIZE).
#[derive(Default)]
struct Check {
    crc: crc32fast::Hasher,
    /// Modulo 2^32.
    size: u32,
}

impl Check {
    fn update(&mut self, plain: &[u8]) {
        self.crc.update(plain);
        self.size = self.size.wrapping_add(plain.len() as u32);
    }

    /// CRC-32 so far.
    fn crc(&self) -> u32 {
        self.crc.clone().finalize()
    }

    /// The trailer of eight bytes.
    fn trailer(&self) -> [u8; 8] {
        let word = u64::from(self.size) << 32 | u64::from(self.crc());
        word.to_le_bytes()
    }
}

/// The encoder.
struct Members {
    level: Option<u32>,
    /// The compressor of the last level used; reset for each member.
    deflate: Option<(u32, Compress)>,
    open: Open,
}

impl Members {
    /// The level asked for, else the one that XFL tells of (RFC 1952 §2.3.1: 2 slowest, 4 fastest).
    fn level(&self, head: &Head) -> u32 {
        let [xfl, ..] = head.traits;
        self.level.unwrap_or(splice::level(xfl))
    }

    fn start(&mut self, level: u32) -> &mut Compress {
        match &mut self.deflate {
            Some((is, deflate)) if *is == level => deflate.reset(),
            slot => *slot = Some((level, Compress::new(Compression::new(level), false))),
        }
        self.deflater()
    }

    /// The compressor in use.
    fn deflater(&mut self) -> &mut Compress {
        let (_, deflate) = self.deflate.get_or_insert_with(|| (6, Compress::new(Compression::new(6), false)));
        deflate
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<()> {
        match std::mem::replace(&mut self.open, Open::None) {
            Open::None => Ok(()),
            Open::Plain(check) => {
                squeeze(self.deflater(), &[], out, FlushCompress::Finish)?;
                out.extend_from_slice(&check.trailer());
                Ok(())
            }
            Open::Bgzf(mut blocks) => blocks.end(self.deflater(), out),
        }
    }
}

impl Encoder for Members {
    fn begin(&mut self, head: &Head, out: &mut Vec<u8>) -> Result<()> {
        self.end(out)?;
        if head.verbatim {
            out.extend_from_slice(&head.bytes);
            return Ok(());
        }
        let level = self.level(head);
        let [_, special, bc_at, _] = head.traits;
        match head::Special::from_trait(special) {
            head::Special::Dictzip => return Err(Error::unsupported("dictzip")),
            head::Special::Bgzf => {
                self.open = Open::Bgzf(bgzf::Blocks::new(head.bytes.clone(), bc_at as usize));
            }
            head::Special::None => {
                out.extend_from_slice(&head.bytes);
                self.open = Open::Plain(Check::default());
            }
        }
        self.start(level);
        Ok(())
    }

    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let mut open = std::mem::replace(&mut self.open, Open::None);
        let done = match &mut open {
            Open::None => Err(Error::new(Kind::Verify, "bytes outside a member").layer(NAME)),
            Open::Plain(check) => {
                check.update(plain);
                squeeze(self.deflater(), plain, out, FlushCompress::None)
            }
            Open::Bgzf(blocks) => blocks.write(plain, self.deflater(), out),
        };
        self.open = open;
        done
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.end(out)
    }
}
