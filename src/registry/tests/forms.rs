//! Forms, references, age and sequence, listing.

use super::*;

#[test]
fn the_form_is_in_the_name() {
    for (name, form) in
        [("a.jsonl", Form::Jsonl), ("b.v2.CSV", Form::Csv), ("c.tsv", Form::Tsv), ("dir.csv/d.Txt", Form::Txt)]
    {
        assert_eq!(Form::of(Path::new(name)).unwrap(), form);
    }
    for name in ["a", "a.json", "alice@example.com.zip", ".csv"] {
        let error = Form::of(Path::new(name)).unwrap_err().to_string();
        assert!(error.contains(".jsonl, .csv, .tsv or .txt"), "{error}");
        assert!(!error.contains("alice"));
    }
}

#[test]
fn plain_lists() {
    let text = "\u{feff}# people\r\nAlice@Example.com\r\n\r\n  +49 (151) 23-45\n  # more\n48213\nusr_8f3a9c21\n\
                192.0.2.7\n{6F9619FF-8B86-D011-B42D-00CF4FC964FF}\nalice@example.com";
    let registry = load(Form::Txt, text, &options()).unwrap();
    consistent(&registry.needles);
    assert_eq!(
        claims(&registry),
        [
            "L10: email=alice@example.com",
            "L2: email=alice@example.com",
            "L4: phone=491512345",
            "L6: user_id=48213",
            "L7: token=usr_8f3a9c21",
            "L8: ip=\0\0\0\0\0\0\0\0\0\0\u{fffd}\u{fffd}\u{fffd}\0\u{2}\u{7}",
            "L9: uuid=6f9619ff8b86d011b42d00cf4fc964ff",
        ]
    );
    assert_eq!(registry.seq, 7);
    assert_eq!(registry.needles.values().count(), 6);
    assert_eq!(*registry.needles.value(0).unwrap().written(), *b"Alice@Example.com");

    let typed = Options { txt_type: Some(Type::Literal), ..options() };
    let registry = load(Form::Txt, " Al X \n# no\n", &typed).unwrap();
    assert_eq!(claims(&registry), ["L1: literal= Al X "]);
    assert!(load(Form::Csv, "type,value\nuser_id,1\n", &typed).is_err());
}

#[test]
fn tables() {
    let text = "\u{feff}Value, TYPE ,Subject,effective_AT\r\n\"alice@example.com\",email,s1,\r\n\
                \r\n48213,user_id,,\r\n\"Mc\"\"K, Ann\",literal,s1,2026-12-01T00:00:00Z\r\n\
                \"two\r\nlines\",literal,s2,\r\n7,user_id,s1,2026-11-01T00:00:00Z\r\n+491512345,phone,L4,\r\n x , username ,,\"\"\r\n";
    let registry = load(Form::Csv, text, &options()).unwrap();
    consistent(&registry.needles);
    assert_eq!(
        claims(&registry),
        [
            "L10: username=x",
            "L4: phone=491512345",
            "L4: user_id=48213",
            "s1: email=alice@example.com",
            "s1: user_id=7",
            "s2: literal=two\r\nlines",
        ]
    );
    // Rows of one subject are one event.
    assert_eq!(registry.seq, 4);
    assert_eq!(counts(&registry), [4, 0, 0, 0]);

    let later = Options { now: at("2026-12-02T00:00:00Z"), ..options() };
    let registry = load(Form::Csv, text, &later).unwrap();
    assert!(claims(&registry).contains(&"s1: literal=Mc\"K, Ann".to_owned()));

    let tabs = "type\tvalue\nliteral\t\"a\tb, c\"\nuser_id\t9";
    let registry = load(Form::Tsv, tabs, &options()).unwrap();
    assert_eq!(claims(&registry), ["L2: literal=a\tb, c", "L3: user_id=9"]);
    let quoted_last = load(Form::Csv, "type,value\nuser_id,\"9\"", &options()).unwrap();
    assert_eq!(claims(&quoted_last), ["L2: user_id=9"]);
    let crlf = load(Form::Csv, "type,value\r\nliteral,\"9999\"\r\n", &options()).unwrap();
    assert_eq!(claims(&crlf), ["L2: literal=9999"]);
}

#[test]
fn rows_longer_than_the_first_buffer() {
    let long = "x".repeat(100_000);
    let registry = load(Form::Csv, format!("type,value\nliteral,\"{long}\"\nuser_id,5\n"), &options()).unwrap();
    assert_eq!(claims(&registry), [format!("L2: literal={long}"), "L3: user_id=5".to_owned()]);
}

