//! Blocks of an xz stream, as streams of their own: where their headers tell of their sizes, as `xz -T` writes them.
//!
//! A part is some blocks between a stream header and an index of them alone; the stream's own index and footer are compared here
//! with what the headers said, which the decoders hold them to. What is odd in any way is left to the decoder, which reads the
//! stream from its start.

use super::decode::Noted;
use super::head::{self, Block, STREAM};
use super::{Check, padding};
use crate::layer::ahead::{Cut, Cutter};

/// Cuts streams at their blocks.
#[derive(Default)]
pub struct Blocks {
    /// Inside a stream: the id of its check, and the blocks so far.
    open: Option<(u8, Noted)>,
    /// Something was cut.
    begun: bool,
}

impl Cutter for Blocks {
    fn cut(&mut self, coded: &[u8], whole: bool, least: usize) -> Cut {
        let zeros = || coded.iter().all(|b| *b == 0) && coded.len().is_multiple_of(4);
        if self.open.is_none() && self.begun && whole && zeros() {
            return Cut::End { used: coded.len() };
        }
        match self.step(coded, least) {
            Ok(cut) => cut,
            Err(Cut::More) if !whole => Cut::More,
            Err(_) => Cut::Odd,
        }
    }
}

impl Blocks {
    /// The next part; an error is `More` or `Odd`.
    fn step(&mut self, coded: &[u8], least: usize) -> Result<Cut, Cut> {
        let (check, mut noted, start) = if let Some((check, noted)) = &self.open {
            (*check, noted.clone(), 0)
        } else {
            let bytes = coded.first_chunk::<STREAM>().ok_or(Cut::More)?;
            if !bytes.starts_with(&head::MAGIC) {
                return Err(Cut::Odd);
            }
            (head::stream(bytes, 0).map_err(|_| Cut::Odd)?, Noted::default(), STREAM)
        };
        let before = if self.open.is_some() { STREAM as u64 } else { 0 };
        let tail = Check::new(check).ok_or(Cut::Odd)?.finish().len() as u64;
        let part = |at: usize, records: &[_]| framed(coded.get(start..at).unwrap_or_default(), records, check);
        let (mut at, mut records) = (start, Vec::new());
        loop {
            let rest = coded.get(at..).unwrap_or_default();
            let size = *rest.first().ok_or(Cut::More)?;
            if size == 0 {
                let end = index(rest, &noted, check)?;
                (self.open, self.begun) = (None, true);
                return Ok(Cut::Part { used: at + end, stream: part(at, &records), before, bit: 0 });
            }
            if at >= least && at > start {
                (self.open, self.begun) = (Some((check, noted)), true);
                return Ok(Cut::Part { used: at, stream: part(at, &records), before, bit: 0 });
            }
            let len = (usize::from(size) + 1) * 4;
            let block = Block::parse(rest.get(..len).ok_or(Cut::More)?, 0).map_err(|_| Cut::Odd)?;
            let (compressed, plain) = block.compressed.zip(block.plain).ok_or(Cut::Odd)?;
            let unpadded = compressed.checked_add(len as u64 + tail).ok_or(Cut::Odd)?;
            let next = usize::try_from(unpadded).ok().and_then(|n| n.checked_add(padding(compressed)));
            let next = next.and_then(|n| n.checked_add(at)).ok_or(Cut::Odd)?;
            // All of it must be there.
            if next > coded.len() {
                return Err(Cut::More);
            }
            noted.note(unpadded, plain);
            records.push((unpadded, plain));
            at = next;
        }
    }
}

/// Length of the index at the start of `bytes` and the footer behind it; an error is `More` or `Odd`.
fn index(bytes: &[u8], noted: &Noted, check: u8) -> Result<usize, Cut> {
    let mut rest = bytes.get(1..).unwrap_or_default();
    let mut told = Noted::default();
    let mut number = || {
        let cut = if rest.len() < 9 { Cut::More } else { Cut::Odd };
        head::number(&mut rest).ok_or(cut)
    };
    let count = number()?;
    if count != noted.count() {
        return Err(Cut::Odd);
    }
    for _ in 0..count {
        let unpadded = number()?;
        told.note(unpadded, number()?);
    }
    let len = bytes.len() - rest.len();
    let end = len + padding(len as u64);
    let all = end + head::CRC + STREAM;
    let whole = bytes.get(..all).ok_or(Cut::More)?;
    let (body, behind) = whole.split_at_checked(end).ok_or(Cut::More)?;
    let (crc, footer) = behind.split_at_checked(head::CRC).ok_or(Cut::More)?;
    let good = body.iter().skip(len).all(|b| *b == 0)
        && told == *noted
        && crc == crc32fast::hash(body).to_le_bytes()
        && footer == head::footer((end + head::CRC) as u64, check);
    if good { Ok(all) } else { Err(Cut::Odd) }
}

/// `blocks` as a stream of its own.
fn framed(blocks: &[u8], records: &[(u64, u64)], check: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(blocks.len() + 64 + records.len() * 12);
    out.extend_from_slice(&head::MAGIC);
    out.extend_from_slice(&[0, check]);
    out.extend_from_slice(&crc32fast::hash(&[0, check]).to_le_bytes());
    out.extend_from_slice(blocks);
    let start = out.len();
    out.push(0);
    head::push_number(records.len() as u64, &mut out);
    for (unpadded, plain) in records {
        head::push_number(*unpadded, &mut out);
        head::push_number(*plain, &mut out);
    }
    out.resize(out.len() + padding((out.len() - start) as u64), 0);
    let crc = crc32fast::hash(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&crc.to_le_bytes());
    let len = (out.len() - start) as u64;
    out.extend_from_slice(&head::footer(len, check));
    out
}
