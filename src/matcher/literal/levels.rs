//! Which stretches of a text are decoded, and how: the levels below the raw text.
//!
//! Escapes are rare, so a long text is not decoded as a whole. What matters is near an escape: a *region* reaches so far
//! beyond its escapes that any value which they help to spell lies inside, with its name and boundaries. Within a region
//! every chain of up to three decodings is tried, breadth first, so that the shortest chain to a text comes first and equal texts
//! with equal places are visited once. Work is at most 84 decodings of a region, and a region is bounded; in real text it
//! is one or two.

use std::collections::VecDeque;
use std::ops::Range;

use memchr::{memchr, memrchr};
use xxhash_rust::xxh3::Xxh3;

use super::super::spelling::{Map, decode};
use super::super::{Chain, Spelling};
use super::escapes::Sites;
use crate::limits::WINDOW;

/// Bytes of decoded context that a judgement may look at beside a value: its name, boundaries and form. A longer name is
/// judged in the whole text only.
pub(super) const CONTEXT: usize = 512;
/// Texts up to this long are decoded as one region.
const WHOLE: usize = WINDOW;
/// Most raw bytes that one decoded byte takes over three levels: `\u0040` is six for one.
const EXPANSION: usize = 6 * 6 * 6;
/// Bounds of the overlap of two regions that had to be cut amid escapes.
const OVERLAP: Range<usize> = 16 * 1024..1024 * 1024;
/// A stretch of lines is split into regions only if it is longer.
const STRETCH: usize = 8 * 1024;

/// How far a match and its context reach.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    /// Raw bytes beyond the last escape: longest match plus context twice.
    plain: usize,
    /// Bytes that two regions share when escapes go on and on.
    overlap: usize,
    /// Longest region.
    region: usize,
}

impl Reach {
    /// For matches of at most `longest` decoded bytes.
    pub(super) fn new(longest: usize) -> Self {
        let plain = longest + 2 * CONTEXT;
        let wide = longest.saturating_mul(EXPANSION);
        let overlap = wide.clamp(OVERLAP.start, OVERLAP.end.max(2 * plain));
        Self { plain, overlap, region: WHOLE.max(4 * overlap) }
    }
}

/// A stretch to be decoded. `open`: whether the text goes on before its start, and after its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) span: Range<usize>,
    pub(super) open: (bool, bool),
}

/// The regions of a text that is judged exactly: the whole of it if it is short.
pub(super) fn regions(text: &[u8], reach: Reach, visit: &mut dyn FnMut(Region)) {
    if text.len() > WHOLE {
        clusters(text, reach, visit);
    } else if Sites::new(text).next().is_some() {
        visit(Region { span: 0..text.len(), open: (false, false) });
    }
}

/// Groups the escapes of a long text; a group that grows too long is cut at an escape's start, with an overlap.
fn clusters(text: &[u8], reach: Reach, visit: &mut dyn FnMut(Region)) {
    let mut sites = Sites::new(text).peekable();
    while let Some(first) = sites.next() {
        let mut start = first.start.saturating_sub(reach.plain);
        let mut last = first.end;
        // Starts of escapes, a KiB apart at least: where a cut is safe.
        let mut marks: VecDeque<usize> = VecDeque::new();
        while let Some(site) = sites.next_if(|site| site.start <= last + 2 * reach.plain) {
            if site.start - start > reach.region {
                visit(Region { span: start..site.start, open: (start > 0, true) });
                let want = site.start.saturating_sub(reach.overlap);
                while marks.get(1).is_some_and(|mark| *mark <= want) {
                    marks.pop_front();
                }
                start = match marks.front() {
                    Some(mark) if *mark <= want => *mark,
                    // No escape so far back: plain text, where any place is safe.
                    _ => want.max(start),
                };
            }
            if marks.back().is_none_or(|mark| mark + 1024 <= site.start) {
                marks.push_back(site.start);
            }
            last = site.end;
        }
        let end = (last + reach.plain).min(text.len());
        visit(Region { span: start..end, open: (start > 0, end < text.len()) });
    }
}

/// Takes a region of a window, and its escapes where they are known.
type Visit<'v> = &'v mut dyn FnMut(Range<usize>, &[Range<usize>]);

/// The regions of a window of records: lines that have escapes, alone, and together where a soft break may join them.
///
/// With `by_line` false (a value holds a line feed) lines are not told apart. Of a line of at most [`STRETCH`] bytes, which nothing
/// joins with another, `visit` is given the escapes too.
pub(super) fn window_regions(text: &[u8], by_line: bool, reach: Reach, visit: Visit<'_>) {
    if !by_line {
        clusters(text, reach, &mut |region| visit(region.span, &[]));
    }
    let mut known: Vec<Range<usize>> = Vec::new();
    let mut sites = Sites::new(text).peekable();
    while let Some(site) = sites.next() {
        let start = line_start(text, site.start);
        let first_end = line_end(text, site.start);
        let mut end = first_end;
        while end < text.len() && may_join(text.get(start..end).unwrap_or_default()) {
            end = line_end(text, end);
        }
        if end == first_end && end - start <= STRETCH {
            known.clear();
            known.push(site);
            while let Some(site) = sites.next_if(|site| site.start < end) {
                known.push(site);
            }
            visit(start..end, &known);
            continue;
        }
        while sites.next_if(|site| site.start < end).is_some() {}
        stretch(text, start..end, reach, visit);
        if end > first_end {
            let mut line = start..first_end;
            while line.start < end {
                stretch(text, line.clone(), reach, visit);
                line = line.end..line_end(text, line.end);
            }
        }
    }
}

