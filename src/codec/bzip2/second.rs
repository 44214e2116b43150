//! A decoder of bzip2 streams of our own, for the second look: no line of it is libbz2's.
//!
//! Bits come most significant first. A stream is blocks, each with its CRC, then the end with the CRC of all (each block's
//! folded in by a rotation). A block is Huffman-coded move-to-front positions with runs of zero as base-2 numbers; undone,
//! they are the last column of the sorted rotations, and undone again, bytes in which four equal ones are followed by a count.
//! Every index that the data gives is checked where it is used; memory is four bytes for each byte of a block.

use crc::{CRC_32_BZIP2, Crc, Digest, Table};

use super::{CUT, INVALID, STEP};
use crate::error::{Error, Result};
use crate::layer::feed::Feed;

static CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_BZIP2);

/// Magic number of a block.
const BLOCK: u64 = 0x3141_5926_5359;
/// Magic number of the end of a stream.
const END: u64 = 0x1772_4538_5090;
/// Symbols behind which the next table is chosen.
const GROUP: usize = 50;
/// Longest code, bits.
const LONGEST: usize = 20;
/// Most selectors that are used: 900000 symbols in groups of 50, and what old versions wrote beyond.
const SELECTORS: usize = 18_002;
/// Bytes that stay in the window behind what was taken: as many as may be given back.
const BACK: usize = 8;

/// Decodes one stream after another.
#[derive(Default)]
pub struct Second {
    bits: Bits,
    /// Bytes of a block, at most.
    most: usize,
    /// Of the block: byte of the last column in the low 8 bits, the next place above them.
    rows: Vec<u32>,
    /// Of the block: what is not yet returned.
    left: usize,
    row: u32,
    run: Run,
    /// CRC of the open block as it is so far, and as it should be.
    digest: Option<Digest<'static, u32, Table<16>>>,
    want: u32,
    /// CRC of the stream's blocks so far.
    all: u32,
}

/// Undoes the run-length coding: four equal bytes and how many more.
#[derive(Default)]
struct Run {
    last: u8,
    equal: u8,
    /// More of `last` to come.
    more: u8,
}

impl Second {
    /// Begins at the first block of a stream of `level`.
    pub fn begin(&mut self, level: u32) {
        self.bits = Bits::default();
        self.most = STEP as usize * level as usize;
        (self.left, self.digest, self.all) = (0, None, 0);
        self.run = Run::default();
    }

    /// Decodes into `buf`; the flag tells that the stream ended.
    pub fn read(&mut self, feed: &mut Feed<'_>, buf: &mut [u8]) -> Result<(usize, bool)> {
        loop {
            let n = self.emit(buf).ok_or_else(|| feed.damaged(INVALID))?;
            if n > 0 {
                if let Some(digest) = &mut self.digest {
                    digest.update(buf.get(..n).unwrap_or_default());
                }
                return Ok((n, false));
            }
            if let Some(digest) = self.digest.take() {
                let is = digest.finalize();
                if is != self.want {
                    return Err(feed.damaged("a block's checksum does not match"));
                }
                self.all = self.all.rotate_left(1) ^ is;
            }
            if self.next(feed)? {
                return Ok((0, true));
            }
        }
    }

    /// Reads the next block; `true` if the stream ends instead.
    fn next(&mut self, feed: &mut Feed<'_>) -> Result<bool> {
        match self.bits.take(feed, 48)? {
            BLOCK => {}
            END => {
                let want = self.bits.take(feed, 32)? as u32;
                self.bits.release(feed);
                if want != self.all {
                    return Err(feed.damaged("the stream's checksum does not match"));
                }
                return Ok(true);
            }
            _ => return Err(feed.damaged(INVALID)),
        }
        self.want = self.bits.take(feed, 32)? as u32;
        if self.bits.take(feed, 1)? != 0 {
            return Err(Error::unsupported("randomised bzip2 block"));
        }
        let start = self.bits.take(feed, 24)? as usize;
        let counts = self.symbols(feed)?;
        self.sort(start, &counts).ok_or_else(|| feed.damaged(INVALID))?;
        self.digest = Some(CRC.digest());
        self.run = Run::default();
        Ok(false)
    }

