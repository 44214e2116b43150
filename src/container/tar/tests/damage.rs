//! Damage, refusals by name, and hand-made headers.

use super::archives::build;
use super::rig::{self, ALICE, BOBBY};
use crate::container::tar::entry::{self, Item};
use crate::container::tar::header::{self, BLOCK};
use crate::container::tar::{lift, named, names, pax, sniff};
use crate::error::Kind;
use crate::input::{BlobSource, Input};
use crate::layer::cx::Leaf;
use crate::limits::Limits;
use proptest::prelude::*;

const GNU: &[u8] = b"ustar  \0";
const POSIX: &[u8] = b"ustar\x0000";
const OLD: &[u8] = b"\0\0\0\0\0\0\0\0";

/// A header with a right checksum.
fn head(magic: &[u8], kind: u8, name: &[u8], size: &[u8]) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    block[..name.len()].copy_from_slice(name);
    block[100..108].copy_from_slice(b"0000644\0");
    block[header::SIZE.start..][..size.len()].copy_from_slice(size);
    block[header::TYPE] = kind;
    block[header::MAGIC].copy_from_slice(magic);
    sum(&mut block);
    block
}

fn sum(block: &mut [u8]) {
    block[header::CHECKSUM].fill(b' ');
    let sum: u32 = block[..BLOCK].iter().map(|b| u32::from(*b)).sum();
    block[header::CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// A header and its payload, filled up with NULs.
fn member(magic: &[u8], kind: u8, name: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut all = head(
        magic,
        kind,
        name,
        format!("{:011o}\0", payload.len()).as_bytes(),
    );
    all.extend_from_slice(payload);
    all.resize(all.len() + header::padding(payload.len() as u64), 0);
    all
}

fn ended(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), vec![0; 1024]].concat()
}

fn records(list: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (key, value) in list {
        pax::put(&mut body, key.as_bytes(), value);
    }
    member(POSIX, b'x', b"PaxHeaders/x", &body)
}

/// The reason for which an archive fails.
fn refused(archive: &Vec<u8>) -> (Kind, String) {
    let errors: Vec<_> = [1, 600, 1 << 16]
        .iter()
        .map(|size| rig::find_by(archive, *size).err().expect("refused"))
        .collect();
    assert!(
        errors
            .iter()
            .all(|e| e.to_string() == errors[0].to_string()),
        "{errors:?}"
    );
    (errors[0].kind(), errors[0].to_string())
}

#[test]
fn ends() {
    let file = member(GNU, b'0', b"a.log", b"one\n");
    for end in [0, 512, 1024, 1025, 10_240, 12_345] {
        let archive = [file.clone(), vec![0; end]].concat();
        let (outcome, _) = rig::scrub(&archive);
        assert_eq!(outcome.seen.len(), 1, "{end}");
    }
    for archive in [vec![], vec![0; 512], vec![0; 10_240]] {
        assert!(rig::scrub(&archive).0.seen.is_empty());
    }
    for (end, what) in [
        (
            vec![0; 100],
            "at byte 1124: the stream ends inside a header",
        ),
        (
            [vec![0; 512], file.clone()].concat(),
            "at byte 1536: bytes after the end of the archive",
        ),
        (
            [vec![0; 1024], b"x".to_vec()].concat(),
            "at byte 2048: bytes after the end of the archive",
        ),
        (
            [vec![0; 1024], vec![0; 700], b"x".to_vec()].concat(),
            "at byte 2748: bytes after the end of the archive",
        ),
    ] {
        let (kind, said) = refused(&[file.clone(), end].concat());
        assert_eq!((kind, said), (Kind::Damaged, format!("tar: {what}")));
    }
}

