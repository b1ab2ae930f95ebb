// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
package import SystemPackage

/// What one run of `graphctl` left.
package struct GraphctlResult: Sendable {
    package let status: Int32
    /// Standard output, whole.
    package let output: [UInt8]
    /// Standard error, whole.
    package let errors: String
    /// The most memory that was resident, in bytes (`VmHWM`), looked at every few milliseconds; 0 for
    /// a run too short to be looked at.
    package let peakBytes: UInt64
    /// How long the run took.
    package let seconds: Double
    /// What it did after the signal to stop; nil when it ended before.
    package let stop: Stop?

    /// The end of a run that was told to stop.
    package struct Stop: Sendable {
        /// How long it took.
        package let seconds: Double
        /// Processor time of all its threads, which other programs on the machine take nothing from.
        package let processorSeconds: Double
    }

    /// Standard output as text, without the line end at its end.
    package var text: String {
        let text = String(decoding: output, as: UTF8.self)
        return text.hasSuffix("\n") ? String(text.dropLast()) : text
    }

    /// The lines of standard output.
    package var lines: [String] { text.isEmpty ? [] : text.components(separatedBy: "\n") }
}

/// The built command, run on a store of its own.
package struct GraphctlCommand: Sendable {
    /// The directory that holds everything of this store.
    package let directory: FilePath
    package let driver: String

    /// The store's root.
    package var root: FilePath { directory.appending("root") }
    package var runRoot: FilePath { directory.appending("run") }

    /// Describes a store below `directory`, which exists.
    package init(driver: String, directory: FilePath) {
        (self.driver, self.directory) = (driver, directory)
    }

    /// The binary: the one that `GRAPHCTL` names, else the one that was built with the tests.
    package static let executable: FilePath = {
        let path = ProcessInfo.processInfo.environment["GRAPHCTL"] ?? ""
        return path.isEmpty ? BuiltProgram.path("graphctl") : FilePath(path)
    }()

    /// Settings that every store of the driver is made with, as arguments.
    private var storageOptions: [String] {
        let subject = DriverUnderTest.all.first { $0.name == driver }
        return (subject?.storageOptions ?? [:]).sorted { $0.key < $1.key }.flatMap {
            ["--storage-opt", "\($0.key)=\($0.value)"]
        }
    }

    /// Runs a subcommand with its arguments, whatever comes of it.
    ///
    /// `wrapper` is a command line that runs it in its own place, such as `prlimit --nofile=256`. Its
    /// output goes to `outputTo`, if that is given, and not into the result. `SIGTERM` is sent after
    /// `stoppedAfter` seconds.
    package func run(
        _ arguments: [String], input: FilePath? = nil, wrapper: [String] = [],
        outputTo: FilePath? = nil, stoppedAfter: Double? = nil
    ) throws -> GraphctlResult {
        let name = "graphctl-" + String(UInt64.random(in: .min ... .max), radix: 16)
        let (output, errors) = (
            directory.appending(name + ".out"), directory.appending(name + ".err")
        )
        defer {
            try? output.remove()
            try? errors.remove()
        }
        try output.write("")
        try errors.write("")
        let process = Process()
        process.executableURL = URL(
            fileURLWithPath: wrapper.isEmpty ? Self.executable.string : "/usr/bin/env")
        process.arguments =
            (wrapper.isEmpty ? [] : wrapper + [Self.executable.string])
            + ["--root", root.string, "--run-root", runRoot.string, "--driver", driver]
            + storageOptions + arguments
        try outputTo?.write("")
        process.standardOutput = FileHandle(forWritingAtPath: (outputTo ?? output).string)
        process.standardError = FileHandle(forWritingAtPath: errors.string)
        process.standardInput =
            input.flatMap { FileHandle(forReadingAtPath: $0.string) } ?? FileHandle.nullDevice
        try process.run()
        var peakBytes: UInt64 = 0
        let start = Date()
        let earlier = Self.processorSecondsOfChildren()
        var stopped: (at: Date, used: Double)?
        while process.isRunning {
            peakBytes = max(peakBytes, Self.peakBytes(of: process.processIdentifier))
            if let stoppedAfter, stopped == nil, -start.timeIntervalSinceNow >= stoppedAfter {
                let used = Self.processorSeconds(of: process.processIdentifier)
                kill(process.processIdentifier, SIGTERM)
                stopped = (Date(), used)
            }
            Thread.sleep(forTimeInterval: 0.003)
        }
        process.waitUntilExit()
        let end = Date()
        return GraphctlResult(
            status: process.terminationStatus,
            output: [UInt8](try Data(contentsOf: URL(fileURLWithPath: output.string))),
            errors: try errors.readText(), peakBytes: peakBytes,
            seconds: end.timeIntervalSince(start),
            stop: stopped.map {
                GraphctlResult.Stop(
                    seconds: end.timeIntervalSince($0.at),
                    processorSeconds: Self.processorSecondsOfChildren() - earlier - $0.used)
            })
    }

    /// Runs the command, which must succeed and say nothing on standard error.
    @discardableResult
    package func succeed(_ arguments: String...) throws -> GraphctlResult {
        try succeed(arguments)
    }

    /// The same with the arguments of a list.
    @discardableResult
    package func succeed(_ arguments: [String]) throws -> GraphctlResult {
        let result = try run(arguments)
        guard result.status == 0, result.errors.isEmpty else {
            throw CommandFailure(
                description: "graphctl \(arguments.joined(separator: " ")) (\(driver)): status "
                    + "\(result.status): \(result.errors)\(result.text)")
        }
        return result
    }

    /// Mounts a layer, lends the place, and unmounts it.
    package func withMount<Value>(_ layer: String, _ body: (FilePath) throws -> Value) throws
        -> Value
    {
        let place = FilePath(try succeed("mount", layer).text)
        let result = Result { try body(place) }
        try succeed("unmount", layer)
        return try result.get()
    }

    /// Lends what a committed layer shows, through a view.
    package func withView<Value>(
        of layer: String, _ body: (FilePath) throws -> Value
    ) throws -> Value {
        let view = try succeed("view", "--parent", layer).text
        let result = Result { try withMount(view, body) }
        try succeed("rm", view)
        return try result.get()
    }

    /// Bytes of disk blocks of the store without its database, which keeps its pages for the next
    /// layers; of a store on a thin pool, what the pool has given out.
    package func diskBytes() throws -> UInt64 {
        if driver == "devicemapper" {
            let status = try succeed("pool", "status", "--json")
            let object = try JSONSerialization.jsonObject(with: Data(status.output))
            let used = (object as? [String: Any])?["data_used"] as? NSNumber
            return used?.uint64Value ?? 0
        }
        let line = try runCommand(
            "du", ["-s", "--block-size=1", "--exclude=graph.db*", root.string])
        return line.split(separator: "\t").first.flatMap { UInt64($0) } ?? 0
    }

    private static func peakBytes(of process: Int32) -> UInt64 {
        let text = (try? FilePath("/proc/\(process)/status").readText()) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        let number = line?.split(separator: " ").dropFirst().first.flatMap { UInt64($0) }
        return (number ?? 0) << 10
    }

    /// Of a running process, to a hundredth.
    private static func processorSeconds(of process: Int32) -> Double {
        let text = (try? FilePath("/proc/\(process)/stat").readText()) ?? ""
        // The name before it may have spaces and brackets.
        let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
        let ticks = fields.dropFirst(11).prefix(2).compactMap { Double($0) }
        return ticks.reduce(0, +) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Of all that were waited for.
    private static func processorSecondsOfChildren() -> Double {
        var usage = rusage()
        unsafe getrusage(__rusage_who_t(RUSAGE_CHILDREN.rawValue), &usage)
        return [usage.ru_utime, usage.ru_stime].reduce(0) {
            $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1e6
        }
    }
}
