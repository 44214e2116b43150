//! How a replacement is written in its place: in the spelling and escapes that stand there (SPEC "Policy").
//!
//! `ERASED`, `*` and pseudonyms are chosen so that few places need escaping. Where a place cannot hold text (a bare JSON number),
//! `null` comes, or a negative integer for a pseudonymised id. An edit never takes a line's end: a hit that a soft break or
//! a line feed divides is replaced in its first piece, and its other pieces are emptied (or masked). A token that hides a value
//! (Base64, a digest) is replaced whole; its pseudonym is one without `@`, since an opaque token stood there.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::pseudonym::Pseudonym;
use super::{Judge, text};
use crate::matcher::{Chain, Hit, Spelling, SubjectId, Type, Unit, ValueId, ValueRef, spelling};
use crate::policy::{Action, Erase, FieldName};
use crate::record::{Field, Place};

/// The word that stands for what was erased: letters only, so that no format has to escape it.
pub const ERASED: &[u8] = b"ERASED";

/// What is to be replaced on one record.
pub struct Job<'j> {
    /// Lends needles and key.
    pub judge: &'j Judge<'j>,
    /// The unit.
    pub unit: &'j Unit<'j>,
    /// The record in it.
    pub range: &'j Range<usize>,
    /// The record's fields, in order of place.
    pub fields: &'j [Field<'j>],
    /// Hits on the record.
    pub hits: &'j [&'j Hit],
    /// Values that go, with whose they are.
    pub whose: &'j [(ValueId, SubjectId)],
    /// Values that stay for a held subject: no edit takes a byte of theirs.
    pub kept: &'j BTreeSet<ValueId>,
    /// `Redact`, `Mask` or `Pseudonymize`.
    pub action: Action,
    /// Fields that are cleaned besides.
    pub erase: &'j [(FieldName, Erase)],
}

type Edits = Vec<(Range<usize>, Vec<u8>)>;

/// The edits: ranges of the unit, sorted, disjoint. Cleaned fields come before hits inside them.
pub fn edits(job: &Job<'_>) -> Edits {
    let mut all: Edits = Vec::new();
    job.erase_fields(&mut all);
    let cleaned = united(all.iter().map(|(range, _)| range.clone()).collect());
    let layout = Layout::of(job);
    for (span, hit, subject) in job.merged() {
        for piece in job.pieces(&span, hit, &layout) {
            let rest = subtract(&piece, &cleaned);
            if rest == [piece.clone()] {
                job.replace(&piece, piece.start == span.start, hit, subject, &layout, &mut all);
                continue;
            }
            // What of the hit a cleaned field leaves over: `phone=+49 170 1234567`, where the bare value ends at the blank.
            let payload =
                |range: &Range<usize>| if job.action == Action::Mask { vec![b'*'; range.len()] } else { Vec::new() };
            all.extend(rest.into_iter().map(|range| (range.clone(), payload(&range))));
        }
    }
    all.sort_by_key(|(range, _)| (range.start, range.end));
    merge(all, job.unit.text)
}

/// Where things stand on a record, told once: a record of many megabytes may have hits and fields by the million.
struct Layout<'j> {
    /// Values that must stay.
    held: Vec<Range<usize>>,
    /// Arrays of byte values.
    arrays: Shelf<'j>,
    /// All other fields.
    others: Shelf<'j>,
}

impl<'j> Layout<'j> {
    fn of(job: &Job<'j>) -> Self {
        let held = job.hits.iter().filter(|hit| job.kept.contains(&hit.value)).map(|hit| hit.span.clone());
        let (arrays, others) = job.fields.iter().partition(|field| field.place == Place::JsonBytes);
        Self { held: united(held.collect()), arrays: Shelf::of(arrays), others: Shelf::of(others) }
    }
}

/// Fields in order of place, which may stand in each other.
struct Shelf<'j> {
    fields: Vec<&'j Field<'j>>,
    /// The furthest end of the fields up to each.
    reach: Vec<usize>,
}

impl<'j> Shelf<'j> {
    fn of(fields: Vec<&'j Field<'j>>) -> Self {
        let furthest = |reach: &mut usize, field: &&Field<'_>| {
            *reach = field.span.end.max(*reach);
            Some(*reach)
        };
        let reach = fields.iter().scan(0, furthest).collect();
        Self { fields, reach }
    }

    /// Those that touch `span` or adjoin it, in order.
    fn near(&self, span: &Range<usize>) -> impl Iterator<Item = &'j Field<'j>> {
        let from = self.reach.partition_point(|end| *end < span.start);
        let near = self.fields.get(from..).unwrap_or_default().iter().copied();
        near.take_while(move |field| field.span.start <= span.end).filter(move |field| field.span.end >= span.start)
    }
}

