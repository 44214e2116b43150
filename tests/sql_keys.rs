//! Foreign keys of SQL dumps: random schemas against a model that knows all rows, rules of the policy, and what a filter does about them.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use proptest::prelude::*;

use crate::support::shelf::Shelf;
use crate::support::{ALICE, World};

/// What becomes of a row that refers to one that goes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Act {
    Cascade,
    SetNull,
    Keep,
    Anonymize,
}

/// What of a row another refers to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Id,
    Code,
    Pair,
}

#[derive(Debug, Clone)]
struct Foreign {
    to: usize,
    kind: Kind,
    not_null: bool,
    on_delete: Option<Act>,
    rule: Option<Act>,
}

impl Foreign {
    /// What the SPEC says.
    fn act(&self) -> Act {
        match self.rule.or(self.on_delete).unwrap_or(Act::SetNull) {
            Act::SetNull if self.not_null => Act::Cascade,
            act => act,
        }
    }

    fn columns(&self, at: usize) -> Vec<String> {
        match self.kind {
            Kind::Pair => vec![format!("f{at}"), format!("g{at}")],
            Kind::Id | Kind::Code => vec![format!("f{at}")],
        }
    }
}

#[derive(Debug, Clone)]
struct Row {
    hers: bool,
    /// Ordinal of the row in the table that each foreign key refers to.
    refs: Vec<Option<usize>>,
}

#[derive(Debug, Clone)]
struct Base {
    keys: Vec<Vec<Foreign>>,
    rows: Vec<Vec<Row>>,
    order: Vec<usize>,
    /// Constraints stand with the tables, and not behind the rows.
    inline: bool,
    copy: bool,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![4 => Just(Act::Cascade), 3 => Just(Act::SetNull), 1 => Just(Act::Keep), 3 => Just(Act::Anonymize)]
}

fn foreign(tables: usize) -> impl Strategy<Value = Foreign> {
    let kind = prop::sample::select(vec![Kind::Id, Kind::Code, Kind::Pair]);
    let on_delete = prop::option::of(prop::sample::select(vec![Act::Cascade, Act::SetNull]));
    (0..tables, kind, any::<bool>(), on_delete, prop::option::weighted(0.4, act()))
        .prop_map(|(to, kind, not_null, on_delete, rule)| Foreign { to, kind, not_null, on_delete, rule })
}

fn base() -> impl Strategy<Value = Base> {
    (2usize..6).prop_flat_map(|tables| {
        let keys = prop::collection::vec(prop::collection::vec(foreign(tables), 0..4), tables);
        let seeds = prop::collection::vec(
            prop::collection::vec((prop::bool::weighted(0.15), prop::collection::vec(any::<u16>(), 4)), 1..7),
            tables,
        );
        let order = Just((0..tables).collect::<Vec<_>>()).prop_shuffle();
        (keys, seeds, order, any::<bool>(), any::<bool>()).prop_map(|(keys, seeds, order, inline, copy)| {
            let counts: Vec<usize> = seeds.iter().map(Vec::len).collect();
            let row = |(table, (hers, seeds)): (usize, &(bool, Vec<u16>))| {
                let pick = |(key, seed): (&Foreign, &u16)| {
                    let null = !key.not_null && seed % 3 == 0;
                    (!null).then(|| usize::from(*seed / 3) % counts[key.to])
                };
                Row { hers: *hers, refs: keys[table].iter().zip(seeds).map(pick).collect() }
            };
            let rows = seeds.iter().enumerate().map(|(t, all)| all.iter().map(|s| row((t, s))).collect()).collect();
            Base { keys, rows, order, inline, copy }
        })
    })
}

/// What a scrub comes to: of each row `None` if it goes, else whether it is anonymized and which references are NULL.
type After = Vec<Vec<Option<(bool, BTreeSet<usize>)>>>;

