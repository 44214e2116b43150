//! The reference engine: the SPEC's words, one after another, as plain code.
//!
//! It is the second opinion: the `verify` verb, `--verify paranoid` and the tests of the fast engine ask it. So it shares no
//! code with the other engine and is written to be read beside the SPEC: `types` is "Identifier types", `fields` is
//! "Identifying fields", `spellings` is "Spellings"; this file goes through the levels and decides which hits stand.
//! `variants` are the forms that are searched on request. It knows no formats, subjects or actions.
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
//! Work: at most 84 levels, and with variants those of each stretch; a text that several chains lead to is searched once. Memory:
//! four texts of at most the unit's size (entities can grow a text by a fifth, UTF-16 by half) and the hits; no map of offsets
//! is kept, a hit is mapped back by decoding once more.

mod fields;
mod spellings;
#[cfg(test)]
mod tests;
mod types;
mod variants;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::rc::Rc;

use sha2::{Digest, Sha256};

use self::fields::Identifying;
use self::spellings::{Code, decode, lift};
use self::types::Anywhere;
use self::variants::{Asked, Run, Wanted, Wide, without_quoted};
use super::{Chain, Engine, Hit, Plan, Spelling, Unit, ValueId};
use crate::limits::SPELLING_DEPTH;
use crate::record::Place;

/// The portable second engine. Holds copies of the values, wiped when it is dropped; has no `Debug` for their sake.
pub struct Reference {
    anywhere: Anywhere,
    identifying: Identifying,
    asked: Asked,
}

/// A value, and where it stands in the text of a level.
type Found = (ValueId, Range<usize>);

/// What stands in a text: values, and digests of values.
type Search = (Vec<Found>, Vec<Found>);

/// The text of one level, and how it came about.
struct Level<'l> {
    text: &'l [u8],
    from: From<'l>,
    /// Offset in the unit of the outermost text's first byte.
    base: usize,
    chain: Chain,
    /// Number of decodings.
    depth: usize,
    /// What counts in it.
    wanted: Wanted,
}

