"""Runs the S3 cases; `scripts/s3-test` starts the server and calls it.  The last words are `ok: ...` or `FAILED: ...`."""

import argparse
import sys
import time

sys.dont_write_bytecode = True
import rig  # noqa: E402
from rig import CASES, Rig, harness, say  # noqa: E402

# Each enters its cases; the order is that of the run.
import same, keys, keep, mirror, quiet, kills, races, versions, cost, manifest, operations  # noqa: E401, E402, F401


def main() -> int:
    parser = argparse.ArgumentParser(prog="s3-test", description="Black-box tests of $UNWRITE against a real S3 server, judged by boto3.",
                                     epilog="cases: " + ", ".join(CASES))
    parser.add_argument("cases", nargs="*", metavar="CASE", help="default: all")
    parser.add_argument("--full", action="store_true", help="1,000 races, 100 kills, 2,000 objects, 1 GB: by hand")
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder")
    parser.add_argument("--go-on", action="store_true", help="run the other cases after one has failed")
    options = parser.parse_args()
    unknown = set(options.cases) - set(CASES)
    if unknown:
        parser.error("no such case: " + ", ".join(sorted(unknown)))
    harness.need("zstd", "gzip", "jq")
    harness.unwrite_binary()
    wanted = [name for name in CASES if not options.cases or name in options.cases]
    made = Rig(harness.temporary_folder("s3-test", options.keep), options.full)
    made.whole = not options.cases
    failed = []
    for name in wanted:
        since = time.monotonic()
        say(f"-- {name}: {(CASES[name].__doc__ or '').strip().splitlines()[0]}")
        try:
            CASES[name](made)
        except SystemExit:
            failed.append(name)
            if not options.go_on:
                raise
        say(f"   {time.monotonic() - since:.1f} s")
    if failed:
        rig.fail("cases " + ", ".join(failed))
    say(f"ok: {len(wanted)} cases, {made.calls} runs of unwrite")
    return 0


if __name__ == "__main__":
    sys.exit(main())
