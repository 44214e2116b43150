//! Every body on the fixtures, and on inputs made of them by small changes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use super::*;

/// Largest piece of a fixture that a body gets, bytes.
const PIECE: usize = 2048;

/// Numbers by xorshift: a case is repeated by its number.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % below.max(1)
    }
}

fn files(folder: &Path, out: &mut Vec<Vec<u8>>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files(&path, out);
        } else {
            out.push(std::fs::read(&path).unwrap());
        }
    }
}

/// The fixtures, and compressed and archived forms of some that are small enough to be changed within a piece.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), &mut seeds);
    assert!(seeds.len() > 50, "the fixtures are not there");
    let log = b"2026-11-01T10:00:00Z user_id=48213 alice@example.com\n2026-11-01T10:00:01Z nobody\n".repeat(3);
    let mut archive = ::tar::Builder::new(Vec::new());
    for name in ["a/x.log", "alice@example.com", "b.csv"] {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(log.len() as u64);
        archive.append_data(&mut header, name, log.as_slice()).unwrap();
    }
    seeds.push(archive.into_inner().unwrap());
    #[cfg(feature = "zip")]
    seeds.extend(zips(&log));
    #[cfg(feature = "gzip")]
    {
        use std::io::Write;
        let head = || flate2::GzBuilder::new().filename("alice@example.com.log");
        for level in [0, 6] {
            let mut gz = head().write(Vec::new(), flate2::Compression::new(level));
            gz.write_all(&log).unwrap();
            let member = gz.finish().unwrap();
            seeds.push([member.clone(), member].concat());
        }
    }
    #[cfg(feature = "zstd")]
    for level in [1, 9] {
        let frame = ::zstd::encode_all(log.as_slice(), level).unwrap();
        seeds.push([frame.clone(), b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec(), frame].concat());
    }
    #[cfg(feature = "bzip2")]
    {
        let mut bz = ::bzip2::read::BzEncoder::new(log.as_slice(), ::bzip2::Compression::new(1));
        let mut stream = Vec::new();
        std::io::Read::read_to_end(&mut bz, &mut stream).unwrap();
        seeds.push([stream.clone(), stream].concat());
    }
    #[cfg(feature = "xz")]
    for check in [liblzma::stream::Check::Crc32, liblzma::stream::Check::Sha256] {
        let mut options = liblzma::stream::LzmaOptions::new_preset(0).unwrap();
        let mut filters = liblzma::stream::Filters::new();
        filters.lzma2(options.dict_size(4096));
        let coder = liblzma::stream::Stream::new_stream_encoder(&filters, check).unwrap();
        let mut stream = Vec::new();
        let mut xz = liblzma::read::XzEncoder::new_stream(log.as_slice(), coder);
        std::io::Read::read_to_end(&mut xz, &mut stream).unwrap();
        seeds.push([stream.clone(), vec![0; 4], stream].concat());
    }
    #[cfg(feature = "lz4")]
    {
        // One linked block without checksums.
        let mut frame = vec![0x04, 0x22, 0x4d, 0x18, 0x40, 0x40, 0xc0];
        let block = lz4_flex::block::compress(&log);
        frame.extend_from_slice(&(block.len() as u32).to_le_bytes());
        frame.extend_from_slice(&block);
        frame.extend_from_slice(&[0; 4]);
        seeds.push([frame.clone(), b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec(), frame].concat());
    }
    #[cfg(feature = "snappy")]
    {
        use std::io::Write;
        let mut chunks = snap::write::FrameEncoder::new(Vec::new());
        chunks.write_all(&log).unwrap();
        let stream = chunks.into_inner().unwrap();
        seeds.push([stream.clone(), b"\xfe\x03\0\0abc".to_vec(), stream].concat());
    }
    seeds
}

/// Archives of a stored and a deflated member, with and without descriptors.
#[cfg(feature = "zip")]
fn zips(log: &[u8]) -> Vec<Vec<u8>> {
    use std::io::Write;
    let deflated = |data: &[u8]| {
        let mut out = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(6));
        out.write_all(data).unwrap();
        out.finish().unwrap()
    };
    let made = |later: bool| {
        let (mut out, mut directory) = (Vec::new(), Vec::new());
        let members = [("alice@example.com", 0u16, log.to_vec()), ("b.csv", 8, deflated(log)), ("e/", 0, vec![])];
        for (name, method, packed) in members {
            let plain = if packed.is_empty() { &[][..] } else { log };
            let numbers =
                [crc32fast::hash(plain), packed.len() as u32, plain.len() as u32].map(u32::to_le_bytes).concat();
            let head = |numbers: &[u8]| {
                let words = [20, u16::from(later) << 3, method, 0, 0].map(u16::to_le_bytes).concat();
                [&words, numbers, &[name.len() as u8, 0, 0, 0]].concat()
            };
            let offset = (out.len() as u32).to_le_bytes();
            let local = if later { vec![0; 12] } else { numbers.clone() };
            out.extend_from_slice(&[b"PK\x03\x04", head(&local).as_slice(), name.as_bytes(), &packed].concat());
            if later {
                out.extend_from_slice(&[b"PK\x07\x08", numbers.as_slice()].concat());
            }
            let tail = [&[0; 8], offset.as_slice(), name.as_bytes()].concat();
            directory.extend_from_slice(&[b"PK\x01\x02\x14\0", head(&numbers).as_slice(), &[0; 2], &tail].concat());
        }
        let end = [directory.len() as u32, out.len() as u32].map(u32::to_le_bytes).concat();
        let comment = b"alice@example.com";
        let end = [b"PK\x05\x06\0\0\0\0\x03\0\x03\0", end.as_slice(), &[comment.len() as u8, 0], comment].concat();
        [out, directory, end].concat()
    };
    vec![made(false), made(true)]
}

