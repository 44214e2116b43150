"""What the S3 cases share: the server, boto3 as the judge, calls of unwrite through the counting proxy, small corpora.

Nothing here knows how unwrite works inside.  Every call of unwrite is searched for the credentials that it was given.
"""

import gzip
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
from typing import Callable, Dict, Iterable, List, NamedTuple, Optional
from urllib.parse import urlsplit

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import boto3  # noqa: E402
import harness  # noqa: E402
from botocore.config import Config  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402
from harness import fail, say  # noqa: E402
from proxy import Proxy  # noqa: E402

MAIL, OTHER = "alice@example.com", "bob@example.org"
PERSON = {"subject": "sub_01", "identifiers": [{"type": "email", "value": MAIL}]}
CORPUS_SEED = 3
MIB = 1 << 20

CASES: Dict[str, Callable] = {}


def case(name: str):
    """Enters a case into the list of all; its docstring is what the list says of it."""

    def enter(function):
        CASES[name] = function
        return function

    return enter


def lines(count: int, hits: Iterable[int] = (), seed: int = 0, width: int = 40, mail: str = MAIL) -> bytes:
    """JSON lines that do not compress well; those numbered by `hits` are the erased person's."""
    draw, wanted = random.Random(seed), set(hits)
    return b"".join(
        b'{"n":%d,"user":"%s","noise":"%s"}\n' % (n, (mail if n in wanted else OTHER).encode(), draw.randbytes(width).hex().encode())
        for n in range(count))


def without(data: bytes, mail: str = MAIL) -> bytes:
    """The lines that do not name the person: what dropping them leaves."""
    return b"".join(line for line in harness.split_lf(data) if mail.encode() not in line)


class Outcome(NamedTuple):
    code: int
    out: bytes
    err: bytes
    lines: List[dict]  # of the manifest's last run

    def artifacts(self) -> List[dict]:
        return [line for line in self.lines if line["kind"] == "artifact"]

    def by_status(self) -> Dict[str, int]:
        counts: Dict[str, int] = {}
        for line in self.artifacts():
            counts[line["status"]] = counts.get(line["status"], 0) + 1
        return counts


