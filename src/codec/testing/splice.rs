//! Lifts as a run does them, with the points that find kept; and random ones over what real tools wrote, judged by real tools.
//!
//! `UNWRITE_SPLICE_CASES` and `UNWRITE_SPLICE_SEED` choose how many cases a test runs and which; a failure names its seed.

use std::cell::RefCell;

use super::{Edits, decode, model, plain, tool, with_cx};
use crate::blob::TempSpace;
use crate::edit::Piece;
use crate::error::Result;
use crate::input::{BlobSource, Input};
use crate::layer::coded::CodecLayer;
use crate::layer::coded::points::{Point, Points};
use crate::layer::{BlobPass, Cx, Found, Layer, Pass};
use crate::limits::Limits;
use crate::span::Span;

/// What the planned layer finds, and the plain bytes if its lift is to look at them as a container does.
pub struct Plan {
    edits: Edits,
    looks: Option<Vec<u8>>,
}

thread_local! {
    static PLAN: RefCell<Option<Plan>> = const { RefCell::new(None) };
}

/// Finds what was planned.
pub struct Planned;

/// The layer, where something is planned.
pub fn planned() -> Option<&'static Planned> {
    PLAN.with(|plan| plan.borrow().is_some()).then_some(&Planned)
}

impl Layer for Planned {
    fn name(&self) -> &'static str {
        "planned"
    }

    fn find(&'static self, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<Found> {
        let mut own = cx.edits();
        PLAN.with_borrow(|plan| {
            let mut edits = plan.as_ref().unwrap().edits.iter().peekable();
            loop {
                let n = input.window(1)?.len();
                let end = input.offset() + n as u64;
                while let Some((range, payload)) = edits.next_if(|(range, _)| n == 0 || (range.start as u64) < end) {
                    own.push(Span::new(range.start as u64, range.end as u64), payload)?;
                }
                if n == 0 {
                    return Ok::<(), crate::error::Error>(());
                }
                input.consume(n);
            }
        })?;
        Ok(Found { layer: self, own, parts: Vec::new() })
    }

    fn lift(&self, found: &Found, pass: &mut dyn Pass, _: &mut Cx<'_>) -> Result<()> {
        let plain = PLAN.with_borrow(|plan| plan.as_ref().and_then(|plan| plan.looks.clone()));
        let look = |pass: &mut dyn Pass, n: usize| -> Result<()> {
            if let Some(plain) = &plain {
                let rest = &plain[pass.offset() as usize..];
                let window = pass.window(n)?;
                let len = window.len().min(rest.len());
                assert!(len >= n.min(rest.len()) && window[..len] == rest[..len], "a lift sees other bytes than find");
            }
            Ok(())
        };
        let mut reader = found.own.read();
        while let Some(edit) = reader.next()? {
            let gap = edit.span.start - pass.offset();
            look(pass, 512)?;
            pass.keep(gap / 2)?;
            look(pass, 100_000)?;
            pass.keep(gap - gap / 2)?;
            pass.write(&edit.payload)?;
            pass.drop(edit.span.len())?;
        }
        look(pass, 1)?;
        pass.keep_rest()
    }
}

/// What a lift made.
pub struct Lifted {
    /// The new stream.
    pub bytes: Vec<u8>,
    /// Which ranges of the old one are kept in it.
    pub kept: Vec<Span>,
}

impl Lifted {
    /// Bytes of the old stream that are kept.
    pub fn kept(&self) -> u64 {
        self.kept.iter().map(Span::len).sum()
    }
}

/// How a lift is done.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// Bytes of a read.
    pub window: usize,
    /// With the points that find kept.
    pub points: bool,
    /// The layer below looks at what it keeps.
    pub looks: bool,
}

/// The plain way.
pub const WAY: Way = Way { window: 65_536, points: true, looks: false };

/// Finds and lifts `edits`.
pub fn lift(layer: &'static CodecLayer, bytes: &[u8], edits: &Edits, way: Way) -> Result<Lifted> {
    lift_at(layer, bytes, edits, way, None, |points| points)
}

