#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Print names that comments use and no code has: what was renamed or has gone.

	names.py FILE...

A name is name() or &struct name, &enum name, also without the &. A line for each: the name,
a tab, where it stands. The names of others, the kernel's say, are the caller's to take out.
"""
import pathlib
import re
import sys

COMMENT = re.compile(r'/\*.*?\*/', re.S)
NAME = re.compile(r'\b([a-z_]\w+)\(\)|\b(?:struct|enum) ([a-z_]\w+)')


def main(files):
    texts = {f: pathlib.Path(f).read_text(encoding='utf-8') for f in files}
    known = {w for t in texts.values() for w in re.findall(r'\w+', COMMENT.sub('', t))}

    for file, text in texts.items():
        for comment in COMMENT.finditer(text):
            for m in NAME.finditer(comment.group()):
                name = m.group(1) or m.group(2)
                if name not in known:
                    line = text.count('\n', 0, comment.start() + m.start()) + 1
                    print(f'{name}\t{file}:{line}')


main(sys.argv[1:])
