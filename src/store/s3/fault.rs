//! What went wrong at a service, as constants and numbers: none of its words is passed on.
//!
//! A service's message may hold a key, and a key an identifier (P4): what is kept of an answer is which operation was asked
//! for, the HTTP status, and the error code if it is one of a known list.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::error::{Error, Kind};

/// An operation of the S3 API that this store calls: there is no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// `AbortMultipartUpload`.
    Abort,
    /// `CompleteMultipartUpload`.
    Complete,
    /// `CreateMultipartUpload`.
    Create,
    /// `DeleteObject`.
    Delete,
    /// `GetObjectAcl`.
    Acl,
    /// `GetBucketVersioning`.
    Versioning,
    /// `GetObject`.
    Get,
    /// `GetObjectTagging`.
    Tagging,
    /// `HeadBucket`.
    HeadBucket,
    /// `HeadObject`.
    Head,
    /// `ListObjectsV2`.
    List,
    /// `ListObjectVersions`.
    ListVersions,
    /// `ListMultipartUploads`.
    ListUploads,
    /// `ListParts`.
    ListParts,
    /// `PutObject`.
    Put,
    /// `RestoreObject`.
    Restore,
    /// `UploadPart`.
    Upload,
    /// `UploadPartCopy`.
    Copy,
}

/// Each operation: its name in the API, and what the credentials need for it.
const OPS: &[(Op, &str, &str)] = &[
    (Op::Abort, "AbortMultipartUpload", "the credentials need s3:AbortMultipartUpload"),
    (Op::Complete, "CompleteMultipartUpload", "the credentials need s3:PutObject"),
    (Op::Create, "CreateMultipartUpload", "the credentials need s3:PutObject"),
    (Op::Delete, "DeleteObject", "the credentials need s3:DeleteObject and s3:DeleteObjectVersion"),
    (Op::Acl, "GetObjectAcl", "the credentials need s3:GetObjectAcl"),
    (Op::Versioning, "GetBucketVersioning", "the credentials need s3:GetBucketVersioning"),
    (Op::Get, "GetObject", "the credentials need s3:GetObject, and kms:Decrypt where KMS has the key"),
    (Op::Tagging, "GetObjectTagging", "the credentials need s3:GetObjectTagging"),
    (Op::HeadBucket, "HeadBucket", "the credentials need s3:ListBucket"),
    (Op::Head, "HeadObject", "the credentials need s3:GetObject and s3:ListBucket"),
    (Op::List, "ListObjectsV2", "the credentials need s3:ListBucket"),
    (Op::ListVersions, "ListObjectVersions", "the credentials need s3:ListBucketVersions"),
    (Op::ListUploads, "ListMultipartUploads", "the credentials need s3:ListBucketMultipartUploads"),
    (Op::ListParts, "ListParts", "the credentials need s3:ListMultipartUploadParts"),
    (
        Op::Put,
        "PutObject",
        "the credentials need s3:PutObject, s3:PutObjectTagging for tags, kms:GenerateDataKey where KMS has the key",
    ),
    (Op::Restore, "RestoreObject", "the credentials need s3:RestoreObject"),
    (Op::Upload, "UploadPart", "the credentials need s3:PutObject"),
    (Op::Copy, "UploadPartCopy", "the credentials need s3:GetObject, s3:GetObjectVersion and s3:PutObject"),
];

impl Op {
    /// All of them, by their names in the API: what a policy must allow is derived from these.
    pub fn all() -> impl Iterator<Item = &'static str> {
        OPS.iter().map(|(_, name, _)| *name)
    }

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        OPS.iter().find(|(op, ..)| *op == self).map_or("", |(_, name, _)| name)
    }

    fn need(self) -> &'static str {
        OPS.iter().find(|(op, ..)| *op == self).map_or("", |(.., need)| need)
    }
}

/// Error codes that are told by name (Amazon S3 API reference, "Error responses"); others are told by their status alone.
const CODES: &[&str] = &[
    "AccessDenied",
    "AllAccessDisabled",
    "AuthorizationHeaderMalformed",
    "BadDigest",
    "BucketAlreadyExists",
    "ConditionalRequestConflict",
    "EntityTooLarge",
    "EntityTooSmall",
    "ExpiredToken",
    "IllegalLocationConstraintException",
    "InternalError",
    "InvalidAccessKeyId",
    "InvalidArgument",
    "InvalidBucketName",
    "InvalidDigest",
    "InvalidObjectState",
    "InvalidPart",
    "InvalidPartOrder",
    "InvalidRange",
    "InvalidRequest",
    "InvalidStorageClass",
    "InvalidToken",
    "KMS.DisabledException",
    "KMS.NotFoundException",
    "KeyTooLongError",
    "MalformedXML",
    "MethodNotAllowed",
    "MissingContentLength",
    "NoSuchBucket",
    "NoSuchKey",
    "NoSuchUpload",
    "NoSuchVersion",
    "NotFound",
    "NotImplemented",
    "ObjectAlreadyInActiveTierError",
    "OperationAborted",
    "PermanentRedirect",
    "PreconditionFailed",
    "RequestTimeTooSkewed",
    "RequestTimeout",
    "RestoreAlreadyInProgress",
    "ServiceUnavailable",
    "SignatureDoesNotMatch",
    "SlowDown",
    "TemporaryRedirect",
    "TooManyParts",
    "XAmzContentSHA256Mismatch",
];

