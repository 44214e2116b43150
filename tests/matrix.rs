//! One expectation, all paths: each record case (`fixtures/cases/*`, found by itself) through each codec, in a tar or a zip or none, in
//! windows from one byte up, by both engines: the same bytes.

use std::path::PathBuf;

use proptest::prelude::*;

use crate::support::shelf::{Scrubbed, Shelf};
use crate::support::{ALICE, make};

struct Case {
    name: String,
    extension: String,
    input: Vec<u8>,
    expected: Vec<u8>,
    shelf: Shelf,
}

fn cases() -> Vec<Case> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases");
    let mut folders: Vec<_> = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
    folders.sort();
    folders.iter().map(|folder| case(folder)).collect()
}

fn case(folder: &std::path::Path) -> Case {
    let named = |stem: &str| {
        let mut files = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
        files
            .find(|path| path.file_stem().unwrap() == stem)
            .unwrap_or_else(|| panic!("{}: no {stem}", folder.display()))
    };
    let input = named("input");
    let policy = std::fs::read_to_string(folder.join("unwrite.toml")).unwrap_or_default();
    Case {
        name: folder.file_name().unwrap().to_str().unwrap().to_owned(),
        extension: input.extension().unwrap().to_str().unwrap().to_owned(),
        input: std::fs::read(&input).unwrap(),
        expected: std::fs::read(named("expected")).unwrap(),
        shelf: Shelf::new(&std::fs::read_to_string(folder.join("registry.jsonl")).unwrap(), &policy),
    }
}

/// A codec or container around a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrap {
    Gz,
    MultiGz,
    Zst,
    Bz2,
    Xz,
    Lz4,
    Sz,
    Tar,
    Zip,
    StreamedZip,
}

/// Paths by which a stream is reached, outermost last.
const PATHS: &[&[Wrap]] = &[
    &[],
    &[Wrap::Gz],
    &[Wrap::MultiGz],
    &[Wrap::Zst],
    &[Wrap::Tar],
    &[Wrap::Gz, Wrap::Tar],
    &[Wrap::MultiGz, Wrap::Tar],
    &[Wrap::Zst, Wrap::Tar],
    &[Wrap::Tar, Wrap::Zst],
    &[Wrap::Zst, Wrap::Tar, Wrap::Gz],
    &[Wrap::Bz2],
    &[Wrap::Xz],
    &[Wrap::Lz4],
    &[Wrap::Sz],
    &[Wrap::Zip],
    &[Wrap::Gz, Wrap::StreamedZip],
    &[Wrap::StreamedZip, Wrap::Tar],
    &[Wrap::Tar, Wrap::Zip, Wrap::Xz],
];

const BESIDE: &[u8] = b"nothing of anybody\nis in here\n";

fn wrap(wraps: &[Wrap], name: &str, data: &[u8]) -> (String, Vec<u8>) {
    wraps.iter().fold((name.to_owned(), data.to_vec()), |(name, data), wrap| match wrap {
        Wrap::Gz => (format!("{name}.gz"), make::gz(&data)),
        Wrap::MultiGz => {
            let (a, b) = data.split_at(data.len() / 3);
            (format!("{name}.gz"), make::multi_gz(&[a, b, b""]))
        }
        Wrap::Zst => (format!("{name}.zst"), make::zst(&data)),
        Wrap::Bz2 => (format!("{name}.bz2"), make::bz2(&data)),
        Wrap::Xz => (format!("{name}.xz"), make::xz(&data)),
        Wrap::Lz4 => (format!("{name}.lz4"), make::lz4(&data)),
        Wrap::Sz => (format!("{name}.sz"), make::sz(&data)),
        Wrap::Tar => ("all.tar".to_owned(), make::tar(&[("first.txt", BESIDE), (&name, &data), ("last.txt", BESIDE)])),
        Wrap::Zip | Wrap::StreamedZip => {
            let members = [("first.txt", BESIDE), (&name, &data), ("last.txt", BESIDE)];
            ("all.zip".to_owned(), make::zip(&members, *wrap == Wrap::StreamedZip))
        }
    })
}

fn unwrap(wraps: &[Wrap], data: &[u8]) -> Vec<u8> {
    wraps.iter().rev().fold(data.to_vec(), |data, wrap| match wrap {
        Wrap::Gz | Wrap::MultiGz => make::un_gz(&data),
        Wrap::Zst => make::un_zst(&data),
        Wrap::Bz2 => make::un_bz2(&data),
        Wrap::Xz => make::un_xz(&data),
        Wrap::Lz4 => make::un_lz4(&data),
        Wrap::Sz => make::un_sz(&data),
        Wrap::Tar | Wrap::Zip | Wrap::StreamedZip => {
            let mut members = if *wrap == Wrap::Tar { make::untar(&data) } else { make::unzip(&data) };
            assert_eq!((members.len(), &members[0].1[..], &members[2].1[..]), (3, BESIDE, BESIDE));
            members.swap_remove(1).1
        }
    })
}

