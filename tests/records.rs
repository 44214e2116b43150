//! SPEC "Records": how streams fall into records, through the binary.

use crate::support::{ALICE, World, make};

/// Scrubs `data` without a policy and expects `want`.
fn becomes(name: &str, data: impl AsRef<[u8]>, want: impl AsRef<[u8]>) {
    with_policy("", name, data, want);
}

fn with_policy(policy: &str, name: &str, data: impl AsRef<[u8]>, want: impl AsRef<[u8]>) {
    let (got, _) = World::scrubbed(ALICE, policy, name, data.as_ref(), 0);
    let show = |bytes: &[u8]| bytes.escape_ascii().to_string().replace("\\n", "\\n\n");
    assert!(got == want.as_ref(), "{name}\n--- got\n{}\n--- want\n{}", show(&got), show(want.as_ref()));
}

/// Status and reason of one artifact that is scanned.
fn status(name: &str, data: impl AsRef<[u8]>) -> String {
    let world = World::new(ALICE);
    world.put(format!("src/{name}"), data);
    world.scan(&[]).status(name)
}

const T: &str = "2026-11-20T08:00:0";

#[test]
fn a_stamped_log_owns_what_follows() {
    for (one, two, three) in [
        ("2026-11-20T08:00:01Z", "2026-11-20T08:00:02Z", "2026-11-20T08:00:03Z"),
        ("2026-11-20 08:00:01,123", "2026-11-20 08:00:02,123", "2026-11-20 08:00:03,999"),
        ("Nov 20 08:00:01", "Nov 20 08:00:02", "Nov  2 08:00:03"),
        ("[20/Nov/2026:08:00:01 +0000]", "[20/Nov/2026:08:00:02 +0000]", "[20/Nov/2026:08:00:03 +0000]"),
        ("[2026-11-20 08:00:01]", "[2026-11-20 08:00:02]", "[2026-11-20 08:00:03]"),
        ("1763625601", "1763625602", "1763625603"),
        ("1763625601123", "1763625602123", "1763625603123"),
    ] {
        let text = format!(
            "{one} start\nplain, of the one before\n{two} failed\nTraceback:\nalice@example.com here\n\nmore\n{three} end\n"
        );
        becomes("a.log", text, format!("{one} start\nplain, of the one before\n{three} end\n"));
    }
}

#[test]
fn without_stamps_only_known_lines_continue() {
    becomes(
        "a.log",
        "INFO one k=1\nERROR user_id=48213\n  at x.y.Z(Main.java:7)\n\tat b\nCaused by: java.io.IOException\n\t... 3 more\n\
         java.lang.IllegalStateException: x\nkey.Error\nINFO two k=2\nTraceback (most recent call last):\n  File \"x\"\n\
         ValueError: alice@example.com\nINFO three k=3\n",
        "INFO one k=1\nINFO three k=3\n",
    );
    // A line that looks alike and is none: no continuation.
    becomes(
        "a.log",
        "ERROR user_id=48213\nErrors are many k=1\nINFO Caused by: k=2\nINFO x k=3\n",
        "Errors are many k=1\nINFO Caused by: k=2\nINFO x k=3\n",
    );
}

#[test]
fn lines_before_the_first_stamp_are_one_record() {
    becomes("a.log", format!("alice@example.com\nhead\n{T}1Z a\n{T}2Z b\n"), format!("{T}1Z a\n{T}2Z b\n"));
}

#[test]
fn the_policy_sets_continuation() {
    let text = format!("{T}1Z a\nalice@example.com\n{T}2Z b\nother\n");
    with_policy("[[rule]]\ncontinuation = \"none\"\n", "a.log", &text, format!("{T}1Z a\n{T}2Z b\nother\n"));
    with_policy("[[rule]]\ncontinuation = \"^(alice|oth)\"\n", "a.log", &text, format!("{T}2Z b\nother\n"));
}

#[test]
fn continuation_has_a_bound() {
    let lines = |n: usize| format!("{T}0Z\n{T}1Z a\n{}{T}2Z alice@example.com\n", " x\n".repeat(n));
    becomes("a.log", lines(10_000), format!("{T}0Z\n{T}1Z a\n{}", " x\n".repeat(10_000)));
    assert!(status("a.log", lines(10_001)).starts_with("failed: limit"));
    let wide = format!("{T}0Z\n{T}1Z a\n{}{T}2Z b\n", format!(" {}\n", "x".repeat(1 << 20)).repeat(17));
    assert!(status("a.log", wide).starts_with("failed: limit"));
}

