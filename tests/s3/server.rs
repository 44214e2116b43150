//! A bucket server in this process: what of S3 the binary uses, in memory, with versions and conditions, on a loopback port.
//!
//! Signatures are not checked. Every request is noted, and a hook may answer for the server or change what is there first: that is
//! how another writer, a refusal or a broken promise comes about. Real servers are asked elsewhere (`scripts/s3-test`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use md5::{Digest, Md5};

/// One version of an object.
#[derive(Clone)]
pub struct Version {
    pub id: String,
    pub etag: String,
    pub data: Arc<Vec<u8>>,
    /// `content-*`, `x-amz-meta-*` and the like, as they were written.
    pub headers: BTreeMap<String, String>,
    /// Seconds since the epoch.
    pub modified: i64,
    pub marker: bool,
    /// A deletion is refused until this time.
    pub locked: Option<String>,
}

#[derive(Default)]
pub struct Bucket {
    pub versioned: bool,
    /// Writes whose condition does not hold are done all the same.
    pub heedless: bool,
    /// Oldest first; without versions there is one.
    pub keys: BTreeMap<String, Vec<Version>>,
    pub uploads: BTreeMap<String, Upload>,
    made: u64,
}

pub struct Upload {
    pub key: String,
    headers: BTreeMap<String, String>,
    parts: BTreeMap<u32, Vec<u8>>,
}

#[derive(Default)]
pub struct State {
    pub buckets: BTreeMap<String, Bucket>,
    /// `Operation key`, in order.
    pub log: Vec<String>,
    /// Bytes of bodies that went out.
    pub sent: usize,
}

/// A hook's answer: the connection ends, and nothing was done.
pub const HANG_UP: (u16, &str) = (1, "");
/// A hook's answer: what was asked for is done, and the connection ends without a word.
pub const DO_AND_HANG_UP: (u16, &str) = (2, "");

/// Is told of each request before it is answered; a status and code are the answer instead.
pub type Hook = Box<dyn FnMut(&str, &str, &mut State) -> Option<(u16, &'static str)> + Send>;

pub struct Server {
    pub address: SocketAddr,
    pub state: Arc<Mutex<State>>,
    hook: Arc<Mutex<Option<Hook>>>,
}

struct Request {
    method: String,
    bucket: String,
    key: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Server {
    /// A server with these buckets, that live as long as the process.
    pub fn start(buckets: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = State {
            buckets: buckets.iter().map(|b| ((*b).to_owned(), Bucket::default())).collect(),
            log: vec![],
            sent: 0,
        };
        let server =
            Self { address: listener.local_addr().unwrap(), state: Arc::new(Mutex::new(state)), hook: Arc::default() };
        let (state, hook) = (Arc::clone(&server.state), Arc::clone(&server.hook));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, hook) = (Arc::clone(&state), Arc::clone(&hook));
                std::thread::spawn(move || serve(stream, &state, &hook));
            }
        });
        server
    }

    pub fn hook(&self, hook: impl FnMut(&str, &str, &mut State) -> Option<(u16, &'static str)> + Send + 'static) {
        *self.hook.lock().unwrap() = Some(Box::new(hook));
    }

    pub fn put(&self, bucket: &str, key: &str, data: impl Into<Vec<u8>>) {
        self.put_with(bucket, key, data, &[]);
    }

    pub fn put_with(&self, bucket: &str, key: &str, data: impl Into<Vec<u8>>, headers: &[(&str, &str)]) {
        let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.state.lock().unwrap().bucket(bucket).put(key, data.into(), headers);
    }

    /// The current version.
    pub fn get(&self, bucket: &str, key: &str) -> Option<Version> {
        self.state.lock().unwrap().bucket(bucket).current(key).cloned()
    }

    /// The current bytes.
    pub fn bytes(&self, bucket: &str, key: &str) -> Vec<u8> {
        self.get(bucket, key).unwrap_or_else(|| panic!("no {key}")).data.to_vec()
    }

    /// All versions, oldest first.
    pub fn versions(&self, bucket: &str, key: &str) -> Vec<Version> {
        self.state.lock().unwrap().bucket(bucket).keys.get(key).cloned().unwrap_or_default()
    }

    /// Keys that there are.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let mut state = self.state.lock().unwrap();
        let bucket = state.bucket(bucket);
        bucket.keys.keys().filter(|key| bucket.current(key).is_some()).cloned().collect()
    }

    /// How often an operation was asked for since the last time.
    pub fn count(&self, operation: &str) -> usize {
        let state = self.state.lock().unwrap();
        state.log.iter().filter(|line| line.split(' ').next() == Some(operation)).count()
    }

    pub fn forget(&self) {
        self.state.lock().unwrap().log.clear();
    }

    /// What the binary needs to find it.
    pub fn variables(&self) -> Vec<(String, String)> {
        let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        vec![
            set("AWS_ENDPOINT_URL_S3", &format!("http://{}", self.address)),
            set("AWS_ACCESS_KEY_ID", "AKIAEXAMPLEKEYOFTESTS"),
            set("AWS_SECRET_ACCESS_KEY", "secret-of-the-tests-that-nobody-may-see"),
            set("AWS_REGION", "us-east-1"),
            set("AWS_CONFIG_FILE", "/dev/null"),
            set("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            set("AWS_EC2_METADATA_DISABLED", "true"),
        ]
    }
}

