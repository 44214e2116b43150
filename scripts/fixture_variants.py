"""Golden cases of the variants: Base64, digests and UTF-16, which are searched where the policy asks for them.

Encoded by Python's own base64 and hashlib, so that what unwrite reads was written by something else.
"""

import base64
import hashlib

from fixture_cases import ALICE_ID_AND_MAIL, Case, at, gone, keep, turn

MAIL = "alice@example.com"
NEAR = "malice@example.com"


def standard(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def url(text: str) -> str:
    """The URL alphabet without padding, as a JSON Web Token has it."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def digest(name: str, text: str) -> str:
    return hashlib.new(name, text.encode()).hexdigest()


def percent(text: str) -> str:
    return text.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")


WIDE = base64.b64encode(MAIL.encode("utf-16-le")).decode()
PAYLOAD = '{"sub":"77","email":"Alice@Example.com"}'

CASES = [
    Case(
        "variants",
        "log",
        "The policy asks for Base64, digests and UTF-16 of e-mails. The e-mail of a record that goes stands in Base64: alone; after one and"
        " after two other characters (so that no two of the three look alike); in capitals; in the URL alphabet inside JSON;"
        " percent-encoded; as UTF-16; or as MD5, SHA-1 or SHA-256, in either case. What stays: the same of a longer e-mail, digests"
        " in longer words, and a line after one that ends in padding, which is no soft line break here.",
        [ALICE_ID_AND_MAIL],
        [
            keep(at(0, "start")),
            gone(at(1, f"invite token={standard(MAIL)} sent")),
            gone(at(2, f"invite token={standard(' ' + MAIL)} sent")),
            gone(at(3, f"invite token={standard('; ' + MAIL)} sent")),
            gone(at(4, f"invite token={standard(MAIL.upper())} sent")),
            keep(at(5, f"invite token={standard(NEAR)} sent")),
            keep(at(6, f"invite token={standard(MAIL + '.au')} sent")),
            gone(at(7, f"authorization: Bearer e30.{url(PAYLOAD)}.c2lnbmF0dXJl")),
            keep(at(8, f"authorization: Bearer e30.{url(PAYLOAD.replace('Alice', 'Malice'))}.c2lnbmF0dXJl")),
            gone(at(9, f"GET /confirm/{url(MAIL)}/now")),
            gone(at(10, f"GET /confirm?t={percent(standard('?>' + MAIL + '<?'))}&v=1")),
            gone(at(11, f"powershell -enc {WIDE}")),
            gone(at(12, f"segment userId={digest('md5', MAIL)}")),
            gone(at(13, f"segment userId={digest('sha1', MAIL).upper()}")),
            gone(at(14, f"audience sha256:{digest('sha256', MAIL)}, 1 of 2")),
            keep(at(15, f"audience sha256:{digest('sha256', NEAR)}, 2 of 2")),
            keep(at(16, f"audience sha256:{digest('sha256', MAIL)}0")),
            gone(at(17, f"cookie={standard('x=' + MAIL + ';')}")),
            keep(at(18, "the next line is nobody's")),
            keep(at(19, "stop")),
        ],
        '[identifiers.email]\nvariants = ["base64", "md5", "sha1", "sha256", "utf16"]\n',
    ),
    Case(
        "variants-redact",
        "jsonl",
        "Redacted: inside Base64, and of a digest, the whole token goes, with its padding; what stands beside it stays, so that the"
        " lines are JSON still. `\\/` is how PHP writes the slashes of Base64.",
        [ALICE_ID_AND_MAIL],
        [
            keep('{"n":1,"t":"started"}\n'),
            turn(f'{{"n":2,"t":"a {standard(MAIL)} z"}}\n', '{"n":2,"t":"a ERASED z"}\n'),
            turn(f'{{"n":3,"t":["{digest("sha256", MAIL)}",7]}}\n', '{"n":3,"t":["ERASED",7]}\n'),
            keep(f'{{"n":4,"t":["{digest("sha256", NEAR)}",7]}}\n'),
            turn(
                '{"n":5,"t":"' + standard("~?\u00ff" + MAIL + "\u00ff?~").replace("/", "\\/") + '","u":"x"}\n',
                '{"n":5,"t":"ERASED","u":"x"}\n',
            ),
            turn(f'{{"n":6,"url":"/u/{url(MAIL)}/edit"}}\n', '{"n":6,"url":"/u/ERASED/edit"}\n'),
        ],
        '[identifiers.email]\nvariants = ["base64", "sha256"]\n[[rule]]\naction = "redact"\n',
    ),
    Case(
        "variants-off",
        "log",
        "Nobody asked for variants: Base64 and digests are not searched.",
        [ALICE_ID_AND_MAIL],
        [
            keep(at(0, f"invite token={standard(MAIL)} sent")),
            keep(at(1, f"segment userId={digest('md5', MAIL)}")),
            gone(at(2, f"mail to {MAIL}")),
            keep(at(3, "stop")),
        ],
    ),
]
