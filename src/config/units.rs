//! Sizes and durations as people write them.

use std::time::Duration;

use crate::error::{Error, Result};

/// Bytes: `4096`, `512K`, `256MiB`, `1.5G`. K, M, G, T are powers of 1024, with or without `iB` or `B`.
pub fn size(text: &str) -> Result<u64> {
    let bad = || Error::usage("expected a size such as 512K, 256MiB or 4G");
    let text = text.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(split).ok_or_else(bad)?;
    let unit = unit.trim().to_ascii_lowercase();
    let power = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return Err(bad()),
    };
    let factor = 1u64 << (10 * power);
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).ok_or_else(bad);
    }
    let number: f64 = number.parse().map_err(|_| bad())?;
    Ok((number * factor as f64) as u64)
}

/// A length of time: `90s`, `15m`, `12h`, `7d`, `2w`, and sums such as `1d12h`. A bare number is refused: it has no unit.
pub fn duration(text: &str) -> Result<Duration> {
    let bad = || Error::usage("expected a duration such as 90s, 15m, 12h, 7d or 1d12h");
    let (mut rest, mut total) = (text.trim(), 0u64);
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let (number, tail) = rest.split_at_checked(digits).ok_or_else(bad)?;
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(letters).ok_or_else(bad)?;
        let seconds = match unit {
            "s" | "sec" => 1,
            "m" | "min" => 60,
            "h" => 3600,
            "d" => 86_400,
            "w" => 604_800,
            _ => return Err(bad()),
        };
        let number: u64 = number.parse().map_err(|_| bad())?;
        total = number.checked_mul(seconds).and_then(|s| total.checked_add(s)).ok_or_else(bad)?;
        rest = tail.trim_start();
    }
    Ok(Duration::from_secs(total))
}

/// The known word that is nearest to `word` (Levenshtein distance), if it is near enough to be a slip.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    known
        .into_iter()
        .map(|candidate| (distance(word.as_bytes(), candidate.as_bytes()), candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 2 + 1)
        .map(|(_, candidate)| candidate)
}

fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (y, above) in b.iter().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(x != y)).min(left + 1).min(above + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        assert_eq!(size("256MiB").unwrap(), 256 << 20);
        assert_eq!(size("4k").unwrap(), 4096);
        assert_eq!(size("1.5G").unwrap(), 3 << 29);
        assert_eq!(size("16TiB").unwrap(), 16 << 40);
        assert!(size("12q").is_err() && size("").is_err() && size("99999999999T").is_err());
        assert_eq!(duration("1d12h").unwrap().as_secs(), 129_600);
        assert!(duration("7").is_err() && duration("").is_err() && duration("7x").is_err());
    }

    #[test]
    fn nearest_word() {
        assert_eq!(nearest("acton", ["action", "files"]), Some("action"));
        assert_eq!(nearest("time-field", ["time_field", "files"]), Some("time_field"));
        assert_eq!(nearest("zzzzzzzzzzzz", ["action", "files"]), None);
        assert_eq!(distance(b"kitten", b"sitting"), 3);
    }
}
