//! The zstd encoder: each announced frame becomes a frame with the same window and checksum flag.
//!
//! A content size is written where the original had one and the new one is known in time: frames whose new content is at most
//! 1 MiB (held back until their end), and the one frame of a stream whose new length find foretold. Longer
//! ones among several go without. Levels are not recorded in a frame: the option's, else 3. A frame behind a size frame of pzstd is held back
//! until its size is known, and cut into several, each behind its own size, at 8 MiB.

use xxhash_rust::xxh64::{Xxh64, xxh64};
use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, ResetDirective};

use super::NAME;
use super::head::{Frame, Role};
use super::table::{self, Table};
use crate::error::{Error, Kind, Result};
use crate::layer::coded::{Encoder, Head, Need};

/// Level without an option: what `zstd` takes.
const LEVEL: i32 = 3;
/// Longest content that is held back to learn its size, bytes.
const HOLD: usize = 1 << 20;
/// Compressed bytes after which a frame with a size before it is cut.
const SIZED: usize = 8 << 20;
/// Smallest and largest window that is written, log2 bytes (`ZSTD_WINDOWLOG_MIN`, `zstd --long`).
const WINDOW_LOGS: (u32, u32) = (10, 27);
/// Window in place of a larger one that the run has no memory for, log2 bytes (RFC 8878 §3.1.1.1.2: every decoder takes it).
const MODEST_LOG: u32 = 23;
/// Highest level whose tables are small beside such a window.
const MODEST_LEVEL: i32 = 12;
/// pzstd's skippable frame: magic number and payload length.
const SIZE: [u8; 8] = [0x50, 0x2A, 0x4D, 0x18, 4, 0, 0, 0];
/// log2 entries, of four bytes, of libzstd's chain and hash tables at levels 1 to 22 (`ZSTD_defaultCParameters`).
const TABLES: [(u32, u32); 22] = [
    (13, 14),
    (15, 16),
    (16, 17),
    (18, 18),
    (18, 19),
    (18, 19),
    (19, 20),
    (19, 20),
    (20, 21),
    (21, 22),
    (21, 22),
    (22, 23),
    (22, 22),
    (22, 23),
    (23, 23),
    (22, 22),
    (23, 22),
    (23, 22),
    (24, 22),
    (25, 23),
    (26, 24),
    (27, 25),
];

/// The frame that is being written.
struct Open {
    frame: Frame,
    /// Plain bytes so far.
    plain: u64,
    hash: Xxh64,
    /// Compressed bytes so far.
    coded: u64,
    /// Content held back; `None` once the compressor has started.
    held: Option<Vec<u8>>,
    /// Output held back for the size frame before it.
    sized: Option<Vec<u8>>,
    /// Length at which such output is cut, bytes.
    bound: usize,
}

/// The encoder.
pub struct Frames<'a> {
    level: i32,
    need: Need<'a>,
    /// The most memory asked for so far.
    asked: u64,
    context: Option<CCtx<'static>>,
    open: Option<Open>,
    /// A size frame whose frame has not come yet.
    size: Option<Vec<u8>>,
    /// The frames that were written.
    pub table: Table,
    /// Length of the plain stream before and after.
    foretold: Option<(u64, u64)>,
}

impl Open {
    fn new(frame: Frame, sized: bool) -> Self {
        let sized = sized.then(Vec::new);
        Self { frame, plain: 0, hash: Xxh64::new(0), coded: 0, held: None, sized, bound: SIZED }
    }
}

fn failed(what: &'static str) -> Error {
    Error::new(Kind::Verify, what).layer(NAME)
}

impl<'a> Frames<'a> {
    /// An encoder at `level`, else the default.
    pub fn new(level: Option<i32>, need: Need<'a>) -> Self {
        let level = level.unwrap_or(LEVEL).clamp(zstd_safe::min_c_level(), zstd_safe::max_c_level());
        Self {
            level: if level == 0 { LEVEL } else { level },
            need,
            asked: 0,
            context: None,
            open: None,
            size: None,
            table: Table::default(),
            foretold: None,
        }
    }

