//! Drafts: what is written is what the patch says, and nothing stays behind.

use super::*;
use crate::blob::Blob;
use crate::error::Kind;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Long and short kept ranges, by the kernel or by hand: the bytes, the digest and the count are the patch's.
    #[test]
    fn drafts_hold_what_the_patch_says(
        len in 0usize..1_500_000,
        cuts in prop::collection::vec((0usize..600_000, 0usize..90_000, prop::collection::vec(any::<u8>(), 0..90)), 0..8),
        way in 0usize..6,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let base: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
        fs::write(&path, &base).unwrap();
        let (mut at, mut edits) = (0, Vec::new());
        for (gap, cut, payload) in &cuts {
            let start = (at + gap).min(len);
            at = (start + cut).min(len);
            edits.push((start as u64, at as u64, payload.as_slice()));
        }
        let patch = patch(len as u64, &edits);
        let wanted = patch.to_bytes(&base).unwrap();
        let opened = ways()[way].open(&object(&path), REPLACE).unwrap();
        let mut draft = opened.draft(To::InPlace, patch.len()).unwrap();
        let applied = draft.apply(&patch).unwrap();
        prop_assert_eq!(applied.bytes, wanted.len() as u64);
        prop_assert_eq!(applied.sha256, Some(sha256(&wanted)));
        prop_assert_eq!(applied.kept, len as u64 - patch.edits.removed());
        prop_assert_eq!(crate::store::digest(draft.blob()).unwrap(), sha256(&wanted));
        drop(draft);
        prop_assert_eq!(names(dir.path()), ["f"]);
        prop_assert_eq!(fs::read(&path).unwrap(), base);
    }
}

#[test]
fn a_patch_for_another_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    fs::write(&path, b"0123456789").unwrap();
    let opened = Disk::default().open(&object(&path), REPLACE).unwrap();
    let mut draft = opened.draft(To::InPlace, 9).unwrap();
    assert_eq!(draft.apply(&patch(11, &[(0, 2, b"")])).unwrap_err().kind(), Kind::Verify);
    assert_eq!(draft.apply(&patch(10, &[(0, 2, b"")])).unwrap_err().kind(), Kind::Verify);
    assert_eq!(draft.commit().unwrap_err().kind(), Kind::Verify);
    assert_eq!(names(dir.path()), ["f"]);
}

#[test]
fn too_little_space_is_told_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    fs::write(&path, b"x").unwrap();
    let opened = Disk::default().open(&object(&path), REPLACE).unwrap();
    let error = opened.draft(To::InPlace, u64::MAX / 2).err().unwrap();
    assert!(error.to_string().starts_with("no space"), "{error}");
}

#[test]
fn reading_ends_at_the_length_of_the_opening() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    fs::write(&path, b"12345").unwrap();
    let opened = Disk::default().open(&object(&path), Purpose::Read).unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    std::io::Write::write_all(&mut file, b"678").unwrap();
    let mut buf = [0; 9];
    assert_eq!((opened.read_at(3, &mut buf).unwrap(), &buf[..2]), (2, &b"45"[..]));
    assert_eq!(opened.read_at(5, &mut buf).unwrap(), 0);
    assert_eq!(opened.check().unwrap_err().reason(), "changed");
    file.set_len(2).unwrap();
    assert!(opened.read_at(3, &mut buf).is_err(), "a shorter file is no end of file");
}
