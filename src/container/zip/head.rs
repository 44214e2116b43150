//! One header: a member's local one, or its entry of the central directory (APPNOTE 6.3.10 §4.3.7, §4.3.12, §4.5.3).
//!
//! Sizes and offsets stand in 32 bits, in a zip64 field, or in both. [`Number`] knows where, so that find reads and lift writes
//! them in the same places. What two readers could read differently (two zip64 fields, one that is too long for what it must hold and says
//! something else) is damage. Nothing here knows what comes before or after the header.

use std::ops::Range;

use super::NAME;
use crate::error::{Error, Result};

/// Flag: encrypted (§4.4.4).
pub const ENCRYPTED: u16 = 1;
/// Flag: checksum and sizes follow the payload.
pub const DESCRIPTOR: u16 = 1 << 3;
/// Flag: patched data.
pub const PATCHED: u16 = 1 << 5;
/// Flag: strong encryption.
pub const STRONG: u16 = 1 << 6;
/// Flag: the local header is masked.
pub const MASKED: u16 = 1 << 13;
/// Flags that say how hard a compressor tried.
pub const EFFORT: u16 = 3 << 1;

/// Extra field: zip64 (§4.5.3).
const ZIP64: u16 = 1;
/// Extra field: the name in UTF-8 (§4.6.9).
pub const UNICODE_PATH: u16 = 0x7075;
/// Extra field: the comment in UTF-8 (§4.6.8).
pub const UNICODE_COMMENT: u16 = 0x6375;

/// What stands in 32 bits for a number in the zip64 field.
const ESCAPE: u32 = u32::MAX;

/// Which of the two headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Before the payload.
    Local,
    /// In the central directory.
    Central,
}

/// Offsets of a header's fields.
struct Layout {
    magic: [u8; 4],
    fixed: usize,
    flags: usize,
    crc: usize,
    name_len: usize,
    comment_len: Option<usize>,
    offset: Option<usize>,
}

/// §4.3.7.
const LOCAL: Layout =
    Layout { magic: *b"PK\x03\x04", fixed: 30, flags: 6, crc: 14, name_len: 26, comment_len: None, offset: None };
/// §4.3.12.
const CENTRAL: Layout = Layout {
    magic: *b"PK\x01\x02",
    fixed: 46,
    flags: 8,
    crc: 16,
    name_len: 28,
    comment_len: Some(32),
    offset: Some(42),
};

/// Offsets in a central header: version made by, disk, external attributes.
const MADE_BY: usize = 4;
const DISK: usize = 34;
const ATTRIBUTES: usize = 38;

impl Side {
    fn layout(self) -> &'static Layout {
        match self {
            Side::Local => &LOCAL,
            Side::Central => &CENTRAL,
        }
    }
}

/// A size or an offset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Number {
    /// What it is.
    pub value: u64,
    /// Where its 32 bits stand in the header.
    narrow: usize,
    /// Where its 64 bits stand, if they do.
    wide: Option<usize>,
    /// The 32 bits say that the 64 count.
    escaped: bool,
}

/// A header.
#[derive(Debug)]
pub struct Header {
    /// Its bytes.
    pub raw: Vec<u8>,
    /// The name in them.
    pub name: Range<usize>,
    /// The extra fields: kind, and data in `raw`.
    pub extras: Vec<(u16, Range<usize>)>,
    /// All extra fields.
    pub extra: Range<usize>,
    /// The comment; empty in a local header.
    pub comment: Range<usize>,
    /// Length of the payload as it stands there, bytes.
    pub packed: Number,
    /// Length of the payload decoded, bytes.
    pub plain: Number,
    /// Where the local header stands, counted from the archive's base; 0 in a local header.
    pub offset: Number,
    side: Side,
}

/// The two bytes at `at`, little endian; 0 past the end.
pub fn u16_at(raw: &[u8], at: usize) -> u16 {
    raw.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u16::from_le_bytes(*bytes))
}

