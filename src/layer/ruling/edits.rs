//! Edits of a short text in memory: what they make of it, and two lists of them one after the other.

use std::ops::Range;

/// Ranges that give way to bytes: sorted, disjoint.
pub type Edits = Vec<(Range<usize>, Vec<u8>)>;

/// `text` after `edits`.
pub fn apply(text: &[u8], edits: &Edits) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(text.len()), 0);
    for (range, payload) in edits {
        out.extend_from_slice(text.get(at..range.start).unwrap_or_default());
        out.extend_from_slice(payload);
        at = range.end;
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    out
}

/// The edits of a text of `len` bytes that come to `first`, and then `second` on what came of it.
pub fn compose(first: &Edits, second: &Edits, len: usize) -> Edits {
    let mut stretches: Vec<(Range<usize>, Option<&[u8]>)> = Vec::new();
    let mut at = 0;
    for (range, payload) in first {
        stretches.push((at..range.start, None));
        stretches.push((range.clone(), Some(payload)));
        at = range.end;
    }
    stretches.push((at..len, None));
    let mut out: Edits = Vec::new();
    let mut put = |range: Range<usize>, bytes: &[u8]| match out.last_mut() {
        Some((last, payload)) if last.end == range.start => {
            last.end = range.end;
            payload.extend_from_slice(bytes);
        }
        _ => out.push((range, bytes.to_vec())),
    };
    // Where in the text between the stretch starts.
    let mut from = 0;
    // The first of `second` that is not behind: both are walked once, however many there are.
    let mut next = 0;
    for (old, new) in stretches {
        let to = from + new.map_or(old.len(), <[u8]>::len);
        let (mut bytes, mut done) = (Vec::new(), from);
        let rest = second.get(next..).unwrap_or_default();
        next += rest.iter().take_while(|(range, _)| range.start < from && range.end <= from).count();
        for (range, payload) in second.get(next..).unwrap_or_default() {
            if range.start >= to {
                break;
            }
            let (start, end) = (range.start.max(from), range.end.min(to));
            let payload = if range.start < from { &[][..] } else { payload };
            if let Some(new) = new {
                bytes.extend_from_slice(new.get(done - from..start - from).unwrap_or_default());
                bytes.extend_from_slice(payload);
                done = end;
            } else {
                put(old.start + start - from..old.start + end - from, payload);
            }
        }
        if let Some(new) = new {
            bytes.extend_from_slice(new.get(done - from..).unwrap_or_default());
            put(old, &bytes);
        }
        from = to;
    }
    for (_, payload) in second.iter().filter(|(range, _)| range.start == from && range.is_empty()) {
        put(len..len, payload);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn edits(len: usize, seeds: &[(usize, usize, Vec<u8>)]) -> Edits {
        let mut at = 0;
        let mut out: Edits = Vec::new();
        for (gap, drop, payload) in seeds {
            let start = (at + gap).min(len);
            let end = (start + drop).min(len);
            if out.last().is_none_or(|(last, _)| last.end < start) {
                out.push((start..end, payload.clone()));
                at = end;
            }
        }
        out
    }

    proptest! {
        #[test]
        fn composed_edits_come_to_both(text in prop::collection::vec(any::<u8>(), 0..60),
                                       one in prop::collection::vec((0usize..9, 0usize..9, prop::collection::vec(any::<u8>(), 0..6)), 0..6),
                                       two in prop::collection::vec((0usize..9, 0usize..9, prop::collection::vec(any::<u8>(), 0..6)), 0..6)) {
            let first = edits(text.len(), &one);
            let between = apply(&text, &first);
            let second = edits(between.len(), &two);
            let both = compose(&first, &second, text.len());
            prop_assert_eq!(apply(&text, &both), apply(&between, &second));
            for pair in both.windows(2) {
                prop_assert!(pair[0].0.end <= pair[1].0.start);
            }
        }
    }
}
