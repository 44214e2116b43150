//! The plan of a multipart upload: which parts are copied by the service, which are sent.
//!
//! Bounds of the service: parts of 5 MiB at least but for the last, 5 GiB at most, 10,000 of them. Long kept ranges are
//! copied; what lies between is sent, and where that is too short for a part, kept bytes next to it are sent with it. Where
//! there would be too many parts, only longer ranges are copied. Pure: no I/O, memory for the parts alone.

use crate::error::{Error, Result};

/// What bounds parts, bytes (Amazon S3 user guide, "Multipart upload limits").
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Least part but the last.
    pub least: u64,
    /// Size of a part that is sent: up to twice as much.
    pub sent: u64,
    /// Longest part that may be sent: it is held in memory.
    pub most_sent: u64,
    /// Longest part that is copied: parts are copied beside each other.
    pub copied: u64,
    /// Most parts.
    pub parts: usize,
}

/// 5 MiB.
const LEAST: u64 = 5 << 20;

impl Default for Bounds {
    fn default() -> Self {
        // The last number of a part is kept for the mark of the upload.
        Self { least: LEAST, sent: 8 << 20, most_sent: 128 << 20, copied: 1 << 30, parts: 9_999 }
    }
}

/// One run of the new object: bytes that are in the original, or are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Length in bytes; never 0.
    pub len: u64,
    /// Where the original has them.
    pub kept: Option<u64>,
}

/// One part of the upload; parts stand in the order of the new object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Where it begins in the new object.
    pub at: u64,
    /// Length in bytes.
    pub len: u64,
    /// Copied by the service from here in the original; `None`: sent.
    pub copy: Option<u64>,
}

/// The parts of the object that the runs make up; `runs` gives them anew at each call. Copies only if `may_copy`.
///
/// Errors: [`crate::error::Kind::Limit`] if too many bytes would have to be sent.
pub fn plan<I>(bounds: &Bounds, may_copy: bool, mut runs: impl FnMut() -> Result<I>) -> Result<Vec<Part>>
where
    I: Iterator<Item = Result<Run>>,
{
    let mut least_copy = bounds.least;
    loop {
        let (copies, len) = stretches(if may_copy { least_copy } else { u64::MAX }, bounds, runs()?)?;
        if let Some(parts) = cut(bounds, &copies, len) {
            return Ok(parts);
        }
        least_copy = least_copy.saturating_mul(2);
        if least_copy > len.saturating_mul(4) {
            return Err(Error::limit("parts of an upload (10,000 of 128 MiB are sent at most)"));
        }
    }
}

/// A range of the new object that is copied.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    at: u64,
    len: u64,
    from: u64,
}

/// Ranges to be copied, shortened so that what is sent between two is a whole part; and the object's length.
fn stretches(least_copy: u64, bounds: &Bounds, runs: impl Iterator<Item = Result<Run>>) -> Result<(Vec<Stretch>, u64)> {
    let mut copies: Vec<Stretch> = Vec::new();
    // `sent_from`: where what is sent before the next copy begins.
    let (mut at, mut sent_from) = (0u64, 0u64);
    for run in runs {
        let Run { len, kept } = run?;
        if let Some(from) = kept.filter(|_| len >= least_copy) {
            // A part that is sent and would be too short takes the start of the copy.
            let sent = at - sent_from;
            let short = if sent == 0 { 0 } else { bounds.least.saturating_sub(sent) };
            // More ranges than parts: the plan is void anyway.
            if len >= short.saturating_add(least_copy) && copies.len() <= bounds.parts {
                copies.push(Stretch { at: at + short, len: len - short, from: from + short });
                sent_from = at + len;
            }
        }
        at += len;
    }
    Ok((copies, at))
}

/// The parts; `None` if there are too many of them, or one is too long.
fn cut(bounds: &Bounds, copies: &[Stretch], len: u64) -> Option<Vec<Part>> {
    if copies.len() > bounds.parts {
        return None;
    }
    let gaps = {
        let mut at = 0;
        let mut sum = 0u64;
        for copy in copies {
            sum += copy.at - at;
            at = copy.at + copy.len;
        }
        sum + (len - at)
    };
    let pieces: u64 = copies.iter().map(|copy| copy.len.div_ceil(bounds.copied)).sum();
    // Each gap may add a part that is not full.
    let room = (bounds.parts as u64).saturating_sub(pieces + copies.len() as u64 + 1);
    if room == 0 && gaps > 0 && pieces + copies.len() as u64 + 1 > bounds.parts as u64 {
        return None;
    }
    let sent = bounds.sent.max(gaps.div_ceil(room.max(1)));
    if sent > bounds.most_sent {
        return None;
    }
    let mut parts = Vec::new();
    let mut at = 0;
    for copy in copies {
        send(&mut parts, at, copy.at - at, sent);
        let n = copy.len.div_ceil(bounds.copied).max(1);
        for i in 0..n {
            let (from, to) = (share(copy.len, i, n), share(copy.len, i + 1, n));
            parts.push(Part { at: copy.at + from, len: to - from, copy: Some(copy.from + from) });
        }
        at = copy.at + copy.len;
    }
    send(&mut parts, at, len - at, sent);
    (parts.len() <= bounds.parts).then_some(parts)
}

