//! Text in headers: names, links, owners, PAX values, and bytes that fields leave unused; found, and masked in place.
//!
//! A name can stand in several places of one group (cut short in the header, whole in an extended header). The one that counts is
//! searched and counted once; the others follow it. What masking makes equal is told apart by [`Names`].

use std::ops::Range;

use super::entry::{Extends, Group};
use super::header::{self, BLOCK, Flavor};
use super::pax;
use crate::error::Result;
use crate::layer::Cx;
use crate::layer::clash::Names;
use crate::layer::cx::{Leaf, NameHits};

/// PAX keys whose values are numbers, which are left alone where they are.
const NUMBERS: [&[u8]; 15] = [
    b"size",
    b"uid",
    b"gid",
    b"mtime",
    b"atime",
    b"ctime",
    b"LIBARCHIVE.creationtime",
    b"SCHILY.dev",
    b"SCHILY.ino",
    b"SCHILY.nlink",
    b"SCHILY.devmajor",
    b"SCHILY.devminor",
    b"GNU.sparse.map",
    b"GNU.sparse.offset",
    b"GNU.sparse.numbytes",
];

/// Where a text stands in a group: in one range, or in a prefix and a rest with a slash between.
#[derive(Debug, Clone)]
struct Place {
    prefix: Option<Range<usize>>,
    rest: Range<usize>,
}

impl Place {
    fn text(&self, raw: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        if let Some(prefix) = &self.prefix {
            text.extend_from_slice(raw.get(prefix.clone()).unwrap_or_default());
            text.push(b'/');
        }
        text.extend_from_slice(raw.get(self.rest.clone()).unwrap_or_default());
        text
    }

    /// Writes a text of the same length.
    fn put(&self, raw: &mut [u8], text: &[u8]) {
        let (prefix, rest) = text.split_at_checked(text.len().saturating_sub(self.rest.len())).unwrap_or_default();
        put(raw, self.rest.clone(), rest);
        if let Some(place) = &self.prefix {
            put(raw, place.clone(), prefix.get(..place.len()).unwrap_or_default());
        }
    }
}

fn put(raw: &mut [u8], place: Range<usize>, text: &[u8]) {
    if let Some(place) = raw.get_mut(place).filter(|place| place.len() == text.len()) {
        place.copy_from_slice(text);
    }
}

/// Name, link, owner and group: the places of each, the one that counts last.
fn roles(group: &Group) -> [Vec<Place>; 4] {
    let mut roles: [Vec<Place>; 4] = [const { Vec::new() }; 4];
    let [names, links, users, groups] = &mut roles;
    for (place, role) in
        header_texts(group, group.main).into_iter().zip([&mut *names, &mut *links, &mut *users, &mut *groups])
    {
        role.extend(place);
    }
    let long = |extends| {
        let body = group.extended(extends)?.body.clone();
        let end = body.start + header::text_end(group.bytes(body.clone()));
        (end > body.start).then_some(Place { prefix: None, rest: body.start..end })
    };
    names.extend(long(Extends::Name));
    links.extend(long(Extends::Link));
    let mut sparse = Vec::new();
    if let Some(extended) = group.extended(Extends::Records) {
        let body = group.bytes(extended.body.clone());
        for record in pax::records(body).filter(|record| !record.value.is_empty()) {
            let start = extended.body.start;
            let place = Place { prefix: None, rest: start + record.value.start..start + record.value.end };
            match body.get(record.key).unwrap_or_default() {
                b"path" => names.push(place),
                b"linkpath" => links.push(place),
                b"uname" => users.push(place),
                b"gname" => groups.push(place),
                b"GNU.sparse.name" => sparse.push(place),
                _ => {}
            }
        }
    }
    names.append(&mut sparse);
    roles
}

