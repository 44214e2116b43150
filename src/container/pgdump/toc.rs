//! The table of contents: the head, and the entries one after another (`ReadHead` and `ReadToc` of `pg_backup_archiver.c`).
//!
//! Numbers are a byte for the sign and then, the lowest byte first, as many bytes as the head says; texts a number of bytes, -1 for none.
//! What is read is bounded: a text by [`TEXT`].

use super::CUSTOM;
use crate::error::{Error, Result};
use crate::input::Input;
use crate::layer::Pass;

/// Longest text, bytes: far above any function's body.
pub const TEXT: u64 = 8 << 20;

/// What an archive is read from.
pub trait Bytes {
    /// Offset of the next byte in the archive.
    fn offset(&self) -> u64;
    /// At least `min` bytes from there; fewer only at the end.
    fn window(&mut self, min: usize) -> Result<&[u8]>;
    /// Moves on by `n` bytes of the window.
    fn step(&mut self, n: usize) -> Result<()>;
}

impl Bytes for Input<'_> {
    fn offset(&self) -> u64 {
        Input::offset(self)
    }
    fn window(&mut self, min: usize) -> Result<&[u8]> {
        Input::window(self, min)
    }
    fn step(&mut self, n: usize) -> Result<()> {
        self.consume(n);
        Ok(())
    }
}

/// A pass whose bytes stay as they are read.
pub struct Keeping<'p>(pub &'p mut dyn Pass);

impl Bytes for Keeping<'_> {
    fn offset(&self) -> u64 {
        self.0.offset()
    }
    fn window(&mut self, min: usize) -> Result<&[u8]> {
        self.0.window(min)
    }
    fn step(&mut self, n: usize) -> Result<()> {
        self.0.keep(n as u64)
    }
}

/// How the archive lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One file.
    Custom,
    /// A tar, or a folder: those say the same.
    Files,
}

/// How blocks are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    None,
    /// zlib's format (RFC 1950), at this level if it is told.
    Gzip(Option<u32>),
    /// LZ4 frames.
    Lz4,
    /// zstd frames.
    Zstd,
}

/// What stands before the entries.
#[derive(Debug, Clone)]
pub struct Head {
    /// The second number of the version; the first is 1.
    pub minor: u8,
    /// Bytes of a number, without its sign.
    ints: usize,
    /// Bytes of an offset, without its flag.
    offsets: usize,
    /// How the archive lies.
    pub form: Form,
    /// How its blocks are compressed.
    pub packing: Packing,
    /// The database's name, and the versions of server and program.
    pub names: Vec<Vec<u8>>,
    /// Number of entries.
    pub entries: u64,
}

/// One entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its number, to which blocks refer.
    pub id: i64,
    /// Whether it has data.
    pub data: bool,
    /// What it is called: for a table's rows, the table.
    pub tag: Vec<u8>,
    /// Its kind: `TABLE DATA`.
    pub kind: Vec<u8>,
    /// Its DDL.
    pub definition: Vec<u8>,
    /// The DDL that drops it.
    pub drop: Vec<u8>,
    /// `COPY … FROM stdin;`; empty: its rows are statements themselves.
    pub copy: Vec<u8>,
    /// Its schema.
    pub schema: Vec<u8>,
    /// Other names: tablespace, access method, owner.
    pub names: Vec<Vec<u8>>,
}

/// Where an entry's block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It was not known when the entry was written: the archive went into a pipe.
    Unset,
    /// At this offset of the archive.
    At(u64),
    /// There is none.
    None,
}

/// The bytes end inside of something.
pub fn cut(at: u64) -> Error {
    Error::damaged(CUSTOM, at, "the archive is cut off")
}

/// The next `N` bytes, read.
fn take<const N: usize>(bytes: &mut dyn Bytes) -> Result<[u8; N]> {
    let at = bytes.offset();
    let out = *bytes.window(N)?.first_chunk().ok_or_else(|| cut(at))?;
    bytes.step(N)?;
    Ok(out)
}

/// Why an archive that starts so is not read; `None`: it is, or these are too few bytes.
pub fn unsupported(start: &[u8]) -> Option<&'static str> {
    let &[_, _, _, _, _, major, minor, _, ints, offsets, form, ..] = start else { return None };
    if major != 1 || !(12..=16).contains(&minor) {
        return Some("pg_dump archive version");
    }
    if !(4..=8).contains(&ints) || !(4..=8).contains(&offsets) {
        return Some("pg_dump numbers of another size");
    }
    // In a folder the table of contents says that it is a tar's.
    if matches!(form, 1 | 3 | 5) { None } else { Some("pg_dump archive format") }
}

