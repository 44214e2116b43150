//! Archives of `pg_dump`: custom ones, and those of several files in a tar.
//!
//! They are made and read again by `support::pgdump`, by a model of what becomes of each row. `fixtures/archives` has some that `pg_dump`
//! 15 and 17 wrote, with what SQL made of the same rows; `scripts/restore-test` restores them on a server.

use std::process::{Command, Stdio};

use proptest::prelude::*;

use crate::sql::{Value, copy_cell, is_hers, row};
use crate::support::pgdump::{self, Data, Entry, How, Packing};
use crate::support::shelf::Shelf;
use crate::support::{ALICE, World, make};

const USERS: &str =
    "CREATE TABLE public.users (\n    id integer NOT NULL,\n    email text,\n    note text,\n    blob bytea\n);\n";
const COPY_USERS: &str = "COPY public.users (id, email, note, blob) FROM stdin;\n";

fn rows_of(rows: &[Vec<Value>]) -> Vec<u8> {
    let line = |row: &Vec<Value>| row.iter().map(copy_cell).collect::<Vec<_>>().join("\t") + "\n";
    (rows.iter().map(line).collect::<String>() + "\\.\n\n\n").into_bytes()
}

fn settings() -> Vec<Entry> {
    vec![
        Entry::ddl(1, "ENCODING", "SET client_encoding = 'UTF8';\n"),
        Entry::ddl(2, "STDSTRINGS", "SET standard_conforming_strings = 'on';\n"),
        Entry::ddl(3, "SEARCHPATH", "SELECT pg_catalog.set_config('search_path', '', false);\n"),
    ]
}

fn archive(rows: &[Vec<Value>]) -> Vec<Entry> {
    let mut entries = settings();
    entries.extend([
        Entry::ddl(10, "TABLE", USERS),
        Entry::ddl(11, "TABLE", "CREATE TABLE public.other (n integer, t text);\n"),
        Entry::rows(20, "COPY public.other (n, t) FROM stdin;\n", b"1\tx\n2\ty\n\\.\n\n\n"),
        Entry::rows(21, COPY_USERS, &rows_of(rows)),
        Entry::rows(22, "COPY public.other (n, t) FROM stdin;\n", b"\\.\n\n\n"),
        Entry::objects(23, &[(4242, b"nothing here\n"), (3_000_000_000, b"")]),
        Entry::ddl(30, "CONSTRAINT", "ALTER TABLE ONLY public.users\n    ADD CONSTRAINT u UNIQUE (id);\n"),
    ]);
    entries
}

