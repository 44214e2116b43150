//! Damage, bombs, and refusals by name.

use proptest::prelude::*;

use super::make::{Archive, Member, archive, field, member};
use super::{find_by, scrub};
use crate::container::tests::{self, ALICE, How};
use crate::container::zip::ZIP;
use crate::error::Kind;
use crate::limits::Limits;

/// The reason for which an archive fails.
fn refused(archive: &Vec<u8>) -> (Kind, String) {
    let errors: Vec<_> = [1, 600, 1 << 16].iter().map(|size| find_by(archive, *size).err().expect("refused")).collect();
    assert!(errors.iter().all(|e| e.to_string() == errors[0].to_string()), "{errors:?}");
    (errors[0].kind(), errors[0].to_string())
}

fn two() -> Archive {
    archive(&[member(b"a.log", b"one\nalice@example.com\n"), Member { method: 0, ..member(b"b.log", b"two\n") }])
}

/// Offset of the directory, and of the end record, of [`two`].
fn places(bytes: &[u8]) -> (usize, usize) {
    (memchr::memmem::find(bytes, b"PK\x01\x02").unwrap(), memchr::memmem::rfind(bytes, b"PK\x05\x06").unwrap())
}

#[test]
fn ends() {
    for padding in [0, 1, 22, 65_557, 200_000] {
        for comment in [&b""[..], b"c", &vec![b'c'; 65_535], b"ends in NULs\0\0"] {
            let made = Archive { padding, comment: comment.to_vec(), ..two() };
            assert_eq!(scrub(&made.build()).0.seen.len(), 2, "{padding}");
        }
    }
    let empty = Archive::default().build();
    assert_eq!((scrub(&empty).1, empty.len()), (empty.clone(), 22));
    let whole = two().build();
    let with = |end: &[u8]| [whole.as_slice(), end].concat();
    let at = whole.len();
    for (bytes, kind, what) in [
        (with(b"x"), Kind::Damaged, format!("zip: at byte {at}: bytes after the end of the archive")),
        (with(b"\0\0x"), Kind::Damaged, format!("zip: at byte {at}: bytes after the end of the archive")),
        (b"PK\x03\x04".to_vec(), Kind::Damaged, "zip: at byte 4: no end record: the archive may be cut off".into()),
        (b"PK\x07\x08PK\x03\x04".to_vec(), Kind::Unsupported, "multi-disk zip".into()),
        (b"text\n".to_vec(), Kind::Damaged, "name says zip".into()),
        (vec![], Kind::Damaged, "name says zip".into()),
        (vec![0; 70_000], Kind::Damaged, "name says zip".into()),
    ] {
        assert_eq!(refused(&bytes), (kind, what));
    }
    // A comment that is an end record is an empty archive behind something: what Python and unzip take it for.
    let inside = Archive { comment: Archive::default().build(), ..two() }.build();
    assert_eq!(scrub(&inside).0.tally.members.len(), 1);
    let mut long = whole.clone();
    long[at - 2] = 1;
    assert_eq!(refused(&long).1, format!("zip: at byte {at}: the archive's comment is cut off"));
}

#[test]
fn headers_that_disagree_are_damage() {
    let whole = two().build();
    let (directory, _) = places(&whole);
    for (at, what) in [
        (0, "no member where the directory says there is one"),
        (6, "flags differ from those in the directory"),
        (7, "flags differ from those in the directory"),
        (8, "the method differs from that in the directory"),
        (14, "the checksum differs from that in the directory"),
        (18, "sizes differ from those in the directory"),
        (22, "sizes differ from those in the directory"),
        (30, "the name differs from that in the directory"),
        (26, "the name differs from that in the directory"),
    ] {
        let mut bytes = whole.clone();
        bytes[at] ^= if at == 6 { 0x80 } else { 1 };
        assert_eq!(refused(&bytes), (Kind::Damaged, format!("zip: at byte 0: {what}")), "{at}");
    }
    for at in [10, 16, 20, 24, 46, 42] {
        let mut bytes = whole.clone();
        bytes[directory + at] ^= 1;
        assert_eq!(refused(&bytes).0, Kind::Damaged, "directory {at}");
    }
    // Two names in UTF-8.
    let name = |text: &[u8]| super::make::unicode_path(b"a.log", text);
    let mut bytes = archive(&[Member { extra: name(b"a.txt"), ..member(b"a.log", b"x\n") }]).build();
    let at = memchr::memmem::find(&bytes, b"a.txt").unwrap();
    bytes[at] = b'b';
    assert_eq!(refused(&bytes).1, "zip: at byte 0: the name in UTF-8 differs from that in the directory");
}

