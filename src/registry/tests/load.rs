//! Blocks and threads make no difference: what a registry comes to, and which fault is told.

use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::engine::Threads;
use crate::error::Kind;
use crate::limits::{MAX_REGISTRY_LINE, REGISTRY_BLOCK};
use crate::registry::ledger::Ledger;
use crate::registry::{chain, load, resolve};

/// All that a registry comes to, values in the order of their numbers, or its fault.
fn came_to(size: usize, input: impl Read, form: Form, options: &Options, pool: &dyn Pool) -> Result<String, String> {
    let mut ledger = Ledger::new(options);
    ledger.keep_cleared();
    let all = load::load_by(size, input, form, &mut ledger, pool).and_then(|sha256| {
        let cleared: Vec<_> = ledger.cleared().map(|(track, draft)| (track.line(), draft.ids.to_vec())).collect();
        let found = findings::of(&ledger);
        let grown = ledger.grown;
        let registry = resolve::resolve(ledger, sha256, options.now)?;
        let Registry { sha256, seq, newest_at, needles, new_since, listing, .. } = &registry;
        let since: Vec<_> = needles.subjects().map(|(id, _)| needles.since(id)).collect();
        let listing: Vec<String> = listing
            .iter()
            .map(|entry| {
                let shown = entry.revealed.as_ref().unwrap();
                let identifiers: Vec<_> = shown
                    .identifiers
                    .iter()
                    .map(|one| {
                        (one.parts.iter().map(|(kind, text)| (*kind, text.to_string())).collect::<Vec<_>>(), one.before)
                    })
                    .collect();
                format!("{entry:?} {:?} {:?} {identifiers:?}", shown.reference, shown.reason)
            })
            .collect();
        Ok(format!(
            "{:?} {:?} {sha256} {seq} {newest_at:?} {since:?} {new_since:?} {listing:#?} {cleared:?} {found:?} {grown}",
            claims(&registry),
            counts(&registry),
        ))
    });
    all.map_err(|error| format!("{:?} {error}", error.kind()))
}

/// One line after another: blocks of one byte, which end at each line's end, and no threads.
fn one_by_one(text: &[u8], form: Form, options: &Options) -> Result<String, String> {
    came_to(1, text, form, options, &Alone)
}

/// Gives at most so many bytes at a time, and an error in the end if it is told to.
struct Trickle<'t> {
    text: &'t [u8],
    most: usize,
    fails: bool,
}

