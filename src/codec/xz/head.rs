//! Stream headers and footers, block headers, and numbers (`xz-file-format.txt` §1.2, §2.1, §3.1).

use super::{Check, NAME, padding};
use crate::error::{Error, Result};
use crate::layer::coded::Head;

/// Header Magic Bytes (§2.1.1.1).
pub const MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];
/// Footer Magic Bytes (§2.1.2.4).
pub const FOOTER_MAGIC: [u8; 2] = *b"YZ";
/// Length of a stream's header, and of its footer.
pub const STREAM: usize = 12;
/// Length of a CRC32.
pub const CRC: usize = 4;
/// Filter ID of LZMA2 (§5.3.1).
pub const LZMA2: u64 = 0x21;
/// Smallest dictionary, bytes.
pub const LEAST: u64 = 4096;

/// What an announced head is to the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A stream with the check of this id.
    Stream(u8),
    /// A block.
    Block {
        /// Bytes of its dictionary.
        dictionary: u64,
        /// Bytes of its compressed data, where its header tells of it.
        compressed: Option<u64>,
    },
}

impl Role {
    /// As a head carries it.
    pub fn traits(self) -> [u64; 4] {
        match self {
            Role::Stream(check) => [0, u64::from(check), 0, 0],
            Role::Block { dictionary, compressed: None } => [1, dictionary, 0, 0],
            Role::Block { dictionary, compressed: Some(n) } => [2, dictionary, n, 0],
        }
    }

    /// As a head carries it.
    pub fn of(head: &Head) -> Self {
        match head.traits {
            [0, check, ..] => Role::Stream(check as u8),
            [1, dictionary, ..] => Role::Block { dictionary, compressed: None },
            [_, dictionary, n, _] => Role::Block { dictionary, compressed: Some(n) },
        }
    }
}

/// Reads a stream's header, which stands at `at`; gives the id of its check.
pub fn stream(bytes: &[u8; STREAM], at: u64) -> Result<u8> {
    let &[.., zero, id, a, b, c, d] = bytes;
    if crc32fast::hash(&[zero, id]).to_le_bytes() != [a, b, c, d] {
        return Err(Error::damaged(NAME, at + 8, "a stream header's checksum does not match"));
    }
    if zero != 0 || id > 15 {
        return Err(Error::damaged(NAME, at + 6, "reserved stream flags are set"));
    }
    Check::new(id).map(|_| id).ok_or_else(|| Error::unsupported("xz check of an unknown type"))
}

/// A stream's footer behind an index of `index` bytes.
pub fn footer(index: u64, check: u8) -> [u8; STREAM] {
    let size = ((index / 4).wrapping_sub(1) as u32).to_le_bytes();
    let [a, b, c, d] = size;
    let fields = [a, b, c, d, 0, check];
    let mut footer = [0; STREAM];
    let parts = crc32fast::hash(&fields).to_le_bytes().into_iter().chain(fields).chain(FOOTER_MAGIC);
    footer.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
    footer
}

/// One filter before LZMA2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Its id (§5.3).
    pub id: u64,
    /// Its properties.
    pub properties: Vec<u8>,
}

impl Filter {
    /// The distance less one, or where machine code starts.
    pub fn number(&self) -> u32 {
        self.properties.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte))
    }

    /// Delta has a distance; filters for machine code may have a start, which is a multiple of their instructions' length.
    fn is_known(&self) -> bool {
        let align = match self.id {
            0x03 => return self.properties.len() == 1,
            0x04 => 1,
            0x05 | 0x07 | 0x09 | 0x0A => 4,
            0x06 => 16,
            0x08 | 0x0B => 2,
            _ => return false,
        };
        matches!(self.properties.len(), 0 | 4) && self.number().is_multiple_of(align)
    }
}

/// One block's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// `Compressed Size`.
    pub compressed: Option<u64>,
    /// `Uncompressed Size`.
    pub plain: Option<u64>,
    /// What stands before LZMA2.
    pub filter: Option<Filter>,
    /// The byte that tells of the dictionary (§5.3.1).
    pub property: u8,
}

