//! Streams that nothing reads: kept byte for byte, and searched as raw bytes for the anywhere-types (SPEC "The unit of failure").
//!
//! The search runs over windows that overlap by `OVERLAP`, more than any value and its spellings take.

use super::cx::{Cx, Leaf, Search};
use super::stream::{Outlet, Streamed};
use super::{Found, Layer};
use crate::error::{Error, Result};
use crate::input::Input;
use crate::limits::WINDOW;
use crate::matcher::Unit;

/// Bytes that two neighbouring windows share.
const OVERLAP: usize = 64 * 1024;

/// The layer of streams that nothing reads; it has no edits.
pub static RAW: Raw = Raw;

/// See [`RAW`].
pub struct Raw;

impl Layer for Raw {
    fn name(&self) -> &'static str {
        "raw"
    }

    fn find(&'static self, input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<Found> {
        search(input, cx)?;
        Ok(Found { layer: self, own: cx.edits(), parts: Vec::new() })
    }

    fn stream(&'static self, input: &mut Input<'_>, cx: &mut Cx<'_>, out: &mut dyn Outlet) -> Result<Streamed> {
        pass(input, cx, &mut |bytes, hit| {
            if hit {
                return Err(Error::unsupported("bytes of no known format: holds matches"));
            }
            out.keep(bytes)?;
            out.flush()
        })?;
        Ok(Streamed::Whole)
    }
}

/// Reads `input` to its end, notes it as a leaf, and tells whether an anywhere-type value is in it.
pub fn search(input: &mut Input<'_>, cx: &mut Cx<'_>) -> Result<bool> {
    pass(input, cx, &mut |_, _| Ok(()))
}

/// As [`search`]; `seen` gets the bytes that are done with, in order, and whether a value was found so far.
fn pass(input: &mut Input<'_>, cx: &mut Cx<'_>, seen: &mut dyn FnMut(&[u8], bool) -> Result<()>) -> Result<bool> {
    let (mut leaf, mut hit) = (Leaf::default(), false);
    loop {
        cx.check()?;
        let window = input.window(WINDOW + OVERLAP)?;
        hit = hit || holds(window, cx.search);
        let last = window.len() < WINDOW + OVERLAP;
        let step = if last { window.len() } else { window.len() - OVERLAP };
        let done = window.get(..step).unwrap_or_default();
        leaf.update(done);
        seen(done, hit)?;
        input.consume(step);
        if last {
            cx.leaf("", &leaf);
            return Ok(hit);
        }
    }
}

/// Whether an anywhere-type value is in `window`.
pub fn holds(window: &[u8], search: &Search<'_>) -> bool {
    let (engine, needles) = (search.engine, search.needles);
    let mut found = Vec::new();
    engine.candidates(window, &mut found);
    if found.is_empty() {
        return false;
    }
    let mut hits = Vec::new();
    engine.hits(&Unit { text: window, fields: &[], table: None }, &mut hits);
    hits.iter().any(|hit| needles.value(hit.value).is_some_and(|value| value.kind.anywhere()))
}
