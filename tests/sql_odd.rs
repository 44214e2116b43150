//! SQL dumps as servers with other settings write them, and tables of kinds that few have. Each was once passed as clean, or refused.

use crate::support::{ALICE, World};

const POSTGRES: &str = "SET standard_conforming_strings = on;\n";
const MYSQL: &str = "/*!40101 SET NAMES utf8 */;\n";
const SQLITE: &str = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n";
/// `alice@example.com` in hex digits.
const DIGITS: &str = "616c696365406578616d706c652e636f6d";

/// What `scrub` makes of `data`, as text; it must go through.
fn scrubbed(policy: &str, data: &str) -> String {
    let (got, _) = World::scrubbed(ALICE, policy, "x.sql", data.as_bytes(), 0);
    String::from_utf8(got).unwrap()
}

#[test]
fn bytes_in_digits_count_in_each_spelling() {
    for (head, value) in [
        (POSTGRES, format!("'\\x{DIGITS}'::bytea")),
        (POSTGRES, format!("E'\\\\x{DIGITS}'")),
        // As a server with bytea_output = escape writes it.
        (POSTGRES, "'\\026alice@example.com\\000'".to_owned()),
        (POSTGRES, format!("'{{\"\\\\x{DIGITS}\"}}'")),
        ("SET standard_conforming_strings = off;\n", format!("'\\\\x{DIGITS}'")),
        (MYSQL, format!("unhex('{DIGITS}')")),
    ] {
        let dump = format!(
            "{head}CREATE TABLE t (a int, b bytea);\nINSERT INTO t VALUES (1, {value});\nINSERT INTO t VALUES (2, 'x');\n"
        );
        let want = dump.replace(&format!("INSERT INTO t VALUES (1, {value});\n"), "");
        assert_eq!(scrubbed("", &dump), want);
        // In their place they stay digits.
        let got = scrubbed("[[rule]]\naction = \"mask\"\n", &dump);
        assert_eq!(got.len(), dump.len());
        assert!(got.contains("2a2a2a2a") || got.contains("\\026*****"), "{got}");
    }
    for row in [format!("1\t{{\"\\\\\\\\x{DIGITS}\"}}\n"), "1\t\\\\026alice@example.com\\\\000\n".to_owned()] {
        let dump = format!("{POSTGRES}COPY t (a, b) FROM stdin;\n{row}2\tx\n\\.\n");
        assert_eq!(scrubbed("", &dump), dump.replace(&row, ""));
    }
}

#[test]
fn tables_without_columns_and_odd_names() {
    let dump = format!(
        "{POSTGRES}CREATE FUNCTION f(begin integer) RETURNS integer LANGUAGE sql AS $$ SELECT 1 $$;
CREATE TABLE none (
);
COPY none  FROM stdin;


\\.
CREATE TABLE s (exclude text, key text, user_id integer);
INSERT INTO s VALUES ('a', 'b', 48213);
INSERT INTO s VALUES ('a', 'b', 7);
"
    );
    assert_eq!(scrubbed("", &dump), dump.replace("INSERT INTO s VALUES ('a', 'b', 48213);\n", ""));
}

#[test]
fn tables_that_sqlite_makes_itself() {
    let dump = format!(
        "{SQLITE}CREATE TABLE users(id INTEGER PRIMARY KEY AUTOINCREMENT, name text);
INSERT INTO users VALUES(48213,'x');
INSERT INTO users VALUES(2,'x');
ANALYZE sqlite_schema;
INSERT INTO sqlite_stat1 VALUES('users',NULL,'2');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('users',48213);
COMMIT;
"
    );
    assert_eq!(scrubbed("", &dump), dump.replace("INSERT INTO users VALUES(48213,'x');\n", ""));
}

