//! Find: one walk through the archive, in step with its directory, down into each payload.
//!
//! The directory is at the end, and counts. So the archive must be one that can be read at random: the artifact itself, or else a
//! spool of the stream (`--max-temp`). Every byte is accounted for: in a header, a payload, a descriptor, the directory and its end, or
//! between them. Bytes between that are not NUL are kept, searched raw, and named: a member that the directory does not
//! tell of, a program before the archive, a signature.

use std::cell::Cell;

use super::descriptor::{self, Style};
use super::directory::{self, Walk};
use super::end::{self, END_LEN, END64_LEN, End, LOCATOR_LEN};
use super::head::{self, Header, Side};
use super::method::{self, Coded, Method};
use super::{NAME, Zip, names};
use crate::blob::{Blob, Spool};
use crate::edit::EditList;
use crate::error::{Error, Result};
use crate::input::{BlobSource, Input, Part, Source};
use crate::layer::clash::Names;
use crate::layer::coded::{Codec as _, Heads, Need};
use crate::layer::cx::{Budget, Leaf, Search};
use crate::layer::{Cx, Found, PartFound, raw};
use crate::limits::MAX_PARTS;
use crate::span::Span;

/// Bytes of a header that one edit may span.
const PIECE: usize = 4096;
/// Longest target of a symbolic link that is masked as a path, bytes (Linux' `PATH_MAX`).
const LINK: u64 = 4096;

/// See [`crate::layer::Layer::find`].
pub fn find(zip: &'static Zip, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<Found> {
    if let Some(blob) = input.blob() {
        return walk(zip, blob, input, cx);
    }
    let mut spool = Spool::new(cx.search.space);
    loop {
        cx.check()?;
        let window = input.window(1)?;
        let n = window.len();
        if n == 0 {
            break;
        }
        spool.append(window)?;
        input.consume(n);
    }
    let mut again = Input::new(BlobSource::new(&spool), input.read_size()).with_blob(&spool);
    walk(zip, &spool, &mut again, cx)
}

/// What the walk has come to.
struct State {
    own: EditList,
    parts: Vec<PartFound>,
    names: Names,
    /// Headers and what else is the archive's own, as they will be.
    entries: Leaf,
    /// A value stands in an extra field.
    aside: bool,
    /// Length of the descriptor that was just read.
    descriptor: usize,
}

fn walk(zip: &'static Zip, blob: &dyn Blob, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<Found> {
    let end = end::locate(blob)?;
    let mut members = Walk::new(blob, &end, cx)?;
    let mut state = State {
        own: cx.edits(),
        parts: Vec::new(),
        names: Names::default(),
        entries: Leaf::default(),
        aside: false,
        descriptor: 0,
    };
    while let Some((at, central)) = members.next()? {
        cx.check()?;
        state.between(at, input, cx)?;
        if let Some(part) = state.member(&central, &end, input, cx)? {
            state.parts.push(part);
            if state.parts.len() > MAX_PARTS {
                return Err(Error::limit("members of a zip that change (262144)").layer(NAME));
            }
        }
    }
    state.between(end.directory.start, input, cx)?;
    state.directory(&end, input, cx)?;
    state.end(&end, input, cx)?;
    if state.aside {
        cx.strange("extra fields of zip".to_owned(), true);
    }
    cx.leaf("entries", &state.entries);
    if !state.parts.is_empty() {
        // What lift must know of the directory.
        let nothing = Found { layer: zip, own: cx.edits(), parts: Vec::new() };
        let Span { start, .. } = end.directory;
        let note = [end.base, 0];
        state.parts.push(PartFound { at: start, len: end.directory.len(), note, points: None, found: nothing });
    }
    Ok(Found { layer: zip, own: state.own, parts: state.parts })
}

fn read(side: Side, input: &mut Input<'_>) -> Result<Header> {
    head::read(side, input.offset(), &mut |n| {
        let window = input.window(n)?;
        Ok(window.get(..n.min(window.len())).unwrap_or_default().to_vec())
    })
}

