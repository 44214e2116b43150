"""The manifest in the bucket: written there, continued past the length at which the service copies it, killed, read back."""

import pathlib
import random
import threading
from typing import List

from rig import MIB, Rig, case, gz, harness, lines, need, say, without

SMALL = lines(300, [3, 200])
# Files whose lines make a manifest that is longer than one request may carry.
FILES = 14_000


def fetched(rig: Rig, bucket: str, key: str, whole: bool = True) -> pathlib.Path:
    """The manifest as it stands there, its chain checked; `whole`: with a summary at its end."""
    path = rig.manifest()
    path.write_bytes(rig.get(bucket, key))
    if whole:
        harness.check_manifest(path)
    return path


def kinds(found: List[dict]) -> List[str]:
    return [line["kind"] for line in found]


@case("manifest")
def manifest(rig: Rig) -> None:
    """--manifest s3://: written, continued by part copy, verified and relied on where it lies; old versions hold nothing else"""
    bucket, key = rig.bucket(versioned=True), "audit/m.jsonl"
    uri = f"s3://{bucket}/{key}"
    for n in range(6):
        rig.put(bucket, f"a/{n}.jsonl.gz", gz(SMALL))
    rig.unwrite("scrub", f"s3://{bucket}/a/", "--in-place", "--purge-versions", "--manifest", uri, expect=[0])
    first = harness.last_run(fetched(rig, bucket, key))
    need(kinds(first).count("intent") == 6 and kinds(first)[-1] == "summary", f"{kinds(first)}")
    head = rig.s3.head_object(Bucket=bucket, Key=key)
    need(head["ContentType"] == "application/x-ndjson", head["ContentType"])
    rig.unwrite("verify", uri, "--registry", rig.registry, expect=[0])
    for n in range(6):
        need(rig.get(bucket, f"a/{n}.jsonl.gz") and harness.gzip.decompress(rig.get(bucket, f"a/{n}.jsonl.gz")) == without(SMALL), f"{n}")

    # Each durable point of the run left a version; each is a beginning of the next, and none of them names the person.
    versions = [v for v in rig.versions(bucket)[0] if v["Key"] == key]
    texts = [rig.get(bucket, key, VersionId=v["VersionId"]) for v in reversed(versions)]
    need(len(texts) >= 3, f"{len(texts)} versions")
    for before, after in zip(texts, texts[1:]):
        need(after.startswith(before), "a version is not a beginning of the next")
    need(not any(b"alice" in text for text in texts), "a manifest holds an identifier")
    say(f"   a run of 6 objects with hits and their purges wrote it {len(texts)} times")

    # A long one: many artifacts of a disk, and then objects again.
    folder = rig.work / "many"
    folder.mkdir()
    for n in range(FILES):
        (folder / f"{n:05}-{'long' * 55}.log").write_bytes(b"nobody\n")
    rig.unwrite("scan", folder, "--manifest", uri, expect=[0])
    length = rig.s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
    need(length > 8 * MIB, f"{length} bytes: not long enough")
    for n in range(3):
        rig.put(bucket, f"a/{n}.jsonl.gz", gz(SMALL))
    rig.proxy.reset()
    rig.unwrite("scrub", f"s3://{bucket}/a/", "--in-place", "--purge-versions", "--since", uri, "--manifest", uri, expect=[0])
    operations, up = dict(rig.proxy.operations()), rig.proxy.up
    last = harness.last_run(fetched(rig, bucket, key))
    status = [line["status"] for line in last if line["kind"] == "artifact"]
    need(sorted(status) == ["rewritten"] * 3 + ["unchanged"] * 3, f"{status}")
    need(operations.get("UploadPartCopy", 0) > 0 and up < 2 * MIB, f"{up} bytes were sent: {operations}")
    need(not rig.uploads(bucket), "an upload was left")
    rig.unwrite("verify", uri, "--registry", rig.registry, "--fast", expect=[0])
    say(f"   continued at {length / 1e6:.1f} MB: sent {up / 1e3:.0f} kB in all; {operations}")


@case("manifest-killed")
def manifest_killed(rig: Rig) -> None:
    """kill -9 of runs whose manifest is in the bucket: no object is ahead of its intent, and the next run settles what was open"""
    draw, rounds, opened = random.Random(5), 30 if rig.full else 5, 0
    bucket = rig.bucket()
    uri = f"s3://{bucket}/audit/m.jsonl"
    objects = {f"a/{n:02}.jsonl.gz": gz(SMALL) for n in range(16)}
    new = {}

    def restore() -> None:
        for key, body in objects.items():
            rig.put(bucket, key, body)

    arguments = ["scrub", f"s3://{bucket}/a/", "--in-place", "--manifest", uri]
    restore()
    length = rig.timed(lambda: rig.unwrite(*arguments, expect=[0]))
    for key in objects:
        new[key] = rig.get(bucket, key)
    for number in range(rounds):
        restore()
        rig.killed_after(draw.uniform(0.2, 1.0) * length, *arguments, manifest=None)
        found = harness.last_run(fetched(rig, bucket, "audit/m.jsonl", whole=False))
        told = {line["uri"].rsplit(f"{bucket}/", 1)[1] for line in found if line["kind"] in ("intent", "artifact")}
        for key in objects:
            if rig.get(bucket, key) == new[key]:
                need(key in told, f"kill {number}: {key} was written, and the manifest in the bucket has no intent for it")
        opened += kinds(found).count("intent") > kinds(found).count("artifact")
        rig.unwrite(*arguments, expect=[0])
        for key in objects:
            need(rig.get(bucket, key) == new[key], f"kill {number}: the next run did not finish {key}")
        fetched(rig, bucket, "audit/m.jsonl")
        rig.unwrite("verify", uri, "--registry", rig.registry, "--fast", expect=[0])
    need(opened > 0 or not rig.full, "no kill left an intent open: the test proves nothing")
    say(f"   {rounds} kills, {opened} left intents open")


@case("manifest-raced")
def manifest_raced(rig: Rig) -> None:
    """several runs begin at once with one manifest: one goes through, the others end with exit 4, and no line is lost"""
    bucket = rig.bucket()
    uri = f"s3://{bucket}/audit/m.jsonl"
    ended = []
    for number in range(5 if rig.full else 2):
        for n in range(8):
            rig.put(bucket, f"a/{n}.jsonl.gz", gz(SMALL))
        codes: List[int] = []
        runs = [threading.Thread(target=lambda: codes.append(
            rig.unwrite("scrub", f"s3://{bucket}/a/", "--in-place", "--manifest", uri, expect=[0, 3, 4]).code)) for _ in range(4)]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        need(codes.count(0) >= 1 and set(codes) <= {0, 4}, f"{codes}")
        ended += codes
        fetched(rig, bucket, "audit/m.jsonl")
        rig.unwrite("verify", uri, "--registry", rig.registry, "--fast", expect=[0])
    say(f"   exit codes: {sorted(ended)}")
