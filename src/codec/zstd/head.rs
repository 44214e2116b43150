//! Frame headers (RFC 8878 §3.1.1.1) and skippable frames (§3.1.2), and what they tell the encoder.

use super::NAME;
use crate::error::{Error, Result};
use crate::layer::coded::Head;

/// Magic number of a frame (RFC 8878 §3.1.1), little endian.
pub const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
/// Length of a skippable frame's header.
pub const SKIPPABLE: usize = 8;
/// Longest frame header: magic, descriptor, window, dictionary id, content size.
pub const LONGEST: usize = 4 + 1 + 1 + 4 + 8;
/// Largest window that the libraries decode, bytes (`zstd --long=31`).
const LARGEST_WINDOW: u64 = 1 << 31;

/// Magic numbers of the formats of v0.1 and of v0.2 to v0.7.
const LEGACY: [u32; 7] = [0x1EB5_2FFD, 0xFD2F_B522, 0xFD2F_B523, 0xFD2F_B524, 0xFD2F_B525, 0xFD2F_B526, 0xFD2F_B527];
/// Low four bits are free (RFC 8878 §3.1.2).
const SKIPPABLE_MAGIC: u32 = 0x184D_2A50;

/// What an announced head is to the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A frame.
    Frame,
    /// (A piece of) a skippable frame that stays as it is.
    Skippable,
    /// pzstd's skippable frame: the compressed size of the frame behind it.
    Size,
    /// A seek table that closes the stream: its skippable header and its footer. Made anew.
    Table {
        /// Whether its entries have checksums.
        checksums: bool,
    },
    /// The last piece of a seek table that is too long to be made anew.
    LongTable,
}

/// One frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Its length in bytes, the magic number included.
    pub len: usize,
    /// `Window_Size`; for a single segment the content size (RFC 8878 §3.1.1.1.2).
    pub window: u64,
    /// `Single_Segment_Flag`.
    pub single: bool,
    /// `Frame_Content_Size`.
    pub content: Option<u64>,
    /// `Content_Checksum_Flag`.
    pub checksum: bool,
}

/// What stands at the start of `bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// A frame.
    Frame,
    /// A skippable frame; the low four bits of its magic number.
    Skippable(u8),
    /// A frame of a format before v0.8.
    Legacy,
    /// Fewer than four bytes.
    Cut,
    /// None of these.
    Unknown,
}

/// Judges the first four bytes.
pub fn start(bytes: &[u8]) -> Start {
    let Some(first) = bytes.first_chunk::<4>() else {
        return Start::Cut;
    };
    match u32::from_le_bytes(*first) {
        _ if *first == MAGIC => Start::Frame,
        magic if magic & !15 == SKIPPABLE_MAGIC => Start::Skippable((magic & 15) as u8),
        magic if LEGACY.contains(&magic) => Start::Legacy,
        _ => Start::Unknown,
    }
}

/// Whether a stream that starts with `head` is Zstandard. LZ4 has the same skippable frames: what stands behind them decides, as
/// far as `head` shows it.
pub fn sniff(mut head: &[u8]) -> bool {
    let mut skipped = false;
    loop {
        match start(head) {
            Start::Frame | Start::Legacy => return true,
            Start::Cut => return skipped && MAGIC.starts_with(head),
            Start::Unknown => return false,
            Start::Skippable(_) => {
                let Some(len) = skippable_len(head) else {
                    return true;
                };
                let Some(rest) = head.get(SKIPPABLE..).and_then(|rest| rest.get(usize::try_from(len).ok()?..)) else {
                    return true;
                };
                (head, skipped) = (rest, true);
            }
        }
    }
}

/// Length of a skippable frame's payload, bytes.
pub fn skippable_len(bytes: &[u8]) -> Option<u64> {
    let len = bytes.get(4..)?.first_chunk()?;
    Some(u64::from(u32::from_le_bytes(*len)))
}

