//! Everything that is wrong with a registry: exit 2, the line, and nothing of what stands there.

use super::*;
use crate::error::Kind;
use proptest::prelude::*;
use sha2::Digest;

/// Stands in every bad line below, in values, keys, types and references.
const SECRET: &str = "zq77secret";

fn fault(form: Form, text: impl AsRef<[u8]>, options: &Options) -> String {
    let error = load(form, text.as_ref(), options).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage, "{error}");
    let shown = format!("{error} {error:?} {}", error.reason());
    assert!(!shown.to_lowercase().contains("zq77"), "{shown}");
    error.to_string()
}

/// A bad line (`ID` stands for good identifiers) and a part of its error.
const BAD_LINES: &[(&str, &str)] = &[
    ("zq77secret", "not JSON (column 1)"),
    ("{\"subject\":\"zq77secret\"", "not JSON"),
    ("\"zq77secret\"", "not a JSON object"),
    ("[\"zq77secret\"]", "not a JSON object"),
    ("{\"subject\":\"zq77secret\"} {}", "not JSON"),
    ("{\"subject\":\"zq77secret\"}", "needs `identifiers`"),
    ("{\"subject\":\"zq77secret\",\"identifiers\":[]}", "needs `identifiers`"),
    ("{\"subject\":\"zq77secret\",\"identifiers\":{}}", "`identifiers` must be an array"),
    ("{\"subject\":\"zq77secret\",\"identifiers\":[\"zq77secret\"]}", "must be an object"),
    ("{\"subject\":77,ID}", "`subject` must be a string"),
    ("{\"subject\":null,ID}", "`subject` must be a string"),
    ("{\"zq77secret\":1,ID}", "unknown key"),
    ("{\"subjekt_zq77\":\"s\",ID}", "unknown key (the nearest known one is `subject`)"),
    ("{\"subject\":\"a\",\"subject\":\"zq77secret\",ID}", "`subject` stands twice"),
    ("{\"subject\":\"a\",\"s\\u0075bject\":\"zq77secret\",ID}", "`subject` stands twice"),
    ("{\"event\":\"zq77secret\",ID}", "unknown event"),
    ("{\"event\":\"eraze\",ID}", "unknown event (the nearest known one is `erase`)"),
    ("{\"event\":\"cancel\",\"subject\":\"zq77secret\",ID}", "`identifiers` does not belong to this event"),
    (
        "{\"event\":\"cancel\",\"subject\":\"zq77secret\",\"before\":\"2026-01-01T00:00:00Z\"}",
        "`before` does not belong",
    ),
    (
        "{\"event\":\"hold\",\"subject\":\"zq77secret\",\"effective_at\":\"2026-01-01T00:00:00Z\"}",
        "`effective_at` does not belong",
    ),
    ("{\"until\":\"2026-01-01T00:00:00Z\",ID}", "`until` does not belong"),
    ("{\"event\":\"hold\",\"reason\":\"zq77secret\"}", "needs a `subject`"),
    ("{\"event\":\"release\",\"subject\":\"\"}", "needs a `subject`"),
    ("{\"event\":\"hold\",\"subject\":\"a\",\"until\":\"zq77secret\"}", "`until` is not a time"),
    ("{\"event\":\"hold\",\"subject\":\"a\",\"reason\":[\"zq77secret\"]}", "`reason` must be a string"),
    ("{\"at\":\"zq77secret\",ID}", "`at` is not a time"),
    ("{\"effective_at\":\"2026-11-01\",ID}", "`effective_at` is not a time"),
    ("{\"before\":1793527200,ID}", "`before` must be a string"),
    ("{\"seq\":\"1\",ID}", "`seq` must be a whole number"),
    ("{\"seq\":1.5,ID}", "`seq` must be a whole number"),
    ("{\"seq\":-1,ID}", "`seq` must be a whole number"),
    ("{\"seq\":18446744073709551616,ID}", "`seq` must be a whole number"),
    ("{\"seq\":0,ID}", "`seq` does not rise"),
    ("{\"seq\":1,ID}", "`seq` does not rise"),
    ("{\"identifiers\":[{\"type\":\"zq77secret\",\"value\":\"zq77secret\"}]}", "unknown identifier type"),
    ("{\"identifiers\":[{\"type\":\"Email\",\"value\":\"zq77secret@example.com\"}]}", "nearest known one is `email`"),
    ("{\"identifiers\":[{\"value\":\"zq77secret\"}]}", "needs `type`"),
    ("{\"identifiers\":[{\"type\":\"token\"}]}", "needs `value`"),
    ("{\"identifiers\":[{\"type\":\"user_id\",\"value\":77}]}", "`value` must be a string"),
    ("{\"identifiers\":[{\"type\":\"token\",\"value\":\"a\",\"value\":\"zq77secret\"}]}", "`value` stands twice"),
    (
        "{\"identifiers\":[{\"type\":\"token\",\"valeu\":\"zq77secret\"}]}",
        "unknown key (the nearest known one is `value`)",
    ),
    ("{\"identifiers\":[{\"type\":\"email\",\"value\":\"zq77secret\"}]}", "not an e-mail address"),
    ("{\"identifiers\":[{\"type\":\"uuid\",\"value\":\"zq77secret\"}]}", "not a UUID"),
    ("{\"identifiers\":[{\"type\":\"ip\",\"value\":\"zq77secret\"}]}", "not an IP address"),
    ("{\"identifiers\":[{\"type\":\"phone\",\"value\":\"zq77secret\"}]}", "not a phone number"),
    ("{\"identifiers\":[{\"type\":\"phone\",\"value\":\"+49 151\"}]}", "too short to be safe; --allow-short"),
    ("{\"identifiers\":[{\"type\":\"token\",\"value\":\"zq77\"}]}", "too short to be safe"),
    ("{\"identifiers\":[{\"type\":\"literal\",\"value\":\"abc\"}]}", "too short to be safe"),
    ("{\"identifiers\":[{\"type\":\"token\",\"value\":\" \"}]}", "the value is empty"),
    (
        "{\"identifiers\":[{\"all_of\":[{\"type\":\"token\",\"value\":\"zq77secret\"}]}]}",
        "at least two different parts",
    ),
    ("{\"identifiers\":[{\"all_of\":[]}]}", "at least two different parts"),
    (
        "{\"identifiers\":[{\"all_of\":[{\"type\":\"username\",\"value\":\"zq77secret\"},{\"type\":\"username\",\"value\":\"ZQ77secret\"}]}]}",
        "at least two different parts",
    ),
    (
        "{\"identifiers\":[{\"all_of\":[{\"all_of\":[]},{\"type\":\"token\",\"value\":\"zq77secret\"}]}]}",
        "`all_of` inside `all_of`",
    ),
    ("{\"identifiers\":[{\"type\":\"token\",\"all_of\":[]}]}", "`all_of` stands alone"),
    ("{\"identifiers\":[{\"all_of\":[\"zq77secret\",1]}]}", "must be an object"),
    ("{\"identifiers\":[{\"all_of\":\"zq77secret\"}]}", "`all_of` must be an array"),
    ("{\"prev\":7,ID}", "`prev` must be a string"),
    ("{\"subject\":\"zq77secret\0\",ID}", "NUL"),
];