    fn open(&mut self, frame: Frame, sized: bool) -> Result<()> {
        let mut open = Open::new(frame, sized);
        match (frame.content, self.foretold) {
            (None, _) => self.start(&frame, None)?,
            (Some(old), Some((before, after))) if old == before && !sized => {
                self.start(&frame, Some(after))?;
            }
            (Some(_), _) => open.held = Some(Vec::new()),
        }
        self.open = Some(open);
        Ok(())
    }

    /// Begins a frame with the traits of `frame` that holds `pledge` plain bytes, if that is known; behind its size if `sized`.
    pub fn begin_piece(&mut self, frame: &Frame, pledge: Option<u64>, sized: bool) -> Result<()> {
        self.start(frame, pledge)?;
        self.open = Some(Open { bound: usize::MAX, ..Open::new(*frame, sized) });
        Ok(())
    }

    /// Writes the size of a frame that comes behind it.
    pub fn sized(&mut self, len: u64, out: &mut Vec<u8>) -> Result<()> {
        let size = u32::try_from(len).map_err(|_| failed("a frame is too long for its size"))?;
        let mut frame = SIZE.to_vec();
        frame.extend_from_slice(&size.to_le_bytes());
        self.copy(&frame, frame.len() as u64, out);
        Ok(())
    }

    /// Sets the compressor up for a frame whose content is `pledge` bytes long.
    fn start(&mut self, frame: &Frame, pledge: Option<u64>) -> Result<()> {
        let log = self.window_log(frame, pledge)?;
        let mut context = match self.context.take() {
            Some(context) => context,
            None => CCtx::try_create().ok_or_else(|| Error::new(Kind::Io, "no memory for a zstd encoder"))?,
        };
        let parameters = [
            CParameter::CompressionLevel(self.level),
            CParameter::WindowLog(log),
            // What `zstd --long` does; without it so large a window is of no use.
            CParameter::EnableLongDistanceMatching(log >= WINDOW_LOGS.1),
            CParameter::ChecksumFlag(frame.checksum),
            CParameter::ContentSizeFlag(pledge.is_some()),
        ];
        let mut done = context.reset(ResetDirective::SessionOnly);
        for parameter in parameters {
            done = done.and_then(|_| context.set_parameter(parameter));
        }
        done.and_then(|_| context.set_pledged_src_size(pledge)).map_err(|_| failed("the compressor was not set up"))?;
        self.context = Some(context);
        Ok(())
    }

    /// The frame's window, or a modest one if the run has no memory for it. Asks for the memory of the decoder beside it as well.
    fn window_log(&mut self, frame: &Frame, pledge: Option<u64>) -> Result<u32> {
        let (least, most) = WINDOW_LOGS;
        let log = if frame.single {
            frame.window.max(1).next_power_of_two().ilog2().clamp(17, most)
        } else {
            frame.window.max(1).ilog2().clamp(least, most)
        };
        let (chain, hash) = TABLES.get((self.level.max(1) - 1) as usize).copied().unwrap_or((27, 25));
        let tables = 4 * ((1 << chain.min(log + 1)) + (1_u64 << hash.min(log + 1)));
        let all = frame.memory() + (1 << log).min(pledge.unwrap_or(u64::MAX)) + tables;
        if all <= self.asked {
            return Ok(log);
        }
        match (self.need)(all) {
            Ok(()) => {
                self.asked = all;
                Ok(log)
            }
            Err(error) if error.kind() == Kind::Limit && log > MODEST_LOG && self.level <= MODEST_LEVEL => {
                Ok(MODEST_LOG)
            }
            Err(error) => Err(error),
        }
    }

