//! The reference engine: the SPEC's words, one after another, as plain code.
//!
//! It is the second opinion: the `verify` verb, `--verify paranoid` and the tests of the fast engine ask it. So it shares no
//! code with the other engine and is written to be read beside the SPEC: `types` is "Identifier types", `fields` is
//! "Identifying fields", `spellings` is "Spellings"; this file goes through the levels and decides which hits stand.
//! It does not look for variants (Base64, digests), and knows no formats, subjects or actions.
//!
//! Where the SPEC is silent:
//! - A *level* is the raw text or what a chain of one to three decodings of the *whole* text gives, each of which changed
//!   something. Text is decoded once a step: `%2540` is `%40` one level down and `@` two levels down. A level's text begins and
//!   ends where the unit does, and boundaries hold there.
//! - A hit's span runs from the first raw byte that spells its first byte to the last raw byte that spells its last one.
//!   A value that begins or ends inside a character (a part of an entity's text) takes the whole escape.
//! - A cell whose quotes are doubled is searched as text of its own besides; its chain does not count the halving.
//! - Of overlapping hits of one value the longest stands, of equally long ones the leftmost, of the same span the shortest
//!   chain, of those the first in the order of [`Spelling::ALL`].
//!
//! Work: at most 84 levels; a text that several chains lead to is searched once. Memory: four texts of at most the
//! unit's size (entities can grow a text by a fifth) and the hits; no map of offsets is kept, a hit is mapped back by
//! decoding once more.

mod fields;
mod spellings;
#[cfg(test)]
mod tests;
mod types;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::rc::Rc;

use sha2::{Digest, Sha256};

use self::fields::Identifying;
use self::spellings::{Code, decode, lift};
use self::types::Anywhere;
use super::{Chain, Engine, Hit, Plan, Spelling, Unit, ValueId};
use crate::record::Place;

/// The portable second engine. Holds copies of the values, wiped when it is dropped; has no `Debug` for their sake.
pub struct Reference {
    anywhere: Anywhere,
    identifying: Identifying,
}

/// A value, and where it stands in the text of a level.
type Found = (ValueId, Range<usize>);

/// The text of one level, and how it came about.
struct Level<'l> {
    text: &'l [u8],
    /// The text it was decoded from, and the code; `None` for bytes of the unit as they stand.
    from: Option<(&'l Level<'l>, &'static Code)>,
    /// Offset in the unit of the outermost text's first byte.
    base: usize,
    chain: Chain,
}

impl Reference {
    /// The engine for `plan`. Empty values of anywhere-types, and ones that are not canonical, never match.
    pub fn new(plan: &Plan) -> Self {
        Self { anywhere: Anywhere::new(&plan.needles), identifying: Identifying::new(&plan.needles, &plan.fields) }
    }

    /// Everything that stands in `text` as it is, in coordinates of `text`.
    fn search(&self, text: &[u8]) -> Vec<Found> {
        let mut found = Vec::new();
        self.anywhere.find(text, &mut found);
        self.identifying.find(text, &mut found);
        found
    }

    /// Searches `level` and every level below it. `seen` holds what each text (by SHA-256) was found to hold: another
    /// chain may lead to the same text by another way, with other raw spans.
    fn descend(&self, level: &Level<'_>, seen: &mut HashMap<[u8; 32], Rc<Vec<Found>>>, hits: &mut Vec<Hit>) {
        let found = seen.entry(Sha256::digest(level.text).into()).or_insert_with(|| Rc::new(self.search(level.text)));
        hits.extend(level.raise(found));
        for spelling in Spelling::ALL {
            let Some(chain) = level.chain.then(spelling) else {
                return;
            };
            let code = Code::of(spelling);
            if let Some(text) = decode(code, level.text) {
                let below = Level { text: &text, from: Some((level, code)), base: level.base, chain };
                self.descend(&below, seen, hits);
            }
        }
    }
}

impl Level<'_> {
    /// The hits for what was found in this level's text, with spans of the unit.
    fn raise(&self, found: &[Found]) -> impl Iterator<Item = Hit> {
        let mut spans: Vec<_> = found.iter().map(|(_, span)| span.clone()).collect();
        let mut level = self;
        while let Some((outer, code)) = level.from {
            if spans.is_empty() {
                break;
            }
            lift(code, outer.text, &mut spans);
            level = outer;
        }
        found.iter().zip(spans).map(|(&(value, _), span)| Hit {
            value,
            span: self.base + span.start..self.base + span.end,
            chain: self.chain,
        })
    }
}

impl Engine for Reference {
    /// The whole window: this engine has no quick look.
    fn candidates(&self, window: &[u8], found: &mut Vec<Range<usize>>) {
        if !window.is_empty() {
            found.push(0..window.len());
        }
    }

    fn hits(&self, unit: &Unit<'_>, found: &mut Vec<Hit>) {
        let mut hits = Vec::new();
        self.identifying.find_fields(unit, &mut hits);
        let raw = Level { text: unit.text, from: None, base: 0, chain: Chain::default() };
        self.descend(&raw, &mut HashMap::new(), &mut hits);

        for field in unit.fields {
            let quoted = (field.place == Place::QuotedCell).then(|| unit.text.get(field.span.clone())).flatten();
            let Some(text) = quoted else { continue };
            let Some(halved) = decode(&Code::QUOTES, text) else {
                continue;
            };
            let cell = Level { text, from: None, base: field.span.start, chain: Chain::default() };
            let inside = Level { text: &halved, from: Some((&cell, &Code::QUOTES)), ..cell };
            self.descend(&inside, &mut HashMap::new(), &mut hits);
        }
        found.extend(standing(hits));
    }

    fn name(&self) -> &'static str {
        "reference"
    }
}

/// The hits that stand, in the order of [`Engine::hits`].
fn standing(mut hits: Vec<Hit>) -> Vec<Hit> {
    // Stable: hits of one span and depth stay in the order of the levels.
    hits.sort_by_key(|hit| (Reverse(hit.span.len()), hit.span.start, hit.chain.depth()));
    // Value and start → end, disjoint for each value.
    let mut taken: BTreeMap<(ValueId, usize), usize> = BTreeMap::new();
    hits.retain(|hit| {
        let (start, end) = ((hit.value, hit.span.start), hit.span.end);
        let before = taken.range((hit.value, 0)..(hit.value, end)).next_back().map(|(_, end)| *end);
        let free = !taken.contains_key(&start) && before.is_none_or(|end| end <= start.1);
        if free {
            taken.insert(start, end);
        }
        free
    });
    hits.sort_by_key(|hit| (hit.span.start, hit.span.end, hit.value));
    hits
}
