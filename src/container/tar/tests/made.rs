//! Hand-made archives: texts in odd places, numbers of all styles, what is no file.

use super::blocks::{GNU, OLD, POSIX, ended, head, member, records, sum};
use super::rig::{self, ALICE, BOBBY};
use crate::container::tar::entry::{self, Item};
use crate::container::tar::header::{self, BLOCK};
use crate::container::tar::{lift, named, names, pax, sniff};
use crate::input::{BlobSource, Input};
use crate::layer::cx::Leaf;
use crate::limits::Limits;

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
    archive.push(member(GNU, b'K', b"././@LongLink", &[b"link\0", ALICE].concat()));
    archive.push(member(GNU, b'2', b"name", b""));
    let (outcome, new) = rig::scrub(&ended(&archive));
    assert!(memchr::memmem::find(&new, ALICE).is_none() && memchr::memmem::find(&new, BOBBY).is_none());
    assert_eq!(outcome.tally.names, 22 + 1 + 3 + 1);
}

/// A prefix and a name are one text with a slash between.
#[test]
fn a_split_name_is_searched_joined() {
    let mut block = head(POSIX, b'0', b"b@example.com", b"00000000000\0");
    block[345..352].copy_from_slice(b"x/alice");
    sum(&mut block);
    let (outcome, _) = rig::scrub(&ended(&[block]));
    assert_eq!((outcome.tally.names, outcome.seen[0].0.as_str()), (0, "x/alice/b@example.com"));
}

#[test]
fn what_is_no_file_is_searched_raw_and_named() {
    let padded = |byte: &[u8]| {
        let mut all = member(GNU, b'0', b"p.log", b"clean\n");
        all[600..600 + byte.len()].copy_from_slice(byte);
        all
    };
    for (archive, reason, hit) in [
        (member(GNU, b'D', b"dir", b"Yalice@example.com\0"), "tar folder listing", true),
        (member(GNU, b'Q', b"odd", b"something"), "unknown tar entry type", false),
        (member(POSIX, b'0', b"logo.png", &[b"\x89PNG ", ALICE].concat()), "unknown format", true),
        (padded(b"x"), "padding that is not zero", false),
        (padded(BOBBY), "padding that is not zero", true),
    ] {
        let archive = ended(&[archive]);
        let (outcome, new) = rig::scrub(&archive);
        assert_eq!(new, archive, "kept byte for byte");
        let [member] = &outcome.tally.members[..] else { panic!("{:?}", outcome.tally.members) };
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
    let names: [&[u8]; 6] = [b"../../etc/passwd", b"/absolute", b"a\xff\xfe", b"new\nline", b"same", b"same"];
    let archive = ended(&names.map(|name| member(POSIX, b'0', name, &[ALICE, b"\nkept\n"].concat())));
    let (outcome, new) = rig::scrub(&archive);
    assert_eq!(outcome.seen.len(), 6);
    assert_eq!(new.windows(5).filter(|w| w == b"kept\n").count(), 6);
}

#[test]
fn pax_sizes_change_with_their_payload() {
    for lines in [1, 2, 30, 60] {
        let payload = [BOBBY, b"\n"].concat().repeat(lines);
        let size = payload.len().to_string();
        let x = records(&[("mtime", b"1.5"), ("size", size.as_bytes()), ("comment", &vec![b'c'; 491 - size.len()])]);
        let mut archive = member(POSIX, b'0', b"a.log", &payload);
        for own in [true, false] {
            if !own {
                archive[header::SIZE].copy_from_slice(b"00000000000\0");
                sum(&mut archive);
            }
            let (_, new) = rig::scrub(&ended(&[x.clone(), archive.clone(), member(POSIX, b'0', b"next", b"")]));
            let files = rig::files_by_crate(&new);
            assert_eq!(files[0].1.len(), lines * (rig::LONGER.len() + 1));
            rig::accepted(&new);
        }
    }
}

#[test]
fn other_number_styles_stay() {
    let base_256 = |n: usize| [&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0], &(n as u16).to_be_bytes()[..]].concat();
    let payload = [ALICE, b"\n", BOBBY, b"\nlast\n"].concat();
    let new_len = rig::LONGER.len() + 1 + 5;
    for (was, want) in [
        (base_256(payload.len()), base_256(new_len)),
        (format!("{:11o} ", payload.len()).into_bytes(), format!("{new_len:11o} ").into_bytes()),
        (format!("{:012o}", payload.len()).into_bytes(), format!("{new_len:012o}").into_bytes()),
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
        (vec![x, member(GNU, b'K', b"././@LongLink", b"k"), member(POSIX, b'0', b"a", b"")], 5, true),
    ] {
        let bytes = group.concat();
        let read = |bytes: &Vec<u8>| match entry::next(&mut Input::new(BlobSource::new(bytes), 100)).unwrap() {
            Item::Entry(group) => group,
            _ => panic!("an entry"),
        };
        let old = read(&bytes);
        let new = read(&lift::with_size(&old, size).unwrap());
        assert_eq!(entry::describe(&new, b"a").unwrap().size, size);
        assert_eq!(new.raw.len(), blocks * BLOCK);
        assert_eq!(header::number(header::field(new.block(new.main), header::SIZE)) == Some(0), octal);
        assert!(names::name(&new) == b"a");
        let note = |group: &entry::Group| {
            let mut leaf = Leaf::default();
            names::note(group, &group.raw, &mut leaf);
            let mut foretold = crate::layer::Foretold::default();
            rig::leaf(&mut foretold, &leaf);
            foretold
        };
        assert_eq!(note(&old), note(&new), "an extended header with a size alone does not count");
    }
}

