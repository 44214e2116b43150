//! Time stamps at the start of log lines, and in fields.
//!
//! Forms (SPEC "Text log"): ISO 8601 with date and time, `Mon DD HH:MM:SS` (RFC 3164 §4.1.2), `[…]` around one, epoch seconds
//! or milliseconds; before any of them may stand a syslog priority, `<34>` (RFC 3164 §4.1.1) or `<34>1 ` (RFC 5424 §6.2), after
//! which the time may be unknown, `-`. The time of a line is also read from the Common Log Format's `[10/Oct/2000:13:55:36 +0000]`, which stands
//! behind the client's address. A stamp without a zone is taken as UTC. Scanners of bytes, at most [`REACH`] of them; they do
//! not allocate and know nothing of records.

use std::ops::RangeInclusive;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// Bytes of a line that decide whether it starts with a stamp: longer than the longest form.
pub const REACH: usize = 96;
/// Bytes of a line in which a Common Log Format stamp is looked for.
const CLF_REACH: usize = 512;
/// Epoch seconds that are taken for a time at the start of a line: 2001-09-09 (the first of ten digits) to 2100-01-01.
const EPOCH: RangeInclusive<i64> = 1_000_000_000..=4_102_444_800;
/// English names (RFC 3164 §4.1.2), whatever the locale.
const MONTHS: [&[u8]; 12] =
    [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];
const DAYS: [&[u8]; 7] = [b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"];

/// Length of the time stamp that `line` starts with, if it does; brackets around it included.
///
/// Only the first [`REACH`] bytes count, so that a line need not be whole to be judged.
pub fn leading(line: &[u8]) -> Option<usize> {
    start(line).map(|(len, _)| len)
}

/// The time of a line by its stamp; `mtime` lends the year where the form has none.
pub fn of_line(line: &[u8], mtime: Option<Timestamp>) -> Option<Timestamp> {
    if let Some((_, when)) = start(line) {
        return when?.time(mtime);
    }
    let (_, _, when) = clf_in(line)?;
    when.time(mtime)
}

/// Where in the first 512 bytes of `line` a Common Log Format stamp stands, brackets included.
pub fn clf(line: &[u8]) -> Option<std::ops::Range<usize>> {
    clf_in(line).map(|(from, to, _)| from..to)
}

/// The time that a whole field value says: any form of a line's stamp, a bare date (its midnight), RFC 2822, or
/// epoch seconds, milli-, micro- or nanoseconds by their size, with or without decimals.
pub fn value(text: &[u8]) -> Option<Timestamp> {
    let text = text.trim_ascii();
    if let Some(time) = epoch_value(text) {
        return Some(time);
    }
    let mut scan = Scan { text, at: 0 };
    if let Some(when) = scan.bracketed().or_else(|| scan.clf()).or_else(|| scan.bare_date())
        && scan.at == text.len()
    {
        return when.time(None);
    }
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= REACH)?;
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp())
}

fn start(line: &[u8]) -> Option<(usize, Option<When>)> {
    let mut scan = Scan { text: line.get(..line.len().min(REACH)).unwrap_or_default(), at: 0 };
    let version = scan.attempt(Scan::counted).or_else(|| scan.attempt(Scan::priority));
    if version == Some(true) && scan.eat(b"- ") {
        return Some((scan.at - 1, None));
    }
    let when = scan.bracketed()?;
    let ends = !scan.peek().is_some_and(|b| b.is_ascii_alphanumeric());
    ends.then_some((scan.at, Some(when)))
}

/// Whether `text` starts with a syslog priority, `<0>` to `<191>`.
pub fn is_prioritised(text: &[u8]) -> bool {
    Scan { text: text.get(..text.len().min(REACH)).unwrap_or_default(), at: 0 }.priority().is_some()
}

fn clf_in(line: &[u8]) -> Option<(usize, usize, When)> {
    let line = line.get(..line.len().min(CLF_REACH)).unwrap_or_default();
    memchr::memchr_iter(b'[', line).find_map(|at| {
        let mut scan = Scan { text: line, at: at + 1 };
        let when = scan.clf()?;
        scan.eat(b"]").then_some((at, scan.at, when))
    })
}

