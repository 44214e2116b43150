//! Keeps names apart that masking makes equal, and equal names together.
//!
//! Works on components, the parts of a path between slashes: one masked component of one original is the same everywhere in
//! the archive, so that folders, the files below them, hard links and targets of symbolic links stay together whatever
//! their order. The first original of its masked bytes is masked plainly; in others the last bytes become `~n`, numbered
//! from 1 in order of appearance (SPEC "Keys, names, headers"), past numbers that are taken. A component that holds `*` and
//! is not masked (of an earlier run, or of somebody who wants two files to become one) stays as it is, and masked ones
//! give way to it. If it equals a masked one that came before it, it is too late for that, and it takes a number itself.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher as _;
use std::ops::Range;

use crate::error::{Error, Result};
use crate::limits::MAX_PARTS;

/// The components of an archive that are masked, or that hold `*` anyway. Hashes alone, about 80 bytes each, and at most
/// [`MAX_PARTS`] components; they are keyed at random, so that no archive can be made to collide.
#[derive(Debug, Default)]
pub struct Names {
    hasher: RandomState,
    /// Number of each masked component, by its original and its masked bytes.
    numbers: HashMap<u64, u32>,
    /// What components are in the result.
    taken: HashMap<u64, Taken>,
    /// Numbers that were tried and found taken.
    tries: usize,
    /// An unmasked component was not remembered: nothing can be masked any more.
    full: bool,
}

/// Who has a component of the result.
#[derive(Debug)]
struct Taken {
    /// The hash of its original and masked bytes.
    owner: u64,
    /// The least number that is not known to be taken, for originals that are masked to it.
    next: u32,
}

impl Names {
    /// `masked`, the masked form of the path `name` (or `name` itself), with its components numbered. Errors: more
    /// components than [`MAX_PARTS`]; a component too short for its number.
    pub fn settle(&mut self, name: &[u8], mut masked: Vec<u8>) -> Result<Vec<u8>> {
        if memchr::memchr(b'*', &masked).is_none() {
            return Ok(masked);
        }
        for place in components(&masked) {
            let original = name.get(place.clone()).unwrap_or_default();
            let Some(component) = masked.get_mut(place).filter(|component| component.contains(&b'*')) else {
                continue;
            };
            if component != original || !self.keep(original) {
                let numbered = self.number(original, component)?;
                component.copy_from_slice(&numbered);
            }
        }
        Ok(masked)
    }

    /// Takes note of a component that stays as it is; `false` if a masked one has its bytes already.
    fn keep(&mut self, component: &[u8]) -> bool {
        let owner = self.hasher.hash_one((component, component));
        let full = self.taken.len() >= MAX_PARTS;
        match self.taken.entry(self.hasher.hash_one(component)) {
            Entry::Occupied(taken) => return taken.get().owner == owner,
            // An archive in which nothing must be masked has no need of a bound.
            Entry::Vacant(_) if full => self.full = true,
            Entry::Vacant(free) => {
                free.insert(Taken { owner, next: 1 });
            }
        }
        true
    }

    /// The bytes of the same length that stand for a masked component.
    fn number(&mut self, original: &[u8], masked: &[u8]) -> Result<Vec<u8>> {
        let owner = self.hasher.hash_one((original, masked));
        if let Some(n) = self.numbers.get(&owner) {
            return numbered(original, masked, *n);
        }
        if self.full || self.taken.len() >= MAX_PARTS {
            return Err(Error::limit("masked parts of names in an archive (262144)"));
        }
        let plain = self.hasher.hash_one(masked);
        let mut n = self.taken.get(&plain).map_or(0, |taken| taken.next);
        let result = loop {
            let result = numbered(original, masked, n)?;
            if let Entry::Vacant(free) = self.taken.entry(self.hasher.hash_one(result.as_slice())) {
                free.insert(Taken { owner, next: 1 });
                break result;
            }
            self.tries += 1;
            if self.tries > MAX_PARTS {
                return Err(Error::limit("numbers of masked names in an archive that are taken (262144)"));
            }
            n += 1;
        };
        if let Some(taken) = self.taken.get_mut(&plain) {
            taken.next = n + 1;
        }
        self.numbers.insert(owner, n);
        Ok(result)
    }
}

/// The places between slashes. Slashes of the masked path: one that is masked itself parts nothing any more.
fn components(path: &[u8]) -> Vec<Range<usize>> {
    let mut start = 0;
    let ends = memchr::memchr_iter(b'/', path).chain([path.len()]);
    ends.map(|end| std::mem::replace(&mut start, end + 1)..end).filter(|place| !place.is_empty()).collect()
}

