//! A find whose edits are given: so that codecs are tested with the points that a real find keeps.

use super::{Edits, with_detect};
use crate::blob::Blob;
use crate::edit::EditList;
use crate::error::Result;
use crate::input::{BlobSource, Input};
use crate::layer::coded::CodecLayer;
use crate::layer::{BlobPass, Cx, Detect, Fit, Found, Hint, Layer};
use crate::limits::Limits;
use crate::span::Span;

/// A layer that finds what it was told to.
struct Planted;

static PLANTED: Planted = Planted;

thread_local! {
    static EDITS: std::cell::RefCell<Edits> = const { std::cell::RefCell::new(Vec::new()) };
}

impl Layer for Planted {
    fn name(&self) -> &'static str {
        "planted"
    }

    fn find(&'static self, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<Found> {
        let (mut own, mut at) = (cx.edits(), 0);
        EDITS.with_borrow(|edits| {
            for (range, payload) in edits {
                // Reads past the edit before it says so, as a record format does.
                while at < range.end as u64 && !input.window(1)?.is_empty() {
                    let n = input.unread().len();
                    input.consume(n);
                    at += n as u64;
                }
                own.push(Span::new(range.start as u64, range.end as u64), payload)?;
            }
            Ok::<_, crate::error::Error>(())
        })?;
        while !input.window(1)?.is_empty() {
            let n = input.unread().len();
            input.consume(n);
        }
        Ok(Found { layer: self, own, parts: Vec::new() })
    }
}

struct Plants;

impl Detect for Plants {
    fn detect(&self, _: &[u8], _: bool, _: &Hint<'_>) -> Fit {
        Fit::Layer(&PLANTED)
    }
}

/// What a lift came to.
pub struct Lifted {
    /// The new stream.
    pub bytes: Vec<u8>,
    /// Ranges of the old one that are not in it as they were.
    pub gone: Vec<Span>,
    /// Points that find kept.
    pub points: usize,
}

/// Finds `edits` in what `bytes` decode to, and lifts them: with the points that find kept, or without. `change` may replace what was
/// found; the lift reads `blob`.
pub fn find_and_lift(
    codec: &'static CodecLayer,
    (bytes, blob): (&[u8], &dyn Blob),
    edits: &Edits,
    with_points: bool,
    limits: &Limits,
    change: &mut dyn FnMut(&mut Found, &mut Cx<'_>),
) -> Result<Lifted> {
    EDITS.set(edits.clone());
    with_detect(&Plants, limits, None, false, |cx| {
        let base = bytes.to_vec();
        let mut found = codec.find(&mut Input::new(BlobSource::new(&base), limits.window), cx)?;
        let part = found.parts.first_mut();
        let points = part.map_or(0, |part| {
            if !with_points {
                part.points = None;
            }
            part.points.as_ref().map_or(0, crate::layer::coded::points::Points::len)
        });
        change(&mut found, cx);
        let mut pass = BlobPass::new(blob, cx.search.space);
        codec.lift(&found, &mut pass, cx)?;
        let patch = pass.finish();
        let gone = gone(&patch.edits)?;
        Ok(Lifted { bytes: patch.to_bytes(&base)?, gone, points })
    })
}

fn gone(edits: &EditList) -> Result<Vec<Span>> {
    let mut gone: Vec<Span> = Vec::new();
    for edit in edits.to_vec()? {
        match gone.last_mut() {
            Some(last) if last.end == edit.span.start => last.end = edit.span.end,
            _ => gone.push(edit.span),
        }
    }
    Ok(gone)
}