/// What a stamp says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Civil {
        /// Absent in RFC 3164 stamps.
        year: Option<i16>,
        month: i8,
        day: i8,
        clock: Clock,
        /// Seconds east of UTC.
        offset: i32,
    },
    Epoch {
        milliseconds: i64,
        nanoseconds: i32,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Clock {
    hour: i8,
    minute: i8,
    second: i8,
    nanosecond: i32,
}

impl When {
    /// The instant. Without a year it is `mtime`'s, or the one before if that would be more than a day after `mtime`.
    fn time(self, mtime: Option<Timestamp>) -> Option<Timestamp> {
        match self {
            When::Epoch { milliseconds, nanoseconds } => {
                let time = Timestamp::from_millisecond(milliseconds).ok()?;
                time.checked_add(SignedDuration::from_nanos(i64::from(nanoseconds))).ok()
            }
            When::Civil { year: Some(year), .. } => self.in_year(year),
            When::Civil { year: None, .. } => {
                let mtime = mtime?;
                let year = TimeZone::UTC.to_datetime(mtime).year();
                let late = mtime.checked_add(SignedDuration::from_hours(24)).ok()?;
                // 29 February may not exist in `year`, but in the one before.
                self.in_year(year).filter(|time| *time <= late).or_else(|| self.in_year(year - 1))
            }
        }
    }

    fn in_year(self, year: i16) -> Option<Timestamp> {
        let When::Civil { month, day, clock, offset, .. } = self else {
            return None;
        };
        // Hour 24 is the day's end (ISO 8601:2004 §4.2.3), second 60 a leap second.
        let second = clock.second.min(59);
        let (hour, more) = if clock.hour == 24 { (0, 24) } else { (clock.hour, 0) };
        let civil = DateTime::new(year, month, day, hour, clock.minute, second, clock.nanosecond).ok()?;
        let time = Offset::from_seconds(offset).ok()?.to_timestamp(civil).ok()?;
        time.checked_add(SignedDuration::from_hours(more)).ok()
    }
}

/// Epoch time by the number of digits before the point: up to 11 seconds, 14 milli-, 17 micro-, 19 nanoseconds.
fn epoch_value(text: &[u8]) -> Option<Timestamp> {
    let point = text.iter().position(|b| *b == b'.').unwrap_or(text.len());
    let (whole, decimals) = text.split_at_checked(point)?;
    let decimals = decimals.get(1..).unwrap_or_default();
    let digits = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
    if whole.is_empty() || whole.len() > 19 || !digits(whole) || !digits(decimals) {
        return None;
    }
    let number: i128 = std::str::from_utf8(whole).ok()?.parse().ok()?;
    let unit: i128 = match whole.len() {
        ..=11 => 1_000_000_000,
        12..=14 => 1_000_000,
        15..=17 => 1_000,
        _ => 1,
    };
    let rest = i128::from(fraction(decimals)) * unit / 1_000_000_000;
    Timestamp::from_nanosecond(number * unit + rest).ok()
}

/// Nanoseconds of a decimal fraction; digits beyond the ninth do not count.
fn fraction(digits: &[u8]) -> i32 {
    (0..9).fold(0, |sum, i| sum * 10 + digits.get(i).map_or(0, |b| i32::from(b - b'0')))
}

/// Reads forward; what does not fit leaves `at` anywhere, callers start again.
struct Scan<'t> {
    text: &'t [u8],
    at: usize,
}

