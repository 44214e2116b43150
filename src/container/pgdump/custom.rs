//! Find in a custom archive: the table of contents, and then the blocks as they lie (`pg_backup_custom.c`).
//!
//! One walk forward. Where an entry says at which offset its block is, the block must be there: `pg_restore` would go by that.
//! Each entry with data must have one block, and each block an entry: an archive has no end mark of its own, and one that was cut off
//! between two blocks is known by that.
//!
//! `pg_dump` writes the entries once more when it knows the offsets: over the first ones where it can, and at the end where its output is
//! open for appending, as that of version 17 is in `pg_dump -Fc > FILE`. `pg_restore` reads on no further than it must; here they must be
//! the first ones again.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::chunks::Chunks;
use super::coded::Coded;
use super::script::{Lead, Script};
use super::toc::{self, Bytes, Entry, Form, Head, Packing, Place, cut};
use super::{CUSTOM, MOST, Pgdump};
use crate::error::{Error, Result};
use crate::input::{Input, Source};
use crate::layer::coded::{Codec as _, Heads, Need};
use crate::layer::cx::{Budget, Leaf};
use crate::layer::{Cx, Found, PartFound, raw};
use crate::limits::MAX_PARTS;

/// Kinds of blocks.
const ROWS: u8 = 1;
const LARGE_OBJECTS: u8 = 3;
/// What a number that is not below 0 begins with, and no block.
const NUMBER: u8 = 0;
/// In the second number of a part's note: it is the entries once more.
pub const ENTRIES_AGAIN: u64 = 1;
/// Bytes that tell whether an archive is read.
const START: usize = 11;
/// Bytes that an entry with data takes besides its statement.
const ENTRY: usize = 64;

/// See [`crate::layer::Layer::find`].
pub fn find(layer: &'static Pgdump, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<Found> {
    if let Some(reason) = toc::unsupported(input.window(START)?) {
        let hit = raw::search(input, cx)?;
        cx.unsupported(reason, hit);
        return Ok(Found { layer: &raw::RAW, own: cx.edits(), parts: Vec::new() });
    }
    let (mut entries, mut sha) = (Leaf::default(), Sha256::new());
    let head = Head::read(&mut Noted { input, leaf: &mut entries, sha: &mut sha })?;
    if head.form != Form::Custom {
        return Err(Error::unsupported("pg_dump directory").layer(CUSTOM));
    }
    let mut walk = Walk {
        coded: Coded::of(head.packing, cx),
        script: Script::new(cx.place(), cx)?,
        head,
        entries,
        sha: Sha256::new(),
        waiting: BTreeMap::new(),
        parts: Vec::new(),
    };
    walk.contents(input, cx)?;
    while walk.block(input, cx)? {}
    if !walk.waiting.values().all(|data| data.done) {
        return Err(cut(input.offset()));
    }
    let again = walk.again(input, cx)?;
    cx.leaf("entries", &walk.entries);
    let refused = walk.script.finish(cx)?;
    let mut parts = if refused { Vec::new() } else { walk.parts };
    if let (Some(at), false) = (again, parts.is_empty()) {
        let nothing = Found { layer, own: cx.edits(), parts: Vec::new() };
        parts.push(PartFound { at, len: 0, note: [0, ENTRIES_AGAIN], points: None, found: nothing });
    }
    Ok(Found { layer, own: cx.edits(), parts })
}

/// The archive's own bytes, noted as they are read.
struct Noted<'n, 'a> {
    input: &'n mut Input<'a>,
    leaf: &'n mut Leaf,
    sha: &'n mut Sha256,
}

impl Bytes for Noted<'_, '_> {
    fn offset(&self) -> u64 {
        self.input.offset()
    }
    fn window(&mut self, min: usize) -> Result<&[u8]> {
        self.input.window(min)
    }
    fn step(&mut self, n: usize) -> Result<()> {
        let bytes = self.input.unread().get(..n).unwrap_or_default();
        self.leaf.update(bytes);
        self.sha.update(bytes);
        self.input.consume(n);
        Ok(())
    }
}

/// An entry whose block is to come, or came.
struct Data {
    /// Until it comes.
    lead: Option<Lead>,
    place: Place,
    done: bool,
    /// Where its block is.
    begun: Option<u64>,
}

struct Walk<'w> {
    head: Head,
    coded: Option<Coded>,
    script: Script<'w>,
    entries: Leaf,
    /// Digest of the entries, less their places.
    sha: Sha256,
    waiting: BTreeMap<i64, Data>,
    /// Blocks and large objects that change.
    parts: Vec<PartFound>,
}