/// `None`: refused.
fn model(base: &Base) -> Option<After> {
    let each = || base.rows.iter().enumerate().flat_map(|(t, rows)| (0..rows.len()).map(move |r| (t, r)));
    let refs = |(t, r): (usize, usize)| {
        let row = &base.rows[t][r];
        base.keys[t].iter().zip(&row.refs).enumerate().filter_map(|(at, (key, to))| Some((at, key, (key.to, (*to)?))))
    };
    let mut gone: BTreeSet<(usize, usize)> = BTreeSet::new();
    let wanted = |gone: &BTreeSet<(usize, usize)>, row: (usize, usize)| {
        base.rows[row.0][row.1].hers || refs(row).any(|(_, key, to)| key.act() == Act::Cascade && gone.contains(&to))
    };
    loop {
        let shielded = |gone: &BTreeSet<(usize, usize)>, row: (usize, usize)| {
            each().any(|child| {
                child != row
                    && !gone.contains(&child)
                    && refs(child).any(|(_, key, to)| key.act() == Act::Anonymize && to == row)
            })
        };
        let more: Vec<_> =
            each().filter(|row| !gone.contains(row) && wanted(&gone, *row) && !shielded(&gone, *row)).collect();
        if more.is_empty() {
            break;
        }
        gone.extend(more);
    }
    let mut after: After = Vec::new();
    for (t, rows) in base.rows.iter().enumerate() {
        let mut out = Vec::new();
        for r in 0..rows.len() {
            if gone.contains(&(t, r)) {
                out.push(None);
                continue;
            }
            let mut nulls = BTreeSet::new();
            for (at, key, to) in refs((t, r)) {
                if !gone.contains(&to) {
                    continue;
                }
                match key.act() {
                    Act::Keep => return None,
                    Act::Cascade if key.not_null => return None,
                    _ => drop(nulls.insert(at)),
                }
            }
            out.push(Some((wanted(&gone, (t, r)), nulls)));
        }
        after.push(out);
    }
    Some(after)
}

/// The dump of the rows that are left.
fn dump(base: &Base, after: Option<&After>) -> String {
    let mut out = String::from("SELECT pg_catalog.set_config('search_path', '', false);\n");
    let mut late = String::new();
    for t in &base.order {
        let t = *t;
        let mut columns = vec!["id".to_owned(), "code".to_owned(), "p".to_owned(), "q".to_owned(), "note".to_owned()];
        let mut items = vec![
            "id integer NOT NULL".to_owned(),
            "code text".to_owned(),
            "p integer".to_owned(),
            "q integer".to_owned(),
            "note text".to_owned(),
        ];
        let mut constraints =
            vec!["PRIMARY KEY (id)".to_owned(), "UNIQUE (code)".to_owned(), "UNIQUE (p, q)".to_owned()];
        for (at, key) in base.keys[t].iter().enumerate() {
            let names = key.columns(at);
            for name in &names {
                let kind = if key.kind == Kind::Code { "text" } else { "integer" };
                items.push(format!("{name} {kind}{}", if key.not_null { " NOT NULL" } else { "" }));
            }
            let to = match key.kind {
                Kind::Id if at % 2 == 0 => "",
                Kind::Id => " (id)",
                Kind::Code => " (code)",
                Kind::Pair => " (p, q)",
            };
            let on_delete = match key.on_delete {
                Some(Act::Cascade) => " ON DELETE CASCADE",
                Some(_) => " ON DELETE SET NULL",
                None => "",
            };
            constraints.push(format!("FOREIGN KEY ({}) REFERENCES t{}{to}{on_delete}", names.join(", "), key.to));
            columns.extend(names);
        }
        if base.inline {
            items.extend(constraints);
        } else {
            for constraint in constraints {
                let _infallible = writeln!(late, "ALTER TABLE ONLY t{t} ADD {constraint};");
            }
        }
        let _infallible = writeln!(out, "CREATE TABLE t{t} (\n  {}\n);", items.join(",\n  "));
        let rows: Vec<String> = (0..base.rows[t].len())
            .filter_map(|r| {
                let fate = match after {
                    None => Some((false, BTreeSet::new())),
                    Some(after) => after[t][r].clone(),
                };
                fate.map(|(anonymized, nulls)| values(base, (t, r), anonymized, &nulls))
            })
            .collect();
        if base.copy {
            let rows = rows.iter().fold(String::new(), |out, row| out + row + "\n");
            let _infallible = writeln!(out, "COPY t{t} ({}) FROM stdin;\n{rows}\\.", columns.join(", "));
        } else if !rows.is_empty() {
            let _infallible = writeln!(out, "INSERT INTO t{t} VALUES\n{};", rows.join(",\n"));
        }
    }
    out + &late
}

