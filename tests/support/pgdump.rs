//! Archives of `pg_dump`, written and read by other code than the project's: after `pg_backup_archiver.c` and `pg_backup_custom.c` once more.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use super::make;

/// What an entry has besides its DDL.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    None,
    Rows(Vec<u8>),
    Objects(Vec<(u32, Vec<u8>)>),
}

/// An entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub id: u32,
    pub tag: String,
    pub kind: String,
    pub definition: String,
    pub copy: String,
    pub schema: String,
    pub data: Data,
}

impl Entry {
    /// One that holds DDL.
    pub fn ddl(id: u32, kind: &str, definition: &str) -> Self {
        let text = str::to_owned;
        Self {
            id,
            tag: text("x"),
            kind: text(kind),
            definition: text(definition),
            copy: String::new(),
            schema: text("public"),
            data: Data::None,
        }
    }

    /// The rows of a table.
    pub fn rows(id: u32, copy: &str, rows: &[u8]) -> Self {
        Self { copy: copy.to_owned(), data: Data::Rows(rows.to_vec()), ..Self::ddl(id, "TABLE DATA", "") }
    }

    /// In another schema than `public`.
    pub fn within(self, schema: &str) -> Self {
        Self { schema: schema.to_owned(), ..self }
    }

    /// Large objects.
    pub fn objects(id: u32, objects: &[(u32, &[u8])]) -> Self {
        let objects = objects.iter().map(|(oid, bytes)| (*oid, bytes.to_vec())).collect();
        Self { data: Data::Objects(objects), ..Self::ddl(id, "BLOBS", "") }
    }
}

/// How blocks are compressed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Packing {
    None,
    Gzip,
    Lz4,
    Zstd,
}

/// How an archive is written.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// Second number of its version, 12 to 16.
    pub minor: u8,
    pub packing: Packing,
    /// Its output could be sought in: offsets are set.
    pub placed: bool,
    /// Its output was open for appending: the entries come again behind the blocks.
    pub again: bool,
    /// Bytes of a chunk.
    pub chunk: usize,
}

impl Default for How {
    fn default() -> Self {
        Self { minor: 14, packing: Packing::Gzip, placed: true, again: false, chunk: 4096 }
    }
}

/// A number.
pub fn int(value: i64) -> Vec<u8> {
    [&[u8::from(value < 0)], (value.unsigned_abs() as u32).to_le_bytes().as_slice()].concat()
}

fn text(value: &str) -> Vec<u8> {
    [int(value.len() as i64), value.as_bytes().to_vec()].concat()
}

/// What stands before the entries; `form` is 1 for a custom archive, 3 for those of several files.
pub fn head(how: &How, form: u8, entries: usize) -> Vec<u8> {
    let mut out = [b"PGDMP\x01", [how.minor, 0, 4, 8, form].as_slice()].concat();
    match how.packing {
        packing if how.minor >= 15 => out.push(packing as u8),
        Packing::None => out.extend(int(0)),
        _ => out.extend(int(-1)),
    }
    for number in [1, 2, 3, 4, 5, 126, 0] {
        out.extend(int(number));
    }
    for name in ["shop", "15.18", "15.18"] {
        out.extend(text(name));
    }
    out.extend(int(entries as i64));
    out
}

/// An entry up to what is of the archive's form.
pub fn entry(entry: &Entry, how: &How) -> Vec<u8> {
    let mut out = int(entry.id.into());
    out.extend(int((entry.data != Data::None).into()));
    for value in ["1259", "16385", &entry.tag, &entry.kind] {
        out.extend(text(value));
    }
    out.extend(int(if entry.data == Data::None { 2 } else { 3 }));
    for value in [&entry.definition, "", &entry.copy, &entry.schema, ""] {
        out.extend(text(value));
    }
    if how.minor >= 14 {
        out.extend(text("heap"));
    }
    if how.minor >= 16 {
        out.extend(int(114));
    }
    out.extend(text("postgres"));
    out.extend(text("false"));
    out.extend(text("7"));
    out.extend(int(-1));
    out
}

