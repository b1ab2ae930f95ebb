#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
"""btrfs-changes.py [--files N] [--changes N] [--rounds N] [FOLDER]: what it costs to list a layer's changes.

A parent of 100,000 files in 1,000 directories, and a layer above it in which 200 of them were written, on a
fresh btrfs filesystem in a file below FOLDER (default /var/tmp), on a loop device with direct I/O. Each round
runs every contender once, in turn, so that a ratio holds on a noisy machine: graphctl searching the metadata that
was written since, for a committed and for a writable layer (which takes a snapshot for the moment); graphctl asking
the kernel what it would send; graphctl comparing whole trees; `containers-storage` with its btrfs driver, where it
is installed. Needs root and btrfs-progs. Times are milliseconds: of whole processes, of the work in graphctl as it
tells with --timings (finding out where to look, and looking there; `both` is the median of their sum), and `inside`
the same in a process that has the store open and does it again and again (layer-changes).
"""
import os, re, statistics, subprocess, sys, time

from bed import bed, changes_inside, graphctl, has_peer, layer_changes, output, parser, run, start


class Bench:
    def __init__(self, work, arguments):
        self.work, self.bed, self.arguments = work, work / "bed", arguments
        self.samples = {}

    def graph(self, *words):
        return (graphctl, "--root", self.bed / "root", "--run-root", self.work / "run",
                "--driver", "btrfs", "--durability", "unsynced") + words

    def peer(self, *words):
        return ("containers-storage", "--graph", self.bed / "peer", "--run", self.bed / "peer-run",
                "--storage-driver", "btrfs") + words

    def fill(self, root):
        per_folder = self.arguments.files // 1_000
        for folder in range(1_000):
            path = os.path.join(root, f"usr/lib/package-{folder}")
            os.makedirs(path)
            for file in range(per_folder):
                with open(f"{path}/file-{file}", "w") as opened:
                    opened.write("x" * 100)

    def change(self, root):
        for index in range(self.arguments.changes):
            with open(f"{root}/usr/lib/package-{index * 5 % 1_000}/file-{index // 200}", "a") as opened:
                opened.write("changed")

    def prepare_graph(self):
        (self.bed / "root").mkdir()
        for layer, parent, body in (("base", (), self.fill), ("layer", ("--parent", "base"), self.change),
                                    ("active", ("--parent", "base"), self.change)):
            run(*self.graph("create", "--id", layer, *parent), stdout=subprocess.DEVNULL)
            body(output(*self.graph("mount", layer)))
            run(*self.graph("unmount", layer), stdout=subprocess.DEVNULL)
            if layer != "active":
                run(*self.graph("commit", layer), stdout=subprocess.DEVNULL)

    def prepare_peer(self):
        base = output(*self.peer("create-layer")).split()[0]
        self.fill(output(*self.peer("mount", base)).split()[-1])
        run(*self.peer("unmount", base), stdout=subprocess.DEVNULL)
        self.layer = output(*self.peer("create-layer", base)).split()[0]
        self.change(output(*self.peer("mount", self.layer)).split()[-1])
        run(*self.peer("unmount", self.layer), stdout=subprocess.DEVNULL)

    def add(self, name, column, milliseconds):
        self.samples.setdefault(name, {}).setdefault(column, []).append(milliseconds)

    def measure(self, name, command, expected, way=None):
        start = time.monotonic()
        result = run(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.add(name, "process", (time.monotonic() - start) * 1e3)
        lines = len(result.stdout.splitlines())
        if lines != expected:
            sys.exit(f"{name}: {lines} lines, not {expected}")
        told = re.search(r"find (\d+) us, compare (\d+) us, (.*)", result.stderr)
        if told:
            self.add(name, "find", int(told[1]) / 1e3)
            self.add(name, "compare", int(told[2]) / 1e3)
            self.add(name, "both", (int(told[1]) + int(told[2])) / 1e3)
            if way not in told[3]:
                sys.exit(f"{name}: {told[3]}")

    def changes(self, layer, way):
        return self.graph("--storage-opt", f"btrfs.changes={way}", "changes", "--timings", layer)

    def round(self, program, has_peer):
        # The changed files, and the directories on the way to them.
        lines = self.arguments.changes + min(self.arguments.changes, 200) + 2
        inside = changes_inside(program, self.bed / "root", self.work / "run", 9, ("layer", "active"))
        for name, layer in (("committed layer, by search", "layer"), ("writable layer, by search", "active")):
            self.add(name, "inside", inside[layer][1])
            self.measure(name, self.changes(layer, "auto"), lines, "by search")
        self.measure("committed layer, by send", self.changes("layer", "send"), lines, "by send")
        self.measure("committed layer, whole trees", self.changes("layer", "compare"), lines, "whole trees")
        if has_peer:
            self.measure("containers-storage changes", self.peer("changes", self.layer), lines)

    def report(self):
        print(f"\n{'':30} {'process':>9} {'min':>9} {'max':>9} {'find':>9} {'compare':>9} {'both':>9} {'inside':>9}")
        medians = {}
        for name, columns in self.samples.items():
            process = columns["process"]
            medians[name] = statistics.median(process)
            work = [f"{statistics.median(columns[key]):9.2f}" if key in columns else " " * 9
                    for key in ("find", "compare", "both", "inside")]
            print(f"{name:30} {medians[name]:9.2f} {min(process):9.2f} {max(process):9.2f} {' '.join(work)}")
        first = next(iter(medians))
        print()
        for name in list(medians)[1:]:
            print(f"{name} / {first}: {medians[name] / medians[first]:.1f}")


def main():
    options = parser(__doc__, 7)
    options.add_argument("--files", type=int, default=100_000)
    options.add_argument("--changes", type=int, default=200)
    arguments = options.parse_args()
    start()
    # Reading a parent that is not read-only would change times in it.
    with bed(arguments.directory, "8G", "mkfs.btrfs", "-q", options="noatime") as work:
        bench, peer, program = Bench(work, arguments), has_peer(), layer_changes()
        print(f"input: {arguments.files} files, {arguments.changes} changed; {arguments.rounds} rounds, each contender once a round")
        bench.prepare_graph()
        if peer:
            bench.prepare_peer()
        run("sync", "-f", bench.bed)
        for _ in range(arguments.rounds):
            bench.round(program, peer)
        bench.report()


main()
