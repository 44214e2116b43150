//! SQL dumps through the library and the binary: rows, values in their escapes, foreign keys, and what must fail.
//!
//! The golden cases (`fixtures/cases/*sql*`) are what the programs write; here dumps are made by encoders of the tests' own, from rows for
//! which a model says what becomes of them.

use std::fmt::Write;

use proptest::prelude::*;

use crate::support::shelf::Shelf;
use crate::support::{ALICE, World, make};

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// Who writes the dump.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Dump {
    Copy,
    /// Tuples in one statement, so many.
    Inserts(usize),
    Mysql(usize),
    Sqlite,
}

/// A value as `COPY` writes it.
pub fn copy_cell(value: &Value) -> String {
    let escape = |text: &str| {
        let mut out = String::new();
        for c in text.chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{b}' => out.push_str("\\v"),
                '\u{8}' => out.push_str("\\b"),
                c => out.push(c),
            }
        }
        out
    };
    match value {
        Value::Null => "\\N".to_owned(),
        Value::Number(n) => n.to_string(),
        Value::Text(text) => escape(text),
        Value::Bytes(bytes) => format!("\\\\x{}", hex(bytes)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _infallible = write!(out, "{byte:02x}");
        out
    })
}

fn literal(value: &Value, dump: Dump) -> String {
    let mysql = matches!(dump, Dump::Mysql(_));
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Number(n) => n.to_string(),
        Value::Text(text) if mysql => {
            let mut out = String::from("'");
            for c in text.chars() {
                match c {
                    '\'' | '"' | '\\' => out.extend(['\\', c]),
                    '\n' => out.push_str("\\n"),
                    '\r' => out.push_str("\\r"),
                    '\u{1a}' => out.push_str("\\Z"),
                    c => out.push(c),
                }
            }
            out + "'"
        }
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Bytes(bytes) if mysql && bytes.is_empty() => "''".to_owned(),
        Value::Bytes(bytes) if mysql => format!("0x{}", hex(bytes).to_uppercase()),
        Value::Bytes(bytes) if dump == Dump::Sqlite => format!("X'{}'", hex(bytes)),
        Value::Bytes(bytes) => format!("'\\x{}'", hex(bytes)),
    }
}

/// A dump of a table `users` with these rows.
fn dump(rows: &[Vec<Value>], how: Dump) -> String {
    let list = "id, email, note, blob";
    let tuple = |row: &Vec<Value>| {
        let values: Vec<String> = row.iter().map(|value| literal(value, how)).collect();
        format!("({})", values.join(if matches!(how, Dump::Inserts(_)) { ", " } else { "," }))
    };
    let mut out = String::new();
    match how {
        Dump::Copy => {
            let _infallible = write!(
                out,
                "CREATE TABLE public.users (\n    id integer NOT NULL,\n    email text,\n    note text,\n    blob bytea\n);\n\nCOPY public.users ({list}) FROM stdin;\n"
            );
            for row in rows {
                out += &(row.iter().map(copy_cell).collect::<Vec<_>>().join("\t") + "\n");
            }
            out += "\\.\n\nSELECT pg_catalog.setval('x', 1);\n";
        }
        Dump::Inserts(n) => {
            out += "SELECT pg_catalog.set_config('search_path', '', false);\nCREATE TABLE public.users (id integer, email text, note text, blob bytea);\n";
            for rows in rows.chunks(n) {
                let tuples: Vec<String> = rows.iter().map(tuple).collect();
                let _infallible = write!(out, "INSERT INTO public.users VALUES\n\t{};\n", tuples.join(",\n\t"));
            }
            out += "\n-- end\n";
        }
        Dump::Mysql(n) => {
            out += "/*!40101 SET NAMES utf8mb4 */;\nCREATE TABLE `users` (\n  `id` int(11) NOT NULL,\n  `email` varchar(80),\n  `note` text,\n  `blob` blob,\n  KEY `k` (`id`)\n) ENGINE=InnoDB;\n";
            for rows in rows.chunks(n) {
                let tuples: Vec<String> = rows.iter().map(tuple).collect();
                let _infallible = writeln!(out, "INSERT INTO `users` VALUES {};", tuples.join(","));
            }
            out += "UNLOCK TABLES;\n";
        }
        Dump::Sqlite => {
            out +=
                "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE users(id INT, email, note TEXT, blob);\n";
            for row in rows {
                let _infallible = writeln!(out, "INSERT INTO users VALUES{};", tuple(row));
            }
            out += "COMMIT;\n";
        }
    }
    out
}