fn pack(bytes: &[u8], packing: Packing) -> Vec<u8> {
    match packing {
        Packing::None => bytes.to_vec(),
        Packing::Gzip => {
            let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
            out.write_all(bytes).unwrap();
            out.finish().unwrap()
        }
        Packing::Lz4 => make::lz4(bytes),
        Packing::Zstd => zstd::encode_all(bytes, 3).unwrap(),
    }
}

fn chunks(bytes: &[u8], how: &How) -> Vec<u8> {
    let packed = pack(bytes, how.packing);
    let mut out = Vec::new();
    for chunk in packed.chunks(how.chunk) {
        out.extend(int(chunk.len() as i64));
        out.extend(chunk);
    }
    out.extend(int(0));
    out
}

/// A custom archive; with it, where each block starts.
pub fn write(entries: &[Entry], how: &How) -> (Vec<u8>, BTreeMap<u32, usize>) {
    let contents = |places: Option<&BTreeMap<u32, usize>>| {
        let mut out = Vec::new();
        for one in entries {
            out.extend(entry(one, how));
            match (&one.data, places) {
                (Data::None, _) => out.extend([3, 0, 0, 0, 0, 0, 0, 0, 0]),
                (_, None) => out.extend([1, 0, 0, 0, 0, 0, 0, 0, 0]),
                (_, Some(places)) => {
                    out.push(2);
                    out.extend((places[&one.id] as u64).to_le_bytes());
                }
            }
        }
        out
    };
    let mut out = [head(how, 1, entries.len()), contents(None)].concat();
    let first = head(how, 1, entries.len()).len();
    let mut places = BTreeMap::new();
    for one in entries {
        if one.data != Data::None {
            places.insert(one.id, out.len());
        }
        match &one.data {
            Data::None => {}
            Data::Rows(rows) => {
                out.push(1);
                out.extend(int(one.id.into()));
                out.extend(chunks(rows, how));
            }
            Data::Objects(objects) => {
                out.push(3);
                out.extend(int(one.id.into()));
                for (oid, bytes) in objects {
                    out.extend(int((*oid).cast_signed().into()));
                    out.extend(chunks(bytes, how));
                }
                out.extend(int(0));
            }
        }
    }
    let right = contents(Some(&places));
    if how.again {
        out.extend(int(entries.len() as i64));
        out.extend(right);
    } else if how.placed {
        out[first..first + right.len()].copy_from_slice(&right);
    }
    (out, places)
}

/// An archive as it was read.
#[derive(Debug)]
pub struct Archive {
    pub entries: Vec<Entry>,
    /// Where each block starts, by the number of its entry.
    pub places: BTreeMap<u32, usize>,
    /// Bytes of each block.
    pub blocks: BTreeMap<u32, Vec<u8>>,
}

struct Cursor<'c> {
    bytes: &'c [u8],
    at: usize,
}

impl<'c> Cursor<'c> {
    fn take(&mut self, n: usize) -> &'c [u8] {
        self.at += n;
        &self.bytes[self.at - n..self.at]
    }
    fn int(&mut self) -> i64 {
        let sign = self.take(1)[0];
        let value = i64::from(u32::from_le_bytes(*self.take(4).first_chunk().unwrap()));
        if sign == 0 { value } else { -value }
    }
    fn text(&mut self) -> Option<String> {
        let len = self.int();
        (len >= 0).then(|| String::from_utf8(self.take(len as usize).to_vec()).unwrap())
    }
    fn chunks(&mut self, packing: u8) -> Vec<u8> {
        let mut packed = Vec::new();
        loop {
            let len = self.int();
            if len == 0 {
                break;
            }
            packed.extend_from_slice(self.take(len as usize));
        }
        let mut out = Vec::new();
        match packing {
            _ if packed.is_empty() => {}
            0 => out = packed,
            1 => {
                let mut decoder = flate2::read::ZlibDecoder::new(packed.as_slice());
                decoder.read_to_end(&mut out).unwrap();
                assert_eq!(decoder.total_in(), packed.len() as u64, "bytes behind a stream");
            }
            2 => out = un_lz4(&packed),
            _ => out = zstd::decode_all(packed.as_slice()).unwrap(),
        }
        out
    }
}

