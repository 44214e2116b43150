//! Find: one walk through the archive, down into each payload.
//!
//! Every byte of the archive is accounted for: in a header, a payload, padding, or NULs after the end. Padding that is
//! not zero is kept and searched raw, as a member that cannot be read; behind a payload that changes it goes.

use super::Tar;
use super::entry::{self, Body, Group, Item};
use super::header::{self, BLOCK};
use super::names;
use super::sparse::{self, Map, Sparse, Stored};
use crate::edit::EditList;
use crate::error::{Error, Result};
use crate::input::{BlobSource, Input};
use crate::layer::bundle::Bundle;
use crate::layer::clash::Names;
use crate::layer::cx::Leaf;
use crate::layer::{Cx, Found, Layer as _, PartFound};
use crate::limits::{MARK_LAG, MAX_PARTS};
use crate::span::Span;

/// See [`crate::layer::Layer::find`].
pub fn find(tar: &'static Tar, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<Found> {
    let mut found = Found { layer: tar, own: cx.edits(), parts: Vec::new() };
    let (mut names, mut entries) = (Names::default(), Leaf::default());
    let mut bundle = cx.search.detect.bundler().map(|bundler| bundler.open(cx)).transpose()?;
    let mut bundled = Vec::new();
    loop {
        cx.check()?;
        let (group, has_payload) = match entry::next(input)? {
            Item::End => break,
            Item::Global(group) => {
                entry::check_global(&group)?;
                (group, false)
            }
            Item::Entry(group) => (group, true),
        };
        let raw = names::mask(&group, &mut names, cx)?;
        names::note(&group, &raw, &mut entries);
        edit(&group, &raw, &mut found.own)?;
        if has_payload {
            let (part, belongs) = payload(&group, input, bundle.as_deref_mut(), cx)?;
            if belongs && part.is_some() {
                bundled.push(group.at);
            }
            found.parts.extend(part);
            if found.parts.len() > MAX_PARTS {
                return Err(Error::limit("members of a tar that change (262144)").layer(tar.name()));
            }
        }
    }
    cx.leaf("entries", &entries);
    if let Some(mut bundle) = bundle
        && bundle.finish(cx)?
    {
        found.parts.retain(|part| bundled.binary_search(&part.at).is_err());
    }
    Ok(found)
}

/// Edits for what differs between a group and `raw`, its new bytes of the same length: one a block.
fn edit(group: &Group, raw: &[u8], own: &mut EditList) -> Result<()> {
    if group.raw == raw {
        return Ok(());
    }
    for (n, (old, new)) in group.raw.chunks(BLOCK).zip(raw.chunks(BLOCK)).enumerate() {
        let differs = |(old, new): (&u8, &u8)| old != new;
        let first = old.iter().zip(new).position(differs);
        let last = old.iter().zip(new).rposition(differs);
        if let Some((first, last)) = first.zip(last) {
            let at = group.at + (n * BLOCK) as u64;
            own.push(Span::new(at + first as u64, at + last as u64 + 1), new.get(first..=last).unwrap_or_default())?;
        }
    }
    Ok(())
}

/// Reads the payload behind a group, and its padding; what changes in it, and whether it belongs to a bundle.
fn payload<'s>(
    group: &Group,
    input: &mut Input<'_>,
    bundle: Option<&mut (dyn Bundle<'s> + 's)>,
    cx: &mut Cx<'s>,
) -> Result<(Option<PartFound>, bool)> {
    let name = names::name(group);
    let entry = entry::describe(group, &name)?;
    let at = input.offset();
    if entry.size > MARK_LAG as u64 / 4 {
        // Its header changes if its payload's length does, and that may be told when it is long out of reach.
        cx.mark();
    }
    let (mut opaque, mut sparse) = (None, false);
    let map = match entry.body {
        Body::Nothing => return Ok((None, false)),
        Body::File => Map::whole(entry.size),
        Body::Opaque(reason) => {
            opaque = Some(reason);
            Map::whole(entry.size)
        }
        Body::Sparse(Sparse::Map(map)) => {
            map.check(entry.size, at)?;
            sparse = true;
            map
        }
        Body::Sparse(Sparse::InPayload(len)) => {
            let (map, taken) = sparse::in_payload(input, entry.size, len)?;
            map.check(entry.size - taken, at)?;
            sparse = true;
            map
        }
    };
    let read_size = input.read_size();
    let mut below = Input::new(Stored::new(input, map, cx.budget()), read_size);
    let bundle = bundle.filter(|_| opaque.is_none() && !sparse);
    let bundled = bundle.map_or(Ok(None), |bundle| bundle.member(&name, &mut below, cx))?;
    let belongs = bundled.is_some();
    let found = match (bundled, opaque) {
        (Some(found), _) => found,
        (None, Some(reason)) => cx.raw_member(&mut below, &name, reason)?,
        (None, None) => cx.descend_member(&mut below, &name)?,
    };
    if !below.window(1)?.is_empty() {
        return Err(Error::damaged("tar", at, "bytes of a member were left unread"));
    }
    drop(below);
    let changes = !found.is_empty();
    if changes && sparse {
        return Err(Error::unsupported("sparse tar member that must change"));
    }
    padding(entry.size, changes, &name, input, cx)?;
    let part = PartFound { at: group.at, len: entry.size, note: [0; 2], points: None, found };
    Ok((changes.then_some(part), belongs))
}

/// Reads the bytes from a payload's end to the next block.
fn padding(size: u64, goes: bool, name: &[u8], input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<()> {
    let mut padding = Vec::new();
    entry::take(input, header::padding(size), &mut padding, "the stream ends inside padding")?;
    if !goes && padding.iter().any(|b| *b != 0) {
        let mut padding = Input::new(BlobSource::new(&padding), BLOCK);
        cx.raw_member(&mut padding, name, "padding that is not zero")?;
    }
    Ok(())
}
