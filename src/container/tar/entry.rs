//! The walk: header groups (extended headers and the header they belong to), and what the group says of its member.
//!
//! Find and lift read groups through the same code, so that they cannot disagree. A group is held whole: its extended headers are
//! bounded at 1 MiB each, and there is at most one of each kind. Payloads are not read here.

use std::ops::Range;

use super::header::{self, BLOCK, Flavor};
use super::pax;
use super::sparse::{self, Sparse};
use crate::error::{Error, Result};
use crate::input::Input;
use crate::layer::Pass;

/// Longest payload of an extended header, and longest chain of sparse headers, bytes.
pub const MAX_EXTENDED: u64 = 1 << 20;

/// What groups are read from.
pub trait Stream {
    /// Offset of the next byte.
    fn offset(&self) -> u64;
    /// At least `min` bytes from there; fewer only at the end.
    fn window(&mut self, min: usize) -> Result<&[u8]>;
    /// Moves on.
    fn consume(&mut self, n: usize) -> Result<()>;
}

impl Stream for Input<'_> {
    fn offset(&self) -> u64 {
        Input::offset(self)
    }
    fn window(&mut self, min: usize) -> Result<&[u8]> {
        Input::window(self, min)
    }
    fn consume(&mut self, n: usize) -> Result<()> {
        Input::consume(self, n);
        Ok(())
    }
}

/// A pass whose bytes go as they are read.
pub struct Dropping<'p>(pub &'p mut dyn Pass);

impl Stream for Dropping<'_> {
    fn offset(&self) -> u64 {
        self.0.offset()
    }
    fn window(&mut self, min: usize) -> Result<&[u8]> {
        self.0.window(min)
    }
    fn consume(&mut self, n: usize) -> Result<()> {
        self.0.drop(n as u64)
    }
}

/// What an extended header extends its entry with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extends {
    /// PAX records (`x`, and Solaris' `X`).
    Records,
    /// PAX records for all that follows (`g`).
    All,
    /// GNU long name (`L`).
    Name,
    /// GNU long link (`K`).
    Link,
}

/// An extended header; offsets in [`Group::raw`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extended {
    /// What it is.
    pub extends: Extends,
    /// Its header block.
    pub header: usize,
    /// Its payload, without the padding after it.
    pub body: Range<usize>,
}

/// Extended headers and their entry's header, with its sparse headers.
pub struct Group {
    /// Offset of its first byte in the archive.
    pub at: u64,
    /// All its bytes.
    pub raw: Vec<u8>,
    /// Its extended headers in order.
    pub extended: Vec<Extended>,
    /// Offset in `raw` of the entry's own header; the end of `raw` for a global header, which has no entry.
    pub main: usize,
}

impl Group {
    /// The 512 bytes at `at`.
    pub fn block(&self, at: usize) -> &[u8] {
        self.raw.get(at..at + BLOCK).unwrap_or_default()
    }

    /// The bytes of a range.
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.raw.get(range).unwrap_or_default()
    }

    /// The extended header of a kind.
    pub fn extended(&self, extends: Extends) -> Option<&Extended> {
        self.extended.iter().find(|extended| extended.extends == extends)
    }

    /// Offset in the archive of the first byte after the group.
    pub fn end(&self) -> u64 {
        self.at + self.raw.len() as u64
    }
}

/// The next thing in an archive.
pub enum Item {
    /// Its end; every byte of the stream is read.
    End,
    /// A global header: no entry.
    Global(Group),
    /// An entry; its payload comes next.
    Entry(Group),
}

fn damaged(at: u64, what: &'static str) -> Error {
    Error::damaged("tar", at, what)
}

