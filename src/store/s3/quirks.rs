//! What services do that the SDK does not expect.

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;

/// MD5 of a customer's key (S3 API Reference, `GetObject`).
const KEY_DIGEST: &str = "x-amz-server-side-encryption-customer-key-md5";

/// Takes the digest of a customer's key once: `SeaweedFS` tells it twice, and the SDK would take the whole answer for broken.
#[derive(Debug)]
pub(super) struct OneDigest;

impl Intercept for OneDigest {
    fn name(&self) -> &'static str {
        "OneDigest"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.response_mut().headers_mut();
        if let Some(first) = headers.get(KEY_DIGEST).map(str::to_owned) {
            headers.insert(KEY_DIGEST, first);
        }
        Ok(())
    }
}
