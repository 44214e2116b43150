//! The xz decoder: streams one after another, each block by block, then its index and its footer.
//!
//! Everything that is told twice is compared: sizes in a block's header with the block, the index with the blocks that were
//! read (a running digest, so that memory does not grow with their number), the footer with header and index. Errors of the
//! libraries are told by constants; a panic of `lzma-rust2` on bad data is caught and counts as damage.

use std::panic::{AssertUnwindSafe, catch_unwind};

use liblzma::stream::{self, Filters, Stream};
use lzma_rust2::{Action, FilterConfig, FilterType, Lzma2Stream, Status};
use xxhash_rust::xxh3::Xxh3;

use super::head::{self, Block, Role, STREAM};
use super::{Check, NAME, padding};
use crate::error::{Error, Kind, Result};
use crate::input::Source;
use crate::layer::coded::{Heads, Need, units};
use crate::layer::feed::Feed;

/// Bytes that the libraries keep besides the dictionary.
const BESIDES: u64 = 256 << 10;
/// Largest compressed and plain size of a block, bytes (§1.2: numbers have 63 bits).
const LARGEST: u64 = i64::MAX as u64;

const INVALID: &str = "the compressed data is invalid";
const CUT: &str = "the compressed data is cut off";
const INDEX: &str = "an index is cut off";
const NO_MATCH: &str = "the index does not match its blocks";

/// Decodes a whole xz stream.
pub struct Decoder<'a> {
    feed: Feed<'a>,
    need: Need<'a>,
    /// The most memory asked for so far.
    asked: u64,
    second: bool,
    state: State,
    /// Of the open stream: the id of its check, and its blocks.
    check: u8,
    blocks: Noted,
}

enum State {
    /// At the first byte of a stream, or at the end of the source.
    Stream,
    /// At the first byte of a block or index.
    Block,
    /// Inside a block.
    Body(Box<Open>),
    /// At the end of the source.
    End,
}

/// What the index must tell of.
#[derive(Default, Clone)]
pub struct Noted {
    count: u64,
    digest: Xxh3,
}

impl Noted {
    /// How many blocks there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// One more block: its length without padding, and that of its plain bytes.
    pub fn note(&mut self, unpadded: u64, plain: u64) {
        self.count += 1;
        self.digest.update(&unpadded.to_le_bytes());
        self.digest.update(&plain.to_le_bytes());
    }
}

impl PartialEq for Noted {
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count && self.digest.digest128() == other.digest.digest128()
    }
}

/// The block that is being read.
struct Open {
    block: Block,
    /// Length of its header.
    header: u64,
    library: Library,
    check: Check,
    compressed: u64,
    plain: u64,
}

impl<'a> Decoder<'a> {
    /// Decodes `source`; LZMA2 by `lzma-rust2` if `second`.
    pub fn new(source: Box<dyn Source + 'a>, heads: Heads, second: bool, need: Need<'a>) -> Self {
        let feed = Feed::new(NAME, source, heads);
        Self { feed, need, asked: 0, second, state: State::Stream, check: 0, blocks: Noted::default() }
    }

    /// Decodes from the header of a block on, in a stream whose check has this id.
    pub fn at_block(source: Box<dyn Source + 'a>, heads: Heads, need: Need<'a>, check: u8) -> Self {
        Self { state: State::Block, check, ..Self::new(source, heads, false, need) }
    }

    /// Reads a stream's header, behind padding if a stream was before.
    fn stream(&mut self) -> Result<State> {
        if self.feed.input.offset() > 0 {
            self.padding()?;
            if self.feed.is_end()? {
                return Ok(State::End);
            }
        }
        self.feed.offer(units::FRAME);
        let window = self.feed.input.window(STREAM)?;
        let magic = window.get(..window.len().min(head::MAGIC.len())).unwrap_or_default();
        if !head::MAGIC.starts_with(magic) {
            return Err(self.feed.damaged("no stream where one must be"));
        }
        let bytes = self.feed.exact(STREAM, "a stream header is cut off")?;
        let bytes = *bytes.first_chunk().unwrap_or(&[0; STREAM]);
        self.check = head::stream(&bytes, self.feed.input.offset())?;
        self.blocks = Noted::default();
        self.feed.announce(STREAM, false, Role::Stream(self.check).traits())?;
        Ok(State::Block)
    }

    /// Passes over stream padding (§2.2): NULs, four by four.
    fn padding(&mut self) -> Result<()> {
        let mut all = 0;
        loop {
            let window = self.feed.input.window(4096)?;
            let n = window.iter().take(4096).take_while(|byte| **byte == 0).count();
            if n > 0 {
                self.feed.announce(n, true, [0; 4])?;
                all += n;
                continue;
            }
            return match all % 4 {
                0 => Ok(()),
                _ if self.feed.is_end()? => Err(self.feed.cut("stream padding is cut off")),
                _ => Err(self.feed.damaged("stream padding is no multiple of four bytes")),
            };
        }
    }

