//! What an object has besides its bytes, and what its successor must have too.
//!
//! Kept: user metadata, `Content-Type`, `-Encoding`, `-Disposition`, `-Language`, `Cache-Control`, `Expires`, website redirect,
//! storage class, server-side encryption with its key, tags, and the ACL where it says more than that the owner may do all. What
//! cannot be read cannot be kept: then the artifact fails, before anything is written.

use std::collections::HashMap;

use aws_sdk_s3::operation::create_multipart_upload::builders::CreateMultipartUploadFluentBuilder;
use aws_sdk_s3::operation::get_object_acl::GetObjectAclOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::types::{Grant, Permission, ServerSideEncryption, StorageClass};

use super::core::{Core, bare, quoted};
use super::fault::{Fault, Op};
use super::list::{cut, encoded, is_archive};
use super::sse::{self, CustomerKey};
use super::{Entry, Place};

/// User metadata by which a write of ours is known again: a ULID of its own for each.
pub(super) const MARK: &str = "unwrite-run";

/// A look at an object.
pub(super) struct Head {
    pub(super) entry: Entry,
    pub(super) output: HeadObjectOutput,
}

impl Head {
    /// The mark of the write that made it.
    pub(super) fn mark(&self) -> Option<&str> {
        self.metadata(MARK)
    }

    /// User metadata of that name.
    pub(super) fn metadata(&self, name: &str) -> Option<&str> {
        self.output.metadata()?.get(name).map(String::as_str)
    }
}

/// Looks at the current version of an object, or at another.
pub(super) async fn look_at(core: &Core, place: &Place, version: Option<&str>) -> Result<Head, Fault> {
    head(core, place, None, version).await
}

/// Looks at the current version of an object, or at another; with `etag` only if it is that.
pub(super) async fn head(core: &Core, place: &Place, etag: Option<&str>, version: Option<&str>) -> Result<Head, Fault> {
    match look(core, place, (etag, version), core.customer_key.as_ref()).await {
        // A service refuses the customer's key for what is not encrypted with it.
        Err(fault) if fault.status() == 400 && core.customer_key.is_some() => {
            look(core, place, (etag, version), None).await
        }
        found => found,
    }
}

async fn look(
    core: &Core,
    place: &Place,
    (etag, version): (Option<&str>, Option<&str>),
    key: Option<&CustomerKey>,
) -> Result<Head, Fault> {
    let client = core.client(&place.bucket).await;
    let request = client
        .head_object()
        .bucket(&place.bucket)
        .key(&place.key)
        .set_if_match(etag.map(quoted))
        .set_version_id(version.map(str::to_owned))
        .set_request_payer(core.payer.clone())
        .set_sse_customer_algorithm(key.map(|_| sse::ALGORITHM.to_owned()))
        .set_sse_customer_key(key.map(CustomerKey::base64))
        .set_sse_customer_key_md5(key.map(CustomerKey::md5));
    let output = core.ask(Op::Head, request.send()).await?;
    let size = output.content_length().and_then(|len| u64::try_from(len).ok());
    let class = output.storage_class().map(|class| class.as_str().to_owned()).filter(|class| class != "STANDARD");
    // RestoreObject, "x-amz-restore": `ongoing-request="false", expiry-date="…"` once it can be read.
    let restored = output.restore().is_some_and(|text| text.contains("ongoing-request=\"false\""));
    let entry = Entry {
        place: place.clone(),
        size: size.ok_or(Fault::odd(Op::Head, "an object without a size"))?,
        etag: bare(output.e_tag().unwrap_or_default()).to_owned(),
        version: output.version_id().map(str::to_owned),
        modified: output.last_modified().map_or(0, cut),
        archived: core.is_aws() && !restored && (is_archive(class.as_deref()) || output.archive_status().is_some()),
        class,
        is_latest: true,
        is_delete_marker: false,
    };
    Ok(Head { entry, output })
}