#[test]
fn a_record_has_a_bound() {
    let world = World::new(ALICE);
    let long = "x".repeat(70_000);
    world.put("src/a.log", format!("{T}1Z a\n{T}2Z alice@example.com\n{T}3Z {long}\n{T}4Z\n"));
    let status = world.scan(&["--max-record", "64K"]).expect(3).status("a.log");
    assert!(status.starts_with("failed: limit: ") && status.contains("--max-record"), "{status}");
    world.scan(&["--max-record", "128K"]).expect(1);
}

/// Slow: a line of 100 MB is one record like any other.
#[test]
fn slow_a_line_of_100_mb() {
    let world = World::new(ALICE);
    let long = "x".repeat(100_000_000);
    let want = format!("{T}1Z a\n{T}3Z {long}\n");
    world.put("src/a.log.gz", make::gz(format!("{T}1Z a\n{T}2Z user_id=48213 x\n{T}3Z {long}\n").as_bytes()));
    world.scrub(&["--verify", "decode", "--max-memory", "1G"]).expect(0);
    assert!(make::un_gz(&world.get("src/a.log.gz")) == want.as_bytes());
}

#[test]
fn other_text_is_redacted_in_place() {
    becomes("letter.txt", "Dear alice@example.com,\n\nwe write to you.\n", "Dear ERASED,\n\nwe write to you.\n");
    becomes(
        "a.xml",
        "<a>\n <b>alice@example.com</b>\n <user>48213</user>\n</a>\n",
        "<a>\n <b>ERASED</b>\n <user>ERASED</user>\n</a>\n",
    );
    becomes("a.yaml", "a:\n  mail: alice@example.com\n  user_id: 48213\n", "a:\n  mail: ERASED\n  user_id: ERASED\n");
    becomes("a.ini", "[user]\nmail: alice@example.com\nother: 1\n", "[user]\nmail: ERASED\nother: 1\n");
    // Redacted in its own spelling, nothing else of the line touched.
    becomes("page.html", "<p>alice&#64;example.com &amp; co</p>\n<p>x</p>\n", "<p>ERASED &amp; co</p>\n<p>x</p>\n");
}

#[test]
fn bytes_that_are_no_text_stay_as_they_are() {
    for end in ["\n", "\r\n"] {
        let text = |who: &str| {
            [
                b"\xef\xbb\xbf2026-11-20T08:00:01Z a".as_slice(),
                end.as_bytes(),
                b"2026-11-20T08:00:02Z caf\xe9 \xff\xfe na\xc3",
                end.as_bytes(),
                b"2026-11-20T08:00:03Z nul \0\0 x",
                end.as_bytes(),
                who.as_bytes(),
                b"2026-11-20T08:00:05Z last",
            ]
            .concat()
        };
        let hit = format!("2026-11-20T08:00:04Z caf\u{e9} alice@example.com{end}");
        becomes("a.log", text(&hit), text(""));
    }
}

#[test]
fn no_final_newline() {
    becomes("a.log", format!("{T}1Z a\n{T}2Z alice@example.com"), format!("{T}1Z a\n"));
    becomes("a.log", format!("{T}1Z alice@example.com\n{T}2Z a"), format!("{T}2Z a"));
    becomes("a.jsonl", "{\"a\":1}\n{\"user_id\":48213}", "{\"a\":1}\n");
    becomes("a.csv", "user_id,b,c\n1,2,3\n48213,2,3", "user_id,b,c\n1,2,3\n");
}

#[test]
fn a_stream_that_loses_all_stays() {
    let gone = format!("{T}1Z INFO alice@example.com\n{T}2Z INFO user_id=48213\n");
    becomes("a.log", &gone, "");
    becomes("a.jsonl", "{\"user_id\":48213}\n", "");
    let (got, _) = World::scrubbed(ALICE, "", "a.log.gz", &make::gz(gone.as_bytes()), 0);
    assert_eq!(make::un_gz(&got), b"");
    let (got, _) = World::scrubbed(ALICE, "", "a.log.zst", &make::zst(gone.as_bytes()), 0);
    assert_eq!(make::un_zst(&got), b"");
    let tar = make::tar(&[("a.log", gone.as_bytes())]);
    let (got, _) = World::scrubbed(ALICE, "", "a.tar", &tar, 0);
    assert_eq!(make::untar(&got), [("a.log".to_owned(), Vec::new())]);
    becomes("empty.log", "", "");
}

