//! The xz encoder: each announced stream becomes a stream with the same check, each block a block.
//!
//! Presets are not recorded: the option's, else 6, with a dictionary no larger than the block had, than the whole of the data
//! where its length is foretold, and than there is memory for (only without the option). A block whose header told of its
//! sizes is held back until they are known again, as far as it stays below 32 MiB; a longer one goes without. A block that has
//! lost all its bytes is not written; a stream is, without blocks.

use liblzma::stream::{Action, Filters, LzmaOptions, Status, Stream};

use super::decode::memory;
use super::head::{self, Block, Role};
use super::{Check, NAME, padding};
use crate::error::{Error, Kind, Result};
use crate::layer::coded::{Encoder, Head, Need};

/// Preset without an option: what `xz` takes.
const PRESET: u32 = 6;
/// Dictionaries of the presets, log2 bytes (`lzma_lzma_preset`).
const DICTIONARIES: [u32; 10] = [18, 20, 21, 22, 22, 23, 23, 24, 25, 26];
/// Dictionary that is not halved any more for lack of memory, bytes.
const SMALL: u64 = 1 << 18;
/// Most compressed bytes of a block that are held back.
const HOLD: u64 = 32 << 20;
/// Longest index, bytes: some millions of blocks.
const INDEX: usize = 32 << 20;
/// Room that the encoder makes in its output before each step, bytes.
const ROOM: usize = 32 * 1024;

/// The encoder.
pub struct Streams<'a> {
    preset: Option<u32>,
    need: Need<'a>,
    /// The most memory asked for so far.
    asked: u64,
    /// Length that the whole of the data will have.
    foretold: Option<u64>,
    stream: Option<Open>,
    block: Option<Coding>,
    /// What the next block shall be like.
    like: Like,
}

/// The stream that is being written.
struct Open {
    check: u8,
    blocks: u64,
    /// The index's records.
    records: Vec<u8>,
}

/// What is kept of a block's header.
#[derive(Clone, Copy)]
struct Like {
    dictionary: u64,
    /// How long its compressed data was, where its header told of it.
    compressed: Option<u64>,
}

impl Like {
    /// Most bytes that are held back.
    fn hold(&self) -> u64 {
        self.compressed.map_or(0, |n| n.saturating_mul(2).saturating_add(SMALL).min(HOLD))
    }
}

/// A block without a model.
const UNLIKE: Like = Like { dictionary: 1 << 23, compressed: None };

/// The block that is being written.
struct Coding {
    library: Stream,
    property: u8,
    check: Check,
    plain: u64,
    compressed: u64,
    /// Length of its header, once that is written.
    header: u64,
    /// Its compressed data as long as the header waits for its sizes.
    held: Option<Vec<u8>>,
    /// How long that may become.
    hold: u64,
}

fn failed(what: &'static str) -> Error {
    Error::new(Kind::Verify, what).layer(NAME)
}

/// Bytes that liblzma's encoder keeps, at most (`xz`'s manual has 9 to 12 for each byte of the dictionary).
fn encoding(dictionary: u64) -> u64 {
    12 * dictionary + (3 << 20)
}

impl<'a> Streams<'a> {
    /// An encoder; `level` as the option says.
    pub fn new(level: Option<i32>, need: Need<'a>) -> Self {
        let preset = level.map(|level| level.clamp(0, 9) as u32);
        Self { preset, need, asked: 0, foretold: None, stream: None, block: None, like: UNLIKE }
    }

    /// Goes on behind the header of a stream whose check has this id.
    pub fn resume(&mut self, check: u8) {
        self.stream = Some(Open { check, blocks: 0, records: Vec::new() });
    }

    /// A block stays as it is coded; it has these sizes in the index.
    pub fn keep(&mut self, unpadded: u64, plain: u64) -> Result<()> {
        let Some(stream) = &mut self.stream else { return Err(failed("a block outside a stream")) };
        stream.note(unpadded, plain)
    }

    /// Ends the block before, if one is open; the next will be like the one with this header.
    pub fn begin_block(&mut self, header: &Block, out: &mut Vec<u8>) -> Result<()> {
        self.end_block(out)?;
        let compressed = header.compressed.filter(|_| header.plain.is_some());
        self.like = Like { dictionary: header.dictionary(), compressed };
        Ok(())
    }

    /// The dictionary of the next block, bytes; memory for it is asked for.
    fn dictionary(&mut self) -> Result<u64> {
        let preset = self.preset.unwrap_or(PRESET);
        let most = 1_u64 << DICTIONARIES.get(preset as usize).copied().unwrap_or(23);
        let most = if self.preset.is_some() { most } else { most.min(self.like.dictionary) };
        let mut size = most.min(self.foretold.unwrap_or(u64::MAX)).max(head::LEAST);
        loop {
            let all = memory(self.like.dictionary) + encoding(size) + self.like.hold();
            if all <= self.asked {
                return Ok(size);
            }
            match (self.need)(all) {
                Ok(()) => {
                    self.asked = all;
                    return Ok(size);
                }
                Err(error) if error.kind() == Kind::Limit && self.preset.is_none() && size > SMALL => size /= 2,
                Err(error) => return Err(error),
            }
        }
    }

