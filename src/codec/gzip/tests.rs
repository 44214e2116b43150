use proptest::prelude::*;

use super::*;
use crate::codec::testing::{decode, edits, lift, log, model, noise, plain, tool, with_cx};
use crate::error::Kind;
use crate::input::{BlobSource, Input};
use crate::layer::Layer;
use crate::layer::coded::CodecLayer;
use crate::limits::Limits;

static LAYER: CodecLayer = CodecLayer(&Gzip);

/// A member with the given header (its flags in place) around `plain`.
fn member(header: &[u8], plain: &[u8], level: u32) -> Vec<u8> {
    let mut out = header.to_vec();
    head::seal(&mut out);
    squeeze(&mut Compress::new(Compression::new(level), false), plain, &mut out, FlushCompress::Finish).unwrap();
    let mut check = Check::default();
    check.update(plain);
    out.extend_from_slice(&check.trailer());
    out
}

fn header(flags: u8, xfl: u8, rest: &[u8]) -> Vec<u8> {
    [&[0x1f, 0x8b, 8, flags, 1, 2, 3, 4, xfl, 3], rest].concat()
}

/// Headers of every sort.
fn headers() -> Vec<Vec<u8>> {
    vec![
        header(0, 0, b""),
        header(8, 2, b"alice.log\0"),
        header(16, 4, b"a comment\0"),
        header(8 | 16, 0, b"\0\0"),
        header(4, 0, b"\x06\0ZZ\x02\0ab"),
        header(1 | 2 | 4 | 8 | 16, 0, b"\x03\0abcname\0comment\0\0\0"),
        header(2, 0, b"\0\0"),
    ]
}

fn bgzf(plain: &[u8]) -> Vec<u8> {
    let (mut out, mut deflate) = (Vec::new(), Compress::new(Compression::new(6), false));
    let head = header(4, 0, b"\x06\0BC\x02\0\0\0");
    for piece in plain.chunks(40_000) {
        let mut blocks = bgzf::Blocks::new(head.clone(), 16);
        blocks.write(piece, &mut deflate, &mut out).unwrap();
        blocks.end(&mut deflate, &mut out).unwrap();
    }
    bgzf::Blocks::new(head, 16).end(&mut deflate, &mut out).unwrap();
    out
}

/// The lengths of a BGZF file's members as their headers tell; panics where they do not add up.
fn bgzf_sizes(mut bytes: &[u8]) -> Vec<usize> {
    let mut sizes = Vec::new();
    while !bytes.is_empty() {
        assert_eq!(bytes[..3], [0x1f, 0x8b, 8]);
        assert_eq!(&bytes[12..16], b"BC\x02\0");
        let size = usize::from(u16::from_le_bytes([bytes[16], bytes[17]])) + 1;
        sizes.push(size);
        plain(&Gzip, &bytes[..size]).unwrap();
        bytes = &bytes[size..];
    }
    sizes
}

/// Members of every sort with padding behind them, and their plain bytes.
fn mixed() -> (Vec<u8>, Vec<u8>) {
    let (mut bytes, mut all) = (Vec::new(), Vec::new());
    for (n, header) in headers().iter().enumerate() {
        let text = if n % 3 == 2 { Vec::new() } else { [log(n), noise(n * 11)].concat() };
        bytes.extend(member(header, &text, n as u32));
        all.extend(text);
    }
    bytes.extend([0; 700]);
    (bytes, all)
}

