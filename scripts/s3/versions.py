"""Versioned buckets: old versions are counted without --purge-versions, and gone with it, unless they are locked."""

import datetime
import random
import time

from rig import MAIL, Rig, case, gz, harness, lines, need, say, without

BODY, CLEAN = lines(120, [3, 100]), lines(30)


def holds(rig: Rig, bucket: str, key: str, version: str) -> bool:
    body = rig.get(bucket, key, VersionId=version)
    return MAIL.encode() in (harness.gzip.decompress(body) if key.endswith(".gz") else body)


def survivors(rig: Rig, bucket: str) -> list:
    return [v for v in rig.versions(bucket)[0] if holds(rig, bucket, v["Key"], v["VersionId"])]


def fill(rig: Rig, bucket: str, count: int, old: int) -> list:
    """Objects with `old` versions below the newest, and some with a delete marker between."""
    names = [f"v/{n:02}.jsonl.gz" for n in range(count)]
    for n, key in enumerate(names):
        for _ in range(old):
            rig.put(bucket, key, gz(BODY))
        if n % 3 == 0:
            rig.s3.delete_object(Bucket=bucket, Key=key)
        rig.put(bucket, key, gz(BODY))
    return names


@case("versions")
def versions(rig: Rig) -> None:
    """old versions: exit 3 and a count without --purge-versions; with it none holds the person, and no delete marker is left"""
    bucket = rig.bucket(versioned=True)
    names = fill(rig, bucket, 6, 3)
    rig.put(bucket, "v/clean.jsonl", CLEAN)
    rig.put(bucket, "v/clean.jsonl", CLEAN)
    manifest = rig.manifest()
    done = rig.scrub(f"s3://{bucket}/v/", "--in-place", manifest=manifest, expect=[3])
    need(done.by_status() == {"rewritten": len(names), "clean": 1}, f"{done.by_status()}")
    counted = [line.get("left", {}) for line in done.artifacts() if line["status"] == "rewritten"]
    say(f"   without --purge-versions: {counted[0]}, {[l for l in done.err.decode().splitlines() if 'version' in l][:2]}")
    need(all(any("version" in name for name in left) for left in counted), f"no count of old versions: {counted}")
    need(len(survivors(rig, bucket)) == len(names) * 4, "old versions went without being asked for")

    # A night later: what the manifest's lines say was rewritten is purged, though nothing is rewritten now.
    done = rig.scrub(f"s3://{bucket}/v/", "--in-place", "--purge-versions", manifest=manifest, expect=[0])
    left = survivors(rig, bucket)
    need(not left, f"{len(left)} versions still hold the person, as of {left[:1]}")
    versions, markers = rig.versions(bucket)
    need(not [m for m in markers if m["Key"] in names], "delete markers of rewritten objects are left")
    need(sorted(v["Key"] for v in versions if v["Key"] in names) == names, "not one version of each")
    need(len([v for v in versions if v["Key"] == "v/clean.jsonl"]) == 2, "versions of a clean object were purged")
    for key in names:
        need(harness.gzip.decompress(rig.get(bucket, key)) == without(BODY), f"{key}: not what was wanted")
    rig.scrub(f"s3://{bucket}/v/", "--in-place", "--purge-versions", manifest=manifest, expect=[0])
    rig.unwrite("verify", manifest, "--registry", rig.registry, "--fast", expect=[0])

    fresh = rig.bucket(versioned=True)
    names = fill(rig, fresh, 4, 2)
    done = rig.scrub(f"s3://{fresh}/v/", "--in-place", "--purge-versions", expect=[0])
    need(not survivors(rig, fresh), "in one run: versions still hold the person")
    kinds = [line["kind"] for line in done.lines]
    say(f"   lines of a run with purges: {sorted(set(kinds))}")


@case("all-versions")
def all_versions(rig: Rig) -> None:
    """--all-versions: a scan that looks into old versions too, where the newest is clean"""
    bucket = rig.bucket(versioned=True)
    rig.put(bucket, "a.jsonl", BODY)
    rig.put(bucket, "a.jsonl", CLEAN)
    rig.put(bucket, "gone.jsonl", BODY)
    rig.s3.delete_object(Bucket=bucket, Key="gone.jsonl")
    rig.scan(f"s3://{bucket}/", expect=[0, 3])
    done = rig.scan(f"s3://{bucket}/", "--all-versions", expect=[1])
    need(done.by_status().get("would_rewrite", 0) == 2, f"{done.by_status()}")


