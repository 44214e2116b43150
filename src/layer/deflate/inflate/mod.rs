//! A decoder of deflate streams (RFC 1951) that stops at blocks, and can begin at one.
//!
//! Why our own: a splice must know the bit at which a block ends, and begin behind it. The safe interfaces of zlib-rs, flate2 and
//! `miniz_oxide` tell neither, and the C-shaped one of zlib-rs takes `unsafe` for it; this one is safe, and a little faster
//! (`benches/inflate.rs`, figures in `benches/runs/`). It accepts what zlib accepts, which tests and a fuzz target hold it to.
//! Verification decodes by another one (`miniz_oxide`).
//!
//! Memory: the text of 160 KiB of which the last 32 KiB are history, and tables of 20 KiB, whatever comes.

#![expect(
    clippy::indexing_slicing,
    reason = "the hot loop: its condition leaves room for all that one turn reads and writes; no input gets past it"
)]
#![expect(clippy::inline_always, reason = "the steps of one loop")]

pub mod tables;
#[cfg(test)]
mod tests;

use self::tables::{Codes, DISTANCES, Distances, END, LITERAL, LITERALS, Lengths, ORDER, SECOND, SPECIAL};
use crate::limits::DEFLATE_WINDOW;
use crate::matcher::classes::with_bits;

/// Decoded bytes that are made at a time.
const MADE: usize = 128 * 1024;
/// Longest match (RFC 1951 §3.2.5).
const MATCH: usize = 258;
/// Bytes past a match's end that its copy may write.
const SLACK: usize = 32;
/// Bytes of input that one turn of the fast loop may load past what it takes.
const LOAD: usize = 8;

/// Where a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// More input is wanted; what was not used must be given again, with what follows it.
    Input,
    /// More room is wanted.
    Room,
    /// A block ended, and all that is decoded was given. Not the last one.
    Block,
    /// The last block ended, and all that is decoded was given.
    End,
}

/// What one step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Bytes of the input that are done with.
    pub used: usize,
    /// Bytes that were written.
    pub made: usize,
    /// Why it stopped.
    pub stop: Stop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a block's header.
    Head,
    /// In a stored block with so many bytes left.
    Stored(usize),
    /// In a block of symbols.
    Symbols,
    /// Behind a block that is not told yet.
    Ended,
    /// Behind the last block.
    Done,
}

/// How a header was read.
#[derive(PartialEq, Eq)]
enum Read {
    Whole,
    /// The input does not hold all of it.
    Cut,
}

/// What ends the decoding of symbols, or of anything, for now.
enum Pause {
    /// Until there is more input.
    Input,
    /// Until what is made was given.
    Room,
    /// The block is over.
    End,
}

/// A decoder.
pub struct Inflate {
    /// History, then what was decoded and not given.
    text: Box<[u8]>,
    /// Decoded bytes end here.
    end: usize,
    /// What was given ends here.
    given: usize,
    /// Of `text`, where history begins.
    start: usize,
    /// Bits of the stream, the next one lowest; those from `count` on are clear.
    bits: u64,
    count: u32,
    state: State,
    last: bool,
    lengths: Lengths,
    distances: Distances,
    /// The tables are of the fixed code.
    fixed: bool,
    codes: Codes,
}

impl Default for Inflate {
    /// At the start of a stream.
    fn default() -> Self {
        Self {
            text: vec![0; DEFLATE_WINDOW + MADE + MATCH + SLACK].into_boxed_slice(),
            end: 0,
            given: 0,
            start: 0,
            bits: 0,
            count: 0,
            state: State::Head,
            last: false,
            lengths: Lengths::default(),
            distances: Distances::default(),
            fixed: false,
            codes: Codes::default(),
        }
    }
}

impl Inflate {
    /// Begins another stream.
    pub fn reset(&mut self) {
        self.begin(0, 0, &[]);
    }

    /// Begins at a block of which `bits` (`count` of them, at most 7) were read already, behind the text `window` (its last 32 KiB
    /// count).
    pub fn begin(&mut self, bits: u8, count: u32, window: &[u8]) {
        let window = &window[window.len().saturating_sub(DEFLATE_WINDOW)..];
        self.text[..window.len()].copy_from_slice(window);
        (self.start, self.given, self.end) = (0, window.len(), window.len());
        self.count = count.min(7);
        self.bits = u64::from(bits) & ((1 << self.count) - 1);
        (self.state, self.last) = (State::Head, false);
    }

    /// Bits of the last used byte that are not used.
    pub fn unused_bits(&self) -> u32 {
        self.count
    }

