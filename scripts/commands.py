#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
#
# What README.md, CONTRIBUTING.rst and Documentation/ tell a reader to type, and the symptoms that
# they explain, are tried by a test, or the text says why not:
#
#	.. run by: FILE: TEXT		(in README.md <!-- run by: FILE: TEXT -->)
#	.. not run: why
#
# stands before each block with commands, or once, as ".. all run by:", before all of a page.
# FILE is in this tree, and TEXT stands in it. A symptom of Documentation/troubleshooting.rst has
# ".. tried: PROGRAM TEST", a test of tests/selftest or tests/gpadlctl, or ".. not tried: why".
#
#	<!-- from: FILE -->
#
# in README.md stands before a block of code that is in FILE as it is, paragraph by paragraph.
#
#	<!-- output of: FILE... -->
#
# there stands before what scripts print: each line is one that they can print, whatever its figures.
# Lines of "..." are left out.
#
# Prints what is wrong, and nothing else; with --list, what there is.

import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# A line of a block that a reader would type
COMMAND = re.compile(r"""^\s*(?:[$#]\s+)?(?:[A-Z_]+=\S*\s+)*(?:sudo\s+)?
    (?:make|modprobe|insmod|rmmod|dkms|mokutil|gpadlctl|mkdir|rmdir|rm|echo|ln|ls|cat|cd|cp
      |truncate|mount|ulimit|prlimit|perf|bpftrace|dmesg|apt|apt-get|dpkg|git|gcc|grep|sysctl
      |adduser|udevadm|qemu-system-x86_64|trace-cmd|systemctl|tools/\S+|scripts/\S+|\./\S+)
    (?:\s|$)""", re.X)
FROM = re.compile(r"^<!-- from: (.*) -->$")
OUTPUT = re.compile(r"^<!-- output of: (.*) -->$")
# Where a script prints a text, and what the shell puts into it; a "$(" goes on to its ")"
PRINTS = re.compile(r"""(?:^|[\s{(;|])(?:(tell) \w+|headline|say|echo|printf(?: --)?) (["'])""", re.M)
FILLED = re.compile(r"%-?\d*[sd]|\$\{[^}]*\}|\$\w+|\$[*@#]|\$(?=\()")
MARK = re.compile(r"^\s*(?:\.\.|<!--) ((?:all )?run by|not run|tried|not tried): (.*?)(?: -->)?$")


def blocks(lines, markdown):
    """(number of the first line, lines) of each literal block"""
    n = 0
    while n < len(lines):
        line = lines[n]
        if markdown and line.startswith("```"):
            begin = n + 1
            while not lines[n + 1].startswith("```"):
                n += 1
            yield begin, lines[begin:n + 1]
            n += 2
            continue
        if not markdown and (re.match(r"\s*\.\. (code-block|prompt)::", line)
                             or line.rstrip().endswith("::")
                             and not re.match(r"\s*\.\. ", line)):
            indent = len(line) - len(line.lstrip())
            begin = n + 1
            while begin < len(lines) and not lines[begin].strip():
                begin += 1
            end = begin
            while end < len(lines) and (not lines[end].strip() or
                                        len(lines[end]) - len(lines[end].lstrip()) > indent):
                end += 1
            yield begin, lines[begin:end]
            n = end
            continue
        n += 1


def mark_before(lines, n):
    """The nearest mark above line n, but not above a heading; or that of the page"""
    for above in range(n - 1, max(n - 12, -1), -1):
        mark = MARK.match(lines[above])
        if mark and mark[1] in ("run by", "not run"):
            return mark
        if re.match(r"^(={3,}|-{3,}|#+ )", lines[above]):
            break
    for line in lines[:n]:
        mark = MARK.match(line)
        if mark and mark[1] == "all run by":
            return mark
    return None


def complaint_of_run(mark):
    if mark[1] == "not run":
        return None if len(mark[2]) > 10 else "says no reason"
    name, _, text = mark[2].partition(": ")
    path = os.path.join(TOP, name)
    if not os.path.isfile(path):
        return f"there is no {name}"
    if not text or text not in open(path).read():
        return f"{name} has no '{text}'"
    return None


def complaint_of_tried(mark):
    if mark[1] == "not tried":
        return None if len(mark[2]) > 10 else "says no reason"
    program, _, test = mark[2].partition(" ")
    if program == "cli":
        return (None if f'ok "{test}"' in open(f"{TOP}/tests/gpadlctl/cli.sh").read()
                else f"cli.sh has no test '{test}'")
    path = f"{TOP}/tests/selftest/{program}.c"
    if not os.path.isfile(path):
        path = f"{TOP}/{program}"
        return (None if os.path.isfile(path) and test in open(path).read()
                else f"{program} has no '{test}'")
    if not re.search(r"^TEST\w*\((?:\w+, )?" + re.escape(test) + r"\b", open(path).read(),
                     re.M):
        return f"{program} has no test {test}"
    return None


