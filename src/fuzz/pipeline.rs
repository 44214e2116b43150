//! Streams through their layers: decoders alone, and find → lift → apply → verify as a whole.

use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;

use super::scanners::{LITERAL, NEEDLES, REFERENCE};
use super::{choice, expand, stream};
use crate::blob::{Blob, TempSpace};
use crate::codec;
use crate::detect::TABLES;
use crate::detect::told::Told;
use crate::error::{Error, Kind, Result};
use crate::format::docker::Docker;
use crate::format::sql::ddl::Ddl;
use crate::format::sql::lex::Kind as Whose;
use crate::format::text;
use crate::input::{BlobSource, Source};
use crate::judge::Judge;
use crate::layer::coded::Heads;
use crate::layer::{BlobPass, Cx, Detect, LargeSlot, Search};
use crate::limits::{Limits, SNIFF};
use crate::matcher::Engine;
use crate::matcher::literal::Literal;
use crate::matcher::reference::Reference;
use crate::policy::{Action, Policy, Rule};
use crate::verify::{self, Seen};

/// Decoded bytes of one case.
const DECODED: usize = 1 << 20;

/// gzip streams through both decoders.
pub fn gzip(data: &[u8]) {
    codec("gzip", data);
}

/// zstd streams through both decoders.
pub fn zstd(data: &[u8]) {
    codec("zstd", data);
}

/// bzip2 streams through both decoders.
pub fn bzip2(data: &[u8]) {
    codec("bzip2", data);
}

/// xz streams through both decoders.
pub fn xz(data: &[u8]) {
    codec("xz", data);
}

/// LZ4 frames through both decoders.
pub fn lz4(data: &[u8]) {
    codec("lz4", data);
}

/// Snappy's chunks through both decoders.
pub fn snappy(data: &[u8]) {
    codec("snappy", data);
}

/// UTF-16 through both decoders, and text in UTF-16 as an artifact.
pub fn utf16(data: &[u8]) {
    codec("utf-16", data);
    let (first, rest) = choice(data);
    let mut units: Vec<u16> = String::from_utf8_lossy(&expand(rest)).encode_utf16().collect();
    if first % 2 == 0 {
        units.insert(0, 0xfeff);
    }
    let bytes = units.iter().flat_map(|unit| if first % 4 < 2 { unit.to_le_bytes() } else { unit.to_be_bytes() });
    artifact(b"x.log", &bytes.collect::<Vec<_>>(), first);
}

/// Octet-counted frames: the bytes as they are, and their lines as frames.
pub fn frames(data: &[u8]) {
    let (first, rest) = choice(data);
    super::scanners::records(&["syslog-frames"], first, rest);
    let mut stream = Vec::new();
    for line in expand(rest).split(|b| *b == b'\t').filter(|line| !line.is_empty()) {
        let message = [b"<34>1 - h a ".as_slice(), line].concat();
        stream.extend_from_slice(format!("{} ", message.len()).as_bytes());
        stream.extend_from_slice(&message);
    }
    super::scanners::records(&["syslog-frames"], first, &stream);
    artifact(b"x.log", &stream, first);
}

/// Entries of a journal: the bytes as they are, and their lines as fields.
pub fn journal(data: &[u8]) {
    let (first, rest) = choice(data);
    super::scanners::records(&["journal"], first, rest);
    let mut stream = Vec::new();
    for line in expand(rest).split(|b| *b == b'\t').filter(|line| !line.is_empty()) {
        stream.extend_from_slice(b"__REALTIME_TIMESTAMP=1795255200001000\nMESSAGE\n");
        stream.extend_from_slice(&(line.len() as u64).to_le_bytes());
        stream.extend_from_slice(line);
        stream.extend_from_slice(b"\nUSER_ID=");
        stream.extend(line.iter().filter(|b| **b != b'\n'));
        stream.extend_from_slice(b"\n\n");
    }
    super::scanners::records(&["journal"], first, &stream);
    artifact(b"x.export", &stream, first);
}

