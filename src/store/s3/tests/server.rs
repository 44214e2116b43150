//! An S3 service in this process, on a loopback port of its own, that can be told to fail.
//!
//! HTTP is read and written here, so that an answer can be cut at any byte or be lost; what it means is `s3s`'s. Behind it: `Memory`,
//! or any other implementation of `s3s::S3`, such as `s3s-fs`. Every operation asked for is recorded.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpRequest};

/// What is done to a request, told by its ordinal and its look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Served as it should be.
    None,
    /// Not served: 503 `SlowDown`.
    SlowDown,
    /// Not served: 500 `InternalError`.
    Internal,
    /// Not served: the connection ends.
    Reset,
    /// Served, but the connection ends before the answer.
    Lost,
    /// Served, and the answer ends after so many bytes of its body.
    Cut(usize),
    /// Not served: 412.
    Precondition,
    /// Not served: 409 `ConditionalRequestConflict`.
    Conflict,
    /// Not served: this status, with a body that has an identifier in it.
    Status(u16),
    /// Not served: this status, with nothing more.
    Empty(u16),
    /// Served, and in its answer the first text is the second wherever it stands.
    Edit(&'static str, &'static str),
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// From 0, in the order in which heads were read.
    pub n: usize,
    pub method: String,
    /// With its query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Bytes of its body.
    pub sent: usize,
}

impl Asked {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Its name in the API.
    pub fn operation(&self) -> &'static str {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
        let key = path.trim_start_matches('/').split_once('/').is_some_and(|(_, key)| !key.is_empty());
        match (self.method.as_str(), key) {
            ("HEAD", false) => "HeadBucket",
            ("HEAD", true) => "HeadObject",
            ("GET", false) if has("versions") => "ListObjectVersions",
            ("GET", false) if has("uploads") => "ListMultipartUploads",
            ("GET", false) if has("versioning") => "GetBucketVersioning",
            ("GET", false) => "ListObjectsV2",
            ("GET", true) if has("tagging") => "GetObjectTagging",
            ("GET", true) if has("acl") => "GetObjectAcl",
            ("GET", true) if has("uploadId") => "ListParts",
            ("GET", true) => "GetObject",
            ("PUT", true) if has("partNumber") && self.header("x-amz-copy-source").is_some() => "UploadPartCopy",
            ("PUT", true) if has("partNumber") => "UploadPart",
            ("PUT", true) => "PutObject",
            ("POST", true) if has("uploads") => "CreateMultipartUpload",
            ("POST", true) if has("uploadId") => "CompleteMultipartUpload",
            ("POST", true) if has("restore") => "RestoreObject",
            ("DELETE", true) if has("uploadId") => "AbortMultipartUpload",
            ("DELETE", true) => "DeleteObject",
            _ => "?",
        }
    }
}

type Plan = Box<dyn Fn(&Asked) -> Fault + Send + Sync>;

struct Shared {
    service: S3Service,
    runtime: tokio::runtime::Runtime,
    plan: Mutex<Plan>,
    asked: Mutex<Vec<Asked>>,
    /// Bytes of bodies that went out.
    answered: AtomicUsize,
    count: AtomicUsize,
    ended: AtomicBool,
}