@case("suspended")
def suspended(rig: Rig) -> None:
    """a bucket whose versioning is suspended still has the old versions"""
    bucket = rig.bucket(versioned=True)
    rig.put(bucket, "v/a.jsonl", BODY)
    rig.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    rig.put(bucket, "v/a.jsonl", BODY)
    done = rig.scrub(f"s3://{bucket}/v/", "--in-place", "--purge-versions", expect=[0])
    need(done.by_status() == {"rewritten": 1}, f"{done.by_status()}")
    need(not survivors(rig, bucket), "an old version is left")


@case("purge-killed")
def purge_killed(rig: Rig) -> None:
    """a purge that is killed in the middle is completed by the next run"""
    draw, rounds, middle = random.Random(2), 30 if rig.full else 3, 0
    for number in range(rounds):
        bucket, manifest = rig.bucket(versioned=True), rig.manifest()
        fill(rig, bucket, 8, 5)
        arguments = [f"s3://{bucket}/v/", "--in-place", "--purge-versions"]
        old = {v["VersionId"] for v in rig.versions(bucket)[0]}
        whole, enough = len(old), draw.randrange(1, 40)
        process = rig.started("scrub", *arguments, manifest=manifest)
        while process.poll() is None and whole - len(old & {v["VersionId"] for v in rig.versions(bucket)[0]}) < enough:
            time.sleep(0.002)
        process.kill()
        process.wait()
        gone = whole - len(survivors(rig, bucket))
        left = len(rig.versions(bucket)[0])
        middle += 0 < gone < whole
        rig.scrub(*arguments, manifest=manifest, expect=[0])
        need(not survivors(rig, bucket), f"kill {number}: the next run left versions that hold the person")
        need(len(rig.versions(bucket)[0]) == 8, f"kill {number}: {len(rig.versions(bucket)[0])} versions are left of 8 objects")
        say(f"   kill {number}: {left} versions were left, {gone} of {whole} old ones gone")
    need(middle > 0, "no kill fell into a purge: the test proves nothing")


@case("locks")
def locks(rig: Rig) -> None:
    """Object Lock and legal hold: the clean version is written, the old one named with its date, exit 3; purged once it may be"""
    bucket, manifest = rig.bucket(locked=True), rig.manifest()
    until = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=30)
    held = rig.put(bucket, "v/held.jsonl", BODY)["VersionId"]
    rig.s3.put_object_legal_hold(Bucket=bucket, Key="v/held.jsonl", LegalHold={"Status": "ON"})
    kept = rig.put(bucket, "v/governed.jsonl", BODY, ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until)["VersionId"]
    rig.put(bucket, "v/free.jsonl", BODY)
    done = rig.scrub(f"s3://{bucket}/v/", "--in-place", "--purge-versions", manifest=manifest, expect=[3])
    for key in ("v/held.jsonl", "v/governed.jsonl", "v/free.jsonl"):
        need(rig.get(bucket, key) == without(BODY), f"{key}: the newest version is not clean")
    need(sorted(v["VersionId"] for v in survivors(rig, bucket)) == sorted([held, kept]), "not exactly the locked versions are left")
    text = done.err.decode() + done.out.decode() + str(done.lines)
    need("locked until" in text and until.strftime("%Y-%m-%d") in text, "it does not say locked until DATE")
    need("hold" in text, "it does not say legal hold")
    head = rig.s3.head_object(Bucket=bucket, Key="v/governed.jsonl")
    say(f"   the new version of a governed object: {head.get('ObjectLockMode')}, held: "
        f"{rig.s3.head_object(Bucket=bucket, Key='v/held.jsonl').get('ObjectLockLegalHoldStatus')}")
    say(f"   it says: {[line for line in done.err.decode().splitlines() if 'lock' in line or 'hold' in line][:3]}")

    rig.s3.put_object_legal_hold(Bucket=bucket, Key="v/held.jsonl", VersionId=held, LegalHold={"Status": "OFF"})
    again = rig.scrub(f"s3://{bucket}/v/", "--in-place", "--purge-versions", manifest=manifest, expect=[3])
    need([v["VersionId"] for v in survivors(rig, bucket)] == [kept], f"after the release: {again.err[-400:]!r}")