#[test]
fn holes_count_as_decoded() {
    let x = records(&[("GNU.sparse.size", b"900000000000"), ("GNU.sparse.map", b"0,4")]);
    let archive = ended(&[x, member(POSIX, b'0', b"a", b"one\n")]);
    let limits = Limits { max_decoded: 1 << 20, ..Limits::default() };
    let error = rig::find_within(&archive, 1 << 16, &limits).err().unwrap();
    assert!(error.reason().starts_with("limit: --max-decoded"), "{error}");
}

#[test]
fn looks() {
    for magic in [GNU, POSIX, OLD] {
        let archive = member(magic, b'0', b"a", b"x");
        assert!(sniff(&archive, true) && named(&archive, true));
        assert!(!sniff(&archive[..511], true));
        let mut bad = archive.clone();
        bad[0] = b'b';
        assert_eq!(sniff(&bad, true), magic != OLD, "a wrong checksum under a magic is a damaged tar");
    }
    for nothing in [&[][..], &[0; 512], &[0; 10_240]] {
        assert!(named(nothing, true) && !sniff(nothing, true));
    }
    for other in [&[0; 100][..], b"text\n", &[b'7'; 600]] {
        assert!(!named(other, true) && !sniff(other, true));
    }
    assert!(crate::container::by_extension(b"x.TAR").is_some_and(|known| known.name == "tar" && known.layer.is_some()));
    assert!(crate::container::by_extension(b"x.tar.gz").is_none() && crate::container::sniff(b"", true).is_none());
}

/// Names and link targets of an archive, in order.
fn names_and_links(archive: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    for entry in ::tar::Archive::new(archive).entries().unwrap() {
        let entry = entry.unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let link = entry.link_name_bytes().map(|link| format!(" -> {}", text(&link))).unwrap_or_default();
        all.push(text(&entry.path_bytes()) + &link);
    }
    all
}

fn link(magic: &[u8], kind: u8, name: &[u8], target: &[u8]) -> Vec<u8> {
    let mut block = head(magic, kind, name, b"00000000000\0");
    block[header::LINK.start..][..target.len()].copy_from_slice(target);
    sum(&mut block);
    block
}

/// What belongs to one person stays together, apart from what is another's: folders, files, links and long names.
#[test]
fn folders_of_masked_people_stay_apart_and_whole() {
    let long = "d".repeat(120);
    let path = format!("h/bobby@example.com/{long}");
    let archive = ended(&[
        member(POSIX, b'5', b"h/alice@example.com/", b""),
        member(POSIX, b'0', b"h/alice@example.com/x", b"of the first\n"),
        link(POSIX, b'2', b"early", b"h/bobby@example.com/x"),
        member(POSIX, b'5', b"h/bobby@example.com/", b""),
        member(POSIX, b'0', b"h/bobby@example.com/x", b"of the second\n"),
        link(POSIX, b'2', b"sl", b"h/bobby@example.com/x"),
        link(POSIX, b'1', b"hard", b"h/bobby@example.com/x"),
        records(&[("path", path.as_bytes())]),
        member(POSIX, b'0', &path.as_bytes()[..100], b"by PAX\n"),
        member(GNU, b'L', b"././@LongLink", format!("{path}e\0").as_bytes()),
        member(GNU, b'0', &path.as_bytes()[..100], b"by GNU\n"),
        member(GNU, b'K', b"././@LongLink", format!("{path}e\0").as_bytes()),
        link(GNU, b'2', b"far", &path.as_bytes()[..100]),
    ]);
    let (_, new) = rig::scrub(&archive);
    let (first, second) = ("h/*****************", "h/***************~1");
    assert_eq!(
        names_and_links(&new),
        [
            format!("{first}/"),
            format!("{first}/x"),
            format!("early -> {second}/x"),
            format!("{second}/"),
            format!("{second}/x"),
            format!("sl -> {second}/x"),
            format!("hard -> {second}/x"),
            format!("{second}/{long}"),
            format!("{second}/{long}e"),
            format!("far -> {second}/{long}e"),
        ]
    );
    assert_eq!(memchr::memmem::find_iter(&new, b"***************~1/").count(), 11, "headers' cut names follow");
    rig::accepted(&new);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.tar"), &new).unwrap();
    if rig::run(dir.path(), "tar", &["-xf", "a.tar"]).is_some() {
        for name in ["early", "sl", "hard"] {
            assert_eq!(std::fs::read(dir.path().join(name)).unwrap(), b"of the second\n", "{name}");
        }
        assert_eq!(std::fs::read(dir.path().join("far")).unwrap(), b"by GNU\n");
    }
}

/// Names with stars of their own (of an earlier run): those before are avoided, those after give way.
#[test]
fn stars_of_others() {
    let stars = b"h/*****************/x";
    let file = |name: &[u8]| member(POSIX, b'0', name, b"clean\n");
    let (_, new) = rig::scrub(&ended(&[file(stars), file(b"h/alice@example.com/x"), file(stars)]));
    let (plain, first) = ("h/*****************/x", "h/***************~1/x");
    assert_eq!(names_and_links(&new), [plain, first, plain]);
    let (_, new) = rig::scrub(&ended(&[file(b"h/alice@example.com/x"), file(stars)]));
    assert_eq!(names_and_links(&new), [plain, first]);
    let clean = ended(&[file(stars), file(b"h/**/*"), file(stars)]);
    assert_eq!(rig::scrub(&clean).1, clean);
}

/// Archives without a single payload.
#[test]
fn links_alone() {
    let archive = ended(&[
        link(GNU, b'2', b"a", b"b"),
        link(POSIX, b'1', b"c", b"h/alice@example.com/x"),
        link(OLD, b'2', b"d", b"b"),
    ]);
    let (_, new) = rig::scrub(&archive);
    assert_eq!(names_and_links(&new), ["a -> b", "c -> h/*****************/x", "d -> b"]);
}
