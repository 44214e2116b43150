"""The demonstration data under fixtures/: logs, a backup and a registry of invented people.

Each stream is a list of `Line`s: the bytes, what becomes of them, and why.  `make-fixtures` writes the streams and, from
the same list, the page in which a person can read what must go.  Nothing here was taken from unwrite's own output.
"""

import random
from typing import List, NamedTuple, Optional

ALICE_ID, ALICE_MAIL, ALICE_IP = "48213", "alice@example.com", "203.0.113.7"
ALICE_UUID = "9b2f1c64-7d3e-4a51-8c0f-5e6d7a8b9c0d"
ALICE_PHONE, ALICE_SESSION = "+1 415 555 0132", "sess_8f3a9c21d4"
BRUNO_ID, BRUNO_MAIL = "51877", "bruno@example.org"
CHEN_ID, CHEN_MAIL = "60004", "chen@example.net"
DANA_ID, DANA_MAIL = "73310", "dana@example.com"
MAYA_NAME, MAYA_MAIL = "mvargas", "maya.vargas@example.org"

# Subjects of the registry, as EXPECTED.md introduces them.
PEOPLE = [
    ("sub_01", "Alice Moreno", f"user_id {ALICE_ID}, {ALICE_MAIL}, UUID {ALICE_UUID}, {ALICE_IP}, {ALICE_PHONE}, {ALICE_SESSION}",
     "erased, in force", True),
    ("sub_02", "Bruno Okafor", f"user_id {BRUNO_ID}, {BRUNO_MAIL}",
     "erased, but on hold until 2099: found and counted, never dropped", False),
    ("sub_03", "Chen Li", f"user_id {CHEN_ID}, {CHEN_MAIL}",
     "erased as of 2099: the grace period runs, as if absent", False),
    ("sub_04", "Dana Petrov", f"user_id {DANA_ID}, {DANA_MAIL}",
     "erased, then cancelled: as if absent", False),
    ("sub_05", "Maya Vargas", f"user name {MAYA_NAME}, {MAYA_MAIL}", "erased, in force", True),
]

EVENTS = [
    {"seq": 1, "at": "2025-11-01T10:00:00Z", "event": "erase", "subject": "sub_01", "identifiers": [
        {"type": "user_id", "value": ALICE_ID}, {"type": "email", "value": ALICE_MAIL},
        {"type": "uuid", "value": ALICE_UUID}, {"type": "ip", "value": ALICE_IP},
        {"type": "phone", "value": ALICE_PHONE}, {"type": "token", "value": ALICE_SESSION}],
     "effective_at": "2025-11-08T10:00:00Z"},
    {"seq": 2, "at": "2025-11-02T09:30:00Z", "event": "erase", "subject": "sub_02", "identifiers": [
        {"type": "user_id", "value": BRUNO_ID}, {"type": "email", "value": BRUNO_MAIL}]},
    {"seq": 3, "at": "2025-11-03T09:00:00Z", "event": "hold", "subject": "sub_02",
     "until": "2099-01-01T00:00:00Z", "reason": "litigation 2025-14"},
    {"seq": 4, "at": "2025-11-04T16:12:00Z", "event": "erase", "subject": "sub_03", "identifiers": [
        {"type": "user_id", "value": CHEN_ID}, {"type": "email", "value": CHEN_MAIL}],
     "effective_at": "2099-01-01T00:00:00Z"},
    {"seq": 5, "at": "2025-11-05T11:45:00Z", "event": "erase", "subject": "sub_04", "identifiers": [
        {"type": "user_id", "value": DANA_ID}, {"type": "email", "value": DANA_MAIL}]},
    {"seq": 6, "at": "2025-11-06T08:20:00Z", "event": "cancel", "subject": "sub_04"},
    {"seq": 7, "at": "2025-11-07T14:05:00Z", "event": "erase", "subject": "sub_05", "identifiers": [
        {"type": "username", "value": MAYA_NAME}, {"type": "email", "value": MAYA_MAIL}]},
]

ERASED_CSV = (
    "type,value,subject\n"
    f"user_id,{ALICE_ID},sub_01\nemail,{ALICE_MAIL},sub_01\nuuid,{ALICE_UUID},sub_01\nip,{ALICE_IP},sub_01\n"
    f"phone,{ALICE_PHONE},sub_01\ntoken,{ALICE_SESSION},sub_01\n"
    f"username,{MAYA_NAME},sub_05\nemail,{MAYA_MAIL},sub_05\n"
)

POLICY = """\
# What happens to a record that is an erased person's. The first rule that fits decides; without one it is dropped.

[identifiers.user_id]
fields = ["+client_no"]            # besides the default names

[[rule]]
files = ["**/invoices/**"]         # must be kept by law: the record stays, the person goes
action = "redact"
erase_fields = { name = "redact", email = "remove", ip = "null" }

[[rule]]
files = ["**/audit/**"]            # looked at by a person first
action = "report"

[[rule]]
files = ["**/*.jsonl*"]            # a record that names somebody else, too, is redacted, not dropped
shared = "redact"
"""


