//! Variants, through the binary: Base64, digests and UTF-16 are found where the policy asks for them, and only there.
//!
//! The encoded values are what coreutils' `base64`, `basenc`, `md5sum`, `sha1sum`, `sha256sum` and `iconv` print.

use crate::support::world::REGISTRY;
use crate::support::{ALICE, World, make};

/// Everything that can be asked for of e-mails.
const ALL: &str = "[identifiers.email]\nvariants = [\"base64\", \"md5\", \"sha1\", \"sha256\", \"utf16\"]\n";
const MD5: &str = "c160f8cc69a4f0bf2b0362752353d060";
const SHA1: &str = "fc2398a73dd54d6237c4fdb58fd7d75347cf5af3";
const SHA256: &str = "ff8d9819fc0e12bf0d24892e45987e249a28dce836a85cad60e28eaaa8c6d976";

/// Tokens that hold `alice@example.com` in some case.
const TOKENS: &[&str] = &[
    "YWxpY2VAZXhhbXBsZS5jb20=",
    "YWxpY2VAZXhhbXBsZS5jb20",
    "IGFsaWNlQGV4YW1wbGUuY29t",
    "ICBhbGljZUBleGFtcGxlLmNvbQ==",
    "QWxpY2VARXhhbXBsZS5DT00=",
    // JSON in the URL alphabet, as in a token of RFC 7519.
    "eyJzdWIiOiI3IiwiZW1haWwiOiJBbGljZUBFeGFtcGxlLmNvbSIsIm9rIjoxfQ",
    // `a?>;…;~~>`
    "YT8+O2FsaWNlQGV4YW1wbGUuY29tO35+Pg==",
    "YT8-O2FsaWNlQGV4YW1wbGUuY29tO35-Pg",
    // Base64 of UTF-16, of percent-encoding, of Base64.
    "YQBsAGkAYwBlAEAAZQB4AGEAbQBwAGwAZQAuAGMAbwBtAA==",
    "YWxpY2UlNDBleGFtcGxlLmNvbQ==",
    "WVd4cFkyVkFaWGhoYlhCc1pTNWpiMjA9",
    MD5,
    SHA1,
    SHA256,
    "C160F8CC69A4F0BF2B0362752353D060",
];

/// Nobody's, or more than an identifier.
const OTHERS: &[&str] = &[
    "Ym9iQGV4YW1wbGUub3Jn",
    // `alice@example.com.au`, `malice@example.com`
    "YWxpY2VAZXhhbXBsZS5jb20uYXU=",
    "bWFsaWNlQGV4YW1wbGUuY29t",
    "686b5e4cf4f963adf8f51468a48028ef8d15bd02fa335f821279a3d1678c9615",
    "c160f8cc69a4f0bf2b0362752353d060a",
    "xfc2398a73dd54d6237c4fdb58fd7d75347cf5af3",
];

fn redact(policy: &str) -> String {
    format!("{policy}[[rule]]\naction = \"redact\"\n")
}

#[test]
fn each_token_drops_its_record() {
    for token in TOKENS {
        for around in [("data=", ""), ("data=", "&v=1"), ("\"", "\""), ("sha256:", "."), ("(", ")"), ("a.", ".b")] {
            let text = format!("login {}{token}{} ok", around.0, around.1);
            let log = make::log(&["start", &text, "stop"]);
            let (got, ran) = World::scrubbed(ALICE, ALL, "a.log", &log, 0);
            let want: Vec<u8> = log
                .split_inclusive(|b| *b == b'\n')
                .enumerate()
                .filter(|(i, _)| *i != 1)
                .flat_map(|(_, line)| line.to_vec())
                .collect();
            assert_eq!(got, want, "{text}");
            assert_eq!(ran.artifact("a.log")["subjects"]["sub_01"], 1);
        }
    }
}

#[test]
fn nothing_is_searched_that_nobody_asked_for() {
    let log = make::log(TOKENS);
    let (got, ran) = World::scrubbed(ALICE, "", "a.log", &log, 0);
    assert_eq!(got, log);
    assert_eq!(ran.lines[0]["searched"], serde_json::json!(["raw", "percent", "json", "html", "qp"]));
    assert_eq!(ran.lines[0]["policy"]["variants"], serde_json::json!({}));
    // One asked for: the others stay.
    let (got, _) = World::scrubbed(ALICE, "[identifiers.email]\nvariants = [\"sha1\"]\n", "a.log", &log, 0);
    let text = String::from_utf8(got).unwrap();
    assert!(!text.contains(SHA1) && text.contains(SHA256) && text.contains(MD5) && text.contains("YWxpY2"), "{text}");
    // Of another type: e-mails stay.
    let (got, _) = World::scrubbed(ALICE, "[identifiers.token]\nvariants = [\"base64\"]\n", "a.log", &log, 0);
    assert_eq!(got, log);
}