#[test]
fn every_read_size_gives_the_same() {
    let (bytes, all) = mixed();
    let (want, heads) = decode(&Gzip, &bytes, 1 << 20, 1 << 20, false).unwrap();
    assert_eq!(want, all);
    assert_eq!(heads.iter().filter(|head| !head.verbatim).count(), headers().len());
    let names: Vec<&[u8]> = heads.iter().flat_map(|h| h.names.iter().map(|r| &h.bytes[r.clone()])).collect();
    assert_eq!(names, [&b"alice.log"[..], b"a comment", b"name", b"comment"]);
    assert_eq!(heads.last().unwrap().bytes, [0; 700]);
    for second in [false, true] {
        for size in [1, 2, 3, 5, 8, 13, 34, 127, 1000, 4096] {
            assert_eq!(decode(&Gzip, &bytes, size, 1 << 16, second).unwrap(), (want.clone(), heads.clone()));
            assert_eq!(decode(&Gzip, &bytes, 1 << 16, size, second).unwrap(), (want.clone(), heads.clone()));
            assert_eq!(decode(&Gzip, &bytes, size, size, second).unwrap().0, want);
        }
    }
}

#[test]
fn truncation_is_damage_with_a_place() {
    let (bytes, _) = mixed();
    let bytes = &bytes[..bytes.len() - 700];
    let mut at = 0;
    let ends: Vec<usize> = headers()
        .iter()
        .enumerate()
        .map(|(n, header)| {
            let text = if n % 3 == 2 { Vec::new() } else { [log(n), noise(n * 11)].concat() };
            at += member(header, &text, n as u32).len();
            at
        })
        .collect();
    for len in 0..bytes.len() {
        for second in [false, true] {
            let got = decode(&Gzip, &bytes[..len], 4096, 1000, second);
            if ends.contains(&len) {
                got.unwrap();
                continue;
            }
            let error = got.unwrap_err();
            assert_eq!(error.kind(), Kind::Damaged);
            assert_eq!(
                error.to_string().split(": ").take(2).collect::<Vec<_>>(),
                ["gzip".to_owned(), format!("at byte {len}")],
                "{error}"
            );
        }
    }
}

#[test]
fn bytes_behind_the_last_member_are_damage() {
    let good = member(&header(0, 0, b""), b"text", 6);
    for (tail, place) in
        [(&b"x"[..], 0), (b"\x1f", 1), (b"\x1f\x8b", 2), (b"\0\0\0x", 3), (b"\0\x1f\x8b\x08", 1), (b"\x1f\x8c", 0)]
    {
        let error = plain(&Gzip, &[&good[..], tail].concat()).unwrap_err();
        assert!(error.to_string().starts_with(&format!("gzip: at byte {}: ", good.len() + place)), "{error}");
    }
    let long = [&good[..], &vec![0; 200_000]].concat();
    let (_, heads) = decode(&Gzip, &long, 1 << 16, 10, false).unwrap();
    let padding: Vec<usize> = heads.iter().filter(|h| h.verbatim).map(|h| h.bytes.len()).collect();
    assert_eq!(padding, [65536, 65536, 65536, 200_000 - 3 * 65536]);
}

#[test]
fn bad_headers_are_refused() {
    let tail = &member(&header(0, 0, b""), b"text", 6)[10..];
    for (header, what) in [
        (header(0x20, 0, b""), "at byte 3: reserved flags"),
        (header(0x80, 0, b""), "at byte 3: reserved flags"),
        ([&[0x1f, 0x8b, 7, 0], &[0; 6][..]].concat(), "at byte 2: unknown compression method"),
        (header(2, 0, b"\x01\x02"), "at byte 10: the header's checksum"),
    ] {
        let error = plain(&Gzip, &[&header, tail].concat()).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        assert_eq!(error.kind(), Kind::Damaged);
    }
    let longest = header(4, 0, &[&[0xff, 0xff], &vec![b'x'; 65535][..]].concat());
    assert_eq!(plain(&Gzip, &[&longest, tail].concat()).unwrap(), b"text");
    let endless = header(8, 0, &vec![b'x'; 1 << 20]);
    assert_eq!(plain(&Gzip, &endless).unwrap_err().kind(), Kind::Limit);
}

#[test]
fn dictzip_is_read_and_not_rewritten() {
    let bytes = member(&header(4, 0, b"\x0c\0RA\x08\0\x01\0\x40\0\x01\0\x09\0"), b"text of a chunk", 6);
    assert_eq!(plain(&Gzip, &bytes).unwrap(), b"text of a chunk");
    let error = lift(&LAYER, &bytes, &vec![(0..1, vec![])], &vec![], &Limits::default(), None).unwrap_err();
    assert_eq!((error.kind(), error.reason().as_str()), (Kind::Unsupported, "dictzip"));
}

