"""What the test scripts share: calling unwrite, and looking at files with tools that are not unwrite.

Nothing here knows how unwrite works inside.  Contents are decoded by Python's gzip and tarfile and by the `zstd` program;
manifests are checked by hashlib and jq.
"""

import gzip
import hashlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from typing import Dict, Iterable, List, NamedTuple, NoReturn, Optional, Sequence, Set, Tuple

PROJECT = pathlib.Path(__file__).resolve().parent.parent
TIME_LIMIT = 3600  # seconds for one call of unwrite; a run that takes longer hangs


def fail(text: str) -> NoReturn:
    """Ends the script with a plain line; every script's last words are `ok: ...` or `FAILED: ...`."""
    print(f"FAILED: {text}", flush=True)
    sys.exit(1)


def say(text: str) -> None:
    print(text, flush=True)


def need(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        fail("these programs are needed and not installed: " + ", ".join(missing))


def unwrite_binary() -> str:
    """$UNWRITE, else the release build, else the debug build."""
    named = os.environ.get("UNWRITE")
    places = [pathlib.Path(named)] if named else [PROJECT / "target" / kind / "unwrite" for kind in ("release", "debug")]
    for place in places:
        if os.access(place, os.X_OK):
            return str(place.resolve())
    fail("no unwrite: set UNWRITE, or run `cargo build --release` first")


class Ended(NamedTuple):
    code: int  # negative: the signal that ended it
    out: bytes
    err: bytes


def unwrite(*arguments, expect: Optional[Iterable[int]] = None, env: Optional[dict] = None, cwd=None) -> Ended:
    """Runs unwrite to its end; with `expect`, any other exit code ends the script."""
    command = [unwrite_binary(), *map(str, arguments)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIME_LIMIT,
                          env={**os.environ, **(env or {})}, cwd=cwd)
    ended = Ended(done.returncode, done.stdout, done.stderr)
    if expect is not None and ended.code not in set(expect):
        sys.stderr.write(ended.err.decode(errors="replace")[-4000:])
        fail(f"`unwrite {arguments[0]}` exited {ended.code}, expected {sorted(expect)}")
    return ended


def temporary_folder(prefix: str, keep: bool = False, below: Optional[str] = None) -> pathlib.Path:
    """A fresh folder; removed when the script ends unless `keep`."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=prefix + "-", dir=below)).resolve()
    if keep:
        say(f"keeping {folder}")
    else:
        import atexit

        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


# -- digests and trees -------------------------------------------------------------------------------------------------


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digest(path) -> str:
    """SHA-256 of a file's bytes."""
    hasher = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            hasher.update(block)
    return hasher.hexdigest()


def names(root) -> Set[str]:
    """Every name below `root`, hidden ones too, folders with a slash at the end."""
    found = set()
    for folder, folders, files in os.walk(root):
        base = os.path.relpath(folder, root)
        found.update(os.path.normpath(os.path.join(base, name)) + "/" for name in folders)
        found.update(os.path.normpath(os.path.join(base, name)) for name in files)
    return found


def digests(root) -> Dict[str, str]:
    """SHA-256 of every file below `root`, by its relative name."""
    return {name: digest(os.path.join(root, name)) for name in names(root) if not name.endswith("/")}


def identity(path) -> Tuple:
    """What a rewrite would change, even one to the same bytes."""
    info = os.lstat(path)
    return info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_mode, info.st_uid, info.st_gid


# -- codecs ------------------------------------------------------------------------------------------------------------


def pipe(command: Sequence[str], data: bytes) -> bytes:
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


def gzip_members(data: bytes, cuts: Sequence[int], level: int = 6) -> bytes:
    """One gzip member for each part of `data` between the cuts, which may lie inside a line."""
    places = [0, *sorted(cuts), len(data)]
    return b"".join(gzip.compress(data[a:b], level, mtime=0) for a, b in zip(places, places[1:]))


def zstd(data: bytes) -> bytes:
    return pipe(["zstd", "-q", "-c"], data)


def unzstd(data: bytes) -> bytes:
    return pipe(["zstd", "-dcq"], data)


def contents(name: str, data: bytes) -> bytes:
    """The decoded bytes, by the name's ending."""
    if name.endswith(".gz"):
        return gzip.decompress(data)
    if name.endswith(".zst"):
        return unzstd(data)
    return data


def tar_bytes(files: Dict[str, bytes], format: int = tarfile.GNU_FORMAT, mtime: int = 1_700_000_000) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode, entry.uname, entry.gname = len(data), mtime, 0o640, "app", "app"
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def dump_folder() -> Dict[str, bytes]:
    """The files of a folder that `pg_dump -Fd` wrote, in which alice@example.com is named."""
    packed = (PROJECT / "fixtures/archives/packed15-directory.tar").read_bytes()
    return {os.path.basename(entry.name): data for entry, data in tar_members(packed) if entry.isfile()}


def check_whole(found: Dict[str, str], old: Dict[str, str], new: Dict[str, str], where: str) -> int:
    """Fails unless each artifact has all its old digests or all its new ones; how many have the new.

    The files of a folder whose name ends in `.dir` are one artifact, any other file is one by itself."""
    whole: Dict[str, List[str]] = {}
    for name in old:
        folder = os.path.dirname(name)
        whole.setdefault(folder if folder.endswith(".dir") else name, []).append(name)
    changed = 0
    for artifact, files in whole.items():
        states = [[digests.get(name, "missing") for name in files] for digests in (found, old, new)]
        if states[0] not in states[1:]:
            fail(f"{where}: {artifact} is neither the old artifact nor the new one")
        changed += states[0] == states[2]
    return changed


def tar_members(data: bytes) -> List[Tuple[tarfile.TarInfo, bytes]]:
    """Every member of a tar in order, by Python's tarfile."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        return [(entry, archive.extractfile(entry).read() if entry.isfile() else b"") for entry in archive]


def accepted_by_tools(path) -> List[str]:
    """Names of the independent tools that refuse the file (none: all is well)."""
    path = str(path)
    commands: List[List[str]] = []
    if path.endswith(".gz") or path.endswith(".tgz"):
        commands.append(["gzip", "-t", path])
    if path.endswith(".zst"):
        commands.append(["zstd", "-tq", path])
    if ".tar" in os.path.basename(path) or path.endswith(".tgz"):
        commands.append(["tar", "-tf", path])
        if shutil.which("bsdtar"):
            commands.append(["bsdtar", "-tf", path])
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return [" ".join(command[:2]) for command in commands if subprocess.run(command, **quiet).returncode != 0]


# -- manifests ---------------------------------------------------------------------------------------------------------

NO_PREVIOUS = "sha256:" + "0" * 64


def manifest_lines(path) -> List[dict]:
    with open(path, "rb") as file:
        return [json.loads(line) for line in file.read().splitlines()]


def last_run(path) -> List[dict]:
    """The lines from the last `run` line on."""
    lines = manifest_lines(path)
    starts = [i for i, line in enumerate(lines) if line["kind"] == "run"]
    return lines[starts[-1] :] if starts else []


def check_manifest(path) -> None:
    """The chain holds from the first line to the last, and the last summary's root is what jq and sha256 make of it."""
    with open(path, "rb") as file:
        raw = file.read()
    if not raw.endswith(b"\n"):
        fail(f"manifest {path}: its last line is not whole")
    previous = NO_PREVIOUS
    for number, line in enumerate(raw.split(b"\n")[:-1], 1):
        if json.loads(line)["prev"] != previous:
            fail(f"manifest {path}: the chain breaks at line {number}")
        previous = "sha256:" + sha256(line)
    run = last_run(path)
    if not run or run[-1]["kind"] != "summary":
        fail(f"manifest {path}: no summary at its end")
    if shutil.which("jq"):
        artifacts = sorted((line for line in run if line["kind"] == "artifact"), key=lambda line: line["uri"])
        text = "".join(json.dumps(line) + "\n" for line in artifacts)
        lines = pipe(["jq", "-cS", "del(.prev, .duration_ms, .identity)"], text.encode())
        if run[-1]["root"] != "sha256:" + sha256(lines):
            fail(f"manifest {path}: root is not the digest of its artifact lines")


# -- records -----------------------------------------------------------------------------------------------------------


def text_records(data: bytes, continues) -> List[bytes]:
    """`data` cut into records: a line for which `continues(line)` belongs to the record before it."""
    records: List[List[bytes]] = []
    for line in data.splitlines(keepends=True) if b"\r" not in data else split_lf(data):
        if records and continues(line):
            records[-1].append(line)
        else:
            records.append([line])
    return [b"".join(lines) for lines in records]


def split_lf(data: bytes) -> List[bytes]:
    """Lines by line feed alone; bytes.splitlines also cuts at a lone CR."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def compare_records(before: Sequence[bytes], goes: Sequence[bool], after: bytes) -> Tuple[int, int]:
    """(missed, wrong): records that should have gone and are there; records lost, changed or made up.

    The records of `after` must be those of `before` that stay, in order.  Where the bytes differ, the walk below says how.
    """
    if b"".join(record for record, gone in zip(before, goes) if not gone) == after:
        return 0, 0
    known = set(before)
    missed = wrong = at = 0
    for record, gone in zip(before, goes):
        there = after.startswith(record, at)
        if there:
            missed += gone
            at += len(record)
        elif not gone:
            wrong += 1
            end = after.find(b"\n", at) + 1
            # A line that the original never had stands in the record's place; any other is a later one: this one is lost.
            if after[at:end] not in known:
                at = end
    wrong += at < len(after)
    return missed, wrong if missed else max(wrong, 1)
