//! The tar that the files of a folder are shown as, to the byte: what GNU tar prints of them with `-b 1 --format=gnu --owner=0 --group=0
//! --numeric-owner --mode=0600 --mtime=@0 --hard-dereference`.
//!
//! A header has a name and a size, and else always the same bytes: less than a writer of headers for all that tar knows would
//! ask to be told. Those of the `container` floor may not be asked from here.

/// Bytes of a block.
pub(super) const BLOCK: u64 = 512;
/// Zero blocks at the end, bytes.
pub(super) const END: u64 = 2 * BLOCK;
/// Longest name, bytes: longer ones would take a block of their own.
const NAME: usize = 99;
/// Where the size stands.
const SIZE: std::ops::Range<usize> = 124..136;
/// Where the checksum stands.
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// A block.
pub(super) type Block = [u8; BLOCK as usize];

/// Whether a file of that name is shown: tar itself must have no other way to write it, nor to read it from a list of names.
pub(super) fn can_be_named(name: &[u8]) -> bool {
    let plain = |byte: &u8| matches!(byte, 0x21..=0x7e) && *byte != b'\\';
    (1..=NAME).contains(&name.len()) && name.iter().all(plain) && name.first() != Some(&b'-')
}

/// The header of a file.
pub(super) fn header(name: &[u8], size: u64) -> Block {
    let mut block = [0; BLOCK as usize];
    let mut put = |at: usize, bytes: &[u8]| {
        block.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
    };
    put(0, name);
    // Mode, owner, group.
    put(100, b"0000600");
    put(108, b"0000000");
    put(116, b"0000000");
    if size >> 33 == 0 {
        put(SIZE.start, format!("{size:011o}\0").as_bytes());
    } else {
        // Base 256, as GNU tar writes what eleven octal digits do not hold.
        put(SIZE.start, &[0x80, 0, 0, 0]);
        put(SIZE.start + 4, &size.to_be_bytes());
    }
    put(136, b"00000000000\0");
    put(CHECKSUM.start, b"        ");
    put(156, b"0");
    put(257, b"ustar  \0");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let text = format!("{sum:06o}\0 ");
    block.iter_mut().skip(CHECKSUM.start).zip(text.bytes()).for_each(|(to, from)| *to = from);
    block
}

/// Name and size of a header that is like those above; `None` for any other block.
pub(super) fn parse(block: &Block) -> Option<(&[u8], u64)> {
    let name = block.split(|byte| *byte == 0).next()?;
    let digits = block.get(SIZE)?;
    let size = match digits.split_first()? {
        (0x80, rest) => {
            let (zeros, low) = rest.split_at_checked(3)?;
            zeros.iter().all(|byte| *byte == 0).then_some(())?;
            u64::from_be_bytes(low.try_into().ok()?)
        }
        _ => u64::from_str_radix(std::str::from_utf8(digits.get(..11)?).ok()?, 8).ok()?,
    };
    // The size may stand in either way: one that shrinks keeps its own.
    let mut same = header(name, size);
    let idle = SIZE.chain(CHECKSUM);
    idle.for_each(|at| same.iter_mut().skip(at).zip(block.get(at)).take(1).for_each(|(to, from)| *to = *from));
    (same == *block).then_some((name, size))
}

/// Bytes from a file's end to the next block.
pub(super) fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK) - size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_they_are_written() {
        for size in [0, 1, 0o777, (1 << 33) - 1, 1 << 33, 1 << 40] {
            let block = header(b"3369.dat.gz", size);
            assert_eq!(parse(&block), Some((&b"3369.dat.gz"[..], size)));
            for at in [3, 101, 130, 156, 260, 300, 511] {
                let mut other = block;
                other[at] = b'x';
                assert_ne!(parse(&other), parse(&block), "{at}");
            }
        }
        assert_eq!(parse(&[0; BLOCK as usize]), None);
    }

    #[test]
    fn names_that_need_more_are_not_shown() {
        for good in ["a", "toc.dat", "3369.dat.zst", "blob_16401.dat.gz", &"x".repeat(99)] {
            assert!(can_be_named(good.as_bytes()), "{good}");
        }
        for bad in ["", "-x", "a b", "a\\b", "a\nb", "\u{e9}", &"x".repeat(100)] {
            assert!(!can_be_named(bad.as_bytes()), "{bad:?}");
        }
    }
}