/// SQL dumps: the bytes as they are, and as rows of `COPY` and tuples of `INSERT` between statements.
pub fn sql(data: &[u8]) {
    let (first, rest) = choice(data);
    artifact(b"x.sql", &[b"CREATE TABLE users (id int, a text);\n".as_slice(), &expand(rest)].concat(), first);
    let mut stream = b"CREATE TABLE users (id int, email text, note text UNIQUE);\n".to_vec();
    let mysql = first % 3 == 0;
    if mysql {
        stream.splice(..0, *b"/*!40101 SET NAMES utf8mb4 */;\n");
    }
    let rows = || rest.chunks(6).map(|row| row.chunks(2).map(expand).collect::<Vec<_>>());
    stream.extend_from_slice(b"COPY users (id, email, note) FROM stdin;\n");
    for row in rows().filter(|row| row.len() == 3) {
        let cells: Vec<Vec<u8>> = row
            .iter()
            .map(|cell| cell.iter().copied().filter(|b| !matches!(b, b'\t' | b'\n' | b'\r')).collect())
            .collect();
        stream.extend(cells.join(&b'\t'));
        stream.push(b'\n');
    }
    stream.extend_from_slice(b"\\.\nINSERT INTO users VALUES (1,NULL,'')");
    for row in rows().filter(|row| row.len() == 3) {
        let quoted = row.iter().map(|cell| {
            let escaped = cell.iter().flat_map(|b| match b {
                b'\'' => vec![b'\'', b'\''],
                b'\\' if mysql => vec![b'\\', b'\\'],
                b => vec![*b],
            });
            [b"'".to_vec(), escaped.collect(), b"'".to_vec()].concat()
        });
        stream.extend_from_slice(b",(");
        stream.extend(quoted.collect::<Vec<_>>().join(&b','));
        stream.push(b')');
    }
    stream.extend_from_slice(
        b";\nALTER TABLE users ADD PRIMARY KEY (id), ADD FOREIGN KEY (email) REFERENCES users (note);\n",
    );
    artifact(b"y.sql", &stream, first);
}

/// Name of rows that [`ROWS`] defines.
const TAB: &[u8] = b"users.txt";
static ROWS: LazyLock<Ddl> = LazyLock::new(|| {
    let text = b"/*!40101 SET NAMES utf8mb4 */;\nCREATE TABLE `users` (`id` int, `email` varchar(40), `note` text);\n";
    Ddl::new(text.to_vec()).unwrap_or_else(|_| panic!("a schema is refused"))
});

/// Rows of `mysqldump --tab`: the bytes as they are, and values in the server's escapes; and the bytes as definitions of tables.
pub fn sql_tab(data: &[u8]) {
    let (first, rest) = choice(data);
    artifact(TAB, &expand(rest), first);
    let mut rows = Vec::new();
    for row in rest.chunks(6).map(|row| row.chunks(2).map(expand).collect::<Vec<_>>()).filter(|row| row.len() == 3) {
        let escaped = row.iter().map(|cell| match cell.as_slice() {
            b"N" => b"\\N".to_vec(),
            cell => cell
                .iter()
                .flat_map(|b| match b {
                    b'\\' | b'\t' | b'\n' => vec![b'\\', *b],
                    0 => b"\\0".to_vec(),
                    b => vec![*b],
                })
                .collect(),
        });
        rows.extend(escaped.collect::<Vec<_>>().join(&b'\t'));
        rows.push(b'\n');
    }
    artifact(TAB, &rows, first);
    if let Ok(ddl) = Ddl::new(expand(rest)) {
        let ways = [Whose::Unknown, Whose::Postgres, Whose::Mysql, Whose::Sqlite].map(|kind| ddl.schema(kind));
        assert!(ways.iter().any(|schema| !schema.tables.is_empty()), "what was read defines nothing");
    }
}

/// Lines that Docker and Kubernetes divide: pieces of the text, by its bytes, in one stream or two.
pub fn divided(data: &[u8]) {
    let (first, rest) = choice(data);
    let mut stream = String::from("2026-11-21T10:00:00Z stdout F start\n2026-11-21T10:00:00Z stdout F start\n");
    let docker = first % 2 == 0;
    if docker {
        stream = "{\"log\":\"start\\n\",\"stream\":\"stdout\"}\n".repeat(3);
    }
    for piece in rest.chunks(3) {
        let text = String::from_utf8_lossy(&expand(piece)).replace(['\n', '\r'], " ");
        let name = if piece.len() == 3 && piece[2] % 3 == 0 { "stderr" } else { "stdout" };
        let ends = piece[0] % 4 == 0;
        if docker {
            let log = serde_json::Value::from(format!("{text}{}", if ends { "\n" } else { "" }));
            stream.extend(["{\"log\":", &log.to_string(), ",\"stream\":\"", name, "\"}\n"]);
        } else {
            stream.extend(["2026-11-21T10:00:00Z ", name, if ends { " F " } else { " P " }, &text, "\n"]);
        }
    }
    artifact(b"x.log", stream.as_bytes(), first);
}

