"""The measurements of `benches/s3/run`: prints a table of CPU seconds, wall time and ratios.

A rate is of client processes alone: unwrite, or curl with the decoder behind it, or Python with boto3.  The server's CPU is
not counted, but it shares the cores, so that wall times say less.
"""

import os
import pathlib
import resource
import shlex
import subprocess
import sys
import tempfile
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

from rig import MAIL, Rig, gz, harness, lines, say

LARGE_OBJECTS = 8
CONCURRENCY = 8
RANGE = 8 << 20
ROUNDS = 3


def usage() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def measured(command, shell: bool = False, codes=(0,), cwd=None, env=None):
    """Best of the rounds: CPU and wall seconds."""
    best = (float("inf"), float("inf"))
    for _ in range(ROUNDS):
        before, since = usage(), time.monotonic()
        done = subprocess.run(command, shell=shell, executable="/bin/bash" if shell else None, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=cwd, env=env)
        if done.returncode not in codes:
            sys.exit(f"{command}: exit {done.returncode}\n{done.stderr.decode(errors='replace')[-800:]}")
        best = min(best, (usage() - before, time.monotonic() - since))
    return best


def row(what: str, took, base=None) -> None:
    ratio = f"{took[0] / base[0]:8.2f}  {took[1] / base[1]:8.2f}" if base else ""
    say(f"{what:<58} {took[0]:8.2f} {took[1]:8.2f}  {ratio}")


def large(rig: Rig, megabytes: int) -> None:
    """Objects of 1/8 of it each, of gzip members; nobody of the registry is in them, as in most of any bucket."""
    bucket, block, sizes = rig.bucket(), gz(lines(60_000, seed=9, width=60)), []
    body = block * max(1, megabytes * 10**6 // LARGE_OBJECTS // len(block))
    for n in range(LARGE_OBJECTS):
        rig.put(bucket, f"l/{n}.jsonl.gz", body)
        sizes.append(len(body))
    say(f"{sum(sizes) / 1e6:.0f} MB of gzip in {LARGE_OBJECTS} objects, {len(block)} bytes a member")
    urls = [rig.s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": f"l/{n}.jsonl.gz"}, ExpiresIn=86400)
            for n in range(LARGE_OBJECTS)]
    # Ranges of one object at a time, eight beside each other, put together in order and decoded.
    steps = []
    with tempfile.TemporaryDirectory(dir=rig.work) as scratch:
        for url, size in zip(urls, sizes):
            config = pathlib.Path(scratch, f"curl-{len(steps)}")
            parts = range(0, size, RANGE)
            config.write_text("".join(
                f'url = "{url}"\nrange = "{at}-{min(at + RANGE, size) - 1}"\noutput = "{scratch}/part-{number:05}"\n'
                + ("next\n" if at != parts[-1] else "") for number, at in enumerate(parts)))
            steps.append(f"curl -sf --parallel --parallel-max {CONCURRENCY} -K {config} && cat {scratch}/part-* | libdeflate-gunzip -c > /dev/null"
                         f" && rm {scratch}/part-*")
        base = measured("set -o pipefail; " + " && ".join(steps), shell=True)
        row(f"curl --parallel {CONCURRENCY}, ranges | libdeflate-gunzip", base)
    scan = [harness.unwrite_binary(), "scan", f"s3://{bucket}/l/", "--registry", str(rig.registry), "--quiet"]
    row("unwrite scan", measured(scan, env=rig.environment(proxied=False)), base)
    row("unwrite scan --jobs 1", measured([*scan, "--jobs", "1"], env=rig.environment(proxied=False)), base)


LOOP = textwrap.dedent("""
    import gzip, os, sys
    from concurrent.futures import ThreadPoolExecutor
    import boto3
    from botocore.config import Config
    bucket, mail = sys.argv[1], sys.argv[2].encode()
    s3 = boto3.client("s3", config=Config(max_pool_connections=16, s3={"addressing_style": "path"}))
    def one(key):
        got = s3.get_object(Bucket=bucket, Key=key)
        old = gzip.decompress(got["Body"].read())
        new = b"".join(line for line in old.splitlines(keepends=True) if mail not in line.lower())
        if new != old and len(sys.argv) > 3:
            s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(new), IfMatch=got["ETag"])
    keys = [e["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket) for e in page.get("Contents", [])]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, keys))
""")


def small(rig: Rig, count: int) -> None:
    bucket, clean, hit = rig.bucket(), gz(lines(60)), gz(lines(60, [30]))
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: rig.put(bucket, f"{n:06}.jsonl.gz", hit if n % 100 == 50 else clean), range(count)))
    say(f"{count} objects of {len(clean)} bytes, 1 % with a hit")
    base = measured([sys.executable, "-c", LOOP, bucket, MAIL], env=dict(os.environ))
    row("boto3, 16 threads: get, gunzip, look for one e-mail", base)
    scan = [harness.unwrite_binary(), "scan", f"s3://{bucket}/", "--registry", str(rig.registry), "--quiet"]
    took = measured(scan, codes=(1,), env=rig.environment(proxied=False))
    row("unwrite scan", took, base)
    say(f"{'':<58} {took[0] / count * 1e3:8.3f} ms of CPU an object, boto3 {base[0] / count * 1e3:.3f}")


def main() -> None:
    rig = Rig(harness.temporary_folder("s3-bench"), True)
    say(" ".join(map(shlex.quote, [harness.unwrite_binary(), subprocess.run([harness.unwrite_binary(), "--version"], capture_output=True,
                                                                           text=True).stdout.strip()])) + f", {os.cpu_count()} cores")
    say(f"{'best of ' + str(ROUNDS):<58} {'CPU s':>8} {'wall s':>8}  {'CPU x':>8}  {'wall x':>8}")
    large(rig, int(sys.argv[1]))
    small(rig, int(sys.argv[2]))


if __name__ == "__main__":
    main()