impl Scan<'_> {
    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn eat(&mut self, what: &[u8]) -> bool {
        let fits = self.rest().starts_with(what);
        self.at += if fits { what.len() } else { 0 };
        fits
    }

    fn one_of(&mut self, set: &[u8]) -> Option<u8> {
        let byte = self.peek().filter(|b| set.contains(b))?;
        self.at += 1;
        Some(byte)
    }

    /// Tries `read`; if it fails, nothing is consumed.
    fn attempt<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let from = self.at;
        let got = read(self);
        if got.is_none() {
            self.at = from;
        }
        got
    }

    /// Exactly `n` digits whose number lies in `range`.
    fn number(&mut self, n: usize, range: RangeInclusive<i64>) -> Option<i64> {
        let digits = self.rest().get(..n)?;
        let mut number = 0;
        for digit in digits {
            number = number * 10 + i64::from(digit.is_ascii_digit().then(|| digit - b'0')?);
        }
        self.at += n;
        range.contains(&number).then_some(number)
    }

    fn two(&mut self, range: RangeInclusive<i64>) -> Option<i8> {
        i8::try_from(self.number(2, range)?).ok()
    }

    /// Index of the name of three letters that comes next, in any case, not followed by a letter.
    fn name(&mut self, names: &[&[u8]]) -> Option<usize> {
        let word = self.rest().get(..3)?;
        let index = names.iter().position(|name| word.eq_ignore_ascii_case(name))?;
        self.at += 3;
        (!self.peek().is_some_and(|b| b.is_ascii_alphabetic())).then_some(index)
    }

    /// The length of an octet-counted frame (RFC 6587 §3.4.1) before the priority.
    fn counted(&mut self) -> Option<bool> {
        let digits = self.rest().iter().take(10).take_while(|b| b.is_ascii_digit()).count();
        self.at += digits;
        self.one_of(b" ")?;
        self.priority()
    }

    /// `<PRI>`, at most 191 and without leading zeros; whether RFC 5424's version and a blank follow, which belong to it.
    fn priority(&mut self) -> Option<bool> {
        self.one_of(b"<")?;
        let digits = self.rest().iter().take(4).take_while(|b| b.is_ascii_digit()).count();
        let zero = self.peek() == Some(b'0') && digits > 1;
        if zero || !(1..=3).contains(&digits) {
            return None;
        }
        self.number(digits, 0..=191)?;
        self.one_of(b">")?;
        Some(self.eat(b"1 "))
    }

    fn month(&mut self) -> Option<i8> {
        i8::try_from(self.name(&MONTHS)? + 1).ok()
    }

    /// A stamp, or `[` and a stamp; a `]` that follows belongs to it.
    fn bracketed(&mut self) -> Option<When> {
        if !self.eat(b"[") {
            return self.plain();
        }
        let from = self.at;
        if let Some(when) = self.clf() {
            self.eat(b"]");
            return Some(when);
        }
        self.at = from;
        let when = self.plain()?;
        self.eat(b"]");
        Some(when)
    }

    fn plain(&mut self) -> Option<When> {
        self.attempt(Self::iso)
            .or_else(|| self.attempt(Self::syslog))
            .or_else(|| self.attempt(|scan| scan.epoch(13, 1)))
            .or_else(|| self.attempt(|scan| scan.epoch(10, 1000)))
    }

    fn year(&mut self) -> Option<i16> {
        i16::try_from(self.number(4, 1..=9999)?).ok()
    }

    /// `2025-03-11`, `2025/03/11`.
    fn date(&mut self) -> Option<(i16, i8, i8)> {
        let year = self.year()?;
        let separator = self.one_of(b"-/")?;
        let month = self.two(1..=12)?;
        self.one_of(&[separator])?;
        Some((year, month, self.two(1..=31)?))
    }

    fn iso(&mut self) -> Option<When> {
        if let Some((year, month, day)) = self.attempt(Self::date) {
            self.one_of(b"Tt ")?;
            let clock = self.clock()?;
            let offset = self.offset();
            return Some(When::Civil { year: Some(year), month, day, clock, offset });
        }
        // The basic format, `20250311T080000Z`.
        let (year, month, day) = (self.year()?, self.two(1..=12)?, self.two(1..=31)?);
        self.one_of(b"Tt")?;
        let (hour, minute, second) = (self.two(0..=24)?, self.two(0..=59)?, self.two(0..=60)?);
        let clock = Clock { hour, minute, second, nanosecond: self.decimals() };
        let offset = self.offset();
        Some(When::Civil { year: Some(year), month, day, clock, offset })
    }

    /// A date alone, at midnight.
    fn bare_date(&mut self) -> Option<When> {
        self.at = 0;
        let (year, month, day) = self.date()?;
        Some(When::Civil { year: Some(year), month, day, clock: Clock::default(), offset: 0 })
    }

    /// `HH:MM`, `HH:MM:SS`, with `.` or `,` and a fraction.
    fn clock(&mut self) -> Option<Clock> {
        let hour = self.two(0..=24)?;
        self.one_of(b":")?;
        let minute = self.two(0..=59)?;
        let second = self.attempt(|scan| {
            scan.one_of(b":")?;
            scan.two(0..=60)
        });
        let nanosecond = if second.is_some() { self.decimals() } else { 0 };
        Some(Clock { hour, minute, second: second.unwrap_or(0), nanosecond })
    }

    fn decimals(&mut self) -> i32 {
        self.attempt(|scan| {
            scan.one_of(b".,")?;
            let n = scan.rest().iter().take_while(|b| b.is_ascii_digit()).count();
            let nanoseconds = fraction(scan.rest().get(..n)?);
            scan.at += n;
            (n > 0).then_some(nanoseconds)
        })
        .unwrap_or(0)
    }

    /// `Z`, `+HH`, `+HHMM`, `+HH:MM`; after a blank also `UTC` and `GMT`, but no `+HH`. Nothing: UTC.
    fn offset(&mut self) -> i32 {
        let zone = |scan: &mut Self| {
            let blank = scan.eat(b" ");
            let seconds = if scan.eat(b"Z") || scan.eat(b"z") || (blank && (scan.eat(b"UTC") || scan.eat(b"GMT"))) {
                0
            } else {
                scan.hours(blank)?
            };
            (!scan.peek().is_some_and(|b| b.is_ascii_alphanumeric())).then_some(seconds)
        };
        self.attempt(zone).unwrap_or(0)
    }

    fn hours(&mut self, minutes_needed: bool) -> Option<i32> {
        let sign = self.one_of(b"+-")?;
        let hours = self.two(0..=18)?;
        let minutes = self.attempt(|scan| {
            scan.eat(b":");
            scan.two(0..=59)
        });
        if minutes.is_none() && minutes_needed {
            return None;
        }
        let seconds = i32::from(hours) * 3600 + i32::from(minutes.unwrap_or(0)) * 60;
        Some(if sign == b'-' { -seconds } else { seconds })
    }

    /// `Mar 11 08:00:00`, `Mar  1 08:00:00`, `Mar 11 2025 08:00:00`, `Tue Mar 11 08:00:00.123 2025` (asctime).
    fn syslog(&mut self) -> Option<When> {
        let named = self.attempt(|scan| {
            scan.name(&DAYS)?;
            scan.one_of(b" ")
        });
        let month = self.month()?;
        self.one_of(b" ")?;
        self.eat(b" ");
        let day = self.attempt(|scan| scan.two(1..=31));
        let day = day.or_else(|| i8::try_from(self.number(1, 1..=9)?).ok())?;
        self.one_of(b" ")?;
        let year = self.attempt(|scan| {
            let year = scan.year()?;
            scan.one_of(b" ").map(|_| year)
        });
        let clock = self.clock()?;
        let after = self.attempt(|scan| {
            named?;
            scan.one_of(b" ")?;
            let year = scan.year()?;
            (!scan.peek().is_some_and(|b| b.is_ascii_alphanumeric())).then_some(year)
        });
        Some(When::Civil { year: year.or(after), month, day, clock, offset: 0 })
    }

    /// `10/Oct/2000:13:55:36 +0000` (Common Log Format).
    fn clf(&mut self) -> Option<When> {
        let day = self.two(1..=31)?;
        self.one_of(b"/")?;
        let month = self.month()?;
        self.one_of(b"/")?;
        let year = self.year()?;
        self.one_of(b":")?;
        let clock = self.clock()?;
        let offset = self.offset();
        Some(When::Civil { year: Some(year), month, day, clock, offset })
    }

    /// `digits` digits that count `1000 / scale` to the second, with a fraction.
    fn epoch(&mut self, digits: usize, scale: i64) -> Option<When> {
        let number = self.number(digits, 0..=i64::MAX)?;
        let milliseconds = number.checked_mul(scale)?;
        if self.peek().is_some_and(|b| b.is_ascii_alphanumeric()) || !EPOCH.contains(&(milliseconds / 1000)) {
            return None;
        }
        let nanosecond = self.decimals();
        let nanoseconds = if scale == 1 { nanosecond / 1000 } else { nanosecond };
        Some(When::Epoch { milliseconds, nanoseconds })
    }
}

#[cfg(test)]
#[path = "stamp_tests.rs"]
mod tests;
