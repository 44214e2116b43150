//! A stream read once, forward: a window over what comes, a look-behind ring, and seams.
//!
//! Layers read through an [`Input`], never from a file: where a read ended must not matter to any result, and tests set the
//! read size from 1 byte up to prove it. Memory: the window that the caller asks for (bounded by `--max-record`) plus one
//! read, plus the look-behind ring where seams are wanted ([`MARK_LAG`] + 32 KiB).

use crate::blob::Blob;
use crate::error::{Error, Result};
use crate::limits::{DEFLATE_WINDOW, MARK_LAG};

/// Bytes that come one after another: a blob from its start, a decoder, a member of a container.
pub trait Source {
    /// Reads up to `buf.len()` bytes; 0 means the end, which a decoder reports only when everything was checked.
    fn read(&mut self, buf: &mut [u8]) -> Result<usize>;
}

impl<S: Source + ?Sized> Source for &mut S {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        (**self).read(buf)
    }
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        (**self).read(buf)
    }
}

/// A blob from its first byte to its last.
pub struct BlobSource<'b> {
    blob: &'b dyn Blob,
    at: u64,
}

impl<'b> BlobSource<'b> {
    /// Reads `blob` from its start.
    pub fn new(blob: &'b dyn Blob) -> Self {
        Self { blob, at: 0 }
    }

    /// Reads `blob` from offset `at`.
    pub fn starting_at(blob: &'b dyn Blob, at: u64) -> Self {
        Self { blob, at }
    }
}

impl Source for BlobSource<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        loop {
            match self.blob.read_at(self.at, buf) {
                Ok(n) => {
                    self.at += n as u64;
                    return Ok(n);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("reading", &error)),
            }
        }
    }
}

/// A place where a later splice may cut, with the 32 KiB of plain text before it (RFC 1951 §2: as far as a match reaches).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seam {
    /// Offset in the decoded stream.
    pub at: u64,
    /// The bytes before `at`, at most 32 KiB.
    pub before: Vec<u8>,
}

/// Bytes of kept seam windows past which only one seam per [`SEAM_STRIDE`] is kept, and lift decodes again from there.
pub const SEAM_MEMORY: usize = 4 << 20;
/// Distance of seams once [`SEAM_MEMORY`] is used up.
pub const SEAM_STRIDE: u64 = 64 << 20;

/// One stream, read forward through a window.
pub struct Input<'a> {
    source: Box<dyn Source + 'a>,
    /// `buf[head..]` is unread, `buf[..head]` is look-behind.
    buf: Vec<u8>,
    head: usize,
    /// Offset in the stream of `buf[head]`.
    offset: u64,
    eof: bool,
    read_size: usize,
    /// Look-behind that compaction keeps, bytes.
    behind: usize,
    seams: Option<Vec<Seam>>,
    seam_bytes: usize,
    blob: Option<&'a dyn Blob>,
}

impl<'a> Input<'a> {
    /// Reads `source` at most `read_size` bytes at a time (at least 1).
    pub fn new(source: impl Source + 'a, read_size: usize) -> Self {
        Self {
            source: Box::new(source),
            buf: Vec::new(),
            head: 0,
            offset: 0,
            eof: false,
            read_size: read_size.max(1),
            behind: 0,
            seams: None,
            seam_bytes: 0,
            blob: None,
        }
    }

    /// Says that the stream is all of `blob`, from its first byte: whoever must know its end before its start can look.
    #[must_use]
    pub fn with_blob(mut self, blob: &'a dyn Blob) -> Self {
        self.blob = Some(blob);
        self
    }