#[test]
fn refusals_say_what() {
    let file =
        |kind, name: &[u8], size: &[u8]| ended(&[head(POSIX, kind, name, size), vec![b'x'; 512]]);
    let mut sum_wrong = file(b'0', b"a", b"00000001000\0");
    sum_wrong[3] = b'!';
    let x =
        |list: &[(&str, &[u8])]| ended(&[records(list), member(POSIX, b'0', b"a", b"payload\n")]);
    let g = member(POSIX, b'g', b"g", b"13 size=1234\n");
    let long = member(GNU, b'L', b"././@LongLink", b"long\0");
    let mut dirty = member(POSIX, b'x', b"x", b"6 a=b\n");
    dirty[1023] = 1;
    for (archive, kind, what) in [
        (
            sum_wrong,
            Kind::Damaged,
            "tar: at byte 0: bad header checksum",
        ),
        (
            file(b'0', b"a", b"0000000100x\0"),
            Kind::Damaged,
            "tar: at byte 0: bad size",
        ),
        (
            file(
                b'0',
                b"a",
                b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            ),
            Kind::Damaged,
            "tar: at byte 0: bad size",
        ),
        (
            file(b'1', b"a", b"00000001000\0"),
            Kind::Unsupported,
            "tar hard link with a size",
        ),
        (
            file(b'5', b"a", b"00000001000\0"),
            Kind::Unsupported,
            "tar entry that is no file, with a size",
        ),
        (
            file(0, b"a/", b"00000001000\0"),
            Kind::Unsupported,
            "tar folder with a size",
        ),
        (
            file(b'M', b"a", b"00000001000\0"),
            Kind::Unsupported,
            "multi-volume tar",
        ),
        (
            file(b'S', b"a", b"00000001000\0"),
            Kind::Unsupported,
            "sparse tar member of an unknown kind",
        ),
        (
            ended(&[head(b"ustar-0\0", b'0', b"a", b"")]),
            Kind::Unsupported,
            "tar: tar of an unknown kind",
        ),
        (
            x(&[("size", b"9")]),
            Kind::Damaged,
            "tar: at byte 1024: the sizes in header and extended header differ",
        ),
        (
            x(&[("size", b"8"), ("size", b"9")]),
            Kind::Damaged,
            "tar: at byte 1024: two sizes in one extended header",
        ),
        (
            x(&[("size", b"-8")]),
            Kind::Damaged,
            "tar: at byte 1024: bad size in an extended header",
        ),
        (
            x(&[("SCHILY.realsize", b"8")]),
            Kind::Unsupported,
            "sparse tar member of an unknown kind",
        ),
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
        (
            ended(&[long.clone()]),
            Kind::Damaged,
            "tar: at byte 1024: an extended header without its entry",
        ),
        (
            long.clone(),
            Kind::Damaged,
            "tar: at byte 1024: an extended header without its entry",
        ),
        (
            ended(&[g]),
            Kind::Unsupported,
            "tar with sizes in a global header",
        ),
        (
            ended(&[member(POSIX, b'x', b"x", b"9 a=b\n")]),
            Kind::Damaged,
            "tar: at byte 512: a malformed extended header",
        ),
        (
            ended(&[dirty]),
            Kind::Damaged,
            "tar: at byte 518: the padding of an extended header is not zero",
        ),
        (
            ended(&[head(POSIX, b'x', b"x", b"00077777777\0")]),
            Kind::Limit,
            "a tar's extended header (1 MiB)",
        ),
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
    let starts: Vec<usize> = vec![
        0,
        archive[0].len() + archive[1].len(),
        archive.concat().len(),
    ];
    let archive = ended(&archive);
    for len in (0..archive.len())
        .step_by(97)
        .chain((0..archive.len()).step_by(512))
    {
        let cut = archive[..len].to_vec();
        let whole = starts.contains(&len) || len >= starts[2] + 512;
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
                Err(error) => assert!(
                    matches!(error.kind(), Kind::Damaged | Kind::Unsupported),
                    "bit {bit}"
                ),
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

#[test]
fn texts_are_masked_wherever_they_hide() {
    let text = |at: usize, magic: &[u8], kind| {
        let mut block = head(magic, kind, b"name", b"00000000000\0");
        block[at..at + ALICE.len()].copy_from_slice(ALICE);
        sum(&mut block);
        block
    };
    let mut archive = Vec::new();
    // Name, behind a name, link, behind an owner's name, owner, group, prefix, behind all fields.
    for at in [0, 60, 157, 200, 265, 297, 345, 400] {
        archive.push(text(at, POSIX, b'0'));
    }
    for at in [0, 60, 157, 200, 265, 297, 345, 495] {
        archive.push(text(at, GNU, b'2'));
    }
    for at in [0, 60, 157, 270, 400, 495] {
        archive.push(text(at, OLD, 0));
    }
    archive.push(member(POSIX, b'g', b"g", &{
        let mut body = Vec::new();
        pax::put(&mut body, b"comment", ALICE);
        body
    }));
    archive.push(records(&[
        ("comment", ALICE),
        ("SCHILY.xattr.user.alice@example.com", b"1"),
        ("SCHILY.xattr.user.x", BOBBY),
    ]));
    archive.push(member(POSIX, b'0', b"name", b""));
    archive.push(member(
        GNU,
        b'K',
        b"././@LongLink",
        &[b"link\0", ALICE].concat(),
    ));
    archive.push(member(GNU, b'2', b"name", b""));
    let (outcome, new) = rig::scrub(&ended(&archive));
    assert!(
        memchr::memmem::find(&new, ALICE).is_none() && memchr::memmem::find(&new, BOBBY).is_none()
    );
    assert_eq!(outcome.tally.names, 22 + 1 + 3 + 1);
}

/// A prefix and a name are one text with a slash between.
#[test]
fn a_split_name_is_searched_joined() {
    let mut block = head(POSIX, b'0', b"b@example.com", b"00000000000\0");
    block[345..352].copy_from_slice(b"x/alice");
    sum(&mut block);
    let (outcome, _) = rig::scrub(&ended(&[block]));
    assert_eq!(
        (outcome.tally.names, outcome.seen[0].0.as_str()),
        (0, "x/alice/b@example.com")
    );
}

#[test]
fn what_is_no_file_is_searched_raw_and_named() {
    let padded = |byte: &[u8]| {
        let mut all = member(GNU, b'0', b"p.log", b"clean\n");
        all[600..600 + byte.len()].copy_from_slice(byte);
        all
    };
    for (archive, reason, hit) in [
        (
            member(GNU, b'D', b"dir", b"Yalice@example.com\0"),
            "tar folder listing",
            true,
        ),
        (
            member(GNU, b'Q', b"odd", b"something"),
            "unknown tar entry type",
            false,
        ),
        (
            member(POSIX, b'0', b"logo.png", &[b"\x89PNG ", ALICE].concat()),
            "unknown format",
            true,
        ),
        (padded(b"x"), "padding that is not zero", false),
        (padded(BOBBY), "padding that is not zero", true),
    ] {
        let archive = ended(&[archive]);
        let (outcome, new) = rig::scrub(&archive);
        assert_eq!(new, archive, "kept byte for byte");
        let [member] = &outcome.tally.members[..] else {
            panic!("{:?}", outcome.tally.members)
        };
        assert_eq!((member.reason.as_str(), member.hit), (reason, hit));
    }
    // Behind a payload that changes, padding is made new.
    let mut archive = member(GNU, b'0', b"p.log", &[ALICE, b"\nclean\n"].concat());
    archive[700..717].copy_from_slice(ALICE);
    let (outcome, new) = rig::scrub(&ended(&[archive]));
    assert!(outcome.tally.members.is_empty() && memchr::memmem::find(&new, ALICE).is_none());
}

#[test]
fn odd_names_are_only_names() {
    let names: [&[u8]; 6] = [
        b"../../etc/passwd",
        b"/absolute",
        b"a\xff\xfe",
        b"new\nline",
        b"same",
        b"same",
    ];
    let archive =
        ended(&names.map(|name| member(POSIX, b'0', name, &[ALICE, b"\nkept\n"].concat())));
    let (outcome, new) = rig::scrub(&archive);
    assert_eq!(outcome.seen.len(), 6);
    assert_eq!(new.windows(5).filter(|w| w == b"kept\n").count(), 6);
}

#[test]
fn pax_sizes_change_with_their_payload() {
    for lines in [1, 2, 30, 60] {
        let payload = [BOBBY, b"\n"].concat().repeat(lines);
        let size = payload.len().to_string();
        let x = records(&[
            ("mtime", b"1.5"),
            ("size", size.as_bytes()),
            ("comment", &vec![b'c'; 491 - size.len()]),
        ]);
        let mut archive = member(POSIX, b'0', b"a.log", &payload);
        for own in [true, false] {
            if !own {
                archive[header::SIZE].copy_from_slice(b"00000000000\0");
                sum(&mut archive);
            }
            let (_, new) = rig::scrub(&ended(&[
                x.clone(),
                archive.clone(),
                member(POSIX, b'0', b"next", b""),
            ]));
            let files = rig::files_by_crate(&new);
            assert_eq!(files[0].1.len(), lines * (rig::LONGER.len() + 1));
            rig::accepted(&new);
        }
    }
}

#[test]
fn other_number_styles_stay() {
    let base_256 = |n: usize| {
        [
            &[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &(n as u16).to_be_bytes()[..],
        ]
        .concat()
    };
    let payload = [ALICE, b"\n", BOBBY, b"\nlast\n"].concat();
    let new_len = rig::LONGER.len() + 1 + 5;
    for (was, want) in [
        (base_256(payload.len()), base_256(new_len)),
        (
            format!("{:11o} ", payload.len()).into_bytes(),
            format!("{new_len:11o} ").into_bytes(),
        ),
        (
            format!("{:012o}", payload.len()).into_bytes(),
            format!("{new_len:012o}").into_bytes(),
        ),
    ] {
        let mut archive = member(GNU, b'0', b"a.log", &payload);
        archive[header::SIZE].copy_from_slice(&was);
        sum(&mut archive);
        let (_, new) = rig::scrub(&ended(&[archive]));
        assert_eq!(new[header::SIZE], want);
        rig::accepted(&new);
    }
}

/// A payload that outgrows eleven octal digits: the group alone, since no test writes 8 GiB.
#[test]
fn sizes_that_outgrow_octal() {
    let size = (1u64 << 33) + 5;
    let x = records(&[("mtime", b"1.5")]);
    for (group, blocks, octal) in [
        (vec![member(GNU, b'0', b"a", b"")], 1, false),
        (vec![member(OLD, 0, b"a", b"")], 1, false),
        (vec![member(POSIX, b'0', b"a", b"")], 3, true),
        (vec![x.clone(), member(POSIX, b'0', b"a", b"")], 3, true),
        (
            vec![
                x,
                member(GNU, b'K', b"././@LongLink", b"k"),
                member(POSIX, b'0', b"a", b""),
            ],
            5,
            true,
        ),
    ] {
        let bytes = group.concat();
        let read = |bytes: &Vec<u8>| match entry::next(&mut Input::new(BlobSource::new(bytes), 100))
            .unwrap()
        {
            Item::Entry(group) => group,
            _ => panic!("an entry"),
        };
        let old = read(&bytes);
        let new = read(&lift::with_size(&old, size).unwrap());
        assert_eq!(entry::describe(&new, b"a").unwrap().size, size);
        assert_eq!(new.raw.len(), blocks * BLOCK);
        assert_eq!(
            header::number(header::field(new.block(new.main), header::SIZE)) == Some(0),
            octal
        );
        assert!(names::name(&new) == b"a");
        let note = |group: &entry::Group| {
            let mut leaf = Leaf::default();
            names::note(group, &group.raw, &mut leaf);
            let mut foretold = crate::layer::Foretold::default();
            rig::leaf(&mut foretold, &leaf);
            foretold
        };
        assert_eq!(
            note(&old),
            note(&new),
            "an extended header with a size alone does not count"
        );
    }
}

#[test]
fn holes_count_as_decoded() {
    let x = records(&[
        ("GNU.sparse.size", b"900000000000"),
        ("GNU.sparse.map", b"0,4"),
    ]);
    let archive = ended(&[x, member(POSIX, b'0', b"a", b"one\n")]);
    let limits = Limits {
        max_decoded: 1 << 20,
        ..Limits::default()
    };
    let error = rig::find_within(&archive, 1 << 16, &limits).err().unwrap();
    assert!(
        error.reason().starts_with("limit: --max-decoded"),
        "{error}"
    );
}

#[test]
fn looks() {
    for magic in [GNU, POSIX, OLD] {
        let archive = member(magic, b'0', b"a", b"x");
        assert!(sniff(&archive, true) && named(&archive, true));
        assert!(!sniff(&archive[..511], true));
        let mut bad = archive.clone();
        bad[0] = b'b';
        assert_eq!(
            sniff(&bad, true),
            magic != OLD,
            "a wrong checksum under a magic is a damaged tar"
        );
    }
    for nothing in [&[][..], &[0; 512], &[0; 10_240]] {
        assert!(named(nothing, true) && !sniff(nothing, true));
    }
    for other in [&[0; 100][..], b"text\n", &[b'7'; 600]] {
        assert!(!named(other, true) && !sniff(other, true));
    }
    assert!(
        crate::container::by_extension(b"x.TAR")
            .is_some_and(|known| known.name == "tar" && known.layer.is_some())
    );
    assert!(
        crate::container::by_extension(b"x.tar.gz").is_none()
            && crate::container::sniff(b"", true).is_none()
    );
}
