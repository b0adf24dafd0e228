#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Print which C files use each other in a circle, and by which names.

	circles.py FILE.c...
	circles.py --arrows FILE.c...	all that they use of each other

A file uses another if it has a name that only the other defines: a function, or a variable, that is
not static. Goes by the kernel's style: what is defined begins in the first column. A name after .
or -> is a member's. Headers do not count.
"""
import collections
import pathlib
import re
import sys

# Comments, strings, members
NOISE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|(?:\.|->)\s*\w+', re.S)
EXTERNAL = r'^(?!static\b|extern\b|typedef\b|return\b|else\b)[A-Za-z_][\w \t*]*[ \t*]'
FUNCTION = re.compile(EXTERNAL + r'(\w+)\([^;{]*\)\n\{', re.M)
VARIABLE = re.compile(EXTERNAL + r'(\w+)(?:\[[^\]\n]*\])*(?: =|;)', re.M)


def arrows(files):
    """What each file uses of which other."""
    texts = {f: NOISE.sub('', pathlib.Path(f).read_text(encoding='utf-8')) for f in files}
    definers = collections.defaultdict(set)
    for file, text in texts.items():
        for name in FUNCTION.findall(text) + VARIABLE.findall(text):
            definers[name].add(file)
    used = {file: collections.defaultdict(list) for file in texts}
    for file, text in texts.items():
        for name in sorted(set(re.findall(r'\w+', text)) & definers.keys()):
            if len(definers[name]) == 1 and file not in definers[name]:
                used[file][min(definers[name])].append(name)
    return used


def reached(used, file):
    """All that a file uses, and what that uses; itself only in a circle."""
    seen, todo = set(), [file]
    while todo:
        new = set(used.get(todo.pop(), ())) - seen
        seen |= new
        todo += new
    return seen


def main(args):
    show_all = args[:1] == ['--arrows']
    used = arrows(args[show_all:])
    reach = {file: reached(used, file) for file in used}
    for file, others in used.items():
        for other, names in sorted(others.items()):
            if show_all or file in reach[other]:
                print(f'{file} uses {other}: {" ".join(names)}')


if __name__ == '__main__':
    main(sys.argv[1:])
