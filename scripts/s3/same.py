"""The same corpus scrubbed on disk and in a bucket comes to the same bytes and the same artifact lines."""

import bz2
import io
import lzma
import os
import pathlib
import random
import shutil
import subprocess
import sys
import zipfile
from typing import Dict

from rig import CORPUS_SEED, Rig, case, gz, harness, need, say

KINDS = "nginx,json,text,csv"
# What may differ: where it lies, which version it is, and when.
OWN = ("uri", "identity", "prev", "duration_ms", "run_id")
POLICIES = {
    "drop": "",
    "redact": '[[rule]]\naction = "redact"\n',
    "mask": '[[rule]]\nfiles = ["**/*.gz"]\naction = "mask"\n[[rule]]\nfiles = ["backup.tar!backup/*"]\naction = "report"\n',
}


def corpus(rig: Rig) -> pathlib.Path:
    """A folder of artifacts of every codec and container that Python can make, below one of its own."""
    made, tree = rig.work / "made", rig.work / "corpus"
    if tree.exists():
        return tree
    subprocess.run([sys.executable, os.path.join(os.path.dirname(harness.__file__), "gen_corpus.py"), "--out", str(made), "--size",
                    "8" if rig.full else "0.2", "--hit-ratio", "0.004", "--kinds", KINDS, "--registry-users", "300", "--hit-users", "80"],
                   check=True, stderr=subprocess.DEVNULL)
    logs = {path.name[: -len(".truth.tsv")]: path for path in made.glob("*.truth.tsv")}
    logs = {name: (made / name).read_bytes() for name in sorted(logs)}
    draw = random.Random(CORPUS_SEED)
    for name, data in logs.items():
        folder = tree / name.split(".")[0]
        folder.mkdir(parents=True, exist_ok=True)
        for ending, body in {
            "": data, ".1.gz": gz(data), ".2.gz": harness.gzip_members(data, [draw.randrange(len(data)) for _ in range(3)]),
            ".3.zst": harness.zstd(data), ".4.bz2": bz2.compress(data), ".5.xz": lzma.compress(data, preset=1),
        }.items():
            (folder / (name + ending)).write_bytes(body)
    members = {f"backup/{name}": data for name, data in logs.items()}
    members["backup/nobody.jsonl"] = b'{"ts":"2026-11-20T08:00:00Z","msg":"started","bytes":1}\n' * 99
    (tree / "backup.tar.gz").write_bytes(gz(harness.tar_bytes(members)))
    (tree / "backup.tar").write_bytes(harness.tar_bytes(members))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    (tree / "backup.zip").write_bytes(packed.getvalue())
    # None of these may become clean, and none may be touched.
    (tree / "torn.log.gz").write_bytes(gz(logs[next(iter(logs))])[:-5])
    (tree / "named.gz").write_bytes(b"2026-11-20T08:00:00Z no gzip at all\n" * 5)
    (tree / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + draw.randbytes(500))
    (tree / "empty.log").write_bytes(b"")
    (tree / "nobody.log").write_bytes(b"2026-11-20T08:00:00Z INFO nothing to see\n" * 50)
    return tree


def lines_by_name(artifacts, base: str) -> Dict[str, dict]:
    found = {}
    for line in artifacts:
        need(base in line["uri"], f"an artifact line has the uri {line['uri']}, which does not hold {base}")
        found[line["uri"].split(base, 1)[1]] = {name: value for name, value in line.items() if name not in OWN}
    return found


