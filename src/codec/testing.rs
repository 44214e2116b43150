//! What the tests of all codecs share: sources that drip, a whole lift with nothing searched, and outside tools.

#[cfg(any(feature = "bzip2", feature = "xz", feature = "lz4", feature = "snappy"))]
pub mod contract;
#[cfg(feature = "gzip")]
pub mod planted;
#[cfg(any(feature = "zstd", feature = "bzip2", feature = "xz", feature = "lz4", feature = "snappy"))]
pub mod splice;

use std::io::Write;
use std::ops::Range;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;

use crate::blob::TempSpace;
use crate::edit::EditList;
use crate::error::Result;
use crate::input::Source;
use crate::judge::Judge;
use crate::layer::coded::{Codec, CodecLayer, Head, Heads};
use crate::layer::raw::RAW;
use crate::layer::{BlobPass, Cx, Detect, Fit, Found, Hint, LargeSlot, Layer, PartFound, Search};
use crate::limits::Limits;
use crate::matcher::{Engine, Hit, Needles, Unit};
use crate::policy::Policy;
use crate::span::Span;

/// Gives at most `size` bytes a read.
pub struct Drip<'a> {
    pub bytes: &'a [u8],
    pub size: usize,
}

impl Source for Drip<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let n = self.bytes.len().min(self.size).min(buf.len());
        buf[..n].copy_from_slice(&self.bytes[..n]);
        self.bytes = &self.bytes[n..];
        Ok(n)
    }
}

/// Decodes all of `bytes`, `give` bytes a read of the source and `take` a read of the decoder.
pub fn decode(codec: &dyn Codec, bytes: &[u8], give: usize, take: usize, second: bool) -> Result<(Vec<u8>, Vec<Head>)> {
    let heads = Heads::default();
    let source = Box::new(Drip { bytes, size: give });
    let mut decoder = codec.decoder(source, heads.clone(), second, Box::new(|_| Ok(())))?;
    let (mut plain, mut seen, mut buf) = (Vec::new(), Vec::new(), vec![0; take]);
    loop {
        let n = decoder.read(&mut buf)?;
        while let Some(head) = heads.pop_until(u64::MAX) {
            assert!(head.plain_at >= plain.len() as u64 && (n > 0 || head.plain_at == plain.len() as u64));
            assert_eq!(head.plain_at, plain.len() as u64, "one read gave bytes of two frames");
            seen.push(head);
        }
        if n == 0 {
            assert_eq!(decoder.read(&mut buf)?, 0, "the end stays the end");
            return Ok((plain, seen));
        }
        plain.extend_from_slice(&buf[..n]);
    }
}

/// Decodes by the first library in large reads.
pub fn plain(codec: &dyn Codec, bytes: &[u8]) -> Result<Vec<u8>> {
    decode(codec, bytes, 1 << 16, 1 << 16, false).map(|(plain, _)| plain)
}

struct Mute;

impl Engine for Mute {
    fn candidates(&self, _: &[u8], _: &mut Vec<Range<usize>>) {}
    fn hits(&self, _: &Unit<'_>, _: &mut Vec<Hit>) {}
    fn name(&self) -> &'static str {
        "mute"
    }
}

impl Detect for Mute {
    fn detect(&self, _: &[u8], _: bool, _: &Hint<'_>) -> Fit {
        #[cfg(any(feature = "zstd", feature = "bzip2", feature = "xz", feature = "lz4", feature = "snappy"))]
        if let Some(planned) = splice::planned() {
            return Fit::Layer(planned);
        }
        Fit::Layer(&RAW)
    }
}