    fn open(&mut self) -> Result<Coding> {
        let check = self.stream.as_ref().and_then(|open| Check::new(open.check));
        let check = check.ok_or_else(|| failed("bytes outside a stream"))?;
        let dictionary = self.dictionary()?;
        let wrong = |_| failed("the compressor was not set up");
        let mut options = LzmaOptions::new_preset(self.preset.unwrap_or(PRESET)).map_err(wrong)?;
        options.dict_size(dictionary as u32);
        let mut filters = Filters::new();
        filters.lzma2(&options);
        let library = Stream::new_raw_encoder(&filters).map_err(wrong)?;
        let held = self.like.compressed.map(|_| Vec::new());
        let property = head::property(dictionary);
        Ok(Coding { library, property, check, plain: 0, compressed: 0, header: 0, held, hold: self.like.hold() })
    }

    /// Ends the open block.
    pub fn end_block(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.like = UNLIKE;
        let (Some(mut block), Some(stream)) = (self.block.take(), &mut self.stream) else { return Ok(()) };
        block.squeeze(&[], out, Action::Finish)?;
        if let Some(held) = block.held.take() {
            block.header(Some((block.compressed, block.plain)), out);
            out.extend_from_slice(&held);
        }
        out.resize(out.len() + padding(block.compressed), 0);
        let check = block.check.finish();
        out.extend_from_slice(&check);
        stream.note(block.header + block.compressed + check.len() as u64, block.plain)
    }

    fn end_stream(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.end_block(out)?;
        let Some(open) = self.stream.take() else { return Ok(()) };
        let start = out.len();
        out.push(0);
        head::push_number(open.blocks, out);
        out.extend_from_slice(&open.records);
        out.resize(out.len() + padding((out.len() - start) as u64), 0);
        let crc = crc32fast::hash(out.get(start..).unwrap_or_default());
        out.extend_from_slice(&crc.to_le_bytes());
        let footer = head::footer((out.len() - start) as u64, open.check);
        out.extend_from_slice(&footer);
        Ok(())
    }
}

impl Open {
    /// Notes a block for the index.
    fn note(&mut self, unpadded: u64, plain: u64) -> Result<()> {
        self.blocks += 1;
        head::push_number(unpadded, &mut self.records);
        head::push_number(plain, &mut self.records);
        if self.records.len() > INDEX {
            return Err(Error::limit("an xz index (32 MiB)"));
        }
        Ok(())
    }
}

impl Coding {
    fn header(&mut self, sizes: Option<(u64, u64)>, out: &mut Vec<u8>) {
        let start = out.len();
        Block::write(sizes, self.property, out);
        self.header = (out.len() - start) as u64;
    }

    /// Compresses all of `plain`; with `Finish`, ends the data.
    fn squeeze(&mut self, mut plain: &[u8], out: &mut Vec<u8>, action: Action) -> Result<()> {
        if self.held.as_ref().is_some_and(|held| held.len() as u64 > self.hold) {
            let held = self.held.take().unwrap_or_default();
            self.header(None, out);
            out.extend_from_slice(&held);
        }
        let to = self.held.as_mut().unwrap_or(out);
        let finish = matches!(action, Action::Finish);
        while finish || !plain.is_empty() {
            to.reserve(ROOM);
            let (taken, made) = (self.library.total_in(), to.len());
            let status = self.library.process_vec(plain, to, action).map_err(|_| failed("the compressor failed"))?;
            let used = (self.library.total_in() - taken) as usize;
            self.compressed += (to.len() - made) as u64;
            plain = plain.get(used..).unwrap_or_default();
            if status == Status::StreamEnd {
                break;
            }
            if status == Status::MemNeeded && used == 0 && to.len() == made {
                return Err(failed("the compressor stands still"));
            }
        }
        Ok(())
    }
}

impl Encoder for Streams<'_> {
    fn foretell(&mut self, _old: u64, new: u64) {
        self.foretold = Some(new);
    }

    fn begin(&mut self, head: &Head, out: &mut Vec<u8>) -> Result<()> {
        if head.verbatim {
            self.end_stream(out)?;
            out.extend_from_slice(&head.bytes);
            return Ok(());
        }
        match Role::of(head) {
            Role::Stream(check) => {
                self.end_stream(out)?;
                out.extend_from_slice(&head.bytes);
                self.stream = Some(Open { check, blocks: 0, records: Vec::new() });
            }
            Role::Block { dictionary, compressed } => {
                self.end_block(out)?;
                self.like = Like { dictionary, compressed };
            }
        }
        Ok(())
    }

    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if plain.is_empty() {
            return Ok(());
        }
        if self.block.is_none() {
            let mut block = self.open()?;
            if block.held.is_none() {
                block.header(None, out);
            }
            self.block = Some(block);
        }
        let block = self.block.as_mut().ok_or_else(|| failed("bytes outside a block"))?;
        block.plain += plain.len() as u64;
        block.check.update(plain);
        block.squeeze(plain, out, Action::Run)
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.end_stream(out)
    }
}