/// Parts of `size` to twice that, or one that is shorter.
fn send(parts: &mut Vec<Part>, at: u64, len: u64, size: u64) {
    if len == 0 {
        return;
    }
    let n = (len / size).max(1);
    for i in 0..n {
        let (from, to) = (share(len, i, n), share(len, i + 1, n));
        parts.push(Part { at: at + from, len: to - from, copy: None });
    }
}

/// Where the `i`-th of `n` shares of `len` begins.
fn share(len: u64, i: u64, n: u64) -> u64 {
    (u128::from(len) * u128::from(i) / u128::from(n.max(1))) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    fn run(len: u64, kept: Option<u64>) -> Run {
        Run { len, kept }
    }

    fn plan_of(bounds: &Bounds, runs: &[Run]) -> Result<Vec<Part>> {
        plan(bounds, true, || Ok(runs.iter().copied().map(Ok)))
    }

    #[test]
    fn one_hit_in_a_gigabyte_sends_one_part() {
        let runs = [run(500 * MIB, Some(0)), run(70_000, None), run(524 * MIB, Some(500 * MIB + 70_100))];
        let parts = plan_of(&Bounds::default(), &runs).unwrap();
        let sent: u64 = parts.iter().filter(|part| part.copy.is_none()).map(|part| part.len).sum();
        assert_eq!((parts.len(), sent), (3, 5 * MIB));
    }

    #[test]
    fn a_short_tail_is_the_last_part() {
        let runs = [run(20 * MIB, Some(0)), run(10, None)];
        let parts = plan_of(&Bounds::default(), &runs).unwrap();
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[1], Part { at: 20 * MIB, len: 10, copy: None });
    }

    #[test]
    fn many_hits_stay_below_the_bound() {
        // 30,000 hits, 12 MiB apart: a part each would be too many.
        let runs: Vec<Run> = (0..30_000).flat_map(|i| [run(12 * MIB, Some(i * 13 * MIB)), run(100, None)]).collect();
        let parts = plan_of(&Bounds::default(), &runs).unwrap();
        assert!(parts.len() <= 9_999, "{}", parts.len());
    }

    #[test]
    fn what_is_too_long_to_send_is_refused() {
        let error = plan_of(&Bounds::default(), &[run(2 << 40, None)]).unwrap_err();
        assert!(error.reason().starts_with("limit: "), "{error}");
    }

    proptest! {
        /// Parts make up the object, each within the bounds, and copy what the original has there.
        #[test]
        fn parts_are_the_object(
            pieces in prop::collection::vec((1u64..400, 0u64..3, any::<bool>()), 1..60),
            least in 1u64..50, sent in 1u64..60, parts in 4usize..40, copied in 60u64..500,
        ) {
            let (mut runs, mut old) = (Vec::new(), 0);
            for (len, gap, kept) in pieces {
                old += gap;
                runs.push(run(len, kept.then_some(old)));
                old += len;
            }
            let bounds = Bounds { least, sent: sent.max(least), most_sent: 100_000, copied: copied.max(2 * least), parts };
            let whole: u64 = runs.iter().map(|run| run.len).sum();
            let got = plan_of(&bounds, &runs).unwrap();
            prop_assert!(got.len() <= parts);
            let (mut at, last) = (0, got.len() - 1);
            for (i, part) in got.iter().enumerate() {
                prop_assert_eq!(part.at, at);
                prop_assert!(part.len > 0);
                prop_assert!(i == last || part.len >= least, "part {} of {} has {}", i, last, part.len);
                at += part.len;
                if let Some(from) = part.copy {
                    prop_assert!(part.len <= bounds.copied);
                    let mut start = 0;
                    let held = runs.iter().find_map(|run| {
                        let this = start;
                        start += run.len;
                        (part.at >= this && part.at < start).then_some((this, run))
                    });
                    let (this, run) = held.unwrap();
                    prop_assert!(part.at + part.len <= this + run.len);
                    prop_assert_eq!(Some(from), run.kept.map(|kept| kept + part.at - this));
                }
            }
            prop_assert_eq!(at, whole);
        }
    }
}
