//! Lift of a Snappy stream, chunk by chunk: what nothing touches is kept by range, touched neighbours are encoded together.
//!
//! Chunks tell their plain length, so that only touched ones are decoded. Memory: two chunks.

use super::{CHECKSUM, Chunks, HEADER, NAME, PLAIN, first};
use crate::error::{Error, Result};
use crate::layer::coded::Encoder;
use crate::layer::coded::points::Points;
use crate::layer::coded::units::{Coded, Job, last_before};
use crate::layer::coded::weave::Weave;

/// Longest number that a compressed chunk begins with, bytes (`format_description.txt` §1).
const NUMBER: usize = 5;

fn damaged(at: u64) -> Error {
    Error::damaged(NAME, at, super::INVALID)
}

/// Lifts `job`.
pub fn splice(job: Job<'_>) -> Result<bool> {
    let Job { coded, edits, points, .. } = job;
    let (weave, library) = (Weave::new(&edits)?, snap::raw::Decoder::new());
    let encoder = Chunks { library: snap::raw::Encoder::new(), plain: Vec::new(), begun: true };
    let old = Vec::with_capacity(PLAIN);
    Splicer { coded, weave, points, library, encoder, at: 0, plain: 0, old, out: Vec::new() }.run()
}

struct Splicer<'s, 'w> {
    coded: Coded<'s>,
    weave: Weave<'w>,
    points: Option<&'s Points>,
    library: snap::raw::Decoder,
    encoder: Chunks,
    /// The next chunk, and the plain offset at which it stands.
    at: u64,
    plain: u64,
    /// What a touched chunk decodes to.
    old: Vec<u8>,
    out: Vec<u8>,
}

impl Splicer<'_, '_> {
    fn run(mut self) -> Result<bool> {
        while let Some(change) = self.weave.next_at() {
            let point = last_before(self.points, change, |_| true);
            if let Some(point) = point.filter(|point| point.plain > self.plain && point.coded / 8 > self.at) {
                self.flush()?;
                (self.at, self.plain) = (point.coded / 8, point.plain);
            }
            self.chunk()?;
        }
        self.flush()?;
        self.coded.keep_rest()?;
        Ok(true)
    }

    /// Sends what was encoded of the touched chunks before, as they end here.
    fn flush(&mut self) -> Result<()> {
        self.encoder.finish(&mut self.out)?;
        self.coded.send(&mut self.out)
    }

    /// Goes over one chunk.
    fn chunk(&mut self) -> Result<()> {
        let at = self.at;
        let [kind, a, b, c] = self.coded.array(at)?;
        let len = u32::from_le_bytes([a, b, c, 0]) as usize;
        let end = at + (HEADER + len) as u64;
        self.at = end;
        let data = match kind {
            0 | 1 => len.checked_sub(CHECKSUM).ok_or_else(|| damaged(at))?,
            _ => return self.flush(),
        };
        let data_at = at + (HEADER + CHECKSUM) as u64;
        let plain = if kind == 1 {
            data
        } else {
            let number = self.coded.exact(data_at, data.min(NUMBER))?;
            snap::raw::decompress_len(number).map_err(|_| damaged(at))?
        };
        let end_plain = self.plain + plain as u64;
        if !self.weave.touches(end_plain) {
            self.plain = end_plain;
            return self.flush();
        }
        let bytes = self.coded.exact(data_at, data)?;
        self.old.clear();
        if kind == 1 {
            self.old.extend_from_slice(bytes);
        } else {
            first(&mut self.library, bytes, &mut self.old).ok_or_else(|| damaged(at))?;
        }
        let Self { coded, weave, encoder, out, .. } = self;
        coded.keep_to(at)?;
        weave.weave(self.plain, &self.old, &mut |new| encoder.write(new, out))?;
        self.plain = end_plain;
        coded.send(out)?;
        coded.drop_to(end)
    }
}