#[test]
fn near_misses_stay() {
    let log = make::log(OTHERS);
    assert_eq!(World::scrubbed(ALICE, ALL, "a.log", &log, 0).0, log);
}

#[test]
fn the_whole_token_goes() {
    for token in TOKENS {
        let log = format!(
            "2026-11-20T08:00:01Z INFO data={token}&v=1 \"{token}\" /reset/{token}/now\n2026-11-20T08:00:02Z INFO x\n"
        );
        let (got, _) = World::scrubbed(ALICE, &redact(ALL), "a.log", log.as_bytes(), 0);
        assert_eq!(String::from_utf8(got).unwrap(), log.replace(token, "ERASED"), "{token}");
        let json = format!("{{\"n\":1,\"t\":\"{token}\",\"u\":[\"x {token}\"]}}\n{{\"n\":2}}\n");
        let mask = format!("{ALL}[[rule]]\naction = \"mask\"\n");
        let (got, _) = World::scrubbed(ALICE, &mask, "a.jsonl", json.as_bytes(), 0);
        assert_eq!(String::from_utf8(got).unwrap(), json.replace(token, &"*".repeat(token.len())), "{token}");
        let alias = format!("{ALL}[[rule]]\naction = \"pseudonymize\"\n");
        let csv = format!("n,token,x\n1,{token},\"a, {token}\"\n2,b,c\n");
        let (got, _) = World::scrubbed(ALICE, &alias, "a.csv", csv.as_bytes(), 0);
        let text = String::from_utf8(got).unwrap();
        let (_, rest) = text.split_once("deleted-").unwrap_or_else(|| panic!("{text}"));
        let hex = &rest[..16];
        assert_eq!(text, csv.replace(token, &format!("deleted-{hex}")), "{token}");
    }
}

