//! Splices of what other programs wrote, read by other programs.
//!
//! A case is a text, an encoder, edits and a read size, all of them from a number. The result must decode to the model by every
//! decoder; it must be the same with and without points (unless a block is too long to be held); and what is kept of the original
//! must refer to nothing that went.
//! `scripts/splice` runs as many cases as wanted; a normal test run a few.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Gzip;
use crate::blob::Blob;
use crate::codec::testing::planted::{Lifted, find_and_lift};
use crate::codec::testing::{Edits, decode, log, model, noise, tool};
use crate::layer::coded::CodecLayer;
use crate::layer::deflate::blocks::{Blocks, Stop};
use crate::limits::Limits;
use crate::span::Span;

static LAYER: CodecLayer = CodecLayer(&Gzip);

/// Python's zlib by level, strategy and memory, with flushes of all kinds at places that follow from a number.
const PYTHON_ENCODER: &str = "
import random, sys, zlib
level, strategy, memory, seed = map(int, sys.argv[1:])
chance, data = random.Random(seed), sys.stdin.buffer.read()
made = zlib.compressobj(level, zlib.DEFLATED, 31, memory, strategy)
out, at = [], 0
while at < len(data):
    n = chance.choice([1, 100, 5000, 40000, 300000])
    out.append(made.compress(data[at:at + n]))
    out.append(made.flush(chance.choice([1, 2, 3, 5])))
    at += n
sys.stdout.buffer.write(b''.join(out) + made.flush())
";

/// All members by Python's zlib.
const PYTHON_DECODER: &str = "
import sys, zlib
data = sys.stdin.buffer.read()
while data:
    member = zlib.decompressobj(31)
    sys.stdout.buffer.write(member.decompress(data) + member.flush())
    assert member.eof
    data = member.unused_data
";

const DECODERS: &[(&str, &[&str])] = &[
    ("gzip", &["-dc"]),
    ("pigz", &["-dc"]),
    ("igzip", &["-dc"]),
    ("libdeflate-gunzip", &["-c"]),
    ("python3", &["-c", PYTHON_DECODER]),
];

/// Random numbers (splitmix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// What a tool makes of `input`; a missing tool, or one that fails, fails the test.
fn run(name: &str, args: &[&str], input: &[u8]) -> Vec<u8> {
    match tool(name, args, input) {
        None => panic!("{name} is not installed, and needed here"),
        Some(Err(())) => panic!("{name} {args:?} failed"),
        Some(Ok(out)) => out,
    }
}

/// One encoder by its number.
fn encode(n: usize, chance: &mut Chance, text: &[u8]) -> (String, Vec<u8>) {
    let (name, args): (&str, Vec<String>) = match n {
        0..9 => ("gzip", vec![format!("-{}c", n + 1)]),
        9 => ("pigz", vec!["-cp2".into(), "-b128".into(), format!("-{}", chance.pick(&[1, 6, 9]))]),
        10 => ("pigz", vec!["-cip2".into(), "-b128".into()]),
        // Slow: a little of it.
        11 => ("pigz", vec!["-c11".into(), "-I1".into()]),
        12 => ("zopfli", vec!["--i1".into(), "-c".into()]),
        13..17 => ("igzip", vec!["-c".into(), format!("-{}", n - 13)]),
        17..29 => ("libdeflate-gzip", vec!["-c".into(), format!("-{}", n - 16)]),
        29 => ("bgzip", vec!["-c".into()]),
        _ => {
            let numbers = [n as u64 % 10, (n as u64 - 30) % 5, 1 + chance.next() % 9, chance.next() % 1000];
            let args = numbers.iter().map(u64::to_string);
            ("python3", ["-c".to_owned(), PYTHON_ENCODER.to_owned()].into_iter().chain(args).collect())
        }
    };
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    if name == "zopfli" {
        // It reads files only.
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        args.push(file.path().to_str().unwrap());
        return (format!("{name} --i1"), run(name, &args, b""));
    }
    let shown = if name == "python3" { &args[2..] } else { &args[..] };
    (format!("{name} {}", shown.join(" ")), run(name, &args, text))
}

/// Encoders by number.
const ENCODERS: usize = 45;

