//! A decoder of LZ4 blocks of our own (`lz4_Block_format.md`), for the second look.
//!
//! Sequences of literals and a match each, the last one without a match. Every offset and length is checked where it is used.

/// Appends what `coded` decodes to; matches may reach into what is already in `plain`. `None` if it is invalid or longer than
/// `most` bytes.
pub fn decode(mut coded: &[u8], most: usize, plain: &mut Vec<u8>) -> Option<()> {
    let end = plain.len() + most;
    loop {
        let token = byte(&mut coded)?;
        let literals = length(token >> 4, &mut coded)?;
        let (now, rest) = coded.split_at_checked(literals)?;
        if literals > end - plain.len() {
            return None;
        }
        plain.extend_from_slice(now);
        coded = rest;
        if coded.is_empty() {
            return Some(());
        }
        let offset = usize::from(byte(&mut coded)?) | usize::from(byte(&mut coded)?) << 8;
        let n = length(token & 15, &mut coded)? + 4;
        let start = plain.len().checked_sub(offset).filter(|_| offset > 0)?;
        if n > end - plain.len() {
            return None;
        }
        if offset >= n {
            plain.extend_from_within(start..start + n);
        } else {
            for at in start..start + n {
                let byte = *plain.get(at)?;
                plain.push(byte);
            }
        }
    }
}

fn byte(coded: &mut &[u8]) -> Option<u8> {
    let (first, rest) = coded.split_first()?;
    *coded = rest;
    Some(*first)
}

/// A length of which `nibble` is the start: 15 means that bytes follow, up to the first that is not 255.
fn length(nibble: u8, coded: &mut &[u8]) -> Option<usize> {
    let mut len = usize::from(nibble);
    if nibble == 15 {
        loop {
            let more = byte(coded)?;
            len += usize::from(more);
            if more < 255 {
                break;
            }
        }
    }
    Some(len)
}