/// Reads the next group.
pub fn next(stream: &mut dyn Stream) -> Result<Item> {
    let mut group = Group { at: stream.offset(), raw: Vec::new(), extended: Vec::new(), main: 0 };
    loop {
        let at = stream.offset();
        let window = stream.window(BLOCK)?;
        let ended = window.is_empty();
        if ended || window.get(..BLOCK).is_some_and(|block| block.iter().all(|b| *b == 0)) {
            if !group.extended.is_empty() {
                return Err(damaged(at, "an extended header without its entry"));
            }
            if ended && at > 0 {
                return Err(damaged(at, "no end-of-archive block: the archive may be cut off"));
            }
            nothing_follows(stream)?;
            return Ok(Item::End);
        }
        let header = group.raw.len();
        take(stream, BLOCK, &mut group.raw, "the stream ends inside a header")?;
        let block = group.block(header);
        if !header::checksum_holds(block) {
            return Err(damaged(at, "bad header checksum"));
        }
        if header::flavor(block) == Flavor::Other {
            return Err(Error::unsupported("tar of an unknown kind").layer("tar"));
        }
        let extends = match header::kind(block) {
            b'x' | b'X' => Extends::Records,
            b'g' => Extends::All,
            b'L' => Extends::Name,
            b'K' => Extends::Link,
            b'M' => return Err(Error::unsupported("multi-volume tar")),
            kind => {
                group.main = header;
                if kind == b'S' {
                    sparse_headers(stream, &mut group)?;
                }
                return Ok(Item::Entry(group));
            }
        };
        if group.extended(extends).is_some() || extends == Extends::All && header > 0 {
            return Err(damaged(at, "two extended headers of one kind before an entry"));
        }
        extended(stream, &mut group, extends, header)?;
        if extends == Extends::All {
            group.main = group.raw.len();
            return Ok(Item::Global(group));
        }
    }
}

/// Reads an extended header's payload and padding.
fn extended(stream: &mut dyn Stream, group: &mut Group, extends: Extends, header: usize) -> Result<()> {
    let at = group.at + header as u64;
    let size =
        header::number(header::field(group.block(header), header::SIZE)).ok_or_else(|| damaged(at, "bad size"))?;
    if size > MAX_EXTENDED {
        return Err(Error::limit("a tar's extended header (1 MiB)"));
    }
    let start = group.raw.len();
    take(stream, size as usize, &mut group.raw, "the stream ends inside an extended header")?;
    let body = start..group.raw.len();
    take(stream, header::padding(size), &mut group.raw, "the stream ends inside padding")?;
    if group.bytes(body.end..group.raw.len()).iter().any(|b| *b != 0) {
        return Err(damaged(group.at + body.end as u64, "the padding of an extended header is not zero"));
    }
    if matches!(extends, Extends::Records | Extends::All) {
        pax::check(group.bytes(body.clone()), group.at + body.start as u64)?;
    }
    group.extended.push(Extended { extends, header, body });
    Ok(())
}

/// Reads the headers that follow an old GNU sparse header (GNU tar manual, "Extensions to the Standard Format").
fn sparse_headers(stream: &mut dyn Stream, group: &mut Group) -> Result<()> {
    let mut more =
        header::flavor(group.block(group.main)) == Flavor::Gnu && sparse::continued(group.block(group.main), true);
    while more {
        let at = group.raw.len();
        if (at - group.main) as u64 > MAX_EXTENDED {
            return Err(Error::limit("a tar's sparse headers (1 MiB)"));
        }
        take(stream, BLOCK, &mut group.raw, "the stream ends inside a sparse header")?;
        more = sparse::continued(group.block(at), false);
    }
    Ok(())
}

/// Moves the next `n` bytes to `raw`.
pub fn take(stream: &mut dyn Stream, n: usize, raw: &mut Vec<u8>, short: &'static str) -> Result<()> {
    let at = stream.offset();
    let window = stream.window(n)?;
    let Some(bytes) = window.get(..n) else {
        return Err(damaged(at + window.len() as u64, short));
    };
    raw.extend_from_slice(bytes);
    stream.consume(n)
}

/// Reads the rest of the stream, which must be NULs.
fn nothing_follows(stream: &mut dyn Stream) -> Result<()> {
    loop {
        let at = stream.offset();
        let window = stream.window(1)?;
        if let Some(other) = window.iter().position(|b| *b != 0) {
            return Err(damaged(at + other as u64, "bytes after the end of the archive"));
        }
        let n = window.len();
        if n == 0 {
            return Ok(());
        }
        stream.consume(n)?;
    }
}