#[test]
fn bad_lines_of_the_log() {
    let id = r#""identifiers":[{"type":"token","value":"zq77secret"}]"#;
    for (line, want) in BAD_LINES {
        let good = erase("s", "1", ",\"seq\":1");
        let text = format!("{good}\n{}\n{}", line.replace("ID", id), erase("t", "2", ""));
        let error = fault(Form::Jsonl, text, &options());
        assert!(error.starts_with("line 3: "), "{line}: {error}");
        assert!(error.contains(want), "{line}: {error}");
    }
}

#[test]
fn bytes_that_are_no_text() {
    let mut text = erase("s", "1", "").into_bytes();
    text.extend(b"{\"subject\":\"zq77secret\xff\"}\n");
    assert_eq!(fault(Form::Jsonl, &text, &options()), "line 2: not UTF-8");
    let long = format!("{}\n", SECRET.repeat(110_000));
    for form in [Form::Jsonl, Form::Csv, Form::Tsv, Form::Txt] {
        let error = fault(form, &long, &options());
        assert_eq!(error, "line 1: longer than 1 MiB");
        let error = fault(form, b"\xff\xfea\0\n\0", &options());
        assert!(error.starts_with("line 1: "), "{error}");
    }
    let deep = "{\"subject\":".to_owned() + &"[".repeat(100_000);
    let error = fault(Form::Jsonl, deep, &options());
    assert!(error.starts_with("line 1: not JSON"), "{error}");
}

