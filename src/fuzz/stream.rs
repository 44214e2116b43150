//! The filter: what it writes is what find and lift come to, however the stream comes; or it fails.

use std::sync::Mutex;

use super::pipeline::{Drip, artifact};
use super::{choice, expand};
use crate::blob::Blob;
use crate::codec;
use crate::error::{Kind, Result};
use crate::filter::{self, Stream};
use crate::input::{BlobSource, Source};
use crate::job::{Mode, Verify};
use crate::layer::Search;
use crate::layer::coded::{CodecLayer, Head};
use crate::manifest::Status;
use crate::manifest::writer::{FIRST_PREV, Writer};
use crate::progress::Silent;
use crate::scrub::sums::Ledger;
use crate::scrub::{Blast, Outcome, Run};
use crate::store::disk::Disk;
use crate::store::stdio::Sink;
use crate::stores::{Definitions, Stores};
use crate::verify::{self, Seen};

/// Text, or text that a codec encoded, as an artifact and through the filter.
pub fn filter(data: &[u8]) {
    let (first, rest) = choice(data);
    let (second, rest) = choice(rest);
    let text = if second % 2 == 0 { rest.to_vec() } else { expand(rest) };
    let names = ["x.log", "x.jsonl", "x.csv", "x", "x.json"];
    let name = names[usize::from(second / 2) % names.len()];
    let gzip = codec::TABLE.iter().find(|layer| layer.0.name() == "gzip");
    let _read = match gzip.filter(|_| first >= 0x80) {
        None => artifact(name.as_bytes(), &text, first),
        Some(layer) => {
            let coded = members(layer, &text).unwrap_or_else(|error| panic!("{error}"));
            artifact(format!("{name}.gz").as_bytes(), &coded, first)
        }
    };
}

/// Two members, each with half of `text`.
fn members(layer: &CodecLayer, text: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = layer.0.encoder(None, Box::new(|_| Ok(())))?;
    let (half, mut out) = (text.len() / 2, Vec::new());
    let bytes = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    let head = Head { at: 0, plain_at: 0, bytes, verbatim: false, names: Vec::new(), traits: [0; 4] };
    for part in [&text[..half], &text[half..]] {
        encoder.begin(&head, &mut out)?;
        encoder.write(part, &mut out)?;
    }
    encoder.finish(&mut out)?;
    Ok(out)
}

/// What a filter wrote.
struct Taken(Vec<u8>);

impl Sink for Taken {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// What the filter makes of one stream, which is searched and, behind it, searched again.
fn filtered(
    stream: &Stream<'_>,
    source: &mut dyn Source,
    sink: &mut dyn Sink,
    (search, second): (&Search<'_>, &Search<'_>),
) -> Outcome {
    let manifest = Mutex::new(Writer::new(None, FIRST_PREV.to_owned(), false, search.space));
    let stores = Stores::new(Disk::default(), None);
    let run = Run {
        tables: &Definitions::new(&stores),
        search,
        since: None,
        fresh: None,
        second: &[second],
        stores: &stores,
        mode: &Mode::Filter,
        verify: Verify::Full,
        overwrite: false,
        break_hardlinks: false,
        break_checksums: false,
        sums: &Ledger::default(),
        blast: &Blast::new(None),
        manifest: &manifest,
        progress: &Silent,
    };
    filter::filter(stream, source, sink, None, &run)
}

/// Whether the filter comes to the same as `seen`, what find saw, and `result`, what lift made of it if something changed.
/// `looks`: what the stream is may depend on records that go; then the echo refuses the result, as it does here.
pub(super) fn agrees(
    search: &Search<'_>,
    second: &Search<'_>,
    data: &dyn Blob,
    name: &[u8],
    seen: Option<(&Seen, &[u8])>,
    (size, looks): (usize, bool),
) {
    let stream = Stream { name, mtime: None, max_dropped: None, no_spool: false };
    let mut source = Drip { inner: BlobSource::new(data), size };
    let mut sink = Taken(Vec::new());
    let outcome = filtered(&stream, &mut source, &mut sink, (search, second));
    let (status, reason) = (outcome.line.status, outcome.line.reason.unwrap_or_default());
    let through = matches!(status, Status::Copied | Status::Rewritten);
    let Some((seen, result)) = seen else {
        assert!(!through, "what cannot be read went through");
        return;
    };
    let strange = seen.tally.unsupported.is_some() || !seen.tally.members.is_empty();
    if !through {
        // Rows that went may have told which separator a table has; what is not text is refused; a dump that begins with rows goes in
        // one pass, and may tell behind them what should have been known.
        let late = reason.starts_with("sql must be read twice");
        assert!(strange || late || reason.starts_with("verify: "), "refused: {reason}");
        return;
    }
    assert!(!strange, "what is partial went through");
    if seen.tally.layers.iter().all(|layer| codec::TABLE.iter().all(|codec| codec.0.name() != *layer)) {
        assert!(sink.0 == result, "not what lift makes");
    }
    match verify::look(&sink.0, second, name, None, &seen.foretold) {
        Err(error) if error.kind() == Kind::Verify && (looks || error.to_string().contains("cannot be read")) => {}
        Err(error) => panic!("{error}"),
        Ok(()) => {}
    }
    let records = outcome.line.records.unwrap_or_default();
    let tally = &seen.tally;
    assert_eq!([records.read, records.dropped, records.edited], [tally.read, tally.dropped, tally.edited]);
}

#[cfg(test)]
mod broken_tests {
    use std::sync::atomic::AtomicBool;

