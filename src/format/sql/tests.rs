use proptest::prelude::*;

use super::cells::Value::{Bare, Bytes, Expression, Null, Text};
use super::cells::{self, Decode, Escape, How, Out, Row};
use super::lex::{self, Dialect, Kind};
use super::rows::Target;
use super::schema::{OnDelete, Schema};
use super::types::{Class, Fold};
use super::values::{Quick, quick};
use super::views;
use super::walk::{Piece, Walk, What};
use crate::error::Result;

const MYSQL: Dialect = Dialect { kind: Kind::Mysql, backslash: true };
const POSTGRES: Dialect = Dialect { kind: Kind::Postgres, backslash: false };
const SQLITE: Dialect = Dialect { kind: Kind::Sqlite, backslash: false };

/// The pieces of `text` in windows that grow by `size`.
fn cut(text: &[u8], dialect: Dialect, size: usize) -> Result<Vec<(What, Vec<u8>)>> {
    let mut walk = Walk::new(dialect);
    let (mut start, mut end, mut out) = (0, 0, Vec::new());
    while start < text.len() {
        match walk.next(&text[start..end.max(start + 1)], end.max(start + 1) >= text.len())? {
            Some(Piece { len, what, .. }) => {
                assert!(len > 0);
                out.push((what, text[start..start + len].to_vec()));
                start += len;
            }
            None => end = (end.max(start + 1) + size).min(text.len()),
        }
    }
    walk.finish()?;
    Ok(out)
}

/// What the pieces but the blanks are.
fn kinds(text: &str, dialect: Dialect) -> Vec<(What, String)> {
    let pieces = cut(text.as_bytes(), dialect, 1 << 20).unwrap();
    let shown = pieces.into_iter().filter(|(what, _)| *what != What::Blank);
    shown.map(|(what, bytes)| (what, String::from_utf8(bytes).unwrap())).collect()
}

#[test]
fn statements_end_where_their_servers_end_them() {
    let one = |text: &str, dialect| {
        let found = kinds(&format!("{text}{}SELECT 1;", if text.ends_with('\n') { "" } else { "\n" }), dialect);
        assert_eq!(found[0], (What::Statement, text.to_owned()), "{found:?}");
        assert_eq!(found.len(), 2, "{found:?}");
    };
    for text in [
        "CREATE FUNCTION f() AS $x$ a; $$ b; $x$ LANGUAGE sql;",
        "CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN 1 THEN 2 END; SELECT 2; END;",
        "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);",
        "COMMENT ON TABLE t IS 'a;''b';",
        "COMMENT ON TABLE t IS E'a\\';b';",
        "SELECT \"a;\"\"b\" /* ; /* ; */ ; */ -- ;\n;",
        "CREATE FUNCTION f(begin integer, \"end\" integer) RETURNS TABLE(begin text) LANGUAGE sql AS $$ $$;",
        "CREATE TRIGGER t BEFORE UPDATE OF begin ON x FOR EACH ROW EXECUTE FUNCTION f();",
        "\\connect -reuse-previous=on \"dbname='x;y'\"\n",
    ] {
        one(text, POSTGRES);
    }
    for text in [
        "/*!50003 CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW SET @a = 'x*/;' */;",
        "SET @a = \"b;\\\";\";",
        "SELECT `a;b`; ",
    ] {
        one(text.trim_end(), MYSQL);
    }
    one("CREATE TRIGGER t AFTER INSERT ON [a;b] BEGIN INSERT INTO c VALUES (CASE WHEN 1 THEN ';' END); END;", SQLITE);
    let found = kinds("DELIMITER ;;\nCREATE PROCEDURE p() BEGIN SELECT 1; END;;\nDELIMITER ;\nSELECT 2;", MYSQL);
    assert_eq!(found.iter().map(|(_, text)| text.len()).collect::<Vec<_>>(), [13, 42, 12, 9]);
}

#[test]
fn inserts_fall_into_tuples() {
    let found = kinds("INSERT INTO t (a) VALUES (1), /* x */ ('a)''(') ON CONFLICT DO NOTHING;\nSELECT 1;", POSTGRES);
    let want = [
        (What::Head, "INSERT INTO t (a) VALUES "),
        (What::Tuple, "(1)"),
        (What::Comma, ", /* x */ "),
        (What::Tuple, "('a)''(')"),
        (What::Tail, " ON CONFLICT DO NOTHING;\n"),
        (What::Statement, "SELECT 1;"),
    ];
    assert_eq!(found, want.map(|(what, text)| (what, text.to_owned())));
    for text in ["INSERT INTO t SELECT (1);", "INSERT INTO t DEFAULT VALUES;", "INSERT INTO t SET a = (1);"] {
        assert_eq!(kinds(text, MYSQL), [(What::Statement, text.to_owned())]);
    }
}

