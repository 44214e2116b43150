//! Real codecs, decoded by one thread and by several: the same bytes, the same heads, and the same errors.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicUsize;

use proptest::prelude::*;

use super::tests::Free;
use super::*;
use crate::codec::testing::with_cx;
use crate::layer::coded::Head;
use crate::limits::Limits;

const SIZES: Sizes = Sizes {
    least: 1,
    step: 30_000,
    room: 20,
    side: 4000,
    part: 30_000,
    longest: 200_000,
    ahead: 100_000,
    // As the decoders read: libraries tell places of damage by what they were given at a time.
    chunk: 64 << 10,
    chunks: 4,
};

type Seen = (Vec<u8>, Vec<Head>, Option<String>);

#[expect(clippy::ptr_arg, reason = "a vector is a blob")]
fn seen(codec: &'static dyn Codec, stream: &Vec<u8>, helpers: usize, second: bool) -> Seen {
    with_cx(&Limits::default(), None, second, |cx| {
        let crew = Free(helpers, AtomicUsize::new(0));
        let search = Search { crew: &crew, ..*cx.search };
        let (heads, memory) = (Heads::names_only(), cx.memory());
        let mut input = Input::new(BlobSource::new(stream), 64 << 10).with_blob(stream);
        let (mut bytes, mut all) = (Vec::new(), Vec::new());
        let end = by(SIZES, codec, &mut input, &heads, &search, &memory, |mut source| {
            let mut buf = vec![0; 30_000];
            loop {
                let n = source.read(&mut buf)?;
                all.extend(std::iter::from_fn(|| heads.pop_until(u64::MAX)));
                if n == 0 {
                    return Ok(());
                }
                bytes.extend_from_slice(&buf[..n]);
            }
        });
        if end.is_ok() {
            assert!(input.window(1).unwrap().is_empty(), "bytes of the stream were not read");
        }
        (bytes, all, end.err().map(|error| error.to_string()))
    })
}

/// Lines that compress badly enough for many parts.
fn plain(len: usize) -> Vec<u8> {
    let mut state = 7u64;
    let words = std::iter::from_fn(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Some(format!("{:013x} INFO request\n", state >> 12))
    });
    words.flat_map(String::into_bytes).take(len).collect()
}

/// What a program makes of `plain`; `None` if it is not installed.
fn by_tool(name: &str, arguments: &[&str], plain: &[u8]) -> Option<Vec<u8>> {
    let child = Command::new(name).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        eprintln!("{name} is not installed: not asked");
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    let plain = plain.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&plain));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{name}");
    Some(output.stdout)
}

/// A stream, its codec and what it is.
type Named = (&'static str, &'static dyn Codec, Vec<u8>);

/// Streams of many parts.
fn streams() -> Vec<Named> {
    let plain = plain(700_000);
    let each = |size: usize, name: &str, arguments: &[&str]| -> Option<Vec<u8>> {
        plain
            .chunks(size)
            .map(|piece| by_tool(name, arguments, piece))
            .collect::<Option<Vec<_>>>()
            .map(|all| all.concat())
    };
    let padded = |mut bytes: Vec<u8>| {
        bytes.extend_from_slice(&[0; 512]);
        bytes
    };
    let all: Vec<(_, &'static dyn Codec, _)> = vec![
        ("members", &crate::codec::gzip::Gzip, each(50_000, "gzip", &["-c"])),
        ("padded members", &crate::codec::gzip::Gzip, each(90_000, "gzip", &["-1c"]).map(padded)),
        ("one member", &crate::codec::gzip::Gzip, each(700_000, "gzip", &["-c"])),
        ("bgzf", &crate::codec::gzip::Gzip, each(700_000, "bgzip", &["-c"])),
        ("frames", &crate::codec::zstd::Zstd, each(40_000, "zstd", &["-qc"])),
        ("pzstd", &crate::codec::zstd::Zstd, each(700_000, "pzstd", &["-qc", "-p", "4"])),
        ("one frame", &crate::codec::zstd::Zstd, each(700_000, "zstd", &["-qc"])),
        ("blocks of bzip2", &crate::codec::bzip2::Bzip2, each(700_000, "bzip2", &["-1c"])),
        ("streams of blocks", &crate::codec::bzip2::Bzip2, each(250_000, "bzip2", &["-1c"]).map(padded)),
        ("blocks of xz", &crate::codec::xz::Xz, each(700_000, "xz", &["-1c", "-T2", "--block-size=60000"])),
        (
            "streams of xz",
            &crate::codec::xz::Xz,
            each(300_000, "xz", &["-1c", "-T2", "--block-size=40000"]).map(padded),
        ),
        ("one block of xz", &crate::codec::xz::Xz, each(700_000, "xz", &["-1c", "-T1"])),
    ];
    all.into_iter().filter_map(|(name, codec, coded)| Some((name, codec, coded?))).collect()
}

