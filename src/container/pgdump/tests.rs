//! The table of contents against `pg_restore -l`; all else is tested from outside.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use super::toc::{Bytes as _, Form, Head};
use crate::container::tests::run;
use crate::input::{BlobSource, Input};

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
