//! Sparse members: where the stored bytes of a file with holes belong.
//!
//! Old GNU headers (type `S`) and PAX sparse 0.0, 0.1 and 1.0 (GNU tar manual, "Storing Sparse Files"). Readers disagree
//! about regions that do not start on a block (GNU tar reads on at the next block, others do not), so a map must be ordered,
//! complete and aligned, or it is refused. [`Stored`] reads a payload as the file that it stands for, holes as NULs.

use std::collections::VecDeque;

use super::entry::{MAX_EXTENDED, Stream, take};
use super::header::{self, BLOCK, field};
use super::pax;
use crate::error::{Error, Result};
use crate::input::{Input, Source};
use crate::layer::cx::Budget;

/// A sparse member's map, or where it is.
pub enum Sparse {
    /// The map.
    Map(Map),
    /// The map stands at the start of the payload (PAX 1.0); the file's length.
    InPayload(u64),
}

/// Which bytes of a file are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// Offset in the file and length of each stored region.
    regions: VecDeque<(u64, u64)>,
    /// Length of the file.
    len: u64,
}

fn bad(at: u64) -> Error {
    Error::damaged("tar", at, "a malformed sparse map")
}

impl Map {
    /// A file without holes.
    pub fn whole(len: u64) -> Self {
        Self { regions: VecDeque::from([(0, len)]), len }
    }

    /// Whether the regions are in order, within the file, aligned as stored, and `stored` bytes in all.
    pub fn check(&self, stored: u64, at: u64) -> Result<()> {
        let (mut end, mut sum) = (0u64, 0u64);
        for (start, len) in &self.regions {
            if *start < end || *start > self.len || *len > self.len - start {
                return Err(bad(at));
            }
            if *len > 0 && sum % BLOCK as u64 != 0 {
                return Err(Error::unsupported("sparse tar member with regions that are not whole blocks"));
            }
            end = start + len;
            sum += len;
        }
        if sum == stored { Ok(()) } else { Err(bad(at)) }
    }
}

/// Whether another sparse header follows this block, the `first` of the entry or a later one.
pub fn continued(block: &[u8], first: bool) -> bool {
    block.get(if first { 482 } else { 504 }).is_some_and(|flag| *flag != 0)
}

/// The map in old GNU headers: four regions in the entry's own, 21 in each that follows.
pub fn old(blocks: &[u8], at: u64) -> Result<Sparse> {
    let mut map =
        Map { regions: VecDeque::new(), len: header::number(field(blocks, 483..495)).ok_or_else(|| bad(at))? };
    let mut done = false;
    for (n, block) in blocks.chunks(BLOCK).enumerate() {
        // A reader that stops at the first blank region would take the headers after it for data.
        if done {
            return Err(bad(at));
        }
        for entry in field(block, if n == 0 { 386..482 } else { 0..504 }).chunks_exact(24) {
            if entry.iter().all(|b| *b == 0) {
                done = true;
            } else if done {
                return Err(bad(at));
            } else {
                let (start, len) = entry.split_at(12);
                let region = header::number(start).zip(header::number(len)).filter(|_| len.first() != Some(&0));
                map.regions.push_back(region.ok_or_else(|| bad(at))?);
            }
        }
    }
    Ok(Sparse::Map(map))
}

/// What an extended header says of holes; `None` if it does not. `at` is for errors.
pub fn declared(body: &[u8], at: u64) -> Result<Option<Sparse>> {
    let (mut any, mut major, mut minor, mut len, mut list, mut count) = (false, None, None, None, false, None);
    let (mut regions, mut open) = (VecDeque::new(), None);
    for record in pax::records(body) {
        let key = body.get(record.key).unwrap_or_default();
        let value = body.get(record.value).unwrap_or_default();
        if key == b"SCHILY.realsize" || key == b"SCHILY.filetype" && value == b"sparse" {
            return Err(Error::unsupported("sparse tar member of an unknown kind"));
        }
        let Some(key) = key.strip_prefix(b"GNU.sparse.") else {
            continue;
        };
        any = true;
        let number = || pax::decimal(value).filter(|n| i64::try_from(*n).is_ok()).ok_or_else(|| bad(at));
        match key {
            b"name" => {}
            b"major" => once(&mut major, number()?, at)?,
            b"minor" => once(&mut minor, number()?, at)?,
            b"size" | b"realsize" => once(&mut len, number()?, at)?,
            b"numblocks" => once(&mut count, number()?, at)?,
            b"offset" => once(&mut open, number()?, at)?,
            b"numbytes" => regions.push_back((open.take().ok_or_else(|| bad(at))?, number()?)),
            b"map" if !list && regions.is_empty() => {
                list = true;
                regions = pairs(value).ok_or_else(|| bad(at))?;
            }
            _ => return Err(Error::unsupported("sparse tar member of an unknown kind")),
        }
    }
    if !any {
        return Ok(None);
    }
    let len = len.ok_or_else(|| bad(at))?;
    match (major, minor) {
        (Some(1), Some(0)) if regions.is_empty() && !list && open.is_none() => Ok(Some(Sparse::InPayload(len))),
        (None, None) | (Some(0), Some(0 | 1)) if open.is_none() && (list || count.is_some() || !regions.is_empty()) => {
            if count.is_some_and(|count| count != regions.len() as u64) {
                return Err(bad(at));
            }
            Ok(Some(Sparse::Map(Map { regions, len })))
        }
        _ => Err(Error::unsupported("sparse tar member of an unknown kind")),
    }
}

