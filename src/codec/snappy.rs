//! Snappy's framing format (`framing_format.txt` of the project): stream identifiers and chunks.
//!
//! Chunks are read here; what is in a compressed one by `snap`, and for the second look by a decoder of our own (`second`).
//! A stream identifier begins a frame. Padding and skippable chunks stay where they are, byte for byte; data is cut anew into
//! chunks of 64 KiB, each with its masked CRC-32C; a lift does so only with touched chunks (`splice`). The format has no end: a stream that is cut off between two chunks cannot be
//! told from a whole one. Raw Snappy has no magic number and no checksum, and is not known.

mod second;
mod splice;
#[cfg(test)]
mod splice_tests;
#[cfg(test)]
mod tests;

use crc::{CRC_32_ISCSI, Crc, Table};

use crate::error::{Error, Kind, Result};
use crate::input::Source;
use crate::layer::Cx;
use crate::layer::coded::{Codec, Encoder, Head, Heads, Need, Splice, units};
use crate::layer::feed::Feed;

/// The codec's name.
const NAME: &str = "snappy";
/// A stream identifier (§4.1).
const IDENTIFIER: [u8; 10] = *b"\xff\x06\0\0sNaPpY";
/// Length of a chunk's header: its type, and its length in three bytes (§1).
const HEADER: usize = 4;
/// Length of a checksum.
const CHECKSUM: usize = 4;
/// Most plain bytes of a chunk (§4.2).
const PLAIN: usize = 65_536;
/// Longest compressed data of so many bytes (`snap::raw::max_compress_len`).
const LONGEST: usize = 32 + PLAIN + PLAIN / 6;

static CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

const INVALID: &str = "the compressed data is invalid";
const CUT: &str = "a chunk is cut off";

/// The Snappy codec.
pub struct Snappy;

impl Codec for Snappy {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sniff(&self, head: &[u8]) -> bool {
        head.starts_with(&IDENTIFIER)
    }

    fn extensions(&self) -> &'static [(&'static str, &'static str)] {
        &[(".sz", ""), (".snappy", "")]
    }

    fn decoder<'a>(
        &self,
        source: Box<dyn Source + 'a>,
        heads: Heads,
        second: bool,
        _need: Need<'a>,
    ) -> Result<Box<dyn Source + 'a>> {
        let feed = Feed::new(NAME, source, heads);
        Ok(Box::new(Decoder { feed, second, library: snap::raw::Decoder::new(), plain: Vec::new(), given: 0 }))
    }

    fn encoder<'a>(&self, _level: Option<i32>, _need: Need<'a>) -> Result<Box<dyn Encoder + 'a>> {
        Ok(Box::new(Chunks { library: snap::raw::Encoder::new(), plain: Vec::new(), begun: false }))
    }

    fn splice(&self, work: &mut Splice<'_>, cx: &mut Cx<'_>) -> Result<bool> {
        let Some(job) = units::prepare(self, work, cx)? else { return Ok(false) };
        splice::splice(job)
    }
}

/// The checksum of plain bytes as it is written (§3).
fn masked(plain: &[u8]) -> u32 {
    CRC.checksum(plain).rotate_right(15).wrapping_add(0xa282_ead8)
}

struct Decoder<'a> {
    feed: Feed<'a>,
    second: bool,
    library: snap::raw::Decoder,
    /// One chunk's bytes, and how many of them were returned.
    plain: Vec<u8>,
    given: usize,
}

