//! The head of a compiled registry: what stands beside the columns.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{HEAD_MAX, damaged, sha256};
use crate::error::{Error, Result};
use crate::matcher::Type;
use crate::matcher::literal::ready::{self, Notes};
use crate::matcher::needles::{self, Traits};

/// The first bytes: a name, a version, and what a transfer as text would break.
pub(super) const MAGIC: [u8; 8] = *b"UNWR\x01\r\n\x1a";
/// Bytes before the head.
pub(super) const PRELUDE: usize = 8 + 8 + 8 + 32;
/// Sections begin at multiples of this.
pub(super) const ALIGN: usize = 64;
/// The needles' columns, the changes, the engine's.
pub(super) const SECTIONS: usize = needles::COLUMNS + 1 + ready::COLUMNS;
/// A change: its time (12 bytes; the first has none), and from then on how many are in force, held, pending, cancelled (u32 each).
pub(super) const CHANGE: usize = 12 + 4 * 4;

/// What stands beside the columns.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    /// The version that wrote it; only the same one reads it.
    pub tool: String,
    pub source: Source,
    /// Of the registry, 64 hex digits.
    pub sha256: String,
    pub seq: u64,
    pub newest_at: Option<Time>,
    /// `--allow-short`.
    pub allow_short: bool,
    /// `--type`.
    pub txt_type: Option<String>,
    pub traits: Traits,
    pub notes: Notes,
    pub sections: Vec<Section>,
}

/// The registry that was compiled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its path: relative to the compiled one's folder if it lies in or below that, else absolute.
    pub path: Vec<u8>,
    /// Its length.
    pub bytes: u64,
    /// Seconds since the epoch.
    pub mtime: i64,
    /// Nanoseconds after them.
    pub mtime_nanos: i64,
    /// Its inode.
    pub inode: u64,
}

/// A time.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Time {
    pub seconds: i64,
    pub nanos: i32,
}

impl Time {
    pub(super) fn of(time: Timestamp) -> Self {
        Self { seconds: time.as_second(), nanos: time.subsec_nanosecond() }
    }

    pub(super) fn time(self) -> Result<Timestamp> {
        Timestamp::new(self.seconds, self.nanos).map_err(|_| damaged())
    }
}

/// Where a column stands, from the end of the head's padding on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    pub at: u64,
    pub bytes: u64,
    /// Of its bytes, 16 hex digits.
    pub xxh3: String,
}

impl Head {
    pub(super) fn txt_type(&self) -> Result<Option<Type>> {
        self.txt_type.as_deref().map(|name| Type::from_name(name).ok_or_else(damaged)).transpose()
    }
}

/// XXH3 of a section, 16 hex digits: tells damage, at the speed of memory. Against somebody who may write the file nothing would.
pub(super) fn digest(bytes: &[u8]) -> String {
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(bytes))
}

/// Makes the digests of a file fit what stands in it: for tests of what no digest can tell.
#[cfg(any(test, feature = "fuzz"))]
pub fn seal(file: &mut [u8]) {
    let Ok((mut head, base)) = read(file) else { return };
    for section in &mut head.sections {
        let start = base + section.at as usize;
        section.xxh3 = file.get(start..start + section.bytes as usize).map(digest).unwrap_or_default();
    }
    let room = base - PRELUDE;
    let mut json = serde_json::to_vec(&head).unwrap_or_default();
    if json.len() > room {
        return;
    }
    json.resize(room, b' ');
    let digest = <sha2::Sha256 as sha2::Digest>::digest(&json);
    let parts = [(16, &(room as u64).to_le_bytes()[..]), (24, &digest[..]), (PRELUDE, &json[..])];
    for (at, bytes) in parts {
        if let Some(into) = file.get_mut(at..at + bytes.len()) {
            into.copy_from_slice(bytes);
        }
    }
}

/// The head of a file, and where its sections begin. Usage errors: no such file, another version, cut short, damaged.
pub(super) fn read(file: &[u8]) -> Result<(Head, usize)> {
    let (magic, rest) = file.split_first_chunk::<8>().ok_or_else(damaged)?;
    if *magic != MAGIC {
        return Err(Error::usage("not a compiled registry of this version; compile it again"));
    }
    let (length, rest) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
    let (head_length, rest) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
    let (digest, rest) = rest.split_first_chunk::<32>().ok_or_else(damaged)?;
    if u64::from_le_bytes(*length) != file.len() as u64 {
        return Err(Error::usage("the compiled registry is not all there; compile it again"));
    }
    let head_length = usize::try_from(u64::from_le_bytes(*head_length)).map_err(|_| damaged())?;
    let head = rest.get(..head_length).filter(|head| head.len() <= HEAD_MAX).ok_or_else(damaged)?;
    if sha256(head) != super::super::chain::hex(digest) {
        return Err(damaged());
    }
    let head: Head = serde_json::from_slice(head).map_err(|_| damaged())?;
    if head.tool != env!("CARGO_PKG_VERSION") {
        return Err(Error::usage("the registry was compiled by another version; compile it again"));
    }
    if head.sections.len() != SECTIONS {
        return Err(damaged());
    }
    Ok((head, (PRELUDE + head_length).next_multiple_of(ALIGN)))
}
