//! Detection: a stream of each kind, by content and by name.

use proptest::prelude::*;

use super::*;
use crate::policy::{Continuation, Rule};

fn named(name: &str) -> Hint<'_> {
    Hint { name: name.as_bytes(), rule: None, format: None, codec: None }
}

fn fit(name: &str, bytes: &[u8]) -> String {
    format!("{:?}", TABLES.detect(bytes, true, &named(name)))
}

fn tell(bytes: &[u8]) -> String {
    fit("x", bytes)
}

const NOTHING: Tables = Tables { codecs: &[], containers: &[], formats: &[] };

/// (name, content, what it is)
const TEXTS: &[(&str, &str, &str)] = &[
    ("x", "", "Layer(text)"),
    ("x", "\n\n", "Layer(text)"),
    ("x", "\0\0\0\0", "Layer(text)"),
    ("x", "Dear Ann,\nthank you.\n", "Layer(text)"),
    ("x", "2025-03-11T08:00:00Z INFO a\n2025-03-11T08:00:01Z INFO b\n", "Layer(log)"),
    ("x", "\x00\x00\x002025-03-11T08:00:00Z INFO a\n2025-03-11T08:00:01Z INFO b\n", "Layer(log)"),
    ("x", "192.0.2.1 - - [10/Oct/2000:13:55:36 +0000] \"GET / HTTP/1.1\" 200 5\n", "Layer(log)"),
    ("x", "{\"a\":1}\n{\"a\":2}\n", "Layer(jsonl)"),
    ("x", "\u{feff}{\"a\":1}\r\n\r\n{\"a\":2}", "Layer(jsonl)"),
    ("x.json", "{\"a\":1}\n{\"a\":2}\n", "Layer(jsonl)"),
    ("x", "{\"a\":1}\n", "Layer(jsonl)"),
    ("x.json", "{\"a\":1}\n", "Layer(json)"),
    ("x", "{\"a\":[{\"b\":1}]}\n", "Layer(json)"),
    ("x.jsonl", "{\"a\":[{\"b\":1}]}\n", "Layer(jsonl)"),
    ("X.NDJSON", "{\"a\":[{\"b\":1}]}\n", "Layer(jsonl)"),
    ("x", "{\"a\":[1,[2]]}\n", "Layer(jsonl)"),
    ("x", "[1,2]\n", "Layer(json)"),
    ("x", "[\n {\"a\":1},\n {\"a\":2}\n]\n", "Layer(json)"),
    ("x", "{\n \"a\": [\n", "Layer(json)"),
    ("x", "{\n \"a\": 1,\n \"b\": oops\n}\n", "Layer(json)"),
    ("x", "{\n \"a\": 1\n}\n{\n \"a\": 2\n}\n", "Layer(json)"),
    ("x.json", "nothing of the kind\n", "Layer(json)"),
    ("x", "[12345] started\n[12345] stopped\n", "Layer(text)"),
    ("x", "{\"a\":1}\n{\"a\":2}\nno\n", "Layer(text)"),
    ("x", "--\n-- PostgreSQL database dump\n--\n", "Layer(sql)"),
    ("x", "-- MySQL dump 10.13\n", "Layer(sql)"),
    ("x", "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19\n", "Layer(sql)"),
    ("x", "COPY public.users (id, email, name) FROM stdin;\n1\ta\tb\n\\.\n", "Layer(sql)"),
    ("x", "INSERT INTO users VALUES (1,'a','b');\nINSERT INTO users VALUES (2,'a','b');\n", "Layer(sql)"),
    ("x", "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n", "Layer(sql)"),
    ("x", "# Time: 2025\nSET timestamp=1;\nINSERT INTO a VALUES (1);\n", "Layer(text)"),
    ("x", "id,name,mail\n1,Ann,ann@example.com\n", "Layer(csv)"),
    ("x", "id;name;mail\n1;Ann;ann@example.com\n", "Layer(csv)"),
    ("x", "id\tname\tmail\n1\tAnn\tann@example.com\n", "Layer(tsv)"),
    ("x.csv", "id,name\n1,Ann\n", "Layer(csv)"),
    ("x.tsv", "id\n1\n", "Layer(tsv)"),
    ("x", "id,name\n1,Ann\n", "Layer(text)"),
    ("x", "level=info msg=\"a b\" user_id=42\nlevel=info msg=b user_id=42\n", "Layer(logfmt)"),
    ("x", "2025-03-11T08:00:00Z a=1 b=2 c=3\n2025-03-11T08:00:00Z a=1 b=2 c=3\n", "Layer(log)"),
    ("x", "login user_id=42\nlogout user_id=42\n", "Layer(log)"),
];