/// `ranges` sorted, and those that touch as one.
fn united(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|next, last| {
        let touch = next.start <= last.end;
        if touch {
            last.end = last.end.max(next.end);
        }
        touch
    });
    ranges
}

/// `range` without `holes`, which are sorted and disjoint.
fn subtract(range: &Range<usize>, holes: &[Range<usize>]) -> Vec<Range<usize>> {
    let (mut out, mut at) = (Vec::new(), range.start);
    let from = holes.partition_point(|hole| hole.end <= range.start);
    for hole in holes.iter().skip(from).take_while(|hole| hole.start < range.end) {
        if at < hole.start {
            out.push(at..hole.start);
        }
        at = at.max(hole.end);
    }
    if at < range.end {
        out.push(at..range.end);
    }
    out
}

/// Joins overlapping edits: the first payload that is not empty stands for both.
fn merge(all: Edits, text: &[u8]) -> Edits {
    let mut out: Edits = Vec::with_capacity(all.len());
    for (range, payload) in all {
        match out.last_mut() {
            Some((last, before)) if range.start < last.end || (range.start == last.start && range.end == last.end) => {
                last.end = last.end.max(range.end);
                if before.is_empty() {
                    *before = payload;
                }
            }
            _ => out.push((range, payload)),
        }
    }
    out.retain(|(range, payload)| text.get(range.clone()) != Some(payload.as_slice()));
    out
}