#[test]
fn keys_are_equal_as_their_server_compares_them() {
    let pair = |parent: &str, child: &str, key: &str, refers: &str| {
        format!(
            "{MYSQL}CREATE TABLE `p` (`k` {parent} NOT NULL, `e` text, PRIMARY KEY (`k`)) DEFAULT CHARSET=utf8mb4;
INSERT INTO `p` VALUES ({key},'alice@example.com'),('7','x');
CREATE TABLE `c` (`n` int, `k` {child} NOT NULL, FOREIGN KEY (`k`) REFERENCES `p` (`k`)) DEFAULT CHARSET=utf8mb4;
INSERT INTO `c` VALUES (1,{refers}),(2,'7');
"
        )
    };
    for (parent, child, key, refers) in [
        ("varchar(20)", "varchar(20)", "'Bob'", "'BOB '"),
        ("int(5) zerofill", "int(5)", "00001", "1"),
        ("decimal(9,2)", "int", "1.00", "1"),
        ("int", "decimal(9,2)", "-30", "-30.00"),
    ] {
        let dump = pair(parent, child, key, refers);
        let want = dump.replace(&format!("({key},'alice@example.com'),"), "").replace(&format!("(1,{refers}),"), "");
        assert_eq!(scrubbed("", &dump), want);
    }
    for (kind, key, refers) in [
        ("varchar(20) COLLATE utf8mb4_bin", "'Bob'", "'BOB'"),
        ("varchar(20) COLLATE utf8mb4_0900_ai_ci", "'Bob'", "'bob '"),
        ("varchar(20) COLLATE utf8mb4_general_nopad_ci", "'Bob'", "'bob '"),
        ("varchar(20)", "'01'", "'1'"),
        ("int", "30", "3"),
    ] {
        let dump = pair(kind, kind, key, refers);
        assert_eq!(scrubbed("", &dump), dump.replace(&format!("({key},'alice@example.com'),"), ""));
    }
    // Folded, however: neither blanks count there, nor, in SQLite, letters outside of ASCII.
    let of_sqlite = |refers: &str| {
        format!(
            "{SQLITE}CREATE TABLE p(k TEXT PRIMARY KEY COLLATE NOCASE, e text);
CREATE TABLE c(n int, k TEXT NOT NULL REFERENCES p(k));
INSERT INTO p VALUES('B\u{e9}b','alice@example.com');
INSERT INTO c VALUES(1,'{refers}');
COMMIT;
"
        )
    };
    for (refers, goes) in [("b\u{e9}B", true), ("b\u{e9}b ", false), ("b\u{c9}b", false)] {
        let mut want = of_sqlite(refers).replace("INSERT INTO p VALUES('B\u{e9}b','alice@example.com');\n", "");
        if goes {
            want = want.replace(&format!("INSERT INTO c VALUES(1,'{refers}');\n"), "");
        }
        assert_eq!(scrubbed("", &of_sqlite(refers)), want, "{refers}");
    }
    let of_citext = |refers: &str| {
        format!(
            "{POSTGRES}CREATE TABLE public.p (k public.citext NOT NULL, e text);
CREATE TABLE public.c (n integer, k public.citext NOT NULL);
COPY public.p (k, e) FROM stdin;
B\u{e9}b\talice@example.com
\\.
COPY public.c (n, k) FROM stdin;
1\t{refers}
\\.
ALTER TABLE ONLY public.p ADD CONSTRAINT p_pkey PRIMARY KEY (k);
ALTER TABLE ONLY public.c ADD CONSTRAINT c_fkey FOREIGN KEY (k) REFERENCES public.p(k);
"
        )
    };
    for (refers, goes) in [("b\u{c9}B", true), ("b\u{e9}b ", false)] {
        let mut want = of_citext(refers).replace("B\u{e9}b\talice@example.com\n", "");
        if goes {
            want = want.replace(&format!("1\t{refers}\n"), "");
        }
        assert_eq!(scrubbed("", &of_citext(refers)), want, "{refers}");
    }
}

