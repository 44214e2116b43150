"""A TCP proxy on loopback that counts: bytes each way, and requests by the name of the S3 operation.

It stands between unwrite and the server and changes nothing: the client signs the proxy's address as the host.  Bodies of
requests are passed over by their Content-Length (or chunks), those of answers are not looked at but for their first line.
"""

import collections
import re
import socket
import threading
from typing import Counter, List, NamedTuple, Optional, Tuple
from urllib.parse import parse_qs, urlsplit

BLOCK = 1 << 18
HEAD_LIMIT = 1 << 17


class Request(NamedTuple):
    operation: str
    bucket: str
    key: str  # percent-encoded, as it was sent
    length: int  # of its body
    range: str  # that was asked for, "" if none


def operation(method: str, target: str, headers: dict) -> Tuple[str, str, str]:
    """Name, bucket and key of what a path-style request asks for (Amazon S3 API Reference, "Actions")."""
    parts = urlsplit(target)
    query = parse_qs(parts.query, keep_blank_values=True)
    bucket, _, key = parts.path.lstrip("/").partition("/")
    copies = "x-amz-copy-source" in headers
    sub = next((name for name in SUBRESOURCES if name in query), "")
    if not bucket:
        name = "ListBuckets"
    elif not key:
        name = BUCKET_OPERATIONS.get((method, sub), f"{method} bucket {sub or sorted(query)}")
    elif method == "PUT" and sub == "partNumber":
        name = "UploadPartCopy" if copies else "UploadPart"
    elif method == "PUT" and not sub:
        name = "CopyObject" if copies else "PutObject"
    else:
        name = OBJECT_OPERATIONS.get((method, sub), f"{method} object {sub or sorted(query)}")
    # IAM has an action of its own for each of these with a version (Service Authorization Reference, "Amazon S3").
    if "versionId" in query and name in VERSIONED:
        name += "Version"
    return name, bucket, key


SUBRESOURCES = ("partNumber uploadId uploads versions versioning object-lock location acl policy tagging retention legal-hold attributes "
                "restore delete encryption ownershipControls list-type").split()
BUCKET_OPERATIONS = {
    ("GET", "list-type"): "ListObjectsV2", ("GET", ""): "ListObjects", ("GET", "versions"): "ListObjectVersions",
    ("GET", "uploads"): "ListMultipartUploads", ("GET", "versioning"): "GetBucketVersioning",
    ("GET", "object-lock"): "GetObjectLockConfiguration", ("GET", "location"): "GetBucketLocation", ("GET", "acl"): "GetBucketAcl",
    ("GET", "policy"): "GetBucketPolicy", ("GET", "encryption"): "GetBucketEncryption",
    ("GET", "ownershipControls"): "GetBucketOwnershipControls", ("HEAD", ""): "HeadBucket", ("POST", "delete"): "DeleteObjects",
    ("PUT", ""): "CreateBucket",
}
OBJECT_OPERATIONS = {
    ("GET", ""): "GetObject", ("HEAD", ""): "HeadObject", ("DELETE", ""): "DeleteObject", ("GET", "uploadId"): "ListParts",
    ("POST", "uploads"): "CreateMultipartUpload", ("POST", "uploadId"): "CompleteMultipartUpload",
    ("DELETE", "uploadId"): "AbortMultipartUpload", ("GET", "tagging"): "GetObjectTagging", ("PUT", "tagging"): "PutObjectTagging",
    ("GET", "acl"): "GetObjectAcl", ("PUT", "acl"): "PutObjectAcl", ("GET", "retention"): "GetObjectRetention",
    ("GET", "legal-hold"): "GetObjectLegalHold", ("GET", "attributes"): "GetObjectAttributes", ("POST", "restore"): "RestoreObject",
}
VERSIONED = {"GetObject", "HeadObject", "DeleteObject", "GetObjectTagging", "GetObjectAcl", "GetObjectAttributes"}


class Reader:
    """Follows the requests of one connection, whatever the pieces in which they come."""

    def __init__(self, found):
        self.found, self.head, self.body, self.chunked = found, b"", 0, False

    def feed(self, data: bytes) -> None:
        while data:
            if self.body:
                passed = min(self.body, len(data))
                self.body -= passed
                data = data[passed:]
                continue
            self.head += data
            data = b""
            end = self.head.find(b"\r\n\r\n")
            if end < 0:
                if len(self.head) > HEAD_LIMIT:
                    raise ValueError("no end of a request's head")
                return
            head, data, self.head = self.head[:end], self.head[end + 4 :], b""
            self.request(head)

    def request(self, head: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if "chunked" in headers.get("transfer-encoding", ""):
            raise ValueError("a request in HTTP chunks")
        self.body = int(headers.get("content-length", 0))
        self.found(Request(*operation(method, target, headers), self.body, headers.get("range", "")))


class Proxy:
    """Listens on a free port until the process ends.  Counts are since the last `reset`."""

    def __init__(self, host: str, port: int):
        self.server = (host, port)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.problem: Optional[str] = None
        self.ever: set = set()
        self.reset()
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def reset(self) -> None:
        with self.lock:
            self.up = self.down = 0
            self.requests: List[Request] = []
            self.statuses: Counter[int] = collections.Counter()

    def operations(self) -> Counter:
        with self.lock:
            return collections.Counter(request.operation for request in self.requests)

    def accept(self) -> None:
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self.server)
        except OSError:
            client.close()
            return
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answers = threading.Thread(target=self.pump, args=(server, client, None), daemon=True)
        answers.start()
        self.pump(client, server, Reader(self.note))
        answers.join()
        client.close()
        server.close()

    def note(self, request: Request) -> None:
        with self.lock:
            self.requests.append(request)
            self.ever.add(request.operation)

    def pump(self, source: socket.socket, target: socket.socket, reader: Optional[Reader]) -> None:
        try:
            while True:
                data = source.recv(BLOCK)
                if not data:
                    break
                with self.lock:
                    if reader:
                        self.up += len(data)
                    else:
                        self.down += len(data)
                        status = re.match(rb"HTTP/1\.1 (\d{3}) ", data[:16])
                        if status:
                            self.statuses[int(status.group(1))] += 1
                if reader:
                    reader.feed(data)
                target.sendall(data)
        except OSError:
            pass  # either end is gone: a kill, or an answer that was not read
        except ValueError as error:
            self.problem = str(error)
        finally:
            for end in (source, target):
                try:
                    end.shutdown(socket.SHUT_RDWR if reader is None else socket.SHUT_WR)
                except OSError:
                    pass
