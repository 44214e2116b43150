//! Lift of a bzip2 stream, block by block.
//!
//! All blocks are listed first, by their magic numbers, which takes no decoding; the stream's checksum proves the list. Points
//! tell at which plain offset some of them stand, so that only blocks about a change are decoded. What stands before the
//! first touched block of a stream is kept by range, and so are streams that nothing touches (pbzip2 writes one a block); blocks behind
//! a touched one are copied bit for bit, shifted. A touched block is encoded as blocks of its own; the checksum of the stream is made
//! anew of those of its blocks. Memory: 16 bytes a block, one block as plain bytes (up to 51 times its size, asked for beyond
//! 8 MiB), and what decoder and encoder need.

use bzip2::{Action, Compress, Compression, Decompress, Status};

use super::blocks::{BLOCK, Bits, END, MAGIC_BITS, Scan, bits, fold};
use super::{HEADER, NAME, STEP, decoding, encoding, level_of, squeeze};
use crate::error::{Error, Kind, Result};
use crate::layer::coded::Need;
use crate::layer::coded::points::Points;
use crate::layer::coded::units::{Coded, FRAME, Job, last_before};
use crate::layer::coded::weave::Weave;

/// Most blocks and streams that are spliced; more are encoded again as a whole.
const BLOCKS: usize = 1 << 20;
/// Bytes that are looked through or copied together.
const READ: usize = 256 * 1024;
/// Plain bytes of a block that are held without asking.
const HELD: usize = 8 << 20;
/// Five bytes of a block can stand for 4 + 255.
const MOST: u64 = 52;

fn damaged(at: u64) -> Error {
    Error::damaged(NAME, at, super::INVALID)
}

/// A stream; places inside are in bits of the coded stream.
struct Stream {
    /// Offset of its header, bytes.
    start: u64,
    level: u32,
    /// Where its blocks begin, and their checksums.
    blocks: Vec<(u64, u32)>,
    /// Where its end's magic number stands.
    end: u64,
}

impl Stream {
    /// Where it ends, bytes.
    fn after(&self) -> u64 {
        (self.end + MAGIC_BITS + 32).div_ceil(8)
    }

    /// Where block `n` ends.
    fn end_of(&self, n: usize) -> u64 {
        self.blocks.get(n + 1).map_or(self.end, |next| next.0)
    }
}

/// Lifts `job`; `level`: as the option says. `false`, with nothing written: blocks are not found where they must be, or there
/// are too many.
pub fn splice(job: Job<'_>, level: Option<u32>, need: Need<'_>) -> Result<bool> {
    let Job { mut coded, edits, points, .. } = job;
    let Some(streams) = map(&mut coded)? else { return Ok(false) };
    let weave = Weave::new(&edits)?;
    let splicer = Splicer { coded, weave, points, level, need, streams: &streams, plain: 0, open: None };
    splicer.run()?;
    Ok(true)
}

struct Splicer<'s, 'w, 'n, 'm> {
    coded: Coded<'s>,
    weave: Weave<'w>,
    points: Option<&'s Points>,
    level: Option<u32>,
    need: Need<'n>,
    streams: &'m [Stream],
    /// Plain offset of the next block.
    plain: u64,
    /// The stream that is being written, if a block of it is touched.
    open: Option<Open>,
}

/// A stream that is being written.
struct Open {
    stream: usize,
    /// The first of its blocks that is not written.
    next: usize,
    bits: Bits,
    /// The checksum of its blocks so far.
    all: u32,
}

impl Splicer<'_, '_, '_, '_> {
    fn run(mut self) -> Result<()> {
        let (mut stream, mut block) = (0, 0);
        while let Some(change) = self.weave.next_at() {
            let point = last_before(self.points, change, |_| true).filter(|point| point.plain > self.plain);
            let place = point.and_then(|point| Some((self.place(point.coded, point.state)?, point.plain)));
            if let Some((place, plain)) = place.filter(|(place, _)| *place > (stream, block)) {
                ((stream, block), self.plain) = (place, plain);
            }
            let Some(open) = self.streams.get(stream) else {
                return Err(Error::new(Kind::Verify, "the stream ended before its edits did").layer(NAME));
            };
            if block < open.blocks.len() {
                self.block(stream, block)?;
                block += 1;
            } else {
                (stream, block) = (stream + 1, 0);
            }
        }
        self.close()?;
        self.coded.keep_rest()
    }

