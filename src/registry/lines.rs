//! A registry's lines, one at a time: bounded, numbered, hashed on the way.
//!
//! Only one line is in memory. The digest is over the file's bytes as they stand, byte order mark and line ends included.
//! What no registry may hold, NUL bytes and invalid UTF-8, is refused here.

use std::io::{BufRead, Read};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::{At, Error, Result};
use crate::limits::MAX_REGISTRY_LINE;

/// Reads lines and hashes what it reads.
pub(super) struct Lines<R> {
    input: R,
    /// Of all bytes read but the last line's end.
    digest: Sha256,
    /// That end.
    end: &'static [u8],
    buffer: Zeroizing<Vec<u8>>,
    number: u64,
}

/// One line.
pub(super) struct Line<'l> {
    /// From 1.
    pub number: u64,
    /// Its bytes without the line end (`\n` or `\r\n`); a byte order mark included.
    pub raw: &'l [u8],
    /// Its text, without the line end and a byte order mark.
    pub text: &'l str,
    /// Whether it ended in `\r\n`.
    pub crlf: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        // Large enough that usual lines never move: a buffer that grows leaves a copy behind that nobody wipes.
        let buffer = Zeroizing::new(Vec::with_capacity(16 * 1024));
        Self { input, digest: Sha256::new(), end: b"", buffer, number: 0 }
    }

    /// The next line, or `None` at the end. Usage errors name the line: too long, NUL bytes, not UTF-8.
    pub(super) fn next(&mut self) -> Result<Option<Line<'_>>> {
        self.buffer.clear();
        let mut bounded = self.input.by_ref().take(MAX_REGISTRY_LINE as u64 + 1);
        bounded.read_until(b'\n', &mut self.buffer).map_err(|e| Error::io("reading the registry", &e))?;
        if self.buffer.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        self.digest.update(self.end);
        let ended = self.buffer.strip_suffix(b"\n");
        self.end = if ended.is_some() { b"\n" } else { b"" };
        self.digest.update(ended.unwrap_or(&self.buffer));
        let bad = |what| Error::usage(what).at(At::Line(self.number));
        if self.buffer.len() > MAX_REGISTRY_LINE {
            return Err(bad("longer than 1 MiB"));
        }
        if memchr::memchr(0, &self.buffer).is_some() {
            return Err(bad("holds a NUL byte"));
        }
        let (raw, crlf) = match ended.and_then(|line| line.strip_suffix(b"\r")) {
            Some(line) => (line, true),
            None => (ended.unwrap_or(&self.buffer), false),
        };
        let text = std::str::from_utf8(raw).map_err(|_| bad("not UTF-8"))?;
        let text = if self.number == 1 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
        Ok(Some(Line { number: self.number, raw, text, crlf }))
    }

    /// Whether the bytes read so far have this SHA-256 (hex), with the last line's end or without it: a file that is written by
    /// hand may have got the line end with the next line.
    pub(super) fn are(&self, sha256: &str) -> bool {
        let is = |digest: Sha256| super::chain::hex(&digest.finalize()) == sha256;
        is(self.digest.clone()) || is(self.digest.clone().chain_update(self.end))
    }

    /// SHA-256 of all bytes read, 64 lower-case hex digits.
    pub(super) fn finish(self) -> String {
        super::chain::hex(&self.digest.chain_update(self.end).finalize())
    }
}