impl Head {
    /// Reads what stands before the entries.
    pub fn read(bytes: &mut dyn Bytes) -> Result<Self> {
        const FIRST: usize = 5;
        let at = bytes.offset();
        let magic: [u8; FIRST] = take(bytes)?;
        let [major, minor, _, ints, offsets, form] = take(bytes)?;
        if &magic != b"PGDMP" {
            return Err(Error::damaged(CUSTOM, at, "no magic number"));
        }
        if let Some(reason) = unsupported(&[magic.as_slice(), &[major, minor, 0, ints, offsets, form]].concat()) {
            return Err(Error::unsupported(reason).layer(CUSTOM));
        }
        let form = if form == 1 { Form::Custom } else { Form::Files };
        let (ints, offsets) = (usize::from(ints), usize::from(offsets));
        let mut head = Self { minor, ints, offsets, form, packing: Packing::None, names: Vec::new(), entries: 0 };
        head.packing = if minor >= 15 {
            match take::<1>(bytes)? {
                [0] => Packing::None,
                [1] => Packing::Gzip(None),
                [2] => Packing::Lz4,
                [3] => Packing::Zstd,
                _ => return Err(Error::unsupported("pg_dump compression").layer(CUSTOM)),
            }
        } else {
            match head.int(bytes)? {
                0 => Packing::None,
                level => Packing::Gzip(u32::try_from(level).ok().filter(|level| *level < 10)),
            }
        };
        for _ in 0..7 {
            // The time of its making.
            head.int(bytes)?;
        }
        for _ in 0..3 {
            let name = head.text(bytes)?;
            head.names.push(name.unwrap_or_default());
        }
        let at = bytes.offset();
        let entries = head.int(bytes)?;
        head.entries = u64::try_from(entries).map_err(|_| Error::damaged(CUSTOM, at, "a number below 0"))?;
        Ok(head)
    }

    /// A number.
    pub fn int(&self, bytes: &mut dyn Bytes) -> Result<i64> {
        let at = bytes.offset();
        let raw = bytes.window(1 + self.ints)?.get(..=self.ints).ok_or_else(|| cut(at))?;
        let (sign, digits) = raw.split_first().ok_or_else(|| cut(at))?;
        let size = digits.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        // They are 32 bits wide to whoever reads them.
        let value =
            i64::from(u32::try_from(size).map_err(|_| Error::damaged(CUSTOM, at, "a number that is too large"))?);
        let value = if *sign == 0 { value } else { -value };
        bytes.step(1 + self.ints)?;
        Ok(value)
    }

    /// Adds a number as the archive writes it; `value` is below 2^32.
    pub fn put(&self, value: u32, out: &mut Vec<u8>) {
        out.push(0);
        out.extend(u64::from(value).to_le_bytes().iter().take(self.ints));
    }

    /// A text; `None`: there is none.
    fn text(&self, bytes: &mut dyn Bytes) -> Result<Option<Vec<u8>>> {
        let Ok(len) = u64::try_from(self.int(bytes)?) else { return Ok(None) };
        if len > TEXT {
            return Err(Error::limit(format!("a text of a pg_dump archive's entry ({TEXT} bytes)")).layer(CUSTOM));
        }
        let (at, len) = (bytes.offset(), usize::try_from(len).unwrap_or(usize::MAX));
        let text = bytes.window(len)?.get(..len).ok_or_else(|| cut(at))?.to_vec();
        bytes.step(len)?;
        Ok(Some(text))
    }

    /// The next entry, up to what is of the archive's form: an offset, or a file's name.
    pub fn entry(&self, bytes: &mut dyn Bytes) -> Result<Entry> {
        let mut entry = Entry { id: self.int(bytes)?, ..Entry::default() };
        entry.data = self.int(bytes)? != 0;
        let text = |bytes: &mut dyn Bytes| Ok::<_, Error>(self.text(bytes)?.unwrap_or_default());
        // Object identifiers of its catalogue and itself.
        text(bytes)?;
        text(bytes)?;
        entry.tag = text(bytes)?;
        entry.kind = text(bytes)?;
        // Its section.
        self.int(bytes)?;
        entry.definition = text(bytes)?;
        entry.drop = text(bytes)?;
        entry.copy = text(bytes)?;
        entry.schema = text(bytes)?;
        entry.names.push(text(bytes)?);
        if self.minor >= 14 {
            entry.names.push(text(bytes)?);
        }
        if self.minor >= 16 {
            // What kind of relation it is.
            self.int(bytes)?;
        }
        entry.names.push(text(bytes)?);
        // Whether it has OIDs, as once was.
        text(bytes)?;
        while self.text(bytes)?.is_some() {
            // The entries on which it depends.
        }
        Ok(entry)
    }

    /// Bytes of a place.
    pub fn place_len(&self) -> usize {
        1 + self.offsets
    }

    /// The place that comes next, not read yet.
    pub fn place(&self, bytes: &mut dyn Bytes) -> Result<Place> {
        let at = bytes.offset();
        let raw = bytes.window(self.place_len())?.get(..self.place_len()).ok_or_else(|| cut(at))?;
        let (flag, digits) = raw.split_first().ok_or_else(|| cut(at))?;
        let offset = digits.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        match flag {
            1 => Ok(Place::Unset),
            2 => Ok(Place::At(offset)),
            3 => Ok(Place::None),
            _ => Err(Error::damaged(CUSTOM, at, "the flag of an offset is none")),
        }
    }

    /// A place as the archive writes it; `None` if the offset is too large for its bytes.
    pub fn placed(&self, offset: u64) -> Option<Vec<u8>> {
        let digits = offset.to_le_bytes();
        let (low, high) = digits.split_at_checked(self.offsets)?;
        high.iter().all(|byte| *byte == 0).then(|| [&[2], low].concat())
    }

    /// The file's name that comes next, in an archive of several files.
    pub fn file(&self, bytes: &mut dyn Bytes) -> Result<Vec<u8>> {
        Ok(self.text(bytes)?.unwrap_or_default())
    }
}
