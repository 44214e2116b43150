"""`--output` between disk and buckets, and registry and policy that lie in one."""

import json

from rig import MAIL, Rig, case, gz, harness, lines, need, without

BODY, CLEAN = lines(200, [3, 150]), lines(40)
TREE = {"a.log": BODY, "deep/er/b.log.gz": gz(BODY), "deep/clean.log": CLEAN, "ü +%.log": BODY}


def wanted(name: str) -> bytes:
    return CLEAN if name.endswith("clean.log") else without(BODY)


def check(found: dict, what: str) -> None:
    need(set(found) == set(TREE), f"{what}: {sorted(found)}")
    for name, data in found.items():
        need((harness.gzip.decompress(data) if name.endswith(".gz") else data) == wanted(name), f"{what}: {name} is not what was wanted")


@case("mirror")
def mirror(rig: Rig) -> None:
    """--output from disk to a bucket, from a bucket to disk, from bucket to bucket; twice; and an existing target"""
    source, target, folder = rig.bucket(), rig.bucket(), rig.work / "tree"
    for name, data in TREE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        rig.put(source, "in/" + name, data, Metadata={"owner": "me"}, ContentType="text/x-log")
    whole = {"rewritten": 3, "copied": 1}

    def objects(bucket: str, prefix: str) -> dict:
        return {key[len(prefix):]: rig.get(bucket, key) for key in rig.keys(bucket) if key.startswith(prefix)}

    done = rig.scrub("tree", "--output", f"s3://{target}/from-disk/")
    need(done.by_status() == whole, f"disk to bucket: {done.by_status()}")
    check(objects(target, "from-disk/"), "disk to bucket")
    need({name: (folder / name).read_bytes() for name in TREE} == TREE, "the source folder changed")

    done = rig.scrub(f"s3://{source}/in/", "--output", "from-bucket/")
    need(done.by_status() == whole, f"bucket to disk: {done.by_status()}")
    made = rig.work / "from-bucket"
    check({str(p.relative_to(made)): p.read_bytes() for p in made.rglob("*") if p.is_file()}, "bucket to disk")

    rig.proxy.reset()
    done = rig.scrub(f"s3://{source}/in/", "--output", f"s3://{target}/from-bucket/")
    need(done.by_status() == whole, f"bucket to bucket: {done.by_status()}")
    check(objects(target, "from-bucket/"), "bucket to bucket")
    head = rig.s3.head_object(Bucket=target, Key="from-bucket/a.log")
    need(head["ContentType"] == "text/x-log" and head["Metadata"].get("owner") == "me", "bucket to bucket: headers are lost")
    need(objects(source, "in/") == TREE, "the source bucket changed")

    for name, destination in (("tree", f"s3://{target}/from-disk/"), (f"s3://{source}/in/", f"s3://{target}/from-bucket/"),
                              (f"s3://{source}/in/", "from-bucket/")):
        before = objects(target, "")
        rig.scrub(name, "--output", destination, expect=[0])  # already there, with these bytes
        need(objects(target, "") == before, "a second mirror changed the first")
    rig.put(target, "from-disk/a.log", b"somebody else's\n")
    refused = rig.scrub("tree", "--output", f"s3://{target}/from-disk/", expect=[2, 3])
    need(rig.get(target, "from-disk/a.log") == b"somebody else's\n", f"an existing target was overwritten: {refused.by_status()}")
    rig.scrub("tree", "--output", f"s3://{target}/from-disk/", "--overwrite", expect=[0])
    check(objects(target, "from-disk/"), "with --overwrite")
    one = rig.scrub(f"s3://{source}/in/a.log", "--output", "one.log", expect=[0])
    need((rig.work / "one.log").read_bytes() == wanted("a.log"), f"one object to a file: {one.by_status()}")
    need(not rig.uploads(target) and not rig.uploads(source), "an unfinished upload is left")


