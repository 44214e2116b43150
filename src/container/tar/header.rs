//! One header block of 512 bytes: its fields, numbers and checksum (POSIX.1-1988 ustar, POSIX.1-2001 "ustar Interchange
//! Format"; the GNU tar manual's "Basic Tar Format").
//!
//! Numbers are read strictly: readers disagree about digits behind other bytes, so such a field is no number. Writing keeps
//! the style of what stood there: width, leading zeros or spaces, and terminator. Knows nothing of what follows the block.

use std::ops::Range;

/// Bytes of a block.
pub const BLOCK: usize = 512;
/// The name, up to its first NUL.
pub const NAME: Range<usize> = 0..100;
/// Numbers of which nothing depends: mode, uid, gid; mtime; and device numbers where the header has a magic.
pub const IDLE_NUMBERS: [Range<usize>; 4] = [100..108, 108..116, 116..124, 136..148];
/// Device numbers, not in old headers.
pub const DEVICE: [Range<usize>; 2] = [329..337, 337..345];
/// Bytes of the payload.
pub const SIZE: Range<usize> = 124..136;
/// Sum of all bytes, with these eight counted as spaces.
pub const CHECKSUM: Range<usize> = 148..156;
/// The type.
pub const TYPE: usize = 156;
/// Where a link leads.
pub const LINK: Range<usize> = 157..257;
/// `ustar` and the version.
pub const MAGIC: Range<usize> = 257..265;
/// Owner's name.
pub const USER: Range<usize> = 265..297;
/// Group's name.
pub const GROUP: Range<usize> = 297..329;
/// What stands before the name and a slash (POSIX only).
pub const PREFIX: Range<usize> = 345..500;
/// Where old headers end: unused bytes.
pub const OLD_REST: Range<usize> = 257..512;
/// What GNU headers have after the device numbers: times, an offset, sparse regions, unused bytes.
pub const GNU_REST: Range<usize> = 345..512;
/// What POSIX headers leave unused.
pub const POSIX_REST: Range<usize> = 500..512;

/// Largest size in eleven octal digits.
const OCTAL_MAX: u64 = 0o77_777_777_777;

/// Which of the three header layouts it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    /// Without a magic: Unix v7.
    Old,
    /// `ustar` NUL: ustar and PAX.
    Posix,
    /// `ustar`, two spaces, NUL.
    Gnu,
    /// `ustar` and something else.
    Other,
}

/// The bytes of a field; empty if the block is too short.
pub fn field(block: &[u8], range: Range<usize>) -> &[u8] {
    block.get(range).unwrap_or_default()
}

/// The part of a field before its first NUL.
pub fn text_end(field: &[u8]) -> usize {
    memchr::memchr(0, field).unwrap_or(field.len())
}

/// The layout.
pub fn flavor(block: &[u8]) -> Flavor {
    let magic = field(block, MAGIC);
    match magic {
        b"ustar  \0" => Flavor::Gnu,
        _ if magic.starts_with(b"ustar\0") => Flavor::Posix,
        _ if magic.starts_with(b"ustar") => Flavor::Other,
        _ => Flavor::Old,
    }
}

/// The type byte.
pub fn kind(block: &[u8]) -> u8 {
    block.get(TYPE).copied().unwrap_or_default()
}

/// Whether a first block is a header: see [`super::sniff`].
pub fn looks_like(block: &[u8]) -> bool {
    match flavor(block) {
        Flavor::Gnu => true,
        Flavor::Posix if field(block, MAGIC) == b"ustar\x0000" => true,
        Flavor::Posix | Flavor::Other => checksum_holds(block),
        Flavor::Old => {
            let name = field(block, NAME);
            text_end(name) > 0 && octal(field(block, 100..108)).is_some() && checksum_holds(block)
        }
    }
}