    /// Compresses all of `plain` into the open frame.
    fn squeeze(&mut self, open: &mut Open, plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let to = open.sized.as_mut().unwrap_or(out);
        let context = self.context.as_mut().ok_or_else(|| failed("bytes outside a frame"))?;
        let mut from = InBuffer::around(plain);
        while from.pos() < plain.len() {
            to.reserve(CCtx::out_size());
            let before = to.len();
            let mut buffer = OutBuffer::around_pos(to, before);
            context.compress_stream(&mut buffer, &mut from).map_err(|_| failed("the compressor failed"))?;
            open.coded += (to.len() - before) as u64;
        }
        Ok(())
    }

    /// Starts the compressor on what was held back; `whole` if that is all there is.
    fn release(&mut self, open: &mut Open, whole: bool, out: &mut Vec<u8>) -> Result<()> {
        let Some(held) = open.held.take() else {
            return Ok(());
        };
        self.start(&open.frame, whole.then_some(held.len() as u64))?;
        self.squeeze(open, &held, out)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        self.release(&mut open, true, out)?;
        let context = self.context.as_mut().ok_or_else(|| failed("bytes outside a frame"))?;
        loop {
            let to = open.sized.as_mut().unwrap_or(out);
            to.reserve(CCtx::out_size());
            let before = to.len();
            let mut buffer = OutBuffer::around_pos(to, before);
            let left =
                context.end_stream(&mut buffer).map_err(|_| failed("a frame has not the length that was foretold"))?;
            open.coded += (to.len() - before) as u64;
            if left == 0 {
                break;
            }
        }
        if let Some(coded) = open.sized {
            self.sized(coded.len() as u64, out)?;
            out.extend_from_slice(&coded);
        }
        self.table.note(open.coded, open.plain, open.hash.digest());
        Ok(())
    }

    /// Writes (a piece of) a skippable frame; `whole` is its length at its first piece, else 0.
    fn copy(&mut self, bytes: &[u8], whole: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(bytes);
        if whole > 0 {
            self.table.note(whole, 0, xxh64(&[], 0));
        }
    }

    /// A size frame behind which no frame came is some other skippable frame.
    fn copy_size(&mut self, out: &mut Vec<u8>) {
        if let Some(bytes) = self.size.take() {
            self.copy(&bytes, bytes.len() as u64, out);
        }
    }
}

impl Encoder for Frames<'_> {
    fn foretell(&mut self, old: u64, new: u64) {
        self.foretold = Some((old, new));
    }

    fn begin(&mut self, head: &Head, out: &mut Vec<u8>) -> Result<()> {
        self.end(out)?;
        let role = Role::of(head);
        if !head.verbatim {
            let sized = self.size.take().is_some();
            return self.open(Frame::of(head), sized);
        }
        self.copy_size(out);
        let [_, whole, ..] = head.traits;
        match role {
            Role::Size => self.size = Some(head.bytes.clone()),
            Role::Table { checksums } => self.table.write(checksums, out)?,
            Role::LongTable => return Err(table::too_long()),
            Role::Frame | Role::Skippable => self.copy(&head.bytes, whole, out),
        }
        Ok(())
    }

    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let Some(mut open) = self.open.take() else {
            return Err(failed("bytes outside a frame"));
        };
        open.plain += plain.len() as u64;
        open.hash.update(plain);
        if let Some(held) = &mut open.held {
            if held.len() + plain.len() <= HOLD {
                held.extend_from_slice(plain);
                self.open = Some(open);
                return Ok(());
            }
            self.release(&mut open, false, out)?;
        }
        self.squeeze(&mut open, plain, out)?;
        let (frame, cut) = (open.frame, open.sized.as_ref().is_some_and(|coded| coded.len() >= open.bound));
        self.open = Some(open);
        if cut {
            self.end(out)?;
            self.open(frame, true)?;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.end(out)?;
        self.copy_size(out);
        Ok(())
    }
}
