//! A JSON document cut into pieces: elements of its arrays of records, what stands outside of them, and what is between.
//!
//! The walk goes over windows that grow, and keeps where it stands: what is open, under which names. Outside of records each
//! name and each scalar is a piece; an element of an array of records is one piece, whatever it holds; brackets, commas and
//! blanks are pieces without data. An array whose first element is an object is one of records, unless it stands inside of
//! one, or a pointer says which array is meant. Memory: the window, and the names above the place.

use std::ops::Range;
use std::sync::Arc;

use super::super::Preamble;
use super::super::json::{self, Bad, Event, Inside, Scanner, Spot};
use crate::error::{At, Error, Kind, Result};
use crate::record::Step;

/// Bytes of all the names above a place.
const NAMES: usize = 1 << 20;

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// No data: brackets, commas and blanks outside of arrays of records, a byte order mark.
    Plain,
    /// Blanks between the elements of an array of records.
    Blank,
    /// The comma after an element of such an array.
    Comma,
    /// The end of such an array.
    Close,
    /// An element of such an array: a record.
    Element,
    /// Outside of records: a name with its colon, and its value if that is a scalar.
    Member,
    /// Outside of records: a scalar in an array, or the whole document.
    Scalar,
}

impl What {
    /// Whether it is searched.
    pub fn is_data(self) -> bool {
        matches!(self, What::Element | What::Member | What::Scalar)
    }
}

/// The names of the members around a piece, from the outermost in.
pub type Above = Arc<[Vec<u8>]>;

/// One piece.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Bytes; never 0.
    pub len: usize,
    /// What it is.
    pub what: What,
    /// Names above it; empty for what has no data.
    pub above: Above,
}

/// A JSON pointer (RFC 6901) to the array of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(Vec<Vec<u8>>);

impl Pointer {
    /// Reads one: empty, or parts that start with `/`.
    pub fn parse(text: &str) -> Self {
        let parts = text.strip_prefix('/').map(|rest| rest.split('/')).into_iter().flatten();
        Self(parts.map(|part| part.replace("~1", "/").replace("~0", "~").into_bytes()).collect())
    }
}

/// How a container is reached from the one around it.
#[derive(Debug)]
enum Way {
    Root,
    Name(Vec<u8>),
    Index(u64),
}

/// Whether an array's elements are records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Records {
    Yes,
    No,
    /// Its first element decides.
    Open,
}

/// A container that is open and no part of a record.
#[derive(Debug)]
struct Frame {
    way: Way,
    records: Records,
    /// Elements that are over.
    index: u64,
}

/// Where the walk stands.
#[derive(Debug)]
pub struct Walk {
    preamble: Preamble,
    pointer: Option<Pointer>,
    spot: Spot,
    /// One for each level of `spot` that is no part of an element.
    frames: Vec<Frame>,
    /// Name of the member whose value comes next.
    name: Option<Vec<u8>>,
    /// Bytes of `name` and of the names in `frames`.
    names: usize,
    above: Option<Above>,
    nothing: Above,
    /// Inside an element, the bytes of it that are read.
    element: Option<usize>,
    /// Offset in the stream of the window's first byte.
    base: u64,
}

impl Walk {
    /// At the start of a stream.
    pub fn new(pointer: Option<Pointer>) -> Self {
        Self {
            preamble: Preamble::default(),
            pointer,
            spot: Spot::default(),
            frames: Vec::new(),
            name: None,
            names: 0,
            above: None,
            nothing: Arc::new([]),
            element: None,
            base: 0,
        }
    }

    /// The piece that `window` starts with; `None` if it is too short to tell. Windows as for
    /// [`crate::record::Cursor::next`], never empty.
    pub fn next(&mut self, window: &[u8], eof: bool) -> Result<Option<Piece>> {
        let piece = self.piece(window, eof)?;
        self.base += piece.as_ref().map_or(0, |piece| piece.len as u64);
        Ok(piece)
    }

    /// At the end of the stream: the document must be whole. A stream of blanks holds none.
    pub fn finish(&self) -> Result<()> {
        if self.spot.complete() || self.spot.is_start() {
            return Ok(());
        }
        Err(self.bad(Bad::End))
    }

    fn piece(&mut self, window: &[u8], eof: bool) -> Result<Option<Piece>> {
        match self.preamble.step(window, eof) {
            Some(Step::Record { len, .. }) => return Ok(Some(self.plain(len, What::Plain))),
            Some(Step::More) => return Ok(None),
            None => {}
        }
        if self.element.is_some() {
            return self.element(window, eof);
        }
        let in_records = self.in_records();
        let blanks = json::skip_blanks(window, 0);
        if blanks > 0 {
            return Ok(Some(self.plain(blanks, if in_records { What::Blank } else { What::Plain })));
        }
        let Some(&byte) = window.first() else { return Ok(None) };
        if self.spot.complete() {
            return Err(self.bad(Bad::Syntax(0)));
        }
        if self.spot.comma(byte) {
            if let Some(frame) = self.frames.last_mut() {
                frame.index += 1;
            }
            return Ok(Some(self.plain(1, if in_records { What::Comma } else { What::Plain })));
        }
        if self.spot.inside() == Some(Inside::Array) && byte != b']' && self.decide(byte) {
            self.element = Some(0);
            return self.element(window, eof);
        }
        self.outside(window, eof)
    }

    fn plain(&self, len: usize, what: What) -> Piece {
        Piece { len, what, above: Arc::clone(&self.nothing) }
    }