fn how() -> impl Strategy<Value = How> {
    (12u8..=16, 0usize..4, any::<bool>(), any::<bool>(), prop_oneof![1usize..40, Just(4096)]).prop_map(
        |(minor, packing, placed, again, chunk)| {
            let packing = [Packing::None, Packing::Gzip, Packing::Lz4, Packing::Zstd][packing];
            let packing = if minor < 15 && packing != Packing::None { Packing::Gzip } else { packing };
            How { minor, packing, placed, again, chunk }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::support::cases(60)))]

    /// Rows of Alice go; other blocks are the same bytes, offsets are right, and reads of any size come to the same.
    #[test]
    fn rows_go_as_the_model_says(rows in prop::collection::vec(row(), 0..12), how in how(), window in 1usize..300, reference in any::<bool>()) {
        let shelf = Shelf::new(ALICE, "");
        let (before, _) = pgdump::write(&archive(&rows), &how);
        let kept: Vec<Vec<Value>> = rows.iter().filter(|row| !is_hers(row)).cloned().collect();
        let got = shelf.scrub("x.dump", &before, window, reference).map_err(|error| TestCaseError::fail(error.reason()))?;
        prop_assert_eq!(got.records.1, (rows.len() - kept.len()) as u64);
        prop_assert_eq!(got.layers, vec!["pg_dump custom"]);
        if kept.len() == rows.len() {
            prop_assert_eq!(&got.bytes, &before);
        }
        let (old, new) = (pgdump::read(&before), pgdump::read(&got.bytes));
        prop_assert_eq!(&new.entries, &archive(&kept));
        for (id, block) in &old.blocks {
            prop_assert!(*id == 21 || new.blocks.get(id) == Some(block), "block {} is another", id);
        }
        prop_assert_eq!(new.places.keys().collect::<Vec<_>>(), old.places.keys().collect::<Vec<_>>());
    }

    /// However an archive is cut or changed, it is never called clean while somebody's row is in it, and nothing panics.
    #[test]
    fn what_is_changed_is_refused_or_read_right(how in how(), at in any::<prop::sample::Index>(), byte in any::<u8>(), window in 1usize..300) {
        let rows = [vec![Value::Number(48213), Value::Null, Value::Null, Value::Null], vec![Value::Number(7), Value::Null, Value::Null, Value::Null]];
        let shelf = Shelf::new(ALICE, "");
        let (mut bytes, _) = pgdump::write(&archive(&rows), &How { packing: Packing::Gzip, ..how });
        // Without its magic number it is no archive.
        let at = 5 + at.index(bytes.len() - 5);
        bytes[at] = byte;
        if let Ok(got) = shelf.scrub("x.dump", &bytes, window, false) {
            // A name may have become another one: then `users` is no table of users, or `id` no column.
            let renamed = bytes.windows(13).filter(|w| *w == b" public.users").count() < 3 || !String::from_utf8_lossy(&bytes).contains("(id, email");
            prop_assert!(got.records.1 == 1 || renamed || got.unsupported.is_some(), "byte {} as {}: {:?}", at, byte, (got.records, &got.unsupported));
        }
    }
}

#[test]
fn a_cut_archive_fails() {
    let shelf = Shelf::new(ALICE, "");
    let rows = [vec![Value::Number(7), Value::Text("x".to_owned()), Value::Null, Value::Null]];
    for (packing, minor) in [(Packing::None, 12), (Packing::Gzip, 14), (Packing::Lz4, 15), (Packing::Zstd, 16)] {
        for placed in [false, true] {
            let how = How { minor, packing, placed, again: placed && minor == 16, ..How::default() };
            let (whole, places) = pgdump::write(&archive(&rows), &how);
            let ends = places.values().copied();
            for cut in (0..whole.len()).step_by(37).chain(ends).chain([whole.len() - 1]) {
                let part = whole[..cut].to_vec();
                let result = shelf.scrub("x.dump", &part, 1 << 16, false);
                // The first bytes of an archive are none yet; behind the blocks nothing is missing that anybody reads.
                let told = part.starts_with(b"PGDMP");
                assert!(result.is_err() || !told, "{packing:?} cut at {cut} of {}: {result:?}", whole.len());
            }
            assert!(shelf.scrub("x.dump", &whole, 1 << 16, false).is_ok());
        }
    }
}

fn reason(shelf: &Shelf, bytes: &[u8]) -> String {
    shelf.scrub("x.dump", &bytes.to_vec(), 4096, false).unwrap_err().reason()
}

