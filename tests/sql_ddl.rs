//! SQL dumps: what the definitions of tables, types and keys say beyond the plain ones. Each was once passed over.

use crate::support::{ALICE, World};

const POSTGRES: &str = "SET standard_conforming_strings = on;\n";
const SQLITE: &str = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n";
const PSEUDONYMS: &str = "[[rule]]\naction = \"pseudonymize\"\n";

/// What `scrub` makes of `data`, as text; it must go through.
fn scrubbed(policy: &str, data: &str) -> String {
    let (got, _) = World::scrubbed(ALICE, policy, "x.sql", data.as_bytes(), 0);
    String::from_utf8(got).unwrap()
}

/// A table that refers to users by the column `r` so defined, and what becomes of it.
fn referring(before: &str, r: &str, key: &str) -> (String, String) {
    let data = format!(
        "{POSTGRES}{before}CREATE TABLE public.users (id integer NOT NULL);
COPY public.users (id) FROM stdin;\n48213\n7\n\\.
CREATE TABLE public.c (n integer, {r});
COPY public.c (n, r) FROM stdin;\n1\t48213\n2\t7\n\\.
ALTER TABLE ONLY public.users ADD CONSTRAINT p PRIMARY KEY (id);
ALTER TABLE ONLY public.c ADD CONSTRAINT f FOREIGN KEY (r) REFERENCES public.users(id){key};
"
    );
    let got = scrubbed("", &data);
    let rows = got.split("COPY public.c (n, r) FROM stdin;\n").nth(1).unwrap();
    let rows = rows.split("\\.\n").next().unwrap().to_owned();
    (rows, got)
}

#[test]
fn on_delete_is_followed_to_the_word() {
    let default = " ON DELETE SET DEFAULT";
    for (r, key, want) in [
        ("r integer", " ON DELETE SET NULL", "1\t\\N\n2\t7\n"),
        ("r integer DEFAULT 7", default, "1\t7\n2\t7\n"),
        ("r integer DEFAULT 7 NOT NULL", default, "1\t7\n2\t7\n"),
        ("r integer DEFAULT '7'::integer NOT NULL CHECK (r > 0)", default, "1\t7\n2\t7\n"),
        ("r integer DEFAULT (7)", default, "1\t7\n2\t7\n"),
        ("r integer DEFAULT NULL", default, "1\t\\N\n2\t7\n"),
        ("r integer", default, "1\t\\N\n2\t7\n"),
        // What is computed is not known.
        ("r integer DEFAULT (7 + 0)", default, "1\t\\N\n2\t7\n"),
        ("r integer DEFAULT public.f(7)", default, "1\t\\N\n2\t7\n"),
        ("r integer DEFAULT ('7'::text || ''::text)", default, "1\t\\N\n2\t7\n"),
        ("r integer NOT NULL", default, "2\t7\n"),
        ("r integer DEFAULT 7", "", "1\t\\N\n2\t7\n"),
    ] {
        assert_eq!(referring("", r, key).0, want, "{r}{key}");
    }
    // A default that is gone, too, is no place to go to.
    let world = World::new(ALICE);
    let data = "CREATE TABLE users (id int PRIMARY KEY);\nINSERT INTO users VALUES (48213),(7);\nCREATE TABLE c (r int DEFAULT 48213 REFERENCES users(id) ON DELETE SET DEFAULT);\nINSERT INTO c VALUES (48213);\n";
    world.put("src/x.sql", data);
    let ran = world.scrub(&[]);
    assert_eq!(
        ran.expect(3).status("x.sql"),
        "unsupported: foreign keys: the default of c.r refers to a row that goes: holds matches"
    );
    assert_eq!(world.get("src/x.sql"), data.as_bytes());
}

