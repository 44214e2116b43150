//! Places at which a lift could begin to decode, offered while find decodes: heads, blocks and trailers (see `coded::points`).
//!
//! A place is the first end of a block that is 128 KiB or more behind the last one. BGZF members are never entered in their middle, so that of them only heads are offered.

use super::{Check, head, splice};
use crate::layer::coded::Heads;
use crate::layer::coded::points::Point;
use crate::layer::deflate::blocks::{Blocks, Step};
use crate::layer::deflate::place::{Kind, Place};

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
}

impl Offers {
    /// At the start of a stream.
    pub fn new() -> Self {
        Self { blocks: Blocks::new(), next: 0, inside: true, head_at: 0, plain_from: 0, note: 0 }
    }

    fn point(&self, kind: Kind, crc: u32, coded: u64, plain: u64) -> Point {
        let (note, head_at, plain_from) = (self.note, self.head_at, self.plain_from);
        Place { kind, note, crc, head_at, plain_from }.at(coded, plain)
    }

    /// A member begins at the coded offset `at`.
    pub fn head(&mut self, at: u64, plain: u64, special: head::Special, xfl: u8, heads: &Heads) {
        self.blocks.reset();
        (self.head_at, self.plain_from, self.note) = (at, plain, splice::note(special, xfl));
        self.inside = special == head::Special::None;
        if plain >= self.next {
            heads.offer(self.point(Kind::Head, 0, at * 8, plain), &[]);
            self.next = plain + STRIDE;
        }
    }

    /// Inflates from `input` into `out`.
    pub fn step(&mut self, input: &[u8], out: &mut [u8]) -> Option<Step> {
        self.blocks.step(input, out)
    }

    /// A block that is not the last ended at `bit` of the coded stream.
    pub fn block(&mut self, bit: u64, plain: u64, check: &Check, heads: &Heads) {
        if self.inside && plain >= self.next {
            heads.offer(self.point(Kind::Block, check.crc(), bit, plain), self.blocks.window());
            self.next = plain + STRIDE;
        }
    }

    /// The member's trailer stands at the coded offset `at`.
    pub fn trailer(&self, at: u64, plain: u64, check: &Check, heads: &Heads) {
        if self.inside && plain - self.plain_from >= STRIDE {
            heads.offer_end(self.point(Kind::Trailer, check.crc(), at * 8, plain));
        }
    }
}
