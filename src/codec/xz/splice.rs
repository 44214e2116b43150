//! Lift of an xz stream, block by block: what nothing touches is kept by range, and the index is made anew.
//!
//! The indexes tell where all blocks are and what they hold; they are read from the last to the first (§5 of the format's
//! "recommendations for decoders": the footer tells where its index is). Memory: 16 bytes a block, and a decoder and an
//! encoder as they are everywhere.

use super::decode::Decoder;
use super::encode::Streams;
use super::head::{self, STREAM};
use super::{NAME, padding};
use crate::error::{Error, Kind, Result};
use crate::input::Source;
use crate::layer::coded::units::{Coded, Job};
use crate::layer::coded::weave::Weave;
use crate::layer::coded::{Encoder, Heads, Need};

/// Most blocks and streams that are spliced; more are encoded again as a whole.
const BLOCKS: usize = 1 << 20;
/// Longest index that is read, bytes.
const INDEX: u64 = 16 << 20;
/// Bytes of stream padding that are looked at together.
const PADDING: u64 = 4096;
/// Bytes that a block is read in.
const READ: usize = 64 * 1024;

/// One stream.
struct Stream {
    /// Offset of its header, and of its index.
    start: u64,
    index: u64,
    /// Where its footer ends.
    end: u64,
    check: u8,
    /// `Unpadded Size` and `Uncompressed Size` of its blocks.
    blocks: Vec<(u64, u64)>,
}

/// Lifts `job`. `false`, with nothing written: there are too many blocks, or the indexes are not found.
pub fn splice<'n>(job: Job<'_>, encoder: Streams<'n>, need: &dyn Fn() -> Need<'n>) -> Result<bool> {
    let Job { mut coded, edits, .. } = job;
    let Some(streams) = map(&mut coded)? else { return Ok(false) };
    let weave = Weave::new(&edits)?;
    let mut splicer = Splicer { coded, weave, encoder, need, plain: 0, out: Vec::new() };
    for stream in &streams {
        let plain = stream.blocks.iter().map(|block| block.1).sum::<u64>();
        if !stream.blocks.is_empty() && splicer.weave.touches(splicer.plain + plain) {
            splicer.stream(stream)?;
        } else {
            splicer.plain += plain;
        }
    }
    if splicer.weave.next_at().is_some() {
        return Err(Error::new(Kind::Verify, "the stream ended before its edits did").layer(NAME));
    }
    splicer.coded.keep_rest()?;
    Ok(true)
}

struct Splicer<'s, 'w, 'n, 'f> {
    coded: Coded<'s>,
    weave: Weave<'w>,
    encoder: Streams<'n>,
    need: &'f dyn Fn() -> Need<'n>,
    /// Plain offset of the next block.
    plain: u64,
    out: Vec<u8>,
}

impl Splicer<'_, '_, '_, '_> {
    fn stream(&mut self, stream: &Stream) -> Result<()> {
        self.encoder.resume(stream.check);
        let mut at = stream.start + STREAM as u64;
        for &(unpadded, plain) in &stream.blocks {
            let end = at + unpadded + padding(unpadded) as u64;
            if self.weave.touches(self.plain + plain) {
                self.coded.keep_to(at)?;
                self.block(at, plain, stream.check)?;
                self.coded.drop_to(end)?;
            } else {
                self.encoder.keep(unpadded, plain)?;
            }
            self.plain += plain;
            at = end;
        }
        self.coded.keep_to(stream.index)?;
        self.encoder.finish(&mut self.out)?;
        self.coded.send(&mut self.out)?;
        self.coded.drop_to(stream.end)
    }