/// The texts of the header at `at`: name, link, owner, group; `None` for one that is empty or that the layout has not.
fn header_texts(group: &Group, at: usize) -> [Option<Place>; 4] {
    let block = group.block(at);
    let flavor = header::flavor(block);
    let place = |range: Range<usize>| {
        let end = range.start + header::text_end(header::field(block, range.clone()));
        (!block.is_empty() && end > range.start).then(|| at + range.start..at + end)
    };
    let simple = |range| place(range).map(|rest| Place { prefix: None, rest });
    let named = |range| simple(range).filter(|_| flavor != Flavor::Old);
    let prefix = if flavor == Flavor::Posix { place(header::PREFIX) } else { None };
    let name = match (prefix, place(header::NAME)) {
        (None, None) => None,
        (prefix, rest) => Some(Place { prefix, rest: rest.unwrap_or(at..at) }),
    };
    [name, simple(header::LINK), named(header::USER), named(header::GROUP)]
}

/// The entry's name as readers see it.
pub fn name(group: &Group) -> Vec<u8> {
    let [names, ..] = roles(group);
    names.last().map(|place| place.text(&group.raw)).unwrap_or_default()
}

/// The group's bytes with every text masked that must be, and its checksums right again.
pub fn mask(group: &Group, names: &mut Names, cx: &mut Cx<'_>) -> Result<Vec<u8>> {
    let mut raw = group.raw.clone();
    let mut followers = NameHits::default();
    let counted = (cx.tally.names, cx.tally.left_held);
    for (role, places) in roles(group).iter().enumerate() {
        let Some((place, others)) = places.split_last() else {
            continue;
        };
        let path = role < 2;
        let text = place.text(&group.raw);
        let mut new = cx.name(&text).unwrap_or_else(|| text.clone());
        if path {
            new = names.settle(&text, new)?;
        }
        for other in others {
            let names = path.then_some(&mut *names);
            follow(other, (&text, &new), &mut raw, &mut followers, names, cx)?;
        }
        if new != text {
            place.put(&mut raw, &new);
        }
    }
    for extended in &group.extended {
        for place in header_texts(group, extended.header).into_iter().flatten() {
            follow(&place, (b"", b""), &mut raw, &mut followers, None, cx)?;
        }
    }
    for place in others(group) {
        if let Some(masked) = group.raw.get(place.clone()).and_then(|text| cx.name(text)) {
            put(&mut raw, place, &masked);
        }
    }
    if counted == (cx.tally.names, cx.tally.left_held) {
        cx.name_hits(followers);
    }
    for at in headers(group) {
        if let Some(block) = raw.get_mut(at..at + BLOCK).filter(|block| *block != group.block(at)) {
            header::seal(group.block(at), block);
        }
    }
    Ok(raw)
}

/// Masks a text that repeats the first of `whole`, wholly or cut short, as the second of `whole` does, which is its masked form;
/// or one that is made from it (the path of a sparse file), as a path of its own.
fn follow(
    place: &Place,
    whole: (&[u8], &[u8]),
    raw: &mut [u8],
    hits: &mut NameHits,
    names: Option<&mut Names>,
    cx: &Cx<'_>,
) -> Result<()> {
    let own = place.text(raw);
    let mut new = cx.search.mask_name(&own, hits).unwrap_or_else(|| own.clone());
    if whole.0.starts_with(&own) {
        for ((to, was), is) in new.iter_mut().zip(whole.0).zip(whole.1) {
            if was != is {
                *to = *is;
            }
        }
    } else if let Some(names) = names.filter(|_| new != own) {
        new = names.settle(&own, new)?;
    }
    if new != own {
        place.put(raw, &new);
    }
    Ok(())
}

/// Offsets of the group's header blocks.
fn headers(group: &Group) -> impl Iterator<Item = usize> + '_ {
    let main = (group.main < group.raw.len()).then_some(group.main);
    group.extended.iter().map(|extended| extended.header).chain(main)
}

