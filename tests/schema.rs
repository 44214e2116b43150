//! Tables that a dump does not define itself: `--schema`, and the folders of `mysqldump --tab`.

use std::io::Write;
use std::process::Stdio;

use crate::support::{ALICE, World, make};

const POSTGRES: &str = "--
-- PostgreSQL database dump
--
SET standard_conforming_strings = on;
CREATE TABLE public.users (
    id bigint NOT NULL,
    email text,
    note character varying(4) NOT NULL
);
CREATE TABLE public.orders (
    id integer NOT NULL,
    buyer bigint NOT NULL
);
ALTER TABLE ONLY public.users ADD CONSTRAINT users_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.orders ADD CONSTRAINT buyers FOREIGN KEY (buyer) REFERENCES public.users(id);
";
const MYSQL: &str = "/*!40101 SET NAMES utf8mb4 */;
CREATE TABLE `Users` (`id` int(11) NOT NULL, `email` varchar(80), `note` text, PRIMARY KEY (`id`)) ENGINE=InnoDB;
CREATE TABLE `orders` (`id` int, `buyer` int NOT NULL, CONSTRAINT `f` FOREIGN KEY (`buyer`) REFERENCES `Users` (`id`) ON DELETE CASCADE);
";
const SQLITE: &str = "CREATE TABLE sqlite_sequence(name,seq);
CREATE TABLE users(id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT, note TEXT, twice INT GENERATED ALWAYS AS (id * 2));
CREATE TABLE [orders; all](id INT, buyer INT NOT NULL REFERENCES users);
CREATE VIEW v AS SELECT id FROM users
/* v(id) */;
CREATE TRIGGER t AFTER INSERT ON users BEGIN DELETE FROM users; END;
";

/// Scrubs `dump` with the definitions `schema`; what it came to be.
fn scrubbed(schema: &str, dump: &str, more: &[&str]) -> String {
    let world = World::new(ALICE);
    world.put("schema.sql", schema);
    world.put("key", "sixteen bytes and more of key");
    world.put("src/x.sql", dump);
    let ran = world.scrub(&[&["--schema", "schema.sql"], more].concat());
    ran.expect(0);
    assert_eq!(ran.artifact("x.sql")["layers"], serde_json::json!(["sql"]));
    world.verify(&["--schema", "schema.sql"]).expect(0);
    let got = world.get("src/x.sql");
    assert!(world.scrub(&[&["--schema", "schema.sql"], more].concat()).expect(0).of("rewritten").is_empty());
    String::from_utf8(got).unwrap()
}

#[test]
fn data_of_postgres_finds_its_columns() {
    let dump = "--\n-- PostgreSQL database dump\n--\nSET standard_conforming_strings = on;\nINSERT INTO public.users VALUES (48213, 'a', 'b');\nINSERT INTO public.users VALUES (7, 'a', '48213');\nINSERT INTO public.orders VALUES (1, 48213), (2, 7), (48213, 7);\n";
    let want = dump.replace("INSERT INTO public.users VALUES (48213, 'a', 'b');\n", "").replace("(1, 48213), ", "");
    assert_eq!(scrubbed(POSTGRES, dump, &[]), want);
    // Types and NOT NULL are the definitions', too, and a schema that one of the two leaves out is no other.
    let dump = "COPY users (id, email, note) FROM stdin;\n7\tx\talice@example.com\n8\tx\ty\n\\.\n";
    let world = World::new(ALICE);
    world.put("p.toml", "[[rule]]\naction = \"redact\"\n");
    world.put("schema.sql", POSTGRES);
    world.put("src/x.sql", dump);
    world.scrub(&["--policy", "p.toml", "--schema", "schema.sql"]).expect(0);
    assert_eq!(world.get("src/x.sql"), dump.replace("alice@example.com", "ERAS").as_bytes());
}

#[test]
fn data_of_mysql_finds_its_columns() {
    let dump = "INSERT INTO `Users` VALUES (48213,'it\\'s','b'),(7,'a','48213');\nINSERT INTO `orders` VALUES (1,48213),(2,7),(48213,7);\n";
    let want = dump.replace("(48213,'it\\'s','b'),", "").replace("(1,48213),", "");
    assert_eq!(scrubbed(MYSQL, dump, &[]), want);
    // Two databases of the same tables: the keys of one say nothing of the other.
    let two = "USE `a`;\nINSERT INTO `Users` VALUES (5,'alice@example.com','b'),(7,'a','48213');\nINSERT INTO `orders` VALUES (1,5),(2,7);\nUSE `b`;\nINSERT INTO `Users` VALUES (5,'a','b');\nINSERT INTO `orders` VALUES (1,5),(2,7);\nUSE `a`;\nINSERT INTO `orders` VALUES (3,5),(4,7);\n";
    let want = two.replace("(5,'alice@example.com','b'),", "").replacen("(1,5),", "", 1).replace("(3,5),", "");
    assert_eq!(scrubbed(MYSQL, two, &[]), want);
    assert_eq!(scrubbed(&format!("USE `other`;\n{MYSQL}"), two, &[]), want);
    assert_eq!(scrubbed(&format!("USE `b`;\n{MYSQL}USE `a`;\n{MYSQL}"), two, &[]), want);
}

