#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Print in what Documentation/rooms.dot is not true of the sources.

	rooms.py FILE.c...

Each file is in one room, whose label names it or has a glob for it; the label of a cluster begins
with its folder. What one file uses of another (circles.py) there is a way for along the arrows, of
which none goes back up. An arrow from or to a cluster is one from or to all its rooms.
"""
import collections
import fnmatch
import re
import sys

import circles

DOT = 'Documentation/rooms.dot'
CLUSTER = re.compile(r'subgraph cluster_(\w+) \{\s*label="(\S+).*?\n\t\}', re.S)
ROOM = re.compile(r'(\w+) \[label="([^"]*\.c[^"]*)"\]')
ARROWS = re.compile(r'^\t(\w+(?: -> \w+)+)(.*)$', re.M)


def rooms(dot):
    """The rooms of each cluster, and the patterns of the files in each room."""
    clusters, patterns = {}, {}
    for cluster in CLUSTER.finditer(dot):
        found = ROOM.findall(cluster[0])
        clusters[cluster[1]] = [room for room, _ in found]
        for room, label in found:
            names = re.findall(r'[\w*]+\.c\b(?: \(in the root\))?', label.replace(r'\n', ' '))
            patterns[room] = [name.split()[0] if ' ' in name else cluster[2] + name
                              for name in names]
    return clusters, patterns


def drawn(dot, clusters):
    """Where the arrows of each room lead to."""
    found = collections.defaultdict(set)
    for chain, options in ARROWS.findall(dot):
        ends = dict(re.findall(r'(ltail|lhead)=cluster_(\w+)', options))
        chain = chain.split(' -> ')
        for tail, head in zip(chain, chain[1:]):
            for room in clusters.get(ends.get('ltail'), [tail]):
                found[room].update(clusters.get(ends.get('lhead'), [head]))
    return found


def main(files):
    with open(DOT, encoding='utf-8') as file:
        dot = file.read()
    clusters, patterns = rooms(dot)
    ways = drawn(dot, clusters)
    below = {room: circles.reached(ways, room) for room in patterns}
    inside = {f: [r for r, globs in patterns.items() if any(fnmatch.fnmatch(f, g) for g in globs)]
              for f in files}

    for file, found in inside.items():
        if len(found) != 1:
            print(f'{DOT}: {file} is in {len(found)} rooms')
    for room in patterns:
        if room in below[room]:
            print(f'{DOT}: there is a way from {room} back to itself')
    for file, others in circles.arrows(files).items():
        for other, names in others.items():
            for room, there in zip(inside[file], inside[other]):
                if room != there and there not in below[room]:
                    print(f'{DOT}: no arrow {room} -> {there}: {file} uses {other}:', *names)


main(sys.argv[1:])
