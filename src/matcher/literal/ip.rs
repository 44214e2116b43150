//! IP addresses in text: their extent, and the sixteen bytes that every spelling of one comes to.

use std::ops::Range;

/// An address and where it stands.
type Place = ([u8; 16], Range<usize>);

/// An IPv4 address as its IPv4-mapped IPv6 form.
fn mapped(parts: [u8; 4]) -> [u8; 16] {
    let [a, b, c, d] = parts;
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, a, b, c, d]
}

/// The address that `text` is as a whole.
pub(super) fn read(text: &[u8]) -> Option<[u8; 16]> {
    match dotted(text) {
        Some((parts, len)) if len == text.len() => Some(mapped(parts)),
        _ => parse_v6(text),
    }
}

/// Reads four decimal parts (one to three digits, leading zeros allowed) from the start of `text`; the parts, and how many bytes they take.
fn dotted(text: &[u8]) -> Option<([u8; 4], usize)> {
    let mut parts = [0; 4];
    let mut at = 0;
    for (i, part) in parts.iter_mut().enumerate() {
        if i > 0 {
            if text.get(at) != Some(&b'.') {
                return None;
            }
            at += 1;
        }
        let digits = text.get(at..)?;
        let len = digits.iter().take(4).take_while(|b| b.is_ascii_digit()).count();
        if len == 0 || len > 3 {
            return None;
        }
        let sum = digits.iter().take(len).fold(0u16, |sum, b| sum * 10 + u16::from(b - b'0'));
        *part = u8::try_from(sum).ok()?;
        at += len;
    }
    Some((parts, at))
}

/// The IPv4 address whose first part starts at `start`, if one stands there within its boundaries (not after a digit, or a
/// digit and `.`; not before a digit, or `.` and a digit).
pub(super) fn v4(text: &[u8], start: usize) -> Option<Place> {
    let is_digit = |at: Option<usize>| at.and_then(|i| text.get(i)).is_some_and(u8::is_ascii_digit);
    let before = start.checked_sub(1);
    if is_digit(before) || (before.and_then(|i| text.get(i)) == Some(&b'.') && is_digit(start.checked_sub(2))) {
        return None;
    }
    super::super::work::look(16);
    let (parts, len) = dotted(text.get(start..)?)?;
    let end = start + len;
    if is_digit(Some(end)) || (text.get(end) == Some(&b'.') && is_digit(Some(end + 1))) {
        return None;
    }
    Some((mapped(parts), start..end))
}

/// The address of four decimal parts of `lens` digits (one to three each) with a byte between two of them, from the start of `text` on;
/// `None` if a part is above 255, or `text` ends within four bytes of its last part's start.
///
/// Without a branch on the lengths: in real text each is as likely as the others, and a wrong guess costs more than the arithmetic.
#[inline]
pub(super) fn parts(text: &[u8], lens: [u32; 4]) -> Option<[u8; 16]> {
    let (mut at, mut out, mut most) = (0, [0; 4], 0);
    for (part, len) in out.iter_mut().zip(lens) {
        let digits = u32::from_le_bytes(*text.get(at..)?.first_chunk()?);
        // The digits of this part stand at the top of 24 bits, zeros before them.
        let digits = (digits & 0x000F_0F0F) << (8 * (3 - len.clamp(1, 3))) & 0x00FF_FFFF;
        let sum = (digits & 0xFF) * 100 + (digits >> 8 & 0xFF) * 10 + (digits >> 16);
        most = most.max(sum);
        *part = sum as u8;
        at += len as usize + 1;
    }
    (most <= 255).then(|| mapped(out))
}

/// A hex digit or `:`.
fn in_run(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || byte == b':'
}

/// The maximal run of hex digits and `:` around the `:` at `colon`, and the address that it is, with a dotted IPv4 tail if one
/// stands at its end. A `.` after an address is no part of it (`2001:db8::1.443`, as tcpdump writes a port).
pub(super) fn v6(text: &[u8], colon: usize) -> (Range<usize>, Option<Place>) {
    let start = text.get(..colon).and_then(|before| before.iter().rposition(|b| !in_run(*b))).map_or(0, |i| i + 1);
    let end =
        text.get(colon..).and_then(|after| after.iter().position(|b| !in_run(*b))).map_or(text.len(), |i| colon + i);
    super::super::work::look(end - start);
    let last = text.get(start..end).and_then(|run| run.iter().rposition(|b| *b == b':')).map_or(end, |i| start + i + 1);
    let span = match text.get(last..).and_then(dotted) {
        Some((_, len)) => {
            // An IPv4 address that does not end there is none, and so is the whole.
            let tail = v4(text, last).filter(|_| !text.get(last + len).copied().is_some_and(in_run));
            tail.map(|(_, tail)| start..tail.end)
        }
        None => Some(start..end),
    };
    let address = span.and_then(|span| Some((parse_v6(text.get(span.clone())?)?, span)));
    (start..end, address)
}