/// Whether a row is Alice's: the SPEC's rules for an id, an e-mail and a token, written once more.
pub fn is_hers(row: &[Value]) -> bool {
    let id = match &row[0] {
        Value::Number(n) => *n == 48213,
        Value::Text(text) => text == "48213",
        _ => false,
    };
    let holds = |text: &str| {
        let lower = text.to_ascii_lowercase();
        let email = lower.match_indices("alice@example.com").any(|(at, found)| {
            let before = lower[..at].chars().next_back();
            let after: Vec<char> = lower[at + found.len()..].chars().take(2).collect();
            let inside = |c: &char| c.is_ascii_alphanumeric() || ".-_%+".contains(*c);
            let goes_on = match after.as_slice() {
                ['.', next] => next.is_ascii_alphanumeric(),
                [next, ..] => next.is_ascii_alphanumeric() || matches!(next, '-' | '_'),
                [] => false,
            };
            !before.as_ref().is_some_and(inside) && !goes_on
        });
        let token = text.match_indices("usr_8f3a9c21").any(|(at, found)| {
            let inside = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
            !inside(text[..at].chars().next_back()) && !inside(text[at + found.len()..].chars().next())
        });
        email || token
    };
    id || row.iter().any(|value| match value {
        Value::Text(text) => holds(text),
        Value::Bytes(bytes) => std::str::from_utf8(bytes).is_ok_and(holds),
        _ => false,
    })
}

/// Text in which nothing is spelled in another way: no `\n` of letters, `%`, `&` or `=`.
fn text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "alice@example.com",
        "Alice@Example.COM",
        "malice@example.com",
        "alice@example.community",
        "usr_8f3a9c21",
        "48213",
        "usr_8f3a9c212",
        "'",
        "''",
        "\"",
        ";",
        ",",
        "(",
        ")",
        "\n",
        "\t",
        "\r",
        "\u{b}",
        "\u{8}",
        "\u{1a}",
        "--",
        "/*",
        "*/",
        "$$",
        "\\.",
        " ",
        "é",
        "x",
        "NULL",
        "\n\\.\n",
        "{",
        "}",
        "`",
    ]);
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(Value::Null),
        2 => prop::sample::select(vec![48213, 7, -48213, 482]).prop_map(Value::Number),
        6 => text().prop_map(Value::Text),
        1 => text().prop_map(|text| Value::Bytes(text.into_bytes())),
    ]
}

/// A row of four values.
pub fn row() -> impl Strategy<Value = Vec<Value>> {
    let id = prop::sample::select(vec![48213i64, 1, 2, 3, 482_130, -48213]).prop_map(Value::Number);
    (id, value(), value(), value()).prop_map(|(a, b, c, d)| vec![a, b, c, d])
}

