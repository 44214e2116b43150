//! Whether a stretch of text is none: what a text format must not pass over as read (P5).
//!
//! A log may have something else behind it or in it: a compressed member, UTF-16 lines, the image of a crash. Such a record is kept
//! byte for byte, searched as it stands, and named; the rest of the stream stays text.

/// Control characters that text does not have; NUL counts apart.
fn control(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, 0 | 8..=13 | 0x1b)
}

/// Whether `text` may hold such a record: false for most windows, in one pass.
///
/// A piece at a time and without a branch for each byte, so that the compiler makes vectors of it: a sixth of a scan otherwise.
pub fn suspect(text: &[u8]) -> bool {
    const PIECE: usize = 4096;
    let strange = |b: u8| u8::from(b < 0x20) & u8::from(b.wrapping_sub(8) > 5) & u8::from(b != 0x1b);
    text.chunks(PIECE).any(|piece| piece.iter().fold(0, |any, b| any | strange(*b)) != 0)
}

/// NULs in a row that are a hole, as log rotation by copy and truncate leaves it, and no sign of a binary file.
const HOLE: usize = 16;

/// NULs outside of holes: alone, as UTF-16 has them beside ASCII, or a few.
pub fn lone_nuls(text: &[u8]) -> usize {
    let runs = text.chunk_by(|a, b| (*a == 0) == (*b == 0)).filter(|run| run.first() == Some(&0));
    runs.map(<[u8]>::len).filter(|len| *len < HOLE).sum()
}

/// Whether `record` is binary: a quarter of it control characters or lone NULs, or a fiftieth and no UTF-8 either.
pub fn is_binary(record: &[u8]) -> bool {
    let controls = record.iter().filter(|b| control(**b)).count();
    let nuls = lone_nuls(record);
    (nuls >= 4 && nuls * 4 > record.len())
        || (controls >= 4 && controls * 4 > record.len())
        || (controls >= 3 && controls * 50 > record.len() && std::str::from_utf8(record).is_err())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_suspect() {
        for byte in 0..=255u8 {
            let mut text = vec![b'x'; 9000];
            text[8999] = byte;
            assert_eq!(suspect(&text), control(byte) || byte == 0, "{byte}");
        }
    }

    #[test]
    fn text_is_text() {
        for text in [
            &b"2026-01-01 plain \x1b[31mred\x1b[0m\ttab\r\n"[..],
            "größe naïve 日本語\n".as_bytes(),
            b"latin \xe9\xe8\xff\xfc\n",
            b"one \0 nul\n",
            &[[0; 5000].as_slice(), b"after a hole\n"].concat(),
            b"8=FIX.4.2\x019=65\x0135=A\x0149=SERVER\x0156=CLIENT\x0134=177\x01\n",
        ] {
            assert!(!is_binary(text), "{text:?}");
        }
    }

    #[test]
    fn binary_is_binary() {
        let utf16: Vec<u8> = "2026 INFO alice\n".bytes().flat_map(|b| [b, 0]).collect();
        let noise: Vec<u8> =
            (0..200u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).filter(|b| *b != 10).collect();
        for bytes in [&utf16[..], &noise, b"\0\x01\x02\x03\0\x01\x02\x03\0\x01\x02\x03"] {
            assert!(suspect(bytes) && is_binary(bytes), "{bytes:?}");
        }
    }
}