impl State {
    /// Reads on to `until`: NULs, or bytes that nothing tells of.
    fn between(&mut self, until: u64, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<()> {
        let len = until.checked_sub(input.offset()).ok_or_else(|| directory::overlap(until))?;
        let mut left = len;
        while left > 0 {
            let window = input.window(1)?;
            let here = window.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let nuls = window.iter().take(here).take_while(|b| **b == 0).count();
            input.consume(nuls);
            left -= nuls as u64;
            if nuls < here {
                let size = input.read_size();
                let mut below = Input::new(Part::new(input, left), size);
                cx.raw_member(&mut below, b"", "bytes between members of zip")?;
                break;
            }
            if here == 0 {
                break;
            }
        }
        // Where a descriptor ends that tells of nothing, and NULs begin, cannot be told: their lengths count as one.
        let nuls = len - left + std::mem::take(&mut self.descriptor) as u64;
        self.entries.update(&nuls.to_le_bytes());
        reached(until, input)
    }

    /// A local header, its payload and its descriptor.
    fn member(
        &mut self,
        central: &Header,
        end: &End,
        input: &mut Input<'_>,
        cx: &mut Cx<'_>,
    ) -> Result<Option<PartFound>> {
        let at = input.offset();
        let local = read(Side::Local, input)?;
        names::agree(&local, central, at)?;
        let raw = names::mask_local(&local, &mut self.names, cx)?;
        self.header(&local, raw, at, cx)?;
        input.consume(local.raw.len());
        let (start, packed) = (input.offset(), central.packed.value);
        let stop = start.checked_add(packed).filter(|stop| *stop <= end.directory.start);
        let Some(stop) = stop else { return Err(Error::damaged(NAME, at, "a member reaches into the directory")) };
        let found = self.payload(central, input, cx)?;
        reached(stop, input)?;
        let mut style = None;
        if central.flags() & head::DESCRIPTOR != 0 {
            let window = input.window(descriptor::LONGEST)?;
            style = Style::of(window, central.crc(), packed, central.plain.value);
            let Some(style) = style else {
                return Err(Error::damaged(NAME, stop, "no data descriptor that agrees with the directory"));
            };
            input.consume(style.len());
            self.descriptor = style.len();
        }
        let note = [packed, Style::to_note(style)];
        Ok((!found.is_empty()).then_some(PartFound { at, len: central.plain.value, note, points: None, found }))
    }

    /// Notes a header that stands at `at` and will be `raw`.
    fn header(&mut self, header: &Header, raw: Vec<u8>, at: u64, cx: &Cx<'_>) -> Result<()> {
        edit(&header.raw, &raw, at, &mut self.own)?;
        self.entries.update(&header.constant(raw));
        self.aside = self.aside || names::holds_aside(header, cx);
        Ok(())
    }

    /// Reads a payload to its end; what changes in it.
    fn payload(&mut self, central: &Header, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<Found> {
        let name = names::name(central).to_vec();
        let (packed, plain) = (central.packed.value, central.plain.value);
        let (at, size) = (input.offset(), input.read_size());
        let part = Part::new(input, packed);
        let coded = match method::of(central, cx) {
            Method::Raw(reason) => return cx.raw_member(&mut Input::new(part, size), &name, reason),
            Method::Coded(coded) => coded,
        };
        if matches!(coded, Coded::Stored) && packed != plain {
            return Err(Error::damaged(NAME, at, "a stored member with two sizes"));
        }
        let (frames, memory, aside) = (Heads::names_only(), cx.memory(), Cell::new(false));
        let need: Need<'_> = Box::new(move |bytes| memory.need(bytes));
        let decoder = coded.decoder(Box::new(part), frames.clone(), cx.search.second, need)?;
        let checked = Checked {
            decoder,
            heads: frames,
            search: cx.search,
            side: &aside,
            budget: cx.budget(),
            crc: crc32fast::Hasher::new(),
            want: central.crc(),
            left: plain,
            at,
        };
        let mut below = Input::new(checked, size);
        let found = if name.ends_with(b"/") && plain == 0 {
            // A folder has no bytes, whatever its method.
            Found { layer: &raw::RAW, own: cx.edits(), parts: Vec::new() }
        } else if central.is_link() && plain <= LINK && is_path(&mut below)? {
            self.link(&mut below, cx)?
        } else {
            cx.descend_member(&mut below, &name)?
        };
        if !below.window(1)?.is_empty() {
            return Err(Error::damaged(NAME, at, "bytes of a member were left unread"));
        }
        drop(below);
        if aside.get() {
            cx.strange("side data of a member of zip".to_owned(), true);
        }
        Ok(found)
    }

    /// The target of a symbolic link is a path as names are.
    fn link(&mut self, below: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<Found> {
        let mut own = cx.edits();
        let target = below.unread().to_vec();
        below.consume(target.len());
        let masked = cx.name(&target).unwrap_or_else(|| target.clone());
        let masked = self.names.settle(&target, masked).map_err(|error| error.layer(NAME))?;
        edit(&target, &masked, 0, &mut own)?;
        self.entries.update(&masked);
        Ok(Found { layer: &raw::RAW, own, parts: Vec::new() })
    }

    /// The directory's entries once more, as they stand: names are masked as their local headers are.
    fn directory(&mut self, end: &End, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<()> {
        while input.offset() < end.directory.end {
            cx.check()?;
            let at = input.offset();
            let header = read(Side::Central, input)?;
            let raw = names::mask_central(&header, &mut self.names, cx)?;
            self.header(&header, raw, at, cx)?;
            input.consume(header.raw.len());
        }
        reached(end.directory.end, input)
    }

    /// The end records, the comment, and NULs.
    fn end(&mut self, end: &End, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<()> {
        let mut take = |n: usize, wide: bool| -> Result<()> {
            let window = input.window(n)?;
            self.entries.update(&end::constant(window.get(..n.min(window.len())).unwrap_or_default(), wide));
            input.consume(n);
            Ok(())
        };
        if end.record.start > end.directory.end {
            take(END64_LEN + LOCATOR_LEN, true)?;
        }
        take(END_LEN, false)?;
        reached(end.record.end, input)?;
        let len = end.comment.len() as usize;
        let comment = input.window(len)?.get(..len).unwrap_or_default().to_vec();
        let masked = cx.name(&comment).unwrap_or_else(|| comment.clone());
        edit(&comment, &masked, end.comment.start, &mut self.own)?;
        self.entries.update(&masked);
        input.consume(len);
        reached(end.comment.end, input)?;
        loop {
            let window = input.window(1)?;
            let n = window.len();
            if n == 0 {
                break;
            }
            if window.iter().any(|b| *b != 0) {
                return Err(Error::damaged(NAME, end.comment.end, "bytes after the end of the archive"));
            }
            input.consume(n);
        }
        self.entries.update(&(input.offset() - end.comment.end).to_le_bytes());
        Ok(())
    }
}

/// Fails unless the walk stands at `at`: the stream ended before, or changed under it.
fn reached(at: u64, input: &Input<'_>) -> Result<()> {
    if input.offset() == at {
        return Ok(());
    }
    Err(Error::damaged(NAME, input.offset(), "the archive ends before its directory says"))
}

/// Edits for what differs between `old`, which stands at `at`, and `new`, of the same length.
fn edit(old: &[u8], new: &[u8], at: u64, own: &mut EditList) -> Result<()> {
    if old == new {
        return Ok(());
    }
    for (n, (old, new)) in old.chunks(PIECE).zip(new.chunks(PIECE)).enumerate() {
        let differs = |(old, new): (&u8, &u8)| old != new;
        let first = old.iter().zip(new).position(differs);
        let last = old.iter().zip(new).rposition(differs);
        if let Some((first, last)) = first.zip(last) {
            let at = at + (n * PIECE) as u64;
            own.push(Span::new(at + first as u64, at + last as u64 + 1), new.get(first..=last).unwrap_or_default())?;
        }
    }
    Ok(())
}

/// A decoded payload, held against what the directory says of it.
struct Checked<'a, 'c> {
    decoder: Box<dyn Source + 'a>,
    heads: Heads,
    search: &'c Search<'c>,
    /// A value stands beside the data (zstd's skippable frames).
    side: &'c Cell<bool>,
    budget: Budget,
    crc: crc32fast::Hasher,
    want: u32,
    /// Plain bytes that are still to come.
    left: u64,
    /// Where the payload starts.
    at: u64,
}

impl Source for Checked<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let n = self.decoder.read(buf)?;
        while let Some(head) = self.heads.pop_until(u64::MAX) {
            if head.side_holds(self.search) {
                self.side.set(true);
            }
        }
        self.budget.take(n as u64)?;
        self.crc.update(buf.get(..n).unwrap_or_default());
        let damaged = |what| Err(Error::damaged(NAME, self.at, what));
        match self.left.checked_sub(n as u64) {
            Some(left) => self.left = left,
            None => return damaged("a member is longer than the directory says"),
        }
        if n == 0 && self.left > 0 {
            return damaged("a member is shorter than the directory says");
        }
        if n == 0 && self.crc.clone().finalize() != self.want {
            return damaged("the checksum of a member does not match");
        }
        Ok(n)
    }
}

/// Whether a member of at most [`LINK`] bytes can be the target of a link: one with line ends is data with a wrong mode, and
/// is searched as data.
fn is_path(below: &mut Input<'_>) -> Result<bool> {
    while below.more()? {}
    Ok(!below.unread().contains(&b'\n'))
}
