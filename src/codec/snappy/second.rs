//! A decoder of Snappy's raw format of our own (`format_description.txt`), for the second look.
//!
//! A length, then literals and copies from what was decoded before. Every offset and length is checked where it is used; no
//! more than the length that the data tells of is made, and that is bounded by the caller.

/// Decodes `coded` into the empty `plain`; `None` if it is invalid or longer than `most`.
pub fn decode(mut coded: &[u8], most: usize, plain: &mut Vec<u8>) -> Option<()> {
    let len = length(&mut coded)?;
    if len > most {
        return None;
    }
    while let Some((tag, rest)) = coded.split_first() {
        coded = rest;
        let high = usize::from(tag >> 2);
        match tag & 3 {
            0 => {
                let n = if high < 60 { high } else { number(&mut coded, high - 59)? } + 1;
                let (literal, rest) = coded.split_at_checked(n)?;
                if plain.len() + n > len {
                    return None;
                }
                plain.extend_from_slice(literal);
                coded = rest;
            }
            1 => {
                let offset = (high >> 3) << 8 | number(&mut coded, 1)?;
                copy(plain, offset, 4 + (high & 7), len)?;
            }
            2 => copy(plain, number(&mut coded, 2)?, high + 1, len)?,
            _ => copy(plain, number(&mut coded, 4)?, high + 1, len)?,
        }
    }
    (plain.len() == len).then_some(())
}

/// Reads the plain length: seven bits a byte, the lowest first, at most 32 bits.
fn length(coded: &mut &[u8]) -> Option<usize> {
    let mut len = 0_u64;
    for shift in (0..35).step_by(7) {
        let byte = number(coded, 1)?;
        len |= (byte as u64 & 0x7f) << shift;
        if byte < 0x80 {
            return u32::try_from(len).ok().map(|len| len as usize);
        }
    }
    None
}

/// Reads a number of `n` bytes, little endian.
fn number(coded: &mut &[u8], n: usize) -> Option<usize> {
    let (bytes, rest) = coded.split_at_checked(n)?;
    *coded = rest;
    Some(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
}

/// Repeats `n` bytes from `offset` bytes ago; what is repeated may overlap what it makes.
fn copy(plain: &mut Vec<u8>, offset: usize, n: usize, len: usize) -> Option<()> {
    let start = plain.len().checked_sub(offset).filter(|_| offset > 0)?;
    if plain.len() + n > len {
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
    Some(())
}