impl Decoder<'_> {
    /// Reads one chunk; `false` at the end.
    fn chunk(&mut self) -> Result<bool> {
        let feed = &mut self.feed;
        let at = feed.input.offset();
        if at > 0 && feed.is_end()? {
            return Ok(false);
        }
        if at == 0 && !feed.exact(IDENTIFIER.len(), CUT)?.starts_with(&IDENTIFIER) {
            return Err(feed.damaged("no stream identifier where one must be"));
        }
        feed.offer(if at == 0 { units::FRAME } else { units::UNIT });
        let word = feed.word(CUT)?;
        let (kind, len) = (word as u8, (word >> 8) as usize);
        match kind {
            0xff => {
                if *feed.exact(HEADER + len.min(6), CUT)? != IDENTIFIER || len != 6 {
                    return Err(feed.damaged("a stream identifier is invalid"));
                }
                feed.announce(IDENTIFIER.len(), false, [0; 4])?;
            }
            0x80..=0xfe => feed.keep((HEADER + len) as u64, CUT)?,
            0x02..=0x7f => return Err(feed.damaged("a chunk of an unknown type that must not be skipped")),
            0 | 1 => self.data(kind == 0, len)?,
        }
        Ok(true)
    }

    /// Decodes a chunk of data.
    fn data(&mut self, compressed: bool, len: usize) -> Result<()> {
        let most = if compressed { LONGEST } else { PLAIN };
        if !(CHECKSUM..=CHECKSUM + most).contains(&len) {
            return Err(self.feed.damaged("a chunk's length is out of bounds"));
        }
        let chunk = self.feed.exact(HEADER + len, CUT)?;
        let (head, coded) = chunk.split_at(HEADER + CHECKSUM);
        let want = head.last_chunk::<CHECKSUM>().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        self.plain.clear();
        self.given = 0;
        let done = if !compressed {
            self.plain.extend_from_slice(coded);
            Some(())
        } else if self.second {
            second::decode(coded, PLAIN, &mut self.plain)
        } else {
            first(&mut self.library, coded, &mut self.plain)
        };
        if done.is_none() {
            return Err(self.feed.damaged(INVALID));
        }
        if masked(&self.plain) != want {
            return Err(self.feed.damaged("a chunk's checksum does not match"));
        }
        self.feed.input.consume(HEADER + len);
        Ok(())
    }
}

/// snap's decoder; `None` if the data is invalid.
fn first(library: &mut snap::raw::Decoder, coded: &[u8], plain: &mut Vec<u8>) -> Option<()> {
    let len = snap::raw::decompress_len(coded).ok().filter(|len| *len <= PLAIN)?;
    plain.resize(len, 0);
    let n = library.decompress(coded, plain).ok()?;
    (n == len).then_some(())
}

impl Source for Decoder<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            let left = self.plain.get(self.given..).unwrap_or_default();
            let n = left.len().min(buf.len());
            if n > 0 {
                if let (Some(to), Some(from)) = (buf.get_mut(..n), left.get(..n)) {
                    to.copy_from_slice(from);
                }
                self.given += n;
                self.feed.plain += n as u64;
                return Ok(n);
            }
            if !self.chunk()? {
                return Ok(0);
            }
        }
    }
}

/// The encoder.
struct Chunks {
    library: snap::raw::Encoder,
    /// What will be the next chunk.
    plain: Vec<u8>,
    /// Whether a stream identifier was written.
    begun: bool,
}

impl Chunks {
    /// Writes what has come in as one chunk.
    fn flush(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if self.plain.is_empty() {
            return Ok(());
        }
        let start = out.len();
        out.resize(start + HEADER + CHECKSUM + snap::raw::max_compress_len(self.plain.len()), 0);
        let failed = || Error::new(Kind::Verify, "the compressor failed").layer(NAME);
        let room = out.get_mut(start + HEADER + CHECKSUM..).ok_or_else(failed)?;
        let mut len = self.library.compress(&self.plain, room).map_err(|_| failed())?;
        // What saves less than an eighth stands as it is, as the format's own library has it.
        let raw = len >= self.plain.len() - self.plain.len() / 8;
        out.truncate(start + HEADER + CHECKSUM + len);
        if raw {
            out.truncate(start + HEADER + CHECKSUM);
            out.extend_from_slice(&self.plain);
            len = self.plain.len();
        }
        let word = ((len + CHECKSUM) as u32) << 8 | u32::from(raw);
        let head = u64::from(masked(&self.plain)) << 32 | u64::from(word);
        if let Some(to) = out.get_mut(start..start + HEADER + CHECKSUM) {
            to.copy_from_slice(&head.to_le_bytes());
        }
        self.plain.clear();
        Ok(())
    }
}

impl Encoder for Chunks {
    fn begin(&mut self, head: &Head, out: &mut Vec<u8>) -> Result<()> {
        self.flush(out)?;
        out.extend_from_slice(&head.bytes);
        self.begun |= !head.verbatim;
        Ok(())
    }

    fn write(&mut self, mut plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if !self.begun {
            return Err(Error::new(Kind::Verify, "bytes outside a stream").layer(NAME));
        }
        while !plain.is_empty() {
            let (now, later) = plain.split_at(plain.len().min(PLAIN - self.plain.len()));
            self.plain.extend_from_slice(now);
            plain = later;
            if self.plain.len() == PLAIN {
                self.flush(out)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.flush(out)
    }
}
