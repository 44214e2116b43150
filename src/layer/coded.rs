//! Codecs as layers: decode, descend, and (in lift) encode again what changed below.
//!
//! A [`Codec`] is a decoder, an encoder and a magic. Frames (gzip members, zstd frames) keep their own heads and their order:
//! the decoder announces each [`Head`] with the decoded offset at which it stands, and lift begins a new frame with it when the
//! pass gets there. What is no frame (padding, skippable frames) is announced as verbatim bytes and written back as it was.
//! A codec that can copies what stays as it is coded ([`Codec::splice`], beginning at the [`points`] that find kept); for the
//! others this adapter encodes the whole stream again.

mod again;
mod heads;
pub mod points;
#[cfg(any(feature = "zstd", feature = "bzip2", feature = "xz", feature = "lz4", feature = "snappy"))]
pub mod units;
#[cfg(any(feature = "zstd", feature = "bzip2", feature = "xz", feature = "lz4", feature = "snappy"))]
pub mod weave;

use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

pub(super) use self::heads::Offer;
pub use self::heads::{Head, Heads};
use super::pass::{self, Pass};
use super::{Cx, Found, Layer, Outlet, PartFound, Streamed, ahead};
use crate::edit::{EditList, EditReader};
use crate::error::{Error, Kind, Result};
use crate::input::{Input, Source};
use crate::span::Span;

/// A codec.
pub trait Codec: Sync {
    /// The name in `layers` and `--codec`.
    fn name(&self) -> &'static str;

    /// Whether `head` starts as this codec's streams do.
    fn sniff(&self, head: &[u8]) -> bool;

    /// Extensions with what the name becomes without the codec: `(".gz", "")`, `(".tgz", ".tar")`. Lower case.
    fn extensions(&self) -> &'static [(&'static str, &'static str)];

    /// A decoder of the whole of `source`. It checks every checksum, announces each head, and reports its end only when every
    /// byte of `source` is accounted for; trailing bytes are an error. One read never returns bytes of two frames.
    /// `second`: by another library than the encoder's and the first decoder's, where there is one.
    fn decoder<'a>(
        &self,
        source: Box<dyn Source + 'a>,
        heads: Heads,
        second: bool,
        need: Need<'a>,
    ) -> Result<Box<dyn Source + 'a>>;

    /// An encoder that writes frames like those announced. `level`: as the option says, else by the head's traits.
    fn encoder<'a>(&self, level: Option<i32>, need: Need<'a>) -> Result<Box<dyn Encoder + 'a>>;

    /// Whether it only spells text otherwise: a stream of which nothing is left bears no trace of it.
    fn is_spelling(&self) -> bool {
        false
    }

    /// Lifts what changes in a stream and copies the rest as it is coded: `work.pass` is at the stream's first byte, and is at its
    /// end afterwards. `false`, with nothing read or written: this codec cannot, and all of it is encoded again.
    fn splice(&self, work: &mut Splice<'_>, cx: &mut Cx<'_>) -> Result<bool> {
        let _ = (work, cx);
        Ok(false)
    }

    /// Where `coded`, which begins with a frame, can be cut at or after `least`: so that what stands before is a stream of its own
    /// that ends with a frame, and what stands behind is one, too. A guess is enough: a part whose decoder finds that it does not
    /// end there is decoded again with what follows. `None`: not in these bytes.
    fn cut(&self, coded: &[u8], least: usize) -> Option<usize> {
        let _ = (coded, least);
        None
    }

    /// Who cuts streams whose parts are no streams by themselves; `None`: see [`Codec::cut`].
    fn cutter(&self) -> Option<Box<dyn ahead::Cutter>> {
        None
    }

    /// Makes the checksums inside a head right again after its names were masked (same length).
    fn seal(&self, _head: &mut [u8]) {}
}

/// What a codec is given to lift.
pub struct Splice<'s> {
    /// What changes in the decoded stream; its layer's lift is to be played into a [`Pass`] over that stream.
    pub part: &'s PartFound,
    /// Heads that change, each as a whole, at its place in the coded stream.
    pub masked: &'s EditList,
    /// The coded stream.
    pub pass: &'s mut dyn Pass,
}

/// How a decoder or encoder asks for memory, at any frame: all the bytes that it and its partner need at one time. Fails with
/// `limit: --max-memory` if the run cannot give them.
pub type Need<'n> = Box<dyn FnMut(u64) -> Result<()> + 'n>;

/// Encodes frames one after another.
pub trait Encoder {
    /// The decoded stream had so many bytes (`_old`) and will have `_new`; called before the first frame, where that is known.
    fn foretell(&mut self, _old: u64, _new: u64) {}
    /// Ends the frame before, if one is open, and begins one with `head`'s bytes and traits; a verbatim head is only written.
    fn begin(&mut self, head: &Head, out: &mut Vec<u8>) -> Result<()>;
    /// Encodes `plain` into the open frame.
    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<()>;
    /// Ends the open frame, and the stream.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()>;
}