#[test]
fn spelled_in_turn() {
    // Percent-encoded padding and characters, as in a query; slashes as PHP's JSON writes them; Base64 of JSON's escapes.
    for (text, want) in [
        ("q=YT8%2BO2FsaWNlQGV4YW1wbGUuY29tO35%2BPg%3D%3D&x", "q=ERASED&x"),
        ("q=YWxpY2VAZXhhbXBsZS5jb20%253D&x", "q=ERASED&x"),
        (r#""t":"\/\/9hbGljZUBleGFtcGxlLmNvbQ==","#, r#""t":"ERASED","#),
        // `{"e":"alice\u0040example.com"}`
        ("t=eyJlIjoiYWxpY2VcdTAwNDBleGFtcGxlLmNvbSJ9", "t=ERASED"),
        // A token that begins like an escape of quoted-printable (`=2B`).
        ("data=2BAgYWxpY2VAZXhhbXBsZS5jb20g&x", "data=ERASED&x"),
        ("https://www.shop.example/api/v2/YWxpY2VAZXhhbXBsZS5jb20/x", "https://www.shop.example/api/v2/ERASED/x"),
        ("https://shop.example.com/a/YWxpY2VAZXhhbXBsZS5jb20/x", "https://shop.example.com/a/ERASED/x"),
        ("data=3DYWxpY2VAZXhhbXBsZS5jb20=3D, x", "data=3DERASED, x"),
    ] {
        let log = make::log(&["start", text, "stop"]);
        let (got, _) = World::scrubbed(ALICE, &redact(ALL), "a.log", &log, 0);
        assert_eq!(String::from_utf8(got).unwrap(), String::from_utf8(log).unwrap().replace(text, want), "{text}");
    }
}

/// Padding at a line's end looks like a soft line break: the next record is not theirs.
#[test]
fn padding_at_the_end_joins_nobody() {
    let log =
        make::log(&["start", "t=YWxpY2VAZXhhbXBsZS5jb20=", "next", "t=ICBhbGljZUBleGFtcGxlLmNvbQ==", "2B is", "stop"]);
    let lines: Vec<&[u8]> = log.split_inclusive(|b| *b == b'\n').collect();
    let (got, ran) = World::scrubbed(ALICE, ALL, "a.log", &log, 0);
    assert_eq!(got, [lines[0], lines[2], lines[4], lines[5]].concat(), "{:?}", ran.artifact("a.log"));
    let text = String::from_utf8(log.clone()).unwrap();
    let want = text.replace("YWxpY2VAZXhhbXBsZS5jb20=", "ERASED").replace("ICBhbGljZUBleGFtcGxlLmNvbQ==", "ERASED");
    assert_eq!(String::from_utf8(World::scrubbed(ALICE, &redact(ALL), "a.log", &log, 0).0).unwrap(), want);
}

fn utf16(text: &str, big: bool) -> Vec<u8> {
    text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

#[test]
fn utf16_in_a_line_is_edited_in_utf16() {
    let policy = "[identifiers.email]\nvariants = [\"utf16\"]\n[identifiers.token]\nvariants = [\"utf16\"]\n";
    let filler = "the rest of the line is long enough to be text, for it has far more letters than NULs ".repeat(4);
    for big in [false, true] {
        for text in ["alice@example.com", "ALICE@example.com", "usr_8f3a9c21"] {
            let line = |bytes: &[u8]| [filler.as_bytes(), b"<", bytes, b"> end\n"].concat();
            let data = [line(&utf16(text, big)), line(b"nobody")].concat();
            for (action, want) in [("redact", "ERASED".to_owned()), ("mask", "*".repeat(text.len()))] {
                let policy = format!("{policy}[[rule]]\naction = \"{action}\"\n");
                let (got, _) = World::scrubbed(ALICE, &policy, "a.txt", &data, 0);
                assert!(got == [line(&utf16(&want, big)), line(b"nobody")].concat(), "{}", got.escape_ascii());
            }
        }
        let longer = [filler.as_bytes(), &utf16(" malice@example.com alice@example.com.au ", big), b"\n"].concat();
        assert_eq!(World::scrubbed(ALICE, policy, "a.txt", &longer, 0).0, longer);
    }
}

#[test]
fn members_that_nothing_reads_are_searched_too() {
    let noise: Vec<u8> = (0..2_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let member = |inner: &[u8]| [b"\x89PNG\r\n\x1a\n", &noise[..], inner, &noise[..]].concat();
    for (inner, name) in [
        (utf16("<alice@example.com>", false), "le"),
        (utf16("<alice@example.com>", true), "be"),
        (b" YWxpY2VAZXhhbXBsZS5jb20= ".to_vec(), "base64"),
        (format!(" {SHA256} ").into_bytes(), "digest"),
    ] {
        let world = World::new(ALICE);
        let tar = make::tar(&[("a.png", &member(&inner)), ("b.log", &make::log(&["x", "y"]))]);
        world.put("src/a.tar", &tar);
        world.put("policy.toml", ALL);
        let ran = world.scrub(&["--policy", "policy.toml"]);
        ran.expect(3);
        assert_eq!(ran.status("a.tar"), "partial: holds matches", "{name}");
        assert_eq!(world.get("src/a.tar"), tar);
        assert_eq!(world.scrub(&[]).expect(3).status("a.tar"), "partial: unsupported members", "{name}");
    }
}

#[test]
fn names_are_searched_and_masked() {
    let world = World::new(ALICE);
    let log = make::log(&["x", "y"]);
    world.put("src/a.tar", make::tar(&[(&format!("mail/{MD5}.log"), &log), ("YWxpY2VAZXhhbXBsZS5jb20.log", &log)]));
    world.put(format!("src/{SHA1}.log"), &log);
    world.put("policy.toml", ALL);
    let ran = world.scrub(&["--policy", "policy.toml"]);
    ran.expect(3);
    let names: Vec<String> = make::untar(&world.get("src/a.tar")).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [format!("mail/{}.log", "*".repeat(32)), format!("{}.log", "*".repeat(23))]);
    assert_eq!(ran.artifact(&format!("{}.log", "%2A".repeat(40)))["left"]["name"], 1);
    assert!(!ran.out.contains(SHA1) && !ran.err.contains(SHA1), "{}{}", ran.out, ran.err);
}

#[test]
fn the_manifest_says_what_was_searched_and_verify_searches_it() {
    let world = World::new(ALICE);
    world.put("src/a.log", make::log(&["x", &format!("t={}", TOKENS[0]), SHA256]));
    world.put("policy.toml", ALL);
    let ran = world.scrub(&["--policy", "policy.toml", "--verify", "paranoid"]);
    ran.expect(0);
    let all = ["base64", "md5", "sha1", "sha256", "utf16"];
    assert_eq!(ran.lines[0]["policy"]["variants"], serde_json::json!({ "email": all }));
    let want = serde_json::json!(["raw", "percent", "json", "html", "qp", "base64", "md5", "sha1", "sha256", "utf16"]);
    assert_eq!(ran.lines[0]["searched"], want);
    assert_eq!(world.get("src/a.log"), make::log(&["x"]));
    // The policy stands on the run line.
    world.verify(&[]).expect(0);
    world.verify(&["--fast"]).expect(0);
    // Reported and not changed is a survivor to whoever asks by another policy.
    let world = World::new(ALICE);
    world.put("src/a.log", make::log(&["x", SHA256]));
    world.scrub(&[]).expect(0);
    world.put("policy.toml", ALL);
    for fast in [&[][..], &["--fast"]] {
        let ran = world.verify(&[&["--policy", "policy.toml"], fast].concat());
        ran.expect(1);
        assert!(!ran.out.contains(SHA256), "{}", ran.out);
    }
}

#[test]
fn a_held_subject_keeps_its_token() {
    let registry = format!(
        "{ALICE}{}\n",
        r#"{"subject":"sub_02","event":"erase","identifiers":[{"type":"email","value":"bob@example.org"}]}"#
    );
    let registry = format!("{registry}{}\n", r#"{"event":"hold","subject":"sub_02"}"#);
    // `alice@example.com bob@example.org`: one token for both.
    let text = "t=YWxpY2VAZXhhbXBsZS5jb20gYm9iQGV4YW1wbGUub3Jn u=YWxpY2VAZXhhbXBsZS5jb20=";
    let log = make::log(&["x", text]);
    let (got, ran) = World::scrubbed(&registry, ALL, "a.log", &log, 3);
    let want = make::log(&["x", "t=YWxpY2VAZXhhbXBsZS5jb20gYm9iQGV4YW1wbGUub3Jn u=ERASED"]);
    assert_eq!(String::from_utf8(got).unwrap(), String::from_utf8(want).unwrap());
    assert_eq!(ran.artifact("a.log")["left"]["held"], 1);
}

#[test]
fn other_types_in_base64() {
    let policy =
        ["uuid", "ip", "token"].map(|kind| format!("[identifiers.{kind}]\nvariants = [\"base64\"]\n")).concat();
    // The token, the address, the UUID in capitals; then a longer token, a longer address, and an e-mail, which nobody asked for.
    let theirs =
        ["dXNyXzhmM2E5YzIx", "eyJpcCI6IjIwMy4wLjExMy43In0", "OUIyRjFDNjQtN0QzRS00QTUxLThDMEYtNUU2RDdBOEI5QzBE"];
    let others = ["dXNyXzhmM2E5YzIxeA==", "eyJpcCI6IjIwMy4wLjExMy43MCJ9", "YWxpY2VAZXhhbXBsZS5jb20="];
    let log = make::log(&[&theirs[..], &others].concat());
    let (got, _) = World::scrubbed(ALICE, &redact(&policy), "a.log", &log, 0);
    let mut want = String::from_utf8(log).unwrap();
    for token in theirs {
        want = want.replace(&format!(" {token}\n"), " ERASED\n");
    }
    assert_eq!(String::from_utf8(got).unwrap(), want);
}

#[test]
fn a_wrong_word_is_refused() {
    for (policy, said) in [
        ("[identifiers.email]\nvariants = [\"base46\"]\n", "did you mean `base64`"),
        ("[identifiers.email]\nvariants = [\"alice@example.com\"]\n", "unknown variant"),
        ("[identifiers.ip]\nvariants = [\"sha256\"]\n", "unknown variant"),
        ("[identifiers.user_id]\nvariants = [\"base64\"]\n", "unknown key"),
        ("[identifiers.email]\nvariants = \"base64\"\n", "expected a list"),
    ] {
        let world = World::new(ALICE);
        world.put("src/a.log", "x\n");
        world.put("policy.toml", policy);
        let ran = world.run(&["scan", "src", "--registry", REGISTRY, "--policy", "policy.toml"]);
        ran.expect(2);
        assert!(ran.err.contains(said) && !ran.err.contains("alice"), "{policy}: {}", ran.err);
    }
}
