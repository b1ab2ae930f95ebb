#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
"""layer-stream.py [--rounds N] [FOLDER]: what applying a layer tar and giving it back costs.

Input is the first layer of the Debian image that the tests use. Everything happens on a fresh ext4
filesystem in a file below FOLDER (default /var/tmp), on a loop device with direct I/O. Each round runs
every contender once, in turn, so that a ratio holds on a noisy machine. Contenders: graphctl; the floor, a
C program that only opens, writes, owns and dates the files; `containers-storage` where it is installed.
Needs root, gcc, zstd. Times are seconds of whole processes, but for the floor, which times its own loop.
"""
import hashlib, json, os, pathlib, resource, shutil, statistics, subprocess, tarfile, time

from bed import bed, first_layer, floor, graphctl, has_peer, parser, run, start

def five_layers(plain, target):
    """Deals the members of a tar out to the five layers of an OCI layout, the same bytes to each; packed."""
    blobs, files = target / "blobs/sha256", []
    blobs.mkdir(parents=True)

    def blob(content, kind, **members):
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return dict(mediaType=f"application/vnd.oci.image.{kind}", digest=f"sha256:{digest}", size=len(content), **members)

    with tarfile.open(plain) as source:
        members = source.getmembers()
        folders = {member.name: member for member in members if member.isdir()}
        sizes = {}
        for member in members:
            group = "/".join(member.name.strip("./").split("/")[:4])
            sizes[group] = sizes.get(group, 0) + member.size + 1500
        totals, place, first = [0] * 5, {}, {}
        for group, size in sorted(sizes.items(), key=lambda item: -item[1]):
            place[group] = totals.index(min(totals))
            totals[place[group]] += size
        tars = [tarfile.open(target / f"{number}.tar", "w", format=tarfile.PAX_FORMAT) for number in range(5)]
        named = [set() for _ in tars]
        for member in (member for member in members if not member.isdir()):
            group = "/".join(member.name.strip("./").split("/")[:4])
            number = first.get(member.linkname, place[group]) if member.islnk() else place[group]
            first[member.name] = number
            parts = member.name.split("/")
            for folder in ("/".join(parts[:count]) for count in range(1, len(parts))):
                if folder in folders and folder not in named[number]:
                    named[number].add(folder)
                    tars[number].addfile(folders[folder])
            tars[number].addfile(member, source.extractfile(member) if member.isreg() else None)
    layers, digests = [], []
    for number, tar in enumerate(tars):
        tar.close()
        path = target / f"{number}.tar"
        digests.append("sha256:" + hashlib.sha256(path.read_bytes()).hexdigest())
        packed = run("gzip", "-6", "-n", "-c", path, stdout=subprocess.PIPE).stdout
        layers.append(blob(packed, "layer.v1.tar+gzip"))
        files.append(blobs / layers[-1]["digest"][7:])
        path.unlink()
    rootfs = {"type": "layers", "diff_ids": digests}
    config = blob(json.dumps({"architecture": "amd64", "os": "linux", "rootfs": rootfs, "config": {}}).encode(), "config.v1+json")
    manifest = blob(json.dumps({"schemaVersion": 2, "config": config, "layers": layers}).encode(), "manifest.v1+json")
    (target / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (target / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return files


class Bench:
    def __init__(self, work):
        self.work, self.bed = work, work / "bed"
        self.samples = {}

    def clean(self):
        for name in os.listdir(self.bed):
            if name != "lost+found":
                # containers-storage binds a folder of its own onto itself.
                subprocess.run(["umount", self.bed / name / "overlay"], stderr=subprocess.DEVNULL)
                shutil.rmtree(self.bed / name, ignore_errors=True)
        run("sync", "-f", self.bed)

    def make_store(self):
        """A store made before the clock runs, as containers-storage's is by its create-layer."""
        self.clean()
        run(*self.graph("create", "--id", "first"), stdout=subprocess.DEVNULL)
        run(*self.graph("rm", "first"), stdout=subprocess.DEVNULL)
        run("sync", "-f", self.bed)

    def measure(self, name, command, own_time=False, **options):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        result = run(*command, stdout=options.pop("stdout", subprocess.PIPE), **options)
        seconds = time.monotonic() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if own_time:
            seconds = float(result.stdout)
        self.samples.setdefault(name, []).append((seconds, cpu))
        return result

    def graph(self, *words):
        return (graphctl, "--root", self.bed / "root", "--run-root", self.work / "run", "--driver", "overlay") + words

    def peer(self, *words):
        return ("containers-storage", "--graph", self.bed / "peer", "--run", self.bed / "peer-run",
                "--storage-driver", "overlay") + words

    def round(self, tars, image, layers, has_peer):
        self.clean()
        (self.bed / "floor").mkdir()
        self.measure("C floor, plain tar", (self.work / "untar", tars["plain"], self.bed / "floor"), own_time=True)
        self.clean()
        self.measure("one file, fdatasync", ("dd", f"if={tars['plain']}", f"of={self.bed}/file", "bs=1M", "conv=fdatasync", "status=none"))
        for durability in ("unsynced", "durable"):
            for kind, tar in tars.items():
                self.make_store()
                self.measure(f"graphctl apply, {kind}, {durability}", self.graph("--durability", durability, "apply", "--id", "base", tar))
        for form in ((), ("--canonical",)):
            self.measure(" ".join(("graphctl diff",) + form), self.graph("diff", "base") + form, stdout=subprocess.DEVNULL)
        self.measure("cat TAR | sha256sum", ("sh", "-c", f"cat {tars['plain']} | sha256sum"))
        for durability in ("unsynced", "durable"):
            self.make_store()
            self.measure(f"graphctl import, five layers, {durability}", self.graph("--durability", durability, "import", image))
            self.make_store()
            script = 'parent=; for layer; do parent=--parent=$("${graph[@]}" apply $parent "$layer"); done'
            words = " ".join(f"'{word}'" for word in self.graph("--durability", durability))
            self.measure(f"graphctl apply of each layer, {durability}", ["bash", "-ec", f"graph=({words}); {script}", ""] + layers)
        if has_peer:
            for kind, tar in tars.items():
                self.clean()
                made = run(*self.peer("create-layer"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
                layer = made.stdout.split()[0]
                self.measure(f"containers-storage apply, {kind}", self.peer("applydiff", "--file", tar, layer), stderr=subprocess.DEVNULL)
            self.measure("containers-storage diff", self.peer("diff", "-f", "/dev/null", layer))
        self.clean()

    def report(self):
        print(f"\n{'':40} {'median':>8} {'min':>8} {'max':>8} {'cpu':>8}")
        medians = {}
        for name, values in self.samples.items():
            seconds = [value[0] for value in values]
            medians[name] = statistics.median(seconds)
            cpu = statistics.median(value[1] for value in values)
            print(f"{name:40} {medians[name]:8.3f} {min(seconds):8.3f} {max(seconds):8.3f} {cpu:8.3f}")
        print()

        def ratio(text, above, below):
            if above in medians and below in medians:
                print(f"{text:68} {medians[above] / medians[below]:6.2f}")

        for kind in ("plain", "gzip", "zstd"):
            ratio(f"containers-storage apply / graphctl apply unsynced, {kind}",
                  f"containers-storage apply, {kind}", f"graphctl apply, {kind}, unsynced")
        ratio("graphctl apply unsynced / C floor, plain", "graphctl apply, plain, unsynced", "C floor, plain tar")
        bound = max(("graphctl apply, plain, unsynced", "one file, fdatasync"), key=lambda name: medians[name])
        ratio(f"graphctl apply durable / {bound}", "graphctl apply, plain, durable", bound)
        for durability in ("unsynced", "durable"):
            ratio(f"five layers, graphctl apply of each / import, {durability}",
                  f"graphctl apply of each layer, {durability}", f"graphctl import, five layers, {durability}")
        ratio("cat | sha256sum / graphctl diff", "cat TAR | sha256sum", "graphctl diff")
        ratio("cat | sha256sum / graphctl diff --canonical", "cat TAR | sha256sum", "graphctl diff --canonical")
        ratio("containers-storage diff / graphctl diff", "containers-storage diff", "graphctl diff")


def main():
    arguments = parser(__doc__, 7).parse_args()
    start()
    with bed(arguments.directory, "6G", "mkfs.ext4", "-q", "-F") as work:
        tars = {"plain": work / "layer.tar", "gzip": work / "layer.tar.gz", "zstd": work / "layer.tar.zst"}
        first_layer(tars["plain"])
        run("gzip", "-6", "-k", tars["plain"])
        run("zstd", "-q", "-3", tars["plain"])
        layers = five_layers(tars["plain"], work / "image.oci")
        floor(work, "untar")
        print(f"input: {tars['plain'].stat().st_size} bytes; {arguments.rounds} rounds, each contender once a round")
        bench, peer = Bench(work), has_peer()
        for _ in range(arguments.rounds):
            bench.round(tars, work / "image.oci", layers, peer)
        bench.report()


main()
