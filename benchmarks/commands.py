# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
"""Commands that manage layers, ours and the peer's, as the benchmarks run them."""
import os, time

import bed as beds

MAKE = {"overlay": ("mkfs.xfs", "-q"), "vfs": ("mkfs.xfs", "-q"), "btrfs": ("mkfs.btrfs", "-q")}


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
