#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
"""overlay-changes.py [--rounds N] [FOLDER]: what `changes` of an overlay layer costs, by the size of its parent.

A layer changes 200 files of a parent of 10,000 and of 100,000 files with 100 in a directory: it writes to them
or changes their mode, with and without metacopy, in 2 or in up to 200 directories; or it renames 2 directories
with redirect_dir. Everything happens on a fresh ext4 filesystem in a file below FOLDER (default /var/tmp), on a
loop device with direct I/O. `inside` is the time of a process that has the store open (layer-changes), `process` that
of the whole command, for containers-storage too where it is installed; its layer writes to files in 200 directories.
`floor` is a C program that does nothing but list the layer's own directory and ask about each name. Each round runs
every contender once, in turn. Needs root.
"""
import io, json, pathlib, re, statistics, subprocess, tarfile, time

from bed import bed, changes_inside, floor, graphctl, has_peer, layer_changes, output, parser, run, start

CHANGED, PER_FOLDER = 200, 100


def parent_tar(path, count):
    with tarfile.open(path, "w") as tar:
        for index in range(count):
            if index % PER_FOLDER == 0:
                folder = tarfile.TarInfo(f"folder-{index // PER_FOLDER:04}")
                folder.type, folder.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(folder)
            file = tarfile.TarInfo(f"folder-{index // PER_FOLDER:04}/file-{index:06}")
            file.size = 100
            tar.addfile(file, io.BytesIO(b"x" * 100))


def files(root, folder_count):
    """Two hundred, of that many directories if there are as many."""
    folders = sorted(path for path in root.iterdir() if path.name.startswith("folder-"))
    step = max(1, len(folders) // folder_count)
    chosen = folders[::step][:folder_count]
    return [file for folder in chosen for file in sorted(folder.iterdir())[:CHANGED // len(chosen)]]


def write(folder_count):
    def change(root):
        for file in files(root, folder_count):
            with open(file, "a") as opened:
                opened.write("changed")
    return change


def change_modes(folder_count):
    def change(root):
        for file in files(root, folder_count):
            file.chmod(0o600)
    return change


def rename(root):
    for index in range(CHANGED // PER_FOLDER):
        (root / f"folder-{index:04}").rename(root / f"renamed-{index:04}")


METACOPY = ("--storage-opt", "overlay.metacopy=on")
WAYS = {
    "write, 2 directories": ((), write(2)),
    "write, 200 directories": ((), write(200)),
    "mode, 2 directories": ((), change_modes(2)),
    "mode, 2 directories, metacopy": (METACOPY, change_modes(2)),
    "mode, 200 directories, metacopy": (METACOPY, change_modes(200)),
    "rename, redirect_dir": (("--storage-opt", "overlay.redirect_dir=on"), rename),
}


class Bench:
    def __init__(self, work, count):
        self.bed, self.work, self.count = work / f"bed/{count}", work, count
        self.samples, self.lines, self.peer_layer = {}, {}, None
        self.bed.mkdir()

    def graph(self, *words):
        return (graphctl, "--root", self.bed / "root", "--run-root", self.work / "run", "--driver", "overlay") + words

    def peer(self, *words):
        return ("containers-storage", "--graph", self.bed / "peer", "--run", self.bed / "peer-run",
                "--storage-driver", "overlay") + words

    def build(self, has_peer):
        tar = self.work / "parent.tar"
        parent_tar(tar, self.count)
        run(*self.graph("--durability", "unsynced", "apply", "--id", "parent", tar), stdout=subprocess.DEVNULL)
        for way, (options, change) in WAYS.items():
            layer = re.sub("[^a-z0-9]+", "-", way)
            run(*self.graph("create", "--id", layer, "--parent", "parent", *options), stdout=subprocess.DEVNULL)
            change(pathlib.Path(output(*self.graph("mount", layer, *options))))
            run(*self.graph("unmount", layer), stdout=subprocess.DEVNULL)
        if has_peer:
            parent = output(*self.peer("create-layer")).split()[0]
            run(*self.peer("applydiff", "--file", tar, parent), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.peer_layer = output(*self.peer("create-layer", parent)).split()[0]
            write(200)(pathlib.Path(output(*self.peer("mount", self.peer_layer)).split()[0]))
            run(*self.peer("unmount", self.peer_layer), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        run("sync", "-f", self.bed)

    def round(self, program, walk):
        names = {way: re.sub("[^a-z0-9]+", "-", way) for way in WAYS}
        inside = changes_inside(program, self.bed / "root", self.work / "run", 5, names.values())
        for way, layer in names.items():
            number = json.loads(output(*self.graph("inspect", layer)))["number"]
            least = output(walk, self.bed / f"root/overlay/{number}/diff").split()[2]
            start = time.monotonic()
            run(*self.graph("changes", layer), stdout=subprocess.DEVNULL)
            process = time.monotonic() - start
            self.lines[way] = inside[layer][0]
            self.samples.setdefault(way, []).append((inside[layer][1], float(least), process * 1000))
        if self.peer_layer:
            start = time.monotonic()
            done = run(*self.peer("changes", self.peer_layer), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            self.samples.setdefault("containers-storage, write, 200 directories", []).append((None, None, (time.monotonic() - start) * 1000))
            self.lines["containers-storage, write, 200 directories"] = len(done.stdout.splitlines())

    def report(self):
        def text(values):
            values = sorted(value for value in values if value is not None)
            return f"{statistics.median(values):.2f} ({values[0]:.2f} to {values[-1]:.2f})" if values else ""

        for name, values in self.samples.items():
            print(f"| {self.count:,} | {name} | {self.lines[name]} | " + " | ".join(text(column) for column in zip(*values)) + " |")


def main():
    arguments = parser(__doc__, 31).parse_args()
    start()
    with bed(arguments.directory, "6G", "mkfs.ext4", "-q", "-F", "-i", "4096") as work:
        peer, program, walk = has_peer(), layer_changes(), floor(work, "walk")
        benches = [Bench(work, count) for count in (10_000, 100_000)]
        for bench in benches:
            bench.build(peer)
        for _ in range(arguments.rounds):
            for bench in benches:
                bench.round(program, walk)
        print(f"{arguments.rounds} rounds; median (least to most), milliseconds\n")
        print("| parent's files | layer | changes told | inside | floor | process |\n|---|---|---|---|---|---|")
        for bench in benches:
            bench.report()


main()
