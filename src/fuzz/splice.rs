//! Splices: gzip streams of blocks and members of all kinds, with edits anywhere.

use flate2::{Compress, Compression, FlushCompress};

use super::pipeline::artifact;
use super::{choice, expand};

/// Most plain bytes of a case: more than a deflate window.
const MOST: usize = 48 * 1024;
/// Most pieces of a case: each may be a frame, or some, with what their coders need.
const PIECES: usize = 32;

/// Text in pieces, each followed by a flush of some kind, or by the next member; now and then what fills a window. As an artifact: the
/// result is what was foretold and holds nothing that would still change.
pub fn splice_gzip(data: &[u8]) {
    let (first, rest) = choice(data);
    let mut stream = Members::new(u32::from(first % 10));
    for piece in rest.chunks(24).take(PIECES) {
        let (kind, words) = choice(piece);
        let mut text = expand(words);
        text.push(b'\n');
        if kind % 8 == 7 {
            let line = text.clone();
            (0..usize::from(kind) * 4).for_each(|n| {
                text.extend_from_slice(&line);
                text.extend_from_slice(format!("{n}\n").as_bytes());
            });
        }
        text.truncate(MOST.saturating_sub(stream.plain));
        let flush = [FlushCompress::None, FlushCompress::Partial, FlushCompress::Sync, FlushCompress::Full];
        stream.write(&text, flush[usize::from(kind / 8 % 4)]);
        if kind % 16 == 9 {
            stream.end();
        }
    }
    stream.end();
    // In reads of 26 bytes or more: a case is long.
    artifact(b"x.log.gz", &stream.out, first | 0x80);
}

/// Writes members.
struct Members {
    deflate: Compress,
    crc: crc32fast::Hasher,
    len: u32,
    plain: usize,
    /// A member is open.
    open: bool,
    out: Vec<u8>,
}

/// A header with nothing in it.
const HEAD: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\xff";

impl Members {
    fn new(level: u32) -> Self {
        let deflate = Compress::new(Compression::new(level), false);
        Self { deflate, crc: crc32fast::Hasher::new(), len: 0, plain: 0, open: false, out: Vec::new() }
    }

    fn write(&mut self, text: &[u8], flush: FlushCompress) {
        if !std::mem::replace(&mut self.open, true) {
            self.out.extend_from_slice(HEAD);
        }
        self.crc.update(text);
        self.len += text.len() as u32;
        self.plain += text.len();
        // Room for what does not compress, and for what was held back.
        self.out.reserve(2 * MOST + 1024);
        let done = self.deflate.compress_vec(text, &mut self.out, flush);
        assert!(done.is_ok(), "a case could not be made");
    }

    fn end(&mut self) {
        self.write(b"", FlushCompress::Finish);
        self.out.extend_from_slice(&std::mem::take(&mut self.crc).finalize().to_le_bytes());
        self.out.extend_from_slice(&std::mem::take(&mut self.len).to_le_bytes());
        self.deflate.reset();
        self.open = false;
    }
}