#[test]
fn payloads_are_held_against_the_directory() {
    let with = |change: &dyn Fn(&mut Member)| {
        let mut made = two();
        change(&mut made.members[0]);
        made.build()
    };
    let deflated = |data: &[u8]| {
        let bytes = archive(&[member(b"x", data)]).build();
        let packed = u32::from_le_bytes(*bytes[18..].first_chunk().unwrap()) as usize;
        bytes[31..31 + packed].to_vec()
    };
    let good = deflated(b"one\nalice@example.com\n");
    for (packed, what) in [
        ([good.as_slice(), b"x"].concat(), "bytes behind the compressed data"),
        (good[..good.len() - 2].to_vec(), "the compressed data is cut off"),
        (b"\xff\xff\xff".to_vec(), "the compressed data is invalid"),
        (deflated(b"one\nalice@example.org\n"), "the checksum of a member does not match"),
        (deflated(b"one\nalice@example.com\n\n"), "a member is longer than the directory says"),
        (deflated(b"one\n"), "a member is shorter than the directory says"),
    ] {
        let (kind, said) = refused(&with(&|member| member.packed = Some(packed.clone())));
        assert!(kind == Kind::Damaged && said.ends_with(what), "{said}");
    }
    let stored = with(&|member| (member.method, member.packed) = (0, Some(b"short".to_vec())));
    assert_eq!(refused(&stored).1, "zip: at byte 35: a stored member with two sizes");
    let mut bytes = with(&|member| member.descriptor = Some((true, false)));
    let at = memchr::memmem::find(&bytes, b"PK\x07\x08").unwrap();
    bytes[at + 4] ^= 1;
    let (kind, said) = refused(&bytes);
    assert!(kind == Kind::Damaged && said.ends_with("no data descriptor that agrees with the directory"), "{said}");
}

#[test]
fn directories_that_claim_what_is_not_there() {
    let whole = two().build();
    let (directory, end) = places(&whole);
    let with = |at: usize, bytes: &[u8]| {
        let mut archive = whole.clone();
        archive[at..at + bytes.len()].copy_from_slice(bytes);
        archive
    };
    for (bytes, kind, what) in [
        (with(end + 4, &[1]), Kind::Unsupported, "multi-disk zip"),
        (with(end + 8, &[1]), Kind::Unsupported, "multi-disk zip"),
        (with(directory + 34, &[1]), Kind::Unsupported, "multi-disk zip"),
        (with(end + 8, &[3, 0, 3]), Kind::Damaged, "the directory has not as many entries as it says"),
        (with(end + 12, &[0xff; 4]), Kind::Damaged, "the directory does not lie before the end record"),
        (with(end + 16, &[0xff; 4]), Kind::Damaged, "the directory does not lie before the end record"),
        (with(directory + 42, &[0xff; 4]), Kind::Damaged, "a malformed zip64 field"),
        (with(directory + 42, &[0xf0; 4]), Kind::Damaged, "the directory tells of a member outside of the archive"),
        (with(directory + 20, &[0xf0; 4]), Kind::Damaged, "the directory tells of a member outside of the archive"),
        (with(directory, b"PK\x05\x05"), Kind::Unsupported, "zip with a signed directory"),
        (with(directory, b"PK\x06\x08"), Kind::Unsupported, "zip with an encrypted directory"),
    ] {
        let (is, said) = refused(&bytes);
        assert!(is == kind && said.ends_with(what), "{said}: {what}");
    }
}