/// The last bytes of `masked` become `~n`, if `n` is not 0. A character that is cut goes whole. One `*` is left, by which
/// it is known as masked.
fn numbered(original: &[u8], masked: &[u8], n: u32) -> Result<Vec<u8>> {
    let mut numbered = masked.to_vec();
    if n == 0 {
        return Ok(numbered);
    }
    let tag = format!("~{n}");
    let short = || Error::limit("masked names in an archive that are equal, by the bytes that hold their number");
    let start = masked.len().checked_sub(tag.len()).ok_or_else(short)?;
    numbered.get_mut(start..).unwrap_or_default().copy_from_slice(tag.as_bytes());
    if std::str::from_utf8(original).is_ok() {
        let mut at = start;
        while original.get(at).is_some_and(|b| b & 0xc0 == 0x80) && at > 0 {
            at -= 1;
            if let Some(byte) = numbered.get_mut(at) {
                *byte = b'*';
            }
        }
    }
    if numbered.contains(&b'*') { Ok(numbered) } else { Err(short()) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::error::Kind;
    use proptest::prelude::*;

    /// Digits are masked, but for those behind `~`.
    fn mask(name: &str) -> Vec<u8> {
        let mut last = 0;
        name.bytes()
            .map(|b| if std::mem::replace(&mut last, b) != b'~' && b.is_ascii_digit() { b'*' } else { b })
            .collect()
    }

    fn settle(names: &mut Names, name: &str) -> String {
        String::from_utf8(names.settle(name.as_bytes(), mask(name)).unwrap()).unwrap()
    }

    #[test]
    fn components_are_numbered_each() {
        let mut names = Names::default();
        for (name, want) in [
            ("h/1111/", "h/****/"),
            ("h/1111/x", "h/****/x"),
            ("h/2222/", "h/**~1/"),
            ("2222", "**~1"),
            ("../h//2222/2222.log", "../h//**~1/****.log"),
            ("1111.log", "****.l~1"),
            ("3333/1111", "**~2/****"),
            ("1111.log/1", "****.l~1/*"),
            ("clean/x", "clean/x"),
        ] {
            assert_eq!(settle(&mut names, name), want, "{name}");
        }
    }

    #[test]
    fn masked_ones_give_way_to_what_holds_stars() {
        let mut names = Names::default();
        for (name, want) in
            [("****", "****"), ("**~2", "**~2"), ("1111", "**~1"), ("2222", "**~3"), ("****", "****"), ("1111", "**~1")]
        {
            assert_eq!(settle(&mut names, name), want, "{name}");
        }
        // Too late for that: they give way themselves, everywhere alike.
        let late = |names: &mut Names, name: &str| {
            String::from_utf8(names.settle(name.as_bytes(), name.as_bytes().to_vec()).unwrap()).unwrap()
        };
        let first = late(&mut names, "**~1");
        assert!(first != "**~1" && first.len() == 4, "{first}");
        assert_eq!(late(&mut names, "h/**~1/x"), format!("h/{first}/x"));
        assert_ne!(late(&mut names, "**~3"), first);
        // A number can come to what is another's mask.
        let mut names = Names::default();
        assert_eq!(names.settle(b"11~1", b"**~1".to_vec()).unwrap(), b"**~1");
        assert_eq!(["1111", "2222", "3333"].map(|name| settle(&mut names, name)), ["****", "**~2", "**~3"]);
    }

    #[test]
    fn bounds() {
        let mut names = Names::default();
        settle(&mut names, "1");
        assert_eq!(names.settle(b"2", b"*".to_vec()).err().unwrap().kind(), Kind::Limit, "no room for a number");
        settle(&mut names, "x11");
        assert_eq!(names.settle(b"x22", b"x**".to_vec()).err().unwrap().kind(), Kind::Limit, "no star is left");
        let mut names = Names::default();
        for n in 0..=MAX_PARTS {
            settle(&mut names, &format!("*{}", mask_free(n)));
        }
        assert_eq!(names.taken.len(), MAX_PARTS);
        assert_eq!(names.settle(b"1111", b"****".to_vec()).err().unwrap().kind(), Kind::Limit);
    }

    /// A number without digits.
    fn mask_free(n: usize) -> String {
        n.to_string().bytes().map(|b| char::from(b - b'0' + b'a')).collect()
    }

    #[test]
    fn characters_that_are_cut_go_whole() {
        let mut names = Names::default();
        assert_eq!(settle(&mut names, "11\u{20ac}"), "**\u{20ac}");
        assert_eq!(settle(&mut names, "22\u{20ac}"), "***~1");
        assert_eq!(settle(&mut names, "\u{20ac}11"), "\u{20ac}**");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        /// One original, one result; two originals, two results; the length stays; a second look changes nothing.
        #[test]
        fn one_to_one(parts in prop::collection::vec("([12]{3,4}|[*]{1,2}~[12]|[*]{4}|[12*]{4}|a)[.x]{0,2}", 1..40)) {
            let mut names = Names::default();
            let mut results = BTreeMap::new();
            for part in &parts {
                let Ok(new) = names.settle(part.as_bytes(), mask(part)) else { continue };
                prop_assert_eq!(new.len(), part.len());
                prop_assert!(results.insert(part.clone(), new.clone()).is_none_or(|old| old == new));
            }
            let mut distinct: Vec<_> = results.values().collect();
            distinct.sort();
            distinct.dedup();
            prop_assert_eq!(distinct.len(), results.len());
        }
    }
}