fn values(base: &Base, (t, r): (usize, usize), anonymized: bool, nulls: &BTreeSet<usize>) -> String {
    let row = &base.rows[t][r];
    let quote = |text: &str| {
        if base.copy { text.replace('\t', "\\t") } else { format!("'{}'", text.replace('\'', "''")) }
    };
    let null = if base.copy { "\\N" } else { "NULL" };
    let code = |t: usize, r: usize| quote(&format!("o'{t}\t{r}"));
    let note = match (anonymized, row.hers) {
        (true, _) => "ERASED",
        (false, true) => "of alice@example.com",
        (false, false) => "x",
    };
    let mut out = vec![r.to_string(), code(t, r), (r / 2).to_string(), (r % 2).to_string(), quote(note)];
    for (at, (key, to)) in base.keys[t].iter().zip(&row.refs).enumerate() {
        let to = to.filter(|_| !nulls.contains(&at));
        match (to, key.kind) {
            (None, Kind::Pair) => out.extend([null.to_owned(), null.to_owned()]),
            (None, _) => out.push(null.to_owned()),
            (Some(to), Kind::Id) => out.push(to.to_string()),
            (Some(to), Kind::Code) => out.push(code(key.to, to)),
            (Some(to), Kind::Pair) => out.extend([(to / 2).to_string(), (to % 2).to_string()]),
        }
    }
    if base.copy { out.join("\t") } else { format!("({})", out.join(", ")) }
}

fn policy(base: &Base) -> String {
    let mut out = String::new();
    for t in 0..base.keys.len() {
        if base.keys.iter().flatten().any(|key| key.to == t && key.rule == Some(Act::Anonymize)) {
            let _infallible = writeln!(out, "[[rule]]\ntables = [\"T{t}\"]\nerase_fields = {{ note = \"redact\" }}");
        }
    }
    for (t, keys) in base.keys.iter().enumerate() {
        for (at, key) in keys.iter().enumerate() {
            let Some(rule) = key.rule else { continue };
            let action = match rule {
                Act::Cascade => "cascade",
                Act::SetNull => "set_null",
                Act::Keep => "keep",
                Act::Anonymize => "anonymize",
            };
            let column = match key.kind {
                Kind::Id => "id",
                Kind::Code => "code",
                Kind::Pair => "q",
            };
            let _infallible = writeln!(
                out,
                "[[foreign_key]]\nfrom = \"t{t}.f{at}\"\nto = \"t{}.{column}\"\naction = \"{action}\"",
                key.to
            );
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::support::cases(300)))]

    /// Whatever refers to what, in whichever order it is written: the dump that comes out is the one of the rows that the model leaves.
    #[test]
    fn keys_are_followed_as_the_model_says(base in base(), window in 1usize..4000) {
        let shelf = Shelf::new(ALICE, &policy(&base));
        let before = dump(&base, None);
        let got = shelf.scrub("x.sql", &before.clone().into_bytes(), window, false);
        let got = got.map_err(|error| TestCaseError::fail(error.reason()))?;
        let text = String::from_utf8_lossy(&got.bytes);
        let Some(after) = model(&base) else {
            prop_assert!(got.unsupported.as_deref().is_some_and(|reason| reason.starts_with("foreign keys: ")), "{:?}", got.unsupported);
            prop_assert_eq!(text, before);
            return Ok(());
        };
        prop_assert_eq!(got.unsupported, None);
        prop_assert_eq!(text, dump(&base, Some(&after)));
        // What was counted for each table.
        for (t, rows) in after.iter().enumerate() {
            let table = got.tables[&format!("t{t}")];
            let gone = |hers: bool| rows.iter().zip(&base.rows[t]).filter(|(after, row)| after.is_none() && row.hers == hers).count() as u64;
            let stays = |kept: bool| rows.iter().flatten().filter(|(anonymized, nulls)| *anonymized == kept && (kept || !nulls.is_empty())).count() as u64;
            prop_assert_eq!((table.read, table.dropped, table.cascade), (rows.len() as u64, gone(true), gone(false)));
            prop_assert_eq!((table.set_null, table.anonymized, table.edited), (stays(false), stays(true), 0));
        }
    }
}