fn line_start(text: &[u8], at: usize) -> usize {
    text.get(..at).and_then(|before| memrchr(b'\n', before)).map_or(0, |i| i + 1)
}

/// The end of the line that holds `at`, its line feed included.
fn line_end(text: &[u8], at: usize) -> usize {
    text.get(at..).and_then(|rest| memchr(b'\n', rest)).map_or(text.len(), |i| at + i + 1)
}

/// Whether `line` (with its line feed) may end in a soft break at some level: in `=`, or in something that may spell one.
///
/// `=` and CR end as `%3D`, `\u000d`, `&#61;` or `\r` do: in `D`, `;` or `r`; those, when spelled in turn, in `4`, `B` or `2` as well.
fn may_join(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match line.last() {
        Some(b'=') => true,
        Some(b';' | b'r' | b'2' | b'4' | b'B' | b'b' | b'D' | b'd') => {
            let mut word = line.iter().rev().take_while(|b| !b.is_ascii_whitespace());
            word.any(|b| matches!(b, b'%' | b'\\' | b'&' | b'='))
        }
        _ => false,
    }
}

fn stretch(text: &[u8], span: Range<usize>, reach: Reach, visit: Visit<'_>) {
    let Some(piece) = text.get(span.clone()) else {
        return;
    };
    if piece.len() > STRETCH {
        clusters(piece, reach, &mut |r| {
            visit(span.start + r.span.start..span.start + r.span.end, &[]);
        });
    } else if Sites::new(piece).next().is_some() {
        visit(span, &[]);
    }
}

/// Calls `visit` with each distinct text that one to `most` decodings of `text` give, its places in `text`, and the chain:
/// by depth, then by the order of [`Spelling::ALL`].
pub(super) fn expand(text: &[u8], most: usize, visit: &mut dyn FnMut(&[u8], &Map, Chain)) {
    struct Node {
        text: Vec<u8>,
        map: Map,
        chain: Chain,
    }
    let mut seen: Vec<u128> = Vec::new();
    let mut nodes: Vec<Node> = Vec::new();
    for depth in 1..=most {
        let parents = std::mem::take(&mut nodes);
        let root = (depth == 1).then_some((text, None, Chain::default()));
        let below = parents.iter().map(|node| (node.text.as_slice(), Some(&node.map), node.chain));
        for (parent, outer, chain) in root.into_iter().chain(below) {
            for spelling in Spelling::ALL {
                let Some((decoded, local)) = decode(spelling, parent) else {
                    continue;
                };
                let Some(chain) = chain.then(spelling) else {
                    continue;
                };
                let map = outer.map_or_else(|| local.clone(), |outer| outer.then(&local));
                let key = digest(&decoded, &map);
                if seen.contains(&key) {
                    continue;
                }
                seen.push(key);
                visit(&decoded, &map, chain);
                if depth < most {
                    nodes.push(Node { text: decoded, map, chain });
                }
            }
        }
    }
}

/// A fingerprint of a text and its places; 128 bits, so that no two differ by accident.
fn digest(text: &[u8], map: &Map) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(text);
    map.feed(&mut |bytes| hash.update(bytes));
    hash.digest128()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::SPELLING_DEPTH;

    fn spans(text: &[u8]) -> Vec<Range<usize>> {
        let mut out = Vec::new();
        window_regions(text, true, Reach::new(40), &mut |span, _| out.push(span));
        out
    }

    #[test]
    fn only_lines_with_escapes_and_joined_ones_together() {
        assert!(spans(b"plain = & % \\ line\nid=xy\n").is_empty());
        assert_eq!(spans(b"one\ntwo %40\nthree =40\n"), [4..12, 12..22]);
        assert_eq!(spans(b"a=\nb=40 c\nd\n"), [0..10, 0..3, 3..10]);
        assert_eq!(spans(b"a%3D\nb\nc\n"), [0..7, 0..5]);
        assert_eq!(spans(b"a%3D x\nb\n%41\n"), [0..7, 9..13]);
    }

    #[test]
    fn long_text_is_cut_with_overlap() {
        let reach = Reach::new(40);
        let text = b"%41".repeat(400_000);
        let mut out: Vec<Region> = Vec::new();
        regions(&text, reach, &mut |region| out.push(region));
        assert!(out.len() > 2);
        assert!(out.iter().all(|r| r.span.len() <= reach.region + 8 && r.span.start % 3 == 0));
        assert!(out.windows(2).all(|p| p[1].span.start + reach.overlap <= p[0].span.end));
        assert_eq!(out.first().unwrap().span.start, 0);
        assert_eq!(out.last().unwrap().span.end, text.len());
        let mut sparse = vec![b'x'; 2_000_000];
        sparse[1_000_000..1_000_003].copy_from_slice(b"%41");
        let mut out = Vec::new();
        regions(&sparse, reach, &mut |region| out.push(region));
        let side = reach.plain;
        assert_eq!(out, [Region { span: 1_000_000 - side..1_000_003 + side, open: (true, true) }]);
    }

    #[test]
    fn equal_texts_are_visited_once_by_shortest_chain() {
        let mut seen = Vec::new();
        expand(b"%40 &amp;", SPELLING_DEPTH, &mut |text, _, chain| {
            seen.push((text.to_vec(), chain.depth()));
        });
        let texts: Vec<&[u8]> = seen.iter().map(|(text, _)| text.as_slice()).collect();
        assert_eq!(texts, [b"@ &amp;".as_slice(), b"%40 &", b"@ &"]);
        assert_eq!(seen[2].1, 2);
    }
}