#[test]
fn damage_is_told() {
    let shelf = Shelf::new(ALICE, "");
    let how = How::default();
    let (good, places) = pgdump::write(&archive(&[]), &how);
    for (at, byte, why) in [(6, 11, "version"), (6, 17, "version"), (5, 2, "version"), (10, 2, "format")] {
        let mut bytes = good.clone();
        bytes[at] = byte;
        let world = World::new(ALICE);
        world.put("src/x.dump", &bytes);
        world.put("src/x.tar", make::tar(&[("x.dump", &bytes)]));
        let ran = world.scrub(&[]);
        assert_eq!(ran.status("x.dump"), format!("unsupported: pg_dump archive {why}"));
        assert_eq!(ran.status("x.tar"), "partial: unsupported members");
    }
    // A block of another entry than it says; one that no entry has; and one of no kind.
    let mut bytes = good.clone();
    bytes[places[&20] + 2] = 22;
    assert!(reason(&shelf, &bytes).contains("a block is not where its entry says"), "{}", reason(&shelf, &bytes));
    bytes[places[&20] + 2] = 99;
    assert!(reason(&shelf, &bytes).contains("a block of no entry"));
    let mut bytes = good.clone();
    bytes[places[&21]] = 2;
    assert!(reason(&shelf, &bytes).contains("a block of an unknown kind"));
    // A chunk of less than nothing.
    let mut bytes = good.clone();
    bytes[places[&21] + 6] = 1;
    assert!(reason(&shelf, &bytes).contains("the length of a chunk is none"));
    // Bytes behind the last block.
    let bytes = [good.as_slice(), b"\0x"].concat();
    assert!(reason(&shelf, &bytes).starts_with("pg_dump custom: "));
    // Rows without their end, and rows that do not fit.
    let broken = |rows: &[u8]| {
        let mut entries = archive(&[]);
        entries[6].data = Data::Rows(rows.to_vec());
        reason(&shelf, &pgdump::write(&entries, &how).0)
    };
    assert_eq!(broken(b"1\t\\N\t\\N\t\\N\n"), "pg_dump custom: a block of rows ends without its end mark");
    assert!(broken(b"1\t\\N\t\\N\t\\N").contains("a block ends inside of a statement"));
    let few = broken(b"1\t\\N\t\\N\t\\N\n2\tx\n\\.\n\n\n");
    assert_eq!(few, "pg_dump custom: line 2: table public.users: a row has 2 values for 4 columns");
    let mut entries = archive(&[]);
    entries[6].copy = "COPX public.users (id, email, note, blob) FROM stdin;\n".to_owned();
    assert!(reason(&shelf, &pgdump::write(&entries, &how).0).contains("the statement of a block of rows is no COPY"));
    // An entry whose DDL does not end.
    let mut entries = archive(&[]);
    entries[4].definition = "CREATE TABLE x (n text DEFAULT 'open);\n".to_owned();
    assert!(reason(&shelf, &pgdump::write(&entries, &how).0).contains("the DDL of an entry does not end"));
    // One without its semicolon is read as if it had one.
    entries[4].definition = "CREATE TABLE x (n text)".to_owned();
    assert!(shelf.scrub("x.dump", &pgdump::write(&entries, &how).0, 100, false).is_ok());
}

/// Parents behind their children, over blocks: a chain of three, a column that becomes NULL.
pub fn shop() -> Vec<Entry> {
    let mut entries = settings();
    entries.extend([
        Entry::ddl(10, "TABLE", "CREATE TABLE public.a_lines (order_id integer NOT NULL, t text);\n"),
        Entry::ddl(11, "TABLE", "CREATE TABLE public.b_orders (id integer NOT NULL, buyer integer NOT NULL);\n"),
        Entry::ddl(12, "TABLE", "CREATE TABLE public.notes (n integer, by integer);\n"),
        Entry::ddl(13, "TABLE", "CREATE TABLE public.users (id integer NOT NULL, email text);\n"),
        Entry::rows(20, "COPY public.a_lines (order_id, t) FROM stdin;\n", b"1\tx\n2\ty\n1\tz\n\\.\n\n\n"),
        Entry::rows(21, "COPY public.b_orders (id, buyer) FROM stdin;\n", b"1\t48213\n2\t7\n\\.\n\n\n"),
        Entry { copy: String::new(), ..Entry::rows(22, "", b"INSERT INTO public.notes VALUES\n\t(1, 48213),\n\t(2, 7);\n\n\n") },
        Entry::rows(23, "COPY public.users (id, email) FROM stdin;\n", b"7\tbob@example.net\n48213\t\\N\n\\.\n\n\n"),
        Entry::ddl(30, "CONSTRAINT", "ALTER TABLE ONLY public.users\n    ADD CONSTRAINT u PRIMARY KEY (id);\n"),
        Entry::ddl(31, "FK CONSTRAINT", "ALTER TABLE ONLY public.a_lines\n    ADD CONSTRAINT f FOREIGN KEY (order_id) REFERENCES public.b_orders(id) ON DELETE CASCADE;\n"),
        Entry::ddl(32, "FK CONSTRAINT", "ALTER TABLE ONLY public.b_orders\n    ADD CONSTRAINT g FOREIGN KEY (buyer) REFERENCES public.users(id);\n"),
        Entry::ddl(33, "FK CONSTRAINT", "ALTER TABLE ONLY public.notes\n    ADD CONSTRAINT h FOREIGN KEY (by) REFERENCES public.users(id);\n"),
    ]);
    entries
}

