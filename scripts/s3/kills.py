"""kill -9 at random moments: every object is the old or the new one, and the next run finishes the work."""

import random
from typing import Dict

from rig import MIB, Rig, case, fail, gz, harness, lines, need, say, without

# Small ones are one PUT each; the others are patched in parts.
SMALL = lines(300, [3, 200])
LARGE = lines(72_000, [7, 71_990], width=60)


@case("kills")
def kills(rig: Rig) -> None:
    """kill -9 at random moments of a scrub: each object old or new, whole; the next run completes it and leaves no upload"""
    draw, rounds = random.Random(11), 100 if rig.full else 6
    bucket = rig.bucket()
    objects: Dict[str, bytes] = {f"small/{n:02}.jsonl.gz": gz(SMALL) for n in range(12)}
    objects.update({f"large/{n}.jsonl": LARGE for n in range(3 if rig.full else 1)})
    new: Dict[str, bytes] = {}

    def restore() -> None:
        for key, body in objects.items():
            rig.put(bucket, key, body)

    def run(manifest) -> None:
        rig.scrub(f"s3://{bucket}/", "--in-place", manifest=manifest, expect=[0])

    restore()
    length = rig.timed(lambda: run(rig.manifest()))
    for key in objects:
        new[key] = rig.get(bucket, key)
        plain = harness.gzip.decompress(new[key]) if key.endswith(".gz") else new[key]
        need(plain == without(SMALL if key.endswith(".gz") else LARGE), f"{key}: not what was wanted")
    states, left = {"none": 0, "some": 0, "all": 0}, 0
    for number in range(rounds):
        restore()
        manifest = rig.manifest()
        killed = rig.killed_after(draw.uniform(0.02, length * 1.05), "scrub", f"s3://{bucket}/", "--in-place", manifest=manifest)
        now = {key: rig.get(bucket, key) for key in rig.keys(bucket)}
        need(set(now) == set(objects), f"kill {number}: keys {sorted(set(now) ^ set(objects))} came or went")
        for key, body in now.items():
            if body not in (objects[key], new[key]):
                fail(f"kill {number}: {key} is neither the old object nor the new one")
        changed = sum(now[key] == new[key] for key in now)
        states["none" if changed == 0 else "all" if changed == len(now) else "some"] += 1
        left += bool(rig.uploads(bucket))
        # With the manifest of the killed run, as a nightly job does, or with a new one.
        run(manifest if number % 2 == 0 or not killed else rig.manifest())
        for key in objects:
            need(rig.get(bucket, key) == new[key], f"kill {number}: the next run did not finish {key}")
        need(not rig.uploads(bucket), f"kill {number}: the next run left an unfinished upload: {rig.uploads(bucket)}")
        if number % 4 == 0:
            rig.unwrite("verify", manifest, "--registry", rig.registry, "--fast", expect=[0])
        if (number + 1) % 20 == 0:
            say(f"   {number + 1} kills, all objects whole")
    say(f"   {rounds} kills; objects changed: none {states['none']}, some {states['some']}, all {states['all']}; "
        f"{left} left an unfinished upload to the next run")
    if rounds >= 50:
        need(states["some"] > 0 and left > 0, "no kill fell between two writes, or into an upload: the test proves nothing")


@case("others")
def others(rig: Rig) -> None:
    """an unfinished upload of somebody else is left alone, and named"""
    bucket = rig.bucket()
    rig.put(bucket, "a.jsonl", SMALL)
    upload = rig.s3.create_multipart_upload(Bucket=bucket, Key="a.jsonl")["UploadId"]
    rig.s3.upload_part(Bucket=bucket, Key="a.jsonl", UploadId=upload, PartNumber=1, Body=b"x" * 5 * MIB)
    done = rig.scrub(f"s3://{bucket}/", "--in-place", expect=[0, 3])
    need(b"uploads of others" in done.err, f"it is not named: {done.err[-300:]!r}")
    need(rig.uploads(bucket) == ["a.jsonl"], "an upload of somebody else was aborted")
    need(rig.get(bucket, "a.jsonl") == without(SMALL), "not scrubbed")