#[test]
fn text_formats() {
    for (name, text, want) in TEXTS {
        assert_eq!(fit(name, text.as_bytes()), *want, "{name}: {text:?}");
    }
}

#[test]
fn nine_lines_of_ten() {
    let lines = |good: usize, bad: usize| ["{\"a\":1}\n".repeat(good), "no\n".repeat(bad)].concat();
    assert_eq!(tell(lines(9, 1).as_bytes()), "Layer(jsonl)");
    assert_eq!(tell(lines(8, 1).as_bytes()), "Layer(text)");
    // Half a line at the head's end says nothing.
    let head = [lines(2, 0).as_bytes(), b"{\"a\":"].concat();
    assert_eq!(format!("{:?}", TABLES.detect(&head, false, &named("x"))), "Layer(jsonl)");
}

#[test]
fn lines_longer_than_the_head() {
    let head = |text: &str, name: &str| format!("{:?}", TABLES.detect(text.as_bytes(), false, &named(name)));
    assert_eq!(head("{\"a\":\"xxxx", "x"), "Layer(jsonl)");
    assert_eq!(head("{\"a\":\"xxxx", "x.json"), "Layer(json)");
    assert_eq!(head("{\"a\":[{\"b\":1},{", "x"), "Layer(json)");
    assert_eq!(head("{\"a\":[{\"b\":1},{", "x.jsonl"), "Layer(jsonl)");
    assert_eq!(head("[{\"a\":\"xxxx", "x"), "Layer(json)");
    assert_eq!(head("INFO user_id=42 xxxx", "x"), "Layer(log)");
    assert_eq!(head("xxxx xxxx", "x"), "Layer(text)");
}

#[test]
fn binary_or_text() {
    let mut latin: Vec<u8> = b"INFO caf\xe9 \xff\xfe\x80\n".repeat(12);
    assert_eq!(tell(&latin), "Layer(log)");
    latin.extend([1; 3]);
    assert_eq!(tell(&latin), "Layer(log)");
    latin.extend([1; 3]);
    assert_eq!(tell(&latin), "Unknown");
    assert_eq!(tell(b"a\x08b\x1b[0m\x0b\x0c\n"), "Layer(text)");
    assert_eq!(tell(b"abc\0"), "Layer(text)");
    assert_eq!(tell(b"ab\0\0"), "Unknown");
    assert_eq!(format!("{:?}", TABLES.detect(&vec![0; 65536], false, &named("x"))), "Unknown");
    for opaque in [
        &b"%PDF-1.7\ntext\n"[..],
        b"\x89PNG\r\n\x1a\n",
        b"\x7fELF\x02\x01\x01",
        b"\xff\xd8\xff\xe0",
        b"\0\0\0\x18ftypmp42",
    ] {
        assert_eq!(tell(opaque), "Unknown");
    }
}

#[test]
fn wide_text() {
    let sixteen = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let big = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_be_bytes).collect() };
    let text = "2025-03-11 INFO caf\u{e9} \u{416}\n";
    for bytes in [sixteen(text), big(text), sixteen("\u{feff}x"), big("\u{feff}x"), sixteen("\u{feff}")] {
        assert_eq!(tell(&bytes), "Layer(utf-16)");
    }
    // Where the text starts is not clear; binary behind what may be a mark.
    let noise: Vec<u8> = (0..400u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for bytes in [[vec![0; 9], sixteen(text)].concat(), [b"\xff\xfe".to_vec(), noise].concat()] {
        assert_eq!(tell(&bytes), "Unsupported(utf-16 text)");
    }
    let wide: Vec<u8> = text.chars().flat_map(|c| (c as u32).to_le_bytes()).collect();
    assert_eq!(tell(&wide), "Unsupported(utf-32 text)");
    let forced = Hint { format: Some("text"), ..named("x") };
    assert_eq!(format!("{:?}", TABLES.detect(&sixteen(text), true, &forced)), "Layer(utf-16)");
}