/// Sets what may be said once, or twice alike.
fn once(slot: &mut Option<u64>, value: u64, at: u64) -> Result<()> {
    if slot.replace(value).is_some_and(|before| before != value) { Err(bad(at)) } else { Ok(()) }
}

/// `offset,length,offset,length…`
fn pairs(text: &[u8]) -> Option<VecDeque<(u64, u64)>> {
    let mut regions = VecDeque::new();
    if text.is_empty() {
        return Some(regions);
    }
    let mut numbers = text.split(|b| *b == b',').map(pax::decimal);
    while let Some(start) = numbers.next() {
        regions.push_back((start?, numbers.next()??));
    }
    Some(regions)
}

/// Reads the map at the start of a payload (PAX 1.0): the number of regions, then offset and length of each, a number a line,
/// filled up with NULs to a block. `size`: the whole payload. Returns the map and the bytes it took.
pub fn in_payload(stream: &mut dyn Stream, size: u64, len: u64) -> Result<(Map, u64)> {
    let at = stream.offset();
    let (mut text, mut numbers, mut head) = (Vec::new(), Vec::new(), 0);
    loop {
        if text.len() as u64 >= MAX_EXTENDED {
            return Err(Error::limit("a sparse map in a tar (1 MiB)"));
        }
        if size - (text.len() as u64) < BLOCK as u64 {
            return Err(bad(at));
        }
        take(stream, BLOCK, &mut text, "the stream ends inside a sparse map")?;
        while let Some(line) = memchr::memchr(b'\n', text.get(head..).unwrap_or_default()) {
            let number = text.get(head..head + line).and_then(pax::decimal);
            numbers.push(number.filter(|n| i64::try_from(*n).is_ok()).ok_or_else(|| bad(at))?);
            head += line + 1;
            if numbers.first().is_some_and(|count| (numbers.len() as u64 - 1) / 2 == *count && numbers.len() % 2 == 1) {
                if text.get(head..).unwrap_or_default().iter().any(|b| *b != 0) {
                    return Err(bad(at));
                }
                let regions = numbers.get(1..).unwrap_or_default().chunks_exact(2);
                let regions = regions.filter_map(|pair| Some((*pair.first()?, *pair.last()?))).collect();
                return Ok((Map { regions, len }, text.len() as u64));
            }
        }
        if text.len() - head > 32 {
            return Err(bad(at));
        }
    }
}

/// A payload read as the file that it stands for: stored bytes from the archive, NULs in holes. A payload that ends with
/// the archive before its last byte is an error, and no shorter file.
pub struct Stored<'i, 'a> {
    input: &'i mut Input<'a>,
    map: Map,
    at: u64,
    /// Holes are decoded bytes: a map of a few bytes can stand for any number of them.
    budget: Budget,
}

impl<'i, 'a> Stored<'i, 'a> {
    /// The next bytes of `input`, as `map` places them.
    pub fn new(input: &'i mut Input<'a>, map: Map, budget: Budget) -> Self {
        Self { input, map, at: 0, budget }
    }
}

impl Source for Stored<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        while self.map.regions.front().is_some_and(|(start, len)| start + len <= self.at) {
            self.map.regions.pop_front();
        }
        let (start, end) =
            self.map.regions.front().map_or((self.map.len, self.map.len), |(start, len)| (*start, start + len));
        let hole = self.at < start;
        let left = if hole { start } else { end } - self.at;
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        if want == 0 {
            return Ok(0);
        }
        let n = if hole {
            self.budget.take(want as u64)?;
            buf.get_mut(..want).unwrap_or_default().fill(0);
            want
        } else {
            let at = self.input.offset();
            let window = self.input.window(1)?;
            let n = window.len().min(want);
            if n == 0 {
                return Err(Error::damaged("tar", at, "the stream ends inside a member"));
            }
            if let (Some(to), Some(from)) = (buf.get_mut(..n), window.get(..n)) {
                to.copy_from_slice(from);
            }
            self.input.consume(n);
            n
        };
        self.at += n as u64;
        Ok(n)
    }
}