    /// The bytes before the next one that is given: at most 32 KiB.
    pub fn window(&self) -> &[u8] {
        &self.text[self.start.max(self.given.saturating_sub(DEFLATE_WINDOW))..self.given]
    }

    /// Decodes from `input` into `out`; `None` if the stream is invalid. Input is used up to the last byte of which a bit was needed; of
    /// a code or header that it does not hold whole, nothing is used.
    pub fn step(&mut self, input: &[u8], out: &mut [u8]) -> Option<Step> {
        let room = out.len();
        self.give(input, room, |text| out[..text.len()].copy_from_slice(text))
    }

    /// As [`Self::step`], behind what `out` holds, at most `room` bytes.
    pub fn extend(&mut self, input: &[u8], out: &mut Vec<u8>, room: usize) -> Option<Step> {
        self.give(input, room, |text| out.extend_from_slice(text))
    }

    /// What was decoded is given first; only then more is decoded.
    #[inline]
    fn give(&mut self, input: &[u8], room: usize, take: impl FnOnce(&[u8])) -> Option<Step> {
        let (mut used, mut stop) = (0, Stop::Room);
        if self.given == self.end {
            stop = match self.decode(input, &mut used)? {
                Pause::Input => Stop::Input,
                Pause::Room | Pause::End => Stop::Room,
            };
        }
        let made = (self.end - self.given).min(room);
        take(&self.text[self.given..self.given + made]);
        self.given += made;
        if self.given < self.end {
            stop = Stop::Room;
        } else if self.state == State::Done {
            stop = Stop::End;
        } else if self.state == State::Ended {
            self.state = State::Head;
            stop = Stop::Block;
        }
        Some(Step { used, made, stop })
    }

    /// Decodes until a block ends that is to be told, the text is full or the input is used up.
    fn decode(&mut self, input: &[u8], used: &mut usize) -> Option<Pause> {
        self.make_room();
        let mut at = 0;
        let pause = loop {
            let pause = match self.state {
                State::Head => self.head(input, &mut at)?,
                State::Stored(left) => self.stored(left, input, &mut at),
                State::Symbols => {
                    self.fast(input, &mut at)?;
                    self.slow(input, &mut at)?
                }
                State::Ended | State::Done => break Pause::End,
            };
            match pause {
                Pause::End => {}
                pause => break pause,
            }
        };
        self.give_back(&mut at);
        *used = at;
        Some(pause)
    }

    /// Moves the history down, if what may be made at a time does not fit behind it.
    fn make_room(&mut self) {
        if self.end > DEFLATE_WINDOW + MADE / 2 {
            let keep = self.end.saturating_sub(DEFLATE_WINDOW).max(self.start);
            self.text.copy_within(keep..self.end, 0);
            (self.start, self.end) = (0, self.end - keep);
            self.given = self.end;
        }
    }

    /// Whole bytes that wait are unread.
    fn give_back(&mut self, at: &mut usize) {
        *at -= (self.count / 8) as usize;
        self.count %= 8;
        self.bits &= (1 << self.count) - 1;
    }

    /// Loads what fits.
    #[inline(always)]
    fn refill(&mut self, input: &[u8], at: &mut usize) {
        if let Some(word) = input.get(*at..).and_then(<[u8]>::first_chunk) {
            self.bits |= u64::from_le_bytes(*word) << self.count;
            *at += ((63 - self.count) >> 3) as usize;
            self.count |= 0b11_1000;
            self.bits &= (1 << self.count) - 1;
            return;
        }
        while self.count < 56
            && let Some(byte) = input.get(*at)
        {
            self.bits |= u64::from(*byte) << self.count;
            self.count += 8;
            *at += 1;
        }
    }

    #[inline(always)]
    fn take(&mut self, count: u32) -> u64 {
        let bits = self.bits & ((1 << count) - 1);
        self.bits >>= count;
        self.count -= count;
        bits
    }

    /// Reads a block's header, whole or not at all.
    fn head(&mut self, input: &[u8], at: &mut usize) -> Option<Pause> {
        let before = (*at, self.bits, self.count);
        if self.header(input, at)? == Read::Cut {
            (*at, self.bits, self.count) = before;
            return Some(Pause::Input);
        }
        Some(Pause::End)
    }

    fn header(&mut self, input: &[u8], at: &mut usize) -> Option<Read> {
        self.refill(input, at);
        if self.count < 3 {
            return Some(Read::Cut);
        }
        let last = self.take(1) == 1;
        let state = match self.take(2) {
            0 => {
                // The rest of the byte is not looked at; LEN and its complement follow (RFC 1951 §3.2.4).
                self.take(self.count % 8);
                self.refill(input, at);
                if self.count < 32 {
                    return Some(Read::Cut);
                }
                let (len, check) = (self.take(16), self.take(16));
                if len != !check & 0xffff {
                    return None;
                }
                State::Stored(len as usize)
            }
            1 => {
                self.fixed_code()?;
                State::Symbols
            }
            2 => {
                self.fixed = false;
                if self.dynamic_code(input, at)? == Read::Cut {
                    return Some(Read::Cut);
                }
                State::Symbols
            }
            _ => return None,
        };
        (self.last, self.state) = (last, state);
        Some(Read::Whole)
    }