#[test]
fn codecs_decode_the_same_with_helpers() {
    for (name, codec, coded) in streams() {
        for second in [false, true] {
            let one = seen(codec, &coded, 0, second);
            assert_eq!((&one.2, one.0.len()), (&None, 700_000), "{name}");
            for helpers in [1, 3] {
                assert!(seen(codec, &coded, helpers, second) == one, "{name}, {helpers} helpers, second: {second}");
            }
        }
    }
}

/// Which streams are decoded in parts, and not as they come. (pzstd makes few frames of so little.)
#[test]
fn what_can_be_cut_is_cut() {
    for (name, codec, coded) in streams().into_iter().filter(|(name, ..)| *name != "pzstd") {
        let parts = !name.starts_with("one");
        let cut = match codec.cutter() {
            Some(mut cutter) => matches!(cutter.cut(&coded[..100_000], false, 15_000), Cut::Part { .. }),
            None => codec.cut(&coded[..100_000], 15_000).is_some(),
        };
        assert_eq!(cut, parts, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn codecs_fail_the_same_with_helpers(at in any::<prop::sample::Index>(), with in any::<u8>(), kind in 0u8..4) {
        static STREAMS: std::sync::LazyLock<Vec<Named>> = std::sync::LazyLock::new(streams);
        for (name, codec, good) in STREAMS.iter() {
            let (mut coded, at) = (good.clone(), at.index(good.len()));
            match kind {
                0 => coded[at] ^= with | 1,
                1 => coded.truncate(at),
                2 => drop(coded.drain(at..(at + 5000).min(good.len()))),
                _ => coded.splice(at..at, [0; 9]).for_each(drop),
            }
            let one = seen(*codec, &coded, 0, false);
            let more = seen(*codec, &coded, 2, false);
            prop_assert_eq!(&more.2, &one.2, "{} {} {}", name, kind, at);
            // How much of what is damaged comes before the error depends on where a read ended.
            prop_assert!(more.0.starts_with(&one.0) || one.0.starts_with(&more.0), "{} {} {}", name, kind, at);
        }
    }
}

/// Where a lift may begin is told by the place in the whole stream, also by who decodes a block in a frame of its own.
#[test]
fn places_of_blocks_hold_in_the_whole_stream() {
    let Some(coded) = by_tool("bzip2", &["-1c"], &plain(700_000)) else { return };
    let bits = |at: u64, len: u64| {
        (at..at + len).fold(0u64, |all, bit| all << 1 | u64::from(coded[bit as usize / 8] >> (7 - bit % 8) & 1))
    };
    for helpers in [0, 1, 3] {
        with_cx(&Limits::default(), None, false, |cx| {
            let crew = Free(helpers, AtomicUsize::new(0));
            let search = Search { crew: &crew, ..*cx.search };
            let (heads, memory) = (Heads::relay(true), cx.memory());
            let mut input = Input::new(BlobSource::new(&coded), 64 << 10).with_blob(&coded);
            let read = by(SIZES, &crate::codec::bzip2::Bzip2, &mut input, &heads, &search, &memory, |mut source| {
                while source.read(&mut [0; 10_000])? > 0 {}
                Ok(())
            });
            read.unwrap();
            for offer in heads.take_offers() {
                let at = offer.0.coded;
                assert!(bits(at, 48) == 0x3141_5926_5359 || bits(at, 24) == 0x42_5a68, "{helpers}: {at}");
            }
        });
    }
}
