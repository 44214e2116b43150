//! Phone numbers in text: digits with at most three separators between two of them.

use std::ops::Range;

use super::super::work;

/// Most separators between two digits of one number (SPEC "Identifier types").
const SEPARATORS_MAX: usize = 3;

fn separates(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'(' | b')' | b'/')
}

/// The next digit at or after `at` with at most three separators before it.
fn next_digit(text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    let skip = rest.iter().take(SEPARATORS_MAX + 1).take_while(|b| separates(**b)).count();
    (skip <= SEPARATORS_MAX && rest.get(skip).is_some_and(u8::is_ascii_digit)).then_some(at + skip)
}

/// Calls `found` with the digits and the span of each stretch of digits that starts and ends next to no digit and has `min` to `max`
/// of them. A leading `+` or `00` is in the span and not in the digits; where it stands, the stretch without it is not given
/// again if it would be the same digits.
///
/// Work: `max` steps for each run of digits.
pub(super) fn each(text: &[u8], min: usize, max: usize, mut found: impl FnMut(&[u8], Range<usize>)) {
    work::look(text.len());
    let mut digits = Vec::with_capacity(max);
    let mut at = 0;
    while let Some(skip) = text.get(at..).and_then(|rest| rest.iter().position(u8::is_ascii_digit)) {
        let start = at + skip;
        let plus = start.checked_sub(1).and_then(|i| text.get(i)) == Some(&b'+');
        let chain = stretch(text, start, max.saturating_add(2));
        if chain >= min {
            from(text, start, start - usize::from(plus), min, max, &mut digits, &mut found);
            if text.get(start..start + 2) == Some(b"00")
                && let Some(first) = next_digit(text, start + 2)
            {
                from(text, first, start, min, max, &mut digits, &mut found);
            }
        }
        let run = text.get(start..).map_or(0, |rest| rest.iter().take_while(|b| b.is_ascii_digit()).count());
        at = start + run;
    }
}

/// Number of digits that hang together from `start` on, counted up to `most`.
fn stretch(text: &[u8], start: usize, most: usize) -> usize {
    let mut count = 0;
    work::look(most.min(text.len() - start.min(text.len())));
    let mut next = next_digit(text, start);
    while let Some(at) = next {
        count += 1;
        if count >= most {
            break;
        }
        next = next_digit(text, at + 1);
    }
    count
}

/// The stretches whose digits begin at `first`; their span begins at `start`.
fn from(
    text: &[u8],
    first: usize,
    start: usize,
    min: usize,
    max: usize,
    digits: &mut Vec<u8>,
    found: &mut impl FnMut(&[u8], Range<usize>),
) {
    digits.clear();
    let mut next = Some(first);
    while let Some(at) = next {
        digits.extend(text.get(at));
        work::look(1);
        if digits.len() > max {
            return;
        }
        if digits.len() >= min && !text.get(at + 1).is_some_and(u8::is_ascii_digit) {
            found(digits, start..at + 1);
        }
        next = next_digit(text, at + 1);
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