#[test]
fn json_lines() {
    becomes(
        "a.jsonl",
        "{\"user_id\":48213}\n{\"user_id\":\"48213\"}\n{\"user_id\":48213.0}\n{\"user_id\":148213}\n{\"user_id\":[1,48213]}\n\
         {\"user\":{\"id\":48213}}\n{\"order\":{\"id\":48213}}\n{\"bytes\":48213}\n{\"last_user_id\":48213}\n\
         {\"x\":{\"y\":[{\"UserId\":\"48213\"}]}}\n{\"alice@example.com\":1}\n{\"a\":\"alice\\u0040example.com\"}\n\
         {\"a\":\"{\\\"email\\\":\\\"alice@example.com\\\"}\"}\n{\"user_id\":48214}\n{}\n{}\n{}\n{}\n{}\nnot json user_id=48213\nnot json\n",
        "{\"user_id\":48213.0}\n{\"user_id\":148213}\n{\"order\":{\"id\":48213}}\n{\"bytes\":48213}\n{\"last_user_id\":48213}\n\
         {\"user_id\":48214}\n{}\n{}\n{}\n{}\n{}\nnot json\n",
    );
    // The name says it; CRLF and a BOM stay.
    becomes("a.ndjson", "\u{feff}{\"a\":1}\r\n{\"uid\":48213}\r\n{\"a\":2}\r\n", "\u{feff}{\"a\":1}\r\n{\"a\":2}\r\n");
}

#[test]
fn numbers_are_compared_by_their_text() {
    let zero = r#"{"subject":"z","identifiers":[{"type":"user_id","value":"0"},{"type":"user_id","value":"007"},{"type":"user_id","value":"9007199254740993"}]}"#;
    let text = "{\"user_id\":0}\n{\"user_id\":7}\n{\"user_id\":\"007\"}\n{\"user_id\":9007199254740993}\n{\"user_id\":9007199254740992}\n{\"user_id\":false}\n{\"user_id\":\"\"}\n{\"user_id\":null}\n";
    let (got, _) = World::scrubbed(zero, "", "a.jsonl", text.as_bytes(), 0);
    let want = "{\"user_id\":7}\n{\"user_id\":9007199254740992}\n{\"user_id\":false}\n{\"user_id\":\"\"}\n{\"user_id\":null}\n";
    assert_eq!(String::from_utf8(got).unwrap(), want);
}

#[test]
fn tables() {
    for (comma, name) in [(",", "a.csv"), (";", "a.csv"), ("\t", "a.tsv")] {
        let table = |text: &str| text.replace('|', comma);
        becomes(
            name,
            table(
                "user_id|name|note\n1|a|x\n48213|b|y\n3|\"multi\nline\"|alice@example.com\n4|\"q\"\"uo\"|\"a|b\"\n5|c|48213\n",
            ),
            table("user_id|name|note\n1|a|x\n4|\"q\"\"uo\"|\"a|b\"\n5|c|48213\n"),
        );
    }
    // No header: the first row is data, columns have no name.
    becomes("a.csv", "48213,a@example.org,x\n2,alice@example.com,y\n", "48213,a@example.org,x\n");
    // A header is never dropped; its hit is redacted.
    becomes("a.csv", "user_id,note usr_8f3a9c21,c\n1,2,3\n48213,2,3\n", "user_id,note ERASED,c\n1,2,3\n");
    becomes("a.csv", "\u{feff}user_id,b,c\r\n1,2,3\r\n48213,2,3\r\n", "\u{feff}user_id,b,c\r\n1,2,3\r\n");
    // A quoted cell's text is what is compared.
    becomes(
        "a.csv",
        "id,user,c\n1,\"alice_m\",3\n2,\"ALICE_M\",3\n3,\"alice_m2\",3\n",
        "id,user,c\n3,\"alice_m2\",3\n",
    );
    // Text behind a closing quote belongs to the cell, as readers have it; a cell that does not close is a failure.
    becomes("a.csv", "user_id,b,c\n\"482\"13,2,3\n48,\"4\"8213,3\n4,5,6\n", "user_id,b,c\n48,\"4\"8213,3\n4,5,6\n");
    assert!(status("a.csv", "user_id,b,c\n1,2,3\n4,\"5,6\n").starts_with("failed: "));
    with_policy("[[rule]]\nheader = \"no\"\n", "a.csv", "alice@example.com,b,c\n1,2,3\n", "1,2,3\n");
    with_policy("[[rule]]\nheader = \"yes\"\n", "a.csv", "alice@example.com,b,c\n1,2,3\n", "ERASED,b,c\n1,2,3\n");
}