    /// Begins a block, or reads the index and the footer.
    fn block(&mut self) -> Result<State> {
        let cut = "a block header is cut off";
        let size = self.feed.exact(1, cut)?.first().copied().unwrap_or(0);
        if size == 0 {
            self.index()?;
            return Ok(State::Stream);
        }
        let len = (usize::from(size) + 1) * 4;
        let at = self.feed.input.offset();
        let block = Block::parse(self.feed.exact(len, cut)?, at)?;
        let dictionary = block.dictionary();
        let memory = memory(dictionary);
        if memory > self.asked {
            (self.need)(memory)?;
            self.asked = memory;
        }
        let library = Library::new(&block, self.second)?;
        let compressed = block.compressed.filter(|_| block.plain.is_some());
        self.feed.announce(len, false, Role::Block { dictionary, compressed }.traits())?;
        let check = Check::new(self.check).ok_or_else(|| self.feed.damaged(INVALID))?;
        let open = Open { block, header: len as u64, library, check, compressed: 0, plain: 0 };
        Ok(State::Body(Box::new(open)))
    }

    /// Decodes into `buf`; the flag tells that the block ended.
    fn body(&mut self, open: &mut Open, buf: &mut [u8]) -> Result<(usize, bool)> {
        loop {
            let window = self.feed.input.window(1)?;
            let cut = window.is_empty();
            let step = match open.library.step(window, buf) {
                Ok(step) => step,
                Err(Failed::Memory) => return Err(Error::new(Kind::Io, "no memory for an xz dictionary")),
                Err(Failed::Invalid) => return Err(self.feed.damaged(INVALID)),
            };
            self.feed.input.consume(step.used);
            open.check.update(buf.get(..step.made).unwrap_or_default());
            open.compressed += step.used as u64;
            open.plain += step.made as u64;
            self.feed.plain += step.made as u64;
            if open.compressed > open.block.compressed.unwrap_or(LARGEST)
                || open.plain > open.block.plain.unwrap_or(LARGEST)
            {
                return Err(self.feed.damaged("a block is longer than its header says"));
            }
            if step.done || step.made > 0 {
                return Ok((step.made, step.done));
            }
            if cut {
                return Err(self.feed.damaged(CUT));
            }
            if step.used == 0 && !self.feed.input.more()? {
                return Err(self.feed.cut(CUT));
            }
        }
    }

    /// Checks what stands behind a block's data, and notes the block.
    fn end(&mut self, open: Open) -> Result<()> {
        let Open { block, header, check, compressed, plain, .. } = open;
        if block.compressed.is_some_and(|told| told != compressed) || block.plain.is_some_and(|told| told != plain) {
            return Err(self.feed.damaged("a block is shorter than its header says"));
        }
        self.zeros(padding(compressed), CUT)?;
        let want = check.finish();
        if self.feed.exact(want.len(), "a check is cut off")? != want {
            return Err(self.feed.damaged("the check does not match"));
        }
        self.feed.input.consume(want.len());
        self.blocks.note(header + compressed + want.len() as u64, plain);
        Ok(())
    }

    fn zeros(&mut self, n: usize, cut: &'static str) -> Result<()> {
        if self.feed.exact(n, cut)?.iter().any(|byte| *byte != 0) {
            return Err(self.feed.damaged("padding is not zero"));
        }
        self.feed.input.consume(n);
        Ok(())
    }

    /// Reads the index (§4) and the footer.
    fn index(&mut self) -> Result<()> {
        let (start, mut crc) = (self.feed.input.offset(), crc32fast::Hasher::new());
        crc.update(&[0]);
        self.feed.input.consume(1);
        if self.number(&mut crc)? != self.blocks.count {
            return Err(self.feed.damaged(NO_MATCH));
        }
        let mut told = Noted::default();
        for _ in 0..self.blocks.count {
            let (unpadded, plain) = (self.number(&mut crc)?, self.number(&mut crc)?);
            told.note(unpadded, plain);
        }
        if told != self.blocks {
            return Err(self.feed.damaged(NO_MATCH));
        }
        let zeros = padding(self.feed.input.offset() - start);
        self.zeros(zeros, INDEX)?;
        crc.update([0; 3].get(..zeros).unwrap_or_default());
        if self.feed.word(INDEX)? != crc.finalize() {
            return Err(self.feed.damaged("an index's checksum does not match"));
        }
        self.feed.input.consume(head::CRC);
        let len = self.feed.input.offset() - start;
        let footer = head::footer(len, self.check);
        if *self.feed.exact(STREAM, "a stream footer is cut off")? != footer {
            return Err(self.feed.damaged("a stream footer does not match its stream"));
        }
        self.feed.input.consume(STREAM);
        Ok(())
    }

