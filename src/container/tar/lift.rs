//! Lift: the members that change are made again, with their headers and padding; all else is kept.
//!
//! Where the new length is known before the payload is played (only edits of its own), the header is written first and the
//! payload spliced; else the payload goes to a spool. Sizes keep the way in which they were written; one that outgrows
//! eleven octal digits takes a PAX record in POSIX archives and base 256 in others.

use super::entry::{self, Dropping, Extended, Extends, Group, Item};
use super::header::{self, BLOCK, Flavor};
use super::pax;
use crate::error::{Error, Kind, Result};
use crate::layer::pass::{self, Playing, SpoolPass};
use crate::layer::{Cx, Found, PartFound, Pass};

/// See [`crate::layer::Layer::lift`].
pub fn lift(found: &Found, pass: &mut dyn Pass, cx: &mut Cx<'_>) -> Result<()> {
    let mut names = Playing::new(&found.own)?;
    for part in &found.parts {
        cx.check()?;
        names.until(part.at, pass)?;
        member(part, &mut names, pass, cx)?;
    }
    names.rest(pass)
}

/// Makes a member again: headers, payload, padding.
fn member(part: &PartFound, names: &mut Playing<'_>, pass: &mut dyn Pass, cx: &mut Cx<'_>) -> Result<()> {
    let Item::Entry(mut group) = entry::next(&mut Dropping(pass))? else {
        return Err(Error::new(Kind::Verify, "a member is not where it was found").layer("tar"));
    };
    names.overlay(group.at, &mut group.raw)?;
    let (start, end) = (group.end(), group.end() + part.len);
    let size = if let Some(size) = part.found.new_len(part.len) {
        pass.write(&with_size(&group, size)?)?;
        pass::apply_until(&part.found.own, pass, start)?;
        pass.keep(pass::gap(end, pass)?)?;
        size
    } else {
        let mut inner = SpoolPass::new(pass, part.len, cx.search.space);
        part.found.layer.lift(&part.found, &mut inner, cx)?;
        let spool = inner.finish()?;
        let size = crate::blob::Blob::len(&spool);
        pass.write(&with_size(&group, size)?)?;
        pass::write_spool(&spool, pass)?;
        size
    };
    pass.drop(header::padding(part.len) as u64)?;
    pass.write([0; BLOCK].get(..header::padding(size)).unwrap_or_default())
}

/// The group's bytes for a payload of `size` bytes.
pub(super) fn with_size(group: &Group, size: u64) -> Result<Vec<u8>> {
    let old = group.block(group.main);
    let mut main = old.to_vec();
    let records = group.extended(Extends::Records);
    let has_record = records.is_some_and(|extended| {
        let body = group.bytes(extended.body.clone());
        pax::records(body).any(|record| body.get(record.key) == Some(b"size"))
    });
    let posix = header::flavor(old) == Flavor::Posix;
    // Beside a record the header's own number is idle; it is kept right where it was, and else 0 as it was.
    let own = header::number(header::field(old, header::SIZE));
    let idle = has_record && own == Some(0);
    let fits = idle || header::set_size(&mut main, size, !posix && !has_record);
    if !fits {
        header::set_size(&mut main, 0, false);
    }
    header::seal(old, &mut main);
    let mut out = Vec::with_capacity(group.raw.len() + 3 * BLOCK);
    let record = has_record || !fits;
    if let Some(extended) = records.filter(|_| record) {
        out.extend_from_slice(group.bytes(0..extended.header));
        records_with_size(group, extended, size, &mut out)?;
        let end = extended.body.end + header::padding(extended.body.len() as u64);
        out.extend_from_slice(group.bytes(end..group.main));
    } else {
        out.extend_from_slice(group.bytes(0..group.main));
        if record {
            made_record(&main, size, &mut out)?;
        }
    }
    out.extend_from_slice(&main);
    Ok(out)
}

/// An extended header with another `size` record.
fn records_with_size(group: &Group, extended: &Extended, size: u64, out: &mut Vec<u8>) -> Result<()> {
    let body = pax::with_size(group.bytes(extended.body.clone()), Some(size));
    let old = group.block(extended.header);
    push_extended(old, old.to_vec(), &body, out)
}

/// An extended header that says the size alone, after the entry's own header.
fn made_record(main: &[u8], size: u64, out: &mut Vec<u8>) -> Result<()> {
    let mut block = main.to_vec();
    for (field, value) in [(header::NAME, &b"././@PaxHeader"[..]), (header::LINK, b""), (header::PREFIX, b"")] {
        let field = block.get_mut(field).unwrap_or_default();
        field.fill(0);
        field.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
    }
    if let Some(kind) = block.get_mut(header::TYPE) {
        *kind = b'x';
    }
    push_extended(main, block, &pax::with_size(b"", Some(size)), out)
}

/// `block` with the size of `body`, and `body`; checksums as in `old`.
fn push_extended(old: &[u8], mut block: Vec<u8>, body: &[u8], out: &mut Vec<u8>) -> Result<()> {
    if body.len() as u64 > entry::MAX_EXTENDED || !header::set_size(&mut block, body.len() as u64, false) {
        return Err(Error::limit("a tar's extended header (1 MiB)"));
    }
    header::seal(old, &mut block);
    out.extend_from_slice(&block);
    out.extend_from_slice(body);
    out.resize(out.len() + header::padding(body.len() as u64), 0);
    Ok(())
}