/// The four bytes at `at`.
pub fn u32_at(raw: &[u8], at: usize) -> u32 {
    raw.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// The eight bytes at `at`.
pub fn u64_at(raw: &[u8], at: usize) -> u64 {
    raw.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Writes `bytes` at `at`.
pub fn put(raw: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = raw.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// Writes a number of 32 bits beside which there may be one of 64 at `wide`, where `escaped` says that only that counts. Where it
/// does not fit, the archive would have to grow a zip64 field: a limit.
pub fn put_number(raw: &mut [u8], (narrow, escaped): (usize, bool), wide: Option<usize>, value: u64) -> Result<()> {
    if !escaped {
        let small = u32::try_from(value).ok().filter(|small| *small != ESCAPE);
        let small = small.ok_or_else(|| Error::limit("a size or offset of a zip without zip64 (4 GiB)").layer(NAME))?;
        put(raw, narrow, &small.to_le_bytes());
    }
    if let Some(wide) = wide {
        put(raw, wide, &value.to_le_bytes());
    }
    Ok(())
}

/// Reads the header that stands at `at`; `peek(n)` gives the `n` bytes from there, fewer only at the end.
pub fn read(side: Side, at: u64, peek: &mut dyn FnMut(usize) -> Result<Vec<u8>>) -> Result<Header> {
    let layout = side.layout();
    let fixed = peek(layout.fixed)?;
    if !fixed.starts_with(&layout.magic) {
        return Err(match side {
            Side::Local => Error::damaged(NAME, at, "no member where the directory says there is one"),
            Side::Central => Error::damaged(NAME, at, "no directory entry where one must be"),
        });
    }
    let lens = [Some(layout.name_len), Some(layout.name_len + 2), layout.comment_len];
    let [name, extra, comment] = lens.map(|at| at.map_or(0, |at| usize::from(u16_at(&fixed, at))));
    let total = layout.fixed + name + extra + comment;
    let raw = peek(total)?;
    if fixed.len() < layout.fixed || raw.len() < total {
        return Err(Error::damaged(NAME, at + raw.len() as u64, "a header is cut off"));
    }
    let name = layout.fixed..layout.fixed + name;
    let extra = name.end..name.end + extra;
    let none = Number::default();
    let mut header = Header {
        extras: extras(&raw, &extra).ok_or_else(|| Error::damaged(NAME, at, "malformed extra fields"))?,
        comment: extra.end..total,
        name,
        extra,
        packed: none,
        plain: none,
        offset: none,
        side,
        raw,
    };
    header.numbers(at)?;
    Ok(header)
}

/// Kind and data of each extra field (§4.5.1). NULs too few for a field are padding, as zipalign leaves it.
fn extras(raw: &[u8], extra: &Range<usize>) -> Option<Vec<(u16, Range<usize>)>> {
    let (mut fields, mut at) = (Vec::new(), extra.start);
    while at < extra.end {
        if extra.end - at < 4 {
            return raw.get(at..extra.end)?.iter().all(|b| *b == 0).then_some(fields);
        }
        let end = at + 4 + usize::from(u16_at(raw, at + 2));
        if end > extra.end {
            return None;
        }
        fields.push((u16_at(raw, at), at + 4..end));
        at = end;
    }
    Some(fields)
}

impl Header {
    /// General purpose flags (§4.4.4).
    pub fn flags(&self) -> u16 {
        u16_at(&self.raw, self.side.layout().flags)
    }

    /// Compression method (§4.4.5).
    pub fn method(&self) -> u16 {
        u16_at(&self.raw, self.side.layout().flags + 2)
    }

    /// CRC-32 of the decoded payload.
    pub fn crc(&self) -> u32 {
        u32_at(&self.raw, self.side.layout().crc)
    }

    /// The bytes of a range.
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.raw.get(range).unwrap_or_default()
    }

    /// The data of the extra field of a kind; `None` too if there are several.
    pub fn extra(&self, kind: u16) -> Option<Range<usize>> {
        let mut fields = self.extras.iter().filter(|(is, _)| *is == kind);
        let (_, data) = fields.next()?;
        fields.next().is_none().then(|| data.clone())
    }

    /// Of a central header: whether the member is a symbolic link (§4.4.2, §4.4.15; Unix and macOS modes).
    pub fn is_link(&self) -> bool {
        let host = u16_at(&self.raw, MADE_BY) >> 8;
        matches!(host, 3 | 19) && (u32_at(&self.raw, ATTRIBUTES) >> 16) & 0o170_000 == 0o120_000
    }

    /// Finds sizes and offset (§4.5.3).
    fn numbers(&mut self, at: u64) -> Result<()> {
        let damaged = |what| Error::damaged(NAME, at, what);
        let layout = self.side.layout();
        let places = [Some(layout.crc + 8), Some(layout.crc + 4), layout.offset];
        let mut numbers = places.map(|place| {
            let narrow = place.unwrap_or(0);
            let value = place.map_or(0, |_| u32_at(&self.raw, narrow));
            Number { value: u64::from(value), narrow, wide: None, escaped: place.is_some() && value == ESCAPE }
        });
        let disk = if self.side == Side::Central { u16_at(&self.raw, DISK) } else { 0 };
        let mut other_disk = disk != 0;
        if self.extras.iter().filter(|(kind, _)| *kind == ZIP64).count() > 1 {
            return Err(damaged("two zip64 fields in one header"));
        }
        let field = self.extra(ZIP64).unwrap_or(0..0);
        let escaped = numbers.iter().filter(|number| number.escaped).count();
        let known = places.iter().flatten().count();
        let of_disk = usize::from(disk == u16::MAX) * 4;
        let mut place = field.start;
        if field.len() == escaped * 8 + of_disk {
            // As it must be: only what does not fit, one behind the other.
            for number in numbers.iter_mut().filter(|number| number.escaped) {
                number.wide = Some(place);
                place += 8;
            }
        } else {
            // As some write it: all in order. What does not fit must then be what comes first, else readers differ.
            let all = (field.len() / 8).min(known);
            let rest = field.len() - all * 8;
            let sound = rest == 0 || rest == 4 && all == 3;
            let first = numbers.iter().take_while(|number| number.escaped).count();
            if !sound || first != escaped || escaped > all || (of_disk > 0 && rest == 0) {
                return Err(damaged("a malformed zip64 field"));
            }
            for number in numbers.iter_mut().take(all) {
                number.wide = Some(place);
                place += 8;
            }
        }
        if of_disk > 0 && place + 4 <= field.end {
            other_disk = u32_at(&self.raw, place) != 0;
        }
        if other_disk {
            return Err(Error::unsupported("multi-disk zip"));
        }
        for number in &mut numbers {
            let wide = number.wide.map(|place| u64_at(&self.raw, place));
            match wide {
                Some(wide) if number.escaped => number.value = wide,
                Some(wide) if wide != number.value => {
                    return Err(damaged("the numbers of a header and of its zip64 field differ"));
                }
                _ => {}
            }
        }
        [self.plain, self.packed, self.offset] = numbers;
        Ok(())
    }

    /// Writes one of the header's own numbers where it stands.
    pub fn set(&mut self, number: Number, value: u64) -> Result<()> {
        put_number(&mut self.raw, (number.narrow, number.escaped), number.wide, value)
    }

    /// Writes the checksum.
    pub fn set_crc(&mut self, crc: u32) {
        put(&mut self.raw, self.side.layout().crc, &crc.to_le_bytes());
    }

    /// `raw`, bytes of this header as they will be, without what follows the payloads: checksum, sizes and offset.
    pub fn constant(&self, mut raw: Vec<u8>) -> Vec<u8> {
        put(&mut raw, self.side.layout().crc, &[0; 4]);
        for number in [self.packed, self.plain, self.offset] {
            if number.narrow > 0 && !number.escaped {
                put(&mut raw, number.narrow, &[0; 4]);
            }
            if let Some(wide) = number.wide {
                put(&mut raw, wide, &[0; 8]);
            }
        }
        raw
    }
}
