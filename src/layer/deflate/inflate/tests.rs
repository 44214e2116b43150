//! Held to zlib: same text, same end, same verdict on damaged streams, however the input comes.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use proptest::prelude::*;

use super::*;

/// Deflates `plain`, with flushes at some places.
fn deflate(plain: &[u8], level: u32, flushes: &[(usize, u8)]) -> Vec<u8> {
    let mut deflate = Compress::new(Compression::new(level), false);
    let mut out = Vec::new();
    let mut write = |plain: &[u8], flush| {
        let mut rest = plain;
        loop {
            out.reserve(1024);
            let before = deflate.total_in();
            let status = deflate.compress_vec(rest, &mut out, flush).unwrap();
            rest = &rest[(deflate.total_in() - before) as usize..];
            let more = out.capacity() == out.len();
            if status == Status::StreamEnd || flush != FlushCompress::Finish && rest.is_empty() && !more {
                break;
            }
        }
    };
    let mut at = 0;
    for (gap, kind) in flushes {
        let to = (at + gap).min(plain.len());
        let flush = if kind % 2 == 0 { FlushCompress::Sync } else { FlushCompress::Full };
        write(&plain[at..to], flush);
        at = to;
    }
    write(&plain[at..], FlushCompress::Finish);
    out
}

/// What zlib makes of a stream: the text, and how much of the stream that took; `None` if it is invalid or cut off.
fn zlib(stream: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut inflate, mut out) = (Decompress::new(false), Vec::new());
    loop {
        out.reserve(4096);
        let (taken, made) = (inflate.total_in() as usize, out.len());
        let status = inflate.decompress_vec(&stream[taken..], &mut out, FlushDecompress::None).ok()?;
        if status == Status::StreamEnd {
            return Some((out, inflate.total_in() as usize));
        }
        if inflate.total_in() as usize == taken && out.len() == made {
            return None;
        }
    }
}

/// Text, bytes that it took, and the ends of blocks: bits of the stream, bytes of the text.
type Made = (Vec<u8>, usize, Vec<(u64, usize)>);

/// What this decoder makes of it, given `read` bytes at a time and room for `room`; with the places of the blocks.
fn ours(stream: &[u8], read: usize, room: usize) -> Option<Made> {
    let mut inflate = Inflate::default();
    let (mut at, mut have, mut out, mut ends) = (0, 0, Vec::new(), Vec::new());
    let mut buf = vec![0; room];
    loop {
        let step = inflate.step(&stream[at..have], &mut buf)?;
        at += step.used;
        out.extend_from_slice(&buf[..step.made]);
        match step.stop {
            Stop::End => return Some((out, at, ends)),
            Stop::Block => ends.push((at as u64 * 8 - u64::from(inflate.unused_bits()), out.len())),
            Stop::Room => {}
            Stop::Input if have == stream.len() => return None,
            Stop::Input => have = (have + read).min(stream.len()),
        }
        let from = out.len().saturating_sub(DEFLATE_WINDOW);
        assert_eq!(inflate.window(), &out[from..], "the window is what was given last");
    }
}