impl Job<'_> {
    /// Spans that go, overlapping ones united, each with its longest hit and whose it is; clipped to the record.
    fn merged(&self) -> Vec<(Range<usize>, &Hit, SubjectId)> {
        let mut out: Vec<(Range<usize>, &Hit, SubjectId)> = Vec::new();
        let whose: BTreeMap<ValueId, SubjectId> = self.whose.iter().copied().collect();
        for hit in self.hits {
            let Some(subject) = whose.get(&hit.value) else { continue };
            let span = hit.span.start.max(self.range.start)..hit.span.end.min(self.range.end);
            match out.last_mut() {
                Some((last, longest, whose)) if span.start < last.end => {
                    last.end = last.end.max(span.end);
                    if hit.span.len() > longest.span.len() {
                        (*longest, *whose) = (hit, *subject);
                    }
                }
                _ => out.push((span, hit, *subject)),
            }
        }
        out
    }

    /// `span` without line ends (and the `=` of a soft break), and, in a record with fields, only its parts inside fields.
    fn pieces(&self, span: &Range<usize>, hit: &Hit, layout: &Layout<'_>) -> Vec<Range<usize>> {
        if self.in_bytes(span, hit, layout) {
            let rests = subtract(span, &layout.held).into_iter();
            return rests.filter_map(|range| solid(self.unit.text, &range)).collect();
        }
        let mut inside: Vec<Range<usize>> = layout
            .others
            .near(span)
            .filter(|field| field.span.start < span.end && span.start < field.span.end)
            .map(|field| {
                if field.place == Place::JsonBare {
                    field.span.clone()
                } else {
                    field.span.start.max(span.start)..field.span.end.min(span.end)
                }
            })
            .collect();
        if inside.is_empty() {
            inside.push(span.clone());
        }
        let inside: Vec<_> = inside.into_iter().flat_map(|range| subtract(&range, &layout.held)).collect();
        inside.into_iter().flat_map(|range| self.lines(range)).collect()
    }

    /// Whether `span` spells the value of `hit` in an array of byte values, and is not one number that is the value itself.
    fn in_bytes(&self, span: &Range<usize>, hit: &Hit, layout: &Layout<'_>) -> bool {
        let array = |field: &Field<'_>| field.span.start <= span.start && span.end <= field.span.end;
        let value = self.judge.needles.value(hit.value);
        let itself = value.is_some_and(|value| self.unit.text.get(span.clone()) == Some(&*value.bytes()));
        !itself && layout.arrays.near(span).any(array)
    }

    fn lines(&self, range: Range<usize>) -> Vec<Range<usize>> {
        let mut out = Vec::new();
        let mut start = range.start;
        let text = self.unit.text;
        while start < range.end {
            let rest = text.get(start..range.end).unwrap_or_default();
            let Some(feed) = memchr::memchr(b'\n', rest) else {
                out.push(start..range.end);
                break;
            };
            let mut end = start + feed;
            let mut line = text.get(start..end).unwrap_or_default();
            line = line.strip_suffix(b"\r").unwrap_or(line);
            line = line.strip_suffix(b"=").unwrap_or(line);
            end = end.min(start + line.len());
            if start < end {
                out.push(start..end);
            }
            start += feed + 1;
        }
        out
    }

    fn place(&self, piece: &Range<usize>, hit: &Hit, layout: &Layout<'_>) -> Place {
        if self.in_bytes(piece, hit, layout) {
            return Place::JsonBytes;
        }
        let holds = |field: &&Field<'_>| field.span.start <= piece.start && piece.end <= field.span.end;
        layout.others.near(piece).find(holds).map_or(Place::Text, |field| field.place)
    }

    fn pseudonym(&self, subject: SubjectId) -> Option<Pseudonym> {
        let subject = self.judge.needles.subject(subject)?;
        Some(self.judge.key?.pseudonym(subject.reference))
    }

    /// Replaces one piece of a hit; `first`: it is the hit's first.
    fn replace(
        &self,
        piece: &Range<usize>,
        first: bool,
        hit: &Hit,
        subject: SubjectId,
        layout: &Layout<'_>,
        out: &mut Edits,
    ) {
        let place = if json_number(self.unit.text, piece) { Place::JsonBare } else { self.place(piece, hit, layout) };
        if self.action == Action::Mask && place != Place::JsonBare {
            let stars = match place {
                Place::JsonBytes => spell(&vec![b'*'; numbers(self.unit.text, piece)], Chain::default(), place),
                _ => stars(hit.chain, piece.len()),
            };
            out.push((piece.clone(), stars));
            return;
        }
        if !first && !matches!(place, Place::JsonBare | Place::JsonBytes) && !self.starts_field(piece) {
            out.push((piece.clone(), Vec::new()));
            return;
        }
        let value = self.judge.needles.value(hit.value);
        let text = match (self.action, self.pseudonym(subject)) {
            (Action::Pseudonymize, Some(pseudonym)) if hit.chain.is_token() && place != Place::JsonBare => {
                pseudonym.token().into_bytes()
            }
            (Action::Pseudonymize, Some(pseudonym)) => {
                value.map_or_else(|| ERASED.to_vec(), |value| alias(&pseudonym, &value, place))
            }
            _ if place == Place::JsonBare => b"null".to_vec(),
            _ => ERASED.to_vec(),
        };
        // What stands for a number needs no escape in any spelling.
        let chain = if place == Place::JsonBare { Chain::default() } else { hit.chain };
        out.push((piece.clone(), spell(&text, chain, place)));
    }

    fn starts_field(&self, piece: &Range<usize>) -> bool {
        self.fields.binary_search_by_key(&piece.start, |field| field.span.start).is_ok()
    }

    /// Cleans the fields that the rule names, whatever they hold.
    fn erase_fields(&self, out: &mut Edits) {
        if self.erase.is_empty() {
            return;
        }
        let subject = self.whose.first().map(|(_, subject)| *subject);
        let alias = subject.and_then(|subject| self.pseudonym(subject));
        let mut removed: Vec<Range<usize>> = Vec::new();
        let containers = self.erase_containers(alias.as_ref(), &mut removed, out);
        // Containers are disjoint and in order.
        let inside = |field: &Field<'_>| {
            let outer = containers.get(containers.partition_point(|c| c.end < field.span.end));
            outer.is_some_and(|c| c.start <= field.span.start)
        };
        for field in self.fields.iter().filter(|field| !field.place.is_name() && !inside(field)) {
            let depth = field.path.len();
            let named = |name: &FieldName| (1..=depth).any(|n| name.matches(field.path.get(..n).unwrap_or_default()));
            let Some((_, erase)) = self.erase.iter().find(|(name, _)| named(name)) else { continue };
            if *erase == Erase::Remove && json(field.place) {
                removed.push(field.whole.clone());
            } else {
                out.extend(clean(field, *erase, alias.as_ref()));
            }
        }
        out.extend(self.removals(removed));
        if self.fields.is_empty() {
            let record = self.unit.text.get(self.range.clone()).unwrap_or_default();
            for (span, erase) in text::named_values(record, self.erase) {
                let range = span.start + self.range.start..span.end + self.range.start;
                let payload = match (erase, &alias) {
                    (Erase::Remove, _) => Vec::new(),
                    (Erase::Null, _) => b"null".to_vec(),
                    (Erase::Pseudonym, Some(alias)) => alias.token().into_bytes(),
                    _ => ERASED.to_vec(),
                };
                out.push((range, payload));
            }
        }
    }

    /// Cleans named JSON members that hold an object or array, whole; returns where they stand.
    fn erase_containers(
        &self,
        alias: Option<&Pseudonym>,
        removed: &mut Vec<Range<usize>>,
        out: &mut Edits,
    ) -> Vec<Range<usize>> {
        let mut containers: Vec<Range<usize>> = Vec::new();
        for key in self.fields.iter().filter(|field| field.place == Place::JsonKey) {
            let path: Vec<&[u8]> = key.path.iter().map(AsRef::as_ref).chain([key.text.as_ref()]).collect();
            let Some((_, erase)) = self.erase.iter().find(|(name, _)| name.matches(&path)) else { continue };
            let Some(value) = container_after(self.unit.text, key.span.end + 1) else { continue };
            if containers.last().is_some_and(|outer| outer.start <= value.start && value.end <= outer.end) {
                continue;
            }
            let payload = match (erase, alias) {
                (Erase::Remove, _) => {
                    removed.push(key.span.start.saturating_sub(1)..comma_after(self.unit.text, value.end));
                    containers.push(value);
                    continue;
                }
                (Erase::Null, _) => b"null".to_vec(),
                (Erase::Pseudonym, Some(alias)) => format!("\"{}\"", alias.text()).into_bytes(),
                _ => [b"\"", ERASED, b"\""].concat(),
            };
            out.push((value.clone(), payload));
            containers.push(value);
        }
        containers
    }

    /// JSON members that go. Each takes the comma after it; a run that reaches the end of its object takes the one before.
    fn removals(&self, mut removed: Vec<Range<usize>>) -> Edits {
        removed.sort_unstable_by_key(|range| range.start);
        let text = self.unit.text;
        let mut runs: Vec<Range<usize>> = Vec::new();
        for range in removed {
            match runs.last_mut() {
                Some(last) if blank(text, last.end, range.start) => last.end = range.end,
                _ => runs.push(range),
            }
        }
        for run in &mut runs {
            let after = text.get(run.end..).unwrap_or_default().iter().find(|b| !b.is_ascii_whitespace());
            if matches!(after, Some(b'}' | b']')) {
                let before = text.get(..run.start).unwrap_or_default();
                let solid = before.trim_ascii_end();
                if solid.ends_with(b",") {
                    run.start = solid.len() - 1;
                }
            }
        }
        runs.into_iter().map(|run| (run, Vec::new())).collect()
    }
}