/// One request that did not do what it was to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) op: Op,
    pub(super) what: What,
}

/// In what way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// The service said no: HTTP status and code (empty: none that is known).
    Refused(u16, &'static str),
    /// No answer, or none that could be read: whether it was done is not known.
    NoAnswer(&'static str),
    /// It was not sent.
    NotSent(&'static str),
    /// What it sent is not what was asked for.
    Odd(&'static str),
}

impl Fault {
    /// What `error`, an answer to `op`, comes to.
    pub(super) fn of<E: ProvideErrorMetadata>(op: Op, error: &SdkError<E>) -> Self {
        let status = error.raw_response().map(|answer| answer.status().as_u16());
        let what = match error {
            SdkError::ServiceError(said) => {
                let code = said.err().code().unwrap_or_default();
                let code = CODES.iter().find(|known| **known == code).copied().unwrap_or_default();
                What::Refused(status.unwrap_or_default(), code)
            }
            SdkError::ResponseError(_) => match status {
                Some(status) if status >= 300 => What::Refused(status, ""),
                _ => What::NoAnswer("its answer could not be read"),
            },
            SdkError::TimeoutError(_) => What::NoAnswer("no answer in time"),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => What::NoAnswer("no answer in time"),
            SdkError::DispatchFailure(failure) if failure.is_user() => What::NotSent("the request could not be made"),
            // Credentials that cannot be had have no kind of their own. The text is looked at and not passed on.
            SdkError::DispatchFailure(_) if told(error, "redentials") => What::NotSent("no usable credentials"),
            // Also an answer that was lost on its way.
            SdkError::DispatchFailure(_) => What::NoAnswer("no connection"),
            _ => What::NotSent("the request could not be made"),
        };
        Self { op, what }
    }

    pub(super) fn odd(op: Op, what: &'static str) -> Self {
        Self { op, what: What::Odd(what) }
    }

    pub(super) fn status(&self) -> u16 {
        if let What::Refused(status, _) = self.what { status } else { 0 }
    }

    pub(super) fn is(&self, wanted: &str) -> bool {
        matches!(self.what, What::Refused(_, code) if code == wanted)
    }

    /// The object, or this version of it, is not there. (A HEAD has no code.)
    pub(super) fn is_gone(&self) -> bool {
        self.status() == 404 && !self.is("NoSuchBucket") && !self.is("NoSuchUpload")
    }

    /// A precondition did not hold.
    pub(super) fn is_changed(&self) -> bool {
        self.status() == 412
    }

    /// The service, or what stands in front of it, has no such operation or header.
    pub(super) fn is_unknown_there(&self) -> bool {
        matches!(self.status(), 501 | 405)
    }

    /// It may have been done all the same.
    pub(super) fn may_be_done(&self) -> bool {
        matches!(self.what, What::NoAnswer(_)) || self.status() >= 500
    }
}

/// Whether the error, or what it comes of, says so.
fn told<E>(error: &SdkError<E>, word: &str) -> bool {
    let mut source = match error {
        SdkError::DispatchFailure(failure) => failure.as_connector_error().map(|error| error as &dyn std::error::Error),
        _ => None,
    };
    while let Some(error) = source {
        if error.to_string().contains(word) {
            return true;
        }
        source = error.source();
    }
    false
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let name = fault.op.name();
        match fault.what {
            What::Refused(412, _) => Self::new(Kind::Skipped, "changed"),
            What::Refused(403, "InvalidObjectState") => Self::new(Kind::Pending, "archived"),
            What::Refused(404, _) if fault.is_gone() && fault.op != Op::HeadBucket => {
                Self::new(Kind::Skipped, "vanished")
            }
            What::Refused(status, code) => {
                let code = if code.is_empty() { String::new() } else { format!(" {code}") };
                let error = Self::new(Kind::Io, format!("{name}: HTTP {status}{code}"));
                match (status, code.trim_start()) {
                    (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken" | "InvalidToken") => {
                        error.help("see --profile and the AWS_* variables")
                    }
                    (_, "RequestTimeTooSkewed") => error.help("this machine's clock is wrong"),
                    (_, "NoSuchBucket") => error.help("is there such a bucket at this endpoint?"),
                    (401 | 403, _) => error.help(fault.op.need()),
                    (
                        301 | 307 | 308 | 400,
                        "PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed",
                    )
                    | (301 | 307 | 308, _) => error.help("the bucket lies in another region: see --region"),
                    (400, _) if matches!(fault.op, Op::Get | Op::Head) => {
                        error.help("where the customer keeps the key: see --sse-c-key")
                    }
                    _ => error,
                }
            }
            What::NoAnswer(why) => Self::new(Kind::Io, format!("{name}: {why}")).help("see --endpoint-url"),
            What::NotSent(why) => Self::new(Kind::Io, format!("{name}: {why}"))
                .help("see --profile, --no-sign-request and the AWS_* variables"),
            What::Odd(why) => Self::new(Kind::Io, format!("{name}: {why}")),
        }
    }
}
