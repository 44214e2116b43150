//! Inflating: the decoder that stops at blocks, beside flate2 (zlib-rs) and `miniz_oxide`.
//!
//! `cargo bench --bench inflate -- FILE.gz...`: of each file's first member the deflate stream, best of seven goes, in reads of 64 KiB into
//! a buffer of 256 KiB, no checksum. Time is this thread's. To be compared with `libdeflate-gunzip -c`, `igzip -dc` and `gzip -dc`, which write and
//! check as well.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench that is given no gzip file may stop where it stands"
)]

use std::time::Duration;

use flate2::{Decompress, FlushDecompress, Status};
use rustix::time::{ClockId, clock_gettime};
use unwrite::layer::deflate;
use unwrite::layer::deflate::inflate::{Inflate, Stop};

const READ: usize = 64 * 1024;

/// CPU time of this thread.
fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// GB/s of text of the best of seven goes, and the text's length.
fn rate(mut go: impl FnMut() -> usize) -> (f64, usize) {
    let (mut best, mut len) = (f64::INFINITY, 0);
    for _ in 0..7 {
        let started = cpu();
        len = go();
        best = best.min(cpu().saturating_sub(started).as_secs_f64());
    }
    (len as f64 / best / 1e9, len)
}

fn ours(stream: &[u8]) -> usize {
    let (mut inflate, mut out) = (Inflate::default(), vec![0; 256 * 1024]);
    let (mut at, mut have, mut len) = (0, 0, 0);
    loop {
        let step = inflate.step(&stream[at..have], &mut out).expect("a deflate stream");
        at += step.used;
        len += step.made;
        match step.stop {
            Stop::End => return len,
            Stop::Input => have = (have + READ).min(stream.len()),
            Stop::Room | Stop::Block => {}
        }
    }
}

fn zlib(stream: &[u8]) -> usize {
    let (mut inflate, mut out) = (Decompress::new(false), vec![0; 256 * 1024]);
    loop {
        let at = inflate.total_in() as usize;
        let piece = &stream[at..(at + READ).min(stream.len())];
        let status = inflate.decompress(piece, &mut out, FlushDecompress::None).expect("a deflate stream");
        if status == Status::StreamEnd {
            return inflate.total_out() as usize;
        }
    }
}

fn miniz(stream: &[u8]) -> usize {
    let (mut inflate, mut out) = (deflate::Inflate::new(true), vec![0; 256 * 1024]);
    let (mut at, mut len) = (0, 0);
    loop {
        let step = inflate.step(&stream[at..(at + READ).min(stream.len())], &mut out).expect("a deflate stream");
        at += step.used;
        len += step.made;
        if step.done {
            return len;
        }
    }
}

fn main() {
    println!("| file | text MB | this decoder GB/s | zlib-rs | miniz_oxide | this / zlib-rs |");
    println!("| --- | --: | --: | --: | --: | --: |");
    for path in std::env::args().skip(1).filter(|argument| argument != "--bench") {
        let file = std::fs::read(&path).expect(&path);
        // ID, method, flags, time, XFL, OS; then the name, if flags say so (RFC 1952 §2.3).
        let name = if file[3] & 8 == 0 { 0 } else { file[10..].iter().position(|b| *b == 0).expect("a name") + 1 };
        let stream = &file[10 + name..];
        let (own, len) = rate(|| ours(stream));
        let (theirs, same) = rate(|| zlib(stream));
        let (second, _) = rate(|| miniz(stream));
        assert_eq!(len, same, "both make the same text");
        let (name, mb) = (path.rsplit('/').next().unwrap_or_default(), len as f64 / 1e6);
        println!("| {name} | {mb:.0} | {own:.2} | {theirs:.2} | {second:.2} | {:.2} |", own / theirs);
    }
}
