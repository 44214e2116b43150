//! What `pg_restore` would make of an archive, as one stream for the layer of SQL dumps: each entry's DDL behind a comment with its names,
//! and then block by block the rows.
//!
//! The stream is not what lies anywhere; edits of it are dealt out to the blocks at the end. An entry and a block must end where a
//! statement does, so that none reaches into the next one and takes rows for something else.

use super::CUSTOM;
use super::toc::{Entry, Head};
use crate::edit::EditList;
use crate::error::{Error, Kind, Result};
use crate::input::{BlobSource, Input, Source};
use crate::layer::cx::Budget;
use crate::layer::ruling::{self, Batch};
use crate::layer::{Cx, Found, PartFound, raw};
use crate::limits::MAX_PARTS;
use crate::span::Span;

/// How the stream begins: whose SQL it is.
pub const BEGIN: &[u8] = b"-- PostgreSQL database archive\n";

/// Longest end of a block that is looked at: its end mark, and the line feeds behind it.
const TAIL: usize = 16;

/// The stream as it is read.
pub struct Script<'b> {
    batch: Box<dyn Batch + 'b>,
    /// Bytes of the stream so far.
    at: u64,
    /// The blocks of rows in it; 40 bytes each.
    blocks: Vec<Block>,
    /// Where in the artifact the stream began to be read: what is learnt of it belongs there.
    members: usize,
}

/// A block of rows.
struct Block {
    /// Its bytes in the stream.
    span: Span,
    /// Where its payload starts in the archive.
    at: u64,
    /// Bytes of the payload there.
    len: u64,
}

impl<'b> Script<'b> {
    /// At the start; `batch` was opened for a stream that starts with [`BEGIN`].
    pub fn new(batch: Box<dyn Batch + 'b>, cx: &mut Cx<'_>) -> Result<Self> {
        let mut script = Self { batch, at: 0, blocks: Vec::new(), members: cx.members_so_far() };
        script.text(BEGIN, cx)?;
        Ok(script)
    }

    /// The names in the head.
    pub fn head(&mut self, head: &Head, cx: &mut Cx<'_>) -> Result<()> {
        let mut text = b"-- Archive of: ".to_vec();
        for name in &head.names {
            line(name, &mut text);
        }
        text.push(b'\n');
        self.text(&text, cx)
    }

    /// An entry's names and DDL. One whose kind has no DDL in that place has it in the comment.
    pub fn entry(&mut self, entry: &Entry, cx: &mut Cx<'_>) -> Result<()> {
        let mut text = b"-- Name: ".to_vec();
        for name in [&entry.tag, &entry.kind, &entry.schema].into_iter().chain(&entry.names).chain([&entry.drop]) {
            line(name, &mut text);
        }
        let statements = !entry.kind.ends_with(b" METADATA");
        if !statements {
            line(&entry.definition, &mut text);
        }
        text.push(b'\n');
        if statements {
            text.extend_from_slice(&entry.definition);
            text.push(b'\n');
        }
        self.text(&text, cx)
    }

    /// All entries are read: what comes is rows.
    pub fn rows_follow(&mut self) {
        self.batch.informed();
    }

    /// The rows of a block behind `copy`, their statement, if they have one. The payload lies at `at` of the archive; whoever reads `source` to its
    /// end knows its length there, and tells [`Self::ended`]. Returns the length of the rows.
    pub fn rows(
        &mut self,
        copy: &[u8],
        source: impl Source,
        at: u64,
        cx: &mut Cx<'_>,
    ) -> Result<u64> {
        if !copy.is_empty() {
            let text = [copy, if copy.ends_with(b"\n") { b"" } else { b"\n" }].concat();
            self.text(&text, cx)?;
        }
        self.batch.informed();
        let tail = Tail::default();
        let size = cx.search.limits.window;
        let mut below = Input::new(Watched { source, budget: cx.budget(), tail: &tail }, size);
        if !ruling::feed(&mut below, cx, CUSTOM, &mut *self.batch)? {
            return Err(Error::new(Kind::Damaged, "a block ends inside of a statement").layer(CUSTOM));
        }
        let len = below.offset();
        drop(below);
        if !copy.is_empty() && !tail.is_marked() {
            return Err(Error::new(Kind::Damaged, "a block of rows ends without its end mark").layer(CUSTOM));
        }
        self.blocks.push(Block { span: Span::new(self.at, self.at + len), at, len: 0 });
        if self.blocks.len() > MAX_PARTS {
            return Err(Error::limit("blocks of a pg_dump archive (262144)").layer(CUSTOM));
        }
        self.at += len;
        Ok(len)
    }

