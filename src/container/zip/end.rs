//! The end of an archive: where its directory is (APPNOTE 6.3.10 §4.3.14 to §4.3.16).
//!
//! Readers search backwards for the end record, and do not all take the same one, nor count offsets from the same place. So there must
//! be no doubt: the last magic number in the file's end is the record, its comment and NULs fill the rest, the directory ends
//! where the record starts, and what zip64 repeats is the same. What stands before the archive (a program that unpacks it) moves the base
//! from which offsets count, or does not.

use super::NAME;
use super::head::{put_number, u16_at, u32_at, u64_at};
use crate::blob::Blob;
use crate::error::{Error, Kind, Result};
use crate::span::Span;

/// Magic number of the end record.
pub const END: &[u8] = b"PK\x05\x06";
/// Magic number of the zip64 end record.
pub const END64: &[u8] = b"PK\x06\x06";
/// Magic number of what tells where that is.
const LOCATOR: &[u8] = b"PK\x06\x07";
/// Length of the end record without its comment.
pub const END_LEN: usize = 22;
/// Length of the zip64 end record, without the data that may extend it, and of its locator.
pub const END64_LEN: usize = 56;
/// Length of the locator.
pub const LOCATOR_LEN: usize = 20;
/// Offsets in the three records of the directory's offset, and of that of the zip64 end record.
const OFFSET: usize = 16;
const OFFSET64: usize = 48;
const LOCATOR_OFFSET: usize = 8;
/// Longest comment.
const COMMENT: u64 = u16::MAX as u64;
/// Bytes that are read at once.
const READ: u64 = 64 * 1024;

/// Where things are; offsets in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// What an offset of 0 means.
    pub base: u64,
    /// The central directory.
    pub directory: Span,
    /// Its entries.
    pub count: u64,
    /// The end record, without its comment.
    pub record: Span,
    /// The archive's comment.
    pub comment: Span,
}

fn damaged(at: u64, what: &'static str) -> Error {
    Error::damaged(NAME, at, what)
}

/// The `n` bytes at `at`; fewer at the end.
fn bytes(blob: &dyn Blob, at: u64, n: usize) -> Result<Vec<u8>> {
    let (mut out, mut got) = (vec![0; n], 0);
    while got < n {
        match blob.read_at(at + got as u64, out.get_mut(got..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("reading", &error)),
        }
    }
    out.truncate(got);
    Ok(out)
}