#[test]
fn names_are_masked_and_sealed() {
    let bytes = mixed().0;
    let (_, heads) = decode(&Gzip, &bytes, 1 << 16, 1 << 16, false).unwrap();
    let mut own = Vec::new();
    for head in &heads {
        let mut new = head.bytes.clone();
        for name in &head.names {
            new[name.clone()].fill(b'*');
        }
        Gzip.seal(&mut new);
        assert_eq!(new == head.bytes, head.names.is_empty());
        let at = head.at as usize;
        if new != head.bytes {
            own.push((at..at + new.len(), new));
        }
    }
    let spliced = model(&bytes, &own);
    assert!(plain(&Gzip, &spliced).is_ok(), "sealed heads are right");
    let lifted = lift(&LAYER, &bytes, &vec![(3..9, b"new".to_vec())], &own, &Limits::default(), None).unwrap();
    let (_, after) = decode(&Gzip, &lifted, 1 << 16, 1 << 16, false).unwrap();
    let (_, want) = decode(&Gzip, &spliced, 1 << 16, 1 << 16, false).unwrap();
    assert_eq!(after.iter().map(|h| &h.bytes).collect::<Vec<_>>(), want.iter().map(|h| &h.bytes).collect::<Vec<_>>());
}

#[test]
fn the_layer_finds_over_every_byte() {
    let (bytes, all) = mixed();
    for window in [1, 13, 4096] {
        with_cx(&Limits { window, ..Limits::default() }, None, window == 13, |cx| {
            let mut input = Input::new(BlobSource::new(&bytes), window);
            let found = LAYER.find(&mut input, cx).unwrap();
            assert!(found.is_empty());
            assert_eq!(input.offset(), bytes.len() as u64);
        });
    }
    assert_eq!(LAYER.name(), "gzip");
    // A bound on decoded bytes.
    with_cx(&Limits { max_decoded: all.len() as u64 - 1, ..Limits::default() }, None, false, |cx| {
        let error = LAYER.find(&mut Input::new(BlobSource::new(&bytes), 4096), cx).unwrap_err();
        assert_eq!(error.kind(), Kind::Limit);
    });
}

#[test]
fn bgzf_members_carry_their_size() {
    let text = [log(9000), noise(150_000)].concat();
    let bytes = bgzf(&text);
    assert_eq!(plain(&Gzip, &bytes).unwrap(), text);
    let many = bgzf_sizes(&bytes).len();
    // A long insertion splits a member; incompressible ones stay below 64 KiB at every level.
    let edits = vec![(10..30, vec![]), (50_000..50_001, noise(300_000)), (text.len()..text.len(), b"end".to_vec())];
    for level in [0, 1, 6, 9] {
        let lifted = lift(&LAYER, &bytes, &edits, &vec![], &Limits::default(), Some(("gzip", level))).unwrap();
        assert_eq!(plain(&Gzip, &lifted).unwrap(), model(&text, &edits));
        let sizes = bgzf_sizes(&lifted);
        assert!(sizes.len() > many && *sizes.last().unwrap() == 28, "the end-of-file member stays last");
        assert_eq!(lifted[lifted.len() - 10..], bytes[bytes.len() - 10..]);
    }
}

