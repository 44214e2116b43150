//! xz (`xz-file-format.txt` of the project, v1.2.1): any number of streams of any number of blocks, and stream padding.
//!
//! Stream headers, block headers, checks, indexes and footers are read here (`head`, `decode`); the LZMA2 data of a block
//! by liblzma, and for the second look by `lzma-rust2`. Memory for the dictionary is asked for before a block is decoded. The
//! encoder (`encode`) writes each stream with the same check and each block as a block, with its sizes in its header where it
//! had them, so that what was made for parallel or random access stays so; a lift
//! does so only with touched blocks (`splice`). Filters for machine code are read and not written
//! again: data is LZMA2 alone. The older `.lzma` format is refused by name, as are chains of several filters before LZMA2.

mod cut;
mod decode;
mod encode;
mod head;
mod splice;
#[cfg(test)]
mod splice_tests;
#[cfg(test)]
mod tests;

use crc::{CRC_64_XZ, Crc, Digest, Table};
use sha2::{Digest as _, Sha256};

use crate::error::Result;
use crate::input::Source;
use crate::layer::Cx;
use crate::layer::ahead::Cutter;
use crate::layer::coded::{Codec, Encoder, Heads, Need, Splice, units};

/// The codec's name.
const NAME: &str = "xz";

static CRC64: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_XZ);

/// The xz codec.
pub struct Xz;

impl Codec for Xz {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sniff(&self, head: &[u8]) -> bool {
        head.starts_with(&head::MAGIC)
    }

    fn extensions(&self) -> &'static [(&'static str, &'static str)] {
        &[(".xz", ""), (".txz", ".tar")]
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

    fn cutter(&self) -> Option<Box<dyn Cutter>> {
        Some(Box::<cut::Blocks>::default())
    }

    fn encoder<'a>(&self, level: Option<i32>, need: Need<'a>) -> Result<Box<dyn Encoder + 'a>> {
        Ok(Box::new(encode::Streams::new(level, need)))
    }

    fn splice(&self, work: &mut Splice<'_>, cx: &mut Cx<'_>) -> Result<bool> {
        let Some(job) = units::prepare(self, work, cx)? else { return Ok(false) };
        let (decoding, encoding) = (cx.memory(), cx.memory());
        let encoder = encode::Streams::new(cx.search.level(NAME), Box::new(move |bytes| encoding.need(bytes)));
        let need = || -> Need<'_> {
            let memory = decoding.clone();
            Box::new(move |bytes| memory.need(bytes))
        };
        splice::splice(job, encoder, &need)
    }
}

/// The check over a block's plain bytes (§2.1.1.2).
enum Check {
    None,
    Crc32(crc32fast::Hasher),
    Crc64(Digest<'static, u64, Table<16>>),
    Sha256(Box<Sha256>),
}

impl Check {
    /// The check of this id; `None` if it is not known.
    fn new(id: u8) -> Option<Self> {
        Some(match id {
            0 => Check::None,
            1 => Check::Crc32(crc32fast::Hasher::new()),
            4 => Check::Crc64(CRC64.digest()),
            10 => Check::Sha256(Box::default()),
            _ => return None,
        })
    }

    fn update(&mut self, plain: &[u8]) {
        match self {
            Check::None => {}
            Check::Crc32(hasher) => hasher.update(plain),
            Check::Crc64(digest) => digest.update(plain),
            Check::Sha256(hasher) => hasher.update(plain),
        }
    }

    /// Its bytes behind the block.
    fn finish(self) -> Vec<u8> {
        match self {
            Check::None => Vec::new(),
            Check::Crc32(hasher) => hasher.finalize().to_le_bytes().to_vec(),
            Check::Crc64(digest) => digest.finalize().to_le_bytes().to_vec(),
            Check::Sha256(hasher) => hasher.finalize().to_vec(),
        }
    }
}

/// Bytes up to the next multiple of four.
fn padding(len: u64) -> usize {
    (len.wrapping_neg() & 3) as usize
}
