//! The client: whose credentials, which endpoint and region, how often a request is made again, how many at a time.
//!
//! The chain is that of every AWS tool (variables, profile, SSO, `credential_process`, web identity, container, instance).
//! Requests are made again by the SDK, with exponential back-off and jitter, on 5xx, throttling and lost connections.
//! The runtime is private to this store: callers are threads, and block.

use std::collections::HashMap;
use std::future::Future;
use std::num::NonZeroU32;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::{RetryPartition, TokenBucket};
use aws_sdk_s3::config::{Builder, RequestChecksumCalculation};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::RequestPayer;
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

use super::fault::{Fault, Op};
use super::sse::CustomerKey;
use super::tuning::Tuning;
use super::{Addressing, Options, Place, Preconditions};
use crate::error::{Error, Result};

/// What all requests together may make again before the endpoint is taken for gone: an attempt costs 5, and so many come back a
/// second. The SDK's own 500 are used up by a short storm of 503 over a few hundred objects.
const RETRY_TOKENS: usize = 5_000;
/// See [`RETRY_TOKENS`].
const RETRY_REFILL: f32 = 50.0;
/// Longest pause between two attempts.
const MAX_BACKOFF: Duration = Duration::from_secs(20);
/// Within which a connection must stand.
const CONNECT: Duration = Duration::from_secs(5);
/// Within which an answer must begin.
const ANSWER: Duration = Duration::from_mins(1);
/// Within which an answer must begin that comes after a copy of gigabytes within the service.
const LONG_ANSWER: Duration = Duration::from_mins(15);

/// What all requests of a store share.
pub(super) struct Core {
    shared: SdkConfig,
    retries: RetryPartition,
    /// An endpoint was given.
    custom: bool,
    /// It is AWS: by its own endpoint, or by one of AWS's that was given.
    aws: bool,
    addressing: Addressing,
    /// By bucket: they may lie in different regions.
    clients: Mutex<HashMap<String, Client>>,
    /// As many requests at a time.
    gate: Semaphore,
    /// Bytes that may still be read ahead, by all objects together.
    pub(super) ahead: AtomicU64,
    pub(super) unconditional: bool,
    pub(super) restore_days: Option<NonZeroU32>,
    /// A folder of each bucket in which this run works: what must be tried is tried there.
    folders: std::sync::Mutex<HashMap<String, String>>,
    /// What was found out of each bucket.
    pub(super) probes: Mutex<HashMap<String, Preconditions>>,
    pub(super) payer: Option<RequestPayer>,
    pub(super) customer_key: Option<CustomerKey>,
    pub(super) tuning: Tuning,
}

/// Cores for each thread of the runtime: it moves bytes and waits (about 1 GB a second and thread), what costs is done on the callers'
/// own. A second thread costs an eighth of the time for a small object, since threads wake each other for it.
const CORES: usize = 8;
/// Most threads of the runtime.
const MOST_THREADS: usize = 4;

/// The runtime of a store.
pub(super) fn runtime() -> Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.div_ceil(CORES).min(MOST_THREADS))
        .thread_name("unwrite-s3")
        .enable_all()
        .build()
        .map_err(|e| Error::io("starting the S3 client", &e))
}

impl Core {
    /// Reads what the environment says. Sends nothing, but where credentials must be fetched.
    pub(super) async fn load(options: &Options, tuning: Tuning) -> Result<Self> {
        let mut region = RegionProviderChain::first_try(options.region.clone().map(Region::new))
            .or_else(EnvironmentVariableRegionProvider::new());
        let mut profile_region = ProfileFileRegionProvider::builder();
        if let Some(profile) = &options.profile {
            profile_region = profile_region.profile_name(profile);
        }
        region = region.or_else(profile_region.build());
        // Any will do: a bucket is asked for its own.
        region = region.or_else(Region::new("us-east-1"));
        let customer_key = options.sse_c.as_ref().map(|key| CustomerKey::parse(&key.0)).transpose()?;
        let retry = RetryConfig::standard()
            .with_max_attempts(tuning.attempts)
            .with_initial_backoff(tuning.backoff)
            .with_max_backoff(MAX_BACKOFF);
        let timeout = TimeoutConfig::builder().connect_timeout(CONNECT).read_timeout(ANSWER).build();
        let mut loader =
            aws_config::defaults(BehaviorVersion::latest()).region(region).retry_config(retry).timeout_config(timeout);
        if let Some(profile) = &options.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(url) = &options.endpoint {
            loader = loader.endpoint_url(url);
        }
        if options.no_sign {
            loader = loader.no_credentials();
        }
        let shared = loader.load().await;
        // By option, variable or profile; not by a profile's `services` section, which the SDK does not show: there
        // `--s3-addressing` says what is wanted.
        let given = std::env::var("AWS_ENDPOINT_URL_S3").ok().filter(|url| !url.is_empty());
        let given = options.endpoint.clone().or(given).or_else(|| shared.endpoint_url().map(str::to_owned));
        let custom = given.is_some();
        let aws = given.is_none_or(|url| is_of_aws(&url));
        let tokens = TokenBucket::builder().capacity(RETRY_TOKENS).refill_rate(RETRY_REFILL).build();
        Ok(Self {
            retries: RetryPartition::custom("unwrite").token_bucket(tokens).build(),
            custom,
            aws,
            shared,
            addressing: options.addressing,
            clients: Mutex::default(),
            gate: Semaphore::new(if options.concurrency == 0 { tuning.requests } else { options.concurrency }),
            ahead: AtomicU64::new(tuning.ahead),
            payer: options.request_payer.then_some(RequestPayer::Requester),
            customer_key,
            unconditional: options.unconditional,
            restore_days: options.restore_days,
            folders: std::sync::Mutex::default(),
            probes: Mutex::default(),
            tuning,
        })
    }

