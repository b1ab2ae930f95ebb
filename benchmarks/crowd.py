#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
"""Many processes at once on one store, as commands: graphctl beside containers-storage, round by round.

Each process makes a layer on the Debian base, mounts, unmounts and removes it, over and over. The contenders take
turns, who begins changes, and everything is on disk before the next one begins. Prints cycles a second of all
processes together (the median of the rounds), and of each step and of create and mount together, which is what one
container waits for, the median and 99 % in milliseconds.

  sudo benchmarks/crowd.py --rounds 5 --processes 16 --cycles 20 --drivers overlay [DIRECTORY]

--graphctl FILE is measured in place of the command built here; given twice, the second takes the place of
containers-storage, so that two builds are compared.
"""
import copy, json, os, pathlib, statistics, time

import bed as beds
from commands import MAKE, ContainersStorage, Graphctl, timed

STEPS = ("create", "mount", "unmount", "rm")


def cycles(contender, count):
    """Runs cycles, and returns the milliseconds of each step of each."""
    times = {step: [] for step in STEPS}
    for _ in range(count):
        for step in STEPS:
            times[step].append(timed(contender.words(step), contender.output))
            if step == "create":
                contender.layer = pathlib.Path(contender.output).read_text().split("\n")[0]
    return times


def crowd(contender, processes, count):
    """Runs processes at once; returns what each step took in all of them, and the seconds until the last ended."""
    wait, go = os.pipe()
    children = []
    for number in range(processes):
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.close(go)
                own = copy.copy(contender)
                own.output = f"{contender.output}-{number}"
                os.read(wait, 1)
                with os.fdopen(write, "w") as result:
                    json.dump(cycles(own, count), result)
                status = 0
            finally:
                os._exit(status)
        os.close(write)
        children.append((pid, read))
    os.close(wait)
    start = time.perf_counter()
    os.close(go)  # all begin
    all_times = {step: [] for step in STEPS}
    for pid, read in children:
        with os.fdopen(read) as result:
            text = result.read()
        if os.waitpid(pid, 0)[1]:
            raise SystemExit(f"{contender.name}: a process failed")
        for step, its in json.loads(text).items():
            all_times[step] += its
    return all_times, time.perf_counter() - start


def high(values, percent):
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


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
        rates = [[] for _ in contenders]
        for number in range(options.rounds):
            turn = list(zip(contenders, times, rates))
            for contender, its, rate in turn if number % 2 else turn[::-1]:
                os.sync()
                found, seconds = crowd(contender, options.processes, options.cycles)
                rate.append(options.processes * options.cycles / seconds)
                for step in STEPS:
                    its[step] += found[step]
        for its in times:
            its["create and mount"] = [a + b for a, b in zip(its["create"], its["mount"])]
        print(f"{driver}, {options.processes} processes, {options.rounds} rounds of {options.cycles} cycles each")
        print(f"| | {' | '.join(c.name for c in contenders)} | ratio |")
        print("|---" * (len(contenders) + 2) + "|")

        def line(name, values):
            print(f"| {name} | {' | '.join(f'{v:.2f}' for v in values)} | {values[0] / values[-1]:.2f} |", flush=True)

        line("cycles a second", [statistics.median(rate) for rate in rates])
        for step in ("create and mount",) + STEPS:
            line(f"{step}, median, ms", [statistics.median(its[step]) for its in times])
            line(f"{step}, 99 %, ms", [high(its[step], 99) for its in times])


def main():
    parser = beds.parser(__doc__, rounds=5)
    parser.add_argument("--drivers", nargs="+", default=["overlay"], choices=MAKE)
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--graphctl", action="append", type=pathlib.Path)
    options = parser.parse_args()
    beds.start(build=not options.graphctl)
    for driver in options.drivers:
        measure(driver, options)


main()
