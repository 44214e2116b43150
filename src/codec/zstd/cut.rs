//! Where a Zstandard stream can be cut: behind a frame, told by the headers of its blocks (RFC 8878 §3.1.1.2), which are not decoded.
//!
//! Not behind a skippable frame: whether one is a seek table is told by what follows it, which must be in the same part.

use super::head::{self, SKIPPABLE, Start};

/// Length of a block's header.
const BLOCK: usize = 3;
/// Length of the content checksum.
const CHECKSUM: usize = 4;

/// The first end of a frame at or after `least` behind which something follows in `coded`.
pub fn cut(coded: &[u8], least: usize) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = coded.get(at..)?;
        match head::start(rest) {
            Start::Frame => {
                at += frame(rest)?;
                if at >= least {
                    return (at < coded.len()).then_some(at);
                }
            }
            Start::Skippable(_) => at += SKIPPABLE.checked_add(usize::try_from(head::skippable_len(rest)?).ok()?)?,
            _ => return None,
        }
    }
}

/// Length of the frame at the start of `bytes`, if all of it is there.
fn frame(bytes: &[u8]) -> Option<usize> {
    let frame = head::parse(bytes.get(..bytes.len().min(head::LONGEST))?, 0).ok()?;
    let mut at = frame.len;
    loop {
        let &[a, b, c] = bytes.get(at..)?.first_chunk::<BLOCK>()?;
        let header = u32::from_le_bytes([a, b, c, 0]);
        let (last, size) = (header & 1 == 1, (header >> 3) as usize);
        at += BLOCK;
        at += match header >> 1 & 3 {
            // One byte that is repeated.
            1 => 1,
            3 => return None,
            _ => size,
        };
        if last {
            at += if frame.checksum { CHECKSUM } else { 0 };
            return (at <= bytes.len()).then_some(at);
        }
    }
}