class Rig:
    def __init__(self, work: pathlib.Path, full: bool):
        self.work, self.full = work, full
        self.endpoint = os.environ["AWS_ENDPOINT_URL"]
        self.access, self.secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
        self.s3 = self.client()
        place = urlsplit(self.endpoint)
        self.proxy = Proxy(place.hostname, place.port)
        self.made = self.calls = 0
        self.registry = work / "registry.jsonl"
        self.registry.write_text(json.dumps(PERSON) + "\n")
        self.home = work / "home"
        self.home.mkdir()

    def client(self):
        return boto3.client("s3", endpoint_url=self.endpoint, config=Config(
            s3={"addressing_style": "path"}, retries={"max_attempts": 4}, max_pool_connections=64, read_timeout=120))

    # -- the bucket ----------------------------------------------------------------------------------------------------

    def bucket(self, versioned: bool = False, locked: bool = False) -> str:
        self.made += 1
        name = f"rig-{os.getpid()}-{self.made}"
        self.s3.create_bucket(Bucket=name, **({"ObjectLockEnabledForBucket": True} if locked else {}))
        if versioned:
            self.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    def put(self, bucket: str, key: str, body: bytes, **more) -> dict:
        return self.s3.put_object(Bucket=bucket, Key=key, Body=body, **more)

    def get(self, bucket: str, key: str, **more) -> bytes:
        return self.s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read()

    def keys(self, bucket: str) -> List[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def versions(self, bucket: str):
        """(versions, delete markers), newest first for each key."""
        pages = list(self.s3.get_paginator("list_object_versions").paginate(Bucket=bucket))
        return ([v for page in pages for v in page.get("Versions", [])], [m for page in pages for m in page.get("DeleteMarkers", [])])

    def uploads(self, bucket: str) -> List[str]:
        return [upload["Key"] for upload in self.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]

    # -- unwrite -------------------------------------------------------------------------------------------------------

    def environment(self, more: Optional[dict] = None, proxied: bool = True) -> dict:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        own = {"HOME": str(self.home), "AWS_ENDPOINT_URL": self.proxy.url if proxied else self.endpoint,
               "AWS_REGION": os.environ.get("AWS_REGION", "us-east-1"), "AWS_ACCESS_KEY_ID": self.access,
               "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_EC2_METADATA_DISABLED": "true", **(more or {})}
        return {**kept, **{name: value for name, value in own.items() if value is not None}}

    def manifest(self) -> pathlib.Path:
        self.made += 1
        return self.work / f"run-{self.made}.manifest.jsonl"

    def unwrite(self, *arguments, expect: Optional[Iterable[int]] = None, env: Optional[dict] = None,
                manifest: Optional[pathlib.Path] = None, registry=None, limit=None) -> Outcome:
        """A run to its end, in the folder `work`; the lines are those of `manifest`'s last run."""
        done = subprocess.run(self.command(*arguments, manifest=manifest, registry=registry), stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=harness.TIME_LIMIT, env=self.environment(env), cwd=self.work,
                              preexec_fn=limit)
        return self.judged(arguments, done.returncode, done.stdout, done.stderr, expect, manifest)

    def command(self, *arguments, manifest=None, registry=None) -> List[str]:
        verb, *rest = map(str, arguments)
        command = [harness.unwrite_binary(), verb, *rest]
        if verb in ("scan", "scrub", "gate") and "--registry" not in rest:
            command += ["--registry", str(registry or self.registry)]
        return command + (["--manifest", str(manifest)] if manifest else [])

    def judged(self, arguments, code, out, err, expect, manifest) -> Outcome:
        self.calls += 1
        what = " ".join(map(str, arguments))[:200]
        self.no_credentials(what, out + err)
        if expect is not None and code not in set(expect):
            sys.stderr.write(out.decode(errors="replace")[-2000:] + err.decode(errors="replace")[-3000:])
            fail(f"`unwrite {what}` exited {code}, expected {sorted(expect)}")
        if self.proxy.problem:
            fail(f"the proxy could not follow a request: {self.proxy.problem}")
        found: List[dict] = []
        if manifest and pathlib.Path(manifest).exists():
            self.no_credentials(f"manifest of {what}", pathlib.Path(manifest).read_bytes())
            if code in (0, 1, 3):
                harness.check_manifest(manifest)
            found = harness.last_run(manifest)
        return Outcome(code, out, err, found)

    def no_credentials(self, what: str, text: bytes) -> None:
        for name, value in (("secret key", self.secret), ("access key", self.access)):
            if value.encode() in text:
                fail(f"`unwrite {what}`: its output holds the {name}")

    def scrub(self, *arguments, expect=(0,), **more) -> Outcome:
        return self.unwrite("scrub", *arguments, expect=expect, manifest=more.pop("manifest", None) or self.manifest(), **more)

    def scan(self, *arguments, expect=(0,), **more) -> Outcome:
        return self.unwrite("scan", *arguments, expect=expect, manifest=more.pop("manifest", None) or self.manifest(), **more)

    def started(self, *arguments, manifest: pathlib.Path) -> subprocess.Popen:
        """A run that the case means to kill."""
        with open(os.devnull, "wb") as nothing:
            return subprocess.Popen(self.command(*arguments, manifest=manifest), stdin=subprocess.DEVNULL, stdout=nothing,
                                    stderr=nothing, env=self.environment(), cwd=self.work)

    def killed_after(self, seconds: float, *arguments, manifest: pathlib.Path) -> bool:
        """Whether the kill came before the run's end."""
        process = self.started(*arguments, manifest=manifest)
        try:
            process.wait(seconds)
            return False
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return True

    def timed(self, call: Callable) -> float:
        since = time.monotonic()
        call()
        return time.monotonic() - since


def need(truth: bool, text: str) -> None:
    if not truth:
        fail(text)


def status_of(call: Callable) -> int:
    """200, or the HTTP status of what the server refused."""
    try:
        call()
        return 200
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"]


def gz(data: bytes) -> bytes:
    return gzip.compress(data, 6, mtime=0)


__all__ = ["CASES", "CORPUS_SEED", "MAIL", "MIB", "OTHER", "Outcome", "Rig", "case", "fail", "gz", "harness", "lines", "need", "say",
           "status_of", "without"]