#[test]
fn lines_by_hand() {
    let text = "\u{feff}{\"identifiers\":[{\"value\":\"\",\"type\":\"user_id\"}]}\r\n\r\n \
                {\"subject\":\" \",\"identifiers\":[{\"type\":\"email\",\"value\":\"al\\u0069ce\\u0040example.com\"}]}\n\
                {\"event\":\"cancel\",\"subject\":\"L1\"}\r\n{\"s\\u0075bject\":\"s\",\"identifiers\":[{\"type\":\"user_id\",\"value\":\"0\"}]}";
    let registry = jsonl(text);
    assert_eq!(claims(&registry), ["L3: email=alice@example.com", "s: user_id=0"]);
    assert_eq!(counts(&registry), [2, 0, 0, 1]);
    let empty = jsonl("{\"identifiers\":[{\"value\":\"\",\"type\":\"user_id\"}]}\n");
    assert_eq!(claims(&empty), ["L1: user_id="]);
}

#[test]
fn references_that_are_identifiers() {
    let text = [
        erase("sub_01", "48213", ""),
        erase("48213", "1", ""),
        erase("4711", "4711", ""),
        r#"{"subject":"ALICE@example.com","identifiers":[{"type":"username","value":"zed"}]}"#.to_owned() + "\n",
        r#"{"subject":"s5","identifiers":[{"type":"email","value":"Alice@Example.com"},{"type":"uuid","value":"6f9619ff8b86d011b42d00cf4fc964ff"},{"type":"phone","value":"0049 151 2345"},{"type":"ip","value":"192.0.2.7"}]}"#.to_owned() + "\n",
        erase("{6F9619FF-8b86-d011-b42d-00cf4fc964ff}", "2", ""),
        erase("+49-151-2345", "3", ""),
        erase("::ffff:192.0.2.7", "4", ""),
        erase("Zed", "5", ""),
        r#"{"subject":"req bob@example.com #7","identifiers":[{"type":"email","value":"Bob@example.com"}]}"#.to_owned() + "\n",
        erase("user-1207", "1207", ""),
        erase("ALICE%40example.com", "6", ""),
        erase("192.0.2.7&#32;", "7", ""),
        erase("alice%2540example&period;com", "8", ""),
        erase("50%25 off", "9", ""),
    ]
    .concat();
    let registry = jsonl(&text);
    let shown: Vec<&str> = registry.needles.subjects().map(|(_, s)| s.reference).collect();
    assert_eq!(
        shown,
        [
            "sub_01",
            "L2",
            "L3",
            "L4",
            "s5",
            "L6",
            "L7",
            "L8",
            "L9",
            "L10",
            "user-1207",
            "L12",
            "L13",
            "L14",
            "50%25 off"
        ]
    );
    // Values that are no longer claimed hide a reference all the same.
    let text = erase("sub_9", "x9", "") + "{\"event\":\"cancel\",\"subject\":\"sub_9\"}\n" + &erase("X9", "1", "");
    assert_eq!(jsonl(&text).needles.subject(0).unwrap().reference, "L3");
}

#[test]
fn a_shown_line_names_one_subject() {
    let text =
        "{\"event\":\"release\",\"subject\":\"L2\"}\n".to_owned() + &erase("77", "77", "") + &erase("L2", "3", "");
    let registry = jsonl(&text);
    assert_eq!(claims(&registry), ["L2-2: user_id=77", "L2: user_id=3"]);
    // What a listing shows as a line can be named so.
    let text = erase("77", "77", "") + "{\"event\":\"hold\",\"subject\":\"L1\"}\n";
    assert_eq!(claims(&jsonl(&text)), ["held L1: user_id=77"]);
    let text = "{\"event\":\"hold\",\"subject\":\"L2\"}\n".to_owned()
        + "{\"identifiers\":[{\"type\":\"user_id\",\"value\":\"8\"}]}\n";
    assert_eq!(claims(&jsonl(&text)), ["held L2: user_id=8"]);
}