    /// The block that begins at a point.
    fn place(&self, coded: u64, [kind, ..]: [u64; 4]) -> Option<(usize, usize)> {
        let n = self.streams.partition_point(|stream| stream.start * 8 <= coded).checked_sub(1)?;
        let stream = self.streams.get(n)?;
        if kind == FRAME {
            return (stream.start * 8 == coded).then_some((n, 0));
        }
        stream.blocks.binary_search_by_key(&coded, |block| block.0).ok().map(|block| (n, block))
    }

    /// Goes over one block.
    fn block(&mut self, n: usize, block: usize) -> Result<()> {
        let old = self.decode(n, block)?;
        let end = self.plain + old.len() as u64;
        if self.weave.touches(end) {
            self.open(n, block)?;
            let level = self.streams.get(n).map_or(1, |stream| stream.level);
            let mut encoder = Compress::new(Compression::new(self.level.unwrap_or(level).min(level)), 0);
            let (mut made, mut any) = (Vec::new(), false);
            self.weave.weave(self.plain, &old, &mut |new| {
                any = true;
                squeeze(&mut encoder, new, &mut made, Action::Run)
            })?;
            if any {
                squeeze(&mut encoder, &[], &mut made, Action::Finish)?;
                self.append(&made)?;
            }
        }
        self.plain = end;
        Ok(())
    }

    /// Decodes one block, as a stream of its own.
    fn decode(&mut self, n: usize, block: usize) -> Result<Vec<u8>> {
        let Some((stream, &(from, checksum))) = self.streams.get(n).and_then(|s| Some((s, s.blocks.get(block)?)))
        else {
            return Err(damaged(self.coded.end()));
        };
        let memory = decoding(stream.level) + encoding(stream.level);
        (self.need)(memory + HELD as u64)?;
        let mut alone = Bits::of(format!("BZh{}", stream.level).into_bytes());
        let (first, last) = (from / 8, stream.end_of(block).div_ceil(8));
        let bytes = self.coded.exact(first, (last - first) as usize)?;
        alone.extend(bytes, (from - first * 8) as usize, (stream.end_of(block) - first * 8) as usize);
        alone.push(END, MAGIC_BITS as u32);
        alone.push(u64::from(checksum), 32);
        alone.finish();
        let (mut decoder, mut plain) =
            (Decompress::new(false), Vec::with_capacity((STEP * u64::from(stream.level)) as usize));
        loop {
            let (taken, made) = (decoder.total_in() as usize, plain.len());
            if made == plain.capacity() {
                if made >= HELD {
                    (self.need)(memory + MOST * STEP * u64::from(stream.level))?;
                }
                plain.reserve(made.max(1 << 20));
            }
            let status = decoder.decompress_vec(alone.bytes.get(taken..).unwrap_or_default(), &mut plain);
            match status {
                Ok(Status::StreamEnd) => return Ok(plain),
                Ok(Status::MemNeeded) => return Err(Error::new(Kind::Io, "no memory for a bzip2 decoder")),
                Ok(_) if plain.len() > made || decoder.total_in() as usize > taken => {}
                _ => return Err(damaged(first)),
            }
        }
    }

    /// Brings the writer to block `block` of stream `n`.
    fn open(&mut self, n: usize, block: usize) -> Result<()> {
        if self.open.as_ref().is_some_and(|open| open.stream != n) {
            self.close()?;
        }
        let Some(stream) = self.streams.get(n) else { return Ok(()) };
        if self.open.is_none() {
            // Up to this block all stays; the byte in which it begins is written anew.
            let from = stream.blocks.get(block).map_or(stream.end, |block| block.0);
            let mut bits = Bits::default();
            bits.extend(self.coded.exact(from / 8, 1)?, 0, (from % 8) as usize);
            self.coded.keep_to(from / 8)?;
            let before = stream.blocks.get(..block).unwrap_or_default();
            let all = before.iter().fold(0, |all, block| fold(all, block.1));
            self.open = Some(Open { stream: n, next: block, bits, all });
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        copy(&mut self.coded, stream, open, block)?;
        open.next = block + 1;
        Ok(())
    }

    /// Appends the blocks of `made`, which is a stream.
    fn append(&mut self, made: &[u8]) -> Result<()> {
        let failed = || Error::new(Kind::Verify, "the compressor's blocks are not found").layer(NAME);
        let (mut scan, mut all, mut end) = (Scan::default(), 0, None);
        let mut checksums = Vec::new();
        for byte in made {
            match scan.next(*byte) {
                Some((at, BLOCK)) => {
                    let checksum = bits(made, (at + MAGIC_BITS) as usize, 32);
                    checksums.push(checksum);
                    all = fold(all, checksum);
                }
                Some((at, _)) => end = Some(at as usize),
                None => {}
            }
        }
        let (Some(end), Some(open)) = (end, &mut self.open) else { return Err(failed()) };
        if bits(made, end + MAGIC_BITS as usize, 32) != all {
            return Err(failed());
        }
        open.bits.extend(made, HEADER * 8, end);
        open.all = checksums.iter().fold(open.all, |all, checksum| fold(all, *checksum));
        self.coded.send(&mut open.bits.bytes)
    }

    /// Writes what is left of the open stream.
    fn close(&mut self) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let Some(stream) = self.streams.get(open.stream) else { return Ok(()) };
        copy(&mut self.coded, stream, &mut open, stream.blocks.len())?;
        open.bits.push(END, MAGIC_BITS as u32);
        open.bits.push(u64::from(open.all), 32);
        open.bits.finish();
        self.coded.send(&mut open.bits.bytes)?;
        self.coded.drop_to(stream.after())
    }
}

