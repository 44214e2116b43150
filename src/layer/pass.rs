//! The forward pass of lift: bytes of the old stream are kept, dropped or replaced, in order, once.
//!
//! Over an artifact a [`BlobPass`] notes kept ranges without reading them and makes the [`Patch`]; inside a codec the pass
//! decodes and encodes (`coded::CodecPass`); a re-made member goes to a spool ([`SpoolPass`]), because its header needs its length.
//! Layers see only this trait, so that one lift serves all three.

use std::sync::Arc;

use crate::blob::{Blob, Spool, TempSpace};
use crate::edit::{Edit, EditList, EditReader, Patch};
use crate::error::{Error, Kind, Result};
use crate::span::Span;

/// One forward pass over a stream.
pub trait Pass {
    /// Offset in the old stream of the next byte.
    fn offset(&self) -> u64;
    /// The next bytes of the old stream, at least `min` of them; fewer only at its end.
    fn window(&mut self, min: usize) -> Result<&[u8]>;
    /// The next `n` bytes stay. An error if the stream ends before.
    fn keep(&mut self, n: u64) -> Result<()>;
    /// The next `n` bytes go. An error if the stream ends before.
    fn drop(&mut self, n: u64) -> Result<()>;
    /// These bytes come here.
    fn write(&mut self, bytes: &[u8]) -> Result<()>;
    /// All that is left stays.
    fn keep_rest(&mut self) -> Result<()>;
    /// The old stream, where it is a stretch of a blob: whoever looks ahead of the pass, or twice, reads there.
    fn old(&self) -> Option<(&dyn Blob, Span)> {
        None
    }
}

/// Plays an edit list, whose offsets count from where `pass` stood at offset 0, and keeps the rest.
pub fn apply(edits: &EditList, pass: &mut dyn Pass) -> Result<()> {
    apply_until(edits, pass, 0)?;
    pass.keep_rest()
}

/// Plays an edit list whose offset 0 is `base` in `pass`; stops after the last edit.
pub fn apply_until(edits: &EditList, pass: &mut dyn Pass, base: u64) -> Result<()> {
    let mut reader = edits.read();
    while let Some(edit) = reader.next()? {
        let gap = (base + edit.span.start)
            .checked_sub(pass.offset())
            .ok_or_else(|| Error::new(Kind::Verify, "an edit lies behind the pass"))?;
        pass.keep(gap)?;
        pass.write(&edit.payload)?;
        pass.drop(edit.span.len())?;
    }
    Ok(())
}

/// The edits of a container's own bytes, played between the members that its lift makes again.
pub struct Playing<'l> {
    reader: EditReader<'l>,
    next: Option<Edit>,
}

impl<'l> Playing<'l> {
    /// From the first edit on.
    pub fn new(edits: &'l EditList) -> Result<Self> {
        let mut reader = edits.read();
        let next = reader.next()?;
        Ok(Self { reader, next })
    }

    /// The next edit, if it starts before `at`.
    pub fn before(&mut self, at: u64) -> Result<Option<Edit>> {
        let Some(edit) = self.next.take_if(|edit| edit.span.start < at) else {
            return Ok(None);
        };
        self.next = self.reader.next()?;
        Ok(Some(edit))
    }

    /// Plays the edits before `at`, and keeps what is left up to there.
    pub fn until(&mut self, at: u64, pass: &mut dyn Pass) -> Result<()> {
        while let Some(edit) = self.before(at)? {
            play(&edit, pass)?;
        }
        pass.keep(gap(at, pass)?)
    }

    /// Plays the edits that are left, and keeps the rest.
    pub fn rest(&mut self, pass: &mut dyn Pass) -> Result<()> {
        while let Some(edit) = self.before(u64::MAX)? {
            play(&edit, pass)?;
        }
        pass.keep_rest()
    }