fn how() -> impl Strategy<Value = Dump> {
    prop_oneof![
        Just(Dump::Copy),
        (1usize..5).prop_map(Dump::Inserts),
        (1usize..9).prop_map(Dump::Mysql),
        Just(Dump::Sqlite)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::support::cases(200)))]

    /// Rows of Alice go, all others stay as they are, whoever wrote the dump and however it is read.
    #[test]
    fn rows_go_as_the_model_says(rows in prop::collection::vec(row(), 0..12), how in how(), window in 1usize..300, reference in any::<bool>()) {
        // MySQL and SQLite write a statement for rows only: what is left must be what a dump of fewer rows is.
        let shelf = Shelf::new(ALICE, "");
        let before = dump(&rows, how).into_bytes();
        let kept: Vec<Vec<Value>> = rows.iter().filter(|row| !is_hers(row)).cloned().collect();
        let size = match how { Dump::Inserts(n) | Dump::Mysql(n) => n, _ => 1 };
        // Statements keep their tuples: they are not joined anew.
        let mut want = dump(&[], how);
        let mut statements = String::new();
        for chunk in rows.chunks(size.max(1)) {
            let kept: Vec<Vec<Value>> = chunk.iter().filter(|row| !is_hers(row)).cloned().collect();
            let whole = dump(&kept, how);
            let (empty, tail) = (dump(&[], how), if how == Dump::Copy { "\\.\n\nSELECT pg_catalog.setval('x', 1);\n" } else { tail(how) });
            let head = empty.strip_suffix(tail).unwrap();
            statements += whole.strip_prefix(head).unwrap().strip_suffix(tail).unwrap();
        }
        let end = if how == Dump::Copy { "\\.\n\nSELECT pg_catalog.setval('x', 1);\n" } else { tail(how) };
        want.truncate(want.len() - end.len());
        want += &statements;
        want += end;
        let got = shelf.scrub("x.sql", &before, window, reference);
        let got = got.map_err(|error| TestCaseError::fail(error.reason()))?;
        prop_assert_eq!(String::from_utf8_lossy(&got.bytes), String::from_utf8_lossy(want.as_bytes()));
        prop_assert_eq!(got.records, (rows.len() as u64, (rows.len() - kept.len()) as u64, 0));
        prop_assert_eq!(got.layers, vec!["sql"]);
    }

    /// Edits: the same rows with the e-mail and the token replaced, in each value's own escapes.
    #[test]
    fn edits_are_written_in_the_values_escapes(rows in prop::collection::vec(row(), 1..8), how in how(), window in 1usize..300) {
        let shelf = Shelf::new(r#"{"subject":"s","identifiers":[{"type":"literal","value":"alice@example.com"}]}"#, "[[rule]]\naction = \"redact\"\n");
        let edited: Vec<Vec<Value>> = rows.iter().map(|row| row.iter().map(|value| match value {
            Value::Text(text) => Value::Text(text.replace("alice@example.com", "ERASED")),
            Value::Bytes(bytes) => Value::Bytes(String::from_utf8_lossy(bytes).replace("alice@example.com", "ERASED").into_bytes()),
            other => other.clone(),
        }).collect()).collect();
        let before = dump(&rows, how).into_bytes();
        let got = shelf.scrub("x.sql", &before, window, false).map_err(|error| TestCaseError::fail(error.reason()))?;
        let (got, want) = (String::from_utf8_lossy(&got.bytes).to_lowercase(), dump(&edited, how).to_lowercase());
        prop_assert_eq!(got, want);
    }
}

fn tail(how: Dump) -> &'static str {
    match how {
        Dump::Copy => "",
        Dump::Inserts(_) => "\n-- end\n",
        Dump::Mysql(_) => "UNLOCK TABLES;\n",
        Dump::Sqlite => "COMMIT;\n",
    }
}

fn golden(case: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/cases/{case}/input.sql", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).unwrap()
}

/// A dump that is cut anywhere before its end mark is `failed`: never clean, never written.
#[test]
fn a_cut_dump_fails() {
    let shelf = Shelf::new(ALICE, "");
    for (case, mark) in [
        ("sql-pg-copy", &b"-- PostgreSQL database dump complete"[..]),
        ("sql-pg-inserts", b"-- PostgreSQL database dump complete"),
        ("sql-mariadb", b"-- Dump completed"),
        ("sql-sqlite", b"COMMIT;"),
    ] {
        let whole = golden(case);
        let end = whole.windows(mark.len()).rposition(|window| window == mark).unwrap() + mark.len();
        // From where the program has said who it is.
        let start = whole.windows(6).position(|window| window == b"CREATE").unwrap();
        for cut in (start..end).step_by(11).chain([end - 1]) {
            let part = whole[..cut].to_vec();
            let result = shelf.scrub("x.sql", &part, 1 << 16, false);
            assert!(result.is_err(), "{case} cut at {cut} of {end}: {result:?}");
        }
        assert!(shelf.scrub("x.sql", &whole, 1 << 16, false).is_ok());
    }
}

fn status(name: &str, data: impl AsRef<[u8]>) -> String {
    let world = World::new(ALICE);
    world.put(format!("src/{name}"), data);
    let ran = world.scrub(&[]);
    ran.status(name)
}

