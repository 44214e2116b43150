#!/usr/bin/env python3
"""Makes realistic logs of an invented company, the registry of its erased users, and the truth about every line.

The same arguments give the same bytes, on any machine and any Python from 3.9 on.  Written to --out:

  nginx.log       nginx "combined" access log; ids, e-mails and UUIDs in paths and query strings
  app.jsonl       application log, one JSON object a line, with a nested user object
  app.log         application log in plain text, with stack traces of several lines
  export.csv      CSV export; quoted notes, some of which hold a line feed
  dump.sql        pg_dump's plain format: two COPY blocks
  registry.jsonl  the erased users, one a line: e-mail, UUID and user_id of each
  registry.csv    the same identifiers as type,value,subject, one a row
  registry.txt    their bare values in the same order
  <file>.truth.tsv  what must become of the lines of <file> that are of interest

The registry.  User number u of the registry owns the entries 3u (e-mail), 3u+1 (UUID) and 3u+2 (user_id).  Any first
part of the registry is a registry of its own, and more --registry-users with the same seed only append.  A row of the
truth holds under the first P entries of the registry iff its entry is less than P.

The truth.  A row is `line, class, entry, rec_first, rec_last`; lines count from 1, and rec_first..rec_last are the lines
of the whole record (a stack trace, a quoted CSV record).  Lines without a row hold nothing of interest.

  D  an identifier of the registry as a whole token        must go
  E  the e-mail percent-encoded (alice%40example.com)      must go, since spellings are decoded
  C  the e-mail in other letter case                       must go, since e-mails match without case
  A  the user_id's digits as a whole token where no user   must stay, since a user_id counts in identifying fields only
     stands: bytes sent, a duration, a group of a UUID
  K  a near miss: a longer e-mail, more digits, a UUID     must stay
     that differs in its last digit

No other number of 7 or 8 digits, and no value of the registry, occurs by chance.
"""

import argparse
import os
import random
import sys
import time
from itertools import accumulate
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

# ---------------------------------------------------------------------------------------------------------------------
# Words.  Their order is part of the format: a user's name is chosen by index.

FIRST_NAMES = """
james mary john patricia robert jennifer michael linda david elizabeth william barbara richard susan joseph jessica
thomas sarah charles karen chris lisa daniel nancy matthew betty anthony sandra mark ashley donald emily steven kim paul
donna andrew michelle joshua carol kenneth amanda kevin melissa brian deborah george stephanie timothy rebecca ronald
laura jason helen edward sharon jeff cynthia ryan kathleen jacob amy gary angela nick shirley eric anna jon brenda
stephen pamela larry emma justin nicole scott ruth brandon katherine ben samantha sam christine greg cath alex virginia
patrick debra jack rachel dennis janet jerry maria tyler heather aaron diane jose carolyn adam julie nathan olivia henry
joyce zach victoria douglas kelly peter lauren kyle christina noah joan ethan evelyn jeremy judith walter andrea
christian hannah keith megan roger cheryl terry alice austin jean sean martha gerald frances carl jacqueline harold
gloria dylan teresa arthur kathryn lawrence sara jordan janice jesse bryan ann billy doris bruce julia gabriel grace joe
judy logan albert abigail willie marie alan denise juan beverly wayne amber elijah theresa randy marilyn roy danielle
vincent diana ralph brittany eugene natalie russell sophia bobby rose mason isabella philip louis kayla mohammed wei
yuki hiroshi priya arjun fatima omar ingrid lars sven anneliese bartholomew maximilian guadalupe konstantinos oluwaseun
krzysztof li bo jo ed al
""".split()

NAME_SYLLABLES = """
ba be bo ca co da de do fa fe fi ga go ha he ho ja ka ke ki la le li lo ma me mi mo na ne no pa pe ra re ri ro sa se so
ta te to va ve vi wa we za zo
""".split()
NAME_ENDINGS = "son sen berg man ton ley ski ova ez ini ault strom".split()

MAIL_PROVIDERS = """
gmail.com yahoo.com hotmail.com outlook.com icloud.com proton.me aol.com gmx.de mail.ru qq.com web.de live.com me.com
comcast.net orange.fr libero.it naver.com yandex.ru fastmail.com hey.com
""".split()
COMPANY_ENDINGS = (("tech", "com"), ("-group", "co.uk"), ("labs", "io"), ("soft", "de"), ("", "com.br"))

