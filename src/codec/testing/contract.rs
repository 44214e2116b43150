//! What every codec must keep to, run by the tests of those that have no reason to say it otherwise.

use crate::codec::testing::{Edits, decode, lift, model, plain, with_cx};
use crate::error::Kind;
use crate::input::{BlobSource, Input};
use crate::layer::Layer;
use crate::layer::coded::{Codec, CodecLayer, Head};
use crate::limits::Limits;

/// Decodes to `all` by both libraries, whatever the read sizes; gives the heads.
pub fn read_sizes(codec: &dyn Codec, bytes: &[u8], all: &[u8]) -> Vec<Head> {
    let (want, heads) = decode(codec, bytes, 1 << 20, 1 << 20, false).unwrap();
    assert!(want == all);
    for second in [false, true] {
        for size in [1, 2, 3, 5, 13, 127, 1000, 4096] {
            assert!(decode(codec, bytes, size, 1 << 16, second).unwrap() == (want.clone(), heads.clone()));
            assert!(decode(codec, bytes, 1 << 16, size, second).unwrap() == (want.clone(), heads.clone()));
            assert!(decode(codec, bytes, size, size, second).unwrap().0 == want);
        }
    }
    heads
}

/// As [`read_sizes`], for longer streams: in one large and one odd size.
#[cfg(feature = "xz")]
pub fn read_sizes_few(codec: &dyn Codec, bytes: &[u8], all: &[u8]) -> Vec<Head> {
    let (want, heads) = decode(codec, bytes, 1 << 16, 1 << 16, false).unwrap();
    assert!(want == all);
    for second in [false, true] {
        assert!(decode(codec, bytes, 4099, 10_007, second).unwrap() == (want.clone(), heads.clone()));
    }
    heads
}

/// Cut off anywhere but at `ends`: damage, and the place is where the bytes end.
pub fn truncated(codec: &dyn Codec, bytes: &[u8], ends: &[usize]) {
    for len in 0..bytes.len() {
        for second in [false, true] {
            let got = decode(codec, &bytes[..len], 4096, 1000, second);
            if ends.contains(&len) {
                got.unwrap();
                continue;
            }
            let error = got.unwrap_err();
            assert_eq!(error.kind(), Kind::Damaged);
            let shown = error.to_string();
            let start = format!("{}: at byte {len}: ", codec.name());
            assert!(shown.starts_with(&start) && shown.ends_with("is cut off"), "{second} {len} {shown}");
        }
    }
}

/// `tail` behind a whole stream: damage `ahead` bytes into it.
pub fn followed(codec: &dyn Codec, good: &[u8], tails: &[(&[u8], usize)]) {
    plain(codec, good).unwrap();
    for (tail, ahead) in tails {
        for second in [false, true] {
            let error = decode(codec, &[good, tail].concat(), 99, 99, second).unwrap_err();
            let start = format!("{}: at byte {}: ", codec.name(), good.len() + ahead);
            assert!(error.to_string().starts_with(&start), "{} {error}", tail.escape_ascii());
        }
    }
}

/// One bit is another: an error, or the same plain bytes.
pub fn flipped(codec: &dyn Codec, mut bytes: Vec<u8>, all: &[u8], at: usize, bit: u8, give: usize) {
    bytes[at] ^= 1 << bit;
    for (give, take, second) in [(give, 4096, false), (4096, give, true)] {
        if let Ok((plain, _)) = decode(codec, &bytes, give, take, second) {
            assert!(plain == all, "a damaged stream passed");
        }
    }
}

/// No panic, whatever the bytes; and where both libraries read them, they read the same.
pub fn any(codec: &dyn Codec, bytes: &[u8]) {
    let first = decode(codec, bytes, 100, 50, false);
    let second = decode(codec, bytes, 3, 500, true);
    if let (Ok(first), Ok(second)) = (first, second) {
        assert!(first == second, "the libraries differ");
    }
}

/// The layer reads to the last byte, finds nothing, and keeps to `--max-decoded`.
pub fn layer(layer: &'static CodecLayer, bytes: &[u8], all: &[u8]) {
    let blob = bytes.to_vec();
    for window in [1, 13, 4096] {
        with_cx(&Limits { window, ..Limits::default() }, None, window == 13, |cx| {
            let mut input = Input::new(BlobSource::new(&blob), window);
            assert!(layer.find(&mut input, cx).unwrap().is_empty());
            assert_eq!(input.offset(), bytes.len() as u64);
        });
    }
    with_cx(&Limits { max_decoded: all.len() as u64 - 1, ..Limits::default() }, None, false, |cx| {
        let error = layer.find(&mut Input::new(BlobSource::new(&blob), 4096), cx).err().unwrap();
        assert_eq!(error.kind(), Kind::Limit);
    });
}

/// Reading needs `memory` bytes, and no more.
#[cfg(any(feature = "bzip2", feature = "xz", feature = "lz4"))]
pub fn needs(layer: &'static CodecLayer, bytes: &[u8], memory: u64) {
    let blob = bytes.to_vec();
    for second in [false, true] {
        let find = |max_memory| {
            with_cx(&Limits { max_memory, ..Limits::default() }, None, second, |cx| {
                layer.find(&mut Input::new(BlobSource::new(&blob), 4096), cx).map(drop)
            })
        };
        find(memory).unwrap();
        let error = find(memory - 1).unwrap_err();
        assert!(error.reason().starts_with("limit: --max-memory"), "{error}");
    }
}

/// A lift is the splice of the plain bytes, by both libraries; gives the result.
pub fn lifted(
    layer: &'static CodecLayer,
    bytes: &[u8],
    edits: &Edits,
    window: usize,
    level: Option<(&str, i32)>,
) -> (Vec<u8>, Vec<Head>) {
    let limits = Limits { window, ..Limits::default() };
    let result = lift(layer, bytes, edits, &vec![], &limits, level).unwrap();
    let want = model(&plain(layer.0, bytes).unwrap(), edits);
    let (first, heads) = decode(layer.0, &result, 1 << 16, 1 << 16, false).unwrap();
    let (second, same) = decode(layer.0, &result, 1 << 16, 1 << 16, true).unwrap();
    assert!(first == want && second == want && heads == same);
    (result, heads)
}
