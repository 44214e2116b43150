//! The central directory, read at random beside the walk: which member comes next in order of place.
//!
//! Nearly every archive lists its members in the order in which they stand, and its directory is read in step with them: ten million
//! entries take no memory. Others are sorted first, 16 bytes an entry, up to [`MAX_UNSORTED`].

use super::NAME;
use super::end::End;
use super::head::{self, Header, Side};
use crate::blob::Blob;
use crate::error::{Error, Kind, Result};
use crate::input::{BlobSource, Input};
use crate::layer::Cx;

/// Entries of a directory that is not in order of place; 16 bytes each, 16 MiB.
const MAX_UNSORTED: usize = 1 << 20;
/// Bytes that one read brings.
const READ: usize = 64 * 1024;
/// Bytes of the first read of one entry alone.
const ENTRY: usize = 512;
/// Shortest local header.
const LOCAL: u64 = 30;

/// Entries one after another, by the place of their members.
pub struct Walk<'b> {
    blob: &'b dyn Blob,
    end: End,
    order: Order<'b>,
}

enum Order<'b> {
    /// As they stand.
    Listed(Input<'b>),
    /// Member and entry, by their offsets in the stream.
    Sorted(std::vec::IntoIter<(u64, u64)>),
}

/// Reads the entry that comes next in `input`, whose first byte stands at `start`.
fn entry(input: &mut Input<'_>, start: u64) -> Result<Header> {
    let at = start + input.offset();
    let header = head::read(Side::Central, at, &mut |n| {
        let window = input.window(n)?;
        Ok(window.get(..n.min(window.len())).unwrap_or_default().to_vec())
    })?;
    input.consume(header.raw.len());
    Ok(header)
}

/// Where the local header of an entry that stands at `at` is, in the stream. It and the payload lie before the directory.
fn place(header: &Header, end: &End, at: u64) -> Result<u64> {
    let start = end.base.checked_add(header.offset.value);
    let least = LOCAL + header.name.len() as u64;
    let end_of = start.and_then(|start| start.checked_add(least)?.checked_add(header.packed.value));
    match (start, end_of) {
        (Some(start), Some(stop)) if stop <= end.directory.start => Ok(start),
        _ => Err(Error::damaged(NAME, at, "the directory tells of a member outside of the archive")),
    }
}

/// What stands where an entry must stand.
fn strange(error: Error, blob: &dyn Blob, at: u64) -> Error {
    let mut magic = [0; 4];
    let known = blob.read_at(at, &mut magic).is_ok_and(|n| n == magic.len());
    match &magic {
        b"PK\x05\x05" if known => Error::unsupported("zip with a signed directory"),
        b"PK\x06\x08" if known => Error::unsupported("zip with an encrypted directory"),
        _ => error,
    }
}

impl<'b> Walk<'b> {
    /// Reads the whole directory once: it must fill its place, have as many entries as it says, and no two for one place.
    pub fn new(blob: &'b dyn Blob, end: &End, cx: &Cx<'_>) -> Result<Self> {
        let directory = end.directory;
        let open = || Input::new(BlobSource::starting_at(blob, directory.start), READ);
        let (mut input, mut count, mut before, mut sorted) = (open(), 0, (0, 0), true);
        while input.offset() < directory.len() {
            if count % 1024 == 0 {
                cx.check()?;
            }
            let at = directory.start + input.offset();
            let header = entry(&mut input, directory.start).map_err(|error| match error.kind() {
                Kind::Damaged => strange(error, blob, at),
                _ => error,
            })?;
            let start = place(&header, end, at)?;
            let (last, last_end) = before;
            if count > 0 && start >= last && start < last_end {
                return Err(overlap(start));
            }
            sorted &= start >= last;
            before = (start, start + LOCAL + header.name.len() as u64 + header.packed.value);
            count += 1;
        }
        if input.offset() != directory.len() {
            return Err(Error::damaged(NAME, directory.end, "the directory ends inside an entry"));
        }
        if count != end.count {
            return Err(Error::damaged(NAME, end.record.start, "the directory has not as many entries as it says"));
        }
        let order = if sorted { Order::Listed(open()) } else { Order::Sorted(sort(open(), end, count)?.into_iter()) };
        Ok(Self { blob, end: end.clone(), order })
    }

    /// The next member: where its local header stands in the stream, and its entry.
    pub fn next(&mut self) -> Result<Option<(u64, Header)>> {
        let directory = self.end.directory;
        let (at, header) = match &mut self.order {
            Order::Listed(input) if input.offset() < directory.len() => {
                (directory.start + input.offset(), entry(input, directory.start)?)
            }
            Order::Listed(_) => return Ok(None),
            Order::Sorted(places) => {
                let Some((_, at)) = places.next() else { return Ok(None) };
                (at, entry(&mut Input::new(BlobSource::starting_at(self.blob, at), ENTRY), at)?)
            }
        };
        Ok(Some((place(&header, &self.end, at)?, header)))
    }
}

/// Members that share bytes, as in a bomb.
pub fn overlap(at: u64) -> Error {
    Error::damaged(NAME, at, "members overlap")
}

/// Member and entry of each of `count` entries, by place.
fn sort(mut input: Input<'_>, end: &End, count: u64) -> Result<Vec<(u64, u64)>> {
    if count > MAX_UNSORTED as u64 {
        return Err(Error::limit("entries of a zip that are not in order of place (1048576)").layer(NAME));
    }
    let mut places = Vec::with_capacity(count as usize);
    while input.offset() < end.directory.len() {
        let at = end.directory.start + input.offset();
        let header = entry(&mut input, end.directory.start)?;
        places.push((place(&header, end, at)?, at));
    }
    places.sort_unstable();
    Ok(places)
}
