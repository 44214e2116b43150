//! Lift: the members that change are made again, and the directory tells of them and of where the others are now; all else is kept.
//!
//! A payload goes to a spool, because its header comes first and has its length. Numbers are written where they stood and as wide: nothing
//! but payloads changes its length, so that the directory's own stays.

use super::NAME;
use super::descriptor::Style;
use super::end::{self, END_LEN, END64, END64_LEN, LOCATOR_LEN};
use super::head::{self, Header, Side};
use super::method::{self, Method, Summed};
use crate::blob::Blob as _;
use crate::error::{Error, Kind, Result};
use crate::layer::coded::encode_again;
use crate::layer::pass::{self, Playing, SpoolPass};
use crate::layer::{Cx, Found, PartFound, Pass};

/// See [`crate::layer::Layer::lift`].
pub fn lift(found: &Found, pass: &mut dyn Pass, cx: &mut Cx<'_>) -> Result<()> {
    let Some((directory, members)) = found.parts.split_last() else {
        return pass::apply(&found.own, pass);
    };
    let mut own = Playing::new(&found.own)?;
    let mut moves = Moves { base: directory.note[0], made: Vec::with_capacity(members.len()) };
    for part in members {
        cx.check()?;
        own.until(part.at, pass)?;
        let made = member(part, moves.by(), &mut own, pass, cx)?;
        moves.made.push(made);
    }
    own.until(directory.at, pass)?;
    let end = directory.at + directory.len;
    while pass.offset() < end {
        cx.check()?;
        entry(&moves, &mut own, pass)?;
    }
    records(moves.by(), pass)?;
    own.rest(pass)
}

/// A member that was made again.
struct Made {
    /// Where it stood.
    at: u64,
    crc: u32,
    packed: u64,
    plain: u64,
    /// By how much all that stands behind it moves, bytes.
    by: i64,
}

/// The members that were made again, in order of place; 40 bytes each.
struct Moves {
    /// What an offset of 0 means.
    base: u64,
    made: Vec<Made>,
}

impl Moves {
    /// By how much what comes next moves.
    fn by(&self) -> i64 {
        self.made.last().map_or(0, |made| made.by)
    }

    /// By how much a member that stood at `at` moves, and the member if it was made again.
    fn of(&self, at: u64) -> (i64, Option<&Made>) {
        let next = self.made.partition_point(|made| made.at < at);
        let before = next.checked_sub(1).and_then(|before| self.made.get(before));
        (before.map_or(0, |made| made.by), self.made.get(next).filter(|made| made.at == at))
    }
}

fn read(side: Side, pass: &mut dyn Pass) -> Result<Header> {
    let header = head::read(side, pass.offset(), &mut |n| {
        let window = pass.window(n)?;
        Ok(window.get(..n.min(window.len())).unwrap_or_default().to_vec())
    })?;
    pass.drop(header.raw.len() as u64)?;
    Ok(header)
}

/// Makes a member again: header, payload, descriptor. What stood before it moved by `by` bytes.
fn member(part: &PartFound, by: i64, own: &mut Playing<'_>, pass: &mut dyn Pass, cx: &mut Cx<'_>) -> Result<Made> {
    let mut header = read(Side::Local, pass)?;
    own.overlay(part.at, &mut header.raw)?;
    let [was, style] = part.note;
    let Method::Coded(coded) = method::of(&header, cx) else {
        return Err(Error::new(Kind::Verify, "a member is not what it was found to be").layer(NAME));
    };
    let summed = Summed::new(coded);
    let mut inner = SpoolPass::new(pass, was, cx.search.space);
    encode_again(&summed, part, &cx.edits(), &mut inner, cx)?;
    let spool = inner.finish()?;
    let ((crc, plain), packed) = (summed.sum(), spool.len());
    let style = Style::from_note(style);
    let later = header.packed.value == 0 && header.plain.value == 0 && header.crc() == 0;
    if style.is_none() || !later {
        header.set_crc(crc);
        header.set(header.packed, packed)?;
        header.set(header.plain, plain)?;
    }
    pass.write(&header.raw)?;
    pass::write_spool(&spool, pass)?;
    if let Some(style) = style {
        let made = style.write(crc, packed, plain);
        let made = made.ok_or_else(|| Error::limit("a size of a zip without zip64 (4 GiB)").layer(NAME))?;
        pass.drop(style.len() as u64)?;
        pass.write(&made)?;
    }
    let by = i128::from(packed) - i128::from(was) + i128::from(by);
    let by = i64::try_from(by).map_err(|_| Error::new(Kind::Verify, "a zip's length is no number").layer(NAME))?;
    Ok(Made { at: part.at, crc, packed, plain, by })
}

/// Writes the next entry of the directory.
fn entry(moves: &Moves, own: &mut Playing<'_>, pass: &mut dyn Pass) -> Result<()> {
    let at = pass.offset();
    let mut header = read(Side::Central, pass)?;
    own.overlay(at, &mut header.raw)?;
    let (by, made) = moves.of(moves.base.saturating_add(header.offset.value));
    if by != 0 {
        header.set(header.offset, end::shift(header.offset.value, by)?)?;
    }
    if let Some(made) = made {
        header.set_crc(made.crc);
        header.set(header.packed, made.packed)?;
        header.set(header.plain, made.plain)?;
    }
    pass.write(&header.raw)
}

/// Writes the end records; the directory moved by `by` bytes.
fn records(by: i64, pass: &mut dyn Pass) -> Result<()> {
    let take = |pass: &mut dyn Pass, n: usize| -> Result<Vec<u8>> {
        let bytes = pass.window(n)?.get(..n).unwrap_or_default().to_vec();
        pass.drop(n as u64)?;
        Ok(bytes)
    };
    let wide = pass.window(END64.len())?.starts_with(END64);
    if wide {
        let mut records = take(pass, END64_LEN + LOCATOR_LEN)?;
        end::shift64(&mut records, by)?;
        pass.write(&records)?;
    }
    let mut record = take(pass, END_LEN)?;
    end::shift32(&mut record, wide, by)?;
    pass.write(&record)
}
