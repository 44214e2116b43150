//! The filter: what it writes is what find and lift come to, however the stream comes; or it fails.

use std::sync::Mutex;

use super::pipeline::{Drip, artifact};
use super::{choice, expand};
use crate::blob::Blob;
use crate::codec;
use crate::error::{Kind, Result};
use crate::filter::{self, Stream};
use crate::input::BlobSource;
use crate::job::{Mode, Verify};
use crate::layer::Search;
use crate::layer::coded::{CodecLayer, Head};
use crate::manifest::Status;
use crate::manifest::writer::{FIRST_PREV, Writer};
use crate::progress::Silent;
use crate::scrub::sums::Ledger;
use crate::scrub::{Blast, Run};
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
    let stream = Stream { name, mtime: None, max_dropped: None, no_spool: false };
    let mut source = Drip { inner: BlobSource::new(data), size };
    let mut sink = Taken(Vec::new());
    let outcome = filter::filter(&stream, &mut source, &mut sink, None, &run);
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
