#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Hold what no test reaches against the list of reasons for it.

	coverage.py COVERAGE REASONS

COVERAGE is gcovr's JSON. On stdout: each line that was not run, and each that has a
branch that was not taken; then how many branches each reason is for. On stderr: those of them
without a reason, which is a failure, and the reasons without one of them, which is not.

REASONS: a reason, which begins at the margin, then what it is for, one per line, indented:

	[?] FILE:FUNCTION: TEXT

TEXT is in the line of source. FILE and FUNCTION are patterns as of a shell. With a ? it
is reached by chance, as when one thread has to win a race, so that nothing is said of it.
"""
import collections
import fnmatch
import json
import sys


class Place:
    """A line of source that was not run, or not in all directions."""

    def __init__(self, file, function, number, text, what, untaken):
        self.untaken = untaken
        self.where, self.text = f"{file}:{function}", text
        self.told = f"{file}:{number}: {function}: {what}: {text}"


class Entry:
    """A line of the list of reasons."""

    def __init__(self, number, line, reason):
        self.number, self.line, self.reason = number, line, reason
        self.chance = line.startswith("?")
        line = line.removeprefix("?").strip()
        self.where, _, self.text = line.partition(": ")
        self.used = False

    def covers(self, place):
        found = self.text in place.text and fnmatch.fnmatchcase(place.where, self.where)
        self.used |= found
        return found


def missing(line, untaken):
    """What a line lacks; None if nothing."""
    if line["gcovr/noncode"]:
        return None
    if not line["count"]:
        return "not run"
    return f"{untaken} of {len(line['branches'])} branches not taken" if untaken else None


def places(coverage):
    for file in coverage["files"]:
        with open(file["file"], encoding="utf-8") as f:
            source = f.read().splitlines()
        begins = sorted((f["lineno"], f["name"]) for f in file["functions"])
        for line in file["lines"]:
            untaken = sum(not b["count"] for b in line["branches"])
            number, what = line["line_number"], missing(line, untaken)
            if what:
                names = [name for begin, name in begins if begin <= number]
                yield Place(file["file"], names[-1] if names else "", number,
                            source[number - 1].strip(), what, untaken)


def entries(path):
    reason = ""
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            if not line.strip():
                reason = ""
            elif line[0].isspace():
                yield Entry(number, line.strip(), reason)
            else:
                reason = f"{reason} {line.strip()}".lstrip()


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        left = list(places(json.load(f)))
    reasons = list(entries(sys.argv[2]))
    wrong, branches = 0, collections.Counter()
    for place in left:
        print(place.told)
        # No any(): each entry learns of all that it is for
        found = [e for e in reasons if e.covers(place)]
        branches[found[0].reason if found else "no reason"] += place.untaken
        if not found:
            print(f"  not reached, no reason: {place.told}", file=sys.stderr)
            wrong = 1
    print("\nBranches not taken, by the reason:")
    for reason, number in branches.most_common():
        print(f"{number:5} {reason}")
    for entry in reasons:
        if not entry.used and not entry.chance:
            print(f"  a reason, but reached: {sys.argv[2]}:{entry.number}: {entry.line}",
                  file=sys.stderr)
    return wrong


sys.exit(main())
