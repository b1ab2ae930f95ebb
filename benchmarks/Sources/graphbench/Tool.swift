// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import Measure

/// A program of the system, run to its end.
struct Tool {
    let output: String
    let userTime: Double
    let systemTime: Double
    let nanoseconds: Double

    /// Whether a program of this name is in the path.
    static func exists(_ name: String) -> Bool { path(of: name) != nil }

    static func path(of name: String) -> String? {
        if name.contains("/") { return access(name, X_OK) == 0 ? name : nil }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        // Root's tools are not in every user's path.
        return (path + ":/usr/sbin:/sbin").split(separator: ":").map { "\($0)/\(name)" }
            .first { access($0, X_OK) == 0 }
    }

    /// Runs a program, and fails with what it complained of.
    @discardableResult
    static func run(_ words: String...) throws -> Tool { try run(words) }

    /// Runs a program and tells its time, that of its start included.
    @discardableResult
    static func run(_ words: [String], input: String? = nil) throws -> Tool {
        guard let path = path(of: words[0]) else {
            throw MeasureError("\(words[0]) is not installed")
        }
        let directory = FileManager.default.temporaryDirectory
        let base = "graphbench-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
        let (out, err) = (directory.path + "/\(base).out", directory.path + "/\(base).err")
        defer { for file in [out, err] { unlink(file) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, input ?? "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, out, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, err, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        var arguments = words.map { strdup($0) }
        defer { for argument in arguments { free(argument) } }
        arguments.append(nil)
        var child = pid_t()
        var usage = rusage()
        var status: CInt = 0
        var failure: CInt = 0
        let elapsed = Measure.nanoseconds {
            failure = posix_spawn(&child, path, &actions, nil, arguments, environ)
            if failure == 0 { while wait4(child, &status, 0, &usage) == -1 && errno == EINTR {} }
        }
        guard failure == 0 else {
            throw MeasureError("\(words[0]): \(String(cString: strerror(failure)))")
        }
        guard status == 0 else {
            let complaint = (try? String(contentsOfFile: err, encoding: .utf8)) ?? ""
            throw MeasureError(
                "\(words.joined(separator: " ")) ended with status \(status >> 8): "
                    + complaint.trimmingCharacters(in: .whitespacesAndNewlines))
        }
        func time(_ value: timeval) -> Double {
            Double(value.tv_sec) * 1e9 + Double(value.tv_usec) * 1e3
        }
        return Tool(
            output: try String(contentsOfFile: out, encoding: .utf8)
                .trimmingCharacters(in: .whitespacesAndNewlines),
            userTime: time(usage.ru_utime), systemTime: time(usage.ru_stime), nanoseconds: elapsed)
    }

    /// The version of a Debian package, where it is installed.
    static func version(ofPackage name: String) -> String? {
        try? run("dpkg-query", "-W", "-f", "${Version}", name).output
    }
}