    /// Plays the edits of a header that stood at `at` into `raw`, its bytes; none changes a length.
    pub fn overlay(&mut self, at: u64, raw: &mut [u8]) -> Result<()> {
        while let Some(edit) = self.before(at + raw.len() as u64)? {
            let start = edit.span.start.checked_sub(at).and_then(|start| usize::try_from(start).ok());
            let place = start.and_then(|start| raw.get_mut(start..start + edit.payload.len()));
            match place.filter(|place| place.len() as u64 == edit.span.len()) {
                Some(place) => place.copy_from_slice(&edit.payload),
                None => return Err(Error::new(Kind::Verify, "a header's edit changes its length")),
            }
        }
        Ok(())
    }
}

/// Bytes from where `pass` stands to `at`.
pub fn gap(at: u64, pass: &dyn Pass) -> Result<u64> {
    at.checked_sub(pass.offset()).ok_or_else(|| Error::new(Kind::Verify, "an edit lies behind the pass"))
}

fn play(edit: &Edit, pass: &mut dyn Pass) -> Result<()> {
    pass.keep(gap(edit.span.start, pass)?)?;
    pass.write(&edit.payload)?;
    pass.drop(edit.span.len())
}

fn ended() -> Error {
    Error::new(Kind::Damaged, "the stream ended before its edits did")
}

/// A pass over an artifact's own bytes; what comes of it is a [`Patch`]. Kept ranges are not read.
pub struct BlobPass<'b> {
    blob: &'b dyn Blob,
    at: u64,
    /// Read-ahead for `window`; starts at offset `at`.
    ahead: Vec<u8>,
    edits: EditList,
}

impl<'b> BlobPass<'b> {
    /// A pass from the first byte of `blob`.
    pub fn new(blob: &'b dyn Blob, space: &Arc<TempSpace>) -> Self {
        Self { blob, at: 0, ahead: Vec::new(), edits: EditList::new(space) }
    }

    /// The patch; what was not reached is kept.
    pub fn finish(self) -> Patch {
        Patch { base_len: self.blob.len(), edits: self.edits }
    }

    fn step(&mut self, n: u64) -> Result<()> {
        if n > self.blob.len() - self.at {
            return Err(ended());
        }
        self.at += n;
        let used = usize::try_from(n).unwrap_or(usize::MAX).min(self.ahead.len());
        self.ahead.drain(..used);
        Ok(())
    }
}

impl Pass for BlobPass<'_> {
    fn offset(&self) -> u64 {
        self.at
    }

    fn window(&mut self, min: usize) -> Result<&[u8]> {
        while self.ahead.len() < min {
            let from = self.ahead.len();
            self.ahead.resize(from + (min - from).max(crate::limits::WINDOW), 0);
            let read = self.blob.read_at(self.at + from as u64, self.ahead.get_mut(from..).unwrap_or_default());
            self.ahead.truncate(from + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("reading", &error)),
            }
        }
        Ok(&self.ahead)
    }

    fn keep(&mut self, n: u64) -> Result<()> {
        self.step(n)
    }

    fn drop(&mut self, n: u64) -> Result<()> {
        let span = Span::new(self.at, self.at + n);
        self.step(n)?;
        self.edits.push(span, b"")
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.edits.push(Span::new(self.at, self.at), bytes)
    }

    fn keep_rest(&mut self) -> Result<()> {
        self.step(self.blob.len() - self.at)
    }

    fn old(&self) -> Option<(&dyn Blob, Span)> {
        Some((self.blob, Span::new(0, self.blob.len())))
    }
}

/// A pass over the next `len` bytes of another one, whose new bytes go to a spool: how a member is re-made before its header
/// can be written. The outer pass drops what this one consumes.
pub struct SpoolPass<'p> {
    outer: &'p mut dyn Pass,
    start: u64,
    len: u64,
    spool: Spool,
}

impl<'p> SpoolPass<'p> {
    /// A pass over the next `len` bytes of `outer`.
    pub fn new(outer: &'p mut dyn Pass, len: u64, space: &Arc<TempSpace>) -> Self {
        let start = outer.offset();
        Self { outer, start, len, spool: Spool::new(space) }
    }

