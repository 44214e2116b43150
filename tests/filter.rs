//! `filter`: stdin to stdout. What it writes is what `scrub` makes, or it fails so that a pipe stops.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::Value;

use crate::support::world::REGISTRY;
use crate::support::{ALICE, World, cases, make, manifest};

const BASE: [&str; 3] = ["filter", "--registry", REGISTRY];

fn filter(world: &World, more: &[&str], input: &[u8]) -> Output {
    fed(world.command(&[&BASE, more].concat()), &[input])
}

/// Runs `command` with these pieces as its stdin, each written by itself.
fn fed(mut command: Command, pieces: &[&[u8]]) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for piece in pieces {
                if stdin.write_all(piece).is_err() {
                    return;
                }
            }
        });
        child.wait_with_output().unwrap()
    })
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn expect(output: &Output, want: i32) {
    assert_eq!(code(output), want, "{}", said(output));
}

/// A stream of each record format with a record of Alice's, and its name. Long ones do not fit a window.
fn streams(long: bool) -> Vec<(&'static str, Vec<u8>)> {
    let n = if long { 6000 } else { 12 };
    let lines =
        |of: &dyn Fn(usize, bool) -> String| (0..n).map(|i| of(i, i % 11 == 5)).collect::<String>().into_bytes();
    let mail = |hers| if hers { "alice@example.com" } else { "bob@example.org" };
    let array = |i: usize, hers| format!("{{\"n\":{i},\"email\":\"{}\"}},\n", mail(hers));
    let mut document = b"{\"note\":\"of alice@example.com\",\"Records\":[\n".to_vec();
    document.extend_from_slice(lines(&array).strip_suffix(b",\n").unwrap());
    document.extend_from_slice(b"\n]}\n");
    vec![
        (
            "a.log",
            lines(&|i, hers| {
                format!(
                    "2026-11-20T08:{:02}:{:02}Z INFO {i} {}\n\tat x.Y(Y.java:{i})\n",
                    i / 60 % 60,
                    i % 60,
                    mail(hers)
                )
            }),
        ),
        ("a.txt", lines(&|i, hers| format!("Dear {} of chapter {i}, all is well.\n", mail(hers)))),
        ("a.jsonl", lines(&|i, hers| format!("{{\"n\":{i},\"user\":{{\"email\":\"{}\"}}}}\n", mail(hers)))),
        (
            "a.csv",
            [b"n,email,note\n".to_vec(), lines(&|i, hers| format!("{i},{},\"x \"\"y\"\"\nz\"\n", mail(hers)))].concat(),
        ),
        ("a.tsv", [b"n\temail\tnote\n".to_vec(), lines(&|i, hers| format!("{i}\t{}\tx\n", mail(hers)))].concat()),
        ("a.logfmt", lines(&|i, hers| format!("at=info n={i} email={} took=5ms\n", mail(hers)))),
        ("a.json", document),
    ]
}

/// Encodes or decodes by a foreign tool.
fn tool(name: &str, arguments: &[&str], data: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new(name);
    if command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        assert!(std::env::var_os("CI").is_none(), "{name} is not there");
        eprintln!("{name} is not there");
        return None;
    }
    let mut command = Command::new(name);
    command.args(arguments);
    let output = fed(command, &[data]);
    assert!(output.status.success(), "{name}: {}", said(&output));
    Some(output.stdout)
}

/// Codecs: the extension, and the tool that writes and reads it.
const TOOLS: [(&str, &str); 5] = [("gz", "gzip"), ("zst", "zstd"), ("bz2", "bzip2"), ("xz", "xz"), ("lz4", "lz4")];

#[test]
fn each_format_is_what_scrub_makes_of_it() {
    for long in [false, true] {
        for (name, data) in streams(long) {
            let world = World::new(ALICE);
            world.put(format!("src/{name}"), &data);
            world.mirror("out/", &[]).expect(0);
            let want = world.get(format!("out/{name}"));
            assert_ne!(want, data, "{name}");
            let output = filter(&world, &["--name", name], &data);
            expect(&output, 0);
            assert!(output.stdout == want, "{name}: {} and not {} bytes", output.stdout.len(), want.len());
            // Twice is once, and the same bytes.
            let again = filter(&world, &["--name", name], &want);
            expect(&again, 0);
            assert!(again.stdout == want, "{name}: a clean stream is changed");
        }
    }
}