/// A non-negative number in octal or base 256; blank is 0. `None` for anything else: negative, too large for a file, or
/// with bytes that are neither digit nor filler.
pub fn number(field: &[u8]) -> Option<u64> {
    let (first, rest) = field.split_first()?;
    let number = match first {
        0x80 => rest.iter().try_fold(0u64, |n, b| Some(n.checked_mul(256)? | u64::from(*b)))?,
        0x81.. => return None,
        _ => octal(field)?,
    };
    i64::try_from(number).is_ok().then_some(number)
}

/// Spaces, octal digits, then NULs and spaces; no digit is 0.
pub fn octal(field: &[u8]) -> Option<u64> {
    let (lead, digits) = style(field);
    let filled = field.get(lead + digits..)?.iter().all(|b| matches!(b, 0 | b' '));
    let digits = field.get(lead..lead + digits)?;
    let number = digits.iter().try_fold(0u64, |n, b| Some(n.checked_mul(8)? + u64::from(b - b'0')));
    number.filter(|_| filled)
}

/// Leading spaces and the digits after them.
fn style(field: &[u8]) -> (usize, usize) {
    let lead = field.iter().take_while(|b| **b == b' ').count();
    let digits = field.iter().skip(lead).take_while(|b| matches!(b, b'0'..=b'7')).count();
    (lead, digits)
}

/// The sum over the block with its bytes as unsigned, and as signed numbers (as some old tars have it).
fn sums(block: &[u8]) -> (u64, i64) {
    let own: &[u8] = field(block, CHECKSUM);
    let spaces = own.len() as u64 * u64::from(b' ');
    let unsigned = |bytes: &[u8]| bytes.iter().map(|b| u64::from(*b)).sum::<u64>();
    let signed = |bytes: &[u8]| bytes.iter().map(|b| i64::from(*b as i8)).sum::<i64>();
    (unsigned(block) - unsigned(own) + spaces, signed(block) - signed(own) + spaces as i64)
}

/// Whether the checksum is right, by either sum.
pub fn checksum_holds(block: &[u8]) -> bool {
    let (unsigned, signed) = sums(block);
    octal(field(block, CHECKSUM)).is_some_and(|sum| sum == unsigned || i64::try_from(sum) == Ok(signed))
}

/// Makes the checksum right again after a change. `old` is the block before it: the sum stays signed if it was, and
/// keeps its style.
pub fn seal(old: &[u8], block: &mut [u8]) {
    let (unsigned, _) = sums(old);
    let was_signed = octal(field(old, CHECKSUM)).is_some_and(|sum| sum != unsigned);
    let (unsigned, signed) = sums(block);
    let sum = if was_signed { u64::try_from(signed).unwrap_or(unsigned) } else { unsigned };
    let Some(field) = block.get_mut(CHECKSUM) else {
        return;
    };
    if !put_octal(field, sum) {
        // Six digits hold any sum of 512 bytes.
        let text = format!("{sum:06o}\0 ");
        field.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    }
}

/// Writes `number` over a field's digits, as wide as they were; `false`, and nothing written, if that is too narrow.
fn put_octal(field: &mut [u8], number: u64) -> bool {
    let (lead, digits) = style(field);
    let width = lead + digits;
    let text = format!("{number:o}");
    let Some(fill) = width.checked_sub(text.len()) else {
        return false;
    };
    let (filler, digits) = field.split_at_mut(fill);
    filler.fill(if lead > 0 { b' ' } else { b'0' });
    digits.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    true
}

/// Writes a size as the field had it: octal or base 256. One that outgrows octal goes to base 256, where
/// `base_256` allows; else `false`, and nothing is written. The checksum is then to be made again.
pub fn set_size(block: &mut [u8], size: u64, base_256: bool) -> bool {
    let Some(field) = block.get_mut(SIZE) else {
        return false;
    };
    let was_binary = field.first() == Some(&0x80);
    if !was_binary && put_octal(field, size) {
        return true;
    }
    if !was_binary && size <= OCTAL_MAX {
        let text = format!("{size:011o}\0");
        field.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
        return true;
    }
    if !was_binary && !base_256 {
        return false;
    }
    field.fill(0);
    if let Some(first) = field.first_mut() {
        *first = 0x80;
    }
    field.iter_mut().rev().zip(size.to_le_bytes()).for_each(|(to, from)| *to = from);
    true
}

