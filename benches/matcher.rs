//! The engine alone: decoded text in cache, one core.
//!
//! `cargo bench --bench matcher -- FOLDER [IDS...]`, where FOLDER is as `scripts/gen_corpus.py` makes it.
//!
//! For each number of identifiers (the first so many of `registry.csv`) the best of five goes over the text, in windows of 256 KiB
//! that are copied into one buffer first, so that they are read from cache as a decoder leaves them. Time is this thread's.
#![expect(clippy::expect_used, reason = "a bench that is given the wrong folder may stop where it stands")]

mod common;

use std::io::Read;

use unwrite::matcher::Engine;

/// GB/s of the best of five goes of `search` over the windows of `text`, and what one go summed up to.
fn rate(text: &[u8], mut search: impl FnMut(&[u8]) -> usize) -> (f64, usize) {
    let (mut best, mut sum) = (f64::INFINITY, 0);
    for _ in 0..5 {
        sum = 0;
        best = best.min(common::once(text, &mut |window| sum += search(window)));
    }
    (text.len() as f64 / best / 1e9, sum)
}

/// The first `ids` of `all`; if `every`, each second of them of the types that are not there, and a hundred tokens and literals.
fn registry_of(all: &[u8], ids: usize, every: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for (n, line) in all.split(|b| *b == b'\n').filter(|line| !line.is_empty()).take(ids + 1).enumerate() {
        let (a, b, c) = (n % 250, n / 250 % 250, n / 62_500 % 250);
        let other = match n / 2 % 4 {
            0 => format!("ip,198.{c}.{b}.{a},x-{n}"),
            1 => format!("ip,2001:db8:{c:x}::{b:x}:{a:x},x-{n}"),
            2 => format!("phone,+49 151 {:07},x-{n}", n * 7 % 10_000_000),
            _ => format!("username,somebody.{n},x-{n}"),
        };
        let take = every && n > 0 && n % 2 == 0;
        out.extend_from_slice(if take { other.as_bytes() } else { line });
        out.push(b'\n');
        if every && (1..=50).contains(&n) {
            out.extend_from_slice(format!("token,usr_{n:08x},x-{n}\nliteral,Somebody N. {n:03},x-{n}\n").as_bytes());
        }
    }
    out
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
    println!("| ids | types | load s | shapes GB/s | with spellings GB/s | candidates |");
    println!("| --: | --- | --: | --: | --: | --: |");
    let all = std::fs::read(format!("{folder}/registry.csv")).expect("registry.csv");
    for (ids, every) in sizes.into_iter().flat_map(|ids| [(ids, false), (ids, true)]) {
        let registry = registry_of(&all, ids, every);
        let types = if every { "all" } else { "email, uuid, user_id" };
        let started = common::cpu();
        let engine = common::engine(&registry);
        let load = common::cpu().saturating_sub(started).as_secs_f64();
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
        println!("| {ids} | {types} | {load:.2} | {shapes:.2} | {full:.2} | {found} |");
    }
}