    use super::super::scanners::{LITERAL, NEEDLES};
    use super::*;
    use crate::blob::TempSpace;
    use crate::detect::TABLES;
    use crate::format::sql::SPOIL;
    use crate::judge::Judge;
    use crate::layer::LargeSlot;
    use crate::limits::Limits;
    use crate::policy::Policy;
    use crate::pool::Alone;

    /// Takes one piece; the next one ends in a panic.
    #[derive(Default)]
    struct Broken {
        pieces: usize,
        last: Option<Vec<u8>>,
    }

    impl Sink for Broken {
        fn write(&mut self, _: &[u8]) -> Result<()> {
            self.pieces += 1;
            assert!(self.pieces < 2, "on purpose");
            Ok(())
        }
        fn last(&mut self, bytes: &[u8]) {
            self.last = Some(bytes.to_vec());
        }
    }

    #[test]
    fn a_panic_leaves_no_dump_that_looks_whole() {
        let (policy, stop) = (Policy::default(), AtomicBool::new(false));
        let (judge, large) = (Judge::new(&NEEDLES, &policy.fields, None), LargeSlot::new(128 << 20, 1));
        let space = TempSpace::new(std::env::temp_dir(), 64 << 20);
        let limits = Limits { window: 256, ..Limits::default() };
        let search = Search {
            engine: &*LITERAL,
            needles: &NEEDLES,
            judge: &judge,
            policy: &policy,
            mask: &|name| name.to_vec(),
            detect: &TABLES,
            limits: &limits,
            space: &space,
            large: &large,
            crew: &Alone,
            second: false,
            format: None,
            codec: None,
            levels: &[],
            interrupted: &stop,
            gate: None,
        };
        let rows = |head: &str| [head.to_owned(), "1\tx\n".repeat(1 << 16)].concat().into_bytes();
        for (text, spoiled) in [
            (rows("--\n-- PostgreSQL database dump\n--\nSET x = 1;\nCOPY t (a, b) FROM stdin;\n"), true),
            (rows("a log\n"), false),
        ] {
            let stream = Stream { name: b"x", mtime: None, max_dropped: None, no_spool: false };
            let (mut source, mut sink) = (Drip { inner: BlobSource::new(&text), size: 1000 }, Broken::default());
            let outcome = filtered(&stream, &mut source, &mut sink, (&search, &search));
            assert_eq!(outcome.line.status, Status::Failed);
            assert_eq!((sink.pieces, sink.last.is_some()), (2, spoiled));
            assert!(sink.last.is_none_or(|last| last == SPOIL));
        }
    }
}