#[test]
fn values_are_told_apart() {
    let values = |text: &str, dialect| {
        let row = Row::of_tuple(text.as_bytes(), dialect);
        let view: Vec<String> =
            row.parts.iter().map(|part| String::from_utf8_lossy(&row.view[part.view.clone()]).into_owned()).collect();
        (row.cells.iter().map(|cell| cell.value).collect::<Vec<_>>(), view)
    };
    let (kinds, view) = values("(1, -2.5e3,NULL, 'a''b', E'\\t\\x41\\u00e9', '\\x4142', true, f('x', 1))", POSTGRES);
    assert_eq!(kinds, [Bare, Bare, Null, Text, Text, Bytes, Bare, Expression]);
    assert_eq!(view, ["1", "-2.5e3", "a'b", "\tAé", "4142", "AB", "true", "f(", "x", ", 1)"]);
    let (kinds, view) = values("('a\\'b\\\"\\Z\\0\\%',_binary 'x',0x4142,\"d\"\"q\",'')", MYSQL);
    assert_eq!(kinds, [Text, Text, Bytes, Text, Text]);
    assert_eq!(view, ["a'b\"\u{1a}\0\\%", "x", "4142", "AB", "d\"q", ""]);
    let (kinds, view) = values("(replace(replace('a\\nb''\\r','\\r',char(13)),'\\n',char(10)),X'41')", SQLITE);
    assert_eq!(kinds, [Expression, Bytes]);
    assert_eq!(view[1], "a\nb'\r");
    assert_eq!(Row::of_line(b"a\\tb\t\\N\t\\\\x41\t\\.\\\\\t\n", &How::Copy).cells.len(), 5);
}

#[test]
fn definitions_are_read() {
    let mut schema = Schema::default();
    let text = "CREATE TABLE a.t (id bigint NOT NULL, \"User's\" character varying(40), m a.mood NOT NULL, j jsonb, x text[], g int GENERATED ALWAYS AS (1) STORED, CONSTRAINT c CHECK (id > 0), UNIQUE (j, x));";
    schema.read(b"CREATE TYPE a.mood AS ENUM ('glad', 'sad');", POSTGRES).unwrap();
    schema.read(text.as_bytes(), POSTGRES).unwrap();
    schema.read(b"ALTER TABLE ONLY a.t ADD CONSTRAINT p PRIMARY KEY (id), ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES b.u(k) ON DELETE SET NULL;", POSTGRES).unwrap();
    schema.read(b"CREATE UNIQUE INDEX i ON a.t USING btree (lower((\"User's\")::text));", POSTGRES).unwrap();
    let table = schema.table(&schema.key(&[b"a", b"t"], POSTGRES)).unwrap();
    let columns: Vec<_> =
        table.columns.iter().map(|c| (c.name.as_slice(), c.class.clone(), c.not_null, c.unique)).collect();
    let label = Class::Label(Some(b"'glad'".to_vec()));
    let want: [(&[u8], Class, bool, bool); 6] = [
        (b"id", Class::Integer { bits: 64, unsigned: false }, true, true),
        (b"User's", Class::Text(Some(40)), false, true),
        (b"m", label, true, false),
        (b"j", Class::Json, false, true),
        (b"x", Class::Array(Box::new(Class::Text(None))), false, true),
        (b"g", Class::Integer { bits: 32, unsigned: false }, false, false),
    ];
    assert_eq!(columns, want);
    assert!(table.columns[5].generated && table.primary == [b"id".to_vec()]);
    assert_eq!((schema.keys.len(), schema.keys[0].on_delete.clone()), (1, OnDelete::SetNull));
    let mut schema = Schema::default();
    let text = "CREATE TABLE `T` (`id` int(10) unsigned NOT NULL, `key` enum('a','b') NOT NULL, `f` tinyint(1), PRIMARY KEY (`id`), UNIQUE KEY `u` (`key`(3)), KEY `k` (`f`), CONSTRAINT `x` FOREIGN KEY (`f`) REFERENCES `p` (`q`) ON DELETE CASCADE ON UPDATE SET NULL) ENGINE=InnoDB;";
    schema.read(text.as_bytes(), MYSQL).unwrap();
    let table = schema.table(&schema.key(&[b"`t`"], MYSQL)).unwrap();
    assert_eq!(table.columns.len(), 3);
    assert!(table.columns[1].unique && !table.columns[2].unique && table.columns[2].class == Class::Bool);
    assert_eq!(schema.keys[0].on_delete, OnDelete::Cascade);
}