/// `range` without the commas and blanks around the numbers in it.
fn solid(text: &[u8], range: &Range<usize>) -> Option<Range<usize>> {
    let raw = text.get(range.clone()).unwrap_or_default();
    let first = raw.iter().position(u8::is_ascii_digit)?;
    let last = raw.iter().rposition(u8::is_ascii_digit)?;
    Some(range.start + first..range.start + last + 1)
}

/// How many numbers stand in `range`.
fn numbers(text: &[u8], range: &Range<usize>) -> usize {
    let raw = text.get(range.clone()).unwrap_or_default();
    raw.split(|b| !b.is_ascii_digit()).filter(|run| !run.is_empty()).count()
}

/// Whether a bare number of JSON stands at `range`, in a log line, a cell or a string: `"name":48213`, quotes and colon spelled
/// in whatever way.
fn json_number(text: &[u8], range: &Range<usize>) -> bool {
    let value = text.get(range.clone()).unwrap_or_default();
    let number =
        value.iter().any(u8::is_ascii_digit) && value.iter().all(|b| b.is_ascii_digit() || b"+-.eE".contains(b));
    let before = text.get(..range.start).unwrap_or_default().trim_ascii_end();
    let strip = |end: &[u8]| before.strip_suffix(end);
    let name = strip(b":").or_else(|| strip(b"%3A")).or_else(|| strip(b"%3a")).unwrap_or_default().trim_ascii_end();
    number && [&b"\""[..], b"%22", b"&quot;", b"&#34;"].iter().any(|quote| name.ends_with(quote))
}

/// The object or array that is the value of the member whose name's closing quote ends at `at`.
fn container_after(text: &[u8], at: usize) -> Option<Range<usize>> {
    let blanks = |from: usize| {
        from + text.get(from..).unwrap_or_default().iter().take_while(|b| b.is_ascii_whitespace()).count()
    };
    let colon = blanks(at);
    let start = (text.get(colon) == Some(&b':')).then(|| blanks(colon + 1))?;
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for (i, byte) in text.get(start..)?.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return (i > 0 && !quoted).then_some(start..start + i + 1);
        }
    }
    None
}

/// One past the comma after `at`, or `at` if none follows.
fn comma_after(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let blanks = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
    if rest.get(blanks) == Some(&b',') { at + blanks + 1 } else { at }
}

