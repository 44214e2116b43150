//! The policy, through the binary: actions in their places, rules, pseudonyms, options and their precedence.

use crate::support::world::REGISTRY;
use crate::support::{ALICE, World, make};

/// What `text` becomes by a rule with these lines.
fn rule(lines: &str, name: &str, text: &str) -> String {
    let (got, _) = World::scrubbed(ALICE, &format!("[[rule]]\n{lines}\n"), name, text.as_bytes(), 0);
    String::from_utf8(got).unwrap()
}

const LOG: &str = "2026-11-20T08:00:01Z INFO user_id=48213 mail=alice@example.com q=alice%40example.com\n2026-11-20T08:00:02Z INFO user_id=7\n";
const JSON: &str =
    "{\"user_id\":48213,\"id2\":\"usr_8f3a9c21\",\"m\":\"<alice\\u0040example.com>\"}\n{\"user_id\":7}\n";
const CSV: &str = "user_id,m,c\n48213,\"alice@example.com, x\",3\n7,b,c\n";

#[test]
fn redact_and_mask() {
    let first = LOG.lines().next().unwrap();
    assert_eq!(
        rule("action = \"redact\"", "a.log", LOG),
        LOG.replace(first, "2026-11-20T08:00:01Z INFO user_id=ERASED mail=ERASED q=ERASED")
    );
    assert_eq!(
        rule("action = \"mask\"", "a.log", LOG),
        LOG.replace("48213", "*****")
            .replace("alice@example.com", "*****************")
            .replace("alice%40example.com", "*******************")
    );
    assert_eq!(
        rule("action = \"redact\"", "a.jsonl", JSON),
        "{\"user_id\":null,\"id2\":\"ERASED\",\"m\":\"<ERASED>\"}\n{\"user_id\":7}\n"
    );
    let masked = rule("action = \"mask\"", "a.jsonl", JSON);
    assert!(masked.contains("\"user_id\":null") && masked.contains("\"id2\":\"************\""), "{masked}");
    assert_eq!(rule("action = \"redact\"", "a.csv", CSV), "user_id,m,c\nERASED,\"ERASED, x\",3\n7,b,c\n");
    assert_eq!(rule("action = \"mask\"", "a.csv", CSV), "user_id,m,c\n*****,\"*****************, x\",3\n7,b,c\n");
    // What remains is valid in its format.
    for line in masked.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

#[test]
fn report_leaves_and_counts() {
    let world = World::new(ALICE);
    world.put("src/a.log", LOG);
    world.put("policy.toml", "[[rule]]\naction = \"report\"\n");
    let ran = world.scrub(&["--policy", "policy.toml"]);
    ran.expect(0);
    assert_eq!(world.get("src/a.log"), LOG.as_bytes());
    assert_eq!((ran.status("a.log"), &ran.artifact("a.log")["left"]["report"]), ("clean".to_owned(), &1.into()));
    world.run(&["scan", "src", "--registry", REGISTRY, "--policy", "policy.toml"]).expect(0);
    world.verify(&[]).expect(0);
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    text.split_once(before).unwrap().1.split_once(after).unwrap().0
}

#[test]
fn pseudonyms_are_one_for_a_person() {
    let world = World::new(ALICE);
    world.put("src/a.log", LOG);
    world.put("src/a.jsonl.gz", make::gz(JSON.as_bytes()));
    world.put("src/b.jsonl", "{\"user\":{\"name\":\"alice_m\"},\"u\":\"9B2F1C64-7d3e-4a51-8c0f-5e6d7a8b9c0d\",\"ip\":\"203.0.113.7\"}\n{}\n{}\n");
    world.put("src/t.tar", make::tar(&[("x.csv", CSV.as_bytes())]));
    world.put("policy.toml", "[[rule]]\naction = \"pseudonymize\"\n");
    world.put("key", "0123456789abcdef");
    world.scrub(&["--policy", "policy.toml"]).expect(2);
    world.put("short", "0123");
    world.scrub(&["--policy", "policy.toml", "--key-file", "short"]).expect(2);
    assert_eq!(world.get("src/a.log"), LOG.as_bytes(), "nothing is touched without a key");
    let ran = world.scrub(&["--policy", "policy.toml", "--key-file", "key"]);
    ran.expect(0);
    let log = String::from_utf8(world.get("src/a.log")).unwrap();
    let hex = between(&log, "mail=deleted-", "@erased.invalid").to_owned();
    assert!(hex.len() == 16 && hex.bytes().all(|b| b.is_ascii_hexdigit()), "{log}");
    assert!(log.contains(&format!("q=deleted-{hex}%40erased.invalid")), "percent-encoded in its place: {log}");
    assert!(log.ends_with("user_id=7\n"));
    let json = String::from_utf8(make::un_gz(&world.get("src/a.jsonl.gz"))).unwrap();
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    let number = first["user_id"].as_i64().unwrap();
    assert!(number < 0, "{json}");
    assert_eq!(first["id2"], format!("deleted-{hex}"));
    assert_eq!(first["m"], format!("<deleted-{hex}@erased.invalid>"));
    let second = String::from_utf8(world.get("src/b.jsonl")).unwrap();
    let second: serde_json::Value = serde_json::from_str(second.lines().next().unwrap()).unwrap();
    assert_eq!(second["user"]["name"], format!("deleted-{hex}"));
    let uuid = second["u"].as_str().unwrap();
    assert!(
        uuid.len() == 36 && uuid.as_bytes()[14] == b'8' && uuid != "9b2f1c64-7d3e-4a51-8c0f-5e6d7a8b9c0d",
        "{uuid}"
    );
    assert!(!second["ip"].to_string().contains("203.0.113.7"));
    let csv = String::from_utf8(make::untar(&world.get("src/t.tar")).remove(0).1).unwrap();
    assert!(csv.contains(&format!("\"deleted-{hex}@erased.invalid, x\"")), "{csv}");
    assert!(log.contains(&format!("user_id={number}")), "one integer everywhere: {log}");
    assert!(ran.lines[0]["key"].as_str().is_some_and(|id| !id.is_empty()));
    // Another key, another pseudonym; another person as well.
    let again = World::new(&ALICE.replace("sub_01", "sub_02"));
    again.put("src/a.log", LOG);
    again.put("policy.toml", "[[rule]]\naction = \"pseudonymize\"\n");
    again.put("key", "0123456789abcdef");
    again.scrub(&["--policy", "policy.toml", "--key-file", "key"]).expect(0);
    assert!(!String::from_utf8(again.get("src/a.log")).unwrap().contains(&hex));
    world.scrub(&["--policy", "policy.toml", "--key-file", "key"]).expect(0);
    assert_eq!(String::from_utf8(world.get("src/a.log")).unwrap(), log, "twice is once");
}

#[test]
fn erase_fields() {
    let text = "{\"user_id\":48213,\"name\":\"Alice M\",\"email\":\"other@example.org\",\"ip\":\"192.0.2.1\",\"age\":33,\"tags\":[\"a\",\"b\"],\"z\":1}\n\
        {\"user_id\":7,\"name\":\"Bob\",\"email\":\"b@example.org\",\"ip\":\"192.0.2.2\",\"age\":44,\"z\":1}\n{\"z\":1}\n";
    let lines = "action = \"redact\"\nerase_fields = { name = \"redact\", email = \"remove\", ip = \"null\", age = \"remove\" }";
    let got = rule(lines, "a.jsonl", text);
    let first: serde_json::Value = serde_json::from_str(got.lines().next().unwrap()).unwrap();
    assert_eq!(first, serde_json::json!({"user_id":null,"name":"ERASED","ip":null,"tags":["a","b"],"z":1}));
    assert_eq!(got.lines().skip(1).collect::<Vec<_>>(), text.lines().skip(1).collect::<Vec<_>>(), "others stay whole");
    let got = rule(lines, "a.csv", "user_id,name,email,ip\n48213,Alice M,\"a, b\",1.2.3.4\n7,Bob,b,c\n");
    assert_eq!(got.lines().last().unwrap(), "7,Bob,b,c");
    assert_eq!(got.lines().nth(1).unwrap().split(',').count(), 4, "a row keeps its columns: {got}");
    assert!(got.lines().nth(1).unwrap().starts_with("ERASED,ERASED,"), "{got}");
    assert!(!got.contains("a, b") && !got.contains("1.2.3.4"), "{got}");
    let got = rule(
        lines,
        "a.log",
        "2026-11-20T08:00:01Z user_id=48213 name=\"Alice M\" email=x@y.example k=1\n2026-11-20T08:00:02Z name=Bob\n",
    );
    assert!(
        got.contains("user_id=ERASED")
            && got.contains("name=\"ERASED\"")
            && !got.contains("x@y.example")
            && got.contains("k=1"),
        "{got}"
    );
    assert!(got.contains("name=Bob"));
    let got = rule("action = \"pseudonymize\"\nerase_fields = { name = \"pseudonym\" }", "a.jsonl", text);
    let first: serde_json::Value = serde_json::from_str(got.lines().next().unwrap()).unwrap();
    assert!(first["name"].as_str().unwrap().starts_with("Deleted User #"), "{first}");
    // Not beside drop or report.
    for action in ["", "action = \"drop\"\n", "action = \"report\"\n"] {
        let world = World::new(ALICE);
        world.put("src/a.log", LOG);
        world.put("policy.toml", format!("[[rule]]\n{action}erase_fields = {{ name = \"redact\" }}\n"));
        world.scrub(&["--policy", "policy.toml"]).expect(2);
    }
}

#[test]
fn shared_records() {
    let text =
        "{\"user_id\":48213,\"owner_id\":7}\n{\"user_id\":48213}\n{\"user_id\":7}\n{\"user_id\":48213,\"other\":9}\n";
    assert_eq!(rule("", "a.jsonl", text), "{\"user_id\":7}\n");
    assert_eq!(rule("shared = \"redact\"", "a.jsonl", text), "{\"user_id\":null,\"owner_id\":7}\n{\"user_id\":7}\n");
}

#[test]
fn two_people_on_one_record() {
    let registry = format!(
        "{ALICE}{}",
        "{\"subject\":\"sub_02\",\"identifiers\":[{\"type\":\"email\",\"value\":\"bob@example.org\"}]}\n"
    );
    let (_, ran) = World::scrubbed(
        &registry,
        "",
        "a.log",
        &make::log(&["alice@example.com bob@example.org", "bob@example.org", "x"]),
        0,
    );
    let line = ran.artifact("a.log");
    assert_eq!(
        (&line["records"]["dropped"], &line["subjects"]),
        (&2.into(), &serde_json::json!({"sub_01":1,"sub_02":2}))
    );
}

#[test]
fn the_first_rule_that_fits_decides() {
    let world = World::new(ALICE);
    let log = make::log(&["alice@example.com", "x"]);
    for name in ["src/invoices/a.log", "src/x/invoices/y/b.log", "src/other.log"] {
        world.put(name, &log);
    }
    world.put("src/backup.tar", make::tar(&[("logs/a.log", &log), ("logs/deep/b.log", &log), ("c.log", &log)]));
    world.put(
        "policy.toml",
        "[[rule]]\nfiles = [\"**/invoices/**\", \"invoices/**\"]\naction = \"redact\"\n\
         [[rule]]\nfiles = [\"backup.tar!logs/*.log\"]\naction = \"mask\"\n[[rule]]\nfiles = [\"other.log\"]\naction = \"report\"\n",
    );
    world.scrub(&["--policy", "policy.toml"]).expect(0);
    let redacted = String::from_utf8(log.clone()).unwrap().replace("alice@example.com", "ERASED").into_bytes();
    assert_eq!(world.get("src/invoices/a.log"), redacted);
    assert_eq!(world.get("src/x/invoices/y/b.log"), redacted);
    assert_eq!(world.get("src/other.log"), log);
    let members = make::untar(&world.get("src/backup.tar"));
    assert!(String::from_utf8_lossy(&members[0].1).contains("*****************"));
    assert_eq!((&members[1].1, &members[2].1), (&make::without(&log, "alice"), &make::without(&log, "alice")));
    // The run line says by which rules; verify judges by them.
    world.verify(&[]).expect(0);
}

#[test]
fn identifying_fields_and_paths() {
    let go = |policy: &str, text: &str| {
        let (got, _) = World::scrubbed(ALICE, policy, "a.log", text.as_bytes(), 0);
        String::from_utf8(got).unwrap().lines().count()
    };
    let text = String::from_utf8(make::log(&[
        "clientno=48213",
        "uid=48213",
        "GET /clients/48213/x",
        "GET /users/48213/x",
        "customer.id=48213",
    ]))
    .unwrap();
    assert_eq!(go("", &text), 2);
    assert_eq!(go("[identifiers.user_id]\nfields = [\"+client_no\"]\npaths = [\"+clients\"]\n", &text), 0);
    assert_eq!(go("[identifiers.user_id]\nfields = [\"clientno\"]\n", &text), 3, "a list replaces the default");
}

#[test]
fn options_come_from_file_variable_and_line() {
    let world = World::new(ALICE);
    world.put("src/a.log", make::log(&["alice@example.com", "x"]));
    world.put("src/b.txt", make::log(&["x", "y"]));
    world.put("unwrite.toml", "[options]\nregistry = \"erased.jsonl\"\ninclude = [\"*.txt\"]\njson = true\n");
    let lines = |variables: &[(&str, &str)], more: &[&str]| {
        let out = world.command(&[&["scan", "src"], more].concat()).envs(variables.iter().copied()).output().unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        (out.status.code().unwrap(), text.matches("\"kind\":\"artifact\"").count(), text.contains("a.log"))
    };
    assert_eq!(lines(&[], &[]), (0, 1, false), "the file's include");
    assert_eq!(lines(&[("UNWRITE_INCLUDE", "*.log")], &[]), (1, 1, true), "the variable wins over the file");
    assert_eq!(
        lines(&[("UNWRITE_INCLUDE", "*.log")], &["--include", "*.txt"]),
        (0, 1, false),
        "the command line wins over both"
    );
    assert_eq!(lines(&[("UNWRITE_REGISTRY", "gone.jsonl")], &[]).0, 2);
    // Another config file; a policy replaces identifiers and rules, not options.
    world.put("other.toml", "[[rule]]\naction = \"report\"\n[options]\nregistry = \"erased.jsonl\"\njson = true\n");
    assert_eq!(lines(&[], &["--config", "other.toml"]), (0, 2, true));
    assert_eq!(lines(&[("UNWRITE_CONFIG", "other.toml")], &[]), (0, 2, true));
    world.put("p.toml", "[[rule]]\naction = \"drop\"\n");
    assert_eq!(lines(&[], &["--config", "other.toml", "--policy", "p.toml"]), (1, 2, true));
}

#[test]
fn errors_name_the_line_and_the_nearest_key() {
    let world = World::new(ALICE);
    world.put("src/a.log", make::log(&["x", "y"]));
    for (text, want) in [
        ("[[rule]]\nacton = \"drop\"\n", "did you mean `action`"),
        ("[[rule]]\naction = \"remove\"\n", "expected one of: drop"),
        ("[rules]\n", "did you mean `rule`"),
        ("[identifiers.mail]\n", "email"),
        ("[options]\nmax_droped = \"1%\"\n", "did you mean `max_dropped`"),
        ("[[rule]\n", "line 1"),
    ] {
        world.put("p.toml", text);
        let ran = world.run(&["scan", "src", "--registry", REGISTRY, "--config", "p.toml"]);
        ran.expect(2);
        assert!(ran.err.contains(want) && ran.err.contains("line"), "{text}: {}", ran.err);
    }
}

#[test]
fn verify_levels() {
    for level in ["full", "paranoid", "decode", "none"] {
        let world = World::new(ALICE);
        world.put("src/a.log.gz", make::gz(&make::log(&["alice@example.com", "x"])));
        let ran = world.scrub(&["--verify", level]);
        ran.expect(0);
        assert_eq!((&ran.lines[0]["verify"], &ran.artifact("a.log.gz")["verified"]), (&level.into(), &level.into()));
        assert_eq!(ran.err.to_lowercase().contains("warning"), level == "none", "{}", ran.err);
        world.verify(&[]).expect(0);
    }
}
