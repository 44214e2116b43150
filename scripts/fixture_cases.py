"""The golden cases under fixtures/cases: one folder each, made by `make-fixtures`.

A case is an input, a registry, sometimes a policy, and what must come out.  What comes out is written down here line by
line, by hand and after the rules of the documentation, never by running unwrite:

  keep(bytes)            stands in the input and in what is expected
  gone(bytes)            stands in the input only
  turn(before, after)    stands in both, changed

The pieces hold their own line ends, so that CRLF, missing final newlines and NUL bytes show.
"""

import io
import json
import zipfile
from typing import List, NamedTuple, Optional, Tuple


class Piece(NamedTuple):
    before: bytes
    after: bytes


class Case(NamedTuple):
    name: str
    extension: str  # of input.* and expected.*
    why: str  # the README of the case: which records went, and why
    registry: List[dict]
    pieces: List[Piece]
    policy: Optional[str] = None


def as_bytes(text) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8")


def keep(text) -> Piece:
    return Piece(as_bytes(text), as_bytes(text))


def gone(text) -> Piece:
    return Piece(as_bytes(text), b"")


def turn(before, after) -> Piece:
    return Piece(as_bytes(before), as_bytes(after))


def erase(subject: str, *identifiers, **more) -> dict:
    """A registry line as written by hand: `("email", "a@b.example")` pairs, or a ready identifier."""
    listed = [i if isinstance(i, dict) else {"type": i[0], "value": i[1]} for i in identifiers]
    return {"subject": subject, "identifiers": listed, **more}


def registry_bytes(lines: List[dict]) -> bytes:
    return b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)


ALICE_UUID = "9b2f1c64-7d3e-4a51-8c0f-5e6d7a8b9c0d"
ALICE = erase("sub_01", ("user_id", "48213"), ("email", "alice@example.com"), ("uuid", ALICE_UUID), ("ip", "203.0.113.7"))
ALICE_ID_AND_MAIL = erase("sub_01", ("user_id", "48213"), ("email", "alice@example.com"))


def hit(address: str, request: str, size: int = 512) -> str:
    """One line of nginx's combined format."""
    return f'{address} - - [21/Nov/2026:10:00:00 +0000] "GET {request} HTTP/1.1" 200 {size} "-" "curl/8.4.0"\n'


def at(second: int, text: str, end: str = "\n") -> str:
    """One line of a log with time stamps."""
    return f"2026-11-21T10:00:{second:02d}Z INFO {text}{end}"