@case("mirror-odd")
def mirror_odd(rig: Rig) -> None:
    """keys that would leave the folder, or fall together in it, are refused by name"""
    bucket = rig.bucket()
    odd = ["in/plain.log", "in/file", "in/file/below.log"]
    for key in odd:
        rig.put(bucket, key, BODY)
    outside = set(harness.names(rig.work))
    done = rig.scrub(f"s3://{bucket}/in/", "--output", "odd/", expect=[0, 3])
    made = {name for name in harness.names(rig.work) - outside if "manifest" not in name}
    need(all(name.startswith("odd") for name in made), f"something was written elsewhere: {sorted(made)}")
    need("odd/plain.log" in made, "the plain one is missing")
    # A name cannot be a file and a folder: one of the two is placed, the other named.
    both = {"odd/file", "odd/file/below.log"} & made
    need(len(both) == 1 and done.code == 3 and done.by_status().get("failed", 0) == 1, f"{sorted(made)}, {done.by_status()}, exit {done.code}")


@case("registry")
def registry(rig: Rig) -> None:
    """registry and policy at s3://, and that they are not taken for artifacts"""
    bucket = rig.bucket()
    rig.put(bucket, "own/erased.jsonl", rig.registry.read_bytes())
    rig.put(bucket, "own/policy.toml", b'[[rule]]\naction = "redact"\n')
    rig.put(bucket, "logs/a.jsonl", BODY)
    own = [f"s3://{bucket}/own/erased.jsonl", "--policy", f"s3://{bucket}/own/policy.toml"]
    done = rig.unwrite("scrub", f"s3://{bucket}/logs/", "--in-place", "--registry", *own, manifest=rig.manifest(), expect=[0])
    need(done.by_status() == {"rewritten": 1}, f"{done.by_status()}")
    need(rig.get(bucket, "logs/a.jsonl") == BODY.replace(MAIL.encode(), b"ERASED"), "the policy of the bucket did not count")
    need(done.lines[0]["registry"]["uri"] == f"s3://{bucket}/own/erased.jsonl", f"run line: {done.lines[0]['registry']}")
    rig.put(bucket, "logs/b.jsonl", BODY)
    # Its own registry below the SOURCE: neither scrubbed nor a reason for exit 3.
    done = rig.unwrite("scrub", f"s3://{bucket}/", "--in-place", "--registry", *own, manifest=rig.manifest(), expect=[0])
    need(rig.get(bucket, "own/erased.jsonl") == rig.registry.read_bytes(), "the registry was scrubbed")
    skipped = [line for line in done.artifacts() if line["status"] == "skipped"]
    need(sorted(line["reason"] for line in skipped) == ["own file", "own file"], f"{skipped}")
    rig.unwrite("scan", f"s3://{bucket}/logs/", "--registry", f"s3://{bucket}/own/none.jsonl", expect=[2])


@case("manifest")
def manifest(rig: Rig) -> None:
    """--manifest s3://…: kept there, or refused with a word on what to do instead"""
    bucket = rig.bucket()
    rig.put(bucket, "logs/a.jsonl", BODY)
    place = f"s3://{bucket}/manifests/m.jsonl"
    done = rig.unwrite("scrub", f"s3://{bucket}/logs/", "--in-place", "--manifest", place, expect=[0, 2])
    if done.code == 2:
        need(b"--manifest" in done.err and rig.get(bucket, "logs/a.jsonl") == BODY, "refused, but something was done")
        return
    text = rig.get(bucket, "manifests/m.jsonl")
    need([json.loads(line)["kind"] for line in text.splitlines()] == ["run", "intent", "artifact", "summary"], "not a whole manifest")
    local = rig.work / "fetched.jsonl"
    local.write_bytes(text)
    harness.check_manifest(local)
    rig.unwrite("scrub", f"s3://{bucket}/logs/", "--in-place", "--manifest", place, expect=[0])
    need(len(rig.get(bucket, "manifests/m.jsonl").splitlines()) > 4, "the second run did not continue it")
    rig.unwrite("verify", place, "--registry", rig.registry, expect=[0])
