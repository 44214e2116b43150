//! Frame descriptors, and what they tell the encoder.

use xxhash_rust::xxh32::xxh32;

use super::NAME;
use crate::error::{Error, Result};
use crate::layer::coded::Head;

/// Magic number of a frame.
pub const MAGIC: u32 = 0x184D_2204;
/// Magic number of the legacy format.
pub const LEGACY: u32 = 0x184C_2102;
/// Magic number of a skippable frame; its low four bits are free.
const SKIPPABLE: u32 = 0x184D_2A50;
/// Length of a skippable frame's header.
pub const SKIPPABLE_HEADER: usize = 8;
/// Longest frame header: magic number, FLG, BD, content size, dictionary id, checksum.
pub const LONGEST: usize = 4 + 1 + 1 + 8 + 4 + 1;

/// Length of a frame header with a content size.
pub const SIZED: usize = 4 + 1 + 1 + 8 + 1;

const VERSION: u8 = 0b0100_0000;
const INDEPENDENT: u8 = 1 << 5;
const BLOCK_CHECKSUMS: u8 = 1 << 4;
const CONTENT_SIZE: u8 = 1 << 3;
const CONTENT_CHECKSUM: u8 = 1 << 2;
const RESERVED: u8 = 1 << 1;
const DICTIONARY: u8 = 1;

/// Whether a magic number is a skippable frame's.
pub fn is_skippable(magic: u32) -> bool {
    magic & !15 == SKIPPABLE
}

/// Whether a stream that starts with `head` is LZ4. Zstandard has the same skippable frames: what stands behind them decides.
/// Skippable frames alone are left to it.
pub fn sniff(mut head: &[u8]) -> bool {
    loop {
        let Some(magic) = head.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes)) else { return false };
        if magic == MAGIC || magic == LEGACY {
            return true;
        }
        let len = head.get(4..).and_then(|rest| rest.first_chunk::<4>()).map_or(0, |bytes| u32::from_le_bytes(*bytes));
        match head.get(SKIPPABLE_HEADER..).and_then(|rest| rest.get(len as usize..)) {
            Some(rest) if is_skippable(magic) => head = rest,
            _ => return false,
        }
    }
}

/// One frame's descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Most plain bytes of a block.
    pub block: usize,
    /// Whether no block refers to those before.
    pub independent: bool,
    /// Whether each block has a checksum.
    pub block_checksums: bool,
    /// Whether the content has one.
    pub content_checksum: bool,
    /// The content's length, bytes.
    pub content: Option<u64>,
}

/// Reads the header at the start of `bytes`, which stand at `at` and hold [`LONGEST`] bytes if the stream has them. Gives its
/// length, too.
pub fn parse(bytes: &[u8], at: u64) -> Result<(Frame, usize)> {
    let cut = || Error::damaged(NAME, at + bytes.len() as u64, "a frame header is cut off");
    let wrong = |n: usize, what| Err(Error::damaged(NAME, at + n as u64, what));
    let (&flags, &size) = (bytes.get(4).ok_or_else(cut)?, bytes.get(5).ok_or_else(cut)?);
    if flags & 0b1100_0000 != VERSION {
        return wrong(4, "unknown frame version");
    }
    if flags & RESERVED != 0 || size & 0b1000_1111 != 0 {
        return wrong(4, "reserved bits of a frame header are set");
    }
    if flags & DICTIONARY != 0 {
        return Err(Error::unsupported("lz4 dictionary"));
    }
    let id = u32::from(size >> 4);
    if id < 4 {
        return wrong(5, "unknown block size");
    }
    let has = |flag: u8| flags & flag != 0;
    let end = if has(CONTENT_SIZE) { 14 } else { 6 };
    let checksum = *bytes.get(end).ok_or_else(cut)?;
    if descriptor_checksum(bytes.get(4..end).unwrap_or_default()) != checksum {
        return wrong(end, "a frame header's checksum does not match");
    }
    let content = bytes.get(6..14).and_then(|b| b.first_chunk()).map(|b| u64::from_le_bytes(*b));
    let frame = Frame {
        block: 1 << (8 + 2 * id),
        independent: has(INDEPENDENT),
        block_checksums: has(BLOCK_CHECKSUMS),
        content_checksum: has(CONTENT_CHECKSUM),
        content: content.filter(|_| has(CONTENT_SIZE)),
    };
    Ok((frame, end + 1))
}

/// The second byte of the descriptor's hash.
fn descriptor_checksum(descriptor: &[u8]) -> u8 {
    (xxh32(descriptor, 0) >> 8) as u8
}

impl Frame {
    /// Its header, with `content` for the content size.
    pub fn write(&self, content: Option<u64>, out: &mut Vec<u8>) {
        let flag = |is, flag| if is { flag } else { 0 };
        let flags = VERSION
            | flag(self.independent, INDEPENDENT)
            | flag(self.block_checksums, BLOCK_CHECKSUMS)
            | flag(content.is_some(), CONTENT_SIZE)
            | flag(self.content_checksum, CONTENT_CHECKSUM);
        let id = self.block.max(1).ilog2().saturating_sub(8) / 2;
        out.extend_from_slice(&MAGIC.to_le_bytes());
        let start = out.len();
        out.extend_from_slice(&[flags, (id << 4) as u8]);
        out.extend(content.iter().flat_map(|size| size.to_le_bytes()));
        out.push(descriptor_checksum(out.get(start..).unwrap_or_default()));
    }

    /// Length of what stands behind its blocks: the end mark and the content's checksum, bytes.
    pub fn tail(&self) -> u64 {
        if self.content_checksum { 8 } else { 4 }
    }

    /// As a head carries it.
    pub fn traits(&self) -> [u64; 4] {
        let flags = u64::from(self.independent)
            | u64::from(self.block_checksums) << 1
            | u64::from(self.content_checksum) << 2
            | u64::from(self.content.is_some()) << 3;
        [flags, self.block as u64, self.content.unwrap_or_default(), 0]
    }

    /// As a head carries it.
    pub fn of(head: &Head) -> Self {
        let [flags, block, content, _] = head.traits;
        Self {
            block: block as usize,
            independent: flags & 1 != 0,
            block_checksums: flags & 2 != 0,
            content_checksum: flags & 4 != 0,
            content: (flags & 8 != 0).then_some(content),
        }
    }
}
