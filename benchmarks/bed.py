# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
"""What the benchmarks share: a fresh filesystem on a loop device, the command as built here, and the peer."""
import argparse, contextlib, os, pathlib, shutil, subprocess, sys, tempfile

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
    made.add_argument("folder", nargs="?", default="/var/tmp")
    return made


def start():
    """Goes on in a mount namespace of its own, whose mounts end with it, and builds the command."""
    if "GRAPH_BENCH_INSIDE" not in os.environ:
        os.environ["GRAPH_BENCH_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable] + sys.argv)
    run("make", "--no-print-directory", "-C", here.parent, "build", stdout=subprocess.DEVNULL)


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
        # containers-storage binds a folder of its own onto itself.
        places = [line.split()[4] for line in open("/proc/self/mountinfo") if str(work / "bed") in line.split()[4]]
        for place in reversed(places):
            subprocess.run(["umount", "-l", place], stderr=subprocess.DEVNULL)
        if loop:
            subprocess.run(["losetup", "--detach", loop])
        shutil.rmtree(work, ignore_errors=True)


def has_peer():
    """Whether containers-storage is installed; tells its version."""
    if shutil.which("containers-storage") is None:
        return False
    print("peer:", " ".join(output("dpkg-query", "-W", "containers-storage").split()))
    return True