/// `ON DELETE SET NULL (columns)` of `PostgreSQL` 15.
#[test]
fn a_part_of_a_key_becomes_null() {
    let data = |key: &str| {
        format!(
            "{POSTGRES}CREATE TABLE users (tenant int, id int, PRIMARY KEY (tenant, id));
INSERT INTO users VALUES (1,48213),(1,7);
CREATE TABLE c (n int, tenant int{key});
INSERT INTO c VALUES (1,1,48213),(2,1,7);
"
        )
    };
    let foreign = |not_null: &str, does: &str| {
        format!("{not_null}, u int DEFAULT 7, FOREIGN KEY (tenant, u) REFERENCES users (tenant, id) ON DELETE {does}")
    };
    for (not_null, does, want) in [
        ("", "SET NULL", "(1,NULL,NULL),"),
        ("", "SET NULL (u)", "(1,1,NULL),"),
        (" NOT NULL", "SET NULL (u)", "(1,1,NULL),"),
        (" NOT NULL", "SET NULL", ""),
        (" NOT NULL", "SET NULL (tenant)", ""),
        // Nobody knows whether that tenant has a user of the default's.
        ("", "SET DEFAULT (u)", "(1,NULL,NULL),"),
        ("", "SET DEFAULT", "(1,NULL,7),"),
    ] {
        let data = data(&foreign(not_null, does));
        let want = data.replace("(1,48213),(1,7)", "(1,7)").replace("(1,1,48213),", want);
        assert_eq!(scrubbed("", &data), want, "{not_null} {does}");
    }
    let rule = "[[foreign_key]]\nfrom = \"c.u\"\nto = \"users.id\"\naction = \"set_null\"\n";
    assert!(scrubbed(rule, &data(&foreign("", "SET NULL (u)"))).contains("(1,NULL,NULL),"));
}

#[test]
fn domains_hold_what_their_types_do() {
    let domain = "CREATE DOMAIN public.who AS integer NOT NULL;\n\n\nALTER DOMAIN public.who OWNER TO postgres;\n";
    assert_eq!(referring(domain, "r public.who", " ON DELETE SET NULL").0, "2\t7\n", "a domain takes no NULL");
    let of = "CREATE DOMAIN public.of_who AS public.who;\n";
    assert_eq!(referring(&format!("{domain}{of}"), "r public.of_who", "").0, "2\t7\n");
    assert_eq!(referring("CREATE DOMAIN public.who AS integer;\n", "r public.who", "").0, "1\t\\N\n2\t7\n");
    let data = format!(
        "{POSTGRES}CREATE DOMAIN public.words AS character varying(80) COLLATE \"C\";
CREATE DOMAIN public.mail AS text CONSTRAINT c CHECK ((VALUE ~ '@'::text));
CREATE DOMAIN public.ids AS integer[];
CREATE TABLE public.t (a public.words, b public.mail, user_id public.ids);
COPY public.t (a, b, user_id) FROM stdin;
alice@example.com\talice@example.com\t{{1,2}}\nx\ty@example.com\t{{1,48213}}\n\\.
"
    );
    let want = data.replace("alice@example.com\talice@example.com", "ERASED\t\\N").replace("{1,48213}", "{1,NULL}");
    assert_eq!(scrubbed("[[rule]]\naction = \"redact\"\n", &data), want);
}

