//! The engine that `scan` and `scrub` use.
//!
//! [`Literal::candidates`] goes over raw windows: the finder (`scan`) over the text as it stands, and over what the
//! spellings make of the stretches that hold escapes (`levels`). It judges only as far as is free, and never says no where
//! the record alone could say yes. [`Literal::hits`] then judges one record exactly: boundaries ([`super::boundary`]), names in
//! text ([`super::names`]), named fields, quoted cells, every level. Formats, subjects and actions are not its business.

mod decoded;
mod escapes;
mod forms;
mod ip;
mod levels;
mod marks;
mod phone;
pub mod ready;
mod scan;
mod sweep;
mod table;
#[cfg(test)]
mod tests;
mod variants;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use memchr::memmem;

use self::decoded::Decoded;
use self::levels::{CONTEXT, Reach, Region, expand, regions, window_regions};
use self::ready::Ready;
use self::scan::Finder;
use self::table::Table;
use self::variants::{Ground, Lift, Spot, Up, Variants};
use super::names::Names;
use super::spelling::halve_quotes;
use super::{Chain, Engine, Hit, Needles, Plan, Spelling, Type, Unit, ValueId, ValueRef, boundary};
use crate::error::Result;
use crate::limits::SPELLING_DEPTH;
use crate::policy::{fold, is_user_table};
use crate::record::{Field, Place};

/// An [`Engine`] over shapes and an Aho-Corasick automaton; cheap to clone.
#[derive(Clone)]
pub struct Literal(Arc<Inner>);