#[test]
fn bad_input_names_table_and_line() {
    let cases = [
        (
            "COPY public.users (id, email, name) FROM stdin;\n1\ta\tb\n2\tc\n\\.\n",
            "failed: sql: line 3: table public.users: a row has 2 values for 3 columns",
        ),
        (
            "COPY users (id, email) FROM stdin;\n1\ta\n2\tb\n",
            "failed: sql: line 4: table users: the dump ends inside of the rows of a COPY",
        ),
        (
            "CREATE TABLE t (a int, b text);\nINSERT INTO t VALUES (1,'x'),\n(2);\n",
            "failed: sql: line 3: table t: a row has 1 values for 2 columns",
        ),
        (
            "CREATE TABLE t (a int);\nINSERT INTO t VALUES (1),(2;\n",
            "failed: sql: line 2: table t: an INSERT ends inside of a tuple",
        ),
        (
            "CREATE TABLE t (a text);\nINSERT INTO t VALUES ('open);\n",
            "failed: sql: line 2: table t: the dump ends inside of a tuple",
        ),
        (
            "CREATE TABLE t (a text);\nUPDATE t SET a = 'x' WHERE a = 'alice@example.com';\n",
            "failed: sql: line 2: a statement that is not understood names somebody",
        ),
        (
            "CREATE TABLE t (a text);\nINSERT INTO t SELECT 'alice@example.com';\n",
            "failed: sql: line 2: a statement that is not understood names somebody",
        ),
        (
            "CREATE TABLE t (a text);\nSELECT pg_catalog.lowrite(0, '\\x616c696365406578616d706c652e636f6d');\n",
            "failed: sql: line 2: a statement that is not understood names somebody",
        ),
        (
            "CREATE TABLE t (a text);\nCREATE TABLE u (a text\n",
            "failed: sql: line 2: the dump ends inside of a statement",
        ),
    ];
    for (data, want) in cases {
        assert_eq!(status("x.sql", data), want, "{data}");
    }
    // An identifier as a table's name is masked where it is shown.
    let shown = status("x.sql", "COPY \"alice@example.com\" (id, email) FROM stdin;\n1\n\\.\n");
    assert_eq!(shown, "failed: sql: line 2: table *****************: a row has 1 values for 2 columns");
}

#[test]
fn rows_of_unknown_columns_are_not_touched() {
    let data = "-- x\nINSERT INTO users VALUES (1,'a','b');\nINSERT INTO users VALUES (48213,'a','b');\n";
    assert_eq!(status("x.sql", data), "unsupported: no schema for users");
    let data = "INSERT INTO `users` VALUES (1,'alice@example.com');\n";
    assert_eq!(status("x.sql", data), "unsupported: no schema for users: holds matches");
    assert_eq!(
        status("x.sql", "COPY users (id) FROM stdin WITH (FORMAT csv);\n1\n\\.\n"),
        "unsupported: options of COPY"
    );
    assert_eq!(status("x.sql", "SET NAMES gbk;\nCREATE TABLE t (a int);\n"), "unsupported: character set of the dump");
    // With a list of columns no more is needed.
    let (got, _) = World::scrubbed(
        ALICE,
        "",
        "x.sql",
        b"INSERT INTO users (name, id) VALUES ('x',48213);\nINSERT INTO users (name, id) VALUES ('48213',1);\n",
        0,
    );
    assert_eq!(got, b"INSERT INTO users (name, id) VALUES ('48213',1);\n");
}

#[test]
fn names_in_statements_without_rows_are_left() {
    let world = World::new(ALICE);
    let data = "CREATE TABLE t (a text);\nCOMMENT ON TABLE t IS 'ask Alice@Example.com';\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS $x$ SELECT 'alice@example.com;' $x$;\nINSERT INTO t VALUES ('alice@example.com');\n";
    world.put("src/x.sql", data);
    let ran = world.scrub(&[]);
    ran.expect(3);
    assert_eq!(ran.status("x.sql"), "rewritten");
    assert_eq!(ran.artifact("x.sql")["left"]["name"], 2);
    let want = data.strip_suffix("INSERT INTO t VALUES ('alice@example.com');\n").unwrap();
    assert_eq!(world.get("src/x.sql"), want.as_bytes());
}

/// No dump writes them, and people do: a comment between two tuples or in one, a value of two strings.
#[test]
fn what_no_dump_writes_inside_of_an_insert_is_told() {
    let world = World::new(ALICE);
    let insert = |rows: &str| format!("CREATE TABLE t (a int, b text);\nINSERT INTO t VALUES {rows};\n");
    for rows in [
        "(1,'x') /* alice@example.com */, (2,'y')",
        "(1,'x' /* alice@example.com */), (2,'y')",
        "(1,'x'),\n-- alice@example.com\n(2,'y')",
    ] {
        world.put("src/x.sql", insert(rows));
        let ran = world.scrub(&[]);
        ran.expect(3);
        assert_eq!(ran.artifact("x.sql")["left"]["name"], 1, "{rows}");
        assert_eq!(world.get("src/x.sql"), insert(rows).as_bytes());
    }
    for rows in
        ["(1,'alice@'\n'example.com')", "(1,E'alice@'  \n -- and\n 'example.com')", "(1,'alice@' 'example.com')"]
    {
        world.put("src/x.sql", insert(rows));
        let ran = world.scrub(&[]);
        ran.expect(3);
        assert!(ran.status("x.sql").ends_with("table t: a value of several strings, or with U&"), "{rows}");
    }
    // What goes takes its comments along, and strings in different values stand for themselves.
    world.put("src/x.sql", insert("(1,'alice@example.com' /* alice@example.com */),(2,replace('a','b','c'))"));
    let ran = world.scrub(&[]);
    ran.expect(0);
    assert_eq!(world.get("src/x.sql"), insert("(2,replace('a','b','c'))").as_bytes());
}

