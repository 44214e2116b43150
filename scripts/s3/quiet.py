"""Nothing that the run was trusted with is said, however it fails."""

from rig import MAIL, Rig, case, fail, lines, need

TOKEN = "FwoGZXIvYXdzEJr//////////wEaDNotASessionTokenForTestsOnly1234567890"
PASSWORD = "hunter2-in-the-url"


@case("quiet")
def quiet(rig: Rig) -> None:
    """no credentials in any output at -vv: right and wrong keys, tokens, profiles, endpoints, refusals; nor a key's identifier"""
    bucket = rig.bucket()
    rig.put(bucket, "logs/a.jsonl", lines(50, [3]))
    rig.put(bucket, f"by/{MAIL}/a.jsonl", lines(50, [3]))
    aws = rig.work / "aws"
    aws.mkdir()
    (aws / "credentials").write_text(
        f"[good]\naws_access_key_id = {rig.access}\naws_secret_access_key = {rig.secret}\n"
        f"[bad]\naws_access_key_id = {rig.access}\naws_secret_access_key = {rig.secret[:-4]}0000\naws_session_token = {TOKEN}\n")
    (aws / "torn").write_text(f"[torn]\naws_access_key_id = {rig.access}\naws_secret_access_key {rig.secret}\n")
    (aws / "config").write_text(f"[profile process]\ncredential_process = /bin/sh -c 'echo {rig.secret}; exit 1'\n")
    files = {"AWS_SHARED_CREDENTIALS_FILE": str(aws / "credentials"), "AWS_CONFIG_FILE": str(aws / "config")}
    unset = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    host = rig.proxy.url.removeprefix("http://")
    runs = [
        ("right keys", {}, []), ("a wrong secret", {"AWS_SECRET_ACCESS_KEY": rig.secret[::-1]}, []),
        ("a token", {"AWS_SESSION_TOKEN": TOKEN}, []), ("no such key", {"AWS_ACCESS_KEY_ID": "AKNOTTHERE"}, []),
        ("a profile", {**files, **unset}, ["--profile", "good"]), ("a bad profile", {**files, **unset}, ["--profile", "bad"]),
        ("a torn profile", {**files, **unset, "AWS_SHARED_CREDENTIALS_FILE": str(aws / "torn")}, ["--profile", "torn"]), ("no such profile", {**files, **unset}, ["--profile", "none"]),
        ("a process", {**files, **unset}, ["--profile", "process"]), ("no keys", unset, []), ("unsigned", {}, ["--no-sign-request"]),
        ("a closed port", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, []),
        ("a password in the endpoint", {"AWS_ENDPOINT_URL": f"http://{rig.access}:{PASSWORD}@{host}"}, []),
        ("no url", {"AWS_ENDPOINT_URL": f"{rig.secret}"}, []), ("another region", {"AWS_REGION": "eu-nowhere-9"}, []),
        ("other names of the endpoint", {"AWS_ENDPOINT_URL": None, "AWS_ENDPOINT_URL_S3": rig.proxy.url}, []),
        ("an option for the endpoint", {"AWS_ENDPOINT_URL": None}, ["--endpoint-url", rig.proxy.url]),
        ("debug logs asked for", {"RUST_LOG": "trace", "AWS_LOG": "debug", "RUST_BACKTRACE": "1"}, []),
    ]
    found = {}
    for what, env, more in runs:
        for verb, place in (("scan", f"s3://{bucket}/"), ("scrub", f"s3://{bucket}-none/")):
            rest = ["--in-place"] if verb == "scrub" else []
            done = rig.unwrite(verb, place, "-vv", *rest, *more, env=env, manifest=rig.manifest())
            if verb == "scan":
                found[what] = done.code
            elif done.code != 2:
                fail(f"{what}: a bucket that does not exist is exit {done.code}")
            for secret in (TOKEN, TOKEN[:20], PASSWORD, rig.secret[::-1], rig.secret[:-4], MAIL, MAIL.upper()):
                need(secret.encode() not in done.out + done.err, f"{what}: said {secret[:6]}…")
            need(b"panicked" not in done.err, f"{what}: a panic")
    works = {"right keys", "a profile", "other names of the endpoint", "an option for the endpoint", "debug logs asked for"}
    for what in works:
        need(found[what] in (1, 3), f"{what}: exit {found[what]}")
    # What the server does not mind is no failure: SeaweedFS takes any region and any token.
    for what in set(found) - works - {"a token", "another region", "a password in the endpoint"}:
        need(found[what] in (2, 3), f"{what}: exit {found[what]}")
