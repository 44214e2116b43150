//! The seek table of a stream that is spliced: its entries for the frames that stay.
//!
//! It is believed only if it fits: its frames are walked from block to block, and each must be as long as it says. Where there
//! is none and one is wanted (`--zstd-seekable`), the frames that stay are walked for their lengths, and decoded if their headers
//! do not tell. Memory: its entries, at most 2^20 of 12 bytes.

use super::head::{self, Frame, Start};
use super::splice::frame_end;
use super::table::{self, Entry, Table};
use crate::error::{Error, Kind, Result};
use crate::layer::coded::units::Coded;

/// The old table, read along with the frames.
#[derive(Debug, Default)]
pub struct Old {
    /// Where it stands, and whether its entries have checksums.
    place: Option<(u64, bool)>,
    entries: std::vec::IntoIter<Entry>,
    /// Where the next entry's frame stands.
    at: u64,
    /// There is none, and there shall be one.
    wanted: bool,
}

impl Old {
    /// The table at the end of `coded`, or none if there is none; `wanted`: there shall be one then. `None`: it does not fit, or
    /// is too long.
    pub fn read(coded: &mut Coded<'_>, wanted: bool) -> Result<Option<Self>> {
        let none = || Ok(Some(Self { wanted, ..Self::default() }));
        let Some(last) = coded.end().checked_sub((head::SKIPPABLE + table::FOOTER) as u64) else {
            return none();
        };
        let footer: [u8; table::FOOTER] = coded.array(last + head::SKIPPABLE as u64)?;
        let payload = table::payload(&footer);
        let (Some(start), Some(checksums)) =
            ((last + table::FOOTER as u64).checked_sub(payload), table::closes(&footer, payload))
        else {
            return none();
        };
        if payload > table::LONGEST {
            return Ok(None);
        }
        if !table::opens(coded.exact(start, head::SKIPPABLE)?, payload) {
            return none();
        }
        let bytes = coded.exact(start + head::SKIPPABLE as u64, payload as usize)?;
        let entries = Entry::read(bytes, checksums);
        if !fits(coded, &entries, start)? {
            return Ok(None);
        }
        Ok(Some(Self { place: Some((start, checksums)), entries: entries.into_iter(), ..Self::default() }))
    }

    /// Where the table stands, and whether its entries have checksums.
    pub fn place(&self) -> Option<(u64, bool)> {
        self.place
    }

    /// Whether a table is to be written though there was none.
    pub fn wanted(&self) -> bool {
        self.wanted
    }

    /// The frames up to `to` stay. `content` tells how long a frame's content is that does not say so itself.
    pub fn keep(
        &mut self,
        coded: &mut Coded<'_>,
        to: u64,
        table: &mut Table,
        content: &mut dyn FnMut(&mut Coded<'_>, u64, &Frame) -> Result<u64>,
    ) -> Result<()> {
        while self.wanted && self.at < to {
            let Some((next, plain)) = item(coded, self.at, content)? else {
                return Err(Error::damaged(super::NAME, self.at, "no frame where one must be"));
            };
            table.note(next - self.at, plain, 0);
            self.at = next;
        }
        self.step(to, &mut |entry| table.push(entry))
    }

    /// The frames up to `to` were made anew.
    pub fn pass(&mut self, to: u64) -> Result<()> {
        if self.wanted {
            self.at = to;
        }
        self.step(to, &mut |_| {})
    }

    fn step(&mut self, to: u64, note: &mut dyn FnMut(Entry)) -> Result<()> {
        while self.place.is_some() && self.at < to {
            let Some(entry) = self.entries.next() else { break };
            self.at += u64::from(entry.coded);
            note(entry);
        }
        if self.place.is_some() && self.at != to {
            return Err(Error::new(Kind::Verify, "a seek table does not fit its frames").layer(super::NAME));
        }
        Ok(())
    }
}

/// Whether the frames before `end` are those of `entries`.
fn fits(coded: &mut Coded<'_>, entries: &[Entry], end: u64) -> Result<bool> {
    let mut at = 0;
    for entry in entries {
        if at >= end {
            return Ok(false);
        }
        // What a header does not tell of is believed.
        let mut told = |_: &mut Coded<'_>, _, _: &Frame| Ok(u64::from(entry.plain));
        let Some((next, plain)) = item(coded, at, &mut told)? else { return Ok(false) };
        if next - at != u64::from(entry.coded) || plain != u64::from(entry.plain) {
            return Ok(false);
        }
        at = next;
    }
    Ok(at == end)
}

/// Where the frame or skippable frame at `at` ends, and the length of its content; `None` if there is neither.
fn item(
    coded: &mut Coded<'_>,
    at: u64,
    content: &mut dyn FnMut(&mut Coded<'_>, u64, &Frame) -> Result<u64>,
) -> Result<Option<(u64, u64)>> {
    let window = coded.window(at, head::LONGEST)?;
    match head::start(window) {
        Start::Frame => {
            let frame = head::parse(window.get(..window.len().min(head::LONGEST)).unwrap_or_default(), at)?;
            let end = frame_end(coded, at + frame.len as u64, frame.checksum)?;
            let plain = frame.content.map_or_else(|| content(coded, at, &frame), Ok)?;
            Ok(Some((end, plain)))
        }
        Start::Skippable(_) => Ok(head::skippable_len(window).map(|len| (at + head::SKIPPABLE as u64 + len, 0))),
        _ => Ok(None),
    }
}
