//! The engines against a naive matcher (`crate::naive`): the same values at the same places, on random registries and texts.
//!
//! `EXACTNESS_MB` says how much (10^6 bytes of text; by default a piece that a run of all tests can afford) and
//! `EXACTNESS_SEED` which; both are printed, and each failure names its round. `EXACTNESS_WAY` takes other vector instructions than
//! the widest (`classes::choose`). `scripts/exactness` runs as much as is wanted, by all of them.

mod draw;
mod people;
mod texts;

use std::fmt::Write;
use std::ops::Range;
use std::time::Instant;

use unwrite::matcher::{Engine, Unit, classes};

use self::draw::Draw;
use crate::naive::{Found, Kind, Naive};
use crate::support::needles;

/// MB that a plain `cargo test` checks, without optimisation.
const USUAL_MB: f64 = 0.1;

/// What the naive matcher and the engines see.
struct World {
    values: Vec<(Kind, String)>,
    naive: Naive,
    fast: Box<dyn Engine>,
    slow: Box<dyn Engine>,
}

impl World {
    fn new(values: Vec<(Kind, String)>) -> Self {
        let pairs: Vec<(&str, &str)> = values.iter().map(|(kind, text)| (kind.name(), text.as_str())).collect();
        let (_, fast, slow) = needles::engines(&needles::lines(&pairs));
        Self { naive: Naive::new(&values), values, fast: Box::new(fast), slow: Box::new(slow) }
    }

    /// What is wrong with `text`, if anything is.
    fn judge(&self, text: &[u8], draw: &mut Draw) -> Option<String> {
        let truth = self.naive.hits(text);
        let unit = Unit { text, fields: &[], table: None };
        for engine in [&self.slow, &self.fast] {
            let mut hits = Vec::new();
            engine.hits(&unit, &mut hits);
            let mut found: Vec<Found> =
                hits.iter().map(|h| (h.value as usize, h.span.start, h.span.end, h.chain.depth())).collect();
            found.sort_unstable();
            if found != truth {
                return Some(self.told(engine.name(), text, &truth, &found));
            }
        }
        self.windows(text, &truth, draw)
    }

    /// The candidates of the whole text, and of a stretch of lines out of it, lead to every record that has a hit.
    fn windows(&self, text: &[u8], truth: &[Found], draw: &mut Draw) -> Option<String> {
        if let Some(missed) = self.missed(text, truth) {
            return Some(missed);
        }
        let ends: Vec<usize> = (0..text.len()).filter(|at| text[*at] == b'\n').map(|at| at + 1).collect();
        if ends.len() < 2 {
            return None;
        }
        let (a, b) = (*draw.pick(&ends), *draw.pick(&ends));
        let window = &text[a.min(b)..a.max(b)];
        self.missed(window, &self.naive.hits(window))
    }

    /// A hit whose lines hold no candidate.
    fn missed(&self, window: &[u8], truth: &[Found]) -> Option<String> {
        let mut candidates: Vec<Range<usize>> = Vec::new();
        self.fast.candidates(window, &mut candidates);
        candidates.sort_unstable_by_key(|range| (range.start, range.end));
        // The furthest end of all candidates up to each.
        let mut reach = Vec::with_capacity(candidates.len());
        for range in &candidates {
            reach.push(range.end.max(reach.last().copied().unwrap_or(0)));
        }
        for hit in truth {
            let start = window[..hit.1].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            let end =
                hit.2 + window[hit.2..].iter().position(|b| *b == b'\n').map_or(window.len() - hit.2, |at| at + 1);
            let before = candidates.partition_point(|range| range.start < end);
            if before == 0 || reach[before - 1] <= start {
                return Some(format!(
                    "no candidate in the lines of a hit\n{}",
                    self.told("candidates", window, truth, &[])
                ));
            }
        }
        None
    }