/// Tables in a cycle, a chain, and rules for each foreign key.
const KEYS: &str = "CREATE TABLE users (id int PRIMARY KEY, boss int, email text);
INSERT INTO leaf (id, twig) VALUES (1,1),(2,2);
CREATE TABLE twig (id int PRIMARY KEY, branch int NOT NULL);
INSERT INTO twig VALUES (1,1),(2,2);
CREATE TABLE branch (id int PRIMARY KEY, tree int NOT NULL);
INSERT INTO branch VALUES (1,10),(2,20);
INSERT INTO users VALUES (48213,7,'a'),(7,8,'b'),(8,48213,'c'),(9,9,'d');
CREATE TABLE tree (id int PRIMARY KEY, planted_by int, second int);
INSERT INTO tree VALUES (10,48213,NULL),(20,9,9);
ALTER TABLE leaf ADD CONSTRAINT a FOREIGN KEY (twig) REFERENCES twig (id) ON DELETE SET NULL;
ALTER TABLE twig ADD FOREIGN KEY (branch) REFERENCES branch (id);
ALTER TABLE branch ADD FOREIGN KEY (tree) REFERENCES tree (id) ON DELETE CASCADE;
ALTER TABLE tree ADD FOREIGN KEY (planted_by) REFERENCES users (id) ON DELETE CASCADE;
ALTER TABLE users ADD FOREIGN KEY (boss) REFERENCES users (id);
";

#[test]
fn foreign_keys_are_followed() {
    let (got, ran) = World::scrubbed(ALICE, "", "x.sql", KEYS.as_bytes(), 0);
    let want = KEYS
        .replace("(1,1),(2,2);\nCREATE TABLE twig", "(1,NULL),(2,2);\nCREATE TABLE twig")
        .replace("INSERT INTO twig VALUES (1,1),", "INSERT INTO twig VALUES ")
        .replace("(1,10),", "")
        .replace("(48213,7,'a'),", "")
        .replace("(8,48213,'c')", "(8,NULL,'c')")
        .replace("(10,48213,NULL),", "");
    assert_eq!(String::from_utf8_lossy(&got), want);
    assert_eq!(ran.artifact("x.sql")["records"], serde_json::json!({"read": 12, "dropped": 4, "edited": 2}));
    assert_eq!(ran.artifact("x.sql")["subjects"]["sub_01"], 6);

    let rule =
        |action: &str| format!("[[foreign_key]]\nfrom = \"users.boss\"\nto = \"users.id\"\naction = \"{action}\"\n");
    let (got, _) = World::scrubbed(ALICE, &rule("cascade"), "x.sql", KEYS.as_bytes(), 0);
    assert!(String::from_utf8_lossy(&got).contains("INSERT INTO users VALUES (9,9,'d');"), "a cycle of three goes");
    let world = World::new(ALICE);
    world.put("src/x.sql", KEYS);
    let fields = "[[rule]]\naction = \"redact\"\ntables = [\"x\"]\nerase_fields = { x = \"null\" }\n";
    for (action, more) in [("keep", ""), ("anonymize", fields)] {
        world.put("p.toml", rule(action) + more);
        let ran = world.scrub(&["--policy", "p.toml"]);
        ran.expect(3);
        assert!(ran.status("x.sql").starts_with("unsupported: foreign keys: "), "{}", ran.status("x.sql"));
        assert_eq!(world.get("src/x.sql"), KEYS.as_bytes());
    }
}