/// A frame that `pg_dump` or unwrite wrote, decoded by the `lz4` program.
fn un_lz4(packed: &[u8]) -> Vec<u8> {
    use std::process::{Command, Stdio};
    let child = Command::new("lz4").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.unwrap();
    child.stdin.take().unwrap().write_all(packed).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

/// Reads a custom archive of integers of 4 and offsets of 8 bytes. Panics unless every byte is accounted for and every offset is right.
pub fn read(bytes: &[u8]) -> Archive {
    let mut c = Cursor { bytes, at: 0 };
    assert_eq!(c.take(6), b"PGDMP\x01");
    let minor = c.take(1)[0];
    assert_eq!(c.take(4), [0, 4, 8, 1]);
    let packing = if minor >= 15 { c.take(1)[0] } else { u8::from(c.int() != 0) };
    for _ in 0..7 {
        c.int();
    }
    for _ in 0..3 {
        c.text();
    }
    let count = c.int();
    let contents = |c: &mut Cursor<'_>| {
        let mut entries = Vec::new();
        for _ in 0..count {
            let id = c.int() as u32;
            let has = c.int() == 1;
            c.text();
            c.text();
            let (tag, kind) = (c.text().unwrap(), c.text().unwrap());
            c.int();
            let definition = c.text().unwrap_or_default();
            c.text();
            let copy = c.text().unwrap_or_default();
            let schema = c.text().unwrap_or_default();
            for _ in 0..if minor >= 14 { 2 } else { 1 } {
                c.text();
            }
            if minor >= 16 {
                c.int();
            }
            c.text();
            c.text();
            while c.text().is_some() {}
            let flag = c.take(1)[0];
            let place = u64::from_le_bytes(*c.take(8).first_chunk().unwrap()) as usize;
            let data = if has { Data::Rows(Vec::new()) } else { Data::None };
            entries.push((Entry { id, tag, kind, definition, copy, schema, data }, (flag == 2).then_some(place)));
        }
        entries
    };
    let entries = contents(&mut c);
    let (mut places, mut blocks, mut data) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    while c.at < bytes.len() && bytes[c.at] != 0 {
        let start = c.at;
        let kind = c.take(1)[0];
        let id = c.int() as u32;
        places.insert(id, start);
        let held = match kind {
            1 => Data::Rows(c.chunks(packing)),
            3 => {
                let mut objects = Vec::new();
                loop {
                    let oid = c.int();
                    if oid == 0 {
                        break Data::Objects(objects);
                    }
                    objects.push((oid as u32, c.chunks(packing)));
                }
            }
            other => panic!("a block of kind {other}"),
        };
        data.insert(id, held);
        blocks.insert(id, bytes[start..c.at].to_vec());
    }
    let mut all = vec![entries.clone()];
    if c.at < bytes.len() {
        assert_eq!(c.int(), count);
        all.push(contents(&mut c));
    }
    assert_eq!(c.at, bytes.len());
    for (entry, place) in all.iter().flatten() {
        if let Some(place) = place {
            assert_eq!(places.get(&entry.id), Some(place), "the offset of {}", entry.tag);
        }
    }
    let entries = entries.into_iter().map(|(entry, _)| {
        let held = data.remove(&entry.id);
        assert_eq!(held.is_some(), entry.data != Data::None, "data of {}", entry.tag);
        Entry { data: held.unwrap_or(Data::None), ..entry }
    });
    Archive { entries: entries.collect(), places, blocks }
}