    /// The code of RFC 1951 §3.2.6.
    fn fixed_code(&mut self) -> Option<()> {
        if self.fixed {
            return Some(());
        }
        let mut lengths = [8; LITERALS];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        self.fixed = self.lengths.make(&lengths, tables::literal, false)
            && self.distances.make(&[5; DISTANCES], tables::distance, false);
        self.fixed.then_some(())
    }

    /// Reads the codes of a block (RFC 1951 §3.2.7).
    fn dynamic_code(&mut self, input: &[u8], at: &mut usize) -> Option<Read> {
        self.refill(input, at);
        if self.count < 14 {
            return Some(Read::Cut);
        }
        let (literals, distances) = (self.take(5) as usize + 257, self.take(5) as usize + 1);
        let codes = self.take(4) as usize + 4;
        if literals > 286 || distances > 30 {
            return None;
        }
        let mut lengths = [0; 19];
        for place in ORDER.iter().take(codes) {
            self.refill(input, at);
            if self.count < 3 {
                return Some(Read::Cut);
            }
            lengths[*place] = self.take(3) as u8;
        }
        if !self.codes.make(&lengths, tables::code, false) {
            return None;
        }
        let mut lengths = [0u8; LITERALS + DISTANCES];
        let (mut n, all) = (0, literals + distances);
        while n < all {
            self.refill(input, at);
            let entry = self.codes.first(self.bits);
            let code = entry & 0xff;
            let (base, extra) = match entry >> 16 {
                16 => (3, 2),
                17 => (3, 3),
                18 => (11, 7),
                _ => (1, 0),
            };
            if self.count < code + extra {
                return Some(Read::Cut);
            }
            self.take(code);
            let repeat = base + self.take(extra) as usize;
            let length = match entry >> 16 {
                symbol @ 0..16 => symbol as u8,
                16 => *lengths.get(n.checked_sub(1)?)?,
                _ => 0,
            };
            if n + repeat > all {
                return None;
            }
            lengths[n..n + repeat].fill(length);
            n += repeat;
        }
        let (of_lengths, of_distances) = lengths[..all].split_at(literals);
        let made = of_lengths[256] > 0
            && self.lengths.make(of_lengths, tables::literal, true)
            && self.distances.make(of_distances, tables::distance, true);
        made.then_some(Read::Whole)
    }

    /// Copies what a stored block has.
    fn stored(&mut self, left: usize, input: &[u8], at: &mut usize) -> Pause {
        self.give_back(at);
        let room = DEFLATE_WINDOW + MADE - self.end.min(DEFLATE_WINDOW + MADE);
        let n = left.min(room).min(input.len() - *at);
        self.text[self.end..self.end + n].copy_from_slice(&input[*at..*at + n]);
        self.end += n;
        *at += n;
        if n == left {
            self.block_ended();
            return Pause::End;
        }
        self.state = State::Stored(left - n);
        if n == room { Pause::Room } else { Pause::Input }
    }

    fn block_ended(&mut self) {
        self.state = if self.last { State::Done } else { State::Ended };
    }

    /// Symbols, as long as there are input and room for some turns. Stops before a block's end.
    fn fast(&mut self, input: &[u8], at: &mut usize) -> Option<()> {
        with_bits(
            #[inline(always)]
            || self.turns(input, at),
        )
    }

