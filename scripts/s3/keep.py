"""What an object has besides its bytes stays when it is rewritten."""

import base64
import datetime
import hashlib
import os

from rig import MIB, Rig, case, gz, harness, lines, need, say, status_of, without

# Of a rewritten object these are its own: everything else that HeadObject tells must be as before.
OWN = {"ETag", "LastModified", "ContentLength", "VersionId", "ResponseMetadata", "ChecksumType", "AcceptRanges", "PartsCount"}
EXPIRES = datetime.datetime(2031, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
HEADERS = dict(ContentType="application/x-ndjson; charset=utf-8", ContentDisposition='attachment; filename="x y.log"',
               ContentLanguage="de, en", CacheControl="no-store, max-age=0", Expires=EXPIRES)
METADATA = {"owner": "team-1", "k-2": "v  2", "long": "x" * 900}
TAGS = "class=logs&keep%20until=2031-01-01&plus=a%2Bb"
# 15 MB with hits at both ends: between them lies what a part copy can take over.
SMALL, LARGE = lines(300, [7, 250]), lines(90_000, [7, 89_990], width=60)


def told(rig: Rig, bucket: str, key: str, **more) -> dict:
    head = {k: v for k, v in rig.s3.head_object(Bucket=bucket, Key=key, **more).items() if k not in OWN and not k.startswith("Checksum")}
    tags = {t["Key"]: t["Value"] for t in rig.s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]}
    grants = sorted(str(grant) for grant in rig.s3.get_object_acl(Bucket=bucket, Key=key)["Grants"])
    return {**head, "tags": tags, "acl": grants}


def put_large(rig: Rig, bucket: str, key: str, body: bytes, **more) -> None:
    """In parts of 8 MiB, as backup tools do."""
    upload = rig.s3.create_multipart_upload(Bucket=bucket, Key=key, **more)["UploadId"]
    again = {name: more[name] for name in ("SSECustomerAlgorithm", "SSECustomerKey") if name in more}
    parts = []
    for number, at in enumerate(range(0, len(body), 8 * MIB), 1):
        part = rig.s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=body[at : at + 8 * MIB], **again)
        parts.append({"ETag": part["ETag"], "PartNumber": number})
    rig.s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}, **again)


@case("kept")
def kept(rig: Rig) -> None:
    """user metadata, content headers, tags, storage class and encryption stay, of small and of large objects

    SeaweedFS keeps neither a website redirect nor grants, so that these are tested on recorded requests alone.
    """
    bucket = rig.bucket()
    variants = {
        "headers": dict(HEADERS, Metadata=METADATA, Tagging=TAGS),
        "class": dict(StorageClass="STANDARD_IA", Metadata={"a": "b"}),
        "sse": dict(ServerSideEncryption="AES256"),
        "plain": {},
    }
    large = variants if rig.full else {"all": {**variants["headers"], **variants["class"], **variants["sse"]}}
    bodies = {"small": SMALL, "large": LARGE}
    for name, more in variants.items():
        rig.put(bucket, f"small/{name}", SMALL, **more)
    for name, more in large.items():
        put_large(rig, bucket, f"large/{name}", LARGE, **more)
    # Without .gz in its name: the header says what it is.
    rig.put(bucket, "small/encoded", gz(SMALL), ContentEncoding="gzip", ContentType="text/plain")
    names = rig.keys(bucket)
    before = {key: told(rig, bucket, key) for key in names}
    rig.proxy.reset()
    done = rig.scrub(f"s3://{bucket}/", "--in-place")
    need(done.by_status() == {"rewritten": len(names)}, f"{done.by_status()}")
    need(rig.proxy.operations()["UploadPartCopy"] > 0, "no large object was patched by part copies: the test proves little")
    for key in names:
        body = rig.get(bucket, key)
        body = harness.gzip.decompress(body) if key.endswith("encoded") else body
        need(body == without(bodies[key.split("/")[0]]), f"{key}: not what was wanted")
        after = told(rig, bucket, key)
        own = {name for name in after["Metadata"] if name.startswith("unwrite-")}
        if own:
            say(f"   {key}: metadata of unwrite's own: {sorted(own)}")
            after["Metadata"] = {name: value for name, value in after["Metadata"].items() if name not in own}
        differs = [name for name in {**before[key], **after} if before[key].get(name) != after.get(name)]
        need(not differs, f"{key}: changed are " + ", ".join(f"{n} ({before[key].get(n)} -> {after.get(n)})" for n in differs))
    need(not rig.uploads(bucket), "an unfinished upload is left")


@case("sse-c")
def sse_c(rig: Rig) -> None:
    """objects under a customer's key are read and written with it, and cannot be without"""
    bucket, key = rig.bucket(), os.urandom(32)
    file = rig.work / "sse.key"
    file.write_bytes(key)
    file.chmod(0o600)
    more = dict(SSECustomerAlgorithm="AES256", SSECustomerKey=key)
    rig.put(bucket, "c/small.log", SMALL, **more)
    put_large(rig, bucket, "c/large.log", LARGE, **more)
    refused = rig.scan(f"s3://{bucket}/c/", expect=[2, 3])
    need(not {"clean", "would_rewrite"} & set(refused.by_status()), f"read without the key: {refused.by_status()}")
    done = rig.scrub(f"s3://{bucket}/c/", "--in-place", "--sse-c-key", file, expect=[0, 3])
    said = {line["uri"].rsplit("/", 1)[1]: line for line in done.artifacts()}
    need(said["small.log"]["status"] == "rewritten", f"small: {said['small.log']}")
    for name, body in (("small", SMALL), ("large", LARGE)):
        # SeaweedFS has no part copies under a customer's key (501): the large one may fail, by name and whole.
        rewritten = said[f"{name}.log"]["status"] == "rewritten"
        need(rig.get(bucket, f"c/{name}.log", **more) == (without(body) if rewritten else body), f"{name}: not what was wanted")
        need(status_of(lambda: rig.get(bucket, f"c/{name}.log")) >= 400, f"{name} is no longer under the key")
    say(f"   the large one: {said['large.log']['status']} {said['large.log'].get('reason', '')}")
    need(not rig.uploads(bucket), "an unfinished upload is left")
    digest = base64.b64encode(hashlib.md5(key).digest())
    for said in (done.out, done.err, repr(done.lines).encode()):
        for form in (key, key.hex().encode(), base64.b64encode(key), digest):
            need(form not in said, "the customer's key was said")
    file.write_bytes(os.urandom(32))
    wrong = rig.scan(f"s3://{bucket}/c/", "--sse-c-key", file, expect=[2, 3])
    need("clean" not in wrong.by_status(), "clean with the wrong key")