/// What is done with the text of a level, where it stands, and the way back to the text that was given.
type Look<'l> = &'l mut dyn FnMut(&[u8], Ground, Up<'_>);

/// From a range in the text of a level to its place in the text that was given.
pub(super) type Back<'m> = &'m dyn Fn(Range<usize>) -> Range<usize>;

struct Inner {
    needles: Arc<Needles>,
    names: Names,
    finder: Finder,
    /// Forms that are searched on request.
    variants: Option<Variants>,
    reach: Reach,
    /// `user_id` values as they stand, `username` values in lower case.
    fields: Table,
    /// Values that the registry wrote in a form of their own, by that form: for names.
    written: Table,
    /// A value holds a line feed: a match may cross lines.
    crosses_lines: bool,
    /// A value holds a `"`: in a quoted cell it is spelled with two.
    has_quotes: bool,
    /// The empty text is a value of an identifying field: every record is a candidate.
    has_empty: bool,
}

impl Literal {
    /// The engine for these needles and names. Errors: as its automaton's ([`crate::error::Kind::Limit`]).
    pub fn new(plan: &Plan) -> Result<Self> {
        let ready = plan.needles.ready();
        let finder = ready.map_or_else(|| Finder::new(&plan.needles), |ready| Finder::ready(&plan.needles, ready))?;
        let variants = Variants::new(&plan.needles, &plan.fields.variants)?;
        let reach = Reach::new(variants.iter().map(Variants::longest).fold(finder.longest(), usize::max));
        let [fields, written] = match ready {
            Some(Ready { tables: [.., fields, written], .. }) => [fields.clone(), written.clone()],
            None => [named(&plan.needles)?, forms::written(&plan.needles)?],
        };
        let traits = plan.needles.traits();
        Ok(Self(Arc::new(Inner {
            names: Names::new(&plan.fields),
            reach,
            finder,
            variants,
            crosses_lines: traits.line_feed,
            has_quotes: traits.quote,
            written,
            has_empty: !fields.is_empty() && fields.lengths().0 == 0,
            fields,
            needles: Arc::clone(&plan.needles),
        })))
    }

    /// The needles that it searches for.
    pub fn needles(&self) -> &Arc<Needles> {
        &self.0.needles
    }

    /// Its tables that hold anything: name, values, bytes of memory. The needles themselves are not counted.
    pub fn sizes(&self) -> Vec<(&'static str, usize, usize)> {
        let mut sizes = self.0.finder.sizes();
        let (keys, bytes) = self.0.fields.size();
        sizes.extend((keys > 0).then_some(("fields", keys, bytes)));
        let (keys, bytes) = self.0.written.size();
        sizes.extend((keys > 0).then_some(("written", keys, bytes)));
        sizes.extend(self.0.variants.iter().flat_map(Variants::sizes));
        sizes
    }

    /// Calls `found` with the places of `text` as it stands, no spelling decoded, where values with a shape are: what a search
    /// costs before anything is decoded.
    pub fn shapes(&self, text: &[u8], found: &mut dyn FnMut(Range<usize>)) {
        self.0.finder.shapes(text, &mut |id, span| {
            if self.0.is_suspect(id, text, &span) {
                found(span);
            }
        });
    }

    /// Calls `found` with every place in `text` that counts as a value's, overlapping ones and repetitions as well.
    pub(super) fn each_place(&self, text: &[u8], found: &mut dyn FnMut(Range<usize>)) {
        self.0.judge_text(text, &mut |_, span, _| found(span));
    }

    /// Calls `visit` with each level of `text`, the text itself first, and what tells a range's place in `text`.
    pub(super) fn each_level(&self, text: &[u8], visit: &mut dyn FnMut(&[u8], Back<'_>)) {
        visit(text, &|span| span);
        regions(text, self.0.reach, &mut |region| {
            let start = region.span.start;
            expand(text.get(region.span).unwrap_or_default(), SPELLING_DEPTH, &mut |level, map, _| {
                visit(level, &|span| {
                    let raw = map.range(span.start, span.end);
                    start + raw.start..start + raw.end
                });
            });
        });
    }
}

impl Engine for Literal {
    fn candidates(&self, window: &[u8], found: &mut Vec<Range<usize>>) {
        let inner = &*self.0;
        if inner.has_empty && !window.is_empty() {
            found.push(0..window.len());
            return;
        }
        inner.sweep(window, &mut |span| found.push(span));
        if inner.has_quotes
            && memmem::find(window, b"\"\"").is_some()
            && let Some((halved, map)) = halve_quotes(window)
        {
            inner.sweep(&halved, &mut |span| {
                found.push(map.range(span.start, span.end));
            });
        }
    }

    fn hits(&self, unit: &Unit<'_>, found: &mut Vec<Hit>) {
        let inner = &*self.0;
        let mut all = Bag::default();
        inner.judge_text(unit.text, &mut |value, span, chain| {
            all.push(Hit { value, span, chain });
        });
        for field in unit.fields {
            inner.judge_field(field, unit.table, &mut all);
            if field.place == Place::QuotedCell {
                inner.judge_cell(unit.text, field, &mut all);
            }
        }
        found.extend(resolve(all.hits));
    }

    fn name(&self) -> &'static str {
        "literal"
    }
}

impl Inner {
    /// Calls `found` with raw places of `text` near which a record may have a hit.
    fn sweep(&self, text: &[u8], found: &mut dyn FnMut(Range<usize>)) {
        let mut look = |level: &[u8], ground: Ground, up: Up<'_>| {
            self.suspect(level, ground, &mut |span| found(up(span).at));
        };
        look(text, Ground::TOP, &Spot::of);
        self.variants(text, Ground::TOP, &mut look);
        let mut decoded = Decoded::default();
        let gathers = !self.crosses_lines && self.variants.is_none();
        window_regions(text, !self.crosses_lines, self.reach, &mut |region, sites| {
            if gathers && !sites.is_empty() && decoded.add(text, region.clone(), sites) {
                if decoded.is_full() {
                    self.gathered(&mut decoded, text, &mut look);
                }
            } else {
                self.below(text, region, &mut look);
            }
        });
        self.gathered(&mut decoded, text, &mut look);
    }

    /// Looks at what was gathered of `text`, and at what stands below it.
    fn gathered(&self, decoded: &mut Decoded, text: &[u8], look: Look<'_>) {
        look(&decoded.text, Ground::TOP, &|span| Spot::of(decoded.map.range(span.start, span.end)));
        decoded.nested(&mut |line| self.below(text, line, look));
        decoded.clear();
    }

    /// Looks at every level below the stretch `region` of `text`.
    fn below(&self, text: &[u8], region: Range<usize>, look: Look<'_>) {
        expand(text.get(region.clone()).unwrap_or_default(), SPELLING_DEPTH, &mut |level, map, chain| {
            let ground = Ground::TOP.below(chain);
            let raw = |span: Range<usize>| {
                let raw = map.range(span.start, span.end);
                Spot::of(region.start + raw.start..region.start + raw.end)
            };
            look(level, ground, &raw);
            self.variants(level, ground, &mut |inner, ground, up| look(inner, ground, &|span| raw(up(span).at)));
        });
    }

    fn suspect(&self, text: &[u8], ground: Ground, found: &mut dyn FnMut(Range<usize>)) {
        let finder = self.finder(ground);
        finder.shapes(text, &mut |id, span| {
            if self.is_suspect(id, text, &span) {
                found(span);
            }
        });
        finder.any_bytes(text, &mut |span| found(span));
        if let Some(variants) = self.variants.as_ref().filter(|_| ground.types.has(Type::Email)) {
            variants.digests.each(text, &self.needles, &mut |_, span| found(span));
        }
    }

    /// What finds the values that may count in a text.
    fn finder(&self, ground: Ground) -> &Finder {
        self.variants.as_ref().filter(|_| ground.inside).map_or(&self.finder, |variants| &variants.finder)
    }

    /// Calls `visit` with every text that stands in `text` as a variant, and the levels below it.
    fn variants(&self, text: &[u8], ground: Ground, visit: &mut dyn FnMut(&[u8], Ground, Up<'_>)) {
        let Some(variants) = self.variants.as_ref().filter(|_| ground.depth < SPELLING_DEPTH) else {
            return;
        };
        variants.each(text, ground, &mut |inner: &[u8], ground: Ground, lift: Lift<'_>| {
            self.walk(inner, ground, &mut |level, ground, up| visit(level, ground, &|span| lift(&up(span))));
        });
    }

    /// Calls `visit` with `text`, which stands on `ground`, and every level below it, and what tells a place in `text`.
    fn walk(&self, text: &[u8], ground: Ground, visit: &mut dyn FnMut(&[u8], Ground, Up<'_>)) {
        visit(text, ground, &Spot::of);
        self.variants(text, ground, visit);
        let most = SPELLING_DEPTH.saturating_sub(ground.depth);
        if most == 0 {
            return;
        }
        regions(text, self.reach, &mut |Region { span: region, open }| {
            let Some(piece) = text.get(region.clone()) else {
                return;
            };
            expand(piece, most, &mut |level, map, chain| {
                let ground = ground.below(chain);
                // Near a cut the context is not whole; what stands there is judged in another region or the text above.
                let first = if open.0 { CONTEXT } else { 0 };
                let last = if open.1 { level.len().saturating_sub(CONTEXT) } else { level.len() };
                let raw = |spot: &Spot| {
                    let raw = |span: &Range<usize>| {
                        let raw = map.range(span.start, span.end);
                        region.start + raw.start..region.start + raw.end
                    };
                    let whole = first <= spot.at.start && spot.at.end <= last;
                    Spot { at: raw(&spot.at), span: raw(&spot.span), counts: spot.counts && whole }
                };
                visit(level, ground, &|span| raw(&Spot::of(span)));
                self.variants(level, ground, &mut |inner, ground, up| visit(inner, ground, &|span| raw(&up(span))));
            });
        });
    }

    /// Whether a value at this place may count in some record. Bounded context may be cut here, so names are taken as open.
    fn is_suspect(&self, id: ValueId, text: &[u8], span: &Range<usize>) -> bool {
        let Some(value) = self.needles.value(id) else {
            return false;
        };
        if !is_spelled(&value, text, span) {
            return false;
        }
        value.kind.anywhere()
            || self.names.plausible(text, span.start)
            || self.names.identify(value.kind, text, span.start, span.end, true)
    }

    /// Calls `found` with every hit in `text` at every level, places in `text`. May repeat itself.
    fn judge_text(&self, text: &[u8], found: &mut dyn FnMut(ValueId, Range<usize>, Chain)) {
        self.walk(text, Ground::TOP, &mut |level, ground, up| {
            self.judge_level(level, ground, &mut |id, span, chain| {
                super::work::look(1);
                let spot = up(span);
                if spot.counts {
                    found(
                        id,
                        if chain.iter().any(|step| step == Spelling::Qp) { spot.clipped(text) } else { spot.span },
                        chain,
                    );
                }
            });
        });
    }

    /// Calls `found` with every value that counts in the text of one level.
    fn judge_level(&self, text: &[u8], ground: Ground, found: &mut dyn FnMut(ValueId, Range<usize>, Chain)) {
        let mut judge = |id: ValueId, span: Range<usize>| {
            let Some(value) = self.needles.value(id).filter(|value| ground.types.has(value.kind)) else {
                return;
            };
            let counts = is_spelled(&value, text, &span)
                && if value.kind.anywhere() {
                    boundary::holds(value.kind, text, span.start, span.end)
                } else {
                    self.names.identify(value.kind, text, span.start, span.end, false)
                };
            if counts {
                found(id, span, ground.chain);
            }
        };
        let finder = self.finder(ground);
        finder.shapes(text, &mut judge);
        finder.bytes(text, &mut judge);
        if let Some(variants) = self.variants.as_ref().filter(|_| ground.types.has(Type::Email)) {
            let token = ground.chain.inside_token();
            variants.digests.each(text, &self.needles, &mut |id, span| found(id, span, token));
        }
    }

    /// A field named as identifying whose whole text is a value.
    fn judge_field(&self, field: &Field<'_>, table: Option<&str>, all: &mut Bag) {
        if field.place.is_name() {
            return;
        }
        self.fields.probe(&field.text, |id| {
            let Some(value) = self.needles.value(id) else {
                return;
            };
            let same = match value.kind {
                Type::UserId => *value.bytes() == *field.text,
                _ => value.bytes().eq_ignore_ascii_case(&field.text),
            };
            let named = || {
                self.names.matches(value.kind, &field.path)
                    || (value.kind == Type::UserId && is_user_key(&field.path, table))
            };
            if same && named() {
                all.push(Hit { value: id, span: field.span.clone(), chain: Chain::default() });
            }
        });
    }

    /// A cell with doubled quotes, as text without them.
    fn judge_cell(&self, unit: &[u8], field: &Field<'_>, all: &mut Bag) {
        let Some((text, map)) = unit.get(field.span.clone()).and_then(halve_quotes) else {
            return;
        };
        self.judge_text(&text, &mut |value, span, chain| {
            let raw = map.range(span.start, span.end);
            let span = field.span.start + raw.start..field.span.start + raw.end;
            all.push(Hit { value, span, chain });
        });
    }
}

/// Values of identifying fields.
fn named(needles: &Needles) -> Result<Table> {
    let named = needles.values().filter(|(_, value)| !value.kind.anywhere());
    Table::new(named.map(|(id, value)| (value.bytes(), id)))
}

/// Whether these bytes are the value's, by the case of its type; shapes with many spellings were compared when found.
fn is_spelled(value: &ValueRef<'_>, text: &[u8], span: &Range<usize>) -> bool {
    let Some(bytes) = text.get(span.clone()) else {
        return false;
    };
    let wanted = value.bytes();
    match value.kind {
        Type::Email | Type::Username => bytes.eq_ignore_ascii_case(&wanted),
        Type::Token | Type::UserId | Type::Literal => *bytes == *wanted,
        Type::Uuid => {
            let digits = bytes.iter().filter(|b| **b != b'-').map(u8::to_ascii_lowercase);
            digits.eq(wanted.iter().copied())
        }
        Type::Ip => ip::read(bytes).is_some_and(|address| address == *wanted),
        Type::Phone => {
            let digits: Vec<u8> = bytes.iter().copied().filter(u8::is_ascii_digit).collect();
            digits.ends_with(&wanted)
        }
    }
}

/// Whether the field is the column `id` of a table of users (SPEC "Identifying fields"); a member of a JSON column is none.
fn is_user_key<P: AsRef<[u8]>>(path: &[P], table: Option<&str>) -> bool {
    let [column] = path else { return false };
    let last = column.as_ref().rsplit(|b| *b == b'.').next();
    last.is_some_and(|part| fold(part) == b"id") && table.is_some_and(is_user_table)
}

/// Hits as they are found. Many levels repeat the same ones; they are thinned out before they fill the memory.
#[derive(Default)]
struct Bag {
    hits: Vec<Hit>,
    /// Number of distinct hits when they were last thinned out.
    distinct: usize,
}

/// Hits that are kept with their repetitions; about 3 MB.
const REPEATED_MAX: usize = 1 << 16;

impl Bag {
    fn push(&mut self, hit: Hit) {
        if self.hits.len() >= REPEATED_MAX + 2 * self.distinct {
            order(&mut self.hits);
            self.hits.dedup_by(|b, a| a.value == b.value && a.span == b.span);
            self.distinct = self.hits.len();
        }
        self.hits.push(hit);
    }
}

/// Sorts by value, the longest first, then by place, then the shortest chain first.
fn order(hits: &mut [Hit]) {
    let rank = |chain: &Chain| {
        let mut steps = chain.iter();
        (chain.depth(), [steps.next(), steps.next(), steps.next()])
    };
    hits.sort_unstable_by_key(|hit| {
        let Range { start, end } = hit.span;
        (hit.value, Reverse(end - start), start, rank(&hit.chain))
    });
}

/// The hits that stand: each (value, span) once by its shortest chain, and of overlapping hits of one value the longest
/// (ties: leftmost). Sorted by start, end and value.
fn resolve(mut all: Vec<Hit>) -> Vec<Hit> {
    if all.len() > 1 {
        order(&mut all);
        let mut value = None;
        // Start and end of what stands already; never overlapping.
        let mut kept: BTreeMap<usize, usize> = BTreeMap::new();
        all.retain(|hit| {
            if value != Some(hit.value) {
                value = Some(hit.value);
                kept.clear();
            }
            let before = kept.range(..hit.span.end.max(hit.span.start + 1)).next_back();
            let stands = before.is_none_or(|(start, end)| *end <= hit.span.start && *start != hit.span.start);
            if stands {
                kept.insert(hit.span.start, hit.span.end);
            }
            stands
        });
        all.sort_unstable_by_key(|hit| (hit.span.start, hit.span.end, hit.value));
    }
    all
}
