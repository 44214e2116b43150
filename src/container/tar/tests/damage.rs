//! Damage, and refusals by name.

use super::archives::build;
use super::blocks::{GNU, OLD, POSIX, ended, head, member, records, sum};
use super::rig::{self, ALICE, BOBBY};
use crate::container::tar::header::{self, BLOCK};
use crate::error::Kind;
use proptest::prelude::*;

/// The reason for which an archive fails.
fn refused(archive: &Vec<u8>) -> (Kind, String) {
    let errors: Vec<_> =
        [1, 600, 1 << 16].iter().map(|size| rig::find_by(archive, *size).err().expect("refused")).collect();
    assert!(errors.iter().all(|e| e.to_string() == errors[0].to_string()), "{errors:?}");
    (errors[0].kind(), errors[0].to_string())
}

#[test]
fn ends() {
    let file = member(GNU, b'0', b"a.log", b"one\n");
    for end in [512, 513, 1024, 1025, 10_240, 12_345] {
        let archive = [file.clone(), vec![0; end]].concat();
        let (outcome, _) = rig::scrub(&archive);
        assert_eq!(outcome.seen.len(), 1, "{end}");
    }
    for archive in [vec![], vec![0; 512], vec![0; 10_240]] {
        assert!(rig::scrub(&archive).0.seen.is_empty());
    }
    for (end, what) in [
        (vec![], "at byte 1024: no end-of-archive block: the archive may be cut off"),
        (vec![0; 100], "at byte 1124: the stream ends inside a header"),
        ([vec![0; 512], file.clone()].concat(), "at byte 1536: bytes after the end of the archive"),
        ([vec![0; 1024], b"x".to_vec()].concat(), "at byte 2048: bytes after the end of the archive"),
        ([vec![0; 1024], vec![0; 700], b"x".to_vec()].concat(), "at byte 2748: bytes after the end of the archive"),
    ] {
        let (kind, said) = refused(&[file.clone(), end].concat());
        assert_eq!((kind, said), (Kind::Damaged, format!("tar: {what}")));
    }
}