#[test]
fn zip64_that_is_doubtful_is_damage() {
    let wide = Archive { zip64: true, escaped: true, ..two() };
    let whole = wide.build();
    let record = memchr::memmem::find(&whole, b"PK\x06\x06").unwrap();
    let with = |at: usize, byte: u8| {
        let mut archive = whole.clone();
        archive[record + at] ^= byte;
        archive
    };
    for (bytes, kind, what) in [
        (with(4, 1), Kind::Unsupported, "zip with extended end record"),
        (with(0, 1), Kind::Damaged, "no zip64 end record before its locator"),
        (with(48, 1), Kind::Damaged, "the directory does not lie before the end record"),
        (with(47, 0x80), Kind::Damaged, "the directory does not lie before the end record"),
        (with(56 + 8, 1), Kind::Damaged, "the directory does not lie before the end record"),
        (with(56 + 4, 1), Kind::Unsupported, "multi-disk zip"),
        (with(16, 1), Kind::Damaged, "the two end records differ"),
        (with(24, 1), Kind::Unsupported, "multi-disk zip"),
    ] {
        let (is, said) = refused(&bytes);
        assert!(is == kind && said.ends_with(what), "{said}: {what}");
    }
    let mut both = Archive { escaped: false, ..wide }.build();
    let end = both.len() - 22;
    both[end + 12] ^= 1;
    assert!(refused(&both).1.ends_with("the two end records differ"));
    // A member of 2^63 bytes; a field that is there twice; one that says something else than the header.
    let mut huge = archive(&[Member { zip64: true, ..member(b"a", b"x\n") }]).build();
    let (directory, _) = places(&huge);
    huge[directory + 46 + 1 + 4 + 8 + 7] = 0x80;
    assert!(refused(&huge).1.ends_with("the directory tells of a member outside of the archive"));
    for (extra, what) in [
        ([field(1, &[]), field(1, &[])].concat(), "two zip64 fields in one header"),
        (field(1, &[0; 16]), "the numbers of a header and of its zip64 field differ"),
        (field(1, &[0; 5]), "a malformed zip64 field"),
        (vec![1, 0, 9], "malformed extra fields"),
        (vec![9, 9, 9, 9], "malformed extra fields"),
    ] {
        let (kind, said) = refused(&archive(&[Member { extra, ..member(b"a", b"x\n") }]).build());
        assert!(kind == Kind::Damaged && said.ends_with(what), "{said}: {what}");
    }
}

#[test]
fn bombs_end_by_name() {
    // Two entries for one member.
    let made = two().build();
    let (directory, end) = places(&made);
    let mut twice = made[..end].to_vec();
    twice.extend_from_slice(&made[directory..directory + 51]);
    let mut tail = made[end..].to_vec();
    (tail[8], tail[10]) = (3, 3);
    tail[12] += 51;
    twice.extend_from_slice(&tail);
    assert!(refused(&twice).1.ends_with("members overlap"));
    // A member that quotes the next one's header.
    let inner = archive(&[Member { method: 0, ..member(b"q", b"xyz\n") }]).build();
    let outer =
        archive(&[Member { method: 0, ..member(b"o", &inner[..35]) }, Member { method: 0, ..member(b"q", b"xyz\n") }]);
    let mut bytes = outer.build();
    let (directory, _) = places(&bytes);
    bytes[directory + 47 + 42..directory + 47 + 46].copy_from_slice(&31u32.to_le_bytes());
    assert!(refused(&bytes).1.ends_with("members overlap"));
    // Much of nothing.
    let bomb = archive(&[member(b"a", &vec![b'\n'; 3 << 20])]).build();
    let limits = Limits { max_decoded: 1 << 20, ..Limits::default() };
    let error =
        tests::find(&ZIP, &bomb, How { size: 4096, random: true, second: false, limits: &limits }).err().unwrap();
    assert_eq!(error.kind(), Kind::Limit);
}

/// What is read is what is there, or the archive fails, or says that something is not read.
fn never_falsely_clean(bytes: &Vec<u8>, seen: &[(String, Vec<u8>)]) {
    for (size, second) in [(4096, false), (4097, true)] {
        let how = How { size, random: !second, second, limits: &Limits::default() };
        if let Ok(outcome) = tests::find(&ZIP, bytes, how) {
            let whole = outcome.seen.iter().map(|(_, data)| data).eq(seen.iter().map(|(_, data)| data));
            assert!(whole || !outcome.tally.members.is_empty(), "{:?} {}", outcome.seen, bytes.escape_ascii());
            if !outcome.found.is_empty() {
                scrub(bytes);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]
    #[test]
    fn flips_and_cuts(at in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<bool>(), style in 0usize..4) {
        let styled = |member: Member| Member { descriptor: (style % 2 == 1).then_some((true, style > 1)), zip64: style > 1, comment: b"c".to_vec(), ..member };
        let mut made = two();
        made.members = made.members.into_iter().map(styled).collect();
        made.zip64 = style == 2;
        let mut bytes = made.build();
        let seen = find_by(&bytes, 4096).unwrap().seen;
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
            prop_assert!(find_by(&bytes, 512).is_err());
        } else {
            bytes[at] ^= 1 << bit;
            never_falsely_clean(&bytes, &seen);
        }
    }

    #[test]
    fn wild_bytes_in_headers(at in any::<prop::sample::Index>(), junk in prop::collection::vec(any::<u8>(), 1..9)) {
        let mut bytes = Archive { zip64: true, comment: ALICE.to_vec(), ..two() }.build();
        let seen = find_by(&bytes, 4096).unwrap().seen;
        let at = at.index(bytes.len());
        let end = (at + junk.len()).min(bytes.len());
        bytes[at..end].copy_from_slice(&junk[..end - at]);
        never_falsely_clean(&bytes, &seen);
    }
}
