#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Put one fault of mutants.txt into a copy of the tree.

	apply.py mutants.txt TREE	list them: number, key, file, why it survives; fails if the
					lines of one are not there once
	apply.py mutants.txt TREE N	put the Nth into TREE, print what it is
	apply.py mutants.txt TREE N say	print only what it is

The key stands for the fault and for the file that it is put into.
"""
import hashlib
import pathlib
import sys


class Stale(Exception):
    """The lines of a fault are not in its file, or more than once."""


class Fault:
    """What is wrong, where; the lines there, those instead, why no test fails."""

    def __init__(self, head):
        self.file, self.what = head.split(': ', 1)
        self.old, self.new, self.reason = [], [], []

    def apply(self, text):
        """Replace the lines, which must stand in the text exactly once."""
        lines = text.splitlines()
        there = [' '.join(line.split()) for line in lines]
        old = [' '.join(line.split()) for line in self.old]
        places = [i for i in range(len(lines) - len(old) + 1)
                  if there[i:i + len(old)] == old]
        if len(places) != 1:
            raise Stale(f'{self.file}: {self.what}: {len(places)} places like: {old[0]}')
        lines[places[0]:places[0] + len(old)] = ['\t' + line if not line.startswith('#')
                                                 else line for line in self.new]
        return '\n'.join(lines) + '\n'

    def key(self, text):
        """Changes when the mutated file does."""
        return hashlib.sha1(self.apply(text).encode()).hexdigest()[:16]


def parse(path):
    """The faults of a list."""
    faults = []
    for line in pathlib.Path(path).read_text().splitlines():
        mark, rest = line[:1], line[1:].strip()
        if mark == '=':
            faults.append(Fault(rest))
        elif mark == '-':
            faults[-1].old.append(rest)
        elif mark == '+':
            faults[-1].new.append(rest)
        elif mark == '~':
            faults[-1].reason.append(rest)
    return faults


def list_all(faults, tree):
    """Those that can be put in; true if it is all of them."""
    good = True
    for n, fault in enumerate(faults, 1):
        try:
            key = fault.key((tree / fault.file).read_text())
            print(n, key, fault.file, ' '.join(fault.reason))
        except (Stale, OSError) as e:
            print(e, file=sys.stderr)
            good = False
    return good


def main():
    faults = parse(sys.argv[1])
    tree = pathlib.Path(sys.argv[2])
    if len(sys.argv) == 3:
        sys.exit(0 if list_all(faults, tree) else 1)
    fault = faults[int(sys.argv[3]) - 1]
    if sys.argv[4:] != ['say']:
        path = tree / fault.file
        try:
            path.write_text(fault.apply(path.read_text()))
        except Stale as e:
            sys.exit(str(e))
    print(f'{fault.file}: {fault.what}')


if __name__ == "__main__":
    main()