    /// The loop of [`Self::fast`]. The next entry is looked up before a match is copied, so that neither waits for the other.
    #[inline(always)]
    fn turns(&mut self, input: &[u8], at: &mut usize) -> Option<()> {
        let (mut bits, mut count, mut from, mut to) = (self.bits, self.count, *at, self.end);
        let (lengths, distances, start) = (&self.lengths, &self.distances, self.start);
        let text = &mut *self.text;
        let most = DEFLATE_WINDOW + MADE;
        macro_rules! refill {
            ($out:lifetime) => {
                let Some(word) = input.get(from..).and_then(<[u8]>::first_chunk) else { break $out };
                bits |= u64::from_le_bytes(*word) << (count & 63);
                from += ((63 - count) >> 3) as usize;
                count |= 0b11_1000;
            };
        }
        macro_rules! take {
            ($entry:expr) => {
                bits >>= $entry & 63;
                count -= $entry & 63;
            };
        }
        let mut sound = true;
        // Not the loop's condition alone: each turn ends with bits enough for a first look.
        'turns: while to < most && from + 4 * LOAD < input.len() {
            refill!('turns);
            let mut entry = lengths.first(bits);
            // Bits for a length and a distance with all their extra bits (48), or for three literals of the first look (33) and another look.
            loop {
                if entry & LITERAL != 0 {
                    take!(entry);
                    text[to] = (entry >> 16) as u8;
                    entry = lengths.first(bits);
                    to += 1;
                    if entry & LITERAL != 0 {
                        take!(entry);
                        text[to] = (entry >> 16) as u8;
                        entry = lengths.first(bits);
                        to += 1;
                        if entry & LITERAL != 0 {
                            take!(entry);
                            text[to] = (entry >> 16) as u8;
                            to += 1;
                            continue 'turns;
                        }
                    }
                    refill!('turns);
                }
                if entry & SPECIAL != 0 {
                    if entry & SECOND != 0 {
                        entry = lengths.second(entry, bits);
                    }
                    if entry & LITERAL != 0 {
                        take!(entry);
                        text[to] = (entry >> 16) as u8;
                        to += 1;
                        continue 'turns;
                    }
                    if entry & SPECIAL != 0 {
                        // The end, or no code: the slow loop looks again.
                        break 'turns;
                    }
                }
                let len = value(entry, bits);
                let rest = bits >> (entry & 63);
                let far = distances.look(rest);
                let distance = value(far, rest);
                if far & SPECIAL != 0 || distance > to - start {
                    sound = false;
                    break 'turns;
                }
                count -= (entry & 63) + (far & 63);
                bits = rest >> (far & 63);
                let here = to;
                to += len;
                if to >= most || from + 4 * LOAD >= input.len() {
                    copy(text, here, distance, len);
                    continue 'turns;
                }
                refill!('turns);
                entry = lengths.first(bits);
                copy(text, here, distance, len);
            }
        }
        (self.bits, self.count, *at, self.end) = (bits & ((1 << (count & 63)) - 1), count, from, to);
        sound.then_some(())
    }

    /// Symbols one by one, with a look at how many bits there are.
    fn slow(&mut self, input: &[u8], at: &mut usize) -> Option<Pause> {
        loop {
            if self.end >= DEFLATE_WINDOW + MADE {
                return Some(Pause::Room);
            }
            self.refill(input, at);
            let entry = self.lengths.look(self.bits);
            if self.count < entry & 63 {
                return Some(Pause::Input);
            }
            if entry & LITERAL != 0 {
                self.take(entry & 63);
                self.text[self.end] = (entry >> 16) as u8;
                self.end += 1;
                continue;
            }
            if entry & SPECIAL != 0 {
                if entry & END == 0 {
                    return None;
                }
                self.take(entry & 63);
                self.block_ended();
                return Some(Pause::End);
            }
            let rest = self.bits >> (entry & 63);
            let far = self.distances.look(rest);
            if self.count < (entry & 63) + (far & 63) {
                return Some(Pause::Input);
            }
            if far & SPECIAL != 0 {
                return None;
            }
            let (len, distance) = (value(entry, self.bits), value(far, rest));
            if distance > self.end - self.start {
                return None;
            }
            self.take((entry & 63) + (far & 63));
            copy(&mut self.text, self.end, distance, len);
            self.end += len;
            if *at + 3 * LOAD < input.len() {
                self.fast(input, at)?;
            }
        }
    }
}

/// Base and extra bits of the symbol whose entry this is, and whose code comes first in `bits`.
#[inline(always)]
fn value(entry: u32, bits: u64) -> usize {
    let extra = (bits & ((1 << (entry & 63)) - 1)) >> (entry >> 8 & 0xf);
    (entry >> 16) as usize + extra as usize
}

/// Copies the `len` bytes that stand `distance` before `to` to there, one after the other; may write up to 31 bytes more.
#[inline(always)]
fn copy(text: &mut [u8], to: usize, distance: usize, len: usize) {
    let from = to - distance;
    if distance >= 16 {
        let mut done = 0;
        while done < len {
            let Some(piece) = text.get(from + done..).and_then(<[u8]>::first_chunk::<16>).copied() else { return };
            let Some(place) = text.get_mut(to + done..).and_then(<[u8]>::first_chunk_mut::<16>) else { return };
            *place = piece;
            done += 16;
        }
    } else if distance == 1 {
        let byte = text[from];
        text[to..to + len].fill(byte);
    } else {
        for i in 0..len {
            text[to + i] = text[from + i];
        }
    }
}
