//! The deletion registry, through the binary: tracks, times, holds, composites, and registries that are refused.

use crate::support::world::REGISTRY;
use crate::support::{World, make};

/// Scans a log of one line for each of a, b and c with this registry; the lines that would go.
fn hits(registry: &str) -> String {
    let world = World::new(registry);
    world.put("src/a.log", make::log(&["a@example.com x", "b@example.com x", "c@example.com x", "nobody"]));
    let ran = world.scrub(&[]);
    assert!(ran.code == 0 || ran.code == 3, "{}", ran.err);
    let left = String::from_utf8(world.get("src/a.log")).unwrap();
    ["a@", "b@", "c@"].iter().filter(|who| !left.contains(*who)).map(|who| &who[..1]).collect()
}

fn erase(subject: &str, who: &str, more: &str) -> String {
    format!(
        "{{\"subject\":\"{subject}\",\"event\":\"erase\",\"identifiers\":[{{\"type\":\"email\",\"value\":\"{who}@example.com\"}}]{more}}}\n"
    )
}

fn event(event: &str, subject: &str, more: &str) -> String {
    format!("{{\"event\":\"{event}\",\"subject\":\"{subject}\"{more}}}\n")
}

const FUTURE: &str = "2199-01-01T00:00:00Z";
const PAST: &str = "2001-01-01T00:00:00Z";

#[test]
fn two_tracks() {
    let a = erase("s1", "a", "");
    let b = erase("s2", "b", "");
    assert_eq!(hits(&[a.as_str(), &b].concat()), "ab");
    assert_eq!(hits(&[a.as_str(), &b, &event("cancel", "s1", "")].concat()), "b");
    assert_eq!(
        hits(&[a.as_str(), &event("cancel", "s1", ""), &erase("s1", "c", ""), &b].concat()),
        "bc",
        "cancel clears all"
    );
    assert_eq!(hits(&[a.as_str(), &erase("s1", "c", "")].concat()), "ac", "a later erase adds");
    // Holds: until absent, in the future, in the past; released.
    let hold = |more: &str| hits(&[a.as_str(), &b, &event("hold", "s1", more)].concat());
    assert_eq!(hold(""), "b");
    assert_eq!(hold(&format!(",\"until\":\"{FUTURE}\",\"reason\":\"x\"")), "b");
    assert_eq!(hold(&format!(",\"until\":\"{PAST}\"")), "ab");
    assert_eq!(hits(&[a.as_str(), &event("hold", "s1", ""), &event("release", "s1", "")].concat()), "a");
    assert_eq!(
        hits(&[a.as_str(), &event("hold", "s1", ""), &event("cancel", "s1", ""), &erase("s1", "a", ""), &b].concat()),
        "b"
    );
    // Grace.
    assert_eq!(hits(&[erase("s1", "a", &format!(",\"effective_at\":\"{FUTURE}\"")).as_str(), &b].concat()), "b");
    assert_eq!(hits(&erase("s1", "a", &format!(",\"effective_at\":\"{PAST}\""))), "a");
    let both = [erase("s1", "a", ""), erase("s1", "c", &format!(",\"effective_at\":\"{FUTURE}\""))].concat();
    assert_eq!(hits(&both), "a", "a grace period belongs to the identifiers of its own event");
}

#[test]
fn held_subjects_are_never_dropped() {
    let held = [
        r#"{"subject":"h","identifiers":[{"type":"email","value":"h@example.com"},{"type":"ip","value":"203.0.113.7"}]}"#,
        r#"{"subject":"a","identifiers":[{"type":"email","value":"a@example.com"},{"type":"ip","value":"203.0.113.7"}]}"#,
        r#"{"event":"hold","subject":"h"}"#,
        "",
    ]
    .join("\n");
    let text = make::log(&[
        "h@example.com",
        "h@example.com and a@example.com",
        "a@example.com",
        "203.0.113.7 a@example.com",
        "x",
    ]);
    let (got, ran) = World::scrubbed(&held, "", "a.log", &text, 3);
    // The address is shared: on the fourth line the held subject matches as well.
    let want = make::log(&["h@example.com", "h@example.com and ERASED", "GONE", "203.0.113.7 ERASED", "x"]);
    assert_eq!(got, make::without(&want, "GONE"));
    let line = ran.artifact("a.log");
    assert_eq!(
        (&line["left"]["held"], &line["records"]["dropped"], &line["records"]["edited"]),
        (&3.into(), &1.into(), &2.into())
    );
    // Fields are not erased on such a record.
    let policy = "[[rule]]\naction = \"redact\"\nerase_fields = { note = \"redact\" }\n";
    let text = "{\"email\":\"h@example.com\",\"by\":\"a@example.com\",\"note\":\"n\"}\n{\"email\":\"a@example.com\",\"note\":\"n\"}\n";
    let (got, _) = World::scrubbed(&held, policy, "a.jsonl", text.as_bytes(), 3);
    let want =
        "{\"email\":\"h@example.com\",\"by\":\"ERASED\",\"note\":\"n\"}\n{\"email\":\"ERASED\",\"note\":\"ERASED\"}\n";
    assert_eq!(String::from_utf8(got).unwrap(), want);
    // Only held ones: nothing is rewritten.
    let (_, ran) = World::scrubbed(&held, "", "a.log", &make::log(&["h@example.com", "x"]), 3);
    assert_eq!(ran.status("a.log"), "clean");
}