#[test]
fn each_codec_around_each_format() {
    let world = World::new(ALICE);
    for (name, data) in streams(true) {
        world.put(format!("src/{name}"), &data);
    }
    world.mirror("out/", &[]).expect(0);
    for (i, (name, data)) in streams(true).into_iter().enumerate() {
        let want = world.get(format!("out/{name}"));
        for (j, (extension, tool_name)) in TOOLS.iter().enumerate() {
            // Two frames each; all formats through gzip, one or two through the others.
            if j > 0 && i % (TOOLS.len() - 1) != j - 1 {
                continue;
            }
            let (one, two) = data.split_at(data.len() / 3);
            let Some(one) = tool(tool_name, &["-c"], one) else { continue };
            let coded = [one, tool(tool_name, &["-c"], two).unwrap()].concat();
            let output = filter(&world, &["--name", &format!("{name}.{extension}")], &coded);
            expect(&output, 0);
            let decoded = tool(tool_name, &["-dc"], &output.stdout).unwrap();
            assert!(decoded == want, "{name}.{extension}: {} and not {} bytes", decoded.len(), want.len());
        }
    }
}

#[test]
fn codecs_inside_codecs_and_the_snappy_framing() {
    let world = World::new(ALICE);
    let log = make::log(&["one", "alice@example.com", "two"]);
    let want = make::without(&log, "alice");
    let output = filter(&world, &[], &make::gz(&make::zst(&make::gz(&log))));
    expect(&output, 0);
    assert_eq!(make::un_gz(&make::un_zst(&make::un_gz(&output.stdout))), want);
    let mut chunks = snap::write::FrameEncoder::new(Vec::new());
    chunks.write_all(&log).unwrap();
    let output = filter(&world, &["--codec", "snappy"], &chunks.into_inner().unwrap());
    expect(&output, 0);
    let mut decoded = Vec::new();
    snap::read::FrameDecoder::new(&output.stdout[..]).read_to_end(&mut decoded).unwrap();
    assert_eq!(decoded, want);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(12)))]
    /// Where a read ends does not matter, nor how long records are.
    #[test]
    fn pieces_do_not_matter(records in prop::collection::vec((0usize..3000, 0u8..9), 20..200),
                            sizes in prop::collection::vec(1usize..70_000, 1..20), gz in any::<bool>()) {
        let world = World::new(ALICE);
        let mut log = Vec::new();
        for (i, (len, who)) in records.iter().enumerate() {
            let who = if *who == 0 { "alice@example.com" } else { "nobody" };
            writeln!(log, "2026-11-20T08:00:{:02}Z INFO {who} {}", i % 60, "x".repeat(*len)).unwrap();
        }
        let data = if gz { make::gz(&log) } else { log.clone() };
        let (mut pieces, mut rest) = (Vec::new(), &data[..]);
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        let output = fed(world.command(&BASE), &pieces);
        prop_assert_eq!(code(&output), 0, "{}", said(&output));
        let result = if gz { make::un_gz(&output.stdout) } else { output.stdout };
        prop_assert!(result == make::without(&log, "alice"));
    }
}

#[test]
fn an_empty_stream_is_an_empty_stream() {
    let world = World::new(ALICE);
    let output = filter(&world, &[], b"");
    expect(&output, 0);
    assert!(output.stdout.is_empty());
    let output = filter(&world, &[], &make::gz(b""));
    expect(&output, 0);
    assert!(!output.stdout.is_empty() && make::un_gz(&output.stdout).is_empty());
    // All records go: a valid stream without any.
    let output = filter(&world, &[], &make::gz(&make::log(&["alice@example.com", "alice@example.com"])));
    expect(&output, 0);
    assert!(make::un_gz(&output.stdout).is_empty());
}

/// A filter on its way: its stdin stays open.
struct Going {
    child: Child,
}

impl Going {
    fn start(world: &World, more: &[&str]) -> Self {
        let mut command = world.command(&[&BASE, more].concat());
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Self { child }
    }

    fn write(&mut self, data: &[u8]) {
        self.child.stdin.as_mut().unwrap().write_all(data).unwrap();
    }

