#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
"""The life of a container's layer in a process that has the store open: LayerLife beside the peers and the floor.

Create, mount, unmount, ask for, remove, on a chain of committed layers of each depth. The contenders take turns, each
turn is a process of its own with a new store, who begins changes, and everything is on disk before the next one
begins. Peers are containerd's snapshotters and containers-storage, linked into a Go program of Debian's packages
(peers/build.sh names those that are missing); the floor is a C program that makes the calls that no driver can do
without, with a record that is synced to create a layer and to remove it. `volatile` is LayerLife with volatile layers.
Prints medians in microseconds (of the medians of the turns), and our time divided by each one's.

  sudo benchmarks/in-process.py --rounds 9 --lives 20 --drivers overlay btrfs --depths 1 50 125 [DIRECTORY]
"""
import itertools, pathlib, statistics, subprocess, sys

import bed as beds

MAKE = {"overlay": ("mkfs.ext4", "-q"), "btrfs": ("mkfs.btrfs", "-q")}
STEPS = ("create", "mount", "unmount", "get", "remove")


def build_life():
    """Builds LayerLife, and returns its path."""
    package = ("--package-path", beds.here.parent, "-c", "release")
    beds.run("swift", "build", *package, "--product", "LayerLife", stdout=subprocess.DEVNULL)
    return pathlib.Path(beds.output("swift", "build", *package, "--show-bin-path")) / "LayerLife"


def turn(words, place):
    """Runs one contender in a new directory, and returns the median of each step."""
    place.mkdir()
    beds.run("sync")
    lines = beds.output(*words).splitlines()
    beds.unmount(place)
    return {line.split()[0]: float(line.split()[1]) for line in lines if line.split()[0] in STEPS}


def measure(driver, depth, programs, options):
    with beds.bed(options.directory, "12G", *MAKE[driver]) as work:
        turns = itertools.count()
        # Where a run root is: what is recorded there ends with the machine.
        (work / "run").mkdir()
        beds.run("mount", "-t", "tmpfs", "tmpfs", work / "run")

        def words(name, place):
            settings = (place / "root", work / "run" / place.name, driver, options.lives, depth)
            return {
                "graph-storage": (programs["life"], *settings),
                "volatile": (programs["life"], *settings, "volatile"),
                "containerd": (programs.get("peers"), "containerd", *settings),
                "containers-storage": (programs.get("peers"), "containers-storage", *settings),
                "floor": (programs["floor"], place / "root", options.lives, depth)}[name]

        names = ["graph-storage"]
        if "peers" in programs:
            names += ["containerd", "containers-storage"]
        if driver == "overlay":
            names += ["floor", "volatile"]
        times = {name: {step: [] for step in STEPS} for name in names}
        for number in range(options.rounds):
            for name in names if number % 2 else names[::-1]:
                place = work / f"bed/turn-{next(turns)}"
                for step, took in turn(words(name, place), place).items():
                    times[name][step].append(took)
        medians = {name: {step: statistics.median(its[step]) for step in STEPS} for name, its in times.items()}
        print(f"{driver}, depth {depth}, medians of {options.rounds} turns of {options.lives} lives in us")
        print(f"| step | {' | '.join(names)} | {' | '.join('ours / ' + name for name in names[1:])} |")
        print("|---" * (2 * len(names)) + "|")
        for step in STEPS:
            all_of = [medians[name][step] for name in names]
            shown = [f"{one:.0f}" if one >= 100 else f"{one:.1f}" for one in all_of]
            print(f"| {step} | {' | '.join(shown + [f'{all_of[0] / one:.2f}' for one in all_of[1:]])} |", flush=True)


def main():
    parser = beds.parser(__doc__, rounds=9)
    parser.add_argument("--lives", type=int, default=20)
    parser.add_argument("--drivers", nargs="+", default=["overlay", "btrfs"], choices=MAKE)
    parser.add_argument("--depths", nargs="+", type=int, default=[1, 50, 125])
    options = parser.parse_args()
    beds.start(build=False)
    with beds.tempfile.TemporaryDirectory(prefix="graph-bench.", dir=options.directory) as directory:
        directory = pathlib.Path(directory)
        programs = {"life": build_life(), "floor": directory / "life"}
        beds.run("gcc", "-O2", "-o", programs["floor"], beds.here / "floor/life.c", "-lsqlite3")
        if subprocess.run([beds.here / "peers/build.sh", directory / "peers"]).returncode == 0:
            programs["peers"] = directory / "peers"
        else:
            print("the peers are not measured", file=sys.stderr)
        for driver in options.drivers:
            for depth in options.depths:
                measure(driver, depth, programs, options)


main()