/// `character(n)` is filled with blanks, which are none of the value's.
#[test]
fn blanks_that_fill_a_column_do_not_count() {
    let data = format!(
        "{POSTGRES}CREATE TABLE public.t (n integer, user_id character(8));
COPY public.t (n, user_id) FROM stdin;\n1\t48213   \n2\t482130  \n3\t 48213  \n\\.
CREATE TABLE public.s (user_id character varying(8), c bpchar);
INSERT INTO public.s VALUES ('48213   ', 'x'), ('48213', 'y');
"
    );
    let want = data.replace("1\t48213   \n", "").replace(", ('48213', 'y')", "");
    assert_eq!(scrubbed("", &data), want);
    let want = data.replace("1\t48213   \n", "1\tERASED   \n").replace("('48213', 'y')", "('ERASED', 'y')");
    assert_eq!(scrubbed("[[rule]]\naction = \"redact\"\n", &data), want);
    // Keys are compared without them, on whichever side.
    for (parent, child) in [
        ("character(6)", "character(6)"),
        ("character(6)", "character(9)"),
        ("character(6)", "text"),
        ("text", "character(6)"),
    ] {
        let fill = |text: &str, kind: &str| match kind {
            "text" => text.to_owned(),
            "character(6)" => format!("{text:6}"),
            _ => format!("{text:9}"),
        };
        let (p, c) = (fill("AL", parent), fill("AL", child));
        let data = format!(
            "{POSTGRES}CREATE TABLE public.p (k {parent} NOT NULL, e text);
COPY public.p (k, e) FROM stdin;\n{p}\talice@example.com\n\\.
CREATE TABLE public.c (n integer, k {child} NOT NULL);
COPY public.c (n, k) FROM stdin;\n1\t{c}\n\\.
ALTER TABLE ONLY public.p ADD CONSTRAINT p PRIMARY KEY (k);
ALTER TABLE ONLY public.c ADD CONSTRAINT f FOREIGN KEY (k) REFERENCES public.p(k);
"
        );
        let want = data.replace(&format!("{p}\talice@example.com\n"), "").replace(&format!("1\t{c}\n"), "");
        assert_eq!(scrubbed("", &data), want, "{parent} {child}");
    }
}

/// Rows without their table: an array is known by its look.
#[test]
fn elements_count_where_no_type_is_told() {
    let data = format!(
        "{POSTGRES}COPY public.t (n, user_id) FROM stdin;\n1\t{{1,48213}}\n2\t{{482130}}\n3\t{{{{1,2}},{{3,48213}}}}\n4\t{{\"48213\"}}\n\\.
INSERT INTO public.s (user_id) VALUES ('{{48213}}');
INSERT INTO public.s (x) VALUES ('{{48213}}');
"
    );
    let want = data
        .replace("1\t{1,48213}\n", "")
        .replace("3\t{{1,2},{3,48213}}\n4\t{\"48213\"}\n", "")
        .replace("INSERT INTO public.s (user_id) VALUES ('{48213}');\n", "");
    assert_eq!(scrubbed("", &data), want);
    let want = data
        .replace("1\t{1,48213}", "1\t{1,NULL}")
        .replace("{3,48213}", "{3,NULL}")
        .replace("{\"48213\"}", "{NULL}")
        .replace("(user_id) VALUES ('{48213}')", "(user_id) VALUES ('{NULL}')");
    assert_eq!(scrubbed("[[rule]]\naction = \"redact\"\n", &data), want);
    let named = scrubbed(PSEUDONYMS, &data);
    assert!(named.contains("1\t{1,-") && !named.contains(",48213"), "{named}");
}

/// `.schema` tells of tables that the shell makes itself.
#[test]
fn rows_of_a_table_of_the_shells_own_with_its_definition() {
    let world = World::new(ALICE);
    let data = format!(
        "{SQLITE}INSERT INTO users VALUES(48213,'x');\nINSERT INTO users VALUES(7,'y');\nINSERT INTO sqlite_sequence VALUES('users',48213);\nCOMMIT;\n"
    );
    world.put("src/x.sql", &data);
    world.put(
        "schema.sql",
        "CREATE TABLE users(id integer primary key autoincrement, name text);\nCREATE TABLE sqlite_sequence(name,seq);\n",
    );
    let ran = world.scrub(&["--schema", "schema.sql"]);
    assert_eq!(ran.expect(0).status("x.sql"), "rewritten");
    assert_eq!(world.get("src/x.sql"), data.replace("INSERT INTO users VALUES(48213,'x');\n", "").as_bytes());
}

