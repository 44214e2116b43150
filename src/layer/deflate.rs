//! Raw deflate streams (RFC 1951), which gzip and zip have in common: two decoders, one encoder, and how what stays is copied.

pub mod blocks;
pub mod inflate;
pub mod place;
pub mod splice;
pub mod symbols;

use flate2::{Compress, FlushCompress, Status};
use miniz_oxide::inflate::stream::InflateState;
use miniz_oxide::{DataFormat, MZFlush, MZStatus};

use super::coded::{Encoder, Head};
use crate::error::{Error, Kind, Result};

/// Room that [`squeeze`] makes in its output before each step, bytes.
const STEP: usize = 32 * 1024;

/// The two decoders.
pub enum Inflate {
    /// Our own, which can stop at blocks.
    First(Box<inflate::Inflate>),
    /// `miniz_oxide`, for the second look.
    Second(Box<InflateState>),
}

/// What one step of inflating came to.
pub struct Step {
    /// Bytes taken.
    pub used: usize,
    /// Bytes made.
    pub made: usize,
    /// The deflate stream ended behind what was used.
    pub done: bool,
}

impl Inflate {
    /// At the start of a deflate stream; by the second one if `second`.
    pub fn new(second: bool) -> Self {
        if second { Self::Second(InflateState::new_boxed(DataFormat::Raw)) } else { Self::First(Box::default()) }
    }

    /// Begins another deflate stream.
    pub fn reset(&mut self) {
        match self {
            Inflate::First(state) => state.reset(),
            Inflate::Second(state) => state.reset(DataFormat::Raw),
        }
    }

    /// Inflates from `input` into `out`, which is not empty; `None` if the data is invalid. Where nothing is used and nothing made, more
    /// input is wanted.
    pub fn step(&mut self, input: &[u8], out: &mut [u8]) -> Option<Step> {
        match self {
            Inflate::First(state) => {
                // A block may end in the bits of a byte that was used before: that is no want of input.
                let step = loop {
                    let step = state.step(input, out)?;
                    if step.stop != inflate::Stop::Block || step.used + step.made > 0 {
                        break step;
                    }
                };
                Some(Step { used: step.used, made: step.made, done: step.stop == inflate::Stop::End })
            }
            Inflate::Second(state) => {
                let step = miniz_oxide::inflate::stream::inflate(state, input, out, MZFlush::None);
                let done = match step.status {
                    Ok(status) => status == MZStatus::StreamEnd,
                    // Only that it could not go on with what it was given.
                    Err(miniz_oxide::MZError::Buf) => false,
                    Err(_) => return None,
                };
                Some(Step { used: step.bytes_consumed, made: step.bytes_written, done })
            }
        }
    }
}

/// Compresses all of `plain`; with `Finish`, ends the deflate stream.
pub fn squeeze(deflate: &mut Compress, mut plain: &[u8], out: &mut Vec<u8>, flush: FlushCompress) -> Result<()> {
    let finish = flush == FlushCompress::Finish;
    while finish || !plain.is_empty() {
        out.reserve(STEP);
        let (taken, made) = (deflate.total_in(), out.len());
        let status =
            deflate.compress_vec(plain, out, flush).map_err(|_| Error::new(Kind::Verify, "the compressor failed"))?;
        let used = (deflate.total_in() - taken) as usize;
        plain = plain.get(used..).unwrap_or_default();
        if status == Status::StreamEnd {
            break;
        }
        if used == 0 && out.len() == made {
            return Err(Error::new(Kind::Verify, "the compressor stands still"));
        }
    }
    Ok(())
}

/// Compresses one stream without a head of its own: raw, or in zlib's format.
pub struct Deflated {
    compress: Compress,
    layer: &'static str,
}

impl Deflated {
    /// By `compress`; errors name the layer `layer`.
    pub fn new(compress: Compress, layer: &'static str) -> Self {
        Self { compress, layer }
    }
}

impl Encoder for Deflated {
    fn begin(&mut self, _: &Head, _: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }
    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        squeeze(&mut self.compress, plain, out, FlushCompress::None).map_err(|error| error.layer(self.layer))
    }
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        squeeze(&mut self.compress, &[], out, FlushCompress::Finish).map_err(|error| error.layer(self.layer))
    }
}

/// Leaves bytes as they are.
pub struct Stored;

impl Encoder for Stored {
    fn begin(&mut self, _: &Head, _: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }
    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(plain);
        Ok(())
    }
    fn finish(&mut self, _: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }
}
