//! What a [`Point`] of a deflate stream says besides its offsets.

use crate::layer::coded::points::Point;

/// What stands at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The head of a member.
    Head,
    /// A block of a member.
    Block,
    /// The trailer of a member.
    Trailer,
}

/// A place inside of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// What stands there.
    pub kind: Kind,
    /// What a head told, for [`super::splice::Frames::told`]; at most 56 bits.
    pub note: u64,
    /// CRC-32 of the member's plain bytes before it.
    pub crc: u32,
    /// Offset in the coded stream of the member's head.
    pub head_at: u64,
    /// Offset in the decoded stream of the member's first byte.
    pub plain_from: u64,
}

impl Place {
    /// As a point carries it.
    pub fn to_state(self) -> [u64; 4] {
        [self.kind as u64 | self.note << 8, u64::from(self.crc), self.head_at, self.plain_from]
    }

    /// As a point carries it; `None` if that cannot be.
    pub fn of(point: &Point) -> Option<Self> {
        let [kind, crc, head_at, plain_from] = point.state;
        let note = kind >> 8;
        let kind = match kind & 0xff {
            0 => Kind::Head,
            1 => Kind::Block,
            2 => Kind::Trailer,
            _ => return None,
        };
        let (crc, whole) = (u32::try_from(crc).ok()?, kind == Kind::Block || point.coded.is_multiple_of(8));
        let fits = whole && plain_from <= point.plain && head_at <= point.coded / 8;
        fits.then_some(Self { kind, note, crc, head_at, plain_from })
    }
}