/// Reads the header at the start of `bytes`, which stand at `at` and hold [`LONGEST`] bytes if the stream has them.
pub fn parse(bytes: &[u8], at: u64) -> Result<Frame> {
    let cut = || Error::damaged(NAME, at + bytes.len() as u64, "the frame header is cut off");
    let descriptor = *bytes.get(4).ok_or_else(cut)?;
    if descriptor & 0x08 != 0 {
        return Err(Error::damaged(NAME, at + 4, "the reserved bit of a frame header is set"));
    }
    let single = descriptor & 0x20 != 0;
    let mut len = 5;
    let mut number = |n: usize| -> Result<u64> {
        let field = bytes.get(len..len + n).ok_or_else(cut)?;
        len += n;
        Ok(field.iter().rev().fold(0, |sum, b| sum << 8 | u64::from(*b)))
    };
    let mut window = if single { 0 } else { window_size(number(1)?) };
    let dictionary = number(match descriptor & 3 {
        3 => 4,
        n => usize::from(n),
    })?;
    let content = match (descriptor >> 6, single) {
        (0, false) => None,
        (0, true) => Some(number(1)?),
        (1, _) => Some(number(2)? + 256),
        (2, _) => Some(number(4)?),
        _ => Some(number(8)?),
    };
    if dictionary != 0 {
        return Err(Error::unsupported("zstd dictionary"));
    }
    if single {
        window = content.unwrap_or_default();
    }
    if window > LARGEST_WINDOW {
        return Err(Error::limit(format!("a zstd window (2 GiB); a frame has one of {window} bytes")));
    }
    Ok(Frame { len, window, single, content, checksum: descriptor & 4 != 0 })
}

/// `Window_Size` of a `Window_Descriptor` (RFC 8878 §3.1.1.1.2).
fn window_size(descriptor: u64) -> u64 {
    let base = 1_u64 << (10 + (descriptor >> 3));
    base + base / 8 * (descriptor & 7)
}

impl Frame {
    /// Bytes that a decoder keeps for it: no more than the content, where that is known.
    pub fn memory(&self) -> u64 {
        self.window.min(self.content.unwrap_or(u64::MAX))
    }

    /// `header`, its bytes, with `content` for the content size if it has one. `None` if there is no room for so small a
    /// one: two bytes hold no less than 256 (RFC 8878 §3.1.1.1.4).
    pub fn with_content(&self, header: &[u8], content: u64) -> Option<Vec<u8>> {
        let mut header = header.to_vec();
        let (Some(_), descriptor) = (self.content, *header.get(4)?) else { return Some(header) };
        let (len, less) = match descriptor >> 6 {
            0 => (1, 0),
            1 => (2, 256),
            2 => (4, 0),
            _ => (8, 0),
        };
        let content = content.checked_sub(less)?.to_le_bytes();
        let (field, beyond) = content.split_at(len);
        let at = header.len().checked_sub(len)?;
        header.get_mut(at..)?.copy_from_slice(field);
        beyond.iter().all(|byte| *byte == 0).then_some(header)
    }

    /// As a head carries it.
    pub fn traits(&self) -> [u64; 4] {
        let flags =
            u64::from(self.checksum) << 8 | u64::from(self.single) << 9 | u64::from(self.content.is_some()) << 10;
        [flags, self.window, self.content.unwrap_or_default(), self.len as u64]
    }

    /// As a head carries it.
    pub fn of(head: &Head) -> Self {
        let [flags, window, content, len] = head.traits;
        Self {
            len: len as usize,
            window,
            single: flags & 1 << 9 != 0,
            content: (flags & 1 << 10 != 0).then_some(content),
            checksum: flags & 1 << 8 != 0,
        }
    }
}

impl Role {
    /// As a head carries it.
    pub fn traits(self) -> [u64; 4] {
        let number = match self {
            Role::Frame => 0,
            Role::Skippable => 1,
            Role::Size => 2,
            Role::Table { checksums: false } => 3,
            Role::Table { checksums: true } => 4,
            Role::LongTable => 5,
        };
        [number, 0, 0, 0]
    }

    /// As a head carries it.
    pub fn of(head: &Head) -> Self {
        match head.traits {
            [1, ..] => Role::Skippable,
            [2, ..] => Role::Size,
            [3, ..] => Role::Table { checksums: false },
            [4, ..] => Role::Table { checksums: true },
            [5, ..] => Role::LongTable,
            _ => Role::Frame,
        }
    }
}
