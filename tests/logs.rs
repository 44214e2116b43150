//! Records as programs write them: divided lines, frames, journals, UTF-16. The golden cases are in `fixtures/cases`.

use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use unwrite::matcher::{Engine, Unit};

use crate::support::shelf::Shelf;
use crate::support::{ALICE, World, cases, make, needles};

const REDACT: &str = "[[rule]]\naction = \"redact\"\n";

fn docker(log: &str, stream: &str) -> String {
    let log = serde_json::to_string(log).unwrap();
    format!("{{\"log\":{log},\"stream\":\"{stream}\",\"time\":\"2026-11-21T10:00:00.120394857Z\"}}\n")
}

fn cri(text: &str, stream: &str, tag: &str) -> String {
    format!("2026-11-21T10:00:00.669794202Z {stream} {tag} {text}\n")
}

fn status(name: &str, data: impl AsRef<[u8]>, more: &[&str]) -> String {
    let world = World::new(ALICE);
    world.put(format!("src/{name}"), data);
    world.scan(more).status(name)
}

/// Lines in fragments: the stream, the fragments, whether the line ends.
type Lines = Vec<(bool, Vec<&'static str>)>;

fn lines() -> impl Strategy<Value = (Lines, Vec<bool>, bool)> {
    let word = prop::sample::select(vec![
        "alice@exa",
        "mple.com",
        "alice",
        "@example.com",
        "alice@example.com",
        "munity",
        "user_id=",
        "48213",
        " x ",
        "\"q\\",
        "bob@example.org ",
        "usr_8f3a",
        "9c21",
        "caf\u{e9} ",
        "",
    ]);
    let line = (any::<bool>(), prop::collection::vec(word, 1..4));
    (prop::collection::vec(line, 1..9), prop::collection::vec(any::<bool>(), 60), any::<bool>())
}

/// The fragments of all lines: ordinal of the line, text, whether it is the line's last. Those of one stream stay in order.
fn mixed(lines: &Lines, coins: &[bool]) -> Vec<(usize, &'static str, bool)> {
    let mut queues: [Vec<_>; 2] = [Vec::new(), Vec::new()];
    for (i, (stream, texts)) in lines.iter().enumerate() {
        for (n, text) in texts.iter().enumerate() {
            queues[usize::from(*stream)].push((i, *text, n + 1 == texts.len()));
        }
    }
    let mut coins = coins.iter().copied().cycle();
    let [mut one, mut other] = queues.map(Vec::into_iter);
    let mut out = Vec::new();
    loop {
        let (first, second) = if coins.next().unwrap() { (&mut one, &mut other) } else { (&mut other, &mut one) };
        match first.next().or_else(|| second.next()) {
            Some(fragment) => out.push(fragment),
            None => return out,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(250)))]

    /// A line goes as a whole if its fragments, joined, name the person; whatever stands between, in whatever windows.
    #[test]
    fn divided_lines_go_as_a_whole((lines, coins, open) in lines(), in_docker in any::<bool>(), window in 1usize..300, by_reference in any::<bool>()) {
        let (_, _, engine) = needles::engines(ALICE);
        let theirs = |i: usize| {
            let mut hits = Vec::new();
            let joined = lines[i].1.concat();
            engine.hits(&Unit { text: joined.as_bytes(), fields: &[], table: None }, &mut hits);
            !hits.is_empty()
        };
        let render = |keep: &dyn Fn(usize) -> bool| {
            let fragments = mixed(&lines, &coins);
            let all = fragments.len();
            let mut out = String::new();
            for (n, (i, text, last)) in fragments.into_iter().enumerate().filter(|(_, (i, ..))| keep(*i)) {
                let stream = if lines[i].0 { "stderr" } else { "stdout" };
                let ends = last && !(open && n + 1 == all);
                out += &if in_docker {
                    docker(&format!("{text}{}", if ends { "\n" } else { "" }), stream)
                } else {
                    cri(text, stream, if ends { "F" } else { "P" })
                };
            }
            // A head from which Docker's lines are known to end.
            if in_docker { docker("start\n", "stdout") + &out } else { cri("start", "stdout", "F") + &out }
        };
        let data = render(&|_| true).into_bytes();
        let want = render(&|i| !theirs(i)).into_bytes();
        let shelf = Shelf::new(ALICE, "");
        let got = shelf.scrub("x.log", &data, window, by_reference).unwrap();
        prop_assert_eq!(String::from_utf8(got.bytes).unwrap(), String::from_utf8(want).unwrap());
        for action in ["redact", "mask", "pseudonymize"] {
            let shelf = Shelf::new(ALICE, &format!("[[rule]]\naction = \"{action}\"\n"));
            // Verified inside: by the other engine, in other windows.
            let one = shelf.scrub("x.log", &data, window, by_reference).unwrap();
            let two = shelf.scrub("x.log", &data, 1 << 16, !by_reference).unwrap();
            prop_assert_eq!(&one.bytes, &two.bytes, "{}", action);
            prop_assert_eq!(shelf.scrub("x.log", &one.bytes, window, by_reference).unwrap().bytes, one.bytes, "{}", action);
            prop_assert_eq!(one.records.0, String::from_utf8_lossy(&data).lines().count() as u64);
        }
    }
}

