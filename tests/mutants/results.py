#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What has become of the faults that mutants.sh has tried.

	results.py pending MUTANTS LIST RESULTS SUITE
		those that nothing has found yet, and whose files the suite reaches: number, key, file
	results.py judge MUTANTS LIST RESULTS SUITE...
		on stderr, those that are wrong, and how many of each file each suite has found;
		ends with 'N passed, N failed'

MUTANTS is mutants.txt, LIST what apply.py has listed of it. RESULTS has a file for each fault that
was tried, by its key: the suite that has found it, or "survived" or "broken"; and why.
"""
import collections
import pathlib
import re
import sys

import apply

WIRE = re.compile(r"(gpadl/wire|host/ring_(in|out)|backends/scsi/(vstor|lun))\.[ch]$|host/ring.h$")
DISK = re.compile(r"backends/scsi/")


class Tried:
    """A fault of the list, and what has become of it."""

    def __init__(self, line, results):
        self.number, self.key, self.file, self.reason = (line.split(maxsplit=3) + [""])[:4]
        path = results / self.key
        self.how, _, self.why = path.read_text().strip().partition(" ") if path.exists() \
            else ("", "", "")

    @property
    def known(self):
        """Is the result of an earlier run good?"""
        if self.how == "survived":
            return self.why.startswith("all") and self.reason
        return self.how not in ("", "broken")


def read(listed, results):
    return [Tried(line, pathlib.Path(results))
            for line in pathlib.Path(listed).read_text().splitlines()]


def reaches(suite, path):
    """KUnit has no target: it does not get to the SCSI backend."""
    if suite == "wire":
        return WIRE.match(path)
    if suite == "disk":
        return DISK.match(path)
    return not DISK.match(path) or suite in ("selftest", "debug")


def pending(faults, suite):
    for fault in faults:
        if not fault.known and reaches(suite, fault.file):
            print(fault.number, fault.key, fault.file)


def table(faults, suites):
    """How many of each file each suite has found; those that survive are in the last column."""
    columns = [*suites, "survived"]
    by_file = collections.defaultdict(collections.Counter)
    for fault in faults:
        by_file[fault.file][fault.how] += 1
    print(f"{'':20} {'faults':>7}", *(f"{column:>8}" for column in columns), file=sys.stderr)
    for name, found in [*by_file.items(), ("all", sum(by_file.values(), collections.Counter()))]:
        print(f"{name:20} {found.total():7}",
              *(f"{found[column] or '':>8}" for column in columns), file=sys.stderr)


def judge(mutants, faults, suites):
    texts = [fault.what for fault in apply.parse(mutants)]
    passed = failed = 0
    for fault in faults:
        bad = fault.how in ("", "broken") or fault.how == "survived" and not fault.reason
        passed += not bad
        failed += bad
        if bad:
            print(f"{fault.number}: {fault.how} {fault.why}: {fault.file}: "
                  f"{texts[int(fault.number) - 1]}", file=sys.stderr)
        elif fault.reason and fault.how != "survived":
            print(f"{fault.number}: {fault.how} finds it by now: {fault.why}", file=sys.stderr)
    table(faults, suites)
    print(f"{passed} passed, {failed} failed")
    return failed == 0 and passed > 0


def main():
    command, mutants, listed, results, *suites = sys.argv[1:]
    faults = read(listed, results)
    if command == "pending":
        pending(faults, *suites)
    elif not judge(mutants, faults, suites):
        sys.exit(1)


main()