    /// Reads a block's symbols into the low bytes of `rows`; gives how often each byte is there.
    fn symbols(&mut self, feed: &mut Feed<'_>) -> Result<[u32; 256]> {
        let (mut used, count) = self.used(feed)?;
        let tables = self.bits.take(feed, 3)? as usize;
        let selectors = self.bits.take(feed, 15)? as usize;
        if count == 0 || !(2..=6).contains(&tables) || selectors == 0 {
            return Err(feed.damaged(INVALID));
        }
        let choice = self.choice(feed, tables, selectors)?;
        let mut codes = Vec::with_capacity(tables);
        for _ in 0..tables {
            codes.push(self.code(feed, count + 2)?);
        }
        let (end, mut counts) = (count as u32 + 1, [0_u32; 256]);
        self.rows.clear();
        // A run of the front byte, in the digits 1 and 2 of base 2, the lowest first.
        let (mut run, mut digit) = (0_usize, 1_usize);
        for selected in choice {
            let code = codes.get(usize::from(selected)).ok_or_else(|| feed.damaged(INVALID))?;
            for _ in 0..GROUP {
                let symbol = code.next(&mut self.bits, feed)?;
                if symbol <= 1 {
                    if digit > self.most {
                        return Err(feed.damaged(INVALID));
                    }
                    run += digit << symbol;
                    digit <<= 1;
                    continue;
                }
                let [front, ..] = used;
                let whole = self.rows.len() + run;
                if whole + usize::from(symbol != end) > self.most {
                    return Err(feed.damaged(INVALID));
                }
                if run > 0 {
                    self.rows.resize(whole, u32::from(front));
                    if let Some(count) = counts.get_mut(usize::from(front)) {
                        *count += run as u32;
                    }
                    (run, digit) = (0, 1);
                }
                if symbol == end {
                    return Ok(counts);
                }
                let Some(moved) = used.get_mut(..symbol as usize) else { return Err(feed.damaged(INVALID)) };
                moved.rotate_right(1);
                let [byte, ..] = used;
                self.rows.push(u32::from(byte));
                if let Some(count) = counts.get_mut(usize::from(byte)) {
                    *count += 1;
                }
            }
        }
        Err(feed.damaged(INVALID))
    }

    /// The bytes that a block has, in order, and their number.
    fn used(&mut self, feed: &mut Feed<'_>) -> Result<([u8; 256], usize)> {
        let (mut used, mut count) = ([0; 256], 0);
        let rows = self.bits.take(feed, 16)?;
        for row in 0..16_u8 {
            if rows >> (15 - row) & 1 == 0 {
                continue;
            }
            let bytes = self.bits.take(feed, 16)?;
            for column in (0..16_u8).filter(|column| bytes >> (15 - column) & 1 == 1) {
                if let Some(slot) = used.get_mut(count) {
                    *slot = row << 4 | column;
                }
                count += 1;
            }
        }
        Ok((used, count))
    }

    /// Which table each group has.
    fn choice(&mut self, feed: &mut Feed<'_>, tables: usize, selectors: usize) -> Result<Vec<u8>> {
        let (mut front, mut choice) = ([0_u8, 1, 2, 3, 4, 5], Vec::with_capacity(selectors.min(SELECTORS)));
        for _ in 0..selectors {
            let mut at = 0;
            while self.bits.take(feed, 1)? == 1 {
                at += 1;
                if at >= tables {
                    return Err(feed.damaged(INVALID));
                }
            }
            front.get_mut(..=at).unwrap_or_default().rotate_right(1);
            if choice.len() < SELECTORS {
                choice.push(front[0]);
            }
        }
        Ok(choice)
    }

    /// Reads one table: each length as steps from the one before.
    fn code(&mut self, feed: &mut Feed<'_>, symbols: usize) -> Result<Code> {
        let mut lengths = Vec::with_capacity(symbols);
        let mut length = self.bits.take(feed, 5)? as usize;
        for _ in 0..symbols {
            loop {
                if !(1..=LONGEST).contains(&length) {
                    return Err(feed.damaged(INVALID));
                }
                if self.bits.take(feed, 1)? == 0 {
                    break;
                }
                length = if self.bits.take(feed, 1)? == 0 { length + 1 } else { length - 1 };
            }
            lengths.push(length);
        }
        Ok(Code::new(&lengths))
    }

    /// Undoes the sorting: each row gets the place of its successor. `None` if `start` is no row.
    fn sort(&mut self, start: usize, counts: &[u32; 256]) -> Option<()> {
        let (mut firsts, mut sum) = (*counts, 0);
        for first in &mut firsts {
            (*first, sum) = (sum, sum + *first);
        }
        for at in 0..self.rows.len() {
            let byte = *self.rows.get(at)? as u8;
            let place = firsts.get_mut(usize::from(byte))?;
            *self.rows.get_mut(*place as usize)? |= (at as u32) << 8;
            *place += 1;
        }
        self.row = *self.rows.get(start)? >> 8;
        self.left = self.rows.len();
        Some(())
    }