#[test]
fn bytes_in_digits_are_read_wherever_they_stand() {
    let tuple = |text: &str, dialect| Row::of_tuple(text.as_bytes(), dialect);
    let copy = |text: &str| Row::of_line(text.as_bytes(), &How::Copy);
    let off = Dialect { backslash: true, ..POSTGRES };
    for row in [
        tuple(r"('\x6162636465'::bytea)", POSTGRES),
        tuple(r"(E'\\x6162636465')", POSTGRES),
        tuple(r"('\\x6162636465')", off),
        tuple(r#"('{"\\x6162636465"}')"#, POSTGRES),
        tuple("(decode('6162636465', 'hex'))", POSTGRES),
        tuple("(f(X'6162636465'))", MYSQL),
        tuple("(f(0x6162636465))", MYSQL),
        tuple(r"('\000abcde\377')", POSTGRES),
        tuple(r"(E'\\000abcde')", POSTGRES),
        copy("{\"\\\\\\\\x6162636465\"}\n"),
        copy("{\"(z,\\\\\"\\\\\\\\\\\\\\\\x6162636465\\\\\",1)\"}\n"),
        copy("\\\\000abcde\\\\377\n"),
    ] {
        let text = |part: &cells::Part| row.view[part.view.clone()].to_vec();
        let found = row.parts.iter().any(|part| {
            let text = text(part);
            text == b"abcde" || text.starts_with(b"\0abcde")
        });
        assert!(found, "{row:?}");
    }
    // Text that looks a little like it is read as it stands, too.
    assert_eq!(copy("C:\\\\101x\n").view, b"C:\\101x\x0cC:Ax\x0c");
}

#[test]
fn names_lead_to_tables() {
    let mut schema = Schema::default();
    let mut read = |text: &str, dialect| schema.read(text.as_bytes(), dialect).unwrap();
    read("USE `a`;", MYSQL);
    read("CREATE TABLE `users` (`id` int NOT NULL, PRIMARY KEY (`id`)) COLLATE=utf8mb4_general_ci;", MYSQL);
    read("USE `b`;", MYSQL);
    read("CREATE TABLE `users` (`id` varchar(9), `x` text COLLATE utf8mb4_bin) DEFAULT CHARSET=utf8mb4;", MYSQL);
    read("CREATE TABLE `o` (`u` int, FOREIGN KEY (`u`) REFERENCES `a`.`users` (`id`));", MYSQL);
    read("CREATE TABLE `e` (`u` varchar(9)) COLLATE=utf8mb4_bin;", MYSQL);
    read("CREATE TABLE `q` (`u` int, FOREIGN KEY (`u`) REFERENCES `c`.`users` (`id`));", MYSQL);
    let to: Vec<_> = schema.keys.iter().map(|key| key.to.to_vec()).collect();
    assert_eq!(to, [b"a\0users", b"c\0users"]);
    assert_eq!(schema.key(&[b"a", b"users"], MYSQL).as_ref(), b"a\0users");
    assert_eq!(schema.key(&[b"users"], MYSQL).as_ref(), b"b\0users");
    let folds = |name: &[u8]| -> Vec<_> {
        let table = schema.table(&schema.key(&[name], MYSQL)).unwrap();
        table.columns.iter().map(|column| column.folds != Some(Fold::Exact)).collect()
    };
    assert_eq!((folds(b"users"), folds(b"e")), (vec![true, false], vec![false]));
    let mut schema = Schema::default();
    let text = "CREATE TABLE t (exclude text, a int CHECK (a IS NOT NULL OR (a AS int) UNIQUE), EXCLUDE USING gist (a WITH =), EXCLUDE (a WITH =), c public.citext);";
    schema.read(text.as_bytes(), POSTGRES).unwrap();
    schema.read(b"CREATE TABLE n (\n);", POSTGRES).unwrap();
    let table = schema.table(&schema.key(&[b"t"], POSTGRES)).unwrap();
    let columns: Vec<_> = table.columns.iter().map(|c| (c.name.as_slice(), c.not_null, c.unique, c.folds)).collect();
    let (no, yes) = (Some(Fold::Exact), Some(Fold::Lower));
    let want: [(&[u8], bool, bool, Option<Fold>); 3] =
        [(b"exclude", false, false, no), (b"a", false, false, no), (b"c", false, false, yes)];
    assert_eq!(columns, want);
    assert!(!table.bare && schema.table(&schema.key(&[b"n"], POSTGRES)).unwrap().bare);
}

fn decoded(text: &[u8], how: &How) -> Vec<u8> {
    let mut out = Vec::new();
    for (_, piece) in (Decode { text, at: 0, how }) {
        match piece {
            Out::Run(run) => out.extend_from_slice(run),
            Out::Byte(byte) => out.push(byte),
            Out::Char(c) => out.extend_from_slice(c.to_string().as_bytes()),
        }
    }
    out
}

fn hows() -> impl Strategy<Value = How> {
    prop::sample::select(vec![
        How::Plain,
        How::Copy,
        How::Tab,
        How::Hex,
        How::Octal(2, None),
        How::Octal(1, Some(b'\'')),
        How::Octal(2, Some(b'\'')),
        How::Quoted(b'\'', Escape::None),
        How::Quoted(b'\'', Escape::Mysql),
        How::Quoted(b'"', Escape::Mysql),
        How::Quoted(b'\'', Escape::Postgres),
    ])
}

/// What values are made of that a glance and a parse might see in two ways.
const GLANCED: [&str; 18] = [
    "a",
    "b",
    "1",
    "'",
    "\\",
    "\\\\",
    "\t",
    "N",
    "x",
    "\x0b",
    ",",
    "(",
    ")",
    " ",
    "\\\\x61626364",
    "\\\\x6162",
    "\\\\141",
    "\\141",
];

proptest! {
    /// What is written in a place is read there as what it was.
    #[test]
    fn written_text_is_read_again(text in prop::collection::vec(any::<u8>(), 0..40), how in hows()) {
        prop_assert_eq!(decoded(&cells::encode(&text, &how), &how), text);
    }

    /// A glance at a row sees what its parse does.
    #[test]
    fn glances_are_parses(cells in prop::collection::vec(prop::collection::vec(prop::sample::select(GLANCED.to_vec()), 0..7), 1..5), copy in any::<bool>(), which in 0usize..3) {
        let cells: Vec<Vec<u8>> = cells.into_iter().map(|pieces| pieces.concat().into_bytes()).collect();
        let dialect = [MYSQL, POSTGRES, SQLITE][which];
        let (raw, row) = if copy {
            let raw = [cells.join(&b'\t'), b"\n".to_vec()].concat();
            let row = Row::of_line(&raw, &How::Copy);
            let mut view = Vec::new();
            views::of_copy(&raw, &mut view);
            prop_assert_eq!(&view, &row.view);
            (raw, row)
        } else {
            let spelled: Vec<Vec<u8>> = cells.iter().enumerate().map(|(at, cell)| match at % 3 {
                0 => [b"'", cells::encode(cell, &How::Quoted(b'\'', if dialect.backslash { Escape::Mysql } else { Escape::None })).as_slice(), b"'"].concat(),
                1 => b" 17".to_vec(),
                _ => b"NULL".to_vec(),
            }).collect();
            let raw = [b"(", spelled.join(&b',').as_slice(), b")"].concat();
            let row = Row::of_tuple(&raw, dialect);
            let told = lex::tuple(&raw, 0, true, dialect).unwrap().unwrap();
            prop_assert_eq!(told.end, raw.len());
            if !told.odd {
                let mut view = Vec::new();
                views::of_tuple(&raw, dialect, &mut view);
                let mut rest = view.as_slice();
                for part in &row.parts {
                    let text = &row.view[part.view.clone()];
                    let spelled = memchr::memchr2(b'\'', b'\\', &raw[part.raw.clone()]).is_some();
                    let text = if spelled { [b"\x0c", text, b"\x0c"].concat() } else { text.to_vec() };
                    let at = memchr::memmem::find(rest, &text);
                    prop_assert!(at.is_some(), "{:?} is not in {:?}", text, view);
                    rest = &rest[at.unwrap() + text.len() - usize::from(spelled)..];
                }
                prop_assert!(told.escaped || view == raw);
            }
            (raw, row)
        };
        let target = Target { key: (*b"t").into(), name: String::new(), known_as: String::new(), columns: Vec::new(), rule: None, line: copy.then_some(How::Copy), dialect };
        for (at, cell) in row.cells.iter().enumerate() {
            let text = row.parts.iter().find(|part| part.cell == at).map(|part| &row.view[part.view.clone()]);
            match quick(&target, &raw, at) {
                Quick::Unclear => {}
                Quick::Null => prop_assert_eq!(cell.value, Null),
                Quick::Text(seen) => prop_assert_eq!(Some(seen), text),
            }
        }
    }

    /// The raw range of a decoded one spells just that.
    #[test]
    fn ranges_lead_back(text in prop::collection::vec(prop::sample::select(b"ab'\"\\\n\t\x0b".to_vec()), 0..30), how in hows(), a in 0usize..30, b in 0usize..30) {
        let raw = cells::encode(&text, &how);
        let (start, end) = (a.min(b).min(text.len()), a.max(b).min(text.len()));
        let part = cells::Part { raw: 0..raw.len(), how: how.clone(), cell: 0, view: 0..text.len(), literal: true };
        let range = cells::raw_range(&raw, &part, &(start..end));
        prop_assert_eq!(decoded(&raw[range], &how), &text[start..end]);
    }

    /// Rows of `--tab` are what was written, cut wherever a read ended.
    #[test]
    fn rows_of_tab_are_read_as_written(
        rows in prop::collection::vec(prop::collection::vec(prop::option::of(prop::collection::vec(prop::sample::select(b"a\\\n\t\r\0N\xff".to_vec()), 0..6)), 1..4), 0..5),
        size in 1usize..9,
    ) {
        let cell = |cell: &Option<Vec<u8>>| cell.as_ref().map_or(b"\\N".to_vec(), |text| cells::encode(text, &How::Tab));
        let lines: Vec<Vec<u8>> =
            rows.iter().map(|row| [row.iter().map(cell).collect::<Vec<_>>().join(&b'\t'), b"\n".to_vec()].concat()).collect();
        let text = lines.concat();
        let (mut walk, mut start, mut end, mut got) = (Walk::of_rows(MYSQL), 0, 0, Vec::new());
        while start < text.len() {
            match walk.next(&text[start..end], end == text.len()).unwrap() {
                Some(piece) => {
                    prop_assert_eq!(piece.what, What::Row);
                    got.push(text[start..start + piece.len].to_vec());
                    start += piece.len;
                }
                None => end = (end + size).min(text.len()),
            }
        }
        prop_assert_eq!(&got, &lines);
        for (line, row) in lines.iter().zip(&rows) {
            let read = Row::of_line(line, &How::Tab);
            prop_assert_eq!(read.cells.len(), row.len());
            for (at, want) in row.iter().enumerate() {
                let part = read.parts.iter().find(|part| part.cell == at).map(|part| read.view[part.view.clone()].to_vec());
                // A carriage return before the line's end is taken for a part of that.
                let last = at + 1 == row.len();
                let trim = |text: &Vec<u8>| if last { text.strip_suffix(b"\r").unwrap_or(text).to_vec() } else { text.clone() };
                prop_assert_eq!(part, want.as_ref().map(trim));
            }
        }
    }

    /// Pieces do not depend on windows, and leave no byte out.
    #[test]
    fn windows_do_not_matter(parts in prop::collection::vec(prop::sample::select(vec![
        "INSERT INTO t VALUES ", "(1,'a')", ",", ";", "\n", "COPY t (a, b) FROM stdin;\n", "1\t2\n", "\\.\n", "'x;''y'", "$$;$$", "-- c;\n", "/* ; */",
        "/*!40101 SET x */;", "CREATE TABLE t (a int);", "\\connect x\n", "E'\\';'", "\"q;\"", "`b;`", " ", "DELIMITER ;;\n", ";;", "é", "BEGIN", "END", "#",
    ]), 0..14), which in 0usize..3, size in 1usize..9) {
        let (text, dialect) = (parts.concat(), [MYSQL, POSTGRES, SQLITE][which]);
        let (whole, small) = (cut(text.as_bytes(), dialect, 1 << 20), cut(text.as_bytes(), dialect, size));
        prop_assert_eq!(whole.is_ok(), small.is_ok());
        if let (Ok(whole), Ok(small)) = (whole, small) {
            let joined: Vec<u8> = whole.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
            prop_assert_eq!(joined, text.into_bytes());
            // Blanks may come in pieces.
            let solid = |all: Vec<(What, Vec<u8>)>| all.into_iter().filter(|(what, _)| *what != What::Blank).collect::<Vec<_>>();
            prop_assert_eq!(solid(whole), solid(small));
        }
    }
}