def zipped(comment: str, *members: Tuple[str, str, str]) -> bytes:
    """A zip of stored members: name, comment, text."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.comment = comment.encode()
        for name, about, text in members:
            entry = zipfile.ZipInfo(name, (2026, 11, 21, 10, 0, 0))
            entry.external_attr = 0o100640 << 16
            entry.comment = about.encode()
            archive.writestr(entry, text)
    return out.getvalue()


CASES = [
    Case(
        "nginx",
        "log",
        "A path segment after `users` and a query parameter named `uid` hold the erased user_id; the e-mail stands in"
        " another case and percent-encoded; the UUID in capitals; the address as IPv4 and mapped into IPv6. What stays:"
        " the same digits as bytes sent, after `last_user_id`, or inside a longer number; longer e-mails; a longer address.",
        [ALICE],
        [
            gone(hit("192.0.2.10", "/api/v2/users/48213/projects?limit=50")),
            keep(hit("192.0.2.11", "/api/v2/users/482130/projects?limit=50")),
            keep(hit("192.0.2.11", "/favicon.ico", 48213)),
            gone(hit("192.0.2.12", "/login?email=alice%40example.com&next=%2Fhome")),
            keep(hit("192.0.2.12", "/login?email=malice%40example.com&next=%2Fhome")),
            gone(hit("192.0.2.13", "/login?email=ALICE@Example.Com")),
            keep(hit("192.0.2.13", "/export?to=alice@example.com.au")),
            gone(hit("192.0.2.14", f"/files/{ALICE_UUID.upper()}/download")),
            keep(hit("192.0.2.14", f"/files/{ALICE_UUID[:-1]}e/download")),
            gone(hit("192.0.2.15", "/api/v2/events?uid=48213&since=7d")),
            keep(hit("192.0.2.15", "/api/v2/events?last_user_id=48213&since=7d")),
            gone(hit("192.0.2.16", "/users/48213.json")),
            gone(hit("203.0.113.7", "/")),
            keep(hit("203.0.113.70", "/")),
            gone(hit("::ffff:203.0.113.7", "/")),
            keep(hit("192.0.2.17", "/pricing")),
        ],
    ),
    Case(
        "text-traces",
        "log",
        "Lines that start without a time stamp continue the record before them, so a stack trace goes with its head when"
        " either of them names the person, and a trace that names nobody stays with its own head.",
        [ALICE_ID_AND_MAIL],
        [
            keep("2026-11-21 10:00:00,012 INFO  [main] c.e.Boot - started\n"),
            gone(
                "2026-11-21 10:00:01,101 ERROR [exec-1] c.e.UserService - failed to load a profile\n"
                "java.lang.IllegalStateException: no profile for alice@example.com\n"
                "\tat com.example.user.UserService.load(UserService.java:88)\n"
                "\tat com.example.user.UserService.handle(UserService.java:31)\n"
                "Caused by: java.io.IOException: closed\n"
                "\t... 12 more\n"
            ),
            keep(
                "2026-11-21 10:00:02,220 ERROR [exec-2] c.e.UserService - failed to load profile of user 77001\n"
                "java.lang.IllegalStateException: no profile for bob@example.org\n"
                "\tat com.example.user.UserService.load(UserService.java:88)\n"
            ),
            gone(
                "2026-11-21 10:00:03,300 WARN  [exec-3] c.e.Sync - user 48213 out of date\n"
                "  retrying in 30 s\n"
                "\n"
                "  (second try)\n"
            ),
            keep("2026-11-21 10:00:04,480 INFO  [exec-4] c.e.Store - wrote 48213 bytes\n"),
        ],
    ),
    Case(
        "jsonl",
        "jsonl",
        "The user_id counts in the members that identify (`user_id`, `user`, `user.id`, `account.id`, elements of an array"
        " under one), as a number or a string, and nowhere else; `48213.0` is not how it is written. The e-mail counts"
        " anywhere: escaped, or as a key. A line that is no JSON is searched as text.",
        [ALICE_ID_AND_MAIL],
        [
            keep('{"ts":"2026-11-21T10:00:00Z","msg":"started"}\n'),
            gone('{"ts":"2026-11-21T10:00:01Z","user_id":48213,"msg":"login"}\n'),
            gone('{"ts":"2026-11-21T10:00:02Z","User-ID":"48213","msg":"login"}\n'),
            keep('{"ts":"2026-11-21T10:00:03Z","user_id":482130,"msg":"login"}\n'),
            keep('{"ts":"2026-11-21T10:00:04Z","user_id":48213.0,"msg":"login"}\n'),
            keep('{"ts":"2026-11-21T10:00:05Z","bytes":48213,"id":48213}\n'),
            gone('{"ts":"2026-11-21T10:00:06Z","user":{"id":48213,"plan":"pro"}}\n'),
            gone('{"ts":"2026-11-21T10:00:07Z","request":{"account":{"id":"48213"}}}\n'),
            gone('{"ts":"2026-11-21T10:00:08Z","member_id":[77001,48213]}\n'),
            gone('{"ts":"2026-11-21T10:00:09Z","to":"alice\\u0040example.com"}\n'),
            gone('{"ts":"2026-11-21T10:00:10Z","body":"Hello\\nalice@example.com\\n"}\n'),
            gone('{"ts":"2026-11-21T10:00:11Z","seen":{"alice@example.com":3}}\n'),
            gone('{"ts":"2026-11-21T10:00:12Z","payload":"{\\"user_mail\\":\\"alice@example.com\\"}"}\n'),
            keep('{"ts":"2026-11-21T10:00:13Z","to":"alice@example.community"}\n'),
            gone("truncated: user_id=48213 msg=login\n"),
            keep('{"ts":"2026-11-21T10:00:14Z","to":"bob@example.org","tags":[]}\n'),
            keep('{"ts":"2026-11-21T10:00:15Z","msg":"stopped"}\n'),
        ],
    ),
    Case(
        "logfmt",
        "log",
        "A line is a record, a pair a field: the user_id counts in `user_id`, `uid` and `account.id`, as a whole value, quoted"
        " or not; the e-mail anywhere, also with escapes. What stays: the same digits under another name or in a longer"
        " value.",
        [ALICE_ID_AND_MAIL],
        [
            keep('ts=2026-11-21T10:00:00Z level=info msg=started port=48213\n'),
            gone('ts=2026-11-21T10:00:01Z level=info msg="signed in" user_id=48213\n'),
            gone('ts=2026-11-21T10:00:02Z level=info msg="signed in" uid="48213" ok\n'),
            keep('ts=2026-11-21T10:00:03Z level=info msg="signed in" user_id=482130\n'),
            keep('ts=2026-11-21T10:00:04Z level=info msg=wrote bytes=48213 last_user_id=48213\n'),
            gone('ts=2026-11-21T10:00:05Z level=warn msg="mail to \\"alice@example.com\\" came back" n=2\n'),
            gone('ts=2026-11-21T10:00:06Z level=warn msg="<alice\\u0040example.com>\\nbounced" n=3\n'),
            gone('ts=2026-11-21T10:00:07Z level=info account.id=48213 path=/x?a=b\n'),
            keep('ts=2026-11-21T10:00:08Z level=info to=malice@example.com n=4\n'),
            keep('panic: something that is no pair\n'),
            keep('ts=2026-11-21T10:00:09Z level=info msg=stopped n=5\n'),
        ],
    ),
    Case(
        "redact-logfmt",
        "log",
        "The policy says `redact`: ERASED needs no quotes. `name` is redacted inside its quotes, `email` is removed with the"
        " blank after it (the last pair of a line: with the blank before it), `ip` becomes null.",
        [ALICE_ID_AND_MAIL],
        [
            keep('level=info msg=started port=48213\n'),
            turn(
                'level=info user_id=48213 name="Alice Moreno" email=a.moreno@example.net ip=192.0.2.9 ok=true\n',
                'level=info user_id=ERASED name="ERASED" ip=null ok=true\n',
            ),
            turn(
                'level=info msg="mail to alice@example.com sent" n=2 email="alice@example.com"\r\n',
                'level=info msg="mail to ERASED sent" n=2\r\n',
            ),
            keep('level=info user_id=77001 name="Bob Stone" email=bob@example.org\n'),
        ],
        '[[rule]]\naction = "redact"\nerase_fields = { name = "redact", email = "remove", ip = "null" }\n',
    ),
    Case(
        "json-array",
        "json",
        "The elements of a top-level array are records. One that goes takes the comma and the blanks after it; the last ones"
        " take the comma before them.",
        [ALICE_ID_AND_MAIL],
        [
            keep('[\n  '),
            gone('{\n    "user_id": 48213,\n    "tags": ["a", "b"]\n  },\n  '),
            keep('{\n    "user_id": 77001,\n    "seen": [{"to": "bob@example.org"}]\n  },\n  '),
            gone('{ "user_id": 77002, "seen": [{"to": "alice@example.com"}] },\n  '),
            keep('{ "bytes": 48213, "note": "], [" }'),
            gone(',\n  { "user": { "id": "48213" } },\n  { "mail": "alice\\u0040example.com" }'),
            keep('\n]\n'),
        ],
    ),
    Case(
        "json-cloudtrail",
        "json",
        "The shape of CloudTrail's files, on one line: the elements of `Records` are records.",
        [ALICE_ID_AND_MAIL],
        [
            keep('{"Records":['),
            keep('{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","userName":"bob@example.org"},"eventName":"GetObject"}'),
            gone(',{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","userName":"alice@example.com"},"eventName":"GetObject"}'),
            keep(',{"eventVersion":"1.08","userIdentity":{"type":"Root"},"requestParameters":{"bytes":48213},"eventName":"ListBuckets"}'),
            keep(']}'),
        ],
    ),
    Case(
        "json-tables",
        "json",
        "Each outermost array of objects is a table of records; one that loses all of them stays as an empty array. The names"
        " above a record count: `id` below `user` is `user.id`, below `users` it is not. What stands outside of tables is no"
        " record: a hit is redacted in its place, a number becomes null.",
        [ALICE_ID_AND_MAIL],
        [
            keep('{\n  "exported": "2026-11-21T10:00:00Z",\n'),
            turn('  "by": "Alice <alice@example.com>",\n  "owner_id": 48213,\n', '  "by": "Alice <ERASED>",\n  "owner_id": null,\n'),
            keep('  "rows": 48213,\n  "user": ['),
            gone('{"id": 48213, "plan": "pro"}, '),
            keep('{"id": 77001, "plan": "free"}],\n  "users": [{"id": 48213}],\n  "orders": [\n    '),
            gone('{"n": 1, "customer_id": 48213, "lines": [{"sku": "x"}]},\n    {"n": 2, "customer_id": "48213", "lines": []}'),
            keep('\n  ],\n'),
            turn('  "admins": ["alice@example.com", "bob@example.org"],\n', '  "admins": ["ERASED", "bob@example.org"],\n'),
            turn('  "quota": {"alice@example.com": 5, "bob@example.org": 7}\n}\n', '  "quota": {"ERASED": 5, "bob@example.org": 7}\n}\n'),
        ],
    ),
    Case(
        "json-pointer",
        "json",
        "The policy says where the records are: the elements of that array, whatever they are. Other arrays have none, so a"
        " hit in them is redacted.",
        [ALICE_ID_AND_MAIL],
        [
            keep('{"page": {"items": ['),
            gone('["alice@example.com", 1], '),
            keep('["bob@example.org", 2]]}, "seen": ['),
            turn('{"user_id": 48213}', '{"user_id": null}'),
            keep(', {"user_id": 77001}]}\n'),
        ],
        '[[rule]]\nrecords = "/page/items"\n',
    ),
    Case(
        "redact-json",
        "json",
        "The policy says `redact` and cleans fields of the person's records; a member that is removed takes"
        " its comma. Fields of what is no record stay.",
        [ALICE_ID_AND_MAIL],
        [
            keep('{"name": "export", "users": [\n'),
            turn(
                '  {"user_id": 48213, "name": "Alice Moreno", "email": "a.moreno@example.net", "ip": "192.0.2.9"},\n',
                '  {"user_id": null, "name": "ERASED",  "ip": null},\n',
            ),
            turn('  {"user_id": "48213", "email": "alice@example.com"},\n', '  {"user_id": "ERASED"},\n'),
            keep('  {"user_id": 77001, "name": "Bob Stone", "email": "bob@example.org", "ip": "192.0.2.10"}\n]}\n'),
        ],
        '[[rule]]\naction = "redact"\nerase_fields = { name = "redact", email = "remove", ip = "null" }\n',
    ),
    Case(
        "csv-quoted",
        "csv",
        "A row is a record, also one whose quoted note holds line feeds, commas and doubled quotes. The header names the"
        " columns, so the same number in `mrr_cents` stays.",
        [ALICE_ID_AND_MAIL],
        [
            keep("user_id,email,full_name,mrr_cents,notes\n"),
            keep('77001,bob@example.org,Bob Stone,1200,"plain, with a comma"\n'),
            gone('48213,a.moreno@example.net,Alice Moreno,900,"first line\nsecond ""line"", still hers"\n'),
            keep("77002,cy@example.org,Cy Young,48213,\n"),
            gone('77003,dee@example.org,Dee Gray,100,"met\nalice@example.com\non Monday"\n'),
            gone("77004,Alice@Example.com,Eve Hall,100,other account\n"),
            keep('77005,finn@example.org,Finn West,100,"two\nlines"\n'),
        ],
    ),
    Case(
        "csv-semicolon",
        "csv",
        "The separator is a semicolon; the commas belong to the amounts.",
        [ALICE_ID_AND_MAIL],
        [
            keep("customer_id;name;amount;contact\n"),
            keep("77001;Stone, Bob;12,50;bob@example.org\n"),
            gone("48213;Moreno, Alice;9,00;\n"),
            keep("77002;Young, Cy;48213;cy@example.org\n"),
            gone('77003;Gray, Dee;1,00;"dee@example.org; alice@example.com"\n'),
            keep("77004;West, Finn;1,00;finn@example.org\n"),
        ],
    ),
    Case(
        "tsv",
        "tsv",
        "Columns apart by tabs; `createdBy` is one of the identifying fields.",
        [ALICE_ID_AND_MAIL],
        [
            keep("id\tcreatedBy\ttitle\n"),
            keep("1\t77001\tquarterly, report\n"),
            gone("2\t48213\tbudget\n"),
            keep("48213\t77002\tdesign\n"),
            gone("4\t77003\tshared with alice@example.com\n"),
            keep("5\t77004\tlaunch\n"),
        ],
    ),
    Case(
        "csv-no-header",
        "csv",
        "The first row has a number, so it is no header; the policy names column `#1` as the one that identifies.",
        [erase("sub_01", ("user_id", "48213"))],
        [
            keep("77001,bob,1200\n"),
            gone("48213,alice,900\n"),
            keep("77002,cy,48213\n"),
        ],
        '[identifiers.user_id]\nfields = ["#1"]\n',
    ),
    Case(
        "csv-header-hit",
        "csv",
        "The policy says that the first row is a header: it is never dropped, so the e-mail in it is redacted. The row"
        " with the e-mail goes.",
        [ALICE_ID_AND_MAIL],
        [
            turn("day,alice@example.com,bob@example.org\n", "day,ERASED,bob@example.org\n"),
            keep("2026-11-20,3,4\n"),
            gone("2026-11-21,alice@example.com,5\n"),
            keep("2026-11-22,6,7\n"),
        ],
        '[[rule]]\nheader = "yes"\n',
    ),
    Case(
        "other-yaml",
        "yaml",
        "No log: its lines are no records, so nothing is dropped and each identifier is redacted in place. `port` has the"
        " same digits and stays.",
        [ALICE_ID_AND_MAIL],
        [
            keep("# contacts of the shop\nshop:\n  name: Nightjar Books\n  port: 48213\n"),
            turn("  admin: alice@example.com\n", "  admin: ERASED\n"),
            keep("  deputy: bob@example.org\n"),
            turn("  mail:\n    - \"Alice <alice@example.com>\"\n", "  mail:\n    - \"Alice <ERASED>\"\n"),
            turn("owner:\n  user_id: 48213\n", "owner:\n  user_id: ERASED\n"),
            keep("  plan: pro\n"),
        ],
    ),
    Case(
        "other-ini",
        "ini",
        "No log: redacted in place.",
        [ALICE_ID_AND_MAIL],
        [
            keep("; mail settings\n[mail]\nserver = mail.example.com\n"),
            turn("from = alice@example.com\n", "from = ERASED\n"),
            keep("reply = malice@example.com\n\n[limits]\nbytes = 48213\n"),
        ],
    ),
    Case(
        "other-prose",
        "txt",
        "A letter. Its lines are no records; the full stop after an address ends it.",
        [ALICE_ID_AND_MAIL],
        [
            keep("Dear all,\n\nthe library closes at noon on Friday.\n"),
            turn("Please write to alice@example.com. She will answer,\n", "Please write to ERASED. She will answer,\n"),
            keep("or ask Bob (bob@example.org) instead.\n\nKind regards\n"),
            turn("Alice <ALICE@EXAMPLE.COM>\n", "Alice <ERASED>\n"),
        ],
    ),
    Case(
        "other-xml",
        "xml",
        "Elements named as identifying fields, and the e-mail anywhere, also with its `@` as an entity; redacted in place.",
        [ALICE_ID_AND_MAIL],
        [
            keep('<?xml version="1.0"?>\n<users>\n  <entry>\n'),
            turn("    <user_id>48213</user_id>\n", "    <user_id>ERASED</user_id>\n"),
            turn("    <email>alice&#64;example.com</email>\n", "    <email>ERASED</email>\n"),
            keep("    <bytes>48213</bytes>\n  </entry>\n  <entry>\n"),
            keep("    <user_id>77001</user_id>\n    <email>bob@example.org</email>\n  </entry>\n</users>\n"),
        ],
    ),
    Case(
        "spellings",
        "log",
        "One e-mail in every spelling that is decoded: percent, JSON, HTML and quoted-printable, nested up to three deep."
        " What stays: near misses in the same spellings, a `+` (which is no space), and a nesting of four.",
        [ALICE_ID_AND_MAIL],
        [
            keep(at(0, "start")),
            gone(at(1, "GET /login?email=alice%40example.com")),
            gone(at(2, "GET /next?to=%2Flogin%3Femail%3Dalice%2540example.com")),
            gone(at(3, "depth three alice%252540example.com")),
            keep(at(4, "depth four alice%25252540example.com")),
            gone(at(5, r'body "to alice\u0040example.com"')),
            gone(at(6, r'body "Hello\nalice@example.com"')),
            gone(at(7, r'body "\u003calice@example.com\u003e"')),
            gone(at(8, r'body "{\"to\":\"alice\\u0040example.com\"}"')),
            gone(at(9, "page alice&#64;example.com")),
            gone(at(10, "page alice&#x40;example.com")),
            gone(at(11, "page alice&commat;example.com")),
            gone(at(12, "mail alice=40example.com")),
            gone(at(13, "mail href=3Dalice@example.com")),
            gone(at(14, "query email%3Dalice%40example.com")),
            keep(at(15, "query email%3Dmalice%40example.com")),
            keep(at(16, "tagged news+alice@example.com")),
            keep(at(17, "tagged news%2Balice%40example.com")),
            keep(at(18, "page alice&#64;example.com.au")),
            gone(at(19, "mixed alice%26%2364%3Bexample.com")),
            keep(at(20, "stop")),
        ],
    ),
    Case(
        "spellings-soft-break",
        "log",
        "A soft line break of quoted-printable joins two lines; the e-mail lies across it, so both are theirs.",
        [ALICE_ID_AND_MAIL],
        [
            keep("INFO queue opened\n"),
            gone("INFO body: please write to alice@exam=\nple.com before noon\n"),
            keep("INFO body: please write to bob@exam=\nple.org before noon\n"),
            keep("INFO body sent\nINFO queue closed\nINFO bye\n"),
        ],
    ),
    Case(
        "types",
        "log",
        "Every type of identifier with spellings that are the same value and near misses that are not. `77` is too short"
        " for `name value` with a space and counts after `=` or `:` only.",
        [
            erase("sub_01", ("uuid", ALICE_UUID), ("ip", "203.0.113.7"), ("ip", "2001:db8::7")),
            erase("sub_02", ("phone", "+1 415 555 0132"), ("token", "usr_8f3a9c21"), ("literal", "Project Nightjar")),
            erase("sub_03", ("username", "jsmith"), ("user_id", "77")),
        ],
        [
            keep(at(0, "start")),
            gone(at(1, f"uuid {ALICE_UUID.replace('-', '')}")),
            gone(at(1, "uuid {%s}" % ALICE_UUID.upper())),
            gone(at(1, f"uuid urn:uuid:{ALICE_UUID}")),
            keep(at(1, f"uuid a{ALICE_UUID}")),
            keep(at(1, f"uuid {ALICE_UUID}0")),
            gone(at(2, "from 203.0.113.7:8080")),
            gone(at(2, "route 203.0.113.7/32")),
            gone(at(2, "it was 203.0.113.7.")),
            gone(at(2, "from ::ffff:203.0.113.7")),
            gone(at(2, "from ::ffff:cb00:7107")),
            keep(at(2, "from 1203.0.113.7")),
            keep(at(2, "version 203.0.113.7.4")),
            gone(at(3, "from [2001:0DB8:0:0:0:0:0:7]:443")),
            gone(at(3, "route 2001:db8::7/128")),
            keep(at(3, "from 2001:db8::70")),
            gone(at(4, "called 1-415-555-0132")),
            gone(at(4, "called (+1) 415 555.0132")),
            gone(at(4, "called 0014155550132")),
            keep(at(4, "called 141555501321")),
            keep(at(4, "called 1----4155550132")),
            keep(at(4, "called 415 555 0132")),
            gone(at(5, "session (usr_8f3a9c21)")),
            keep(at(5, "session usr_8f3a9c21x")),
            keep(at(5, "session x-usr_8f3a9c21")),
            keep(at(5, "session USR_8F3A9C21")),
            gone(at(6, "about xProject Nightjary")),
            keep(at(6, "about project nightjar")),
            gone(at(7, "user=JSmith signed in")),
            gone(at(7, "login jsmith ok")),
            gone(at(7, "GET /u/jsmith/settings")),
            keep(at(7, "met jsmith yesterday")),
            keep(at(7, "user=jsmith2 signed in")),
            gone(at(8, "user=77 signed in")),
            gone(at(8, "user: 77 signed in")),
            keep(at(8, "user 77 signed in")),
            keep(at(8, "user=770 signed in")),
            keep(at(9, "stop")),
        ],
    ),
    Case(
        "crlf",
        "log",
        "Lines end in CRLF; a record takes its own line end with it and the others keep theirs.",
        [ALICE_ID_AND_MAIL],
        [
            keep(at(0, "start", "\r\n")),
            gone(at(1, "login alice@example.com", "\r\n")),
            keep(at(2, "login bob@example.org", "\r\n")),
            gone(at(3, "user_id=48213", "\r\n")),
            keep(at(4, "one line with a bare line feed", "\n")),
            keep(at(5, "stop", "\r\n")),
        ],
    ),
    Case(
        "bom-text",
        "log",
        "The first record goes; the byte order mark before it stays.",
        [ALICE_ID_AND_MAIL],
        [
            keep(b"\xef\xbb\xbf"),
            gone(at(0, "login alice@example.com")),
            keep(at(1, "login bob@example.org")),
            keep(at(2, "stop")),
        ],
    ),
    Case(
        "bom-csv",
        "csv",
        "A byte order mark is no part of the first column's name: `user_id` identifies.",
        [erase("sub_01", ("user_id", "48213"))],
        [
            keep(b"\xef\xbb\xbfuser_id,plan,mrr_cents\r\n"),
            gone("48213,pro,900\r\n"),
            keep("77001,free,48213\r\n"),
            keep("77002,free,0\r\n"),
        ],
    ),
    Case(
        "no-final-newline-gone",
        "log",
        "The last record has no newline and goes; the newline before it belongs to the record before and stays.",
        [ALICE_ID_AND_MAIL],
        [
            keep(at(0, "start")),
            keep(at(1, "login bob@example.org")),
            gone(at(2, "login alice@example.com", "")),
        ],
    ),
    Case(
        "no-final-newline-kept",
        "log",
        "The last record has no newline and stays as it is: none is added.",
        [ALICE_ID_AND_MAIL],
        [
            keep(at(0, "start")),
            gone(at(1, "login alice@example.com")),
            keep(at(2, "login bob@example.org", "")),
        ],
    ),
    Case(
        "latin1",
        "log",
        "Bytes that are no UTF-8 stay as they are; one of them before an e-mail is no letter of it.",
        [ALICE_ID_AND_MAIL],
        [
            keep(at(0, "start caf").encode()[:-1] + b"\xe9 open\n"),
            gone(at(1, "caf").encode()[:-1] + b"\xe9alice@example.com\n"),
            keep(at(2, "Z").encode()[:-1] + b"\xfcrich bob@example.org \xff\xfe\n"),
            gone(at(3, "user_id=48213 Malm").encode()[:-1] + b"\xf6\n"),
            keep(at(4, "stop")),
        ],
    ),
    Case(
        "nul",
        "log",
        "NUL bytes, as a crash or a copied-and-truncated file leaves them, are bytes like any other.",
        [ALICE_ID_AND_MAIL],
        [
            keep(at(0, "start")),
            keep(at(1, "before the crash")),
            keep(at(2, "padding \0\0\0\0\0\0\0\0 ends")),
            gone(at(3, "login \0alice@example.com\0 ok")),
            keep(at(4, "login \0bob@example.org\0 ok")),
            keep(at(5, "stop")),
        ],
    ),
    Case(
        "all-gone",
        "log",
        "Every record is theirs: an empty file stays.",
        [ALICE_ID_AND_MAIL],
        [
            gone(hit("192.0.2.10", "/users/48213")),
            gone(hit("192.0.2.10", "/login?email=alice@example.com")),
        ],
    ),
    Case(
        "untouched",
        "log",
        "Nobody of the registry occurs: not a byte changes.",
        [ALICE_ID_AND_MAIL],
        [
            keep(hit("192.0.2.10", "/users/77001")),
            keep(hit("192.0.2.10", "/login?email=bob@example.org")),
            keep(hit("192.0.2.10", "/", 48213)),
        ],
    ),
    Case(
        "held",
        "log",
        "sub_01 is erased; sub_02 is erased too but held until 2099. A record of sub_01 alone goes. A record that names the"
        " held person is never dropped: what sub_01 has in it is redacted, what sub_02 has stays. A record of sub_02 alone"
        " stays as it is. The artifact counts `left: held`, and the exit code is 3.",
        [
            {**ALICE_ID_AND_MAIL, "seq": 1, "at": "2026-11-01T10:00:00Z", "event": "erase"},
            {**erase("sub_02", ("user_id", "51877"), ("email", "bruno@example.org")),
             "seq": 2, "at": "2026-11-02T10:00:00Z", "event": "erase"},
            {"seq": 3, "at": "2026-11-03T10:00:00Z", "event": "hold", "subject": "sub_02",
             "until": "2099-01-01T00:00:00Z", "reason": "litigation 2026-14"},
        ],
        [
            keep(at(0, "start")),
            gone(at(1, "user_id=48213 signed in")),
            keep(at(2, "user_id=51877 signed in")),
            turn(
                at(3, "user_id=48213 wrote to bruno@example.org"),
                at(3, "user_id=ERASED wrote to bruno@example.org"),
            ),
            turn(
                at(4, "alice@example.com invited user_id=51877"),
                at(4, "ERASED invited user_id=51877"),
            ),
            keep(at(5, "user_id=77001 signed in")),
        ],
    ),
    Case(
        "before",
        "log",
        "The erasure covers what was written before 2026-11-01: the person signed up again. The line's own time stamp"
        " decides; the instant itself is not before it.",
        [{**ALICE_ID_AND_MAIL, "before": "2026-11-01T00:00:00Z"}],
        [
            keep("2026-10-31T23:59:58Z INFO start\n"),
            gone("2026-10-31T23:59:59Z INFO user_id=48213 left\n"),
            gone("2026-11-01T00:30:00+02:00 INFO alice@example.com left, 22:30 in UTC\n"),
            keep("2026-11-01T00:00:00Z INFO user_id=48213 came back\n"),
            keep("2026-11-02T08:00:00Z INFO login alice@example.com\n"),
        ],
    ),
    Case(
        "grace-and-cancel",
        "log",
        "sub_01 is in force. The grace period of sub_02 ends in 2099, and the erasure of sub_03 was cancelled: their"
        " records stay.",
        [
            {**ALICE_ID_AND_MAIL, "seq": 1, "at": "2026-11-01T10:00:00Z", "event": "erase"},
            {**erase("sub_02", ("user_id", "51877")), "seq": 2, "at": "2026-11-02T10:00:00Z", "event": "erase",
             "effective_at": "2099-01-01T00:00:00Z"},
            {**erase("sub_03", ("user_id", "60004")), "seq": 3, "at": "2026-11-03T10:00:00Z", "event": "erase"},
            {"seq": 4, "at": "2026-11-04T10:00:00Z", "event": "cancel", "subject": "sub_03"},
        ],
        [
            gone(at(0, "user_id=48213 signed in")),
            keep(at(1, "user_id=51877 signed in")),
            keep(at(2, "user_id=60004 signed in")),
            keep(at(3, "stop")),
        ],
    ),
    Case(
        "composite",
        "log",
        "The identifier has two parts, a user name and an address; a record is theirs only where both match.",
        [
            erase(
                "sub_01",
                {"all_of": [{"type": "username", "value": "jsmith"}, {"type": "ip", "value": "198.51.100.23"}]},
            )
        ],
        [
            keep(at(0, "start")),
            gone(at(1, "login=jsmith from 198.51.100.23")),
            keep(at(2, "login=jsmith from 198.51.100.24")),
            keep(at(3, "login=other from 198.51.100.23")),
            gone(at(4, "from 198.51.100.23:50122 user JSmith")),
            keep(at(5, "stop")),
        ],
    ),
    Case(
        "report",
        "log",
        "The policy says `report`: nothing changes, the records are counted as `left: report`.",
        [ALICE_ID_AND_MAIL],
        [
            keep(at(0, "start")),
            keep(at(1, "login alice@example.com")),
            keep(at(2, "user_id=48213 signed in")),
            keep(at(3, "stop")),
        ],
        '[[rule]]\naction = "report"\n',
    ),
    Case(
        "redact-jsonl",
        "jsonl",
        "The policy says `redact`: an identifier becomes ERASED where text can stand; a JSON number cannot hold text and"
        " becomes null. The rest of a longer string stays.",
        [ALICE_ID_AND_MAIL],
        [
            keep('{"ts":"2026-11-21T10:00:00Z","msg":"started"}\n'),
            turn(
                '{"ts":"2026-11-21T10:00:01Z","user_id":48213,"msg":"login"}\n',
                '{"ts":"2026-11-21T10:00:01Z","user_id":null,"msg":"login"}\n',
            ),
            turn(
                '{"ts":"2026-11-21T10:00:02Z","user_id":"48213","bytes":48213}\n',
                '{"ts":"2026-11-21T10:00:02Z","user_id":"ERASED","bytes":48213}\n',
            ),
            turn(
                '{"ts":"2026-11-21T10:00:03Z","msg":"mail to <alice@example.com> sent"}\n',
                '{"ts":"2026-11-21T10:00:03Z","msg":"mail to <ERASED> sent"}\n',
            ),
            turn(
                '{"ts":"2026-11-21T10:00:04Z","to":"alice\\u0040example.com"}\n',
                '{"ts":"2026-11-21T10:00:04Z","to":"ERASED"}\n',
            ),
            keep('{"ts":"2026-11-21T10:00:05Z","to":"bob@example.org"}\n'),
        ],
        '[[rule]]\naction = "redact"\n',
    ),
    Case(
        "redact-text",
        "log",
        "The policy says `redact`: ERASED needs no escaping, so an encoded e-mail becomes it as well.",
        [ALICE_ID_AND_MAIL],
        [
            keep(at(0, "start")),
            turn(at(1, "user_id=48213 wrote 48213 bytes"), at(1, "user_id=ERASED wrote 48213 bytes")),
            turn(at(2, "GET /login?email=alice%40example.com&x=1"), at(2, "GET /login?email=ERASED&x=1")),
            turn(
                at(3, "from alice@example.com to <ALICE@example.com>"),
                at(3, "from ERASED to <ERASED>"),
            ),
            keep(at(4, "stop")),
        ],
        '[[rule]]\naction = "redact"\n',
    ),
    Case(
        "mask",
        "log",
        "The policy says `mask`: as many asterisks as the identifier has bytes in its place.",
        [ALICE_ID_AND_MAIL],
        [
            keep(at(0, "start")),
            turn(at(1, "login alice@example.com ok"), at(1, "login ***************** ok")),
            turn(at(2, "user_id=48213 signed in"), at(2, "user_id=***** signed in")),
            keep(at(3, "wrote 48213 bytes")),
            keep(at(4, "stop")),
        ],
        '[[rule]]\naction = "mask"\n',
    ),
    Case(
        "erase-fields-jsonl",
        "jsonl",
        "The record of the person stays without what it says about them: identifiers redacted, `name` redacted, `email`"
        " removed whatever it holds, `ip` null. Other people's records stay whole.",
        [ALICE_ID_AND_MAIL],
        [
            turn(
                '{"n":1,"user_id":48213,"name":"Alice Moreno","email":"a.moreno@example.net","ip":"192.0.2.9","ok":true}\n',
                '{"n":1,"user_id":null,"name":"ERASED","ip":null,"ok":true}\n',
            ),
            keep('{"n":2,"user_id":77001,"name":"Bob Stone","email":"bob@example.org","ip":"192.0.2.10","ok":true}\n'),
            turn(
                '{"n":3,"user_id":"48213","note":"moved","email":"alice@example.com"}\n',
                '{"n":3,"user_id":"ERASED","note":"moved"}\n',
            ),
            turn(
                '{"email":"alice@example.com","n":4,"ip":null}\n',
                '{"n":4,"ip":null}\n',
            ),
            keep('{"n":5,"name":"Cy Young","email":"cy@example.org"}\n'),
        ],
        '[[rule]]\naction = "redact"\nerase_fields = { name = "redact", email = "remove", ip = "null" }\n',
    ),
    Case(
        "erase-fields-csv",
        "csv",
        "As with JSON; in a table a removed or null field is an empty cell.",
        [ALICE_ID_AND_MAIL],
        [
            keep("user_id,name,email,ip,plan\n"),
            turn("48213,Alice Moreno,a.moreno@example.net,192.0.2.9,pro\n", "ERASED,ERASED,,,pro\n"),
            keep("77001,Bob Stone,bob@example.org,192.0.2.10,free\n"),
            keep("77002,Cy Young,cy@example.org,192.0.2.11,free\n"),
        ],
        '[[rule]]\naction = "redact"\nerase_fields = { name = "redact", email = "remove", ip = "null" }\n',
    ),
    Case(
        "shared",
        "jsonl",
        "The rule says `shared = \"redact\"`: a record whose identifying fields name somebody else, too, keeps that part;"
        " one that names only the erased person goes.",
        [ALICE_ID_AND_MAIL],
        [
            keep('{"n":1,"msg":"started"}\n'),
            gone('{"n":2,"user_id":48213,"msg":"login"}\n'),
            gone('{"n":3,"user_id":48213,"owner_id":48213}\n'),
            turn('{"n":4,"user_id":48213,"owner_id":77001}\n', '{"n":4,"user_id":null,"owner_id":77001}\n'),
            keep('{"n":5,"user_id":77001,"owner_id":77002}\n'),
        ],
        '[[rule]]\nshared = "redact"\n',
    ),
    Case(
        "shared-default",
        "jsonl",
        "Without a rule a record that also names somebody else is dropped all the same.",
        [ALICE_ID_AND_MAIL],
        [
            keep('{"n":1,"msg":"started"}\n'),
            gone('{"n":2,"user_id":48213,"owner_id":77001}\n'),
            keep('{"n":3,"user_id":77001,"owner_id":77002}\n'),
        ],
    ),
    Case(
        "continuation-none",
        "log",
        "The policy says that no line continues another: only the line with the e-mail goes.",
        [ALICE_ID_AND_MAIL],
        [
            keep(at(0, "start")),
            keep(at(1, "failed")),
            gone("  for alice@example.com\n"),
            keep("  retrying\n"),
            keep(at(2, "stop")),
        ],
        '[[rule]]\ncontinuation = "none"\n',
    ),
    Case(
        "zip",
        "zip",
        "Members lose their records as if they stood alone, by the rules that fit them; names and comments are masked at the"
        " same length, where a second name that would become the same takes a number. The clean member is not touched, though"
        " it stands somewhere else now.",
        [ALICE_ID_AND_MAIL, erase("sub_02", ("email", "carol@example.com"))],
        [
            turn(
                zipped(
                    "exported for alice@example.com",
                    ("logs/app.log", "", at(0, "start") + at(1, "login alice@example.com") + at(2, "stop")),
                    ("logs/clean.log", "nothing of anybody", at(0, "start") + at(1, "login bob@example.org")),
                    ("mail/alice@example.com", "of alice@example.com", at(0, "sent") + at(1, "sent")),
                    ("mail/carol@example.com", "", at(0, "sent") + at(1, "sent to alice@example.com")),
                    ("users.jsonl", "", '{"user_id":48213}\n{"user_id":77001}\n'),
                ),
                zipped(
                    "exported for *****************",
                    ("logs/app.log", "", at(0, "start") + at(2, "stop")),
                    ("logs/clean.log", "nothing of anybody", at(0, "start") + at(1, "login bob@example.org")),
                    ("mail/*****************", "of *****************", at(0, "sent") + at(1, "sent")),
                    ("mail/***************~1", "", at(0, "sent")),
                    ("users.jsonl", "", '{"user_id":77001}\n'),
                ),
            ),
        ],
    ),
]