    /// Writes the block's next bytes; `None` if a row leads nowhere.
    fn emit(&mut self, buf: &mut [u8]) -> Option<usize> {
        let mut n = 0;
        while let Some(slot) = buf.get_mut(n) {
            if self.run.more > 0 {
                self.run.more -= 1;
                *slot = self.run.last;
                n += 1;
                continue;
            }
            if self.left == 0 {
                break;
            }
            let entry = *self.rows.get(self.row as usize)?;
            let byte = entry as u8;
            (self.row, self.left) = (entry >> 8, self.left - 1);
            if self.run.equal == 4 {
                self.run.more = byte;
                self.run.equal = 0;
                continue;
            }
            self.run.equal = if byte == self.run.last && self.run.equal > 0 { self.run.equal + 1 } else { 1 };
            self.run.last = byte;
            *slot = byte;
            n += 1;
        }
        Some(n)
    }
}

/// One Huffman code: canonical, by length.
struct Code {
    /// For each length: the first code beyond those of this length, left-aligned to [`LONGEST`] bits.
    limits: [u32; LONGEST + 1],
    /// For each length: what is taken from a code to get its place in `symbols`.
    offsets: [u32; LONGEST + 1],
    symbols: Vec<u16>,
}

impl Code {
    fn new(lengths: &[usize]) -> Self {
        let (mut limits, mut offsets, mut symbols) =
            ([0; LONGEST + 1], [0; LONGEST + 1], Vec::with_capacity(lengths.len()));
        let mut code = 0_u32;
        for (length, (limit, offset)) in limits.iter_mut().zip(&mut offsets).enumerate().skip(1) {
            code <<= 1;
            *offset = code.wrapping_sub(symbols.len() as u32);
            symbols.extend((0_u16..).zip(lengths).filter(|(_, is)| **is == length).map(|(symbol, _)| symbol));
            code += lengths.iter().filter(|is| **is == length).count() as u32;
            *limit = code << (LONGEST - length);
        }
        Self { limits, offsets, symbols }
    }

    /// Reads a symbol.
    fn next(&self, bits: &mut Bits, feed: &mut Feed<'_>) -> Result<u32> {
        let ahead = bits.peek(feed, LONGEST)?;
        for (length, (limit, offset)) in self.limits.iter().zip(&self.offsets).enumerate().skip(1) {
            if ahead < *limit {
                bits.drop(feed, length)?;
                let at = (ahead >> (LONGEST - length)).wrapping_sub(*offset);
                let symbol = self.symbols.get(at as usize).ok_or_else(|| feed.damaged(INVALID))?;
                return Ok(u32::from(*symbol));
            }
        }
        // No code starts so; but bits that are not there may have looked like one.
        if (bits.count as usize) < LONGEST { Err(feed.cut(CUT)) } else { Err(feed.damaged(INVALID)) }
    }
}

/// Bits of the feed, most significant first.
#[derive(Default)]
struct Bits {
    /// The next bits, in the low `count`.
    word: u64,
    count: u32,
    /// Bytes of the feed's window that are in `word` or used up, and not yet consumed.
    taken: usize,
}

impl Bits {
    /// Fills up to more than 48 bits, or as many as there are.
    fn fill(&mut self, feed: &mut Feed<'_>) -> Result<()> {
        let spare = self.taken.saturating_sub(BACK);
        feed.input.consume(spare);
        self.taken -= spare;
        let window = feed.input.window(self.taken + 8)?;
        for byte in window.iter().skip(self.taken) {
            if self.count > 48 {
                break;
            }
            self.word = self.word << 8 | u64::from(*byte);
            self.count += 8;
            self.taken += 1;
        }
        Ok(())
    }

    /// The next `n` bits, at most 48; zeros where the source has ended.
    fn peek(&mut self, feed: &mut Feed<'_>, n: usize) -> Result<u32> {
        if (self.count as usize) < n {
            self.fill(feed)?;
        }
        let have = self.count as usize;
        let ahead = if have >= n { self.word >> (have - n) } else { self.word << (n - have) };
        Ok((ahead & ((1 << n) - 1)) as u32)
    }

    fn drop(&mut self, feed: &Feed<'_>, n: usize) -> Result<()> {
        self.count = self.count.checked_sub(n as u32).ok_or_else(|| feed.cut(CUT))?;
        Ok(())
    }

    /// Reads `n` bits, at most 48.
    fn take(&mut self, feed: &mut Feed<'_>, n: u32) -> Result<u64> {
        if self.count < n {
            self.fill(feed)?;
        }
        self.drop(feed, n as usize)?;
        Ok(self.word >> self.count & ((1 << n) - 1))
    }

    /// Gives back whole bytes that were not used, and consumes the others.
    fn release(&mut self, feed: &mut Feed<'_>) {
        feed.input.consume(self.taken - (self.count / 8) as usize);
        *self = Self::default();
    }
}
