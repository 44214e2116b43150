//! What find and lift of containers need in tests: an engine of two fixed values, a layer of lines, and tools of others as judges.

#![expect(clippy::ptr_arg, reason = "only sized bytes are a blob")]

use std::cell::RefCell;
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::blob::TempSpace;
use crate::edit::EditList;
use crate::error::Result;
use crate::input::{BlobSource, Input};
use crate::judge::Judge;
use crate::layer::coded::Codec;
use crate::layer::cx::Leaf;
use crate::layer::{BlobPass, Cx, Detect, Fit, Foretold, Found, Hint, LargeSlot, Layer, Search, Tally};
use crate::limits::Limits;
use crate::matcher::{Chain, Engine, Hit, Needles, Type, Unit, Value};
use crate::policy::{Fields, Policy};
use crate::span::Span;

/// Lines with her go.
pub const ALICE: &[u8] = b"alice@example.com";
/// He gives way to something longer. Names with one or the other are as long.
pub const BOBBY: &[u8] = b"bobby@example.com";
/// What comes in his place.
pub const LONGER: &[u8] = b"somebody whose name is not known any more";

struct Fixed;

fn places(text: &[u8]) -> Vec<(u32, Range<usize>)> {
    let mut found = Vec::new();
    for (id, value) in [ALICE, BOBBY].into_iter().enumerate() {
        found.extend(memchr::memmem::find_iter(text, value).map(|at| (id as u32, at..at + value.len())));
    }
    found.sort_by_key(|(_, span)| span.start);
    found
}

impl Engine for Fixed {
    fn candidates(&self, window: &[u8], found: &mut Vec<Range<usize>>) {
        found.extend(places(window).into_iter().map(|(_, span)| span));
    }
    fn hits(&self, unit: &Unit<'_>, found: &mut Vec<Hit>) {
        found.extend(places(unit.text).into_iter().map(|(value, span)| Hit { value, span, chain: Chain::default() }));
    }
    fn name(&self) -> &'static str {
        "fixed"
    }
}

thread_local! {
    /// Trail and bytes of each member that was gone down into.
    pub static SEEN: RefCell<Vec<(Vec<u8>, Vec<u8>)>> = const { RefCell::new(Vec::new()) };
}

/// Drops and lengthens lines.
pub struct Lines;

impl Layer for Lines {
    fn name(&self) -> &'static str {
        "lines"
    }
    fn find(&'static self, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<Found> {
        while input.more()? {}
        let all = input.unread().to_vec();
        let (mut own, mut leaf, mut at) = (EditList::new(cx.search.space), Leaf::default(), 0u64);
        for line in all.split_inclusive(|b| *b == b'\n') {
            if memchr::memmem::find(line, ALICE).is_some() {
                own.push(Span::new(at, at + line.len() as u64), b"")?;
            } else if let Some(bob) = memchr::memmem::find(line, BOBBY) {
                let end = bob + BOBBY.len();
                own.push(Span::new(at + bob as u64, at + end as u64), LONGER)?;
                leaf.update(&[&line[..bob], LONGER, &line[end..]].concat());
            } else {
                leaf.update(line);
            }
            at += line.len() as u64;
        }
        input.consume(all.len());
        cx.leaf("", &leaf);
        SEEN.with_borrow_mut(|seen| seen.push((cx.trail().to_vec(), all)));
        Ok(Found { layer: self, own, parts: Vec::new() })
    }
}

struct Sniff;

impl Detect for Sniff {
    fn detect(&self, head: &[u8], whole: bool, _: &Hint<'_>) -> Fit {
        if let Some(known) = super::sniff(head, whole) {
            known.layer.map_or(Fit::Unsupported(known.name), Fit::Layer)
        } else if head.starts_with(b"\x89PNG") {
            Fit::Unknown
        } else {
            Fit::Layer(&Lines)
        }
    }

    fn codec(&self, name: &str) -> Option<&'static dyn Codec> {
        crate::detect::TABLES.codec(name)
    }
}

/// What find came to.
pub struct Outcome {
    pub found: Found,
    pub foretold: Foretold,
    pub tally: Tally,
    /// Names (without the artifact's own) and payloads.
    pub seen: Vec<(String, Vec<u8>)>,
}

fn needles() -> Needles {
    let value = |bytes: &[u8]| Value { kind: Type::Email, bytes: bytes.into(), written: Box::default() };
    Needles::of_people([("sub_0", false, &[value(ALICE)][..]), ("sub_1", false, &[value(BOBBY)][..])]).unwrap()
}

