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
    /// As a point at these offsets carries it: by distances, which stay as they are where only a part of a stream was decoded.
    pub fn at(self, coded: u64, plain: u64) -> Point {
        let Self { kind, note, crc, head_at, plain_from } = self;
        let (behind_head, inside) = ((coded / 8).saturating_sub(head_at), plain.saturating_sub(plain_from));
        Point { coded, plain, state: [kind as u64 | note << 8, u64::from(crc), behind_head, inside] }
    }

    /// As a point carries it; `None` if that cannot be.
    pub fn of(point: &Point) -> Option<Self> {
        let [kind, crc, behind_head, inside] = point.state;
        let note = kind >> 8;
        let kind = match kind & 0xff {
            0 => Kind::Head,
            1 => Kind::Block,
            2 => Kind::Trailer,
            _ => return None,
        };
        let (crc, whole) = (u32::try_from(crc).ok()?, kind == Kind::Block || point.coded.is_multiple_of(8));
        let head_at = (point.coded / 8).checked_sub(behind_head)?;
        let plain_from = point.plain.checked_sub(inside)?;
        whole.then_some(Self { kind, note, crc, head_at, plain_from })
    }
}