    /// The new bytes. Everything of the old part was consumed, or it is an error.
    pub fn finish(mut self) -> Result<Spool> {
        self.keep_rest()?;
        Ok(self.spool)
    }

    fn left(&self) -> u64 {
        self.len - (self.outer.offset() - self.start)
    }
}

impl Pass for SpoolPass<'_> {
    fn offset(&self) -> u64 {
        self.outer.offset() - self.start
    }

    fn window(&mut self, min: usize) -> Result<&[u8]> {
        let left = usize::try_from(self.left()).unwrap_or(usize::MAX);
        let window = self.outer.window(min.min(left))?;
        Ok(window.get(..left.min(window.len())).unwrap_or_default())
    }

    fn keep(&mut self, mut n: u64) -> Result<()> {
        if n > self.left() {
            return Err(ended());
        }
        while n > 0 {
            let window = self.outer.window(1)?;
            let take = usize::try_from(n).unwrap_or(usize::MAX).min(window.len());
            if take == 0 {
                return Err(ended());
            }
            self.spool.append(window.get(..take).unwrap_or_default())?;
            self.outer.drop(take as u64)?;
            n -= take as u64;
        }
        Ok(())
    }

    fn drop(&mut self, n: u64) -> Result<()> {
        if n > self.left() {
            return Err(ended());
        }
        self.outer.drop(n)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.spool.append(bytes)
    }

    fn keep_rest(&mut self) -> Result<()> {
        self.keep(self.left())
    }

    fn old(&self) -> Option<(&dyn Blob, Span)> {
        let (blob, outer) = self.outer.old()?;
        let start = outer.start + self.start;
        Some((blob, Span::new(start, (start + self.len).min(outer.end))))
    }
}

/// Writes all of a spool into a pass.
pub fn write_spool(spool: &Spool, pass: &mut dyn Pass) -> Result<()> {
    let (mut at, mut buf) = (0, vec![0; 64 * 1024]);
    while at < spool.len() {
        let n = spool.read_at(at, &mut buf).map_err(|e| Error::io("reading a temporary file", &e))?;
        if n == 0 {
            return Err(Error::new(Kind::Io, "a temporary file ended early"));
        }
        pass.write(buf.get(..n).unwrap_or_default())?;
        at += n as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// keep/drop/write in any mixture equals the same operations on vectors, through a blob pass and a spool pass.
        #[test]
        fn passes_equal_the_model(base in prop::collection::vec(any::<u8>(), 0..400),
                                  ops in prop::collection::vec((0u8..3, 0u64..50, prop::collection::vec(any::<u8>(), 0..9)), 0..20),
                                  inner in any::<bool>()) {
            let space = TempSpace::new(std::env::temp_dir(), 1 << 30);
            let (mut at, mut model) = (0usize, Vec::new());
            let mut run = |pass: &mut dyn Pass| {
                for (op, n, bytes) in &ops {
                    let n = (*n).min((base.len() - at) as u64);
                    assert_eq!(pass.offset(), at as u64);
                    match op {
                        0 => { pass.keep(n).unwrap(); model.extend_from_slice(&base[at..at + n as usize]); at += n as usize; }
                        1 => { pass.drop(n).unwrap(); at += n as usize; }
                        _ => { pass.write(bytes).unwrap(); model.extend_from_slice(bytes); }
                    }
                    let want = 7.min(base.len() - at);
                    assert_eq!(&pass.window(7).unwrap()[..want], &base[at..at + want]);
                }
                pass.keep_rest().unwrap();
                model.extend_from_slice(&base[at..]);
            };
            let mut pass = BlobPass::new(&base, &space);
            if inner {
                let mut spooled = SpoolPass::new(&mut pass, base.len() as u64, &space);
                run(&mut spooled);
                let spool = spooled.finish().unwrap();
                write_spool(&spool, &mut pass).unwrap();
            } else {
                run(&mut pass);
            }
            prop_assert_eq!(pass.finish().to_bytes(&base).unwrap(), model);
        }
    }
}