/// A chain of replies, each before the one that it answers: far deeper than readings could follow one by one.
#[test]
fn depth_costs_no_readings() {
    const DEPTH: usize = 70_000;
    let mut data = String::from("COPY public.reply (id, parent, body) FROM stdin;\n");
    for n in (0..DEPTH).rev() {
        let parent = if n == 0 { "\\N".to_owned() } else { (n - 1).to_string() };
        let body = if n == 2 { "alice@example.com" } else { "x" };
        let _infallible = writeln!(data, "{n}\t{parent}\t{body}");
    }
    let head = "CREATE TABLE public.reply (id integer NOT NULL, parent integer, body text);\n";
    let tail = "\\.\nALTER TABLE ONLY public.reply ADD CONSTRAINT k PRIMARY KEY (id);\nALTER TABLE ONLY public.reply ADD CONSTRAINT f FOREIGN KEY (parent) REFERENCES public.reply(id) ON DELETE CASCADE;\n";
    let shelf = Shelf::new(ALICE, "");
    let got = shelf.scrub("x.sql", &[head, &data, tail].concat().into_bytes(), 1 << 16, false).unwrap();
    let want = "COPY public.reply (id, parent, body) FROM stdin;\n1\t0\tx\n0\t\\N\tx\n";
    assert_eq!(String::from_utf8_lossy(&got.bytes), [head, want, tail].concat());
    let table = got.tables["public.reply"];
    assert_eq!((table.read, table.dropped, table.cascade), (DEPTH as u64, 1, DEPTH as u64 - 3));
}