#[test]
fn known_by_magic() {
    for (bytes, name) in [
        (&b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0"[..], "lzma"),
        (b"\x5d\0\0\x18\0\x10\0\0\0\0\0\0\0\0", "lzma"),
        (b"7z\xbc\xaf\x27\x1c\0", "7z"),
        (b"Rar!\x1a\x07\x01", "rar"),
        (b"PAR1\x15\x04\x15\0", "parquet"),
        (b"UNWR\x01\r\n\x1a\0\0", "compiled registry"),
        (b"SQLite format 3\0\x10", "sqlite"),
        (b"Obj\x01\x04", "avro"),
        (b"REDIS0011", "redis rdb"),
        (b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n", "redis aof"),
        (b"\x14\0\0\0\x02name\0\x04\0\0\0Ann\0\0", "bson"),
        (b"age-encryption.org/v1\n-> X25519 x\n", "encrypted"),
        (b"-----BEGIN PGP MESSAGE-----\n\nabc\n", "encrypted"),
        (b"Salted__abcdefgh", "encrypted"),
        (b"\x8c\x0d\x04\x09\x03\x02", "encrypted"),
    ] {
        assert_eq!(tell(bytes), format!("Unsupported({name})"));
    }
    let archive = if cfg!(feature = "pgdump") { "Layer(pg_dump custom)" } else { "Unsupported(pg_dump custom)" };
    assert_eq!(tell(b"PGDMP\x01\x0e"), archive);
    assert_eq!(fit("x.gpg", b"\x01\x02\x03\x04"), "Unsupported(encrypted)");
    assert_eq!(tell(b"Salted peanuts\n"), "Layer(text)");
    assert_eq!(tell(b"PARE\nPAR1\nBZh9\n"), "Layer(text)");
}

#[test]
fn what_is_left_out_is_unsupported_by_name() {
    let tell = |bytes: &[u8]| format!("{:?}", NOTHING.detect(bytes, true, &named("x")));
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    assert_eq!(tell(b"\x1f\x8b\x08"), "Unsupported(gzip)");
    assert_eq!(tell(b"\x28\xb5\x2f\xfd"), "Unsupported(zstd)");
    assert_eq!(tell(b"\x52\x2a\x4d\x18"), "Unsupported(zstd)");
    assert_eq!(tell(b"BZh91AY&SY"), "Unsupported(bzip2)");
    assert_eq!(tell(b"\xfd7zXZ\0\0\x04"), "Unsupported(xz)");
    assert_eq!(tell(b"\x04\x22\x4d\x18d"), "Unsupported(lz4)");
    assert_eq!(tell(b"\xff\x06\0\0sNaPpY"), "Unsupported(snappy)");
    assert_eq!(tell(&tar), "Unsupported(tar)");
}

#[test]
#[cfg(all(feature = "bzip2", feature = "xz", feature = "lz4", feature = "snappy"))]
fn codecs_by_magic() {
    assert_eq!(fit("a.tbz2", b"BZh91AY&SY"), "Layer(bzip2)");
    assert_eq!(fit("a.TXZ", b"\xfd7zXZ\0\0\x04"), "Layer(xz)");
    assert_eq!(fit("a.tlz4", b"\x04\x22\x4d\x18d"), "Layer(lz4)");
    assert_eq!(fit("a.log.lz4", b"\x50\x2a\x4d\x18\x01\0\0\0x\x04\x22\x4d\x18d"), "Layer(lz4)");
    assert_eq!(fit("a.sz", b"\xff\x06\0\0sNaPpY"), "Layer(snappy)");
    assert_eq!(fit("a.xz", b"BZh91AY&SY"), "Mismatch(name says xz)");
}

#[test]
fn names_that_lie() {
    for known in KNOWN {
        for extension in known.extensions {
            let name = format!("app.LOG{}", extension.to_uppercase());
            let want = format!("Mismatch(name says {})", known.name);
            assert_eq!(fit(&name, b"INFO a\nINFO b\n"), want);
            if !matches!(known.name, "tar" | "bson" | "redis aof") {
                assert_eq!(fit(&name, b""), want);
            }
        }
    }
    assert_eq!(fit("a.gz", b"\x28\xb5\x2f\xfd"), "Mismatch(name says gzip)");
    assert_eq!(fit("a.bson", b""), "Unsupported(bson)");
    for bytes in [&b""[..], b"REDIS0011", b"#TS:1741680000\r\n*2\r\n$6\r\n"] {
        assert_eq!(fit("a.aof", bytes), "Unsupported(redis aof)");
    }
    // A name that is all extension, or only holds one, says nothing.
    assert_eq!(fit(".gz", b"INFO a\n"), "Layer(log)");
    assert_eq!(fit("a.gz.txt", b"INFO a\n"), "Layer(log)");
}

#[test]
#[cfg(feature = "tar")]
fn archives_without_members() {
    assert_eq!(fit("a.tar", b""), "Layer(tar)");
    assert_eq!(fit("a.tar", &[0; 10240]), "Layer(tar)");
    assert_eq!(fit("a", &[0; 10240]), "Layer(text)");
}

#[test]
fn zip_by_magic_and_by_name() {
    let want = if cfg!(feature = "zip") { "Layer(zip)" } else { "Unsupported(zip)" };
    for (name, bytes) in [
        ("a", &b"PK\x03\x04\x14"[..]),
        ("a.jar", b"PK\x03\x04\x14"),
        ("a.zip", b"PK\x05\x06"),
        ("a.ZIP", b"PK\x07\x08PK\x03\x04"),
        ("a.zip", b"#!/bin/sh\nexit\nPK\x03\x04\x14"),
    ] {
        assert_eq!(fit(name, bytes), want, "{name}");
    }
    for bytes in [&b""[..], b"2026-11-21 a\n", b"\x1f\x8b\x08"] {
        assert_eq!(fit("a.zip", bytes), "Mismatch(name says zip)");
    }
    assert_ne!(fit("a.run", b"#!/bin/sh\nexit\nPK\x03\x04\x14"), want);
}

#[test]
#[cfg(feature = "gzip")]
fn what_the_command_line_says() {
    let with = |format, codec, bytes: &[u8], name| {
        let hint = Hint { format, codec, ..named(name) };
        format!("{:?}", TABLES.detect(bytes, true, &hint))
    };
    assert_eq!(with(None, None, b"\x1f\x8b\x08", "x.gz"), "Layer(gzip)");
    assert_eq!(with(None, Some("gzip"), b"a\n", "x"), "Layer(gzip)");
    assert_eq!(with(None, Some("lzma"), b"a\n", "x"), "Unsupported(lzma)");
    assert_eq!(with(None, Some("none"), b"INFO a\n", "x.gz"), "Layer(log)");
    assert_eq!(with(None, Some("none"), b"\x1f\x8b\x08\x01\x02\x03", "x"), "Unknown");
    assert_eq!(with(Some("csv"), None, b"INFO a\n", "x"), "Layer(csv)");
    assert_eq!(with(Some("log"), None, b"\x01\x02\x03\x04", "x"), "Layer(log)");
    assert_eq!(with(Some("logfmt"), None, b"INFO a\n", "x"), "Layer(logfmt)");
    assert_eq!(with(Some("log"), None, b"\x1f\x8b\x08", "x"), "Layer(gzip)");
}

#[test]
fn a_rule_does_not_make_a_log_of_other_text() {
    let rule = Rule { continuation: Continuation::None, ..Rule::default() };
    let hint = Hint { rule: Some(&rule), ..named("x") };
    assert_eq!(format!("{:?}", TABLES.detect(b"a: 1\nb: 2\n", true, &hint)), "Layer(text)");
}

/// What the codecs and containers call themselves is what this table says of them, or their names would lie.
#[test]
fn tables_agree() {
    for codec in TABLES.codecs {
        let known = KNOWN.iter().find(|known| known.kind == "codec" && known.name == codec.0.name()).unwrap();
        let extensions: Vec<_> = codec.0.extensions().iter().map(|(extension, _)| *extension).collect();
        assert_eq!(known.extensions, extensions, "{}", known.name);
    }
    for container in TABLES.containers {
        let known = KNOWN.iter().find(|known| known.kind == "container" && known.name == container.name).unwrap();
        assert_eq!(known.extensions, container.extensions);
    }
    let rows = names();
    for (i, row) in rows.iter().enumerate() {
        assert!(!row.what.is_empty());
        assert!(rows.iter().skip(i + 1).all(|other| other.name != row.name), "{}", row.name);
    }
    let read: Vec<_> =
        rows.iter().filter(|row| row.kind == "records" && row.state == State::Read).map(|row| row.name).collect();
    assert_eq!(
        read,
        ["log", "text", "jsonl", "json", "csv", "tsv", "logfmt", "sql", "sql-tab", "syslog-frames", "journal"]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), whole in any::<bool>(), text in "[\\[{\"a:1,}\\]\n =.;-]{0,60}") {
        for head in [&bytes[..], text.as_bytes()] {
            let _any_answer = TABLES.detect(head, whole, &named("x"));
        }
    }

    /// Printable text is never unknown.
    #[test]
    fn text_is_known(text in "[ -~\n\t\u{e9}]{0,80}") {
        prop_assert_ne!(tell(text.as_bytes()), "Unknown");
    }
}