    /// The payload of the last block took `len` bytes of the archive.
    pub fn ended(&mut self, len: u64) {
        if let Some(block) = self.blocks.last_mut() {
            block.len = len;
        }
    }

    /// The stream is over. The blocks, and whether nothing of them may change.
    pub fn finish(mut self, cx: &mut Cx<'_>) -> Result<(Blocks, bool)> {
        self.batch.settle(cx).map_err(|error| error.layer(CUSTOM))?;
        cx.found()?;
        cx.with_members(self.members, |cx| self.batch.finish(cx)).map_err(|error| error.layer(CUSTOM))?;
        self.batch.flush()?;
        Ok((Blocks(self.blocks), self.batch.refused()))
    }

    /// Bytes of the stream that lie in no block.
    fn text(&mut self, text: &[u8], cx: &mut Cx<'_>) -> Result<()> {
        let text = text.to_vec();
        let mut input = Input::new(BlobSource::new(&text), cx.search.limits.window.max(text.len()));
        let mut len = text.len() as u64;
        if !ruling::feed(&mut input, cx, CUSTOM, &mut *self.batch)? {
            // A statement without its semicolon.
            let rest = [input.unread(), b"\n;\n"].concat();
            len += 3;
            let mut input = Input::new(BlobSource::new(&rest), rest.len());
            if !ruling::feed(&mut input, cx, CUSTOM, &mut *self.batch)? {
                return Err(Error::new(Kind::Damaged, "the DDL of an entry does not end").layer(CUSTOM));
            }
        }
        self.at += len;
        Ok(())
    }
}

/// The blocks of a stream, in order.
pub struct Blocks(Vec<Block>);

impl Blocks {
    /// Deals the edits of the stream out to the blocks in which they are.
    pub fn deal(&self, edits: &EditList, cx: &Cx<'_>) -> Result<Vec<PartFound>> {
        let mut reader = edits.read();
        let (mut parts, mut next) = (Vec::new(), reader.next()?);
        for Block { span, at, len } in &self.0 {
            let mut own = cx.edits();
            while let Some(edit) = next.take_if(|edit| edit.span.start >= span.start && edit.span.end <= span.end) {
                own.push(Span::new(edit.span.start - span.start, edit.span.end - span.start), &edit.payload)?;
                next = reader.next()?;
            }
            if !own.is_empty() {
                let found = Found { layer: &raw::RAW, own, parts: Vec::new() };
                parts.push(PartFound { at: *at, len: span.len(), note: [*len, 0], points: None, found });
            }
        }
        if next.is_some() {
            return Err(Error::new(Kind::Verify, "an edit lies in no block of rows").layer(CUSTOM));
        }
        Ok(parts)
    }
}

/// Adds `text` and a mark behind it, on one line.
fn line(text: &[u8], out: &mut Vec<u8>) {
    out.extend(text.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    out.extend_from_slice(b"; ");
}

/// The last bytes of a source.
#[derive(Default)]
struct Tail(std::cell::RefCell<Vec<u8>>);

impl Tail {
    fn see(&self, bytes: &[u8]) {
        let mut tail = self.0.borrow_mut();
        tail.extend_from_slice(bytes.get(bytes.len().saturating_sub(TAIL)..).unwrap_or_default());
        let more = tail.len().saturating_sub(TAIL);
        tail.drain(..more);
    }

    /// Whether they are the end mark of rows, and line feeds.
    fn is_marked(&self) -> bool {
        let tail = self.0.borrow();
        let text = tail.trim_ascii_end();
        text.ends_with(b"\n\\.") || (text == b"\\." && tail.len() < TAIL)
    }
}

/// A source that counts against the budget, and of which the end is known.
struct Watched<'w, S> {
    source: S,
    budget: Budget,
    tail: &'w Tail,
}

impl<S: Source> Source for Watched<'_, S> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let n = self.source.read(buf)?;
        self.budget.take(n as u64)?;
        self.tail.see(buf.get(..n).unwrap_or_default());
        Ok(n)
    }
}
