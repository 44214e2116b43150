//! The new stream: what of a member changed, and the region that is being encoded.

use crc32fast::Hasher;
use flate2::{Compress, Compression, FlushCompress};

use super::super::squeeze;
use super::scan::Unit;
use super::{CHUNK, Recut, join, region};
use crate::error::{Error, Kind, Result};
use crate::layer::pass::Pass;
use crate::limits::DEFLATE_WINDOW;

/// What is being encoded.
#[derive(Default)]
enum Region {
    /// Nothing: what comes is copied.
    #[default]
    None,
    /// Blocks of a member.
    Blocks,
    /// A member.
    Whole(Box<dyn Recut>),
}

/// A member that changed.
struct Changed {
    /// Of its new text.
    crc: Hasher,
    /// New bytes less old ones, modulo 2^64.
    grown: u64,
    /// Length of the common end of the old text and the new, at most 32 KiB.
    common: usize,
    /// The end of the new text, at least 32 KiB of it or all; not kept up where nothing is encoded and `common` is 32 KiB.
    tail: Vec<u8>,
}

/// Writes the new stream.
#[derive(Default)]
pub struct Writer {
    changed: Option<Changed>,
    region: Region,
    /// The compressor of the last level used.
    deflate: Option<(u32, Compress)>,
    out: Vec<u8>,
}

impl Writer {
    /// Whether something is being encoded.
    pub fn in_region(&self) -> bool {
        !matches!(self.region, Region::None)
    }

    /// Whether the open member's trailer, or the region, is still to be written.
    pub fn changed(&self) -> bool {
        self.changed.is_some() || self.in_region()
    }

    /// Whether the new text's end is not the old one's, or something is being encoded: what comes must be decoded.
    pub fn bound(&self) -> bool {
        self.in_region() || self.lacks() > 0
    }

    /// How much of the text before a unit must be encoded again before it may refer to it, bytes.
    pub fn lacks(&self) -> usize {
        self.changed.as_ref().map_or(0, |changed| DEFLATE_WINDOW.saturating_sub(changed.common))
    }

    /// Whether the copy rule allows that a unit that stays is copied, and it is worth it: an empty one is none in a region.
    pub fn may_copy(&self, unit: &Unit) -> bool {
        let near = unit.stored || unit.len == 0;
        let rule = near || self.lacks() == 0;
        rule && !(self.in_region() && unit.len == 0)
    }

    /// The member of `unit` changes.
    pub fn change(&mut self, unit: &Unit) {
        self.changed.get_or_insert_with(|| Changed {
            crc: Hasher::new_with_initial_len(unit.crc, 0),
            grown: 0,
            common: DEFLATE_WINDOW,
            tail: Vec::new(),
        });
    }

    /// Begins a region behind bit `phase` of `byte` and the code `code`; `old` is the old text before it, as much as a reference may reach.
    pub fn begin(&mut self, (phase, byte): (u32, u8), code: (u64, u32), old: &[u8], level: u32) -> Result<()> {
        let Some(changed) = &mut self.changed else { return Err(failed()) };
        if changed.common >= DEFLATE_WINDOW {
            changed.tail.clear();
            changed.tail.extend_from_slice(old);
        }
        region::begin(phase, byte, code, &mut self.out);
        let deflate = match &mut self.deflate {
            Some((is, deflate)) if *is == level => {
                deflate.reset();
                deflate
            }
            slot => &mut slot.insert((level, Compress::new(Compression::new(level), false))).1,
        };
        let window = changed.tail.len().saturating_sub(DEFLATE_WINDOW);
        let window = changed.tail.get(window..).unwrap_or_default();
        if !window.is_empty() {
            deflate.set_dictionary(window).map_err(|_| failed())?;
        }
        self.region = Region::Blocks;
        Ok(())
    }

    /// Begins a member that is made again.
    pub fn recut(&mut self, recut: Box<dyn Recut>) {
        self.region = Region::Whole(recut);
    }