#[test]
fn formats_of_later_are_not_taken_for_text() {
    let wide: Vec<u8> = "\u{feff}2026 alice@example.com\n".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    for (name, data) in [
        ("wide.log", &wide[..]),
        ("a.parquet", b"PAR1\x15\x04\x15\x04PAR1"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c\0\x04"),
        ("a.deb", b"!<arch>\na.log/          1769000000  0     0     100644  28        `\n2026 alice@example.com\n"),
        ("a.warc", b"WARC/1.0\r\nContent-Length: 23\r\n\r\n2026 alice@example.com\n"),
        ("a.db", b"SQLite format 3\0\x10\0\x01\x01"),
        ("a.avro", b"Obj\x01\x04"),
    ] {
        let status = status(name, data);
        assert!(status.starts_with("unsupported: ") && !status.contains("unknown"), "{name}: {status}");
    }
    let world = World::new(ALICE);
    world.put("src/pic.png", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0".as_slice(), &[200; 300]].concat());
    world.put("src/hit.bin", [[0u8, 1, 2, 255].repeat(50), b"\0alice@example.com\0".to_vec()].concat());
    let ran = world.scan(&[]);
    ran.expect(3);
    assert!(ran.status("pic.png").starts_with("unsupported: "));
    assert!(ran.status("hit.bin").contains("holds matches"), "{}", ran.status("hit.bin"));
}

#[test]
fn a_name_that_says_what_the_content_is_not() {
    for (name, says) in
        [("a.log.gz", "gzip"), ("a.zst", "zstd"), ("a.tar", "tar"), ("a.zip", "zip"), ("a.parquet", "parquet")]
    {
        let status = status(name, "2026-11-20T08:00:01Z a\n2026-11-20T08:00:02Z alice@example.com\n");
        assert_eq!(status, format!("failed: name says {says}"), "{name}");
    }
    // The content decides where the name says nothing of it.
    becomes("a.unknown", format!("{T}1Z alice@example.com\n{T}2Z b\n"), format!("{T}2Z b\n"));
    let (got, _) = World::scrubbed(ALICE, "", "plain-name", &make::gz(&make::log(&["alice@example.com", "b"])), 0);
    assert_eq!(make::un_gz(&got), make::without(&make::log(&["alice@example.com", "b"]), "alice"));
}

#[test]
fn format_and_codec_can_be_told() {
    let world = World::new(ALICE);
    world.put("src/a.txt", "some words\nalice@example.com\nmore\n");
    world.scrub(&["--format", "log"]).expect(0);
    assert_eq!(world.get("src/a.txt"), b"some words\nmore\n");
    world.put("src/a.txt", make::gz(b"x"));
    assert!(world.scan(&["--codec", "none"]).expect(3).status("a.txt").starts_with("unsupported"));
    let out = world.run(&["scan", "src", "--registry", "erased.jsonl", "--format", "nonsense"]);
    out.expect(2);
    assert!(out.err.contains("jsonl") && !out.err.contains("nonsense"), "{}", out.err);
}

/// What stands behind or beside text and is none is named, never passed over as clean.
#[test]
fn bytes_that_are_no_text_are_not_clean() {
    let log = make::log(&["a", "b", "c"].repeat(400));
    let noise: Vec<u8> = (0..400u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let wide: Vec<u8> = "2026 alice@example.com\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let aside = [&b"\x51\x2a\x4d\x18\x11\0\0\0alice@example.com"[..], &make::zst(&log)].concat();
    for (name, data, want) in [
        ("tail.log", [&log[..], &noise].concat(), "partial: unsupported members"),
        ("wide.log", [&log[..], &wide].concat(), "partial: unsupported members"),
        ("aside.log.zst", aside, "partial: holds matches"),
        ("whole.log", log.clone(), "clean"),
    ] {
        assert_eq!(status(name, data), want, "{name}");
    }
    let (got, _) =
        World::scrubbed(ALICE, "", "p.jsonl", b"[\n{\"uid\":48213,\"e\":\"alice@example.com\"},\n{\"uid\":1}\n]\n", 0);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&got).unwrap(), serde_json::json!([{"uid": 1}]));
}
