// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import Measure
import Testing

/// `graphbench compare`, by the program.
struct CompareCommandTests {
    @Test func `the command tells by its status what it found`() throws {
        let directory = FileManager.default.temporaryDirectory.path
        let paths = (0..<3).map { "\(directory)/compare-\(getpid())-\($0).json" }
        defer { for path in paths { unlink(path) } }
        for (path, slowdown) in zip(paths, [1, 1.001, 1.2]) {
            var series = Series(Series.Key(command: "io", subject: "a", operation: "b"))
            series.rounds = (0..<20).map { [slowdown * (100_000 + Double($0 * 7 % 20))] }
            var result = BenchResult(command: ["test"], machine: Machine())
            result.series = [series]
            result.finish(seconds: 1)
            try result.write(to: path)
        }
        #expect(try Self.status(paths[0], paths[1]) == 0)
        #expect(try Self.status(paths[0], paths[2]) == 1)
        #expect(try Self.status(paths[0], paths[2], "--threshold", "60") == 0)
        #expect(try Self.status(paths[0], directory) == 2)
    }

    private static func status(_ arguments: String...) throws -> Int32 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: CommandLine.arguments[0])
            .deletingLastPathComponent().appendingPathComponent("graphbench")
        process.arguments = ["compare"] + arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus
    }
}
