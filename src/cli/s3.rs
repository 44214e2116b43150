//! Options about buckets, and the store that they make: there is one only if something that was named begins with `s3://`.

use std::num::NonZeroU32;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use zeroize::Zeroizing;

use crate::blob::TempSpace;
use crate::error::{Error, Result};
use crate::store::s3::{Addressing, Lent, Options, Place, S3, SseKey};

/// Most requests at one time.
const MAX_CONCURRENCY: u16 = 256;

/// How buckets are reached.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Buckets (s3://…)")]
pub struct Reach {
    /// The service, if it is not AWS, such as `https://minio.example.org:9000` [default: `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`].
    #[arg(long, value_name = "URL", env = "UNWRITE_ENDPOINT_URL")]
    pub endpoint_url: Option<String>,
    /// Region [default: `AWS_REGION`, the profile].
    #[arg(long, value_name = "REGION", env = "UNWRITE_REGION")]
    pub region: Option<String>,
    /// Profile of the AWS configuration files [default: `AWS_PROFILE`].
    #[arg(long, value_name = "NAME", env = "UNWRITE_PROFILE")]
    pub profile: Option<String>,
    /// Send no signature: for public buckets.
    #[arg(long, env = "UNWRITE_NO_SIGN_REQUEST")]
    pub no_sign_request: bool,
    /// Pay for requests to buckets whose owner does not.
    #[arg(long, env = "UNWRITE_REQUEST_PAYER")]
    pub request_payer: bool,
    /// Where a request names the bucket: `auto` is in the path with --endpoint-url, else in the host's name.
    #[arg(long, value_name = "WHERE", value_enum, default_value = "auto", env = "UNWRITE_S3_ADDRESSING")]
    pub s3_addressing: Where,
    /// Key of objects that are encrypted with one of the customer (SSE-C): a file of 32 bytes, or of their Base64.
    #[arg(long, value_name = "FILE", env = "UNWRITE_SSE_C_KEY")]
    pub sse_c_key: Option<PathBuf>,
    /// Requests at one time.
    #[arg(long, value_name = "N", env = "UNWRITE_S3_CONCURRENCY", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_CONCURRENCY)))]
    pub s3_concurrency: Option<u16>,
}

/// What is read of buckets.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Buckets (s3://…)")]
pub struct Depth {
    /// Also search what was replaced or deleted, in buckets with versions (scan and gate).
    #[arg(long, env = "UNWRITE_ALL_VERSIONS")]
    pub all_versions: bool,
    /// Ask for the restore of archived objects, for so many days; the next run reads them.
    #[arg(long, value_name = "DAYS", env = "UNWRITE_RESTORE_ARCHIVED")]
    pub restore_archived: Option<NonZeroU32>,
}

/// What is done to buckets.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Buckets (s3://…)")]
pub struct Deeds {
    /// Delete old versions of what was rewritten, for good: in this run, and by the lines of --since and of the manifest.
    #[arg(long, env = "UNWRITE_PURGE_VERSIONS")]
    pub purge_versions: bool,
    /// Write to a server that does not refuse a write whose condition does not hold: only where nobody else writes.
    #[arg(long, env = "UNWRITE_ALLOW_UNCONDITIONAL_WRITES")]
    pub allow_unconditional_writes: bool,
}

/// `--s3-addressing`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Where {
    /// As the endpoint wants it.
    #[default]
    Auto,
    /// `https://host/bucket/key`.
    Path,
    /// `https://bucket.host/key`.
    Virtual,
}

impl Reach {
    /// The store's options.
    pub fn options(&self) -> Result<Options> {
        Ok(Options {
            endpoint: self.endpoint_url.clone(),
            region: self.region.clone(),
            profile: self.profile.clone(),
            no_sign: self.no_sign_request,
            request_payer: self.request_payer,
            addressing: match self.s3_addressing {
                Where::Auto => Addressing::Auto,
                Where::Path => Addressing::Path,
                Where::Virtual => Addressing::Virtual,
            },
            sse_c: self.sse_c_key.as_deref().map(sse_key).transpose()?,
            unconditional: false,
            restore_days: None,
            concurrency: self.s3_concurrency.map_or(0, usize::from),
        })
    }

    /// The store, if one of `named` is in a bucket.
    pub fn store<'p>(
        &self,
        named: impl IntoIterator<Item = &'p Path>,
        space: &Arc<TempSpace>,
        and: impl FnOnce(&mut Options),
    ) -> Result<Option<S3>> {
        if !named.into_iter().any(is_remote) {
            return Ok(None);
        }
        let mut options = self.options()?;
        and(&mut options);
        let lent = Lent { space: Arc::clone(space), interrupted: super::process::stop() };
        S3::connect(&options, lent).map(Some)
    }
}

/// Whether something that was typed is in a bucket.
pub fn is_remote(typed: &Path) -> bool {
    Place::parse(typed.as_os_str().as_bytes()).is_some()
}

/// Refuses what is only read from, or written to, a disk.
pub fn on_disk(option: &'static str, typed: Option<&Path>) -> Result<()> {
    if typed.is_some_and(is_remote) {
        let what = format!("{option}: only on disk, not in a bucket");
        return Err(Error::usage(what).help("copy it with the tools of the service"));
    }
    Ok(())
}

/// The file of `--sse-c-key`; what is in it the store judges.
fn sse_key(path: &Path) -> Result<SseKey> {
    let cannot = |e: &std::io::Error| Error::usage(format!("cannot read the key of --sse-c-key: {}", e.kind()));
    if std::fs::metadata(path).map_err(|e| cannot(&e))?.len() > 1024 {
        return Err(Error::usage("--sse-c-key: a file of 32 bytes, or of their Base64, is expected"));
    }
    Ok(SseKey(Zeroizing::new(std::fs::read(path).map_err(|e| cannot(&e))?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_customers_are_short_files_and_nothing_of_them_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let read = |bytes: &[u8]| {
            let path = dir.path().join("key");
            std::fs::write(&path, bytes).unwrap();
            sse_key(&path)
        };
        assert_eq!(*read(b"bytes").unwrap().0, b"bytes");
        assert!(read(&[b'x'; 2000]).is_err());
        assert!(format!("{:?}", read(b"bytes").unwrap()).len() < 10);
    }

    #[test]
    fn what_is_in_a_bucket() {
        assert!(is_remote(Path::new("s3://b/k")) && is_remote(Path::new("s3://b")) && is_remote(Path::new("s3:///k")));
        assert!(!is_remote(Path::new("./s3://b")) && !is_remote(Path::new("s3:/b")) && !is_remote(Path::new("S3://b")));
    }
}
