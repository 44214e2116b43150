//! Hand-made archives of every style: the result is what the same writer makes of the new contents.

use proptest::prelude::*;

use super::make::{Archive, Member, archive, field, member, unicode_path};
use super::{find_by, scrub, tools};
use crate::container::tests::{ALICE, BOBBY, LONGER};

/// What becomes of a name or comment.
fn masked(text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    for value in [ALICE, BOBBY] {
        while let Some(at) = memchr::memmem::find(&text, value) {
            text[at..at + value.len()].fill(b'*');
        }
    }
    text
}

/// What becomes of a payload.
fn scrubbed(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in data.split_inclusive(|b| *b == b'\n') {
        if memchr::memmem::find(line, ALICE).is_some() {
            continue;
        }
        match memchr::memmem::find(line, BOBBY) {
            Some(at) => out.extend_from_slice(&[&line[..at], LONGER, &line[at + BOBBY.len()..]].concat()),
            None => out.extend_from_slice(line),
        }
    }
    out
}

/// What becomes of an archive whose members are all read.
fn expected(of: &Archive) -> Archive {
    let mut new = of.clone();
    new.comment = masked(&of.comment);
    for member in &mut new.members {
        member.name = masked(&member.name);
        member.comment = masked(&member.comment);
        member.data = scrubbed(&member.data);
    }
    new
}

fn a_member(at: usize) -> impl Strategy<Value = Member> {
    let line = prop::sample::select(vec![
        &b"nobody is here\n"[..],
        b"x alice@example.com y\n",
        b"for bobby@example.com only\n",
        b"\n",
    ]);
    let data = prop_oneof![
        4 => prop::collection::vec(line, 0..12).prop_map(|lines| lines.concat()),
        1 => prop::collection::vec(any::<u8>().prop_map(|b| b'a' + b % 20), 0..3000),
    ];
    let name = prop::sample::select(vec!["x.log", "alice@example.com", "of/bobby@example.com/x", "caf\u{e9}"]);
    let style = (
        prop::sample::select(vec![0u16, 8, 8]),
        prop::option::of(any::<(bool, bool)>()),
        any::<(bool, bool)>(),
        prop::sample::select(vec![0usize, 0, 0, 1, 40]),
        prop::sample::select(vec![0u16, 2, 4, 6]),
    );
    let comment = prop::sample::select(vec![&b""[..], b"", b"hers: alice@example.com", b"c"]);
    (data, name, style, comment, any::<bool>()).prop_map(move |(data, name, style, comment, times)| {
        let (method, descriptor, (filled, zip64), gap, effort) = style;
        let mut made = member(format!("{at}-{name}").as_bytes(), &data);
        (made.method, made.descriptor, made.filled, made.zip64, made.gap) = (method, descriptor, filled, zip64, gap);
        made.flags = if method == 8 { effort } else { 0 };
        made.comment = comment.to_vec();
        if times {
            made.extra = field(0x5455, &[1, 1, 2, 3, 4]);
        }
        made
    })
}