/// Some text: logs, what repeats, what does not compress, or a mixture.
fn text(chance: &mut Chance) -> Vec<u8> {
    let size = chance.pick(&[0, 1, 50, 3000, 40_000, 150_000, 400_000]);
    let mut out = Vec::new();
    while out.len() < size {
        let n = 1 + chance.below(size / 2 + 1);
        match chance.below(6) {
            0 => out.extend(noise(n + 7).split_off(chance.below(7))),
            1 => out.extend(std::iter::repeat_n(b"the same line again\n", n / 20 + 1).flatten()),
            2 => out.resize(out.len() + n * 4, b'0'),
            _ => {
                let lines = log(n / 60 + 1);
                let from = chance.below(lines.len().min(200));
                out.extend_from_slice(&lines[from..]);
            }
        }
    }
    out.truncate(size);
    out
}

/// Lines that go, words that change, insertions, long stretches that go; now and then all of it.
fn edits(chance: &mut Chance, text: &[u8], ends: &[usize]) -> Edits {
    if chance.below(20) == 0 {
        return vec![(0..text.len(), b"".to_vec())];
    }
    let count = chance.pick(&[1, 1, 2, 3, 8, 30]);
    let mut starts: Vec<usize> = (0..count)
        .map(|_| match chance.below(6) {
            0 => chance.pick(&[0, text.len()]),
            // About the ends of members.
            1 => (chance.pick(ends) + chance.below(40)).saturating_sub(20).min(text.len()),
            2 => chance.pick(ends),
            _ => chance.below(text.len() + 1),
        })
        .collect();
    starts.sort_unstable();
    starts.dedup();
    let mut edits: Edits = Vec::new();
    for (n, start) in starts.iter().copied().enumerate() {
        let until = starts.get(n + 1).copied().unwrap_or(text.len());
        let len = match chance.below(6) {
            0 => 0,
            1 => chance.below(100_000),
            2 => chance.below(10),
            _ => chance.below(300),
        };
        let payload = match chance.below(4) {
            0 => noise(chance.below(300)),
            1 => b"ERASED".to_vec(),
            _ => Vec::new(),
        };
        let end = (start + len).min(until);
        if (start < end || !payload.is_empty()) && edits.last().is_none_or(|(last, _)| last.end < start) {
            edits.push((start..end, payload));
        }
    }
    edits
}

fn lifted(bytes: &[u8], edits: &Edits, points: bool, window: usize) -> Lifted {
    let limits = Limits { window, ..Limits::default() };
    find_and_lift(&LAYER, (bytes, &bytes.to_vec()), edits, points, &limits, &mut |_, _| ()).unwrap()
}

/// One case, whole.
fn case(seed: u64) -> String {
    let mut chance = Chance(seed);
    let (mut bytes, mut all, mut ends, mut by) = (Vec::new(), Vec::new(), vec![0], Vec::new());
    for _ in 0..chance.pick(&[1, 1, 1, 2, 4]) {
        let text = text(&mut chance);
        let (name, member) = encode(seed as usize % ENCODERS, &mut chance, &text);
        bytes.extend(member);
        all.extend(text);
        ends.push(all.len());
        by.push(name);
    }
    let edits = edits(&mut chance, &all, &ends);
    let (want, told) =
        (model(&all, &edits), format!("seed {seed}: {by:?}, {} bytes, {} edits", all.len(), edits.len()));
    if number("SPLICE_TELL").is_some_and(|n| n > 1) {
        println!("{told}: members end at {ends:?}, {:?}", edits.iter().map(|(r, p)| (r, p.len())).collect::<Vec<_>>());
    }
    let one = lifted(&bytes, &edits, true, chance.pick(&[1 << 18, 1 << 16, 5000, 333]));
    let other = lifted(&bytes, &edits, false, chance.pick(&[1 << 18, 4096]));
    if let Some(folder) = std::env::var_os("SPLICE_DUMP").map(std::path::PathBuf::from) {
        std::fs::write(folder.join("before.gz"), &bytes).unwrap();
        std::fs::write(folder.join("after.gz"), &one.bytes).unwrap();
    }
    assert!(one.bytes == other.bytes, "{told}: points or read sizes matter");
    for second in [false, true] {
        let (got, _) = decode(&Gzip, &one.bytes, 1 << 16, 1 << 16, second).unwrap_or_else(|e| panic!("{told}: {e}"));
        let differs = got.iter().zip(&want).position(|(a, b)| a != b);
        assert!(got == want, "{told}: second {second}: at {differs:?}, {} of {}", got.len(), want.len());
    }
    for (name, args) in DECODERS {
        assert!(run(name, args, &one.bytes) == want, "{told}: {name}");
    }
    let dropped: Vec<Range<usize>> = edits.iter().map(|(range, _)| range.clone()).collect();
    refers_to_nothing(&bytes, &all, &dropped, &one.gone, &told);
    told
}

