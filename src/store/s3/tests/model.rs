//! What the store in memory holds, and how tests look at it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use md5::{Digest as _, Md5};
use s3s::dto::{ETag, ETagCondition};
use s3s::{S3Result, s3_error};

/// One version of an object, or a delete marker.
#[derive(Debug, Clone, Default)]
pub struct Version {
    pub id: String,
    pub body: Vec<u8>,
    pub etag: String,
    pub is_marker: bool,
    pub head: Kept,
    pub tags: Vec<(String, String)>,
    /// May not be deleted before.
    pub locked_until: Option<SystemTime>,
    pub legal_hold: bool,
    pub modified: Option<SystemTime>,
}

/// What a write said besides the bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    pub metadata: HashMap<String, String>,
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    pub content_disposition: Option<String>,
    pub content_language: Option<String>,
    pub cache_control: Option<String>,
    pub redirect: Option<String>,
    pub class: Option<String>,
    pub encryption: Option<String>,
    pub kms_key: Option<String>,
    pub tagging: Option<String>,
    pub read_for: Option<String>,
    /// MD5 of the customer's key.
    pub customer: Option<String>,
}

/// An unfinished upload.
#[derive(Debug, Clone, Default)]
pub struct Unfinished {
    pub key: String,
    pub parts: BTreeMap<i32, Vec<u8>>,
    pub head: Kept,
    pub begun: Option<SystemTime>,
}

/// A bucket.
#[derive(Debug, Clone, Default)]
pub struct Bucket {
    pub versioned: bool,
    /// It writes whatever a precondition says.
    pub ignores: bool,
    /// By key, the newest last.
    pub keys: BTreeMap<String, Vec<Version>>,
    pub uploads: BTreeMap<String, Unfinished>,
}

/// All buckets.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) buckets: BTreeMap<String, Bucket>,
    ids: u64,
    /// Least part but the last, bytes.
    pub(super) least_part: usize,
}

/// Keys of a page.
pub(super) const PAGE: usize = 5;

impl Memory {
    /// Buckets without versions.
    pub fn with_buckets(names: &[&str]) -> Self {
        let memory = Self::default();
        memory.lock().buckets.extend(names.iter().map(|name| ((*name).to_owned(), Bucket::default())));
        memory
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Parts are refused that are shorter, but the last.
    pub fn least_part(&self, bytes: usize) {
        self.lock().least_part = bytes;
    }

    /// Looks at, or changes, a bucket.
    pub fn bucket<T>(&self, name: &str, work: impl FnOnce(&mut Bucket) -> T) -> T {
        work(self.lock().buckets.entry(name.to_owned()).or_default())
    }

    /// Writes an object as somebody else would.
    pub fn put(&self, bucket: &str, key: &str, body: &[u8]) -> String {
        self.put_with(bucket, key, body, Kept::default())
    }

    /// As [`Self::put`], with metadata.
    pub fn put_with(&self, bucket: &str, key: &str, body: &[u8], head: Kept) -> String {
        let mut state = self.lock();
        let etag = hex(&Md5::digest(body));
        state.write(bucket, key, body.to_vec(), etag, head).unwrap()
    }

    /// The current version's bytes.
    pub fn get(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        self.bucket(bucket, |bucket| bucket.current(key).map(|version| version.body.clone()))
    }

    /// How many uploads are unfinished.
    pub fn unfinished(&self, bucket: &str) -> usize {
        self.bucket(bucket, |bucket| bucket.uploads.len())
    }
}

impl Bucket {
    /// The current version, if it is no delete marker.
    pub fn current(&self, key: &str) -> Option<&Version> {
        self.keys.get(key)?.last().filter(|version| !version.is_marker)
    }

    pub(super) fn version(&self, key: &str, id: Option<&str>) -> S3Result<&Version> {
        match id {
            None => self.current(key).ok_or_else(|| s3_error!(NoSuchKey)),
            Some(id) => {
                let found = self.keys.get(key).and_then(|all| all.iter().find(|version| version.id == id));
                found.filter(|version| !version.is_marker).ok_or_else(|| s3_error!(NoSuchVersion))
            }
        }
    }

    pub(super) fn judge(
        &self,
        key: &str,
        matches: Option<&ETagCondition>,
        none: Option<&ETagCondition>,
    ) -> S3Result<()> {
        if self.ignores {
            return Ok(());
        }
        let etag = self.current(key).map(|version| version.etag.as_str());
        match (matches, etag) {
            (Some(_), None) => return Err(s3_error!(NoSuchKey)),
            (Some(wanted), Some(etag)) if wanted.as_etag().is_some_and(|wanted| wanted.value() != etag) => {
                return Err(s3_error!(PreconditionFailed));
            }
            _ => {}
        }
        if none.is_some() && etag.is_some() { Err(s3_error!(PreconditionFailed)) } else { Ok(()) }
    }
}

impl State {
    pub(super) fn bucket(&mut self, name: &str) -> S3Result<&mut Bucket> {
        self.buckets.get_mut(name).ok_or_else(|| s3_error!(NoSuchBucket))
    }

    pub(super) fn id(&mut self) -> String {
        self.ids += 1;
        format!("id{:06}", self.ids)
    }

    pub(super) fn write(
        &mut self,
        bucket: &str,
        key: &str,
        body: Vec<u8>,
        etag: String,
        head: Kept,
    ) -> S3Result<String> {
        let id = self.id();
        let bucket = self.bucket(bucket)?;
        let id = if bucket.versioned { id } else { "null".to_owned() };
        let all = bucket.keys.entry(key.to_owned()).or_default();
        if !bucket.versioned {
            all.clear();
        }
        let tags = head.tagging.as_deref().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        let tags = tags.map(|(key, value)| (unescape(key), unescape(value))).collect();
        let modified = Some(SystemTime::now());
        all.push(Version { id: id.clone(), body, etag, head, tags, modified, ..Version::default() });
        Ok(id)
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        if bytes[at] == b'%' {
            out.push(u8::from_str_radix(&text[at + 1..at + 3], 16).unwrap());
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).unwrap()
}

/// As services encode keys in listings: `+` for a space.
pub(super) fn escape(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

pub(super) fn etag(value: &str) -> ETag {
    ETag::Strong(value.to_owned())
}