/// Where else text can stand: PAX keys and values, and bytes that no field uses.
fn others(group: &Group) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    for extended in &group.extended {
        let body = group.bytes(extended.body.clone());
        let start = extended.body.start;
        match extended.extends {
            Extends::Records | Extends::All => {
                let all = extended.extends == Extends::All;
                for record in pax::records(body) {
                    let key = body.get(record.key.clone()).unwrap_or_default();
                    let value = body.get(record.value.clone()).unwrap_or_default();
                    let role = !all && matches!(key, b"path" | b"linkpath" | b"uname" | b"gname" | b"GNU.sparse.name");
                    let number =
                        NUMBERS.contains(&key) && value.iter().all(|b| matches!(b, b'0'..=b'9' | b'.' | b',' | b'-'));
                    if !role {
                        places.push(start + record.key.start..start + record.key.end);
                    }
                    if !role && !number {
                        places.push(start + record.value.start..start + record.value.end);
                    }
                }
            }
            Extends::Name | Extends::Link => {
                let end = header::text_end(body);
                if body.iter().skip(end).any(|b| *b != 0) {
                    places.push(start + end..extended.body.end);
                }
            }
        }
    }
    for at in headers(group) {
        slack(group, at, &mut places);
    }
    for (n, block) in group.raw.get(group.main..).unwrap_or_default().chunks(BLOCK).enumerate().skip(1) {
        if header::field(block, 505..512).iter().any(|b| *b != 0) {
            places.push(group.main + n * BLOCK + 505..group.main + (n + 1) * BLOCK);
        }
    }
    places
}

/// The bytes of a header that its layout leaves unused, where there are any: behind the NUL that ends a text, in
/// numbers that are none, and at the end.
fn slack(group: &Group, at: usize, places: &mut Vec<Range<usize>>) {
    let block = group.block(at);
    let flavor = header::flavor(block);
    let mut add = |range: Range<usize>, text: bool| {
        let bytes = header::field(block, range.clone());
        let from = if text { header::text_end(bytes) } else { 0 };
        let bytes = bytes.get(from..).unwrap_or_default();
        // Octal digits alone are numbers of some writer: times, offsets.
        if bytes.iter().any(|b| !matches!(b, 0 | b' ' | b'0'..=b'7')) {
            places.push(at + range.start + from..at + range.end);
        }
    };
    for range in header::IDLE_NUMBERS {
        add(range, false);
    }
    add(header::NAME, true);
    add(header::LINK, true);
    if flavor == Flavor::Old {
        return add(header::OLD_REST, false);
    }
    add(header::USER, true);
    add(header::GROUP, true);
    for range in header::DEVICE {
        add(range, false);
    }
    if flavor == Flavor::Posix {
        add(header::PREFIX, true);
        add(header::POSIX_REST, false);
    } else if header::kind(block) == b'S' {
        add(345..386, false);
        add(495..512, false);
    } else {
        add(header::GNU_REST, false);
    }
}

/// Adds to `leaf` what a group says, `raw` being its bytes as they will be: all but sizes and checksums, which follow the
/// payloads. An extended header that has nothing but a size does not count: lift may have to make one.
pub fn note(group: &Group, raw: &[u8], leaf: &mut Leaf) {
    let header = |leaf: &mut Leaf, at: usize| {
        let mut block = raw.get(at..at + BLOCK).unwrap_or_default().to_vec();
        for field in [header::SIZE, header::CHECKSUM] {
            block.get_mut(field).unwrap_or_default().fill(0);
        }
        leaf.update(&block);
    };
    for extended in &group.extended {
        let body = raw.get(extended.body.clone()).unwrap_or_default();
        if matches!(extended.extends, Extends::Name | Extends::Link) {
            header(leaf, extended.header);
            leaf.update(body);
            continue;
        }
        let records = || pax::records(body).filter(|record| body.get(record.key.clone()) != Some(b"size"));
        if records().next().is_some() {
            header(leaf, extended.header);
        }
        for record in records() {
            leaf.update(body.get(record.key.start..record.whole.end).unwrap_or_default());
        }
    }
    if group.main < raw.len() {
        header(leaf, group.main);
        leaf.update(raw.get(group.main + BLOCK..).unwrap_or_default());
    }
}