/// A stream that ends among the lines that begin each dump is one that was cut there, and no clean one.
#[test]
fn a_header_alone_is_no_dump() {
    let postgres = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\n";
    let maria = "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB\n--\n-- Host: localhost    Database: shop\n";
    let world = World::new(ALICE);
    for (header, end) in [
        (
            postgres,
            "-- Dumped from database version 15.14\n-- Dumped by pg_dump version 15.14\n\nSET x = 1;\n--\n-- PostgreSQL database dump complete\n--\n\n",
        ),
        (
            maria,
            "-- ------------------------------------------------------\n-- Server version\t10.11.19-MariaDB\n\n-- Dump completed on 2026-11-22 18:00:00\n",
        ),
    ] {
        let whole = format!("{header}{end}");
        world.put("src/x.sql", &whole);
        assert_eq!(world.scrub(&[]).expect(0).status("x.sql"), "clean");
        let from = header.find(" dump").unwrap() + 5;
        let ends = from..whole.find("ump complete").unwrap();
        for cut in ends.filter(|at| whole.as_bytes()[*at] == b'\n') {
            world.put("src/x.sql", &whole[..cut]);
            let status = world.scrub(&[]).expect(3).status("x.sql");
            assert!(status.starts_with("failed: sql: "), "{cut}: {status}");
        }
    }
    // By hand: something follows.
    world.put("src/x.sql", "-- PostgreSQL database dump\nCREATE TABLE t (a int);\n");
    assert_eq!(world.scrub(&[]).expect(0).status("x.sql"), "clean");
}

/// Columns are named by attributes there, which nothing that reads text knows.
#[test]
fn rows_in_xml_are_no_text() {
    let world = World::new(ALICE);
    let dump = "<?xml version=\"1.0\"?>\n<mysqldump xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n<database name=\"shop\">\n\t<table_data name=\"c\">\n\t<row>\n\t\t<field name=\"user_id\">48213</field>\n\t</row>\n\t</table_data>\n</database>\n</mysqldump>\n";
    world.put("src/x.xml", dump);
    assert_eq!(world.scrub(&[]).expect(3).status("x.xml"), "unsupported: mysqldump xml");
    let asked = "<?xml version=\"1.0\"?>\n\n<resultset statement=\"select * from c\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n  <row>\n\t<field name=\"user_id\">48213</field>\n  </row>\n</resultset>\n";
    world.put("src/x.xml", asked);
    assert_eq!(world.scrub(&[]).expect(3).status("x.xml"), "unsupported: mysqldump xml");
    world.put("src/x.xml", "<?xml version=\"1.0\"?>\n<users>\n<user_id>7</user_id>\n</users>\n");
    assert_eq!(world.scrub(&[]).expect(0).status("x.xml"), "clean");
}

/// Two people in a column that is too short for more than the start of a pseudonym, and takes each value once.
#[test]
fn short_pseudonyms_are_told_apart() {
    let both =
        ALICE.to_owned() + "{\"subject\":\"sub_02\",\"identifiers\":[{\"type\":\"username\",\"value\":\"bob_m\"}]}\n";
    for most in [8, 12, 20] {
        let data = format!(
            "{POSTGRES}CREATE TABLE public.t (login character varying({most}) NOT NULL);
COPY public.t (login) FROM stdin;\nalice_m\nbob_m\n\\.
CREATE UNIQUE INDEX i ON public.t USING btree (login);
"
        );
        let (got, _) = World::scrubbed(&both, PSEUDONYMS, "x.sql", data.as_bytes(), 0);
        let got = String::from_utf8(got).unwrap();
        let mut rows = got.split("stdin;\n").nth(1).unwrap().lines();
        let (a, b) = (rows.next().unwrap(), rows.next().unwrap());
        assert!(a != b && a.len().max(b.len()) <= most, "{got}");
    }
}