#[test]
fn each_reading_begins_in_no_database() {
    let tables = |n: u32, who: &str, lines: &str| {
        format!(
            "CREATE TABLE users (id int NOT NULL, email text, PRIMARY KEY (id));
INSERT INTO users VALUES ({n},'{who}'),(9,'x');
CREATE TABLE o (u int NOT NULL, FOREIGN KEY (u) REFERENCES users (id));
INSERT INTO o VALUES {lines};
"
        )
    };
    let (hers, his) = (tables(1, "alice@example.com", "(1),(9)"), tables(1, "bob@example.net", "(1),(9)"));
    let left = hers.replace("(1,'alice@example.com'),", "").replace("(1),", "");
    for (head, turn) in [(MYSQL, "USE `b`;\n"), (POSTGRES, "\\connect b\n")] {
        let dump = |one: &str, two: &str| format!("{head}{one}{turn}{two}");
        assert_eq!(scrubbed("", &dump(&hers, &his)), dump(&left, &his));
        assert_eq!(scrubbed("", &dump(&his, &hers)), dump(&his, &left));
    }
}

/// As `pg_dump` wrote before 10.3.
#[test]
fn names_follow_the_search_path() {
    let shop = |schema: &str, who: &str, lines: &str| {
        format!(
            "SET search_path = {schema}, pg_catalog;
CREATE TABLE users (id integer NOT NULL, email text);
CREATE TABLE o (u integer NOT NULL);
COPY users (id, email) FROM stdin;
{who}\\.
COPY o (u) FROM stdin;
{lines}\\.
ALTER TABLE ONLY users ADD CONSTRAINT users_pkey PRIMARY KEY (id);
ALTER TABLE ONLY o ADD CONSTRAINT o_fkey FOREIGN KEY (u) REFERENCES users(id);
"
        )
    };
    let (hers, his) = ("1\talice@example.com\n9\tx\n", "1\tbob@example.net\n9\tx\n");
    let (both, left) = ("1\n9\n", "9\n");
    for (a, b) in [("public", "b"), ("\"a \"\"b\"", "public")] {
        let dump = format!("{POSTGRES}{}{}", shop(a, hers, both), shop(b, his, both));
        let want = format!("{POSTGRES}{}{}", shop(a, "9\tx\n", left), shop(b, his, both));
        assert_eq!(scrubbed("", &dump), want);
    }
}

#[test]
fn foreign_keys_lead_to_other_databases() {
    let dump = format!(
        "{MYSQL}USE `a`;
CREATE TABLE `users` (`id` int NOT NULL, PRIMARY KEY (`id`));
INSERT INTO `users` VALUES (48213),(2);
USE `b`;
CREATE TABLE `users` (`id` int NOT NULL, PRIMARY KEY (`id`));
INSERT INTO `users` VALUES (9);
CREATE TABLE `o` (`id` int, `u` int NOT NULL, FOREIGN KEY (`u`) REFERENCES `a`.`users` (`id`));
INSERT INTO `o` VALUES (1,48213),(2,2);
"
    );
    assert_eq!(scrubbed("", &dump), dump.replace("(48213),", "").replace("(1,48213),", ""));
}

#[test]
fn conditions_make_no_column_not_null() {
    let dump = format!(
        "{SQLITE}CREATE TABLE users(id INTEGER PRIMARY KEY);
CREATE TABLE o(id INTEGER PRIMARY KEY, u INTEGER CHECK (u IS NOT NULL OR id > 0) REFERENCES users(id));
INSERT INTO users VALUES(48213);
INSERT INTO o VALUES(1,48213);
COMMIT;
"
    );
    let want = dump.replace("INSERT INTO users VALUES(48213);\n", "").replace("(1,48213)", "(1,NULL)");
    assert_eq!(scrubbed("", &dump), want);
}