/// Bytes from a payload's end to the next block.
pub fn padding(size: u64) -> usize {
    let over = (size % BLOCK as u64) as usize;
    if over == 0 { 0 } else { BLOCK - over }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_strict() {
        assert_eq!(number(b"00000001234\0"), Some(0o1234));
        assert_eq!(number(b"       1234 "), Some(0o1234));
        assert_eq!(number(b"777777777777"), Some((1 << 36) - 1));
        assert_eq!(number(b"\0\0\0\0\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(number(b"\x80\0\0\0\0\0\0\x02\0\0\0\x01"), Some((2 << 32) + 1));
        for bad in [
            &b"0000000123x\0"[..],
            b"-0000001234\0",
            b"0000\x001234\0\0\0",
            b"00000001238\0",
            b"\x80\x01\0\0\0\0\0\0\0\0\0\0",
        ] {
            assert_eq!(number(bad), None, "{bad:?}");
        }
        assert_eq!(number(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), None, "negative");
        assert_eq!(number(b"\x80\0\0\0\x80\0\0\0\0\0\0\0"), None, "more than a file can be");
    }

    #[test]
    fn sizes_keep_their_style() {
        let cases: [(&[u8; 12], u64, &[u8; 12]); 6] = [
            (b"00000001234\0", 8, b"00000000010\0"),
            (b"       1234 ", 8, b"         10 "),
            (b"12\0\0\0\0\0\0\0\0\0\0", 0o777, b"00000000777\0"),
            (b"12\0\0\0\0\0\0\0\0\0\0", 1, b"01\0\0\0\0\0\0\0\0\0\0"),
            (b"000000001234", 8, b"000000000010"),
            (b"\x80\0\0\0\0\0\0\0\0\0\0\x09", 0x1_0002, b"\x80\0\0\0\0\0\0\0\0\x01\0\x02"),
        ];
        for (was, size, want) in cases {
            let mut block = [0; BLOCK];
            block[SIZE].copy_from_slice(was);
            assert!(set_size(&mut block, size, false));
            assert_eq!(&block[SIZE], want);
        }
        let mut block = [0; BLOCK];
        block[SIZE].copy_from_slice(b"00000001234\0");
        assert!(!set_size(&mut block, 1 << 33, false));
        assert_eq!(&block[SIZE], b"00000001234\0");
        assert!(set_size(&mut block, 1 << 33, true));
        assert_eq!(number(&block[SIZE]), Some(1 << 33));
    }

    #[test]
    fn checksums_keep_their_kind_and_style() {
        for style in [&b"000000\0 "[..], b"0000000\0", b"     0 \0", b"  0000\0 "] {
            for signed in [false, true] {
                let mut block = [0; BLOCK];
                block[..3].copy_from_slice(b"a\xe9b");
                block[CHECKSUM].copy_from_slice(style);
                let (unsigned, sum) = sums(&block);
                assert!(put_octal(&mut block[CHECKSUM], if signed { sum as u64 } else { unsigned }));
                assert!(checksum_holds(&block));
                let old = block;
                block[2] = b'*';
                assert!(!checksum_holds(&block));
                seal(&old, &mut block);
                assert!(checksum_holds(&block));
                let shape = |block: &[u8]| {
                    block[CHECKSUM].iter().map(|b| if b.is_ascii_digit() { b'0' } else { *b }).collect::<Vec<_>>()
                };
                assert_eq!(shape(&old), shape(&block));
                assert_eq!(octal(&block[CHECKSUM]) == Some(sums(&block).0), !signed);
            }
        }
    }
}