@case("same")
def same(rig: Rig) -> None:
    """the same corpus on disk and in a bucket: the same bytes, artifact lines and exit code; the second run changes nothing"""
    tree, registry = corpus(rig), rig.work / "made" / "registry.jsonl"
    for name, policy in POLICIES.items():
        if name == "redact" and not rig.full:
            continue
        folder, bucket = rig.work / f"same-{name}" / "tree", rig.bucket()
        shutil.copytree(tree, folder)
        for path in sorted(harness.names(tree)):
            if not path.endswith("/"):
                rig.put(bucket, "tree/" + path, (tree / path).read_bytes())
        (rig.work / f"{name}.toml").write_text(policy)
        common = ["--in-place", "--policy", rig.work / f"{name}.toml"]
        disk = rig.scrub(f"same-{name}/tree", *common, registry=registry, expect=[3])
        manifest = rig.manifest()
        remote = rig.scrub(f"s3://{bucket}/tree/", *common, registry=registry, expect=[3], manifest=manifest)

        need(remote.code == disk.code, f"exit {remote.code} in the bucket, {disk.code} on disk")
        after = {key[len("tree/"):]: rig.get(bucket, key) for key in rig.keys(bucket)}
        on_disk = {path: (folder / path).read_bytes() for path in harness.names(folder) if not path.endswith("/")}
        need(set(after) == set(on_disk), f"other names: {sorted(set(after) ^ set(on_disk))}")
        for path, data in on_disk.items():
            need(after[path] == data, f"{name}: {path} has other bytes in the bucket than on disk")
            if path not in ("torn.log.gz", "named.gz"):
                need(not harness.accepted_by_tools(folder / path), f"{name}: {path} is refused by a tool")
        wanted, got = lines_by_name(disk.artifacts(), "/tree/"), lines_by_name(remote.artifacts(), "/tree/")
        need(set(wanted) == set(got), f"artifact lines for other names: {sorted(set(wanted) ^ set(got))}")
        for path, line in wanted.items():
            other = got[path]
            differs = sorted(key for key in set(line) | set(other) if line.get(key) != other.get(key))
            need(not differs, f"{name}: the line of {path} differs in " + ", ".join(
                f"{key} (disk {line.get(key)}, bucket {other.get(key)})" for key in differs))
        counts = remote.by_status()
        need(counts.get("rewritten", 0) > 20 and counts.get("failed") == 2, f"{name}: {counts}")

        before = {entry["Key"]: (entry["ETag"], entry["LastModified"]) for entry in rig.s3.list_objects_v2(Bucket=bucket)["Contents"]}
        again = rig.scrub(f"s3://{bucket}/tree/", *common, registry=registry, expect=[3])
        need("rewritten" not in again.by_status(), f"{name}: a second run rewrote something: {again.by_status()}")
        now = {entry["Key"]: (entry["ETag"], entry["LastModified"]) for entry in rig.s3.list_objects_v2(Bucket=bucket)["Contents"]}
        need(before == now, f"{name}: a second run wrote an object")
        judged = rig.unwrite("verify", manifest, "--fast", "--registry", registry, "--policy", rig.work / f"{name}.toml")
        need(judged.code == 3, f"{name}: verify says {judged.code}: {judged.out[-600:]!r}")
        say(f"   {name}: {len(wanted)} artifacts, {counts}")


@case("since")
def since(rig: Rig) -> None:
    """--since over a bucket: nothing is read the second night, a replaced object is, and a new person is found"""
    bucket, manifest = rig.bucket(), rig.manifest()
    from rig import lines, without
    body = lines(400, [7, 200])
    for n in range(20):
        rig.put(bucket, f"logs/{n:02}.jsonl.gz", gz(body))
    rig.scrub(f"s3://{bucket}/logs/", "--in-place", manifest=manifest)
    rig.proxy.reset()
    second = rig.scrub(f"s3://{bucket}/logs/", "--in-place", "--since", manifest, manifest=manifest)
    need(second.by_status() == {"unchanged": 20}, f"the second night: {second.by_status()}")
    need(rig.proxy.operations()["GetObject"] == 0, "the second night read objects that were vouched for")
    rig.put(bucket, "logs/03.jsonl.gz", gz(body))
    third = rig.scrub(f"s3://{bucket}/logs/", "--in-place", "--since", manifest, manifest=manifest)
    need(third.by_status() == {"unchanged": 19, "rewritten": 1}, f"after one was replaced: {third.by_status()}")
    need(rig.get(bucket, "logs/03.jsonl.gz") and harness.gzip.decompress(rig.get(bucket, "logs/03.jsonl.gz")) == without(body), "03 is not scrubbed")
    two = rig.work / "two.jsonl"
    two.write_text(rig.registry.read_text() + '{"subject":"sub_02","identifiers":[{"type":"email","value":"bob@example.org"}]}\n')
    fourth = rig.scrub(f"s3://{bucket}/logs/", "--in-place", "--since", manifest, manifest=manifest, registry=two)
    need(fourth.by_status() == {"rewritten": 20}, f"with a new person: {fourth.by_status()}")