#[test]
fn data_of_sqlite_finds_its_columns() {
    let dump = "INSERT INTO users VALUES(48213,'a','b');\nINSERT INTO users VALUES(7,'a',replace('x\\ny','\\n',char(10)));\nINSERT INTO \"orders; all\" VALUES(1,48213);\nINSERT INTO \"orders; all\" VALUES(48213,7);\n";
    let want = dump
        .replace("INSERT INTO users VALUES(48213,'a','b');\n", "")
        .replace("INSERT INTO \"orders; all\" VALUES(1,48213);\n", "");
    assert_eq!(scrubbed(SQLITE, dump, &[]), want);
}

#[test]
fn a_dump_s_own_definitions_count_first() {
    let dump = "/*!40101 SET NAMES utf8mb4 */;\nCREATE TABLE `orders` (`user_id` int, `id` int);\nINSERT INTO `orders` VALUES (48213,1),(1,48213);\nINSERT INTO `Users` VALUES (48213,'a','b'),(7,'a','48213');\n";
    let want = dump.replace("(48213,1),", "").replace("(48213,'a','b'),", "");
    assert_eq!(scrubbed(MYSQL, dump, &[]), want);
}

#[test]
fn a_schema_that_says_nothing_is_a_slip() {
    let world = World::new(ALICE);
    world.put("src/x.sql", "INSERT INTO users VALUES (1,'a');\n");
    for (text, says) in [
        (None, "cannot read the file of --schema"),
        (Some(""), "it has no CREATE TABLE"),
        (Some("CREATE VIEW v AS SELECT 1;\n"), "it has no CREATE TABLE"),
        (Some("CREATE TABLE users (id int, email text"), "the dump ends inside of a statement"),
    ] {
        if let Some(text) = text {
            world.put("schema.sql", text);
        }
        let ran = world.scrub(&["--schema", "schema.sql"]);
        assert!(ran.expect(2).err.contains(says), "{}", ran.err);
        assert!(!world.path("m.jsonl").exists());
    }
    // A file of others' tables helps nobody.
    world.put("schema.sql", "CREATE TABLE other (id int);\n");
    let ran = world.scrub(&["--schema", "schema.sql"]);
    assert_eq!(ran.expect(3).status("x.sql"), "unsupported: no schema for users");
}

#[test]
fn the_schema_is_a_file_of_the_run() {
    let world = World::new(ALICE);
    world.put("src/schema.sql", format!("{MYSQL}-- alice@example.com\n"));
    world.put("src/x.sql", "INSERT INTO `users` VALUES (48213,'a','b'),(7,'a','48213');\n");
    let ran = world.scrub(&["--schema", "src/schema.sql"]);
    ran.expect(0);
    assert_eq!(ran.status("schema.sql"), "skipped: own file");
    assert_eq!(ran.lines[0]["schema_sha256"].as_str().unwrap().len(), 64);
    // Without it the audit cannot read what the run read: that is said, and no word of being clean.
    let ran = world.verify(&[]);
    assert!(ran.expect(3).out.contains("unsupported: no schema for users"), "{}", ran.out);
    assert!(ran.err.contains("its --schema had the SHA-256"), "{}", ran.err);
    world.verify(&["--schema", "src/schema.sql"]).expect(0);
    // Nor can it by one that says something else of the same columns.
    world.put("other.sql", MYSQL.replace("48213", "1").replace("`email`", "`mail`"));
    let ran = world.verify(&["--schema", "other.sql"]);
    assert!(ran.expect(3).out.contains("unsupported: no schema for users"), "{}", ran.out);
    // It can be told by variable and config file; a run with another one vouches for nothing.
    let again = |world: &World, more: &[&str]| {
        let ran = world.scrub(&[&["--since", "m.jsonl"], more].concat());
        ran.expect(0).status("x.sql")
    };
    assert_eq!(again(&world, &["--schema", "src/schema.sql"]), "unchanged");
    world.put("src/schema.sql", format!("{MYSQL}-- another one\n"));
    world.put("unwrite.toml", "[options]\nschema = \"src/schema.sql\"\n");
    assert_eq!(again(&world, &[]), "clean");
    assert_eq!(again(&world, &[]), "unchanged");
}