pub fn shop_after() -> Vec<Entry> {
    let mut want = shop();
    want[7].data = Data::Rows(b"2\ty\n\\.\n\n\n".to_vec());
    want[8].data = Data::Rows(b"2\t7\n\\.\n\n\n".to_vec());
    want[9].data = Data::Rows(b"INSERT INTO public.notes VALUES\n\t(1, NULL),\n\t(2, 7);\n\n\n".to_vec());
    want[10].data = Data::Rows(b"7\tbob@example.net\n\\.\n\n\n".to_vec());
    want
}

#[test]
fn foreign_keys_are_followed_over_blocks() {
    let shelf = Shelf::new(ALICE, "");
    for window in [1, 50, 1 << 16] {
        let (before, _) = pgdump::write(&shop(), &How::default());
        let got = shelf.scrub("x.dump", &before, window, false).unwrap();
        assert_eq!(pgdump::read(&got.bytes).entries, shop_after());
        assert_eq!(got.records, (9, 4, 1));
    }
}

/// Two shops in two schemas, as `pg_dump` wrote them before 10.3: names stand without their schema.
fn two_shops(lines_of_a: &str, users_of_a: &str) -> Vec<Entry> {
    let mut entries = settings();
    entries.truncate(2);
    for (schema, n) in [("a \"b", 10), ("b", 20)] {
        let (lines, users) = match schema {
            "b" => ("1\tx\n", "1\tbob@example.net\n"),
            _ => (lines_of_a, users_of_a),
        };
        let rows = |text: &str| format!("{text}\\.\n\n\n").into_bytes();
        entries.extend([
            Entry::ddl(n, "TABLE", "CREATE TABLE lines (buyer integer NOT NULL, t text);\n").within(schema),
            Entry::ddl(n + 1, "TABLE", "CREATE TABLE users (id integer NOT NULL, email text);\n").within(schema),
            Entry::rows(n + 2, "COPY lines (buyer, t) FROM stdin;\n", &rows(lines)).within(schema),
            Entry::rows(n + 3, "COPY users (id, email) FROM stdin;\n", &rows(users)).within(schema),
        ]);
    }
    for (schema, n) in [("a \"b", 30), ("b", 40)] {
        entries.extend([
            Entry::ddl(n, "CONSTRAINT", "ALTER TABLE ONLY users\n    ADD CONSTRAINT u PRIMARY KEY (id);\n")
                .within(schema),
            Entry::ddl(
                n + 1,
                "FK CONSTRAINT",
                "ALTER TABLE ONLY lines\n    ADD CONSTRAINT f FOREIGN KEY (buyer) REFERENCES users(id);\n",
            )
            .within(schema),
        ]);
    }
    entries
}

#[test]
fn names_without_a_schema_are_those_of_their_entrys() {
    let shelf = Shelf::new(ALICE, "");
    let entries = two_shops("1\tx\n2\ty\n", "1\talice@example.com\n2\tbob@example.net\n");
    let want = two_shops("2\ty\n", "2\tbob@example.net\n");
    for minor in [12, 13] {
        let how = How { minor, ..How::default() };
        let got = shelf.scrub("x.dump", &pgdump::write(&entries, &how).0, 1 << 16, false).unwrap();
        assert_eq!(pgdump::read(&got.bytes).entries, want);
        let got = shelf.scrub("x.tar", &packed(&files(&entries, None)), 1 << 16, false).unwrap();
        assert_eq!(got.records, (6, 2, 0));
    }
}