/// The blocks of a gzip stream: bits, plain range, and the plain offset of their member.
fn blocks(bytes: &[u8]) -> Vec<(Range<u64>, Range<usize>, usize)> {
    let (_, heads) = decode(&Gzip, bytes, 1 << 16, 1 << 16, false).unwrap();
    let mut found = Vec::new();
    for head in heads.iter().filter(|head| !head.verbatim) {
        let (mut at, from) = (head.at as usize + head.bytes.len(), head.plain_at as usize);
        let (mut inflate, mut out, mut plain, mut bit) = (Blocks::new(), vec![0; 1 << 16], from, at as u64 * 8);
        let mut start = plain;
        loop {
            let step = inflate.step(&bytes[at..], &mut out).unwrap();
            at += step.used;
            plain += step.made;
            if let Stop::Block { unused, last } = step.stop {
                let end = at as u64 * 8 - unused;
                found.push((bit..end, start..plain, from));
                (bit, start) = (end, plain);
                if last {
                    break;
                }
            }
        }
    }
    found
}

/// Blocks that are kept decode to the same where all that was dropped is other bytes in the window before them.
fn refers_to_nothing(bytes: &[u8], all: &[u8], dropped: &[Range<usize>], gone: &[Span], told: &str) {
    let mut other = all.to_vec();
    for range in dropped {
        other[range.clone()].iter_mut().for_each(|byte| *byte ^= 0x55);
    }
    for (bits, plain, from) in blocks(bytes) {
        let (first, last) = (bits.start.div_ceil(8), bits.end / 8);
        if plain.is_empty() || first >= last || gone.iter().any(|gone| gone.start < last && gone.end > first) {
            continue;
        }
        let window = &other[from.max(plain.start.saturating_sub(32_768))..plain.start];
        let (byte, phase) = ((bits.start / 8) as usize, (bits.start % 8) as u32);
        let mut inflate = Blocks::new();
        inflate.begin(window, (8 - phase) % 8, bytes[byte].checked_shr(phase).unwrap_or(0));
        let (mut at, mut filled, mut out) = (byte + usize::from(phase > 0), 0, vec![0; plain.len()]);
        while filled < out.len() {
            let step = inflate.step(&bytes[at..], &mut out[filled..]).unwrap();
            (at, filled) = (at + step.used, filled + step.made);
        }
        assert!(out == all[plain.clone()], "{told}: block of {plain:?} refers to what was dropped");
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn splices_of_every_encoder_are_read_by_every_decoder() {
    let seed = number("SPLICE_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.as_secs() / 3600 * 1000
    });
    let cases = number("SPLICE_CASES").unwrap_or(ENCODERS as u64);
    println!("splice: {cases} cases from seed {seed}; SPLICE_SEED=… SPLICE_CASES=1 repeats one");
    for n in seed..seed + cases {
        let told = case(n);
        if number("SPLICE_TELL").is_some() {
            println!("{told}");
        }
    }
    println!("splice: {cases} cases, 0 failures");
}

/// A blob that counts what is read of it.
struct Counted(Vec<u8>, AtomicU64);

impl Blob for Counted {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        let n = self.0[..].read_at(at, buf)?;
        self.1.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// 20 MB of log in one member, some lines that go: all of the rest are the original's bytes, in their place, and most of them
/// are not read.
#[test]
fn what_stays_is_the_original_and_is_not_read() {
    let text = log(300_000);
    let bytes = run("gzip", &["-6cn"], &text);
    let line = |n: usize| {
        let at = text[n..].iter().position(|b| *b == b'\n').unwrap() + n + 1;
        at..at + text[at..].iter().position(|b| *b == b'\n').unwrap() + 1
    };
    let edits: Edits = [3 << 20, 9 << 20, (9 << 20) + 300].map(|n| (line(n), Vec::new())).to_vec();
    let blob = Counted(bytes.clone(), AtomicU64::new(0));
    let limits = Limits::default();
    let lifted = find_and_lift(&LAYER, (&bytes, &blob), &edits, true, &limits, &mut |_, _| ()).unwrap();
    assert!(lifted.points > 10);
    let read = blob.1.load(Ordering::Relaxed) as usize;
    assert!(read * 4 < bytes.len(), "{read} of {} bytes were read", bytes.len());
    let len = bytes.len() as u64;
    assert_eq!(lifted.gone.len(), 3, "two regions and the trailer: {:?}", lifted.gone);
    assert_eq!(lifted.gone[2], Span::new(len - 8, len));
    // An edit and 32 KiB behind it.
    let most = 40_000 * bytes.len() as u64 / text.len() as u64;
    assert!(lifted.gone[..2].iter().all(|gone| gone.len() < most), "{:?}", lifted.gone);
    // Behind each region every byte is the original's.
    let tail = lifted.gone[1].end as usize..bytes.len() - 8;
    let kept = &lifted.bytes[lifted.bytes.len() - 8 - tail.len()..lifted.bytes.len() - 8];
    assert!(kept == &bytes[tail], "the tail moved by bits");
    assert!(lifted.bytes.len() < bytes.len() + 160 * 2, "{} of {}", lifted.bytes.len(), bytes.len());
    assert!(run("gzip", &["-dc"], &lifted.bytes) == model(&text, &edits));
}

/// Eight members, of which the second changes: neither those before it are read nor those behind it.
#[test]
fn members_that_stay_are_not_read() {
    let text = log(60_000);
    let member = run("gzip", &["-6cn"], &text);
    let bytes = member.repeat(8);
    let edits: Edits = vec![(text.len() + 1_000..text.len() + 1_100, Vec::new())];
    let blob = Counted(bytes.clone(), AtomicU64::new(0));
    let lifted = find_and_lift(&LAYER, (&bytes, &blob), &edits, true, &Limits::default(), &mut |_, _| ()).unwrap();
    let read = blob.1.load(Ordering::Relaxed) as usize;
    assert!(read < 2 * member.len(), "{read} of {} bytes were read, a member has {}", bytes.len(), member.len());
    assert!(lifted.bytes.ends_with(&member.repeat(6)) && lifted.bytes.starts_with(&member));
    assert!(run("gzip", &["-dc"], &lifted.bytes) == model(&text.repeat(8), &edits));
}

/// A last block of 13 MB and one before it, with fixed codes (RFC 1951 §3.2.6): an `a`, then 258 of it again and again. They are too long to be
/// held, and are encoded again in pieces; what stands behind them is copied.
#[test]
fn blocks_too_long_to_be_held_are_encoded_again() {
    let (mut bits, mut plain) = (Vec::new(), 0);
    let mut put = |value: u32, len: u32| bits.extend((0..len).map(|n| value >> n & 1));
    for (matches, last) in [(50_000, 0), (100, 0), (50_000, 0), (300, 1)] {
        put(last, 1);
        put(1, 2);
        // Codes stand with their first bit highest: `a` is 0x91, length 258 is 0xc5, distance 1 is 0.
        put(u32::from(0x91_u8.reverse_bits()), 8);
        for _ in 0..matches {
            put(u32::from(0xc5_u8.reverse_bits()), 8);
            put(0, 5);
        }
        put(0, 7);
        plain += 1 + 258 * matches;
    }
    let text = vec![b'a'; plain];
    let mut bytes = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    bytes.extend(bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |all, bit| all << 1 | *bit as u8)));
    let mut crc = crc32fast::Hasher::new();
    crc.update(&text);
    bytes.extend_from_slice(&crc.finalize().to_le_bytes());
    bytes.extend_from_slice(&(plain as u32).to_le_bytes());
    for edits in [
        vec![(5_000_000..5_000_010, b"b".to_vec())],
        vec![(12_900_000..12_930_000, Vec::new()), (plain - 5..plain - 4, b"cc".to_vec())],
    ] {
        let want = model(&text, &edits);
        // Without points more of them is passed.
        for (points, window) in [(true, 1 << 18), (false, 4096)] {
            let one = lifted(&bytes, &edits, points, window);
            assert!(decode(&Gzip, &one.bytes, 1 << 16, 1 << 16, true).unwrap().0 == want);
            assert!(run("gzip", &["-dc"], &one.bytes) == want);
        }
    }
}