/// As [`lift`], at a level, with what `change` makes of the points.
pub fn lift_at(
    layer: &'static CodecLayer,
    bytes: &[u8],
    edits: &Edits,
    way: Way,
    level: Option<(&str, i32)>,
    change: impl FnOnce(Option<Points>) -> Option<Points>,
) -> Result<Lifted> {
    let looks = way.looks.then(|| plain(layer.0, bytes)).transpose()?;
    PLAN.set(Some(Plan { edits: edits.clone(), looks }));
    let limits = Limits { window: way.window, ..Limits::default() };
    let lifted = with_cx(&limits, level, false, |cx| {
        let blob = bytes.to_vec();
        let mut found = layer.find(&mut Input::new(BlobSource::new(&blob), way.window), cx)?;
        if let Some(part) = found.parts.first_mut() {
            part.points = change(part.points.take().filter(|_| way.points));
        }
        let mut pass = BlobPass::new(&blob, cx.search.space);
        layer.lift(&found, &mut pass, cx)?;
        let (patch, mut kept) = (pass.finish(), Vec::new());
        patch.play(|piece| {
            if let Piece::Keep(span) = piece {
                kept.push(span);
            }
            Ok(())
        })?;
        Ok(Lifted { bytes: patch.to_bytes(&blob)?, kept })
    });
    PLAN.set(None);
    lifted
}

/// Random numbers (`SplitMix64`).
pub struct Rng(pub u64);

impl Rng {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    /// Less than `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// Small numbers as often as large ones, less than `n`.
    pub fn scale(&mut self, n: usize) -> usize {
        let bits = self.below(n.max(1).ilog2() as usize + 1);
        self.below((1 << (bits + 1)).min(n.max(1)))
    }

    /// One of these.
    pub fn pick<'p, T>(&mut self, of: &'p [T]) -> &'p T {
        &of[self.below(of.len())]
    }

    /// About `len` bytes: log lines, noise, runs, repeats.
    pub fn text(&mut self, len: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while out.len() < len {
            let room = len - out.len();
            match self.below(8) {
                0 => {
                    let n = self.scale(room.min(200_000)) + 1;
                    out.extend((0..n).map(|_| self.next() as u8));
                }
                1 => {
                    let (byte, n) = (self.next() as u8, self.scale(room.min(400_000)) + 1);
                    out.resize(out.len() + n, byte);
                }
                2 => {
                    let n = self.scale(out.len());
                    let from = self.below(out.len() - n + 1);
                    out.extend_from_within(from..from + n);
                }
                _ => {
                    for _ in 0..self.scale(room / 60 + 1) {
                        let (host, user, key) = (self.below(250), self.below(5000), self.next());
                        let line =
                            format!("10.0.0.{host} - user{user} \"GET /item/{key:x} HTTP/1.1\" 200 {}\n", key % 90_000);
                        out.extend_from_slice(line.as_bytes());
                    }
                }
            }
        }
        out
    }

    /// Changes in `len` plain bytes: single ones, bursts, at the ends, all.
    pub fn edits(&mut self, len: usize) -> Edits {
        let (count, far) = match self.below(6) {
            0 => (1, len),
            1 => (1 + self.below(4), len),
            2 => (1 + self.below(30), 2000),
            3 => (1 + self.below(30), len / 10 + 1),
            4 => (1 + self.below(300), len / 100 + 1),
            _ => (2, len),
        };
        let mut at = if self.below(4) == 0 { 0 } else { self.below(len + 1) };
        let mut edits = Edits::new();
        for _ in 0..count {
            let n = match self.below(12) {
                0 => len - at,
                1 => self.scale(len - at + 1),
                2 => 0,
                _ => self.below(400).min(len - at),
            };
            let new = match self.below(6) {
                0..3 => 0,
                3 => self.scale(if count < 20 { 100_000 } else { 1000 }),
                _ => self.below(60),
            };
            let text = self.text(new);
            if n > 0 || !text.is_empty() {
                edits.push((at..at + n, text));
            }
            at += n + 1 + self.scale(far);
            if at > len {
                break;
            }
        }
        if edits.is_empty() || self.below(10) == 0 && edits.last().is_some_and(|(last, _)| last.end < len) {
            edits.push((len..len, b"the end".to_vec()));
        }
        edits
    }
}

