"""Decodes what unwrite reads and writes by tools that are not unwrite, as far as they get.

Codecs by Python's zlib, bz2 and lzma and by the `zstd` and `lz4` programs, archives by zipfile and tarfile, in any nesting to a
depth of four. Damaged streams give what comes out before the damage, and are said to be unsound.
"""

import bz2
import io
import lzma
import subprocess
import tarfile
import zipfile
import zlib
from typing import List, NamedTuple, Optional, Tuple

MOST = 32 << 20  # decoded bytes of one input that are looked at
DEPTH = 4


class Decoded(NamedTuple):
    leaves: List[bytes]
    sound: bool  # no decoder complained


def through(decompressor, data: bytes) -> Tuple[bytes, bool]:
    """All streams one after another, as far as they go."""
    out, rest, sound = bytearray(), data, True
    while rest and len(out) < MOST:
        one = decompressor()
        try:
            out += one.decompress(rest, MOST - len(out))
        except (zlib.error, OSError, lzma.LZMAError, EOFError, ValueError, MemoryError):
            return bytes(out), False
        if not one.eof:
            return bytes(out), False
        rest = one.unused_data
        if rest and not rest.strip(b"\0"):
            break
    return bytes(out), sound


def by_program(command: List[str], data: bytes) -> Tuple[bytes, bool]:
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        out, _ = process.communicate(data, timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        out, _ = process.communicate()
    return out[:MOST], process.returncode == 0


def codec(data: bytes) -> Optional[Tuple[bytes, bool]]:
    if data.startswith(b"\x1f\x8b"):
        return through(lambda: zlib.decompressobj(31), data)
    if data.startswith(b"BZh"):
        return through(bz2.BZ2Decompressor, data)
    if data.startswith(b"\xfd7zXZ\0"):
        return through(lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=1 << 28), data)
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        return by_program(["zstd", "-dcq", "--memory=256MB"], data)
    if data.startswith(b"\x04\x22\x4d\x18"):
        return by_program(["lz4", "-dcq"], data)
    return None


def zip_members(data: bytes) -> Tuple[List[bytes], bool]:
    members, sound = [], True
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        for entry in archive.infolist()[:2000]:
            try:
                with archive.open(entry) as member:
                    members.append(member.read(MOST))
            except Exception:  # whatever zipfile thinks of it
                sound = False
    except Exception:
        return members, False
    return members, sound


def is_tar(block: bytes) -> bool:
    """By the header's checksum: old archives have no magic."""
    try:
        return len(block) == 512 and any(block) and int(block[148:156].strip(b"\0 ") or b"x", 8) == sum(block) - sum(block[148:156]) + 256
    except ValueError:
        return False


def tar_members(data: bytes) -> Tuple[List[bytes], bool]:
    members = []
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for entry in archive:
                file = archive.extractfile(entry) if entry.isreg() else None
                if file and entry.size < MOST:
                    members.append(file.read(MOST))
    except Exception:
        return members, False
    return members, True


def decode(data: bytes, depth: int = 0) -> Decoded:
    if depth == DEPTH:
        return Decoded([], True)
    one = codec(data)
    if one is not None:
        members, sound = [one[0]], one[1]
    elif data.startswith((b"PK\3\4", b"PK\5\6")):
        members, sound = zip_members(data)
    elif is_tar(data[:512]):
        members, sound = tar_members(data)
    else:
        return Decoded([data], True)
    leaves, left = [], MOST
    for member in members:
        below = decode(member[:left], depth + 1)
        leaves += below.leaves
        sound &= below.sound
        left -= len(member)
        if left <= 0:
            break
    return Decoded(leaves, sound)
