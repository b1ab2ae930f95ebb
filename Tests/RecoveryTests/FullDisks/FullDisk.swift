// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import GraphTestSupport
import SystemPackage

/// A small filesystem that is filled up to a chosen rest.
struct FullDisk {
    /// Where it is mounted.
    let mountPoint: FilePath

    private var filler: FilePath { mountPoint.appending("filler") }

    /// What runs out.
    enum Resource: String, CaseIterable, Sendable {
        case bytes, inodes
    }

    /// Lends a filesystem with a store on it whose run root is elsewhere, as /run is.
    static func with(
        _ type: TestFilesystem, _ driver: String, inodes: Int? = nil,
        _ body: (FullDisk, AttackedStore) throws -> Void
    ) throws {
        try withLoopFilesystem(
            type: type, size: type == .btrfs ? type.sizeMin : 48 << 20,
            options: type == .tmpfs ? inodes.map { ["nr_inodes=\($0)"] } ?? [] : [],
            // Blocks as on disks of a usual size, see docs/recovery.md for smaller ones.
            makeOptions: type == .ext4
                ? ["-m", "0", "-b", "4096", "-N", "\(inodes ?? 4096)"] : []
        ) { mountPoint in
            try withScratchRoot { scratch in
                let store = AttackedStore(
                    root: mountPoint.appending("root"), runRoot: scratch.appending("run"),
                    driver: driver)
                try body(FullDisk(mountPoint: mountPoint), store)
            }
        }
    }

    private func status() throws -> FilesystemStatus {
        try Directory(opening: mountPoint).descriptor.filesystem()
    }

    /// Bytes or inodes that are free.
    func free(_ resource: Resource) throws -> UInt64 {
        let status = try status()
        return resource == .bytes ? status.availableBytes : status.freeInodes
    }

    /// Takes all but `rest` bytes, or inodes.
    func fill(leaving rest: UInt64, _ resource: Resource) throws {
        try runCommand("mkdir", ["-p", filler.string])
        let free = try free(resource)
        if free <= rest { return }
        switch resource {
        case .bytes:
            let file = filler.appending("bytes").string
            if rest == 0 {
                try fillToTheLastByte()
            } else {
                // btrfs does not give all that it counts as free.
                let script = """
                    size=$2
                    while [ "$size" -gt 0 ] && ! fallocate -l "$size" "$1" 2>/dev/null; do
                        size=$((size - size / 50 - 1))
                    done
                    """
                try runCommand("bash", ["-c", script, "fill", file, "\(free - rest)"])
            }
        case .inodes:
            let script = "cd \"$1\" && seq \"$2\" | xargs touch"
            try runCommand("bash", ["-c", script, "fill", filler.string, "\(free - rest)"])
        }
    }

    /// Writes until not one more byte is taken.
    func fillToTheLastByte() throws {
        let script = """
            cd "$1"
            for size in 1M 64k 4k 512 1; do
                dd if=/dev/zero of=bytes-$RANDOM$RANDOM bs=$size status=none
            done
            true
            """
        try runCommand("mkdir", ["-p", filler.string])
        try runCommand("bash", ["-c", script, "fill", filler.string])
    }

    /// Gives back what was taken.
    func clear() throws {
        try runCommand("rm", ["-rf", filler.string])
        // ext4 gives freed blocks back when its journal is on disk.
        try runCommand("sync", ["-f", mountPoint.string])
    }
}
