//! Lift: the blocks that change are made again, and the offsets of those behind them moved.
//!
//! The table of contents stands before the blocks and says where they are, so that these are made first: from the archive's bytes where
//! they can be read at any offset, else from a spool of them (`--max-temp`). Offsets are as wide as they were; one that was not known
//! when the archive was written stays so.

use std::io;

use super::CUSTOM;
use super::chunks::ChunkPass;
use super::coded::Coded;
use super::custom::ENTRIES_AGAIN;
use super::toc::{Head, Keeping, Place};
use crate::blob::{Blob, Spool};
use crate::edit::{Patch, Piece};
use crate::error::{Error, Kind, Result};
use crate::layer::coded::encode_again;
use crate::layer::{BlobPass, Cx, Found, PartFound, Pass, pass};
use crate::limits::WINDOW;
use crate::span::Span;

/// See [`crate::layer::Layer::lift`].
pub fn lift(found: &Found, pass: &mut dyn Pass, cx: &mut Cx<'_>) -> Result<()> {
    if let Some((blob, span)) = pass.old() {
        let made = make(found, &Stretch { blob, span }, cx)?;
        return play(&made, pass, cx);
    }
    let mut spool = Spool::new(cx.search.space);
    loop {
        cx.check()?;
        let window = pass.window(1)?;
        let n = window.len();
        if n == 0 {
            break;
        }
        spool.append(window)?;
        pass.drop(n as u64)?;
    }
    let made = make(found, &spool, cx)?;
    let mut again = BlobPass::new(&spool, cx.search.space);
    play(&made, &mut again, cx)?;
    again.finish().play(|piece| match piece {
        Piece::Write(bytes) => pass.write(&bytes),
        Piece::Keep(span) => copy(&spool, span, pass),
    })
}

/// A stretch of a blob as a blob.
struct Stretch<'b> {
    blob: &'b dyn Blob,
    span: Span,
}

impl Blob for Stretch<'_> {
    fn len(&self) -> u64 {
        self.span.len()
    }
    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.span.len().saturating_sub(at)).unwrap_or(usize::MAX);
        let most = left.min(buf.len());
        self.blob.read_at(self.span.start.saturating_add(at), buf.get_mut(..most).unwrap_or_default())
    }
}

fn copy(spool: &Spool, span: Span, pass: &mut dyn Pass) -> Result<()> {
    let (mut at, mut buf) = (span.start, vec![0; WINDOW]);
    while at < span.end {
        let most = usize::try_from(span.end - at).unwrap_or(usize::MAX).min(buf.len());
        let read = spool.read_at(at, buf.get_mut(..most).unwrap_or_default());
        let n = read.map_err(|error| Error::io("reading a temporary file", &error))?;
        if n == 0 {
            return Err(Error::new(Kind::Io, "a temporary file ended early"));
        }
        pass.write(buf.get(..n).unwrap_or_default())?;
        at += n as u64;
    }
    Ok(())
}

/// The blocks that were made again.
struct Made {
    /// The archive with them; the table of contents is as it was.
    patch: Patch,
    /// Where each payload stood, in order, and by how many bytes all behind it moves; 16 bytes each.
    moves: Vec<(u64, i64)>,
    /// Where the entries stand once more.
    again: Option<u64>,
}

impl Made {
    /// Where what stood at `at` will be.
    fn moved(&self, at: u64) -> Option<u64> {
        let before = self.moves.partition_point(|(payload, _)| *payload < at).checked_sub(1);
        let by = before.and_then(|before| self.moves.get(before)).map_or(0, |(_, by)| *by);
        at.checked_add_signed(by)
    }
}

fn make(found: &Found, blob: &dyn Blob, cx: &mut Cx<'_>) -> Result<Made> {
    let mut pass = BlobPass::new(blob, cx.search.space);
    let head = Head::read(&mut Keeping(&mut pass))?;
    let (mut moves, mut by, mut again) = (Vec::with_capacity(found.parts.len()), 0i64, None);
    for part in &found.parts {
        cx.check()?;
        if part.note == [0, ENTRIES_AGAIN] {
            again = Some(part.at);
            continue;
        }
        pass.keep(pass::gap(part.at, &pass)?)?;
        let written = block(part, &head, &mut pass, cx)?;
        let [was, _] = part.note;
        if pass.offset() != part.at + was {
            return Err(Error::new(Kind::Verify, "a block is not as long as it was found to be").layer(CUSTOM));
        }
        by += i64::try_from(written).unwrap_or(i64::MAX) - i64::try_from(was).unwrap_or(i64::MAX);
        moves.push((part.at, by));
    }
    Ok(Made { patch: pass.finish(), moves, again })
}

/// Makes a payload again; returns its new length.
fn block(part: &PartFound, head: &Head, pass: &mut dyn Pass, cx: &mut Cx<'_>) -> Result<u64> {
    let Some(coded) = Coded::of(head.packing, cx) else {
        return Err(Error::new(Kind::Verify, "a block is not what it was found to be").layer(CUSTOM));
    };
    let mut inner = ChunkPass::new(pass, head);
    let coded = coded.told(head.packing, inner.window(2)?);
    encode_again(&coded, part, &cx.edits(), &mut inner, cx)?;
    inner.finish()
}

/// Plays the archive with its new blocks.
fn play(made: &Made, pass: &mut dyn Pass, cx: &mut Cx<'_>) -> Result<()> {
    let head = Head::read(&mut Keeping(pass))?;
    entries(&head, made, pass, cx)?;
    pass::apply_until(&made.patch.edits, pass, 0)?;
    if let Some(again) = made.again {
        pass.keep(pass::gap(again, pass)?)?;
        head.int(&mut Keeping(pass))?;
        entries(&head, made, pass, cx)?;
    }
    pass.keep_rest()
}

/// Plays the entries, with the offsets that are right now.
fn entries(head: &Head, made: &Made, pass: &mut dyn Pass, cx: &Cx<'_>) -> Result<()> {
    for _ in 0..head.entries {
        cx.check()?;
        head.entry(&mut Keeping(pass))?;
        let len = head.place_len() as u64;
        match head.place(&mut Keeping(pass))? {
            Place::At(at) if made.moved(at) != Some(at) => {
                let place = made.moved(at).and_then(|at| head.placed(at));
                let place = place.ok_or_else(|| Error::limit("an offset of a pg_dump archive").layer(CUSTOM))?;
                pass.write(&place)?;
                pass.drop(len)?;
            }
            _ => pass.keep(len)?,
        }
    }
    Ok(())
}