/// The bytes as they are through both decoders in small and large reads; and as an artifact.
fn codec(name: &str, data: &[u8]) {
    let (first, rest) = choice(data);
    let spelling = [&codec::utf16::LAYER];
    if let Some(layer) = codec::TABLE.iter().chain(&spelling).find(|layer| layer.0.name() == name) {
        let step = usize::from(first % 5) * 97 + 1;
        let decode = |second, size: usize| -> Result<Vec<u8>> {
            let blob = rest.to_vec();
            let source = Box::new(Drip { inner: BlobSource::new(&blob), size });
            let mut decoder = layer.0.decoder(source, Heads::names_only(), second, Box::new(most))?;
            let (mut out, mut buf) = (Vec::new(), vec![0; size.max(64)]);
            loop {
                let n = decoder.read(&mut buf)?;
                if n == 0 {
                    return Ok(out);
                }
                out.extend_from_slice(&buf[..n]);
                if out.len() > DECODED {
                    return Err(Error::limit("enough"));
                }
            }
        };
        let (one, small, other) = (decode(false, 1 << 16), decode(false, step), decode(true, step));
        assert_eq!(one.is_ok(), small.is_ok(), "read sizes matter");
        if let (Ok(one), Ok(small)) = (&one, &small) {
            assert!(one == small, "read sizes matter");
        }
        // Where one library refuses what the other reads, a result is not committed; where both read, they read the same.
        if let (Ok(one), Ok(other)) = (&one, &other) {
            assert!(one == other, "the libraries differ");
        }
    }
    let extension = match name {
        "gzip" => "gz",
        "zstd" => "zst",
        "bzip2" => "bz2",
        "snappy" => "sz",
        name => name,
    };
    artifact(format!("x.log.{extension}").as_bytes(), rest, first);
}

fn most(bytes: u64) -> Result<()> {
    if bytes > 64 << 20 { Err(Error::limit("--max-memory")) } else { Ok(()) }
}

/// Gives at most `size` bytes a read.
pub(super) struct Drip<'b> {
    pub inner: BlobSource<'b>,
    pub size: usize,
}

impl Source for Drip<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let n = buf.len().min(self.size);
        self.inner.read(&mut buf[..n])
    }
}

/// An archive: the bytes as they are.
pub fn tar(data: &[u8]) {
    let (first, rest) = choice(data);
    artifact(b"x.tar", rest, first);
}

/// An archive: the bytes as they are.
pub fn zip(data: &[u8]) {
    reads_zip(data);
}

/// As [`zip`]; whether the archive could be read.
pub(super) fn reads_zip(data: &[u8]) -> bool {
    let (first, rest) = choice(data);
    artifact(b"x.zip", rest, first)
}

/// Any stream, made of words or as it is, under a name that fits or does not.
pub fn whole(data: &[u8]) {
    let (first, rest) = choice(data);
    let names: [&[u8]; 9] = [b"x", b"x.log", b"x.jsonl", b"x.csv", b"x.tsv", b"x.txt", b"x.json", b"x.tar", b"x.zip"];
    let (second, rest) = choice(rest);
    let text = if second % 4 == 0 { rest.to_vec() } else { expand(rest) };
    artifact(names[usize::from(second / 4) % names.len()], &text, first);
}

pub(super) fn artifact(name: &[u8], data: &[u8], first: u8) -> bool {
    through(name, data, first, &LITERAL, &REFERENCE)
}

