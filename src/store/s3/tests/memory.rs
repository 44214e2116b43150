//! A store in memory behind `s3s`, for what `s3s-fs` has not: preconditions on every operation, versions and locks, tags, ACLs, pages
//! of listings, unfinished uploads. Wire format, signatures and checksums are those of `s3s`.

use std::time::SystemTime;

use md5::{Digest as _, Md5};
use s3s::dto::*;
use s3s::{Body, S3, S3Request, S3Response, S3Result, s3_error};

pub use super::model::{Kept, Memory, Unfinished, Version};
use super::model::{PAGE, escape, etag, hex};

async fn all(body: Option<StreamingBlob>) -> S3Result<Vec<u8>> {
    let Some(body) = body else { return Ok(Vec::new()) };
    let bytes = Body::from(body).store_all_limited(1 << 30).await;
    bytes.map(|bytes| bytes.to_vec()).map_err(|_| s3_error!(BadDigest))
}

fn seconds(at: Option<SystemTime>) -> Option<Timestamp> {
    at.map(Timestamp::from)
}

macro_rules! kept {
    ($input:expr) => {
        Kept {
            metadata: $input.metadata.clone().unwrap_or_default().into_iter().collect(),
            content_type: $input.content_type.clone(),
            content_encoding: $input.content_encoding.clone(),
            content_disposition: $input.content_disposition.clone(),
            content_language: $input.content_language.clone(),
            cache_control: $input.cache_control.clone(),
            redirect: $input.website_redirect_location.clone(),
            class: $input.storage_class.clone().map(|class| class.as_str().to_owned()),
            encryption: $input.server_side_encryption.clone().map(|kind| kind.as_str().to_owned()),
            kms_key: $input.ssekms_key_id.clone(),
            tagging: $input.tagging.clone(),
            read_for: $input.grant_read.clone(),
            customer: $input.sse_customer_key_md5.clone(),
        }
    };
}