pub fn with_search<T>(limits: &Limits, second: bool, play: impl FnOnce(&Search<'_>) -> T) -> T {
    let (needles, fields, policy) = (needles(), Fields::default(), Policy::default());
    play(&Search {
        engine: &Fixed,
        needles: &needles,
        judge: &Judge::new(&needles, &fields, None),
        policy: &policy,
        mask: &|name| name.to_vec(),
        detect: &Sniff,
        limits,
        space: &space(),
        large: &LargeSlot::new(1 << 28, 1),
        crew: &crate::pool::Alone,
        second,
        format: None,
        codec: None,
        levels: &[],
        interrupted: &AtomicBool::new(false),
        gate: None,
    })
}

pub fn space() -> Arc<TempSpace> {
    TempSpace::new(std::env::temp_dir(), 1 << 30)
}

/// How find reads an archive.
#[derive(Clone, Copy)]
pub struct How<'l> {
    /// Bytes of a read.
    pub size: usize,
    /// The archive can be read at random.
    pub random: bool,
    /// By the second libraries.
    pub second: bool,
    pub limits: &'l Limits,
}

/// Find.
pub fn find(layer: &'static dyn Layer, archive: &Vec<u8>, how: How<'_>) -> Result<Outcome> {
    SEEN.take();
    with_search(how.limits, how.second, |search| {
        let mut cx = Cx::new(search, b"archive", None);
        let mut input = Input::new(BlobSource::new(archive), how.size);
        if how.random {
            input = input.with_blob(archive);
        }
        let found = layer.find(&mut input, &mut cx)?;
        assert!(input.window(1).unwrap().is_empty(), "bytes are left");
        let name = |trail: Vec<u8>| String::from_utf8_lossy(&trail["archive!".len()..]).into_owned();
        let seen = SEEN.take().into_iter().map(|(trail, bytes)| (name(trail), bytes)).collect();
        Ok(Outcome { found, foretold: cx.foretold.clone(), tally: std::mem::take(&mut cx.tally), seen })
    })
}

/// Lift of what find found.
pub fn lift(archive: &Vec<u8>, found: &Found) -> Result<Vec<u8>> {
    with_search(&Limits::default(), false, |search| {
        let mut pass = BlobPass::new(archive, &space());
        found.layer.lift(found, &mut pass, &mut Cx::new(search, b"archive", None))?;
        pass.finish().to_bytes(archive)
    })
}

/// Find and lift; the result is what was foretold, clean, and the same whatever the read sizes.
pub fn scrub(layer: &'static dyn Layer, archive: &Vec<u8>) -> (Outcome, Vec<u8>) {
    let limits = Limits::default();
    let how = |size| How { size, random: size % 2 == 1, second: size % 3 == 1, limits: &limits };
    let outcome = find(layer, archive, how(64 * 1024)).unwrap();
    let fingerprint = |outcome: &Outcome| {
        format!("{:?} {:?} {:?} {:?}", outcome.found, edits(&outcome.found), outcome.foretold, outcome.seen)
    };
    let sizes = if archive.len() < 100_000 { &[1, 7, 511, 512, 4099][..] } else { &[511, 4099] };
    for &size in sizes {
        let again = find(layer, archive, how(size)).unwrap();
        assert_eq!(fingerprint(&again), fingerprint(&outcome), "reads of {size}");
    }
    let new = if outcome.found.is_empty() { archive.clone() } else { lift(archive, &outcome.found).unwrap() };
    let again = find(layer, &new, how(1009)).unwrap();
    assert!(again.found.is_empty(), "twice is once: {:?}", again.found);
    assert_eq!(again.foretold, outcome.foretold, "the result is what was foretold");
    (outcome, new)
}

fn edits(found: &Found) -> String {
    let parts: Vec<String> =
        found.parts.iter().map(|part| format!("{} {} {}", part.at, part.len, edits(&part.found))).collect();
    format!("{:?} {parts:?}", found.own.to_vec().unwrap())
}

/// Runs a tool in `dir` and gives its output; `None` if it is not installed.
pub fn run(dir: &Path, tool: &str, args: &[&str]) -> Option<Vec<u8>> {
    match Command::new(tool).args(args).current_dir(dir).env("TZ", "UTC").env("LC_ALL", "C.UTF-8").output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: {tool} is not installed");
            None
        }
        Err(error) => panic!("{tool}: {error}"),
        Ok(out) => {
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            assert!(out.status.success() && said.is_empty(), "{tool} {args:?}: {said}");
            Some(out.stdout)
        }
    }
}