fn shown(data: &[u8]) -> String {
    data.escape_ascii().to_string().replace("\\n", "\\n\n")
}

#[test]
fn each_case_through_each_path_in_each_window_first_half() {
    paths_and_windows(0);
}

#[test]
fn each_case_through_each_path_in_each_window_second_half() {
    paths_and_windows(1);
}

fn paths_and_windows(half: usize) {
    let cases = cases();
    assert!(cases.len() > 30);
    for (at, case) in cases.iter().enumerate().filter(|(at, _)| at % 2 == half) {
        for (i, path) in PATHS.iter().enumerate() {
            let (name, data) = wrap(path, &format!("input.{}", case.extension), &case.input);
            // Decoded: what an encoder makes of the same bytes may depend on how they come.
            let run = |window, by_reference| -> Scrubbed {
                let done = case.shelf.scrub(&name, &data, window, by_reference);
                let done = done.unwrap_or_else(|e| panic!("{} as {name} in windows of {window}: {e}", case.name));
                assert_eq!(
                    done.bytes == data,
                    case.input == case.expected,
                    "{} as {name}: what changes is new",
                    case.name
                );
                Scrubbed { bytes: unwrap(path, &done.bytes), ..done }
            };
            let whole = run(256 * 1024, false);
            let text = &whole.bytes;
            assert!(
                *text == case.expected,
                "{} as {name}\n--- got\n{}\n--- expected\n{}",
                case.name,
                shown(text),
                shown(&case.expected)
            );
            assert_eq!(run(256 * 1024, true), whole, "{} as {name}: the reference engine", case.name);
            // A codec's own input is read byte by byte too; the smallest windows go through every path by turns.
            let small = if (at + i).is_multiple_of(3) { 1 } else { 2 + (at + i) % 5 };
            for window in [small, 61 + i * 97] {
                assert_eq!(run(window, false), whole, "{} as {name} in windows of {window}", case.name);
            }
            if path.is_empty() {
                assert_eq!(run(1, true), whole, "{} by the reference engine, byte by byte", case.name);
                assert_eq!(run(1, false), whole, "{} byte by byte", case.name);
                // P6: twice is once.
                let again = case.shelf.scrub(&name, &whole.bytes, 61, false).unwrap();
                assert_eq!(again.bytes, whole.bytes, "{}: twice is once", case.name);
                assert_eq!((again.records.1, again.records.2), (0, 0), "{}: twice is once", case.name);
            }
        }
    }
}

/// Lines of several formats and escapes, hits among them, at random: window sizes and engines must not matter.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec![
        "2026-11-20T08:00:00Z INFO user_id=48213 x",
        "2026-11-20T08:00:00Z INFO nobody",
        "  at com.example.Main(Main.java:7)",
        "Caused by: x.y.Z: alice@example.com",
        "\talice%40example.com",
        "Traceback (most recent call last):",
        "",
        "2026-11-20T08:00:01Z soft alice@exam=",
        "ple.com and=",
        "=",
        "{\"user_id\":48213}",
        "{\"user\":{\"id\":\"48213\",\"n\":null}}",
        "{\"a\":\"alice\\u0040example.com\"}",
        "{\"k\":[1,2,{\"uid\":48213}]}",
        "{\"bad\":",
        "a,b,c",
        "48213,\"alice@example.com\",x",
        "\"multi",
        "line\",2,3",
        "user_id,email,note",
        "1,2,3",
        "GET /users/48213/x HTTP/1.1",
        "k=v uid=48213 j=w",
        "caf\u{e9} 203.0.113.7",
    ]);
    let end = prop::sample::select(vec!["\n", "\n", "\n", "\r\n", "\n\n", ""]);
    prop::collection::vec((line, end), 0..30).prop_map(|parts| {
        parts.into_iter().flat_map(|(line, end)| [line.as_bytes(), end.as_bytes()].concat()).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::support::cases(200)))]

    #[test]
    fn windows_and_engines_do_not_matter(data in lines(), extension in prop::sample::select(vec!["log", "txt", "jsonl", "csv", ""]), window in 1usize..200) {
        let shelf = Shelf::new(ALICE, "");
        let name = format!("x.{extension}");
        let run = |window, by_reference| shelf.scrub(&name, &data, window, by_reference).map_err(|e| e.reason());
        let whole = run(256 * 1024, false);
        prop_assert_eq!(&run(window, false), &whole, "window {}", window);
        prop_assert_eq!(&run(window, true), &whole, "reference, window {}", window);
        if let Ok(whole) = whole {
            let again = shelf.scrub(&name, &whole.bytes, window, false);
            // What is left may look like another format; it must be clean all the same.
            prop_assert_eq!(again.unwrap().bytes, whole.bytes);
        }
    }
}