/// Names in heads are masked where a lift goes past them without reading, in a member that changes and in others.
#[test]
fn names_are_masked_in_what_is_not_read() {
    let text = log(40_000);
    let mut member = run("gzip", &["-6cn"], &text);
    member[3] |= 8;
    member.splice(10..10, *b"alice.log\0");
    let bytes = [&member[..], &member, &member].concat();
    let middle = text.len() + text.len() / 2;
    let edits: Edits = vec![(middle..middle + 100, b"x".to_vec())];
    let mut points = 0;
    let mut mask = |found: &mut crate::layer::Found, _: &mut crate::layer::Cx<'_>| {
        for n in 0..3 {
            let at = (n * member.len() + 10) as u64;
            let head = [&member[..10], b"*****.log\0"].concat();
            found.own.push(Span::new(at - 10, at + 10), &head).unwrap();
        }
        points = found.parts[0].points.as_ref().map_or(0, crate::layer::coded::points::Points::len);
    };
    let lifted = find_and_lift(&LAYER, (&bytes, &bytes), &edits, true, &Limits::default(), &mut mask).unwrap();
    assert!(points > 3);
    let (plain, heads) = decode(&Gzip, &lifted.bytes, 1 << 16, 1 << 16, true).unwrap();
    assert!(plain == model(&text.repeat(3), &edits));
    assert!(heads.len() == 3 && heads.iter().all(|head| head.bytes[10..] == *b"*****.log\0"));
}