#[test]
fn before() {
    let registry = erase("s1", "a", ",\"before\":\"2026-11-20T08:00:02Z\"");
    let go = |policy: &str, name: &str, text: &str| {
        let (got, _) = World::scrubbed(&registry, policy, name, text.as_bytes(), 0);
        String::from_utf8(got).unwrap()
    };
    // By the line's stamp; a zone counts.
    assert_eq!(
        go(
            "",
            "a.log",
            "2026-11-20T08:00:01Z a@example.com\n2026-11-20T08:00:02Z a@example.com\n2026-11-20T09:00:01+01:00 a@example.com\n"
        ),
        "2026-11-20T08:00:02Z a@example.com\n"
    );
    // By the policy's field, before the stamp.
    assert_eq!(
        go(
            "[[rule]]\ntime_field = \"at\"\n",
            "a.jsonl",
            "{\"at\":\"2026-11-20T08:00:01Z\",\"m\":\"a@example.com\"}\n{\"at\":\"2026-11-20T08:00:03Z\",\"m\":\"a@example.com\"}\n{\"at\":1763625601,\"m\":\"a@example.com\"}\n"
        ),
        "{\"at\":\"2026-11-20T08:00:03Z\",\"m\":\"a@example.com\"}\n"
    );
    // Else the artifact's mtime.
    for (mtime, goes) in [(1_600_000_000, true), (4_000_000_000, false)] {
        let world = World::new(&registry);
        let path = world.put("src/a.jsonl", "{\"m\":\"a@example.com\"}\n{\"m\":1}\n");
        filetime::set_file_mtime(path, filetime::FileTime::from_unix_time(mtime, 0)).unwrap();
        assert_eq!(world.scan(&[]).code, i32::from(goes));
    }
}

#[test]
fn composites() {
    let registry = concat!(
        r#"{"subject":"s","identifiers":[{"all_of":[{"type":"literal","value":"Ann Lee"},{"type":"token","value":"room-77"}]}]}"#,
        "\n"
    );
    let text =
        make::log(&["Ann Lee", "room-77", "Ann Lee GONE room-77", "Ann Lee room-777", "GONE room-77 of Ann Lee"]);
    let (got, _) = World::scrubbed(registry, "", "a.log", &text, 0);
    assert_eq!(got, make::without(&text, "GONE"));
}

#[test]
fn other_forms() {
    let text = make::log(&["a@example.com", "user_id=48213", "203.0.113.7", "x"]);
    for (name, registry, left) in [
        ("r.csv", "type,value,subject\nemail,a@example.com,s1\nuser_id,48213,s1\n", 2),
        ("r.tsv", "value\ttype\na@example.com\temail\n48213\tuser_id\n203.0.113.7\tip\n", 1),
        ("r.txt", "# erased\na@example.com\n48213\n\n203.0.113.7\n", 1),
        (
            "r.csv",
            "type,value,subject,effective_at\nemail,a@example.com,s1,2199-01-01T00:00:00Z\nip,203.0.113.7,s2,\n",
            3,
        ),
    ] {
        let world = World::new("");
        world.put(name, registry);
        world.put("src/a.log", &text);
        world.run(&["scrub", "src", "--registry", name, "--in-place", "--manifest", "m.jsonl"]).expect(0);
        let got = world.get("src/a.log");
        assert_eq!(got.split_inclusive(|b| *b == b'\n').count(), left, "{name}: {registry}");
    }
    let world = World::new("");
    world.put("r.txt", "48213\n");
    world.put("src/a.log", make::log(&["user_id=x", "user=48213"]));
    world.run(&["scan", "src", "--registry", "r.txt", "--type", "username"]).expect(1);
    world.run(&["scan", "src", "--registry", "r.txt", "--type", "nonsense"]).expect(2);
}

