// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphTestSupport
import SystemPackage

/// A moment in a process's life: just before it makes a system call for the n-th time.
///
/// Counted by strace, for each thread of the process and each call by itself. The call is not made.
struct KillPoint: Hashable, CustomStringConvertible {
    let call: String
    let number: Int

    var description: String { "\(call) \(number)" }

    /// The words before a command line that kill it there.
    var wrapper: [String] {
        [
            "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=\(call)",
            "-e", "inject=\(call):signal=KILL:when=\(number)",
        ]
    }

    /// The calls that change anything which outlives the process, and those that give locks and
    /// mounts away.
    private static let calls = [
        "openat", "openat2", "mkdirat", "mkdir", "renameat", "renameat2", "rename", "write",
        "pwrite64", "writev", "unlinkat", "unlink", "rmdir", "linkat", "symlinkat", "mknodat",
        "fchown", "fchownat", "fchmod", "fchmodat", "utimensat", "setxattr", "fsetxattr",
        "lsetxattr", "fremovexattr", "lremovexattr", "removexattr", "fsopen", "fsconfig", "fsmount",
        "move_mount", "open_tree", "mount_setattr", "mount", "umount2", "fsync", "fdatasync",
        "syncfs", "ftruncate", "fallocate", "copy_file_range", "sendfile", "ioctl", "fcntl",
        "close", "exit_group",
    ]

    /// The points of a command, found by running it once under strace.
    ///
    /// What the process does before it first names the store is left out: loading its libraries.
    static func all(of line: [String], root: FilePath) throws -> [KillPoint] {
        try withScratchRoot { scratch in
            let trace = scratch.appending("trace")
            let set = calls.map { "?" + $0 }.joined(separator: ",")
            let traced =
                ["strace", "-f", "-qq", "-o", trace.string, "-s", "4096", "-e", "trace=" + set]
            let result = try run(traced + line)
            if !result.isSuccess { throw UnexpectedResult("\(result)") }
            return points(in: try trace.readText(), root: root.string)
        }
    }

    private static func points(in trace: String, root: String) -> [KillPoint] {
        var counts: [Substring: [Substring: Int]] = [:]
        var before: [Substring: Int] = [:]
        var isStarted = false
        for line in trace.split(separator: "\n") {
            // `1234  openat(AT_FDCWD, "/…", …) = 3`; not `1234 <... openat resumed>`.
            let words = line.split(separator: " ", maxSplits: 1)
            guard words.count == 2, let end = words[1].firstIndex(of: "(") else { continue }
            let call = words[1][..<end].drop { $0 == " " }
            // strace also tells calls that it has no name for, and cannot be asked for them.
            guard calls.contains(String(call)) else { continue }
            if !isStarted && line.contains(root) {
                isStarted = true
                before = counts[words[0]] ?? [:]
            }
            counts[words[0], default: [:]][call, default: 0] += 1
        }
        var most: [Substring: Int] = [:]
        for thread in counts.values { most.merge(thread) { max($0, $1) } }
        let points = most.flatMap { call, count in
            (0..<count).dropFirst(before[call] ?? 0).map {
                KillPoint(call: "\(call)", number: $0 + 1)
            }
        }
        return points.sorted { ($0.call, $0.number) < ($1.call, $1.number) }
    }
}