    /// Reads until so many bytes came.
    fn read(&mut self, n: usize) -> Vec<u8> {
        let mut out = vec![0; n];
        self.child.stdout.as_mut().unwrap().read_exact(&mut out).unwrap();
        out
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    fn end(self) -> Output {
        self.child.wait_with_output().unwrap()
    }
}

#[test]
fn output_flows_while_input_still_comes() {
    let world = World::new(ALICE);
    let mut going = Going::start(&world, &[]);
    // JSON Lines: a record is known to be whole at its line feed.
    let line = |i: usize| format!("{{\"n\":{i},\"text\":\"something that is there to fill a line with\"}}\n");
    let start: String = (0..2500).map(line).collect();
    assert!(start.len() > 2 * 64 * 1024);
    going.write(start.as_bytes());
    assert!(going.read(start.len()) == start.as_bytes());
    for i in 2500..2510 {
        let line = line(i);
        going.write(b"{\"email\":\"alice@example.com\"}\n");
        going.write(line.as_bytes());
        assert_eq!(going.read(line.len()), line.as_bytes(), "what came is not written while nothing more comes");
    }
    going.signal("-TERM");
    let started = Instant::now();
    let output = going.end();
    expect(&output, 143);
    assert!(started.elapsed() < Duration::from_secs(10), "a signal must end a wait for input");
}

#[test]
fn signals_end_it_without_an_end_of_the_stream() {
    let world = World::new(ALICE);
    for (signal, want) in [("-TERM", 143), ("-INT", 130)] {
        let mut going = Going::start(&world, &[]);
        let mut text = Vec::new();
        for i in 0..12_000u64 {
            writeln!(text, "2026-11-20T08:00:00Z {}", i.wrapping_mul(0x9e37_79b9_7f4a)).unwrap();
        }
        let coded = make::gz(&text);
        let most = coded.len() - 100;
        going.write(&coded[..most]);
        // Once it writes it is past its start.
        let mut start = going.read(1000);
        going.signal(signal);
        // Its stdin is still open.
        let mut stdout = going.child.stdout.take().unwrap();
        stdout.read_to_end(&mut start).unwrap();
        expect(&going.end(), want);
        let mut out = Vec::new();
        assert!(flate2::read::MultiGzDecoder::new(&start[..]).read_to_end(&mut out).is_err(), "it looks whole");
    }
}

#[test]
fn a_blocked_reader_does_not_hold_a_signal_up() {
    let world = World::new(ALICE);
    let mut command = world.command(&BASE);
    world.put("big", make::log(&vec!["a line like any other"; 20_000]));
    command.stdin(File::open(world.path("big")).unwrap()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let going = Going { child: command.spawn().unwrap() };
    std::thread::sleep(Duration::from_millis(800));
    let started = Instant::now();
    going.signal("-TERM");
    let mut child = going.child;
    // Nobody reads its stdout meanwhile.
    while child.try_wait().unwrap().is_none() {
        assert!(started.elapsed() < Duration::from_secs(10), "it still runs");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[test]
fn a_reader_that_goes_away_and_a_full_disk_are_failures() {
    let world = World::new(ALICE);
    let log = make::log(&vec!["a line like any other"; 10_000]);
    world.put("big", &log);
    let mut command = world.command(&BASE);
    command.stdin(File::open(world.path("big")).unwrap()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    expect(&output, 3);
    assert!(said(&output).contains("writing to stdout"), "{}", said(&output));
    for input in ["big", "small", "small.gz"] {
        if input.starts_with("small") {
            world.put("small", make::log(&["one", "two"]));
            world.put("small.gz", make::gz(&make::log(&["one", "two"])));
        }
        let mut command = world.command(&BASE);
        command.stdin(File::open(world.path(input)).unwrap());
        command.stdout(File::options().write(true).open("/dev/full").unwrap());
        expect(&command.output().unwrap(), 3);
    }
}

#[test]
fn an_error_of_stdin_is_a_failure() {
    let world = World::new(ALICE);
    let mut command = world.command(&BASE);
    command.stdin(File::open(world.dir()).unwrap());
    let output = command.output().unwrap();
    expect(&output, 3);
    assert!(said(&output).contains("reading stdin"), "{}", said(&output));
}

#[test]
fn nothing_is_read_or_written_before_the_registry_is_in_date() {
    let world = World::new(ALICE);
    world.put("in.log", make::log(&["one", "alice@example.com"]));
    let old = filetime::FileTime::from_unix_time(1_000_000_000, 0);
    filetime::set_file_mtime(world.path(REGISTRY), old).unwrap();
    world.put("empty.jsonl", "");
    world.put("bad.jsonl", "{");
    let refused: [&[&str]; 6] = [
        &["filter", "--registry", REGISTRY, "--max-registry-age", "36h"],
        &["filter", "--registry", REGISTRY, "--min-registry-seq", "9"],
        &["filter", "--registry", "empty.jsonl"],
        &["filter", "--registry", "bad.jsonl"],
        &["filter", "--registry", "none.jsonl"],
        &["filter"],
    ];
    for arguments in refused {
        let mut file = File::open(world.path("in.log")).unwrap();
        let mut command = world.command(arguments);
        command.stdin(file.try_clone().unwrap());
        let output = command.output().unwrap();
        expect(&output, 2);
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert_eq!(file.stream_position().unwrap(), 0, "{arguments:?}: stdin was read");
    }
}

#[test]
fn usage() {
    let world = World::new(ALICE);
    world.put("in.log", make::log(&["one"]));
    for more in [
        &["--json"][..],
        &["--format", "nothing"],
        &["--codec", "nothing"],
        &["--name", ""],
        &["--max-dropped", "many"],
        &["--level", "gzip=99"],
        &["in.log"],
    ] {
        let output = filter(&world, more, b"x");
        expect(&output, 2);
        assert!(output.stdout.is_empty(), "{more:?}");
    }
    // The file that is read would grow under the reader.
    let mut command = world.command(&BASE);
    command.stdin(File::open(world.path("in.log")).unwrap());
    command.stdout(File::options().append(true).open(world.path("in.log")).unwrap());
    expect(&command.output().unwrap(), 2);
    assert_eq!(world.get("in.log"), make::log(&["one"]));
    // What stands in the config file for other verbs does not matter.
    world.put("unwrite.toml", "[options]\njson = true\nin_place = true\n");
    expect(&filter(&world, &[], b"x\n"), 0);
}

#[test]
fn pipefail_stops_a_pipe() {
    let world = World::new(ALICE);
    let log = make::log(&vec!["some text"; 5000]);
    let good = make::gz(&log);
    // Members that are whole, and one that is not: what was written must not end after a member.
    let mut cut = make::multi_gz(&[&log, &log, &log]);
    cut.truncate(cut.len() - 9);
    let garbage = [good.clone(), b"garbage".to_vec()].concat();
    let padded = [good.clone(), vec![0; 5000], b"garbage".to_vec()].concat();
    for (name, data, fails) in
        [("good", good, false), ("cut", cut, true), ("garbage", garbage, true), ("padded", padded, true)]
    {
        world.put(name, data);
        let script = format!("set -o pipefail; cat {name} | \"$0\" filter --registry {REGISTRY} > out.gz");
        let program = assert_cmd::cargo::cargo_bin!("unwrite");
        let ran = Command::new("bash").args(["-c", &script]).arg(program).current_dir(world.dir()).output().unwrap();
        assert_eq!(ran.status.code(), Some(if fails { 3 } else { 0 }), "{name}: {}", said(&ran));
        let test = Command::new("gzip").args(["-t", "out.gz"]).current_dir(world.dir()).output().unwrap();
        assert_eq!(test.status.success(), !fails, "{name}: {}", said(&test));
    }
}

#[test]
fn no_codec_is_ended_after_damage() {
    let world = World::new(ALICE);
    let log: Vec<u8> = streams(true).swap_remove(0).1;
    for (extension, name) in TOOLS {
        let Some(one) = tool(name, &["-c"], &log) else { continue };
        // Two whole frames, then one that is cut off.
        let data = [&one[..], &one, &one[..one.len() - 6]].concat();
        let output = filter(&world, &["--name", &format!("a.log.{extension}")], &data);
        expect(&output, 3);
        let mut command = Command::new(name);
        command.args(["-dc"]);
        if !output.stdout.is_empty() {
            assert!(!fed(command, &[&output.stdout]).status.success(), "{name} takes it to be whole");
        }
    }
}

#[test]
fn what_must_be_read_twice_is_spooled_or_refused() {
    let world = World::new(ALICE);
    let log = make::log(&["one", "alice@example.com", "two"]);
    let archive = make::tar(&[("a.log", &log), ("alice@example.com.txt", b"hello\n")]);
    for (name, data) in [("a.tar", archive.clone()), ("a.tar.gz", make::gz(&archive))] {
        let decode = |bytes: &[u8]| if name == "a.tar" { bytes.to_vec() } else { make::un_gz(bytes) };
        world.put(format!("src/{name}"), &data);
        world.mirror("out/", &[]).expect(0);
        let output = filter(&world, &[], &data);
        expect(&output, 0);
        assert_eq!(decode(&output.stdout), decode(&world.get(format!("out/{name}"))), "{name}");
        let output = filter(&world, &["--no-spool"], &data);
        expect(&output, 3);
        assert!(output.stdout.is_empty() && said(&output).contains("tar must be read twice"), "{}", said(&output));
    }
    let output = filter(&world, &["--max-temp", "100KiB"], &make::tar(&[("a.log", &vec![b'x'; 2_000_000])]));
    expect(&output, 3);
    assert!(output.stdout.is_empty() && said(&output).contains("--max-temp"), "{}", said(&output));
}

#[test]
fn what_cannot_be_read_is_refused_unless_accepted() {
    let png = [&b"\x89PNG\r\n\x1a\n"[..], &[7, 0, 200, 1, 99].repeat(40_000)].concat();
    let strange = [make::log(&vec!["some text"; 20_000]), vec![1; 200], b"\n".to_vec(), make::log(&["more"])].concat();
    let held = [&png[..], b" alice@example.com ", &png].concat();
    let archive = make::tar(&[("a.log", &make::log(&["one", "alice@example.com"])), ("b.png", &png)]);
    for (name, data, reason) in [
        ("a.png", &png, "unsupported"),
        ("a.log", &strange, "binary bytes in log"),
        ("a.tar", &archive, "unsupported members"),
        ("a.log.gz", &make::gz(&strange), "binary bytes in log"),
    ] {
        let world = World::new(ALICE);
        let output = filter(&world, &["--name", name], data);
        expect(&output, 3);
        assert!(said(&output).contains(reason), "{name}: {}", said(&output));
        if name == "a.log" {
            assert!(strange.starts_with(&output.stdout) && !output.stdout.contains(&1), "what is strange was written");
        }
        if name == "a.png" || name == "a.tar" {
            assert!(output.stdout.is_empty(), "{name}");
        }
        world.put("p.toml", "[[rule]]\naccept_unsupported = [\"**/*.png\", \"*.log\", \"*.gz\"]\n");
        let output = filter(&world, &["--name", name, "--policy", "p.toml", "--manifest", "m.jsonl"], data);
        expect(&output, 0);
        let line = &manifest::check(&world.get("m.jsonl"))[1];
        assert!(line["members"][0]["reason"].as_str().unwrap().contains("accepted"), "{line}");
    }
    let world = World::new(ALICE);
    world.put("p.toml", "[[rule]]\naccept_unsupported = [\"**\"]\n");
    let output = filter(&world, &["--policy", "p.toml"], &held);
    expect(&output, 3);
    assert!(held.starts_with(&output.stdout) && output.stdout.len() <= png.len(), "a value was written");
    assert!(said(&output).contains("holds matches"), "{}", said(&output));
}

#[test]
fn a_hold_lets_the_whole_stream_through_and_says_so() {
    let hold = r#"{"subject":"sub_01","event":"hold"}"#;
    let world = World::new(&format!("{ALICE}{hold}\n"));
    let log = make::log(&["one", "alice@example.com"]);
    let output = filter(&world, &["--manifest", "m.jsonl"], &log);
    expect(&output, 3);
    assert_eq!(output.stdout, log);
    assert!(said(&output).contains("left: held"), "{}", said(&output));
    let world = World::new(ALICE);
    world.put("p.toml", "[[rule]]\naction = \"report\"\n");
    let output = filter(&world, &["--policy", "p.toml"], &log);
    expect(&output, 0);
    assert_eq!(output.stdout, log);
}

#[test]
fn its_manifest() {
    let world = World::new(ALICE);
    let log = make::log(&["one", "alice@example.com", "two"]);
    let want = make::without(&log, "alice");
    let run = |data: &[u8], wanted: i32| -> (Vec<Value>, Vec<u8>) {
        let output = filter(&world, &["--manifest", "m.jsonl", "--quiet"], data);
        expect(&output, wanted);
        (manifest::check(&world.get("m.jsonl")), output.stdout)
    };
    let digest = |data: &[u8]| serde_json::json!({"bytes": data.len(), "sha256": &manifest::sha256(data)[7..]});
    let (lines, out) = run(&log, 0);
    assert_eq!(out, want);
    let kinds: Vec<_> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["run", "artifact", "summary"]);
    assert_eq!((&lines[0]["mode"], &lines[0]["sources"][0]), (&"filter".into(), &"stdin:".into()));
    let line = &lines[1];
    assert_eq!((&line["uri"], &line["output"]), (&"stdin:".into(), &"stdout:".into()));
    assert_eq!(line["status"], "rewritten");
    assert_eq!((&line["before"], &line["after"]), (&digest(&log), &digest(&want)));
    assert_eq!((&line["verified"], &line["subjects"]["sub_01"]), (&"full".into(), &1.into()));
    assert_eq!(line["records"], serde_json::json!({"read": 3, "dropped": 1, "edited": 0}));
    assert_eq!((&line["kept_bytes"], &line["encoded_bytes"]), (&want.len().into(), &0.into()));
    let (lines, _) = run(&want, 0);
    assert_eq!((&lines[4]["status"], &lines[4]["after"]), (&"copied".into(), &digest(&want)));
    let mut stored = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    stored.write_all(&want).unwrap();
    let (lines, out) = run(&stored.finish().unwrap(), 0);
    assert_eq!((&lines[7]["status"], &lines[7]["after"]), (&"rewritten".into(), &digest(&out)));
    assert_eq!(lines[7]["notes"][0], "encoded again; nothing of its content changed");
    let archive = make::tar(&[("a.log", &log)]);
    let (lines, out) = run(&archive, 0);
    assert_eq!((&lines[10]["before"], &lines[10]["after"]), (&digest(&archive), &digest(&out)));
    world.verify(&[]).expect(0);
    let (lines, _) = run(&make::gz(&log)[..40], 3);
    assert_eq!(lines[13]["status"], "failed");
    // The newest line of a stream counts.
    world.verify(&[]).expect(3);
    // None unless it is asked for.
    let files = || std::fs::read_dir(world.dir()).unwrap().count();
    let before = files();
    expect(&filter(&world, &[], &log), 0);
    assert_eq!(files(), before);
}

#[test]
fn the_fuse() {
    let world = World::new(ALICE);
    let texts: Vec<&str> = (0..2000).map(|i| if i % 10 == 0 { "alice@example.com" } else { "nobody" }).collect();
    let log = make::log(&texts);
    for (most, want) in [("199", 3), ("200", 0), ("9%", 3), ("10%", 0)] {
        let output = filter(&world, &["--max-dropped", most], &log);
        expect(&output, want);
        assert_eq!(said(&output).contains("max-dropped"), want == 3, "{}", said(&output));
        let output = filter(&world, &["--max-dropped", most], &make::gz(&log));
        expect(&output, want);
        let mut decoded = Vec::new();
        let whole = flate2::read::MultiGzDecoder::new(&output.stdout[..]).read_to_end(&mut decoded).is_ok();
        assert_eq!(whole && !output.stdout.is_empty(), want == 0, "{most}");
    }
    let archive = make::tar(&[("a.log", &log)]);
    let output = filter(&world, &["--max-dropped", "9%"], &archive);
    expect(&output, 3);
    assert!(output.stdout.is_empty());
}

#[test]
fn each_level_of_verification() {
    let world = World::new(ALICE);
    let log: Vec<u8> = streams(true).swap_remove(0).1;
    let want = make::without(&log, "no such thing");
    assert_eq!(want, log);
    let mut results = Vec::new();
    for level in ["none", "decode", "full", "paranoid"] {
        let output = filter(&world, &["--verify", level], &make::gz(&log));
        expect(&output, 0);
        results.push(make::un_gz(&output.stdout));
        assert_eq!(said(&output).contains("WARNING"), level == "none");
    }
    assert!(results.iter().all(|result| *result == results[0] && *result != log));
}

#[test]
fn nobody_is_named() {
    let world = World::new(ALICE);
    let log = make::log(&["alice@example.com usr_8f3a9c21"]);
    let broken = [make::gz(&log), b"alice@example.com".to_vec()].concat();
    for data in [log, broken] {
        let more = ["--name", "alice@example.com.log", "--manifest", "m.jsonl", "-vv"];
        let more = if data.starts_with(b"\x1f") { [&more[..], &["--codec", "gzip"]].concat() } else { more.to_vec() };
        let output = filter(&world, &more, &data);
        let manifest = String::from_utf8(world.get("m.jsonl")).unwrap();
        for text in [said(&output), manifest] {
            assert!(!text.contains("alice") && !text.contains("usr_8f3a9c21"), "{text}");
        }
    }
}
