//! UTF-16 as a codec: what is below is UTF-8, and is written back in the order of bytes in which it came.
//!
//! No byte is lost: a surrogate without its partner is decoded as UTF-8 would encode it (what WTF-8 calls generalized UTF-8) and
//! comes back as it was; the byte order mark is a character like any other. A stream of an odd number of bytes is damaged, and one
//! that goes on in another encoding, as logs do to which two programs write: decoded, that text would hide what it says. The
//! first decoder is the standard library's, the second one of our own, which shares nothing with it: other libraries put
//! U+FFFD in the place of a lone surrogate. Memory: two windows.

#[cfg(test)]
mod tests;

use crate::error::{Error, Kind, Result};
use crate::input::{Input, Source};
use crate::layer::coded::{Codec, CodecLayer, Encoder, Head, Heads, Need};

/// The layer's name.
pub const NAME: &str = "utf-16";
/// The codec as a layer. Not in the table of codecs: what is UTF-16 is told by the look of text.
pub static LAYER: CodecLayer = CodecLayer(&Utf16);
/// Bytes decoded at one time.
const READ: usize = 16 * 1024;
/// Characters at a stream's start by which its order of bytes is told.
const LOOK: usize = 8192;

/// UTF-16.
pub struct Utf16;

/// The order of the two bytes of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The low byte first.
    Little,
    /// The high byte first.
    Big,
}

impl Order {
    fn unit(self, pair: &[u8]) -> u16 {
        let pair = pair.first_chunk().copied().unwrap_or_default();
        match self {
            Order::Little => u16::from_le_bytes(pair),
            Order::Big => u16::from_be_bytes(pair),
        }
    }

    fn put(self, unit: u16, out: &mut Vec<u8>) {
        match self {
            Order::Little => out.extend_from_slice(&unit.to_le_bytes()),
            Order::Big => out.extend_from_slice(&unit.to_be_bytes()),
        }
    }
}

/// The order of bytes of a stream that starts with `head`, if it is UTF-16: by its byte order mark, else by the NULs that ASCII
/// has in it: most of one half of the bytes, few of the other.
pub fn order(head: &[u8]) -> Option<Order> {
    match head {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => return None,
        [0xff, 0xfe, ..] => return Some(Order::Little),
        [0xfe, 0xff, ..] => return Some(Order::Big),
        _ => {}
    }
    let pairs = head.chunks_exact(2).take(LOOK);
    let count = pairs.len();
    let (mut first, mut second) = (0usize, 0usize);
    for pair in pairs {
        first += usize::from(pair.first() == Some(&0));
        second += usize::from(pair.last() == Some(&0));
    }
    let (most, few) = (|n: usize| n * 10 >= count * 6, |n: usize| n * 10 <= count);
    match (count, first, second) {
        (0, ..) => None,
        (_, first, second) if few(first) && most(second) => Some(Order::Little),
        (_, first, second) if most(first) && few(second) => Some(Order::Big),
        _ => None,
    }
}

/// The text of a stream's head, and how many of its units are surrogates without a partner.
pub fn text(head: &[u8], order: Order) -> (Vec<u8>, usize) {
    let mut out = Vec::with_capacity(head.len());
    let lone = first(head, order, &mut out);
    (out, lone)
}

impl Codec for Utf16 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sniff(&self, head: &[u8]) -> bool {
        order(head).is_some()
    }

    fn extensions(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    fn decoder<'a>(
        &self,
        source: Box<dyn Source + 'a>,
        heads: Heads,
        second: bool,
        _need: Need<'a>,
    ) -> Result<Box<dyn Source + 'a>> {
        let input = Input::new(source, READ);
        let other = Other::default();
        Ok(Box::new(Decoder { input, heads, order: None, second, other, plain: Vec::new(), given: 0 }))
    }

    fn encoder<'a>(&self, _level: Option<i32>, _need: Need<'a>) -> Result<Box<dyn Encoder + 'a>> {
        Ok(Box::new(Units { order: None, rest: Vec::new() }))
    }

    fn is_spelling(&self) -> bool {
        true
    }
}