impl State {
    pub fn bucket(&mut self, name: &str) -> &mut Bucket {
        self.buckets.get_mut(name).unwrap_or_else(|| panic!("no bucket {name}"))
    }
}

impl Bucket {
    pub fn put(&mut self, key: &str, data: Vec<u8>, headers: BTreeMap<String, String>) -> (String, String) {
        let etag = hex(&Md5::digest(&data));
        self.add(key, data, headers, etag, false)
    }

    fn add(
        &mut self,
        key: &str,
        data: Vec<u8>,
        headers: BTreeMap<String, String>,
        etag: String,
        marker: bool,
    ) -> (String, String) {
        self.made += 1;
        let id = if self.versioned { format!("v{:06}", self.made) } else { "null".to_owned() };
        let modified = jiff::Timestamp::now().as_second();
        let (data, locked) = (Arc::new(data), None);
        let version = Version { id: id.clone(), etag: etag.clone(), data, headers, modified, marker, locked };
        let all = self.keys.entry(key.to_owned()).or_default();
        if !self.versioned {
            all.clear();
        }
        all.push(version);
        (etag, id)
    }

    pub fn current(&self, key: &str) -> Option<&Version> {
        self.keys.get(key)?.last().filter(|version| !version.marker)
    }

    /// Deletes as a user does.
    pub fn delete(&mut self, key: &str) {
        if self.versioned {
            self.add(key, Vec::new(), BTreeMap::new(), String::new(), true);
        } else {
            self.keys.remove(key);
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    })
}

fn decode(text: &str) -> String {
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

fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(byte as char);
        } else {
            write!(out, "%{byte:02X}").unwrap();
        }
        out
    })
}

fn read_request(input: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    input.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    if headers.contains_key("expect") {
        input.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let mut body = vec![0; headers.get("content-length").map_or(0, |n| n.parse().unwrap())];
    input.read_exact(&mut body).ok()?;
    if headers.get("x-amz-content-sha256").is_some_and(|text| text.starts_with("STREAMING")) {
        body = plain(&body);
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let (bucket, key) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    let pair = |text: &str| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        (decode(name), decode(value))
    };
    let query = query.split('&').filter(|text| !text.is_empty()).map(pair).collect();
    Some(Request { method, bucket: decode(bucket), key: decode(key), query, headers, body })
}

/// A body less its chunks (`aws-chunked`).
fn plain(body: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(end) = body[at..].windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&body[at..at + end]).unwrap().split(';').next().unwrap().to_owned();
        let Ok(size) = usize::from_str_radix(&size, 16) else { break };
        if size == 0 {
            break;
        }
        out.extend_from_slice(&body[at + end + 2..at + end + 2 + size]);
        at += end + 2 + size + 2;
    }
    out
}

