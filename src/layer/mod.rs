//! The traits on which everything stands: bytes → findings → edits on those bytes.
//!
//! A [`Layer`] is a codec, a container or a record format. *Find* reads a stream once, forward, and says what must change;
//! *lift* is a second forward pass, only over what changes, that turns the findings into a new stream through a [`Pass`].
//! Layers never write files, start threads or choose what is searched: [`Cx`] lends them the search, the bounds, the spools
//! and the way down. The adapters [`records::RecordLayer`] and [`coded::CodecLayer`] make layers of record formats and codecs, so that
//! a format is a [`Records`] and a codec a [`coded::Codec`]; containers implement [`Layer`] themselves.

pub mod ahead;
pub mod binary;
pub mod bundle;
#[cfg(any(feature = "tar", feature = "zip"))]
pub mod clash;
pub mod coded;
pub mod cx;
#[cfg(any(feature = "gzip", feature = "zip", feature = "pgdump"))]
pub mod deflate;
#[cfg(any(feature = "bzip2", feature = "xz", feature = "lz4", feature = "snappy"))]
pub mod feed;
pub mod lines;
pub mod memory;
pub mod pass;
pub mod raw;
pub mod records;
pub mod ruling;
pub mod scouts;
pub mod settle;
pub mod stream;
pub mod tables;

use std::any::Any;
use std::fmt;

use crate::edit::EditList;
use crate::error::Result;
use crate::input::Input;
use crate::policy::Rule;
use crate::record::Cursor;

use ruling::{Batch, Sheet};

pub use cx::{Cx, Foretold, LargeSlot, Member, Search, Tally};
pub use pass::{BlobPass, Pass};
pub use stream::{Outlet, Streamed};

/// What find says about one stream: nothing, edits of its own bytes, or findings in parts of it.
pub struct Found {
    /// The layer that lifts it.
    pub layer: &'static dyn Layer,
    /// Edits of this stream's own bytes: records of a format, names in headers of a container or codec.
    pub own: EditList,
    /// Parts below that change, in order of place. A codec has at most one: its whole decoded stream.
    pub parts: Vec<PartFound>,
}

/// A part of a stream that changes.
pub struct PartFound {
    /// Where the part starts: for a member, the offset of its first header byte in the container's stream; 0 for a codec.
    pub at: u64,
    /// Length in bytes of the part's payload as it is (a codec: the decoded length).
    pub len: u64,
    /// What the container's lift must know besides; a layer's own numbers.
    pub note: [u64; 2],
    /// Where in a coded stream a lift can begin to decode.
    pub points: Option<coded::points::Points>,
    /// What changes in it. Spans are offsets in the part's payload.
    pub found: Found,
}

impl Found {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.parts.is_empty()
    }

    /// Length of the stream after lift, if it is known without lifting: only own edits, no parts.
    pub fn new_len(&self, len: u64) -> Option<u64> {
        self.parts.is_empty().then(|| self.own.new_len(len))
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Found({}, -{} +{}, {} parts)",
            self.layer.name(),
            self.own.removed(),
            self.own.added(),
            self.parts.len()
        )
    }
}