    /// Reads a number of the index.
    fn number(&mut self, crc: &mut crc32fast::Hasher) -> Result<u64> {
        let window = self.feed.input.window(9)?;
        let window = window.get(..window.len().min(9)).unwrap_or_default();
        let mut rest = window;
        if let Some(value) = head::number(&mut rest) {
            let len = window.len() - rest.len();
            crc.update(window.get(..len).unwrap_or_default());
            self.feed.input.consume(len);
            return Ok(value);
        }
        let cut = window.len() < 9 && window.iter().all(|byte| *byte >= 0x80);
        Err(if cut { self.feed.cut(INDEX) } else { self.feed.damaged("a number of an index is invalid") })
    }
}

/// Bytes that a decoder keeps for a dictionary.
pub fn memory(dictionary: u64) -> u64 {
    dictionary + BESIDES
}

impl Source for Decoder<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            self.state = match std::mem::replace(&mut self.state, State::Stream) {
                State::Stream => self.stream()?,
                State::Block => self.block()?,
                State::Body(mut open) => {
                    let (n, done) = self.body(&mut open, buf)?;
                    self.state = if done {
                        self.end(*open)?;
                        State::Block
                    } else {
                        State::Body(open)
                    };
                    if n > 0 {
                        return Ok(n);
                    }
                    continue;
                }
                State::End => {
                    self.state = State::End;
                    return Ok(0);
                }
            };
        }
    }
}

/// The two libraries, at the first byte of a block's data.
enum Library {
    First(Stream),
    Second(Box<Lzma2Stream>),
}

/// What one step came to.
struct Step {
    used: usize,
    made: usize,
    /// The data ended behind what was used.
    done: bool,
}

enum Failed {
    Memory,
    Invalid,
}

impl Library {
    fn new(block: &Block, second: bool) -> Result<Self> {
        let unsupported = || Error::unsupported("xz filter");
        if second {
            let mut stream = Lzma2Stream::new(block.dictionary() as u32);
            if let Some(filter) = &block.filter {
                let filter_type = FilterType::try_from(filter.id).map_err(|()| unsupported())?;
                let property = filter.number() + u32::from(filter_type == FilterType::Delta);
                let config = FilterConfig { filter_type, property };
                stream.set_filters(&[config]).map_err(|_| unsupported())?;
            }
            return Ok(Library::Second(Box::new(stream)));
        }
        let mut filters = Filters::new();
        if let Some(head::Filter { id, properties }) = &block.filter {
            let added = match id {
                0x03 => filters.delta_properties(properties),
                0x04 => filters.x86_properties(properties),
                0x05 => filters.powerpc_properties(properties),
                0x06 => filters.ia64_properties(properties),
                0x07 => filters.arm_properties(properties),
                0x08 => filters.arm_thumb_properties(properties),
                0x09 => filters.sparc_properties(properties),
                0x0A => filters.arm64_properties(properties),
                _ => filters.riscv_properties(properties),
            };
            added.map_err(|_| unsupported())?;
        }
        filters.lzma2_properties(&[block.property]).map_err(|_| unsupported())?;
        match Stream::new_raw_decoder(&filters) {
            Ok(stream) => Ok(Library::First(stream)),
            Err(stream::Error::Mem | stream::Error::MemLimit) => {
                Err(Error::new(Kind::Io, "no memory for an xz dictionary"))
            }
            Err(_) => Err(unsupported()),
        }
    }

    fn step(&mut self, input: &[u8], out: &mut [u8]) -> std::result::Result<Step, Failed> {
        match self {
            Library::First(stream) => {
                let (taken, made) = (stream.total_in(), stream.total_out());
                let status = match stream.process(input, out, stream::Action::Run) {
                    Ok(status) => status,
                    Err(stream::Error::Mem | stream::Error::MemLimit) => return Err(Failed::Memory),
                    Err(_) => return Err(Failed::Invalid),
                };
                Ok(Step {
                    used: (stream.total_in() - taken) as usize,
                    made: (stream.total_out() - made) as usize,
                    done: status == stream::Status::StreamEnd,
                })
            }
            Library::Second(stream) => {
                let step = AssertUnwindSafe(|| stream.process(input, out, Action::Run));
                match catch_unwind(step) {
                    Ok(Ok(step)) => Ok(Step {
                        used: step.bytes_consumed,
                        made: step.bytes_produced,
                        done: step.status == Status::StreamEnd,
                    }),
                    _ => Err(Failed::Invalid),
                }
            }
        }
    }
}