    /// Encodes new text.
    pub fn feed(&mut self, text: &[u8]) -> Result<()> {
        match (&mut self.region, &mut self.changed, &mut self.deflate) {
            (Region::Whole(recut), ..) => recut.write(text, &mut self.out),
            (Region::Blocks, Some(changed), Some((_, deflate))) => {
                changed.crc.update(text);
                changed.grown = changed.grown.wrapping_add(text.len() as u64);
                changed.append(text);
                squeeze(deflate, text, &mut self.out, FlushCompress::None)
            }
            _ => Err(failed()),
        }
    }

    /// Sends what was encoded.
    pub fn send(&mut self, outer: &mut dyn Pass) -> Result<()> {
        if !self.out.is_empty() {
            outer.write(&self.out)?;
            self.out.clear();
            self.out.shrink_to(4 * CHUNK);
        }
        Ok(())
    }

    /// Ends the region before what is copied.
    pub fn end(&mut self, behind: &region::Behind<'_>) -> Result<()> {
        match (std::mem::take(&mut self.region), &mut self.deflate) {
            (Region::Blocks, Some((_, deflate))) => region::end(deflate, behind, &mut self.out),
            _ => Err(failed()),
        }
    }

    /// Ends the region with its member.
    pub fn finish(&mut self) -> Result<()> {
        match (std::mem::take(&mut self.region), &mut self.deflate) {
            (Region::Blocks, Some((_, deflate))) => region::finish(deflate, &mut self.out),
            (Region::Whole(mut recut), _) => recut.end(&mut self.out),
            _ => Err(failed()),
        }
    }

    /// A unit is behind: it was encoded again (`dirty`), or copied. `history` is the old text before its end, and whether that is all of
    /// it.
    pub fn past(&mut self, unit: &Unit, dirty: bool, plain: &[u8], history: (&[u8], bool)) {
        let in_region = self.in_region();
        let Some(changed) = &mut self.changed else { return };
        if dirty {
            changed.grown = changed.grown.wrapping_sub(unit.len as u64);
        } else {
            changed.crc.update(plain);
            if changed.common >= DEFLATE_WINDOW {
                changed.tail.clear();
                return;
            }
            changed.append(plain);
        }
        let (old, all) = history;
        changed.common = common(old, &changed.tail);
        if all && changed.common == old.len() {
            // No reference reaches further.
            changed.common = DEFLATE_WINDOW;
        }
        if !in_region && changed.common >= DEFLATE_WINDOW {
            changed.tail.clear();
        }
    }

    /// `len` bytes are copied that were not read: the old text's CRC-32 was `from` before and is `to` behind them.
    pub fn over(&mut self, from: u32, to: u32, len: u64) {
        if let Some(changed) = &mut self.changed {
            // Linear: what differs before the stretch differs behind it, shifted by its length.
            let new = join(changed.crc.clone().finalize() ^ from, to, len);
            changed.crc = Hasher::new_with_initial_len(new, 0);
        }
    }

    /// The member ends: CRC-32 of its new text and by how much it is longer, if it changed.
    pub fn close(&mut self) -> Option<(u32, u64)> {
        self.changed.take().map(|changed| (changed.crc.finalize(), changed.grown))
    }
}

impl Changed {
    fn append(&mut self, text: &[u8]) {
        let text = text.get(text.len().saturating_sub(DEFLATE_WINDOW)..).unwrap_or_default();
        if self.tail.len() + text.len() > 4 * DEFLATE_WINDOW {
            let dead = self.tail.len().saturating_sub(DEFLATE_WINDOW);
            self.tail.drain(..dead);
        }
        self.tail.extend_from_slice(text);
    }
}

/// Length of the common end of two texts, at most 32 KiB.
fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().rev().zip(b.iter().rev()).take(DEFLATE_WINDOW).take_while(|(a, b)| a == b).count()
}

fn failed() -> Error {
    Error::new(Kind::Verify, "a region is not where it was begun")
}
