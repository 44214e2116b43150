//! Archives of `pg_dump`: the bytes as they are, and rows made of them in blocks between DDL.

use super::pipeline::artifact;
use super::{choice, expand};

/// Custom archives: the bytes as they are behind the magic, and as rows, DDL and large objects of one that is whole.
pub fn pgarchive(data: &[u8]) {
    let (first, rest) = choice(data);
    artifact(b"x.dump", rest, first);
    if !rest.starts_with(b"PGDMP") {
        artifact(b"x.dump", &[b"PGDMP\x01\x0e\0\x04\x08\x01".as_slice(), rest].concat(), first);
    }
    let mut rows = Vec::new();
    for row in rest.chunks(4) {
        let cells: Vec<Vec<u8>> = row
            .chunks(2)
            .map(|cell| expand(cell).into_iter().filter(|b| !matches!(b, b'\t' | b'\n' | b'\r')).collect())
            .collect();
        rows.extend(cells.join(&b'\t'));
        rows.push(b'\n');
    }
    rows.extend_from_slice(b"\\.\n\n\n");
    let chunk = usize::from(first) * 3 + 1;
    artifact(b"y.dump", &made(first, &rows, &expand(rest), chunk), first);
}

fn int(value: usize, out: &mut Vec<u8>) {
    out.push(0);
    out.extend((value as u32).to_le_bytes());
}

fn text(value: &[u8], out: &mut Vec<u8>) {
    int(value.len(), out);
    out.extend_from_slice(value);
}

/// Name, DDL and statement of an entry, and whether it has data.
type Entry<'e> = (&'e [u8], &'e [u8], &'e [u8], usize);

/// An archive that is not compressed, with a table that has these rows, an entry that is called `name`, and it as a large object.
fn made(first: u8, rows: &[u8], name: &[u8], chunk: usize) -> Vec<u8> {
    let mut out = b"PGDMP\x01\x0e\0\x04\x08\x01".to_vec();
    for _ in 0..8 {
        int(0, &mut out);
    }
    for _ in 0..3 {
        text(b"x", &mut out);
    }
    let table: &[u8] = b"CREATE TABLE users (id text, email text UNIQUE);\n";
    let keys: &[u8] = b"ALTER TABLE users ADD PRIMARY KEY (id), ADD FOREIGN KEY (email) REFERENCES users (id);\n";
    let copy: &[u8] = b"COPY users (id, email) FROM stdin;\n";
    let entries: [Entry<'_>; 4] =
        [(name, table, b"", 0), (b"users", b"", copy, 1), (b"LARGE", b"", b"", 1), (b"keys", keys, b"", 0)];
    int(entries.len(), &mut out);
    for (id, (tag, definition, copy, data)) in entries.into_iter().enumerate() {
        int(id, &mut out);
        int(data, &mut out);
        for value in [b"0".as_slice(), b"0", tag, b"TABLE"] {
            text(value, &mut out);
        }
        int(2, &mut out);
        for value in [definition, b"", copy, b"public", b"", b"heap", b"postgres", b"false"] {
            text(value, &mut out);
        }
        out.extend([1, 0, 0, 0, 0]);
        let last = out.len() - 4;
        // No more dependencies: -1.
        out[last] = 1;
        out.extend([if data == 1 { 1 } else { 3 }, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
    let blocks: [(u8, usize, &[u8]); 2] = [(1, 1, rows), (3, 2, name)];
    for (kind, id, bytes) in blocks {
        out.push(kind);
        int(id, &mut out);
        if kind == 3 {
            int(usize::from(first) + 1, &mut out);
        }
        for piece in bytes.chunks(chunk) {
            text(piece, &mut out);
        }
        int(0, &mut out);
        if kind == 3 {
            int(0, &mut out);
        }
    }
    out
}