/// Copies the blocks of `stream` that are not written, up to block `to`.
fn copy(coded: &mut Coded<'_>, stream: &Stream, open: &mut Open, to: usize) -> Result<()> {
    let rest = stream.blocks.get(open.next..to).unwrap_or_default();
    let Some(first) = rest.first() else { return Ok(()) };
    let (mut from, end) = (first.0, stream.end_of(to - 1));
    open.all = rest.iter().fold(open.all, |all, block| fold(all, block.1));
    if u64::from(open.bits.count()) == from % 8 && end / 8 > from / 8 {
        // In the same place of a byte: the whole bytes stay.
        let whole = from.div_ceil(8);
        if whole * 8 > from {
            open.bits.extend(coded.exact(from / 8, 1)?, (from % 8) as usize, 8);
        }
        coded.send(&mut open.bits.bytes)?;
        coded.drop_to(whole)?;
        coded.keep_to(end / 8)?;
        from = end / 8 * 8;
    }
    while from < end {
        let at = from / 8;
        let to = end.min((at + READ as u64) * 8);
        let bytes = coded.exact(at, (to.div_ceil(8) - at) as usize)?;
        open.bits.extend(bytes, (from - at * 8) as usize, (to - at * 8) as usize);
        coded.send(&mut open.bits.bytes)?;
        from = to;
    }
    Ok(())
}

/// The streams of `coded` with their blocks; `None` if they are not found or are too many.
fn map(coded: &mut Coded<'_>) -> Result<Option<Vec<Stream>>> {
    let (mut at, mut streams, mut blocks) = (0, Vec::new(), 0);
    while at < coded.end() {
        let header = coded.window(at, HEADER)?;
        let Some(level) = level_of(header) else {
            // Padding, behind the last stream.
            let padding = at > 0 && header.first() == Some(&0);
            return Ok(padding.then_some(streams));
        };
        let Some(stream) = stream(coded, at, level)? else { return Ok(None) };
        blocks += 1 + stream.blocks.len();
        if blocks > BLOCKS {
            return Ok(None);
        }
        at = stream.after();
        streams.push(stream);
    }
    Ok(Some(streams))
}

/// The stream at `start`, if its blocks come to its checksum.
fn stream(coded: &mut Coded<'_>, start: u64, level: u32) -> Result<Option<Stream>> {
    let first = start + HEADER as u64;
    let (mut scan, mut at, mut blocks, mut all) = (Scan::default(), first, Vec::new(), 0);
    // Places of magic numbers in the window, which is looked at again for what stands behind them.
    let mut found = Vec::new();
    loop {
        found.clear();
        let window = coded.window(at, 1)?;
        if window.is_empty() {
            return Ok(None);
        }
        let len = window.len();
        found.extend(window.iter().filter_map(|byte| scan.next(*byte)));
        at += len as u64;
        for &(bit, magic) in &found {
            let place = first * 8 + bit;
            let behind = place + MAGIC_BITS;
            let checksum = bits(coded.window(behind / 8, 5)?, (behind % 8) as usize, 32);
            if blocks.is_empty() && place != first * 8 || blocks.len() > BLOCKS {
                return Ok(None);
            }
            if magic == END {
                return Ok((checksum == all).then_some(Stream { start, level, blocks, end: place }));
            }
            blocks.push((place, checksum));
            all = fold(all, checksum);
        }
    }
}
