//! Listings: page after page, fetched one ahead of the reader. Keys come percent-encoded, since XML cannot hold every byte.

use std::future::Future;
use std::sync::Arc;

use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{
    DeleteMarkerEntry, EncodingType, Object, ObjectVersion, OptionalObjectAttributes, RestoreStatus,
};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::client::S3;
use super::core::{Core, bare};
use super::fault::{Fault, Op};
use super::{Entry, Names, Place};
use crate::error::{Error, Kind, Result};
use crate::store::nanos;

/// A page of a listing; `None`: there is no more. Without that mark a listing broke off, and is not at its end.
type Page = Result<Option<Vec<Entry>>>;

/// Objects read by whoever asks next. A key that is not UTF-8, or a page that cannot be fetched, is an error and the end.
pub struct Entries {
    pages: Receiver<Page>,
    page: std::vec::IntoIter<Entry>,
    store: S3,
    ended: bool,
}

impl Iterator for Entries {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.page.next() {
                return Some(Ok(entry));
            }
            if self.ended {
                return None;
            }
            let store = self.store.clone();
            match store.wait(async { Ok(self.pages.recv().await) }) {
                Ok(Some(Ok(Some(page)))) => self.page = page.into_iter(),
                Ok(Some(Ok(None))) => self.ended = true,
                Ok(None) => {
                    self.ended = true;
                    return Some(Err(Fault::odd(Op::List, "a listing that broke off").into()));
                }
                Ok(Some(Err(error))) | Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// The listing of what begins with `prefix`.
pub(super) fn entries(store: &S3, prefix: &Place, all_versions: bool) -> Entries {
    let (core, prefix) = (Arc::clone(&store.core), prefix.clone());
    fetched(store, |send| async move {
        if all_versions { all(&core, &prefix, &send).await } else { current(&core, &prefix, &send).await }
    })
}

/// What `fetch` sends, page after page.
pub(super) fn fetched<F>(store: &S3, fetch: impl FnOnce(Sender<Page>) -> F) -> Entries
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let (send, pages) = channel(1);
    let fetch = fetch(send.clone());
    let _detached = store.spawn(async move {
        let done = fetch.await;
        // Whoever asked may have gone.
        let _ = send.send(done.map(|()| None)).await;
    });
    Entries { pages, page: Vec::new().into_iter(), store: store.clone(), ended: false }
}

/// Only what is directly below the prefix is asked for.
struct Below {
    /// Keys up to this one are left out.
    after: Option<String>,
}

/// One page of current versions.
async fn page(
    core: &Core,
    prefix: &Place,
    token: Option<String>,
    below: Option<Below>,
) -> std::result::Result<ListObjectsV2Output, Fault> {
    let client = core.client(&prefix.bucket).await;
    let request = client
        .list_objects_v2()
        .bucket(&prefix.bucket)
        .set_prefix(Some(prefix.key.clone()).filter(|key| !key.is_empty()))
        .set_continuation_token(token)
        .set_delimiter(below.as_ref().map(|_| "/".to_owned()))
        .set_start_after(below.and_then(|below| below.after))
        .encoding_type(EncodingType::Url)
        .set_request_payer(core.payer.clone())
        .optional_object_attributes(OptionalObjectAttributes::RestoreStatus);
    core.ask(Op::List, request.send()).await
}

async fn current(core: &Core, prefix: &Place, send: &Sender<Page>) -> Result<()> {
    let mut token = None;
    loop {
        let page = page(core, prefix, token.clone(), None).await?;
        let coded = page.encoding_type() == Some(&EncodingType::Url);
        let entries = page.contents().iter().map(|object| of_object(core, &prefix.bucket, object, coded));
        if send.send(entries.collect::<Result<_>>().map(Some)).await.is_err() {
            return Ok(());
        }
        let next = next(page.is_truncated(), page.next_continuation_token(), Op::List)?;
        match onward(&token, next.map(Some), Op::List)? {
            Some(next) => token = next,
            None => return Ok(()),
        }
    }
}

/// The place of the next page; an error if the service says that there is one and not where. One that tells where says that there is
/// one.
pub(super) fn next(truncated: Option<bool>, token: Option<&str>, op: Op) -> std::result::Result<Option<String>, Fault> {
    match (truncated, token.filter(|token| !token.is_empty())) {
        (Some(false), _) | (None, None) => Ok(None),
        (_, Some(token)) => Ok(Some(token.to_owned())),
        (Some(true), None) => Err(Fault::odd(op, "a listing that does not say how it goes on")),
    }
}

/// The place of the next page, if it is another than that of the last: else the listing had no end.
pub(super) fn onward<T: PartialEq>(from: &T, next: Option<T>, op: Op) -> std::result::Result<Option<T>, Fault> {
    match next {
        Some(next) if next == *from => Err(Fault::odd(op, "a listing that goes on where it began")),
        next => Ok(next),
    }
}

/// One page of all versions, from the marks of the page before on.
pub(super) async fn versions_page(
    core: &Core,
    prefix: &Place,
    from: (Option<String>, Option<String>),
) -> std::result::Result<ListObjectVersionsOutput, Fault> {
    let client = core.client(&prefix.bucket).await;
    let request = client
        .list_object_versions()
        .bucket(&prefix.bucket)
        .set_prefix(Some(prefix.key.clone()).filter(|key| !key.is_empty()))
        .set_key_marker(from.0)
        .set_version_id_marker(from.1)
        .encoding_type(EncodingType::Url)
        .set_request_payer(core.payer.clone())
        .optional_object_attributes(OptionalObjectAttributes::RestoreStatus);
    core.ask(Op::ListVersions, request.send()).await
}

/// The entries of such a page, and the marks of the next.
pub(super) fn versions_of(core: &Core, bucket: &str, page: &ListObjectVersionsOutput) -> Result<VersionsPage> {
    let coded = page.encoding_type() == Some(&EncodingType::Url);
    let versions = page.versions().iter().map(|version| of_version(core, bucket, version, coded));
    let markers = page.delete_markers().iter().map(|marker| of_marker(bucket, marker, coded));
    let entries = versions.chain(markers).collect::<Result<Vec<_>>>()?;
    let next = match next(page.is_truncated(), page.next_key_marker(), Op::ListVersions)? {
        Some(key) => Some((Some(decoded(&key, coded)?), page.next_version_id_marker().map(str::to_owned))),
        None => None,
    };
    Ok(VersionsPage { entries, next })
}

/// What a page of versions holds.
pub(super) struct VersionsPage {
    pub(super) entries: Vec<Entry>,
    pub(super) next: Option<(Option<String>, Option<String>)>,
}

async fn all(core: &Core, prefix: &Place, send: &Sender<Page>) -> Result<()> {
    let mut from = (None, None);
    loop {
        let page = versions_page(core, prefix, from.clone()).await?;
        let mut page = versions_of(core, &prefix.bucket, &page)?;
        page.entries.sort_by(|a, b| a.place.key.cmp(&b.place.key));
        if send.send(Ok(Some(page.entries))).await.is_err() {
            return Ok(());
        }
        match onward(&from, page.next, Op::ListVersions)? {
            Some(next) => from = next,
            None => return Ok(()),
        }
    }
}

/// The names directly below a folder.
pub(super) async fn names(
    core: &Core,
    folder: &Place,
    after: Option<(&str, bool)>,
) -> std::result::Result<Names, Fault> {
    // No key below a folder sorts behind the last code point there is.
    let last = |is_folder| if is_folder { "/\u{10ffff}" } else { "" };
    let after = after.map(|(name, is_folder)| format!("{}{name}{}", folder.key, last(is_folder)));
    let page = page(core, folder, None, Some(Below { after })).await?;
    let coded = page.encoding_type() == Some(&EncodingType::Url);
    let objects = page.contents().iter().map(|object| (object.key(), false));
    let folders = page.common_prefixes().iter().map(|prefix| (prefix.prefix(), true));
    let mut names = Vec::new();
    for (key, is_folder) in objects.chain(folders) {
        let Ok(key) = decoded(key.unwrap_or_default(), coded) else { continue };
        let name = key.strip_prefix(&folder.key).unwrap_or_default();
        let name = if is_folder { name.strip_suffix('/').unwrap_or(name) } else { name };
        if !name.is_empty() {
            names.push((name.to_owned(), is_folder));
        }
    }
    // The next page is asked for by the last name.
    let order = |(name, is_folder): &(String, bool)| if *is_folder { format!("{name}/") } else { name.clone() };
    names.sort_by_cached_key(order);
    let complete = next(page.is_truncated(), page.next_continuation_token(), Op::List)?.is_none();
    if names.is_empty() && !complete {
        return Err(Fault::odd(Op::List, "a listing that does not say how it goes on"));
    }
    Ok(Names { names, complete })
}

fn of_object(core: &Core, bucket: &str, object: &Object, coded: bool) -> Result<Entry> {
    let class = object.storage_class().map(|class| class.as_str().to_owned()).filter(|class| class != "STANDARD");
    Ok(Entry {
        place: place(bucket, object.key(), coded)?,
        size: size(object.size(), Op::List)?,
        etag: bare(object.e_tag().unwrap_or_default()).to_owned(),
        version: None,
        modified: object.last_modified().map_or(0, cut),
        archived: archived(core, class.as_deref(), object.restore_status()),
        class,
        is_latest: true,
        is_delete_marker: false,
    })
}

fn of_version(core: &Core, bucket: &str, version: &ObjectVersion, coded: bool) -> Result<Entry> {
    let class = version.storage_class().map(|class| class.as_str().to_owned()).filter(|class| class != "STANDARD");
    Ok(Entry {
        place: place(bucket, version.key(), coded)?,
        size: size(version.size(), Op::ListVersions)?,
        etag: bare(version.e_tag().unwrap_or_default()).to_owned(),
        version: version.version_id().map(str::to_owned),
        modified: version.last_modified().map_or(0, cut),
        archived: archived(core, class.as_deref(), version.restore_status()),
        class,
        is_latest: version.is_latest().unwrap_or(false),
        is_delete_marker: false,
    })
}

fn of_marker(bucket: &str, marker: &DeleteMarkerEntry, coded: bool) -> Result<Entry> {
    Ok(Entry {
        place: place(bucket, marker.key(), coded)?,
        size: 0,
        etag: String::new(),
        version: marker.version_id().map(str::to_owned),
        modified: marker.last_modified().map_or(0, cut),
        class: None,
        archived: false,
        is_latest: marker.is_latest().unwrap_or(false),
        is_delete_marker: true,
    })
}

fn place(bucket: &str, key: Option<&str>, coded: bool) -> Result<Place> {
    let key = decoded(key.unwrap_or_default(), coded)?;
    if key.is_empty() {
        return Err(Fault::odd(Op::List, "an object without a key").into());
    }
    Ok(Place { bucket: bucket.to_owned(), key })
}

fn size(size: Option<i64>, op: Op) -> Result<u64> {
    size.and_then(|size| u64::try_from(size).ok()).ok_or_else(|| Fault::odd(op, "an object without a size").into())
}

/// Whole seconds: headers tell no more.
pub(super) fn cut(time: &DateTime) -> i128 {
    nanos(time.secs(), 0)
}

/// Whether an object of that class cannot be read: only on AWS, elsewhere the class may be a word. Reading tells in any case.
fn archived(core: &Core, class: Option<&str>, restore: Option<&RestoreStatus>) -> bool {
    let restored = restore.is_some_and(|status| {
        status.restore_expiry_date().is_some() && !status.is_restore_in_progress().unwrap_or(false)
    });
    core.is_aws() && is_archive(class) && !restored
}

/// Classes of objects that cannot be read as they are.
pub(super) fn is_archive(class: Option<&str>) -> bool {
    matches!(class, Some("GLACIER" | "DEEP_ARCHIVE"))
}

/// A key from a listing with `encoding-type=url`: percent-encoded, and `+` for a space.
pub(crate) fn decoded(text: &str, coded: bool) -> Result<String> {
    if !coded {
        return Ok(text.to_owned());
    }
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let pair = digit().and_then(|high| Some((high * 16 + digit()?) as u8));
                out.push(pair.ok_or_else(|| Error::from(Fault::odd(Op::List, "a key that is coded wrongly")))?);
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8(out).map_err(|_| Error::new(Kind::Unsupported, "a key that is not UTF-8"))
}

/// A key as it stands in the header that names the source of a copy, and in a tag set: all but the unreserved ones of RFC 3986
/// §2.3 are percent-encoded; `/` only if asked for.
pub(crate) fn encoded(text: &str, keep_slash: bool) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            b'/' if keep_slash => out.push('/'),
            _ => {
                out.push('%');
                for nibble in [byte >> 4, byte & 15] {
                    out.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase());
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_goes_on_or_ends() {
        let next = |truncated, token| next(truncated, token, Op::List);
        assert_eq!(next(Some(true), Some("t")), Ok(Some("t".to_owned())));
        assert_eq!(next(None, Some("t")), Ok(Some("t".to_owned())));
        for (truncated, token) in [(Some(false), Some("t")), (None, None), (None, Some("")), (Some(false), None)] {
            assert_eq!(next(truncated, token), Ok(None));
        }
        assert!(next(Some(true), None).is_err() && next(Some(true), Some("")).is_err());
        assert!(onward(&Some("a"), Some(Some("a")), Op::List).is_err());
        assert_eq!(onward(&Some("a"), Some(Some("b")), Op::List), Ok(Some(Some("b"))));
        assert_eq!(onward(&Some("a"), None, Op::List), Ok(None));
    }

    #[test]
    fn keys_come_back_as_they_were() {
        for key in ["a b+c%d", "ä/日本//x", "../.\u{1}\u{7f}&<>\"'", "%2B"] {
            assert_eq!(decoded(&encoded(key, true), true).unwrap(), key);
            assert_eq!(decoded(&encoded(key, false), true).unwrap(), key);
            assert_eq!(decoded(key, false).unwrap(), key);
        }
        assert_eq!(decoded("a+b%2Bc", true).unwrap(), "a b+c");
        assert!(decoded("%f", true).is_err() && decoded("%FF", true).is_err());
    }
}
