//! Texts of nothing but anchors, beside a log: no text may cost much more than others.
//!
//! `cargo bench --bench anchors [-- IDS]` (default 1,000 identifiers of every type). The target is an eighth of the log's rate.

mod common;

use std::fmt::Write;

use unwrite::matcher::Engine;

/// Bytes of each text.
const SIZE: usize = 4 << 20;

/// Numbers that look like chance (`SplitMix64`).
fn mixed(n: u64) -> u64 {
    let z = (n.wrapping_add(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z ^ (z >> 27)
}

/// `line` of 0, 1, 2, … up to the size.
fn lines(line: impl Fn(u64) -> String) -> Vec<u8> {
    let mut text = String::with_capacity(SIZE + 200);
    for n in 0.. {
        if text.len() >= SIZE {
            break;
        }
        text.push_str(&line(n));
    }
    text.into_bytes()
}

fn uuid(n: u64) -> String {
    let (a, b) = (mixed(n), mixed(n ^ 0xffff_0000));
    format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", a >> 32, a >> 16 & 0xffff, a & 0xffff, b >> 48, b & 0xffff_ffff_ffff)
}

fn texts() -> Vec<(&'static str, Vec<u8>)> {
    let of = |word: &str| word.bytes().cycle().take(SIZE).collect::<Vec<u8>>();
    let mut texts: Vec<(&'static str, Vec<u8>)> = Vec::new();
    for (name, word) in [
        ("only `@`", "@"),
        ("only `a@`", "a@"),
        ("only digits", "4821390517"),
        ("only `-`", "-"),
        ("only `%`", "%"),
        ("only `%25`", "%25"),
        ("only `\\`", "\\"),
        ("only `\\u005c`", "\\u005c"),
        ("only `=`", "="),
        ("only `=3D`", "=3D"),
        ("only `&`", "&"),
        ("only `&amp;`", "&amp;"),
        ("only `:`", ":"),
        ("only `.`", "."),
        ("only `1.`", "1."),
        ("only `f:`", "f:"),
        ("only `/`", "/"),
        ("only `+`", "+"),
        ("only `0 `", "0 "),
        ("only `user=`", "user="),
        ("only `\"`", "\""),
        ("one long word", "a"),
    ] {
        texts.push((name, of(word)));
    }
    texts.push(("only e-mails", lines(|n| format!("u{}@example{}.com\n", mixed(n) % 1_000_000, n % 100))));
    texts.push(("only IPv4", lines(|n| format!("10.{}.{}.{} ", n >> 16 & 255, n >> 8 & 255, n & 255))));
    texts.push(("only IPv6", lines(|n| format!("2001:db8::{:x}:{:x} ", n >> 16 & 0xffff, n & 0xffff))));
    texts.push(("only UUIDs", lines(|n| format!("{} ", uuid(n)))));
    texts.push(("only phones", lines(|n| format!("+1 415-{:03}-{:04}\n", n / 10_000 % 1000, n % 10_000))));
    texts.push(("only user ids", lines(|n| format!("user_id={} ", mixed(n) % 10_000_000))));
    texts.push(("only paths", lines(|n| format!("/users/{}", mixed(n) % 10_000_000))));
    texts.push(("all percent-encoded", lines(|n| format!("u%{:02x}%40example%2Ecom%0A", 0x61 + n % 26))));
    texts
}

/// What most logs look like.
fn normal() -> Vec<u8> {
    lines(|n| {
        let r = mixed(n);
        let mut line = format!(
            "203.0.{}.{} - - [22/Nov/2026:10:{:02}:{:02} +0000] \"GET /api/v1/orders/{}?page={} HTTP/1.1\" 200 {} \"https://shop.example/cart\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\"",
            r & 255,
            r >> 8 & 255,
            r >> 16 & 31,
            r >> 24 & 31,
            r >> 32 & 0xffff,
            n % 9,
            r >> 40 & 0xfffff
        );
        if n % 3 == 0 {
            write!(line, " user_id={} request={}", r % 10_000_000, uuid(n)).unwrap_or_default();
        }
        line.push('\n');
        line
    })
}

fn registry(ids: u64) -> String {
    let mut csv = "type,value,subject\n".to_owned();
    for n in 0..ids {
        let r = mixed(n ^ 0xabcd_ef00);
        // `token`s and `literal`s are few, as in the target.
        let (kind, value) = match (n % 6, n / 6) {
            (0, _) => ("email", format!("erased{n}@example.net")),
            (1, _) => ("uuid", uuid(n ^ 0x77_0000_0000)),
            (2, i) => ("ip", format!("198.{}.{}.{}", 18 + (i >> 16 & 1), i >> 8 & 255, i & 255)),
            (3, _) => ("phone", format!("+44{:09}", r % 1_000_000_000)),
            (4, 0..50) => ("token", format!("usr_{r:016x}")),
            (4, 50..100) => ("literal", format!("Project {r:x}")),
            (4, _) => ("username", format!("name{n}")),
            _ => ("user_id", format!("{}", 70_000_000 + n)),
        };
        writeln!(csv, "{kind},{value},s{n}").unwrap_or_default();
    }
    csv
}

fn main() {
    let ids = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(1000);
    let engine = common::engine(registry(ids).as_bytes());
    let mut places = Vec::new();
    let mut search = |window: &[u8]| {
        places.clear();
        engine.candidates(window, &mut places);
    };
    let log = normal();
    let (mut best, usual) =
        (f64::INFINITY, (0..3).map(|_| common::once(&log, &mut search)).fold(f64::INFINITY, f64::min));
    let rate = |text: &[u8], seconds: f64| text.len() as f64 / seconds / 1e9;
    println!("| {ids} identifiers of all types, default spellings | GB/s | share of a log's rate |");
    println!("| --- | --: | --: |");
    println!("| a log | {:.2} | 1 |", rate(&log, usual));
    for (name, text) in texts() {
        let seconds = (0..3).map(|_| common::once(&text, &mut search)).fold(f64::INFINITY, f64::min);
        let share = rate(&text, seconds) / rate(&log, usual);
        best = best.min(share);
        println!(
            "| {name} | {:.2} | {share:.2}{} |",
            rate(&text, seconds),
            if share < 0.125 { " **below 1/8**" } else { "" }
        );
    }
    println!("\nleast share: {best:.3} (target: 0.125)");
}
