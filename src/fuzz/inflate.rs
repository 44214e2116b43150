//! Deflate streams, by our decoder and by zlib.

use flate2::{Decompress, FlushDecompress, Status};

use super::choice;
use crate::layer::deflate::inflate::{Inflate, Stop};

/// Most text that is looked at, bytes: a stream can make a thousand times its length.
const MOST: usize = 1 << 20;

/// Any bytes as a deflate stream: both accept it or neither does, and the same text comes of the same bytes, however they are given.
pub fn inflate(data: &[u8]) {
    let (first, stream) = choice(data);
    let (theirs, ours) = (zlib(stream), own(stream, usize::from(first) + 1));
    assert!(theirs == ours, "zlib and our decoder differ");
}

/// The text, and the bytes that it took; `None` if the stream is invalid, cut off or too much.
type Made = Option<(Vec<u8>, usize)>;

fn zlib(stream: &[u8]) -> Made {
    let (mut inflate, mut out) = (Decompress::new(false), Vec::new());
    loop {
        out.reserve(4096);
        let (taken, made) = (inflate.total_in() as usize, out.len());
        let rest = stream.get(taken..).unwrap_or_default();
        let status = inflate.decompress_vec(rest, &mut out, FlushDecompress::None).ok()?;
        if out.len() > MOST {
            return None;
        }
        if status == Status::StreamEnd {
            return Some((out, inflate.total_in() as usize));
        }
        if (inflate.total_in() as usize, out.len()) == (taken, made) {
            return None;
        }
    }
}

fn own(stream: &[u8], read: usize) -> Made {
    let (mut inflate, mut out, mut buf) = (Inflate::default(), Vec::new(), vec![0; read * 67]);
    let (mut at, mut have) = (0, 0);
    loop {
        let step = inflate.step(stream.get(at..have).unwrap_or_default(), &mut buf)?;
        at += step.used;
        out.extend_from_slice(buf.get(..step.made).unwrap_or_default());
        if out.len() > MOST {
            return None;
        }
        match step.stop {
            Stop::End => return Some((out, at)),
            Stop::Room | Stop::Block => {}
            Stop::Input if have == stream.len() => return None,
            Stop::Input => have = (have + read).min(stream.len()),
        }
    }
}