    /// Encodes the block at `at`, which holds `plain` bytes.
    fn block(&mut self, at: u64, plain: u64, check: u8) -> Result<()> {
        let Self { coded, weave, encoder, out, .. } = self;
        let size = coded.array::<1>(at)?[0];
        let header = head::Block::parse(coded.exact(at, (usize::from(size) + 1) * 4)?, at)?;
        encoder.foretell(plain, weave.len_after(self.plain, self.plain + plain)?.max(1));
        encoder.begin_block(&header, out)?;
        let mut decoder = Decoder::at_block(Box::new(coded.source(at)), Heads::names_only(), (self.need)(), check);
        let (mut done, mut buf) = (0, vec![0; READ]);
        loop {
            let room = usize::try_from(plain - done).unwrap_or(READ).min(READ);
            let n = if room == 0 { 0 } else { decoder.read(buf.get_mut(..room).unwrap_or_default())? };
            if n == 0 && done < plain {
                return Err(Error::damaged(NAME, at, "the index does not match its blocks"));
            }
            // An empty block may be where something comes in.
            let old = buf.get(..n).unwrap_or_default();
            weave.weave(self.plain + done, old, &mut |new| encoder.write(new, out))?;
            coded.send(out)?;
            done += n as u64;
            if done == plain {
                break;
            }
        }
        encoder.end_block(out)?;
        coded.send(out)
    }
}

/// The streams of `coded`, in order; `None` if they are too many, or are not found where they must be.
fn map(coded: &mut Coded<'_>) -> Result<Option<Vec<Stream>>> {
    let (mut end, mut blocks, mut streams) = (coded.end(), 0, Vec::new());
    loop {
        end = without_padding(coded, end)?;
        if end == 0 {
            streams.reverse();
            return Ok(Some(streams));
        }
        let Some(stream) = stream_before(coded, end)? else { return Ok(None) };
        blocks += 1 + stream.blocks.len();
        if blocks > BLOCKS {
            return Ok(None);
        }
        end = stream.start;
        streams.push(stream);
    }
}

/// Where the padding before `end` begins, in steps of four bytes.
fn without_padding(coded: &mut Coded<'_>, mut end: u64) -> Result<u64> {
    loop {
        let n = end.min(PADDING);
        let bytes = coded.exact(end - n, n as usize)?;
        let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count() as u64;
        end -= zeros & !3;
        if zeros < n || end == 0 {
            return Ok(end);
        }
    }
}

/// The stream whose footer ends at `end`.
fn stream_before(coded: &mut Coded<'_>, end: u64) -> Result<Option<Stream>> {
    let Some(footer_at) = end.checked_sub(STREAM as u64) else { return Ok(None) };
    let footer: [u8; STREAM] = coded.array(footer_at)?;
    let [_, _, _, _, a, b, c, d, _, check, ..] = footer;
    let len = (u64::from(u32::from_le_bytes([a, b, c, d])) + 1) * 4;
    let index = footer_at.checked_sub(len).filter(|_| head::footer(len, check) == footer && len <= INDEX);
    let Some(index) = index else { return Ok(None) };
    let bytes = coded.exact(index, len as usize)?;
    let Some(blocks) = records(bytes) else { return Ok(None) };
    let size = |unpadded: u64| unpadded.checked_add(padding(unpadded) as u64);
    let all = blocks.iter().try_fold(STREAM as u64, |sum, block| sum.checked_add(size(block.0)?));
    let plain = blocks.iter().try_fold(0_u64, |sum, block| sum.checked_add(block.1));
    let start = all.and_then(|all| index.checked_sub(all)).filter(|_| plain.is_some());
    let Some(start) = start else { return Ok(None) };
    let header: [u8; STREAM] = coded.array(start)?;
    let fits = header.starts_with(&head::MAGIC) && head::stream(&header, start).is_ok_and(|id| id == check);
    Ok(fits.then_some(Stream { start, index, end, check, blocks }))
}

/// The records of an index (§4).
fn records(index: &[u8]) -> Option<Vec<(u64, u64)>> {
    let (&[0], mut rest) = index.split_first_chunk::<1>()? else { return None };
    let count = usize::try_from(head::number(&mut rest)?).ok().filter(|count| *count <= BLOCKS)?;
    let mut records = Vec::with_capacity(count.min(rest.len()));
    for _ in 0..count {
        records.push((head::number(&mut rest)?, head::number(&mut rest)?));
    }
    // Padding and a checksum.
    (rest.len() < 4 + head::CRC).then_some(records)
}