#[test]
fn refusals_say_what() {
    let file = |kind, name: &[u8], size: &[u8]| ended(&[head(POSIX, kind, name, size), vec![b'x'; 512]]);
    let mut sum_wrong = file(b'0', b"a", b"00000001000\0");
    sum_wrong[3] = b'!';
    for (archive, kind, what) in [
        (sum_wrong, Kind::Damaged, "tar: at byte 0: bad header checksum"),
        (file(b'0', b"a", b"0000000100x\0"), Kind::Damaged, "tar: at byte 0: bad size"),
        (
            file(b'0', b"a", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
            Kind::Damaged,
            "tar: at byte 0: bad size",
        ),
        (file(b'1', b"a", b"00000001000\0"), Kind::Unsupported, "tar hard link with a size"),
        (file(b'5', b"a", b"00000001000\0"), Kind::Unsupported, "tar entry that is no file, with a size"),
        (file(0, b"a/", b"00000001000\0"), Kind::Unsupported, "tar folder with a size"),
        (file(b'M', b"a", b"00000001000\0"), Kind::Unsupported, "multi-volume tar"),
        (file(b'S', b"a", b"00000001000\0"), Kind::Unsupported, "sparse tar member of an unknown kind"),
        (ended(&[head(b"ustar-0\0", b'0', b"a", b"")]), Kind::Unsupported, "tar: tar of an unknown kind"),
    ] {
        assert_eq!(refused(&archive), (kind, what.to_owned()));
    }
}

#[test]
fn refusals_of_extended_headers_say_what() {
    let x = |list: &[(&str, &[u8])]| ended(&[records(list), member(POSIX, b'0', b"a", b"payload\n")]);
    let g = member(POSIX, b'g', b"g", b"13 size=1234\n");
    let long = member(GNU, b'L', b"././@LongLink", b"long\0");
    let mut dirty = member(POSIX, b'x', b"x", b"6 a=b\n");
    dirty[1023] = 1;
    for (archive, kind, what) in [
        (x(&[("size", b"9")]), Kind::Damaged, "tar: at byte 1024: the sizes in header and extended header differ"),
        (x(&[("size", b"8"), ("size", b"9")]), Kind::Damaged, "tar: at byte 1024: two sizes in one extended header"),
        (x(&[("size", b"-8")]), Kind::Damaged, "tar: at byte 1024: bad size in an extended header"),
        (x(&[("SCHILY.realsize", b"8")]), Kind::Unsupported, "sparse tar member of an unknown kind"),
        (
            x(&[("GNU.sparse.major", b"2"), ("GNU.sparse.realsize", b"9")]),
            Kind::Unsupported,
            "sparse tar member of an unknown kind",
        ),
        (
            x(&[("GNU.sparse.size", b"90"), ("GNU.sparse.map", b"0,4,2,4")]),
            Kind::Damaged,
            "tar: at byte 1536: a malformed sparse map",
        ),
        (
            x(&[("GNU.sparse.size", b"90"), ("GNU.sparse.map", b"0,4,8,4")]),
            Kind::Unsupported,
            "sparse tar member with regions that are not whole blocks",
        ),
        (
            x(&[("GNU.sparse.size", b"90"), ("GNU.sparse.map", b"0,7")]),
            Kind::Damaged,
            "tar: at byte 1536: a malformed sparse map",
        ),
        (
            ended(&[records(&[]), records(&[])]),
            Kind::Damaged,
            "tar: at byte 512: two extended headers of one kind before an entry",
        ),
        (
            ended(&[long.clone(), long.clone()]),
            Kind::Damaged,
            "tar: at byte 1024: two extended headers of one kind before an entry",
        ),
        (ended(std::slice::from_ref(&long)), Kind::Damaged, "tar: at byte 1024: an extended header without its entry"),
        (long.clone(), Kind::Damaged, "tar: at byte 1024: an extended header without its entry"),
        (ended(&[g]), Kind::Unsupported, "tar with sizes in a global header"),
        (
            ended(&[member(POSIX, b'x', b"x", b"9 a=b\n")]),
            Kind::Damaged,
            "tar: at byte 512: a malformed extended header",
        ),
        (ended(&[dirty]), Kind::Damaged, "tar: at byte 518: the padding of an extended header is not zero"),
        (ended(&[head(POSIX, b'x', b"x", b"00077777777\0")]), Kind::Limit, "a tar's extended header (1 MiB)"),
    ] {
        assert_eq!(refused(&archive), (kind, what.to_owned()));
    }
}

#[test]
fn truncation_anywhere_is_an_error() {
    let archive = [
        records(&[("path", ALICE), ("comment", b"c")]),
        member(POSIX, b'0', b"short", &[b'x'; 700]),
        member(GNU, b'L', b"././@LongLink", b"long\0"),
        member(GNU, b'0', b"long", b"two\n"),
    ];
    let end = archive.concat().len();
    let archive = ended(&archive);
    for len in (0..archive.len()).step_by(97).chain((0..archive.len()).step_by(512)) {
        let cut = archive[..len].to_vec();
        let whole = len == 0 || len >= end + 512;
        assert_eq!(rig::find(&cut).is_ok(), whole, "{len}");
        if !whole {
            assert_eq!(refused(&cut).0, Kind::Damaged);
        }
    }
}

/// Every flipped bit of a header is noticed, or changes nothing (as in the checksum's own padding).
#[test]
fn flipped_bits_in_headers() {
    let archive = build(&[("one.log", b"one\n"), ("two.log", ALICE)]);
    let clean = rig::find(&archive).unwrap();
    for bit in 0..BLOCK * 8 {
        for start in [0, 2 * BLOCK] {
            let mut bad = archive.clone();
            bad[start + bit / 8] ^= 1 << (bit % 8);
            match rig::find_by(&bad, 333) {
                Ok(outcome) => {
                    assert!(header::CHECKSUM.contains(&(bit / 8)), "bit {bit}");
                    assert_eq!(outcome.seen, clean.seen);
                }
                Err(error) => assert!(matches!(error.kind(), Kind::Damaged | Kind::Unsupported), "bit {bit}"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    /// Wild headers with right checksums: an error or an answer, the same for all read sizes, and lift is sound.
    #[test]
    fn wild_headers(kind in prop::sample::select(b"0\x00751234xgLKSDVAZ".to_vec()), magic in prop::sample::select(vec![GNU, POSIX, OLD]),
                    size in 0usize..1200, at in 0usize..512, junk in prop::collection::vec(any::<u8>(), 0..24), body in prop::sample::select(vec![&b"x"[..], b"alice@example.com\n", b"bobby@example.com\n", b"20 GNU.sparse.size=9\n"])) {
        let mut block = head(magic, kind, b"name", format!("{size:011o}\0").as_bytes());
        let end = (at + junk.len()).min(BLOCK);
        block[at..end].copy_from_slice(&junk[..end - at]);
        sum(&mut block);
        let mut payload = body.repeat(size / body.len() + 1);
        payload.truncate(size);
        payload.resize(size + header::padding(size as u64), 0);
        let archive = ended(&[block, payload, member(magic, b'0', b"after", BOBBY)]);
        match rig::find(&archive) {
            Ok(_) => { rig::scrub(&archive); }
            Err(_) => { refused(&archive); }
        }
    }
}