/// The service; it ends when this goes.
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Server {
    /// Serves what `backend` has.
    pub fn start(backend: impl s3s::S3) -> Self {
        // Unsigned requests: who is asked for signatures is the real server of `scripts/s3-test`.
        let builder = S3ServiceBuilder::new(backend);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let shared = Arc::new(Shared {
            service: builder.build(),
            runtime,
            plan: Mutex::new(Box::new(|_| Fault::None)),
            asked: Mutex::default(),
            answered: AtomicUsize::default(),
            count: AtomicUsize::default(),
            ended: AtomicBool::default(),
        });
        let for_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if for_thread.ended.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&for_thread);
                std::thread::spawn(move || serve(&shared, &stream));
            }
        });
        Self { shared, address }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on requests fare as `plan` says; their count begins at 0.
    pub fn plan(&self, plan: impl Fn(&Asked) -> Fault + Send + Sync + 'static) {
        *self.shared.plan.lock().unwrap() = Box::new(plan);
        self.shared.asked.lock().unwrap().clear();
        self.shared.count.store(0, Ordering::Relaxed);
        self.shared.answered.store(0, Ordering::Relaxed);
    }

    /// What was asked for since then.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// Names of the operations asked for since then.
    pub fn operations(&self) -> Vec<&'static str> {
        self.asked().iter().map(Asked::operation).collect()
    }

    /// Bytes of bodies sent since then.
    pub fn answered(&self) -> usize {
        self.shared.answered.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

/// One connection.
fn serve(shared: &Shared, stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream);
    while let Some((asked, body)) = head(&mut reader, shared) {
        if !answer(shared, stream, &asked, body) {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    }
}

/// The next request with its body; `None` when the client is done.
fn head(reader: &mut BufReader<&TcpStream>, shared: &Shared) -> Option<(Asked, Vec<u8>)> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut words = line.split_ascii_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            break;
        }
        let (key, value) = line.split_once(':')?;
        headers.push((key.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let n = shared.count.fetch_add(1, Ordering::Relaxed);
    let mut asked = Asked { n, method, target, headers, sent: 0 };
    if asked.header("expect").is_some() {
        (&mut &**reader.get_ref()).write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let len = asked.header("content-length").and_then(|len| len.parse().ok()).unwrap_or(0);
    let mut body = vec![0; len];
    reader.read_exact(&mut body).ok()?;
    asked.sent = len;
    Some((asked, body))
}

/// Answers; `false` if the connection ends.
fn answer(shared: &Shared, mut stream: &TcpStream, asked: &Asked, body: Vec<u8>) -> bool {
    let fault = (shared.plan.lock().unwrap())(asked);
    shared.asked.lock().unwrap().push(asked.clone());
    let refuse = |status: u16, code: &str| {
        let text = format!(
            "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>alice@example.com may not</Message>\
             <Key>alice@example.com</Key></Error>"
        );
        let body = if asked.method == "HEAD" { "" } else { &text };
        let head = format!(
            "HTTP/1.1 {status} No\r\ncontent-type: application/xml\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        (&mut &*stream).write_all(head.as_bytes()).is_ok()
    };
    match fault {
        Fault::SlowDown => return refuse(503, "SlowDown"),
        Fault::Internal => return refuse(500, "InternalError"),
        Fault::Precondition => return refuse(412, "PreconditionFailed"),
        Fault::Conflict => return refuse(409, "ConditionalRequestConflict"),
        Fault::Status(status) => return refuse(status, "AccessDenied"),
        Fault::Empty(status) => {
            return (&mut &*stream).write_all(format!("HTTP/1.1 {status} X\r\n\r\n").as_bytes()).is_ok();
        }
        Fault::Reset => return false,
        Fault::None | Fault::Lost | Fault::Cut(_) | Fault::Edit(..) => {}
    }
    let Some((mut head, mut bytes)) = call(shared, asked, body) else { return false };
    if let Fault::Edit(from, to) = fault {
        let length = |len| format!("content-length: {len}\r\n");
        let edited = String::from_utf8(bytes.clone()).unwrap().replace(from, to).into_bytes();
        head = head.replace(&length(bytes.len()), &length(edited.len()));
        bytes = edited;
    }
    if fault == Fault::Lost {
        return false;
    }
    let sent = match fault {
        Fault::Cut(at) => at.min(bytes.len()),
        _ => bytes.len(),
    };
    let bytes = if asked.method == "HEAD" { &[] } else { &bytes[..sent] };
    shared.answered.fetch_add(bytes.len(), Ordering::Relaxed);
    stream.write_all(head.as_bytes()).is_ok() && stream.write_all(bytes).is_ok() && !matches!(fault, Fault::Cut(_))
}

/// What the service says: the head of the answer, and its body.
fn call(shared: &Shared, asked: &Asked, body: Vec<u8>) -> Option<(String, Vec<u8>)> {
    let mut request = HttpRequest::new(Body::from(body));
    *request.method_mut() = asked.method.parse().ok()?;
    *request.uri_mut() = asked.target.parse().ok()?;
    for (key, value) in &asked.headers {
        request.headers_mut().append(interned(key), value.parse().ok()?);
    }
    let (parts, mut body) = shared.runtime.block_on(shared.service.call(request)).ok()?.into_parts();
    let bytes = shared.runtime.block_on(body.store_all_limited(1 << 30)).ok()?.to_vec();
    let mut head = format!("HTTP/1.1 {} X\r\n", parts.status.as_u16());
    let mut has_length = false;
    for (key, value) in &parts.headers {
        if key.as_str() == "transfer-encoding" {
            continue;
        }
        has_length |= key.as_str() == "content-length";
        let _ = write!(head, "{key}: {}\r\n", value.to_str().ok()?);
    }
    if !has_length {
        let _ = write!(head, "content-length: {}\r\n", bytes.len());
    }
    head.push_str("\r\n");
    Some((head, bytes))
}

/// Names of headers live as long as the process: there are few.
fn interned(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap();
    if let Some(known) = names.get(name) {
        return known;
    }
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(name);
    name
}
