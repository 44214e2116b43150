//! How the bytes of a draft go to the service: in one request, or in parts that are copied there or sent.
//!
//! Bytes are read on the caller's thread (reading may wait for the network itself), sent by the runtime. Memory: as many parts as
//! [`super::Tuning::sending`], each at most twice [`super::parts::Bounds::most_sent`], mostly 8 to 16 MiB.

use std::sync::Arc;

use aws_sdk_s3::config::http::HttpRequest;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use tokio::task::JoinSet;

use super::client::S3;
use super::commit::Wrote;
use super::core::{Core, bare, patient, quoted};
use super::fault::{Fault, Op};
use super::list::encoded;
use super::parts::{Part, plan};
use super::sse::{self, CustomerKey};
use super::uploads::{self, Upload};
use super::write::{ObjectDraft, Origin, Rule};
use crate::error::{Error, Kind, Result};

/// Copies under way at one time: they cost the service, not us.
const COPIES: usize = 8;

/// Where copies come from.
#[derive(Clone)]
struct From {
    /// As the header names it.
    source: String,
    etag: String,
    /// The original, and so its successor, is encrypted with the customer's key.
    is_keyed: bool,
}

impl ObjectDraft<'_> {
    /// Writes it in one request.
    pub(super) fn put(&self, conditional: bool) -> Result<Wrote> {
        let layout = self.layout()?;
        let mut body = vec![0; usize::try_from(layout.len()).unwrap_or(usize::MAX)];
        self.fill(0, &mut body)?;
        if !conditional {
            self.look_first()?;
        }
        let core = &self.store.core;
        let done = self.store.finish(async {
            let client = core.client(&self.place.bucket).await;
            let request = client.put_object().bucket(&self.place.bucket).key(&self.place.key);
            let request = self
                .kept
                .on_put(core, &self.mark, request)
                .set_if_match(self.if_match(conditional))
                .set_if_none_match(self.if_none_match(conditional))
                .body(ByteStream::from(body));
            let expires = self.kept.expires();
            let request = request.customize().mutate_request(move |request| set_expires(request, expires.as_deref()));
            core.ask(Op::Put, request.send()).await
        });
        Ok(match done {
            Ok(done) => Wrote::Answered {
                etag: done.e_tag().map(|etag| bare(etag).to_owned()),
                version: done.version_id().map(str::to_owned),
            },
            Err(fault) => Wrote::Failed(fault),
        })
    }

    /// Writes it in parts. The upload is given back where it is not known to be completed; it is aborted when it goes.
    pub(super) fn multipart(&self, conditional: bool) -> Result<(Wrote, Option<Upload>)> {
        if !conditional {
            self.look_first()?;
        }
        let layout = self.layout()?;
        let core = &self.store.core;
        let from = self.source();
        let parts = plan(&core.tuning.parts, from.is_some(), || Ok(layout.runs()))?;
        let upload = Upload::begin(&self.store, &self.place, &self.kept, &self.mark)?;
        let mut done = self.parts(&parts, &upload, from.as_ref())?;
        done.sort_by_key(CompletedPart::part_number);
        let list = CompletedMultipartUpload::builder().set_parts(Some(done)).build();
        let key = core.key(self.kept.is_keyed());
        if !conditional {
            // The parts may have taken long.
            self.look_first()?;
        }
        let completed = self.store.finish(async {
            let client = core.client(&self.place.bucket).await;
            let request = client
                .complete_multipart_upload()
                .bucket(&self.place.bucket)
                .key(&self.place.key)
                .upload_id(upload.id())
                .multipart_upload(list)
                .set_if_match(self.if_match(conditional))
                .set_if_none_match(self.if_none_match(conditional))
                .set_request_payer(core.payer.clone())
                .set_sse_customer_algorithm(key.map(|_| sse::ALGORITHM.to_owned()))
                .set_sse_customer_key(key.map(CustomerKey::base64))
                .set_sse_customer_key_md5(key.map(CustomerKey::md5));
            core.ask(Op::Complete, request.customize().config_override(patient()).send()).await
        });
        Ok(match completed {
            Ok(completed) => {
                upload.leave();
                let etag = completed.e_tag().map(|etag| bare(etag).to_owned());
                (Wrote::Answered { etag, version: completed.version_id().map(str::to_owned) }, None)
            }
            Err(fault) => (Wrote::Failed(fault), Some(upload)),
        })
    }

    /// Copies and sends the parts.
    fn parts(&self, parts: &[Part], upload: &Upload, from: Option<&From>) -> Result<Vec<CompletedPart>> {
        let mut flying = JoinSet::new();
        let mut done = Vec::with_capacity(parts.len());
        let sending = self.store.core.tuning.sending.max(1);
        for (part, number) in parts.iter().zip(1..) {
            let most = if part.copy.is_some() { COPIES.max(sending) } else { sending };
            while flying.len() >= most {
                done.push(landed(&self.store, &mut flying)?);
            }
            let (core, place) = (Arc::clone(&self.store.core), self.place.clone());
            let (id, is_keyed) = (upload.id().to_owned(), self.kept.is_keyed());
            if let (Some(at), Some(from)) = (part.copy, from) {
                let (len, from) = (part.len, from.clone());
                let work = async move { copy(&core, &place, &id, number, (at, len), &from).await };
                self.store.fly(&mut flying, work);
            } else {
                let mut body = vec![0; usize::try_from(part.len).unwrap_or(usize::MAX)];
                self.fill(part.at, &mut body)?;
                let work = async move { uploads::send(&core, &place, &id, number, body, is_keyed).await };
                self.store.fly(&mut flying, work);
            }
        }
        while !flying.is_empty() {
            done.push(landed(&self.store, &mut flying)?);
        }
        Ok(done)
    }

    /// Fills `body` with the new object's bytes from `at` on.
    fn fill(&self, at: u64, body: &mut [u8]) -> Result<()> {
        let filled = self.layout()?.fill(self.base(), at, body);
        match filled {
            Ok(()) => Ok(()),
            // A version that changed is the reason, if it did.
            Err(error) => Err(self.check().err().unwrap_or(error)),
        }
    }

    /// Where kept ranges can be copied from.
    fn source(&self) -> Option<From> {
        let Origin::Object(opened) = &self.origin else { return None };
        let place = &opened.entry.place;
        let mut source = format!("{}/{}", encoded(&place.bucket, false), encoded(&place.key, true));
        if let Some(version) = &opened.entry.version {
            source.push_str("?versionId=");
            source.push_str(&encoded(version, false));
        }
        Some(From { source, etag: opened.entry.etag.clone(), is_keyed: self.kept.is_keyed() })
    }

    fn if_match(&self, conditional: bool) -> Option<String> {
        match &self.rule {
            Rule::Replace(etag) if conditional => Some(quoted(etag)),
            _ => None,
        }
    }

    fn if_none_match(&self, conditional: bool) -> Option<String> {
        (self.rule == Rule::New && conditional).then(|| "*".to_owned())
    }
}