/// A tool with its options.
pub type Tool = (&'static str, &'static [&'static str]);

/// Encodes random text in some way, and tells which.
pub type Code<'c> = dyn Fn(&mut Rng, &[u8]) -> (String, Vec<u8>) + 'c;

/// Runs a tool that must be there.
pub fn run((name, args): Tool, input: &[u8]) -> Vec<u8> {
    let got = tool(name, args, input).unwrap_or_else(|| panic!("{name} is not installed"));
    got.unwrap_or_else(|()| panic!("{name} {args:?} failed"))
}

/// Random text through `code`, random changes, lifted in every way, and judged by `judges` and by our second decoder.
pub fn agree(layer: &'static CodecLayer, (cases, most): (usize, usize), code: &Code<'_>, judges: &[Tool]) {
    // Without the prefix as `scripts/splice` sets them.
    let number = |name: &str| {
        let value = std::env::var(format!("UNWRITE_{name}")).or_else(|_| std::env::var(name)).ok()?;
        value.parse::<u64>().ok()
    };
    let cases = number("SPLICE_CASES").unwrap_or(cases as u64);
    let first = number("SPLICE_SEED").unwrap_or(1);
    let (mut kept, mut all) = (0, 0);
    for seed in first..first + cases {
        let mut rng = Rng(seed);
        let (mut bytes, mut text, mut what) = (Vec::new(), Vec::new(), String::new());
        for _ in 0..*rng.pick(&[1, 1, 1, 2, 4]) {
            let len = rng.scale(most);
            let piece = rng.text(len);
            let (how, coded) = code(&mut rng, &piece);
            what = format!("{what} {how} {len}");
            text.extend(piece);
            bytes.extend(coded);
        }
        let edits = rng.edits(text.len());
        let way = Way {
            window: *rng.pick(&[997, 10_000, 65_536, 262_144]),
            points: rng.below(4) > 0,
            looks: rng.below(4) == 0,
        };
        let name = layer.0.name();
        let case =
            format!("{name}: UNWRITE_SPLICE_SEED={seed} UNWRITE_SPLICE_CASES=1:{what}, {} edits, {way:?}", edits.len());
        let lifted = lift(layer, &bytes, &edits, way).unwrap_or_else(|error| panic!("{case}: {error}"));
        let want = model(&text, &edits);
        for second in [false, true] {
            let got = decode(layer.0, &lifted.bytes, 1 << 16, 1 << 16, second);
            assert!(got.unwrap_or_else(|error| panic!("{case}: {error}")).0 == want, "{case}");
        }
        if !lifted.bytes.is_empty() && !judges.is_empty() {
            let judge = *rng.pick(judges);
            let got = tool(judge.0, judge.1, &lifted.bytes).unwrap_or_else(|| panic!("{} is not installed", judge.0));
            if let Some(folder) = std::env::var_os("UNWRITE_SPLICE_DUMP").filter(|_| got.as_ref() != Ok(&want)) {
                let folder = std::path::PathBuf::from(folder);
                std::fs::write(folder.join("before"), &bytes).unwrap();
                std::fs::write(folder.join("after"), &lifted.bytes).unwrap();
            }
            assert!(got == Ok(want), "{case}, judged by {judge:?}");
        }
        kept += lifted.kept();
        all += bytes.len() as u64;
    }
    eprintln!("{}: {cases} cases from seed {first}, {} % of the bytes kept", layer.0.name(), kept * 100 / all.max(1));
    assert!(kept > 0 || cases < 20, "nothing is ever kept");
}

/// Lifts, and holds the result to the model by both libraries.
pub fn lifted(layer: &'static CodecLayer, bytes: &[u8], edits: &Edits, way: Way) -> Lifted {
    let lifted = lift(layer, bytes, edits, way).unwrap();
    let want = model(&plain(layer.0, bytes).unwrap(), edits);
    for second in [false, true] {
        assert!(decode(layer.0, &lifted.bytes, 1 << 16, 1 << 16, second).unwrap().0 == want);
    }
    lifted
}

/// Points only make a lift cheap: wrong ones may fail it, and do nothing worse.
pub fn hostile(layer: &'static CodecLayer, bytes: &[u8]) {
    let (len, space) = (plain(layer.0, bytes).unwrap().len(), TempSpace::new(std::env::temp_dir(), 1 << 20));
    let mut rng = Rng(7);
    for _ in 0..40 {
        let edits = rng.edits(len);
        let mut point = || Point {
            coded: rng.scale(bytes.len() * 9) as u64 / 8 * 8,
            plain: rng.scale(len + 9) as u64,
            state: [rng.below(2) as u64; 4],
        };
        let mut points: Vec<(Point, Vec<u8>)> = (0..4).map(|_| (point(), Vec::new())).collect();
        points.sort_by_key(|(point, _)| point.plain);
        let points = Points::of(&points, &space);
        let _failed = lift_at(layer, bytes, &edits, WAY, None, |_| Some(points)).err();
    }
}
