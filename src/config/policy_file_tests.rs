use super::*;

#[test]
fn the_specs_example() {
    let file = parse(
        br#"
[identifiers.user_id]
fields = ["user_id", "uid", "customer.id"]
paths  = ["+clients"]
[identifiers.email]
variants = ["sha256", "base64", "sha256"]
[[rule]]
files  = ["**/invoices/**", "backup.tar!logs/*.jsonl"]
tables = ["invoices"]
action = "pseudonymize"
erase_fields = { name = "pseudonym", email = "remove", ip = "null" }
[[foreign_key]]
from = "orders.user_id"
to = "users.id"
action = "anonymize"
[options]
max_dropped = "1%"
jobs = 2
include = ["*.log", "*.gz"]
"#,
    )
    .unwrap();
    assert!(file.wants_key);
    assert_eq!(file.policy.fields.user_id.len(), 3);
    assert!(file.policy.fields.paths.contains(&b"clients".to_vec()) && file.policy.fields.paths.len() > 5);
    assert_eq!(file.policy.rules[0].erase_fields.len(), 3);
    assert_eq!(file.options.len(), 3);
    assert!(file.policy.rule(b"backup.tar!logs/a.jsonl", Some("invoices")).is_some());
    assert!(file.policy.rule(b"backup.tar!logs/x/a.jsonl", Some("invoices")).is_none());
    assert!(file.policy.rule(b"a/invoices/b.csv", None).is_none());
    let again = of_run_line(&file.policy.shown).unwrap();
    assert_eq!(again.fields, file.policy.fields);
    assert_eq!(again.fields.variants.names(), ["base64", "sha256"]);
    assert_eq!(again.shown["rules"], file.policy.shown["rules"]);
    assert_eq!(again.foreign_keys, file.policy.foreign_keys);
    assert_eq!(of_run_line(&none().policy.shown).unwrap().fields, Fields::default());
}

#[test]
fn errors_name_line_and_nearest_key_and_show_nothing() {
    let cases: [(&str, &str); 16] = [
        ("[[foreign_key]]\nfrom = \"a.b\"\nto = \"c.d\"\n", "line 1: a foreign_key has from, to and action"),
        ("[[foreign_key]]\nfrom = \"alice@example\"\n", "line 2: expected a column as"),
        ("[[foreign_key]]\naction = \"drop\"\n", "line 2: expected one of: cascade, set_null, keep, anonymize"),
        (
            "[[foreign_key]]\nfrom = \"a.b\"\nto = \"c.d\"\naction = \"anonymize\"\n",
            "line 1: anonymize needs a rule with erase_fields",
        ),
        (
            "[[rule]]\ntables = [\"x\"]\nerase_fields = { x = \"remove\" }\n[[foreign_key]]\nfrom = \"a.b\"\nto = \"c.d\"\naction = \"anonymize\"\n",
            "line 3: erase_fields needs an action",
        ),
        ("[[rule]]\nacton = \"alice@example.com\"\n", "line 2: unknown key; did you mean `action`"),
        ("\n[rules]\n", "line 2: unknown key; did you mean `rule`"),
        ("[[rule]]\naction = \"alice@example.com\"\n", "line 2: expected one of: drop"),
        ("[[rule]]\nalice@example.com = 1\n", "line 2: not valid TOML"),
        ("[[rule]]\n\"alice@example.com\" = 1\n", "line 2: unknown key"),
        ("[[rule]]\nerase_fields = { x = \"remove\" }\n", "erase_fields needs an action"),
        ("[identifiers.email]\nvariants = [\"base64\",\n\"sha-1\"]\n", "line 3: unknown variant; did you mean `sha1`"),
        (
            "[identifiers.email]\nvariants = [\"alice@example.com\"]\n",
            "line 2: unknown variant; known for this type: base64",
        ),
        ("[identifiers.token]\nvariants = [\"md5\"]\n", "line 2: unknown variant; "),
        ("[identifiers.user_id]\nvariants = [\"base64\"]\n", "line 2: unknown key; "),
        ("[[rule]]\ncontinuation = \"alice@example.com(\"\n", "line 2: expected \"auto\""),
    ];
    for (text, want) in cases {
        let error = parse(text.as_bytes()).unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(said.contains(want), "{said}");
        assert!(!said.contains("alice"), "{said}");
    }
}
