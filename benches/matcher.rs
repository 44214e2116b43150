//! The engine alone: decoded text in cache, one core.
//!
//! `cargo bench --bench matcher -- FOLDER [IDS...]`, where FOLDER is as `scripts/gen_corpus.py` makes it.
//!
//! For each number of identifiers (the first so many of `registry.csv`) the best of five goes over the text, in windows of 256 KiB
//! that are copied into one buffer first, so that they are read from cache as a decoder leaves them. Time is this thread's.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unchecked_time_subtraction,
    reason = "a bench that is given the wrong folder may stop where it stands"
)]

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use unwrite::matcher::{Engine, Plan, literal::Literal};
use unwrite::policy::Fields;
use unwrite::registry::{self, Form, Options};

const WINDOW: usize = 256 * 1024;

fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// GB/s of the best of five goes of `search` over the windows of `text`, and what it summed up to.
fn rate(text: &[u8], mut search: impl FnMut(&[u8]) -> usize) -> (f64, usize) {
    let mut buffer = vec![0; WINDOW];
    let (mut best, mut sum) = (f64::INFINITY, 0);
    for _ in 0..5 {
        let (mut spent, mut rest) = (Duration::ZERO, text);
        sum = 0;
        while !rest.is_empty() {
            let most = &rest[..rest.len().min(WINDOW)];
            let cut = memchr::memrchr(b'\n', most).map_or(most.len(), |at| at + 1);
            let window = &mut buffer[..cut];
            window.copy_from_slice(&rest[..cut]);
            let started = cpu();
            sum += search(window);
            spent += cpu() - started;
            rest = &rest[cut..];
        }
        best = best.min(spent.as_secs_f64());
    }
    (text.len() as f64 / best / 1e9, sum)
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let folder = arguments.next().expect("a folder of scripts/gen_corpus.py");
    let sizes: Vec<usize> = arguments.map(|n| n.parse().expect("a number of identifiers")).collect();
    let sizes = if sizes.is_empty() { vec![1, 100, 10_000, 1_000_000] } else { sizes };
    let mut text = Vec::new();
    for name in ["nginx.log", "app.jsonl"] {
        std::fs::File::open(format!("{folder}/{name}")).and_then(|mut file| file.read_to_end(&mut text)).expect(name);
    }
    let lines = rate(&text, |window| memchr::memchr_iter(b'\n', window).count());
    println!("newline count: {:.2} GB/s", lines.0);
    println!("| ids | load s | shapes GB/s | with spellings GB/s | candidates |");
    println!("| --: | --: | --: | --: | --: |");
    let all = std::fs::read(format!("{folder}/registry.csv")).expect("registry.csv");
    for ids in sizes {
        let end = memchr::memchr_iter(b'\n', &all).nth(ids).map_or(all.len(), |at| at + 1);
        let started = cpu();
        let now = jiff::Timestamp::now();
        let people = registry::read(&all[..end], Form::Csv, now, &Options::new(now)).expect("a registry");
        let plan = Plan { needles: people.needles, fields: Arc::new(Fields::default()) };
        let engine = Literal::new(&plan).expect("an engine");
        let load = (cpu() - started).as_secs_f64();
        let (shapes, _) = rate(&text, |window| {
            let mut found = 0;
            engine.shapes(window, &mut |_| found += 1);
            found
        });
        let mut places = Vec::new();
        let (full, found) = rate(&text, |window| {
            places.clear();
            engine.candidates(window, &mut places);
            places.len()
        });
        println!("| {ids} | {load:.2} | {shapes:.2} | {full:.2} | {found} |");
    }
}
