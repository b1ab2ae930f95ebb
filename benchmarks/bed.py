# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
"""What the benchmarks share: a fresh filesystem on a loop device, the command as built here, and the peer."""
import argparse, contextlib, gzip, json, os, pathlib, shutil, subprocess, sys, tempfile

here = pathlib.Path(__file__).resolve().parent
graphctl = here.parent / ".build/static/release/graphctl"


def run(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, **options)


def output(*command):
    """What a command prints, but for its complaints."""
    return run(*command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()


def parser(description, rounds):
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rounds", type=int, default=rounds)
    made.add_argument("directory", nargs="?", default="/var/tmp")
    return made


def start(build=True):
    """Goes on in a mount namespace of its own, whose mounts end with it, and builds the command where wanted."""
    if "GRAPH_BENCH_INSIDE" not in os.environ:
        os.environ["GRAPH_BENCH_INSIDE"] = "1"
        listed = [str(here.parent / "Tests/scripts/listed-env.sh"), "machine"]
        os.execvp(listed[0], listed + ["unshare", "--mount", "--propagation", "private", sys.executable] + sys.argv)
    if build:
        run("make", "--no-print-directory", "-C", here.parent, "build", stdout=subprocess.DEVNULL)


def unmount(folder):
    """Unmounts what is mounted at a folder and below it: containers-storage binds a folder of its own onto itself."""
    places = [line.split()[4] for line in open("/proc/self/mountinfo") if str(folder) in line.split()[4]]
    for place in reversed(places):
        subprocess.run(["umount", "-l", place], stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def bed(folder, size, *make, options="defaults"):
    """Lends a folder to work in, with a new filesystem mounted at `bed` in it; `make` makes it in a file."""
    work, loop = pathlib.Path(tempfile.mkdtemp(prefix="graph-bench.", dir=folder)), None
    try:
        run("truncate", "-s", size, work / "image")
        run(*make, work / "image", stdout=subprocess.DEVNULL)
        loop = output("losetup", "--find", "--show", "--direct-io=on", work / "image")
        (work / "bed").mkdir()
        run("mount", "-o", options, loop, work / "bed")
        print(f"machine: {os.cpu_count()} processors, Linux {os.uname().release}, {make[0]} on a loop device with direct I/O")
        yield work
    finally:
        unmount(work)
        if loop:
            subprocess.run(["losetup", "--detach", loop])
        shutil.rmtree(work, ignore_errors=True)


def has_peer():
    """Whether containers-storage is installed; tells its version."""
    if shutil.which("containers-storage") is None:
        return False
    print("peer:", " ".join(output("dpkg-query", "-W", "containers-storage").split()))
    return True


def floor(work, name):
    """Compiles a program of `floor` into the folder `work`."""
    run("gcc", "-O2", "-w", "-o", work / name, here / f"floor/{name}.c")
    return work / name


def first_layer(target):
    """Writes the plain tar of the first layer of the Debian image that the tests use."""
    image = pathlib.Path(output(here.parent / "Tests/scripts/make-image.sh").split()[-1])

    def blob(digest):
        return image / "blobs" / digest.replace(":", "/")

    index = json.loads((image / "index.json").read_text())
    manifest = json.loads(blob(index["manifests"][0]["digest"]).read_text())
    with gzip.open(blob(manifest["layers"][0]["digest"])) as packed, open(target, "wb") as plain:
        shutil.copyfileobj(packed, plain, 1 << 20)


def layer_changes():
    """Builds the program that measures changes in a process that has the store open, and returns its path."""
    package = ("--package-path", here, "-c", "release")
    run("swift", "build", *package, "--product", "layer-changes", stdout=subprocess.DEVNULL)
    return pathlib.Path(output("swift", "build", *package, "--show-bin-path")) / "layer-changes"


def changes_inside(program, root, run_root, rounds, layers):
    """For each layer how many changes it has, and the median, least and most of the milliseconds to list them."""
    lines = output(program, root, run_root, rounds, *layers).splitlines()
    return {words[0]: (int(words[1]), *(int(word) / 1000 for word in words[2:])) for words in map(str.split, lines)}