/// `filter` or `gate -` over `input`.
fn piped(world: &World, arguments: &[&str], input: &[u8]) -> (Option<i32>, Vec<u8>, String) {
    let mut command = world.command(&[arguments, &["--registry", "erased.jsonl"]].concat());
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap();
    // It may end before it has read all.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    (output.status.code(), output.stdout, String::from_utf8(output.stderr).unwrap())
}

#[test]
fn pipes_take_a_schema() {
    let world = World::new(ALICE);
    world.put("schema.sql", MYSQL);
    let dump = b"INSERT INTO `users` VALUES (48213,'a','b'),(7,'a','48213');\n";
    let (code, out, err) = piped(&world, &["filter", "--schema", "schema.sql"], dump);
    assert_eq!((code, out.as_slice()), (Some(0), b"INSERT INTO `users` VALUES (7,'a','48213');\n".as_slice()), "{err}");
    world.put("schema.sql.gz", make::gz(MYSQL.as_bytes()));
    assert_eq!(piped(&world, &["filter", "--schema", "schema.sql.gz"], dump).1, out);
    let (code, clean, _) = piped(&world, &["gate", "-", "--schema", "schema.sql"], dump);
    assert_eq!((code, clean.is_empty()), (Some(1), false));
    assert_eq!(piped(&world, &["gate", "-", "--schema", "schema.sql"], &out).0, Some(0));
    let (code, out, err) = piped(&world, &["filter"], dump);
    assert!(code == Some(3) && out.is_empty() && err.contains("unsupported: no schema for users"), "{err}");
    // Rows of --tab, of the table that the stream's name says, else of the only one.
    world.put("schema.sql", "CREATE TABLE `users` (`id` int, `a` text, `b` text); CREATE TABLE `t` (`id` int);\n");
    let rows = b"7\ta\t\\N\n48213\ta\tb\n";
    let rows_of = |name: &[&str]| {
        piped(&world, &[&["filter", "--format", "sql-tab", "--schema", "schema.sql"], name].concat(), rows)
    };
    let (code, out, err) = rows_of(&["--name", "users.txt"]);
    assert_eq!((code, out.as_slice()), (Some(0), b"7\ta\t\\N\n".as_slice()), "{err}");
    let (code, out, err) = rows_of(&[]);
    assert!(code == Some(3) && out.is_empty() && err.contains("no schema for stdin"), "{err}");
    world.put("schema.sql", "CREATE TABLE `users` (`id` int, `a` text, `b` text);\n");
    assert_eq!(rows_of(&[]).1, b"7\ta\t\\N\n");
}

/// What `mysqldump --tab` writes of a table: definitions as they are found in its files.
fn definition(create: &str) -> String {
    format!(
        "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB\n--\n-- Server version\t10.11.6\n/*!40101 SET NAMES utf8mb4 */;\nDROP TABLE IF EXISTS `t`;\n{create}\n/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;\n-- Dump completed on 2026-11-22 14:50:30\n"
    )
}

const USERS: &str = "CREATE TABLE `users` (`id` int(11) NOT NULL, `email` varchar(80), `note` text, `blb` blob, `twice` int GENERATED ALWAYS AS (`id` * 2) VIRTUAL, PRIMARY KEY (`id`));";
/// Rows as `MariaDB` 10.11 writes them; those that go start with `!`.
const ROWS: &[&[u8]] = &[
    b"7\tbob@example.net\t\\N\t\\N\t14\n",
    b"!48213\tx\ttab\\\there\\\nline\\\\back\rcr\\0nul \"q\" 's'\t\\0\xff\\\n\\\t\\\\\r\t96426\n",
    b"!8\tAlice@Example.com\t\\N\t\\N\t16\n",
    b"9\tx\t48213\\\n48213\t\\\\\t18\n",
    b"!10\tx\t\\\\\\\nalice\\@example.com\\\n\t\\N\t20\n",
    b"!11\tx\t\\N\t\xff\xfe\x00alice@example.com\x80\t22\n",
    b"12\tx\t\\\\\\\\\\\n\\\t\t\\N\t24\n",
];

fn rows(all: bool) -> Vec<u8> {
    let shown = ROWS.iter().filter(|row| all || !row.starts_with(b"!"));
    shown.flat_map(|row| row.strip_prefix(b"!").unwrap_or(row).to_vec()).collect()
}

