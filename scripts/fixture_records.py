"""Golden cases of the record formats as programs write them: web servers, syslog, containers, databases, stack traces.

Layouts are those of the programs themselves (nginx 1.22, Apache 2.4, rsyslog 8.2302, systemd 252, Docker's json-file driver,
containerd, PostgreSQL 15, OpenJDK 17, CPython 3.11, Go 1.19, .NET 8, Node 20); people, hosts and texts are invented.
"""

from typing import List

from fixture_cases import ALICE, ALICE_ID_AND_MAIL, ALICE_UUID, Case, Piece, gone, keep, turn  # noqa: F401

BOOT = "bdd9d1b4a2b84a0a8bf5ab9e4dfd1a2b"


def pg(n: int, message: str, *, user: str = "shop", query: str = "", severity: str = "LOG", detail: str = "", app: str = "psql") -> str:
    """A row of PostgreSQL's csvlog (26 columns since version 14), as `write_csvlog` prints it: no header, text in quotes."""
    def quoted(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if text else ""
    when = f"2026-11-21 10:00:{n:02d}.123 UTC"
    cells = [
        when, quoted(user), quoted("shop"), str(4100 + n), quoted(f"192.0.2.10:5{n:04d}"), f"6740f1a0.{4100 + n:x}", str(n),
        quoted("idle"), "2026-11-21 09:58:00 UTC", f"4/{n}", "0", severity, "00000", quoted(message), quoted(detail), "", "", "", "",
        quoted(query), "", "", quoted(app), quoted("client backend"), "", "0",
    ]
    return ",".join(cells) + "\n"


def docker(second: int, log: str, stream: str = "stdout") -> str:
    """A line of Docker's json-file driver; `log` is written as it stands in JSON."""
    return f'{{"log":"{log}","stream":"{stream}","time":"2026-11-21T10:00:{second:02d}.120394857Z"}}\n'


def cri(second: int, tag: str, content: str, stream: str = "stdout") -> str:
    """A line of the Kubernetes container runtime interface, as containerd and CRI-O write it."""
    return f"2026-11-21T10:00:{second:02d}.669794202Z {stream} {tag} {content}\n"


def journal_json(n: int, message: str, more: str = "") -> str:
    """A line of `journalctl -o json`; `message` is JSON."""
    return (
        f'{{"PRIORITY":"6","__MONOTONIC_TIMESTAMP":"{n}000","MESSAGE":{message},"__REALTIME_TIMESTAMP":"179525520000{n}000",'
        f'"__CURSOR":"s=923de9f18cdb485688d40a3620074eb0;i={n:x};b={BOOT};m=3e8;t=660c66c7a2be8;x=3a2e569dc02b7122",'
        f'"SYSLOG_IDENTIFIER":"worker",{more}"_BOOT_ID":"{BOOT}"}}\n'
    )


PLAIN: List[Case] = [
    Case(
        "nginx-error",
        "log",
        "nginx's error log: a line is a record and starts with its stamp. It goes for the erased address as client, for the"
        " e-mail percent-encoded in the request, for the user_id as a path segment after `users`. What stays: the same digits"
        " as a connection's number, a process id or bytes; a longer address.",
        [ALICE],
        [
            keep("2026/11/21 10:00:00 [notice] 48213#48213: signal process started\n"),
            gone('2026/11/21 10:00:01 [error] 31#31: *48213 open() "/srv/www/favicon.ico" failed (2: No such file or directory), client: 203.0.113.7, server: shop.example, request: "GET /favicon.ico HTTP/1.1", host: "shop.example"\n'),
            keep('2026/11/21 10:00:02 [error] 31#31: *48213 open() "/srv/www/favicon.ico" failed (2: No such file or directory), client: 203.0.113.71, server: shop.example, request: "GET /favicon.ico HTTP/1.1", host: "shop.example"\n'),
            gone('2026/11/21 10:00:03 [error] 31#31: *7 upstream timed out (110: Connection timed out) while reading response header from upstream, client: 192.0.2.8, server: shop.example, request: "GET /api/users/48213/cart HTTP/2.0", upstream: "http://127.0.0.1:8080/api/users/48213/cart", host: "shop.example"\n'),
            keep("2026/11/21 10:00:04 [warn] 31#31: *8 a client request body is buffered to a temporary file /var/cache/nginx/client_temp/0000048213, client: 192.0.2.8, server: shop.example\n"),
            gone('2026/11/21 10:00:05 [info] 31#31: *9 client 192.0.2.9 closed keepalive connection, referrer: "https://shop.example/login?mail=alice%40example.com"\n'),
        ],
    ),
    Case(
        "apache-access",
        "log",
        "Apache's vhost_combined format: host and port first, so that no line starts with a stamp, and each line is a record."
        " The login name in the third place has no name before it and is no identifying field; the e-mail counts anywhere.",
        [ALICE],
        [
            keep('shop.example:443 192.0.2.10 - - [21/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 48213 "-" "Mozilla/5.0"\n'),
            gone('shop.example:443 192.0.2.11 - alice@example.com [21/Nov/2026:10:00:01 +0000] "GET /account HTTP/1.1" 200 912 "-" "Mozilla/5.0"\n'),
            keep('shop.example:443 192.0.2.11 - 48213 [21/Nov/2026:10:00:02 +0000] "GET /account HTTP/1.1" 200 912 "-" "Mozilla/5.0"\n'),
            gone('shop.example:443 203.0.113.7 - - [21/Nov/2026:10:00:03 +0000] "POST /login HTTP/1.1" 302 0 "https://shop.example/" "Mozilla/5.0"\n'),
            gone('shop.example:443 192.0.2.12 - - [21/Nov/2026:10:00:04 +0000] "GET /u/48213 HTTP/1.1" 404 196 "-" "Mozilla/5.0"\n'),
            keep('shop.example:443 192.0.2.12 - - [21/Nov/2026:10:00:05 +0000] "GET /item/48213 HTTP/1.1" 200 196 "-" "Mozilla/5.0"\n'),
        ],
    ),
    Case(
        "apache-error",
        "log",
        "Apache's error log: each line starts with a stamp in brackets. What a script writes to stderr has lines without a"
        " stamp; they continue the record before them, so they go with it.",
        [ALICE],
        [
            keep("[Sat Nov 21 10:00:00.110275 2026] [mpm_event:notice] [pid 48213:tid 139] AH00489: Apache/2.4.62 (Debian) configured -- resuming normal operations\n"),
            gone("[Sat Nov 21 10:00:01.534412 2026] [authz_core:error] [pid 31:tid 140] [client 203.0.113.7:51712] AH01630: client denied by server configuration: /srv/www/.git\n"),
            keep("[Sat Nov 21 10:00:02.000112 2026] [authz_core:error] [pid 31:tid 140] [client 203.0.113.70:51712] AH01630: client denied by server configuration: /srv/www/.git\n"),
            gone(
                "[Sat Nov 21 10:00:03.220018 2026] [cgi:error] [pid 31:tid 141] [client 192.0.2.8:40112] AH01215: report.py failed: /srv/www/report.py\n"
                "Traceback (most recent call last):\n"
                '  File "/srv/www/report.py", line 12, in <module>\n'
                "LookupError: no account of alice@example.com\n"
            ),
            keep("[Sat Nov 21 10:00:04.910001 2026] [core:notice] [pid 31:tid 139] AH00094: Command line: '/usr/sbin/apache2'\n"),
        ],
    ),
    Case(
        "syslog-3164",
        "log",
        "The format of /var/log/syslog, and the same with the priority that stands before the stamp on the wire: a line that"
        " starts with `<PRI>` and a stamp is a record. A line without either continues the one before it.",
        [ALICE],
        [
            keep("Nov 21 10:00:00 web1 systemd[1]: Started Session 48213 of User root.\n"),
            gone("Nov 21 10:00:01 web1 postfix/smtp[4821]: 4Fz3Xk2c: to=<alice@example.com>, relay=mx.example.com[198.51.100.20]:25, dsn=2.0.0, status=sent\n"),
            gone("<38>Nov 21 10:00:02 web1 sshd[311]: Accepted publickey for deploy from 203.0.113.7 port 48213 ssh2\n"),
            keep("<38>Nov 21 10:00:03 web1 sshd[312]: Accepted publickey for deploy from 203.0.113.9 port 48213 ssh2\n"),
            gone("<11>Nov  1 10:00:04 web1 worker[71]: no mailbox\n  for Alice@Example.COM\n"),
            keep("<13>Nov  1 10:00:05 web1 worker[71]: two\n lines\n"),
            keep("<86>Nov 21 10:00:06 web1 CRON[99]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)\n"),
        ],
    ),
    Case(
        "syslog-5424",
        "log",
        "RFC 5424: priority and version before the stamp, which may be `-`; structured data in brackets, in which"
        " `userid=\"48213\"` is an identifying field. Messages that span lines go as a whole.",
        [ALICE],
        [
            keep("<165>1 2026-11-21T10:00:00.003Z web1.example evntslog - ID47 - started\n"),
            gone('<165>1 2026-11-21T10:00:01.003Z web1.example shop 311 LOGIN [user@32473 userid="48213" via="app"] signed in\n'),
            keep('<165>1 2026-11-21T10:00:02.003Z web1.example shop 311 LOGIN [user@32473 userid="482130" seq="48213"] signed in\n'),
            gone("<11>1 - web1.example worker 71 - - no mailbox for alice@example.com\n"),
            keep("<14>1 2026-11-21T10:00:04.547690+00:00 web1.example worker - - -  two#012lines\n"),
            gone(f"<11>1 2026-11-21T10:00:05Z web1.example worker 71 - - failed\nsession {ALICE_UUID}\n"),
            keep("<0>1 2026-11-21T10:00:06Z web1.example kernel - - - bye\n"),
        ],
    ),
    Case(
        "docker-json-file",
        "log",
        "Docker's json-file driver: JSON Lines, the container's line in `log` with its line feed. An application's own JSON"
        " stands escaped inside it, and its `user_id` identifies. Each line is a record: of a stack trace only the lines that"
        " name the person go (`--format` and the policy do not join them, since each has its own stamp).",
        [ALICE],
        [
            keep(docker(0, "listening on :8080\\n")),
            gone(docker(1, '{\\"level\\":\\"info\\",\\"user_id\\":48213,\\"msg\\":\\"signed in\\"}\\n')),
            keep(docker(2, '{\\"level\\":\\"info\\",\\"bytes\\":48213,\\"msg\\":\\"sent\\"}\\n')),
            keep(docker(3, "Exception in thread \\\"main\\\" com.example.ProfileException: no profile\\n", "stderr")),
            keep(docker(3, "\\u0009at com.example.Profiles.load(Profiles.java:5)\\n", "stderr")),
            gone(docker(3, "Caused by: java.io.IOException: mailbox alice@example.com is closed\\n", "stderr")),
            keep(docker(3, "\\u0009... 10 more\\n", "stderr")),
            gone(docker(4, "\\u003calice@example.com\\u003e bounced\\n")),
        ],
    ),
    Case(
        "kubernetes-cri",
        "log",
        "The log of a container under Kubernetes: stamp, stream, a tag (`F`: a whole line), the line. Each is a record. The"
        " container writes JSON, which is text here: `\"user_id\":48213` identifies, `\"bytes\":48213` does not.",
        [ALICE],
        [
            keep(cri(0, "F", '{"level":"info","msg":"listening","port":8080,"v":1}')),
            gone(cri(1, "F", '{"level":"info","msg":"signed in","user_id":48213,"v":1}')),
            keep(cri(2, "F", '{"level":"info","msg":"sent","bytes":48213,"v":1}')),
            keep(cri(3, "F", "Traceback (most recent call last):", "stderr")),
            keep(cri(3, "F", '  File "/app/worker.py", line 9, in handle', "stderr")),
            gone(cri(3, "F", "ValueError: no profile for alice@example.com", "stderr")),
            keep(cri(4, "F", "")),
            gone(cri(5, "F:x", "GET /users/48213/cart 200")),
        ],
    ),
    Case(
        "journal-json",
        "jsonl",
        "`journalctl -o json`: JSON Lines. A MESSAGE that is no UTF-8 is an array of byte values: it is searched as the bytes that"
        " it stands for (the Latin-1 line `caf\\xe9 alice@example.com`). The other array spells nobody.",
        [ALICE_ID_AND_MAIL],
        [
            keep(journal_json(1, '"started"')),
            gone(journal_json(2, '"two\\nlines for alice@example.com"')),
            gone(journal_json(3, "[99,97,102,233,32,97,108,105,99,101,64,101,120,97,109,112,108,101,46,99,111,109]")),
            keep(journal_json(4, "[99,97,102,233,32,98,111,98,64,101,120,97,109,112,108,101,46,111,114,103]")),
            gone(journal_json(5, '"signed in"', '"USER_ID":"48213",')),
            keep(journal_json(6, '"stopped"', '"_PID":"48213",')),
        ],
    ),
    Case(
        "redact-journal-json",
        "jsonl",
        "The policy says `redact`: inside an array of byte values ERASED is written as byte values, and the rest of the array"
        " stays.",
        [ALICE_ID_AND_MAIL],
        [
            keep(journal_json(1, '"started"')),
            turn(
                journal_json(3, "[233, 97,108,105,99,101,64,101,120,97,109,112,108,101,46,99,111,109, 33]"),
                journal_json(3, "[233, 69,82,65,83,69,68, 33]"),
            ),
            turn(
                journal_json(4, "[117,105,100,61,52,56,50,49,51,32,233]"),
                journal_json(4, "[117,105,100,61,69,82,65,83,69,68,32,233]"),
            ),
            keep(journal_json(5, "[117,105,100,61,52,56,50,49,52,32,233]")),
        ],
        '[[rule]]\naction = "redact"\n',
    ),
    Case(
        "postgres-csvlog",
        "csv",
        "PostgreSQL's csvlog: 26 columns, no header, statements with line feeds and doubled quotes in quotes. A row is a record"
        " and goes whole. The process id and the session's line stay, whatever their digits.",
        [ALICE_ID_AND_MAIL],
        [
            keep(pg(0, "connection authorized: user=shop database=shop application_name=psql")),
            gone(pg(1, "statement: UPDATE accounts\nSET mail = 'alice@example.com'\nWHERE user_id=48213;")),
            keep(pg(2, "statement: SELECT *\nFROM \"orders\"\nWHERE total=48213;")),
            gone(pg(3, 'duplicate key value violates unique constraint "accounts_mail_key"', severity="ERROR", detail="Key (mail)=(alice@example.com) already exists.", query="INSERT INTO accounts(mail)\nVALUES ($1)")),
            keep(pg(4, 'duplicate key value violates unique constraint "accounts_mail_key"', severity="ERROR", detail="Key (mail)=(bob@example.org) already exists.")),
            gone(pg(5, "connection authorized", app="report for alice@example.com")),
            keep(pg(6, "checkpoint complete: wrote 48213 buffers (0.1%)", user="")),
        ],
    ),
]

def long_line(seam: str, rest: str) -> List[str]:
    """A line of more than 16 KiB as Docker divides it: `seam` is a pair `before|after` around the cut."""
    before, after = seam.split("|")
    start = "request body: " + "0123456789abcdef " * 963
    return [start[: 16384 - len(before) - 1] + " " + before, after + rest]


def split(second: int, seam: str, rest: str, between: str = "") -> str:
    first, last = long_line(seam, rest)
    return docker(second, first) + between + docker(second, last + "\\n")


DIVIDED: List[Case] = [
    Case(
        "docker-16k",
        "log",
        "Docker divides lines at 16 KiB: a record whose `log` does not end in a line feed goes on in the next one of its stream."
        " The fragments are one line for the search, and all of them go: for an e-mail across the seam, for a user_id whose name"
        " stands before the seam. The e-mail that goes on as `…community` behind the seam is another one. What stderr"
        " writes in between is a line of its own.",
        [ALICE_ID_AND_MAIL],
        [
            keep(docker(0, "listening on :8080\\n")),
            gone(split(1, "mail=alice@exa|mple.com;", " and so on")),
            gone(docker(2, long_line("user_id=|48213", "")[0])),
            keep(docker(2, "slow request\\n", "stderr")),
            gone(docker(2, long_line("user_id=|48213", " and so on")[1] + "\\n")),
            keep(split(3, "mail=alice@example.com|munity", " and so on")),
            keep(docker(4, "bytes=48213\\n")),
        ],
    ),
    Case(
        "redact-docker",
        "log",
        "The policy says `redact`: what stands across a seam is replaced where it starts, and taken out behind the seam. The lines"
        " here are short; the driver's log has ends on its lines, so one without goes on.",
        [ALICE_ID_AND_MAIL],
        [
            keep(docker(0, "listening on :8080\\n")),
            turn(
                docker(1, "from alice@exa") + docker(1, "slow\\n", "stderr") + docker(1, "mple.com, \\u003cAlice@Example.com\\u003e\\n"),
                docker(1, "from ERASED") + docker(1, "slow\\n", "stderr") + docker(1, ", \\u003cERASED\\u003e\\n"),
            ),
            turn(
                docker(2, "one ali") + docker(2, "ce@example.") + docker(2, "com\\n"),
                docker(2, "one ERASED") + docker(2, "") + docker(2, "\\n"),
            ),
            keep(docker(3, "alice@") + docker(3, "example.com is no line\\n", "stderr") + docker(3, "example.org\\n")),
            keep(docker(4, "stopped\\n")),
        ],
        '[[rule]]\naction = "redact"\n',
    ),
    Case(
        "kubernetes-cri-parts",
        "log",
        "The tag `P` says that a line goes on in the next record of its stream, up to one with `F`. All records of a line that"
        " names the person go, wherever in it that is, and those of the other stream between them stay.",
        [ALICE_ID_AND_MAIL],
        [
            keep(cri(0, "F", "listening on :8080")),
            gone(cri(1, "P", "request body: alice@exa")),
            keep(cri(1, "F", "slow request", "stderr")),
            gone(cri(1, "P", "mple.com and")),
            gone(cri(1, "F", " so on")),
            keep(cri(2, "P", "request body: alice@example.com")),
            keep(cri(2, "P", "", "stdout")),
            keep(cri(2, "F", "munity")),
            keep(cri(3, "P", "bob@exa") + cri(3, "P", "alice@exam", "stderr") + cri(3, "F", "mple.org") + cri(3, "F", "ple.org", "stderr")),
            keep(cri(4, "P", "the log ends before the line: user_id=")),
        ],
    ),
    Case(
        "mask-kubernetes-cri",
        "log",
        "The policy says `mask`: each piece of a divided value gets as many `*` as it has bytes.",
        [ALICE_ID_AND_MAIL],
        [
            keep(cri(0, "F", "listening on :8080")),
            turn(
                cri(1, "P", "body: alice@exa") + cri(1, "F", "mple.com and") + cri(2, "F", "mple.com"),
                cri(1, "P", "body: *********") + cri(1, "F", "******** and") + cri(2, "F", "mple.com"),
            ),
            turn(cri(3, "P", "GET /users/48") + cri(3, "F", "213/cart"), cri(3, "P", "GET /users/**") + cri(3, "F", "***/cart")),
        ],
        '[[rule]]\naction = "mask"\n',
    ),
]


def frame(message: str) -> bytes:
    """A frame of RFC 6587: the length in bytes, a blank, the message. rsyslog counts the line feed at its end."""
    data = message.encode()
    return b"%d %s" % (len(data), data)


def rsyslog(second: int, name: str, text: str) -> bytes:
    return frame(f"<14>1 2026-11-21T10:00:{second:02d}.547690+00:00 web1 {name} 71 - -  {text}\n")


FRAMES: List[Case] = [
    Case(
        "syslog-frames",
        "log",
        "Octet-counted frames as rsyslog sends them over TCP (RFC 6587): each starts with its length, so a message may span"
        " lines or end without a line feed. A frame is a record and goes whole. A length that looks like the user_id, and"
        " digits elsewhere, name nobody.",
        [ALICE],
        [
            keep(rsyslog(0, "worker", "started")),
            gone(rsyslog(1, "worker", "no mailbox for alice@example.com")),
            keep(rsyslog(2, "worker", "two#012lines")),
            gone(frame("<11>1 2026-11-21T10:00:03Z web1 worker 71 - - failed\nfor Alice@Example.COM\n\n")),
            gone(frame('<165>1 2026-11-21T10:00:04Z web1 shop 311 LOGIN [user@32473 userid="48213"] signed in')),
            keep(frame('<165>1 2026-11-21T10:00:05Z web1 shop 311 LOGIN [user@32473 seq="48213"] signed in')),
            gone(frame("<38>Nov 21 10:00:06 web1 sshd[311]: Accepted publickey for deploy from 203.0.113.7 port 22 ssh2")),
            keep(frame("<38>Nov 21 10:00:07 web1 sshd[311]: 12 <34> Größe 48213") + b"\n"),
        ],
    ),
    Case(
        "redact-syslog-frames",
        "log",
        "The policy says `redact`: a frame that changes has its length written anew, in bytes, also where it gets one digit"
        " less.",
        [ALICE],
        [
            keep(rsyslog(0, "worker", "started")),
            turn(rsyslog(1, "worker", "no mailbox for alice@example.com"), rsyslog(1, "worker", "no mailbox for ERASED")),
            turn(
                frame("<11>1 2026-11-21T10:00:03Z web1 größe 71 - - alice@example.com,\nalice@example.com, it is the third time"),
                frame("<11>1 2026-11-21T10:00:03Z web1 größe 71 - - ERASED,\nERASED, it is the third time"),
            ),
            turn(
                frame('<165>1 - web1 shop 311 LOGIN [user@32473 userid="48213" ip="203.0.113.7"] signed in') + b"\n",
                frame('<165>1 - web1 shop 311 LOGIN [user@32473 userid="ERASED" ip="ERASED"] signed in') + b"\n",
            ),
            keep(rsyslog(9, "worker", "stopped")),
        ],
        '[[rule]]\naction = "redact"\n',
    ),
]

def wide(pieces: List[Piece], encoding: str) -> List[Piece]:
    """The same in UTF-16."""
    return [Piece(*(text.decode("utf-8", "surrogatepass").encode(encoding, "surrogatepass") for text in piece)) for piece in pieces]


def surrogate(text: str) -> Piece:
    """A line that stays, with half a character in it."""
    return Piece(*[text.encode("utf-8", "surrogatepass")] * 2)


WIDE: List[Case] = [
    Case(
        "utf16-le",
        "log",
        "A log as Windows writes it: UTF-16, the low byte first, with a byte order mark and CR LF. It is searched as text; the mark"
        " and every byte that stays are as they were, also half of an emoji that a program cut off.",
        [ALICE],
        wide(
            [
                keep("\ufeff"),
                keep("2026-11-21 10:00:00 INFO Dienst gestartet, größte Datei 48213\r\n"),
                gone("2026-11-21 10:00:01 WARN Kein Postfach für Alice@Example.COM\r\n   Wiederholung in 30 s\r\n"),
                keep("2026-11-21 10:00:02 INFO 日本語 😀 bob@example.org\r\n"),
                surrogate("2026-11-21 10:00:03 INFO cut \ud83d\r\n"),
                gone("2026-11-21 10:00:04 INFO user_id=48213 😀\r\n"),
                keep("2026-11-21 10:00:05 INFO Dienst beendet\r\n"),
            ],
            "utf-16-le",
        ),
    ),
    Case(
        "utf16-be",
        "jsonl",
        "JSON Lines in UTF-16, the high byte first and without a mark: the zero bytes of the ASCII in it tell. A record is a line,"
        " as in UTF-8.",
        [ALICE_ID_AND_MAIL],
        wide(
            [
                keep('{"ts":"2026-11-21T10:00:00Z","msg":"started"}\n'),
                gone('{"ts":"2026-11-21T10:00:01Z","user":{"id":48213,"plan":"größer"}}\n'),
                keep('{"ts":"2026-11-21T10:00:02Z","bytes":48213}\n'),
                gone('{"ts":"2026-11-21T10:00:03Z","to":"alice\\u0040example.com"}\n'),
                keep('{"ts":"2026-11-21T10:00:04Z","to":"bob@example.org"}'),
            ],
            "utf-16-be",
        ),
    ),
    Case(
        "redact-utf16",
        "csv",
        "A table as a spreadsheet saves it as “Unicode text”: tabs, UTF-16, a mark. The policy says `redact`: the word is written in"
        " the same order of bytes.",
        [ALICE_ID_AND_MAIL],
        wide(
            [
                keep("\ufeffuser_id\tname\temail\r\n"),
                turn("48213\tAlice Moreño\talice@example.com\r\n", "ERASED\tERASED\tERASED\r\n"),
                keep("77001\tBob Größe\tbob@example.org\r\n"),
            ],
            "utf-16-le",
        ),
        '[[rule]]\naction = "redact"\nerase_fields = { name = "redact" }\n',
    ),
    Case(
        "utf16-all-gone",
        "log",
        "Every line goes: an empty stream stays, of which nothing tells that it was UTF-16.",
        [ALICE_ID_AND_MAIL],
        wide([gone("2026-11-21 10:00:01 INFO alice@example.com\n2026-11-21 10:00:02 INFO user_id=48213\n")], "utf-16-le"),
    ),
]

def entry(n: int, message, *more: str) -> bytes:
    """An entry as `journalctl -o export` prints it; a message of bytes or of several lines has its length before it."""
    when = 1_795_255_200_000_000 + n * 1000
    lines = [
        f"__CURSOR=s=923de9f18cdb485688d40a3620074eb0;i={n:x};b={BOOT};m={n * 1000:x};t={when:x};x=3a2e569dc02b7122",
        f"__REALTIME_TIMESTAMP={when}", f"__MONOTONIC_TIMESTAMP={n * 1000}", f"_BOOT_ID={BOOT}", "PRIORITY=6",
        "SYSLOG_IDENTIFIER=worker", *more,
    ]
    if isinstance(message, str) and "\n" not in message:
        text = b"MESSAGE=" + message.encode() + b"\n"
    else:
        data = message if isinstance(message, bytes) else message.encode()
        text = b"MESSAGE\n" + len(data).to_bytes(8, "little") + data + b"\n"
    return "".join(line + "\n" for line in lines).encode() + text + b"\n"


JOURNAL: List[Case] = [
    Case(
        "journal-export",
        "export",
        "The export format of systemd's journal: an entry is a record and goes with the empty line after it. Messages of several"
        " lines, and such as are no UTF-8, stand behind their length in binary. `USER_ID` is an identifying field, `_PID` is"
        " none.",
        [ALICE],
        [
            keep(entry(1, "started")),
            gone(entry(2, "two\nlines for alice@example.com")),
            gone(entry(3, b"caf\xe9 ALICE@example.com")),
            keep(entry(4, b"caf\xe9 bob@example.org\n\nMESSAGE=none")),
            gone(entry(5, "signed in", "USER_ID=48213")),
            keep(entry(6, "wrote 48213 bytes", "_PID=48213")),
            gone(entry(7, "connection from 203.0.113.7")),
            keep(entry(8, "stopped")),
        ],
    ),
    Case(
        "redact-journal-export",
        "export",
        "The policy says `redact`: where a value has its length before it, the length is written anew; the field `NAME` is cleaned"
        " in the entries that are the person's.",
        [ALICE],
        [
            keep(entry(1, "started", "NAME=Bob Stone")),
            turn(entry(2, "two\nlines for alice@example.com\n"), entry(2, "two\nlines for ERASED\n")),
            turn(entry(3, b"caf\xe9 alice%40example.com, alice@example.com"), entry(3, b"caf\xe9 ERASED, ERASED")),
            turn(entry(5, "signed in", "USER_ID=48213", "NAME=Alice Moreno"), entry(5, "signed in", "USER_ID=ERASED", "NAME=ERASED")),
            keep(entry(8, "stopped")),
        ],
        '[[rule]]\naction = "redact"\nerase_fields = { name = "redact" }\n',
    ),
]

TRACES: List[Case] = [
    Case(
        "trace-java",
        "log",
        "A trace as Java prints it (`at`, `Suppressed:`, `Caused by:`, `... N more`) continues the stamped line before it. The"
        " first one goes for the e-mail in its cause; the second names nobody and stays.",
        [ALICE_ID_AND_MAIL],
        [
            keep("2026-11-21 10:00:00.012  INFO 1 --- [main] c.e.Boot : started\n"),
            gone(
                "2026-11-21 10:00:01.101 ERROR 1 --- [exec-1] c.e.Profiles : request failed\n"
                "com.example.ProfileException: no profile\n"
                "\tat com.example.Profiles.load(Profiles.java:5)\n"
                "\tat com.example.Profiles.handle(Profiles.java:6)\n"
                "\tat java.base/java.lang.reflect.Method.invoke(Method.java:569)\n"
                "\tSuppressed: java.lang.IllegalStateException: second\n"
                "\t\t... 8 more\n"
                "Caused by: java.io.IOException: mailbox alice@example.com is closed\n"
                "\tat com.example.Profiles.read(Profiles.java:4)\n"
                "\t... 10 more\n"
            ),
            keep(
                "2026-11-21 10:00:02.220 ERROR 1 --- [exec-2] c.e.Profiles : request failed\n"
                "com.example.ProfileException: no profile\n"
                "\tat com.example.Profiles.load(Profiles.java:5)\n"
                "Caused by: java.io.IOException: mailbox bob@example.org is closed\n"
                "\t... 11 more\n"
            ),
            keep("2026-11-21 10:00:03.480  INFO 1 --- [exec-4] c.e.Store : wrote 48213 bytes\n"),
        ],
    ),
    Case(
        "trace-python",
        "log",
        "A trace as Python's `logging.exception` prints it, with the exception that caused it and a blank line between: all"
        " lines up to the next stamp are one record.",
        [ALICE_ID_AND_MAIL],
        [
            keep("2026-11-21 10:00:00,012 INFO root started\n"),
            gone(
                "2026-11-21 10:00:01,101 ERROR root failed\n"
                "Traceback (most recent call last):\n"
                '  File "/app/worker.py", line 7, in handle\n'
                "    load(who)\n"
                '  File "/app/worker.py", line 4, in load\n'
                "    raise KeyError(who)\n"
                "KeyError: 'alice@example.com'\n"
                "\n"
                "The above exception was the direct cause of the following exception:\n"
                "\n"
                "Traceback (most recent call last):\n"
                '  File "/app/worker.py", line 11, in <module>\n'
                "    handle(mail)\n"
                "ValueError: no profile\n"
            ),
            keep(
                "2026-11-21 10:00:02,220 ERROR root failed\n"
                "Traceback (most recent call last):\n"
                '  File "/app/worker.py", line 9, in handle\n'
                "    raise ValueError(48213)\n"
                "ValueError: 48213\n"
            ),
            keep("2026-11-21 10:00:03,480 INFO root stopped\n"),
        ],
    ),
    Case(
        "trace-go",
        "log",
        "A panic as Go prints it: `goroutine …:`, functions at the line's start, files indented below. None of it has a stamp,"
        " so all of it continues the line before.",
        [ALICE_ID_AND_MAIL],
        [
            keep("2026/11/21 10:00:00 listening on :8080\n"),
            gone(
                "2026/11/21 10:00:01 loading alice@example.com\n"
                "panic: runtime error: invalid memory address or nil pointer dereference\n"
                "[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x48b00a]\n"
                "\n"
                "goroutine 1 [running]:\n"
                "main.load(...)\n"
                "\t/app/main.go:7\n"
                "main.main()\n"
                "\t/app/main.go:11 +0x4a\n"
                "exit status 2\n"
            ),
            keep("2026/11/21 10:00:02 listening on :8080\n"),
            gone(
                "2026/11/21 10:00:03 http: panic serving 192.0.2.8:48213: no profile\n"
                "goroutine 34 [running]:\n"
                "net/http.(*conn).serve.func1()\n"
                "\t/usr/local/go/src/net/http/server.go:1854 +0xbf\n"
                'main.load({0xc000012345, 0x11}, "alice@example.com")\n'
                "\t/app/main.go:7 +0x1d\n"
                "created by net/http.(*Server).Serve\n"
                "\t/usr/local/go/src/net/http/server.go:3089 +0x5ed\n"
            ),
            keep("2026/11/21 10:00:04 wrote 48213 bytes\n"),
        ],
    ),
    Case(
        "trace-dotnet",
        "log",
        "A trace as .NET prints it: inner exceptions after `--->`, their end marked, frames indented by three blanks. One record"
        " with the stamped line before it.",
        [ALICE_ID_AND_MAIL],
        [
            keep("2026-11-21 10:00:00.012 +00:00 [INF] started\n"),
            gone(
                "2026-11-21 10:00:01.101 +00:00 [ERR] request failed\n"
                "System.InvalidOperationException: no profile\n"
                " ---> System.IO.IOException: mailbox alice@example.com is closed\n"
                "   at Shop.Profiles.Read(String who) in /src/Profiles.cs:line 4\n"
                "   --- End of inner exception stack trace ---\n"
                "   at Shop.Profiles.Load(String who) in /src/Profiles.cs:line 12\n"
                "--- End of stack trace from previous location ---\n"
                "   at Shop.Program.Main(String[] args) in /src/Program.cs:line 9\n"
            ),
            keep(
                "2026-11-21 10:00:02.220 +00:00 [ERR] request failed\n"
                "System.InvalidOperationException: no profile of 48213\n"
                "   at Shop.Profiles.Load(String who) in /src/Profiles.cs:line 12\n"
            ),
            keep("2026-11-21 10:00:03.480 +00:00 [INF] stopped\n"),
        ],
    ),
    Case(
        "trace-node",
        "log",
        "An error as Node prints it, with its properties and its cause in braces; the closing brace stands at the line's start"
        " and still belongs to the record, since it has no stamp.",
        [ALICE_ID_AND_MAIL],
        [
            keep("2026-11-21T10:00:00.012Z INFO started\n"),
            gone(
                "2026-11-21T10:00:01.101Z ERROR worker ProfileError: no profile\n"
                "    at Object.<anonymous> (/app/worker.js:3:63)\n"
                "    at Module._compile (node:internal/modules/cjs/loader:1521:14)\n"
                "    ... 4 lines matching cause stack trace ...\n"
                "    at node:internal/main/run_main_module:28:49 {\n"
                "  code: 'E_PROFILE',\n"
                "  [cause]: Error: mailbox alice@example.com is closed\n"
                "      at load (/app/worker.js:2:27)\n"
                "}\n"
            ),
            keep(
                "2026-11-21T10:00:02.220Z ERROR worker TypeError: x is not a function\n"
                "    at load (/app/worker.js:48213:27)\n"
                "\n"
                "Node.js v20.20.2\n"
            ),
            keep("2026-11-21T10:00:03.480Z INFO stopped\n"),
        ],
    ),
    Case(
        "traces-without-stamps",
        "log",
        "No line has a stamp, so only what looks like it continues a line: indented lines, `Caused by:`, `... N more`,"
        " `Traceback`, and names that end in Error, Exception or Warning. What does not look so is a record of its own: Go's"
        " functions, Python's sentence between two exceptions.",
        [ALICE_ID_AND_MAIL],
        [
            keep("INFO started port=8080\n"),
            gone(
                "ERROR no profile id=1\n"
                "com.example.ProfileException: no profile\n"
                "\tat com.example.Profiles.load(Profiles.java:5)\n"
                "Caused by: java.io.IOException: mailbox alice@example.com is closed\n"
                "\t... 10 more\n"
            ),
            gone(
                "ERROR:root:failed\n"
                "Traceback (most recent call last):\n"
                '  File "/app/worker.py", line 4, in load\n'
                "    raise KeyError(who)\n"
                "KeyError: 'alice@example.com'\n"
            ),
            keep("\n"),
            keep("The above exception was the direct cause of the following exception:\n"),
            keep("\nTraceback (most recent call last):\n" '  File "/app/worker.py", line 11, in <module>\n' "ValueError: no profile\n"),
            keep("INFO panic: no profile id=2\n"),
            keep("\nINFO goroutine 1 [running]: id=2\n"),
            gone("main.load(mail=alice@example.com)\n\t/app/main.go:7 +0x1d\n"),
            keep("main.main(id=2)\n\t/app/main.go:11 +0x4a\n"),
            gone("WARN request id=3 user_id=48213\n    at load (/app/worker.js:2:27)\n"),
            keep("INFO stopped id=4\n"),
        ],
    ),
    Case(
        "traces-continuation",
        "log",
        "The policy says which lines continue: those that start with neither a level nor `goroutine`'s program. So a Go panic"
        " without stamps goes as one record.",
        [ALICE_ID_AND_MAIL],
        [
            keep("INFO started port=8080\n"),
            gone(
                "ERROR panic: no profile id=2\n"
                "\n"
                "goroutine 1 [running]:\n"
                'main.load("alice@example.com")\n'
                "\t/app/main.go:7 +0x1d\n"
                "main.main()\n"
                "\t/app/main.go:11 +0x4a\n"
            ),
            keep("ERROR panic: no profile id=3\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:11 +0x4a\n"),
            keep("INFO stopped id=4\n"),
        ],
        '[[rule]]\ncontinuation = "^($|goroutine |[a-z/]+\\\\.|\\\\s)"\n',
    ),
]

RECORD_CASES: List[Case] = PLAIN + DIVIDED + FRAMES + JOURNAL + WIDE + TRACES
