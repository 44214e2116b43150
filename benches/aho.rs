//! The engine beside the crate aho-corasick alone, decoded text in cache, one core, both in turn over the same windows.
//!
//! `cargo bench --bench aho -- FOLDER [IDS...]`, where FOLDER is as `scripts/gen_corpus.py` makes it (default 10,000 and 1,000,000). The
//! automaton looks for the values as they stand, in one letter case, with no boundaries and no spellings; the engine does all of that.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench that is given the wrong folder may stop where it stands"
)]

mod common;

use std::io::Read;

use aho_corasick::AhoCorasick;
use unwrite::matcher::Engine;

/// Bytes over which the automaton goes: it is slow.
const MOST: usize = 32 << 20;

/// GB/s of two searches in turn over the same windows (A B A B …): the medians of five.
fn pair(text: &[u8], a: &mut dyn FnMut(&[u8]), b: &mut dyn FnMut(&[u8])) -> (f64, f64) {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        first.push(common::once(text, a));
        second.push(common::once(text, b));
    }
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        text.len() as f64 / times[times.len() / 2] / 1e9
    };
    (median(first), median(second))
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let folder = arguments.next().expect("a folder of scripts/gen_corpus.py");
    let sizes: Vec<usize> = arguments.map(|n| n.parse().expect("a number of identifiers")).collect();
    let sizes = if sizes.is_empty() { vec![10_000, 1_000_000] } else { sizes };
    let mut text = Vec::new();
    for name in ["nginx.log", "app.jsonl"] {
        let file = std::fs::File::open(format!("{folder}/{name}")).expect(name);
        file.take(MOST as u64 / 2).read_to_end(&mut text).expect(name);
    }
    println!("| ids | aho-corasick GB/s | build s | engine GB/s (text, all spellings) | ratio |");
    println!("| --: | --: | --: | --: | --: |");
    let all = std::fs::read(format!("{folder}/registry.csv")).expect("registry.csv");
    for ids in sizes {
        let end = memchr::memchr_iter(b'\n', &all).nth(ids).map_or(all.len(), |at| at + 1);
        let values: Vec<&[u8]> =
            all[..end].split(|b| *b == b'\n').skip(1).filter_map(|row| row.split(|b| *b == b',').nth(1)).collect();
        let engine = common::engine(&all[..end]);
        let started = common::cpu();
        let automaton = AhoCorasick::new(&values).expect("an automaton");
        let build = common::cpu().saturating_sub(started).as_secs_f64();
        let (mut places, mut count) = (Vec::new(), 0);
        let (alone, ours) = pair(&text, &mut |window| count += automaton.find_iter(window).count(), &mut |window| {
            places.clear();
            engine.candidates(window, &mut places);
        });
        assert!(count > 0, "the automaton finds nothing");
        println!("| {} | {alone:.3} | {build:.1} | {ours:.2} | {:.0}x |", values.len(), ours / alone);
    }
}
