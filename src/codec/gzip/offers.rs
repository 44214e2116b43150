//! Places at which a lift could begin to decode, offered while find decodes: heads, blocks and trailers (see `coded::points`).
//!
//! The decoder stops at the first end of a block that is 128 KiB or more behind the last place, and nowhere else: it costs nothing that
//! could be measured. BGZF members are never entered in their middle, so that of them only heads are offered.

use super::{Check, head, splice};
use crate::error::Result;
use crate::layer::coded::Heads;
use crate::layer::coded::points::Point;
use crate::layer::deflate::place::{Kind, Place};
use crate::layer::deflate::raw::{Blocks, Stop};

/// Distance of places, plain bytes.
const STRIDE: u64 = 128 << 10;

/// Inflates, and offers places.
pub struct Offers {
    blocks: Blocks,
    /// The next place is wanted here, an offset in the decoded stream.
    next: u64,
    /// Whether a lift may enter the member in its middle.
    inside: bool,
    head_at: u64,
    plain_from: u64,
    note: u64,
    window: Vec<u8>,
}

impl Offers {
    /// At the start of a stream; an error if there is no memory.
    pub fn new() -> Result<Self> {
        let blocks = Blocks::new()?;
        Ok(Self { blocks, next: 0, inside: true, head_at: 0, plain_from: 0, note: 0, window: Vec::new() })
    }

    fn place(&self, kind: Kind, crc: u32) -> [u64; 4] {
        let (note, head_at, plain_from) = (self.note, self.head_at, self.plain_from);
        Place { kind, note, crc, head_at, plain_from }.to_state()
    }

    /// A member begins at the coded offset `at`.
    pub fn head(&mut self, at: u64, plain: u64, special: head::Special, xfl: u8, heads: &Heads) -> Result<()> {
        self.blocks.reset()?;
        (self.head_at, self.plain_from, self.note) = (at, plain, splice::note(special, xfl));
        self.inside = special == head::Special::None;
        if plain >= self.next {
            heads.offer(Point { coded: at * 8, plain, state: self.place(Kind::Head, 0) }, &[]);
            self.next = plain + STRIDE;
        }
        Ok(())
    }

    /// Inflates from `input` into `out`, where the decoder stands at `plain`: bytes made, bytes used, and where it stopped.
    pub fn step(&mut self, input: &[u8], out: &mut [u8], plain: u64) -> Option<(usize, usize, Stop)> {
        let ahead = if self.inside { self.next.saturating_sub(plain) } else { u64::MAX };
        let room = out.len().min(usize::try_from(ahead).unwrap_or(usize::MAX));
        let room = if ahead == 0 { out.len() } else { room };
        let step = self.blocks.step(input, out.get_mut(..room).unwrap_or_default(), ahead == 0)?;
        Some((step.made, step.used, step.stop))
    }

    /// A block that is not the last ended at `bit` of the coded stream.
    pub fn block(&mut self, bit: u64, plain: u64, check: &Check, heads: &Heads) -> Result<()> {
        self.blocks.window(&mut self.window)?;
        let state = self.place(Kind::Block, check.crc());
        heads.offer(Point { coded: bit, plain, state }, &self.window);
        self.next = plain + STRIDE;
        Ok(())
    }

    /// The member's trailer stands at the coded offset `at`.
    pub fn trailer(&self, at: u64, plain: u64, check: &Check, heads: &Heads) {
        if self.inside && plain - self.plain_from >= STRIDE {
            heads.offer_end(Point { coded: at * 8, plain, state: self.place(Kind::Trailer, check.crc()) });
        }
    }
}
