//! The table of contents against `pg_restore -l`, and blocks in zlib's format by both decoders; all else is tested from outside.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::path::Path;

use proptest::prelude::*;

use super::coded::Coded;
use super::toc::{Bytes as _, Form, Head};
use crate::container::tests::run;
use crate::error::Result;
use crate::input::{BlobSource, Input, Source};
use crate::layer::coded::{Codec as _, Heads};

/// Number, schema or `-`, name and owner of each entry, as `pg_restore -l` lists them, with its kind.
fn contents(archive: &[u8], size: usize) -> (u64, Vec<String>) {
    let archive = archive.to_vec();
    let mut input = Input::new(BlobSource::new(&archive), size);
    let head = Head::read(&mut input).unwrap();
    assert_eq!(head.form, Form::Custom);
    let mut out = Vec::new();
    for _ in 0..head.entries {
        let entry = head.entry(&mut input).unwrap();
        head.place(&mut input).unwrap();
        input.step(head.place_len()).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let schema = if entry.schema.is_empty() { "-".to_owned() } else { text(&entry.schema) };
        let owner = text(entry.names.last().unwrap());
        out.push(format!("{} {} {schema} {} {owner}", entry.id, text(&entry.kind), text(&entry.tag)));
    }
    (head.entries, out)
}

#[test]
fn contents_are_what_pg_restore_lists() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archives");
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_none_or(|extension| extension != "dump") {
            continue;
        }
        let archive = std::fs::read(&path).unwrap();
        let (count, ours) = contents(&archive, 64 * 1024);
        for size in [1, 7, 1000] {
            assert_eq!(contents(&archive, size).1, ours, "reads of {size}");
        }
        if !name.starts_with("pg15") {
            continue;
        }
        let Some(listed) = run(&folder, "pg_restore", &["-l", &name]) else { return };
        let listed = String::from_utf8(listed).unwrap();
        assert!(listed.contains(&format!("TOC Entries: {count}\n")), "{name}: {count}");
        for line in listed.lines().filter(|line| !line.starts_with(';')) {
            // 215; 1259 16385 TABLE public users postgres
            let (id, rest) = line.split_once("; ").unwrap();
            let rest = rest.splitn(3, ' ').nth(2).unwrap();
            assert!(ours.contains(&format!("{id} {rest}")), "{name}: {line}\n{ours:#?}");
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen} entries");
}

/// A source that gives at most `most` bytes at a time.
struct Slow<'s>(&'s [u8], usize);

impl Source for Slow<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let n = self.1.min(buf.len()).min(self.0.len());
        buf[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

/// All of a block, read `room` bytes at a time.
fn inflated(block: &[u8], most: usize, room: usize, second: bool) -> Result<Vec<u8>> {
    let mut source =
        Coded::Zlib(6).decoder(Box::new(Slow(block, most)), Heads::names_only(), second, Box::new(|_| Ok(())))?;
    let (mut out, mut buf) = (Vec::new(), vec![0; room]);
    loop {
        match source.read(&mut buf)? {
            0 => return Ok(out),
            n => out.extend_from_slice(&buf[..n]),
        }
    }
}

proptest! {
    /// Both decoders read what zlib writes, however it comes, and take nothing else for it.
    #[test]
    fn blocks_are_inflated(
        text in prop::collection::vec(prop::sample::select(b"abc\n\0\xff".to_vec()), 0..3000),
        level in 0u32..10,
        most in 1usize..300,
        room in 1usize..5000,
        at in 0usize..4000,
        bit in 0u32..8,
    ) {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(level));
        encoder.write_all(&text).unwrap();
        let block = encoder.finish().unwrap();
        for second in [false, true] {
            prop_assert_eq!(&inflated(&block, most, room, second).unwrap(), &text);
        }
        let mut flipped = block.clone();
        let at = at % block.len();
        flipped[at] ^= 1 << bit;
        for second in [false, true] {
            if let Ok(got) = inflated(&flipped, most, room, second) {
                prop_assert_eq!(&got, &text);
            }
            prop_assert!(inflated(&block[..at], most, room, second).is_err());
            prop_assert!(inflated(&[&block[..], b"x"].concat(), most, room, second).is_err());
        }
    }
}
