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
import os, pathlib, shutil, statistics, sys, time

import bed as beds

MAKE = {"overlay": ("mkfs.xfs", "-q"), "vfs": ("mkfs.xfs", "-q"), "btrfs": ("mkfs.btrfs", "-q")}
STEPS = ("create", "mount", "unmount", "changes", "diff", "ls", "rm")


def timed(words, output):
    """Runs a command with its output to a file, and returns its milliseconds."""
    actions = [
        (os.POSIX_SPAWN_OPEN, 1, output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
    ]
    start = time.perf_counter_ns()
    pid = os.posix_spawnp(words[0], words, os.environ, file_actions=actions)
    _, status = os.waitpid(pid, 0)
    took = (time.perf_counter_ns() - start) / 1e6
    if status:
        raise SystemExit(f"{' '.join(words)}: status {status}")
    return took


class Graphctl:
    def __init__(self, name, program, work, driver):
        self.name = name
        self.output = str(work / "bed/output")
        root = str(work / "bed" / name.replace(" ", "-"))
        self.settings = [str(program), "--root", root, "--run-root", root + "-run", "--driver", driver]
        self.layer = ""

    def apply(self, tar):
        beds.run(*self.settings, "apply", "--id", "base", tar, stdout=-3)

    def words(self, step):
        return self.settings + {
            "create": ["create", "--parent", "base"], "mount": ["mount", self.layer],
            "unmount": ["unmount", self.layer], "changes": ["changes", self.layer],
            "diff": ["diff", "--output", "/dev/null", self.layer], "ls": ["ls"], "rm": ["rm", self.layer]}[step]


class ContainersStorage(Graphctl):
    def __init__(self, work, driver):
        super().__init__("containers-storage", "containers-storage", work, driver)
        root = str(work / "bed/containers-storage")
        self.settings = [
            "containers-storage", "--graph", root, "--run", root + "-run", "--storage-driver", driver]

    def apply(self, tar):
        self.base = beds.output(*self.settings, "create-layer").split("\n")[0]
        beds.run(*self.settings, "applydiff", "--file", tar, self.base, stdout=-3)

    def words(self, step):
        return self.settings + {
            "create": ["create-layer", self.base], "mount": ["mount", self.layer],
            "unmount": ["unmount", self.layer], "changes": ["changes", self.layer],
            "diff": ["diff", "--file", "/dev/null", self.layer], "ls": ["layers"],
            "rm": ["delete-layer", self.layer]}[step]


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
