use super::*;

#[test]
fn user_id_forms() {
    let rows = [
        "user_id=«42»",
        "user_id: «42»",
        "user_id:«42»",
        "USER-ID=«42» userId=«42» Uid: «42»",
        "user id: «42»",
        "user id=«42»",
        "by user=«42»",
        "{\"user_id\": \"«42»\", \"uid\":«42»}",
        "{\"user_id\" : «42» ,\"user id\":\t'«42»'}",
        "user_id=\"«42»\" uid='«42»' user: \"«42»\"",
        "<user_id>«42»</user_id>",
        "GET /x?uid=«42»&y=1",
        "GET /x?a=b&uid=«42» HTTP/1.1",
        "x.user_id=«42» user.id=«42» customer.id: «42» my.user.id=«42»",
        "--user-id=«42»",
        "user_id=«42», uid=«42»; uid=«42») uid=«42»] uid=«42»}",
        "user_id=«42». And user_id=«42»: and user_id=«42».",
        "uid=«42»#x uid=«42»/x uid=«42»|x uid=«42»<x (uid=«42»)",
        "/users/«42»/x",
        "/users/«42»",
        "/users/«42».json",
        "/users/«42».json?a",
        "/Users/«42». Then \"users/«42»\" users/«42»: x",
        "users/«42»",
        "https://example.com/v1/accounts/«42»/avatars/«42».png",
        "\"user_id: «42» \"user_id=«42»\"",
        // Not a match.
        "last_user_id=42",
        "last-user-id: 42",
        "bytes=42",
        "id=42",
        "user 42",
        "user #42",
        "user_id  42",
        "user_id = 42",
        "user_id:  42",
        "user_id=42.0",
        "user_id=042",
        "user_id=420",
        "user_id=4",
        "user_id=42x",
        "user_id=42.,",
        "user_id=42..",
        "user_id=\"42 \"",
        "user_id=\"42",
        "\"x user_id\": 42",
        "the \"my user_id\":42",
        "<user_id>42",
        "<user_id> 42</user_id>",
        "</user_id>42<",
        "x<last user_id>42<",
        "/lastusers/42",
        "=users/42",
        "/users/x/42",
        "/users/42.mp3",
        "/users/42.tar.gz",
        "/users/42x",
        "/orders/42",
        "42",
    ];
    check(&rows.map(|row| (UserId, "42", row)));
}

#[test]
fn user_id_values() {
    check(&[
        (UserId, "48213", "user «48213» logged in"),
        (UserId, "48213", "user #«48213».\n"),
        (UserId, "48213", "for user \"«48213»\""),
        (UserId, "48213", "by user id «48213»: ok"),
        (UserId, "48213", "users 48213, id 48213, user  48213, user ##48213"),
        (UserId, "0", "user_id=«0» user_id=00"),
        (UserId, "007", "user_id=«007» user_id=7"),
        (UserId, "9007199254740993", "{\"uid\":«9007199254740993»,\"uid\":9007199254740992}"),
        (UserId, "", "/users//x /users/.json user_id= user_id=\"«»\" user_id:,"),
        (UserId, "aB", "uid=«aB» uid=ab"),
        (UserId, "42.0", "uid=«42.0» uid=42"),
        (UserId, "42", "{\"note\":\"1\",\"user\":{\"id\":42}}"),
        (UserId, "a b", "uid=\"«a b»\" uid=a b <uid>«a b»<"),
    ]);
}

#[test]
fn username() {
    check(&[
        (Username, "Alice", "user=«alice» login: «ALICE» \"handle\":\"«Alice»\""),
        (Username, "john.doe", "/users/«john.doe» /users/«John.Doe»/x /users/«john.doe».png"),
        (Username, "john", "/users/«john».doe"),
        (Username, "john.doe", "login=«john.doe». x login=john.doe.x"),
        (Username, "alice", "alice userid=alice /x/alice user_name=«alice»"),
        (Username, "bob", "user bob"),
        (Username, "李明", "user 李明 user=«李明»"),
        (Username, "李明李明", "user «李明李明»"),
        (Username, "alice", "user.name=«alice» name=alice"),
    ]);
}

fn field_hits(values: &[(Type, &str)], field: &Field<'_>, table: Option<&str>) -> Vec<ValueId> {
    let text = vec![b'.'; field.span.end];
    let unit = Unit { text: &text, fields: std::slice::from_ref(field), table };
    let mut hits = Vec::new();
    engine(values).hits(&unit, &mut hits);
    for hit in &hits {
        assert_eq!((&hit.span, hit.chain), (&field.span, Chain::default()));
    }
    hits.into_iter().map(|hit| hit.value).collect()
}

#[test]
fn structured_fields() {
    let values = &[(UserId, "42"), (Username, "Alice"), (UserId, ""), (UserId, "0"), (UserId, "true")];
    let hits = |path: &[&str], text: &str, place| field_hits(values, &field(path, text, 3..9, place), None);
    assert_eq!(hits(&["user_id"], "42", Place::JsonString), [0]);
    assert_eq!(hits(&["a", "customer", "ID"], "42", Place::JsonBare), [0]);
    assert_eq!(hits(&["user.id"], "42", Place::Cell), [0]);
    assert_eq!(hits(&["User"], "aLICE", Place::QuotedCell), [1]);
    assert_eq!(hits(&["user", "name"], "alice", Place::JsonString), [1]);
    assert_eq!(hits(&["uid"], "", Place::JsonString), [2]);
    assert_eq!(hits(&["uid"], "0", Place::JsonBare), [3]);
    assert_eq!(hits(&["uid"], "true", Place::JsonString), [4]);
    for (path, text, place) in [
        (&["user_id"][..], "42.0", Place::JsonBare),
        (&["user_id"], "042", Place::JsonString),
        (&["user_id"], "42 ", Place::JsonString),
        (&["user_id"], "42", Place::JsonKey),
        (&["user_id"], "true", Place::JsonBare),
        (&["user_id"], "", Place::JsonNull),
        (&["id"], "42", Place::Cell),
        (&["last_user_id"], "42", Place::Cell),
        (&["user_id", "x"], "42", Place::JsonString),
        (&["userid"], "alice", Place::Cell),
        (&[], "42", Place::JsonBare),
    ] {
        assert_eq!(hits(path, text, place), [] as [u32; 0], "{path:?} {text}");
    }
}

#[test]
fn the_column_id_of_user_tables() {
    let hits = |path: &[&str], table| {
        field_hits(&[(UserId, "42"), (Username, "42")], &field(path, "42", 0..2, Place::Cell), table)
    };
    assert_eq!(hits(&["id"], Some("users")), [0]);
    assert_eq!(hits(&["ID"], Some("public.Customers")), [0]);
    assert_eq!(hits(&["id"], Some("orders")), [] as [u32; 0]);
    assert_eq!(hits(&["id"], Some("users.orders")), [] as [u32; 0]);
    assert_eq!(hits(&["id"], None), [] as [u32; 0]);
    assert_eq!(hits(&["order_id"], Some("users")), [] as [u32; 0]);
}

#[test]
fn a_field_and_its_form_in_text_are_one_hit() {
    let text = br#"{"user_id":"4\u0032"}"#;
    let fields = [field(&["user_id"], "42", 12..19, Place::JsonString)];
    let mut hits = vec![];
    engine(&[(UserId, "42")]).hits(&Unit { text, fields: &fields, table: None }, &mut hits);
    assert_eq!(hits, [Hit { value: 0, span: 12..19, chain: Chain::default() }]);
}