/// Points that are not true lead to an error or to other bytes, never to a panic.
#[test]
fn points_that_lie_are_no_panic() {
    use crate::layer::coded::points::Points;
    let text = log(40_000);
    let bytes = [run("gzip", &["-6cn"], &text), run("bgzip", &["-c"], &text[..300_000])].concat();
    let edits: Edits = vec![(900_000..900_100, b"x".to_vec()), (2_000_000..2_000_400, Vec::new())];
    let (mut wrong, mut right) = (0, 0);
    for seed in 0..50 {
        let mut chance = Chance(seed);
        let limits = Limits { window: 1 << 16, ..Limits::default() };
        let got = find_and_lift(&LAYER, (&bytes, &bytes), &edits, true, &limits, &mut |found, cx| {
            let part = &mut found.parts[0];
            let Some(points) = &part.points else { return };
            let mut list: Vec<_> =
                (0..points.len()).map(|n| (points.get(n).unwrap(), points.window(n).unwrap())).collect();
            for _ in 0..=chance.below(4) {
                let n = chance.below(list.len());
                let (point, window) = &mut list[n];
                let lie = chance.pick(&[0, 1, 7, 8, 1000, 1 << 20, u64::MAX, u64::MAX / 8]);
                match chance.below(8) {
                    0 => point.coded = lie,
                    1 => point.coded = point.coded.wrapping_add(lie),
                    2 => point.plain = point.plain.wrapping_sub(lie),
                    3 => point.state[chance.below(4)] = lie,
                    4 => point.state[0] ^= 1 << chance.below(12),
                    5 => window.truncate(chance.below(32_768)),
                    6 => window.fill(b'x'),
                    _ => point.state[1] ^= 1,
                }
            }
            list.sort_by_key(|(point, _)| point.plain);
            part.points = Some(Points::of(&list, cx.search.space));
        });
        match got {
            Ok(lifted) if lifted.bytes == bytes => panic!("nothing was done"),
            Ok(_) => right += 1,
            Err(_) => wrong += 1,
        }
    }
    assert!(wrong > 3 && right > 3, "{wrong} {right}");
}