def check_blocks(name, lines, listing):
    bad = []
    for n, block in blocks(lines, name.endswith(".md")):
        commands = [line for line in block if COMMAND.match(line)]
        if not commands:
            continue
        mark = mark_before(lines, n)
        if not mark:
            bad.append(f"{name}:{n + 1}: who runs '{commands[0].strip()}'?")
            continue
        complaint = complaint_of_run(mark)
        if complaint:
            bad.append(f"{name}:{n + 1}: {complaint}")
        if listing:
            print(f"{name}:{n + 1}: {len(commands)} commands, {mark[1]} {mark[2]}")
    return bad


def check_code(name, lines):
    """What a page shows of a file is what stands there"""
    bad = []
    for n, line in enumerate(lines):
        mark = FROM.match(line)
        if not mark:
            continue
        source = open(f"{TOP}/{mark[1]}").read()
        end = lines.index("```", n + 2)
        for part in "\n".join(lines[n + 2:end]).split("\n\n"):
            if f"\n{part}\n" not in source:
                bad.append(f"{name}:{n + 1}: {mark[1]} has no '{part.splitlines()[0].strip()} ...'")
    return bad


def after_parenthesis(script, at):
    """Behind that which closes the one there"""
    depth = 0
    while True:
        depth += {"(": 1, ")": -1}.get(script[at], 0)
        at += 1
        if not depth:
            return at


def text_from(script, at, quote):
    """The text that begins there, as a pattern in which what is filled in is a group"""
    pattern = ""
    while script[at] != quote:
        filled = FILLED.match(script, at)
        if filled:
            pattern += "(.*?)"
            at = filled.end()
            if filled[0] == "$":
                at = after_parenthesis(script, at)
        elif script[at] == "\\":
            pattern += "" if script[at + 1] == "n" else re.escape(script[at + 1])
            at += 2
        else:
            pattern += re.escape(script[at])
            at += 1
    return pattern


def texts_of(script):
    """What a script can print: patterns of whole lines. What is only filled in is none"""
    for m in PRINTS.finditer(script):
        pattern = text_from(script, m.end(), m[2])
        if len(re.sub(r"\(\.\*\?\)|\W", "", pattern)) > 3 or "==" in pattern:
            yield re.compile((r"\w+ +" if m[1] else "") + pattern)


def is_printed(line, source, texts):
    """Is that a line of the source, or a text of it, and what is filled in a figure or in it?"""
    if f"\n{line}\n" in re.sub(r"\n[ \t]+", "\n", source):
        return True
    return any(all(re.search(r"\d", part) or part in source for part in m.groups())
               for m in (text.fullmatch(line) for text in texts) if m)


def check_output(name, lines):
    """What a page shows as printed is what the scripts print"""
    bad = []
    for n, line in enumerate(lines):
        mark = OUTPUT.match(line)
        if not mark:
            continue
        source = "\n".join(open(f"{TOP}/{f}").read() for f in mark[1].split())
        texts = list(texts_of(source))
        for at in range(n + 2, lines.index("```", n + 2)):
            line = lines[at].strip()
            if line.strip(".") and not is_printed(line, source, texts):
                bad.append(f"{name}:{at + 1}: nothing prints '{line}'")
    return bad


def check_symptoms(name, lines, listing):
    """Each heading of the lowest level is a symptom; each row of errnos has its mark as well"""
    bad = []
    for n, line in enumerate(lines):
        mark = MARK.match(line)
        if mark and "tried" in mark[1]:
            complaint = complaint_of_tried(mark)
            if complaint:
                bad.append(f"{name}:{n + 1}: {complaint}")
            if listing:
                print(f"{name}:{n + 1}: {mark[1]} {mark[2]}")
        if not re.match(r"^-{3,}$", line):
            continue
        for below in lines[n + 1:]:
            if re.match(r"^(-{3,}|={3,})$", below):
                bad.append(f"{name}:{n}: nobody has tried '{lines[n - 1]}'")
                break
            if MARK.match(below):
                break
        else:
            bad.append(f"{name}:{n}: nobody has tried '{lines[n - 1]}'")
    return bad


def main():
    listing = "--list" in sys.argv
    names = ["README.md", "CONTRIBUTING.rst"] + sorted(
        f"Documentation/{f}" for f in os.listdir(f"{TOP}/Documentation") if f.endswith(".rst"))
    bad = []
    for name in names:
        lines = open(f"{TOP}/{name}").read().split("\n")
        bad += check_blocks(name, lines, listing)
        bad += check_code(name, lines) + check_output(name, lines)
        if name.endswith("/troubleshooting.rst"):
            bad += check_symptoms(name, lines, listing)
    print(*bad, sep="\n", end="\n" if bad else "")
    return bool(bad)


sys.exit(main())