CHROME_SYSTEMS = (
    "Windows NT 10.0; Win64; x64",
    "Macintosh; Intel Mac OS X 10_15_7",
    "X11; Linux x86_64",
    "Linux; Android 13; SM-S918B",
)
CHROME_VERSIONS = ("119.0.6045.105", "120.0.6099.71", "121.0.6167.85", "118.0.5993.88")
USER_AGENTS = [
    f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version} Safari/537.36"
    for system in CHROME_SYSTEMS
    for version in CHROME_VERSIONS
] + [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/17.1 Mobile/15E148 Safari/604.1",
    # Gecko's usual build date is left out: it has eight digits.
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:120.0) Gecko/2010.01 Firefox/120.0",
    "python-requests/2.31.0",
    "curl/8.4.0",
    "okhttp/4.12.0",
    "Go-http-client/2.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
]
REFERRERS = ("-", "https://app.acme.io/dashboard", "https://app.acme.io/projects", "https://www.google.com/")
METHODS = ("GET", "GET", "GET", "GET", "POST", "PUT")
STATUSES = ("200", "200", "200", "200", "304", "302", "404", "401", "500", "201")
LEVELS = ("info", "info", "info", "debug", "warn", "error")
PLANS = ("free", "pro", "team")
COUNTRIES = ("US", "DE", "BR", "IN")
EVENT_KINDS = ("view", "click", "save")
SERVICES = (
    "api-gateway auth billing notifications search projects webhooks exporter scheduler media"
).split()
MESSAGES = [
    "request completed",
    "cache miss, loading profile",
    "session refreshed",
    "invoice finalized",
    "webhook delivered",
    "permission check passed",
    "rate limit bucket updated",
    "search query executed",
    "email queued",
    "feature flag evaluated",
    "background job enqueued",
    "upload part stored",
    "token issued",
    "subscription renewed",
]
NOTE_WORDS = (
    "alpha report invoice quarterly dashboard design launch budget review roadmap growth metrics sales team"
).split()

# ---------------------------------------------------------------------------------------------------------------------
# Users.

CHUNK = 4096  # users whose UUIDs come from one random stream, so that a longer run extends a shorter one
REGISTRY_START = 50_000_000  # index of the first erased user; the living ones count from 0
LAST_NAMES = 512
NAME_NUMBERS = 700  # "anna.lee", "anna.lee1", ...
LOCAL_SEPARATORS = (".", ".", "_", "", "-")
NESTED_EVERY = 50  # each 50th e-mail of the registry is the one before it with an "x" in front


class User(NamedTuple):
    """Somebody's identifiers as they are written into a line."""

    user_id: str
    uuid: str
    email: str
    encoded_email: str
    nothing: str = ""  # for paths that mention nobody


# Positions in `User`, for templates that say which of the identifiers stands in them.
USER_ID, UUID, EMAIL, ENCODED, NOBODY = range(5)
ENTRIES_PER_USER = 3
ENTRY_OFFSET = {EMAIL: 0, UUID: 1, USER_ID: 2, ENCODED: 0}


def percent_encoded(email: str) -> str:
    return email.replace("@", "%40")


def last_names() -> List[str]:
    """The 512 family names: always the same, whatever the seed."""
    draw = random.Random(7)
    names = set()
    while len(names) < LAST_NAMES:
        syllables = draw.choices(NAME_SYLLABLES, k=draw.choice((1, 2, 2, 3)))
        names.add("".join(syllables) + draw.choice(NAME_ENDINGS))
    return sorted(names)


def mail_domains(family_names: Sequence[str]) -> List[str]:
    """Domains below the reserved `.example` (RFC 2606), about two fifths of them those of big providers."""
    companies = [name + suffix + "." + top for name in family_names[::3] for suffix, top in COMPANY_ENDINGS]
    return [domain + ".example" for domain in MAIL_PROVIDERS * 30 + companies]


