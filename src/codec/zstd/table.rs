//! The seek table of the seekable format (zstd's `contrib/seekable_format`): the last skippable frame, with the sizes of all others.
//!
//! It is `0x184D2A5E`, a length, an entry for each frame (compressed and decompressed size, on request the low half of
//! the content's XXH64; skippable frames count, with no content), and a footer: number of entries, descriptor, magic. It would
//! go stale with the first frame that is encoded anew, so it is told apart from other skippable frames and made anew.

use crate::error::{Error, Result};

/// Low four bits of the table's skippable magic number.
pub const MAGIC_LOW: u8 = 0xE;
/// The table's skippable magic number, and the magic number that closes it; little endian.
const OPEN: u32 = 0x184D_2A5E;
const CLOSE: u32 = 0x8F92_EAB1;
/// Length of the footer.
pub const FOOTER: usize = 9;
/// Entries that are kept for a table, each 12 bytes; a longer table is not made anew.
const ENTRIES: usize = 1 << 20;
/// Longest payload of a table that is made anew.
pub const LONGEST: u64 = (ENTRIES * 12 + FOOTER) as u64;

/// Whether `footer` closes a seek table of `len` payload bytes; the value tells if its entries have checksums.
pub fn closes(footer: &[u8], len: u64) -> Option<bool> {
    let (count, rest) = footer.split_first_chunk::<4>()?;
    let (&descriptor, magic) = rest.split_first()?;
    let checksums = descriptor & 0x80 != 0;
    let entry = if checksums { 12 } else { 8 };
    let fits = u64::from(u32::from_le_bytes(*count)) * entry + FOOTER as u64 == len;
    (*magic == CLOSE.to_le_bytes() && descriptor & 0x7c == 0 && fits).then_some(checksums)
}

/// Length of the payload that `footer` tells of.
pub fn payload(footer: &[u8; FOOTER]) -> u64 {
    let &[a, b, c, d, descriptor, ..] = footer;
    let entry = if descriptor & 0x80 != 0 { 12 } else { 8 };
    u64::from(u32::from_le_bytes([a, b, c, d])) * entry + FOOTER as u64
}

/// Whether `header` opens a seek table of `len` payload bytes.
pub fn opens(header: &[u8], len: u64) -> bool {
    header.split_first_chunk::<4>().is_some_and(|(magic, rest)| {
        *magic == OPEN.to_le_bytes()
            && rest.first_chunk().is_some_and(|told| u64::from(u32::from_le_bytes(*told)) == len)
    })
}

/// What is noted of each frame.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Length of the frame, bytes.
    pub coded: u32,
    /// Length of its content, bytes.
    pub plain: u32,
    /// Low half of the content's XXH64; 0 where the table has none.
    pub hash: u32,
}

impl Entry {
    /// The entries in the payload of a table.
    pub fn read(payload: &[u8], checksums: bool) -> Vec<Self> {
        let word = |entry: &[u8], at: usize| {
            entry.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
        };
        let entries = payload.get(..payload.len().saturating_sub(FOOTER)).unwrap_or_default();
        let entries = entries.chunks_exact(if checksums { 12 } else { 8 });
        entries.map(|e| Self { coded: word(e, 0), plain: word(e, 4), hash: word(e, 8) }).collect()
    }
}

/// The frames that were written, for a table that may come.
#[derive(Debug, Default)]
pub struct Table {
    entries: Vec<Entry>,
    /// More frames than are kept, or one of 4 GiB and more: no table can be made.
    broken: bool,
}

impl Table {
    /// Notes a frame of `coded` bytes that holds `plain` bytes, with the XXH64 of these.
    pub fn note(&mut self, coded: u64, plain: u64, hash: u64) {
        match (u32::try_from(coded), u32::try_from(plain)) {
            (Ok(coded), Ok(plain)) => self.push(Entry { coded, plain, hash: hash as u32 }),
            _ => self.fail(),
        }
    }

    /// Notes a frame.
    pub fn push(&mut self, entry: Entry) {
        if self.entries.len() < ENTRIES && !self.broken {
            self.entries.push(entry);
        } else {
            self.fail();
        }
    }

    fn fail(&mut self) {
        self.broken = true;
        self.entries = Vec::new();
    }

    /// Whether no table can be made.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Writes the table.
    pub fn write(&self, checksums: bool, out: &mut Vec<u8>) -> Result<()> {
        if self.broken {
            return Err(too_long());
        }
        let len = self.entries.len() * if checksums { 12 } else { 8 } + FOOTER;
        let mut word = |n: u32| out.extend_from_slice(&n.to_le_bytes());
        word(OPEN);
        word(len as u32);
        for entry in &self.entries {
            word(entry.coded);
            word(entry.plain);
            if checksums {
                word(entry.hash);
            }
        }
        word(self.entries.len() as u32);
        out.push(if checksums { 0x80 } else { 0 });
        out.extend_from_slice(&CLOSE.to_le_bytes());
        Ok(())
    }
}

/// The error for a table that cannot be made anew.
pub fn too_long() -> Error {
    Error::limit("a zstd seek table (1048576 frames of less than 4 GiB)")
}
