//! Blocks that are cut between two symbols, so that less is encoded again than a block.

use std::rc::Rc;

use super::scan::{Header, Item, Unit};
use super::{Fate, Splicer, region};
use crate::error::Result;
use crate::layer::deflate::symbols::{self, Walked};

/// Plain bytes for which a cut is worth it: a header that is repeated takes some 80 bytes, as much as about 800 of a log.
const WORTH: u64 = 4096;

/// A unit that was walked.
struct Walk {
    walked: Walked,
    /// Bits of the header that are no bits of the unit.
    repeated: u64,
    header: Rc<Header>,
}

impl Splicer<'_> {
    /// Keeps what of the unit lies before the pass, if that is worth a cut: it is copied, and the pass stands in the rest. The code that must
    /// come behind it, or none.
    pub(super) fn cut_before(&mut self) -> Result<(u64, u32)> {
        let Some(unit) = self.unit().filter(|unit| self.pos - unit.from >= WORTH && unit.begins) else {
            return Ok((0, 0));
        };
        if !self.writer.may_copy(&unit) {
            return Ok((0, 0));
        }
        let Some(walk) = self.walk(&unit, self.pos)? else { return Ok((0, 0)) };
        let cut = walk.walked.before;
        if (cut.plain as u64) < WORTH {
            return Ok((0, 0));
        }
        let (mut head, rest) = self.split(&unit, &walk, cut);
        head.unlast = unit.last;
        self.replace(head.clone(), rest);
        self.decide(&head)?;
        self.fate = Fate::Kept;
        Ok(walk.walked.end)
    }

    /// Divides the unit at the first place that lies at `from` (an offset in the decoded stream) or behind, if that is worth it: the pass
    /// stands in its first part.
    pub(super) fn cut_behind(&mut self, from: u64) -> Result<()> {
        let Some(unit) = self.unit().filter(|unit| from.saturating_add(WORTH) < unit.to()) else { return Ok(()) };
        let Some(walk) = self.walk(&unit, from)? else { return Ok(()) };
        let Some(cut) = walk.walked.behind.filter(|cut| cut.plain as u64 + WORTH < unit.len as u64) else {
            return Ok(());
        };
        let (first, rest) = self.split(&unit, &walk, cut);
        self.replace(first, rest);
        Ok(())
    }

    /// Walks the symbols of a unit, if it is a block or the end of one.
    fn walk(&mut self, unit: &Unit, wanted: u64) -> Result<Option<Walk>> {
        let known = unit.begins || unit.header.is_some();
        let Some(end) = unit.end.filter(|_| known && !unit.stored && !unit.whole && unit.len > 0) else {
            return Ok(None);
        };
        let (at, phase) = (unit.start / 8, (unit.start % 8) as u32);
        let (skip, len) = (at.saturating_sub(self.outer.offset()) as usize, (end.div_ceil(8) - at) as usize);
        let coded = self.outer.window(skip + len)?.get(skip..).unwrap_or_default();
        let coded = coded.get(..len.min(coded.len())).unwrap_or_default();
        let wanted = wanted.saturating_sub(unit.from) as usize;
        Ok(match &unit.header {
            None => symbols::walk(coded, phase, end - unit.start, unit.len, wanted).map(|walked| {
                let bytes = region::take(coded, u64::from(phase), walked.header);
                let header = Rc::new(Header { bytes, bits: walked.header });
                Walk { walked, repeated: 0, header }
            }),
            Some(header) => {
                let (joined, phase) = region::rejoin((&header.bytes, header.bits), coded, phase);
                let bits = header.bits + end - unit.start;
                let walked = symbols::walk(&joined, phase, bits, unit.len, wanted);
                walked.map(|walked| Walk { walked, repeated: header.bits, header: Rc::clone(header) })
            }
        })
    }

    /// The unit in two.
    fn split(&self, unit: &Unit, walk: &Walk, cut: symbols::Cut) -> (Unit, Unit) {
        let (mut first, mut rest) = (unit.clone(), unit.clone());
        let bit = unit.start + cut.bit - walk.repeated;
        first.len = cut.plain;
        (first.end, first.free, first.last) = (Some(bit), bit / 8, false);
        rest.from += cut.plain as u64;
        rest.len -= cut.plain;
        (rest.start, rest.header) = (bit, Some(Rc::clone(&walk.header)));
        let mut crc = crc32fast::Hasher::new_with_initial_len(unit.crc, 0);
        crc.update(self.scan.old(first.from, first.to()));
        rest.crc = crc.finalize();
        (first, rest)
    }

    /// Puts the parts of the unit in its place.
    fn replace(&mut self, first: Unit, rest: Unit) {
        self.scan.queue.pop_front();
        self.scan.queue.push_front(Item::Unit(rest));
        self.scan.queue.push_front(Item::Unit(first));
    }
}
