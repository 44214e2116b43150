//! The seek table of a stream that is spliced: its entries for the frames that stay.
//!
//! It is believed only if it fits: its frames are walked from block to block, and each must be as long as it says.
//! Memory: its entries, at most 2^20 of 12 bytes.

use super::head::{self, Start};
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
}

impl Old {
    /// The table at the end of `coded`, or none if there is none. `None`: it does not fit, or is too long.
    pub fn read(coded: &mut Coded<'_>) -> Result<Option<Self>> {
        let Some(last) = coded.len().checked_sub((head::SKIPPABLE + table::FOOTER) as u64) else {
            return Ok(Some(Self::default()));
        };
        let footer: [u8; table::FOOTER] = coded.array(last + head::SKIPPABLE as u64)?;
        let payload = table::payload(&footer);
        let (Some(start), Some(checksums)) =
            ((last + table::FOOTER as u64).checked_sub(payload), table::closes(&footer, payload))
        else {
            return Ok(Some(Self::default()));
        };
        if payload > table::LONGEST {
            return Ok(None);
        }
        if !table::opens(coded.exact(start, head::SKIPPABLE)?, payload) {
            return Ok(Some(Self::default()));
        }
        let bytes = coded.exact(start + head::SKIPPABLE as u64, payload as usize)?;
        let entries = Entry::read(bytes, checksums);
        if !fits(coded, &entries, start)? {
            return Ok(None);
        }
        Ok(Some(Self { place: Some((start, checksums)), entries: entries.into_iter(), at: 0 }))
    }

    /// Where the table stands, and whether its entries have checksums.
    pub fn place(&self) -> Option<(u64, bool)> {
        self.place
    }

    /// The frames up to `to` stay.
    pub fn keep(&mut self, to: u64, table: &mut Table) -> Result<()> {
        self.step(to, &mut |entry| table.push(entry))
    }

    /// The frames up to `to` were made anew.
    pub fn pass(&mut self, to: u64) -> Result<()> {
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
        let window = coded.window(at, head::LONGEST)?;
        let (next, plain) = match head::start(window) {
            Start::Frame => {
                let frame = head::parse(window.get(..window.len().min(head::LONGEST)).unwrap_or_default(), at)?;
                (frame_end(coded, at + frame.len as u64, frame.checksum)?, frame.content)
            }
            Start::Skippable(_) => {
                let Some(len) = head::skippable_len(window) else { return Ok(false) };
                (at + head::SKIPPABLE as u64 + len, Some(0))
            }
            _ => return Ok(false),
        };
        if next - at != u64::from(entry.coded) || plain.is_some_and(|plain| plain != u64::from(entry.plain)) {
            return Ok(false);
        }
        at = next;
    }
    Ok(at == end)
}