/// What follows a group.
pub enum Body {
    /// Nothing.
    Nothing,
    /// A file's bytes.
    File,
    /// A file's bytes less its holes.
    Sparse(Sparse),
    /// Bytes of an entry that is no file, by the reason for which they are not read.
    Opaque(&'static str),
}

/// An entry as its group describes it.
pub struct Entry {
    /// Bytes of the payload as stored.
    pub size: u64,
    /// What they are.
    pub body: Body,
}

/// What an entry's group says of its payload. Refuses what readers read differently.
pub fn describe(group: &Group, name: &[u8]) -> Result<Entry> {
    let block = group.block(group.main);
    let at = group.at + group.main as u64;
    let size = size(group)?;
    let records = group.extended(Extends::Records).map(|extended| group.bytes(extended.body.clone()));
    let declared = sparse::declared(records.unwrap_or_default(), at)?;
    let kind = header::kind(block);
    if declared.is_some() && !matches!(kind, 0 | b'0' | b'7') {
        return Err(Error::unsupported("sparse tar member of an unknown kind"));
    }
    let body = match kind {
        0 | b'0' | b'7' => {
            // Old tars mark folders so. Readers disagree whether one with a size has a payload.
            let folder = header::field(block, header::NAME);
            let folder =
                folder.get(..header::text_end(folder)).is_some_and(|name| name.ends_with(b"/")) || name.ends_with(b"/");
            match declared {
                Some(_) if folder => {
                    return Err(Error::unsupported("sparse tar member of an unknown kind"));
                }
                Some(declared) => Body::Sparse(declared),
                None if !folder => Body::File,
                None if size == 0 => Body::Nothing,
                None if kind == 0 => return Err(Error::unsupported("tar folder with a size")),
                None => Body::File,
            }
        }
        b'1'..=b'6' | b'V' if size == 0 => Body::Nothing,
        b'1' => return Err(Error::unsupported("tar hard link with a size")),
        b'2'..=b'6' | b'V' => {
            return Err(Error::unsupported("tar entry that is no file, with a size"));
        }
        b'S' if header::flavor(block) == Flavor::Gnu => {
            Body::Sparse(sparse::old(group.bytes(group.main..group.raw.len()), at)?)
        }
        b'S' => return Err(Error::unsupported("sparse tar member of an unknown kind")),
        b'D' => Body::Opaque("tar folder listing"),
        _ => Body::Opaque("unknown tar entry type"),
    };
    Ok(Entry { size, body })
}

/// Bytes of the payload: the PAX record's number, else the header's.
fn size(group: &Group) -> Result<u64> {
    let at = group.at + group.main as u64;
    let field = header::field(group.block(group.main), header::SIZE);
    let own = header::number(field).ok_or_else(|| damaged(at, "bad size"))?;
    let Some(extended) = group.extended(Extends::Records) else {
        return Ok(own);
    };
    let body = group.bytes(extended.body.clone());
    let mut size = None;
    for record in pax::records(body).filter(|record| body.get(record.key.clone()) == Some(b"size")) {
        let value = pax::decimal(body.get(record.value).unwrap_or_default());
        let value = value.filter(|size| i64::try_from(*size).is_ok());
        let value = value.ok_or_else(|| damaged(at, "bad size in an extended header"))?;
        if size.replace(value).is_some_and(|before| before != value) {
            return Err(damaged(at, "two sizes in one extended header"));
        }
    }
    match size {
        // What a writer puts into a field that is too narrow: nothing, all ones, or the low digits.
        Some(size) if ![0, size, 0o77_777_777_777, size & 0o77_777_777_777].contains(&own) => {
            Err(damaged(at, "the sizes in header and extended header differ"))
        }
        Some(size) => Ok(size),
        None => Ok(own),
    }
}

/// Refuses global records that would change how entries are read.
pub fn check_global(group: &Group) -> Result<()> {
    for extended in &group.extended {
        let body = group.bytes(extended.body.clone());
        for record in pax::records(body) {
            let key = body.get(record.key).unwrap_or_default();
            if key == b"size" || key.starts_with(b"GNU.sparse.") || key.starts_with(b"SCHILY.realsize") {
                return Err(Error::unsupported("tar with sizes in a global header"));
            }
        }
    }
    Ok(())
}