/// RFC 4291 §2.2: eight groups of one to four hex digits, one `::` for one or more groups of zeros, an IPv4 tail.
///
/// As the standard library reads them, except that leading zeros are allowed in the tail.
fn parse_v6(text: &[u8]) -> Option<[u8; 16]> {
    if text.len() < 2 || text.len() > 8 * 5 + 16 {
        return None;
    }
    let gap = text.windows(2).position(|pair| pair == b"::");
    let mut out = [0; 16];
    let Some(gap) = gap else {
        return (groups(text, &mut out)? == 16).then_some(out);
    };
    let (head, tail) = (text.get(..gap)?, text.get(gap + 2..)?);
    if head.contains(&b'.') {
        return None;
    }
    let mut back = [0; 16];
    let front = groups(head, &mut out)?;
    let len = groups(tail, &mut back)?;
    if front + len > 14 {
        return None;
    }
    out.get_mut(16 - len..)?.copy_from_slice(back.get(..len)?);
    Some(out)
}

/// Reads groups with single colons between them; the bytes written. No text is no group.
fn groups(text: &[u8], out: &mut [u8; 16]) -> Option<usize> {
    let mut len = 0;
    if text.is_empty() {
        return Some(0);
    }
    let mut parts = text.split(|b| *b == b':').peekable();
    while let Some(part) = parts.next() {
        if part.contains(&b'.') {
            let (v4, read) = dotted(part)?;
            if parts.peek().is_some() || read != part.len() {
                return None;
            }
            out.get_mut(len..len + 4)?.copy_from_slice(&v4);
            return Some(len + 4);
        }
        if part.is_empty() || part.len() > 4 {
            return None;
        }
        let group = part.iter().try_fold(0u16, |sum, b| Some(sum << 4 | char::from(*b).to_digit(16)? as u16))?;
        out.get_mut(len..len + 2)?.copy_from_slice(&group.to_be_bytes());
        len += 2;
    }
    Some(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv6Addr;

    #[test]
    fn v4_boundaries() {
        let at = |text: &str| {
            let start = text.find(|c: char| c.is_ascii_digit()).unwrap();
            v4(text.as_bytes(), start).map(|(_, span)| text[span].to_owned())
        };
        assert_eq!(at("ip-10.0.0.1:80").as_deref(), Some("10.0.0.1"));
        assert_eq!(at("x.010.000.000.001.").as_deref(), Some("010.000.000.001"));
        assert_eq!(at("10.0.0.1x").as_deref(), Some("10.0.0.1"));
        for text in ["10.0.0.1.5", "10.0.0.256", "10.0.0.1234", "10.0.0", "1.10.0.0.1", "0010.0.0.1"] {
            assert_eq!(at(text), None, "{text}");
        }
        assert!(v4(b"1.2.3.4.5", 2).is_none());
    }

    #[test]
    fn v6_runs() {
        let at = |text: &str| v6(text.as_bytes(), text.find(':').unwrap()).1.map(|(_, span)| text[span].to_owned());
        assert_eq!(at("[2001:DB8::1]:443").as_deref(), Some("2001:DB8::1"));
        assert_eq!(at("zone fe80::1%eth0").as_deref(), Some("fe80::1"));
        assert_eq!(at("see 2001:db8::1.").as_deref(), Some("2001:db8::1"));
        assert_eq!(at("::ffff:010.1.2.3/96").as_deref(), Some("::ffff:010.1.2.3"));
        assert_eq!(at("IP6 2001:db8::1.443 >").as_deref(), Some("2001:db8::1"));
        assert_eq!(at("d.2001:db8::1.example").as_deref(), Some("2001:db8::1"));
        assert_eq!(at("0.::ffff:1.2.3.4.").as_deref(), Some("::ffff:1.2.3.4"));
        for text in ["a 2001:db8::1:", "10:00:00", "1.2.3.4:80", ":2001:db8::1", "1::2::3", "::ffff:1.2.3.4.5", "x :"] {
            assert_eq!(at(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_std(text in "[0-9a-fA-F:.]{2,30}", bits in any::<u128>(), shift in 0..128u32) {
            let known = Ipv6Addr::from(bits >> shift & !(0xFFFF << (shift / 2))).to_string();
            for text in [text, known] {
                if let Ok(address) = text.parse::<Ipv6Addr>() {
                    prop_assert_eq!(parse_v6(text.as_bytes()), Some(address.octets()));
                } else if !text.contains('.') {
                    prop_assert_eq!(parse_v6(text.as_bytes()), None);
                }
            }
        }
    }
}
