#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Read what gcov has counted in a build of the modules, as gcovr would keep it.

	gcov.py BUILD TREE >JSON

BUILD has, beside its sources, the compiler's notes (.gcno) and the counts (.gcda) of its
top directory, gpadl/ and host/. TREE is the tree that it was copied from: a build of other
sources is an error.

gcovr could do that, but for two things.

A basic block may have statements of several files, as an inline function of the kernel is
part of it. gcov attributes the branch at its end to the last line of each of these files.
In GCC 12 one branch of eight is so one that its line does not have: as "pool->refs = 1;"
before a call of kvcalloc(), which looks for an overflow. A branch belongs to the line of the
block's last statement. gcov-dump tells which that is.

An inline function has a copy of its branches wherever the compiler puts it. Copies with the
same branches are one here: a branch is taken if it is taken in one of them.
"""
import collections
import filecmp
import glob
import json
import os
import re
import subprocess
import sys

FUNCTION = re.compile(r"FUNCTION ident=.*`(.*)' .*:\d+:\d+-\d+:\d+$")
LINES = re.compile(r"\s+block (\d+):`(.*)':([\d, ]+)$")
ARCS = re.compile(r"\s+block (\d+): (.*)$")
ARC_FAKE = 2


class Function:
    """A function in the compiler's notes."""

    def __init__(self, name):
        self.name = name
        # By block: the ways out of it, and its lines as (file, lines), in its order
        self.ways, self.places = collections.Counter(), collections.defaultdict(list)


def functions(notes):
    """The functions of a file of notes, in its order."""
    dump = subprocess.run(["gcov-dump", "-l", notes], capture_output=True, text=True, check=True)
    found = []
    for text in dump.stdout.splitlines():
        text = text.partition(":")[2]
        if match := FUNCTION.search(text):
            found.append(Function(match[1]))
        elif match := LINES.match(text):
            lines = [int(number) for number in match[3].split(",")]
            found[-1].places[int(match[1])].append((match[2], lines))
        elif match := ARCS.match(text):
            # Each call has a way to the end of the program
            flags = re.findall(r"\d+:([0-9a-f]{4})", match[2])
            found[-1].ways[int(match[1])] += sum(not int(f, 16) & ARC_FAKE for f in flags)
    return found


def attributed(notes):
    """For each (file, line) to which gcov attributes branches: as (function, branches, their
    line; 0 if they are another file's), in the order of gcov.
    """
    found = collections.defaultdict(list)
    for function in functions(notes):
        for block, places in sorted(function.places.items()):
            ways = function.ways[block]
            if ways < 2:
                continue
            for i, (file, lines) in enumerate(places):
                found[file, max(lines)].append(
                    (function.name, ways, lines[-1] if i == len(places) - 1 else 0))
    return found


def own_branches(file, notes):
    """By line and function: the counts of a file's branches, block by block.
    @file: as gcov describes it; @notes: of attributed()
    """
    own = collections.defaultdict(lambda: collections.defaultdict(list))
    counts = collections.defaultdict(list)
    for line in file["lines"]:
        counts[line["line_number"]] += [branch["count"] for branch in line["branches"]]
    for number, all_of_it in counts.items():
        blocks = notes.get((file["file"], number), [])
        if sum(ways for _, ways, _ in blocks) != len(all_of_it):
            # By another rule: a tracepoint's functions. All are kept
            own[number][None].append(tuple(all_of_it))
            continue
        at = 0
        for function, ways, line in blocks:
            if line:
                own[line][function].append(tuple(all_of_it[at:at + ways]))
            at += ways
    return own


class File:
    """What is counted in a source file, by all that was compiled of it."""

    def __init__(self):
        self.lines = collections.Counter()
        self.functions = {}
        # By line and by the shape of its branches, which copies have in common: their sums
        self.branches = collections.defaultdict(dict)

    def add_branches(self, number, own):
        for blocks in own.values():
            copies = self.branches[number]
            shape = tuple(len(block) for block in blocks)
            counts = [count for block in blocks for count in block]
            before = copies.get(shape, [0] * len(counts))
            copies[shape] = [a + b for a, b in zip(before, counts)]

    def add(self, said, notes):
        """@said: by gcov, of a file that was compiled"""
        for line in said["lines"]:
            self.lines[line["line_number"]] += line["count"]
        for number, own in own_branches(said, notes).items():
            self.add_branches(number, own)
        for function in said["functions"]:
            at = self.functions.setdefault(function["name"], [function["start_line"], 0])
            at[1] += function["execution_count"]

    def kept(self, name):
        """As gcovr keeps it"""
        return {
            "file": name,
            "functions": [{"name": function, "lineno": at[0], "execution_count": at[1]}
                          for function, at in self.functions.items()],
            "lines": [{
                "branches": [{"count": count, "fallthrough": False, "throw": False}
                             for _, counts in sorted(self.branches[number].items())
                             for count in counts],
                "count": count, "line_number": number,
                "gcovr/noncode": False, "gcovr/excluded": False,
            } for number, count in sorted(self.lines.items())],
        }


def main():
    build, tree = os.path.abspath(sys.argv[1]), sys.argv[2]
    files = collections.defaultdict(File)
    for notes in sorted(glob.glob(f"{build}/*.gcno") + glob.glob(f"{build}/gpadl/*.gcno") +
                        glob.glob(f"{build}/host/*.gcno")):
        if not os.path.exists(notes[:-4] + "gcda"):
            continue
        # Where it lies: that is where the counts are looked for
        said = subprocess.run(["gcov", "--branch-probabilities", "--json-format", "--stdout",
                               os.path.basename(notes)], capture_output=True, text=True,
                              check=True, cwd=os.path.dirname(notes))
        blocks = attributed(notes)
        for file in json.loads(said.stdout.splitlines()[0])["files"]:
            name = os.path.relpath(file["file"], build)
            if not name.startswith("..") and "/" not in name.removeprefix(
                    "gpadl/").removeprefix("host/"):
                files[name].add(file, blocks)
    for name in files:
        if not filecmp.cmp(f"{build}/{name}", f"{tree}/{name}", shallow=False):
            sys.exit(f"gcov.py: {name} is not what was built: run it again")
    json.dump({"gcovr/format_version": "0.3",
               "files": [file.kept(name) for name, file in sorted(files.items())]}, sys.stdout)


main()
