//! Inflating block by block, from the middle of a stream: what a splice asks of [`super::inflate`].

use super::inflate::{self, Inflate};

/// A raw inflater.
#[derive(Default)]
pub struct Blocks {
    inflate: Inflate,
    /// The end of the last block was told; that of the stream is next.
    ended: bool,
}

/// What one step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Bytes taken.
    pub used: usize,
    /// Bytes made.
    pub made: usize,
    /// Where it stopped.
    pub stop: Stop,
}

/// Where a step stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Inside a block: it was given too little to read, or too little room.
    Inside,
    /// Behind a block.
    Block {
        /// Bits of the last byte taken that are not the block's: 0 to 7.
        unused: u64,
        /// It was the last of its stream.
        last: bool,
    },
    /// Behind the stream.
    End,
}

impl Blocks {
    /// At the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins another stream, in which nothing was decoded.
    pub fn reset(&mut self) {
        self.begin(&[], 0, 0);
    }

    /// Begins inside of a stream, at a block: `window` was decoded before it, and the first `bits` bits (at most 7) of it are
    /// the lowest of `value`.
    pub fn begin(&mut self, window: &[u8], bits: u32, value: u8) {
        self.inflate.begin(value, bits, window);
        self.ended = false;
    }

    /// Inflates from `input` into `out`, and stops behind each block; `None` if the data is invalid. Where nothing is used and nothing
    /// made, more input is wanted: what was given holds no whole code.
    pub fn step(&mut self, input: &[u8], out: &mut [u8]) -> Option<Step> {
        let step = self.inflate.step(input, out)?;
        Some(self.told(step))
    }

    /// As [`Self::step`], behind what `out` holds, at most `room` bytes.
    pub fn extend(&mut self, input: &[u8], out: &mut Vec<u8>, room: usize) -> Option<Step> {
        let step = self.inflate.extend(input, out, room)?;
        Some(self.told(step))
    }

    fn told(&mut self, step: inflate::Step) -> Step {
        let unused = u64::from(self.inflate.unused_bits());
        let at = match step.stop {
            inflate::Stop::Input | inflate::Stop::Room => Stop::Inside,
            inflate::Stop::Block => Stop::Block { unused, last: false },
            inflate::Stop::End if self.ended => Stop::End,
            inflate::Stop::End => {
                self.ended = true;
                Stop::Block { unused, last: true }
            }
        };
        Step { used: step.used, made: step.made, stop: at }
    }

    /// What was decoded last, at most 32 KiB of it.
    pub fn window(&self) -> &[u8] {
        self.inflate.window()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compress, Compression, FlushCompress};

    /// Three blocks, the second of which refers to the first.
    fn stream() -> (Vec<u8>, Vec<u8>) {
        let (mut out, mut plain) = (Vec::new(), Vec::new());
        let mut deflate = Compress::new(Compression::new(6), false);
        for (n, flush) in
            [FlushCompress::Partial, FlushCompress::Partial, FlushCompress::Finish].into_iter().enumerate()
        {
            let text: Vec<u8> = (0..400).flat_map(|i| format!("line {} of {n}\n", i % 37).into_bytes()).collect();
            out.reserve(1 << 16);
            deflate.compress_vec(&text, &mut out, flush).unwrap();
            plain.extend(text);
        }
        (out, plain)
    }

    /// The ends of all blocks: coded bits, plain bytes, whether last.
    fn ends(coded: &[u8], give: usize, take: usize) -> (Vec<(u64, usize, bool)>, Vec<u8>) {
        let (mut blocks, mut at, mut plain, mut ends) = (Blocks::new(), 0, Vec::new(), Vec::new());
        let mut have = 0;
        loop {
            let mut out = vec![0; take];
            let step = blocks.step(&coded[at..have], &mut out).unwrap();
            at += step.used;
            plain.extend_from_slice(&out[..step.made]);
            match step.stop {
                Stop::Inside if step.used + step.made > 0 => {}
                Stop::Inside => {
                    assert!(have < coded.len());
                    have = coded.len().min(have + give);
                }
                Stop::Block { unused, last } => ends.push((at as u64 * 8 - unused, plain.len(), last)),
                Stop::End => return (ends, plain),
            }
        }
    }

    #[test]
    fn every_block_is_a_place_to_begin() {
        let (coded, plain) = stream();
        let (all, decoded) = ends(&coded, 1 << 20, 1 << 20);
        assert_eq!(decoded, plain);
        assert!(all.len() >= 4 && all.last().unwrap().2 && all.iter().filter(|end| end.2).count() == 1, "{all:?}");
        for (give, take) in [(1, 1), (3, 7), (1 << 20, 1), (1, 1 << 20)] {
            assert_eq!(ends(&coded, give, take), (all.clone(), plain.clone()));
        }
        let mut blocks = Blocks::new();
        for (bit, from, last) in all {
            let (byte, phase) = ((bit / 8) as usize, (bit % 8) as u32);
            let value = if phase == 0 { 0 } else { coded[byte] >> phase };
            blocks.begin(&plain[..from], (8 - phase) % 8, value);
            let (mut at, mut rest) = ((byte + usize::from(phase > 0)).min(coded.len()), Vec::new());
            loop {
                if last {
                    break;
                }
                let mut out = vec![0; plain.len() + 1];
                let step = blocks.step(&coded[at..], &mut out).unwrap();
                at += step.used;
                rest.extend_from_slice(&out[..step.made]);
                if step.stop == Stop::End {
                    assert_eq!(rest, &plain[from..]);
                    break;
                }
            }
        }
    }

    #[test]
    fn invalid_data_is_told() {
        let mut blocks = Blocks::new();
        assert_eq!(blocks.step(&[0xff; 9], &mut [0; 9]), None);
        blocks.reset();
        let stops = [(); 2].map(|()| blocks.step(&[3, 0], &mut [0; 9]).unwrap().stop);
        assert_eq!(stops, [Stop::Block { unused: 6, last: true }, Stop::End]);
    }
}