#[async_trait::async_trait]
impl S3 for Memory {
    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.lock().bucket(&req.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let mut input = req.input;
        let body = all(input.body.take()).await?;
        let mut state = self.lock();
        let bucket = state.bucket(&input.bucket)?;
        bucket.judge(&input.key, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let versioned = bucket.versioned;
        let tag = hex(&Md5::digest(&body));
        let id = state.write(&input.bucket, &input.key, body, tag.clone(), kept!(input))?;
        let version_id = versioned.then_some(id);
        Ok(S3Response::new(PutObjectOutput { e_tag: Some(etag(&tag)), version_id, ..Default::default() }))
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = req.input;
        let mut state = self.lock();
        let bucket = state.bucket(&input.bucket)?;
        let version = bucket.version(&input.key, input.version_id.as_deref())?;
        if input.if_match.as_ref().and_then(ETagCondition::as_etag).is_some_and(|tag| tag.value() != version.etag) {
            return Err(s3_error!(PreconditionFailed));
        }
        if version.head.class.as_deref() == Some("GLACIER") {
            return Err(s3_error!(InvalidObjectState));
        }
        if version.head.customer != input.sse_customer_key_md5 {
            return Err(s3_error!(InvalidRequest));
        }
        let len = version.body.len() as u64;
        let range = input.range.map(|range| range.check(len)).transpose()?;
        let content_range = range.as_ref().map(|range| format!("bytes {}-{}/{len}", range.start, range.end - 1));
        let range = range.unwrap_or(0..len);
        let body = version.body[range.start as usize..range.end as usize].to_vec();
        Ok(S3Response::new(GetObjectOutput {
            content_length: Some(body.len() as i64),
            body: Some(StreamingBlob::from(Body::from(body))),
            content_range,
            e_tag: Some(etag(&version.etag)),
            version_id: bucket.versioned.then(|| version.id.clone()),
            last_modified: seconds(version.modified),
            ..Default::default()
        }))
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = req.input;
        let mut state = self.lock();
        let bucket = state.bucket(&input.bucket)?;
        let version = bucket.version(&input.key, input.version_id.as_deref())?;
        if input.if_match.as_ref().and_then(ETagCondition::as_etag).is_some_and(|tag| tag.value() != version.etag) {
            return Err(s3_error!(PreconditionFailed));
        }
        let head = &version.head;
        if head.customer != input.sse_customer_key_md5 {
            return Err(s3_error!(InvalidRequest));
        }
        Ok(S3Response::new(HeadObjectOutput {
            content_length: Some(version.body.len() as i64),
            e_tag: Some(etag(&version.etag)),
            version_id: bucket.versioned.then(|| version.id.clone()),
            last_modified: seconds(version.modified),
            metadata: Some(head.metadata.clone().into_iter().collect()),
            content_type: head.content_type.clone(),
            content_encoding: head.content_encoding.clone(),
            content_disposition: head.content_disposition.clone(),
            content_language: head.content_language.clone(),
            cache_control: head.cache_control.clone(),
            website_redirect_location: head.redirect.clone(),
            storage_class: head.class.clone().map(Into::into),
            server_side_encryption: head.encryption.clone().map(Into::into),
            ssekms_key_id: head.kms_key.clone(),
            sse_customer_algorithm: head.customer.as_ref().map(|_| "AES256".to_owned()),
            sse_customer_key_md5: head.customer.clone(),
            object_lock_retain_until_date: seconds(version.locked_until),
            object_lock_legal_hold_status: version.legal_hold.then(|| ObjectLockLegalHoldStatus::from_static("ON")),
            ..Default::default()
        }))
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = req.input;
        let mut state = self.lock();
        let bucket = state.bucket(&input.bucket)?;
        let prefix = input.prefix.unwrap_or_default();
        // The token is in code: it is opaque.
        let token = input.continuation_token.map(|token| data_encoding::HEXLOWER.decode(token.as_bytes()).unwrap());
        let token = token.map(|token| String::from_utf8(token).unwrap());
        let after = token.or(input.start_after).unwrap_or_default();
        let (mut contents, mut folders) = (Vec::new(), Vec::<CommonPrefix>::new());
        let (mut last, mut truncated) = (String::new(), false);
        for key in bucket.keys.keys().filter(|key| key.starts_with(&prefix) && **key > after) {
            let Some(version) = bucket.current(key) else { continue };
            let folder = input.delimiter.as_ref().and_then(|delimiter| {
                let end = key[prefix.len()..].find(delimiter.as_str())?;
                Some(key[..prefix.len() + end + delimiter.len()].to_owned())
            });
            let known = folder.as_deref().map(escape);
            if known.is_some() && folders.last().and_then(|folder| folder.prefix.clone()) == known {
                last.clone_from(key);
                continue;
            }
            if contents.len() + folders.len() == PAGE {
                truncated = true;
                break;
            }
            last.clone_from(key);
            if known.is_some() {
                folders.push(CommonPrefix { prefix: known });
                continue;
            }
            contents.push(Object {
                key: Some(escape(key)),
                size: Some(version.body.len() as i64),
                e_tag: Some(etag(&version.etag)),
                last_modified: seconds(version.modified),
                storage_class: version.head.class.clone().map(Into::into),
                ..Default::default()
            });
        }
        Ok(S3Response::new(ListObjectsV2Output {
            contents: Some(contents),
            common_prefixes: Some(folders),
            is_truncated: Some(truncated),
            next_continuation_token: truncated.then(|| hex(last.as_bytes())),
            encoding_type: Some(EncodingType::from_static("url")),
            ..Default::default()
        }))
    }

    async fn list_object_versions(
        &self,
        req: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let input = req.input;
        let mut state = self.lock();
        let bucket = state.bucket(&input.bucket)?;
        let prefix = input.prefix.unwrap_or_default();
        let from = input.key_marker.map(|key| (key, input.version_id_marker.unwrap_or_default()));
        let mut behind = from.is_none();
        let mut out = ListObjectVersionsOutput::default();
        let (mut versions, mut markers) = (Vec::new(), Vec::new());
        'all: for (key, all) in bucket.keys.iter().filter(|(key, _)| key.starts_with(&prefix)) {
            for (n, version) in all.iter().rev().enumerate() {
                if !behind {
                    let (marker, id) = from.as_ref().unwrap();
                    behind = key > marker || (key == marker && (*id == version.id || id.is_empty()));
                    if key <= marker {
                        continue;
                    }
                }
                if versions.len() + markers.len() == PAGE {
                    out.is_truncated = Some(true);
                    break 'all;
                }
                out.next_key_marker = Some(escape(key));
                out.next_version_id_marker = Some(version.id.clone());
                let (key, is_latest, last_modified) = (Some(escape(key)), Some(n == 0), seconds(version.modified));
                let version_id = Some(version.id.clone());
                if version.is_marker {
                    markers.push(DeleteMarkerEntry { key, is_latest, last_modified, version_id, ..Default::default() });
                } else {
                    let (size, e_tag) = (Some(version.body.len() as i64), Some(etag(&version.etag)));
                    versions.push(ObjectVersion {
                        key,
                        is_latest,
                        last_modified,
                        version_id,
                        size,
                        e_tag,
                        ..Default::default()
                    });
                }
            }
        }
        if out.is_truncated.is_none() {
            (out.is_truncated, out.next_key_marker, out.next_version_id_marker) = (Some(false), None, None);
        }
        out.encoding_type = Some(EncodingType::from_static("url"));
        (out.versions, out.delete_markers) = (Some(versions), Some(markers));
        Ok(S3Response::new(out))
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = req.input;
        let mut state = self.lock();
        let id = state.id();
        let bucket = state.bucket(&input.bucket)?;
        let versioned = bucket.versioned;
        let all = bucket.keys.entry(input.key.clone()).or_default();
        match &input.version_id {
            Some(id) => {
                let now = SystemTime::now();
                let locked = |version: &Version| version.legal_hold || version.locked_until.is_some_and(|at| at > now);
                if all.iter().any(|version| version.id == *id && locked(version)) {
                    return Err(s3_error!(AccessDenied));
                }
                all.retain(|version| version.id != *id);
            }
            None if versioned => {
                let modified = Some(SystemTime::now());
                all.push(Version { id, is_marker: true, modified, ..Version::default() });
            }
            None => all.clear(),
        }
        if all.is_empty() {
            bucket.keys.remove(&input.key);
        }
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = req.input;
        let mut state = self.lock();
        let id = state.id();
        let head = kept!(input);
        let upload = Unfinished { key: input.key, head, begun: Some(SystemTime::now()), ..Unfinished::default() };
        state.bucket(&input.bucket)?.uploads.insert(id.clone(), upload);
        Ok(S3Response::new(CreateMultipartUploadOutput { upload_id: Some(id), ..Default::default() }))
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let mut input = req.input;
        let body = all(input.body.take()).await?;
        let tag = hex(&Md5::digest(&body));
        let mut state = self.lock();
        let uploads = &mut state.bucket(&input.bucket)?.uploads;
        let upload = uploads.get_mut(&input.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        upload.parts.insert(input.part_number, body);
        Ok(S3Response::new(UploadPartOutput {
            e_tag: Some(etag(&tag)),
            checksum_crc32: input.checksum_crc32,
            ..Default::default()
        }))
    }

    async fn upload_part_copy(
        &self,
        req: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let input = req.input;
        let CopySource::Bucket { bucket, key, version_id } = &input.copy_source else {
            return Err(s3_error!(NotImplemented));
        };
        let mut state = self.lock();
        let version = state.bucket(bucket)?.version(key, version_id.as_deref())?.clone();
        let wanted = input.copy_source_if_match.as_ref().and_then(ETagCondition::as_etag);
        if wanted.is_some_and(|tag| tag.value() != version.etag) {
            return Err(s3_error!(PreconditionFailed));
        }
        if version.head.customer != input.copy_source_sse_customer_key_md5 {
            return Err(s3_error!(InvalidRequest));
        }
        let range = input.copy_source_range.as_deref().and_then(|range| range.strip_prefix("bytes="));
        let (first, last) = range.and_then(|range| range.split_once('-')).ok_or_else(|| s3_error!(InvalidArgument))?;
        let range = first.parse::<usize>().unwrap()..last.parse::<usize>().unwrap() + 1;
        let body = version.body.get(range).ok_or_else(|| s3_error!(InvalidRange))?.to_vec();
        let tag = hex(&Md5::digest(&body));
        let uploads = &mut state.bucket(&input.bucket)?.uploads;
        let upload = uploads.get_mut(&input.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        upload.parts.insert(input.part_number, body);
        let copy_part_result = Some(CopyPartResult { e_tag: Some(etag(&tag)), ..Default::default() });
        Ok(S3Response::new(UploadPartCopyOutput { copy_part_result, ..Default::default() }))
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = req.input;
        let mut state = self.lock();
        let least = state.least_part;
        let bucket = state.bucket(&input.bucket)?;
        let upload = bucket.uploads.get(&input.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?.clone();
        bucket.judge(&input.key, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let wanted = input.multipart_upload.and_then(|list| list.parts).unwrap_or_default();
        let (mut body, mut tags, mut before) = (Vec::new(), Vec::new(), 0);
        for (n, part) in wanted.iter().enumerate() {
            let number = part.part_number.unwrap_or_default();
            let bytes = upload.parts.get(&number).ok_or_else(|| s3_error!(InvalidPart))?;
            if number <= before {
                return Err(s3_error!(InvalidPartOrder));
            }
            if bytes.len() < least && n + 1 < wanted.len() {
                return Err(s3_error!(EntityTooSmall));
            }
            if part.e_tag.as_ref().map(ETag::value) != Some(&hex(&Md5::digest(bytes))) {
                return Err(s3_error!(InvalidPart));
            }
            before = number;
            body.extend_from_slice(bytes);
            tags.extend_from_slice(&Md5::digest(bytes));
        }
        bucket.uploads.remove(&input.upload_id);
        let versioned = bucket.versioned;
        let tag = format!("{}-{}", hex(&Md5::digest(&tags)), wanted.len());
        let id = state.write(&input.bucket, &input.key, body, tag.clone(), upload.head)?;
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            e_tag: Some(etag(&tag)),
            version_id: versioned.then_some(id),
            ..Default::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let removed = self.lock().bucket(&req.input.bucket)?.uploads.remove(&req.input.upload_id);
        removed.ok_or_else(|| s3_error!(NoSuchUpload))?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    async fn restore_object(&self, req: S3Request<RestoreObjectInput>) -> S3Result<S3Response<RestoreObjectOutput>> {
        let input = req.input;
        let days = input.restore_request.and_then(|request| request.days);
        let mut state = self.lock();
        let version = state.bucket(&input.bucket)?.version(&input.key, input.version_id.as_deref())?;
        let is_archived = version.head.class.as_deref() == Some("GLACIER") && days == Some(3);
        is_archived.then(|| S3Response::new(RestoreObjectOutput::default())).ok_or_else(|| s3_error!(InvalidRequest))
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let prefix = req.input.prefix.unwrap_or_default();
        let mut state = self.lock();
        let uploads = state.bucket(&req.input.bucket)?.uploads.iter();
        let uploads =
            uploads.filter(|(_, upload)| upload.key.starts_with(&prefix)).map(|(id, upload)| MultipartUpload {
                key: Some(escape(&upload.key)),
                upload_id: Some(id.clone()),
                initiated: seconds(upload.begun),
                ..Default::default()
            });
        Ok(S3Response::new(ListMultipartUploadsOutput {
            uploads: Some(uploads.collect()),
            is_truncated: Some(false),
            encoding_type: Some(EncodingType::from_static("url")),
            ..Default::default()
        }))
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        let after = req.input.part_number_marker.unwrap_or_default();
        let most = req.input.max_parts.unwrap_or(1000);
        let mut state = self.lock();
        let uploads = &state.bucket(&req.input.bucket)?.uploads;
        let upload = uploads.get(&req.input.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        let parts = upload.parts.iter().filter(|(number, _)| **number > after).take(most as usize);
        let parts = parts.map(|(number, bytes)| Part {
            part_number: Some(*number),
            size: Some(bytes.len() as i64),
            e_tag: Some(etag(&hex(&Md5::digest(bytes)))),
            ..Default::default()
        });
        Ok(S3Response::new(ListPartsOutput { parts: Some(parts.collect()), ..Default::default() }))
    }

    async fn get_object_tagging(
        &self,
        req: S3Request<GetObjectTaggingInput>,
    ) -> S3Result<S3Response<GetObjectTaggingOutput>> {
        let mut state = self.lock();
        let version = state.bucket(&req.input.bucket)?.version(&req.input.key, req.input.version_id.as_deref())?;
        let tag = |(key, value): &(String, String)| Tag { key: Some(key.clone()), value: Some(value.clone()) };
        let tag_set = version.tags.iter().map(tag).collect();
        Ok(S3Response::new(GetObjectTaggingOutput { tag_set, version_id: None }))
    }

    async fn get_object_acl(&self, req: S3Request<GetObjectAclInput>) -> S3Result<S3Response<GetObjectAclOutput>> {
        let mut state = self.lock();
        let version = state.bucket(&req.input.bucket)?.version(&req.input.key, req.input.version_id.as_deref())?;
        let grant = |id: &str, permission: &'static str| Grant {
            grantee: Some(Grantee {
                type_: Type::from_static(Type::CANONICAL_USER),
                id: Some(id.to_owned()),
                display_name: None,
                email_address: None,
                uri: None,
            }),
            permission: Some(Permission::from_static(permission)),
        };
        let mut grants = vec![grant("owner", Permission::FULL_CONTROL)];
        let other = version.head.read_for.as_deref().and_then(|who| who.strip_prefix("id=\"")?.strip_suffix('"'));
        grants.extend(other.map(|id| grant(id, Permission::READ)));
        let owner = Some(Owner { id: Some("owner".to_owned()), display_name: None });
        Ok(S3Response::new(GetObjectAclOutput { grants: Some(grants), owner, request_charged: None }))
    }

    async fn get_bucket_versioning(
        &self,
        req: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        self.lock().bucket(&req.input.bucket)?;
        Ok(S3Response::new(GetBucketVersioningOutput::default()))
    }
}
