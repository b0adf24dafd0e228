#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Put one fault of mutants.txt into a copy of the tree.

	apply.py mutants.txt		how many there are
	apply.py mutants.txt N TREE	put the Nth into TREE, print what it is
"""
import pathlib
import sys


def parse(path):
    """The faults: (file, what is wrong, lines there, lines instead)."""
    faults = []
    for line in pathlib.Path(path).read_text().splitlines():
        mark, rest = line[:1], line[1:].strip()
        if mark == '=':
            name, what = rest.split(': ', 1)
            faults.append((name, what, [], []))
        elif mark == '-':
            faults[-1][2].append(rest)
        elif mark == '+':
            faults[-1][3].append(rest)
    return faults


def apply(tree, name, old, new):
    """Replace the lines old, which must stand in the file exactly once."""
    path = pathlib.Path(tree, name)
    lines = path.read_text().splitlines()
    stripped = [' '.join(line.split()) for line in lines]
    old = [' '.join(line.split()) for line in old]
    places = [i for i in range(len(lines) - len(old) + 1)
              if stripped[i:i + len(old)] == old]
    if len(places) != 1:
        sys.exit(f'{name}: {len(places)} places like: {old[0]}')
    lines[places[0]:places[0] + len(old)] = ['\t' + line if not line.startswith('#')
                                             else line for line in new]
    path.write_text('\n'.join(lines) + '\n')


def main():
    faults = parse(sys.argv[1])
    if len(sys.argv) == 2:
        print(len(faults))
        return
    name, what, old, new = faults[int(sys.argv[2]) - 1]
    apply(sys.argv[3], name, old, new)
    print(f'{name}: {what}')


main()