/// What a hook is told that a request is about: a key, or of a listing the prefix, with `*` behind it where only the names directly
/// below it are asked for.
fn told(request: &Request) -> String {
    let delimiter = if request.query.contains_key("delimiter") { "*" } else { "" };
    match request.query.get("prefix") {
        prefix if request.key.is_empty() => format!("{}{delimiter}", prefix.map_or("", String::as_str)),
        _ => request.key.clone(),
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>, hook: &Mutex<Option<Hook>>) {
    let mut input = BufReader::new(stream);
    while let Some(request) = read_request(&mut input) {
        let answer = {
            let mut state = state.lock().unwrap();
            let operation = operation(&request);
            state.log.push(format!("{operation} {}", request.key));
            let told = told(&request);
            let said = hook.lock().unwrap().as_mut().and_then(|hook| hook(operation, &told, &mut state));
            let answer = match said {
                Some(HANG_UP) => return,
                Some(DO_AND_HANG_UP) => {
                    answer(operation, &request, &mut state);
                    return;
                }
                Some((status, code)) => refusal(status, code),
                None => answer(operation, &request, &mut state),
            };
            state.sent += answer.body.len();
            answer
        };
        let mut head = format!("HTTP/1.1 {} X\r\n", answer.status);
        for (name, value) in &answer.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        let is_head = request.method == "HEAD";
        if !(is_head && answer.headers.iter().any(|(name, _)| name == "content-length")) {
            write!(head, "content-length: {}\r\n", answer.body.len()).unwrap();
        }
        head.push_str("\r\n");
        let out = input.get_mut();
        if out.write_all(head.as_bytes()).is_err() || (!is_head && out.write_all(&answer.body).is_err()) {
            return;
        }
    }
}

fn operation(request: &Request) -> &'static str {
    let has = |name: &str| request.query.contains_key(name);
    match (request.method.as_str(), request.key.is_empty()) {
        ("GET", true) if has("versioning") => "GetBucketVersioning",
        ("GET", true) if has("versions") => "ListObjectVersions",
        ("GET", true) if has("uploads") => "ListMultipartUploads",
        ("GET", true) => "ListObjectsV2",
        ("HEAD", true) => "HeadBucket",
        ("GET", _) if has("tagging") => "GetObjectTagging",
        ("GET", _) if has("acl") => "GetObjectAcl",
        ("GET", _) if has("uploadId") => "ListParts",
        ("GET", _) => "GetObject",
        ("HEAD", _) => "HeadObject",
        ("PUT", _) if has("uploadId") && request.headers.contains_key("x-amz-copy-source") => "UploadPartCopy",
        ("PUT", _) if has("uploadId") => "UploadPart",
        ("PUT", _) => "PutObject",
        ("POST", _) if has("restore") => "RestoreObject",
        ("POST", _) if has("uploads") => "CreateMultipartUpload",
        ("POST", _) if has("uploadId") => "CompleteMultipartUpload",
        ("DELETE", _) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", _) => "DeleteObject",
        _ => "Unknown",
    }
}

fn refusal(status: u16, code: &str) -> Answer {
    let body = format!("<Error><Code>{code}</Code><Message>said by the tests</Message></Error>").into_bytes();
    Answer { status, headers: vec![("content-type".to_owned(), "application/xml".to_owned())], body }
}

fn xml(body: &str) -> Answer {
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{body}").into_bytes();
    Answer { status: 200, headers: vec![("content-type".to_owned(), "application/xml".to_owned())], body }
}