/// One artifact, start to finish: what is found does not depend on windows; the result is what was foretold, holds nothing that
/// would still change by either engine, and is not changed by a second run. Whether it could be read at all.
pub(super) fn through(name: &[u8], data: &[u8], first: u8, fast: &Literal, slow: &Reference) -> bool {
    let actions = [Action::Drop, Action::Redact, Action::Mask, Action::Drop, Action::Report];
    let action = actions[usize::from(first) % actions.len()];
    let rule = Rule { action: Some(action), ..Rule::default() };
    let policy = Policy { rules: vec![rule], ..Policy::default() };
    let (data, stop) = (data.to_vec(), AtomicBool::new(false));
    let space = TempSpace::new(std::env::temp_dir(), 64 << 20);
    let judge = Judge::new(&NEEDLES, &policy.fields, None);
    let limits = |window| Limits {
        window,
        max_decoded: DECODED as u64 * 8,
        max_record: 1 << 20,
        max_memory: 128 << 20,
        ..Limits::default()
    };
    let large = LargeSlot::new(128 << 20, 1);
    let (wide, narrow) = (limits(1 << 16), limits(usize::from(first / 5) + 1));
    let mask = |name: &[u8]| name.to_vec();
    let told = Told { given: Some(&ROWS), rows: true };
    let detect: &dyn Detect = if name == TAB { &told } else { &TABLES };
    let search = |engine, limits, second| Search {
        engine,
        needles: &NEEDLES,
        judge: &judge,
        policy: &policy,
        mask: &mask,
        detect,
        limits,
        space: &space,
        large: &large,
        crew: &crate::pool::Alone,
        second,
        format: None,
        codec: None,
        levels: &[],
        interrupted: &stop,
        gate: None,
    };
    let read = |search: &Search<'_>, bytes: &Vec<u8>| verify::read(bytes, search, name, None, &mut |_| {});
    let by = search(fast as &dyn Engine, &wide, false);
    let second = search(fast as &dyn Engine, &narrow, true);
    let size = usize::from(first) * 31 + 1;
    let looks = name.ends_with(b"sv") || name.ends_with(b".json") || name == b"x";
    // Nor may what is left of UTF-16 without a mark tell any more that it is.
    let looks = looks || codec::utf16::order(&data).is_some();
    let seen = read(&by, &data);
    let again = read(&search(fast, &narrow, false), &data);
    let (seen, again) = match (seen, again) {
        (Ok(one), Ok(other)) => (one, other),
        (Err(one), Err(other)) => {
            assert_eq!(one.kind(), other.kind(), "read sizes matter: {one}; {other}");
            assert_ne!(one.kind(), Kind::Verify, "{one}");
            stream::agrees(&by, &second, &data, name, None, (size, looks));
            return false;
        }
        (one, other) => panic!("read sizes decide: {:?}; {:?}", one.err(), other.err()),
    };
    assert!(seen.foretold == again.foretold, "read sizes matter");
    assert_eq!(counts(&seen), counts(&again), "read sizes matter");
    if seen.found.is_empty() {
        stream::agrees(&by, &second, &data, name, Some((&seen, &data)), (size, looks));
        return true;
    }
    let result = lift(&by, &seen, &data, name);
    // Nor whatever else the records that go have told of the stream.
    let looks = looks
        || match read(&by, &result) {
            Ok(after) => after.tally.layers != seen.tally.layers,
            Err(error) => {
                !seen.tally.layers.iter().any(|layer| error.to_string().split(": ").any(|part| part == *layer))
            }
        };
    // Nor the records that went, how lines belong together: by time stamps, by Docker's ends of lines.
    let joins = |text: &Vec<u8>| {
        let head = text.get(..SNIFF).unwrap_or(text);
        (text::is_stamped(head), Docker::of(head))
    };
    let looks = looks || joins(&data) != joins(&result);
    stream::agrees(&by, &second, &data, name, Some((&seen, &result)), (size, looks));
    for search in [&second, &search(slow as &dyn Engine, &narrow, true)] {
        match verify::look(&result, search, name, None, &seen.foretold) {
            // The other library may refuse what this one reads: then nothing is committed.
            Err(error) if error.to_string().contains("cannot be read: gzip") => return true,
            Err(error) if error.to_string().ends_with("the compressed data is invalid") => return true,
            // Refused, and the original stands: rows that went may have told which separator a table has, and lines that they are
            // JSON Lines and no document.
            Err(error) if looks && error.kind() == Kind::Verify => return true,
            Err(error) => panic!("{error}"),
            Ok(()) => {}
        }
    }
    let after = read(&by, &result).unwrap_or_else(|error| panic!("the result: {error}"));
    assert!(after.found.is_empty(), "twice is not once");
    assert!(after.tally.dropped == 0 && after.tally.edited == 0);
    true
}

fn counts(seen: &Seen) -> [u64; 5] {
    let tally = &seen.tally;
    [tally.read, tally.dropped, tally.edited, tally.names, tally.left_report]
}

fn lift(search: &Search<'_>, seen: &Seen, data: &dyn Blob, name: &[u8]) -> Vec<u8> {
    let mut pass = BlobPass::new(data, search.space);
    let mut cx = Cx::new(search, name, None);
    let lifted = seen.found.layer.lift(&seen.found, &mut pass, &mut cx);
    lifted.unwrap_or_else(|error| panic!("lift: {error}"));
    pass.finish().to_bytes(data).unwrap_or_else(|error| panic!("apply: {error}"))
}