/// What the successor gets. The default: what the bucket gives by itself.
#[derive(Clone, Default)]
pub(super) struct Kept {
    metadata: HashMap<String, String>,
    content_type: Option<String>,
    content_encoding: Option<String>,
    content_disposition: Option<String>,
    content_language: Option<String>,
    cache_control: Option<String>,
    /// As it was written: it need not be a date.
    expires: Option<String>,
    redirect: Option<String>,
    class: Option<StorageClass>,
    encryption: Option<ServerSideEncryption>,
    kms_key: Option<String>,
    bucket_key: Option<bool>,
    tags: Option<String>,
    grants: Grants,
    /// Not encrypted with the customer's key, though there is one.
    is_plain: bool,
}

/// The ACL as headers of a write carry it.
#[derive(Clone, Default)]
struct Grants {
    full: Option<String>,
    read: Option<String>,
    read_acp: Option<String>,
    write_acp: Option<String>,
}

/// Sets all that is kept on a request of either kind: the SDK's builders have the same setters, and no trait for them.
macro_rules! put_on {
    ($kept:expr, $core:expr, $mark:expr, $request:expr) => {{
        let key = $core.key($kept.is_keyed());
        $request
            .set_metadata(Some($kept.marked($mark)))
            .set_content_type($kept.content_type.clone())
            .set_content_encoding($kept.content_encoding.clone())
            .set_content_disposition($kept.content_disposition.clone())
            .set_content_language($kept.content_language.clone())
            .set_cache_control($kept.cache_control.clone())
            .set_website_redirect_location($kept.redirect.clone())
            .set_storage_class($kept.class.clone())
            .set_server_side_encryption($kept.encryption.clone())
            .set_ssekms_key_id($kept.kms_key.clone())
            .set_bucket_key_enabled($kept.bucket_key)
            .set_tagging($kept.tags.clone())
            .set_grant_full_control($kept.grants.full.clone())
            .set_grant_read($kept.grants.read.clone())
            .set_grant_read_acp($kept.grants.read_acp.clone())
            .set_grant_write_acp($kept.grants.write_acp.clone())
            .set_request_payer($core.payer.clone())
            .set_sse_customer_algorithm(key.map(|_| sse::ALGORITHM.to_owned()))
            .set_sse_customer_key(key.map(CustomerKey::base64))
            .set_sse_customer_key_md5(key.map(CustomerKey::md5))
    }};
}

impl Kept {
    /// All of it, as the service tells; a copy at another place gets the encryption and ACL that its bucket gives.
    pub(super) async fn of(core: &Core, head: &Head, in_place: bool) -> Result<Self, Fault> {
        let output = &head.output;
        if output.missing_meta().is_some_and(|n| n > 0) {
            return Err(Fault::odd(Op::Head, "metadata that cannot be kept: no header can carry it"));
        }
        let text = |value: Option<&str>| value.map(str::to_owned);
        let by_customer = output.sse_customer_algorithm().is_some();
        Ok(Self {
            metadata: output.metadata().cloned().unwrap_or_default(),
            content_type: text(output.content_type()),
            content_encoding: output.content_encoding().and_then(without_chunks),
            content_disposition: text(output.content_disposition()),
            content_language: text(output.content_language()),
            cache_control: text(output.cache_control()),
            expires: text(output.expires_string()),
            redirect: text(output.website_redirect_location()),
            class: output.storage_class().cloned(),
            encryption: output.server_side_encryption().filter(|_| in_place && !by_customer).cloned(),
            kms_key: text(output.ssekms_key_id().filter(|_| in_place)),
            bucket_key: output.bucket_key_enabled().filter(|_| in_place && output.ssekms_key_id().is_some()),
            tags: tags(core, &head.entry).await?,
            is_plain: !by_customer,
            grants: if in_place { grants(core, &head.entry).await? } else { Grants::default() },
        })
    }

    /// Of a new object of that media type.
    pub(super) fn typed(content_type: &str) -> Self {
        Self { content_type: Some(content_type.to_owned()), ..Self::default() }
    }