def uuid_from_hex(digits: str) -> str:
    """A version 4 UUID of 32 hex digits, whose first group is never a number."""
    group = digits[:8]
    if group.isdigit():
        group = "e" + group[1:]
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{group}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def make_users(count: int, seed: int, start: int = 0) -> List[User]:
    """Users start .. start+count-1 of the seed.  No two of them, over all indices, share an identifier."""
    family_names = last_names()
    domains = mail_domains(family_names)
    first_count = len(FIRST_NAMES)
    name_space = first_count * LAST_NAMES * NAME_NUMBERS
    users: List[User] = []
    index, stop = start, start + count
    while index < stop:
        chunk_start = index // CHUNK * CHUNK
        chunk_hex = random.Random(seed * 1000003 + chunk_start).randbytes(16 * CHUNK).hex()
        chunk_stop = min(chunk_start + CHUNK, stop)
        for k in range(index, chunk_stop):
            offset = (k - chunk_start) * 32
            digits = chunk_hex[offset : offset + 32]
            # Linear maps modulo the size of the space: every index gets its own name and its own number.
            name = (k * 48271 + 12345) % name_space
            first = FIRST_NAMES[name % first_count]
            last = family_names[name // first_count % LAST_NAMES]
            number = name // (first_count * LAST_NAMES)
            dice = int(digits[24:32], 16)
            email = "%s%s%s%s@%s" % (
                first,
                LOCAL_SEPARATORS[dice % 5],
                last,
                number or "",
                domains[(dice >> 3) % len(domains)],
            )
            user_id = str(1_000_000 + (k * 61803399 + 4321) % 98_999_999)
            users.append(User(user_id, uuid_from_hex(digits), email, percent_encoded(email)))
        index = chunk_stop
    return users


def registry_users(count: int, seed: int) -> List[User]:
    """The erased users, with e-mails nested in one another among them."""
    users = make_users(count, seed, REGISTRY_START)
    for i in range(NESTED_EVERY - 1, count, NESTED_EVERY):
        email = "x" + users[i - 1].email
        users[i] = users[i]._replace(email=email, encoded_email=percent_encoded(email))
    return users


def near_miss(user: User, draw: random.Random) -> User:
    """A user each of whose identifiers nearly equals one of `user`'s."""
    kind = draw.randrange(4)
    email = ("z" + user.email, user.email + "s", "first." + user.email, user.email + ".au")[kind]
    two_digits = str(draw.randrange(10, 99))
    # 9 or 10 digits: never anybody's user_id.
    user_id = two_digits + user.user_id if kind & 1 else user.user_id + two_digits
    last_digit = "0" if user.uuid[-1] != "0" else "1"
    return User(user_id, user.uuid[:-1] + last_digit, email, percent_encoded(email))


def write_registry(users: Sequence[User], out: str) -> None:
    """The registry in its three forms, all in the order of the truth's entries."""
    jsonl_path, csv_path, txt_path = (os.path.join(out, "registry." + form) for form in ("jsonl", "csv", "txt"))
    with open(jsonl_path, "w") as jsonl, open(csv_path, "w") as table, open(txt_path, "w") as plain:
        table.write("type,value,subject\n")
        for i, user in enumerate(users):
            subject = "s-%07d" % i
            jsonl.write(
                '{"subject":"%s","identifiers":[{"type":"email","value":"%s"},{"type":"uuid","value":"%s"},'
                '{"type":"user_id","value":"%s"}]}\n' % (subject, user.email, user.uuid, user.user_id)
            )
            for kind, value in (("email", user.email), ("uuid", user.uuid), ("user_id", user.user_id)):
                table.write("%s,%s,%s\n" % (kind, value, subject))
                plain.write(value + "\n")


# ---------------------------------------------------------------------------------------------------------------------
# What a line says about whom.


class PathTemplate(NamedTuple):
    """A request path: `before`, the identifier at position `slot` of the user, `after`."""

    before: str
    slot: int
    after: str


ANONYMOUS_PATHS = [
    PathTemplate(path, NOBODY, "")
    for path in (
        "/static/js/app.a8f3c91e.js",
        "/static/js/app.b77d01fa.js",
        "/static/js/app.c0ffee12.js",
        "/static/css/main.d41d8cf9.css",
        "/favicon.ico",
        "/",
        "/healthz",
        "/api/v2/projects?page=2&per_page=50&sort=-updated_at",
        "/pricing?utm_source=newsletter&utm_medium=mail",
        "/api/v2/search?q=quarterly+report&limit=20",
        "/api/v2/notifications/unread",
        "/assets/fonts/inter-v13-latin-600.woff2",
        "/docs/guides/getting-started",
    )
]
USER_PATHS = [
    PathTemplate("/api/v2/users/", USER_ID, "/projects?limit=50"),
    PathTemplate("/api/v2/users/", USER_ID, ""),
    PathTemplate("/u/", USER_ID, "/settings/billing"),
    PathTemplate("/avatars/", USER_ID, "/128.png"),
    PathTemplate("/api/v2/events?user_id=", USER_ID, "&since=7d"),
    PathTemplate("/api/v1/accounts/", UUID, "/sessions"),
    PathTemplate("/files/", UUID, "/download?disposition=inline"),
    PathTemplate("/login?email=", EMAIL, "&next=%2Fdashboard"),
    PathTemplate("/api/v2/invite?to=", EMAIL, "&role=member"),
    PathTemplate("/unsubscribe?list=weekly&email=", EMAIL, ""),
    PathTemplate("/password/reset?email=", ENCODED, "&step=2"),
    PathTemplate("/signup?email=", ENCODED, "&plan=trial"),
]
PLAIN_USER_PATHS = [path for path in USER_PATHS if path.slot != ENCODED]
EMAIL_PATHS = [path for path in USER_PATHS if path.slot == EMAIL]
ENCODED_PATHS = [path for path in USER_PATHS if path.slot == ENCODED]

# The classes of the truth (see the top); near misses are the most frequent of the decoys.
DECOYS = "KKKKKACE"
WHOLE_USER = "DK"  # classes in which the line's user is replaced as a whole


class Mention(NamedTuple):
    """A record that is to be of interest: its class, and the erased user behind it."""

    truth: str
    erased: int  # index in the registry
    user: User  # what is written: the erased user, a near miss, or one with the e-mail in other case

    def entry(self, offset: int) -> int:
        """Number of the registry's entry: offset 0 is the e-mail, 1 the UUID, 2 the user_id."""
        return self.erased * ENTRIES_PER_USER + offset


class TruthRow(NamedTuple):
    line: int
    truth: str
    entry: int
    first: int
    last: int


Truth = List[TruthRow]


class Generator:
    """One random stream feeds everything, in a fixed order: a draw more or less here changes all that follows."""

    EPOCH = 1_763_700_000  # the first line's time, in seconds
    FILES = {"nginx": "nginx.log", "json": "app.jsonl", "text": "app.log", "csv": "export.csv", "sql": "dump.sql"}

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.draw = random.Random(options.seed)
        self.users = make_users(options.users, options.seed)
        self.registry = registry_users(options.registry_users, options.seed)
        # Few users are busy, most are seldom seen (Zipf); of the erased ones only the first occur at all.
        self.seen = self.registry[: min(len(self.registry), options.hit_users)]
        self.seen_weights = list(accumulate(1.0 / (i + 1) for i in range(len(self.seen))))
        self.user_weights = list(accumulate(1.0 / (i + 20) ** 0.8 for i in range(len(self.users))))
        self.addresses = [
            "%d.%d.%d.%d" % tuple(self.draw.randrange(1, 255) for _ in range(4)) for _ in range(20000)
        ]
        mention = options.mention
        self.path_weights = list(
            accumulate(
                [(1 - mention) / len(ANONYMOUS_PATHS)] * len(ANONYMOUS_PATHS)
                + [mention / len(USER_PATHS)] * len(USER_PATHS)
            )
        )
        self.now = self.EPOCH

    # -- who occurs where ---------------------------------------------------------------------------------------------

    def plan(self, count: int) -> Tuple[List[User], Dict[int, Mention]]:
        """The users of the next `count` records, and the records among them that are of interest."""
        users = self.draw.choices(self.users, cum_weights=self.user_weights, k=count)
        mentions: Dict[int, Mention] = {}
        hits = self.rounded(count * self.options.hit_ratio)
        if self.seen:
            if self.options.clustered:
                self.plan_bursts(count, hits, mentions)
            else:
                for erased in self.erased_indices(hits):
                    mentions[self.draw.randrange(count)] = Mention("D", erased, self.seen[erased])
            for _ in range(self.rounded(count * self.options.decoy_ratio)):
                self.plan_decoy(count, mentions)
        for position, mention in mentions.items():
            if mention.truth in WHOLE_USER:
                users[position] = mention.user
        return users, mentions

    def rounded(self, wanted: float) -> int:
        """`wanted` rounded up or down by chance, so that small batches are right on average."""
        return int(wanted) + (self.draw.random() < wanted % 1)

    def erased_indices(self, count: int) -> List[int]:
        return self.draw.choices(range(len(self.seen)), cum_weights=self.seen_weights, k=count)

    def plan_bursts(self, count: int, hits: int, mentions: Dict[int, Mention]) -> None:
        """Hits in bursts: one user on every other record, for 20 records on average."""
        while hits > 0:
            run = min(hits, 1 + int(self.draw.expovariate(1 / 20)))
            start = self.draw.randrange(count)
            erased = self.erased_indices(1)[0]
            for position in range(start, min(count, start + run * 2), 2):
                mentions[position] = Mention("D", erased, self.seen[erased])
            hits -= run

    def plan_decoy(self, count: int, mentions: Dict[int, Mention]) -> None:
        position = self.draw.randrange(count)
        if position in mentions:
            return
        erased = self.erased_indices(1)[0]
        user = self.seen[erased]
        truth = self.draw.choice(DECOYS)
        if truth == "K":
            user = near_miss(user, self.draw)
        elif truth == "C":
            user = user._replace(email=user.email.title() if self.draw.random() < 0.5 else user.email.upper())
        mentions[position] = Mention(truth, erased, user)

    def seconds(self, form: str, items: Sequence, per_second: int) -> Iterator[Tuple[str, Sequence]]:
        """`items` in groups of `per_second`, each with its formatted time; the clock goes on."""
        for start in range(0, len(items), per_second):
            stamp = time.strftime(form, time.gmtime(self.now))
            self.now += 1
            yield stamp, items[start : start + per_second]

    # -- nginx --------------------------------------------------------------------------------------------------------

    def nginx(self, count: int, truth: Truth, first_line: int) -> List[str]:
        draw = self.draw
        users, mentions = self.plan(count)
        paths = draw.choices(ANONYMOUS_PATHS + USER_PATHS, cum_weights=self.path_weights, k=count)
        sizes: List[object] = [
            int(1.0 / (x + 1e-6) ** 0.7 * 200) % 990000 for x in (draw.random() for _ in range(count))
        ]
        statuses = draw.choices(STATUSES, k=count)
        methods = draw.choices(METHODS, k=count)
        addresses = draw.choices(self.addresses, k=count)
        agents = draw.choices(USER_AGENTS, k=count)
        referrers = draw.choices(REFERRERS, k=count)
        for position, mention in sorted(mentions.items()):
            if mention.truth in WHOLE_USER:
                paths[position] = draw.choice(PLAIN_USER_PATHS)
                entry = mention.entry(ENTRY_OFFSET[paths[position].slot])
            elif mention.truth == "A":
                sizes[position] = mention.user.user_id
                paths[position] = ANONYMOUS_PATHS[0]
                entry = mention.entry(ENTRY_OFFSET[USER_ID])
            else:
                among = EMAIL_PATHS if mention.truth == "C" else ENCODED_PATHS
                template = draw.choice(among)
                path = template.before + mention.user[template.slot] + template.after
                paths[position] = PathTemplate(path, NOBODY, "")
                entry = mention.entry(ENTRY_OFFSET[EMAIL])
            line = first_line + position
            truth.append(TruthRow(line, mention.truth, entry, line, line))
        rows = list(zip(addresses, methods, paths, users, statuses, sizes, referrers, agents))
        return [
            '%s - - [%s] "%s %s%s%s HTTP/1.1" %s %s "%s" "%s"\n'
            % (address, stamp, method, path.before, user[path.slot], path.after, status, size, referrer, agent)
            for stamp, group in self.seconds("%d/%b/%Y:%H:%M:%S +0000", rows, 40)
            for address, method, path, user, status, size, referrer, agent in group
        ]

    # -- JSON lines ---------------------------------------------------------------------------------------------------

    def json(self, count: int, truth: Truth, first_line: int) -> List[str]:
        draw = self.draw
        users, mentions = self.plan(count)
        trace_hex = draw.randbytes(24 * count).hex()  # 32 digits of a trace id, 16 of a span id a record
        services, messages = draw.choices(SERVICES, k=count), draw.choices(MESSAGES, k=count)
        addresses = draw.choices(self.addresses, k=count)
        levels = draw.choices(LEVELS, k=count)
        durations = [round(x * x * 900, 2) for x in (draw.random() for _ in range(count))]
        sizes: List[object] = [int(x * 65536) for x in (draw.random() for _ in range(count))]
        userless = draw.choices((False, False, False, True), k=count)
        urls: Dict[int, str] = {}
        for position, mention in sorted(mentions.items()):
            userless[position] = False
            bystander = users[position]
            entry = mention.entry(ENTRY_OFFSET[EMAIL])
            if mention.truth == "A":
                entry = mention.entry(ENTRY_OFFSET[USER_ID])
                digits = mention.user.user_id
                if draw.random() < 0.5 or len(digits) != 8:
                    sizes[position] = digits
                    userless[position] = True
                else:
                    users[position] = bystander._replace(uuid=digits + bystander.uuid[8:])
            elif mention.truth == "C":
                users[position] = bystander._replace(email=mention.user.email)
            elif mention.truth == "E":
                urls[position] = '"url":"/signup?email=%s",' % mention.user.encoded_email
            line = first_line + position
            truth.append(TruthRow(line, mention.truth, entry, line, line))
        rows = list(zip(services, messages, addresses, levels, durations, sizes, userless, users))
        lines = []
        per_second = 25
        for stamp, group in self.seconds("%Y-%m-%dT%H:%M:%S", rows, per_second):
            for service, message, address, level, duration, size, no_user, user in group:
                i = len(lines)
                trace, span = trace_hex[i * 48 : i * 48 + 32], trace_hex[i * 48 + 32 : i * 48 + 48]
                head = (
                    '{"ts":"%s.%03dZ","level":"%s","service":"%s","trace_id":"%s","span_id":"%s","msg":"%s",'
                    % (stamp, i % per_second * 39, level, service, trace, span, message)
                )
                if no_user:
                    tail = '"bytes":%s,"duration_ms":%s,"host":"ip-10-0-%d-%d"}\n' % (size, duration, i & 3, i % 17)
                else:
                    tail = '"user":{"user_id":%s,"email":"%s","uuid":"%s","ip":"%s"},%s"bytes":%s,"duration_ms":%s}\n' % (
                        user.user_id,
                        user.email,
                        user.uuid,
                        address,
                        urls.get(i, ""),
                        size,
                        duration,
                    )
                lines.append(head + tail)
        return lines

    # -- plain text ---------------------------------------------------------------------------------------------------

    def text(self, count: int, truth: Truth, first_line: int) -> List[str]:
        draw = self.draw
        users, mentions = self.plan(count)
        frames = [
            "\tat com.acme.%s.%s.%s(%s.java:%d)\n"
            % (service.replace("-", ""), owner, method, owner, draw.randrange(20, 900))
            for service in SERVICES
            for owner in ("UserService", "ProfileRepository", "AuthFilter")
            for method in ("load", "handle", "doFilter")
        ]
        lines: List[str] = []
        line = first_line
        per_second = 20
        i = 0
        for stamp, group in self.seconds("%Y-%m-%d %H:%M:%S", users, per_second):
            for user in group:
                mention = mentions.get(i)
                kind = draw.randrange(8)
                trace: List[str] = []
                if mention and mention.truth not in WHOLE_USER:
                    body, offset = self.text_decoy(mention)
                else:
                    body, offset = self.text_body(kind, user)
                    if kind == 7:
                        trace = ["java.lang.IllegalStateException: no profile for account %s\n" % user.uuid]
                        trace += draw.choices(frames, k=draw.randrange(5, 25))
                lines.append("%s,%03d %s\n" % (stamp, i % per_second * 49, body))
                lines += trace
                last = line + len(trace)
                if mention:
                    truth.append(TruthRow(line, mention.truth, mention.entry(offset), line, last))
                    if trace:  # its first line names the account, too
                        truth.append(TruthRow(line + 1, mention.truth, mention.entry(1), line, last))
                line = last + 1
                i += 1
        return lines

    @staticmethod
    def text_decoy(mention: Mention) -> Tuple[str, int]:
        user = mention.user
        if mention.truth == "A":
            return "INFO  [exec-7] c.a.media.Store - wrote %s bytes in 12 ms" % user.user_id, ENTRY_OFFSET[USER_ID]
        if mention.truth == "C":
            return "INFO  [exec-7] c.a.auth.Login - login ok for <%s>" % user.email, ENTRY_OFFSET[EMAIL]
        return "INFO  [exec-7] c.a.gw.Proxy - GET /signup?email=%s" % user.encoded_email, ENTRY_OFFSET[EMAIL]

    @staticmethod
    def text_body(kind: int, user: User) -> Tuple[str, int]:
        """A message of one of four sorts, and the entry of the identifier in it."""
        if kind < 4:
            return "INFO  [exec-%d] c.a.auth.Login - user %s signed in" % (kind, user.user_id), ENTRY_OFFSET[USER_ID]
        if kind < 6:
            body = "INFO  [exec-%d] c.a.mail.Sender - sent template=weekly to <%s>, queue=3" % (kind, user.email)
            return body, ENTRY_OFFSET[EMAIL]
        if kind < 7:
            body = "WARN  [exec-%d] c.a.acct.Sync - account=%s out of date; retrying in 30s" % (kind, user.uuid)
            return body, ENTRY_OFFSET[UUID]
        body = "ERROR [exec-%d] c.a.user.UserService - failed to load profile of user %s (%s)" % (
            kind,
            user.user_id,
            user.email,
        )
        return body, ENTRY_OFFSET[EMAIL]

    # -- CSV ----------------------------------------------------------------------------------------------------------

    def csv(self, count: int, truth: Truth, first_line: int) -> List[str]:
        draw = self.draw
        users, mentions = self.plan(count)
        lines = []
        line = first_line
        if first_line == 1:
            lines.append("user_id,account_uuid,email,full_name,plan,country,created_at,mrr_cents,notes\n")
            line = 2
        for i, user in enumerate(users):
            mention = mentions.get(i)
            revenue: object = draw.randrange(0, 90000)
            note = "%s, %s" % (draw.choice(NOTE_WORDS), draw.choice(NOTE_WORDS))
            offset = ENTRY_OFFSET[EMAIL]
            if mention:
                if mention.truth == "A":
                    revenue = mention.user.user_id
                    offset = ENTRY_OFFSET[USER_ID]
                elif mention.truth == "C":
                    user = user._replace(email=mention.user.email)
                elif mention.truth == "E":
                    note = "ref=%s" % mention.user.encoded_email
            two_lines = draw.randrange(50) == 0
            if two_lines:
                note += '\nsecond line of ""%s""' % draw.choice(NOTE_WORDS)
            full_name = "%s %s" % (draw.choice(FIRST_NAMES).title(), draw.choice(NAME_ENDINGS).title())
            lines.append(
                '%s,%s,%s,%s,%s,%s,2025-0%d-1%dT08:00:00Z,%s,"%s"\n'
                % (
                    user.user_id,
                    user.uuid,
                    user.email,
                    full_name,
                    draw.choice(PLANS),
                    draw.choice(COUNTRIES),
                    1 + i % 9,
                    i % 9,
                    revenue,
                    note,
                )
            )
            last = line + two_lines
            if mention:
                truth.append(TruthRow(line, mention.truth, mention.entry(offset), line, last))
            line = last + 1
        return lines

    # -- SQL ----------------------------------------------------------------------------------------------------------

    SQL_HEAD = "--\n-- PostgreSQL database dump\n--\n\nSET statement_timeout = 0;\nSET client_encoding = 'UTF8';\n\n"
    SQL_USERS = "COPY public.users (id, uuid, email, name, created_at, deleted_at) FROM stdin;\n"
    SQL_EVENTS = "\\.\n\n\nCOPY public.events (id, user_id, kind, payload, created_at) FROM stdin;\n"
    SQL_END = "\\.\n\n\n"

    def sql(self, count: int, truth: Truth, first_line: int) -> List[str]:
        draw = self.draw
        users, mentions = self.plan(count)
        chunks = [self.SQL_HEAD] if first_line == 1 else []
        chunks.append(self.SQL_USERS)
        line = first_line + sum(chunk.count("\n") for chunk in chunks)
        half = count // 2
        for i, user in enumerate(users):
            mention = mentions.get(i)
            if i == half:
                chunks.append(self.SQL_EVENTS)
                line += self.SQL_EVENTS.count("\n")
            event_id = "9%09d" % draw.randrange(10**9)
            if i < half:
                row, offset = self.sql_user(i, user, mention)
            else:
                row, offset = self.sql_event(i, event_id, user, mention)
            chunks.append(row)
            if mention:
                truth.append(TruthRow(line, mention.truth, mention.entry(offset), line, line))
            line += 1
        chunks.append(self.SQL_END)
        return chunks

    def sql_user(self, i: int, user: User, mention: Optional[Mention]) -> Tuple[str, int]:
        email, name, offset = user.email, self.draw.choice(FIRST_NAMES), ENTRY_OFFSET[EMAIL]
        truth = mention.truth if mention else ""
        if truth == "A":
            name, offset = mention.user.user_id, ENTRY_OFFSET[USER_ID]
        elif truth == "C":
            email = mention.user.email
        elif truth == "E":
            name = mention.user.encoded_email
        row = "%s\t%s\t%s\t%s\t2025-03-1%d 09:00:00+00\t\\N\n" % (user.user_id, user.uuid, email, name, i % 9)
        return row, offset

    def sql_event(self, i: int, event_id: str, user: User, mention: Optional[Mention]) -> Tuple[str, int]:
        payload, offset = '{"page": %d}' % (i % 50), ENTRY_OFFSET[USER_ID]
        truth = mention.truth if mention else ""
        if truth == "A":
            payload = '{"bytes": %s}' % mention.user.user_id
        elif truth == "C":
            payload, offset = '{"to": "%s"}' % mention.user.email, ENTRY_OFFSET[EMAIL]
        elif truth == "E":
            payload, offset = '{"url": "?e=%s"}' % mention.user.encoded_email, ENTRY_OFFSET[EMAIL]
        row = "%s\t%s\t%s\t%s\t2025-03-1%d 09:00:00+00\n" % (
            event_id,
            user.user_id,
            self.draw.choice(EVENT_KINDS),
            payload,
            i % 9,
        )
        return row, offset

    # -- files --------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Writes each kind's file and its truth, in the order in which the kinds were named."""
        kinds = self.options.kinds.split(",")
        quota = int(self.options.size * 1_000_000 / len(kinds))
        for kind in kinds:
            self.write_kind(kind, quota)

    def write_kind(self, kind: str, quota: int) -> None:
        make_batch = {"nginx": self.nginx, "json": self.json, "text": self.text, "csv": self.csv, "sql": self.sql}[kind]
        path = os.path.join(self.options.out, self.FILES[kind])
        written, line, hits = 0, 1, 0
        with open(path, "w", newline="") as data, open(path + ".truth.tsv", "w") as truth_file:
            truth_file.write("line\tclass\tentry\trec_first\trec_last\n")
            while written < quota:
                truth: Truth = []
                records = max(100, min(20000, (quota - written) // 150))
                batch = "".join(make_batch(records, truth, line))
                data.write(batch)
                written += len(batch)  # all is ASCII
                line += batch.count("\n")
                hits += sum(row.truth == "D" for row in truth)
                truth.sort()
                truth_file.writelines("%d\t%s\t%d\t%d\t%d\n" % row for row in truth)
        lines = line - 1
        share = 100.0 * hits / lines
        print(
            "%-10s %11d bytes %9d lines %7d D-lines (%.4f%%)" % (self.FILES[kind], written, lines, hits, share),
            file=sys.stderr,
        )


def parse_options(arguments: Optional[Sequence[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="folder to write to; made if need be")
    parser.add_argument("--size", type=float, default=100, help="total MB (10^6 bytes), shared equally by the kinds")
    parser.add_argument("--kinds", default="nginx,json,text,csv,sql", help="comma-separated, in the order of writing")
    parser.add_argument("--users", type=int, default=200_000, help="distinct living users")
    parser.add_argument("--registry-users", type=int, default=10_000, help="erased users (three identifiers each)")
    parser.add_argument("--hit-users", type=int, default=1000, help="only the first this many erased users occur (Zipf)")
    parser.add_argument("--hit-ratio", type=float, default=0.0001, help="share of records that mention an erased user")
    parser.add_argument("--decoy-ratio", type=float, default=0.0005, help="share of records of the classes A, C, E and K")
    parser.add_argument("--mention", type=float, default=0.4, help="share of nginx lines that mention some user")
    parser.add_argument("--clustered", action="store_true", help="hits come in bursts of one user")
    parser.add_argument("--registry-only", action="store_true", help="write the registry and nothing else")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


def main() -> None:
    options = parse_options()
    os.makedirs(options.out, exist_ok=True)
    started = time.time()
    if options.registry_only:
        write_registry(registry_users(options.registry_users, options.seed), options.out)
    else:
        generator = Generator(options)
        write_registry(generator.registry, options.out)
        generator.run()
    print("done in %.1f s" % (time.time() - started), file=sys.stderr)


if __name__ == "__main__":
    main()
