#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
"""tree-compare.py [--rounds N] [FOLDER]: what comparing two whole trees costs, as drivers without anything better do.

The trees are the first layer of the Debian image that the tests use and a copy of it: a vfs layer in which nothing
was touched, and one in which 200 files were rewritten with contents of the same length. Everything happens on a fresh
ext4 filesystem in a file below FOLDER (default /var/tmp), on a loop device with direct I/O. `inside` is the time of a
process that has the store open (layer-changes), `process` that of the whole command, for containers-storage's vfs too
where it is installed. `floor` is a C program that lists both trees in one thread and asks about each name. Each round
runs every contender once, in turn. Needs root.
"""
import pathlib, statistics, subprocess, time

from bed import bed, changes_inside, first_layer, floor, graphctl, has_peer, layer_changes, output, parser, run, start

CHANGED = 200


def rewrite(root):
    """Turns the bytes of some files around, which keeps their length."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink() and path.stat().st_size > 1)
    step = len(files) // CHANGED
    for file in files[::step][:CHANGED]:
        file.write_bytes(file.read_bytes()[::-1])


class Bench:
    def __init__(self, work):
        self.work, self.bed, self.samples, self.peer_layers = work, work / "bed", {}, {}

    def graph(self, *words):
        return (graphctl, "--root", self.bed / "root", "--run-root", self.work / "run", "--driver", "vfs") + words

    def peer(self, *words):
        return ("containers-storage", "--graph", self.bed / "peer", "--run", self.bed / "peer-run",
                "--storage-driver", "vfs") + words

    def build(self, has_peer):
        tar = self.work / "layer.tar"
        first_layer(tar)
        run(*self.graph("apply", "--id", "base", tar), stdout=subprocess.DEVNULL)
        for layer, change in (("untouched", None), ("rewritten", rewrite)):
            run(*self.graph("create", "--id", layer, "--parent", "base"), stdout=subprocess.DEVNULL)
            if change:
                change(pathlib.Path(output(*self.graph("mount", layer))))
                run(*self.graph("unmount", layer), stdout=subprocess.DEVNULL)
        if has_peer:
            base = output(*self.peer("create-layer")).split()[0]
            run(*self.peer("applydiff", "--file", tar, base), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            layer = output(*self.peer("create-layer", base)).split()[0]
            rewrite(pathlib.Path(output(*self.peer("mount", layer)).split()[0]))
            run(*self.peer("unmount", layer), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.peer_layers["rewritten"] = layer
        run("sync", "-f", self.bed)

    def process(self, name, command):
        start = time.monotonic()
        run(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.samples.setdefault(name, []).append((time.monotonic() - start) * 1000)

    def round(self, program, walk):
        layers = ("untouched", "rewritten")
        trees = [path / "root" for path in (self.bed / "root/vfs").iterdir()][:2]
        self.samples.setdefault("floor, both trees in one thread", []).append(float(output(walk, *trees).split()[2]))
        for layer, told in changes_inside(program, self.bed / "root", self.work / "run", 5, layers).items():
            self.samples.setdefault(f"inside, {layer}, {told[0]} changes", []).append(told[1])
        for layer in layers:
            self.process(f"process, {layer}", self.graph("changes", layer))
        for layer, peer in self.peer_layers.items():
            self.process(f"containers-storage changes, {layer}", self.peer("changes", peer))

    def report(self):
        for name, values in self.samples.items():
            print(f"{name:45} {statistics.median(values):8.1f} ({min(values):.1f} to {max(values):.1f})")


def main():
    arguments = parser(__doc__, 15).parse_args()
    start()
    with bed(arguments.directory, "6G", "mkfs.ext4", "-q", "-F") as work:
        bench, program, walk = Bench(work), layer_changes(), floor(work, "walk")
        bench.build(has_peer())
        for _ in range(arguments.rounds):
            bench.round(program, walk)
        print(f"{arguments.rounds} rounds; median (least to most), milliseconds")
        bench.report()


main()