    /// With that user metadata.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.metadata.insert(name.to_owned(), value.to_owned());
    }

    /// On a write in one request.
    pub(super) fn on_put(&self, core: &Core, mark: &str, request: PutObjectFluentBuilder) -> PutObjectFluentBuilder {
        put_on!(self, core, mark, request)
    }

    /// On a write in parts.
    pub(super) fn on_create(
        &self,
        core: &Core,
        mark: &str,
        request: CreateMultipartUploadFluentBuilder,
    ) -> CreateMultipartUploadFluentBuilder {
        put_on!(self, core, mark, request)
    }

    /// `Expires`, which is set on the request itself: the SDK takes dates only.
    pub(super) fn expires(&self) -> Option<String> {
        self.expires.clone()
    }

    /// Whether it is encrypted with the customer's key, if there is one.
    pub(super) fn is_keyed(&self) -> bool {
        !self.is_plain
    }

    fn marked(&self, mark: &str) -> HashMap<String, String> {
        let mut metadata = self.metadata.clone();
        metadata.insert(MARK.to_owned(), mark.to_owned());
        metadata
    }
}

/// A content coding less `aws-chunked`, which is of the transfer; some services keep it.
fn without_chunks(coding: &str) -> Option<String> {
    let rest: Vec<&str> = coding.split(',').map(str::trim).filter(|word| *word != "aws-chunked").collect();
    Some(rest.join(",")).filter(|rest| !rest.is_empty())
}

async fn tags(core: &Core, entry: &Entry) -> Result<Option<String>, Fault> {
    let client = core.client(&entry.place.bucket).await;
    let request = client
        .get_object_tagging()
        .bucket(&entry.place.bucket)
        .key(&entry.place.key)
        .set_version_id(entry.version.clone())
        .set_request_payer(core.payer.clone());
    match core.ask(Op::Tagging, request.send()).await {
        Ok(found) => {
            let pair = |(key, value): (&str, &str)| format!("{}={}", encoded(key, false), encoded(value, false));
            let tags: Vec<String> = found.tag_set().iter().map(|tag| pair((tag.key(), tag.value()))).collect();
            Ok(Some(tags.join("&")).filter(|tags| !tags.is_empty()))
        }
        // There are none where nobody can have set one.
        Err(fault) if fault.is_unknown_there() || fault.is("NoSuchTagSet") => Ok(None),
        Err(fault) => Err(fault),
    }
}

async fn grants(core: &Core, entry: &Entry) -> Result<Grants, Fault> {
    let client = core.client(&entry.place.bucket).await;
    let request = client
        .get_object_acl()
        .bucket(&entry.place.bucket)
        .key(&entry.place.key)
        .set_version_id(entry.version.clone())
        .set_request_payer(core.payer.clone());
    match core.ask(Op::Acl, request.send()).await {
        Ok(found) => Grants::of(&found),
        Err(fault) if fault.is_unknown_there() || fault.is("AccessControlListNotSupported") => Ok(Grants::default()),
        Err(fault) => Err(fault),
    }
}

impl Grants {
    /// None, where only the owner may do all: that is what every object gets, and buckets without ACLs refuse any other.
    fn of(found: &GetObjectAclOutput) -> Result<Self, Fault> {
        let owner = found.owner().and_then(|owner| owner.id());
        let is_owner = |grant: &Grant| {
            let id = grant.grantee().and_then(|grantee| grantee.id());
            grant.permission() == Some(&Permission::FullControl) && (id == owner || id.is_none_or(str::is_empty))
        };
        let mut grants = Self::default();
        if found.grants().iter().all(is_owner) {
            return Ok(grants);
        }
        for grant in found.grants() {
            let to = match grant.permission() {
                Some(Permission::FullControl) => &mut grants.full,
                Some(Permission::Read) => &mut grants.read,
                Some(Permission::ReadAcp) => &mut grants.read_acp,
                Some(Permission::WriteAcp) => &mut grants.write_acp,
                // For objects it means nothing (S3 user guide, "ACL overview").
                Some(Permission::Write) => continue,
                _ => return Err(Fault::odd(Op::Acl, "an ACL that cannot be kept")),
            };
            let who = grant.grantee().and_then(|grantee| {
                let id = grantee.id().map(|id| format!("id=\"{id}\""));
                id.or_else(|| grantee.uri().map(|uri| format!("uri=\"{uri}\"")))
            });
            let who = who.ok_or(Fault::odd(Op::Acl, "an ACL that cannot be kept"))?;
            match to {
                Some(all) => {
                    all.push_str(", ");
                    all.push_str(&who);
                }
                None => *to = Some(who),
            }
        }
        Ok(grants)
    }
}