#[test]
fn refused_registries() {
    let good = erase("s1", "a", "");
    let line = |n: usize, text: String| (Some(n), text);
    let chain = format!(
        "{}{}",
        erase("s1", "a", ",\"prev\":\"sha256:0000000000000000000000000000000000000000000000000000000000000000\""),
        erase("s2", "b", ",\"prev\":\"sha256:1111111111111111111111111111111111111111111111111111111111111111\"")
    );
    for (n, text) in [
        (None, String::new()),
        (None, "\n".to_owned()),
        line(2, format!("{good}{{\"subject\":\"SECRETX\",\"identifiers\":\n")),
        line(2, format!("{good}{}", erase("s2", "SECRETX", ",\"effektive_at\":\"SECRETX\""))),
        line(2, format!("{good}{}", event("erased", "SECRETX", ""))),
        line(2, format!("{good}{{\"subject\":\"s\",\"identifiers\":[{{\"type\":\"mail\",\"value\":\"SECRETX\"}}]}}\n")),
        line(2, format!("{good}{}", erase("s2", "SECRETX", ",\"effective_at\":\"SECRETX\""))),
        line(2, format!("{good}{{\"subject\":\"s\",\"identifiers\":[{{\"type\":\"ip\",\"value\":\"SECRETX\"}}]}}\n")),
        line(2, format!("{good}{{\"subject\":\"s\",\"identifiers\":[{{\"type\":\"token\",\"value\":\"SECRE\"}}]}}\n")),
        line(2, format!("{good}{{\"subject\":\"s\",\"identifiers\":[{{\"type\":\"phone\",\"value\":\"123456\"}}]}}\n")),
        line(2, format!("{good}{{\"subject\":\"s\",\"identifiers\":[{{\"type\":\"literal\",\"value\":\"SEC\"}}]}}\n")),
        line(2, chain),
        line(2, format!("{}{}", erase("s1", "a", ",\"seq\":5"), erase("s2", "SECRETX", ",\"seq\":5"))),
    ] {
        let world = World::new(&text);
        world.put("src/a.log", make::log(&["a@example.com", "x"]));
        let before = world.tree("src");
        let ran = world.scrub(&[]);
        ran.expect(2);
        assert!(!world.path("m.jsonl").exists() && world.tree("src") == before, "nothing is touched");
        assert!(!format!("{}{}", ran.err, ran.out).contains("SECR"), "{}", ran.err);
        if let Some(n) = n {
            assert!(ran.err.contains(&format!("line {n}")), "{text}: {}", ran.err);
        }
        world.run(&["registry", "check", REGISTRY]).expect(2);
    }
    let world = World::new("");
    world.put("src/a.log", make::log(&["a@example.com", "x"]));
    world.scrub(&["--allow-empty-registry"]).expect(0);
    world.put(REGISTRY, "{\"subject\":\"s\",\"identifiers\":[{\"type\":\"token\",\"value\":\"abc\"}]}\n");
    world.scrub(&["--allow-short"]).expect(0);
}

#[test]
fn old_and_rolled_back_registries() {
    let world = World::new(&erase("s1", "a", ",\"seq\":7,\"at\":\"2020-01-01T00:00:00Z\""));
    world.put("src/a.log", make::log(&["x", "y"]));
    world.scan(&["--min-registry-seq", "7"]).expect(0);
    world.scan(&["--min-registry-seq", "8"]).expect(2);
    world.scan(&["--max-registry-age", "36h"]).expect(2);
    world.scan(&["--max-registry-age", "90000d"]).expect(0);
    world.scan(&["--max-registry-age", "36"]).expect(2);
}

#[test]
fn check_and_list() {
    let registry = [
        erase("sub_01", "a", ""),
        erase("c@example.com", "c", ""),
        erase("sub_03", "b", ""),
        event("hold", "sub_03", ""),
        erase("sub_04", "d", &format!(",\"effective_at\":\"{FUTURE}\"")),
        erase("sub_05", "e", ""),
        event("cancel", "sub_05", ""),
    ]
    .concat();
    let world = World::new(&registry);
    let check = world.run(&["registry", "check", REGISTRY]);
    check.expect(0);
    assert!(check.out.contains("in force") && !check.out.contains('@'), "{}", check.out);
    let list = world.run(&["registry", "list", REGISTRY]);
    list.expect(0);
    assert!(list.out.contains("sub_01") && list.out.contains("L2") && !list.out.contains('@'), "{}", list.out);
    for state in ["held", "pending", "cancelled"] {
        assert!(list.out.contains(state), "{state}: {}", list.out);
    }
    let revealed = world.run(&["registry", "list", REGISTRY, "--reveal"]);
    assert!(revealed.out.contains("a@example.com"), "{}", revealed.out);
    // In the manifest too: a reference that is an identifier is shown by its line.
    world.put("src/a.log", make::log(&["c@example.com", "x"]));
    let ran = world.scrub(&[]);
    assert_eq!(ran.artifact("a.log")["subjects"], serde_json::json!({"L2": 1}));
    assert_eq!(ran.lines[0]["registry"]["held"], 1);
    assert_eq!(ran.lines[0]["registry"]["pending"], 1);
    assert_eq!(ran.lines[0]["registry"]["in_force"], 2);
}
