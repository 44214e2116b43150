//! Raw deflate streams (RFC 1951), which gzip and zip have in common: two libraries that inflate, one that deflates, and how what
//! stays is copied.

pub mod place;
pub mod raw;
pub mod splice;
pub mod symbols;

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZFlush, MZStatus};

use crate::error::{Error, Kind, Result};

/// Room that [`squeeze`] makes in its output before each step, bytes.
const STEP: usize = 32 * 1024;

/// The two libraries.
pub enum Inflate {
    /// flate2 over zlib-rs.
    First(Decompress),
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
    /// At the start of a deflate stream; by the second library if `second`.
    pub fn new(second: bool) -> Self {
        if second {
            Self::Second(InflateState::new_boxed(DataFormat::Raw))
        } else {
            Self::First(Decompress::new(false))
        }
    }

    /// Begins another deflate stream.
    pub fn reset(&mut self) {
        match self {
            Inflate::First(state) => state.reset(false),
            Inflate::Second(state) => state.reset(DataFormat::Raw),
        }
    }

    /// Inflates from `input` into `out`, which is not empty; `None` if the data is invalid.
    pub fn step(&mut self, input: &[u8], out: &mut [u8]) -> Option<Step> {
        match self {
            Inflate::First(state) => {
                let (taken, made) = (state.total_in(), state.total_out());
                let status = state.decompress(input, out, FlushDecompress::None).ok()?;
                Some(Step {
                    used: (state.total_in() - taken) as usize,
                    made: (state.total_out() - made) as usize,
                    done: status == Status::StreamEnd,
                })
            }
            Inflate::Second(state) => {
                let step = inflate(state, input, out, MZFlush::None);
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
