//! Inflating block by block, from the middle of a stream: zlib-rs through its C interface, the only unsafe code of the codecs.
//!
//! The safe interfaces of zlib-rs and flate2 tell neither where a deflate block ends, to the bit, nor do they begin inside of a byte;
//! both are what copying blocks stands on, which spares a scrub nine tenths of its work. So six calls are wrapped here, and
//! nothing else: memory belongs to the stream, buffers are borrowed for one call, and no pointer outlives it.

use libz_rs_sys::{
    Z_BLOCK, Z_BUF_ERROR, Z_NO_FLUSH, Z_OK, Z_STREAM_END, inflate, inflateEnd, inflateGetDictionary, inflateInit2_,
    inflatePrime, inflateReset, inflateSetDictionary, z_stream, zlibVersion,
};

use crate::error::{Error, Kind, Result};
use crate::limits::DEFLATE_WINDOW;

/// Raw deflate (no header), with the largest window.
const RAW: i32 = -15;

/// A raw inflater.
pub struct Blocks {
    /// Boxed: the state inside of it belongs to this address.
    stream: Box<z_stream>,
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
    /// At the start of a stream; an error if there is no memory for 40 KiB.
    pub fn new() -> Result<Self> {
        // Boxed before it is initialised, so that it never moves.
        let mut stream = Box::new(z_stream::default());
        // SAFETY: `stream` is a valid stream with its default allocator, and `zlibVersion` is a C string of the same library.
        let code = unsafe { inflateInit2_(&raw mut *stream, RAW, zlibVersion(), size_of::<z_stream>() as i32) };
        if code == Z_OK { Ok(Self { stream }) } else { Err(failed()) }
    }

    /// Begins another stream, in which nothing was decoded.
    pub fn reset(&mut self) -> Result<()> {
        // SAFETY: the stream was initialised by `new`, and belongs to `self`.
        check(unsafe { inflateReset(&raw mut *self.stream) })
    }

    /// Begins inside of a stream, at a block: `window` was decoded before it, and the first `bits` bits (at most 7) of it are
    /// the lowest of `value`.
    pub fn begin(&mut self, window: &[u8], bits: u32, value: u8) -> Result<()> {
        self.reset()?;
        let window = window.get(window.len().saturating_sub(DEFLATE_WINDOW)..).unwrap_or_default();
        // SAFETY: as in `reset`; `window` is readable for its length, and is copied.
        check(unsafe { inflateSetDictionary(&raw mut *self.stream, window.as_ptr(), window.len() as u32) })?;
        let bits = bits.min(7);
        // SAFETY: as in `reset`.
        check(unsafe { inflatePrime(&raw mut *self.stream, bits as i32, i32::from(value & ((1 << bits) - 1))) })
    }

    /// Inflates from `input` into `out`, and stops behind a block if `stop`; `None` if the data is invalid.
    pub fn step(&mut self, input: &[u8], out: &mut [u8], stop: bool) -> Option<Step> {
        let stream = &mut *self.stream;
        let (give, take) = (input.len().min(1 << 30) as u32, out.len().min(1 << 30) as u32);
        (stream.next_in, stream.avail_in) = (input.as_ptr(), give);
        (stream.next_out, stream.avail_out) = (out.as_mut_ptr(), take);
        // SAFETY: the stream was initialised by `new`; `input` is readable and `out` writable for the lengths given, no longer
        // than theirs, and both are borrowed until the call returns.
        let code = unsafe { inflate(stream, if stop { Z_BLOCK } else { Z_NO_FLUSH }) };
        let (used, made) = (give - stream.avail_in, take - stream.avail_out);
        (stream.next_in, stream.avail_in) = (std::ptr::null(), 0);
        (stream.next_out, stream.avail_out) = (std::ptr::null_mut(), 0);
        // zlib.h, inflate(): bits 0 to 5 unused bits, 64 in the last block, 128 right behind a block.
        let state = stream.data_type;
        let stop = match code {
            Z_STREAM_END => Stop::End,
            Z_OK | Z_BUF_ERROR if stop && state & 128 != 0 && used + made > 0 => {
                Stop::Block { unused: u64::from(state as u32 & 63), last: state & 64 != 0 }
            }
            Z_OK | Z_BUF_ERROR => Stop::Inside,
            _ => return None,
        };
        Some(Step { used: used as usize, made: made as usize, stop })
    }

    /// What was decoded last, at most 32 KiB of it, into `window`.
    pub fn window(&self, window: &mut Vec<u8>) -> Result<()> {
        window.resize(DEFLATE_WINDOW, 0);
        let mut len = 0;
        // SAFETY: as in `reset`; `window` is writable for 32 KiB, which "is always enough" (zlib.h, inflateGetDictionary).
        check(unsafe { inflateGetDictionary(&raw const *self.stream, window.as_mut_ptr(), &raw mut len) })?;
        window.truncate(len as usize);
        Ok(())
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        // SAFETY: the stream was initialised by `new`, and nobody uses it afterwards.
        unsafe { inflateEnd(&raw mut *self.stream) };
    }
}

fn check(code: i32) -> Result<()> {
    if code == Z_OK { Ok(()) } else { Err(failed()) }
}

fn failed() -> Error {
    Error::new(Kind::Limit, "the decompressor could not begin")
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
        let (mut blocks, mut at, mut plain, mut ends) = (Blocks::new().unwrap(), 0, Vec::new(), Vec::new());
        loop {
            let mut out = vec![0; take];
            let input = &coded[at..coded.len().min(at + give)];
            let step = blocks.step(input, &mut out, true).unwrap();
            at += step.used;
            plain.extend_from_slice(&out[..step.made]);
            match step.stop {
                Stop::Inside => assert!(step.used + step.made > 0 || input.is_empty()),
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
        let mut blocks = Blocks::new().unwrap();
        for (bit, from, last) in all {
            let (byte, phase) = ((bit / 8) as usize, (bit % 8) as u32);
            let value = if phase == 0 { 0 } else { coded[byte] >> phase };
            blocks.begin(&plain[..from], (8 - phase) % 8, value).unwrap();
            let mut out = vec![0; plain.len() + 1];
            let step = blocks.step(&coded[(byte + usize::from(phase > 0)).min(coded.len())..], &mut out, false);
            if !last {
                let step = step.unwrap();
                assert_eq!((&out[..step.made], step.stop), (&plain[from..], Stop::End));
            }
        }
    }

    #[test]
    fn the_window_is_what_was_decoded_last() {
        let (coded, plain) = stream();
        let mut blocks = Blocks::new().unwrap();
        let mut out = vec![0; plain.len()];
        let (mut at, mut made, mut window) = (0, 0, Vec::new());
        while made < plain.len() {
            let end = plain.len().min(made + 1000);
            let step = blocks.step(&coded[at..], &mut out[made..end], false).unwrap();
            at += step.used;
            made += step.made;
            blocks.window(&mut window).unwrap();
            assert!(window == plain[made.saturating_sub(DEFLATE_WINDOW)..made]);
        }
    }

    #[test]
    fn invalid_data_is_told() {
        let mut blocks = Blocks::new().unwrap();
        assert_eq!(blocks.step(&[0xff; 9], &mut [0; 9], true), None);
        blocks.reset().unwrap();
        assert!(blocks.step(&[3, 0], &mut [0; 9], false).is_some_and(|step| step.stop == Stop::End));
    }
}
