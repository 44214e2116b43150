"""The operations that were really called are those for which docs/s3.md asks for permission."""

import re

from rig import Rig, case, harness, need, say

# What SeaweedFS cannot be brought to: regions, cold storage, MFA delete, preconditions that are ignored.
NOT_HERE = {"RestoreObject", "HeadBucket", "DeleteObject", "GetBucketVersioning"}


def documented() -> set:
    """Names in the first column of the table of operations."""
    text = (harness.PROJECT / "docs" / "s3.md").read_text()
    table = text.split("<!-- operations -->")[1].split("\n\n")[0]
    return set(re.findall(r"^\| `(\w+)`", table, re.M))


@case("operations")
def operations(rig: Rig) -> None:
    """every operation called so far is in the table of docs/s3.md, and after a whole run the other way round"""
    called, told = rig.proxy.ever, documented()
    need(called <= told, f"called, and not in docs/s3.md: {sorted(called - told)}")
    if rig.whole:
        need(told <= called | NOT_HERE, f"in docs/s3.md, and never called: {sorted(told - called - NOT_HERE)}")
    say(f"   {len(called)} operations called: {' '.join(sorted(called))}")
