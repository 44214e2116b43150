//! Inflating: the decoder that stops at blocks, beside flate2 (zlib-rs) and miniz_oxide.
//!
//! `cargo bench --bench inflate -- FILE.gz...`: of each file's first member the deflate stream, best of seven goes, in reads of 64 KiB into
//! a buffer of 256 KiB, no checksum. Time is this thread's. To be compared with `libdeflate-gunzip -c`, `igzip -dc` and `gzip -dc`, which write and
//! check as well.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench that is given no gzip file may stop where it stands"
)]

mod common;

use unwrite::layer::deflate;
use unwrite::layer::inflate::{Inflate, Stop};

const READ: usize = 64 * 1024;

/// GB/s of text of the best of seven goes, and the text's length.
fn rate(mut go: impl FnMut() -> usize) -> (f64, usize) {
    let (mut best, mut len) = (f64::INFINITY, 0);
    for _ in 0..7 {
        let started = common::cpu();
        len = go();
        best = best.min(common::cpu().saturating_sub(started).as_secs_f64());
    }
    (len as f64 / best / 1e9, len)
}

fn ours(stream: &[u8], blocks: bool) -> usize {
    let (mut inflate, mut out) = (Inflate::new(blocks), vec![0; 256 * 1024]);
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

fn theirs(stream: &[u8], second: bool) -> usize {
    let (mut inflate, mut out) = (deflate::Inflate::new(second), vec![0; 256 * 1024]);
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
    println!("| file | text MB | this decoder GB/s | stopping at blocks | zlib-rs | miniz_oxide | this / zlib-rs |");
    println!("| --- | --: | --: | --: | --: | --: | --: |");
    for path in std::env::args().skip(1).filter(|argument| argument != "--bench") {
        let file = std::fs::read(&path).expect(&path);
        // ID, method, flags, time, XFL, OS; then the name, if flags say so (RFC 1952 §2.3).
        let name = if file[3] & 8 == 0 { 0 } else { file[10..].iter().position(|b| *b == 0).expect("a name") + 1 };
        let stream = &file[10 + name..];
        let (whole, len) = rate(|| ours(stream, false));
        let (blocks, _) = rate(|| ours(stream, true));
        let (zlib, same) = rate(|| theirs(stream, false));
        let (miniz, _) = rate(|| theirs(stream, true));
        assert_eq!(len, same, "both make the same text");
        let (name, mb) = (path.rsplit('/').next().unwrap_or_default(), len as f64 / 1e6);
        println!("| {name} | {mb:.0} | {whole:.2} | {blocks:.2} | {zlib:.2} | {miniz:.2} | {:.2} |", whole / zlib);
    }
}
