//! Forms of stamps, their times, and what is none.

use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn stamps_at_the_start_of_a_line() {
    for (line, len) in [
        ("2025-03-11T08:00:00.123Z INFO", 24),
        ("2025-03-11 08:00:00,123 INFO", 23),
        ("2025-03-11 08:00:00 +0100 x", 25),
        ("2025-03-11 08:00:00+01", 22),
        ("2025-03-11 08:00:00.1 UTC [7] LOG", 25),
        ("2025-03-11T08:00", 16),
        ("2025/03/11 08:00:00 [error]", 19),
        ("20250311T080000Z x", 16),
        ("Mar 11 08:00:00 host app: x", 15),
        ("Mar  1 08:00:00 host", 15),
        ("[2025-03-11T08:00:00Z] x", 22),
        ("[2025-03-11 08:00:00,123: INFO/Main] x", 24),
        ("[10/Oct/2000:13:55:36 +0000] x", 28),
        ("[Wed Oct 11 14:32:52.123456 2000] [error] x", 33),
        ("1741680000 x", 10),
        ("1741680000.25 x", 13),
        ("1741680000123: x", 13),
        ("[1741680000] x", 12),
        ("1741680000", 10),
        ("<34>Oct 11 22:14:15 mymachine su: x", 19),
        ("<165>1 2003-10-11T22:14:15.003Z host app", 31),
        ("<0>1 - host app - - - x", 6),
        ("<191>2003-10-11T22:14:15Z host app", 25),
    ] {
        assert_eq!(leading(line.as_bytes()), Some(len), "{line}");
    }
}

#[test]
fn no_stamps() {
    for line in [
        "",
        "x",
        " 2025-03-11T08:00:00Z",
        "2025-03-11",
        "2025-03-11 x",
        "2025-13-11T08:00:00Z",
        "2025-03-11T08:61:00Z",
        "2025-03-11T08:00:00x",
        "Mar 11",
        "March 11 08:00:00",
        "12345678901",
        "1741680000a",
        "9999999999 x",
        "0123456789",
        "[error] x",
        "192.0.2.1 - - [10/Oct/2000:13:55:36 +0000] x",
        "10/Oct/2000:13:55:36 +0000",
        "5551234567890 x",
        "<192>1 2003-10-11T22:14:15.003Z x",
        "<034>Oct 11 22:14:15 x",
        "<34>x",
        "<34>- x",
        "<>1 - x",
        "<34>1 x",
        "<user> Oct 11 22:14:15",
    ] {
        assert_eq!(leading(line.as_bytes()), None, "{line}");
    }
}

#[test]
fn times_of_lines() {
    let mtime = Some(at("2025-01-02T00:00:00Z"));
    for (line, time) in [
        ("2025-03-11T08:00:00.123Z x", "2025-03-11T08:00:00.123Z"),
        ("2025-03-11 08:00:00,5 x", "2025-03-11T08:00:00.5Z"),
        ("2025-03-11 08:00:00 +0130 x", "2025-03-11T06:30:00Z"),
        ("2025-03-11T08:00:00-05:00", "2025-03-11T13:00:00Z"),
        ("2024-12-31T23:59:60Z", "2024-12-31T23:59:59Z"),
        ("2024-12-31T24:00:00Z", "2025-01-01T00:00:00Z"),
        ("Jan  1 08:00:00 h", "2025-01-01T08:00:00Z"),
        ("Jan  2 23:00:00 h", "2025-01-02T23:00:00Z"),
        ("Jan  4 08:00:00 h", "2024-01-04T08:00:00Z"),
        ("Feb 29 08:00:00 h", "2024-02-29T08:00:00Z"),
        ("Dec 31 08:00:00 h", "2024-12-31T08:00:00Z"),
        ("1741680000 x", "2025-03-11T08:00:00Z"),
        ("1741680000123 x", "2025-03-11T08:00:00.123Z"),
        ("192.0.2.1 - ann [10/Oct/2000:13:55:36 -0700] \"GET", "2000-10-10T20:55:36Z"),
        ("[x] [Y] 192.0.2.1 [10/Oct/2000:13:55:36 +0000]", "2000-10-10T13:55:36Z"),
    ] {
        assert_eq!(of_line(line.as_bytes(), mtime), Some(at(time)), "{line}");
    }
    assert_eq!(of_line(b"Jan  1 08:00:00 h", None), None);
    assert_eq!(of_line(b"nothing", mtime), None);
    let far = [vec![b'x'; 600], b"[10/Oct/2000:13:55:36 +0000]".to_vec()].concat();
    assert_eq!(of_line(&far, mtime), None);
}

#[test]
fn values_of_fields() {
    for (text, time) in [
        ("2025-03-11T08:00:00Z", "2025-03-11T08:00:00Z"),
        (" 2025-03-11 08:00:00.5+00 ", "2025-03-11T08:00:00.5Z"),
        ("2025-03-11", "2025-03-11T00:00:00Z"),
        ("1741680000", "2025-03-11T08:00:00Z"),
        ("1741680000.25", "2025-03-11T08:00:00.25Z"),
        ("1741680000123.5", "2025-03-11T08:00:00.1235Z"),
        ("1741680000123456", "2025-03-11T08:00:00.123456Z"),
        ("1741680000123456789", "2025-03-11T08:00:00.123456789Z"),
        ("0", "1970-01-01T00:00:00Z"),
        ("10/Oct/2000:13:55:36 +0000", "2000-10-10T13:55:36Z"),
        ("Tue, 11 Mar 2025 08:00:00 +0000", "2025-03-11T08:00:00Z"),
    ] {
        assert_eq!(value(text.as_bytes()), Some(at(time)), "{text}");
    }
    for text in ["", "x", "2025-03-11T08:00:00Z x", "-1", "1e9", "2025-02-30", "99999999999999999999"] {
        assert_eq!(value(text.as_bytes()), None, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever second it is, its RFC 3339 form gives it back, as a line and as a value.
    #[test]
    fn what_is_written_is_read(second in 0i64..4_000_000_000, nano in 0i32..1_000_000_000) {
        let time = Timestamp::new(second, nano).unwrap();
        let text = time.to_string();
        prop_assert_eq!(value(text.as_bytes()), Some(time));
        prop_assert_eq!(of_line(format!("{text} x").as_bytes(), None), Some(time));
        prop_assert_eq!(leading(text.as_bytes()), Some(text.len()));
    }

    /// Random bytes of the alphabet of stamps: no panic, and a stamp never reaches past its line.
    #[test]
    fn no_panic(text in "[0-9TZJanMonUTC:/\\[\\]., +-]{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        for line in [text.as_bytes(), &bytes] {
            prop_assert!(leading(line).is_none_or(|len| len <= line.len() && len > 0));
            // No panic, whatever they say.
            let _ = (of_line(line, Some(Timestamp::UNIX_EPOCH)), value(line), clf(line));
        }
    }
}
