#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
"""btrfs-changes.py [--files N] [--changes N] [--rounds N] [FOLDER]: what it costs to list a layer's changes.

A parent of 100,000 files in 1,000 directories, and a layer above it in which 200 of them were written, on a
fresh btrfs filesystem in a file below FOLDER (default /var/tmp), on a loop device with direct I/O. Each round
runs every contender once, in turn, so that a ratio holds on a noisy machine: graphctl asking the kernel, for a
committed and for a writable layer (which takes a snapshot for the moment); graphctl comparing whole trees, made
to by a parent whose subvolume is not read-only; `containers-storage` with its btrfs driver, where it is
installed. Needs root and btrfs-progs. Times are milliseconds: of whole processes, and of the work in graphctl
as it tells with --timings: finding out where to look, and looking there.
"""
import argparse, os, pathlib, re, shutil, statistics, subprocess, sys, tempfile, time

here = pathlib.Path(__file__).resolve().parent


def run(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, **options)


def output(*command):
    return run(*command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()


class Bench:
    def __init__(self, work, graphctl, arguments):
        self.work, self.graphctl, self.bed, self.arguments = work, graphctl, work / "bed", arguments
        self.samples = {}

    def graph(self, *words):
        return (self.graphctl, "--root", self.bed / "root", "--run-root", self.work / "run",
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

    def measure(self, name, command, expected):
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
            if ("by send" in told[3]) == ("whole trees" in name):
                sys.exit(f"{name}: {told[3]}")

    def round(self, has_peer):
        # The changed files, and the directories on the way to them.
        lines = self.arguments.changes + min(self.arguments.changes, 200) + 2
        self.measure("committed layer, by send", self.graph("changes", "--timings", "layer"), lines)
        self.measure("writable layer, by send", self.graph("changes", "--timings", "active"), lines)
        parent = self.bed / "root/btrfs/1/tree"
        run("btrfs", "property", "set", parent, "ro", "false")
        self.measure("committed layer, whole trees", self.graph("changes", "--timings", "layer"), lines)
        run("btrfs", "property", "set", parent, "ro", "true")
        if has_peer:
            self.measure("containers-storage changes", self.peer("changes", self.layer), lines)

    def report(self):
        print(f"\n{'':30} {'process':>9} {'min':>9} {'max':>9} {'find':>9} {'compare':>9}")
        medians = {}
        for name, columns in self.samples.items():
            process = columns["process"]
            medians[name] = statistics.median(process)
            work = [f"{statistics.median(columns[key]):9.2f}" if key in columns else " " * 9
                    for key in ("find", "compare")]
            print(f"{name:30} {medians[name]:9.2f} {min(process):9.2f} {max(process):9.2f} {' '.join(work)}")
        first = next(iter(medians))
        print()
        for name in list(medians)[1:]:
            print(f"{name} / {first}: {medians[name] / medians[first]:.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("folder", nargs="?", default="/var/tmp")
    arguments = parser.parse_args()
    if "GRAPH_BENCH_INSIDE" not in os.environ:
        # Mounts of its own, which end with it.
        os.environ["GRAPH_BENCH_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable] + sys.argv)
    run("make", "--no-print-directory", "-C", here.parent, "build", stdout=subprocess.DEVNULL)
    work = pathlib.Path(tempfile.mkdtemp(prefix="btrfs-changes.", dir=arguments.folder))
    loop = None
    try:
        run("truncate", "-s", "8G", work / "btrfs.img")
        run("mkfs.btrfs", "-q", work / "btrfs.img", stdout=subprocess.DEVNULL)
        loop = output("losetup", "--find", "--show", "--direct-io=on", work / "btrfs.img")
        (work / "bed").mkdir()
        # Reading a parent that is not read-only would change times in it.
        run("mount", "-o", "noatime", loop, work / "bed")
        bench = Bench(work, here.parent / ".build/static/release/graphctl", arguments)
        has_peer = shutil.which("containers-storage") is not None
        print(f"machine: {os.cpu_count()} processors, Linux {os.uname().release}, btrfs on a loop device with direct I/O")
        print(f"input: {arguments.files} files, {arguments.changes} changed; {arguments.rounds} rounds, each contender once a round")
        bench.prepare_graph()
        if has_peer:
            print(f"peer: {output('dpkg-query', '-W', 'containers-storage')}")
            bench.prepare_peer()
        run("sync", "-f", bench.bed)
        for _ in range(arguments.rounds):
            bench.round(has_peer)
        bench.report()
    finally:
        for _ in range(3):
            for line in open("/proc/self/mountinfo"):
                if str(work / "bed") in line.split()[4]:
                    subprocess.run(["umount", "-l", line.split()[4]], stderr=subprocess.DEVNULL)
        if loop:
            subprocess.run(["losetup", "--detach", loop])
        shutil.rmtree(work, ignore_errors=True)


main()
