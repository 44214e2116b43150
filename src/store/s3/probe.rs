//! Does this bucket do what preconditions ask for? Some services answer as if they did, and write all the same.
//!
//! Once for each bucket and run, at the first write: a write of an object that is not there, on condition that it is. Whoever enforces
//! preconditions writes nothing. It is tried both ways in which the store writes, in one request and in parts, since there are
//! services that know it in one of them only. What is written against the condition is deleted again.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::CompletedMultipartUpload;

use super::core::{Core, once, quoted};
use super::fault::{Fault, Op};
use super::kept::Kept;
use super::{Place, Preconditions, mark, uploads};

/// An entity tag that no object has.
const NOBODY: &str = "00000000000000000000000000000000";

/// What `bucket` does; asked once.
pub(super) async fn preconditions(core: &Core, bucket: &str) -> Preconditions {
    let mut probes = core.probes.lock().await;
    if let Some(known) = probes.get(bucket) {
        return *known;
    }
    let key = format!("{}.unwrite-probe-{}", core.folder(bucket), ulid::Ulid::new());
    let place = Place { bucket: bucket.to_owned(), key };
    let found = match put(core, &place).await {
        Preconditions::Enforced => parts(core, &place).await,
        other => other,
    };
    probes.insert(bucket.to_owned(), found);
    found
}

/// What a refusal, or none, says.
fn judge<T>(answer: &Result<T, Fault>) -> Preconditions {
    match answer {
        Ok(_) => Preconditions::Ignored,
        // AWS: 404 NoSuchKey where there is no object to match; others: 412.
        Err(fault) if fault.is_changed() || fault.is("NoSuchKey") => Preconditions::Enforced,
        // It knows no preconditions, and says so.
        Err(fault) if fault.is_unknown_there() => Preconditions::Ignored,
        Err(_) => Preconditions::Unknown,
    }
}

async fn put(core: &Core, place: &Place) -> Preconditions {
    let client = core.client(&place.bucket).await;
    let request = client.put_object().bucket(&place.bucket).key(&place.key).if_match(quoted(NOBODY));
    let request = Kept::default().on_put(core, "probe", request).body(ByteStream::from_static(b""));
    let answer = core.ask(Op::Put, request.customize().config_override(once()).send()).await;
    if let Ok(done) = &answer {
        remove(core, place, done.version_id()).await;
    }
    judge(&answer)
}

async fn parts(core: &Core, place: &Place) -> Preconditions {
    let Ok(id) = uploads::create(core, place, &Kept::default(), "probe").await else { return Preconditions::Unknown };
    // Its only part is the mark: what is left of a probe by a kill is found like any other.
    let found = match uploads::send(core, place, &id, uploads::MARKED, mark::own(), true).await {
        Ok(part) => {
            let list = CompletedMultipartUpload::builder().parts(part).build();
            let client = core.client(&place.bucket).await;
            let request = client
                .complete_multipart_upload()
                .bucket(&place.bucket)
                .key(&place.key)
                .upload_id(&id)
                .multipart_upload(list)
                .if_match(quoted(NOBODY))
                .set_request_payer(core.payer.clone());
            let answer = core.ask(Op::Complete, request.customize().config_override(once()).send()).await;
            if let Ok(done) = &answer {
                remove(core, place, done.version_id()).await;
            }
            judge(&answer)
        }
        Err(_) => Preconditions::Unknown,
    };
    // If it was completed it is gone, and that is no error.
    let _ = uploads::abort(core, place, &id).await;
    found
}

/// Deletes what should not have been written.
async fn remove(core: &Core, place: &Place, version: Option<&str>) {
    let client = core.client(&place.bucket).await;
    let request = client
        .delete_object()
        .bucket(&place.bucket)
        .key(&place.key)
        .set_version_id(version.map(str::to_owned))
        .set_request_payer(core.payer.clone());
    // An empty object with a name that says what it was.
    let _ = core.ask(Op::Delete, request.send()).await;
}
