//! Objects in buckets: the parts of an upload, the object that they make, and keys as listings carry them.

use std::sync::Arc;

use crate::blob::TempSpace;
use crate::edit::{EditList, Patch};
use crate::span::Span;
use crate::store::s3::layout::Layout;
use crate::store::s3::list::{decoded, encoded};
use crate::store::s3::parts::{Bounds, plan};

/// Three bytes an edit, behind four that set the bounds; the rest is the original.
pub fn object(data: &[u8]) {
    keys(data);
    let Some((bounds, rest)) = data.split_first_chunk::<4>() else { return };
    let (edits, base) = rest.split_at(rest.len() / 4);
    let bounds = Bounds {
        least: u64::from(bounds[0]) + 1,
        sent: u64::from(bounds[1]) + u64::from(bounds[0]) + 1,
        most_sent: 1 << 20,
        copied: 2 * (u64::from(bounds[0]) + 1) + u64::from(bounds[2]),
        parts: usize::from(bounds[3]) + 4,
    };
    let space = TempSpace::new(std::env::temp_dir(), 1 << 24);
    let Some(patch) = patch(edits, base.len() as u64, &space) else { return };
    let whole = patch.to_bytes(&base.to_vec()).unwrap_or_else(|error| panic!("{error}"));
    let layout = Layout::of(&patch, &space).unwrap_or_else(|error| panic!("{error}"));
    let mut read = vec![0; whole.len()];
    layout.fill(&base.to_vec(), 0, &mut read).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(read, whole, "the object that is read is the one of the patch");
    let parts = plan(&bounds, true, || Ok(layout.runs())).unwrap_or_else(|error| panic!("{error}"));
    assert!(parts.len() <= bounds.parts, "too many parts");
    let (mut made, last) = (Vec::new(), parts.len().saturating_sub(1));
    for (n, part) in parts.iter().enumerate() {
        assert!(n == last || part.len >= bounds.least, "a part is too short");
        assert_eq!(part.at, made.len() as u64);
        let from = if part.copy.is_some() { base } else { &whole };
        let at = part.copy.unwrap_or(part.at) as usize;
        made.extend_from_slice(&from[at..at + part.len as usize]);
    }
    assert_eq!(made, whole, "the parts are the object");
}

/// Keys come back from a listing as they are, and any text of a service is a key or an error.
fn keys(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for keep in [true, false] {
        assert_eq!(decoded(&encoded(text, keep), true).ok().as_deref(), Some(text));
    }
    // No panic, whatever it says.
    let _ = decoded(text, true);
}

fn patch(edits: &[u8], len: u64, space: &Arc<TempSpace>) -> Option<Patch> {
    let (mut list, mut at) = (EditList::new(space), 0);
    for edit in edits.chunks_exact(3) {
        let start = (at + u64::from(edit[0])).min(len);
        at = (start + u64::from(edit[1] & 15)).min(len);
        list.push(Span::new(start, at), &edit[..usize::from(edit[2] & 3)]).ok()?;
    }
    Some(Patch { base_len: len, edits: list })
}
