//! The LZ4 decoder: frames one after another, each with its checks, block by block.
//!
//! Memory: one block as it is coded and one as it is plain, with 64 KiB before it where blocks are linked.

use xxhash_rust::xxh32::{Xxh32, xxh32};

use super::head::{self, Frame};
use super::{NAME, WINDOW, second};
use crate::error::{Error, Result};
use crate::input::Source;
use crate::layer::coded::{Heads, Need, units};
use crate::layer::feed::Feed;

/// The bit of a block's size that says that it is not compressed.
pub const RAW: u32 = 1 << 31;
/// Length of a block's size, and of a checksum.
pub const WORD: usize = 4;

const INVALID: &str = "the compressed data is invalid";
const CUT: &str = "a frame is cut off";

/// Decodes a whole LZ4 stream.
pub struct Decoder<'a> {
    feed: Feed<'a>,
    need: Need<'a>,
    /// The most memory asked for so far.
    asked: u64,
    second: bool,
    open: Option<Open>,
    /// Up to [`WINDOW`] bytes before the block, then the block.
    plain: Vec<u8>,
    /// How many bytes of `plain` are returned, or of the blocks before.
    given: usize,
}

/// The frame that is being read.
struct Open {
    frame: Frame,
    hash: Xxh32,
    made: u64,
}

impl<'a> Decoder<'a> {
    /// Decodes `source`; blocks by our own decoder if `second`.
    pub fn new(source: Box<dyn Source + 'a>, heads: Heads, second: bool, need: Need<'a>) -> Self {
        let feed = Feed::new(NAME, source, heads);
        Self { feed, need, asked: 0, second, open: None, plain: Vec::new(), given: 0 }
    }

    /// Looks at what stands next, and begins or announces it; `false` at the end.
    fn start(&mut self) -> Result<bool> {
        let at = self.feed.input.offset();
        if at > 0 && self.feed.is_end()? {
            return Ok(false);
        }
        self.feed.offer(units::FRAME);
        match self.feed.word("a magic number is cut off")? {
            head::MAGIC => self.frame(at)?,
            head::LEGACY => return Err(Error::unsupported("lz4 legacy")),
            magic if head::is_skippable(magic) => {
                let cut = "a skippable frame is cut off";
                let header = self.feed.exact(head::SKIPPABLE_HEADER, cut)?;
                let len = header.last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
                self.feed.keep(head::SKIPPABLE_HEADER as u64 + u64::from(len), cut)?;
            }
            _ => return Err(self.feed.damaged("no frame where one must be")),
        }
        Ok(true)
    }

    fn frame(&mut self, at: u64) -> Result<()> {
        let window = self.feed.input.window(head::LONGEST)?;
        let (frame, len) = head::parse(window.get(..window.len().min(head::LONGEST)).unwrap_or_default(), at)?;
        let memory = memory(&frame);
        if memory > self.asked {
            (self.need)(memory)?;
            self.asked = memory;
        }
        self.feed.announce(len, false, frame.traits())?;
        self.plain.clear();
        self.given = 0;
        self.open = Some(Open { frame, hash: Xxh32::new(0), made: 0 });
        Ok(())
    }

    /// Reads the next block of the open frame, or its end.
    fn block(&mut self, mut open: Open) -> Result<()> {
        let frame = open.frame;
        let word = self.feed.word(CUT)?;
        if word == 0 {
            return self.end(&open);
        }
        let (raw, len) = (word & RAW != 0, (word & !RAW) as usize);
        if len > frame.block || len == 0 {
            return Err(self.feed.damaged("a block's size is out of bounds"));
        }
        let whole = WORD + len + if frame.block_checksums { WORD } else { 0 };
        let bytes = self.feed.exact(whole, CUT)?;
        let (coded, checksum) = bytes.get(WORD..).unwrap_or_default().split_at(len);
        if checksum.first_chunk().is_some_and(|want| xxh32(coded, 0) != u32::from_le_bytes(*want)) {
            return Err(self.feed.damaged("a block's checksum does not match"));
        }
        // What later blocks may refer to stays before this one.
        let keep = if frame.independent { 0 } else { self.plain.len().min(WINDOW) };
        self.plain.drain(..self.plain.len() - keep);
        self.given = keep;
        let done = if raw {
            self.plain.extend_from_slice(coded);
            Some(())
        } else if self.second {
            second::decode(coded, frame.block, &mut self.plain)
        } else {
            first(coded, frame.block, &mut self.plain)
        };
        if done.is_none() {
            return Err(self.feed.damaged(INVALID));
        }
        let new = self.plain.get(keep..).unwrap_or_default();
        open.made += new.len() as u64;
        if open.frame.content_checksum {
            open.hash.update(new);
        }
        if frame.content.is_some_and(|content| open.made > content) {
            return Err(self.feed.damaged("the content size does not match"));
        }
        self.feed.input.consume(whole);
        self.open = Some(open);
        Ok(())
    }

    /// Checks a frame's content size and checksum behind its last block.
    fn end(&mut self, open: &Open) -> Result<()> {
        if open.frame.content.is_some_and(|content| open.made != content) {
            return Err(self.feed.damaged("the content size does not match"));
        }
        let whole = WORD + if open.frame.content_checksum { WORD } else { 0 };
        let bytes = self.feed.exact(whole, CUT)?;
        let want = bytes.get(WORD..).and_then(|b| b.first_chunk());
        if want.is_some_and(|want| u32::from_le_bytes(*want) != open.hash.digest()) {
            return Err(self.feed.damaged("the content checksum does not match"));
        }
        self.feed.input.consume(whole);
        Ok(())
    }
}

/// Bytes that a decoder keeps for a frame.
pub fn memory(frame: &Frame) -> u64 {
    (2 * frame.block + 2 * WINDOW) as u64
}

/// `lz4_flex`'s decoder: appends at most `most` bytes; `None` if the data is invalid.
pub fn first(coded: &[u8], most: usize, plain: &mut Vec<u8>) -> Option<()> {
    let before = plain.len();
    // The longest that so many bytes can become: 255 bytes for each that tells of a length.
    let room = most.min(coded.len().saturating_mul(255));
    plain.resize(before + room, 0);
    let (history, new) = plain.split_at_mut(before);
    let made = if history.is_empty() {
        lz4_flex::block::decompress_into(coded, new)
    } else {
        lz4_flex::block::decompress_into_with_dict(coded, new, history)
    };
    let made = made.ok()?;
    plain.truncate(before + made);
    Some(())
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
            match self.open.take() {
                Some(open) => self.block(open)?,
                None if !self.start()? => return Ok(0),
                None => {}
            }
        }
    }
}