class Line(NamedTuple):
    """One record of a stream, maybe of several lines; `why` says why it goes or why it does not."""

    before: bytes
    after: bytes
    why: str = ""


class Stream(NamedTuple):
    name: str
    lines: List[Line]

    @property
    def before(self) -> bytes:
        return b"".join(line.before for line in self.lines)

    @property
    def after(self) -> bytes:
        return b"".join(line.after for line in self.lines)


def keep(text: str, why: str = "") -> Line:
    return Line(text.encode(), text.encode(), why)


def gone(text: str, why: str) -> Line:
    return Line(text.encode(), b"", why)


def turn(before: str, after: str, why: str) -> Line:
    return Line(before.encode(), after.encode(), why)


def among_others(marked: List[Line], others: List[str], seed: int, head: Optional[str] = None) -> List[Line]:
    """`marked` spread in order among lines of nobody in the registry; the places are the same in every run."""
    total = len(marked) + len(others)
    places = set(random.Random(seed).sample(range(total), len(marked)))
    one, other = iter(marked), iter(others)
    lines = [next(one) if i in places else keep(next(other)) for i in range(total)]
    return ([keep(head)] if head else []) + lines


def access(second: int, address: str, request: str, size: int = 512) -> str:
    stamp = "%02d:%02d:%02d" % (8 + second // 3600, second // 60 % 60, second % 60)
    return f'{address} - - [20/Nov/2026:{stamp} +0000] "GET {request} HTTP/1.1" 200 {size} "-" "Mozilla/5.0"\n'


def other_access(count: int, seed: int) -> List[str]:
    draw = random.Random(seed)
    paths = ("/", "/pricing", "/static/app.a8f3c91e.js", "/users/%d/settings", "/api/v2/events?uid=%d&since=7d", "/docs/start")
    lines = []
    for i in range(count):
        path = draw.choice(paths)
        path = path % draw.randrange(80000, 99999) if "%d" in path else path
        lines.append(access(i * 37, "198.51.100.%d" % draw.randrange(1, 255), path, draw.randrange(200, 9000)))
    return lines


def access_log(seed: int) -> Stream:
    marked = [
        gone(access(10, "198.51.100.20", f"/users/{ALICE_ID}/settings"), "sub_01: user_id in a path after `users`"),
        keep(access(15, "198.51.100.21", f"/users/{ALICE_ID}0/settings"), "another number that starts with the same digits"),
        gone(access(20, "198.51.100.22", "/login?email=alice%40example.com"), "sub_01: e-mail, percent-encoded"),
        keep(access(25, "198.51.100.23", "/static/logo.svg", int(ALICE_ID)), "the same digits as bytes sent"),
        gone(access(30, ALICE_IP, "/pricing"), "sub_01: address"),
        keep(access(35, "203.0.113.77", "/pricing"), "a longer address"),
        gone(access(40, "198.51.100.24", f"/api/v2/events?uid={ALICE_ID}&since=7d"), "sub_01: user_id in the parameter `uid`"),
        keep(access(45, "198.51.100.25", f"/users/{CHEN_ID}"), "sub_03: not yet in force"),
        gone(access(50, "198.51.100.26", f"/u/{MAYA_NAME}/avatar.png"), "sub_05: user name in a path after `u`"),
        keep(access(55, "198.51.100.27", "/search?q=malice@example.com.au"), "a longer e-mail on both sides"),
        keep(access(58, "198.51.100.28", f"/users/{DANA_ID}"), "sub_04: cancelled"),
    ]
    return Stream("access.log", among_others(marked, other_access(60, seed), seed))


def json_log(seed: int) -> Stream:
    draw = random.Random(seed)
    others = [
        '{"ts":"2026-11-20T08:%02d:%02dZ","level":"info","msg":"request completed","user":{"id":%d},"bytes":%d}\n'
        % (i // 60, i % 60, draw.randrange(80000, 99999), draw.randrange(9000))
        for i in range(70)
    ]

    def entry(rest: str) -> str:
        return '{"ts":"2026-11-20T09:00:00Z",%s}\n' % rest

    marked = [
        gone(entry(f'"msg":"login","user":{{"id":{ALICE_ID},"plan":"pro"}}'), "sub_01: user_id in `user.id`"),
        keep(entry(f'"msg":"stored","bytes":{ALICE_ID}'), "the same digits in `bytes`"),
        gone(entry('"msg":"mail queued","to":"alice\\u0040example.com"'), "sub_01: e-mail with a JSON escape"),
        gone(entry(f'"msg":"session ended","session":"{ALICE_SESSION}"'), "sub_01: token"),
        gone(entry('"msg":"call","number":"1 (415) 555-0132"'), "sub_01: phone number, written otherwise"),
        keep(entry(f'"msg":"login","user":{{"id":{CHEN_ID}}}'), "sub_03: not yet in force"),
        gone(entry(f'"msg":"opened","file":"{ALICE_UUID.upper()}"'), "sub_01: UUID in capitals"),
        gone(entry('"msg":"login","username":"MVargas"'), "sub_05: user name, without case"),
        keep(entry(f'"msg":"tagged","tag":"{MAYA_NAME}"'), "a user name counts in identifying fields only"),
    ]
    return Stream("app.jsonl", among_others(marked, others, seed))


def text_log(seed: int) -> Stream:
    draw = random.Random(seed)
    others = [
        "2026-11-20 08:%02d:%02d.%03d INFO  [exec-%d] c.e.auth.Login - user %d signed in\n"
        % (i // 60, i % 60, draw.randrange(1000), i % 4, draw.randrange(80000, 99999))
        for i in range(50)
    ]
    stamp = "2026-11-20 09:00:00.000"
    frames = "\tat com.example.user.UserService.load(UserService.java:88)\n\tat com.example.user.UserService.handle(UserService.java:31)\n"
    marked = [
        gone(f"{stamp} INFO  [exec-1] c.e.auth.Login - user {ALICE_ID} signed in\n", "sub_01: user_id after `user`"),
        gone(
            f"{stamp} ERROR [exec-2] c.e.user.UserService - failed to load a profile\n"
            f"java.lang.IllegalStateException: no profile for account {ALICE_UUID}\n{frames}",
            "sub_01: UUID in the trace, the whole record goes",
        ),
        keep(
            f"{stamp} ERROR [exec-3] c.e.user.UserService - failed to load a profile\n"
            f"java.lang.IllegalStateException: no profile for user 80001\n{frames}",
            "a trace of somebody else",
        ),
        keep(f"{stamp} INFO  [exec-1] c.e.media.Store - wrote {ALICE_ID} bytes\n", "the same digits as a size"),
        gone(f"{stamp} WARN  [exec-2] c.e.mail.Sender - <Alice@Example.COM> bounced\n", "sub_01: e-mail in other case"),
        gone(f"{stamp} INFO  [exec-2] c.e.mail.Sender - sent to {MAYA_MAIL}\n", "sub_05: e-mail"),
    ]
    return Stream("app.log", among_others(marked, others, seed))


def csv_export(seed: int) -> Stream:
    draw = random.Random(seed)
    others = [
        '%d,person%d@example.net,Person %d,%d,"a note, with a comma"\n'
        % (80000 + i, i, i, draw.randrange(9000))
        for i in range(40)
    ]
    marked = [
        gone(f'{ALICE_ID},a.moreno@example.net,Alice Moreno,900,"two\nlines"\n', "sub_01: user_id column; the record has two lines"),
        keep(f"80100,gil@example.net,Gil North,{ALICE_ID},\n", "the same digits in `mrr_cents`"),
        gone(f'80101,hana@example.net,Hana Ito,100,"met\n{ALICE_MAIL}\non Monday"\n', "sub_01: e-mail in a quoted note"),
        gone(f"80102,{MAYA_MAIL},Maya Vargas,300,\n", "sub_05: e-mail"),
        keep(f"{DANA_ID},{DANA_MAIL},Dana Petrov,300,\n", "sub_04: cancelled"),
    ]
    return Stream("export.csv", among_others(marked, others, seed, "user_id,email,full_name,mrr_cents,notes\n"))


def held_log() -> Stream:
    stamp = "2026-11-20T09:00:00Z"
    return Stream("support.log", [
        keep(f"{stamp} INFO desk opened\n"),
        gone(f"{stamp} INFO ticket 12 from {ALICE_MAIL}\n", "sub_01: e-mail"),
        keep(f"{stamp} INFO ticket 13 from {BRUNO_MAIL}\n", "sub_02: on hold, stays as it is (`left: held`)"),
        turn(f"{stamp} INFO ticket 14 from {BRUNO_MAIL} about {ALICE_MAIL}\n",
             f"{stamp} INFO ticket 14 from {BRUNO_MAIL} about ERASED\n",
             "a record of a held person is never dropped: sub_01 is redacted, sub_02 stays (`left: held`)"),
        keep(f"{stamp} INFO desk closed\n"),
    ])


def settings() -> Stream:
    return Stream("settings.yaml", [
        keep("shop:\n  name: Nightjar Books\n"),
        turn(f"  admin: {ALICE_MAIL}\n", "  admin: ERASED\n", "sub_01: e-mail; lines of no log are redacted, not dropped"),
        keep("  port: 8443\n"),
    ])


def picture() -> bytes:
    """A PNG of one pixel, and so a member of no record format: kept byte for byte."""
    return bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
        "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
    )