const INVOICES: &str = "CREATE TABLE users (id int PRIMARY KEY, email text, name text, age int NOT NULL);
INSERT INTO users VALUES (48213,'alice@example.com','Alice',30),(7,'b@example.org','Bob',31);
CREATE TABLE carts (id int PRIMARY KEY, owner int REFERENCES users (id) ON DELETE CASCADE);
INSERT INTO carts VALUES (1,48213),(2,7);
CREATE TABLE invoices (no int PRIMARY KEY, payer int NOT NULL REFERENCES users (id));
INSERT INTO invoices VALUES (100,48213),(101,7);
";
const ANONYMIZE: &str = "[[rule]]
tables = [\"users\"]
erase_fields = { name = \"pseudonym\", email = \"null\", age = \"null\" }
[[foreign_key]]
from = \"invoices.payer\"
to = \"users.id\"
action = \"anonymize\"
";

#[test]
fn invoices_keep_who_paid_them() {
    let world = World::new(ALICE);
    world.put("src/x.sql", INVOICES);
    world.put("p.toml", ANONYMIZE);
    world.put("key", "sixteen bytes and more of key");
    world.scrub(&["--policy", "p.toml"]).expect(2);
    let ran = world.scrub(&["--policy", "p.toml", "--key-file", "key"]);
    ran.expect(0);
    let got = String::from_utf8(world.get("src/x.sql")).unwrap();
    let row = got.lines().find(|line| line.contains("INTO users")).unwrap();
    let id = row.split(['(', ',']).nth(1).unwrap();
    assert!(id.starts_with('-') && id.parse::<i32>().is_ok(), "{got}");
    let want = INVOICES.replace("48213", id).replace("'alice@example.com'", "NULL").replace("30)", "0)");
    let name = row.split('\'').nth(1).unwrap();
    assert!(name.starts_with("Deleted User #"), "{row}");
    assert_eq!(got, want.replace("'Alice'", &format!("'{name}'")));
    let line = ran.artifact("x.sql");
    assert_eq!(line["tables"]["users"], serde_json::json!({"read": 2, "anonymized": 1}));
    assert_eq!(line["tables"]["invoices"], serde_json::json!({"read": 2, "edited": 1}));
    assert!(ran.out.contains("table users: 2 read, 1 anonymized"), "{}", ran.out);
    // Without an invoice nobody keeps her.
    world.put("src/x.sql", INVOICES.replace("(100,48213),", ""));
    world.scrub(&["--policy", "p.toml", "--key-file", "key"]).expect(0);
    let got = String::from_utf8(world.get("src/x.sql")).unwrap();
    assert!(got.contains("users VALUES (7,") && got.contains("carts VALUES (2,7)"), "{got}");
    // Twice is once.
    let ran = world.scrub(&["--policy", "p.toml", "--key-file", "key"]);
    assert_eq!(ran.status("x.sql"), "clean");
}

#[test]
fn rules_that_would_break_a_restore_are_refused_by_name() {
    let world = World::new(ALICE);
    world.put("src/x.sql", INVOICES);
    let keep = "[[foreign_key]]\nfrom = \"invoices.payer\"\nto = \"users.id\"\naction = \"keep\"\n";
    world.put("p.toml", keep);
    let ran = world.scrub(&["--policy", "p.toml"]);
    ran.expect(3);
    assert_eq!(
        ran.status("x.sql"),
        "unsupported: foreign keys: invoices.payer keeps what refers to rows that go: holds matches"
    );
    assert_eq!(world.get("src/x.sql"), INVOICES.as_bytes());
    assert_eq!(ran.artifact("x.sql")["tables"]["users"], serde_json::json!({"read": 2}));
    // Nobody refers to what goes: nothing is in the way.
    world.put("src/x.sql", INVOICES.replace("(100,48213),", ""));
    world.scrub(&["--policy", "p.toml"]).expect(0);
    // Of a table without a rule for it nothing is known to be personal.
    world.put("src/x.sql", INVOICES);
    world.put("p.toml", ANONYMIZE.replace("\"users\"]", "\"carts\"]").replace("tables", "action = \"redact\"\ntables"));
    world.put("key", "sixteen bytes and more of key");
    let ran = world.scrub(&["--policy", "p.toml", "--key-file", "key"]);
    assert_eq!(
        ran.status("x.sql"),
        "unsupported: foreign keys: anonymize: no rule with erase_fields for users: holds matches"
    );
    world.put("p.toml", ANONYMIZE.split("[[foreign").next().unwrap());
    world.scrub(&["--policy", "p.toml", "--key-file", "key"]).expect(2);
    world.put("p.toml", format!("[[foreign{}", ANONYMIZE.split("[[foreign").nth(1).unwrap()));
    world.scrub(&["--policy", "p.toml", "--key-file", "key"]).expect(2);
}

/// A key that is another's, too: what it becomes goes on.
#[test]
fn a_changed_key_goes_on_through_keys_that_are_references() {
    let data = "CREATE TABLE post (no int, author int);
INSERT INTO post VALUES (1,48213),(2,7);
CREATE TABLE profile (who int PRIMARY KEY, bio text);
INSERT INTO profile VALUES (48213,'x'),(7,'y');
CREATE TABLE users (id int PRIMARY KEY);
INSERT INTO users VALUES (48213),(7);
ALTER TABLE post ADD FOREIGN KEY (author) REFERENCES profile (who);
ALTER TABLE profile ADD FOREIGN KEY (who) REFERENCES users (id);
";
    let shelf = Shelf::new(ALICE, "[[rule]]\ntables = [\"users\"]\naction = \"pseudonymize\"\n");
    let got = shelf.scrub("x.sql", &data.as_bytes().to_vec(), 4096, false).unwrap();
    let got = String::from_utf8(got.bytes).unwrap();
    let id = got.split("users VALUES (").nth(1).unwrap().split(')').next().unwrap();
    assert!(id.starts_with('-'), "{got}");
    assert_eq!(got, data.replace("48213", id));
}

fn run(mut command: Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // It may end before it has read all.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().unwrap()
    })
}

fn filter(world: &World, more: &[&str], input: &[u8]) -> Output {
    run(world.command(&[&["filter", "--registry", "erased.jsonl"], more].concat()), input)
}

/// A dump of `n` rows; `late`: what stands behind them.
fn long(n: usize, late: &str) -> String {
    let mut out = String::from(
        "CREATE TABLE users (id integer NOT NULL, note text);\nCREATE TABLE orders (id integer, buyer integer);\nCOPY users (id, note) FROM stdin;\n",
    );
    for id in 0..n {
        let _infallible = writeln!(out, "{id}\tsome text of {id}");
    }
    out + "\\.\n" + late
}

