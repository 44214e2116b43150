//! Phone numbers in text: digits with at most three separators between two of them.

use std::ops::Range;

use super::super::work;

/// Most separators between two digits of one number (SPEC "Identifier types").
const SEPARATORS_MAX: usize = 3;

fn separates(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'(' | b')' | b'/')
}

/// Bytes from the start of `text` on that are so.
fn count(text: &[u8], is: impl Fn(u8) -> bool) -> usize {
    text.iter().take_while(|b| is(**b)).count()
}

/// Calls `found` with the digits and the span of each stretch of digits that starts and ends next to no digit and has `min` to `max`
/// of them. A leading `+` or `00` is in the span and not in the digits; where it stands, the stretch without it is not given
/// again if it would be the same digits.
///
/// Work: at most `max` runs of digits are counted for each, and copied only where a stretch has as many as are looked for.
pub(super) fn each(text: &[u8], min: usize, max: usize, mut found: impl FnMut(&[u8], Range<usize>)) {
    work::look(text.len());
    let mut digits = Vec::new();
    let mut at = 0;
    while let Some(skip) = text.get(at..).and_then(|rest| rest.iter().position(u8::is_ascii_digit)) {
        let start = at + skip;
        let plus = start.checked_sub(1).and_then(|i| text.get(i)) == Some(&b'+');
        let zeros = text.get(start..start + 2) == Some(b"00");
        let mut many = 0;
        let mut next = Some(start);
        let mut first_end = None;
        while let Some(rest) = next.and_then(|run| text.get(run..)) {
            let run = count(rest, |b| b.is_ascii_digit());
            work::look(run + 1);
            many += run;
            let end = text.len() - rest.len() + run;
            first_end.get_or_insert(end);
            if many > max.saturating_add(2) {
                break;
            }
            let mut give = |left_out: usize, from: usize| {
                if (min..=max).contains(&(many - left_out)) {
                    digits.clear();
                    let stretch = text.get(start..end).unwrap_or_default();
                    digits.extend(stretch.iter().filter(|b| b.is_ascii_digit()).skip(left_out));
                    found(&digits, from..end);
                }
            };
            give(0, start - usize::from(plus));
            if zeros {
                give(2, start);
            }
            let gap = rest.iter().skip(run).take(SEPARATORS_MAX + 1).take_while(|b| separates(**b)).count();
            next = Some(end + gap).filter(|at| gap <= SEPARATORS_MAX && text.get(*at).is_some_and(u8::is_ascii_digit));
        }
        at = first_end.unwrap_or(start + 1);
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