    fn told(&self, who: &str, text: &[u8], truth: &[Found], found: &[Found]) -> String {
        let mut out = format!("{who}\n  text {:?} ({} bytes)\n", shown(text), text.len());
        for (what, list, other) in [("only naive", truth, found), ("only the engine", found, truth)] {
            for &(value, start, end, depth) in list.iter().filter(|hit| !other.contains(hit)).take(6) {
                let (kind, needle) = &self.values[value];
                let (needle, name) = (shown(needle.as_bytes()), kind.name());
                writeln!(
                    out,
                    "  {what}: {name} {needle:?} at {start}..{end} {:?} depth {depth}",
                    shown(&text[start..end])
                )
                .unwrap();
            }
        }
        out
    }
}

fn shown(bytes: &[u8]) -> String {
    let text: String = bytes.iter().take(600).flat_map(|b| std::ascii::escape_default(*b)).map(char::from).collect();
    if bytes.len() > 600 { format!("{text}…") } else { text }
}

/// A text that is as wrong as `text`, without all that can go.
fn shrunk(world: &World, text: &[u8], seed: u64) -> (Vec<u8>, String) {
    let judge = |text: &[u8]| world.judge(text, &mut Draw::new(seed));
    let (mut text, mut wrong) = (text.to_vec(), judge(text).unwrap_or_default());
    let mut step = text.len() / 2;
    let started = Instant::now();
    while step > 0 && started.elapsed().as_secs() < 60 {
        let (mut at, mut smaller) = (0, false);
        while at < text.len() {
            let mut less = text.clone();
            less.drain(at..(at + step).min(text.len()));
            if let Some(now) = judge(&less) {
                (text, wrong, smaller) = (less, now, true);
            } else {
                at += step;
            }
        }
        if !smaller || step > 1 {
            step /= 2;
        }
    }
    (text, wrong)
}

fn size(draw: &mut Draw) -> usize {
    match draw.below(100) {
        0..50 => 10 + draw.below(300),
        50..85 => 300 + draw.below(6000),
        85..98 => 6000 + draw.below(30_000),
        98 => 40_000 + draw.below(100_000),
        _ => 200_000 + draw.below(400_000),
    }
}

fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn engines_agree_with_the_naive_matcher() {
    let wanted = (number("EXACTNESS_MB").unwrap_or(USUAL_MB) * 1e6) as usize;
    let seed: u64 = number("EXACTNESS_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.as_nanos() as u64 % 1_000_000_000_000
    });
    println!("EXACTNESS_SEED={seed} EXACTNESS_MB={}", wanted as f64 / 1e6);
    let wished: Option<String> = number("EXACTNESS_WAY");
    let way = wished.filter(|name| classes::choose(name)).unwrap_or_else(|| "fastest".to_owned());
    let started = Instant::now();
    let (mut bytes, mut hits, mut texts, mut rounds) = (0, 0, 0, 0u64);
    // For each kind.
    let mut kinds = [0u64; 8];
    while bytes < wanted {
        let mut draw = Draw::new(seed.wrapping_mul(1_000_003).wrapping_add(rounds));
        let world = World::new(people::registry(&mut draw));
        rounds += 1;
        // A registry is searched in some texts; a long one ends the round.
        let until = bytes + 40_000;
        while bytes < until.min(wanted.max(1)) {
            let size = size(&mut draw).min(wanted);
            let text = texts::text(&mut draw, &world.values, size);
            let windows = draw.next();
            if world.judge(&text, &mut Draw::new(windows)).is_some() {
                let (small, wrong) = shrunk(&world, &text, windows);
                panic!("seed {seed}, round {rounds}, text of {} bytes, shrunk to {}: {wrong}", text.len(), small.len());
            }
            for hit in world.naive.hits(&text) {
                hits += 1;
                kinds[world.values[hit.0].0 as usize] += 1;
            }
            bytes += text.len();
            texts += 1;
        }
    }
    let of = Kind::ALL.map(|kind| format!("{} {}", kind.name(), kinds[kind as usize])).join(", ");
    println!(
        "exactness: seed {seed}, {way} vectors: {bytes} bytes in {texts} texts of {rounds} registries, {hits} hits ({of}), 0 differences, {:.1} s",
        started.elapsed().as_secs_f64()
    );
    assert!(hits * 20_000 > bytes, "the texts hold too little: {hits} hits");
}