#[test]
#[cfg(feature = "zip")]
fn zip_seeds_are_archives() {
    for seed in zips(b"alice@example.com\nx\n") {
        assert!(super::pipeline::reads_zip(&[&[0], seed.as_slice()].concat()));
    }
}

/// A case: a piece of a seed with a few changes, or of two seeds; or noise.
fn case(dice: &mut Dice, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut data = vec![dice.roll(256) as u8];
    if dice.roll(3) == 0 {
        let len = dice.roll(60);
        data.extend((0..len).map(|_| (dice.roll(256) | (dice.roll(2) << 7)) as u8));
        return data;
    }
    if dice.roll(4) == 0 {
        data.push(dice.roll(256) as u8);
    }
    for _ in 0..=dice.roll(8) / 7 {
        let seed = &seeds[dice.roll(seeds.len())];
        let from = if dice.roll(2) == 0 { 0 } else { dice.roll(seed.len()) };
        data.extend(seed[from..].iter().take(if dice.roll(3) == 0 { dice.roll(PIECE) } else { PIECE * 4 }));
    }
    for _ in 0..dice.roll(6) {
        let at = dice.roll(data.len());
        match dice.roll(4) {
            0 => drop(data.remove(at)),
            1 => data.insert(at, dice.roll(256) as u8),
            2 => data[at] = dice.roll(256) as u8,
            _ => data[at] ^= 1 << dice.roll(8),
        }
        if data.is_empty() {
            return data;
        }
    }
    data
}

fn run(name: &str, body: Body, data: &[u8], number: u64) {
    let result = catch_unwind(AssertUnwindSafe(|| body(data)));
    assert!(result.is_ok(), "{name}: case {number}, {} bytes: {}", data.len(), data.escape_ascii());
}

#[test]
fn every_target_has_a_body() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    let mut targets: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    targets.sort();
    let mut bodies: Vec<_> = BODIES.iter().map(|(name, _)| *name).collect();
    bodies.sort_unstable();
    assert_eq!(targets, bodies);
}

/// What failed once.
#[test]
fn an_edit_may_free_its_neighbour() {
    let both = "192.0.2.1alice@example.com";
    for (name, body) in BODIES {
        for first in [0, 1, 2, 3] {
            let line =
                format!("{}2026-11-01T10:00:00Z {both}\n2026-11-01T10:00:01Z user_id=48213\n", first as u8 as char);
            run(name, *body, line.as_bytes(), first);
        }
    }
    let mut archive = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_gnu();
    header.set_size(0);
    archive.append_data(&mut header, both, &b""[..]).unwrap();
    tar(&[&[0], archive.into_inner().unwrap().as_slice()].concat());
}

#[test]
fn bodies_hold_on_the_fixtures() {
    for (number, seed) in seeds().iter().enumerate() {
        // Each body on every fourth fixture, each fixture by every fourth body: all by all take minutes.
        for (at, (name, body)) in BODIES.iter().enumerate().skip(number % 4).step_by(4) {
            let first = [0, 1, 2, 255][(number + at) / 4 % 4];
            let data = [&[first], seed.get(..PIECE).unwrap_or(seed)].concat();
            run(name, *body, &data, number as u64);
        }
    }
}

#[test]
fn bodies_hold_on_a_few_hundred_cases() {
    shake(None, 1, |cases, _| cases < 200);
}

/// `FUZZ_FILE=crash-… FUZZ_BODY=whole cargo test --lib fuzz::tests::once -- --ignored`: one input of a fuzzer.
#[test]
#[ignore = "needs an input"]
fn once() {
    let (Ok(file), Ok(only)) = (std::env::var("FUZZ_FILE"), std::env::var("FUZZ_BODY")) else { return };
    let data = std::fs::read(file).unwrap();
    BODIES.iter().filter(|(name, _)| *name == only).for_each(|(name, body)| run(name, *body, &data, 0));
}

/// `FUZZ_SECONDS=600 [FUZZ_BODY=whole] [FUZZ_SEED=7] cargo test --lib fuzz::tests::long -- --ignored`
#[test]
#[ignore = "runs as long as it is told to"]
fn long() {
    let number = |name, or: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(or);
    let most = Duration::from_secs(number("FUZZ_SECONDS", 60));
    let only = std::env::var("FUZZ_BODY").ok();
    shake(only.as_deref(), number("FUZZ_SEED", 1), |_, time| time < most);
}

/// Runs bodies on cases from `start` on, as long as `go` says for each body.
fn shake(only: Option<&str>, start: u64, go: impl Fn(u64, Duration) -> bool) {
    let seeds = seeds();
    for (name, body) in BODIES.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        let (since, mut number) = (Instant::now(), start);
        while go(number - start, since.elapsed()) {
            let mut dice = Dice(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
            dice.roll(1);
            let data = case(&mut dice, &seeds);
            run(name, *body, &data, number);
            number += 1;
        }
        println!("{name}: {} cases", number - start);
    }
}