/// What a level's text was decoded from, and how.
#[derive(Clone, Copy)]
enum From<'l> {
    /// Bytes of the unit as they stand.
    Unit,
    Code(&'l Level<'l>, &'static Code),
    Base64(&'l Level<'l>, &'l Run),
    Utf16(&'l Level<'l>, &'l Wide),
}

impl Reference {
    /// The engine for `plan`. Empty values of anywhere-types, and ones that are not canonical, never match.
    pub fn new(plan: &Plan) -> Self {
        Self {
            anywhere: Anywhere::new(&plan.needles),
            identifying: Identifying::new(&plan.needles, &plan.fields),
            asked: Asked::new(&plan.needles, &plan.fields.variants),
        }
    }

    /// Everything that stands in `text` as it is and is wanted, in coordinates of `text`.
    fn search(&self, text: &[u8], wanted: &Wanted) -> Search {
        let (mut found, mut digests) = (Vec::new(), Vec::new());
        self.anywhere.find(text, wanted, &mut found);
        if wanted.is_none() {
            self.identifying.find(text, &mut found);
        }
        self.asked.find_digests(text, wanted, &mut digests);
        (found, digests)
    }

    /// Searches `level` and every level below it. `seen` holds what each text (by SHA-256) was found to hold: another
    /// chain may lead to the same text by another way, with other raw spans.
    fn descend(&self, level: &Level<'_>, seen: &mut HashMap<[u8; 32], Rc<Search>>, hits: &mut Vec<Hit>) {
        let search = || Rc::new(self.search(level.text, &level.wanted));
        let found = match level.from {
            // One of many, each of which is met once.
            From::Base64(..) | From::Utf16(..) => search(),
            _ => Rc::clone(seen.entry(Sha256::digest(level.text).into()).or_insert_with(search)),
        };
        level.raise(&found.0, level.chain, hits);
        level.raise(&found.1, level.chain.inside_token(), hits);
        if level.depth == SPELLING_DEPTH {
            return;
        }
        for spelling in Spelling::ALL {
            let chain = level.chain.then(spelling).unwrap_or(level.chain);
            let code = Code::of(spelling);
            if let Some(text) = decode(code, level.text) {
                let below = level.below(&text, From::Code(level, code), chain, level.wanted.clone());
                self.descend(&below, seen, hits);
            }
        }
        self.asked.base64(level.text, &level.wanted, &mut |text, run, wanted| {
            let chain = level.chain.inside_token();
            let below = level.below(text, From::Base64(level, run), chain, wanted.clone());
            self.descend(&below, &mut HashMap::new(), hits);
        });
        self.asked.utf16(level.text, &level.wanted, &mut |wide, big, wanted| {
            let order = if big { Spelling::Utf16Be } else { Spelling::Utf16Le };
            let chain = level.chain.then(order).unwrap_or(level.chain);
            let below = level.below(wide.text.as_bytes(), From::Utf16(level, wide), chain, wanted.clone());
            self.descend(&below, &mut HashMap::new(), hits);
        });
    }
}

impl<'l> Level<'l> {
    /// A text that counts as no decoding.
    fn top(text: &'l [u8], from: From<'l>, base: usize) -> Self {
        Self { text, from, base, chain: Chain::default(), depth: 0, wanted: None }
    }

    /// The level of `text`, which was decoded from this one.
    fn below<'b>(&self, text: &'b [u8], from: From<'b>, chain: Chain, wanted: Wanted) -> Level<'b> {
        Level { text, from, base: self.base, chain, depth: self.depth + 1, wanted }
    }

    /// Adds the hits for what was found in this level's text, with spans of the unit.
    fn raise(&self, found: &[Found], chain: Chain, hits: &mut Vec<Hit>) {
        // Where the bytes of each value are spelled, and what its hit covers: those or a token.
        let mut values: Vec<(ValueId, bool)> = found.iter().map(|(value, _)| (*value, true)).collect();
        let mut spelled: Vec<_> = found.iter().map(|(_, span)| span.clone()).collect();
        let mut covered = spelled.clone();
        let mut level = self;
        while !spelled.is_empty() {
            level = match level.from {
                From::Unit => break,
                From::Code(outer, code) => {
                    lift(code, outer.text, &mut spelled);
                    lift(code, outer.text, &mut covered);
                    outer
                }
                From::Base64(outer, run) => {
                    for (spelled, covered) in spelled.iter_mut().zip(&mut covered) {
                        *spelled = run.chars(spelled);
                        *covered = run.token(outer.text, spelled);
                    }
                    outer
                }
                From::Utf16(outer, wide) => {
                    wide.lift(&mut spelled);
                    wide.lift(&mut covered);
                    for ((_, stands), spelled) in values.iter_mut().zip(&spelled) {
                        *stands &= outer.text.get(spelled.clone()).is_some_and(|bytes| bytes.contains(&0));
                    }
                    outer
                }
            };
        }
        for (((value, stands), spelled), covered) in values.into_iter().zip(spelled).zip(covered) {
            let quoted = chain.iter().any(|spelling| spelling == Spelling::Qp);
            let span = if quoted { without_quoted(level.text, &spelled, covered) } else { covered };
            if stands {
                hits.push(Hit { value, span: self.base + span.start..self.base + span.end, chain });
            }
        }
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
        let raw = Level::top(unit.text, From::Unit, 0);
        self.descend(&raw, &mut HashMap::new(), &mut hits);

        for field in unit.fields {
            let quoted = (field.place == Place::QuotedCell).then(|| unit.text.get(field.span.clone())).flatten();
            let Some(text) = quoted else { continue };
            let Some(halved) = decode(&Code::QUOTES, text) else {
                continue;
            };
            let cell = Level::top(text, From::Unit, field.span.start);
            let inside = Level::top(&halved, From::Code(&cell, &Code::QUOTES), field.span.start);
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
