//! What `pg_restore` would make of an archive, as one stream for the layer of SQL dumps: each entry's DDL behind a comment with its names,
//! and then block by block the rows.
//!
//! Before `pg_dump` 10.3 (archives 1.12 and older) names stand without their schema, and `pg_restore` says before each entry which it is
//! (`_selectOutputSchema`); so is it here, unless the archive itself has an entry that sets the path.
//!
//! The stream is not what lies anywhere; edits of it are handed out block by block. An entry and a block must end where a
//! statement does, so that none reaches into the next one and takes rows for something else.

use std::cell::RefCell;
use std::rc::Rc;

use super::CUSTOM;
use super::toc::{Entry, Head};
use crate::edit::{Edit, EditList};
use crate::error::{Error, Kind, Result};
use crate::input::{BlobSource, Input, Source};
use crate::layer::Cx;
use crate::layer::cx::Budget;
use crate::layer::ruling::{self, Batch, Sheet};
use crate::span::Span;

/// How the stream begins: whose SQL it is.
const BEGIN: &[u8] = b"-- PostgreSQL database archive\n";

/// Longest end of a block that is looked at: its end mark, and the line feeds behind it.
const TAIL: usize = 16;

/// The stream as it is read.
pub struct Script<'s> {
    batch: Box<dyn Batch + 's>,
    /// Edits of the stream since the last block.
    edits: Rc<RefCell<EditList>>,
    /// Bytes of the stream so far.
    at: u64,
    /// Where in the artifact the stream begins: what is learnt of it belongs there.
    place: (usize, usize),
    /// An entry says where names are looked for, and names have their schema.
    qualified: bool,
}

/// What stands before the rows of a block.
pub struct Lead {
    text: Vec<u8>,
    /// It is a `COPY`; else the rows are statements themselves.
    copy: bool,
}

impl Lead {
    /// Bytes that it takes.
    pub fn len(&self) -> usize {
        self.text.len()
    }
}

impl<'s> Script<'s> {
    /// At the start; `place` is no other stream's.
    pub fn new(place: (usize, usize), cx: &mut Cx<'s>) -> Result<Self> {
        let Some(sql) = cx.search.detect.format("sql") else {
            return Err(Error::unsupported("pg_dump archive without sql").layer(CUSTOM));
        };
        let edits = Rc::new(RefCell::new(cx.edits()));
        let sheet = Sheet::shared(Rc::clone(&edits));
        let batch = cx.at_place(place, |cx| sql.open(BEGIN, false, cx, sheet))?;
        let batch = batch.ok_or_else(|| Error::unsupported("no record format").layer(CUSTOM))?;
        let mut script = Self { batch, edits, at: 0, place, qualified: false };
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
        self.qualified |= entry.kind == b"SEARCHPATH";
        let statements = !entry.kind.ends_with(b" METADATA");
        if !statements {
            line(&entry.definition, &mut text);
        }
        text.push(b'\n');
        if text.len() + entry.definition.len() > 1 << 20 {
            // It, its statements, and their tokens.
            cx.need(8 * (text.len() + entry.definition.len()) as u64)?;
        }
        if statements {
            text.extend_from_slice(&self.path(entry));
            text.extend_from_slice(&entry.definition);
            text.push(b'\n');
        }
        self.text(&text, cx)
    }

    /// Text of the archive that is none of its DDL.
    pub fn note(&mut self, note: &[u8], cx: &mut Cx<'_>) -> Result<()> {
        let mut text = b"-- ".to_vec();
        line(note, &mut text);
        text.push(b'\n');
        self.text(&text, cx)
    }

    /// What stands before the entry's rows.
    pub fn lead(&self, entry: &Entry) -> Result<Lead> {
        let (mut text, statement) = (self.path(entry), &entry.copy);
        let copy = !statement.is_empty();
        if copy && !(statement.starts_with(b"COPY ") && statement.trim_ascii_end().ends_with(b" FROM stdin;")) {
            return Err(Error::new(Kind::Damaged, "the statement of a block of rows is no COPY").layer(CUSTOM));
        }
        text.extend_from_slice(statement);
        if copy && !statement.ends_with(b"\n") {
            text.push(b'\n');
        }
        Ok(Lead { text, copy })
    }

    /// Says in which schema the entry's names are, if they do not.
    fn path(&self, entry: &Entry) -> Vec<u8> {
        if self.qualified || entry.schema.is_empty() {
            return Vec::new();
        }
        let schema = entry.schema.iter().flat_map(|byte| if *byte == b'"' { vec![b'"'; 2] } else { vec![*byte] });
        b"SET search_path = \"".iter().copied().chain(schema).chain(*b"\", pg_catalog;\n").collect()
    }

    /// The rows of a block behind what leads to them. Returns their length and what changes in them.
    pub fn rows(&mut self, lead: &Lead, source: impl Source, cx: &mut Cx<'_>) -> Result<(u64, EditList)> {
        self.text(&lead.text, cx)?;
        self.batch.informed(cx)?;
        let tail = Tail::default();
        let size = cx.search.limits.window;
        let mut below = Input::new(Watched { source, budget: cx.budget(), tail: &tail }, size);
        if !ruling::feed(&mut below, cx, CUSTOM, &mut *self.batch)? {
            return Err(Error::new(Kind::Damaged, "a block ends inside of a statement").layer(CUSTOM));
        }
        let len = below.offset();
        drop(below);
        if lead.copy && !tail.is_marked() {
            return Err(Error::new(Kind::Damaged, "a block of rows ends without its end mark").layer(CUSTOM));
        }
        let mut own = cx.edits();
        let edits = self.edits.replace(cx.edits());
        let mut reader = edits.read();
        while let Some(Edit { span, payload }) = reader.next()? {
            let Some(start) = span.start.checked_sub(self.at).filter(|start| start + span.len() <= len) else {
                return Err(Error::new(Kind::Verify, "an edit lies outside of its block of rows").layer(CUSTOM));
            };
            own.push(Span::new(start, start + span.len()), &payload)?;
        }
        self.at += len;
        Ok((len, own))
    }

    /// The stream is over: whether nothing of it may change.
    pub fn finish(&mut self, cx: &mut Cx<'_>) -> Result<bool> {
        self.batch.settle(cx).map_err(|error| error.layer(CUSTOM))?;
        cx.found()?;
        cx.at_place(self.place, |cx| self.batch.finish(cx)).map_err(|error| error.layer(CUSTOM))?;
        self.batch.flush()?;
        Ok(self.batch.refused())
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

/// Adds `text` and a mark behind it, on one line.
fn line(text: &[u8], out: &mut Vec<u8>) {
    out.extend(text.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    out.extend_from_slice(b"; ");
}

/// The last bytes of a source.
#[derive(Default)]
struct Tail(RefCell<Vec<u8>>);

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
