#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Read Prometheus' text format from stdin: fails if it is not right in every line."""

import re
import sys

LABELS = r'\{[a-z_]+="[^"\\]*"(?:,[a-z_]+="[^"\\]*")*\}'
SAMPLE = re.compile(r'([a-z_]+)((?:' + LABELS + r')?) (\d+)$')


def main():
    """Each sample stands behind its HELP and TYPE, and stands there once."""
    kind = {}
    current = None
    seen = set()
    for line in sys.stdin.read().split("\n")[:-1]:
        if line.startswith("# HELP "):
            current = line.split(" ")[2]
            assert current not in kind, line
            assert len(line.split(" ", 3)[3]) > 5, line
        elif line.startswith("# TYPE "):
            _, _, name, what = line.split(" ")
            assert name == current and what in ("counter", "gauge"), line
            assert (what == "counter") == name.endswith("_total"), line
            kind[name] = what
        else:
            sample = SAMPLE.match(line)
            assert sample and sample.group(1) == current and current in kind, line
            assert sample.group(1, 2) not in seen, line
            seen.add(sample.group(1, 2))
    assert len(kind) > 20 and len(seen) > 20, (len(kind), len(seen))


main()
