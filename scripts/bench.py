#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the benchmark has measured, as tables.

	bench.py report LOGS DEST	one table for eyes on stdout; results.csv and goals.csv
					in DEST, per page where a case has pages
	bench.py parallel CSV LOCKS	two threads against one, as CSV on stdout
	bench.py kicks CSV LOCKS	two channels that are kicked, alone and among many
	bench.py without NAMES LOGS	what each part of the mapper buys, as CSV on stdout
	bench.py rings LOGS		what a packet costs, beside what it did, as CSV on stdout
	bench.py bars DEST		what the picture shows, for gnuplot, on stdout
	bench.py ratios LOGS		ours to the yardstick, case by case, on stdout
	bench.py check LOGS RATIOS RESULTS RINGS
					compare with those, and with the tables that were
					written; ends with 'N passed, N failed'

LOGS has the CSV files of tests/bench/bin/bench, in instructions.
"""
import csv
import os
import sys

# A ratio may be so much worse than the one that is committed; if another compiler has made the
# code, so much
TOLERANCE = 1.05
OTHER_COMPILER = 1.25

MEMORIES = ("shmem", "thp", "hugetlb")
LAYOUTS = ("contiguous", "reversed", "shuffled", "real")

# The goals: case, most of the ratio, most instructions
GOALS = [
    ("demand shmem contiguous 7936", 1.00, None),
    ("demand hugetlb contiguous 7936", 0.50, None),
    ("demand thp contiguous 7936", 0.50, None),
    ("demand hugetlb real 36608", 0.25, None),
    ("demand shmem real 36608", 0.85, None),
    ("demand hugetlb shuffled 7936", 0.15, None),
    ("demand shmem shuffled 7936", 0.90, None),
    ("resident hugetlb shuffled 7936", 0.05, 40),
    ("resident hugetlb real 36608", 0.10, None),
    ("resident hugetlb contiguous 7936", 0.10, None),
    *[(f"demand {memory} contiguous 8", 1.00, None) for memory in MEMORIES],
    ("demand thp contiguous 64", 1.00, None),
    *[(f"demand {memory} shuffled 8", 1.10, None) for memory in MEMORIES],
    *[(f"packet demand {memory} contiguous {pages}", most, None)
      for memory, most in (("shmem", 1.00), ("thp", 1.00), ("hugetlb", 0.50))
      for pages in (8, 64, 256)],
    *[(f"packet demand {memory} shuffled {pages}", most, None)
      for memory, most in (("shmem", 1.00), ("thp", 1.00), ("hugetlb", 0.50))
      for pages in (8, 64, 256)],
    *[(f"packet demand {memory} contiguous 1", 1.10, None) for memory in MEMORIES],
    *[(f"packet resident {memory} contiguous {pages}", 0.25, None)
      for memory in MEMORIES for pages in (1, 8, 64, 256)],
    *[(f"packet resident {memory} shuffled {pages}", 0.25, None)
      for memory in MEMORIES for pages in (8, 64, 256)],
    ("establish contiguous 7936", None, 120),
    ("establish reversed 7936", None, 120),
    ("establish shuffled 7936", None, 120),
    ("establish real 36608", None, 120),
    ("look-up among 100000 against 1, handles from 0xe1e10", 1.5, None),
    ("look-up among 100000 against 1, handles from 0x1", 1.5, None),
]


# Packets: what stood there first (one a call, by copy, interrupts off meanwhile), by bytes and batch
SIZES = [(64, 1), (64, 16), (1024, 1), (1024, 16)]
RING_WAYS = [
    ("receive, before", (328, 283, 688, 642)),
    ("recv", "vmbus_endpoint_recv(), a copy"),
    ("peek", "vmbus_endpoint_peek(), vmbus_endpoint_next(), in place"),
    ("peek and copy", "the same, and vmbus_endpoint_copy()"),
    ("send, before", (515, 425, 875, 784)),
    ("send", "vmbus_endpoint_send()"),
    ("sendv", "vmbus_endpoint_sendv(), VMBUS_SEND_MORE"),
    ("placev", "vmbus_endpoint_reserve(), vmbus_endpoint_placev(), a copy"),
    ("place", "vmbus_endpoint_reserve(), vmbus_endpoint_place(), in place"),
]


class Row:
    """A line of the table: costs are instructions, of a page or of what the case says."""

    def __init__(self, case, yardstick, ours, note=""):
        self.case = case
        self.yardstick = yardstick
        self.ours = ours
        self.note = note
        self.most_ratio = self.most = None
        for goal, ratio, most in GOALS:
            if goal == case:
                self.most_ratio, self.most = ratio, most

    @property
    def ratio(self):
        return self.ours / self.yardstick if self.yardstick else None

    @property
    def goal(self):
        goals = []
        if self.most_ratio is not None:
            goals.append(f"<= {self.most_ratio:.2f} x")
        if self.most is not None:
            goals.append(f"<= {self.most:g}")
        return " and ".join(goals)

    @property
    def met(self):
        if not self.goal:
            return ""
        good = (self.most_ratio is None or self.ratio <= self.most_ratio) and \
               (self.most is None or self.ours <= self.most)
        return "met" if good else "NOT MET"

    def cells(self):
        def number(value, form):
            return "" if value is None else format(value, form)
        return [self.case, number(self.yardstick, ".1f"), number(self.ours, ".1f"),
                number(self.ratio, ".3f"), self.goal, self.met, self.note]


HEAD = ["case", "yardstick", "ours", "ratio", "goal", "", "note"]


def read(*path):
    with open(os.path.join(*path), encoding="ascii") as f:
        return list(csv.DictReader(f))


def case_name(line):
    name = "{holding} {memory} {layout} {pages}".format(**line)
    if line["source"] == "packet":
        name = "packet " + name
    if line["access"] == "ro":
        name += " read-only"
    if line["thread"] != "own":
        name += f" {line['thread']} thread" if line["thread"] == "kernel" else \
                " foreign process"
    return name


def case_rows(lines):
    for line in lines:
        pages = int(line["pages"])
        yield Row(case_name(line),
                  (int(line["yard_map"]) + int(line["yard_unmap"])) / pages,
                  (int(line["map"]) + int(line["unmap"])) / pages,
                  "yardstick: sg {yard_sg}, unpin by {yard_unpin}".format(**line))


def establish_rows(lines):
    real = [line for line in lines if line["layout"] == "real"]
    for line in lines:
        if line not in real:
            pages = int(line["pages"])
            yield Row(f"establish {line['layout']} {pages}", None,
                      int(line["instructions"]) / pages)
    pages = sum(int(line["pages"]) for line in real)
    yield Row(f"establish real {pages}", None,
              sum(int(line["instructions"]) for line in real) / pages)


def lookup_rows(lines):
    """The yardstick is the look-up of the only one"""
    one = {line["first"]: float(line["look_up"]) for line in lines
           if line["gpadls"] == "1"}
    for line in lines:
        if line["gpadls"] != "1":
            yield Row(f"look-up among {line['gpadls']} against 1, handles from"
                      f" {line['first']}", one[line["first"]], float(line["look_up"]))


def idle_rows(lines):
    """Bytes of a GPADL that nobody maps, the nodes of xarrays apart"""
    for line in lines:
        pages, taken = int(line["pages"]), int(line["taken"])
        row = Row(f"idle memory {line['layout']} {pages}, bytes", None, taken,
                  f"asked for: {line['asked']}")
        if line["layout"] == "shuffled":
            row.most = 8 * pages + 512
        yield row


def region_rows(lines):
    """What a resident region costs more than one on demand, when it is set"""
    for line in lines:
        pages = int(line["pages"])
        yield Row(f"set a resident region, {line['memory']}", None,
                  int(line["instructions"]) / pages, "per page")
        yield Row(f"table of a resident region, {line['memory']}, bytes", None,
                  int(line["bytes"]), f"of {pages} pages, {pages // 512} blocks of 2 MiB")


def rows_of(logs):
    yield from case_rows(read(logs, "cases.csv"))
    yield from case_rows(read(logs, "packets.csv"))
    yield from establish_rows(read(logs, "establish.csv"))
    yield from lookup_rows(read(logs, "lookup.csv"))
    yield from idle_rows(read(logs, "idle.csv"))
    yield from region_rows(read(logs, "region.csv"))


def write(path, rows):
    with open(path, "w", encoding="ascii", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(HEAD)
        out.writerows(row.cells() for row in rows)


def write_packets(path, rows):
    """A line for each list of pages, on demand and resident side by side"""
    cases = {row.case.removeprefix("packet "): row for row in rows
             if row.case.startswith("packet ")}
    with open(path, "w", encoding="ascii", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(["memory, list, pages", "yardstick", "on demand", "ratio", "resident",
                      "ratio"])
        for case, row in cases.items():
            holding, _, pages = case.partition(" ")
            if holding == "demand":
                other = cases[f"resident {pages}"]
                out.writerow([pages.replace(" ", ", "), round(row.yardstick), round(row.ours),
                              f"{row.ratio:.2f}", round(other.ours), f"{other.ratio:.2f}"])


def show(rows):
    table = [HEAD] + [row.cells() for row in rows]
    widths = [max(len(line[i]) for line in table) for i in range(len(HEAD))]
    for line in table:
        print("  ".join(cell.rjust(width) if 0 < i < 4 else cell.ljust(width)
                        for i, (cell, width) in enumerate(zip(line, widths))).rstrip())


def report(logs, dest):
    rows = list(rows_of(logs))
    goals = [row for row in rows if row.goal]
    order = [goal[0] for goal in GOALS]
    goals.sort(key=lambda row: order.index(row.case) if row.case in order else len(order))
    missing = set(order) - {row.case for row in goals}
    if missing:
        sys.exit(f"not measured: {', '.join(sorted(missing))}")
    write(os.path.join(dest, "results.csv"), rows)
    write(os.path.join(dest, "goals.csv"), goals)
    write_packets(os.path.join(dest, "packets.csv"), rows)
    show(goals + [row for row in rows if not row.goal])


def parallel(times, locks):
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["who", "memory", "two threads against one", "waited for a lock"])
    for line, lock in zip(read(times), read(locks)):
        who = line["who"] + ("" if line["who"] == "yardstick" else f" {line['holding']}")
        waited = "not counted"
        if int(lock["contended"]) >= 0:
            waited = f"{lock['contended']} times in {lock['maps']} maps"
        if lock["locks"]:
            waited += f": {lock['locks'].strip()}"
        out.writerow([who, line["memory"],
                      f"{int(line['two_ns']) / int(line['one_ns']):.1f}", waited])


def kicks(times, locks):
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["idle channels", "a kick against that of none idle", "waited for a lock"])
    alone = None
    for line, lock in zip(read(times), read(locks)):
        alone = alone or int(line["kick_ns"])
        out.writerow([line["idle"], f"{int(line['kick_ns']) / alone:.2f}",
                      f"{lock['contended']} times in {lock['kicks']} kicks:{lock['locks']}"])


# Rings and large buffers of real guests; then the lists that scattered pages make
WAYS = ["demand shmem contiguous 8", "demand thp contiguous 64", "demand shmem real 36608",
        "demand thp real 36608", "demand hugetlb real 36608", "resident shmem real 36608",
        "resident hugetlb real 36608", "demand shmem shuffled 64",
        "demand hugetlb shuffled 7936", "resident hugetlb shuffled 7936",
        "packet demand thp contiguous 256", "packet demand hugetlb shuffled 64"]


def without(names, logs):
    """Instructions per page as it is; without each part, how much more in percent."""
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["mapper"] + WAYS)
    base = None
    with open(names, encoding="utf-8") as f:
        for n, name in enumerate(f.read().splitlines()):
            cost = {row.case: row.ours for row in case_rows(read(logs, f"{n}.csv"))}
            if base is None:
                base = cost
                out.writerow([name] + [f"{cost[case]:.1f}" for case in WAYS])
            else:
                out.writerow([name] + [f"{100 * (cost[case] / base[case] - 1):+.0f} %"
                                       for case in WAYS])


def ring_rows(logs):
    """The table of packets: way, then instructions by SIZES"""
    cost = {(line["way"], int(line["bytes"]), int(line["batch"])): float(line["instructions"])
            for line in read(logs, "ring.csv")}
    for way, what in RING_WAYS:
        if isinstance(what, str):
            yield [what] + [f"{cost[way, *size]:.0f}" for size in SIZES]
        else:
            yield [way] + [str(n) for n in what]


def rings(logs):
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["way"] + [f"{size}, {'alone' if nr == 1 else nr}" for size, nr in SIZES])
    out.writerows(ring_rows(logs))


def rings_told(logs, table, tolerance):
    """Cells of the table of packets that was written: whether each is still what it tells."""
    with open(table, encoding="utf-8") as f:
        written = list(csv.reader(f))
    for row, line in zip(ring_rows(logs), written[1:], strict=True):
        for size, now, was in zip(SIZES, row[1:], line[1:]):
            apart = int(now) / int(was)
            yield (row[0] == line[0] and 1 / tolerance <= apart <= tolerance,
                   f"{row[0]}, {size[0]} bytes, {size[1]} in a batch: {now}; {table} tells {was}")


def bars(dest):
    results = {row["case"]: row for row in read(dest, "results.csv")}
    for memory in MEMORIES:
        for layout in LAYOUTS:
            case = f"{memory} {layout} {36608 if layout == 'real' else 7936}"
            demand, resident = results[f"demand {case}"], results[f"resident {case}"]
            print(f'"{layout}, {memory}"', demand["yardstick"], demand["ours"],
                  resident["ours"])


def smallest(logs):
    yield from case_rows(read(logs, "quick.csv"))
    yield from case_rows(read(logs, "packets.csv"))


def ratios(logs):
    for row in smallest(logs):
        print(f"{row.ratio:.3f} {row.case}")


def worse(found, ratios_file, tolerance):
    """Cases of a list of ratios: whether each is not worse now, and what to say if it is."""
    with open(ratios_file, encoding="ascii") as f:
        wanted = [line.split(maxsplit=1) for line in f if not line.startswith("#")]
    for ratio, case in wanted:
        row = found.get(case.strip())
        what = f"{row.ratio:.3f} x the yardstick" if row else "not measured"
        yield (row is not None and row.ratio <= float(ratio) * tolerance,
               f"{case.strip()}: {what}; it was {ratio}")


def told(found, results, tolerance):
    """Cases of the table that was written: whether each is still what the table tells."""
    for line in read(results):
        row = found.get(line["case"])
        if row:
            apart = row.ratio / float(line["ratio"])
            yield (1 / tolerance <= apart <= tolerance,
                   f"{row.case}: {row.ratio:.3f}; {results} tells {line['ratio']}")


def tolerance_of(ratios_file, compiler):
    """What is committed names the compiler that made it."""
    with open(ratios_file, encoding="ascii") as f:
        if f"# {compiler}\n" in f:
            return TOLERANCE
    print(f"  {compiler} compiles here, the figures are another's: they may differ by 25 %",
          file=sys.stderr)
    return OTHER_COMPILER


def check(logs, ratios_file, results, table, compiler):
    tolerance = tolerance_of(ratios_file, compiler)
    found = {row.case: row for row in smallest(logs)}
    passed = failed = 0
    for good, what in [*worse(found, ratios_file, tolerance), *told(found, results, tolerance),
                       *rings_told(logs, table, tolerance)]:
        passed += good
        failed += not good
        if not good:
            print(f"  {what}", file=sys.stderr)
    if failed:
        print("  next: scripts/bench.sh profile CASE shows where the instructions go; if it"
              " is to be so,\n  make bench writes the new figures", file=sys.stderr)
    print(f"{passed} passed, {failed} failed")
    return failed == 0 and passed > 0


def main():
    commands = {"report": report, "parallel": parallel, "kicks": kicks, "bars": bars,
                "without": without, "ratios": ratios, "rings": rings, "check": check}
    if len(sys.argv) < 3 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    sys.exit(commands[sys.argv[1]](*sys.argv[2:]) is False)


main()
