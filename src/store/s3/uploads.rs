//! Unfinished uploads: those of this run, and those that a killed run left.
//!
//! An upload shows nothing of who began it but its parts. So the first thing that is sent is a part with the last number there is,
//! 10,000, which is never completed: its length tells the machine, and its content (whose MD5 is the part's entity tag) the process.
//! A run aborts what has such a mark of its own machine and of no process that lives, and what has the mark of another machine and is
//! older than [`OLD`]. Uploads without the mark are other people's.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumType, CompletedPart, EncodingType, MultipartUpload};

use super::client::S3;
use super::core::{Core, bare, once};
use super::fault::{Fault, Op};
use super::kept::Kept;
use super::list::{decoded, next, onward};
use super::mark;
use super::send::{algorithm, set_expires};
use super::sse::{self, CustomerKey};
use super::{Place, Swept};
use crate::error::Result;

/// The number of the part that marks an upload: no plan uses it.
pub(super) const MARKED: i32 = 10_000;
/// Age from which an upload of another machine is nobody's: no commit takes so long.
const OLD: Duration = Duration::from_hours(6);
/// How much longer than the attempts took an upload may seem to be there.
const SLACK: Duration = Duration::from_secs(5);

/// An upload that is aborted when it goes, unless it is left.
pub(super) struct Upload {
    store: S3,
    place: Place,
    id: String,
    open: bool,
}

impl Upload {
    /// Begins one for an object with what is `kept`, and marks it.
    pub(super) fn begin(store: &S3, place: &Place, kept: &Kept, mark: &str) -> Result<Self> {
        let core = &store.core;
        let id = store.wait(create(core, place, kept, mark))?;
        let upload = Self { store: store.clone(), place: place.clone(), id, open: true };
        store.wait(send(core, place, &upload.id, MARKED, mark::own(), kept.is_keyed()))?;
        Ok(upload)
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Goes without being aborted: it is completed, or may be.
    pub(super) fn leave(mut self) {
        self.open = false;
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.open {
            // What cannot be aborted now has the mark.
            let _ = self.store.finish(abort(&self.store.core, &self.place, &self.id));
        }
    }
}

/// Creates an upload. Where an answer was lost there may be two: the other is aborted.
pub(super) async fn create(core: &Core, place: &Place, kept: &Kept, mark: &str) -> std::result::Result<String, Fault> {
    let client = core.client(&place.bucket).await;
    let begun = std::time::Instant::now();
    let mut attempt = 1;
    loop {
        let request = client.create_multipart_upload().bucket(&place.bucket).key(&place.key);
        let sum = algorithm(core.sums());
        let request = kept
            .on_create(core, mark, request)
            .set_checksum_type(sum.as_ref().map(|_| ChecksumType::Composite))
            .set_checksum_algorithm(sum);
        let expires = kept.expires();
        let request = request
            .customize()
            .mutate_request(move |request| set_expires(request, expires.as_deref()))
            .config_override(once());
        match core.ask(Op::Create, request.send()).await {
            Ok(created) => {
                let id = created.upload_id().ok_or(Fault::odd(Op::Create, "an upload without an id"))?;
                if attempt > 1 {
                    // If it cannot be found out, nothing is lost but a few bytes in the service's books.
                    let _ = abort_twins(core, place, id, begun.elapsed() + SLACK).await;
                }
                return Ok(id.to_owned());
            }
            Err(fault) if fault.may_be_done() && attempt < core.tuning.attempts => {
                let pause = core.tuning.backoff.saturating_mul(1 << attempt.min(6));
                // Jitter: of many that were refused together, not all come back together.
                let jitter = pause.mul_f64(f64::from(random_byte()) / 256.0);
                tokio::time::sleep(pause / 2 + jitter / 2).await;
                attempt += 1;
            }
            Err(fault) => {
                // Each attempt before this one may have been done.
                if attempt > 1 || fault.may_be_done() {
                    let _ = abort_twins(core, place, "", begun.elapsed() + SLACK).await;
                }
                return Err(fault);
            }
        }
    }
}

fn random_byte() -> u8 {
    let mut byte = [0];
    // Without it there is no jitter.
    let _ = getrandom::fill(&mut byte);
    byte[0]
}

/// Aborts uploads of this key without any part that were begun within `window` of the one called `id`: by ourselves.
async fn abort_twins(core: &Core, place: &Place, id: &str, window: Duration) -> std::result::Result<(), Fault> {
    let found = uploads(core, place, (None, None)).await?;
    let own: Vec<&MultipartUpload> =
        found.uploads.iter().filter(|upload| upload.key == place.key).map(|upload| &upload.told).collect();
    let seconds = |upload: &MultipartUpload| upload.initiated().map(aws_sdk_s3::primitives::DateTime::secs);
    let now = i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs());
    let latest = own.iter().find(|upload| upload.upload_id() == Some(id)).and_then(|upload| seconds(upload));
    let latest = latest.or(now.ok()).unwrap_or_default();
    let window = i64::try_from(window.as_secs()).unwrap_or(i64::MAX) + 1;
    for twin in own {
        let (Some(other), Some(at)) = (twin.upload_id(), seconds(twin)) else { continue };
        let near = (latest.saturating_sub(window)..=latest.saturating_add(window)).contains(&at);
        if other != id && near && parts_from(core, place, other, 0).await?.is_none() {
            abort(core, place, other).await?;
        }
    }
    Ok(())
}