impl Block {
    /// Reads a header of all these bytes, which stand at `at`.
    pub fn parse(bytes: &[u8], at: u64) -> Result<Self> {
        let wrong = || Error::damaged(NAME, at, "a block header is invalid");
        let (body, crc) = bytes.split_at_checked(bytes.len().saturating_sub(CRC)).ok_or_else(wrong)?;
        if crc32fast::hash(body).to_le_bytes() != crc {
            return Err(Error::damaged(NAME, at, "a block header's checksum does not match"));
        }
        let &[_, flags, ref rest @ ..] = body else { return Err(wrong()) };
        if flags & 0x3c != 0 {
            return Err(Error::unsupported("xz block of a newer version"));
        }
        let mut rest = rest;
        let mut size = |flag: u8| match flags & flag {
            0 => Ok(None),
            _ => number(&mut rest).map(Some).ok_or_else(wrong),
        };
        let (compressed, plain) = (size(0x40)?, size(0x80)?);
        if compressed == Some(0) {
            return Err(wrong());
        }
        let mut filters = Vec::with_capacity(4);
        for _ in 0..=flags & 3 {
            let id = number(&mut rest).ok_or_else(wrong)?;
            let len = number(&mut rest).and_then(|n| usize::try_from(n).ok()).ok_or_else(wrong)?;
            let (properties, behind) = rest.split_at_checked(len).ok_or_else(wrong)?;
            rest = behind;
            filters.push(Filter { id, properties: properties.to_vec() });
        }
        if rest.iter().any(|byte| *byte != 0) {
            return Err(wrong());
        }
        let last = filters.pop().filter(|last| last.id == LZMA2);
        let last = last.ok_or_else(|| Error::unsupported("xz filter"))?;
        let &[property @ 0..=40] = &last.properties[..] else { return Err(wrong()) };
        let filter = filters.pop();
        if !filters.is_empty() || filter.as_ref().is_some_and(|filter| !filter.is_known()) {
            return Err(Error::unsupported("xz filter"));
        }
        Ok(Self { compressed, plain, filter, property })
    }

    /// A header for LZMA2 alone; the sizes both or none.
    pub fn write(sizes: Option<(u64, u64)>, property: u8, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0, if sizes.is_some() { 0xc0 } else { 0 }]);
        if let Some((compressed, plain)) = sizes {
            push_number(compressed, out);
            push_number(plain, out);
        }
        out.extend_from_slice(&[LZMA2 as u8, 1, property]);
        out.resize(out.len() + padding((out.len() - start) as u64), 0);
        let words = (out.len() - start) / 4;
        if let Some(size) = out.get_mut(start) {
            // This word is the CRC32's: one less than all of them.
            *size = words as u8;
        }
        let crc = crc32fast::hash(out.get(start..).unwrap_or_default());
        out.extend_from_slice(&crc.to_le_bytes());
    }

    /// Bytes of the dictionary.
    pub fn dictionary(&self) -> u64 {
        dictionary(self.property)
    }
}

/// Bytes of the dictionary that a property tells of.
pub fn dictionary(property: u8) -> u64 {
    match property {
        40.. => u64::from(u32::MAX),
        n => (2 | u64::from(n & 1)) << (n / 2 + 11),
    }
}

/// The property of the smallest dictionary that holds `size` bytes.
pub fn property(size: u64) -> u8 {
    (0..40).find(|n| dictionary(*n) >= size).unwrap_or(40)
}

/// Reads a number (§1.2): seven bits a byte, the lowest first, at most nine bytes and no more than it needs.
pub fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for at in 0..9 {
        let byte = *rest.get(at)?;
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            *rest = rest.get(at + 1..)?;
            return (byte != 0 || at == 0).then_some(value);
        }
    }
    None
}

/// Writes a number of at most 63 bits.
pub fn push_number(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