fn answer(operation: &str, request: &Request, state: &mut State) -> Answer {
    let copied = request.headers.get("x-amz-copy-source").map(|source| source_of(source, request, state));
    let Some(bucket) = state.buckets.get_mut(&request.bucket) else { return refusal(404, "NoSuchBucket") };
    let query = |name: &str| request.query.get(name).cloned().unwrap_or_default();
    match operation {
        "ListObjectsV2" => list(request, bucket),
        "ListObjectVersions" => list_versions(request, bucket),
        "HeadBucket" => Answer { status: 200, headers: vec![], body: vec![] },
        "GetBucketVersioning" => {
            let status = if bucket.versioned { "<Status>Enabled</Status>" } else { "" };
            xml(&format!("<VersioningConfiguration>{status}</VersioningConfiguration>"))
        }
        "GetObject" | "HeadObject" => get(request, bucket, operation == "HeadObject"),
        "GetObjectTagging" => xml("<Tagging><TagSet></TagSet></Tagging>"),
        "GetObjectAcl" => xml("<AccessControlPolicy><Owner><ID>o</ID></Owner><AccessControlList><Grant><Grantee \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"><ID>o</ID></Grantee>\
             <Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>"),
        "PutObject" => match condition(request, bucket) {
            Some(refused) => refused,
            None => written(bucket.put(&request.key, request.body.clone(), kept(request)), bucket.versioned, ""),
        },
        "RestoreObject" => Answer { status: 202, headers: vec![], body: vec![] },
        "CreateMultipartUpload" => {
            bucket.made += 1;
            let id = format!("upload{}", bucket.made);
            let upload = Upload { key: request.key.clone(), headers: kept(request), parts: BTreeMap::new() };
            bucket.uploads.insert(id.clone(), upload);
            xml(&format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"))
        }
        "UploadPart" | "UploadPartCopy" => {
            let data = match copied {
                Some(Err(refused)) => return refused,
                Some(Ok(data)) => data,
                None => request.body.clone(),
            };
            let etag = hex(&Md5::digest(&data));
            let Some(upload) = bucket.uploads.get_mut(&query("uploadId")) else { return refusal(404, "NoSuchUpload") };
            upload.parts.insert(query("partNumber").parse().unwrap(), data);
            let mut answer = xml(&format!("<CopyPartResult><ETag>\"{etag}\"</ETag></CopyPartResult>"));
            answer.headers.push(("etag".to_owned(), format!("\"{etag}\"")));
            answer
        }
        "CompleteMultipartUpload" => {
            if let Some(refused) = condition(request, bucket) {
                return refused;
            }
            let Some(upload) = bucket.uploads.remove(&query("uploadId")) else { return refusal(404, "NoSuchUpload") };
            let text = String::from_utf8_lossy(&request.body).into_owned();
            let numbers =
                text.split("<PartNumber>").skip(1).map(|rest| rest.split('<').next().unwrap().parse().unwrap());
            let parts: Vec<&Vec<u8>> = numbers.map(|number: u32| &upload.parts[&number]).collect();
            let digests: Vec<u8> = parts.iter().flat_map(|part| Md5::digest(part).to_vec()).collect();
            let etag = format!("{}-{}", hex(&Md5::digest(&digests)), parts.len());
            let data = parts.into_iter().flatten().copied().collect();
            let made = bucket.add(&request.key, data, upload.headers, etag, false);
            written(made, bucket.versioned, "CompleteMultipartUploadResult")
        }
        "AbortMultipartUpload" => {
            let gone = bucket.uploads.remove(&query("uploadId")).is_none();
            if gone { refusal(404, "NoSuchUpload") } else { Answer { status: 204, headers: vec![], body: vec![] } }
        }
        "ListMultipartUploads" => {
            let now = jiff::Timestamp::now();
            let all: String = bucket
                .uploads
                .iter()
                .filter(|(_, upload)| upload.key.starts_with(&query("prefix")))
                .map(|(id, upload)| {
                    let key = encode(&upload.key);
                    format!("<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>{now}</Initiated></Upload>")
                })
                .collect();
            xml(&format!(
                "<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>{all}\
                 </ListMultipartUploadsResult>"
            ))
        }
        "ListParts" => {
            let Some(upload) = bucket.uploads.get(&query("uploadId")) else { return refusal(404, "NoSuchUpload") };
            let after: u32 = query("part-number-marker").parse().unwrap_or(0);
            let part = |(number, data): (&u32, &Vec<u8>)| {
                let (etag, size) = (hex(&Md5::digest(data)), data.len());
                format!("<Part><PartNumber>{number}</PartNumber><ETag>\"{etag}\"</ETag><Size>{size}</Size></Part>")
            };
            let all: String = upload.parts.iter().filter(|(number, _)| **number > after).map(part).collect();
            xml(&format!("<ListPartsResult><IsTruncated>false</IsTruncated>{all}</ListPartsResult>"))
        }
        "DeleteObject" => {
            let id = query("versionId");
            if id.is_empty() {
                bucket.delete(&request.key);
            } else if let Some(all) = bucket.keys.get_mut(&request.key) {
                if all.iter().any(|version| version.id == id && version.locked.is_some()) {
                    return refusal(403, "AccessDenied");
                }
                all.retain(|version| version.id != id);
            }
            Answer { status: 204, headers: vec![], body: vec![] }
        }
        _ => refusal(501, "NotImplemented"),
    }
}

/// The bytes that a copy takes.
fn source_of(source: &str, request: &Request, state: &mut State) -> Result<Vec<u8>, Answer> {
    let (path, version) = source.split_once("?versionId=").unwrap_or((source, ""));
    let path = decode(path.trim_start_matches('/'));
    let (bucket, key) = path.split_once('/').unwrap();
    let all = state.bucket(bucket).keys.get(key).cloned().unwrap_or_default();
    let found = all.iter().rev().find(|found| version.is_empty() || found.id == version);
    let Some(found) = found.filter(|found| !found.marker) else { return Err(refusal(404, "NoSuchKey")) };
    let wanted = request.headers.get("x-amz-copy-source-if-match");
    if wanted.is_some_and(|etag| etag.trim_matches('"') != found.etag) {
        return Err(refusal(412, "PreconditionFailed"));
    }
    match request.headers.get("x-amz-copy-source-range").and_then(|text| range(text, found.data.len())) {
        Some((from, to)) => Ok(found.data[from..to].to_vec()),
        None => Ok(found.data.to_vec()),
    }
}

fn range(text: &str, len: usize) -> Option<(usize, usize)> {
    let (from, to) = text.strip_prefix("bytes=")?.split_once('-')?;
    Some((from.parse().ok()?, to.parse::<usize>().map_or(len, |to| to + 1).min(len)))
}

fn kept(request: &Request) -> BTreeMap<String, String> {
    let is_kept = |name: &str| {
        name.starts_with("x-amz-meta-")
            || matches!(
                name,
                "content-type"
                    | "content-encoding"
                    | "content-disposition"
                    | "content-language"
                    | "cache-control"
                    | "expires"
                    | "x-amz-storage-class"
            )
    };
    let mut kept: BTreeMap<String, String> =
        request.headers.iter().filter(|(name, _)| is_kept(name)).map(|(a, b)| (a.clone(), b.clone())).collect();
    if kept.get("content-encoding").is_some_and(|coding| coding == "aws-chunked") {
        kept.remove("content-encoding");
    }
    kept
}

fn written((etag, id): (String, String), versioned: bool, root: &str) -> Answer {
    let mut answer = Answer { status: 200, headers: vec![], body: vec![] };
    if !root.is_empty() {
        answer = xml(&format!("<{root}><ETag>\"{etag}\"</ETag></{root}>"));
    }
    answer.headers.push(("etag".to_owned(), format!("\"{etag}\"")));
    if versioned {
        answer.headers.push(("x-amz-version-id".to_owned(), id));
    }
    answer
}

/// Why a write is refused, if it is.
fn condition(request: &Request, bucket: &Bucket) -> Option<Answer> {
    let current = bucket.current(&request.key);
    if bucket.heedless {
        return None;
    }
    if let Some(wanted) = request.headers.get("if-match") {
        return match current {
            None => Some(refusal(404, "NoSuchKey")),
            Some(found) if found.etag == wanted.trim_matches('"') => None,
            Some(_) => Some(refusal(412, "PreconditionFailed")),
        };
    }
    (request.headers.contains_key("if-none-match") && current.is_some()).then(|| refusal(412, "PreconditionFailed"))
}

fn get(request: &Request, bucket: &Bucket, is_head: bool) -> Answer {
    let all = bucket.keys.get(&request.key).map(Vec::as_slice).unwrap_or_default();
    let found = match request.query.get("versionId") {
        Some(id) => all.iter().find(|version| version.id == *id && !version.marker),
        None => bucket.current(&request.key),
    };
    let Some(found) = found else { return refusal(404, "NoSuchKey") };
    if request.headers.get("if-match").is_some_and(|wanted| wanted.trim_matches('"') != found.etag) {
        return refusal(412, "PreconditionFailed");
    }
    let time = jiff::Timestamp::from_second(found.modified).unwrap();
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let mut headers = vec![("etag".to_owned(), format!("\"{}\"", found.etag)), ("last-modified".to_owned(), time)];
    headers.extend(found.headers.iter().map(|(a, b)| (a.clone(), b.clone())));
    if bucket.versioned {
        headers.push(("x-amz-version-id".to_owned(), found.id.clone()));
    }
    if let Some(until) = &found.locked {
        headers.push(("x-amz-object-lock-mode".to_owned(), "COMPLIANCE".to_owned()));
        headers.push(("x-amz-object-lock-retain-until-date".to_owned(), until.clone()));
    }
    let len = found.data.len();
    if is_head {
        headers.push(("content-length".to_owned(), len.to_string()));
        return Answer { status: 200, headers, body: vec![] };
    }
    match request.headers.get("range").and_then(|text| range(text, len)) {
        Some((from, _)) if from >= len => refusal(416, "InvalidRange"),
        Some((from, to)) => {
            headers.push(("content-range".to_owned(), format!("bytes {from}-{}/{len}", to - 1)));
            Answer { status: 206, headers, body: found.data[from..to].to_vec() }
        }
        None => Answer { status: 200, headers, body: found.data.to_vec() },
    }
}

fn entry(key: &str, version: &Version) -> String {
    let time = jiff::Timestamp::from_second(version.modified).unwrap();
    let (key, etag, size) = (encode(key), &version.etag, version.data.len());
    format!("<Key>{key}</Key><LastModified>{time}</LastModified><ETag>\"{etag}\"</ETag><Size>{size}</Size>")
}

/// Two keys a page, so that every test goes over pages; folders have a page as AWS's.
const PAGE: usize = 2;

fn list(request: &Request, bucket: &Bucket) -> Answer {
    let query = |name: &str| request.query.get(name).cloned().unwrap_or_default();
    let (prefix, delimiter) = (query("prefix"), query("delimiter"));
    let token = decode(&query("continuation-token"));
    let after = if token.is_empty() { query("start-after") } else { token };
    let (mut out, mut n, mut last, mut more) = (String::new(), 0, String::new(), false);
    for key in bucket.keys.keys().filter(|key| key.starts_with(&prefix)) {
        let Some(version) = bucket.current(key) else { continue };
        let below = key[prefix.len()..].find(&delimiter).filter(|_| !delimiter.is_empty());
        let folder = below.map(|at| key[..=prefix.len() + at].to_owned());
        let mark = folder.clone().unwrap_or_else(|| key.clone());
        if mark <= after || mark == last || folder.as_ref().is_some_and(|folder| after.starts_with(folder.as_str())) {
            continue;
        }
        if n == if delimiter.is_empty() { PAGE } else { 1000 } {
            more = true;
            break;
        }
        match &folder {
            Some(folder) => {
                write!(out, "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", encode(folder)).unwrap();
            }
            None => write!(out, "<Contents>{}</Contents>", entry(key, version)).unwrap(),
        }
        n += 1;
        last = mark;
    }
    let token =
        if more { format!("<NextContinuationToken>{}</NextContinuationToken>", encode(&last)) } else { String::new() };
    xml(&format!(
        "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{more}</IsTruncated><KeyCount>{n}</KeyCount>\
         {token}{out}</ListBucketResult>"
    ))
}

fn list_versions(request: &Request, bucket: &Bucket) -> Answer {
    let prefix = request.query.get("prefix").cloned().unwrap_or_default();
    let mut out = String::new();
    for (key, all) in bucket.keys.iter().filter(|(key, _)| key.starts_with(&prefix)) {
        for (at, version) in all.iter().enumerate().rev() {
            let latest = at + 1 == all.len();
            let word = if version.marker { "DeleteMarker" } else { "Version" };
            let (entry, id) = (entry(key, version), &version.id);
            write!(out, "<{word}>{entry}<VersionId>{id}</VersionId><IsLatest>{latest}</IsLatest></{word}>").unwrap();
        }
    }
    xml(&format!(
        "<ListVersionsResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>{out}</ListVersionsResult>"
    ))
}