    fn in_records(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.records == Records::Yes)
    }

    /// Whether the array, an element of which starts with `byte`, is one of records.
    fn decide(&mut self, byte: u8) -> bool {
        let Some(frame) = self.frames.last_mut() else { return false };
        if frame.records == Records::Open {
            frame.records = if byte == b'{' { Records::Yes } else { Records::No };
        }
        frame.records == Records::Yes
    }

    /// The rest of an element.
    fn element(&mut self, window: &[u8], eof: bool) -> Result<Option<Piece>> {
        let depth = self.frames.len();
        let from = self.element.unwrap_or(0);
        let mut scanner = Scanner::resume(window, from, std::mem::take(&mut self.spot));
        let whole = loop {
            match if eof { scanner.step() } else { scanner.step_in() } {
                Ok(Some(_)) if scanner.depth() == depth => break true,
                Ok(Some(_)) => {}
                Err(Bad::End) if !eof => break false,
                Ok(None) => return Err(self.bad(Bad::End)),
                Err(bad) => return Err(self.bad(bad)),
            }
        };
        let (at, spot) = scanner.leave();
        self.spot = spot;
        self.element = (!whole).then_some(at);
        if !whole {
            return Ok(None);
        }
        let above = self.above();
        Ok(Some(Piece { len: at, what: What::Element, above }))
    }

    /// A bracket, a member or a scalar outside of records.
    fn outside(&mut self, window: &[u8], eof: bool) -> Result<Option<Piece>> {
        let mut scanner = Scanner::resume(window, 0, std::mem::take(&mut self.spot));
        let start = scanner.mark();
        let event = match if eof { scanner.step() } else { scanner.step_in() } {
            Ok(Some(event)) => Some(event),
            Err(Bad::End) if !eof => None,
            Ok(None) => return Err(self.bad(Bad::End)),
            Err(bad) => return Err(self.bad(bad)),
        };
        let what = match event {
            Some(Event::Open(inside)) => {
                self.push(inside);
                Some(What::Plain)
            }
            Some(Event::Close(_)) => Some(self.pop()),
            Some(Event::Scalar(..)) => Some(What::Scalar),
            Some(Event::Key(span)) => self.member(window, eof, &span, &mut scanner)?.then_some(What::Member),
            None => None,
        };
        if what.is_none() {
            scanner.back(start);
        }
        let (len, spot) = scanner.leave();
        self.spot = spot;
        let Some(what) = what else { return Ok(None) };
        let above = if what.is_data() { self.above() } else { Arc::clone(&self.nothing) };
        Ok(Some(Piece { len, what, above }))
    }

    /// Steps over the value of the member whose name stands at `span`, if that is a scalar; else keeps the name for what opens
    /// next. `false`: the window is too short.
    fn member(&mut self, window: &[u8], eof: bool, span: &Range<usize>, scanner: &mut Scanner<'_>) -> Result<bool> {
        let value = json::skip_blanks(window, scanner.offset());
        match window.get(value) {
            Some(b'{' | b'[') => {
                let name = json::decode(window.get(span.clone()).unwrap_or_default()).into_owned();
                self.names += name.len();
                if self.names > NAMES {
                    return Err(Error::limit(format!("names of members around one another ({NAMES} bytes)")));
                }
                self.name = Some(name);
                Ok(true)
            }
            _ => match if eof { scanner.step() } else { scanner.step_in() } {
                Ok(Some(_)) => Ok(true),
                Err(Bad::End) if !eof => Ok(false),
                Ok(None) => Err(self.bad(Bad::End)),
                Err(bad) => Err(self.bad(bad)),
            },
        }
    }

    fn push(&mut self, inside: Inside) {
        let way = match (self.name.take(), self.frames.last()) {
            (Some(name), _) => Way::Name(name),
            (None, Some(around)) => Way::Index(around.index),
            (None, None) => Way::Root,
        };
        self.frames.push(Frame { way, records: Records::No, index: 0 });
        self.above = None;
        let records = match (&self.pointer, inside) {
            (None, Inside::Array) => Records::Open,
            (Some(pointer), Inside::Array) if self.is_at(pointer) => Records::Yes,
            (_, Inside::Object | Inside::Array) => Records::No,
        };
        if let Some(frame) = self.frames.last_mut() {
            frame.records = records;
        }
    }

    fn pop(&mut self) -> What {
        self.above = None;
        let Some(frame) = self.frames.pop() else { return What::Plain };
        if let Way::Name(name) = &frame.way {
            self.names -= name.len();
        }
        if frame.records == Records::Yes { What::Close } else { What::Plain }
    }

    /// Whether the innermost container is what `pointer` points to.
    fn is_at(&self, pointer: &Pointer) -> bool {
        let ways = self.frames.get(1..).unwrap_or_default();
        ways.len() == pointer.0.len()
            && ways.iter().zip(&pointer.0).all(|(frame, part)| match &frame.way {
                Way::Root => false,
                Way::Name(name) => name == part,
                Way::Index(index) => index.to_string().as_bytes() == part,
            })
    }

    /// The names around the place.
    fn above(&mut self) -> Above {
        let frames = &self.frames;
        let above = self.above.get_or_insert_with(|| {
            let names = frames.iter().filter_map(|frame| match &frame.way {
                Way::Name(name) => Some(name.clone()),
                Way::Root | Way::Index(_) => None,
            });
            names.collect()
        });
        Arc::clone(above)
    }

    fn bad(&self, bad: Bad) -> Error {
        match bad {
            Bad::Syntax(at) => {
                let error = Error::new(Kind::Damaged, "no JSON: this byte cannot stand here");
                error.at(At::Byte(self.base + at as u64))
            }
            Bad::End => Error::new(Kind::Damaged, "the document does not end").at(At::Byte(self.base)),
            Bad::Depth => json::too_deep(),
        }
    }
}
