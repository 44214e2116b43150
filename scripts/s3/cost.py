"""What a run costs: bytes each way, requests an object, memory, and no file of an object's size."""

import collections
import os
import resource
import struct
import subprocess
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

from rig import MAIL, MIB, Rig, case, gz, lines, need, say

MEMORY_MIB = 256
UPLOAD_LIMIT = 16 * MIB
REQUESTS_CLEAN = 1.1
# Once to search it, and once for the digest of what it becomes, which verification takes as it reads; and some read-ahead.
READ_TIMES = 2.1
READ_AHEAD = 24 * MIB


class Sampler(threading.Thread):
    """Peak of RssAnon while a process lives, in MiB."""

    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self.path, self.peak = f"/proc/{pid}/status", 0.0

    def run(self) -> None:
        while True:
            try:
                with open(self.path) as status:
                    found = [line.split()[1] for line in status if line.startswith("RssAnon")]
            except OSError:
                return
            if not found:
                return
            self.peak = max(self.peak, int(found[0]) / 1024)
            time.sleep(0.02)


def put_repeated(rig: Rig, bucket: str, key: str, size: int) -> int:
    """A gzip object of about `size` bytes and one member, with one hit in its middle; its length. It never lies on this disk.

    Stretches of deflate that end in a full flush know nothing of each other (RFC 1951 §3.2.3), so that two can be repeated.
    """
    stretches = []
    for plain in (lines(30_000, seed=9, width=120), lines(30_000, [15_000], seed=8, width=120)):
        deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
        stretches.append((plain, deflate.compress(plain) + deflate.flush(zlib.Z_FULL_FLUSH)))
    count = size // len(stretches[0][1])
    upload = rig.s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    part, parts, sent, crc, length = bytearray(b"\x1f\x8b\x08" + b"\0" * 5 + b"\0\x03"), [], 0, 0, 0
    for n in range(count + 1):
        if n < count:
            plain, coded = stretches[n == count // 2]
            part += coded
            crc, length = zlib.crc32(plain, crc), length + len(plain)
        else:
            part += b"\x03\0" + struct.pack("<II", crc, length & 0xFFFFFFFF)
        if len(part) >= 32 * MIB or n == count:
            answer = rig.s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=len(parts) + 1, Body=bytes(part))
            parts.append({"ETag": answer["ETag"], "PartNumber": len(parts) + 1})
            sent += len(part)
            part.clear()
    rig.s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    return sent


def measured(rig: Rig, *arguments, expect, manifest=None):
    """A run, with the peak of its memory; no file that it writes may be longer than 64 MiB."""
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 * MIB, 64 * MIB))

    rig.proxy.reset()
    before = os.times()
    process = subprocess.Popen(rig.command(*arguments, manifest=manifest), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=rig.environment(), cwd=rig.work, preexec_fn=limit)
    sampler = Sampler(process.pid)
    sampler.start()
    out, err = process.communicate()
    sampler.join()
    after = os.times()
    outcome = rig.judged(arguments, process.returncode, out, err, expect, manifest)
    return outcome, sampler.peak, after.children_user + after.children_system - before.children_user - before.children_system


@case("large")
def large(rig: Rig) -> None:
    """one hit in a large gzip object: bytes each way, part copies, memory, no local file of its size"""
    bucket, size = rig.bucket(), (1000 if rig.full else 48) * 10**6
    for verify in ("none", "full"):
        key = f"{verify}/large.jsonl.gz"
        length = put_repeated(rig, bucket, key, size)
        outcome, peak, cpu = measured(rig, "scrub", f"s3://{bucket}/{verify}/", "--in-place", "--verify", verify, manifest=rig.manifest(),
                                      expect=[0])
        up, down, operations = rig.proxy.up, rig.proxy.down, dict(rig.proxy.operations())
        say(f"   --verify {verify}: {length / 1e6:.0f} MB: sent {up / MIB:.1f} MiB, received {down / length:.3f} times the object, "
            f"RssAnon {peak:.0f} MiB, CPU {cpu:.1f} s; {operations}")
        need(outcome.by_status() == {"rewritten": 1}, f"{outcome.by_status()}")
        need(up <= UPLOAD_LIMIT, f"{up} bytes were sent")
        need(down <= READ_TIMES * length + READ_AHEAD, f"{down / length:.3f} times the object was received")
        need(operations.get("UploadPartCopy", 0) > 0, "nothing was copied by the server")
        need(peak <= MEMORY_MIB, f"RssAnon {peak:.0f} MiB")
        check_large(rig, bucket, key)


def check_large(rig: Rig, bucket: str, key: str) -> None:
    """gzip reads it to its end, and the line is gone from it, and it alone."""
    gunzip = subprocess.Popen(["gzip", "-dc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    found = {}

    def count() -> None:
        counts = collections.Counter(mail=0, lines=0)
        for line in gunzip.stdout:
            counts["mail"] += MAIL.encode() in line
            counts["lines"] += 1
        found.update(counts)

    reader = threading.Thread(target=count)
    reader.start()
    for block in rig.s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(MIB):
        gunzip.stdin.write(block)
    gunzip.stdin.close()
    reader.join()
    need(gunzip.wait() == 0 and found["mail"] == 0 and found["lines"] % 30_000 == 29_999, f"the result: {found}")


@case("small")
def small(rig: Rig) -> None:
    """many small objects, one in a hundred with a hit: requests an object"""
    bucket, count = rig.bucket(), 2000 if rig.full else 500
    clean, hit = gz(lines(60)), gz(lines(60, [30]))
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: rig.put(bucket, f"s/{n:05}.jsonl.gz", hit if n % 100 == 50 else clean), range(count)))
    hits = len(range(50, count, 100))
    outcome, peak, cpu = measured(rig, "scan", f"s3://{bucket}/s/", expect=[1], manifest=rig.manifest())
    say(f"   scan of {count}: {cpu / count * 1e3:.2f} ms of CPU an object, {dict(rig.proxy.operations())}")
    need(len(rig.proxy.requests) <= REQUESTS_CLEAN * count, f"{len(rig.proxy.requests)} requests for {count} objects")
    outcome, peak, cpu = measured(rig, "scrub", f"s3://{bucket}/s/", "--in-place", expect=[0], manifest=rig.manifest())
    need(outcome.by_status() == {"clean": count - hits, "rewritten": hits}, f"{outcome.by_status()}")
    hit_keys = {f"s/{n:05}.jsonl.gz" for n in range(50, count, 100)}
    of_clean = [r for r in rig.proxy.requests if r.key not in hit_keys]
    say(f"   scrub: {len(of_clean) / (count - hits):.3f} requests a clean object, {cpu / count * 1e3:.2f} ms of CPU an object, "
        f"RssAnon {peak:.0f} MiB; {dict(rig.proxy.operations())}")
    need(len(of_clean) <= REQUESTS_CLEAN * (count - hits), f"{len(of_clean)} requests for {count - hits} clean objects")
    of_hits = (len(rig.proxy.requests) - len(of_clean)) / hits
    need(of_hits <= 12, f"{of_hits} requests for each object with a hit")