/// Runs `job` in a context in which nothing is searched for.
pub fn with_cx<T>(limits: &Limits, level: Option<(&str, i32)>, second: bool, job: impl FnOnce(&mut Cx<'_>) -> T) -> T {
    with_detect(&Mute, limits, level, second, job)
}

/// As [`with_cx`], with what streams are told to be.
pub fn with_detect<T>(
    detect: &dyn Detect,
    limits: &Limits,
    level: Option<(&str, i32)>,
    second: bool,
    job: impl FnOnce(&mut Cx<'_>) -> T,
) -> T {
    let (needles, policy) = (Needles::default(), Policy::default());
    let judge = Judge::new(&needles, &policy.fields, None);
    let space = TempSpace::new(std::env::temp_dir(), 1 << 30);
    let large = LargeSlot::new(limits.max_memory, 1);
    let levels: Vec<(String, i32)> = level.into_iter().map(|(name, n)| (name.to_owned(), n)).collect();
    let search = Search {
        engine: &Mute,
        needles: &needles,
        judge: &judge,
        policy: &policy,
        mask: &|name: &[u8]| name.to_vec(),
        detect,
        limits,
        space: &space,
        large: &large,
        crew: &crate::pool::Alone,
        second,
        format: None,
        codec: None,
        levels: &levels,
        interrupted: &AtomicBool::new(false),
        gate: None,
    };
    job(&mut Cx::new(&search, b"app.log", None))
}

/// Edits of a decoded stream: sorted, disjoint ranges and what comes in their place.
pub type Edits = Vec<(Range<usize>, Vec<u8>)>;

/// `plain` after `edits`.
pub fn model(plain: &[u8], edits: &Edits) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    for (range, payload) in edits {
        out.extend_from_slice(&plain[at..range.start]);
        out.extend_from_slice(payload);
        at = range.end;
    }
    out.extend_from_slice(&plain[at..]);
    out
}

/// Edits from random numbers, for a stream of `len` bytes.
pub fn edits(len: usize, seeds: &[(usize, usize, Vec<u8>)]) -> Edits {
    let (mut at, mut edits) = (0, Vec::new());
    for (gap, drop, payload) in seeds {
        let start = at + gap % (len - at + 1);
        let end = start + drop % (len - start + 1);
        if edits.last().is_some_and(|(last, _): &(Range<usize>, Vec<u8>)| last.end == start) {
            continue;
        }
        edits.push((start..end, payload.clone()));
        at = end;
    }
    edits
}

/// Lifts `edits` of the decoded stream (and `own` of the coded one) through the codec's layer, as a run does.
pub fn lift(
    codec: &'static CodecLayer,
    bytes: &[u8],
    edits: &Edits,
    own: &Edits,
    limits: &Limits,
    level: Option<(&str, i32)>,
) -> Result<Vec<u8>> {
    let len = plain(codec.0, bytes)?.len() as u64;
    with_cx(limits, level, false, |cx| {
        let list = |edits: &Edits| {
            let mut list = EditList::new(cx.search.space);
            for (range, payload) in edits {
                list.push(Span::new(range.start as u64, range.end as u64), payload).unwrap();
            }
            list
        };
        let inner = Found { layer: &RAW, own: list(edits), parts: Vec::new() };
        let found = Found {
            layer: codec,
            own: list(own),
            parts: vec![PartFound { at: 0, len, note: [0; 2], points: None, found: inner }],
        };
        let base = bytes.to_vec();
        let mut pass = BlobPass::new(&base, cx.search.space);
        codec.lift(&found, &mut pass, cx)?;
        pass.finish().to_bytes(&base)
    })
}

/// Output of an outside tool on `input`; `None` if it is not installed, or failed.
pub fn tool(name: &str, args: &[&str], input: &[u8]) -> Option<std::result::Result<Vec<u8>, ()>> {
    let mut child = Command::new(name)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take()?;
    let input = input.to_vec();
    let feed = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().ok()?;
    feed.join().ok()?;
    Some(if output.status.success() { Ok(output.stdout) } else { Err(()) })
}

/// Text that looks like a log.
pub fn log(lines: usize) -> Vec<u8> {
    let line = |n: usize| {
        let key = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!("2026-11-01T10:00:{:02}Z GET /users/{} token={key:x} ok\n", n % 60, key % 977)
    };
    (0..lines).flat_map(|n| line(n).into_bytes()).collect()
}

/// Bytes that do not compress.
pub fn noise(len: usize) -> Vec<u8> {
    let mut x = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}