/// Rows of a partition stand under its name, and are those of its table all the same.
#[test]
fn partitions_of_users_are_users() {
    let rows = |table: &str| format!("COPY public.{table} (id, name) FROM stdin;\n7\tx\n48213\ty\n\\.\n");
    let data = format!(
        "{POSTGRES}CREATE TABLE public.users (id integer NOT NULL, name text) PARTITION BY RANGE (id);
CREATE TABLE public.u_new (id integer NOT NULL, name text) PARTITION BY LIST (name);
CREATE TABLE public.u_y (id integer NOT NULL, name text);
CREATE TABLE public.u_heir (more text) INHERITS (public.users);
CREATE TABLE public.goods (id integer NOT NULL, name text);
ALTER TABLE ONLY public.users ATTACH PARTITION public.u_new DEFAULT;
ALTER TABLE ONLY public.u_new ATTACH PARTITION public.u_y DEFAULT;
{}{}{}",
        rows("u_y"),
        rows("u_heir"),
        rows("goods")
    );
    let (head, tail) = data.split_at(data.find("COPY public.goods").unwrap());
    let without = head.replace("48213\ty\n", "");
    let (got, ran) = World::scrubbed(ALICE, "", "x.sql", data.as_bytes(), 0);
    assert_eq!(String::from_utf8(got).unwrap(), without.clone() + tail);
    assert_eq!(ran.artifact("x.sql")["tables"]["public.u_y"], serde_json::json!({"read": 2, "dropped": 1}));
    // So a rule for the table is one for its parts.
    let rule = "[[rule]]\ntables = [\"users\"]\naction = \"report\"\n";
    assert_eq!(scrubbed(rule, &data), data);
    let rule = "[[rule]]\ntables = [\"u_heir\"]\naction = \"report\"\n";
    let heir = data.find("COPY public.u_heir").unwrap();
    assert_eq!(scrubbed(rule, &data), data[..heir].replace("48213\ty\n", "") + &data[heir..]);
}

/// The column `id` of users is theirs, and not a member `id` of something that is in another column.
#[test]
fn members_are_no_columns() {
    let data = format!(
        "{POSTGRES}CREATE TABLE public.users (id integer NOT NULL, liked jsonb);
COPY public.users (id, liked) FROM stdin;\n7\t{{\"id\": 48213, \"songs\": [{{\"id\": 48213}}]}}\n8\t{{\"user\": {{\"id\": 48213}}}}\n48213\t{{}}\n\\.
"
    );
    let want = data.replace("8\t{\"user\": {\"id\": 48213}}\n48213\t{}\n", "");
    assert_eq!(scrubbed("", &data), want);
}

/// What is looked for stands there in other bytes.
#[test]
fn other_character_sets_hide_what_is_beyond_ascii() {
    let jose = "{\"subject\":\"sub_01\",\"identifiers\":[{\"type\":\"username\",\"value\":\"jos\u{e9}\"},{\"type\":\"ip\",\"value\":\"203.0.113.7\"}]}\n";
    let rows = b"CREATE TABLE t (username text);\nINSERT INTO t VALUES ('jos\xe9');\n";
    for (set, other) in [
        ("SET client_encoding = 'LATIN1';\n", true),
        ("SET client_encoding = 'UTF8';\n", false),
        ("/*!40101 SET NAMES latin1 */;\n", true),
        ("/*!40101 SET NAMES utf8mb4 */;\n", false),
        ("/*!40101 SET NAMES binary */;\n", false),
        ("/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;\n", false),
    ] {
        let data = [set.as_bytes(), rows].concat();
        for (registry, refused) in [(jose, other), (ALICE, false)] {
            let world = World::new(registry);
            world.put("src/x.sql", &data);
            let ran = world.scrub(&[]);
            let want = if refused { "unsupported: character set of the dump" } else { "clean" };
            assert_eq!(ran.status("x.sql"), want, "{set}");
        }
    }
}
