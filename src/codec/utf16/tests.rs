//! Both decoders, the encoder, and lifts through the layer.

use proptest::prelude::*;

use super::super::testing::{decode, edits, lift, model, plain};
use super::*;
use crate::limits::Limits;

fn bytes(units: &[u16], order: Order) -> Vec<u8> {
    let mut out = Vec::new();
    for unit in units {
        order.put(*unit, &mut out);
    }
    out
}

fn units() -> impl Strategy<Value = Vec<u16>> {
    let unit = prop_oneof![
        4 => prop::sample::select("2026-11 INFO a@b\n".encode_utf16().collect::<Vec<_>>()),
        1 => any::<u16>(),
        1 => 0xd800u16..0xe000,
    ];
    prop::collection::vec(unit, 1..80)
}

fn marked(mut units: Vec<u16>) -> Vec<u16> {
    units.insert(0, 0xfeff);
    units
}

#[test]
fn the_order_of_bytes() {
    let text: Vec<u16> = "a caf\u{e9} \u{416}\n".encode_utf16().collect();
    assert_eq!(order(&bytes(&text, Order::Little)), Some(Order::Little));
    assert_eq!(order(&bytes(&text, Order::Big)), Some(Order::Big));
    assert_eq!(order(b"\xff\xfe"), Some(Order::Little));
    assert_eq!(order(b"\xfe\xff\x30\x42"), Some(Order::Big));
    for head in [&b""[..], b"a", b"text\n", b"\xff\xfe\0\0a\0\0\0", b"\0\0\xfe\xff", b"\0\0\0\0", b"a\0\0\0b\0\0\0"] {
        assert_eq!(order(head), None, "{head:?}");
    }
}

#[test]
fn half_a_character_is_damage() {
    for (end, bad) in [(5, true), (6, false)] {
        let stream = &b"a\0b\0c\0"[..end];
        for second in [false, true] {
            for give in [1, 2, 100] {
                assert_eq!(decode(&Utf16, stream, give, 7, second).is_err(), bad);
            }
        }
    }
}

#[test]
fn other_encodings_are_not_read_over() {
    let text = "2026-11-21 10:00:00 INFO started\n";
    let line = bytes(&text.encode_utf16().collect::<Vec<_>>(), Order::Little);
    let swapped = bytes(&text.encode_utf16().collect::<Vec<_>>(), Order::Big);
    for (tail, bad) in [
        (&b"2026-11-21 10:00:01 INFO alice@example.com\n\n"[..], true),
        (&b"x2026-11-21 10:00:01 INFO alice@example.com\n"[..], true),
        (&swapped[..], true),
        (&line[..], false),
        // Short, and no text that has blanks.
        (b"ok\n\n", false),
    ] {
        for give in [1, 3, 1000] {
            let stream = [&line.repeat(3)[..], tail].concat();
            assert_eq!(decode(&Utf16, &stream, give, 100, false).is_err(), bad, "{tail:?}");
        }
    }
    // Text of other scripts is none of those.
    let text = "\u{feff}2026年十一月二十一日 日本国憲法前文 の 正当に選挙された国会における代表者を通じて行動し、われらとわれらの子孫のために… ■ 東京都一一一一一一\n";
    let units: Vec<u16> = text.encode_utf16().collect();
    for order in [Order::Little, Order::Big] {
        assert_eq!(plain(&Utf16, &bytes(&units, order)).unwrap(), text.as_bytes());
    }
}

#[test]
fn iconv_reads_the_same() {
    use std::io::Write;
    let text = "2026-11-21 größe \u{65e5}\u{672c} \u{1f600}\n".repeat(3000);
    let wide = bytes(&text.encode_utf16().collect::<Vec<_>>(), Order::Big);
    assert_eq!(plain(&Utf16, &wide).unwrap(), text.as_bytes());
    let mut iconv = std::process::Command::new("iconv");
    iconv
        .args(["-f", "UTF-16BE", "-t", "UTF-8"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let Ok(mut child) = iconv.spawn() else {
        eprintln!("iconv is not installed");
        return;
    };
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&wide));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.stdout == text.as_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn decoders_agree_and_nothing_is_lost(units in units(), big in any::<bool>(), give in 1usize..9, take in 1usize..9, mark in any::<bool>()) {
        let order = if big { Order::Big } else { Order::Little };
        let units = if mark { marked(units) } else { units };
        let stream = bytes(&units, order);
        let Ok((one, heads)) = decode(&Utf16, &stream, 1 << 16, 1 << 16, false) else {
            prop_assert!(!mark);
            return Ok(());
        };
        prop_assert_eq!(heads.len(), 1);
        prop_assert_eq!(&decode(&Utf16, &stream, give, take, false).unwrap().0, &one);
        prop_assert_eq!(&decode(&Utf16, &stream, give, take, true).unwrap().0, &one);
        if let Ok(text) = String::from_utf16(&units) && mark {
            prop_assert_eq!(text.as_bytes(), &one[..]);
        }
        let mut encoder = Utf16.encoder(None, Box::new(|_| Ok(()))).unwrap();
        let mut out = Vec::new();
        encoder.begin(&heads[0], &mut out).unwrap();
        for piece in one.chunks(take) {
            encoder.write(piece, &mut out).unwrap();
        }
        encoder.finish(&mut out).unwrap();
        prop_assert_eq!(out, stream);
    }

    #[test]
    fn lifts_come_to_the_model(words in prop::collection::vec(prop::sample::select(vec!["a", "é", "日", "😀", "\n", "INFO "]), 1..60), big in any::<bool>(),
                               seeds in prop::collection::vec((any::<usize>(), any::<usize>(), prop::sample::select(vec!["", "ERASED", "ü"])), 0..6)) {
        let order = if big { Order::Big } else { Order::Little };
        let text = format!("\u{feff}{}", words.concat());
        let seeds: Vec<_> = seeds.into_iter().map(|(gap, len, new)| (gap, len, new.as_bytes().to_vec())).collect();
        let mut edits = edits(text.len(), &seeds);
        edits.retain(|(range, _)| text.is_char_boundary(range.start) && text.is_char_boundary(range.end) && range.start > 2);
        let wide = bytes(&text.encode_utf16().collect::<Vec<_>>(), order);
        let limits = Limits { window: 61, ..Limits::default() };
        let got = lift(&LAYER, &wide, &edits, &Vec::new(), &limits, None).unwrap();
        let want = String::from_utf8(model(text.as_bytes(), &edits)).unwrap();
        prop_assert_eq!(got, bytes(&want.encode_utf16().collect::<Vec<_>>(), order));
    }
}
