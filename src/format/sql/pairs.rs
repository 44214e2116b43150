//! Pairs of 128-bit numbers, as many as there are, looked up by the first; and queues of them.
//!
//! What is new stands in memory; each [`FRESH`] pairs become a sorted run in temporary space, and [`FAN`] runs of a size are merged
//! into one. A look-up asks each run's filter, and reads one block of those that may have the key. Own code: no kept crate
//! has an index over anonymous temporary files that counts towards `--max-temp`. Memory: [`FRESH_BYTES`] for what is new; for each run at most 2 MiB
//! of filter (2 bytes a pair) and 8 bytes for 128 pairs; the number of runs grows as the logarithm of the pairs: about 50 MiB for 100 million.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::blob::{Blob, Spool, TempSpace};
use crate::error::{Error, Kind, Result};

/// Pairs that stand in memory before they become a run.
const FRESH: usize = 1 << 16;
/// Bytes that these take, at most.
pub const FRESH_BYTES: u64 = 4 << 20;
/// Runs of one size that are merged into one.
const FAN: usize = 8;
/// Pairs that are read at one time.
const BLOCK: usize = 128;
/// Bytes of a pair on disk.
const ENTRY: usize = 32;
/// Most bits of a run's filter (2 MiB).
const MOST_BITS: u64 = 1 << 24;
/// Bytes that a queue gathers before they go on.
const GATHERED: usize = 64 * 1024;

type Pair = (u128, u128);

/// See the module. A pair that is put in twice is there once or twice.
#[derive(Debug)]
pub struct Pairs {
    space: Arc<TempSpace>,
    fresh: BTreeSet<Pair>,
    /// The filter of these; empty before the first.
    filter: Vec<u64>,
    /// As many pairs are kept in memory.
    most: usize,
    runs: Vec<Run>,
}

/// A sorted run.
#[derive(Debug)]
struct Run {
    /// How often what is in it was merged.
    level: u32,
    len: u64,
    spool: Spool,
    /// Upper half of the first key of each block.
    firsts: Vec<u64>,
    /// Bits at places that the keys in it say; a power of two of them.
    filter: Vec<u64>,
}

impl Pairs {
    /// None. What outgrows memory goes to `space`.
    pub fn new(space: &Arc<TempSpace>) -> Self {
        Self { space: Arc::clone(space), fresh: BTreeSet::new(), filter: Vec::new(), most: FRESH, runs: Vec::new() }
    }

    /// As [`Self::new`], with `most` pairs in memory: for tests.
    #[cfg(test)]
    fn small(space: &Arc<TempSpace>, most: usize) -> Self {
        Self { most, ..Self::new(space) }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.runs.is_empty()
    }

    /// Puts in a pair.
    pub fn put(&mut self, key: u128, value: u128) -> Result<()> {
        self.fresh.insert((key, value));
        if self.filter.is_empty() {
            self.filter = vec![0; FRESH / 8];
        }
        set(&mut self.filter, key);
        if self.fresh.len() < self.most {
            return Ok(());
        }
        let mut run = Maker::new(&self.space, 0, self.fresh.len() as u64);
        for pair in std::mem::take(&mut self.fresh) {
            run.push(pair)?;
        }
        self.runs.push(run.done()?);
        self.filter.clear();
        while let Some(from) = self.runs.len().checked_sub(FAN)
            && let Some(last) = self.runs.get(from..).filter(|last| last.windows(2).all(is_level))
        {
            let merged = merge(last, &self.space)?;
            self.runs.truncate(from);
            self.runs.push(merged);
        }
        Ok(())
    }

