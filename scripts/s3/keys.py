"""Any key: what it may hold, how it is asked for, and which are chosen."""

from urllib.parse import quote

from rig import MAIL, Rig, case, gz, harness, lines, need, say, without

# Without `//`, `\\`, a leading `/`, `.` and `..` as segments: SeaweedFS takes keys for paths of files.
ODD = [
    "a+b c.log", "50%.log", "%41.log", "%2F.log", "a%2Bb.log", "x=1/y=2/f.log", "ü ñ 日本語.log", "é decomposed e\u0301.log", "emoji 😀.log",
    "q?uestion&amp;=.log", "h#ash.log", "semi;colon,comma.log", "quote'\".log", "<xml>&lt;.log", "brackets[1]{2}.log",
    "star*.log", "tilde~!@$^()_-.log", "tab\there.log", "line\nfeed.log", "control\x01\x1f.log", "cr\rhere.log", " leading", "trailing ",
    "dots..log", "...", "-dash", "deep/" + "d/" * 60 + "x.log", "long-" + "x" * 200 + ".log",
]
BODY = lines(60, [5, 40])


def unreachable(rig: Rig, bucket: str, keys) -> list:
    """Keys that this server does not give back as they were put: nothing can be said of them."""
    stored = set(rig.keys(bucket))
    return [key for key in keys if key not in stored]


@case("keys")
def keys(rig: Rig) -> None:
    """any key, in a listing and alone: plus, percent, spaces, Unicode, control characters, brackets"""
    bucket = rig.bucket()
    for key in ODD:
        rig.put(bucket, "in/" + key, BODY)
    lost = unreachable(rig, bucket, ["in/" + key for key in ODD])
    if lost:
        say(f"   this server does not list: {lost}")
    wanted = {"in/" + key for key in ODD} - set(lost)
    need(len(wanted) >= len(ODD) - 4, "too few keys are left for a test")
    listed = rig.scan(f"s3://{bucket}/in/", expect=[1])
    need(listed.by_status() == {"would_rewrite": len(wanted)}, f"a scan of all: {listed.by_status()}")
    uris = {line["uri"] for line in listed.artifacts()}
    need(len(uris) == len(wanted), "two keys have the same uri")
    need(all(all(33 <= ord(c) <= 126 for c in uri) for uri in uris), "a uri holds a space, a control character or more than ASCII")

    one_by_one = sorted(wanted)[:: 1 if rig.full else 3]
    for key in one_by_one:
        done = rig.scrub(f"s3://{bucket}/{key}", "--in-place")
        need(done.by_status() == {"rewritten": 1}, f"{key!r} alone: {done.by_status()}")
        need(rig.get(bucket, key) == without(BODY), f"{key!r}: not what was wanted")
    rest = rig.scrub(f"s3://{bucket}/in/", "--in-place")
    need(rest.by_status().get("rewritten", 0) == len(wanted) - len(one_by_one), f"the rest: {rest.by_status()}")
    for key in wanted:
        need(rig.get(bucket, key) == without(BODY), f"{key!r}: not what was wanted")
    need(set(rig.keys(bucket)) == wanted, "keys came or went")


@case("chosen")
def chosen(rig: Rig) -> None:
    """globs, prefixes, include and exclude choose what they choose on disk; min-age, several SOURCEs, and those that do not exist"""
    bucket, tree = rig.bucket(), rig.work / "chosen"
    names = ["logs/a.gz", "logs/b.gz", "logs/b.log", "logs/deep/c.gz", "logs-old/d.gz", "other/e.gz", "f.log"]
    for name in names:
        body = gz(BODY) if name.endswith(".gz") else BODY
        rig.put(bucket, name, body)
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(body)
    root = f"s3://{bucket}/"

    def hits(base: str, sources, more):
        done = rig.scan(*(base + source for source in sources), *more, expect=[1])
        return sorted(line["uri"].split(base, 1)[1] for line in done.artifacts())

    checks = [
        ([""], []), (["logs/"], []), (["logs/a.gz"], []), (["logs/*.gz"], []), (["*/*.gz"], []), (["*.log"], []), (["logs/", "other/"], []),
        ([""], ["--include", "**/*.gz"]), ([""], ["--include", "*.gz"]), ([""], ["--include", "logs/*", "--exclude", "**/*.log"]),
        ([""], ["--exclude", "logs"]), (["logs/"], ["--include", "*.gz"]), (["logs/", "logs/a.gz"], []), (["logs/*", "logs/deep/"], []),
    ]
    for sources, more in checks:
        here, there = hits("chosen/", sources, more), hits(root, sources, more)
        need(here == there, f"{sources} {more}: {there}, on disk {here}")
    # A key that is a prefix too: alone without the slash.
    rig.put(bucket, "logs", BODY)
    need(hits(root, ["logs"], []) == ["logs"] and len(hits(root, ["logs/"], [])) == 4, "logs and logs/ are not told apart")
    for arguments in ([root + "none/"], [root + "none.gz"], [root + "*.none"], [f"s3://{bucket}-none/"], [root, "--exclude", "**"],
                      [root, "--min-age", "1h"]):
        rig.scan(*arguments, expect=[2])
    rig.scan(root + "none/", "--allow-no-source", expect=[0])
    rig.scan(root, "--min-age", "0s", expect=[1])
    (rig.work / "disk.log").write_bytes(BODY)
    both = rig.scan("disk.log", root + "other/", expect=[1])
    need(sorted(line["uri"].split(":")[0] for line in both.artifacts()) == ["file", "s3"], "disk and bucket in one run")


@case("many")
def many(rig: Rig) -> None:
    """more keys than a page of a listing holds"""
    from concurrent.futures import ThreadPoolExecutor

    bucket, count = rig.bucket(), 5200 if rig.full else 1100
    clean = lines(3)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: rig.put(bucket, f"p/{n:05}", BODY if n % 100 == 0 else clean), range(count)))
    rig.proxy.reset()
    done = rig.scrub(f"s3://{bucket}/p/", "--in-place")
    need(done.by_status() == {"clean": count - -(-count // 100), "rewritten": -(-count // 100)}, str(done.by_status()))
    need(len({line["uri"] for line in done.artifacts()}) == count, "an object was listed twice or not at all")
    say(f"   {count} objects: {dict(rig.proxy.operations())}")


@case("names")
def names(rig: Rig) -> None:
    """a person's e-mail in a key is masked wherever it is said, and the key stays"""
    bucket = rig.bucket()
    for key in (f"users/{MAIL}/x.log", f"users/{quote(MAIL)}/y.log"):
        rig.put(bucket, key, BODY)
    for arguments in (["-vv"], ["-vv", "--json"]):
        done = rig.scan(f"s3://{bucket}/users/", *arguments, expect=[1, 3])
        for said in (done.out, done.err, repr(done.lines).encode()):
            for form in (MAIL, quote(MAIL), MAIL.upper()):
                need(form.encode() not in said, "an e-mail in a key was said")
    done = rig.scrub(f"s3://{bucket}/users/", "--in-place", expect=[3])
    need(all(line["left"].get("name") for line in done.artifacts()), f"left: name is missing: {[line['left'] for line in done.artifacts()]}")
    need(len(rig.keys(bucket)) == 2 and harness.sha256(rig.get(bucket, f"users/{MAIL}/x.log")) == harness.sha256(without(BODY)), "not scrubbed")