/// Makes a layer of a codec.
pub struct CodecLayer(pub &'static dyn Codec);

/// Counts what a decoder gives and searches the names in its heads.
struct Watch<'a, 'w> {
    inner: Box<dyn Source + 'a>,
    heads: Heads,
    budget: super::cx::Budget,
    names: &'w mut dyn FnMut(Head) -> Result<()>,
}

impl Source for Watch<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let n = self.inner.read(buf)?;
        self.budget.take(n as u64)?;
        while let Some(head) = self.heads.pop_until(u64::MAX) {
            (self.names)(head)?;
        }
        Ok(n)
    }
}

impl CodecLayer {
    /// `name` without this codec's extension; `name` itself if it has none of them.
    fn inner_name(&self, name: &[u8]) -> Vec<u8> {
        for (extension, becomes) in self.0.extensions() {
            if let Some(stem) = strip_suffix_fold(name, extension.as_bytes()) {
                return [stem, becomes.as_bytes()].concat();
            }
        }
        name.to_vec()
    }
}

/// `name` without `suffix` (lower case), compared without case.
pub fn strip_suffix_fold<'n>(name: &'n [u8], suffix: &[u8]) -> Option<&'n [u8]> {
    let at = name.len().checked_sub(suffix.len())?;
    let (stem, end) = name.split_at_checked(at)?;
    (!stem.is_empty() && end.eq_ignore_ascii_case(suffix)).then_some(stem)
}

impl Layer for CodecLayer {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn find(&'static self, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<Found> {
        let size = input.read_size();
        let mut heads = Heads::names_only();
        if !cx.search.second {
            heads = heads.with_points(cx.marks(), cx.search.space);
        }
        let memory = cx.memory();
        let (mut masked, mut name_hits) = (Vec::new(), super::cx::NameHits::default());
        let search = cx.search;
        let mut held_aside = None;
        let mut names = |mut head: Head| -> Result<()> {
            let mut changed = false;
            if head.side_holds(search) {
                held_aside.get_or_insert(head.at);
            }
            for range in head.names.clone() {
                let Some(name) = head.bytes.get_mut(range) else { continue };
                if let Some(new) = search.mask_name(name, &mut name_hits) {
                    changed |= new != *name;
                    name.copy_from_slice(&new);
                }
            }
            if changed {
                if masked.len() >= crate::limits::MAX_PARTS {
                    return Err(Error::limit("frames with a name that must be masked (262144)"));
                }
                self.0.seal(&mut head.bytes);
                masked.push((head.at, head.bytes));
            }
            Ok(())
        };
        let (budget, inner_name) = (cx.budget(), self.inner_name(&cx.hint_name()));
        let (found, len) = ahead::decode(self.0, input, &heads, search, &memory, |inner| {
            let mut below = Input::new(Watch { inner, heads: heads.clone(), budget, names: &mut names }, size);
            let found = cx.below_codec(self.0, inner_name, |cx| cx.descend(&mut below))?;
            // The layer below has read to its end; the decoder's own end holds its checks of trailers and trailing bytes.
            if !below.window(1)?.is_empty() {
                return Err(Error::new(Kind::Damaged, "bytes were left unread").layer(self.0.name()));
            }
            Ok((found, below.offset()))
        })?;
        cx.name_hits(name_hits);
        if let Some(at) = held_aside {
            cx.strange(format!("side data of {} at byte {at}", self.0.name()), true);
        }
        let mut own = cx.edits();
        for (at, bytes) in masked {
            own.push(Span::new(at, at + bytes.len() as u64), &bytes)?;
        }
        let parts = if found.is_empty() {
            Vec::new()
        } else {
            let points = heads.points(cx.search.space);
            vec![PartFound { at: 0, len, note: [0; 2], points: Some(points), found }]
        };
        Ok(Found { layer: self, own, parts })
    }

    fn stream(&'static self, input: &mut Input<'_>, cx: &mut Cx<'_>, out: &mut dyn Outlet) -> Result<Streamed> {
        again::stream(self, input, cx, out)
    }

    fn lift(&self, found: &Found, pass: &mut dyn Pass, cx: &mut Cx<'_>) -> Result<()> {
        match found.parts.first() {
            Some(part) => encode_again(self.0, part, &found.own, pass, cx),
            None => pass::apply(&found.own, pass),
        }
    }
}

/// Lifts a coded stream whose decoded one is `part`: decodes what is left of `pass`, lets what changes below be lifted, and encodes
/// it again. `masked` has the heads that change.
pub fn encode_again(
    codec: &dyn Codec,
    part: &PartFound,
    masked: &EditList,
    pass: &mut dyn Pass,
    cx: &mut Cx<'_>,
) -> Result<()> {
    if codec.splice(&mut Splice { part, masked, pass }, cx)? {
        return Ok(());
    }
    let heads = Heads::default();
    let shared = Rc::new(Mutex::new(Shared { pass, failed: None }));
    let source = Box::new(PassSource(Rc::clone(&shared)));
    let (decoding, encoding) = (cx.memory(), cx.memory());
    let decoder = codec.decoder(source, heads.clone(), false, Box::new(move |bytes| decoding.need(bytes)))?;
    let level = cx.search.level(codec.name());
    let mut encoder = codec.encoder(level, Box::new(move |bytes| encoding.need(bytes)))?;
    if let Some(new) = part.found.new_len(part.len) {
        encoder.foretell(part.len, new);
    }
    let mut inner = CodecPass {
        input: Input::new(decoder, cx.search.limits.window),
        heads,
        encoder,
        open: false,
        masked: masked.read(),
        next_mask: None,
        out: Vec::new(),
        shared,
    };
    inner.next_mask = inner.masked.next()?;
    part.found.layer.lift(&part.found, &mut inner, cx)?;
    inner.end()
}