#[test]
fn sequence_and_age() {
    let seq = |n: u64| format!(",\"seq\":{n},\"at\":\"2026-11-0{n}T00:00:00Z\"");
    let text = erase("a", "1", &seq(3)) + &erase("b", "2", "") + &erase("c", "3", &seq(9));
    let registry = jsonl(&text);
    assert_eq!(registry.seq, 9);
    assert_eq!(registry.newest_at, Some(at("2026-11-09T00:00:00Z")));
    // The one in between has no number: it comes after 3.
    for (last, want) in [(2, 0), (3, 1), (4, 2), (8, 2), (9, 3)] {
        let then = Options { as_of_seq: Some(last), ..options() };
        assert_eq!(load(Form::Jsonl, &text, &then).unwrap().in_force, want);
    }
    let day = 24 * 3600;
    for (text, seconds, fits) in [
        (&text, day + day / 2, true),
        (&text, day + day / 2 - 1, false),
        (&erase("a", "1", ""), day / 2, true),
        (&erase("a", "1", ""), day / 2 - 1, false),
        (&erase("a", "1", ",\"at\":\"2026-12-01T00:00:00Z\""), 0, true),
    ] {
        let aged = Options { max_age: Some(Duration::from_secs(seconds)), ..options() };
        assert_eq!(load(Form::Jsonl, text, &aged).is_ok(), fits, "{seconds}");
    }
    for (least, fits) in [(9, true), (10, false)] {
        let newer = Options { min_seq: Some(least), ..options() };
        assert_eq!(load(Form::Jsonl, &text, &newer).is_ok(), fits);
    }
}

#[test]
fn the_digest_is_of_the_bytes() {
    let registry = load(Form::Txt, "abc", &Options { allow_short: true, ..options() }).unwrap();
    assert_eq!(registry.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn empty_registries() {
    for (form, text) in [
        (Form::Jsonl, ""),
        (Form::Jsonl, "\n \n"),
        (Form::Csv, ""),
        (Form::Csv, "type,value\n"),
        (Form::Txt, "# none\n\n"),
        (Form::Txt, "\u{feff}"),
    ] {
        let error = load(form, text, &options()).unwrap_err();
        assert!(error.to_string().contains("--allow-empty-registry"));
        let allowed = Options { allow_empty: true, ..options() };
        let registry = load(form, text, &allowed).unwrap();
        assert_eq!((registry.seq, counts(&registry)), (0, [0; 4]));
    }
}

#[test]
fn listings() {
    let text = [
        r#"{"subject":"a","identifiers":[{"type":"email","value":"Al@example.com"},{"all_of":[{"type":"user_id","value":"1"},{"type":"username","value":"al"}]}],"effective_at":"2026-12-01T00:00:00Z"}"#.to_owned() + "\n",
        erase("a", "2", ",\"effective_at\":\"2026-11-20T00:00:00Z\""),
        erase("77", "77", ""),
        r#"{"event":"hold","subject":"77","until":"2027-01-01T00:00:00Z","reason":"case of al@example.com"}"#.to_owned() + "\n",
        r#"{"event":"cancel","subject":"gone"}"#.to_owned() + "\n",
        r#"{"event":"release","subject":"idle"}"#.to_owned() + "\n",
    ].concat();
    let list = |listing| {
        let listed = Options { listing, ..options() };
        load(Form::Jsonl, &text, &listed).unwrap().listing
    };
    assert!(list(Listing::None).is_empty());
    let entries = list(Listing::Counts);
    let seen: Vec<_> = entries.iter().map(|e| (e.reference.as_str(), e.line, e.state)).collect();
    assert_eq!(
        seen,
        [("a", 1, State::Pending), ("L3", 3, State::Held), ("gone", 5, State::Cancelled), ("idle", 6, State::Idle)]
    );
    assert_eq!(entries[0].values, [1, 0, 0, 0, 0, 2, 1, 0]);
    assert_eq!(entries[0].composites, 1);
    assert_eq!(entries[0].effective_at, Some(at("2026-11-20T00:00:00Z")));
    assert_eq!(entries[1].held_until, Some(at("2027-01-01T00:00:00Z")));
    assert!(entries.iter().all(|e| e.revealed.is_none()));

    let entries = list(Listing::Reveal);
    let revealed = entries[0].revealed.as_ref().unwrap();
    assert_eq!(revealed.identifiers.len(), 3);
    assert_eq!(*revealed.identifiers[0].parts[0].1, "Al@example.com");
    assert_eq!(revealed.identifiers[1].parts.len(), 2);
    let held = entries[1].revealed.as_ref().unwrap();
    assert_eq!(*held.reference, "77");
    assert_eq!(held.reason.as_deref().map(String::as_str), Some("case of al@example.com"));
    let debug = format!("{entries:?} {:?}", revealed.identifiers);
    for secret in ["example.com", "77", "case"] {
        assert!(!debug.to_lowercase().contains(secret), "{debug}");
    }
}
