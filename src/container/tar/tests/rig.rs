//! What find and lift need in tests: the rig of all containers, and readers of tars as judges.

use std::path::Path;

use crate::container::tar::TAR;
use crate::container::tests::{self, How};
pub use crate::container::tests::{ALICE, BOBBY, LONGER, Outcome, run};
use crate::error::Result;
use crate::layer::cx::Leaf;
use crate::layer::{Cx, Foretold};
use crate::limits::Limits;

/// Find, with reads of `size` bytes.
pub fn find_by(archive: &Vec<u8>, size: usize) -> Result<Outcome> {
    find_within(archive, size, &Limits::default())
}

pub fn find_within(archive: &Vec<u8>, size: usize, limits: &Limits) -> Result<Outcome> {
    tests::find(&TAR, archive, How { size, random: false, second: false, limits })
}

pub fn find(archive: &Vec<u8>) -> Result<Outcome> {
    find_by(archive, 64 * 1024)
}

/// Find and lift; see [`tests::scrub`].
pub fn scrub(archive: &Vec<u8>) -> (Outcome, Vec<u8>) {
    tests::scrub(&TAR, archive)
}

/// Name and bytes of each file as another reader sees it, in the archive's order.
pub fn files_by_python(dir: &Path) -> Option<Vec<(String, Vec<u8>)>> {
    const LIST: &str = "import tarfile\nt=tarfile.open('a.tar', errorlevel=2, encoding='utf-8')\nfor m in t:\n  if m.isreg(): print(m.name, t.extractfile(m).read().hex(), sep='\\t')\n";
    let text = String::from_utf8(run(dir, "python3", &["-c", LIST])?).unwrap();
    let unhex =
        |hex: &str| (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
    Some(
        text.lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(name, hex)| (name.to_owned(), unhex(hex)))
            .collect(),
    )
}

/// The same by the `tar` crate, which reads no PAX sparse members.
pub fn files_by_crate(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in ::tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let kind = entry.header().entry_type();
        if kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse() {
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            if !name.ends_with('/') {
                files.push((name, bytes));
            }
        }
    }
    files
}

/// GNU tar, bsdtar and Python list and unpack `archive` without a word; what Python reads is returned.
pub fn accepted(archive: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.tar"), archive).unwrap();
    for tool in ["tar", "bsdtar"] {
        run(dir.path(), tool, &["-tvf", "a.tar"]);
        let out = dir.path().join(tool);
        std::fs::create_dir(&out).unwrap();
        run(&out, tool, &["-xf", "../a.tar", "--no-same-owner"]);
    }
    files_by_python(dir.path())
}

/// Notes one leaf alone.
pub fn leaf(foretold: &mut Foretold, leaf: &Leaf) {
    tests::with_search(&Limits::default(), false, |search| {
        let mut cx = Cx::new(search, b"a.tar", None);
        cx.leaf("entries", leaf);
        *foretold = cx.foretold.clone();
    });
}