#[test]
fn backslashes_as_the_mode_has_them() {
    let dump = format!(
        "{MYSQL}SET sql_mode='NO_BACKSLASH_ESCAPES';
CREATE TABLE `t` (`a` text, `b` text, user_id int);
INSERT INTO `t` VALUES ('C:\\','D:\\',48213),('C:\\','D:\\',3);
SET sql_mode='';
INSERT INTO `t` VALUES ('\\',48213,\\'','D:',48213),('\\'','D:\\\\',3);
"
    );
    let want = dump.replace("('C:\\','D:\\',48213),", "").replace("('\\',48213,\\'','D:',48213),", "");
    assert_eq!(scrubbed("", &dump), want);
}

/// Rows that come of a query have columns that nothing names: any literal may be in an identifying one.
#[test]
fn rows_of_queries_are_not_passed() {
    let world = World::new(ALICE);
    let table = "CREATE TABLE s (user_id int, a text);\n";
    for statement in [
        "INSERT INTO s SELECT 48213, 'x';",
        "INSERT INTO s (a, user_id) SELECT 'x', '48213' FROM t;",
        "WITH z AS (SELECT 1) INSERT INTO s VALUES (48213,'a');",
    ] {
        world.put("src/x.sql", format!("{POSTGRES}{table}{statement}\n"));
        let ran = world.scrub(&[]);
        ran.expect(3);
        assert_eq!(ran.status("x.sql"), "failed: sql: line 3: a statement that is not understood names somebody");
        world.put("src/x.sql", format!("{POSTGRES}{table}{}\n", statement.replace("48213", "148213")));
        world.scrub(&[]).expect(0);
    }
}

/// What other programs write, known by the name and their first rows.
#[test]
fn dumps_of_other_programs() {
    let dump = "REM INSERTING into USERS
SET DEFINE OFF;
Insert into USERS (ID,EMAIL) values (48213,'a');
Insert into USERS (ID,EMAIL) values (2,'b');
";
    assert_eq!(scrubbed("", dump), dump.replace("Insert into USERS (ID,EMAIL) values (48213,'a');\n", ""));
    let world = World::new(ALICE);
    world.put("src/x.sql", "USE [db]\nGO\nINSERT [dbo].[users] ([id], [email]) VALUES (48213, N'a')\nGO\n");
    world.scrub(&[]).expect(3);
}

/// What a large object says where one of its pieces ends.
#[test]
fn large_objects_are_searched_across_their_pieces() {
    let world = World::new(ALICE);
    let text = format!("{}alice@example.com{}", "x ".repeat(50), " y".repeat(50));
    for size in [1, 4, 17, 40, 107] {
        let pieces = text.as_bytes().chunks(size).map(|piece| {
            let digits: String = piece
                .iter()
                .flat_map(|byte| [byte >> 4, byte & 15])
                .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
                .collect();
            format!("SELECT pg_catalog.lowrite(0, '\\x{digits}');\n")
        });
        let dump = |pieces: Vec<String>| {
            format!(
                "{POSTGRES}BEGIN;\nSELECT pg_catalog.lo_open('1', 131072);\n{}SELECT pg_catalog.lo_close(0);\nCOMMIT;\n",
                pieces.concat()
            )
        };
        world.put("src/x.sql", dump(pieces.clone().collect()));
        let ran = world.scrub(&[]);
        ran.expect(3);
        assert!(ran.status("x.sql").ends_with("a statement that is not understood names somebody"), "{size}");
        if size < 40 {
            world.put("src/x.sql", dump(pieces.rev().collect()));
            world.scrub(&[]).expect(0);
        }
    }
}

/// A row of a partition that changes where rows are divided would not restore.
#[test]
fn keys_of_partitions_do_not_change() {
    let dump = format!(
        "{POSTGRES}CREATE TABLE p (user_id integer, mail text) PARTITION BY HASH (user_id);
CREATE TABLE p0 (mail text, user_id integer);
ALTER TABLE ONLY p ATTACH PARTITION p0 FOR VALUES WITH (modulus 1, remainder 0);
COPY p0 (mail, user_id) FROM stdin;
x\t48213
alice@example.com\t7
\\.
"
    );
    assert_eq!(scrubbed("", &dump), dump.replace("x\t48213\nalice@example.com\t7\n", ""));
    let world = World::new(ALICE);
    world.put("src/x.sql", &dump);
    world.put("p.toml", "[[rule]]\naction = \"redact\"\n");
    let ran = world.scrub(&["--policy", "p.toml"]);
    ran.expect(3);
    assert_eq!(ran.status("x.sql"), "unsupported: partitions: the key of p0 changes: holds matches");
    let dump = dump.replace("x\t48213\n", "");
    world.put("src/x.sql", &dump);
    world.scrub(&["--policy", "p.toml"]).expect(0);
    assert_eq!(world.get("src/x.sql"), dump.replace("alice@example.com", "ERASED").as_bytes());
    let list = format!(
        "{MYSQL}CREATE TABLE `l` (`user_id` int) /*!50100 PARTITION BY LIST (`user_id`) (PARTITION a VALUES IN (1,48213)) */;
INSERT INTO `l` VALUES (48213);
"
    );
    world.put("src/x.sql", &list);
    world.scrub(&["--policy", "p.toml"]).expect(3);
    world.put("src/x.sql", list.replace("LIST", "RANGE"));
    world.scrub(&["--policy", "p.toml"]).expect(0);
}

/// `U&''` has escapes that no dump writes.
#[test]
fn texts_in_code_points_are_refused() {
    let world = World::new(ALICE);
    world.put(
        "src/x.sql",
        format!("{POSTGRES}CREATE TABLE t (a text);\nINSERT INTO t VALUES (U&'\\0061lice@example.com');\n"),
    );
    let ran = world.scrub(&[]);
    ran.expect(3);
    assert!(ran.status("x.sql").starts_with("failed: sql: line 3: table t: "), "{}", ran.status("x.sql"));
}

#[test]
fn a_reference_that_an_edit_makes_null_stays_null() {
    let dump = format!(
        "{SQLITE}CREATE TABLE users(id integer primary key, boss int references users, email text);
INSERT INTO users VALUES(48213,NULL,'a');
INSERT INTO users VALUES(2,48213,'alice@example.com');
INSERT INTO users VALUES(3,48213,'b');
COMMIT;
"
    );
    let got = scrubbed("[[rule]]\naction = \"pseudonymize\"\nerase_fields = { boss = \"null\" }\n", &dump);
    let rows: Vec<&str> = got.lines().filter(|line| line.starts_with("INSERT")).collect();
    assert!(!rows[0].contains("48213"), "{got}");
    assert!(rows[1].starts_with("INSERT INTO users VALUES(2,NULL,"), "{got}");
    let new = rows[0].trim_start_matches("INSERT INTO users VALUES(").split(',').next().unwrap();
    assert_eq!(rows[2], format!("INSERT INTO users VALUES(3,{new},'b');"));
}

/// Memory for keys is asked for where there are keys.
#[test]
fn a_dump_without_foreign_keys_needs_none_for_them() {
    let world = World::new(ALICE);
    let head = format!(
        "{POSTGRES}CREATE TABLE public.users (id integer NOT NULL, t text);\nCREATE UNIQUE INDEX u ON public.users (id);\n"
    );
    let dump = |rows: &str| {
        format!(
            "{head}COPY public.users (id, t) FROM stdin;\n{rows}\\.\nALTER TABLE ONLY public.users ADD CONSTRAINT p PRIMARY KEY (id);\n"
        )
    };
    world.put("src/x.sql", dump("7\ta\n48213\tb\n"));
    world.scrub(&["--max-memory", "32M"]).expect(0);
    assert_eq!(world.get("src/x.sql"), dump("7\ta\n").as_bytes());
}