struct Decoder<'a> {
    input: Input<'a>,
    heads: Heads,
    order: Option<Order>,
    second: bool,
    other: Other,
    /// Decoded bytes, and how many of them were returned.
    plain: Vec<u8>,
    given: usize,
}

impl Decoder<'_> {
    /// The order of bytes; announced as the stream's only frame.
    fn order(&mut self) -> Result<Order> {
        if let Some(order) = self.order {
            return Ok(order);
        }
        let head = self.input.window(2 * LOOK)?;
        let order = order(head.get(..head.len().min(crate::limits::SNIFF)).unwrap_or_default())
            .ok_or_else(|| Error::damaged(NAME, 0, "the order of bytes is not to be told"))?;
        self.order = Some(order);
        let traits = [u64::from(order == Order::Big), 0, 0, 0];
        self.heads.push(Head { at: 0, plain_at: 0, bytes: Vec::new(), verbatim: false, names: Vec::new(), traits })?;
        Ok(order)
    }

    /// Decodes some more; `false` at the end.
    fn fill(&mut self) -> Result<bool> {
        let order = self.order()?;
        // A pair of surrogates, at least.
        let window = self.input.window(4)?;
        if window.is_empty() {
            return Ok(false);
        }
        let last = window.len() < 4;
        let mut n = window.len().min(READ);
        if last && n % 2 == 1 {
            return Err(Error::damaged(NAME, self.input.offset() + n as u64 - 1, "half a character at the end"));
        }
        n -= n % 2;
        let high = |pair: &[u8]| (0xd800..0xdc00).contains(&order.unit(pair));
        // Its partner may be the next one.
        if !last && window.get(n - 2..n).is_some_and(high) {
            n -= 2;
        }
        let units = window.get(..n).unwrap_or_default();
        if let Some((at, what)) = self.other.find(units, order) {
            return Err(Error::damaged(NAME, self.input.offset() + at as u64, what));
        }
        self.plain.clear();
        self.given = 0;
        if self.second {
            second(units, order, &mut self.plain);
        } else {
            first(units, order, &mut self.plain);
        }
        self.input.consume(n);
        Ok(true)
    }
}

impl Source for Decoder<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        while self.given == self.plain.len() {
            if buf.is_empty() || !self.fill()? {
                return Ok(0);
            }
        }
        let left = self.plain.get(self.given..).unwrap_or_default();
        let n = left.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..n), left.get(..n)) {
            to.copy_from_slice(from);
        }
        self.given += n;
        Ok(n)
    }
}

/// Units in a row that are ASCII in bytes, and units in a row that are ASCII in the other order of bytes, which are no accident:
/// of the characters of Chinese or Japanese text three of ten are of the first kind, and one of 256 of the second.
const NARROW: usize = 16;
const SWAPPED: usize = 8;

/// Looks for text of another encoding.
#[derive(Debug, Default)]
struct Other {
    /// Units in a row whose two bytes are ASCII.
    narrow: usize,
    /// Whether one of them is a character that hardly stands among others of that kind, and would be a blank or a sign.
    sign: bool,
    /// Units in a row that are ASCII with the bytes swapped.
    swapped: usize,
}

impl Other {
    /// Where in `units` it is clear, and what it is.
    fn find(&mut self, units: &[u8], order: Order) -> Option<(usize, &'static str)> {
        for (i, pair) in units.chunks_exact(2).enumerate() {
            let [high, low] = order.unit(pair).to_be_bytes();
            let ascii = |byte: u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
            if !ascii(high) {
                *self = Self::default();
                continue;
            }
            (self.swapped, self.narrow) = match low {
                0 => (self.swapped + 1, 0),
                low if ascii(low) => (0, self.narrow + 1),
                _ => (0, 0),
            };
            self.sign = self.narrow > 0 && (self.sign || matches!(high, b'\n' | b'\r' | b' '..=b'/'));
            if self.narrow >= NARROW && self.sign {
                return Some((2 * i, "it goes on as text in single bytes"));
            }
            if self.swapped >= SWAPPED {
                return Some((2 * i, "it goes on in the other order of bytes"));
            }
        }
        None
    }
}

