//! Whole objects: registries, policies, manifests.

use aws_sdk_s3::primitives::ByteStream;

use super::client::S3;
use super::core::{Core, bare, quoted};
use super::fault::{Fault, Op};
use super::kept::{self, Kept};
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

/// Writes an object in one request; `if_match`: only over the version with this entity tag, empty: only if there is none.
pub(super) async fn put(
    core: &Core,
    place: &Place,
    bytes: &[u8],
    if_match: Option<&str>,
) -> std::result::Result<Entry, Fault> {
    let client = core.client(&place.bucket).await;
    let mark = ulid::Ulid::new().to_string();
    let request = client.put_object().bucket(&place.bucket).key(&place.key);
    let request = Kept::default()
        .on_put(core, &mark, request)
        .set_if_match(if_match.filter(|etag| !etag.is_empty()).map(quoted))
        .set_if_none_match(if_match.filter(|etag| etag.is_empty()).map(|_| "*".to_owned()))
        .body(ByteStream::from(bytes.to_vec()));
    let done = Box::pin(core.ask(Op::Put, request.send())).await;
    match done {
        Ok(done) => {
            let mut entry = kept::look_at(core, place, done.version_id()).await?.entry;
            entry.etag = done.e_tag().map_or(entry.etag, |etag| bare(etag).to_owned());
            Ok(entry)
        }
        // An answer may have been lost, and the request made again.
        Err(fault) if fault.is_changed() || fault.may_be_done() => match kept::look_at(core, place, None).await {
            Ok(head) if head.mark() == Some(&mark) => Ok(head.entry),
            _ => Err(fault),
        },
        Err(fault) => Err(fault),
    }
}
