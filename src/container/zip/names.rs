//! Text in headers: names, their forms in UTF-8, comments; found, and masked in place. Other extra fields are searched only.
//!
//! A member's name stands in its local header and in the directory, each time perhaps in UTF-8 beside it (APPNOTE 6.3.10 §4.6.9).
//! The local one is searched and counted; the others are masked alike. What masking makes equal is told apart by [`Names`],
//! which gives one text one result wherever it stands.

use std::ops::Range;

use super::head::{self, Header, UNICODE_COMMENT, UNICODE_PATH};
use crate::error::{Error, Result};
use crate::layer::clash::Names;
use crate::layer::cx::NameHits;
use crate::layer::{Cx, raw};

/// Version and checksum before the text of a UTF-8 extra field.
const UNICODE_HEAD: usize = 5;

/// The member's name as readers see it: the one in UTF-8 if it belongs to the other one.
pub fn name(header: &Header) -> &[u8] {
    let plain = header.bytes(header.name.clone());
    match unicode(header, UNICODE_PATH) {
        Some(place) if belongs(header, &place, plain) => header.bytes(place),
        _ => plain,
    }
}

/// Where the text of a UTF-8 extra field stands; `None` if there is none, or none of version 1.
fn unicode(header: &Header, kind: u16) -> Option<Range<usize>> {
    let data = header.extra(kind)?;
    (data.len() >= UNICODE_HEAD && header.raw.get(data.start) == Some(&1)).then(|| data.start + UNICODE_HEAD..data.end)
}

/// Whether the checksum before the text at `place` is that of `plain`.
fn belongs(header: &Header, place: &Range<usize>, plain: &[u8]) -> bool {
    head::u32_at(&header.raw, place.start - 4) == crc32fast::hash(plain)
}

/// The bytes of a local header with its name masked, if it must be, and the name counted.
pub fn mask_local(header: &Header, names: &mut Names, cx: &mut Cx<'_>) -> Result<Vec<u8>> {
    let mut hits = NameHits::default();
    let raw = mask_name(header, names, &mut hits, cx)?;
    cx.name_hits(hits);
    Ok(raw)
}

/// The bytes of a directory entry with its name masked as it was in the local header, and its comment.
pub fn mask_central(header: &Header, names: &mut Names, cx: &mut Cx<'_>) -> Result<Vec<u8>> {
    let mut raw = mask_name(header, names, &mut NameHits::default(), cx)?;
    let mut hits = NameHits::default();
    let (plain, other) = (header.comment.clone(), unicode(header, UNICODE_COMMENT));
    both(header, (plain, other), &mut raw, &mut hits, cx, &mut |_, new| Ok(new))?;
    cx.name_hits(hits);
    Ok(raw)
}

fn mask_name(header: &Header, names: &mut Names, hits: &mut NameHits, cx: &Cx<'_>) -> Result<Vec<u8>> {
    let mut raw = header.raw.clone();
    let places = (header.name.clone(), unicode(header, UNICODE_PATH));
    both(header, places, &mut raw, hits, cx, &mut |text, new| {
        names.settle(text, new).map_err(|error| error.layer(super::NAME))
    })?;
    Ok(raw)
}

/// What a text becomes that would be masked as the second.
type Settle<'s> = dyn FnMut(&[u8], Vec<u8>) -> Result<Vec<u8>> + 's;

/// Masks a text and its form in UTF-8; one hit in both counts once. The checksum that ties them together is made again.
fn both(
    header: &Header,
    (place, other): (Range<usize>, Option<Range<usize>>),
    raw: &mut [u8],
    hits: &mut NameHits,
    cx: &Cx<'_>,
    settle: &mut Settle<'_>,
) -> Result<()> {
    let mut mask = |place: &Range<usize>, hits: &mut NameHits| -> Result<Vec<u8>> {
        let text = header.bytes(place.clone());
        settle(text, cx.search.mask_name(text, hits).unwrap_or_else(|| text.to_vec()))
    };
    let plain = mask(&place, hits)?;
    head::put(raw, place.start, &plain);
    let Some(other) = other else { return Ok(()) };
    let mut again = NameHits::default();
    let text = mask(&other, &mut again)?;
    head::put(raw, other.start, &text);
    if belongs(header, &other, header.bytes(place)) {
        head::put(raw, other.start - 4, &crc32fast::hash(&plain).to_le_bytes());
    }
    if hits.masked == 0 && !hits.held {
        *hits = again;
    }
    Ok(())
}

/// Whether a value stands in an extra field that is no text which is masked.
pub fn holds_aside(header: &Header, cx: &Cx<'_>) -> bool {
    let mut rest = header.bytes(header.extra.clone()).to_vec();
    for kind in [UNICODE_PATH, UNICODE_COMMENT] {
        if let Some(text) = unicode(header, kind) {
            let start = text.start - header.extra.start;
            rest.get_mut(start..start + text.len()).unwrap_or_default().fill(0);
        }
    }
    rest.iter().any(|b| *b != 0) && raw::holds(&rest, cx.search)
}

/// Refuses headers of one member that tell different things (SPEC: a directory that disagrees is damage).
pub fn agree(local: &Header, central: &Header, at: u64) -> Result<()> {
    let differ = |what| Err(Error::damaged(super::NAME, at, what));
    if (local.flags() ^ central.flags()) & !head::EFFORT != 0 {
        return differ("flags differ from those in the directory");
    }
    if local.method() != central.method() {
        return differ("the method differs from that in the directory");
    }
    if local.flags() & head::MASKED != 0 {
        return Ok(());
    }
    if local.bytes(local.name.clone()) != central.bytes(central.name.clone()) {
        return differ("the name differs from that in the directory");
    }
    if let (Some(here), Some(there)) = (unicode(local, UNICODE_PATH), unicode(central, UNICODE_PATH))
        && local.bytes(here) != central.bytes(there)
    {
        return differ("the name in UTF-8 differs from that in the directory");
    }
    let later = local.flags() & head::DESCRIPTOR != 0;
    let same = |here: u64, there: u64| here == there || (later && here == 0);
    if !same(local.crc().into(), central.crc().into()) {
        return differ("the checksum differs from that in the directory");
    }
    let sizes = [(local.packed, central.packed), (local.plain, central.plain)];
    if !sizes.iter().all(|(here, there)| same(here.value, there.value)) {
        return differ("sizes differ from those in the directory");
    }
    Ok(())
}