/// Decodes by the standard library; the number of lone surrogates.
fn first(units: &[u8], order: Order, out: &mut Vec<u8>) -> usize {
    let mut lone = 0;
    for c in char::decode_utf16(units.chunks_exact(2).map(|pair| order.unit(pair))) {
        match c {
            Ok(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(error) => {
                lone += 1;
                let unit = error.unpaired_surrogate();
                out.extend_from_slice(&[
                    0xe0 | (unit >> 12) as u8,
                    0x80 | (unit >> 6 & 0x3f) as u8,
                    0x80 | (unit & 0x3f) as u8,
                ]);
            }
        }
    }
    lone
}

/// Decodes by the arithmetic of RFC 2781 §2.2 and RFC 3629 §3.
fn second(units: &[u8], order: Order, out: &mut Vec<u8>) {
    let mut at = 0;
    let unit = |at: usize| units.get(at..at + 2).map(|pair| u32::from(order.unit(pair)));
    while let Some(high) = unit(at) {
        at += 2;
        let mut point = high;
        if let (0xd800..=0xdbff, Some(low @ 0xdc00..=0xdfff)) = (high, unit(at)) {
            at += 2;
            point = 0x1_0000 + ((high & 0x3ff) << 10 | low & 0x3ff);
        }
        let (more, lead) = match point {
            0..0x80 => (0, 0),
            0x80..0x800 => (1, 0xc0),
            0x800..0x1_0000 => (2, 0xe0),
            _ => (3, 0xf0),
        };
        out.push((lead | point >> (6 * more)) as u8);
        out.extend((0..more).rev().map(|n| (0x80 | point >> (6 * n) & 0x3f) as u8));
    }
}

/// The encoder.
struct Units {
    order: Option<Order>,
    /// Bytes of a character that is not whole.
    rest: Vec<u8>,
}

fn no_text() -> Error {
    Error::new(Kind::Verify, "an edit left bytes that are no characters").layer(NAME)
}

impl Encoder for Units {
    fn begin(&mut self, head: &Head, _out: &mut Vec<u8>) -> Result<()> {
        let [big, ..] = head.traits;
        self.order = Some(if big == 1 { Order::Big } else { Order::Little });
        Ok(())
    }

    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let order = self.order.ok_or_else(no_text)?;
        self.rest.extend_from_slice(plain);
        let mut at = 0;
        while let Some((point, len)) = point(self.rest.get(at..).unwrap_or_default())? {
            at += len;
            match point.checked_sub(0x1_0000) {
                None => order.put(point as u16, out),
                Some(above) => {
                    order.put(0xd800 | (above >> 10) as u16, out);
                    order.put(0xdc00 | (above & 0x3ff) as u16, out);
                }
            }
        }
        self.rest.drain(..at);
        Ok(())
    }

    fn finish(&mut self, _out: &mut Vec<u8>) -> Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(no_text()) }
    }
}

/// The code point (a surrogate is one here) that `text` starts with, and its length; `None` if it is not whole.
fn point(text: &[u8]) -> Result<Option<(u32, usize)>> {
    let Some(lead) = text.first() else { return Ok(None) };
    let (len, bits) = match lead {
        0..0x80 => (1, 0x7f),
        0xc2..0xe0 => (2, 0x1f),
        0xe0..0xf0 => (3, 0x0f),
        0xf0..0xf5 => (4, 0x07),
        _ => return Err(no_text()),
    };
    let Some(tail) = text.get(1..len) else { return Ok(None) };
    let mut point = u32::from(lead & bits);
    for byte in tail {
        if !(0x80..0xc0).contains(byte) {
            return Err(no_text());
        }
        point = point << 6 | u32::from(byte & 0x3f);
    }
    let shortest = [0, 0x80, 0x800, 0x1_0000].get(len - 1).is_some_and(|least| point >= *least);
    if shortest && point < 0x11_0000 { Ok(Some((point, len))) } else { Err(no_text()) }
}
