use super::*;

/// The chains of the hits of an e-mail in `text`, with the bytes that spell it.
fn chains(text: &str) -> Vec<(Vec<Spelling>, &str)> {
    let hits = text_hits(&engine(&[(Email, ALICE)]), text.as_bytes());
    let one = |hit: Hit| (hit.chain.iter().collect(), &text[hit.span]);
    hits.into_iter().map(one).collect()
}

#[test]
fn every_spelling() {
    check(&[
        (Email, ALICE, "\\n«alice@example.com»"),
        (Email, ALICE, "\\u003c«alice@example.com»\\u003e"),
        (Email, ALICE, "email%3D«alice%40example.com»&x"),
        (Email, ALICE, "=3D«alice@example.com»"),
        (Email, ALICE, "«%61%6cice%40example.com»"),
        (Email, ALICE, "«\\u0061lice\\u0040example.com»"),
        (Email, ALICE, "«alice&commat;example&period;com»"),
        (Email, ALICE, "«alice&#64;example&#x2e;co&#X06D;»"),
        (Email, ALICE, "«alice=40example=2ecom»"),
        (Email, ALICE, "«ali=\r\nce@exa=\nmple.com»=\n. alice= \n@example.com"),
        (Email, ALICE, "alice%4gexample.com alice\\u004xexample.com alice&#1114112;example.com"),
        (Email, ALICE, "alice&commatexample.com alice&#64example.com alice= \nexample.com"),
        (Literal, "a/b\"c\\", "«a\\/b\\\"c\\\\»"),
        (Literal, "x\u{1f600}y", "«x\\ud83d\\uDE00y» x\\ud83dy x\\ude00\\ud83dy «x&#128512;y» «x%F0%9f%98%80y»"),
        (Literal, "a+b c", "«a%2Bb%20c» a+b+c"),
        (Literal, "=?xy", "«&equals;?xy»"),
        // Half an entity's text takes the whole of it.
        (Literal, "fxyz", "&fjlig;xyz «fxyz»"),
        (Literal, "jxyz", "«&fjlig;xyz»"),
        (UserId, "42", "{\"msg\":\"{\\\"user_id\\\":\\\"«42»\\\"}\"}"),
        (UserId, "42", "%2Fusers%2F«4%32»%2Fx uid%3D«42»%26"),
        (Ip, "192.0.2.1", "a%3D«192%2e0.2.1»"),
        (Token, "usr_8f3a9c21", "\\t«usr_8f3a9c21» x%26«usr%5f8f3a9c21»%26"),
    ]);
}

#[test]
fn spellings_nest_in_any_order_to_depth_3() {
    let engine = engine(&[(Email, ALICE)]);
    let all = Spelling::ALL;
    for (a, b, c) in (0..64).map(|i| (all[i / 16], all[i / 4 % 4], all[i % 4])) {
        for chain in [&[c][..], &[b, c], &[a, b, c]] {
            let spelled = chain.iter().rev().fold(ALICE.to_owned(), |text, s| spell(*s, &text));
            let text = format!("to {spelled} ");
            assert_eq!(chains(&text), [(chain.to_vec(), &*spelled)]);
            if chain.len() == 3 {
                let deeper = format!(" {} ", spell(Spelling::Percent, &spelled));
                assert_eq!(text_hits(&engine, deeper.as_bytes()), []);
            }
        }
    }
    assert_eq!(chains("alice%2540example.com")[0].0, [Spelling::Percent; 2]);
    assert_eq!(chains("alice%252540example.com")[0].0, [Spelling::Percent; 3]);
    assert_eq!(chains("alice%25252540example.com"), []);
}

#[test]
fn of_overlapping_hits_the_longest_then_the_leftmost_then_the_shortest_chain_stands() {
    use Spelling::{Json, Percent, Qp};
    // Raw, and in every level besides.
    assert_eq!(chains("%20 \\n \"alice@example.com\""), [(vec![], ALICE)]);
    assert_eq!(chains("\\nalice@example.com%20"), [(vec![Json], ALICE)]);
    assert_eq!(chains("=20alice@example.com%20"), [(vec![Qp], ALICE)]);
    // Two steps that may be swapped: the first of the spellings leads.
    assert_eq!(chains("\\nalice%40example.com"), [(vec![Percent, Json], "alice%40example.com")]);
    check(&[
        (Literal, "abab", "«abab»ab"),
        (Literal, "aaaa", "a«aaa%61» «aaaa»b"),
        (Literal, "%41%41", "«%41%41»"),
        (Literal, "aaaa", "«aa%61a»aa"),
        (Literal, "aaaa", "«a%61%61a»aa"),
        (Ip, "192.0.2.1", "«::ffff:192.0.2.1»"),
    ]);
}

#[test]
fn hits_come_sorted_and_once_for_each_value_and_span() {
    let engine = engine(&[(Username, "alice"), (UserId, "alice"), (Literal, "lice"), (Token, "alice")]);
    let got: Vec<_> =
        text_hits(&engine, b"user=alice user=alice").into_iter().map(|hit| (hit.span, hit.value)).collect();
    let at = |at: usize| [(at..at + 5, 0), (at..at + 5, 1), (at..at + 5, 3), (at + 1..at + 5, 2)];
    assert_eq!(got, [at(5), at(16)].concat());
}

#[test]
fn cells_with_doubled_quotes_are_text_too() {
    let unit = r#"7,"{""user_id"":""42"",""to"":""\""alice%40example.com\""""}",x"#;
    let end = unit.rfind('"').unwrap();
    let halved = unit[3..end].replace("\"\"", "\"");
    let fields = [field(&["#2"], &halved, 3..end, Place::QuotedCell)];
    let engine = engine(&[(UserId, "42"), (Email, ALICE), (Literal, "{\"user"), (Literal, "\"42\"")]);
    let mut hits = Vec::new();
    engine.hits(&Unit { text: unit.as_bytes(), fields: &fields, table: None }, &mut hits);
    let got: Vec<_> = hits.into_iter().map(|hit| (hit.value, &unit[hit.span], hit.chain.depth())).collect();
    let want = [(2, "{\"\"user", 0), (3, "\"\"42\"\"", 0), (0, "42", 0), (1, "alice%40example.com", 1)];
    assert_eq!(got, want);
}