#[test]
fn bad_tables_and_lists() {
    let head = "type,value,subject,effective_at\n";
    let table: &[(&str, &str, &str)] = &[
        ("type,zq77secret\n", "line 1: ", "unknown column"),
        ("email,zq77secret@example.com\n", "line 1: ", "unknown column"),
        ("type,value,val_zq77\n", "line 1: ", "unknown column in the header (the nearest known one is `value`)"),
        ("type,value,Value\n", "line 1: ", "`value` stands twice"),
        ("value,subject\n", "line 1: ", "must name `type` and `value`"),
        ("type,value,subject,effective_at,zq77secret,zq77\n", "line 1: ", "more columns"),
        ("HEADtoken,zq77secret\n", "line 2: ", "has 4 columns, this row has 2"),
        ("HEAD\ntoken,zq77secret,a,,b\n", "line 3: ", "this row has more"),
        ("HEADtoken,zq77secret,a,,b,c\n", "line 2: ", "more columns"),
        ("HEADzq77secret,zq77secret,,\n", "line 2: ", "unknown identifier type"),
        ("HEADtoken,zq77,,\n", "line 2: ", "too short to be safe"),
        ("HEADuser_id, ,zq77secret,\n", "line 2: ", "the value is empty"),
        ("HEADemail,zq77secret,,\n", "line 2: ", "not an e-mail"),
        ("HEADtoken,zq77secret,,zq77secret\n", "line 2: ", "`effective_at` is not a time"),
        ("HEADliteral,\"zq77\nsecret\",,\nip,zq77secret,,\n", "line 4: ", "not an IP"),
        ("HEADliteral,\"zq77secret,,\ntoken,zq77secret,,\n", "line 2: ", "a quoted cell does not end"),
        ("HEADliteral,\"zq77secret", "line 2: ", "a quoted cell does not end"),
    ];
    for (text, line, want) in table {
        let error = fault(Form::Csv, text.replace("HEAD", head), &options());
        assert!(error.starts_with(line) && error.contains(want), "{text}: {error}");
    }
    let endless = format!("{head}literal,\"{}", format!("{SECRET}\n").repeat(200_000));
    let error = fault(Form::Csv, endless, &options());
    assert!(error.starts_with("line 2: a row is longer than 1 MiB"), "{error}");
    for (text, line, want) in [
        ("zq77secret\n\n@zq77secret\n", "line 3: ", "not an e-mail"),
        ("# zq77secret\nzq77\n", "line 2: ", "too short"),
        ("zq77secret@example.com # zq77secret\n", "line 1: ", "not an e-mail"),
    ] {
        let error = fault(Form::Txt, text, &options());
        assert!(error.starts_with(line) && error.contains(want), "{text}: {error}");
    }
}

/// Lines with a chain over them.
fn chained(lines: &[&str], end: &str) -> Vec<String> {
    let mut prev = "0".repeat(64);
    let chain = |line: &&str| {
        let line = line.replace('}', &format!(",\"prev\":\"sha256:{prev}\"}}"));
        prev = chain::hex(&sha2::Sha256::digest(&line));
        line + end
    };
    lines.iter().map(chain).collect()
}

const EVENTS: [&str; 3] = [
    r#"{"event":"hold","subject":"zq77secret"}"#,
    r#"{"event":"release","subject":"zq77secret"}"#,
    r#"{"event":"cancel","subject":"zq77secret"}"#,
];