#[test]
fn rows_find_their_definition_beside_them() {
    let world = World::new(ALICE);
    world.put("src/tab/users.sql", definition(USERS));
    world.put("src/tab/users.txt", rows(true));
    world.put("src/tab/empty.sql", definition("CREATE TABLE `empty` (`id` int);"));
    world.put("src/tab/empty.txt", "");
    world.put("src/gz/Users.sql.gz", make::gz(definition(USERS).as_bytes()));
    world.put("src/gz/Users.txt.gz", make::gz(&rows(true)));
    let ran = world.scan(&[]);
    assert_eq!(ran.expect(1).status("tab/users.txt"), "would_rewrite");
    let ran = world.scrub(&[]);
    ran.expect(0);
    let line = ran.artifact("tab/users.txt");
    assert_eq!(line["layers"], serde_json::json!(["sql-tab"]));
    assert_eq!(line["records"], serde_json::json!({"read": 7, "dropped": 4, "edited": 0}));
    assert_eq!(world.get("src/tab/users.txt"), rows(false));
    assert_eq!(make::un_gz(&world.get("src/gz/Users.txt.gz")), rows(false));
    assert_eq!(ran.artifact("gz/Users.txt.gz")["layers"], serde_json::json!(["gzip", "sql-tab"]));
    for name in ["tab/users.sql", "tab/empty.sql", "tab/empty.txt"] {
        assert_eq!(ran.status(name), "clean", "{name}");
    }
    world.verify(&[]).expect(0);
    assert!(world.scrub(&[]).expect(0).of("rewritten").is_empty());
    // The audit reads what the run read.
    world.put("src/tab/users.sql", "gone\n");
    let ran = world.run(&["verify", "m.jsonl", "--registry", "erased.jsonl", "--quiet"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
}

/// What was read as a text is vouched for by nobody once it is known to be rows; nor are rows, whose tables may be others today.
#[test]
fn no_night_vouches_for_rows_by_themselves() {
    let world = World::new(ALICE);
    world.put("src/users.txt", "7\tb\tc\td\n48213\ta\tb\tc\n");
    assert_eq!(world.scrub(&[]).expect(0).status("users.txt"), "clean");
    assert_eq!(world.scrub(&["--since", "m.jsonl"]).expect(0).status("users.txt"), "unchanged");
    world.put("src/users.sql", definition(USERS));
    assert_eq!(world.scrub(&["--since", "m.jsonl"]).expect(0).status("users.txt"), "rewritten");
    assert_eq!(world.scrub(&["--since", "m.jsonl"]).expect(0).status("users.txt"), "clean");
    world.put("src/users.sql", definition("CREATE TABLE `users` (`a` int, `b` text, `user_id` text, `d` text);"));
    world.put(
        "erased.jsonl",
        format!("{ALICE}{{\"subject\":\"sub_02\",\"identifiers\":[{{\"type\":\"user_id\",\"value\":\"c\"}}]}}\n"),
    );
    assert_eq!(world.scrub(&["--since", "m.jsonl"]).expect(0).status("users.txt"), "rewritten");
    assert_eq!(world.get("src/users.txt"), b"");
}

#[test]
fn values_are_edited_in_their_escapes() {
    let world = World::new(ALICE);
    world.put("p.toml", "[[rule]]\naction = \"pseudonymize\"\nerase_fields = { note = \"null\", blb = \"redact\" }\n");
    world.put("key", "sixteen bytes and more of key");
    world.put("src/users.sql", definition(USERS));
    // MySQL leaves computed columns out.
    world.put("src/users.txt", "7\tb\tc\td\n48213\ta\\\tb\tc\\\nd\te\n");
    world.scrub(&["--policy", "p.toml", "--key-file", "key"]).expect(0);
    let got = String::from_utf8(world.get("src/users.txt")).unwrap();
    let (first, rest) = got.split_at(8);
    assert_eq!(first, "7\tb\tc\td\n");
    let id: i32 = rest.split('\t').next().unwrap().parse().unwrap();
    assert!(id < 0, "{got}");
    assert_eq!(rest, format!("{id}\ta\\\tb\t\\N\tERASED\n"));
}

#[test]
fn values_in_quotes_count_without_them() {
    let world = World::new(ALICE);
    world.put("src/users.sql", definition("CREATE TABLE `users` (`id` varchar(9), `login` text, `doc` json);"));
    // --fields-enclosed-by
    let keeps = "\"7\"\t\\N\t\"{\\\"a\\\": 48213}\"\n";
    let goes = "\"48213\"\t\\N\t\\N\n7\t\"Alice_M\"\t\\N\n7\t'alice_m'\t\\N\n7\tx\t\"{\\\"user_id\\\": 48213}\"\n";
    world.put("src/users.txt", format!("{goes}{keeps}"));
    let ran = world.scrub(&[]);
    ran.expect(0);
    assert_eq!(String::from_utf8(world.get("src/users.txt")).unwrap(), keeps);
    assert_eq!(ran.artifact("users.txt")["records"], serde_json::json!({"read": 5, "dropped": 4, "edited": 0}));
}

#[test]
fn other_texts_are_no_rows() {
    let world = World::new(ALICE);
    let rows = "1\tx\t48213\n48213\tx\ty\n2\tx\ty\n";
    let create = "CREATE TABLE `users` (`id` int, `a` text, `b` text);";
    for (folder, name, beside) in [
        ("alone", "users.txt", None),
        ("named", "users.tsv", Some(definition(create))),
        ("other", "users.txt", Some(definition("CREATE TABLE `orders` (`id` int, `a` text, `b` text);"))),
        ("postgres", "users.txt", Some(format!("--\n-- PostgreSQL database dump\n--\n{}", create.replace('`', "")))),
        ("dump", "users.txt", Some(definition(&format!("{create}\nINSERT INTO `users` VALUES (1,'a','b');")))),
    ] {
        world.put(format!("src/{folder}/{name}"), rows);
        if let Some(beside) = beside {
            world.put(format!("src/{folder}/users.sql"), beside);
        }
        let ran = world.scan(&[]);
        assert_eq!(ran.artifact(&format!("{folder}/{name}"))["layers"], serde_json::json!(["tsv"]), "{folder}");
    }
}

#[test]
fn rows_that_cannot_be_told_are_refused() {
    let create = "CREATE TABLE `users` (`id` int, `a` text, `b` text);";
    let status = |definition: &str, rows: &str| {
        let world = World::new(ALICE);
        world.put("src/users.sql", definition);
        world.put("src/users.txt", rows);
        let ran = world.scrub(&[]);
        ran.expect(3);
        assert_eq!(world.get("src/users.txt"), rows.as_bytes());
        ran.status("users.txt")
    };
    let whole = definition(create);
    assert_eq!(status(&whole, "1\ta\tb\n2\ta"), "failed: sql-tab: line 2: table users: the rows end inside of one");
    assert_eq!(
        status(&whole, "1\ta\tb\n2\ta\\\tb\n"),
        "failed: sql-tab: line 2: table users: a row has 2 values for 3 columns"
    );
    assert_eq!(status(&whole, "48213,a,b\n"), "failed: sql-tab: line 1: table users: a row has 1 values for 3 columns");
    let cut = &whole[..whole.find("`a` text").unwrap()];
    assert_eq!(status(cut, "1\ta\talice@example.com\n"), "unsupported: no schema for users: holds matches");
    assert_eq!(status(&whole.replace("utf8mb4", "gbk"), "1\ta\tb\n"), "unsupported: no schema for users");
}

#[test]
fn keys_between_files_are_not_followed() {
    let users = "CREATE TABLE `users` (`id` int NOT NULL, `boss` int, PRIMARY KEY (`id`), FOREIGN KEY (`boss`) REFERENCES `users` (`id`));";
    let orders = |key: &str| format!("CREATE TABLE `orders` (`id` int NOT NULL, `buyer` int, `note` text{key});");
    let key = ", FOREIGN KEY (`buyer`) REFERENCES `users` (`id`) ON DELETE CASCADE";
    let world = World::new(ALICE);
    let put = |key: &str| {
        world.put("src/users.sql", definition(users));
        world.put("src/users.txt", "48213\t\\N\n7\t48213\n8\t7\n");
        world.put("src/orders.sql", definition(&orders(key)));
        world.put("src/orders.txt", "1\t48213\talice@example.com\n2\t8\tx\n");
    };
    // Within a table they are.
    put("");
    world.scrub(&[]).expect(0);
    assert_eq!(world.get("src/users.txt"), b"7\t\\N\n8\t7\n");
    assert_eq!(world.get("src/orders.txt"), b"2\t8\tx\n");
    put(key);
    let ran = world.scrub(&[]);
    ran.expect(3);
    assert_eq!(ran.status("users.txt"), "unsupported: foreign keys: with rows in other files: holds matches");
    assert_eq!(world.get("src/users.txt"), b"48213\t\\N\n7\t48213\n8\t7\n");
    assert_eq!(world.get("src/orders.txt"), b"2\t8\tx\n", "nothing refers to what goes here");
}
