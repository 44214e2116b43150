//! A stream read once, forward: a window over what comes.
//!
//! Layers read through an [`Input`], never from a file: where a read ended must not matter to any result, and tests set the
//! read size from 1 byte up to prove it. Memory: the window that the caller asks for (bounded by `--max-record`) plus one
//! read.

use crate::blob::Blob;
use crate::error::{Error, Result};

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

/// One stream, read forward through a window.
pub struct Input<'a> {
    source: Box<dyn Source + 'a>,
    /// `buf[head..]` is unread.
    buf: Vec<u8>,
    head: usize,
    /// Offset in the stream of `buf[head]`.
    offset: u64,
    eof: bool,
    read_size: usize,
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

    fn fill(&mut self) -> Result<()> {
        // Move the unread bytes down once the dead ones outnumber them: amortised one copy a byte.
        if self.head > self.buf.len() - self.head {
            self.buf.drain(..self.head);
            self.head = 0;
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
    }
}