/// All that is left of an input, as a source.
pub(super) struct Rest<'i, 'a>(pub(super) &'i mut Input<'a>);

impl Source for Rest<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let window = self.0.window(1)?;
        let n = window.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..n), window.get(..n)) {
            to.copy_from_slice(from);
        }
        self.0.consume(n);
        Ok(n)
    }
}

/// The outer pass, read by the decoder (which drops what it reads) and written by the encoder, one after the other.
struct Shared<'p> {
    pass: &'p mut dyn Pass,
    failed: Option<Error>,
}

struct PassSource<'p>(Rc<Mutex<Shared<'p>>>);

impl Source for PassSource<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = &shared.failed {
            return Err(error.clone());
        }
        let window = shared.pass.window(1)?;
        let n = window.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..n), window.get(..n)) {
            to.copy_from_slice(from);
        }
        shared.pass.drop(n as u64)?;
        Ok(n)
    }
}

/// A pass over a decoded stream: what is kept or written is encoded into the outer pass.
struct CodecPass<'p, 'e> {
    input: Input<'p>,
    heads: Heads,
    encoder: Box<dyn Encoder + 'p>,
    /// Whether the last head that was begun is a frame's.
    open: bool,
    masked: EditReader<'e>,
    next_mask: Option<crate::edit::Edit>,
    out: Vec<u8>,
    shared: Rc<Mutex<Shared<'p>>>,
}

impl CodecPass<'_, '_> {
    /// Begins the frames whose heads stand at or before the reader's offset.
    fn begin_frames(&mut self) -> Result<()> {
        while self.begin_frame()? {}
        Ok(())
    }

    /// Begins the next frame whose head stands at or before the reader's offset; `false` if there is none.
    fn begin_frame(&mut self) -> Result<bool> {
        let Some(mut head) = self.heads.pop_until(self.input.offset()) else { return Ok(false) };
        if let Some(mask) = self.next_mask.take_if(|mask| mask.span.start == head.at) {
            head.bytes = mask.payload;
            self.next_mask = self.masked.next()?;
        }
        self.encoder.begin(&head, &mut self.out)?;
        self.open = !head.verbatim;
        self.send()?;
        Ok(true)
    }

    fn send(&mut self) -> Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = shared.pass.write(&self.out);
        if let Err(error) = &sent {
            shared.failed = Some(error.clone());
        }
        self.out.clear();
        sent
    }

    /// Consumes `n` plain bytes, frame by frame; kept ones are encoded.
    fn advance(&mut self, mut n: u64, keep: bool) -> Result<()> {
        while n > 0 {
            let have = self.input.window(1)?.len();
            self.begin_frames()?;
            if have == 0 {
                return Err(Error::new(Kind::Damaged, "the stream ended before its edits did"));
            }
            // Not past the next head: a frame's bytes stay in their frame.
            let until = self.heads.next_at().map_or(u64::MAX, |at| at.saturating_sub(self.input.offset()));
            let take = n.min(have as u64).min(until.max(1)) as usize;
            if keep {
                let plain = self.input.unread().get(..take).unwrap_or_default();
                self.encoder.write(plain, &mut self.out)?;
            }
            self.input.consume(take);
            self.send()?;
            n -= take as u64;
        }
        Ok(())
    }

    /// Ends the stream: everything was consumed.
    fn end(mut self) -> Result<()> {
        if !self.input.window(1)?.is_empty() {
            return Err(Error::new(Kind::Verify, "a lift left bytes of its stream"));
        }
        self.begin_frames()?;
        self.encoder.finish(&mut self.out)?;
        self.send()
    }
}

impl Pass for CodecPass<'_, '_> {
    fn offset(&self) -> u64 {
        self.input.offset()
    }

    fn window(&mut self, min: usize) -> Result<&[u8]> {
        self.input.window(min)
    }

    fn keep(&mut self, n: u64) -> Result<()> {
        self.advance(n, true)
    }

    fn drop(&mut self, n: u64) -> Result<()> {
        self.advance(n, false)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        // The head of the frame that the reader stands in must be out before its first new byte. At the stream's end that is the
        // frame before: what is announced there (padding, an empty last frame) stays behind it.
        if !self.input.window(1)?.is_empty() {
            self.begin_frames()?;
        }
        while !self.open && self.begin_frame()? {}
        self.encoder.write(bytes, &mut self.out)?;
        self.send()
    }

    fn keep_rest(&mut self) -> Result<()> {
        loop {
            let have = self.input.window(1)?.len() as u64;
            if have == 0 {
                return Ok(());
            }
            self.advance(have, true)?;
        }
    }
}