prop_compose! {
    fn an_archive()(members in prop::collection::vec(any::<u8>(), 0..6).prop_flat_map(|n| (0..n.len()).map(a_member).collect::<Vec<_>>()),
                    backwards in any::<bool>(), zip64 in any::<(bool, bool)>(), comment in prop::sample::select(vec![&b""[..], b"all of alice@example.com", b"-"]),
                    padding in prop::sample::select(vec![0usize, 0, 1, 700])) -> Archive {
        Archive { members, backwards, zip64: zip64.0, escaped: zip64.0 && zip64.1, comment: comment.to_vec(), padding, ..Archive::default() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_style(made in an_archive()) {
        let old = made.build();
        let (outcome, new) = scrub(&old);
        let want = expected(&made);
        // What an encoder makes of a payload may depend on how it comes.
        let coded = want.with_payloads_of(&new);
        prop_assert!(new == coded.build(), "{made:?}");
        prop_assert_eq!(outcome.found.is_empty(), new == old);
        prop_assert!(outcome.tally.members.is_empty());
        let seen: Vec<_> = made.members.iter().map(|member| (String::from_utf8_lossy(&member.name).into_owned(), member.data.clone())).collect();
        prop_assert_eq!(outcome.seen, seen);
        let again = find_by(&new, 4096).unwrap();
        for (member, (_, data)) in want.members.iter().zip(again.seen) {
            prop_assert_eq!(&member.data, &data);
        }
    }
}

const LINES: &[u8] = b"one\nx alice@example.com y\ntwo for bobby@example.com\nthree\n";

#[test]
fn programs_before_the_archive_are_kept_and_named() {
    for moved in [false, true] {
        let made = Archive {
            prefix: b"#!/bin/sh\nexit\n".to_vec(),
            moved,
            zip64: moved,
            ..archive(&[member(b"a", LINES), member(b"b", b"x\n")])
        };
        let (outcome, new) = scrub(&made.build());
        assert_eq!(new, expected(&made).with_payloads_of(&new).build());
        let [named] = outcome.tally.members.as_slice() else { panic!("{:?}", outcome.tally.members) };
        assert_eq!((named.reason.as_str(), named.hit), ("bytes between members of zip", false));
        let hers = Archive { prefix: [b"# ", ALICE].concat(), ..made };
        assert!(scrub(&hers.build()).0.tally.members[0].hit);
    }
}

#[test]
fn members_that_are_not_listed_are_searched() {
    let made = archive(&[member(b"a", b"x\n"), Member { method: 0, ..member(b"hidden", LINES) }, member(b"c", LINES)]);
    let mut old = made.build();
    // The directory's second entry goes.
    let at = memchr::memmem::rfind(&old, b"hidden").unwrap() - 46;
    old.drain(at..at + 46 + 6);
    let end = old.len() - 22;
    let size = u32::from_le_bytes(*old[end + 12..].first_chunk().unwrap()) - 52;
    old[end + 12..end + 16].copy_from_slice(&size.to_le_bytes());
    (old[end + 8], old[end + 10]) = (2, 2);
    let (outcome, new) = scrub(&old);
    assert_eq!(outcome.tally.members.len(), 1);
    assert!(outcome.tally.members[0].hit && memchr::memmem::find(&new, ALICE).is_some());
    assert_eq!(find_by(&new, 512).unwrap().seen[1].1, scrubbed(LINES));
}

#[test]
fn what_is_not_read_is_kept_and_named() {
    for (method, flags, reason) in [
        (9, 0, "deflate64"),
        (12, 0, "bzip2"),
        (14, 0, "lzma"),
        (95, 0, "xz"),
        (98, 0, "ppmd"),
        (99, 1, "encrypted"),
        (8, 1, "encrypted"),
        (8, 1 | 1 << 6, "encrypted"),
        (8, 1 << 5, "patched data"),
        (77, 0, "unknown method"),
    ] {
        let packed = b"packed \x00\x01 alice@example.com".to_vec();
        for descriptor in [None, Some((true, false))] {
            let strange = Member {
                method,
                flags,
                descriptor,
                packed: Some(packed.clone()),
                ..member(b"s/bobby@example.com", LINES)
            };
            let made = archive(&[member(b"a", LINES), strange, member(b"c", LINES)]);
            let mut want = expected(&made);
            want.members[1].data = LINES.to_vec();
            let (outcome, new) = scrub(&made.build());
            assert_eq!(new, want.with_payloads_of(&new).build(), "{reason}");
            let [named] = outcome.tally.members.as_slice() else { panic!("{:?}", outcome.tally.members) };
            assert_eq!((named.reason.as_str(), named.hit), (reason, true));
        }
    }
}

#[test]
fn masked_local_headers_are_no_disagreement() {
    let strange = Member { flags: 1 | 1 << 6 | 1 << 13, packed: Some(b"?".to_vec()), ..member(b"secret", LINES) };
    let mut old = archive(&[strange]).build();
    old[14..26].fill(0);
    old[30..36].copy_from_slice(b"000000");
    let (outcome, new) = scrub(&old);
    assert_eq!((outcome.tally.members[0].reason.as_str(), new), ("encrypted", old));
}

#[test]
fn names_that_masking_makes_equal_are_told_apart() {
    let name = |base: &[u8]| [b"d/", base].concat();
    let made = archive(&[
        Member { extra: unicode_path(&name(ALICE), &name(ALICE)), ..member(&name(ALICE), b"1\n") },
        member(&name(BOBBY), b"2\n"),
        member(&name(ALICE), b"3\n"),
        Member { attributes: 0o120_777 << 16, ..member(b"link", ALICE) },
        Member { attributes: 0o120_777 << 16, method: 0, ..member(b"stored link", &[b"../d/", BOBBY].concat()) },
        member(b"d/*****************", b"4\n"),
    ]);
    let old = made.build();
    let (outcome, new) = scrub(&old);
    assert_eq!(outcome.tally.names, 5);
    let mut want = made;
    let [stars, one, two] = [&b"d/*****************"[..], b"d/***************~1", b"d/***************~2"];
    want.members[0].name = stars.to_vec();
    want.members[0].extra = unicode_path(stars, stars);
    want.members[1].name = one.to_vec();
    want.members[2].name = stars.to_vec();
    want.members[3].data = stars[2..].to_vec();
    want.members[4].data = [b"../", one].concat();
    want.members[5].name = two.to_vec();
    assert_eq!(new, want.with_payloads_of(&new).build());
    tools::accepted(&new);
}

#[test]
fn lines_under_the_mode_of_a_link_are_data() {
    let (outcome, _) = scrub(&archive(&[Member { attributes: 0o120_777 << 16, ..member(b"link", LINES) }]).build());
    assert_eq!(outcome.seen, [("link".to_owned(), LINES.to_vec())]);
    assert!(!outcome.found.is_empty());
}

#[test]
fn names_in_utf_8_count() {
    let latin = b"caf\xe9.log";
    let made = archive(&[Member {
        extra: unicode_path(latin, "alice@example.com/caf\u{e9}.log".as_bytes()),
        ..member(latin, b"x\n")
    }]);
    let (outcome, new) = scrub(&made.build());
    assert_eq!((outcome.seen[0].0.as_str(), outcome.tally.names), ("alice@example.com/caf\u{e9}.log", 1));
    let mut want = made;
    want.members[0].extra = unicode_path(latin, "*****************/caf\u{e9}.log".as_bytes());
    assert_eq!(new, want.with_payloads_of(&new).build());
}

#[test]
fn values_in_other_extra_fields_are_told_of() {
    let made = archive(&[Member { extra: field(0x756e, ALICE), ..member(b"a", b"x\n") }]);
    let (outcome, _) = scrub(&made.build());
    let [named] = outcome.tally.members.as_slice() else { panic!("{:?}", outcome.tally.members) };
    assert_eq!((named.reason.as_str(), named.hit), ("extra fields of zip", true));
}

#[test]
fn archives_in_archives() {
    let mut inner = archive(&[
        member(b"a.log", LINES),
        Member { method: 0, descriptor: Some((true, false)), ..member(b"b.log", LINES) },
    ]);
    let mut want = expected(&inner);
    for depth in 1..8 {
        let old = inner.build();
        let new = scrub(&old).1;
        assert_eq!(new, want.with_payloads_of(&new).build(), "depth {depth}");
        let method = if depth % 2 == 0 { 0 } else { 8 };
        let wrap =
            |bytes: Vec<u8>| archive(&[member(b"clean", b"x\n"), Member { method, ..member(b"in.zip", &bytes) }]);
        (inner, want) = (wrap(old), wrap(new));
    }
    let deeper = archive(&[member(b"in.zip", &archive(&[member(b"in.zip", &inner.build())]).build())]).build();
    let error = find_by(&deeper, 4096).err().expect("too deep");
    assert_eq!(error.to_string(), "layers inside one another (8)");
}

#[cfg(feature = "zstd")]
#[test]
fn zstd_members() {
    let made = |data: &[u8]| {
        let frames = [zstd::encode_all(data, 3).unwrap(), b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec()].concat();
        let two = Member { method: 93, packed: Some(frames), ..member(b"two.log", data) };
        archive(&[
            Member { method: 93, ..member(b"a.log", data) },
            two,
            Member { method: 93, descriptor: Some((true, false)), ..member(b"b.log", data) },
        ])
    };
    let (outcome, new) = scrub(&made(LINES).build());
    assert_eq!(outcome.seen.len(), 3);
    assert!(find_by(&new, 4096).unwrap().seen.iter().all(|(_, data)| *data == scrubbed(LINES)));
    let side =
        [zstd::encode_all(&b"x\n"[..], 3).unwrap(), b"\x50\x2a\x4d\x18\x11\0\0\0alice@example.com".to_vec()].concat();
    let hers = archive(&[Member { method: 93, packed: Some(side), ..member(b"a", b"x\n") }]);
    assert!(scrub(&hers.build()).0.tally.members[0].hit);
}
