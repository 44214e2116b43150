//! Whole objects: registries, policies, manifests.

use super::client::S3;
use super::read::Opened;
use super::{Entry, Place};
use crate::blob::{Blob, Spool};
use crate::error::{Error, Result};
use crate::limits::WINDOW;
use crate::store::Original;

/// An object of at most `max` bytes.
pub(super) fn get(store: &S3, place: &Place, max: u64) -> Result<(Vec<u8>, Entry)> {
    let entry = there(store, place)?;
    if entry.size > max {
        return Err(Error::limit(format!("an object of {} bytes, {max} at most", entry.size)));
    }
    let mut all = Vec::with_capacity(usize::try_from(entry.size).unwrap_or_default());
    pour(&Opened::new(store, &entry), |bytes| {
        all.extend_from_slice(bytes);
        Ok(())
    })?;
    Ok((all, entry))
}

/// An object of any length.
pub(super) fn download(store: &S3, place: &Place, spool: &mut Spool) -> Result<Entry> {
    let entry = there(store, place)?;
    pour(&Opened::new(store, &entry), |bytes| spool.append(bytes))?;
    Ok(entry)
}

fn there(store: &S3, place: &Place) -> Result<Entry> {
    store.look(place)?.ok_or_else(|| Error::usage("there is no such object"))
}

pub(super) fn pour(opened: &Opened, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let (mut at, mut buf) = (0, vec![0; WINDOW]);
    while at < opened.len() {
        let n = match opened.read_at(at, &mut buf) {
            Ok(n) => n,
            Err(error) => {
                opened.check()?;
                return Err(Error::io("reading an object", &error));
            }
        };
        take(buf.get(..n).unwrap_or_default())?;
        at += n as u64;
    }
    Ok(())
}
