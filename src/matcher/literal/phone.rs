//! Phone numbers in text: digits with at most three separators between two of them.

use std::collections::VecDeque;
use std::ops::Range;

use super::super::work;

/// Most separators between two digits of one number (SPEC "Identifier types").
const SEPARATORS_MAX: usize = 3;

fn separates(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'(' | b')' | b'/')
}

/// A run of digits of a text.
struct Run {
    start: usize,
    /// How many digits there were before it in the row.
    before: usize,
}

/// Runs of digits with at most three separators between two of them, so far as a number that ends with the last can hold them.
#[derive(Default)]
pub(super) struct Row {
    runs: VecDeque<Run>,
    /// Their digits, and of runs that are forgotten.
    digits: Vec<u8>,
    /// Digits of the row before `digits`.
    gone: usize,
}

impl Row {
    fn clear(&mut self) {
        self.runs.clear();
        self.digits.clear();
        self.gone = 0;
    }

    /// How many digits there are.
    fn many(&self) -> usize {
        self.gone + self.digits.len()
    }

    fn push(&mut self, start: usize, digits: &[u8], most: usize) {
        self.runs.push_back(Run { start, before: self.many() });
        self.digits.extend_from_slice(digits);
        while self.runs.front().is_some_and(|run| self.many() - run.before > most) {
            self.runs.pop_front();
        }
        let keep = self.runs.front().map_or(0, |run| self.many() - run.before);
        if self.digits.len() > 64 * (most + 1) {
            self.gone += self.digits.len() - keep;
            self.digits.drain(..self.digits.len() - keep);
        }
    }
}

/// Calls `found` with the digits and the span of each stretch of digits that starts and ends next to no digit and has `min` to `max`
/// of them. A leading `+` or `00` is in the span and not in the digits; where it stands, the stretch without it is not given
/// again if it would be the same digits.
///
/// Work: each byte is looked at once, and for each run of digits those before it with which it makes a number that is long enough.
pub(super) fn each(text: &[u8], min: usize, max: usize, found: impl FnMut(&[u8], Range<usize>)) {
    each_of(&mut Row::default(), text, min, max, found);
}

/// As [`each`], with the room of a row that is used again.
pub(super) fn each_of(row: &mut Row, text: &[u8], min: usize, max: usize, mut found: impl FnMut(&[u8], Range<usize>)) {
    work::look(text.len());
    // With a `00` before it a number has two digits more.
    let most = max.saturating_add(2);
    row.clear();
    let (mut at, mut end) = (0, 0);
    while let Some(skip) = text.get(at..).and_then(|rest| rest.iter().position(u8::is_ascii_digit)) {
        let start = at + skip;
        let run = text.get(start..).unwrap_or_default();
        let run = run.get(..run.iter().take_while(|b| b.is_ascii_digit()).count()).unwrap_or_default();
        let gap = text.get(end..start).unwrap_or_default();
        if gap.len() > SEPARATORS_MAX || !gap.iter().all(|b| separates(*b)) || run.len() > most {
            row.clear();
        }
        (at, end) = (start + run.len(), start + run.len());
        if run.len() > most {
            continue;
        }
        row.push(start, run, most);
        for first in &row.runs {
            let many = row.many() - first.before;
            work::look(1);
            if many < min {
                break;
            }
            let digits = row.digits.get(first.before - row.gone..).unwrap_or_default();
            if many <= max {
                let plus = first.start.checked_sub(1).and_then(|i| text.get(i)) == Some(&b'+');
                found(digits, first.start - usize::from(plus)..end);
            }
            if let Some(digits) = digits.get(2..).filter(|digits| (min..=max).contains(&digits.len()))
                && text.get(first.start..first.start + 2) == Some(b"00")
            {
                found(digits, first.start..end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(text: &str, want: &str) -> Vec<String> {
        let mut out = Vec::new();
        each(text.as_bytes(), want.len(), want.len(), |digits, span| {
            if digits == want.as_bytes() {
                out.push(text[span].to_owned());
            }
        });
        out
    }

    #[test]
    fn spellings_and_boundaries() {
        let want = "491701234567";
        for (text, span) in [
            ("tel +49 (170) 123-4567.", "+49 (170) 123-4567"),
            ("0049 170 / 1234567", "0049 170 / 1234567"),
            ("00 (49)170.123.45.67", "00 (49)170.123.45.67"),
            ("x491701234567x", "491701234567"),
            ("1 49 170 1234567 8", "49 170 1234567"),
            ("10049170 1234567", ""),
            ("+49  - 170 1234567", ""),
            ("49170123456", ""),
            ("4917012345670", ""),
        ] {
            let found = spans(text, want);
            assert_eq!(found.iter().map(String::len).max().unwrap_or(0), span.len(), "{text}");
            assert!(span.is_empty() || found.iter().any(|f| f == span), "{text}");
        }
    }
}
