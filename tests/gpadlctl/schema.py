#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Hold what gpadlctl --json prints against what its manual says that it prints.

	schema.py MANUAL FDINFO COMMAND		the output is on stdin

MANUAL is gpadlctl.8, whose section JSON has a paragraph for each command; FDINFO is
Documentation/fdinfo.rst, which has the keys that the manual leaves to it. Says which keys are not
documented, and which are documented and not there; the machine must have something of everything.
"""
import json
import re
import shlex
import sys


def bold(line):
    """The words of a line of the manual that are set in bold"""
    macro, _, rest = line.partition(" ")
    words = shlex.split(rest)
    if macro == ".BR":
        words = words[::2]
    elif macro == ".RB":
        words = words[1::2]
    elif macro != ".B":
        return []
    return [w.replace("\\-", "-").strip() for word in words for w in word.split(",")]


def documented_keys(manual, command):
    """The keys in the paragraphs for a command"""
    section = re.search(r"^\.SH JSON\n(.*?)^\.SH ", manual, re.M | re.S)[1]
    keys = set()
    for part in section.split(".TP\n")[1:]:
        heading, *lines = part.splitlines()
        # "disk create" is a heading of two words
        names = [" ".join(bold(heading))] if heading.startswith(".B ") else bold(heading)
        if command in names:
            keys |= {word for line in lines for word in bold(line)}
    return {k for k in keys if re.fullmatch(r"_?[a-z_]+", k)}


def keys_of(value, above=""):
    """(the key above, key) of all objects in a document"""
    if isinstance(value, list):
        for v in value:
            yield from keys_of(v, above)
    elif isinstance(value, dict):
        for key, v in value.items():
            yield above, key
            yield from keys_of(v, key)


def main():
    manual, fdinfo = (open(path, encoding="utf-8").read() for path in sys.argv[1:3])
    documented = documented_keys(manual, sys.argv[3])
    rows = set(re.findall(r"``([a-z0-9-]+)``", fdinfo))
    if not documented:
        sys.exit(f"the manual's JSON has nothing about {sys.argv[3]}")
    found = set(keys_of(json.loads(sys.stdin.readline()))) - {("", "version"), ("", "command")}
    suffixes = {k for k in documented if k.startswith("_")}
    bad = []
    for above, key in sorted(found):
        plain = [key] + [key.removesuffix(s) for s in suffixes if key.endswith(s)]
        row = key.replace("_", "-")
        if above == "rejects" or documented & set(plain) or {row, f"vmbus-{row}"} & rows:
            continue
        bad.append(f"{key} is not documented")
    there = {key for _, key in found}
    there |= {key.removesuffix(s) for s in suffixes for key in there}
    bad += [f"there is no {key}" for key in sorted(documented - suffixes - there)]
    print(*bad, sep="\n", end="\n" if bad else "")
    return bool(bad)


sys.exit(main())