/// An archive in a codec, and in a tar: its old bytes cannot be sought in, or stand elsewhere.
#[test]
fn archives_inside_of_others() {
    let (one, _) = pgdump::write(&shop(), &How::default());
    let log = make::log(&["x", "alice@example.com"]);
    let (got, _) = World::scrubbed(ALICE, "", "x.dump.gz", &make::gz(&one), 0);
    assert_eq!(pgdump::read(&make::un_gz(&got)).entries, shop_after());
    let tar = make::tar(&[("a.log", &log), ("b/x.dump", &one), ("y.dump.zst", &make::zst(&one))]);
    let (got, _) = World::scrubbed(ALICE, "", "x.tar", &tar, 0);
    let members = make::untar(&got);
    assert_eq!(pgdump::read(&members[1].1).entries, shop_after());
    assert_eq!(pgdump::read(&make::un_zst(&members[2].1)).entries, shop_after());
}

#[test]
fn names_in_the_table_of_contents_are_left() {
    let world = World::new(ALICE);
    let mut entries = shop();
    entries[3].definition = "CREATE TABLE public.a_lines (order_id integer, t text); -- alice@example.com\n".to_owned();
    entries[4].tag = "of\nalice@example.com".to_owned();
    let (before, _) = pgdump::write(&entries, &How::default());
    world.put("src/x.dump", &before);
    let ran = world.scrub(&[]);
    ran.expect(3);
    assert_eq!(ran.status("x.dump"), "rewritten");
    assert_eq!(ran.artifact("x.dump")["left"]["name"], 2);
    let after = pgdump::read(&world.get("src/x.dump"));
    assert_eq!((&after.entries[3].definition, &after.entries[4].tag), (&entries[3].definition, &entries[4].tag));
}

#[test]
fn large_objects_are_members() {
    let world = World::new(ALICE);
    let png: &[u8] = b"\x89PNG\r\n\x1a\n\0\0alice@example.com";
    let log = make::log(&["x", "alice@example.com"]);
    let zipped = make::gz(&log);
    let objects: Vec<(u32, &[u8])> =
        vec![(5, b"ask alice@example.com\n"), (6, &log), (7, &zipped), (8, b""), (4_000_000_000, png)];
    let entries = [shop(), vec![Entry::objects(40, &objects)]].concat();
    let (before, _) = pgdump::write(&entries, &How::default());
    world.put("src/x.dump", &before);
    let ran = world.scrub(&[]);
    ran.expect(3);
    assert_eq!(ran.status("x.dump"), "partial: holds matches");
    assert_eq!(ran.artifact("x.dump")["members"][0]["name"], "blob_4000000000.dat");
    let after = pgdump::read(&world.get("src/x.dump"));
    let Data::Objects(objects) = &after.entries.last().unwrap().data else { panic!("no large objects") };
    let without = make::without(&log, "alice@example.com");
    assert_eq!(objects[0].1, b"ask ERASED\n");
    assert_eq!(objects[1].1, without);
    assert_eq!(make::un_gz(&objects[2].1), without);
    assert_eq!((objects[3].1.as_slice(), objects[4].1.as_slice()), (&b""[..], png));
}

#[test]
fn a_rule_that_cannot_be_kept_leaves_the_archive_alone() {
    let world = World::new(ALICE);
    let (before, _) = pgdump::write(&shop(), &How::default());
    world.put("src/x.dump", &before);
    world.put("p.toml", "[[foreign_key]]\nfrom = \"b_orders.buyer\"\nto = \"users.id\"\naction = \"keep\"\n");
    let ran = world.scrub(&["--policy", "p.toml"]);
    ran.expect(3);
    assert!(ran.status("x.dump").starts_with("unsupported: foreign keys: "), "{}", ran.status("x.dump"));
    assert_eq!(world.get("src/x.dump"), before);
}