fn blank(text: &[u8], from: usize, to: usize) -> bool {
    from <= to && text.get(from..to).unwrap_or_default().iter().all(u8::is_ascii_whitespace)
}

fn json(place: Place) -> bool {
    matches!(place, Place::JsonString | Place::JsonBare | Place::JsonNull)
}

/// What an erased field becomes; JSON members that are removed are not handled here.
fn clean(field: &Field<'_>, erase: Erase, alias: Option<&Pseudonym>) -> Option<(Range<usize>, Vec<u8>)> {
    let quoted = field.span.start.saturating_sub(1)..field.span.end + 1;
    match (field.place, erase) {
        (Place::JsonNull | Place::JsonKey | Place::PairName, _) => None,
        (Place::Pair | Place::QuotedPair, Erase::Remove) => Some((field.whole.clone(), Vec::new())),
        (Place::JsonString | Place::QuotedPair, Erase::Null) => Some((quoted, b"null".to_vec())),
        (Place::JsonBare, Erase::Pseudonym) if field.text.iter().all(|b| b.is_ascii_digit() || *b == b'-') => {
            let number = alias.map_or_else(|| "null".to_owned(), |alias| alias.integer().to_string());
            Some((field.span.clone(), number.into_bytes()))
        }
        (Place::JsonBare, _) | (Place::Pair, Erase::Null) => Some((field.span.clone(), b"null".to_vec())),
        (_, Erase::Remove | Erase::Null) => Some((field.span.clone(), Vec::new())),
        (_, Erase::Redact) => Some((field.span.clone(), ERASED.to_vec())),
        (_, Erase::Pseudonym) => {
            let Some(alias) = alias else { return Some((field.span.clone(), ERASED.to_vec())) };
            let text = if field.text.is_empty() {
                String::new()
            } else if field.text.contains(&b'@') {
                alias.email()
            } else if matches!(field.place, Place::Cell | Place::Pair) && field.text.iter().all(u8::is_ascii_digit) {
                alias.integer().to_string()
            } else if field.place == Place::Pair {
                // It has blanks, which a bare value may not.
                format!("\"{}\"", alias.text())
            } else {
                alias.text()
            };
            Some((field.span.clone(), text.into_bytes()))
        }
    }
}

/// `len` bytes that mask; in UTF-16 they are characters of it.
fn stars(chain: Chain, len: usize) -> Vec<u8> {
    let wide = chain.iter().all(|step| matches!(step, Spelling::Utf16Le | Spelling::Utf16Be));
    let stars = spelling::encode(&chain, &vec![b'*'; len / 2]);
    if wide && stars.len() == len { stars } else { vec![b'*'; len] }
}

/// The pseudonym's form for `value`; in a bare place only a number, else `null`.
fn alias(pseudonym: &Pseudonym, value: &ValueRef<'_>, place: Place) -> Vec<u8> {
    let number = value.bytes().iter().all(u8::is_ascii_digit);
    let text = match value.kind {
        Type::UserId if number => pseudonym.integer().to_string(),
        _ if place == Place::JsonBare => "null".to_owned(),
        Type::Email => pseudonym.email(),
        Type::Uuid => pseudonym.uuid(),
        Type::Token | Type::Username | Type::UserId => pseudonym.token(),
        // Without blanks.
        Type::Literal if matches!(place, Place::Pair | Place::PairName) => pseudonym.token(),
        // Unspecified addresses and zeros: stand-ins that no host and no subscriber has.
        Type::Ip if value.bytes().starts_with(&MAPPED) => "0.0.0.0".to_owned(),
        Type::Ip => "::".to_owned(),
        Type::Phone => "0".repeat(value.bytes().len().max(1)),
        Type::Literal => pseudonym.text(),
    };
    text.into_bytes()
}

/// How an IPv4 address begins in its IPv6 form (RFC 4291 §2.5.5.2).
const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/// `text` in the spelling of its place.
fn spell(text: &[u8], chain: Chain, place: Place) -> Vec<u8> {
    let spelled = spelling::encode(&chain, text);
    match place {
        Place::QuotedCell if spelled.contains(&b'"') => {
            spelled.iter().flat_map(|b| if *b == b'"' { vec![b'"', b'"'] } else { vec![*b] }).collect()
        }
        Place::JsonBytes => spelled.iter().map(u8::to_string).collect::<Vec<_>>().join(",").into_bytes(),
        _ => spelled,
    }
}

#[cfg(test)]
#[path = "replace_tests.rs"]
mod tests;