    /// The blob that the stream is, if it can be read at any offset.
    pub fn blob(&self) -> Option<&'a dyn Blob> {
        self.blob
    }

    /// Keeps a look-behind ring, so that [`Input::mark`] can take seams.
    #[must_use]
    pub fn with_seams(mut self) -> Self {
        self.behind = MARK_LAG + DEFLATE_WINDOW;
        self.seams = Some(Vec::new());
        self
    }

    /// The unread bytes: at least `min` of them, fewer only where the stream ends. Grows the window to `min` plus one read.
    pub fn window(&mut self, min: usize) -> Result<&[u8]> {
        while !self.eof && self.buf.len() - self.head < min {
            self.fill()?;
        }
        Ok(self.buf.get(self.head..).unwrap_or_default())
    }

    /// Reads once more behind the unread bytes; `false` at the end of the stream.
    pub fn more(&mut self) -> Result<bool> {
        if !self.eof {
            self.fill()?;
        }
        Ok(!self.eof)
    }

    /// Whether every byte of the stream is in the window or consumed.
    pub fn at_end(&self) -> bool {
        self.eof
    }

    /// Offset of the first unread byte.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The largest number of bytes that one read brings.
    pub fn read_size(&self) -> usize {
        self.read_size
    }

    /// Consumes `n` bytes of the window (all of it, if it holds fewer).
    pub fn consume(&mut self, n: usize) {
        let n = n.min(self.buf.len() - self.head);
        self.head += n;
        self.offset += n as u64;
    }

    /// The unread bytes that are already in the window, without reading more.
    pub fn unread(&self) -> &[u8] {
        self.buf.get(self.head..).unwrap_or_default()
    }

    /// Notes that a cut may come at or after `at`, an offset not after the reader and at most [`MARK_LAG`] behind it. Marks
    /// within 32 KiB of the last seam merge with it.
    pub fn mark(&mut self, at: u64) {
        let lag = self.offset.saturating_sub(at) as usize;
        let Some(seams) = &mut self.seams else { return };
        if at > self.offset || lag > self.head {
            return;
        }
        if let Some(last) = seams.last() {
            let stride = if self.seam_bytes < SEAM_MEMORY { DEFLATE_WINDOW as u64 } else { SEAM_STRIDE };
            if at < last.at + stride {
                return;
            }
        }
        let end = self.head - lag;
        let before = self.buf.get(end.saturating_sub(DEFLATE_WINDOW)..end).unwrap_or_default().to_vec();
        self.seam_bytes += before.len();
        seams.push(Seam { at, before });
    }

    /// The seams taken so far, in order.
    pub fn take_seams(&mut self) -> Vec<Seam> {
        self.seam_bytes = 0;
        self.seams.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn fill(&mut self) -> Result<()> {
        // Move the kept bytes down once the dead ones outnumber them: amortised one copy a byte.
        let dead = self.head.saturating_sub(self.behind);
        if dead > self.buf.len() - dead || (dead > 0 && self.head == self.buf.len()) {
            self.buf.drain(..dead);
            self.head -= dead;
        }
        let from = self.buf.len();
        self.buf.resize(from + self.read_size, 0);
        let got = self.source.read(self.buf.get_mut(from..).unwrap_or_default());
        self.buf.truncate(from + *got.as_ref().unwrap_or(&0));
        self.eof = got? == 0;
        Ok(())
    }
}

/// A part of an input as a source of its own: the payload of a member. What it leaves unread stays in the parent.
pub struct Part<'i, 'a> {
    input: &'i mut Input<'a>,
    left: u64,
}

impl<'i, 'a> Part<'i, 'a> {
    /// The next `len` bytes of `input`.
    pub fn new(input: &'i mut Input<'a>, len: u64) -> Self {
        Self { input, left: len }
    }
}

impl Source for Part<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(buf.len());
        if want == 0 {
            return Ok(0);
        }
        let window = self.input.window(1)?;
        let n = window.len().min(want);
        if let (Some(to), Some(from)) = (buf.get_mut(..n), window.get(..n)) {
            to.copy_from_slice(from);
        }
        self.input.consume(n);
        self.left -= n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream(n: usize) -> Vec<u8> {
        (0..n).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn windows_do_not_depend_on_read_sizes(len in 0usize..5000, size in 1usize..700, steps in prop::collection::vec((0usize..900, 0usize..900), 1..60)) {
            let all = stream(len);
            let mut input = Input::new(BlobSource::new(&all), size);
            for (want, eat) in steps {
                let at = input.offset() as usize;
                let window = input.window(want).unwrap();
                prop_assert!(window.len() >= want.min(len - at));
                prop_assert_eq!(window, &all[at..at + window.len()]);
                let eat = eat.min(window.len());
                input.consume(eat);
            }
        }

        #[test]
        fn seams_hold_the_bytes_before_them(size in 1usize..300_000, lag in 0usize..MARK_LAG, strides in prop::collection::vec(1usize..200_000, 1..30)) {
            let all = stream(1 << 20);
            let mut input = Input::new(BlobSource::new(&all), size).with_seams();
            for stride in strides {
                let n = input.window(stride).unwrap().len().min(stride);
                input.consume(n);
                input.mark(input.offset().saturating_sub(lag as u64));
            }
            let mut last = None;
            for seam in input.take_seams() {
                let at = seam.at as usize;
                prop_assert_eq!(&seam.before[..], &all[at.saturating_sub(DEFLATE_WINDOW)..at]);
                prop_assert!(last.is_none_or(|l| seam.at >= l + DEFLATE_WINDOW as u64));
                last = Some(seam.at);
            }
        }
    }
}