#[test]
fn who_stands_in_a_divided_line_stands_in_all_of_it() {
    // A composite identifier, one part in each fragment; a hold in one fragment keeps all.
    let both = r#"{"subject":"s","identifiers":[{"all_of":[{"type":"user_id","value":"48213"},{"type":"email","value":"alice@example.com"}]}]}"#;
    let text = [
        cri("user_id=48213", "stdout", "P"),
        cri(" alice@example.com", "stdout", "F"),
        cri("alice@example.com", "stdout", "F"),
    ];
    let (got, ran) = World::scrubbed(both, "", "a.log", text.concat().as_bytes(), 0);
    assert_eq!(String::from_utf8(got).unwrap(), text[2]);
    assert_eq!(ran.artifact("a.log")["subjects"]["s"], 2);
    // An edit in one fragment may free a value in the next.
    let text = [cri("203.0.113.7", "stdout", "P"), cri("usr_8f3a9c21", "stdout", "F")];
    let mask = "[[rule]]\naction = \"mask\"\n";
    let (got, ran) = World::scrubbed(ALICE, mask, "a.log", text.concat().as_bytes(), 0);
    assert_eq!(
        String::from_utf8(got).unwrap(),
        [cri(&"*".repeat(11), "stdout", "P"), cri(&"*".repeat(12), "stdout", "F")].concat()
    );
    assert_eq!(ran.artifact("a.log")["subjects"]["sub_01"], 2);
    // Its time is that of its first fragment.
    let before = ALICE.replace("]}", r#"],"event":"erase","before":"2026-11-21T10:00:01Z"}"#);
    let text = [cri("user_id=48", "stdout", "P"), cri("213", "stdout", "F").replace("10:00:00", "10:00:01")].concat();
    let (got, _) = World::scrubbed(&before, "", "a.log", text.as_bytes(), 0);
    assert_eq!(got, b"");
    let held = format!(
        "{ALICE}{{\"subject\":\"h\",\"identifiers\":[{{\"type\":\"email\",\"value\":\"held@example.com\"}}]}}\n{{\"subject\":\"h\",\"event\":\"hold\"}}\n"
    );
    let text = [
        cri("user_id=48", "stdout", "P"),
        cri("213 held@example.com", "stdout", "F"),
        cri("user_id=48213", "stdout", "F"),
    ];
    let (got, ran) = World::scrubbed(&held, "", "a.log", text.concat().as_bytes(), 3);
    let want = [cri("user_id=ERASED", "stdout", "P"), cri(" held@example.com", "stdout", "F")].concat();
    assert_eq!(String::from_utf8(got).unwrap(), want);
    assert_eq!(ran.artifact("a.log")["left"]["held"], 2);
}

#[test]
fn divided_lines_have_a_bound() {
    let between = |n: usize, line: &str| line.repeat(n / line.len() + 1);
    // What does not say that it goes on is joined with what is near.
    for (bytes, want) in [(1_000_000, "would_rewrite"), (1_100_000, "clean")] {
        let head = docker("start\n", "stdout").repeat(3);
        let other = between(bytes, &docker("other\n", "stderr"));
        let text = head + &docker("alice@exa", "stdout") + &other + &docker("mple.com\n", "stdout");
        assert_eq!(status("a.log", text, &[]), want, "{bytes}");
    }
    // What says so is waited for, up to the bound on a record.
    let text = |end: &str| cri("alice@exa", "stdout", "P") + &between(100_000, &cri("other", "stderr", "F")) + end;
    assert_eq!(status("a.log", text(&cri("mple.com", "stdout", "F")), &[]), "would_rewrite");
    assert_eq!(status("a.log", text(""), &[]), "clean");
    for end in [&cri("mple.com", "stdout", "F"), ""] {
        let status = status("a.log", text(end), &["--max-record", "64K"]);
        assert!(status.starts_with("failed: limit: log: --max-record"), "{status}");
    }
}

#[test]
fn arrays_of_byte_values_are_bytes() {
    let bytes = |text: &str| text.bytes().map(|b| b.to_string()).collect::<Vec<_>>().join(",");
    let line = |text: &str| format!("{{\"M\":[{}]}}\n", bytes(text));
    let text =
        [line("a"), line("user_id=48213"), line("user_id=48214"), line("caf\u{e9} alice%40example.com"), line("x")];
    let (got, _) = World::scrubbed(ALICE, "", "a.jsonl", text.concat().as_bytes(), 0);
    assert_eq!(String::from_utf8(got).unwrap(), [&text[0][..], &text[2], &text[4]].concat());
    // In a document too, and under a name that identifies; elements that are ids themselves stay what they are.
    let text = format!("[{{\"user_id\":[{}]}},{{\"n\":1}},{{\"uid\":[1,48213,3]}}]", bytes("48213"));
    let (got, _) = World::scrubbed(ALICE, "", "a.json", text.as_bytes(), 0);
    assert_eq!(String::from_utf8(got).unwrap(), "[{\"n\":1}]");
    let redacted =
        |text: &str| String::from_utf8(World::scrubbed(ALICE, REDACT, "a.jsonl", text.as_bytes(), 0).0).unwrap();
    assert_eq!(redacted("{\"uid\":[1,48213,3]}\n"), "{\"uid\":[1,null,3]}\n");
    assert_eq!(redacted(&line("to alice@example.com!")), line("to ERASED!"));
    let (got, _) =
        World::scrubbed(ALICE, "[[rule]]\naction = \"mask\"\n", "a.jsonl", line("uid=48213 x").as_bytes(), 0);
    assert_eq!(String::from_utf8(got).unwrap(), line("uid=***** x"));
}

#[test]
fn frames_stay_frames() {
    let frame = |text: &str| format!("{} {text}", text.len());
    let text = [
        frame("<34>1 2026-11-21T10:00:00Z h a - - - one"),
        frame("<34>1 2026-11-21T10:00:01Z h a - - - user_id=48213\nalice@example.com\n"),
        frame("<34>1 - h a - - - three") + "\n",
    ];
    let (got, _) = World::scrubbed(ALICE, "", "a.log", text.concat().as_bytes(), 0);
    assert_eq!(String::from_utf8(got).unwrap(), text[0].clone() + &text[2]);
    let want = text[0].clone() + &frame("<34>1 2026-11-21T10:00:01Z h a - - - user_id=ERASED\nERASED\n") + &text[2];
    let (got, _) = World::scrubbed(ALICE, REDACT, "a.log", text.concat().as_bytes(), 0);
    assert_eq!(String::from_utf8(got).unwrap(), want);
    // What ends early is no clean log; nor is what stands where a frame must.
    let whole = text.concat();
    for bad in [&whole[..whole.len() - 9], &(text[0].clone() + &text[1] + "garbage")] {
        assert!(
            status("a.log", bad, &[]).starts_with("failed: syslog-frames: at byte "),
            "{}",
            status("a.log", bad, &[])
        );
    }
    // The time of a frame is its stamp's.
    let before = r#"{"subject":"s","identifiers":[{"type":"email","value":"alice@example.com"}],"before":"2026-11-21T10:00:01Z"}"#;
    let text = [0, 1].map(|s| frame(&format!("<34>1 2026-11-21T10:00:0{s}Z h a - - - alice@example.com")));
    let before = before.replace("\"before\"", "\"event\":\"erase\",\"before\"");
    let (got, _) = World::scrubbed(&before, "", "a.log", text.concat().as_bytes(), 0);
    assert_eq!(String::from_utf8(got).unwrap(), text[1]);
}

const REMOTE: &str = "/lib/systemd/systemd-journal-remote";

/// An entry of the export format.
fn entry(n: u64, message: &[u8]) -> Vec<u8> {
    let when = 1_795_255_200_000_000 + n * 1000;
    let boot = "bdd9d1b4a2b84a0a8bf5ab9e4dfd1a2b";
    let head = format!(
        "__CURSOR=s=923de9f18cdb485688d40a3620074eb0;i={n:x};b={boot};m={n:x};t={when:x};x=1\n\
         __REALTIME_TIMESTAMP={when}\n__MONOTONIC_TIMESTAMP={n}\n_BOOT_ID={boot}\nPRIORITY=6\nMESSAGE\n"
    );
    [head.as_bytes(), &(message.len() as u64).to_le_bytes(), message, b"\n\n"].concat()
}

#[test]
fn journald_reads_what_comes_of_its_exports() {
    if !Path::new(REMOTE).exists() {
        eprintln!("systemd-journal-remote is not installed");
        return;
    }
    let messages: Vec<Vec<u8>> = (0..200)
        .map(|i| match i % 5 {
            0 => format!("plain {i}").into_bytes(),
            1 => format!("two\nlines {i} of alice@example.com").into_bytes(),
            2 => [format!("{i} ").as_bytes(), b"caf\xe9 ALICE@example.com x"].concat(),
            3 => [format!("{i} ").as_bytes(), b"\x01\xff\xfe bob@example.org"].concat(),
            _ => format!("user_id=48213\n\n{i}").into_bytes(),
        })
        .collect();
    let stream: Vec<u8> = messages.iter().enumerate().flat_map(|(i, m)| entry(i as u64 + 1, m)).collect();
    for (policy, kept) in [("", 80), (REDACT, 200)] {
        let world = World::new(ALICE);
        world.put("src/a.export.gz", make::gz(&stream));
        world.put("p.toml", policy);
        world.scrub(&["--policy", "p.toml"]).expect(0);
        let result = make::un_gz(&world.get("src/a.export.gz"));
        let path = world.put("result.export", &result);
        let journal = world.path("out.journal");
        let made = Command::new(REMOTE).arg("-o").arg(&journal).arg(&path).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let read = Command::new("journalctl").arg("--file").arg(&journal).args(["-o", "json", "-a"]).output().unwrap();
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
        let got: Vec<Vec<u8>> = read
            .stdout
            .split_inclusive(|b| *b == b'\n')
            .map(|line| {
                let line: serde_json::Value = serde_json::from_slice(line).unwrap();
                match &line["MESSAGE"] {
                    serde_json::Value::String(text) => text.clone().into_bytes(),
                    bytes => bytes.as_array().unwrap().iter().map(|b| b.as_u64().unwrap() as u8).collect(),
                }
            })
            .collect();
        let theirs = |m: &&Vec<u8>| !m.windows(5).any(|w| w.eq_ignore_ascii_case(b"alice") || w == b"48213");
        let want: Vec<Vec<u8>> = if policy.is_empty() {
            messages.iter().filter(theirs).cloned().collect()
        } else {
            messages.iter().map(|m| replaced(m)).collect()
        };
        assert_eq!(got.len(), kept);
        assert!(got == want);
        // What journalctl prints as JSON is searched the same: byte values are bytes.
        let world = World::new(ALICE);
        world.put("src/a.json", &read.stdout);
        world.scan(&[]).expect(0);
    }
}

/// `message` as `redact` leaves it.
fn replaced(message: &[u8]) -> Vec<u8> {
    let mut out = message.to_vec();
    for value in [&b"alice@example.com"[..], b"ALICE@example.com", b"48213"] {
        if let Some(at) = out.windows(value.len()).position(|w| w == value) {
            out.splice(at..at + value.len(), *b"ERASED");
        }
    }
    out
}

#[test]
fn entries_that_are_cut_off_are_damage() {
    let stream = [entry(1, b"x"), entry(2, b"alice@example.com")].concat();
    for cut in 1..80 {
        let status = status("a.export", &stream[..stream.len() - cut], &[]);
        // Only where a text value ends at the end of the stream is that an entry.
        assert!(
            status == "would_rewrite" || status == "clean" || status.starts_with("failed: journal: at byte "),
            "{cut}: {status}"
        );
        assert!(status != "clean" || cut > 20, "{cut}: {status}");
    }
}

fn wide(text: &str, big: bool) -> Vec<u8> {
    text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

#[test]
fn utf16_in_every_wrapping() {
    let keep = "2026-11-21 10:00:00 INFO größte 日本 😀\r\n";
    let text = |who: &str| format!("{keep}{who}{keep}");
    let gone = "2026-11-21 10:00:01 INFO alice@example.com\r\n continued\r\n";
    for (mark, big) in [("\u{feff}", false), ("\u{feff}", true), ("", false), ("", true)] {
        let (data, want) = (wide(&format!("{mark}{}", text(gone)), big), wide(&format!("{mark}{}", text("")), big));
        let (got, ran) = World::scrubbed(ALICE, "", "a.log", &data, 0);
        assert!(got == want);
        assert_eq!(ran.artifact("a.log")["layers"], serde_json::json!(["utf-16", "log"]));
        let (got, _) = World::scrubbed(ALICE, "", "a.log.gz", &make::gz(&data), 0);
        assert!(make::un_gz(&got) == want);
        let tar = make::tar(&[("a.log", &data), ("b.log.gz", &make::gz(&data))]);
        let (got, _) = World::scrubbed(ALICE, "", "a.tar", &tar, 0);
        let members = make::untar(&got);
        assert!(members[0].1 == want && make::un_gz(&members[1].1) == want);
        let redacted = gone.replace("alice@example.com", "ERASED");
        let (got, _) = World::scrubbed(ALICE, REDACT, "a.log", &data, 0);
        assert!(got == wide(&format!("{mark}{}", text(&redacted)), big));
    }
}

#[test]
fn utf16_that_is_damaged_or_none_is_never_clean() {
    let text = "\u{feff}2026-11-21 10:00:00 INFO a\r\n2026-11-21 10:00:01 INFO b\r\n";
    let mut odd = wide(text, false);
    odd.push(b'x');
    assert_eq!(status("a.log", &odd, &[]), "failed: utf-16: at byte 114: half a character at the end");
    // Half a pair stays as it is, beside what goes.
    let mut units: Vec<u16> = text.encode_utf16().collect();
    units.extend([0xdc00, 0xd83d, 0x0a]);
    units.extend("2026-11-21 10:00:02 INFO alice@example.com\n".encode_utf16());
    let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    let (got, _) = World::scrubbed(ALICE, "", "a.log", &bytes, 0);
    assert!(got == bytes[..bytes.len() - 86]);
    // Not to be told, or in units of four bytes.
    let four: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    assert_eq!(status("a.log", &four, &[]), "unsupported: utf-32 text");
    let noise: Vec<u8> = (0..4000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let marked = [b"\xff\xfe".as_slice(), &noise, b"alice@example.com"].concat();
    assert_eq!(status("a.log", &marked, &[]), "unsupported: utf-16 text: holds matches");
}