#[test]
fn a_filter_takes_one_pass_where_it_may() {
    let world = World::new(ALICE);
    let rows_only = |text: &str| text.lines().skip(2).fold(String::new(), |out, line| out + line + "\n");
    let whole = long(60_000, "ALTER TABLE ONLY orders ADD CONSTRAINT x PRIMARY KEY (id);\n");
    let want = |text: &str| text.replace("48213\tsome text of 48213\n", "");
    // No foreign key comes to it: told one row after another.
    let output = filter(&world, &["--no-spool"], whole.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), want(&whole));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("table users: 60000 read, 1 dropped"), "{said}");
    // Rows without DDL need no spool.
    let rows = rows_only(&long(60_000, ""));
    let output = filter(&world, &["--max-temp", "64KiB"], rows.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), want(&rows));
    // With DDL it is spooled.
    let output = filter(&world, &["--max-temp", "64KiB"], whole.as_bytes());
    assert!(output.status.code() == Some(3) && output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("--max-temp"));
}

#[test]
fn a_key_that_comes_too_late_stops_the_restore() {
    let world = World::new(ALICE);
    let late = "ALTER TABLE ONLY users ADD CONSTRAINT k PRIMARY KEY (id);\nALTER TABLE ONLY orders ADD CONSTRAINT f FOREIGN KEY (buyer) REFERENCES users(id);\nSELECT 1;\n";
    let whole = long(60_000, late);
    let output = filter(&world, &[], whole.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let output = filter(&world, &["--no-spool"], whole.as_bytes());
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("sql must be read twice"), "{said}");
    let got = String::from_utf8(output.stdout).unwrap();
    assert!(got.len() > 1_000_000 && !got.contains("FOREIGN KEY"), "{}", got.len());
    assert!(got.ends_with("\n\\.\n;unwrite stopped here, and the dump is not whole;\n"), "{}", &got[got.len() - 99..]);
    // The same with a gate is a hit, and without anybody's rows it goes through.
    let gate = |input: &[u8]| run(world.command(&["gate", "-", "--registry", "erased.jsonl"]), input).status.code();
    assert_eq!(gate(whole.as_bytes()), Some(1));
    let clean = whole.replace("48213\tsome text of 48213\n", "");
    assert_eq!(gate(clean.as_bytes()), Some(0));
    assert_eq!(filter(&world, &["--no-spool"], clean.as_bytes()).status.code(), Some(0));
}

/// What `SQLite` makes of a dump that a filter gave up.
#[test]
fn sqlite_takes_nothing_of_a_dump_that_is_not_whole() {
    let mut data = String::from(
        "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE users(id INTEGER PRIMARY KEY, note TEXT);\n",
    );
    for id in 0..60_000 {
        let _infallible = writeln!(data, "INSERT INTO users VALUES({id},'some text');");
    }
    data += "CREATE TABLE orders(id INTEGER, buyer INTEGER REFERENCES users);\nINSERT INTO orders VALUES(1,48213);\nCOMMIT;\n";
    let world = World::new(ALICE);
    let output = filter(&world, &["--no-spool"], data.as_bytes());
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.len() > 1_000_000);
    let base = world.path("x.db");
    let client = |args: &[&str]| {
        let mut command = Command::new("sqlite3");
        command.args(args).arg(&base);
        command
    };
    if client(&["-version"]).output().is_err() {
        eprintln!("not run: sqlite3 is not installed");
        return;
    }
    for args in [&["-bail"][..], &[]] {
        assert!(!run(client(args), &output.stdout).status.success(), "{args:?}");
        let mut tables = client(&[]);
        tables.arg("SELECT count(*) FROM sqlite_schema");
        assert_eq!(run(tables, b"").stdout, b"0\n", "{args:?}");
    }
}

#[test]
fn foreign_keys_stand_on_the_run_line() {
    let world = World::new(ALICE);
    world.put("src/x.sql", INVOICES);
    let rule = "[[foreign_key]]\nfrom = \"invoices.payer\"\nto = \"users.id\"\naction = \"cascade\"\n";
    world.put("p.toml", rule);
    let ran = world.scrub(&["--policy", "p.toml"]);
    ran.expect(0);
    let line = ran.lines.iter().find(|line| line["kind"] == "run").unwrap();
    let want = serde_json::json!([{"from": "invoices.payer", "to": "users.id", "action": "cascade"}]);
    assert_eq!(line["policy"]["foreign_keys"], want);
}