impl Read for Trickle<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.text.is_empty() && self.fails {
            return Err(io::Error::from(io::ErrorKind::ConnectionReset));
        }
        let most = self.most.min(into.len());
        let mut some = &self.text[..most.min(self.text.len())];
        let read = some.read(into)?;
        self.text = &self.text[read..];
        Ok(read)
    }
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-c]{1,2}@[ab]\\.example".prop_map(|value| format!(r#"{{"type":"email","value":"{value}"}}"#)),
        6 => "[0-9]{1,2}".prop_map(|value| format!(r#"{{"type":"user_id","value":"{value}"}}"#)),
        3 => "[A-C]{6}".prop_map(|value| format!(r#"{{"value":"{value}","type":"token"}}"#)),
        2 => "[0-9]".prop_map(|value| format!(r#"{{"type":"uuid","value":"6F9619FF-8B86-D011-B42D-00CF4FC964F{value}"}}"#)),
        1 => "[a-c]{1,2}".prop_map(|value| format!(r#"{{"type":"username","value":"\u00e9{value}"}}"#)),
        1 => "[0-9]{1,2}".prop_map(|value| format!(
            r#"{{"all_of":[{{"type":"user_id","value":"{value}"}},{{"type":"username","value":"x"}}]}}"#
        )),
        1 => Just(r#"{"type":"email","value":"alice"}"#.to_owned()),
    ]
}

/// Lines as people write them, now and then a bad one.
fn log_line() -> impl Strategy<Value = String> {
    let subject = prop_oneof!["s[0-9]", "L[1-9]", "[a-c]@a\\.example", "u:[a-c]%40a\\.example", Just(String::new())];
    let terms = prop_oneof![
        5 => Just(String::new()),
        1 => "[1-9]".prop_map(|day| format!(r#","effective_at":"2026-11-1{day}T00:00:00Z""#)),
        1 => "[1-9]".prop_map(|day| format!(r#","before":"2026-10-1{day}T00:00:00Z","at":"2026-11-0{day}T00:00:00Z""#)),
    ];
    let erase = (subject.clone(), prop::collection::vec(value(), 1..4), terms).prop_map(|(subject, values, terms)| {
        format!(r#"{{"subject":"{subject}","identifiers":[{}]{terms}}}"#, values.join(","))
    });
    let other = (subject, prop_oneof![Just("cancel"), Just("hold"), Just("release")])
        .prop_map(|(subject, event)| format!(r#"{{"event":"{event}","subject":"{subject}"}}"#));
    prop_oneof![
        200 => erase,
        60 => other,
        20 => Just(String::new()),
        1 => Just("{\"subject\":\"s1\",\"identifiers\":[]}".to_owned()),
        1 => Just("{\"subject\":\"s1\"".to_owned()),
        1 => Just(r#"{"seq":3,"identifiers":[{"type":"user_id","value":"7"}]}"#.to_owned()),
        1 => Just(r#"{"seq":null,"identifiers":[{"type":"user_id","value":"7"}],"prev":"x"}"#.to_owned()),
        1 => Just("nul\0".to_owned()),
    ]
}

/// `lines` chained, but for one that may be broken.
fn chained(lines: &[String], broken: Option<usize>) -> Vec<String> {
    let mut prev = chain::FIRST.to_owned();
    let mut out = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let said = if broken == Some(at) { chain::FIRST } else { prev.as_str() };
        let line = line.strip_suffix('}').map_or_else(|| line.clone(), |line| format!(r#"{line},"prev":"{said}"}}"#));
        prev = chain::link(line.as_bytes());
        out.push(line);
    }
    out
}

fn table_row() -> impl Strategy<Value = String> {
    let cell = prop_oneof![
        8 => "[a-c]{6}",
        2 => "\"[a-c]{3}\r?\n[a-c\n]{0,3}\n[a-c]{3}\"",
        1 => "\"[a-c]{6}\"\"x\"",
        1 => "[a-c]{2}\"[a-c]{4}",
    ];
    let row = (
        cell,
        prop_oneof!["s[0-9]", Just(String::new()), "L[1-9]"],
        prop_oneof![
            5 => Just(String::new()),
            1 => "[1-9]".prop_map(|day| format!("2026-11-1{day}T00:00:00Z")),
        ],
    );
    prop_oneof![
        200 => row.prop_map(|(value, subject, at)| format!("literal,{value},{subject},{at}")),
        5 => Just(String::new()),
        1 => Just("literal,\"never closed,,".to_owned()),
        1 => Just("literal,abcdef".to_owned()),
        1 => Just("ip,abcdef,,".to_owned()),
    ]
}

fn plain_line() -> impl Strategy<Value = String> {
    prop_oneof![
        100 => "[a-c]@a\\.example|[0-9]{1,3}|#.{0,5}|[A-C]{6}|10\\.0\\.0\\.[0-9]",
        1 => Just("abc".to_owned()),
    ]
}

fn registry() -> impl Strategy<Value = (Form, String)> {
    let log = (prop::collection::vec(log_line(), 0..60), any::<bool>(), prop::option::of(0usize..120))
        .prop_map(|(lines, chain, broken)| (Form::Jsonl, if chain { chained(&lines, broken) } else { lines }));
    let table = prop::collection::vec(table_row(), 0..60).prop_map(|mut rows| {
        rows.insert(0, "type,value,subject,effective_at".to_owned());
        (Form::Csv, rows)
    });
    let list = prop::collection::vec(plain_line(), 0..60).prop_map(|lines| (Form::Txt, lines));
    (prop_oneof![3 => log, 2 => table, 1 => list], prop_oneof![Just("\n"), Just("\r\n")], any::<bool>(), any::<bool>())
        .prop_map(|((form, lines), end, last, mark)| {
            let mut text = lines.join(end);
            text.push_str(if last { end } else { "" });
            (form, if mark { format!("\u{feff}{text}") } else { text })
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn blocks_and_threads(
        (form, text) in registry(),
        size in 1usize..400,
        most in 1usize..90,
        threads in 1usize..5,
        fails in prop::bool::weighted(0.1),
        seq in prop::option::of(0u64..20),
        seen in any::<prop::sample::Index>(),
    ) {
        let seen = text.as_bytes()[..seen.index(text.len() + 1)].to_vec();
        let lines = seen.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        let options = Options {
            listing: Listing::Reveal,
            as_of_seq: seq,
            as_of_sha256: seq.map(|_| chain::hex(&Sha256::digest(&seen[..lines]))),
            ..options()
        };
        if fails {
            // What stands in whole lines before is judged first.
            let whole = text.as_bytes();
            let whole = &whole[..whole.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1)];
            let want = match one_by_one(whole, form, &options) {
                // A row that is open is no fault while there may be more.
                Err(fault) if !fault.contains("does not end") => fault,
                _ => "Io reading the registry: connection reset".to_owned(),
            };
            let input = Trickle { text: text.as_bytes(), most, fails };
            prop_assert_eq!(came_to(size, input, form, &options, &Threads(threads)), Err(want));
        } else {
            let want = one_by_one(text.as_bytes(), form, &options);
            let input = Trickle { text: text.as_bytes(), most, fails };
            prop_assert_eq!(came_to(size, input, form, &options, &Threads(threads)), want);
        }
    }
}

/// Counts what it is asked for.
struct Counted(AtomicUsize);

impl Pool for Counted {
    fn helpers(&self) -> usize {
        2
    }

    fn run(&self, work: &(dyn Fn() + Sync), lead: &mut dyn FnMut()) {
        self.0.fetch_add(1, Ordering::Relaxed);
        Threads(3).run(work, lead);
    }
}

#[test]
fn threads_are_for_what_is_long() {
    let short: String = (0..50).map(|n| erase(&format!("s{n}"), &n.to_string(), "")).collect();
    let long: String = (0..9000).map(|n| erase(&format!("s{n}"), &n.to_string(), "")).collect();
    assert!(long.len() > 2 * REGISTRY_BLOCK);
    for (text, runs, subjects) in [(short, 0, 50), (long, 1, 9000)] {
        let pool = Counted(AtomicUsize::new(0));
        let registry = read_by(&pool, text.as_bytes(), Form::Jsonl, at(NOW), &options()).unwrap();
        assert_eq!((pool.0.into_inner(), registry.in_force), (runs, subjects));
        assert_eq!(registry.sha256, chain::hex(&Sha256::digest(&text)));
    }
}

/// A pool none of whose helpers comes.
struct Deserted;

impl Pool for Deserted {
    fn helpers(&self) -> usize {
        3
    }

    fn run(&self, _: &(dyn Fn() + Sync), lead: &mut dyn FnMut()) {
        lead();
    }
}

#[test]
fn threads_that_do_not_start() {
    let text: String = (0..500).map(|n| erase(&format!("s{n}"), &n.to_string(), "")).collect();
    let want = one_by_one(text.as_bytes(), Form::Jsonl, &Options { listing: Listing::Reveal, ..options() });
    let options = Options { listing: Listing::Reveal, ..options() };
    assert_eq!(came_to(200, text.as_bytes(), Form::Jsonl, &options, &Deserted), want);
}

/// Lines longer than a block, up to the longest that a registry may have and one byte more.
#[test]
fn long_lines() {
    let first = erase("s", "1", "");
    for (over, fits) in [(0, true), (1, false)] {
        let empty = erase("t", "2", "").len();
        let long = erase(&"t".repeat(MAX_REGISTRY_LINE + 1 + over - empty), "2", "");
        assert_eq!(long.len(), MAX_REGISTRY_LINE + over);
        let text = format!("{first}{long}{}", erase("u", "3", ""));
        for (size, threads) in [(100, 1), (4096, 3), (REGISTRY_BLOCK, 2)] {
            let mut ledger_options = options();
            ledger_options.allow_empty = true;
            let read = came_to(
                size,
                text.as_bytes(),
                Form::Jsonl,
                &Options { listing: Listing::Reveal, ..ledger_options },
                &Threads(threads),
            );
            match read {
                Ok(_) => assert!(fits),
                Err(fault) => assert!(!fits && fault == "Usage line 2: longer than 1 MiB", "{fault}"),
            }
        }
    }
    assert_eq!(Kind::Usage, load(Form::Jsonl, "x".repeat(3 << 20), &options()).unwrap_err().kind());
}