#[test]
fn chains() {
    for end in ["\n", "\r\n"] {
        let lines = chained(&EVENTS, end);
        assert_eq!(jsonl(&lines.concat()).seq, 3);
        assert_eq!(jsonl(lines.concat().trim_end()).seq, 3);
        let broken = |text: String, line: u64| {
            let error = fault(Form::Jsonl, text, &options());
            let want = format!("line {line}: the chain is broken");
            assert!(error.starts_with(&want), "{error}");
        };
        broken(lines[1..].concat(), 1);
        broken([&*lines[0], &*lines[2]].concat(), 2);
        broken([&*lines[1], &*lines[0], &*lines[2]].concat(), 1);
        broken([&*lines[0], &*lines[0]].concat(), 2);
        broken(lines.concat().replacen("hold", "release", 1), 2);
        broken(lines.concat().replacen("\"event\"", "\"event\" ", 1), 2);
        broken(lines.concat().replace("sha256:", "SHA256:"), 1);
        broken(format!("\u{feff}{}", lines.concat()), 2);

        let mixed = [&lines[0], EVENTS[1]].concat();
        let error = fault(Form::Jsonl, mixed, &options());
        assert!(error.starts_with("line 2: has no `prev`"), "{error}");
        let mixed = format!("{}{end}{}", EVENTS[0], lines[0]);
        let error = fault(Form::Jsonl, mixed, &options());
        assert!(error.starts_with("line 2: has `prev`"), "{error}");

        for (blanks, line) in [([end, "", ""], 1), (["", end, ""], 2), (["", " \n", end], 2), (["", "", end], 3)] {
            let parts = blanks.iter().zip(&lines).map(|(blank, line)| format!("{blank}{line}"));
            let error = fault(Form::Jsonl, parts.collect::<String>(), &options());
            assert!(error.starts_with(&format!("line {line}: a blank line")), "{error}");
        }
        let error = fault(Form::Jsonl, lines.concat() + end, &options());
        assert!(error.starts_with("line 4: a blank line"), "{error}");
    }
    // A byte order mark belongs to the first line's bytes.
    let first = format!("\u{feff}{}", EVENTS[0].replace('}', &format!(",\"prev\":\"{}\"}}", chain::FIRST)));
    let second = EVENTS[1].replace('}', &format!(",\"prev\":\"{}\"}}", chain::link(first.as_bytes())));
    assert_eq!(jsonl(&format!("{first}\n{second}\n")).seq, 2);
}

#[test]
fn what_is_short_can_be_allowed() {
    let allowed = Options { allow_short: true, ..options() };
    let registry = load(Form::Txt, "abc\n+12\n", &allowed).unwrap();
    assert_eq!(claims(&registry), ["L1: token=abc", "L2: phone=12"]);
}

#[test]
fn nothing_shows_values() {
    let text = r#"{"subject":"zq77secret","identifiers":[{"type":"token","value":"zq77secret"},{"type":"email","value":"ZQ77@example.com"}]}"#;
    let registry = jsonl(text);
    let shown = format!("{registry:?}").to_lowercase();
    assert!(!shown.contains("zq77") && !shown.contains("example"), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A good line cut, doubled or changed anywhere: taken or refused, never a panic, never a word of it.
    #[test]
    fn broken_lines_say_nothing(at in 0usize..400, cut in 0usize..6, byte in any::<u8>(), form in 0usize..4) {
        let (form, text) = [
            (Form::Jsonl, r#"{"seq":7,"at":"2026-11-01T10:00:00Z","event":"erase","subject":"zq77secret","identifiers":[{"type":"email","value":"zq77secret@example.com"},{"all_of":[{"type":"user_id","value":"zq77secret"},{"type":"literal","value":"zq77secret"}]}],"before":"2026-11-08T10:00:00Z"}"#),
            (Form::Csv, "type,value,subject,effective_at\nemail,zq77secret@example.com,zq77secret,2026-11-08T10:00:00Z\nliteral,\"zq77secret\"\"zq77secret\",,\n"),
            (Form::Tsv, "value\ttype\nzq77secret\ttoken\n\"zq77secret\"\tusername\n"),
            (Form::Txt, "# zq77secret\nzq77secret@example.com\nzq77secret\n"),
        ][form];
        let mut bytes = text.as_bytes().to_vec();
        let at = at % bytes.len();
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, [byte]);
        match load(form, &bytes, &options()) {
            // A cut reference is another word than the value; the values of what was taken are never shown.
            Ok(registry) => {
                let values: Vec<_> = registry.needles.values().collect();
                let shown = format!("{values:?} {:?}", registry.needles);
                prop_assert!(!shown.contains("zq77"));
            }
            Err(error) => {
                prop_assert_eq!(error.kind(), Kind::Usage);
                let shown = format!("{error} {error:?}");
                prop_assert!(!shown.contains("zq77") && !shown.contains("secret") && !shown.contains("example"), "{}", shown);
            }
        }
    }

    /// However the reader hands out its bytes, the same comes of them.
    #[test]
    fn read_sizes_do_not_matter(size in 1usize..40) {
        let text = format!("\u{feff}{}\r\n{}", erase("a", "1", "").trim_end(), erase("b", "2", ""));
        let small = std::io::BufReader::with_capacity(size, text.as_bytes());
        let registry = super::super::read(small, Form::Jsonl, at(NOW), &options()).unwrap();
        prop_assert_eq!(registry.sha256, jsonl(&text).sha256);
        prop_assert_eq!(claims(&jsonl(&text)), ["a: user_id=1", "b: user_id=2"]);
    }
}