fn piped(world: &World, arguments: &[&str], input: &[u8]) -> (i32, Vec<u8>, String) {
    use std::io::Write;
    let mut command = world.command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may end before it has read all.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap(), output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_filter_spools_an_archive_and_a_gate_stops_one() {
    let world = World::new(ALICE);
    let (before, _) = pgdump::write(&shop(), &How::default());
    let (clean, _) = pgdump::write(&shop_after(), &How::default());
    let (code, out, err) = piped(&world, &["filter", "--registry", "erased.jsonl"], &before);
    assert_eq!(code, 0, "{err}");
    assert_eq!(pgdump::read(&out).entries, shop_after());
    assert_eq!(piped(&world, &["filter", "--registry", "erased.jsonl"], &clean).1, clean);
    let (code, out, err) = piped(&world, &["filter", "--registry", "erased.jsonl", "--no-spool"], &before);
    assert!(code != 0 && out.is_empty());
    assert!(err.contains("pg_dump custom"), "{err}");
    let (code, out, _) = piped(&world, &["filter", "--registry", "erased.jsonl"], &before[..before.len() - 9]);
    assert!(code != 0 && out.is_empty());
    assert_eq!(piped(&world, &["gate", "-", "--registry", "erased.jsonl"], &before).0, 1);
    assert_eq!(piped(&world, &["gate", "-", "--registry", "erased.jsonl"], &clean).0, 0);
}

/// The files of an archive: `toc.dat`, and one for each entry with data.
pub fn files(entries: &[Entry], codec: Option<&str>) -> Vec<(String, Vec<u8>)> {
    let how = How::default();
    let mut contents = pgdump::head(&how, 3, entries.len());
    let mut files = Vec::new();
    for one in entries {
        contents.extend(pgdump::entry(one, &how));
        let name = match &one.data {
            Data::None => String::new(),
            Data::Rows(rows) => {
                let name = format!("{}.dat", one.id);
                match codec {
                    Some("gz") => files.push((name.clone() + ".gz", make::gz(rows))),
                    Some("zst") => files.push((name.clone() + ".zst", make::zst(rows))),
                    _ => files.push((name.clone(), rows.clone())),
                }
                name
            }
            Data::Objects(objects) => {
                let list: Vec<String> = objects.iter().map(|(oid, _)| format!("{oid} blob_{oid}.dat\n")).collect();
                files.extend(objects.iter().map(|(oid, bytes)| (format!("blob_{oid}.dat"), bytes.clone())));
                files.push(("blobs.toc".to_owned(), list.concat().into_bytes()));
                "blobs.toc".to_owned()
            }
        };
        contents.extend(pgdump::int(name.len() as i64));
        contents.extend(name.as_bytes());
    }
    files.insert(0, ("toc.dat".to_owned(), contents));
    files
}

fn packed(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    make::tar(&files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect::<Vec<_>>())
}

#[test]
fn files_of_an_archive_in_a_tar_are_one() {
    let objects = vec![Entry::objects(40, &[(5, b"ask alice@example.com\n")])];
    let before = [shop(), objects].concat();
    let mut want = files(&shop_after(), None);
    want[0] = files(&before, None).remove(0);
    want.push(("blob_5.dat".to_owned(), b"ask ERASED\n".to_vec()));
    want.push(("blobs.toc".to_owned(), b"5 blob_5.dat\n".to_vec()));
    want.sort();
    let shelf = Shelf::new(ALICE, "");
    for codec in [None, Some("gz"), Some("zst")] {
        for folder in ["", "dump/x/"] {
            let mut all = files(&before, codec);
            for (name, _) in &mut all {
                name.insert_str(0, folder);
            }
            // As pg_dump writes it; the table of contents last; and somewhere.
            for turn in [0, 1, 3] {
                all.rotate_left(turn);
                let tar = packed(&all);
                let got = shelf.scrub("x.tar", &tar, if turn == 0 { 37 } else { 1 << 16 }, false).unwrap();
                assert_eq!(got.layers, ["tar", "pg_dump tar"]);
                let mut members: Vec<(String, Vec<u8>)> = make::untar(&got.bytes)
                    .into_iter()
                    .map(|(name, bytes)| {
                        let name = name.strip_prefix(folder).unwrap().to_owned();
                        match name.rsplit_once('.') {
                            Some((stem, "gz")) => (stem.to_owned(), make::un_gz(&bytes)),
                            Some((stem, "zst")) => (stem.to_owned(), make::un_zst(&bytes)),
                            _ => (name, bytes),
                        }
                    })
                    .collect();
                members.sort();
                assert_eq!(members, want, "{codec:?} {folder} {turn}");
            }
        }
    }
}

#[test]
fn files_of_an_archive_that_do_not_belong_together() {
    let shelf = Shelf::new(ALICE, "");
    let all = files(&shop(), None);
    for missing in 1..all.len() {
        let mut some = all.clone();
        some.remove(missing);
        let error = shelf.scrub("x.tar", &packed(&some), 1 << 16, false).unwrap_err();
        assert_eq!(error.reason(), "pg_dump custom: a file of the archive is missing");
    }
    let twice = [all.clone(), vec![all[1].clone()]].concat();
    let error = shelf.scrub("x.tar", &packed(&twice), 1 << 16, false).unwrap_err();
    assert!(error.reason().contains("two files of one entry"));
    let twice = [all.clone(), vec![all[0].clone()]].concat();
    let error = shelf.scrub("x.tar", &packed(&twice), 1 << 16, false).unwrap_err();
    assert!(error.reason().contains("two tables of contents"));
    // Two archives in one tar are two; files that are named so and belong to none are members like others.
    let log = make::log(&["x", "alice@example.com"]);
    let mut both = vec![("17.dat".to_owned(), log.clone())];
    for folder in ["a/", "b/"] {
        both.extend(all.iter().rev().map(|(name, bytes)| (format!("{folder}{name}"), bytes.clone())));
    }
    let got = make::untar(&shelf.scrub("x.tar", &packed(&both), 1 << 16, false).unwrap().bytes);
    assert_eq!(got[0].1, make::without(&log, "alice@example.com"));
    let users = |folder: &str| got.iter().find(|(name, _)| *name == format!("{folder}23.dat")).unwrap().1.clone();
    assert_eq!(
        (users("a/"), users("b/")),
        (b"7\tbob@example.net\n\\.\n\n\n".to_vec(), b"7\tbob@example.net\n\\.\n\n\n".to_vec())
    );
}

/// What `pg_dump` 15 and 17 wrote, against what SQL made of the same database, by our reader and by `pg_restore`.
#[test]
fn archives_of_real_programs() {
    let folder = format!("{}/fixtures/archives", env!("CARGO_MANIFEST_DIR"));
    let want = std::fs::read_to_string(format!("{folder}/expected.sql")).unwrap();
    let mut seen = 0;
    for file in std::fs::read_dir(&folder).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        let before = std::fs::read(file.path()).unwrap();
        if !name.contains(".dump") && !name.contains(".tar") {
            continue;
        }
        seen += 1;
        let (after, ran) = World::scrubbed(ALICE, "", &name, &before, 0);
        assert_eq!(
            ran.artifact(&name)["records"],
            serde_json::json!({"read": 24, "dropped": 3, "edited": 2}),
            "{name}"
        );
        if name.contains(".dump") {
            let (old, new) = (pgdump::read(&before), pgdump::read(&after));
            let changed = old.blocks.iter().filter(|(id, block)| new.blocks.get(id) != Some(block)).count();
            assert_eq!((changed, old.blocks.len()), (4, 6), "{name}: blocks that were made again");
        }
        restored(&name, &after, &want);
    }
    assert!(seen >= 9, "the fixtures are not there");
}

/// Compares what `pg_restore` makes of an archive, if it can read it.
fn restored(name: &str, archive: &[u8], want: &str) {
    if !name.starts_with("pg15") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, archive).unwrap();
    let listed = Command::new("pg_restore").arg("-l").arg(&path).output();
    let Ok(listed) = listed else {
        eprintln!("skipped: pg_restore is not installed");
        return;
    };
    assert!(listed.status.success(), "{name}: {}", String::from_utf8_lossy(&listed.stderr));
    let output = Command::new("pg_restore").args(["-f", "-"]).arg(&path).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    if name.contains("inserts") {
        return;
    }
    let told = |text: &str| {
        let own = |line: &&str| {
            !line.starts_with("-- Dumped") && !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict")
        };
        text.lines().filter(own).map(|line| line.to_owned() + "\n").collect::<String>()
    };
    assert_eq!(told(&String::from_utf8_lossy(&output.stdout)), told(want), "{name}");
}