/// Where the last byte is that is no NUL, plus one.
fn content(blob: &dyn Blob) -> Result<u64> {
    let mut end = blob.len();
    while end > 0 {
        let start = end.saturating_sub(READ);
        let piece = bytes(blob, start, (end - start) as usize)?;
        if let Some(last) = piece.iter().rposition(|b| *b != 0) {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Finds the end of the archive that `blob` is.
pub fn locate(blob: &dyn Blob) -> Result<End> {
    let content = content(blob)?;
    let from = content.saturating_sub(COMMENT + END_LEN as u64);
    let tail = bytes(blob, from, (content - from) as usize)?;
    let Some(place) = memchr::memmem::rfind(&tail, END) else {
        return Err(none(blob)?);
    };
    let at = from + place as u64;
    let record = bytes(blob, at, END_LEN)?;
    if record.len() < END_LEN {
        return Err(damaged(at + record.len() as u64, "the end record is cut off"));
    }
    let comment = at + END_LEN as u64;
    let comment = Span::new(comment, comment + u64::from(u16_at(&record, 20)));
    if comment.end > blob.len() {
        return Err(damaged(blob.len(), "the archive's comment is cut off"));
    }
    if comment.end < content {
        return Err(damaged(comment.end, "bytes after the end of the archive"));
    }
    let record_at = Span::new(at, at + END_LEN as u64);
    let said = Said {
        disks: [u16_at(&record, 4), u16_at(&record, 6)].map(u32::from),
        counts: [u16_at(&record, 8), u16_at(&record, 10)].map(u64::from),
        size: u64::from(u32_at(&record, 12)),
        offset: u64::from(u32_at(&record, OFFSET)),
    };
    let (said, end) = wide(blob, said, at)?;
    if said.disks != [0, 0] || said.counts[0] != said.counts[1] {
        return Err(Error::unsupported("multi-disk zip"));
    }
    let start = end.checked_sub(said.size);
    let Some((start, base)) = start.and_then(|start| Some((start, start.checked_sub(said.offset)?))) else {
        return Err(damaged(at, "the directory does not lie before the end record"));
    };
    let [count, _] = said.counts;
    Ok(End { base, directory: Span::new(start, end), count, record: record_at, comment })
}

/// There is no end record: what that is called.
fn none(blob: &dyn Blob) -> Result<Error> {
    let head = bytes(blob, 0, 4)?;
    Ok(if head == b"PK\x07\x08" {
        Error::unsupported("multi-disk zip")
    } else if head.starts_with(b"PK") {
        damaged(blob.len(), "no end record: the archive may be cut off")
    } else {
        Error::new(Kind::Damaged, "name says zip")
    })
}

/// What an end record says.
struct Said {
    disks: [u32; 2],
    counts: [u64; 2],
    size: u64,
    offset: u64,
}

/// What counts, and where the directory ends: the end record at `at`, or the zip64 one before it.
fn wide(blob: &dyn Blob, said: Said, at: u64) -> Result<(Said, u64)> {
    let Some(locator_at) = at.checked_sub(LOCATOR_LEN as u64) else { return Ok((said, at)) };
    let locator = bytes(blob, locator_at, LOCATOR_LEN)?;
    if !locator.starts_with(LOCATOR) {
        return Ok((said, at));
    }
    if u32_at(&locator, 4) != 0 || u32_at(&locator, 16) > 1 {
        return Err(Error::unsupported("multi-disk zip"));
    }
    let offset = u64_at(&locator, LOCATOR_OFFSET);
    let record_at = locator_at.saturating_sub(END64_LEN as u64);
    let record = bytes(blob, record_at, END64_LEN)?;
    if !record.starts_with(END64) || u64_at(&record, 4) != END64_LEN as u64 - 12 {
        // Version 2 of the record has a longer one, of which some are about encryption (§7.3.4).
        return Err(if bytes(blob, offset.min(blob.len()), END64.len())? == END64 {
            Error::unsupported("zip with extended end record")
        } else {
            damaged(locator_at, "no zip64 end record before its locator")
        });
    }
    let big = Said {
        disks: [u32_at(&record, 16), u32_at(&record, 20)],
        counts: [u64_at(&record, 24), u64_at(&record, 32)],
        size: u64_at(&record, 40),
        offset: u64_at(&record, OFFSET64),
    };
    let same = |small: u64, big: u64, escape: u64| small == big || small == escape;
    let counts = said.counts.iter().zip(big.counts).all(|(small, big)| same(*small, big, u64::from(u16::MAX)));
    let disks = said.disks.iter().zip(big.disks).all(|(small, big)| small == &big || *small == u32::from(u16::MAX));
    let escape = u64::from(u32::MAX);
    if !counts || !disks || !same(said.size, big.size, escape) || !same(said.offset, big.offset, escape) {
        return Err(damaged(record_at, "the two end records differ"));
    }
    // Both offsets must count from the same base.
    let directory = record_at.checked_sub(big.size).and_then(|start| start.checked_sub(big.offset));
    if directory.is_none() || directory != record_at.checked_sub(offset) {
        return Err(damaged(record_at, "the directory does not lie before the end record"));
    }
    Ok((big, record_at))
}

/// Moves the offsets of a zip64 end record and its locator, which follows it, by `by` bytes.
pub fn shift64(records: &mut [u8], by: i64) -> Result<()> {
    for (at, escaped) in [(OFFSET64, true), (END64_LEN + LOCATOR_OFFSET, true)] {
        let moved = shift(u64_at(records, at), by)?;
        put_number(records, (0, escaped), Some(at), moved)?;
    }
    Ok(())
}

/// Moves the offset of an end record; `wide`: a zip64 one stands before it, which counts where this one says so.
pub fn shift32(record: &mut [u8], wide: bool, by: i64) -> Result<()> {
    let offset = u32_at(record, OFFSET);
    if wide && offset == u32::MAX {
        return Ok(());
    }
    put_number(record, (OFFSET, false), None, shift(u64::from(offset), by)?)
}

/// `offset` moved by `by` bytes.
pub fn shift(offset: u64, by: i64) -> Result<u64> {
    offset.checked_add_signed(by).ok_or_else(|| Error::new(Kind::Verify, "an offset leaves the archive").layer(NAME))
}

/// The end records without the offsets that follow the payloads: what the result must have.
pub fn constant(records: &[u8], wide: bool) -> Vec<u8> {
    let mut records = records.to_vec();
    let places: &[(usize, usize)] =
        if wide { &[(OFFSET64, 8), (END64_LEN + LOCATOR_OFFSET, 8)] } else { &[(OFFSET, 4)] };
    for (at, n) in places {
        records.get_mut(*at..at + n).unwrap_or_default().fill(0);
    }
    records
}