/// A reference that an edit turns to somebody who is not there: the dump would not restore.
#[test]
fn references_are_not_edited_alone() {
    let world = World::new(ALICE);
    world.put("src/x.sql", "CREATE TABLE users (id int PRIMARY KEY);\nCREATE TABLE orders (id int, user_id int REFERENCES users (id));\nINSERT INTO orders VALUES (1,48213);\nINSERT INTO users VALUES (48213);\n");
    world.put("p.toml", "[[rule]]\ntables = [\"orders\"]\naction = \"pseudonymize\"\n[[rule]]\naction = \"report\"\n");
    world.put("key", "sixteen bytes and more of key");
    let ran = world.scrub(&["--policy", "p.toml", "--key-file", "key"]);
    let status = ran.expect(3).status("x.sql");
    assert!(status.starts_with("unsupported: foreign keys: a reference changes to what is not there"), "{status}");
}

#[test]
fn rules_fit_by_table() {
    let data = "CREATE TABLE a.invoices (id int, email text);\nCREATE TABLE a.carts (id int, email text);\nINSERT INTO a.invoices VALUES (1,'alice@example.com');\nINSERT INTO a.carts VALUES (1,'alice@example.com');\n";
    let policy = "[[rule]]\ntables = [\"invoices\"]\naction = \"redact\"\n";
    let (got, _) = World::scrubbed(ALICE, policy, "x.sql", data.as_bytes(), 0);
    let want = data
        .replace("INSERT INTO a.invoices VALUES (1,'alice@example.com')", "INSERT INTO a.invoices VALUES (1,'ERASED')")
        .replace("INSERT INTO a.carts VALUES (1,'alice@example.com');\n", "");
    assert_eq!(String::from_utf8_lossy(&got), want);
}

#[test]
fn keys_of_a_table_are_told_apart_by_pseudonyms() {
    let data = "CREATE TABLE t (email text);\nINSERT INTO t VALUES ('alice@example.com');\nALTER TABLE ONLY t ADD CONSTRAINT u UNIQUE (email);\n";
    let world = World::new(ALICE);
    world.put("src/x.sql", data);
    world.put("p.toml", "[[rule]]\naction = \"redact\"\n");
    let ran = world.scrub(&["--policy", "p.toml"]);
    ran.expect(3);
    assert_eq!(ran.status("x.sql"), "failed: sql: needs --key-file");
    world.put("key", "sixteen bytes and more of key");
    world.scrub(&["--policy", "p.toml", "--key-file", "key"]).expect(0);
    let got = String::from_utf8(world.get("src/x.sql")).unwrap();
    assert!(got.contains("('deleted-") && got.contains("@erased.invalid')"), "{got}");
}

#[test]
fn a_filter_spools_a_dump() {
    let world = World::new(ALICE);
    let run = |more: &[&str], input: &[u8]| {
        use std::io::Write;
        let mut command = world.command(&[&["filter", "--registry", "erased.jsonl"], more].concat());
        let mut child = command
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // It may end before it has read all.
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap()
    };
    for case in ["sql-pg-copy", "sql-mariadb"] {
        let want = golden(case);
        let expected =
            std::fs::read(format!("{}/fixtures/cases/{case}/expected.sql", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let output = run(&[], &want);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.stdout, expected);
        let output = run(&["--no-spool"], &want);
        assert_eq!(output.status.code(), Some(3));
        assert!(!output.stdout.starts_with(&expected), "{case}");
    }
}

/// What cannot be touched is named and stays; what stands beside it in an archive is scrubbed, over as many readings as it takes.
#[test]
fn dumps_in_an_archive() {
    let bad = b"INSERT INTO users VALUES (1,'alice@example.com');\n";
    let log = make::log(&["alice@example.com", "x"]);
    let world = World::new(ALICE);
    let one = make::gz(KEYS.as_bytes());
    world.put(
        "src/a.tar",
        make::tar(&[("bad.sql", bad), ("a.log", &log), ("one.sql.gz", &one), ("two.sql", KEYS.as_bytes())]),
    );
    let ran = world.scrub(&[]);
    ran.expect(3);
    assert_eq!(ran.status("a.tar"), "partial: holds matches");
    assert_eq!(ran.artifact("a.tar")["members"][0]["reason"], "no schema for users: holds matches");
    let members = make::untar(&world.get("src/a.tar"));
    let (want, _) = World::scrubbed(ALICE, "", "x.sql", KEYS.as_bytes(), 0);
    assert_eq!(members[0].1, bad);
    assert_eq!(members[1].1, make::without(&log, "alice@example.com"));
    assert_eq!(make::un_gz(&members[2].1), want);
    assert_eq!(members[3].1, want);
}
