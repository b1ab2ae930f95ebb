#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
"""What a host does all day, as commands: graphctl beside containers-storage, cycle for cycle.

A cycle makes a layer on the Debian base, mounts it, writes five files in it, unmounts it, lists and streams what
changed, lists all layers, and removes it. The contenders take turns, who begins changes, and everything is on
disk before the next one begins. Prints medians in milliseconds, and ratios of the medians.

  sudo benchmarks/daily-life.py --rounds 41 --drivers overlay btrfs vfs [DIRECTORY]

--graphctl FILE is measured in place of the command built here; given twice, the second takes the place of
containers-storage, so that two builds are compared.
"""
import os, pathlib, statistics

import bed as beds
from commands import MAKE, ContainersStorage, Graphctl, timed

STEPS = ("create", "mount", "unmount", "changes", "diff", "ls", "rm")


def cycle(contender, times):
    for step in STEPS:
        took = timed(contender.words(step), contender.output)
        times[step].append(took)
        lines = pathlib.Path(contender.output).read_text(errors="replace").split("\n")
        if step == "create":
            contender.layer = lines[0]
        if step == "mount":
            for number in range(5):
                (pathlib.Path(lines[0]) / f"etc/changed-{number}").write_text("changed\n" * 100)


def measure(driver, options):
    with beds.bed(options.directory, "12G", *MAKE[driver]) as work:
        tar = work / "layer.tar"
        beds.first_layer(tar)
        programs = options.graphctl or [beds.graphctl]
        contenders = [Graphctl(f"graphctl {n}", program, work, driver) for n, program in enumerate(programs)]
        if len(contenders) == 1 and beds.has_peer():
            contenders.append(ContainersStorage(work, driver))
        for contender in contenders:
            contender.apply(tar)
        times = [{step: [] for step in STEPS} for _ in contenders]
        for number in range(options.rounds + 1):
            if number == 1:  # the first is for the caches
                times = [{step: [] for step in STEPS} for _ in contenders]
            turn = list(zip(contenders, times))
            for contender, its in turn if number % 2 else turn[::-1]:
                os.sync()
                cycle(contender, its)
        print(f"{driver}, medians of {options.rounds} in ms")
        print(f"| step | {' | '.join(c.name for c in contenders)} | ratio |")
        print("|---" * (len(contenders) + 2) + "|")
        for step in STEPS:
            medians = [statistics.median(its[step]) for its in times]
            shown = " | ".join(f"{m:.2f}" for m in medians)
            print(f"| {step} | {shown} | {medians[0] / medians[-1]:.2f} |", flush=True)


def main():
    parser = beds.parser(__doc__, rounds=41)
    parser.add_argument("--drivers", nargs="+", default=["overlay", "btrfs", "vfs"], choices=MAKE)
    parser.add_argument("--graphctl", action="append", type=pathlib.Path)
    options = parser.parse_args()
    beds.start(build=not options.graphctl)
    for driver in options.drivers:
        measure(driver, options)


main()