/// Codecs, containers and formats are one thing: bytes → edits on those bytes.
///
/// Pure: same bytes, same needles, same decisions, same findings, whatever the read sizes.
pub trait Layer: Sync + 'static {
    /// The name in the manifest's `layers`, in `--format`/`--codec` and in errors.
    fn name(&self) -> &'static str;

    /// Reads `input` from its first byte to its last and says what must change. Reports to `cx`: every leaf stream with what
    /// its bytes will be, counts, members that could not be read. Returns only when every byte of the stream is accounted
    /// for; trailing bytes, truncation and wrong checksums are errors of kind `Damaged`.
    fn find(&'static self, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<Found>;

    /// Find and lift in one forward pass (`filter`): reads `input` to its end and sends what it will be to `out` as it goes.
    /// [`Streamed::Twice`], with nothing sent: this layer cannot, since what it writes first depends on what it reads last.
    fn stream(&'static self, input: &mut Input<'_>, cx: &mut Cx<'_>, out: &mut dyn Outlet) -> Result<Streamed> {
        let _ = (input, cx, out);
        Ok(Streamed::Twice(self.name()))
    }

    /// A record format: what judges a stream that starts with `head` (at most 64 KiB; `whole`: all of it), window by window, and
    /// writes its rulings on `sheet`. `None`: this layer is none.
    fn open<'b, 's: 'b>(
        &'static self,
        head: &[u8],
        whole: bool,
        cx: &Cx<'s>,
        sheet: Sheet<'b>,
    ) -> Result<Option<Box<dyn Batch + 'b>>> {
        let _ = (head, whole, cx, sheet);
        Ok(None)
    }

    /// Plays the new stream into `pass`: every byte of the old one is kept, dropped or replaced, in order. Called only with
    /// findings that this layer's `find` made from the same bytes, and not empty.
    fn lift(&self, found: &Found, pass: &mut dyn Pass, cx: &mut Cx<'_>) -> Result<()> {
        let _ = cx;
        pass::apply(&found.own, pass)
    }
}

/// A record format.
pub trait Records: Sync {
    /// The name in `layers` and `--format`.
    fn name(&self) -> &'static str;

    /// A cursor for a stream that starts with `head` (at most 64 KiB; `whole`: all of it).
    fn open(&self, head: &[u8], whole: bool, hint: &Hint<'_>) -> Result<Box<dyn Cursor>>;
}

/// What is known of a stream besides its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Hint<'h> {
    /// Last part of its name, with the extensions of the codecs around it taken off (`app.log.gz` → `app.log`, `x.tgz` →
    /// `x.tar`). Empty if unknown.
    pub name: &'h [u8],
    /// The rule that fits the stream.
    pub rule: Option<&'h Rule>,
    /// `--format`: the record format to take, whatever it looks like.
    pub format: Option<&'h str>,
    /// `--codec`: the outermost codec to take (`none` for none).
    pub codec: Option<&'h str>,
}

/// What a stream is.
#[derive(Clone, Copy)]
pub enum Fit {
    /// This layer reads it.
    Layer(&'static dyn Layer),
    /// Known by name, not handled.
    Unsupported(&'static str),
    /// Nothing known.
    Unknown,
    /// The name says something that the content is not: `failed: name says gzip`.
    Mismatch(&'static str),
}

impl fmt::Debug for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fit::Layer(layer) => write!(f, "Layer({})", layer.name()),
            Fit::Unsupported(name) => write!(f, "Unsupported({name})"),
            Fit::Unknown => f.write_str("Unknown"),
            Fit::Mismatch(name) => write!(f, "Mismatch({name})"),
        }
    }
}

/// The tables of codecs, containers and formats, joined: tells what a stream is.
pub trait Detect: Sync {
    /// Judges by the stream's first bytes (`head`, at most 64 KiB; `whole`: that is all of it) and by `hint`.
    fn detect(&self, head: &[u8], whole: bool, hint: &Hint<'_>) -> Fit;

    /// The layer of this record format, for a container whose members hold nothing else; `None` if this build has none.
    fn format(&self, name: &str) -> Option<&'static dyn Layer> {
        let _ = name;
        None
    }

    /// Who knows members of containers that belong together.
    fn bundler(&self) -> Option<&'static dyn bundle::Bundler> {
        None
    }

    /// The layer of the codec of this name; `None` if this build has none.
    fn codec_layer(&self, name: &str) -> Option<&'static dyn Layer> {
        let _ = name;
        None
    }

    /// The codec of this name, for a container whose members name theirs; `None` if this build has none.
    fn codec(&self, name: &str) -> Option<&'static dyn coded::Codec> {
        let _ = name;
        None
    }

    /// What a stream's layer is told besides its bytes, in a type of that layer's own (the tables of `--schema`).
    fn told(&self) -> Option<&(dyn Any + Send + Sync)> {
        None
    }
}