#[test]
fn outside_tools_agree() {
    let text = [log(5000), noise(70_000)].concat();
    let edits = vec![
        (0..100, vec![]),
        (1000..1100, b"ERASED".to_vec()),
        (300_000..300_200, vec![]),
        (text.len() - 9..text.len(), vec![]),
    ];
    for (name, args) in
        [("gzip", vec!["-1"]), ("gzip", vec!["-9n"]), ("pigz", vec!["-p2"]), ("pigz", vec!["-11", "-I1"])]
    {
        let Some(Ok(bytes)) = tool(name, &args, &text) else {
            continue;
        };
        let twice = [&bytes[..], &bytes, &[0; 512]].concat();
        let all = [&text[..], &text].concat();
        for second in [false, true] {
            assert_eq!(decode(&Gzip, &twice, 1000, 5000, second).unwrap().0, all);
        }
        let lifted = lift(&LAYER, &twice, &edits, &vec![], &Limits::default(), None).unwrap();
        for (name, args) in [("gzip", ["-dcq"]), ("pigz", ["-dcq"])] {
            if let Some(got) = tool(name, &args, &lifted[..lifted.len() - 512]) {
                assert!(got.unwrap() == model(&all, &edits), "{name}");
            }
        }
        if let Some(got) = tool(
            "python3",
            &["-c", "import sys,gzip;sys.stdout.buffer.write(gzip.decompress(sys.stdin.buffer.read()))"],
            &lifted,
        ) {
            assert!(got.unwrap() == model(&all, &edits));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn lifts_equal_the_model(parts in prop::collection::vec((0usize..7, 0usize..60, 0usize..300, 0u32..10), 0..6),
                             seeds in prop::collection::vec((0usize..4000, 0usize..900, prop::collection::vec(any::<u8>(), 0..20)), 0..8),
                             level in prop::option::of(-3..12), window in prop::sample::select(vec![1usize, 7, 300, 65_536]),
                             padding in 0usize..3, block in any::<bool>()) {
        let (mut bytes, mut all) = (Vec::new(), Vec::new());
        for (head, lines, extra, level) in parts {
            let text = [log(lines), noise(extra)].concat();
            bytes.extend(member(&headers()[head], &text, level));
            all.extend(text);
        }
        if block || bytes.is_empty() {
            bytes.extend(bgzf(&log(20)));
            all.extend(log(20));
        }
        bytes.extend(vec![0; padding * 50_000]);
        let edits = edits(all.len(), &seeds);
        let limits = Limits { window, ..Limits::default() };
        let lifted = lift(&LAYER, &bytes, &edits, &vec![], &limits, level.map(|n| ("gzip", n))).unwrap();
        let want = model(&all, &edits);
        let (_, before) = decode(&Gzip, &bytes, 1 << 16, 1 << 16, false).unwrap();
        for second in [false, true] {
            let (got, heads) = decode(&Gzip, &lifted, 1 << 16, 1 << 16, second).unwrap();
            prop_assert!(got == want);
            prop_assert_eq!(heads.len(), before.len());
            for (new, old) in heads.iter().zip(&before) {
                prop_assert_eq!(&new.names, &old.names);
                prop_assert_eq!(new.bytes.len(), old.bytes.len());
                prop_assert!(new.bytes == old.bytes || old.traits[SPECIAL] == 1);
            }
        }
    }

    #[test]
    fn flipped_bits_never_pass(at in any::<prop::sample::Index>(), bit in 0u8..8, give in 1usize..300) {
        let (mut bytes, all) = mixed();
        let bytes = { let at = at.index(bytes.len()); bytes[at] ^= 1 << bit; bytes };
        let first = decode(&Gzip, &bytes, give, 4096, false);
        let second = decode(&Gzip, &bytes, 4096, give, true);
        match (first, second) {
            (Ok(first), Ok(second)) => {
                prop_assert_eq!(&first, &second);
                prop_assert!(first.0 == all, "a damaged stream passed");
            }
            (Err(first), Err(second)) => prop_assert_eq!(first.kind(), second.kind()),
            _ => prop_assert!(false, "the decoders do not agree"),
        }
    }

    #[test]
    fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), deflate in any::<bool>()) {
        let bytes = if deflate { [&header(0, 0, b"")[..], &bytes].concat() } else { bytes };
        let first = decode(&Gzip, &bytes, 100, 50, false);
        let second = decode(&Gzip, &bytes, 3, 500, true);
        prop_assert_eq!(first.ok(), second.ok());
    }
}
