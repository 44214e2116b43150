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
            Some(Some(cut)) => cut,
            Some(None) => Cut::Odd,
            None if whole => Cut::Odd,
            None => Cut::More,
        }
    }
}

impl Blocks {
    /// `None`: more bytes are needed; `Some(None)`: odd.
    fn step(&mut self, coded: &[u8], least: usize) -> Option<Option<Cut>> {
        let (check, mut noted, start) = match &self.open {
            Some((check, noted)) => (*check, noted.clone(), 0),
            None => {
                let bytes = coded.first_chunk::<STREAM>()?;
                if !bytes.starts_with(&head::MAGIC) {
                    return Some(None);
                }
                let Ok(check) = head::stream(bytes, 0) else { return Some(None) };
                (check, Noted::default(), STREAM)
            }
        };
        let before = if self.open.is_some() { STREAM as u64 } else { 0 };
        let tail = Check::new(check)?.finish().len() as u64;
        let (mut at, mut records) = (start, Vec::new());
        loop {
            let size = *coded.get(at)?;
            if size == 0 {
                let Some(end) = index(coded.get(at..)?, &noted, check)? else { return Some(None) };
                (self.open, self.begun) = (None, true);
                let stream = framed(coded.get(start..at)?, &records, check);
                return Some(Some(Cut::Part { used: at + end, stream, before }));
            }
            if at >= least && at > start {
                let stream = framed(coded.get(start..at)?, &records, check);
                (self.open, self.begun) = (Some((check, noted)), true);
                return Some(Some(Cut::Part { used: at, stream, before }));
            }
            let len = (usize::from(size) + 1) * 4;
            let Ok(block) = Block::parse(coded.get(at..at + len)?, 0) else { return Some(None) };
            let Some((compressed, plain)) = block.compressed.zip(block.plain) else { return Some(None) };
            let unpadded = (len as u64).checked_add(compressed)?.checked_add(tail)?;
            noted.note(unpadded, plain);
            records.push((unpadded, plain));
            let next = usize::try_from(unpadded).ok()?.checked_add(padding(compressed))?.checked_add(at)?;
            // All of it must be there.
            coded.get(at..next)?;
            at = next;
        }
    }
}

/// Length of the index at the start of `bytes` and the footer behind it; `None`: more bytes are needed, `Some(None)`: it does not match.
fn index(bytes: &[u8], noted: &Noted, check: u8) -> Option<Option<usize>> {
    let mut rest = bytes.get(1..)?;
    let mut told = Noted::default();
    let enough = |rest: &[u8]| rest.len() >= 9;
    let Some(count) = head::number(&mut rest) else { return if enough(rest) { Some(None) } else { None } };
    if count != noted.count() {
        return Some(None);
    }
    for _ in 0..count {
        let (Some(unpadded), Some(plain)) = (head::number(&mut rest), head::number(&mut rest)) else {
            return if enough(rest) { Some(None) } else { None };
        };
        told.note(unpadded, plain);
    }
    let len = bytes.len() - rest.len();
    let end = len + padding(len as u64);
    let body = bytes.get(..end)?;
    let crc = bytes.get(end..end + head::CRC)?;
    let footer = bytes.get(end + head::CRC..end + head::CRC + STREAM)?;
    let good = body.get(len..)?.iter().all(|b| *b == 0)
        && told == *noted
        && crc == crc32fast::hash(body).to_le_bytes()
        && footer == head::footer((end + head::CRC) as u64, check);
    Some(good.then_some(end + head::CRC + STREAM))
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