    /// Calls `visit` with each value of `key`, in no order, until it says `false`. Returns whether it never did.
    pub fn each(&self, key: u128, visit: &mut dyn FnMut(u128) -> Result<bool>) -> Result<bool> {
        if !self.filter.is_empty() && may_hold(&self.filter, key) {
            for (_, value) in self.fresh.range((key, 0)..=(key, u128::MAX)) {
                if !visit(*value)? {
                    return Ok(false);
                }
            }
        }
        for run in &self.runs {
            if !run.each(key, visit)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A value of `key`.
    pub fn get(&self, key: u128) -> Result<Option<u128>> {
        let mut found = None;
        self.each(key, &mut |value| {
            found = Some(value);
            Ok(false)
        })?;
        Ok(found)
    }

    /// Whether there is a pair with `key`.
    pub fn has(&self, key: u128) -> Result<bool> {
        Ok(self.get(key)?.is_some())
    }
}

fn is_level(runs: &[Run]) -> bool {
    matches!(runs, [a, b] if a.level == b.level)
}

impl Run {
    fn each(&self, key: u128, visit: &mut dyn FnMut(u128) -> Result<bool>) -> Result<bool> {
        if !may_hold(&self.filter, key) {
            return Ok(true);
        }
        let upper = (key >> 64) as u64;
        let block = self.firsts.partition_point(|first| *first < upper).saturating_sub(1);
        let mut reader = Reader { run: self, at: (block * BLOCK) as u64, buf: Vec::new(), head: 0 };
        while let Some((found, value)) = reader.next()? {
            if found > key {
                break;
            }
            if found == key && !visit(value)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Words and bits of a filter of so many words that `key` sets.
fn places(key: u128, words: usize) -> [(usize, u64); 3] {
    let mask = (words as u64 * 64).saturating_sub(1);
    // Keys are digests, and the words a power of two.
    [0, 40, 80].map(|shift| {
        let at = (key >> shift) as u64 & mask;
        ((at / 64) as usize, 1u64 << (at % 64))
    })
}

fn may_hold(filter: &[u64], key: u128) -> bool {
    places(key, filter.len()).into_iter().all(|(word, bit)| filter.get(word).is_some_and(|word| word & bit != 0))
}

fn set(filter: &mut [u64], key: u128) {
    for (word, bit) in places(key, filter.len()) {
        if let Some(word) = filter.get_mut(word) {
            *word |= bit;
        }
    }
}

/// Writes a run.
struct Maker {
    run: Run,
    buf: Vec<u8>,
    last: Option<Pair>,
}

impl Maker {
    /// Of at most `most` pairs.
    fn new(space: &Arc<TempSpace>, level: u32, most: u64) -> Self {
        let bits = most.saturating_mul(8).next_power_of_two().clamp(64, MOST_BITS);
        let run = Run {
            level,
            len: 0,
            spool: Spool::new(space),
            firsts: Vec::new(),
            filter: vec![0; usize::try_from(bits / 64).unwrap_or(1)],
        };
        Self { run, buf: Vec::with_capacity(GATHERED), last: None }
    }

    /// The next pair: not before the last one.
    fn push(&mut self, pair: Pair) -> Result<()> {
        if self.last == Some(pair) {
            return Ok(());
        }
        self.last = Some(pair);
        let run = &mut self.run;
        if run.len.is_multiple_of(BLOCK as u64) {
            run.firsts.push((pair.0 >> 64) as u64);
        }
        run.len += 1;
        set(&mut run.filter, pair.0);
        self.buf.extend_from_slice(&pair.0.to_le_bytes());
        self.buf.extend_from_slice(&pair.1.to_le_bytes());
        if self.buf.len() >= GATHERED {
            run.spool.append(&self.buf)?;
            self.buf.clear();
        }
        Ok(())
    }

    fn done(mut self) -> Result<Run> {
        self.run.spool.append(&self.buf)?;
        Ok(self.run)
    }
}

/// Reads a run from its pair `at` on.
struct Reader<'r> {
    run: &'r Run,
    at: u64,
    buf: Vec<u8>,
    head: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Result<Option<Pair>> {
        if self.head == self.buf.len() {
            let most = (self.run.len.saturating_sub(self.at) as usize).min(BLOCK) * ENTRY;
            self.buf.resize(most, 0);
            exact(&self.run.spool, self.at * ENTRY as u64, &mut self.buf)?;
            self.at += (most / ENTRY) as u64;
            self.head = 0;
        }
        let entry = self.buf.get(self.head..self.head + ENTRY);
        self.head += entry.map_or(0, <[u8]>::len);
        Ok(entry.map(|entry| (number(entry), number(entry.get(16..).unwrap_or_default()))))
    }
}

/// The number that `bytes` start with.
fn number(bytes: &[u8]) -> u128 {
    bytes.first_chunk().map_or(0, |bytes| u128::from_le_bytes(*bytes))
}

fn exact(spool: &Spool, mut at: u64, mut buf: &mut [u8]) -> Result<()> {
    while !buf.is_empty() {
        let n = spool.read_at(at, buf).map_err(|e| Error::io("reading a temporary file", &e))?;
        if n == 0 {
            return Err(Error::new(Kind::Io, "a temporary file ended early"));
        }
        at += n as u64;
        buf = buf.get_mut(n..).unwrap_or_default();
    }
    Ok(())
}

fn merge(runs: &[Run], space: &Arc<TempSpace>) -> Result<Run> {
    let level = runs.iter().map(|run| run.level).max().unwrap_or_default() + 1;
    let mut out = Maker::new(space, level, runs.iter().map(|run| run.len).sum());
    let mut heads = Vec::new();
    for run in runs {
        let mut reader = Reader { run, at: 0, buf: Vec::new(), head: 0 };
        if let Some(pair) = reader.next()? {
            heads.push((pair, reader));
        }
    }
    while let Some(at) = (0..heads.len()).min_by_key(|at| heads.get(*at).map(|(pair, _)| *pair)) {
        let Some((pair, reader)) = heads.get_mut(at) else { break };
        out.push(*pair)?;
        match reader.next()? {
            Some(next) => *pair = next,
            None => drop(heads.swap_remove(at)),
        }
    }
    out.done()
}

/// Numbers first in, first out. Memory: 128 KiB and a spool's.
#[derive(Debug)]
pub struct Queue {
    spool: Spool,
    tail: Vec<u8>,
    head: Vec<u8>,
    /// Bytes of `head` that were taken, and of `spool`.
    taken: usize,
    read: u64,
}

impl Queue {
    /// An empty one.
    pub fn new(space: &Arc<TempSpace>) -> Self {
        Self { spool: Spool::new(space), tail: Vec::new(), head: Vec::new(), taken: 0, read: 0 }
    }

    /// Puts a pair at the end.
    pub fn push(&mut self, key: u128, value: u128) -> Result<()> {
        self.tail.extend_from_slice(&key.to_le_bytes());
        self.tail.extend_from_slice(&value.to_le_bytes());
        if self.tail.len() >= GATHERED {
            self.spool.append(&self.tail)?;
            self.tail.clear();
        }
        Ok(())
    }

    /// Takes the first pair.
    pub fn pop(&mut self) -> Result<Option<(u128, u128)>> {
        if self.taken == self.head.len() {
            self.taken = 0;
            let rest = self.spool.len() - self.read;
            if rest == 0 {
                self.head.clear();
                std::mem::swap(&mut self.head, &mut self.tail);
            } else {
                self.head.resize(rest.min(GATHERED as u64) as usize, 0);
                exact(&self.spool, self.read, &mut self.head)?;
                self.read += self.head.len() as u64;
            }
        }
        let entry = self.head.get(self.taken..self.taken + ENTRY);
        self.taken += entry.map_or(0, <[u8]>::len);
        Ok(entry.map(|entry| (number(entry), number(entry.get(16..).unwrap_or_default()))))
    }
}

/// Texts that are kept, each known by its place.
#[derive(Debug)]
pub struct Texts(Spool);

impl Texts {
    /// None.
    pub fn new(space: &Arc<TempSpace>) -> Self {
        Self(Spool::new(space))
    }

    /// Keeps a text; its place is not 0.
    pub fn put(&mut self, text: &[u8]) -> Result<u128> {
        let place = u128::from(self.0.len() + 1) << 64 | text.len() as u128;
        self.0.append(text)?;
        Ok(place)
    }

    /// The text of that place.
    pub fn get(&self, place: u128) -> Result<Vec<u8>> {
        let mut text = vec![0; usize::try_from(place & u128::from(u64::MAX)).unwrap_or_default()];
        exact(&self.0, ((place >> 64) as u64).saturating_sub(1), &mut text)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    fn space() -> Arc<TempSpace> {
        TempSpace::new(std::env::temp_dir(), 1 << 30)
    }

    fn spread(n: u8) -> u128 {
        u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    }

    proptest! {
        /// The model: a set of pairs, whatever goes to disk.
        #[test]
        fn pairs_are_those_that_were_put(all in prop::collection::vec((any::<u8>(), 0u8..4), 0..900), most in 1usize..40, flat in any::<bool>()) {
            let mut pairs = Pairs::small(&space(), most);
            // Keys that differ in their lower half only, too.
            let key = |n: u8| if flat { u128::from(n) } else { spread(n) };
            for (k, v) in &all {
                pairs.put(key(*k), u128::from(*v)).unwrap();
            }
            for k in 0..=255u8 {
                let mut got = BTreeSet::new();
                pairs.each(key(k), &mut |value| { got.insert(value); Ok(true) }).unwrap();
                let want: BTreeSet<u128> = all.iter().filter(|(have, _)| *have == k).map(|(_, v)| u128::from(*v)).collect();
                prop_assert_eq!(pairs.has(key(k)).unwrap(), !want.is_empty());
                prop_assert_eq!(got, want);
            }
            prop_assert!(pairs.runs.len() < FAN * 5);
        }

        #[test]
        fn queues_keep_their_order(steps in prop::collection::vec(prop::option::of(1u16..4000), 0..40)) {
            let (mut queue, mut model, mut next) = (Queue::new(&space()), VecDeque::new(), 0u128);
            for step in steps {
                if let Some(n) = step {
                    for _ in 0..n {
                        queue.push(next, next + 1).unwrap();
                        model.push_back((next, next + 1));
                        next += 1;
                    }
                } else {
                    for _ in 0..model.len() / 2 {
                        prop_assert_eq!(queue.pop().unwrap(), model.pop_front());
                    }
                }
            }
            while let Some(want) = model.pop_front() {
                prop_assert_eq!(queue.pop().unwrap(), Some(want));
            }
            prop_assert_eq!(queue.pop().unwrap(), None);
        }
    }

    #[test]
    fn many_values_of_one_key_span_blocks() {
        let mut pairs = Pairs::small(&space(), 1000);
        for n in 0..10_000u128 {
            pairs.put(7, n).unwrap();
            pairs.put(spread(n as u8), n).unwrap();
        }
        let mut sum = 0;
        assert!(
            pairs
                .each(7, &mut |value| {
                    sum += value;
                    Ok(true)
                })
                .unwrap()
        );
        assert_eq!(sum, 9_999 * 10_000 / 2);
        assert!(!pairs.each(7, &mut |_| Ok(false)).unwrap());
    }

    #[test]
    fn texts_have_places() {
        let mut texts = Texts::new(&space());
        let places: Vec<u128> = ["", "a", "bc", ""].iter().map(|text| texts.put(text.as_bytes()).unwrap()).collect();
        let got: Vec<Vec<u8>> = places.iter().map(|place| texts.get(*place).unwrap()).collect();
        assert_eq!(got, [&b""[..], b"a", b"bc", b""]);
        assert!(places.iter().all(|place| *place != 0));
    }
}
