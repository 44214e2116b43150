//! Data descriptors: checksum and sizes behind a payload (APPNOTE 6.3.10 §4.3.9). There are four ways to write one, and nothing tells
//! which it is but its values, which the directory has.

/// Magic number that may stand before it.
const MAGIC: [u8; 4] = *b"PK\x07\x08";

/// How a descriptor is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// With its magic number.
    magic: bool,
    /// Sizes of 64 bits.
    wide: bool,
}

/// Every way, the longest first.
const STYLES: [Style; 4] = [
    Style { magic: true, wide: true },
    Style { magic: false, wide: true },
    Style { magic: true, wide: false },
    Style { magic: false, wide: false },
];

/// Longest descriptor, bytes.
pub const LONGEST: usize = 24;

impl Style {
    /// The way in which these values stand at the start of `bytes`.
    pub fn of(bytes: &[u8], crc: u32, packed: u64, plain: u64) -> Option<Self> {
        STYLES.into_iter().find(|style| style.write(crc, packed, plain).is_some_and(|made| bytes.starts_with(&made)))
    }

    /// Length in bytes.
    pub fn len(self) -> usize {
        4 * usize::from(self.magic) + 4 + if self.wide { 16 } else { 8 }
    }

    /// A descriptor; `None` if a size does not fit.
    pub fn write(self, crc: u32, packed: u64, plain: u64) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(LONGEST);
        if self.magic {
            out.extend_from_slice(&MAGIC);
        }
        out.extend_from_slice(&crc.to_le_bytes());
        for size in [packed, plain] {
            if self.wide {
                out.extend_from_slice(&size.to_le_bytes());
            } else {
                out.extend_from_slice(&u32::try_from(size).ok()?.to_le_bytes());
            }
        }
        Some(out)
    }

    /// As a number for [`crate::layer::PartFound::note`]; `None` is 0.
    pub fn to_note(style: Option<Self>) -> u64 {
        let at = style.and_then(|style| STYLES.iter().position(|is| *is == style));
        at.map_or(0, |at| at as u64 + 1)
    }

    /// From such a number.
    pub fn from_note(note: u64) -> Option<Self> {
        STYLES.get(usize::try_from(note).ok()?.checked_sub(1)?).copied()
    }
}
