#!/usr/bin/env python3
"""Verifies archives and bundles of Lodd, independently of the program.

    python3 lodd_verify.py FILE... [--key KEY] [--json]
    python3 lodd_verify.py --self-test

FILE is an archive of the log (lodd audit export) or a bundle (an export of
data); if it is -, the names of files are read from standard input. KEY is the
key of the log, for a bundle that of exports, which you know from elsewhere: the
text, or a file that holds it. Without it an archive is checked with the key that
lies in it, which shows that it fits together, not who wrote it; a bundle needs
KEY.

Needs Python 3.9 or later and nothing else, except a time zone database (the
package tzdata) where the system has none. It ends with 0 if every file is
verified, 1 if one is not, 2 if it was called wrongly.
"""

import argparse
import json
import mmap
import os
import sys

from loddlog import archive, bundle, note, selftest
from loddlog.refused import Invalid, Refused

ARCHIVE_NAME_AT = 30  # where the name of the first member of a ZIP file stands
ZIP_BEGINS = b"PK\x03\x04"


def main(args):
    """Carries out a command line and returns the exit code."""
    options = parse(args)
    sys.stdout.reconfigure(errors="backslashreplace")  # a reason may name what no console can show
    if options.self_test:
        return selftest.run()
    try:
        key = read_key(options.key) if options.key else None
    except Invalid as wrong:
        print("lodd_verify: %s" % wrong, file=sys.stderr)
        return 2
    names = (line.rstrip("\n") for line in sys.stdin) if options.files == ["-"] else options.files
    good = True
    for name in names:
        try:
            verdict = verify(name, key)
        except (OSError, NeedsKey) as wrong:
            print("lodd_verify: %s" % wrong, file=sys.stderr)
            return 2
        say(name, verdict, key, options.json)
        good = good and verdict["ok"]
    return 0 if good else 1


def parse(args):
    """Reads the command line; argparse ends with 2 if it is wrong."""
    head, _, rest = __doc__.partition("\n")
    parser = argparse.ArgumentParser(description=head, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE", help="an archive or a bundle")
    parser.add_argument("--key", help="the key of the log, for a bundle that of exports, or a file that holds it")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line for each file")
    parser.add_argument("--self-test", action="store_true", help="check this verifier against published examples")
    options = parser.parse_args(args)
    if bool(options.files) == options.self_test:
        parser.error("name the files to verify")
    return options


class NeedsKey(Exception):
    """Says that a bundle was given without a key."""


def read_key(text):
    """Returns the key that a text is, or that a file holds."""
    if os.path.isfile(text):
        with open(text, encoding="utf-8") as file:
            text = file.read()
    return note.parse_key(text.strip())


def verify(path, key):
    """Returns the verdict on a file."""
    verdict = {"ok": False, "list": "", "index": -1, "reason": "", "replayed": False, "late": 0}
    with open(path, "rb") as file:
        empty = os.fstat(file.fileno()).st_size == 0
        data = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            found = verify_bytes(path, data, key)
            verdict.update(ok=True, replayed=found["replayed"], late=found["late"], found=found)
        except Refused as wrong:
            verdict.update(list=wrong.list, index=wrong.index, reason=wrong.reason)
        finally:
            if not empty:
                data.close()
    return verdict


def verify_bytes(path, data, key):
    """Verifies an archive or a bundle."""
    name = archive.ABOUT.encode()
    if data[ARCHIVE_NAME_AT:ARCHIVE_NAME_AT + len(name)] == name:
        return archive.verify(data, key)
    if data[:len(ZIP_BEGINS)] != ZIP_BEGINS:
        raise Refused("it is neither an archive of the log nor a bundle, which are ZIP files as Lodd writes them")
    if key is None:
        raise NeedsKey("%s: a bundle is verified with the key of exports: give it with --key; lodd whoami prints it" % path)
    return bundle.verify(data, key)


def say(path, verdict, key, as_json):
    """Prints a verdict."""
    found = verdict.pop("found", None)
    if as_json:
        print(json.dumps(verdict), flush=True)  # whoever asks file by file waits for it
    elif found is None:
        print("%s: NOT VERIFIED: %s%s" % (path, where(verdict), visible(verdict["reason"])))
    else:
        print("%s: %s: %s" % (path, "verified in part" if verdict["late"] else "verified", found["what"]))
        for of in found["lists"]:
            print("  %s: %d of %d entries" % (of["list"], of["entries"], of["size"]))
        if found["lists"]:
            print("  the rules of the trial were " + (
                "replayed, and no entry breaks one" if verdict["replayed"] else
                "replayed, save for %d entries that came after the head of conduct" % verdict["late"] if verdict["late"] else
                "NOT replayed: that needs conduct, outcome, delivery and allocation with all their entries"))
        if key is None:
            print("  it was checked with the key that lies in it, which shows that it fits together, "
                  "not who wrote it: give the key of the log with --key")


def where(verdict):
    """Says which list and entry a verdict is about."""
    if not verdict["list"]:
        return ""
    if verdict["index"] < 0:
        return "list %s: " % verdict["list"]
    return "entry %d of %s: " % (verdict["index"], verdict["list"])


def visible(text):
    """Returns a text from a log in which nothing can move a terminal's cursor."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