impl Walk<'_> {
    /// Reads the entries.
    fn contents(&mut self, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<()> {
        self.script.head(&self.head, cx)?;
        let mut bytes = 0;
        for _ in 0..self.head.entries {
            cx.check()?;
            let at = input.offset();
            let (entry, place) = self.entry(input)?;
            self.script.entry(&entry, cx)?;
            if !entry.data {
                continue;
            }
            let lead = self.script.lead(&entry)?;
            bytes += lead.len() + ENTRY;
            if bytes > MOST {
                return Err(Error::limit(format!("statements of a pg_dump archive's entries ({MOST} bytes)")));
            }
            cx.need(bytes as u64)?;
            let data = Data { lead: Some(lead), place, done: place == Place::None, begun: None };
            if self.waiting.insert(entry.id, data).is_some() {
                return Err(Error::damaged(CUSTOM, at, "two entries of one number"));
            }
        }
        Ok(())
    }

    /// Reads the next entry.
    fn entry(&mut self, input: &mut Input<'_>) -> Result<(Entry, Place)> {
        let mut own = Noted { input, leaf: &mut self.entries, sha: &mut self.sha };
        let entry = self.head.entry(&mut own)?;
        let place = self.head.place(input)?;
        // Offsets change with what stands before them; they are compared to where blocks are.
        self.entries.update(&[u8::from(place == Place::None)]);
        input.step(self.head.place_len())?;
        Ok((entry, place))
    }

    /// Reads the entries that come once more behind the blocks, if they do; where they stand.
    fn again(&mut self, input: &mut Input<'_>, cx: &Cx<'_>) -> Result<Option<u64>> {
        let at = input.offset();
        if input.window(1)?.is_empty() {
            return Ok(None);
        }
        let differ = || Error::damaged(CUSTOM, at, "bytes behind the blocks");
        let first = std::mem::take(&mut self.sha).finalize();
        let count = self.head.int(input)?;
        if u64::try_from(count) != Ok(self.head.entries) {
            return Err(differ());
        }
        for _ in 0..self.head.entries {
            cx.check()?;
            let (entry, place) = self.entry(input)?;
            let begun = self.waiting.get(&entry.id).and_then(|data| data.begun);
            if matches!(place, Place::At(place) if begun != Some(place)) {
                return Err(Error::damaged(CUSTOM, at, "a block is not where its entry says"));
            }
        }
        if std::mem::take(&mut self.sha).finalize() != first || !input.window(1)?.is_empty() {
            return Err(differ());
        }
        Ok(Some(at))
    }

    /// Reads the next block; `false` behind the last one.
    fn block(&mut self, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<bool> {
        cx.check()?;
        let at = input.offset();
        let Some(kind) = input.window(1)?.first().copied().filter(|kind| *kind != NUMBER) else { return Ok(false) };
        let mut own = Noted { input, leaf: &mut self.entries, sha: &mut Sha256::new() };
        own.step(1)?;
        let id = self.head.int(&mut own)?;
        let Some(data) = self.waiting.get_mut(&id).filter(|data| !data.done) else {
            return Err(Error::damaged(CUSTOM, at, "a block of no entry"));
        };
        if matches!(data.place, Place::At(place) if place != at) {
            return Err(Error::damaged(CUSTOM, at, "a block is not where its entry says"));
        }
        (data.done, data.begun) = (true, Some(at));
        match (kind, data.lead.take()) {
            (ROWS, Some(lead)) => self.rows(&lead, input, cx)?,
            (LARGE_OBJECTS, _) => while self.object(input, cx)? {},
            _ => return Err(Error::damaged(CUSTOM, at, "a block of an unknown kind")),
        }
        Ok(true)
    }

    fn rows(&mut self, lead: &Lead, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<()> {
        let at = input.offset();
        let source = decoded(&self.head, self.coded, input, cx)?;
        let (len, own) = self.script.rows(lead, source, cx)?;
        if own.is_empty() {
            return Ok(());
        }
        let found = Found { layer: &raw::RAW, own, parts: Vec::new() };
        self.change(PartFound { at, len, note: [input.offset() - at, 0], points: None, found })
    }

    fn change(&mut self, part: PartFound) -> Result<()> {
        self.parts.push(part);
        if self.parts.len() >= MAX_PARTS {
            return Err(Error::limit("blocks of a pg_dump archive that change (262144)").layer(CUSTOM));
        }
        Ok(())
    }

    /// Reads the next large object of a block; `false` behind the last one.
    fn object(&mut self, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<bool> {
        let at = input.offset();
        let oid = self.head.int(input)?;
        self.entries.update(&oid.to_le_bytes());
        if oid == 0 {
            return Ok(false);
        }
        let (payload, size) = (input.offset(), input.read_size());
        // They are numbers without a sign, which are written as if they had one.
        let name = format!("blob_{}.dat", oid.rem_euclid(1 << 32));
        let inner = decoded(&self.head, self.coded, input, cx)?;
        let mut below = Input::new(Counted { inner, budget: cx.budget() }, size);
        let found = cx.descend_member(&mut below, name.as_bytes())?;
        if !below.window(1)?.is_empty() {
            return Err(Error::damaged(CUSTOM, at, "bytes of a large object were left unread"));
        }
        let len = below.offset();
        drop(below);
        if !found.is_empty() {
            let note = [input.offset() - payload, 0];
            self.change(PartFound { at: payload, len, note, points: None, found })?;
        }
        Ok(true)
    }
}

/// The payload that comes next, decoded.
fn decoded<'i, 's: 'i>(
    head: &'i Head,
    coded: Option<Coded>,
    input: &'i mut Input<'_>,
    cx: &Cx<'s>,
) -> Result<Box<dyn Source + 'i>> {
    let chunks = Chunks::new(input, head)?;
    if chunks.is_empty() {
        // Nothing is not compressed either.
        return Ok(Box::new(chunks));
    }
    let Some(coded) = coded else {
        let name = if head.packing == Packing::Lz4 { "lz4" } else { "zstd" };
        return Err(Error::unsupported(name).layer(CUSTOM));
    };
    let memory = cx.memory();
    let need: Need<'i> = Box::new(move |bytes| memory.need(bytes));
    coded.decoder(Box::new(chunks), Heads::names_only(), cx.search.second, need)
}

/// A source that counts against the budget.
struct Counted<'a> {
    inner: Box<dyn Source + 'a>,
    budget: Budget,
}

impl Source for Counted<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let n = self.inner.read(buf)?;
        self.budget.take(n as u64)?;
        Ok(n)
    }
}