/// Text with repetitions near and far, and bytes without.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        (any::<u8>(), 0usize..400).prop_map(|(byte, n)| vec![byte; n]),
        prop::collection::vec(any::<u8>(), 0..600),
        (0u32..5000, 1usize..400).prop_map(|(seed, n)| {
            (0..n as u32)
                .flat_map(|i| format!("GET /{} 200 \"{}\"\n", seed + i % 37, i * seed % 91).into_bytes())
                .collect()
        }),
        prop::sample::select(vec!["abc", "abcdefgh", "ab"]).prop_map(|s| s.repeat(200).into_bytes()),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn same_text_and_end_as_zlib(plain in text(), level in 0u32..10, flushes in prop::collection::vec((0usize..40_000, any::<u8>()), 0..4),
                                 read in 1usize..5000, room in 1usize..70_000) {
        let mut stream = deflate(&plain, level, &flushes);
        let len = stream.len();
        stream.extend_from_slice(b"what follows");
        let (text, used, ends) = ours(&stream, read, room).unwrap();
        prop_assert!(text == plain);
        prop_assert_eq!(used, len);
        // From each block on, with its window, the rest comes out.
        for (bit, plain_at) in ends.iter().take(4) {
            let (byte, shift) = ((bit / 8) as usize, (bit % 8) as u32);
            let mut inflate = Inflate::default();
            let count = (8 - shift) % 8;
            let first = if count > 0 { stream[byte] >> shift } else { 0 };
            inflate.begin(first, count, &plain[..*plain_at]);
            let (mut at, mut out, mut buf) = (byte + usize::from(count > 0), plain[..*plain_at].to_vec(), vec![0; 4096]);
            loop {
                let step = inflate.step(&stream[at..], &mut buf).unwrap();
                at += step.used;
                out.extend_from_slice(&buf[..step.made]);
                if step.stop == Stop::End {
                    break;
                }
            }
            prop_assert!(out == plain && at == len);
        }
    }

    #[test]
    fn same_verdict_on_damaged_streams(plain in text(), level in 1u32..10, at in any::<prop::sample::Index>(), to in any::<u8>(),
                                       cut in any::<prop::sample::Index>(), read in 1usize..600) {
        let mut stream = deflate(&plain, level, &[]);
        let i = at.index(stream.len());
        stream[i] = to;
        for end in [stream.len(), cut.index(stream.len())] {
            let (theirs, ours) = (zlib(&stream[..end]), ours(&stream[..end], read, 9000));
            prop_assert_eq!(theirs.is_some(), ours.is_some());
            if let (Some((text, used)), Some((mine, taken, _))) = (theirs, ours) {
                prop_assert!(text == mine && used == taken);
            }
        }
    }

    #[test]
    fn same_verdict_on_wild_bytes(stream in prop::collection::vec(any::<u8>(), 0..200), read in 1usize..50) {
        let (theirs, ours) = (zlib(&stream), ours(&stream, read, 9000));
        prop_assert_eq!(theirs.is_some(), ours.is_some());
        if let (Some((text, used)), Some((mine, taken, _))) = (theirs, ours) {
            prop_assert!(text == mine && used == taken);
        }
    }
}

/// A header of lengths that are drawn is a code seldom; these are made so that most are.
#[test]
fn codes_of_all_lengths_are_read() {
    // Fibonacci weights give codes of 15 bits: each symbol as often as the two before it together.
    let (mut plain, mut a, mut b) = (Vec::new(), 1usize, 1usize);
    for symbol in 0..24u8 {
        plain.extend(std::iter::repeat_n(symbol * 9, a));
        (a, b) = (b, a + b);
    }
    // Shuffled, so that there are no matches to speak of.
    let mut state = 7u64;
    for i in (1..plain.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        plain.swap(i, (state >> 33) as usize % (i + 1));
    }
    for level in [1, 6, 9] {
        let stream = deflate(&plain, level, &[]);
        let (text, used, _) = ours(&stream, 1000, 5000).unwrap();
        assert!(text == plain && used == stream.len());
    }
}

#[test]
fn what_zlib_refuses() {
    // Reserved block type; a stored block whose lengths differ; a distance before the start (fixed code: length 3, distance 1).
    for stream in [&[0x07, 0, 0, 0, 0][..], &[0x01, 1, 0, 0, 0, 0], &[0x03, 0x02, 0, 0, 0]] {
        assert_eq!(zlib(stream).is_some(), ours(stream, 1, 10).is_some(), "{stream:?}");
    }
}

/// As its callers ask the decoder: where nothing is used and nothing made, there must be more input.
fn asked(stream: &[u8], room: usize) -> Option<Vec<u8>> {
    let (mut inflate, mut at, mut out, mut buf) = (super::super::Inflate::new(false), 0, Vec::new(), vec![0; room]);
    loop {
        let step = inflate.step(&stream[at..], &mut buf)?;
        at += step.used;
        out.extend_from_slice(&buf[..step.made]);
        if step.done {
            return Some(out);
        }
        if step.used + step.made == 0 {
            return None;
        }
    }
}

/// The text is full, and the block's end is in the bits of a byte that was used before.
#[test]
fn a_block_may_end_without_another_byte() {
    for more in 0..600 {
        let first = DEFLATE_WINDOW + MADE - 300 + more;
        let plain = vec![0; first + 1000];
        let stream = deflate(&plain, 9, &[(first, 0)]);
        for room in [1 << 16, 1 << 20] {
            assert!(asked(&stream, room).as_ref() == Some(&plain), "{more}");
        }
    }
}