    /// The client for `bucket`. The first time, on AWS, it asks where the bucket lies: any answer tells, also a refusal.
    pub(super) async fn client(&self, bucket: &str) -> Client {
        let mut clients = self.clients.lock().await;
        if let Some(client) = clients.get(bucket) {
            return client.clone();
        }
        let mut client = self.client_in(None);
        if !self.custom {
            let found = client.head_bucket().bucket(bucket).send().await;
            let region = match &found {
                Ok(found) => found.bucket_region().map(str::to_owned),
                Err(error) => error
                    .raw_response()
                    .and_then(|answer| answer.headers().get("x-amz-bucket-region"))
                    .map(str::to_owned),
            };
            if let Some(region) = region.filter(|region| is_region(region)) {
                client = self.client_in(Some(Region::new(region)));
            }
        }
        clients.insert(bucket.to_owned(), client.clone());
        client
    }

    fn client_in(&self, region: Option<Region>) -> Client {
        let mut builder =
            Builder::from(&self.shared).interceptor(super::quirks::OneDigest).retry_partition(self.retries.clone());
        if let Some(region) = region {
            builder = builder.region(region);
        }
        let by_path = match self.addressing {
            Addressing::Auto => self.custom,
            Addressing::Path => true,
            Addressing::Virtual => false,
        };
        Client::from_conf(builder.force_path_style(by_path).build())
    }

    /// Notes where in its bucket this run works.
    pub(super) fn remember(&self, place: &Place) {
        let folder = place.key.rfind('/').and_then(|end| place.key.get(..=end)).unwrap_or_default();
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        folders.entry(place.bucket.clone()).or_insert_with(|| folder.to_owned());
    }

    /// Notes where in its bucket this run writes: there it may, wherever it reads.
    pub(super) fn writes_at(&self, place: &Place) {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner).remove(&place.bucket);
        self.remember(place);
    }

    /// The folder (empty, or with its `/`) of this bucket in which this run works.
    pub(super) fn folder(&self, bucket: &str) -> String {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner).get(bucket).cloned().unwrap_or_default()
    }

    /// The customer's key, for what is encrypted with it.
    pub(super) fn key(&self, is_keyed: bool) -> Option<&CustomerKey> {
        self.customer_key.as_ref().filter(|_| is_keyed)
    }

    /// Whether requests carry checksums of their own (`AWS_REQUEST_CHECKSUM_CALCULATION`).
    pub(super) fn sums(&self) -> bool {
        self.shared.request_checksum_calculation() != Some(RequestChecksumCalculation::WhenRequired)
    }

    /// Whether it is AWS: elsewhere storage classes are words.
    pub(super) fn is_aws(&self) -> bool {
        self.aws
    }

    /// Waits for a turn among the requests; held as long as the answer comes.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // Nobody closes it.
        self.gate.acquire().await.ok()
    }

    /// One request, in its turn.
    pub(super) async fn ask<T, E: ProvideErrorMetadata>(
        &self,
        op: Op,
        request: impl Future<Output = std::result::Result<T, SdkError<E>>>,
    ) -> std::result::Result<T, Fault> {
        let _turn = self.turn().await;
        Box::pin(request).await.map_err(|error| Fault::of(op, &error))
    }
}

/// For one request whose answer may take minutes.
pub(super) fn patient() -> Builder {
    aws_sdk_s3::Config::builder()
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).read_timeout(LONG_ANSWER).build())
}

/// For one request that is not made again by the SDK, since the first may have been done.
pub(super) fn once() -> Builder {
    aws_sdk_s3::Config::builder().retry_config(RetryConfig::disabled())
}

/// Whether an endpoint that was given is one of AWS's own: of a region, FIPS, dual stack, or a VPC.
fn is_of_aws(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default().split(':').next().unwrap_or_default();
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"].iter().any(|end| host.ends_with(end))
}

/// Regions' names become part of a host's name.
fn is_region(name: &str) -> bool {
    !name.is_empty() && name.len() < 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// An entity tag less its quotes.
pub(super) fn bare(etag: &str) -> &str {
    etag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(etag)
}

/// An entity tag as headers carry it.
pub(super) fn quoted(etag: &str) -> String {
    if etag.starts_with("W/") { etag.to_owned() } else { format!("\"{etag}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_aws_are_known_by_their_host() {
        for url in [
            "https://s3.eu-central-1.amazonaws.com",
            "https://bucket.vpce-1a-2b.s3.us-east-1.vpce.amazonaws.com:443/x",
            "s3.dualstack.us-west-2.AMAZONAWS.com.",
            "https://s3.cn-north-1.amazonaws.com.cn/",
        ] {
            assert!(is_of_aws(url), "{url}");
        }
        for url in [
            "http://127.0.0.1:9000",
            "https://amazonaws.com.example.org",
            "https://x.example/.amazonaws.com",
            "http://a@b",
        ] {
            assert!(!is_of_aws(url), "{url}");
        }
    }
}