/// Sends one part.
pub(super) async fn send(
    core: &Core,
    place: &Place,
    upload: &str,
    number: i32,
    body: Vec<u8>,
    is_keyed: bool,
) -> std::result::Result<CompletedPart, Fault> {
    let client = core.client(&place.bucket).await;
    let key = core.key(is_keyed);
    let request = client
        .upload_part()
        .bucket(&place.bucket)
        .key(&place.key)
        .upload_id(upload)
        .part_number(number)
        .set_checksum_algorithm(algorithm(core.sums()))
        .set_request_payer(core.payer.clone())
        .set_sse_customer_algorithm(key.map(|_| sse::ALGORITHM.to_owned()))
        .set_sse_customer_key(key.map(CustomerKey::base64))
        .set_sse_customer_key_md5(key.map(CustomerKey::md5))
        .body(ByteStream::from(body));
    let done = core.ask(Op::Upload, request.send()).await?;
    let etag = done.e_tag().ok_or(Fault::odd(Op::Upload, "a part without an entity tag"))?;
    Ok(CompletedPart::builder()
        .part_number(number)
        .e_tag(etag)
        .set_checksum_crc32(done.checksum_crc32().map(str::to_owned))
        .build())
}

/// Aborts an upload; one that is gone already is aborted.
pub(super) async fn abort(core: &Core, place: &Place, upload: &str) -> std::result::Result<(), Fault> {
    let client = core.client(&place.bucket).await;
    let request = client
        .abort_multipart_upload()
        .bucket(&place.bucket)
        .key(&place.key)
        .upload_id(upload)
        .set_request_payer(core.payer.clone());
    match core.ask(Op::Abort, request.send()).await {
        Ok(_) => Ok(()),
        Err(fault) if fault.status() == 404 => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// Aborts what killed runs left below `prefix`.
pub(super) async fn sweep(core: &Core, prefix: &Place) -> std::result::Result<Swept, Fault> {
    let (mut from, mut swept) = ((None, None), Swept::default());
    let living = mark::living();
    loop {
        let page = match uploads(core, prefix, from.clone()).await {
            Ok(page) => page,
            // No such operation: no such uploads of ours can be found there.
            Err(fault) if fault.is_unknown_there() => return Ok(swept),
            Err(fault) => return Err(fault),
        };
        for upload in page.uploads {
            let place = Place { bucket: prefix.bucket.clone(), key: upload.key };
            let Some(id) = upload.told.upload_id() else { continue };
            let mark = match parts_from(core, &place, id, MARKED - 1).await {
                Ok(mark) => mark,
                // It ended meanwhile.
                Err(fault) if fault.status() == 404 => continue,
                Err(fault) => return Err(fault),
            };
            let age = upload.told.initiated().and_then(|at| SystemTime::try_from(*at).ok());
            let age = age.and_then(|at| at.elapsed().ok()).unwrap_or_default();
            let is_ours = mark.as_ref().is_some_and(Mark::is_mark);
            if mark.is_some_and(|mark| mark.is_dead(&living, age)) {
                abort(core, &place, id).await?;
                swept.aborted += 1;
            } else if !is_ours {
                swept.others += 1;
            }
        }
        match onward(&from, page.next, Op::ListUploads)? {
            Some(next) => from = next,
            None => return Ok(swept),
        }
    }
}

struct Uploads {
    uploads: Vec<Unfinished>,
    next: Option<(Option<String>, Option<String>)>,
}

struct Unfinished {
    key: String,
    told: MultipartUpload,
}

/// A page of unfinished uploads.
async fn uploads(
    core: &Core,
    prefix: &Place,
    from: (Option<String>, Option<String>),
) -> std::result::Result<Uploads, Fault> {
    let client = core.client(&prefix.bucket).await;
    let request = client
        .list_multipart_uploads()
        .bucket(&prefix.bucket)
        .set_prefix(Some(prefix.key.clone()).filter(|key| !key.is_empty()))
        .set_key_marker(from.0)
        .set_upload_id_marker(from.1)
        .encoding_type(EncodingType::Url)
        .set_request_payer(core.payer.clone());
    let page = core.ask(Op::ListUploads, request.send()).await?;
    let coded = page.encoding_type() == Some(&EncodingType::Url);
    let key = |key: Option<&str>| decoded(key.unwrap_or_default(), coded).ok().filter(|key| !key.is_empty());
    let next = match next(page.is_truncated(), page.next_key_marker(), Op::ListUploads)? {
        Some(marker) => {
            let marker = key(Some(&marker)).ok_or(Fault::odd(Op::ListUploads, "a listing that cannot be read"))?;
            Some((Some(marker), page.next_upload_id_marker().map(str::to_owned)))
        }
        None => None,
    };
    let uploads = page.uploads().iter();
    let uploads = uploads.filter_map(|told| Some(Unfinished { key: key(told.key())?, told: told.clone() }));
    Ok(Uploads { uploads: uploads.collect(), next })
}

/// The first part of an upload with a number above `after`.
async fn parts_from(core: &Core, place: &Place, upload: &str, after: i32) -> std::result::Result<Option<Mark>, Fault> {
    let client = core.client(&place.bucket).await;
    let request = client
        .list_parts()
        .bucket(&place.bucket)
        .key(&place.key)
        .upload_id(upload)
        .part_number_marker(after.to_string())
        .max_parts(1)
        .set_request_payer(core.payer.clone());
    let found = core.ask(Op::ListParts, request.send()).await?;
    let mut parts = found.parts().iter().rev();
    let last = parts.find(|part| part.part_number().is_some_and(|number| number > after));
    Ok(last.map(|part| Mark {
        number: part.part_number().unwrap_or_default(),
        len: part.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
        etag: bare(part.e_tag().unwrap_or_default()).to_owned(),
    }))
}

/// A part that may be a mark.
struct Mark {
    number: i32,
    len: u64,
    etag: String,
}

impl Mark {
    fn is_mark(&self) -> bool {
        self.number == MARKED && mark::LENGTHS.contains(&self.len)
    }

    /// Whether the run that left it is no more.
    fn is_dead(&self, living: &[String], age: Duration) -> bool {
        self.is_mark() && !living.contains(&self.etag) && (self.len == mark::length() || age > OLD)
    }
}
