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
    """globs, prefixes, include, exclude, min-age, several SOURCEs, and those that do not exist"""
    bucket = rig.bucket()
    names = ["logs/a.gz", "logs/b.gz", "logs/b.log", "logs/deep/c.gz", "logs-old/d.gz", "logs", "other/e.gz"]
    for name in names:
        rig.put(bucket, name, gz(BODY) if name.endswith(".gz") else BODY)

    def hits(*arguments, expect=(1,), **more):
        done = rig.scan(*arguments, expect=expect, **more)
        return sorted(line["uri"].split(bucket + "/", 1)[1] for line in done.artifacts())

    root = f"s3://{bucket}/"
    checks = [
        ([root], sorted(names)), ([root + "logs/"], ["logs/a.gz", "logs/b.gz", "logs/b.log", "logs/deep/c.gz"]),
        ([root + "logs"], ["logs"]), ([root + "logs/a.gz"], ["logs/a.gz"]), ([root + "logs/*.gz"], ["logs/a.gz", "logs/b.gz"]),
        ([root + "*/*.gz"], ["logs-old/d.gz", "logs/a.gz", "logs/b.gz", "other/e.gz"]),
        ([root, "--include", "**/*.gz"], [n for n in sorted(names) if n.endswith(".gz")]),
        ([root, "--include", "logs/*", "--exclude", "**/*.log"], ["logs/a.gz", "logs/b.gz"]),
        ([root + "logs/", root + "other/"], ["logs/a.gz", "logs/b.gz", "logs/b.log", "logs/deep/c.gz", "other/e.gz"]),
    ]
    for arguments, wanted in checks:
        got = hits(*arguments)
        need(got == wanted, f"{arguments}: {got}, expected {wanted}")
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
    for key in (f"users/{MAIL}/x.log", f"users/{quote(MAIL)}.log"):
        rig.put(bucket, key, BODY)
    for arguments in (["-vv"], ["-vv", "--json"]):
        done = rig.scan(f"s3://{bucket}/users/", *arguments, expect=[1, 3])
        for said in (done.out, done.err, repr(done.lines).encode()):
            for form in (MAIL, quote(MAIL), MAIL.upper()):
                need(form.encode() not in said, "an e-mail in a key was said")
    done = rig.scrub(f"s3://{bucket}/users/", "--in-place", expect=[3])
    need(all(line["left"].get("name") for line in done.artifacts()), f"left: name is missing: {[line['left'] for line in done.artifacts()]}")
    need(len(rig.keys(bucket)) == 2 and harness.sha256(rig.get(bucket, f"users/{MAIL}/x.log")) == harness.sha256(without(BODY)), "not scrubbed")