/// `Expires` as it was, be it a date or not.
pub(super) fn set_expires(request: &mut HttpRequest, expires: Option<&str>) {
    if let Some(expires) = expires {
        // What came in a header can go in one.
        let _ = request.headers_mut().try_insert("expires", expires.to_owned());
    }
}

/// Waits for one of the parts under way.
fn landed(store: &S3, flying: &mut JoinSet<std::result::Result<CompletedPart, Fault>>) -> Result<CompletedPart> {
    let landed = store.wait(async { Ok(flying.join_next().await) })?;
    match landed {
        Some(Ok(done)) => done.map_err(Error::from),
        _ => Err(Error::new(Kind::Io, "a part was not sent")),
    }
}

/// Lets the service copy `len` bytes of the original from `at`.
async fn copy(
    core: &Core,
    place: &super::Place,
    upload: &str,
    number: i32,
    (at, len): (u64, u64),
    from: &From,
) -> std::result::Result<CompletedPart, Fault> {
    let client = core.client(&place.bucket).await;
    let key = core.key(from.is_keyed);
    let request = client
        .upload_part_copy()
        .bucket(&place.bucket)
        .key(&place.key)
        .upload_id(upload)
        .part_number(number)
        .copy_source(&from.source)
        .copy_source_if_match(quoted(&from.etag))
        .copy_source_range(format!("bytes={at}-{}", at + len - 1))
        .set_request_payer(core.payer.clone())
        .set_sse_customer_algorithm(key.map(|_| sse::ALGORITHM.to_owned()))
        .set_sse_customer_key(key.map(CustomerKey::base64))
        .set_sse_customer_key_md5(key.map(CustomerKey::md5))
        .set_copy_source_sse_customer_algorithm(key.map(|_| sse::ALGORITHM.to_owned()))
        .set_copy_source_sse_customer_key(key.map(CustomerKey::base64))
        .set_copy_source_sse_customer_key_md5(key.map(CustomerKey::md5));
    let done = core.ask(Op::Copy, request.customize().config_override(patient()).send()).await?;
    let result = done.copy_part_result().ok_or(Fault::odd(Op::Copy, "a copy without a result"))?;
    let etag = result.e_tag().ok_or(Fault::odd(Op::Copy, "a copy without an entity tag"))?;
    Ok(CompletedPart::builder()
        .part_number(number)
        .e_tag(etag)
        .set_checksum_crc32(result.checksum_crc32().map(str::to_owned))
        .build())
}

/// What parts are summed with, if they are: as the SDK does by itself.
pub(super) fn algorithm(sums: bool) -> Option<ChecksumAlgorithm> {
    sums.then_some(ChecksumAlgorithm::Crc32)
}
